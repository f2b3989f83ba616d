//! Instructions whose operand is an immediate: MOVI, MVNI, ORR, BIC and FMOV of vectors, FMOV of scalars.

use arch::Regs;

use super::Operation;
use super::float_lanes::by_format;
use super::float_scalar;
use super::fp::{Double, Format, Half, Single};
use super::lanes::{Size, Span, V, bit, field};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Set,
    Or,
    AndNot,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Insn {
    op: Op,
    span: Span,
    rd: V,
    /// 64 bits, little endian: as bytes, so that the instruction needs no alignment.
    pattern: [u8; 8],
}

/// VFPExpandImm: sign, three bits of exponent, four of fraction.
fn expand_float<F: Format>(imm8: u32) -> u64 {
    let imm8 = u64::from(imm8);
    let exp_bits = F::BITS - 1 - F::FRAC;
    let exponent = if imm8 & 0x40 != 0 {
        (1 << (exp_bits - 1)) - 4
    } else {
        1 << (exp_bits - 1)
    };
    let sign = if imm8 & 0x80 != 0 { F::SIGN } else { 0 };
    sign | (exponent + (imm8 >> 4 & 3)) << F::FRAC | (imm8 & 15) << (F::FRAC - 4)
}

/// AdvSIMDExpandImm, and what is done with the result. `None` is unallocated.
fn expand(word: u32) -> Option<(Op, u64)> {
    let imm8 = field(word, 16, 3) << 5 | field(word, 5, 5);
    let (cmode, inverted) = (field(word, 12, 4), bit(word, 29));
    let repeat = |size: Size, value: u32| size.repeat(u64::from(value)) as u64;
    let words = repeat(Size::S, imm8 << (8 * (cmode >> 1 & 3)));
    let halfwords = repeat(Size::H, imm8 << (8 * (cmode >> 1 & 1)));
    let (pattern, op) = match cmode {
        0b0000 | 0b0010 | 0b0100 | 0b0110 => (words, Op::Set),
        0b0001 | 0b0011 | 0b0101 | 0b0111 => (words, Op::Or),
        0b1000 | 0b1010 => (halfwords, Op::Set),
        0b1001 | 0b1011 => (halfwords, Op::Or),
        0b1100 => (repeat(Size::S, imm8 << 8 | 0xff), Op::Set),
        0b1101 => (repeat(Size::S, imm8 << 16 | 0xffff), Op::Set),
        0b1110 if inverted => return Some((Op::Set, spread(imm8))),
        0b1110 => (repeat(Size::B, imm8), Op::Set),
        _ if inverted => {
            return bit(word, 30).then(|| (Op::Set, expand_float::<Double>(imm8)));
        }
        _ => (Size::S.repeat(expand_float::<Single>(imm8)) as u64, Op::Set),
    };
    Some(match (inverted, op) {
        (false, _) => (op, pattern),
        (true, Op::Set) => (Op::Set, !pattern),
        (true, _) => (Op::AndNot, pattern),
    })
}

/// Each bit of the immediate eight times.
fn spread(imm8: u32) -> u64 {
    (0..8)
        .filter(|at| imm8 >> at & 1 != 0)
        .map(|at| 0xff << (8 * at))
        .sum()
}

pub(super) fn decode(word: u32) -> Option<Operation> {
    // Bit 11 set: FMOV of half precision (FEAT_FP16).
    if bit(word, 11) {
        let is_allocated = field(word, 12, 4) == 0b1111 && !bit(word, 29);
        let imm8 = field(word, 16, 3) << 5 | field(word, 5, 5);
        let pattern = Size::H.repeat(expand_float::<Half>(imm8)) as u64;
        return is_allocated.then(|| insn(Op::Set, Span::vector(word), V::rd(word), pattern));
    }
    let (op, pattern) = expand(word)?;
    Some(insn(op, Span::vector(word), V::rd(word), pattern))
}

pub(super) fn decode_scalar(word: u32) -> Option<Operation> {
    let imm8 = field(word, 13, 8);
    let shape = float_scalar::shape(word)?;
    let pattern = by_format!(shape, F => expand_float::<F>(imm8));
    Some(insn(Op::Set, shape.span(), V::rd(word), pattern))
}

fn insn(op: Op, span: Span, rd: V, pattern: u64) -> Operation {
    Operation::Immediate(Insn {
        op,
        span,
        rd,
        pattern: pattern.to_le_bytes(),
    })
}

impl Insn {
    #[inline(never)]
    pub(super) fn execute(self, regs: &mut Regs) {
        let pattern = Size::D.repeat(u64::from_le_bytes(self.pattern));
        let d = self.rd.get(regs);
        let result = match self.op {
            Op::Set => pattern,
            Op::Or => d | pattern,
            Op::AndNot => d & !pattern,
        };
        self.rd.set(regs, self.span.of(result));
    }
}
