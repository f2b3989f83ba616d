//! The policies on reference strings: the ones of the textbooks with their published counts, small ones worked out by
//! hand, and random ones against the published algorithms written down naively.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, VecDeque};

use arch::FrameNum;
use policy::{Arrival, Kind, Name, Policy, Shadow};

/// A memory of so many frames whose every access is seen.
struct Memory {
    policy: Box<dyn Policy>,
    free: Vec<FrameNum>,
    resident: BTreeMap<u32, FrameNum>,
    holds: BTreeMap<FrameNum, u32>,
    shadows: BTreeMap<u32, Shadow>,
    faults: usize,
    evicted: Vec<u32>,
}

impl Memory {
    fn new(name: Name, frames: u32) -> Self {
        Self {
            policy: name.make(7),
            free: (0..frames).rev().map(FrameNum::new).collect(),
            resident: BTreeMap::new(),
            holds: BTreeMap::new(),
            shadows: BTreeMap::new(),
            faults: 0,
            evicted: Vec::new(),
        }
    }

    fn access(&mut self, page: u32) {
        if let Some(&frame) = self.resident.get(&page) {
            self.policy.referenced(frame);
            return;
        }
        self.faults += 1;
        let frame = self.free.pop().unwrap_or_else(|| {
            let (frame, shadow) = self.policy.victim(&mut |_| false).unwrap();
            let gone = self.holds.remove(&frame).unwrap();
            self.resident.remove(&gone).unwrap();
            self.shadows.insert(gone, shadow);
            self.evicted.push(gone);
            frame
        });
        let arrival = Arrival {
            shadow: self.shadows.remove(&page),
            ..Arrival::fresh(Kind::Anon)
        };
        self.policy.insert(frame, arrival);
        self.resident.insert(page, frame);
        self.holds.insert(frame, page);
    }
}

fn run(name: Name, frames: u32, pages: &[u32]) -> Memory {
    let mut memory = Memory::new(name, frames);
    pages.iter().for_each(|&page| memory.access(page));
    memory
}

fn faults(name: Name, frames: u32, pages: &[u32]) -> usize {
    run(name, frames, pages).faults
}

const BELADY: [u32; 12] = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5];
/// Silberschatz, Operating System Concepts, section on page replacement.
const SILBERSCHATZ: [u32; 20] = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1];

/// Belady, Nelson and Shedler 1969: more frames, more faults.
#[test]
fn fifo_shows_beladys_anomaly() {
    assert_eq!(faults(Name::Fifo, 3, &BELADY), 9);
    assert_eq!(faults(Name::Fifo, 4, &BELADY), 10);
}

#[test]
fn fifo_has_the_textbooks_count() {
    assert_eq!(faults(Name::Fifo, 3, &SILBERSCHATZ), 15);
}

/// OSTEP, chapter "Beyond Physical Memory: Policies": FIFO hits four times of eleven.
#[test]
fn fifo_has_ostep_count() {
    assert_eq!(faults(Name::Fifo, 3, &[0, 1, 2, 0, 1, 3, 0, 3, 1, 2, 1]), 7);
}

/// With three frames: 1 is used before 4 comes, so 2 leaves in its place.
#[test]
fn clock_gives_a_second_chance() {
    let memory = run(Name::Clock, 3, &[1, 2, 3, 1, 4, 5]);
    assert_eq!(memory.evicted, [2, 3]);
}

/// The hand stays where it is: 1 keeps its place, loses its mark, and leaves when the hand comes round.
#[test]
fn sieve_clears_marks_in_place() {
    let memory = run(Name::Sieve, 3, &[1, 2, 3, 1, 4, 5, 6, 7]);
    assert_eq!(memory.evicted, [2, 3, 4, 5]);
    let memory = run(Name::Clock, 3, &[1, 2, 3, 1, 4, 5, 6, 7]);
    assert_eq!(memory.evicted, [2, 3, 1, 4], "where clock, too, forgets the use");
}

