//! `clone(2)` and `clone3(2)`: new processes and threads.

use abi::Errno;
use abi::flags::{CloneFlags, OpenFlags};
use abi::nr;
use abi::process::CloneArgs;
use abi::signal::Signal;

use super::{Answer, Call, Handler, Stop};
use crate::task::Pid;

pub(super) const CALLS: &[(usize, Handler)] = &[(nr::CLONE, clone), (nr::CLONE3, clone3)];

/// What `clone` and `clone3` both say.
struct NewTask {
    flags: CloneFlags,
    exit_signal: Option<Signal>,
    /// The new stack pointer, or 0 for the parent's.
    stack: u64,
    parent_tid: u64,
    child_tid: u64,
    tls: u64,
    /// Where the child's descriptor goes.
    pidfd: u64,
}

fn clone(call: &mut Call<'_>) -> Answer {
    let [bits, stack, parent_tid, tls, child_tid, _] = call.args;
    let both = (CloneFlags::PIDFD | CloneFlags::PARENT_SETTID).bits();
    if bits & both == both {
        return Err(Errno::EINVAL.into());
    }
    let new = NewTask {
        flags: CloneFlags::from_bits_retain(bits & 0xffff_ff00),
        exit_signal: Signal::new(bits & 0xff),
        stack,
        parent_tid,
        child_tid,
        tls,
        // `clone` has no place of its own for it.
        pidfd: parent_tid,
    };
    make_task(call, &new)
}

/// `clone3(2)`: the same from a structure that may grow (`struct clone_args`).
fn clone3(call: &mut Call<'_>) -> Answer {
    let [at, size, ..] = call.args;
    if size < CloneArgs::FIRST_SIZE {
        return Err(Errno::EINVAL.into());
    }
    if size > call.kernel.memory.granule().bytes() {
        return Err(Errno::E2BIG.into());
    }
    let mut bytes = vec![0; size as usize];
    call.kernel.read_user(call.pid, at, &mut bytes)?;
    let args = CloneArgs::decode(&bytes).ok_or(Errno::E2BIG)?;
    let signal = args.exit_signal;
    if args.flags & CloneFlags::DETACHED.bits() != 0 || signal > Signal::MAX {
        return Err(Errno::EINVAL.into());
    }
    // A thread has no signal of its own; a stack has both an address and a size, or neither.
    let flags = CloneFlags::from_bits_retain(args.flags);
    let alone = flags.intersects(CloneFlags::THREAD | CloneFlags::PARENT);
    if alone && signal != 0 || (args.stack == 0) != (args.stack_size == 0) || args.set_tid_size != 0 {
        return Err(Errno::EINVAL.into());
    }
    let new = NewTask {
        flags,
        exit_signal: Signal::new(signal),
        stack: args.stack.checked_add(args.stack_size).ok_or(Errno::EINVAL)?,
        parent_tid: args.parent_tid,
        child_tid: args.child_tid,
        tls: args.tls,
        pidfd: args.pidfd,
    };
    make_task(call, &new)
}

fn make_task(call: &mut Call<'_>, new: &NewTask) -> Answer {
    // A vfork that waits is made again: its child is there already.
    if let Some(child) = call.task().progress.vforked {
        return match call.kernel.wait_for_vfork(call.pid) {
            Some(wait) => Err(Stop::Wait(wait)),
            None => Ok(child),
        };
    }
    let flags = new.flags;
    check_clone(flags)?;
    let child = call.kernel.fork(call.pid, flags, new.exit_signal)?;
    if flags.contains(CloneFlags::PIDFD)
        && let Err(stop) = give_pidfd(call, child, new.pidfd)
    {
        call.kernel.unmake(child);
        return Err(stop);
    }
    let task = call.kernel.task_mut(child);
    task.regs.set_x(0, 0);
    if new.stack != 0 {
        task.regs.set_sp(new.stack);
    }
    if flags.contains(CloneFlags::SETTLS) {
        task.regs.tpidr = new.tls;
    }
    if flags.contains(CloneFlags::CHILD_CLEARTID) {
        task.clear_child_tid = new.child_tid;
    }
    let number = child.get().to_le_bytes();
    // Linux does not report bad addresses here either.
    if flags.contains(CloneFlags::PARENT_SETTID) {
        let _ = call.write(new.parent_tid, &number);
    }
    if flags.contains(CloneFlags::CHILD_SETTID) {
        let _ = call.kernel.write_user(child, new.child_tid, &number);
    }
    let answer = u64::from(child.get());
    match call.kernel.wait_for_vfork(call.pid) {
        Some(wait) => {
            call.task_mut().progress.vforked = Some(answer);
            Err(Stop::Wait(wait))
        }
        None => Ok(answer),
    }
}

/// `CLONE_PIDFD`: a descriptor of the child, for the parent only.
fn give_pidfd(call: &mut Call<'_>, child: Pid, at: u64) -> Result<(), Stop> {
    let fd = call.add_pidfd(child, OpenFlags::empty())? as i32;
    if let Err(errno) = call.write(at, &fd.to_le_bytes()) {
        call.task().files.borrow_mut().close(fd)?;
        return Err(errno.into());
    }
    Ok(())
}

/// Linux's rules for combinations, then what this machine has not got: namespaces, `CLONE_IO`.
fn check_clone(flags: CloneFlags) -> Result<(), Errno> {
    if flags.contains(CloneFlags::SIGHAND) && !flags.contains(CloneFlags::VM) {
        return Err(Errno::EINVAL);
    }
    if flags.contains(CloneFlags::THREAD) && !flags.contains(CloneFlags::SIGHAND) {
        return Err(Errno::EINVAL);
    }
    if flags.contains(CloneFlags::PIDFD) && flags.intersects(CloneFlags::THREAD | CloneFlags::DETACHED) {
        return Err(Errno::EINVAL);
    }
    let known = CloneFlags::VM
        | CloneFlags::PIDFD
        | CloneFlags::FS
        | CloneFlags::FILES
        | CloneFlags::SIGHAND
        | CloneFlags::THREAD
        | CloneFlags::VFORK
        | CloneFlags::PARENT
        | CloneFlags::SYSVSEM
        | CloneFlags::SETTLS
        | CloneFlags::PARENT_SETTID
        | CloneFlags::CHILD_CLEARTID
        | CloneFlags::CHILD_SETTID
        | CloneFlags::DETACHED
        | CloneFlags::UNTRACED
        | CloneFlags::PTRACE;
    if known.contains(flags) {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}
