//! `cargo xtask bench mm`: what memory management costs, side by side with the same program native on the host's kernel:
//! faults, fork at several resident sizes, mapping calls among few and many mappings, and swap beside plain sequential I/O.
//! Key types: [`Row`], [`Target`]. Neighbours: [`mod@crate::bench`] (whose guest makes the faults), [`crate::record`].

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::bench::{guest_clock, median};
use crate::command::{Done, capture, heading, root, run as run_command, target};
use crate::end_to_end::stats;
use crate::guests::{ARM64_FLAGS, C_FLAGS, build_native};
use crate::record;
use crate::runner::{PageSize, Program, Runner};
use crate::test::release_pagewalk;
use crate::toolchain::{Cross, host_compiler};
use crate::trouble::Trouble;

const LIMIT: Duration = Duration::from_secs(600);

/// Ours, but for the second group of forks: native 4 KiB pages are compared with the same.
const PAGE: PageSize = PageSize::Small4K;

/// How many MiB the swap row moves each way, with so much RAM.
const SWAP_MIB: u64 = 96;
const SWAP_RAM: &str = "32m";

/// What issue 5 asks of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    /// At most this many times the native time.
    OfNative(f64),
    /// At most this many times our own time of the first row of its group, and at most so many nanoseconds.
    OfFirst(f64, f64),
}

/// One figure, ours beside native, in nanoseconds.
#[derive(Debug)]
struct Row {
    group: &'static str,
    page: PageSize,
    amount: String,
    target: Target,
    ours: Vec<f64>,
    native: Vec<f64>,
    program: &'static str,
    mode: &'static str,
    argument: String,
    ram: &'static str,
}

fn rows() -> Vec<Row> {
    let row = |group, amount: &str, target, program, mode, argument: &str, ram| Row {
        group,
        page: PAGE,
        amount: amount.into(),
        target,
        ours: Vec::new(),
        native: Vec::new(),
        program,
        mode,
        argument: argument.into(),
        ram,
    };
    let mut rows: Vec<Row> = ["zero", "cow", "file", "file-far"]
        .into_iter()
        .map(|mode| {
            let count = if mode == "file-far" { "6000" } else { "60000" };
            row(
                "fault",
                mode,
                Target::OfNative(0.5),
                "bench-fault",
                mode,
                count,
                "1g",
            )
        })
        .collect();
    // The child's tables and the parent's memory fit beside each other.
    for (group, page) in [("fork", PAGE), ("fork-16k", PageSize::Middle16K)] {
        for (mib, ram) in [("64", "1g"), ("1024", "2g"), ("4096", "6g")] {
            let target = Target::OfFirst(2.0, 100_000.0);
            let fork = row(group, &format!("{mib} MiB"), target, "calls", "fork", mib, ram);
            rows.push(Row { page, ..fork });
        }
    }
    for call in ["mmap", "munmap", "mprotect", "madvise"] {
        for vmas in ["10", "10000", "60000"] {
            let target = Target::OfFirst(2.0, f64::INFINITY);
            rows.push(row(
                call,
                &format!("{vmas} maps"),
                target,
                "calls",
                call,
                vmas,
                "1g",
            ));
        }
    }
    rows
}

/// Whether `bench`'s word asks for this, all of it or one group: `mm.fork`.
pub(crate) fn is_asked(word: &str) -> bool {
    word == "mm" || word.starts_with("mm.")
}

