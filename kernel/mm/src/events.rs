//! What memory management did, for whoever wants to watch: the machine's `--trace`.
//!
//! [`Event`]s are noted where the thing happens and taken out by [`Memory::take_events`] when the kernel is left; who ran, and
//! at which instruction, only the machine knows. While nobody watches an event costs one test of a flag.
//!
//! Key types: [`Event`], [`What`], [`PageState`], [`Departure`]. An address space is named by its ASID, as the hardware knows
//! it; `process` says whose it is.

use arch::{Access, Asid, Descriptor, Fault, FrameNum, PageCount, PageNum, PageRange, VirtAddr};

use crate::Memory;
use crate::core_state::Core;
use crate::error::ViolationKind;
use crate::fault::{Context, FaultKind, Resolved};
use crate::frames::{AnonId, FrameState};
use crate::request::{Content, Prot, Sharing};
use crate::space::Space;
use crate::tables::swapped_anon;
use crate::vma::Vma;

/// One thing that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// In which address space; none for pages that no mapping shows at that moment.
    pub space: Option<Asid>,
    /// The byte of a fault, else the first byte of the first page. 0 without a space.
    pub address: VirtAddr,
    /// Of how many pages.
    pub pages: PageCount,
    /// What.
    pub what: What,
    /// What the page is afterwards.
    pub state: PageState,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// An abort, or an access of the kernel's in its place, was resolved.
    Fault {
        /// How.
        kind: FaultKind,
        /// The host had to be read.
        major: bool,
        /// What the program wanted.
        access: Access,
    },
    /// An abort that becomes a signal, or for which no frame was left.
    Violation {
        /// Which, in `siginfo`'s words.
        signal: &'static str,
        /// What the program wanted.
        access: Access,
    },
    /// A page was copied.
    Copy {
        /// The original.
        from: FrameNum,
        /// The copy.
        to: FrameNum,
    },
    /// A page of zeros was made.
    ZeroFill {
        /// Where.
        frame: FrameNum,
    },
    /// A page left RAM.
    Evict {
        /// The frame that is free now.
        frame: FrameNum,
        /// How.
        how: Departure,
        /// How many pages of address spaces it was.
        mappers: u32,
    },
    /// A page was read from swap. Its address is known if a fault needs it at once, not if it only came along.
    SwapRead {
        /// From which slot.
        slot: u32,
        /// Nobody asked for it yet.
        ahead: bool,
        /// It is what was written. If not, its bytes are not used.
        intact: bool,
    },
    /// A page was written to swap.
    SwapWrite {
        /// To which slot.
        slot: u32,
        /// The host took it. If not, the page stays in RAM.
        written: bool,
    },
    /// A mapping was made.
    Map {
        /// Its rights.
        prot: Prot,
        /// `MAP_SHARED`.
        shared: bool,
        /// It shows a file or shared memory.
        file: bool,
    },
    /// A mapping, or a part of one, was removed.
    Unmap,
    /// Rights were changed.
    Protect {
        /// The new ones.
        prot: Prot,
    },
    /// A mapping grew or moved (`mremap`): its old place, before what is unmapped there. One that shrinks is [`What::Unmap`].
    Remap {
        /// The new place.
        to: VirtAddr,
        /// The new size.
        pages: PageCount,
    },
}

/// How a page left RAM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Departure {
    /// It was written to swap.
    Swapped,
    /// Its slot still had it.
    Clean,
    /// It is a file's; if it was dirty it was written there.
    File,
    /// It was lazily freed (`MADV_FREE`), and is forgotten.
    Freed,
}

/// What a page is, once the event has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageState {
    /// Not in RAM and not in swap, or not one page.
    None,
    /// The shared page of zeros.
    Zero,
    /// Written private memory of one owner.
    Private,
    /// Written private memory that several processes own until one writes.
    CopyOnWrite,
    /// A page of a file.
    File,
    /// A page of shared memory without a file.
    Shmem,
    /// In swap.
    Swapped,
}

