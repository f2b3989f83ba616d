//! Integer and logical operations on lanes of one size: "three same", "three same extra" and their scalar forms (Arm ARM
//! C4.1.96, Advanced SIMD three same, scalar three same, and their extra forms), and those "by element" forms that share the operation.

use arch::Regs;

use super::Operation;
use super::float_lanes::{self, Precision};
use super::lanes::{
    B, BHS, BHSD, D, HS, Lane, Size, Source, Span, V, bit, elements, field, gather, lanes, note_saturation,
    range, saturate, wide,
};
use super::shift::{Shift, by_register};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    Add,
    Sub,
    HalvingAdd(Sign),
    HalvingSub(Sign),
    RoundingHalvingAdd(Sign),
    SaturatingAdd(Sign),
    SaturatingSub(Sign),
    Greater(Sign),
    GreaterOrEqual(Sign),
    Equal,
    Test,
    Shift(Shift),
    Max(Sign),
    Min(Sign),
    AbsoluteDifference(Sign),
    AbsoluteDifferenceAdd(Sign),
    MulAdd,
    MulSub,
    Mul,
    PolynomialMul,
    DoublingMulHigh,
    RoundingDoublingMulHigh,
    /// SQRDMLAH (FEAT_RDM).
    RoundingDoublingMulHighAdd,
    /// SQRDMLSH.
    RoundingDoublingMulHighSub,
    /// SDOT and UDOT (FEAT_DotProd): the size is of the sums.
    Dot(Sign),
    And,
    AndNot,
    Or,
    OrNot,
    ExclusiveOr,
    Select,
    InsertIfTrue,
    InsertIfFalse,
}

/// How lanes are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sign {
    Signed,
    Unsigned,
}
use Sign::{Signed, Unsigned};

impl Sign {
    /// From the field U, bit 29.
    pub(super) const fn in_word(word: u32) -> Self {
        if bit(word, 29) { Unsigned } else { Signed }
    }

