//! malloc's zones of a core, against what glibc said of them right before the dump: to the byte. And the threads' stacks.

use crate::heap_target::{Target, compile, pairs, wait_stopped};
use observe::corefile::CoreRoot;
use observe::heap::{Reading, ZoneKind};
use observe::{HeapReport, Kind, Snapshot, Take, ZoneReport};
use procfs::Addr;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Threads beside the main one, and with it arenas.
const THREADS: usize = 2;

/// A program with two threads that said what its heap is and stopped.
struct Stopped {
    target: Target,
    dir: tempfile::TempDir,
    program: PathBuf,
    /// `mallinfo2`.
    info: HashMap<String, u64>,
    /// In use bytes of each arena, by `malloc_stats`.
    in_use: Vec<u64>,
}

impl Stopped {
    fn new() -> Self {
        let program = compile("heap_pattern", &[]);
        let dir = tempfile::tempdir().unwrap();
        let line = format!(
            "ulimit -c unlimited; exec {} plain {THREADS} 3000",
            program.display()
        );
        let mut command = Command::new("sh");
        let mut target = Target::command(command.args(["-c", &line]).current_dir(dir.path()));
        let lines = target.lines_until("ready");
        wait_stopped(target.pid());
        let info = lines.iter().find(|l| l.starts_with("arena ")).unwrap();
        let stats = target.stderr_now();
        let in_use = stats.split("Arena ").skip(1).map(|arena| {
            let (_, rest) = arena.split_once("in use bytes     =").unwrap();
            rest.split_whitespace().next().unwrap().parse().unwrap()
        });
        Self {
            info: pairs(info),
            in_use: in_use.collect(),
            target,
            dir,
            program,
        }
    }

    /// The file in its folder whose name begins so.
    fn find(&self, start: &str) -> Option<PathBuf> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut paths = entries.map(|e| e.unwrap().path());
        paths.find(|p| p.file_name().unwrap().to_string_lossy().starts_with(start))
    }

    /// Its core by the kernel; `None`, with the reason printed, where that goes elsewhere.
    fn abort(&mut self) -> Option<PathBuf> {
        let pid = rustix::process::Pid::from_raw(self.target.pid()).unwrap();
        for signal in [rustix::process::Signal::ABORT, rustix::process::Signal::CONT] {
            rustix::process::kill_process(pid, signal).unwrap();
        }
        self.target.child.wait().unwrap();
        let core = self.find("core");
        if core.is_none() {
            let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
            eprintln!("skipped: the kernel left no core here (core_pattern is {pattern:?})");
        }
        core
    }

    /// Its core by gdb; `None`, with the reason printed, without gdb.
    fn gcore(&self) -> Option<PathBuf> {
        let mut command = Command::new("gcore");
        command.arg("-o").arg(self.dir.path().join("by-gdb"));
        let output = command.arg(self.target.pid().to_string()).output();
        let core = self.find("by-gdb");
        if core.is_none() {
            eprintln!("skipped: gcore left no core: {output:?}");
        }
        core
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.program));
    }
}

fn snapshot(core: &Path) -> Snapshot {
    let core = CoreRoot::open(core).unwrap();
    let take = Take {
        heap: Some(u64::MAX),
        ..Take::default()
    };
    Snapshot::take_with(&core, core.pid(), take).unwrap()
}

fn heap(snapshot: &Snapshot) -> &HeapReport {
    let heap = snapshot.heap.as_ref();
    heap.unwrap_or_else(|| panic!("no zones: {:?}", snapshot.gaps))
}

fn arenas(heap: &HeapReport) -> impl Iterator<Item = &ZoneReport> {
    heap.zones.iter().filter(|z| z.zone.kind != ZoneKind::Mapped)
}

fn check(snapshot: &Snapshot, said: &Stopped) {
    let heap = heap(snapshot);
    assert_eq!((heap.gaps.as_slice(), heap.torn), (&[][..], 0));
    let counts = |zone: &ZoneReport| {
        assert_eq!(zone.zone.reading, Reading::Whole, "{}", zone.zone.name);
        zone.zone.counts.unwrap()
    };
    let in_use: Vec<u64> = arenas(heap)
        .map(|z| counts(z).glibc_in_use_bytes.unwrap())
        .collect();
    assert_eq!(in_use, said.in_use, "malloc_stats");
    assert_eq!(in_use.len(), 1 + THREADS);
    let system: u64 = arenas(heap).map(|z| z.zone.system_bytes).sum();
    let free: u64 = arenas(heap).map(|z| counts(z).free_chunks).sum();
    let fast: u64 = arenas(heap).map(|z| counts(z).fastbin_bytes).sum();
    assert_eq!(said.info["arena"], system);
    assert_eq!(said.info["uordblks"], in_use.iter().sum::<u64>());
    assert_eq!(said.info["ordblks"], free + in_use.len() as u64);
    assert_eq!(said.info["fsmblks"], fast);
    let mapped = heap
        .zones
        .iter()
        .find(|z| z.zone.kind == ZoneKind::Mapped)
        .unwrap();
    assert_eq!(said.info["hblks"], counts(mapped).allocated_chunks);
    assert_eq!(said.info["hblkhd"], mapped.zone.virtual_bytes());
    // A core does not tell what was in RAM, and so not what was wasted of it.
    for zone in &heap.zones {
        assert_eq!((zone.resident, zone.dirty, zone.swap), (None, None, None));
        assert_eq!((zone.slack(), zone.fragmentation_percent()), (None, None));
    }
    let regions = snapshot.regions.as_deref().unwrap();
    let named = |name: &str| {
        regions
            .iter()
            .any(|r| r.kind == Kind::Malloc && r.detail() == name)
    };
    assert!(named("[heap]") && named("thread arena 1") && named("thread arena 2"));
}

