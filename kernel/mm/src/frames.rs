//! Frames: which are free, what the others hold, and who maps them.
//!
//! ```text
//!                allocate                     release
//!   never used ───────────▶ Table | Anon | Cache ───────▶ free stack (LIFO, so the next one is hot)
//!        (prefault)    ▲                                      │
//!                      └──────────────────────────────────────┘
//!   frame 0 is Zero for ever: the page that read faults of untouched private memory map
//! ```
//!
//! Key types: [`Frames`], the table and the allocator; [`FrameState`]; [`Mapper`], one entry of the reverse
//! map (a leaf table and an index: which spaces that means, `sharing` says). [`Anon`] is UVM's: private memory that was written, with a count of
//! owners, so that no chain grows with forks. Its place is a frame, a swap slot, or both. Frames that may be evicted are
//! known to the replacement policy from here, where they come and go.

use arch::{Bytes, FrameCount, FrameNum};
use policy::{Arrival, Aside, Kind, Policy, Stuck};
use ram::Ram;
use smallvec::SmallVec;

use crate::error::OutOfRam;
use crate::families::FamilyId;
use crate::files::FileId;
use crate::swap::SlotNum;

/// What a frame holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FrameState {
    /// Nothing; it is on the free stack.
    Free,
    /// Zeros for ever.
    Zero,
    /// A translation table.
    Table {
        /// Level 0 to 3.
        level: u8,
        /// Valid descriptors in it.
        live: u16,
        /// Whose spaces may reach it.
        family: FamilyId,
        /// Its place in each space that reaches it: how many tables of its level would lie below it in a full tree.
        number: u32,
    },
    /// Private memory that was written.
    Anon(AnonId),
    /// A page of a file, or of a shared anonymous object.
    Cache(CachePage),
}

/// Which page of which file a frame holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CachePage {
    pub(crate) file: FileId,
    /// The page's number within the file.
    pub(crate) page: u64,
    /// It was written since it was last equal to the file (as far as harvested from descriptors).
    pub(crate) dirty: bool,
    /// It belongs to a kernel object (shared anonymous memory), not to a file of the host.
    pub(crate) shmem: bool,
}

impl FrameState {
    /// What it costs to bring the content back, for states that can be evicted.
    fn kind(self) -> Option<Kind> {
        match self {
            Self::Anon(_) | Self::Cache(CachePage { shmem: true, .. }) => Some(Kind::Anon),
            Self::Cache(_) => Some(Kind::File),
            Self::Free | Self::Zero | Self::Table { .. } => None,
        }
    }
}

/// The number of an [`Anon`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct AnonId(u32);

impl AnonId {
    /// As swap entries in page tables hold it.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// From a swap entry.
    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number)
    }
}

/// A page of private memory that was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Anon {
    /// How many page-table entries refer to it, present ones and swap entries.
    pub(crate) owners: u32,
    /// `MADV_FREE` was called and no write was seen since: the content may be dropped.
    pub(crate) lazy: bool,
    /// Where the content is.
    pub(crate) place: AnonPlace,
}

/// Where the content of an [`Anon`] is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AnonPlace {
    /// In this frame.
    Resident(FrameNum),
    /// In this frame, and the same in this slot unless a descriptor says dirty: evicting it needs no write.
    Cached(FrameNum, SlotNum),
    /// In this slot.
    Swapped(SlotNum),
    /// The record is unused.
    Nowhere,
}

impl AnonPlace {
    /// The frame, if it is in RAM.
    pub(crate) fn frame(self) -> Option<FrameNum> {
        match self {
            Self::Resident(frame) | Self::Cached(frame, _) => Some(frame),
            Self::Swapped(_) | Self::Nowhere => None,
        }
    }

    /// The slot, if it has one.
    pub(crate) fn slot(self) -> Option<SlotNum> {
        match self {
            Self::Cached(_, slot) | Self::Swapped(slot) => Some(slot),
            Self::Resident(_) | Self::Nowhere => None,
        }
    }
}

