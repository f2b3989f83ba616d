//! What happened to processes and their memory, in one order, for the machine's `--trace`. Memory's own events come from `mm`;
//! here they get between them the events that only processes have. Key type: [`Event`].

use arch::Asid;

use crate::kernel::Kernel;
use crate::task::{Exit, Pid};

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Something in memory.
    Memory(mm::Event),
    /// A task became a program.
    Exec {
        /// Who.
        pid: Pid,
        /// Its new address space.
        space: Asid,
        /// The program's short name.
        program: String,
    },
    /// A task was made by `clone`.
    Fork {
        /// By whom.
        parent: Pid,
        /// The new one.
        child: Pid,
        /// Its address space: the parent's own for threads and `vfork`.
        space: Asid,
        /// It is a thread of its parent's process.
        thread: bool,
    },
    /// A task ended.
    Exit {
        /// Who.
        pid: Pid,
        /// How.
        exit: Exit,
    },
    /// RAM and swap are full, and a process is killed.
    OutOfMemory {
        /// Which.
        victim: Pid,
        /// Who needed a frame.
        by: Pid,
    },
}

impl Kernel {
    /// Everything since the last call, in order. Empty unless [`crate::Config::record_events`] was set.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.gather();
        std::mem::take(&mut self.events)
    }

    /// What memory noted since comes before what is noted now.
    fn gather(&mut self) {
        let memory = self.memory.take_events();
        self.events.extend(memory.into_iter().map(Event::Memory));
    }

    fn note_event(&mut self, event: impl FnOnce(&Self) -> Event) {
        if self.memory.records_events() {
            self.gather();
            let event = event(self);
            self.events.push(event);
        }
    }

    fn asid_of(&self, pid: Pid) -> Asid {
        self.memory.ttbr(self.task(pid).space().id).asid
    }

    pub(crate) fn note_exec(&mut self, pid: Pid) {
        self.note_event(|kernel| Event::Exec {
            pid,
            space: kernel.asid_of(pid),
            program: String::from_utf8_lossy(&kernel.task(pid).comm).into_owned(),
        });
    }

    pub(crate) fn note_fork(&mut self, parent: Pid, child: Pid) {
        self.note_event(|kernel| Event::Fork {
            parent,
            child,
            space: kernel.asid_of(child),
            thread: kernel.task(child).tgid != child,
        });
    }

    pub(crate) fn note_exit(&mut self, pid: Pid, exit: Exit) {
        self.note_event(|_| Event::Exit { pid, exit });
    }

    pub(crate) fn note_out_of_memory(&mut self, victim: Pid, by: Pid) {
        self.note_event(|_| Event::OutOfMemory { victim, by });
    }
}
