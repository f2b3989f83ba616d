//! One entry of `PID/pagemap` ([`PagemapEntry`]; Documentation/admin-guide/mm/pagemap.rst).

/// Bytes of one entry; the entry of the page at `addr` is at file offset `addr / page size * 8`.
pub const PAGEMAP_ENTRY_BYTES: u64 = 8;

/// The 64 bits that `pagemap` holds for one page, in the host's byte order (little-endian here).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PagemapEntry(pub u64);

const FRAME_MASK: u64 = (1 << 55) - 1;

impl PagemapEntry {
    /// Bit 55: soft-dirty.
    pub const SOFT_DIRTY: u64 = 1 << 55;
    /// Bit 56: exclusively mapped.
    pub const EXCLUSIVE: u64 = 1 << 56;
    /// Bit 57: write-protected by userfaultfd.
    pub const UFFD_WP: u64 = 1 << 57;
    /// Bit 58: a guard region (6.15). Linux sets bit 62 with it, so a guard is not swap.
    pub const GUARD: u64 = 1 << 58;
    /// Bit 61: file page or shared anonymous.
    pub const FILE: u64 = 1 << 61;
    /// Bit 62: swapped.
    pub const SWAPPED: u64 = 1 << 62;
    /// Bit 63: present.
    pub const PRESENT: u64 = 1 << 63;

    /// Whether all of `bits` are set.
    #[must_use]
    pub fn has(self, bits: u64) -> bool {
        self.0 & bits == bits
    }

    /// Swapped out for real: a guard region, which also carries the swap bit, is not.
    #[must_use]
    pub fn is_in_swap(self) -> bool {
        self.has(Self::SWAPPED) && !self.has(Self::GUARD)
    }

    /// The frame number of a present page; 0 if the reader may not know it (no CAP_SYS_ADMIN).
    #[must_use]
    pub fn frame(self) -> Option<u64> {
        self.has(Self::PRESENT).then_some(self.0 & FRAME_MASK)
    }

    /// Swap type and offset of a page in swap: bits 0-4 and 5-54.
    #[must_use]
    pub fn swap_slot(self) -> Option<(u8, u64)> {
        self.is_in_swap()
            .then_some(((self.0 & 0x1f) as u8, (self.0 & FRAME_MASK) >> 5))
    }

    /// A present page in `frame`.
    #[must_use]
    pub fn present(frame: u64) -> Self {
        Self(Self::PRESENT | (frame & FRAME_MASK))
    }

    /// A page in swap area `area` (0..=31) at `offset`.
    #[must_use]
    pub fn swapped(area: u8, offset: u64) -> Self {
        Self(Self::SWAPPED | u64::from(area & 0x1f) | ((offset << 5) & FRAME_MASK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_documentation() {
        assert_eq!(PagemapEntry(0x8180_0000_0000_1234).frame(), Some(0x1234));
        assert!(PagemapEntry(0x8180_0000_0000_1234).has(PagemapEntry::EXCLUSIVE | PagemapEntry::SOFT_DIRTY));
        assert_eq!(PagemapEntry(0x4000_0000_0000_0062).swap_slot(), Some((2, 3)));
        assert_eq!(PagemapEntry::swapped(2, 3).0, 0x4000_0000_0000_0062);
        // A guard region as 6.18 shows it: bits 58 and 62.
        assert!(!PagemapEntry(1 << 58 | 1 << 62).is_in_swap());
        assert_eq!(PagemapEntry(0).frame(), None);
    }
}
