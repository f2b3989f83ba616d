//! Pages by state, from `pagemap`: of a root made up for each case, and of a live process against what `smaps` counts.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod heap_target;

use heap_target::{Target, compile, page as host_page, wait_stopped};
use observe::html::{MOST_PAGES, PageKind, PageRun, Pages};
use observe::{Figure, Figures, Kind, Region, Snapshot};
use procfs::{Addr, Counts, DirRoot, Kib, MapsLine, PagemapEntry, Perms, Root, RootError};
use std::cell::Cell;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

const PAGE: u64 = 4096;

/// A root that has a `pagemap` and nothing else.
struct Fake {
    entries: Vec<u64>,
    reads: Cell<usize>,
    is_denied: bool,
}

impl Fake {
    fn new(entries: &[u64]) -> Self {
        Self {
            entries: entries.to_vec(),
            reads: Cell::new(0),
            is_denied: false,
        }
    }
}

impl Root for Fake {
    fn describe(&self) -> String {
        "fake".into()
    }
    fn open(&self, path: &str) -> Result<Box<dyn Read + Send + '_>, RootError> {
        Err(RootError::new("open", path, io::Error::from_raw_os_error(2)))
    }
    fn read_at(&self, path: &str, offset: u64, buf: &mut [u8]) -> Result<usize, RootError> {
        if self.is_denied {
            return Err(RootError::new("read", path, io::Error::from_raw_os_error(13)));
        }
        assert_eq!((path, offset % 8), ("5/pagemap", 0));
        self.reads.set(self.reads.get() + 1);
        let bytes: Vec<u8> = self
            .entries
            .iter()
            .flat_map(|entry| entry.to_le_bytes())
            .collect();
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
    fn read_link(&self, path: &str) -> Result<Vec<u8>, RootError> {
        Err(RootError::new("read link", path, io::Error::from_raw_os_error(2)))
    }
    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, RootError> {
        Err(RootError::new("list", path, io::Error::from_raw_os_error(2)))
    }
}

/// A private anonymous region of these pages with this much in Rss, all of it dirty.
fn region(first: u64, end: u64, rss_kib: u64) -> Region {
    let map = MapsLine {
        start: Addr(first * PAGE),
        end: Addr(end * PAGE),
        perms: Perms {
            read: true,
            write: true,
            ..Perms::default()
        },
        ..MapsLine::default()
    };
    let mut region = Region::of_map(&map, Arc::default());
    region.page_kib = 4;
    region.figures = Figures::from(&Counts {
        rss: Some(Kib(rss_kib)),
        ..Counts::zero()
    });
    for figure in [Figure::Resident, Figure::Dirty] {
        region.figures.set(figure, Some(Kib(rss_kib)));
    }
    region
}

const OWN: u64 = PagemapEntry::PRESENT | PagemapEntry::EXCLUSIVE;
const OTHERS: u64 = PagemapEntry::PRESENT;
const FILE: u64 = PagemapEntry::PRESENT | PagemapEntry::FILE;

fn runs(pages: &Pages) -> Vec<(u64, PageKind)> {
    pages.regions[0]
        .runs
        .iter()
        .map(|&PageRun { pages, state }| (pages, state))
        .collect()
}

fn read(entries: &[u64], region: Region) -> Vec<(u64, PageKind)> {
    runs(&Pages::read(&Fake::new(entries), 5, &[region], PAGE, MOST_PAGES))
}

#[test]
fn each_bit_becomes_its_state() {
    // A guard carries the swap bit too, and is no swap.
    let entries = [OWN, OWN, 0, 1 << 62, 1 << 62 | 1 << 58, FILE];
    let dirty = PageKind::PRESENT | PageKind::EXCLUSIVE | PageKind::DIRTY;
    let expected = [
        (2, dirty),
        (1, PageKind::ABSENT),
        (1, PageKind::SWAPPED),
        (1, PageKind::GUARD),
        (1, PageKind::PRESENT | PageKind::FILE),
    ];
    assert_eq!(read(&entries, region(0, 6, 12)), expected);
}

#[test]
fn zero_pages_are_told_by_rss_or_not_at_all() {
    // Present three times, counted once: the two that may be zero pages are.
    let zero = PageKind::PRESENT | PageKind::ZERO;
    let own = PageKind::PRESENT | PageKind::EXCLUSIVE | PageKind::DIRTY;
    assert_eq!(
        read(&[OTHERS, OWN, OTHERS], region(0, 3, 4)),
        [(1, zero), (1, own), (1, zero)]
    );
    // All counted: they are shared memory of a fork, and dirty.
    let forked = PageKind::PRESENT | PageKind::DIRTY;
    assert_eq!(
        read(&[OTHERS, OWN, OTHERS], region(0, 3, 12)),
        [(1, forked), (1, own), (1, forked)]
    );
    // One of two: nobody knows which, so neither is called anything.
    assert_eq!(read(&[OTHERS, OTHERS], region(0, 2, 4)), [(2, PageKind::PRESENT)]);
    let mut unread = region(0, 2, 0);
    unread.figures.set(Figure::Rss, None);
    assert_eq!(read(&[OTHERS, OTHERS], unread), [(2, PageKind::PRESENT)]);
    // Frames of devices are not counted either, and are no zero pages.
    let mut device = region(0, 1, 0);
    device.kind = Kind::Vvar;
    assert_eq!(read(&[OTHERS], device), [(1, PageKind::PRESENT)]);
}

