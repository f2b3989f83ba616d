//! Signal calls.

use abi::Errno;
use abi::nr;
use abi::signal::{
    AltStack, MINSIGSTKSZ, SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, SIGSET_SIZE, SS_AUTODISARM, SS_DISABLE,
    SS_ONSTACK, SigAction, SigDetail, SigInfo, SigSet, Signal, code,
};

use super::{Answer, Call, Handler, Stop};
use crate::signal::send::is_ignored;
use crate::task::{Pid, Task};
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::RT_SIGACTION, rt_sigaction),
    (nr::RT_SIGPROCMASK, rt_sigprocmask),
    (nr::RT_SIGPENDING, rt_sigpending),
    (nr::RT_SIGSUSPEND, rt_sigsuspend),
    (nr::RT_SIGRETURN, rt_sigreturn),
    (nr::SIGALTSTACK, sigaltstack),
    (nr::KILL, kill),
    (nr::TKILL, tkill),
    (nr::TGKILL, tgkill),
];

pub(super) fn check_size(size: u64) -> Result<(), Errno> {
    if size == SIGSET_SIZE {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

fn rt_sigaction(call: &mut Call<'_>) -> Answer {
    let [number, new_at, old_at, size, ..] = call.args;
    check_size(size)?;
    let new = match new_at {
        0 => None,
        at => Some(SigAction::decode(&call.read(at)?)),
    };
    let signal = Signal::new(number).ok_or(Errno::EINVAL)?;
    if new.is_some() && SigSet::UNBLOCKABLE.contains(signal) {
        return Err(Errno::EINVAL.into());
    }
    let old = call.task().actions.borrow().get(signal);
    if let Some(mut new) = new {
        new.mask = new.mask.without(SigSet::UNBLOCKABLE);
        let task = call.task_mut();
        task.actions.borrow_mut().set(signal, new);
        // POSIX: ignoring a signal discards a pending one.
        if is_ignored(new, signal) {
            let process = task.tgid;
            call.kernel.discard_in_process(process, SigSet::of(signal));
        }
    }
    call.write_if_wanted(old_at, &old.encode())?;
    Ok(0)
}

fn rt_sigprocmask(call: &mut Call<'_>) -> Answer {
    let [how, new_at, old_at, size, ..] = call.args;
    check_size(size)?;
    let old = call.task().signals.blocked;
    if new_at != 0 {
        let set = SigSet(u64::from_le_bytes(call.read(new_at)?));
        let new = match how {
            SIG_BLOCK => old.union(set),
            SIG_UNBLOCK => old.without(set),
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL.into()),
        };
        call.task_mut().signals.blocked = new.without(SigSet::UNBLOCKABLE);
    }
    call.write_if_wanted(old_at, &old.0.to_le_bytes())?;
    Ok(0)
}

fn rt_sigpending(call: &mut Call<'_>) -> Answer {
    if call.args[1] > SIGSET_SIZE {
        return Err(Errno::EINVAL.into());
    }
    let signals = &call.task().signals;
    let pending = signals.pending().0 & signals.blocked.0;
    let length = call.args[1] as usize;
    call.write(call.args[0], &pending.to_le_bytes()[..length])?;
    Ok(0)
}

impl Call<'_> {
    /// Waits with another mask (`rt_sigsuspend`, `ppoll`, `pselect6`); the old one comes back with the answer or with
    /// the handler's return.
    pub(super) fn swap_mask(&mut self, mask: SigSet) {
        let signals = &mut self.task_mut().signals;
        if signals.saved_mask.is_none() {
            signals.saved_mask = Some(signals.blocked);
        }
        signals.blocked = mask.without(SigSet::UNBLOCKABLE);
    }
}

fn rt_sigsuspend(call: &mut Call<'_>) -> Answer {
    check_size(call.args[1])?;
    let mask = SigSet(u64::from_le_bytes(call.read(call.args[0])?));
    call.swap_mask(mask);
    Err(Stop::Wait(Wait::for_bell().not_restarted()))
}

fn rt_sigreturn(call: &mut Call<'_>) -> Answer {
    call.kernel.return_from_signal(call.pid);
    Err(Stop::NoAnswer)
}

