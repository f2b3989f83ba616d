//! inotify(7): the host's own. Guests' changes reach the host's file system when they are made, so its events are theirs;
//! a watched path goes through the one look-up, so nothing outside of a root folder is watched.

use std::rc::Rc;

use abi::Errno;
use abi::flags::OpenFlags;
use abi::nr;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::{Answer, Call, Handler};
use crate::file::host::errno;
use crate::file::resolve::Place;
use crate::file::{File, Kind};

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::INOTIFY_INIT1, inotify_init1),
    (nr::INOTIFY_ADD_WATCH, inotify_add_watch),
    (nr::INOTIFY_RM_WATCH, inotify_rm_watch),
];

/// What an inotify description is called; no path has this name.
const NAME: &[u8] = b"anon_inode:inotify";

fn inotify_init1(call: &mut Call<'_>) -> Answer {
    let flags = OpenFlags::from_bits_retain(call.args[0] as u32);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    let host = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(errno)?;
    let status = flags & OpenFlags::NONBLOCK;
    let file = File::new(Kind::Stream(Rc::new(host)), status, NAME.to_vec());
    call.add_file(file, flags.contains(OpenFlags::CLOEXEC), 0)
}

impl Call<'_> {
    /// The host's inotify of a descriptor.
    fn watcher(&self, fd: i32) -> Result<Rc<std::os::fd::OwnedFd>, Errno> {
        let file = self.file(fd)?;
        match &file.kind {
            Kind::Stream(host) if file.path == NAME => Ok(Rc::clone(host)),
            _ => Err(Errno::EINVAL),
        }
    }
}

fn inotify_add_watch(call: &mut Call<'_>) -> Answer {
    use abi::fs::AT_FDCWD;
    let flags = WatchFlags::from_bits(call.args[2] as u32).ok_or(Errno::EINVAL)?;
    let host = call.watcher(call.int(0))?;
    let path = call.path(call.args[1])?;
    let Place::Host(path) = call.kernel.resolve(call.pid, AT_FDCWD, &path)? else {
        // What the kernel itself makes up does not change by anybody's hand.
        return Err(Errno::ENOSPC.into());
    };
    let name = path.name(!flags.contains(WatchFlags::DONT_FOLLOW))?;
    let number = inotify::add_watch(&*host, name, flags).map_err(errno)?;
    Ok(number as u64)
}

fn inotify_rm_watch(call: &mut Call<'_>) -> Answer {
    let host = call.watcher(call.int(0))?;
    inotify::remove_watch(&*host, call.int(1)).map_err(errno)?;
    Ok(0)
}
