//! What can go wrong in a chore: key type [`Trouble`], with the value that failed.

use std::fmt;
use std::path::PathBuf;

/// Why a chore stopped.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The command line asks for something that does not exist.
    Usage(String),
    /// The host refused something with a file.
    File { path: PathBuf, error: std::io::Error },
    /// A program could not be started, or did not end well.
    Command { line: String, why: String },
    /// A tool is nowhere on this host.
    Missing { tool: String, why: String },
    /// The chore ran and its answer is no.
    Failed(String),
}

impl Trouble {
    /// For `map_err`: the file that an I/O error was about.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Trouble {
        let path = path.into();
        move |error| Trouble::File { path, error }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Usage(what) => write!(f, "{what}; `cargo xtask help` lists them"),
            Trouble::File { path, error } => write!(f, "{}: {error}", path.display()),
            Trouble::Command { line, why } => write!(f, "`{line}`: {why}"),
            Trouble::Missing { tool, why } => write!(f, "no {tool} here: {why}"),
            Trouble::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Trouble {}
