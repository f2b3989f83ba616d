//! How tasks begin: spawn, fork, exec. Their ends are in `group`.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use abi::Errno;
use abi::flags::CloneFlags;
use abi::process::{RLIM_INFINITY, RLIMIT_NPROC};
use abi::signal::{AltStack, Signal};

use crate::exec::error::ExecError;
use crate::exec::script::Resolved;
use crate::exec::{Ready, Request};
use crate::file::FdTable;
use crate::file::resolve::anchor;
use crate::kernel::{Kernel, Notice};
use crate::signal::{Actions, Signals};
use crate::task::{Directories, Pid, Space, State, Task, Times, default_limits};
use crate::wait::{Progress, Wait};

/// `kernel.threads-max`: tasks that share memory cost no frame, so RAM alone would not limit them. Each turn looks at every
/// task, and each task costs the host some KiB.
pub(crate) const MOST_TASKS: usize = 4096;

/// What the machine wants to run.
#[derive(Clone, Debug)]
pub struct Spawn {
    /// The program's path; `/pagewalk/NAME` for a bundled one.
    pub path: Vec<u8>,
    /// Its arguments, the zeroth too.
    pub args: Vec<Vec<u8>>,
    /// Its environment, `NAME=VALUE` each.
    pub env: Vec<Vec<u8>>,
    /// Its working directory, absolute.
    pub working: Vec<u8>,
}

/// The first program cannot be run. Displays as one line; `status` is the exit status to give.
#[derive(Debug)]
pub struct SpawnError {
    /// Which program.
    pub path: String,
    /// Why.
    pub cause: ExecError,
}

impl SpawnError {
    /// 127 if there is no such file, else 126.
    pub fn status(&self) -> u8 {
        self.cause.status()
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot run {}: {}", self.path, self.cause)
    }
}

impl std::error::Error for SpawnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl Kernel {
    /// Starts a program as a child of the machine, with the host's standard descriptors.
    ///
    /// # Errors
    /// Why it cannot be run; nothing was started.
    pub fn spawn(&mut self, spawn: &Spawn) -> Result<Pid, SpawnError> {
        let failed = |cause| SpawnError {
            path: String::from_utf8_lossy(&spawn.path).into_owned(),
            cause,
        };
        let creds = self.machine.clone();
        let limits = default_limits();
        let Resolved { program, args } = self
            .open_for_exec(&spawn.working, &spawn.path, &spawn.args)
            .map_err(failed)?;
        let pid = self.fresh_pid();
        let mut task = Task {
            pid,
            tgid: pid,
            parent: Pid::new(0),
            group: pid,
            session: pid,
            creds,
            comm: Vec::new(),
            state: State::Runnable,
            exit: None,
            space: None,
            files: Rc::new(RefCell::new(FdTable::default())),
            directories: Rc::new(RefCell::new(Directories {
                anchor: self.anchor_of(&spawn.working),
                working: spawn.working.clone(),
                umask: 0o022,
            })),
            actions: Rc::new(RefCell::new(Actions::default())),
            signals: Signals::default(),
            regs: arch::Regs::default(),
            start_ns: self.clock.monotonic_ns,
            times: Times::default(),
            nice: 0,
            policy: 0,
            limits,
            switches: (0, 0),
            personality: 0,
            mempolicy: mm::Policy::Default,
            no_new_privs: false,
            exit_signal: Some(Signal::CHLD),
            clear_child_tid: 0,
            robust_list: 0,
            process_exit: None,
            ended_threads_ns: (0, 0),
            wait: None,
            progress: Progress::default(),
            alarm: None,
            timers: Default::default(),
            vfork_of: None,
            vfork_child: None,
            report: None,
            account: Default::default(),
            executed: true,
            oom_score_adj: 0,
            children_max_rss_kib: 0,
        };
        let ready = self
            .prepare(&Request {
                path: &spawn.path,
                program: &program,
                args: &args,
                env: &spawn.env,
                creds: &task.creds,
                limits: task.memory_limits(),
                personality: 0,
                working: &spawn.working,
            })
            .map_err(failed)?;
        task.name_after(&spawn.path);
        task.regs = ready.regs;
        task.space = Some(Rc::new(ready.space));
        self.take_host_terminal(pid);
        let table = self.standard_files();
        *task.files.borrow_mut() = table;
        self.tasks.insert(pid, task);
        self.note_exec(pid);
        drop(program);
        self.close_files();
        Ok(pid)
    }

