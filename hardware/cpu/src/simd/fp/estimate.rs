//! Reciprocal and reciprocal square-root estimates (FPRecipEstimate, FPRSqrtEstimate, FPRecpX and the unsigned
//! integer forms), eight bits each, as the manual's RecipEstimate and RecipSqrtEstimate compute them.

use super::round::overflows_to_infinity;
use super::{Class, Env, Format, bits, invalid, process_nan, unpack};

/// RecipEstimate: `a` is 256 to 511 and stands for 0.5 to 1; so does the result, for 1 to 2.
fn recip(a: u64) -> u64 {
    let a = a * 2 + 1;
    let b = (1 << 19) / a;
    b.div_ceil(2)
}

/// RecipSqrtEstimate: `a` is 128 to 511 and stands for 0.25 to 1; the result is 256 to 511, for 1 to 2.
fn recip_sqrt(a: u64) -> u64 {
    let a = if a < 256 {
        a * 2 + 1
    } else {
        ((a >> 1 << 1) + 1) * 2
    };
    let mut b = 512;
    while a * (b + 1) * (b + 1) < 1 << 28 {
        b += 1;
    }
    b.div_ceil(2)
}

/// FRECPE: FPRecipEstimate.
pub(crate) fn recip_estimate<F: Format>(value: u64, env: &mut Env) -> u64 {
    let x = unpack::<F>(value, env);
    match x.class {
        Class::QuietNan | Class::SignallingNan => return process_nan::<F>(x.class, value, env),
        Class::Infinity => return F::zero(x.neg),
        Class::Zero => {
            env.raise(bits::DZC);
            return F::inf(x.neg);
        }
        Class::Finite => {}
    }
    let magnitude = value & (F::SIGN - 1);
    // Below 2^-128 (2^-1024): the two bits below the smallest normal number are both clear.
    if magnitude < 1 << (F::FRAC - 2) {
        env.raise(bits::OFC | bits::IXC);
        let infinite = overflows_to_infinity(x.neg, env.rounding());
        return F::zero(x.neg) | if infinite { F::INF } else { F::MAX };
    }
    let field = (magnitude >> F::FRAC) as i32;
    // 2^126 (2^1022) and above: the reciprocal is denormal.
    if env.flushes::<F>() && field >= 2 * F::BIAS - 1 {
        env.raise(bits::UFC);
        return F::zero(x.neg);
    }
    // The fraction below its leading one, in 52 bits, and the exponent field of the number once normal.
    let up = x.sig.leading_zeros() - (63 - F::FRAC);
    let frac = x.sig << (up + 52 - F::FRAC) & ((1 << 52) - 1);
    let exp = field.max(1) - up as i32;
    let estimate = (recip(256 | frac >> 44) & 0xff) << 44;
    let (exp, frac) = match 2 * F::BIAS - 1 - exp {
        0 => (0, 1 << 51 | estimate >> 1),
        -1 => (0, 1 << 50 | estimate >> 2),
        normal => (normal, estimate),
    };
    F::zero(x.neg) | (exp as u64) << F::FRAC | frac >> (52 - F::FRAC)
}

/// FRSQRTE: FPRSqrtEstimate.
pub(crate) fn rsqrt_estimate<F: Format>(value: u64, env: &mut Env) -> u64 {
    let x = unpack::<F>(value, env);
    match x.class {
        Class::QuietNan | Class::SignallingNan => return process_nan::<F>(x.class, value, env),
        Class::Zero => {
            env.raise(bits::DZC);
            return F::inf(x.neg);
        }
        _ if x.neg => return invalid::<F>(env),
        Class::Infinity => return 0,
        Class::Finite => {}
    }
    let up = x.sig.leading_zeros() - (63 - F::FRAC);
    let frac = x.sig << (up + 52 - F::FRAC) & ((1 << 52) - 1);
    let exp = ((value >> F::FRAC & F::EXP_MAX) as i32).max(1) - up as i32;
    let scaled = if exp & 1 == 0 {
        256 | frac >> 44
    } else {
        128 | frac >> 45
    };
    let result = (3 * F::BIAS - 1 - exp) / 2;
    let estimate = recip_sqrt(scaled) & 0xff;
    (result as u64) << F::FRAC | estimate << (F::FRAC - 8)
}

/// FRECPX: FPRecpX, the exponent turned over.
pub(crate) fn recip_exponent<F: Format>(value: u64, env: &mut Env) -> u64 {
    let x = unpack::<F>(value, env);
    if x.class.is_nan() {
        return process_nan::<F>(x.class, value, env);
    }
    let field = value >> F::FRAC & F::EXP_MAX;
    let turned = if field == 0 {
        F::EXP_MAX - 1
    } else {
        F::EXP_MAX ^ field
    };
    F::zero(x.neg) | turned << F::FRAC
}

/// URECPE.
pub(crate) fn unsigned_recip(value: u32) -> u32 {
    if value >> 31 == 0 {
        return u32::MAX;
    }
    (recip(u64::from(value >> 23)) as u32) << 23
}

/// URSQRTE.
pub(crate) fn unsigned_rsqrt(value: u32) -> u32 {
    if value >> 30 == 0 {
        return u32::MAX;
    }
    (recip_sqrt(u64::from(value >> 23)) as u32) << 23
}
