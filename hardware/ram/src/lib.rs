//! Physical memory: frames of bytes in one host mapping.
//!
//! [`Ram`] is a cheap handle on the memory; both halves hold one, as a processor and a kernel share a bus.
//! Everything takes `&self`: memory is shared by nature, and its users run in one host thread (the handle is
//! not `Send`). The mapping asks the host for huge pages and is touched in steps of 2 MiB by
//! [`Ram::prefault`], so that a guest's fault does not pay a host's.
//!
//! **Watched frames.** The processor keeps decoded code by frame. It [watches](Ram::watch) such frames: every
//! write through this crate, by either half, is then noted for [`Ram::take_written`], so decoded code is
//! dropped before it is stale. Instruction fetch is thereby coherent with data (`CTR_EL0.DIC`). The
//! fast translation table never holds a write tag for a watched frame, so plain stores cannot get past.
//!
//! This crate is the one place of pagewalk where memory is accessed without the compiler's checks. Its
//! soundness rests on two facts: `base..base + bytes` is one mapping for the life of the handle, and every
//! access is checked against it; those by [`Windows`] when the entry is made.
#![expect(unsafe_code, reason = "the one place for it, design section 2")]

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr::NonNull;
use std::rc::Rc;

use arch::{Bytes, FrameCount, FrameNum, Granule, PhysAddr};
use rustix::mm::{Advice, MapFlags, ProtFlags};

mod window;
mod word;

pub use window::{PIECE, Windows};
pub use word::Word;

/// The host's huge page, the step in which RAM is touched.
const STEP: u64 = 2 << 20;

/// The guest's physical memory. Clones are handles on the same bytes.
#[derive(Clone)]
pub struct Ram {
    base: NonNull<u8>,
    bytes: u64,
    shared: Rc<Shared>,
}

struct Shared {
    base: NonNull<u8>,
    bytes: u64,
    granule: Granule,
    marks: Box<[Cell<u8>]>,
    written: RefCell<Vec<FrameNum>>,
    any_written: Cell<bool>,
    touched: Cell<u64>,
}

/// Why RAM could not be made.
#[derive(Debug)]
pub enum RamError {
    /// The size is no positive multiple of the page size, or has too many frames.
    Size {
        /// The size asked for.
        size: Bytes,
        /// The page size.
        granule: Granule,
    },
    /// The host did not give the mapping.
    Host {
        /// The size asked for.
        size: Bytes,
        /// The host's answer.
        source: rustix::io::Errno,
    },
}

impl fmt::Display for RamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { size, granule } => {
                write!(
                    f,
                    "RAM of {size} bytes cannot be cut into pages of {} bytes",
                    granule.bytes()
                )
            }
            Self::Host { size, source } => {
                write!(f, "the host gives no {size} bytes of memory for RAM: {source}")
            }
        }
    }
}

impl std::error::Error for RamError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Size { .. } => None,
            Self::Host { source, .. } => Some(source),
        }
    }
}

/// Marks of a frame.
const WATCHED: u8 = 1 << 0;
const NOTED: u8 = 1 << 1;
const WRITE_TAGGED: u8 = 1 << 2;

impl Ram {
    /// Maps `size` bytes of zeros, in frames of `granule`.
    pub fn new(size: Bytes, granule: Granule) -> Result<Self, RamError> {
        let frames = size.get() >> granule.shift();
        let whole = size.get() & granule.offset_mask() == 0;
        if frames == 0 || !whole || frames > u64::from(u32::MAX) {
            return Err(RamError::Size { size, granule });
        }
        let base = map(size.get()).map_err(|source| RamError::Host { size, source })?;
        let shared = Shared {
            base,
            bytes: size.get(),
            granule,
            marks: vec![Cell::new(0); frames as usize].into_boxed_slice(),
            written: RefCell::default(),
            any_written: Cell::new(false),
            touched: Cell::new(0),
        };
        Ok(Self {
            base,
            bytes: size.get(),
            shared: Rc::new(shared),
        })
    }

