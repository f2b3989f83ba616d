//! The host's floating point, where it provably gives the manual's bits and flags.
//!
//! Every function here answers `None` unless rounding is to nearest, nothing is flushed, and the result is a finite
//! number above the smallest normal one. Then the operands were finite too, no NaN is involved, the host (IEEE 754)
//! rounds to the same bits, and IXC is the only flag that the operation can raise: so it is enough that IXC is
//! already set, or that the operation was exact. The slow path computes the flag once; from then on the host answers.

use core::cmp::Ordering;

use super::{Double, Env, Format, Half, Rounding, Single, bits};

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
    /// To a whole number of the same format, and whether that changed the value. Raises nothing.
    fn host_round(_a: u64, _rounding: Rounding, _env: &Env) -> Option<(u64, bool)> {
        None
    }
    /// To an integer of fewer than 63 bits. Only IXC can be due, and it is set already or not due.
    fn host_to_integer(_a: u64, _rounding: Rounding, _env: &Env) -> Option<i64> {
        None
    }
    /// From an integer.
    fn host_from_integer(_value: i64, _env: &Env) -> Option<u64> {
        None
    }
    /// The order of two numbers, neither of them a NaN or to be flushed.
    fn host_order(_a: u64, _b: u64, _env: &Env) -> Option<Ordering> {
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

            #[inline(always)]
            fn host_round(a: u64, rounding: Rounding, env: &Env) -> Option<(u64, bool)> {
                let x = <$float>::from_bits(a as $bits);
                // Numbers are whole from here on. A NaN is not below.
                let limit = (1u64 << <$format>::FRAC) as $float;
                let is_below = x.abs() < limit;
                if env.flushes::<$format>() || !is_below {
                    return None;
                }
                let whole = match rounding {
                    Rounding::TieEven => x.round_ties_even(),
                    Rounding::Up => x.ceil(),
                    Rounding::Down => x.floor(),
                    Rounding::Zero => x.trunc(),
                    Rounding::TieAway => x.round(),
                    Rounding::Odd => return None,
                };
                Some((u64::from(whole.to_bits()), whole != x))
            }

            #[inline(always)]
            fn host_to_integer(a: u64, rounding: Rounding, env: &Env) -> Option<i64> {
                let (whole, changed) = Self::host_round(a, rounding, env)?;
                (!changed || env.raised(bits::IXC)).then(|| <$float>::from_bits(whole as $bits) as i64)
            }

            #[inline(always)]
            fn host_from_integer(value: i64, env: &Env) -> Option<u64> {
                let is_exact = value.unsigned_abs() < 1 << <$format>::FRAC;
                let known = env.is_plain() && env.raised(bits::IXC) || is_exact;
                known.then(|| u64::from((value as $float).to_bits()))
            }

            #[inline(always)]
            fn host_order(a: u64, b: u64, env: &Env) -> Option<Ordering> {
                if env.flushes::<$format>() {
                    return None;
                }
                <$float>::from_bits(a as $bits).partial_cmp(&<$float>::from_bits(b as $bits))
            }
        }
    };
}

/// Single to double: exact for a normal number.
#[inline(always)]
pub(crate) fn widen(value: u64) -> Option<u64> {
    let is_normal = (value >> Single::FRAC & Single::EXP_MAX).wrapping_sub(1) < Single::EXP_MAX - 1;
    is_normal.then(|| f64::from(f32::from_bits(value as u32)).to_bits())
}

/// Double to single.
#[inline(always)]
pub(crate) fn narrow(value: u64, rounding: Rounding, env: &Env) -> Option<u64> {
    let wide = f64::from_bits(value);
    let result = u64::from((wide as f32).to_bits());
    let known = env.raised(bits::IXC) || f64::from(wide as f32) == wide;
    (rounding == Rounding::TieEven && known && is_safe::<Single>(result)).then_some(result)
}

/// What the host does to whole vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
}

macro_rules! vector {
    ($name:ident, $format:ty, $float:ty, $bytes:literal) => {
        /// All lanes of two registers at once, when IXC is set already and every result is safe.
        pub(crate) fn $name(op: Arithmetic, a: &u128, b: &u128, env: &Env) -> Option<u128> {
            #[inline(never)]
            fn kernel(
                a: &[u8; 16],
                b: &[u8; 16],
                out: &mut [u8; 16],
                f: impl Fn($float, $float) -> $float,
            ) -> bool {
                let mut safe = true;
                let lanes = out
                    .as_chunks_mut::<$bytes>()
                    .0
                    .iter_mut()
                    .zip(a.as_chunks().0)
                    .zip(b.as_chunks().0);
                for ((out, a), b) in lanes {
                    let result = f(<$float>::from_le_bytes(*a), <$float>::from_le_bytes(*b));
                    safe &= is_safe::<$format>(u64::from(result.to_bits()));
                    *out = result.to_le_bytes();
                }
                safe
            }
            if !(env.is_plain() && env.raised(bits::IXC)) {
                return None;
            }
            let (a, b, mut out) = (a.to_le_bytes(), b.to_le_bytes(), [0; 16]);
            let safe = match op {
                Arithmetic::Add => kernel(&a, &b, &mut out, |x, y| x + y),
                Arithmetic::Sub => kernel(&a, &b, &mut out, |x, y| x - y),
                Arithmetic::Mul => kernel(&a, &b, &mut out, |x, y| x * y),
                Arithmetic::Div => kernel(&a, &b, &mut out, |x, y| x / y),
            };
            safe.then(|| u128::from_le_bytes(out))
        }
    };
}

vector!(four_singles, Single, f32, 4);
vector!(two_doubles, Double, f64, 8);

host!(Single, f32, u32);
host!(Double, f64, u64);
