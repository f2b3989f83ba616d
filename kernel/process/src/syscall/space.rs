//! `fallocate(2)` and `copy_file_range(2)`: space in files, and bytes from one file to another.

use std::rc::Rc;

use abi::Errno;
use abi::flags::OpenFlags;
use abi::fs::MAX_RW_COUNT;
use abi::nr;
use rustix::fs::FallocateFlags;

use super::{Answer, Call, Handler};
use crate::file::host::errno;
use crate::file::{File, Kind};

pub(super) const CALLS: &[(usize, Handler)] =
    &[(nr::FALLOCATE, fallocate), (nr::COPY_FILE_RANGE, copy_file_range)];

/// `FALLOC_FL_KEEP_SIZE`.
const KEEP_SIZE: u32 = 1;

/// The end of a range, which must be one that a file can have.
fn end_of(offset: u64, length: u64) -> Result<u64, Errno> {
    let end = offset.checked_add(length).ok_or(Errno::EFBIG)?;
    (end <= i64::MAX as u64).then_some(end).ok_or(Errno::EFBIG)
}

/// Space at the end or inside. Holes are refused as file systems without them do: pages of the file may be cached here.
fn fallocate(call: &mut Call<'_>) -> Answer {
    let (mode, offset, length) = (call.args[1] as u32, call.args[2], call.args[3]);
    let file = call.file(call.int(0))?;
    if offset > i64::MAX as u64 || length == 0 || length > i64::MAX as u64 {
        return Err(Errno::EINVAL.into());
    }
    if mode & !KEEP_SIZE != 0 {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if !file.writable() {
        return Err(Errno::EBADF.into());
    }
    let (memory, host, seals) = match &file.kind {
        Kind::Regular { memory, host, .. } => (memory.id(), host, memory.seals()),
        Kind::Pipe(_) => return Err(Errno::ESPIPE.into()),
        _ => return Err(Errno::ENODEV.into()),
    };
    let end = end_of(offset, length)?;
    if let Some(seals) = seals {
        let length = call.kernel.memory.file_length(memory).get();
        seals.may_resize(length, end.max(length))?;
    }
    if let Some(host) = host {
        let flags = FallocateFlags::from_bits_truncate(mode);
        rustix::fs::fallocate(host, flags, offset, length).map_err(errno)?;
    }
    if mode & KEEP_SIZE == 0 && end > call.kernel.memory.file_length(memory).get() {
        call.kernel.memory.file_resized(memory, end);
    }
    Ok(0)
}

/// One side of a copy: its file, and where the position is kept if not in the file.
struct Side {
    file: Rc<File>,
    at: u64,
    position: u64,
}

impl Side {
    fn of(call: &mut Call<'_>, fd: usize) -> Result<Self, Errno> {
        let (file, at) = (call.file(call.int(fd))?, call.args[fd + 1]);
        let position = match at {
            0 => file.position(),
            at => u64::from_le_bytes(call.read(at)?),
        };
        Ok(Self { file, at, position })
    }

    fn advance(&self, call: &mut Call<'_>, by: u64) -> Result<(), Errno> {
        match self.at {
            0 => self.file.set_position(self.position + by),
            at => call.write(at, &(self.position + by).to_le_bytes())?,
        }
        Ok(())
    }

    fn identity(&self, call: &Call<'_>) -> Result<mm::FileKey, Errno> {
        match &self.file.kind {
            Kind::Regular { memory, .. } => Ok(call.kernel.memory.file_key(memory.id())),
            Kind::Directory { .. } | Kind::Listing(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }
}

fn copy_file_range(call: &mut Call<'_>) -> Answer {
    /// Bytes that go through the kernel's buffer at once.
    const CHUNK: u64 = 128 << 10;
    let (from, to) = (Side::of(call, 0)?, Side::of(call, 2)?);
    let count = call.args[4].min(MAX_RW_COUNT);
    if call.args[5] != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (source, goal) = (from.identity(call)?, to.identity(call)?);
    let same = source == goal;
    if !from.file.readable() || !to.file.writable() || to.file.has(OpenFlags::APPEND) {
        return Err(Errno::EBADF.into());
    }
    // generic_copy_file_checks: never from one file system to another.
    if source.device != goal.device {
        return Err(Errno::EXDEV.into());
    }
    let (ends, begins) = (end_of(from.position, count)?, end_of(to.position, count)?);
    if same && from.position < begins && to.position < ends {
        return Err(Errno::EINVAL.into());
    }
    let mut buffer = vec![0; count.min(CHUNK) as usize];
    let mut done = 0;
    while done < count {
        let step = (count - done).min(CHUNK) as usize;
        let got = call
            .kernel
            .read_file(&from.file, from.position + done, &mut buffer[..step])?;
        if got == 0 {
            break;
        }
        match call
            .kernel
            .write_file(call.pid, &to.file, to.position + done, &buffer[..got])
        {
            Ok(0) => break,
            Ok(written) => done += written as u64,
            // What has been copied counts.
            Err(stop) if done == 0 => return Err(stop),
            Err(_) => break,
        }
    }
    from.advance(call, done)?;
    to.advance(call, done)?;
    Ok(done)
}
