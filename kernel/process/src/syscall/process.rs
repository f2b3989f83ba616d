//! Calls about tasks: making and ending them, who they are, what they may use.

use std::rc::Rc;

use abi::Errno;
use abi::flags::{CloneFlags, WaitFlags};
use abi::nr;
use abi::process::{RLIMIT_NOFILE, RLIMITS, Rlimit, Rusage};
use abi::signal::Signal;

use super::{Answer, Call, Handler, Stop};
use crate::task::{Exit, Pid, Report, State, Task};
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::CLONE, clone),
    (nr::EXECVE, execve),
    (nr::EXIT, exit),
    (nr::EXIT_GROUP, exit),
    (nr::WAIT4, wait4),
    (nr::GETPID, getpid),
    (nr::GETTID, getpid),
    (nr::GETPPID, getppid),
    (nr::GETUID, getuid),
    (nr::GETEUID, geteuid),
    (nr::GETGID, getgid),
    (nr::GETEGID, getegid),
    (nr::GETRESUID, getresuid),
    (nr::GETRESGID, getresgid),
    (nr::SETUID, set_same_uid),
    (nr::SETGID, set_same_gid),
    (nr::GETGROUPS, getgroups),
    (nr::GETPGID, getpgid),
    (nr::SETPGID, setpgid),
    (nr::GETSID, getsid),
    (nr::SETSID, setsid),
    (nr::SET_TID_ADDRESS, set_tid_address),
    (nr::SET_ROBUST_LIST, set_robust_list),
    (nr::SCHED_YIELD, sched_yield),
    (nr::SCHED_GETAFFINITY, sched_getaffinity),
    (nr::GETPRIORITY, getpriority),
    (nr::SETPRIORITY, setpriority),
    (nr::PRLIMIT64, prlimit64),
    (nr::GETRLIMIT, getrlimit),
    (nr::SETRLIMIT, setrlimit),
    (nr::GETRUSAGE, getrusage),
    (nr::PRCTL, prctl),
    (nr::PERSONALITY, personality),
];

fn clone(call: &mut Call<'_>) -> Answer {
    let [bits, stack, parent_tid, tls, child_tid, _] = call.args;
    // A vfork that waits is made again: its child is there already.
    if let Some(child) = call.task().progress.waits_on {
        return match call.kernel.wait_for_vfork(call.pid) {
            Some(wait) => Err(Stop::Wait(wait)),
            None => Ok(child),
        };
    }
    let flags = CloneFlags::from_bits_retain(bits & !0xff);
    check_clone(flags)?;
    let exit_signal = Signal::new(bits & 0xff);
    let child = call.kernel.fork(call.pid, flags, exit_signal)?;
    let task = call.kernel.task_mut(child);
    task.regs.set_x(0, 0);
    if stack != 0 {
        task.regs.set_sp(stack);
    }
    if flags.contains(CloneFlags::SETTLS) {
        task.regs.tpidr = tls;
    }
    if flags.contains(CloneFlags::CHILD_CLEARTID) {
        task.clear_child_tid = child_tid;
    }
    let number = child.get().to_le_bytes();
    // Linux does not report bad addresses here either.
    if flags.contains(CloneFlags::PARENT_SETTID) {
        let _ = call.write(parent_tid, &number);
    }
    if flags.contains(CloneFlags::CHILD_SETTID) {
        let _ = call.kernel.write_user(child, child_tid, &number);
    }
    let answer = u64::from(child.get());
    match call.kernel.wait_for_vfork(call.pid) {
        Some(wait) => {
            call.task_mut().progress.waits_on = Some(answer);
            Err(Stop::Wait(wait))
        }
        None => Ok(answer),
    }
}

