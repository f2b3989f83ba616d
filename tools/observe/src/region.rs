//! One region of a process's address space, with all that the report says of it ([`Region`]), and what it maps ([`Object`]).
//!
//! A region is built from one entry of `smaps` (or a line of `maps`); `classify` gives its kind, `share` its share mode,
//! `measure` the derived figures. Neighbour: [`crate::Snapshot`] holds them by address.

use crate::figures::{Figure, Figures};
use crate::{Kind, ShareMode};
use procfs::{Addr, Device, Kib, MapsLine, Perms, SmapsEntry, VmFlags, printable};
use std::borrow::Cow;
use std::sync::Arc;

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

impl MaxPerms {
    /// As in `r-x`.
    #[must_use]
    pub fn letters(self) -> &'static str {
        letters(self.read, self.write, self.exec)
    }
}

fn letters(read: bool, write: bool, exec: bool) -> &'static str {
    match (read, write, exec) {
        (false, false, false) => "---",
        (false, false, true) => "--x",
        (false, true, false) => "-w-",
        (false, true, true) => "-wx",
        (true, false, false) => "r--",
        (true, false, true) => "r-x",
        (true, true, false) => "rw-",
        (true, true, true) => "rwx",
    }
}

/// What a mapping maps: a file, a shared object, or what the kernel names. Mappings of one object share it.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct Object {
    /// The file's device.
    pub device: Device,
    /// The file's inode; 0 if there is no file.
    pub inode: u64,
    /// The name as the kernel printed it (see [`MapsLine::name`]).
    pub name: Vec<u8>,
    /// The name for a screen: control characters and bad UTF-8 replaced.
    pub shown: String,
}

impl Object {
    pub(crate) fn of(map: &MapsLine) -> Self {
        Self {
            device: map.device,
            inode: map.inode,
            name: map.name.clone(),
            shown: printable(&map.name),
        }
    }

    pub(crate) fn is_of(&self, map: &MapsLine) -> bool {
        self.inode == map.inode && self.device == map.device && self.name == map.name
    }

    /// The path, if the name is one (see [`MapsLine::path`]).
    #[must_use]
    pub fn path(&self) -> Option<Vec<u8>> {
        let name = self.name.clone();
        MapsLine {
            name,
            ..MapsLine::default()
        }
        .path()
    }

    /// Whether a file (or shared memory object) backs it. Anonymous hugetlb memory has a name of its own, and no file.
    #[must_use]
    pub fn has_file(&self) -> bool {
        if self.name.starts_with(b"/anon_hugepage") {
            return false;
        }
        self.inode != 0 || self.name.first() == Some(&b'/')
    }
}

/// A mapping (or several coalesced ones).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Region {
    /// First address.
    pub start: Addr,
    /// First address past the end.
    pub end: Addr,
    /// Offset into the file, bytes.
    pub offset: u64,
    /// What is mapped.
    pub object: Arc<Object>,
    /// `VmFlags`; `None` if they were not read.
    pub flags: Option<VmFlags>,
    /// The kernel's counters and what is derived from them; sizes that could not be read are unknown.
    pub figures: Figures,
    /// What is said instead of the object's name, or because there is none. Printable.
    pub note: Option<Box<str>>,
    /// How many mappings it stands for (more than 1 after coalescing).
    pub count: u32,
    /// Page size of this mapping in KiB; 0 if it was not read.
    pub page_kib: u32,
    /// The key of pkey_alloc(2), where the hardware has them.
    pub protection_key: Option<u16>,
    /// Current protection, and MAP_SHARED or not.
    pub perms: Perms,
    /// What it is for.
    pub kind: Kind,
    /// Whether `kind` is a guess from the layout; the detail then ends in `?`.
    pub is_guess: bool,
    /// Who else sees it.
    pub share: Option<ShareMode>,
}

impl Region {
    /// A region from a line of `maps`: no figures, and nothing said of it yet.
    #[must_use]
    pub fn of_map(map: &MapsLine, object: Arc<Object>) -> Self {
        Self {
            start: map.start,
            end: map.end,
            offset: map.offset,
            object,
            flags: None,
            figures: Figures::UNKNOWN,
            note: None,
            count: 1,
            page_kib: 0,
            protection_key: None,
            perms: map.perms,
            kind: Kind::VmAllocate,
            is_guess: false,
            share: None,
        }
    }

    /// A region from an entry of `smaps`; nothing said of it yet.
    #[must_use]
    pub fn of_smaps(entry: &SmapsEntry, object: Arc<Object>) -> Self {
        Self {
            flags: entry.vm_flags.clone(),
            figures: Figures::from(&entry.counts),
            page_kib: entry
                .kernel_page_size
                .and_then(|size| u32::try_from(size.0).ok())
                .unwrap_or(0),
            protection_key: entry.protection_key.and_then(|key| u16::try_from(key).ok()),
            ..Self::of_map(&entry.map, object)
        }
    }

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

    /// File, name, or what else is known.
    #[must_use]
    pub fn detail(&self) -> &str {
        self.note.as_deref().unwrap_or(&self.object.shown)
    }

    /// One figure.
    #[must_use]
    pub fn figure(&self, figure: Figure) -> Option<Kib> {
        self.figures.get(figure)
    }

