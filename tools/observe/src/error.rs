//! Why a process cannot be shown: [`ObserveError`].

use procfs::RootError;
use std::fmt;

/// A process that cannot be shown at all. (One that can be shown in part is a [`crate::Snapshot`] with gaps.)
#[derive(Debug)]
pub enum ObserveError {
    /// There is no such process.
    NoProcess {
        /// Its id.
        pid: i32,
        /// Where it was sought.
        root: String,
    },
    /// It is there, and nothing of it may be read: another user's, in a `/proc` mounted with hidepid.
    Denied {
        /// Its id.
        pid: i32,
        /// What the system said.
        why: String,
    },
    /// A kernel thread: it has no address space of its own.
    KernelThread {
        /// Its id.
        pid: i32,
        /// Its name.
        name: String,
    },
    /// A zombie: its memory is gone, its exit status waits for the parent.
    Zombie {
        /// Its id.
        pid: i32,
        /// Its name.
        name: String,
        /// Who should wait for it.
        parent: i32,
    },
    /// It called execve each time that it was read.
    Restless {
        /// Its id.
        pid: i32,
        /// Its name.
        name: String,
    },
    /// It ended while it was read.
    Vanished {
        /// Its id.
        pid: i32,
        /// Its name.
        name: String,
    },
    /// A text could not be read or understood.
    Root(RootError),
}

impl fmt::Display for ObserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProcess { pid, root } => write!(f, "no process {pid} in {root}"),
            Self::Denied { pid, why } => {
                write!(
                    f,
                    "process {pid} is another user's, and access to it is denied (hidepid): {why}; its owner or root can see it"
                )
            }
            Self::KernelThread { pid, name } => {
                write!(
                    f,
                    "process {pid} ({name}) is a kernel thread: it has no address space"
                )
            }
            Self::Zombie { pid, name, parent } => {
                write!(
                    f,
                    "process {pid} ({name}) is a zombie: its memory is gone; process {parent} has yet to wait for it"
                )
            }
            Self::Restless { pid, name } => write!(
                f,
                "process {pid} ({name}) became another program (execve) each time that it was read; stop it (kill -STOP), or try again"
            ),
            Self::Vanished { pid, name } => write!(f, "process {pid} ({name}) ended while it was read"),
            Self::Root(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ObserveError {}

impl From<RootError> for ObserveError {
    fn from(error: RootError) -> Self {
        Self::Root(error)
    }
}
