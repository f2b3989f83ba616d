//! The ELF header and the program headers of a core ([`Headers`]), read piece by piece and checked against the file's length.
//!
//! The file is hostile until proven otherwise: counts are held to what the file has room for, sums are checked, and segments
//! that overlap are cut so that each address has one.

use super::error::{CoreError, CutShort};
use object::elf::{
    EM_AARCH64, EM_X86_64, ET_CORE, ET_DYN, ET_EXEC, ET_REL, FileHeader64, PN_XNUM, PT_LOAD, PT_NOTE,
    ProgramHeader64, SectionHeader64,
};
use object::{LittleEndian, pod};
use procfs::Addr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const LE: LittleEndian = LittleEndian;

/// Processors whose cores are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Machine {
    /// x86-64.
    X86_64,
    /// AArch64.
    Aarch64,
}

impl Machine {
    /// The word of the report's Code Type.
    #[must_use]
    pub fn code_type(self) -> &'static str {
        match self {
            Self::X86_64 => "X86-64",
            Self::Aarch64 => "ARM64",
        }
    }
}

/// One PT_LOAD: addresses, and where their contents lie in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Load {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) offset: u64,
    /// Bytes from `start` that the dump holds; at most `end - start`.
    pub(super) dumped: u64,
    /// Of these, what the file is long enough for.
    pub(super) readable: u64,
    /// PF_R 4, PF_W 2, PF_X 1.
    pub(super) flags: u32,
}

/// What the headers say.
#[derive(Debug)]
pub(super) struct Headers {
    pub(super) machine: Machine,
    /// By address, without overlaps.
    pub(super) loads: Vec<Load>,
    /// Offset and readable length of each PT_NOTE.
    pub(super) notes: Vec<(u64, u64)>,
    pub(super) cut: Option<CutShort>,
    /// Segments that were dropped or trimmed for overlapping others or the end of the address space.
    pub(super) bad_segments: usize,
}

/// More segments than any process has maps: vm.max_map_count is 65530 by default, and 1048576 where it is raised.
const MOST_SEGMENTS: u64 = 4 << 20;

/// Linux and gdb write one.
const MOST_NOTE_SEGMENTS: usize = 16;

/// Program headers read at a time.
const HEADERS_A_READ: u64 = 1024;

const PHENT: u64 = size_of::<ProgramHeader64<LittleEndian>>() as u64;

/// What the first bytes are, if they are no core.
pub(super) fn other_kind(head: &[u8], path: &Path) -> Option<CoreError> {
    let compressed: [(&[u8], &str); 5] = [
        (b"\x1f\x8b", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"BZh", "bzip2"),
    ];
    let path = path.to_owned();
    if let Some((_, format)) = compressed.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(CoreError::Compressed { path, format });
    }
    if head.is_empty() {
        let what = "it is empty";
        return Some(CoreError::NotACore { path, what });
    }
    if !head.starts_with(b"\x7fELF") {
        let what = "it is no ELF file";
        return Some(CoreError::NotACore { path, what });
    }
    None
}

