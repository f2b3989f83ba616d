//! A swap file that fails at one chosen point. Key types: [`Device`], [`Trouble`].

use std::cell::{Cell, RefCell};
use std::io;

use mm::SwapDevice;

/// What goes wrong. Calls are counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// No call does all that it is asked for. That is no failure.
    Short,
    /// The read of this number fails, with EIO.
    Read(u64),
    /// This read and all after it fail.
    ReadsFrom(u64),
    /// The write of this number fails, with ENOSPC.
    Write(u64),
    /// This write and all after it fail.
    WritesFrom(u64),
    /// In the page of this number of all that are written, a byte is flipped.
    Flip { page: u64, byte: u64 },
    /// In every page that is written, this byte is flipped.
    FlipAll { byte: u64 },
}

impl Trouble {
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Short => "short reads and writes",
            Self::Read(_) => "swap read",
            Self::ReadsFrom(_) => "all swap reads from one on",
            Self::Write(_) => "swap write",
            Self::WritesFrom(_) => "all swap writes from one on",
            Self::Flip { .. } => "flipped byte",
            Self::FlipAll { .. } => "flipped byte in every page",
        }
    }
}

/// The file, in memory.
#[derive(Debug)]
pub(crate) struct Device {
    bytes: RefCell<Vec<u8>>,
    trouble: Option<Trouble>,
    reads: Cell<u64>,
    writes: Cell<u64>,
    /// Bytes written by all calls.
    written: Cell<u64>,
    page: u64,
}

impl Device {
    pub(crate) fn new(page: u64, trouble: Option<Trouble>) -> Self {
        Self {
            bytes: RefCell::default(),
            trouble,
            reads: Cell::new(0),
            writes: Cell::new(0),
            written: Cell::new(0),
            page,
        }
    }

    pub(crate) fn reads(&self) -> u64 {
        self.reads.get()
    }

    pub(crate) fn writes(&self) -> u64 {
        self.writes.get()
    }

    /// Flips what is to be flipped of a write of whole pages.
    fn damage(&self, bytes: &mut [u8]) {
        let first = self.written.get() / self.page;
        for (index, page) in bytes.chunks_exact_mut(self.page as usize).enumerate() {
            let byte = match self.trouble {
                Some(Trouble::Flip { page, byte }) if page == first + index as u64 => byte,
                Some(Trouble::FlipAll { byte }) => byte,
                _ => continue,
            };
            let at = (byte % self.page) as usize;
            page[at] ^= 1 << (byte % 8);
        }
        self.written.set(self.written.get() + bytes.len() as u64);
    }
}

impl SwapDevice for Device {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        let number = self.reads.replace(self.reads.get() + 1);
        match self.trouble {
            Some(Trouble::Read(fails)) if fails == number => return Err(io::Error::from_raw_os_error(5)),
            Some(Trouble::ReadsFrom(fails)) if fails <= number => {
                return Err(io::Error::from_raw_os_error(5));
            }
            _ => {}
        }
        let bytes = self.bytes.borrow();
        let from = bytes.get(offset as usize..).unwrap_or(&[]);
        let mut length = from.len().min(to.len());
        if self.trouble == Some(Trouble::Short) {
            length = length.min(to.len() / 2 + 1);
        }
        to[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> io::Result<usize> {
        let number = self.writes.replace(self.writes.get() + 1);
        match self.trouble {
            Some(Trouble::Write(fails)) if fails == number => return Err(io::Error::from_raw_os_error(28)),
            Some(Trouble::WritesFrom(fails)) if fails <= number => {
                return Err(io::Error::from_raw_os_error(28));
            }
            _ => {}
        }
        let length = match self.trouble {
            Some(Trouble::Short) => from.len() / 2 + 1,
            _ => from.len(),
        };
        let mut kept = from[..length.min(from.len())].to_vec();
        self.damage(&mut kept);
        let mut bytes = self.bytes.borrow_mut();
        let end = offset as usize + kept.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(&kept);
        Ok(kept.len())
    }
}
