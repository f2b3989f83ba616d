//! `mlock(2)` and its family, and `mseal(2)`: what must stay in RAM, and what must stay as it is.

use abi::Errno;
use abi::nr;
use arch::{Bytes, PageRange, VirtAddr};
use mm::{LockFuture, MapError};

use super::mman::map_errno;
use super::{Answer, Call, Handler};

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::MLOCK, mlock),
    (nr::MLOCK2, mlock2),
    (nr::MUNLOCK, munlock),
    (nr::MLOCKALL, mlockall),
    (nr::MUNLOCKALL, munlockall),
    (nr::MSEAL, mseal),
];

/// The pages that hold `length` bytes from `address`, rounded outwards as `mlock` does: a sum that wraps to 0 is nothing.
fn outer_pages(call: &Call<'_>, address: u64, length: u64) -> Result<PageRange, Errno> {
    let granule = call.granule();
    let start = VirtAddr::new(address).untagged();
    let inside = start.page_offset(granule).get();
    let whole = length.wrapping_add(inside);
    call.pages(start.align_down(granule), whole).ok_or(Errno::EINVAL)
}

/// `can_do_mlock`.
fn check_right(call: &Call<'_>) -> Result<(), Errno> {
    match call.kernel.memory.limits(call.space()).locked {
        Some(Bytes::ZERO) => Err(Errno::EPERM),
        _ => Ok(()),
    }
}

fn lock(call: &mut Call<'_>, on_fault: bool) -> Answer {
    check_right(call)?;
    let space = call.space();
    let pages = outer_pages(call, call.args[0], call.args[1])?;
    if pages.is_empty() {
        return Ok(0);
    }
    let locked = call.kernel.memory.set_locked(space, pages, true, on_fault);
    // Over the limit is ENOMEM here, EAGAIN elsewhere; so is a page that cannot be made present.
    locked.map_err(|error| match error {
        MapError::Limit(_) | MapError::BadAddress => Errno::ENOMEM,
        other => map_errno(other),
    })?;
    Ok(0)
}

fn mlock(call: &mut Call<'_>) -> Answer {
    lock(call, false)
}

fn mlock2(call: &mut Call<'_>) -> Answer {
    const MLOCK_ONFAULT: u64 = 1;
    if call.args[2] & !MLOCK_ONFAULT != 0 {
        return Err(Errno::EINVAL.into());
    }
    lock(call, call.args[2] & MLOCK_ONFAULT != 0)
}

fn munlock(call: &mut Call<'_>) -> Answer {
    let pages = outer_pages(call, call.args[0], call.args[1])?;
    if pages.is_empty() {
        return Ok(0);
    }
    let space = call.space();
    let unlocked = call.kernel.memory.set_locked(space, pages, false, false);
    unlocked.map_err(map_errno)?;
    Ok(0)
}

fn mlockall(call: &mut Call<'_>) -> Answer {
    const CURRENT: u64 = 1;
    const FUTURE: u64 = 2;
    const ON_FAULT: u64 = 4;
    let flags = call.args[0];
    if flags == 0 || flags & !(CURRENT | FUTURE | ON_FAULT) != 0 || flags == ON_FAULT {
        return Err(Errno::EINVAL.into());
    }
    check_right(call)?;
    let (space, on_fault) = (call.space(), flags & ON_FAULT != 0);
    let limit = call.kernel.memory.limits(space).locked;
    // All of the space counts, locked or not.
    let size = call.kernel.memory.usage(space).total_vm;
    if flags & CURRENT != 0 && limit.is_some_and(|limit| size.get() > limit.get()) {
        return Err(Errno::ENOMEM.into());
    }
    let future = match (flags & FUTURE != 0, on_fault) {
        (false, _) => LockFuture::No,
        (true, false) => LockFuture::Present,
        (true, true) => LockFuture::OnFault,
    };
    call.kernel.memory.set_lock_future(space, future);
    if flags & CURRENT != 0 {
        set_all_locked(call, true, on_fault)?;
    }
    Ok(0)
}

fn munlockall(call: &mut Call<'_>) -> Answer {
    let space = call.space();
    call.kernel.memory.set_lock_future(space, LockFuture::No);
    set_all_locked(call, false, false)?;
    Ok(0)
}

fn set_all_locked(call: &mut Call<'_>, locked: bool, on_fault: bool) -> Result<(), Errno> {
    let space = call.space();
    let mappings = call.kernel.memory.vmas(space).filter(|vma| vma.special.is_none());
    let ranges: Vec<PageRange> = mappings.map(|vma| vma.range).collect();
    for range in ranges {
        let done = call.kernel.memory.set_locked(space, range, locked, on_fault);
        // mlockall does not tell of pages that cannot be made present.
        match done {
            Ok(()) | Err(MapError::BadAddress) => {}
            Err(MapError::Limit(_)) => return Err(Errno::ENOMEM),
            Err(other) => return Err(map_errno(other)),
        }
    }
    Ok(())
}

/// From now on the mappings can neither go nor move nor get other rights.
fn mseal(call: &mut Call<'_>) -> Answer {
    let [address, length, flags, ..] = call.args;
    let start = VirtAddr::new(address).untagged();
    if flags != 0 || !call.is_aligned(start.get()) {
        return Err(Errno::EINVAL.into());
    }
    let pages = call.pages(start, length).ok_or(Errno::EINVAL)?;
    if pages.is_empty() {
        // A length that rounds to 0 has wrapped.
        return if length == 0 {
            Ok(0)
        } else {
            Err(Errno::EINVAL.into())
        };
    }
    let space = call.space();
    call.kernel.memory.seal(space, pages).map_err(map_errno)?;
    Ok(0)
}
