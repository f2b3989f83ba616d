//! Other processes' memory and mappings by other means: `process_vm_readv(2)`, `process_vm_writev(2)`,
//! `process_madvise(2)`, `remap_file_pages(2)`, and protection keys, of which there are none.

use abi::Errno;
use abi::nr;
use arch::{Bytes, VirtAddr};
use mm::{Content, MapRequest, Placement, Sharing, VmaFlags};

use super::mman::{advice_of, advise_range, map_errno};
use super::{Answer, Call, Handler};
use crate::task::Pid;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::PROCESS_VM_READV, process_vm_readv),
    (nr::PROCESS_VM_WRITEV, process_vm_writev),
    (nr::PROCESS_MADVISE, process_madvise),
    (nr::REMAP_FILE_PAGES, remap_file_pages),
    (nr::PKEY_ALLOC, pkey_alloc),
    (nr::PKEY_FREE, pkey_free),
    (nr::PKEY_MPROTECT, pkey_mprotect),
];

/// Bytes that are copied between two processes at once.
const CHUNK: u64 = 128 << 10;

impl Call<'_> {
    /// Whether the caller may reach into another process's memory (`ptrace_may_access`).
    pub(super) fn check_access(&self, other: Pid) -> Result<(), Errno> {
        let (me, other) = (self.task(), self.kernel.task(other));
        let (mine, theirs) = (&me.creds, &other.creds);
        if me.tgid == other.tgid || mine.is_root() {
            return Ok(());
        }
        let same = [theirs.euid, theirs.suid, theirs.uid] == [mine.uid; 3]
            && [theirs.egid, theirs.sgid, theirs.gid] == [mine.gid; 3];
        let dumpable = other.space.as_ref().is_some_and(|space| space.dumpable.get());
        if same && dumpable {
            Ok(())
        } else {
            Err(Errno::EPERM)
        }
    }
}

/// Parts of memory, one after the other.
struct Parts {
    parts: Vec<(u64, u64)>,
    index: usize,
    inside: u64,
}

impl Parts {
    fn new(parts: Vec<(u64, u64)>) -> Self {
        Self {
            parts,
            index: 0,
            inside: 0,
        }
    }

    /// The next bytes in one piece; `None` at the end.
    fn next(&mut self) -> Option<(u64, u64)> {
        while let Some(&(base, length)) = self.parts.get(self.index) {
            if self.inside < length {
                return Some((base.wrapping_add(self.inside), length - self.inside));
            }
            (self.index, self.inside) = (self.index + 1, 0);
        }
        None
    }
}

fn process_vm_readv(call: &mut Call<'_>) -> Answer {
    transfer(call, false)
}

fn process_vm_writev(call: &mut Call<'_>) -> Answer {
    transfer(call, true)
}

fn transfer(call: &mut Call<'_>, write: bool) -> Answer {
    let [_, local, local_count, remote, remote_count, flags] = call.args;
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let local = call.vectors(local, local_count)?;
    if local.iter().all(|(_, length)| *length == 0) {
        return Ok(0);
    }
    let remote = call.vectors(remote, remote_count)?;
    if remote.iter().all(|(_, length)| *length == 0) {
        return Ok(0);
    }
    let number = u32::try_from(call.int(0)).map_err(|_| Errno::ESRCH)?;
    let found = call.kernel.find(Pid::new(number));
    let other = found.map(|task| task.pid).ok_or(Errno::ESRCH)?;
    call.check_access(other)?;
    if call.kernel.task(other).space.is_none() {
        return Err(Errno::ESRCH.into());
    }
    let (mut here, mut there) = (Parts::new(local), Parts::new(remote));
    let mut buffer = vec![0; CHUNK as usize];
    let mut done = 0;
    while let (Some((to, room)), Some((from, bytes))) = (here.next(), there.next()) {
        let step = room.min(bytes).min(CHUNK);
        let part = &mut buffer[..step as usize];
        let (source, target) = match write {
            false => ((other, from), (call.pid, to)),
            true => ((call.pid, to), (other, from)),
        };
        let read = call
            .kernel
            .read_user_partly(source.0, source.1, part)
            .unwrap_or(0);
        let written = call.kernel.write_user_partly(target.0, target.1, &part[..read]);
        let moved = if read == 0 { 0 } else { written.unwrap_or(0) as u64 };
        done += moved;
        if moved < step {
            break;
        }
        here.inside += step;
        there.inside += step;
    }
    if done == 0 {
        Err(Errno::EFAULT.into())
    } else {
        Ok(done)
    }
}