/// Linux's rules for combinations, then what this machine cannot do yet: threads and namespaces.
fn check_clone(flags: CloneFlags) -> Result<(), Errno> {
    if flags.contains(CloneFlags::SIGHAND) && !flags.contains(CloneFlags::VM) {
        return Err(Errno::EINVAL);
    }
    if flags.contains(CloneFlags::THREAD) && !flags.contains(CloneFlags::SIGHAND) {
        return Err(Errno::EINVAL);
    }
    let known = CloneFlags::VM
        | CloneFlags::FS
        | CloneFlags::FILES
        | CloneFlags::SIGHAND
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

impl Call<'_> {
    /// A null-terminated array of texts.
    fn texts(&mut self, at: u64) -> Result<Vec<Vec<u8>>, Errno> {
        // No stack takes more (6 MiB, exec's own rule, which also knows the stack's limit): gather no more either.
        const MOST: usize = 6 << 20;
        let limit = 32 * self.kernel.memory.granule().bytes() as usize;
        let mut total = 0;
        let mut texts = Vec::new();
        if at == 0 {
            return Ok(texts);
        }
        loop {
            let pointer = u64::from_le_bytes(self.read(at.wrapping_add(8 * texts.len() as u64))?);
            if pointer == 0 {
                return Ok(texts);
            }
            let text = self.kernel.read_text(self.pid, pointer, limit)?;
            let text = text.ok_or(Errno::E2BIG)?;
            total += text.len() + 1 + 8;
            if total > MOST {
                return Err(Errno::E2BIG);
            }
            texts.push(text);
        }
    }
}

fn execve(call: &mut Call<'_>) -> Answer {
    let path = call.path(call.args[0])?;
    let mut args = call.texts(call.args[1])?;
    let env = call.texts(call.args[2])?;
    if args.is_empty() {
        // Linux 5.18: a program always has a name.
        args.push(Vec::new());
    }
    call.kernel.exec(call.pid, &path, &args, &env)?;
    Err(Stop::NoAnswer)
}

fn exit(call: &mut Call<'_>) -> Answer {
    let code = Exit::Code(call.args[0] as u8);
    call.kernel.end(call.pid, code);
    Err(Stop::NoAnswer)
}

/// Which children a `wait4` is for.
fn selects(selector: i32, group: Pid, task: &Task) -> bool {
    match selector {
        -1 => true,
        0 => task.group == group,
        pid if pid > 0 => task.pid.get() == pid as u32,
        other => task.group.get() == other.unsigned_abs(),
    }
}

fn wait4(call: &mut Call<'_>) -> Answer {
    let (selector, status_at, usage_at) = (call.int(0), call.args[1], call.args[3]);
    let flags = WaitFlags::from_bits_retain(call.args[2] as u32);
    let known = WaitFlags::NOHANG
        | WaitFlags::UNTRACED
        | WaitFlags::CONTINUED
        | WaitFlags::NOTHREAD
        | WaitFlags::ALL
        | WaitFlags::CLONE;
    if !known.contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    let me = call.task();
    let (pid, group) = (me.pid, me.group);
    let mine = |task: &&Task| task.parent == pid && selects(selector, group, task);
    let children: Vec<Pid> = call.kernel.tasks().filter(mine).map(|task| task.pid).collect();
    if children.is_empty() {
        return Err(Errno::ECHILD.into());
    }
    for child in children {
        let Some(status) = news_of(call.kernel.task_mut(child), flags) else {
            continue;
        };
        let usage = usage_of_child(call, child);
        call.write_if_wanted(status_at, &status.to_le_bytes())?;
        call.write_if_wanted(usage_at, &usage.encode())?;
        if call.kernel.task(child).state == State::Zombie {
            reap(call, child);
        }
        return Ok(u64::from(child.get()));
    }
    if flags.contains(WaitFlags::NOHANG) {
        return Ok(0);
    }
    Err(Stop::Wait(Wait::for_bell()))
}

/// A child's status if there is something to tell; news of a living child are told once.
fn news_of(task: &mut Task, flags: WaitFlags) -> Option<u32> {
    if let Some(exit) = task.exit {
        return Some(exit.wait_status());
    }
    let status = match task.report? {
        Report::Stopped(signal) if flags.contains(WaitFlags::UNTRACED) => u32::from(signal.get()) << 8 | 0x7f,
        Report::Continued if flags.contains(WaitFlags::CONTINUED) => 0xffff,
        _ => return None,
    };
    task.report = None;
    Some(status)
}

