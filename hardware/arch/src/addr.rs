//! Addresses, pages, frames and counts: distinct types with checked verbs instead of `+`.
//!
//! Key types: [`VirtAddr`], [`PhysAddr`], [`PageNum`] (a virtual page), [`FrameNum`] (a physical one),
//! [`PageRange`], and the counts [`Bytes`], [`PageCount`], [`FrameCount`]. Going between an address and a
//! page needs a [`Granule`] *value*, because the page size is chosen at run time.

use core::fmt;

use crate::granule::Granule;

macro_rules! newtype {
    ($(#[$doc:meta])* $name:ident, $repr:ty, $show:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(transparent)]
        pub struct $name($repr);

        impl $name {
            /// Wraps the plain number.
            pub const fn new(value: $repr) -> Self {
                Self(value)
            }

            /// The plain number.
            pub const fn get(self) -> $repr {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "(", $show, ")"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $show, self.0)
            }
        }
    };
}

newtype!(
    /// A virtual address as a program uses it, in bytes. It need not be canonical: bits above the
    /// translated range are checked by the walk, not by this type.
    VirtAddr, u64, "{:#x}"
);
newtype!(
    /// A physical address, in bytes. RAM begins at 0.
    PhysAddr, u64, "{:#x}"
);
newtype!(
    /// A virtual page: the address divided by the granule.
    PageNum, u64, "{:#x}"
);
newtype!(
    /// A physical page frame: the physical address divided by the granule.
    FrameNum, u32, "{:#x}"
);
newtype!(
    /// A number of bytes.
    Bytes, u64, "{}"
);
newtype!(
    /// A number of virtual pages.
    PageCount, u64, "{}"
);
newtype!(
    /// A number of physical frames.
    FrameCount, u32, "{}"
);

macro_rules! address_verbs {
    ($name:ident) => {
        impl $name {
            /// The address `by` bytes higher, or `None` past the end of 64 bits.
            pub const fn checked_add(self, by: Bytes) -> Option<Self> {
                match self.0.checked_add(by.0) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }

            /// The address `by` bytes lower, or `None` below zero.
            pub const fn checked_sub(self, by: Bytes) -> Option<Self> {
                match self.0.checked_sub(by.0) {
                    Some(difference) => Some(Self(difference)),
                    None => None,
                }
            }

            /// How far this address lies above `base`, or `None` if it lies below.
            pub const fn offset_from(self, base: Self) -> Option<Bytes> {
                match self.0.checked_sub(base.0) {
                    Some(difference) => Some(Bytes(difference)),
                    None => None,
                }
            }

            /// The address rounded down to the granule.
            pub const fn align_down(self, granule: Granule) -> Self {
                Self(self.0 & !granule.offset_mask())
            }

            /// The address rounded up to the granule, or `None` past the end of 64 bits.
            pub const fn align_up(self, granule: Granule) -> Option<Self> {
                match self.0.checked_add(granule.offset_mask()) {
                    Some(sum) => Some(Self(sum & !granule.offset_mask())),
                    None => None,
                }
            }

            /// Whether the address is a multiple of the granule.
            pub const fn is_aligned(self, granule: Granule) -> bool {
                self.0 & granule.offset_mask() == 0
            }

            /// The byte's place inside its page.
            pub const fn page_offset(self, granule: Granule) -> Bytes {
                Bytes(self.0 & granule.offset_mask())
            }
        }
    };
}

address_verbs!(VirtAddr);
address_verbs!(PhysAddr);

impl VirtAddr {
    /// The page that holds this address.
    pub const fn page(self, granule: Granule) -> PageNum {
        PageNum(self.0 >> granule.shift())
    }

    /// The address without its top byte: with `TCR_EL1.TBI0` set, as Linux sets it for user space, loads,
    /// stores and TLB look-ups ignore bits 63:56 (Arm ARM D8.9.1).
    pub const fn untagged(self) -> Self {
        Self(self.0 & 0x00ff_ffff_ffff_ffff)
    }
}

impl PhysAddr {
    /// The frame that holds this address, or `None` if RAM could never be so large.
    pub const fn frame(self, granule: Granule) -> Option<FrameNum> {
        let number = self.0 >> granule.shift();
        if number <= u32::MAX as u64 {
            Some(FrameNum(number as u32))
        } else {
            None
        }
    }
}

impl PageNum {
    /// The page's first address. Pages beyond 64 bits of address do not exist; the top bits are lost.
    pub const fn start(self, granule: Granule) -> VirtAddr {
        VirtAddr(self.0 << granule.shift())
    }

