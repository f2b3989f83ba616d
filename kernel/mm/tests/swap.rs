//! Swap as a program and its observers see it: what leaves, what stays, what is counted, what comes back.

use std::rc::Rc;

use arch::{Bytes, Granule, PageCount, PageNum, PageRange, VirtAddr};
use mm::{
    Advice, Layout, Limits, MapRequest, Memory, Prot, ReclaimConfig, Sharing, SpaceId, SwapConfig,
    ViolationKind,
};
use ram::Ram;

#[expect(dead_code, reason = "the property test uses all of it")]
mod device;
use device::{Device, Trouble};

const PAGE: u64 = 4096;

struct Bench {
    memory: Memory,
    space: SpaceId,
    device: Rc<Device>,
}

impl Bench {
    fn new(frames: u64) -> Self {
        Self::with_policy(frames, policy::Name::default())
    }

    fn with_policy(frames: u64, policy: policy::Name) -> Self {
        let ram = Ram::new(Bytes::new(frames * PAGE), Granule::K4).expect("RAM of the host");
        let device = Rc::new(Device::default());
        let swap = SwapConfig {
            device: Box::new(Rc::clone(&device)),
            name: "test".to_owned(),
            size: Bytes::new(1000 * PAGE),
            key: [3; 32],
            compressed: Bytes::ZERO,
        };
        let config = ReclaimConfig {
            swap: Some(swap),
            policy,
            ..ReclaimConfig::default()
        };
        let mut memory = Memory::with_reclaim(ram, config);
        let layout = Layout {
            mmap_top: VirtAddr::new(1 << 40),
            lowest: VirtAddr::new(1 << 16),
        };
        let space = memory
            .create_space(layout, Limits::default())
            .expect("a root table");
        Self {
            memory,
            space,
            device,
        }
    }

    /// Maps pages and writes its number into each.
    fn filled(&mut self, pages: u64, sharing: Sharing) -> VirtAddr {
        let request = MapRequest {
            sharing,
            ..MapRequest::anonymous(Bytes::new(pages * PAGE), Prot::READ | Prot::WRITE)
        };
        let at = self.memory.map(self.space, &request).expect("room");
        for page in 0..pages {
            self.write(at, page, (page as u8).wrapping_add(1));
        }
        at
    }

    fn write(&mut self, at: VirtAddr, page: u64, value: u8) {
        let address = VirtAddr::new(at.get() + page * PAGE + 5);
        self.memory
            .copy_out(self.space, address, &[value])
            .expect("mapped");
    }

    fn read(&mut self, space: SpaceId, at: VirtAddr, page: u64) -> u8 {
        let mut byte = [0];
        let address = VirtAddr::new(at.get() + page * PAGE + 5);
        self.memory.copy_in(space, address, &mut byte).expect("mapped");
        byte[0]
    }

    fn range(&self, at: VirtAddr, pages: u64) -> PageRange {
        PageRange::from_count(at.page(Granule::K4), PageCount::new(pages)).expect("a range")
    }

    fn advise(&mut self, at: VirtAddr, pages: u64, advice: Advice) {
        let range = self.range(at, pages);
        self.memory.advise(self.space, range, advice).expect("mapped");
        self.memory.check().expect("every invariant");
    }

    fn swapped_kib(&self) -> u64 {
        self.memory.usage(self.space).swap.kib()
    }

    fn is_present(&self, at: VirtAddr, page: u64) -> bool {
        let number = PageNum::new(at.page(Granule::K4).get() + page);
        self.memory.page_info(self.space, number).present
    }
}

#[test]
fn four_times_ram_comes_back_as_it_was() {
    for sharing in [Sharing::Private, Sharing::Shared] {
        let mut b = Bench::new(64);
        let at = b.filled(240, sharing);
        for page in 0..240 {
            assert_eq!(b.read(b.space, at, page), page as u8 + 1);
        }
        let counters = *b.memory.counters();
        assert!(counters.pswpout > 180 && counters.pswpin > 180, "{counters:?}");
        assert!(counters.pgmajfault > 0 && counters.pgsteal_direct > 0);
        b.memory.check().expect("every invariant");
        let all = b.range(at, 240);
        b.memory.unmap(b.space, all).expect("unmapped");
        assert_eq!(b.memory.swap().used, 0, "slots go with the last mapping");
    }
}

#[test]
fn locked_pages_stay() {
    let mut b = Bench::new(64);
    let at = b.filled(8, Sharing::Private);
    let range = b.range(at, 8);
    b.memory.set_locked(b.space, range, true, false).expect("locked");
    b.filled(200, Sharing::Private);
    assert!((0..8).all(|page| b.is_present(at, page)));
    b.memory.check().expect("every invariant");
}

