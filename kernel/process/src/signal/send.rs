//! Posting a signal: the effects that come before delivery (`kernel/signal.c`, `prepare_signal`).

use std::rc::Rc;

use abi::process::RLIMIT_SIGPENDING;
use abi::signal::{DefaultAction, SIG_DFL, SIG_IGN, SigAction, SigDetail, SigInfo, SigSet, Signal, code, sa};

use super::queue::REAL_TIME;
use crate::kernel::Kernel;
use crate::task::{Exit, Pid, Report, State};

const STOPS: [Signal; 4] = [Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU];

fn stop_set() -> SigSet {
    STOPS
        .into_iter()
        .fold(SigSet::default(), |set, s| set.union(SigSet::of(s)))
}

/// Whether a signal with this action has no effect at all.
pub(crate) fn is_ignored(action: SigAction, signal: Signal) -> bool {
    match action.handler {
        SIG_IGN => true,
        SIG_DFL => signal.default_action() == DefaultAction::Ignore,
        _ => false,
    }
}

impl Kernel {
    /// Posts a signal to a process, named by any of its threads; one that is gone or a zombie takes no notice.
    pub(crate) fn send(&mut self, to: Pid, info: SigInfo) {
        let Some(process) = self.tasks.get(&to).map(|task| task.tgid) else {
            return;
        };
        if !self.is_dead(process) && self.is_wanted(process, info.signal) {
            let task = self.task(process);
            let limit = self.queue_limit(process, info.signal, task.signals.shared.borrow().waiting());
            task.signals.shared.borrow_mut().post(info, limit);
            self.note_posted(process, info.signal);
        }
    }

    /// Posts a signal to one thread.
    pub(crate) fn send_to_thread(&mut self, to: Pid, info: SigInfo) {
        let Some(task) = self.tasks.get(&to) else { return };
        let process = task.tgid;
        if task.state != State::Zombie && self.is_wanted(to, info.signal) {
            let limit = self.queue_limit(to, info.signal, self.task(to).signals.own.waiting());
            let task = self.task_mut(to);
            task.signals.own.post(info, limit);
            self.note_posted(process, info.signal);
        }
    }

    /// How many signals may wait in a queue that has so many: `RLIMIT_SIGPENDING`, which root may set as it likes; and all
    /// queues together have a limit, for they are the host's memory.
    pub(crate) fn queue_limit(&self, to: Pid, signal: Signal, waiting: u64) -> u64 {
        /// A queue as long as this is left in peace.
        const FEW: u64 = 256;
        const MOST: u64 = 1 << 18;
        let limit = self.task(to).limits[RLIMIT_SIGPENDING].current;
        if signal.get() < REAL_TIME || waiting < FEW {
            return limit;
        }
        let all = self.tasks.values().map(|task| {
            let shared = if task.is_first() {
                task.signals.shared.borrow().waiting()
            } else {
                0
            };
            task.signals.own.waiting() + shared
        });
        if all.sum::<u64>() < MOST { limit } else { 0 }
    }

    /// What a signal does to others before it is delivered, and whether it has any effect on its target at all.
    fn is_wanted(&mut self, to: Pid, signal: Signal) -> bool {
        let process = self.task(to).tgid;
        if signal == Signal::CONT {
            self.discard_in_process(process, stop_set());
            self.resume(process);
        } else if STOPS.contains(&signal) {
            self.discard_in_process(process, SigSet::of(Signal::CONT));
        }
        let task = self.task(to);
        let action = task.actions.borrow().get(signal);
        task.signals.blocked.contains(signal) || !is_ignored(action, signal)
    }

    /// Forgets pending signals of a process and of all its threads.
    pub(crate) fn discard_in_process(&mut self, process: Pid, set: SigSet) {
        self.each_thread(process, |task| task.signals.discard(set));
    }

    fn note_posted(&mut self, process: Pid, signal: Signal) {
        if signal == Signal::KILL {
            self.each_thread(process, |task| {
                if task.state == State::Stopped {
                    task.state = State::Runnable;
                }
            });
        }
        self.bell.ring();
    }

    /// Which of the signals posted to its process are this thread's to take: those that the first thread blocks and every
    /// other before it (`complete_signal` asks the first thread first). `SIGKILL` is anybody's.
    pub(crate) fn share_of(&self, pid: Pid) -> SigSet {
        let task = self.task(pid);
        let posted = task.signals.shared.borrow().set();
        let mut share = posted.without(task.signals.blocked);
        if share.is_empty() || Rc::strong_count(&task.signals.shared) == 1 {
            return share;
        }
        for other in self.living_threads(task.tgid) {
            if other == pid {
                break;
            }
            let wants = share.without(self.task(other).signals.blocked);
            share = share.without(wants.without(SigSet::of(Signal::KILL)));
        }
        share
    }

