//! The figures of one region, packed ([`Figures`]), and their names ([`Figure`]).
//!
//! A process may have 60,000 regions, and nearly all of their figures fit in 32 bits of KiB: 104 bytes a region instead of
//! 400 keep the whole report of such a process within 20 MB. A figure that is wider (4 TiB and more) widens its region's set, so nothing is
//! ever cut. Neighbours: `region` holds them, `measure` derives the last four from the kernel's.

use procfs::{Counts, Kib};

macro_rules! figures {
    (kernel { $($kernel:ident $field:ident $kname:literal;)* } derived { $($derived:ident $dname:literal $meaning:literal;)* }) => {
        /// One figure of a region: the kernel's counters as [`Counts`] describes them (but for the parts of `Pss` that only
        /// `smaps_rollup` has), then those derived from them.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Figure {
            $(
                #[doc = concat!("[`Counts::", stringify!($field), "`].")]
                $kernel,
            )*
            $(
                #[doc = concat!($meaning, ".")]
                $derived,
            )*
        }

        impl Figure {
            /// The kernel's counters.
            pub const KERNEL: &[Self] = &[$(Self::$kernel),*];

            /// All figures.
            pub const ALL: &[Self] = &[$(Self::$kernel,)* $(Self::$derived),*];

            /// The name in JSON and CSV.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kernel => $kname,)*
                    $(Self::$derived => $dname,)*
                }
            }
        }

        impl From<&Counts> for Figures {
            fn from(counts: &Counts) -> Self {
                let mut figures = Self::UNKNOWN;
                $(figures.set(Figure::$kernel, counts.$field);)*
                figures
            }
        }
    };
}

figures! {
    kernel {
    Rss rss "rss";
    Pss pss "pss";
    PssDirty pss_dirty "pss_dirty";
    SharedClean shared_clean "shared_clean";
    SharedDirty shared_dirty "shared_dirty";
    PrivateClean private_clean "private_clean";
    PrivateDirty private_dirty "private_dirty";
    Referenced referenced "referenced";
    Anonymous anonymous "anonymous";
    Ksm ksm "ksm";
    LazyFree lazy_free "lazy_free";
    AnonHugePages anon_huge_pages "anon_huge_pages";
    ShmemPmdMapped shmem_pmd_mapped "shmem_pmd_mapped";
    FilePmdMapped file_pmd_mapped "file_pmd_mapped";
    SharedHugetlb shared_hugetlb "shared_hugetlb";
    PrivateHugetlb private_hugetlb "private_hugetlb";
    Swap swap "swap";
    SwapPss swap_pss "swap_pss";
    Locked locked "locked";
    }
    derived {
    Resident "resident" "In RAM: `Rss`, and hugetlb which it leaves out";
    Dirty "dirty" "What cannot be dropped (see `measure`)";
    Volatile "volatile" "Given back by MADV_FREE (or droppable), not yet taken";
    Unique "uss" "Of its own: private pages and private hugetlb";
    }
}

/// How many there are.
const COUNT: usize = Figure::ALL.len();

/// A set of figures, each known or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Figures {
    /// A bit for each figure that is known.
    known: u32,
    narrow: [u32; COUNT],
    /// All of them, as soon as one does not fit.
    wide: Option<Box<[u64; COUNT]>>,
}

impl Figures {
    /// Nothing known.
    pub const UNKNOWN: Self = Self {
        known: 0,
        narrow: [0; COUNT],
        wide: None,
    };

    /// One figure; `None` if it is not known.
    #[must_use]
    pub fn get(&self, figure: Figure) -> Option<Kib> {
        let at = figure as usize;
        let value = match &self.wide {
            None => u64::from(self.narrow[at]),
            Some(wide) => wide[at],
        };
        (self.known >> at & 1 == 1).then_some(Kib(value))
    }

    /// One figure, 0 if it is not known: for those that older kernels lack because they lack what is counted.
    pub(crate) fn or_zero(&self, figure: Figure) -> u64 {
        self.get(figure).unwrap_or_default().0
    }

    /// Set one figure.
    pub fn set(&mut self, figure: Figure, value: Option<Kib>) {
        let at = figure as usize;
        self.known = self.known & !(1 << at) | u32::from(value.is_some()) << at;
        // What is not known is kept as 0, so that equal sets are equal.
        let Kib(value) = value.unwrap_or_default();
        match (&mut self.wide, u32::try_from(value)) {
            (None, Ok(value)) => self.narrow[at] = value,
            (None, Err(_)) => {
                let mut wide = Box::new(self.narrow.map(u64::from));
                wide[at] = value;
                self.wide = Some(wide);
            }
            (Some(wide), _) => wide[at] = value,
        }
    }

    /// Add each figure that both know; one that either lacks becomes unknown.
    pub fn add(&mut self, other: &Self) {
        for &figure in Figure::ALL {
            let sum = self.get(figure).zip(other.get(figure));
            self.set(figure, sum.map(|(a, b)| Kib(a.0.saturating_add(b.0))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_counters_are_all_there() {
        let only_rolled = ["Pss_Anon", "Pss_File", "Pss_Shmem"];
        let in_smaps = Counts::NAMES.iter().filter(|name| !only_rolled.contains(name));
        assert_eq!(Figure::KERNEL.len(), in_smaps.count());
        let mut counts = Counts::zero();
        counts.locked = None;
        let figures = Figures::from(&counts);
        assert_eq!(figures.get(Figure::Rss), Some(Kib::ZERO));
        assert_eq!(figures.get(Figure::Locked), None);
        assert_eq!(figures.get(Figure::Dirty), None);
    }

    #[test]
    fn what_was_forgotten_leaves_no_trace() {
        let mut figures = Figures::UNKNOWN;
        figures.set(Figure::Rss, Some(Kib(7)));
        figures.set(Figure::Rss, None);
        assert_eq!(figures, Figures::UNKNOWN);
    }

    #[test]
    fn wide_figures_are_kept_whole() {
        let mut figures = Figures::UNKNOWN;
        figures.set(Figure::Rss, Some(Kib(7)));
        figures.set(Figure::Pss, Some(Kib(1 << 40)));
        figures.set(Figure::Swap, Some(Kib(9)));
        let sum = {
            let mut sum = figures.clone();
            sum.add(&figures);
            sum
        };
        assert_eq!(sum.get(Figure::Rss), Some(Kib(14)));
        assert_eq!(sum.get(Figure::Pss), Some(Kib(2 << 40)));
        assert_eq!(sum.get(Figure::Swap), Some(Kib(18)));
        assert_eq!(sum.get(Figure::Locked), None);
    }
}
