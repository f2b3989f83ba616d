//! The segments of one ELF file, by address ([`Layout`]).

use crate::{Kind, Region};
use object::LittleEndian;
use object::elf::{FileHeader64, PF_W, PF_X, PT_GNU_RELRO, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use procfs::Addr;

/// One PT_LOAD, in the file's own addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Segment {
    offset: u64,
    start: u64,
    file_end: u64,
    memory_end: u64,
    flags: u32,
}

/// The segments of one file, by address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    loads: Vec<Segment>,
    /// PT_GNU_RELRO: start and end.
    relro: Option<(u64, u64)>,
    page_bytes: u64,
}

impl Layout {
    /// From the beginning of a 64-bit little-endian ELF file.
    pub(crate) fn parse(head: &[u8], page_bytes: u64) -> Option<Self> {
        let header = FileHeader64::<LittleEndian>::parse(head).ok()?;
        let endian = header.endian().ok()?;
        let headers = header.program_headers(endian, head).ok()?;
        let mut layout = Self {
            loads: Vec::new(),
            relro: None,
            page_bytes: page_bytes.is_power_of_two().then_some(page_bytes)?,
        };
        for header in headers {
            let start = header.p_vaddr(endian);
            let file_end = start.checked_add(header.p_filesz(endian))?;
            let memory_end = start.checked_add(header.p_memsz(endian))?;
            match header.p_type(endian) {
                PT_LOAD => {
                    let (offset, flags) = (header.p_offset(endian), header.p_flags(endian).0);
                    layout.loads.push(Segment {
                        offset,
                        start,
                        file_end,
                        memory_end,
                        flags,
                    });
                }
                PT_GNU_RELRO => layout.relro = Some((start, memory_end)),
                _ => {}
            }
        }
        Some(layout)
    }

    /// Whether it has data to write, and nothing of it is made read-only after relocation.
    pub(super) fn lacks_relro(&self) -> bool {
        self.relro.is_none() && self.loads.iter().any(|load| load.flags & PF_W.0 != 0)
    }

    fn page_down(&self, at: u64) -> u64 {
        at & !(self.page_bytes - 1)
    }

    fn page_up(&self, at: u64) -> u64 {
        self.page_down(at.saturating_add(self.page_bytes - 1))
    }

    /// What to subtract from an address to get the file's own, if `first` maps the beginning of the first segment.
    pub(crate) fn bias(&self, first: &Region) -> Option<u64> {
        let load = self
            .loads
            .first()
            .filter(|load| self.page_down(load.offset) == first.offset)?;
        Some(first.start.0.wrapping_sub(self.page_down(load.start)))
    }

    /// What a mapping at `start` holds; `None` outside all segments.
    pub(crate) fn kind(&self, start: Addr, bias: u64, is_writable: bool) -> Option<Kind> {
        let at = start.0.wrapping_sub(bias);
        let holds = |s: &&Segment| self.page_down(s.start) <= at && at < self.page_up(s.memory_end);
        let segment = self.loads.iter().find(holds)?;
        let is_relro = self
            .relro
            .is_some_and(|(from, to)| self.page_down(from) <= at && at < to);
        Some(if segment.flags & PF_X.0 != 0 {
            Kind::Text
        } else if segment.flags & PF_W.0 == 0 {
            if segment.offset == 0 {
                Kind::ElfHeaders
            } else {
                Kind::Rodata
            }
        } else if at >= self.page_up(segment.file_end) {
            Kind::Bss
        } else if is_relro && !is_writable {
            Kind::Relro
        } else {
            Kind::Data
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::testing::regions;

    fn layout() -> Layout {
        // As `readelf -lW` shows Debian 12's /usr/bin/cat: R, R E, R, RW with RELRO, and a bss beyond the file.
        let load = |offset, start, file, memory, flags| Segment {
            offset,
            start,
            file_end: start + file,
            memory_end: start + memory,
            flags,
        };
        let loads = vec![
            load(0, 0, 0x16e0, 0x16e0, 4),
            load(0x2000, 0x2000, 0x4599, 0x4599, 5),
            load(0x7000, 0x7000, 0x2060, 0x2060, 4),
            load(0x9c30, 0xac30, 0x458, 0x2600, 6),
        ];
        Layout {
            loads,
            relro: Some((0xac30, 0xb000)),
            page_bytes: 4096,
        }
    }

    #[test]
    fn segments_are_found_by_address() {
        let layout = layout();
        let first = regions("50000000-50002000 r--p 00000000 fe:00 7 /usr/bin/cat\n").remove(0);
        let bias = layout.bias(&first).unwrap();
        let kind = |at: u64, is_writable| layout.kind(Addr(0x5000_0000 + at), bias, is_writable);
        assert_eq!(kind(0, false), Some(Kind::ElfHeaders));
        assert_eq!(kind(0x2000, false), Some(Kind::Text));
        assert_eq!(kind(0x7000, false), Some(Kind::Rodata));
        assert_eq!(kind(0xa000, false), Some(Kind::Relro));
        assert_eq!(kind(0xb000, true), Some(Kind::Data));
        assert_eq!(kind(0xc000, true), Some(Kind::Bss));
        assert_eq!(kind(0xe000, true), None);
        assert_eq!(
            layout.bias(&Region {
                offset: 0x2000,
                ..first
            }),
            None
        );
    }

    #[test]
    fn what_is_no_elf_file_has_no_layout() {
        assert_eq!(Layout::parse(b"#!/bin/sh", 4096), None);
        assert_eq!(Layout::parse(b"\x7fELF\x02\x01\x01", 4096), None);
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert!(Layout::parse(&own[..8192], 4096).unwrap().loads.len() >= 2);
        assert_eq!(Layout::parse(&own[..70], 4096), None);
    }
}
