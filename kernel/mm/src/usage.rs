//! What `/proc` shows of an address space: smaps, status, pagemap.

use arch::{Bytes, Descriptor, FrameNum, PageNum};
use rustc_hash::FxHashMap;

use crate::Memory;
use crate::core_state::Core;
use crate::families::FamilyId;
use crate::fault::FaultKind;
use crate::frames::{AnonId, FrameState};
use crate::request::SpaceId;
use crate::tables::swapped_anon;
use crate::vma::{Vma, VmaFlags};

/// A proportional size: bytes divided by the number of mappings, with 12 binary places, as Linux keeps it
/// (`PSS_SHIFT`), so that sums over mappings round as Linux's do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Pss(u64);

impl Pss {
    const SHIFT: u32 = 12;

    /// One page that so many descriptors map.
    fn of_page(bytes: u64, mappings: u64) -> Self {
        Self((bytes << Self::SHIFT) / mappings.max(1))
    }

    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Whole bytes, rounded down.
    pub const fn bytes(self) -> Bytes {
        Bytes::new(self.0 >> Self::SHIFT)
    }

    /// The number in units of a byte / 4096.
    pub const fn fixed_point(self) -> u64 {
        self.0
    }
}

/// smaps of one mapping (proc_pid_smaps(5)). `rss` is the sum of the four shared and private fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VmaUsage {
    /// Present pages, the zero page not counted.
    pub rss: Bytes,
    /// Each page divided by its number of mappings.
    pub pss: Pss,
    /// The dirty part of `pss`.
    pub pss_dirty: Pss,
    /// The part of `pss` in private pages that were written (`Pss_Anon` of smaps_rollup).
    pub pss_anon: Pss,
    /// The part of `pss` in pages of files (`Pss_File`).
    pub pss_file: Pss,
    /// The part of `pss` in shared anonymous memory (`Pss_Shmem`).
    pub pss_shmem: Pss,
    /// Mapped more than once, equal to the file.
    pub shared_clean: Bytes,
    /// Mapped more than once, written.
    pub shared_dirty: Bytes,
    /// Mapped once, equal to the file.
    pub private_clean: Bytes,
    /// Mapped once, written.
    pub private_dirty: Bytes,
    /// Pages with the access flag.
    pub referenced: Bytes,
    /// Private pages that were written.
    pub anonymous: Bytes,
    /// Of those, the ones given up by `MADV_FREE` and not written since.
    pub lazy_free: Bytes,
    /// In swap: swap entries, and for shared memory the object's pages in swap.
    pub swap: Bytes,
    /// Each swap entry divided by the number of swap entries for the same page.
    pub swap_pss: Pss,
    /// `pss` if the mapping is locked.
    pub locked: Pss,
}

impl VmaUsage {
    /// The sum, with proportional sizes in fixed point: what smaps_rollup shows of all mappings.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let sum = |a: Bytes, b: Bytes| Bytes::new(a.get() + b.get());
        Self {
            rss: sum(self.rss, other.rss),
            pss: self.pss.plus(other.pss),
            pss_dirty: self.pss_dirty.plus(other.pss_dirty),
            pss_anon: self.pss_anon.plus(other.pss_anon),
            pss_file: self.pss_file.plus(other.pss_file),
            pss_shmem: self.pss_shmem.plus(other.pss_shmem),
            shared_clean: sum(self.shared_clean, other.shared_clean),
            shared_dirty: sum(self.shared_dirty, other.shared_dirty),
            private_clean: sum(self.private_clean, other.private_clean),
            private_dirty: sum(self.private_dirty, other.private_dirty),
            referenced: sum(self.referenced, other.referenced),
            anonymous: sum(self.anonymous, other.anonymous),
            lazy_free: sum(self.lazy_free, other.lazy_free),
            swap: sum(self.swap, other.swap),
            swap_pss: self.swap_pss.plus(other.swap_pss),
            locked: self.locked.plus(other.locked),
        }
    }
}

/// One address space in numbers; the names of `/proc/PID/status` are given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SpaceUsage {
    /// `VmSize`.
    pub total_vm: Bytes,
    /// `VmData`, without the stack.
    pub data_vm: Bytes,
    /// `VmStk`.
    pub stack_vm: Bytes,
    /// `VmExe` and `VmLib` together.
    pub exec_vm: Bytes,
    /// `RssAnon`.
    pub rss_anon: Bytes,
    /// `RssFile`.
    pub rss_file: Bytes,
    /// `RssShmem`.
    pub rss_shmem: Bytes,
    /// `VmSwap`: swap entries. Shared memory in swap is nobody's, as on Linux.
    pub swap: Bytes,
    /// `VmPTE`: translation tables, without the root, as Linux counts.
    pub page_tables: Bytes,
    /// `VmPeak`.
    pub peak_total: Bytes,
    /// `VmHWM`.
    pub peak_rss: Bytes,
    /// `VmLck`.
    pub locked: Bytes,
    /// How many mappings there are.
    pub map_count: usize,
    /// Faults resolved without the host.
    pub minor_faults: u64,
    /// Faults that read from the host.
    pub major_faults: u64,
    /// Resolved faults by [`FaultKind`], in its order.
    pub faults_by_kind: [u64; FaultKind::COUNT],
}

