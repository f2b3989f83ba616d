//! What extensions after Armv8.0, and the optional cryptography, allocate among the words that are not instructions
//! here: the difference between "this processor does not have it" and "nothing has it".

/// A group of words that an extension gives a meaning.
struct Row {
    mask: u32,
    value: u32,
}

/// Arm ARM C4.1.96, feature by feature. A few unallocated words inside a group count as allocated.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // FEAT_AES; FEAT_SHA1 and FEAT_SHA256; FEAT_PMULL's 64-bit form.
    Row { mask: 0xffff_cc00, value: 0x4e28_4800 },
    Row { mask: 0xffe0_8c00, value: 0x5e00_0000 },
    Row { mask: 0xffff_cc00, value: 0x5e28_0800 },
    Row { mask: 0xbfe0_fc00, value: 0x0ee0_e000 },
    // FEAT_SHA512, FEAT_SHA3, FEAT_SM3, FEAT_SM4.
    Row { mask: 0xff00_0000, value: 0xce00_0000 },
    // FEAT_FP16: scalar arithmetic, conversions, comparisons (ptype 11).
    Row { mask: 0x5fc0_0000, value: 0x1ec0_0000 },
    // FEAT_FP16: three same, two-register miscellaneous, across lanes, by element, immediate, shift.
    Row { mask: 0x9f60_c400, value: 0x0e40_0400 },
    Row { mask: 0xdf60_c400, value: 0x5e40_0400 },
    Row { mask: 0x9f7e_0c00, value: 0x0e78_0800 },
    Row { mask: 0xdf7e_0c00, value: 0x5e78_0800 },
    Row { mask: 0xbf3e_0c00, value: 0x0e30_0800 },
    Row { mask: 0xff3e_0c00, value: 0x5e30_0800 },
    Row { mask: 0x9fc0_0400, value: 0x0f00_0000 },
    Row { mask: 0xdfc0_0400, value: 0x5f00_0000 },
    Row { mask: 0xbff8_fc00, value: 0x0f00_fc00 },
    Row { mask: 0x9ff0_fc00, value: 0x0f10_e400 },
    Row { mask: 0x9ff0_fc00, value: 0x0f10_fc00 },
    Row { mask: 0xdff0_fc00, value: 0x5f10_e400 },
    Row { mask: 0xdff0_fc00, value: 0x5f10_fc00 },
    // FEAT_RDM, FEAT_DotProd, FEAT_FCMA, FEAT_I8MM, FEAT_BF16: three same extra.
    Row { mask: 0x9f20_8400, value: 0x0e00_8400 },
    Row { mask: 0xdf20_8400, value: 0x5e00_8400 },
    // The same by element, and FEAT_FHM.
    Row { mask: 0xbf00_d400, value: 0x2f00_d000 },
    Row { mask: 0xff00_d400, value: 0x7f00_d000 },
    Row { mask: 0x9f00_f400, value: 0x0f00_e000 },
    Row { mask: 0xbf00_f400, value: 0x0f00_f000 },
    Row { mask: 0xbf00_9400, value: 0x2f00_1000 },
    Row { mask: 0xbfc0_b400, value: 0x0f80_0000 },
    Row { mask: 0xbfc0_b400, value: 0x2f80_8000 },
    // FEAT_FHM: three same.
    Row { mask: 0xbf60_fc00, value: 0x0e20_ec00 },
    Row { mask: 0xbf60_fc00, value: 0x2e20_cc00 },
    // FEAT_JSCVT; FEAT_FRINTTS, scalar and vector; FEAT_BF16's conversions.
    Row { mask: 0xffff_fc00, value: 0x1e7e_0000 },
    Row { mask: 0xffbe_7c00, value: 0x1e28_4000 },
    Row { mask: 0x9fbf_ec00, value: 0x0e21_e800 },
    Row { mask: 0xffff_fc00, value: 0x1e63_4000 },
    Row { mask: 0xbfff_fc00, value: 0x0ea1_6800 },
];

/// Whether some extension gives the word a meaning. Ask only for words that are not of Armv8.0-A.
pub(super) fn is_allocated(word: u32) -> bool {
    ROWS.iter().any(|row| word & row.mask == row.value)
}