fn sigaltstack(call: &mut Call<'_>) -> Answer {
    let [new_at, old_at, ..] = call.args;
    let sp = call.task().regs.sp();
    let old = call.task().signals.alt_stack;
    let on = old.contains(sp) && old.flags & SS_AUTODISARM == 0;
    if new_at != 0 {
        let new = AltStack::decode(&call.read(new_at)?);
        if on {
            return Err(Errno::EPERM.into());
        }
        let mode = new.flags & !SS_AUTODISARM;
        if mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK {
            return Err(Errno::EINVAL.into());
        }
        let stack = if mode == SS_DISABLE {
            AltStack::NONE
        } else if new.size < MINSIGSTKSZ {
            return Err(Errno::ENOMEM.into());
        } else {
            AltStack {
                flags: new.flags & SS_AUTODISARM,
                ..new
            }
        };
        call.task_mut().signals.alt_stack = stack;
    }
    let flags = old.flags | if on { SS_ONSTACK } else { 0 };
    let shown = AltStack { flags, ..old };
    call.write_if_wanted(old_at, &shown.encode())?;
    Ok(0)
}

/// Signal 0 only asks whether the target exists.
fn signal_argument(number: u64) -> Result<Option<Signal>, Errno> {
    match number {
        0 => Ok(None),
        number => Signal::new(number).map(Some).ok_or(Errno::EINVAL),
    }
}

impl Call<'_> {
    /// Whether this task may send a signal to another: its own process, a user's own, and `SIGCONT` within a session.
    pub(super) fn may_signal(&self, target: Pid, signal: Option<Signal>) -> bool {
        let (me, to) = (self.task(), self.kernel.task(target));
        me.tgid == to.tgid
            || me.creds.may_signal(&to.creds)
            || (signal == Some(Signal::CONT) && me.session == to.session)
    }
}

fn info_of(call: &Call<'_>, signal: Signal, code: i32) -> SigInfo {
    let detail = SigDetail::User {
        pid: call.task().tgid.get(),
        uid: call.task().creds.uid,
    };
    SigInfo { signal, code, detail }
}

fn kill(call: &mut Call<'_>) -> Answer {
    let signal = signal_argument(u64::from(call.args[1] as u32))?;
    let (me, group) = (call.task().tgid, call.task().group);
    let number = call.int(0);
    let chosen = |task: &&Task| match number {
        0 => task.group == group,
        // Everybody but the first task and oneself.
        -1 => task.pid != me && task.pid != call.kernel.init,
        pid if pid > 0 => task.pid.get() == pid as u32,
        other => task.group.get() == other.unsigned_abs(),
    };
    // A positive number may be that of any thread; its process gets the signal.
    let is_target = |task: &&Task| (number > 0 || task.is_first()) && chosen(task);
    let targets: Vec<Pid> = call
        .kernel
        .tasks()
        .filter(is_target)
        .map(|task| task.pid)
        .collect();
    if targets.is_empty() {
        return Err(Errno::ESRCH.into());
    }
    let may = |target: &Pid| call.may_signal(*target, signal);
    let targets: Vec<Pid> = targets.into_iter().filter(may).collect();
    if targets.is_empty() {
        return Err(Errno::EPERM.into());
    }
    if let Some(signal) = signal {
        let info = info_of(call, signal, code::SI_USER);
        targets
            .into_iter()
            .for_each(|target| call.kernel.send(target, info));
    }
    Ok(0)
}

/// A signal for the thread of this number; for one of a certain process if that is given.
fn to_thread(call: &mut Call<'_>, process: Option<i32>, thread: i32, signal: u64) -> Answer {
    if thread <= 0 || process.is_some_and(|process| process <= 0) {
        return Err(Errno::EINVAL.into());
    }
    let target = call.named(thread)?;
    let its = call.kernel.task(target).tgid.get();
    if process.is_some_and(|process| process.cast_unsigned() != its) {
        return Err(Errno::ESRCH.into());
    }
    let signal = signal_argument(u64::from(signal as u32))?;
    if !call.may_signal(target, signal) {
        return Err(Errno::EPERM.into());
    }
    if let Some(signal) = signal {
        let info = info_of(call, signal, code::SI_TKILL);
        call.kernel.send_to_thread(target, info);
    }
    Ok(0)
}

fn tkill(call: &mut Call<'_>) -> Answer {
    to_thread(call, None, call.int(0), call.args[1])
}

fn tgkill(call: &mut Call<'_>) -> Answer {
    to_thread(call, Some(call.int(0)), call.int(1), call.args[2])
}
