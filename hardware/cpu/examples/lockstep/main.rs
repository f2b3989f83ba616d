//! Lockstep with qemu-aarch64, in full: what `cargo xtask lockstep` runs.
//!
//! ```text
//! cargo run --release -p cpu --example lockstep -- --seed 7 --operands 2000 --only "simd shift" --jobs 2
//! ```
//!
//! Prints progress while it runs, then for each class how many encodings, operand sets and differences there were, and
//! what the manual leaves open. Ends with failure if anything else differs.

#[path = "../../tests/lockstep/campaign/mod.rs"]
mod campaign;
mod names;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Instant;

use campaign::{Campaign, Report, Subject, guest, open, subjects};
use names::mnemonics;

const USAGE: &str =
    "options: [--seed N] [--operands N] [--only CLASS|MNEMONIC] [--jobs N] [--show N] [--list] [--open]";

struct Options {
    seed: u64,
    operands: usize,
    only: Option<String>,
    jobs: usize,
    /// Differences to print.
    show: usize,
    /// Print the encodings and do nothing.
    list: bool,
    /// Print what is left open and do nothing.
    open: bool,
}

impl Options {
    fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            seed: 1,
            operands: 2000,
            only: None,
            jobs: std::thread::available_parallelism().map_or(1, |jobs| jobs.get()),
            show: 20,
            list: false,
            open: false,
        };
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--seed" => options.seed = number(&word, &value()?)?,
                "--operands" => options.operands = number(&word, &value()?)? as usize,
                "--jobs" => options.jobs = number(&word, &value()?)?.clamp(1, 64) as usize,
                "--show" => options.show = number(&word, &value()?)? as usize,
                "--only" => options.only = Some(value()?.to_lowercase()),
                "--list" => options.list = true,
                "--open" => options.open = true,
                other => return Err(format!("`{other}` is unknown; {USAGE}")),
            }
        }
        Ok(options)
    }
}

fn number(option: &str, text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{option} {text}: not a number"))
}

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("lockstep: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing differs that must not.
fn run(options: Options) -> Result<bool, String> {
    if options.open {
        for (why, text) in open::LIST {
            println!("{why:?}: {text}");
        }
        return Ok(true);
    }
    let subjects = chosen(options.only.as_deref())?;
    if options.list {
        list(&subjects)?;
        return Ok(true);
    }
    let qemu = guest::find_qemu().ok_or("qemu-aarch64 is not on PATH; on Debian: apt install qemu-user")?;
    let campaign = Campaign {
        qemu,
        seed: options.seed,
        operands: options.operands,
        subjects,
        jobs: options.jobs,
    };
    let start = Instant::now();
    let live = std::io::stderr().is_terminal();
    let report = campaign.run(|done, of| progress(done, of, live, start));
    if live {
        eprintln!();
    }
    print(&report, &options, start);
    Ok(report.lines.is_empty() && report.died.is_empty())
}

/// The subjects of `--only`: those whose class's name holds the words, or whose mnemonic is the word.
fn chosen(only: Option<&str>) -> Result<Vec<Subject>, String> {
    let all = subjects();
    let Some(only) = only else { return Ok(all) };
    let of_class: Vec<Subject> = all
        .iter()
        .filter(|subject| subject.class().contains(only))
        .copied()
        .collect();
    if !of_class.is_empty() {
        return Ok(of_class);
    }
    let names = mnemonics(&words(&all))?;
    let named = all
        .iter()
        .zip(&names)
        .filter(|(subject, name)| matches!(subject, Subject::Encoding(_)) && name.as_str() == only);
    let found: Vec<Subject> = named.map(|(subject, _)| *subject).collect();
    if found.is_empty() {
        return Err(format!(
            "`{only}` is no class and no mnemonic; --list prints them"
        ));
    }
    Ok(found)
}

/// A word for each subject.
fn words(subjects: &[Subject]) -> Vec<u32> {
    let word = |subject: &Subject| match subject {
        Subject::Encoding(encoding) => encoding.sample,
        _ => 0,
    };
    subjects.iter().map(word).collect()
}

fn list(subjects: &[Subject]) -> Result<(), String> {
    let names = mnemonics(&words(subjects))?;
    for (subject, name) in subjects.iter().zip(names) {
        if let Subject::Encoding(encoding) = subject {
            println!(
                "{:08x} {:08x} {name:<10} {}",
                encoding.mask, encoding.value, encoding.class.name
            );
        }
    }
    Ok(())
}

/// On a terminal one line that changes; else a line at each tenth.
fn progress(done: usize, of: usize, live: bool, start: Instant) {
    let seconds = start.elapsed().as_secs();
    if live {
        eprint!("\r{done} of {of} batches, {seconds} s ");
        // A terminal that is gone is no reason to stop.
        let _ = std::io::stderr().flush();
    } else if done == of || done * 10 / of != (done - 1) * 10 / of {
        eprintln!("{done} of {of} batches, {seconds} s");
    }
}

fn print(report: &Report, options: &Options, start: Instant) {
    println!(
        "{:<36} {:>9} {:>12} {:>9} {:>11} {:>9} {:>11}",
        "class", "encodings", "operand sets", "faults", "undefined", "open", "differences"
    );
    let (mut encodings, mut sets, mut differences, mut undefined) = (0, 0, 0, 0);
    let mut open: BTreeMap<open::Open, usize> = BTreeMap::new();
    for (class, tally) in &report.classes {
        let left: usize = tally.open.values().sum();
        println!(
            "{class:<36} {:>9} {:>12} {:>9} {:>11} {left:>9} {:>11}",
            tally.encodings, tally.sets, tally.signals, tally.undefined, tally.differences
        );
        encodings += tally.encodings;
        sets += tally.sets;
        differences += tally.differences;
        undefined += tally.undefined;
        for (why, count) in &tally.open {
            *open.entry(*why).or_default() += count;
        }
    }
    println!();
    for (why, count) in open {
        let text = open::LIST
            .iter()
            .find(|(name, _)| *name == why)
            .map_or("", |(_, text)| text);
        println!("open, {count}: {text}");
    }
    for line in report.lines.iter().take(options.show) {
        println!("DIFFERS {line}");
    }
    for line in &report.died {
        println!("DIED {line}");
    }
    println!(
        "{encodings} encodings, {sets} operand sets, {undefined} words that are no instructions, {differences} differences; seed {}, {:.0} s",
        options.seed,
        start.elapsed().as_secs_f64()
    );
}
