//! What extensions allocate that this processor does not have, among the words that are not instructions here: the
//! difference between "this processor does not have it" and "nothing has it".

/// Words that an extension gives a meaning.
struct Row {
    mask: u32,
    value: u32,
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // FEAT_SHA512, FEAT_SHA3, FEAT_SM3, FEAT_SM4.
    Row { mask: 0xffe0_f000, value: 0xce60_8000 },
    Row { mask: 0xffe0_f800, value: 0xce60_c000 },
    Row { mask: 0xffe0_fc00, value: 0xce60_c800 },
    Row { mask: 0xffff_f800, value: 0xcec0_8000 },
    Row { mask: 0xffc0_8000, value: 0xce00_0000 },
    Row { mask: 0xffe0_8000, value: 0xce40_0000 },
    Row { mask: 0xffe0_c000, value: 0xce40_8000 },
    Row { mask: 0xffe0_0000, value: 0xce80_0000 },
    // FEAT_I8MM.
    Row { mask: 0xbfe0_fc00, value: 0x0e80_9c00 },
    Row { mask: 0xdfe0_fc00, value: 0x4e80_a400 },
    Row { mask: 0xffe0_fc00, value: 0x4e80_ac00 },
    // FEAT_I8MM and FEAT_BF16 by element.
    Row { mask: 0xbf00_f400, value: 0x0f00_f000 },
    // FEAT_BF16.
    Row { mask: 0xbfe0_fc00, value: 0x2e40_fc00 },
    Row { mask: 0xbfe0_fc00, value: 0x2ec0_fc00 },
    Row { mask: 0xffe0_fc00, value: 0x6e40_ec00 },
    Row { mask: 0xffff_fc00, value: 0x1e63_4000 },
    Row { mask: 0xbfff_fc00, value: 0x0ea1_6800 },
    // FEAT_FCMA.
    Row { mask: 0xbfe0_e400, value: 0x2e40_c400 },
    Row { mask: 0xbfe0_e400, value: 0x2e80_c400 },
    Row { mask: 0xffe0_e400, value: 0x6ec0_c400 },
    Row { mask: 0xbfe0_ec00, value: 0x2e40_e400 },
    Row { mask: 0xbfe0_ec00, value: 0x2e80_e400 },
    Row { mask: 0xffe0_ec00, value: 0x6ec0_e400 },
    Row { mask: 0xffc0_9c00, value: 0x2f40_1000 },
    Row { mask: 0xffc0_9400, value: 0x6f40_1000 },
    Row { mask: 0xffe0_9400, value: 0x6f80_1000 },
    // FEAT_FHM.
    Row { mask: 0xbf60_fc00, value: 0x0e20_ec00 },
    Row { mask: 0xbf60_fc00, value: 0x2e20_cc00 },
    Row { mask: 0xbfc0_b400, value: 0x0f80_0000 },
    Row { mask: 0xbfc0_b400, value: 0x2f80_8000 },
    // FEAT_JSCVT; FEAT_FRINTTS, scalar and vector.
    Row { mask: 0xffff_fc00, value: 0x1e7e_0000 },
    Row { mask: 0xffbe_7c00, value: 0x1e28_4000 },
    Row { mask: 0x9fff_ec00, value: 0x0e21_e800 },
    Row { mask: 0xdfff_ec00, value: 0x4e61_e800 },
];

/// Whether some extension gives the word a meaning. Ask only for words that are no instruction here.
pub(super) fn is_allocated(word: u32) -> bool {
    ROWS.iter().any(|row| word & row.mask == row.value)
}
