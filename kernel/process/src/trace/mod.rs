//! What a debugger may do with a process, as `ptrace(2)` would: see its signals first, hold its threads, read and
//! write its memory and registers, and read files as it sees them.
//!
//! [`Kernel::trace`] names the process. From then on a signal that one of its threads is about to take is a *stop*
//! ([`Kernel::take_signal_stop`]): nothing has been done with it, and whoever drives the kernel must not run anything
//! until [`Kernel::pass_signal`] says what is to become of it. Signals that are ignored are never posted, so they are
//! no stops either (Linux would show them).
//!
//! - [`memory`]: the process's memory, without disturbing what it has in RAM. [`files`]: files of its root.
//!
//! Absent: breakpoints, watchpoints and steps, which are the processor's; the debugger's protocol (`machine`).

mod files;
mod memory;

use std::collections::{BTreeSet, VecDeque};

use abi::signal::{SigDetail, SigInfo, SigSet, Signal, code};
use arch::Regs;

use crate::kernel::Kernel;
use crate::signal::kernel_info;
use crate::task::{Pid, State, Task};

pub use files::{TracedFile, TracedStat};

/// A process under a debugger.
#[derive(Debug)]
pub(crate) struct Tracer {
    process: Pid,
    /// The only threads of it that may run, while a debugger steps some.
    only: Option<BTreeSet<Pid>>,
    stops: VecDeque<(Pid, SigInfo)>,
    /// Signals that have been shown and are to be taken now.
    passed: Vec<(Pid, Signal)>,
    /// Signals that the debugger does not want to see.
    quiet: SigSet,
}

impl Kernel {
    /// The number of the first program, which the machine runs for.
    pub fn init(&self) -> Pid {
        self.init
    }

    /// Shows the signals of this process to a debugger from now on.
    pub fn trace(&mut self, process: Pid) {
        self.tracer = Some(Tracer {
            process,
            only: None,
            stops: VecDeque::new(),
            passed: Vec::new(),
            quiet: SigSet::of(Signal::KILL),
        });
    }

    /// No debugger any more: signals that were shown and not decided on are delivered.
    pub fn untrace(&mut self) {
        if let Some(tracer) = self.tracer.take() {
            for (pid, info) in tracer.stops {
                self.pass_signal(pid, Some(info));
            }
        }
    }

    /// The next signal that a thread is about to take. It is the caller's now: see [`Kernel::pass_signal`].
    pub fn take_signal_stop(&mut self) -> Option<(Pid, SigInfo)> {
        loop {
            let stop = self.tracer.as_mut()?.stops.pop_front()?;
            if self.tasks.contains_key(&stop.0) {
                return Some(stop);
            }
        }
    }

    /// Lets a thread take a signal, which is not shown again, or go on without it.
    pub fn pass_signal(&mut self, pid: Pid, info: Option<SigInfo>) {
        let Some(task) = self
            .tasks
            .get_mut(&pid)
            .filter(|task| task.state != State::Zombie)
        else {
            return;
        };
        if let Some(info) = info {
            task.signals.own.post(info, u64::MAX);
            if let Some(tracer) = &mut self.tracer {
                tracer.passed.push((pid, info.signal));
            }
        }
        self.settle(pid);
        let runs = |task: &Task| task.state == State::Runnable;
        if self.current == Some(pid) && !self.tasks.get(&pid).is_some_and(runs) {
            self.current = None;
        }
    }

    /// What a debugger's own signal says of itself.
    pub fn debugger_signal(signal: Signal) -> SigInfo {
        SigInfo {
            signal,
            code: code::SI_USER,
            detail: SigDetail::User { pid: 0, uid: 0 },
        }
    }

    /// Ends a process by `SIGKILL`.
    pub fn kill_process(&mut self, process: Pid) {
        self.run_only(None);
        self.send(process, kernel_info(Signal::KILL));
    }

    /// Signals that are to be taken without being shown.
    pub fn pass_quietly(&mut self, signals: SigSet) {
        if let Some(tracer) = &mut self.tracer {
            tracer.quiet = signals.union(SigSet::of(Signal::KILL));
        }
    }

    /// Holds all threads of the traced process but these, or with `None` no thread. Other processes run on.
    pub fn run_only(&mut self, threads: Option<BTreeSet<Pid>>) {
        if let Some(tracer) = &mut self.tracer {
            tracer.only = threads;
        }
        if self.current.is_some_and(|pid| self.is_held(pid)) {
            self.current = None;
        }
    }

    /// Whether a debugger holds this task.
    pub(crate) fn is_held(&self, pid: Pid) -> bool {
        let Some(Tracer {
            process,
            only: Some(only),
            ..
        }) = &self.tracer
        else {
            return false;
        };
        !only.contains(&pid) && self.tasks.get(&pid).is_some_and(|task| task.tgid == *process)
    }

    /// A signal that a task is about to take: it is taken, or it becomes a stop.
    pub(crate) fn show_signal(&mut self, pid: Pid, info: SigInfo) -> Option<SigInfo> {
        let of = self.tasks.get(&pid).map(|task| task.tgid);
        let Some(tracer) = self.tracer.as_mut().filter(|tracer| Some(tracer.process) == of) else {
            return Some(info);
        };
        let passed = (pid, info.signal);
        if let Some(at) = tracer.passed.iter().position(|one| *one == passed) {
            tracer.passed.remove(at);
            return Some(info);
        }
        if tracer.quiet.contains(info.signal) {
            return Some(info);
        }
        tracer.stops.push_back((pid, info));
        None
    }

    /// The threads of a process that have not ended, the first one first.
    pub fn threads_alive(&self, process: Pid) -> Vec<Pid> {
        self.living_threads(process)
    }

    /// A thread's registers, unless it has ended.
    pub fn registers(&self, pid: Pid) -> Option<&Regs> {
        let task = self.tasks.get(&pid)?;
        (task.state != State::Zombie).then_some(&task.regs)
    }

    /// A thread's registers, to be changed while it does not run. A system call that it waits in is made with them
    /// again.
    pub fn registers_mut(&mut self, pid: Pid) -> Option<&mut Regs> {
        let task = self.tasks.get_mut(&pid)?;
        (task.state != State::Zombie).then_some(&mut task.regs)
    }
}
