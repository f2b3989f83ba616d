//! Timers that send signals: `setitimer(2)`, `getitimer(2)`, `timer_create(2)` and its kin. Timers that are read are `event`'s.

use abi::Errno;
use abi::bytes::{get, get_u32, get_u64};
use abi::event::TimerSpec;
use abi::nr;
use abi::signal::Signal;
use abi::time::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_THREAD_CPUTIME_ID,
    TIMER_ABSTIME, decode_timeval, encode_timeval,
};

use super::{Answer, Call, Handler};
use crate::task::{Alarm, Pid};
use crate::timers::{Span, Timer, TimerClock, Told};

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::SETITIMER, setitimer),
    (nr::GETITIMER, getitimer),
    (nr::TIMER_CREATE, timer_create),
    (nr::TIMER_SETTIME, timer_settime),
    (nr::TIMER_GETTIME, timer_gettime),
    (nr::TIMER_GETOVERRUN, timer_getoverrun),
    (nr::TIMER_DELETE, timer_delete),
];

/// POSIX timers of one process at most; Linux counts them as pending signals (`RLIMIT_SIGPENDING`).
const MOST_TIMERS: usize = 4096;
/// POSIX timers of all processes together, and how many each may have in any case: they are the host's memory.
const MOST_TOGETHER: usize = 1 << 17;
const FEW_TIMERS: usize = 32;

/// The interval timers of `setitimer(2)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Which {
    Real,
    User,
    Both,
}

fn which(number: u64) -> Result<Which, Errno> {
    match number as u32 {
        0 => Ok(Which::Real),
        1 => Ok(Which::User),
        2 => Ok(Which::Both),
        _ => Err(Errno::EINVAL),
    }
}

impl Call<'_> {
    /// An interval timer, and now on its clock.
    fn interval_timer(&mut self, which: Which) -> (Option<Span>, u64) {
        let monotonic = self.kernel.clock.monotonic_ns;
        let times = self.kernel.process_times(self.task().tgid);
        let first = self.kernel.process_mut(self.pid);
        match which {
            Which::Real => {
                let span = first.alarm.map(|Alarm { at, every }| Span { at, every });
                (span, monotonic)
            }
            Which::User => (first.timers.user, times.user_ns),
            Which::Both => (first.timers.both, times.user_ns + times.system_ns),
        }
    }
}

/// What is left of a timer: interval, then value. One that runs has something left.
fn encode_left(span: Option<Span>, now: u64) -> Vec<u8> {
    let (every, left) = span.map_or((0, 0), |span| (span.every, span.at.saturating_sub(now).max(1000)));
    [encode_timeval(every), encode_timeval(left)].concat()
}

fn getitimer(call: &mut Call<'_>) -> Answer {
    let which = which(call.args[0])?;
    let (span, now) = call.interval_timer(which);
    call.write(call.args[1], &encode_left(span, now))?;
    Ok(0)
}

fn setitimer(call: &mut Call<'_>) -> Answer {
    let which = which(call.args[0])?;
    let (old, now) = call.interval_timer(which);
    let span = match call.args[1] {
        0 => None,
        at => {
            let bytes: [u8; 32] = call.read(at)?;
            let every = decode_timeval(&get(&bytes, 0))?;
            let first = decode_timeval(&get(&bytes, 16))?;
            let at = now.saturating_add(first);
            (first > 0).then_some(Span { at, every })
        }
    };
    call.write_if_wanted(call.args[2], &encode_left(old, now))?;
    let first = call.kernel.process_mut(call.pid);
    match which {
        Which::Real => first.alarm = span.map(|Span { at, every }| Alarm { at, every }),
        Which::User => first.timers.user = span,
        Which::Both => first.timers.both = span,
    }
    Ok(0)
}

/// Whom a `struct sigevent` says to tell, by which signal, with which value.
fn told_by(call: &Call<'_>, event: &[u8; 64]) -> Result<(Told, Signal, u64), Errno> {
    const SIGEV_SIGNAL: u32 = 0;
    const SIGEV_NONE: u32 = 1;
    const SIGEV_THREAD: u32 = 2;
    const SIGEV_THREAD_ID: u32 = 4;
    let value = get_u64(event, 0);
    let signal = Signal::new(u64::from(get_u32(event, 8))).ok_or(Errno::EINVAL);
    match get_u32(event, 12) {
        SIGEV_NONE => Ok((Told::Nobody, Signal::ALRM, value)),
        // The C library makes the thread; for the kernel both are a signal to the process.
        SIGEV_SIGNAL | SIGEV_THREAD => Ok((Told::Process, signal?, value)),
        SIGEV_THREAD_ID => {
            let thread = Pid::new(get_u32(event, 16));
            let mine = call.kernel.find(thread);
            let mine = mine.filter(|task| task.tgid == call.task().tgid);
            Ok((Told::Thread(mine.ok_or(Errno::EINVAL)?.pid), signal?, value))
        }
        _ => Err(Errno::EINVAL),
    }
}

