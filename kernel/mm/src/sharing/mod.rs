//! Translation tables that several address spaces reach: who does, and how a space gets its own again.
//!
//! ```text
//!   root A ── RO ──┐                     root A ─────── T' ── RO ──┐
//!                  ▼        A writes                 (a copy)      ▼
//!                  T ── leaf ...  ──▶                              leaf, then copied too, and so on down the way
//!                  ▲                                               ▲
//!   root B ── RO ──┘                     root B ── RO ── T ── RO ──┘
//! ```
//!
//! fork lets parent and child reach the same tables, at the same place of both. What holds then:
//!
//! - A table that several roots reach has a table descriptor with APTable read-only (`RO`) on each way to it, at or above it.
//!   So no write goes through, and no dirty state is set. Before its descriptors change for one space, that space gets its own
//!   copy of each table on the way ([`Core::own_path`]). In a copied leaf table each anon gets one owner more and no entry may
//!   be written; below a copied upper table both sides share on, one level down.
//! - A table whose other spaces are gone becomes writable by clearing the bit, at the next write fault. The bit may stand
//!   where it is not needed, never the other way round.
//! - Shared leaf tables hold private anonymous memory alone, so what all spaces see of an entry is equal. Reclaim changes such
//!   an entry in place, for all of them. The access flag is one for all, too, and a copy begins with it.
//! - Who reaches a table is asked of the tables: a walk from each root of the family ([`crate::families`]).
//!
//! A real processor may keep table descriptors in its TLB; so the pages below a replaced one are asked to be forgotten.
//! A bit that was cleared needs no request: a stale entry faults once more, and that fault asks.

use std::ops::Range;

use arch::{Descriptor, FrameNum, PageNum, PageRange, TlbOp};
use smallvec::SmallVec;

use crate::attributes;
use crate::core_state::Core;
use crate::error::OutOfRam;
use crate::families::{FamilyId, Member};
use crate::frames::{AnonId, FrameState, Mapper};
use crate::space::{Resident, Space};
use crate::tables::{frame_of, new_table, read, swap_entry, swapped_anon, table_at, write};

mod release;

/// Spaces or tables of a family. Mostly few.
type Few<T> = SmallVec<[T; 4]>;

/// Pages by what their entries say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entries {
    pub(crate) resident: Resident,
    pub(crate) swapped: u64,
}

/// Whether the child's entries begin with the access flag clear (`pte_mkold`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Age {
    Kept,
    Old,
}

impl Core {
    /// The page of an entry of the reverse map, in every space that reaches it.
    pub(crate) fn page_of(&self, mapper: Mapper) -> PageNum {
        match self.frames.state(mapper.table) {
            FrameState::Table { number, .. } => self.shape.page_in(number, mapper.index),
            state => unreachable!("{mapper:?} is in a frame that is {state:?}"),
        }
    }

    /// Everybody who reaches a leaf table.
    pub(crate) fn reachers(&self, leaf: FrameNum) -> Few<Member> {
        let FrameState::Table { family, number, .. } = self.frames.state(leaf) else {
            return Few::new();
        };
        let members = self.families.members(family);
        if let [only] = members {
            return Few::from_slice(&[*only]);
        }
        let page = self.shape.page_in(number, 0);
        let reaches = |member: &&Member| self.table_of(**member, page, 3) == Some(leaf);
        members.iter().filter(reaches).copied().collect()
    }

    /// How many spaces reach a leaf table.
    pub(crate) fn reach(&self, leaf: FrameNum) -> u64 {
        self.reachers(leaf).len() as u64
    }

    /// How many pages of spaces show a frame: what its descriptors would be if no table were shared.
    pub(crate) fn mappings(&self, frame: FrameNum) -> u64 {
        let mappers = self.frames.mappers(frame).iter();
        mappers.map(|mapper| self.reach(mapper.table)).sum()
    }

    /// Where the page of a family's spaces is this anon in swap: in how many tables, and in how many spaces.
    pub(crate) fn swap_entries_at(&self, family: FamilyId, page: PageNum, id: AnonId) -> (u64, u64) {
        let entry = swap_entry(id);
        let leaves = self.families.members(family).iter();
        let leaves = leaves.filter_map(|&member| self.table_of(member, page, 3));
        let mut found: Few<FrameNum> = leaves
            .filter(|&leaf| read(&self.ram, self.shape.entry(leaf, page, 3)) == entry)
            .collect();
        let spaces = found.len() as u64;
        found.sort_unstable();
        found.dedup();
        (found.len() as u64, spaces)
    }

