//! The MMU against tables built by hand in each granule.

use super::*;
use arch::{Bytes, Descriptor, PageAttributes, PageCount, PageNum};

/// A small machine: RAM, an MMU, and one page table built by hand with frames taken from 1 upwards.
struct Bench {
    ram: Ram,
    mmu: Mmu,
    next: u32,
    root: PhysAddr,
}

const READ_WRITE: PageAttributes = PageAttributes {
    writable: true,
    executable: false,
    accessed: false,
    dirty: false,
};
const READ_ONLY: PageAttributes = PageAttributes {
    writable: false,
    ..READ_WRITE
};
const CODE: PageAttributes = PageAttributes {
    executable: true,
    ..READ_ONLY
};

impl Bench {
    fn new(granule: Granule) -> Self {
        let ram = Ram::new(Bytes::new(granule.bytes() * 64), granule).expect("64 frames");
        let mut bench = Self {
            mmu: Mmu::new(ram.clone()),
            ram,
            next: 1,
            root: PhysAddr::default(),
        };
        bench.root = bench.frame().start(granule);
        bench.mmu.switch_to(Ttbr {
            base: bench.root,
            asid: Asid::new(1),
        });
        bench
    }

    fn frame(&mut self) -> FrameNum {
        self.next += 1;
        FrameNum::new(self.next - 1)
    }

    fn slot(&mut self, va: u64) -> PhysAddr {
        let granule = self.ram.granule();
        let geometry = granule.geometry();
        let mut table = self.root;
        for level in geometry.start_level..3 {
            let at = PhysAddr::new(table.get() + 8 * geometry.index(va, level) as u64);
            let mut descriptor = Descriptor::from_bits(self.ram.read(at).expect("in RAM"));
            if !descriptor.is_valid() {
                descriptor = Descriptor::table(self.frame().start(granule));
                self.ram.write(at, descriptor.bits());
            }
            table = descriptor.address(granule);
        }
        PhysAddr::new(table.get() + 8 * geometry.index(va, 3) as u64)
    }

    fn map(&mut self, va: u64, attributes: PageAttributes) -> FrameNum {
        let frame = self.frame();
        let at = self.slot(va);
        self.ram.write(
            at,
            Descriptor::page(frame.start(self.ram.granule()), attributes).bits(),
        );
        frame
    }

    fn leaf(&mut self, va: u64) -> Descriptor {
        let at = self.slot(va);
        Descriptor::from_bits(self.ram.read(at).expect("in RAM"))
    }

    fn page(&self) -> u64 {
        self.ram.granule().bytes()
    }
}

fn fault(address: u64, access: Access, cause: FaultCause) -> Fault {
    Fault {
        address: VirtAddr::new(address),
        access,
        cause,
    }
}

fn in_each_granule(check: impl Fn(Bench)) {
    Granule::ALL
        .into_iter()
        .for_each(|granule| check(Bench::new(granule)));
}

#[test]
fn loads_and_stores_reach_the_frame() {
    in_each_granule(|mut b| {
        let va = b.ram.granule().user_end() - b.page();
        let frame = b.map(va, READ_WRITE);
        assert_eq!(b.mmu.store(va + 8, 0x1122_3344_5566_7788_u64), Ok(()));
        assert_eq!(b.mmu.load::<u32>(va + 10), Ok(0x3344_5566));
        let pa = frame.start(b.ram.granule()).get() + 8;
        assert_eq!(b.ram.read::<u64>(PhysAddr::new(pa)), Some(0x1122_3344_5566_7788));
    });
}

#[test]
fn hardware_sets_access_flag_and_dirty_state() {
    in_each_granule(|mut b| {
        let va = 7 * b.page();
        b.map(va, READ_WRITE);
        assert_eq!(b.mmu.load::<u8>(va), Ok(0));
        assert!(b.leaf(va).is_accessed() && !b.leaf(va).is_dirty());
        assert_eq!(b.mmu.store(va, 1_u8), Ok(()));
        assert!(b.leaf(va).is_dirty());
        assert_eq!(
            (
                b.mmu.counters().access_flags_set,
                b.mmu.counters().dirty_states_set
            ),
            (1, 1)
        );
    });
}

