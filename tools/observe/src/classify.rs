//! What each region is for ([`Kind`]): one rule over the list of mappings.
//!
//! Where Apple has a word for the same thing, the word is Apple's; segments of ELF files have ELF's. The rule uses names,
//! protections, VmFlags and neighbours, and degrades: without VmFlags it still works, by position. What is only
//! likely (thread stacks, malloc arenas: Linux does not name them) is marked as a guess.

use crate::Region;
use crate::elf::Images;
use procfs::Perms;
use std::sync::Arc;

/// The purpose of a region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// First page or pages of an ELF file: headers, symbols, relocations.
    ElfHeaders,
    /// Program code.
    Text,
    /// Constants of an ELF file.
    Rodata,
    /// Data made read-only after relocation.
    Relro,
    /// Initialised data of an ELF file.
    Data,
    /// Data that begins as zeros.
    Bss,
    /// A hole that an ELF file reserves between its segments.
    ElfGap,
    /// A stack: the main thread's, or a thread's (a guess).
    Stack,
    /// The page that no stack may grow into.
    StackGuard,
    /// The allocator's memory: the brk heap, or a glibc arena.
    Malloc,
    /// Address space that an allocator keeps for growth.
    MallocReserved,
    /// Anonymous memory of unknown purpose.
    VmAllocate,
    /// Anonymous address space without access.
    VmReserved,
    /// Anonymous executable memory.
    Jit,
    /// A file that is no program.
    MappedFile,
    /// Shared anonymous memory, memfd, System V or POSIX shared memory.
    SharedMemory,
    /// Device memory.
    Device,
    /// The kernel's code page for fast system calls.
    Vdso,
    /// Its data.
    Vvar,
    /// The old fixed system-call page of x86-64.
    Vsyscall,
    /// Another mapping that the kernel names, such as `[uprobes]`.
    Special,
}

impl Kind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::ElfHeaders,
        Self::Text,
        Self::Rodata,
        Self::Relro,
        Self::Data,
        Self::Bss,
        Self::ElfGap,
        Self::Stack,
        Self::StackGuard,
        Self::Malloc,
        Self::MallocReserved,
        Self::VmAllocate,
        Self::VmReserved,
        Self::Jit,
        Self::MappedFile,
        Self::SharedMemory,
        Self::Device,
        Self::Vdso,
        Self::Vvar,
        Self::Vsyscall,
        Self::Special,
    ];

    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The word in the REGION TYPE column.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ElfHeaders => "elf headers",
            Self::Text => "text",
            Self::Rodata => "rodata",
            Self::Relro => "relro",
            Self::Data => "data",
            Self::Bss => "bss",
            Self::ElfGap => "elf gap (reserved)",
            Self::Stack => "Stack",
            Self::StackGuard => "STACK GUARD",
            Self::Malloc => "MALLOC",
            Self::MallocReserved => "MALLOC (reserved)",
            Self::VmAllocate => "VM_ALLOCATE",
            Self::VmReserved => "VM_ALLOCATE (reserved)",
            Self::Jit => "JIT",
            Self::MappedFile => "mapped file",
            Self::SharedMemory => "shared memory",
            Self::Device => "device memory",
            Self::Vdso => "vdso",
            Self::Vvar => "vvar",
            Self::Vsyscall => "vsyscall",
            Self::Special => "kernel special",
        }
    }

    /// Address space only: never resident, left out of the last total.
    #[must_use]
    pub fn is_reserved(self) -> bool {
        matches!(
            self,
            Self::ElfGap | Self::StackGuard | Self::MallocReserved | Self::VmReserved
        )
    }

    /// A segment of an ELF file.
    #[must_use]
    pub fn is_elf(self) -> bool {
        matches!(
            self,
            Self::ElfHeaders
                | Self::Text
                | Self::Rodata
                | Self::Relro
                | Self::Data
                | Self::Bss
                | Self::ElfGap
        )
    }
}

// The list is whole as long as the last one is its last.
const _: () = assert!(Kind::ALL.len() == Kind::Special as usize + 1);

/// A verdict: the kind, whether it is a guess, and what to say beside the name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Verdict {
    pub(crate) kind: Kind,
    pub(crate) is_guess: bool,
    /// Shown as detail if the mapping has no name.
    pub(crate) note: &'static str,
}

