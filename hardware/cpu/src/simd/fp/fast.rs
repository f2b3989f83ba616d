//! The host's floating point, where it provably gives the manual's bits and flags.
//!
//! Every function here answers `None` unless rounding is to nearest, nothing is flushed, and the result is a finite
//! number above the smallest normal one. Then the operands were finite too, no NaN is involved, the host (IEEE 754)
//! rounds to the same bits, and IXC is the only flag that the operation can raise: so it is enough that IXC is
//! already set, or that the operation was exact. The slow path computes the flag once; from then on the host answers.

use super::{Double, Env, Format, Half, Single, bits};

/// Operations that the host may answer.
pub(crate) trait Host: Copy + Sized {
    /// `a + b`.
    fn host_add(_a: u64, _b: u64, _env: &Env) -> Option<u64> {
        None
    }
    /// `a * b`.
    fn host_mul(_a: u64, _b: u64, _env: &Env) -> Option<u64> {
        None
    }
    /// `a / b`.
    fn host_div(_a: u64, _b: u64, _env: &Env) -> Option<u64> {
        None
    }
    /// The square root.
    fn host_sqrt(_a: u64, _env: &Env) -> Option<u64> {
        None
    }
    /// `addend + a * b`, rounded once.
    fn host_mul_add(_addend: u64, _a: u64, _b: u64, _env: &Env) -> Option<u64> {
        None
    }
}

impl Host for Half {}

/// Normal, finite, and not the smallest normal number, which a tiny result may have been rounded up to.
#[inline(always)]
fn is_safe<F: Format>(value: u64) -> bool {
    (value >> F::FRAC & F::EXP_MAX).wrapping_sub(2) < F::EXP_MAX - 2
}

/// Whether the product of two normal numbers fits the format: the widths of their significands add up to no more than
/// the format's, or one is a power of two.
#[inline(always)]
fn is_exact_product<F: Format>(a: u64, b: u64) -> bool {
    let is_normal = |value: u64| (value >> F::FRAC & F::EXP_MAX).wrapping_sub(1) < F::EXP_MAX - 1;
    let zeros = |value: u64| (value | 1 << F::FRAC).trailing_zeros();
    let (a_zeros, b_zeros) = (zeros(a), zeros(b));
    let fits = a_zeros + b_zeros > F::FRAC || a_zeros == F::FRAC || b_zeros == F::FRAC;
    is_normal(a) && is_normal(b) && fits
}

macro_rules! host {
    ($format:ty, $float:ty, $bits:ty) => {
        impl Host for $format {
            #[inline(always)]
            fn host_add(a: u64, b: u64, env: &Env) -> Option<u64> {
                let (x, y) = (
                    <$float>::from_bits(a as $bits),
                    <$float>::from_bits(b as $bits),
                );
                let sum = x + y;
                let result = u64::from(sum.to_bits());
                // Knuth's two-sum: the error of the addition, exactly, unless something overflows; then it is not 0.
                let exact = || {
                    let rest = sum - x;
                    (x - (sum - rest)) + (y - rest) == 0.0
                };
                let safe = env.is_plain() && is_safe::<$format>(result);
                (safe && (env.raised(bits::IXC) || exact())).then_some(result)
            }

            #[inline(always)]
            fn host_mul(a: u64, b: u64, env: &Env) -> Option<u64> {
                let (x, y) = (
                    <$float>::from_bits(a as $bits),
                    <$float>::from_bits(b as $bits),
                );
                let result = u64::from((x * y).to_bits());
                let safe = env.is_plain() && is_safe::<$format>(result);
                (safe && (env.raised(bits::IXC) || is_exact_product::<$format>(a, b))).then_some(result)
            }

            #[inline(always)]
            fn host_div(a: u64, b: u64, env: &Env) -> Option<u64> {
                let (x, y) = (
                    <$float>::from_bits(a as $bits),
                    <$float>::from_bits(b as $bits),
                );
                let quotient = x / y;
                let result = u64::from(quotient.to_bits());
                let safe = env.is_plain() && is_safe::<$format>(result);
                let exact = || is_exact_product::<$format>(result, b) && quotient * y == x;
                (safe && (env.raised(bits::IXC) || exact())).then_some(result)
            }

            #[inline(always)]
            fn host_sqrt(a: u64, env: &Env) -> Option<u64> {
                let x = <$float>::from_bits(a as $bits);
                let root = x.sqrt();
                let result = u64::from(root.to_bits());
                let safe = env.is_plain() && is_safe::<$format>(result);
                let exact = || is_exact_product::<$format>(result, result) && root * root == x;
                (safe && (env.raised(bits::IXC) || exact())).then_some(result)
            }

            #[inline(always)]
            fn host_mul_add(addend: u64, a: u64, b: u64, env: &Env) -> Option<u64> {
                if !(env.is_plain() && env.raised(bits::IXC)) {
                    return None;
                }
                let (x, y) = (
                    <$float>::from_bits(a as $bits),
                    <$float>::from_bits(b as $bits),
                );
                let result = u64::from(x.mul_add(y, <$float>::from_bits(addend as $bits)).to_bits());
                is_safe::<$format>(result).then_some(result)
            }
        }
    };
}

host!(Single, f32, u32);
host!(Double, f64, u64);
