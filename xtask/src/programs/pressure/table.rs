//! The table of `cargo xtask pressure`: a line for each run. Key types: [`Line`], [`Table`]. Neighbour: [`super`].

use std::fmt;

use crate::command::Done;
use crate::end_to_end::stats;

use super::{Setting, figure, same};

/// One run under pressure, beside the one with plenty of RAM.
#[derive(Debug)]
pub(super) struct Line {
    program: &'static str,
    setting: Setting,
    same: bool,
    major: u64,
    pages_in: u64,
    pages_out: u64,
    seconds: f64,
    plenty: f64,
}

impl Line {
    pub(super) fn new(program: &'static str, setting: &Setting, done: &Done, plenty: &Done) -> Line {
        let stats = stats(&done.stderr).unwrap_or_default();
        Line {
            program,
            setting: setting.clone(),
            same: same(plenty, done).is_ok(),
            major: figure(&stats, "faults", "major"),
            pages_in: figure(&stats, "swap", "pswpin"),
            pages_out: figure(&stats, "swap", "pswpout"),
            seconds: done.wall.as_secs_f64(),
            plenty: plenty.wall.as_secs_f64(),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<8} {:<4} {:<8} {:<10} {:>5} {:<5} {:>9} {:>9} {:>9} {:>8.1} {:>7.2}",
            self.program,
            self.setting.page.word(),
            self.setting.policy,
            if self.setting.compressed {
                "compressed"
            } else {
                "file"
            },
            self.setting.ram,
            if self.same { "same" } else { "OTHER" },
            self.major,
            self.pages_in,
            self.pages_out,
            self.seconds,
            self.seconds / self.plenty,
        )
    }
}

/// All runs.
#[derive(Debug, Default)]
pub(super) struct Table {
    lines: Vec<Line>,
}

impl Table {
    pub(super) fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Runs whose bytes were not those of the run with plenty of RAM.
    pub(super) fn failed(&self) -> usize {
        self.lines.iter().filter(|line| !line.same).count()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<8} {:<4} {:<8} {:<10} {:>5} {:<5} {:>9} {:>9} {:>9} {:>8} {:>7}",
            "program", "page", "policy", "swap", "RAM", "bytes", "major", "in", "out", "seconds", "ratio"
        )?;
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        writeln!(
            f,
            "{} of {} runs gave the bytes of the run with plenty of RAM; ratio = seconds / seconds with plenty",
            self.lines.len() - self.failed(),
            self.lines.len()
        )
    }
}
