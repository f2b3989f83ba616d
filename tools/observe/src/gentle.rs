//! The gentle pass: `maps` and the states of pages instead of `smaps`, for targets that must not be held up.
//!
//! `smaps` holds the target's memory map while it walks a whole mapping: 50 ms for one of 8 GB, in which no thread of the target can
//! map or unmap. Here every call looks at 2 MiB of resident pages at most, which takes 0.1 to 1 ms. What is lost is said in the report: PSS, the
//! maximum protection, what MADV_FREE gave back, who shares anonymous pages.

use crate::read::{Pass, read_maps};
use crate::{Figure, Region};
use procfs::{Kib, PageCategories, PageRuns, PageSource, PageWanted, Root, RootError};
use std::time::Duration;

/// Every mapping, with what the states of its pages tell.
pub(crate) fn read_gently(root: &dyn Root, pid: i32, page_bytes: u64) -> Result<Pass, RootError> {
    let mut regions = read_maps(root, pid)?;
    let mut longest = Duration::ZERO;
    let pages = root.pages_of(pid)?;
    for region in &mut regions {
        longest = longest.max(count_pages(&pages, region, page_bytes)?);
    }
    Ok(Pass {
        regions,
        longest,
        cut: None,
    })
}

/// Count the pages of one region; gives the longest that one call took.
pub(crate) fn count_pages(
    pages: &PageSource<'_>,
    region: &mut Region,
    page_bytes: u64,
) -> Result<Duration, RootError> {
    let there = PageCategories::PRESENT | PageCategories::SWAPPED;
    let wanted = PageWanted {
        any_of: there,
        report: there | PageCategories::FILE | PageCategories::ZERO,
        window: PageWanted::GENTLE,
    };
    match pages.runs(region.start..region.end, &wanted, page_bytes) {
        Ok(found) => {
            count(region, &found);
            Ok(found.longest)
        }
        Err(e) if e.is_gone() => Err(e),
        // It lies above all page tables; smaps counts nothing there either.
        Err(_) if region.object.name == b"[vsyscall]" => {
            count(region, &PageRuns::default());
            Ok(Duration::ZERO)
        }
        Err(_) => Ok(Duration::ZERO),
    }
}

/// The figures that follow from the states of a region's pages.
fn count(region: &mut Region, found: &PageRuns) {
    let sum = |keep: &dyn Fn(PageCategories) -> bool| {
        let kept = found.runs.iter().filter(|run| keep(run.categories));
        let bytes = kept.fold(0_u64, |sum, run| {
            sum.saturating_add(run.end.bytes_above(run.start))
        });
        Some(Kib::from_bytes(bytes))
    };
    let is_counted =
        |page: PageCategories| page.contains(PageCategories::PRESENT) && !page.contains(PageCategories::ZERO);
    let is_anonymous = |page: PageCategories| is_counted(page) && !page.contains(PageCategories::FILE);
    region.figures.set(Figure::Rss, sum(&is_counted));
    region.figures.set(Figure::Anonymous, sum(&is_anonymous));
    region
        .figures
        .set(Figure::Swap, sum(&|page| page.contains(PageCategories::SWAPPED)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::DirRoot;

    // Nothing but this test's own mapping stands still in this process, so only that is compared.
    #[test]
    fn the_gentle_figures_of_untouched_code_are_those_of_smaps() {
        let root = DirRoot::host();
        let pid = i32::try_from(std::process::id()).unwrap();
        let gentle = read_gently(&root, pid, rustix::param::page_size() as u64).unwrap();
        let smaps = crate::read::read_smaps(&root, pid).unwrap().regions;
        let rodata = |regions: &[Region]| {
            let found = regions
                .iter()
                .find(|r| r.object.name.ends_with(b"libc.so.6") && r.perms.exec);
            found.map(|r| (r.start, r.end, r.figure(Figure::Anonymous)))
        };
        assert_eq!(rodata(&gentle.regions), rodata(&smaps));
        let total = |regions: &[Region]| {
            regions
                .iter()
                .map(|r| r.figures.or_zero(Figure::Rss))
                .sum::<u64>()
        };
        // The two passes are of different moments of a living process; but not by half.
        let (a, b) = (total(&gentle.regions), total(&smaps));
        assert!(a > b / 2 && b > a / 2, "{a} {b}");
        assert!(gentle.longest > Duration::ZERO);
    }
}
