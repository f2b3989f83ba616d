//! `PID/smaps` and `PID/smaps_rollup` ([`SmapsEntry`], [`SmapsRollup`]; proc_pid_smaps(5)).
//!
//! Kernels differ in which lines they print, so every counter is an `Option`; a line that is not known is kept at its
//! place. How records are read, from front to back: `parser` cuts the stream into records; `shape` reads a record that is laid out as an
//! earlier one, which nearly all are, from known columns (`columns`); `line` reads any other, line by line, and says what is wrong.

#[cfg(test)]
mod against_lines;
mod columns;
mod counts;
mod line;
mod parser;
mod reader;
mod rollup;
mod shape;

pub use counts::Counts;
pub use parser::{SmapsParser, Step};
pub use reader::SmapsReader;
pub use rollup::SmapsRollup;

use crate::text::{UnknownLine, interleave, put_column24, put_decimal};
use crate::{Kib, MapsLine, ParseError, Text, VmFlags};
use counts::put_kib;

/// Where the two page-size lines stand in an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SmapsOrder {
    /// After `Size` (since 4.20).
    #[default]
    PageSizesFirst,
    /// Before `Locked` (older kernels).
    PageSizesLast,
}

/// How the value of `THPeligible` is printed; it has changed twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ThpStyle {
    /// In eight columns, as every value.
    #[default]
    Columns,
    /// After four blanks, without padding (5.9 and later, until it got its columns).
    Unpadded,
    /// After two tabs (before 5.9).
    Tabs,
}

/// One mapping in `smaps`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SmapsEntry {
    /// The header line.
    pub map: MapsLine,
    /// `Size`: the length.
    pub size: Option<Kib>,
    /// `KernelPageSize`: what the kernel allocates.
    pub kernel_page_size: Option<Kib>,
    /// `MMUPageSize`: what the hardware maps.
    pub mmu_page_size: Option<Kib>,
    /// The counters.
    pub counts: Counts,
    /// `THPeligible`: whether huge pages may be used here.
    pub thp_eligible: Option<u32>,
    /// How `THPeligible` is printed.
    pub thp_style: ThpStyle,
    /// `ProtectionKey`.
    pub protection_key: Option<u32>,
    /// `VmFlags`; `None` also if a word of it has not two letters (Android's `pad=48kB`): the line is then in `unknown`.
    pub vm_flags: Option<VmFlags>,
    /// Lines this version does not know, by their place after the header.
    pub unknown: Vec<UnknownLine>,
    /// Where the page-size lines stand.
    pub order: SmapsOrder,
}

impl SmapsEntry {
    /// Append the entry as Linux prints it.
    pub fn print_to(&self, out: &mut Vec<u8>) {
        self.map.print_line(out);
        if self.unknown.is_empty() && self.order == SmapsOrder::PageSizesFirst {
            return self.print_body(out);
        }
        let mut body = Vec::new();
        self.print_body(&mut body);
        interleave(&body, &self.unknown, out);
    }

    fn print_body(&self, out: &mut Vec<u8>) {
        put_kib(out, "Size", self.size);
        let page_sizes = |out: &mut Vec<u8>| {
            put_kib(out, "KernelPageSize", self.kernel_page_size);
            put_kib(out, "MMUPageSize", self.mmu_page_size);
        };
        match self.order {
            SmapsOrder::PageSizesFirst => {
                page_sizes(out);
                self.counts.print_to(out);
            }
            SmapsOrder::PageSizesLast => {
                Counts {
                    locked: None,
                    ..self.counts
                }
                .print_to(out);
                page_sizes(out);
                put_kib(out, "Locked", self.counts.locked);
            }
        }
        if let Some(value) = self.thp_eligible {
            match self.thp_style {
                ThpStyle::Columns => put_column24(out, "THPeligible", value.into()),
                ThpStyle::Unpadded => {
                    out.extend_from_slice(b"THPeligible:    ");
                    put_decimal(out, value.into(), 0);
                }
                ThpStyle::Tabs => {
                    out.extend_from_slice(b"THPeligible:\t\t");
                    put_decimal(out, value.into(), 0);
                }
            }
            out.push(b'\n');
        }
        if let Some(value) = self.protection_key {
            put_column24(out, "ProtectionKey", value.into());
            out.push(b'\n');
        }
        if let Some(flags) = &self.vm_flags {
            flags.print_to(out);
        }
    }
}

