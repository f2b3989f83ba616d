//! One region of a process's address space, with all that the report says of it ([`Region`]).

use crate::{Kind, ShareMode};
use procfs::{Addr, Counts, Kib, MapsLine, Perms, SmapsEntry};

/// The maximum protection: what mprotect(2) could give (`mr mw me` of VmFlags).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MaxPerms {
    /// Could be made readable.
    pub read: bool,
    /// Could be made writable.
    pub write: bool,
    /// Could be made executable.
    pub exec: bool,
}

/// A mapping (or several coalesced ones). Sizes that could not be read are `None`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Region {
    /// First address.
    pub start: Addr,
    /// First address past the end.
    pub end: Addr,
    /// What it is for.
    pub kind: Kind,
    /// Whether `kind` is a guess from the layout; the detail then ends in `?`.
    pub is_guess: bool,
    /// Current protection, and MAP_SHARED or not.
    pub perms: Perms,
    /// Maximum protection.
    pub max: Option<MaxPerms>,
    /// Who else sees it.
    pub share: Option<ShareMode>,
    /// Resident, hugetlb included.
    pub resident: Option<Kib>,
    /// What must be kept: see `measure`.
    pub dirty: Option<Kib>,
    /// In swap.
    pub swap: Option<Kib>,
    /// Given back by MADV_FREE, not yet taken.
    pub volatile: Option<Kib>,
    /// The kernel's counters, as read.
    pub counts: Counts,
    /// Page size of this mapping.
    pub page_size: Option<Kib>,
    /// Offset into the file, bytes.
    pub offset: u64,
    /// VmFlags as text, such as `rd wr mr mw me ac`; empty if not read.
    pub flags: String,
    /// File, name, or what else is known. Printable: control characters and bad UTF-8 are replaced.
    pub detail: String,
    /// How many mappings it stands for (more than 1 after coalescing).
    pub count: usize,
}

impl Region {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end.bytes_above(self.start)
    }

    /// Whether it is empty; Linux shows no such region.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the address lies inside.
    #[must_use]
    pub fn contains(&self, addr: Addr) -> bool {
        self.start <= addr && addr < self.end
    }

    /// Memory of its own: private clean and dirty pages and private hugetlb (what `smem` calls USS).
    #[must_use]
    pub fn unique(&self) -> Option<Kib> {
        let Counts {
            private_clean,
            private_dirty,
            private_hugetlb,
            ..
        } = self.counts;
        let huge = private_hugetlb.unwrap_or_default().0;
        let pages = private_clean?.0.saturating_add(private_dirty?.0);
        Some(Kib(pages.saturating_add(huge)))
    }

    /// The same region with the next one appended, if they touch and differ in nothing but figures.
    pub(crate) fn joined(&self, next: &Self) -> Option<Self> {
        let is_same = self.end == next.start
            && self.kind == next.kind
            && self.perms == next.perms
            && self.max == next.max
            && self.share == next.share
            && self.detail == next.detail;
        is_same.then(|| {
            let plus = |a: Option<Kib>, b: Option<Kib>| a.zip(b).map(|(a, b)| Kib(a.0.saturating_add(b.0)));
            let mut joined = self.clone();
            joined.end = next.end;
            joined.resident = plus(self.resident, next.resident);
            joined.dirty = plus(self.dirty, next.dirty);
            joined.swap = plus(self.swap, next.swap);
            joined.volatile = plus(self.volatile, next.volatile);
            joined.counts.add(&next.counts);
            joined.count += next.count;
            joined
        })
    }
}

/// Adjacent regions joined where they differ in nothing but figures.
pub(crate) fn coalesce(regions: &[Region]) -> Vec<Region> {
    let mut joined: Vec<Region> = Vec::with_capacity(regions.len());
    for region in regions {
        match joined.last_mut() {
            Some(last) => match last.joined(region) {
                Some(both) => *last = both,
                None => joined.push(region.clone()),
            },
            None => joined.push(region.clone()),
        }
    }
    joined
}

/// A mapping as read: from `smaps`, or from `maps` alone (then without counters).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mapping {
    pub(crate) map: MapsLine,
    pub(crate) entry: Option<SmapsEntry>,
}

impl Mapping {
    pub(crate) fn counts(&self) -> Counts {
        self.entry.as_ref().map(|e| e.counts).unwrap_or_default()
    }

    /// Whether VmFlags holds the code; `None` if they were not read.
    pub(crate) fn flag(&self, code: &[u8; 2]) -> Option<bool> {
        Some(self.entry.as_ref()?.vm_flags.as_ref()?.has(code))
    }

    /// Private memory without a file.
    pub(crate) fn is_private_anonymous(&self) -> bool {
        !self.map.perms.shared && !self.map.has_file()
    }

    /// No access at all.
    pub(crate) fn is_prot_none(&self) -> bool {
        let Perms {
            read, write, exec, ..
        } = self.map.perms;
        !(read || write || exec)
    }
}

/// Bytes as text for a screen: bad UTF-8 and control characters replaced, so that no name can steer a terminal.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
