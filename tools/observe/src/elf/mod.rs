//! The ELF files that a process maps executable ([`Images`]): their segments, so that regions can be named exactly, their sections,
//! and what is remarkable about them (deleted, replaced, without RELRO).
//!
//! Only where the file is surely the mapped one: on this host, and with the mapping's device and inode, or opened through `map_files`.
//! Elsewhere (machines, saved folders) `classify` goes by position.
//! Neighbours: [`layout`] (segments), [`sections`].

mod layout;
mod sections;

pub use sections::Section;

use crate::{Object, Region};
use layout::Layout;
use procfs::{Device, Root};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;

/// Enough of a file to hold its program headers, which every linker puts first.
const HEAD_BYTES: usize = 8192;

/// What became of the file of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    /// The file at its path is the one that is mapped.
    Same,
    /// There is no file at its path any more.
    Deleted,
    /// Another file stands at its path: the process runs the old one.
    Replaced,
    /// It could not be looked at.
    Unknown,
}

/// An ELF file that is mapped executable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// The mapped object.
    pub object: Arc<Object>,
    /// What became of its file.
    pub state: FileState,
    /// It has data to write and no PT_GNU_RELRO. `None` if the file could not be read.
    pub lacks_relro: Option<bool>,
}

/// The images of a process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Images {
    images: Vec<(Image, Option<Layout>)>,
    by_file: HashMap<(Device, u64), usize>,
}

impl Images {
    /// Of every file that is mapped executable. A file that cannot be read, or is another one by now, has no layout.
    pub(crate) fn of_host(pid: i32, regions: &[Region], page_bytes: u64) -> Self {
        let mut images = Self::default();
        for region in regions.iter().filter(|r| r.perms.exec && r.object.inode != 0) {
            images.add(&region.object, || Mapped::open(pid, region), page_bytes);
        }
        images
    }

    fn add(&mut self, object: &Arc<Object>, open: impl FnOnce() -> Mapped, page_bytes: u64) {
        let key = (object.device, object.inode);
        if self.by_file.contains_key(&key) {
            return;
        }
        let Mapped { file, state } = open();
        let layout = file.and_then(|file| {
            let mut head = vec![0; HEAD_BYTES];
            let read = file.read_at(&mut head, 0).ok()?;
            Layout::parse(head.get(..read)?, page_bytes)
        });
        self.by_file.insert(key, self.images.len());
        let image = Image {
            object: Arc::clone(object),
            state,
            lacks_relro: layout.as_ref().map(Layout::lacks_relro),
        };
        self.images.push((image, layout));
    }

    /// The layout of the file that the region maps.
    pub(crate) fn layout(&self, region: &Region) -> Option<&Layout> {
        let index = self.by_file.get(&(region.object.device, region.object.inode))?;
        self.images.get(*index)?.1.as_ref()
    }

    /// All of them.
    pub(crate) fn into_list(self) -> Vec<Image> {
        self.images.into_iter().map(|(image, _)| image).collect()
    }

    /// The sections of all images, by address.
    pub(crate) fn sections(&self, root: &dyn Root, pid: i32, regions: &[Region]) -> Vec<Section> {
        if !root.is_this_host() {
            return Vec::new();
        }
        let mut all = Vec::new();
        for (image, layout) in &self.images {
            // An object may be mapped twice over (dlmopen): each first mapping begins an instance.
            let maps_it = |r: &&Region| Arc::ptr_eq(&r.object, &image.object);
            for first in regions.iter().filter(maps_it).filter(|r| r.offset == 0) {
                let bias = layout.as_ref().and_then(|layout| layout.bias(first));
                let file = Mapped::open(pid, first).file;
                if let Some((bias, file)) = bias.zip(file) {
                    all.extend(sections::read(&file, bias));
                }
            }
        }
        all.sort_by_key(|section| section.start);
        all.dedup();
        all
    }
}

/// The file behind a mapping, if it could be opened for sure.
struct Mapped {
    file: Option<File>,
    state: FileState,
}

