//! System calls: one table from numbers to functions, one file per family.
//!
//! - [`mman`]: memory; [`mlock`]: what stays in it; [`shm`]: segments;
//!   [`vm`]: other processes'; [`numa`]: nodes. [`mod@file`]: descriptors, reading and writing. [`whole`]: entries, length,
//!   disk. [`path`]: names. [`poll`]: waiting for files.
//! - [`mod@clone`]: new tasks. [`process`]: their identity and ends. [`waitid`]: news of children.
//!   [`pidfd`]: descriptors of processes. [`sched`]: turns.
//! - [`mod@creds`]: users and groups. [`caps`]: capabilities.
//! - [`time`]: clocks and sleep. [`timer`]: timers that send signals. [`signal`]: signals.
//!   [`queue`]: signals with a value. [`tty`]: `ioctl`.
//! - [`event`]: descriptors that tell of events. [`lock`]: file locks. [`watch`]: inotify.
//! - [`space`]: `fallocate` and `copy_file_range`. [`fifo`]: `mknodat`, and waiting for a FIFO's other side.
//! - [`socket`], [`message`], [`sockopt`], [`netdevice`]: sockets.
//! - [`xattr`]: extended attributes, which no file has. [`futex`]: what thread libraries stand on.
//!   [`seal`]: memfds. [`misc`]: facts about the machine, random bytes.
//!
//! A call is a function of [`Call`] with an [`Answer`]: a number, or [`Stop`]: an errno, a wait after which the call
//! is made again from the start, or nothing at all because the registers are already what they should be.

use abi::{Errno, nr};

use crate::creds::Acting;
use crate::kernel::{Kernel, Notice};
use crate::task::{Pid, State, Task};
use crate::wait::{Progress, Wait};

mod caps;
mod clone;
mod creds;
mod event;
mod fifo;
mod file;
mod futex;
mod lock;
mod message;
mod misc;
pub(crate) use misc::{RELEASE, VERSION};
mod mlock;
mod mman;
mod netdevice;
mod numa;
mod path;
mod pidfd;
mod poll;
mod process;
mod queue;
mod sched;
mod seal;
mod shm;
mod signal;
mod socket;
mod sockopt;
mod space;
mod time;
mod timer;
mod tty;
mod vm;
mod waitid;
mod watch;
mod whole;
mod xattr;

#[cfg(test)]
mod event_tests;
#[cfg(test)]
mod fifo_tests;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod guard_tests;
#[cfg(test)]
mod process_tests;
#[cfg(test)]
mod tests;

/// Why a call has no number as its answer.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Linux's answer.
    Errno(Errno),
    /// It must wait and be made again.
    Wait(Wait),
    /// The registers are set, or there is no task any more.
    NoAnswer,
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// What a call comes to.
pub(crate) type Answer = Result<u64, Stop>;

/// One system call of one task.
pub(crate) struct Call<'k> {
    pub(crate) kernel: &'k mut Kernel,
    pub(crate) pid: Pid,
    /// x0 to x5.
    pub(crate) args: [u64; 6],
}