impl Anon {
    /// Whether it is as its slot has it, or need not be kept at all, unless a descriptor says dirty.
    pub(crate) fn starts_clean(&self) -> bool {
        self.lazy || matches!(self.place, AnonPlace::Cached(..))
    }
}

/// Who maps a frame: a descriptor of a leaf table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Mapper {
    /// The leaf table.
    pub(crate) table: FrameNum,
    /// Which of its descriptors.
    pub(crate) index: u32,
}

#[derive(Debug)]
struct FrameInfo {
    state: FrameState,
    /// The reverse map. The zero frame has none, only [`Frames::zero_maps`]: it never leaves RAM, and its
    /// list would be as long as memory.
    mappers: SmallVec<[Mapper; 2]>,
}

/// Frames by what they hold. The fields sum to RAM exactly.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FrameUse {
    /// Free.
    pub free: FrameCount,
    /// The shared zero page.
    pub zero: FrameCount,
    /// Translation tables.
    pub page_tables: FrameCount,
    /// Private memory that was written.
    pub anon: FrameCount,
    /// Pages of files.
    pub file: FrameCount,
    /// Pages of shared anonymous memory.
    pub shmem: FrameCount,
    /// The kernel's own; none yet.
    pub kernel: FrameCount,
}

impl FrameUse {
    /// All of RAM.
    pub const fn total(&self) -> FrameCount {
        FrameCount::new(
            self.free.get()
                + self.zero.get()
                + self.page_tables.get()
                + self.anon.get()
                + self.file.get()
                + self.shmem.get()
                + self.kernel.get(),
        )
    }

    pub(crate) fn of(&mut self, state: FrameState) -> &mut FrameCount {
        match state {
            FrameState::Free => &mut self.free,
            FrameState::Zero => &mut self.zero,
            FrameState::Table { .. } => &mut self.page_tables,
            FrameState::Anon(_) => &mut self.anon,
            FrameState::Cache(CachePage { shmem: false, .. }) => &mut self.file,
            FrameState::Cache(CachePage { shmem: true, .. }) => &mut self.shmem,
        }
    }
}

/// The frame that is zeros for ever.
pub(crate) const ZERO_FRAME: FrameNum = FrameNum::new(0);

/// So many frames are not given to memory that grows, unless reclaim can make as many free: with fewer, the pages that one
/// instruction needs would push each other out for ever, and nobody would be out of RAM. Linux keeps its min watermark so.
const RESERVE: u32 = crate::reclaim::FAULT_NEED + 4;

/// A frame just given out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh {
    pub(crate) frame: FrameNum,
    /// It was never used, so it is as the host gave it: zeros.
    pub(crate) zeroed: bool,
}

/// All frames of RAM.
#[derive(Debug)]
pub(crate) struct Frames {
    /// One for each frame that was ever used.
    info: Vec<FrameInfo>,
    free: Vec<FrameNum>,
    total: u32,
    ram: Bytes,
    usage: FrameUse,
    peak: FrameUse,
    anons: Vec<Anon>,
    free_anons: Vec<AnonId>,
    /// Descriptors that map the zero frame.
    pub(crate) zero_maps: u64,
    /// Which frame leaves first. Taken out only while it is being asked.
    pub(crate) policy: Option<Box<dyn Policy>>,
    /// Frames that the policy named and that cannot leave for now. It does not hold them meanwhile.
    pub(crate) aside: Aside,
    /// Whether pages without a file can leave at all: there is a swap area.
    pub(crate) swaps: bool,
    #[cfg(feature = "inject")]
    pub(crate) inject: crate::inject::Inject,
}

