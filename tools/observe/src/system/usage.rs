//! The memory of one process, or of several together ([`Usage`]), from `smaps_rollup` or summed from `smaps`.
//!
//! A rollup is one walk of the page tables and rounds once. The sum of `smaps` is the way for kernels before 5.9 (whose
//! rollup, if there is one, does not split Pss) and for folders without a rollup: each mapping rounds down to 1 KiB there.

use procfs::{Counts, Kib, SmapsEntry, Status};

macro_rules! usage {
    ($($field:ident $meaning:literal;)*) => {
        /// Figures of a process, or the sums of a group. `None`: not known (of a group: of no member).
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct Usage {
            $(
                #[doc = concat!($meaning, ".")]
                pub $field: Option<Kib>,
            )*
            /// Whether the footprint had to be estimated: a mapping's Pss was split between file and anonymous pages by
            /// proportion, or the kernel is too old to tell LazyFree, SwapPss or hugetlb.
            pub is_estimated: bool,
        }

        impl Usage {
            /// Add what the other knows; what only one of the two knows counts alone.
            pub fn add_known(&mut self, other: &Self) {
                $(self.$field = either(self.$field, other.$field);)*
                self.is_estimated |= other.is_estimated;
            }
        }
    };
}

usage! {
    footprint "Physical footprint, additive: Pss_Anon + Pss_Shmem + SwapPss - LazyFree + Private_Hugetlb + page tables";
    footprint_from_status "What anyone may read of it: RssAnon + RssShmem + VmSwap + HugetlbPages + VmPTE; shared pages count in full";
    pss "Resident, each page divided by the number of its mappers; without hugetlb";
    pss_anon "The anonymous part of it";
    pss_file "The file part of it";
    pss_shmem "The shared-memory part of it";
    uss "Memory of its own: what would be free at once if it ended (private pages, private hugetlb)";
    rss "Resident, shared pages in full; without hugetlb";
    swap "Swapped out, shared memory in full";
    swap_pss "Its share of the swapped-out memory";
    lazy_free "Given back by MADV_FREE and not yet taken";
    private_hugetlb "Hugetlb pages that it alone maps";
    shared_hugetlb "Hugetlb pages that others map too, in full";
    page_tables "Page tables (VmPTE)";
}

fn either(a: Option<Kib>, b: Option<Kib>) -> Option<Kib> {
    match (a, b) {
        (Some(a), Some(b)) => Some(Kib(a.0.saturating_add(b.0))),
        (a, b) => a.or(b),
    }
}

/// The sum, unknown if a part is.
fn sum<const N: usize>(parts: [Option<Kib>; N]) -> Option<Kib> {
    let add = |sum: u64, part: Option<Kib>| Some(sum.saturating_add(part?.0));
    parts.into_iter().try_fold(0, add).map(Kib)
}

impl Usage {
    /// What `status` alone tells.
    pub(super) fn from_status(status: &Status) -> Self {
        Self {
            rss: status.vm_rss,
            swap: status.vm_swap,
            page_tables: status.vm_pte,
            footprint_from_status: from_status(status),
            ..Self::default()
        }
    }

    /// From the kernel's sums, which must split Pss (since 5.9).
    pub(super) fn from_rollup(counts: &Counts, status: &Status) -> Self {
        Self::from_counts(counts, false, status)
    }

