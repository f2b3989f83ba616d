//! System V shared memory (sysvipc(7)): the segments of the machine, and who may use them.
//!
//! Key types: [`Segments`], the table that `shmget(2)` numbers; [`Segment`]. A segment's bytes are a shared object of mm, as a
//! memfd's are; its attachments are the mappings that show it, counted by mm. One that is removed while it is attached
//! lives on without its key until the last mapping goes: [`Kernel::bury_segments`] looks when there are such.
//! Neighbours: `syscall::shm`; `/proc/sysvipc/shm`.

use std::collections::BTreeMap;
use std::fmt::Write;

use mm::FileId;

use crate::creds::Creds;
use crate::kernel::Kernel;
use crate::task::Pid;

/// `kernel.shmmni`: segments.
pub(crate) const MOST_SEGMENTS: usize = 4096;
/// `kernel.shmmax`, in bytes, and `kernel.shmall`, in pages: as good as none (`SHMMAX`, `SHMALL`).
pub(crate) const MOST_BYTES: u64 = u64::MAX - (1 << 24);
/// The same in pages.
pub(crate) const MOST_PAGES: u64 = u64::MAX - (1 << 24);
/// The mode bit of a segment that goes with its last attachment (`SHM_DEST`).
pub(crate) const DEST: u32 = 0o1000;
/// The mode bit of a segment that is not swapped (`SHM_LOCKED`).
pub(crate) const LOCKED: u32 = 0o2000;

/// One segment.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) key: i32,
    pub(crate) file: FileId,
    /// As asked for, in bytes.
    pub(crate) size: u64,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) creator_uid: u32,
    pub(crate) creator_gid: u32,
    /// The nine permission bits, [`DEST`], [`LOCKED`].
    pub(crate) mode: u32,
    pub(crate) sequence: u16,
    /// Seconds since 1970; 0 for never.
    pub(crate) attached_at: u64,
    pub(crate) detached_at: u64,
    pub(crate) changed_at: u64,
    pub(crate) creator: Pid,
    pub(crate) last: Pid,
}

impl Segment {
    /// Whether these rights allow what the bits of a class ask for (`ipcperms`); `wanted` has them in any class.
    pub(crate) fn allows(&self, creds: &Creds, wanted: u32) -> bool {
        let wanted = (wanted >> 6 | wanted >> 3 | wanted) & 7;
        let in_group = |gid: u32| creds.egid == gid || creds.groups.contains(&gid);
        let granted = if creds.euid == self.uid || creds.euid == self.creator_uid {
            self.mode >> 6
        } else if in_group(self.gid) || in_group(self.creator_gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        wanted & !granted & 7 == 0 || creds.is_root()
    }

    /// Whether these rights may change or remove it.
    pub(crate) fn is_owner(&self, creds: &Creds) -> bool {
        creds.euid == self.uid || creds.euid == self.creator_uid || creds.is_root()
    }
}

/// All segments, by their place; a number has the place in its low 15 bits and the sequence above (`ipc_idr_alloc`).
#[derive(Debug, Default)]
pub(crate) struct Segments {
    places: BTreeMap<u16, Segment>,
    sequence: u16,
    /// How many are removed and still attached.
    dying: usize,
}

const PLACE_BITS: u32 = 15;

impl Segments {
    fn number(place: u16, segment: &Segment) -> i32 {
        (i32::from(segment.sequence) << PLACE_BITS) | i32::from(place)
    }

    /// The place of a number, if there is such a segment.
    pub(crate) fn place(&self, number: i32) -> Option<u16> {
        let place = (number & ((1 << PLACE_BITS) - 1)) as u16;
        let found = self.places.get(&place).filter(|_| number >= 0)?;
        (Self::number(place, found) == number).then_some(place)
    }

    pub(crate) fn find(&self, number: i32) -> Option<&Segment> {
        self.places.get(&self.place(number)?)
    }

