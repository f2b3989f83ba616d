//! fork(2): a copy of an address space whose private pages are shared until one side writes.
//!
//! The cost does not grow with the resident size, because translation tables are shared, too (`sharing`). For each
//! descriptor of the parent's tables, from the root down:
//!
//! - Where all mappings that it covers are private, anonymous and forked as they are, the child gets the same descriptor,
//!   and both say read-only (APTable). Nothing below is looked at; how many pages the child has there is what the parent has
//!   in all, less those that are counted here.
//! - Where another mapping lies (a *wall*), the child gets a table of its own, and the same is asked one level down. In a leaf
//!   table with a wall present entries and swap entries of mappings with private pages are copied and write-protected on
//!   both sides, and each anon gets one owner more.
//! - Mappings that never had a private page, and shared ones, are not walked: their pages come back from the cache by
//!   faults, as on Linux.
//!
//! The price is paid by whoever writes first, a table at a time, and not at all by a child that ends or calls exec. It differs
//! from Linux in two things that can be seen: pages under a shared descriptor keep their access flag in the child
//! (Linux clears it: `pte_mkold`), and a page of zeros that the parent had read is present in the child, too.

use arch::{Descriptor, FrameNum, PageRange, TlbOp};

use crate::Memory;
use crate::core_state::Core;
use crate::error::OutOfRam;
use crate::files::Files;
use crate::request::{Content, SpaceId};
use crate::sharing::{Age, Entries};
use crate::space::Space;
use crate::tables::{frame_of, new_table, read, write};
use crate::vma::{Vma, VmaFlags};

impl Memory {
    /// Copies an address space: private memory copy-on-write both ways, shared memory shared, the break and
    /// the limits inherited; locks and `MADV_DONTFORK` mappings are not, and `MADV_WIPEONFORK` memory reads as
    /// zeros in the child. On [`OutOfRam`] there is no child.
    pub fn fork_space(&mut self, parent: SpaceId) -> Result<SpaceId, OutOfRam> {
        self.make_room(self.tables_of_child(parent));
        let Self {
            core, files, spaces, ..
        } = self;
        let old = spaces.get(parent);
        let (layout, limits, family) = (old.layout, old.limits, old.tables.family());
        let id = spaces.create(core, layout, limits, Some(family))?;
        let mut child = spaces.detach(id);
        let old = spaces.get_mut(parent);
        copy_mappings(files, old, &mut child);
        let answer = copy_tables(core, old, &mut child);
        // The parent's write-protected pages must not be written through old TLB entries.
        core.tlb_queue(TlbOp::Asid(old.asid));
        spaces.attach(id, child);
        answer.map(|()| id).inspect_err(|_| {
            self.core.counters.out_of_ram += 1;
            self.destroy_space(id);
        })
    }

    /// Frames that the child's own tables can need: a way to each mapping, but no more tables than the parent has.
    fn tables_of_child(&self, parent: SpaceId) -> u32 {
        let parent = self.spaces.get(parent);
        let ways = u32::try_from(parent.vmas.len()).unwrap_or(u32::MAX);
        ways.saturating_mul(6).min(parent.tables.count()) + crate::reclaim::FAULT_NEED
    }
}

fn copy_mappings(files: &mut Files, parent: &Space, child: &mut Space) {
    child.break_start = parent.break_start;
    child.break_end = parent.break_end;
    child.stack_start = parent.stack_start;
    for vma in parent
        .vmas
        .iter()
        .filter(|vma| !vma.flags.contains(VmaFlags::DONT_FORK))
    {
        let wipe = vma.flags.contains(VmaFlags::WIPE_ON_FORK);
        if !wipe {
            for guarded in parent.guards.inside(vma.range) {
                child.guards.insert(guarded);
            }
        }
        let mut copy = *vma;
        copy.flags.remove(VmaFlags::LOCKED);
        copy.has_anon &= !wipe;
        child.insert(copy);
        if let Content::File { file, .. } = vma.content {
            files.get_mut(file).mapped_pages += vma.range.count().get();
        }
    }
}

/// Whether the child may reach the same tables for it. What has never had a private page has no entry but for the zero page.
fn is_shareable(vma: &Vma) -> bool {
    vma.is_private_anonymous() && vma.special.is_none() && !vma.flags.intersects(NOT_COPIED)
}

/// Flags of mappings whose pages the child does not get.
const NOT_COPIED: VmaFlags = VmaFlags::DONT_FORK.union(VmaFlags::WIPE_ON_FORK);

fn copy_tables(core: &mut Core, parent: &mut Space, child: &mut Space) -> Result<(), OutOfRam> {
    let walls = parent
        .vmas
        .iter()
        .filter(|vma| !is_shareable(vma))
        .copied()
        .collect();
    let (from, to) = (parent.tables.root(), child.tables.root());
    let mut copy = Copy {
        core,
        parent,
        walls,
        walked: Entries::default(),
        copied: Entries::default(),
        tables: 0,
    };
    let all = Space::all_pages(copy.core);
    let answer = copy.descriptors(from, to, copy.core.shape.start_level, all);
    // Whatever was not walked is reached by both.
    let mut pages = copy.copied;
    let (walked, tables) = (copy.walked, copy.tables);
    parent.tables.forget_last();
    child.tables.count += tables;
    if answer.is_ok() {
        pages.resident.anon += parent.resident.anon - walked.resident.anon;
        pages.swapped += parent.swapped - walked.swapped;
    }
    child.resident = pages.resident;
    child.swapped = pages.swapped;
    child.note_peak();
    answer
}

