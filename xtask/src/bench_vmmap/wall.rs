//! Wall time and own memory of each command on targets of different shapes, in interleaved rounds. Neighbours:
//! [`super::commands`], [`super::target`], [`super::verdict`].

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use crate::trouble::Trouble;

use super::commands::Tool;
use super::figures::{Patience, Spread};
use super::helper::Cost;
use super::target::{Pages, Shape, Target};
use super::verdict::{Judged, Outcome};
use super::{Bench, Found};

/// The names that the command line may choose.
pub(super) const NAMES: &[&str] = &[
    "vmmap.wall.130",
    "vmmap.wall.10k",
    "vmmap.wall.60k",
    "vmmap.wall.1g",
    "vmmap.wall.8g",
    "vmmap.wall.thp",
];

/// Mappings, MB and pages of each name: with the program's own mappings the first and the large ones have about 130. The
/// many small mappings have one page each.
const SHAPES: &[(u64, u64, Pages)] = &[
    (105, 10, Pages::Small),
    (10_000, 39, Pages::Small),
    (60_000, 234, Pages::Small),
    (105, 1024, Pages::Small),
    (105, 8192, Pages::Small),
    (105, 8192, Pages::Huge),
];

/// One target's rounds end after this on a slow host.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a row of a target must reach, as the other's figure times this.
struct Goal {
    target: &'static str,
    ours: &'static [Tool],
    other: Tool,
    ratio: f64,
}

const GOALS: &[Goal] = &[
    Goal::new("vmmap.wall.10k", &Tool::OURS, Tool::PmapXX, 0.1),
    Goal::new("vmmap.wall.10k", &Tool::OURS, Tool::Smem, 0.1),
    Goal::new(
        "vmmap.wall.10k",
        &[Tool::Vmmap, Tool::Summary],
        Tool::CatSmaps,
        1.3,
    ),
    Goal::new("vmmap.wall.60k", &Tool::OURS, Tool::PmapXX, 0.1),
    Goal::new("vmmap.wall.60k", &Tool::OURS, Tool::Smem, 0.1),
    Goal::new(
        "vmmap.wall.60k",
        &[Tool::Vmmap, Tool::Summary],
        Tool::CatSmaps,
        1.3,
    ),
    Goal::new("vmmap.wall.1g", &Tool::OURS, Tool::PmapXX, 1.0 / 1.8),
];

impl Goal {
    const fn new(target: &'static str, ours: &'static [Tool], other: Tool, ratio: f64) -> Goal {
        Goal {
            target,
            ours,
            other,
            ratio,
        }
    }
}

/// Own memory: the most that ours may have resident on the target with the most mappings.
const MEMORY_TARGET: &str = "vmmap.wall.60k";
const MEMORY_LIMIT_MIB: f64 = 20.0;

/// What one command cost, round by round, or why it cannot be told.
struct Series {
    tool: Tool,
    costs: Result<Vec<Cost>, String>,
}

impl Series {
    fn spread(&self, figure: impl Fn(&Cost) -> f64) -> Result<Spread, String> {
        let costs = self.costs.as_ref().map_err(Clone::clone)?;
        Spread::of(costs.iter().map(figure)).ok_or_else(|| "no round was measured".into())
    }

    fn time(&self) -> Result<Spread, String> {
        self.spread(|cost| cost.milliseconds)
    }

    fn memory(&self) -> Result<f64, String> {
        self.spread(|cost| cost.peak_mib).map(|spread| spread.most)
    }

    /// One more round, unless it has failed before.
    fn measure(&mut self, bench: &Bench, target: &Target) {
        if let Ok(costs) = &mut self.costs {
            match bench.helpers.cost(&bench.tools.words(self.tool, target)) {
                Ok(cost) => costs.push(cost),
                Err(trouble) => self.costs = Err(trouble.to_string()),
            }
        }
    }
}

/// Runs the chosen targets one after the other, so that only one has its memory at a time.
pub(super) fn measure(bench: &Bench, chosen: &dyn Fn(&str) -> bool) -> Result<Found, Trouble> {
    let mut found = Found::default();
    for (name, (parts, mib, pages)) in NAMES.iter().zip(SHAPES).filter(|(name, _)| chosen(name)) {
        let shape = Shape {
            parts: *parts,
            mib: *mib,
            pages: *pages,
        };
        let series = match Target::start(&bench.helpers, shape, "-") {
            Ok(target) => {
                let series = rounds(bench, &target, name);
                let _ = writeln!(found.figures, "\n{name}: {}", target.describe()?);
                found.figures.push_str(&figures(&series));
                series
            }
            Err(trouble) => {
                let _ = writeln!(found.figures, "\n{name}: SKIPPED: {trouble}");
                Tool::ALL
                    .map(|tool| Series {
                        tool,
                        costs: Err("no target".into()),
                    })
                    .into()
            }
        };
        found.rows.extend(judge(name, &series));
    }
    Ok(found)
}

