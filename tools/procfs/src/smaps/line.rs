//! Reads a record of `smaps` line by line: every layout, every error, no hurry. The quick way is [`super::shape`].

use super::{SmapsEntry, SmapsOrder, ThpStyle};
use crate::text::{Cursor, UnknownLine};
use crate::{Kib, MapsLine, ParseError, VmFlags};

/// How long the text after `THPeligible:` is at least if the value is padded to 8 columns.
const THP_PADDED: usize = 12;

impl SmapsEntry {
    /// Take a whole record, whose header is line `first` of the file. Gives the number of its lines.
    pub(super) fn parse_record(&mut self, record: &[u8], first: usize) -> Result<usize, ParseError> {
        let mut lines = record.split_inclusive(|&b| b == b'\n');
        let mut next = || lines.next().map(|line| line.strip_suffix(b"\n").unwrap_or(line));
        let map = MapsLine::parse_line("smaps", first, next().unwrap_or_default())?;
        *self = Self {
            map,
            ..Self::default()
        };
        let mut count = 1;
        while let Some(line) = next() {
            self.parse_body_line(count - 1, first + count, line)?;
            count += 1;
        }
        Ok(count)
    }

    /// Take one line of the body. `index` counts body lines from 0, `number` the file's lines from 1.
    fn parse_body_line(&mut self, index: usize, number: usize, line: &[u8]) -> Result<(), ParseError> {
        let Some(colon) = line.iter().position(|&b| b == b':') else {
            return Err(ParseError::new(
                "smaps",
                number,
                "a field's name and a colon",
                line,
            ));
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if let Some((name, field)) = self.counts.field_mut(name) {
            *field = Some(parse_kib(value, "smaps", number, name)?);
            self.counts.note_layout(name, value);
            return Ok(());
        }
        match name {
            b"Size" => self.size = Some(parse_kib(value, "smaps", number, "Size")?),
            b"KernelPageSize" => {
                self.kernel_page_size = Some(parse_kib(value, "smaps", number, "KernelPageSize")?);
                if self.counts.rss.is_some() {
                    self.order = SmapsOrder::PageSizesLast;
                }
            }
            b"MMUPageSize" => self.mmu_page_size = Some(parse_kib(value, "smaps", number, "MMUPageSize")?),
            b"THPeligible" => {
                self.thp_eligible = Some(parse_plain(value, number, "THPeligible")?);
                self.thp_style = match value.first() {
                    Some(b'\t') => ThpStyle::Tabs,
                    _ if value.len() < THP_PADDED => ThpStyle::Unpadded,
                    _ => ThpStyle::Columns,
                };
            }
            b"ProtectionKey" => self.protection_key = Some(parse_plain(value, number, "ProtectionKey")?),
            // Android adds words such as `pad=48kB`: kept as they are, and the flags are unknown.
            b"VmFlags" if VmFlags::parse(value).is_some() => self.vm_flags = VmFlags::parse(value),
            _ => self.unknown.push(UnknownLine {
                index,
                line: line.to_vec(),
            }),
        }
        Ok(())
    }
}

pub(super) fn parse_kib(
    value: &[u8],
    file: &'static str,
    line: usize,
    field: &'static str,
) -> Result<Kib, ParseError> {
    let mut c = Cursor::at_line(file, value, line);
    c.skip_blanks();
    let kib = c.decimal(field)?;
    if c.rest() == b" kB" {
        Ok(Kib(kib))
    } else {
        Err(c.error(field))
    }
}

fn parse_plain(value: &[u8], line: usize, field: &'static str) -> Result<u32, ParseError> {
    let mut c = Cursor::at_line("smaps", value, line);
    c.skip_blanks();
    let number = c.number(field)?;
    c.end()?;
    Ok(number)
}

/// Whether a line that begins so is an entry's header: those begin with a lower-case hexadecimal digit, fields with a capital.
pub(super) fn opens_header(first: u8) -> bool {
    matches!(first, b'0'..=b'9' | b'a'..=b'f')
}
