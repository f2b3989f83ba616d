//! A vector register as lanes, and the operands of an instruction.
//!
//! [`V`] names a register, [`Size`] an element's size, [`Span`] how much of a register an instruction works on. [`Lane`]
//! maps a function over the lanes of up to three registers, and the macro `lanes!` does so for the element size that
//! the instruction names. Instructions work on all 128 bits with the bits outside their span cleared, before and
//! after: a lane of zeros never saturates.

use arch::Regs;

/// A field of an instruction word.
pub(super) const fn field(word: u32, at: u32, width: u32) -> u32 {
    word >> at & ((1 << width) - 1)
}

/// A bit of an instruction word.
pub(super) const fn bit(word: u32, at: u32) -> bool {
    word >> at & 1 != 0
}

/// A vector register by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct V(u8);

impl V {
    /// From the low five bits of `number`.
    pub(super) const fn new(number: u32) -> Self {
        Self((number & 31) as u8)
    }

    /// The field Rd, bits 4:0.
    pub(super) const fn rd(word: u32) -> Self {
        Self::new(word)
    }

    /// The field Rn, bits 9:5.
    pub(super) const fn rn(word: u32) -> Self {
        Self::new(word >> 5)
    }

    /// The field Rm, bits 20:16.
    pub(super) const fn rm(word: u32) -> Self {
        Self::new(word >> 16)
    }

    /// The register `by` places on, after V31 V0 again.
    pub(super) const fn after(self, by: u32) -> Self {
        Self::new(self.0 as u32 + by)
    }

    #[inline(always)]
    pub(super) fn get(self, regs: &Regs) -> u128 {
        regs.v[usize::from(self.0 & 31)]
    }

    #[inline(always)]
    pub(super) fn get_ref(self, regs: &Regs) -> &u128 {
        &regs.v[usize::from(self.0 & 31)]
    }

    #[inline(always)]
    pub(super) fn set(self, regs: &mut Regs, value: u128) {
        regs.v[usize::from(self.0 & 31)] = value;
    }
}

/// The size of an element: 8, 16, 32 or 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(crate) enum Size {
    B,
    H,
    S,
    D,
}

impl Size {
    /// From a two-bit field.
    pub(super) const fn of(field: u32) -> Self {
        match field & 3 {
            0 => Self::B,
            1 => Self::H,
            2 => Self::S,
            _ => Self::D,
        }
    }

    /// The field `size`, bits 23:22.
    pub(super) const fn in_word(word: u32) -> Self {
        Self::of(word >> 22)
    }

    pub(super) const fn bits(self) -> u32 {
        8 << self as u32
    }

    pub(super) const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }

    /// Whether the set, one bit a size beginning with B, has this size.
    pub(super) const fn is_in(self, set: u8) -> bool {
        set >> self as u32 & 1 != 0
    }

    /// Element `index` of a register.
    #[inline(always)]
    pub(super) fn element(self, value: u128, index: u8) -> u64 {
        (value >> ((u32::from(index) * self.bits()) & 127)) as u64 & self.mask()
    }

    /// A register filled with one element.
    pub(super) fn repeat(self, element: u64) -> u128 {
        let double = match self {
            Self::B => (element & 0xff) * 0x0101_0101_0101_0101,
            Self::H => (element & 0xffff) * 0x0001_0001_0001_0001,
            Self::S => (element & 0xffff_ffff) * 0x0000_0001_0000_0001,
            Self::D => element,
        };
        u128::from(double) | u128::from(double) << 64
    }
}

/// How many low bits of a register an instruction works on: 8 to 128.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span(u8);

impl Span {
    /// One element: a scalar instruction.
    pub(super) const fn scalar(size: Size) -> Self {
        Self(size.bits() as u8)
    }

    /// 64 or 128 bits by the field Q, bit 30.
    pub(super) const fn vector(word: u32) -> Self {
        Self(if bit(word, 30) { 128 } else { 64 })
    }

    /// All 128 bits.
    pub(super) const FULL: Self = Self(128);

    /// The 64 low bits.
    pub(super) const HALF: Self = Self(64);

    pub(super) const fn bits(self) -> u32 {
        self.0 as u32
    }

    /// Lanes of a size.
    pub(super) const fn lanes(self, size: Size) -> u32 {
        self.0 as u32 / size.bits()
    }

