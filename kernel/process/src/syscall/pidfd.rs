//! Descriptors of processes: `pidfd_open(2)`, `pidfd_send_signal(2)`, `pidfd_getfd(2)`; `CLONE_PIDFD` is in `clone`.

use std::rc::Rc;

use abi::Errno;
use abi::bytes::get_u32;
use abi::flags::OpenFlags;
use abi::nr;
use abi::signal::{SigDetail, SigInfo, Signal, code};

use super::{Answer, Call, Handler};
use crate::file::pidfd::Named;
use crate::file::special::Special;
use crate::file::{File, Kind};
use crate::task::Pid;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::PIDFD_OPEN, pidfd_open),
    (nr::PIDFD_SEND_SIGNAL, pidfd_send_signal),
    (nr::PIDFD_GETFD, pidfd_getfd),
];

impl Call<'_> {
    /// Opens a descriptor of a process; it is closed on exec.
    pub(super) fn add_pidfd(&mut self, process: Pid, status: OpenFlags) -> Answer {
        let named = Named::of(self.kernel.task(process));
        let kind = Kind::Special(Special::Process(named));
        let path = b"anon_inode:[pidfd]".to_vec();
        let file = File::new(kind, OpenFlags::RDWR | status, path);
        self.add_file(file, true, 0)
    }

    /// The process behind a descriptor, and its file.
    ///
    /// # Errors
    /// `EBADF` if it is none of a process, `ESRCH` if the process has been waited for.
    pub(super) fn process_of(&self, fd: i32) -> Result<(Pid, Rc<File>), Errno> {
        let file = self.file(fd)?;
        let Kind::Special(Special::Process(named)) = &file.kind else {
            return Err(Errno::EBADF);
        };
        let pid = named.find(self.kernel).ok_or(Errno::ESRCH)?;
        Ok((pid, file))
    }
}

fn pidfd_open(call: &mut Call<'_>) -> Answer {
    let flags = OpenFlags::from_bits_retain(call.args[1] as u32);
    // PIDFD_THREAD of Linux 6.9 (O_EXCL) is not offered.
    if !OpenFlags::NONBLOCK.contains(flags) || call.int(0) <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let pid = call.named(call.int(0))?;
    if !call.kernel.task(pid).is_first() {
        return Err(Errno::EINVAL.into());
    }
    call.add_pidfd(pid, flags)
}

/// The older form of a process's descriptor: its folder in `/proc`, open (`tgid_pidfd_to_pid`).
fn folder_of_process(call: &Call<'_>) -> Result<Pid, Errno> {
    let file = call.file(call.int(0))?;
    let number = match &file.kind {
        Kind::Listing(_) => file.path.strip_prefix(b"/proc/"),
        _ => None,
    };
    let number = number.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    let pid = call.named(number.filter(|number| *number > 0).ok_or(Errno::EBADF)?)?;
    Ok(call.kernel.task(pid).tgid)
}

fn pidfd_send_signal(call: &mut Call<'_>) -> Answer {
    let [_, number, info_at, flags, ..] = call.args;
    if flags as u32 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let target = match call.process_of(call.int(0)) {
        Err(Errno::EBADF) => folder_of_process(call)?,
        found => found?.0,
    };
    let number = u64::from(number as u32);
    if number > Signal::MAX {
        return Err(Errno::EINVAL.into());
    }
    let signal = Signal::new(number);
    let (code, detail) = match info_at {
        0 => {
            let me = call.task();
            let (pid, uid) = (me.tgid.get(), me.creds.uid);
            (code::SI_USER, SigDetail::User { pid, uid })
        }
        at => {
            let bytes: [u8; SigInfo::SIZE] = call.read(at)?;
            let said = get_u32(&bytes, 8) as i32;
            if u64::from(get_u32(&bytes, 0)) != number {
                return Err(Errno::EINVAL.into());
            }
            // Nobody may look like the kernel, or like `tkill`, to others.
            if (said >= 0 || said == code::SI_TKILL) && target != call.task().tgid {
                return Err(Errno::EPERM.into());
            }
            (said, SigInfo::queued_detail(&bytes))
        }
    };
    if !call.may_signal(target, signal) {
        return Err(Errno::EPERM.into());
    }
    if let Some(signal) = signal {
        call.kernel.send(target, SigInfo { signal, code, detail });
    }
    Ok(0)
}

/// A copy of another process's descriptor: only of a user's own processes (`PTRACE_MODE_ATTACH_REALCREDS`).
fn pidfd_getfd(call: &mut Call<'_>) -> Answer {
    if call.args[2] as u32 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (target, _) = call.process_of(call.int(0))?;
    if call.kernel.is_dead(target) {
        return Err(Errno::ESRCH.into());
    }
    let (mine, theirs) = (&call.task().creds, &call.kernel.task(target).creds);
    if !mine.is_over(theirs) {
        return Err(Errno::EPERM.into());
    }
    let file = call
        .kernel
        .task(target)
        .files
        .borrow()
        .get(call.int(1))
        .map(Rc::clone)?;
    call.add_file(file, true, 0)
}
