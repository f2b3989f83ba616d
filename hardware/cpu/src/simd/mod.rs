//! Scalar floating point and Advanced SIMD, register to register: decoder and executor.
//!
//! [`decode`] takes any word of the class "Data Processing -- Scalar Floating-Point and Advanced SIMD" (Arm ARM
//! C4.1.96; bits 28:25 are x111) and gives a [`SimdInsn`] with every field resolved; [`execute`] runs it. Nothing here
//! touches memory, and nothing can fault. One file holds one class of the manual's encoding tables, with its decoder,
//! its table and its executor side by side; scalar and vector forms of one operation share a line, since a scalar is a
//! vector of one lane. Floating-point arithmetic proper is in [`fp`].
//!
//! Implemented: all of Armv8.0-A with its cryptography extension, FEAT_RDM, FEAT_DotProd and FEAT_FP16. What another
//! extension allocates is [`SimdDecoded::NotImplemented`] (see [`later`]); what nothing allocates is [`SimdDecoded::Unallocated`]. Both are
//! undefined instructions to a guest.

mod across;
mod by_element;
mod copy;
mod crypto;
mod float_compare;
mod float_convert;
mod float_lanes;
mod float_scalar;
mod float_unary;
mod fp;
mod immediate;
mod lanes;
mod later;
mod permute;
mod shift;
mod shift_immediate;
mod three_different;
mod three_same;
mod two_register;

use arch::Regs;

/// What a word of this class is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SimdDecoded {
    /// An instruction.
    Insn(SimdInsn),
    /// No version of the architecture gives the word a meaning.
    Unallocated,
    /// An extension that this processor does not have gives the word a meaning.
    NotImplemented,
}

/// A decoded instruction: 12 bytes at most, of no alignment, so that it fits in the processor's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SimdInsn(Operation);

/// The class of an instruction, which holds the rest of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    Across(across::Insn),
    Copy(copy::Insn),
    Crypto(crypto::Insn),
    FloatCompare(float_compare::Insn),
    FloatConvert(float_convert::Insn),
    FloatLanes(float_lanes::Insn),
    FloatUnary(float_unary::Insn),
    Immediate(immediate::Insn),
    Permute(permute::Insn),
    ShiftImmediate(shift_immediate::Insn),
    ThreeDifferent(three_different::Insn),
    ThreeSame(three_same::Insn),
    TwoRegister(two_register::Insn),
}

const _: () = assert!(size_of::<SimdInsn>() <= 12);

/// A class of the encoding table: which words are in it, and its decoder.
struct Row {
    mask: u32,
    value: u32,
    decode: fn(u32) -> Option<Operation>,
}

