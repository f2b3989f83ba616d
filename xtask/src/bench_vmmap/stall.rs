//! How long a thread of the target waits that maps and unmaps while a reader looks: worst, p99.9 and p99 of one mmap and
//! munmap, in windows of time, reader and target on cores of their own. Without a reader the same is measured: that is the
//! machine's noise. Two controls take no lock of the target: a reader of its twin, which is the same work on the same core; and a
//! thread on the reader's core that only wakes the target's. Whoever waited for a lock is woken so when it is free, and where that takes
//! a millisecond (a nested host), no reader can do better. Neighbours: [`super::helper`] (the reader's loop), [`super::target`] (the windows), [`super::verdict`].

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::time::Duration;

use crate::trouble::Trouble;

use super::commands::Tool;
use super::figures::{Patience, Spread};
use super::target::{Pages, Shape, Target, Window};
use super::verdict::{Judged, Outcome};
use super::{Bench, Found};

/// The names that the command line may choose.
pub(super) const NAMES: &[&str] = &["vmmap.stall.one", "vmmap.stall.hundred", "vmmap.stall.10k"];

/// Mappings and memory: one of 8 GB, 100 of 80 MB, 10,000 of 100 kB.
const SHAPES: &[(u64, u64)] = &[(1, 8192), (100, 8000), (10_000, 1000)];

/// One window; several readings of the largest target fit.
const WINDOW_MS: u64 = 500;
/// One target's windows end after this on a slow host.
const PATIENCE: Duration = Duration::from_secs(18);

/// Ours may stall at most so much of what pmap does.
const SHARE_OF_PMAP: f64 = 0.25;
/// The gentle mode's bound: "about 1 ms".
const GENTLE_US: f64 = 1100.0;

/// The twin has at most so much memory: what counts is the kind of work, not how long one reading takes.
const TWIN_MIB: u64 = 1024;

/// Who reads meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Nobody,
    /// This reads the target.
    Of(Tool),
    /// This reads the target's twin.
    OfTwin(Tool),
    /// Nobody; a thread on the reader's core wakes the target's thread.
    Wakes,
}

const READERS: [Reader; 8] = [
    Reader::Nobody,
    Reader::Wakes,
    Reader::Of(Tool::Vmmap),
    Reader::Of(Tool::Gentle),
    Reader::OfTwin(Tool::Gentle),
    Reader::Of(Tool::CatSmaps),
    Reader::Of(Tool::PmapX),
    Reader::Of(Tool::PmapXX),
];

/// The process that is measured, and another of its kind that runs anywhere.
struct Pair {
    target: Target,
    twin: Target,
}

/// The windows of one reader, or why there are none.
struct Series {
    reader: Reader,
    windows: Result<Vec<Window>, String>,
    /// How often the reader read, in all windows together.
    runs: u64,
}

impl Series {
    fn new(bench: &Bench, reader: Reader) -> Series {
        let absent = match reader {
            Reader::Nobody | Reader::Wakes => None,
            Reader::Of(tool) | Reader::OfTwin(tool) => bench.tools.absent(tool),
        };
        Series {
            reader,
            windows: absent.map_or(Ok(Vec::new()), |why| Err(why.into())),
            runs: 0,
        }
    }

    fn name(&self) -> String {
        match self.reader {
            Reader::Nobody => "no reader".into(),
            Reader::Wakes => "only woken".into(),
            Reader::Of(tool) => tool.name().into(),
            Reader::OfTwin(tool) => format!("{}, twin", tool.name()),
        }
    }

    fn spread(&self, figure: impl Fn(&Window) -> f64) -> Result<Spread, String> {
        let windows = self.windows.as_ref().map_err(Clone::clone)?;
        Spread::of(windows.iter().map(figure)).ok_or_else(|| "no window was measured".into())
    }

    /// The median over windows of the worst in each, so that one hiccup of the host does not decide.
    fn worst(&self) -> Result<f64, String> {
        self.spread(|window| window.worst).map(|spread| spread.median)
    }

