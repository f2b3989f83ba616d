//! The kernel as the machine sees it: tasks, memory, and no processor.
//!
//! The machine's loop: [`next_task`](Kernel::next_task), [`context`](Kernel::context), run the processor to a trap,
//! [`handle`](Kernel::handle), deliver `memory_mut().take_tlb_ops()`. When no task can run, [`waits`](Kernel::waits)
//! says which host descriptors and which moment to wait for; [`ready`](Kernel::ready) and
//! [`advance`](Kernel::advance) tell what came of it. One host thread; nothing here blocks it.
//!
//! Key types: [`Kernel`], [`Config`], [`Notice`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use arch::{Regs, Ttbr};
use mm::{FileId, FileKey, Memory};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::clock::Clock;
use crate::creds::Creds;
use crate::death::Death;
use crate::file::root::Root;
use crate::file::{Bundle, HostBacking};
use crate::rng::Rng;
use crate::task::{Exit, Pid, State, Task};
use crate::wait::{Bell, HostWait};

/// `kernel.pid_max` of 64-bit Linux.
pub(crate) const PID_MAX: u32 = 4_194_304;

/// A program that comes with the machine, seen by guests as a file in `/pagewalk`.
#[derive(Clone, Debug)]
pub struct Bundled {
    /// Its file name.
    pub name: String,
    /// Its ELF file.
    pub bytes: Rc<[u8]>,
}

/// What the machine decides for its kernel.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address layout and random bytes repeat with it; without one the host's randomness seeds them.
    pub seed: Option<u64>,
    /// Whether addresses are randomised (`randomize_va_space` 2 or 0).
    pub randomize: bool,
    /// The vDSO's ELF file.
    pub vdso: Option<Rc<[u8]>>,
    /// Programs that come with the machine.
    pub programs: Vec<Bundled>,
    /// The first task's number.
    pub first_pid: u32,
    /// `uname(2)`'s node name.
    pub hostname: String,
    /// The folder of the host that guests see as `/`; without one they see the host's tree with its user's rights.
    pub root: Option<Root>,
    /// Whether the host's files are only read.
    pub read_only: bool,
    /// The optional parts of the processor, which `AT_HWCAP` tells programs.
    pub features: arch::Features,
    /// Whether guests may open IP sockets of the host.
    pub network: bool,
    /// Whether events are noted from the first program's exec on: see [`Kernel::take_events`].
    pub record_events: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: None,
            randomize: true,
            vdso: None,
            programs: Vec::new(),
            first_pid: 1,
            hostname: "pagewalk".to_owned(),
            root: None,
            read_only: false,
            features: arch::Features::USUAL,
            network: true,
            record_events: false,
        }
    }
}

/// Something that the person at the terminal should know, said once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A program made a system call that is not there; told once for each number.
    UnknownCall {
        /// Who.
        pid: Pid,
        /// Its short name.
        program: String,
        /// The call's number.
        number: u64,
    },
    /// A program met an instruction that the processor has not got yet.
    Instruction {
        /// Who.
        pid: Pid,
        /// Where.
        pc: u64,
        /// The encoding.
        word: u32,
    },
    /// The host could not read a mapped file.
    ReadFailed {
        /// Who.
        pid: Pid,
        /// Where it is mapped.
        address: u64,
        /// The host's answer.
        error: String,
    },
    /// A swapped page cannot be read back, or is not what was written.
    SwapFailed {
        /// Who needs it.
        pid: Pid,
        /// Where it is mapped.
        address: u64,
        /// What is wrong.
        error: String,
    },
    /// RAM and swap are full: a process is killed.
    OutOfMemory(Box<crate::oom::Verdict>),
    /// `execve` was refused for a reason that its errno hides.
    Exec {
        /// Who.
        pid: Pid,
        /// What it wanted to run.
        path: String,
        /// Why not.
        reason: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCall { pid, program, number } => {
                let name = abi::nr::name(*number).unwrap_or("no call of Linux 6.12");
                write!(
                    f,
                    "{program}[{pid}]: system call {number} ({name}) is not implemented: ENOSYS"
                )
            }
            Self::Instruction { pid, pc, word } => write!(
                f,
                "process {pid}: instruction {word:#010x} at {pc:#x} is not implemented"
            ),
            Self::ReadFailed { pid, address, error } => {
                write!(
                    f,
                    "process {pid}: the file mapped at {address:#x} cannot be read: {error}"
                )
            }
            Self::SwapFailed { pid, address, error } => {
                write!(f, "process {pid}: the page at {address:#x} is lost: {error}")
            }
            Self::OutOfMemory(verdict) => verdict.fmt(f),
            Self::Exec { pid, path, reason } => write!(f, "process {pid}: cannot run {path}: {reason}"),
        }
    }
}

