//! Floating point exactly as the Arm manual's pseudocode defines it, in integers.
//!
//! [`Env`] carries FPCR in and FPSR out. [`Format`] names half, single and double precision; a value travels as its
//! bits in the low end of a `u64`. [`unpack`] and [`round`](round::round) are the manual's FPUnpack and FPRound; the
//! operations between them are in [`arith`], [`compare`], [`convert`] and [`estimate`]. [`fast`] answers from the
//! host's own floating point where that provably gives the same bits and the same flags.
//!
//! Source: Arm ARM (DDI 0487), shared pseudocode "functions/float".

pub(crate) mod arith;
pub(crate) mod compare;
pub(crate) mod convert;
pub(crate) mod estimate;
pub(crate) mod fast;
pub(crate) mod round;
#[cfg(test)]
mod tests;

use arch::Regs;

/// FPSR bits (Arm ARM C5.2.9), and the FPCR bits that this crate obeys (C5.2.8).
pub(crate) mod bits {
    /// Invalid operation, cumulative.
    pub(crate) const IOC: u32 = 1 << 0;
    /// Division by zero, cumulative.
    pub(crate) const DZC: u32 = 1 << 1;
    /// Overflow, cumulative.
    pub(crate) const OFC: u32 = 1 << 2;
    /// Underflow, cumulative.
    pub(crate) const UFC: u32 = 1 << 3;
    /// Inexact, cumulative.
    pub(crate) const IXC: u32 = 1 << 4;
    /// Input denormal, cumulative.
    pub(crate) const IDC: u32 = 1 << 7;
    /// Integer saturation, cumulative.
    pub(crate) const QC: u32 = 1 << 27;

    /// Flush denormal numbers of half precision to zero, but in conversions between formats.
    pub(crate) const FZ16: u32 = 1 << 19;
    /// Where the rounding mode is in FPCR.
    pub(crate) const RMODE_AT: u32 = 22;
    /// Flush denormal numbers to zero.
    pub(crate) const FZ: u32 = 1 << 24;
    /// Every NaN result is the default NaN.
    pub(crate) const DN: u32 = 1 << 25;
    /// Half precision has no infinities and no NaN, in conversions between formats.
    pub(crate) const AHP: u32 = 1 << 26;
}

/// How a result that does not fit is rounded (the manual's FPRounding).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Rounding {
    /// To nearest, ties to even.
    TieEven,
    /// Towards plus infinity.
    Up,
    /// Towards minus infinity.
    Down,
    /// Towards zero.
    Zero,
    /// To nearest, ties away from zero.
    TieAway,
    /// To odd: FCVTXN only.
    Odd,
}

impl Rounding {
    /// From the two-bit field of FPCR.RMode and of the conversion instructions.
    pub(crate) const fn of(field: u32) -> Self {
        match field & 3 {
            0 => Self::TieEven,
            1 => Self::Up,
            2 => Self::Down,
            _ => Self::Zero,
        }
    }
}

/// The floating-point environment during one instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Env {
    fpcr: u32,
    fpsr: u32,
}

impl Env {
    /// Reads FPCR and FPSR. Arithmetic knows no alternative half precision (the manual's FPUnpack and FPRound).
    #[inline(always)]
    pub(crate) fn of(regs: &Regs) -> Self {
        Self {
            fpcr: regs.fpcr & !bits::AHP,
            fpsr: regs.fpsr,
        }
    }

    /// The same for a conversion between formats, which flushes no half precision (FPUnpackCV and FPRoundCV).
    pub(crate) fn of_conversion(regs: &Regs) -> Self {
        Self {
            fpcr: regs.fpcr & !bits::FZ16,
            fpsr: regs.fpsr,
        }
    }

    /// Writes the cumulative flags back.
    #[inline(always)]
    pub(crate) fn commit(self, regs: &mut Regs) {
        regs.fpsr = self.fpsr;
    }

    /// Sets cumulative flags.
    #[inline(always)]
    pub(crate) fn raise(&mut self, flags: u32) {
        self.fpsr |= flags;
    }

    /// Whether all these cumulative flags are set.
    #[inline(always)]
    pub(crate) fn raised(&self, flags: u32) -> bool {
        self.fpsr & flags == flags
    }

    /// FPCR.RMode.
    #[inline(always)]
    pub(crate) fn rounding(&self) -> Rounding {
        Rounding::of(self.fpcr >> bits::RMODE_AT)
    }

    /// Whether denormal numbers of this format are flushed.
    fn flushes<F: Format>(&self) -> bool {
        let bit = if F::BITS == 16 { bits::FZ16 } else { bits::FZ };
        self.fpcr & bit != 0
    }

    fn default_nan(&self) -> bool {
        self.fpcr & bits::DN != 0
    }

    fn alternative_half<F: Format>(&self) -> bool {
        F::BITS == 16 && self.fpcr & bits::AHP != 0
    }

    /// Round to nearest and no flushing: what the host does too.
    #[inline(always)]
    fn is_plain(&self) -> bool {
        self.fpcr & (bits::FZ | 3 << bits::RMODE_AT) == 0
    }
}