fn rounds(bench: &Bench, target: &Target, name: &str) -> Vec<Series> {
    let mut series: Vec<Series> = Tool::ALL
        .map(|tool| Series {
            tool,
            costs: bench
                .tools
                .absent(tool)
                .map_or(Ok(Vec::new()), |why| Err(why.into())),
        })
        .into();
    let patience = Patience::new(bench.rounds, PATIENCE);
    let mut round = 0;
    while patience.allows(round) {
        round += 1;
        for one in &mut series {
            eprint!("\r{name}: round {round}: {:<24}", one.tool.name());
            drop(std::io::stderr().flush());
            one.measure(bench, target);
        }
    }
    series
}

fn judge(name: &'static str, series: &[Series]) -> Vec<Judged> {
    let of = |tool| series.iter().find(|one| one.tool == tool);
    let time = |tool: Tool| {
        let one = of(tool).ok_or_else(|| "not measured".to_owned())?;
        one.time().map(|spread| spread.median)
    };
    let mut rows = Vec::new();
    for goal in GOALS.iter().filter(|goal| goal.target == name) {
        rows.extend(goal.ours.iter().map(|tool| Judged {
            what: name.trim_start_matches("vmmap."),
            unit: "ms",
            ours: tool.name(),
            other: goal.other.name(),
            outcome: Outcome::of(&time(*tool), &time(goal.other)),
            target: goal.ratio,
            floor: 0.0,
        }));
    }
    if name == MEMORY_TARGET {
        rows.extend(Tool::OURS.iter().filter_map(|tool| of(*tool)).map(|one| Judged {
            what: "memory.60k",
            unit: "MB",
            ours: one.tool.name(),
            other: "limit",
            outcome: Outcome::of(&one.memory(), &Ok(MEMORY_LIMIT_MIB)),
            target: 1.0,
            floor: 0.0,
        }));
    }
    rows
}

/// A line for each command: its times, its memory, and how it stands to the others.
fn figures(series: &[Series]) -> String {
    let mut text = format!(
        "  {:<16} {:>9} {:>9} {:>9} {:>6} {:>7} {:>9} {:>11} {:>9}\n",
        "command", "median ms", "fastest", "slowest", "rounds", "own MB", "/ cat", "pmap -XX /", "smem /"
    );
    let median = |tool| {
        let one = series.iter().find(|one| one.tool == tool)?;
        one.time().ok().map(|spread| spread.median)
    };
    let ratio = |over: Option<f64>, under: Option<f64>| match (over, under) {
        (Some(over), Some(under)) => format!("{:.2}", over / under),
        _ => "-".to_owned(),
    };
    for one in series {
        let (time, memory) = match (one.time(), one.memory()) {
            (Ok(time), Ok(memory)) => (time, memory),
            (Err(why), _) | (_, Err(why)) => {
                let _ = writeln!(text, "  {:<16} {why}", one.tool.name());
                continue;
            }
        };
        let own = Some(time.median);
        let _ = writeln!(
            text,
            "  {:<16} {:>9.2} {:>9.2} {:>9.2} {:>6} {:>7.1} {:>9} {:>11} {:>9}",
            one.tool.name(),
            time.median,
            time.least,
            time.most,
            one.costs.as_ref().map_or(0, Vec::len),
            memory,
            ratio(own, median(Tool::CatSmaps)),
            ratio(median(Tool::PmapXX), own),
            ratio(median(Tool::Smem), own)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(tool: Tool, milliseconds: f64) -> Series {
        Series {
            tool,
            costs: Ok(vec![Cost {
                milliseconds,
                peak_mib: 12.0,
            }]),
        }
    }

    #[test]
    fn every_goal_names_a_target_and_every_name_has_a_shape() {
        assert_eq!(NAMES.len(), SHAPES.len());
        assert!(GOALS.iter().all(|goal| NAMES.contains(&goal.target)));
        assert!(NAMES.contains(&MEMORY_TARGET));
    }

    #[test]
    fn a_target_is_judged_by_all_of_its_goals() {
        let all = [
            series(Tool::Vmmap, 9.0),
            series(Tool::CatSmaps, 8.0),
            series(Tool::PmapXX, 100.0),
        ];
        let rows = judge("vmmap.wall.60k", &all);
        let vmmap: Vec<&Judged> = rows.iter().filter(|row| row.ours == "vmmap").collect();
        let outcome = |other: &str| {
            vmmap
                .iter()
                .find(|row| row.other == other)
                .map(|row| &row.outcome)
        };
        let measured = |ours, other| Some(Outcome::Measured { ours, other });
        assert_eq!(outcome("pmap -XX").cloned(), measured(9.0, 100.0));
        assert_eq!(outcome("cat smaps").cloned(), measured(9.0, 8.0));
        assert_eq!(outcome("limit").cloned(), measured(12.0, 20.0));
        assert_eq!(
            outcome("smem -P"),
            Some(&Outcome::OtherMissing("not measured".into()))
        );
        assert!(judge("vmmap.wall.thp", &all).is_empty());
    }

    #[test]
    fn figures_show_ratios_and_reasons() {
        let failed = Series {
            tool: Tool::Smem,
            costs: Err("not installed".into()),
        };
        let text = figures(&[series(Tool::Vmmap, 4.0), series(Tool::PmapXX, 50.0), failed]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains(" 12.50 "), "{}", lines[1]);
        assert!(lines[3].ends_with("not installed"), "{}", lines[3]);
    }
}
