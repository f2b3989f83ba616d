//! `cargo xtask bench`: figures side by side in one run and as ratios, with targets: integer code and real programs
//! ([`programs`]) against qemu-aarch64 on the same guest, faults and mapping calls against the same C program as a native one on
//! the host's kernel. Medians of interleaved rounds, so that a change of the host's load hits all sides alike. Key types:
//! [`Row`], [`Side`].
//! Neighbours: [`crate::bench_vmmap`] (the tool's figures), [`crate::runner`], [`crate::guests`] (native builds), [`crate::record`].

mod programs;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::bench_vmmap;
use crate::command::{Done, capture, heading};
use crate::end_to_end::stats;
use crate::guests::build_native;
use crate::inputs::data_file;
use crate::record;
use crate::runner::{PageSize, Program, Runner};
use crate::test::release_pagewalk;
use crate::toolchain::{busybox, qemu};
use crate::trouble::Trouble;

const LIMIT: Duration = Duration::from_secs(300);

/// One competitor of a row: a command, and how its time is read.
struct Side {
    name: String,
    command: Box<dyn Fn() -> Command>,
    clock: Clock,
    /// Nanoseconds an operation, a value for each round.
    rounds: Vec<f64>,
}

/// Where a time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// The whole command, by our clock; per so many operations.
    Wall(u64),
    /// "OPERATIONS NANOSECONDS", the first line that the guest writes to standard error.
    Guest,
}

/// One measurement: our sides first, then the one to compare with.
struct Row {
    name: String,
    unit: &'static str,
    ours: Vec<Side>,
    other: Side,
    /// Ours may take at most this many times the other's time.
    target: f64,
    /// Guest instructions a second, where they were counted.
    instructions_per_second: Option<f64>,
}

/// What the command line asks for.
struct Options {
    only: Option<String>,
    rounds: usize,
    record: bool,
    runner: Option<String>,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Options, Trouble> {
        let mut options = Options {
            only: None,
            rounds: 5,
            record: false,
            runner: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--record" => options.record = true,
                "--runner" => options.runner = words.next().map(|path| (*path).to_owned()),
                "--rounds" => {
                    let count = words
                        .next()
                        .and_then(|count| count.parse().ok())
                        .filter(|count| *count > 0);
                    options.rounds = count.ok_or_else(|| Trouble::Usage("--rounds needs a number".into()))?;
                }
                name if !name.starts_with('-') && options.only.is_none() => {
                    options.only = Some(name.to_owned())
                }
                other => return Err(Trouble::Usage(format!("bench does not know {other}"))),
            }
        }
        Ok(options)
    }
}

/// Runs the subcommand.
pub(crate) fn run(words: &[&str]) -> Result<(), Trouble> {
    let options = Options::parse(words)?;
    if let Some(part) = options.only.as_deref().filter(|word| bench_vmmap::is_asked(word)) {
        return bench_vmmap::run(Some(part), options.rounds, options.record);
    }
    if let Some(part) = options
        .only
        .as_deref()
        .filter(|word| crate::bench_mm::is_asked(word))
    {
        return crate::bench_mm::run(part, options.rounds, options.record, options.runner.as_deref());
    }
    machine_rows(&options)?;
    // Another runner of guests says nothing about the tool.
    if options.only.is_none() && options.runner.is_none() {
        bench_vmmap::run(None, options.rounds, options.record)?;
    }
    Ok(())
}

/// The machine's rows: integer code, real programs, and memory.
fn machine_rows(options: &Options) -> Result<(), Trouble> {
    let machine = match &options.runner {
        Some(path) => Runner::named(path),
        None => Runner::Machine(release_pagewalk()?),
    };
    let mut rows = integer_rows(&machine)?;
    rows.extend(programs::rows(&machine)?);
    rows.extend(memory_rows(&machine)?);
    if let Some(word) = &options.only {
        rows.retain(|row| row.name.contains(word.as_str()));
    }
    measure(&mut rows, options.rounds)?;
    for row in &mut rows {
        count_instructions(&machine, row);
    }
    let report = format!("{}{}", table(&rows, options.rounds), clock_note(&machine)?);
    heading("bench");
    print!("{report}");
    if options.record {
        println!("recorded in {}", record::write("", &report)?.display());
    }
    Ok(())
}

/// Integer kernels and how many rounds of each take qemu about a second, and operations a round (for the unit).
const KERNELS: &[(&str, &str)] = &[("sha", "400"), ("sieve", "60"), ("vm", "25"), ("chase", "200")];

