//! `--gdb`: a debugger of the first program, over gdb's remote protocol. gdb and lldb both speak it.
//!
//! ```text
//!   socket ─ address ─▶ session: packets ─▶ queries (what gdbstub lacks)
//!                                       └─▶ gdbstub ─▶ target: registers, memory, threads
//!                                                              points, files, monitor
//!   slice: runs a task up to a stop ─▶ report ─▶ the machine stands still until the debugger lets it go
//! ```
//!
//! While the program is stopped nothing of the machine runs, but the control socket is served, so `vmmap` and `ps` show
//! that very moment. Time slices go on where they were interrupted: with a seed, a program under a debugger executes the
//! same instructions in the same order as without one.
//!
//! **Ends of a session.** *Detach*, and a connection that is *lost*, take every breakpoint away, deliver the signal that
//! was shown, and let the program run on; a debugger can connect again at any time. A connection lost before anybody let
//! the program go is waited for anew, so a port scanner starts nothing. *Kill* is SIGKILL to the debugged process.
//!
//! Key types: [`DebugAddress`]; `Debugger`, the socket and its session; `State`, what the debugger has decided.

mod address;
mod files;
mod monitor;
mod packets;
mod points;
mod queries;
mod registers;
mod session;
mod signals;
mod slice;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use arch::Asid;
use mm::SpaceId;
use mmu::Watch;
use process::{Exit, Pid, SigInfo};
use rustix::event::PollFlags;

pub use address::DebugAddress;

use crate::{Machine, MachineError, Message};
use address::Listener;
use session::Session;

/// The socket that debuggers connect to.
pub(crate) struct Debugger {
    listener: Listener,
    /// As it is told to people.
    address: DebugAddress,
    session: Option<Session>,
}

/// Whether the debugged program may run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Mode {
    /// There is no debugger.
    #[default]
    Free,
    /// A debugger let it run.
    Running,
    /// A debugger looks at it; nothing runs.
    Stopped,
}

/// Why the program stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// Before this instruction.
    Breakpoint(Pid),
    /// Before an access of this watched byte.
    Watch(Pid, u64),
    /// A step is done.
    Step(Pid),
    /// Before this signal is taken.
    Signal(Pid, SigInfo),
    /// The debugger asked for it.
    Interrupt(Pid),
    /// It has become this program.
    Exec(Pid, Vec<u8>),
    /// It has ended.
    Exit(Exit),
}

/// What a thread is to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Action {
    signal: Option<u8>,
    /// One instruction, or as many as it takes to leave the range.
    step: Option<Step>,
}

/// A step that is being made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Step {
    range: Option<(u64, u64)>,
    /// An instruction was executed since it was last looked at.
    done: bool,
}

/// What the debugger has decided, and what it was shown.
#[derive(Debug, Default)]
pub(crate) struct State {
    mode: Mode,
    /// Somebody let the program go.
    started: bool,
    /// The debugged process, and the space that its breakpoints are in.
    process: Option<Pid>,
    space: Option<SpaceId>,
    /// `Z0` and `Z1`.
    software: BTreeSet<u64>,
    hardware: BTreeSet<u64>,
    watches: Vec<(Watch, gdbstub::target::ext::breakpoints::WatchKind)>,
    /// Counts changes of the above; and what the processor was last told.
    version: u64,
    armed: Option<(Asid, u64)>,
    steps: BTreeMap<Pid, Step>,
    /// Signals that were shown, by thread; and the thread of the last stop.
    shown: BTreeMap<Pid, SigInfo>,
    shown_last: Option<Pid>,
    /// The resumption that is being put together.
    actions: BTreeMap<Pid, Action>,
    locked: bool,
    interrupt: bool,
    /// The debugger understands `exec` in a stop.
    knows_exec: bool,
    files: BTreeMap<u32, process::TracedFile>,
    news: Vec<String>,
}

impl Stop {
    /// Whose stop it is.
    fn thread(&self) -> Option<Pid> {
        match self {
            Self::Breakpoint(pid)
            | Self::Watch(pid, _)
            | Self::Step(pid)
            | Self::Signal(pid, _)
            | Self::Interrupt(pid)
            | Self::Exec(pid, _) => Some(*pid),
            Self::Exit(_) => None,
        }
    }
}

impl Debugger {
    /// Listens.
    pub(crate) fn bind(address: &DebugAddress) -> io::Result<Self> {
        let (listener, address) = Listener::bind(address)?;
        Ok(Self {
            listener,
            address,
            session: None,
        })
    }

    /// What to wait for when the machine has nothing else to do.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let session = self.session.as_ref().map(Session::awaited);
        let listener = self
            .session
            .is_none()
            .then(|| (self.listener.as_fd(), PollFlags::IN));
        session.into_iter().chain(listener)
    }
}

