//! Posting a signal: the effects that come before delivery (`kernel/signal.c`, `prepare_signal`).

use abi::signal::{DefaultAction, SIG_DFL, SIG_IGN, SigAction, SigDetail, SigInfo, SigSet, Signal, code, sa};

use crate::kernel::Kernel;
use crate::task::{Exit, Pid, Report, State, Task};

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
    /// Posts a signal to a task; one that is gone or a zombie takes no notice.
    pub(crate) fn send(&mut self, to: Pid, info: SigInfo) {
        let Some(task) = self.tasks.get_mut(&to) else {
            return;
        };
        if task.state == State::Zombie {
            return;
        }
        let signal = info.signal;
        if signal == Signal::CONT {
            task.signals.discard(stop_set());
            self.resume(to);
        } else if STOPS.contains(&signal) {
            task.signals.discard(SigSet::of(Signal::CONT));
        }
        let Some(task) = self.tasks.get_mut(&to) else {
            return;
        };
        let action = task.actions.borrow().get(signal);
        if is_ignored(action, signal) && !task.signals.blocked.contains(signal) {
            return;
        }
        post(task, info);
        if signal == Signal::KILL && task.state == State::Stopped {
            task.state = State::Runnable;
        }
        self.bell.ring();
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
        task.signals.discard(SigSet::of(signal));
        post(task, info);
    }

    /// A stopped task goes on; a call that it waited in is looked at again.
    fn resume(&mut self, pid: Pid) {
        let Some(task) = self.tasks.get_mut(&pid) else {
            return;
        };
        if task.state != State::Stopped {
            return;
        }
        task.state = match &mut task.wait {
            Some(wait) => {
                wait.over = true;
                State::Waiting
            }
            None => State::Runnable,
        };
        task.report = Some(Report::Continued);
        self.tell_parent(pid, code::CLD_CONTINUED, i32::from(Signal::CONT.get()));
    }

    /// A task stops.
    pub(crate) fn stop(&mut self, pid: Pid, signal: Signal) {
        let Some(task) = self.tasks.get_mut(&pid) else {
            return;
        };
        task.state = State::Stopped;
        task.report = Some(Report::Stopped(signal));
        self.tell_parent(pid, code::CLD_STOPPED, i32::from(signal.get()));
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
            .filter(|parent| parent.state != State::Zombie)
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

/// Standard signals are not queued: the first one's story stays.
fn post(task: &mut Task, info: SigInfo) {
    let signals = &mut task.signals;
    if !signals.pending.contains(info.signal) {
        signals.pending = signals.pending.union(SigSet::of(info.signal));
        signals.infos.push(info);
    }
}
