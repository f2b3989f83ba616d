//! What is kept of an evicted page, in 32 bits (Linux: `mm/workingset.c`).
//!
//! The list it left and that list's count of evictions at the time. The difference to the count now is the number of
//! evictions since: the page's *age*. Papers keep a list of ghosts instead and drop its oldest when it is full; here
//! a ghost is in its list while its age is less than the list's size. Both agree unless ghosts return from the
//! middle of the list, whose places a list of ghosts would give to older ones.

/// An evicted page's memory of itself. Only the policy that made it can read it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shadow(u32);

const LIST_BITS: u32 = 2;

impl Shadow {
    pub(crate) fn new(list: u8, clock: u32) -> Self {
        Self(clock << LIST_BITS | u32::from(list) & ((1 << LIST_BITS) - 1))
    }

    pub(crate) fn list(self) -> u8 {
        (self.0 & ((1 << LIST_BITS) - 1)) as u8
    }

    /// Evictions since then, the clock now being `now`. Wraps after 2^30 evictions.
    pub(crate) fn age(self, now: u32) -> usize {
        ((now << LIST_BITS).wrapping_sub(self.0 & !((1 << LIST_BITS) - 1)) >> LIST_BITS) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_counts_evictions_and_wraps() {
        let shadow = Shadow::new(3, 7);
        assert_eq!((shadow.list(), shadow.age(7), shadow.age(19)), (3, 0, 12));
        let old = Shadow::new(1, (1 << 30) - 2);
        assert_eq!((old.list(), old.age(3)), (1, 5), "the clock has 30 bits");
    }
}
