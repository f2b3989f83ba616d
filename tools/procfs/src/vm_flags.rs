//! The `VmFlags:` line of `smaps`: two-letter codes ([`VmFlags`]) and the known ones as bits ([`KnownVmFlags`]).
//!
//! The codes are `show_smap_vma_flags`'s in `fs/proc/task_mmu.c`. A line of known codes in the usual order, which is what nearly every
//! record holds, is one word; any other line is kept as the list that it is.

use bitflags::bitflags;

/// The codes of one mapping, in the order in which Linux printed them. Equal values print equal lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VmFlags {
    known: KnownVmFlags,
    /// All the codes, if `known` alone does not tell them: some are not known, or not in the order of [`CODES`].
    listed: Box<[Code]>,
}

/// Two letters.
pub type Code = [u8; 2];

macro_rules! known {
    ($($bit:literal $code:literal $name:ident $meaning:literal;)*) => {
        bitflags! {
            /// The codes of `VmFlags:` that this version knows. Bit numbers are ours; their order is that in which
            /// Linux prints them, by the number of the `VM_` bit (`include/linux/mm.h`).
            #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
            pub struct KnownVmFlags: u64 {
                $(
                    #[doc = concat!("`", $code, "`: ", $meaning, ".")]
                    const $name = 1 << $bit;
                )*
            }
        }

        /// The code of each bit, in the order of the bits.
        const CODES: &[Code] = &[$(letters($code)),*];
    };
}

/// A code of the table; two letters, or the build fails.
const fn letters(code: &str) -> Code {
    match code.as_bytes() {
        &[a, b] => [a, b],
        _ => panic!("a code has two letters"),
    }
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
    9 "um" UFFD_MISSING "userfaultfd: missing pages";
    10 "pf" PFN_MAP "maps frames without struct page";
    11 "gu" MAYBE_GUARD "may hold guard regions";
    12 "dw" DENY_WRITE "the file cannot be written (before 5.16)";
    13 "uw" UFFD_WP "userfaultfd: write protection";
    14 "lo" LOCKED "locked in memory";
    15 "io" IO "memory-mapped device";
    16 "sr" SEQ_READ "MADV_SEQUENTIAL";
    17 "rr" RAND_READ "MADV_RANDOM";
    18 "dc" DONT_COPY "not copied by fork";
    19 "de" DONT_EXPAND "mremap may not expand it";
    20 "lf" LOCK_ON_FAULT "locked as it is touched";
    21 "ac" ACCOUNT "counted against the commit limit";
    22 "nr" NO_RESERVE "MAP_NORESERVE";
    23 "ht" HUGETLB "hugetlb pages";
    24 "sf" SYNC "synchronous page faults (DAX)";
    25 "ar" ARCH_1 "architecture-specific";
    26 "bt" GUARDED_CONTROL "arm64 branch target identification";
    27 "wf" WIPE_ON_FORK "wiped in the child";
    28 "dd" DONT_DUMP "not in core dumps";
    29 "sd" SOFT_DIRTY "soft-dirty";
    30 "mm" MIXED_MAP "frames with and without struct page";
    31 "hg" HUGE_PAGE "MADV_HUGEPAGE";
    32 "nh" NO_HUGE_PAGE "MADV_NOHUGEPAGE";
    33 "mg" MERGEABLE "MADV_MERGEABLE (KSM)";
    34 "mt" MTE "arm64 memory tagging";
    35 "ui" UFFD_MINOR "userfaultfd: minor faults";
    36 "ss" SHADOW_STACK "shadow stack";
    37 "dp" DROPPABLE "MAP_DROPPABLE";
    38 "sl" SEALED "sealed (mseal)";
}

/// No known code.
const NOT_KNOWN: u8 = u8::MAX;

/// The bit number of each pair of lower-case letters.
const BITS: [u8; 26 * 26] = {
    let mut bits = [NOT_KNOWN; 26 * 26];
    let mut bit = 0;
    while bit < CODES.len() {
        let [a, b] = CODES[bit];
        bits[(a - b'a') as usize * 26 + (b - b'a') as usize] = bit as u8;
        bit += 1;
    }
    bits
};

fn bit_number(&[a, b]: &Code) -> Option<u8> {
    let (a, b) = (a.wrapping_sub(b'a'), b.wrapping_sub(b'a'));
    if a >= 26 || b >= 26 {
        return None;
    }
    let bit = BITS[usize::from(a) * 26 + usize::from(b)];
    (bit != NOT_KNOWN).then_some(bit)
}

impl VmFlags {
    /// The codes of these bits, in Linux's order.
    #[must_use]
    pub fn from_known(known: KnownVmFlags) -> Self {
        Self {
            known: known & KnownVmFlags::all(),
            listed: Box::default(),
        }
    }

    /// These codes in this order.
    #[must_use]
    pub fn from_codes(codes: impl IntoIterator<Item = Code>) -> Self {
        let listed: Vec<Code> = codes.into_iter().collect();
        let mut flags = Self::default();
        flags.set_listed(&listed);
        flags
    }

    /// Whether the code, such as `b"mw"`, is there.
    #[must_use]
    pub fn has(&self, code: &Code) -> bool {
        match bit_number(code) {
            Some(bit) => self.known.bits() & 1 << bit != 0,
            None => self.listed.contains(code),
        }
    }

