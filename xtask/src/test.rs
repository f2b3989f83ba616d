//! `cargo xtask test`: everything that a fresh clone must pass: the release programs build, `cargo test` of the workspace,
//! the end-to-end matrix. The last line is `N passed, N failed, N skipped`. Neighbour: [`crate::end_to_end`].

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use crate::command::{cargo, heading, run as run_command, target};
use crate::end_to_end::Plan;
use crate::outcome::{Tally, run_all};
use crate::runner::Runner;
use crate::toolchain::{busybox, qemu};
use crate::trouble::Trouble;

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    runner: Option<String>,
    only: Option<String>,
    no_cargo: bool,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Options, Trouble> {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().map(|value| (*value).to_owned());
            match *word {
                "--runner" => options.runner = value(),
                "--only" => {
                    options.only = value();
                    options.no_cargo = true;
                }
                "--no-cargo" => options.no_cargo = true,
                other => return Err(Trouble::Usage(format!("test does not know {other}"))),
            }
        }
        Ok(options)
    }
}

/// The release build of `pagewalk`; built if it is out of date.
pub(crate) fn release_pagewalk() -> Result<PathBuf, Trouble> {
    run_command(&mut cargo(&["build", "--release", "--package", "cli"]))?;
    Ok(target().join("release/pagewalk"))
}

/// Runs the subcommand.
pub(crate) fn run(words: &[&str]) -> Result<(), Trouble> {
    let options = Options::parse(words)?;
    let mut tally = Tally::default();
    if !options.no_cargo {
        heading("cargo test");
        timed(|| cargo_test(&mut tally))?;
    }
    heading("end to end");
    timed(|| end_to_end(&options, &mut tally))?;
    if tally.skipped > 0 {
        println!(
            "\nNOTE: skipped: {}. The lines above that begin with SKIPPED say why.",
            tally.skipped
        );
    }
    println!("\n{tally}");
    if tally.failed > 0 {
        return Err(Trouble::Failed(format!("{} failed", tally.failed)));
    }
    Ok(())
}

fn timed(body: impl FnOnce() -> Result<(), Trouble>) -> Result<(), Trouble> {
    let start = Instant::now();
    body()?;
    println!("   ({:.0} s)", start.elapsed().as_secs_f64());
    Ok(())
}

fn end_to_end(options: &Options, tally: &mut Tally) -> Result<(), Trouble> {
    let runner = match &options.runner {
        Some(name) => Runner::named(name),
        None => Runner::Machine(release_pagewalk()?),
    };
    // Fetched here, once, before several threads need them; a host without apt is told at each check.
    for fetched in [busybox(), qemu()] {
        if let Err(trouble) = fetched {
            println!("note: {trouble}");
        }
    }
    let mut checks = Plan { runner }.checks()?;
    if let Some(word) = &options.only {
        checks.retain(|check| check.name.contains(word.as_str()));
    }
    tally.add(run_all(checks));
    Ok(())
}

/// `cargo test` of the workspace, shown as it runs and counted.
fn cargo_test(tally: &mut Tally) -> Result<(), Trouble> {
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
    let started = command.stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| Trouble::Command {
        line: "cargo test".into(),
        why: error.to_string(),
    })?;
    let mut counted = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            counted.add(summary(&line).unwrap_or_default());
            if !quiet(&line) {
                println!("{line}");
            }
        }
    }
    let status = child.wait().map_err(Trouble::file("cargo test"))?;
    if !status.success() && counted.failed == 0 {
        println!("FAILED  cargo test: {status}");
        counted.failed = 1;
    }
    tally.add(counted);
    Ok(())
}

/// Lines of a test run that say nothing new.
fn quiet(line: &str) -> bool {
    line.is_empty() || line.starts_with("running ") || (line.starts_with("test ") && line.ends_with("... ok"))
}

/// The counts of a line `test result: ok. 4 passed; 0 failed; 1 ignored; ...`.
fn summary(line: &str) -> Option<Tally> {
    let rest = line.strip_prefix("test result: ")?;
    let count = |word: &str| -> Option<u64> {
        let field = rest
            .split([';', '.'])
            .find(|field| field.trim_end().ends_with(word))?;
        field.split_whitespace().next()?.parse().ok()
    };
    Some(Tally {
        passed: count("passed")?,
        failed: count("failed")?,
        skipped: count("ignored")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_cargo() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s";
        assert_eq!(
            summary(line),
            Some(Tally {
                passed: 12,
                failed: 3,
                skipped: 1
            })
        );
        assert_eq!(summary("test a ... ok"), None);
    }

    #[test]
    fn options_are_read() {
        let options = Options::parse(&["--runner", "qemu-aarch64", "--only", "cow"]).unwrap();
        assert_eq!(options.runner.as_deref(), Some("qemu-aarch64"));
        assert!(options.no_cargo);
        assert!(Options::parse(&["--fast"]).is_err());
    }
}