#[test]
fn permissions_are_checked_by_kind() {
    in_each_granule(|mut b| {
        let (ro, code, rw) = (b.page(), 2 * b.page(), 3 * b.page());
        b.map(ro, READ_ONLY);
        b.map(code, CODE);
        b.map(rw, READ_WRITE);
        assert_eq!(
            b.mmu.store(ro + 3, 1_u8),
            Err(fault(ro + 3, Access::Write, FaultCause::Permission(3)))
        );
        assert_eq!(
            b.mmu.fetch(rw),
            Err(fault(rw, Access::Execute, FaultCause::Permission(3)))
        );
        assert!(b.mmu.fetch(code).is_ok());
        assert_eq!(b.mmu.load::<u16>(code), Ok(0));
        let kernel_only = Descriptor::from_bits(b.leaf(rw).bits() & !Descriptor::AP_EL0);
        let at = b.slot(rw);
        b.ram.write(at, kernel_only.bits());
        assert_eq!(
            b.mmu.load::<u8>(rw),
            Err(fault(rw, Access::Read, FaultCause::Permission(3)))
        );
    });
}

impl Bench {
    /// The address of the table descriptor of `level` on the way to `va`.
    fn table_slot(&mut self, va: u64, level: u8) -> PhysAddr {
        self.slot(va);
        let granule = self.ram.granule();
        let geometry = granule.geometry();
        let mut table = self.root;
        for above in geometry.start_level..level {
            let at = PhysAddr::new(table.get() + 8 * geometry.index(va, above) as u64);
            table = Descriptor::from_bits(self.ram.read(at).expect("in RAM")).address(granule);
        }
        PhysAddr::new(table.get() + 8 * geometry.index(va, level) as u64)
    }
}

/// Hierarchical permissions (D8.4): a table descriptor of any level protects all below it, DBM or not.
#[test]
fn a_table_descriptor_limits_all_below_it() {
    in_each_granule(|mut b| {
        let start = b.ram.granule().geometry().start_level;
        let va = 3 * b.page();
        let (clean, dirty) = (va, va + b.page());
        b.map(clean, READ_WRITE);
        b.map(
            dirty,
            PageAttributes {
                dirty: true,
                executable: true,
                ..READ_WRITE
            },
        );
        for level in start..3 {
            let at = b.table_slot(va, level);
            let free = b.ram.read::<u64>(at).expect("in RAM");
            let refused = |b: &mut Bench, va, access| {
                let answer = match access {
                    Access::Read => b.mmu.load::<u8>(va).map(|_| ()),
                    Access::Write => b.mmu.store(va, 1_u8),
                    Access::Execute => b.mmu.fetch(va).map(|_| ()),
                };
                assert_eq!(
                    answer,
                    Err(fault(va, access, FaultCause::Permission(3))),
                    "level {level}"
                );
                b.mmu.maintain(TlbOp::All);
            };
            b.ram.write(at, free | Descriptor::AP_TABLE_READ_ONLY);
            b.mmu.maintain(TlbOp::All);
            refused(&mut b, clean, Access::Write);
            refused(&mut b, dirty, Access::Write);
            assert!(!b.leaf(clean).is_dirty(), "no dirty state below APTable");
            assert_eq!(b.mmu.load::<u8>(clean), Ok(0));
            assert!(b.leaf(clean).is_accessed() && !b.leaf(clean).is_dirty());
            assert!(b.mmu.fetch(dirty).is_ok());
            b.ram.write(at, free | Descriptor::AP_TABLE_NO_EL0);
            b.mmu.maintain(TlbOp::All);
            refused(&mut b, clean, Access::Read);
            b.ram.write(at, free | Descriptor::UXN_TABLE);
            refused(&mut b, dirty, Access::Execute);
            b.ram.write(at, free);
            b.mmu.maintain(TlbOp::All);
        }
        // A right that is given back is used without maintenance: a write that misses walks.
        assert_eq!(b.mmu.load::<u8>(clean), Ok(0));
        assert_eq!(b.mmu.store(clean, 1_u8), Ok(()));
        assert!(b.leaf(clean).is_dirty());
    });
}

