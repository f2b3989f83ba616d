//! Sums, products, quotients, roots, fused multiply-add and the refinement steps.
//!
//! Each function is the manual's of the same name (FPAdd, FPMul, FPDiv, FPSqrt, FPMulAdd, FPMulX, FPRecipStepFused,
//! FPRSqrtStepFused); the host answers first where [`fast`](super::fast) allows it.

use super::round::round;
use super::{Class, Env, Format, Rounding, Unpacked, bits, invalid, process_nan, process_nans, unpack};

/// FPAdd.
#[inline]
pub(crate) fn add<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    match F::host_add(a, b, env) {
        Some(sum) => sum,
        None => add_exact::<F>(a, b, env),
    }
}

/// FPSub. Not the sum with the sign turned: a NaN operand keeps its sign.
#[inline]
pub(crate) fn sub<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    match F::host_add(a, b ^ F::SIGN, env) {
        Some(sum) => sum,
        None => sub_exact::<F>(a, b, env),
    }
}

/// FPMul.
#[inline]
pub(crate) fn mul<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    match F::host_mul(a, b, env) {
        Some(product) => product,
        None => mul_exact::<F>(a, b, env),
    }
}

/// FPDiv.
#[inline]
pub(crate) fn div<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    match F::host_div(a, b, env) {
        Some(quotient) => quotient,
        None => div_exact::<F>(a, b, env),
    }
}

/// FPSqrt.
#[inline]
pub(crate) fn sqrt<F: Format>(a: u64, env: &mut Env) -> u64 {
    match F::host_sqrt(a, env) {
        Some(root) => root,
        None => sqrt_exact::<F>(a, env),
    }
}

/// FPMulAdd: `addend + a * b`, rounded once.
#[inline]
pub(crate) fn mul_add<F: Format>(addend: u64, a: u64, b: u64, env: &mut Env) -> u64 {
    match F::host_mul_add(addend, a, b, env) {
        Some(sum) => sum,
        None => mul_add_exact::<F>(addend, a, b, env),
    }
}

/// FPNeg.
pub(crate) fn neg<F: Format>(a: u64) -> u64 {
    a ^ F::SIGN
}

/// FPAbs.
pub(crate) fn abs<F: Format>(a: u64) -> u64 {
    a & !F::SIGN
}

#[inline(never)]
pub(super) fn add_exact<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    let (x, y) = (unpack::<F>(a, env), unpack::<F>(b, env));
    match process_nans::<F, 2>([(x.class, a), (y.class, b)], env) {
        Some(nan) => nan,
        None => add_numbers::<F>(x, y, env),
    }
}

#[inline(never)]
pub(super) fn sub_exact<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    let (x, mut y) = (unpack::<F>(a, env), unpack::<F>(b, env));
    if let Some(nan) = process_nans::<F, 2>([(x.class, a), (y.class, b)], env) {
        return nan;
    }
    y.neg = !y.neg;
    add_numbers::<F>(x, y, env)
}

fn add_numbers<F: Format>(x: Unpacked, y: Unpacked, env: &mut Env) -> u64 {
    match (x.is_inf(), y.is_inf()) {
        (true, true) if x.neg != y.neg => invalid::<F>(env),
        (true, _) => F::inf(x.neg),
        (_, true) => F::inf(y.neg),
        _ if x.is_zero() && y.is_zero() && x.neg == y.neg => F::zero(x.neg),
        _ => sum::<F>(Term::of(&x), Term::of(&y), env),
    }
}

#[inline(never)]
pub(super) fn mul_exact<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    product::<F>(a, b, env, |_, env| invalid::<F>(env))
}

/// FPMulX: as FPMul, but infinity times zero is two.
pub(crate) fn mulx<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    match F::host_mul(a, b, env) {
        Some(product) => product,
        None => product::<F>(a, b, env, |neg, _| F::power_of_two(neg, 1)),
    }
}