    pub(crate) fn find_mut(&mut self, number: i32) -> Option<&mut Segment> {
        let place = self.place(number)?;
        self.places.get_mut(&place)
    }

    /// The segment in a place (`SHM_STAT`), and its number.
    pub(crate) fn at(&self, place: i32) -> Option<(i32, &Segment)> {
        let place = u16::try_from(place).ok()?;
        let segment = self.places.get(&place)?;
        Some((Self::number(place, segment), segment))
    }

    /// The number of the segment with this key, which is not 0 (`IPC_PRIVATE`).
    pub(crate) fn keyed(&self, key: i32) -> Option<i32> {
        let found = self.iter().find(|(_, segment)| segment.key == key);
        found.map(|(number, _)| number)
    }

    /// Numbers and segments, by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i32, &Segment)> {
        let all = self.places.iter();
        all.map(|(&place, segment)| (Self::number(place, segment), segment))
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The highest place in use; 0 if there is none.
    pub(crate) fn last_place(&self) -> u16 {
        self.places.keys().next_back().copied().unwrap_or(0)
    }

    /// The segment that a file of mm is, to note what is done with it.
    pub(crate) fn of_file_mut(&mut self, file: FileId) -> Option<&mut Segment> {
        self.places.values_mut().find(|segment| segment.file == file)
    }

    /// Enters a segment and gives its number; `None` if there are too many.
    pub(crate) fn add(&mut self, mut segment: Segment) -> Option<i32> {
        let place = (0..MOST_SEGMENTS as u16).find(|place| !self.places.contains_key(place))?;
        // 16 bits less the sign of the number.
        self.sequence = self.sequence.wrapping_add(1);
        segment.sequence = self.sequence;
        let number = Self::number(place, &segment);
        self.places.insert(place, segment);
        Some(number)
    }

    /// Takes the key away: the segment goes with its last attachment.
    pub(crate) fn doom(&mut self, number: i32) {
        if let Some(segment) = self.find_mut(number)
            && segment.mode & DEST == 0
        {
            segment.mode |= DEST;
            segment.key = 0;
            self.dying += 1;
        }
    }
}

impl Kernel {
    /// Frees removed segments that nobody has attached any more.
    pub(crate) fn bury_segments(&mut self) {
        if self.segments.dying == 0 {
            return;
        }
        let memory = &self.memory;
        let dead = |segment: &Segment| segment.mode & DEST != 0 && !memory.is_mapped(segment.file);
        let places = self.segments.places.iter();
        let gone: Vec<u16> = places
            .filter(|(_, segment)| dead(segment))
            .map(|(&place, _)| place)
            .collect();
        for place in gone {
            if let Some(segment) = self.segments.places.remove(&place) {
                self.segments.dying -= 1;
                self.memory.close_file(segment.file);
            }
        }
    }

    /// `/proc/sysvipc/shm` (`sysvipc_shm_proc_show`).
    pub(crate) fn segments_text(&self) -> Vec<u8> {
        let mut text = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      \
                        dtime      ctime                   rss                  swap\n"
            .to_owned();
        let page = self.memory.granule().shift();
        for (number, segment) in self.segments.iter() {
            let (resident, swapped) = self.memory.object_pages(segment.file);
            // A String takes whatever is written to it.
            let _ = writeln!(
                text,
                "{:10} {number:10}  {:4o} {:21} {:5} {:5}  {:5} {:5} {:5} {:5} {:5} {:10} {:10} {:10} {:21} {:21}",
                segment.key,
                segment.mode,
                segment.size,
                segment.creator.get(),
                segment.last.get(),
                self.memory.attachments(segment.file),
                segment.uid,
                segment.gid,
                segment.creator_uid,
                segment.creator_gid,
                segment.attached_at,
                segment.detached_at,
                segment.changed_at,
                resident << page,
                swapped << page,
            );
        }
        text.into_bytes()
    }
}
