//! Where things lie in the tables of a granule: the geometry in units of pages, and the address of a leaf descriptor.
//!
//! Key types: [`Shape`] and [`LeafSlot`]. Neighbours: `arch`, which has the geometry in bits, and `tables`, which walks by it.

use arch::{FrameNum, Granule, PageNum, PageRange, PhysAddr};

use crate::frames::Mapper;

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
    pub(crate) fn entry(&self, table: FrameNum, page: PageNum, level: u8) -> PhysAddr {
        let level = usize::from(level & 3);
        let index = (page.get() >> self.span_bits[level]) & self.index_mask[level];
        PhysAddr::new(table.start(self.granule).get() + 8 * index)
    }

    /// Which descriptor of a table of `level` is for `page`.
    pub(crate) fn index(&self, page: PageNum, level: u8) -> u32 {
        let level = usize::from(level & 3);
        ((page.get() >> self.span_bits[level]) & self.index_mask[level]) as u32
    }

    /// Which descriptor of a table of `level` is for the last of these pages, which are one at least.
    pub(crate) fn last_index(&self, pages: PageRange, level: u8) -> u32 {
        self.index(PageNum::new(pages.end().get() - 1), level)
    }

    /// How many descriptors a table of `level` has.
    pub(crate) fn entries(&self, level: u8) -> u32 {
        self.index_mask[usize::from(level & 3)] as u32 + 1
    }

    /// Where a descriptor of a table lies.
    #[inline]
    pub(crate) fn at(&self, table: FrameNum, index: u32) -> PhysAddr {
        PhysAddr::new(table.start(self.granule).get() + 8 * u64::from(index))
    }

    /// The first page that the descriptor after this one covers.
    pub(crate) fn next_entry(&self, page: PageNum, level: u8) -> PageNum {
        let span = 1u64 << self.span_bits[usize::from(level & 3)];
        PageNum::new((page.get() | (span - 1)) + 1)
    }

    /// The first page that the leaf table after this page's covers.
    pub(crate) fn next_leaf_table(&self, page: PageNum) -> PageNum {
        self.next_entry(page, 2)
    }

    /// All pages under the descriptor of `level` that covers this one.
    pub(crate) fn span(&self, page: PageNum, level: u8) -> PageRange {
        let end = self.next_entry(page, level);
        let start = PageNum::new(end.get() - (1 << self.span_bits[usize::from(level & 3)]));
        PageRange::new(start, end).expect("a descriptor covers pages")
    }

    /// The number of the table of `level` on the way to a page, among all of that level.
    pub(crate) fn table_number(&self, page: PageNum, level: u8) -> u32 {
        match level > self.start_level {
            true => (page.get() >> self.span_bits[usize::from(level - 1) & 3]) as u32,
            false => 0,
        }
    }

    /// The page of a descriptor of the leaf table with this number.
    pub(crate) fn page_in(&self, number: u32, index: u32) -> PageNum {
        PageNum::new((u64::from(number) << self.span_bits[2]) + u64::from(index))
    }

    /// The name of a descriptor in the reverse map.
    #[inline]
    pub(crate) fn mapper(&self, slot: LeafSlot) -> Mapper {
        let table = slot.0.frame(self.granule).expect("tables lie in RAM");
        let index = (slot.0.get() & self.granule.offset_mask()) / 8;
        Mapper {
            table,
            index: index as u32,
        }
    }

    /// The descriptor that the reverse map names so.
    #[inline]
    pub(crate) fn slot(&self, mapper: Mapper) -> LeafSlot {
        let start = mapper.table.start(self.granule).get();
        LeafSlot(PhysAddr::new(start + 8 * u64::from(mapper.index)))
    }

    pub(super) fn leaf_key(&self, page: PageNum) -> u64 {
        page.get() >> self.span_bits[2]
    }

    /// The first page of the leaf table with this key.
    pub(super) fn leaf_start(&self, key: u64) -> PageNum {
        PageNum::new(key << self.span_bits[2])
    }
}

/// The address of a level 3 descriptor in RAM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LeafSlot(pub(super) PhysAddr);

impl LeafSlot {
    /// The slot of the next page, which must lie in the same table.
    pub(crate) fn next(self) -> Self {
        Self(PhysAddr::new(self.0.get() + 8))
    }
}
