//! The set of mappings as text: calls in, strips of mappings out. One letter is one page.
//!
//! A strip such as `..aabb.S` is page 0 on: dots are free; small letters are private anonymous mappings whose
//! rights depend on the letter (equal letters side by side are one mapping); `S` is a stack. Bars show where one
//! mapping ends and the next begins, if they touch: `aa|bb`.

use super::*;
use crate::request::{Content, Prot, Sharing};
use crate::vma::VmaFlags;

fn vma(start: u64, end: u64, letter: char) -> Vma {
    let number = letter as u64 - 'a' as u64;
    Vma {
        range: PageRange::new(PageNum::new(start), PageNum::new(end)).expect("ordered"),
        prot: Prot::from_bits_truncate(number as u8 % 8),
        max_prot: Prot::all(),
        sharing: if number >= 8 {
            Sharing::Shared
        } else {
            Sharing::Private
        },
        content: Content::Anonymous,
        grows_down: false,
        flags: VmaFlags::empty(),
        special: None,
        has_anon: false,
    }
}

fn range(start: u64, end: u64) -> PageRange {
    PageRange::new(PageNum::new(start), PageNum::new(end)).expect("ordered")
}

fn letter(vma: &Vma) -> char {
    let shared = if vma.sharing == Sharing::Shared { 8 } else { 0 };
    (b'a' + vma.prot.bits() + shared) as char
}

fn parse(strip: &str) -> VmaSet {
    let mut set = VmaSet::new(Granule::K4);
    for (page, letter) in strip.chars().filter(|&c| c != '|').enumerate() {
        if letter != '.' {
            set.insert(vma(page as u64, page as u64 + 1, letter));
        }
    }
    set
}

fn show(set: &VmaSet) -> String {
    let mut strip = String::new();
    let mut page = 0;
    for vma in set.iter() {
        let (start, end) = (vma.range.start().get(), vma.range.end().get());
        if start == page && page > 0 {
            strip.push('|');
        }
        strip.extend((page..start).map(|_| '.'));
        strip.extend((start..end).map(|_| letter(vma)));
        page = end;
    }
    assert_eq!(set.fault_in_structure(), None, "{strip}");
    strip
}

/// One line of calls: `map A 3-5`, `unmap 2-4`, `protect 1-9 b`.
fn run(before: &str, calls: &str) -> String {
    let mut set = parse(before);
    for call in calls.split(';') {
        let words: Vec<_> = call.split_whitespace().collect();
        let ends: Vec<u64> = words[1].split('-').map(|w| w.parse().expect("a page")).collect();
        let (start, end) = (ends[0], ends[1]);
        let new = words.get(2).and_then(|w| w.chars().next());
        match (words[0], new) {
            ("map", Some(new)) => set.insert(vma(start, end, new)),
            ("unmap", None) => drop(set.remove(range(start, end))),
            ("protect", Some(new)) => {
                for mut piece in set.take_for_edit(range(start, end)) {
                    piece.prot = vma(0, 1, new).prot;
                    set.insert(piece);
                }
            }
            _ => panic!("no such call: {call}"),
        }
    }
    show(&set)
}

#[test]
fn mappings_merge_with_alike_neighbours_only() {
    assert_eq!(run(".....", "map 1-3 a"), ".aa");
    assert_eq!(run(".aa..", "map 3-5 a"), ".aaaa");
    assert_eq!(run("...aa", "map 1-3 a"), ".aaaa");
    assert_eq!(run(".a..a", "map 2-4 a"), ".aaaa");
    assert_eq!(run(".a..b", "map 2-4 b"), ".a|bbb");
    assert_eq!(run(".a..b", "map 2-4 c"), ".a|cc|b");
    assert_eq!(run(".a...a", "map 3-4 a"), ".a.a.a");
    assert_eq!(run(".a.", "map 2-3 i"), ".a|i");
}

#[test]
fn removal_cuts_and_leaves_holes() {
    assert_eq!(run(".aaaa", "unmap 1-5"), "");
    assert_eq!(run(".aaaa", "unmap 0-3"), "...aa");
    assert_eq!(run(".aaaa", "unmap 3-9"), ".aa");
    assert_eq!(run(".aaaa", "unmap 2-3"), ".a.aa");
    assert_eq!(run("aa|bb.cc", "unmap 1-6"), "a.....c");
    assert_eq!(run("aaaaa", "unmap 1-2; unmap 3-4"), "a.a.a");
    assert_eq!(run("a.a", "unmap 1-2"), "a.a");
}

