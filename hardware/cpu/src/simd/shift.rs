//! Shifts of lanes by the lanes of another register (SSHL and its seven relatives).

use super::lanes::{Size, lanes, range, saturate, wide};
use super::three_same::Sign;

/// One of the eight forms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shift {
    pub(super) sign: Sign,
    pub(super) saturating: bool,
    pub(super) rounding: bool,
}

/// Each lane of `a` shifted left by the low byte of the same lane of `by`, which is signed: negative shifts right.
pub(super) fn by_register(shift: Shift, size: Size, a: &u128, by: &u128, saturated: &mut bool) -> u128 {
    if !shift.saturating && !shift.rounding {
        return plain(shift.sign, size, a, by);
    }
    let range = range(size, shift.sign.is_signed());
    let bits = size.bits() as i32;
    wide(size, shift.sign.is_signed(), a, by, |x, by| {
        let by = i32::from(by as i8);
        if by < 0 {
            return right(x, by.unsigned_abs(), shift.rounding);
        }
        let left = match (by < bits, shift.saturating) {
            (true, _) => x << by,
            (false, false) => 0,
            // Whatever is not zero leaves the lane.
            (false, true) => x.signum() << 65,
        };
        if shift.saturating {
            saturate(left, range, saturated)
        } else {
            left
        }
    })
}

/// SSHL and USHL.
fn plain(sign: Sign, size: Size, a: &u128, by: &u128) -> u128 {
    let bits = size.bits() as i32;
    match sign {
        Sign::Signed => lanes!(signed size, map2(*a, *by), |x, by| match i32::from(by as i8) {
            by if by >= bits => 0,
            by if by >= 0 => x << by,
            by => x >> (-by).min(bits - 1),
        }),
        Sign::Unsigned => lanes!(unsigned size, map2(*a, *by), |x, by| match i32::from(by as i8) {
            by if by >= bits || by <= -bits => 0,
            by if by >= 0 => x << by,
            by => x >> -by,
        }),
    }
}

/// A whole number of at most 65 bits shifted right, by up to 128; `rounding` adds half of the last place first.
///
/// From 66 places on the result no longer changes.
pub(super) fn right(x: i128, by: u32, rounding: bool) -> i128 {
    let by = by.min(66);
    let half = if rounding && by > 0 { 1 << (by - 1) } else { 0 };
    (x + half) >> by
}
