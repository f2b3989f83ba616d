//! What a watch has seen so far ([`Model`]): the last snapshot, the baseline, and a short history of each row.
//!
//! The model is told what was seen and when; it reads no clock. A region keeps its row while it lies where it lay
//! ([`observe::diff::partners`]). Growth is of what is in RAM or in swap.

use observe::diff::{Sizes, partners};
use observe::{Kind, Region, Snapshot};
use procfs::{Addr, Kib};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many looks a row remembers.
const HISTORY: usize = 60;

/// How many looks the curve of the footprint remembers: a wide screen's columns.
const CURVE: usize = 240;

/// Over how many looks the growth per second is taken: long enough to be calm.
const RATE_LOOKS: usize = 10;

/// Reading may take one part in ten of the time: so the pause is nine times as long as a look.
const PAUSE_PER_LOOK: u32 = 9;

/// What the table shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Table {
    /// A row for each region type.
    #[default]
    Types,
    /// A row for each region.
    Regions,
}

/// What it is sorted by, largest first (names ascending).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sort {
    /// Growth since the baseline.
    #[default]
    Growth,
    /// Growth per second.
    Rate,
    /// Address space.
    Size,
    /// In RAM.
    Resident,
    /// Dirty.
    Dirty,
    /// In swap.
    Swap,
    /// Type, then address.
    Name,
}

impl Sort {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Growth => Self::Rate,
            Self::Rate => Self::Size,
            Self::Size => Self::Resident,
            Self::Resident => Self::Dirty,
            Self::Dirty => Self::Swap,
            Self::Swap => Self::Name,
            Self::Name => Self::Growth,
        }
    }
}

/// What is remembered of one row.
#[derive(Clone, Debug, Default)]
struct Row {
    /// In RAM or in swap at the baseline, KiB; `None` if it was not known.
    base: Option<u64>,
    /// In RAM or in swap at each look, newest last, KiB. Unknown is left out.
    history: Vec<u64>,
}

/// What grows: in RAM or in swap, KiB.
fn amount(sizes: &Sizes) -> Option<u64> {
    let bytes = sizes.resident?.saturating_add(sizes.swap.unwrap_or(0));
    Some(bytes >> 10)
}

impl Row {
    fn see(&mut self, sizes: &Sizes) {
        let Some(kib) = amount(sizes) else {
            return;
        };
        push(&mut self.history, kib, HISTORY);
    }
}

/// A row of the table, ready to be drawn.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// Its type.
    pub kind: Kind,
    /// The region, if rows are regions.
    pub region: Option<&'a Region>,
    /// Its figures now.
    pub sizes: Sizes,
    /// Since the baseline, bytes.
    pub growth: Option<i64>,
    /// Bytes per second, lately.
    pub rate: Option<i64>,
    /// In RAM or in swap at the last looks, KiB.
    pub history: &'a [u64],
}

impl Line<'_> {
    fn start(&self) -> Addr {
        self.region.map_or(Addr(0), |r| r.start)
    }

    fn matches(&self, filter: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(filter);
        has(self.kind.name()) || self.region.is_some_and(|r| has(r.detail()))
    }
}

/// The state of a watch.
#[derive(Clone, Debug)]
pub struct Model {
    /// The last snapshot.
    pub now: Snapshot,
    /// When each look was, since the start, newest last.
    times: Vec<Duration>,
    /// When the baseline was.
    base_at: Duration,
    /// The footprint at the baseline, KiB.
    pub base_footprint: Option<u64>,
    /// The footprint at each look, newest last, KiB.
    pub footprints: Vec<u64>,
    /// The lowest and the highest so far, KiB.
    pub extremes: Option<[u64; 2]>,
    /// How long the last look took.
    pub took: Duration,
    /// The interval that the user wants.
    pub interval: Duration,
    regions: Vec<Row>,
    types: BTreeMap<Kind, Row>,
    /// Why there will be no further look.
    pub ended: Option<String>,
    /// No look is taken for now.
    pub is_paused: bool,
    /// What the table shows.
    pub table: Table,
    /// By what it is sorted.
    pub sort: Sort,
    /// Only rows that hold this, in lower case.
    pub filter: String,
    /// The filter is being typed.
    pub is_typing: bool,
    /// The first row that is shown.
    pub scroll: usize,
    /// The keys are explained.
    pub is_help: bool,
}

