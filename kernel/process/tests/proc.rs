//! The files of a task's `/proc` against one another: what is printed parses, and the same thing has the same size wherever
//! it is told (proc(5)).

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod heap;

use arch::{Granule, Trap, VirtAddr};
use process::{Clock, Kernel, Pid, proc_tree};
use procfs::{Kib, MapsLine, PagemapEntry, PidStat, SmapsEntry, SmapsRollup, Statm, Status, Text};

const MMAP: u64 = 222;
const MUNMAP: u64 = 215;
const CLONE: u64 = 220;
const SIGCHLD: u64 = 17;

struct Bench {
    kernel: Kernel,
    pid: Pid,
}

impl Bench {
    fn new(granule: Granule) -> Self {
        let (kernel, pid) = heap::kernel(granule);
        Self { kernel, pid }
    }

    fn call(&mut self, number: u64, args: [u64; 6]) -> u64 {
        let (regs, _) = self.kernel.context(self.pid);
        regs.set_x(8, number);
        for (n, value) in args.into_iter().enumerate() {
            regs.set_x(n, value);
        }
        self.kernel
            .handle(self.pid, Trap::Supervisor(0), Clock::default());
        self.kernel.find(self.pid).unwrap().regs.x(0)
    }

    fn touch(&mut self, at: u64, bytes: usize) {
        let space = self.kernel.find(self.pid).unwrap().space.as_ref().unwrap().id;
        let memory = self.kernel.memory_mut();
        memory
            .copy_out(space, VirtAddr::new(at), &vec![1; bytes])
            .unwrap();
    }

    fn text(&self, path: &str) -> Vec<u8> {
        proc_tree::whole(&self.kernel, None, path.as_bytes())
            .unwrap()
            .unwrap()
    }

    fn file<T: Text>(&self, pid: Pid, name: &str) -> T {
        T::parse(&self.text(&format!("{pid}/{name}"))).unwrap()
    }

    /// A program with memory of several kinds, and a child that shares some of it.
    fn busy(granule: Granule) -> (Self, Pid) {
        let mut bench = Self::new(granule);
        let page = granule.bytes();
        for (flags, pages, touched) in [(0x22, 9, 5), (0x21, 6, 4), (0x22, 3, 0)] {
            let at = bench.call(MMAP, [0, pages * page, 3, flags, u64::MAX, 0]);
            bench.touch(at, (touched * page) as usize);
        }
        let child = Pid::new(u32::try_from(bench.call(CLONE, [SIGCHLD, 0, 0, 0, 0, 0])).unwrap());
        let at = bench.call(MMAP, [0, 8 * page, 3, 0x22, u64::MAX, 0]);
        bench.touch(at, 7 * page as usize);
        bench.call(MUNMAP, [at + page, page, 0, 0, 0, 0]);
        (bench, child)
    }
}

fn sum(entries: &[SmapsEntry], of: impl Fn(&SmapsEntry) -> Option<Kib>) -> Option<Kib> {
    entries
        .iter()
        .map(of)
        .try_fold(Kib::ZERO, |sum, part| Some(Kib(sum.0 + part?.0)))
}

#[test]
fn smaps_adds_up_to_its_rollup() {
    for granule in Granule::ALL {
        let (bench, child) = Bench::busy(granule);
        for pid in [bench.pid, child] {
            let smaps: Vec<SmapsEntry> = bench.file(pid, "smaps");
            let rollup: SmapsRollup = bench.file(pid, "smaps_rollup");
            let total = &rollup.counts;
            assert_eq!(sum(&smaps, |e| e.counts.rss), total.rss);
            assert_eq!(sum(&smaps, |e| e.counts.shared_clean), total.shared_clean);
            assert_eq!(sum(&smaps, |e| e.counts.shared_dirty), total.shared_dirty);
            assert_eq!(sum(&smaps, |e| e.counts.private_clean), total.private_clean);
            assert_eq!(sum(&smaps, |e| e.counts.private_dirty), total.private_dirty);
            assert_eq!(sum(&smaps, |e| e.counts.anonymous), total.anonymous);
            assert_eq!(sum(&smaps, |e| e.counts.referenced), total.referenced);
            // Each entry is rounded down for itself, the rollup once.
            let (parts, whole) = (sum(&smaps, |e| e.counts.pss).unwrap(), total.pss.unwrap());
            assert!(
                parts <= whole && whole.0 <= parts.0 + smaps.len() as u64,
                "{parts:?} {whole:?}"
            );
            let maps: Vec<MapsLine> = bench.file(pid, "maps");
            let heads: Vec<MapsLine> = smaps.into_iter().map(|entry| entry.map).collect();
            assert_eq!(maps, heads);
            assert_eq!(rollup.map.start, maps[0].start);
            assert_eq!(rollup.map.end, maps.last().unwrap().end);
        }
    }
}

