//! The layout of a record, learned from one and used for those that follow ([`Shape`]).
//!
//! While every value fits its eight columns, the records of a kernel differ only in the header, the values and the flags. A
//! shape holds the body of one record with a mask over what may differ. A record whose other bytes are all the same is read from
//! the known columns; it gives what the line parser would give. Anything else is left to that parser: one compare finds it out.

use super::columns::{COLUMNS, ColumnReader, Place};
use super::counts::Places;
use super::line::opens_header;
use super::{SmapsEntry, SmapsOrder, ThpStyle};
use crate::text::UnknownLine;
use memchr::memchr;
use std::ops::Range;

/// What a shape says of the bytes at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fit {
    /// A record of this many bytes was read.
    Read(usize),
    /// The record ends after the bytes at hand.
    CutShort,
    /// Not this shape, or not valid: the line parser must look at it.
    Differs,
}

/// A line that this version does not know.
#[derive(Clone, Debug)]
struct Unknown {
    /// How many body lines stand before it.
    index: usize,
    /// Its bytes in the body, without the newline.
    line: Range<usize>,
    /// Its value, which differs from record to record.
    value: Range<usize>,
}

/// The layout of a record's body.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    /// The body up to the colon of `VmFlags:`, the last line.
    text: Vec<u8>,
    /// `0xff` where a body must be as `text`, 0 where it may differ.
    mask: Vec<u8>,
    /// Lines of a record, with the header.
    lines: usize,
    size: Place,
    kernel_page_size: Place,
    mmu_page_size: Place,
    counts: Places,
    thp_eligible: Place,
    protection_key: Place,
    /// Where the one digit of `THPeligible` is that older kernels print without padding.
    thp_digit: Option<usize>,
    thp_style: ThpStyle,
    file_pmd_is_short: bool,
    order: SmapsOrder,
    unknown: Vec<Unknown>,
}

const FLAGS: &[u8] = b"VmFlags:";

impl Shape {
    /// From a record's body, which the line parser has read as `entry`. `None` if the body is not of fixed columns.
    pub(super) fn learn(body: &[u8], entry: &SmapsEntry) -> Option<Self> {
        let mut shape = Self {
            order: entry.order,
            thp_style: entry.thp_style,
            file_pmd_is_short: entry.counts.file_pmd_is_short,
            ..Self::default()
        };
        let mut at = 0;
        for (index, line) in body.split_inclusive(|&b| b == b'\n').enumerate() {
            if line.starts_with(FLAGS) {
                let is_last = at + line.len() == body.len();
                shape.text = body[..at + FLAGS.len()].to_vec();
                shape.mask.resize(shape.text.len(), u8::MAX);
                shape.lines = index + 2;
                return is_last.then_some(shape);
            }
            shape.learn_line(index, at, line, entry)?;
            at += line.len();
        }
        None
    }

    fn learn_line(&mut self, index: usize, at: usize, line: &[u8], entry: &SmapsEntry) -> Option<()> {
        let colon = memchr(b':', line)?;
        let end = line.len().checked_sub(1).filter(|&end| line[end] == b'\n')?;
        self.mask.resize(at + line.len(), u8::MAX);
        let (name, blanks) = (&line[..colon], colon + 1);
        if name == b"THPeligible" && entry.thp_style != ThpStyle::Columns {
            let digit = end.checked_sub(1).filter(|&digit| digit > colon)?;
            is_blank(&line[blanks..digit])?;
            self.thp_digit = Some(at + digit).filter(|_| self.thp_digit.is_none());
            self.mask[at + digit] = 0;
            return self.thp_digit.map(|_| ());
        }
        let unit = match name {
            b"THPeligible" | b"ProtectionKey" => 0,
            _ => b" kB".len(),
        };
        let Some(place) = self.place_mut(name) else {
            self.mask[at + blanks..at + end].fill(0);
            self.unknown.push(Unknown {
                index,
                line: at..at + end,
                value: at + blanks..at + end,
            });
            return Some(());
        };
        let columns = end
            .checked_sub(unit + COLUMNS)
            .filter(|&columns| columns >= blanks)?;
        is_blank(&line[blanks..columns])?;
        // A field that stands twice is left to the line parser: the last one counts.
        let is_first = *place == Place::ABSENT;
        *place = Place::at(at + columns).filter(|_| is_first)?;
        self.mask[at + columns..at + columns + COLUMNS].fill(0);
        Some(())
    }