const fn sure(kind: Kind) -> Verdict {
    Verdict {
        kind,
        is_guess: false,
        note: "",
    }
}

const fn guess(kind: Kind, note: &'static str) -> Verdict {
    Verdict {
        kind,
        is_guess: true,
        note,
    }
}

/// glibc reserves each thread arena's 64 MiB aligned to their size (`HEAP_MAX_SIZE`).
const ARENA_BYTES: u64 = 64 << 20;

/// Guards of thread stacks are one page by default; nobody makes them larger than this.
const LARGEST_GUARD: u64 = 1 << 20;

/// Verdicts for all mappings, in order. `images`: the ELF files whose segments are known exactly; for others the position decides.
pub(crate) fn classify(regions: &[Region], images: &Images) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(regions.len());
    for index in 0..regions.len() {
        let at = Place {
            regions,
            images,
            index,
        };
        let verdict = named(&at)
            .or_else(|| file(&at))
            .unwrap_or_else(|| anonymous(&at, verdicts.last().map(|v| v.kind)));
        verdicts.push(verdict);
    }
    verdicts
}

/// A mapping among its neighbours.
struct Place<'a> {
    regions: &'a [Region],
    images: &'a Images,
    index: usize,
}

impl<'a> Place<'a> {
    fn this(&self) -> &'a Region {
        &self.regions[self.index]
    }

    /// The mapping that ends where this one starts.
    fn touching_before(&self) -> Option<&'a Region> {
        let before = self.regions.get(self.index.checked_sub(1)?)?;
        (before.end == self.this().start).then_some(before)
    }

    /// The mapping that starts where this one ends.
    fn touching_after(&self) -> Option<&'a Region> {
        let after = self.regions.get(self.index + 1)?;
        (after.start == self.this().end).then_some(after)
    }

    /// The neighbours that map the same file, this one included: one loaded image.
    fn image(&self) -> &'a [Region] {
        let this = self.this();
        let is_same = |r: &&Region| Arc::ptr_eq(&r.object, &this.object);
        // Between the segments of one image there may be its own bss or a gap, never a different file: two are bridged.
        let reach = 4;
        let first = (self.index.saturating_sub(reach)..self.index).find(|&i| is_same(&&self.regions[i]));
        let last = (self.index..self.regions.len().min(self.index + reach + 1))
            .rev()
            .find(|&i| is_same(&&self.regions[i]));
        &self.regions[first.unwrap_or(self.index)..=last.unwrap_or(self.index)]
    }
}

/// What the kernel, or the program by prctl(PR_SET_VMA), names in brackets.
fn named(at: &Place<'_>) -> Option<Verdict> {
    let name = at.this().object.name.as_slice();
    let starts = |prefix: &[u8]| name.starts_with(prefix);
    Some(match name {
        b"[heap]" => sure(Kind::Malloc),
        // A core file's, by position.
        b"[heap ?]" => guess(Kind::Malloc, "heap"),
        b"[stack]" => sure(Kind::Stack),
        b"[vdso]" => sure(Kind::Vdso),
        b"[vsyscall]" => sure(Kind::Vsyscall),
        _ if starts(b"[vvar") => sure(Kind::Vvar),
        _ if starts(b"[stack:") => sure(Kind::Stack),
        // glibc with glibc.mem.decorate_maps=1.
        _ if starts(b"[anon: glibc: malloc") => sure(if at.this().is_prot_none() {
            Kind::MallocReserved
        } else {
            Kind::Malloc
        }),
        _ if starts(b"[anon: glibc: pthread stack") => sure(Kind::Stack),
        _ if starts(b"[anon_shmem:") => sure(Kind::SharedMemory),
        _ if starts(b"[anon:") => return None,
        _ if starts(b"[") => sure(Kind::Special),
        _ if starts(b"anon_inode:") || starts(b"socket:") => sure(Kind::Device),
        _ => return None,
    })
}