/// Read and check them.
pub(super) fn read(file: &File, path: &Path) -> Result<Headers, CoreError> {
    let io_error = |source| CoreError::Io {
        path: path.to_owned(),
        source,
    };
    let file_bytes = file.metadata().map_err(io_error)?.len();
    let mut head = [0; 64];
    let got = read_full(file, 0, &mut head).map_err(io_error)?;
    if let Some(error) = other_kind(&head[..got], path) {
        return Err(error);
    }
    let header_cut = |needed_bytes| CoreError::CutShort {
        path: path.to_owned(),
        cut: headers_missing(file_bytes, needed_bytes),
    };
    let Ok((header, _)) = pod::from_bytes::<FileHeader64<LittleEndian>>(&head[..got]) else {
        return Err(header_cut(64));
    };
    let machine = machine_of(header, path)?;
    let damaged = |what| CoreError::Damaged {
        path: path.to_owned(),
        what,
    };
    if u64::from(header.e_phentsize.get(LE)) != PHENT {
        return Err(damaged("the size of a program header is wrong"));
    }
    let table = header.e_phoff.get(LE);
    let count = match header.e_phnum.get(LE) {
        PN_XNUM => {
            let section = header.e_shoff.get(LE);
            many_segments(file, section)
                .map_err(io_error)?
                .ok_or_else(|| header_cut(section.saturating_add(64)))?
        }
        few => few.into(),
    };
    if count > MOST_SEGMENTS {
        return Err(damaged("it claims more segments than a process can have"));
    }
    let table_end = table.saturating_add(count.saturating_mul(PHENT));
    if table_end > file_bytes {
        return Err(header_cut(table_end));
    }
    let mut raw = Raw::default();
    raw.read(file, table, count, file_bytes).map_err(io_error)?;
    if raw.loads.is_empty() && raw.notes.is_empty() {
        return Err(damaged("it has neither memory nor notes"));
    }
    Ok(raw.finish(machine, file_bytes))
}

fn headers_missing(file_bytes: u64, needed_bytes: u64) -> CutShort {
    CutShort {
        file_bytes,
        needed_bytes,
        missing_from: None,
        whole_segments: 0,
        segments: 0,
        notes_missing: true,
    }
}

fn machine_of(header: &FileHeader64<LittleEndian>, path: &Path) -> Result<Machine, CoreError> {
    let path = path.to_owned();
    let unsupported = |path, what: &str| {
        Err(CoreError::Unsupported {
            path,
            what: what.into(),
        })
    };
    if header.e_ident.data.0 != 1 {
        return unsupported(path, "a big-endian process");
    }
    let what = match header.e_type.get(LE) {
        ET_CORE => None,
        ET_EXEC => Some("it is a program"),
        ET_DYN => Some("it is a program or a shared library"),
        ET_REL => Some("it is an object file"),
        _ => Some("it is an ELF file of another type"),
    };
    if let Some(what) = what {
        return Err(CoreError::NotACore { path, what });
    }
    if header.e_ident.class.0 != 2 {
        return unsupported(path, "a 32-bit process");
    }
    match header.e_machine.get(LE) {
        EM_X86_64 => Ok(Machine::X86_64),
        EM_AARCH64 => Ok(Machine::Aarch64),
        other => unsupported(path, &format!("ELF machine {}", other.0)),
    }
}

/// With 65535 segments and more their number stands in `sh_info` of section 0 (elf(5), PN_XNUM).
fn many_segments(file: &File, section: u64) -> io::Result<Option<u64>> {
    let mut bytes = [0; size_of::<SectionHeader64<LittleEndian>>()];
    if section == 0 || read_full(file, section, &mut bytes)? < bytes.len() {
        return Ok(None);
    }
    let header = pod::from_bytes::<SectionHeader64<LittleEndian>>(&bytes).ok();
    Ok(header.map(|(h, _)| h.sh_info.get(LE).into()))
}

/// The segments as they stand in the table.
#[derive(Default)]
struct Raw {
    loads: Vec<Load>,
    notes: Vec<(u64, u64)>,
    needed_bytes: u64,
    notes_missing: bool,
    bad_segments: usize,
}

impl Raw {
    fn read(&mut self, file: &File, table: u64, count: u64, file_bytes: u64) -> io::Result<()> {
        let mut piece = vec![0; (HEADERS_A_READ.min(count) * PHENT) as usize];
        let mut done = 0;
        while done < count {
            let now = (count - done).min(HEADERS_A_READ);
            let bytes = &mut piece[..(now * PHENT) as usize];
            let got = read_full(file, table.saturating_add(done * PHENT), bytes)?;
            for one in bytes[..got].chunks_exact(PHENT as usize) {
                if let Ok((header, _)) = pod::from_bytes::<ProgramHeader64<LittleEndian>>(one) {
                    self.add(header, file_bytes);
                }
            }
            done += now;
        }
        Ok(())
    }