#[inline(never)]
fn product<F: Format>(a: u64, b: u64, env: &mut Env, infinity_zero: fn(bool, &mut Env) -> u64) -> u64 {
    let (x, y) = (unpack::<F>(a, env), unpack::<F>(b, env));
    if let Some(nan) = process_nans::<F, 2>([(x.class, a), (y.class, b)], env) {
        return nan;
    }
    let neg = x.neg != y.neg;
    if x.is_inf() && y.is_zero() || x.is_zero() && y.is_inf() {
        infinity_zero(neg, env)
    } else if x.is_inf() || y.is_inf() {
        F::inf(neg)
    } else if x.is_zero() || y.is_zero() {
        F::zero(neg)
    } else {
        round::<F>(neg, x.exp + y.exp, u128::from(x.sig) * u128::from(y.sig), env)
    }
}

#[inline(never)]
pub(super) fn div_exact<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    let (x, y) = (unpack::<F>(a, env), unpack::<F>(b, env));
    if let Some(nan) = process_nans::<F, 2>([(x.class, a), (y.class, b)], env) {
        return nan;
    }
    let neg = x.neg != y.neg;
    if x.is_inf() && y.is_inf() || x.is_zero() && y.is_zero() {
        return invalid::<F>(env);
    }
    if x.is_inf() || y.is_zero() {
        if !x.is_inf() {
            env.raise(bits::DZC);
        }
        return F::inf(neg);
    }
    if x.is_zero() || y.is_inf() {
        return F::zero(neg);
    }
    let (up, down) = (x.sig.leading_zeros(), y.sig.leading_zeros());
    let (x_sig, y_sig) = (u128::from(x.sig) << (up + 64), u128::from(y.sig) << down);
    let quotient = x_sig / y_sig;
    let sticky = u128::from(quotient * y_sig != x_sig);
    let exp = (x.exp - up as i32 - 64) - (y.exp - down as i32);
    round::<F>(neg, exp, quotient | sticky, env)
}

#[inline(never)]
pub(super) fn sqrt_exact<F: Format>(a: u64, env: &mut Env) -> u64 {
    let x = unpack::<F>(a, env);
    match x.class {
        Class::QuietNan | Class::SignallingNan => process_nan::<F>(x.class, a, env),
        Class::Zero => F::zero(x.neg),
        _ if x.neg => invalid::<F>(env),
        Class::Infinity => F::inf(false),
        Class::Finite => {
            // An even exponent and at least 126 bits, so that the root has 63.
            let up = (u128::from(x.sig).leading_zeros() as i32 - 1) & !1;
            let up = up + ((x.exp - up) & 1);
            let sig = u128::from(x.sig) << up;
            let root = sig.isqrt();
            let sticky = u128::from(root * root != sig);
            round::<F>(false, (x.exp - up) / 2 - 1, root << 1 | sticky, env)
        }
    }
}

#[inline(never)]
pub(super) fn mul_add_exact<F: Format>(addend: u64, a: u64, b: u64, env: &mut Env) -> u64 {
    let z = unpack::<F>(addend, env);
    let (x, y) = (unpack::<F>(a, env), unpack::<F>(b, env));
    let infinity_zero = x.is_inf() && y.is_zero() || x.is_zero() && y.is_inf();
    let nan = process_nans::<F, 3>([(z.class, addend), (x.class, a), (y.class, b)], env);
    if z.class == Class::QuietNan && infinity_zero {
        return invalid::<F>(env);
    }
    if let Some(nan) = nan {
        return nan;
    }
    let neg = x.neg != y.neg;
    let product_inf = x.is_inf() || y.is_inf();
    if infinity_zero || z.is_inf() && product_inf && z.neg != neg {
        return invalid::<F>(env);
    }
    if z.is_inf() || product_inf {
        return F::inf(if z.is_inf() { z.neg } else { neg });
    }
    let product_zero = x.is_zero() || y.is_zero();
    if z.is_zero() && product_zero && z.neg == neg {
        return F::zero(neg);
    }
    sum::<F>(Term::of(&z), Term::product(&x, &y), env)
}

