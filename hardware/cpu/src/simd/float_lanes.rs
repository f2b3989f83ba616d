//! Floating-point arithmetic on lanes with two or three operands, scalars among them: "floating-point data-processing
//! (2 source)" and "(3 source)", three same, scalar three same, pairwise and by element; half precision (FEAT_FP16) among
//! them.

use arch::Regs;

use super::Operation;
use super::fp::arith::{abs, add, div, mul, mul_add, mulx, neg, recip_step, rsqrt_step, sub};
use super::fp::compare::{eq, ge, gt, max, max_num, min, min_num};
use super::fp::{Double, Env, Format, Half, Single, fast};
use super::lanes::{Size, Source, Span, V, bit, field};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    NegatedMul,
    ExtendedMul,
    Max,
    Min,
    MaxNumber,
    MinNumber,
    AbsoluteDifference,
    RecipStep,
    RsqrtStep,
    Equal,
    GreaterOrEqual,
    Greater,
    AbsoluteGreaterOrEqual,
    AbsoluteGreater,
    /// `ra + rn * rm`.
    MulAdd,
    /// `ra - rn * rm`.
    MulSub,
    /// `-ra - rn * rm`.
    NegatedMulAdd,
    /// `-ra + rn * rm`.
    NegatedMulSub,
}

/// The number format of lanes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Precision {
    Half,
    Single,
    Double,
}

impl Precision {
    /// From bit 22, in the encodings of single and double precision.
    pub(super) fn in_word(word: u32) -> Self {
        if bit(word, 22) { Self::Double } else { Self::Single }
    }
}

/// The number format and how many lanes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    H1,
    H4,
    H8,
    S1,
    S2,
    S4,
    D1,
    D2,
}

impl Shape {
    /// From the format and the span of a vector; one D lane in 64 bits is reserved.
    pub(super) fn vector(precision: Precision, word: u32) -> Option<Self> {
        match (precision, Span::vector(word)) {
            (Precision::Half, Span::FULL) => Some(Self::H8),
            (Precision::Half, _) => Some(Self::H4),
            (Precision::Single, Span::FULL) => Some(Self::S4),
            (Precision::Single, _) => Some(Self::S2),
            (Precision::Double, Span::FULL) => Some(Self::D2),
            (Precision::Double, _) => None,
        }
    }

    pub(super) fn scalar(precision: Precision) -> Self {
        match precision {
            Precision::Half => Self::H1,
            Precision::Single => Self::S1,
            Precision::Double => Self::D1,
        }
    }

    pub(super) fn precision(self) -> Precision {
        match self {
            Self::H1 | Self::H4 | Self::H8 => Precision::Half,
            Self::S1 | Self::S2 | Self::S4 => Precision::Single,
            Self::D1 | Self::D2 => Precision::Double,
        }
    }

    pub(super) fn lanes(self) -> u32 {
        match self {
            Self::H1 | Self::S1 | Self::D1 => 1,
            Self::S2 | Self::D2 => 2,
            Self::H4 | Self::S4 => 4,
            Self::H8 => 8,
        }
    }

    pub(super) fn size(self) -> Size {
        match self.precision() {
            Precision::Half => Size::H,
            Precision::Single => Size::S,
            Precision::Double => Size::D,
        }
    }

    pub(super) fn span(self) -> Span {
        match self {
            Self::H1 => Span::scalar(Size::H),
            Self::S1 => Span::scalar(Size::S),
            Self::D1 | Self::S2 | Self::H4 => Span::HALF,
            Self::S4 | Self::D2 | Self::H8 => Span::FULL,
        }
    }
}

/// `by_format!(shape, F => f::<F>(x))`: the expression for the number format of a shape, which is the type `F` in it.
macro_rules! by_format {
    ($shape:expr, $format:ident => $e:expr) => {
        match $shape.precision() {
            $crate::simd::float_lanes::Precision::Half => {
                type $format = $crate::simd::fp::Half;
                $e
            }
            $crate::simd::float_lanes::Precision::Single => {
                type $format = $crate::simd::fp::Single;
                $e
            }
            $crate::simd::float_lanes::Precision::Double => {
                type $format = $crate::simd::fp::Double;
                $e
            }
        }
    };
}

pub(super) use by_format;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Insn {
    pub(super) op: Op,
    pub(super) shape: Shape,
    pub(super) source: Source,
    pub(super) rd: V,
    pub(super) rn: V,
    pub(super) rm: V,
    pub(super) ra: V,
}

