//! What is wrong with a text of `/proc`: [`ParseError`].

use core::fmt;

/// A text that is not what Linux prints. It names the file, the line, the field and what stood there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// The kind of file, such as `smaps`; whoever knows the process adds the path.
    pub file: &'static str,
    /// Line number, from 1. For binary files: the entry number, from 1.
    pub line: usize,
    /// The field that was expected there.
    pub field: &'static str,
    /// What stood there instead: the first 40 bytes, escaped.
    pub found: String,
}

impl ParseError {
    pub(crate) fn new(file: &'static str, line: usize, field: &'static str, found: &[u8]) -> Self {
        let found = found.split(|&b| b == b'\n').next().unwrap_or_default();
        let shown = &found[..found.len().min(40)];
        Self {
            file,
            line,
            field,
            found: shown.escape_ascii().to_string(),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            field,
            found,
        } = self;
        write!(f, "{file}, line {line}: expected {field}, found \"{found}\"")
    }
}

impl std::error::Error for ParseError {}
