//! The two C programs: `clock` runs a command and tells its time and its memory, `target` is looked at. Compiled once a run
//! into `target/bench-vmmap`. Key types: [`Helpers`], [`Cost`], [`Reading`] (a command in a loop). Neighbours:
//! [`super::target`], [`super::wall`], [`super::stall`].
//!
//! Why not this program itself: the kernel counts the resident set of whoever forks into `ru_maxrss` of the child, and a
//! scheduling class can be handed down without unsafe code.

use std::fs;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::command::{capture, root, run, target};
use crate::toolchain::host_compiler;
use crate::trouble::Trouble;

/// No single command takes this long.
const LIMIT: Duration = Duration::from_secs(60);

/// Under which class the kernel schedules what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheduler {
    /// SCHED_FIFO (sched(7)): other load of the machine hardly disturbs.
    Fifo,
    /// The ordinary one, for want of the right to the other.
    Ordinary,
}

impl Scheduler {
    pub(super) fn word(self) -> &'static str {
        match self {
            Scheduler::Fifo => "SCHED_FIFO",
            Scheduler::Ordinary => "the ordinary scheduler (no right to SCHED_FIFO)",
        }
    }

    /// As the C programs say it.
    fn parse(word: &str) -> Option<Scheduler> {
        match word {
            "fifo" => Some(Scheduler::Fifo),
            "other" => Some(Scheduler::Ordinary),
            _ => None,
        }
    }
}

/// What a command cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    pub(super) milliseconds: f64,
    /// The largest resident set of the process.
    pub(super) peak_mib: f64,
}

/// The compiled programs.
pub(super) struct Helpers {
    clock: PathBuf,
    target: PathBuf,
    pub(super) scheduler: Scheduler,
}

impl Helpers {
    pub(super) fn build() -> Result<Helpers, Trouble> {
        let folder = target().join("bench-vmmap");
        fs::create_dir_all(&folder).map_err(Trouble::file(&folder))?;
        let mut helpers = Helpers {
            clock: compile(&folder, "clock")?,
            target: compile(&folder, "target")?,
            scheduler: Scheduler::Ordinary,
        };
        let words = ["once", "-", "true"].map(str::to_owned);
        helpers.scheduler = parse_once(&helpers.ask(&words)?)?.1;
        Ok(helpers)
    }

    /// The target's program.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Runs a command once, wherever the scheduler likes; an error text if it did not end well.
    pub(super) fn cost(&self, words: &[String]) -> Result<Cost, Trouble> {
        let mut all = vec!["once".to_owned(), "-".to_owned()];
        all.extend_from_slice(words);
        Ok(parse_once(&self.ask(&all)?)?.0)
    }

    fn ask(&self, words: &[String]) -> Result<String, Trouble> {
        let done = capture(Command::new(&self.clock).args(words), b"", LIMIT)?;
        if done.status != 0 || done.late {
            return Err(failed(words, &done.stderr));
        }
        let text = done.text();
        // The clock tells the command's status; the command has told the reason.
        let status = text.split_whitespace().nth(2);
        if status != Some("0") {
            let why = done.stderr.lines().next().unwrap_or("says nothing");
            return Err(failed(
                words,
                &format!("status {}: {why}", status.unwrap_or("unknown")),
            ));
        }
        Ok(text)
    }

    /// Runs a command again and again on this core until [`Reading::stop`].
    pub(super) fn reading(&self, core: &str, words: &[String]) -> Result<Reading, Trouble> {
        let mut child = Command::new(&self.clock)
            .args(["loop", core])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Trouble::file(&self.clock))?;
        let stdout = child.stdout.take().map(BufReader::new);
        let mut reading = Reading {
            child,
            stdout,
            words: words.to_vec(),
        };
        let first = reading.line()?;
        if first != "looping" {
            return Err(failed(words, &format!("the clock says {first:?}")));
        }
        Ok(reading)
    }
}