    /// The size in bytes.
    pub fn size(&self) -> Bytes {
        Bytes::new(self.bytes)
    }

    /// The size of a frame.
    pub fn granule(&self) -> Granule {
        self.shared.granule
    }

    /// The number of frames.
    pub fn frames(&self) -> FrameCount {
        FrameCount::new(self.shared.marks.len() as u32)
    }

    /// Touches host memory up to and including `frame`, in steps of 2 MiB. A frame allocator calls this with
    /// the frame that it is about to give out for the first time.
    pub fn prefault(&self, frame: FrameNum) {
        let end = frame.start(self.granule()).get() + self.granule().bytes();
        while self.shared.touched.get() < end.min(self.bytes) {
            let from = self.shared.touched.get();
            let to = (from + STEP).min(self.bytes);
            populate(self.base, from, to - from);
            self.shared.touched.set(to);
        }
    }

    /// The host address of the first byte.
    #[inline(always)]
    pub(crate) fn base_address(&self) -> u64 {
        self.base.as_ptr() as u64
    }

    #[inline]
    fn checked_offset(&self, address: PhysAddr, length: usize) -> Option<usize> {
        let end = address.get().checked_add(length as u64)?;
        (end <= self.bytes).then_some(address.get() as usize)
    }

    /// Reads a little-endian word, or `None` outside RAM.
    #[inline]
    pub fn read<T: Word>(&self, address: PhysAddr) -> Option<T> {
        let offset = self.checked_offset(address, size_of::<T>())?;
        // SAFETY: checked_offset keeps the word inside the mapping; reads need no alignment.
        Some(unsafe { T::from_le(self.base.as_ptr().add(offset).cast::<T>().read_unaligned()) })
    }

    /// Writes a little-endian word, or does nothing and returns `None` outside RAM.
    #[inline]
    pub fn write<T: Word>(&self, address: PhysAddr, value: T) -> Option<()> {
        let offset = self.checked_offset(address, size_of::<T>())?;
        self.note_write(offset, size_of::<T>());
        // SAFETY: checked_offset keeps the word inside the mapping; writes need no alignment.
        unsafe {
            self.base
                .as_ptr()
                .add(offset)
                .cast::<T>()
                .write_unaligned(value.to_le())
        };
        Some(())
    }

    /// Copies bytes out of RAM.
    ///
    /// # Panics
    /// If the range lies outside RAM.
    pub fn read_bytes(&self, address: PhysAddr, to: &mut [u8]) {
        let offset = self.checked_offset(address, to.len()).expect("read inside RAM");
        // SAFETY: the source is inside the mapping, the target is a Rust slice, which never overlaps it.
        unsafe { std::ptr::copy_nonoverlapping(self.base.as_ptr().add(offset), to.as_mut_ptr(), to.len()) }
    }

    /// Copies bytes into RAM.
    ///
    /// # Panics
    /// If the range lies outside RAM.
    pub fn write_bytes(&self, address: PhysAddr, from: &[u8]) {
        let offset = self
            .checked_offset(address, from.len())
            .expect("write inside RAM");
        self.note_write(offset, from.len());
        // SAFETY: the target is inside the mapping, the source is a Rust slice, which never overlaps it.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), self.base.as_ptr().add(offset), from.len()) }
    }

    /// Fills a frame with zeros.
    ///
    /// # Panics
    /// If there is no such frame.
    pub fn zero_frame(&self, frame: FrameNum) {
        let length = self.granule().bytes() as usize;
        let offset = self.frame_offset(frame);
        self.note_write(offset, length);
        // SAFETY: frame_offset keeps the whole frame inside the mapping.
        unsafe { std::ptr::write_bytes(self.base.as_ptr().add(offset), 0, length) }
    }

