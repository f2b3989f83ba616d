//! Conversions: between formats, and between floating point and integers or fixed point, in general registers or in
//! lanes.

use arch::{Reg, Regs};

use super::Operation;
use super::copy;
use super::float_lanes::{Precision, Shape, by_format, map3};
use super::float_scalar::shape;
use super::float_unary::Mode;
use super::fp::convert::{Integer, convert, from_integer, to_integer};
use super::fp::{Double, Env, Format, Half, Rounding, Single, fast};
use super::lanes::{Size, V, bit, elements, field, gather, set_half};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Insn {
    /// FCVTxS and FCVTxU to a general register; the shape is a scalar's.
    ToGeneral {
        to: Integer,
        mode: Mode,
        shape: Shape,
        rd: Reg,
        rn: V,
    },
    /// SCVTF and UCVTF from a general register.
    FromGeneral {
        from: Integer,
        shape: Shape,
        rd: V,
        rn: Reg,
    },
    /// The same within lanes.
    ToLanes {
        to: Integer,
        mode: Mode,
        shape: Shape,
        rd: V,
        rn: V,
    },
    /// The same within lanes.
    FromLanes {
        from: Integer,
        shape: Shape,
        rd: V,
        rn: V,
    },
    /// FCVT.
    Precision { pair: Pair, rd: V, rn: V },
    /// FCVTN and FCVTXN (`mode` is to odd), to the low or the high half.
    Narrow {
        pair: Pair,
        mode: Mode,
        high: bool,
        scalar: bool,
        rd: V,
        rn: V,
    },
    /// FCVTL, from the low or the high half.
    Long { pair: Pair, high: bool, rd: V, rn: V },
}

/// The format converted from, then the one converted to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pair {
    HalfSingle,
    HalfDouble,
    SingleHalf,
    SingleDouble,
    DoubleHalf,
    DoubleSingle,
}

impl Pair {
    fn convert(self, value: u64, rounding: Rounding, env: &mut Env) -> u64 {
        let host = match self {
            Self::SingleDouble => fast::widen(value & Single::MASK),
            Self::DoubleSingle => fast::narrow(value, rounding, env),
            _ => None,
        };
        if let Some(result) = host {
            return result;
        }
        match self {
            Self::HalfSingle => convert::<Half, Single>(value & Half::MASK, rounding, env),
            Self::HalfDouble => convert::<Half, Double>(value & Half::MASK, rounding, env),
            Self::SingleHalf => convert::<Single, Half>(value & Single::MASK, rounding, env),
            Self::SingleDouble => convert::<Single, Double>(value & Single::MASK, rounding, env),
            Self::DoubleHalf => convert::<Double, Half>(value, rounding, env),
            Self::DoubleSingle => convert::<Double, Single>(value, rounding, env),
        }
    }

    /// The size converted from, for a conversion in lanes.
    fn size(self) -> Size {
        match self {
            Self::HalfSingle | Self::HalfDouble => Size::H,
            Self::SingleHalf | Self::SingleDouble => Size::S,
            Self::DoubleHalf | Self::DoubleSingle => Size::D,
        }
    }
}

/// FCVT: `ptype` is the format converted from, opcode<1:0> the one converted to.
pub(super) fn decode_precision(word: u32) -> Option<Operation> {
    let pair = match (field(word, 22, 2), field(word, 15, 2)) {
        (3, 0) => Pair::HalfSingle,
        (3, 1) => Pair::HalfDouble,
        (0, 3) => Pair::SingleHalf,
        (0, 1) => Pair::SingleDouble,
        (1, 3) => Pair::DoubleHalf,
        (1, 0) => Pair::DoubleSingle,
        _ => return None,
    };
    Some(Operation::FloatConvert(Insn::Precision {
        pair,
        rd: V::rd(word),
        rn: V::rn(word),
    }))
}

/// Conversion between floating point and integer, and FMOV of a general register.
pub(super) fn decode_integer(word: u32) -> Option<Operation> {
    let (rmode, opcode) = (field(word, 19, 2), field(word, 16, 3));
    match (opcode, rmode) {
        (0b000 | 0b001, _) => to_general(word, 0, Mode::Fixed(Rounding::of(rmode))),
        (0b010 | 0b011, 0) => from_general(word, 0),
        (0b100 | 0b101, 0) => to_general(word, 0, Mode::Fixed(Rounding::TieAway)),
        (0b110 | 0b111, _) => copy::decode_move(word),
        _ => None,
    }
}

