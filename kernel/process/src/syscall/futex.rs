//! `futex(2)`, robust lists and what a thread library asks for beside them. The lines of waiters are in [`crate::futex`].
//!
//! Futexes that lend their priority (`FUTEX_LOCK_PI` and its like) are refused with `ENOSYS`, as by a kernel built without
//! `CONFIG_FUTEX_PI`: there are no priorities to lend. Thread libraries then answer `ENOTSUP` for such mutexes.

use abi::Errno;
use abi::nr;
use abi::time::Timespec;

use super::{Answer, Call, Handler, Stop};
use crate::futex::{ANYBODY, FutexKey, ROBUST_HEAD};
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::FUTEX, futex),
    (nr::SET_ROBUST_LIST, set_robust_list),
    (nr::GET_ROBUST_LIST, get_robust_list),
    (nr::SET_TID_ADDRESS, set_tid_address),
    (nr::MEMBARRIER, membarrier),
];

/// `FUTEX_*` of `linux/futex.h`.
const WAIT: u64 = 0;
const WAKE: u64 = 1;
const REQUEUE: u64 = 3;
const CMP_REQUEUE: u64 = 4;
const WAKE_OP: u64 = 5;
const WAIT_BITSET: u64 = 9;
const WAKE_BITSET: u64 = 10;
const PRIVATE: u64 = 128;
const REALTIME: u64 = 256;

fn futex(call: &mut Call<'_>) -> Answer {
    let operation = call.args[1] & u64::from(u32::MAX);
    let command = operation & !(PRIVATE | REALTIME);
    if operation & REALTIME != 0 && command != WAIT_BITSET {
        return Err(Errno::ENOSYS.into());
    }
    let bitset = match command {
        WAIT_BITSET | WAKE_BITSET => call.args[5] as u32,
        _ => ANYBODY,
    };
    if bitset == 0 {
        return Err(Errno::EINVAL.into());
    }
    match command {
        WAIT | WAIT_BITSET => wait(call, operation, bitset),
        WAKE | WAKE_BITSET => {
            let key = key(call, call.args[0])?;
            Ok(call.kernel.wake_futex(key, wake_count(call.args[2]), bitset))
        }
        REQUEUE | CMP_REQUEUE => requeue(call, command),
        WAKE_OP => wake_op(call),
        _ => Err(Errno::ENOSYS.into()),
    }
}

/// Linux wakes one even if it is asked for none or fewer (`++ret >= nr_wake`).
fn wake_count(argument: u64) -> usize {
    usize::try_from(argument as i32).unwrap_or(0).max(1)
}

/// An address's key; one that is no word's is `EINVAL`, and a shared one must be mapped.
fn key(call: &mut Call<'_>, at: u64) -> Result<FutexKey, Errno> {
    if !at.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    let private = call.args[1] & PRIVATE != 0;
    if !private {
        call.read::<4>(at)?;
    }
    call.kernel.futex_key(call.pid, at, private).ok_or(Errno::EFAULT)
}

fn value_at(call: &mut Call<'_>, at: u64) -> Result<u32, Errno> {
    Ok(u32::from_le_bytes(call.read(at)?))
}

/// The moment on the monotonic clock at which a wait gives up.
fn deadline(call: &mut Call<'_>, operation: u64) -> Result<Option<u64>, Errno> {
    let at = call.args[3];
    if at == 0 {
        return Ok(None);
    }
    let asked = Timespec::decode(&call.read(at)?).to_ns()?;
    let clock = call.kernel.clock;
    let now = match operation & REALTIME {
        0 => clock.monotonic_ns,
        _ => clock.realtime_ns,
    };
    let absolute = operation & !(PRIVATE | REALTIME) == WAIT_BITSET;
    let left = if absolute {
        asked.saturating_sub(now)
    } else {
        asked
    };
    let deadline = clock.monotonic_ns.saturating_add(left);
    Ok(Some(*call.task_mut().progress.deadline.get_or_insert(deadline)))
}

fn wait(call: &mut Call<'_>, operation: u64, bitset: u32) -> Answer {
    let progress = call.task().progress;
    if progress.woken {
        return Ok(0);
    }
    let deadline = match progress.futex {
        // It waits already: the word and the time were looked at when it began to.
        Some(_) => progress.deadline,
        None => {
            let deadline = deadline(call, operation)?;
            let key = key(call, call.args[0])?;
            if value_at(call, call.args[0])? != call.args[2] as u32 {
                return Err(Errno::EAGAIN.into());
            }
            let waiter = call.kernel.futex_waiter(key, bitset);
            call.task_mut().progress.futex = Some(waiter);
            deadline
        }
    };
    if deadline.is_some_and(|deadline| deadline <= call.kernel.clock.monotonic_ns) {
        return Err(Errno::ETIMEDOUT.into());
    }
    let wait = Wait::for_waker().until(deadline);
    // With a time limit Linux restarts it only if no handler ran (`ERESTART_RESTARTBLOCK`).
    Err(Stop::Wait(if deadline.is_some() {
        wait.not_restarted()
    } else {
        wait
    }))
}