/// Runs the subcommand, or with `mm.GROUP` the rows of the groups whose names begin so.
pub(crate) fn run(word: &str, rounds: usize, record: bool, pagewalk: Option<&str>) -> Result<(), Trouble> {
    let only = word.strip_prefix("mm.");
    let known = |group: &str| only.is_none_or(|only| group.starts_with(only));
    let runner = Runner::Machine(match pagewalk {
        Some(path) => path.into(),
        None => release_pagewalk()?,
    });
    let (arm64, native) = build_calls()?;
    let native_fault = build_native("bench-fault")?;
    let mut rows = rows();
    rows.retain(|row| known(row.group));
    if rows.is_empty() {
        return Err(Trouble::Usage(format!("bench {word}: no rows are called so")));
    }
    for round in 1..=rounds {
        for row in &mut rows {
            eprint!("\rround {round} of {rounds}: {} {:<20}", row.group, row.amount);
            drop(std::io::stderr().flush());
            let args = [row.mode, row.argument.as_str()];
            let (program, other) = match row.program {
                "bench-fault" => (Program::Bundled("bench-fault"), &native_fault),
                _ => (Program::File(arm64.clone()), &native),
            };
            let options = ["--ram", row.ram, "--swap", "0"];
            row.ours.push(per_operation(
                &mut runner.command(row.page, &options, &program, &args),
            )?);
            row.native.push(per_operation(Command::new(other).args(args))?);
        }
    }
    eprintln!("\r{:<48}", "");
    let mut report = table(&rows);
    if only.is_none() {
        report.push_str(&swap(&runner, &arm64, rounds)?);
    }
    report.push_str("Linux under qemu-system-aarch64: not measured\n");
    let _ = writeln!(
        report,
        "medians of {rounds} interleaved rounds; pages of 4 KiB unless said; ratio = ours / native"
    );
    heading("bench mm");
    print!("{report}");
    if record {
        println!("recorded in {}", record::write(word, &report)?.display());
    }
    Ok(())
}

/// `calls.c` for arm64 and for the host.
fn build_calls() -> Result<(PathBuf, PathBuf), Trouble> {
    let into = target().join("bench-mm");
    fs::create_dir_all(&into).map_err(Trouble::file(&into))?;
    let build = |mut compiler: Command, flags: &[&str], name: &str| {
        let program = into.join(name);
        compiler
            .args(C_FLAGS)
            .args(["-static", "-fno-pie", "-no-pie", "-I"]);
        compiler
            .arg(root().join("guests/c"))
            .args(flags)
            .arg("-o")
            .arg(&program);
        run_command(compiler.arg(root().join("xtask/src/bench_mm/calls.c"))).map(|()| program)
    };
    let arm64 = build(Cross::find()?.compiler(), ARM64_FLAGS, "calls.arm64")?;
    let native = build(host_compiler(), &["-fcf-protection=none"], "calls.native")?;
    Ok((arm64, native))
}

fn good(done: &Done) -> Result<(f64, f64), Trouble> {
    if done.status != 0 || done.late {
        return Err(Trouble::Failed(format!(
            "status {}: {}",
            done.status,
            done.stderr.trim()
        )));
    }
    guest_clock(&done.stderr).ok_or_else(|| Trouble::Failed(format!("no times in {:?}", done.stderr)))
}

fn per_operation(command: &mut Command) -> Result<f64, Trouble> {
    let (operations, nanoseconds) = good(&capture(command, b"", LIMIT)?)?;
    Ok(nanoseconds / operations)
}

/// Whether a row's figure is good enough; `first` is ours of the first row of its group.
fn is_met(target: Target, ours: f64, native: f64, first: f64) -> bool {
    match target {
        Target::OfNative(times) => ours <= times * native,
        Target::OfFirst(times, most) => ours <= times * first && ours <= most,
    }
}

fn words(target: Target) -> String {
    match target {
        Target::OfNative(times) => format!("{times} of native"),
        Target::OfFirst(times, most) if most.is_finite() => format!("flat ({times}x), {:.0} us", most / 1e3),
        Target::OfFirst(times, _) => format!("flat ({times}x)"),
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<10} {:<12} {:>12} {:>12} {:>7}  {:<20} {}\n",
        "what", "amount", "ours ns", "native ns", "ratio", "target", "verdict"
    );
    for row in rows {
        let (ours, native) = (median(&row.ours), median(&row.native));
        let first = rows
            .iter()
            .find(|first| first.group == row.group)
            .map_or(ours, |first| median(&first.ours));
        let verdict = if is_met(row.target, ours, native, first) {
            "met"
        } else {
            "NOT MET"
        };
        let _ = writeln!(
            text,
            "{:<10} {:<12} {:>12.0} {:>12.0} {:>7.2}  {:<20} {verdict}",
            row.group,
            row.amount,
            ours,
            native,
            ours / native,
            words(row.target)
        );
    }
    text
}

