//! The texts of the process that a core can answer for: `stat`, `status`, `cmdline`, `comm`.
//!
//! `stat` has no way to leave a field out: fields that a core does not hold are 0, as Linux prints them to who may not know; parent and threads,
//! of which 0 would say something, are -1. The lines of `status` that are not known are absent.

use super::notes::Notes;
use super::prstatus::CoreThread;
use procfs::{Addr, Kib, PidStat, Set, Status, Text};

/// PF_KTHREAD: no kernel thread dumps core, so a damaged flag must not say so.
const PF_KTHREAD: u32 = 0x0020_0000;

/// Sum of the mappings, if the core has all of them.
#[derive(Debug)]
pub(super) struct Sizes {
    pub(super) virtual_bytes: u64,
    /// gdb leaves mappings out, so that the sum is too small.
    pub(super) is_complete: bool,
}

/// `PID/stat`, or with a thread `PID/task/TID/stat`. Where the instruction and stack pointers are, they are the thread's: Linux
/// shows them of a process that dumps core.
pub(super) fn stat(pid: i32, notes: &Notes, thread: Option<&CoreThread>, sizes: &Sizes) -> Vec<u8> {
    let process = notes.process.as_ref();
    let tid = thread.map_or(pid, |t| t.tid);
    // Only the first thread's name and state are in the notes. It cannot be a zombie as a process: its memory was there.
    let own = process.filter(|_| tid == pid);
    let state = own.map_or(b'R', |p| p.state);
    PidStat {
        pid: tid,
        comm: own.map(|p| p.name.clone()).unwrap_or_default(),
        state: if b"RSDTtI".contains(&state) { state } else { b'R' },
        ppid: process.map_or(-1, |p| p.ppid),
        pgrp: process.map_or(0, |p| p.pgrp),
        session: process.map_or(0, |p| p.session),
        flags: own.map_or(0, |p| p.flags & !PF_KTHREAD),
        utime: thread.map_or(0, |t| t.ticks.0),
        stime: thread.map_or(0, |t| t.ticks.1),
        num_threads: match notes.threads.len() {
            0 => -1,
            count => i64::try_from(count).unwrap_or(i64::MAX),
        },
        vsize: sizes.virtual_bytes,
        kstk_esp: thread.map_or(Addr(0), |t| t.sp),
        kstk_eip: thread.map_or(Addr(0), |t| t.pc),
        signal: thread.map_or(0, |t| t.pending & 0x7fff_ffff),
        blocked: thread.map_or(0, |t| t.blocked & 0x7fff_ffff),
        ..PidStat::default()
    }
    .print()
}

/// `PID/status`.
pub(super) fn status(pid: i32, notes: &Notes, sizes: &Sizes) -> Vec<u8> {
    let process = notes.process.as_ref();
    let main = notes.threads.iter().find(|t| t.tid == pid);
    let id = |id: i32| u64::try_from(id).ok();
    Status {
        name: process.map(|p| Status::escape_name(&p.name)),
        tgid: id(pid),
        pid: id(pid),
        ppid: process.and_then(|p| id(p.ppid)),
        vm_size: sizes.is_complete.then(|| Kib::from_bytes(sizes.virtual_bytes)),
        threads: Some(notes.threads.len() as u64).filter(|&n| n > 0),
        sig_pnd: main.map(|t| Set(t.pending)),
        sig_blk: main.map(|t| Set(t.blocked)),
        ..Status::default()
    }
    .print()
}

/// `PID/cmdline`: the notes keep 79 bytes with blanks for the NULs, so it is one argument here.
pub(super) fn cmdline(notes: &Notes) -> Option<Vec<u8>> {
    let arguments = notes.process.as_ref()?.arguments.trim_ascii_end();
    Some([arguments, b"\0"].concat())
}

/// `PID/comm`.
pub(super) fn comm(notes: &Notes) -> Option<Vec<u8>> {
    Some([notes.process.as_ref()?.name.as_slice(), b"\n"].concat())
}
