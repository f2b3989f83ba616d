//! The exact core against the host's floating point, the fast path against the exact core, and cases that the manual's
//! pseudocode settles. The lockstep test (tests/lockstep) compares all of it with another engine.

use proptest::prelude::*;

use super::arith::{add_exact, div_exact, mul_add_exact, mul_exact, sqrt_exact, sub_exact};
use super::convert::{Integer, convert, from_integer_exact, round_integer, round_integer_exact, to_integer};
use super::convert::{from_integer, to_integer_exact};
use super::estimate::{recip_estimate, rsqrt_estimate};
use super::{Double, Env, Format, Half, Rounding, Single, arith, bits, compare, fast};

fn env(fpcr: u32, fpsr: u32) -> Env {
    Env { fpcr, fpsr }
}

/// Numbers near the places where rounding, overflow and underflow change, and any others.
fn doubles() -> impl Strategy<Value = u64> {
    let exponent = prop_oneof![
        Just(0u64),
        Just(1),
        Just(2046),
        Just(2047),
        1000u64..1050,
        480u64..550,
        1500u64..1560,
        0u64..2048
    ];
    let fraction = prop_oneof![
        Just(0u64),
        Just(1),
        Just((1 << 52) - 1),
        any::<u64>(),
        (0u32..52).prop_map(|at| 1 << at)
    ];
    (any::<bool>(), exponent, fraction).prop_map(|(neg, exponent, fraction)| {
        u64::from(neg) << 63 | exponent << 52 | fraction & ((1 << 52) - 1)
    })
}

fn singles() -> impl Strategy<Value = u64> {
    let exponent = prop_oneof![
        Just(0u64),
        Just(1),
        Just(254),
        Just(255),
        110u64..145,
        55u64..75,
        180u64..200,
        0u64..256
    ];
    let fraction = prop_oneof![
        Just(0u64),
        Just(1),
        Just((1 << 23) - 1),
        any::<u64>(),
        (0u32..23).prop_map(|at| 1 << at)
    ];
    (any::<bool>(), exponent, fraction).prop_map(|(neg, exponent, fraction)| {
        u64::from(neg) << 31 | exponent << 23 | fraction & ((1 << 23) - 1)
    })
}

/// Equal, where every NaN is one value: the host's NaNs are not Arm's.
fn same_double(ours: u64, host: f64) {
    if host.is_nan() {
        assert!(f64::from_bits(ours).is_nan(), "{ours:#x} is not a NaN");
    } else {
        assert_eq!(ours, host.to_bits(), "{} against {host}", f64::from_bits(ours));
    }
}

fn same_single(ours: u64, host: f32) {
    if host.is_nan() {
        assert!(f32::from_bits(ours as u32).is_nan(), "{ours:#x} is not a NaN");
    } else {
        assert_eq!(ours, u64::from(host.to_bits()));
    }
}