/// Eight frames, so A1in has two. One scan through 20 pages leaves Am alone.
#[test]
fn two_q_keeps_what_came_back_from_a_scan() {
    let mut pages: Vec<u32> = (0..10).collect();
    // 0 and 1 left A1in not long ago: they are remembered, and go to Am.
    pages.extend([0, 1]);
    pages.extend(20..40);
    pages.extend([0, 1]);
    let memory = run(Name::TwoQ, 8, &pages);
    assert_eq!(memory.faults, 10 + 2 + 20, "0 and 1 hit at the end");
    assert!(faults(Name::Fifo, 8, &pages) > memory.faults);
}

/// Pages of T2 survive a scan of pages seen once (the paper's claim), and the target moves when ghosts return.
#[test]
fn arc_resists_a_scan_and_adapts() {
    let mut pages = vec![1, 2, 1, 2];
    pages.extend(10..30);
    pages.extend([1, 2]);
    assert_eq!(faults(Name::Arc, 4, &pages), 22, "1 and 2 hit at the end");
    // 10 leaves T1 as 14 comes, and is a ghost of B1: T2 then has it, and it outlives 11 and 12.
    let memory = run(Name::Arc, 4, &[1, 1, 10, 11, 12, 13, 10, 14]);
    assert_eq!(memory.evicted, [10, 11, 12]);
}

/// Ten frames: a small queue of one. What was used more than once goes to main; a ghost that returns does, too.
#[test]
fn s3_fifo_filters_one_hit_wonders() {
    let mut pages = vec![1, 1, 1];
    pages.extend(10..40);
    pages.push(1);
    assert_eq!(faults(Name::S3Fifo, 10, &pages), 31, "1 hits at the end");
    // 10 returns as a ghost of the small queue, into main, and outlives a second scan.
    let mut pages: Vec<u32> = (10..21).collect();
    pages.push(10);
    pages.extend(50..70);
    pages.push(10);
    assert_eq!(faults(Name::S3Fifo, 10, &pages), 11 + 1 + 20);
}

/// A page that comes back within the length of the active list was needed: it goes there at once, and a scan does not
/// take it again (Linux: `workingset_refault`).
#[test]
fn lru_activates_refaults_and_used_pages() {
    let mut pages: Vec<u32> = (0..8).collect();
    pages.extend([0, 0, 1, 1]);
    pages.extend(20..40);
    let memory = run(Name::Lru, 8, &pages);
    assert!(!memory.evicted.contains(&0) && !memory.evicted.contains(&1));
    // 2 leaves first and comes back at once: the two active pages are no fewer than the one eviction since.
    pages.truncate(13);
    pages.extend([2, 30, 31, 32, 33, 34, 35, 36]);
    let memory = run(Name::Lru, 8, &pages);
    assert_eq!(memory.evicted[0], 2);
    assert_eq!(memory.evicted.iter().filter(|&&page| page == 2).count(), 1);
}

/// A few pages of a file beside many that swap: either kind leaves in proportion to what there is of it and to what its refaults cost,
/// and neither is named all the time, however cheap it is.
#[test]
fn lru_shrinks_both_kinds_in_proportion() {
    const ANON: u32 = 1000;
    let mut policy = Name::Lru.make(0);
    for frame in 0..ANON {
        policy.insert(FrameNum::new(frame), Arrival::fresh(Kind::Anon));
    }
    for frame in ANON..ANON + 3 {
        policy.insert(FrameNum::new(frame), Arrival::fresh(Kind::File));
    }
    let (mut file, mut anon) = (0, 0);
    for _ in 0..4 * ANON {
        let (frame, shadow) = policy.victim(&mut |_| false).expect("it holds some");
        if frame.get() >= ANON {
            file += 1;
            policy.restore(frame, Kind::File);
        } else {
            anon += 1;
            let back = Arrival {
                shadow: Some(shadow),
                ..Arrival::fresh(Kind::Anon)
            };
            policy.insert(frame, back);
        }
    }
    // Each anonymous page that leaves comes back, which makes that kind the dearer by far; still there is much more of it.
    assert!(anon > ANON && file > 4, "{anon} anonymous, {file} of a file");
}

/// What was used since the last aging is a generation younger.
#[test]
fn mglru_keeps_used_generations() {
    let mut pages: Vec<u32> = (0..8).collect();
    pages.extend([8, 9, 7, 6, 20, 21]);
    let memory = run(Name::Mglru, 8, &pages);
    assert!(
        !memory.evicted.contains(&7) && !memory.evicted.contains(&6),
        "{:?}",
        memory.evicted
    );
}