    fn from_counts(counts: &Counts, is_split_estimated: bool, status: &Status) -> Self {
        let kept = sum([
            counts.pss_anon,
            counts.pss_shmem,
            counts.swap_pss.or(counts.swap),
            Some(counts.private_hugetlb.unwrap_or_default()),
            status.vm_pte,
        ]);
        let lazy = counts.lazy_free.unwrap_or_default();
        let is_old = [counts.swap_pss, counts.lazy_free, counts.private_hugetlb].contains(&None);
        Self {
            footprint: kept.map(|kept| Kib(kept.0.saturating_sub(lazy.0))),
            footprint_from_status: from_status(status),
            pss: counts.pss,
            pss_anon: counts.pss_anon,
            pss_file: counts.pss_file,
            pss_shmem: counts.pss_shmem,
            uss: sum([
                counts.private_clean,
                counts.private_dirty,
                Some(counts.private_hugetlb.unwrap_or_default()),
            ]),
            rss: counts.rss,
            swap: counts.swap,
            swap_pss: counts.swap_pss,
            lazy_free: counts.lazy_free,
            private_hugetlb: counts.private_hugetlb,
            shared_hugetlb: counts.shared_hugetlb,
            page_tables: status.vm_pte,
            is_estimated: kept.is_some() && (is_split_estimated || is_old),
        }
    }
}

fn from_status(status: &Status) -> Option<Kib> {
    sum([
        status.rss_anon,
        status.rss_shmem,
        status.vm_swap,
        // Absent on kernels without hugetlb.
        Some(status.hugetlb_pages.unwrap_or_default()),
        status.vm_pte,
    ])
}

/// Sums mappings as `smaps_rollup` does, and splits Pss.
pub(super) struct SmapsSum {
    counts: Counts,
    is_estimated: bool,
    mappings: usize,
}

impl SmapsSum {
    pub(super) fn new() -> Self {
        Self {
            counts: Counts::zero(),
            is_estimated: false,
            mappings: 0,
        }
    }

    pub(super) fn add(&mut self, entry: &SmapsEntry) {
        let (parts, is_estimated) = split(entry);
        let mut counts = entry.counts;
        (counts.pss_anon, counts.pss_file, counts.pss_shmem) = (parts.anon, parts.file, parts.shmem);
        self.counts.add(&counts);
        self.is_estimated |= is_estimated;
        self.mappings += 1;
    }

    /// The sums; `None` if there was no mapping: the process gave its memory back.
    pub(super) fn finish(&self, status: &Status) -> Option<Usage> {
        (self.mappings > 0).then(|| Usage::from_counts(&self.counts, self.is_estimated, status))
    }
}

/// A mapping's Pss by what the pages belong to.
#[derive(Clone, Copy, Default)]
struct PssParts {
    anon: Option<Kib>,
    file: Option<Kib>,
    shmem: Option<Kib>,
}

/// Split Pss, and whether by proportion: anonymous pages that nobody shares count in full; if some are shared, `smaps` does
/// not say which part of Pss is theirs.
fn split(entry: &SmapsEntry) -> (PssParts, bool) {
    let counts = &entry.counts;
    let (Some(Kib(pss)), Some(Kib(rss)), Some(Kib(anonymous))) = (counts.pss, counts.rss, counts.anonymous)
    else {
        return (PssParts::default(), false);
    };
    let is_shmem = is_shared_memory(entry);
    let is_mixed = anonymous > 0 && anonymous < rss;
    // Pages of a private mapping that were written are dirty; so shared clean ones are the file's.
    let is_estimated = is_mixed && counts.shared_dirty != Some(Kib::ZERO);
    let anon = match (is_mixed, is_estimated) {
        (false, _) if anonymous == 0 => 0,
        (false, _) => pss,
        (true, false) => anonymous.min(pss),
        (true, true) => {
            let part = u128::from(pss) * u128::from(anonymous) / u128::from(rss.max(1));
            u64::try_from(part).unwrap_or(pss).min(pss)
        }
    };
    let rest = Some(Kib(pss - anon));
    let (file, shmem) = if is_shmem {
        (Some(Kib::ZERO), rest)
    } else {
        (rest, Some(Kib::ZERO))
    };
    let anon = Some(Kib(anon));
    (PssParts { anon, file, shmem }, is_estimated)
}

