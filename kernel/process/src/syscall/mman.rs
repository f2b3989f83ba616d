//! Memory calls: arguments are checked here in Linux's order (reference/vmcore.md section 2); mm does the rest.

use std::rc::Rc;

use abi::Errno;
use abi::flags::{
    MAP_DROPPABLE, MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_TYPE, MapFlags, ProtFlags, RemapFlags,
    SyncFlags, advice,
};
use abi::nr;
use arch::{Bytes, Granule, PageRange, VirtAddr};
use mm::{
    Advice, Content, LimitKind, MapError, MapRequest, Placement, Prot, RemapRequest, Sharing, SpaceId,
    VmaFlags,
};

use super::{Answer, Call, Handler};
use crate::file::{Device, File, Kind};

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::MMAP, mmap),
    (nr::MUNMAP, munmap),
    (nr::MPROTECT, mprotect),
    (nr::MREMAP, mremap),
    (nr::BRK, brk),
    (nr::MADVISE, madvise),
    (nr::MINCORE, mincore),
    (nr::MSYNC, msync),
];

/// `vm.mmap_min_addr`: below it only root may map.
const LOWEST: u64 = 65536;

impl Call<'_> {
    pub(super) fn space(&self) -> SpaceId {
        self.task().space().id
    }

    pub(super) fn granule(&self) -> Granule {
        self.kernel.memory.granule()
    }

    /// `length` rounded up to pages, or `None` if that is 0 or wraps.
    pub(super) fn rounded(&self, length: u64) -> Option<u64> {
        let pages = Bytes::new(length).pages_up(self.granule())?;
        Some(pages.bytes(self.granule()).get()).filter(|bytes| *bytes > 0)
    }

    /// The pages from a page-aligned address on, or `None` past the end of 64 bits.
    pub(super) fn pages(&self, start: VirtAddr, length: u64) -> Option<PageRange> {
        let count = Bytes::new(length).pages_up(self.granule())?;
        start.checked_add(count.bytes(self.granule()))?;
        PageRange::from_count(start.page(self.granule()), count)
    }

    pub(super) fn is_aligned(&self, address: u64) -> bool {
        VirtAddr::new(address).is_aligned(self.granule())
    }
}

/// The errno of a mapping error, where the call has no rule of its own.
pub(super) fn map_errno(error: MapError) -> Errno {
    match error {
        MapError::Limit(LimitKind::Locked) => Errno::EAGAIN,
        MapError::NoSpace
        | MapError::TooManyMaps
        | MapError::Unmapped
        | MapError::Limit(_)
        | MapError::Overcommit
        | MapError::OutOfRam(_) => Errno::ENOMEM,
        MapError::Exists => Errno::EEXIST,
        MapError::Invalid => Errno::EINVAL,
        MapError::Denied => Errno::EACCES,
        MapError::Sealed => Errno::EPERM,
        MapError::BadAddress => Errno::EFAULT,
        MapError::Io(_) | MapError::Swap(_) => Errno::EIO,
    }
}

fn prot_of(bits: u64) -> Prot {
    Prot::from_bits_truncate(bits as u8)
}

/// What an `mmap` shows, and what `mprotect` may later allow.
struct Shown {
    content: Content,
    max_prot: Prot,
    /// Keeps the file open until it is mapped.
    _file: Option<Rc<File>>,
}

