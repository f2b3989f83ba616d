//! Processes of several threads (`CLONE_THREAD`): who they are, and how one thread or all of them end.
//!
//! A process is named by its first thread, whose [`Task`] stays in the table until the last thread has ended and the
//! parent has waited. Other threads vanish when they end (`release_task` at once, since nobody waits for them).
//! Neighbours: `lifecycle` (spawn, fork, exec), `futex` (what a dying thread leaves behind), `signal`.

use std::cell::RefCell;
use std::rc::Rc;

use crate::file::FdTable;
use crate::kernel::Kernel;
use crate::task::{Exit, Pid, State, Task, Times};

impl Kernel {
    /// The threads of a process that have not ended, the first one first, then by number.
    pub(crate) fn living_threads(&self, process: Pid) -> Vec<Pid> {
        let mut threads = self.threads(process);
        threads.retain(|pid| self.task(*pid).state != State::Zombie);
        threads
    }

    /// All threads of a process, the first one first even if it has ended, then by number.
    pub(crate) fn threads(&self, process: Pid) -> Vec<Pid> {
        let members = self.tasks.values().filter(|task| task.tgid == process);
        let mut threads: Vec<Pid> = members.map(|task| task.pid).collect();
        threads.sort_by_key(|pid| (*pid != process, *pid));
        threads
    }

    /// Whether a process has ended and waits for its parent, or is not there at all.
    pub(crate) fn is_dead(&self, process: Pid) -> bool {
        let mut members = self.tasks.values().filter(|task| task.tgid == process);
        // The usual case needs no look at all tasks.
        let first_lives = |task: &Task| task.state != State::Zombie;
        !self.tasks.get(&process).is_some_and(first_lives) && members.all(|task| task.state == State::Zombie)
    }

    /// Does the same to all threads of a process.
    pub(crate) fn each_thread(&mut self, process: Pid, mut change: impl FnMut(&mut Task)) {
        let members = self.tasks.values_mut().filter(|task| task.tgid == process);
        members.for_each(&mut change);
    }

    /// The first thread of a task's process, which holds what belongs to the process.
    pub(crate) fn process_mut(&mut self, pid: Pid) -> &mut Task {
        let process = self.task(pid).tgid;
        self.task_mut(process)
    }

    /// The time that a process's threads have used, the ended ones too, and its children's.
    pub(crate) fn process_times(&self, process: Pid) -> Times {
        let first = self.task(process);
        let (user_ns, system_ns) = first.ended_threads_ns;
        let start = Times {
            user_ns,
            system_ns,
            ..first.times
        };
        let members = self.tasks.values().filter(|task| task.tgid == process);
        members.fold(start, |sum, task| Times {
            user_ns: sum.user_ns + task.times.user_ns,
            system_ns: sum.system_ns + task.times.system_ns,
            ..sum
        })
    }

    /// `exit_group(2)`, and death by a signal: all threads of this one's process end.
    pub(crate) fn end_process(&mut self, pid: Pid, exit: Exit) {
        self.process_mut(pid).process_exit = Some(exit);
        self.end_other_threads(pid, exit);
        self.end_thread(pid, exit);
    }

    fn end_other_threads(&mut self, pid: Pid, exit: Exit) {
        let process = self.task(pid).tgid;
        for thread in self.living_threads(process) {
            if thread != pid {
                self.end_thread(thread, exit);
            }
        }
    }

    /// `exit(2)`: one thread ends; with the last one the process does.
    pub(crate) fn end_thread(&mut self, pid: Pid, exit: Exit) {
        if self.strace.is_some() {
            self.trace_end(pid, exit);
        }
        self.note_exit(pid, exit);
        self.leave_futexes(pid);
        let peak = self.peak_rss_kib(pid);
        let task = self.task_mut(pid);
        let process = task.tgid;
        task.state = State::Zombie;
        task.exit = Some(exit);
        task.wait = None;
        task.files = Rc::new(RefCell::new(FdTable::default()));
        self.release_vfork(pid);
        self.leave_space(pid);
        let last = self.is_dead(process);
        if last {
            let first = self.task_mut(process);
            // Linux 6: the last thread's status is the process's (`synchronize_group_exit`).
            first.process_exit.get_or_insert(exit);
            first.children_max_rss_kib = first.children_max_rss_kib.max(peak);
        }
        if pid != process {
            let (times, own) = self
                .tasks
                .remove(&pid)
                .map_or_else(Default::default, |task| (task.times, task.account.own));
            let first = self.task_mut(process);
            first.account.ended = first.account.ended.plus(own);
            let ended = &mut first.ended_threads_ns;
            *ended = (ended.0 + times.user_ns, ended.1 + times.system_ns);
        }
        if last {
            self.finish_process(process);
        }
        self.close_files();
    }

    /// The last thread has ended: children lose their parent, the parent is told.
    fn finish_process(&mut self, process: Pid) {
        let first = self.task_mut(process);
        let exit = first.process_exit.or(first.exit).unwrap_or(Exit::Code(0));
        first.exit = Some(exit);
        first.alarm = None;
        first.timers = Default::default();
        first.report = None;
        if process == self.init {
            self.note_end_of_init(exit);
        }
        let orphans = self
            .tasks
            .values()
            .filter(|task| task.is_first() && task.parent == process);
        let orphans: Vec<Pid> = orphans.map(|task| task.pid).collect();
        for orphan in &orphans {
            self.adopt(*orphan);
        }
        self.disown_groups(process, &orphans);
        if self.tell_end(process, exit) {
            self.tasks.remove(&process);
        }
    }

    /// An orphan becomes the machine's; a dead one is not waited for by anybody.
    fn adopt(&mut self, orphan: Pid) {
        self.each_thread(orphan, |task| task.parent = Pid::new(0));
        if self.is_dead(orphan) {
            self.tasks.remove(&orphan);
        }
    }

    /// `execve` ends all threads but the caller, which becomes the first: its number after this (`de_thread`).
    pub(crate) fn become_only_thread(&mut self, pid: Pid) -> Pid {
        self.end_other_threads(pid, Exit::Code(0));
        let process = self.task(pid).tgid;
        if pid == process {
            return pid;
        }
        let (Some(mut task), Some(first)) = (self.tasks.remove(&pid), self.tasks.remove(&process)) else {
            return pid;
        };
        task.pid = process;
        task.exit_signal = first.exit_signal;
        task.alarm = first.alarm;
        task.timers = first.timers;
        task.report = first.report;
        task.start_ns = first.start_ns;
        task.children_max_rss_kib = first.children_max_rss_kib;
        task.times.children_user_ns = first.times.children_user_ns;
        task.times.children_system_ns = first.times.children_system_ns;
        task.account.children = first.account.children;
        task.account.ended = first.account.ended.plus(first.account.own);
        let (user_ns, system_ns) = first.ended_threads_ns;
        task.ended_threads_ns = (user_ns + first.times.user_ns, system_ns + first.times.system_ns);
        self.tasks.insert(process, task);
        process
    }
}