/// Arm ARM C4.1.96. A word belongs to the first row that matches.
#[rustfmt::skip]
const CLASSES: &[Row] = &[
    // Cryptography.
    Row { mask: 0xffff_cc00, value: 0x4e28_4800, decode: crypto::decode_aes },
    Row { mask: 0xffe0_8c00, value: 0x5e00_0000, decode: crypto::decode_sha_three },
    Row { mask: 0xffff_8c00, value: 0x5e28_0800, decode: crypto::decode_sha_two },
    Row { mask: 0xbfe0_fc00, value: 0x0ee0_e000, decode: crypto::decode_polynomial },
    // Advanced SIMD scalar.
    Row { mask: 0xdfe0_8400, value: 0x5e00_0400, decode: copy::decode_scalar },
    Row { mask: 0xdf60_c400, value: 0x5e40_0400, decode: float_lanes::decode_half_scalar },
    Row { mask: 0xdf7e_0c00, value: 0x5e78_0800, decode: two_register::decode_half_scalar },
    Row { mask: 0xdf20_8400, value: 0x5e00_8400, decode: three_same::decode_extra_scalar },
    Row { mask: 0xdf3e_0c00, value: 0x5e20_0800, decode: two_register::decode_scalar },
    Row { mask: 0xdf3e_0c00, value: 0x5e30_0800, decode: across::decode_pairwise },
    Row { mask: 0xdf20_0c00, value: 0x5e20_0000, decode: three_different::decode_scalar },
    Row { mask: 0xdf20_0400, value: 0x5e20_0400, decode: three_same::decode_scalar },
    Row { mask: 0xdf80_0400, value: 0x5f00_0400, decode: shift_immediate::decode_scalar },
    Row { mask: 0xdf00_0400, value: 0x5f00_0000, decode: by_element::decode_scalar },
    // Advanced SIMD vector.
    Row { mask: 0xbfe0_8c00, value: 0x0e00_0000, decode: permute::decode_table },
    Row { mask: 0xbf20_8c00, value: 0x0e00_0800, decode: permute::decode_interleave },
    Row { mask: 0xbfe0_8400, value: 0x2e00_0000, decode: permute::decode_extract },
    Row { mask: 0x9fe0_8400, value: 0x0e00_0400, decode: copy::decode_vector },
    Row { mask: 0x9f60_c400, value: 0x0e40_0400, decode: float_lanes::decode_half_vector },
    Row { mask: 0x9f7e_0c00, value: 0x0e78_0800, decode: two_register::decode_half_vector },
    Row { mask: 0x9f20_8400, value: 0x0e00_8400, decode: three_same::decode_extra_vector },
    Row { mask: 0x9f3e_0c00, value: 0x0e20_0800, decode: two_register::decode_vector },
    Row { mask: 0x9f3e_0c00, value: 0x0e30_0800, decode: across::decode_vector },
    Row { mask: 0x9f20_0c00, value: 0x0e20_0000, decode: three_different::decode_vector },
    Row { mask: 0x9f20_0400, value: 0x0e20_0400, decode: three_same::decode_vector },
    Row { mask: 0x9ff8_0400, value: 0x0f00_0400, decode: immediate::decode },
    Row { mask: 0x9f80_0400, value: 0x0f00_0400, decode: shift_immediate::decode_vector },
    Row { mask: 0x9f00_0400, value: 0x0f00_0000, decode: by_element::decode_vector },
    // Scalar floating point.
    Row { mask: 0x7f20_0000, value: 0x1e00_0000, decode: float_convert::decode_fixed },
    Row { mask: 0x7f20_fc00, value: 0x1e20_0000, decode: float_convert::decode_integer },
    Row { mask: 0xff20_7c00, value: 0x1e20_4000, decode: float_scalar::decode_one_source },
    Row { mask: 0xff20_3c00, value: 0x1e20_2000, decode: float_compare::decode_compare },
    Row { mask: 0xff20_1fe0, value: 0x1e20_1000, decode: immediate::decode_scalar },
    Row { mask: 0xff20_0c00, value: 0x1e20_0400, decode: float_compare::decode_conditional },
    Row { mask: 0xff20_0c00, value: 0x1e20_0800, decode: float_scalar::decode_two_source },
    Row { mask: 0xff20_0c00, value: 0x1e20_0c00, decode: float_compare::decode_select },
    Row { mask: 0xff00_0000, value: 0x1f00_0000, decode: float_scalar::decode_three_source },
];

/// Decodes a word whose bits 28:25 are x111.
pub(crate) fn decode(word: u32) -> SimdDecoded {
    let row = CLASSES.iter().find(|row| word & row.mask == row.value);
    match row.and_then(|row| (row.decode)(word)) {
        Some(operation) => SimdDecoded::Insn(SimdInsn(operation)),
        None if later::is_allocated(word) => SimdDecoded::NotImplemented,
        None => SimdDecoded::Unallocated,
    }
}

/// Runs one instruction. The program counter is the caller's.
#[inline]
pub(crate) fn execute(insn: &SimdInsn, regs: &mut Regs) {
    match insn.0 {
        Operation::Across(insn) => insn.execute(regs),
        Operation::Copy(insn) => insn.execute(regs),
        Operation::Crypto(insn) => insn.execute(regs),
        Operation::FloatCompare(insn) => insn.execute(regs),
        Operation::FloatConvert(insn) => insn.execute(regs),
        Operation::FloatLanes(insn) => insn.execute(regs),
        Operation::FloatUnary(insn) => insn.execute(regs),
        Operation::Immediate(insn) => insn.execute(regs),
        Operation::Permute(insn) => insn.execute(regs),
        Operation::ShiftImmediate(insn) => insn.execute(regs),
        Operation::ThreeDifferent(insn) => insn.execute(regs),
        Operation::ThreeSame(insn) => insn.execute(regs),
        Operation::TwoRegister(insn) => insn.execute(regs),
    }
}
