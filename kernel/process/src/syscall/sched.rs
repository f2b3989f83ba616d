//! Calls about turns on the processor. There is one processor, and all tasks take turns of equal length, so policies are kept and
//! shown, and real-time ones are refused as to a task without `CAP_SYS_NICE`.

use abi::Errno;
use abi::nr;
use abi::time::Timespec;

use super::{Answer, Call, Handler};
use crate::task::Pid;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::SCHED_YIELD, sched_yield),
    (nr::GETCPU, getcpu),
    (nr::SCHED_GETAFFINITY, sched_getaffinity),
    (nr::SCHED_SETAFFINITY, sched_setaffinity),
    (nr::SCHED_GETSCHEDULER, sched_getscheduler),
    (nr::SCHED_SETSCHEDULER, sched_setscheduler),
    (nr::SCHED_GETPARAM, sched_getparam),
    (nr::SCHED_SETPARAM, sched_setparam),
    (nr::SCHED_GET_PRIORITY_MAX, sched_get_priority_max),
    (nr::SCHED_GET_PRIORITY_MIN, sched_get_priority_min),
    (nr::SCHED_RR_GET_INTERVAL, sched_rr_get_interval),
];

const OTHER: u32 = 0;
const FIFO: u32 = 1;
const RR: u32 = 2;
const BATCH: u32 = 3;
const IDLE: u32 = 5;
const DEADLINE: u32 = 6;

/// About as long as a turn of the machine's takes.
const TURN_NS: u64 = 1_000_000;

fn sched_yield(call: &mut Call<'_>) -> Answer {
    call.kernel.yield_turn(call.pid);
    Ok(0)
}

/// Processor 0 of node 0: there is no other.
fn getcpu(call: &mut Call<'_>) -> Answer {
    let [cpu, node, ..] = call.args;
    call.write_if_wanted(cpu, &[0; 4])?;
    call.write_if_wanted(node, &[0; 4])?;
    Ok(0)
}

/// One processor.
fn sched_getaffinity(call: &mut Call<'_>) -> Answer {
    call.named(call.int(0))?;
    let size = call.args[1];
    if size < 8 || !size.is_multiple_of(8) {
        return Err(Errno::EINVAL.into());
    }
    call.write(call.args[2], &1u64.to_le_bytes())?;
    Ok(8)
}

/// Any set that has the one processor in it.
fn sched_setaffinity(call: &mut Call<'_>) -> Answer {
    let length = call.args[1].min(8) as usize;
    let mut mask = [0; 8];
    call.kernel
        .read_user(call.pid, call.args[2], &mut mask[..length])?;
    call.named(call.int(0))?;
    if mask[0] & 1 == 0 {
        return Err(Errno::EINVAL.into());
    }
    Ok(0)
}

/// The task of a scheduling call: a negative number is `EINVAL` there.
fn target(call: &Call<'_>) -> Result<Pid, Errno> {
    if call.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    call.named(call.int(0))
}

fn sched_getscheduler(call: &mut Call<'_>) -> Answer {
    let pid = target(call)?;
    Ok(u64::from(call.kernel.task(pid).policy))
}

/// Whether a task's turns are this one's to set (`check_same_owner`).
fn may_set(call: &Call<'_>, pid: Pid) -> Result<(), Errno> {
    let (mine, theirs) = (&call.task().creds, &call.kernel.task(pid).creds);
    let same = [theirs.uid, theirs.euid].contains(&mine.euid);
    if same || mine.is_root() {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

/// The priority in a `struct sched_param`.
fn priority_at(call: &mut Call<'_>, at: u64) -> Result<i32, Errno> {
    if at == 0 {
        return Err(Errno::EINVAL);
    }
    Ok(i32::from_le_bytes(call.read(at)?))
}

/// Whether a policy may be had with a priority.
fn check(policy: u32, priority: i32) -> Result<(), Errno> {
    match policy {
        OTHER | BATCH | IDLE if priority == 0 => Ok(()),
        FIFO | RR if (1..=99).contains(&priority) => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

fn sched_setscheduler(call: &mut Call<'_>) -> Answer {
    const RESET_ON_FORK: u32 = 0x4000_0000;
    let policy = call.args[1] as u32 & !RESET_ON_FORK;
    let priority = priority_at(call, call.args[2])?;
    let pid = target(call)?;
    check(policy, priority)?;
    may_set(call, pid)?;
    call.kernel.task_mut(pid).policy = policy;
    Ok(0)
}

fn sched_getparam(call: &mut Call<'_>) -> Answer {
    if call.args[1] == 0 {
        return Err(Errno::EINVAL.into());
    }
    target(call)?;
    call.write(call.args[1], &0u32.to_le_bytes())?;
    Ok(0)
}

fn sched_setparam(call: &mut Call<'_>) -> Answer {
    let priority = priority_at(call, call.args[1])?;
    let pid = target(call)?;
    check(call.kernel.task(pid).policy, priority)?;
    may_set(call, pid)?;
    Ok(0)
}

fn sched_get_priority_max(call: &mut Call<'_>) -> Answer {
    match call.args[0] as u32 {
        FIFO | RR => Ok(99),
        OTHER | BATCH | IDLE | DEADLINE => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn sched_get_priority_min(call: &mut Call<'_>) -> Answer {
    match call.args[0] as u32 {
        FIFO | RR => Ok(1),
        OTHER | BATCH | IDLE | DEADLINE => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn sched_rr_get_interval(call: &mut Call<'_>) -> Answer {
    target(call)?;
    call.write(call.args[1], &Timespec::from_ns(TURN_NS).encode())?;
    Ok(0)
}
