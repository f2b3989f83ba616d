//! Spaces that fork one another share translation tables. Whatever they do then, each has its own bytes, and who shares
//! which page is as the pages themselves say: random calls of up to six spaces on memory in three leaf tables, against an
//! oracle of bytes and counts; and single promises.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::rc::Rc;

use arch::{Access, Bytes, Granule, PageNum, PageRange, VirtAddr};
use mm::{
    Advice, ClearedPages, Layout, Limits, MapError, MapRequest, Memory, Placement, Prot, ReclaimConfig,
    RemapRequest, SpaceId, SwapConfig, ViolationKind,
};
use mmu::Mmu;
use proptest::prelude::*;
use ram::Ram;

#[expect(dead_code, reason = "the property test uses all of it")]
mod device;
use device::Device;

const RW: Prot = Prot::READ.union(Prot::WRITE);
const SPOTS: usize = 8;
const SPACES: usize = 6;

/// A page of a space that the oracle follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Spot {
    writable: bool,
    value: u8,
    /// It may have become 0.
    lazy: bool,
}

struct Bench {
    granule: Granule,
    memory: Memory,
    mmu: Mmu,
    spaces: [Option<(SpaceId, [Option<Spot>; SPOTS])>; SPACES],
}

impl Bench {
    fn new(granule: Granule, frames: u64, swap: u64) -> Self {
        let ram = Ram::new(Bytes::new(frames * granule.bytes()), granule).unwrap();
        let swap = (swap > 0).then(|| SwapConfig {
            device: Box::new(Rc::new(Device::default())),
            name: "test".to_owned(),
            size: Bytes::new(swap * granule.bytes()),
            key: [3; 32],
            compressed: Bytes::ZERO,
        });
        let config = ReclaimConfig {
            swap,
            ..ReclaimConfig::default()
        };
        let mmu = Mmu::new(ram.clone());
        let mut memory = Memory::with_reclaim(ram, config);
        let layout = Layout {
            mmap_top: VirtAddr::new(granule.user_end() / 2),
            lowest: VirtAddr::new(1 << 16),
        };
        let id = memory.create_space(layout, Limits::default()).unwrap();
        let mut bench = Self {
            granule,
            memory,
            mmu,
            spaces: [const { None }; SPACES],
        };
        bench.spaces[0] = Some((id, [None; SPOTS]));
        bench.map(0, 0, SPOTS - 1);
        bench
    }

    /// Where a spot lies: in three leaf tables on both sides of an upper table's end.
    fn page(&self, spot: usize) -> PageNum {
        let per = self.granule.entries() as u64;
        let place = [0, 1, per - 1, per, per + 1, 2 * per - 1, 2 * per, 3 * per - 1][spot];
        PageNum::new(per * per - per + place)
    }

    fn range(&self, first: usize, last: usize) -> PageRange {
        PageRange::new(self.page(first), PageNum::new(self.page(last).get() + 1)).unwrap()
    }

    fn address(&self, spot: usize) -> VirtAddr {
        self.page(spot).start(self.granule)
    }

    fn id(&self, space: usize) -> SpaceId {
        self.spaces[space].as_ref().unwrap().0
    }

    fn spots(&mut self, space: usize, first: usize, last: usize) -> &mut [Option<Spot>] {
        &mut self.spaces[space].as_mut().unwrap().1[first..=last]
    }

    fn map(&mut self, space: usize, first: usize, last: usize) {
        let request = MapRequest {
            placement: Placement::Fixed(self.address(first)),
            ..MapRequest::anonymous(self.range(first, last).count().bytes(self.granule), RW)
        };
        self.memory.map(self.id(space), &request).unwrap();
        let fresh = Spot {
            writable: true,
            value: 0,
            lazy: false,
        };
        self.spots(space, first, last).fill(Some(fresh));
    }

    /// One access as a program makes it, with its faults.
    fn access(&mut self, space: usize, spot: usize, write: Option<u8>) -> Result<u8, ViolationKind> {
        let id = self.id(space);
        let address = self.address(spot).get();
        self.mmu.switch_to(self.memory.ttbr(id));
        for _ in 0..3 {
            self.deliver();
            let answer = match write {
                Some(value) => self.mmu.store(address, value).map(|()| value),
                None => self.mmu.load::<u8>(address),
            };
            match answer {
                Ok(value) => return Ok(value),
                Err(fault) => drop(
                    self.memory
                        .fault(id, &fault)
                        .map_err(|violation| violation.signal)?,
                ),
            }
        }
        panic!("the access never gets through");
    }

