//! What holds between any two calls, numbered, and a checker of the whole state.
//!
//! - **I1** Every frame is in one state; the counts by state are right and sum to RAM; the free stack names
//!   each free frame once; frames never used are free.
//! - **I2** Every valid leaf descriptor leads to the zero page, an anon or a page of the cache, and that frame's
//!   reverse map names the descriptor, once.
//! - **I3** Nothing else is in a reverse map; the zero page's count of descriptors is right.
//! - **I4** Every translation table is reached by spaces of one family, at the level and place its state says; its count of
//!   valid descriptors is right, and only a root may have none. A space's count of tables that it reaches is right. A
//!   family names its spaces and their roots.
//! - **I5** Every present page lies in a mapping.
//! - **I6** A descriptor gives exactly the rights of its mapping to read and execute, and never more to write:
//!   private pages are writable only as anons with one owner, shared ones only if the mapping is.
//! - **I7** An anon has as many owners as its frame has mappers and as there are swap entries for it, at least one; its
//!   frame, if it has one, names the anon. It is owned by private mappings only, and those know that they have anons.
//! - **I8** A page of the cache is under its number in its file, lies inside the file's length, and is mapped
//!   only where the mapping shows that page of that file.
//! - **I9** The mappings of a space are in order, not empty, disjoint, inside user space, and merged wherever
//!   two neighbours are alike.
//! - **I10** Resident, swapped and mapped counts of a space equal a walk; peaks are no less.
//! - **I11** A file lives exactly while it has a handle or a mapping; its count of mapped pages is right.
//! - **I12** The remembered leaf table of a space is the true one.
//! - **I13** The zero page holds zeros.
//! - **I14** Each used swap slot belongs to one page, private or shared, which names it and which its owner is, and
//!   no page is in a slot that is not used; the counts of slots are right. A page of shared memory is in RAM or in
//!   swap, never both.
//! - **I15** The policy holds each frame once that could be evicted, and no other.
//! - **I16** To a table that several spaces reach, each way has a descriptor that forbids writes. Below it are anons, swap
//!   entries and the zero page only, in private anonymous mappings of each of those spaces, and no anon in it that one
//!   space could write is in another table, too (I6).

use std::fmt;

use arch::{Descriptor, FrameCount, FrameNum, PageNum};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::Memory;
use crate::families::{FamilyId, Member};
use crate::frames::{AnonId, AnonPlace, FrameState, FrameUse, Mapper, ZERO_FRAME};
use crate::request::{Content, Prot, Sharing};
use crate::space::{Mapped, Resident, Space};
use crate::swap::SlotOwner;
use crate::tables::{Visit, swapped_anon};
use crate::vma::Vma;

/// An invariant that does not hold: a bug of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvariantBroken {
    /// Its number in the list.
    pub number: u8,
    /// What was found.
    pub found: String,
}

impl fmt::Display for InvariantBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant I{} is broken: {}", self.number, self.found)
    }
}

impl std::error::Error for InvariantBroken {}

type Check = Result<(), InvariantBroken>;

fn broken(number: u8, found: impl FnOnce() -> String) -> InvariantBroken {
    InvariantBroken {
        number,
        found: found(),
    }
}

fn require(holds: bool, number: u8, found: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(broken(number, found)) }
}

/// What the walk over all spaces found.
#[derive(Default)]
struct Seen {
    /// Descriptors by frame.
    leaves: FxHashMap<FrameNum, Vec<Mapper>>,
    /// Entries of leaf tables that were met, of which each counts once.
    met: FxHashSet<Mapper>,
    tables: FxHashMap<FrameNum, (Visit, FamilyId, Ways)>,
    /// Swap entries by anon.
    entries: FxHashMap<AnonId, u32>,
    zero_maps: u64,
    file_pages: FxHashMap<crate::FileId, u64>,
}

/// How often a table was reached, and whether some way to it lets writes through.
#[derive(Clone, Copy, Debug)]
struct Ways {
    count: u32,
    open: bool,
}

impl Memory {
    /// Checks all invariants of [`crate::invariant`] over the whole state. Costs a walk of everything.
    pub fn check(&self) -> Check {
        let mut seen = Seen::default();
        for space in self.spaces.iter() {
            self.check_vmas(space, &mut seen)?;
            self.check_tables(space, &mut seen)?;
            self.check_pages(space, &mut seen)?;
        }
        self.check_frames(&seen)?;
        self.check_reverse_map(&seen)?;
        self.check_files(&seen)?;
        self.check_zero_page()?;
        self.check_swap(&seen)?;
        self.check_policy()
    }

