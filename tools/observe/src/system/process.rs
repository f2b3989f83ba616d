//! One process of the whole system ([`Process`]) and how it is read: `status`, one page walk by `smaps_rollup`, and the names
//! that are [`Wanted`].
//!
//! Files are read with [`Root::read_at`] into one buffer that all processes share: four system calls a file.

use super::cgroup::{self, Container};
use super::usage::{SmapsSum, Usage};
use crate::facts::PF_KTHREAD;
use crate::ps::Users;
use procfs::printable;
use procfs::{Cmdline, PidStat, Root, RootError, SmapsReader, SmapsRollup, Status, Text};
use std::cell::{Cell, RefCell};
use std::io::{self, BufReader};

/// What is read of each process beside its figures, name and user. Each costs a system call or more for each process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// The command line. Reading it touches the process's own stack page, as `ps` does.
    pub command: bool,
    /// The path of the executable.
    pub program: bool,
    /// The cgroup.
    pub cgroup: bool,
    /// The container.
    pub container: bool,
}

impl Wanted {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self {
            command: true,
            program: true,
            cgroup: true,
            container: true,
        }
    }
}

/// Where a process's figures come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// `smaps_rollup`.
    Rollup,
    /// The sum of `smaps`.
    Smaps,
    /// `status` alone: only resident size, swap and page tables.
    Status,
    /// Nothing could be read.
    Nothing,
}

impl Source {
    /// As machine-readable outputs name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rollup => "smaps_rollup",
            Self::Smaps => "smaps",
            Self::Status => "status",
            Self::Nothing => "nothing",
        }
    }
}

/// A process and its memory. Names are printable: control characters and bad UTF-8 are replaced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its parent's.
    pub parent: Option<u64>,
    /// Command name (at most 15 bytes); empty if not known.
    pub name: String,
    /// Path of the executable, without ` (deleted)`; `None` if it could not be read or was not [`Wanted`].
    pub program: Option<String>,
    /// The command line; the name in brackets where there is none.
    pub command: String,
    /// Effective user: its name, or number where the name is not known.
    pub user: Option<String>,
    /// Number of threads.
    pub threads: Option<u64>,
    /// The cgroup that its memory is charged to.
    pub cgroup: Option<String>,
    /// The container it runs in.
    pub container: Option<Container>,
    /// Its memory.
    pub usage: Usage,
    /// Where the figures come from.
    pub source: Source,
    /// Why there are not all: the error of the file that could not be read.
    pub why: Option<String>,
    /// Whether that is for want of rights (no ptrace access).
    pub is_denied: bool,
}

impl Process {
    /// Whether its own share of memory is not known.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        matches!(self.source, Source::Status | Source::Nothing)
    }
}

/// What became of an attempt to read a process.
pub(super) enum Outcome {
    Read(Box<Process>),
    KernelThread,
    Zombie,
    /// It ended meanwhile.
    Vanished,
}

