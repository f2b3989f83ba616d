//! What the report's header says of a process ([`Facts`]).

use crate::ObserveError;
use crate::calendar::Civil;
use crate::snapshot::Gap;
use procfs::printable;
use procfs::{
    Auxv, Comm, Kib, LimitValue, Limits, PidStat, Root, RootError, Status, SystemStat, Text, Uptime, at,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// A moment: milliseconds since the Epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment a root shows: now for this host; for a machine or a saved folder its own clock
    /// (boot time + uptime).
    pub fn of(root: &dyn Root) -> Result<Self, RootError> {
        if root.is_this_host() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            return Ok(Self(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)));
        }
        let up: Uptime = root.parse("uptime")?;
        Ok(Self::at_boot(root)?.plus(up.up_centis.saturating_mul(10)))
    }

    fn at_boot(root: &dyn Root) -> Result<Self, RootError> {
        let stat: SystemStat = root.parse("stat")?;
        Ok(Self(stat.btime.saturating_mul(1000)))
    }

    fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// When a process started: `start_time` is in ticks after boot.
    pub(crate) fn of_start(root: &dyn Root, stat: &PidStat) -> Result<Self, RootError> {
        Ok(Self::at_boot(root)?.plus(stat.start_time.saturating_mul(1000 / TICKS_A_SECOND)))
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = Civil::from_epoch(self.0 / 1000);
        write!(
            f,
            "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:03} +0000",
            self.0 % 1000
        )
    }
}

/// USER_HZ: what user space sees on every architecture that we read (`include/asm-generic/param.h`).
pub(crate) const TICKS_A_SECOND: u64 = 100;

/// PF_KTHREAD in `stat`'s flags (`include/linux/sched.h`).
pub(crate) const PF_KTHREAD: u32 = 0x0020_0000;

/// Facts of a process beside its regions. `None`: not known (the snapshot's gaps say why, where it matters).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Process id, in its root.
    pub pid: i32,
    /// Command name.
    pub name: String,
    /// Path of the executable.
    pub path: Option<String>,
    /// Processor architecture: `ARM64`, `X86-64`...
    pub code_type: Option<String>,
    /// Parent's id; -1 if it is not known.
    pub parent: i32,
    /// Parent's name.
    pub parent_name: Option<String>,
    /// The moment of the report.
    pub taken: Option<Moment>,
    /// When it started.
    pub launched: Option<Moment>,
    /// Kernel (and system).
    pub os_version: Option<String>,
    /// Bytes of a page, from AT_PAGESZ or else from `smaps`.
    pub page_bytes: Option<u64>,
    /// Number of threads; -1 if it is not known.
    pub threads: i64,
    /// State letter.
    pub state: char,
    /// Page tables (VmPTE).
    pub page_tables: Option<Kib>,
    /// Virtual size.
    pub virtual_size: Option<Kib>,
    /// Resident size (approximate: per-CPU counters).
    pub resident: Option<Kib>,
    /// RssAnon + RssShmem + VmSwap + hugetlb + page tables: the footprint that anyone may read.
    pub coarse_footprint: Option<Kib>,
    /// VmHWM + VmSwap + hugetlb + page tables: an upper bound of the peak footprint.
    pub peak_bound: Option<Kib>,
    /// How far the main stack may grow: RLIMIT_STACK, bytes.
    pub stack_limit: Option<LimitValue>,
    /// How many mappings a process may have: `vm.max_map_count`.
    pub most_maps: Option<u64>,
}

/// `stat`, by which a process is recognised; errors say what kind of process has no memory to show.
pub(crate) fn recognise(root: &dyn Root, pid: i32) -> Result<PidStat, ObserveError> {
    let stat: PidStat = match root.parse(&format!("{pid}/stat")) {
        Err(e) if e.is_gone() => {
            return Err(ObserveError::NoProcess {
                pid,
                root: root.describe(),
            });
        }
        Err(e) if e.is_denied() => {
            let why = e.to_string();
            return Err(ObserveError::Denied { pid, why });
        }
        read => read?,
    };
    let name = printable(&stat.comm);
    if stat.flags & PF_KTHREAD != 0 {
        return Err(ObserveError::KernelThread { pid, name });
    }
    if matches!(stat.state, b'Z' | b'X') {
        return Err(ObserveError::Zombie {
            pid,
            name,
            parent: stat.ppid,
        });
    }
    Ok(stat)
}

