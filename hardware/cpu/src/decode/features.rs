//! Which optional part of the architecture a word needs: a table of encodings, by which a processor with fewer
//! [`Features`] than the decoder knows leaves them undefined.

use arch::{Feature, Features};

use super::{Decoded, decode};
use crate::insn::{Insn, SysReg};

/// Words that a feature adds; `None` takes words out of a later row.
struct Row {
    mask: u32,
    value: u32,
    feature: Option<Feature>,
}

const fn row(mask: u32, value: u32, feature: Feature) -> Row {
    Row {
        mask,
        value,
        feature: Some(feature),
    }
}

/// The first row that matches says what is needed. Ask only for words that decode to an instruction.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(0xffff_cc00, 0x4e28_4800, Feature::Aes),
    row(0xffff_fc00, 0x5e28_2800, Feature::Sha256),
    row(0xffff_cc00, 0x5e28_0800, Feature::Sha1),
    row(0xffe0_cc00, 0x5e00_0000, Feature::Sha1),
    row(0xffe0_cc00, 0x5e00_4000, Feature::Sha256),
    row(0xbfe0_fc00, 0x0ee0_e000, Feature::Pmull),
    row(0x7fe0_e000, 0x1ac0_4000, Feature::Crc32),
    // LDAPR, then the atomics around it; CAS; CASP.
    row(0x3f20_fc00, 0x3820_c000, Feature::Lrcpc),
    row(0x3f20_0c00, 0x3820_0000, Feature::Lse),
    row(0x3fa0_7c00, 0x08a0_7c00, Feature::Lse),
    row(0xbfa0_7c00, 0x0820_7c00, Feature::Lse),
    row(0x3f20_0c00, 0x1900_0000, Feature::Lrcpc2),
    row(0xffff_ffe0, 0xd50b_7c20, Feature::Dpb),
    row(0xffff_0000, 0xd538_0000, Feature::Identification),
    // Three same extra; by element.
    row(0xbf20_f400, 0x2e00_8400, Feature::Rdm),
    row(0xff20_f400, 0x7e00_8400, Feature::Rdm),
    row(0xbf00_d400, 0x2f00_d000, Feature::Rdm),
    row(0xff00_d400, 0x7f00_d000, Feature::Rdm),
    row(0x9f20_fc00, 0x0e00_9400, Feature::DotProd),
    row(0x9f00_f400, 0x0f00_e000, Feature::DotProd),
    // Half precision. Scalars have ptype 11; FCVT is of Armv8.0.
    Row { mask: 0xfffe_7c00, value: 0x1ee2_4000, feature: None },
    row(0x7ec0_0000, 0x1ec0_0000, Feature::Fp16),
    // Three same, two registers, across and pairwise, by element, fixed point, FMOV of an immediate.
    row(0x9f60_c400, 0x0e40_0400, Feature::Fp16),
    row(0xdf60_c400, 0x5e40_0400, Feature::Fp16),
    row(0x9f7e_0c00, 0x0e78_0800, Feature::Fp16),
    row(0xdf7e_0c00, 0x5e78_0800, Feature::Fp16),
    row(0xbf3f_cc00, 0x0e30_c800, Feature::Fp16),
    row(0xff3f_cc00, 0x5e30_c800, Feature::Fp16),
    row(0x9fc0_0400, 0x0f00_0000, Feature::Fp16),
    row(0xdfc0_0400, 0x5f00_0000, Feature::Fp16),
    row(0x9ff0_e400, 0x0f10_e400, Feature::Fp16),
    row(0xdff0_e400, 0x5f10_e400, Feature::Fp16),
    row(0xbff8_fc00, 0x0f00_fc00, Feature::Fp16),
];

/// The feature that a word needs, if it is an instruction that not every processor has.
pub fn required(word: u32) -> Option<Feature> {
    ROWS.iter().find(|row| word & row.mask == row.value)?.feature
}

/// Decodes a word for a processor with these features: what needs another is an instruction that it lacks, and the
/// identification registers tell what it has.
pub fn decode_for(word: u32, features: Features) -> Decoded {
    let decoded = decode(word);
    if !matches!(decoded, Decoded::Insn(_)) {
        return decoded;
    }
    if required(word).is_some_and(|feature| !features.has(feature)) {
        return Insn::Undefined { word }.into();
    }
    match decoded {
        Decoded::Insn(Insn::Mrs {
            rt,
            register: SysReg::Identity { register, .. },
        }) => Insn::Mrs {
            rt,
            register: SysReg::Identity { register, features },
        }
        .into(),
        other => other,
    }
}
