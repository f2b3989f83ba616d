//! The state of a process's pages, as runs of equal pages ([`PageRun`]): from the host's PAGEMAP_SCAN, or from `PID/pagemap` of any root.
//!
//! Two things that pages are said to be, and are not: a guard page (MADV_GUARD_INSTALL) carries the bit of swapped pages, and is not
//! swapped; a shared zero page is present, and takes no memory. Runs have the first put right, and name the second where it can be known.

use crate::pace::Pace;
use crate::{Addr, PAGEMAP_ENTRY_BYTES, PagemapEntry, Root, RootError};
use bitflags::bitflags;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

bitflags! {
    /// What a page is. The bits are PAGEMAP_SCAN's (`include/uapi/linux/fs.h`), and one of our own.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct PageCategories: u64 {
        /// Its mapping is under asynchronous write protection by userfaultfd.
        const WP_ALLOWED = 1 << 0;
        /// Written since it was write-protected so; every page of a mapping that is not.
        const WRITTEN = 1 << 1;
        /// Of a file or of shared memory.
        const FILE = 1 << 2;
        /// In RAM, or the shared zero page.
        const PRESENT = 1 << 3;
        /// In swap. Guard pages are not among them, although Linux says so.
        const SWAPPED = 1 << 4;
        /// The shared zero page, present and free of charge.
        const ZERO = 1 << 5;
        /// Mapped by a huge entry.
        const HUGE = 1 << 6;
        /// Soft-dirty.
        const SOFT_DIRTY = 1 << 7;
        /// A guard page (MADV_GUARD_INSTALL; told by kernels since 6.15).
        const GUARD = 1 << 8;
        /// Mapped only here. Told by `pagemap` and not by the scan; ours.
        const EXCLUSIVE = 1 << 32;
    }
}

/// Pages side by side that are the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PageRun {
    /// First address.
    pub start: Addr,
    /// First address past the end.
    pub end: Addr,
    /// What the pages are, of what was asked for and can be known.
    pub categories: PageCategories,
}

/// Which pages to find, and what to tell of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageWanted {
    /// Pages that are any of these are found.
    pub any_of: PageCategories,
    /// What is told of them.
    pub report: PageCategories,
    /// Bytes of memory that one call may look at: the target cannot map or unmap meanwhile. About 130 us for 2 MiB of small pages.
    /// Where all pages that are there are wanted, holes do not count: the kernel steps over them in next to no time.
    pub window: u64,
}

impl PageWanted {
    /// 2 MiB, as much as `pagemap` covers before it lets go of the target's lock.
    pub const GENTLE: u64 = 2 << 20;

    /// Pages that are any of these, and no more about them, gently.
    #[must_use]
    pub fn any_of(categories: PageCategories) -> Self {
        Self {
            any_of: categories,
            report: categories,
            window: Self::GENTLE,
        }
    }
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PageRuns {
    /// The runs, ascending.
    pub runs: Vec<PageRun>,
    /// The categories that could be known; the absence of any other means nothing.
    pub known: PageCategories,
    /// The longest that one call took.
    pub longest: Duration,
}

impl PageRuns {
    /// The bytes of all pages that are all of `categories`.
    #[must_use]
    pub fn bytes(&self, categories: PageCategories) -> u64 {
        let those = self.runs.iter().filter(|run| run.categories.contains(categories));
        those.fold(0, |sum, run| sum + run.end.bytes_above(run.start))
    }
}

/// Joins pages to runs, and puts guard pages right.
pub(crate) struct RunBuilder<'a> {
    wanted: &'a PageWanted,
    /// Kept where a target can be held up: the files of a saved folder hold up nobody.
    pace: Option<&'a Pace>,
    runs: Vec<PageRun>,
    longest: Duration,
}

impl<'a> RunBuilder<'a> {
    pub(crate) fn new(wanted: &'a PageWanted, pace: Option<&'a Pace>) -> Self {
        Self {
            wanted,
            pace,
            runs: Vec::new(),
            longest: Duration::ZERO,
        }
    }