/// Everything else; what cannot be read is told in `gaps`.
pub(crate) fn gather(root: &dyn Root, stat: &PidStat, gaps: &mut Vec<Gap>) -> Facts {
    let pid = stat.pid;
    let status = noted(
        root.parse::<Status>(&format!("{pid}/status")),
        "sizes and page tables",
        gaps,
    );
    let status = status.unwrap_or_default();
    let exe = noted(
        root.read_link(&format!("{pid}/exe")),
        "the path of the executable",
        gaps,
    );
    let auxv = noted(
        root.parse::<Auxv>(&format!("{pid}/auxv")),
        "the page size by AT_PAGESZ",
        gaps,
    );
    let sum = |parts: &[Option<Kib>]| {
        parts
            .iter()
            .copied()
            .try_fold(0_u64, |sum, part| Some(sum.saturating_add(part?.0)))
            .map(Kib)
    };
    let rest = [
        status.vm_swap,
        Some(status.hugetlb_pages.unwrap_or_default()),
        status.vm_pte,
    ];
    Facts {
        pid,
        name: printable(&stat.comm),
        path: exe.as_deref().map(printable),
        code_type: code_type(root, pid).or_else(|| platform(root, pid, auxv.as_ref()?)),
        parent: stat.ppid,
        parent_name: root
            .parse::<Comm>(&format!("{}/comm", stat.ppid))
            .ok()
            .map(|c| printable(&c.0)),
        taken: noted(Moment::of(root), "the date", gaps),
        launched: noted(Moment::of_start(root, stat), "the launch time", gaps),
        os_version: os_version(root),
        page_bytes: auxv
            .and_then(|a| a.get(at::PAGESZ))
            .filter(|b| b.is_power_of_two()),
        threads: stat.num_threads,
        state: char::from(stat.state),
        page_tables: status.vm_pte,
        virtual_size: status.vm_size,
        resident: status.vm_rss,
        coarse_footprint: sum(&[&[status.rss_anon, status.rss_shmem], rest.as_slice()].concat()),
        peak_bound: sum(&[&[status.vm_hwm], rest.as_slice()].concat()),
        stack_limit: root
            .parse::<Limits>(&format!("{pid}/limits"))
            .ok()
            .and_then(|limits| Some(limits.get("Max stack size")?.soft)),
        most_maps: root
            .read("sys/vm/max_map_count")
            .ok()
            .and_then(|text| str::from_utf8(&text).ok()?.trim().parse().ok()),
    }
}

fn noted<T>(read: Result<T, RootError>, what: &'static str, gaps: &mut Vec<Gap>) -> Option<T> {
    read.map_err(|error| {
        gaps.push(Gap {
            what: what.into(),
            why: error.to_string(),
        })
    })
    .ok()
}

/// From the executable's ELF header, if the root lets us read through `exe`. A saved folder's link leads to whatever has that path
/// here today, so it is not followed.
fn code_type(root: &dyn Root, pid: i32) -> Option<String> {
    let is_saved = !root.is_this_host() && !root.is_live();
    let mut header = [0; 20];
    if is_saved || root.read_at(&format!("{pid}/exe"), 0, &mut header).ok()? < header.len() {
        return None;
    }
    if !header.starts_with(b"\x7fELF") {
        return None;
    }
    // e_machine (elf.h), at offset 18, little-endian on all of these.
    Some(match u16::from_le_bytes([header[18], header[19]]) {
        3 => "X86".into(),
        40 => "ARM".into(),
        62 => "X86-64".into(),
        183 => "ARM64".into(),
        243 => "RISC-V".into(),
        other => format!("ELF machine {other}"),
    })
}

/// On a machine that does not let us read through `exe`: the word that AT_PLATFORM points to, on the stack's top page, which is
/// there in any case. (On the host `exe` can be read by whoever may read `mem`.)
fn platform(root: &dyn Root, pid: i32, auxv: &Auxv) -> Option<String> {
    if root.is_this_host() || !root.is_live() {
        return None;
    }
    let mut word = [0; 16];
    let read = root
        .read_at(&format!("{pid}/mem"), auxv.get(at::PLATFORM)?, &mut word)
        .ok()?;
    let end = word[..read].iter().position(|&b| b == 0)?;
    Some(match &word[..end] {
        b"aarch64" => "ARM64".into(),
        b"x86_64" => "X86-64".into(),
        other => printable(other),
    })
}

fn os_version(root: &dyn Root) -> Option<String> {
    let release = root.read("sys/kernel/osrelease").ok()?;
    let release = printable(release.trim_ascii());
    if !root.is_this_host() {
        return Some(format!("Linux {release}"));
    }
    let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = system
        .lines()
        .find_map(|l| l.strip_prefix("PRETTY_NAME="))
        .map(|n| n.trim_matches('"').to_owned());
    Some(name.map_or(format!("Linux {release}"), |name| {
        format!("Linux {release} ({name})")
    }))
}

/// The page size that `smaps` shows, where AT_PAGESZ could not be read.
pub(crate) fn page_bytes_of(first: Option<Kib>) -> Option<u64> {
    first.map(Kib::bytes).filter(|b| b.is_power_of_two())
}

/// What became of a process while it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Since {
    /// It runs the program that it ran.
    Same,
    /// `execve`: what was read may be of the old program, of the new one, or of neither.
    OtherProgram,
    /// It has ended; the id may be another process's already.
    Ended,
}

/// What became of the process that `stat` was.
pub(crate) fn since(root: &dyn Root, pid: i32, stat: &PidStat) -> Since {
    // Not `stat.pid`: the folder of a saved process may have been renamed.
    let now = root.read(&format!("{pid}/stat")).ok();
    let now = now.and_then(|bytes| PidStat::parse(&bytes).ok());
    match now {
        Some(now) if now.start_time != stat.start_time || matches!(now.state, b'Z' | b'X') => Since::Ended,
        Some(now) if now.start_stack != stat.start_stack => Since::OtherProgram,
        Some(_) => Since::Same,
        None => Since::Ended,
    }
}
