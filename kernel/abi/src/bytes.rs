//! Little-endian fields at byte offsets: how every layout of this crate goes to and from bytes.
//!
//! Key types: [`Layout`], a buffer of a fixed size written by offset; the `get_*` readers. Offsets are the
//! layouts' own constants, so one out of range is our own bug and panics.

/// `N` zero bytes, filled field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout<const N: usize>([u8; N]);

impl<const N: usize> Default for Layout<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Layout<N> {
    /// Writes bytes at an offset.
    #[must_use]
    pub fn put(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Writes 16 bits at an offset.
    #[must_use]
    pub fn u16(self, offset: usize, value: u16) -> Self {
        self.put(offset, &value.to_le_bytes())
    }

    /// Writes 32 bits at an offset.
    #[must_use]
    pub fn u32(self, offset: usize, value: u32) -> Self {
        self.put(offset, &value.to_le_bytes())
    }

    /// Writes 64 bits at an offset.
    #[must_use]
    pub fn u64(self, offset: usize, value: u64) -> Self {
        self.put(offset, &value.to_le_bytes())
    }

    /// The bytes.
    pub fn finish(self) -> [u8; N] {
        self.0
    }
}

/// Reads `N` bytes at an offset.
pub fn get<const N: usize>(from: &[u8], offset: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&from[offset..offset + N]);
    out
}

/// Reads 16 bits at an offset.
pub fn get_u16(from: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(get(from, offset))
}

/// Reads 32 bits at an offset.
pub fn get_u32(from: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(get(from, offset))
}

/// Reads 64 bits at an offset.
pub fn get_u64(from: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(get(from, offset))
}