/// The floating-point half of three same: opcode 11xxx, and three same of half precision. The key is U, size<1>,
/// opcode<2:0>; the flag says whether the scalar form exists.
#[rustfmt::skip]
fn three_same(word: u32) -> Option<(Op, Source, bool)> {
    use Source::{Lanes, Pairs};
    Some(match (bit(word, 29), bit(word, 23), field(word, 11, 3)) {
        (false, false, 0b000) => (Op::MaxNumber, Lanes, false),
        (false, false, 0b001) => (Op::MulAdd, Lanes, false),
        (false, false, 0b010) => (Op::Add, Lanes, false),
        (false, false, 0b011) => (Op::ExtendedMul, Lanes, true),
        (false, false, 0b100) => (Op::Equal, Lanes, true),
        (false, false, 0b110) => (Op::Max, Lanes, false),
        (false, false, 0b111) => (Op::RecipStep, Lanes, true),
        (false, true, 0b000) => (Op::MinNumber, Lanes, false),
        (false, true, 0b001) => (Op::MulSub, Lanes, false),
        (false, true, 0b010) => (Op::Sub, Lanes, false),
        (false, true, 0b110) => (Op::Min, Lanes, false),
        (false, true, 0b111) => (Op::RsqrtStep, Lanes, true),
        (true, false, 0b000) => (Op::MaxNumber, Pairs, false),
        (true, false, 0b010) => (Op::Add, Pairs, false),
        (true, false, 0b011) => (Op::Mul, Lanes, false),
        (true, false, 0b100) => (Op::GreaterOrEqual, Lanes, true),
        (true, false, 0b101) => (Op::AbsoluteGreaterOrEqual, Lanes, true),
        (true, false, 0b110) => (Op::Max, Pairs, false),
        (true, false, 0b111) => (Op::Div, Lanes, false),
        (true, true, 0b000) => (Op::MinNumber, Pairs, false),
        (true, true, 0b010) => (Op::AbsoluteDifference, Lanes, true),
        (true, true, 0b100) => (Op::Greater, Lanes, true),
        (true, true, 0b101) => (Op::AbsoluteGreater, Lanes, true),
        (true, true, 0b110) => (Op::Min, Pairs, false),
        _ => return None,
    })
}

pub(super) fn decode_three_same(word: u32, scalar: bool, precision: Precision) -> Option<Operation> {
    let (op, source, has_scalar) = three_same(word)?;
    let shape = if scalar {
        has_scalar.then(|| Shape::scalar(precision))?
    } else {
        Shape::vector(precision, word)?
    };
    Some(insn(word, op, shape, source, V::rd(word)))
}

/// FEAT_FP16: Advanced SIMD three same, half precision.
pub(super) fn decode_half_vector(word: u32) -> Option<Operation> {
    decode_three_same(word, false, Precision::Half)
}

/// FEAT_FP16: Advanced SIMD scalar three same, half precision.
pub(super) fn decode_half_scalar(word: u32) -> Option<Operation> {
    decode_three_same(word, true, Precision::Half)
}

/// An instruction with Rd, Rn and Rm in the usual places.
pub(super) fn insn(word: u32, op: Op, shape: Shape, source: Source, ra: V) -> Operation {
    Operation::FloatLanes(Insn {
        op,
        shape,
        source,
        rd: V::rd(word),
        rn: V::rn(word),
        rm: V::rm(word),
        ra,
    })
}

impl Insn {
    /// Scalars that the host answers are done here, in a function that needs no stack.
    #[inline(never)]
    pub(super) fn execute(self, regs: &mut Regs) {
        let answer = match (self.shape, self.source) {
            (Shape::D1, Source::Lanes) => self.quick::<Double>(regs),
            (Shape::S1, Source::Lanes) => self.quick::<Single>(regs),
            _ => None,
        };
        match answer {
            Some(value) => self.rd.set(regs, u128::from(value)),
            None => self.execute_any(regs),
        }
    }

    #[inline(always)]
    fn quick<F: Format>(self, regs: &Regs) -> Option<u64> {
        let env = Env::of(regs);
        let (x, y) = (self.low::<F>(self.rn, regs), self.low::<F>(self.rm, regs));
        match self.op {
            Op::Add => F::host_add(x, y, &env),
            Op::Sub => F::host_add(x, neg::<F>(y), &env),
            Op::Mul => F::host_mul(x, y, &env),
            Op::Div => F::host_div(x, y, &env),
            _ => None,
        }
    }

    #[inline(always)]
    fn low<F: Format>(self, register: V, regs: &Regs) -> u64 {
        register.get(regs) as u64 & F::MASK
    }

    #[inline(never)]
    fn execute_any(self, regs: &mut Regs) {
        let mut env = Env::of(regs);
        let result = match (self.shape, self.source) {
            (Shape::D1, Source::Lanes) => self.scalar::<Double>(regs, &mut env),
            (Shape::S1, Source::Lanes) => self.scalar::<Single>(regs, &mut env),
            (Shape::H1, Source::Lanes) => self.scalar::<Half>(regs, &mut env),
            _ => self.vector(regs, &mut env),
        };
        self.rd.set(regs, result);
        env.commit(regs);
    }

