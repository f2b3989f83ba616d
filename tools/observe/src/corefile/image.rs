//! The program headers of ELF files, as they lie in dumped memory ([`Image`]).
//!
//! The kernel dumps the first page of each mapped ELF file (bit 4 of `coredump_filter`, core(5)), and gdb does too. That page has the program
//! headers of the very file that was mapped, whatever the path names today.

use super::memory::Memory;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{LittleEndian, pod};

/// One PT_LOAD where it was mapped.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start: u64,
    end: u64,
    flags: u32,
}

/// The segments of one mapped file.
#[derive(Debug)]
pub(super) struct Image {
    segments: Vec<Segment>,
}

/// The smallest page: program headers beyond it may not be dumped.
const HEAD_BYTES: usize = 4096;

impl Image {
    /// Of the file whose first byte is at `start`.
    pub(super) fn read(memory: &Memory, start: u64) -> Option<Self> {
        let mut head = vec![0; HEAD_BYTES];
        let got = memory.read_at(start, &mut head).ok()?;
        let head = head.get(..got)?;
        let (header, _) = pod::from_bytes::<FileHeader64<LittleEndian>>(head).ok()?;
        let endian = header.endian().ok()?;
        let headers = header.program_headers(endian, head).ok()?;
        let mut loads = headers.iter().filter(|h| h.p_type(endian) == PT_LOAD).peekable();
        let first = loads.peek()?;
        // File offset 0 is mapped at `start`, and at this address of the file's own.
        let own = first.p_vaddr(endian).wrapping_sub(first.p_offset(endian));
        let bias = start.wrapping_sub(own);
        let segments = loads
            .map(|h| {
                let start = h.p_vaddr(endian).wrapping_add(bias);
                Segment {
                    start,
                    end: start.saturating_add(h.p_memsz(endian)),
                    flags: h.p_flags(endian).0,
                }
            })
            .collect();
        Some(Self { segments })
    }

    /// The protection of the segment that has any byte in the range.
    pub(super) fn flags(&self, start: u64, end: u64) -> Option<u32> {
        let holds = |s: &&Segment| s.start < end && start < s.end;
        self.segments.iter().find(holds).map(|s| s.flags)
    }

    /// The first address past all segments, bss included.
    pub(super) fn end(&self) -> Option<u64> {
        self.segments.iter().map(|s| s.end).max()
    }
}
