//! The files of `/proc/PID` that describe its memory: `maps`, `smaps`, `smaps_rollup`, `pagemap`, `mem`.
//!
//! Names are Linux's: `[heap]` is the mapping that holds the break's range, `[stack]` the one that holds the
//! first stack pointer, a file that was removed has ` (deleted)` after its path.

use std::cell::RefCell;

use arch::{Bytes, PageNum, PageRange, VirtAddr};
use mm::{Content, FileId, FileKey, Memory, PageInfo, Prot, Pss, Sharing, SpaceId, Vma, VmaUsage};
use procfs::{
    Addr, Counts, Device, Kib, KnownVmFlags, MapsLine, PAGEMAP_ENTRY_BYTES, PagemapEntry, Perms, SmapsEntry,
    SmapsRollup, VmFlags,
};
use rustc_hash::FxHashMap;

use super::ask_host;
use crate::file::{self, root::Root};
use crate::kernel::Kernel;

fn address(memory: &Memory, page: PageNum) -> Addr {
    Addr(page.start(memory.granule()).get())
}

/// What the lines of one text have in common.
struct Lines<'k> {
    memory: &'k Memory,
    root: Option<&'k Root>,
    space: SpaceId,
    /// Whether a file is where it was opened: asked of the host once a text.
    deleted: RefCell<FxHashMap<FileId, bool>>,
}

impl<'k> Lines<'k> {
    fn new(kernel: &'k Kernel, space: SpaceId) -> Self {
        Self {
            memory: kernel.memory(),
            root: kernel.config().root.as_ref(),
            space,
            deleted: RefCell::default(),
        }
    }

    fn is_deleted(&self, file: FileId) -> bool {
        let ask = || is_deleted(self.memory.file_key(file), self.memory.file_path(file), self.root);
        *self.deleted.borrow_mut().entry(file).or_insert_with(ask)
    }
}

/// One line of `maps`.
fn line(lines: &Lines<'_>, vma: &Vma) -> MapsLine {
    let memory = lines.memory;
    let (device, inode, offset, name) = backing(lines, vma);
    MapsLine {
        start: address(memory, vma.range.start()),
        end: address(memory, vma.range.end()),
        perms: Perms {
            read: vma.prot.contains(Prot::READ),
            write: vma.prot.contains(Prot::WRITE),
            exec: vma.prot.contains(Prot::EXEC),
            shared: vma.sharing == Sharing::Shared,
        },
        offset,
        device,
        inode,
        name,
    }
}

fn backing(lines: &Lines<'_>, vma: &Vma) -> (Device, u64, u64, Vec<u8>) {
    let memory = lines.memory;
    let anonymous = |name: &[u8]| (Device::default(), 0, 0, name.to_vec());
    if let Some(name) = vma.special {
        return anonymous(name.as_bytes());
    }
    match vma.content {
        Content::File { file, offset } => {
            let key = memory.file_key(file);
            let path = memory.file_path(file);
            let mut name = MapsLine::escape(path);
            if lines.is_deleted(file) {
                name.extend_from_slice(b" (deleted)");
            }
            (device(key.device), key.inode, offset, name)
        }
        Content::Anonymous => anonymous(anonymous_name(memory, lines.space, vma.range)),
    }
}

/// Whether a host's file is no longer where it was opened, as d_path(9) marks it. Bundled programs and shared anonymous
/// memory (whose path says it already) are on no device of the host's.
fn is_deleted(key: FileKey, path: &[u8], root: Option<&Root>) -> bool {
    if key.device == file::bundle::DEVICE || !path.starts_with(b"/") {
        return false;
    }
    let found = ask_host(root, path, |path| rustix::fs::stat(path).ok());
    !found.is_some_and(|stat| stat.st_dev == key.device && stat.st_ino == key.inode)
}

fn anonymous_name(memory: &Memory, space: SpaceId, range: PageRange) -> &'static [u8] {
    let granule = memory.granule();
    let (start, end) = memory.break_range(space);
    let starts_before = range.start().start(granule) < end;
    if start < end && starts_before && start < range.end().start(granule) {
        return b"[heap]";
    }
    if range.contains(memory.stack_start(space).page(granule)) {
        b"[stack]"
    } else {
        b""
    }
}

/// Linux's `dev_t` as user space has it, taken apart (makedev(3)).
pub(super) fn device(number: u64) -> Device {
    Device {
        major: ((number >> 8 & 0xfff) | (number >> 32 & 0xffff_f000)) as u32,
        minor: ((number & 0xff) | (number >> 12 & 0xffff_ff00)) as u32,
    }
}

pub(super) fn maps(kernel: &Kernel, space: SpaceId) -> Vec<MapsLine> {
    let lines = Lines::new(kernel, space);
    lines.memory.vmas(space).map(|vma| line(&lines, vma)).collect()
}

fn counts(usage: &VmaUsage) -> Counts {
    let kib = |bytes: Bytes| Some(Kib::from_bytes(bytes.get()));
    Counts {
        rss: kib(usage.rss),
        pss: kib(usage.pss.bytes()),
        pss_dirty: kib(usage.pss_dirty.bytes()),
        pss_anon: None,
        pss_file: None,
        pss_shmem: None,
        shared_clean: kib(usage.shared_clean),
        shared_dirty: kib(usage.shared_dirty),
        private_clean: kib(usage.private_clean),
        private_dirty: kib(usage.private_dirty),
        referenced: kib(usage.referenced),
        anonymous: kib(usage.anonymous),
        lazy_free: kib(usage.lazy_free),
        swap: kib(usage.swap),
        swap_pss: kib(usage.swap_pss.bytes()),
        locked: kib(usage.locked.bytes()),
        ..Counts::zero()
    }
}

