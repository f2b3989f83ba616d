//! VMSAv8-64 stage 1 descriptors (Arm ARM D8.3): the one language in which the kernel half tells the
//! hardware half where a page lies and what may be done with it.
//!
//! ```text
//!  63   58 55 54  53  52  51  50   47 ............ 12  11 10 9 8  7  6  5 4  2  1 0
//! | PBHA |sw |UXN|PXN|Con|DBM|GP |  output address   |nG|AF| SH |RO|EL0|NS|Attr|T|V|
//! ```
//!
//! Key types: [`Descriptor`], the 64 bits; [`DescriptorKind`], what they are at a level;
//! [`PageAttributes`], what a kernel asks for when it makes a page descriptor.
//!
//! A table descriptor limits everything below it (D8.4, hierarchical permissions): in its bits 62:59, which a leaf has PBHA in,
//! lie APTable, UXNTable and PXNTable. So one bit protects a whole subtree, which kernels share between address spaces by.
//!
//! Dirty state is the hardware's (FEAT_HAFDBS): a page that may be written and was not is read-only with
//! DBM set; the first write clears the read-only bit. So "dirty" is: DBM set and AP\[2\] clear.

use core::fmt;

use crate::addr::PhysAddr;
use crate::granule::Granule;

/// One stage 1 translation table entry.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
#[repr(transparent)]
pub struct Descriptor(u64);

/// What a descriptor is at its level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DescriptorKind {
    /// Bit 0 is clear: a walk ends in a translation fault, and the other 63 bits are the kernel's own.
    Invalid,
    /// The next level's table.
    Table,
    /// A block (levels 1 and 2) or a page (level 3).
    Leaf,
    /// An encoding that is reserved at this level: a walk ends in a translation fault.
    Reserved,
}

/// What a page descriptor lets user space do, and the state it starts in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PageAttributes {
    /// User space may write: sets DBM, with the page clean until `dirty`.
    pub writable: bool,
    /// User space may execute: clears UXN.
    pub executable: bool,
    /// The access flag is set already, so the first access will not set it.
    pub accessed: bool,
    /// The page is dirty already (AP\[2\] clear); only meaningful with `writable`.
    pub dirty: bool,
}

impl Descriptor {
    /// Bit 0: the descriptor is valid.
    pub const VALID: u64 = 1 << 0;
    /// Bit 1: a table at levels 0 to 2, a page at level 3.
    pub const TABLE: u64 = 1 << 1;
    /// Bits 4:2, AttrIndx: the memory type, an index into `MAIR_EL1`. Index 0 is Normal memory here.
    pub const ATTR_INDEX: u64 = 0b111 << 2;
    /// Bit 6, AP\[1\]: EL0 may access.
    pub const AP_EL0: u64 = 1 << 6;
    /// Bit 7, AP\[2\]: read-only.
    pub const AP_READ_ONLY: u64 = 1 << 7;
    /// Bits 9:8, SH: 0b11 is Inner Shareable.
    pub const SH_INNER: u64 = 0b11 << 8;
    /// Bit 10, AF: the page was accessed.
    pub const AF: u64 = 1 << 10;
    /// Bit 11, nG: the translation belongs to one ASID.
    pub const NOT_GLOBAL: u64 = 1 << 11;
    /// Bit 51, DBM: the hardware may clear AP\[2\] at the first write (FEAT_HAFDBS).
    pub const DBM: u64 = 1 << 51;
    /// Bit 52: one of a contiguous set.
    pub const CONTIGUOUS: u64 = 1 << 52;
    /// Bit 53, PXN: not executable by the kernel.
    pub const PXN: u64 = 1 << 53;
    /// Bit 54, UXN: not executable by user space.
    pub const UXN: u64 = 1 << 54;
    /// Bits 58:55: ignored by the hardware, free for the kernel.
    pub const SOFTWARE: u64 = 0b1111 << 55;
    /// Bit 60 of a table descriptor, UXNTable: nothing below is executable by user space.
    pub const UXN_TABLE: u64 = 1 << 60;
    /// Bit 61 of a table descriptor, APTable\[0\]: EL0 may access nothing below.
    pub const AP_TABLE_NO_EL0: u64 = 1 << 61;
    /// Bit 62 of a table descriptor, APTable\[1\]: nothing below is writable, and no dirty state is set there.
    pub const AP_TABLE_READ_ONLY: u64 = 1 << 62;
    /// Bits 47:12: the output address (its low bits are zero at larger granules).
    pub const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