/// What the host answers must be what the exact core answers, flags and all.
fn agree<T: PartialEq + std::fmt::Debug>(fast: impl Fn(&mut Env) -> T, exact: impl Fn(&mut Env) -> T) {
    for fpcr in [
        0,
        bits::FZ,
        bits::DN,
        1 << bits::RMODE_AT,
        2 << bits::RMODE_AT,
        3 << bits::RMODE_AT,
    ] {
        for fpsr in [0, bits::IXC] {
            let (mut one, mut other) = (env(fpcr, fpsr), env(fpcr, fpsr));
            let (fast, exact) = (fast(&mut one), exact(&mut other));
            assert_eq!(
                (fast, one.fpsr),
                (exact, other.fpsr),
                "fpcr {fpcr:#x} fpsr {fpsr:#x}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn doubles_round_as_the_host_does(a in doubles(), b in doubles(), c in doubles()) {
        let (x, y, z) = (f64::from_bits(a), f64::from_bits(b), f64::from_bits(c));
        let env = &mut env(0, 0);
        same_double(add_exact::<Double>(a, b, env), x + y);
        same_double(sub_exact::<Double>(a, b, env), x - y);
        same_double(mul_exact::<Double>(a, b, env), x * y);
        same_double(div_exact::<Double>(a, b, env), x / y);
        same_double(sqrt_exact::<Double>(a, env), x.sqrt());
        same_double(mul_add_exact::<Double>(c, a, b, env), x.mul_add(y, z));
    }

    #[test]
    fn singles_round_as_the_host_does(a in singles(), b in singles(), c in singles()) {
        let (x, y, z) = (f32::from_bits(a as u32), f32::from_bits(b as u32), f32::from_bits(c as u32));
        let env = &mut env(0, 0);
        same_single(add_exact::<Single>(a, b, env), x + y);
        same_single(sub_exact::<Single>(a, b, env), x - y);
        same_single(mul_exact::<Single>(a, b, env), x * y);
        same_single(div_exact::<Single>(a, b, env), x / y);
        same_single(sqrt_exact::<Single>(a, env), x.sqrt());
        same_single(mul_add_exact::<Single>(c, a, b, env), x.mul_add(y, z));
    }

    #[test]
    fn the_host_answers_only_what_it_knows(a in doubles(), b in doubles(), c in doubles()) {
        agree(|env| arith::add::<Double>(a, b, env), |env| add_exact::<Double>(a, b, env));
        agree(|env| arith::sub::<Double>(a, b, env), |env| sub_exact::<Double>(a, b, env));
        agree(|env| arith::mul::<Double>(a, b, env), |env| mul_exact::<Double>(a, b, env));
        agree(|env| arith::div::<Double>(a, b, env), |env| div_exact::<Double>(a, b, env));
        agree(|env| arith::sqrt::<Double>(a, env), |env| sqrt_exact::<Double>(a, env));
        agree(|env| arith::mul_add::<Double>(c, a, b, env), |env| mul_add_exact::<Double>(c, a, b, env));
        agree(
            |env| compare::flags::<Double>(a, b, false, env),
            |env| compare::flags_exact::<Double>(a, b, false, env),
        );
        for rounding in [Rounding::TieEven, Rounding::Up, Rounding::Down, Rounding::Zero, Rounding::TieAway] {
            agree(
                |env| round_integer::<Double>(a, rounding, true, env),
                |env| round_integer_exact::<Double>(a, rounding, true, env),
            );
            for (bits, signed) in [(32, false), (32, true), (64, false), (64, true)] {
                let to = Integer { bits, signed, fraction: 0 };
                agree(
                    |env| to_integer::<Double>(a, to, rounding, env),
                    |env| to_integer_exact::<Double>(a, to, rounding, env),
                );
            }
        }
        agree(
            |env| fast::narrow(a, env.rounding(), env).unwrap_or_else(|| convert::<Double, Single>(a, env.rounding(), env)),
            |env| convert::<Double, Single>(a, env.rounding(), env),
        );
    }

    #[test]
    fn the_host_answers_only_what_it_knows_of_singles(a in singles(), b in singles()) {
        agree(|env| arith::add::<Single>(a, b, env), |env| add_exact::<Single>(a, b, env));
        agree(|env| arith::mul::<Single>(a, b, env), |env| mul_exact::<Single>(a, b, env));
        agree(|env| arith::div::<Single>(a, b, env), |env| div_exact::<Single>(a, b, env));
        agree(|env| arith::sqrt::<Single>(a, env), |env| sqrt_exact::<Single>(a, env));
        agree(
            |env| fast::widen(a).unwrap_or_else(|| convert::<Single, Double>(a, env.rounding(), env)),
            |env| convert::<Single, Double>(a, env.rounding(), env),
        );
    }

    #[test]
    fn integers_convert_as_on_the_host(value: u64) {
        for (bits, signed) in [(32, false), (32, true), (64, false), (64, true)] {
            let from = Integer { bits, signed, fraction: 0 };
            let host = match (bits, signed) {
                (32, true) => f64::from(value as i32),
                (32, false) => f64::from(value as u32),
                (_, true) => value as i64 as f64,
                (_, false) => value as f64,
            };
            same_double(from_integer_exact::<Double>(value, from, &mut env(0, 0)), host);
            agree(
                |env| from_integer::<Single>(value, from, env),
                |env| from_integer_exact::<Single>(value, from, env),
            );
        }
    }
}

/// Half a unit above 1 in each direction: 1 + 2^-53 is between 1 and the next double.
#[test]
fn each_rounding_mode_goes_its_way() {
    let (one, half_ulp) = (1f64.to_bits(), 2f64.powi(-53).to_bits());
    let next = one + 1;
    for (mode, sum, negative) in [(0, one, one), (1, next, one), (2, one, next), (3, one, one)] {
        let env = &mut env(mode << bits::RMODE_AT, 0);
        assert_eq!(arith::add::<Double>(one, half_ulp, env), sum, "mode {mode}");
        let result = arith::add::<Double>(one ^ Double::SIGN, half_ulp ^ Double::SIGN, env);
        assert_eq!(result, negative ^ Double::SIGN, "mode {mode}");
        assert_eq!(env.fpsr, bits::IXC);
    }
}

/// FPProcessNaNs: a signalling operand goes first, whichever it is; FPCR.DN replaces all.
#[test]
fn nans_go_by_the_manuals_order() {
    let (quiet, signalling) = (Double::NAN | 1, Double::INF | 2);
    assert_eq!(
        arith::add::<Double>(quiet, signalling, &mut env(0, 0)),
        Double::NAN | 2
    );
    assert_eq!(arith::add::<Double>(quiet, quiet | 4, &mut env(0, 0)), quiet);
    let env = &mut env(bits::DN, 0);
    assert_eq!(arith::add::<Double>(quiet, 0, env), Double::NAN);
    assert_eq!(env.fpsr, 0);
    assert_eq!(arith::add::<Double>(signalling, 0, env), Double::NAN);
    assert_eq!(env.fpsr, bits::IOC);
}

/// FPMulAdd: infinity times zero is invalid even when the addend is a quiet NaN.
#[test]
fn infinity_times_zero_beats_a_quiet_addend() {
    let env = &mut env(0, 0);
    assert_eq!(
        arith::mul_add::<Double>(Double::NAN | 1, Double::INF, 0, env),
        Double::NAN
    );
    assert_eq!(env.fpsr, bits::IOC);
}

/// FPUnpack and FPRound under FPCR.FZ: a flushed input raises IDC, a flushed result UFC and not IXC.
#[test]
fn flushing_raises_its_own_flags() {
    let input = &mut env(bits::FZ, 0);
    assert_eq!(arith::add::<Double>(1, 0, input), 0);
    assert_eq!(input.fpsr, bits::IDC);
    let result = &mut env(bits::FZ, 0);
    let smallest = 1u64 << 52;
    assert_eq!(arith::mul::<Double>(smallest, 0.5f64.to_bits(), result), 0);
    assert_eq!(result.fpsr, bits::UFC);
}

/// Underflow is found before rounding (A1.5.4): a result that is rounded up to the smallest normal number underflows.
#[test]
fn tininess_is_before_rounding() {
    let env = &mut env(0, 0);
    let below_one = 1f64.to_bits() - 1;
    assert_eq!(arith::mul::<Double>(1 << 52, below_one, env), 1 << 52);
    assert_eq!(env.fpsr, bits::UFC | bits::IXC);
}

#[test]
fn half_precision_has_two_kinds() {
    let to_half = |value: f32, fpcr| {
        convert::<Single, Half>(u64::from(value.to_bits()), Rounding::TieEven, &mut env(fpcr, 0))
    };
    assert_eq!(to_half(1.0, 0), 0x3c00);
    assert_eq!(to_half(65504.0, 0), 0x7bff);
    assert_eq!(to_half(65536.0, 0), 0x7c00);
    assert_eq!(to_half(65536.0, bits::AHP), 0x7c00);
    assert_eq!(to_half(131_072.0, bits::AHP), 0x7fff);
    assert_eq!(to_half(2f32.powi(-24), 0), 1);
    let from_half = |value, fpcr| convert::<Half, Single>(value, Rounding::TieEven, &mut env(fpcr, 0)) as u32;
    assert_eq!(from_half(0x7c00, 0), f32::INFINITY.to_bits());
    assert_eq!(from_half(0x7c00, bits::AHP), 65536f32.to_bits());
}

#[test]
fn conversions_to_integers_saturate() {
    let to = |value: f64, bits, signed| {
        let to = Integer {
            bits,
            signed,
            fraction: 0,
        };
        let mut env = env(0, 0);
        (
            to_integer::<Double>(value.to_bits(), to, Rounding::Zero, &mut env),
            env.fpsr,
        )
    };
    assert_eq!(to(-1.0, 32, false), (0, bits::IOC));
    assert_eq!(to(-0.5, 32, false), (0, bits::IXC));
    assert_eq!(to(2147483648.0, 32, true), (0x7fff_ffff, bits::IOC));
    assert_eq!(to(-2147483648.0, 32, true), (0x8000_0000, 0));
    assert_eq!(to(1e300, 64, false), (u64::MAX, bits::IOC));
    assert_eq!(to(f64::NEG_INFINITY, 64, true), (1 << 63, bits::IOC));
    assert_eq!(to(f64::NAN, 64, true), (0, bits::IOC));
}

/// RecipEstimate(256) is 511 and RecipSqrtEstimate(256) 511 (for 1, whose exponent is odd: 128 gives 511): 0.998.
#[test]
fn estimates_of_one() {
    let one = u64::from(1f32.to_bits());
    assert_eq!(recip_estimate::<Single>(one, &mut env(0, 0)), 0x3f7f_8000);
    assert_eq!(rsqrt_estimate::<Single>(one, &mut env(0, 0)), 0x3f7f_8000);
}
