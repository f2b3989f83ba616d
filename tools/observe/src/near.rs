//! The mappings around one address, by PROCMAP_QUERY: no pass over all of a large process for one question.
//!
//! Neighbour: `gentle`, which counts the pages of the few regions that are shown.

use crate::Region;
use crate::gentle::count_pages;
use crate::read::Pass;
use crate::region::Objects;
use procfs::{Addr, MapFind, MapsLine, Root, RootError};
use std::collections::VecDeque;
use std::time::Instant;

/// Mappings kept on either side: more than the parts of one loaded file, by which they are named.
const NEIGHBOURS: usize = 8;

/// How far below the address mappings are sought, step by step: most have a neighbour near by.
const REACHES: [u64; 5] = [1 << 20, 1 << 26, 1 << 32, 1 << 40, u64::MAX];

/// The region that holds `addr` or is next to it, and its neighbours; `None` where there is no PROCMAP_QUERY.
pub(crate) fn read_near(
    root: &dyn Root,
    pid: i32,
    addr: Addr,
    page_bytes: u64,
) -> Result<Option<Pass>, RootError> {
    let start = Instant::now();
    let query = |at| {
        Ok(root
            .query_map(pid, at, MapFind::CoveringOrNext)?
            .map(|found| found.map))
    };
    let next = match query(addr) {
        Err(error) if RootError::is_unsupported(&error) => return Ok(None),
        found => found?,
    };
    let longest = start.elapsed();
    let limit = next.as_ref().map_or(addr, |map| map.start);
    let mut maps = below(limit, &query)?;
    let first_above = maps.len();
    let mut above = next;
    while let Some(map) = above.take() {
        let end = map.end;
        maps.push_back(map);
        if maps.len() <= first_above + NEIGHBOURS {
            above = query(end)?;
        }
    }
    let mut objects = Objects::default();
    let mut regions: Vec<Region> = maps
        .iter()
        .map(|map| Region::of_map(map, objects.get(map)))
        .collect();
    let mut longest = longest;
    // Those that are shown: the one below, the one at or above the address, and the one after it.
    let shown = first_above.saturating_sub(1)..(first_above + 2).min(regions.len());
    let pages = root.pages_of(pid)?;
    for region in regions.get_mut(shown).unwrap_or_default() {
        longest = longest.max(count_pages(&pages, region, page_bytes)?);
    }
    Ok(Some(Pass {
        regions,
        longest,
        cut: None,
    }))
}

/// The last mappings that begin below `limit`.
fn below(
    limit: Addr,
    query: &dyn Fn(Addr) -> Result<Option<MapsLine>, RootError>,
) -> Result<VecDeque<MapsLine>, RootError> {
    let mut kept = VecDeque::new();
    for reach in REACHES {
        let mut at = Addr(limit.0.saturating_sub(reach));
        while at < limit
            && let Some(map) = query(at)?.filter(|map| map.start < limit)
        {
            // An end that is not above would be asked for ever.
            at = map.end.max(Addr(at.0 + 1));
            kept.push_back(map);
            if kept.len() > NEIGHBOURS {
                kept.pop_front();
            }
        }
        if !kept.is_empty() {
            break;
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::DirRoot;

    #[test]
    fn the_neighbours_are_those_of_maps() {
        let root = DirRoot::host();
        let pid = i32::try_from(std::process::id()).unwrap();
        let here = the_neighbours_are_those_of_maps as fn() as usize as u64;
        let Some(pass) = read_near(&root, pid, Addr(here), rustix::param::page_size() as u64).unwrap() else {
            println!("this kernel has no PROCMAP_QUERY: not checked");
            return;
        };
        let maps = crate::read::read_maps(&root, pid).unwrap();
        let holder = |regions: &[Region]| {
            let index = regions.iter().position(|r| r.contains(Addr(here))).unwrap();
            let around = index.saturating_sub(1)..(index + 2).min(regions.len());
            regions[around]
                .iter()
                .map(|r| (r.start, r.end, r.perms, r.offset))
                .collect::<Vec<_>>()
        };
        assert_eq!(holder(&pass.regions), holder(&maps));
        let region = pass.regions.iter().find(|r| r.contains(Addr(here))).unwrap();
        assert!(
            region
                .figures
                .get(crate::Figure::Rss)
                .is_some_and(|rss| rss.0 > 0)
        );
    }
}