    /// One more window, unless this reader has failed before; an error if the target fails.
    fn measure(&mut self, bench: &Bench, pair: &mut Pair, core: &str) -> Result<(), Trouble> {
        let Ok(windows) = &mut self.windows else {
            return Ok(());
        };
        let words = match self.reader {
            Reader::Nobody => {
                windows.push(pair.target.window(WINDOW_MS)?);
                return Ok(());
            }
            Reader::Wakes => {
                windows.push(pair.target.wakes(WINDOW_MS, core)?);
                return Ok(());
            }
            Reader::Of(tool) => bench.tools.words(tool, &pair.target),
            Reader::OfTwin(tool) => bench.tools.words(tool, &pair.twin),
        };
        let reading = bench.helpers.reading(core, &words)?;
        let window = pair.target.window(WINDOW_MS)?;
        match reading.stop() {
            Ok(runs) => {
                self.runs = self.runs.saturating_add(runs);
                windows.push(window);
            }
            Err(trouble) => self.windows = Err(trouble.to_string()),
        }
        Ok(())
    }
}

/// Runs the chosen shapes one after the other.
pub(super) fn measure(bench: &Bench, chosen: &dyn Fn(&str) -> bool) -> Result<Found, Trouble> {
    let mut found = Found::default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let (reader_core, target_core) = two_cores(&status);
    for (name, (parts, mib)) in NAMES.iter().zip(SHAPES).filter(|(name, _)| chosen(name)) {
        let shape = Shape {
            parts: *parts,
            mib: *mib,
            pages: Pages::Small,
        };
        let mut series: Vec<Series> = READERS.map(|reader| Series::new(bench, reader)).into();
        let small = Shape {
            mib: shape.mib.min(TWIN_MIB),
            ..shape
        };
        let twin = Target::start(&bench.helpers, small, "-");
        let target = Target::start(&bench.helpers, shape, &target_core);
        match target.and_then(|target| Ok(Pair { target, twin: twin? })) {
            Ok(mut pair) => {
                rounds(bench, &mut pair, name, &reader_core, &mut series)?;
                let _ = writeln!(
                    found.figures,
                    "\n{name}: {}; core {target_core}, reader on core {reader_core}",
                    pair.target.describe()?
                );
                found.figures.push_str(&figures(&series));
            }
            Err(trouble) => {
                let _ = writeln!(found.figures, "\n{name}: SKIPPED: {trouble}");
            }
        }
        found.rows.extend(judge(name, &series));
    }
    Ok(found)
}

fn rounds(
    bench: &Bench,
    pair: &mut Pair,
    name: &str,
    core: &str,
    series: &mut [Series],
) -> Result<(), Trouble> {
    let patience = Patience::new(bench.rounds, PATIENCE);
    let mut round = 0;
    while patience.allows(round) {
        round += 1;
        for one in series.iter_mut() {
            eprint!("\r{name}: round {round}: {:<24}", one.name());
            drop(std::io::stderr().flush());
            one.measure(bench, pair, core)?;
        }
    }
    Ok(())
}