    /// The first program's working directory itself.
    fn anchor_of(&self, working: &[u8]) -> Option<Rc<std::os::fd::OwnedFd>> {
        match &self.config.root {
            Some(root) => anchor(root.find(working).ok()?.name(true).ok()?),
            None => anchor(working),
        }
    }

    /// `execve(2)`: from here on the task is the new program.
    pub(crate) fn exec(
        &mut self,
        pid: Pid,
        path: &[u8],
        args: &[Vec<u8>],
        env: &[Vec<u8>],
    ) -> Result<(), Errno> {
        let (working, creds, limits, personality) = {
            let task = self.task(pid);
            let working = task.directories.borrow().working.clone();
            (
                working,
                task.creds.clone(),
                task.memory_limits(),
                task.personality,
            )
        };
        let ready = self.open_for_exec(&working, path, args).and_then(|found| {
            self.prepare(&Request {
                path,
                program: &found.program,
                args: &found.args,
                env,
                creds: &creds,
                limits,
                personality,
                working: &working,
            })
        });
        match ready {
            Ok(ready) => {
                self.become_program(pid, path, ready);
                Ok(())
            }
            Err(error) => Err(self.exec_failed(pid, path, &error)),
        }
    }

    /// The errno, and a notice where it hides the reason. Scripts without an interpreter are left to the shells, which run
    /// them themselves.
    fn exec_failed(&mut self, pid: Pid, path: &[u8], error: &ExecError) -> Errno {
        use crate::exec::error::ElfError;
        let plain = matches!(
            error,
            ExecError::Open(_)
                | ExecError::NotRegular
                | ExecError::NotExecutable
                | ExecError::ScriptInterpreter { .. }
                | ExecError::Elf(ElfError::Script { .. } | ElfError::Empty | ElfError::NotElf)
        );
        if !plain {
            self.notify(Notice::Exec {
                pid,
                path: String::from_utf8_lossy(path).into_owned(),
                reason: error.to_string(),
            });
        }
        error.errno()
    }

    fn become_program(&mut self, pid: Pid, path: &[u8], ready: Ready) {
        let pid = self.become_only_thread(pid);
        self.leave_futexes(pid);
        self.leave_space(pid);
        let task = self.task_mut(pid);
        task.space = Some(Rc::new(ready.space));
        task.regs = ready.regs;
        task.name_after(path);
        task.executed = true;
        task.signals.alt_stack = AltStack::NONE;
        task.creds.save();
        task.timers.after_exec();
        // The table of handlers and of descriptors is the new program's own.
        let mut actions = task.actions.borrow().clone();
        actions.reset_handlers();
        task.actions = Rc::new(RefCell::new(actions));
        let shared = Rc::strong_count(&task.files) > 1;
        let files = task.files.borrow_mut().after_exec(shared);
        task.files = Rc::new(RefCell::new(files));
        self.note_exec(pid);
        self.release_vfork(pid);
    }

    /// A task gives up its space; the last one's is destroyed.
    pub(crate) fn leave_space(&mut self, pid: Pid) {
        let Some(space) = self.task_mut(pid).space.take() else {
            return;
        };
        if let Some(Space { id, .. }) = Rc::into_inner(space) {
            self.memory.destroy_space(id);
        }
    }

    /// A parent that waited for its `vfork` child goes on.
    pub(crate) fn release_vfork(&mut self, child: Pid) {
        let Some(parent) = self.task_mut(child).vfork_of.take() else {
            return;
        };
        if let Some(parent) = self.tasks.get_mut(&parent)
            && parent.vfork_child == Some(child)
        {
            parent.vfork_child = None;
            self.bell.ring();
        }
    }

