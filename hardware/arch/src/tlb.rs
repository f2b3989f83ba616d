//! Translation-table base, address-space identifiers and TLB maintenance requests.
//!
//! The kernel half never calls the MMU: it edits descriptors and leaves [`TlbOp`]s, as a real kernel
//! issues TLBI instructions, and the machine carries them over. A request that is forgotten leaves a stale
//! entry, as on hardware.

use crate::addr::{PageRange, PhysAddr};

/// An address-space identifier (16 bits, Arm ARM D8.16). 0 is used by nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub struct Asid(u16);

impl Asid {
    /// The identifier of this number.
    pub const fn new(value: u16) -> Self {
        Self(value)
    }

    /// The plain number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// `TTBR0_EL1`: what a context switch loads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub struct Ttbr {
    /// The first table of the walk.
    pub base: PhysAddr,
    /// The address space.
    pub asid: Asid,
}

/// A TLB maintenance request (`TLBI VAE1`, `RVAE1`, `ASIDE1`, `VMALLE1`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a request that is not delivered leaves stale translations"]
pub enum TlbOp {
    /// Forget these pages of one address space.
    Pages {
        /// The address space.
        asid: Asid,
        /// The pages.
        pages: PageRange,
    },
    /// Forget a whole address space; its identifier may be used again.
    Asid(Asid),
    /// Forget everything.
    All,
}