    /// The value with the bits outside cleared.
    #[inline(always)]
    pub(super) const fn of(self, value: u128) -> u128 {
        value & (u128::MAX >> ((128 - self.0 as u32) & 127))
    }
}

/// Set of sizes for [`Size::is_in`]: bytes, halfwords and words.
pub(super) const BHS: u8 = 0b0111;
/// Every size.
pub(super) const BHSD: u8 = 0b1111;
/// Halfwords and words.
pub(super) const HS: u8 = 0b0110;
/// Bytes only.
pub(super) const B: u8 = 0b0001;
/// Doublewords only.
pub(super) const D: u8 = 0b1000;

/// An integer type that a register has lanes of.
///
/// Registers come as references and the loops are functions of their own on bytes in memory: the compiler turns those
/// into the host's vector instructions. With values instead it takes lanes out of a pair of general registers by
/// shifts, which was measured to be 5 to 10 times slower.
pub(super) trait Lane: Copy {
    /// Each lane of the result is the function of the same lane of the operand.
    fn map1(a: &u128, f: impl FnMut(Self) -> Self) -> u128;
    /// As [`Lane::map1`], of two operands.
    fn map2(a: &u128, b: &u128, f: impl FnMut(Self, Self) -> Self) -> u128;
    /// As [`Lane::map1`], of three operands.
    fn map3(a: &u128, b: &u128, c: &u128, f: impl FnMut(Self, Self, Self) -> Self) -> u128;
}

type Bytes = [u8; 16];

macro_rules! lane {
    ($($lane:ident, $bytes:literal);*) => {$(
        impl Lane for $lane {
            #[inline(always)]
            fn map1(a: &u128, f: impl FnMut(Self) -> Self) -> u128 {
                #[inline(never)]
                fn kernel(a: &Bytes, out: &mut Bytes, mut f: impl FnMut($lane) -> $lane) {
                    let lanes = out.as_chunks_mut::<$bytes>().0.iter_mut().zip(a.as_chunks().0);
                    for (out, a) in lanes {
                        *out = f(<$lane>::from_le_bytes(*a)).to_le_bytes();
                    }
                }
                let mut out = [0; 16];
                kernel(&a.to_le_bytes(), &mut out, f);
                u128::from_le_bytes(out)
            }

            #[inline(always)]
            fn map2(a: &u128, b: &u128, f: impl FnMut(Self, Self) -> Self) -> u128 {
                #[inline(never)]
                fn kernel(a: &Bytes, b: &Bytes, out: &mut Bytes, mut f: impl FnMut($lane, $lane) -> $lane) {
                    let lanes = out.as_chunks_mut::<$bytes>().0.iter_mut().zip(a.as_chunks().0).zip(b.as_chunks().0);
                    for ((out, a), b) in lanes {
                        *out = f(<$lane>::from_le_bytes(*a), <$lane>::from_le_bytes(*b)).to_le_bytes();
                    }
                }
                let mut out = [0; 16];
                kernel(&a.to_le_bytes(), &b.to_le_bytes(), &mut out, f);
                u128::from_le_bytes(out)
            }

            #[inline(always)]
            fn map3(a: &u128, b: &u128, c: &u128, f: impl FnMut(Self, Self, Self) -> Self) -> u128 {
                #[inline(never)]
                fn kernel(abc: [&Bytes; 3], out: &mut Bytes, mut f: impl FnMut($lane, $lane, $lane) -> $lane) {
                    let [a, b, c] = abc.map(|bytes| bytes.as_chunks().0);
                    let lanes = out.as_chunks_mut::<$bytes>().0.iter_mut().zip(a).zip(b).zip(c);
                    for (((out, a), b), c) in lanes {
                        let [a, b, c] = [a, b, c].map(|lane| <$lane>::from_le_bytes(*lane));
                        *out = f(a, b, c).to_le_bytes();
                    }
                }
                let mut out = [0; 16];
                kernel([&a.to_le_bytes(), &b.to_le_bytes(), &c.to_le_bytes()], &mut out, f);
                u128::from_le_bytes(out)
            }
        }
    )*};
}

lane!(u8, 1; u16, 2; u32, 4; u64, 8; i8, 1; i16, 2; i32, 4; i64, 8);

