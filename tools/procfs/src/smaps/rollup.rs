//! `PID/smaps_rollup` ([`SmapsRollup`]): one record for the whole process, with the counters of `smaps` and three of its own.

use super::Counts;
use super::line::parse_kib;
use crate::text::{UnknownLine, interleave};
use crate::{MapsLine, ParseError, Text};

/// `PID/smaps_rollup`: all mappings together, exact at its moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SmapsRollup {
    /// The header: first start to last end, `---p`, name `[rollup]`.
    pub map: MapsLine,
    /// The sums.
    pub counts: Counts,
    /// Lines this version does not know, by their place after the header.
    pub unknown: Vec<UnknownLine>,
}

impl Text for SmapsRollup {
    const FILE: &'static str = "smaps_rollup";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let mut lines = body.split(|&b| b == b'\n');
        let header = lines.next().unwrap_or_default();
        let mut rollup = Self {
            map: MapsLine::parse_line(Self::FILE, 1, header)?,
            ..Self::default()
        };
        for (index, line) in lines.enumerate() {
            let colon = line.iter().position(|&b| b == b':');
            let (name, value) = line.split_at(colon.unwrap_or(line.len()));
            match rollup.counts.field_mut(name) {
                Some((name, field)) => {
                    let value = value.get(1..).unwrap_or_default();
                    *field = Some(parse_kib(value, Self::FILE, index + 2, name)?);
                    rollup.counts.note_layout(name, value);
                }
                None => rollup.unknown.push(UnknownLine {
                    index,
                    line: line.to_vec(),
                }),
            }
        }
        Ok(rollup)
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        self.map.print_line(out);
        let mut body = Vec::new();
        self.counts.print_to(&mut body);
        interleave(&body, &self.unknown, out);
    }
}