/// Conversion between floating point and fixed point.
pub(super) fn decode_fixed(word: u32) -> Option<Operation> {
    let fraction = 64 - field(word, 10, 6);
    if !bit(word, 31) && fraction > 32 {
        return None;
    }
    match (field(word, 16, 3), field(word, 19, 2)) {
        (0b000 | 0b001, 3) => to_general(word, fraction as u8, Mode::Fixed(Rounding::Zero)),
        (0b010 | 0b011, 0) => from_general(word, fraction as u8),
        _ => None,
    }
}

fn general(word: u32, fraction: u8) -> Integer {
    Integer {
        bits: if bit(word, 31) { 64 } else { 32 },
        signed: !bit(word, 16),
        fraction,
    }
}

fn to_general(word: u32, fraction: u8, mode: Mode) -> Option<Operation> {
    Some(Operation::FloatConvert(Insn::ToGeneral {
        to: general(word, fraction),
        mode,
        shape: shape(word)?,
        rd: Reg::destination(word),
        rn: V::rn(word),
    }))
}

fn from_general(word: u32, fraction: u8) -> Option<Operation> {
    Some(Operation::FloatConvert(Insn::FromGeneral {
        from: general(word, fraction),
        shape: shape(word)?,
        rd: V::rd(word),
        rn: Reg::source(word >> 5),
    }))
}

/// The conversions among two-register miscellaneous.
pub(super) fn decode_two_register(word: u32, scalar: bool, precision: Precision) -> Option<Operation> {
    let mode = match (bit(word, 23), field(word, 12, 5)) {
        (false, 0b10110) if precision != Precision::Half => return decode_narrow(word, scalar),
        (false, 0b10111) if precision != Precision::Half => return decode_long(word, scalar),
        (false, 0b11101) => return from_lanes(word, lanes_shape(word, scalar, precision)?, 0),
        (false, 0b11010) => Rounding::TieEven,
        (false, 0b11011) => Rounding::Down,
        (false, 0b11100) => Rounding::TieAway,
        (true, 0b11010) => Rounding::Up,
        (true, 0b11011) => Rounding::Zero,
        _ => return None,
    };
    to_lanes(word, lanes_shape(word, scalar, precision)?, 0, mode)
}

fn lanes_shape(word: u32, scalar: bool, precision: Precision) -> Option<Shape> {
    if scalar {
        Some(Shape::scalar(precision))
    } else {
        Shape::vector(precision, word)
    }
}

/// The conversions among shifts by an immediate: `shift` is immh:immb.
pub(super) fn decode_fixed_lanes(word: u32, scalar: bool) -> Option<Operation> {
    let shift = field(word, 16, 7);
    let (precision, fraction) = match shift >> 4 {
        0 => return None,
        1 => (Precision::Half, 32 - shift),
        2 | 3 => (Precision::Single, 64 - shift),
        _ => (Precision::Double, 128 - shift),
    };
    let shape = lanes_shape(word, scalar, precision)?;
    match field(word, 11, 5) {
        0b11100 => from_lanes(word, shape, fraction as u8),
        0b11111 => to_lanes(word, shape, fraction as u8, Rounding::Zero),
        _ => None,
    }
}

fn lane_integer(word: u32, shape: Shape, fraction: u8) -> Integer {
    Integer {
        bits: shape.size().bits() as u8,
        signed: !bit(word, 29),
        fraction,
    }
}

fn to_lanes(word: u32, shape: Shape, fraction: u8, rounding: Rounding) -> Option<Operation> {
    Some(Operation::FloatConvert(Insn::ToLanes {
        to: lane_integer(word, shape, fraction),
        mode: Mode::Fixed(rounding),
        shape,
        rd: V::rd(word),
        rn: V::rn(word),
    }))
}

