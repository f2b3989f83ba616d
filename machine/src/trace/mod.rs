//! `--trace`: what happened to memory, written as it happens.
//!
//! `mm` and `process` note events while the kernel works; here they get what only the machine knows, the number of instructions
//! retired, the task that ran and its program counter, and go to a [`Recorder`]. The count of instructions is the only clock, so
//! two runs with one seed write the same bytes. While nothing is recorded it costs a test of an `Option` a trap.
//!
//! - [`record`]: an event as a name and fields, one list for both formats (documented in `docs/trace.md`).
//! - [`lines`]: JSON lines. - [`perfetto`]: Perfetto's own format, a stream of protocol buffers.
//!
//! Key types: [`Recorder`], [`Format`]. References to pages ([`Recorder::references`]) are the fills of the MMU's fast table,
//! which is emptied again and again so that a page that is used on is seen again.

mod lines;
mod perfetto;
mod record;

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use arch::{Asid, Granule, TlbOp, Trap};
use process::{Event, Pid};
use rustc_hash::FxHashMap;

use crate::Machine;
use record::{Record, Stamp};

/// Bytes that are kept before the file is written.
const BLOCK: usize = 256 << 10;

/// How a trace is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// One JSON object a line, `pagewalk.trace/1`.
    JsonLines,
    /// Perfetto's protocol buffers, for <https://ui.perfetto.dev> and `trace_processor`.
    Perfetto,
}

impl Format {
    /// What a file's name says: `.jsonl` is JSON lines; `.pftrace`, `.perfetto-trace` and `.pb` are Perfetto.
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "jsonl" => Some(Self::JsonLines),
            "pftrace" | "perfetto-trace" | "pb" => Some(Self::Perfetto),
            _ => None,
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "jsonl" => Ok(Self::JsonLines),
            "perfetto" => Ok(Self::Perfetto),
            _ => Err(format!("'{text}' is no format of traces: jsonl or perfetto")),
        }
    }
}

/// Why nothing can be recorded.
#[derive(Debug)]
pub struct RecorderError {
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for RecorderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot write the trace {}: {}",
            self.path.display(),
            self.source
        )
    }
}

impl std::error::Error for RecorderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Where events go. A file that fails in the middle is told of once, ends after its last whole record, and the program goes on.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    file: File,
    format: Format,
    buffer: Vec<u8>,
    /// Bytes of whole records that the file holds.
    written: u64,
    /// The file failed.
    broken: bool,
    /// What the person at the terminal should hear.
    news: Option<String>,
    /// Whose address space is whose.
    owners: FxHashMap<Asid, Pid>,
    /// Tracks that a Perfetto file has.
    tracks: perfetto::Tracks,
    /// References are recorded, in windows of so many instructions.
    window: Option<u64>,
    /// When the fast tables were emptied last.
    emptied: u64,
}

impl Recorder {
    /// Makes the file, or empties it.
    ///
    /// # Errors
    /// The host's, with the path.
    pub fn create(path: &Path, format: Format) -> Result<Self, RecorderError> {
        let file = File::create(path).map_err(|source| RecorderError {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            format,
            buffer: Vec::with_capacity(BLOCK + 4096),
            written: 0,
            broken: false,
            news: None,
            owners: FxHashMap::default(),
            tracks: perfetto::Tracks::default(),
            window: None,
            emptied: 0,
        })
    }

    /// Also records which pages are used: every page once, in the order of first uses, in each window of about so many
    /// instructions. A window ends where the processor comes back, so none is shorter.
    #[must_use]
    pub fn references(mut self, window: u64) -> Self {
        self.window = Some(window.max(1));
        self
    }

    fn header(&mut self, granule: Granule, frames: u32, seed: Option<u64>) {
        match self.format {
            Format::JsonLines => lines::header(&mut self.buffer, granule, frames, seed, self.window),
            Format::Perfetto => perfetto::header(&mut self.buffer),
        }
    }

    fn put(&mut self, record: &Record) {
        if self.broken {
            return;
        }
        match self.format {
            Format::JsonLines => lines::line(&mut self.buffer, record),
            Format::Perfetto => perfetto::packet(&mut self.buffer, &mut self.tracks, record),
        }
        if self.buffer.len() >= BLOCK {
            self.flush();
        }
    }