impl Frames {
    pub(crate) fn new(ram: &Ram) -> Self {
        let total = ram.frames().get();
        let mut frames = Self {
            info: Vec::new(),
            free: Vec::new(),
            total,
            ram: ram.size(),
            usage: FrameUse {
                free: FrameCount::new(total),
                ..FrameUse::default()
            },
            peak: FrameUse::default(),
            anons: Vec::new(),
            free_anons: Vec::new(),
            zero_maps: 0,
            policy: Some(policy::Name::default().make(0)),
            aside: Aside::default(),
            swaps: false,
            #[cfg(feature = "inject")]
            inject: Default::default(),
        };
        let zero = frames.allocate(ram, FrameState::Zero, "zero page");
        assert!(
            zero.is_ok_and(|fresh| fresh.frame == ZERO_FRAME),
            "RAM has at least one frame, and the first is frame 0"
        );
        frames
    }

    /// The use of frames when most of them were in use.
    pub(crate) fn peak(&self) -> FrameUse {
        self.peak
    }

    /// How many frames are free.
    pub(crate) fn free_count(&self) -> u32 {
        self.usage.free.get()
    }

    pub(crate) fn usage(&self) -> &FrameUse {
        &self.usage
    }

    pub(crate) fn out_of_ram(&self, what: &'static str) -> OutOfRam {
        OutOfRam { what, ram: self.ram }
    }

    /// Frames that are free or that reclaim can try to make free.
    pub(crate) fn may_become_free(&self) -> u32 {
        let held = self.policy.as_ref().map_or(0, |policy| policy.len());
        self.usage.free.get() + held as u32
    }

    /// Gives out a frame: the one freed last, or else one never used, which the host is asked for first.
    #[inline]
    pub(crate) fn allocate(
        &mut self,
        ram: &Ram,
        state: FrameState,
        what: &'static str,
    ) -> Result<Fresh, OutOfRam> {
        let kind = state.kind();
        if kind == Some(Kind::Anon) && self.usage.free.get() < RESERVE && self.may_become_free() < RESERVE {
            return Err(self.out_of_ram(what));
        }
        let fresh = self.take_free(ram, state, what)?;
        if let Some(kind) = kind {
            self.note_arrival(fresh.frame, Arrival::fresh(kind));
        }
        Ok(fresh)
    }

    /// The same for a page that comes back, or that nobody asked for. Also says whether it counts as needed.
    pub(crate) fn allocate_returning(
        &mut self,
        ram: &Ram,
        state: FrameState,
        what: &'static str,
        arrival: Arrival,
    ) -> Result<(Fresh, bool), OutOfRam> {
        let fresh = self.take_free(ram, state, what)?;
        let hot = self.note_arrival(fresh.frame, arrival);
        Ok((fresh, hot))
    }

    /// Tells the policy of a frame, unless it could not be evicted anyway.
    #[inline]
    fn note_arrival(&mut self, frame: FrameNum, arrival: Arrival) -> bool {
        if arrival.kind == Kind::Anon && !self.swaps {
            return false;
        }
        let policy = self.policy.as_mut();
        policy.is_some_and(|policy| policy.insert(frame, arrival))
    }

    /// A page may be dropped now that could not leave before: `MADV_FREE` without a swap area.
    pub(crate) fn make_evictable(&mut self, frame: FrameNum) {
        self.aside.remove(frame);
        if let Some(policy) = &mut self.policy
            && !policy.contains(frame)
        {
            policy.insert(frame, Arrival::fresh(Kind::Anon));
        }
    }

    /// The victim stays after all, or what was set aside can leave again.
    pub(crate) fn restore(&mut self, frame: FrameNum) {
        self.aside.remove(frame);
        let Some(kind) = self.leaves_as(frame) else {
            return;
        };
        if let Some(policy) = &mut self.policy
            && !policy.contains(frame)
        {
            policy.restore(frame, kind);
        }
    }

    /// The page cannot leave until something changes: it is not to be named meanwhile.
    pub(crate) fn set_aside(&mut self, frame: FrameNum, why: Stuck) {
        if let Some(policy) = &mut self.policy {
            policy.remove(frame);
        }
        if self.leaves_as(frame).is_some() {
            self.aside.put(frame, why);
        }
    }

