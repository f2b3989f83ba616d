//! Translation tables: real VMSAv8-64 descriptors in frames of RAM, one tree per address space.
//!
//! Key type: [`PageTables`]. Only leaf descriptors of level 3 are made: no blocks yet. Besides valid ones a leaf table
//! holds swap entries (`swap_entry`), which the hardware ignores. A table that holds neither is freed at once (the
//! root stays), so the tables of a space are exactly those that its pages need. Callers own what the descriptors say and queue the [`arch::TlbOp`]s.

use arch::{Descriptor, FrameNum, Granule, PageNum, PageRange, PhysAddr};
use ram::Ram;

use crate::error::OutOfRam;
use crate::frames::{AnonId, FrameState, Frames};

/// The geometry of a granule, with the shifts that a walk needs worked out once. In units of pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) granule: Granule,
    pub(crate) start_level: u8,
    /// log2 of the pages under one descriptor of each level.
    span_bits: [u32; 4],
    index_mask: [u64; 4],
}

impl Shape {
    pub(crate) fn new(granule: Granule) -> Self {
        let geometry = granule.geometry();
        let mut shape = Self {
            granule,
            start_level: geometry.start_level,
            span_bits: [0; 4],
            index_mask: [0; 4],
        };
        for level in geometry.start_level..=3 {
            shape.span_bits[usize::from(level)] = geometry.level_shift(level) - geometry.shift;
            shape.index_mask[usize::from(level)] = (1 << geometry.index_bits[usize::from(level)]) - 1;
        }
        shape
    }

    /// The number of the first page that user space cannot have.
    pub(crate) fn user_end(&self) -> PageNum {
        PageNum::new(self.granule.user_end() >> self.granule.shift())
    }

    /// Where in a table of `level` the descriptor for `page` lies.
    #[inline]
    fn entry(&self, table: FrameNum, page: PageNum, level: u8) -> PhysAddr {
        let level = usize::from(level & 3);
        let index = (page.get() >> self.span_bits[level]) & self.index_mask[level];
        PhysAddr::new(table.start(self.granule).get() + 8 * index)
    }

    /// The first page that the descriptor after this one covers.
    fn next_entry(&self, page: PageNum, level: u8) -> PageNum {
        let span = 1u64 << self.span_bits[usize::from(level & 3)];
        PageNum::new((page.get() | (span - 1)) + 1)
    }

    /// The first page that the leaf table after this page's covers.
    pub(crate) fn next_leaf_table(&self, page: PageNum) -> PageNum {
        self.next_entry(page, 2)
    }

    fn leaf_key(&self, page: PageNum) -> u64 {
        page.get() >> self.span_bits[2]
    }
}

/// The address of a level 3 descriptor in RAM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LeafSlot(PhysAddr);

impl LeafSlot {
    /// This being the slot of `from`: the slot of the later page `to`, which must lie in the same table.
    pub(crate) fn forward(self, to: PageNum, from: PageNum) -> Self {
        Self(PhysAddr::new(self.0.get() + 8 * (to.get() - from.get())))
    }

    /// The slot of the next page, which must lie in the same table.
    pub(crate) fn next(self) -> Self {
        Self(PhysAddr::new(self.0.get() + 8))
    }
}

fn read(ram: &Ram, at: PhysAddr) -> Descriptor {
    Descriptor::from_bits(ram.read(at).expect("tables lie in RAM"))
}

fn write(ram: &Ram, at: PhysAddr, descriptor: Descriptor) {
    ram.write(at, descriptor.bits()).expect("tables lie in RAM");
}

/// Set in every swap entry, so that none is all zeros. Bit 0 is clear: to the hardware it is a hole.
const SWAP_MARK: u64 = 1 << 7;

/// What stands in a page table for a page of private memory that is not mapped: its anon, which knows the slot.
pub(crate) fn swap_entry(anon: AnonId) -> Descriptor {
    Descriptor::from_bits(u64::from(anon.number()) << 8 | SWAP_MARK)
}

