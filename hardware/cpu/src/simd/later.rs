//! What extensions after Armv8.0 allocate among the words that are not instructions
//! here: the difference between "this processor does not have it" and "nothing has it".
//!
//! Half-precision arithmetic (FEAT_FP16) mirrors single precision: each of its words has a twin there, and is
//! allocated if the twin is. The others are listed.

use super::{Operation, SimdDecoded, SimdInsn, decode, float_convert};

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
    // FEAT_FP16: three source, conversions, the moves that single precision has at another size, immediates.
    Row { mask: 0xfffe_0000, value: 0x9ec2_0000 },
    Row { mask: 0xfffe_8000, value: 0x1ec2_8000 },
    Row { mask: 0xfffe_0000, value: 0x9ed8_0000 },
    Row { mask: 0xfffe_8000, value: 0x1ed8_8000 },
    Row { mask: 0x7ff8_fc00, value: 0x1ee0_0000 },
    Row { mask: 0xbff8_fc00, value: 0x0f00_fc00 },
    // FEAT_RDM.
    Row { mask: 0xbfe0_f400, value: 0x2e40_8400 },
    Row { mask: 0xbfe0_f400, value: 0x2e80_8400 },
    Row { mask: 0xffe0_f400, value: 0x7e40_8400 },
    Row { mask: 0xffe0_f400, value: 0x7e80_8400 },
    Row { mask: 0xbfc0_d400, value: 0x2f40_d000 },
    Row { mask: 0xbfc0_d400, value: 0x2f80_d000 },
    Row { mask: 0xffc0_d400, value: 0x7f40_d000 },
    Row { mask: 0xffc0_d400, value: 0x7f80_d000 },
    // FEAT_DotProd, FEAT_I8MM.
    Row { mask: 0x9fe0_fc00, value: 0x0e80_9400 },
    Row { mask: 0xbfe0_fc00, value: 0x0e80_9c00 },
    Row { mask: 0x9fc0_f400, value: 0x0f80_e000 },
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

/// A class of FEAT_FP16, and how to get the twin: the bits that change, after some are set.
struct Twin {
    mask: u32,
    value: u32,
    set: u32,
    flip: u32,
}

#[rustfmt::skip]
const TWINS: &[Twin] = &[
    // Scalar: ptype 11 becomes 00.
    Twin { mask: 0xfec0_0000, value: 0x1ec0_0000, set: 0, flip: 0x00c0_0000 },
    Twin { mask: 0x7fe0_fc00, value: 0x1ee0_0000, set: 0, flip: 0x00c0_0000 },
    // Three same, vector and scalar.
    Twin { mask: 0x9f60_c400, value: 0x0e40_0400, set: 0xc000, flip: 0x0060_0000 },
    Twin { mask: 0xdf60_c400, value: 0x5e40_0400, set: 0xc000, flip: 0x0060_0000 },
    // Two-register miscellaneous, vector and scalar.
    Twin { mask: 0x9f7e_0c00, value: 0x0e78_0800, set: 0, flip: 0x0058_0000 },
    Twin { mask: 0xdf7e_0c00, value: 0x5e78_0800, set: 0, flip: 0x0058_0000 },
    // Across lanes, of four or eight halves; scalar pairwise. U becomes 1.
    Twin { mask: 0xbf7f_cc00, value: 0x0e30_c800, set: 0x4000_0000, flip: 0x2000_0000 },
    Twin { mask: 0xff7f_cc00, value: 0x5e30_c800, set: 0, flip: 0x2000_0000 },
    // By element, vector and scalar; the index may use the bit that doubles leave 0.
    Twin { mask: 0x9fc0_0400, value: 0x0f00_0000, set: 0, flip: 0x0080_0000 },
    Twin { mask: 0xdfc0_0400, value: 0x5f00_0000, set: 0, flip: 0x0080_0000 },
    // Fixed point, vector and scalar: immh 001x becomes 010x.
    Twin { mask: 0x9ff0_0400, value: 0x0f10_0400, set: 0, flip: 0x0030_0000 },
    Twin { mask: 0xdff0_0400, value: 0x5f10_0400, set: 0, flip: 0x0030_0000 },
];

/// Whether some extension gives the word a meaning. Ask only for words that are not of Armv8.0-A.
pub(super) fn is_allocated(word: u32) -> bool {
    ROWS.iter().any(|row| word & row.mask == row.value) || has_twin(word)
}

fn has_twin(word: u32) -> bool {
    TWINS
        .iter()
        .filter(|twin| word & twin.mask == twin.value)
        .any(|twin| match decode((word | twin.set) ^ twin.flip) {
            SimdDecoded::Insn(SimdInsn(insn)) => is_float(insn),
            _ => false,
        })
}

/// Whether an operation has a form in half precision: all of floating point, but not what changes precision.
fn is_float(insn: Operation) -> bool {
    use float_convert::Insn::{Long, Narrow, Precision};
    match insn {
        Operation::FloatConvert(Precision { .. } | Narrow { .. } | Long { .. }) => false,
        Operation::FloatConvert(_)
        | Operation::FloatLanes(_)
        | Operation::FloatUnary(_)
        | Operation::FloatCompare(_) => true,
        // FMOV of a scalar and its immediate; the reductions, whose integer forms have no U like this.
        Operation::Copy(_) | Operation::Immediate(_) | Operation::Across(_) => true,
        _ => false,
    }
}
