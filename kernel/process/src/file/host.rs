//! Files of the host behind mm's page cache.
//!
//! Key type: [`HostBacking`]: one for each file, whoever opens it and however. It reads through a descriptor that may
//! be read and writes through one that may be written; a later open adds what an earlier one lacked.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use abi::Errno;
use abi::fs::Stat;
use abi::time::Timespec;
use mm::{Backing, FileKey};

use super::MemoryFile;
use crate::kernel::Kernel;

/// A regular file of the host.
#[derive(Debug, Default)]
pub(crate) struct HostBacking {
    reader: RefCell<Option<Rc<OwnedFd>>>,
    writer: RefCell<Option<Rc<OwnedFd>>>,
}

impl HostBacking {
    /// Learns another descriptor of the same file.
    fn add(&self, fd: &Rc<OwnedFd>, readable: bool, writable: bool) {
        if readable {
            self.reader.borrow_mut().get_or_insert_with(|| Rc::clone(fd));
        }
        if writable {
            self.writer.borrow_mut().get_or_insert_with(|| Rc::clone(fd));
        }
    }

    fn any(&self) -> io::Result<Rc<OwnedFd>> {
        let reader = self.reader.borrow();
        let writer = self.writer.borrow();
        reader.as_ref().or(writer.as_ref()).map(Rc::clone).ok_or_else(bad)
    }
}

fn bad() -> io::Error {
    rustix::io::Errno::BADF.into()
}

impl Backing for HostBacking {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        let reader = self.reader.borrow();
        let fd = reader.as_ref().ok_or_else(bad)?;
        let mut done = 0;
        while done < to.len() {
            match rustix::io::pread(fd, &mut to[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> io::Result<usize> {
        let writer = self.writer.borrow();
        let fd = writer.as_ref().ok_or_else(bad)?;
        let mut done = 0;
        while done < from.len() {
            match rustix::io::pwrite(fd, &from[done..], offset + done as u64) {
                Ok(count) => done += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) if done > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    fn len(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstat(&*self.any()?)?;
        Ok(stat.st_size as u64)
    }
}

impl Kernel {
    /// Hands a regular file of the host to mm. The same file gives the same pages, whoever opens it.
    pub(crate) fn cache_host_file(
        &mut self,
        fd: &Rc<OwnedFd>,
        stat: &Stat,
        path: &[u8],
        readable: bool,
        writable: bool,
    ) -> MemoryFile {
        let key = FileKey {
            device: stat.device,
            inode: stat.inode,
        };
        let known = self.backings.get(&key).and_then(std::rc::Weak::upgrade);
        let backing = known.unwrap_or_default();
        backing.add(fd, readable, writable);
        self.backings.insert(key, Rc::downgrade(&backing));
        let id = self.memory.open_file(key, path, backing);
        MemoryFile::new(id, &self.closing)
    }
}

/// The host's errno as Linux's: the host is Linux, and errno numbers are the same on all its machines.
pub(crate) fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

/// The errno of an I/O error that came from the host through mm.
pub(crate) fn io_errno(error: &io::Error) -> Errno {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number),
        None if error.kind() == io::ErrorKind::ReadOnlyFilesystem => Errno::EROFS,
        None if error.kind() == io::ErrorKind::StorageFull => Errno::ENOSPC,
        None => Errno::EIO,
    }
}

/// The host's `stat` as the guest's: the fields are the same, the layout is not.
#[expect(
    clippy::unnecessary_cast,
    reason = "the host's field types differ between its processors"
)]
pub(crate) fn convert_stat(stat: &rustix::fs::Stat) -> Stat {
    let time = |seconds, nanoseconds| Timespec { seconds, nanoseconds };
    Stat {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        mode: stat.st_mode as u32,
        links: stat.st_nlink as u32,
        uid: stat.st_uid as u32,
        gid: stat.st_gid as u32,
        rdev: stat.st_rdev as u64,
        size: stat.st_size as u64,
        block_size: stat.st_blksize as u32,
        blocks: stat.st_blocks as u64,
        accessed: time(stat.st_atime as i64, stat.st_atime_nsec as u64),
        modified: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        changed: time(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
    }
}