#[test]
fn a_fault_names_the_level_where_the_walk_ended() {
    in_each_granule(|mut b| {
        b.map(b.page(), READ_ONLY);
        let start = b.ram.granule().geometry().start_level;
        let far = b.ram.granule().user_end() / 2;
        let read = |b: &mut Bench, va| b.mmu.load::<u8>(va).expect_err("not mapped").cause;
        assert_eq!(read(&mut b, 0), FaultCause::Translation(3));
        assert_eq!(read(&mut b, far), FaultCause::Translation(start));
        let outside = b.ram.granule().user_end();
        assert_eq!(read(&mut b, outside), FaultCause::Translation(0));
        let at = b.slot(b.page());
        b.ram
            .write(at, Descriptor::page(PhysAddr::new(1 << 40), READ_ONLY).bits());
        assert_eq!(
            b.mmu.load::<u8>(b.page()).expect_err("no such frame").cause,
            FaultCause::AddressSize(3)
        );
        b.ram
            .write(b.root, Descriptor::table(PhysAddr::new(1 << 40)).bits());
        assert_eq!(read(&mut b, 0), FaultCause::ExternalOnWalk(start + 1));
    });
}

#[test]
fn accesses_across_pages_do_all_or_nothing() {
    in_each_granule(|mut b| {
        let (first, second) = (4 * b.page(), 5 * b.page());
        b.map(first, READ_WRITE);
        b.map(second, READ_WRITE);
        assert_eq!(b.mmu.store(second - 3, 0x0102_0304_0506_0708_u64), Ok(()));
        assert_eq!(b.mmu.load::<u64>(second - 3), Ok(0x0102_0304_0506_0708));
        assert_eq!(
            b.mmu.load::<u128>(second - 3).map(|v| v as u64),
            Ok(0x0102_0304_0506_0708)
        );
        let end = 6 * b.page();
        let before = b.mmu.load::<u32>(end - 4);
        assert_eq!(
            b.mmu.store(end - 2, u32::MAX),
            Err(fault(end, Access::Write, FaultCause::Translation(3)))
        );
        assert_eq!(b.mmu.load::<u32>(end - 4), before);
        assert_eq!(
            b.mmu.load::<u32>(end - 2),
            Err(fault(end, Access::Read, FaultCause::Translation(3)))
        );
    });
}

#[test]
fn the_top_byte_of_a_data_address_is_ignored() {
    in_each_granule(|mut b| {
        let va = 9 * b.page();
        b.map(
            va,
            PageAttributes {
                executable: true,
                ..READ_WRITE
            },
        );
        assert_eq!(b.mmu.store(va | 0x5a << 56, 77_u8), Ok(()));
        assert_eq!(b.mmu.load::<u8>(va), Ok(77));
        assert!(
            b.mmu.fetch(va | 0x5a << 56).is_err(),
            "instruction addresses keep their top byte"
        );
    });
}

#[test]
fn maintenance_reaches_what_a_tagged_address_brought_in() {
    in_each_granule(|mut b| {
        let va = 9 * b.page();
        b.map(va, READ_WRITE);
        assert_eq!(b.mmu.load::<u8>(va | 0x5a << 56), Ok(0));
        let at = b.slot(va);
        b.ram.write(at, 0_u64);
        let pages = PageRange::single(va.page(&b));
        b.mmu.maintain(TlbOp::Pages {
            asid: Asid::new(1),
            pages,
        });
        assert!(b.mmu.load::<u8>(va | 0x5a << 56).is_err());
    });
}

#[test]
fn a_forgotten_flush_is_a_stale_entry_and_a_flush_removes_it() {
    in_each_granule(|mut b| {
        let va = 3 * b.page();
        b.map(va, READ_WRITE);
        assert_eq!(b.mmu.store(va, 5_u8), Ok(()));
        let at = b.slot(va);
        b.ram.write(at, 0_u64);
        assert_eq!(b.mmu.load::<u8>(va), Ok(5), "stale, as on hardware");
        let pages = PageRange::from_count(va.page(&b), PageCount::new(1)).expect("one page");
        b.mmu.maintain(TlbOp::Pages {
            asid: Asid::new(2),
            pages,
        });
        assert_eq!(b.mmu.load::<u8>(va), Ok(5), "another address space's flush");
        let epoch = b.mmu.fetch_epoch();
        b.mmu.maintain(TlbOp::Pages {
            asid: Asid::new(1),
            pages,
        });
        assert!(b.mmu.load::<u8>(va).is_err());
        assert_ne!(b.mmu.fetch_epoch(), epoch);
    });
}

