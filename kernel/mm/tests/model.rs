//! The real thing against the naive one: random memory calls and accesses on up to three address spaces, in
//! every granule, with little RAM. The program's accesses go through the real MMU with its translation
//! tables, so a forgotten TLB request shows as a wrong byte. After every step: same answers, same mappings,
//! and the whole-state checker.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use arch::{Access, Bytes, Granule, PageCount, PageNum, PageRange, VirtAddr};
use mm::{
    Advice, Backing, Content, Counters, FileId, FileKey, Layout, Limits, MapError, MapRequest, Memory,
    Placement, Prot, ReclaimConfig, RemapRequest, Sharing, SpaceId, SwapConfig, ViolationKind,
};
use mmu::Mmu;
use proptest::prelude::*;
use ram::Ram;

mod device;
mod naive;
use device::{Device, Trouble};
use naive::{Base, CELLS, Object, Outcome, Page, READ, Space, WRITE, World};

/// Pages that the random calls use: two windows of so many pages.
const WINDOW: u64 = 10;
const FILES: usize = 2;

#[derive(Clone, Copy, Debug)]
enum What {
    Anonymous,
    File { file: usize, page: u64 },
}

#[derive(Clone, Debug)]
enum Op {
    Map {
        space: usize,
        at: u64,
        len: u64,
        prot: u8,
        shared: bool,
        what: What,
        how: u8,
        populate: bool,
    },
    Unmap {
        space: usize,
        at: u64,
        len: u64,
    },
    Protect {
        space: usize,
        at: u64,
        len: u64,
        prot: u8,
    },
    Remap {
        space: usize,
        at: u64,
        len: u64,
        new: u64,
        fixed: Option<u64>,
        may_move: bool,
        dont_unmap: bool,
    },
    Advise {
        space: usize,
        at: u64,
        len: u64,
        advice: Advice,
    },
    Break {
        space: usize,
        pages: u64,
        extra: u64,
    },
    Fork {
        space: usize,
    },
    Destroy {
        space: usize,
    },
    Load {
        space: usize,
        at: u64,
        cell: usize,
    },
    Fetch {
        space: usize,
        at: u64,
    },
    /// Loads or stores to every page of both windows: fills the TLB, and finds what is stale in it.
    Sweep {
        space: usize,
        store: bool,
        value: u8,
    },
    Store {
        space: usize,
        at: u64,
        cell: usize,
        value: u8,
    },
    CopyIn {
        space: usize,
        at: u64,
        len: u64,
    },
    CopyOut {
        space: usize,
        at: u64,
        len: u64,
        value: u8,
    },
    FileWrite {
        file: usize,
        page: u64,
        cell: usize,
        value: u8,
    },
    FileRead {
        file: usize,
        page: u64,
        cell: usize,
    },
    Resize {
        file: usize,
        pages: u64,
        extra: bool,
    },
    Sync {
        space: usize,
        at: u64,
        len: u64,
    },
    InCore {
        space: usize,
        at: u64,
        len: u64,
    },
    /// The time slice ends.
    Background,
    /// The host fails the swap file.
    Trouble(Trouble),
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        3 => Just(What::Anonymous),
        2 => (0..FILES, 0..6u64).prop_map(|(file, page)| What::File { file, page }),
    ]
}

fn advice() -> impl Strategy<Value = Advice> {
    prop::sample::select(vec![
        Advice::DontNeed,
        Advice::DontNeed,
        Advice::Free,
        Advice::DontFork,
        Advice::DoFork,
        Advice::WipeOnFork,
        Advice::KeepOnFork,
        Advice::PopulateRead,
        Advice::PopulateWrite,
        Advice::Cold,
        Advice::PageOut,
        Advice::PageOut,
        Advice::PageOut,
        Advice::WillNeed,
    ])
}

fn op() -> impl Strategy<Value = Op> {
    let space = 0..3usize;
    let at = 0..2 * WINDOW;
    let len = 1..7u64;
    let prot = || prop::sample::select(vec![0u8, 1, 2, 3, 3, 3, 3, 5, 7]);
    let place = (space.clone(), at.clone(), len.clone());
    let store = (space.clone(), at.clone(), 0..CELLS, 1..255u8);
    prop_oneof![
        8 => (place.clone(), prot(), any::<bool>(), what(), 0..4u8, prop::bool::weighted(0.15)).prop_map(
            |((space, at, len), prot, shared, what, how, populate)|
                Op::Map { space, at, len, prot, shared, what, how, populate }),
        4 => place.clone().prop_map(|(space, at, len)| Op::Unmap { space, at, len }),
        5 => (place.clone(), prot()).prop_map(|((space, at, len), prot)| Op::Protect { space, at, len, prot }),
        5 => (place.clone(), 1..7u64, prop::option::of(at.clone()), prop::bool::weighted(0.8), prop::bool::weighted(0.2))
            .prop_map(|((space, at, len), new, fixed, may_move, dont_unmap)|
                Op::Remap { space, at, len: len - 1, new, fixed, may_move, dont_unmap }),
        5 => (place.clone(), advice()).prop_map(|((space, at, len), advice)| Op::Advise { space, at, len, advice }),
        3 => (space.clone(), 0..8u64, 0..3u64).prop_map(|(space, pages, extra)| Op::Break { space, pages, extra }),
        3 => space.clone().prop_map(|space| Op::Fork { space }),
        1 => space.clone().prop_map(|space| Op::Destroy { space }),
        12 => (space.clone(), at.clone(), 0..CELLS).prop_map(|(space, at, cell)| Op::Load { space, at, cell }),
        5 => (space.clone(), prop::bool::weighted(0.3), 1..255u8)
            .prop_map(|(space, store, value)| Op::Sweep { space, store, value }),
        2 => (space.clone(), at.clone()).prop_map(|(space, at)| Op::Fetch { space, at }),
        20 => store.prop_map(|(space, at, cell, value)| Op::Store { space, at, cell, value }),
        3 => place.clone().prop_map(|(space, at, len)| Op::CopyIn { space, at, len: len.min(3) }),
        7 => (place.clone(), 1..255u8).prop_map(|((space, at, len), value)| Op::CopyOut { space, at, len: len.min(3), value }),
        3 => (0..FILES, 0..8u64, 0..CELLS, 1..255u8).prop_map(|(file, page, cell, value)| Op::FileWrite { file, page, cell, value }),
        2 => (0..FILES, 0..8u64, 0..CELLS).prop_map(|(file, page, cell)| Op::FileRead { file, page, cell }),
        2 => (0..FILES, 0..8u64, any::<bool>()).prop_map(|(file, pages, extra)| Op::Resize { file, pages, extra }),
        5 => place.clone().prop_map(|(space, at, len)| Op::Sync { space, at, len }),
        1 => place.prop_map(|(space, at, len)| Op::InCore { space, at, len }),
        3 => Just(Op::Background),
        1 => device::trouble().prop_map(Op::Trouble),
    ]
}

