//! [`Nzcv`]: the condition flags as the interpreter keeps them while it runs.
//!
//! N and V are bit 63 of a word, Z is "this word is zero": so an addition stores its result twice and is done,
//! and nothing is packed until somebody asks ([`Nzcv::pack`]). `Regs::flags` is right at every exit of the
//! interpreter, and around each SIMD&FP instruction.

use arch::Flags;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Nzcv {
    /// Bit 63 is N.
    n: u64,
    /// Zero means Z.
    z: u64,
    /// Bit 63 is V.
    v: u64,
    c: bool,
}

impl Nzcv {
    pub(crate) fn unpack(flags: Flags) -> Self {
        let bits = flags.bits();
        Self {
            n: u64::from(bits & Flags::N) << 32,
            z: u64::from(bits & Flags::Z == 0),
            v: u64::from(bits & Flags::V) << 35,
            c: bits & Flags::C != 0,
        }
    }

    pub(crate) fn pack(self) -> Flags {
        Flags::new(self.n >> 63 != 0, self.z == 0, self.c, self.v >> 63 != 0)
    }

    /// From the four-bit field of a conditional compare.
    pub(crate) fn from_field(nzcv: u8) -> Self {
        Self::unpack(Flags::from_bits(u32::from(nzcv) << 28))
    }

    pub(crate) fn carry(self) -> bool {
        self.c
    }

    /// After a logical operation of 64 bits.
    #[inline(always)]
    pub(crate) fn logic64(result: u64) -> Self {
        Self {
            n: result,
            z: result,
            v: 0,
            c: false,
        }
    }

    /// After a logical operation of 32 bits.
    #[inline(always)]
    pub(crate) fn logic32(result: u32) -> Self {
        Self::logic64(u64::from(result) << 32)
    }

    #[inline(always)]
    pub(crate) fn add64(a: u64, b: u64) -> (u64, Self) {
        let (result, c) = a.overflowing_add(b);
        let v = (a ^ result) & (b ^ result);
        (
            result,
            Self {
                n: result,
                z: result,
                v,
                c,
            },
        )
    }

    #[inline(always)]
    pub(crate) fn sub64(a: u64, b: u64) -> (u64, Self) {
        let result = a.wrapping_sub(b);
        let v = (a ^ b) & (a ^ result);
        (
            result,
            Self {
                n: result,
                z: result,
                v,
                c: a >= b,
            },
        )
    }

    /// 32-bit operations are done in the upper halves of 64 bits: carry and overflow come out the same.
    #[inline(always)]
    pub(crate) fn add32(a: u32, b: u32) -> (u32, Self) {
        let (result, flags) = Self::add64(u64::from(a) << 32, u64::from(b) << 32);
        ((result >> 32) as u32, flags)
    }

    #[inline(always)]
    pub(crate) fn sub32(a: u32, b: u32) -> (u32, Self) {
        let (result, flags) = Self::sub64(u64::from(a) << 32, u64::from(b) << 32);
        ((result >> 32) as u32, flags)
    }

    /// `AddWithCarry` (Arm ARM shared functions) of 64 bits.
    pub(crate) fn adc64(a: u64, b: u64, carry: bool) -> (u64, Self) {
        let (partial, c1) = a.overflowing_add(b);
        let (result, c2) = partial.overflowing_add(u64::from(carry));
        let v = (a ^ result) & (b ^ result);
        (
            result,
            Self {
                n: result,
                z: result,
                v,
                c: c1 | c2,
            },
        )
    }

    /// `AddWithCarry` of 32 bits.
    pub(crate) fn adc32(a: u32, b: u32, carry: bool) -> (u32, Self) {
        let wide = u64::from(a) + u64::from(b) + u64::from(carry);
        let result = wide as u32;
        let v = u64::from((a ^ result) & (b ^ result)) << 32;
        let n = u64::from(result) << 32;
        (
            result,
            Self {
                n,
                z: n,
                v,
                c: wide >> 32 != 0,
            },
        )
    }

    #[inline(always)]
    pub(crate) fn eq(self) -> bool {
        self.z == 0
    }

    #[inline(always)]
    pub(crate) fn hs(self) -> bool {
        self.c
    }

