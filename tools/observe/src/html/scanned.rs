//! The pages of a region by PAGEMAP_SCAN ([`fill`]): each page's own state, and holes cost nothing.
//!
//! The scan does not say whether a page is mapped here only. Where the region's figures of `smaps` decide that for all of its
//! pages they are taken, else (memory shared since a fork, files that others map in part) `pagemap` is asked.
//!
//! Neighbour: [`super::pages`], which has the other way.

use super::pages::{PageKind, RegionPages, is_dirty};
use crate::{Figure, Kind, Region};
use procfs::{Addr, Kib, PageCategories, PageRun, PageWanted, Root, RootError};

/// Whether this root's kernel scans.
pub(super) fn is_possible(root: &dyn Root, pid: i32, page_bytes: u64) -> bool {
    let wanted = PageWanted::any_of(PageCategories::PRESENT | PageCategories::SWAPPED);
    root.scan_pages(pid, Addr(0)..Addr(page_bytes), &wanted).is_ok()
}

/// The pages of a region that are there, so far as its figures tell: all of it else.
pub(super) fn pages_there(region: &Region, page_bytes: u64) -> u64 {
    let there = region.resident().zip(region.swap());
    let bytes = there.map_or(region.len(), |(resident, swap)| {
        resident.bytes().saturating_add(swap.bytes())
    });
    bytes.div_ceil(page_bytes)
}

/// Append the states of the region's first `pages` pages.
pub(super) fn fill(
    into: &mut RegionPages,
    root: &dyn Root,
    pid: i32,
    region: &Region,
    page_bytes: u64,
    pages: u64,
) -> Result<(), RootError> {
    // It lies above all page tables.
    if region.kind == Kind::Vsyscall {
        return Ok(());
    }
    let bytes = pages.saturating_mul(page_bytes).min(region.len());
    let end = Addr(region.start.0.saturating_add(bytes));
    let there = PageCategories::PRESENT | PageCategories::SWAPPED | PageCategories::GUARD;
    let wanted = PageWanted {
        any_of: there,
        report: there | PageCategories::FILE | PageCategories::ZERO | PageCategories::HUGE,
        window: PageWanted::GENTLE,
    };
    let found = root.scan_pages(pid, region.start..end, &wanted)?;
    let sharing = Sharing::of(region);
    let mut at = region.start;
    for run in &found.runs {
        into.push(run.start.bytes_above(at) / page_bytes, PageKind::ABSENT);
        let state = state_of(run.categories, region);
        let is_counted = state.contains(PageKind::PRESENT) && !state.contains(PageKind::ZERO);
        match sharing {
            Sharing::Mixed if is_counted => {
                let page = PageSize(page_bytes);
                ask(into, root, pid, *run, state, page)?;
            }
            _ => {
                let mut state = state;
                state.set(PageKind::EXCLUSIVE, is_counted && sharing == Sharing::None);
                into.push(run.end.bytes_above(run.start) / page_bytes, state);
            }
        }
        at = run.end;
    }
    into.push(end.bytes_above(at) / page_bytes, PageKind::ABSENT);
    Ok(())
}

/// Bytes of a page.
#[derive(Clone, Copy)]
struct PageSize(u64);

/// How many of a region's pages others map too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// None of them.
    None,
    /// All of them.
    All,
    /// Some, or it is not known.
    Mixed,
}

impl Sharing {
    fn of(region: &Region) -> Self {
        match (region.figure(Figure::Unique), region.resident()) {
            // Frames of devices are not counted, and nobody tells of them.
            (Some(Kib(0)), Some(_)) => Self::All,
            (Some(unique), Some(resident)) if unique == resident => Self::None,
            _ => Self::Mixed,
        }
    }
}

/// Append a run of present pages, those that are mapped here only told apart.
fn ask(
    into: &mut RegionPages,
    root: &dyn Root,
    pid: i32,
    run: PageRun,
    state: PageKind,
    page: PageSize,
) -> Result<(), RootError> {
    let wanted = PageWanted::any_of(PageCategories::EXCLUSIVE);
    let own = root.pagemap_runs(pid, run.start..run.end, &wanted, page.0)?;
    let mut at = run.start;
    for part in &own.runs {
        into.push(part.start.bytes_above(at) / page.0, state);
        into.push(
            part.end.bytes_above(part.start) / page.0,
            state | PageKind::EXCLUSIVE,
        );
        at = part.end;
    }
    into.push(run.end.bytes_above(at) / page.0, state);
    Ok(())
}

fn state_of(categories: PageCategories, region: &Region) -> PageKind {
    if categories.contains(PageCategories::GUARD) {
        return PageKind::GUARD;
    }
    if !categories.contains(PageCategories::PRESENT) {
        return PageKind::SWAPPED;
    }
    let mut state = PageKind::PRESENT;
    state.set(PageKind::HUGE, categories.contains(PageCategories::HUGE));
    if categories.contains(PageCategories::ZERO) {
        return state | PageKind::ZERO;
    }
    state.set(PageKind::FILE, categories.contains(PageCategories::FILE));
    state.set(PageKind::DIRTY, is_dirty(state, region));
    state
}