    fn table_of(&self, member: Member, page: PageNum, level: u8) -> Option<FrameNum> {
        table_at(&self.ram, &self.shape, member.root, page, level)
    }

    /// The other spaces of a family.
    fn relatives(&self, space: &Space) -> Few<FrameNum> {
        let members = self.families.members(space.tables.family()).iter();
        let roots = members.map(|member| member.root);
        roots.filter(|&root| root != space.tables.root()).collect()
    }

    /// Whether no other space can share tables with this one.
    pub(crate) fn is_alone(&self, space: &Space) -> bool {
        self.families.members(space.tables.family()).len() == 1
    }

    /// What there is of the way to `page` is this space's own from now on, and may be written through. Says whether it was
    /// not. Without a frame for a copy the tables above it are the space's own already, which nobody can tell.
    #[inline]
    pub(crate) fn own_path(&mut self, space: &mut Space, page: PageNum) -> Result<bool, OutOfRam> {
        // The slot is found once more by whoever asked, and then it is known.
        space.tables.find(&self.ram, &self.shape, page);
        if space.tables.is_own(&self.ram, &self.shape, page) {
            return Ok(false);
        }
        self.own_way(space, page, None).map(|()| true)
    }

    /// The same for all tables of a range and for the ways to its ends.
    pub(crate) fn own_range(&mut self, space: &mut Space, range: PageRange) -> Result<(), OutOfRam> {
        if self.is_alone(space) || range.is_empty() {
            return Ok(());
        }
        self.own_path(space, last_page(range))?;
        self.own_path(space, range.start())?;
        let mut rest = Some(range);
        while let Some(range) = rest
            && let Some((page, _)) = space.tables.next_slot(&self.ram, &self.shape, range)
        {
            self.own_path(space, page)?;
            rest = PageRange::new(self.shape.next_leaf_table(page), range.end());
        }
        Ok(())
    }

    /// What there is of the ways to both ends of a range is the space's own, but for tables that lie in the range whole.
    pub(crate) fn own_edges(&mut self, space: &mut Space, range: PageRange) -> Result<(), OutOfRam> {
        if self.is_alone(space) || range.is_empty() {
            return Ok(());
        }
        self.own_way(space, range.start(), Some(range))?;
        self.own_way(space, last_page(range), Some(range))
    }

    #[cold]
    fn own_way(&mut self, space: &mut Space, page: PageNum, but: Option<PageRange>) -> Result<(), OutOfRam> {
        let relatives = self.relatives(space);
        let mut table = space.tables.root();
        for level in self.shape.start_level..3 {
            let span = self.shape.span(page, level);
            let at = self.shape.entry(table, page, level);
            let descriptor = read(&self.ram, at);
            if !descriptor.is_valid() || but.is_some_and(|but| but.contains_range(span)) {
                return Ok(());
            }
            table = frame_of(descriptor, self.shape.granule);
            if !descriptor.is_table_read_only() {
                continue;
            }
            let reached =
                |&root: &FrameNum| table_at(&self.ram, &self.shape, root, page, level + 1) == Some(table);
            if relatives.iter().any(reached) {
                table = self.copy_table(space, table, page, level + 1)?;
                let asid = space.asid;
                self.tlb_queue(match level {
                    2 => TlbOp::Pages { asid, pages: span },
                    _ => TlbOp::Asid(asid),
                });
            }
            write(&self.ram, at, Descriptor::table(table.start(self.shape.granule)));
            space.tables.forget_last();
        }
        Ok(())
    }

    /// A copy of a table of `level`, for a space alone.
    fn copy_table(
        &mut self,
        space: &Space,
        from: FrameNum,
        page: PageNum,
        level: u8,
    ) -> Result<FrameNum, OutOfRam> {
        let number = self.shape.table_number(page, level);
        let family = space.tables.family();
        let to = new_table(&self.ram, &mut self.frames, family, level, number)?;
        self.counters.table_copies += 1;
        let entries = 0..self.shape.entries(level);
        match level {
            3 => drop(self.copy_entries(from, to, entries, Age::Kept)),
            _ => self.share_tables(from, to, level, entries),
        }
        Ok(to)
    }

