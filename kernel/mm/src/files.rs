//! The page cache: frames keyed by (file, page), and what stands behind them.
//!
//! Key types: [`Backing`], what gives a file's bytes; [`Files`], all files and kernel objects that are open
//! or mapped; [`FileKey`], a file's identity: one set of cached pages per key, whoever opens it.
//!
//! A page enters the cache when a mapping needs it (with its neighbours in 64 KiB, if they are missing too),
//! and stays until reclaim takes it, but no longer than somebody has the file open or mapped. read(2) and write(2) see cached pages but make none: the
//! host caches the file anyway. Shared anonymous memory is a kernel object: a file whose only home is here.

use std::fmt;
use std::rc::Rc;

use arch::{FrameNum, PhysAddr};
use policy::{Arrival, Kind, Shadow};
use rustc_hash::FxHashMap;

use crate::core_state::Core;
use crate::error::OutOfRam;
use crate::frames::{CachePage, FrameState};
use crate::swap::{SlotNum, SwapError};
use crate::tables;

mod evict;
mod object;
mod punch;

/// What gives a file's bytes: a file of the host, or memory.
pub trait Backing {
    /// Fills `to` from `offset`; short only at the end of the file. Bytes past it are not written.
    fn read_at(&self, offset: u64, to: &mut [u8]) -> std::io::Result<usize>;
    /// Writes at `offset`, growing the file where needed; gives the number of bytes written.
    fn write_at(&self, offset: u64, from: &[u8]) -> std::io::Result<usize>;
    /// The length in bytes.
    fn len(&self) -> std::io::Result<u64>;
    /// Whether there is no byte in it.
    fn is_empty(&self) -> std::io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// A file, while it is open or mapped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FileId(u32);

impl FileId {
    pub(crate) const fn number(self) -> u32 {
        self.0
    }
}

/// The identity of a file, as stat(2) gives it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FileKey {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

/// Reading and mapping around a fault go up to so many bytes, as Linux's `fault_around_bytes` and less than
/// its readahead: an aligned window that holds the page.
pub(crate) const WINDOW: u64 = 64 << 10;

/// A page of shared memory in swap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parked {
    pub(crate) slot: SlotNum,
    /// How many of its bytes count; the file ended there since, and the rest is zeros.
    valid: u64,
}

enum Source {
    Host(Rc<dyn Backing>),
    Kernel,
}

pub(crate) struct File {
    key: FileKey,
    path: Box<[u8]>,
    source: Source,
    length: u64,
    pages: FxHashMap<u64, FrameNum>,
    /// Pages of shared memory that are in swap.
    parked: FxHashMap<u64, Parked>,
    /// What evicted pages of a file left.
    shadows: FxHashMap<u64, Shadow>,
    handles: u32,
    /// Pages that were promised when it was made (shared anonymous memory, SysV segments).
    reserved: u64,
    /// `SHM_LOCK`: its pages stay in RAM.
    pub(crate) locked: bool,
    /// Pages of mappings of it, in all spaces, present or not: a count that splits and merges leave alone.
    pub(crate) mapped_pages: u64,
}

/// Why a page of a file cannot be had.
#[derive(Debug)]
pub(crate) enum PageError {
    /// It lies past the end of the file.
    PastEnd,
    OutOfRam(OutOfRam),
    Io(std::io::Error),
    /// It was swapped, and cannot be read back.
    Swap(SwapError),
}

/// A page of the cache, and whether the host had to be asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cached {
    pub(crate) frame: FrameNum,
    pub(crate) major: bool,
}

/// All files that are open or mapped.
#[derive(Default)]
pub(crate) struct Files {
    slots: Vec<Option<File>>,
    free: Vec<FileId>,
    by_key: FxHashMap<FileKey, FileId>,
    buffer: Vec<u8>,
    next_object: u64,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("key", &self.key)
            .field("length", &self.length)
            .field("cached", &self.pages.len())
            .finish_non_exhaustive()
    }
}

impl File {
    pub(crate) fn key(&self) -> FileKey {
        self.key
    }

    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn is_kernel_object(&self) -> bool {
        matches!(self.source, Source::Kernel)
    }