    /// An invalid descriptor of all zeros.
    pub const INVALID: Self = Self(0);

    /// The descriptor of these 64 bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// A table descriptor: the next level lies at `table`.
    pub const fn table(table: PhysAddr) -> Self {
        Self(table.get() & Self::ADDRESS | Self::TABLE | Self::VALID)
    }

    /// A level 3 page descriptor for user space.
    pub const fn page(frame: PhysAddr, attributes: PageAttributes) -> Self {
        let mut bits = frame.get() & Self::ADDRESS
            | Self::VALID
            | Self::TABLE
            | Self::AP_EL0
            | Self::SH_INNER
            | Self::NOT_GLOBAL
            | Self::PXN;
        if attributes.writable {
            bits |= Self::DBM;
        }
        if !(attributes.writable && attributes.dirty) {
            bits |= Self::AP_READ_ONLY;
        }
        if !attributes.executable {
            bits |= Self::UXN;
        }
        if attributes.accessed {
            bits |= Self::AF;
        }
        Self(bits)
    }

    /// What it is in a table of `level` with this granule.
    pub const fn kind(self, level: u8, granule: Granule) -> DescriptorKind {
        if self.0 & Self::VALID == 0 {
            return DescriptorKind::Invalid;
        }
        let bit1 = self.0 & Self::TABLE != 0;
        match (level, bit1) {
            (3, true) => DescriptorKind::Leaf,
            (3, false) => DescriptorKind::Reserved,
            (_, true) => DescriptorKind::Table,
            // Blocks: level 1 with 4 KiB, level 2 with all three (D8.3.1).
            (2, false) => DescriptorKind::Leaf,
            (1, false) if matches!(granule, Granule::K4) => DescriptorKind::Leaf,
            _ => DescriptorKind::Reserved,
        }
    }

    /// Whether bit 0 is set.
    pub const fn is_valid(self) -> bool {
        self.0 & Self::VALID != 0
    }

    /// The physical address in it, rounded to the granule.
    pub const fn address(self, granule: Granule) -> PhysAddr {
        PhysAddr::new(self.0 & Self::ADDRESS & !granule.offset_mask())
    }

    /// Whether user space may access it at all.
    pub const fn is_user(self) -> bool {
        self.0 & Self::AP_EL0 != 0
    }

    /// Whether a write is allowed: now, or after the hardware has cleared AP\[2\].
    pub const fn is_writable(self) -> bool {
        self.0 & Self::AP_READ_ONLY == 0 || self.0 & Self::DBM != 0
    }

    /// Whether user space may execute it.
    pub const fn is_executable(self) -> bool {
        self.0 & Self::UXN == 0
    }

    /// Whether it was accessed.
    pub const fn is_accessed(self) -> bool {
        self.0 & Self::AF != 0
    }

    /// Whether it was written: AP\[2\] is clear.
    pub const fn is_dirty(self) -> bool {
        self.0 & Self::AP_READ_ONLY == 0
    }

    /// With the access flag set.
    #[must_use]
    pub const fn accessed(self) -> Self {
        Self(self.0 | Self::AF)
    }

    /// With the access flag clear.
    #[must_use]
    pub const fn not_accessed(self) -> Self {
        Self(self.0 & !Self::AF)
    }

