//! `waitid(2)`: as `wait4(2)`, with a `siginfo` and without taking what it tells if it is asked not to.

use abi::Errno;
use abi::flags::{OpenFlags, WaitFlags};
use abi::nr;
use abi::signal::{DefaultAction, SigDetail, SigInfo, Signal, code};

use super::process::{reap, usage_of_child};
use super::{Answer, Call, Handler, Stop};
use crate::task::{Exit, Pid, Report, Task};
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[(nr::WAITID, waitid)];

/// Which children are meant.
fn selector(call: &Call<'_>) -> Result<impl Fn(&Task) -> bool + use<>, Errno> {
    const ALL: u32 = 0;
    const PID: u32 = 1;
    const GROUP: u32 = 2;
    const PIDFD: u32 = 3;
    let (which, number) = (call.args[0] as u32, call.int(1));
    let own = call.task().group;
    let process = match (which, number) {
        // One that has been waited for is nobody's child.
        (PIDFD, 0..) => match call.process_of(number) {
            Err(Errno::ESRCH) => None,
            found => Some(found?.0),
        },
        _ => None,
    };
    let group = match number {
        0 => own,
        other => Pid::new(other.unsigned_abs()),
    };
    match (which, number) {
        (ALL, _) => {}
        (PID, 1..) | (GROUP, 0..) => {}
        (PIDFD, 0..) => {}
        _ => return Err(Errno::EINVAL),
    }
    Ok(move |task: &Task| match which {
        ALL => true,
        PID => task.pid.get() == number.unsigned_abs(),
        PIDFD => Some(task.pid) == process,
        _ => task.group == group,
    })
}

/// A descriptor of a process that was opened not to block says so here.
fn must_not_wait(call: &Call<'_>) -> bool {
    const PIDFD: u32 = 3;
    call.args[0] as u32 == PIDFD
        && call
            .process_of(call.int(1))
            .is_ok_and(|(_, file)| file.has(OpenFlags::NONBLOCK))
}

/// What there is to tell of a child: its code and status.
fn news(task: &Task, dead: bool, flags: WaitFlags) -> Option<(i32, i32)> {
    if let Some(exit) = task.exit.filter(|_| dead) {
        return flags.contains(WaitFlags::EXITED).then_some(match exit {
            Exit::Code(status) => (code::CLD_EXITED, i32::from(status)),
            Exit::Signal(signal) if signal.default_action() == DefaultAction::Core => {
                (code::CLD_DUMPED, i32::from(signal.get()))
            }
            Exit::Signal(signal) => (code::CLD_KILLED, i32::from(signal.get())),
        });
    }
    match task.report? {
        Report::Stopped(signal) if flags.contains(WaitFlags::UNTRACED) => {
            Some((code::CLD_STOPPED, i32::from(signal.get())))
        }
        Report::Continued if flags.contains(WaitFlags::CONTINUED) => {
            Some((code::CLD_CONTINUED, i32::from(Signal::CONT.get())))
        }
        _ => None,
    }
}

/// Linux writes these fields and no others.
fn write_info(call: &mut Call<'_>, at: u64, info: Option<&SigInfo>) -> Result<(), Errno> {
    let bytes = info.map_or([0; SigInfo::SIZE], SigInfo::encode);
    if at == 0 {
        return Ok(());
    }
    call.write(at, &bytes[..12])?;
    call.write(at.wrapping_add(16), &bytes[16..28])
}

fn waitid(call: &mut Call<'_>) -> Answer {
    let [_, _, info_at, flags, usage_at, _] = call.args;
    let flags = WaitFlags::from_bits_retain(flags as u32);
    let states = WaitFlags::EXITED | WaitFlags::UNTRACED | WaitFlags::CONTINUED;
    let known = states
        | WaitFlags::NOHANG
        | WaitFlags::NOWAIT
        | WaitFlags::NOTHREAD
        | WaitFlags::ALL
        | WaitFlags::CLONE;
    if !known.contains(flags) || !flags.intersects(states) {
        return Err(Errno::EINVAL.into());
    }
    let selects = selector(call)?;
    let me = call.task().tgid;
    let mine = |task: &&Task| task.is_first() && task.parent == me && selects(task);
    let children: Vec<Pid> = call.kernel.tasks().filter(mine).map(|task| task.pid).collect();
    if children.is_empty() {
        write_info(call, info_at, None)?;
        return Err(Errno::ECHILD.into());
    }
    for child in children {
        let task = call.kernel.task(child);
        let dead = call.kernel.is_dead(child);
        let Some((code, status)) = news(task, dead, flags) else {
            continue;
        };
        let detail = SigDetail::Child {
            pid: child.get(),
            uid: task.creds.uid,
            status,
        };
        let info = SigInfo {
            signal: Signal::CHLD,
            code,
            detail,
        };
        let usage = usage_of_child(call, child);
        write_info(call, info_at, Some(&info))?;
        call.write_if_wanted(usage_at, &usage.encode())?;
        if !flags.contains(WaitFlags::NOWAIT) {
            call.kernel.task_mut(child).report = None;
            if dead {
                reap(call, child);
            }
        }
        return Ok(0);
    }
    if flags.contains(WaitFlags::NOHANG) {
        write_info(call, info_at, None)?;
        return Ok(0);
    }
    if must_not_wait(call) {
        return Err(Errno::EAGAIN.into());
    }
    Err(Stop::Wait(Wait::for_bell()))
}
