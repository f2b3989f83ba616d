//! The lines of `maps` ([`Regions`]): segments joined with NT_FILE, and the names that the kernel would give.
//!
//! NT_FILE may speak of mappings that have no segment: gdb leaves out what it did not dump. Their protection is that
//! of the file's own program headers, if those were dumped.

use super::headers::{Load, Machine};
use super::image::Image;
use super::memory::Memory;
use super::notes::{FileRange, Notes};
use procfs::{Addr, Auxv, MapsLine, Perms, at};

/// Address of 16 random bytes, on the main stack (`include/uapi/linux/auxvec.h`).
const AT_RANDOM: u64 = 25;

/// Address of the path that was executed, on the main stack.
pub(super) const AT_EXECFN: u64 = 31;

/// Where x86-64 has its old system-call page (`VSYSCALL_ADDR`).
const VSYSCALL: u64 = 0xffff_ffff_ff60_0000;

/// The kernel puts the heap at most this far past the program's end (`arch_randomize_brk`).
const FARTHEST_HEAP: u64 = 1 << 30;

const PF_X: u32 = 1;
const PF_W: u32 = 2;
const PF_R: u32 = 4;

/// The mappings, by address.
#[derive(Debug)]
pub(super) struct Regions {
    pub(super) lines: Vec<MapsLine>,
    /// Mappings of which the core tells the file but not the protection.
    pub(super) without_protection: usize,
    /// The program's path, from NT_FILE or else as exec was given it.
    pub(super) exe: Option<Vec<u8>>,
}

impl Regions {
    pub(super) fn of(memory: &Memory, notes: &Notes, machine: Machine) -> Self {
        let files = notes.files.as_deref().unwrap_or_default();
        let mut lines = joined(memory.loads(), files);
        let without_protection = undumped(&mut lines, memory, files);
        lines.sort_by_key(|line| line.start);
        let auxv = notes.auxv.clone().unwrap_or_default();
        let exe = exe(files, &auxv);
        let mut names = Names {
            lines: &mut lines,
            memory,
        };
        names.kernel(&auxv, machine);
        names.stacks(&auxv, notes);
        if let Some(exe) = &exe {
            names.heap(exe);
        }
        Self {
            without_protection,
            exe: exe
                .map(|e| e.name.clone())
                .or_else(|| memory.string(auxv.get(AT_EXECFN)?, 4096)),
            lines,
        }
    }
}

/// The range of the program's file: by its program headers or its entry point.
fn exe<'a>(files: &'a [FileRange], auxv: &Auxv) -> Option<&'a FileRange> {
    [at::PHDR, at::ENTRY]
        .into_iter()
        .find_map(|kind| file_at(files, auxv.get(kind)?))
}

fn file_at(files: &[FileRange], addr: u64) -> Option<&FileRange> {
    let after = files.partition_point(|f| f.start <= addr);
    files.get(after.checked_sub(1)?).filter(|f| addr < f.end)
}

fn line(start: u64, end: u64, flags: u32, file: Option<&FileRange>) -> MapsLine {
    let name = file.map(|f| MapsLine::escape(&f.name)).unwrap_or_default();
    MapsLine {
        start: Addr(start),
        end: Addr(end),
        perms: Perms {
            read: flags & PF_R != 0,
            write: flags & PF_W != 0,
            exec: flags & PF_X != 0,
            // A core does not tell; these two are names that only shared memory has.
            shared: name.starts_with(b"/SYSV") || name == b"/dev/zero (deleted)",
        },
        offset: file.map_or(0, |f| f.offset.saturating_add(start - f.start)),
        name,
        ..MapsLine::default()
    }
}

/// The segments, divided where a file's range begins or ends inside. Both lists are sorted and disjoint.
fn joined(loads: &[Load], files: &[FileRange]) -> Vec<MapsLine> {
    let mut lines = Vec::with_capacity(loads.len());
    let mut rest = files;
    for load in loads {
        let mut from = load.start;
        while from < load.end {
            while rest.first().is_some_and(|f| f.end <= from) {
                rest = &rest[1..];
            }
            let (file, to) = match rest.first() {
                Some(f) if f.start <= from => (Some(f), f.end.min(load.end)),
                Some(f) => (None, f.start.min(load.end)),
                None => (None, load.end),
            };
            lines.push(line(from, to, load.flags, file));
            from = to;
        }
    }
    lines
}

/// Add the parts of files' ranges that no segment covers. How many have no known protection.
fn undumped(lines: &mut Vec<MapsLine>, memory: &Memory, files: &[FileRange]) -> usize {
    let mut without_protection = 0;
    let mut rest = memory.loads();
    let mut image: Option<(u64, Option<Image>)> = None;
    let mut head: Option<&FileRange> = None;
    for file in files {
        // A file's segments follow its first one.
        if file.offset == 0 {
            head = Some(file);
        }
        let mut from = file.start;
        while from < file.end {
            while rest.first().is_some_and(|l| l.end <= from) {
                rest = &rest[1..];
            }
            let to = match rest.first() {
                Some(load) if load.start <= from => {
                    from = load.end.min(file.end);
                    continue;
                }
                Some(load) => load.start.min(file.end),
                None => file.end,
            };
            let flags = head.filter(|h| h.name == file.name).and_then(|h| {
                if image.as_ref().is_none_or(|(start, _)| *start != h.start) {
                    image = Some((h.start, Image::read(memory, h.start)));
                }
                image.as_ref()?.1.as_ref()?.flags(from, to)
            });
            without_protection += usize::from(flags.is_none());
            lines.push(line(from, to, flags.unwrap_or(0), Some(file)));
            from = to;
        }
    }
    without_protection
}

