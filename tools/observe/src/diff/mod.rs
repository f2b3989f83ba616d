//! What changed from one snapshot to another ([`Diff`]).
//!
//! Regions are matched by what they are, not by where they lie (`pairs`), because two runs of one program have different addresses. What has
//! no partner is new or gone; what has one is changed if its size, or what is resident, dirty or swapped of it, differs. A share that differs
//! (PSS) is told too, but is no change by itself: it is another process's doing.
//!
//! [`report()`] prints it for people, [`write_json`] as schema `pagewalk.diff/1`. Neighbours: [`crate::json::file`] keeps snapshots.

mod align;
mod figures;
mod json;
mod pairs;
mod report;

pub use figures::{Delta, Sizes};
pub use json::{SCHEMA, write as write_json};
pub use report::{report, signed};

use crate::{Kind, Region, Snapshot, TypeRow};
use pairs::{Pair, Pairs, pairs};
use procfs::Addr;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// What became of a region.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Only the second snapshot has it.
    New,
    /// Only the first has it.
    Gone,
    /// Both have it, with other figures.
    Changed,
}

/// One side of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Side {
    /// First address.
    pub start: Addr,
    /// Its figures.
    pub sizes: Sizes,
}

impl Side {
    fn of(region: &Region) -> Self {
        Self {
            start: region.start,
            sizes: Sizes::of_region(region),
        }
    }
}

/// A region that is not as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// What makes it the same region on both sides; no two changes have the same.
    pub identity: String,
    /// What became of it.
    pub change: ChangeKind,
    /// Its type.
    pub kind: Kind,
    /// File or name.
    pub detail: String,
    /// As it was; `None` if it is new.
    pub before: Option<Side>,
    /// As it is; `None` if it is gone.
    pub after: Option<Side>,
    /// What is there now and was not.
    pub delta: Delta,
}

impl Change {
    /// In one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (self.change, self.delta.direction()) {
            (ChangeKind::New, _) => "new",
            (ChangeKind::Gone, _) => "gone",
            (ChangeKind::Changed, 1..) => "grown",
            (ChangeKind::Changed, 0) => "changed",
            (ChangeKind::Changed, _) => "shrunk",
        }
    }
}

/// A region type on both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TypeChange {
    /// The type.
    pub kind: Kind,
    /// Its sums before.
    pub before: Sizes,
    /// Its sums now.
    pub after: Sizes,
    /// The difference.
    pub delta: Delta,
    /// Mappings before, and now.
    pub counts: [usize; 2],
}

/// What changed.
#[derive(Clone, PartialEq, Debug)]
pub struct Diff<'a> {
    /// The first snapshot.
    pub before: &'a Snapshot,
    /// The second.
    pub after: &'a Snapshot,
    /// One process at two moments, rather than two processes: then addresses mean something.
    pub is_same_process: bool,
    /// Regions that are not as they were, largest change first.
    pub changes: Vec<Change>,
    /// How many regions are as they were.
    pub unchanged: usize,
    /// By type, largest change first; types that did not change too.
    pub types: Vec<TypeChange>,
    /// Everything, before and now.
    pub totals: [Sizes; 2],
}

impl<'a> Diff<'a> {
    /// From one snapshot to another. Without regions on either side only the header's figures can be compared.
    #[must_use]
    pub fn between(before: &'a Snapshot, after: &'a Snapshot) -> Self {
        let is_same_process = is_same_process(before, after);
        let (mut changes, mut unchanged) = (Vec::new(), 0);
        if let (Some(old), Some(new)) = (before.regions.as_deref(), after.regions.as_deref()) {
            (changes, unchanged) = compare(old, new, &pairs(old, new, is_same_process));
        }
        changes.sort_by(|a, b| {
            let order = |change: &Change| Reverse(change.delta.magnitude());
            order(a).cmp(&order(b)).then_with(|| a.identity.cmp(&b.identity))
        });
        let (old, new) = (before.totals(), after.totals());
        let kinds: BTreeSet<Kind> = old.by_kind.keys().chain(new.by_kind.keys()).copied().collect();
        let mut types: Vec<TypeChange> = kinds
            .into_iter()
            .map(|kind| type_change(kind, old.by_kind.get(&kind), new.by_kind.get(&kind)))
            .collect();
        types.sort_by_key(|t| (Reverse(t.delta.magnitude()), t.kind.name()));
        Self {
            before,
            after,
            is_same_process,
            changes,
            unchanged,
            types,
            totals: [Sizes::of_row(&old.all), Sizes::of_row(&new.all)],
        }
    }

