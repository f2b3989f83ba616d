//! Page replacement: which frame leaves when RAM is full. Pure: no memory, no tables, no I/O; one file per policy.
//!
//! A [`Policy`] knows only what a kernel sees. A frame was filled ([`Policy::insert`]) or freed by its owner
//! ([`Policy::remove`]). When a frame is wanted, [`Policy::victim`] names one; on the way it looks at access flags
//! through a probe that tells whether a frame was accessed since the last look, and clears the flag. An evicted
//! page leaves a [`Shadow`] of 32 bits where its content went; when the page comes back, the shadow tells the policy
//! how long it was away. So no policy here has a list of ghosts, and none allocates by access.
//!
//! A caller that sees every reference (an exact simulation) says so by [`Policy::referenced`] and gives a probe that
//! is never true. The papers' algorithms are then as published, but for the ghosts (see [`Shadow`]).
//!
//! Neighbours: `mm` drives one of them; `lists` is the intrusive list that most share; `aside` keeps what cannot leave at all.

#![forbid(unsafe_code)]

use std::fmt;

use arch::FrameNum;

mod arc;
mod aside;
mod clock;
mod fifo;
mod lists;
mod lru;
mod mglru;
mod name;
mod random;
pub mod replay;
mod s3_fifo;
mod shadow;
mod sieve;
mod two_q;

pub use arc::Arc;
pub use aside::{Aside, Stuck};
pub use clock::Clock;
pub use fifo::Fifo;
pub use lru::Lru;
pub use mglru::Mglru;
pub use name::{Name, UnknownPolicy};
pub use random::Random;
pub use s3_fifo::S3Fifo;
pub use shadow::Shadow;
pub use sieve::Sieve;
pub use two_q::TwoQ;

/// What a frame holds, as far as replacement cares: what it costs to bring it back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// A page without a file: it must be written to swap.
    Anon,
    /// A page of a file: it can be read again.
    File,
}

/// How a page came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// What it is.
    pub kind: Kind,
    /// Left by the page when it was evicted, if it was.
    pub shadow: Option<Shadow>,
    /// Nobody asked for it: readahead.
    pub speculative: bool,
}

impl Arrival {
    /// A page that somebody needs and that was never here.
    pub const fn fresh(kind: Kind) -> Self {
        Self {
            kind,
            shadow: None,
            speculative: false,
        }
    }
}

/// Tells whether a frame was accessed since it was last asked for, and forgets it.
pub type Probe<'a> = &'a mut dyn FnMut(FrameNum) -> bool;

/// One page-replacement policy over the frames that it was given.
pub trait Policy: fmt::Debug {
    /// Which one it is.
    fn name(&self) -> Name;

    /// A frame was filled. It must not be held already. Says whether the page counts as part of the working set
    /// (Linux: `workingset_activate`), because it came back soon.
    fn insert(&mut self, frame: FrameNum, arrival: Arrival) -> bool;

    /// The owner freed the frame. Nothing happens if it is not held.
    fn remove(&mut self, frame: FrameNum);

    /// The frame was accessed, as a caller knows that sees every access.
    fn referenced(&mut self, frame: FrameNum);

    /// Names a frame to evict and lets go of it, with what to keep of it; `None` only if no frame is held. Looks at a
    /// bounded number of access flags, so it ends even if every flag is always set.
    fn victim(&mut self, accessed: Probe<'_>) -> Option<(FrameNum, Shadow)>;

    /// The victim stays for once (it could not be written), or can leave again after it was set aside: it is held and is the
    /// last to be named. The shadow is void.
    fn restore(&mut self, frame: FrameNum, kind: Kind);

    /// How many frames are held.
    fn len(&self) -> usize;

    /// Whether no frame is held.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the frame is held.
    fn contains(&self, frame: FrameNum) -> bool;
}