    pub(crate) fn cached(&self, page: u64) -> Option<FrameNum> {
        self.pages.get(&page).copied()
    }

    /// Pages that count against the commit limit: those that were promised at once, or those that there are.
    pub(crate) fn promised(&self) -> u64 {
        match self.source {
            Source::Host(_) => 0,
            Source::Kernel => self.reserved.max((self.pages.len() + self.parked.len()) as u64),
        }
    }

    /// Promises so many pages.
    pub(crate) fn reserve(&mut self, pages: u64) {
        self.reserved = pages;
    }

    /// Every cached page, in no order.
    pub(crate) fn pages(&self) -> impl Iterator<Item = (u64, FrameNum)> {
        self.pages.iter().map(|(&page, &frame)| (page, frame))
    }

    pub(crate) fn is_referenced(&self) -> bool {
        self.handles > 0 || self.mapped_pages > 0
    }

    /// Whether `page` has a byte of the file. Asks the host only when the answer seems to be no.
    fn has_page(&mut self, core: &Core, page: u64) -> bool {
        let inside = |length: u64| page < length.div_ceil(core.granule().bytes());
        if inside(self.length) {
            return true;
        }
        if let Source::Host(backing) = &self.source
            && let Ok(length) = backing.len()
        {
            self.length = self.length.max(length);
        }
        inside(self.length)
    }
}

impl Files {
    fn add(&mut self, file: File) -> FileId {
        match self.free.pop() {
            Some(id) => {
                self.slots[id.0 as usize] = Some(file);
                id
            }
            None => {
                self.slots.push(Some(file));
                FileId(self.slots.len() as u32 - 1)
            }
        }
    }

    /// Opens a file: the same key gives the same file. Its length is asked anew by the caller.
    pub(crate) fn open(&mut self, key: FileKey, path: &[u8], backing: Rc<dyn Backing>) -> FileId {
        if let Some(&id) = self.by_key.get(&key) {
            self.get_mut(id).handles += 1;
            return id;
        }
        let length = backing.len().unwrap_or(0);
        let id = self.add(File {
            key,
            path: path.into(),
            source: Source::Host(backing),
            length,
            pages: FxHashMap::default(),
            parked: FxHashMap::default(),
            shadows: FxHashMap::default(),
            handles: 1,
            reserved: 0,
            locked: false,
            mapped_pages: 0,
        });
        self.by_key.insert(key, id);
        id
    }

    /// Shared memory without a file: `length` bytes of zeros. Linux shows it as a deleted file on device 0:1.
    pub(crate) fn create_object(&mut self, length: u64, path: &[u8], handles: u32) -> FileId {
        self.next_object += 1;
        let inode = self.next_object;
        self.add(File {
            key: FileKey { device: 1, inode },
            path: path.into(),
            source: Source::Kernel,
            length,
            pages: FxHashMap::default(),
            parked: FxHashMap::default(),
            shadows: FxHashMap::default(),
            handles,
            reserved: 0,
            locked: false,
            mapped_pages: 0,
        })
    }

