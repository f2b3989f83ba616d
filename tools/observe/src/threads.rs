//! The threads of a process and their stacks ([`Thread`]): whose a stack is, how deep it ever went, where its guard lies.
//!
//! Linux names only the main thread's stack. The others are found from outside, without stopping anything: the head of a thread's robust
//! futex list lies in glibc's descriptor of the thread (`struct pthread`), which lies on its stack. Where the stack begins and ends
//! inside a merged mapping (glibc 2.42 guards stacks with MADV_GUARD_INSTALL, so that neighbours become one VMA) is read from the
//! descriptor itself. In a core file the stack pointer in the registers says whose it is.
//!
//! Neighbours: `classify` (by position, when nothing of this is to be had), `snapshot`.

use crate::{Kind, Region, printable};
use procfs::{Addr, Comm, Kib, PageCategories, PageRun, PageWanted, PidStat, Root, Statm};
use std::cell::Cell;
use std::ops::Range;

/// A thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thread {
    /// Its id.
    pub tid: i32,
    /// Its name, as pthread_setname_np(3) sets it.
    pub name: String,
    /// State letter.
    pub state: char,
    /// Its stack, if it was found.
    pub stack: Option<StackSpan>,
}

/// A thread's stack: all that it may use, its guard not included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StackSpan {
    /// Lowest address.
    pub start: Addr,
    /// First address past the end.
    pub end: Addr,
    /// Bytes of the guard right below; `None` if it is not known.
    pub guard_bytes: Option<u64>,
    /// Bytes from the end down to the lowest page that was ever touched (and not given back since).
    pub high_water: Option<u64>,
    /// What of it is in RAM.
    pub resident: Option<Kib>,
    /// Whether the bounds are the thread library's own, rather than those of the mapping.
    pub is_exact: bool,
}

impl StackSpan {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end.bytes_above(self.start)
    }

    /// Whether it is empty; no thread has such a one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Most threads that are looked at; a process with more is told so by a gap.
const MOST_THREADS: usize = 20_000;

/// All threads by id, with their stacks; `None` if they cannot be listed.
pub(crate) fn threads(
    root: &dyn Root,
    pid: i32,
    regions: &[Region],
    page_bytes: Option<u64>,
) -> Option<Vec<Thread>> {
    let mut tids: Vec<i32> = root
        .list(&format!("{pid}/task"))
        .ok()?
        .iter()
        .filter_map(|name| str::from_utf8(name).ok()?.parse().ok())
        .collect();
    tids.sort_unstable();
    tids.truncate(MOST_THREADS);
    let finder = Finder {
        root,
        pid,
        regions,
        page_bytes: page_bytes.filter(|bytes| bytes.is_power_of_two()),
        unmeasured: Cell::new(most_of_stacks(root, pid, page_bytes)),
    };
    Some(tids.into_iter().filter_map(|tid| finder.thread(tid)).collect())
}

struct Finder<'a> {
    root: &'a dyn Root,
    pid: i32,
    regions: &'a [Region],
    page_bytes: Option<u64>,
    /// Bytes in RAM that the stacks not yet measured may have.
    unmeasured: Cell<u64>,
}

/// More than all stacks together can have in RAM, bytes: they do not overlap, so twice what the process has leaves room for its growth.
/// It bounds the work on a process whose descriptors claim the same memory thousands of times.
fn most_of_stacks(root: &dyn Root, pid: i32, page_bytes: Option<u64>) -> u64 {
    const SPARE: u64 = 1 << 30;
    let pages = root
        .parse::<Statm>(&format!("{pid}/statm"))
        .map_or(0, |s| s.resident);
    let resident = pages.saturating_mul(page_bytes.unwrap_or(0));
    resident.saturating_mul(2).saturating_add(SPARE)
}