    fn deliver(&mut self) {
        for op in self.memory.take_tlb_ops() {
            self.mmu.maintain(op);
        }
    }

    fn step(&mut self, op: &Op) {
        let Op {
            space,
            first,
            last,
            value,
            ..
        } = *op;
        let (first, last) = (first.min(last), first.max(last));
        if self.spaces[space].is_none() {
            return;
        }
        let id = self.id(space);
        let range = self.range(first, last);
        match op.what {
            What::Write => self.write(space, first, value),
            What::Read => self.read(space, first),
            What::Fork => self.fork(space),
            What::Exit => {
                if self.spaces.iter().flatten().count() > 1 {
                    self.memory.destroy_space(id);
                    self.spaces[space] = None;
                }
            }
            What::Unmap => {
                self.memory.unmap(id, range).unwrap();
                self.spots(space, first, last).fill(None);
            }
            What::Map => self.map(space, first, last),
            What::DontNeed => {
                drop(self.memory.advise(id, range, Advice::DontNeedLocked));
                self.each(space, first, last, |spot| {
                    spot.value = 0;
                    spot.lazy = false;
                });
            }
            What::Free => {
                drop(self.memory.advise(id, range, Advice::Free));
                self.each(space, first, last, |spot| spot.lazy = true);
            }
            What::PageOut => drop(self.memory.advise(id, range, Advice::PageOut)),
            What::Cold => drop(self.memory.advise(id, range, Advice::Cold)),
            What::Clear => self.memory.clear_references(id, ClearedPages::All),
            What::Protect => {
                if self.spots(space, first, last).iter().all(Option::is_some) {
                    let writable = value & 1 != 0;
                    let done = self
                        .memory
                        .protect(id, range, if writable { RW } else { Prot::READ });
                    // Between two spots there may be a hole: what lies below it is done.
                    if done.is_ok() {
                        self.each(space, first, last, |spot| spot.writable = writable);
                    } else {
                        self.follow_rights(space);
                    }
                }
            }
            What::Lock => drop(
                self.memory
                    .set_locked(id, self.range(first, first), value & 1 != 0, true),
            ),
            What::Move => self.relocate(space, first, last),
            What::Reclaim => self.memory.background_reclaim(),
        }
    }

    fn each(&mut self, space: usize, first: usize, last: usize, edit: impl FnMut(&mut Spot)) {
        self.spots(space, first, last).iter_mut().flatten().for_each(edit);
    }

    fn follow_rights(&mut self, space: usize) {
        let id = self.id(space);
        for number in 0..SPOTS {
            let page = self.page(number);
            let vma = self.memory.find_vma(id, page).copied();
            if let Some(spot) = &mut self.spots(space, number, number)[0] {
                spot.writable = vma.unwrap().prot.contains(Prot::WRITE);
            }
        }
    }

    fn write(&mut self, space: usize, spot: usize, value: u8) {
        let known = self.spots(space, spot, spot)[0];
        match (self.access(space, spot, Some(value)), known) {
            (Ok(_), Some(Spot { writable: true, .. })) => {
                let written = Spot {
                    writable: true,
                    value,
                    lazy: false,
                };
                self.spots(space, spot, spot)[0] = Some(written);
            }
            (Err(ViolationKind::AccErr), Some(Spot { writable: false, .. }))
            | (Err(ViolationKind::MapErr), None) => {}
            (answer, known) => panic!("a write to {known:?} is {answer:?}"),
        }
    }

    fn read(&mut self, space: usize, spot: usize) {
        let known = self.spots(space, spot, spot)[0];
        match (self.access(space, spot, None), known) {
            (Ok(value), Some(known)) if value == known.value => {}
            (Ok(0), Some(Spot { lazy: true, .. })) => self.each(space, spot, spot, |spot| spot.value = 0),
            (Err(ViolationKind::MapErr), None) => {}
            (answer, known) => panic!("a read of {known:?} is {answer:?}"),
        }
    }