/// Mappings of files: ELF images, shared memory, devices, and the rest.
fn file(at: &Place<'_>) -> Option<Verdict> {
    let this = at.this();
    if !this.object.has_file() {
        return None;
    }
    let name = this.object.name.as_slice();
    let is_frames = this.flag(b"pf") == Some(true) || this.flag(b"io") == Some(true);
    let shared_memory: [&[u8]; 4] = [b"/memfd:", b"/SYSV", b"/dev/zero (deleted)", b"/dev/shm/"];
    Some(if is_shared_object(name, &shared_memory) {
        sure(Kind::SharedMemory)
    } else if is_frames || name.starts_with(b"/dev/") {
        sure(Kind::Device)
    } else if this.perms.shared {
        sure(Kind::MappedFile)
    } else {
        sure(elf_segment(at).unwrap_or(Kind::MappedFile))
    })
}

fn is_shared_object(name: &[u8], prefixes: &[&[u8]]) -> bool {
    prefixes.iter().any(|p| name.starts_with(p))
}

/// The segment of an ELF image: a file of which some neighbouring mapping is executable.
fn elf_segment(at: &Place<'_>) -> Option<Kind> {
    let image = at.image();
    let this = at.this();
    let text = image
        .iter()
        .find(|m| m.perms.exec && Arc::ptr_eq(&m.object, &this.object))?;
    let Perms {
        read, write, exec, ..
    } = this.perms;
    if read && let Some(kind) = exact_kind(at, image) {
        return Some(kind);
    }
    Some(match (exec, write, read) {
        (true, ..) => Kind::Text,
        (_, true, _) => Kind::Data,
        (_, _, false) => Kind::ElfGap,
        _ if this.start < text.start => Kind::ElfHeaders,
        _ if is_relro(at) => Kind::Relro,
        _ => Kind::Rodata,
    })
}

/// By the file's program headers, if they are known and the image's first mapping is what they say.
fn exact_kind(at: &Place<'_>, image: &[Region]) -> Option<Kind> {
    let this = at.this();
    let first = image.first()?;
    let layout = at.images.layout(first)?;
    layout.kind(this.start, layout.bias(first)?, this.perms.write)
}

/// A read-only mapping that was writable once: it is still counted against the commit limit (`ac`), because
/// the loader wrote its relocations. Without VmFlags: it stands right before the image's data, in memory and in the file.
fn is_relro(at: &Place<'_>) -> bool {
    let this = at.this();
    match this.flag(b"ac") {
        Some(is_accounted) => is_accounted,
        None => at.touching_after().is_some_and(|next| {
            next.perms.write
                && Arc::ptr_eq(&next.object, &this.object)
                && next.offset == this.offset.saturating_add(this.len())
        }),
    }
}

/// Memory without a file and without a telling name. `before` is the kind of the mapping before it.
fn anonymous(at: &Place<'_>, before: Option<Kind>) -> Verdict {
    let this = at.this();
    let Perms {
        write, exec, shared, ..
    } = this.perms;
    if shared {
        return sure(Kind::SharedMemory);
    }
    let touches =
        |kinds: &[Kind]| at.touching_before().is_some() && before.is_some_and(|k| kinds.contains(&k));
    if this.is_prot_none() {
        let is_arena_tail = touches(&[Kind::Malloc]) && this.end.0.is_multiple_of(ARENA_BYTES);
        return if is_arena_tail {
            guess(Kind::MallocReserved, "arena")
        } else if this.len() <= LARGEST_GUARD && at.touching_after().is_some_and(is_thread_stack) {
            guess(Kind::StackGuard, "thread")
        } else {
            sure(Kind::VmReserved)
        };
    }
    if write && touches(&[Kind::Data, Kind::Relro, Kind::Rodata, Kind::Text]) && follows_image(at) {
        return sure(Kind::Bss);
    }
    if exec {
        return sure(Kind::Jit);
    }
    if touches(&[Kind::StackGuard]) && is_thread_stack(this) {
        return guess(Kind::Stack, "thread");
    }
    let is_arena = this.start.0.is_multiple_of(ARENA_BYTES)
        && write
        && at
            .touching_after()
            .is_none_or(|next| next.is_prot_none() && next.end.0.is_multiple_of(ARENA_BYTES))
        && at.touching_after().is_some();
    if is_arena {
        guess(Kind::Malloc, "arena")
    } else {
        sure(Kind::VmAllocate)
    }
}

