//! The short files of a task: one line each, most of them for one program in the world.
//!
//! [`text`] has one arm a file; proc_pid_NAME(5) says what it holds.

use abi::Errno;
use mm::SpaceUsage;
use procfs::{SchedStat, TaskIo, Text};

use super::facts::TaskFacts;
use super::{mounts, network};
use crate::kernel::Kernel;
use crate::task::{Pid, State, Task};

/// The text of a short file, or `None` if it is not one of these.
pub(super) fn text(kernel: &Kernel, facts: &TaskFacts, name: &str) -> Option<Result<Vec<u8>, Errno>> {
    let task = kernel.find(Pid::new(facts.pid.cast_unsigned()))?;
    Some(Ok(match name {
        "cgroup" => b"0::/\n".to_vec(),
        "children" => children(kernel, task),
        // The machine's only user namespace: everybody is who they are.
        "uid_map" | "gid_map" => b"         0          0 4294967295\n".to_vec(),
        "setgroups" => b"allow\n".to_vec(),
        // Nobody logged in: this is no session of a login program.
        "loginuid" | "sessionid" => u32::MAX.to_string().into_bytes(),
        "io" => io(facts).print(),
        "mountinfo" => mounts::mountinfo(kernel).print(),
        "mounts" => mounts::mounts(kernel).print(),
        "net/unix" => network::unix(kernel),
        "net/sockstat" => network::sockstat(kernel),
        "oom_score" => format!("{}\n", oom_score(kernel, task)).into_bytes(),
        "oom_score_adj" => format!("{}\n", task.oom_score_adj).into_bytes(),
        "personality" => format!("{:08x}\n", task.personality).into_bytes(),
        "schedstat" => schedstat(facts).print(),
        // The machine's kernel has no stack of its own for a task; Linux refuses whoever may not see addresses.
        "stack" => return Some(Err(Errno::EPERM)),
        "syscall" => syscall(task),
        "timerslack_ns" => b"50000\n".to_vec(),
        "wchan" => wchan(task).into_bytes(),
        _ => return None,
    }))
}

fn children(kernel: &Kernel, task: &Task) -> Vec<u8> {
    // `parent` is a process; its children are shown by its first thread.
    let mine = |child: &&Task| task.is_first() && child.is_first() && child.parent == task.pid;
    let numbers = kernel.tasks().filter(mine).map(|child| format!("{} ", child.pid));
    numbers.collect::<String>().into_bytes()
}

fn io(facts: &TaskFacts) -> TaskIo {
    let own = facts.charges.plus(if facts.whole {
        facts.children_charges
    } else {
        Default::default()
    });
    TaskIo {
        rchar: own.rchar,
        wchar: own.wchar,
        syscr: own.syscr,
        syscw: own.syscw,
        read_bytes: own.read_bytes,
        write_bytes: own.write_bytes,
        cancelled_write_bytes: 0,
    }
}

fn schedstat(facts: &TaskFacts) -> SchedStat {
    SchedStat {
        run_ns: facts.thread_ns,
        delay_ns: facts.delay_ns,
        turns: facts.voluntary_switches + facts.involuntary_switches,
    }
}

/// `proc_oom_score()`: what the process holds, in thousandths of RAM, moved by `oom_score_adj`, onto 0 to 2000.
fn oom_score(kernel: &Kernel, task: &Task) -> i64 {
    const NEVER: i16 = -1000;
    let Some(space) = &task.space else { return 0 };
    if task.oom_score_adj == NEVER {
        return 0;
    }
    let memory = kernel.memory();
    let usage: SpaceUsage = memory.usage(space.id);
    let held = usage.rss().get() + usage.swap.get() + usage.page_tables.get();
    let pages = |bytes: u64| (bytes >> memory.granule().shift()).cast_signed();
    let total = pages(memory.ram_size().get()).max(1);
    let badness = pages(held) + i64::from(task.oom_score_adj) * total / 1000;
    (1000 + badness * 1000 / total) * 2 / 3
}

/// What a waiting task called: number, arguments, stack pointer, program counter.
fn syscall(task: &Task) -> Vec<u8> {
    let regs = &task.regs;
    let place = format!("{:#x} {:#x}", regs.sp(), regs.pc);
    match task.state {
        State::Waiting => {
            let args: String = (0..6).map(|n| format!("{:#x} ", regs.x(n))).collect();
            format!("{} {args}{place}\n", regs.x(8))
        }
        State::Stopped => format!("-1 {place}\n"),
        State::Runnable | State::Zombie => "running\n".to_owned(),
    }
    .into_bytes()
}

/// The function of Linux 6.12 in which a task would sleep that waits for the same; `0` for one that can run. Where a call waits in
/// many places, its entry function stands for them.
pub(super) fn wchan(task: &Task) -> String {
    use abi::nr;
    match task.state {
        State::Runnable | State::Zombie => return "0".to_owned(),
        State::Stopped => return "do_signal_stop".to_owned(),
        State::Waiting => {}
    }
    let number = usize::try_from(task.regs.x(8)).unwrap_or(usize::MAX);
    let name = match number {
        nr::WAIT4 | nr::WAITID => "do_wait",
        nr::NANOSLEEP | nr::CLOCK_NANOSLEEP => "hrtimer_nanosleep",
        nr::FUTEX => "futex_wait_queue",
        nr::EPOLL_PWAIT | nr::EPOLL_PWAIT2 => "do_epoll_wait",
        nr::PPOLL => "do_sys_poll",
        nr::PSELECT6 => "do_select",
        nr::RT_SIGTIMEDWAIT => "do_sigtimedwait",
        nr::RT_SIGSUSPEND => "sigsuspend",
        nr::CLONE | nr::CLONE3 => "kernel_clone",
        _ => {
            let call = nr::name(task.regs.x(8)).unwrap_or("ni_syscall");
            return format!("__arm64_sys_{call}");
        }
    };
    name.to_owned()
}