    fn fork(&mut self, space: usize) {
        let Some(child) = self.spaces.iter().position(Option::is_none) else {
            return;
        };
        let (id, spots) = *self.spaces[space].as_ref().unwrap();
        let forked = self.memory.fork_space(id).unwrap();
        // The same pages, and as many tables as if each were the child's own.
        let (old, new) = (self.memory.usage(id), self.memory.usage(forked));
        assert_eq!((old.rss(), old.swap), (new.rss(), new.swap));
        assert_eq!(old.page_tables, new.page_tables);
        self.spaces[child] = Some((forked, spots));
    }

    fn relocate(&mut self, space: usize, from: usize, to: usize) {
        let Some(moved) = self.spots(space, from, from)[0] else {
            return;
        };
        if from != to {
            let page = Bytes::new(self.granule.bytes());
            let request = RemapRequest {
                old: self.address(from),
                old_length: page,
                new_length: page,
                may_move: true,
                fixed: Some(self.address(to)),
                dont_unmap: false,
            };
            self.memory.remap(self.id(space), &request).unwrap();
            self.spots(space, to, to)[0] = Some(moved);
            self.spots(space, from, from)[0] = None;
        }
    }

    /// The oracle of counts: each space's pages one by one.
    fn compare(&self) {
        self.memory.check().unwrap();
        let living: Vec<SpaceId> = self.spaces.iter().flatten().map(|(id, _)| *id).collect();
        let pages = |id| (0..SPOTS).map(move |spot| self.memory.page_info(id, self.page(spot)));
        let (mut owners, mut slots) = (BTreeMap::new(), BTreeMap::new());
        let mut all_slots_known = true;
        for info in living.iter().flat_map(|&id| pages(id)) {
            if let Some(frame) = info.frame {
                *owners.entry(frame).or_insert(0) += 1;
            }
            if info.swapped {
                all_slots_known &= info.swap_slot.is_some();
                *slots.entry(info.swap_slot).or_insert(0) += 1;
            }
        }
        let size = self.granule.bytes() << 12;
        for &id in &living {
            let (mut pss, mut swap_pss) = (0, 0);
            for info in pages(id).filter(|info| !info.zero_page) {
                if let Some(frame) = info.frame {
                    assert_eq!(info.exclusive, owners[&frame] == 1, "{info:?}");
                    pss += size / owners[&frame];
                }
                if info.swapped {
                    swap_pss += size / slots[&info.swap_slot];
                }
            }
            let none = mm::VmaUsage::default();
            let usages = self.memory.vmas(id).map(|vma| self.memory.vma_usage(id, vma));
            let sum = usages.fold(none, |sum, usage| sum.plus(&usage));
            assert_eq!(sum.pss.fixed_point(), pss);
            if all_slots_known {
                assert_eq!(sum.swap_pss.fixed_point(), swap_pss);
            }
        }
    }

