//! The state of one page, from `PID/pagemap` ([`PageState`]).

use procfs::{Addr, PAGEMAP_ENTRY_BYTES, PagemapEntry, Root, RootError};

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

/// Whether any page in the range is present though `smaps` counts none: then they are the shared page of zeros.
/// Looks at no more than `MOST_PAGES`, so that a large reservation does not cost a large read; a file that cannot be read says no.
pub(crate) fn has_present_page(root: &dyn Root, pid: i32, start: Addr, len: u64, page_bytes: u64) -> bool {
    const MOST_PAGES: u64 = 64 << 10;
    let pages = len.checked_div(page_bytes).unwrap_or(0);
    if pages == 0 || pages > MOST_PAGES {
        return false;
    }
    let mut words = vec![0; (pages * PAGEMAP_ENTRY_BYTES) as usize];
    let offset = (start.0 / page_bytes).saturating_mul(PAGEMAP_ENTRY_BYTES);
    let Ok(read) = root.read_at(&format!("{pid}/pagemap"), offset, &mut words) else {
        return false;
    };
    let (entries, _) = words[..read].as_chunks::<8>();
    entries
        .iter()
        .any(|w| PagemapEntry(u64::from_le_bytes(*w)).has(PagemapEntry::PRESENT))
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