impl Model {
    /// From the first look.
    #[must_use]
    pub fn new(first: Snapshot, interval: Duration, took: Duration) -> Self {
        let mut model = Self {
            now: first,
            times: Vec::new(),
            base_at: Duration::ZERO,
            base_footprint: None,
            footprints: Vec::new(),
            extremes: None,
            took,
            interval,
            regions: Vec::new(),
            types: BTreeMap::new(),
            ended: None,
            is_paused: false,
            table: Table::default(),
            sort: Sort::default(),
            filter: String::new(),
            is_typing: false,
            scroll: 0,
            is_help: false,
        };
        model.regions = vec![Row::default(); model.now.regions.as_ref().map_or(0, Vec::len)];
        model.note(Duration::ZERO);
        model.reset();
        model
    }

    /// A further look, so long after the first.
    pub fn see(&mut self, snapshot: Snapshot, at: Duration, took: Duration) {
        self.took = took;
        let old = self.now.regions.as_deref().unwrap_or_default();
        let new = snapshot.regions.as_deref().unwrap_or_default();
        // What was not there at the baseline has grown from nothing.
        let fresh = || Row {
            base: Some(0),
            history: Vec::new(),
        };
        let kept = partners(old, new).into_iter().map(|partner| {
            let row = partner.and_then(|at| self.regions.get_mut(at as usize));
            row.map_or_else(fresh, std::mem::take)
        });
        self.regions = kept.collect();
        self.now = snapshot;
        self.note(at);
    }

    /// Take the present look into every history.
    fn note(&mut self, at: Duration) {
        push(&mut self.times, at, HISTORY);
        if let Some(kib) = footprint(&self.now) {
            push(&mut self.footprints, kib, CURVE);
            let [least, most] = self.extremes.unwrap_or([kib, kib]);
            self.extremes = Some([least.min(kib), most.max(kib)]);
        }
        let regions = self.now.regions.as_deref().unwrap_or_default();
        for (row, region) in self.regions.iter_mut().zip(regions) {
            row.see(&Sizes::of_region(region));
        }
        let totals = self.now.totals();
        let is_first = self.times.len() == 1;
        for (kind, sums) in &totals.by_kind {
            let sizes = Sizes::of_row(sums);
            let fresh = || Row {
                base: if is_first { amount(&sizes) } else { Some(0) },
                history: Vec::new(),
            };
            self.types.entry(*kind).or_insert_with(fresh).see(&sizes);
        }
        self.types.retain(|kind, _| totals.by_kind.contains_key(kind));
    }

    /// Growth is counted from now on.
    pub fn reset(&mut self) {
        self.base_at = self.elapsed();
        self.base_footprint = footprint(&self.now);
        for row in self.regions.iter_mut().chain(self.types.values_mut()) {
            row.base = row.history.last().copied();
        }
    }