/// A core for the reader and another for the target, of those that we may use (`Cpus_allowed_list` of proc(5)); `-` for
/// both if there is only one.
fn two_cores(status: &str) -> (String, String) {
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap_or_default();
    let ends = |range: &str| -> Option<(u32, u32)> {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    let ranges = list.trim().split(',').filter_map(ends);
    let mut cores = ranges.flat_map(|(first, last)| first..=last);
    match (cores.next(), cores.next()) {
        (Some(reader), Some(target)) => (reader.to_string(), target.to_string()),
        _ => ("-".into(), "-".into()),
    }
}

fn judge(name: &'static str, series: &[Series]) -> Vec<Judged> {
    let worst = |reader| {
        let one = series.iter().find(|one| one.reader == reader);
        one.map_or_else(|| Err("not measured".into()), Series::worst)
    };
    let floor = worst(Reader::Nobody).unwrap_or(0.0);
    let row = |ours: Tool, other, figure: Result<f64, String>, target| Judged {
        what: name.trim_start_matches("vmmap."),
        unit: "us",
        ours: ours.name(),
        other,
        outcome: Outcome::of(&worst(Reader::Of(ours)), &figure),
        target,
        floor,
    };
    let mut rows = Vec::from(
        [Tool::PmapXX, Tool::PmapX]
            .map(|pmap| row(Tool::Vmmap, pmap.name(), worst(Reader::Of(pmap)), SHARE_OF_PMAP)),
    );
    rows.push(row(Tool::Gentle, "bound", Ok(GENTLE_US), 1.0));
    rows
}

/// A line for each reader: microseconds that a mmap and munmap took.
fn figures(series: &[Series]) -> String {
    let mut text = format!(
        "  {:<20} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>8} {:>8}\n",
        "reader", "worst us", "least", "most", "p99.9", "p99", "windows", "pairs", "readings"
    );
    for one in series {
        let all = one.spread(|window| window.worst).and_then(|worst| {
            let p999 = one.spread(|window| window.p999)?;
            Ok((worst, p999, one.spread(|window| window.p99)?))
        });
        let _ = match all {
            Ok((worst, p999, p99)) => writeln!(
                text,
                "  {:<20} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>7} {:>8} {:>8}",
                one.name(),
                worst.median,
                worst.least,
                worst.most,
                p999.median,
                p99.median,
                one.windows.as_ref().map_or(0, Vec::len),
                pairs(one),
                one.runs
            ),
            Err(why) => writeln!(text, "  {:<20} {why}", one.name()),
        };
    }
    text.push_str("  worst: median over windows of the worst in each; least, most: of the windows' worst\n");
    text.push_str("  controls without the target's lock: twin reads another process so; only woken: by a thread on the reader's core\n");
    text
}

fn pairs(series: &Series) -> u64 {
    let windows = series.windows.as_deref().unwrap_or_default();
    windows.iter().map(|window| window.pairs).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(reader: Reader, worst: &[f64]) -> Series {
        let window = |worst: &f64| Window {
            pairs: 100,
            worst: *worst,
            p999: 9.0,
            p99: 8.0,
        };
        Series {
            reader,
            windows: Ok(worst.iter().map(window).collect()),
            runs: 3,
        }
    }

    #[test]
    fn cores_are_read_from_status() {
        let cores = |list: &str| two_cores(&format!("Name:\tx\nCpus_allowed_list:\t{list}\n"));
        assert_eq!(cores("0-1"), ("0".into(), "1".into()));
        assert_eq!(cores("3,7-9"), ("3".into(), "7".into()));
        assert_eq!(cores("5"), ("-".into(), "-".into()));
        assert_eq!(two_cores(""), ("-".into(), "-".into()));
    }

    #[test]
    fn one_hiccup_does_not_decide_and_the_machine_s_noise_is_the_floor() {
        let all = [
            series(Reader::Nobody, &[60.0, 70.0, 9000.0]),
            series(Reader::Of(Tool::Vmmap), &[900.0, 800.0, 40_000.0]),
            series(Reader::Of(Tool::PmapXX), &[4000.0, 5000.0, 4100.0]),
        ];
        let rows = judge("vmmap.stall.one", &all);
        assert_eq!(
            rows[0].outcome,
            Outcome::Measured {
                ours: 900.0,
                other: 4100.0
            }
        );
        assert_eq!(rows[0].floor, 70.0);
        assert_eq!(rows[1].outcome, Outcome::OtherMissing("not measured".into()));
        assert_eq!(rows[2].outcome, Outcome::OursMissing("not measured".into()));
    }

    #[test]
    fn each_reader_has_a_line() {
        let mut gentle = series(Reader::Of(Tool::Gentle), &[]);
        gentle.windows = Err("not there yet".into());
        let text = figures(&[series(Reader::Nobody, &[60.0]), gentle]);
        assert!(text.contains("no reader") && text.contains("vmmap --gentle       not there yet"));
        assert!(
            figures(&[series(Reader::OfTwin(Tool::Gentle), &[60.0])])
                .contains("vmmap --gentle, twin        60")
        );
        assert_eq!(NAMES.len(), SHAPES.len());
    }
}
