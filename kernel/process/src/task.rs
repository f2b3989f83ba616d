//! A task: what Linux's `task_struct` says of one thread of execution, with its shared parts behind `Rc`.
//!
//! Key types: [`Task`], [`Pid`], [`State`], [`Exit`], [`Image`], [`Creds`]. Tasks are owned by the
//! [`Kernel`](crate::Kernel)'s table; parts that `clone(2)` can share (space, descriptors, working directory,
//! handlers) are reference-counted so that threads need no other cut.

use std::cell::RefCell;
use std::fmt;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use abi::process::{RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_NOFILE, RLIMIT_NPROC};
use abi::process::{RLIMIT_RTPRIO, RLIMIT_SIGPENDING, RLIMIT_STACK, RLIMITS, Rlimit};
use abi::signal::{SigSet, Signal};
use arch::{Bytes, Regs};
use mm::{Limits, SpaceId};

use crate::creds::Capabilities;
pub use crate::creds::Creds;
use crate::file::FdTable;
use crate::signal::{Actions, Signals};
use crate::timers::Timers;
use crate::wait::{Progress, Wait};

/// A task's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(u32);

impl Pid {
    /// Wraps the plain number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The plain number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pid({})", self.0)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a task is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It can run (`R`).
    Runnable,
    /// It waits in a system call (`S`).
    Waiting,
    /// A signal stopped it (`T`).
    Stopped,
    /// It ended and its parent has not asked yet (`Z`).
    Zombie,
}

impl State {
    /// The letter of `/proc/PID/stat`.
    pub const fn letter(self) -> char {
        match self {
            Self::Runnable => 'R',
            Self::Waiting => 'S',
            Self::Stopped => 'T',
            Self::Zombie => 'Z',
        }
    }
}

/// How a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// By `exit(2)`.
    Code(u8),
    /// By a signal.
    Signal(Signal),
}

impl Exit {
    /// As `wait4(2)` writes it.
    pub const fn wait_status(self) -> u32 {
        match self {
            Self::Code(code) => (code as u32) << 8,
            Self::Signal(signal) => signal.get() as u32,
        }
    }

    /// As a shell shows it: 128+N for a signal.
    pub const fn shell_status(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128u8.wrapping_add(signal.get()),
        }
    }
}

/// The program that an address space was made for: what Linux keeps in `mm_struct` beside the mappings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Image {
    /// Its path, absolute (`/proc/PID/exe`).
    pub path: Vec<u8>,
    /// Text: first byte and end.
    pub code: (u64, u64),
    /// Data: first byte and end.
    pub data: (u64, u64),
    /// The initial stack pointer.
    pub stack: u64,
    /// The arguments' bytes: first and end.
    pub args: (u64, u64),
    /// The environment's bytes: first and end.
    pub env: (u64, u64),
    /// The auxiliary vector, with its end.
    pub auxv: Vec<(u64, u64)>,
    /// `__kernel_rt_sigreturn` in the vDSO, or 0 without one.
    pub sigreturn: u64,
}

/// An address space and its program, shared by the tasks that `CLONE_VM` made.
#[derive(Debug)]
pub struct Space {
    /// Its memory.
    pub id: SpaceId,
    /// Its program.
    pub image: Image,
    /// Whether others of the same user may look into it (`PR_SET_DUMPABLE`).
    pub(crate) dumpable: std::cell::Cell<bool>,
}

/// What `CLONE_FS` shares.
#[derive(Clone, Debug)]
pub struct Directories {
    /// The working directory, absolute.
    pub working: Vec<u8>,
    /// The working directory itself, if it is the host's.
    pub(crate) anchor: Option<Rc<OwnedFd>>,
    /// The mode bits that new files do not get.
    pub umask: u32,
}

/// Time used, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// In user space.
    pub user_ns: u64,
    /// In the kernel.
    pub system_ns: u64,
    /// Of ended and awaited children, in user space.
    pub children_user_ns: u64,
    /// The same in the kernel.
    pub children_system_ns: u64,
}

/// `setitimer(2)`'s real timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Alarm {
    /// When `SIGALRM` comes (monotonic).
    pub(crate) at: u64,
    /// Then again after this; 0 for never.
    pub(crate) every: u64,
}

