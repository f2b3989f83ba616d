//! Who else sees a region ([`ShareMode`]): the decision table of reference/live.md section 3, first match wins.

use crate::Region;
use crate::figures::Figure;
use crate::measure::hugetlb;
use procfs::{Device, Kib};
use std::collections::HashMap;

/// The SM column. The letters are Apple's, `DEV` is ours; the meanings are Linux's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ShareMode {
    /// Nothing there: no page, no swap.
    Null,
    /// Only the shared page of zeros.
    Zero,
    /// A device's frames, which no counter sees.
    Device,
    /// MAP_SHARED, mapped by this process more than once and by others too.
    SharedAlias,
    /// MAP_SHARED, mapped more than once, by this process only.
    Alias,
    /// MAP_SHARED: writes are visible to whoever maps the same.
    Shared,
    /// Copy-on-write: a private file, or anonymous pages shared since a fork, in RAM or in swap (or by KSM).
    Cow,
    /// Private.
    Private,
}

impl ShareMode {
    /// Every mode, in the order of the table.
    pub const ALL: &[Self] = &[
        Self::Null,
        Self::Zero,
        Self::Device,
        Self::SharedAlias,
        Self::Alias,
        Self::Shared,
        Self::Cow,
        Self::Private,
    ];

    /// The three letters.
    #[must_use]
    pub fn letters(self) -> &'static str {
        match self {
            Self::Null => "NUL",
            Self::Zero => "ZER",
            Self::Device => "DEV",
            Self::SharedAlias => "S/A",
            Self::Alias => "ALI",
            Self::Shared => "SHM",
            Self::Cow => "COW",
            Self::Private => "PRV",
        }
    }
}

/// The share mode of a mapping; `None` if its counters were not read. `has_zero_pages` is asked only for private
/// memory of which nothing is resident: does `pagemap` show pages nevertheless (shared zeros)?
pub(crate) fn share_mode(
    this: &Region,
    aliases: &Aliases,
    has_zero_pages: impl FnOnce() -> bool,
) -> Option<ShareMode> {
    let figures = &this.figures;
    let resident = figures.get(Figure::Rss)?.0.saturating_add(hugetlb(figures));
    let is_anonymous = this.is_private_anonymous();
    let is_device = [b"pf", b"io", b"mm"]
        .iter()
        .any(|code| this.flag(code) == Some(true));
    let nothing_there = resident == 0 && figures.or_zero(Figure::Swap) == 0;
    if is_device {
        return Some(ShareMode::Device);
    }
    if nothing_there {
        let has_zeros = is_anonymous && !this.is_prot_none() && has_zero_pages();
        return Some(if has_zeros {
            ShareMode::Zero
        } else {
            ShareMode::Null
        });
    }
    if this.perms.shared {
        let own = aliases.count(this);
        return match figures.get(Figure::Pss) {
            Some(pss) => Some(shared_mode(own, resident, pss.0)),
            // Without its share (a gentle pass) others cannot be told from aliases.
            None => (own == 1).then_some(ShareMode::Shared),
        };
    }
    if is_anonymous && figures.get(Figure::SharedClean).is_none() {
        return None;
    }
    let others = figures.or_zero(Figure::SharedClean) | figures.or_zero(Figure::SharedDirty);
    // Slots in swap that a fork shares are told by their share alone.
    let swapped = figures.get(Figure::Swap).zip(figures.get(Figure::SwapPss));
    let is_shared_in_swap = swapped.is_some_and(|(all, share)| share < all);
    let is_merged = figures.get(Figure::Ksm).is_some_and(|k| k > Kib::ZERO);
    Some(if !is_anonymous || others > 0 || is_shared_in_swap || is_merged {
        ShareMode::Cow
    } else {
        ShareMode::Private
    })
}

/// Where each file is mapped MAP_SHARED by this process, to count its own mappings of a range in O(log n).
#[derive(Debug, Default)]
pub(crate) struct Aliases(HashMap<(Device, u64), Ranges>);

/// The ranges of one file: first offsets and end offsets, each sorted.
#[derive(Debug, Default)]
struct Ranges {
    starts: Vec<u64>,
    ends: Vec<u64>,
}

impl Aliases {
    pub(crate) fn of(regions: &[Region]) -> Self {
        let mut files: HashMap<(Device, u64), Ranges> = HashMap::new();
        for region in regions.iter().filter(|region| region.perms.shared) {
            let ranges = files
                .entry((region.object.device, region.object.inode))
                .or_default();
            ranges.starts.push(region.offset);
            ranges.ends.push(region.offset.saturating_add(region.len()));
        }
        for ranges in files.values_mut() {
            ranges.starts.sort_unstable();
            ranges.ends.sort_unstable();
        }
        Self(files)
    }