    /// Resident, hugetlb included.
    #[must_use]
    pub fn resident(&self) -> Option<Kib> {
        self.figures.get(Figure::Resident)
    }

    /// What must be kept: see `measure`.
    #[must_use]
    pub fn dirty(&self) -> Option<Kib> {
        self.figures.get(Figure::Dirty)
    }

    /// In swap.
    #[must_use]
    pub fn swap(&self) -> Option<Kib> {
        self.figures.get(Figure::Swap)
    }

    /// Given back by MADV_FREE, not yet taken.
    #[must_use]
    pub fn volatile(&self) -> Option<Kib> {
        self.figures.get(Figure::Volatile)
    }

    /// Dirty and swapped together: what it costs.
    #[must_use]
    pub fn cost(&self) -> u64 {
        let part = |kib: Option<Kib>| kib.unwrap_or_default().0;
        part(self.dirty()).saturating_add(part(self.swap()))
    }

    /// Page size of this mapping.
    #[must_use]
    pub fn page_size(&self) -> Option<Kib> {
        (self.page_kib > 0).then_some(Kib(self.page_kib.into()))
    }

    /// Whether VmFlags holds the code, such as `b"mw"`; `None` if they were not read.
    #[must_use]
    pub fn flag(&self, code: &[u8; 2]) -> Option<bool> {
        Some(self.flags.as_ref()?.has(code))
    }

    /// Maximum protection.
    #[must_use]
    pub fn max(&self) -> Option<MaxPerms> {
        let flags = self.flags.as_ref()?;
        Some(MaxPerms {
            read: flags.has(b"mr"),
            write: flags.has(b"mw"),
            exec: flags.has(b"me"),
        })
    }

    /// Current protection, as in `r-x`.
    #[must_use]
    pub fn protection(&self) -> &'static str {
        let Perms {
            read, write, exec, ..
        } = self.perms;
        letters(read, write, exec)
    }

    /// Private memory without a file.
    #[must_use]
    pub fn is_private_anonymous(&self) -> bool {
        !self.perms.shared && !self.object.has_file()
    }

    /// No access at all.
    #[must_use]
    pub fn is_prot_none(&self) -> bool {
        let Perms {
            read, write, exec, ..
        } = self.perms;
        !(read || write || exec)
    }

    /// Whether the next one touches it and differs in nothing but figures.
    fn can_join(&self, next: &Self) -> bool {
        self.end == next.start
            && self.kind == next.kind
            && self.perms == next.perms
            && self.share == next.share
            && self.max() == next.max()
            && self.protection_key == next.protection_key
            && self.detail() == next.detail()
    }

    fn join(&mut self, next: &Self) {
        self.end = next.end;
        self.figures.add(&next.figures);
        self.count = self.count.saturating_add(next.count);
    }
}

/// Adjacent regions that differ in nothing but figures, side by side.
pub(crate) fn runs(regions: &[Region]) -> impl Iterator<Item = &[Region]> {
    regions.chunk_by(Region::can_join)
}

/// A run as one region.
pub(crate) fn joined(run: &[Region]) -> Option<Cow<'_, Region>> {
    let (first, rest) = run.split_first()?;
    if rest.is_empty() {
        return Some(Cow::Borrowed(first));
    }
    let mut region = first.clone();
    for next in rest {
        region.join(next);
    }
    Some(Cow::Owned(region))
}

/// The objects of a process, each once.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    known: std::collections::HashMap<Vec<u8>, Vec<Arc<Object>>>,
    nothing: Arc<Object>,
    last: Arc<Object>,
}

impl Objects {
    /// The object of this mapping.
    pub(crate) fn get(&mut self, map: &MapsLine) -> Arc<Object> {
        // Most mappings have none, or the one of the mapping before.
        if self.nothing.is_of(map) {
            return Arc::clone(&self.nothing);
        }
        if !self.last.is_of(map) {
            let same_name = self.known.entry(map.name.clone()).or_default();
            self.last = match same_name.iter().find(|object| object.is_of(map)) {
                Some(object) => Arc::clone(object),
                None => {
                    let object = Arc::new(Object::of(map));
                    same_name.push(Arc::clone(&object));
                    object
                }
            };
        }
        Arc::clone(&self.last)
    }
}

/// Regions for the tests of this crate.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use procfs::{Counts, parse_maps};

    /// A region from a line of `maps`, with these counters (all known, 0 unless set) and VmFlags.
    pub(crate) fn region(line: &str, set: impl FnOnce(&mut Counts), flags: &[[u8; 2]]) -> Region {
        let map = parse_maps(line.as_bytes()).unwrap().remove(0);
        let mut counts = Counts::zero();
        set(&mut counts);
        let object = Arc::new(Object::of(&map));
        let entry = SmapsEntry {
            map,
            counts,
            vm_flags: Some(VmFlags::from_codes(flags.iter().copied())),
            ..SmapsEntry::default()
        };
        Region::of_smaps(&entry, object)
    }

    /// Regions from the text of `maps`: no counters.
    pub(crate) fn regions(maps: &str) -> Vec<Region> {
        let mut objects = Objects::default();
        let maps = parse_maps(maps.as_bytes()).unwrap();
        maps.iter()
            .map(|map| Region::of_map(map, objects.get(map)))
            .collect()
    }
}
