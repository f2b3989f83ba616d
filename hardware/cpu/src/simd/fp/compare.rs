//! Comparisons, minimum and maximum (FPCompare, FPCompareEQ/GE/GT, FPMax, FPMin, FPMaxNum, FPMinNum).

use core::cmp::Ordering;

use arch::Flags;

use super::{Class, Env, Format, Unpacked, bits, process_nans, unpack};

/// The order of two numbers, `None` if one is a NaN. `signals` says that a quiet NaN is invalid too.
#[inline]
fn order<F: Format>(a: u64, b: u64, signals: bool, env: &mut Env) -> Option<Ordering> {
    match F::host_order(a, b, env) {
        Some(order) => Some(order),
        None => order_exact::<F>(a, b, signals, env),
    }
}

#[inline(never)]
fn order_exact<F: Format>(a: u64, b: u64, signals: bool, env: &mut Env) -> Option<Ordering> {
    let (x, y) = (unpack::<F>(a, env), unpack::<F>(b, env));
    if x.class.is_nan() || y.class.is_nan() {
        if signals || x.class == Class::SignallingNan || y.class == Class::SignallingNan {
            env.raise(bits::IOC);
        }
        return None;
    }
    Some(key::<F>(a, &x).cmp(&key::<F>(b, &y)))
}

/// An integer that orders as the numbers do: both zeros (and what was flushed) are 0.
fn key<F: Format>(value: u64, x: &Unpacked) -> i64 {
    let magnitude = (value & (F::SIGN - 1)) as i64;
    match (x.is_zero(), x.neg) {
        (true, _) => 0,
        (false, false) => magnitude,
        (false, true) => -magnitude,
    }
}

/// FPCompare: FCMP and FCMPE.
pub(crate) fn flags<F: Format>(a: u64, b: u64, signals: bool, env: &mut Env) -> Flags {
    as_flags(order::<F>(a, b, signals, env))
}

/// FPCompare without the host's help.
#[cfg(test)]
pub(super) fn flags_exact<F: Format>(a: u64, b: u64, signals: bool, env: &mut Env) -> Flags {
    as_flags(order_exact::<F>(a, b, signals, env))
}

fn as_flags(order: Option<Ordering>) -> Flags {
    match order {
        Some(Ordering::Less) => Flags::new(true, false, false, false),
        Some(Ordering::Equal) => Flags::new(false, true, true, false),
        Some(Ordering::Greater) => Flags::new(false, false, true, false),
        None => Flags::new(false, false, true, true),
    }
}

/// FPCompareEQ.
pub(crate) fn eq<F: Format>(a: u64, b: u64, env: &mut Env) -> bool {
    order::<F>(a, b, false, env) == Some(Ordering::Equal)
}

/// FPCompareGE.
pub(crate) fn ge<F: Format>(a: u64, b: u64, env: &mut Env) -> bool {
    order::<F>(a, b, true, env).is_some_and(Ordering::is_ge)
}

/// FPCompareGT.
pub(crate) fn gt<F: Format>(a: u64, b: u64, env: &mut Env) -> bool {
    order::<F>(a, b, true, env).is_some_and(Ordering::is_gt)
}

/// FPMax.
pub(crate) fn max<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    extreme::<F>(a, b, Ordering::Greater, env)
}

/// FPMin.
pub(crate) fn min<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    extreme::<F>(a, b, Ordering::Less, env)
}

fn extreme<F: Format>(a: u64, b: u64, wanted: Ordering, env: &mut Env) -> u64 {
    let (x, y) = (unpack::<F>(a, env), unpack::<F>(b, env));
    if let Some(nan) = process_nans::<F, 2>([(x.class, a), (y.class, b)], env) {
        return nan;
    }
    let first = key::<F>(a, &x).cmp(&key::<F>(b, &y)) == wanted;
    let (value, chosen) = if first { (a, &x) } else { (b, &y) };
    if !chosen.is_zero() {
        return value;
    }
    F::zero(match wanted {
        Ordering::Greater => x.neg && y.neg,
        _ => x.neg || y.neg,
    })
}

/// FPMaxNum: a quiet NaN loses against a number.
pub(crate) fn max_num<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    let (a, b) = without_quiet_nan::<F>(a, b, F::inf(true), env);
    max::<F>(a, b, env)
}

/// FPMinNum.
pub(crate) fn min_num<F: Format>(a: u64, b: u64, env: &mut Env) -> u64 {
    let (a, b) = without_quiet_nan::<F>(a, b, F::inf(false), env);
    min::<F>(a, b, env)
}

fn without_quiet_nan<F: Format>(a: u64, b: u64, loser: u64, env: &mut Env) -> (u64, u64) {
    let x = unpack::<F>(a, env).class == Class::QuietNan;
    let y = unpack::<F>(b, env).class == Class::QuietNan;
    match (x, y) {
        (true, false) => (loser, b),
        (false, true) => (a, loser),
        _ => (a, b),
    }
}