trait PageOf {
    fn page(self, b: &Bench) -> PageNum;
}

impl PageOf for u64 {
    fn page(self, b: &Bench) -> PageNum {
        VirtAddr::new(self).page(b.ram.granule())
    }
}

#[test]
fn tables_are_kept_across_switches() {
    let mut b = Bench::new(Granule::K16);
    b.map(b.page(), READ_WRITE);
    assert_eq!(b.mmu.store(b.page(), 1_u8), Ok(()));
    let (walks, epoch) = (b.mmu.counters().walks, b.mmu.fetch_epoch());
    let home = Ttbr {
        base: b.root,
        asid: Asid::new(1),
    };
    b.mmu.switch_to(Ttbr {
        base: PhysAddr::new(b.page() * 50),
        asid: Asid::new(2),
    });
    assert_ne!(b.mmu.fetch_epoch(), epoch);
    assert!(b.mmu.load::<u8>(b.page()).is_err());
    b.mmu.switch_to(home);
    assert_eq!(b.mmu.fetch_epoch(), epoch);
    assert_eq!(b.mmu.load::<u8>(b.page()), Ok(1));
    assert_eq!(b.mmu.counters().walks, walks + 1);
    b.mmu.maintain(TlbOp::Asid(Asid::new(1)));
    assert_eq!(b.mmu.load::<u8>(b.page()), Ok(1));
    assert_eq!(b.mmu.counters().walks, walks + 2);
}

#[test]
fn stores_to_watched_frames_are_noted() {
    in_each_granule(|mut b| {
        let va = 2 * b.page();
        let frame = b.map(
            va,
            PageAttributes {
                executable: true,
                ..READ_WRITE
            },
        );
        assert_eq!(b.mmu.store(va, 1_u32), Ok(()));
        b.mmu.watch_code(frame);
        for value in [2_u32, 3] {
            assert_eq!(b.mmu.store(va, value), Ok(()));
            assert_eq!(b.ram.take_written(), [frame]);
        }
        b.ram.unwatch(frame);
        assert_eq!(b.mmu.store(va, 4_u32), Ok(()));
        assert!(b.ram.take_written().is_empty());
        b.mmu.watch_code(frame);
        assert_eq!(b.mmu.store(va, 5_u32), Ok(()));
        assert_eq!(
            b.ram.take_written(),
            [frame],
            "the write tag was dropped when the watch began"
        );
    });
}

#[test]
fn tables_grow_on_misses_and_lose_nothing() {
    let mut b = Bench::new(Granule::K64);
    let pages = 40;
    for i in 0..pages {
        b.map(i * b.page(), READ_WRITE);
    }
    for round in 0..20_u64 {
        for i in 0..pages {
            assert_eq!(b.mmu.store(i * b.page(), round), Ok(()));
        }
        // Invalidation makes each round miss again, so that the table doubles.
        b.mmu.maintain(TlbOp::All);
    }
    for i in 0..pages {
        assert_eq!(b.mmu.load::<u64>(i * b.page()), Ok(19));
    }
    let all = PageRange::from_count(PageNum::new(0), PageCount::new(pages)).expect("pages");
    assert_eq!(b.mmu.cached_pages(all), pages as usize);
}

#[test]
fn a_read_after_a_write_keeps_the_write_tag() {
    let mut b = Bench::new(Granule::K4);
    b.map(
        b.page(),
        PageAttributes {
            executable: true,
            ..READ_WRITE
        },
    );
    assert_eq!(b.mmu.store(b.page(), 1_u8), Ok(()));
    assert!(b.mmu.fetch(b.page()).is_ok());
    let walks = b.mmu.counters().walks;
    assert_eq!(b.mmu.store(b.page(), 2_u8), Ok(()));
    assert_eq!(b.mmu.load::<u8>(b.page()), Ok(2));
    assert_eq!(b.mmu.counters().walks, walks);
}