/// `lanes!(unsigned size, map2(a, b), |x, y| x.wrapping_add(y))`: maps over lanes of the type that `size` and the first
/// word (`unsigned`, `signed`) name. In the expression that type is `T`.
macro_rules! lanes {
    (unsigned $size:expr, $map:ident($($v:expr),+), |$($x:ident),+| $e:expr) => {
        $crate::simd::lanes::lanes!(@ $size, $map($($v),+), |$($x),+| $e, u8, u16, u32, u64)
    };
    (signed $size:expr, $map:ident($($v:expr),+), |$($x:ident),+| $e:expr) => {
        $crate::simd::lanes::lanes!(@ $size, $map($($v),+), |$($x),+| $e, i8, i16, i32, i64)
    };
    (@ $size:expr, $map:ident($($v:expr),+), |$($x:ident),+| $e:expr, $b:ty, $h:ty, $s:ty, $d:ty) => {
        match $size {
            $crate::simd::lanes::Size::B => $crate::simd::lanes::lanes!(@ $b, $map($($v),+), |$($x),+| $e),
            $crate::simd::lanes::Size::H => $crate::simd::lanes::lanes!(@ $h, $map($($v),+), |$($x),+| $e),
            $crate::simd::lanes::Size::S => $crate::simd::lanes::lanes!(@ $s, $map($($v),+), |$($x),+| $e),
            $crate::simd::lanes::Size::D => $crate::simd::lanes::lanes!(@ $d, $map($($v),+), |$($x),+| $e),
        }
    };
    (@ $t:ty, $map:ident($($v:expr),+), |$($x:ident),+| $e:expr) => {{
        #[allow(dead_code, reason = "not every operation names its lanes' type")]
        type T = $t;
        <T as $crate::simd::lanes::Lane>::$map($(&$v,)+ |$($x: T),+| $e)
    }};
}

pub(super) use lanes;

/// Maps a function of whole numbers over lanes; the result is truncated to the lane.
///
/// For operations whose intermediate values need more bits than the lane has; lanes are sign-extended if `signed`.
pub(super) fn wide(
    size: Size,
    signed: bool,
    a: &u128,
    b: &u128,
    mut f: impl FnMut(i128, i128) -> i128,
) -> u128 {
    if signed {
        lanes!(signed size, map2(*a, *b), |x, y| f(i128::from(x), i128::from(y)) as T)
    } else {
        lanes!(unsigned size, map2(*a, *b), |x, y| f(i128::from(x), i128::from(y)) as T)
    }
}

/// The range of a lane, for [`saturate`].
pub(super) fn range(size: Size, signed: bool) -> (i128, i128) {
    let ones = i128::from(size.mask());
    if signed {
        (-(ones >> 1) - 1, ones >> 1)
    } else {
        (0, ones)
    }
}

/// The value held to a range; `saturated` is set if it was outside.
pub(super) fn saturate(value: i128, (low, high): (i128, i128), saturated: &mut bool) -> i128 {
    let held = value.clamp(low, high);
    *saturated |= held != value;
    held
}

/// FPSR.QC, cumulative.
pub(super) fn note_saturation(regs: &mut Regs, saturated: bool) {
    if saturated {
        regs.fpsr |= super::fp::bits::QC;
    }
}

/// Each lane as a whole number, lowest first: for operations that change the lane's size.
pub(super) fn elements(size: Size, signed: bool, value: u128) -> impl Iterator<Item = i128> {
    let bits = size.bits();
    (0..128 / bits).map(move |index| {
        let raw = (value >> (index * bits)) as u64;
        let up = 64 - bits;
        if signed {
            i128::from((raw << up) as i64 >> up)
        } else {
            i128::from(raw << up >> up)
        }
    })
}

/// The lanes of `size`, lowest first, each truncated; those that do not fit in 128 bits are dropped.
pub(super) fn gather(size: Size, elements: impl Iterator<Item = i128>) -> u128 {
    let bits = size.bits();
    let lanes = elements.take((128 / bits) as usize).zip(0u32..);
    lanes.fold(0, |sum, (element, index)| {
        sum | u128::from(element as u64 & size.mask()) << (index * bits)
    })
}