    /// The page `by` pages higher, or `None` past the end.
    pub const fn checked_add(self, by: PageCount) -> Option<Self> {
        match self.0.checked_add(by.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The page `by` pages lower, or `None` below zero.
    pub const fn checked_sub(self, by: PageCount) -> Option<Self> {
        match self.0.checked_sub(by.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// How many pages this one lies above `base`, or `None` if it lies below.
    pub const fn offset_from(self, base: Self) -> Option<PageCount> {
        match self.0.checked_sub(base.0) {
            Some(difference) => Some(PageCount(difference)),
            None => None,
        }
    }
}

impl FrameNum {
    /// The frame's first physical address.
    pub const fn start(self, granule: Granule) -> PhysAddr {
        PhysAddr((self.0 as u64) << granule.shift())
    }

    /// The frame's number as an index into a table of frames.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Bytes {
    /// No bytes.
    pub const ZERO: Self = Self(0);

    /// How many whole pages hold this many bytes, or `None` if rounding up overflows.
    pub const fn pages_up(self, granule: Granule) -> Option<PageCount> {
        match self.0.checked_add(granule.offset_mask()) {
            Some(sum) => Some(PageCount(sum >> granule.shift())),
            None => None,
        }
    }

    /// The bytes in kibibytes, rounded down: the unit of most of `/proc`.
    pub const fn kib(self) -> u64 {
        self.0 >> 10
    }
}

impl PageCount {
    /// No pages.
    pub const ZERO: Self = Self(0);

    /// The pages' size in bytes. Counts come from 64-bit addresses, so this cannot overflow for them.
    pub const fn bytes(self, granule: Granule) -> Bytes {
        Bytes(self.0 << granule.shift())
    }
}

impl FrameCount {
    /// The frames' size in bytes.
    pub const fn bytes(self, granule: Granule) -> Bytes {
        Bytes((self.0 as u64) << granule.shift())
    }
}

/// Pages from `start` up to, not including, `end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageRange {
    start: PageNum,
    end: PageNum,
}

impl PageRange {
    /// The range, or `None` if `end` lies below `start`. An empty range is legal.
    pub const fn new(start: PageNum, end: PageNum) -> Option<Self> {
        if start.0 <= end.0 {
            Some(Self { start, end })
        } else {
            None
        }
    }

    /// `count` pages from `start`, or `None` past the end of 64 bits.
    pub const fn from_count(start: PageNum, count: PageCount) -> Option<Self> {
        match start.checked_add(count) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// The one page.
    pub const fn single(page: PageNum) -> Self {
        Self {
            start: page,
            end: PageNum(page.0 + 1),
        }
    }

    /// The first page.
    pub const fn start(self) -> PageNum {
        self.start
    }

    /// The page after the last.
    pub const fn end(self) -> PageNum {
        self.end
    }

    /// The number of pages.
    pub const fn count(self) -> PageCount {
        PageCount(self.end.0 - self.start.0)
    }

    /// Whether there is no page in it.
    pub const fn is_empty(self) -> bool {
        self.start.0 == self.end.0
    }

    /// Whether `page` is one of these.
    pub const fn contains(self, page: PageNum) -> bool {
        self.start.0 <= page.0 && page.0 < self.end.0
    }

    /// Whether all of `other` lies inside.
    pub const fn contains_range(self, other: Self) -> bool {
        self.start.0 <= other.start.0 && other.end.0 <= self.end.0
    }

    /// The pages of both, or `None` if they share none.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        (start < end).then_some(Self { start, end })
    }

    /// Whether they share a page.
    pub fn overlaps(self, other: Self) -> bool {
        self.intersection(other).is_some()
    }

    /// Each page in ascending order.
    pub fn pages(self) -> impl DoubleEndedIterator<Item = PageNum> {
        (self.start.0..self.end.0).map(PageNum)
    }
}

impl fmt::Debug for PageRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pages {:#x}..{:#x}", self.start.0, self.end.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_to_each_granule() {
        let a = VirtAddr::new(0x1_2345);
        assert_eq!(a.align_down(Granule::K4).get(), 0x1_2000);
        assert_eq!(a.align_down(Granule::K16).get(), 0x1_0000);
        assert_eq!(a.align_up(Granule::K16), Some(VirtAddr::new(0x1_4000)));
        assert_eq!(a.align_up(Granule::K64), Some(VirtAddr::new(0x2_0000)));
        assert_eq!(VirtAddr::new(u64::MAX).align_up(Granule::K4), None);
        assert_eq!(a.page(Granule::K16), PageNum::new(4));
        assert_eq!(a.page_offset(Granule::K64), Bytes::new(0x2345));
    }

    #[test]
    fn verbs_refuse_to_wrap() {
        assert_eq!(VirtAddr::new(u64::MAX).checked_add(Bytes::new(1)), None);
        assert_eq!(PhysAddr::new(1).checked_sub(Bytes::new(2)), None);
        assert_eq!(PageNum::new(3).offset_from(PageNum::new(4)), None);
        assert_eq!(PhysAddr::new(1 << 50).frame(Granule::K4), None);
    }

    #[test]
    fn ranges_intersect_only_where_they_share_pages() {
        let range = |a, b| PageRange::new(PageNum::new(a), PageNum::new(b)).expect("ordered");
        assert_eq!(range(1, 4).intersection(range(3, 9)), Some(range(3, 4)));
        assert_eq!(range(1, 4).intersection(range(4, 9)), None);
        assert!(range(1, 4).contains_range(range(2, 4)));
        assert!(PageRange::new(PageNum::new(4), PageNum::new(1)).is_none());
        assert_eq!(range(2, 5).pages().count(), 3);
    }

    #[test]
    fn the_top_byte_is_no_part_of_the_place() {
        assert_eq!(
            VirtAddr::new(0xab00_7fff_0000_1000).untagged(),
            VirtAddr::new(0x7fff_0000_1000)
        );
    }
}
