//! Operations whose lanes differ in size: long, wide and narrow (three different, its scalar form, and by element).

use arch::Regs;

use super::Operation;
use super::lanes::{
    B, BHS, HS, Size, Source, Span, V, bit, compress, field, lanes, note_saturation, range, saturate,
    set_half, wide, widen,
};
use super::three_same::{Sign, polynomial};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    AddLong(Sign),
    AddWide(Sign),
    SubLong(Sign),
    SubWide(Sign),
    /// ADDHN and RADDHN.
    AddNarrow {
        rounding: bool,
    },
    SubNarrow {
        rounding: bool,
    },
    AbsoluteDifference(Sign),
    AbsoluteDifferenceAdd(Sign),
    MulAdd(Sign),
    MulSub(Sign),
    Mul(Sign),
    SaturatingMulAdd,
    SaturatingMulSub,
    SaturatingMul,
    PolynomialMul,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Insn {
    pub(super) op: Op,
    /// The narrow one.
    pub(super) size: Size,
    /// Of the narrow operands.
    pub(super) span: Span,
    /// The "2" forms.
    pub(super) high: bool,
    pub(super) source: Source,
    pub(super) rd: V,
    pub(super) rn: V,
    pub(super) rm: V,
}

/// The operation, and the sizes allowed in vectors and in scalars. The key is opcode, U.
#[rustfmt::skip]
fn entry(word: u32) -> Option<(Op, u8, u8)> {
    let (sign, rounding) = (Sign::in_word(word), bit(word, 29));
    Some(match (field(word, 12, 4), bit(word, 29)) {
        (0b0000, _) => (Op::AddLong(sign), BHS, 0),
        (0b0001, _) => (Op::AddWide(sign), BHS, 0),
        (0b0010, _) => (Op::SubLong(sign), BHS, 0),
        (0b0011, _) => (Op::SubWide(sign), BHS, 0),
        (0b0100, _) => (Op::AddNarrow { rounding }, BHS, 0),
        (0b0101, _) => (Op::AbsoluteDifferenceAdd(sign), BHS, 0),
        (0b0110, _) => (Op::SubNarrow { rounding }, BHS, 0),
        (0b0111, _) => (Op::AbsoluteDifference(sign), BHS, 0),
        (0b1000, _) => (Op::MulAdd(sign), BHS, 0),
        (0b1001, false) => (Op::SaturatingMulAdd, HS, HS),
        (0b1010, _) => (Op::MulSub(sign), BHS, 0),
        (0b1011, false) => (Op::SaturatingMulSub, HS, HS),
        (0b1100, _) => (Op::Mul(sign), BHS, 0),
        (0b1101, false) => (Op::SaturatingMul, HS, HS),
        (0b1110, false) => (Op::PolynomialMul, B, 0),
        _ => return None,
    })
}

pub(super) fn decode_vector(word: u32) -> Option<Operation> {
    let (op, sizes, _) = entry(word)?;
    let size = Size::in_word(word);
    size.is_in(sizes)
        .then(|| insn(word, op, size, Span::HALF, bit(word, 30)))
}

pub(super) fn decode_scalar(word: u32) -> Option<Operation> {
    let (op, _, sizes) = entry(word)?;
    let size = Size::in_word(word);
    size.is_in(sizes)
        .then(|| insn(word, op, size, Span::scalar(size), false))
}

fn insn(word: u32, op: Op, size: Size, span: Span, high: bool) -> Operation {
    Operation::ThreeDifferent(Insn {
        op,
        size,
        span,
        high,
        source: Source::Lanes,
        rd: V::rd(word),
        rn: V::rn(word),
        rm: V::rm(word),
    })
}

impl Insn {
    #[inline(never)]
    pub(super) fn execute(self, regs: &mut Regs) {
        let (n, m, d) = (self.rn.get(regs), self.rm.get(regs), self.rd.get(regs));
        let mut saturated = false;
        match self.op {
            Op::AddNarrow { rounding } => {
                let sum = lanes!(unsigned self.size.double(), map2(n, m), |x, y| x.wrapping_add(y));
                set_half(self.rd, self.high, self.upper_halves(sum, rounding), regs);
            }
            Op::SubNarrow { rounding } => {
                let difference = lanes!(unsigned self.size.double(), map2(n, m), |x, y| x.wrapping_sub(y));
                set_half(self.rd, self.high, self.upper_halves(difference, rounding), regs);
            }
            _ => {
                let result = self.long(n, m, d, &mut saturated);
                note_saturation(regs, saturated);
                let result = if self.is_scalar() {
                    Span::scalar(self.size.double()).of(result)
                } else {
                    result
                };
                self.rd.set(regs, result);
            }
        }
    }