type Handler = fn(&mut Call<'_>) -> Answer;

/// The functions by number.
static HANDLERS: [Option<Handler>; nr::COUNT] = {
    let mut table: [Option<Handler>; nr::COUNT] = [None; nr::COUNT];
    let families = [
        mman::CALLS,
        mlock::CALLS,
        vm::CALLS,
        numa::CALLS,
        shm::CALLS,
        file::CALLS,
        path::CALLS,
        poll::CALLS,
        process::CALLS,
        time::CALLS,
        signal::CALLS,
        tty::CALLS,
        misc::CALLS,
        whole::CALLS,
        clone::CALLS,
        xattr::CALLS,
        futex::CALLS,
        sched::CALLS,
        seal::CALLS,
        event::CALLS,
        socket::CALLS,
        message::CALLS,
        sockopt::CALLS,
        waitid::CALLS,
        queue::CALLS,
        lock::CALLS,
        creds::CALLS,
        caps::CALLS,
        timer::CALLS,
        pidfd::CALLS,
        fifo::CALLS,
        watch::CALLS,
        space::CALLS,
    ];
    let mut family = 0;
    while family < families.len() {
        let mut entry = 0;
        while entry < families[family].len() {
            let (number, handler) = families[family][entry];
            assert!(table[number].is_none(), "two functions for one call");
            table[number] = Some(handler);
            entry += 1;
        }
        family += 1;
    }
    table
};

impl Kernel {
    /// A task's `SVC`: the call's number is in x8, its arguments in x0 to x5.
    pub(crate) fn system_call(&mut self, pid: Pid) {
        self.task_mut(pid).progress = Progress::default();
        if self.strace.is_some() {
            self.trace_call(pid);
        }
        self.make_call(pid);
    }

    /// Makes a call again that had to wait; its registers are as they were.
    pub(crate) fn call_again(&mut self, pid: Pid) {
        self.task_mut(pid).state = State::Runnable;
        self.make_call(pid);
    }

    fn make_call(&mut self, pid: Pid) {
        let regs = &self.task(pid).regs;
        let number = regs.x(8);
        let args = core::array::from_fn(|n| regs.x(n));
        let handler = usize::try_from(number)
            .ok()
            .and_then(|index| HANDLERS.get(index).copied().flatten());
        // A task with other rights than the machine's has them on the host for the time of its call.
        let acting = match &self.task(pid).creds {
            creds if creds.other => match Acting::begin(creds) {
                Ok(acting) => Some(acting),
                Err(_) => return self.answer(pid, Err(Errno::EPERM.into())),
            },
            _ => None,
        };
        let answer = match handler {
            Some(handler) => handler(&mut Call {
                kernel: self,
                pid,
                args,
            }),
            None => self.unknown_call(pid, number),
        };
        drop(acting);
        self.charge_call(pid, number, &answer);
        self.answer(pid, answer);
    }

    fn answer(&mut self, pid: Pid, answer: Answer) {
        let result = match answer {
            Ok(value) => value,
            Err(Stop::Errno(errno)) => errno.to_result(),
            Err(Stop::Wait(wait)) => {
                self.trace_wait();
                return self.block(pid, wait);
            }
            Err(Stop::NoAnswer) => return self.trace_no_answer(pid),
        };
        if self.strace.is_some() {
            self.trace_answer(pid, result);
        }
        let task = self.task_mut(pid);
        task.regs.set_x(0, result);
        task.wait = None;
    }

    fn unknown_call(&mut self, pid: Pid, number: u64) -> Answer {
        // Calls that programs probe for and do well without; the reasons stand beside them.
        // Numbers that no Linux has are told of once for all of them: there are too many.
        let told_as = number.min(HANDLERS.len() as u64);
        if !misc::QUIETLY_ABSENT.contains(&(number as usize)) && self.told_calls.insert(told_as) {
            let program = String::from_utf8_lossy(&self.task(pid).comm).into_owned();
            self.notify(Notice::UnknownCall { pid, program, number });
        }
        Err(Errno::ENOSYS.into())
    }
}

impl Call<'_> {
    pub(crate) fn task(&self) -> &Task {
        self.kernel.task(self.pid)
    }

    pub(crate) fn task_mut(&mut self) -> &mut Task {
        self.kernel.task_mut(self.pid)
    }

    /// An argument that Linux takes as an `int`.
    pub(crate) fn int(&self, index: usize) -> i32 {
        self.args[index] as i32
    }

    /// Bytes of user memory.
    pub(crate) fn read<const N: usize>(&mut self, from: u64) -> Result<[u8; N], Errno> {
        let mut bytes = [0; N];
        self.kernel.read_user(self.pid, from, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes bytes to user memory.
    pub(crate) fn write(&mut self, to: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.kernel.write_user(self.pid, to, bytes)
    }

    /// Writes bytes to user memory unless the pointer is null.
    pub(crate) fn write_if_wanted(&mut self, to: u64, bytes: &[u8]) -> Result<(), Errno> {
        if to == 0 { Ok(()) } else { self.write(to, bytes) }
    }

    /// A path argument.
    pub(crate) fn path(&mut self, from: u64) -> Result<Vec<u8>, Errno> {
        let text = self.kernel.read_text(self.pid, from, abi::fs::PATH_MAX)?;
        text.ok_or(Errno::ENAMETOOLONG)
    }
}
