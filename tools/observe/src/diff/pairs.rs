//! Which region of one snapshot is which of another ([`pairs`]).
//!
//! Two looks at one process: a region is the same if it is of one type and object and begins, or ends, at the same address.
//!
//! Two processes, whose addresses differ: each region has a class (type, object, file offset, protection). Three steps, each over what is left:
//!
//! 1. *Named* classes (a file, `[heap]`, ...): the regions of one class are aligned.
//! 2. *Anonymous* classes: those that lie behind the same pair of step 1 are aligned: a heap stays with its library whatever its address.
//! 3. What is left of an anonymous class and has the same size is the same.
//!
//! Two lists are aligned by their sizes (`align`): equal sizes pair in address order; between these, what is left pairs in order, as grown or shrunk.
//! Each step looks at each region once, and the cost of aligning is bounded: 60,000 regions never take their square.

use super::align::align;
use crate::Region;
use procfs::Perms;
use procfs::printable;
use std::collections::HashMap;

/// Two regions that are the same one, or one without a partner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pair {
    /// Its place in the first list.
    pub(crate) before: Option<u32>,
    /// Its place in the second.
    pub(crate) after: Option<u32>,
}

/// All pairs: those of the second list by address, then those that are gone, by address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pairs(pub(crate) Vec<Pair>);

/// What makes a region the same in another process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Class<'a> {
    kind: &'static str,
    object: &'a [u8],
    offset: u64,
    perms: Perms,
    note: String,
}

const DELETED: &[u8] = b" (deleted)";

fn object(region: &Region) -> &[u8] {
    let name = region.object.name.as_slice();
    name.strip_suffix(DELETED).unwrap_or(name)
}

/// The note without what is one process's own: numbers (thread ids), and the mark of a guess.
fn note(region: &Region) -> String {
    let note = region.note.as_deref().unwrap_or_default().trim_end_matches(" ?");
    note.chars().filter(|c| !c.is_ascii_digit()).collect()
}

impl<'a> Class<'a> {
    fn of(region: &'a Region) -> Self {
        Self {
            kind: region.kind.name(),
            object: object(region),
            // The kernel shows offsets of anonymous memory on some versions; they mean nothing.
            offset: if region.object.has_file() {
                region.offset
            } else {
                0
            },
            perms: region.perms,
            note: note(region),
        }
    }

    fn is_named(&self) -> bool {
        !self.object.is_empty()
    }
}

/// The class in words: type, object (or note), offset, protection.
pub(super) fn identity(region: &Region) -> String {
    let class = Class::of(region);
    let Perms {
        read,
        write,
        exec,
        shared,
    } = class.perms;
    let letter = |is_set, letter| if is_set { letter } else { '-' };
    let perms: String = [
        letter(read, 'r'),
        letter(write, 'w'),
        letter(exec, 'x'),
        if shared { 's' } else { 'p' },
    ]
    .iter()
    .collect();
    let mut words = vec![class.kind.to_owned()];
    if class.is_named() {
        words.push(printable(class.object));
    } else if !class.note.is_empty() {
        words.push(class.note);
    }
    if region.object.has_file() {
        words.push(format!("{:#x}", class.offset));
    }
    words.push(perms);
    words.join(" ")
}

/// Match the regions of two snapshots, both by address.
pub(crate) fn pairs(before: &[Region], after: &[Region], is_same_process: bool) -> Pairs {
    let mut matched = Matched::new(before, after);
    if is_same_process {
        matched.by_address();
    } else {
        matched.by_class();
    }
    matched.finish()
}

struct Matched<'a> {
    before: &'a [Region],
    after: &'a [Region],
    /// The partner of each region of `before`, and of `after`.
    of_before: Vec<Option<u32>>,
    of_after: Vec<Option<u32>>,
}

impl<'a> Matched<'a> {
    fn new(before: &'a [Region], after: &'a [Region]) -> Self {
        Self {
            before,
            after,
            of_before: vec![None; before.len()],
            of_after: vec![None; after.len()],
        }
    }

    fn pair(&mut self, before: usize, after: usize) {
        self.of_before[before] = Some(after as u32);
        self.of_after[after] = Some(before as u32);
    }

    fn by_address(&mut self) {
        for by_start in [true, false] {
            let edge = |region: &Region| if by_start { region.start } else { region.end };
            let (old, new) = (self.before, self.after);
            // Both ascend, so one pass finds equal edges.
            let mut after = 0;
            for (index, region) in old.iter().enumerate() {
                while new.get(after).is_some_and(|r| edge(r) < edge(region)) {
                    after += 1;
                }
                let Some(other) = new.get(after).filter(|r| edge(r) == edge(region)) else {
                    continue;
                };
                let is_free = self.of_before[index].is_none() && self.of_after[after].is_none();
                // A type may be a guess that another look makes differently: then both edges must agree.
                let is_same_kind =
                    region.kind == other.kind || (region.start, region.end) == (other.start, other.end);
                if is_free && is_same_kind && object(region) == object(other) {
                    self.pair(index, after);
                }
            }
        }
    }