fn integer_rows(machine: &Runner) -> Result<Vec<Row>, Trouble> {
    let emulator = Runner::Qemu(qemu()?);
    let side = |runner: &Runner, name: &str, program: &Program, args: &[String], clock| {
        let (runner, program, args) = (runner.clone(), program.clone(), args.to_vec());
        let command = move || {
            let words: Vec<&str> = args.iter().map(String::as_str).collect();
            runner.command(PageSize::Middle16K, &[], &program, &words)
        };
        Side {
            name: name.into(),
            command: Box::new(command),
            clock,
            rounds: Vec::new(),
        }
    };
    let row = |name: String, unit, program: Program, args: Vec<String>, clock| Row {
        name,
        unit,
        ours: vec![side(machine, "pagewalk", &program, &args, clock)],
        other: side(&emulator, "qemu-aarch64", &program, &args, clock),
        target: 10.0,
        instructions_per_second: None,
    };
    let mut rows = Vec::new();
    for (kernel, rounds) in KERNELS {
        let args = vec![(*kernel).to_owned(), (*rounds).to_owned()];
        let clock = Clock::Wall(rounds.parse().unwrap_or(1));
        rows.push(row(
            format!("int.{kernel}"),
            "ms/round",
            Program::Bundled("bench-int"),
            args,
            clock,
        ));
    }
    match busybox() {
        Ok(path) => {
            let args = vec![
                "sha256sum".to_owned(),
                data_file(8)?.to_string_lossy().into_owned(),
            ];
            rows.push(row(
                "int.busybox-sha256".into(),
                "ms/8MB",
                Program::File(path),
                args,
                Clock::Wall(1),
            ));
        }
        Err(trouble) => println!("SKIPPED: int.busybox-sha256: {trouble}"),
    }
    Ok(rows)
}

/// Modes of bench-fault and how often.
const MODES: &[(&str, &str)] = &[
    ("zero", "60000"),
    ("file", "60000"),
    ("file-far", "6000"),
    ("cow", "60000"),
    ("mmap", "60000"),
    ("mprotect", "60000"),
];

fn memory_rows(machine: &Runner) -> Result<Vec<Row>, Trouble> {
    let native: PathBuf = build_native("bench-fault")?;
    let mut rows = Vec::new();
    for (mode, count) in MODES {
        let ours = [PageSize::Small4K, PageSize::Middle16K].map(|page| {
            let runner = machine.clone();
            Side {
                name: format!("pagewalk {}", page.word()),
                command: Box::new(move || {
                    runner.command(page, &[], &Program::Bundled("bench-fault"), &[mode, count])
                }),
                clock: Clock::Guest,
                rounds: Vec::new(),
            }
        });
        let native = native.clone();
        let command = move || {
            let mut command = Command::new(&native);
            command.args([mode, count]);
            command
        };
        rows.push(Row {
            name: format!("memory.{mode}"),
            unit: "ns/op",
            ours: ours.into(),
            other: Side {
                name: "native".into(),
                command: Box::new(command),
                clock: Clock::Guest,
                rounds: Vec::new(),
            },
            target: 1.0,
            instructions_per_second: None,
        });
    }
    Ok(rows)
}

/// Runs every side of every row once a round.
fn measure(rows: &mut [Row], rounds: usize) -> Result<(), Trouble> {
    for round in 1..=rounds {
        for row in rows.iter_mut() {
            eprint!("\rround {round} of {rounds}: {:<24}", row.name);
            drop(std::io::stderr().flush());
            let mut outputs: Vec<Vec<u8>> = Vec::new();
            for side in row.ours.iter_mut().chain([&mut row.other]) {
                let done = capture(&mut (side.command)(), b"", LIMIT)?;
                side.rounds.push(
                    nanoseconds(&done, side.clock)
                        .map_err(|why| Trouble::Failed(format!("{} on {}: {why}", row.name, side.name)))?,
                );
                outputs.push(done.stdout);
            }
            if outputs.windows(2).any(|pair| pair[0] != pair[1]) {
                return Err(Trouble::Failed(format!(
                    "{}: the sides print different results",
                    row.name
                )));
            }
        }
    }
    eprintln!("\r{:<48}", "");
    Ok(())
}

fn nanoseconds(done: &Done, clock: Clock) -> Result<f64, String> {
    if done.status != 0 || done.late {
        return Err(format!("status {}: {}", done.status, done.stderr.trim()));
    }
    match clock {
        Clock::Wall(operations) => Ok(done.wall.as_nanos() as f64 / operations as f64),
        Clock::Guest => {
            let numbers =
                guest_clock(&done.stderr).ok_or_else(|| format!("no times in {:?}", done.stderr))?;
            Ok(numbers.1 / numbers.0)
        }
    }
}