/// A file of the host, in memory.
struct Store(RefCell<Vec<u8>>);

impl Backing for Store {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.0.borrow();
        let from = bytes.get(offset as usize..).unwrap_or(&[]);
        let length = from.len().min(to.len());
        to[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> std::io::Result<usize> {
        let mut bytes = self.0.borrow_mut();
        let end = offset as usize + from.len();
        let length = bytes.len().max(end);
        bytes.resize(length, 0);
        bytes[offset as usize..end].copy_from_slice(from);
        Ok(from.len())
    }

    fn len(&self) -> std::io::Result<u64> {
        Ok(self.0.borrow().len() as u64)
    }
}

/// The real thing, the naive one, and the names that connect them.
struct Pair {
    granule: Granule,
    memory: Memory,
    mmu: Mmu,
    ids: Vec<Option<SpaceId>>,
    stores: Vec<Rc<Store>>,
    /// By number of the naive object.
    files: Vec<FileId>,
    device: Rc<Device>,
    world: World,
    low: u64,
    high: u64,
}

/// What the machine of one run is made of.
#[derive(Clone, Copy, Debug)]
struct Made {
    granule: Granule,
    frames: u64,
    policy: policy::Name,
    /// Slots of the swap area; none without.
    swap: Option<u64>,
    compressed: bool,
}

const LAYOUT_LOWEST: u64 = 0x1_0000;

impl Pair {
    fn new(made: Made) -> Self {
        let granule = made.granule;
        let ram = Ram::new(Bytes::new(made.frames * granule.bytes()), granule).expect("RAM of the host");
        let device = Rc::new(Device::default());
        let swap = made.swap.map(|slots| SwapConfig {
            device: Box::new(Rc::clone(&device)),
            name: "test".to_owned(),
            size: Bytes::new(slots * granule.bytes()),
            key: [5; 32],
            compressed: Bytes::new(if made.compressed { 600 } else { 0 }),
        });
        let config = ReclaimConfig {
            policy: made.policy,
            seed: 1,
            swap,
        };
        let mut memory = Memory::with_reclaim(ram.clone(), config);
        let entries = granule.entries() as u64;
        // The first window lies across a boundary of leaf tables, the second far away.
        let low = 3 * entries - WINDOW / 2;
        let high = low + 2 * entries * entries;
        let mut stores = Vec::new();
        let mut files = Vec::new();
        let mut objects = Vec::new();
        for number in 0..FILES {
            let length = granule.bytes() * 4 + 100;
            let mut bytes = vec![0; length as usize];
            let mut cells = BTreeMap::new();
            for page in 0..5 {
                let value = (number * 100 + page + 1) as u8;
                bytes[page * granule.bytes() as usize] = value;
                cells.insert((page as u64, 0), value);
            }
            let store = Rc::new(Store(RefCell::new(bytes)));
            let key = FileKey {
                device: 9,
                inode: number as u64,
            };
            files.push(memory.open_file(key, b"/file", store.clone()));
            stores.push(store);
            objects.push(Object { length, cells });
        }
        let world = World {
            page_bytes: granule.bytes(),
            objects,
            spaces: vec![None, None, None],
        };
        let mut pair = Self {
            granule,
            memory,
            mmu: Mmu::new(ram),
            ids: vec![None; 3],
            stores,
            files,
            device,
            world,
            low,
            high,
        };
        pair.create(0);
        pair
    }

    fn create(&mut self, space: usize) {
        let layout = Layout {
            mmap_top: self.address(self.high + WINDOW, 0),
            lowest: VirtAddr::new(LAYOUT_LOWEST),
        };
        let Ok(id) = self.memory.create_space(layout, Limits::default()) else {
            return;
        };
        // The heap begins inside the first window, so that it collides.
        let start = self.low + 4;
        self.memory.start_break(id, self.address(start, 8));
        let at = self.address(start, 8).get();
        self.ids[space] = Some(id);
        self.world.spaces[space] = Some(Space {
            break_start: at,
            break_end: at,
            ..Space::default()
        });
    }

    fn page(&self, at: u64) -> u64 {
        if at < WINDOW {
            self.low + at
        } else {
            self.high + at - WINDOW
        }
    }

    fn address(&self, page: u64, offset: u64) -> VirtAddr {
        VirtAddr::new(PageNum::new(page).start(self.granule).get() + offset)
    }

    fn range(&self, at: u64, len: u64) -> (u64, u64, PageRange) {
        let start = self.page(at);
        let range = PageRange::from_count(PageNum::new(start), PageCount::new(len)).expect("a range");
        (start, start + len, range)
    }