fn mmap(call: &mut Call<'_>) -> Answer {
    let [address, length, prot, flags, _, offset] = call.args;
    let kind = flags & MAP_TYPE;
    let flags = MapFlags::from_bits_retain(flags & !MAP_TYPE);
    // Linux's order: offset, descriptor, length, place, type, file.
    if !call.is_aligned(offset) {
        return Err(Errno::EINVAL.into());
    }
    let file = match flags.contains(MapFlags::ANONYMOUS) {
        true => None,
        false => Some(Rc::clone(call.task().files.borrow().get(call.int(4))?)),
    };
    if flags.contains(MapFlags::HUGETLB) {
        // No huge pages are reserved on this machine; a normal file has none at all.
        let known = file.is_none() && is_huge_size(call.granule(), call.args[3] >> 26 & 63);
        return Err(if known { Errno::ENOMEM } else { Errno::EINVAL }.into());
    }
    check_extent(call, length, offset)?;
    let placement = placement(call, address, length, flags)?;
    let sharing = sharing(kind, flags, file.is_some())?;
    let shown = match file {
        Some(file) => show_file(&file, prot, sharing, offset)?,
        None => Shown {
            content: Content::Anonymous,
            max_prot: Prot::all(),
            _file: None,
        },
    };
    let file_mapped = matches!(shown.content, Content::File { .. });
    if flags.contains(MapFlags::GROWSDOWN) && (file_mapped || sharing == Sharing::Shared) {
        return Err(Errno::EINVAL.into());
    }
    let locked = flags.contains(MapFlags::LOCKED);
    if locked && call.kernel.memory.limits(call.space()).locked == Some(Bytes::ZERO) {
        return Err(Errno::EPERM.into());
    }
    let request = MapRequest {
        placement,
        length: Bytes::new(length),
        prot: prot_of(prot),
        max_prot: shown.max_prot,
        sharing,
        content: shown.content,
        grows_down: flags.contains(MapFlags::GROWSDOWN),
        no_reserve: flags.contains(MapFlags::NORESERVE),
        locked,
        populate: flags.contains(MapFlags::POPULATE) && !flags.contains(MapFlags::NONBLOCK),
        special: None,
    };
    let space = call.space();
    let mapped = call.kernel.memory.map(space, &request);
    Ok(mapped.map_err(map_errno)?.get())
}

/// Whether a huge page may have this size (its logarithm, as `MAP_HUGE_SHIFT` says it; 0 is the usual one): a block of each
/// upper level of the tables, and runs of neighbours in the last two (`contpte_ptes`, `contpmd`).
fn is_huge_size(granule: Granule, size: u64) -> bool {
    match granule {
        Granule::K4 => [0, 16, 21, 25, 30].contains(&size),
        Granule::K16 => [0, 21, 25, 30].contains(&size),
        Granule::K64 => [0, 21, 29, 34].contains(&size),
    }
}

/// `do_mmap`: length 0, a length that rounds to 0, an offset that wraps; then `get_unmapped_area`'s size.
fn check_extent(call: &Call<'_>, length: u64, offset: u64) -> Result<(), Errno> {
    if length == 0 {
        return Err(Errno::EINVAL);
    }
    let rounded = call.rounded(length).ok_or(Errno::ENOMEM)?;
    let end = offset.checked_add(rounded);
    if end.is_none_or(|end| end > i64::MAX as u64) {
        // A length that no address space holds is told first when the offset is harmless.
        return Err(if offset == 0 {
            Errno::ENOMEM
        } else {
            Errno::EOVERFLOW
        });
    }
    if rounded > call.granule().user_end() {
        return Err(Errno::ENOMEM);
    }
    Ok(())
}

fn placement(call: &Call<'_>, address: u64, length: u64, flags: MapFlags) -> Result<Placement, Errno> {
    let exact = flags.contains(MapFlags::FIXED);
    let no_replace = flags.contains(MapFlags::FIXED_NOREPLACE);
    if !exact && !no_replace {
        return Ok(match address {
            0 => Placement::Anywhere,
            hint => Placement::Hint(VirtAddr::new(hint)),
        });
    }
    // get_unmapped_area: above user space, then alignment, then the security hook.
    let end = address.checked_add(length);
    if end.is_none_or(|end| end > call.granule().user_end()) {
        return Err(Errno::ENOMEM);
    }
    if !call.is_aligned(address) {
        return Err(Errno::EINVAL);
    }
    if address < LOWEST && call.task().creds.euid != 0 {
        return Err(Errno::EPERM);
    }
    let at = VirtAddr::new(address);
    Ok(if no_replace {
        Placement::FixedNoReplace(at)
    } else {
        Placement::Fixed(at)
    })
}

