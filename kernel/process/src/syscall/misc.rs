//! Facts about the machine, random bytes, futexes.

use abi::Errno;
use abi::nr;
use abi::process::{Sysinfo, encode_utsname};

use super::{Answer, Call, Handler, Stop};
use crate::kernel::Kernel;
use crate::task::Pid;
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::UNAME, uname),
    (nr::SYSINFO, sysinfo),
    (nr::GETRANDOM, getrandom),
    (nr::FUTEX, futex),
    (nr::SYSLOG, syslog),
];

/// Calls that programs try first and have another way for, so that their absence is not worth a word: `rseq` and
/// `clone3` (glibc), `membarrier` (musl).
pub(super) const QUIETLY_ABSENT: &[usize] = &[nr::RSEQ, nr::CLONE3, nr::MEMBARRIER];

/// `uname(2)`'s release.
pub(crate) const RELEASE: &str = "6.12.0-pagewalk";
/// `uname(2)`'s version.
pub(crate) const VERSION: &str = "#1 SMP pagewalk";

fn uname(call: &mut Call<'_>) -> Answer {
    let name = call.kernel.config.hostname.clone();
    let bytes = encode_utsname(["Linux", &name, RELEASE, VERSION, "aarch64", "(none)"]);
    call.write(call.args[0], &bytes)?;
    Ok(0)
}

fn sysinfo(call: &mut Call<'_>) -> Answer {
    let granule = call.kernel.memory.granule();
    let frames = call.kernel.memory.frames();
    let info = Sysinfo {
        uptime: call.kernel.clock.monotonic_ns / 1_000_000_000,
        total_ram: frames.total().bytes(granule).get(),
        free_ram: frames.free.bytes(granule).get(),
        processes: call.kernel.tasks.len() as u16,
        ..Sysinfo::default()
    };
    call.write(call.args[0], &info.encode())?;
    Ok(0)
}

fn getrandom(call: &mut Call<'_>) -> Answer {
    const KNOWN: u64 = 7;
    const INSECURE: u64 = 4;
    const RANDOM: u64 = 2;
    let [at, length, flags, ..] = call.args;
    if flags & !KNOWN != 0 || flags & (INSECURE | RANDOM) == INSECURE | RANDOM {
        return Err(Errno::EINVAL.into());
    }
    let length = length.min(i32::MAX as u64);
    let mut chunk = [0; 4096];
    let mut done = 0;
    while done < length {
        let step = (length - done).min(chunk.len() as u64) as usize;
        call.kernel.rng.fill(&mut chunk[..step]);
        match call
            .kernel
            .write_user_partly(call.pid, at.wrapping_add(done), &chunk[..step])
        {
            Ok(count) => {
                done += count as u64;
                if count < step {
                    break;
                }
            }
            Err(errno) if done == 0 => return Err(errno.into()),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// The kernel's log is empty.
fn syslog(_: &mut Call<'_>) -> Answer {
    Err(Errno::EPERM.into())
}

/// `futex(2)`: waiting and waking by address. Shared and private are one: tasks that share an address share a space.
fn futex(call: &mut Call<'_>) -> Answer {
    const WAIT: u64 = 0;
    const WAKE: u64 = 1;
    const WAIT_BITSET: u64 = 9;
    const WAKE_BITSET: u64 = 10;
    /// `FUTEX_PRIVATE_FLAG` and `FUTEX_CLOCK_REALTIME`.
    const OPTIONS: u64 = 128 | 256;
    const REALTIME: u64 = 256;
    let [at, operation, value, timeout_at, ..] = call.args;
    if !at.is_multiple_of(4) {
        return Err(Errno::EINVAL.into());
    }
    match operation & !OPTIONS {
        WAKE | WAKE_BITSET => {
            let most = (value as i32).max(0) as usize;
            Ok(call.kernel.wake_futex(call.pid, at, most))
        }
        command @ (WAIT | WAIT_BITSET) => {
            let absolute = command == WAIT_BITSET;
            let realtime = operation & REALTIME != 0;
            let deadline = futex_deadline(call, timeout_at, absolute, realtime)?;
            futex_wait(call, at, value as u32, deadline)
        }
        _ => Err(Errno::ENOSYS.into()),
    }
}

fn futex_deadline(
    call: &mut Call<'_>,
    at: u64,
    absolute: bool,
    realtime: bool,
) -> Result<Option<u64>, Errno> {
    if at == 0 {
        return Ok(None);
    }
    let asked = abi::time::Timespec::decode(&call.read(at)?).to_ns()?;
    let clock = call.kernel.clock;
    let now = if realtime {
        clock.realtime_ns
    } else {
        clock.monotonic_ns
    };
    let left = if absolute {
        asked.saturating_sub(now)
    } else {
        asked
    };
    let deadline = clock.monotonic_ns.saturating_add(left);
    Ok(Some(*call.task_mut().progress.deadline.get_or_insert(deadline)))
}

fn futex_wait(call: &mut Call<'_>, at: u64, expected: u32, deadline: Option<u64>) -> Answer {
    let progress = call.task().progress;
    if progress.woken {
        return Ok(0);
    }
    if progress.waits_on.is_none() && u32::from_le_bytes(call.read(at)?) != expected {
        return Err(Errno::EAGAIN.into());
    }
    if deadline.is_some_and(|deadline| deadline <= call.kernel.clock.monotonic_ns) {
        return Err(Errno::ETIMEDOUT.into());
    }
    call.task_mut().progress.waits_on = Some(at);
    Err(Stop::Wait(Wait::for_bell().until(deadline)))
}

impl Kernel {
    /// Wakes up to `most` tasks that wait on this address of this task's space: how many.
    pub(crate) fn wake_futex(&mut self, pid: Pid, at: u64, most: usize) -> u64 {
        let Some(space) = self.task(pid).space.as_ref().map(|space| space.id) else {
            return 0;
        };
        let mut woken = 0;
        for task in self.tasks.values_mut() {
            let here = task.space.as_ref().is_some_and(|other| other.id == space);
            let waits = task.wait.is_some() && task.progress.waits_on == Some(at) && !task.progress.woken;
            if here && waits && task.vfork_child.is_none() && woken < most {
                task.progress.woken = true;
                woken += 1;
            }
        }
        if woken > 0 {
            self.bell.ring();
        }
        woken as u64
    }
}