    /// The tables below descriptors of `from` are reached from `to` as well.
    pub(crate) fn share_tables(&mut self, from: FrameNum, to: FrameNum, level: u8, indexes: Range<u32>) {
        debug_assert!(level < 3, "a leaf table has no tables below");
        let mut live = 0;
        for index in indexes {
            let at = self.shape.at(from, index);
            let descriptor = read(&self.ram, at);
            if descriptor.is_valid() {
                let shared = descriptor.table_read_only();
                write(&self.ram, at, shared);
                write(&self.ram, self.shape.at(to, index), shared);
                live += 1;
            }
        }
        self.frames.adjust_live(to, live);
    }

    /// Copies entries of a leaf table, present or swapped, to where there are none. Each anon gets an owner more, and neither
    /// side may write it.
    pub(crate) fn copy_entries(
        &mut self,
        from: FrameNum,
        to: FrameNum,
        indexes: Range<u32>,
        age: Age,
    ) -> Entries {
        let mut copied = Entries::default();
        let mut live = 0;
        for index in indexes {
            let at = self.shape.at(from, index);
            let mut entry = read(&self.ram, at);
            if entry == Descriptor::INVALID {
                continue;
            }
            live += 1;
            if entry.is_valid() {
                let protected = self.copy_present(entry, Mapper { table: to, index }, &mut copied);
                if protected != entry {
                    write(&self.ram, at, protected);
                }
                entry = match age {
                    Age::Kept => protected,
                    Age::Old => protected.not_accessed(),
                };
            } else if let Some(id) = swapped_anon(entry) {
                self.frames.anon_mut(id).owners += 1;
                copied.swapped += 1;
            }
            write(&self.ram, self.shape.at(to, index), entry);
        }
        self.frames.adjust_live(to, live);
        copied
    }

    /// A present entry is copied to `mapper`: counts it, and gives what it says on both sides from now on.
    #[inline]
    fn copy_present(&mut self, entry: Descriptor, mapper: Mapper, copied: &mut Entries) -> Descriptor {
        let frame = self.frame_of(entry);
        let state = self.frames.state(frame);
        match copied.resident.of(state) {
            None => self.frames.zero_maps += 1,
            Some(count) => {
                *count += 1;
                self.frames.add_mapper(frame, mapper);
            }
        }
        match state {
            FrameState::Anon(id) => {
                if entry.is_dirty() && self.frames.anon(id).starts_clean() {
                    attributes::harvest(self, entry);
                }
                self.frames.anon_mut(id).owners += 1;
                entry.write_protected()
            }
            _ => entry,
        }
    }

    /// What entries of a leaf table say.
    pub(crate) fn count_entries(&self, leaf: FrameNum, indexes: Range<u32>) -> Entries {
        let mut found = Entries::default();
        for index in indexes {
            let entry = read(&self.ram, self.shape.at(leaf, index));
            if entry.is_valid() {
                let state = self.frames.state(self.frame_of(entry));
                if let Some(count) = found.resident.of(state) {
                    *count += 1;
                }
            } else if swapped_anon(entry).is_some() {
                found.swapped += 1;
            }
        }
        found
    }

    /// How many tables there are from one of `level` down, with it.
    pub(crate) fn count_tables(&self, table: FrameNum, level: u8) -> u32 {
        let FrameState::Table { live, .. } = self.frames.state(table) else {
            return 0;
        };
        match level {
            3 => 1,
            2 => 1 + u32::from(live),
            _ => {
                1 + self
                    .tables_below(table, level)
                    .map(|t| self.count_tables(t, level + 1))
                    .sum::<u32>()
            }
        }
    }

    fn tables_below(&self, table: FrameNum, level: u8) -> impl Iterator<Item = FrameNum> {
        let all =
            (0..self.shape.entries(level)).map(move |index| read(&self.ram, self.shape.at(table, index)));
        all.filter(|descriptor| descriptor.is_valid())
            .map(|descriptor| frame_of(descriptor, self.shape.granule))
    }
}

impl Entries {
    /// Adds what was found elsewhere.
    pub(crate) fn add(&mut self, more: &Self) {
        self.resident.anon += more.resident.anon;
        self.resident.file += more.resident.file;
        self.resident.shmem += more.resident.shmem;
        self.swapped += more.swapped;
    }
}

fn last_page(range: PageRange) -> PageNum {
    PageNum::new(range.end().get() - 1)
}
