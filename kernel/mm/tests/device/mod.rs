//! A swap file in memory that fails when it is told to.

use std::cell::{Cell, RefCell};
use std::io;

use mm::SwapDevice;
use proptest::prelude::*;

/// What the host does to the file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// The next writes find no room.
    Full(u32),
    /// The next reads fail.
    Unreadable(u32),
    /// The next writes are acknowledged and not done.
    Lost(u32),
    /// Transfers are cut to so many bytes, from now on.
    Short(usize),
    /// A bit somewhere, as a share of the file, is flipped.
    Rot(u32),
}

pub(crate) fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        (1..4u32).prop_map(Trouble::Full),
        (1..4u32).prop_map(Trouble::Unreadable),
        (1..3u32).prop_map(Trouble::Lost),
        (1_000..20_000usize).prop_map(Trouble::Short),
        any::<u32>().prop_map(Trouble::Rot),
    ]
}

#[derive(Default)]
pub(crate) struct Device {
    bytes: RefCell<Vec<u8>>,
    full: Cell<u32>,
    unreadable: Cell<u32>,
    lost: Cell<u32>,
    most: Cell<Option<usize>>,
    harmed: Cell<bool>,
}

fn count_down(left: &Cell<u32>) -> bool {
    let now = left.get();
    left.set(now.saturating_sub(1));
    now > 0
}

impl Device {
    /// Whether a read may fail.
    pub(crate) fn was_harmed(&self) -> bool {
        self.harmed.get()
    }

    pub(crate) fn harm(&self, trouble: Trouble) {
        match trouble {
            Trouble::Full(count) => self.full.set(count),
            Trouble::Short(most) => self.most.set(Some(most)),
            Trouble::Unreadable(count) => {
                self.unreadable.set(count);
                self.harmed.set(true);
            }
            Trouble::Lost(count) => {
                self.lost.set(count);
                self.harmed.set(true);
            }
            Trouble::Rot(at) => {
                let mut bytes = self.bytes.borrow_mut();
                let length = bytes.len() as u64;
                let at = (length * u64::from(at)) >> 32;
                if let Some(byte) = bytes.get_mut(at as usize) {
                    *byte ^= 4;
                    self.harmed.set(true);
                }
            }
        }
    }
}

impl SwapDevice for Device {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        if count_down(&self.unreadable) {
            return Err(io::ErrorKind::Other.into());
        }
        let bytes = self.bytes.borrow();
        let from = bytes.get(offset as usize..).unwrap_or(&[]);
        let length = from
            .len()
            .min(to.len())
            .min(self.most.get().unwrap_or(usize::MAX));
        to[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> io::Result<usize> {
        if count_down(&self.full) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let length = from.len().min(self.most.get().unwrap_or(usize::MAX));
        if count_down(&self.lost) {
            return Ok(length);
        }
        let end = offset as usize + length;
        let mut bytes = self.bytes.borrow_mut();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(&from[..length]);
        Ok(length)
    }
}
