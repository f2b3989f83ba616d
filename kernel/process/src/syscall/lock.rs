//! `flock(2)` and the record locks of `fcntl(2)`.

use std::rc::Rc;

use abi::Errno;
use abi::bytes::{Layout, get_u16, get_u64};
use abi::fs::fcntl::F_GETLK;
use abi::fs::fcntl::{F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_RDLCK, F_SETLKW, F_UNLCK, F_WRLCK};
use abi::nr;

use super::{Answer, Call, Handler, Stop};
use crate::file::File;
use crate::file::locks::{Lock, Owner};
use crate::task::{Pid, State, Task};
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[(nr::FLOCK, flock)];

/// `struct flock` without its padding at the end.
const SIZE: usize = 32;

impl Call<'_> {
    fn lock_key(&self, file: &File) -> Result<(u64, u64), Errno> {
        let stat = self.kernel.stat_file(file)?;
        Ok((stat.device, stat.inode))
    }

    /// Sets a lock, or waits until it can be set.
    fn take_lock(&mut self, lock: Lock, waits: bool) -> Answer {
        self.kernel.locks.wait_no_more(self.pid);
        if self.kernel.locks.against(&lock).is_some() {
            if waits {
                return self.wait_for_lock(lock);
            }
            return Err(Errno::EAGAIN.into());
        }
        if !self.kernel.locks.has_room() {
            return Err(Errno::ENOLCK.into());
        }
        self.kernel.locks.set(lock);
        // A write lock that became a read lock lets others in.
        self.kernel.bell.ring();
        Ok(0)
    }

    /// Waits, unless a process would wait for itself.
    fn wait_for_lock(&mut self, lock: Lock) -> Answer {
        if matches!(lock.owner, Owner::Process(..)) {
            let tasks = &self.kernel.tasks;
            let still = |pid: Pid| {
                let waits = |task: &&Task| task.state == State::Waiting && is_set_and_wait(&task.regs);
                tasks.get(&pid).filter(waits).is_some()
            };
            if self.kernel.locks.closes_a_circle(&lock, still) {
                return Err(Errno::EDEADLK.into());
            }
            self.kernel.locks.wait(self.pid, lock);
        }
        Err(Stop::Wait(Wait::for_bell()))
    }

    /// A descriptor is about to be closed: the process's record locks of its file go with it.
    pub(super) fn forget_locks(&mut self, fd: i32) {
        if self.kernel.locks.is_empty() {
            return;
        }
        if let Ok(file) = self.file(fd) {
            let process = Rc::clone(self.task().files.borrow().identity());
            self.forget_locks_of(&file, &process);
        }
    }

    /// What exec will close, for [`Call::forget_locks_of`]; nothing while there are no locks.
    pub(super) fn closed_by_exec(&self) -> Vec<Rc<File>> {
        if self.kernel.locks.is_empty() {
            return Vec::new();
        }
        let files = self.task().files.borrow();
        let closed = files.closed_by_exec().into_iter();
        closed
            .filter_map(|fd| files.get(fd).map(Rc::clone).ok())
            .collect()
    }

    /// A process, known by this, has closed a file: its record locks of it are gone.
    pub(super) fn forget_locks_of(&mut self, file: &File, process: &Rc<()>) {
        if let Ok(key) = self.lock_key(file) {
            self.kernel.locks.closed(key, process);
        }
        // Locks of the open file itself go when it does; whoever waits looks again.
        self.kernel.bell.ring();
    }

    /// The record locks of `fcntl(2)`.
    pub(super) fn record_lock(&mut self, file: &Rc<File>, command: u64, at: u64) -> Answer {
        let bytes: [u8; SIZE] = self.read(at)?;
        let (kind, whence) = (get_u16(&bytes, 0), get_u16(&bytes, 2));
        let (start, length) = (get_u64(&bytes, 8) as i64, get_u64(&bytes, 16) as i64);
        let open = [F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW].contains(&command);
        if open && abi::bytes::get_u32(&bytes, 24) != 0 {
            return Err(Errno::EINVAL.into());
        }
        let base = match whence {
            0 => 0,
            1 => file.position() as i64,
            2 => self.kernel.stat_file(file)?.size as i64,
            _ => return Err(Errno::EINVAL.into()),
        };
        let (from, to) = range(base, start, length)?;
        let lock = Lock {
            file: self.lock_key(file)?,
            owner: match open {
                true => Owner::Open(Rc::downgrade(file)),
                false => {
                    let table = Rc::downgrade(self.task().files.borrow().identity());
                    Owner::Process(table, self.pid.get())
                }
            },
            exclusive: kind == F_WRLCK,
            from,
            to,
        };
        if command == F_GETLK || command == F_OFD_GETLK {
            return self.tell_lock(at, &bytes, kind, &lock);
        }
        match kind {
            F_UNLCK => {
                self.kernel.locks.free(&lock);
                self.kernel.bell.ring();
                Ok(0)
            }
            F_RDLCK if !file.readable() => Err(Errno::EBADF.into()),
            F_WRLCK if !file.writable() => Err(Errno::EBADF.into()),
            F_RDLCK | F_WRLCK => {
                let waits = command == F_SETLKW || command == F_OFD_SETLKW;
                self.take_lock(lock, waits)
            }
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// `F_GETLK`: what stands against a lock, or that nothing does.
    fn tell_lock(&mut self, at: u64, asked: &[u8; SIZE], kind: u16, lock: &Lock) -> Answer {
        if kind != F_RDLCK && kind != F_WRLCK {
            return Err(Errno::EINVAL.into());
        }
        let Some(other) = self.kernel.locks.against(lock) else {
            let free = Layout::<SIZE>::default().put(0, asked).u16(0, F_UNLCK).finish();
            self.write(at, &free)?;
            return Ok(0);
        };
        let pid = match other.owner {
            Owner::Process(_, pid) => pid,
            Owner::Open(_) | Owner::Whole(_) => u32::MAX,
        };
        let length = match other.to {
            END => 0,
            to => to - other.from + 1,
        };
        let told = Layout::<SIZE>::default()
            .u16(0, if other.exclusive { F_WRLCK } else { F_RDLCK })
            .u64(8, other.from)
            .u64(16, length)
            .u32(24, pid)
            .finish();
        self.write(at, &told)?;
        Ok(0)
    }
}

/// Whether a task that waits does so for a record lock.
fn is_set_and_wait(regs: &arch::Regs) -> bool {
    regs.x(8) == nr::FCNTL as u64 && regs.x(1) == F_SETLKW
}

/// `OFFSET_MAX`: the last byte of a lock without an end.
const END: u64 = i64::MAX as u64;

/// First and last byte of a lock (`flock64_to_posix_lock`).
fn range(base: i64, start: i64, length: i64) -> Result<(u64, u64), Errno> {
    let first = base.checked_add(start).ok_or(Errno::EOVERFLOW)?;
    if first < 0 {
        return Err(Errno::EINVAL);
    }
    let (from, to) = match length {
        0 => (first, i64::MAX),
        1.. => (first, first.checked_add(length - 1).ok_or(Errno::EOVERFLOW)?),
        // The bytes before.
        _ => (
            first
                .checked_add(length)
                .filter(|from| *from >= 0)
                .ok_or(Errno::EINVAL)?,
            first - 1,
        ),
    };
    Ok((from as u64, to as u64))
}

fn flock(call: &mut Call<'_>) -> Answer {
    const SHARED: u64 = 1;
    const EXCLUSIVE: u64 = 2;
    const DONT_WAIT: u64 = 4;
    const UNLOCK: u64 = 8;
    let how = u64::from(call.args[1] as u32);
    let kind = how & !DONT_WAIT;
    if ![SHARED, EXCLUSIVE, UNLOCK].contains(&kind) {
        return Err(Errno::EINVAL.into());
    }
    let file = call.file(call.int(0))?;
    if matches!(file.kind, crate::file::Kind::Place(_)) {
        return Err(Errno::EBADF.into());
    }
    let lock = Lock {
        file: call.lock_key(&file)?,
        owner: Owner::Whole(Rc::downgrade(&file)),
        exclusive: kind == EXCLUSIVE,
        from: 0,
        to: END,
    };
    if kind == UNLOCK {
        call.kernel.locks.free(&lock);
        call.kernel.bell.ring();
        return Ok(0);
    }
    call.take_lock(lock, how & DONT_WAIT == 0)
}