    #[inline(always)]
    pub(crate) fn mi(self) -> bool {
        self.n >> 63 != 0
    }

    #[inline(always)]
    pub(crate) fn vs(self) -> bool {
        self.v >> 63 != 0
    }

    #[inline(always)]
    pub(crate) fn hi(self) -> bool {
        self.c && self.z != 0
    }

    #[inline(always)]
    pub(crate) fn ge(self) -> bool {
        (self.n ^ self.v) >> 63 == 0
    }

    #[inline(always)]
    pub(crate) fn gt(self) -> bool {
        self.ge() && self.z != 0
    }

    /// `ConditionHolds` (Arm ARM shared functions).
    #[inline(always)]
    pub(crate) fn holds(self, condition: u8) -> bool {
        let base = match condition >> 1 & 7 {
            0 => self.eq(),
            1 => self.hs(),
            2 => self.mi(),
            3 => self.vs(),
            4 => self.hi(),
            5 => self.ge(),
            6 => self.gt(),
            _ => return true,
        };
        base ^ (condition & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacked_flags_say_what_packed_flags_say() {
        for nzcv in 0..16 {
            let flags = Flags::from_bits(nzcv << 28);
            let unpacked = Nzcv::unpack(flags);
            assert_eq!(unpacked.pack(), flags);
            for condition in 0..16 {
                assert_eq!(
                    unpacked.holds(condition),
                    flags.holds(condition.into()),
                    "{nzcv} {condition}"
                );
            }
        }
    }

    /// Arm ARM, shared function AddWithCarry: carry and overflow from the exact sums.
    #[test]
    fn additions_set_the_flags_of_the_exact_sum() {
        let edges = [
            0u64,
            1,
            2,
            u64::MAX,
            i64::MAX as u64,
            i64::MIN as u64,
            0x8000_0000,
            0x7fff_ffff,
        ];
        for a in edges {
            for b in edges {
                check64(a, b);
                check32(a as u32, b as u32);
            }
        }
    }

    fn expected(negative: bool, unsigned: i128, signed: i128, zero: bool, bits: u32) -> Flags {
        let c = unsigned >> bits != 0;
        let v = signed < -(1 << (bits - 1)) || signed >= 1 << (bits - 1);
        Flags::new(negative, zero, c, v)
    }

    fn check64(a: u64, b: u64) {
        for carry in [false, true] {
            let unsigned = i128::from(a) + i128::from(b) + i128::from(carry);
            let signed = i128::from(a as i64) + i128::from(b as i64) + i128::from(carry);
            let result = unsigned as u64;
            let flags = expected((result as i64) < 0, unsigned, signed, result == 0, 64);
            let (sum, got) = Nzcv::adc64(a, b, carry);
            assert_eq!((sum, got.pack()), (result, flags), "{a:#x} + {b:#x} + {carry}");
            if !carry {
                let (sum, got) = Nzcv::add64(a, b);
                assert_eq!((sum, got.pack()), (result, flags), "{a:#x} + {b:#x}");
            } else {
                let (difference, got) = Nzcv::sub64(a, !b);
                assert_eq!((difference, got.pack()), (result, flags), "{a:#x} - {:#x}", !b);
            }
        }
    }

    fn check32(a: u32, b: u32) {
        for carry in [false, true] {
            let unsigned = i128::from(a) + i128::from(b) + i128::from(carry);
            let signed = i128::from(a as i32) + i128::from(b as i32) + i128::from(carry);
            let result = unsigned as u32;
            let flags = expected((result as i32) < 0, unsigned, signed, result == 0, 32);
            let (sum, got) = Nzcv::adc32(a, b, carry);
            assert_eq!((sum, got.pack()), (result, flags), "{a:#x} + {b:#x} + {carry}");
            if !carry {
                let (sum, got) = Nzcv::add32(a, b);
                assert_eq!((sum, got.pack()), (result, flags), "{a:#x} + {b:#x}");
            } else {
                let (difference, got) = Nzcv::sub32(a, !b);
                assert_eq!((difference, got.pack()), (result, flags), "{a:#x} - {:#x}", !b);
            }
        }
    }
}