    fn event(&mut self, stamp: Stamp, event: &Event) {
        match event {
            Event::Exec { pid, space, program } => {
                self.owners.insert(*space, *pid);
                self.tracks.named(*pid, program);
            }
            Event::Fork {
                child, space, thread, ..
            } => {
                self.owners.entry(*space).or_insert(*child);
                if !thread {
                    self.tracks.forked(*child);
                }
            }
            Event::Exit { pid, .. } => self.owners.retain(|_, owner| owner != pid),
            Event::Memory(_) | Event::OutOfMemory { .. } => {}
        }
        let record = Record::of(stamp, event, &self.owners);
        self.put(&record);
    }

    /// Writes what is kept. Whole records only, so that a file that fails ends with one.
    fn flush(&mut self) {
        if self.broken || self.buffer.is_empty() {
            return;
        }
        match self.file.write_all(&self.buffer) {
            Ok(()) => self.written += self.buffer.len() as u64,
            Err(error) => {
                self.broken = true;
                // What cannot be cut off (a pipe, a device) stays as it is.
                let _ = self.file.set_len(self.written);
                let path = self.path.display();
                self.news = Some(format!(
                    "the trace {path} cannot be written on: {error}; the program goes on without it"
                ));
            }
        }
        self.buffer.clear();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Machine {
    /// Records events from now on. Those of the first program's exec are kept since [`Machine::new`] if
    /// [`process::Config::record_events`] was set, without which there are none at all.
    pub fn record(&mut self, mut recorder: Recorder) {
        let frames = self.kernel.memory().frames().total().get();
        let seed = self.kernel.config().seed;
        recorder.header(self.kernel.memory().granule(), frames, seed);
        self.mmu.record_uses(recorder.window.is_some());
        let first = Pid::new(self.kernel.config().first_pid);
        if let Some(task) = self.kernel.find(first) {
            recorder.tracks.named(first, &String::from_utf8_lossy(&task.comm));
        }
        self.recorder = Some(recorder);
        self.record_events(first, 0);
    }

    /// Runs a task until a trap, and gives it with the program counter then. While references are recorded the fast tables are
    /// emptied on the way, which changes nothing for the program.
    #[inline]
    pub(crate) fn execute(&mut self, pid: Pid, left: u64) -> (Trap, u64) {
        let (regs, ttbr) = self.kernel.context(pid);
        self.mmu.switch_to(ttbr);
        match self.recorder.as_ref().and_then(|recorder| recorder.window) {
            None => (self.cpu.run(regs, &mut self.mmu, left), regs.pc),
            Some(window) => self.execute_in_windows(pid, left, window),
        }
    }

    #[cold]
    fn execute_in_windows(&mut self, pid: Pid, left: u64, window: u64) -> (Trap, u64) {
        let end = self.cpu.retired() + left;
        loop {
            let now = self.cpu.retired();
            let (regs, _) = self.kernel.context(pid);
            let trap = self.cpu.run(regs, &mut self.mmu, (end - now).min(window));
            let pc = regs.pc;
            let retired = self.cpu.retired();
            if let Some(recorder) = &mut self.recorder
                && retired - recorder.emptied >= window
            {
                recorder.emptied = retired;
                self.mmu.maintain(TlbOp::All);
            }
            if trap != Trap::Budget || retired >= end {
                return (trap, pc);
            }
            self.record_uses(pid);
        }
    }

    /// Takes what was noted since the last time, as the doing of this task at this program counter. Task 0 is the kernel's own.
    #[inline]
    pub(crate) fn record_events(&mut self, pid: Pid, pc: u64) {
        if self.recorder.is_some() {
            self.record_noted(pid, pc);
        }
    }

    #[cold]
    fn record_noted(&mut self, pid: Pid, pc: u64) {
        self.record_uses(pid);
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        let stamp = Stamp {
            retired: self.cpu.retired(),
            pid,
            pc,
        };
        for event in self.kernel.take_events() {
            recorder.event(stamp, &event);
        }
        if recorder.broken {
            self.kernel.memory_mut().record_events(false);
            self.mmu.record_uses(false);
        }
    }

    fn record_uses(&mut self, pid: Pid) {
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        if recorder.window.is_some() {
            let stamp = Stamp {
                retired: self.cpu.retired(),
                pid,
                pc: 0,
            };
            let granule = self.mmu.granule();
            for used in self.mmu.take_uses() {
                let record = Record::of_use(stamp, &used, granule, &recorder.owners);
                recorder.put(&record);
            }
        }
    }

    /// What the person at the terminal should hear of the trace.
    pub(crate) fn trace_news(&mut self) -> Option<String> {
        self.recorder.as_mut()?.news.take()
    }

    /// Writes what is kept of the trace: the program has ended.
    pub(crate) fn finish_trace(&mut self) {
        self.record_events(Pid::new(0), 0);
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
    }
}
