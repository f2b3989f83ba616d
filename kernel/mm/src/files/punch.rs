//! Holes in files (`MADV_REMOVE`): pages of the cache that go, wherever they are mapped.

use crate::Memory;
use crate::core_state::Core;
use crate::error::MapError;
use crate::frames::FrameState;
use crate::space::Spaces;

use super::{FileId, Files};

impl Memory {
    /// Makes the pages `first..end` of a file read as zeros, in the file and in every mapping; private copies stay as they
    /// are. Shared memory gives its frames and its slots back; a file of the host is written with zeros as far as it
    /// reaches.
    ///
    /// [`MapError::Io`] if the host refuses the zeros.
    pub fn punch_hole(&mut self, file: FileId, first: u64, end: u64) -> Result<(), MapError> {
        let Self {
            core, files, spaces, ..
        } = self;
        if !files.get(file).is_kernel_object() {
            return write_zeros(core, files, file, first, end).map_err(MapError::Io);
        }
        let cached = files
            .get(file)
            .pages()
            .filter(|(page, _)| (first..end).contains(page));
        let mut gone: Vec<_> = cached.collect();
        gone.sort_unstable();
        for (page, frame) in gone {
            unmap_cached(core, spaces, frame);
            files.get_mut(file).pages.remove(&page);
            core.frames.release(frame);
        }
        files.get_mut(file).drop_parked_between(core, first, end);
        Ok(())
    }
}

/// Takes a cached page out of every space that maps it.
fn unmap_cached(core: &mut Core, spaces: &mut Spaces, frame: arch::FrameNum) {
    debug_assert!(matches!(core.frames.state(frame), FrameState::Cache(_)));
    while let Some(&mapper) = core.frames.mappers(frame).last() {
        // No other space reaches the pages of a file (`sharing`).
        let page = core.page_of(mapper);
        for member in core.reachers(mapper.table) {
            core.zap_owned(spaces.in_slot_mut(member.slot), arch::PageRange::single(page));
        }
    }
}

fn write_zeros(
    core: &mut Core,
    files: &mut Files,
    file: FileId,
    first: u64,
    end: u64,
) -> std::io::Result<()> {
    let zeros = vec![0; core.page_bytes()];
    let (length, shift) = (files.get(file).length(), core.granule().shift());
    for page in first..end {
        let at = page << shift;
        let inside = length.saturating_sub(at).min(zeros.len() as u64) as usize;
        if inside == 0 {
            break;
        }
        let mut done = 0;
        while done < inside {
            match files.write(core, file, at + done as u64, &zeros[done..inside])? {
                0 => return Err(std::io::ErrorKind::WriteZero.into()),
                written => done += written,
            }
        }
    }
    Ok(())
}
