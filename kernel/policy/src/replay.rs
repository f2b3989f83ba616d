//! What a policy would have missed over a recorded string of references, beside the least that any could have: Belady's `opt`,
//! which knows the future and so exists only here.
//!
//! A reference is a page's number, counted from 0 without gaps. The policies are driven as `mm` drives them: a page that comes has
//! its access flag set, a hit sets it, and the policy sees no more than the flags. Pure: no I/O, no clock.

use std::collections::{BTreeMap, BTreeSet};

use arch::FrameNum;

use crate::{Arrival, Kind, Name};

/// A string of references to pages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct References {
    pages: Vec<u32>,
    distinct: u32,
}

impl References {
    /// Numbers the pages of a string in the order in which they come. Only the first 2^32 - 1 different ones can be told apart; a
    /// longer string is cut there.
    pub fn new<T: Ord>(string: impl IntoIterator<Item = T>) -> Self {
        let mut numbers = BTreeMap::new();
        let mut pages = Vec::new();
        for page in string {
            let Ok(next) = u32::try_from(numbers.len()) else {
                break;
            };
            pages.push(*numbers.entry(page).or_insert(next));
        }
        Self {
            pages,
            distinct: numbers.len() as u32,
        }
    }

    /// How many references there are.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// How many different pages.
    pub fn distinct(&self) -> u32 {
        self.distinct
    }

    /// Misses of `opt` in so many frames: the page that leaves is the one that is needed last, or never again.
    pub fn opt(&self, frames: u32) -> u64 {
        let never = self.pages.len();
        let mut next = vec![never; self.pages.len()];
        let mut seen = vec![never; self.distinct as usize];
        for (at, &page) in self.pages.iter().enumerate().rev() {
            next[at] = std::mem::replace(&mut seen[page as usize], at);
        }
        // Pages in RAM by when they are needed next.
        let mut held: BTreeSet<(usize, u32)> = BTreeSet::new();
        let mut misses = 0;
        for (at, &page) in self.pages.iter().enumerate() {
            if !held.remove(&(at, page)) {
                misses += 1;
                if held.len() as u64 >= u64::from(frames) {
                    held.pop_last();
                }
            }
            if frames > 0 {
                held.insert((next[at], page));
            }
        }
        misses
    }

    /// Misses of exact least-recently-used, which no kernel can afford: what `lru` stands in for.
    pub fn exact_lru(&self, frames: u32) -> u64 {
        let mut last: Vec<Option<usize>> = vec![None; self.distinct as usize];
        let mut held: BTreeSet<(usize, u32)> = BTreeSet::new();
        let mut misses = 0;
        for (at, &page) in self.pages.iter().enumerate() {
            let before = last[page as usize].replace(at);
            if !before.is_some_and(|before| held.remove(&(before, page))) {
                misses += 1;
                if held.len() as u64 >= u64::from(frames) {
                    held.pop_first();
                }
            }
            if frames > 0 {
                held.insert((at, page));
            }
        }
        misses
    }

    /// Misses of one of the policies. Only `random` uses the seed. Without a frame every reference misses.
    pub fn policy(&self, name: Name, seed: u64, frames: u32) -> u64 {
        if frames == 0 {
            return self.pages.len() as u64;
        }
        let frames = frames.min(self.distinct);
        let mut policy = name.make(seed);
        let mut place: Vec<Option<FrameNum>> = vec![None; self.distinct as usize];
        let mut shadows = vec![None; self.distinct as usize];
        // By frame: its page, and whether it was accessed.
        let mut holds: Vec<u32> = Vec::new();
        let mut accessed: Vec<bool> = Vec::new();
        let mut misses = 0;
        for &page in &self.pages {
            if let Some(frame) = place[page as usize] {
                accessed[frame.index()] = true;
                continue;
            }
            misses += 1;
            let free = (holds.len() < frames as usize).then(|| FrameNum::new(holds.len() as u32));
            let frame = match free {
                Some(frame) => {
                    holds.push(page);
                    accessed.push(true);
                    frame
                }
                None => {
                    let named = policy.victim(&mut |frame| std::mem::take(&mut accessed[frame.index()]));
                    let (frame, shadow) = named.expect("a policy that holds frames names one");
                    let old = std::mem::replace(&mut holds[frame.index()], page) as usize;
                    place[old] = None;
                    shadows[old] = Some(shadow);
                    accessed[frame.index()] = true;
                    frame
                }
            };
            let arrival = Arrival {
                shadow: shadows[page as usize].take(),
                ..Arrival::fresh(Kind::Anon)
            };
            policy.insert(frame, arrival);
            place[page as usize] = Some(frame);
        }
        misses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Silberschatz, Galvin, Gagne, "Operating System Concepts", chapter 10: 9, 12 and 15 faults in three frames.
    const TEXTBOOK: [u32; 20] = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1];

    #[test]
    fn the_textbook_s_string() {
        let string = References::new(TEXTBOOK);
        assert_eq!((string.len(), string.distinct()), (20, 6));
        assert_eq!(string.opt(3), 9);
        assert_eq!(string.exact_lru(3), 12);
        assert_eq!(string.policy(Name::Fifo, 0, 3), 15);
    }

    /// Worked out by hand: 1 2 3 4 1 2 5 1 2 3 4 5, on which fifo misses 9 times in three frames and 10 times in four (Belady's
    /// anomaly), exact lru 10 and 8, and opt 7 and 6.
    #[test]
    fn belady_s_anomaly() {
        let string = References::new([1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]);
        let of = |frames| {
            (
                string.policy(Name::Fifo, 0, frames),
                string.exact_lru(frames),
                string.opt(frames),
            )
        };
        assert_eq!(of(3), (9, 10, 7));
        assert_eq!(of(4), (10, 8, 6));
    }

    /// A loop of one page more than there are frames: lru misses always; opt, in two frames of three pages, every other time.
    #[test]
    fn a_loop() {
        let string = References::new([0, 1, 2].repeat(4));
        assert_eq!(string.exact_lru(2), 12);
        assert_eq!(string.policy(Name::Fifo, 0, 2), 12);
        // a b c(for b) a b(for a) c a(for c) b c(for b) a b(for a) c: misses at 0 1 2 4 6 8 10.
        assert_eq!(string.opt(2), 7);
    }

    #[test]
    fn enough_frames_miss_once_a_page_and_none_always() {
        let string = References::new(TEXTBOOK);
        for name in Name::ALL {
            assert_eq!(string.policy(name, 1, 6), 6, "{name}");
            assert_eq!(string.policy(name, 1, 100), 6, "{name}");
            assert_eq!(string.policy(name, 1, 0), 20, "{name}");
        }
        assert_eq!((string.opt(6), string.opt(0), string.exact_lru(0)), (6, 20, 20));
        assert_eq!(References::new(Vec::<u32>::new()).opt(3), 0);
    }

    /// No policy beats the one that knows the future, and more frames never harm it.
    #[test]
    fn nobody_is_better_than_opt() {
        let mut state = 7_u64;
        let mut next = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % most
        };
        for _ in 0..40 {
            let pages = 2 + next(30);
            let string: Vec<u64> = (0..400).map(|_| next(pages).min(next(pages))).collect();
            let string = References::new(string);
            let mut before = u64::MAX;
            for frames in 1..=string.distinct() {
                let best = string.opt(frames);
                assert!(best <= before && best >= u64::from(string.distinct()));
                before = best;
                assert!(string.exact_lru(frames) >= best);
                for name in Name::ALL {
                    assert!(
                        string.policy(name, 3, frames) >= best,
                        "{name} in {frames} frames"
                    );
                }
            }
        }
    }
}