#[test]
fn random_repeats_with_its_seed_and_differs_without() {
    let pages: Vec<u32> = (0..200).map(|i| i * i % 31).collect();
    let evicted = |seed| {
        let mut memory = Memory::new(Name::Random, 8);
        memory.policy = Name::Random.make(seed);
        pages.iter().for_each(|&page| memory.access(page));
        memory.evicted
    };
    assert_eq!(evicted(1), evicted(1));
    assert_ne!(evicted(1), evicted(2));
}

/// On a loop that just does not fit, recency has no hit at all; chance has some (OSTEP, the looping workload).
#[test]
fn loops_defeat_recency_but_not_chance() {
    let pages: Vec<u32> = (0..50).cycle().take(5_000).collect();
    assert_eq!(faults(Name::Fifo, 49, &pages), 5_000);
    assert_eq!(faults(Name::Clock, 49, &pages), 5_000);
    assert!(faults(Name::Random, 49, &pages) < 1_500);
}

fn scrambled(seed: u64, length: usize, pages: u32) -> Vec<u32> {
    let mut state = seed;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    // The smaller of two: small numbers are popular.
    (0..length)
        .map(|_| (next() % pages).min(next() % pages))
        .collect()
}

/// A ring of (page, referenced) with a hand, as in any textbook.
fn naive_clock(frames: usize, pages: &[u32]) -> usize {
    let (mut ring, mut hand, mut faults) = (Vec::<(u32, bool)>::new(), 0, 0);
    for &page in pages {
        if let Some(entry) = ring.iter_mut().find(|entry| entry.0 == page) {
            entry.1 = true;
            continue;
        }
        faults += 1;
        if ring.len() < frames {
            ring.push((page, false));
            continue;
        }
        while ring[hand].1 {
            ring[hand].1 = false;
            hand = (hand + 1) % frames;
        }
        ring[hand] = (page, false);
        hand = (hand + 1) % frames;
    }
    faults
}

/// Algorithm 1 of the paper, on a vector: the head is at the front, the hand is an index.
fn naive_sieve(frames: usize, pages: &[u32]) -> usize {
    let (mut queue, mut hand, mut faults) = (VecDeque::<(u32, bool)>::new(), None::<usize>, 0);
    for &page in pages {
        if let Some(entry) = queue.iter_mut().find(|entry| entry.0 == page) {
            entry.1 = true;
            continue;
        }
        faults += 1;
        if queue.len() == frames {
            let mut at = hand.unwrap_or(queue.len() - 1);
            while queue[at].1 {
                queue[at].1 = false;
                at = at.checked_sub(1).unwrap_or(queue.len() - 1);
            }
            queue.remove(at);
            hand = at.checked_sub(1);
        }
        queue.push_front((page, false));
        hand = hand.map(|at| at + 1);
    }
    faults
}

#[test]
fn clock_and_sieve_equal_the_published_algorithms() {
    for seed in 0..40 {
        for frames in [1, 2, 3, 7, 20] {
            let pages = scrambled(seed, 600, 40);
            assert_eq!(
                faults(Name::Clock, frames, &pages),
                naive_clock(frames as usize, &pages)
            );
            assert_eq!(
                faults(Name::Sieve, frames, &pages),
                naive_sieve(frames as usize, &pages)
            );
        }
    }
}

/// On popular pages every policy that looks at use is better than one that does not.
#[test]
fn use_beats_blindness_on_popular_pages() {
    // Two popular sets and a stream of strangers.
    let pages: Vec<u32> = scrambled(3, 30_000, 60)
        .into_iter()
        .enumerate()
        .map(|(at, page)| if at % 3 == 0 { 1_000 + at as u32 } else { page })
        .collect();
    let blind = faults(Name::Fifo, 40, &pages);
    for name in Name::ALL {
        if !matches!(name, Name::Fifo | Name::Random) {
            let count = faults(name, 40, &pages);
            assert!(count < blind, "{name}: {count}, fifo {blind}");
        }
    }
}