    /// `clone(2)`: a new task that is a copy of its parent, in its parent's process (`CLONE_THREAD`) or one of its own.
    pub(crate) fn fork(
        &mut self,
        parent: Pid,
        flags: CloneFlags,
        exit_signal: Option<Signal>,
    ) -> Result<Pid, Errno> {
        if self.tasks.len() >= MOST_TASKS || self.has_too_many(parent) {
            return Err(Errno::EAGAIN);
        }
        let shared = |flag| flags.contains(flag);
        let files = match (shared(CloneFlags::FILES), &self.task(parent).files) {
            (true, files) => Rc::clone(files),
            (false, files) => Rc::new(RefCell::new(files.borrow().for_child()?)),
        };
        let space = self.child_space(parent, flags)?;
        let pid = self.fresh_pid();
        let start_ns = self.clock.monotonic_ns;
        let task = self.task(parent);
        let directories = match shared(CloneFlags::FS) {
            true => Rc::clone(&task.directories),
            false => Rc::new(RefCell::new(task.directories.borrow().clone())),
        };
        let actions = match shared(CloneFlags::SIGHAND) {
            true => Rc::clone(&task.actions),
            false => Rc::new(RefCell::new(task.actions.borrow().clone())),
        };
        let thread = shared(CloneFlags::THREAD);
        let child = Task {
            pid,
            tgid: if thread { task.tgid } else { pid },
            parent: if shared(CloneFlags::PARENT) || thread {
                task.parent
            } else {
                task.tgid
            },
            group: task.group,
            session: task.session,
            creds: task.creds.clone(),
            comm: task.comm.clone(),
            state: State::Runnable,
            exit: None,
            space: Some(space),
            files,
            directories,
            actions,
            signals: Signals {
                blocked: task.signals.blocked,
                // Two tasks cannot use one alternate stack at once.
                alt_stack: match (shared(CloneFlags::VM), shared(CloneFlags::VFORK)) {
                    (true, false) => AltStack::NONE,
                    _ => task.signals.alt_stack,
                },
                shared: match thread {
                    true => Rc::clone(&task.signals.shared),
                    false => Rc::default(),
                },
                ..Signals::default()
            },
            regs: task.regs.clone(),
            start_ns,
            times: Times::default(),
            nice: task.nice,
            policy: task.policy,
            limits: task.limits,
            switches: (0, 0),
            personality: task.personality,
            mempolicy: task.mempolicy,
            no_new_privs: task.no_new_privs,
            exit_signal: exit_signal.filter(|_| !thread),
            clear_child_tid: 0,
            robust_list: 0,
            process_exit: None,
            ended_threads_ns: (0, 0),
            wait: None,
            progress: Progress::default(),
            alarm: None,
            timers: Default::default(),
            vfork_of: shared(CloneFlags::VFORK).then_some(parent),
            vfork_child: None,
            report: None,
            account: Default::default(),
            executed: false,
            oom_score_adj: task.oom_score_adj,
            children_max_rss_kib: 0,
        };
        self.tasks.insert(pid, child);
        self.note_fork(parent, pid);
        if shared(CloneFlags::VFORK) {
            self.task_mut(parent).vfork_child = Some(pid);
        }
        Ok(pid)
    }

    /// Whether a task's real user has as many tasks as its `RLIMIT_NPROC` allows. Root has as many as it likes.
    fn has_too_many(&self, pid: Pid) -> bool {
        let task = self.task(pid);
        let (uid, most) = (task.creds.uid, task.limits[RLIMIT_NPROC].current);
        if uid == 0 || task.creds.is_root() || most == RLIM_INFINITY {
            return false;
        }
        let mine = self.tasks.values().filter(|task| task.creds.uid == uid).count();
        mine as u64 >= most
    }

    /// Takes back a task that `fork` made and that has not run: its `clone` failed after all.
    pub(crate) fn unmake(&mut self, child: Pid) {
        self.release_vfork(child);
        self.leave_space(child);
        self.tasks.remove(&child);
    }

    fn child_space(&mut self, parent: Pid, flags: CloneFlags) -> Result<Rc<Space>, Errno> {
        let space = Rc::clone(self.task(parent).space());
        if flags.contains(CloneFlags::VM) {
            return Ok(space);
        }
        self.memory.may_fork(space.id).map_err(|_| Errno::ENOMEM)?;
        // A fork that finds no frame goes on once another process has died for it, as page tables on Linux do.
        let id = loop {
            match self.memory.fork_space(space.id) {
                Ok(id) => break id,
                Err(out) if self.out_of_memory(parent, out) => {}
                Err(_) => return Err(Errno::ENOMEM),
            }
        };
        Ok(Rc::new(Space {
            id,
            image: space.image.clone(),
            dumpable: space.dumpable.clone(),
        }))
    }

    /// The larger of a task's own peak resident set and of its awaited children's.
    pub(crate) fn peak_rss_kib(&self, pid: Pid) -> u64 {
        let task = self.task(pid);
        let own = task
            .space
            .as_ref()
            .map_or(0, |space| self.memory.usage(space.id).peak_rss.kib());
        own.max(task.children_max_rss_kib)
    }

    /// Makes a parent wait until its `vfork` child is done.
    pub(crate) fn wait_for_vfork(&self, pid: Pid) -> Option<Wait> {
        self.task(pid).vfork_child.map(|_| Wait::for_bell())
    }
}
