//! The register file that a program sees, laid out for an interpreter that must be fast without `unsafe`.
//!
//! Register number 31 means the stack pointer in some encodings and zero in others. The decoder settles which,
//! once, by naming a slot: [`Reg`] has 34 of them, X0 to X30, SP, a slot that is always zero, and a sink for
//! results written to the zero register. Because `Reg` is an enum of 34 values and the file has 34 slots, the
//! compiler knows that an index is in range.

/// A slot of the register file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "X0 to X30 are their own names")]
#[rustfmt::skip]
pub enum Reg {
    X0, X1, X2, X3, X4, X5, X6, X7, X8, X9, X10, X11, X12, X13, X14, X15,
    X16, X17, X18, X19, X20, X21, X22, X23, X24, X25, X26, X27, X28, X29, X30,
    /// The stack pointer.
    Sp,
    /// Reads as zero; nothing writes it.
    Zr,
    /// Takes what is written to the zero register; nothing reads it.
    Sink,
}

#[rustfmt::skip]
const BY_NUMBER: [Reg; 31] = {
    use Reg::*;
    [X0, X1, X2, X3, X4, X5, X6, X7, X8, X9, X10, X11, X12, X13, X14, X15,
     X16, X17, X18, X19, X20, X21, X22, X23, X24, X25, X26, X27, X28, X29, X30]
};

impl Reg {
    /// Slots in a register file.
    pub const COUNT: usize = 34;

    const fn numbered(number: u32, other: Self) -> Self {
        let number = (number & 31) as usize;
        if number < BY_NUMBER.len() {
            BY_NUMBER[number]
        } else {
            other
        }
    }

    /// The slot to read for a five-bit field in which 31 means zero.
    pub const fn source(field: u32) -> Self {
        Self::numbered(field, Self::Zr)
    }

    /// The slot to write for a five-bit field in which 31 means zero.
    pub const fn destination(field: u32) -> Self {
        Self::numbered(field, Self::Sink)
    }

    /// The slot for a five-bit field in which 31 means the stack pointer.
    pub const fn or_sp(field: u32) -> Self {
        Self::numbered(field, Self::Sp)
    }
}

/// The condition flags N, Z, C and V, in bits 31:28 as in `PSTATE` and `NZCV`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Flags(u32);

impl Flags {
    /// Bit 31: negative.
    pub const N: u32 = 1 << 31;
    /// Bit 30: zero.
    pub const Z: u32 = 1 << 30;
    /// Bit 29: carry.
    pub const C: u32 = 1 << 29;
    /// Bit 28: overflow.
    pub const V: u32 = 1 << 28;

    /// From bits 31:28; the others are dropped.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & 0xf000_0000)
    }

    /// From the four flags.
    pub const fn new(n: bool, z: bool, c: bool, v: bool) -> Self {
        Self((n as u32) << 31 | (z as u32) << 30 | (c as u32) << 29 | (v as u32) << 28)
    }

    /// In bits 31:28.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether the four-bit condition holds (Arm ARM C1.2.4; 14 and 15 always hold).
    pub const fn holds(self, condition: u32) -> bool {
        let n = self.0 & Self::N != 0;
        let z = self.0 & Self::Z != 0;
        let c = self.0 & Self::C != 0;
        let v = self.0 & Self::V != 0;
        let base = match condition >> 1 & 7 {
            0 => z,
            1 => c,
            2 => n,
            3 => v,
            4 => c && !z,
            5 => n == v,
            6 => n == v && !z,
            _ => return true,
        };
        base ^ (condition & 1 != 0)
    }
}

/// What the processor holds for user space: a task's context when it does not run.
#[derive(Clone, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Regs {
    slots: [u64; Reg::COUNT],
    /// The program counter.
    pub pc: u64,
    /// `TPIDR_EL0`: the thread pointer.
    pub tpidr: u64,
    /// N, Z, C, V.
    pub flags: Flags,
    /// Floating-point control.
    pub fpcr: u32,
    /// Floating-point status.
    pub fpsr: u32,
    /// V0 to V31, each 128 bits; element 0 in the low bits.
    pub v: [u128; 32],
}

impl Default for Regs {
    fn default() -> Self {
        Self {
            slots: [0; Reg::COUNT],
            pc: 0,
            tpidr: 0,
            flags: Flags::default(),
            fpcr: 0,
            fpsr: 0,
            v: [0; 32],
        }
    }
}

impl Regs {
    /// The 64 bits of a slot.
    #[inline(always)]
    pub fn get(&self, reg: Reg) -> u64 {
        self.slots[reg as usize]
    }

    /// Writes all 64 bits of a slot. The zero slot must not be named: the decoder gives [`Reg::Sink`].
    #[inline(always)]
    pub fn set(&mut self, reg: Reg, value: u64) {
        debug_assert!(reg != Reg::Zr, "the zero register is written through Reg::Sink");
        self.slots[reg as usize] = value;
    }

    /// X0 to X30 by number.
    pub fn x(&self, number: usize) -> u64 {
        self.get(BY_NUMBER[number])
    }

    /// Writes X0 to X30 by number.
    pub fn set_x(&mut self, number: usize, value: u64) {
        self.set(BY_NUMBER[number], value);
    }

    /// The stack pointer.
    pub fn sp(&self) -> u64 {
        self.get(Reg::Sp)
    }

    /// Moves the stack pointer.
    pub fn set_sp(&mut self, value: u64) {
        self.set(Reg::Sp, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_31_is_what_the_encoding_says() {
        assert_eq!(Reg::source(31), Reg::Zr);
        assert_eq!(Reg::destination(31), Reg::Sink);
        assert_eq!(Reg::or_sp(31), Reg::Sp);
        for n in 0..31 {
            assert_eq!(Reg::source(n) as u32, n);
            assert_eq!(Reg::source(n), Reg::destination(n));
            assert_eq!(Reg::source(n), Reg::or_sp(n));
        }
        assert_eq!(Reg::Sink as usize + 1, Reg::COUNT);
    }

    #[test]
    fn writes_to_zero_are_lost() {
        let mut regs = Regs::default();
        regs.set(Reg::destination(31), 7);
        assert_eq!(regs.get(Reg::source(31)), 0);
    }

    /// Arm ARM C1.2.4, the table of condition codes.
    #[test]
    fn conditions_follow_the_table() {
        let holds = |bits: u32, condition| Flags::from_bits(bits << 28).holds(condition);
        for nzcv in 0..16u32 {
            let (n, z, c, v) = (nzcv & 8 != 0, nzcv & 4 != 0, nzcv & 2 != 0, nzcv & 1 != 0);
            let table = [
                z,
                !z,
                c,
                !c,
                n,
                !n,
                v,
                !v,
                c && !z,
                !c || z,
                n == v,
                n != v,
                !z && n == v,
                z || n != v,
                true,
                true,
            ];
            for (condition, expected) in table.into_iter().enumerate() {
                assert_eq!(
                    holds(nzcv, condition as u32),
                    expected,
                    "condition {condition} nzcv {nzcv:04b}"
                );
            }
        }
    }
}
