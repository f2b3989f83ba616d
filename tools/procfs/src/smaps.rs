//! `PID/smaps` and `PID/smaps_rollup` ([`SmapsEntry`], [`SmapsRollup`]; proc_pid_smaps(5)).
//!
//! Kernels differ in which lines they print, so every counter is an `Option`; a line that is not known is kept at its
//! place. [`SmapsReader`] streams entries from 3072-byte reads (see [`SmapsReader::new`]).

use crate::maps::{StreamResult, invalid_data};
use crate::text::{Cursor, UnknownLine, interleave, put_column24};
use crate::{Kib, MapsLine, ParseError, Text, VmFlags};
use std::io::BufRead;

macro_rules! counts {
    ($($name:literal $field:ident $meaning:literal;)*) => {
        /// The counters that `smaps` prints for each mapping and `smaps_rollup` for all together.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct Counts {
            $(
                #[doc = concat!("`", $name, "`: ", $meaning, ".")]
                pub $field: Option<Kib>,
            )*
        }

        impl Counts {
            /// The names of the counters, in Linux's order, as both files print them.
            pub const NAMES: &[&str] = &[$($name),*];

            fn field_mut(&mut self, name: &[u8]) -> Option<(&'static str, &mut Option<Kib>)> {
                match str::from_utf8(name).ok()? {
                    $($name => Some(($name, &mut self.$field)),)*
                    _ => None,
                }
            }

            fn print_to(&self, out: &mut Vec<u8>) {
                $(put_kib(out, $name, self.$field);)*
            }

            /// Add each counter that both have; a counter that one lacks becomes unknown.
            pub fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.zip(other.$field).map(|(a, b)| Kib(a.0.saturating_add(b.0)));)*
            }

            /// All counters known and 0.
            #[must_use]
            pub fn zero() -> Self {
                Self { $($field: Some(Kib::ZERO)),* }
            }
        }
    };
}

counts! {
    "Rss" rss "resident, without hugetlb, zero pages and frames without struct page";
    "Pss" pss "resident, each page divided by the number of its mappers";
    "Pss_Dirty" pss_dirty "the dirty part of `Pss`";
    "Pss_Anon" pss_anon "the anonymous part of `Pss` (rollup only)";
    "Pss_File" pss_file "the file part of `Pss` (rollup only)";
    "Pss_Shmem" pss_shmem "the shared-memory part of `Pss` (rollup only)";
    "Shared_Clean" shared_clean "clean, mapped at least twice (perhaps by one process)";
    "Shared_Dirty" shared_dirty "dirty, mapped at least twice";
    "Private_Clean" private_clean "clean, mapped once";
    "Private_Dirty" private_dirty "dirty, mapped once; includes dirty page cache";
    "Referenced" referenced "accessed lately";
    "Anonymous" anonymous "pages that belong to no file";
    "KSM" ksm "merged by KSM";
    "LazyFree" lazy_free "given back by MADV_FREE, not yet taken";
    "AnonHugePages" anon_huge_pages "anonymous memory in huge pages";
    "ShmemPmdMapped" shmem_pmd_mapped "shared memory mapped by huge entries";
    "FilePmdMapped" file_pmd_mapped "file pages mapped by huge entries";
    "Shared_Hugetlb" shared_hugetlb "hugetlb mapped at least twice; not in `Rss`";
    "Private_Hugetlb" private_hugetlb "hugetlb mapped once; not in `Rss`";
    "Swap" swap "swapped out; of shared memory, the object's swap in this range";
    "SwapPss" swap_pss "the proportional share of `Swap`";
    "Locked" locked "locked, in units of `Pss`";
}

fn put_kib(out: &mut Vec<u8>, name: &str, value: Option<Kib>) {
    if let Some(value) = value {
        put_column24(out, name, value.0);
        out.extend_from_slice(b" kB\n");
    }
}