fn sharing(kind: u64, flags: MapFlags, file: bool) -> Result<Sharing, Errno> {
    match kind {
        MAP_SHARED => Ok(Sharing::Shared),
        MAP_SHARED_VALIDATE if file && flags.contains(MapFlags::SYNC) => Err(Errno::EOPNOTSUPP),
        MAP_SHARED_VALIDATE if file => Ok(Sharing::Shared),
        MAP_PRIVATE => Ok(Sharing::Private),
        MAP_DROPPABLE if !file && !flags.intersects(MapFlags::LOCKED.union(MapFlags::GROWSDOWN)) => {
            Ok(Sharing::Private)
        }
        _ => Err(Errno::EINVAL),
    }
}

fn show_file(file: &Rc<File>, prot: u64, sharing: Sharing, offset: u64) -> Result<Shown, Errno> {
    let mut max_prot = Prot::all();
    if sharing == Sharing::Shared && !file.writable() {
        if prot & ProtFlags::WRITE.bits() != 0 {
            return Err(Errno::EACCES);
        }
        max_prot.remove(Prot::WRITE);
    }
    if !file.readable() {
        return Err(Errno::EACCES);
    }
    if let (Kind::Regular { memory, .. }, Sharing::Shared) = (&file.kind, sharing)
        && let Some(seals) = memory.seals()
        && !seals.may_share(prot & ProtFlags::WRITE.bits() != 0)?
    {
        max_prot.remove(Prot::WRITE);
    }
    let content = match &file.kind {
        Kind::Regular { memory, .. } => Content::File {
            file: memory.id(),
            offset,
        },
        Kind::Device(Device::Zero) => Content::Anonymous,
        _ => return Err(Errno::ENODEV),
    };
    Ok(Shown {
        content,
        max_prot,
        _file: Some(Rc::clone(file)),
    })
}

fn munmap(call: &mut Call<'_>) -> Answer {
    let start = VirtAddr::new(call.args[0]).untagged();
    let end = call.granule().user_end();
    let length = call.args[1];
    if !call.is_aligned(start.get()) || start.get() > end || length > end - start.get() {
        return Err(Errno::EINVAL.into());
    }
    let pages = call.pages(start, length).filter(|pages| !pages.is_empty());
    let pages = pages.ok_or(Errno::EINVAL)?;
    let space = call.space();
    call.kernel.memory.unmap(space, pages).map_err(map_errno)?;
    Ok(0)
}

pub(super) fn mprotect(call: &mut Call<'_>) -> Answer {
    let [address, length, prot, ..] = call.args;
    let start = VirtAddr::new(address).untagged();
    let grows = ProtFlags::GROWSDOWN.union(ProtFlags::GROWSUP);
    let asked = ProtFlags::from_bits_retain(prot);
    if asked.contains(grows) || !call.is_aligned(start.get()) {
        return Err(Errno::EINVAL.into());
    }
    if length == 0 {
        return Ok(0);
    }
    call.rounded(length).ok_or(Errno::ENOMEM)?;
    let mut pages = call.pages(start, length).ok_or(Errno::ENOMEM)?;
    // MTE and BTI are not offered (HWCAP2 is 0), so their bits are unknown.
    let known = ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC | ProtFlags::SEM | grows;
    if !known.contains(asked) {
        return Err(Errno::EINVAL.into());
    }
    let space = call.space();
    if asked.intersects(grows) {
        let vma = call.kernel.memory.find_vma(space, pages.start());
        let vma = vma.ok_or(Errno::ENOMEM)?;
        // No mapping grows up on this machine.
        if asked.contains(ProtFlags::GROWSUP) || !vma.grows_down {
            return Err(Errno::EINVAL.into());
        }
        pages = PageRange::new(vma.range.start(), pages.end()).ok_or(Errno::EINVAL)?;
    }
    let changed = call.kernel.memory.protect(space, pages, prot_of(prot));
    changed.map_err(map_errno)?;
    Ok(0)
}

