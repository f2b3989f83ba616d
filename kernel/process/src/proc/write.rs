//! Writing to files of `/proc`: the few that can be written (`fs/proc/base.c`, `fs/drop_caches.c`).
//!
//! Only the machine's programs come here; the control socket reads.

use abi::Errno;
use arch::VirtAddr;
use mm::ClearedPages;

use super::tree::Node;
use crate::kernel::Kernel;
use crate::task::Pid;

/// `TASK_COMM_LEN` without its zero.
const COMM: usize = 15;

/// Writes to a file; `position` matters to `mem` only.
pub(super) fn write(
    kernel: &mut Kernel,
    caller: Pid,
    node: &Node,
    position: u64,
    from: &[u8],
) -> Result<usize, Errno> {
    match node {
        Node::File {
            pid, name: "comm", ..
        } => set_comm(kernel, caller, task(*pid), from)?,
        Node::File {
            pid,
            name: "oom_score_adj",
            ..
        } => set_oom_score_adj(kernel, caller, task(*pid), from)?,
        Node::File {
            pid,
            name: "clear_refs",
            ..
        } => clear_references(kernel, task(*pid), from)?,
        Node::File { pid, name: "mem", .. } => return write_memory(kernel, task(*pid), position, from),
        // The page cache holds only pages that somebody has mapped or open: there is nothing to drop.
        Node::Value(value) if value.path == "vm/drop_caches" => {
            number(from)
                .filter(|what| (1..=4).contains(what))
                .ok_or(Errno::EINVAL)?;
        }
        Node::Value(value) if value.path.starts_with("vm/overcommit_") => {
            set_overcommit(kernel, value.path, from)?;
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(from.len())
}

/// `overcommit_policy_handler`, `overcommit_ratio_handler`: a ratio and a number of KiB put each other out of force.
fn set_overcommit(kernel: &mut Kernel, path: &str, from: &[u8]) -> Result<(), Errno> {
    let value = number(from).and_then(|value| u64::try_from(value).ok());
    let value = value.ok_or(Errno::EINVAL)?;
    let mut rule = kernel.memory.overcommit();
    match path {
        "vm/overcommit_memory" => {
            rule.mode = u8::try_from(value)
                .ok()
                .filter(|mode| *mode <= 2)
                .ok_or(Errno::EINVAL)?;
        }
        "vm/overcommit_ratio" => (rule.ratio, rule.kbytes) = (value, 0),
        _ => (rule.kbytes, rule.ratio) = (value, if value == 0 { rule.ratio } else { 0 }),
    }
    kernel.memory.set_overcommit(rule);
    Ok(())
}

fn task(pid: i32) -> Pid {
    Pid::new(pid.cast_unsigned())
}

/// A number as `kstrtoint` takes it, blanks around it.
fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// Threads may name one another; a newline is part of the name.
fn set_comm(kernel: &mut Kernel, caller: Pid, of: Pid, from: &[u8]) -> Result<(), Errno> {
    let process = kernel.task(caller).tgid;
    let task = kernel.tasks.get_mut(&of).ok_or(Errno::ESRCH)?;
    if task.tgid != process {
        return Err(Errno::EINVAL);
    }
    let end = from.iter().position(|byte| *byte == 0).unwrap_or(from.len());
    task.comm = from[..end.min(COMM)].to_vec();
    Ok(())
}

fn set_oom_score_adj(kernel: &mut Kernel, caller: Pid, of: Pid, from: &[u8]) -> Result<(), Errno> {
    let value = number(from).and_then(|value| i16::try_from(value).ok());
    let value = value
        .filter(|value| (-1000..=1000).contains(value))
        .ok_or(Errno::EINVAL)?;
    let privileged = kernel.task(caller).creds.euid == 0;
    let task = kernel.find(of).ok_or(Errno::ESRCH)?;
    if value < task.oom_score_adj && !privileged {
        return Err(Errno::EACCES);
    }
    let process = task.tgid;
    kernel.each_thread(process, |task| task.oom_score_adj = value);
    Ok(())
}

/// `clear_refs_write`. There are no soft-dirty bits (4) on arm64.
fn clear_references(kernel: &mut Kernel, of: Pid, from: &[u8]) -> Result<(), Errno> {
    let what = number(from)
        .filter(|what| (1..=5).contains(what))
        .ok_or(Errno::EINVAL)?;
    let space = kernel.find(of).ok_or(Errno::ESRCH)?.space.as_ref();
    let Some(space) = space.map(|space| space.id) else {
        return Ok(());
    };
    match what {
        1 => kernel.memory.clear_references(space, ClearedPages::All),
        2 => kernel.memory.clear_references(space, ClearedPages::Anonymous),
        3 => kernel.memory.clear_references(space, ClearedPages::Mapped),
        5 => kernel.memory.reset_peak(space),
        _ => {}
    }
    Ok(())
}

/// As far as the program itself could write: mm has no way around a mapping's protection.
fn write_memory(kernel: &mut Kernel, of: Pid, at: u64, from: &[u8]) -> Result<usize, Errno> {
    let space = kernel
        .find(of)
        .and_then(|task| task.space.as_ref())
        .map(|space| space.id);
    // Of a process that has ended nothing is read and nothing written (`mem_rw`).
    let Some(space) = space else { return Ok(0) };
    match kernel.memory.copy_out(space, VirtAddr::new(at), from) {
        Ok(()) => Ok(from.len()),
        Err(fault) if fault.done > 0 => Ok(fault.done),
        Err(_) => Err(Errno::EIO),
    }
}