    /// By how many bytes the footprint grew; `None` if a side does not know it.
    #[must_use]
    pub fn footprint_growth(&self) -> Option<i64> {
        figures::difference(footprint(self.before), footprint(self.after))
    }
}

/// For each region of the second list, the place of the same one in the first; both by address. For two looks at one process.
#[must_use]
pub fn partners(before: &[Region], after: &[Region]) -> Vec<Option<u32>> {
    let pairs = pairs(before, after, true);
    pairs
        .0
        .iter()
        .filter(|pair| pair.after.is_some())
        .map(|pair| pair.before)
        .collect()
}

/// The full footprint in bytes, by regions or else by status; the same way on both sides as far as each can.
pub(crate) fn footprint(snapshot: &Snapshot) -> Option<u64> {
    let full = snapshot.footprint().map(|f| f.full);
    full.or(snapshot.facts.coarse_footprint).map(procfs::Kib::bytes)
}

/// The clock of boot may be set by a second or two between two looks.
const CLOCK_SLACK_MS: u64 = 3000;

/// The same process, and still the same program: pid, start, and the place of the executable.
fn is_same_process(before: &Snapshot, after: &Snapshot) -> bool {
    let (a, b) = (&before.facts, &after.facts);
    let is_same_start = a
        .launched
        .zip(b.launched)
        .is_some_and(|(a, b)| a.0.abs_diff(b.0) <= CLOCK_SLACK_MS);
    let place = (&a.path, before.load_address()) == (&b.path, after.load_address());
    a.pid == b.pid && is_same_start && before.root == after.root && place
}

fn type_change(kind: Kind, before: Option<&TypeRow>, after: Option<&TypeRow>) -> TypeChange {
    let sizes = |row: Option<&TypeRow>| row.map_or(Sizes::NOTHING, Sizes::of_row);
    let (old, new) = (sizes(before), sizes(after));
    TypeChange {
        kind,
        before: old,
        after: new,
        delta: Delta::between(old, new),
        counts: [before, after].map(|row| row.map_or(0, |row| row.count)),
    }
}

fn compare(old: &[Region], new: &[Region], pairs: &Pairs) -> (Vec<Change>, usize) {
    let (mut changes, mut unchanged) = (Vec::new(), 0);
    let mut seen: HashMap<String, u32> = HashMap::new();
    for &Pair { before, after } in &pairs.0 {
        let at =
            |list: &'_ [Region], index: Option<u32>| index.and_then(|i| list.get(i as usize)).map(Side::of);
        let (was, is) = (at(old, before), at(new, after));
        let sizes = |side: Option<Side>| side.map_or(Sizes::NOTHING, |side| side.sizes);
        let delta = Delta::between(sizes(was), sizes(is));
        let change = match (was, is) {
            (None, None) => continue,
            (None, Some(_)) => ChangeKind::New,
            (Some(_), None) => ChangeKind::Gone,
            (Some(_), Some(_)) if delta.is_nothing() => {
                unchanged += 1;
                continue;
            }
            (Some(_), Some(_)) => ChangeKind::Changed,
        };
        let region = after
            .and_then(|i| new.get(i as usize))
            .or_else(|| before.and_then(|i| old.get(i as usize)));
        let Some(region) = region else { continue };
        let identity = pairs::identity(region);
        let ordinal = seen.entry(identity.clone()).or_insert(0);
        *ordinal += 1;
        changes.push(Change {
            identity: match *ordinal {
                1 => identity,
                more => format!("{identity} #{more}"),
            },
            change,
            kind: region.kind,
            detail: region.detail().into(),
            before: was,
            after: is,
            delta,
        });
    }
    (changes, unchanged)
}
