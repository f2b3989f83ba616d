//! Calls about tasks: running programs and ending, waiting, who they are, what they may use.

use std::rc::Rc;

use abi::Errno;
use abi::flags::{AtFlags, WaitFlags};
use abi::fs::{AT_FDCWD, S_IFLNK, S_IFMT};
use abi::nr;
use abi::process::{RLIMIT_NOFILE, RLIMITS, Rlimit, Rusage};

use super::{Answer, Call, Handler, Stop};
use crate::file::Kind;
use crate::file::resolve::join;
use crate::task::{Exit, Pid, Report, Task};
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::EXECVE, execve),
    (nr::EXECVEAT, execveat),
    (nr::EXIT, exit),
    (nr::EXIT_GROUP, exit_group),
    (nr::WAIT4, wait4),
    (nr::GETPID, getpid),
    (nr::GETTID, gettid),
    (nr::GETPPID, getppid),
    (nr::GETUID, getuid),
    (nr::GETEUID, geteuid),
    (nr::GETGID, getgid),
    (nr::GETEGID, getegid),
    (nr::GETPGID, getpgid),
    (nr::SETPGID, setpgid),
    (nr::GETSID, getsid),
    (nr::SETSID, setsid),
    (nr::GETPRIORITY, getpriority),
    (nr::SETPRIORITY, setpriority),
    (nr::PRLIMIT64, prlimit64),
    (nr::GETRLIMIT, getrlimit),
    (nr::SETRLIMIT, setrlimit),
    (nr::GETRUSAGE, getrusage),
    (nr::PRCTL, prctl),
    (nr::PERSONALITY, personality),
];

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
    run_program(call, &path, (call.args[1], call.args[2]))
}

/// `execveat(2)`. A program in another directory is named by that directory's path.
fn execveat(call: &mut Call<'_>) -> Answer {
    let flags = AtFlags::from_bits_retain(call.args[4] as u32);
    if !(AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW).contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    let (from, mut path) = (call.int(0), call.path(call.args[1])?);
    if path.is_empty() && flags.contains(AtFlags::EMPTY_PATH) {
        path = open_program(call, from)?;
    } else if !path.is_empty() && path[0] != b'/' && from != AT_FDCWD {
        path = program_in(call, from, &path)?;
    }
    if flags.contains(AtFlags::SYMLINK_NOFOLLOW) {
        let place = call.kernel.resolve(call.pid, AT_FDCWD, &path)?;
        if call.kernel.stat_place(call.pid, &place, false)?.mode & S_IFMT == S_IFLNK {
            return Err(Errno::ELOOP.into());
        }
    }
    run_program(call, &path, (call.args[2], call.args[3]))
}

/// The name of a program that is open already (`AT_EMPTY_PATH`).
fn open_program(call: &mut Call<'_>, fd: i32) -> Result<Vec<u8>, Errno> {
    if fd == AT_FDCWD {
        return Err(Errno::EACCES);
    }
    let file = call.file(fd)?;
    let closes = call.task().files.borrow().slot(fd)?.close_on_exec;
    let mut start = [0; 2];
    let script = file.readable()
        && matches!(file.kind, Kind::Regular { .. })
        && call.kernel.read_file(&file, 0, &mut start).is_ok()
        && start == *b"#!";
    // Its interpreter would not find it.
    match closes && script {
        true => Err(Errno::ENOENT),
        false => Ok(format!("/dev/fd/{fd}").into_bytes()),
    }
}

/// The path of a program that is named from an open directory.
fn program_in(call: &mut Call<'_>, fd: i32, path: &[u8]) -> Result<Vec<u8>, Errno> {
    let file = call.file(fd)?;
    if !matches!(
        file.kind,
        Kind::Directory { .. } | Kind::Place(_) | Kind::Listing(_)
    ) {
        return Err(Errno::ENOTDIR);
    }
    let folder = match file.host() {
        Some(host) => call.kernel.path_now(host)?,
        None => file.path.clone(),
    };
    Ok(join(&folder, path))
}

fn run_program(call: &mut Call<'_>, path: &[u8], (args_at, env_at): (u64, u64)) -> Answer {
    let mut args = call.texts(args_at)?;
    let env = call.texts(env_at)?;
    if args.is_empty() {
        // Linux 5.18: a program always has a name.
        args.push(Vec::new());
    }
    let closing = call.closed_by_exec();
    let process = Rc::clone(call.task().files.borrow().identity());
    call.kernel.exec(call.pid, path, &args, &env)?;
    for file in closing {
        call.forget_locks_of(&file, &process);
    }
    Err(Stop::NoAnswer)
}