/// A binary floating-point format; a value is its bits in the low end of a `u64`.
pub(crate) trait Format: fast::Host {
    /// Bits of a value.
    const BITS: u32;
    /// Bits of its fraction.
    const FRAC: u32;
    /// The exponent field of an infinity.
    const EXP_MAX: u64 = (1 << (Self::BITS - 1 - Self::FRAC)) - 1;
    /// What is added to the exponent to get its field.
    const BIAS: i32 = (Self::EXP_MAX / 2) as i32;
    /// The exponent of the smallest normal number.
    const EXP_MIN: i32 = 1 - Self::BIAS;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::BITS - 1);
    /// All bits of a value.
    const MASK: u64 = u64::MAX >> (64 - Self::BITS);
    /// Plus infinity.
    const INF: u64 = Self::EXP_MAX << Self::FRAC;
    /// The bit of the fraction that makes a NaN quiet.
    const QUIET: u64 = 1 << (Self::FRAC - 1);
    /// The default NaN: positive, quiet, no payload.
    const NAN: u64 = Self::INF | Self::QUIET;
    /// The largest finite number.
    const MAX: u64 = Self::INF - 1;

    /// Zero with a sign.
    fn zero(neg: bool) -> u64 {
        if neg { Self::SIGN } else { 0 }
    }

    /// Infinity with a sign.
    fn inf(neg: bool) -> u64 {
        Self::zero(neg) | Self::INF
    }

    /// Two to a small power, with a sign.
    fn power_of_two(neg: bool, exp: i32) -> u64 {
        Self::zero(neg) | ((exp + Self::BIAS) as u64) << Self::FRAC
    }
}

/// Half precision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Half;
/// Single precision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Single;
/// Double precision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Double;

impl Format for Half {
    const BITS: u32 = 16;
    const FRAC: u32 = 10;
}

impl Format for Single {
    const BITS: u32 = 32;
    const FRAC: u32 = 23;
}

impl Format for Double {
    const BITS: u32 = 64;
    const FRAC: u32 = 52;
}

/// The manual's FPType.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    Zero,
    Finite,
    Infinity,
    QuietNan,
    SignallingNan,
}

impl Class {
    pub(crate) fn is_nan(self) -> bool {
        matches!(self, Self::QuietNan | Self::SignallingNan)
    }
}

/// A value taken apart. When finite it is `sig * 2^exp`, negated if `neg`; `sig` is not normalised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unpacked {
    pub(crate) class: Class,
    pub(crate) neg: bool,
    pub(crate) exp: i32,
    pub(crate) sig: u64,
}

impl Unpacked {
    pub(crate) fn is_zero(&self) -> bool {
        self.class == Class::Zero
    }

    pub(crate) fn is_inf(&self) -> bool {
        self.class == Class::Infinity
    }
}

/// FPUnpack: takes a value apart, flushing a denormal input where FPCR says so.
pub(crate) fn unpack<F: Format>(value: u64, env: &mut Env) -> Unpacked {
    let field = value >> F::FRAC & F::EXP_MAX;
    let frac = value & ((1 << F::FRAC) - 1);
    let (class, exp, sig) = match field {
        0 if frac == 0 => (Class::Zero, 0, 0),
        0 if env.flushes::<F>() => {
            // Half precision is flushed without a word.
            if F::BITS != 16 {
                env.raise(bits::IDC);
            }
            (Class::Zero, 0, 0)
        }
        0 => (Class::Finite, F::EXP_MIN - F::FRAC as i32, frac),
        _ if field == F::EXP_MAX && !env.alternative_half::<F>() => (special(frac, F::QUIET), 0, 0),
        _ => (
            Class::Finite,
            field as i32 - F::BIAS - F::FRAC as i32,
            frac | 1 << F::FRAC,
        ),
    };
    Unpacked {
        class,
        neg: value & F::SIGN != 0,
        exp,
        sig,
    }
}

fn special(frac: u64, quiet: u64) -> Class {
    if frac == 0 {
        Class::Infinity
    } else if frac & quiet != 0 {
        Class::QuietNan
    } else {
        Class::SignallingNan
    }
}

/// FPProcessNaN: the result of an operation on a NaN.
pub(crate) fn process_nan<F: Format>(class: Class, value: u64, env: &mut Env) -> u64 {
    if class == Class::SignallingNan {
        env.raise(bits::IOC);
    }
    if env.default_nan() {
        F::NAN
    } else {
        value | F::QUIET
    }
}

/// FPProcessNaNs and FPProcessNaNs3: the first signalling operand, else the first quiet one, else nothing.
pub(crate) fn process_nans<F: Format, const N: usize>(
    operands: [(Class, u64); N],
    env: &mut Env,
) -> Option<u64> {
    for wanted in [Class::SignallingNan, Class::QuietNan] {
        for (class, value) in operands {
            if class == wanted {
                return Some(process_nan::<F>(class, value, env));
            }
        }
    }
    None
}

/// The answer to an invalid operation: the default NaN, and IOC.
pub(crate) fn invalid<F: Format>(env: &mut Env) -> u64 {
    env.raise(bits::IOC);
    F::NAN
}