fn usage_of_child(call: &Call<'_>, child: Pid) -> Rusage {
    let task = call.kernel.task(child);
    Rusage {
        user_ns: task.times.user_ns + task.times.children_user_ns,
        system_ns: task.times.system_ns + task.times.children_system_ns,
        max_rss_kib: call.kernel.peak_rss_kib(child),
        switches: task.switches,
        ..Rusage::default()
    }
}

fn reap(call: &mut Call<'_>, child: Pid) {
    let Some(dead) = call.kernel.tasks.remove(&child) else {
        return;
    };
    let me = call.task_mut();
    me.times.children_user_ns += dead.times.user_ns + dead.times.children_user_ns;
    me.times.children_system_ns += dead.times.system_ns + dead.times.children_system_ns;
    me.children_max_rss_kib = me.children_max_rss_kib.max(dead.children_max_rss_kib);
}

fn getpid(call: &mut Call<'_>) -> Answer {
    Ok(u64::from(call.pid.get()))
}

fn getppid(call: &mut Call<'_>) -> Answer {
    Ok(u64::from(call.task().parent.get()))
}

fn getuid(call: &mut Call<'_>) -> Answer {
    Ok(u64::from(call.task().creds.uid))
}

fn geteuid(call: &mut Call<'_>) -> Answer {
    Ok(u64::from(call.task().creds.euid))
}

fn getgid(call: &mut Call<'_>) -> Answer {
    Ok(u64::from(call.task().creds.gid))
}

fn getegid(call: &mut Call<'_>) -> Answer {
    Ok(u64::from(call.task().creds.egid))
}

fn write_ids(call: &mut Call<'_>, real: u32, effective: u32) -> Answer {
    for (at, id) in call.args.into_iter().zip([real, effective, effective]) {
        call.write(at, &id.to_le_bytes())?;
    }
    Ok(0)
}

fn getresuid(call: &mut Call<'_>) -> Answer {
    let (real, effective) = (call.task().creds.uid, call.task().creds.euid);
    write_ids(call, real, effective)
}

fn getresgid(call: &mut Call<'_>) -> Answer {
    let (real, effective) = (call.task().creds.gid, call.task().creds.egid);
    write_ids(call, real, effective)
}

/// A guest cannot become somebody else: its files are the host user's.
fn set_same_uid(call: &mut Call<'_>) -> Answer {
    let creds = &call.task().creds;
    let id = call.args[0] as u32;
    if id == creds.uid || id == creds.euid {
        Ok(0)
    } else {
        Err(Errno::EPERM.into())
    }
}

fn set_same_gid(call: &mut Call<'_>) -> Answer {
    let creds = &call.task().creds;
    let id = call.args[0] as u32;
    if id == creds.gid || id == creds.egid {
        Ok(0)
    } else {
        Err(Errno::EPERM.into())
    }
}

fn getgroups(call: &mut Call<'_>) -> Answer {
    let groups = call.task().creds.groups.clone();
    let room = usize::try_from(call.int(0)).map_err(|_| Errno::EINVAL)?;
    if room == 0 {
        return Ok(groups.len() as u64);
    }
    if room < groups.len() {
        return Err(Errno::EINVAL.into());
    }
    let bytes: Vec<u8> = groups.iter().flat_map(|group| group.to_le_bytes()).collect();
    call.write(call.args[1], &bytes)?;
    Ok(groups.len() as u64)
}

impl Call<'_> {
    /// The task that a number names; 0 is the caller.
    pub(super) fn named(&self, number: i32) -> Result<Pid, Errno> {
        if number == 0 {
            return Ok(self.pid);
        }
        let pid = Pid::new(u32::try_from(number).map_err(|_| Errno::ESRCH)?);
        self.kernel.find(pid).map(|task| task.pid).ok_or(Errno::ESRCH)
    }
}