    fn place_mut(&mut self, name: &[u8]) -> Option<&mut Place> {
        match name {
            b"Size" => Some(&mut self.size),
            b"KernelPageSize" => Some(&mut self.kernel_page_size),
            b"MMUPageSize" => Some(&mut self.mmu_page_size),
            b"THPeligible" => Some(&mut self.thp_eligible),
            b"ProtectionKey" => Some(&mut self.protection_key),
            _ => self.counts.field_mut(name),
        }
    }

    /// Lines of a record, with the header.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// Read the record that `bytes` begin with, if it is complete and of this shape. `is_all`: nothing follows the bytes.
    /// What stands in `entry` after anything but [`Fit::Read`] means nothing.
    #[inline]
    pub(super) fn read(&self, bytes: &[u8], is_all: bool, entry: &mut SmapsEntry) -> Fit {
        let Some(header) = memchr(b'\n', bytes) else {
            return Fit::CutShort;
        };
        let (header, body) = (&bytes[..header], &bytes[header + 1..]);
        let Some((body, flags)) = body.split_at_checked(self.text.len()) else {
            return Fit::CutShort;
        };
        let Some(end) = memchr(b'\n', flags) else {
            return Fit::CutShort;
        };
        match flags.get(end + 1) {
            Some(&next) if opens_header(next) => {}
            None if is_all => {}
            None => return Fit::CutShort,
            // More lines after the flags.
            Some(_) => return Fit::Differs,
        }
        let flags = &flags[..end];
        if self.matches(body) && entry.map.read_plain(header) && self.read_body(body, flags, entry) {
            Fit::Read(header.len() + 1 + body.len() + flags.len() + 1)
        } else {
            Fit::Differs
        }
    }

    /// Whether everything that may not differ is the same.
    fn matches(&self, body: &[u8]) -> bool {
        let bytes = body.iter().zip(&self.text).zip(&self.mask);
        bytes.fold(0, |odd, ((a, b), mask)| odd | (a ^ b) & mask) == 0
    }

    fn read_body(&self, body: &[u8], flags: &[u8], entry: &mut SmapsEntry) -> bool {
        let mut columns = ColumnReader::new(body);
        entry.size = columns.kib(self.size);
        entry.kernel_page_size = columns.kib(self.kernel_page_size);
        entry.mmu_page_size = columns.kib(self.mmu_page_size);
        self.counts.read(&mut columns, &mut entry.counts);
        entry.thp_eligible = columns.number(self.thp_eligible);
        entry.protection_key = columns.number(self.protection_key);
        entry.order = self.order;
        entry.thp_style = self.thp_style;
        entry.counts.file_pmd_is_short = self.file_pmd_is_short;
        if let Some(at) = self.thp_digit {
            let digit = body.get(at).filter(|digit| digit.is_ascii_digit());
            entry.thp_eligible = digit.map(|digit| u32::from(digit - b'0'));
            if digit.is_none() {
                return false;
            }
        }
        columns.are_good() && self.read_unknown(body, entry) && self.read_flags(flags, entry)
    }

    fn read_flags(&self, flags: &[u8], entry: &mut SmapsEntry) -> bool {
        entry.vm_flags.get_or_insert_default().parse_into(flags)
    }

    /// Copy the unknown lines, into the memory of those that stood in `entry` before.
    fn read_unknown(&self, body: &[u8], entry: &mut SmapsEntry) -> bool {
        entry.unknown.truncate(self.unknown.len());
        for (number, unknown) in self.unknown.iter().enumerate() {
            if memchr(b'\n', &body[unknown.value.clone()]).is_some() {
                return false;
            }
            let line = &body[unknown.line.clone()];
            match entry.unknown.get_mut(number) {
                Some(kept) => {
                    kept.index = unknown.index;
                    kept.line.clear();
                    kept.line.extend_from_slice(line);
                }
                None => entry.unknown.push(UnknownLine {
                    index: unknown.index,
                    line: line.to_vec(),
                }),
            }
        }
        true
    }
}

fn is_blank(bytes: &[u8]) -> Option<()> {
    bytes.iter().all(|&b| b == b' ' || b == b'\t').then_some(())
}
