//! Any frame, each with the same chance, by a seeded generator: what every policy should beat.

use arch::FrameNum;

use crate::{Arrival, Kind, Name, Policy, Probe, Shadow};

const NOWHERE: u32 = u32::MAX;

/// Random replacement.
#[derive(Debug)]
pub struct Random {
    members: Vec<FrameNum>,
    /// Where each frame is in `members`.
    place: Vec<u32>,
    state: u64,
    evictions: u32,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            members: Vec::new(),
            place: Vec::new(),
            state: seed,
            evictions: 0,
        }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn add(&mut self, frame: FrameNum) {
        if frame.index() >= self.place.len() {
            self.place.resize(frame.index() + 1, NOWHERE);
        }
        assert!(
            self.place[frame.index()] == NOWHERE,
            "frame {frame} is held already"
        );
        self.place[frame.index()] = self.members.len() as u32;
        self.members.push(frame);
    }
}

impl Policy for Random {
    fn name(&self) -> Name {
        Name::Random
    }

    fn insert(&mut self, frame: FrameNum, arrival: Arrival) -> bool {
        self.add(frame);
        let soon = |shadow: Shadow| shadow.age(self.evictions) < self.members.len();
        arrival.shadow.is_some_and(soon)
    }

    fn remove(&mut self, frame: FrameNum) {
        if !self.contains(frame) {
            return;
        }
        let at = std::mem::replace(&mut self.place[frame.index()], NOWHERE);
        self.members.swap_remove(at as usize);
        if let Some(moved) = self.members.get(at as usize) {
            self.place[moved.index()] = at;
        }
    }

    fn referenced(&mut self, _: FrameNum) {}

    fn victim(&mut self, _: Probe<'_>) -> Option<(FrameNum, Shadow)> {
        let count = self.members.len() as u64;
        // The high word of the product: as good as a remainder, without its bias towards small numbers.
        let at = (u128::from(self.next()) * u128::from(count)) >> 64;
        let frame = *self.members.get(at as usize)?;
        self.remove(frame);
        self.evictions = self.evictions.wrapping_add(1);
        Some((frame, Shadow::new(0, self.evictions)))
    }

    fn restore(&mut self, frame: FrameNum, _: Kind) {
        self.add(frame);
    }

    fn len(&self) -> usize {
        self.members.len()
    }

    fn contains(&self, frame: FrameNum) -> bool {
        self.place.get(frame.index()).is_some_and(|&at| at != NOWHERE)
    }
}