fn requeue(call: &mut Call<'_>, command: u64) -> Answer {
    let [at, _, wake, requeue, other, expected] = call.args;
    let count = |argument: u64| usize::try_from(argument as i32).map_err(|_| Errno::EINVAL);
    let (wake, requeue) = (count(wake)?, count(requeue)?);
    let (from, to) = (key(call, at)?, key(call, other)?);
    if command == CMP_REQUEUE && value_at(call, at)? != expected as u32 {
        return Err(Errno::EAGAIN.into());
    }
    Ok(call.kernel.requeue_futex(from, to, wake, requeue))
}

/// `FUTEX_WAKE_OP`: changes the second word, wakes at the first, and at the second too if its old value was as asked.
fn wake_op(call: &mut Call<'_>) -> Answer {
    let [at, _, first, second, other, code] = call.args;
    let (from, to) = (key(call, at)?, key(call, other)?);
    let code = code as u32;
    let old = value_at(call, other)?;
    let new = changed(code, old).ok_or(Errno::ENOSYS)?;
    call.write(other, &new.to_le_bytes())?;
    let also = compares(code, old).ok_or(Errno::ENOSYS)?;
    let mut woken = call.kernel.wake_futex(from, wake_count(first), ANYBODY);
    if also {
        woken += call.kernel.wake_futex(to, wake_count(second), ANYBODY);
    }
    Ok(woken)
}

/// Twelve bits as a signed number.
fn signed12(bits: u32) -> i32 {
    (bits << 20) as i32 >> 20
}

/// The operation of a `FUTEX_WAKE_OP` code (`futex_atomic_op_inuser`).
fn changed(code: u32, old: u32) -> Option<u32> {
    const SHIFT: u32 = 8 << 28;
    let argument = signed12(code >> 12 & 0xfff) as u32;
    let argument = if code & SHIFT != 0 {
        1 << (argument & 31)
    } else {
        argument
    };
    Some(match code >> 28 & 7 {
        0 => argument,
        1 => old.wrapping_add(argument),
        2 => old | argument,
        3 => old & !argument,
        4 => old ^ argument,
        _ => return None,
    })
}

/// The comparison of a `FUTEX_WAKE_OP` code.
fn compares(code: u32, old: u32) -> Option<bool> {
    let (old, with) = (old as i32, signed12(code & 0xfff));
    Some(match code >> 24 & 0xf {
        0 => old == with,
        1 => old != with,
        2 => old < with,
        3 => old >= with,
        4 => old <= with,
        5 => old > with,
        _ => return None,
    })
}

fn set_tid_address(call: &mut Call<'_>) -> Answer {
    call.task_mut().clear_child_tid = call.args[0];
    Ok(u64::from(call.pid.get()))
}

fn set_robust_list(call: &mut Call<'_>) -> Answer {
    if call.args[1] != ROBUST_HEAD {
        return Err(Errno::EINVAL.into());
    }
    call.task_mut().robust_list = call.args[0];
    Ok(0)
}

fn get_robust_list(call: &mut Call<'_>) -> Answer {
    let pid = call.named(call.int(0))?;
    let head = call.kernel.task(pid).robust_list;
    call.write(call.args[2], &ROBUST_HEAD.to_le_bytes())?;
    call.write(call.args[1], &head.to_le_bytes())?;
    Ok(0)
}

/// All threads run in turn on one processor, and a switch orders everything: every barrier has already happened.
fn membarrier(call: &mut Call<'_>) -> Answer {
    const QUERY: i32 = 0;
    /// `GLOBAL` to `REGISTER_PRIVATE_EXPEDITED_SYNC_CORE`.
    const KNOWN: i32 = 0x7f;
    let (command, flags) = (call.int(0), call.args[1] as u32);
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    match command {
        QUERY => Ok(KNOWN as u64),
        command if command.count_ones() == 1 && command & KNOWN != 0 => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{changed, compares};

    /// `FUTEX_OP(op, oparg, cmp, cmparg)`.
    fn code(op: u32, argument: i32, comparison: u32, with: i32) -> u32 {
        op << 28 | comparison << 24 | (argument as u32 & 0xfff) << 12 | with as u32 & 0xfff
    }

    #[test]
    fn wake_op_codes_mean_what_linux_says() {
        let cases = [
            (0, 5, 5),
            (1, -1, 11),
            (2, 3, 15),
            (3, 4, 8),
            (4, 10, 6),
            (8 | 2, 0, 13),
        ];
        for (op, argument, expected) in cases {
            assert_eq!(changed(code(op, argument, 0, 0), 12), Some(expected), "{op}");
        }
        assert_eq!(changed(code(5, 0, 0, 0), 0), None);
        // -1 against 0: the comparison is a signed one.
        let answers: Vec<_> = (0..6).map(|cmp| compares(code(0, 0, cmp, 0), u32::MAX)).collect();
        let expected = [false, true, true, false, true, false].map(Some);
        assert_eq!(answers, expected);
        assert_eq!(compares(code(0, 0, 6, 0), 0), None);
        assert_eq!(compares(code(0, 0, 0, -1), u32::MAX), Some(true));
    }
}