    fn add(&mut self, header: &ProgramHeader64<LittleEndian>, file_bytes: u64) {
        let (offset, in_file) = (header.p_offset.get(LE), header.p_filesz.get(LE));
        let end = offset.saturating_add(in_file);
        let readable = file_bytes.saturating_sub(offset).min(in_file);
        match header.p_type.get(LE) {
            PT_NOTE if in_file > 0 && self.notes.len() < MOST_NOTE_SEGMENTS => {
                self.needed_bytes = self.needed_bytes.max(end);
                self.notes_missing |= readable < in_file;
                self.notes.push((offset, readable));
            }
            PT_LOAD => {
                if in_file > 0 {
                    self.needed_bytes = self.needed_bytes.max(end);
                }
                let (start, size) = (header.p_vaddr.get(LE), header.p_memsz.get(LE));
                let (Some(end), false) = (start.checked_add(size), size == 0) else {
                    self.bad_segments += usize::from(size != 0);
                    return;
                };
                self.loads.push(Load {
                    start,
                    end,
                    offset,
                    dumped: in_file.min(size),
                    readable: readable.min(size),
                    flags: header.p_flags.get(LE).0,
                });
            }
            _ => {}
        }
    }

    fn finish(mut self, machine: Machine, file_bytes: u64) -> Headers {
        self.loads.sort_by_key(|l| l.start);
        let (loads, trimmed) = without_overlaps(&self.loads);
        let is_whole = |l: &&Load| l.readable == l.dumped;
        let cut = (self.needed_bytes > file_bytes).then(|| CutShort {
            file_bytes,
            needed_bytes: self.needed_bytes,
            missing_from: loads
                .iter()
                .find(|l| !is_whole(l))
                .map(|l| Addr(l.start.saturating_add(l.readable))),
            whole_segments: loads.iter().filter(is_whole).count(),
            segments: loads.len(),
            notes_missing: self.notes_missing,
        });
        Headers {
            machine,
            loads,
            notes: self.notes,
            cut,
            bad_segments: self.bad_segments.saturating_add(trimmed),
        }
    }
}

/// Sorted segments, each trimmed to begin where those before it end.
fn without_overlaps(sorted: &[Load]) -> (Vec<Load>, usize) {
    let mut kept: Vec<Load> = Vec::with_capacity(sorted.len());
    let mut trimmed = 0;
    for load in sorted {
        let over = kept.last().map_or(0, |last| last.end.saturating_sub(load.start));
        if over == 0 {
            kept.push(*load);
            continue;
        }
        trimmed += 1;
        if over < load.end - load.start {
            kept.push(Load {
                start: load.start + over,
                offset: load.offset.saturating_add(over),
                dumped: load.dumped.saturating_sub(over),
                readable: load.readable.saturating_sub(over),
                ..*load
            });
        }
    }
    (kept, trimmed)
}

/// As much of `buf` as the file holds from `offset` on.
pub(super) fn read_full(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        // Offsets beyond what the system takes (i64) are beyond the end of any file.
        let Some(at) = offset
            .checked_add(done as u64)
            .filter(|&at| i64::try_from(at).is_ok())
        else {
            break;
        };
        match file.read_at(&mut buf[done..], at) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(start: u64, end: u64) -> Load {
        Load {
            start,
            end,
            offset: 0x1000,
            dumped: end - start,
            readable: end - start,
            flags: 6,
        }
    }

    #[test]
    fn overlapping_segments_are_trimmed_to_one_owner_of_each_address() {
        let (kept, trimmed) = without_overlaps(&[load(0, 10), load(4, 8), load(8, 20), load(20, 30)]);
        assert_eq!(trimmed, 2);
        assert_eq!(
            kept.iter()
                .map(|l| (l.start, l.end, l.offset, l.dumped))
                .collect::<Vec<_>>(),
            [(0, 10, 0x1000, 10), (10, 20, 0x1002, 10), (20, 30, 0x1000, 10)]
        );
    }
}