#[test]
fn huge_and_dirty_files_are_told_by_the_whole_region_only() {
    let mut huge = region(0, 2, 8);
    huge.figures.set(Figure::AnonHugePages, Some(Kib(8)));
    let state = PageKind::PRESENT | PageKind::EXCLUSIVE | PageKind::DIRTY | PageKind::HUGE;
    assert_eq!(read(&[OWN, OWN], huge.clone()), [(2, state)]);
    huge.figures.set(Figure::AnonHugePages, Some(Kib(4)));
    assert_eq!(read(&[OWN, OWN], huge), [(2, state - PageKind::HUGE)]);
    let mut shared = region(0, 2, 8);
    shared.perms.shared = true;
    assert_eq!(
        read(&[FILE, FILE], shared.clone()),
        [(2, PageKind::PRESENT | PageKind::FILE | PageKind::DIRTY)]
    );
    shared.figures.set(Figure::Dirty, Some(Kib(4)));
    assert_eq!(
        read(&[FILE, FILE], shared),
        [(2, PageKind::PRESENT | PageKind::FILE)]
    );
}

#[test]
fn the_limit_goes_to_small_regions_first_and_the_rest_is_said() {
    let root = Fake::new(&[OWN; 40]);
    let regions = [region(0, 20, 80), region(20, 22, 8), region(30, 40, 40)];
    let pages = Pages::read(&root, 5, &regions, PAGE, 15);
    let seen: Vec<u64> = pages
        .regions
        .iter()
        .map(|region| region.count(|_| true))
        .collect();
    assert_eq!(seen, [3, 2, 10]);
    assert_eq!((pages.looked_at, pages.not_looked_at, pages.limit), (15, 17, 15));
    assert_eq!(pages.not_read, None);
    assert_eq!(root.reads.get(), 1, "neighbours share a read");
}

#[test]
fn what_cannot_be_read_is_not_absent() {
    let mut root = Fake::new(&[OWN; 2]);
    // pagemap ends before the region does.
    let pages = Pages::read(&root, 5, &[region(0, 6, 24)], PAGE, MOST_PAGES);
    assert_eq!((pages.looked_at, pages.not_looked_at), (2, 4));
    root.is_denied = true;
    let pages = Pages::read(&root, 5, &[region(0, 6, 24), region(6, 7, 4)], PAGE, MOST_PAGES);
    assert_eq!((pages.looked_at, pages.not_looked_at), (0, 7));
    assert!(
        pages.not_read.as_ref().unwrap().contains("5/pagemap"),
        "{:?}",
        pages.not_read
    );
    assert!(pages.regions.iter().all(|region| region.runs.is_empty()));
    // The last page of the address space, and a page size that no system has.
    let top = Region {
        start: Addr(u64::MAX - PAGE),
        end: Addr(u64::MAX),
        ..region(0, 1, 0)
    };
    let fake = Fake::new(&[OWN]);
    assert_eq!(Pages::read(&fake, 5, &[top], PAGE, 3).looked_at, 0);
    assert_eq!(Pages::read(&fake, 5, &[region(0, 1, 4)], 0, 3).looked_at, 1);
}

/// A child that sleeps, stopped so that it does not change; ended when dropped.
struct Stopped(Child);