    /// What a page is to the policy; nothing if it cannot leave as this machine is made.
    fn leaves_as(&self, frame: FrameNum) -> Option<Kind> {
        let kind = self.state(frame).kind()?;
        (self.swaps || kind == Kind::File).then_some(kind)
    }

    #[inline]
    fn take_free(&mut self, ram: &Ram, state: FrameState, what: &'static str) -> Result<Fresh, OutOfRam> {
        #[cfg(feature = "inject")]
        self.inject.attempt(self.out_of_ram(what))?;
        let reused = self.free.pop();
        let fresh = if let Some(frame) = reused {
            self.info[frame.index()].state = state;
            Fresh { frame, zeroed: false }
        } else {
            self.take_unused(ram, state).ok_or(self.out_of_ram(what))?
        };
        self.count(FrameState::Free, -1);
        self.count(state, 1);
        if reused.is_none() {
            // A frame is used for the first time only when all used ones are taken: never were so many in use.
            self.peak = self.usage;
        }
        Ok(fresh)
    }

    fn take_unused(&mut self, ram: &Ram, state: FrameState) -> Option<Fresh> {
        let next = self.info.len() as u32;
        if next == self.total {
            return None;
        }
        let frame = FrameNum::new(next);
        ram.prefault(frame);
        self.info.push(FrameInfo {
            state,
            mappers: SmallVec::new(),
        });
        Some(Fresh { frame, zeroed: true })
    }

    /// Takes a frame back. Nobody may map it any more.
    #[inline]
    pub(crate) fn release(&mut self, frame: FrameNum) {
        let info = &mut self.info[frame.index()];
        assert!(info.mappers.is_empty(), "frame {frame} is freed while mapped");
        let state = std::mem::replace(&mut info.state, FrameState::Free);
        assert!(
            !matches!(state, FrameState::Free | FrameState::Zero),
            "frame {frame} is freed while {state:?}"
        );
        if let Some(policy) = &mut self.policy
            && state.kind().is_some()
        {
            policy.remove(frame);
            self.aside.remove(frame);
        }
        self.free.push(frame);
        self.count(state, -1);
        self.count(FrameState::Free, 1);
    }

    fn count(&mut self, state: FrameState, by: i32) {
        let count = self.usage.of(state);
        *count = FrameCount::new(count.get().wrapping_add_signed(by));
    }

    #[inline]
    pub(crate) fn state(&self, frame: FrameNum) -> FrameState {
        self.info.get(frame.index()).map_or(FrameState::Free, |i| i.state)
    }

    /// The cache page in a frame, to be marked.
    pub(crate) fn cache_page_mut(&mut self, frame: FrameNum) -> &mut CachePage {
        match &mut self.info[frame.index()].state {
            FrameState::Cache(page) => page,
            other => unreachable!("frame {frame} holds {other:?}, not a cache page"),
        }
    }

    /// Counts valid descriptors of a table up or down; gives the new count.
    #[inline]
    pub(crate) fn adjust_live(&mut self, table: FrameNum, by: i32) -> u16 {
        match &mut self.info[table.index()].state {
            FrameState::Table { live, .. } => {
                *live = live
                    .checked_add_signed(by as i16)
                    .expect("a table's count is exact");
                *live
            }
            other => unreachable!("frame {table} holds {other:?}, not a table"),
        }
    }

    /// Descriptors and swap entries in a table.
    pub(crate) fn live(&self, table: FrameNum) -> u16 {
        match self.state(table) {
            FrameState::Table { live, .. } => live,
            other => unreachable!("frame {table} holds {other:?}, not a table"),
        }
    }

    /// Every descriptor that leads to the frame.
    pub(crate) fn mappers(&self, frame: FrameNum) -> &[Mapper] {
        self.info.get(frame.index()).map_or(&[], |i| &i.mappers)
    }

    #[inline]
    pub(crate) fn add_mapper(&mut self, frame: FrameNum, mapper: Mapper) {
        self.info[frame.index()].mappers.push(mapper);
    }