fn getpgid(call: &mut Call<'_>) -> Answer {
    let pid = call.named(call.int(0))?;
    Ok(u64::from(call.kernel.task(pid).group.get()))
}

fn setpgid(call: &mut Call<'_>) -> Answer {
    if call.int(1) < 0 {
        return Err(Errno::EINVAL.into());
    }
    let pid = call.named(call.int(0))?;
    let group = match call.int(1) {
        0 => pid,
        number => Pid::new(number as u32),
    };
    let session = call.task().session;
    let target = call.kernel.task(pid);
    if target.pid != call.pid && target.parent != call.pid {
        return Err(Errno::ESRCH.into());
    }
    if target.session != session || target.session == pid {
        return Err(Errno::EPERM.into());
    }
    let exists = |task: &Task| task.group == group && task.session == session;
    if group != pid && !call.kernel.tasks().any(exists) {
        return Err(Errno::EPERM.into());
    }
    call.kernel.task_mut(pid).group = group;
    Ok(0)
}

fn getsid(call: &mut Call<'_>) -> Answer {
    let pid = call.named(call.int(0))?;
    Ok(u64::from(call.kernel.task(pid).session.get()))
}

fn setsid(call: &mut Call<'_>) -> Answer {
    let pid = call.pid;
    if call.kernel.tasks().any(|task| task.group == pid) {
        return Err(Errno::EPERM.into());
    }
    let task = call.task_mut();
    task.session = pid;
    task.group = pid;
    Ok(u64::from(pid.get()))
}

fn set_tid_address(call: &mut Call<'_>) -> Answer {
    call.task_mut().clear_child_tid = call.args[0];
    getpid(call)
}

/// Robust futexes matter when a thread dies beside others; there are no threads yet.
fn set_robust_list(call: &mut Call<'_>) -> Answer {
    if call.args[1] == 24 {
        Ok(0)
    } else {
        Err(Errno::EINVAL.into())
    }
}

