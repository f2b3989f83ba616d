//! Calls on descriptors: opening, duplicating, reading, writing, moving.

use std::cell::RefCell;
use std::rc::Rc;

use abi::Errno;
use abi::flags::OpenFlags;
use abi::fs::{IOV_MAX, MAX_RW_COUNT, SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET, fcntl};
use abi::nr;
use abi::process::RLIMIT_NOFILE;
use abi::signal::Signal;

use super::{Answer, Call, Handler, Stop};
use crate::file::host::errno;
use crate::file::special::Special;
use crate::file::{File, Kind, Slot, pipe};

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::OPENAT, openat),
    (nr::CLOSE, close),
    (nr::CLOSE_RANGE, close_range),
    (nr::DUP, dup),
    (nr::DUP3, dup3),
    (nr::FCNTL, fcntl),
    (nr::PIPE2, pipe2),
    (nr::READ, read),
    (nr::WRITE, write),
    (nr::READV, readv),
    (nr::WRITEV, writev),
    (nr::PREAD64, pread64),
    (nr::PWRITE64, pwrite64),
    (nr::PREADV, preadv),
    (nr::PWRITEV, pwritev),
    (nr::LSEEK, lseek),
    (nr::SENDFILE, sendfile),
];

/// Bytes that go through the kernel's buffer at once.
const CHUNK: usize = 128 << 10;