    /// What the program gets from one access, with the faults it takes; `None` if RAM ran out.
    fn access(&mut self, space: usize, page: u64, cell: usize, access: Access, value: u8) -> Option<Outcome> {
        let id = self.ids[space].expect("a living space");
        let address = self.address(page, self.world.cell_offset(cell));
        let address = if access == Access::Execute {
            address.align_down(Granule::K4)
        } else {
            address
        };
        self.mmu.switch_to(self.memory.ttbr(id));
        for _ in 0..3 {
            for op in self.memory.take_tlb_ops() {
                self.mmu.maintain(op);
            }
            let answer = match access {
                Access::Read => self.mmu.load::<u8>(address.get()).map(Outcome::Byte),
                Access::Write => self
                    .mmu
                    .store(address.get(), value)
                    .map(|()| Outcome::Byte(value)),
                Access::Execute => self.mmu.fetch(address.get()).map(|_| Outcome::Byte(0)),
            };
            let fault = match answer {
                Ok(outcome) => return Some(outcome),
                Err(fault) => fault,
            };
            assert_eq!(fault.address, address);
            if let Err(violation) = self.memory.fault(id, &fault) {
                assert_eq!(violation.address, address, "the exact byte");
                return match violation.signal {
                    ViolationKind::MapErr => Some(Outcome::MapErr),
                    ViolationKind::AccErr => Some(Outcome::AccErr),
                    ViolationKind::BusAdrErr => Some(Outcome::Bus),
                    ViolationKind::OutOfRam(_) => self.truly_out_of_ram(),
                    ViolationKind::BusSwap(_) => self.truly_harmed(),
                    other => panic!("{other:?}"),
                };
            }
        }
        panic!("the access at {address} never gets through");
    }

    /// A fault needs at most six frames (three tables, a cached page, a private one and one in hand), and four more are
    /// kept back from memory that grows.
    fn truly_out_of_ram(&self) -> Option<Outcome> {
        assert!(self.memory.frames().free.get() < 10, "{:?}", self.memory.frames());
        None
    }

    /// The host failed or changed the swap file: the program hears of it, and gets no wrong byte.
    fn truly_harmed(&self) -> Option<Outcome> {
        assert!(self.device.was_harmed(), "the swap file is sound");
        None
    }

    /// Lazily freed memory may have become zeros: looks at the real page and follows it. `written` was just stored to.
    fn follow_lazy(&mut self, space: usize, page: u64, written: Option<usize>) {
        let Some(naive) = self.world.space(space).pages.get(&page).filter(|p| p.lazy) else {
            return;
        };
        let own = naive.own.unwrap_or_default();
        let id = self.ids[space].expect("a living space");
        let mut zeros = true;
        let mut same = true;
        for cell in (0..CELLS).filter(|&cell| Some(cell) != written) {
            let mut byte = [0];
            let address = self.address(page, self.world.cell_offset(cell));
            assert_eq!(
                self.memory.peek(id, address, &mut byte),
                1,
                "memory without a file"
            );
            zeros &= byte[0] == 0;
            same &= byte[0] == own[cell];
        }
        assert!(zeros || same, "page {page:#x} is neither kept nor zeros");
        if !same {
            self.world.space(space).pages.get_mut(&page).expect("mapped").own = None;
        }
    }

    fn follow_all_lazy(&mut self) {
        for space in 0..3 {
            if self.ids[space].is_some() {
                let pages: Vec<u64> = self.world.space(space).pages.keys().copied().collect();
                pages
                    .into_iter()
                    .for_each(|page| self.follow_lazy(space, page, None));
            }
        }
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Background => self.memory.background_reclaim(),
            Op::Trouble(trouble) => self.device.harm(trouble),
            Op::Fork { space } => self.fork(space),
            Op::FileWrite {
                file,
                page,
                cell,
                value,
            } => self.file_write(file, page, cell, value),
            Op::FileRead { file, page, cell } => self.file_read(file, page, cell),
            Op::Resize { file, pages, extra } => self.resize(file, pages, extra),
            Op::Map { space, .. }
            | Op::Unmap { space, .. }
            | Op::Protect { space, .. }
            | Op::Remap { space, .. }
            | Op::Advise { space, .. }
            | Op::Break { space, .. }
            | Op::Destroy { space }
            | Op::Load { space, .. }
            | Op::Fetch { space, .. }
            | Op::Sweep { space, .. }
            | Op::Store { space, .. }
            | Op::CopyIn { space, .. }
            | Op::CopyOut { space, .. }
            | Op::Sync { space, .. }
            | Op::InCore { space, .. } => match self.ids[space] {
                Some(id) => self.step_in(space, id, op),
                None => self.create(space),
            },
        }
    }

    fn step_in(&mut self, space: usize, id: SpaceId, op: &Op) {
        match *op {
            Op::Map {
                at,
                len,
                prot,
                shared,
                what,
                how,
                populate,
                ..
            } => {
                self.map(space, id, (at, len), prot, shared, what, how, populate);
            }
            Op::Unmap { at, len, .. } => {
                let (start, end, range) = self.range(at, len);
                match self.memory.unmap(id, range) {
                    Ok(()) => self.world.unmap(space, start, end),
                    // A table shared since a fork could not be copied.
                    Err(MapError::OutOfRam(_)) => assert!(self.truly_out_of_ram().is_none()),
                    Err(error) => panic!("{error}"),
                }
            }
            Op::Protect { at, len, prot, .. } => self.protect(space, id, (at, len), prot),
            Op::Remap {
                at,
                len,
                new,
                fixed,
                may_move,
                dont_unmap,
                ..
            } => {
                self.remap(space, id, (at, len), new, fixed, may_move, dont_unmap);
            }
            Op::Advise { at, len, advice, .. } => self.advise(space, id, (at, len), advice),
            Op::Break { pages, extra, .. } => self.set_break(space, id, pages, extra),
            Op::Destroy { .. } => {
                self.memory.destroy_space(id);
                self.ids[space] = None;
                self.world.spaces[space] = None;
            }
            Op::Load { at, cell, .. } => self.load(space, at, cell),
            Op::Sweep { store, value, .. } => {
                for at in 0..2 * WINDOW {
                    let cell = (at % CELLS as u64) as usize;
                    if store {
                        self.store(space, at, cell, value);
                    } else {
                        self.load(space, at, cell);
                    }
                }
            }
            Op::Fetch { at, .. } => {
                let page = self.page(at);
                if let Some(outcome) = self.access(space, page, 0, Access::Execute, 0) {
                    let expected = match self.world.read(space, page, 0, naive::EXEC) {
                        Outcome::Byte(_) => Outcome::Byte(0),
                        other => other,
                    };
                    assert_eq!(outcome, expected);
                }
            }
            Op::Store { at, cell, value, .. } => self.store(space, at, cell, value),
            Op::CopyIn { at, len, .. } => self.copy_in(space, id, at, len),
            Op::CopyOut { at, len, value, .. } => self.copy_out(space, id, at, len, value),
            Op::Sync { at, len, .. } => self.sync(space, id, at, len),
            Op::InCore { at, len, .. } => {
                let (start, end, range) = self.range(at, len);
                let answer = self.memory.in_core(id, range);
                assert_eq!(answer.is_ok(), self.world.all_mapped(space, start, end));
                assert!(answer.is_err() || answer.is_ok_and(|pages| pages.len() as u64 == len));
            }
            _ => unreachable!("handled in step"),
        }
    }

