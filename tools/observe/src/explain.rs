//! What the words of the report mean on Linux ([`explain`]): `vmmap --explain WORD`.
//!
//! One table. The tests hold it against the words that the report can print: region types, columns, share modes, audit codes.

/// A word of the report, and two or three sentences on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The word, as the report prints it.
    pub word: &'static str,
    /// What else leads here.
    pub also: &'static [&'static str],
    /// What it means.
    pub text: &'static str,
}

/// The entry for a word, in any case; `None` if there is none.
#[must_use]
pub fn explain(word: &str) -> Option<&'static Entry> {
    let wanted = plain(word);
    let is_named =
        |entry: &&Entry| plain(entry.word) == wanted || entry.also.iter().any(|also| plain(also) == wanted);
    ENTRIES.iter().find(is_named)
}

/// Every entry, in the order of the report.
#[must_use]
pub fn entries() -> &'static [Entry] {
    ENTRIES
}

/// Case, blanks and dashes do not matter, and `SM=COW` is `COW`.
fn plain(word: &str) -> String {
    let word = word.trim();
    let word = word
        .strip_prefix("SM=")
        .or(word.strip_prefix("sm="))
        .unwrap_or(word);
    word.chars()
        .filter(|c| !matches!(c, ' ' | '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

const fn entry(word: &'static str, also: &'static [&'static str], text: &'static str) -> Entry {
    Entry { word, also, text }
}

const ENTRIES: &[Entry] = &[
    // Columns.
    entry(
        "REGION TYPE",
        &["type"],
        "What the mapping is for. Linux does not say: it is found from its name, its file's program headers, its flags and neighbours, the threads' descriptors and the allocator's own tables. What is only likely ends in \"?\" in the detail.",
    ),
    entry(
        "VSIZE",
        &["virtual", "virtual size", "size", "vsz"],
        "Address space: how much may be touched, not how much was. It costs nothing but page tables and, for private writable memory, room under the commit limit. A stack shows what it has grown to; its limit is RLIMIT_STACK.",
    ),
    entry(
        "RSDNT",
        &["resident", "resident size", "rss"],
        "What is in RAM now: smaps' Rss, and hugetlb memory, which Rss leaves out. Pages shared with other processes count in full, the shared page of zeros and device frames do not count.",
    ),
    entry(
        "DIRTY",
        &["dirty size"],
        "What cannot simply be dropped. For private memory: anonymous pages, without what MADV_FREE gave back. For shared memory: everything resident; for shared files: what has to be written back. It is not smaps' *_Dirty, which counts dirty page cache of files that are only read.",
    ),
    entry(
        "SWAP",
        &["swapped", "swapped size"],
        "What is in swap. For shared memory the kernel counts the whole object's swap in the range, even what this process never touched.",
    ),
    entry(
        "PRT/MAX",
        &["prt", "max", "protection", "max protection"],
        "The protection now, and the most that mprotect(2) would give (mr, mw, me of VmFlags). A shared mapping of a file that was opened read-only can never become writable.",
    ),
    entry(
        "SHRMOD",
        &["sm", "share mode", "sharing mode"],
        "Who else sees the region's pages: NUL, ZER, DEV, S/A, ALI, SHM, COW or PRV. The first that is true of it is shown.",
    ),
    entry(
        "PURGE",
        &["v", "purgeable"],
        "V: some of it was given back by MADV_FREE, or is MAP_DROPPABLE, and the kernel may take it without writing it anywhere. Apple's N and E have no counterpart on Linux.",
    ),
    entry(
        "VOLATILE",
        &["volatile size", "lazyfree"],
        "How much was given back by MADV_FREE and not yet taken. The kernel's LazyFree lags by a batch for each CPU, so clean anonymous pages count if that is more and nothing was ever swapped.",
    ),
    entry(
        "PSS",
        &["share", "share (pss)", "proportional set size"],
        "The proportional share: each resident page divided by the number of its mappers. Summed over all processes it is real memory, which RSS is not.",
    ),
    entry(
        "USS",
        &["own", "own (uss)", "unique set size"],
        "What is mapped by this mapping alone: it would be freed if the process ended now. Memory that the process itself maps twice is not in it, though nobody else has it.",
    ),
    entry(
        "REGION COUNT",
        &["count", "regions"],
        "How many mappings (VMAs) the kernel holds for the type. Each costs about 200 bytes there, and vm.max_map_count limits them (65530 by default).",
    ),
    entry(
        "REGION DETAIL",
        &["detail"],
        "The file, the name that the program gave by prctl(PR_SET_VMA_ANON_NAME), or what else was found: the thread of a stack, the arena of an allocator. \"?\" marks a guess.",
    ),
    entry(
        "Physical footprint",
        &["footprint", "phys_footprint"],
        "What the process costs that cannot be dropped for free: private anonymous memory and swap in full, shared memory by its share, hugetlb and page tables. Clean file pages are not in it. It is Apple's phys_footprint as near as Linux can tell.",
    ),
    entry(
        "Physical footprint (share)",
        &["footprint share", "additive"],
        "The footprint with every page divided by its mappers (Pss_Anon + Pss_Shmem + SwapPss + page tables): summed over all processes it gives real memory. \"~\" says that a mapping's share had to be split by proportion.",
    ),
    entry(
        "Physical footprint (peak)",
        &["peak"],
        "Linux keeps no peak of the footprint, so it is a bracket: at most VmHWM (the peak of RSS) with swap, hugetlb and page tables; at least what it is now.",
    ),
    entry(
        "Page tables",
        &["vmpte"],
        "The page tables of the process (VmPTE), in RAM and never swapped. They grow with the address range that was touched.",
    ),
    // Share modes.
    entry(
        "NUL",
        &["null", "empty"],
        "Nothing is there: no page and no swap. It costs nothing until it is touched.",
    ),
    entry(
        "ZER",
        &["zero", "zero page"],
        "Only read so far: every page that is there is the kernel's one shared page of zeros. The first write to each takes a page.",
    ),
    entry(
        "DEV",
        &["device"],
        "Frames of a device, or of the kernel, which have no struct page: no counter of Linux sees them, so the sizes say nothing.",
    ),
    entry(
        "S/A",
        &["sa", "shared alias"],
        "Shared memory that this process maps more than once, and others map too.",
    ),
    entry(
        "ALI",
        &["alias"],
        "Shared memory that this process maps more than once, and nobody else. smaps calls it shared; it is all this process's.",
    ),
    entry(
        "SHM",
        &["shared"],
        "MAP_SHARED: what is written is seen by whoever maps the same, even if nobody else does today.",
    ),
    entry(
        "COW",
        &["copy on write"],
        "Copy-on-write: a private mapping of a file, or anonymous memory shared since a fork, in RAM or in swap (or merged by KSM). The first write to a page copies it.",
    ),
    entry(
        "PRV",
        &["private"],
        "Private: its pages belong to this process alone.",
    ),
    // Region types.
    entry(
        "elf headers",
        &[],
        "The first pages of a program or library: its headers, symbols and relocations, which the dynamic loader reads at start and hardly anybody later.",
    ),
    entry(
        "text",
        &["code"],
        "Machine code of a program or library. Its pages are the file's in the page cache, shared by all who run it, and can be dropped and read again at any time.",
    ),
    entry(
        "rodata",
        &[".rodata", "data const"],
        "Constants of a program or library (.rodata, .eh_frame), shared through the page cache as text is.",
    ),
    entry(
        "relro",
        &["GNU_RELRO"],
        "Data that the dynamic loader relocated and then made read-only (PT_GNU_RELRO): tables of function pointers (.got, vtables). Its pages were written, so each process has its own.",
    ),
    entry(
        "data",
        &[".data"],
        "Initialised variables of a program or library. Copied from the file page by page as they are written.",
    ),
    entry(
        "bss",
        &[".bss"],
        "Variables that begin as zeros. They take no room in the file, and RAM only where touched.",
    ),
    entry(
        "elf gap (reserved)",
        &["elf gap"],
        "A hole that a library keeps between its segments so that nothing else comes to lie there. Address space only.",
    ),
    entry(
        "Stack",
        &["stacks"],
        "A thread's stack. The main thread's grows on demand up to RLIMIT_STACK; the others are mapped whole (8 MiB by default) and take RAM only as deep as they ever went: memory below the deepest call is kept until the thread ends.",
    ),
    entry(
        "STACK GUARD",
        &["guard"],
        "Pages without access below a stack: what runs over it dies of SIGSEGV instead of writing into its neighbour. glibc 2.42 and later uses MADV_GUARD_INSTALL, which makes no mapping of its own.",
    ),
    entry(
        "MALLOC",
        &["heap"],
        "Memory of malloc: the program's break ([heap]) or another arena. See the MALLOC ZONE table for what is in use in it. Freed memory mostly stays resident here.",
    ),
    entry(
        "MALLOC (reserved)",
        &[],
        "Address space that malloc keeps for an arena to grow into. It costs nothing.",
    ),
    entry(
        "VM_ALLOCATE",
        &["anonymous", "anon"],
        "Anonymous memory (mmap with MAP_ANONYMOUS) of unknown purpose: large malloc blocks, other allocators, garbage-collected heaps. A program can name its own by prctl(PR_SET_VMA_ANON_NAME).",
    ),
    entry(
        "VM_ALLOCATE (reserved)",
        &[],
        "Anonymous address space without access: a reserve for something that grows, or a guard. It costs nothing.",
    ),
    entry(
        "JIT",
        &[],
        "Anonymous executable memory: code that was made at run time.",
    ),
    entry(
        "mapped file",
        &["file"],
        "A file mapped into memory that is not a program: data, locales, fonts, archives. Clean pages can be dropped; MAP_SHARED writes go to the file.",
    ),
    entry(
        "shared memory",
        &["shmem"],
        "Memory without a file on disk that can be shared: MAP_SHARED|MAP_ANONYMOUS, memfd, System V, POSIX (/dev/shm). It lives in RAM or swap until its last user has gone.",
    ),
    entry(
        "device memory",
        &[],
        "Memory of a device or a ring shared with the kernel (GPU buffers, io_uring, perf, packet rings).",
    ),
    entry(
        "vdso",
        &[],
        "A small library that the kernel maps into every process, so that clock_gettime and the like need no system call.",
    ),
    entry(
        "vvar",
        &[],
        "The data of the vdso, kept up to date by the kernel.",
    ),
    entry(
        "vsyscall",
        &[],
        "The fixed page of old x86-64 programs for fast system calls. Emulated, at an address above all others.",
    ),
    entry(
        "kernel special",
        &[],
        "Another mapping that the kernel made and named, such as [uprobes].",
    ),
    // Audit.
    entry(
        "wx",
        &["writable and executable"],
        "Audit: memory that is writable and executable at once lets a stray write become code. A JIT needs it only if it does not switch between the two with mprotect(2) or two mappings.",
    ),
    entry(
        "exec-stack",
        &["executable stack"],
        "Audit: a stack that may be executed, mostly because one object file lacks a .note.GNU-stack. Any overflow on it can run what it wrote.",
    ),
    entry(
        "deleted-image",
        &["deleted", "deleted library"],
        "Audit: the file of a running program or library is gone from its path, mostly by an update. The process goes on with the old one, security holes included, until it is restarted; the disk space is not free before that.",
    ),
    entry(
        "replaced-image",
        &["replaced", "replaced library"],
        "Audit: another file stands at the path of a mapped program or library. The process still runs the old one: restart it to get the new.",
    ),
    entry(
        "no-relro",
        &["missing relro"],
        "Audit: the program or library has no PT_GNU_RELRO, so its tables of function pointers stay writable. Link with -z relro (and -z now).",
    ),
    entry(
        "arena-slack",
        &["slack"],
        "Audit: malloc holds much more memory than the program has allocated from it. malloc_trim(3) returns what lies in whole free pages; fewer arenas (MALLOC_ARENA_MAX) or another allocator helps if that is not enough.",
    ),
    entry(
        "stack-limit",
        &["stack near its limit"],
        "Audit: a stack has used most of what it may. One page beyond it the thread dies of SIGSEGV.",
    ),
    entry(
        "many-maps",
        &["max_map_count"],
        "Audit: the process has nearly as many mappings as vm.max_map_count allows. After that mmap, mprotect and even free can fail with ENOMEM.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, ShareMode, audit};

    #[test]
    fn every_word_of_the_report_is_explained() {
        for kind in Kind::ALL {
            assert!(explain(kind.name()).is_some(), "{}", kind.name());
        }
        for mode in ShareMode::ALL {
            assert!(explain(mode.letters()).is_some(), "{}", mode.letters());
        }
        for code in audit::CODES {
            assert!(explain(code).is_some(), "{code}");
        }
        for column in [
            "VSIZE",
            "RSDNT",
            "DIRTY",
            "SWAP",
            "PRT/MAX",
            "SHRMOD",
            "PURGE",
            "PSS",
            "USS",
            "footprint",
            "peak",
        ] {
            assert!(explain(column).is_some(), "{column}");
        }
        assert_eq!(explain("SM=cow").map(|e| e.word), Some("COW"));
        assert_eq!(explain("stack guard"), explain("STACK-GUARD"));
        assert_eq!(explain("no such word"), None);
    }

    #[test]
    fn no_word_leads_two_ways() {
        let mut words: Vec<String> = ENTRIES
            .iter()
            .flat_map(|e| e.also.iter().chain([&e.word]).map(|word| plain(word)))
            .collect();
        words.sort_unstable();
        let count = words.len();
        words.dedup();
        assert_eq!(words.len(), count);
        assert!(ENTRIES.iter().all(|e| e.text.ends_with('.')));
    }
}