    /// The known ones as bits.
    #[must_use]
    pub fn known(&self) -> KnownVmFlags {
        self.known
    }

    /// The codes in the order in which Linux printed them.
    pub fn codes(&self) -> impl Iterator<Item = Code> + '_ {
        let known = if self.listed.is_empty() {
            self.known.bits()
        } else {
            0
        };
        let in_order = CODES
            .iter()
            .enumerate()
            .filter(move |(bit, _)| known & 1 << bit != 0);
        in_order.map(|(_, code)| *code).chain(self.listed.iter().copied())
    }

    /// The line's text without its caption, such as `rd wr mr mw me ac`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for [a, b] in self.codes() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.extend([a, b].map(char::from));
        }
        text
    }

    /// From the line after `VmFlags:`; `None` if a word has not two letters.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut flags = Self::default();
        flags.parse_into(text).then_some(flags)
    }

    /// As [`Self::parse`], into a value whose memory is used again. What stands in it after `false` means nothing.
    pub(crate) fn parse_into(&mut self, text: &[u8]) -> bool {
        self.listed = Box::default();
        match plain(text) {
            Some(known) => {
                self.known = known;
                true
            }
            None => self.parse_list(text),
        }
    }

    fn parse_list(&mut self, text: &[u8]) -> bool {
        let words = text.split(|&b| b == b' ').filter(|w| !w.is_empty());
        let codes: Option<Vec<Code>> = words.map(|w| w.try_into().ok()).collect();
        codes.is_some_and(|codes| {
            self.set_listed(&codes);
            true
        })
    }

    fn set_listed(&mut self, codes: &[Code]) {
        self.known = codes.iter().filter_map(bit_number).map(flag).collect();
        self.listed = Box::default();
        if !codes.iter().copied().eq(self.codes()) {
            self.listed = codes.into();
        }
    }

    /// `VmFlags: rd mr ... ` with the blank that Linux leaves at the end, and a newline.
    pub(crate) fn print_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"VmFlags: ");
        for code in self.codes() {
            out.extend_from_slice(&code);
            out.push(b' ');
        }
        out.push(b'\n');
    }
}

fn flag(bit: u8) -> KnownVmFlags {
    KnownVmFlags::from_bits_truncate(1 << bit)
}

/// The text as a kernel prints it, of known codes in ascending order: one blank, then each code with a blank after it.
fn plain(text: &[u8]) -> Option<KnownVmFlags> {
    let (words, rest) = text.strip_prefix(b" ")?.as_chunks::<3>();
    if !rest.is_empty() {
        return None;
    }
    let (mut bits, mut lowest) = (0_u64, 1_u64);
    for &[a, b, blank] in words {
        let bit = 1 << bit_number(&[a, b])?;
        if blank != b' ' || bit < lowest {
            return None;
        }
        bits |= bit;
        lowest = bit << 1;
    }
    Some(KnownVmFlags::from_bits_truncate(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(flags: &VmFlags) -> String {
        let mut out = Vec::new();
        flags.print_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_code_has_its_own_bit() {
        let all = VmFlags::from_known(KnownVmFlags::all());
        assert_eq!(all.codes().count(), CODES.len());
        assert_eq!(VmFlags::from_codes(all.codes()), all);
        assert_eq!(all.known().bits().count_ones() as usize, CODES.len());
        assert!(
            CODES
                .iter()
                .enumerate()
                .all(|(i, code)| bit_number(code) == Some(i as u8))
        );
    }

    #[test]
    fn known_codes_in_order_take_no_list() {
        let flags = VmFlags::parse(b" rd wr mr mw me ac ").unwrap();
        assert!(flags.listed.is_empty() && flags.has(b"ac") && !flags.has(b"ex"));
        assert_eq!(printed(&flags), "VmFlags: rd wr mr mw me ac \n");
        assert_eq!(flags.text(), "rd wr mr mw me ac");
        assert_eq!(VmFlags::parse(b"rd wr  mr mw me ac").unwrap(), flags);
        assert_eq!(printed(&VmFlags::parse(b" ").unwrap()), "VmFlags: \n");
    }

    #[test]
    fn unknown_codes_and_odd_orders_stay() {
        for text in [" rd zz wr ", " wr rd ", " rd rd ", " ZZ \u{1}? rd "] {
            let flags = VmFlags::parse(text.as_bytes()).unwrap();
            assert_eq!(printed(&flags), format!("VmFlags:{text}\n"));
            assert!(flags.has(b"rd"));
        }
        let flags = VmFlags::parse(b" rd zz wr ").unwrap();
        assert!(flags.has(b"zz") && !flags.has(b"zy"));
        assert_eq!(flags.known(), KnownVmFlags::READ | KnownVmFlags::WRITE);
        assert_eq!(VmFlags::parse(b"rd abc"), None);
        assert_eq!(VmFlags::parse(b" rd w "), None);
    }

    #[test]
    fn a_value_used_again_forgets_its_list() {
        let mut flags = VmFlags::parse(b" zz ").unwrap();
        assert!(flags.parse_into(b" rd "));
        assert_eq!(flags, VmFlags::from_known(KnownVmFlags::READ));
    }
}
