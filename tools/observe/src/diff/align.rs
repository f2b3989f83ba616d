//! The order-keeping alignment of two lists ([`align`]): Myers' greedy algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986), in rounds.
//!
//! A round spends [`MOST_EDITS`] edits at most and keeps the path that came furthest; the next one goes on from there. So equal values
//! pair wherever the lists differ little, and lists of n and m values that differ everywhere cost about (n + m) * [`MOST_EDITS`] steps, never their product.

/// Edits of one round: lists that differ by no more are aligned as well as can be.
const MOST_EDITS: usize = 128;

/// Pairs of places, ascending on both sides: equal values; and between these, what is left, in order.
pub(super) fn align(old: &[u64], new: &[u64]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut at, mut at_new) = (0, 0);
    let end = std::iter::once((old.len(), new.len()));
    for (equal, equal_new) in equal_pairs(old, new).into_iter().chain(end) {
        found.extend((at..equal).zip(at_new..equal_new));
        if equal < old.len() && equal_new < new.len() {
            found.push((equal, equal_new));
        }
        (at, at_new) = (equal + 1, equal_new + 1);
    }
    found
}

fn equal_pairs(old: &[u64], new: &[u64]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut at, mut at_new) = (0, 0);
    while at < old.len() && at_new < new.len() {
        let round = Round::run(&old[at..], &new[at_new..]);
        found.extend(round.pairs().into_iter().map(|(x, y)| (at + x, at_new + y)));
        let (x, y) = round.end();
        (at, at_new) = (at + x, at_new + y);
    }
    found
}

/// How far each diagonal came with each number of edits.
struct Round {
    /// `rows[d][i]`: the furthest place in `old` on diagonal `i - d` after `d` edits; `None` where no path leads.
    rows: Vec<Vec<Option<usize>>>,
    /// The lengths of both lists.
    lens: (usize, usize),
    /// The diagonal of the last row that came furthest.
    best: usize,
}

impl Round {
    fn run(old: &[u64], new: &[u64]) -> Self {
        let mut round = Self {
            rows: Vec::new(),
            lens: (old.len(), new.len()),
            best: 0,
        };
        for edits in 0..=MOST_EDITS {
            let mut row = vec![None; 2 * edits + 1];
            let mut furthest = None;
            for i in (0..=2 * edits).step_by(2) {
                let Some((start, _)) = round.step(edits, i) else {
                    continue;
                };
                let y = start + edits - i;
                let equal = old[start..].iter().zip(&new[y..]).take_while(|(a, b)| a == b);
                let x = start + equal.count();
                row[i] = Some(x);
                furthest = furthest.max(Some((x + x + edits - i, i)));
            }
            let Some((sum, best)) = furthest else { break };
            round.rows.push(row);
            round.best = best;
            if sum == old.len() + new.len() {
                break;
            }
        }
        round
    }

    /// Where the path of so many edits enters diagonal `i`, and from which of the row before: by one more of `new`, or one less of `old`.
    fn step(&self, edits: usize, i: usize) -> Option<(usize, usize)> {
        if edits == 0 {
            return Some((0, 0));
        }
        let row = self.rows.get(edits - 1)?;
        let by_new = row.get(i).copied().flatten().map(|x| (x, i));
        let before = i.checked_sub(2);
        let by_old = before.and_then(|before| Some((row.get(before).copied().flatten()? + 1, before)));
        let is_inside =
            |&(x, _): &(usize, usize)| x <= self.lens.0 && x + edits >= i && x + edits - i <= self.lens.1;
        by_new.filter(is_inside).max(by_old.filter(is_inside))
    }

    /// The places where the path ended.
    fn end(&self) -> (usize, usize) {
        let edits = self.rows.len().saturating_sub(1);
        let x = self.rows.last().and_then(|row| row[self.best]).unwrap_or(0);
        (x, (x + edits).saturating_sub(self.best))
    }

    /// The equal values along the path, first ones first.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let (mut found, mut i) = (Vec::new(), self.best);
        for edits in (0..self.rows.len()).rev() {
            let (Some(x), Some((start, before))) = (self.rows[edits][i], self.step(edits, i)) else {
                break;
            };
            found.extend((start..x).rev().map(|x| (x, x + edits - i)));
            i = before;
        }
        found.reverse();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The longest common subsequence by the quadratic definition.
    fn longest(old: &[u64], new: &[u64]) -> usize {
        let mut row = vec![0; new.len() + 1];
        for a in old {
            let mut corner = 0;
            for (i, b) in new.iter().enumerate() {
                let above = row[i + 1];
                row[i + 1] = if a == b { corner + 1 } else { above.max(row[i]) };
                corner = above;
            }
        }
        row[new.len()]
    }

    proptest! {
        #[test]
        fn it_is_a_longest_common_subsequence(
            old in prop::collection::vec(0..4_u64, 0..40),
            new in prop::collection::vec(0..4_u64, 0..40),
        ) {
            let equal = equal_pairs(&old, &new);
            prop_assert!(equal.iter().all(|&(a, b)| old[a] == new[b]));
            prop_assert!(equal.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1));
            prop_assert_eq!(equal.len(), longest(&old, &new));
            let all = align(&old, &new);
            prop_assert!(all.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1));
            prop_assert!(equal.iter().all(|pair| all.contains(pair)));
        }

        #[test]
        fn beyond_a_round_pairs_still_ascend(seed in 0..1000_u64) {
            let list = |odd: u64| (0..2000_u64).map(|i| ((i * 7919 + odd * odd) % 1013) ^ odd).collect::<Vec<_>>();
            let (old, new) = (list(1), list(seed));
            let all = align(&old, &new);
            prop_assert!(all.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1));
        }
    }
}