    /// I9, and what I11 needs.
    fn check_vmas(&self, space: &Space, seen: &mut Seen) -> Check {
        if let Some(found) = space.vmas.fault_in_structure() {
            return Err(broken(9, || format!("space {}: {found}", space.slot)));
        }
        let mut mapped = Mapped::default();
        for vma in space.vmas.iter() {
            require(vma.range.end() <= self.core.shape.user_end(), 9, || {
                format!("{:?} leaves user space", vma.range)
            })?;
            mapped.add(vma);
            if let Content::File { file, .. } = vma.content {
                *seen.file_pages.entry(file).or_default() += vma.range.count().get();
            }
        }
        let right = mapped == space.mapped && mapped.total <= space.peak_mapped;
        require(right, 10, || {
            format!("{mapped:?} is mapped, {:?} counted", space.mapped)
        })
    }

    /// I4 and I12.
    fn check_tables(&self, space: &Space, seen: &mut Seen) -> Check {
        let core = &self.core;
        let mut count = 0;
        let mut wrong = None;
        let family = space.tables.family();
        let mut note = |visit: Visit| {
            count += 1;
            let first = Ways {
                count: 0,
                open: false,
            };
            let (known, of, ways) = seen.tables.entry(visit.table).or_insert((visit, family, first));
            ways.count += 1;
            ways.open |= visit.own;
            let same = Visit {
                own: known.own,
                ..visit
            } == *known
                && *of == family;
            if !same || visit.live == 0 && visit.table != space.tables.root() {
                wrong = Some((visit, *known));
            }
        };
        space.tables.tables(&core.ram, &core.shape, &mut note);
        require(wrong.is_none(), 4, || {
            format!("table {wrong:?} is empty or in two places")
        })?;
        let member = Member {
            slot: space.slot,
            root: space.tables.root(),
        };
        require(core.families.members(family).contains(&member), 4, || {
            format!("space {} is not in its family", space.slot)
        })?;
        require(count == space.tables.count(), 4, || {
            format!(
                "space {} has {count} tables, {} counted",
                space.slot,
                space.tables.count()
            )
        })?;
        require(space.tables.memory_is_true(&core.ram, &core.shape), 12, || {
            format!("space {} remembers a wrong leaf table", space.slot)
        })
    }

    /// I2 (as seen from the tables), I5 to I8 and I10.
    fn check_pages(&self, space: &Space, seen: &mut Seen) -> Check {
        let core = &self.core;
        let mut pages = Vec::new();
        let all = Space::all_pages(core);
        space
            .tables
            .used(&core.ram, &core.shape, all, |page, descriptor| {
                pages.push((page, descriptor))
            });
        let mut resident = Resident::default();
        let mut swapped = 0;
        for (page, descriptor) in pages {
            let vma = space.vmas.find(page);
            let vma = vma.ok_or(broken(5, || format!("page {page} is present and not mapped")))?;
            let slot = space.tables.lookup(&core.ram, &core.shape, page);
            let slot = slot.ok_or(broken(2, || format!("page {page} has no table")))?;
            let mapper = core.shape.mapper(slot);
            let first = seen.met.insert(mapper);
            let reached = core.reachers(mapper.table);
            let here = reached.iter().filter(|member| member.slot == space.slot);
            require(here.count() == 1, 4, || {
                format!("{mapper:?} is reached by {reached:?}")
            })?;
            let shared = reached.len() > 1;
            require(!shared || vma.is_private_anonymous(), 16, || {
                format!("page {page} of {vma:?} is in a shared table")
            })?;
            if let Some(id) = swapped_anon(descriptor) {
                swapped += 1;
                *seen.entries.entry(id).or_default() += u32::from(first);
                require(vma.is_private() && vma.has_anon, 7, || {
                    format!("page {page} is a swapped anon in {vma:?}")
                })?;
                continue;
            }
            let frame = core.frame_of(descriptor);
            self.check_rights(vma, page, descriptor)?;
            match core.frames.state(frame) {
                FrameState::Zero => {
                    seen.zero_maps += u64::from(first);
                    continue;
                }
                FrameState::Anon(_) => {
                    resident.anon += 1;
                    require(vma.is_private() && vma.has_anon, 7, || {
                        format!("page {page} is an anon in {vma:?}")
                    })?;
                }
                state @ FrameState::Cache(cache) => {
                    require(!shared, 16, || {
                        format!("page {page} of a file is in a shared table")
                    })?;
                    resident.of(state).into_iter().for_each(|count| *count += 1);
                    let shown = vma.file_page(page, core.granule());
                    require(shown == Some((cache.file, cache.page)), 8, || {
                        format!("page {page} shows {cache:?}, not {shown:?}")
                    })?;
                }
                state => {
                    return Err(broken(2, || {
                        format!("page {page} maps {frame}, which is {state:?}")
                    }));
                }
            }
            require(core.page_of(mapper) == page, 2, || {
                format!("{mapper:?} is not page {page}")
            })?;
            if first {
                seen.leaves.entry(frame).or_default().push(mapper);
            }
        }
        require(
            resident == space.resident && resident.total() <= space.peak_resident,
            10,
            || format!("{resident:?} is resident, {:?} counted", space.resident),
        )?;
        require(swapped == space.swapped, 10, || {
            format!("{swapped} pages are swapped, {} counted", space.swapped)
        })
    }