/// The anon of a swap entry.
#[inline]
pub(crate) fn swapped_anon(entry: Descriptor) -> Option<AnonId> {
    let is_entry = !entry.is_valid() && entry.bits() & SWAP_MARK != 0;
    is_entry.then(|| AnonId::from_number((entry.bits() >> 8) as u32))
}

/// Whether it is a valid descriptor or a swap entry.
#[inline]
fn is_used(descriptor: Descriptor) -> bool {
    descriptor != Descriptor::INVALID
}

/// The frame that a descriptor leads to.
#[inline]
pub(crate) fn frame_of(descriptor: Descriptor, granule: Granule) -> FrameNum {
    let frame = descriptor.address(granule).frame(granule);
    frame.expect("only frames of RAM are ever put in a descriptor")
}

/// The tables of one address space.
#[derive(Debug)]
pub(crate) struct PageTables {
    root: FrameNum,
    /// Frames in use for tables, with the root.
    count: u32,
    /// The leaf table used last, by the high bits of its pages: most walks of the kernel end in it.
    last_leaf: Option<(u64, FrameNum)>,
}

impl PageTables {
    /// An empty tree: the root table alone.
    pub(crate) fn new(ram: &Ram, frames: &mut Frames, shape: &Shape) -> Result<Self, OutOfRam> {
        let root = new_table(ram, frames, shape.start_level)?;
        Ok(Self {
            root,
            count: 1,
            last_leaf: None,
        })
    }

