//! The notes of a core ([`Notes`]): process, threads, auxiliary vector, mapped files, signal.
//!
//! A note's name and content are only read as far as they are used: registers of vector units are skipped by their
//! length. gdb's gcore writes the notes after memory, the kernel before it; each may order them as it likes.

use super::headers::{Machine, read_full};
use super::prstatus::{CoreThread, PRPSINFO_BYTES, PRSTATUS_BYTES, Process, SIGINFO_BYTES, Signal};
use object::elf::{NT_AUXV, NT_FILE, NT_PRPSINFO, NT_PRSTATUS, NT_SIGINFO, NoteHeader64, NoteType};
use object::{LittleEndian, pod};
use procfs::{Addr, Auxv, Text};
use std::fs::File;
use std::io;

/// NT_ARM_TLS: TPIDR_EL0 of the thread before it.
const NT_ARM_TLS: NoteType = NoteType(0x401);

/// A file's range of addresses (NT_FILE).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FileRange {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Bytes into the file.
    pub(super) offset: u64,
    pub(super) name: Vec<u8>,
}

/// What the notes say.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) process: Option<Process>,
    pub(super) threads: Vec<CoreThread>,
    pub(super) auxv: Option<Auxv>,
    /// By address, without overlaps; `None` if there is no NT_FILE.
    pub(super) files: Option<Vec<FileRange>>,
    /// Of the first thread.
    pub(super) signal: Option<Signal>,
    /// Whether gdb wrote the core.
    pub(super) by_gdb: bool,
}

/// Most threads a system has (PID_MAX_LIMIT).
const MOST_THREADS: usize = 4 << 20;

/// A thread has a dozen notes at most.
const MOST_NOTES: usize = 16 * MOST_THREADS;

/// The kernel writes at most 4 MiB (MAX_FILE_NOTE_SIZE of `fs/binfmt_elf.c`); gdb has no limit.
const MOST_FILE_BYTES: u64 = 64 << 20;

const MOST_AUXV_BYTES: u64 = 64 << 10;

/// Bytes read ahead, so that small notes do not cost a call each.
const WINDOW: usize = 64 << 10;

/// Read the notes at these offsets and lengths. Notes that are too short for their type are passed over.
pub(super) fn read(file: &File, places: &[(u64, u64)], machine: Machine) -> io::Result<Notes> {
    let mut notes = Notes::default();
    let mut left = MOST_NOTES;
    for &(offset, length) in places {
        let mut window = Window::new(file);
        let end = offset.saturating_add(length);
        let mut at = offset;
        while let Some(next) = notes.one(&mut window, at, end, machine)? {
            left = left.saturating_sub(1);
            if left == 0 || notes.threads.len() > MOST_THREADS {
                return Ok(notes);
            }
            at = next;
        }
    }
    Ok(notes)
}

impl Notes {
    /// The note at `at`; where the next one is. `None` at the end.
    fn one(
        &mut self,
        window: &mut Window<'_>,
        at: u64,
        end: u64,
        machine: Machine,
    ) -> io::Result<Option<u64>> {
        const HEADER: u64 = size_of::<NoteHeader64<LittleEndian>>() as u64;
        if end.saturating_sub(at) < HEADER {
            return Ok(None);
        }
        let head = window.get(at, HEADER)?;
        let Ok((header, _)) = pod::from_bytes::<NoteHeader64<LittleEndian>>(&head) else {
            return Ok(None);
        };
        let kind = header.n_type.get(LittleEndian);
        let (name_size, size) = (
            u64::from(header.n_namesz.get(LittleEndian)),
            u64::from(header.n_descsz.get(LittleEndian)),
        );
        let name_at = at.saturating_add(HEADER);
        let content = name_at.saturating_add(name_size.next_multiple_of(4));
        if content.saturating_add(size) > end {
            return Ok(None);
        }
        let name = window.get(name_at, name_size.min(8))?;
        let name = name.strip_suffix(b"\0").unwrap_or(&name).to_vec();
        let mut desc = |most: u64| window.get(content, size.min(most));
        match (name.as_slice(), kind) {
            (b"GDB", _) => self.by_gdb = true,
            (b"CORE", NT_PRSTATUS) => {
                let bytes = desc(PRSTATUS_BYTES as u64)?;
                self.threads.extend(CoreThread::parse(&bytes, machine));
            }
            (b"CORE", NT_PRPSINFO) if self.process.is_none() => {
                self.process = Process::parse(&desc(PRPSINFO_BYTES as u64)?);
            }
            (b"CORE", NT_SIGINFO) if self.signal.is_none() => {
                self.signal = Signal::parse(&desc(SIGINFO_BYTES as u64)?);
            }
            (b"CORE", NT_AUXV) if self.auxv.is_none() => {
                let bytes = desc(MOST_AUXV_BYTES)?;
                let whole = bytes.len() - bytes.len() % 16;
                self.auxv = Auxv::parse(&bytes[..whole]).ok();
            }
            (b"CORE", NT_FILE) if self.files.is_none() => {
                self.files = files(&desc(MOST_FILE_BYTES)?);
            }
            (b"LINUX", NT_ARM_TLS) => {
                let word = desc(8)?;
                if let (Some(thread), Ok(word)) = (self.threads.last_mut(), word.as_slice().try_into()) {
                    thread.thread_pointer = Some(Addr(u64::from_le_bytes(word))).filter(|tp| tp.0 != 0);
                }
            }
            _ => {}
        }
        Ok(Some(content.saturating_add(size.next_multiple_of(4))))
    }
}

