//! Whose turn it is: one host thread runs all tasks in turn, and waiting calls are made again when they may succeed.

use std::ops::Bound;

use abi::signal::Signal;

use crate::clock::Clock;
use crate::kernel::{Kernel, Waits};
use crate::signal::kernel_info;
use crate::task::{Pid, State};
use crate::wait::Wait;

impl Kernel {
    /// The task to run now: the one that ran, until its slice ends or it waits; else the next in turn.
    pub fn next_task(&mut self) -> Option<Pid> {
        if let Some(pid) = self.current {
            return Some(pid);
        }
        // The end of one may be what another waits for that was looked at before it.
        loop {
            let heard = self.bell.count();
            let next = self.next_in_turn();
            if next.is_some() || self.bell.count() == heard {
                return next;
            }
        }
    }

    fn next_in_turn(&mut self) -> Option<Pid> {
        let (mut from, mut wrapped) = (Bound::Excluded(self.last), false);
        loop {
            let next = self.tasks.range((from, Bound::Unbounded)).next();
            let pid = match next.map(|(pid, _)| *pid) {
                Some(pid) if !wrapped || pid <= self.last => pid,
                None if !wrapped => {
                    (from, wrapped) = (Bound::Unbounded, true);
                    continue;
                }
                _ => return None,
            };
            from = Bound::Excluded(pid);
            if self.is_held(pid) {
                continue;
            }
            self.look_at(pid);
            if self
                .tasks
                .get(&pid)
                .is_some_and(|task| task.state == State::Runnable)
            {
                self.note_turn(pid);
                self.current = Some(pid);
                self.last = pid;
                return Some(pid);
            }
        }
    }

    /// Signals are delivered to a task that does not run, and a wait that may be over is tried again.
    fn look_at(&mut self, pid: Pid) {
        // Another thread's turn may have ended this one.
        let Some(task) = self.tasks.get(&pid) else { return };
        if task.state == State::Zombie {
            return;
        }
        self.ring_alarm(task.tgid);
        if !self.task(pid).signals.deliverable().is_empty() {
            self.settle(pid);
        }
        // A call that rings the bell may end another's wait at once; one look a turn is enough.
        let Some(task) = self.tasks.get(&pid) else { return };
        if task.state == State::Waiting && task.wait.as_ref().is_some_and(|wait| self.may_be_over(wait)) {
            self.charged(pid, |kernel| {
                kernel.call_again(pid);
                kernel.leave(pid);
            });
        }
    }

    fn may_be_over(&self, wait: &Wait) -> bool {
        wait.over
            || (!wait.deaf && wait.heard != self.bell.count())
            || wait
                .deadline
                .is_some_and(|deadline| deadline <= self.clock.monotonic_ns)
    }

    /// Notes what a task waits for.
    pub(crate) fn block(&mut self, pid: Pid, mut wait: Wait) {
        wait.heard = self.bell.count();
        let task = self.task_mut(pid);
        let mut first = false;
        if task.wait.is_none() {
            task.switches.0 += 1;
            first = true;
        }
        task.state = State::Waiting;
        task.wait = Some(wait);
        self.totals.switches += u64::from(first);
    }

    /// A task's time slice is used up.
    pub(crate) fn slice_ended(&mut self, pid: Pid) {
        self.ring_alarm(self.task(pid).tgid);
        self.yield_turn(pid);
    }

    pub(crate) fn yield_turn(&mut self, pid: Pid) {
        let now = self.clock.monotonic_ns;
        let task = self.task_mut(pid);
        task.switches.1 += 1;
        task.account.ready_since = Some(now);
        self.totals.switches += 1;
        self.current = None;
    }

    /// What to wait for when no task can run. Nothing at all (no descriptor, no deadline) means that no task will
    /// ever run again without a signal from outside.
    pub fn waits(&self) -> Waits {
        let mut waits = Waits::default();
        for task in self.tasks.values() {
            let alarm = task.alarm.map(|alarm| alarm.at);
            let mut deadline = [alarm, self.timers_deadline(task)].into_iter().flatten().min();
            if let (State::Waiting, Some(wait), false) = (task.state, &task.wait, self.is_held(task.pid)) {
                let hosts = wait.hosts.iter().cloned();
                waits.hosts.extend(hosts.map(|host| (task.pid, host)));
                deadline = [deadline, wait.deadline].into_iter().flatten().min();
            }
            waits.deadline_ns = [waits.deadline_ns, deadline].into_iter().flatten().min();
        }
        waits
    }

    /// A host descriptor that this task waits for is ready.
    pub fn ready(&mut self, pid: Pid) {
        if let Some(wait) = self.tasks.get_mut(&pid).and_then(|task| task.wait.as_mut()) {
            wait.over = true;
        }
    }

    /// Time has passed without a trap.
    pub fn advance(&mut self, clock: Clock) {
        self.clock = clock;
        self.note_load();
    }

    /// Sends `SIGALRM` to a process whose time has come.
    fn ring_alarm(&mut self, pid: Pid) {
        self.ring_timers(pid);
        let now = self.clock.monotonic_ns;
        let Some(task) = self.tasks.get_mut(&pid) else {
            return;
        };
        let Some(alarm) = task.alarm.filter(|alarm| alarm.at <= now) else {
            return;
        };
        task.alarm = (alarm.every > 0).then(|| {
            // The next multiple of the interval from now on; an interval beyond the end of time is never over.
            let into = (now - alarm.at) % alarm.every;
            crate::task::Alarm {
                at: now.saturating_add(alarm.every - into),
                ..alarm
            }
        });
        self.send(pid, kernel_info(Signal::ALRM));
    }

    /// A signal from outside, such as the terminal's interrupt key, to the foreground process group.
    pub fn interrupt(&mut self, signal: Signal) {
        self.send_to_group(self.foreground, kernel_info(signal));
    }
}