impl Finder<'_> {
    /// The thread; `None` if it has ended.
    fn thread(&self, tid: i32) -> Option<Thread> {
        let folder = format!("{}/task/{tid}", self.pid);
        let stat: PidStat = self.root.parse(&format!("{folder}/stat")).ok()?;
        let comm: Option<Comm> = self.root.parse(&format!("{folder}/comm")).ok();
        let span = if tid == self.pid {
            self.main_stack()
        } else {
            self.thread_stack(tid, &stat)
        };
        Some(Thread {
            tid,
            name: printable(comm.as_ref().map_or(&stat.comm, |comm| &comm.0)),
            state: char::from(stat.state),
            stack: span.map(|(span, inside)| self.measured(span, inside)),
        })
    }

    /// The main thread's is what the kernel calls `[stack]`. It grows, so its guard is a gap that the kernel keeps.
    fn main_stack(&self) -> Option<(StackSpan, Addr)> {
        let region = self.regions.iter().find(|r| r.object.name == b"[stack]")?;
        let span = StackSpan {
            start: region.start,
            end: region.end,
            guard_bytes: None,
            high_water: None,
            resident: None,
            is_exact: true,
        };
        Some((span, Addr(region.end.0.saturating_sub(1))))
    }

    /// The stack, and an address in it.
    fn thread_stack(&self, tid: i32, stat: &PidStat) -> Option<(StackSpan, Addr)> {
        if let Ok(head) = self.root.robust_list(tid)
            && let Some(index) = self.region_at(head).filter(|&i| self.may_be_stack(i))
        {
            let described = self.described(head, index);
            return Some((described.unwrap_or_else(|| self.whole(index)), head));
        }
        // What a core file has: the stack pointer. On a live process it reads as 0.
        let index = self.region_at(stat.kstk_esp).filter(|&i| self.may_be_stack(i))?;
        Some((self.whole(index), stat.kstk_esp))
    }

    fn region_at(&self, addr: Addr) -> Option<usize> {
        let index = self.regions.partition_point(|r| r.end <= addr);
        self.regions
            .get(index)
            .filter(|r| r.contains(addr))
            .map(|_| index)
    }

    fn may_be_stack(&self, index: usize) -> bool {
        let region = &self.regions[index];
        // The program's break and its data may hold a descriptor too, that of the main thread.
        region.perms.write && region.is_private_anonymous() && region.object.name != b"[heap]"
    }

    /// By the mapping: all of it, and the inaccessible one below as its guard.
    fn whole(&self, index: usize) -> StackSpan {
        let region = &self.regions[index];
        let below = index.checked_sub(1).map(|i| &self.regions[i]);
        let guard = below.filter(|r| r.end == region.start && r.is_prot_none());
        StackSpan {
            start: region.start,
            end: region.end,
            guard_bytes: guard.map(Region::len),
            high_water: None,
            resident: None,
            is_exact: false,
        }
    }

    /// By the descriptor's own words `stackblock`, `stackblock_size`, `guardsize`, if they can be found and make sense.
    fn described(&self, head: Addr, index: usize) -> Option<StackSpan> {
        let page_bytes = self.page_bytes?;
        let region = &self.regions[index];
        // The descriptor begins below the list's head (0x2e0 in glibc 2.36 on x86-64) and ends within two pages above it.
        let from = Addr(head.0.saturating_sub(DESCRIPTOR_BELOW) & !7).max(region.start);
        let to = Addr(head.0.saturating_add(DESCRIPTOR_ABOVE)).min(region.end);
        let words = self.words(from..to, head, page_bytes)?;
        words.windows(4).find_map(|four| {
            let &[block, size, guard, reported] = four else {
                return None;
            };
            let found = stack_of(block, size, guard, reported, head, page_bytes)?;
            // The block must lie in mappings of this process, and the descriptor near its end.
            let last = Addr(found.end.0.saturating_sub(1));
            (self.region_at(found.start).is_some() && region.contains(last)).then_some(found)
        })
    }

    /// The words of `range` around `at` whose pages are in RAM: looking must not bring a page in.
    fn words(&self, range: Range<Addr>, at: Addr, page_bytes: u64) -> Option<Vec<u64>> {
        let wanted = PageWanted::any_of(PageCategories::PRESENT);
        let found = self
            .root
            .page_runs(self.pid, range.clone(), &wanted, page_bytes)
            .ok()?;
        let run = found.runs.iter().find(|run| run.start <= at && at < run.end)?;
        let (start, end) = (range.start.max(run.start), range.end.min(run.end));
        let mut memory = vec![0; usize::try_from(end.bytes_above(start)).ok()?];
        let read = self
            .root
            .read_at(&format!("{}/mem", self.pid), start.0, &mut memory)
            .ok()?;
        let (words, _) = memory.get(..read)?.as_chunks::<8>();
        Some(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// The span with what its pages say. `inside` is an address that the stack holds.
    fn measured(&self, mut span: StackSpan, inside: Addr) -> StackSpan {
        let Some(page_bytes) = self.page_bytes.filter(|_| self.unmeasured.get() > 0) else {
            return span;
        };
        let there = PageCategories::PRESENT | PageCategories::SWAPPED;
        let wanted = PageWanted {
            any_of: there | PageCategories::GUARD,
            report: there | PageCategories::GUARD,
            window: PageWanted::GENTLE,
        };
        // A light guard lies below the stack or at its lower end, in the same mapping.
        let from = Addr(span.start.0.saturating_sub(LARGEST_GUARD));
        let Ok(found) = self.root.page_runs(self.pid, from..span.end, &wanted, page_bytes) else {
            return span;
        };
        let looked_at = found.bytes(PageCategories::PRESENT);
        self.unmeasured
            .set(self.unmeasured.get().saturating_sub(looked_at));
        cut_at_guards(&mut span, inside, &found.runs);
        let in_stack = || {
            let stack = found
                .runs
                .iter()
                .filter(|run| run.end > span.start && run.start < span.end);
            stack.map(|run| (run.start.max(span.start), run.end.min(span.end), run.categories))
        };
        let touched = in_stack().find(|(.., categories)| categories.intersects(there));
        let resident = in_stack()
            .filter(|(.., categories)| categories.contains(PageCategories::PRESENT))
            .fold(0, |sum, (start, end, _)| sum + end.bytes_above(start));
        span.high_water = Some(touched.map_or(0, |(start, ..)| span.end.bytes_above(start)));
        span.resident = Some(Kib::from_bytes(resident));
        span
    }
}

/// Light guards end a stack, whatever the mapping or the thread library says.
fn cut_at_guards(span: &mut StackSpan, inside: Addr, runs: &[PageRun]) {
    let guards = || {
        runs.iter()
            .filter(|run| run.categories.contains(PageCategories::GUARD))
    };
    if let Some(below) = guards()
        .rev()
        .find(|run| run.end <= inside && run.end >= span.start)
    {
        span.start = below.end;
        span.guard_bytes = Some(below.end.bytes_above(below.start));
    }
    if let Some(above) = guards().find(|run| run.start > inside && run.start < span.end) {
        span.end = above.start;
    }
}

/// How far the words of interest can lie from the list's head, in any glibc so far.
const DESCRIPTOR_BELOW: u64 = 0x800;
const DESCRIPTOR_ABOVE: u64 = 0x1000;

/// Nobody makes guards larger than this; larger ones are cut in the report.
const LARGEST_GUARD: u64 = 1 << 20;

/// The thread's descriptor stands at the end of its stack, with its thread-local variables: they take less than this.
const DESCRIPTOR_ROOM: u64 = 64 << 20;

/// Four words of a descriptor, if they can be `stackblock`, `stackblock_size`, `guardsize` and `reported_guardsize` (glibc's
/// `nptl/descr.h`, in this order since 2.4).
fn stack_of(
    block: u64,
    size: u64,
    guard: u64,
    reported: u64,
    head: Addr,
    page_bytes: u64,
) -> Option<StackSpan> {
    let is_page = |value: u64| value.is_multiple_of(page_bytes);
    let end = block.checked_add(size)?;
    let start = block.checked_add(guard)?;
    let is_sound = is_page(block)
        && is_page(size)
        && is_page(guard)
        && block > 0
        && (start..end).contains(&head.0)
        && end - head.0 < DESCRIPTOR_ROOM.min(size)
        && reported <= size;
    is_sound.then(|| StackSpan {
        start: Addr(start),
        end: Addr(end),
        guard_bytes: Some(guard).filter(|&guard| guard > 0),
        high_water: None,
        resident: None,
        is_exact: true,
    })
}

/// Say of each region whose stack or guard it is.
pub(crate) fn name_stacks(regions: &mut [Region], threads: &[Thread]) {
    let mut owners: Vec<(Addr, Addr, &Thread)> = threads
        .iter()
        .filter_map(|thread| thread.stack.map(|span| (span.start, span.end, thread)))
        .collect();
    owners.sort_by_key(|(start, ..)| *start);
    for region in regions {
        if region.object.name != b"[stack]" && region.is_private_anonymous() {
            name_stack(region, &owners);
        }
    }
}

fn name_stack(region: &mut Region, owners: &[(Addr, Addr, &Thread)]) {
    let first = owners.partition_point(|(_, end, _)| *end <= region.start);
    let inside = owners.get(first..).unwrap_or_default();
    let inside = &inside[..inside.partition_point(|(start, ..)| *start < region.end)];
    // A mapping of which stacks are only a small part (a heap that a stack was carved from) stays what it is.
    let covered: u64 = inside
        .iter()
        .map(|(start, end, _)| (*end).min(region.end).bytes_above((*start).max(region.start)))
        .fold(0, u64::saturating_add);
    if !inside.is_empty() && covered < region.len() / 2 {
        return;
    }
    let (kind, note) = match inside {
        [] => match guarded(region, owners) {
            Some(thread) => (Kind::StackGuard, label(thread)),
            None => return,
        },
        several => (Kind::Stack, labels(several)),
    };
    region.kind = kind;
    region.note = Some(note.into());
    region.is_guess = false;
}

/// The thread whose stack begins where this inaccessible region ends.
fn guarded<'a>(region: &Region, owners: &[(Addr, Addr, &'a Thread)]) -> Option<&'a Thread> {
    if !region.is_prot_none() || region.len() > LARGEST_GUARD {
        return None;
    }
    let at = owners
        .binary_search_by_key(&region.end, |(start, ..)| *start)
        .ok()?;
    Some(owners[at].2)
}

