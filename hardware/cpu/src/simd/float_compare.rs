//! Floating-point compare, conditional compare and conditional select (FCMP, FCMPE, FCCMP, FCCMPE, FCSEL).

use arch::{Flags, Regs};

use super::Operation;
use super::float_lanes::{Shape, by_format};
use super::float_scalar::shape;
use super::fp::{Env, Format, compare};
use super::lanes::{V, bit, field};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    /// FCMP and FCMPE with a register.
    Registers,
    /// With zero.
    Zero,
    /// If the condition holds; else these flags, NZCV in the low four bits.
    Conditional(u8, u8),
    /// FCSEL.
    Select(u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Insn {
    op: Op,
    shape: Shape,
    /// A quiet NaN is invalid too (FCMPE, FCCMPE).
    signals: bool,
    rd: V,
    rn: V,
    rm: V,
}

fn insn(word: u32, op: Op, signals: bool) -> Option<Operation> {
    Some(Operation::FloatCompare(Insn {
        op,
        shape: shape(word)?,
        signals,
        rd: V::rd(word),
        rn: V::rn(word),
        rm: V::rm(word),
    }))
}

pub(super) fn decode_compare(word: u32) -> Option<Operation> {
    let op = if bit(word, 3) { Op::Zero } else { Op::Registers };
    let is_allocated = field(word, 14, 2) == 0 && field(word, 0, 3) == 0;
    is_allocated.then(|| insn(word, op, bit(word, 4)))?
}

pub(super) fn decode_conditional(word: u32) -> Option<Operation> {
    let op = Op::Conditional(field(word, 12, 4) as u8, field(word, 0, 4) as u8);
    insn(word, op, bit(word, 4))
}

pub(super) fn decode_select(word: u32) -> Option<Operation> {
    insn(word, Op::Select(field(word, 12, 4) as u8), false)
}

impl Insn {
    #[inline(never)]
    pub(super) fn execute(self, regs: &mut Regs) {
        match self.op {
            Op::Registers => self.compare(self.rm.get(regs), regs),
            Op::Zero => self.compare(0, regs),
            Op::Conditional(condition, _) if regs.flags.holds(u32::from(condition)) => {
                self.compare(self.rm.get(regs), regs);
            }
            Op::Conditional(_, nzcv) => regs.flags = Flags::from_bits(u32::from(nzcv) << 28),
            Op::Select(condition) => {
                let from = if regs.flags.holds(u32::from(condition)) {
                    self.rn
                } else {
                    self.rm
                };
                let value = self.shape.span().of(from.get(regs));
                self.rd.set(regs, value);
            }
        }
    }

    fn compare(self, m: u128, regs: &mut Regs) {
        let mut env = Env::of(regs);
        let (a, b) = (self.rn.get(regs) as u64, m as u64);
        regs.flags = by_format!(self.shape, F => {
            compare::flags::<F>(a & F::MASK, b & F::MASK, self.signals, &mut env)
        });
        env.commit(regs);
    }
}