/// Whether the mapping's pages that are not anonymous belong to shared memory: shared anonymous memory, memfd, System V and POSIX
/// shared memory. A file of another tmpfs cannot be told from a file of a disk by its name.
fn is_shared_memory(entry: &SmapsEntry) -> bool {
    let name = entry.map.name.as_slice();
    let prefixes: [&[u8]; 5] = [
        b"/memfd:",
        b"/SYSV",
        b"/dev/zero (deleted)",
        b"/dev/shm/",
        b"[anon_shmem:",
    ];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
        || (entry.map.perms.shared && !entry.map.has_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::parse_maps;

    fn entry(line: &str, set: impl FnOnce(&mut Counts)) -> SmapsEntry {
        let mut counts = Counts::zero();
        set(&mut counts);
        SmapsEntry {
            map: parse_maps(line.as_bytes()).unwrap().remove(0),
            counts,
            ..SmapsEntry::default()
        }
    }

    fn parts(line: &str, set: impl FnOnce(&mut Counts)) -> ([u64; 3], bool) {
        let (parts, is_estimated) = split(&entry(line, set));
        let kib = |part: Option<Kib>| part.unwrap().0;
        ([kib(parts.anon), kib(parts.file), kib(parts.shmem)], is_estimated)
    }

    const FILE: &str = "1000-9000 r--p 00000000 fe:00 7 /bin/x\n";
    const MEMFD: &str = "1000-9000 rw-s 00000000 00:01 7 /memfd:x (deleted)\n";
    const ANON: &str = "1000-9000 rw-p 00000000 00:00 0 \n";

    #[test]
    fn pss_is_split_by_what_the_pages_belong_to() {
        let of = |pss: u64, rss: u64, anonymous: u64| {
            move |c: &mut Counts| {
                (c.pss, c.rss, c.anonymous) = (Some(Kib(pss)), Some(Kib(rss)), Some(Kib(anonymous)));
            }
        };
        assert_eq!(parts(FILE, of(5, 20, 0)), ([0, 5, 0], false));
        assert_eq!(parts(MEMFD, of(8, 16, 0)), ([0, 0, 8], false));
        assert_eq!(parts(ANON, of(6, 12, 12)), ([6, 0, 0], false));
        // 8 of its own, 12 of the file, which others share.
        let mixed = |c: &mut Counts| {
            of(11, 20, 8)(c);
            c.shared_clean = Some(Kib(12));
        };
        assert_eq!(parts(FILE, mixed), ([8, 3, 0], false));
        // After a fork nothing says which part of Pss is anonymous.
        let forked = |c: &mut Counts| {
            of(10, 20, 8)(c);
            c.shared_dirty = Some(Kib(8));
        };
        assert_eq!(parts(FILE, forked), ([4, 6, 0], true));
    }

    #[test]
    fn the_footprint_of_an_old_kernel_is_an_estimate_and_of_no_page_tables_unknown() {
        let status = Status {
            vm_pte: Some(Kib(40)),
            ..Status::default()
        };
        let mut sum = SmapsSum::new();
        assert_eq!(sum.finish(&status), None);
        sum.add(&entry(ANON, |c| {
            (c.pss, c.rss, c.anonymous) = (Some(Kib(8)), Some(Kib(8)), Some(Kib(8)));
            (c.swap, c.swap_pss, c.lazy_free) = (Some(Kib(2)), None, None);
        }));
        let usage = sum.finish(&status).unwrap();
        assert_eq!((usage.footprint, usage.is_estimated), (Some(Kib(50)), true));
        assert_eq!(sum.finish(&Status::default()).unwrap().footprint, None);
    }

    #[test]
    fn sums_know_what_any_member_knows() {
        let mut sum = Usage::default();
        let known = Usage {
            rss: Some(Kib(4)),
            ..Usage::default()
        };
        sum.add_known(&known);
        sum.add_known(&Usage::default());
        assert_eq!(sum, known);
        sum.add_known(&known);
        assert_eq!(sum.rss, Some(Kib(8)));
    }
}
