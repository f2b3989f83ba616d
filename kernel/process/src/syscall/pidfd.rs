//! Descriptors of processes and threads: `pidfd_open(2)`, `pidfd_send_signal(2)`, `pidfd_getfd(2)`; `CLONE_PIDFD` is in `clone`.

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

/// `PIDFD_THREAD` (Linux 6.9).
const THREAD: OpenFlags = OpenFlags::EXCL;

impl Call<'_> {
    /// Opens a descriptor of a process, or of a thread (`PIDFD_THREAD`); it is closed on exec.
    pub(super) fn add_pidfd(&mut self, process: Pid, status: OpenFlags) -> Answer {
        let named = Named::of(self.kernel.task(process), status.contains(THREAD));
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
        let (named, file) = self.named_by(fd)?;
        let pid = named.find(self.kernel).ok_or(Errno::ESRCH)?;
        Ok((self.kernel.task(pid).tgid, file))
    }

    fn named_by(&self, fd: i32) -> Result<(Named, Rc<File>), Errno> {
        let file = self.file(fd)?;
        match &file.kind {
            Kind::Special(Special::Process(named)) => Ok((*named, Rc::clone(&file))),
            _ => Err(Errno::EBADF),
        }
    }
}

fn pidfd_open(call: &mut Call<'_>) -> Answer {
    let flags = OpenFlags::from_bits_retain(call.args[1] as u32);
    if !(OpenFlags::NONBLOCK | THREAD).contains(flags) || call.int(0) <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let pid = call.named(call.int(0))?;
    if !call.kernel.task(pid).is_first() && !flags.contains(THREAD) {
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

/// Whom `pidfd_send_signal(2)` means (Linux 6.9).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    Thread,
    Process,
    Group,
}

/// Whom the flags of `pidfd_send_signal(2)` and the descriptor choose, by number.
fn addressee(call: &Call<'_>) -> Result<(Whom, Pid), Errno> {
    let asked = match call.args[3] as u32 {
        0 => None,
        1 => Some(Whom::Thread),
        2 => Some(Whom::Process),
        4 => Some(Whom::Group),
        _ => return Err(Errno::EINVAL),
    };
    let (usual, pid) = match call.named_by(call.int(0)) {
        Ok((named, _)) => {
            let pid = named.find(call.kernel).ok_or(Errno::ESRCH)?;
            (if named.thread { Whom::Thread } else { Whom::Process }, pid)
        }
        Err(_) => (Whom::Process, folder_of_process(call)?),
    };
    Ok((asked.unwrap_or(usual), pid))
}

/// Where the signal says that it comes from: what the caller wrote at `info_at`, or what `kill(2)` and `tkill(2)` would say.
fn origin(call: &mut Call<'_>, whom: Whom, target: Pid, number: u64) -> Result<(i32, SigDetail), Errno> {
    let info_at = call.args[2];
    if info_at == 0 {
        let me = call.task();
        let (pid, uid) = (me.tgid.get(), me.creds.uid);
        let code = match whom {
            Whom::Thread => code::SI_TKILL,
            Whom::Process | Whom::Group => code::SI_USER,
        };
        return Ok((code, SigDetail::User { pid, uid }));
    }
    let bytes: [u8; SigInfo::SIZE] = call.read(info_at)?;
    let said = get_u32(&bytes, 8) as i32;
    if u64::from(get_u32(&bytes, 0)) != number {
        return Err(Errno::EINVAL);
    }
    // Nobody may look like the kernel, or like `tkill`, to others.
    if (said >= 0 || said == code::SI_TKILL) && target != call.task().tgid {
        return Err(Errno::EPERM);
    }
    Ok((said, SigInfo::queued_detail(&bytes)))
}

/// Those of the addressees whom the caller may send the signal to; it is an error if there are none.
fn receivers(call: &Call<'_>, whom: Whom, target: Pid, signal: Option<Signal>) -> Result<Vec<Pid>, Errno> {
    let all: Vec<Pid> = match whom {
        Whom::Thread | Whom::Process => vec![target],
        Whom::Group => {
            let tasks = call.kernel.tasks();
            let members = tasks.filter(|task| task.is_first() && task.group == target);
            members.map(|task| task.pid).collect()
        }
    };
    if all.is_empty() {
        return Err(Errno::ESRCH);
    }
    let allowed: Vec<Pid> = all
        .into_iter()
        .filter(|pid| call.may_signal(*pid, signal))
        .collect();
    match allowed.is_empty() {
        true => Err(Errno::EPERM),
        false => Ok(allowed),
    }
}

fn pidfd_send_signal(call: &mut Call<'_>) -> Answer {
    let (whom, target) = addressee(call)?;
    let number = u64::from(call.args[1] as u32);
    if number > Signal::MAX {
        return Err(Errno::EINVAL.into());
    }
    let signal = Signal::new(number);
    let (code, detail) = origin(call, whom, target, number)?;
    for pid in receivers(call, whom, target, signal)? {
        match signal.map(|signal| SigInfo { signal, code, detail }) {
            Some(info) if whom == Whom::Thread => call.kernel.send_to_thread(pid, info),
            Some(info) => call.kernel.send(pid, info),
            None => {}
        }
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