    #[inline]
    pub(crate) fn get(&self, id: FileId) -> &File {
        let file = self.slots[id.0 as usize].as_ref();
        file.expect("a file lives while it is open or mapped")
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: FileId) -> &mut File {
        let file = self.slots[id.0 as usize].as_mut();
        file.expect("a file lives while it is open or mapped")
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (FileId, &File)> {
        let numbered = self.slots.iter().enumerate();
        numbered.filter_map(|(n, file)| Some((FileId(n as u32), file.as_ref()?)))
    }

    /// One handle less.
    pub(crate) fn close(&mut self, core: &mut Core, id: FileId) {
        let file = self.get_mut(id);
        assert!(file.handles > 0, "{id:?} is closed more often than opened");
        file.handles -= 1;
        self.drop_if_unreferenced(core, id);
    }

    /// So many pages of mappings less.
    pub(crate) fn unmapped(&mut self, core: &mut Core, id: FileId, pages: u64) {
        self.get_mut(id).mapped_pages -= pages;
        self.drop_if_unreferenced(core, id);
    }

    /// The last one closes the door: what is dirty goes to the file, the frames go free.
    fn drop_if_unreferenced(&mut self, core: &mut Core, id: FileId) {
        if self.get(id).is_referenced() {
            return;
        }
        let mut file = self.slots[id.0 as usize].take().expect("it was just looked at");
        self.free.push(id);
        if self.by_key.get(&file.key) == Some(&id) {
            self.by_key.remove(&file.key);
        }
        let mut pages: Vec<_> = file.pages.drain().collect();
        pages.sort_unstable();
        for (page, frame) in pages {
            if write_page(core, &file, page, frame, &mut self.buffer).is_err() {
                core.counters.lost_writes += 1;
            }
            core.frames.release(frame);
        }
        file.drop_parked(core, 0);
    }

    /// The frame of a page, read from the host if it must be. With `around`, missing neighbours in the window
    /// come along in the same read.
    pub(crate) fn page(
        &mut self,
        core: &mut Core,
        id: FileId,
        page: u64,
        around: bool,
    ) -> Result<Cached, PageError> {
        let file = self.slots[id.0 as usize].as_mut();
        let file = file.expect("a file lives while it is open or mapped");
        if !file.has_page(core, page) {
            return Err(PageError::PastEnd);
        }
        if let Some(frame) = file.cached(page) {
            return Ok(Cached { frame, major: false });
        }
        let backing = match &file.source {
            Source::Host(backing) => Rc::clone(backing),
            Source::Kernel => {
                if file.parked.contains_key(&page) {
                    let frame = file.unpark(core, id, page)?;
                    return Ok(Cached { frame, major: true });
                }
                let frame = insert_page(core, file, id, page)?;
                return Ok(Cached { frame, major: false });
            }
        };
        let (first, count) = run_around(core, file, page, around);
        let bytes = core.page_bytes();
        self.buffer.clear();
        self.buffer.resize(count * bytes, 0);
        let read = backing.read_at(first * bytes as u64, &mut self.buffer);
        core.counters.pgpgin += read.map_err(PageError::Io)? as u64 >> 10;
        let mut found = None;
        for (number, content) in (first..).zip(self.buffer.chunks_exact(bytes)) {
            let frame = insert_page(core, file, id, number)?;
            core.ram.write_bytes(frame.start(core.granule()), content);
            if number == page {
                found = Some(frame);
            }
        }
        let frame = found.expect("the run holds the page it was made for");
        Ok(Cached { frame, major: true })
    }

    /// Reads as read(2): cached pages as they are, the rest from the host, nothing past the end.
    pub(crate) fn read(
        &mut self,
        core: &mut Core,
        id: FileId,
        offset: u64,
        to: &mut [u8],
    ) -> std::io::Result<usize> {
        let file = self.get_mut(id);
        if offset.saturating_add(to.len() as u64) > file.length
            && let Source::Host(backing) = &file.source
        {
            file.length = file.length.max(backing.len()?);
        }
        let wanted = (file.length.saturating_sub(offset)).min(to.len() as u64) as usize;
        let to = &mut to[..wanted];
        let mut done = 0;
        while done < wanted {
            let (step, frame) = file.segment(core, offset + done as u64, wanted - done);
            let part = &mut to[done..done + step];
            match (frame, &file.source) {
                (Some(at), _) => core.ram.read_bytes(at, part),
                (None, Source::Kernel) => {
                    file.read_parked(core, offset + done as u64, part)?;
                }
                (None, Source::Host(backing)) => {
                    let read = backing.read_at(offset + done as u64, part)?;
                    if read < step {
                        return Ok(done + read);
                    }
                }
            }
            done += step;
        }
        Ok(wanted)
    }

    /// Writes as write(2): to the file, and to the cached pages, which mappings see at once.
    pub(crate) fn write(
        &mut self,
        core: &mut Core,
        id: FileId,
        offset: u64,
        from: &[u8],
    ) -> std::io::Result<usize> {
        let bytes = core.granule().bytes();
        let file = self.get_mut(id);
        let written = match &file.source {
            Source::Host(backing) => backing.write_at(offset, from)?,
            Source::Kernel => from.len(),
        };
        let end = offset.saturating_add(written as u64);
        if end > file.length {
            file.zero_tail(core);
            file.length = end;
        }
        let mut done = 0;
        while done < written {
            let at = offset + done as u64;
            let step = ((bytes - at % bytes) as usize).min(written - done);
            let place = match (file.cached(at / bytes), &file.source) {
                (Some(frame), _) => Some(frame),
                (None, Source::Host(_)) => None,
                // Shared memory is full when RAM is: ENOSPC, as tmpfs says.
                (None, Source::Kernel) if file.parked.contains_key(&(at / bytes)) => {
                    match file.unpark(core, id, at / bytes) {
                        Ok(frame) => Some(frame),
                        Err(_) if done > 0 => return Ok(done),
                        Err(PageError::Swap(error)) => return Err(std::io::Error::other(error)),
                        Err(_) => return Err(std::io::ErrorKind::StorageFull.into()),
                    }
                }
                (None, Source::Kernel) => match insert_page(core, file, id, at / bytes) {
                    Ok(frame) => Some(frame),
                    Err(_) if done > 0 => return Ok(done),
                    Err(_) => return Err(std::io::ErrorKind::StorageFull.into()),
                },
            };
            if let Some(frame) = place {
                let start = frame.start(core.granule()).get() + at % bytes;
                core.ram
                    .write_bytes(PhysAddr::new(start), &from[done..done + step]);
                if file.is_kernel_object() {
                    core.frames.cache_page_mut(frame).dirty = true;
                }
            }
            done += step;
        }
        Ok(written)
    }

    /// The file is now so long. The caller has unmapped every page past the end.
    pub(crate) fn set_length(&mut self, core: &mut Core, id: FileId, length: u64) {
        let bytes = core.granule().bytes();
        let file = self.get_mut(id);
        if length >= file.length {
            file.zero_tail(core);
            file.length = length;
            return;
        }
        file.length = length;
        let end = length.div_ceil(bytes);
        let mut gone: Vec<_> = file.pages().filter(|&(page, _)| page >= end).collect();
        gone.sort_unstable();
        for (page, frame) in gone {
            file.pages.remove(&page);
            core.frames.release(frame);
        }
        file.drop_parked(core, end);
        file.zero_tail(core);
    }

    /// Writes the dirty pages of `first..end` to the file. Descriptors are harvested and made clean, so the
    /// next write is seen. Pages that the host refuses stay dirty; the first refusal is the answer.
    pub(crate) fn write_back(
        &mut self,
        core: &mut Core,
        id: FileId,
        first: u64,
        end: u64,
    ) -> std::io::Result<()> {
        let file = self.get(id);
        let mut pages: Vec<_> = file
            .pages()
            .filter(|(page, _)| (first..end).contains(page))
            .collect();
        pages.sort_unstable();
        let mut answer = Ok(());
        for (page, frame) in pages {
            clean_mappings(core, frame);
            let file = self.slots[id.0 as usize].as_ref().expect("it was just looked at");
            let written = write_page(core, file, page, frame, &mut self.buffer);
            if answer.is_ok() {
                answer = written;
            }
        }
        answer
    }
}

impl File {
    /// How far the bytes from `at` are all in one cached page, or all in none; and where the page lies.
    fn segment(&self, core: &Core, at: u64, most: usize) -> (usize, Option<PhysAddr>) {
        let bytes = core.granule().bytes();
        if self.pages.is_empty() {
            return (most, None);
        }
        let mut step = ((bytes - at % bytes) as usize).min(most);
        if let Some(frame) = self.cached(at / bytes) {
            let start = frame.start(core.granule()).get() + at % bytes;
            return (step, Some(PhysAddr::new(start)));
        }
        while step < most && self.cached((at + step as u64) / bytes).is_none() {
            step = (step + bytes as usize).min(most);
        }
        (step, None)
    }

