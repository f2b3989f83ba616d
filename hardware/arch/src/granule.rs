//! The three translation granules of VMSAv8-64 and their geometry, as one table.
//!
//! User addresses have 48 bits at 4 KiB, 47 at 16 KiB and 48 at 64 KiB, as arm64 Linux has them: with 16 KiB
//! pages Linux stops at 47 bits because the 48th would need a fourth level of two entries.

use core::fmt;
use core::str::FromStr;

/// A translation granule: the size of a page, of a frame and of a translation table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Granule {
    /// 4 KiB.
    K4,
    /// 16 KiB.
    K16,
    /// 64 KiB.
    K64,
}

/// How a granule cuts an address (Arm ARM D8.2, tables of the translation stages).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// log2 of the page size.
    pub shift: u32,
    /// Bits of a user address.
    pub va_bits: u32,
    /// The level where a walk starts.
    pub start_level: u8,
    /// Address bits resolved at levels 0 to 3; 0 where the level is not used.
    pub index_bits: [u32; 4],
}

const GEOMETRY: [Geometry; 3] = [
    Geometry {
        shift: 12,
        va_bits: 48,
        start_level: 0,
        index_bits: [9, 9, 9, 9],
    },
    Geometry {
        shift: 14,
        va_bits: 47,
        start_level: 1,
        index_bits: [0, 11, 11, 11],
    },
    Geometry {
        shift: 16,
        va_bits: 48,
        start_level: 1,
        index_bits: [0, 6, 13, 13],
    },
];

// The levels and the page offset make up the whole address, and a full table fills exactly one page.
const _: () = {
    let mut i = 0;
    while i < GEOMETRY.len() {
        let g = &GEOMETRY[i];
        let indexed = g.index_bits[0] + g.index_bits[1] + g.index_bits[2] + g.index_bits[3];
        assert!(indexed + g.shift == g.va_bits);
        assert!(g.index_bits[3] + 3 == g.shift);
        i += 1;
    }
};

impl Granule {
    /// All three, smallest first.
    pub const ALL: [Self; 3] = [Self::K4, Self::K16, Self::K64];

    /// How this granule cuts an address.
    pub const fn geometry(self) -> &'static Geometry {
        match self {
            Self::K4 => &GEOMETRY[0],
            Self::K16 => &GEOMETRY[1],
            Self::K64 => &GEOMETRY[2],
        }
    }

    /// log2 of the page size.
    pub const fn shift(self) -> u32 {
        self.geometry().shift
    }

    /// The page size in bytes.
    pub const fn bytes(self) -> u64 {
        1 << self.shift()
    }

    /// The bits of an address inside its page.
    pub const fn offset_mask(self) -> u64 {
        self.bytes() - 1
    }

    /// Descriptors in one full table: the page size divided by 8.
    pub const fn entries(self) -> usize {
        1 << (self.shift() - 3)
    }

    /// The first address that user space cannot have.
    pub const fn user_end(self) -> u64 {
        1 << self.geometry().va_bits
    }

    /// The granule of so many bytes, if there is one.
    pub const fn from_bytes(bytes: u64) -> Option<Self> {
        match bytes {
            4096 => Some(Self::K4),
            16384 => Some(Self::K16),
            65536 => Some(Self::K64),
            _ => None,
        }
    }
}

impl Geometry {
    /// The lowest address bit that `level` resolves (0 to 3).
    pub const fn level_shift(&self, level: u8) -> u32 {
        let mut shift = self.shift;
        let mut below = 3;
        while below > level {
            shift += self.index_bits[below as usize];
            below -= 1;
        }
        shift
    }

    /// The index of `address` into a table of `level`.
    pub const fn index(&self, address: u64, level: u8) -> usize {
        let mask = (1u64 << self.index_bits[level as usize]) - 1;
        ((address >> self.level_shift(level)) & mask) as usize
    }
}

impl fmt::Display for Granule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}k", self.bytes() >> 10)
    }
}

/// The text names no granule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownGranule(String);

impl fmt::Display for UnknownGranule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is no page size of this processor: use 4k, 16k or 64k",
            self.0
        )
    }
}

impl core::error::Error for UnknownGranule {}

impl FromStr for Granule {
    type Err = UnknownGranule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "4k" | "4096" | "4kib" => Ok(Self::K4),
            "16k" | "16384" | "16kib" => Ok(Self::K16),
            "64k" | "65536" | "64kib" => Ok(Self::K64),
            _ => Err(UnknownGranule(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arm ARM D8.2: the lowest address bit that each level resolves.
    #[test]
    fn level_shifts_are_the_manuals() {
        let shifts = |g: Granule| {
            (g.geometry().start_level..=3)
                .map(|l| g.geometry().level_shift(l))
                .collect::<Vec<_>>()
        };
        assert_eq!(shifts(Granule::K4), [39, 30, 21, 12]);
        assert_eq!(shifts(Granule::K16), [36, 25, 14]);
        assert_eq!(shifts(Granule::K64), [42, 29, 16]);
    }

    #[test]
    fn an_address_is_the_sum_of_its_indices() {
        for granule in Granule::ALL {
            let g = granule.geometry();
            let address = 0x5a5a_1234_5678_9abc & (granule.user_end() - 1);
            let mut sum = address & granule.offset_mask();
            for level in g.start_level..=3 {
                sum |= (g.index(address, level) as u64) << g.level_shift(level);
            }
            assert_eq!(sum, address);
        }
    }

    #[test]
    fn names_are_read_back() {
        for granule in Granule::ALL {
            assert_eq!(granule.to_string().parse(), Ok(granule));
            assert_eq!(Granule::from_bytes(granule.bytes()), Some(granule));
        }
        assert!("8k".parse::<Granule>().is_err());
    }
}
