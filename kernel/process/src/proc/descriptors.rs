//! `/proc/PID/fd` and `/proc/PID/fdinfo`: what a task has open (proc_pid_fd(5), proc_pid_fdinfo(5)).

use std::rc::Rc;

use abi::flags::OpenFlags;
use procfs::{FdInfo, Text};

use super::mounts::{OWN_TREE_ID, ROOT_ID};
use crate::file::special::Special;
use crate::file::{File, Kind};
use crate::kernel::Kernel;
use crate::task::Pid;

/// The open file behind a descriptor of any task, and whether exec closes it.
pub(super) fn open_file(kernel: &Kernel, pid: i32, fd: i32) -> Option<(Rc<File>, bool)> {
    let task = kernel.find(Pid::new(pid.cast_unsigned()))?;
    let files = task.files.borrow();
    let slot = files.slot(fd).ok()?;
    Some((Rc::clone(&slot.file), slot.close_on_exec))
}

/// A task's descriptors, ascending.
pub(super) fn numbers(kernel: &Kernel, pid: i32) -> Vec<i32> {
    kernel
        .find(Pid::new(pid.cast_unsigned()))
        .map_or_else(Vec::new, |task| task.files.borrow().numbers().collect())
}

/// The permission bits of the link: what the file was opened for.
pub(crate) fn mode(file: &File) -> u32 {
    0o100 | if file.readable() { 0o400 } else { 0 } | if file.writable() { 0o200 } else { 0 }
}

/// The text of `fdinfo/FD`.
pub(super) fn info(kernel: &Kernel, pid: i32, fd: i32) -> Option<Vec<u8>> {
    let (file, close_on_exec) = open_file(kernel, pid, fd)?;
    let flags = file.flags.get();
    let on_exec = OpenFlags::CLOEXEC.bits();
    let info = FdInfo {
        position: i64::try_from(file.position()).unwrap_or(i64::MAX),
        flags: if close_on_exec {
            flags | on_exec
        } else {
            flags & !on_exec
        },
        mount: if file.host().is_some() {
            ROOT_ID
        } else {
            OWN_TREE_ID
        },
        inode: kernel.stat_file(&file).ok().map(|stat| stat.inode),
        more: more(&file),
    };
    Some(info.print())
}

fn more(file: &File) -> Vec<u8> {
    match &file.kind {
        Kind::Special(Special::Signals(set)) => format!("sigmask:\t{:016x}\n", set.get().0).into_bytes(),
        _ => Vec::new(),
    }
}