/// What ends the machine's waiting when no task can run.
#[derive(Debug, Default)]
pub struct Waits {
    /// Host descriptors, each with the task that waits for it. Report those that are ready by their place here.
    pub hosts: Vec<(Pid, HostWait)>,
    /// The earliest deadline on the monotonic clock.
    pub deadline_ns: Option<u64>,
}

/// All tasks and their memory.
pub struct Kernel {
    pub(crate) memory: Memory,
    pub(crate) tasks: BTreeMap<Pid, Task>,
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
    pub(crate) bell: Bell,
    /// The rights of the user who started the machine.
    pub(crate) machine: Creds,
    pub(crate) init: Pid,
    pub(crate) next_pid: u32,
    /// Pipes and nameless files made so far: their numbers repeat with a seed.
    pub(crate) nameless: u64,
    /// Places given in the lines of futexes.
    pub(crate) futex_turns: u64,
    /// The task that runs on while it can.
    pub(crate) current: Option<Pid>,
    /// The last that ran: the next one's turn is after it.
    pub(crate) last: Pid,
    pub(crate) deaths: Vec<Death>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) told_calls: FxHashSet<u64>,
    /// Host files that are open, by identity.
    pub(crate) backings: FxHashMap<FileKey, Weak<HostBacking>>,
    pub(crate) bundle: Bundle,
    /// Files whose last description was closed and that mm has not been told of.
    pub(crate) closing: Rc<RefCell<Vec<FileId>>>,
    /// Files in sets of `epoll(7)`, all together.
    pub(crate) watches: crate::file::epoll::Watches,
    /// Descriptors of all processes together.
    pub(crate) open_count: crate::file::table::OpenCount,
    pub(crate) locks: crate::file::locks::Locks,
    pub(crate) fifos: crate::file::fifo::Fifos,
    /// The names of Unix sockets, and what is on its way between them.
    pub(crate) names: crate::file::unix::Names,
    pub(crate) hub: Rc<crate::file::unix::Hub>,
    /// The process group that the terminal's signals go to.
    pub(crate) foreground: Pid,
    /// The terminal that the machine was started on.
    pub(crate) terminal: Option<crate::terminal::HostTerminal>,
    /// The first program stopped, and the machine should.
    pub(crate) suspension: bool,
    /// Prints system calls, if that was asked for.
    pub(crate) strace: Option<crate::strace::Tracer>,
    /// Page-sized and larger copies go through it.
    pub(crate) scratch: Vec<u8>,
    /// Sums over all tasks that ever were.
    pub(crate) totals: crate::charges::Totals,
    pub(crate) segments: crate::sysv::Segments,
    init_exit: Option<Exit>,
    pub(crate) tracer: Option<crate::trace::Tracer>,
    pub(crate) events: Vec<crate::events::Event>,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel")
            .field("tasks", &self.tasks)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl Kernel {
    /// A kernel without tasks.
    pub fn new(mut memory: Memory, config: Config, clock: Clock) -> Self {
        let seed = config.seed.unwrap_or_else(host_seed);
        memory.set_overcommit(mm::Overcommit::default());
        memory.record_events(config.record_events);
        let bundle = Bundle::open(&mut memory, &config);
        // Each guest has a umask of its own; the host's would take further bits.
        rustix::process::umask(rustix::fs::Mode::empty());
        Self {
            memory,
            tasks: BTreeMap::new(),
            clock,
            rng: Rng::new(seed),
            bell: Bell::default(),
            machine: Creds::of_host(),
            init: Pid::new(config.first_pid),
            next_pid: config.first_pid,
            nameless: 0,
            futex_turns: 0,
            current: None,
            last: Pid::new(0),
            deaths: Vec::new(),
            notices: Vec::new(),
            told_calls: FxHashSet::default(),
            backings: FxHashMap::default(),
            bundle,
            closing: Rc::default(),
            names: Default::default(),
            watches: Default::default(),
            open_count: Default::default(),
            locks: Default::default(),
            fifos: Default::default(),
            hub: Rc::default(),
            foreground: Pid::new(config.first_pid),
            terminal: None,
            suspension: false,
            strace: None,
            scratch: Vec::new(),
            totals: crate::charges::Totals::new(seed),
            segments: Default::default(),
            init_exit: None,
            tracer: None,
            events: Vec::new(),
            config,
        }
    }

    /// The machine's memory.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The machine's memory, to take its TLB requests.
    pub fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// The time as the kernel was last told it.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Sums over all tasks that ever were.
    pub fn totals(&self) -> &crate::charges::Totals {
        &self.totals
    }

    /// What the machine decided.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Every task, zombies too, by number.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// The number given to the newest task.
    pub fn last_pid(&self) -> u32 {
        self.next_pid.saturating_sub(1)
    }

    /// The task of this number.
    pub fn find(&self, pid: Pid) -> Option<&Task> {
        self.tasks.get(&pid)
    }

    /// How the first task ended, once it has.
    pub fn init_exit(&self) -> Option<Exit> {
        self.init_exit
    }

    pub(crate) fn note_end_of_init(&mut self, exit: Exit) {
        self.init_exit = Some(exit);
    }

    /// What the processor loads to run a task.
    ///
    /// # Panics
    /// If there is no such living task: ask [`Kernel::next_task`].
    pub fn context(&mut self, pid: Pid) -> (&mut Regs, Ttbr) {
        let task = self.tasks.get_mut(&pid).expect("the task lives");
        let ttbr = self.memory.ttbr(task.space().id);
        (&mut task.regs, ttbr)
    }

    /// Charges a task for time in which it ran.
    pub fn account(&mut self, pid: Pid, user_ns: u64, system_ns: u64) {
        if let Some(task) = self.tasks.get_mut(&pid) {
            task.times.user_ns += user_ns;
            task.times.system_ns += system_ns;
            self.totals.add_time(task.nice, user_ns, system_ns);
        }
    }

    /// Deaths by signal since the last call.
    pub fn take_deaths(&mut self) -> Vec<Death> {
        std::mem::take(&mut self.deaths)
    }

    /// Notices since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Notes what the person should know. A guest that makes more of it in one turn than anybody reads is cut short: its
    /// notices are kept in the host's memory.
    pub(crate) fn notify(&mut self, notice: Notice) {
        const MOST_AT_ONCE: usize = 64;
        if self.notices.len() < MOST_AT_ONCE {
            self.notices.push(notice);
        }
    }

    /// A task that is known to exist: calls are made by tasks that live.
    pub(crate) fn task(&self, pid: Pid) -> &Task {
        self.tasks.get(&pid).expect("the task exists")
    }

    pub(crate) fn task_mut(&mut self, pid: Pid) -> &mut Task {
        self.tasks.get_mut(&pid).expect("the task exists")
    }

    /// A number that no task, group or session has.
    pub(crate) fn fresh_pid(&mut self) -> Pid {
        self.totals.forks += 1;
        loop {
            let pid = Pid::new(self.next_pid);
            self.next_pid = if self.next_pid >= PID_MAX {
                300
            } else {
                self.next_pid + 1
            };
            let taken = |task: &Task| task.pid == pid || task.group == pid || task.session == pid;
            if !self.tasks.values().any(taken) {
                return pid;
            }
        }
    }

    /// What is done at the end of every visit to the kernel.
    pub(crate) fn leave(&mut self, pid: Pid) {
        self.hub.bury();
        self.bury_segments();
        if !self.closing.borrow().is_empty() {
            self.close_files();
        }
        if let Some(task) = self.tasks.get(&pid)
            && (!task.signals.deliverable().is_empty() || task.signals.saved_mask.is_some())
        {
            self.settle(pid);
        }
        if self
            .tasks
            .get(&pid)
            .is_none_or(|task| task.state != State::Runnable)
        {
            self.current = None;
        }
    }

    /// Tells mm of files that nobody has open any more.
    pub(crate) fn close_files(&mut self) {
        loop {
            let Some(file) = self.closing.borrow_mut().pop() else {
                return;
            };
            self.memory.close_file(file);
        }
    }
}

/// The host's randomness; a machine without a seed need not repeat.
fn host_seed() -> u64 {
    let mut bytes = [0; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(8) => u64::from_le_bytes(bytes),
        _ => u64::from(std::process::id()) << 32 ^ 0x7061_6765_7761_6c6b,
    }
}

/// Whether a host descriptor is ready for any of these events now.
pub(crate) fn host_ready(fd: &OwnedFd, events: abi::flags::PollEvents) -> abi::flags::PollEvents {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let asked = PollFlags::from_bits_retain(events.bits());
    let mut set = [PollFd::new(fd, asked)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match poll(&mut set, Some(&now)) {
        Ok(_) => abi::flags::PollEvents::from_bits_retain(set[0].revents().bits()),
        Err(_) => abi::flags::PollEvents::empty(),
    }
}
