//! Shifts by an immediate and its scalar form. The conversions to and from fixed point among them are
//! [`float_convert`]'s.

use arch::Regs;

use super::lanes::{
    BHS, BHSD, D, Size, Span, V, bit, compress, elements, field, gather, lanes, note_saturation, range,
    saturate, set_half, wide, widen,
};
use super::shift::right;
use super::three_same::Sign;
use super::{Operation, float_convert};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Right {
        sign: Sign,
        rounding: bool,
        accumulate: bool,
    },
    /// SRI.
    RightInsert,
    /// SHL.
    Left,
    /// SLI.
    LeftInsert,
    SaturatingLeft(Sign),
    /// SQSHLU.
    SaturatingLeftUnsigned,
    /// SHRN and RSHRN.
    Narrow {
        rounding: bool,
    },
    /// From a wide lane read one way to a narrow one of the other or the same.
    SaturatingNarrow {
        from: Sign,
        to: Sign,
        rounding: bool,
    },
    /// SSHLL and USHLL.
    Long(Sign),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Insn {
    op: Op,
    /// The narrow one, where lanes differ.
    size: Size,
    span: Span,
    high: bool,
    /// Right: 1 to the size in bits. Left: 0 to one less.
    by: u8,
    rd: V,
    rn: V,
}

/// The operation, whether it shifts left, and the sizes allowed in vectors and in scalars. The key is opcode, U.
#[rustfmt::skip]
fn entry(word: u32) -> Option<(Op, bool, u8, u8)> {
    use Sign::{Signed, Unsigned};
    let sign = Sign::in_word(word);
    let plain = |rounding, accumulate| (Op::Right { sign, rounding, accumulate }, false, BHSD, D);
    let narrow = |from, to, rounding| (Op::SaturatingNarrow { from, to, rounding }, false, BHS, BHS);
    Some(match (field(word, 11, 5), bit(word, 29)) {
        (0b00000, _) => plain(false, false),
        (0b00010, _) => plain(false, true),
        (0b00100, _) => plain(true, false),
        (0b00110, _) => plain(true, true),
        (0b01000, true) => (Op::RightInsert, false, BHSD, D),
        (0b01010, false) => (Op::Left, true, BHSD, D),
        (0b01010, true) => (Op::LeftInsert, true, BHSD, D),
        (0b01100, true) => (Op::SaturatingLeftUnsigned, true, BHSD, BHSD),
        (0b01110, _) => (Op::SaturatingLeft(sign), true, BHSD, BHSD),
        (0b10000, false) => (Op::Narrow { rounding: false }, false, BHS, 0),
        (0b10001, false) => (Op::Narrow { rounding: true }, false, BHS, 0),
        (0b10000, true) => narrow(Signed, Unsigned, false),
        (0b10001, true) => narrow(Signed, Unsigned, true),
        (0b10010, _) => narrow(sign, sign, false),
        (0b10011, _) => narrow(sign, sign, true),
        (0b10100, _) => (Op::Long(sign), true, BHS, 0),
        _ => return None,
    })
}

pub(super) fn decode_vector(word: u32) -> Option<Operation> {
    let Some((op, left, sizes, _)) = entry(word) else {
        return float_convert::decode_fixed_lanes(word, false);
    };
    let (size, by) = amount(word, left)?;
    let resizes = matches!(op, Op::Narrow { .. } | Op::SaturatingNarrow { .. } | Op::Long(_));
    let span = if resizes { Span::HALF } else { Span::vector(word) };
    let is_allocated = size.is_in(sizes) && (size != Size::D || span == Span::FULL);
    is_allocated.then(|| insn(word, op, size, span, by, bit(word, 30)))
}

pub(super) fn decode_scalar(word: u32) -> Option<Operation> {
    let Some((op, left, _, sizes)) = entry(word) else {
        return float_convert::decode_fixed_lanes(word, true);
    };
    let (size, by) = amount(word, left)?;
    size.is_in(sizes)
        .then(|| insn(word, op, size, Span::scalar(size), by, false))
}

/// immh:immb: the highest one bit gives the size, the rest the amount.
fn amount(word: u32, left: bool) -> Option<(Size, u8)> {
    let value = field(word, 16, 7);
    let size = Size::of((value >> 3).checked_ilog2()?);
    let by = if left {
        value - size.bits()
    } else {
        2 * size.bits() - value
    };
    Some((size, by as u8))
}

