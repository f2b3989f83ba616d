//! System V shared memory: `shmget(2)`, `shmat(2)`, `shmdt(2)`, `shmctl(2)`; the segments are in [`crate::sysv`].

use abi::Errno;
use abi::bytes::{Layout, get_u32};
use abi::nr;
use arch::{Bytes, PageRange, VirtAddr};
use mm::{Content, MapError, MapRequest, Placement, Prot, Sharing};

use super::mman::map_errno;
use super::{Answer, Call, Handler};
use crate::sysv::{LOCKED, MOST_BYTES, MOST_PAGES, MOST_SEGMENTS, Segment};
use crate::task::Pid;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::SHMGET, shmget),
    (nr::SHMAT, shmat),
    (nr::SHMDT, shmdt),
    (nr::SHMCTL, shmctl),
];

const CREAT: u32 = 0o1000;
const EXCL: u32 = 0o2000;
const HUGETLB: u32 = 0o4000;
const NORESERVE: u32 = 0o10000;
const READ: u32 = 0o444;
const WRITE: u32 = 0o222;
const EXEC: u32 = 0o111;

impl Call<'_> {
    fn now(&self) -> u64 {
        self.kernel.clock.realtime_ns / 1_000_000_000
    }

    /// A living segment.
    fn segment(&self, number: i32) -> Result<&Segment, Errno> {
        self.kernel.segments.find(number).ok_or(Errno::EINVAL)
    }

    /// The same, if the caller has these rights on it.
    fn permitted(&self, number: i32, wanted: u32) -> Result<Segment, Errno> {
        let segment = self.segment(number)?;
        match segment.allows(&self.task().creds, wanted) {
            true => Ok(segment.clone()),
            false => Err(Errno::EACCES),
        }
    }
}

fn shmget(call: &mut Call<'_>) -> Answer {
    let (key, size, flags) = (call.int(0), call.args[1], call.args[2] as u32);
    let found = call.kernel.segments.keyed(key).filter(|_| key != 0);
    let Some(number) = found else {
        if key != 0 && flags & CREAT == 0 {
            return Err(Errno::ENOENT.into());
        }
        return Ok(create(call, key, size, flags)? as u64);
    };
    if flags & (CREAT | EXCL) == CREAT | EXCL {
        return Err(Errno::EEXIST.into());
    }
    if call.segment(number)?.size < size {
        return Err(Errno::EINVAL.into());
    }
    call.permitted(number, flags & 0o777)?;
    Ok(number as u64)
}

fn create(call: &mut Call<'_>, key: i32, size: u64, flags: u32) -> Result<i32, Errno> {
    if size == 0 || size > MOST_BYTES {
        return Err(Errno::EINVAL);
    }
    // A sum that no machine has: the pages of all segments are counted in 64 bits.
    let pages = Bytes::new(size).pages_up(call.granule()).ok_or(Errno::ENOSPC)?;
    if pages.get() > MOST_PAGES || call.kernel.segments.len() >= MOST_SEGMENTS {
        return Err(Errno::ENOSPC);
    }
    if flags & HUGETLB != 0 {
        // No huge page is reserved on this machine.
        return Err(Errno::ENOMEM);
    }
    let path = format!("/SYSV{key:08x} (deleted)");
    let (space, reserve) = (call.space(), flags & NORESERVE == 0);
    let file = call
        .kernel
        .memory
        .open_segment(space, path.as_bytes(), Bytes::new(size), reserve)
        .map_err(map_errno)?;
    let creds = &call.task().creds;
    let segment = Segment {
        key,
        file,
        size,
        uid: creds.euid,
        gid: creds.egid,
        creator_uid: creds.euid,
        creator_gid: creds.egid,
        mode: flags & 0o777,
        sequence: 0,
        attached_at: 0,
        detached_at: 0,
        changed_at: call.now(),
        creator: call.task().tgid,
        last: Pid::new(0),
    };
    let number = call.kernel.segments.add(segment);
    if number.is_none() {
        call.kernel.memory.close_file(file);
    }
    number.ok_or(Errno::ENOSPC)
}

