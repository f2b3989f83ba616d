//! Reading and writing open files. Nothing here blocks: what would is answered with a [`Wait`], and the call is made
//! again later.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use abi::Errno;
use abi::flags::{OpenFlags, PollEvents};
use abi::signal::{SigDetail, SigInfo, Signal, code};

use super::host::{errno, io_errno};
use super::pipe::Written;
use super::{Device, File, Kind};
use crate::kernel::{Kernel, host_ready};
use crate::proc;
use crate::syscall::Stop;
use crate::task::Pid;
use crate::wait::Wait;

/// So much is written to a ready pipe or terminal of the host at once: as it says that it is ready, there is room.
const HOST_STEP: usize = 4096;

impl Kernel {
    /// Reads at a position, or where the file stands. Short reads are normal; the file's own position is moved by the
    /// caller with [`File::set_position`], once it knows how much the user's memory took.
    pub(crate) fn read_file(&mut self, file: &Rc<File>, position: u64, to: &mut [u8]) -> Result<usize, Stop> {
        match &file.kind {
            Kind::Regular { memory, .. } => {
                let read = self.memory.file_read(memory.id(), position, to);
                read.map_err(|error| io_errno(&error).into())
            }
            Kind::Stream(host) => read_stream(file, host, to),
            Kind::Pipe(end) => match end.read(to) {
                Some(count) => Ok(count),
                None if file.has(OpenFlags::NONBLOCK) => Err(Errno::EAGAIN.into()),
                None => Err(Stop::Wait(Wait::for_bell())),
            },
            Kind::Device(device) => Ok(self.read_device(*device, to)),
            Kind::Text { text, begun, reader } => {
                if position == 0 && begun.replace(true) {
                    // Whom it told of may have ended since.
                    text.replace(proc::read(self, *reader, &file.path).ok_or(Errno::ESRCH)??);
                }
                let text = text.borrow();
                let from = usize::try_from(position).map_or(&[][..], |at| text.get(at..).unwrap_or(&[]));
                let count = from.len().min(to.len());
                to[..count].copy_from_slice(&from[..count]);
                Ok(count)
            }
            Kind::Live { reader } => Ok(proc::read_live(self, *reader, &file.path, position, to)?),
            Kind::Directory { .. } | Kind::Listing(_) => Err(Errno::EISDIR.into()),
            // They are read whole, by `read_special`.
            Kind::Special(_) => Err(Errno::EINVAL.into()),
            Kind::Place(_) => Err(Errno::EBADF.into()),
        }
    }

    fn read_device(&mut self, device: Device, to: &mut [u8]) -> usize {
        match device {
            Device::Null | Device::Terminal => return 0,
            Device::Zero | Device::Full => to.fill(0),
            Device::Random => self.rng.fill(to),
        }
        to.len()
    }

    /// Writes at a position: how many bytes went. Streams may take less than all; the caller goes on.
    pub(crate) fn write_file(
        &mut self,
        pid: Pid,
        file: &Rc<File>,
        position: u64,
        from: &[u8],
    ) -> Result<usize, Stop> {
        match &file.kind {
            Kind::Regular { memory, .. } => {
                let length = self.memory.file_length(memory.id()).get();
                let count = match memory.seals() {
                    Some(seals) => seals.may_write(position, from.len(), length, self.memory.granule())?,
                    None => from.len(),
                };
                let written = self.memory.file_write(memory.id(), position, &from[..count]);
                written.map_err(|error| io_errno(&error).into())
            }
            Kind::Stream(host) => match write_stream(file, host, from) {
                Err(Stop::Errno(Errno::EPIPE)) => Err(self.broken_pipe(pid)),
                other => other,
            },
            Kind::Pipe(end) => match end.write(from) {
                Written::Bytes(count) => Ok(count),
                Written::Full if file.has(OpenFlags::NONBLOCK) => Err(Errno::EAGAIN.into()),
                Written::Full => Err(Stop::Wait(Wait::for_bell())),
                Written::Broken => Err(self.broken_pipe(pid)),
            },
            Kind::Special(special) => self.write_special(pid, file, special, from),
            Kind::Device(Device::Full) => Err(Errno::ENOSPC.into()),
            Kind::Device(_) => Ok(from.len()),
            Kind::Text { reader, .. } | Kind::Live { reader } => {
                Ok(proc::write(self, (*reader, pid), &file.path, position, from)?)
            }
            Kind::Directory { .. } | Kind::Listing(_) | Kind::Place(_) => Err(Errno::EBADF.into()),
        }
    }

    /// `EPIPE`, and the signal that comes with it.
    pub(crate) fn broken_pipe(&mut self, pid: Pid) -> Stop {
        let task = self.task(pid);
        let (process, uid) = (task.tgid.get(), task.creds.uid);
        // To the thread that wrote: libraries block it there while they write, and others need not.
        self.send_to_thread(
            pid,
            SigInfo {
                signal: Signal::PIPE,
                code: code::SI_USER,
                detail: SigDetail::User { pid: process, uid },
            },
        );
        Errno::EPIPE.into()
    }

    /// Where a write begins: at the end with `O_APPEND`.
    pub(crate) fn write_position(&self, file: &File, asked: Option<u64>) -> Result<u64, Errno> {
        match &file.kind {
            Kind::Regular { memory, host, .. } if file.has(OpenFlags::APPEND) => match host {
                Some(host) => Ok(rustix::fs::fstat(host).map_err(errno)?.st_size as u64),
                None => Ok(self.memory.file_length(memory.id()).get()),
            },
            _ => Ok(asked.unwrap_or_else(|| file.position())),
        }
    }
}

fn read_stream(file: &File, host: &Rc<OwnedFd>, to: &mut [u8]) -> Result<usize, Stop> {
    let asks = file.line().is_some_and(|line| line.at_once);
    let ready = asks || !host_ready(host, PollEvents::IN).is_empty();
    if !ready {
        return Err(would_block(file, host, PollEvents::IN));
    }
    match rustix::io::read(&**host, to) {
        Ok(count) => Ok(count),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {
            Err(would_block(file, host, PollEvents::IN))
        }
        Err(error) => Err(errno(error).into()),
    }
}

fn write_stream(file: &File, host: &Rc<OwnedFd>, from: &[u8]) -> Result<usize, Stop> {
    if host_ready(host, PollEvents::OUT).is_empty() {
        return Err(would_block(file, host, PollEvents::OUT));
    }
    match rustix::io::write(&**host, &from[..from.len().min(HOST_STEP)]) {
        Ok(count) => Ok(count),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {
            Err(would_block(file, host, PollEvents::OUT))
        }
        Err(error) => Err(errno(error).into()),
    }
}

fn would_block(file: &File, host: &Rc<OwnedFd>, events: PollEvents) -> Stop {
    if file.has(OpenFlags::NONBLOCK) {
        Errno::EAGAIN.into()
    } else {
        Stop::Wait(Wait::for_host(host, events))
    }
}