impl Machine {
    /// Before the first instruction: says where debuggers connect, and waits until one lets the program go.
    pub(crate) fn await_debugger(&mut self, tell: &mut impl FnMut(Message)) -> Result<(), MachineError> {
        let Some(debugger) = &self.debugger else {
            return Ok(());
        };
        let at = &debugger.address;
        tell(Message::Debugger(format!(
            "waiting for a debugger at {at} (gdb: target remote {at}; lldb: gdb-remote {at})"
        )));
        while !self.debug.started {
            self.tell_debug_news(tell);
            self.poll(&[], None)?;
            self.serve();
            self.serve_debugger();
            self.pause()?;
        }
        Ok(())
    }

    /// Whether a debugger is there, so that tasks run by [`Machine::run_debugged`].
    pub(crate) fn is_debugged(&self) -> bool {
        self.debug.mode != Mode::Free
    }

    /// Takes a new debugger, and what the debugger says while the program runs. Never waits.
    pub(crate) fn serve_debugger(&mut self) {
        let Some(mut debugger) = self.debugger.take() else {
            return;
        };
        if debugger.session.is_none()
            && let Some(stream) = debugger.listener.accept()
        {
            debugger.session = self.attach(stream);
        }
        if let Some(session) = &mut debugger.session
            && !session.serve(self)
        {
            debugger.session = None;
            self.detach();
        }
        self.debugger = Some(debugger);
    }

    fn attach(&mut self, stream: address::Stream) -> Option<Session> {
        let process = self.kernel.init();
        let session = Session::begin(stream, self)?;
        self.kernel.trace(process);
        self.debug = State {
            mode: Mode::Stopped,
            started: self.debug.started,
            process: Some(process),
            space: self.space_of(process),
            news: std::mem::take(&mut self.debug.news),
            ..State::default()
        };
        Some(session)
    }

    /// The program is nobody's any more, and as if it had never been anybody's.
    fn detach(&mut self) {
        self.cpu.set_breakpoints(Asid::default(), &[]);
        self.mmu.set_watches(Asid::default(), &[]);
        self.kernel.run_only(None);
        self.kernel.untrace();
        let shown = std::mem::take(&mut self.debug.shown);
        for (pid, info) in shown {
            self.kernel.pass_signal(pid, Some(info));
        }
        self.deliver_tlb_ops();
        self.debug = State {
            started: self.debug.started,
            news: std::mem::take(&mut self.debug.news),
            ..State::default()
        };
    }

    /// Stands still while a debugger looks, and says for how many nanoseconds of the machine's clock.
    pub(crate) fn pause(&mut self) -> Result<u64, MachineError> {
        let now = |machine: &Self| machine.clock.now(machine.cpu.retired()).monotonic_ns;
        let begin = now(self);
        while self.debug.mode == Mode::Stopped {
            self.poll(&[], None)?;
            self.serve();
            self.serve_debugger();
        }
        Ok(now(self) - begin)
    }

    /// Shows a stop to the debugger.
    fn report(&mut self, stop: &Stop) {
        self.debug.steps.clear();
        self.debug.interrupt = false;
        if let Stop::Signal(pid, info) = stop {
            self.debug.shown.insert(*pid, *info);
        }
        self.debug.shown_last = stop.thread();
        let Some(mut debugger) = self.debugger.take() else {
            return;
        };
        self.debug.mode = Mode::Stopped;
        let kept = debugger
            .session
            .as_mut()
            .is_some_and(|session| session.report(self, stop));
        if !kept {
            debugger.session = None;
            self.detach();
        }
        self.debugger = Some(debugger);
    }

    /// Tells the debugger, if there is one, how the program ended, and lets it hear that.
    pub(crate) fn debugged_exit(&mut self, exit: Exit) -> Result<(), MachineError> {
        // A connection that we close first may lose what is still on its way.
        const PATIENCE: Duration = Duration::from_secs(1);
        if self.debug.mode == Mode::Free {
            return Ok(());
        }
        self.report(&Stop::Exit(exit));
        let deadline = Instant::now() + PATIENCE;
        while self.is_debugged() && Instant::now() < deadline {
            self.poll(&[], Some(Duration::from_millis(50)))?;
            self.serve_debugger();
        }
        Ok(())
    }

    /// Passes on what the person at the terminal should hear of the debugger.
    pub(crate) fn tell_debug_news(&mut self, tell: &mut impl FnMut(Message)) {
        self.debug.news.drain(..).map(Message::Debugger).for_each(tell);
    }

    fn space_of(&self, pid: Pid) -> Option<SpaceId> {
        let task = self.kernel.find(pid)?;
        task.space.as_ref().map(|space| space.id)
    }
}
