//! The bundled guest programs: small static AArch64 ELF files, embedded, so that `pagewalk run beep` needs no file.
//!
//! Key types: [`Guest`], one program; [`Case`], one run of it whose output was recorded on a real system. Sources are in
//! `guests/asm`, `guests/c` and `guests/vdso`, the prebuilt files in `guests/elf`, the recorded outputs in
//! `guests/expected`. `cargo xtask guests` rebuilds the ELF files and proves them identical, and re-records.
//! Absent on purpose: anything that runs a guest; this crate depends on nothing.

mod cases;

pub use cases::{CASES, Case};

/// The vDSO that the kernel half maps into each process: an ELF shared object of less than one 4 KiB page with one
/// `PT_LOAD` (read, execute) at address 0, position independent, the symbols and the version `LINUX_2.6.39` of vdso(7).
pub const VDSO: &[u8] = include_bytes!("../elf/vdso.so");

/// One bundled program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guest {
    /// Its name on the command line, and of its files in `elf/` and `expected/`.
    pub name: &'static str,
    /// What it shows, in one line.
    pub what: &'static str,
    /// The ELF file's bytes.
    pub elf: &'static [u8],
}

macro_rules! guests {
    ($($name:literal: $what:literal,)*) => {
        /// Every bundled program, in the order in which a list should show them.
        static GUESTS: &[Guest] = &[
            $(Guest { name: $name, what: $what, elf: include_bytes!(concat!("../elf/", $name)) },)*
        ];
    };
}

guests! {
    "beep": "rings the bell once and spins for ever (the tutorial's process)",
    "adder": "prints the sum of two whole numbers, from its arguments or standard input",
    "zero-page": "fresh memory reads as zeros; each page is its own from the first write",
    "stack-grow": "the stack grows on a touch, down to near its limit",
    "stack-overrun": "endless recursion dies of SIGSEGV at the stack's limit",
    "heap": "brk grows and shrinks the heap; what was given back reads as zeros",
    "cow-data": "a write to initialised data copies the page from the file",
    "cow-fork": "after fork, each side's writes stay its own",
    "shared-anon": "shared anonymous memory is one for parent and child",
    "shared-file": "a shared file mapping and read/write see the same bytes",
    "private-file": "writes to a private file mapping stay private",
    "map-split": "mmap, munmap and mprotect split and merge mappings",
    "remap": "mremap shrinks, grows and moves",
    "dontneed": "MADV_DONTNEED gives pages back; they read as zeros",
    "prot-none": "a page without permission dies of SIGSEGV on a read",
    "write-text": "a write to its own code dies of SIGSEGV",
    "read-null": "a read of address 0 dies of SIGSEGV",
    "jump-data": "a jump into data dies of SIGSEGV",
    "past-eof": "a page past the end of a mapped file dies of SIGBUS",
    "sigsegv-info": "a handler is told signal, code and exact address of 22 bad accesses",
    "signals-arm64": "a handler is told about faults that only arm64 has",
    "pie": "a position-independent program",
    "threads": "threads share memory, wait in line, get signals, fork and end",
    "jit": "code written while it runs: in place, through another mapping, for another thread and process",
    "events": "epoll, eventfd, timerfd, signalfd, pselect, queued signals and waitid, with their errors",
    "seals": "seals of a memfd, and what each of them forbids",
    "pidfds": "descriptors of processes, timers that send signals, sizes of pipes, with their errors",
    "reopen": "descriptors opened and run by their names, AT_EMPTY_PATH, niceness of groups, a circle of locks",
    "sockets": "Unix sockets of each style, descriptors and credentials in messages, IP on the loopback",
    "calls-mmap": "mmap, munmap and mprotect, a line a rule: arguments, types, places, rights, errors",
    "calls-mremap": "mremap in all its forms, with its errors",
    "calls-madvise": "madvise with each of its values, with its errors",
    "calls-lock": "mlock and its family, mincore, msync, with their errors",
    "calls-vm": "process_vm_readv, mseal, process_madvise, NUMA policies, with their errors",
    "calls-sysv": "System V shared memory, with its errors",
    "calls-limits": "brk, resource limits, overcommit, truncation under a mapping",
    "bomb": "a child takes all it can get while its parent goes on working",
    "pressure": "more memory than RAM: walked, forked, shared and given to system calls, checked to the byte",
    "regions": "makes memory of many sorts, says what it did and waits, for the tools' tests",
    "bench-int": "integer code, for cargo xtask bench",
    "bench-fault": "page faults and system calls, for cargo xtask bench",
}

