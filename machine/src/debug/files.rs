//! Host I/O for the debugger (`vFile`): the program's own files, read-only, so that `set sysroot target:` finds the
//! program, its libraries and `/proc`. A machine with a root folder shows what lies in it and nothing else.

use std::convert::Infallible;

use gdbstub::target::ext::host_io::{
    FsKind, HostIo, HostIoClose, HostIoCloseOps, HostIoErrno, HostIoError, HostIoFstat, HostIoFstatOps,
    HostIoOpen, HostIoOpenFlags, HostIoOpenMode, HostIoOpenOps, HostIoPread, HostIoPreadOps, HostIoReadlink,
    HostIoReadlinkOps, HostIoResult, HostIoSetfs, HostIoSetfsOps, HostIoStat,
};
use process::Errno;

use crate::Machine;

/// More than a debugger has open at a time.
const MOST_FILES: usize = 64;

impl HostIo for Machine {
    fn support_open(&mut self) -> Option<HostIoOpenOps<'_, Self>> {
        Some(self)
    }

    fn support_close(&mut self) -> Option<HostIoCloseOps<'_, Self>> {
        Some(self)
    }

    fn support_pread(&mut self) -> Option<HostIoPreadOps<'_, Self>> {
        Some(self)
    }

    fn support_fstat(&mut self) -> Option<HostIoFstatOps<'_, Self>> {
        Some(self)
    }

    fn support_readlink(&mut self) -> Option<HostIoReadlinkOps<'_, Self>> {
        Some(self)
    }

    fn support_setfs(&mut self) -> Option<HostIoSetfsOps<'_, Self>> {
        Some(self)
    }
}

/// The protocol's errno, which has fewer than Linux.
fn wire(errno: Errno) -> HostIoError<Infallible> {
    HostIoError::Errno(match errno {
        Errno::EPERM => HostIoErrno::EPERM,
        Errno::ENOENT | Errno::ESRCH => HostIoErrno::ENOENT,
        Errno::EIO => HostIoErrno::EIO,
        Errno::EBADF => HostIoErrno::EBADF,
        Errno::EACCES => HostIoErrno::EACCES,
        Errno::ENOTDIR => HostIoErrno::ENOTDIR,
        Errno::EISDIR => HostIoErrno::EISDIR,
        Errno::EINVAL => HostIoErrno::EINVAL,
        Errno::EMFILE => HostIoErrno::EMFILE,
        Errno::EROFS => HostIoErrno::EROFS,
        Errno::ENAMETOOLONG => HostIoErrno::ENAMETOOLONG,
        _ => HostIoErrno::EUNKNOWN,
    })
}

impl HostIoOpen for Machine {
    fn open(&mut self, path: &[u8], flags: HostIoOpenFlags, _: HostIoOpenMode) -> HostIoResult<u32, Self> {
        let writes = HostIoOpenFlags::O_WRONLY
            | HostIoOpenFlags::O_RDWR
            | HostIoOpenFlags::O_CREAT
            | HostIoOpenFlags::O_TRUNC;
        if flags.intersects(writes) {
            return Err(wire(Errno::EROFS));
        }
        let free = (1..=MOST_FILES as u32).find(|fd| !self.debug.files.contains_key(fd));
        let fd = free.ok_or(wire(Errno::EMFILE))?;
        let file = self.kernel.open_traced(self.debugged(), path).map_err(wire)?;
        self.debug.files.insert(fd, file);
        Ok(fd)
    }
}

impl HostIoClose for Machine {
    fn close(&mut self, fd: u32) -> HostIoResult<(), Self> {
        let file = self.debug.files.remove(&fd);
        file.map(drop).ok_or(wire(Errno::EBADF))
    }
}

impl HostIoPread for Machine {
    fn pread(&mut self, fd: u32, count: usize, offset: u64, to: &mut [u8]) -> HostIoResult<usize, Self> {
        let Machine { kernel, debug, .. } = self;
        let file = debug.files.get(&fd).ok_or(wire(Errno::EBADF))?;
        // Each byte may be sent as two.
        let length = count.min(to.len() / 2);
        kernel.read_traced(file, offset, &mut to[..length]).map_err(wire)
    }
}

impl HostIoFstat for Machine {
    fn fstat(&mut self, fd: u32) -> HostIoResult<HostIoStat, Self> {
        let file = self.debug.files.get(&fd).ok_or(wire(Errno::EBADF))?;
        let stat = self.kernel.stat_traced(file).map_err(wire)?;
        // The protocol has 32 bits for most.
        let low = |value: u64| value as u32;
        Ok(HostIoStat {
            st_dev: low(stat.device),
            st_ino: low(stat.inode),
            st_mode: HostIoOpenMode::from_bits_truncate(stat.mode),
            st_nlink: stat.links,
            st_uid: stat.uid,
            st_gid: stat.gid,
            st_rdev: 0,
            st_size: stat.size,
            st_blksize: stat.block_size.into(),
            st_blocks: stat.blocks,
            st_atime: low(stat.modified_s.cast_unsigned()),
            st_mtime: low(stat.modified_s.cast_unsigned()),
            st_ctime: low(stat.modified_s.cast_unsigned()),
        })
    }
}

impl HostIoReadlink for Machine {
    fn readlink(&mut self, path: &[u8], to: &mut [u8]) -> HostIoResult<usize, Self> {
        let link = self
            .kernel
            .read_link_traced(self.debugged(), path)
            .map_err(wire)?;
        let part = to.get_mut(..link.len()).ok_or(wire(Errno::ENAMETOOLONG))?;
        part.copy_from_slice(&link);
        Ok(link.len())
    }
}

impl HostIoSetfs for Machine {
    /// All processes of a machine see the same files.
    fn setfs(&mut self, _: FsKind) -> HostIoResult<(), Self> {
        Ok(())
    }
}
