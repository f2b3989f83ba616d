//! `/proc/PID/clear_refs`: which pages were used since then, and how large a space was (proc_pid_clear_refs(5)).

use arch::{PageNum, PageRange};

use crate::Memory;
use crate::fault::Context;
use crate::request::{Content, SpaceId};

/// Which pages lose their access flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClearedPages {
    /// All.
    All,
    /// Those of mappings without a file.
    Anonymous,
    /// Those of mappings of files.
    Mapped,
}

impl Memory {
    /// Clears the access flags of a space's pages: what smaps calls referenced from now on was used from now on.
    pub fn clear_references(&mut self, space: SpaceId, which: ClearedPages) {
        let Context { core, space, .. } = self.context(space);
        let wanted = |content: Content| match which {
            ClearedPages::All => true,
            ClearedPages::Anonymous => content == Content::Anonymous,
            ClearedPages::Mapped => content != Content::Anonymous,
        };
        let vmas = space.vmas.iter().filter(|vma| wanted(vma.content));
        let ranges: Vec<PageRange> = vmas.map(|vma| vma.range).collect();
        for range in ranges {
            crate::advise::each_present(core, space, range, |_, old| old.not_accessed());
        }
    }

    /// Begins the peak of resident memory anew (`VmHWM`).
    pub fn reset_peak(&mut self, space: SpaceId) {
        let space = self.spaces.get_mut(space);
        space.peak_resident = space.resident.total();
    }

    /// Whether a page is guarded (`MADV_GUARD_INSTALL`), for pagemap.
    pub fn is_guarded(&self, space: SpaceId, page: PageNum) -> bool {
        self.spaces.get(space).guards.contains(page)
    }
}
