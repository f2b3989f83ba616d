//! What `vmmap` does with time: `--save`, `--diff`, `-d`, `--wss` and `--watch` ([`TimeArgs`]).

use super::vmmap::whole;
use super::watch;
use crate::screen::Screen;
use crate::target::{self, Source, Subject};
use crate::watch::Stop;
use crate::{Failure, size};
use arch::Bytes;
use observe::diff::{self, Diff};
use observe::json::file;
use observe::render::Options;
use observe::{ObserveError, Snapshot, Take, wss};
use procfs::{PidStat, Root};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Options of `vmmap` that have to do with time.
#[derive(Debug, Default, clap::Args)]
pub struct TimeArgs {
    /// Save what is seen into FILE (gzip, readable by you only) and show nothing; `vmmap FILE` shows it
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    save: Option<PathBuf>,

    /// With --save: replace FILE even if it is no saved snapshot
    #[arg(long, requires = "save")]
    force: bool,

    /// What changed from A to B, each a process or a saved file; regions are matched by what they are, not by address
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["target", "save"])]
    diff: Option<Vec<String>>,

    /// What changes within so many seconds (fractions allowed; Ctrl-C ends it early)
    #[arg(short = 'd', long = "delta", value_name = "SECONDS", value_parser = seconds, conflicts_with_all = ["diff", "save"])]
    delta: Option<Duration>,

    /// With --diff or -d: exit status 4 if the footprint grew by more than SIZE, such as 64k
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    fail_if_grown: Option<Bytes>,

    /// Working set: which memory is used within so many seconds. Resets the kernel's referenced bits; stalls the process shortly
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with_all = ["diff", "save", "delta"])]
    wss: Option<Duration>,

    /// Show how its memory changes, every so many seconds (1); one line each time where the output is no terminal
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, conflicts_with_all = ["diff", "save", "delta", "wss", "json"])]
    watch: Option<Option<String>>,
}

/// How what is asked for is shown.
pub(super) struct Shape<'a> {
    pub(super) options: &'a Options,
    pub(super) is_json: bool,
    /// A page of HTML into this file.
    pub(super) html: Option<&'a Path>,
}

/// A time in seconds, up to a year.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let time = text
        .parse()
        .ok()
        .and_then(|s| Duration::try_from_secs_f64(s).ok());
    time.filter(|time| (Duration::from_millis(1)..Duration::from_secs(366 * 86_400)).contains(time))
        .ok_or_else(|| format!("'{text}' is no time: write seconds, such as 5 or 0.5"))
}

impl TimeArgs {
    /// Whether a snapshot is saved, which then holds all that can be had.
    pub(super) fn is_saving(&self) -> bool {
        self.save.is_some()
    }

    /// Whether one of them is given.
    pub(super) fn is_asked(&self) -> bool {
        self.save.is_some()
            || self.diff.is_some()
            || self.delta.is_some()
            || self.wss.is_some()
            || self.watch.is_some()
            || self.fail_if_grown.is_some()
    }

    /// The interval and the target of `--watch`: its time may be left out, and then its word is the target.
    fn watching<'a>(&'a self, target: Option<&'a str>) -> (Option<&'a str>, Option<&'a str>) {
        let word = self.watch.as_ref().and_then(|word| word.as_deref());
        match target {
            Some(target) => (word, Some(target)),
            None => (None, word),
        }
    }

    /// Do what is asked instead of the report; `None` if it is the report.
    ///
    /// # Errors
    /// [`Failure`] if a process or file cannot be shown, or the footprint grew more than it may.
    pub(super) fn run(
        &self,
        sources: &[Source],
        target: Option<&str>,
        screen: &mut Screen,
        shape: &Shape<'_>,
        take: Take,
    ) -> Option<Result<(), Failure>> {
        if self.fail_if_grown.is_some() && self.diff.is_none() && self.delta.is_none() {
            return Some(Err(Failure::usage("--fail-if-grown goes with --diff or -d")));
        }
        let one = || {
            let missing = || Failure::usage("which process? give its id, its name, or a saved file");
            target::subject(sources, target.ok_or_else(missing)?)
        };
        if let Some([before, after]) = self.diff.as_deref() {
            let mut both = || {
                let before = target::subject(sources, before)?.snapshot(take)?;
                let later = target::subject(sources, after)?;
                let after = later.snapshot(take)?;
                let root = running(&later).map(|(source, _)| source.root.as_ref());
                self.show(&before, &after, root, screen, shape)
            };
            return Some(both());
        }
        if let Some(time) = self.delta {
            return Some(one().and_then(|subject| {
                let (source, pid) = live(&subject, "-d")?;
                let root = source.root.as_ref();
                let (before, after) = two_looks(root, pid, time, take)?;
                self.show(&before, &after, Some(root), screen, shape)
            }));
        }
        if let Some(time) = self.wss {
            return Some(one().and_then(|subject| {
                let (source, pid) = live(&subject, "--wss")?;
                working_set(source.root.as_ref(), pid, time, screen, shape)
            }));
        }
        if self.watch.is_some() {
            let (interval, target) = self.watching(target);
            return Some(watch::run(sources, interval, target, screen));
        }
        let file = self.save.as_ref()?;
        Some(one().and_then(|subject| {
            let snapshot = subject.snapshot(take)?;
            file::save(&snapshot, file, self.force).map_err(|e| Failure::new(e.to_string()))?;
            // What could be seen is saved; whether that is all, the exit status says.
            whole(&snapshot)
        }))
    }

    /// `root`: where the later side lives, if it does.
    fn show(
        &self,
        before: &Snapshot,
        after: &Snapshot,
        root: Option<&dyn Root>,
        screen: &mut Screen,
        shape: &Shape<'_>,
    ) -> Result<(), Failure> {
        use std::io::Write;
        let diff = Diff::between(before, after);
        if let Some(file) = shape.html {
            super::html::write(after, root, Some(&diff), file, screen)?;
        } else if shape.is_json {
            diff::write_json(&diff, screen)?;
        } else {
            diff::report(&diff, shape.options, screen)?;
        }
        screen.flush()?;
        match self.fail_if_grown {
            Some(most) => within(&diff, most),
            None => Ok(()),
        }
    }
}

