//! `meminfo`: the machine's memory ([`MemInfo`]; proc_meminfo(5), `fs/proc/meminfo.c`).
//!
//! Which lines there are depends on kernel and configuration, so the file is an ordered list of counters.

use crate::text::{Cursor, put_column24};
use crate::{Kib, ParseError, Text};

/// One line of `meminfo`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemCounter {
    /// Name without its colon, such as `MemTotal`.
    pub name: String,
    /// Value: kibibytes if `is_kib`, else a count (the `HugePages_*` lines).
    pub value: u64,
    /// Whether the line ends in ` kB`.
    pub is_kib: bool,
}

/// `meminfo`, in the file's order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemInfo(pub Vec<MemCounter>);

impl MemInfo {
    /// Append a line in kibibytes.
    pub fn push_kib(&mut self, name: &str, value: Kib) {
        self.0.push(MemCounter {
            name: name.into(),
            value: value.0,
            is_kib: true,
        });
    }

    /// The value of a line in kibibytes.
    #[must_use]
    pub fn kib(&self, name: &str) -> Option<Kib> {
        self.0
            .iter()
            .find(|c| c.name == name && c.is_kib)
            .map(|c| Kib(c.value))
    }
}

impl Text for MemInfo {
    const FILE: &'static str = "meminfo";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut c = Cursor::new(Self::FILE, bytes);
        let mut counters = Vec::new();
        while !c.is_at_end() {
            let error = c.error("a counter's name");
            let name = c.take_until(b':', "a counter's name")?;
            let name = str::from_utf8(name)
                .ok()
                .filter(|n| !n.contains('\n'))
                .ok_or(error)?
                .to_owned();
            c.skip_blanks();
            let value = c.decimal("a counter's value")?;
            let is_kib = c.rest().starts_with(b" kB");
            let unit = c.take_until(b'\n', "kB or a newline")?;
            if unit != if is_kib { b" kB".as_slice() } else { b"" } {
                return Err(ParseError::new(
                    Self::FILE,
                    counters.len() + 1,
                    "kB or a newline",
                    unit,
                ));
            }
            counters.push(MemCounter { name, value, is_kib });
        }
        Ok(Self(counters))
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        for counter in &self.0 {
            put_column24(out, &counter.name, counter.value);
            out.extend_from_slice(if counter.is_kib { b" kB\n" } else { b"\n" });
        }
    }
}