    pub(crate) fn root(&self) -> FrameNum {
        self.root
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The descriptor of a page, all zeros if there is no table for it. Changes nothing.
    pub(crate) fn get(&self, ram: &Ram, shape: &Shape, page: PageNum) -> Descriptor {
        match self.lookup(ram, shape, page) {
            Some(slot) => self.load(ram, slot),
            None => Descriptor::INVALID,
        }
    }

    fn lookup(&self, ram: &Ram, shape: &Shape, page: PageNum) -> Option<LeafSlot> {
        if let Some((key, leaf)) = self.last_leaf
            && key == shape.leaf_key(page)
        {
            return Some(LeafSlot(shape.entry(leaf, page, 3)));
        }
        let mut table = self.root;
        for level in shape.start_level..3 {
            let descriptor = read(ram, shape.entry(table, page, level));
            if !descriptor.is_valid() {
                return None;
            }
            table = frame_of(descriptor, shape.granule);
        }
        Some(LeafSlot(shape.entry(table, page, 3)))
    }

    /// The slot of a page, if there is a table for it; remembers the table.
    #[inline]
    pub(crate) fn find(&mut self, ram: &Ram, shape: &Shape, page: PageNum) -> Option<LeafSlot> {
        let slot = self.lookup(ram, shape, page)?;
        self.remember(shape, page, slot);
        Some(slot)
    }

    #[inline]
    fn remember(&mut self, shape: &Shape, page: PageNum, slot: LeafSlot) {
        let leaf = slot.0.frame(shape.granule).expect("tables lie in RAM");
        self.last_leaf = Some((shape.leaf_key(page), leaf));
    }

    /// The slot of a page, with tables made where they are missing. On failure nothing was changed. The
    /// caller must put something in the slot, or call [`PageTables::prune`].
    #[inline]
    pub(crate) fn ensure(
        &mut self,
        ram: &Ram,
        frames: &mut Frames,
        shape: &Shape,
        page: PageNum,
    ) -> Result<LeafSlot, OutOfRam> {
        match self.find(ram, shape, page) {
            Some(slot) => Ok(slot),
            // The part of a path that could be made goes again.
            None => self
                .make_path(ram, frames, shape, page)
                .inspect_err(|_| self.prune(ram, frames, shape, page)),
        }
    }

    fn make_path(
        &mut self,
        ram: &Ram,
        frames: &mut Frames,
        shape: &Shape,
        page: PageNum,
    ) -> Result<LeafSlot, OutOfRam> {
        let mut table = self.root;
        for level in shape.start_level..3 {
            let at = shape.entry(table, page, level);
            let descriptor = read(ram, at);
            if descriptor.is_valid() {
                table = frame_of(descriptor, shape.granule);
                continue;
            }
            // All that is still missing, or nothing: no half-made path is ever left behind.
            if frames.free_count() < u32::from(3 - level) {
                return Err(frames.out_of_ram("translation table"));
            }
            let next = new_table(ram, frames, level + 1)?;
            write(ram, at, Descriptor::table(next.start(shape.granule)));
            frames.adjust_live(table, 1);
            self.count += 1;
            table = next;
        }
        let slot = LeafSlot(shape.entry(table, page, 3));
        self.remember(shape, page, slot);
        Ok(slot)
    }

    #[inline]
    pub(crate) fn load(&self, ram: &Ram, slot: LeafSlot) -> Descriptor {
        read(ram, slot.0)
    }

    /// Replaces a descriptor or a swap entry by another.
    #[inline]
    pub(crate) fn replace(&self, ram: &Ram, slot: LeafSlot, descriptor: Descriptor) {
        debug_assert!(is_used(read(ram, slot.0)) && is_used(descriptor));
        write(ram, slot.0, descriptor);
    }

    /// Writes a descriptor or a swap entry where there was neither.
    #[inline]
    pub(crate) fn install(
        &self,
        ram: &Ram,
        frames: &mut Frames,
        shape: &Shape,
        slot: LeafSlot,
        descriptor: Descriptor,
    ) {
        debug_assert!(!is_used(read(ram, slot.0)) && is_used(descriptor));
        write(ram, slot.0, descriptor);
        let table = slot.0.frame(shape.granule).expect("tables lie in RAM");
        frames.adjust_live(table, 1);
    }

    /// Makes a slot all zeros. The table may now be empty: call [`PageTables::prune`] when done with it.
    #[inline]
    pub(crate) fn clear(&self, ram: &Ram, frames: &mut Frames, shape: &Shape, slot: LeafSlot) {
        debug_assert!(is_used(read(ram, slot.0)));
        write(ram, slot.0, Descriptor::INVALID);
        let table = slot.0.frame(shape.granule).expect("tables lie in RAM");
        frames.adjust_live(table, -1);
    }

    /// Frees the tables on the way to `page` that hold nothing, from the leaf up.
    pub(crate) fn prune(&mut self, ram: &Ram, frames: &mut Frames, shape: &Shape, page: PageNum) {
        let mut path = [(self.root, PhysAddr::new(0)); 4];
        let mut depth = 0;
        let mut table = self.root;
        for level in shape.start_level..3 {
            let at = shape.entry(table, page, level);
            let descriptor = read(ram, at);
            if !descriptor.is_valid() {
                break;
            }
            table = frame_of(descriptor, shape.granule);
            path[depth] = (table, at);
            depth += 1;
        }
        for &(table, parent) in path[..depth].iter().rev() {
            if !matches!(frames.state(table), FrameState::Table { live: 0, .. }) {
                return;
            }
            write(ram, parent, Descriptor::INVALID);
            let above = parent.frame(shape.granule).expect("tables lie in RAM");
            frames.adjust_live(above, -1);
            frames.release(table);
            self.count -= 1;
            self.last_leaf = None;
        }
    }

    /// The first page at or after `range.start()`, and before its end, that has a leaf table; with its slot.
    /// Ranges without tables are stepped over by whole descriptors.
    #[inline]
    pub(crate) fn next_slot(
        &mut self,
        ram: &Ram,
        shape: &Shape,
        range: PageRange,
    ) -> Option<(PageNum, LeafSlot)> {
        let mut page = range.start();
        if range.is_empty() {
            return None;
        }
        if let Some((key, leaf)) = self.last_leaf
            && key == shape.leaf_key(page)
        {
            return Some((page, LeafSlot(shape.entry(leaf, page, 3))));
        }
        'from_root: while page < range.end() {
            let mut table = self.root;
            for level in shape.start_level..3 {
                let descriptor = read(ram, shape.entry(table, page, level));
                if !descriptor.is_valid() {
                    page = shape.next_entry(page, level);
                    continue 'from_root;
                }
                table = frame_of(descriptor, shape.granule);
            }
            let slot = LeafSlot(shape.entry(table, page, 3));
            self.remember(shape, page, slot);
            return Some((page, slot));
        }
        None
    }

