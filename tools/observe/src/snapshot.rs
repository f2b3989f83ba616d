//! One process at one moment ([`Snapshot`]): one pass over `smaps`, read in small pieces.

use crate::classify::{Verdict, classify};
use crate::elf::Layouts;
use crate::facts::{gather, is_still, page_bytes_of, recognise};
use crate::measure::{figures, footprint};
use crate::page::ZeroPages;
use crate::region::{Mapping, coalesce, printable};
use crate::share::{Aliases, share_mode};
use crate::{Facts, Footprint, MaxPerms, ObserveError, Peak, Region, Totals};
use procfs::{Addr, MapsReader, Root, RootError, SmapsReader, Statm};
use std::io::BufReader;

/// Something that could not be read, for the header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// What the report lacks.
    pub what: &'static str,
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

/// The kernel fills 4 KiB for each read of `smaps` and throws away what does not fit: less is faster (live.md section 0).
const READ_BYTES: usize = 3072;

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
        let mappings = read_mappings(root, pid, &mut gaps);
        let after = size();
        if !is_still(root, &stat) {
            return Err(ObserveError::Vanished {
                pid,
                name: facts.name,
            });
        }
        let mappings = mappings?;
        let kernel_page = mappings
            .iter()
            .flatten()
            .find_map(|m| m.entry.as_ref()?.kernel_page_size);
        facts.page_bytes = facts.page_bytes.or(page_bytes_of(kernel_page));
        let page_bytes = facts.page_bytes;
        Ok(Self {
            facts,
            regions: mappings.map(|m| regions(root, pid, &m, page_bytes)),
            gaps,
            changed_while_reading: before != after,
            root: root.describe(),
        })
    }

    /// The regions, adjacent ones that differ only in figures joined.
    #[must_use]
    pub fn coalesced(&self) -> Vec<Region> {
        coalesce(self.regions.as_deref().unwrap_or_default())
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
            .find(|r| r.detail == path && r.offset == 0)
            .map(|r| r.start)
    }
}

/// The mappings with their counters; without, if only `maps` can be read; `None` if neither.
fn read_mappings(
    root: &dyn Root,
    pid: i32,
    gaps: &mut Vec<Gap>,
) -> Result<Option<Vec<Mapping>>, ObserveError> {
    match read_smaps(root, pid) {
        Ok(mappings) => return Ok(Some(mappings)),
        Err(e) if e.is_denied() || e.is_gone() => {
            gaps.push(Gap {
                what: "what is resident, dirty, swapped and shared",
                why: e.to_string(),
            });
        }
        Err(e) => return Err(e.into()),
    }
    match read_maps(root, pid) {
        Ok(mappings) => Ok(Some(mappings)),
        Err(e) if e.is_denied() || e.is_gone() => {
            gaps.push(Gap {
                what: "the regions",
                why: e.to_string(),
            });
            Ok(None)
        }
        Err(e) => Err(e.into()),
    }
}

fn read_smaps(root: &dyn Root, pid: i32) -> Result<Vec<Mapping>, RootError> {
    let path = format!("{pid}/smaps");
    let reader = BufReader::with_capacity(READ_BYTES, root.open(&path)?);
    SmapsReader::new(reader)
        .map(|entry| {
            entry.map(|entry| Mapping {
                map: entry.map.clone(),
                entry: Some(entry),
            })
        })
        .collect::<Result<_, _>>()
        .map_err(|e| RootError::new("read", &path, e))
}

fn read_maps(root: &dyn Root, pid: i32) -> Result<Vec<Mapping>, RootError> {
    let path = format!("{pid}/maps");
    MapsReader::new(BufReader::new(root.open(&path)?))
        .map(|map| map.map(|map| Mapping { map, entry: None }))
        .collect::<Result<_, _>>()
        .map_err(|e| RootError::new("read", &path, e))
}

fn regions(root: &dyn Root, pid: i32, mappings: &[Mapping], page_bytes: Option<u64>) -> Vec<Region> {
    let layouts = match page_bytes {
        Some(page_bytes) if root.is_this_host() => Layouts::of_host(mappings, page_bytes),
        _ => Layouts::default(),
    };
    let verdicts = classify(mappings, &layouts);
    let aliases = Aliases::of(mappings);
    let mut zero_pages = ZeroPages::new(root, pid, page_bytes);
    let build = |(index, verdict): (usize, &Verdict)| {
        let mapping = &mappings[index];
        let has_zero_pages = || zero_pages.any_present(mapping.map.start, mapping.map.len());
        let share = share_mode(mapping, &aliases, has_zero_pages);
        region(mapping, verdict, share, image_name(mappings, index, verdict))
    };
    verdicts.iter().enumerate().map(build).collect()
}

/// A bss has no name of its own: its image's, the mapping before.
fn image_name<'a>(mappings: &'a [Mapping], index: usize, verdict: &Verdict) -> &'a [u8] {
    let own = mappings[index].map.name.as_slice();
    match index.checked_sub(1) {
        Some(before) if verdict.kind == crate::Kind::Bss && own.is_empty() => &mappings[before].map.name,
        _ => own,
    }
}

fn region(mapping: &Mapping, verdict: &Verdict, share: Option<crate::ShareMode>, name: &[u8]) -> Region {
    let map = &mapping.map;
    let figures = figures(mapping, verdict.kind);
    let name = printable(name);
    let detail = match (verdict.note, verdict.is_guess) {
        ("", _) => name,
        (note, true) => format!("{note} ?"),
        (note, false) => note.into(),
    };
    let entry = mapping.entry.as_ref();
    let flags = entry.and_then(|e| e.vm_flags.as_ref());
    Region {
        start: map.start,
        end: map.end,
        kind: verdict.kind,
        is_guess: verdict.is_guess,
        perms: map.perms,
        max: flags.map(|f| MaxPerms {
            read: f.has(b"mr"),
            write: f.has(b"mw"),
            exec: f.has(b"me"),
        }),
        share,
        resident: figures.resident,
        dirty: figures.dirty,
        swap: figures.swap,
        volatile: figures.volatile,
        counts: mapping.counts(),
        page_size: entry.and_then(|e| e.kernel_page_size),
        offset: map.offset,
        flags: flags.map(|f| printable(&f.0.join(&b' '))).unwrap_or_default(),
        detail,
        count: 1,
    }
}
