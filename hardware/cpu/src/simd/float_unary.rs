//! Floating-point operations on lanes with one operand: absolute value, negation, root, rounding to a whole number,
//! estimates, and comparison with zero (one source; two-register miscellaneous and its scalar form).

use arch::Regs;

use super::Operation;
use super::float_lanes::{Precision, Shape, by_format, map3, ones};
use super::fp::arith::{abs, neg, sqrt};
use super::fp::compare::{eq, ge, gt};
use super::fp::convert::round_integer;
use super::fp::estimate::{recip_estimate, recip_exponent, rsqrt_estimate};
use super::fp::{Env, Format, Rounding};
use super::lanes::{V, bit, field};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unary {
    Abs,
    Neg,
    Sqrt,
    Round(Mode),
    /// By FPCR's mode, and a changed value raises IXC.
    RoundExact,
    RecipEstimate,
    RsqrtEstimate,
    RecipExponent,
    GreaterThanZero,
    GreaterOrEqualZero,
    EqualZero,
    LessOrEqualZero,
    LessThanZero,
}

/// A rounding mode that the instruction gives, or FPCR's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Current,
    Fixed(Rounding),
}

impl Mode {
    pub(super) fn rounding(self, env: &Env) -> Rounding {
        match self {
            Self::Current => env.rounding(),
            Self::Fixed(rounding) => rounding,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Insn {
    op: Unary,
    shape: Shape,
    rd: V,
    rn: V,
}

/// The key is U, size<1>, opcode; the flags say whether the vector and the scalar form exist.
#[rustfmt::skip]
fn two_register(word: u32) -> Option<(Unary, bool, bool)> {
    let round = |mode| (Unary::Round(mode), true, false);
    Some(match (bit(word, 29), bit(word, 23), field(word, 12, 5)) {
        (false, true, 0b01100) => (Unary::GreaterThanZero, true, true),
        (true, true, 0b01100) => (Unary::GreaterOrEqualZero, true, true),
        (false, true, 0b01101) => (Unary::EqualZero, true, true),
        (true, true, 0b01101) => (Unary::LessOrEqualZero, true, true),
        (false, true, 0b01110) => (Unary::LessThanZero, true, true),
        (false, true, 0b01111) => (Unary::Abs, true, false),
        (true, true, 0b01111) => (Unary::Neg, true, false),
        (false, false, 0b11000) => round(Mode::Fixed(Rounding::TieEven)),
        (true, false, 0b11000) => round(Mode::Fixed(Rounding::TieAway)),
        (false, false, 0b11001) => round(Mode::Fixed(Rounding::Down)),
        (true, false, 0b11001) => (Unary::RoundExact, true, false),
        (false, true, 0b11000) => round(Mode::Fixed(Rounding::Up)),
        (false, true, 0b11001) => round(Mode::Fixed(Rounding::Zero)),
        (true, true, 0b11001) => round(Mode::Current),
        (false, true, 0b11101) => (Unary::RecipEstimate, true, true),
        (true, true, 0b11101) => (Unary::RsqrtEstimate, true, true),
        (true, true, 0b11111) => (Unary::Sqrt, true, false),
        (false, true, 0b11111) => (Unary::RecipExponent, false, true),
        _ => return None,
    })
}

pub(super) fn decode_two_register(word: u32, scalar: bool, precision: Precision) -> Option<Operation> {
    let (op, has_vector, has_scalar) = two_register(word)?;
    let shape = if scalar {
        has_scalar.then(|| Shape::scalar(precision))?
    } else {
        has_vector.then(|| Shape::vector(precision, word))??
    };
    Some(insn(word, op, shape))
}

/// An instruction with Rd and Rn in the usual places.
pub(super) fn insn(word: u32, op: Unary, shape: Shape) -> Operation {
    Operation::FloatUnary(Insn {
        op,
        shape,
        rd: V::rd(word),
        rn: V::rn(word),
    })
}

impl Insn {
    #[inline(never)]
    pub(super) fn execute(self, regs: &mut Regs) {
        let mut env = Env::of(regs);
        let n = self.rn.get(regs);
        let result = by_format!(self.shape, F => self.op.run::<F>(self.shape.lanes(), n, &mut env));
        self.rd.set(regs, result);
        env.commit(regs);
    }
}

impl Unary {
    #[inline]
    fn run<F: Format>(self, lanes: u32, a: u128, env: &mut Env) -> u128 {
        match self {
            Self::Abs => map::<F>(lanes, a, abs::<F>),
            Self::Neg => map::<F>(lanes, a, neg::<F>),
            Self::Sqrt => map::<F>(lanes, a, |x| sqrt::<F>(x, env)),
            Self::Round(mode) => {
                let rounding = mode.rounding(env);
                map::<F>(lanes, a, |x| round_integer::<F>(x, rounding, false, env))
            }
            Self::RoundExact => {
                let rounding = env.rounding();
                map::<F>(lanes, a, |x| round_integer::<F>(x, rounding, true, env))
            }
            Self::RecipEstimate => map::<F>(lanes, a, |x| recip_estimate::<F>(x, env)),
            Self::RsqrtEstimate => map::<F>(lanes, a, |x| rsqrt_estimate::<F>(x, env)),
            Self::RecipExponent => map::<F>(lanes, a, |x| recip_exponent::<F>(x, env)),
            Self::GreaterThanZero => map::<F>(lanes, a, |x| ones::<F>(gt::<F>(x, 0, env))),
            Self::GreaterOrEqualZero => map::<F>(lanes, a, |x| ones::<F>(ge::<F>(x, 0, env))),
            Self::EqualZero => map::<F>(lanes, a, |x| ones::<F>(eq::<F>(x, 0, env))),
            Self::LessOrEqualZero => map::<F>(lanes, a, |x| ones::<F>(ge::<F>(0, x, env))),
            Self::LessThanZero => map::<F>(lanes, a, |x| ones::<F>(gt::<F>(0, x, env))),
        }
    }
}

#[inline(always)]
fn map<F: Format>(lanes: u32, a: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
    map3::<F>(lanes, a, 0, 0, |x, _, _| f(x))
}