impl SpaceUsage {
    /// `VmRSS`.
    pub const fn rss(&self) -> Bytes {
        Bytes::new(self.rss_anon.get() + self.rss_file.get() + self.rss_shmem.get())
    }

    /// Resolved faults of one kind.
    pub const fn faults(&self, kind: FaultKind) -> u64 {
        self.faults_by_kind[kind as usize]
    }
}

/// One page as `/proc/PID/pagemap` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PageInfo {
    /// A descriptor maps it.
    pub present: bool,
    /// A swap entry stands for it.
    pub swapped: bool,
    /// Where in the swap area, if it is there and not back in RAM alone.
    pub swap_slot: Option<u32>,
    /// A page of a file or of shared memory.
    pub file_or_shared: bool,
    /// Mapped once only.
    pub exclusive: bool,
    /// Where.
    pub frame: Option<FrameNum>,
    /// Written.
    pub dirty: bool,
    /// The access flag.
    pub accessed: bool,
    /// The shared zero page.
    pub zero_page: bool,
}

impl Memory {
    /// The mappings in ascending order.
    pub fn vmas(&self, space: SpaceId) -> impl Iterator<Item = &Vma> {
        self.spaces.get(space).vmas.iter()
    }

    /// The mapping that holds `page`.
    pub fn find_vma(&self, space: SpaceId, page: PageNum) -> Option<&Vma> {
        self.spaces.get(space).vmas.find(page)
    }

    /// smaps of one mapping of this space.
    pub fn vma_usage(&self, space: SpaceId, vma: &Vma) -> VmaUsage {
        let core = &self.core;
        let tables = &self.spaces.get(space).tables;
        let mut usage = VmaUsage::default();
        let mut owners = Owners::new(self);
        tables.used(
            &core.ram,
            &core.shape,
            vma.range,
            |page, descriptor| match swapped_anon(descriptor) {
                Some(id) => add_swapped(&mut usage, &mut owners, tables.family(), page, id),
                None => add_page(&mut usage, &mut owners, descriptor),
            },
        );
        if let Some((file, first)) = vma.file_page(vma.range.start(), core.granule()) {
            let end = first + vma.range.count().get();
            let parked = self.files.get(file).parked_between(first, end);
            usage.swap = Bytes::new(usage.swap.get() + core.bytes(parked).get());
        }
        if vma.flags.contains(VmaFlags::LOCKED) {
            usage.locked = usage.pss;
        }
        usage
    }

    /// The counts of one space. They are kept as things happen: reading them walks nothing.
    pub fn usage(&self, space: SpaceId) -> SpaceUsage {
        let space = self.spaces.get(space);
        let bytes = |pages| self.core.bytes(pages);
        SpaceUsage {
            total_vm: bytes(space.mapped.total),
            data_vm: bytes(space.mapped.data),
            stack_vm: bytes(space.mapped.stack),
            exec_vm: bytes(space.mapped.exec),
            rss_anon: bytes(space.resident.anon),
            rss_file: bytes(space.resident.file),
            rss_shmem: bytes(space.resident.shmem),
            swap: bytes(space.swapped),
            page_tables: bytes(u64::from(space.tables.count() - 1)),
            peak_total: bytes(space.peak_mapped),
            peak_rss: bytes(space.peak_resident),
            locked: bytes(space.mapped.locked),
            map_count: space.vmas.len(),
            minor_faults: space.minor_faults,
            major_faults: space.major_faults,
            faults_by_kind: space.faults_by_kind,
        }
    }

    /// One page, for pagemap.
    pub fn page_info(&self, space: SpaceId, page: PageNum) -> PageInfo {
        let core = &self.core;
        if page >= core.shape.user_end() {
            return PageInfo::default();
        }
        let descriptor = self.spaces.get(space).tables.get(&core.ram, &core.shape, page);
        if !descriptor.is_valid() {
            let anon = swapped_anon(descriptor).map(|id| core.frames.anon(id));
            return PageInfo {
                swapped: anon.is_some(),
                swap_slot: anon.and_then(|anon| Some(anon.place.slot()?.get())),
                ..PageInfo::default()
            };
        }
        let frame = core.frame_of(descriptor);
        let state = core.frames.state(frame);
        PageInfo {
            present: true,
            swapped: false,
            swap_slot: None,
            file_or_shared: matches!(state, FrameState::Cache(_)),
            exclusive: core.mappings(frame) == 1,
            frame: Some(frame),
            dirty: is_dirty(core, descriptor),
            accessed: descriptor.is_accessed(),
            zero_page: state == FrameState::Zero,
        }
    }
}

/// Whether the page behind a descriptor differs from its home.
fn is_dirty(core: &Core, descriptor: Descriptor) -> bool {
    match core.frames.state(core.frame_of(descriptor)) {
        FrameState::Anon(id) => descriptor.is_dirty() || !core.frames.anon(id).starts_clean(),
        FrameState::Cache(cache) => descriptor.is_dirty() || cache.dirty,
        FrameState::Free | FrameState::Zero | FrameState::Table { .. } => false,
    }
}

