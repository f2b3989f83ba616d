//! Integer operations with one operand: two-register miscellaneous and its scalar form.

use arch::Regs;

use super::float_lanes::Precision;
use super::fp::estimate::{unsigned_recip, unsigned_rsqrt};
use super::lanes::{
    B, BHS, BHSD, D, Lane, Size, Span, V, bit, compress, elements, field, gather, lanes, note_saturation,
    range, saturate, set_half, wide, widen,
};
use super::three_same::Sign;
use super::{Operation, float_convert, float_unary};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    /// REV16, REV32, REV64: the order of elements within a container of this size.
    Reverse(Size),
    PairwiseAddLong(Sign),
    PairwiseAddLongAccumulate(Sign),
    /// SUQADD (the accumulator is signed) and USQADD.
    SaturatingAccumulate(Sign),
    CountSign,
    CountZeros,
    CountOnes,
    Not,
    ReverseBits,
    SaturatingAbs,
    SaturatingNeg,
    GreaterThanZero,
    GreaterOrEqualZero,
    EqualZero,
    LessOrEqualZero,
    LessThanZero,
    Abs,
    Neg,
    /// XTN.
    Narrow,
    /// Signed to unsigned: SQXTUN.
    SaturatingNarrowUnsigned,
    SaturatingNarrow(Sign),
    /// SHLL: by the element's size.
    ShiftLong,
    RecipEstimate,
    RsqrtEstimate,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Insn {
    op: Op,
    size: Size,
    span: Span,
    /// The "2" forms: from or to the upper half.
    high: bool,
    rd: V,
    rn: V,
}

/// The operation, and the sizes allowed in vectors and in scalars. The key is opcode, U.
#[rustfmt::skip]
fn entry(word: u32) -> Option<(Op, u8, u8)> {
    const BH: u8 = 0b0011;
    const H: u8 = 0b0010;
    const S: u8 = 0b0100;
    let sign = Sign::in_word(word);
    Some(match (field(word, 12, 5), bit(word, 29)) {
        (0b00000, false) => (Op::Reverse(Size::D), BHS, 0),
        (0b00000, true) => (Op::Reverse(Size::S), BH, 0),
        (0b00001, false) => (Op::Reverse(Size::H), B, 0),
        (0b00010, _) => (Op::PairwiseAddLong(sign), BHS, 0),
        (0b00011, _) => (Op::SaturatingAccumulate(sign), BHSD, BHSD),
        (0b00100, false) => (Op::CountSign, BHS, 0),
        (0b00100, true) => (Op::CountZeros, BHS, 0),
        (0b00101, false) => (Op::CountOnes, B, 0),
        (0b00101, true) if Size::in_word(word) == Size::H => (Op::ReverseBits, H, 0),
        (0b00101, true) => (Op::Not, B, 0),
        (0b00110, _) => (Op::PairwiseAddLongAccumulate(sign), BHS, 0),
        (0b00111, false) => (Op::SaturatingAbs, BHSD, BHSD),
        (0b00111, true) => (Op::SaturatingNeg, BHSD, BHSD),
        (0b01000, false) => (Op::GreaterThanZero, BHSD, D),
        (0b01000, true) => (Op::GreaterOrEqualZero, BHSD, D),
        (0b01001, false) => (Op::EqualZero, BHSD, D),
        (0b01001, true) => (Op::LessOrEqualZero, BHSD, D),
        (0b01010, false) => (Op::LessThanZero, BHSD, D),
        (0b01011, false) => (Op::Abs, BHSD, D),
        (0b01011, true) => (Op::Neg, BHSD, D),
        (0b10010, false) => (Op::Narrow, BHS, 0),
        (0b10010, true) => (Op::SaturatingNarrowUnsigned, BHS, BHS),
        (0b10011, true) => (Op::ShiftLong, BHS, 0),
        (0b10100, _) => (Op::SaturatingNarrow(sign), BHS, BHS),
        (0b11100, false) if bit(word, 23) => (Op::RecipEstimate, S, 0),
        (0b11100, true) if bit(word, 23) => (Op::RsqrtEstimate, S, 0),
        _ => return None,
    })
}

pub(super) fn decode_vector(word: u32) -> Option<Operation> {
    let (size, span) = (Size::in_word(word), Span::vector(word));
    let Some((op, sizes, _)) = entry(word) else {
        let precision = Precision::in_word(word);
        return float_unary::decode_two_register(word, false, precision)
            .or_else(|| float_convert::decode_two_register(word, false, precision));
    };
    let is_allocated = size.is_in(sizes) && (size != Size::D || span == Span::FULL);
    is_allocated.then(|| insn(word, op, span, bit(word, 30)))
}

pub(super) fn decode_scalar(word: u32) -> Option<Operation> {
    let Some((op, _, sizes)) = entry(word) else {
        let precision = Precision::in_word(word);
        return float_unary::decode_two_register(word, true, precision)
            .or_else(|| float_convert::decode_two_register(word, true, precision));
    };
    let size = Size::in_word(word);
    size.is_in(sizes)
        .then(|| insn(word, op, Span::scalar(size), false))
}

/// FEAT_FP16: two-register miscellaneous, half precision.
pub(super) fn decode_half_vector(word: u32) -> Option<Operation> {
    decode_half(word, false)
}

/// FEAT_FP16: scalar two-register miscellaneous, half precision.
pub(super) fn decode_half_scalar(word: u32) -> Option<Operation> {
    decode_half(word, true)
}

fn decode_half(word: u32, scalar: bool) -> Option<Operation> {
    float_unary::decode_two_register(word, scalar, Precision::Half)
        .or_else(|| float_convert::decode_two_register(word, scalar, Precision::Half))
}

