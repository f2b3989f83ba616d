//! A process to look at, with so many mappings and so much memory present: `target.c`, scaled to what the host has. Key
//! types: [`Shape`], [`Target`] (ended when dropped), [`Window`] (how long its mapping calls took). Neighbours:
//! [`super::wall`], [`super::stall`].

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::trouble::Trouble;

use super::helper::Helpers;

/// A target takes at most this share of the memory that is free.
const LARGEST_SHARE_PERCENT: u64 = 40;
/// Mappings that the program itself and the C library have, with room to spare.
const OWN_MAPS: u64 = 64;
/// Smaller than this, a target that should be large shows nothing.
const SMALLEST_LARGE_MIB: u64 = 256;

/// Of which pages the memory is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pages {
    /// Base pages: MADV_NOHUGEPAGE (madvise(2)).
    Small,
    /// Transparent huge pages: MADV_HUGEPAGE.
    Huge,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Mappings beside the program's own.
    pub(super) parts: u64,
    /// Present memory in all parts together.
    pub(super) mib: u64,
    pub(super) pages: Pages,
}

impl Shape {
    /// What this host can give: less memory if little is free, fewer mappings if `max_map_count` says so.
    fn scaled(self, available_mib: u64, max_map_count: Option<u64>) -> Result<Shape, String> {
        let room = available_mib.saturating_mul(LARGEST_SHARE_PERCENT) / 100;
        let mib = self.mib.min(room);
        if mib < self.mib.min(SMALLEST_LARGE_MIB) {
            return Err(format!("{available_mib} MB of memory are free: too few"));
        }
        let most = max_map_count.map_or(u64::MAX, |count| count.saturating_sub(OWN_MAPS));
        if most == 0 {
            return Err("vm.max_map_count allows no target".into());
        }
        Ok(Shape {
            parts: self.parts.min(most),
            mib,
            ..self
        })
    }
}

/// Latencies of one mmap and munmap, over a stretch of time; microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    pub(super) pairs: u64,
    pub(super) worst: f64,
    pub(super) p999: f64,
    pub(super) p99: f64,
}

impl Window {
    /// `SAMPLES MAX P999 P99 MEDIAN`, nanoseconds.
    fn parse(line: &str) -> Option<Window> {
        let numbers: Vec<u64> = line
            .split_whitespace()
            .map(|word| word.parse().ok())
            .collect::<Option<_>>()?;
        let micros = |nanoseconds: u64| nanoseconds as f64 / 1e3;
        match numbers[..] {
            [pairs, worst, p999, p99, _] if pairs > 0 => Some(Window {
                pairs,
                worst: micros(worst),
                p999: micros(p999),
                p99: micros(p99),
            }),
            _ => None,
        }
    }
}

/// A running target. It ends when this is dropped, and when this program ends in whatever way: its input is a pipe from us.
pub(super) struct Target {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    name: String,
    asked: Shape,
    /// What the host could give of that.
    scaled: Shape,
}