fn sched_yield(call: &mut Call<'_>) -> Answer {
    call.kernel.yield_turn(call.pid);
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

const PRIO_PROCESS: u64 = 0;

fn getpriority(call: &mut Call<'_>) -> Answer {
    if call.args[0] > 2 {
        return Err(Errno::EINVAL.into());
    }
    let pid = match call.args[0] {
        PRIO_PROCESS => call.named(call.int(1))?,
        _ => call.pid,
    };
    // The raw call answers 1 to 40 so that no answer looks like an error.
    Ok((20 - i64::from(call.kernel.task(pid).nice)) as u64)
}

fn setpriority(call: &mut Call<'_>) -> Answer {
    if call.args[0] > 2 {
        return Err(Errno::EINVAL.into());
    }
    let pid = match call.args[0] {
        PRIO_PROCESS => call.named(call.int(1))?,
        _ => call.pid,
    };
    let nice = call.int(2).clamp(-20, 19) as i8;
    if nice < call.kernel.task(pid).nice && call.task().creds.euid != 0 {
        return Err(Errno::EACCES.into());
    }
    call.kernel.task_mut(pid).nice = nice;
    Ok(0)
}

/// `fs.nr_open`: not even root may have more descriptors, so that no table of them is longer.
const NR_OPEN: u64 = 1 << 20;

/// A limit of a task, and a new one for it.
fn limit(call: &mut Call<'_>, pid: Pid, which: u64, new_at: u64, old_at: u64) -> Answer {
    let which = usize::try_from(which).map_err(|_| Errno::EINVAL)?;
    if which >= RLIMITS {
        return Err(Errno::EINVAL.into());
    }
    let new = match new_at {
        0 => None,
        at => Some(Rlimit::decode(&call.read(at)?)),
    };
    let old = call.kernel.task(pid).limits[which];
    if let Some(new) = new {
        if new.current > new.maximum {
            return Err(Errno::EINVAL.into());
        }
        if which == RLIMIT_NOFILE && new.maximum > NR_OPEN {
            return Err(Errno::EPERM.into());
        }
        if new.maximum > old.maximum && call.task().creds.euid != 0 {
            return Err(Errno::EPERM.into());
        }
        let task = call.kernel.task_mut(pid);
        task.limits[which] = new;
        let limits = task.memory_limits();
        if let Some(space) = task.space.as_ref().map(Rc::clone) {
            call.kernel.memory.set_limits(space.id, limits);
        }
    }
    call.write_if_wanted(old_at, &old.encode())?;
    Ok(0)
}

fn prlimit64(call: &mut Call<'_>) -> Answer {
    let pid = call.named(call.int(0))?;
    let [_, which, new_at, old_at, ..] = call.args;
    limit(call, pid, which, new_at, old_at)
}

fn getrlimit(call: &mut Call<'_>) -> Answer {
    let [which, at, ..] = call.args;
    if at == 0 {
        return Err(Errno::EFAULT.into());
    }
    limit(call, call.pid, which, 0, at)
}

fn setrlimit(call: &mut Call<'_>) -> Answer {
    let [which, at, ..] = call.args;
    if at == 0 {
        return Err(Errno::EFAULT.into());
    }
    limit(call, call.pid, which, at, 0)
}

fn getrusage(call: &mut Call<'_>) -> Answer {
    const CHILDREN: i32 = -1;
    const THREAD: i32 = 1;
    let times = call.task().times;
    let usage = match call.int(0) {
        CHILDREN => Rusage {
            user_ns: times.children_user_ns,
            system_ns: times.children_system_ns,
            max_rss_kib: call.task().children_max_rss_kib,
            ..Rusage::default()
        },
        0 | THREAD => {
            let memory = call.kernel.memory.usage(call.task().space().id);
            Rusage {
                user_ns: times.user_ns,
                system_ns: times.system_ns,
                max_rss_kib: memory.peak_rss.kib(),
                minor_faults: memory.minor_faults,
                major_faults: memory.major_faults,
                switches: call.task().switches,
                ..Rusage::default()
            }
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    call.write(call.args[1], &usage.encode())?;
    Ok(0)
}

fn prctl(call: &mut Call<'_>) -> Answer {
    const SET_PDEATHSIG: u64 = 1;
    const GET_DUMPABLE: u64 = 3;
    const SET_DUMPABLE: u64 = 4;
    const SET_NAME: u64 = 15;
    const GET_NAME: u64 = 16;
    const CAPBSET_READ: u64 = 23;
    const SET_NO_NEW_PRIVS: u64 = 38;
    const GET_NO_NEW_PRIVS: u64 = 39;
    const SET_THP_DISABLE: u64 = 41;
    const GET_THP_DISABLE: u64 = 42;
    let argument = call.args[1];
    match call.args[0] {
        SET_NAME => {
            let text = call.kernel.read_text(call.pid, argument, 16)?;
            let bytes = match text {
                Some(text) => text,
                None => call.read::<15>(argument)?.to_vec(),
            };
            call.task_mut().comm = bytes[..bytes.len().min(15)].to_vec();
            Ok(0)
        }
        GET_NAME => {
            let mut name = call.task().comm.clone();
            name.resize(16, 0);
            call.write(argument, &name)?;
            Ok(0)
        }
        GET_DUMPABLE => Ok(1),
        SET_DUMPABLE if argument <= 1 => Ok(0),
        // There are no capabilities beyond what the host grants its user.
        CAPBSET_READ if argument <= 40 => Ok(u64::from(call.task().creds.euid == 0)),
        SET_PDEATHSIG if argument == 0 => Ok(0),
        SET_NO_NEW_PRIVS if argument == 1 => Ok(0),
        GET_NO_NEW_PRIVS => Ok(1),
        // There are no huge pages to disable.
        SET_THP_DISABLE => Ok(0),
        GET_THP_DISABLE => Ok(1),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn personality(call: &mut Call<'_>) -> Answer {
    let old = call.task().personality;
    let new = call.args[0] as u32;
    if new != u32::MAX {
        call.task_mut().personality = new;
    }
    Ok(u64::from(old))
}
