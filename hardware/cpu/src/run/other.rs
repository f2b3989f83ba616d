//! Handlers of classes of instructions that are done out of line, by [`crate::exec`] and [`crate::simd`],
//! and of exceptions.

use arch::{Regs, Trap};
use mmu::Mmu;

use super::step::{Exit, Handler, Op, next, stop, stopped, wrong};
use crate::exec::structure::Access;
use crate::exec::{Local, alu, atomic, memory, structure};
use crate::flags::Nzcv;
use crate::insn::{Insn, Vector};
use crate::simd;

/// The handler of an instruction that no table of forms has.
pub(super) fn handler(insn: &Insn) -> Handler {
    match insn {
        Insn::Simd(_) => vector,
        Insn::SimdFlags(_) => vector_with_flags,
        Insn::Bfm { .. }
        | Insn::AddShifted { .. }
        | Insn::AddCarry { .. }
        | Insn::Crc32 { .. }
        | Insn::Unary { .. } => arithmetic,
        Insn::Svc { .. } | Insn::Brk { .. } | Insn::Undefined { .. } | Insn::Missing { .. } => exception,
        _ => access,
    }
}

fn exception(op: &Op, rest: &[Op], regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> Exit {
    let trap = match op.insn {
        Insn::Svc { imm } => Trap::Supervisor(imm),
        Insn::Brk { imm } => Trap::Breakpoint(imm),
        Insn::Undefined { word } => Trap::Undefined(word),
        Insn::Missing { word } => Trap::NotImplemented(word),
        _ => return wrong(op, rest, regs, mmu, local),
    };
    stop(trap, rest, local)
}

fn arithmetic(op: &Op, rest: &[Op], regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> Exit {
    alu::execute(&op.insn, regs, &mut local.nzcv);
    next(rest, regs, mmu, local)
}

fn access(op: &Op, rest: &[Op], regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> Exit {
    let pc = local.here(rest);
    if try_access(&op.insn, pc, regs, mmu, local) {
        next(rest, regs, mmu, local)
    } else {
        stopped(rest, local)
    }
}

/// Whether it was done; if not, [`Local::trap`] says why. Not inlined, because its result is on its stack.
#[inline(never)]
fn try_access(insn: &Insn, pc: u64, regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> bool {
    let result = match *insn {
        Insn::Structure {
            shape,
            load,
            rt,
            rn,
            writeback,
        } => {
            let access = Access {
                shape,
                load,
                rt,
                rn,
                writeback,
            };
            structure::execute(access, regs, mmu)
        }
        Insn::LoadExclusive { .. }
        | Insn::StoreExclusive { .. }
        | Insn::LoadExclusivePair { .. }
        | Insn::StoreExclusivePair { .. }
        | Insn::Ordered { .. }
        | Insn::Atomic { .. }
        | Insn::Cas { .. }
        | Insn::Casp { .. } => atomic::execute(insn, regs, mmu, local),
        _ => memory::execute(insn, regs, mmu, pc),
    };
    match result {
        Ok(()) => true,
        Err(trap) => {
            local.trap = trap;
            false
        }
    }
}

fn vector(op: &Op, rest: &[Op], regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> Exit {
    let Insn::Simd(ref insn) = op.insn else {
        return wrong(op, rest, regs, mmu, local);
    };
    execute_vector(insn, regs);
    next(rest, regs, mmu, local)
}

fn vector_with_flags(op: &Op, rest: &[Op], regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> Exit {
    let Insn::SimdFlags(ref insn) = op.insn else {
        return wrong(op, rest, regs, mmu, local);
    };
    regs.flags = local.nzcv.pack();
    execute_vector(insn, regs);
    local.nzcv = Nzcv::unpack(regs.flags);
    next(rest, regs, mmu, local)
}

/// A function of its own, so that nothing of it is on a handler's stack. By reference: a copy there would be
/// read across the pieces that it was written in, at a dozen cycles.
#[inline(never)]
fn execute_vector(insn: &Vector, regs: &mut Regs) {
    simd::execute(&insn.0, regs);
}
