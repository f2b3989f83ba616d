//! Which slots are free. Neighbours go together: rows are taken from words of 64 slots that are all free.
//!
//! Key types: [`SlotNum`]; [`Slots`], a bit for each slot. The bits grow as slots are first used.

use std::collections::VecDeque;

/// The number of a slot: its offset in the area, in pages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct SlotNum(u32);

impl SlotNum {
    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    pub(crate) const fn get(self) -> u32 {
        self.0
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// The slot so many places on.
    pub(crate) const fn after(self, count: usize) -> Self {
        Self(self.0 + count as u32)
    }
}

const WORD: u32 = u64::BITS;

#[derive(Debug)]
pub(super) struct Slots {
    total: u32,
    /// A bit is set where a slot is taken.
    taken: Vec<u64>,
    /// Words that became free as a whole. Some may have been taken from since.
    free_words: VecDeque<u32>,
    /// Whether a word is in that queue.
    queued: Vec<bool>,
    /// Where the last row ended.
    next: u32,
    free: u32,
}

impl Slots {
    pub(super) fn new(total: u32) -> Self {
        Self {
            total,
            taken: Vec::new(),
            free_words: VecDeque::new(),
            queued: Vec::new(),
            next: 0,
            free: total,
        }
    }

    /// Takes up to `count` slots in a row: where the last row ended, or in a word that is all free, or wherever one is.
    pub(super) fn allocate(&mut self, count: usize) -> Vec<SlotNum> {
        if self.free == 0 || count == 0 {
            return Vec::new();
        }
        if !self.is_free(self.next) || self.next.is_multiple_of(WORD) {
            self.next = self.fresh_word().unwrap_or_else(|| self.any_free());
        }
        let mut row = Vec::with_capacity(count);
        while row.len() < count && self.is_free(self.next) {
            self.take(self.next);
            row.push(SlotNum(self.next));
            self.next += 1;
        }
        row
    }

    fn is_free(&self, slot: u32) -> bool {
        let word = self.taken.get((slot / WORD) as usize);
        slot < self.total && word.is_none_or(|word| word >> (slot % WORD) & 1 == 0)
    }

    fn take(&mut self, slot: u32) {
        let word = (slot / WORD) as usize;
        if word >= self.taken.len() {
            self.taken.resize(word + 1, 0);
            self.queued.resize(word + 1, false);
        }
        self.taken[word] |= 1 << (slot % WORD);
        self.free -= 1;
    }

    /// The first slot of a word that is all free: one never used, or one that was emptied.
    fn fresh_word(&mut self) -> Option<u32> {
        let unused = self.taken.len() as u32 * WORD;
        if unused < self.total {
            return Some(unused);
        }
        while let Some(word) = self.free_words.pop_front() {
            self.queued[word as usize] = false;
            if self.taken[word as usize] == 0 {
                return Some(word * WORD);
            }
        }
        None
    }

    /// The next free slot from the last row on. There is one.
    fn any_free(&self) -> u32 {
        let words = self.taken.len() as u32;
        let from = self.next / WORD;
        // The word that it begins in comes twice: first its upper part, at last the rest.
        for step in 0..=words {
            let word = (from + step) % words;
            let mut taken = self.taken[word as usize];
            if step == 0 {
                taken |= (1 << (self.next % WORD)) - 1;
            }
            let slot = word * WORD + taken.trailing_ones();
            if taken != u64::MAX && slot < self.total {
                return slot;
            }
        }
        unreachable!("{} slots are free and none is found", self.free)
    }

    pub(super) fn free(&mut self, slot: SlotNum) {
        let word = (slot.0 / WORD) as usize;
        assert!(!self.is_free(slot.0), "swap slot {} is freed twice", slot.0);
        self.taken[word] &= !(1 << (slot.0 % WORD));
        self.free += 1;
        if self.taken[word] == 0 && !self.queued[word] {
            self.queued[word] = true;
            self.free_words.push_back(word as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn numbers(row: &[SlotNum]) -> Vec<u32> {
        row.iter().map(|slot| slot.0).collect()
    }

    #[test]
    fn rows_follow_each_other() {
        let mut slots = Slots::new(100);
        assert_eq!(numbers(&slots.allocate(3)), [0, 1, 2]);
        assert_eq!(numbers(&slots.allocate(2)), [3, 4]);
        assert_eq!(slots.allocate(200).len(), 95);
        assert!(slots.allocate(1).is_empty(), "full");
        slots.free(SlotNum(40));
        assert_eq!(numbers(&slots.allocate(8)), [40], "what there is");
    }

    #[test]
    fn emptied_words_are_preferred_to_holes() {
        let mut slots = Slots::new(256);
        slots.allocate(256);
        slots.free(SlotNum(3));
        (64..128).for_each(|slot| slots.free(SlotNum(slot)));
        assert_eq!(numbers(&slots.allocate(4)), [64, 65, 66, 67]);
    }

    /// Random use: no slot is given twice, none is lost.
    #[test]
    fn every_slot_is_given_once() {
        for total in [1, 63, 64, 65, 300] {
            let mut slots = Slots::new(total);
            let mut held = BTreeSet::new();
            let mut state = u64::from(total);
            for _ in 0..3_000 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let number = (state >> 40) as u32;
                if number & 1 == 0 {
                    let row = slots.allocate((number >> 1 & 15) as usize);
                    assert!(row.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
                    for slot in row {
                        assert!(slot.0 < total && held.insert(slot.0));
                    }
                } else if let Some(&slot) = held.range(number % total..).next() {
                    held.remove(&slot);
                    slots.free(SlotNum(slot));
                }
                assert_eq!(slots.free as usize + held.len(), total as usize);
            }
            let mut rest = 0;
            loop {
                match slots.allocate(7).len() {
                    0 => break,
                    count => rest += count,
                }
            }
            assert_eq!(rest + held.len(), total as usize);
        }
    }
}
