//! One process at one moment ([`Snapshot`]): one pass over `smaps`, read in small pieces.

use crate::classify::{Verdict, classify};
use crate::corefile::CoreFacts;
use crate::elf::{Image, Images, Section};
use crate::facts::{Since, gather, page_bytes_of, recognise, since};
use crate::gentle::read_gently;
use crate::heap::Limits;
use crate::measure::{derive, footprint};
use crate::near::read_near;
use crate::page::ZeroPages;
use crate::read::{Cut, Pass, read_maps, read_smaps};
use crate::share::{Aliases, share_mode};
use crate::threads::{Thread, name_stacks, threads};
use crate::zones::{self, HeapReport};
use crate::{Facts, Footprint, Kind, Object, ObserveError, Peak, Region, Totals};
use procfs::{Addr, PidStat, Root, RootError, Statm, printable};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// How often a process is read that calls execve meanwhile, before it is told that it cannot be.
const READS: u32 = 8;

/// Something that could not be read, for the header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// What the report lacks.
    pub what: Cow<'static, str>,
    /// Why.
    pub why: String,
}

/// A process as it was.
#[derive(Clone, PartialEq, Debug)]
pub struct Snapshot {
    /// What the header says.
    pub facts: Facts,
    /// Every mapping, by address. `None` if neither `smaps` nor `maps` could be read.
    pub regions: Option<Vec<Region>>,
    /// Whether only the regions around one address were asked for, so that sums mean nothing.
    pub is_part: bool,
    /// The ELF files that are mapped executable.
    pub images: Vec<Image>,
    /// Their sections by address, if they were asked for.
    pub sections: Vec<Section>,
    /// The allocator's zones, if they were asked for and could be read.
    pub heap: Option<HeapReport>,
    /// The threads and their stacks. `None` if they could not be listed.
    pub threads: Option<Vec<Thread>>,
    /// What could not be read, and why.
    pub gaps: Vec<Gap>,
    /// What a saved text lacks that is cut short or damaged; it is among the gaps too.
    pub cut_short: Option<String>,
    /// Whether the address space changed size while it was read, so that figures may be of different moments.
    pub changed_while_reading: bool,
    /// The longest that one call took: so long at most the target could not map or unmap. `None` if nothing that lives was read.
    pub longest_hold: Option<Duration>,
    /// The root it was read from.
    pub root: String,
    /// What only a core file tells; `None` for anything else.
    pub core: Option<CoreFacts>,
}

/// What a snapshot holds beside the regions and their figures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Take {
    /// The sections of ELF files.
    pub sections: bool,
    /// Walk malloc's zones whose heap has at most so many bytes; larger ones are told in sum.
    pub heap: Option<u64>,
    /// Hold the target up for about a millisecond at a time at most, and do without what only `smaps` tells.
    pub gentle: bool,
    /// Only the regions around this address, where the kernel can be asked for them.
    pub near: Option<Addr>,
}

impl Snapshot {
    /// Read process `pid` through `root`, with what a plain report needs.
    ///
    /// # Errors
    /// As [`Snapshot::take_with`].
    pub fn take(root: &dyn Root, pid: i32) -> Result<Self, ObserveError> {
        Self::take_with(root, pid, Take::default())
    }

    /// Read process `pid` through `root`; again, if it became another program meanwhile, as one does that was just spawned.
    ///
    /// # Errors
    /// [`ObserveError`] if there is nothing to show: no such process, a kernel thread, a zombie, one that ended midway or called
    /// execve each time, or texts that are not Linux's.
    pub fn take_with(root: &dyn Root, pid: i32, take: Take) -> Result<Self, ObserveError> {
        let mut stat = recognise(root, pid)?;
        for _ in 1..READS {
            if let Some(snapshot) = Self::of_program(root, pid, take, &stat)? {
                return Ok(snapshot);
            }
            stat = recognise(root, pid)?;
        }
        Self::of_program(root, pid, take, &stat)?.ok_or_else(|| ObserveError::Restless {
            pid,
            name: printable(&stat.comm),
        })
    }

