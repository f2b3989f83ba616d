//! An ELF core file as a tree shaped like `/proc` with one process in it ([`CoreRoot`]; core(5)).
//!
//! All tools work on it as on any other root. `PID/maps` is made of the segments and NT_FILE, `PID/mem` reads what was dumped, the
//! rest comes from the notes. There is no `smaps` and no `pagemap`: what was resident, dirty or swapped is not in a core. What is (the
//! signal, the threads' registers, how much was dumped) is in [`CoreFacts`], and [`CoreRoot::snapshot`] puts it into the report.
//!
//! Read: 64-bit little-endian cores of x86-64 and AArch64, by the kernel, by gdb and by qemu-user. Memory is read with `pread`
//! where it is asked for; a core of any size costs as much as its headers and notes. A core that is cut short opens, and
//! [`CoreFacts::cut`] says what is missing.
//!
//! Neighbours: `headers`, `notes` and `prstatus` read the file; `regions` names the mappings; `texts` prints. Absent: the files that were
//! mapped. They may be others by now, and are never opened.

mod document;
mod error;
mod facts;
mod headers;
mod image;
mod memory;
mod notes;
mod prstatus;
mod regions;
mod texts;

pub use error::{CoreError, CutShort};
pub use facts::{CoreFacts, Dumped};
pub use headers::Machine;
pub use prstatus::{CoreThread, Signal};

pub(crate) use document::CoreJson;

use crate::{Gap, ObserveError, Snapshot};
use headers::Headers;
use memory::Memory;
use notes::Notes;
use procfs::{Root, RootError, Text};
use regions::Regions;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use texts::Sizes;

/// A core file, opened.
#[derive(Debug)]
pub struct CoreRoot {
    shown: String,
    memory: Memory,
    notes: Notes,
    regions: Regions,
    sizes: Sizes,
    facts: CoreFacts,
}

impl CoreRoot {
    /// Open a core file, and read its headers and notes.
    ///
    /// # Errors
    /// [`CoreError`], one line: not a core, compressed, of another processor, damaged, or cut short before anything of the process.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CoreError> {
        let path = path.as_ref();
        let io_error = |source| CoreError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io_error)?;
        let headers = headers::read(&file, path)?;
        let notes = notes::read(&file, &headers.notes, headers.machine).map_err(io_error)?;
        let memory = Memory::new(file, headers.loads.clone());
        let regions = Regions::of(&memory, &notes, headers.machine);
        let sizes = Sizes {
            virtual_bytes: virtual_bytes(&regions),
            is_complete: !notes.by_gdb,
        };
        let facts = core_facts(&headers, &notes, &regions);
        Ok(Self {
            shown: path.display().to_string(),
            memory,
            notes,
            regions,
            sizes,
            facts,
        })
    }

    /// The process's id, as its PID namespace had it. 0 if the notes do not tell (the facts' gaps say so then).
    #[must_use]
    pub fn pid(&self) -> i32 {
        let first = self.notes.threads.first().map(|t| t.tid);
        self.notes.process.as_ref().map(|p| p.pid).or(first).unwrap_or(0)
    }

    /// What only a core tells.
    #[must_use]
    pub fn facts(&self) -> &CoreFacts {
        &self.facts
    }

    /// The report's content: [`Snapshot::take`] through this root, completed with [`CoreFacts`].
    ///
    /// # Errors
    /// As [`Snapshot::take`].
    pub fn snapshot(&self) -> Result<Snapshot, ObserveError> {
        let mut snapshot = Snapshot::take(self, self.pid())?;
        self.facts.clone().complete(&mut snapshot);
        Ok(snapshot)
    }

    /// A text of the process, by its name below `PID/`; `None` if a core does not hold it.
    fn text(&self, name: &str) -> Option<Vec<u8>> {
        let pid = self.pid();
        let thread = |tid: i32| self.notes.threads.iter().find(|t| t.tid == tid);
        Some(match name {
            "stat" => texts::stat(pid, &self.notes, thread(pid), &self.sizes),
            "status" => texts::status(pid, &self.notes, &self.sizes),
            "maps" => self.regions.lines.print(),
            "comm" => texts::comm(&self.notes)?,
            "cmdline" => texts::cmdline(&self.notes)?,
            "auxv" => self.notes.auxv.as_ref()?.print(),
            _ => {
                let (tid, file) = name.strip_prefix("task/")?.split_once('/')?;
                let tid: i32 = tid.parse().ok()?;
                match file {
                    "stat" => texts::stat(pid, &self.notes, Some(thread(tid)?), &self.sizes),
                    "comm" if tid == pid => texts::comm(&self.notes)?,
                    _ => return None,
                }
            }
        })
    }

    /// The part of the path below `PID/`.
    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let (pid, rest) = path.split_once('/')?;
        (pid.parse() == Ok(self.pid())).then_some(rest)
    }
}

