//! The working set: which pages a process uses within an interval (`clear_refs`, then `Referenced` of `smaps`).
//!
//! [`clear`] resets the young and referenced bits of all its pages; what is used after that has them again. The kernel holds the lock of the
//! address space for writing meanwhile, so page faults and mappings of the process wait: [`Prediction`] says for how long, before it is done. A side
//! effect stays: reclaim knows less of which pages are old. So it is never done unasked. Neighbour: [`crate::Snapshot`] reads before and after.

use crate::render::{Listing, Options, Unit, size};
use crate::{Figure, Region, Snapshot};
use procfs::Kib;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Nanoseconds that `clear_refs` takes for each page and each mapping, measured on 6.18 (reference/live.md section 6): 106 ms for 8 GB of 4 KiB
/// pages, 1.6 ms for 8 GB of huge ones, 52 ms for 60,000 mappings.
const NS_A_PAGE: u64 = 51;
const NS_A_HUGE_PAGE: u64 = 390;
const NS_A_MAPPING: u64 = 870;

/// A huge page of 2 MiB, which one entry of a page table maps.
const HUGE_KIB: u64 = 2048;

/// What the reset will cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prediction {
    /// How long the process may stall.
    pub stall: Duration,
    /// Resident KiB that are looked at.
    pub resident: Option<Kib>,
    /// Mappings that are looked at.
    pub mappings: usize,
}

impl Prediction {
    /// From the residence and the mappings of a snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let regions = snapshot.regions.as_deref().unwrap_or_default();
        let sum = |figure| {
            let parts = regions.iter().filter_map(|r| r.figure(figure));
            parts.fold(0_u64, |sum, kib| sum.saturating_add(kib.0))
        };
        let resident = snapshot.totals().all.resident.filter(|_| !regions.is_empty());
        let huge = [
            Figure::AnonHugePages,
            Figure::ShmemPmdMapped,
            Figure::FilePmdMapped,
        ]
        .into_iter()
        .map(sum)
        .fold(0, u64::saturating_add);
        let all = resident.or(snapshot.facts.resident).unwrap_or_default().0;
        let page_kib = (snapshot.facts.page_bytes.unwrap_or(4096) >> 10).max(1);
        let nanoseconds = (all.saturating_sub(huge) / page_kib)
            .saturating_mul(NS_A_PAGE)
            .saturating_add((huge / HUGE_KIB).saturating_mul(NS_A_HUGE_PAGE))
            .saturating_add((regions.len() as u64).saturating_mul(NS_A_MAPPING));
        Self {
            stall: Duration::from_nanos(nanoseconds),
            resident: resident.or(snapshot.facts.resident),
            mappings: regions.len(),
        }
    }
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "resetting the referenced bits may stall the process for about {:.1} ms ({} resident, {} mappings), and reclaim forgets which of its pages are old",
            self.stall.as_secs_f64() * 1e3,
            size(self.resident, Unit::Bytes),
            self.mappings
        )
    }
}

/// Reset the referenced bits of a process of this host; how long the kernel took.
///
/// # Errors
/// The system's: no such process, or not its owner.
pub fn clear(pid: i32) -> io::Result<Duration> {
    let mut file = OpenOptions::new()
        .write(true)
        .open(format!("/proc/{pid}/clear_refs"))?;
    let start = Instant::now();
    file.write_all(b"1")?;
    Ok(start.elapsed())
}

/// What of a region or a type is resident, and what of that was used.
#[derive(Clone, Copy, Default)]
struct Row {
    virtual_kib: u64,
    resident: u64,
    referenced: Option<u64>,
    count: usize,
}

impl Row {
    const NOTHING: Self = Self {
        virtual_kib: 0,
        resident: 0,
        referenced: Some(0),
        count: 0,
    };

    fn of(region: &Region) -> Self {
        Self {
            virtual_kib: region.len() >> 10,
            resident: region.figure(Figure::Rss).unwrap_or_default().0,
            referenced: region.figure(Figure::Referenced).map(|kib| kib.0),
            count: region.count as usize,
        }
    }