/// Swap beside plain sequential I/O of the same amount in the same folder: MB/s, and ns of a page that comes back.
fn swap(runner: &Runner, arm64: &Path, rounds: usize) -> Result<String, Trouble> {
    let (mut swapped, mut plain, mut page) = (Vec::new(), Vec::new(), Vec::new());
    let program = Program::File(arm64.to_path_buf());
    let amount = SWAP_MIB.to_string();
    for _ in 0..rounds {
        let timed = |ram: &str| {
            let options = ["--ram", ram, "--swap", "1g", "--stats=json"];
            let done = capture(
                &mut runner.command(PAGE, &options, &program, &["swap-in", &amount]),
                b"",
                LIMIT,
            )?;
            let (pages, nanoseconds) = good(&done)?;
            Ok::<_, Trouble>((done, nanoseconds / pages))
        };
        let (starved, each) = timed(SWAP_RAM)?;
        let (plenty, _) = timed("1g")?;
        let figures = stats(&starved.stderr).unwrap_or_default();
        let count = |name: &str| figures["swap"][name].as_u64().unwrap_or(0);
        let bytes = (count("pswpin") + count("pswpout")) << 12;
        let seconds = starved.wall.saturating_sub(plenty.wall).as_secs_f64();
        swapped.push(bytes as f64 / 1e6 / seconds);
        plain.push(sequential()?);
        page.push(each);
    }
    let (ours, file) = (median(&swapped), median(&plain));
    let verdict = if ours >= 0.7 * file { "met" } else { "NOT MET" };
    Ok(format!(
        "{:<10} {:<12} {:>12.0} {:>12} {:>7}  {:<20} -\n{:<10} {:<12} {:>7.0} MB/s {:>7.0} MB/s {:>7.2}  {:<20} {verdict}\n",
        "fault",
        "swap-in",
        median(&page),
        "-",
        "-",
        "in order",
        "swap",
        format!("{SWAP_MIB} MiB"),
        ours,
        file,
        ours / file,
        "0.7 of file's speed"
    ))
}

/// MB/s of writing and reading that many bytes in order, where the machine would put its swap file.
fn sequential() -> Result<f64, Trouble> {
    let path = std::env::temp_dir().join(format!("pagewalk-bench-{}", std::process::id()));
    let mut block = vec![0xa5; 128 << 10];
    let count = (SWAP_MIB << 20) / block.len() as u64;
    let start = Instant::now();
    let mut file = File::create(&path).map_err(Trouble::file(&path))?;
    for _ in 0..count {
        file.write_all(&block).map_err(Trouble::file(&path))?;
    }
    let mut file = File::open(&path).map_err(Trouble::file(&path))?;
    for _ in 0..count {
        file.read_exact(&mut block).map_err(Trouble::file(&path))?;
    }
    let seconds = start.elapsed().as_secs_f64();
    fs::remove_file(&path).map_err(Trouble::file(&path))?;
    Ok(((2 * SWAP_MIB) << 20) as f64 / 1e6 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_of_native_or_of_the_first() {
        assert!(is_met(Target::OfNative(0.5), 50.0, 100.0, 0.0));
        assert!(!is_met(Target::OfNative(0.5), 51.0, 100.0, 0.0));
        assert!(is_met(Target::OfFirst(2.0, f64::INFINITY), 20.0, 1.0, 10.0));
        assert!(!is_met(Target::OfFirst(2.0, f64::INFINITY), 21.0, 1.0, 10.0));
        assert!(!is_met(Target::OfFirst(2.0, 15.0), 20.0, 1.0, 10.0));
    }

    #[test]
    fn the_table_compares_with_the_first_of_its_group() {
        let mut rows = rows();
        for row in &mut rows {
            row.native.push(100.0);
            row.ours
                .push(if row.group == "fork" && row.amount.starts_with('4') {
                    900.0
                } else {
                    10.0
                });
        }
        let text = table(&rows);
        assert_eq!(text.matches("NOT MET").count(), 1, "{text}");
    }
}