/// FPRecipStepFused: `2 - a * b`, rounded once.
pub(crate) fn recip_step<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    step::<F>(a, b, env, F::power_of_two(false, 1), 2, 0)
}

/// FPRSqrtStepFused: `(3 - a * b) / 2`, rounded once.
pub(crate) fn rsqrt_step<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    step::<F>(a, b, env, F::power_of_two(false, 0) | F::QUIET, 3, -1)
}

#[inline(never)]
fn step<F: Format>(a: u64, b: u64, env: &mut Env, infinity_zero: u64, from: u64, scale: i32) -> u64 {
    let a = neg::<F>(a);
    let (x, y) = (unpack::<F>(a, env), unpack::<F>(b, env));
    if let Some(nan) = process_nans::<F, 2>([(x.class, a), (y.class, b)], env) {
        return nan;
    }
    if x.is_inf() && y.is_zero() || x.is_zero() && y.is_inf() {
        return infinity_zero;
    }
    if x.is_inf() || y.is_inf() {
        return F::inf(x.neg != y.neg);
    }
    let from = Term {
        neg: false,
        exp: scale,
        sig: u128::from(from),
    };
    let mut product = Term::product(&x, &y);
    product.exp += scale;
    sum::<F>(from, product, env)
}

/// An exact finite number, `sig * 2^exp`; `sig` has at most 106 bits and may be zero.
#[derive(Clone, Copy)]
struct Term {
    neg: bool,
    exp: i32,
    sig: u128,
}

impl Term {
    fn of(x: &Unpacked) -> Self {
        Self {
            neg: x.neg,
            exp: x.exp,
            sig: u128::from(x.sig),
        }
    }

    fn product(x: &Unpacked, y: &Unpacked) -> Self {
        Self {
            neg: x.neg != y.neg,
            exp: x.exp + y.exp,
            sig: u128::from(x.sig) * u128::from(y.sig),
        }
    }

    /// With bit 126 as the highest one, so that a sum of two has room.
    fn normal(self) -> Self {
        let up = self.sig.leading_zeros() - 1;
        Self {
            neg: self.neg,
            exp: self.exp - up as i32,
            sig: self.sig << up,
        }
    }
}

/// The sum, rounded. An exact zero is positive, but negative when rounding down; operands that are both zero and of
/// one sign have been dealt with.
///
/// With the highest bit at 126 a term has at least 20 clear bits at its low end. So a shift by less than 20 loses
/// nothing, and after a longer one the difference still has 125 bits: what was lost may be one sticky bit.
fn sum<F: Format>(x: Term, y: Term, env: &mut Env) -> u64 {
    match (x.sig == 0, y.sig == 0) {
        (true, true) => return F::zero(env.rounding() == Rounding::Down),
        (true, false) => return round::<F>(y.neg, y.exp, y.sig, env),
        (false, true) => return round::<F>(x.neg, x.exp, x.sig, env),
        (false, false) => {}
    }
    let (x, y) = (x.normal(), y.normal());
    let (big, small) = if (x.exp, x.sig) >= (y.exp, y.sig) {
        (x, y)
    } else {
        (y, x)
    };
    let aligned = shift_right_sticky(small.sig, (big.exp - small.exp) as u32);
    let sig = if big.neg == small.neg {
        big.sig + aligned
    } else {
        big.sig - aligned
    };
    if sig == 0 {
        return F::zero(env.rounding() == Rounding::Down);
    }
    round::<F>(big.neg, big.exp, sig, env)
}

fn shift_right_sticky(sig: u128, by: u32) -> u128 {
    match sig.checked_shr(by) {
        Some(kept) => kept | u128::from(kept << by != sig),
        None => 1,
    }
}