    /// Copies one frame to another; to itself it does nothing.
    ///
    /// # Panics
    /// If there is no such frame.
    pub fn copy_frame(&self, from: FrameNum, to: FrameNum) {
        if from == to {
            return;
        }
        let length = self.granule().bytes() as usize;
        let (source, target) = (self.frame_offset(from), self.frame_offset(to));
        self.note_write(target, length);
        // SAFETY: both frames are inside the mapping, and different frames do not overlap.
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.base.as_ptr().add(source),
                self.base.as_ptr().add(target),
                length,
            );
        }
    }

    fn frame_offset(&self, frame: FrameNum) -> usize {
        assert!(frame.index() < self.shared.marks.len(), "no such frame: {frame}");
        frame.start(self.granule()).get() as usize
    }

    fn mark(&self, frame: FrameNum) -> &Cell<u8> {
        &self.shared.marks[frame.index()]
    }

    /// Watches a frame: writes to it are noted. The caller sees to it that no write tag for it is left.
    pub fn watch(&self, frame: FrameNum) {
        let mark = self.mark(frame);
        mark.set(mark.get() | WATCHED);
    }

    /// Stops watching a frame.
    pub fn unwatch(&self, frame: FrameNum) {
        let mark = self.mark(frame);
        mark.set(mark.get() & !(WATCHED | NOTED));
    }

    /// Whether a frame is watched.
    pub fn is_watched(&self, frame: FrameNum) -> bool {
        self.mark(frame).get() & WATCHED != 0
    }

    /// Notes that some translation table may hold a write tag for this frame.
    pub fn set_write_tagged(&self, frame: FrameNum, tagged: bool) {
        let mark = self.mark(frame);
        mark.set(if tagged {
            mark.get() | WRITE_TAGGED
        } else {
            mark.get() & !WRITE_TAGGED
        });
    }

    /// Whether some translation table may hold a write tag for this frame.
    pub fn is_write_tagged(&self, frame: FrameNum) -> bool {
        self.mark(frame).get() & WRITE_TAGGED != 0
    }

    /// Whether [`Ram::take_written`] has anything to give. One load; for use between blocks of code.
    #[inline(always)]
    pub fn any_written(&self) -> bool {
        self.shared.any_written.get()
    }

    /// The watched frames that were written since the last call, each once.
    pub fn take_written(&self) -> Vec<FrameNum> {
        self.shared.any_written.set(false);
        let frames = std::mem::take(&mut *self.shared.written.borrow_mut());
        for &frame in &frames {
            let mark = self.mark(frame);
            mark.set(mark.get() & !NOTED);
        }
        frames
    }

    #[inline]
    fn note_write(&self, offset: usize, length: usize) {
        if length == 0 {
            return;
        }
        let shift = self.granule().shift();
        for index in offset >> shift..=(offset + length - 1) >> shift {
            if self.shared.marks[index].get() & (WATCHED | NOTED) == WATCHED {
                self.note_watched(index);
            }
        }
    }

    #[cold]
    fn note_watched(&self, index: usize) {
        let mark = &self.shared.marks[index];
        mark.set(mark.get() | NOTED);
        self.shared.any_written.set(true);
        self.shared.written.borrow_mut().push(FrameNum::new(index as u32));
    }
}

impl fmt::Debug for Ram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ram")
            .field("bytes", &self.bytes)
            .field("granule", &self.granule())
            .finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this base and length, and the last handle is going away.
        // A failure would only leak address space.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.bytes as usize) };
    }
}

fn map(bytes: u64) -> Result<NonNull<u8>, rustix::io::Errno> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a fresh anonymous mapping at an address of the host's choice touches nothing that exists.
    let pointer =
        unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), bytes as usize, protection, flags)? };
    // Huge pages are a wish: without them everything works, more slowly.
    // SAFETY: the range is the mapping just made.
    let _ = unsafe { rustix::mm::madvise(pointer, bytes as usize, Advice::LinuxHugepage) };
    // For `Windows`, which keeps host addresses as numbers.
    let _ = pointer.expose_provenance();
    NonNull::new(pointer.cast()).ok_or(rustix::io::Errno::NOMEM)
}

