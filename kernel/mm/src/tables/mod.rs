//! Translation tables: real VMSAv8-64 descriptors in frames of RAM, one tree per address space.
//!
//! Key type: [`PageTables`]. Only leaf descriptors of level 3 are made: no blocks yet. Besides valid ones a leaf table
//! holds swap entries (`swap_entry`), which the hardware ignores. A table that holds neither is freed at once (the
//! root stays), so the tables of a space are exactly those that its pages need. Callers own what the descriptors say and
//! queue the [`arch::TlbOp`]s.
//!
//! A table may be reached from several roots, at the same place of each (`sharing`): then a table descriptor on each way to it
//! has APTable say read-only, and whoever changes its descriptors for one space alone has to copy it first.

use arch::{Descriptor, FrameNum, Granule, PageNum, PageRange, PhysAddr};
use ram::Ram;

use crate::error::OutOfRam;
use crate::families::FamilyId;
use crate::frames::{AnonId, FrameState, Frames};

mod shape;

pub(crate) use shape::{LeafSlot, Shape};

pub(crate) fn read(ram: &Ram, at: PhysAddr) -> Descriptor {
    Descriptor::from_bits(ram.read(at).expect("tables lie in RAM"))
}

pub(crate) fn write(ram: &Ram, at: PhysAddr, descriptor: Descriptor) {
    ram.write(at, descriptor.bits()).expect("tables lie in RAM");
}

/// The descriptor or swap entry in a slot, whoever reaches it.
#[inline]
pub(crate) fn load(ram: &Ram, slot: LeafSlot) -> Descriptor {
    read(ram, slot.0)
}

/// Replaces a descriptor or a swap entry by another, for everybody who reaches it.
#[inline]
pub(crate) fn replace(ram: &Ram, slot: LeafSlot, descriptor: Descriptor) {
    debug_assert!(is_used(read(ram, slot.0)) && is_used(descriptor));
    write(ram, slot.0, descriptor);
}

/// Makes a slot all zeros, for everybody who reaches it. The table may now be empty.
pub(crate) fn clear(ram: &Ram, frames: &mut Frames, shape: &Shape, slot: LeafSlot) {
    debug_assert!(is_used(read(ram, slot.0)));
    write(ram, slot.0, Descriptor::INVALID);
    let table = slot.0.frame(shape.granule).expect("tables lie in RAM");
    frames.adjust_live(table, -1);
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

/// The table of `level` on the way to a page from a root, if there is one.
#[inline]
pub(crate) fn table_at(
    ram: &Ram,
    shape: &Shape,
    root: FrameNum,
    page: PageNum,
    level: u8,
) -> Option<FrameNum> {
    let mut table = root;
    for above in shape.start_level..level {
        let descriptor = read(ram, shape.entry(table, page, above));
        if !descriptor.is_valid() {
            return None;
        }
        table = frame_of(descriptor, shape.granule);
    }
    Some(table)
}

/// A leaf table that a walk found.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    /// The high bits of its pages.
    key: u64,
    table: FrameNum,
    /// No descriptor on the way to it forbids writes: nobody else reaches it.
    own: bool,
}

/// The tables of one address space.
#[derive(Debug)]
pub(crate) struct PageTables {
    root: FrameNum,
    family: FamilyId,
    /// Tables that the space reaches, with the root.
    pub(crate) count: u32,
    /// The leaf table used last: most walks of the kernel end in it.
    last_leaf: Option<Leaf>,
}

impl PageTables {
    /// An empty tree: the root table alone.
    pub(crate) fn new(
        ram: &Ram,
        frames: &mut Frames,
        shape: &Shape,
        family: FamilyId,
    ) -> Result<Self, OutOfRam> {
        let root = new_table(ram, frames, family, shape.start_level, 0)?;
        Ok(Self {
            root,
            family,
            count: 1,
            last_leaf: None,
        })
    }

    pub(crate) fn root(&self) -> FrameNum {
        self.root
    }

    /// Whose tables they are.
    pub(crate) fn family(&self) -> FamilyId {
        self.family
    }

