//! What instructions do, for those that no handler of [`crate::run`] does itself.
//!
//! [`alu`] cannot fault. [`memory`], [`atomic`] and [`structure`] may, and then have changed no register; each
//! of them loads first and writes registers last.

pub(crate) mod alu;
pub(crate) mod atomic;
pub(crate) mod memory;
pub(crate) mod structure;
pub(crate) mod system;

use arch::Trap;

use crate::flags::Nzcv;

/// The exclusive monitor: what the last load-exclusive saw. A store-exclusive succeeds if address and size
/// are the same and memory still holds the value, as compare-and-swap would (so ABA is not noticed, which
/// Arm's monitor would; no program can tell on purpose). Every run begins with it open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Monitor {
    pub(crate) address: u64,
    pub(crate) bytes: u8,
    pub(crate) value: u128,
}

/// The state of one run that is not in the register file.
pub(crate) struct Local {
    pub(crate) nzcv: Nzcv,
    pub(crate) monitor: Option<Monitor>,
    pub(crate) exclusive_failures: u64,
    /// The budget that no block was charged for yet.
    pub(crate) left: u64,
    /// The address after the current block.
    pub(crate) after: u64,
    /// The virtual counter when nothing is left.
    pub(crate) counter_at_end: u64,
    /// Why the run ends, once a block was left for that.
    pub(crate) trap: Trap,
}