    #[inline]
    pub(crate) fn remove_mapper(&mut self, frame: FrameNum, mapper: Mapper) {
        let mappers = &mut self.info[frame.index()].mappers;
        let at = mappers.iter().position(|&m| m == mapper);
        let at = at.expect("whoever maps a frame is in its reverse map");
        mappers.swap_remove(at);
    }

    pub(crate) fn replace_mapper(&mut self, frame: FrameNum, old: Mapper, new: Mapper) {
        let mappers = &mut self.info[frame.index()].mappers;
        let entry = mappers.iter_mut().find(|m| **m == old);
        *entry.expect("whoever maps a frame is in its reverse map") = new;
    }

    /// A frame for private memory, with one owner. Its bytes are whatever they were, unless `zeroed`.
    #[inline]
    pub(crate) fn allocate_anon(&mut self, ram: &Ram) -> Result<Fresh, OutOfRam> {
        let id = self.free_anons.last().copied();
        let id = id.unwrap_or(AnonId(self.anons.len() as u32));
        let fresh = self.allocate(ram, FrameState::Anon(id), "page of private memory")?;
        let anon = Anon {
            owners: 1,
            lazy: false,
            place: AnonPlace::Resident(fresh.frame),
        };
        if self.free_anons.pop().is_some() {
            self.anons[id.0 as usize] = anon;
        } else {
            self.anons.push(anon);
        }
        Ok(fresh)
    }

    /// A frame for a page that comes back from a slot, which keeps its copy. Also says whether it counts as needed.
    pub(crate) fn readmit_anon(
        &mut self,
        ram: &Ram,
        id: AnonId,
        slot: SlotNum,
        arrival: Arrival,
    ) -> Result<(FrameNum, bool), OutOfRam> {
        debug_assert!(self.anon(id).place == AnonPlace::Swapped(slot));
        let what = "page of swapped memory";
        let (fresh, hot) = self.allocate_returning(ram, FrameState::Anon(id), what, arrival)?;
        self.anon_mut(id).place = AnonPlace::Cached(fresh.frame, slot);
        Ok((fresh.frame, hot))
    }

    #[inline]
    pub(crate) fn anon(&self, id: AnonId) -> &Anon {
        &self.anons[id.0 as usize]
    }

    #[inline]
    pub(crate) fn anon_mut(&mut self, id: AnonId) -> &mut Anon {
        &mut self.anons[id.0 as usize]
    }

    /// One owner less; with the last one goes the frame, and the slot is given for its area. The mapper must be gone
    /// already.
    #[inline]
    #[must_use]
    pub(crate) fn drop_anon(&mut self, id: AnonId) -> Option<SlotNum> {
        let anon = &mut self.anons[id.0 as usize];
        anon.owners -= 1;
        if anon.owners > 0 {
            return None;
        }
        let place = std::mem::replace(&mut anon.place, AnonPlace::Nowhere);
        self.free_anons.push(id);
        if let Some(frame) = place.frame() {
            self.release(frame);
        }
        debug_assert!(place != AnonPlace::Nowhere, "an anon with an owner is somewhere");
        place.slot()
    }

    /// Whether exactly one page-table entry refers to this private page, so that a space which alone reaches that entry may
    /// write in place.
    #[inline]
    pub(crate) fn is_exclusive(&self, id: AnonId) -> bool {
        self.anon(id).owners == 1
    }

    /// Every frame ever used, with its state. For the checker.
    pub(crate) fn all(&self) -> impl Iterator<Item = (FrameNum, FrameState, &[Mapper])> {
        let numbered = self.info.iter().enumerate();
        numbered.map(|(n, info)| (FrameNum::new(n as u32), info.state, &info.mappers[..]))
    }

    /// The stack of free frames. For the checker.
    pub(crate) fn free_stack(&self) -> &[FrameNum] {
        &self.free
    }

    /// Records of anons that are in use. For the checker.
    pub(crate) fn live_anons(&self) -> usize {
        self.anons.len() - self.free_anons.len()
    }
}