    fn is_scalar(self) -> bool {
        self.span.bits() == self.size.bits()
    }

    /// The upper half of each wide lane, after adding half of its last place if `rounding`.
    fn upper_halves(self, value: u128, rounding: bool) -> u128 {
        let bits = self.size.bits();
        let half = if rounding { 1u64 << (bits - 1) } else { 0 };
        let value = lanes!(unsigned self.size.double(), map1(value), |x| x.wrapping_add(half as T));
        compress(self.size, value >> bits)
    }

    /// The narrow operand that the instruction reads, lanes extended.
    fn operand(self, sign: Sign, value: u128) -> u128 {
        let half = if self.high { value >> 64 } else { value };
        widen(self.size, sign.is_signed(), self.span.of(half))
    }

    fn second(self, sign: Sign, value: u128) -> u128 {
        match self.source {
            Source::Element(index) => {
                let repeated = self.size.repeat(self.size.element(value, index));
                widen(self.size, sign.is_signed(), self.span.of(repeated))
            }
            _ => self.operand(sign, value),
        }
    }

    #[inline(always)]
    fn long(self, n: u128, m: u128, d: u128, saturated: &mut bool) -> u128 {
        let size = self.size.double();
        let pair = |sign| (self.operand(sign, n), self.second(sign, m));
        match self.op {
            Op::AddLong(sign) => add(size, pair(sign)),
            Op::SubLong(sign) => sub(size, pair(sign)),
            Op::AddWide(sign) => add(size, (n, self.second(sign, m))),
            Op::SubWide(sign) => sub(size, (n, self.second(sign, m))),
            Op::AbsoluteDifference(sign) => difference(size, pair(sign)),
            Op::AbsoluteDifferenceAdd(sign) => add(size, (d, difference(size, pair(sign)))),
            Op::Mul(sign) => mul(size, pair(sign)),
            Op::MulAdd(sign) => add(size, (d, mul(size, pair(sign)))),
            Op::MulSub(sign) => sub(size, (d, mul(size, pair(sign)))),
            Op::SaturatingMul => doubled(size, pair(Sign::Signed), saturated),
            Op::SaturatingMulAdd => {
                let product = doubled(size, pair(Sign::Signed), saturated);
                let limits = range(size, true);
                wide(size, true, &self.accumulator(d), &product, |x, y| {
                    saturate(x + y, limits, saturated)
                })
            }
            Op::SaturatingMulSub => {
                let product = doubled(size, pair(Sign::Signed), saturated);
                let limits = range(size, true);
                wide(size, true, &self.accumulator(d), &product, |x, y| {
                    saturate(x - y, limits, saturated)
                })
            }
            Op::PolynomialMul => {
                let (a, b) = pair(Sign::Unsigned);
                lanes!(unsigned size, map2(a, b), |x, y| polynomial(x as u8, y as u8) as T)
            }
            // These write narrow lanes; `execute` has dealt with them.
            Op::AddNarrow { .. } | Op::SubNarrow { .. } => n,
        }
    }

    fn accumulator(self, d: u128) -> u128 {
        if self.is_scalar() {
            Span::scalar(self.size.double()).of(d)
        } else {
            d
        }
    }
}

fn add(size: Size, (a, b): (u128, u128)) -> u128 {
    lanes!(unsigned size, map2(a, b), |x, y| x.wrapping_add(y))
}

fn sub(size: Size, (a, b): (u128, u128)) -> u128 {
    lanes!(unsigned size, map2(a, b), |x, y| x.wrapping_sub(y))
}

fn mul(size: Size, (a, b): (u128, u128)) -> u128 {
    lanes!(unsigned size, map2(a, b), |x, y| x.wrapping_mul(y))
}

/// Lanes were extended, so the signed difference has room.
fn difference(size: Size, (a, b): (u128, u128)) -> u128 {
    lanes!(signed size, map2(a, b), |x, y| x.wrapping_sub(y).wrapping_abs())
}

fn doubled(size: Size, (a, b): (u128, u128), saturated: &mut bool) -> u128 {
    let limits = range(size, true);
    wide(size, true, &a, &b, |x, y| saturate(2 * x * y, limits, saturated))
}
