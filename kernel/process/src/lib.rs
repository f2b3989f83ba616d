//! What Linux says beyond memory: tasks, programs, system calls, signals, files.
//!
//! The machine drives a [`Kernel`]: it asks [`Kernel::next_task`], runs the processor with [`Kernel::context`] until a
//! trap, and hands that to [`Kernel::handle`]. When nothing can run, [`Kernel::waits`] names host descriptors and a
//! deadline to wait for. The kernel half never calls the processor or the MMU.
//!
//! ```text
//!   kernel ── schedule   whose turn it is, and what the others wait for        (wait)
//!     ├────── lifecycle  spawn, fork, exec, exit                               (task, exec)
//!     ├────── group      threads of a process, their ends                       (futex)
//!     ├────── creds      whose rights a task has on the host's files
//!     ├────── trap       why the processor came back                           (death)
//!     ├────── syscall    one file per family, one table
//!     ├────── strace     what --strace prints of calls
//!     ├────── signal     posting and delivery
//!     ├────── trace      what a debugger does with a process
//!     ├────── terminal   sessions, process groups and the host's terminal
//!     ├────── file       descriptors, host files, pipes, bundled programs
//!     └────── proc       the content of /proc
//! ```
//!
//! Deliberately absent: address translation and page faults (crate `mm`), numbers and layouts (`abi`), the run loop,
//! time and the control socket (`machine`).

mod charges;
mod clock;
mod creds;
mod death;
mod events;
mod exec;
mod file;
mod futex;
mod group;
pub mod hwcap;
mod kernel;
mod lifecycle;
pub mod oom;
mod proc;
mod rng;
mod schedule;
mod signal;
mod strace;
mod syscall;
mod sysv;
mod task;
mod terminal;
mod timers;
mod trace;
mod trap;
mod user;
mod wait;

pub use abi::Errno;
pub use abi::signal::{SigInfo, SigSet, Signal};
pub use charges::{Account, Charges, LoadAverage, Totals};
pub use clock::Clock;
pub use death::{Cause, Death, Place, Region};
pub use events::Event;
pub use exec::error::{ElfError, ExecError};
pub use file::root::Root;
pub use kernel::{Bundled, Config, Kernel, Notice, Waits};
pub use lifecycle::{Spawn, SpawnError};
pub use proc::tree as proc_tree;
pub use task::{Creds, Directories, Exit, Image, Pid, Space, State, Task, Times};
pub use trace::{TracedFile, TracedStat};
pub use wait::HostWait;