    fn load(&mut self, space: usize, at: u64, cell: usize) {
        let page = self.page(at);
        if let Some(outcome) = self.access(space, page, cell, Access::Read, 0) {
            self.follow_lazy(space, page, None);
            assert_eq!(
                outcome,
                self.world.read(space, page, cell, READ),
                "page {page:#x}"
            );
        }
    }

    /// Whether a byte of a page lies past the end of a file in a shared mapping. What is written there is lost when the
    /// page leaves RAM, at a time of the kernel's choosing: no answer is wrong, so it is not asked.
    fn is_past_end(&self, space: usize, page: u64, cell: usize) -> bool {
        let naive = self.world.spaces[space].as_ref().and_then(|s| s.pages.get(&page));
        match naive {
            Some(Page {
                shared: true,
                base: Base::Object { object, page },
                ..
            }) if *object < FILES => {
                let offset = page * self.granule.bytes() + self.world.cell_offset(cell);
                offset >= self.world.objects[*object].length
            }
            _ => false,
        }
    }

    fn store(&mut self, space: usize, at: u64, cell: usize, value: u8) {
        let page = self.page(at);
        if self.is_past_end(space, page, cell) && self.world.read(space, page, cell, WRITE) != Outcome::Bus {
            return;
        }
        if let Some(outcome) = self.access(space, page, cell, Access::Write, value) {
            if matches!(outcome, Outcome::Byte(_)) {
                self.follow_lazy(space, page, Some(cell));
            }
            assert_eq!(
                outcome,
                self.world.write(space, page, cell, value),
                "page {page:#x}"
            );
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one random request")]
    fn map(
        &mut self,
        space: usize,
        id: SpaceId,
        (at, len): (u64, u64),
        prot: u8,
        shared: bool,
        what: What,
        how: u8,
        populate: bool,
    ) {
        let (start, end, _) = self.range(at, len);
        let address = self.address(start, 0);
        let free = self.world.none_mapped(space, start, end);
        let request = MapRequest {
            placement: match how {
                0 => Placement::Anywhere,
                1 => Placement::Hint(VirtAddr::new(address.get() + 5)),
                2 => Placement::FixedNoReplace(address),
                _ => Placement::Fixed(address),
            },
            // One byte in the last page takes all of it.
            length: Bytes::new((len - 1) * self.granule.bytes() + 1),
            prot: Prot::from_bits_truncate(prot),
            sharing: if shared { Sharing::Shared } else { Sharing::Private },
            content: match what {
                What::Anonymous => Content::Anonymous,
                What::File { file, page } => Content::File {
                    file: self.files[file],
                    offset: page << self.granule.shift(),
                },
            },
            populate,
            ..MapRequest::anonymous(Bytes::new(1), Prot::empty())
        };
        let answer = self.memory.map(id, &request);
        if how == 2 && !free {
            assert!(matches!(answer, Err(MapError::Exists)));
            return;
        }
        let placed = match answer {
            Ok(address) => address.page(self.granule).get(),
            // What was there before could not be unmapped.
            Err(MapError::OutOfRam(_)) if !free => {
                self.truly_out_of_ram();
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let low = LAYOUT_LOWEST >> self.granule.shift();
        let expected = match how {
            1 if free => start,
            0 | 1 => self
                .world
                .highest_place(space, low, self.high + WINDOW, len)
                .expect("room"),
            _ => start,
        };
        assert_eq!(placed, expected);
        let (object, first) = match what {
            What::File { file, page } => (Some(file), page),
            What::Anonymous if shared => {
                let vma = self
                    .memory
                    .find_vma(id, PageNum::new(placed))
                    .expect("it was just mapped");
                let Content::File { file, .. } = vma.content else {
                    panic!("{vma:?}")
                };
                self.files.push(file);
                self.world.objects.push(Object {
                    length: len * self.granule.bytes(),
                    cells: BTreeMap::new(),
                });
                (Some(self.files.len() - 1), 0)
            }
            What::Anonymous => (None, 0),
        };
        for index in 0..len {
            let base = match object {
                Some(object) => Base::Object {
                    object,
                    page: first + index,
                },
                None => Base::Zeros,
            };
            let page = Page {
                prot,
                shared,
                base,
                dont_fork: false,
                wipe_on_fork: false,
                own: None,
                lazy: false,
            };
            self.world.space(space).pages.insert(placed + index, page);
        }
        if populate {
            self.populated_partly(space, placed, placed + len);
        }
    }

    fn protect(&mut self, space: usize, id: SpaceId, (at, len): (u64, u64), prot: u8) {
        let (start, end, range) = self.range(at, len);
        let answer = self.memory.protect(id, range, Prot::from_bits_truncate(prot));
        if matches!(answer, Err(MapError::OutOfRam(_))) {
            self.truly_out_of_ram();
            return self.protected_partly(space, id, start..end, prot);
        }
        let pages = &mut self.world.space(space).pages;
        let mut complete = true;
        for page in start..end {
            match pages.get_mut(&page) {
                Some(page) => page.prot = prot,
                None => {
                    complete = false;
                    break;
                }
            }
        }
        match answer {
            Ok(()) => assert!(complete),
            Err(MapError::Unmapped) => assert!(!complete),
            Err(other) => panic!("{other}"),
        }
    }

    /// The mappings before the one that wanted for a frame are changed, whole.
    fn protected_partly(&mut self, space: usize, id: SpaceId, pages: std::ops::Range<u64>, prot: u8) {
        let mut failed = false;
        for number in pages {
            let Some(page) = self.world.space(space).pages.get_mut(&number) else {
                return;
            };
            let vma = self.memory.find_vma(id, PageNum::new(number)).expect("mapped");
            if page.prot != prot {
                failed |= vma.prot.bits() != prot;
                page.prot = if failed { page.prot } else { prot };
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one random request")]
    fn remap(
        &mut self,
        space: usize,
        id: SpaceId,
        (at, len): (u64, u64),
        new: u64,
        fixed: Option<u64>,
        may_move: bool,
        dont_unmap: bool,
    ) {
        let (start, end, _) = self.range(at, len);
        let fixed = fixed.map(|at| self.page(at));
        let request = RemapRequest {
            old: self.address(start, 0),
            old_length: Bytes::new(len * self.granule.bytes()),
            new_length: Bytes::new(new * self.granule.bytes()),
            may_move,
            fixed: fixed.map(|page| self.address(page, 0)),
            dont_unmap,
        };
        // Several mappings move one after the other, and RAM may run out between them: what calls-mremap records of Linux
        // is the judge of that.
        let of_one = self.world.run_end(space, start).is_none_or(|run| end <= run);
        if fixed.is_some() && len == new && !of_one {
            return;
        }
        let answer = self.memory.remap(id, &request);
        let overlap = fixed.is_some_and(|f| f < end && start < f + new);
        let first = self.world.space(space).pages.get(&start).cloned();
        let invalid = ((fixed.is_some() || dont_unmap) && !may_move) || (dont_unmap && len != new) || overlap;
        let Some(first) = first.filter(|_| !invalid) else {
            let expected = if invalid {
                matches!(answer, Err(MapError::Invalid))
            } else {
                matches!(answer, Err(MapError::Unmapped))
            };
            assert!(expected, "{answer:?}");
            return;
        };
        if len == 0 && !first.shared {
            assert!(matches!(answer, Err(MapError::Invalid)), "{answer:?}");
            return;
        }
        let mut kept = end;
        if let Some(target) = fixed {
            self.world.unmap(space, target, target + new);
        }
        if (fixed.is_some() || !dont_unmap) && new < len {
            self.world.unmap(space, start + new, end);
            kept = start + new;
        }
        if fixed.is_none() && !dont_unmap && len > 0 && new <= len {
            assert_eq!(answer.expect("shrunk"), request.old);
            return;
        }
        // With an old length of 0, the place just unmapped may have been the source itself.
        let run_end = self.world.run_end(space, start);
        let Some(run_end) = run_end.filter(|&end| kept <= end) else {
            assert!(matches!(answer, Err(MapError::Unmapped)), "{answer:?}");
            return;
        };
        let count = kept - start;
        let extends = fixed.is_none()
            && !dont_unmap
            && len > 0
            && kept == run_end
            && self.world.none_mapped(space, kept, start + new);
        if !extends && !may_move {
            assert!(matches!(answer, Err(MapError::NoSpace)), "{answer:?}");
            return;
        }
        let placed = match answer {
            Ok(address) => address.page(self.granule).get(),
            Err(MapError::OutOfRam(_)) if !extends => return,
            Err(error) => panic!("{error}"),
        };
        let low = LAYOUT_LOWEST >> self.granule.shift();
        let expected = match fixed {
            Some(target) => target,
            None if extends => start,
            None => self
                .world
                .highest_place(space, low, self.high + WINDOW, new)
                .expect("room"),
        };
        assert_eq!(placed, expected);
        let pages = &mut self.world.space(space).pages;
        let mut moved = Vec::new();
        for index in 0..new {
            let mut page = first.clone();
            page.own = None;
            page.lazy = false;
            if index < count && len > 0 {
                page.own = pages[&(start + index)].own;
                page.lazy = pages[&(start + index)].lazy;
            }
            if let Base::Object { page, .. } = &mut page.base {
                *page += index;
            }
            moved.push(page);
        }
        for index in 0..count {
            if len == 0 {
            } else if dont_unmap {
                let left = pages.get_mut(&(start + index)).expect("mapped");
                left.own = None;
                left.lazy = false;
            } else {
                pages.remove(&(start + index));
            }
        }
        for (index, page) in (0..).zip(moved) {
            pages.insert(placed + index, page);
        }
    }

    fn advise(&mut self, space: usize, id: SpaceId, (at, len): (u64, u64), advice: Advice) {
        let (start, end, range) = self.range(at, len);
        let answer = self.memory.advise(id, range, advice);
        let before = self.world.space(space).pages.clone();
        let mut expected = "ok";
        for number in start..end {
            let populates = matches!(advice, Advice::PopulateRead | Advice::PopulateWrite);
            let need = if advice == Advice::PopulateWrite {
                WRITE
            } else {
                READ
            };
            if populates {
                match self.world.read(space, number, 0, need) {
                    Outcome::Byte(_) => continue,
                    Outcome::MapErr => expected = "unmapped",
                    Outcome::AccErr => expected = "invalid",
                    Outcome::Bus => expected = "bad address",
                }
                break;
            }
            let Some(page) = self.world.space(space).pages.get_mut(&number) else {
                expected = "unmapped";
                continue;
            };
            let anonymous = !page.shared && page.base == Base::Zeros;
            match advice {
                Advice::Free | Advice::WipeOnFork if !anonymous => {
                    expected = "invalid";
                    break;
                }
                Advice::WipeOnFork => page.wipe_on_fork = true,
                Advice::KeepOnFork => page.wipe_on_fork = false,
                Advice::DontFork => page.dont_fork = true,
                Advice::DoFork => page.dont_fork = false,
                Advice::DontNeed => page.own = None,
                Advice::Free => page.lazy = page.own.is_some(),
                _ => {}
            }
        }
        let got = match answer {
            Ok(()) => "ok",
            Err(MapError::Unmapped) => "unmapped",
            Err(MapError::Invalid) => "invalid",
            Err(MapError::BadAddress) => "bad address",
            Err(MapError::OutOfRam(_)) => {
                self.truly_out_of_ram();
                match advice {
                    Advice::PopulateWrite => self.populated_partly(space, start, end),
                    Advice::DontNeed => self.forgotten_partly(space, start..end, &before),
                    _ => {}
                }
                return;
            }
            Err(MapError::Swap(_)) => {
                self.truly_harmed();
                if advice == Advice::PopulateWrite {
                    self.populated_partly(space, start, end);
                }
                return;
            }
            Err(error) => panic!("{error}"),
        };
        if advice == Advice::PopulateWrite {
            self.populated_partly(space, start, end);
        }
        assert_eq!(got, expected);
    }

    /// Where a frame was wanting, private copies are still there.
    fn forgotten_partly(&mut self, space: usize, range: std::ops::Range<u64>, before: &BTreeMap<u64, Page>) {
        let id = self.ids[space].expect("a living space");
        for number in range {
            let info = self.memory.page_info(id, PageNum::new(number));
            if let (Some(page), Some(old)) = (
                self.world.space(space).pages.get_mut(&number),
                before.get(&number),
            ) && is_private_copy(&info)
            {
                page.own = old.own;
            }
        }
    }

    /// Populating for writing makes private copies: from now on they do not follow the file. Which pages
    /// were copied is seen in what the page is.
    fn populated_partly(&mut self, space: usize, start: u64, end: u64) {
        let id = self.ids[space].expect("a living space");
        for number in start..end {
            let info = self.memory.page_info(id, PageNum::new(number));
            let Some(page) = self.world.space(space).pages.get(&number).cloned() else {
                continue;
            };
            if !page.shared && page.own.is_none() && is_private_copy(&info) {
                let Base::Object { object, page: of } = page.base else {
                    continue;
                };
                let cells = &self.world.objects[object].cells;
                let own = [0, 1, 2].map(|cell| cells.get(&(of, cell)).copied().unwrap_or(0));
                self.world
                    .space(space)
                    .pages
                    .get_mut(&number)
                    .expect("mapped")
                    .own = Some(own);
            }
        }
    }

    fn set_break(&mut self, space: usize, id: SpaceId, pages: u64, extra: u64) {
        let naive = self.world.space(space);
        let to = naive.break_start + pages * self.granule.bytes() + extra - 1;
        let (start, old) = (naive.break_start, naive.break_end);
        let answer = self.memory.set_break(id, VirtAddr::new(to)).get();
        let up = |address: u64| address.div_ceil(self.granule.bytes());
        let (old_page, new_page) = (up(old), up(to));
        let fits = new_page <= old_page || self.world.none_mapped(space, old_page, new_page + 1);
        if to < start || !fits {
            assert_eq!(answer, old);
            return;
        }
        if new_page < old_page && answer == old {
            // A table shared since a fork could not be copied.
            self.truly_out_of_ram();
            return;
        }
        assert_eq!(answer, to);
        self.world.unmap(space, new_page, old_page.max(new_page));
        let naive = self.world.space(space);
        naive.break_end = to;
        for number in old_page..new_page {
            let page = Page {
                prot: 3,
                shared: false,
                base: Base::Zeros,
                dont_fork: false,
                wipe_on_fork: false,
                own: None,
                lazy: false,
            };
            naive.pages.insert(number, page);
        }
    }

    fn fork(&mut self, space: usize) {
        let Some(id) = self.ids[space] else {
            return self.create(space);
        };
        let Some(child) = (0..3).find(|&s| self.ids[s].is_none()) else {
            return;
        };
        if let Ok(forked) = self.memory.fork_space(id) {
            self.world.spaces[child] = Some(self.world.fork(space));
            self.ids[child] = Some(forked);
        }
    }

    fn copy_in(&mut self, space: usize, id: SpaceId, at: u64, len: u64) {
        let page = self.page(at);
        let bytes = self.granule.bytes() as usize;
        let mut buffer = vec![0; len as usize * bytes];
        let answer = self.memory.copy_in(id, self.address(page, 0), &mut buffer);
        let good = match &answer {
            Ok(()) => len,
            Err(fault) => {
                assert_eq!(fault.done % bytes, 0);
                (fault.done / bytes) as u64
            }
        };
        for index in 0..good {
            self.follow_lazy(space, page + index, None);
            for cell in 0..CELLS {
                let at = index as usize * bytes + self.world.cell_offset(cell) as usize;
                assert_eq!(
                    Outcome::Byte(buffer[at]),
                    self.world.read(space, page + index, cell, READ)
                );
            }
        }
        if let Err(fault) = answer {
            self.same_violation(
                &fault.violation.signal,
                self.world.read(space, page + good, 0, READ),
            );
        }
    }

    fn copy_out(&mut self, space: usize, id: SpaceId, at: u64, len: u64, value: u8) {
        let page = self.page(at);
        if (page..page + len).any(|page| self.is_past_end(space, page, CELLS - 1)) {
            return;
        }
        let bytes = self.granule.bytes() as usize;
        let answer = self
            .memory
            .copy_out(id, self.address(page, 0), &vec![value; len as usize * bytes]);
        let good = match &answer {
            Ok(()) => len,
            Err(fault) => (fault.done / bytes) as u64,
        };
        for index in 0..good {
            for cell in 0..CELLS {
                assert_eq!(
                    self.world.write(space, page + index, cell, value),
                    Outcome::Byte(value)
                );
            }
        }
        if let Err(fault) = answer {
            self.same_violation(
                &fault.violation.signal,
                self.world.read(space, page + good, 0, WRITE),
            );
        }
    }

    fn same_violation(&self, signal: &ViolationKind, expected: Outcome) {
        let got = match signal {
            ViolationKind::MapErr => Outcome::MapErr,
            ViolationKind::AccErr => Outcome::AccErr,
            ViolationKind::BusAdrErr => Outcome::Bus,
            ViolationKind::OutOfRam(_) => return assert!(self.truly_out_of_ram().is_none()),
            ViolationKind::BusSwap(_) => return assert!(self.truly_harmed().is_none()),
            other => panic!("{other:?}"),
        };
        assert_eq!(got, expected);
    }

    fn file_write(&mut self, file: usize, page: u64, cell: usize, value: u8) {
        let offset = page * self.granule.bytes() + self.world.cell_offset(cell);
        let length = self.world.objects[file].length;
        if offset >= length {
            self.world.resize(file, offset + 1);
        }
        assert_eq!(
            self.memory
                .file_write(self.files[file], offset, &[value])
                .expect("memory never fails"),
            1
        );
        self.world.objects[file].cells.insert((page, cell), value);
    }

    fn file_read(&mut self, file: usize, page: u64, cell: usize) {
        let offset = page * self.granule.bytes() + self.world.cell_offset(cell);
        let mut byte = [0];
        let read = self
            .memory
            .file_read(self.files[file], offset, &mut byte)
            .expect("memory never fails");
        let object = &self.world.objects[file];
        assert_eq!(read, usize::from(offset < object.length));
        if read == 1 {
            assert_eq!(byte[0], object.cells.get(&(page, cell)).copied().unwrap_or(0));
        }
    }

    fn resize(&mut self, file: usize, pages: u64, extra: bool) {
        let length = pages * self.granule.bytes() + u64::from(extra) * 77;
        self.stores[file].0.borrow_mut().resize(length as usize, 0);
        self.memory.file_resized(self.files[file], length);
        self.world.resize(file, length);
    }

    fn sync(&mut self, space: usize, id: SpaceId, at: u64, len: u64) {
        let (start, end, range) = self.range(at, len);
        let answer = self.memory.sync(id, range);
        assert_eq!(answer.is_ok(), self.world.all_mapped(space, start, end));
        for number in start..end {
            let page = self.world.space(space).pages.get(&number).cloned();
            if let Some(Page {
                shared: true,
                base: Base::Object { object, page },
                ..
            }) = page
                && object < FILES
            {
                self.same_as_store(object, page);
            }
        }
    }

    fn same_as_store(&self, object: usize, page: u64) {
        let store = self.stores[object].0.borrow();
        for cell in 0..CELLS {
            let offset = page * self.granule.bytes() + self.world.cell_offset(cell);
            if let Some(&byte) = store.get(offset as usize) {
                let cells = &self.world.objects[object].cells;
                assert_eq!(
                    byte,
                    cells.get(&(page, cell)).copied().unwrap_or(0),
                    "file {object} page {page}"
                );
            }
        }
    }

    /// What must hold after every step.
    fn compare(&self) {
        self.memory.check().expect("every invariant");
        assert_eq!(
            self.memory.frames().total().get() as u64 * self.granule.bytes(),
            self.memory.ram_size().get()
        );
        for space in 0..3 {
            let Some(id) = self.ids[space] else { continue };
            let real: Vec<_> = self.memory.vmas(id).collect();
            let naive = self.world.runs(space);
            assert_eq!(real.len(), naive.len(), "{real:?} against {naive:?}");
            let mut rss = 0;
            for (vma, (start, end, page)) in real.iter().zip(&naive) {
                assert_eq!((vma.range.start().get(), vma.range.end().get()), (*start, *end));
                assert_eq!(vma.prot.bits(), page.prot);
                assert_eq!(vma.sharing == Sharing::Shared, page.shared);
                let usage = self.memory.vma_usage(id, vma);
                let parts = [
                    usage.shared_clean,
                    usage.shared_dirty,
                    usage.private_clean,
                    usage.private_dirty,
                ];
                assert_eq!(parts.iter().map(|b| b.get()).sum::<u64>(), usage.rss.get());
                assert!(usage.pss.bytes() <= usage.rss && usage.pss_dirty <= usage.pss);
                rss += usage.rss.get();
            }
            assert_eq!(rss, self.memory.usage(id).rss().get());
        }
        self.compare_sharing();
    }

    /// Who shares what is as the pages themselves say, one by one over all spaces: pagemap's exclusive bit, PSS.
    fn compare_sharing(&self) {
        let living = || self.ids.iter().flatten().copied();
        let pages = |id, vma: &mm::Vma| vma.range.pages().map(move |page| self.memory.page_info(id, page));
        let mut owners = BTreeMap::new();
        for id in living() {
            for info in self.memory.vmas(id).flat_map(|vma| pages(id, vma)) {
                if let Some(frame) = info.frame {
                    *owners.entry(frame).or_insert(0) += 1;
                }
            }
        }
        for id in living() {
            for vma in self.memory.vmas(id) {
                let mut pss = 0;
                for info in pages(id, vma).filter(|info| !info.zero_page) {
                    if let Some(frame) = info.frame {
                        assert_eq!(info.exclusive, owners[&frame] == 1, "{info:?}");
                        pss += (self.granule.bytes() << 12) / owners[&frame];
                    }
                }
                assert_eq!(self.memory.vma_usage(id, vma).pss.fixed_point(), pss);
            }
        }
    }

    /// Every byte of every page, and nothing left when all is gone.
    fn finish(mut self) -> Counters {
        self.follow_all_lazy();
        for space in 0..3 {
            let Some(id) = self.ids[space] else { continue };
            let pages: Vec<u64> = self.world.space(space).pages.keys().copied().collect();
            for number in pages {
                for cell in 0..CELLS {
                    let address = self.address(number, self.world.cell_offset(cell));
                    let mut byte = [0];
                    let outcome = self.world.read(space, number, cell, READ);
                    let got = self.memory.peek(id, address, &mut byte);
                    if let (1, Outcome::Byte(expected)) = (got, outcome) {
                        assert_eq!(byte[0], expected, "page {number:#x}");
                    }
                }
            }
            self.memory.destroy_space(id);
            self.memory.check().expect("every invariant");
        }
        for file in 0..FILES {
            self.memory.close_file(self.files[file]);
            for page in 0..8 {
                self.same_as_store(file, page);
            }
        }
        self.memory.check().expect("every invariant");
        assert_eq!(
            self.memory.frames().free.get() + 1,
            self.memory.frames().total().get()
        );
        assert_eq!(self.memory.swap().used, 0);
        *self.memory.counters()
    }
}

fn run(made: Made, ops: &[Op]) -> Counters {
    let mut pair = Pair::new(made);
    pair.compare();
    for op in ops {
        pair.step(op);
        pair.follow_all_lazy();
        pair.compare();
    }
    pair.finish()
}

fn made() -> impl Strategy<Value = Made> {
    let swap = prop_oneof![1 => Just(None), 1 => (1..12u64).prop_map(Some), 3 => Just(Some(400))];
    let granule = prop::sample::select(vec![Granule::K4, Granule::K16, Granule::K64]);
    let policy = prop::sample::select(policy::Name::ALL.to_vec());
    (granule, 18..50u64, policy, swap, any::<bool>()).prop_map(
        |(granule, frames, policy, swap, compressed)| Made {
            granule,
            frames,
            policy,
            swap,
            compressed,
        },
    )
}

/// Plenty of RAM, as a machine without swap has it.
fn plain(granule: Granule, frames: u64) -> Made {
    Made {
        granule,
        frames,
        policy: policy::Name::Clock,
        swap: None,
        compressed: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn granule_4k(frames in 24..96u64, ops in prop::collection::vec(op(), 1..110)) {
        run(plain(Granule::K4, frames), &ops);
    }

    #[test]
    fn granule_16k(frames in 20..80u64, ops in prop::collection::vec(op(), 1..110)) {
        run(plain(Granule::K16, frames), &ops);
    }

    #[test]
    fn granule_64k(frames in 16..60u64, ops in prop::collection::vec(op(), 1..110)) {
        run(plain(Granule::K64, frames), &ops);
    }

    /// Little RAM, every policy, swap of any size, a host that fails: the same bytes.
    #[test]
    fn under_pressure(made in made(), ops in prop::collection::vec(op(), 1..140)) {
        let first = run(made, &ops);
        prop_assert_eq!(first, run(made, &ops), "the same calls do the same");
    }
}

/// A page that does not follow a file any more.
fn is_private_copy(info: &mm::PageInfo) -> bool {
    info.present && !info.file_or_shared && !info.zero_page || info.swapped
}

/// The long run: random calls until so many events were checked, with progress. `PAGEWALK_MODEL_EVENTS` says how many (`cargo
/// xtask ci --long`: a million); without it, it is a short one. What fails is made small, and its seed is printed.
#[test]
fn long_run() {
    let asked = std::env::var("PAGEWALK_MODEL_EVENTS").ok();
    let wanted: u64 = asked
        .as_deref()
        .map_or(2_000, |text| text.parse().expect("a number of events"));
    let started = std::time::Instant::now();
    let (mut events, mut machines) = (0, 0);
    let mut sums = Counters::default();
    let mut told = 0;
    let mut seed = 0;
    while events < wanted {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&u64::to_le_bytes(seed));
        let rng = prop::test_runner::TestRng::from_seed(prop::test_runner::RngAlgorithm::ChaCha, &bytes);
        let config = ProptestConfig {
            cases: 16,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let mut runner = prop::test_runner::TestRunner::new_with_rng(config, rng);
        let seen = std::cell::Cell::new((0, 0, Counters::default()));
        let outcome = runner.run(&(made(), prop::collection::vec(op(), 100..600)), |(made, ops)| {
            let counters = run(made, &ops);
            let (events, machines, mut sums) = seen.get();
            add(&mut sums, &counters);
            seen.set((events + ops.len() as u64, machines + 1, sums));
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("seed {seed}: {error}");
        }
        let (more, runs, counted) = seen.get();
        events += more;
        machines += runs;
        add(&mut sums, &counted);
        seed += 1;
        let tenths = events * 50 / wanted;
        if asked.is_some() && tenths > told {
            told = tenths;
            eprintln!(
                "{events} of {wanted} events checked in {machines} machines, {:.0} s",
                started.elapsed().as_secs_f64()
            );
        }
    }
    assert!(sums.pswpin > 0 && sums.pswpout > 0 && sums.cow_copies > 0 && sums.pgsteal_direct > 0);
    assert!(asked.is_none() || sums.table_copies > 0, "no table was shared");
    eprintln!(
        "{events} events in {machines} machines, each checked whole: no invariant violated; {} faults, {} copies, {} pages \
         swapped out, {} in, {} read errors met, {:.0} s",
        sums.pgfault,
        sums.cow_copies,
        sums.pswpout,
        sums.pswpin,
        sums.swap_read_errors,
        started.elapsed().as_secs_f64()
    );
}

fn add(sums: &mut Counters, more: &Counters) {
    sums.pgfault += more.pgfault;
    sums.cow_copies += more.cow_copies;
    sums.table_copies += more.table_copies;
    sums.pswpin += more.pswpin;
    sums.pswpout += more.pswpout;
    sums.pgsteal_direct += more.pgsteal_direct;
    sums.swap_read_errors += more.swap_read_errors;
}