/// Gives names to mappings without a file.
struct Names<'a> {
    lines: &'a mut Vec<MapsLine>,
    memory: &'a Memory,
}

impl Names<'_> {
    /// The index of the mapping that holds the address.
    fn index(&self, addr: u64) -> Option<usize> {
        let after = self.lines.partition_point(|l| l.start.0 <= addr);
        let index = after.checked_sub(1)?;
        (addr < self.lines[index].end.0).then_some(index)
    }

    fn nameless_at(&mut self, addr: u64) -> Option<&mut MapsLine> {
        let index = self.index(addr)?;
        Some(&mut self.lines[index]).filter(|l| l.name.is_empty())
    }

    /// What the kernel maps itself: the vDSO, its data right below, and the old system-call page.
    fn kernel(&mut self, auxv: &Auxv, machine: Machine) {
        if machine == Machine::X86_64
            && let Some(page) = self.nameless_at(VSYSCALL)
        {
            page.name = b"[vsyscall]".to_vec();
        }
        let Some(vdso) = auxv.get(at::SYSINFO_EHDR).and_then(|addr| self.index(addr)) else {
            return;
        };
        if !self.lines[vdso].name.is_empty() {
            return;
        }
        self.lines[vdso].name = b"[vdso]".to_vec();
        for index in (0..vdso).rev() {
            let is_data = self.lines[index].end == self.lines[index + 1].start
                && self.lines[index].name.is_empty()
                && !self.lines[index].perms.write
                && !self.lines[index].perms.exec;
            if !is_data {
                break;
            }
            self.lines[index].name = b"[vvar]".to_vec();
        }
    }

    /// The main stack holds what exec put there; the other threads' are where their stack pointers are. Their name is the one that
    /// Linux 3.4 to 4.4 gave.
    fn stacks(&mut self, auxv: &Auxv, notes: &Notes) {
        let pid = notes.process.as_ref().map(|p| p.pid);
        let main = notes.threads.iter().find(|t| Some(t.tid) == pid).map(|t| t.sp.0);
        let places = [auxv.get(AT_EXECFN), auxv.get(AT_RANDOM), main];
        for addr in places.into_iter().flatten() {
            if let Some(stack) = self.nameless_at(addr).filter(|s| s.perms.write) {
                stack.name = b"[stack]".to_vec();
                break;
            }
        }
        for thread in &notes.threads {
            if let Some(stack) = self.nameless_at(thread.sp.0).filter(|s| s.perms.write) {
                stack.name = format!("[stack:{}]", thread.tid).into_bytes();
            }
        }
    }

    /// The break: a core does not say where it is, but it is the next private writable memory past the program.
    /// `[heap]` if it begins as glibc's heaps do, `[heap ?]` otherwise.
    fn heap(&mut self, exe: &FileRange) {
        let name = MapsLine::escape(&exe.name);
        let Some(last) = self.lines.iter().rposition(|l| l.name == name) else {
            return;
        };
        let first = self.lines.iter().find(|l| l.name == name && l.offset == 0);
        let image = first.and_then(|l| Image::read(self.memory, l.start.0));
        let file_end = self.lines[last].end.0;
        let end = image.and_then(|i| i.end()).unwrap_or(file_end).max(file_end);
        let after = self.lines[last + 1..].iter_mut().find(|l| l.start.0 >= end);
        let Some(heap) = after.filter(|l| {
            let is_data = l.perms.read && l.perms.write && !l.perms.exec;
            l.name.is_empty() && is_data && l.start.0 - end <= FARTHEST_HEAP
        }) else {
            return;
        };
        heap.name = if begins_as_glibc(self.memory, heap) {
            b"[heap]".to_vec()
        } else {
            b"[heap ?]".to_vec()
        };
    }
}

/// glibc's first chunk: no chunk before it, a size in 16s with PREV_INUSE, inside the heap, and a chunk after it.
fn begins_as_glibc(memory: &Memory, heap: &MapsLine) -> bool {
    let word = |at: u64| {
        let mut bytes = [0; 8];
        (memory.read_at(at, &mut bytes).ok()? == 8).then(|| u64::from_le_bytes(bytes))
    };
    let start = heap.start.0;
    let is_chunk = |size: u64| size & 7 == 1 && size & 15 == 1 && size > 16 && size < heap.len();
    let (Some(0), Some(size)) = (word(start), word(start.saturating_add(8))) else {
        return false;
    };
    let next = start.saturating_add(size & !7).saturating_add(8);
    is_chunk(size) && word(next).is_some_and(|s| is_chunk(s) || (s & !7) + (size & !7) == heap.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_divided_at_the_ends_of_files() {
        let load = |start, end| Load {
            start,
            end,
            offset: 0,
            dumped: 0,
            readable: 0,
            flags: 6,
        };
        let file = |start, end, offset| FileRange {
            start,
            end,
            offset,
            name: b"/f".to_vec(),
        };
        let lines = joined(
            &[load(0x1000, 0x5000), load(0x6000, 0x7000)],
            &[file(0x2000, 0x3000, 0x8000), file(0x4000, 0x6800, 0)],
        );
        let seen: Vec<_> = lines
            .iter()
            .map(|l| (l.start.0, l.end.0, l.name.len(), l.offset))
            .collect();
        assert_eq!(
            seen,
            [
                (0x1000, 0x2000, 0, 0),
                (0x2000, 0x3000, 2, 0x8000),
                (0x3000, 0x4000, 0, 0),
                (0x4000, 0x5000, 2, 0),
                (0x6000, 0x6800, 2, 0x2000),
                (0x6800, 0x7000, 0, 0),
            ]
        );
    }
}