    /// Bytes past the end in the last page read as zero once the file grows over them.
    fn zero_tail(&mut self, core: &Core) {
        let bytes = core.granule().bytes();
        let inside = self.length % bytes;
        if inside == 0 {
            return;
        }
        if let Some(parked) = self.parked.get_mut(&(self.length / bytes)) {
            parked.valid = parked.valid.min(inside);
        }
        if let Some(frame) = self.cached(self.length / bytes) {
            let start = frame.start(core.granule()).get() + inside;
            let zeros = vec![0; (bytes - inside) as usize];
            core.ram.write_bytes(PhysAddr::new(start), &zeros);
        }
    }
}

/// Which pages one read from the host brings: the missing ones around `page` in its window, or it alone.
fn run_around(core: &Core, file: &File, page: u64, around: bool) -> (u64, usize) {
    let per_window = (WINDOW >> core.granule().shift()).max(1);
    // Readahead must not take the last frames from those who need them now.
    if !around || u64::from(core.frames.free_count()) < 4 * per_window {
        return (page, 1);
    }
    let low = page - page % per_window;
    let high = (low + per_window).min(file.length.div_ceil(core.granule().bytes()));
    let missing = |p: &u64| file.cached(*p).is_none();
    let first = (low..page).rev().take_while(missing).last().unwrap_or(page);
    let last = (page + 1..high).take_while(missing).last().unwrap_or(page);
    (first, (last - first + 1) as usize)
}

/// A frame for a page that is not cached, all zeros if it belongs to a kernel object.
fn insert_page(core: &mut Core, file: &mut File, id: FileId, page: u64) -> Result<FrameNum, PageError> {
    let shmem = file.is_kernel_object();
    let state = FrameState::Cache(CachePage {
        file: id,
        page,
        dirty: false,
        shmem,
    });
    let what = if shmem {
        "page of shared memory"
    } else {
        "page of a file"
    };
    let fresh = match file.shadows.remove(&page) {
        None => core.frames.allocate(&core.ram, state, what),
        shadow => {
            let arrival = Arrival {
                shadow,
                ..Arrival::fresh(Kind::File)
            };
            let returned = core.frames.allocate_returning(&core.ram, state, what, arrival);
            returned.map(|(fresh, hot)| {
                core.note_refault(Kind::File, shadow, hot);
                fresh
            })
        }
    };
    let fresh = fresh.map_err(PageError::OutOfRam)?;
    core.counters.pgalloc += 1;
    if shmem && !fresh.zeroed {
        core.ram.zero_frame(fresh.frame);
    }
    file.pages.insert(page, fresh.frame);
    Ok(fresh.frame)
}

/// Moves the dirty state of a cached page from the descriptors that map it to the frame.
fn clean_mappings(core: &mut Core, frame: FrameNum) {
    for index in 0..core.frames.mappers(frame).len() {
        let mapper = core.frames.mappers(frame)[index];
        let slot = core.shape.slot(mapper);
        let descriptor = tables::load(&core.ram, slot);
        if descriptor.is_dirty() {
            tables::replace(&core.ram, slot, descriptor.cleaned());
            core.frames.cache_page_mut(frame).dirty = true;
            core.tlb_entry(mapper);
        }
    }
}

/// Writes one page to the host if it is dirty.
fn write_page(
    core: &mut Core,
    file: &File,
    page: u64,
    frame: FrameNum,
    buffer: &mut Vec<u8>,
) -> std::io::Result<()> {
    let Source::Host(backing) = &file.source else {
        return Ok(());
    };
    if !core.frames.cache_page_mut(frame).dirty {
        return Ok(());
    }
    let offset = page << core.granule().shift();
    let length = file.length.saturating_sub(offset).min(core.granule().bytes());
    buffer.resize(length as usize, 0);
    core.ram.read_bytes(frame.start(core.granule()), buffer);
    let mut done = 0;
    while done < buffer.len() {
        let written = backing.write_at(offset + done as u64, &buffer[done..])?;
        if written == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        done += written;
    }
    core.counters.pgpgout += length >> 10;
    core.frames.cache_page_mut(frame).dirty = false;
    Ok(())
}
