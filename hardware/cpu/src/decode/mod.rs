//! The decoder: each 32-bit word to an [`Insn`], or to the reason why there is none.
//!
//! [`decode`] follows the top-level table of the manual (Arm ARM C4.1); each class has a file of its own,
//! and each table in it is one function. A word depends on nothing else: decoding knows no address, so decoded
//! code can be kept by physical frame.
//!
//! "Unallocated" follows the tables. Architecture extensions that this processor does not have (SVE, SME,
//! pointer authentication outside of the hint space, memory tagging, MOPS...) are [`Decoded::NotImplemented`],
//! with the extension's name: both are undefined on a processor without them, but a report can say more.

mod branch;
mod features;
mod immediate;
mod memory;
mod register;
mod structure;
mod system;

use arch::Reg;

use crate::insn::{Insn, Vector, Width};
use crate::simd::{self, SimdDecoded};
pub use features::{decode_for, required};

/// What a word is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Decoded {
    /// An instruction.
    Insn(Insn),
    /// An encoding that the manual does not allocate.
    Unallocated,
    /// An encoding that the manual allocates to the named class or extension, which this processor lacks.
    NotImplemented(&'static str),
}

impl From<Insn> for Decoded {
    fn from(insn: Insn) -> Self {
        Self::Insn(insn)
    }
}

/// Decodes a word (Arm ARM C4.1, table "Main encoding table").
pub fn decode(word: u32) -> Decoded {
    let w = Word(word);
    match w.bits(28, 25) {
        0b0000 if w.bit(31) => Decoded::NotImplemented("SME"),
        0b0000 if w.bits(30, 16) == 0 => Insn::Undefined { word }.into(),
        0b0010 => Decoded::NotImplemented("SVE"),
        0b0000 | 0b0001 | 0b0011 => Decoded::Unallocated,
        0b1000 | 0b1001 => immediate::decode(w),
        0b1010 | 0b1011 => branch::decode(w),
        0b0100 | 0b0110 | 0b1100 | 0b1110 => memory::decode(w),
        0b0101 | 0b1101 => register::decode(w),
        _ => match simd::decode(word) {
            SimdDecoded::Insn(insn) if uses_flags(w) => Insn::SimdFlags(Vector(insn)).into(),
            SimdDecoded::Insn(insn) => Insn::Simd(Vector(insn)).into(),
            SimdDecoded::Unallocated => Decoded::Unallocated,
            SimdDecoded::NotImplemented => Decoded::NotImplemented("Advanced SIMD and floating point"),
        },
    }
}

/// Whether a scalar floating-point instruction is a compare, conditional compare or conditional select
/// (Arm ARM C4.1.96): those read or write the condition flags.
fn uses_flags(w: Word) -> bool {
    let scalar = w.bits(31, 24) == 0b0001_1110 && w.bit(21);
    scalar && (matches!(w.bits(11, 10), 0b01 | 0b11) || w.bits(13, 10) == 0b1000)
}

/// An instruction word, with the fields that most encodings share.
#[derive(Clone, Copy)]
struct Word(u32);

impl Word {
    /// Bits `high` down to `low`, both included, as the manual writes them.
    const fn bits(self, high: u32, low: u32) -> u32 {
        self.0 << (31 - high) >> (31 - high + low)
    }

    /// The same as a signed number.
    const fn signed(self, high: u32, low: u32) -> i32 {
        (self.0 << (31 - high)) as i32 >> (31 - high + low)
    }

    const fn bit(self, at: u32) -> bool {
        self.0 >> at & 1 != 0
    }

    /// The `sf` bit.
    const fn width(self) -> Width {
        if self.bit(31) { Width::X } else { Width::W }
    }

    /// Rd or Rt, written, 31 being the zero register.
    const fn rd(self) -> Reg {
        Reg::destination(self.0)
    }

    /// Rd, written, 31 being the stack pointer.
    const fn rd_sp(self) -> Reg {
        Reg::or_sp(self.0)
    }

    /// Rt, read.
    const fn rt(self) -> Reg {
        Reg::source(self.0)
    }

    /// Rt as a SIMD&FP register's number.
    const fn vt(self) -> u8 {
        (self.0 & 31) as u8
    }

    /// Rn, 31 being the zero register.
    const fn rn(self) -> Reg {
        Reg::source(self.0 >> 5)
    }

    /// Rn, 31 being the stack pointer.
    const fn rn_sp(self) -> Reg {
        Reg::or_sp(self.0 >> 5)
    }

    /// Rm or Rs, read.
    const fn rm(self) -> Reg {
        Reg::source(self.0 >> 16)
    }

    /// Rs, written.
    const fn rs(self) -> Reg {
        Reg::destination(self.0 >> 16)
    }
}
