//! brk(2): the end of the heap, to the byte.

use arch::{PageRange, VirtAddr};

use crate::Memory;
use crate::map::unmap_pages;
use crate::request::{Content, LockFuture, Prot, Sharing, SpaceId};
use crate::vma::{AccountedAs, Vma, VmaFlags};

impl Memory {
    /// Where the heap begins, from exec. The heap is empty.
    pub fn start_break(&mut self, space: SpaceId, at: VirtAddr) {
        let space = self.spaces.get_mut(space);
        space.break_start = at;
        space.break_end = at;
    }

    /// Moves the break and gives the new one, or the old one where that fails: below the start, over
    /// `RLIMIT_DATA` or `RLIMIT_AS`, or into a mapping, its guard gap or the page before it. Pages that were
    /// given back read as zeros when they return.
    pub fn set_break(&mut self, space: SpaceId, to: VirtAddr) -> VirtAddr {
        let granule = self.core.granule();
        let id = space;
        let now = self.spaces.get(space).break_end.align_up(granule);
        let more = now.map_or(0, |now| to.get().saturating_sub(now.get()));
        let more = more.div_ceil(granule.bytes());
        let promised = more == 0 || self.may_commit(space, more).is_ok();
        self.make_room_to_unmap(space);
        let space = self.spaces.get_mut(space);
        let old = space.break_end;
        let (Some(old_end), Some(new_end)) = (old.align_up(granule), to.align_up(granule)) else {
            return old;
        };
        if to < space.break_start || to.get() > granule.user_end() {
            return old;
        }
        // Linux counts the program's own data segments in, too; here the break alone counts.
        let size = to.get() - space.break_start.get();
        if space.limits.data.is_some_and(|limit| size > limit.get()) {
            return old;
        }
        let (old_page, new_page) = (old_end.page(granule), new_end.page(granule));
        if let Some(gone) = PageRange::new(new_page, old_page).filter(|r| !r.is_empty()) {
            if space.may_add_maps(space.vmas.growth_by_removal(gone)).is_err()
                || space.may_change(gone).is_err()
            {
                return old;
            }
            if unmap_pages(&mut self.core, &mut self.files, space, gone).is_err() {
                return old;
            }
        } else if let Some(more) = PageRange::new(old_page, new_page).filter(|r| !r.is_empty()) {
            let count = more.count().get();
            let kept_free = more.end().checked_add(arch::PageCount::new(1));
            let kept_free = kept_free.and_then(|end| PageRange::new(more.start(), end));
            let fits = kept_free.is_some_and(|range| space.vmas.is_free(range))
                && more.end() <= self.core.shape.user_end()
                && space.vmas.len() <= space.limits.map_count
                && space.may_expand(&self.core, count, AccountedAs::Data).is_ok();
            let future = space.lock_future;
            let lockable = future == LockFuture::No || space.may_lock(&self.core, count).is_ok();
            if !fits || !promised || !lockable {
                return old;
            }
            let mut vma = heap(more);
            vma.flags.set(VmaFlags::LOCKED, future != LockFuture::No);
            space.insert(vma);
            self.core.note_map(space, &vma, more);
            space.break_end = to;
            if future == LockFuture::Present {
                self.populate(id, &vma, more);
            }
            return to;
        }
        space.break_end = to;
        to
    }

    /// Where the heap begins and ends.
    pub fn break_range(&self, space: SpaceId) -> (VirtAddr, VirtAddr) {
        let space = self.spaces.get(space);
        (space.break_start, space.break_end)
    }

    /// Where the program's stack began; 0 if nobody said.
    pub fn stack_start(&self, space: SpaceId) -> VirtAddr {
        self.spaces.get(space).stack_start
    }
}

fn heap(range: PageRange) -> Vma {
    Vma {
        range,
        prot: Prot::READ | Prot::WRITE,
        max_prot: Prot::all(),
        sharing: Sharing::Private,
        content: Content::Anonymous,
        grows_down: false,
        flags: VmaFlags::empty(),
        special: None,
        has_anon: false,
    }
}