/// One task.
#[derive(Debug)]
pub struct Task {
    /// Its number (`gettid(2)`).
    pub pid: Pid,
    /// Its process: the number of the first thread, which stays in the table until the whole process has ended and been
    /// waited for. It holds what belongs to the process and is not shared otherwise: `report`, `alarm`, the times and the peak
    /// of children, `exit_signal`. `parent`, `group`, `session` and `limits` are the same in all threads.
    pub tgid: Pid,
    /// Its parent process, or 0 for the machine itself.
    pub parent: Pid,
    /// Its process group.
    pub group: Pid,
    /// Its session.
    pub session: Pid,
    /// Its rights.
    pub creds: Creds,
    /// Its short name, at most 15 bytes.
    pub comm: Vec<u8>,
    /// What it is doing.
    pub state: State,
    /// How it ended, once it is a zombie.
    pub exit: Option<Exit>,
    /// Its memory and program; a zombie has none.
    pub space: Option<Rc<Space>>,
    /// Open files.
    pub(crate) files: Rc<RefCell<FdTable>>,
    /// Working directory and umask.
    pub directories: Rc<RefCell<Directories>>,
    pub(crate) actions: Rc<RefCell<Actions>>,
    pub(crate) signals: Signals,
    /// The processor's state while it does not run.
    pub regs: Regs,
    /// When it started (monotonic).
    pub start_ns: u64,
    /// Time used.
    pub times: Times,
    /// -20 to 19.
    pub nice: i8,
    /// `SCHED_OTHER`, `SCHED_BATCH` or `SCHED_IDLE`: kept and shown, all the same to the machine.
    pub(crate) policy: u32,
    /// Resource limits.
    pub limits: [Rlimit; RLIMITS],
    /// Switches because it waited, and because its time was up.
    pub switches: (u64, u64),
    /// Where its memory is to be (`set_mempolicy(2)`).
    pub(crate) mempolicy: mm::Policy,
    /// What it was started with (`personality(2)`).
    pub(crate) personality: u32,
    /// `PR_SET_NO_NEW_PRIVS`: never taken back.
    pub(crate) no_new_privs: bool,
    /// The signal that tells its parent of its end.
    pub(crate) exit_signal: Option<Signal>,
    pub(crate) clear_child_tid: u64,
    /// `set_robust_list(2)`: the head of the list of futexes to give up at its end, or 0.
    pub(crate) robust_list: u64,
    /// Of a first thread: how the process was ended as a whole.
    pub(crate) process_exit: Option<Exit>,
    /// Of a first thread: the time of threads that have ended, in user space and in the kernel.
    pub(crate) ended_threads_ns: (u64, u64),
    pub(crate) wait: Option<Wait>,
    pub(crate) progress: Progress,
    pub(crate) alarm: Option<Alarm>,
    /// Of a first thread: the process's further timers.
    pub(crate) timers: Timers,
    /// It holds up its parent until its exec or exit.
    pub(crate) vfork_of: Option<Pid>,
    /// It waits for this child's exec or exit.
    pub(crate) vfork_child: Option<Pid>,
    /// A change of state that `wait4` may report: stopped by a signal, or continued.
    pub(crate) report: Option<Report>,
    /// Faults, input and output.
    pub account: crate::charges::Account,
    /// It has run a program of its own since its fork: its parent may not put it into a group any more.
    pub(crate) executed: bool,
    /// Linux's `oom_score_adj`.
    pub oom_score_adj: i16,
    /// The peak resident set of ended and awaited children in KiB.
    pub(crate) children_max_rss_kib: u64,
}

/// What `wait4(2)` may tell of a child that lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Report {
    Stopped(Signal),
    Continued,
}

impl Task {
    /// The space of a task that lives.
    ///
    /// # Panics
    /// If it is a zombie: zombies make no calls, so that is our bug.
    pub(crate) fn space(&self) -> &Rc<Space> {
        self.space.as_ref().expect("a living task has memory")
    }

    /// Whether it is its process's first thread.
    pub fn is_first(&self) -> bool {
        self.pid == self.tgid
    }

    /// The signals of `/proc/PID/status`: pending for the thread, for the process, blocked, ignored, caught.
    pub fn signal_sets(&self) -> [SigSet; 5] {
        let actions = self.actions.borrow();
        [
            self.signals.own.set(),
            self.signals.shared.borrow().set(),
            self.signals.blocked,
            actions.with(true),
            actions.with(false),
        ]
    }

    /// Open files as (descriptor, path or name), ascending.
    pub fn open_files(&self) -> Vec<(i32, Vec<u8>)> {
        let files = self.files.borrow();
        let numbers: Vec<i32> = files.numbers().collect();
        let path = |fd| files.get(fd).map(|file| (fd, file.path.clone()));
        numbers.into_iter().filter_map(|fd| path(fd).ok()).collect()
    }

    /// The memory limits that mm is to keep.
    pub(crate) fn memory_limits(&self) -> Limits {
        use abi::process::{RLIM_INFINITY, RLIMIT_AS, RLIMIT_DATA};
        let limit = |which: usize| {
            let soft = self.limits[which].current;
            (soft != RLIM_INFINITY).then_some(Bytes::new(soft))
        };
        Limits {
            address_space: limit(RLIMIT_AS),
            data: limit(RLIMIT_DATA),
            stack: Bytes::new(self.limits[RLIMIT_STACK].current),
            // A privileged task may lock what it likes (CAP_IPC_LOCK).
            locked: limit(RLIMIT_MEMLOCK)
                .filter(|_| self.creds.capabilities().effective & Capabilities::IPC_LOCK == 0),
            admin: self.creds.euid == 0,
            ..Limits::default()
        }
    }

    /// Sets the short name from a path's last component, as exec does, or from a text (`PR_SET_NAME`).
    pub(crate) fn name_after(&mut self, path: &[u8]) {
        const COMM: usize = 15;
        let base = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
        self.comm = base[..base.len().min(COMM)].to_vec();
    }
}

/// Linux's limits for a first process: an 8 MiB stack, 1024 descriptors, no limit on memory.
pub(crate) fn default_limits() -> [Rlimit; RLIMITS] {
    let mut limits = [Rlimit::INFINITE; RLIMITS];
    let soft = |current, maximum| Rlimit { current, maximum };
    limits[RLIMIT_STACK].current = 8 << 20;
    limits[RLIMIT_CORE].current = 0;
    limits[RLIMIT_NOFILE] = soft(1024, 1 << 20);
    limits[RLIMIT_NPROC] = soft(32768, 32768);
    limits[RLIMIT_MEMLOCK] = soft(8 << 20, 8 << 20);
    limits[RLIMIT_SIGPENDING] = soft(32768, 32768);
    limits[RLIMIT_MSGQUEUE] = soft(819_200, 819_200);
    limits[RLIMIT_NICE] = soft(0, 0);
    limits[RLIMIT_RTPRIO] = soft(0, 0);
    limits
}