    pub(super) fn is_signed(self) -> bool {
        self == Signed
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Insn {
    pub(super) op: Op,
    pub(super) size: Size,
    pub(super) span: Span,
    pub(super) source: Source,
    pub(super) rd: V,
    pub(super) rn: V,
    pub(super) rm: V,
}

/// Operation, operands, and the sizes allowed in vectors and in scalars.
type Entry = (Op, Source, u8, u8);

/// The table of three same, without floating point. `None` is unallocated.
#[rustfmt::skip]
fn entry(word: u32) -> Option<Entry> {
    use Source::{Lanes, Pairs};
    let sign = Sign::in_word(word);
    let shift = |saturating, rounding| Op::Shift(Shift { sign, saturating, rounding });
    Some(match (field(word, 11, 5), sign) {
        (0b00000, _) => (Op::HalvingAdd(sign), Lanes, BHS, 0),
        (0b00001, _) => (Op::SaturatingAdd(sign), Lanes, BHSD, BHSD),
        (0b00010, _) => (Op::RoundingHalvingAdd(sign), Lanes, BHS, 0),
        (0b00011, _) => (logical(word), Lanes, BHSD, 0),
        (0b00100, _) => (Op::HalvingSub(sign), Lanes, BHS, 0),
        (0b00101, _) => (Op::SaturatingSub(sign), Lanes, BHSD, BHSD),
        (0b00110, _) => (Op::Greater(sign), Lanes, BHSD, D),
        (0b00111, _) => (Op::GreaterOrEqual(sign), Lanes, BHSD, D),
        (0b01000, _) => (shift(false, false), Lanes, BHSD, D),
        (0b01001, _) => (shift(true, false), Lanes, BHSD, BHSD),
        (0b01010, _) => (shift(false, true), Lanes, BHSD, D),
        (0b01011, _) => (shift(true, true), Lanes, BHSD, BHSD),
        (0b01100, _) => (Op::Max(sign), Lanes, BHS, 0),
        (0b01101, _) => (Op::Min(sign), Lanes, BHS, 0),
        (0b01110, _) => (Op::AbsoluteDifference(sign), Lanes, BHS, 0),
        (0b01111, _) => (Op::AbsoluteDifferenceAdd(sign), Lanes, BHS, 0),
        (0b10000, Signed) => (Op::Add, Lanes, BHSD, D),
        (0b10000, Unsigned) => (Op::Sub, Lanes, BHSD, D),
        (0b10001, Signed) => (Op::Test, Lanes, BHSD, D),
        (0b10001, Unsigned) => (Op::Equal, Lanes, BHSD, D),
        (0b10010, Signed) => (Op::MulAdd, Lanes, BHS, 0),
        (0b10010, Unsigned) => (Op::MulSub, Lanes, BHS, 0),
        (0b10011, Signed) => (Op::Mul, Lanes, BHS, 0),
        (0b10011, Unsigned) => (Op::PolynomialMul, Lanes, B, 0),
        (0b10100, _) => (Op::Max(sign), Pairs, BHS, 0),
        (0b10101, _) => (Op::Min(sign), Pairs, BHS, 0),
        (0b10110, Signed) => (Op::DoublingMulHigh, Lanes, HS, HS),
        (0b10110, Unsigned) => (Op::RoundingDoublingMulHigh, Lanes, HS, HS),
        (0b10111, Signed) => (Op::Add, Pairs, BHSD, 0),
        _ => return None,
    })
}

fn logical(word: u32) -> Op {
    match (bit(word, 29), field(word, 22, 2)) {
        (false, 0) => Op::And,
        (false, 1) => Op::AndNot,
        (false, 2) => Op::Or,
        (false, _) => Op::OrNot,
        (true, 0) => Op::ExclusiveOr,
        (true, 1) => Op::Select,
        (true, 2) => Op::InsertIfTrue,
        (true, _) => Op::InsertIfFalse,
    }
}

pub(super) fn decode_vector(word: u32) -> Option<Operation> {
    if field(word, 14, 2) == 3 {
        return float_lanes::decode_three_same(word, false, Precision::in_word(word));
    }
    let (op, source, sizes, _) = entry(word)?;
    let (size, span) = (Size::in_word(word), Span::vector(word));
    let is_logical = field(word, 11, 5) == 3;
    if !size.is_in(sizes) || size == Size::D && span == Span::HALF && !is_logical {
        return None;
    }
    Some(insn(word, op, source, span))
}

pub(super) fn decode_scalar(word: u32) -> Option<Operation> {
    if field(word, 14, 2) == 3 {
        return float_lanes::decode_three_same(word, true, Precision::in_word(word));
    }
    let (op, source, _, sizes) = entry(word)?;
    let size = Size::in_word(word);
    size.is_in(sizes)
        .then(|| insn(word, op, source, Span::scalar(size)))
}

/// Three same extra: FEAT_RDM and FEAT_DotProd. The key is opcode, U.
fn extra(word: u32) -> Option<(Op, u8, u8)> {
    const S: u8 = 0b0100;
    Some(match (field(word, 11, 4), bit(word, 29)) {
        (0b0000, true) => (Op::RoundingDoublingMulHighAdd, HS, HS),
        (0b0001, true) => (Op::RoundingDoublingMulHighSub, HS, HS),
        (0b0010, _) => (Op::Dot(Sign::in_word(word)), S, 0),
        _ => return None,
    })
}

pub(super) fn decode_extra_vector(word: u32) -> Option<Operation> {
    let (op, sizes, _) = extra(word)?;
    let is_allocated = Size::in_word(word).is_in(sizes);
    is_allocated.then(|| insn(word, op, Source::Lanes, Span::vector(word)))
}

pub(super) fn decode_extra_scalar(word: u32) -> Option<Operation> {
    let (op, _, sizes) = extra(word)?;
    let size = Size::in_word(word);
    size.is_in(sizes)
        .then(|| insn(word, op, Source::Lanes, Span::scalar(size)))
}

fn insn(word: u32, op: Op, source: Source, span: Span) -> Operation {
    Operation::ThreeSame(Insn {
        op,
        size: Size::in_word(word),
        span,
        source,
        rd: V::rd(word),
        rn: V::rn(word),
        rm: V::rm(word),
    })
}

impl Insn {
    #[inline(never)]
    pub(super) fn execute(self, regs: &mut Regs) {
        let mut saturated = false;
        let (n, m) = (self.rn.get_ref(regs), self.rm.get_ref(regs));
        let result = if self.span == Span::FULL && self.source == Source::Lanes {
            self.result(n, m, self.rd.get_ref(regs), &mut saturated)
        } else {
            let (a, b) = self.source.operands(self.size, self.span, *n, *m);
            let result = self.result(&a, &b, self.rd.get_ref(regs), &mut saturated);
            self.span.of(result)
        };
        note_saturation(regs, saturated);
        self.rd.set(regs, result);
    }

    fn result(self, a: &u128, b: &u128, d: &u128, saturated: &mut bool) -> u128 {
        let size = self.size;
        match self.op {
            Op::Add => lanes!(unsigned size, map2(*a, *b), |x, y| x.wrapping_add(y)),
            Op::Sub => lanes!(unsigned size, map2(*a, *b), |x, y| x.wrapping_sub(y)),
            Op::Equal => lanes!(unsigned size, map2(*a, *b), |x, y| if x == y { !0 } else { 0 }),
            Op::Test => lanes!(unsigned size, map2(*a, *b), |x, y| if x & y != 0 { !0 } else { 0 }),
            Op::Mul => lanes!(unsigned size, map2(*a, *b), |x, y| x.wrapping_mul(y)),
            Op::MulAdd => {
                lanes!(unsigned size, map3(*a, *b, *d), |x, y, z| z.wrapping_add(x.wrapping_mul(y)))
            }
            Op::MulSub => {
                lanes!(unsigned size, map3(*a, *b, *d), |x, y, z| z.wrapping_sub(x.wrapping_mul(y)))
            }
            Op::PolynomialMul => u8::map2(a, b, |x, y| polynomial(x, y) as u8),
            Op::Greater(sign) => greater(sign, size, a, b),
            Op::GreaterOrEqual(sign) => !greater(sign, size, b, a),
            Op::Max(Signed) => lanes!(signed size, map2(*a, *b), |x, y| x.max(y)),
            Op::Max(Unsigned) => lanes!(unsigned size, map2(*a, *b), |x, y| x.max(y)),
            Op::Min(Signed) => lanes!(signed size, map2(*a, *b), |x, y| x.min(y)),
            Op::Min(Unsigned) => lanes!(unsigned size, map2(*a, *b), |x, y| x.min(y)),
            Op::AbsoluteDifference(sign) => absolute_difference(sign, size, a, b),
            Op::AbsoluteDifferenceAdd(sign) => {
                let difference = absolute_difference(sign, size, a, b);
                lanes!(unsigned size, map2(*d, difference), |x, y| x.wrapping_add(y))
            }
            Op::HalvingAdd(sign) => wide(size, sign.is_signed(), a, b, |x, y| (x + y) >> 1),
            Op::HalvingSub(sign) => wide(size, sign.is_signed(), a, b, |x, y| (x - y) >> 1),
            Op::RoundingHalvingAdd(sign) => wide(size, sign.is_signed(), a, b, |x, y| (x + y + 1) >> 1),
            Op::SaturatingAdd(sign) => saturating_sum(sign, size, a, b, saturated),
            Op::SaturatingSub(sign) => saturating_difference(sign, size, a, b, saturated),
            Op::DoublingMulHigh => {
                let down = size.bits();
                self.saturating(Signed, a, b, saturated, |x, y| (2 * x * y) >> down)
            }
            Op::RoundingDoublingMulHigh => {
                let down = size.bits();
                self.saturating(Signed, a, b, saturated, |x, y| {
                    (2 * x * y + (1 << (down - 1))) >> down
                })
            }
            Op::RoundingDoublingMulHighAdd => self.rounding_accumulate(1, a, b, d, saturated),
            Op::RoundingDoublingMulHighSub => self.rounding_accumulate(-1, a, b, d, saturated),
            Op::Dot(sign) => dot(sign, a, b, d),
            Op::Shift(shift) => by_register(shift, size, a, b, saturated),
            Op::And => *a & *b,
            Op::AndNot => *a & !*b,
            Op::Or => *a | *b,
            Op::OrNot => *a | !*b,
            Op::ExclusiveOr => *a ^ *b,
            Op::Select => *a & *d | *b & !*d,
            Op::InsertIfTrue => *a & *b | *d & !*b,
            Op::InsertIfFalse => *a & !*b | *d & *b,
        }
    }

    /// `d` plus `sign` times twice the product, rounded to the upper half and held to the lane's range.
    fn rounding_accumulate(self, sign: i128, a: &u128, b: &u128, d: &u128, saturated: &mut bool) -> u128 {
        let (size, bits) = (self.size, self.size.bits());
        let range = range(size, true);
        let operands = elements(size, true, *a).zip(elements(size, true, *b));
        let lanes = operands
            .zip(elements(size, true, self.span.of(*d)))
            .map(|((x, y), d)| {
                let sum = (d << bits) + sign * 2 * x * y + (1 << (bits - 1));
                saturate(sum >> bits, range, saturated)
            });
        gather(size, lanes)
    }

    fn saturating(
        self,
        sign: Sign,
        a: &u128,
        b: &u128,
        saturated: &mut bool,
        f: impl Fn(i128, i128) -> i128,
    ) -> u128 {
        let range = range(self.size, sign.is_signed());
        wide(self.size, sign.is_signed(), a, b, |x, y| {
            saturate(f(x, y), range, saturated)
        })
    }
}

/// Each lane of 32 bits plus the products of the four bytes in it.
fn dot(sign: Sign, a: &u128, b: &u128, d: &u128) -> u128 {
    let signed = sign.is_signed();
    let mut products = elements(Size::B, signed, *a)
        .zip(elements(Size::B, signed, *b))
        .map(|(x, y)| x * y);
    let sums = elements(Size::S, false, *d).map(|sum| sum + products.by_ref().take(4).sum::<i128>());
    gather(Size::S, sums)
}

/// The sum held to the lane's range. The flag is found afterwards: the loop then stays simple.
fn saturating_sum(sign: Sign, size: Size, a: &u128, b: &u128, saturated: &mut bool) -> u128 {
    let held = match sign {
        Signed => lanes!(signed size, map2(*a, *b), |x, y| x.saturating_add(y)),
        Unsigned => lanes!(unsigned size, map2(*a, *b), |x, y| x.saturating_add(y)),
    };
    *saturated |= held != lanes!(unsigned size, map2(*a, *b), |x, y| x.wrapping_add(y));
    held
}

/// As [`saturating_sum`].
fn saturating_difference(sign: Sign, size: Size, a: &u128, b: &u128, saturated: &mut bool) -> u128 {
    let held = match sign {
        Signed => lanes!(signed size, map2(*a, *b), |x, y| x.saturating_sub(y)),
        Unsigned => lanes!(unsigned size, map2(*a, *b), |x, y| x.saturating_sub(y)),
    };
    *saturated |= held != lanes!(unsigned size, map2(*a, *b), |x, y| x.wrapping_sub(y));
    held
}

fn greater(sign: Sign, size: Size, a: &u128, b: &u128) -> u128 {
    match sign {
        Signed => lanes!(signed size, map2(*a, *b), |x, y| if x > y { !0 } else { 0 }),
        Unsigned => lanes!(unsigned size, map2(*a, *b), |x, y| if x > y { !0 } else { 0 }),
    }
}

fn absolute_difference(sign: Sign, size: Size, a: &u128, b: &u128) -> u128 {
    match sign {
        Signed => lanes!(signed size, map2(*a, *b), |x, y| x.max(y).wrapping_sub(x.min(y))),
        Unsigned => lanes!(unsigned size, map2(*a, *b), |x, y| x.abs_diff(y)),
    }
}

/// The product of two polynomials over {0, 1}: multiplication without carries.
pub(super) fn polynomial(x: u8, y: u8) -> u16 {
    (0..8).fold(0, |sum, at| {
        if y >> at & 1 != 0 {
            sum ^ u16::from(x) << at
        } else {
            sum
        }
    })
}
