//! Which pages were translated, in order, for a trace of references: each page once between two invalidations of the fast
//! table, which knows it from then on. Off, it costs one test on the slow path. Key type: [`Use`].

use arch::{Access, Asid, Granule, PageNum, VirtAddr};

use crate::Mmu;

/// A page came into the fast table, because it was accessed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Use {
    /// The address space.
    pub asid: Asid,
    /// The page.
    pub page: PageNum,
    /// The access that found it missing.
    pub access: Access,
}

/// What was seen since it was last taken.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    on: bool,
    seen: Vec<Use>,
}

impl Uses {
    #[inline]
    pub(crate) fn note(&mut self, asid: Asid, address: VirtAddr, granule: Granule, access: Access) {
        if self.on {
            let page = address.untagged().page(granule);
            self.seen.push(Use { asid, page, access });
        }
    }
}

impl Mmu {
    /// Whether uses are noted from now on. They must be taken, or they take the host's memory.
    pub fn record_uses(&mut self, on: bool) {
        self.uses.on = on;
    }

    /// The uses since the last call, in order.
    pub fn take_uses(&mut self) -> Vec<Use> {
        std::mem::take(&mut self.uses.seen)
    }
}
