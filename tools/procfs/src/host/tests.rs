//! The kernel's answers about this very process, compared with each other and with what the test did.

use crate::{Addr, DirRoot, MapFind, MapsLine, PageCategories, PageRun, PageWanted, Root, RootError};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ffi::c_void;

const PAGES: u64 = 64;
/// `MADV_GUARD_INSTALL` (Linux 6.13).
const GUARD_INSTALL: i32 = 102;

/// Private anonymous pages of this process: 0 to 7 written, 8 to 11 only read, 12 to 15 guards if the kernel has them.
struct Area {
    start: *mut c_void,
    page: u64,
    has_guards: bool,
}

impl Area {
    fn new() -> Self {
        let page = rustix::param::page_size() as u64;
        let len = (PAGES * page) as usize;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }
        .unwrap();
        let at = |number: u64| start.cast::<u8>().wrapping_add((number * page) as usize);
        // SAFETY: the pages lie in the mapping, which is readable and writable and ours alone; huge pages would blur what is touched.
        let has_guards = unsafe {
            libc::madvise(start, len, libc::MADV_NOHUGEPAGE);
            (0..8).for_each(|n| at(n).write_volatile(1));
            (8..12).for_each(|n| assert_eq!(at(n).read_volatile(), 0));
            libc::madvise(at(12).cast(), 4 * page as usize, GUARD_INSTALL) == 0
        };
        Self {
            start,
            page,
            has_guards,
        }
    }

    fn pages(&self, from: u64, to: u64) -> std::ops::Range<Addr> {
        let start = self.start.addr() as u64;
        Addr(start + from * self.page)..Addr(start + to * self.page)
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing points into it any more.
        unsafe { munmap(self.start, (PAGES * self.page) as usize) }.unwrap();
    }
}

fn pid() -> i32 {
    std::process::id().cast_signed()
}

/// The answer, or `None` with a reason printed if this kernel does not have the call.
fn answered<T>(result: Result<T, RootError>) -> Option<T> {
    match result {
        Err(e) if e.is_unsupported() => {
            println!("not tested: {e}");
            None
        }
        result => Some(result.unwrap()),
    }
}

#[test]
fn a_scan_tells_what_was_done_and_what_pagemap_tells() {
    let area = Area::new();
    let root: &dyn Root = &DirRoot::host();
    let known_to_both =
        PageCategories::PRESENT | PageCategories::SWAPPED | PageCategories::GUARD | PageCategories::FILE;
    let wanted = |window| PageWanted {
        any_of: known_to_both,
        report: known_to_both,
        window,
    };
    let from_pagemap = root
        .pagemap_runs(
            pid(),
            area.pages(0, PAGES),
            &wanted(PageWanted::GENTLE),
            area.page,
        )
        .unwrap();
    let run = |from, to, categories| PageRun {
        start: area.pages(from, to).start,
        end: area.pages(from, to).end,
        categories,
    };
    let mut expected = vec![run(0, 12, PageCategories::PRESENT)];
    if area.has_guards && from_pagemap.bytes(PageCategories::GUARD) > 0 {
        expected.push(run(12, 16, PageCategories::GUARD));
    } else {
        println!("guard pages are not tested: this kernel does not have them or does not tell them");
    }
    let visible = from_pagemap
        .runs
        .iter()
        .filter(|run| run.categories != PageCategories::SWAPPED);
    assert_eq!(visible.copied().collect::<Vec<_>>(), expected);
    for window in [1, area.page, 3 * area.page, PageWanted::GENTLE, u64::MAX] {
        let Some(scanned) = answered(root.scan_pages(pid(), area.pages(0, PAGES), &wanted(window))) else {
            return;
        };
        assert_eq!(scanned.runs, from_pagemap.runs, "window {window}");
        assert!(!scanned.known.contains(PageCategories::EXCLUSIVE));
    }
}

#[test]
fn a_scan_knows_zero_pages() {
    let area = Area::new();
    let root: &dyn Root = &DirRoot::host();
    let zero = PageWanted::any_of(PageCategories::ZERO);
    let Some(found) = answered(root.scan_pages(pid(), area.pages(0, PAGES), &zero)) else {
        return;
    };
    let range = area.pages(8, 12);
    assert_eq!(
        found.runs,
        [PageRun {
            start: range.start,
            end: range.end,
            categories: PageCategories::ZERO
        }]
    );
    // A guard is no swapped page, whatever is asked for.
    let swapped = PageWanted::any_of(PageCategories::SWAPPED);
    let guards = area.pages(12, 16);
    if area.has_guards && found.known.contains(PageCategories::GUARD) {
        assert_eq!(
            root.page_runs(pid(), guards, &swapped, area.page).unwrap().runs,
            []
        );
    }
    // Exclusive pages are pagemap's to tell: the fallback is taken.
    let exclusive = PageWanted::any_of(PageCategories::EXCLUSIVE);
    let found = root
        .page_runs(pid(), area.pages(0, 8), &exclusive, area.page)
        .unwrap();
    assert_eq!(found.bytes(PageCategories::EXCLUSIVE), 8 * area.page);
}