/// A writable, unnamed, private mapping of a thread stack's size: at least PTHREAD_STACK_MIN (16 KiB).
fn is_thread_stack(mapping: &Region) -> bool {
    let Perms {
        read, write, exec, ..
    } = mapping.perms;
    mapping.is_private_anonymous()
        && read
        && write
        && !exec
        && (mapping.object.name.is_empty() || mapping.object.name.starts_with(b"[stack:"))
        && mapping.len() >= 16 << 10
}

/// Whether this is the bss of the image before: by its program headers, or else because it touches a private mapping of a file.
fn follows_image(at: &Place<'_>) -> bool {
    let Some(before) = at
        .touching_before()
        .filter(|m| m.object.has_file() && !m.perms.shared)
    else {
        return false;
    };
    let image = Place {
        index: at.index - 1,
        ..*at
    }
    .image();
    let known = image.first().and_then(|first| {
        let layout = at.images.layout(before)?;
        Some((layout, layout.bias(first)?))
    });
    match known {
        Some((layout, bias)) => layout.kind(at.this().start, bias, true) == Some(Kind::Bss),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::testing::regions;

    fn kinds(maps: &str) -> Vec<(&'static str, bool)> {
        classify(&regions(maps), &Images::default())
            .iter()
            .map(|v| (v.kind.name(), v.is_guess))
            .collect()
    }

    // A threaded program on this host, without VmFlags: the rule degrades to positions.
    #[test]
    fn a_threaded_program_is_named() {
        let maps = "\
557c87d58000-557c87d5a000 r--p 00000000 fe:00 247030                     /usr/bin/cat
557c87d5a000-557c87d5f000 r-xp 00002000 fe:00 247030                     /usr/bin/cat
557c87d5f000-557c87d62000 r--p 00007000 fe:00 247030                     /usr/bin/cat
557c87d62000-557c87d63000 r--p 00009000 fe:00 247030                     /usr/bin/cat
557c87d63000-557c87d64000 rw-p 0000a000 fe:00 247030                     /usr/bin/cat
557c87d64000-557c87d65000 rw-p 00000000 00:00 0 
557ca0000000-557ca0021000 rw-p 00000000 00:00 0                          [heap]
7f1000000000-7f1000021000 rw-p 00000000 00:00 0 
7f1000021000-7f1004000000 ---p 00000000 00:00 0 
7f1010000000-7f1010001000 ---p 00000000 00:00 0 
7f1010001000-7f1010801000 rw-p 00000000 00:00 0 
7f1020000000-7f1020010000 r--p 00000000 fe:00 99                         /usr/lib/locale/C.utf8/LC_CTYPE
7f1030000000-7f1030010000 rw-s 00000000 00:01 5                          /memfd:x (deleted)
7f1040000000-7f1040010000 rwxp 00000000 00:00 0 
7fff00000000-7fff00021000 rw-p 00000000 00:00 0                          [stack]
7fff00021000-7fff00025000 r--p 00000000 00:00 0                          [vvar]
7fff00025000-7fff00027000 r-xp 00000000 00:00 0                          [vdso]
";
        let expected = [
            ("elf headers", false),
            ("text", false),
            ("rodata", false),
            ("relro", false),
            ("data", false),
            ("bss", false),
            ("MALLOC", false),
            ("MALLOC", true),
            ("MALLOC (reserved)", true),
            ("STACK GUARD", true),
            ("Stack", true),
            ("mapped file", false),
            ("shared memory", false),
            ("JIT", false),
            ("Stack", false),
            ("vvar", false),
            ("vdso", false),
        ];
        assert_eq!(kinds(maps), expected);
    }

    #[test]
    fn a_guest_of_one_segment_and_a_reserve_are_named() {
        let maps = "\
00400000-00404000 r-xp 00000000 00:02 3                                  /bin/beep
10000000-14000000 ---p 00000000 00:00 0 
ffffc000-100000000 rw-p 00000000 00:00 0                                 [stack]
";
        assert_eq!(
            kinds(maps),
            [
                ("text", false),
                ("VM_ALLOCATE (reserved)", false),
                ("Stack", false)
            ]
        );
    }
}