    /// How many of the process's mappings overlap this one's range of the file, itself included.
    fn count(&self, this: &Region) -> u64 {
        let Some(Ranges { starts, ends }) = self.0.get(&(this.object.device, this.object.inode)) else {
            return 1;
        };
        let end = this.offset.saturating_add(this.len());
        // Those that begin before its end, less those that end before its start.
        let begun = starts.partition_point(|&start| start < end);
        let ended = ends.partition_point(|&other| other <= this.offset);
        begun.saturating_sub(ended).max(1) as u64
    }
}

/// Among MAP_SHARED: does this process map the same range more than once, and are there more mappers than that?
fn shared_mode(own: u64, resident: u64, pss: u64) -> ShareMode {
    // Rss/Pss is the mean number of mappers; an eighth more than our own is clearly more.
    let has_others = u128::from(resident) * 8 > u128::from(pss) * u128::from(own) * 9;
    match (own > 1, has_others) {
        (true, true) => ShareMode::SharedAlias,
        (true, false) => ShareMode::Alias,
        (false, _) => ShareMode::Shared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::testing::{region, regions};
    use procfs::Counts;

    const ANON: &str = "1000-5000 rw-p 00000000 00:00 0 \n";
    const SHARED: &str = "1000-5000 rw-s 00000000 00:01 7 /memfd:x (deleted)\n";

    fn alone(region: Region, zeros: bool) -> &'static str {
        share_mode(&region, &Aliases::default(), || zeros)
            .unwrap()
            .letters()
    }

    #[test]
    fn the_table_row_by_row() {
        let rss = |kib| move |c: &mut Counts| (c.rss, c.pss) = (Some(Kib(kib)), Some(Kib(kib)));
        assert_eq!(alone(region(ANON, |_| {}, &[]), false), "NUL");
        assert_eq!(alone(region(ANON, |_| {}, &[]), true), "ZER");
        assert_eq!(
            alone(region("1000-5000 ---p 00000000 00:00 0 \n", |_| {}, &[]), true),
            "NUL"
        );
        assert_eq!(alone(region(ANON, |_| {}, &[*b"pf"]), false), "DEV");
        assert_eq!(alone(region(ANON, rss(4), &[]), false), "PRV");
        let in_swap = |share| {
            move |c: &mut Counts| {
                (c.rss, c.swap, c.swap_pss) = (Some(Kib(0)), Some(Kib(4)), Some(Kib(share)));
            }
        };
        assert_eq!(alone(region(ANON, in_swap(4), &[]), false), "PRV");
        assert_eq!(alone(region(ANON, in_swap(2), &[]), false), "COW");
        let forked = |c: &mut Counts| (c.rss, c.shared_dirty) = (Some(Kib(4)), Some(Kib(4)));
        assert_eq!(alone(region(ANON, forked, &[]), false), "COW");
        assert_eq!(
            alone(
                region("1000-5000 r-xp 00000000 fe:00 7 /bin/x\n", rss(4), &[]),
                false
            ),
            "COW"
        );
        assert_eq!(alone(region(SHARED, rss(4), &[]), false), "SHM");
    }

    // Measured (live.md): a memfd mapped twice by one process shows Rss 12, Pss 6 in each mapping.
    #[test]
    fn aliases_are_told_from_sharing_with_others() {
        let two = |rss: u64, pss: u64| {
            let set = |c: &mut Counts| (c.rss, c.pss) = (Some(Kib(rss)), Some(Kib(pss)));
            let again = SHARED.replace("1000-5000", "9000-d000");
            [region(SHARED, set, &[]), region(&again, set, &[])]
        };
        let mode = |both: [Region; 2], i: usize| share_mode(&both[i], &Aliases::of(&both), || false);
        assert_eq!(mode(two(12, 6), 0), Some(ShareMode::Alias));
        assert_eq!(mode(two(12, 3), 1), Some(ShareMode::SharedAlias));
        // Two parts of one file do not overlap: each is seen once.
        let mut parts = two(12, 12);
        parts[1].offset = 0x4000;
        assert_eq!(mode(parts, 0), Some(ShareMode::Shared));
    }

    #[test]
    fn without_counters_it_is_unknown() {
        let unknown = &regions(ANON)[0];
        assert_eq!(share_mode(unknown, &Aliases::default(), || true), None);
    }
}
