//! What instructions do, for those that the hot loop in [`crate::run`] does not do itself.
//!
//! [`alu`] cannot fault. [`memory`], [`atomic`] and [`structure`] may, and then have changed no register; each
//! of them loads first and writes registers last.

pub(crate) mod alu;
pub(crate) mod atomic;
pub(crate) mod memory;
pub(crate) mod structure;
pub(crate) mod system;

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
}
