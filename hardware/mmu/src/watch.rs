//! Watchpoints: bytes of one address space whose access by the program is a debug exception.
//!
//! A page with a watchpoint never gets a read or write tag in the [fast table](crate::fast), so that each access to
//! it walks, and the slow path compares bytes. All other pages are as fast as ever, and without a watchpoint nothing
//! is looked at that was not looked at before. As on hardware, the access is not made: the fault comes first
//! (Arm ARM D2.10), and who steps over it takes the watchpoint away meanwhile.
//!
//! Only the program's own accesses count, not the kernel's copies on its behalf (user watchpoints match EL0 only).

use arch::{Access, Asid, Fault, FaultCause, PageNum, PageRange, VirtAddr};

use crate::Mmu;

/// Some watched bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    /// The first byte.
    pub address: u64,
    /// How many; 0 watches nothing.
    pub length: u64,
    /// Loads count.
    pub reads: bool,
    /// Stores count, and every atomic read-modify-write.
    pub writes: bool,
}

impl Watch {
    /// The first byte of an access that is watched.
    fn hit(&self, address: u64, size: u64, access: Access) -> Option<u64> {
        let wanted = match access {
            Access::Read => self.reads,
            Access::Write => self.writes,
            Access::Execute => false,
        };
        let first = address.max(self.address);
        let overlaps = first - address < size && first - self.address < self.length;
        (wanted && overlaps).then_some(first)
    }
}

/// The watchpoints of one address space.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    asid: Asid,
    all: Vec<Watch>,
}

impl Mmu {
    /// Replaces all watchpoints by these, in one address space. No entry of the fast tables contradicts them.
    pub fn set_watches(&mut self, asid: Asid, watches: &[Watch]) {
        if self.watches.all == watches && (self.watches.asid == asid || watches.is_empty()) {
            return;
        }
        self.watches = Watches {
            asid,
            all: watches.to_vec(),
        };
        for watch in watches {
            if let Some(pages) = self.pages_of(watch) {
                self.maintain(arch::TlbOp::Pages { asid, pages });
            }
        }
    }

    fn pages_of(&self, watch: &Watch) -> Option<PageRange> {
        let last = watch.address.checked_add(watch.length.checked_sub(1)?)?;
        let page = |address: u64| address >> self.granule.shift();
        PageRange::new(PageNum::new(page(watch.address)), PageNum::new(page(last) + 1))
    }

    /// Whether the page of this address must stay out of the fast table.
    pub(crate) fn is_page_watched(&self, address: u64) -> bool {
        let page = address & !self.granule.offset_mask();
        self.watches.asid == self.ttbr.asid
            && self.watches.all.iter().any(|watch| {
                let first = watch.address.max(page);
                first - page < self.granule.bytes() && first - watch.address < watch.length
            })
    }

    /// The debug exception of an access, if it touches a watched byte.
    pub(crate) fn check_watches(&self, address: u64, size: u64, access: Access) -> Result<(), Fault> {
        if self.watches.all.is_empty() || self.watches.asid != self.ttbr.asid {
            return Ok(());
        }
        let place = VirtAddr::new(address).untagged().get();
        let mut hits = self.watches.all.iter();
        match hits.find_map(|watch| watch.hit(place, size, access)) {
            None => Ok(()),
            Some(byte) => Err(Fault {
                address: VirtAddr::new(byte),
                access,
                cause: FaultCause::Debug,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_decide() {
        let watch = Watch {
            address: 0x1003,
            length: 2,
            reads: false,
            writes: true,
        };
        assert_eq!(watch.hit(0x1000, 8, Access::Write), Some(0x1003));
        assert_eq!(watch.hit(0x1004, 1, Access::Write), Some(0x1004));
        assert_eq!(watch.hit(0x1000, 3, Access::Write), None, "just below");
        assert_eq!(watch.hit(0x1005, 8, Access::Write), None, "just above");
        assert_eq!(watch.hit(0x1003, 1, Access::Read), None, "the other kind");
        let nothing = Watch { length: 0, ..watch };
        assert_eq!(nothing.hit(0x1003, 1, Access::Write), None);
        let end = Watch {
            address: u64::MAX,
            length: u64::MAX,
            ..watch
        };
        assert_eq!(end.hit(u64::MAX, 16, Access::Write), Some(u64::MAX));
    }
}
