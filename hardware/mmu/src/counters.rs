//! Everything that this crate counts, in one place.

use arch::{Access, Fault, FaultCause};

/// What the MMU did. Hits of the fast table are not counted: they are the path that must stay one compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Walks begun.
    pub walks: u64,
    /// Descriptors read by walks.
    pub descriptor_reads: u64,
    /// Times that a walk set an access flag.
    pub access_flags_set: u64,
    /// Times that a walk made a clean page dirty.
    pub dirty_states_set: u64,
    /// Entries written to a fast table: its misses.
    pub fills: u64,
    /// Pages named by maintenance requests.
    pub invalidated_pages: u64,
    /// Maintenance requests for whole address spaces.
    pub invalidated_spaces: u64,
    /// Translation faults.
    pub translation_faults: u64,
    /// Permission faults.
    pub permission_faults: u64,
    /// Faults of any other kind (access flag, address size, external).
    pub other_faults: u64,
    /// Faults of loads, of any kind.
    pub read_faults: u64,
    /// Faults of stores, of any kind.
    pub write_faults: u64,
    /// Faults of instruction fetches, of any kind.
    pub execute_faults: u64,
}

impl Counters {
    pub(crate) fn fault(&mut self, fault: &Fault) {
        match fault.cause {
            FaultCause::Translation(_) => self.translation_faults += 1,
            FaultCause::Permission(_) => self.permission_faults += 1,
            _ => self.other_faults += 1,
        }
        match fault.access {
            Access::Read => self.read_faults += 1,
            Access::Write => self.write_faults += 1,
            Access::Execute => self.execute_faults += 1,
        }
    }
}