fn timer_create(call: &mut Call<'_>) -> Answer {
    let [clock, event_at, id_at, ..] = call.args;
    let clock = match clock as u32 {
        CLOCK_REALTIME => TimerClock::Real,
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => TimerClock::Monotonic,
        CLOCK_PROCESS_CPUTIME_ID => TimerClock::Process(call.task().tgid),
        CLOCK_THREAD_CPUTIME_ID => TimerClock::Thread(call.pid),
        _ => return Err(Errno::EINVAL.into()),
    };
    let timers = &call.kernel.process_mut(call.pid).timers;
    let (id, own) = (timers.next, timers.posix.len());
    let all = || {
        call.kernel
            .tasks()
            .map(|task| task.timers.posix.len())
            .sum::<usize>()
    };
    if own >= MOST_TIMERS || own >= FEW_TIMERS && all() >= MOST_TOGETHER || id > i32::MAX as u32 {
        return Err(Errno::EAGAIN.into());
    }
    let (told, signal, value) = match event_at {
        0 => (Told::Process, Signal::ALRM, id.into()),
        at => {
            let event = call.read(at)?;
            told_by(call, &event)?
        }
    };
    call.write(id_at, &id.to_le_bytes())?;
    let timers = &mut call.kernel.process_mut(call.pid).timers;
    timers.next += 1;
    timers.posix.insert(
        id,
        Timer {
            clock,
            told,
            signal,
            value,
            span: None,
            overrun: 0,
        },
    );
    Ok(0)
}

/// The timer of this number.
fn timer<'c>(call: &'c mut Call<'_>) -> Result<&'c mut Timer, Errno> {
    let id = call.args[0] as u32;
    let timers = &mut call.kernel.process_mut(call.pid).timers;
    timers.posix.get_mut(&id).ok_or(Errno::EINVAL)
}

/// What is left until the next expiry, and the interval.
fn left(timer: &Timer, now: u64) -> TimerSpec {
    let Some(span) = timer.span else {
        return TimerSpec { every: 0, value: 0 };
    };
    let value = match (span.at.checked_sub(now), timer.told) {
        (Some(left), _) if left > 0 => left,
        // Nobody is told of an expiry, so that it is over when it is asked for.
        (_, Told::Nobody) if span.every == 0 => 0,
        (_, Told::Nobody) => span.every - (now - span.at) % span.every,
        // Its signal is on its way.
        _ => 1,
    };
    TimerSpec {
        every: span.every,
        value,
    }
}

fn timer_settime(call: &mut Call<'_>) -> Answer {
    let [_, flags, new_at, old_at, ..] = call.args;
    if new_at == 0 {
        return Err(Errno::EINVAL.into());
    }
    let new = TimerSpec::decode(&call.read(new_at)?)?;
    let clock = timer(call)?.clock;
    let now = call.kernel.posix_now(clock);
    let at = match flags & TIMER_ABSTIME {
        0 => now.saturating_add(new.value),
        _ => new.value,
    };
    let timer = timer(call)?;
    let old = left(timer, now);
    timer.span = (new.value > 0).then_some(Span { at, every: new.every });
    timer.overrun = 0;
    call.write_if_wanted(old_at, &old.encode())?;
    Ok(0)
}

fn timer_gettime(call: &mut Call<'_>) -> Answer {
    let timer = *timer(call)?;
    let now = call.kernel.posix_now(timer.clock);
    call.write(call.args[1], &left(&timer, now).encode())?;
    Ok(0)
}

fn timer_getoverrun(call: &mut Call<'_>) -> Answer {
    Ok(timer(call)?.overrun.into())
}

fn timer_delete(call: &mut Call<'_>) -> Answer {
    timer(call)?;
    let id = call.args[0] as u32;
    call.kernel.process_mut(call.pid).timers.posix.remove(&id);
    Ok(0)
}
