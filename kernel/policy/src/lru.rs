//! Linux's two lists for each kind of page, with refault distance (`mm/vmscan.c`, `mm/workingset.c`).
//!
//! ```text
//!   new ──▶ inactive ── seen used twice ──▶ active          comes back sooner than the active list is long:
//!              │  ▲                            │             straight to active
//!              ▼  └──── too few inactive ──────┘
//!           evicted
//! ```
//!
//! Pages without a file and pages of files are on lists of their own. Which kind is shrunk follows from what its
//! refaults cost of late (`get_scan_count`, swappiness 60), in exact proportion instead of by chance.

use arch::FrameNum;

use crate::lists::Lists;
use crate::{Arrival, Kind, Name, Policy, Probe, Shadow};

/// `vm.swappiness`, out of 200.
const SWAPPINESS: u64 = 60;
const REFERENCED: u8 = 1;

/// Active and inactive lists.
#[derive(Debug)]
pub struct Lru {
    /// By kind: inactive at an even number, active at the next.
    lists: Lists<4>,
    /// Evictions and activations so far (`nonresident_age`).
    age: u32,
    /// What refaults of each kind cost of late.
    cost: [u64; 2],
    /// How much each kind is owed in the shares of shrinking; the sum of both is 0.
    owed: [i64; 2],
}

fn inactive(kind: Kind) -> u8 {
    match kind {
        Kind::Anon => 0,
        Kind::File => 2,
    }
}

const ACTIVE: u8 = 1;

impl Lru {
    pub(crate) fn new() -> Self {
        Self {
            lists: Lists::new(),
            age: 0,
            cost: [0; 2],
            owed: [0; 2],
        }
    }

    fn activate(&mut self, frame: FrameNum, list: u8) {
        self.age = self.age.wrapping_add(1);
        self.lists.move_to(list | ACTIVE, frame);
    }

    /// `lru_note_cost`: what is long ago weighs less.
    fn note_cost(&mut self, kind: Kind) {
        self.cost[usize::from(inactive(kind) / 2)] += 1;
        if self.cost[0] + self.cost[1] > self.lists.total() as u64 / 4 {
            self.cost = self.cost.map(|cost| cost / 2);
        }
    }

    /// Whose turn it is to shrink: the inactive list of one kind.
    fn next_list(&mut self) -> u8 {
        let held = [0u8, 2].map(|list| self.lists.len(list) + self.lists.len(list | ACTIVE));
        match held {
            [_, 0] => return inactive(Kind::Anon),
            [0, _] => return inactive(Kind::File),
            _ => {}
        }
        let total = self.cost[0] + self.cost[1] + 1;
        let weight = [
            SWAPPINESS * total / (self.cost[0] + 1),
            (200 - SWAPPINESS) * total / (self.cost[1] + 1),
        ];
        let share = |at: usize| (weight[at].max(1) * held[at] as u64).cast_signed();
        let shares = [share(0), share(1)];
        for (owed, share) in self.owed.iter_mut().zip(shares) {
            *owed = owed.saturating_add(share);
        }
        let at = usize::from(self.owed[0] <= self.owed[1]);
        // Whoever is shrunk pays the shares of both: each kind's turns come in proportion to its share.
        self.owed[at] = self.owed[at].saturating_sub(shares[0].saturating_add(shares[1]));
        if at == 0 {
            inactive(Kind::Anon)
        } else {
            inactive(Kind::File)
        }
    }

    /// Moves old active pages over until there are as many inactive ones (`inactive_is_low`, below 1 GiB). Whether
    /// they were used does not matter: they have their time on the inactive list to be used again.
    fn deactivate(&mut self, list: u8, accessed: Probe<'_>) {
        while self.lists.len(list) < self.lists.len(list | ACTIVE) {
            let Some(frame) = self.lists.oldest(list | ACTIVE) else {
                return;
            };
            accessed(frame);
            self.lists.move_to(list, frame);
        }
    }
}

impl Policy for Lru {
    fn name(&self) -> Name {
        Name::Lru
    }

    fn insert(&mut self, frame: FrameNum, arrival: Arrival) -> bool {
        let list = inactive(arrival.kind);
        let mut hot = false;
        if let Some(shadow) = arrival.shadow {
            self.note_cost(arrival.kind);
            // Had the inactive list been longer by the active one, the page would still be here. Pages of the other
            // kind could have made room, too (`workingset_test_recent`).
            let other = list ^ 2;
            let room = self.lists.len(list | ACTIVE) + self.lists.len(other) + self.lists.len(other | ACTIVE);
            hot = shadow.age(self.age) <= room;
        }
        match hot {
            true => {
                self.age = self.age.wrapping_add(1);
                self.lists.push(list | ACTIVE, frame);
            }
            false => self.lists.push(list, frame),
        }
        hot
    }

    fn remove(&mut self, frame: FrameNum) {
        self.lists.remove(frame);
    }

    /// `mark_page_accessed`.
    fn referenced(&mut self, frame: FrameNum) {
        let Some(list) = self.lists.list_of(frame) else {
            return;
        };
        if list & ACTIVE == 0 && self.lists.mark(frame) == REFERENCED {
            self.activate(frame, list);
        } else {
            self.lists.set_mark(frame, REFERENCED);
        }
    }

    fn victim(&mut self, accessed: Probe<'_>) -> Option<(FrameNum, Shadow)> {
        if self.is_empty() {
            return None;
        }
        let list = self.next_list();
        let mut left = 2 * self.lists.total();
        loop {
            self.deactivate(list, accessed);
            let frame = self.lists.oldest(list)?;
            // `folio_check_references`: the first use keeps it, the second activates it.
            if left > 0 && accessed(frame) {
                left -= 1;
                if self.lists.mark(frame) == REFERENCED {
                    self.activate(frame, list);
                } else {
                    self.lists.move_to(list, frame);
                    self.lists.set_mark(frame, REFERENCED);
                }
                continue;
            }
            self.lists.remove(frame);
            self.age = self.age.wrapping_add(1);
            return Some((frame, Shadow::new(list, self.age)));
        }
    }

    fn restore(&mut self, frame: FrameNum, kind: Kind) {
        self.lists.push(inactive(kind) | ACTIVE, frame);
    }

    fn len(&self) -> usize {
        self.lists.total()
    }

    fn contains(&self, frame: FrameNum) -> bool {
        self.lists.list_of(frame).is_some()
    }
}
