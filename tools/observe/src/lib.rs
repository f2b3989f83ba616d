//! A process seen through any root shaped like `/proc`: classified, totalled, rendered.
//!
//! [`Snapshot::take`] reads one process through a [`procfs::Root`] (the host's `/proc`, a machine's socket, a saved
//! folder) and gives its [`Facts`] and [`Region`]s. What each figure means on Linux is decided here, once:
//!
//! - [`Kind`]: what a region is for (`classify`); [`ShareMode`]: who else sees it (`share`);
//! - DIRTY, PURGE and the physical footprint (`measure`); sums by kind (`totals`).
//!
//! [`render`] prints a snapshot in the order of Apple's vmmap; [`json`] as a documented schema, and reads it back; [`diff`] compares two;
//! [`wss`] finds what a process uses; [`ps`] lists processes.
//! Unknown is never 0: what could not be read is `None`, and [`Snapshot::gaps`] says why.
//!
//! Neighbours: `procfs` below, `cli` above. Absent on purpose: the machine. It is seen only through its `/proc`.

pub mod audit;
mod calendar;
mod classify;
pub mod corefile;
pub mod diff;
mod elf;
mod error;
pub mod explain;
mod facts;
mod figures;
mod gentle;
pub mod heap;
pub mod html;
pub mod json;
mod measure;
mod near;
mod page;
pub mod ps;
mod read;
mod region;
pub mod render;
mod saved;
mod share;
mod snapshot;
pub mod system;
mod threads;
mod totals;
pub mod wss;
mod zones;

pub use classify::Kind;
pub use elf::{FileState, Image, Section};
pub use error::ObserveError;
pub use facts::{Facts, Moment};
pub use figures::{Figure, Figures};
pub use measure::{Footprint, Peak};
pub use page::PageState;
pub use procfs::printable;
pub use region::{MaxPerms, Object, Region};
pub use saved::SavedRoot;
pub use share::ShareMode;
pub use snapshot::{Gap, Snapshot, Take};
pub use threads::{StackSpan, Thread};
pub use totals::{LibraryLine, Totals, TypeRow, WritableLine};
pub use zones::{HeapReport, ZoneReport};