/// All entries of a `smaps` file.
///
/// # Errors
/// [`ParseError`] of the first bad line.
pub fn parse_smaps(bytes: &[u8]) -> Result<Vec<SmapsEntry>, ParseError> {
    Vec::<SmapsEntry>::parse(bytes)
}

impl Text for Vec<SmapsEntry> {
    const FILE: &'static str = "smaps";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        // A slice never fails to be read, so an error is always the parser's own.
        let restore = |error: std::io::Error| match error.downcast::<ParseError>() {
            Ok(error) => error,
            Err(error) => ParseError::new("smaps", 0, "a readable text", error.to_string().as_bytes()),
        };
        SmapsReader::new(bytes)
            .map(|entry| entry.map_err(restore))
            .collect()
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        for entry in self {
            entry.print_to(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry as 4.14 printed it: page sizes last, fewer fields.
    const OLD: &str = "\
00400000-0040b000 r-xp 00000000 08:01 1234                               /bin/old
Size:                 44 kB
Rss:                  40 kB
Pss:                  40 kB
Shared_Clean:          0 kB
Shared_Dirty:          0 kB
Private_Clean:        40 kB
Private_Dirty:         0 kB
Referenced:           40 kB
Anonymous:             0 kB
LazyFree:              0 kB
AnonHugePages:         0 kB
ShmemPmdMapped:        0 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:       0 kB
Swap:                  0 kB
SwapPss:               0 kB
KernelPageSize:        4 kB
MMUPageSize:           4 kB
Locked:                0 kB
VmFlags: rd ex mr mw me dw 
";

    #[test]
    fn old_kernels_come_back_byte_for_byte() {
        let entries = parse_smaps(OLD.as_bytes()).unwrap();
        assert_eq!(entries[0].order, SmapsOrder::PageSizesLast);
        assert_eq!(entries[0].counts.pss_dirty, None);
        assert_eq!(entries[0].thp_eligible, None);
        assert_eq!(String::from_utf8(entries.print()).unwrap(), OLD);
    }

    #[test]
    fn a_narrow_thp_eligible_comes_back() {
        let text = OLD.replace("VmFlags", "THPeligible:    1\nProtectionKey:         3\nVmFlags");
        let entries = parse_smaps(text.as_bytes()).unwrap();
        assert_eq!(
            (entries[0].thp_eligible, entries[0].protection_key),
            (Some(1), Some(3))
        );
        assert_eq!(String::from_utf8(entries.print()).unwrap(), text);
    }

    #[test]
    fn unknown_lines_are_kept_in_place() {
        let text = OLD.replace("\nPss:  ", "\nNovelty:    some text\nPss:  ");
        let entries = parse_smaps(text.as_bytes()).unwrap();
        assert_eq!(
            entries[0].unknown,
            [UnknownLine {
                index: 2,
                line: b"Novelty:    some text".to_vec()
            }]
        );
        assert_eq!(String::from_utf8(entries.print()).unwrap(), text);
    }

    #[test]
    fn errors_name_line_and_field_and_end_the_stream() {
        let text = OLD.replace("Swap:                  0 kB", "Swap:                  x kB");
        let error = parse_smaps(text.as_bytes()).unwrap_err();
        assert_eq!((error.file, error.line, error.field), ("smaps", 16, "Swap"));
        assert_eq!(SmapsReader::new(text.as_bytes()).count(), 1);
        assert!(parse_smaps(b"Rss: 4 kB\n").is_err());
    }

    #[test]
    fn sums_of_unknowns_are_unknown() {
        let mut sum = Counts::zero();
        sum.add(&Counts {
            rss: Some(Kib(4)),
            ..Counts::default()
        });
        assert_eq!((sum.rss, sum.pss), (Some(Kib(4)), None));
    }
}
