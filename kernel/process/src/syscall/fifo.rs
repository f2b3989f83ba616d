//! `mknodat(2)`, and the wait of `open(2)` for a FIFO's other side.

use std::rc::Rc;

use abi::Errno;
use abi::fs::{S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK};
use abi::nr;
use rustix::fs::{CWD, FileType, OFlags};

use super::path::permissions;
use super::{Answer, Call, Handler, Stop};
use crate::file::File;
use crate::file::fifo::Opening;
use crate::file::host::{convert_stat, errno};
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[(nr::MKNODAT, mknodat)];

/// Devices are never made: one would lead out of a root folder, and past the machine.
fn mknodat(call: &mut Call<'_>) -> Answer {
    let kind = call.args[2] as u32 & S_IFMT;
    let path = call.new_path(call.int(0), call.args[1])?;
    let mode = permissions(call, call.args[2]);
    match kind {
        0 | S_IFREG => {
            let how = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            rustix::fs::openat(CWD, &*path.itself, how, mode).map_err(errno)?;
        }
        S_IFIFO => {
            rustix::fs::mknodat(CWD, &*path.itself, FileType::Fifo, mode, 0).map_err(errno)?;
            let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
            let made = rustix::fs::statat(CWD, &*path.itself, flags).map_err(errno)?;
            call.kernel.note_fifo(&convert_stat(&made));
        }
        S_IFSOCK => rustix::fs::mknodat(CWD, &*path.itself, FileType::Socket, mode, 0).map_err(errno)?,
        abi::fs::S_IFCHR | abi::fs::S_IFBLK => return Err(Errno::EPERM.into()),
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}

impl Call<'_> {
    /// The file that this call is opening since it was made before, if it is.
    pub(super) fn opening(&self) -> Option<Result<Rc<File>, Stop>> {
        let opening = self.task().wait.as_ref()?.opening.clone()?;
        Some(match opening.is_met() {
            true => Ok(opening.file),
            false => Err(wait_with(opening)),
        })
    }

    /// An opened file, or the wait until a FIFO's other side is opened.
    pub(super) fn meet_partner(&self, file: Rc<File>) -> Result<Rc<File>, Stop> {
        match Opening::of(&file) {
            Some(opening) => Err(wait_with(opening)),
            None => Ok(file),
        }
    }
}

fn wait_with(opening: Opening) -> Stop {
    Stop::Wait(Wait {
        opening: Some(opening),
        ..Wait::for_bell()
    })
}
