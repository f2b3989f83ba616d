//! A space lets go of tables: those that others reach stay theirs, what nobody else reaches is freed with its pages.
//!
//! [`Core::let_go`] serves calls on a range, [`Core::let_go_all`] and [`Core::drop_all`] a space that dies, and
//! [`Core::prune_for_all`] reclaim, which may empty a table for every space at once. Neighbours: `sharing`, which says what holds
//! for shared tables, and `families`, which knows the spaces that may reach one.

use arch::{Descriptor, FrameNum, PageNum, PageRange, TlbOp};

use super::{Entries, Few};
use crate::core_state::Core;
use crate::families::Member;
use crate::frames::{FrameState, Mapper};
use crate::space::{Space, Spaces};
use crate::tables::{frame_of, read, swapped_anon, write};

impl Core {
    /// The space reaches no table any more that lies in `range` whole and that others reach, too; its pages are theirs.
    pub(crate) fn let_go(&mut self, space: &mut Space, range: PageRange) {
        if let Some(gone) = self.cut_off(space, range, true) {
            gone.settle(self, space);
        }
    }

    /// The same for all tables of a space that dies; its counts are not kept, so that it costs no walk.
    pub(crate) fn let_go_all(&mut self, space: &mut Space) {
        self.cut_off(space, Space::all_pages(self), false);
        space.tables.forget_last();
    }

    fn cut_off(&mut self, space: &Space, range: PageRange, counts: bool) -> Option<LetGo> {
        let relatives = self.relatives(space);
        if relatives.is_empty() {
            return None;
        }
        let mut gone = LetGo {
            range,
            counts,
            pages: Entries::default(),
            tables: 0,
            touched: None,
        };
        self.let_go_below(
            space.tables.root(),
            self.shape.start_level,
            range,
            &relatives,
            &mut gone,
        );
        Some(gone)
    }

    /// Everything that a dying space still reaches goes with its tables. Nobody else reaches any of them.
    pub(crate) fn drop_all(&mut self, space: &mut Space) {
        let root = space.tables.root();
        let live = self.frames.live(root);
        self.drop_below(root, self.shape.start_level);
        self.frames.adjust_live(root, -i32::from(live));
        space.tables.forget_last();
    }

    fn drop_below(&mut self, table: FrameNum, level: u8) {
        let mut left = self.frames.live(table);
        for index in 0..self.shape.entries(level) {
            if left == 0 {
                return;
            }
            let entry = read(&self.ram, self.shape.at(table, index));
            if entry == Descriptor::INVALID {
                continue;
            }
            left -= 1;
            if level < 3 {
                let below = frame_of(entry, self.shape.granule);
                self.drop_below(below, level + 1);
                self.frames.release(below);
            } else if entry.is_valid() {
                self.forget_descriptor(Mapper { table, index }, entry);
            } else if let Some(id) = swapped_anon(entry) {
                self.drop_anon(id);
            }
        }
    }

    /// `others`: the tables that relatives have in the place of `table`, of which it is none.
    fn let_go_below(
        &mut self,
        table: FrameNum,
        level: u8,
        part: PageRange,
        others: &[FrameNum],
        gone: &mut LetGo,
    ) {
        let mut page = part.start();
        while page < part.end() {
            let span = self.shape.span(page, level);
            let below = self.below(table, page, level);
            let theirs: Few<FrameNum> = match below {
                Some(_) => others
                    .iter()
                    .filter_map(|&other| self.below(other, page, level))
                    .collect(),
                None => Few::new(),
            };
            if let Some(below) = below
                && !theirs.is_empty()
            {
                let shared = theirs.contains(&below);
                if shared && gone.range.contains_range(span) {
                    gone.note(self, below, level + 1, span);
                    self.clear_table(table, page, level);
                } else if !shared && level < 2 {
                    let inside = span.intersection(part).unwrap_or(span);
                    self.let_go_below(below, level + 1, inside, &theirs, gone);
                    if matches!(self.frames.state(below), FrameState::Table { live: 0, .. }) {
                        self.clear_table(table, page, level);
                        self.frames.release(below);
                        gone.tables += 1;
                    }
                }
            }
            page = span.end();
        }
    }

    fn below(&self, table: FrameNum, page: PageNum, level: u8) -> Option<FrameNum> {
        let descriptor = read(&self.ram, self.shape.entry(table, page, level));
        descriptor
            .is_valid()
            .then(|| frame_of(descriptor, self.shape.granule))
    }

    fn clear_table(&mut self, table: FrameNum, page: PageNum, level: u8) {
        write(
            &self.ram,
            self.shape.entry(table, page, level),
            Descriptor::INVALID,
        );
        self.frames.adjust_live(table, -1);
    }

    /// Frees the tables on the way to `page` that hold nothing, for all spaces that reach its leaf table.
    pub(crate) fn prune_for_all(&mut self, spaces: &mut Spaces, reachers: &[Member], page: PageNum) {
        for level in (self.shape.start_level..3).rev() {
            let mut holders: Few<(FrameNum, FrameNum)> = Few::new();
            for &member in reachers {
                let Some(holder) = self.table_of(member, page, level) else {
                    continue;
                };
                let Some(empty) = self.below(holder, page, level) else {
                    continue;
                };
                if matches!(self.frames.state(empty), FrameState::Table { live: 0, .. }) {
                    holders.push((empty, holder));
                    let tables = &mut spaces.in_slot_mut(member.slot).tables;
                    tables.count -= 1;
                    tables.forget_last();
                }
            }
            holders.sort_unstable();
            holders.dedup();
            for &(_, holder) in &holders {
                self.clear_table(holder, page, level);
            }
            holders.dedup_by_key(|(empty, _)| *empty);
            holders.iter().for_each(|&(empty, _)| self.frames.release(empty));
        }
    }
}

/// What a space no longer reaches.
#[derive(Debug)]
struct LetGo {
    /// Tables that lie in it whole are let go.
    range: PageRange,
    /// Whether the pages and tables are counted, which takes a walk over them.
    counts: bool,
    pages: Entries,
    tables: u32,
    touched: Option<PageRange>,
}

impl LetGo {
    fn note(&mut self, core: &Core, table: FrameNum, level: u8, span: PageRange) {
        if !self.counts {
            return;
        }
        self.tables += core.count_tables(table, level);
        self.count_pages(core, table, level);
        let start = self.touched.map_or(span.start(), PageRange::start);
        self.touched = PageRange::new(start, span.end());
    }

    fn count_pages(&mut self, core: &Core, table: FrameNum, level: u8) {
        if level == 3 {
            let found = core.count_entries(table, 0..core.shape.entries(3));
            return self.pages.add(&found);
        }
        let below: Vec<FrameNum> = core.tables_below(table, level).collect();
        below
            .into_iter()
            .for_each(|below| self.count_pages(core, below, level + 1));
    }

    fn settle(self, core: &mut Core, space: &mut Space) {
        space.tables.count -= self.tables;
        space.tables.forget_last();
        space.resident.anon -= self.pages.resident.anon;
        space.resident.file -= self.pages.resident.file;
        space.resident.shmem -= self.pages.resident.shmem;
        space.swapped -= self.pages.swapped;
        if let Some(pages) = self.touched {
            let asid = space.asid;
            core.tlb_queue(TlbOp::Pages { asid, pages });
        }
    }
}
