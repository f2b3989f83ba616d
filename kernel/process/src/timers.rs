//! Timers of a process that send signals: `setitimer(2)`'s two of processor time, and POSIX timers (`timer_create(2)`).
//!
//! Key types: [`Timers`], [`Timer`], [`Span`]. They belong to the process and are kept in its first task. The real interval
//! timer is older and stands in [`Task::alarm`](crate::Task). Timers are looked at whenever the process gets a turn and when its
//! turn ends, so those of processor time are late by one turn at most. Neighbours: `schedule`, `syscall::timer`.

use std::collections::BTreeMap;

use abi::process::{RLIM_INFINITY, RLIMIT_CPU};
use abi::signal::{SigDetail, SigInfo, Signal, code};

use crate::kernel::Kernel;
use crate::signal::kernel_info;
use crate::task::{Pid, Task};

/// When something happens on its clock, and again after which time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    /// The next time.
    pub(crate) at: u64,
    /// Then again after this; 0 for never.
    pub(crate) every: u64,
}

impl Span {
    /// How often it has happened by `now`, and what is to come.
    fn expire(self, now: u64) -> (u64, Option<Self>) {
        let Some(late) = now.checked_sub(self.at) else {
            return (0, Some(self));
        };
        let more = late.checked_div(self.every).unwrap_or(0);
        let step = self.every.saturating_mul(more.saturating_add(1));
        let at = self.at.saturating_add(step);
        (
            more.saturating_add(1),
            (self.every > 0).then_some(Self { at, ..self }),
        )
    }
}

/// What a POSIX timer's times are counted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TimerClock {
    Real,
    Monotonic,
    /// Processor time of a process.
    Process(Pid),
    /// Processor time of a thread.
    Thread(Pid),
}

/// Who is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    Nobody,
    Process,
    Thread(Pid),
}

/// A POSIX timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Timer {
    pub(crate) clock: TimerClock,
    pub(crate) told: Told,
    pub(crate) signal: Signal,
    /// `si_value`.
    pub(crate) value: u64,
    pub(crate) span: Option<Span>,
    /// Expiries that came while its last signal was still pending.
    pub(crate) overrun: u32,
}

/// A process's timers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    /// `ITIMER_VIRTUAL`: counts time in user space.
    pub(crate) user: Option<Span>,
    /// `ITIMER_PROF`: counts all processor time.
    pub(crate) both: Option<Span>,
    /// POSIX timers by number.
    pub(crate) posix: BTreeMap<u32, Timer>,
    /// The next number.
    pub(crate) next: u32,
    /// Second of processor time at which `RLIMIT_CPU` was last told of.
    told_cpu_s: u64,
}

impl Timers {
    /// What a new program keeps: interval timers, no POSIX timers.
    pub(crate) fn after_exec(&mut self) {
        self.posix.clear();
    }
}

impl Kernel {
    /// Now on a timer's clock.
    pub(crate) fn posix_now(&self, clock: TimerClock) -> u64 {
        match clock {
            TimerClock::Real => self.clock.realtime_ns,
            TimerClock::Monotonic => self.clock.monotonic_ns,
            TimerClock::Process(pid) if self.tasks.contains_key(&pid) => {
                let times = self.process_times(pid);
                times.user_ns + times.system_ns
            }
            TimerClock::Thread(pid) => self
                .tasks
                .get(&pid)
                .map_or(0, |task| task.times.user_ns + task.times.system_ns),
            TimerClock::Process(_) => 0,
        }
    }

    /// The earliest moment of the monotonic clock at which a timer of this task's process is due. Those of processor time
    /// wait for the process's turns.
    pub(crate) fn timers_deadline(&self, task: &Task) -> Option<u64> {
        let at = |timer: &Timer| {
            let at = timer.span?.at;
            let left = match timer.clock {
                TimerClock::Real => at.saturating_sub(self.clock.realtime_ns),
                TimerClock::Monotonic => at.saturating_sub(self.clock.monotonic_ns),
                TimerClock::Process(_) | TimerClock::Thread(_) => return None,
            };
            (timer.told != Told::Nobody).then(|| self.clock.monotonic_ns.saturating_add(left))
        };
        task.timers.posix.values().filter_map(at).min()
    }