fn insn(word: u32, op: Op, size: Size, span: Span, by: u8, high: bool) -> Operation {
    Operation::ShiftImmediate(Insn {
        op,
        size,
        span,
        high,
        by,
        rd: V::rd(word),
        rn: V::rn(word),
    })
}

impl Insn {
    #[inline(never)]
    pub(super) fn execute(self, regs: &mut Regs) {
        let (n, d) = (self.rn.get(regs), self.rd.get(regs));
        let by = u32::from(self.by);
        match self.op {
            Op::Narrow { rounding } => {
                let half = if rounding { 1u64 << (by - 1) } else { 0 };
                let sum = lanes!(unsigned self.size.double(), map1(n), |x| x.wrapping_add(half as T));
                set_half(self.rd, self.high, compress(self.size, sum >> by), regs);
            }
            Op::SaturatingNarrow { from, to, rounding } => self.narrow(from, to, rounding, regs),
            Op::Long(sign) => {
                let half = if self.high { n >> 64 } else { n };
                let wide = widen(self.size, sign.is_signed(), half);
                let result = lanes!(unsigned self.size.double(), map1(wide), |x| x << by);
                self.rd.set(regs, result);
            }
            _ => {
                let mut saturated = false;
                let result = self.lanes(self.span.of(n), d, &mut saturated);
                note_saturation(regs, saturated);
                self.rd.set(regs, self.span.of(result));
            }
        }
    }

    fn narrow(self, from: Sign, to: Sign, rounding: bool, regs: &mut Regs) {
        let mut saturated = false;
        let range = range(self.size, to.is_signed());
        let lanes = self.span.lanes(self.size);
        let wide = elements(self.size.double(), from.is_signed(), self.rn.get(regs)).take(lanes as usize);
        let shifted = wide.map(|x| saturate(right(x, u32::from(self.by), rounding), range, &mut saturated));
        let result = gather(self.size, shifted);
        note_saturation(regs, saturated);
        set_half(self.rd, self.high, result, regs);
    }

    #[inline(always)]
    fn lanes(self, n: u128, d: u128, saturated: &mut bool) -> u128 {
        let (size, by) = (self.size, u32::from(self.by));
        match self.op {
            Op::Right {
                sign,
                rounding,
                accumulate,
            } => {
                let shifted = shift_right(sign, rounding, size, n, by);
                if accumulate {
                    lanes!(unsigned size, map2(shifted, d), |x, y| x.wrapping_add(y))
                } else {
                    shifted
                }
            }
            Op::RightInsert => {
                let kept = !size.mask().checked_shr(by).unwrap_or(0);
                let kept = if by == size.bits() {
                    u128::MAX
                } else {
                    size.repeat(kept)
                };
                shift_right(Sign::Unsigned, false, size, n, by) | d & kept
            }
            Op::Left => lanes!(unsigned size, map1(n), |x| x << by),
            Op::LeftInsert => {
                let kept = size.repeat((1 << by) - 1);
                lanes!(unsigned size, map1(n), |x| x << by) | d & kept
            }
            Op::SaturatingLeft(sign) => {
                let limits = range(size, sign.is_signed());
                wide(size, sign.is_signed(), &n, &0, |x, _| {
                    saturate(x << by, limits, saturated)
                })
            }
            Op::SaturatingLeftUnsigned => {
                let limits = range(size, false);
                wide(size, true, &n, &0, |x, _| saturate(x << by, limits, saturated))
            }
            // These have another number of lanes; `execute` has dealt with them.
            Op::Narrow { .. } | Op::SaturatingNarrow { .. } | Op::Long(_) => n,
        }
    }
}

/// SSHR, USHR, SRSHR and URSHR.
fn shift_right(sign: Sign, rounding: bool, size: Size, n: u128, by: u32) -> u128 {
    match sign {
        _ if rounding => wide(size, sign.is_signed(), &n, &0, |x, _| right(x, by, true)),
        Sign::Signed => lanes!(signed size, map1(n), |x| x >> by.min(T::BITS - 1)),
        Sign::Unsigned => lanes!(unsigned size, map1(n), |x| x.checked_shr(by).unwrap_or(0)),
    }
}