/// NT_FILE: a count, the unit of offsets, then start, end and offset of each range, then the names, each ended by NUL.
fn files(bytes: &[u8]) -> Option<Vec<FileRange>> {
    let (words, _) = bytes.as_chunks::<8>();
    let word = |index: usize| words.get(index).map(|w| u64::from_le_bytes(*w));
    let (count, unit) = (usize::try_from(word(0)?).ok()?, word(1)?);
    let names_at = count.checked_mul(24)?.checked_add(16)?;
    let mut names = bytes.get(names_at..)?.split(|&b| b == 0);
    let mut ranges: Vec<FileRange> = (0..count)
        .map_while(|i| {
            let [start, end, offset] = [word(2 + 3 * i)?, word(3 + 3 * i)?, word(4 + 3 * i)?];
            Some(FileRange {
                start,
                end,
                offset: offset.saturating_mul(unit),
                name: names.next()?.to_vec(),
            })
        })
        .filter(|range| range.start < range.end && !range.name.is_empty())
        .collect();
    ranges.sort_by_key(|range| range.start);
    let mut end = 0;
    ranges.retain(|range| {
        let is_free = range.start >= end;
        end = end.max(range.end);
        is_free
    });
    Some(ranges)
}

/// A piece of the file, read ahead.
struct Window<'a> {
    file: &'a File,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    fn new(file: &'a File) -> Self {
        Self {
            file,
            start: 0,
            bytes: Vec::new(),
        }
    }

    /// `length` bytes at `at`; fewer where the file ends.
    fn get(&mut self, at: u64, length: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(length).unwrap_or(0);
        let held = |window: &Self| {
            let from = usize::try_from(at.checked_sub(window.start)?).ok()?;
            window
                .bytes
                .get(from..from.checked_add(length)?)
                .map(<[u8]>::to_vec)
        };
        if let Some(bytes) = held(self) {
            return Ok(bytes);
        }
        self.bytes.resize(WINDOW.max(length), 0);
        let got = read_full(self.file, at, &mut self.bytes)?;
        self.bytes.truncate(got);
        self.start = at;
        let bytes = self.bytes[..got.min(length)].to_vec();
        // A long note must not keep its room.
        if self.bytes.capacity() > WINDOW {
            self.bytes = Vec::new();
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note_file(ranges: &[(u64, u64, u64)], names: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((ranges.len() as u64).to_le_bytes());
        bytes.extend(4096_u64.to_le_bytes());
        for &(start, end, offset) in ranges {
            [start, end, offset]
                .iter()
                .for_each(|w| bytes.extend(w.to_le_bytes()));
        }
        bytes.extend(names);
        bytes
    }

    #[test]
    fn file_ranges_in_any_order_become_sorted_and_disjoint() {
        let bytes = note_file(
            &[
                (0x9000, 0xa000, 2),
                (0x1000, 0x3000, 0),
                (0x2000, 0x4000, 1),
                (7, 7, 0),
            ],
            b"/b\0/a\0/overlap\0/empty\0",
        );
        let ranges = files(&bytes).unwrap();
        let names: Vec<_> = ranges.iter().map(|r| (r.name.as_slice(), r.offset)).collect();
        assert_eq!(names, [(b"/a".as_slice(), 0), (b"/b".as_slice(), 0x2000)]);
    }

    #[test]
    fn absurd_counts_are_refused_without_an_allocation() {
        let mut bytes = note_file(&[(1, 2, 3)], b"/a\0");
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(files(&bytes), None);
        bytes[..8].copy_from_slice(&(1_u64 << 59).to_le_bytes());
        assert_eq!(files(&bytes), None);
        assert_eq!(files(&[]), None);
    }
}
