//! Handlers of branches. Only those that are always taken end a block.

use arch::{Reg, Regs};
use mmu::Mmu;

use super::step::{Any, Exit, Handler, Op, Step, Then, low, taken, wrong};
use crate::exec::Local;
use crate::insn::Insn;

/// The handler of a branch.
pub(super) fn handler(insn: &Insn) -> Option<Handler> {
    always(insn).or_else(|| conditional(insn))
}

branches! { always (op, rest, regs, mmu, local)
    B { offset } => { local.last().wrapping_add(offset as u64) }
    Bl { offset } => {
        regs.set(Reg::X30, local.after);
        local.last().wrapping_add(offset as u64)
    }
    Br { rn } => { regs.get(rn) }
    Ret { rn } => { regs.get(rn) }
    Blr { rn } => {
        let target = regs.get(rn);
        regs.set(Reg::X30, local.after);
        target
    }
}

conditional_branches! { conditional (op, rest, regs, mmu, local)
    BEq { offset } => { (local.nzcv.eq(), offset) }
    BNe { offset } => { (!local.nzcv.eq(), offset) }
    BHs { offset } => { (local.nzcv.hs(), offset) }
    BLo { offset } => { (!local.nzcv.hs(), offset) }
    BHi { offset } => { (local.nzcv.hi(), offset) }
    BLs { offset } => { (!local.nzcv.hi(), offset) }
    BGe { offset } => { (local.nzcv.ge(), offset) }
    BLt { offset } => { (!local.nzcv.ge(), offset) }
    BGt { offset } => { (local.nzcv.gt(), offset) }
    BLe { offset } => { (!local.nzcv.gt(), offset) }
    BCond { condition, offset } => { (local.nzcv.holds(condition), offset) }
    Cbz64 { rt, offset } => { (regs.get(rt) == 0, offset) }
    Cbz32 { rt, offset } => { ((low(regs, rt)) == 0, offset) }
    Cbnz64 { rt, offset } => { (regs.get(rt) != 0, offset) }
    Cbnz32 { rt, offset } => { ((low(regs, rt)) != 0, offset) }
    Tbz { rt, bit, offset } => { (regs.get(rt) >> (bit & 63) & 1 == 0, offset) }
    Tbnz { rt, bit, offset } => { (regs.get(rt) >> (bit & 63) & 1 != 0, offset) }
}