    /// I6.
    fn check_rights(&self, vma: &Vma, page: PageNum, descriptor: Descriptor) -> Check {
        let core = &self.core;
        let may_write = vma.prot.contains(Prot::WRITE);
        let write_right = match (vma.sharing, core.frames.state(core.frame_of(descriptor))) {
            (Sharing::Shared, _) => descriptor.is_writable() == may_write,
            (Sharing::Private, FrameState::Anon(id)) => {
                !descriptor.is_writable() || may_write && core.frames.is_exclusive(id)
            }
            (Sharing::Private, _) => !descriptor.is_writable(),
        };
        let right = write_right
            && descriptor.is_user() != vma.prot.is_empty()
            && descriptor.is_executable() == vma.prot.contains(Prot::EXEC);
        require(right, 6, || format!("page {page} has {descriptor:?} in {vma:?}"))
    }

    /// I1, I4 (as seen from the frames), I7 and I8.
    fn check_frames(&self, seen: &Seen) -> Check {
        let core = &self.core;
        let mut usage = FrameUse::default();
        let mut used = 0;
        let mut anons = 0;
        for (frame, state, mappers) in core.frames.all() {
            used += 1;
            let count = usage.of(state);
            *count = FrameCount::new(count.get() + 1);
            match state {
                FrameState::Free => require(mappers.is_empty(), 1, || format!("{frame} is free and mapped"))?,
                FrameState::Zero => require(frame == ZERO_FRAME, 1, || format!("{frame} is zero"))?,
                FrameState::Table { .. } => self.check_table(frame, state, seen)?,
                FrameState::Anon(id) => {
                    anons += 1;
                    let anon = core.frames.anon(id);
                    let entries = seen.entries.get(&id).copied().unwrap_or(0);
                    let right = anon.place.frame() == Some(frame)
                        && anon.owners as usize == mappers.len() + entries as usize
                        && anon.owners > 0;
                    require(right, 7, || {
                        format!("{frame} is {anon:?} with {} mappers", mappers.len())
                    })?;
                }
                FrameState::Cache(cache) => {
                    let file = self.files.iter().find(|(id, _)| *id == cache.file);
                    let at = file.and_then(|(_, file)| file.cached(cache.page));
                    require(at == Some(frame), 8, || {
                        format!("{frame} is {cache:?}, cached at {at:?}")
                    })?;
                }
            }
        }
        usage.free = FrameCount::new(usage.free.get() + core.ram.frames().get() - used);
        require(
            usage == *core.frames.usage() && usage.total() == core.ram.frames(),
            1,
            || format!("{usage:?} is true, {:?} counted", core.frames.usage()),
        )?;
        for (&id, &entries) in &seen.entries {
            let anon = core.frames.anon(id);
            let elsewhere = matches!(anon.place, AnonPlace::Swapped(_));
            anons += usize::from(elsewhere);
            require(!elsewhere || anon.owners == entries, 7, || {
                format!("{id:?} is {anon:?} with {entries} swap entries")
            })?;
        }
        require(anons == core.frames.live_anons(), 7, || {
            "an anon is nowhere".to_owned()
        })?;
        self.check_free_stack()
    }

    /// I4 and I16.
    fn check_table(&self, frame: FrameNum, state: FrameState, seen: &Seen) -> Check {
        let found = seen.tables.get(&frame);
        let told = found.map(
            |&(
                Visit {
                    level, live, number, ..
                },
                family,
                _,
            )| FrameState::Table {
                level,
                live,
                family,
                number,
            },
        );
        require(told == Some(state), 4, || {
            format!("table {frame} is {state:?}, found {found:?}")
        })?;
        let closed = found.is_some_and(|(_, _, ways)| ways.count == 1 || !ways.open);
        require(closed, 16, || {
            format!("a way to {frame} lets writes through: {found:?}")
        })
    }

    /// I1.
    fn check_free_stack(&self) -> Check {
        let mut free = self.core.frames.free_stack().to_vec();
        let all_free = free
            .iter()
            .all(|&f| self.core.frames.state(f) == FrameState::Free);
        free.sort_unstable();
        let used = self
            .core
            .frames
            .all()
            .filter(|(_, state, _)| *state == FrameState::Free)
            .count();
        let once = free.windows(2).all(|pair| pair[0] != pair[1]);
        require(all_free && once && used == free.len(), 1, || {
            "the free stack is wrong".to_owned()
        })
    }