#[test]
fn many_runs_and_odd_bounds() {
    let page = rustix::param::page_size();
    let count = 1500;
    // SAFETY: a new mapping at an address of the kernel's choice.
    let start = unsafe {
        mmap_anonymous(
            std::ptr::null_mut(),
            2 * count * page,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )
    }
    .unwrap();
    // SAFETY: the pages lie in the new mapping.
    unsafe {
        libc::madvise(start, 2 * count * page, libc::MADV_NOHUGEPAGE);
        (0..count).for_each(|n| start.cast::<u8>().wrapping_add(2 * n * page).write_volatile(1));
    }
    let root: &dyn Root = &DirRoot::host();
    let mut wanted = PageWanted::any_of(PageCategories::PRESENT);
    let first = start.addr() as u64;
    let range = Addr(first + 1)..Addr(first + (2 * count * page) as u64 - 1);
    for window in [PageWanted::GENTLE, u64::MAX] {
        wanted.window = window;
        let found = root
            .page_runs(pid(), range.clone(), &wanted, page as u64)
            .unwrap();
        assert_eq!(found.runs.len(), count);
        assert_eq!(found.runs[0].start, Addr(first));
    }
    assert!(
        root.page_runs(pid(), Addr(first)..Addr(first), &wanted, page as u64)
            .unwrap()
            .runs
            .is_empty()
    );
    // SAFETY: the mapping is ours, and nothing points into it any more.
    unsafe { munmap(start, 2 * count * page) }.unwrap();
}

#[test]
fn a_query_gives_the_line_of_maps() {
    let root: &dyn Root = &DirRoot::host();
    let maps = root.parse::<Vec<MapsLine>>("self/maps").unwrap();
    let marker = a_query_gives_the_line_of_maps as *const () as u64;
    let own = maps
        .iter()
        .find(|map| map.start.0 <= marker && marker < map.end.0)
        .unwrap();
    let Some(found) = answered(root.query_map(pid(), Addr(marker), MapFind::Covering)) else {
        return;
    };
    let found = found.unwrap();
    assert_eq!(&found.map, own);
    assert_eq!(found.page_bytes, Some(rustix::param::page_size() as u64));
    assert!(found.map.perms.exec && found.build_id.is_some());
    let stack = maps.iter().find(|map| map.name == b"[stack]").unwrap();
    let at_stack = root
        .query_map(pid(), Addr(stack.end.0 - 1), MapFind::Covering)
        .unwrap()
        .unwrap();
    assert_eq!(at_stack.map.name, b"[stack]");
    assert_eq!(root.query_map(pid(), Addr(0), MapFind::Covering).unwrap(), None);
    let next = root
        .query_map(pid(), Addr(0), MapFind::CoveringOrNext)
        .unwrap()
        .unwrap();
    assert_eq!(next.map.start, maps[0].start);
    assert_eq!(
        root.query_map(pid(), Addr(u64::MAX), MapFind::CoveringOrNext)
            .unwrap(),
        None
    );
}

#[test]
fn a_thread_is_known_by_its_robust_list() {
    let root: &dyn Root = &DirRoot::host();
    let (ready, wait) = std::sync::mpsc::channel();
    let (end, until) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let local = 0_u8;
        ready
            .send((
                rustix::thread::gettid().as_raw_nonzero().get(),
                (&raw const local).addr() as u64,
            ))
            .unwrap();
        until.recv().ok();
    });
    let (tid, in_stack) = wait.recv().unwrap();
    let head = root.robust_list(tid).unwrap();
    if cfg!(target_env = "gnu") {
        let map = |addr| root.map_at(pid(), addr, MapFind::Covering).unwrap().unwrap().map;
        assert_eq!(map(head).start, map(Addr(in_stack)).start);
    }
    drop(end);
    thread.join().unwrap();
    assert!(root.robust_list(i32::MAX).unwrap_err().is_gone());
}

#[test]
fn other_roots_and_missing_processes_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let folder: &dyn Root = &DirRoot::new(dir.path());
    let wanted = PageWanted::any_of(PageCategories::PRESENT);
    assert!(
        folder
            .scan_pages(1, Addr(0)..Addr(1), &wanted)
            .unwrap_err()
            .is_unsupported()
    );
    assert!(
        folder
            .query_map(1, Addr(0), MapFind::Covering)
            .unwrap_err()
            .is_unsupported()
    );
    let error = folder.robust_list(1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot get the robust list of 1: only this host's kernel answers that"
    );
    let host: &dyn Root = &DirRoot::host();
    assert!(
        host.scan_pages(i32::MAX, Addr(0)..Addr(1), &wanted)
            .unwrap_err()
            .is_gone()
    );
    assert!(
        host.map_at(i32::MAX, Addr(0), MapFind::Covering)
            .unwrap_err()
            .is_gone()
    );
}

#[test]
fn a_file_that_is_no_pagemap_is_an_unsupported_kernel() {
    use std::os::fd::AsFd;
    let file = std::fs::File::open("/proc/self/status").unwrap();
    let wanted = PageWanted::any_of(PageCategories::PRESENT);
    let error = super::scan_pages(
        file.as_fd(),
        Addr(0)..Addr(4096),
        &wanted,
        &crate::pace::Pace::default(),
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "this kernel has no PAGEMAP_SCAN (Linux 6.7)");
    let error = super::query_map(file.as_fd(), Addr(0), MapFind::Covering).unwrap_err();
    assert_eq!(error.to_string(), "this kernel has no PROCMAP_QUERY (Linux 6.11)");
}