/// Every thread has its stack, and its region says whose it is.
fn check_stacks(snapshot: &Snapshot) {
    let threads = snapshot.threads.as_deref().unwrap();
    assert_eq!(threads.len(), 1 + THREADS);
    let regions = snapshot.regions.as_deref().unwrap();
    for thread in threads {
        let stack = thread
            .stack
            .unwrap_or_else(|| panic!("thread {} has none", thread.tid));
        assert_eq!((stack.high_water, stack.resident), (None, None));
        let region = regions.iter().find(|r| r.contains(stack.start)).unwrap();
        let is_main = thread.tid == snapshot.facts.pid;
        let detail = match is_main {
            true => "[stack]".to_owned(),
            false => format!("thread {}", thread.tid),
        };
        assert_eq!((region.kind, region.detail()), (Kind::Stack, detail.as_str()));
    }
}

/// Where libc's data end: it comes after all heaps, so that a core which holds what is above holds every zone.
fn libc_end(snapshot: &Snapshot) -> Addr {
    let regions = snapshot.regions.as_deref().unwrap();
    let last = regions.iter().rfind(|r| r.object.shown.ends_with("libc.so.6"));
    last.map_or(Addr(0), |r| r.end)
}

/// A core whose header says that only the first half of a thread's arena was dumped: the rest is as it was.
fn half_an_arena_is_not_dumped(path: &Path, whole: &Snapshot) {
    let mut bytes = std::fs::read(path).unwrap();
    let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let arena = &heap(whole).zones[1].zone;
    let range = arena.ranges[0];
    let headers = word(&bytes, 32) as usize;
    let count = usize::from(u16::from_le_bytes([bytes[56], bytes[57]]));
    let mut of_program = (0..count).map(|n| headers + n * 56);
    // p_vaddr is at 16, p_filesz at 32.
    let header = of_program
        .find(|&at| word(&bytes, at + 16) == range.start)
        .unwrap();
    let half = (range.bytes() / 2) & !0xfff;
    bytes[header + 32..header + 40].copy_from_slice(&half.to_le_bytes());
    let other = path.with_file_name("half");
    std::fs::write(&other, bytes).unwrap();
    let found = snapshot(&other);
    for (after, before) in heap(&found).zones.iter().zip(&heap(whole).zones) {
        if before.zone.address != arena.address {
            assert_eq!(after.zone.reading, Reading::Whole, "{}", after.zone.name);
            continue;
        }
        let Reading::Partial { why } = &after.zone.reading else {
            panic!("{:?}", after.zone.reading);
        };
        assert!(why.contains("the core file does not hold it"), "{why}");
        let (after, before) = (after.zone.counts.unwrap(), before.zone.counts.unwrap());
        assert_eq!(after.glibc_in_use_bytes, None, "a lower bound is not exact");
        assert!(after.allocated_chunks > 0 && after.allocated_chunks < before.allocated_chunks);
        assert!(after.unwalked_bytes > 0);
    }
}

#[test]
fn zones_and_stacks_of_a_core_by_the_kernel_whole_and_cut() {
    let mut stopped = Stopped::new();
    let Some(path) = stopped.abort() else {
        return;
    };
    let whole = snapshot(&path);
    check(&whole, &stopped);
    check_stacks(&whole);
    half_an_arena_is_not_dumped(&path, &whole);
    // Cut short: whatever is left, nothing is said to be whole that is not.
    let length = std::fs::metadata(&path).unwrap().len();
    let libc_end = libc_end(&whole);
    for sixteenths in (1..16).rev() {
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(length / 16 * sixteenths).unwrap();
        let cut = snapshot(&path);
        let found = heap(&cut);
        let is_whole = |z: &ZoneReport| z.zone.reading == Reading::Whole;
        let is_known_cut = !found.gaps.is_empty() || !found.zones.iter().all(is_whole);
        let is_all_there = CoreRoot::open(&path)
            .unwrap()
            .facts()
            .readable(libc_end, Addr(u64::MAX))
            > 0;
        assert!(is_known_cut || is_all_there, "{sixteenths} sixteenths");
        assert!(found.zones.iter().all(|zone| zone.resident.is_none()));
    }
}

#[test]
fn zones_and_stacks_of_a_core_by_gdb() {
    let stopped = Stopped::new();
    let Some(path) = stopped.gcore() else {
        return;
    };
    let found = snapshot(&path);
    check(&found, &stopped);
    check_stacks(&found);
}