fn vm_flags(vma: &Vma) -> KnownVmFlags {
    let mut flags = KnownVmFlags::empty();
    let mut when = |condition: bool, flag| flags.set(flag, condition);
    let shared = vma.sharing == Sharing::Shared;
    when(vma.prot.contains(Prot::READ), KnownVmFlags::READ);
    when(vma.prot.contains(Prot::WRITE), KnownVmFlags::WRITE);
    when(vma.prot.contains(Prot::EXEC), KnownVmFlags::EXEC);
    when(shared, KnownVmFlags::SHARED | KnownVmFlags::MAY_SHARE);
    when(vma.max_prot.contains(Prot::READ), KnownVmFlags::MAY_READ);
    when(vma.max_prot.contains(Prot::WRITE), KnownVmFlags::MAY_WRITE);
    when(vma.max_prot.contains(Prot::EXEC), KnownVmFlags::MAY_EXEC);
    when(vma.grows_down, KnownVmFlags::GROWS_DOWN);
    when(vma.is_accountable(), KnownVmFlags::ACCOUNT);
    flags
}

fn entry(lines: &Lines<'_>, vma: &Vma) -> SmapsEntry {
    let (memory, space) = (lines.memory, lines.space);
    let page = Some(Kib::from_bytes(memory.granule().bytes()));
    SmapsEntry {
        map: line(lines, vma),
        size: Some(Kib::from_bytes(vma.range.count().bytes(memory.granule()).get())),
        kernel_page_size: page,
        mmu_page_size: page,
        counts: counts(&memory.vma_usage(space, vma)),
        thp_eligible: Some(0),
        protection_key: None,
        vm_flags: Some(VmFlags::from_known(vm_flags(vma) | super::flags::from_mm(vma))),
        ..SmapsEntry::default()
    }
}

pub(super) fn smaps(kernel: &Kernel, space: SpaceId) -> Vec<SmapsEntry> {
    let lines = Lines::new(kernel, space);
    lines.memory.vmas(space).map(|vma| entry(&lines, vma)).collect()
}

/// `smaps_rollup`: proportional sizes are summed in mm's fixed point and rounded once, as Linux does.
pub(super) fn rollup(memory: &Memory, space: SpaceId) -> SmapsRollup {
    let mut total = VmaUsage::default();
    let (mut first, mut last) = (None, PageNum::default());
    for vma in memory.vmas(space) {
        let usage = memory.vma_usage(space, vma);
        first.get_or_insert(vma.range.start());
        last = vma.range.end();
        total = total.plus(&usage);
    }
    let kib = |pss: Pss| Some(Kib::from_bytes(pss.bytes().get()));
    SmapsRollup {
        map: MapsLine {
            start: address(memory, first.unwrap_or_default()),
            end: address(memory, last),
            perms: Perms::default(),
            name: b"[rollup]".to_vec(),
            ..MapsLine::default()
        },
        counts: Counts {
            pss_anon: kib(total.pss_anon),
            pss_file: kib(total.pss_file),
            pss_shmem: kib(total.pss_shmem),
            ..counts(&total)
        },
        ..SmapsRollup::default()
    }
}

fn pagemap_entry(info: &PageInfo) -> PagemapEntry {
    // Of a swapped page: the type of its area, which is 0, and its offset there from bit 5.
    let offset = info.swap_slot.map_or(0, |slot| u64::from(slot) << 5);
    let mut bits = info.frame.map_or(offset, |frame| u64::from(frame.get()));
    let mut when = |condition: bool, bit: u64| bits |= u64::from(condition) * bit;
    when(info.present, PagemapEntry::PRESENT);
    when(info.swapped, PagemapEntry::SWAPPED);
    when(info.file_or_shared, PagemapEntry::FILE);
    when(info.exclusive, PagemapEntry::EXCLUSIVE);
    PagemapEntry(bits)
}

/// Reads `pagemap` at a byte offset: whole entries only, as Linux (EINVAL is the caller's business).
pub(super) fn pagemap(memory: &Memory, space: SpaceId, offset: u64, length: usize) -> Vec<u8> {
    let entry_bytes = PAGEMAP_ENTRY_BYTES;
    let end = memory.granule().user_end() >> memory.granule().shift();
    let first = offset / entry_bytes;
    let count = (length as u64 / entry_bytes).min(end.saturating_sub(first));
    let mut out = Vec::with_capacity((count * entry_bytes) as usize);
    for page in first..first + count {
        let info = memory.page_info(space, PageNum::new(page));
        let mut entry = pagemap_entry(&info).0;
        if memory.is_guarded(space, PageNum::new(page)) {
            entry |= PagemapEntry::GUARD | PagemapEntry::SWAPPED;
        }
        out.extend_from_slice(&entry.to_le_bytes());
    }
    out
}

/// Reads `mem` at an address: what is there, without faulting anything in.
pub(super) fn mem(memory: &Memory, space: SpaceId, offset: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    let done = memory.peek(space, VirtAddr::new(offset), &mut out);
    out.truncate(done);
    out
}
