//! The `VmFlags:` line of `smaps`: two-letter codes ([`VmFlags`]) and the known ones as bits ([`KnownVmFlags`]).
//!
//! The codes are `show_smap_vma_flags`'s in `fs/proc/task_mmu.c`; a code that is not known stays in the list.

use bitflags::bitflags;

/// The codes in the order Linux printed them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VmFlags(pub Vec<[u8; 2]>);

macro_rules! known {
    ($($bit:literal $code:literal $name:ident $meaning:literal;)*) => {
        bitflags! {
            /// The codes of `VmFlags:` that this version knows. Bit numbers are ours; their order is Linux's.
            #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
            pub struct KnownVmFlags: u64 {
                $(
                    #[doc = concat!("`", $code, "`: ", $meaning, ".")]
                    const $name = 1 << $bit;
                )*
            }
        }

        /// Each code with its bit, in the order in which Linux prints them.
        const CODES: &[(&str, KnownVmFlags)] = &[$(($code, KnownVmFlags::$name)),*];
    };
}

known! {
    0 "rd" READ "readable";
    1 "wr" WRITE "writable";
    2 "ex" EXEC "executable";
    3 "sh" SHARED "shared";
    4 "mr" MAY_READ "mprotect may make it readable";
    5 "mw" MAY_WRITE "mprotect may make it writable";
    6 "me" MAY_EXEC "mprotect may make it executable";
    7 "ms" MAY_SHARE "may be shared: MAP_SHARED";
    8 "gd" GROWS_DOWN "grows down, as a stack does";
    9 "pf" PFN_MAP "maps frames without struct page";
    10 "lo" LOCKED "locked in memory";
    11 "io" IO "memory-mapped device";
    12 "sr" SEQ_READ "MADV_SEQUENTIAL";
    13 "rr" RAND_READ "MADV_RANDOM";
    14 "dc" DONT_COPY "not copied by fork";
    15 "de" DONT_EXPAND "mremap may not expand it";
    16 "lf" LOCK_ON_FAULT "locked as it is touched";
    17 "ac" ACCOUNT "counted against the commit limit";
    18 "nr" NO_RESERVE "MAP_NORESERVE";
    19 "ht" HUGETLB "hugetlb pages";
    20 "sf" SYNC "synchronous page faults (DAX)";
    21 "ar" ARCH_1 "architecture-specific";
    22 "wf" WIPE_ON_FORK "wiped in the child";
    23 "dd" DONT_DUMP "not in core dumps";
    24 "sd" SOFT_DIRTY "soft-dirty";
    25 "mm" MIXED_MAP "frames with and without struct page";
    26 "hg" HUGE_PAGE "MADV_HUGEPAGE";
    27 "nh" NO_HUGE_PAGE "MADV_NOHUGEPAGE";
    28 "mg" MERGEABLE "MADV_MERGEABLE (KSM)";
    29 "bt" GUARDED_CONTROL "arm64 branch target identification";
    30 "mt" MTE "arm64 memory tagging";
    31 "um" UFFD_MISSING "userfaultfd: missing pages";
    32 "uw" UFFD_WP "userfaultfd: write protection";
    33 "ui" UFFD_MINOR "userfaultfd: minor faults";
    34 "ss" SHADOW_STACK "shadow stack";
    35 "sl" SEALED "sealed (mseal)";
    36 "dp" DROPPABLE "MAP_DROPPABLE";
    37 "gu" MAYBE_GUARD "may hold guard regions";
}

impl VmFlags {
    /// The codes of these bits, in Linux's order.
    #[must_use]
    pub fn from_known(known: KnownVmFlags) -> Self {
        let code = |(code, _): &(&str, _)| match code.as_bytes() {
            &[a, b] => [a, b],
            _ => [b'?'; 2],
        };
        Self(
            CODES
                .iter()
                .filter(|(_, bit)| known.contains(*bit))
                .map(code)
                .collect(),
        )
    }

    /// Whether the code, such as `b"mw"`, is there.
    #[must_use]
    pub fn has(&self, code: &[u8; 2]) -> bool {
        self.0.contains(code)
    }

    /// The known ones as bits.
    #[must_use]
    pub fn known(&self) -> KnownVmFlags {
        let bit = |code: &[u8; 2]| {
            CODES
                .iter()
                .find(|(c, _)| c.as_bytes() == code)
                .map(|(_, bit)| *bit)
        };
        self.0.iter().filter_map(bit).collect()
    }

    /// From the line after `VmFlags:`; `None` if a word has not two letters.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        text.split(|&b| b == b' ')
            .filter(|w| !w.is_empty())
            .map(|w| w.try_into().ok())
            .collect::<Option<_>>()
            .map(Self)
    }

    /// `VmFlags: rd mr ... ` with the blank that Linux leaves at the end, and a newline.
    pub(crate) fn print_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"VmFlags: ");
        for code in &self.0 {
            out.extend_from_slice(code);
            out.push(b' ');
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_two_letters_and_its_own_bit() {
        let all = VmFlags::from_known(KnownVmFlags::all());
        assert_eq!(all.0.len(), CODES.len());
        assert_eq!(all.known(), KnownVmFlags::all());
        assert!(
            CODES
                .iter()
                .all(|(code, bit)| code.len() == 2 && bit.bits().count_ones() == 1)
        );
    }

    #[test]
    fn unknown_codes_stay() {
        let flags = VmFlags::parse(b"rd zz wr ").unwrap();
        assert!(flags.has(b"zz"));
        assert_eq!(flags.known(), KnownVmFlags::READ | KnownVmFlags::WRITE);
        let mut out = Vec::new();
        flags.print_to(&mut out);
        assert_eq!(out, b"VmFlags: rd zz wr \n");
        assert_eq!(VmFlags::parse(b"rd abc"), None);
    }
}