/// The even-numbered lanes of `size`, moved together into the low 64 bits.
pub(super) fn compress(size: Size, value: u128) -> u128 {
    let half = |x: u64| match size {
        Size::B => {
            let x = x & 0x00ff_00ff_00ff_00ff;
            let x = (x | x >> 8) & 0x0000_ffff_0000_ffff;
            (x | x >> 16) & 0xffff_ffff
        }
        Size::H => {
            let x = x & 0x0000_ffff_0000_ffff;
            (x | x >> 16) & 0xffff_ffff
        }
        Size::S | Size::D => x & 0xffff_ffff,
    };
    let (low, high) = (value as u64, (value >> 64) as u64);
    match size {
        Size::D => u128::from(low),
        _ => u128::from(half(low) | half(high) << 32),
    }
}

/// The inverse of [`compress`]: the low 64 bits' lanes moved apart, each into the low half of a lane twice as big.
pub(super) fn expand(size: Size, value: u128) -> u128 {
    let half = |x: u64| match size {
        Size::B => {
            let x = (x | x << 16) & 0x0000_ffff_0000_ffff;
            (x | x << 8) & 0x00ff_00ff_00ff_00ff
        }
        Size::H => (x | x << 16) & 0x0000_ffff_0000_ffff,
        Size::S | Size::D => x,
    };
    let value = value as u64;
    match size {
        Size::D => u128::from(value),
        _ => u128::from(half(value & 0xffff_ffff)) | u128::from(half(value >> 32)) << 64,
    }
}

/// Ones in every other lane, the lowest among them.
pub(super) const fn even_lanes(size: Size) -> u128 {
    match size {
        Size::B => u128::MAX / ((1 << 8) + 1),
        Size::H => u128::MAX / ((1 << 16) + 1),
        Size::S => u128::MAX / ((1 << 32) + 1),
        Size::D => u128::MAX / ((1 << 64) + 1),
    }
}

/// The lanes of the low 64 bits, each extended to twice its size. `size` is the narrow one, and not D.
pub(super) fn widen(size: Size, signed: bool, value: u128) -> u128 {
    let value = expand(size, value);
    match size {
        _ if !signed => value,
        Size::B => i16::map1(&value, |x| x << 8 >> 8),
        Size::H => i32::map1(&value, |x| x << 16 >> 16),
        Size::S | Size::D => i64::map1(&value, |x| x << 32 >> 32),
    }
}

impl Size {
    /// The size twice as big (D stays D, which no decoder lets happen).
    pub(super) const fn double(self) -> Self {
        Self::of(if matches!(self, Self::D) {
            3
        } else {
            self as u32 + 1
        })
    }
}

/// Even lanes of `high:low`, each `span` long, then odd lanes: UZP1 and UZP2.
pub(super) fn unzip(size: Size, span: Span, low: u128, high: u128) -> (u128, u128) {
    let half = span.bits() / 2;
    let pick = |value: u128| compress(size, value) & (u128::MAX >> (128 - half));
    let join = |low: u128, high: u128| pick(low) | pick(high) << half;
    let down = size.bits();
    (join(low, high), join(low >> down, high >> down))
}

/// Where the second operand of a lane comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// The same lane of Rm.
    Lanes,
    /// Operands are neighbours: pairs of lanes of Rm:Rn.
    Pairs,
    /// Operands are the two low lanes of Rn: a scalar pairwise instruction.
    ScalarPair,
    /// One element of Rm for all.
    Element(u8),
}

impl Source {
    /// Both operands, lane by lane.
    #[inline(always)]
    pub(super) fn operands(self, size: Size, span: Span, n: u128, m: u128) -> (u128, u128) {
        match self {
            Self::Lanes => (span.of(n), span.of(m)),
            Self::Pairs => unzip(size, span, n, m),
            Self::ScalarPair => (span.of(n), span.of(n >> size.bits())),
            Self::Element(index) => (span.of(n), span.of(size.repeat(size.element(m, index)))),
        }
    }
}

/// Where a narrow result of 64 bits goes: the low half, clearing the high one, or the high half (the "2" forms).
pub(super) fn set_half(rd: V, high: bool, result: u128, regs: &mut Regs) {
    let result = Span::HALF.of(result);
    let value = if high {
        Span::HALF.of(rd.get(regs)) | result << 64
    } else {
        result
    };
    rd.set(regs, value);
}
