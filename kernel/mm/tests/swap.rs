//! Swap as a program and its observers see it: what leaves, what stays, what is counted, what comes back.

use std::io;
use std::rc::Rc;

use arch::{Bytes, Granule, PageCount, PageNum, PageRange, VirtAddr};
use mm::{
    Advice, Backing, Content, FileId, FileKey, Layout, Limits, MapRequest, Memory, Prot, ReclaimConfig,
    Sharing, SpaceId, SwapConfig, ViolationKind,
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

/// A file of so many zeros.
struct Zeros(u64);

impl Backing for Zeros {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        let count = self.0.saturating_sub(offset).min(to.len() as u64) as usize;
        to[..count].fill(0);
        Ok(count)
    }

    fn write_at(&self, _: u64, from: &[u8]) -> io::Result<usize> {
        Ok(from.len())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0)
    }
}

impl Bench {
    fn new(frames: u64) -> Self {
        Self::with_policy(frames, 1000, policy::Name::default())
    }

    fn with_policy(frames: u64, slots: u64, policy: policy::Name) -> Self {
        let ram = Ram::new(Bytes::new(frames * PAGE), Granule::K4).expect("RAM of the host");
        let device = Rc::new(Device::default());
        let swap = SwapConfig {
            device: Box::new(Rc::clone(&device)),
            name: "test".to_owned(),
            size: Bytes::new(slots * PAGE),
            key: [3; 32],
            compressed: Bytes::ZERO,
        };
        let config = ReclaimConfig {
            policy,
            swap: Some(swap),
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

    /// A file of so many pages, and where it is mapped, all of it in the cache.
    fn file_of(&mut self, pages: u64) -> (FileId, VirtAddr) {
        let bytes = Bytes::new(pages * PAGE);
        let backing = Rc::new(Zeros(bytes.get()));
        let key = FileKey { device: 1, inode: 1 };
        let file = self.memory.open_file(key, b"/file", backing);
        let request = MapRequest {
            content: Content::File { file, offset: 0 },
            populate: true,
            ..MapRequest::anonymous(bytes, Prot::READ)
        };
        let at = self.memory.map(self.space, &request).expect("room");
        (file, at)
    }

    /// Pages that reclaim tried before a fault, and those that left.
    fn tried_and_left(&self) -> (u64, u64) {
        let counters = self.memory.counters();
        (counters.pgscan_direct, counters.pgsteal_direct)
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

/// However often the policy names what is locked, the rest leaves: nobody is out of RAM with swap to spare.
#[test]
fn locked_pages_are_not_tried_over_and_over() {
    for name in policy::Name::ALL {
        let mut b = Bench::with_policy(64, 1000, name);
        let (file, _) = b.file_of(3);
        b.memory.lock_object(file, true);
        let at = b.filled(8, Sharing::Private);
        let range = b.range(at, 8);
        b.memory.set_locked(b.space, range, true, false).expect("locked");
        let more = b.filled(90, Sharing::Private);
        for _ in 0..4 {
            for page in 0..90 {
                assert_eq!(b.read(b.space, more, page), page as u8 + 1, "{name}");
            }
        }
        let (tried, left) = b.tried_and_left();
        assert!(tried < 2 * left, "{name}: {tried} tried, {left} left");
        b.memory.check().expect("every invariant");
    }
}

/// While swap is full, what would go there is tried once and not at each fault; as slots become free, as many pages leave.
#[test]
fn a_full_swap_area_is_not_tried_over_and_over() {
    const SLOTS: u64 = 16;
    for name in policy::Name::ALL {
        let mut b = Bench::with_policy(256, SLOTS, name);
        let (_, file) = b.file_of(60);
        let swapped = b.filled(SLOTS, Sharing::Private);
        b.advise(swapped, SLOTS, Advice::PageOut);
        b.filled(170, Sharing::Private);
        for _ in 0..50 {
            for page in 0..60 {
                assert_eq!(b.read(b.space, file, page), 0, "{name}");
            }
        }
        let (tried, left) = b.tried_and_left();
        assert!(left > 1000, "{name}: it is not short of RAM: {left} left");
        assert!(tried < 2 * left, "{name}: {tried} tried, {left} left");
        assert_eq!(b.memory.swap().free(), 0, "{name}");
        let range = b.range(swapped, SLOTS);
        b.memory.unmap(b.space, range).expect("mapped");
        b.filled(SLOTS, Sharing::Private);
        (0..60).for_each(|page| assert_eq!(b.read(b.space, file, page), 0, "{name}"));
        assert!(
            b.memory.swap().free() < SLOTS,
            "{name}: free slots are used again"
        );
        b.memory.check().expect("every invariant");
    }
}

/// Pages leave again after munlock(2), and after the end of the process that locked them while a child of it lives.
#[test]
fn unlocked_pages_leave_again() {
    for name in policy::Name::ALL {
        for ends in [false, true] {
            let mut b = Bench::with_policy(128, 1000, name);
            let at = b.filled(90, Sharing::Private);
            let range = b.range(at, 90);
            b.memory.set_locked(b.space, range, true, false).expect("locked");
            let child = b.memory.fork_space(b.space).expect("room");
            b.filled(200, Sharing::Private);
            assert!((0..90).all(|page| b.is_present(at, page)), "{name}");
            if ends {
                b.memory.destroy_space(b.space);
                b.space = child;
            } else {
                b.memory.set_locked(b.space, range, false, false).expect("mapped");
            }
            b.filled(200, Sharing::Private);
            assert!(!(0..90).all(|page| b.is_present(at, page)), "{name}: none left");
            for page in 0..90 {
                assert_eq!(b.read(b.space, at, page), page as u8 + 1, "{name}");
            }
            b.memory.check().expect("every invariant");
        }
    }
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
        let mut b = Bench::with_policy(256, 1000, name);
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
