//! A process's memory through `PID/mem`, masked by `PID/pagemap` ([`ProcMemory`]).
//!
//! Reading `PID/mem` faults pages into the target: untouched memory becomes zero pages with page tables, swapped pages
//! come back. So the pagemap of each stretch is read right before the stretch, and only present pages are asked for.
//! What is neither present nor swapped nor a guard in private anonymous memory reads as zeros, as the kernel promises
//! (unless a user-space pager serves it, userfaultfd(2)).

use super::memory::{Hole, Mapping, Memory, Why, mapping_at};
use procfs::{PAGEMAP_ENTRY_BYTES, PagemapEntry, Root, RootError};
use std::cell::RefCell;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Pages whose pagemap is read at once when only presence is asked: 2 MiB of 4 KiB pages, 4 KiB of pagemap.
const MASK_PAGES: u64 = 512;

/// The memory of a live or stopped process behind a [`Root`]. It needs ptrace ATTACH rights.
pub struct ProcMemory<'a> {
    mem: Source<'a>,
    pagemap: Source<'a>,
    maps: &'a [Mapping],
    page: u64,
    mask: RefCell<Mask>,
}

/// A file of the process. This host's is held open: opening costs more than a small read, and a held file never becomes
/// another process's that got the same number.
enum Source<'a> {
    Held(File),
    Path(&'a dyn Root, String),
}

impl<'a> Source<'a> {
    fn open(root: &'a dyn Root, path: String) -> Result<Self, RootError> {
        if root.is_this_host() {
            let file = File::open(Path::new("/proc").join(&path));
            return file.map(Self::Held).map_err(|e| RootError::new("open", &path, e));
        }
        root.open(&path)?;
        Ok(Self::Path(root, path))
    }

    /// Bytes read; fewer than asked if the rest is not to be had.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> usize {
        let file = match self {
            Self::Held(file) => file,
            Self::Path(root, path) => return root.read_at(path, offset, buf).unwrap_or(0),
        };
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|r| !r.is_empty()) {
            match file.read_at(rest, offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        done
    }
}

/// The pagemap of a stretch, kept for questions of presence only.
#[derive(Default)]
struct Mask {
    first_page: u64,
    entries: Vec<PagemapEntry>,
}

/// What a page allows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Page {
    Readable,
    Zero,
    Hole(Why),
}

impl<'a> ProcMemory<'a> {
    /// The memory of `pid`, whose mappings are `maps` (ascending) in pages of `page` bytes.
    ///
    /// # Errors
    /// [`RootError`] if `mem` or `pagemap` may not be read (ptrace rights, yama).
    pub fn new(root: &'a dyn Root, pid: i32, maps: &'a [Mapping], page: u64) -> Result<Self, RootError> {
        Ok(Self {
            mem: Source::open(root, format!("{pid}/mem"))?,
            pagemap: Source::open(root, format!("{pid}/pagemap"))?,
            maps,
            page: page.max(1),
            mask: RefCell::default(),
        })
    }

    /// The pagemap of pages `first..first + count`; shorter if the process has gone.
    fn entries(&self, first: u64, count: u64) -> Vec<PagemapEntry> {
        let Ok(bytes) = usize::try_from(count.saturating_mul(PAGEMAP_ENTRY_BYTES)) else {
            return Vec::new();
        };
        let mut buf = vec![0; bytes];
        let offset = first.saturating_mul(PAGEMAP_ENTRY_BYTES);
        let got = self.pagemap.read_at(offset, &mut buf);
        let (words, _) = buf.get(..got).unwrap_or_default().as_chunks::<8>();
        words
            .iter()
            .map(|w| PagemapEntry(u64::from_le_bytes(*w)))
            .collect()
    }

    /// What one page of `map` allows.
    fn page(&self, map: &Mapping, entry: Option<PagemapEntry>) -> Page {
        let Some(entry) = entry else {
            return Page::Hole(Why::Failed);
        };
        if !map.read || entry.has(PagemapEntry::GUARD) {
            Page::Hole(Why::Guard)
        } else if entry.has(PagemapEntry::PRESENT) {
            Page::Readable
        } else if entry.is_in_swap() {
            Page::Hole(Why::Swapped)
        } else if map.is_private_anonymous() {
            Page::Zero
        } else {
            Page::Hole(Why::Absent)
        }
    }