    /// Posts a signal that cannot be put off: a blocked or ignored one becomes fatal (`force_sig_info_to_task`).
    pub(crate) fn force(&mut self, to: Pid, info: SigInfo) {
        let Some(task) = self.tasks.get_mut(&to) else {
            return;
        };
        let signal = info.signal;
        let blocked = task.signals.blocked.contains(signal);
        if blocked || task.actions.borrow().get(signal).handler == SIG_IGN {
            task.actions.borrow_mut().set(signal, SigAction::default());
            task.signals.blocked = task.signals.blocked.without(SigSet::of(signal));
        }
        task.signals.own.discard(SigSet::of(signal));
        task.signals.own.post(info, u64::MAX);
    }

    /// The threads of a stopped process go on; a call that one waited in is looked at again.
    fn resume(&mut self, process: Pid) {
        let mut was_stopped = false;
        self.each_thread(process, |task| {
            if task.state != State::Stopped {
                return;
            }
            was_stopped = true;
            task.state = match &mut task.wait {
                Some(wait) => {
                    wait.over = true;
                    State::Waiting
                }
                None => State::Runnable,
            };
        });
        if was_stopped {
            self.task_mut(process).report = Some(Report::Continued);
            self.tell_parent(process, code::CLD_CONTINUED, i32::from(Signal::CONT.get()));
        }
    }

    /// All threads of a process stop, for a signal that one of them took.
    pub(crate) fn stop(&mut self, pid: Pid, signal: Signal) {
        let Some(process) = self.tasks.get(&pid).map(|task| task.tgid) else {
            return;
        };
        self.each_thread(process, |task| {
            if task.state != State::Zombie {
                task.state = State::Stopped;
            }
        });
        self.task_mut(process).report = Some(Report::Stopped(signal));
        self.trace_stop(process, signal);
        if process == self.init {
            self.note_stop_of_init();
        }
        self.tell_parent(process, code::CLD_STOPPED, i32::from(signal.get()));
    }

    /// `SIGCHLD` to the parent of a task that stopped or goes on, unless it does not want it.
    fn tell_parent(&mut self, pid: Pid, code: i32, status: i32) {
        self.bell.ring();
        let (parent, uid) = {
            let task = self.task(pid);
            (task.parent, task.creds.uid)
        };
        let wanted = self.tasks.get(&parent).is_some_and(|parent| {
            let action = parent.actions.borrow().get(Signal::CHLD);
            action.flags & sa::NOCLDSTOP == 0
        });
        if wanted {
            self.send(parent, child_info(Signal::CHLD, pid, uid, code, status));
        }
    }

    /// Tells a parent of its child's end. Whether the parent takes no interest, so that no zombie is needed.
    pub(crate) fn tell_end(&mut self, pid: Pid, exit: Exit) -> bool {
        self.bell.ring();
        let (parent, uid, signal) = {
            let task = self.task(pid);
            (task.parent, task.creds.uid, task.exit_signal)
        };
        let Some(action) = self
            .tasks
            .get(&parent)
            .filter(|parent| !self.is_dead(parent.tgid))
            .map(|parent| parent.actions.borrow().get(Signal::CHLD))
        else {
            // The machine's own child is kept until the machine has read its status.
            return parent.get() != 0 || pid != self.init;
        };
        let Some(signal) = signal else { return false };
        let (code, status) = match exit {
            Exit::Code(status) => (code::CLD_EXITED, i32::from(status)),
            Exit::Signal(by) if by.default_action() == DefaultAction::Core => {
                (code::CLD_DUMPED, i32::from(by.get()))
            }
            Exit::Signal(by) => (code::CLD_KILLED, i32::from(by.get())),
        };
        self.send(parent, child_info(signal, pid, uid, code, status));
        signal == Signal::CHLD && (action.handler == SIG_IGN || action.flags & sa::NOCLDWAIT != 0)
    }
}

fn child_info(signal: Signal, pid: Pid, uid: u32, code: i32, status: i32) -> SigInfo {
    let detail = SigDetail::Child {
        pid: pid.get(),
        uid,
        status,
    };
    SigInfo { signal, code, detail }
}