fn exit(call: &mut Call<'_>) -> Answer {
    let code = Exit::Code(call.args[0] as u8);
    call.kernel.end_thread(call.pid, code);
    Err(Stop::NoAnswer)
}

fn exit_group(call: &mut Call<'_>) -> Answer {
    let code = Exit::Code(call.args[0] as u8);
    call.kernel.end_process(call.pid, code);
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
    // A child is its process's, whichever thread made it.
    let (process, group) = (me.tgid, me.group);
    let mine = |task: &&Task| task.is_first() && task.parent == process && selects(selector, group, task);
    let children: Vec<Pid> = call.kernel.tasks().filter(mine).map(|task| task.pid).collect();
    if children.is_empty() {
        return Err(Errno::ECHILD.into());
    }
    for child in children {
        let dead = call.kernel.is_dead(child);
        let Some(status) = news_of(call.kernel.task_mut(child), dead, flags) else {
            continue;
        };
        let usage = usage_of_child(call, child);
        call.write_if_wanted(status_at, &status.to_le_bytes())?;
        call.write_if_wanted(usage_at, &usage.encode())?;
        if dead {
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
fn news_of(task: &mut Task, dead: bool, flags: WaitFlags) -> Option<u32> {
    if let Some(exit) = task.exit.filter(|_| dead) {
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

pub(super) fn usage_of_child(call: &Call<'_>, child: Pid) -> Rusage {
    let task = call.kernel.task(child);
    let times = call.kernel.process_times(child);
    let charges = call.kernel.process_charges(child).plus(task.account.children);
    Rusage {
        user_ns: times.user_ns + times.children_user_ns,
        system_ns: times.system_ns + times.children_system_ns,
        max_rss_kib: call.kernel.peak_rss_kib(child),
        minor_faults: charges.minor_faults,
        major_faults: charges.major_faults,
        switches: task.switches,
        ..Rusage::default()
    }
}

pub(super) fn reap(call: &mut Call<'_>, child: Pid) {
    let times = call.kernel.process_times(child);
    let charges = call.kernel.process_charges(child);
    let Some(dead) = call.kernel.tasks.remove(&child) else {
        return;
    };
    let me = call.kernel.process_mut(call.pid);
    me.times.children_user_ns += times.user_ns + times.children_user_ns;
    me.times.children_system_ns += times.system_ns + times.children_system_ns;
    me.account.children = me.account.children.plus(charges).plus(dead.account.children);
    me.children_max_rss_kib = me.children_max_rss_kib.max(dead.children_max_rss_kib);
}

fn getpid(call: &mut Call<'_>) -> Answer {
    Ok(u64::from(call.task().tgid.get()))
}

fn gettid(call: &mut Call<'_>) -> Answer {
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
    let pid = match call.int(0) {
        0 => call.task().tgid,
        number => call.named(number)?,
    };
    let group = match call.int(1) {
        0 => pid,
        number => Pid::new(number as u32),
    };
    let (session, process) = (call.task().session, call.task().tgid);
    let target = call.kernel.task(pid);
    if !target.is_first() {
        return Err(Errno::EINVAL.into());
    }
    if pid != process && target.parent != process {
        return Err(Errno::ESRCH.into());
    }
    if target.session != session {
        return Err(Errno::EPERM.into());
    }
    if pid != process && target.executed {
        return Err(Errno::EACCES.into());
    }
    if target.session == pid {
        return Err(Errno::EPERM.into());
    }
    let exists = |task: &Task| task.group == group && task.session == session;
    if group != pid && !call.kernel.tasks().any(exists) {
        return Err(Errno::EPERM.into());
    }
    call.kernel.each_thread(pid, |task| task.group = group);
    Ok(0)
}

fn getsid(call: &mut Call<'_>) -> Answer {
    let pid = call.named(call.int(0))?;
    Ok(u64::from(call.kernel.task(pid).session.get()))
}

fn setsid(call: &mut Call<'_>) -> Answer {
    let pid = call.task().tgid;
    if call.kernel.tasks().any(|task| task.group == pid) {
        return Err(Errno::EPERM.into());
    }
    call.kernel.each_thread(pid, |task| {
        task.session = pid;
        task.group = pid;
    });
    Ok(u64::from(pid.get()))
}

impl Call<'_> {
    /// The tasks whose niceness is asked for or set: one, a group's or a user's (`getpriority(2)`).
    fn prioritized(&self, which: u64, who: i32) -> Result<Vec<Pid>, Errno> {
        const PRIO_PROCESS: u64 = 0;
        const PRIO_PGRP: u64 = 1;
        const PRIO_USER: u64 = 2;
        let number = who.cast_unsigned();
        let of = |chosen: &dyn Fn(&Task) -> bool| -> Vec<Pid> {
            let living = self.kernel.tasks().filter(|task| !self.kernel.is_dead(task.pid));
            living.filter(|task| chosen(task)).map(|task| task.pid).collect()
        };
        let found = match which {
            PRIO_PROCESS => vec![self.named(who)?],
            PRIO_PGRP => {
                let group = match who {
                    0 => self.task().group,
                    _ => Pid::new(number),
                };
                of(&|task| task.group == group)
            }
            PRIO_USER => {
                let user = match who {
                    0 => self.task().creds.uid,
                    _ => number,
                };
                of(&|task| task.creds.uid == user)
            }
            _ => return Err(Errno::EINVAL),
        };
        match found.is_empty() {
            true => Err(Errno::ESRCH),
            false => Ok(found),
        }
    }

    /// Sets one task's niceness (`set_one_prio`).
    fn set_nice(&mut self, pid: Pid, nice: i8) -> Result<(), Errno> {
        let (mine, theirs) = (&self.task().creds, &self.kernel.task(pid).creds);
        if !mine.is_root() && ![theirs.uid, theirs.euid].contains(&mine.euid) {
            return Err(Errno::EPERM);
        }
        if nice < self.kernel.task(pid).nice && mine.euid != 0 {
            return Err(Errno::EACCES);
        }
        self.kernel.task_mut(pid).nice = nice;
        Ok(())
    }
}

fn getpriority(call: &mut Call<'_>) -> Answer {
    let found = call.prioritized(call.args[0], call.int(1))?;
    let lowest = found.iter().map(|pid| call.kernel.task(*pid).nice).min();
    // The raw call answers 1 to 40 so that no answer looks like an error.
    Ok((20 - i64::from(lowest.unwrap_or(0))) as u64)
}

fn setpriority(call: &mut Call<'_>) -> Answer {
    let nice = call.int(2).clamp(-20, 19) as i8;
    let mut failed = None;
    for pid in call.prioritized(call.args[0], call.int(1))? {
        failed = call.set_nice(pid, nice).err().or(failed);
    }
    failed.map_or(Ok(0), |errno| Err(errno.into()))
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
        let process = call.kernel.task(pid).tgid;
        call.kernel.each_thread(process, |task| task.limits[which] = new);
        let task = call.kernel.task(pid);
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
    let (mine, theirs) = (&call.task().creds, &call.kernel.task(pid).creds);
    if call.kernel.task(pid).tgid != call.task().tgid && !mine.is_over(theirs) {
        return Err(Errno::EPERM.into());
    }
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
    let times = match call.int(0) {
        THREAD => call.task().times,
        _ => call.kernel.process_times(call.task().tgid),
    };
    let first = call.kernel.process_mut(call.pid);
    let (peak, process, children) = (first.children_max_rss_kib, first.pid, first.account.children);
    let charges = match call.int(0) {
        CHILDREN => children,
        THREAD => call.task().account.own,
        _ => call.kernel.process_charges(process),
    };
    let usage = match call.int(0) {
        CHILDREN => Rusage {
            user_ns: times.children_user_ns,
            system_ns: times.children_system_ns,
            max_rss_kib: peak,
            minor_faults: charges.minor_faults,
            major_faults: charges.major_faults,
            ..Rusage::default()
        },
        0 | THREAD => {
            let memory = call.kernel.memory.usage(call.task().space().id);
            Rusage {
                user_ns: times.user_ns,
                system_ns: times.system_ns,
                max_rss_kib: memory.peak_rss.kib(),
                minor_faults: charges.minor_faults,
                major_faults: charges.major_faults,
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
        GET_DUMPABLE => Ok(call.task().space().dumpable.get().into()),
        SET_DUMPABLE if argument <= 1 => {
            call.task().space().dumpable.set(argument == 1);
            Ok(0)
        }
        // There are no capabilities beyond what the host grants its user.
        CAPBSET_READ if argument <= 40 => Ok(u64::from(call.task().creds.euid == 0)),
        SET_PDEATHSIG if argument == 0 => Ok(0),
        // A program's set-user-ID bit is not looked at in any case.
        SET_NO_NEW_PRIVS if argument == 1 && call.args[2..5] == [0; 3] => {
            call.task_mut().no_new_privs = true;
            Ok(0)
        }
        GET_NO_NEW_PRIVS if call.args[1..5] == [0; 4] => Ok(call.task().no_new_privs.into()),
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
