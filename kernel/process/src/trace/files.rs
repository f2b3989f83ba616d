//! Files as a process sees them, for a debugger that looks for symbols: read-only, regular files and `/proc`.
//!
//! Paths go through the same resolution as the process's own, so a machine with a root folder shows nothing else.

use std::rc::Rc;

use abi::Errno;
use abi::flags::OpenFlags;
use abi::fs::{AT_FDCWD, S_IFMT, S_IFREG};

use crate::file::resolve::Place;
use crate::file::{File, Kind};
use crate::kernel::Kernel;
use crate::proc;
use crate::syscall::Stop;
use crate::task::Pid;

/// An open file.
#[derive(Debug)]
pub struct TracedFile(Rc<File>);

/// What a debugger asks of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are those of stat(2)")]
pub struct TracedStat {
    pub device: u64,
    pub inode: u64,
    pub mode: u32,
    pub links: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub block_size: u32,
    pub blocks: u64,
    pub modified_s: i64,
}

impl Kernel {
    /// Opens a file for reading with the eyes of a task.
    ///
    /// # Errors
    /// As `open(2)`; `EACCES` for what is no regular file.
    pub fn open_traced(&mut self, pid: Pid, path: &[u8]) -> Result<TracedFile, Errno> {
        if !self.tasks.contains_key(&pid) {
            return Err(Errno::ESRCH);
        }
        let place = self.resolve(pid, AT_FDCWD, path)?;
        // Opening a FIFO or a device can do something; files are safe.
        if matches!(place, Place::Host(_)) && self.stat_place(pid, &place, true)?.mode & S_IFMT != S_IFREG {
            return Err(Errno::EACCES);
        }
        let file = self.open(pid, AT_FDCWD, path, OpenFlags::NONBLOCK, 0)?;
        match file.kind {
            Kind::Regular { .. } | Kind::Text { .. } | Kind::Live { .. } => Ok(TracedFile(file)),
            _ => Err(Errno::EACCES),
        }
    }

    /// Reads at a position.
    ///
    /// # Errors
    /// As `pread(2)`.
    pub fn read_traced(&mut self, file: &TracedFile, position: u64, to: &mut [u8]) -> Result<usize, Errno> {
        match self.read_file(&file.0, position, to) {
            Ok(count) => Ok(count),
            Err(Stop::Errno(errno)) => Err(errno),
            Err(_) => Err(Errno::EIO),
        }
    }

    /// `fstat(2)`.
    ///
    /// # Errors
    /// As `fstat(2)`.
    pub fn stat_traced(&self, file: &TracedFile) -> Result<TracedStat, Errno> {
        let stat = self.stat_file(&file.0)?;
        Ok(TracedStat {
            device: stat.device,
            inode: stat.inode,
            mode: stat.mode,
            links: stat.links,
            uid: stat.uid,
            gid: stat.gid,
            size: stat.size,
            block_size: stat.block_size,
            blocks: stat.blocks,
            modified_s: stat.modified.seconds,
        })
    }

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// As `readlink(2)`.
    pub fn read_link_traced(&self, pid: Pid, path: &[u8]) -> Result<Vec<u8>, Errno> {
        if !self.tasks.contains_key(&pid) {
            return Err(Errno::ESRCH);
        }
        match self.resolve(pid, AT_FDCWD, path)? {
            Place::Host(path) => {
                let link = rustix::fs::readlinkat(rustix::fs::CWD, &*path.itself, Vec::new());
                link.map(|link| link.into_bytes())
                    .map_err(crate::file::host::errno)
            }
            Place::Proc(path) => proc::read_link(self, pid, &path).ok_or(Errno::EINVAL),
            _ => Err(Errno::EINVAL),
        }
    }
}