#[test]
fn protection_splits_and_merges_back() {
    assert_eq!(run("aaaaa", "protect 1-3 b"), "a|bb|aa");
    assert_eq!(run("a|bb|aa", "protect 1-3 a"), "aaaaa");
    assert_eq!(run("aa|bb", "protect 1-3 b"), "a|bbb");
    assert_eq!(run("aa|bb|cc", "protect 0-6 d"), "dddddd");
    assert_eq!(run("aa.bb", "protect 0-5 c"), "cc.cc");
}

#[test]
fn file_mappings_merge_only_where_the_file_goes_on() {
    let file = crate::files::Files::default().create_object(1 << 20, b"", 1);
    let at = |start: u64, offset: u64| Vma {
        content: Content::File { file, offset },
        ..vma(start, start + 2, 'b')
    };
    let mut set = VmaSet::new(Granule::K16);
    set.insert(at(10, 0));
    set.insert(at(12, 2 << 14));
    assert_eq!(set.len(), 1);
    set.insert(at(14, 2 << 14));
    assert_eq!(set.len(), 2);
    let cut = set.remove(range(11, 13));
    let offsets: Vec<_> = cut.iter().map(|v| v.content).collect();
    assert_eq!(
        offsets,
        [Content::File {
            file,
            offset: 1 << 14
        }]
    );
    let last = set.find(PageNum::new(13)).expect("the rest is there");
    assert_eq!(
        last.content,
        Content::File {
            file,
            offset: 3 << 14
        }
    );
    assert_eq!(set.fault_in_structure(), None);
}

fn gap_below(strip: &str, count: u64) -> Option<u64> {
    let mut set = parse(strip);
    let top = PageNum::new(strip.len() as u64);
    let found = set.find_gap_below(PageNum::new(1), top, PageCount::new(count));
    let again = set.find_gap_below(PageNum::new(1), top, PageCount::new(count));
    assert_eq!(found, again, "what a search learns changes no answer");
    found.map(PageNum::get)
}

#[test]
fn the_highest_gap_is_found() {
    assert_eq!(gap_below("..........", 3), Some(7));
    assert_eq!(gap_below("....a..b..", 3), Some(1));
    assert_eq!(gap_below("....a..b..", 2), Some(8));
    assert_eq!(gap_below("....a..bbb", 2), Some(5));
    assert_eq!(gap_below("...aa..bbb", 3), None);
    assert_eq!(gap_below("aaaaaaaaaa", 1), None);
}

#[test]
fn a_stack_keeps_its_guard_gap_free() {
    let mut set = VmaSet::new(Granule::K4);
    let stack = Vma {
        grows_down: true,
        ..vma(1000, 1033, 'd')
    };
    set.insert(stack);
    let top = PageNum::new(1033);
    let found = set.find_gap_below(PageNum::new(1), top, PageCount::new(10));
    assert_eq!(found, Some(PageNum::new(1000 - 256 - 10)));
    assert!(!set.is_free(range(740, 745)));
    assert!(set.is_free(range(734, 744)));
}

/// Thousands of mappings, random removals: every search agrees with a walk over all pages.
#[test]
fn searches_agree_with_a_walk() {
    const TOP: u64 = 3000;
    let mut set = VmaSet::new(Granule::K4);
    let mut used = vec![false; TOP as usize];
    let mut seed = 12345_u64;
    let mut random = |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for step in 0..6000 {
        let count = 1 + random(6);
        if random(5) < 3 {
            let found = set.find_gap_below(PageNum::new(3), PageNum::new(TOP), PageCount::new(count));
            let free = |start: u64| used[start as usize..(start + count) as usize].iter().all(|u| !u);
            let expected = (3..=TOP - count).rev().find(|&start| free(start));
            assert_eq!(found.map(PageNum::get), expected, "step {step}");
            if let Some(start) = expected {
                let letter = (b'a' + random(4) as u8) as char;
                set.insert(vma(start, start + count, letter));
                used[start as usize..(start + count) as usize].fill(true);
            }
        } else {
            let start = random(TOP - count);
            set.remove(range(start, start + count));
            used[start as usize..(start + count) as usize].fill(false);
        }
        if step % 16 == 0 {
            assert_eq!(set.fault_in_structure(), None, "step {step}");
        }
    }
    assert!(set.len() > 300, "the test fills the space: {}", set.len());
}