    /// Reads everything back, and nothing is left when all are gone.
    fn finish(mut self) -> mm::Counters {
        for space in 0..SPACES {
            if self.spaces[space].is_some() {
                (0..SPOTS).for_each(|spot| self.read(space, spot));
                self.memory.destroy_space(self.id(space));
                self.spaces[space] = None;
                self.memory.check().unwrap();
            }
        }
        assert_eq!(
            self.memory.frames().free.get() + 1,
            self.memory.frames().total().get()
        );
        assert_eq!(self.memory.swap().used, 0);
        *self.memory.counters()
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    Write,
    Read,
    Fork,
    Exit,
    Unmap,
    Map,
    DontNeed,
    Free,
    PageOut,
    Cold,
    Clear,
    Protect,
    Lock,
    Move,
    Reclaim,
}

#[derive(Clone, Copy, Debug)]
struct Op {
    what: What,
    space: usize,
    first: usize,
    last: usize,
    value: u8,
}

fn op() -> impl Strategy<Value = Op> {
    let what = prop_oneof![
        9 => Just(What::Write),
        5 => Just(What::Read),
        5 => Just(What::Fork),
        3 => Just(What::Exit),
        1 => Just(What::Unmap),
        1 => Just(What::Map),
        1 => Just(What::DontNeed),
        2 => Just(What::Free),
        2 => Just(What::PageOut),
        1 => Just(What::Cold),
        1 => Just(What::Clear),
        2 => Just(What::Protect),
        1 => Just(What::Lock),
        2 => Just(What::Move),
        3 => Just(What::Reclaim),
    ];
    (what, 0..SPACES, 0..SPOTS, 0..SPOTS, any::<u8>()).prop_map(|(what, space, first, last, value)| Op {
        what,
        space,
        first,
        last,
        value,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    /// 120 frames are enough for the tables of all and for few pages beside them.
    #[test]
    fn tables_are_shared_and_nobody_can_tell(
        granule in prop::sample::select(Granule::ALL.to_vec()),
        swap in prop::sample::select(vec![0_u64, 400]),
        ops in prop::collection::vec(op(), 1..160),
    ) {
        let mut bench = Bench::new(granule, 120, swap);
        for op in &ops {
            bench.step(op);
            bench.compare();
        }
        bench.finish();
    }
}

/// fork takes the child's root and no other frame, whatever is resident; so does its end give back.
#[test]
fn a_child_costs_its_root() {
    for granule in Granule::ALL {
        let mut bench = Bench::new(granule, 64, 0);
        (0..SPOTS).for_each(|spot| bench.write(0, spot, spot as u8 + 1));
        let before = bench.memory.frames();
        bench.fork(0);
        assert_eq!(
            bench.memory.frames().free.get() + 1,
            before.free.get(),
            "{granule:?}"
        );
        bench.compare();
        (0..SPOTS).for_each(|spot| bench.read(1, spot));
        bench.step(&Op {
            what: What::Exit,
            space: 1,
            first: 0,
            last: 0,
            value: 0,
        });
        assert_eq!(bench.memory.frames(), before);
        // Nobody shares any more: the first write opens the way for all, uncopied.
        let copies = bench.memory.counters().table_copies;
        (0..SPOTS).for_each(|spot| bench.write(0, spot, 7));
        assert_eq!(bench.memory.counters().table_copies, copies);
        assert_eq!(bench.memory.counters().cow_copies, 0);
        bench.finish();
    }
}

/// Lazily freed pages in a shared table are forgotten for all spaces that reach it, and the empty tables go.
#[test]
fn what_is_freed_lazily_leaves_a_shared_table() {
    for granule in Granule::ALL {
        let mut bench = Bench::new(granule, 64, 0);
        (0..SPOTS).for_each(|spot| bench.write(0, spot, 9));
        let all = bench.range(0, SPOTS - 1);
        bench.memory.advise(bench.id(0), all, Advice::Free).unwrap();
        bench.each(0, 0, SPOTS - 1, |spot| spot.lazy = true);
        bench.fork(0);
        bench.fork(1);
        let request = MapRequest::anonymous(Bytes::new(64 * granule.bytes()), RW);
        let other = bench.memory.create_space(layout(), Limits::default()).unwrap();
        let at = bench.memory.map(other, &request).unwrap();
        let mut written = 0;
        while bench.memory.counters().pglazyfreed < SPOTS as u64 {
            let address = VirtAddr::new(at.get() + written * granule.bytes());
            bench.memory.copy_out(other, address, &[1]).unwrap();
            bench.memory.check().unwrap();
            written += 1;
        }
        for space in 0..3 {
            assert_eq!(bench.memory.usage(bench.id(space)).page_tables, Bytes::ZERO);
        }
        bench.memory.destroy_space(other);
        bench.finish();
    }
}

fn layout() -> Layout {
    Layout {
        mmap_top: VirtAddr::new(1 << 40),
        lowest: VirtAddr::new(1 << 16),
    }
}

/// No frame for the copy of a table: a write is out of RAM, calls say ENOMEM, and nothing changed.
#[test]
fn without_a_frame_nothing_is_copied_by_halves() {
    for granule in Granule::ALL {
        let mut bench = Bench::new(granule, 64, 0);
        (0..SPOTS).for_each(|spot| bench.write(0, spot, spot as u8 + 1));
        bench.fork(0);
        let hog = bench.memory.create_space(layout(), Limits::default()).unwrap();
        // Reads of memory never written, each under a leaf table of its own: tables may take the frames kept from pages.
        let apart = granule.bytes() * granule.bytes() / 8;
        let mut request = MapRequest::anonymous(Bytes::new(64 * apart), RW);
        request.no_reserve = true;
        let at = bench.memory.map(hog, &request).unwrap();
        let mut byte = [0];
        let full = (0..64).take_while(|spot| {
            let address = VirtAddr::new(at.get() + spot * apart);
            bench.memory.copy_in(hog, address, &mut byte).is_ok()
        });
        assert!(full.count() > 30);
        assert_eq!(bench.memory.frames().free.get(), 0);
        let child = bench.id(1);
        for space in 0..2 {
            let answer = bench.access(space, 3, Some(77));
            assert!(matches!(answer, Err(ViolationKind::OutOfRam(_))), "{answer:?}");
            bench.memory.check().unwrap();
        }
        let part = bench.range(1, 4);
        let maps = bench.memory.vmas(child).count();
        let refused = [
            bench.memory.unmap(child, part),
            bench.memory.protect(child, part, Prot::READ),
            bench.memory.advise(child, part, Advice::DontNeed),
        ];
        for answer in refused {
            assert!(matches!(answer, Err(MapError::OutOfRam(_))), "{answer:?}");
        }
        assert_eq!(bench.memory.vmas(child).count(), maps);
        bench.memory.check().unwrap();
        (0..SPOTS).for_each(|spot| bench.read(1, spot));
        // What takes no copy still works: all of it at once.
        let end = VirtAddr::new(granule.user_end() - 1).page(granule);
        let all = PageRange::new(PageNum::new(0), PageNum::new(end.get() + 1)).unwrap();
        bench.memory.unmap(child, all).unwrap();
        bench.spots(1, 0, SPOTS - 1).fill(None);
        bench.memory.destroy_space(hog);
        bench.compare();
        bench.finish();
    }
}

/// A shared page that leaves for swap leaves in every space, and comes back in each by itself.
#[test]
fn a_shared_entry_is_swapped_in_place() {
    let mut bench = Bench::new(Granule::K4, 64, 400);
    (0..SPOTS).for_each(|spot| bench.write(0, spot, spot as u8 + 1));
    bench.fork(0);
    bench.fork(1);
    let tables = bench.memory.frames().page_tables;
    let hog = bench.memory.create_space(layout(), Limits::default()).unwrap();
    let request = MapRequest::anonymous(Bytes::new(64 * 4096), RW);
    let at = bench.memory.map(hog, &request).unwrap();
    let mut page = 0;
    while bench.memory.usage(bench.id(2)).swap.get() < 4 * 4096 {
        let address = VirtAddr::new(at.get() + page % 64 * 4096);
        bench.memory.copy_out(hog, address, &[1]).unwrap();
        page += 1;
    }
    bench.memory.destroy_space(hog);
    assert_eq!(
        bench.memory.frames().page_tables,
        tables,
        "nothing was copied for it"
    );
    for space in 0..3 {
        let usage = bench.memory.usage(bench.id(space));
        assert_eq!(usage.swap.get() + usage.rss().get(), SPOTS as u64 * 4096);
    }
    bench.compare();
    (0..SPOTS).for_each(|spot| bench.read(1, spot));
    bench.compare();
    bench.finish();
}

/// What a fork touches of memory is nobody's fault: access kinds are counted as Linux counts them.
#[test]
fn the_first_write_after_a_child_ended_is_a_reuse() {
    let mut bench = Bench::new(Granule::K16, 64, 0);
    bench.write(0, 0, 1);
    bench.fork(0);
    bench.step(&Op {
        what: What::Exit,
        space: 1,
        first: 0,
        last: 0,
        value: 0,
    });
    bench.deliver();
    let id = bench.id(0);
    bench.mmu.switch_to(bench.memory.ttbr(id));
    let fault = bench.mmu.store(bench.address(0).get(), 2_u8).unwrap_err();
    assert_eq!(fault.access, Access::Write);
    let resolved = bench.memory.fault(id, &fault).unwrap();
    assert_eq!(resolved.kind, mm::FaultKind::Reuse);
    bench.finish();
}