impl Stopped {
    fn start() -> Self {
        let child = Command::new("sh")
            .args([
                "-c",
                "x=$(head -c 300000 /dev/zero | tr '\\0' y); kill -STOP $$; exec true",
            ])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let stopped = Self(child);
        while !std::fs::read_to_string(format!("/proc/{}/stat", stopped.pid()))
            .unwrap()
            .contains(") T ")
        {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        stopped
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn pages_of_a_live_process_add_up_to_rss() {
    let child = Stopped::start();
    let root = DirRoot::host();
    let snapshot = Snapshot::take(&root, child.pid()).unwrap();
    let regions = snapshot.regions.as_deref().unwrap();
    let page = snapshot.facts.page_bytes.unwrap();
    let pages = Pages::read(&root, child.pid(), regions, page, MOST_PAGES);
    assert_eq!(pages.not_read, None);
    assert_eq!(pages.regions.len(), regions.len());
    let mut dirty = 0;
    for (region, found) in regions.iter().zip(&pages.regions) {
        if matches!(
            region.kind,
            Kind::Vvar | Kind::Vdso | Kind::Vsyscall | Kind::Device | Kind::Special
        ) {
            continue;
        }
        let resident =
            found.count(|state| state.contains(PageKind::PRESENT) && !state.contains(PageKind::ZERO));
        assert_eq!(
            resident * page,
            region.resident().unwrap().bytes(),
            "{:x} {}",
            region.start,
            region.detail()
        );
        assert_eq!(found.count(|_| true) * page, region.len());
        dirty += found.count(|state| state.contains(PageKind::DIRTY)) * page;
    }
    let counted: u64 = regions
        .iter()
        .filter_map(|region| region.dirty())
        .map(Kib::bytes)
        .sum();
    assert!(
        dirty >= 300_000,
        "the shell holds 300,000 bytes, dirty are {dirty}"
    );
    assert_eq!(dirty, counted);
}

/// A process that knows its pages, its regions, and the pages as they were found.
struct Known {
    target: Target,
    lines: Vec<String>,
    regions: Vec<Region>,
    pages: Pages,
}

impl Known {
    fn new() -> Self {
        let mut target = Target::run(compile("pages", &[]), &[], &[]);
        let lines = target.lines_until("ready");
        wait_stopped(target.pid());
        let root = DirRoot::host();
        let regions = Snapshot::take(&root, target.pid()).unwrap().regions.unwrap();
        let pages = Pages::read(&root, target.pid(), &regions, host_page(), MOST_PAGES);
        Self {
            target,
            lines,
            regions,
            pages,
        }
    }

    /// The region of an area, and its runs; `None` if the program has no such area here.
    fn area(&self, name: &str) -> Option<(&Region, Vec<(u64, PageKind)>)> {
        let line = self
            .lines
            .iter()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(' '))?;
        let start = Addr(u64::from_str_radix(line, 16).unwrap());
        let index = self.regions.iter().position(|r| r.start == start).unwrap();
        let runs = self.pages.regions[index].runs.iter();
        let runs = runs.map(|run| (run.pages, run.state)).collect();
        Some((&self.regions[index], runs))
    }

    /// Whether the kernel scans; says so if not.
    fn scans(&self) -> bool {
        let wanted = procfs::PageWanted::any_of(procfs::PageCategories::PRESENT);
        let scanned = DirRoot::host().scan_pages(self.target.pid(), Addr(0)..Addr(host_page()), &wanted);
        if let Err(error) = &scanned {
            println!("skipped: {error}");
        }
        scanned.is_ok()
    }
}

#[test]
fn each_page_is_what_the_program_made_of_it() {
    let known = Known::new();
    if !known.scans() {
        return;
    }
    let own = PageKind::PRESENT | PageKind::EXCLUSIVE | PageKind::DIRTY;
    let zero = PageKind::PRESENT | PageKind::ZERO;
    let (_, runs) = known.area("zero").unwrap();
    assert_eq!(runs, [(5, zero), (2, own), (9, zero)]);

    // A terabyte is looked at in full, and is far beyond the limit of pages.
    let (region, runs) = known.area("tera").unwrap();
    let half = region.len() / host_page() / 2;
    assert!(half > MOST_PAGES);
    assert_eq!(
        runs,
        [
            (1, own),
            (half - 1, PageKind::ABSENT),
            (1, own),
            (half - 2, PageKind::ABSENT),
            (1, own)
        ]
    );
    assert_eq!((known.pages.beyond_limit, &known.pages.not_read), (0, &None));

    // After a fork only what was written since is mapped here alone; all of it must be kept.
    let (_, runs) = known.area("forked").unwrap();
    assert_eq!(runs, [(3, own), (5, own - PageKind::EXCLUSIVE)]);

    match known.area("guard") {
        Some((_, runs)) => assert_eq!(runs, [(3, own), (2, PageKind::GUARD), (3, own)]),
        None => println!("skipped: this kernel has no MADV_GUARD_INSTALL"),
    }
}

#[test]
fn huge_pages_are_told_one_by_one() {
    let known = Known::new();
    if !known.scans() {
        return;
    }
    let (region, runs) = known.area("huge").unwrap();
    let count = |runs: &[(u64, PageKind)], flag| -> u64 {
        let those = runs.iter().filter(|(_, state)| state.contains(flag));
        those.map(|(pages, _)| pages).sum()
    };
    let counted = region.figure(Figure::AnonHugePages).unwrap();
    assert_eq!(count(&runs, PageKind::HUGE) * host_page(), counted.bytes());
    assert_eq!(
        count(&runs, PageKind::DIRTY) * host_page(),
        region.resident().unwrap().bytes()
    );
    if counted == Kib(0) {
        println!("skipped: no huge pages here");
        return;
    }
    let own = PageKind::PRESENT | PageKind::EXCLUSIVE | PageKind::DIRTY;
    let each = (2 << 20) / host_page();
    assert_eq!(
        runs,
        [
            (each, own | PageKind::HUGE),
            (1, PageKind::ABSENT),
            (each - 1, own)
        ]
    );
    // Only read: the huge page of zeros, or small ones; nothing of it is in Rss.
    let (region, runs) = known.area("huge_zero").unwrap();
    assert_eq!(region.resident(), Some(Kib(0)));
    assert!(count(&runs, PageKind::ZERO) > 0);
    assert_eq!(
        count(&runs, PageKind::ZERO),
        count(&runs, PageKind::PRESENT),
        "{runs:?}"
    );
}