    /// I2 and I3.
    fn check_reverse_map(&self, seen: &Seen) -> Check {
        for (frame, _, mappers) in self.core.frames.all() {
            let mut named = mappers.to_vec();
            let mut found = seen.leaves.get(&frame).cloned().unwrap_or_default();
            named.sort_unstable();
            found.sort_unstable();
            require(named == found, 3, || {
                format!("{frame} is mapped by {found:?}, not {named:?}")
            })?;
        }
        let counted = self.core.frames.zero_maps;
        require(counted == seen.zero_maps, 3, || {
            format!(
                "{} descriptors map the zero page, {counted} counted",
                seen.zero_maps
            )
        })
    }

    /// I8 (as seen from the files) and I11.
    fn check_files(&self, seen: &Seen) -> Check {
        let mut known = 0;
        for (id, file) in self.files.iter() {
            let mapped = seen.file_pages.get(&id).copied().unwrap_or(0);
            known += usize::from(mapped > 0);
            require(file.is_referenced() && mapped == file.mapped_pages, 11, || {
                format!("{id:?} has {mapped} pages mapped: {file:?}")
            })?;
            let end = file.length().div_ceil(self.core.granule().bytes());
            for (page, frame) in file.pages() {
                let state = self.core.frames.state(frame);
                let right = matches!(state, FrameState::Cache(c) if c.file == id && c.page == page);
                require(right && page < end, 8, || {
                    format!("{id:?} has page {page} in {frame}: {state:?}")
                })?;
            }
        }
        require(known == seen.file_pages.len(), 11, || {
            "a mapping shows a file that is gone".to_owned()
        })
    }

    /// I14.
    fn check_swap(&self, seen: &Seen) -> Check {
        let core = &self.core;
        let mut named = 0;
        let resident = core.frames.all().filter_map(|(_, state, _)| match state {
            FrameState::Anon(id) => Some(id),
            _ => None,
        });
        let gone = |id: &AnonId| core.frames.anon(*id).place.frame().is_none();
        let anons = resident.chain(seen.entries.keys().copied().filter(gone));
        for id in anons {
            let Some(slot) = core.frames.anon(id).place.slot() else {
                continue;
            };
            named += 1;
            let owner = core.swap.owner(slot);
            require(owner == Some(SlotOwner::Anon(id)), 14, || {
                format!("{slot:?} of {id:?} belongs to {owner:?}")
            })?;
        }
        for (file, state) in self.files.iter() {
            for (page, slot) in state.all_parked() {
                named += 1;
                let owner = core.swap.owner(slot);
                let right = owner == Some(SlotOwner::Shmem { file, page }) && state.cached(page).is_none();
                require(right, 14, || {
                    format!("page {page} of {file:?} in {slot:?}, which belongs to {owner:?}")
                })?;
            }
        }
        let usage = core.swap.usage();
        let used = core.swap.used().count() as u64;
        let right = used == named && used == usage.used && usage.used + usage.bad <= usage.total;
        require(right, 14, || {
            format!("{used} slots are used, {named} named by pages: {usage:?}")
        })
    }

    /// I15.
    fn check_policy(&self) -> Check {
        let frames = &self.core.frames;
        let policy = frames.policy.as_ref();
        let policy = policy.ok_or(broken(15, || "the policy is out".to_owned()))?;
        let mut held = 0;
        for (frame, state, _) in frames.all() {
            let may_leave = match state {
                FrameState::Anon(_) => frames.swaps || policy.contains(frame),
                FrameState::Cache(cache) => !cache.shmem || frames.swaps,
                _ => false,
            };
            held += usize::from(may_leave);
            let (named, aside) = (policy.contains(frame), frames.aside.contains(frame));
            require(!(named && aside), 15, || {
                format!("{frame} is set aside, and the policy may name it")
            })?;
            require((named || aside) == may_leave, 15, || {
                format!("{frame} is {state:?}; held: {named}, set aside: {aside}")
            })?;
        }
        let (named, aside) = (policy.len(), frames.aside.len());
        require(held == named + aside, 15, || {
            format!("{held} frames may leave, {named} are held, {aside} set aside")
        })
    }

    /// I13.
    fn check_zero_page(&self) -> Check {
        let mut bytes = vec![1; self.core.page_bytes()];
        self.core
            .ram
            .read_bytes(ZERO_FRAME.start(self.core.granule()), &mut bytes);
        require(bytes.iter().all(|&b| b == 0), 13, || {
            "the zero page was written".to_owned()
        })
    }
}