    /// As the hardware leaves it after a write: AP\[2\] clear.
    #[must_use]
    pub const fn dirtied(self) -> Self {
        Self(self.0 & !Self::AP_READ_ONLY)
    }

    /// Clean and writable again: AP\[2\] set; DBM stays.
    #[must_use]
    pub const fn cleaned(self) -> Self {
        Self(self.0 | Self::AP_READ_ONLY)
    }

    /// Without the right to write: AP\[2\] set, DBM clear.
    #[must_use]
    pub const fn write_protected(self) -> Self {
        Self((self.0 | Self::AP_READ_ONLY) & !Self::DBM)
    }

    /// Of a table descriptor: whether it forbids writes to all below it.
    pub const fn is_table_read_only(self) -> bool {
        self.0 & Self::AP_TABLE_READ_ONLY != 0
    }

    /// A table descriptor that forbids writes to all below it.
    #[must_use]
    pub const fn table_read_only(self) -> Self {
        Self(self.0 | Self::AP_TABLE_READ_ONLY)
    }

    /// A table descriptor that forbids no writes.
    #[must_use]
    pub const fn table_writable(self) -> Self {
        Self(self.0 & !Self::AP_TABLE_READ_ONLY)
    }

    /// A leaf with the rights that it has below table descriptors with these bits, all of them together.
    #[must_use]
    pub const fn limited_by(self, tables: u64) -> Self {
        let mut leaf = self;
        if tables & Self::AP_TABLE_READ_ONLY != 0 {
            leaf = leaf.write_protected();
        }
        if tables & Self::AP_TABLE_NO_EL0 != 0 {
            leaf = Self(leaf.0 & !Self::AP_EL0);
        }
        if tables & Self::UXN_TABLE != 0 {
            leaf = Self(leaf.0 | Self::UXN);
        }
        leaf
    }

    /// The four bits that are the kernel's own.
    pub const fn software(self) -> u8 {
        ((self.0 & Self::SOFTWARE) >> 55) as u8
    }