/// Tables that are being copied.
struct Copy<'a> {
    core: &'a mut Core,
    parent: &'a Space,
    /// Mappings whose pages are not shared by table.
    walls: Vec<Vma>,
    /// Pages of the parent that were looked at one by one.
    walked: Entries,
    /// Those of them that the child got.
    copied: Entries,
    /// Tables that the child reaches, without its root.
    tables: u32,
}

impl Copy<'_> {
    /// The descriptors of a table of `level` for the pages of `part`: runs without a wall are shared, the others looked into.
    fn descriptors(
        &mut self,
        from: FrameNum,
        to: FrameNum,
        level: u8,
        part: PageRange,
    ) -> Result<(), OutOfRam> {
        let mut page = part.start();
        while page < part.end() {
            let next = self.walls.partition_point(|wall| wall.range.end() <= page);
            let wall = self.walls.get(next).copied();
            let free_end = match &wall {
                Some(wall) if wall.range.start() < part.end() => {
                    self.core.shape.span(wall.range.start().max(page), level).start()
                }
                _ => part.end(),
            };
            if free_end > page {
                let free = PageRange::new(page, free_end).expect("it ends later");
                self.share(from, to, level, free);
                page = free_end;
                continue;
            }
            let span = self.core.shape.span(page, level);
            self.look_into(from, to, level, span)?;
            page = span.end();
            // Inside of a wall without private pages is nothing.
            if let Some(wall) = wall
                && !wall.has_anon
                && wall.range.end() > page
            {
                page = self.core.shape.span(wall.range.end(), level).start();
            }
        }
        Ok(())
    }

    /// The child reaches the tables of these pages, too.
    fn share(&mut self, from: FrameNum, to: FrameNum, level: u8, pages: PageRange) {
        let shape = &self.core.shape;
        let indexes = shape.index(pages.start(), level)..shape.last_index(pages, level) + 1;
        let before = self.core.frames.live(to);
        self.core.share_tables(from, to, level, indexes.clone());
        match level {
            2 => self.tables += u32::from(self.core.frames.live(to) - before),
            _ => {
                for index in indexes {
                    let descriptor = read(&self.core.ram, self.core.shape.at(to, index));
                    if descriptor.is_valid() {
                        let below = frame_of(descriptor, self.core.shape.granule);
                        self.tables += self.core.count_tables(below, level + 1);
                    }
                }
            }
        }
    }

    /// What lies under a descriptor of `level` with a wall: a table of the child's own, if it is to hold anything.
    fn look_into(
        &mut self,
        from: FrameNum,
        to: FrameNum,
        level: u8,
        span: PageRange,
    ) -> Result<(), OutOfRam> {
        let old = read(&self.core.ram, self.core.shape.entry(from, span.start(), level));
        let holds_anons = |vma: &Vma| vma.has_anon;
        if !old.is_valid() || !self.parent.vmas.overlapping(span).any(holds_anons) {
            return Ok(());
        }
        let below = frame_of(old, self.core.shape.granule);
        let number = self.core.shape.table_number(span.start(), level + 1);
        let family = self.parent.tables.family();
        let fresh = new_table(&self.core.ram, &mut self.core.frames, family, level + 1, number)?;
        let answer = match level {
            2 => {
                self.leaf(below, fresh, span);
                Ok(())
            }
            _ => self.descriptors(below, fresh, level + 1, span),
        };
        if self.core.frames.live(fresh) == 0 {
            self.core.frames.release(fresh);
            return answer;
        }
        let at = self.core.shape.entry(to, span.start(), level);
        write(
            &self.core.ram,
            at,
            Descriptor::table(fresh.start(self.core.shape.granule)),
        );
        self.core.frames.adjust_live(to, 1);
        self.tables += 1;
        answer
    }

    /// The entries of a leaf table with a wall: those of mappings that have private pages.
    fn leaf(&mut self, from: FrameNum, to: FrameNum, span: PageRange) {
        for vma in self.parent.vmas.overlapping(span).filter(|vma| vma.has_anon) {
            let Some(part) = vma.range.intersection(span).filter(|part| !part.is_empty()) else {
                continue;
            };
            let shape = &self.core.shape;
            let indexes = shape.index(part.start(), 3)..shape.last_index(part, 3) + 1;
            if vma.flags.intersects(NOT_COPIED) {
                self.walked.add(&self.core.count_entries(from, indexes));
                continue;
            }
            let copied = self.core.copy_entries(from, to, indexes, Age::Old);
            self.walked.add(&copied);
            self.copied.add(&copied);
        }
    }
}