/// Every bundled program.
pub const fn all() -> &'static [Guest] {
    GUESTS
}

/// The bundled program of this name.
pub fn find(name: &str) -> Option<&'static Guest> {
    GUESTS.iter().find(|guest| guest.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A little-endian field of an ELF file: `width` bytes at `at` (ELF-64 object file format, figure 2 and 6).
    fn field(elf: &[u8], at: usize, width: usize) -> u64 {
        elf[at..at + width]
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    /// The program headers' (type, flags, offset, vaddr, align).
    fn segments(elf: &[u8]) -> Vec<(u64, u64, u64, u64, u64)> {
        let table = field(elf, 32, 8) as usize;
        (0..field(elf, 56, 2) as usize)
            .map(|i| table + i * 56)
            .map(|at| {
                (
                    field(elf, at, 4),
                    field(elf, at + 4, 4),
                    field(elf, at + 8, 8),
                    field(elf, at + 16, 8),
                    field(elf, at + 48, 8),
                )
            })
            .collect()
    }

    #[test]
    fn every_guest_is_a_small_arm64_elf_that_loads_with_64k_pages() {
        for guest in all() {
            let elf = guest.elf;
            assert_eq!(&elf[..6], b"\x7fELF\x02\x01", "{}", guest.name);
            assert_eq!(
                field(elf, 18, 2),
                183,
                "{}: e_machine is not EM_AARCH64",
                guest.name
            );
            assert!(elf.len() < 80 << 10, "{}: {} bytes", guest.name, elf.len());
            for (kind, _, offset, vaddr, align) in segments(elf) {
                if kind == 1 {
                    assert_eq!(align, 0x10000, "{}", guest.name);
                    assert_eq!(offset % align, vaddr % align, "{}", guest.name);
                }
            }
        }
    }

    #[test]
    fn names_are_unique_and_found() {
        for guest in all() {
            assert_eq!(find(guest.name), Some(guest), "{}", guest.name);
            assert!(!guest.what.is_empty() && !guest.what.contains('\n'));
        }
        assert_eq!(find("no such guest"), None);
    }

    #[test]
    fn vdso_is_one_page_with_one_segment() {
        assert!(VDSO.len() <= 4096);
        assert_eq!(field(VDSO, 16, 2), 3, "ET_DYN");
        let loads: Vec<_> = segments(VDSO)
            .into_iter()
            .filter(|segment| segment.0 == 1)
            .collect();
        assert_eq!(loads, [(1, 5, 0, 0, 0x1000)]);
        for name in [
            "__kernel_rt_sigreturn",
            "__kernel_clock_gettime",
            "LINUX_2.6.39",
            "linux-vdso.so.1",
        ] {
            assert!(
                VDSO.windows(name.len()).any(|bytes| bytes == name.as_bytes()),
                "{name}"
            );
        }
    }

    #[test]
    fn every_case_names_a_guest_and_has_its_record() {
        for case in CASES {
            assert!(find(case.guest).is_some(), "{}", case.name);
            let record = std::fs::read_to_string(case.record_path()).unwrap();
            assert!(record.starts_with("# exit "), "{}", case.name);
            assert!(case.expected(&record).is_some(), "{}", case.name);
        }
    }
}