    /// Sends the signals of a process's timers that are due.
    pub(crate) fn ring_timers(&mut self, process: Pid) {
        let Some(task) = self.tasks.get(&process) else {
            return;
        };
        let limited = task.limits[RLIMIT_CPU].current != RLIM_INFINITY;
        if task.timers.user.is_some() || task.timers.both.is_some() || limited {
            self.ring_processor_timers(process);
        }
        let due: Vec<u32> = match self.tasks.get(&process) {
            Some(task) if !task.timers.posix.is_empty() => {
                let is_due = |timer: &Timer| {
                    let at = timer.span.map(|span| span.at);
                    at.is_some_and(|at| timer.told != Told::Nobody && at <= self.posix_now(timer.clock))
                };
                let due = task.timers.posix.iter().filter(|(_, timer)| is_due(timer));
                due.map(|(id, _)| *id).collect()
            }
            _ => return,
        };
        for id in due {
            self.ring_posix(process, id);
        }
    }

    fn ring_processor_timers(&mut self, process: Pid) {
        let times = self.process_times(process);
        let both_ns = times.user_ns + times.system_ns;
        let task = self.task_mut(process);
        let mut signals = Vec::new();
        let timers = &mut task.timers;
        for (timer, now, signal) in [
            (&mut timers.user, times.user_ns, Signal::VTALRM),
            (&mut timers.both, both_ns, Signal::PROF),
        ] {
            if let Some(span) = timer {
                let (count, next) = span.expire(now);
                *timer = next;
                signals.extend((count > 0).then_some(signal));
            }
        }
        // setrlimit(2): SIGXCPU each second beyond the soft limit, SIGKILL at the hard one.
        let limit = task.limits[RLIMIT_CPU];
        let seconds = both_ns / 1_000_000_000;
        if seconds >= limit.maximum {
            signals.push(Signal::KILL);
        } else if seconds >= limit.current && seconds > timers.told_cpu_s {
            timers.told_cpu_s = seconds;
            signals.push(Signal::XCPU);
        }
        for signal in signals {
            self.send(process, kernel_info(signal));
        }
    }

    fn ring_posix(&mut self, process: Pid, id: u32) {
        let Some(timer) = self.task(process).timers.posix.get(&id).copied() else {
            return;
        };
        let now = self.posix_now(timer.clock);
        let (count, next) = match timer.span {
            Some(span) => span.expire(now),
            None => return,
        };
        // While its signal waits, further expiries are only counted.
        let target = match timer.told {
            Told::Thread(thread) => thread,
            Told::Nobody | Told::Process => process,
        };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let waits = self.tasks.get_mut(&target).is_some_and(|task| match timer.told {
            Told::Thread(_) => task.signals.own.add_overrun(id, count),
            _ => task.signals.shared.borrow_mut().add_overrun(id, count),
        });
        let overrun = match waits {
            true => timer.overrun.saturating_add(count),
            false => count - 1,
        };
        if let Some(timer) = self.task_mut(process).timers.posix.get_mut(&id) {
            timer.span = next;
            timer.overrun = overrun.min(i32::MAX as u32);
        }
        if waits {
            return;
        }
        let info = SigInfo {
            signal: timer.signal,
            code: code::SI_TIMER,
            // `si_timerid` and `si_overrun` lie where a sender's number and user do.
            detail: SigDetail::Queued {
                pid: id,
                uid: overrun,
                value: timer.value,
            },
        };
        match timer.told {
            Told::Thread(thread) => self.send_to_thread(thread, info),
            Told::Process | Told::Nobody => self.send(process, info),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_expire_as_often_as_their_interval_fits() {
        let once = Span { at: 100, every: 0 };
        assert_eq!(once.expire(99), (0, Some(once)));
        assert_eq!(once.expire(100), (1, None));
        let again = Span { at: 100, every: 10 };
        assert_eq!(again.expire(100), (1, Some(Span { at: 110, every: 10 })));
        assert_eq!(again.expire(125), (3, Some(Span { at: 130, every: 10 })));
        // No expiry is beyond the end of time.
        let last = Span {
            at: u64::MAX - 1,
            every: u64::MAX,
        };
        assert_eq!(last.expire(u64::MAX).0, 1);
    }
}
