//! `--read-only`: guests change nothing of the host's files, as on a file system that is mounted so (`MS_RDONLY`, mount(2)).
//!
//! Key type: [`Change`], what a call wants to do to a name. Which error comes first is Linux's (`mnt_want_write` in
//! fs/namei.c). What is no file of the host stays writable: pipes, memory files, devices, and what the machine was started with.
//! Neighbours: [`super::open`], `syscall/path`.

use abi::Errno;
use abi::flags::{O_ACCMODE, OpenFlags};
use abi::fs::{S_IFDIR, S_IFMT, S_IFREG};
use rustix::fs::{AtFlags, CWD};

use super::host::{convert_stat, errno};
use super::resolve::HostPath;
use super::{File, Kind};
use crate::kernel::Kernel;

/// What a call wants to do to a name of the host's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// Make it: one that exists is `EEXIST` first.
    Make,
    /// Change what it names: one that names nothing is `ENOENT` first.
    Alter,
    /// Remove or rename it.
    Move,
}

impl Kernel {
    /// Whether a call may change what the host is asked for by this name.
    ///
    /// # Errors
    /// `EROFS` on a machine that only reads, and what Linux finds before that.
    pub(crate) fn may_change(&self, name: &[u8], change: Change) -> Result<(), Errno> {
        if !self.config.read_only {
            return Ok(());
        }
        match (change, rustix::fs::statat(CWD, name, AtFlags::SYMLINK_NOFOLLOW)) {
            (Change::Make, Ok(_)) => Err(Errno::EEXIST),
            (Change::Alter, Err(error)) => Err(errno(error)),
            _ => Err(Errno::EROFS),
        }
    }

    /// The same for an open file.
    pub(crate) fn may_change_file(&self, file: &File) -> Result<(), Errno> {
        let given = matches!(&file.kind, Kind::Regular { inherited: true, .. });
        if self.config.read_only && file.host().is_some() && !given {
            return Err(Errno::EROFS);
        }
        Ok(())
    }

    /// Whether a file of the host may be opened so. Nothing is made or cut by an open that passes.
    pub(crate) fn may_open(&self, path: &HostPath, flags: OpenFlags) -> Result<(), Errno> {
        let makes = flags.contains(OpenFlags::CREAT);
        if !self.config.read_only || flags.contains(OpenFlags::PATH) {
            return Ok(());
        }
        let only_new = flags.contains(OpenFlags::CREAT | OpenFlags::EXCL);
        let itself = only_new || flags.contains(OpenFlags::NOFOLLOW);
        let how = match itself {
            true => AtFlags::SYMLINK_NOFOLLOW,
            false => AtFlags::empty(),
        };
        let name = path.name_to_open(!itself)?;
        let kind = match rustix::fs::statat(CWD, name, how) {
            Err(rustix::io::Errno::NOENT) if makes => return Err(Errno::EROFS),
            Err(error) => return Err(errno(error)),
            Ok(_) if only_new => return Err(Errno::EEXIST),
            Ok(stat) => convert_stat(&stat).mode & S_IFMT,
        };
        let writes = flags.bits() & O_ACCMODE != 0 || flags.contains(OpenFlags::TRUNC);
        match kind {
            S_IFREG if writes => Err(Errno::EROFS),
            S_IFDIR if flags.contains(OpenFlags::TMPFILE) => Err(Errno::EROFS),
            _ => Ok(()),
        }
    }
}