    /// With the kernel's own four bits replaced; higher bits of `value` are dropped.
    #[must_use]
    pub const fn with_software(self, value: u8) -> Self {
        Self(self.0 & !Self::SOFTWARE | ((value as u64) << 55 & Self::SOFTWARE))
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Descriptor({:#018x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arm ARM D8.3.2, "Attribute fields in stage 1 VMSAv8-64 Block and Page descriptors": every bit by number.
    #[test]
    fn bits_have_the_manuals_numbers() {
        let numbers = [
            (Descriptor::VALID, 0),
            (Descriptor::TABLE, 1),
            (Descriptor::AP_EL0, 6),
            (Descriptor::AP_READ_ONLY, 7),
            (Descriptor::AF, 10),
            (Descriptor::NOT_GLOBAL, 11),
            (Descriptor::DBM, 51),
            (Descriptor::CONTIGUOUS, 52),
            (Descriptor::PXN, 53),
            (Descriptor::UXN, 54),
            (Descriptor::UXN_TABLE, 60),
            (Descriptor::AP_TABLE_NO_EL0, 61),
            (Descriptor::AP_TABLE_READ_ONLY, 62),
        ];
        for (mask, bit) in numbers {
            assert_eq!(mask, 1u64 << bit);
        }
        assert_eq!(Descriptor::ATTR_INDEX, 0x1c);
        assert_eq!(Descriptor::SH_INNER, 0x300);
        assert_eq!(Descriptor::SOFTWARE, 0x0780_0000_0000_0000);
        assert_eq!(Descriptor::ADDRESS, 0x0000_ffff_ffff_f000);
    }

    /// Each attribute moves its own bit and no other, both ways.
    #[test]
    fn attributes_move_their_own_bit() {
        let none = PageAttributes::default();
        let base = Descriptor::page(PhysAddr::new(0x4000), none).bits();
        let of = |a| Descriptor::page(PhysAddr::new(0x4000), a).bits();
        assert_eq!(
            of(PageAttributes {
                writable: true,
                ..none
            }) ^ base,
            1 << 51
        );
        assert_eq!(
            of(PageAttributes {
                executable: true,
                ..none
            }) ^ base,
            1 << 54
        );
        assert_eq!(
            of(PageAttributes {
                accessed: true,
                ..none
            }) ^ base,
            1 << 10
        );
        assert_eq!(
            of(PageAttributes { dirty: true, ..none }) ^ base,
            0,
            "read-only pages cannot be dirty"
        );
        let dirty = PageAttributes {
            writable: true,
            dirty: true,
            ..none
        };
        assert_eq!(of(dirty) ^ base, 1 << 51 | 1 << 7);
    }

    #[test]
    fn queries_read_one_bit_each() {
        let d = Descriptor::from_bits;
        assert!(d(1).is_valid() && !d(!1).is_valid());
        assert!(d(1 << 6).is_user() && !d(!(1 << 6)).is_user());
        assert!(d(0).is_dirty() && !d(1 << 7).is_dirty());
        assert!(d(0).is_writable() && !d(1 << 7).is_writable() && d(1 << 7 | 1 << 51).is_writable());
        assert!(d(0).is_executable() && !d(1 << 54).is_executable());
        assert!(d(1 << 10).is_accessed() && !d(!(1 << 10)).is_accessed());
        assert_eq!(d(0).accessed().bits(), 1 << 10);
        assert_eq!(d(u64::MAX).not_accessed().bits(), !(1 << 10));
        assert_eq!(d(u64::MAX).dirtied().bits(), !(1 << 7));
        assert_eq!(d(0).cleaned().bits(), 1 << 7);
        assert_eq!(d(1 << 51).write_protected().bits(), 1 << 7);
        assert!(d(1 << 62).is_table_read_only() && !d(!(1 << 62)).is_table_read_only());
        assert_eq!(d(0).table_read_only().bits(), 1 << 62);
        assert_eq!(d(u64::MAX).table_writable().bits(), !(1 << 62));
        assert_eq!(d(1 << 51).limited_by(1 << 62).bits(), 1 << 7);
        assert_eq!(d(1 << 6).limited_by(1 << 61).bits(), 0);
        assert_eq!(d(0).limited_by(1 << 60).bits(), 1 << 54);
        assert_eq!(
            d(1 << 51 | 1 << 6).limited_by(!(0b111 << 60)).bits(),
            1 << 51 | 1 << 6
        );
        assert_eq!(d(0).with_software(0xf).bits(), 0xf << 55);
        assert_eq!(d(0xa << 55).software(), 0xa);
    }

    /// Arm ARM D8.3.1: which encodings are table, block, page or reserved at each level.
    #[test]
    fn kinds_by_level() {
        use DescriptorKind::{Invalid, Leaf, Reserved, Table};
        for granule in Granule::ALL {
            let kind = |bits, level| Descriptor::from_bits(bits).kind(level, granule);
            for level in 0..4 {
                assert_eq!(kind(0b00, level), Invalid);
                assert_eq!(kind(0b10, level), Invalid);
            }
            assert_eq!(kind(0b11, 0), Table);
            assert_eq!(kind(0b11, 3), Leaf);
            assert_eq!(kind(0b01, 3), Reserved);
            assert_eq!(kind(0b01, 2), Leaf);
            assert_eq!(
                kind(0b01, 1),
                if granule == Granule::K4 { Leaf } else { Reserved }
            );
        }
    }

    #[test]
    fn addresses_survive_in_every_granule() {
        for granule in Granule::ALL {
            let frame = PhysAddr::new(0x1234_5678_0000_u64 & !granule.offset_mask());
            assert_eq!(
                Descriptor::page(frame, PageAttributes::default()).address(granule),
                frame
            );
            assert_eq!(Descriptor::table(frame).address(granule), frame);
        }
    }
}