    /// The tables on the way to some leaf, or what is said of them, changed.
    pub(crate) fn forget_last(&mut self) {
        self.last_leaf = None;
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

    /// The slot of a page, if there is a table for it.
    #[inline]
    pub(crate) fn lookup(&self, ram: &Ram, shape: &Shape, page: PageNum) -> Option<LeafSlot> {
        let leaf = self.leaf(ram, shape, page).ok()?;
        Some(LeafSlot(shape.entry(leaf.table, page, 3)))
    }

    /// The leaf table of a page, or the level at which the way to it ends and whether it is the space's own so far.
    #[inline]
    fn leaf(&self, ram: &Ram, shape: &Shape, page: PageNum) -> Result<Leaf, (u8, bool)> {
        let key = shape.leaf_key(page);
        if let Some(leaf) = self.last_leaf
            && leaf.key == key
        {
            return Ok(leaf);
        }
        let mut table = self.root;
        let mut own = true;
        for level in shape.start_level..3 {
            let descriptor = read(ram, shape.entry(table, page, level));
            if !descriptor.is_valid() {
                return Err((level, own));
            }
            own &= !descriptor.is_table_read_only();
            table = frame_of(descriptor, shape.granule);
        }
        Ok(Leaf { key, table, own })
    }

    /// Whether no descriptor on the way to a page forbids writes: what there is of it is the space's own.
    #[inline]
    pub(crate) fn is_own(&self, ram: &Ram, shape: &Shape, page: PageNum) -> bool {
        match self.leaf(ram, shape, page) {
            Ok(leaf) => leaf.own,
            Err((_, own)) => own,
        }
    }

    /// The slot of a page, if there is a table for it; remembers the table.
    #[inline]
    pub(crate) fn find(&mut self, ram: &Ram, shape: &Shape, page: PageNum) -> Option<LeafSlot> {
        let leaf = self.leaf(ram, shape, page).ok()?;
        self.last_leaf = Some(leaf);
        Some(LeafSlot(shape.entry(leaf.table, page, 3)))
    }

    /// The slot of a page, with tables made where they are missing. On failure nothing was changed. What there is of the way
    /// must be the space's own (`Core::own_path`). The caller must put something in the slot, or call
    /// [`PageTables::prune`].
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
            let number = shape.table_number(page, level + 1);
            let next = new_table(ram, frames, self.family, level + 1, number)?;
            write(ram, at, Descriptor::table(next.start(shape.granule)));
            frames.adjust_live(table, 1);
            self.count += 1;
            table = next;
        }
        let key = shape.leaf_key(page);
        let own = true;
        self.last_leaf = Some(Leaf { key, table, own });
        Ok(LeafSlot(shape.entry(table, page, 3)))
    }

    #[inline]
    pub(crate) fn load(&self, ram: &Ram, slot: LeafSlot) -> Descriptor {
        load(ram, slot)
    }

    /// Replaces a descriptor or a swap entry by another.
    #[inline]
    pub(crate) fn replace(&self, ram: &Ram, slot: LeafSlot, descriptor: Descriptor) {
        replace(ram, slot, descriptor);
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
        clear(ram, frames, shape, slot);
    }

    /// Frees the tables on the way to `page` that hold nothing, from the leaf up. Nobody else may reach those.
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
        while page < range.end() {
            match self.leaf(ram, shape, page) {
                Ok(leaf) => {
                    self.last_leaf = Some(leaf);
                    return Some((page, LeafSlot(shape.entry(leaf.table, page, 3))));
                }
                Err((level, _)) => page = shape.next_entry(page, level),
            }
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
        assert!(
            matches!(frames.state(self.root), FrameState::Table { live: 0, .. }),
            "tables are left in a dying address space"
        );
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
        let mut view = self.fresh();
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

    /// The same tables, with nothing remembered.
    fn fresh(&self) -> Self {
        Self {
            last_leaf: None,
            ..*self
        }
    }

    /// Every table below and with the root, from the leaves up.
    pub(crate) fn tables(&self, ram: &Ram, shape: &Shape, each: &mut impl FnMut(Visit)) {
        let root = Visit {
            table: self.root,
            level: shape.start_level,
            live: 0,
            number: 0,
            own: true,
        };
        visit(ram, shape, root, each);
    }

    /// Whether the remembered leaf table is the one that a walk finds. For the checker.
    pub(crate) fn memory_is_true(&self, ram: &Ram, shape: &Shape) -> bool {
        let Some(last) = self.last_leaf else {
            return true;
        };
        let page = shape.leaf_start(last.key);
        let found = self.fresh().leaf(ram, shape, page);
        found.is_ok_and(|leaf| leaf.table == last.table && leaf.own == last.own)
    }
}

/// An empty table at its place in a tree.
pub(crate) fn new_table(
    ram: &Ram,
    frames: &mut Frames,
    family: FamilyId,
    level: u8,
    number: u32,
) -> Result<FrameNum, OutOfRam> {
    let state = FrameState::Table {
        level,
        live: 0,
        family,
        number,
    };
    let fresh = frames.allocate(ram, state, "translation table")?;
    if !fresh.zeroed {
        ram.zero_frame(fresh.frame);
    }
    Ok(fresh.frame)
}

/// A table, as a walk over all of a space's finds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Visit {
    pub(crate) table: FrameNum,
    pub(crate) level: u8,
    /// Descriptors and swap entries in it.
    pub(crate) live: u16,
    pub(crate) number: u32,
    /// No descriptor on the way to it forbids writes.
    pub(crate) own: bool,
}

fn visit(ram: &Ram, shape: &Shape, mut at: Visit, each: &mut impl FnMut(Visit)) {
    let base = at.table.start(shape.granule).get();
    let below = if at.level < 3 {
        u64::from(shape.entries(at.level))
    } else {
        0
    };
    for index in 0..u64::from(shape.entries(at.level)) {
        let descriptor = read(ram, PhysAddr::new(base + 8 * index));
        if !is_used(descriptor) {
            continue;
        }
        at.live += 1;
        if at.level < 3 {
            let next = Visit {
                table: frame_of(descriptor, shape.granule),
                level: at.level + 1,
                live: 0,
                number: at.number * below as u32 + index as u32,
                own: at.own && !descriptor.is_table_read_only(),
            };
            visit(ram, shape, next, each);
        }
    }
    each(at);
}
