//! Address spaces, page tables, faults, copy-on-write, the page cache and the reverse map.
//!
//! The kernel half's memory management, in Linux's words and with Linux's answers. It meets the hardware
//! half only in bytes: translation tables in RAM (`tables`), and TLB requests that the machine delivers
//! before user code runs again ([`Memory::take_tlb_ops`]). It never calls the MMU.
//!
//! ```text
//!   Memory ── Spaces ── Space ── VmaSet     what the program asked for        (vma, vma_set)
//!     │                   └───── PageTables what is mapped now, in RAM        (tables, attributes)
//!     ├────── Files ──── File ── (page → frame)   the page cache              (files)
//!     └────── Core ─┬─── Frames  state, owners and reverse map of every frame (frames)
//!                   └─── Swap    pages that left RAM                          (swap, swap_in, reclaim)
//! ```
//!
//! Private memory that was written is an *anon*: a page with a count of owners. All else that is mapped is a
//! page of the cache or the zero page. The verbs of [`Memory`] are one file each; what must hold between
//! them is a numbered list in [`invariant`].
//!
//! Deliberately absent: errno and flag numbers (crate `abi`), system calls and file descriptors (`process`), which page
//! leaves (`policy`), who dies when none can (`process`).

use std::rc::Rc;

use arch::{Bytes, Granule, PageRange, TlbOp, Ttbr, VirtAddr};
use ram::Ram;

mod advise;
mod attributes;
mod breaks;
mod core_state;
mod counters;
mod error;
mod events;
mod families;
mod fault;
mod files;
mod fork;
mod frames;
mod guards;
#[cfg(feature = "inject")]
mod inject;
pub mod invariant;
mod map;
mod overcommit;
mod protect;
mod reclaim;
mod references;
mod remap;
mod request;
mod sharing;
mod space;
mod swap;
mod swap_in;
mod sync;
mod tables;
mod usage;
mod user;
mod vma;
mod vma_set;

pub use counters::Counters;
pub use error::{CopyFault, LimitKind, MapError, OutOfRam, Violation, ViolationKind};
pub use events::{Departure, Event, PageState, What};
pub use fault::{FaultKind, Resolved};
pub use files::{Backing, FileId, FileKey};
pub use frames::FrameUse;
pub use invariant::InvariantBroken;
pub use overcommit::Overcommit;
pub use reclaim::ReclaimConfig;
pub use references::ClearedPages;
pub use request::{
    Advice, Content, Layout, Limits, LockFuture, MapRequest, Placement, Prot, RemapRequest, Sharing, SpaceId,
};
pub use swap::{SwapConfig, SwapDevice, SwapError, SwapUse};
pub use usage::{PageInfo, Pss, SpaceUsage, VmaUsage};
pub use vma::{Policy, Vma, VmaFlags};

use core_state::Core;
use fault::Context;
use files::Files;
use space::Spaces;

/// The kernel's own copies go in steps of so many bytes, between which frames can be made free.
const CHUNK: usize = 128 << 10;

/// All memory of one machine as its kernel sees it.
pub struct Memory {
    core: Core,
    files: Files,
    spaces: Spaces,
    watermarks: reclaim::Watermarks,
    overcommit: Overcommit,
}

impl Memory {
    /// Takes over all of RAM, which must hold zeros. Frame 0 becomes the shared zero page.
    pub fn new(ram: Ram) -> Self {
        Self {
            watermarks: reclaim::Watermarks::new(ram.size(), ram.frames().get()),
            core: Core::new(ram),
            files: Files::default(),
            spaces: Spaces::default(),
            overcommit: Overcommit::none(),
        }
    }

    /// The page size.
    pub fn granule(&self) -> Granule {
        self.core.granule()
    }

    /// The size of RAM.
    pub fn ram_size(&self) -> Bytes {
        self.core.ram.size()
    }

    /// An address space without a mapping. It takes one frame, for the root of its tables.
    pub fn create_space(&mut self, layout: Layout, limits: Limits) -> Result<SpaceId, OutOfRam> {
        self.make_room(reclaim::FAULT_NEED);
        self.spaces.create(&mut self.core, layout, limits, None)
    }

    /// Ends an address space: every page, table and mapping goes.
    pub fn destroy_space(&mut self, space: SpaceId) {
        let mut space = self.spaces.take(space);
        let all = space::Space::all_pages(&self.core);
        self.core.let_go_all(&mut space);
        self.core.families.leave(space.tables.family(), space.slot);
        self.core.drop_all(&mut space);
        map::remove_mappings(&mut self.core, &mut self.files, &mut space, all);
        self.core.tlb_queue(TlbOp::Asid(space.asid));
        space.tables.destroy(&mut self.core.frames);
    }

    /// What a context switch to this space loads.
    pub fn ttbr(&self, space: SpaceId) -> Ttbr {
        self.spaces.get(space).ttbr(&self.core)
    }

    /// The TLB requests since the last call. They must be delivered before user code runs again.
    pub fn take_tlb_ops(&mut self) -> Vec<TlbOp> {
        self.core.tlb.take()
    }

    /// Resolves an abort, or says which signal it is. `Ok` means that the same instruction may be tried
    /// again, once the TLB requests are delivered.
    pub fn fault(&mut self, space: SpaceId, fault: &arch::Fault) -> Result<Resolved, Violation> {
        self.make_room(reclaim::FAULT_NEED);
        fault::resolve(&mut self.context(space), fault)
    }

