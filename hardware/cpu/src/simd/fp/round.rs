//! FPRound: the one place where an exact value becomes a number of a format.

use super::{Env, Format, Rounding, bits};

/// Rounds `sig * 2^exp` (`sig` not zero) by FPCR's rounding mode.
///
/// The lowest bit of `sig` may stand for "and something below": callers keep at least two bits between it and the
/// last bit of the format.
pub(crate) fn round<F: Format>(neg: bool, exp: i32, sig: u128, env: &mut Env) -> u64 {
    round_by::<F>(neg, exp, sig, env.rounding(), env)
}

/// FPRound with an explicit rounding mode.
pub(crate) fn round_by<F: Format>(neg: bool, exp: i32, sig: u128, rounding: Rounding, env: &mut Env) -> u64 {
    debug_assert!(sig != 0, "zero has no exponent");
    let sign = F::zero(neg);
    let top = exp + 127 - sig.leading_zeros() as i32;
    let tiny = top < F::EXP_MIN;
    if tiny && env.flushes::<F>() {
        env.raise(bits::UFC);
        return sign;
    }
    if top > F::BIAS + 1 {
        return overflow::<F>(neg, rounding, env);
    }
    // The unit of the last place, and what is left below it.
    let last = top.max(F::EXP_MIN) - F::FRAC as i32;
    let (kept, error) = split(sig, last - exp);
    if tiny && error != Error::None {
        env.raise(bits::UFC);
    }
    let mut kept = kept as u64;
    if error.rounds_up(kept & 1 != 0, neg, rounding) {
        kept += 1;
    }
    if rounding == Rounding::Odd && error != Error::None {
        kept |= 1;
    }
    // A normal significand carries its leading one into the exponent field, and so does a carry out of rounding.
    let field = if tiny { 0 } else { (top - F::EXP_MIN) as u64 };
    let magnitude = (field << F::FRAC) + kept;
    let limit = if env.alternative_half::<F>() {
        F::SIGN
    } else {
        F::INF
    };
    if magnitude >= limit {
        return overflow::<F>(neg, rounding, env);
    }
    if error != Error::None {
        env.raise(bits::IXC);
    }
    sign | magnitude
}

fn overflow<F: Format>(neg: bool, rounding: Rounding, env: &mut Env) -> u64 {
    if env.alternative_half::<F>() {
        env.raise(bits::IOC);
        return F::zero(neg) | (F::SIGN - 1);
    }
    env.raise(bits::OFC | bits::IXC);
    F::zero(neg)
        | if overflows_to_infinity(neg, rounding) {
            F::INF
        } else {
            F::MAX
        }
}

/// Whether an overflow gives infinity rather than the largest number.
pub(crate) fn overflows_to_infinity(neg: bool, rounding: Rounding) -> bool {
    match rounding {
        Rounding::TieEven | Rounding::TieAway => true,
        Rounding::Up => !neg,
        Rounding::Down => neg,
        Rounding::Zero | Rounding::Odd => false,
    }
}

/// What was cut off, in units of the last place kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Error {
    None,
    BelowHalf,
    Half,
    AboveHalf,
}

impl Error {
    /// Whether the magnitude grows by one.
    pub(crate) fn rounds_up(self, odd: bool, neg: bool, rounding: Rounding) -> bool {
        match rounding {
            Rounding::TieEven => self == Self::AboveHalf || self == Self::Half && odd,
            Rounding::TieAway => matches!(self, Self::AboveHalf | Self::Half),
            Rounding::Up => self != Self::None && !neg,
            Rounding::Down => self != Self::None && neg,
            Rounding::Zero | Rounding::Odd => false,
        }
    }
}

/// `sig * 2^-shift` as a whole number and what is left of it. A negative shift must not lose bits.
pub(crate) fn split(sig: u128, shift: i32) -> (u128, Error) {
    if shift <= 0 {
        return (sig << -shift, Error::None);
    }
    if shift > 128 {
        return (0, if sig == 0 { Error::None } else { Error::BelowHalf });
    }
    let half = 1u128 << (shift - 1);
    let rest = sig & (half | (half - 1));
    let error = match rest {
        0 => Error::None,
        _ if rest < half => Error::BelowHalf,
        _ if rest == half => Error::Half,
        _ => Error::AboveHalf,
    };
    (sig.checked_shr(shift as u32).unwrap_or(0), error)
}
