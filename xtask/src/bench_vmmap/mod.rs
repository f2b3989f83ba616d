//! `cargo xtask bench vmmap`: what `vmmap` costs its caller and its target, beside pmap, smem and a bare reading of smaps,
//! in one run: wall time and own memory ([`wall`]), and how long a thread of the target waits that maps and unmaps
//! meanwhile ([`stall`]). Targets are processes of our own ([`target`]), measured by a small C program ([`helper`]); what
//! was reached is told row by row ([`verdict`]). Neighbours: [`crate::bench`] (the machine's rows), [`crate::record`].

mod commands;
mod figures;
mod helper;
mod stall;
mod target;
mod verdict;
mod wall;

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use crate::command::heading;
use crate::record;
use crate::test::release_pagewalk;
use crate::trouble::Trouble;

use commands::{Tool, Tools};
use helper::Helpers;
use verdict::Judged;

/// The word that names this benchmark on the command line; `vmmap.wall`, `vmmap.stall` or a longer name runs a part.
const NAME: &str = "vmmap";

/// Whether this word of the command line asks for this benchmark.
pub(crate) fn is_asked(word: &str) -> bool {
    word == NAME || word.starts_with("vmmap.")
}

/// What every measurement needs.
struct Bench {
    helpers: Helpers,
    tools: Tools,
    rounds: usize,
}

/// What a part of the benchmark found: figures to read, and rows with targets.
#[derive(Default)]
struct Found {
    figures: String,
    rows: Vec<Judged>,
}

/// Runs the subcommand: all of it, or the targets whose name begins with `only`.
pub(crate) fn run(only: Option<&str>, rounds: usize, record: bool) -> Result<(), Trouble> {
    let chosen = |name: &str| only.is_none_or(|only| name.starts_with(only));
    if !wall::NAMES.iter().chain(stall::NAMES).any(|name| chosen(name)) {
        return Err(Trouble::Usage(format!(
            "bench knows {} and {}",
            wall::NAMES.join(", "),
            stall::NAMES.join(", ")
        )));
    }
    let vmmap = release_pagewalk()?.with_file_name("vmmap");
    let bench = Bench {
        helpers: Helpers::build()?,
        tools: Tools::find(&vmmap)?,
        rounds,
    };
    let start = Instant::now();
    let walls = wall::measure(&bench, &chosen)?;
    let stalls = stall::measure(&bench, &chosen)?;
    eprintln!("\r{:<60}", "");
    let rows: Vec<Judged> = walls.rows.into_iter().chain(stalls.rows).collect();
    let mut report = circumstances(&bench);
    report.push_str(&walls.figures);
    report.push_str(&stalls.figures);
    report.push_str(&verdict::table(&rows));
    let _ = writeln!(report, "measuring took {:.0} s", start.elapsed().as_secs_f64());
    heading("bench vmmap");
    print!("{report}");
    if record {
        println!(
            "recorded in {}",
            record::write(only.unwrap_or(NAME), &report)?.display()
        );
    }
    Ok(())
}

/// What a reader must know of the machine and the way of measuring.
fn circumstances(bench: &Bench) -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let version = bench.tools.version().unwrap_or_default();
    let mut text = format!(
        "output to /dev/null; commands and the mapping thread under {}; load {}; {version}\n",
        bench.helpers.scheduler.word(),
        load.split_whitespace().next().unwrap_or("unknown"),
    );
    for tool in Tool::ALL {
        if let Some(why) = bench.tools.absent(tool) {
            let _ = writeln!(text, "SKIPPED: {}: {why}", tool.name());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_asked_by_their_names() {
        assert!(is_asked("vmmap") && is_asked("vmmap.wall.10k"));
        assert!(!is_asked("int.vm") && !is_asked("vmmapping"));
    }

    #[test]
    fn an_unknown_part_is_refused_before_anything_is_built() {
        assert!(matches!(
            run(Some("vmmap.nothing"), 1, false),
            Err(Trouble::Usage(_))
        ));
    }
}
