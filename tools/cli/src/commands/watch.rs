//! `vmmap --watch`: looks at a process again and again, and shows it on a terminal or as lines (`run`).

use super::diff::seconds;
use crate::Failure;
use crate::screen::Screen;
use crate::target::{self, Source, Subject};
use crate::watch::{Model, Step, Stop, draw, press};
use observe::{ObserveError, Snapshot};
use procfs::{Kib, Root};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::io::Write;
use std::time::{Duration, Instant};

/// The longest that the view goes without looking at signals.
const SLICE: Duration = Duration::from_millis(100);

/// Watch the process that `target` means, every `interval` seconds (1 if it is not said).
pub(super) fn run(
    sources: &[Source],
    interval: Option<&str>,
    target: Option<&str>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let interval = match interval {
        None => Duration::from_secs(1),
        Some(word) => seconds(word).map_err(Failure::usage)?,
    };
    let missing = || Failure::usage("which process? give its id or its name: vmmap --watch [SECONDS] PID");
    let subject = target::subject(sources, target.ok_or_else(missing)?)?;
    let (root, pid) = match &subject {
        Subject::Live { source, pid } if source.root.is_live() => (source.root.as_ref(), *pid),
        _ => {
            return Err(Failure::usage(
                "--watch needs a process that runs, not a saved one",
            ));
        }
    };
    let stop = Stop::on_signals()?;
    let start = Instant::now();
    let first = Snapshot::take(root, pid)?;
    let mut watch = Watch {
        root,
        pid,
        start,
        model: Model::new(first, interval, start.elapsed()),
        stop,
    };
    if screen.width.is_some() {
        watch.on_terminal()
    } else {
        watch.as_lines(screen)
    }
}

struct Watch<'a> {
    root: &'a dyn Root,
    pid: i32,
    start: Instant,
    model: Model,
    stop: Stop,
}

impl Watch<'_> {
    /// Look again.
    fn look(&mut self) {
        let at = Instant::now();
        match Snapshot::take(self.root, self.pid) {
            Ok(snapshot) => self.model.see(snapshot, self.start.elapsed(), at.elapsed()),
            Err(
                ObserveError::NoProcess { .. } | ObserveError::Zombie { .. } | ObserveError::Vanished { .. },
            ) => {
                let after = self.start.elapsed().as_secs_f64();
                self.model.ended = Some(format!("ended after {after:.0} s; this is its last state"));
            }
            // It lives, and is looked at again.
            Err(ObserveError::Restless { .. }) => (),
            Err(error) => self.model.ended = Some(error.to_string()),
        }
    }

    fn on_terminal(&mut self) -> Result<(), Failure> {
        // Its panic hook restores the terminal too.
        let mut terminal = ratatui::try_init()?;
        let shown = self.view(&mut terminal);
        ratatui::restore();
        shown
    }

    fn view(&mut self, terminal: &mut DefaultTerminal) -> Result<(), Failure> {
        let mut looked = Instant::now();
        loop {
            terminal.draw(|frame| draw(frame, &self.model))?;
            loop {
                if self.stop.is_asked() {
                    return Ok(());
                }
                let is_still = self.model.is_paused || self.model.ended.is_some();
                let rest = self.model.pause().saturating_sub(looked.elapsed());
                if !is_still && rest.is_zero() {
                    self.look();
                    looked = Instant::now();
                    break;
                }
                let wait = if is_still { SLICE } else { rest.min(SLICE) };
                if !event::poll(wait)? {
                    continue;
                }
                match event::read()? {
                    Event::Key(key) if key.kind != KeyEventKind::Release => {
                        if press(&mut self.model, key) == Step::Quit {
                            return Ok(());
                        }
                        break;
                    }
                    Event::Resize(..) => break,
                    _ => {}
                }
            }
        }
    }

    /// A line of numbers each time, until it ends.
    fn as_lines(&mut self, out: &mut dyn Write) -> Result<(), Failure> {
        writeln!(out, "seconds\tfootprint\tresident\tdirty\tswap\tmaps\tread_ms")?;
        loop {
            writeln!(out, "{}", line(&self.model))?;
            out.flush()?;
            let (pause, begun) = (self.model.pause(), Instant::now());
            self.stop.wait(pause, || begun.elapsed() >= pause);
            if self.stop.is_asked() {
                return Ok(());
            }
            self.look();
            if let Some(why) = &self.model.ended {
                let facts = &self.model.now.facts;
                anstream::eprintln!("vmmap: process {} ({}) {why}", facts.pid, facts.name);
                return Ok(());
            }
        }
    }
}

/// Bytes, tab-separated; `-` is unknown.
fn line(model: &Model) -> String {
    let bytes = |kib: Option<Kib>| kib.map_or("-".into(), |kib| kib.bytes().to_string());
    let all = model.now.totals().all;
    let regions = model.now.regions.as_ref();
    let known = |kib: Option<Kib>| bytes(kib.filter(|_| regions.is_some()));
    [
        format!("{:.3}", model.elapsed().as_secs_f64()),
        bytes(model.footprints.last().copied().map(Kib)),
        known(all.resident),
        known(all.dirty),
        known(all.swap),
        regions.map_or("-".into(), |r| r.len().to_string()),
        format!("{:.3}", model.took.as_secs_f64() * 1e3),
    ]
    .join("\t")
}