impl Call<'_> {
    pub(super) fn file(&self, fd: i32) -> Result<Rc<File>, Errno> {
        self.task().files.borrow().get(fd).map(Rc::clone)
    }

    pub(super) fn add_file(&mut self, file: Rc<File>, close_on_exec: bool, from: u64) -> Answer {
        let limit = self.task().limits[RLIMIT_NOFILE].current;
        let slot = Slot { file, close_on_exec };
        let fd = self.task().files.borrow_mut().add(slot, from, limit)?;
        Ok(fd as u64)
    }

    /// The vectors of `readv` and `writev` as (address, length); their sum is limited as Linux limits it.
    pub(super) fn vectors(&mut self, at: u64, count: u64) -> Result<Vec<(u64, u64)>, Errno> {
        if count > IOV_MAX {
            return Err(Errno::EINVAL);
        }
        let mut bytes = vec![0; count as usize * 16];
        self.kernel.read_user(self.pid, at, &mut bytes)?;
        let mut left = MAX_RW_COUNT;
        let mut vectors = Vec::with_capacity(count as usize);
        for chunk in bytes.chunks_exact(16) {
            let (base, length) = (abi::bytes::get_u64(chunk, 0), abi::bytes::get_u64(chunk, 8));
            if length > i64::MAX as u64 {
                return Err(Errno::EINVAL);
            }
            // What no address space holds is refused before anything is moved (`access_ok`).
            let end = arch::VirtAddr::new(base).untagged().get().checked_add(length);
            if end.is_none_or(|end| end > self.kernel.memory.granule().user_end()) {
                return Err(Errno::EFAULT);
            }
            let length = length.min(left);
            left -= length;
            vectors.push((base, length));
        }
        Ok(vectors)
    }

    /// Reads into user memory until the file has no more for now.
    fn read_into(&mut self, file: &Rc<File>, vectors: &[(u64, u64)], position: Option<u64>) -> Answer {
        if !file.readable() {
            return Err(Errno::EBADF.into());
        }
        if let Kind::Special(Special::Unix(..) | Special::Inet(..)) = &file.kind {
            return self.read_socket(file, vectors);
        }
        if file.line().is_some() {
            self.kernel.check_foreground(self.pid, file, Signal::TTIN)?;
        }
        if let Kind::Special(special) = &file.kind {
            let room = vectors.iter().map(|(_, length)| length).sum();
            let bytes = self.kernel.read_special(self.pid, file, special, room)?;
            self.scatter(vectors, &bytes)?;
            return Ok(bytes.len() as u64);
        }
        let mut buffer = std::mem::take(&mut self.kernel.scratch);
        buffer.resize(CHUNK, 0);
        let mut done = 0;
        let result = self.read_vectors(file, vectors, position, &mut buffer, &mut done);
        self.kernel.scratch = buffer;
        if position.is_none() && done > 0 && file.seekable() {
            file.set_position(file.position() + done);
        }
        match result {
            // What came is the answer; the error or the wait belongs to the next call.
            Err(_) if done > 0 => Ok(done),
            Err(Stop::Wait(wait)) if file.line().is_some() => self.kernel.read_timeout(self.pid, file, wait),
            Err(stop) => Err(stop),
            Ok(()) => Ok(done),
        }
    }

    /// Writes bytes to user memory's vectors, one after another.
    pub(super) fn scatter(&mut self, vectors: &[(u64, u64)], mut bytes: &[u8]) -> Result<(), Errno> {
        for &(base, length) in vectors {
            let step = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(step);
            self.write(base, now)?;
            bytes = later;
        }
        Ok(())
    }

    fn read_vectors(
        &mut self,
        file: &Rc<File>,
        vectors: &[(u64, u64)],
        position: Option<u64>,
        buffer: &mut [u8],
        done: &mut u64,
    ) -> Result<(), Stop> {
        let start = position.unwrap_or_else(|| file.position());
        for &(base, length) in vectors {
            let mut inside = 0;
            while inside < length {
                let step = (length - inside).min(CHUNK as u64) as usize;
                let count = self
                    .kernel
                    .read_file(file, start.saturating_add(*done), &mut buffer[..step])?;
                let at = base.wrapping_add(inside);
                let taken = self.kernel.write_user_partly(self.pid, at, &buffer[..count])?;
                *done += taken as u64;
                inside += taken as u64;
                if taken < count {
                    return Err(Errno::EFAULT.into());
                }
                // A stream gives what it has; asking on would wait. A pipe is asked until it is empty.
                let once = !file.seekable() && !matches!(file.kind, Kind::Pipe(_));
                if count < step || once {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Writes user memory to a file; waits for streams that are full, and remembers how far it came.
    fn write_from(&mut self, file: &Rc<File>, vectors: &[(u64, u64)], position: Option<u64>) -> Answer {
        if !file.writable() {
            return Err(Errno::EBADF.into());
        }
        if let Kind::Special(Special::Unix(..) | Special::Inet(..)) = &file.kind {
            return self.write_socket(file, vectors);
        }
        if file.line().is_some() {
            self.kernel.check_write(self.pid, file)?;
        }
        let mut at = self.kernel.write_position(file, position)?;
        let mut buffer = std::mem::take(&mut self.kernel.scratch);
        let mut done = self.task().progress.done;
        let before = done;
        at += if file.seekable() { done } else { 0 };
        let result = self.write_vectors(file, vectors, at, &mut buffer, &mut done);
        self.kernel.scratch = buffer;
        if position.is_none() && file.seekable() {
            file.set_position(at + (done - before));
        }
        match result {
            Err(Stop::Wait(wait)) => {
                self.task_mut().progress.done = done;
                Err(Stop::Wait(wait))
            }
            Err(_) if done > 0 => Ok(done),
            Err(stop) => Err(stop),
            Ok(()) => Ok(done),
        }
    }

    fn write_vectors(
        &mut self,
        file: &Rc<File>,
        vectors: &[(u64, u64)],
        start: u64,
        buffer: &mut Vec<u8>,
        done: &mut u64,
    ) -> Result<(), Stop> {
        let first = *done;
        loop {
            // Small vectors go together, so that a line printed in parts is one write.
            let fault = self.gather(vectors, *done, buffer);
            if fault.is_err() && matches!(file.kind, Kind::Pipe(_)) {
                // A pipe takes whole pages: of the one with the bad tail nothing (`pipe_write`).
                let page = self.kernel.memory.granule().bytes() as usize;
                buffer.truncate(buffer.len() / page * page);
            }
            if buffer.is_empty() {
                return fault.map_err(Stop::from);
            }
            let mut written = 0;
            while written < buffer.len() {
                let at = start + (*done - first);
                let count = self.kernel.write_file(self.pid, file, at, &buffer[written..])?;
                *done += count as u64;
                written += count;
                if count == 0 {
                    return Ok(());
                }
            }
        }
    }

    /// Up to a chunk of the vectors' bytes from `skip` on.
    fn gather(&mut self, vectors: &[(u64, u64)], mut skip: u64, buffer: &mut Vec<u8>) -> Result<(), Errno> {
        buffer.clear();
        for &(base, length) in vectors {
            if skip >= length {
                skip -= length;
                continue;
            }
            let room = (CHUNK - buffer.len()) as u64;
            let step = (length - skip).min(room) as usize;
            if step == 0 {
                break;
            }
            let from = buffer.len();
            buffer.resize(from + step, 0);
            let at = base.wrapping_add(skip);
            let got = self.kernel.read_user_partly(self.pid, at, &mut buffer[from..]);
            let taken = *got.as_ref().unwrap_or(&0);
            buffer.truncate(from + taken);
            if taken < step {
                return Err(Errno::EFAULT);
            }
            skip = 0;
        }
        Ok(())
    }
}

fn openat(call: &mut Call<'_>) -> Answer {
    let path = call.path(call.args[1])?;
    let flags = OpenFlags::from_bits_retain(call.args[2] as u32);
    let (pid, from, mode) = (call.pid, call.int(0), call.args[3] as u32);
    let file = match call.opening() {
        Some(opening) => opening?,
        None => {
            let file = call.kernel.open(pid, from, &path, flags, mode)?;
            call.meet_partner(file)?
        }
    };
    call.add_file(file, flags.contains(OpenFlags::CLOEXEC), 0)
}

fn close(call: &mut Call<'_>) -> Answer {
    let fd = call.int(0);
    call.forget_locks(fd);
    call.task().files.borrow_mut().close(fd)?;
    Ok(0)
}

fn close_range(call: &mut Call<'_>) -> Answer {
    const UNSHARE: u64 = 2;
    const CLOEXEC: u64 = 4;
    let (first, last, flags) = (call.args[0] as u32, call.args[1] as u32, call.args[2]);
    if first > last || flags & !(UNSHARE | CLOEXEC) != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags & UNSHARE != 0 && Rc::strong_count(&call.task().files) > 1 {
        let own = call.task().files.borrow().unshared()?;
        call.task_mut().files = Rc::new(RefCell::new(own));
    }
    let open: Vec<i32> = call.task().files.borrow().numbers().collect();
    let open = open
        .into_iter()
        .filter(|fd| (first..=last).contains(&fd.cast_unsigned()));
    for fd in open {
        if flags & CLOEXEC != 0 {
            call.task().files.borrow_mut().slot_mut(fd)?.close_on_exec = true;
        } else {
            call.forget_locks(fd);
            call.task().files.borrow_mut().close(fd)?;
        }
    }
    Ok(0)
}

fn dup(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    call.add_file(file, false, 0)
}

fn dup3(call: &mut Call<'_>) -> Answer {
    let (old, new, bits) = (call.int(0), call.int(1), call.args[2] as u32);
    let flags = OpenFlags::from_bits_retain(bits);
    if !OpenFlags::CLOEXEC.contains(flags) || old == new {
        return Err(Errno::EINVAL.into());
    }
    let limit = call.task().limits[RLIMIT_NOFILE].current;
    let number = u32::try_from(new).map_err(|_| Errno::EBADF)?;
    if u64::from(number) >= limit {
        return Err(Errno::EBADF.into());
    }
    let slot = Slot {
        file: call.file(old)?,
        close_on_exec: flags.contains(OpenFlags::CLOEXEC),
    };
    call.forget_locks(new);
    let old = call.task().files.borrow_mut().put(number, slot)?;
    // Its end may look at tables.
    drop(old);
    Ok(new as u64)
}

fn fcntl(call: &mut Call<'_>) -> Answer {
    let (fd, command, argument) = (call.int(0), call.args[1], call.args[2]);
    let file = call.file(fd)?;
    match command {
        fcntl::F_DUPFD | fcntl::F_DUPFD_CLOEXEC => {
            if argument >= call.task().limits[RLIMIT_NOFILE].current {
                return Err(Errno::EINVAL.into());
            }
            call.add_file(file, command == fcntl::F_DUPFD_CLOEXEC, argument)
        }
        fcntl::F_GETFD => Ok(u64::from(call.task().files.borrow().slot(fd)?.close_on_exec)),
        fcntl::F_SETFD => {
            let close = argument & fcntl::FD_CLOEXEC != 0;
            call.task().files.borrow_mut().slot_mut(fd)?.close_on_exec = close;
            Ok(0)
        }
        fcntl::F_GETFL => {
            // What was opened by a name may be large: open(2) of a 64-bit kernel says so itself.
            let large = match file.kind {
                Kind::Pipe(ref end) if end.node().is_none() => OpenFlags::empty(),
                Kind::Special(_) => OpenFlags::empty(),
                _ => OpenFlags::LARGEFILE,
            };
            Ok(u64::from(file.flags.get() | large.bits()))
        }
        fcntl::F_SETFL => {
            let settable = (OpenFlags::APPEND | OpenFlags::NONBLOCK | OpenFlags::NOATIME).bits();
            let kept = file.flags.get() & !settable;
            file.flags.set(kept | argument as u32 & settable);
            Ok(0)
        }
        fcntl::F_GETLK
        | fcntl::F_SETLK
        | fcntl::F_SETLKW
        | fcntl::F_OFD_GETLK
        | fcntl::F_OFD_SETLK
        | fcntl::F_OFD_SETLKW => call.record_lock(&file, command, argument),
        fcntl::F_GETPIPE_SZ | fcntl::F_SETPIPE_SZ => match &file.kind {
            Kind::Pipe(end) if command == fcntl::F_GETPIPE_SZ => Ok(end.capacity() as u64),
            Kind::Pipe(end) => {
                let page = call.kernel.memory.granule().bytes() as usize;
                // The size is an `int` for Linux.
                Ok(end.set_capacity(argument as i32, page)? as u64)
            }
            _ => Err(Errno::EBADF.into()),
        },
        fcntl::F_ADD_SEALS | fcntl::F_GET_SEALS => call.seal(&file, command, argument),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn pipe2(call: &mut Call<'_>) -> Answer {
    let flags = OpenFlags::from_bits_retain(call.args[1] as u32);
    let known = OpenFlags::CLOEXEC | OpenFlags::NONBLOCK | OpenFlags::DIRECT;
    if !known.contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    call.kernel.nameless += 1;
    let page = call.kernel.memory.granule().bytes() as usize;
    let (read, write) = pipe::pair(&call.kernel.bell, call.kernel.nameless, page);
    let name = format!("pipe:[{}]", read.number()).into_bytes();
    let status = flags & OpenFlags::NONBLOCK;
    let close_on_exec = flags.contains(OpenFlags::CLOEXEC);
    let read = File::new(Kind::Pipe(read), status, name.clone());
    let write = File::new(Kind::Pipe(write), status | OpenFlags::WRONLY, name);
    let first = call.add_file(read, close_on_exec, 0)? as i32;
    let second = match call.add_file(write, close_on_exec, 0) {
        Ok(fd) => fd as i32,
        Err(stop) => {
            call.task().files.borrow_mut().close(first)?;
            return Err(stop);
        }
    };
    let pair = [first.to_le_bytes(), second.to_le_bytes()].concat();
    if let Err(errno) = call.write(call.args[0], &pair) {
        let mut files = call.task().files.borrow_mut();
        files.close(first)?;
        files.close(second)?;
        return Err(errno.into());
    }
    Ok(0)
}

fn one(call: &Call<'_>) -> [(u64, u64); 1] {
    [(call.args[1], call.args[2].min(MAX_RW_COUNT))]
}

fn read(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    call.read_into(&file, &one(call), None)
}

fn write(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    call.write_from(&file, &one(call), None)
}

fn readv(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    let vectors = call.vectors(call.args[1], call.args[2])?;
    call.read_into(&file, &vectors, None)
}

fn writev(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    let vectors = call.vectors(call.args[1], call.args[2])?;
    call.write_from(&file, &vectors, None)
}

/// The position argument of `pread64` and `pwrite64`, after their checks in Linux's order.
fn positioned(call: &Call<'_>) -> Result<(Rc<File>, u64), Errno> {
    let position = call.args[3];
    if position > i64::MAX as u64 {
        return Err(Errno::EINVAL);
    }
    let file = call.file(call.int(0))?;
    if !file.seekable() {
        return Err(Errno::ESPIPE);
    }
    Ok((file, position))
}

fn pread64(call: &mut Call<'_>) -> Answer {
    let (file, position) = positioned(call)?;
    call.read_into(&file, &one(call), Some(position))
}

fn pwrite64(call: &mut Call<'_>) -> Answer {
    let (file, position) = positioned(call)?;
    call.write_from(&file, &one(call), Some(position))
}

fn preadv(call: &mut Call<'_>) -> Answer {
    let (file, position) = positioned(call)?;
    let vectors = call.vectors(call.args[1], call.args[2])?;
    call.read_into(&file, &vectors, Some(position))
}

fn pwritev(call: &mut Call<'_>) -> Answer {
    let (file, position) = positioned(call)?;
    let vectors = call.vectors(call.args[1], call.args[2])?;
    call.write_from(&file, &vectors, Some(position))
}

fn lseek(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    let (offset, whence) = (call.args[1] as i64, call.args[2]);
    let base = match (&file.kind, whence) {
        (Kind::Stream(host), _) => {
            // Some devices of the host can be moved in; terminals and pipes say ESPIPE themselves.
            let to = match whence {
                SEEK_SET => rustix::fs::SeekFrom::Start(offset as u64),
                SEEK_CUR => rustix::fs::SeekFrom::Current(offset),
                SEEK_END => rustix::fs::SeekFrom::End(offset),
                _ => return Err(Errno::EINVAL.into()),
            };
            return rustix::fs::seek(host, to).map_err(|error| errno(error).into());
        }
        (Kind::Pipe(_) | Kind::Special(Special::Unix(..) | Special::Inet(..)), _) => {
            return Err(Errno::ESPIPE.into());
        }
        // They have no position, and do not mind.
        (Kind::Special(_), _) => return Ok(0),
        (_, SEEK_SET) => 0,
        (_, SEEK_CUR) => file.position() as i64,
        (_, SEEK_END | SEEK_DATA | SEEK_HOLE) => call.kernel.stat_file(&file)?.size as i64,
        _ => return Err(Errno::EINVAL.into()),
    };
    if whence == SEEK_DATA || whence == SEEK_HOLE {
        // All of the file counts as data, which Linux allows; the hole is its end.
        if offset < 0 || offset >= base {
            return Err(Errno::ENXIO.into());
        }
        let to = if whence == SEEK_DATA { offset } else { base };
        file.set_position(to as u64);
        return Ok(to as u64);
    }
    let to = base.checked_add(offset).ok_or(Errno::EOVERFLOW)?;
    if to < 0 {
        return Err(Errno::EINVAL.into());
    }
    file.set_position(to as u64);
    Ok(to as u64)
}

fn sendfile(call: &mut Call<'_>) -> Answer {
    let (to, from) = (call.file(call.int(0))?, call.file(call.int(1))?);
    let (offset_at, count) = (call.args[2], call.args[3].min(MAX_RW_COUNT));
    if !from.readable() || !to.writable() {
        return Err(Errno::EBADF.into());
    }
    // As Linux, only from files that can be mapped.
    if !matches!(from.kind, Kind::Regular { .. }) {
        return Err(Errno::EINVAL.into());
    }
    let start = match offset_at {
        0 => from.position(),
        at => u64::from_le_bytes(call.read(at)?),
    };
    if start.checked_add(count).is_none_or(|end| end > i64::MAX as u64) {
        return Err(Errno::EINVAL.into());
    }
    let mut buffer = vec![0; count.min(CHUNK as u64) as usize];
    let mut done = 0;
    let mut stop = None;
    while done < count {
        let step = (count - done).min(CHUNK as u64) as usize;
        let got = call.kernel.read_file(&from, start + done, &mut buffer[..step])?;
        if got == 0 {
            break;
        }
        let at = call.kernel.write_position(&to, None)?;
        match call.kernel.write_file(call.pid, &to, at, &buffer[..got]) {
            Ok(written) => {
                done += written as u64;
                if to.seekable() {
                    to.set_position(at + written as u64);
                }
            }
            Err(error) => {
                stop = Some(error);
                break;
            }
        }
    }
    if let Some(stop) = stop.filter(|_| done == 0) {
        return Err(stop);
    }
    match offset_at {
        0 => from.set_position(start + done),
        at => call.write(at, &(start + done).to_le_bytes())?,
    }
    Ok(done)
}
