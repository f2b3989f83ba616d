//! What several rounds say together. Key type: [`Spread`]. Neighbours: [`super::wall`], [`super::stall`].

use std::time::{Duration, Instant};

/// Median and ends of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) least: f64,
    pub(super) median: f64,
    pub(super) most: f64,
}

impl Spread {
    /// None of an empty series.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        Some(Spread {
            least: *sorted.first()?,
            median: *sorted.get(sorted.len() / 2)?,
            most: *sorted.last()?,
        })
    }
}

/// Fewer rounds than this say nothing.
const FEWEST: usize = 3;

/// Ends a series of rounds early on a slow host, so that the whole run stays short; how many there were is reported.
pub(super) struct Patience {
    start: Instant,
    rounds: usize,
    limit: Duration,
}

impl Patience {
    /// At most so many rounds; after the limit only until there are [`FEWEST`].
    pub(super) fn new(rounds: usize, limit: Duration) -> Patience {
        Patience {
            start: Instant::now(),
            rounds,
            limit,
        }
    }

    pub(super) fn allows(&self, done: usize) -> bool {
        done < self.rounds && (done < FEWEST || self.start.elapsed() < self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_one_hiccup() {
        let spread = Spread::of([3.0, 900.0, 1.0, 2.0, 4.0].into_iter());
        assert_eq!(
            spread,
            Some(Spread {
                least: 1.0,
                median: 3.0,
                most: 900.0
            })
        );
        assert_eq!(Spread::of([].into_iter()), None);
    }

    #[test]
    fn patience_ends_after_the_fewest_rounds() {
        let none_left = Patience::new(9, Duration::ZERO);
        assert!(none_left.allows(2) && !none_left.allows(3));
        let plenty = Patience::new(4, Duration::from_secs(1000));
        assert!(plenty.allows(3) && !plenty.allows(4));
        assert!(!Patience::new(1, Duration::ZERO).allows(1));
    }
}