#[test]
fn stat_statm_and_status_tell_of_one_size() {
    for granule in Granule::ALL {
        let (bench, child) = Bench::busy(granule);
        for pid in [bench.pid, child] {
            let smaps: Vec<SmapsEntry> = bench.file(pid, "smaps");
            let stat: PidStat = bench.file(pid, "stat");
            let statm: Statm = bench.file(pid, "statm");
            let status: Status = bench.file(pid, "status");
            let pages = |kib: Option<Kib>| kib.unwrap().0 * 1024 / granule.bytes();
            let size = sum(&smaps, |e| e.size);
            let rss = sum(&smaps, |e| e.counts.rss);
            assert_eq!((status.vm_size, status.vm_rss), (size, rss));
            assert_eq!((statm.size, statm.resident), (pages(size), pages(rss)));
            assert_eq!(
                (stat.vsize, stat.rss),
                (size.unwrap().0 * 1024, pages(rss).cast_signed())
            );
            let parts = [status.rss_anon, status.rss_file, status.rss_shmem];
            assert_eq!(
                parts.map(|part| part.unwrap().0).iter().sum::<u64>(),
                rss.unwrap().0
            );
            assert!(status.vm_hwm >= status.vm_rss && status.vm_peak >= status.vm_size);
            assert_eq!(
                (stat.pid, &stat.comm[..]),
                (pid.get().cast_signed(), &b"heap"[..])
            );
        }
        let stat: PidStat = bench.file(child, "stat");
        assert_eq!(stat.ppid, bench.pid.get().cast_signed());
        let arguments = bench.text(&format!("{child}/cmdline"));
        assert_eq!(arguments, b"heap\0an argument\0");
    }
}

#[test]
fn pagemap_has_a_frame_for_each_resident_page() {
    for granule in Granule::ALL {
        let (bench, child) = Bench::busy(granule);
        for pid in [bench.pid, child] {
            let smaps: Vec<SmapsEntry> = bench.file(pid, "smaps");
            for entry in &smaps {
                let first = entry.map.start.0 / granule.bytes();
                let count = (entry.map.end.0 - entry.map.start.0) / granule.bytes();
                let path = format!("{pid}/pagemap");
                let length = usize::try_from(count * 8).unwrap();
                let bytes = proc_tree::read(&bench.kernel, None, path.as_bytes(), first * 8, length).unwrap();
                let words = bytes
                    .chunks_exact(8)
                    .map(|word| u64::from_le_bytes(word.try_into().unwrap()));
                let pages: Vec<PagemapEntry> = words.map(PagemapEntry).collect();
                assert_eq!(pages.len() as u64, count);
                let kib = |bit| {
                    Kib::from_bytes(
                        pages.iter().filter(|page| page.has(bit)).count() as u64 * granule.bytes(),
                    )
                };
                assert_eq!(Some(kib(PagemapEntry::PRESENT)), entry.counts.rss, "{entry:?}");
                let private =
                    Kib(entry.counts.private_clean.unwrap().0 + entry.counts.private_dirty.unwrap().0);
                assert_eq!(kib(PagemapEntry::EXCLUSIVE), private, "{entry:?}");
                let anonymous = pages
                    .iter()
                    .filter(|page| page.frame().is_some() && !page.has(PagemapEntry::FILE));
                let anonymous = Kib::from_bytes(anonymous.count() as u64 * granule.bytes());
                assert_eq!(Some(anonymous), entry.counts.anonymous, "{entry:?}");
            }
        }
    }
}

/// proc(5): a number is written in one way, and a thread's files lie in its directory.
#[test]
fn only_linuxs_names_are_found() {
    let bench = Bench::new(Granule::K16);
    let found = |path: &str| proc_tree::kind(&bench.kernel, None, path.as_bytes()).is_ok();
    for path in [
        "1",
        "1/maps",
        "1/task",
        "1/task/1",
        "1/task/1/maps",
        "meminfo",
        "/1/stat",
    ] {
        assert!(found(path), "{path}");
    }
    for path in [
        "+1",
        "01",
        "-1",
        "2",
        "1/task/2",
        "1/task/1maps",
        "1/task/11",
        "1/nothing",
        "self",
        "99999999999",
    ] {
        assert!(!found(path), "{path}");
    }
    let mut names = proc_tree::list(&bench.kernel, None, b"").unwrap();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    for name in names {
        assert!(
            proc_tree::kind(&bench.kernel, None, &name).is_ok(),
            "{}",
            String::from_utf8_lossy(&name)
        );
    }
}
