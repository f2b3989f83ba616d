//! The two files that are only bytes: `PID/cmdline` ([`Cmdline`]) and `PID/comm` ([`Comm`]); and how any name that is only bytes is
//! shown to a person ([`printable`]).

use crate::{ParseError, Text};

/// `PID/cmdline`: the argument strings, each ended by NUL. Empty for kernel threads and zombies. The process
/// may have overwritten them, so the bytes are kept as they are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cmdline(pub Vec<u8>);

impl Cmdline {
    /// From separate arguments.
    pub fn from_args<A: AsRef<[u8]>>(args: impl IntoIterator<Item = A>) -> Self {
        let mut bytes = Vec::new();
        for arg in args {
            bytes.extend_from_slice(arg.as_ref());
            bytes.push(0);
        }
        Self(bytes)
    }

    /// The arguments. A process that wrote one long title over them has one argument.
    pub fn args(&self) -> impl Iterator<Item = &[u8]> {
        let body = self.0.strip_suffix(b"\0").unwrap_or(&self.0);
        body.split(|&b| b == 0)
            .take(if self.0.is_empty() { 0 } else { usize::MAX })
    }
}

impl Text for Cmdline {
    const FILE: &'static str = "cmdline";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Ok(Self(bytes.to_vec()))
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// `PID/comm`: the command name, at most 15 bytes for a user task, and a newline.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Comm(pub Vec<u8>);

impl Text for Comm {
    const FILE: &'static str = "comm";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let name = bytes
            .strip_suffix(b"\n")
            .ok_or_else(|| ParseError::new("comm", 1, "a newline", bytes))?;
        Ok(Self(name.to_vec()))
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
        out.push(b'\n');
    }
}

/// Bytes as text for a screen: bad UTF-8 and control characters replaced, so that no name can steer a terminal; and the marks that turn
/// the direction of writing, with which a name could show the rest of its line in another order.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if steers(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Control characters, line separators, and Unicode's Bidi_Control (UAX #9).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_apart_and_together() {
        let line = Cmdline::from_args(["ls", "", "-l"]);
        assert_eq!(line.0, b"ls\0\0-l\0");
        assert_eq!(line.args().collect::<Vec<_>>(), [b"ls".as_slice(), b"", b"-l"]);
        assert_eq!(Cmdline::default().args().count(), 0);
        assert_eq!(Cmdline(b"title".to_vec()).args().collect::<Vec<_>>(), [b"title"]);
    }
}
