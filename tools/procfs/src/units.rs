//! Addresses and sizes as the texts of `/proc` give them: [`Addr`] and [`Kib`].

use core::fmt;

/// A virtual address as a `/proc` text gives it: 64 bits, of any architecture, never dereferenced here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Addr(pub u64);

impl Addr {
    /// Bytes from `start` up to `self`; 0 if `start` is above.
    #[must_use]
    pub fn bytes_above(self, start: Self) -> u64 {
        self.0.saturating_sub(start.0)
    }

    /// The address `bytes` above, or `None` past the end of the address space.
    #[must_use]
    pub fn checked_add(self, bytes: u64) -> Option<Self> {
        self.0.checked_add(bytes).map(Self)
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::LowerHex for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

/// A number of kibibytes (1024 bytes), the unit that `/proc` calls `kB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Kib(pub u64);

impl Kib {
    /// Zero kibibytes.
    pub const ZERO: Self = Self(0);

    /// The whole kibibytes of a byte count, rounded down as the kernel's `>> 10` does.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes >> 10)
    }

    /// The same in bytes; saturates rather than wraps (a text can hold any number).
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0.saturating_mul(1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kib_rounds_down_and_saturates() {
        assert_eq!(Kib::from_bytes(4095), Kib(3));
        assert_eq!(Kib(4).bytes(), 4096);
        assert_eq!(Kib(u64::MAX).bytes(), u64::MAX);
    }

    #[test]
    fn addresses_measure_upwards_only() {
        assert_eq!(Addr(0x3000).bytes_above(Addr(0x1000)), 0x2000);
        assert_eq!(Addr(0x1000).bytes_above(Addr(0x3000)), 0);
        assert_eq!(Addr(u64::MAX).checked_add(1), None);
    }
}