/// How often pages are mapped, table sharing or not, while one walk asks again and again.
struct Owners<'a> {
    memory: &'a Memory,
    /// How many spaces reach a leaf table.
    reach: FxHashMap<FrameNum, u64>,
    /// The table that was asked for last.
    last: Option<(FrameNum, u64)>,
    /// Swap entries of a whole family by anon, once one was asked for that needs it.
    entries: Option<FxHashMap<AnonId, u64>>,
}

impl<'a> Owners<'a> {
    fn new(memory: &'a Memory) -> Self {
        Self {
            memory,
            reach: FxHashMap::default(),
            last: None,
            entries: None,
        }
    }

    /// [`Core::mappings`].
    fn mappings(&mut self, frame: FrameNum) -> u64 {
        let mappers = self.memory.core.frames.mappers(frame).iter();
        mappers.map(|mapper| self.reach(mapper.table)).sum()
    }

    /// [`Core::reach`]. Neighbours mostly lie in one table.
    fn reach(&mut self, table: FrameNum) -> u64 {
        if let Some((last, reach)) = self.last
            && last == table
        {
            return reach;
        }
        let core = &self.memory.core;
        let reach = *self.reach.entry(table).or_insert_with(|| core.reach(table));
        self.last = Some((table, reach));
        reach
    }

    /// How many swap entries stand for an anon, seen from every space; `page` is one of them. The reverse map does not know
    /// them, but mostly they are all at the same page. If not (mremap), all tables of the family are walked, once.
    fn swap_entries(&mut self, family: FamilyId, page: PageNum, id: AnonId) -> u64 {
        let core = &self.memory.core;
        let anon = core.frames.anon(id);
        let frame = anon.place.frame();
        let mapped = frame.map_or(0, |frame| core.frames.mappers(frame).len() as u64);
        let written = u64::from(anon.owners) - mapped;
        if core.families.members(family).len() == 1 {
            return written;
        }
        let (tables, spaces) = core.swap_entries_at(family, page, id);
        if tables == written {
            return spaces;
        }
        let entries = self
            .entries
            .get_or_insert_with(|| self.memory.swap_entries_of(family));
        entries.get(&id).copied().unwrap_or(1)
    }
}

impl Memory {
    /// Swap entries in all spaces of a family, by anon: anons are shared within one only.
    fn swap_entries_of(&self, family: FamilyId) -> FxHashMap<AnonId, u64> {
        let core = &self.core;
        let mut entries = FxHashMap::default();
        for space in self.spaces.iter().filter(|space| space.tables.family() == family) {
            let all = crate::space::Space::all_pages(core);
            space.tables.used(&core.ram, &core.shape, all, |_, entry| {
                if let Some(id) = swapped_anon(entry) {
                    *entries.entry(id).or_default() += 1;
                }
            });
        }
        entries
    }
}

/// A swap entry. The page's share of swap is divided among its swap entries (Linux: `swp_swapcount`).
fn add_swapped(usage: &mut VmaUsage, owners: &mut Owners<'_>, family: FamilyId, page: PageNum, id: AnonId) {
    let size = owners.memory.granule().bytes();
    usage.swap = Bytes::new(usage.swap.get() + size);
    let entries = owners.swap_entries(family, page, id);
    usage.swap_pss = usage.swap_pss.plus(Pss::of_page(size, entries));
}

fn add_page(usage: &mut VmaUsage, owners: &mut Owners<'_>, descriptor: Descriptor) {
    let core = &owners.memory.core;
    let frame = core.frame_of(descriptor);
    let state = core.frames.state(frame);
    if state == FrameState::Zero {
        return;
    }
    let page = core.granule().bytes();
    let add = |to: &mut Bytes| *to = Bytes::new(to.get() + page);
    let mappings = owners.mappings(frame);
    let dirty = is_dirty(core, descriptor);
    let pss = Pss::of_page(page, mappings);
    add(&mut usage.rss);
    usage.pss = usage.pss.plus(pss);
    if dirty {
        usage.pss_dirty = usage.pss_dirty.plus(pss);
    }
    let part = match state {
        FrameState::Anon(_) => &mut usage.pss_anon,
        FrameState::Cache(cache) if cache.shmem => &mut usage.pss_shmem,
        _ => &mut usage.pss_file,
    };
    *part = part.plus(pss);
    add(match (mappings > 1, dirty) {
        (true, true) => &mut usage.shared_dirty,
        (true, false) => &mut usage.shared_clean,
        (false, true) => &mut usage.private_dirty,
        (false, false) => &mut usage.private_clean,
    });
    if descriptor.is_accessed() {
        add(&mut usage.referenced);
    }
    if let FrameState::Anon(id) = state {
        add(&mut usage.anonymous);
        if !dirty && core.frames.anon(id).lazy {
            add(&mut usage.lazy_free);
        }
    }
}