    /// Read the program that `stat` was of; none if the process runs another now.
    fn of_program(
        root: &dyn Root,
        pid: i32,
        take: Take,
        stat: &PidStat,
    ) -> Result<Option<Self>, ObserveError> {
        let mut gaps = Vec::new();
        let mut facts = gather(root, stat, &mut gaps);
        let size = || root.parse::<Statm>(&format!("{pid}/statm")).ok().map(|s| s.size);
        let before = size();
        let near = take.near.zip(facts.page_bytes);
        let nearby = near.and_then(|(addr, page_bytes)| read_near(root, pid, addr, page_bytes).ok()?);
        let is_part = nearby.is_some();
        let regions = match (nearby, facts.page_bytes) {
            (Some(pass), _) => {
                gaps.push(Gap {
                    what: "PSS, USS, maximum protection".into(),
                    why: "one address takes no pass over smaps; --verbose makes one".into(),
                });
                Ok(Some(pass))
            }
            (None, Some(page_bytes)) if take.gentle => gently(root, pid, page_bytes, &mut gaps),
            _ => read_regions(root, pid, &mut gaps),
        };
        let after = size();
        match since(root, pid, stat) {
            Since::Same => (),
            Since::OtherProgram => return Ok(None),
            Since::Ended => {
                return Err(ObserveError::Vanished {
                    pid,
                    name: facts.name,
                });
            }
        }
        let pass = regions?;
        let cut_short = pass.as_ref().and_then(|pass| pass.cut.as_ref()).map(|cut| {
            let gap = gap_of(cut);
            let line = format!("{} is not known: {}", gap.what, gap.why);
            gaps.push(gap);
            line
        });
        let longest_hold = pass.as_ref().map(|pass| pass.longest).filter(|_| root.is_live());
        let mut regions = pass.map(|pass| pass.regions);
        let page_size = regions.iter().flatten().find_map(Region::page_size);
        facts.page_bytes = facts.page_bytes.or(page_bytes_of(page_size));
        let mut images = Images::default();
        let mut sections = Vec::new();
        if let Some(regions) = &mut regions {
            if let (true, Some(page_bytes)) = (root.is_this_host(), facts.page_bytes) {
                images = Images::of_host(pid, regions, page_bytes);
            }
            if take.sections {
                sections = images.sections(root, pid, regions);
            }
            name_and_measure(root, pid, regions, &images, facts.page_bytes);
        }
        let threads = threads(
            root,
            pid,
            regions.as_deref().unwrap_or_default(),
            facts.page_bytes,
        );
        if let Some((regions, threads)) = regions.as_mut().zip(threads.as_ref()) {
            name_stacks(regions, threads);
        }
        let heap = regions
            .as_mut()
            .zip(take.heap)
            .and_then(|(regions, bytes)| heap(root, pid, regions, bytes, facts.page_bytes?, &mut gaps));
        Ok(Some(Self {
            facts,
            regions,
            is_part,
            images: images.into_list(),
            sections,
            heap,
            threads,
            gaps,
            cut_short,
            changed_while_reading: before != after,
            longest_hold,
            root: root.describe(),
            core: None,
        }))
    }

    /// The sections of which a part lies in a region.
    pub fn sections_in(&self, region: &Region) -> impl Iterator<Item = &Section> {
        let first = self.sections.partition_point(|s| s.end <= region.start);
        let rest = self.sections.get(first..).unwrap_or_default();
        let end = region.end;
        rest.iter().take_while(move |s| s.start < end)
    }

    /// The physical footprint; without regions there is only [`Facts::coarse_footprint`].
    #[must_use]
    pub fn footprint(&self) -> Option<Footprint> {
        let regions = self.regions.as_deref().filter(|_| !self.is_part)?;
        footprint(regions, &self.facts)
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
            .find(|r| r.offset == 0 && (r.detail() == path || is_of_path(r, path)))
            .map(|r| r.start)
    }
}

/// Whether the region maps the file of this path, which `smaps` writes with escapes.
fn is_of_path(region: &Region, path: &str) -> bool {
    let is_escaped = region.object.name.contains(&b'\\');
    is_escaped
        && region
            .object
            .path()
            .is_some_and(|bytes| printable(&bytes) == path)
}

/// The regions with their counters; without, if only `maps` can be read; `None` if neither.
fn read_regions(root: &dyn Root, pid: i32, gaps: &mut Vec<Gap>) -> Result<Option<Pass>, ObserveError> {
    let mut or_gap = |what, read: Result<Pass, RootError>| match read {
        Ok(pass) => Ok(Some(pass)),
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
        Some(pass) => Ok(Some(pass)),
        None => or_gap("the regions", read_maps(root, pid).map(Pass::quick)),
    }
}

/// What is missing of a text that ends too early.
fn gap_of(cut: &Cut) -> Gap {
    let what = match cut.has_maps {
        true => "what is resident, dirty, swapped and shared",
        false => "every mapping",
    };
    Gap {
        what: format!("{what} from {:#x} on", cut.from.0).into(),
        why: format!("smaps is cut short or damaged there: {}", cut.why),
    }
}

/// The zones; what forbids to read them is said.
fn heap(
    root: &dyn Root,
    pid: i32,
    regions: &mut [Region],
    bytes: u64,
    page_bytes: u64,
    gaps: &mut Vec<Gap>,
) -> Option<HeapReport> {
    let limits = Limits {
        heap_bytes: bytes,
        ..Limits::default()
    };
    match zones::report(root, pid, regions, page_bytes, limits) {
        Ok(report) => Some(report),
        // A saved folder has no memory; nobody expects it there.
        Err(e) if e.is_gone() && !root.is_live() => None,
        Err(e) => {
            let why = e.to_string();
            gaps.push(Gap {
                what: "malloc's zones".into(),
                why,
            });
            None
        }
    }
}

/// As [`read_regions`], by the gentle pass; what it loses is said.
fn gently(
    root: &dyn Root,
    pid: i32,
    page_bytes: u64,
    gaps: &mut Vec<Gap>,
) -> Result<Option<Pass>, ObserveError> {
    match read_gently(root, pid, page_bytes) {
        Ok(pass) => {
            gaps.push(Gap {
                what: "PSS, USS, maximum protection, clean and dirty of shared files, what MADV_FREE gave back (it counts as DIRTY)".into(),
                why: "--gentle does without smaps".into(),
            });
            Ok(Some(pass))
        }
        Err(e) if e.is_denied() || e.is_gone() => {
            gaps.push(Gap {
                what: "the regions".into(),
                why: e.to_string(),
            });
            Ok(None)
        }
        Err(e) => Err(e.into()),
    }
}

/// What each region is for, then who shares it, then what it costs: each step uses the one before.
fn name_and_measure(
    root: &dyn Root,
    pid: i32,
    regions: &mut [Region],
    images: &Images,
    page_bytes: Option<u64>,
) {
    let verdicts = classify(regions, images);
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