impl Target {
    /// Starts it and waits until all of its memory is there.
    pub(super) fn start(helpers: &Helpers, asked: Shape, core: &str) -> Result<Target, Trouble> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let scaled = asked
            .scaled(available_mib(), max_map_count())
            .map_err(Trouble::Failed)?;
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        // At most 15 bytes are kept of a name (prctl(2), PR_SET_NAME).
        let name = format!("pwb{}t{number}", std::process::id());
        let pages = match scaled.pages {
            Pages::Small => "small",
            Pages::Huge => "huge",
        };
        let bytes = scaled.mib.saturating_mul(1 << 20);
        let mut child = Command::new(helpers.target())
            .args([&name, &scaled.parts.to_string(), &bytes.to_string(), pages, core])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Trouble::file(helpers.target()))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(BufReader::new);
        let mut target = Target {
            child,
            stdin,
            stdout,
            name,
            asked,
            scaled,
        };
        let ready = target.line()?;
        if !ready.starts_with("ready ") {
            return Err(Trouble::Failed(format!("the target says {ready:?}")));
        }
        target.check_pages()?;
        Ok(target)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its command name, which no other process has.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Lets it map and unmap for so long.
    pub(super) fn window(&mut self, milliseconds: u64) -> Result<Window, Trouble> {
        self.figures_of(&format!("window {milliseconds}"))
    }

    /// Lets a thread on this core wake it for so long: how long it takes until it runs, without any lock of the target.
    pub(super) fn wakes(&mut self, milliseconds: u64, core: &str) -> Result<Window, Trouble> {
        self.figures_of(&format!("wakes {milliseconds} {core}"))
    }

    fn figures_of(&mut self, request: &str) -> Result<Window, Trouble> {
        if let Some(stdin) = &mut self.stdin {
            writeln!(stdin, "{request}").map_err(Trouble::file("target"))?;
        }
        let line = self.line()?;
        Window::parse(&line).ok_or_else(|| Trouble::Failed(format!("the target says {line:?}")))
    }

    /// What it has and what was asked for, in words.
    pub(super) fn describe(&self) -> Result<String, Trouble> {
        let maps = self.read("maps")?.lines().count();
        let rollup = self.read("smaps_rollup")?;
        let mut text = format!(
            "{maps} maps, {} MB resident, {} MB of it huge",
            field_mib(&rollup, "Rss:"),
            field_mib(&rollup, "AnonHugePages:")
        );
        if self.scaled.mib < self.asked.mib {
            let _ = write!(
                text,
                "; asked: {} MB, but at most {LARGEST_SHARE_PERCENT} % of what is free",
                self.asked.mib
            );
        }
        if self.scaled.parts < self.asked.parts {
            let _ = write!(text, "; asked: {} maps, but max_map_count", self.asked.parts);
        }
        Ok(text)
    }

    /// A target of huge pages without huge pages would be measured under a wrong name; so would the reverse.
    fn check_pages(&self) -> Result<(), Trouble> {
        let rollup = self.read("smaps_rollup")?;
        let (resident, huge) = (field_mib(&rollup, "Rss:"), field_mib(&rollup, "AnonHugePages:"));
        match self.asked.pages {
            Pages::Huge if huge < resident / 2 => Err(Trouble::Failed(format!(
                "no huge pages here: {huge} of {resident} MB"
            ))),
            Pages::Small if huge > resident / 10 => Err(Trouble::Failed(format!(
                "the kernel gives huge pages: {huge} of {resident} MB"
            ))),
            _ => Ok(()),
        }
    }

    fn read(&self, file: &str) -> Result<String, Trouble> {
        let path = format!("/proc/{}/{file}", self.pid());
        fs::read_to_string(&path).map_err(Trouble::file(path))
    }

    fn line(&mut self) -> Result<String, Trouble> {
        let mut line = String::new();
        if let Some(stdout) = &mut self.stdout {
            stdout.read_line(&mut line).map_err(Trouble::file("target"))?;
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It may have ended already; then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A field of smaps_rollup or meminfo, which count in kB; 0 if it is not there.
fn field_mib(text: &str, name: &str) -> u64 {
    let value = |line: &str| {
        line.strip_prefix(name)?
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    };
    text.lines().find_map(value).unwrap_or(0) / 1024
}

fn available_mib() -> u64 {
    field_mib(
        &fs::read_to_string("/proc/meminfo").unwrap_or_default(),
        "MemAvailable:",
    )
}

fn max_map_count() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/vm/max_map_count").ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        parts: 60_000,
        mib: 8192,
        pages: Pages::Small,
    };

    #[test]
    fn a_target_is_scaled_to_the_host() {
        let scaled = |free, maps| SHAPE.scaled(free, maps).map(|shape| (shape.parts, shape.mib));
        assert_eq!(scaled(100_000, Some(65_530)), Ok((60_000, 8192)));
        assert_eq!(scaled(10_000, Some(10_064)), Ok((10_000, 4000)));
        assert!(scaled(600, None).is_err());
        assert!(scaled(100_000, Some(0)).is_err());
    }

    #[test]
    fn windows_are_read() {
        let window = Window::parse("6000 354629 123930 48730 12240").unwrap();
        assert_eq!((window.pairs, window.worst, window.p99), (6000, 354.629, 48.73));
        assert_eq!(Window::parse("0 0 0 0 0"), None);
        assert_eq!(Window::parse("5 4 3"), None);
    }

    #[test]
    fn a_target_is_what_was_asked_for_and_ends_with_its_handle() {
        let helpers = Helpers::build().unwrap();
        let asked = Shape {
            parts: 300,
            mib: 12,
            ..SHAPE
        };
        let mut target = Target::start(&helpers, asked, "-").unwrap();
        let path = format!("/proc/{}", target.pid());
        let comm = fs::read_to_string(format!("{path}/comm")).unwrap();
        assert_eq!(comm.trim_end(), target.name());
        let maps = fs::read_to_string(format!("{path}/maps"))
            .unwrap()
            .lines()
            .count();
        assert!((300..300 + OWN_MAPS as usize).contains(&maps), "{maps}");
        let resident = field_mib(&target.read("smaps_rollup").unwrap(), "Rss:");
        assert!((12..20).contains(&resident), "{resident}");
        assert!(target.window(20).unwrap().pairs > 0);
        drop(target);
        assert!(!fs::exists(path).unwrap());
    }
}
