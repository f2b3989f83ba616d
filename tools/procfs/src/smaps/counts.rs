//! The counters of `smaps` and `smaps_rollup` ([`Counts`]), and their places in a record of learned shape ([`Places`]).

use super::columns::{COLUMNS, ColumnReader, Place};
use crate::Kib;
use crate::text::{put_column24, put_decimal};

macro_rules! counts {
    ($($name:literal $field:ident $meaning:literal;)*) => {
        /// The counters that `smaps` prints for each mapping and `smaps_rollup` for all together.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct Counts {
            $(
                #[doc = concat!("`", $name, "`: ", $meaning, ".")]
                pub $field: Option<Kib>,
            )*
            /// `FilePmdMapped` stands one column to the left, as kernels 5.4 to 5.8 print it.
            pub file_pmd_is_short: bool,
        }

        impl Counts {
            /// The names of the counters, in Linux's order, as both files print them.
            pub const NAMES: &[&str] = &[$($name),*];

            pub(super) fn field_mut(&mut self, name: &[u8]) -> Option<(&'static str, &mut Option<Kib>)> {
                match str::from_utf8(name).ok()? {
                    $($name => Some(($name, &mut self.$field)),)*
                    _ => None,
                }
            }

            pub(super) fn print_to(&self, out: &mut Vec<u8>) {
                $(
                    if $name == FILE_PMD && self.file_pmd_is_short {
                        put_short(out, $name, self.$field);
                    } else {
                        put_kib(out, $name, self.$field);
                    }
                )*
            }

            /// Add each counter that both have; a counter that one lacks becomes unknown.
            pub fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.zip(other.$field).map(|(a, b)| Kib(a.0.saturating_add(b.0)));)*
            }

            /// All counters known and 0.
            #[must_use]
            pub fn zero() -> Self {
                Self { $($field: Some(Kib::ZERO),)* file_pmd_is_short: false }
            }
        }

        /// Where each counter's columns stand in a record's body; [`Place::ABSENT`] if it is not printed.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Places {
            $($field: Place,)*
        }

        impl Places {
            pub(super) fn field_mut(&mut self, name: &[u8]) -> Option<&mut Place> {
                match str::from_utf8(name).ok()? {
                    $($name => Some(&mut self.$field),)*
                    _ => None,
                }
            }

            /// Read every counter.
            #[inline]
            pub(super) fn read(&self, columns: &mut ColumnReader<'_>, counts: &mut Counts) {
                $(counts.$field = columns.kib(self.$field);)*
            }
        }
    };
}

counts! {
    "Rss" rss "resident, without hugetlb, zero pages and frames without struct page";
    "Pss" pss "resident, each page divided by the number of its mappers";
    "Pss_Dirty" pss_dirty "the dirty part of `Pss`";
    "Pss_Anon" pss_anon "the anonymous part of `Pss` (rollup only)";
    "Pss_File" pss_file "the file part of `Pss` (rollup only)";
    "Pss_Shmem" pss_shmem "the shared-memory part of `Pss` (rollup only)";
    "Shared_Clean" shared_clean "clean, mapped at least twice (perhaps by one process)";
    "Shared_Dirty" shared_dirty "dirty, mapped at least twice";
    "Private_Clean" private_clean "clean, mapped once";
    "Private_Dirty" private_dirty "dirty, mapped once; includes dirty page cache";
    "Referenced" referenced "accessed lately";
    "Anonymous" anonymous "pages that belong to no file";
    "KSM" ksm "merged by KSM";
    "LazyFree" lazy_free "given back by MADV_FREE, not yet taken";
    "AnonHugePages" anon_huge_pages "anonymous memory in huge pages";
    "ShmemPmdMapped" shmem_pmd_mapped "shared memory mapped by huge entries";
    "FilePmdMapped" file_pmd_mapped "file pages mapped by huge entries";
    "Shared_Hugetlb" shared_hugetlb "hugetlb mapped at least twice; not in `Rss`";
    "Private_Hugetlb" private_hugetlb "hugetlb mapped once; not in `Rss`";
    "Swap" swap "swapped out; of shared memory, the object's swap in this range";
    "SwapPss" swap_pss "the proportional share of `Swap`";
    "Locked" locked "locked, in units of `Pss`";
}

const FILE_PMD: &str = "FilePmdMapped";

/// The column in which a value ends that fits its columns.
const VALUE_END: usize = 24;

impl Counts {
    /// Note how the text after a counter's colon is laid out, if it is the one that kernels lay out in two ways.
    pub(super) fn note_layout(&mut self, name: &str, value: &[u8]) {
        if name == FILE_PMD {
            let is_full = value.len() >= VALUE_END - "FilePmdMapped:".len() + " kB".len();
            self.file_pmd_is_short = !is_full || value.get(1).is_some_and(u8::is_ascii_digit);
        }
    }
}

/// As [`put_kib`], one column to the left.
fn put_short(out: &mut Vec<u8>, name: &str, value: Option<Kib>) {
    if let Some(value) = value {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        put_decimal(out, value.0, COLUMNS);
        out.extend_from_slice(b" kB\n");
    }
}

pub(super) fn put_kib(out: &mut Vec<u8>, name: &str, value: Option<Kib>) {
    if let Some(value) = value {
        put_column24(out, name, value.0);
        out.extend_from_slice(b" kB\n");
    }
}