    /// From the first look to the last.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.times.last().copied().unwrap_or_default()
    }

    /// From the baseline to the last look.
    #[must_use]
    pub fn since_base(&self) -> Duration {
        self.elapsed().saturating_sub(self.base_at)
    }

    /// How long to wait for the next look: as the user wants, but so long that reading takes a tenth of the time at most.
    #[must_use]
    pub fn pause(&self) -> Duration {
        self.interval.max(self.took.saturating_mul(PAUSE_PER_LOOK))
    }

    /// Whether the interval is longer than the user wants.
    #[must_use]
    pub fn is_stretched(&self) -> bool {
        self.pause() > self.interval
    }

    /// The rows that the filter leaves, sorted.
    #[must_use]
    pub fn lines(&self) -> Vec<Line<'_>> {
        let filter = self.filter.to_lowercase();
        let mut lines: Vec<Line<'_>> = match self.table {
            Table::Types => self.type_lines(),
            Table::Regions => self.region_lines(),
        };
        lines.retain(|line| line.matches(&filter));
        lines.sort_by_cached_key(|line| {
            let value = match self.sort {
                Sort::Growth => line.growth.unwrap_or(0),
                Sort::Rate => line.rate.unwrap_or(0),
                Sort::Size => in_order(Some(line.sizes.size)),
                Sort::Resident => in_order(line.sizes.resident),
                Sort::Dirty => in_order(line.sizes.dirty),
                Sort::Swap => in_order(line.sizes.swap),
                Sort::Name => 0,
            };
            // Equal ones by what they have in RAM, but names by address.
            let second = if self.sort == Sort::Name {
                0
            } else {
                in_order(line.sizes.resident)
            };
            (Reverse(value), Reverse(second), line.kind.name(), line.start())
        });
        lines
    }

    fn type_lines(&self) -> Vec<Line<'_>> {
        let totals = self.now.totals();
        let line = |(kind, row): (&Kind, _)| {
            let sizes = Sizes::of_row(row);
            Some(self.line(*kind, None, sizes, self.types.get(kind)?))
        };
        totals.by_kind.iter().filter_map(line).collect()
    }

    fn region_lines(&self) -> Vec<Line<'_>> {
        let regions = self.now.regions.as_deref().unwrap_or_default();
        let line = |(region, row): (_, _)| {
            let region: &Region = region;
            self.line(region.kind, Some(region), Sizes::of_region(region), row)
        };
        regions.iter().zip(&self.regions).map(line).collect()
    }

    fn line<'a>(&self, kind: Kind, region: Option<&'a Region>, sizes: Sizes, row: &'a Row) -> Line<'a> {
        Line {
            kind,
            region,
            sizes,
            growth: growth(row.base, amount(&sizes)),
            rate: self.rate(&row.history),
            history: &row.history,
        }
    }

    /// Bytes per second over the last looks; `None` before the second.
    fn rate(&self, history: &[u64]) -> Option<i64> {
        let looks = history.len().min(RATE_LOOKS).min(self.times.len());
        let first = self.times.get(self.times.len().checked_sub(looks)?)?;
        let time = self.elapsed().saturating_sub(*first).as_secs_f64();
        let from = history.get(history.len().checked_sub(looks)?).copied();
        let grown = growth(from, history.last().copied())?;
        (time > 0.0).then(|| (grown as f64 / time) as i64)
    }

    /// The growth of the footprint per second, lately.
    #[must_use]
    pub fn footprint_rate(&self) -> Option<i64> {
        self.rate(&self.footprints)
    }
}

/// What has no number comes last.
fn in_order(bytes: Option<u64>) -> i64 {
    bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// Bytes from one number of KiB to another.
fn growth(from: Option<u64>, to: Option<u64>) -> Option<i64> {
    let kib = i128::from(to?) - i128::from(from?);
    i64::try_from(kib * 1024).ok()
}

fn push<T>(history: &mut Vec<T>, value: T, most: usize) {
    if history.len() >= most {
        history.remove(0);
    }
    history.push(value);
}

fn footprint(snapshot: &Snapshot) -> Option<u64> {
    let full = snapshot.footprint().map(|f| f.full);
    full.or(snapshot.facts.coarse_footprint).map(|Kib(kib)| kib)
}

impl Model {
    /// The footprint's growth since the baseline, bytes.
    #[must_use]
    pub fn footprint_growth(&self) -> Option<i64> {
        growth(self.base_footprint, self.footprints.last().copied())
    }
}