/// Threads named in one region's detail; the table has all.
const MOST_NAMED: usize = 4;

fn labels(owners: &[(Addr, Addr, &Thread)]) -> String {
    let (named, rest) = owners.split_at(owners.len().min(MOST_NAMED));
    let names: Vec<String> = named.iter().map(|(.., thread)| label(thread)).collect();
    let names = names.join(", ");
    match rest.len() {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

fn label(thread: &Thread) -> String {
    let blank = if thread.name.is_empty() { "" } else { " " };
    format!("thread {}{blank}{}", thread.tid, thread.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::testing::regions;
    use proptest::prelude::*;

    const PAGE: u64 = 4096;

    #[test]
    fn four_words_are_a_stack_only_if_they_make_sense() {
        let head = Addr(0x7f00_0080_0000 - 0x900);
        let (block, size) = (0x7f00_0000_0000, 0x80_0000);
        let stack = stack_of(block, size, PAGE, PAGE, head, PAGE).unwrap();
        assert_eq!((stack.start, stack.end), (Addr(block + PAGE), Addr(block + size)));
        assert_eq!(stack.guard_bytes, Some(PAGE));
        assert_eq!(stack_of(block + 8, size, PAGE, PAGE, head, PAGE), None);
        assert_eq!(stack_of(block, size, 7, PAGE, head, PAGE), None);
        assert_eq!(stack_of(block, 0x10_0000, PAGE, PAGE, head, PAGE), None);
        assert_eq!(stack_of(!0xfff, size, PAGE, PAGE, head, PAGE), None);
        assert_eq!(stack_of(0x1000, 0, u64::MAX, 0, Addr(0), PAGE), None);
        assert_eq!(stack_of(0, 0, 0, 0, Addr(0), PAGE), None);
    }

    /// Words as a hostile descriptor may hold them: anything, and what is nearly right.
    fn word() -> impl Strategy<Value = u64> {
        let page = (0..1_u64 << 52).prop_map(|page| page << 12);
        let near = (0..64_u64, any::<bool>()).prop_map(|(n, low)| if low { n << 12 } else { !(n << 12) });
        prop_oneof![
            any::<u64>(),
            page,
            near,
            Just(0),
            Just(u64::MAX),
            0x7000_0000_0000..0x7000_0080_0000_u64
        ]
    }

    proptest! {
        #[test]
        fn no_words_of_the_target_break_the_search(
            words in prop::collection::vec(word(), 4..40),
            head in word(),
            page_shift in 0..64_u32,
        ) {
            for four in words.windows(4) {
                let page = 1 << page_shift;
                let Some(span) = stack_of(four[0], four[1], four[2], four[3], Addr(head), page) else {
                    continue;
                };
                prop_assert!(span.start <= Addr(head) && Addr(head) < span.end);
                prop_assert!(span.start.0.is_multiple_of(page) && !span.is_empty());
            }
        }

        /// A saved folder in which a thread's memory is anything: what is found holds the head, and naming bears it.
        #[test]
        fn a_descriptor_is_read_from_any_memory(
            words in prop::collection::vec(word(), 1024..=1024),
            truth in any::<bool>(),
            place in 0..200_usize,
        ) {
            let (start, end) = (0x10_0000_u64, 0x10_2000_u64);
            let head = Addr(end - 0x800);
            let mut words = words;
            if truth {
                words[700 + place..][..4].copy_from_slice(&[start, end - start, 0, 0]);
            }
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("7")).unwrap();
            let mut pagemap = vec![0; start as usize / 512];
            pagemap.extend([1_u64 << 63; 2].iter().flat_map(|e| e.to_le_bytes()));
            std::fs::write(dir.path().join("7/pagemap"), pagemap).unwrap();
            let mut memory = vec![0; start as usize];
            memory.extend(words.iter().flat_map(|w| w.to_le_bytes()));
            std::fs::write(dir.path().join("7/mem"), memory).unwrap();
            let root = procfs::DirRoot::new(dir.path());
            let mut regions = regions("100000-102000 rw-p 00000000 00:00 0 \n200000-ffffffffffffffff rw-p 00000000 00:00 0 \n");
            let finder = Finder { root: &root, pid: 7, regions: &regions, page_bytes: Some(PAGE), unmeasured: Cell::new(u64::MAX) };
            let found = finder.described(head, 0);
            prop_assert!(!truth || found.is_some());
            if let Some(span) = found {
                let span = finder.measured(span, head);
                prop_assert!(span.start <= head && head < span.end);
                let threads = [thread(7, span.start.0, span.end.0), thread(8, 1, u64::MAX), thread(9, 2, u64::MAX)];
                name_stacks(&mut regions, &threads);
            }
        }
    }

    fn thread(tid: i32, start: u64, end: u64) -> Thread {
        Thread {
            tid,
            name: "worker".into(),
            state: 'S',
            stack: Some(StackSpan {
                start: Addr(start),
                end: Addr(end),
                guard_bytes: None,
                high_water: None,
                resident: None,
                is_exact: true,
            }),
        }
    }

    #[test]
    fn stacks_and_guards_get_their_owners_names() {
        let mut regions = regions(
            "\
10000-11000 ---p 00000000 00:00 0 
11000-20000 rw-p 00000000 00:00 0 
30000-60000 rw-p 00000000 00:00 0 
70000-80000 rw-p 00000000 00:00 0 
",
        );
        let threads = [
            thread(7, 0x11000, 0x20000),
            thread(8, 0x31000, 0x40000),
            thread(9, 0x41000, 0x60000),
        ];
        name_stacks(&mut regions, &threads);
        let said: Vec<(Kind, &str)> = regions.iter().map(|r| (r.kind, r.detail())).collect();
        assert_eq!(
            said,
            [
                (Kind::StackGuard, "thread 7 worker"),
                (Kind::Stack, "thread 7 worker"),
                (Kind::Stack, "thread 8 worker, thread 9 worker"),
                (Kind::VmAllocate, ""),
            ]
        );
    }
}