    fn by_class(&mut self) {
        let (old, new) = (self.before, self.after);
        let mut ids: HashMap<Class<'a>, u32> = HashMap::new();
        let mut is_named = Vec::new();
        let mut id = |region: &'a Region| {
            let class = Class::of(region);
            let next = ids.len() as u32;
            let named = class.is_named();
            *ids.entry(class).or_insert_with(|| {
                is_named.push(named);
                next
            })
        };
        let old_ids: Vec<u32> = old.iter().map(&mut id).collect();
        let new_ids: Vec<u32> = new.iter().map(&mut id).collect();
        let named = |id: u32| is_named.get(id as usize).copied().unwrap_or(false);
        // 1. Named.
        self.align_groups(
            |at, _| named(old_ids[at]).then_some((old_ids[at], 0)),
            |at, _| named(new_ids[at]).then_some((new_ids[at], 0)),
        );
        // 2. Anonymous, behind the same pair.
        let anchors = anchors_by(&self.of_before, |at, _| at as u32 + 1);
        let anchors_after = anchors_of(&self.of_after);
        self.align_groups(
            |at, free| (free && !named(old_ids[at])).then(|| (old_ids[at], anchors[at])),
            |at, free| (free && !named(new_ids[at])).then(|| (new_ids[at], anchors_after[at])),
        );
        // 3. Elsewhere, but of the same size.
        let mut places: HashMap<(u32, u64), Vec<usize>> = HashMap::new();
        for (at, region) in new.iter().enumerate().rev() {
            if self.of_after[at].is_none() && !named(new_ids[at]) {
                places.entry((new_ids[at], region.len())).or_default().push(at);
            }
        }
        for (at, region) in old.iter().enumerate() {
            if self.of_before[at].is_none()
                && let Some(place) = places.get_mut(&(old_ids[at], region.len())).and_then(Vec::pop)
            {
                self.pair(at, place);
            }
        }
    }

    /// Align the regions that have the same key. A key is asked for with whether the region is still free; `None` leaves it out.
    fn align_groups<K: std::hash::Hash + Eq>(
        &mut self,
        key_before: impl Fn(usize, bool) -> Option<K>,
        key_after: impl Fn(usize, bool) -> Option<K>,
    ) {
        let mut groups: HashMap<K, [Vec<usize>; 2]> = HashMap::new();
        for (at, partner) in self.of_before.iter().enumerate() {
            if let Some(key) = key_before(at, partner.is_none()) {
                groups.entry(key).or_default()[0].push(at);
            }
        }
        for (at, partner) in self.of_after.iter().enumerate() {
            if let Some(key) = key_after(at, partner.is_none()) {
                groups.entry(key).or_default()[1].push(at);
            }
        }
        for [old, new] in groups.into_values() {
            let sizes =
                |regions: &[Region], places: &[usize]| places.iter().map(|&at| regions[at].len()).collect();
            let (old_sizes, new_sizes): (Vec<u64>, Vec<u64>) =
                (sizes(self.before, &old), sizes(self.after, &new));
            for (before, after) in align(&old_sizes, &new_sizes) {
                self.pair(old[before], new[after]);
            }
        }
    }

    fn finish(self) -> Pairs {
        let second = self.of_after.iter().enumerate().map(|(at, &before)| Pair {
            before,
            after: Some(at as u32),
        });
        let gone = self
            .of_before
            .iter()
            .enumerate()
            .filter(|(_, partner)| partner.is_none());
        let gone = gone.map(|(at, _)| Pair {
            before: Some(at as u32),
            after: None,
        });
        Pairs(second.chain(gone).collect())
    }
}

/// For each region, a number of the nearest paired one at or before it; 0 if there is none.
fn anchors_by(partners: &[Option<u32>], number: impl Fn(usize, u32) -> u32) -> Vec<u32> {
    let mut anchor = 0;
    let mut next = |(at, partner): (usize, &Option<u32>)| {
        if let Some(partner) = *partner {
            anchor = number(at, partner);
        }
        anchor
    };
    partners.iter().enumerate().map(&mut next).collect()
}

