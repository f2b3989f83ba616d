//! What `/proc` says of a task and of the system that memory itself does not know, gathered in one place.
//!
//! Key types: [`TaskFacts`], [`SystemFacts`]: plain figures, so that the printing knows nothing of tasks.

use abi::process::{RLIMIT_SIGPENDING, RLIMITS};
use mm::SpaceId;

use crate::charges::Charges;
use crate::creds::Capabilities;
use crate::kernel::Kernel;
use crate::task::{Exit, Pid, Task};

/// `PF_FORKNOEXEC` and the like are Linux's own; this one says "a user process that has run exec".
const PF_RANDOMIZE: u32 = 0x0040_0000;

/// Where the parts of the program lie in its address space.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Layout {
    pub(super) start_code: u64,
    pub(super) end_code: u64,
    pub(super) start_data: u64,
    pub(super) end_data: u64,
    pub(super) start_brk: u64,
    pub(super) start_stack: u64,
    pub(super) args: (u64, u64),
    pub(super) environment: (u64, u64),
}

/// One task.
#[derive(Debug)]
pub(super) struct TaskFacts {
    pub(super) pid: i32,
    pub(super) tgid: i32,
    pub(super) ppid: i32,
    pub(super) pgrp: i32,
    pub(super) session: i32,
    pub(super) tty_nr: i32,
    pub(super) tpgid: i32,
    pub(super) flags: u32,
    pub(super) comm: Vec<u8>,
    pub(super) state: u8,
    pub(super) exit_signal: i32,
    pub(super) exit_code: i32,
    pub(super) nice: i8,
    pub(super) no_new_privs: bool,
    pub(super) threads: u32,
    pub(super) start_ns: u64,
    pub(super) user_ns: u64,
    pub(super) system_ns: u64,
    pub(super) children_user_ns: u64,
    pub(super) children_system_ns: u64,
    pub(super) charges: Charges,
    pub(super) children_charges: Charges,
    pub(super) delay_ns: u64,
    /// Time on the processor of this thread alone.
    pub(super) thread_ns: u64,
    /// Whether times and charges are the whole process's.
    pub(super) whole: bool,
    /// `None` for a zombie.
    pub(super) space: Option<SpaceId>,
    pub(super) layout: Layout,
    pub(super) auxv: Vec<u8>,
    pub(super) exe: Vec<u8>,
    pub(super) cwd: Vec<u8>,
    pub(super) umask: u32,
    pub(super) uids: [u32; 4],
    pub(super) gids: [u32; 4],
    pub(super) groups: Vec<u32>,
    pub(super) fd_slots: u64,
    /// Signal sets as `status` prints them: bit 0 is signal 1.
    pub(super) pending: u64,
    pub(super) pending_shared: u64,
    pub(super) blocked: u64,
    pub(super) ignored: u64,
    pub(super) caught: u64,
    pub(super) capabilities: Capabilities,
    pub(super) queued_limit: u64,
    pub(super) voluntary_switches: u64,
    pub(super) involuntary_switches: u64,
    pub(super) limits: [(u64, u64); RLIMITS],
}