    pub(crate) fn add(&mut self, start: Addr, end: Addr, mut categories: PageCategories) {
        if categories.contains(PageCategories::GUARD) {
            categories.remove(PageCategories::SWAPPED);
        }
        if !categories.intersects(self.wanted.any_of) {
            return;
        }
        let categories = categories & self.wanted.report;
        match self.runs.last_mut() {
            Some(last) if last.end == start && last.categories == categories => last.end = end,
            _ => self.runs.push(PageRun {
                start,
                end,
                categories,
            }),
        }
    }

    /// Make one call, and remember how long it took; step back if it is time to.
    pub(crate) fn timed<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = call();
        let took = start.elapsed();
        self.longest = self.longest.max(took);
        if let Some(pace) = self.pace {
            pace.called(took);
        }
        result
    }

    pub(crate) fn finish(self, known: PageCategories) -> PageRuns {
        PageRuns {
            runs: self.runs,
            known,
            longest: self.longest,
        }
    }
}

/// What an entry of `pagemap` tells.
const OF_PAGEMAP: PageCategories = PageCategories::FILE
    .union(PageCategories::PRESENT)
    .union(PageCategories::SWAPPED)
    .union(PageCategories::SOFT_DIRTY)
    .union(PageCategories::GUARD)
    .union(PageCategories::EXCLUSIVE);

fn categories(entry: PagemapEntry) -> PageCategories {
    [
        (PagemapEntry::FILE, PageCategories::FILE),
        (PagemapEntry::PRESENT, PageCategories::PRESENT),
        (PagemapEntry::SWAPPED, PageCategories::SWAPPED),
        (PagemapEntry::SOFT_DIRTY, PageCategories::SOFT_DIRTY),
        (PagemapEntry::GUARD, PageCategories::GUARD),
        (PagemapEntry::EXCLUSIVE, PageCategories::EXCLUSIVE),
    ]
    .into_iter()
    .filter(|(bit, _)| entry.has(*bit))
    .map(|(_, category)| category)
    .collect()
}

impl dyn Root + '_ {
    /// The runs of pages in `range` that are wanted: by [`Root::scan_pages`] where the kernel has it, else from `PID/pagemap`. Shared
    /// zero pages, huge entries and write protection are only known by the scan, exclusive pages only from `pagemap`: see
    /// [`PageRuns::known`].
    ///
    /// `page_bytes` is the page size of the root's machine.
    ///
    /// # Errors
    /// [`RootError`]; of kind `Unsupported` if nothing that is looked for can be known here.
    pub fn page_runs(
        &self,
        pid: i32,
        range: Range<Addr>,
        wanted: &PageWanted,
        page_bytes: u64,
    ) -> Result<PageRuns, RootError> {
        if !wanted.report.contains(PageCategories::EXCLUSIVE) {
            match self.scan_pages(pid, range.clone(), wanted) {
                Err(e) if e.is_unsupported() => {}
                result => return result,
            }
        }
        self.pagemap_runs(pid, range, wanted, page_bytes)
    }

    /// As `page_runs`, always from `PID/pagemap`, in reads that cover [`PageWanted::window`] of memory each.
    ///
    /// # Errors
    /// [`RootError`] as there.
    pub fn pagemap_runs(
        &self,
        pid: i32,
        range: Range<Addr>,
        wanted: &PageWanted,
        page_bytes: u64,
    ) -> Result<PageRuns, RootError> {
        let path = format!("{pid}/pagemap");
        let invalid = |kind, what: &str| RootError::new("read", &path, io::Error::new(kind, what));
        if !wanted.any_of.intersects(OF_PAGEMAP) {
            let what = "pagemap does not tell which pages are zero pages, huge or write-protected";
            return Err(invalid(io::ErrorKind::Unsupported, what));
        }
        if !page_bytes.is_power_of_two() {
            return Err(invalid(
                io::ErrorKind::InvalidInput,
                "the page size is not a power of two",
            ));
        }
        let file = self.hold(&path)?;
        let (mut page, last) = (range.start.0 / page_bytes, range.end.0.div_ceil(page_bytes));
        // At most 2 MiB of entries at once: 1 GiB of small pages.
        let step = (wanted.window / page_bytes).clamp(1, 1 << 18);
        let mut entries = vec![0; (step.min(last.saturating_sub(page)) * PAGEMAP_ENTRY_BYTES) as usize];
        let pace = self.is_this_host().then(Pace::default);
        let mut runs = RunBuilder::new(wanted, pace.as_ref());
        while page < last {
            let bytes = (step.min(last - page) * PAGEMAP_ENTRY_BYTES) as usize;
            let buffer = &mut entries[..bytes];
            let read = runs.timed(|| file.read_at(page.saturating_mul(PAGEMAP_ENTRY_BYTES), buffer))?;
            let (words, _) = entries[..read].as_chunks::<8>();
            if words.is_empty() {
                // The end of the address space, or of the process.
                break;
            }
            for word in words {
                let start = Addr(page.saturating_mul(page_bytes));
                let end = Addr(start.0.saturating_add(page_bytes));
                runs.add(start, end, categories(PagemapEntry(u64::from_le_bytes(*word))));
                page += 1;
            }
        }
        Ok(runs.finish(OF_PAGEMAP))
    }
}

