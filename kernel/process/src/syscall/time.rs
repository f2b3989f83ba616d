//! Clocks and sleep. All time is the machine's own ([`Clock`](crate::Clock)).

use abi::Errno;
use abi::nr;
use abi::time::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW, CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_THREAD_CPUTIME_ID, CLOCK_TICKS, TIMER_ABSTIME, Timespec,
    encode_timeval,
};

use super::{Answer, Call, Handler, Stop};
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::CLOCK_GETTIME, clock_gettime),
    (nr::CLOCK_GETRES, clock_getres),
    (nr::GETTIMEOFDAY, gettimeofday),
    (nr::NANOSLEEP, nanosleep),
    (nr::CLOCK_NANOSLEEP, clock_nanosleep),
    (nr::TIMES, times),
];

impl Call<'_> {
    /// A clock in nanoseconds.
    fn clock(&self, which: u32) -> Result<u64, Errno> {
        let clock = self.kernel.clock;
        match which {
            CLOCK_REALTIME | CLOCK_REALTIME_COARSE => Ok(clock.realtime_ns),
            CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE | CLOCK_BOOTTIME => {
                Ok(clock.monotonic_ns)
            }
            CLOCK_THREAD_CPUTIME_ID => {
                let times = self.task().times;
                Ok(times.user_ns + times.system_ns)
            }
            CLOCK_PROCESS_CPUTIME_ID => {
                let times = self.kernel.process_times(self.task().tgid);
                Ok(times.user_ns + times.system_ns)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// Sleeps until `deadline` on the monotonic clock, fixed when the call was first made.
    fn sleep(&mut self, deadline: u64, remaining_at: u64) -> Answer {
        let deadline = *self.task_mut().progress.deadline.get_or_insert(deadline);
        if self.kernel.clock.monotonic_ns >= deadline {
            return Ok(0);
        }
        self.task_mut().progress.remaining_at = (remaining_at != 0).then_some(remaining_at);
        Err(Stop::Wait(Wait::for_bell().until(Some(deadline)).not_restarted()))
    }
}

fn clock_gettime(call: &mut Call<'_>) -> Answer {
    let now = call.clock(call.args[0] as u32)?;
    call.write(call.args[1], &Timespec::from_ns(now).encode())?;
    Ok(0)
}

fn clock_getres(call: &mut Call<'_>) -> Answer {
    let which = call.args[0] as u32;
    call.clock(which)?;
    let coarse = which == CLOCK_REALTIME_COARSE || which == CLOCK_MONOTONIC_COARSE;
    let resolution = if coarse { 4_000_000 } else { 1 };
    call.write_if_wanted(call.args[1], &Timespec::from_ns(resolution).encode())?;
    Ok(0)
}

fn gettimeofday(call: &mut Call<'_>) -> Answer {
    let now = call.kernel.clock.realtime_ns;
    call.write_if_wanted(call.args[0], &encode_timeval(now))?;
    // The zone: minutes west of Greenwich and a relic, both 0.
    call.write_if_wanted(call.args[1], &[0; 8])?;
    Ok(0)
}

fn nanosleep(call: &mut Call<'_>) -> Answer {
    let asked = Timespec::decode(&call.read(call.args[0])?).to_ns()?;
    let deadline = call.kernel.clock.monotonic_ns.saturating_add(asked);
    call.sleep(deadline, call.args[1])
}

fn clock_nanosleep(call: &mut Call<'_>) -> Answer {
    let [which, flags, at, remaining_at, ..] = call.args;
    let now = call.clock(which as u32)?;
    let asked = Timespec::decode(&call.read(at)?).to_ns()?;
    if which as u32 == CLOCK_THREAD_CPUTIME_ID {
        return Err(Errno::EINVAL.into());
    }
    let absolute = flags & TIMER_ABSTIME != 0;
    let left = if absolute {
        asked.saturating_sub(now)
    } else {
        asked
    };
    let deadline = call.kernel.clock.monotonic_ns.saturating_add(left);
    call.sleep(deadline, if absolute { 0 } else { remaining_at })
}

fn times(call: &mut Call<'_>) -> Answer {
    let tick = 1_000_000_000 / CLOCK_TICKS;
    let times = call.kernel.process_times(call.task().tgid);
    let fields = [
        times.user_ns,
        times.system_ns,
        times.children_user_ns,
        times.children_system_ns,
    ];
    let bytes: Vec<u8> = fields.iter().flat_map(|ns| (ns / tick).to_le_bytes()).collect();
    call.write_if_wanted(call.args[0], &bytes)?;
    Ok(call.kernel.clock.monotonic_ns / tick)
}