/// Where the two page-size lines stand in an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SmapsOrder {
    /// After `Size` (since 4.20).
    #[default]
    PageSizesFirst,
    /// Before `Locked` (older kernels).
    PageSizesLast,
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
    /// `ProtectionKey`.
    pub protection_key: Option<u32>,
    /// `VmFlags`.
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
        for (name, value) in [
            ("THPeligible", self.thp_eligible),
            ("ProtectionKey", self.protection_key),
        ] {
            if let Some(value) = value {
                put_column24(out, name, value.into());
                out.push(b'\n');
            }
        }
        if let Some(flags) = &self.vm_flags {
            flags.print_to(out);
        }
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
            return Ok(());
        }
        let error = |field| ParseError::new("smaps", number, field, value);
        match name {
            b"Size" => self.size = Some(parse_kib(value, "smaps", number, "Size")?),
            b"KernelPageSize" => {
                self.kernel_page_size = Some(parse_kib(value, "smaps", number, "KernelPageSize")?);
                if self.counts.rss.is_some() {
                    self.order = SmapsOrder::PageSizesLast;
                }
            }
            b"MMUPageSize" => self.mmu_page_size = Some(parse_kib(value, "smaps", number, "MMUPageSize")?),
            b"THPeligible" => self.thp_eligible = Some(parse_plain(value, number, "THPeligible")?),
            b"ProtectionKey" => self.protection_key = Some(parse_plain(value, number, "ProtectionKey")?),
            b"VmFlags" => {
                let flags = VmFlags::parse(value).ok_or_else(|| error("VmFlags of two letters each"))?;
                self.vm_flags = Some(flags);
            }
            _ => self.unknown.push(UnknownLine {
                index,
                line: line.to_vec(),
            }),
        }
        Ok(())
    }
}

fn parse_kib(value: &[u8], file: &'static str, line: usize, field: &'static str) -> Result<Kib, ParseError> {
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

/// Whether a line is an entry's header: those begin with a lower-case hexadecimal digit, fields with a capital.
fn is_header(line: &[u8]) -> bool {
    line.first()
        .is_some_and(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
}

/// Reads `smaps` as a stream of entries.
pub struct SmapsReader<R> {
    source: R,
    line: Vec<u8>,
    number: usize,
    /// The header of the next entry was read already.
    next: Option<MapsLine>,
    is_done: bool,
}

impl<R: BufRead> SmapsReader<R> {
    /// From the start of a `smaps` file. On the host, give a `BufReader` of 3072 bytes: the kernel fills 4 KiB
    /// for each read and throws away the record that does not fit, so a smaller read is 9 % faster than 4096
    /// and holds the target's lock for less time (measured, reference/live.md section 0).
    pub fn new(source: R) -> Self {
        Self {
            source,
            line: Vec::new(),
            number: 0,
            next: None,
            is_done: false,
        }
    }

    fn read_line(&mut self) -> StreamResult<bool> {
        self.line.clear();
        let read = self.source.read_until(b'\n', &mut self.line)?;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        self.number += 1;
        Ok(read > 0)
    }

    fn header(&self) -> StreamResult<MapsLine> {
        MapsLine::parse_line("smaps", self.number, &self.line).map_err(invalid_data)
    }

    fn next_entry(&mut self) -> StreamResult<Option<SmapsEntry>> {
        let map = match self.next.take() {
            Some(map) => map,
            None if self.read_line()? => self.header()?,
            None => return Ok(None),
        };
        let mut entry = SmapsEntry {
            map,
            ..SmapsEntry::default()
        };
        let mut index = 0;
        while self.read_line()? {
            if is_header(&self.line) {
                self.next = Some(self.header()?);
                break;
            }
            entry
                .parse_body_line(index, self.number, &self.line)
                .map_err(invalid_data)?;
            index += 1;
        }
        Ok(Some(entry))
    }
}

impl<R: BufRead> Iterator for SmapsReader<R> {
    type Item = StreamResult<SmapsEntry>;

    /// The next entry; after an error (of the stream, or a [`ParseError`] of kind `InvalidData`) the end.
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let entry = self.next_entry();
        self.is_done = !matches!(entry, Ok(Some(_)));
        entry.transpose()
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