/// The pages of one process, asked about often: its `pagemap` is opened once where the root can hold it.
pub struct PageSource<'a> {
    root: &'a (dyn Root + 'a),
    pid: i32,
    /// For the scan; `None` where only the root itself can scan.
    pagemap: Option<File>,
    /// Over all questions: many small mappings are as long as one large one.
    pace: Pace,
}

impl dyn Root + '_ {
    /// The pages of `pid`.
    ///
    /// # Errors
    /// [`RootError`] if its `pagemap` cannot be opened; of a root that cannot hold files, that is an error of the first question.
    pub fn pages_of(&self, pid: i32) -> Result<PageSource<'_>, RootError> {
        let pagemap = match self.is_this_host() {
            true => self.open_host_file(&format!("{pid}/pagemap"))?,
            false => None,
        };
        Ok(PageSource {
            root: self,
            pid,
            pagemap,
            pace: Pace::default(),
        })
    }
}

impl PageSource<'_> {
    /// As `page_runs` of a root.
    ///
    /// # Errors
    /// [`RootError`] as there.
    pub fn runs(
        &self,
        range: Range<Addr>,
        wanted: &PageWanted,
        page_bytes: u64,
    ) -> Result<PageRuns, RootError> {
        let asks_scan = !wanted.report.contains(PageCategories::EXCLUSIVE);
        if let Some(pagemap) = self.pagemap.as_ref().filter(|_| asks_scan) {
            let path = || format!("{}/pagemap", self.pid);
            match crate::host::scan_pages(pagemap.as_fd(), range.clone(), wanted, &self.pace) {
                Err(e) if e.kind() == io::ErrorKind::Unsupported => {}
                result => return result.map_err(|e| RootError::new("scan", &path(), e)),
            }
        }
        self.root.page_runs(self.pid, range, wanted, page_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DirRoot;

    const PAGE: u64 = 4096;

    /// A root whose process 7 has these entries from page 16 on.
    fn root(entries: &[u64]) -> (tempfile::TempDir, DirRoot) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("7")).unwrap();
        let words: Vec<u64> = [0; 16].into_iter().chain(entries.iter().copied()).collect();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        std::fs::write(dir.path().join("7/pagemap"), bytes).unwrap();
        let root = DirRoot::new(dir.path());
        (dir, root)
    }

    fn run(pages: Range<u64>, categories: PageCategories) -> PageRun {
        PageRun {
            start: Addr(pages.start * PAGE),
            end: Addr(pages.end * PAGE),
            categories,
        }
    }

    #[test]
    fn equal_pages_are_one_run_and_guards_are_not_swapped() {
        let (present, swapped) = (1 << 63 | 5, 1 << 62 | 7);
        let guard = 1 << 62 | 1 << 58;
        let (_dir, root) = root(&[present, present + 1, 0, swapped, guard, guard, present | 1 << 61]);
        let root: &dyn Root = &root;
        let all =
            PageCategories::PRESENT | PageCategories::SWAPPED | PageCategories::GUARD | PageCategories::FILE;
        for window in [1, PAGE, 3 * PAGE, PageWanted::GENTLE, u64::MAX] {
            let wanted = PageWanted {
                any_of: all,
                report: all,
                window,
            };
            let found = root
                .page_runs(7, Addr(0)..Addr(64 * PAGE), &wanted, PAGE)
                .unwrap();
            let expected = [
                run(16..18, PageCategories::PRESENT),
                run(19..20, PageCategories::SWAPPED),
                run(20..22, PageCategories::GUARD),
                run(22..23, PageCategories::PRESENT | PageCategories::FILE),
            ];
            assert_eq!(found.runs, expected);
            assert!(!found.known.contains(PageCategories::ZERO));
            assert_eq!(found.bytes(PageCategories::PRESENT), 3 * PAGE);
        }
        let swapped = PageWanted::any_of(PageCategories::SWAPPED);
        let found = root
            .page_runs(7, Addr(0)..Addr(64 * PAGE), &swapped, PAGE)
            .unwrap();
        assert_eq!(found.runs, [run(19..20, PageCategories::SWAPPED)]);
    }

    #[test]
    fn a_held_pagemap_tells_what_the_root_tells() {
        let (_dir, saved) = root(&[1 << 63, 1 << 62, 0, 1 << 63 | 1 << 61]);
        let all = PageCategories::PRESENT | PageCategories::SWAPPED | PageCategories::FILE;
        let wanted = PageWanted::any_of(all);
        let same = |root: &dyn Root, pid, range: Range<Addr>, page| {
            let held = root
                .pages_of(pid)
                .unwrap()
                .runs(range.clone(), &wanted, page)
                .unwrap();
            let asked = root.page_runs(pid, range, &wanted, page).unwrap();
            assert_eq!((&held.runs, held.known), (&asked.runs, asked.known));
            held.runs.len()
        };
        assert_eq!(same(&saved, 7, Addr(0)..Addr(64 * PAGE), PAGE), 3);
        // This test's own code: it stands still, and at least this page of it is there.
        let at = (run as *const () as usize) as u64 & !(PAGE - 1);
        let page = rustix::param::page_size() as u64;
        let own = std::process::id().cast_signed();
        assert_eq!(same(&DirRoot::host(), own, Addr(at)..Addr(at + PAGE), page), 1);
        let host: &dyn Root = &DirRoot::host();
        assert!(host.pages_of(i32::MAX).err().unwrap().is_gone());
    }

    #[test]
    fn what_cannot_be_known_is_an_error() {
        let (_dir, root) = root(&[1 << 63]);
        let root: &dyn Root = &root;
        let zero = PageWanted::any_of(PageCategories::ZERO);
        let whole = || Addr(0)..Addr(u64::MAX);
        assert!(
            root.page_runs(7, whole(), &zero, PAGE)
                .unwrap_err()
                .is_unsupported()
        );
        let present = PageWanted::any_of(PageCategories::PRESENT);
        assert!(root.page_runs(8, whole(), &present, PAGE).unwrap_err().is_gone());
        assert!(root.page_runs(7, whole(), &present, 0).is_err());
        let high = Addr(u64::MAX - PAGE)..Addr(u64::MAX);
        assert_eq!(root.page_runs(7, high, &present, 1).unwrap_or_default().runs, []);
        let reversed = Addr(PAGE * 20)..Addr(PAGE);
        assert_eq!(root.page_runs(7, reversed, &present, PAGE).unwrap().runs, []);
    }
}