fn insn(word: u32, op: Op, span: Span, high: bool) -> Operation {
    Operation::TwoRegister(Insn {
        op,
        size: Size::in_word(word),
        span,
        high,
        rd: V::rd(word),
        rn: V::rn(word),
    })
}

impl Insn {
    #[inline(never)]
    pub(super) fn execute(self, regs: &mut Regs) {
        let n = self.rn.get(regs);
        match self.op {
            Op::Narrow => set_half(self.rd, self.high, compress(self.size, n), regs),
            Op::SaturatingNarrowUnsigned => self.narrow(Sign::Signed, Sign::Unsigned, n, regs),
            Op::SaturatingNarrow(sign) => self.narrow(sign, sign, n, regs),
            Op::ShiftLong => {
                let half = if self.high { n >> 64 } else { n };
                let result = widen(self.size, false, half) << self.size.bits();
                self.rd.set(regs, result);
            }
            _ => {
                let mut saturated = false;
                let result = self.lanes(self.span.of(n), self.rd.get(regs), &mut saturated);
                note_saturation(regs, saturated);
                self.rd.set(regs, self.span.of(result));
            }
        }
    }

    /// Lanes of twice the size, of which a scalar has one, held to the range of `size`.
    fn narrow(self, from: Sign, to: Sign, n: u128, regs: &mut Regs) {
        let mut saturated = false;
        let range = range(self.size, to.is_signed());
        let lanes = self.span.lanes(self.size).min(64 / self.size.bits());
        let wide = elements(self.size.double(), from.is_signed(), n).take(lanes as usize);
        let result = gather(self.size, wide.map(|x| saturate(x, range, &mut saturated)));
        note_saturation(regs, saturated);
        set_half(self.rd, self.high, result, regs);
    }

    #[inline(always)]
    fn lanes(self, n: u128, d: u128, saturated: &mut bool) -> u128 {
        let size = self.size;
        let (low, high) = range(size, true);
        match self.op {
            Op::Reverse(container) => {
                let reversed = lanes!(unsigned container, map1(n), |x| x.swap_bytes());
                lanes!(unsigned size, map1(reversed), |x| x.swap_bytes())
            }
            Op::PairwiseAddLong(sign) => pairwise(sign, size, n),
            Op::PairwiseAddLongAccumulate(sign) => {
                let sums = pairwise(sign, size, n);
                lanes!(unsigned size.double(), map2(sums, d), |x, y| x.wrapping_add(y))
            }
            Op::SaturatingAccumulate(sign) => accumulate(sign, size, n, d, saturated),
            Op::CountSign => {
                lanes!(signed size, map1(n), |x| (x ^ x >> (T::BITS - 1)).leading_zeros() as T - 1)
            }
            Op::CountZeros => lanes!(unsigned size, map1(n), |x| x.leading_zeros() as T),
            Op::CountOnes => u8::map1(&n, |x| x.count_ones() as u8),
            Op::Not => !n,
            Op::ReverseBits => u8::map1(&n, u8::reverse_bits),
            Op::SaturatingAbs => wide(size, true, &n, &0, |x, _| {
                saturate(x.abs(), (low, high), saturated)
            }),
            Op::SaturatingNeg => wide(size, true, &n, &0, |x, _| saturate(-x, (low, high), saturated)),
            Op::GreaterThanZero => lanes!(signed size, map1(n), |x| if x > 0 { !0 } else { 0 }),
            Op::GreaterOrEqualZero => lanes!(signed size, map1(n), |x| if x >= 0 { !0 } else { 0 }),
            Op::EqualZero => lanes!(signed size, map1(n), |x| if x == 0 { !0 } else { 0 }),
            Op::LessOrEqualZero => lanes!(signed size, map1(n), |x| if x <= 0 { !0 } else { 0 }),
            Op::LessThanZero => lanes!(signed size, map1(n), |x| if x < 0 { !0 } else { 0 }),
            Op::Abs => lanes!(signed size, map1(n), |x| x.wrapping_abs()),
            Op::Neg => lanes!(signed size, map1(n), |x| x.wrapping_neg()),
            Op::RecipEstimate => u32::map1(&n, unsigned_recip),
            Op::RsqrtEstimate => u32::map1(&n, unsigned_rsqrt),
            // These have another number of lanes; `execute` has dealt with them.
            Op::Narrow | Op::SaturatingNarrowUnsigned | Op::SaturatingNarrow(_) | Op::ShiftLong => n,
        }
    }
}

/// Sums of neighbours, in lanes twice as big.
fn pairwise(sign: Sign, size: Size, n: u128) -> u128 {
    let bits = size.bits();
    match sign {
        Sign::Signed => lanes!(signed size.double(), map1(n), |x| (x << bits >> bits) + (x >> bits)),
        Sign::Unsigned => lanes!(unsigned size.double(), map1(n), |x| (x << bits >> bits) + (x >> bits)),
    }
}

/// `d`, read as `sign` says, plus `n`, read the other way, held to `d`'s range.
fn accumulate(sign: Sign, size: Size, n: u128, d: u128, saturated: &mut bool) -> u128 {
    let limits = range(size, sign.is_signed());
    let (_, highest) = range(size, true);
    let ones = i128::from(size.mask());
    let signed = |x: i128| if x > highest { x - ones - 1 } else { x };
    wide(size, false, &n, &d, |n, d| {
        let sum = match sign {
            Sign::Signed => signed(d) + n,
            Sign::Unsigned => d + signed(n),
        };
        saturate(sum, limits, saturated)
    })
}
