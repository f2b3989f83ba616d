//! Descriptors of processes and threads (`pidfd_open(2)`): each is named by its number and its start, so that a number that is
//! used again means nobody.
//!
//! Key type: [`Named`]. Neighbours: `syscall::pidfd`, `special`.

use abi::flags::PollEvents;

use crate::kernel::Kernel;
use crate::task::{Pid, State, Task};

/// A process or a thread, or what was one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Named {
    pid: Pid,
    start_ns: u64,
    /// `PIDFD_THREAD`: the thread alone.
    pub(crate) thread: bool,
}

impl Named {
    /// The process of this task, which is its first, or the thread that it is.
    pub(crate) fn of(task: &Task, thread: bool) -> Self {
        Self {
            pid: task.pid,
            start_ns: task.start_ns,
            thread,
        }
    }

    /// Its number, if it is still there; a zombie is.
    pub(crate) fn find(self, kernel: &Kernel) -> Option<Pid> {
        let task = kernel.find(self.pid)?;
        (task.start_ns == self.start_ns).then_some(self.pid)
    }

    /// What `poll(2)` says: it can be read once the process, or the thread, has ended, though reading is an error.
    pub(crate) fn readiness(self, kernel: &Kernel) -> PollEvents {
        match self.find(kernel) {
            Some(pid) if self.thread && kernel.task(pid).state != State::Zombie => PollEvents::empty(),
            Some(pid) if !self.thread && !kernel.is_dead(pid) => PollEvents::empty(),
            Some(_) => PollEvents::IN | PollEvents::RDNORM,
            // Linux 6.9: waited for.
            None => PollEvents::IN | PollEvents::RDNORM | PollEvents::HUP,
        }
    }
}
