//! `vmstat`: the machine's event counters and page states ([`VmStat`]; `mm/vmstat.c`).

use crate::text::{Cursor, put_decimal};
use crate::{ParseError, Text};

/// `vmstat`: names and values in the file's order (which names there are depends on the kernel).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VmStat(pub Vec<(String, u64)>);

impl VmStat {
    /// The counter of that name, such as `pgfault`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(n, _)| n == name).map(|&(_, v)| v)
    }
}

impl Text for VmStat {
    const FILE: &'static str = "vmstat";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut c = Cursor::new(Self::FILE, bytes);
        let mut counters = Vec::new();
        while !c.is_at_end() {
            let error = c.error("a counter's name");
            let name = c.take_until(b' ', "a counter's name")?;
            let name = str::from_utf8(name)
                .ok()
                .filter(|n| !n.contains('\n'))
                .ok_or(error)?
                .to_owned();
            let value = c.decimal("a counter's value")?;
            c.expect(b'\n', "a newline")?;
            counters.push((name, value));
        }
        Ok(Self(counters))
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            out.extend_from_slice(name.as_bytes());
            out.push(b' ');
            put_decimal(out, *value, 0);
            out.push(b'\n');
        }
    }
}
