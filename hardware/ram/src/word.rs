//! [`Word`]: the integers that a memory access moves.

/// An unsigned integer that memory holds in little-endian order. Sealed: every bit pattern is a value, which
/// is what makes reading one from any place in RAM sound.
pub trait Word: Copy + private::Sealed + 'static {
    /// From the order in memory to the host's.
    fn from_le(raw: Self) -> Self;
    /// From the host's order to the order in memory.
    fn to_le(self) -> Self;
    /// The word whose bytes in memory are the first of these.
    fn from_bytes(bytes: &[u8; 16]) -> Self;
    /// The word's bytes in memory, first in the array; the rest are zero.
    fn to_bytes(self) -> [u8; 16];
}

mod private {
    pub trait Sealed {}
}

macro_rules! words {
    ($($int:ty)*) => {$(
        impl private::Sealed for $int {}

        impl Word for $int {
            #[inline(always)]
            fn from_le(raw: Self) -> Self {
                <$int>::from_le(raw)
            }

            #[inline(always)]
            fn to_le(self) -> Self {
                <$int>::to_le(self)
            }

            fn from_bytes(bytes: &[u8; 16]) -> Self {
                u128::from_le_bytes(*bytes) as $int
            }

            fn to_bytes(self) -> [u8; 16] {
                u128::from(self).to_le_bytes()
            }
        }
    )*};
}

words!(u8 u16 u32 u64 u128);