/// [`anchors_by`] of the second list, numbered as in the first.
fn anchors_of(partners: &[Option<u32>]) -> Vec<u32> {
    anchors_by(partners, |_, partner| partner + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::region::testing::regions;
    use std::fmt::Write;

    /// Pages of each region in turn, anonymous unless a name stands before: `"libc:4 1 7"`.
    fn map(from: u64, words: &str) -> Vec<Region> {
        let (mut at, mut text) = (from, String::new());
        for word in words.split(' ') {
            let (name, pages) = word.split_once(':').unwrap_or(("", word));
            let end = at + pages.parse::<u64>().unwrap() * 0x1000;
            let inode = u32::from(!name.is_empty());
            writeln!(text, "{at:x}-{end:x} rw-p 00000000 00:00 {inode} {name}").unwrap();
            at = end + 0x1000;
        }
        regions(&text)
    }

    fn show(before: &str, after: &str) -> String {
        let (old, new) = (map(0x1000, before), map(0x70_0000, after));
        let pages = |list: &[Region], at: Option<u32>| match at {
            Some(at) => (list[at as usize].len() / 0x1000).to_string(),
            None => "-".into(),
        };
        let words = pairs(&old, &new, false)
            .0
            .iter()
            .map(|pair| format!("{}>{}", pages(&old, pair.before), pages(&new, pair.after)))
            .collect::<Vec<_>>();
        words.join(" ")
    }

    #[test]
    fn named_regions_pair_wherever_they_lie() {
        assert_eq!(show("/a:2 /b:3", "/b:3 /a:2"), "3>3 2>2");
        assert_eq!(show("/a:2 /b:3", "/c:1 /a:5"), "->1 2>5 3>-");
    }

    #[test]
    fn anonymous_ones_pair_by_place_and_size() {
        // Grown in the middle; new in the middle; gone; grown at both ends of an equal one.
        assert_eq!(show("/a:1 10 20 30", "/a:1 10 25 30"), "1>1 10>10 20>25 30>30");
        assert_eq!(show("/a:1 10 30", "/a:1 10 20 30"), "1>1 10>10 ->20 30>30");
        assert_eq!(show("/a:1 10 20 30", "/a:1 10 30"), "1>1 10>10 30>30 20>-");
        assert_eq!(
            show("/a:1 10 20 30", "/a:1 12 20 31 40"),
            "1>1 10>12 20>20 30>31 ->40"
        );
        // Behind another library each keeps its own.
        assert_eq!(show("/a:1 10 /b:1 10", "/b:1 12 /a:1 11"), "1>1 10>12 1>1 10>11");
        // Moved behind another one: the size tells.
        assert_eq!(show("/a:1 10 /b:1", "/a:1 /b:1 10"), "1>1 1>1 10>10");
    }

    #[test]
    fn one_process_pairs_by_either_edge() {
        let old = regions(
            "1000-3000 rw-p 0 00:00 0 \n5000-7000 rw-p 0 00:00 0 [stack]\n9000-a000 rw-p 0 00:00 0 \n",
        );
        let new = regions(
            "1000-4000 rw-p 0 00:00 0 \n4000-7000 rw-p 0 00:00 0 [stack]\nb000-c000 rw-p 0 00:00 0 \n",
        );
        let pair = |before, after| Pair { before, after };
        let expected = [
            pair(Some(0), Some(0)),
            pair(Some(1), Some(1)),
            pair(None, Some(2)),
            pair(Some(2), None),
        ];
        assert_eq!(pairs(&old, &new, true).0, expected);
    }

    #[test]
    fn sixty_thousand_regions_take_no_square() {
        // All of one class and all sizes different by turns: the worst that a map can be. A square of it would be 3.6e9 steps.
        let list = |from: u64, odd: u64| {
            let mut regions = map(from, "1");
            let first = regions.remove(0);
            let mut at = 0x1000;
            let next = |i: u64| {
                let mut region = first.clone();
                region.start = procfs::Addr(at);
                at += 0x1000 * (1 + (i * 7919 + odd) % 97);
                region.end = procfs::Addr(at);
                at += 0x1000;
                region
            };
            (0..60_000).map(next).collect::<Vec<_>>()
        };
        let (old, new) = (list(0x1000, 0), list(0x9000, 41));
        let found = pairs(&old, &new, false);
        // The sizes repeat, so that nearly all find an equal one some places further.
        let both = found.0.iter().filter(|p| p.before.is_some() && p.after.is_some());
        assert!(both.count() > 59_900);
        let mut seen: Vec<u32> = found.0.iter().filter_map(|p| p.before).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 60_000);
        let after = found.0.iter().filter(|p| p.after.is_some());
        assert_eq!(after.count(), 60_000);
    }

    #[test]
    fn the_identity_is_words_without_addresses() {
        let mut region = map(0x1000, "/lib/libc.so:4").remove(0);
        region.kind = Kind::Data;
        assert_eq!(identity(&region), "data /lib/libc.so 0x0 rw-p");
        let mut stack = map(0x1000, "4").remove(0);
        (stack.kind, stack.note) = (Kind::Stack, Some("thread 4711 ?".into()));
        assert_eq!(identity(&stack), "Stack thread  rw-p");
    }
}