impl PageState {
    fn of_anon(core: &Core, id: AnonId) -> Self {
        let mapped = |frame| core.mappings(frame) > 1;
        let shared = !core.frames.is_exclusive(id) || core.frames.anon(id).place.frame().is_some_and(mapped);
        match shared {
            true => Self::CopyOnWrite,
            false => Self::Private,
        }
    }

    fn of_frame(core: &Core, frame: FrameNum) -> Self {
        match core.frames.state(frame) {
            FrameState::Zero => Self::Zero,
            FrameState::Anon(id) => Self::of_anon(core, id),
            FrameState::Cache(cache) if cache.shmem => Self::Shmem,
            FrameState::Cache(_) => Self::File,
            FrameState::Free | FrameState::Table { .. } => Self::None,
        }
    }

    fn of_page(core: &Core, space: &mut Space, page: PageNum) -> Self {
        let slot = space.tables.find(&core.ram, &core.shape, page);
        match slot.map(|slot| space.tables.load(&core.ram, slot)) {
            None | Some(Descriptor::INVALID) => Self::None,
            Some(entry) if swapped_anon(entry).is_some() => Self::Swapped,
            Some(leaf) => Self::of_frame(core, core.frame_of(leaf)),
        }
    }
}

/// Events that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Events {
    on: bool,
    log: Vec<Event>,
    /// The page that a fault is being resolved for.
    faulting: Option<(Asid, VirtAddr)>,
}

impl Events {
    fn push(&mut self, space: Option<Asid>, address: VirtAddr, what: What, state: PageState) {
        self.log.push(Event {
            space,
            address,
            pages: PageCount::new(1),
            what,
            state,
        });
    }

    /// A range of a space's pages was changed.
    #[inline]
    pub(crate) fn range(&mut self, core_shift: u32, space: Asid, range: PageRange, what: What) {
        if self.on {
            self.log.push(Event {
                space: Some(space),
                address: VirtAddr::new(range.start().get() << core_shift),
                pages: range.count(),
                what,
                state: PageState::None,
            });
        }
    }

    /// A fault is about to be resolved.
    #[inline]
    pub(crate) fn begin_fault(&mut self, space: &Space, fault: &Fault) {
        if self.on {
            self.faulting = Some((space.asid, fault.address));
        }
    }
}

impl Core {
    /// A mapping was made.
    #[inline]
    pub(crate) fn note_map(&mut self, space: &Space, vma: &Vma, range: PageRange) {
        let what = What::Map {
            prot: vma.prot,
            shared: vma.sharing == Sharing::Shared,
            file: matches!(vma.content, Content::File { .. }),
        };
        self.note_range(space, range, what);
    }

    /// A mapping is at `to` now.
    #[inline]
    pub(crate) fn note_remap(&mut self, space: &Space, from: PageRange, to: PageRange) {
        let what = What::Remap {
            to: to.start().start(self.granule()),
            pages: to.count(),
        };
        self.note_range(space, from, what);
    }

    /// Something was done to a range of a space's pages.
    #[inline]
    pub(crate) fn note_range(&mut self, space: &Space, range: PageRange, what: What) {
        let shift = self.shape.granule.shift();
        self.events.range(shift, space.asid, range, what);
    }

    /// A private page was made for the page of a space: a copy, or zeros.
    #[inline]
    pub(crate) fn note_new_page(
        &mut self,
        space: &Space,
        page: PageNum,
        from: Option<FrameNum>,
        to: FrameNum,
    ) {
        if self.events.on {
            let what = match from {
                Some(from) => What::Copy { from, to },
                None => What::ZeroFill { frame: to },
            };
            let address = page.start(self.granule());
            self.events
                .push(Some(space.asid), address, what, PageState::Private);
        }
    }