    fn add(&mut self, other: &Self) {
        self.virtual_kib = self.virtual_kib.saturating_add(other.virtual_kib);
        self.resident = self.resident.saturating_add(other.resident);
        let both = self.referenced.zip(other.referenced);
        self.referenced = both.map(|(a, b)| a.saturating_add(b));
        self.count = self.count.saturating_add(other.count);
    }

    fn cells(&self) -> String {
        let show = |kib| size(kib, Unit::Bytes);
        let percent = match self.referenced {
            Some(used) if self.resident > 0 => {
                format!("{}%", u128::from(used) * 100 / u128::from(self.resident))
            }
            _ => "-".into(),
        };
        format!(
            " {:>9} {:>9} {:>10} {percent:>6}",
            show(Some(Kib(self.virtual_kib))),
            show(Some(Kib(self.resident))),
            show(self.referenced.map(Kib))
        )
    }
}

const CAPTION: &str = "  VIRTUAL  RESIDENT REFERENCED   USED";

/// Resident against referenced: of all, by type, and by region, most used first. Of `options` it uses the palette and whether only the
/// summary is wanted.
///
/// # Errors
/// The writer's.
pub fn report(
    snapshot: &Snapshot,
    interval: Duration,
    cleared: Duration,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (facts, paint) = (&snapshot.facts, options.palette);
    let regions = snapshot.regions.as_deref().unwrap_or_default();
    let mut all = Row::NOTHING;
    let mut types: BTreeMap<_, Row> = BTreeMap::new();
    for region in regions {
        let row = Row::of(region);
        all.add(&row);
        types.entry(region.kind).or_insert(Row::NOTHING).add(&row);
    }
    let mut line = |key: &str, value: String| writeln!(out, "{} {value}", paint.title(format!("{key:<20}")));
    line("Process:", format!("{} [{}]", facts.name, facts.pid))?;
    line("Interval:", format!("{:.3} s", interval.as_secs_f64()))?;
    line("Reset took:", format!("{:.2} ms", cleared.as_secs_f64() * 1e3))?;
    let used = size(all.referenced.map(Kib), Unit::Bytes);
    line(
        "Working set:",
        format!(
            "{used} of {} resident",
            size(Some(Kib(all.resident)), Unit::Bytes)
        ),
    )?;
    writeln!(out, "\n{}", paint.title("==== Working set by region type"))?;
    writeln!(
        out,
        "{}",
        paint.title(format!("{:<24}{CAPTION}  REGIONS", "REGION TYPE"))
    )?;
    let mut types: Vec<_> = types.into_iter().collect();
    types.sort_by_key(|(kind, row)| (Reverse(row.referenced), kind.name()));
    for (kind, row) in types {
        let name = paint.kind(kind, format!("{:<24}", kind.name()));
        writeln!(out, "{name}{} {:>8}", row.cells(), row.count)?;
    }
    writeln!(
        out,
        "{}{} {:>8}",
        paint.title(format!("{:<24}", "TOTAL")),
        all.cells(),
        all.count
    )?;
    if options.listing == Listing::SummaryOnly {
        return Ok(());
    }
    writeln!(
        out,
        "\n{}",
        paint.title("==== Working set by region, most used first")
    )?;
    writeln!(
        out,
        "{}",
        paint.title(format!("{:<24}{CAPTION}  {:<14} DETAIL", "REGION TYPE", "START"))
    )?;
    let mut regions: Vec<&Region> = regions.iter().filter(|r| Row::of(r).resident > 0).collect();
    regions.sort_by_key(|region| (Reverse(Row::of(region).referenced), region.start));
    for region in regions {
        let name = paint.kind(region.kind, format!("{:<24}", region.kind.name()));
        let line = format!(
            "{name}{}  {:<14x} {}",
            Row::of(region).cells(),
            region.start,
            region.detail()
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
