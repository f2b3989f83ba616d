//! Shared memory that has an owner of its own beside its mappings: SysV segments.

use arch::Bytes;

use super::FileId;
use crate::Memory;
use crate::error::MapError;
use crate::request::{Content, SpaceId};

impl Memory {
    /// Shared memory as [`Memory::open_shared`] makes it; with `reserve` all of it is promised at once.
    ///
    /// [`MapError::Overcommit`] if that is more than may be promised to `space`'s process; [`MapError::NoSpace`] for more
    /// pages than there are numbers.
    pub fn open_segment(
        &mut self,
        space: SpaceId,
        path: &[u8],
        length: Bytes,
        reserve: bool,
    ) -> Result<FileId, MapError> {
        let pages = length.pages_up(self.granule()).ok_or(MapError::NoSpace)?;
        let reserve = reserve || self.overcommit.is_strict();
        if reserve {
            self.may_commit(space, pages.get())?;
        }
        let file = self.open_shared(path, length);
        if reserve {
            self.files.get_mut(file).reserve(pages.get());
        }
        Ok(file)
    }

    /// Whether any space maps a file.
    pub fn is_mapped(&self, file: FileId) -> bool {
        self.files.get(file).mapped_pages > 0
    }

    /// How many mappings of a file there are, in all spaces (`shm_nattch`).
    pub fn attachments(&self, file: FileId) -> u64 {
        if !self.is_mapped(file) {
            return 0;
        }
        let vmas = self.spaces.iter().flat_map(|space| space.vmas.iter());
        vmas.filter(|vma| matches!(vma.content, Content::File { file: of, .. } if of == file))
            .count() as u64
    }

    /// Pages of shared memory in RAM, and in swap.
    pub fn object_pages(&self, file: FileId) -> (u64, u64) {
        let file = self.files.get(file);
        (file.pages.len() as u64, file.parked.len() as u64)
    }

    /// Whether the pages of shared memory stay in RAM (`SHM_LOCK`).
    pub fn lock_object(&mut self, file: FileId, locked: bool) {
        self.files.get_mut(file).locked = locked;
    }
}