fn virtual_bytes(regions: &Regions) -> u64 {
    let own = regions.lines.iter().filter(|l| l.name != b"[vsyscall]");
    own.fold(0, |sum, line| sum.saturating_add(line.len()))
}

fn core_facts(headers: &Headers, notes: &Notes, regions: &Regions) -> CoreFacts {
    let cursig = notes.threads.first().map_or(0, |t| t.signal);
    let signal = match cursig {
        0 if notes.by_gdb => None,
        _ => notes.signal.or_else(|| {
            (cursig != 0).then_some(Signal {
                number: cursig.into(),
                code: None,
                fault: None,
                sender: None,
            })
        }),
    };
    let dumped = |l: &headers::Load| Dumped {
        start: procfs::Addr(l.start),
        end: procfs::Addr(l.end),
        dumped: l.dumped,
        readable: l.readable,
    };
    CoreFacts {
        machine: headers.machine,
        signal,
        threads: notes.threads.clone(),
        segments: headers.loads.iter().map(dumped).collect(),
        by_gdb: notes.by_gdb,
        cut: headers.cut,
        gaps: gaps(headers, notes, regions),
    }
}

/// What the report lacks beside what no core has.
fn gaps(headers: &Headers, notes: &Notes, regions: &Regions) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut add = |what: &'static str, why: String| {
        gaps.push(Gap {
            what: what.into(),
            why,
        })
    };
    if let Some(cut) = &headers.cut {
        add("the end of the core file", cut.to_string());
    }
    if headers.bad_segments > 0 {
        let why = format!("{} segments overlap others or have no end", headers.bad_segments);
        add("all of memory", why);
    }
    if notes.process.is_none() {
        add(
            "the process's name and parent",
            "the core file has no note NT_PRPSINFO".into(),
        );
    }
    if notes.threads.is_empty() {
        add("the threads", "the core file has no note NT_PRSTATUS".into());
    }
    if notes.files.is_none() {
        add(
            "names of mapped files",
            "the core file has no note NT_FILE".into(),
        );
    }
    if regions.without_protection > 0 {
        let why = format!(
            "{} mappings of files have no segment; they are shown as ---",
            regions.without_protection
        );
        add("some protections", why);
    }
    if notes.by_gdb {
        let why = "gdb writes r-- for memory without access, and leaves out mappings that it did not dump";
        add("guards and reserved address space", why.into());
    }
    add(
        "which mappings are shared",
        "a core file does not tell MAP_SHARED from MAP_PRIVATE".into(),
    );
    gaps
}

/// Why a file of `/proc` has no counterpart in a core.
fn absent(path: &str) -> RootError {
    let name = path.rsplit('/').next().unwrap_or(path);
    let why = match name {
        "smaps" | "smaps_rollup" | "pagemap" | "statm" | "numa_maps" => {
            "a core file does not hold it: what was resident is not dumped"
        }
        _ => "a core file does not hold it",
    };
    RootError::new("open", path, io::Error::new(io::ErrorKind::NotFound, why))
}

impl Root for CoreRoot {
    fn describe(&self) -> String {
        format!("core file {}", self.shown)
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + Send + '_>, RootError> {
        let text = self.below(path).and_then(|name| self.text(name));
        Ok(Box::new(Cursor::new(text.ok_or_else(|| absent(path))?)))
    }

    fn read_at(&self, path: &str, offset: u64, buf: &mut [u8]) -> Result<usize, RootError> {
        if self.below(path) == Some("mem") {
            return self
                .memory
                .read_at(offset, buf)
                .map_err(|e| RootError::new("read", path, e));
        }
        let text = self
            .below(path)
            .and_then(|name| self.text(name))
            .ok_or_else(|| absent(path))?;
        let rest = usize::try_from(offset).map_or(&[][..], |at| text.get(at..).unwrap_or_default());
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn read_link(&self, path: &str) -> Result<Vec<u8>, RootError> {
        let exe = self.regions.exe.clone();
        exe.filter(|_| self.below(path) == Some("exe"))
            .ok_or_else(|| absent(path))
    }

    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, RootError> {
        let pid = self.pid().to_string();
        let names = |names: &[&str]| names.iter().map(|n| n.as_bytes().to_vec()).collect();
        let trimmed = path.trim_matches('/');
        Ok(match trimmed {
            "" => names(&[&pid]),
            _ if trimmed == pid => names(&[
                "auxv", "cmdline", "comm", "exe", "maps", "mem", "stat", "status", "task",
            ]),
            _ if self.below(trimmed) == Some("task") => self
                .notes
                .threads
                .iter()
                .map(|t| t.tid.to_string().into_bytes())
                .collect(),
            _ => return Err(absent(path)),
        })
    }
}