fn mremap(call: &mut Call<'_>) -> Answer {
    let [old, old_length, new_length, bits, new, _] = call.args;
    let flags = RemapFlags::from_bits(bits).ok_or(Errno::EINVAL)?;
    let old = VirtAddr::new(old).untagged();
    let may_move = flags.contains(RemapFlags::MAYMOVE);
    let fixed = flags.contains(RemapFlags::FIXED);
    let dont_unmap = flags.contains(RemapFlags::DONTUNMAP);
    if (fixed || dont_unmap) && !may_move {
        return Err(Errno::EINVAL.into());
    }
    if dont_unmap && old_length != new_length {
        return Err(Errno::EINVAL.into());
    }
    if !call.is_aligned(old.get()) {
        return Err(Errno::EINVAL.into());
    }
    // A length that wraps becomes 0 for Linux 6.12.
    let old_length = call.rounded(old_length).unwrap_or(0);
    let new_length = call.rounded(new_length).ok_or(Errno::EINVAL)?;
    let space = call.space();
    let granule = call.granule();
    // Linux 6.17 and later; before, it was ENOMEM, and later than the next.
    if new_length > granule.user_end() {
        return Err(Errno::EINVAL.into());
    }
    let vma = call.kernel.memory.find_vma(space, old.page(granule));
    vma.ok_or(Errno::EFAULT)?;
    if fixed {
        check_new_place(call, old.get(), old_length, new, new_length)?;
    }
    let request = RemapRequest {
        old,
        old_length: Bytes::new(old_length),
        new_length: Bytes::new(new_length),
        may_move,
        fixed: fixed.then_some(VirtAddr::new(new)),
        dont_unmap,
    };
    let moved = call.kernel.memory.remap(space, &request);
    let moved = moved.map_err(|error| match error {
        MapError::Unmapped => Errno::EFAULT,
        other => map_errno(other),
    })?;
    Ok(moved.get())
}

