//! Between formats, to and from integers and fixed point, and rounding to a whole number (FPConvert, FPToFixed,
//! FixedToFP, FPRoundInt).

use super::round::{Error, round, round_by, split};
use super::{Class, Env, Format, Rounding, bits, process_nan, unpack};

/// An integer operand or result of a conversion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Integer {
    /// 32 or 64.
    pub(crate) bits: u8,
    /// Two's complement.
    pub(crate) signed: bool,
    /// Bits below the binary point, 0 to `bits`.
    pub(crate) fraction: u8,
}

impl Integer {
    fn range(self) -> (i128, i128) {
        let ones = (1i128 << self.bits) - 1;
        if self.signed {
            (-(ones >> 1) - 1, ones >> 1)
        } else {
            (0, ones)
        }
    }

    /// Whether a value of fewer than 63 bits is in range.
    fn holds(self, value: i64) -> bool {
        match (self.signed, self.bits) {
            (true, 32) => i32::try_from(value).is_ok(),
            (true, _) => true,
            (false, 32) => u32::try_from(value).is_ok(),
            (false, _) => value >= 0,
        }
    }

    fn truncated(self, value: i128) -> u64 {
        value as u64 & (u64::MAX >> (64 - u32::from(self.bits)))
    }
}

/// FPToFixed: saturates, with IOC; a NaN gives zero, with IOC.
#[inline]
pub(crate) fn to_integer<F: Format>(value: u64, to: Integer, rounding: Rounding, env: &mut Env) -> u64 {
    if to.fraction == 0
        && let Some(result) = F::host_to_integer(value, rounding, env)
        && to.holds(result)
    {
        return to.truncated(i128::from(result));
    }
    to_integer_exact::<F>(value, to, rounding, env)
}

#[inline(never)]
pub(super) fn to_integer_exact<F: Format>(value: u64, to: Integer, rounding: Rounding, env: &mut Env) -> u64 {
    let x = unpack::<F>(value, env);
    let (low, high) = to.range();
    let saturated = to.truncated(if x.neg { low } else { high });
    match x.class {
        Class::Zero => return 0,
        Class::Finite => {}
        Class::Infinity => {
            env.raise(bits::IOC);
            return saturated;
        }
        Class::QuietNan | Class::SignallingNan => {
            env.raise(bits::IOC);
            return 0;
        }
    }
    let shift = -(x.exp + i32::from(to.fraction));
    // Above 2^64 whatever the significand is (which has at most 53 bits), so the shift below stays in range.
    if shift < -64 {
        env.raise(bits::IOC);
        return saturated;
    }
    let (whole, error) = split(u128::from(x.sig), shift);
    let up = error.rounds_up(whole & 1 != 0, x.neg, rounding);
    let magnitude = whole as i128 + i128::from(up);
    let result = if x.neg { -magnitude } else { magnitude };
    if result < low || result > high {
        env.raise(bits::IOC);
        return saturated;
    }
    if error != Error::None {
        env.raise(bits::IXC);
    }
    to.truncated(result)
}

/// FixedToFP. `value` holds the integer in its low bits; the others are ignored.
#[inline]
pub(crate) fn from_integer<F: Format>(value: u64, from: Integer, env: &mut Env) -> u64 {
    if from.fraction == 0 {
        let extended = match (from.bits, from.signed) {
            (32, true) => Some(i64::from(value as i32)),
            (32, false) => Some(i64::from(value as u32)),
            (_, true) => Some(value as i64),
            (_, false) => i64::try_from(value).ok(),
        };
        if let Some(result) = extended.and_then(|value| F::host_from_integer(value, env)) {
            return result;
        }
    }
    from_integer_exact::<F>(value, from, env)
}

#[inline(never)]
pub(super) fn from_integer_exact<F: Format>(value: u64, from: Integer, env: &mut Env) -> u64 {
    let up = 64 - u32::from(from.bits);
    let (neg, magnitude) = if from.signed {
        let value = (value << up) as i64 >> up;
        (value < 0, value.unsigned_abs())
    } else {
        (false, value << up >> up)
    };
    if magnitude == 0 {
        return 0;
    }
    round::<F>(neg, -i32::from(from.fraction), u128::from(magnitude), env)
}

/// FPRoundInt: to a whole number of the same format. `exact` says that a changed value raises IXC (FRINTX).
#[inline]
pub(crate) fn round_integer<F: Format>(value: u64, rounding: Rounding, exact: bool, env: &mut Env) -> u64 {
    match F::host_round(value, rounding, env) {
        Some((whole, changed)) => {
            if exact && changed {
                env.raise(bits::IXC);
            }
            whole
        }
        None => round_integer_exact::<F>(value, rounding, exact, env),
    }
}

#[inline(never)]
pub(super) fn round_integer_exact<F: Format>(
    value: u64,
    rounding: Rounding,
    exact: bool,
    env: &mut Env,
) -> u64 {
    let x = unpack::<F>(value, env);
    match x.class {
        Class::QuietNan | Class::SignallingNan => return process_nan::<F>(x.class, value, env),
        Class::Infinity => return value,
        Class::Zero => return F::zero(x.neg),
        Class::Finite if x.exp >= 0 => return value,
        Class::Finite => {}
    }
    let (whole, error) = split(u128::from(x.sig), -x.exp);
    let whole = whole + u128::from(error.rounds_up(whole & 1 != 0, x.neg, rounding));
    if exact && error != Error::None {
        env.raise(bits::IXC);
    }
    if whole == 0 {
        return F::zero(x.neg);
    }
    round_by::<F>(x.neg, 0, whole, Rounding::Zero, env)
}

/// FPConvert.
pub(crate) fn convert<From: Format, To: Format>(value: u64, rounding: Rounding, env: &mut Env) -> u64 {
    let x = unpack::<From>(value, env);
    let alternative = env.alternative_half::<To>();
    match x.class {
        Class::QuietNan | Class::SignallingNan => {
            if x.class == Class::SignallingNan || alternative {
                env.raise(bits::IOC);
            }
            if alternative {
                To::zero(x.neg)
            } else if env.default_nan() {
                To::NAN
            } else {
                convert_nan::<From, To>(value)
            }
        }
        Class::Infinity if alternative => {
            env.raise(bits::IOC);
            To::zero(x.neg) | (To::SIGN - 1)
        }
        Class::Infinity => To::inf(x.neg),
        Class::Zero => To::zero(x.neg),
        Class::Finite => round_by::<To>(x.neg, x.exp, u128::from(x.sig), rounding, env),
    }
}

/// FPConvertNaN: the sign and the high bits of the payload stay; the result is quiet.
fn convert_nan<From: Format, To: Format>(value: u64) -> u64 {
    let payload = (value & ((1 << From::FRAC) - 1)) << (63 - From::FRAC) >> (63 - To::FRAC);
    To::zero(value & From::SIGN != 0) | To::NAN | payload
}