    fn scalar<F: Format>(self, regs: &Regs, env: &mut Env) -> u128 {
        let [x, y, z] = [self.rn, self.rm, self.ra].map(|register| self.low::<F>(register, regs));
        u128::from(self.op.run::<F>(x, y, z, env))
    }

    #[inline(never)]
    fn vector(self, regs: &Regs, env: &mut Env) -> u128 {
        let (n, m, c) = (self.rn.get_ref(regs), self.rm.get_ref(regs), self.ra.get(regs));
        let (a, b) = match self.source {
            // Only lanes of the shape are looked at, so what is above them may stay.
            Source::Lanes => (*n, *m),
            other => other.operands(self.shape.size(), self.shape.span(), *n, *m),
        };
        if let Some(operation) = self.op.host()
            && let Some(result) = match self.shape {
                Shape::S4 => fast::four_singles(operation, &a, &b, env),
                Shape::D2 => fast::two_doubles(operation, &a, &b, env),
                _ => None,
            }
        {
            return result;
        }
        let lanes = self.shape.lanes();
        by_format!(self.shape, F => map3::<F>(lanes, a, b, c, |x, y, z| self.op.run::<F>(x, y, z, env)))
    }
}

impl Op {
    /// What the host may do to all lanes at once.
    fn host(self) -> Option<fast::Arithmetic> {
        match self {
            Self::Add => Some(fast::Arithmetic::Add),
            Self::Sub => Some(fast::Arithmetic::Sub),
            Self::Mul => Some(fast::Arithmetic::Mul),
            Self::Div => Some(fast::Arithmetic::Div),
            _ => None,
        }
    }

    /// One lane: `x` of Rn, `y` of Rm, `z` of Ra.
    #[inline]
    fn run<F: Format>(self, x: u64, y: u64, z: u64, env: &mut Env) -> u64 {
        match self {
            Self::Add => add::<F>(x, y, env),
            Self::Sub => sub::<F>(x, y, env),
            Self::Mul => mul::<F>(x, y, env),
            Self::Div => div::<F>(x, y, env),
            Self::NegatedMul => neg::<F>(mul::<F>(x, y, env)),
            Self::ExtendedMul => mulx::<F>(x, y, env),
            Self::Max => max::<F>(x, y, env),
            Self::Min => min::<F>(x, y, env),
            Self::MaxNumber => max_num::<F>(x, y, env),
            Self::MinNumber => min_num::<F>(x, y, env),
            Self::AbsoluteDifference => abs::<F>(sub::<F>(x, y, env)),
            Self::RecipStep => recip_step::<F>(x, y, env),
            Self::RsqrtStep => rsqrt_step::<F>(x, y, env),
            Self::Equal => ones::<F>(eq::<F>(x, y, env)),
            Self::GreaterOrEqual => ones::<F>(ge::<F>(x, y, env)),
            Self::Greater => ones::<F>(gt::<F>(x, y, env)),
            Self::AbsoluteGreaterOrEqual => ones::<F>(ge::<F>(abs::<F>(x), abs::<F>(y), env)),
            Self::AbsoluteGreater => ones::<F>(gt::<F>(abs::<F>(x), abs::<F>(y), env)),
            Self::MulAdd => mul_add::<F>(z, x, y, env),
            Self::MulSub => mul_add::<F>(z, neg::<F>(x), y, env),
            Self::NegatedMulAdd => mul_add::<F>(neg::<F>(z), neg::<F>(x), y, env),
            Self::NegatedMulSub => mul_add::<F>(neg::<F>(z), x, y, env),
        }
    }
}

/// A comparison's result: all ones if it holds.
pub(super) fn ones<F: Format>(holds: bool) -> u64 {
    if holds { F::MASK } else { 0 }
}

/// Lane `index` of a register of numbers.
#[inline(always)]
pub(super) fn lane<F: Format>(value: u128, index: u32) -> u64 {
    (value >> ((index * F::BITS) & 127)) as u64 & F::MASK
}

/// The lanes' results; what is above them is zero. One lane is written out, so that scalars do no 128-bit shifts.
#[inline(always)]
pub(super) fn map3<F: Format>(
    lanes: u32,
    a: u128,
    b: u128,
    c: u128,
    mut f: impl FnMut(u64, u64, u64) -> u64,
) -> u128 {
    if lanes == 1 {
        return u128::from(f(a as u64 & F::MASK, b as u64 & F::MASK, c as u64 & F::MASK));
    }
    let mut result = 0;
    for index in 0..lanes {
        let value = f(lane::<F>(a, index), lane::<F>(b, index), lane::<F>(c, index));
        result |= u128::from(value) << ((index * F::BITS) & 127);
    }
    result
}