fn shmat(call: &mut Call<'_>) -> Answer {
    const RDONLY: u32 = 0o10000;
    const RND: u32 = 0o20000;
    const REMAP: u32 = 0o40000;
    const EXECUTE: u32 = 0o100_000;
    let (number, mut address, flags) = (call.int(0), call.args[1], call.args[2] as u32);
    let remap = flags & REMAP != 0;
    if number < 0 {
        return Err(Errno::EINVAL.into());
    }
    // SHMLBA is the page size.
    let inside = VirtAddr::new(address).page_offset(call.granule()).get();
    if inside != 0 {
        if flags & RND == 0 {
            return Err(Errno::EINVAL.into());
        }
        address -= inside;
    }
    // REMAP says what becomes of the place that was named.
    if remap && address == 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut prot = Prot::READ;
    let mut wanted = READ;
    if flags & RDONLY == 0 {
        prot |= Prot::WRITE;
        wanted |= WRITE;
    }
    if flags & EXECUTE != 0 {
        prot |= Prot::EXEC;
        wanted |= EXEC;
    }
    let segment = call.permitted(number, wanted)?;
    let pages = Bytes::new(segment.size)
        .pages_up(call.granule())
        .ok_or(Errno::EINVAL)?;
    let length = pages.bytes(call.granule());
    let placement = match address {
        0 => Placement::Anywhere,
        _ => {
            let end = address.checked_add(length.get()).ok_or(Errno::EINVAL)?;
            if end > call.granule().user_end() {
                return Err(Errno::ENOMEM.into());
            }
            match remap {
                true => Placement::Fixed(VirtAddr::new(address)),
                false => Placement::FixedNoReplace(VirtAddr::new(address)),
            }
        }
    };
    let request = MapRequest {
        placement,
        // What was attached to be read cannot be made writable.
        max_prot: if flags & RDONLY == 0 {
            Prot::all()
        } else {
            Prot::READ | Prot::EXEC
        },
        sharing: Sharing::Shared,
        content: Content::File {
            file: segment.file,
            offset: 0,
        },
        ..MapRequest::anonymous(length, prot)
    };
    let space = call.space();
    let mapped = call
        .kernel
        .memory
        .map(space, &request)
        .map_err(|error| match error {
            MapError::Exists => Errno::EINVAL,
            other => map_errno(other),
        })?;
    let (now, me) = (call.now(), call.task().tgid);
    if let Some(segment) = call.kernel.segments.find_mut(number) {
        (segment.attached_at, segment.last) = (now, me);
    }
    Ok(mapped.get())
}

/// Takes away every mapping that an attachment at this address left, whatever was unmapped of it.
fn shmdt(call: &mut Call<'_>) -> Answer {
    let address = VirtAddr::new(call.args[0]).untagged();
    if !call.is_aligned(address.get()) {
        return Err(Errno::EINVAL.into());
    }
    let (space, granule) = (call.space(), call.granule());
    let mut attached = None;
    let mut ranges: Vec<PageRange> = Vec::new();
    let first = address.page(granule);
    for vma in call
        .kernel
        .memory
        .vmas(space)
        .filter(|vma| vma.range.start() >= first)
    {
        let Content::File { file, offset } = vma.content else {
            continue;
        };
        let start = vma.range.start().start(granule).get();
        if start - address.get() != offset || vma.sharing != Sharing::Shared {
            continue;
        }
        let size = match attached {
            Some((known, size)) if known == file => Some(size),
            Some(_) => None,
            None => {
                let mut all = call.kernel.segments.iter();
                all.find(|(_, segment)| segment.file == file)
                    .map(|(_, segment)| segment.size)
            }
        };
        if let Some(size) = size.filter(|&size| offset < size) {
            attached = Some((file, size));
            ranges.push(vma.range);
        }
    }
    let (file, _) = attached.ok_or(Errno::EINVAL)?;
    for range in ranges {
        call.kernel.memory.unmap(space, range).map_err(map_errno)?;
    }
    let (now, me) = (call.now(), call.task().tgid);
    if let Some(segment) = call.kernel.segments.of_file_mut(file) {
        (segment.detached_at, segment.last) = (now, me);
    }
    Ok(0)
}