impl TaskFacts {
    /// The facts of a task, or `None` if there is no such task.
    pub(super) fn gather(kernel: &Kernel, pid: i32) -> Option<Self> {
        let task = kernel.find(Pid::new(u32::try_from(pid).ok()?))?;
        let space = task.space.as_deref();
        let directories = task.directories.borrow();
        let [pending, shared, blocked, ignored, caught] = task.signal_sets();
        let number = |pid: Pid| pid.get().cast_signed();
        Some(Self {
            pid,
            tgid: number(task.tgid),
            ppid: number(task.parent),
            pgrp: number(task.group),
            session: number(task.session),
            tty_nr: kernel.terminal_facts(task).map_or(0, |(device, _)| device as i32),
            tpgid: kernel.terminal_facts(task).map_or(-1, |(_, group)| number(group)),
            flags: PF_RANDOMIZE,
            comm: task.comm.clone(),
            state: task.state.letter() as u8,
            exit_signal: task.exit_signal.map_or(0, |signal| signal.get().into()),
            exit_code: task.exit.map_or(0, |exit: Exit| exit.wait_status().cast_signed()),
            nice: task.nice,
            no_new_privs: task.no_new_privs,
            threads: kernel.threads(task.tgid).len() as u32,
            start_ns: task.start_ns,
            user_ns: task.times.user_ns,
            system_ns: task.times.system_ns,
            children_user_ns: task.times.children_user_ns,
            children_system_ns: task.times.children_system_ns,
            charges: task.account.own,
            children_charges: task.account.children,
            delay_ns: task.account.delay_ns,
            thread_ns: task.times.user_ns + task.times.system_ns,
            whole: false,
            space: space.map(|space| space.id),
            layout: layout(kernel, task),
            auxv: auxv(task),
            exe: space.map_or_else(Vec::new, |space| space.image.path.clone()),
            cwd: directories.working.clone(),
            umask: directories.umask,
            uids: [task.creds.uid, task.creds.euid, task.creds.suid, task.creds.fsuid],
            gids: [task.creds.gid, task.creds.egid, task.creds.sgid, task.creds.fsgid],
            groups: task.creds.groups.clone(),
            fd_slots: 64,
            pending: pending.0,
            pending_shared: shared.0,
            blocked: blocked.0,
            ignored: ignored.0,
            caught: caught.0,
            capabilities: task.creds.capabilities(),
            queued_limit: task.limits[RLIMIT_SIGPENDING].current,
            voluntary_switches: task.switches.0,
            involuntary_switches: task.switches.1,
            limits: task.limits.map(|limit| (limit.current, limit.maximum)),
        })
    }
}

impl TaskFacts {
    /// The same with the times and charges of the whole process.
    pub(super) fn of_process(mut self, kernel: &Kernel) -> Self {
        self.whole = true;
        self.charges = kernel.process_charges(Pid::new(self.tgid.cast_unsigned()));
        let times = kernel.process_times(Pid::new(self.tgid.cast_unsigned()));
        self.user_ns = times.user_ns;
        self.system_ns = times.system_ns;
        self
    }
}

fn layout(kernel: &Kernel, task: &Task) -> Layout {
    let Some(space) = task.space.as_deref() else {
        return Layout::default();
    };
    let image = &space.image;
    Layout {
        start_code: image.code.0,
        end_code: image.code.1,
        start_data: image.data.0,
        end_data: image.data.1,
        start_brk: kernel.memory().break_range(space.id).0.get(),
        start_stack: image.stack,
        args: image.args,
        environment: image.env,
    }
}

fn auxv(task: &Task) -> Vec<u8> {
    let pairs = task.space.iter().flat_map(|space| &space.image.auxv);
    pairs
        .flat_map(|(kind, value)| [kind.to_le_bytes(), value.to_le_bytes()].concat())
        .collect()
}

/// The machine as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct SystemFacts {
    pub(super) up_ns: u64,
    pub(super) boot_realtime_ns: u64,
    pub(super) user_ns: u64,
    pub(super) nice_ns: u64,
    pub(super) system_ns: u64,
    pub(super) switches: u64,
    pub(super) forks: u64,
    pub(super) running: u64,
}

impl SystemFacts {
    /// Time in which the processor had nothing to run.
    pub(super) fn idle_ns(&self) -> u64 {
        let busy = self.user_ns + self.nice_ns + self.system_ns;
        self.up_ns.saturating_sub(busy)
    }

    /// The facts as of the last trap.
    pub(super) fn gather(kernel: &Kernel) -> Self {
        let clock = kernel.clock();
        let totals = kernel.totals();
        Self {
            up_ns: clock.monotonic_ns,
            boot_realtime_ns: clock.realtime_ns.saturating_sub(clock.monotonic_ns),
            user_ns: totals.user_ns,
            nice_ns: totals.nice_ns,
            system_ns: totals.system_ns,
            switches: totals.switches,
            forks: totals.forks,
            running: kernel.running(),
        }
    }
}