    /// The next valid descriptor at or after `range.start()`, before its end.
    #[inline]
    pub(crate) fn next_present(
        &mut self,
        ram: &Ram,
        shape: &Shape,
        range: PageRange,
    ) -> Option<(PageNum, LeafSlot, Descriptor)> {
        self.next_where(ram, shape, range, Descriptor::is_valid)
    }

    /// The next valid descriptor or swap entry at or after `range.start()`, before its end.
    #[inline]
    pub(crate) fn next_used(
        &mut self,
        ram: &Ram,
        shape: &Shape,
        range: PageRange,
    ) -> Option<(PageNum, LeafSlot, Descriptor)> {
        self.next_where(ram, shape, range, is_used)
    }

    #[inline]
    fn next_where(
        &mut self,
        ram: &Ram,
        shape: &Shape,
        range: PageRange,
        wanted: impl Fn(Descriptor) -> bool,
    ) -> Option<(PageNum, LeafSlot, Descriptor)> {
        let mut from = range.start();
        loop {
            let rest = PageRange::new(from, range.end())?;
            let (mut page, mut slot) = self.next_slot(ram, shape, rest)?;
            let table_end = shape.next_leaf_table(page).min(range.end());
            while page < table_end {
                let descriptor = read(ram, slot.0);
                if wanted(descriptor) {
                    return Some((page, slot, descriptor));
                }
                page = PageNum::new(page.get() + 1);
                slot = slot.next();
            }
            from = table_end;
        }
    }

    /// Frees the root. Every other table must be gone.
    pub(crate) fn destroy(self, frames: &mut Frames) {
        assert!(self.count == 1, "tables are left in a dying address space");
        frames.release(self.root);
    }

    /// Every present page and swap entry in ascending order, from the root. For the checker and for smaps.
    pub(crate) fn used(
        &self,
        ram: &Ram,
        shape: &Shape,
        range: PageRange,
        mut each: impl FnMut(PageNum, Descriptor),
    ) {
        let mut view = Self {
            root: self.root,
            count: self.count,
            last_leaf: None,
        };
        let mut rest = range;
        while let Some((page, _, descriptor)) = view.next_used(ram, shape, rest) {
            each(page, descriptor);
            let next = PageNum::new(page.get() + 1);
            match PageRange::new(next, range.end()) {
                Some(range) => rest = range,
                None => break,
            }
        }
    }

    /// Every table below and with the root: its frame, level and number of descriptors and swap entries.
    pub(crate) fn tables(&self, ram: &Ram, shape: &Shape, each: &mut impl FnMut(FrameNum, u8, u16)) {
        visit(ram, shape, self.root, shape.start_level, each);
    }

    /// Whether the remembered leaf table is the one that a walk finds. For the checker.
    pub(crate) fn memory_is_true(&self, ram: &Ram, shape: &Shape) -> bool {
        let Some((key, leaf)) = self.last_leaf else {
            return true;
        };
        let page = PageNum::new(key << shape.span_bits[2]);
        let fresh = Self {
            root: self.root,
            count: self.count,
            last_leaf: None,
        };
        fresh.lookup(ram, shape, page) == Some(LeafSlot(shape.entry(leaf, page, 3)))
    }
}

fn new_table(ram: &Ram, frames: &mut Frames, level: u8) -> Result<FrameNum, OutOfRam> {
    let state = FrameState::Table { level, live: 0 };
    let fresh = frames.allocate(ram, state, "translation table")?;
    if !fresh.zeroed {
        ram.zero_frame(fresh.frame);
    }
    Ok(fresh.frame)
}

fn visit(ram: &Ram, shape: &Shape, table: FrameNum, level: u8, each: &mut impl FnMut(FrameNum, u8, u16)) {
    let base = table.start(shape.granule).get();
    let mut live = 0;
    for index in 0..=shape.index_mask[usize::from(level)] {
        let descriptor = read(ram, PhysAddr::new(base + 8 * index));
        if is_used(descriptor) {
            live += 1;
            if level < 3 {
                visit(ram, shape, frame_of(descriptor, shape.granule), level + 1, each);
            }
        }
    }
    each(table, level, live);
}