    /// Where a frame is mapped first, and how often.
    fn place_of(&self, frame: FrameNum) -> (Option<Asid>, VirtAddr, u32) {
        let mappers = self.frames.mappers(frame);
        let first = mappers.first().map(|&first| (first, self.reachers(first.table)));
        match first {
            Some((first, reachers)) => (
                reachers.first().map(|member| member.asid()),
                self.page_of(first).start(self.granule()),
                self.mappings(frame) as u32,
            ),
            None => (None, VirtAddr::new(0), 0),
        }
    }

    /// A page is about to leave RAM: noted while its mappings are known.
    #[inline]
    pub(crate) fn note_evict(&mut self, frame: FrameNum, how: Departure) {
        if self.events.on {
            let (space, address, mappers) = self.place_of(frame);
            let state = match how {
                Departure::Swapped | Departure::Clean => PageState::Swapped,
                Departure::File | Departure::Freed => PageState::None,
            };
            let what = What::Evict { frame, how, mappers };
            self.events.push(space, address, what, state);
        }
    }

    /// The page stays after all.
    pub(crate) fn take_back_evict(&mut self, frame: FrameNum) {
        let last = self.events.log.last().map(|event| event.what);
        if matches!(last, Some(What::Evict { frame: of, .. }) if of == frame) {
            self.events.log.pop();
        }
    }

    /// A page was written to swap, or the host refused it.
    #[inline]
    pub(crate) fn note_swap_write(&mut self, frame: FrameNum, slot: u32, written: bool) {
        if self.events.on {
            let (space, address, _) = self.place_of(frame);
            let state = PageState::of_frame(self, frame);
            self.events
                .push(space, address, What::SwapWrite { slot, written }, state);
        }
    }

    /// A page was read from swap.
    #[inline]
    pub(crate) fn note_swap_read(&mut self, slot: u32, ahead: bool, intact: bool) {
        if self.events.on {
            let place = self.events.faulting.filter(|_| !ahead);
            let (space, address) = match place {
                Some((space, address)) => (Some(space), address.align_down(self.granule())),
                None => (None, VirtAddr::new(0)),
            };
            let what = What::SwapRead { slot, ahead, intact };
            self.events.push(space, address, what, PageState::Swapped);
        }
    }
}

/// A fault was resolved, or not.
#[inline]
pub(crate) fn note_fault(context: &mut Context<'_>, fault: &Fault, answer: &Result<Resolved, ViolationKind>) {
    if context.core.events.on {
        note_watched_fault(context, fault, answer);
    }
}

#[cold]
fn note_watched_fault(context: &mut Context<'_>, fault: &Fault, answer: &Result<Resolved, ViolationKind>) {
    let Context { core, space, .. } = context;
    let access = fault.access;
    let what = match answer {
        Ok(Resolved { kind, major }) => What::Fault {
            kind: *kind,
            major: *major,
            access,
        },
        Err(signal) => What::Violation {
            signal: signal_name(signal),
            access,
        },
    };
    let page = fault.address.untagged().page(core.granule());
    let state = match page < core.shape.user_end() {
        true => PageState::of_page(core, space, page),
        false => PageState::None,
    };
    core.events.faulting = None;
    core.events.push(Some(space.asid), fault.address, what, state);
}

fn signal_name(signal: &ViolationKind) -> &'static str {
    match signal {
        ViolationKind::MapErr => "SEGV_MAPERR",
        ViolationKind::AccErr => "SEGV_ACCERR",
        ViolationKind::BusAdrErr => "BUS_ADRERR",
        ViolationKind::BusIo(_) => "BUS_ADRERR (the file cannot be read)",
        ViolationKind::BusSwap(_) => "BUS_ADRERR (the page is lost)",
        ViolationKind::Alignment => "BUS_ADRALN",
        ViolationKind::OutOfRam(_) => "out of RAM",
    }
}

impl Memory {
    /// Whether events are noted from now on. They must be taken, or they take the host's memory.
    pub fn record_events(&mut self, on: bool) {
        self.core.events.on = on;
    }

    /// Whether events are noted.
    #[inline]
    pub fn records_events(&self) -> bool {
        self.core.events.on
    }

    /// The events since the last call, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.core.events.log)
    }
}
