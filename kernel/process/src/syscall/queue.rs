//! Signals with a value and waiting for signals: `rt_sigqueueinfo(2)`, `rt_tgsigqueueinfo(2)`, `rt_sigtimedwait(2)`.

use abi::Errno;
use abi::bytes::get_u32;
use abi::nr;
use abi::signal::{SigInfo, SigSet, Signal, code};

use super::signal::check_size;
use super::{Answer, Call, Handler, Stop};
use crate::signal::queue::REAL_TIME;
use crate::task::State;
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::RT_SIGQUEUEINFO, rt_sigqueueinfo),
    (nr::RT_TGSIGQUEUEINFO, rt_tgsigqueueinfo),
    (nr::RT_SIGTIMEDWAIT, rt_sigtimedwait),
];

/// Whose queue a signal joins.
#[derive(Clone, Copy)]
enum Target {
    Process,
    Thread,
}

/// Posts a signal with the story that the sender tells.
fn queue(call: &mut Call<'_>, to: Target, target: i32, number: u64, info_at: u64) -> Answer {
    let bytes: [u8; SigInfo::SIZE] = call.read(info_at)?;
    let said = get_u32(&bytes, 8) as i32;
    // Nobody may look like the kernel, or like `tkill`, to others.
    if (said >= 0 || said == code::SI_TKILL) && target as u32 != call.pid.get() {
        return Err(Errno::EPERM.into());
    }
    let number = u64::from(number as u32);
    if number > Signal::MAX {
        return Err(Errno::EINVAL.into());
    }
    if target <= 0 {
        return Err(Errno::ESRCH.into());
    }
    let target = call.named(target)?;
    let task = call.kernel.task(target);
    if !call.may_signal(target, Signal::new(number)) {
        return Err(Errno::EPERM.into());
    }
    let Some(signal) = Signal::new(number) else {
        return Ok(0);
    };
    if task.state == State::Zombie {
        return Ok(0);
    }
    let waiting = match to {
        Target::Process => task.signals.shared.borrow().waiting(),
        Target::Thread => task.signals.own.waiting(),
    };
    if signal.get() >= REAL_TIME && waiting >= call.kernel.queue_limit(target, signal, waiting) {
        return Err(Errno::EAGAIN.into());
    }
    let detail = SigInfo::queued_detail(&bytes);
    let code = said;
    let info = SigInfo { signal, code, detail };
    match to {
        Target::Process => call.kernel.send(target, info),
        Target::Thread => call.kernel.send_to_thread(target, info),
    }
    Ok(0)
}

fn rt_sigqueueinfo(call: &mut Call<'_>) -> Answer {
    let [_, number, info_at, ..] = call.args;
    queue(call, Target::Process, call.int(0), number, info_at)
}

fn rt_tgsigqueueinfo(call: &mut Call<'_>) -> Answer {
    let [_, _, number, info_at, ..] = call.args;
    if call.int(0) <= 0 || call.int(1) <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let thread = call.named(call.int(1))?;
    if call.kernel.task(thread).tgid.get() != call.int(0).cast_unsigned() {
        return Err(Errno::ESRCH.into());
    }
    queue(call, Target::Thread, call.int(1), number, info_at)
}

/// Takes a pending signal of a set, or waits for one. While it waits, the set is blocked, so that no handler runs for
/// what is taken here.
fn rt_sigtimedwait(call: &mut Call<'_>) -> Answer {
    let [set_at, info_at, timeout_at, size, ..] = call.args;
    check_size(size)?;
    let set = SigSet(u64::from_le_bytes(call.read(set_at)?)).without(SigSet::UNBLOCKABLE);
    let deadline = call.timeout(timeout_at)?;
    if let Some(info) = call.task_mut().signals.take_of(set) {
        call.write_if_wanted(info_at, &info.encode())?;
        return Ok(u64::from(info.signal.get()));
    }
    if call.is_over(deadline) {
        return Err(Errno::EAGAIN.into());
    }
    let blocked = call.task().signals.blocked;
    call.swap_mask(blocked.union(set));
    Err(Stop::Wait(Wait::for_bell().not_restarted().until(deadline)))
}
