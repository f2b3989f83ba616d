//! Blocking: what a task waits for when a system call cannot be answered yet.
//!
//! A call that must wait has no effect but what it noted in [`Progress`]; when its [`Wait`] may be over, the whole
//! call is made again. So there is no second path through any call, and a spurious wake-up costs only time.
//! Key types: [`Wait`], [`HostWait`], [`Progress`], [`Bell`].

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use abi::flags::PollEvents;

use crate::file::fifo::Opening;
use crate::futex::Waiter;

/// Counts what happened inside the kernel that could end somebody's wait: bytes in a pipe, a child's end, a signal. Whoever rings
/// it for bytes counts them too ([`Bell::holder`]).
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell(Rc<Cell<u64>>, Rc<Cell<usize>>);

/// Bytes that wait in pipes and sockets, all together: beyond that each holds [`Held::LEAST`] and no more, for they are the host's
/// memory. Linux limits pipes of each user (`fs.pipe-user-pages-soft`), and charges sockets.
pub(crate) const MOST_HELD: usize = 128 << 20;

/// How many bytes one pipe or socket holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    own: Cell<usize>,
    all: Rc<Cell<usize>>,
}

impl Held {
    /// What each may hold in any case: `PIPE_BUF`, which is written whole.
    pub(crate) const LEAST: usize = 4096;

    /// How many these are.
    pub(crate) fn get(&self) -> usize {
        self.own.get()
    }

    /// They are so many now.
    pub(crate) fn set(&self, own: usize) {
        let others = self.all.get().saturating_sub(self.own.replace(own));
        self.all.set(others.saturating_add(own));
    }

    /// How many more may come where there is room for so many.
    pub(crate) fn room(&self, most: usize) -> usize {
        let most = match self.all.get() < MOST_HELD {
            true => most,
            false => most.min(Self::LEAST),
        };
        most.saturating_sub(self.own.get())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Bell {
    /// Something happened.
    pub(crate) fn ring(&self) {
        self.0.set(self.0.get() + 1);
    }

    /// What counts the bytes of one more pipe or socket.
    pub(crate) fn holder(&self) -> Held {
        Held {
            own: Cell::new(0),
            all: Rc::clone(&self.1),
        }
    }

    /// How often it rang.
    pub(crate) fn count(&self) -> u64 {
        self.0.get()
    }
}

/// A descriptor of the host that a task waits for.
#[derive(Clone, Debug)]
pub struct HostWait {
    /// The descriptor; kept open by this handle.
    pub fd: Rc<OwnedFd>,
    /// What for, with `poll(2)`'s numbers.
    pub events: PollEvents,
}

/// What happens to a waiting call that a signal handler interrupts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Restart {
    /// It is made again if the handler has `SA_RESTART`, else it answers `EINTR` (`ERESTARTSYS`).
    IfAsked,
    /// It answers `EINTR` (`ERESTARTNOHAND`, `ERESTART_RESTARTBLOCK`).
    Never,
}

/// What ends a wait.
#[derive(Clone, Debug)]
pub(crate) struct Wait {
    /// Any of these becoming ready.
    pub(crate) hosts: Vec<HostWait>,
    /// This moment of the monotonic clock.
    pub(crate) deadline: Option<u64>,
    /// What a handler does to the call.
    pub(crate) restart: Restart,
    /// Any ring of the bell after this count.
    pub(crate) heard: u64,
    /// The bell does not end it: whoever wakes it says so by `over`.
    pub(crate) deaf: bool,
    /// The file that is being opened (`fifo(7)`): given up with the wait.
    pub(crate) opening: Option<Opening>,
    /// A host descriptor was reported ready, it was woken, or the task was continued.
    pub(crate) over: bool,
}

impl Wait {
    /// Until the bell rings (or a signal comes).
    pub(crate) fn for_bell() -> Self {
        Self {
            hosts: Vec::new(),
            deadline: None,
            restart: Restart::IfAsked,
            heard: 0,
            deaf: false,
            opening: None,
            over: false,
        }
    }

    /// Until somebody sets `over` (or a signal comes).
    pub(crate) fn for_waker() -> Self {
        Self {
            deaf: true,
            ..Self::for_bell()
        }
    }

    /// Until a host descriptor is ready.
    pub(crate) fn for_host(fd: &Rc<OwnedFd>, events: PollEvents) -> Self {
        let host = HostWait {
            fd: Rc::clone(fd),
            events,
        };
        Self {
            hosts: vec![host],
            ..Self::for_bell()
        }
    }

    /// With a deadline.
    pub(crate) fn until(self, deadline: Option<u64>) -> Self {
        Self { deadline, ..self }
    }

    /// With a deadline, unless there is an earlier one.
    pub(crate) fn or_until(self, deadline: Option<u64>) -> Self {
        let deadline = [self.deadline, deadline].into_iter().flatten().min();
        Self { deadline, ..self }
    }

    /// Never made again after a handler.
    pub(crate) fn not_restarted(self) -> Self {
        Self {
            restart: Restart::Never,
            ..self
        }
    }
}

/// What a waiting call has done so far; fresh for each call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// When it gives up, fixed when it first waited.
    pub(crate) deadline: Option<u64>,
    /// Bytes transferred.
    pub(crate) done: u64,
    /// Where the time left is to be written if a handler interrupts (`nanosleep(2)`).
    pub(crate) remaining_at: Option<u64>,
    /// It was woken by the one that it waited for (`futex(2)`).
    pub(crate) woken: bool,
    /// Where it waits (`futex(2)`).
    pub(crate) futex: Option<Waiter>,
    /// The child that it waits for (`vfork(2)`).
    pub(crate) vforked: Option<u64>,
}