/// Exit status of [`TimeArgs::fail_if_grown`].
const GROWN: u8 = 4;

fn within(diff: &Diff<'_>, most: Bytes) -> Result<(), Failure> {
    let Some(growth) = diff.footprint_growth() else {
        return Err(Failure::partial("how much the footprint grew is not known"));
    };
    if i128::from(growth) <= i128::from(most.get()) {
        return Ok(());
    }
    Err(Failure {
        code: GROWN,
        message: format!("the footprint grew by {growth} bytes, more than {}", most.get()),
    })
}

/// Where the process runs, if it does.
fn running<'a>(subject: &Subject<'a>) -> Option<(&'a Source, i32)> {
    match subject {
        Subject::Live { source, pid } if source.root.is_live() => Some((source, *pid)),
        _ => None,
    }
}

/// The process, which must be alive for this option.
fn live<'a>(subject: &Subject<'a>, option: &str) -> Result<(&'a Source, i32), Failure> {
    running(subject)
        .ok_or_else(|| Failure::usage(format!("{option} needs a process that runs, not a saved one")))
}

fn two_looks(root: &dyn Root, pid: i32, time: Duration, take: Take) -> Result<(Snapshot, Snapshot), Failure> {
    let stop = Stop::on_signals()?;
    let before = Snapshot::take_with(root, pid, take)?;
    let start = Instant::now();
    wait(root, pid, time, &stop);
    let after =
        Snapshot::take_with(root, pid, take).map_err(|error| ended(error, &before, start.elapsed()))?;
    Ok((before, after))
}

/// Wait, but no longer than the process lives.
fn wait(root: &dyn Root, pid: i32, time: Duration, stop: &Stop) {
    let path = format!("{pid}/stat");
    let has_ended = || {
        let stat = root.parse::<PidStat>(&path);
        stat.map_or(true, |stat| matches!(stat.state, b'Z' | b'X'))
    };
    stop.wait(time, has_ended);
}

/// It ended before the second look.
fn ended(error: ObserveError, before: &Snapshot, after: Duration) -> Failure {
    match error {
        ObserveError::NoProcess { .. } | ObserveError::Zombie { .. } | ObserveError::Vanished { .. } => {
            let facts = &before.facts;
            Failure::new(format!(
                "process {} ({}) ended within {:.1} s of the first look: there is no second one to compare",
                facts.pid,
                facts.name,
                after.as_secs_f64().max(0.1)
            ))
        }
        error => error.into(),
    }
}

fn working_set(
    root: &dyn Root,
    pid: i32,
    time: Duration,
    screen: &mut Screen,
    shape: &Shape<'_>,
) -> Result<(), Failure> {
    use std::io::Write;
    if !root.is_this_host() {
        return Err(Failure::usage(
            "--wss needs a process of this host: only its kernel can reset the referenced bits",
        ));
    }
    let before = Snapshot::take(root, pid)?;
    let stop = Stop::on_signals()?;
    // Before anything is touched, so that the user can still say no.
    anstream::eprintln!("vmmap: {}", wss::Prediction::of(&before));
    let cleared = wss::clear(pid).map_err(|e| {
        Failure::new(format!(
            "cannot reset the referenced bits of process {pid}: {e}; its owner or root can"
        ))
    })?;
    let start = Instant::now();
    wait(root, pid, time, &stop);
    let interval = start.elapsed();
    let after = Snapshot::take(root, pid).map_err(|error| ended(error, &before, interval))?;
    if shape.is_json {
        observe::json::write(&after, screen)?;
    } else {
        wss::report(&after, interval, cleared, shape.options, screen)?;
    }
    Ok(screen.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_with_fractions() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(seconds("3"), Ok(Duration::from_secs(3)));
        for wrong in ["", "0", "-1", "x", "nan", "inf", "1e30", "1s"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_word_behind_watch_is_the_target_if_there_is_no_other() {
        let args = TimeArgs {
            watch: Some(Some("7".into())),
            ..TimeArgs::default()
        };
        assert_eq!(args.watching(None), (None, Some("7")));
        assert_eq!(args.watching(Some("8")), (Some("7"), Some("8")));
    }
}