/// Asks the host to back a range now. Where it cannot (before Linux 5.14), the first touch does it.
fn populate(base: NonNull<u8>, offset: u64, length: u64) {
    // SAFETY: the caller gives a range inside the mapping; populating changes no byte.
    let _ = unsafe {
        rustix::mm::madvise(
            base.as_ptr().add(offset as usize).cast(),
            length as usize,
            Advice::LinuxPopulateWrite,
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ram(granule: Granule) -> Ram {
        Ram::new(Bytes::new(granule.bytes() * 4), granule).expect("a few pages")
    }

    #[test]
    fn words_are_little_endian_and_checked() {
        let ram = ram(Granule::K4);
        assert_eq!(ram.write(PhysAddr::new(0x1001), 0x0102_0304_u32), Some(()));
        assert_eq!(ram.read::<u8>(PhysAddr::new(0x1001)), Some(4));
        assert_eq!(ram.read::<u64>(PhysAddr::new(0x3ff9)), None);
        assert_eq!(ram.read::<u64>(PhysAddr::new(u64::MAX)), None);
        assert_eq!(ram.write(PhysAddr::new(0x4000), 1_u8), None);
        assert_eq!(ram.read::<u64>(PhysAddr::new(0x3ff8)), Some(0));
    }

    #[test]
    fn frames_are_zeroed_and_copied_whole() {
        for granule in Granule::ALL {
            let ram = ram(granule);
            let end = FrameNum::new(1).start(granule).get() + granule.bytes() - 8;
            ram.write(PhysAddr::new(end), u64::MAX);
            ram.copy_frame(FrameNum::new(1), FrameNum::new(3));
            ram.zero_frame(FrameNum::new(1));
            assert_eq!(ram.read::<u64>(PhysAddr::new(end)), Some(0));
            assert_eq!(
                ram.read::<u64>(PhysAddr::new(end + 2 * granule.bytes())),
                Some(u64::MAX)
            );
        }
    }

    #[test]
    fn writes_to_watched_frames_are_noted_once() {
        let ram = ram(Granule::K4);
        ram.watch(FrameNum::new(1));
        ram.watch(FrameNum::new(2));
        ram.write(PhysAddr::new(0x0ff8), 1_u64);
        assert!(!ram.any_written());
        ram.write_bytes(PhysAddr::new(0x0fff), &[0; 0x1002]);
        ram.write(PhysAddr::new(0x1000), 1_u8);
        assert!(ram.any_written());
        assert_eq!(ram.take_written(), [FrameNum::new(1), FrameNum::new(2)]);
        assert!(!ram.any_written());
        ram.unwatch(FrameNum::new(2));
        ram.zero_frame(FrameNum::new(2));
        assert!(ram.take_written().is_empty());
    }

    #[test]
    fn sizes_must_fit_the_granule() {
        assert!(matches!(
            Ram::new(Bytes::new(0), Granule::K4),
            Err(RamError::Size { .. })
        ));
        assert!(matches!(
            Ram::new(Bytes::new(4096), Granule::K16),
            Err(RamError::Size { .. })
        ));
        assert!(matches!(
            Ram::new(Bytes::new(1 << 62), Granule::K64),
            Err(RamError::Size { .. })
        ));
        assert!(matches!(
            Ram::new(Bytes::new(1 << 47), Granule::K64),
            Err(RamError::Host { .. })
        ));
    }

    #[test]
    fn prefault_reaches_the_frame_and_stops_at_the_end() {
        let ram = Ram::new(Bytes::new(3 << 20), Granule::K4).expect("3 MiB");
        ram.prefault(FrameNum::new(0));
        assert_eq!(ram.shared.touched.get(), 2 << 20);
        ram.prefault(FrameNum::new(767));
        assert_eq!(ram.shared.touched.get(), 3 << 20);
    }
}