    fn context(&mut self, space: SpaceId) -> Context<'_> {
        Context {
            core: &mut self.core,
            files: &mut self.files,
            space: self.spaces.get_mut(space),
        }
    }

    /// Changes the resource limits; what is mapped stays.
    pub fn set_limits(&mut self, space: SpaceId, limits: Limits) {
        self.spaces.get_mut(space).limits = limits;
    }

    /// The resource limits.
    pub fn limits(&self, space: SpaceId) -> &Limits {
        &self.spaces.get(space).limits
    }

    /// Remembers where the program's stack began, for `[stack]` in `/proc/PID/maps`.
    pub fn mark_stack(&mut self, space: SpaceId, start_stack: VirtAddr) {
        self.spaces.get_mut(space).stack_start = start_stack;
    }

    /// Opens a file for mapping, reading and writing. The same key gives the same [`FileId`], whose first
    /// backing stays; each call is undone by one [`Memory::close_file`]. A file that became shorter or longer
    /// since it was opened first is seen so by mappings from now on.
    pub fn open_file(&mut self, key: FileKey, path: &[u8], backing: Rc<dyn Backing>) -> FileId {
        let length = backing.len();
        let file = self.files.open(key, path, backing);
        if let Ok(length) = length
            && length != self.files.get(file).length()
        {
            self.file_resized(file, length);
        }
        file
    }

    /// Shared memory without a file: `length` bytes of zeros that live in RAM alone, as a memfd or a SysV
    /// segment. Undone by [`Memory::close_file`].
    pub fn open_shared(&mut self, path: &[u8], length: Bytes) -> FileId {
        self.files.create_object(length.get(), path, 1)
    }

    /// Gives up one handle. With the last handle and mapping, dirty pages are written and the cache goes.
    pub fn close_file(&mut self, file: FileId) {
        self.files.close(&mut self.core, file);
    }

    /// The file's identity.
    pub fn file_key(&self, file: FileId) -> FileKey {
        self.files.get(file).key()
    }

    /// The path that it was first opened by.
    pub fn file_path(&self, file: FileId) -> &[u8] {
        self.files.get(file).path()
    }

    /// Its length in bytes, as last heard of.
    pub fn file_length(&self, file: FileId) -> Bytes {
        Bytes::new(self.files.get(file).length())
    }

    /// read(2) at an offset: sees dirty cached pages; short only at the end of the file.
    pub fn file_read(&mut self, file: FileId, offset: u64, to: &mut [u8]) -> std::io::Result<usize> {
        self.files.read(&mut self.core, file, offset, to)
    }

    /// write(2) at an offset: seen at once by shared mappings and by private ones that did not copy.
    pub fn file_write(&mut self, file: FileId, offset: u64, from: &[u8]) -> std::io::Result<usize> {
        if !self.files.get(file).is_kernel_object() {
            return self.files.write(&mut self.core, file, offset, from);
        }
        // Shared memory takes frames: a few at a time, so that there can be more of it than RAM.
        let mut done = 0;
        for part in from.chunks(CHUNK) {
            self.make_room(reclaim::FAULT_NEED + self.frames_of(part.len()));
            match self.files.write(&mut self.core, file, offset + done as u64, part) {
                Ok(written) => done += written,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            if done % CHUNK != 0 {
                break;
            }
        }
        Ok(done)
    }

    /// Frames that so many bytes can lie in.
    fn frames_of(&self, bytes: usize) -> u32 {
        (bytes >> self.granule().shift()) as u32 + 2
    }

    /// The file was truncated or extended (its backing already is): pages past the end leave every mapping,
    /// even private copies, and touching them is SIGBUS; what is extended later reads as zeros.
    pub fn file_resized(&mut self, file: FileId, new_length: u64) {
        let granule = self.core.granule();
        if new_length < self.files.get(file).length() {
            let end = new_length.div_ceil(granule.bytes());
            for space in self.spaces.iter_mut() {
                for range in past_end(space, file, end, granule) {
                    // No other space reaches the pages of a file (`sharing`).
                    self.core.zap_owned(space, range);
                }
            }
        }
        self.files.set_length(&mut self.core, file, new_length);
    }

    /// Machine-wide counts.
    pub fn counters(&self) -> &Counters {
        &self.core.counters
    }

    /// Frames by what they hold; sums to RAM exactly.
    pub fn frames(&self) -> FrameUse {
        *self.core.frames.usage()
    }

    /// The same at the moment when most frames were in use.
    pub fn peak_frames(&self) -> FrameUse {
        self.core.frames.peak()
    }
}

/// The pages of a space that show `file` from its page `end` on.
fn past_end(space: &space::Space, file: FileId, end: u64, granule: Granule) -> Vec<PageRange> {
    let lost = |vma: &Vma| {
        let (of, first) = vma.file_page(vma.range.start(), granule)?;
        let kept = end.saturating_sub(first).min(vma.range.count().get());
        let start = vma.range.start().checked_add(arch::PageCount::new(kept))?;
        PageRange::new(start, vma.range.end()).filter(|r| of == file && !r.is_empty())
    };
    space.vmas.iter().filter_map(lost).collect()
}
