//! One process at one moment ([`Snapshot`]): one pass over `smaps`, read in small pieces.

use crate::classify::{Verdict, classify};
use crate::elf::Layouts;
use crate::facts::{gather, is_still, page_bytes_of, recognise};
use crate::measure::{derive, footprint};
use crate::page::ZeroPages;
use crate::read::{read_maps, read_smaps};
use crate::share::{Aliases, share_mode};
use crate::{Facts, Footprint, Kind, Object, ObserveError, Peak, Region, Totals};
use procfs::{Addr, Root, RootError, Statm};
use std::borrow::Cow;
use std::sync::Arc;

/// Something that could not be read, for the header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// What the report lacks.
    pub what: Cow<'static, str>,
    /// Why.
    pub why: String,
}

/// A process as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// What the header says.
    pub facts: Facts,
    /// Every mapping, by address. `None` if neither `smaps` nor `maps` could be read.
    pub regions: Option<Vec<Region>>,
    /// What could not be read, and why.
    pub gaps: Vec<Gap>,
    /// Whether the address space changed size while it was read, so that figures may be of different moments.
    pub changed_while_reading: bool,
    /// The root it was read from.
    pub root: String,
}

impl Snapshot {
    /// Read process `pid` through `root`.
    ///
    /// # Errors
    /// [`ObserveError`] if there is nothing to show: no such process, a kernel thread, a zombie, one that ended midway, or texts
    /// that are not Linux's.
    pub fn take(root: &dyn Root, pid: i32) -> Result<Self, ObserveError> {
        let stat = recognise(root, pid)?;
        let mut gaps = Vec::new();
        let mut facts = gather(root, &stat, &mut gaps);
        let size = || root.parse::<Statm>(&format!("{pid}/statm")).ok().map(|s| s.size);
        let before = size();
        let regions = read_regions(root, pid, &mut gaps);
        let after = size();
        if !is_still(root, &stat) {
            return Err(ObserveError::Vanished {
                pid,
                name: facts.name,
            });
        }
        let mut regions = regions?;
        let page_size = regions.iter().flatten().find_map(Region::page_size);
        facts.page_bytes = facts.page_bytes.or(page_bytes_of(page_size));
        if let Some(regions) = &mut regions {
            name_and_measure(root, pid, regions, facts.page_bytes);
        }
        Ok(Self {
            facts,
            regions,
            gaps,
            changed_while_reading: before != after,
            root: root.describe(),
        })
    }

    /// The physical footprint; without regions there is only [`Facts::coarse_footprint`].
    #[must_use]
    pub fn footprint(&self) -> Option<Footprint> {
        footprint(self.regions.as_deref()?, &self.facts)
    }

    /// The bracket around the highest footprint so far.
    #[must_use]
    pub fn peak(&self) -> Option<Peak> {
        let at_least = self.footprint().map(|f| f.full).or(self.facts.coarse_footprint);
        // The bound is from approximate counters: it is never below what is there now.
        let at_most = self.facts.peak_bound?.max(at_least.unwrap_or_default());
        Some(Peak { at_least, at_most })
    }

    /// Sums by kind, and of all.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals::of(self.regions.as_deref().unwrap_or_default())
    }

    /// Where the executable is loaded: the first mapping of its file.
    #[must_use]
    pub fn load_address(&self) -> Option<Addr> {
        let path = self.facts.path.as_deref()?;
        let regions = self.regions.as_deref()?;
        regions
            .iter()
            .find(|r| r.detail() == path && r.offset == 0)
            .map(|r| r.start)
    }
}

/// The regions with their counters; without, if only `maps` can be read; `None` if neither.
fn read_regions(root: &dyn Root, pid: i32, gaps: &mut Vec<Gap>) -> Result<Option<Vec<Region>>, ObserveError> {
    let mut or_gap = |what, read: Result<Vec<Region>, RootError>| match read {
        Ok(regions) => Ok(Some(regions)),
        Err(e) if e.is_denied() || e.is_gone() => {
            let why = e.to_string();
            let what = Cow::Borrowed(what);
            gaps.push(Gap { what, why });
            Ok(None)
        }
        Err(e) => Err(ObserveError::from(e)),
    };
    let counted = or_gap(
        "what is resident, dirty, swapped and shared",
        read_smaps(root, pid),
    )?;
    match counted {
        Some(regions) => Ok(Some(regions)),
        None => or_gap("the regions", read_maps(root, pid)),
    }
}

/// What each region is for, then who shares it, then what it costs: each step uses the one before.
fn name_and_measure(root: &dyn Root, pid: i32, regions: &mut [Region], page_bytes: Option<u64>) {
    let layouts = match page_bytes {
        Some(page_bytes) if root.is_this_host() => Layouts::of_host(regions, page_bytes),
        _ => Layouts::default(),
    };
    let verdicts = classify(regions, &layouts);
    let aliases = Aliases::of(regions);
    let mut zero_pages = ZeroPages::new(root, pid, page_bytes);
    let mut image: Option<Arc<Object>> = None;
    for (region, verdict) in regions.iter_mut().zip(verdicts) {
        let (start, len) = (region.start, region.len());
        region.share = share_mode(region, &aliases, || zero_pages.any_present(start, len));
        apply(region, verdict);
        // A bss has no name of its own: its image's, the mapping before.
        if region.kind == Kind::Bss && region.object.name.is_empty() {
            region.object = image.unwrap_or_default();
        }
        derive(region);
        image = Some(Arc::clone(&region.object));
    }
}

fn apply(region: &mut Region, verdict: Verdict) {
    region.kind = verdict.kind;
    region.is_guess = verdict.is_guess;
    region.note = match (verdict.note, verdict.is_guess) {
        ("", _) => None,
        (note, true) => Some(format!("{note} ?").into()),
        (note, false) => Some(note.into()),
    };
}