/// Compiles under a name of its own and renames it: a second run at the same time sees a whole program.
fn compile(folder: &Path, name: &str) -> Result<PathBuf, Trouble> {
    static COMPILED: AtomicU32 = AtomicU32::new(0);
    let number = COMPILED.fetch_add(1, Ordering::Relaxed);
    let fresh = folder.join(format!("{name}.{}.{number}", std::process::id()));
    let source = root().join("xtask/src/bench_vmmap").join(format!("{name}.c"));
    run(host_compiler()
        .args(["-O2", "-Wall", "-Wextra", "-o"])
        .args([&fresh, &source]))?;
    let program = folder.join(name);
    fs::rename(&fresh, &program).map_err(Trouble::file(&fresh))?;
    Ok(program)
}

fn failed(words: &[String], why: &str) -> Trouble {
    Trouble::Command {
        line: words.join(" "),
        why: why.trim().to_owned(),
    }
}

/// `NANOSECONDS KIB STATUS fifo|other`.
fn parse_once(text: &str) -> Result<(Cost, Scheduler), Trouble> {
    let parsed = || {
        let mut words = text.split_whitespace();
        let nanoseconds: f64 = words.next()?.parse().ok()?;
        let kib: f64 = words.next()?.parse().ok()?;
        let scheduler = Scheduler::parse(words.nth(1)?)?;
        let cost = Cost {
            milliseconds: nanoseconds / 1e6,
            peak_mib: kib / 1024.0,
        };
        Some((cost, scheduler))
    };
    parsed().ok_or_else(|| Trouble::Failed(format!("the clock says {text:?}")))
}

/// A command in a loop; ended when this is dropped.
pub(super) struct Reading {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    words: Vec<String>,
}

impl Reading {
    fn line(&mut self) -> Result<String, Trouble> {
        let mut line = String::new();
        if let Some(stdout) = &mut self.stdout {
            stdout.read_line(&mut line).map_err(Trouble::file("clock"))?;
        }
        Ok(line.trim_end().to_owned())
    }

    /// Lets the command that runs end; how often it ran. An error if it did not end well each time.
    pub(super) fn stop(mut self) -> Result<u64, Trouble> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        if let Some(stdout) = &mut self.stdout {
            stdout.read_to_string(&mut text).map_err(Trouble::file("clock"))?;
        }
        let numbers: Vec<u64> = text
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        match numbers[..] {
            [runs, 0, _] if runs > 0 => Ok(runs),
            [runs, bad, status] => Err(failed(
                &self.words,
                &format!("status {status} in {bad} of {runs} runs"),
            )),
            _ => Err(failed(&self.words, "the clock ended early")),
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // The clock takes its command with it (PR_SET_PDEATHSIG). After `stop` it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_clock_tells_time_memory_and_failure() {
        let helpers = Helpers::build().unwrap();
        let slept = helpers.cost(&words("sleep 0.05")).unwrap();
        assert!(slept.milliseconds >= 50.0, "{slept:?}");
        assert!(slept.peak_mib > 0.1 && slept.peak_mib < 50.0, "{slept:?}");
        let error = helpers.cost(&words("cat /no/such/file")).unwrap_err().to_string();
        assert!(
            error.contains("status 1") && error.contains("No such file"),
            "{error}"
        );
        let error = helpers.cost(&words("/no/such/program")).unwrap_err().to_string();
        assert!(error.contains("status 127"), "{error}");
    }

    #[test]
    fn a_loop_counts_its_runs_and_its_failures() {
        let helpers = Helpers::build().unwrap();
        let reading = helpers.reading("-", &words("true")).unwrap();
        assert!(reading.stop().unwrap() >= 1);
        let reading = helpers.reading("-", &words("false")).unwrap();
        let error = reading.stop().unwrap_err().to_string();
        assert!(error.contains("status 1"), "{error}");
    }

    #[test]
    fn a_strange_answer_is_an_error() {
        assert!(parse_once("12 x 0 fifo").is_err());
        assert!(parse_once("").is_err());
        let (cost, scheduler) = parse_once("1500000 2048 0 other\n").unwrap();
        assert_eq!((cost.milliseconds, cost.peak_mib), (1.5, 2.0));
        assert_eq!(scheduler, Scheduler::Ordinary);
    }
}