/// Advice for a process by its descriptor. To others only such advice can be given as changes nothing that they see.
fn process_madvise(call: &mut Call<'_>) -> Answer {
    use abi::flags::advice::{COLD, COLLAPSE, PAGEOUT, WILLNEED};
    let [_, parts, count, number, flags, _] = call.args;
    if flags as u32 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let parts = call.vectors(parts, count)?;
    let (process, _) = call.process_of(call.int(0))?;
    call.check_access(process)?;
    let number = u64::from(number as u32);
    if process != call.task().tgid {
        if ![COLD, COLLAPSE, PAGEOUT, WILLNEED].contains(&number) {
            return Err(Errno::EINVAL.into());
        }
        // CAP_SYS_NICE.
        if !call.task().creds.is_root() {
            return Err(Errno::EPERM.into());
        }
    }
    let advice = advice_of(number)?;
    let space = call.kernel.task(process).space.as_ref().map(|space| space.id);
    let space = space.ok_or(Errno::ESRCH)?;
    let mut done = 0;
    for (base, length) in parts {
        match advise_range(call, space, base, length, advice) {
            Ok(()) => done += length,
            Err(error) if done == 0 => return Err(error.into()),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// Other pages of the same file at a part of a shared mapping: since Linux 4.0 a mapping made anew.
fn remap_file_pages(call: &mut Call<'_>) -> Answer {
    let [start, size, prot, first, _, _] = call.args;
    let granule = call.granule();
    let mask = granule.bytes() - 1;
    let (start, size) = (VirtAddr::new(start).untagged().get() & !mask, size & !mask);
    let end = start.checked_add(size).filter(|end| *end > start);
    let end = end.ok_or(Errno::EINVAL)?;
    let last = first.checked_add(size >> granule.shift());
    if prot != 0 || last.is_none() {
        return Err(Errno::EINVAL.into());
    }
    let (space, at) = (call.space(), VirtAddr::new(start));
    let vma = call.kernel.memory.find_vma(space, at.page(granule)).copied();
    let vma = vma
        .filter(|vma| vma.sharing == Sharing::Shared)
        .ok_or(Errno::EINVAL)?;
    let Content::File { file, .. } = vma.content else {
        return Err(Errno::EINVAL.into());
    };
    if vma.range.end().start(granule).get() < end {
        return Err(Errno::EINVAL.into());
    }
    let offset = last.filter(|last| *last <= u64::MAX >> granule.shift());
    let offset = offset.map(|_| first << granule.shift()).ok_or(Errno::EOVERFLOW)?;
    let request = MapRequest {
        placement: Placement::Fixed(at),
        max_prot: vma.max_prot,
        sharing: Sharing::Shared,
        content: Content::File { file, offset },
        locked: vma.flags.contains(VmaFlags::LOCKED),
        populate: true,
        ..MapRequest::anonymous(Bytes::new(size), vma.prot)
    };
    call.kernel.memory.map(space, &request).map_err(map_errno)?;
    Ok(0)
}

/// The processor has no protection keys (FEAT_S1POE): none can be had.
fn pkey_alloc(call: &mut Call<'_>) -> Answer {
    /// `PKEY_ACCESS_MASK` without the bits of FEAT_S1POE.
    const RIGHTS: u64 = 3;
    if call.args[0] != 0 || call.args[1] & !RIGHTS != 0 {
        return Err(Errno::EINVAL.into());
    }
    Err(Errno::ENOSPC.into())
}

fn pkey_free(_: &mut Call<'_>) -> Answer {
    Err(Errno::EINVAL.into())
}

/// `mprotect(2)` with the key -1; no other was ever given out.
fn pkey_mprotect(call: &mut Call<'_>) -> Answer {
    match call.int(3) {
        -1 => super::mman::mprotect(call),
        _ => Err(Errno::EINVAL.into()),
    }
}