    /// Read the part of one mapping from `addr` on that `buf` covers; gives the bytes that were filled.
    fn read_mapping(&self, map: &Mapping, addr: u64, buf: &mut [u8]) -> Result<usize, Hole> {
        let end = map.end.min(addr.saturating_add(buf.len() as u64));
        let first = addr / self.page;
        let count = end.div_ceil(self.page).saturating_sub(first);
        let entries = self.entries(first, count);
        let kinds: Vec<Page> = (0..count)
            .map(|i| self.page(map, usize::try_from(i).ok().and_then(|i| entries.get(i).copied())))
            .collect();
        let mut page = first;
        for run in kinds.chunk_by(|a, b| a == b) {
            let start = page.saturating_mul(self.page).max(addr);
            page = page.saturating_add(run.len() as u64);
            let stop = page.saturating_mul(self.page).min(end);
            let hole = |why| Hole {
                at: start,
                end: stop,
                why,
            };
            let (from, to) = ((start - addr) as usize, stop.saturating_sub(addr) as usize);
            let Some(part) = buf.get_mut(from..to) else {
                return Err(hole(Why::Failed));
            };
            match run.first() {
                Some(Page::Readable) => self.fill(start, part)?,
                Some(Page::Zero) => part.fill(0),
                Some(Page::Hole(why)) => return Err(hole(*why)),
                None => {}
            }
        }
        Ok((end - addr) as usize)
    }

    fn fill(&self, addr: u64, part: &mut [u8]) -> Result<(), Hole> {
        let got = self.mem.read_at(addr, part);
        if got == part.len() {
            return Ok(());
        }
        Err(Hole {
            at: addr.saturating_add(got as u64),
            end: addr.saturating_add(part.len() as u64),
            why: Why::Failed,
        })
    }

    /// Call `each` with the index and the pagemap entry of every page of `start..end`, until it says stop.
    fn each_page(&self, start: u64, end: u64, mut each: impl FnMut(u64, PagemapEntry) -> bool) -> Option<()> {
        let mut mask = self.mask.borrow_mut();
        for page in start / self.page..end.div_ceil(self.page) {
            let inside = |mask: &Mask| {
                page.checked_sub(mask.first_page)
                    .and_then(|i| usize::try_from(i).ok())
            };
            let mut entry = inside(&mask).and_then(|i| mask.entries.get(i).copied());
            if entry.is_none() {
                mask.first_page = page;
                mask.entries = self.entries(page, MASK_PAGES);
                entry = mask.entries.first().copied();
            }
            if !each(page, entry?) {
                break;
            }
        }
        Some(())
    }
}

impl Memory for ProcMemory<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), Hole> {
        let mut done = 0;
        while done < buf.len() {
            let at = addr.saturating_add(done as u64);
            let hole = |end| Hole {
                at,
                end,
                why: Why::Unmapped,
            };
            let Some(map) = mapping_at(self.maps, at) else {
                let next = self.maps.partition_point(|m| m.start <= at);
                let end = self.maps.get(next).map_or(u64::MAX, |m| m.start);
                return Err(hole(end.max(at.saturating_add(1))));
            };
            let rest = buf.get_mut(done..).unwrap_or_default();
            match self.read_mapping(map, at, rest)? {
                0 => return Err(hole(map.end)),
                got => done += got,
            }
        }
        Ok(())
    }

    fn next_touched(&self, from: u64, end: u64) -> Option<u64> {
        let mut found = None;
        let touched = PagemapEntry::PRESENT | PagemapEntry::SWAPPED;
        let known = self.each_page(from, end, |page, entry| {
            if entry.0 & touched != 0 {
                found = Some(page.saturating_mul(self.page).max(from));
            }
            found.is_none()
        });
        known.and(found)
    }

    fn resident(&self, start: u64, end: u64) -> Option<u64> {
        let mut pages: u64 = 0;
        self.each_page(start, end, |_, entry| {
            pages += u64::from(entry.has(PagemapEntry::PRESENT));
            true
        })?;
        Some(pages.saturating_mul(self.page))
    }
}
