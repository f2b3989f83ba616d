//! The state of one page, from `PID/pagemap` ([`PageState`]).

use procfs::{Addr, PAGEMAP_ENTRY_BYTES, PageCategories, PageWanted, PagemapEntry, Root, RootError};

/// What `pagemap` says of one page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageState {
    /// The page's first address.
    pub page: Addr,
    /// The 64 bits as read.
    pub entry: PagemapEntry,
}

impl PageState {
    /// The state of the page that holds `addr`.
    ///
    /// # Errors
    /// [`RootError`] if `pagemap` cannot be read.
    pub fn read(root: &dyn Root, pid: i32, addr: Addr, page_bytes: u64) -> Result<Self, RootError> {
        let number = addr.0.checked_div(page_bytes).unwrap_or(0);
        let mut word = [0; PAGEMAP_ENTRY_BYTES as usize];
        let path = format!("{pid}/pagemap");
        let offset = number.saturating_mul(PAGEMAP_ENTRY_BYTES);
        if root.read_at(&path, offset, &mut word)? < word.len() {
            let end = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "it ends before this page");
            return Err(RootError::new("read", &path, end));
        }
        Ok(Self {
            page: Addr(number.saturating_mul(page_bytes)),
            entry: PagemapEntry(u64::from_le_bytes(word)),
        })
    }

    /// In words, such as `present in frame 0x1234, exclusive`.
    #[must_use]
    pub fn describe(&self) -> String {
        let entry = self.entry;
        let mut words = Vec::new();
        if let Some(frame) = entry.frame() {
            // Frame 0 is what those see who may not know it.
            words.push(if frame == 0 {
                "present (frame number not ours to know)".into()
            } else {
                format!("present in frame {frame:#x}")
            });
        } else if let Some((area, offset)) = entry.swap_slot() {
            words.push(format!("in swap area {area}, slot {offset:#x}"));
        } else if entry.has(PagemapEntry::GUARD) {
            words.push("a guard: any access is SIGSEGV".into());
        } else {
            words.push("not present: the next access faults it in".into());
        }
        let flags = [
            (PagemapEntry::FILE, "of a file or shared"),
            (PagemapEntry::EXCLUSIVE, "mapped here only"),
            (PagemapEntry::UFFD_WP, "write-protected by userfaultfd"),
        ];
        words.extend(
            flags
                .iter()
                .filter(|(bit, _)| entry.has(*bit))
                .map(|(_, word)| (*word).to_owned()),
        );
        words.join(", ")
    }
}

/// Pages that one read of `pagemap` covers: one page table's worth at 4 KiB, so that many small regions side by side
/// share a read (measured: 30,000 empty mappings cost 120,000 system calls when each had its own).
const WINDOW_PAGES: u64 = 512;

/// Most pages of one region that are looked at where there is no scan, so that a large reservation does not cost a large read.
const MOST_PAGES: u64 = 64 << 10;

/// Looks for present pages where `smaps` counts none: then they are the shared page of zeros.
pub(crate) struct ZeroPages<'a> {
    root: &'a dyn Root,
    pid: i32,
    path: String,
    page_bytes: Option<u64>,
    /// The first page of the window, and whether each of its pages is present.
    window: Option<(u64, Vec<bool>)>,
}

impl<'a> ZeroPages<'a> {
    pub(crate) fn new(root: &'a dyn Root, pid: i32, page_bytes: Option<u64>) -> Self {
        Self {
            root,
            pid,
            path: format!("{pid}/pagemap"),
            page_bytes,
            window: None,
        }
    }

    /// Whether any page of the range is present; a `pagemap` that cannot be read says no.
    pub(crate) fn any_present(&mut self, start: Addr, len: u64) -> bool {
        let Some(page_bytes) = self.page_bytes.filter(|&bytes| bytes > 0) else {
            return false;
        };
        let (first, pages) = (start.0 / page_bytes, len / page_bytes);
        // In a large one the scan steps over the holes.
        if pages > WINDOW_PAGES {
            let wanted = PageWanted::any_of(PageCategories::PRESENT | PageCategories::SWAPPED);
            let end = Addr(start.0.saturating_add(len));
            if let Ok(found) = self.root.scan_pages(self.pid, start..end, &wanted) {
                return !found.runs.is_empty();
            }
        }
        pages <= MOST_PAGES && (first..first.saturating_add(pages)).any(|page| self.is_present(page))
    }

    fn is_present(&mut self, page: u64) -> bool {
        let first = page - page % WINDOW_PAGES;
        let index = (page - first) as usize;
        let window = match &mut self.window {
            Some((start, window)) if *start == first => window,
            _ => &mut self.window.insert((first, self.read(first))).1,
        };
        window.get(index).copied().unwrap_or(false)
    }

    fn read(&self, first: u64) -> Vec<bool> {
        let mut words = vec![0; (WINDOW_PAGES * PAGEMAP_ENTRY_BYTES) as usize];
        let offset = first.saturating_mul(PAGEMAP_ENTRY_BYTES);
        let read = self.root.read_at(&self.path, offset, &mut words).unwrap_or(0);
        let (entries, _) = words[..read].as_chunks::<8>();
        entries
            .iter()
            .map(|w| PagemapEntry(u64::from_le_bytes(*w)).has(PagemapEntry::PRESENT))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_as_words() {
        let say = |bits| {
            PageState {
                page: Addr(0),
                entry: PagemapEntry(bits),
            }
            .describe()
        };
        assert_eq!(
            say(PagemapEntry::present(0x12).0 | PagemapEntry::EXCLUSIVE),
            "present in frame 0x12, mapped here only"
        );
        assert_eq!(say(PagemapEntry::swapped(1, 5).0), "in swap area 1, slot 0x5");
        assert_eq!(
            say(PagemapEntry::GUARD | PagemapEntry::SWAPPED),
            "a guard: any access is SIGSEGV"
        );
        assert_eq!(say(0), "not present: the next access faults it in");
    }
}