/// A page that was read back keeps its slot: it leaves again without a write, until it is written.
#[test]
fn clean_pages_leave_without_a_write() {
    let mut b = Bench::new(64);
    let at = b.filled(4, Sharing::Private);
    b.advise(at, 4, Advice::PageOut);
    assert_eq!((b.swapped_kib(), b.memory.counters().pswpout), (16, 4));
    assert_eq!(b.read(b.space, at, 2), 3);
    b.advise(at, 4, Advice::PageOut);
    assert_eq!(b.memory.counters().pswpout, 4);
    assert!(b.memory.counters().swap_clean > 0);
    b.write(at, 2, 99);
    b.advise(at, 4, Advice::PageOut);
    assert_eq!(b.memory.counters().pswpout, 5);
    assert_eq!(b.read(b.space, at, 2), 99);
}

#[test]
fn a_fork_shares_slots_and_one_read_serves_both() {
    let mut b = Bench::new(64);
    let at = b.filled(4, Sharing::Private);
    b.advise(at, 4, Advice::PageOut);
    let child = b.memory.fork_space(b.space).expect("room");
    assert_eq!(b.memory.swap().used, 4);
    assert_eq!(b.memory.usage(child).swap.kib(), 16);
    let vma = *b.memory.find_vma(child, at.page(Granule::K4)).expect("inherited");
    let usage = b.memory.vma_usage(child, &vma);
    assert_eq!((usage.swap.kib(), usage.swap_pss.bytes().kib()), (16, 8));
    assert_eq!(b.read(b.space, at, 1), 2);
    let before = b.memory.counters().pgmajfault;
    assert_eq!(b.read(child, at, 1), 2);
    assert_eq!(b.memory.counters().pgmajfault, before, "it is in RAM already");
    b.write(at, 1, 77);
    assert_eq!((b.read(child, at, 1), b.read(b.space, at, 1)), (2, 77));
    b.memory.destroy_space(child);
    b.memory.check().expect("every invariant");
}

#[test]
fn lazily_freed_pages_are_forgotten_and_written_ones_kept() {
    let mut b = Bench::new(64);
    let at = b.filled(4, Sharing::Private);
    b.advise(at, 4, Advice::Free);
    b.write(at, 3, 50);
    b.advise(at, 4, Advice::PageOut);
    assert_eq!(b.memory.counters().pglazyfreed, 3);
    assert_eq!([0, 1, 2, 3].map(|page| b.read(b.space, at, page)), [0, 0, 0, 50]);
}

#[test]
fn a_rotten_slot_is_a_bus_error_and_its_neighbours_live() {
    let mut b = Bench::new(64);
    let at = b.filled(4, Sharing::Private);
    b.advise(at, 4, Advice::PageOut);
    b.device.harm(Trouble::Rot(0));
    let mut byte = [0];
    let lost = b.memory.copy_in(b.space, at, &mut byte).expect_err("rotten");
    assert!(matches!(lost.violation.signal, ViolationKind::BusSwap(_)));
    assert_eq!([1, 2, 3].map(|page| b.read(b.space, at, page)), [2, 3, 4]);
    assert_eq!(b.memory.counters().swap_read_errors, 1);
    b.memory.check().expect("every invariant");
}

#[test]
fn a_full_host_keeps_the_page() {
    let mut b = Bench::new(64);
    let at = b.filled(4, Sharing::Private);
    b.device.harm(Trouble::Full(2));
    b.advise(at, 4, Advice::PageOut);
    assert_eq!(
        (b.memory.swap().bad, b.memory.counters().swap_write_errors),
        (1, 1)
    );
    assert_eq!([0, 1, 2, 3].map(|page| b.read(b.space, at, page)), [1, 2, 3, 4]);
}

/// Memory that is walked in order is read about once:
/// what came ahead of its use is there when its turn comes.
#[test]
fn what_was_read_ahead_waits_for_its_use() {
    for name in [policy::Name::Clock, policy::Name::Lru] {
        let mut b = Bench::with_policy(256, name);
        let at = b.filled(900, Sharing::Private);
        let before = b.memory.counters().pswpin;
        for page in 0..900 {
            assert_eq!(b.read(b.space, at, page), (page as u8).wrapping_add(1), "{name}");
        }
        let read = b.memory.counters().pswpin - before;
        assert!(read < 1000, "{name}: {read} pages read for 900");
        b.memory.check().expect("every invariant");
    }
}