impl Mapped {
    fn open(pid: i32, region: &Region) -> Self {
        let object = &region.object;
        // The process may have another root or mount namespace.
        let at_path = object.path().and_then(|path| {
            let mut full = PathBuf::from(format!("/proc/{pid}/root"));
            full.push(std::ffi::OsStr::from_bytes(path.strip_prefix(b"/")?));
            Some(full)
        });
        let opened = at_path.as_ref().map(File::open);
        if let Some(Ok(file)) = opened
            && is_object(&file, object)
        {
            return Self {
                file: Some(file),
                state: FileState::Same,
            };
        }
        // The mapping itself, which only CAP_CHECKPOINT_RESTORE may open: the true file even if it is deleted.
        let (start, end) = (region.start.0, region.end.0);
        let link = format!("/proc/{pid}/map_files/{start:x}-{end:x}");
        let file = File::open(&link).ok();
        Self {
            state: state(object, at_path, file.as_ref()),
            file,
        }
    }
}

fn is_object(file: &File, object: &Object) -> bool {
    let Ok(meta) = file.metadata() else { return false };
    let device = Device {
        major: rustix::fs::major(meta.dev()),
        minor: rustix::fs::minor(meta.dev()),
    };
    meta.is_file() && (device, meta.ino()) == (object.device, object.inode)
}

/// What became of a file that is not simply at its path. File systems whose stat(2) shows other devices than `maps` does (btrfs,
/// overlayfs) would look replaced: there the mapping's own file decides, or nothing is said.
fn state(object: &Object, at_path: Option<PathBuf>, mapped: Option<&File>) -> FileState {
    let shown = at_path.map(std::fs::metadata);
    if object.name.ends_with(b" (deleted)") && !matches!(shown, Some(Ok(_))) {
        let path = object.path().unwrap_or_default();
        let old = path.strip_suffix(b" (deleted)").unwrap_or(&path);
        let is_there = std::fs::metadata(std::ffi::OsStr::from_bytes(old)).is_ok();
        return if is_there {
            FileState::Replaced
        } else {
            FileState::Deleted
        };
    }
    match (shown, mapped.and_then(|file| file.metadata().ok())) {
        (Some(Ok(shown)), Some(mapped)) if (shown.dev(), shown.ino()) == (mapped.dev(), mapped.ino()) => {
            FileState::Same
        }
        (Some(Ok(_)), Some(_)) => FileState::Replaced,
        _ => FileState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Objects;

    // The two ways to name a segment must agree where both can: on this very process.
    #[test]
    fn headers_and_positions_agree_on_this_process() {
        let smaps = std::fs::read("/proc/self/smaps").unwrap();
        let mut objects = Objects::default();
        let regions: Vec<Region> = procfs::parse_smaps(&smaps)
            .unwrap()
            .iter()
            .map(|entry| Region::of_smaps(entry, objects.get(&entry.map)))
            .collect();
        let own_pid = i32::try_from(std::process::id()).unwrap();
        let images = Images::of_host(own_pid, &regions, rustix::param::page_size() as u64);
        let own = std::fs::metadata("/proc/self/exe").unwrap().ino();
        let Some(region) = regions.iter().find(|r| r.object.inode == own) else {
            // Overlay file systems show other numbers in maps than stat(2) does: then there is nothing to compare.
            return;
        };
        assert!(images.layout(region).is_some());
        let verdicts = |images: &Images| crate::classify::classify(&regions, images);
        assert_eq!(verdicts(&images), verdicts(&Images::default()));
    }

    #[test]
    fn sections_of_this_program_cover_its_code() {
        let root = procfs::DirRoot::host();
        let own_pid = i32::try_from(std::process::id()).unwrap();
        let regions = crate::read::read_smaps(&root, own_pid).unwrap().regions;
        let images = Images::of_host(own_pid, &regions, rustix::param::page_size() as u64);
        let sections = images.sections(&root, own_pid, &regions);
        let here = sections_of_this_program_cover_its_code as fn() as usize as u64;
        let text = sections.iter().find(|s| s.start.0 <= here && here < s.end.0);
        assert_eq!(text.map(|s| s.name.as_str()), Some(".text"));
    }
}