fn check_new_place(call: &Call<'_>, old: u64, old_length: u64, new: u64, length: u64) -> Result<(), Errno> {
    let end = call.granule().user_end();
    if !call.is_aligned(new) || length > end || new > end - length {
        return Err(Errno::EINVAL);
    }
    if old.saturating_add(old_length) > new && new + length > old {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

fn brk(call: &mut Call<'_>) -> Answer {
    let space = call.space();
    let to = VirtAddr::new(call.args[0]).untagged();
    Ok(call.kernel.memory.set_break(space, to).get())
}

/// What is to be done, `None` for advice that needs nothing done (KSM), or the errno.
pub(super) fn advice_of(number: u64) -> Result<Option<Advice>, Errno> {
    Ok(Some(match number {
        advice::NORMAL => Advice::Normal,
        advice::RANDOM => Advice::Random,
        advice::SEQUENTIAL => Advice::Sequential,
        advice::WILLNEED => Advice::WillNeed,
        advice::DONTNEED => Advice::DontNeed,
        advice::FREE => Advice::Free,
        advice::DONTFORK => Advice::DontFork,
        advice::DOFORK => Advice::DoFork,
        advice::WIPEONFORK => Advice::WipeOnFork,
        advice::KEEPONFORK => Advice::KeepOnFork,
        advice::POPULATE_READ => Advice::PopulateRead,
        advice::POPULATE_WRITE => Advice::PopulateWrite,
        advice::COLD => Advice::Cold,
        advice::PAGEOUT => Advice::PageOut,
        advice::HUGEPAGE => Advice::HugePage,
        advice::NOHUGEPAGE => Advice::NoHugePage,
        advice::DONTDUMP => Advice::DontDump,
        advice::DODUMP => Advice::DoDump,
        // A hint to look for equal pages; nobody looks here.
        advice::MERGEABLE | advice::UNMERGEABLE => return Ok(None),
        advice::REMOVE => Advice::Remove,
        advice::DONTNEED_LOCKED => Advice::DontNeedLocked,
        advice::GUARD_INSTALL => Advice::GuardInstall,
        advice::GUARD_REMOVE => Advice::GuardRemove,
        // HWPOISON and SOFT_OFFLINE are unknown as to a kernel without CONFIG_MEMORY_FAILURE.
        _ => return Err(Errno::EINVAL),
    }))
}

fn madvise(call: &mut Call<'_>) -> Answer {
    let [address, length, number, ..] = call.args;
    let advice = advice_of(u64::from(number as u32))?;
    advise_range(call, call.space(), address, length, advice)?;
    Ok(0)
}

/// Gives advice about a range of a space, once the range is found sound.
pub(super) fn advise_range(
    call: &mut Call<'_>,
    space: SpaceId,
    address: u64,
    length: u64,
    advice: Option<Advice>,
) -> Result<(), Errno> {
    let start = VirtAddr::new(address).untagged();
    if !call.is_aligned(start.get()) {
        return Err(Errno::EINVAL);
    }
    if length == 0 {
        return Ok(());
    }
    call.rounded(length).ok_or(Errno::EINVAL)?;
    let pages = call.pages(start, length).ok_or(Errno::EINVAL)?;
    let Some(advice) = advice else { return Ok(()) };
    let done = call.kernel.memory.advise(space, pages, advice);
    done.map_err(map_errno)
}

fn mincore(call: &mut Call<'_>) -> Answer {
    let [address, length, vector, ..] = call.args;
    let start = VirtAddr::new(address).untagged();
    if !call.is_aligned(start.get()) {
        return Err(Errno::EINVAL.into());
    }
    let end = start.get().checked_add(length);
    if end.is_none_or(|end| end > call.granule().user_end()) {
        return Err(Errno::ENOMEM.into());
    }
    let pages = call.pages(start, length).ok_or(Errno::ENOMEM)?;
    let space = call.space();
    // Linux goes by pages of the vector: what it can tell is written before the first hole.
    for first in pages.pages().step_by(4096) {
        let part = PageRange::from_count(first, arch::PageCount::new(4096));
        let part = part
            .and_then(|part| part.intersection(pages))
            .ok_or(Errno::ENOMEM)?;
        let resident = call.kernel.memory.in_core(space, part).map_err(map_errno)?;
        let bytes: Vec<u8> = resident.into_iter().map(u8::from).collect();
        let at = vector.wrapping_add(first.get() - pages.start().get());
        call.write(at, &bytes)?;
    }
    Ok(0)
}

fn msync(call: &mut Call<'_>) -> Answer {
    let [address, length, bits, ..] = call.args;
    let flags = SyncFlags::from_bits(bits).ok_or(Errno::EINVAL)?;
    let start = VirtAddr::new(address).untagged();
    if !call.is_aligned(start.get()) || flags.contains(SyncFlags::SYNC | SyncFlags::ASYNC) {
        return Err(Errno::EINVAL.into());
    }
    let pages = call.pages(start, length).ok_or(Errno::ENOMEM)?;
    if pages.is_empty() {
        return Ok(0);
    }
    let space = call.space();
    if flags.contains(SyncFlags::INVALIDATE) && first_locked(call, space, pages) {
        return Err(Errno::EBUSY.into());
    }
    call.kernel.memory.sync(space, pages).map_err(map_errno)?;
    Ok(0)
}

/// Whether a mapping of the range is locked.
fn first_locked(call: &Call<'_>, space: SpaceId, pages: PageRange) -> bool {
    let mut vmas = call.kernel.memory.vmas(space);
    vmas.any(|vma| vma.flags.contains(VmaFlags::LOCKED) && vma.range.overlaps(pages))
}