fn from_lanes(word: u32, shape: Shape, fraction: u8) -> Option<Operation> {
    Some(Operation::FloatConvert(Insn::FromLanes {
        from: lane_integer(word, shape, fraction),
        shape,
        rd: V::rd(word),
        rn: V::rn(word),
    }))
}

fn decode_narrow(word: u32, scalar: bool) -> Option<Operation> {
    let (pair, mode) = match (bit(word, 29), bit(word, 22)) {
        (false, false) if !scalar => (Pair::SingleHalf, Mode::Current),
        (false, true) if !scalar => (Pair::DoubleSingle, Mode::Current),
        (true, true) => (Pair::DoubleSingle, Mode::Fixed(Rounding::Odd)),
        _ => return None,
    };
    Some(Operation::FloatConvert(Insn::Narrow {
        pair,
        mode,
        high: !scalar && bit(word, 30),
        scalar,
        rd: V::rd(word),
        rn: V::rn(word),
    }))
}

fn decode_long(word: u32, scalar: bool) -> Option<Operation> {
    if scalar || bit(word, 29) {
        return None;
    }
    Some(Operation::FloatConvert(Insn::Long {
        pair: if bit(word, 22) {
            Pair::SingleDouble
        } else {
            Pair::HalfSingle
        },
        high: bit(word, 30),
        rd: V::rd(word),
        rn: V::rn(word),
    }))
}

impl Insn {
    #[inline(never)]
    pub(super) fn execute(self, regs: &mut Regs) {
        let mut env = match self {
            Self::Precision { .. } | Self::Narrow { .. } | Self::Long { .. } => Env::of_conversion(regs),
            _ => Env::of(regs),
        };
        match self {
            Self::ToGeneral {
                to,
                mode,
                shape,
                rd,
                rn,
            } => {
                let (value, rounding) = (rn.get(regs) as u64, mode.rounding(&env));
                let result = by_format!(shape, F => to_integer::<F>(value & F::MASK, to, rounding, &mut env));
                regs.set(rd, result);
            }
            Self::FromGeneral { from, shape, rd, rn } => {
                let value = regs.get(rn);
                let result = by_format!(shape, F => from_integer::<F>(value, from, &mut env));
                rd.set(regs, u128::from(result));
            }
            Self::ToLanes {
                to,
                mode,
                shape,
                rd,
                rn,
            } => {
                let (n, mode) = (rn.get(regs), mode.rounding(&env));
                let result =
                    by_format!(shape, F => map::<F>(shape, n, |x| to_integer::<F>(x, to, mode, &mut env)));
                rd.set(regs, result);
            }
            Self::FromLanes { from, shape, rd, rn } => {
                let n = rn.get(regs);
                let result =
                    by_format!(shape, F => map::<F>(shape, n, |x| from_integer::<F>(x, from, &mut env)));
                rd.set(regs, result);
            }
            Self::Precision { pair, rd, rn } => {
                let rounding = env.rounding();
                let result = pair.convert(rn.get(regs) as u64, rounding, &mut env);
                rd.set(regs, u128::from(result));
            }
            Self::Narrow {
                pair,
                mode,
                high,
                scalar,
                rd,
                rn,
            } => {
                let rounding = mode.rounding(&env);
                let size = pair.size();
                let lanes = if scalar { 1 } else { 128 / size.bits() };
                let wide = elements(size, false, rn.get(regs)).take(lanes as usize);
                let narrow = wide.map(|x| i128::from(pair.convert(x as u64, rounding, &mut env)));
                let result = gather(Size::of(size as u32 - 1), narrow);
                set_half(rd, high, result, regs);
            }
            Self::Long { pair, high, rd, rn } => {
                let rounding = env.rounding();
                let value = rn.get(regs) >> if high { 64 } else { 0 };
                let size = pair.size();
                let narrow = elements(size, false, value).take(64 / size.bits() as usize);
                let wide = narrow.map(|x| i128::from(pair.convert(x as u64, rounding, &mut env)));
                let result = gather(size.double(), wide);
                rd.set(regs, result);
            }
        }
        env.commit(regs);
    }
}

#[inline(always)]
fn map<F: Format>(shape: Shape, n: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
    map3::<F>(shape.lanes(), n, 0, 0, |x, _, _| f(x))
}