/// Reads the processes of a root one after the other.
pub(super) struct Reader<'a> {
    root: &'a dyn Root,
    wanted: Wanted,
    users: Users,
    /// The PID namespace that most processes are in: that of process 1.
    namespace: Option<u64>,
    buffer: RefCell<Vec<u8>>,
    /// A rollup was seen that does not split Pss (4.14 to 5.8): `smaps` must do, and a rollup would be a walk for nothing.
    is_rollup_useless: Cell<bool>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(root: &'a dyn Root, wanted: Wanted) -> Self {
        let namespace = root.read_link("1/ns/pid").ok();
        Self {
            root,
            wanted,
            users: Users::of(root),
            namespace: namespace.as_deref().and_then(cgroup::namespace_inode),
            buffer: RefCell::new(vec![0; 4096]),
            is_rollup_useless: Cell::new(false),
        }
    }

    /// A file of `/proc`, from its start to its end.
    fn with_file<T>(&self, path: &str, use_it: impl FnOnce(&[u8]) -> T) -> Result<T, RootError> {
        let mut buffer = self.buffer.borrow_mut();
        loop {
            let len = self.root.read_at(path, 0, &mut buffer)?;
            if let Some(text) = buffer.get(..len).filter(|text| text.len() < buffer.len()) {
                return Ok(use_it(text));
            }
            // The file may be longer: from the start, so that a text that Linux makes on reading is of one moment.
            let larger = buffer.len().saturating_mul(4);
            buffer.resize(larger, 0);
        }
    }

    fn parse<T: Text>(&self, path: &str) -> Result<T, RootError> {
        self.with_file(path, T::parse)?
            .map_err(|e| RootError::malformed(path, e))
    }

    pub(super) fn read(&self, pid: i32) -> Outcome {
        let status = match self.parse::<Status>(&format!("{pid}/status")) {
            Ok(status) => status,
            Err(e) if e.is_gone() => return Outcome::Vanished,
            Err(e) => return self.unreadable(pid, &e),
        };
        let mut folder = pid.to_string();
        if matches!(status.state_letter(), Some(b'Z' | b'X')) {
            // The first thread may have ended while others run: the memory is seen through those.
            match self.live_thread(pid, &status) {
                Some(tid) => folder = format!("{pid}/task/{tid}"),
                None => return Outcome::Zombie,
            }
        } else if status.vm_size.is_none() {
            return self.without_memory(pid, &status);
        }
        let status = if folder.contains('/') {
            match self.parse(&format!("{folder}/status")) {
                Ok(status) => status,
                Err(_) => return Outcome::Zombie,
            }
        } else {
            status
        };
        self.process(pid, &folder, &status)
    }

    fn live_thread(&self, pid: i32, status: &Status) -> Option<String> {
        if status.threads.is_none_or(|threads| threads < 2) {
            return None;
        }
        let threads = self.root.list(&format!("{pid}/task")).ok()?;
        threads
            .iter()
            .filter_map(|name| str::from_utf8(name).ok())
            .find(|tid| {
                let status = self.parse::<Status>(&format!("{pid}/task/{tid}/status"));
                status.is_ok_and(|status| status.vm_size.is_some())
            })
            .map(str::to_owned)
    }

    /// No `Vm` lines: a kernel thread, or a process that just gave its memory back.
    fn without_memory(&self, pid: i32, status: &Status) -> Outcome {
        let is_kernels = match status.kthread {
            Some(kthread) => kthread != 0,
            None => self
                .parse::<PidStat>(&format!("{pid}/stat"))
                .is_ok_and(|stat| stat.flags & PF_KTHREAD != 0),
        };
        if is_kernels {
            Outcome::KernelThread
        } else {
            Outcome::Vanished
        }
    }

    fn process(&self, pid: i32, folder: &str, status: &Status) -> Outcome {
        let (usage, source, error) = match self.usage(folder, status) {
            Ok(Some((usage, source))) => (usage, source, None),
            Ok(None) => return Outcome::Vanished,
            Err(e) if e.is_gone() && self.is_gone(pid) => return Outcome::Vanished,
            Err(e) => (Usage::from_status(status), Source::Status, Some(e)),
        };
        let name = status.unescaped_name().map(|name| printable(&name));
        let name = name.unwrap_or_default();
        let cgroup = self.cgroup(folder);
        Outcome::Read(Box::new(Process {
            pid,
            parent: status.ppid,
            program: self.program(folder),
            command: self.command(folder, &name),
            name,
            user: status.uid.map(|ids| self.users.name(ids.effective)),
            threads: status.threads,
            container: self.container(folder, cgroup.as_deref(), status),
            cgroup: cgroup
                .filter(|_| self.wanted.cgroup)
                .and_then(|text| cgroup::memory_path(&text)),
            usage,
            source,
            is_denied: error.as_ref().is_some_and(RootError::is_denied),
            why: error.map(|e| e.to_string()),
        }))
    }

    /// Even `status` is refused, as on a `/proc` with `hidepid=1`.
    fn unreadable(&self, pid: i32, error: &RootError) -> Outcome {
        Outcome::Read(Box::new(Process {
            pid,
            parent: None,
            name: String::new(),
            program: None,
            command: String::new(),
            user: None,
            threads: None,
            cgroup: None,
            container: None,
            usage: Usage::default(),
            source: Source::Nothing,
            why: Some(error.to_string()),
            is_denied: error.is_denied(),
        }))
    }

    fn is_gone(&self, pid: i32) -> bool {
        self.root.is_live()
            && self
                .with_file(&format!("{pid}/status"), |_| ())
                .is_err_and(|e| e.is_gone())
    }

    /// `None`: it has no mapping left, so it is about to end.
    fn usage(&self, folder: &str, status: &Status) -> Result<Option<(Usage, Source)>, RootError> {
        if !self.is_rollup_useless.get() {
            match self.parse::<SmapsRollup>(&format!("{folder}/smaps_rollup")) {
                Ok(rollup) if rollup.counts.pss_anon.is_some() => {
                    return Ok(Some((Usage::from_rollup(&rollup.counts, status), Source::Rollup)));
                }
                Ok(_) => self.is_rollup_useless.set(true),
                Err(e) if e.source.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        let path = format!("{folder}/smaps");
        // The size that costs the target least: see `SmapsReader::new`.
        let file = BufReader::with_capacity(3072, self.root.open(&path)?);
        let mut sum = SmapsSum::new();
        for entry in SmapsReader::new(file) {
            sum.add(&entry.map_err(|e| RootError::new("read", &path, e))?);
        }
        Ok(sum.finish(status).map(|usage| (usage, Source::Smaps)))
    }

    fn program(&self, folder: &str) -> Option<String> {
        let link = match self.wanted.program {
            true => self.root.read_link(&format!("{folder}/exe")).ok()?,
            false => return None,
        };
        // A program that was replaced meanwhile is the same program for the sums.
        Some(printable(link.strip_suffix(b" (deleted)").unwrap_or(&link)))
    }

    fn command(&self, folder: &str, name: &str) -> String {
        let line = if self.wanted.command {
            self.with_file(&format!("{folder}/cmdline"), |bytes| {
                let line = Cmdline(bytes.to_vec());
                printable(&line.args().collect::<Vec<_>>().join(&b' '))
            })
            .unwrap_or_default()
        } else {
            String::new()
        };
        let line = line.trim_end();
        if line.is_empty() {
            format!("[{name}]")
        } else {
            line.to_owned()
        }
    }

    fn cgroup(&self, folder: &str) -> Option<Vec<u8>> {
        let is_wanted = self.wanted.cgroup || self.wanted.container;
        let read = || self.with_file(&format!("{folder}/cgroup"), <[u8]>::to_vec).ok();
        is_wanted.then(read).flatten()
    }

    /// By the cgroup's path; else by the PID namespace. Who may not read the namespace's link still sees in `status` whether it is
    /// that of this `/proc`.
    fn container(&self, folder: &str, cgroup: Option<&[u8]>, status: &Status) -> Option<Container> {
        if !self.wanted.container {
            return None;
        }
        if let Some(container) = cgroup.and_then(cgroup::container) {
            return Some(container);
        }
        let link = self.root.read_link(&format!("{folder}/ns/pid")).ok();
        let own = link.as_deref().and_then(cgroup::namespace_inode);
        let is_inner = match own.zip(self.namespace) {
            Some((own, first)) => own != first,
            None => status.ns_pid.as_ref()?.0.len() > 1,
        };
        match (is_inner, own) {
            (false, _) => Some(Container::None),
            (true, own) => own.map(Container::PidNamespace),
        }
    }
}
