//! Frames that cannot leave for now, kept apart from the policy so that it does not name them again and again.
//!
//! Linux's unevictable list, with one more reason: private and shared memory while swap is full, which Linux does not scan
//! either (`can_reclaim_anon_pages`). Whoever keeps them gives them back when the reason has gone.
//!
//! Key types: [`Aside`], [`Stuck`]. Neighbours: `lists`; `mm` decides who goes here and who comes back.

use arch::FrameNum;

use crate::lists::Lists;

/// Why a frame cannot leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stuck {
    /// Somebody locked it in memory.
    Locked,
    /// It must be written, and there is no room where it would go.
    NoRoom,
}

impl Stuck {
    const fn list(self) -> u8 {
        self as u8
    }
}

/// The frames that cannot leave, by reason. Every operation takes constant time.
#[derive(Debug)]
pub struct Aside {
    lists: Lists<2>,
}

impl Default for Aside {
    fn default() -> Self {
        Self { lists: Lists::new() }
    }
}

impl Aside {
    /// Keeps a frame as the youngest of its reason. It may be kept already, for either.
    pub fn put(&mut self, frame: FrameNum, why: Stuck) {
        self.lists.move_to(why.list(), frame);
    }

    /// Lets go of a frame; says whether it was here.
    #[inline]
    pub fn remove(&mut self, frame: FrameNum) -> bool {
        self.lists.remove(frame).is_some()
    }

    /// Whether the frame is here.
    #[inline]
    pub fn contains(&self, frame: FrameNum) -> bool {
        self.lists.list_of(frame).is_some()
    }

    /// The frame that was put here the longest ago for this reason.
    pub fn oldest(&self, why: Stuck) -> Option<FrameNum> {
        self.lists.oldest(why.list())
    }

    /// How many frames are here for this reason.
    pub fn count(&self, why: Stuck) -> usize {
        self.lists.len(why.list())
    }

    /// How many frames are here.
    pub fn len(&self) -> usize {
        self.lists.total()
    }

    /// Whether no frame is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