/// Operations and nanoseconds, as `tell_time` of guests/c/clock.h writes them.
pub(crate) fn guest_clock(stderr: &str) -> Option<(f64, f64)> {
    stderr.lines().find_map(|line| {
        let (operations, nanoseconds) = line.split_once(' ')?;
        Some((operations.parse().ok()?, nanoseconds.parse().ok()?))
    })
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One more run of our first side with its counters, for the instructions; its time is the median measured without.
fn count_instructions(machine: &Runner, row: &mut Row) {
    if row.other.name != "qemu-aarch64" || !machine.is_machine() {
        return;
    }
    let [ours] = &row.ours[..] else { return };
    let plain = (ours.command)();
    let mut counted = Command::new(plain.get_program());
    let mut words = plain.get_args();
    counted.args(words.next()).arg("--stats=json").args(words);
    let Clock::Wall(operations) = ours.clock else {
        return;
    };
    let seconds = median(&ours.rounds) * operations as f64 / 1e9;
    let Ok(done) = capture(&mut counted, b"", LIMIT) else {
        return;
    };
    row.instructions_per_second = stats(&done.stderr)
        .as_ref()
        .and_then(instructions)
        .map(|count| count as f64 / seconds);
}

/// How many instructions were retired: section `instructions`, figure `retired`.
fn instructions(stats: &Value) -> Option<u64> {
    stats.get("instructions")?.get("retired")?.as_u64()
}

/// The table: a line for each of our sides.
fn table(rows: &[Row], rounds: usize) -> String {
    let mut text = format!(
        "{:<20} {:<9} {:<14} {:>11} {:<13} {:>11} {:>7} {:>7}      {:>9}\n",
        "what", "unit", "ours", "time", "other", "time", "ratio", "target", "insn/s"
    );
    let (mut good, mut all) = (0, 0);
    for row in rows {
        let scale = if row.unit.starts_with("ms") { 1e-6 } else { 1.0 };
        let other = median(&row.other.rounds);
        for side in &row.ours {
            let ours = median(&side.rounds);
            let ratio = ours / other;
            let met = ratio <= row.target;
            good += u32::from(met);
            all += 1;
            let speed = row
                .instructions_per_second
                .map_or(String::new(), |speed| format!("{:.0} M", speed / 1e6));
            let _ = writeln!(
                text,
                "{:<20} {:<9} {:<14} {:>11.2} {:<13} {:>11.2} {:>7.2} {:>7.2} {:<4} {:>9}",
                row.name,
                row.unit,
                side.name,
                ours * scale,
                row.other.name,
                other * scale,
                ratio,
                row.target,
                if met { "ok" } else { "MISS" },
                speed
            );
        }
    }
    let _ = writeln!(
        text,
        "{good} of {all} targets met; medians of {rounds} interleaved rounds; ratio = ours / other"
    );
    text
}

/// The memory rows trust the guest's clock: says so if it does not run like ours.
fn clock_note(machine: &Runner) -> Result<String, Trouble> {
    let program = Program::Bundled("bench-int");
    let done = capture(
        &mut machine.command(PageSize::Middle16K, &[], &program, &["sieve", "20"]),
        b"",
        LIMIT,
    )?;
    let guest = guest_clock(&done.stderr).map_or(0.0, |(_, nanoseconds)| nanoseconds);
    let wall = done.wall.as_nanos() as f64;
    if guest <= wall && guest > 0.7 * wall {
        return Ok(String::new());
    }
    Ok(format!(
        "WARNING: the guest's clock counted {:.1} ms while {:.1} ms passed here: do not trust the memory rows\n",
        guest / 1e6,
        wall / 1e6
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &str, rounds: &[f64]) -> Side {
        Side {
            name: name.into(),
            command: Box::new(|| Command::new("true")),
            clock: Clock::Guest,
            rounds: rounds.to_vec(),
        }
    }

    #[test]
    fn the_table_says_which_targets_are_met() {
        let row = |ours: &[f64]| Row {
            name: "memory.zero".into(),
            unit: "ns/op",
            ours: vec![side("pagewalk 4k", ours)],
            other: side("native", &[100.0, 300.0, 200.0]),
            target: 1.0,
            instructions_per_second: None,
        };
        let text = table(&[row(&[150.0, 100.0, 900.0]), row(&[500.0])], 3);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].contains("0.75") && lines[1].contains(" ok"),
            "{}",
            lines[1]
        );
        assert!(
            lines[2].contains("2.50") && lines[2].contains("MISS"),
            "{}",
            lines[2]
        );
        assert!(lines[3].starts_with("1 of 2 targets met"));
    }

    #[test]
    fn the_guest_tells_operations_and_time() {
        assert_eq!(
            guest_clock("note\n4000 1234567\n{\"a\": 1}"),
            Some((4000.0, 1_234_567.0))
        );
        assert_eq!(guest_clock("nothing here"), None);
    }

    #[test]
    fn instructions_are_found() {
        let figures = serde_json::json!({"faults": {"retired": 1}, "instructions": {"retired": 7}});
        assert_eq!(instructions(&figures), Some(7));
        assert_eq!(instructions(&serde_json::json!({"instructions": 1})), None);
    }
}