fn shmctl(call: &mut Call<'_>) -> Answer {
    const RMID: i32 = 0;
    const SET: i32 = 1;
    const STAT: i32 = 2;
    const INFO: i32 = 3;
    const SHM_LOCK: i32 = 11;
    const SHM_UNLOCK: i32 = 12;
    const SHM_STAT: i32 = 13;
    const SHM_INFO: i32 = 14;
    const SHM_STAT_ANY: i32 = 15;
    let (number, command, at) = (call.int(0), call.int(1), call.args[2]);
    if number < 0 || command < 0 {
        return Err(Errno::EINVAL.into());
    }
    match command {
        INFO => {
            // shmmax, shmmin, shmmni, shmseg, shmall (struct shminfo64).
            let most = MOST_SEGMENTS as u64;
            let info = Layout::<72>::default().u64(0, MOST_BYTES).u64(8, 1).u64(16, most);
            let info = info.u64(24, most).u64(32, MOST_PAGES);
            call.write(at, &info.finish())?;
            Ok(call.kernel.segments.last_place().into())
        }
        SHM_INFO => {
            let info = sums(call);
            call.write(at, &info)?;
            Ok(call.kernel.segments.last_place().into())
        }
        STAT => stat(call, number, at, READ),
        SHM_STAT | SHM_STAT_ANY => {
            let found = call.kernel.segments.at(number);
            let (id, _) = found.ok_or(Errno::EINVAL)?;
            stat(call, id, at, if command == SHM_STAT { READ } else { 0 })?;
            Ok(id as u64)
        }
        SHM_LOCK | SHM_UNLOCK => set_locked(call, number, command == SHM_LOCK),
        RMID => {
            own(call, number)?;
            call.kernel.segments.doom(number);
            call.kernel.bury_segments();
            Ok(0)
        }
        SET => {
            let said: [u8; 112] = call.read(at)?;
            own(call, number)?;
            let now = call.now();
            if let Some(segment) = call.kernel.segments.find_mut(number) {
                (segment.uid, segment.gid) = (get_u32(&said, 4), get_u32(&said, 8));
                segment.mode = segment.mode & !0o777 | get_u32(&said, 20) & 0o777;
                segment.changed_at = now;
            }
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

/// The caller may change the segment.
fn own(call: &Call<'_>, number: i32) -> Result<(), Errno> {
    match call.segment(number)?.is_owner(&call.task().creds) {
        true => Ok(()),
        false => Err(Errno::EPERM),
    }
}

fn stat(call: &mut Call<'_>, number: i32, at: u64, wanted: u32) -> Answer {
    let segment = call.permitted(number, wanted)?;
    let attachments = call.kernel.memory.attachments(segment.file);
    // struct shmid64_ds.
    let bytes = Layout::<112>::default()
        .u32(0, segment.key as u32)
        .u32(4, segment.uid)
        .u32(8, segment.gid)
        .u32(12, segment.creator_uid)
        .u32(16, segment.creator_gid)
        .u32(20, segment.mode)
        .u16(24, segment.sequence)
        .u64(48, segment.size)
        .u64(56, segment.attached_at)
        .u64(64, segment.detached_at)
        .u64(72, segment.changed_at)
        .u32(80, segment.creator.get())
        .u32(84, segment.last.get())
        .u64(88, attachments);
    call.write(at, &bytes.finish())?;
    Ok(0)
}

/// `struct shm_info`: segments, pages, pages in RAM, pages in swap.
fn sums(call: &Call<'_>) -> [u8; 48] {
    let (mut pages, mut resident, mut swapped) = (0, 0, 0);
    for (_, segment) in call.kernel.segments.iter() {
        let count = Bytes::new(segment.size).pages_up(call.granule());
        let object = call.kernel.memory.object_pages(segment.file);
        pages += count.map_or(0, |count| count.get());
        resident += object.0;
        swapped += object.1;
    }
    let info = Layout::<48>::default().u32(0, call.kernel.segments.len() as u32);
    info.u64(8, pages).u64(16, resident).u64(24, swapped).finish()
}

/// `SHM_LOCK`, `SHM_UNLOCK`: the segment's pages stay in RAM.
fn set_locked(call: &mut Call<'_>, number: i32, locked: bool) -> Answer {
    let file = call.segment(number)?.file;
    let creds = &call.task().creds;
    if !creds.is_root() {
        own(call, number)?;
        let limit = call.kernel.memory.limits(call.space()).locked;
        if locked && limit == Some(Bytes::ZERO) {
            return Err(Errno::EPERM.into());
        }
    }
    call.kernel.memory.lock_object(file, locked);
    if let Some(segment) = call.kernel.segments.find_mut(number) {
        segment.mode = segment.mode & !LOCKED | if locked { LOCKED } else { 0 };
    }
    Ok(0)
}
