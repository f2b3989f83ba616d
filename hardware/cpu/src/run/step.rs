//! How decoded instructions are executed: [`Op`], a decoded instruction with its [`Handler`], and what
//! handlers share.
//!
//! A handler does its instruction and calls the next one's handler as the last thing it does. An optimising
//! build makes a jump of that call, so each handler has an indirect jump of its own, which the host predicts
//! by what usually follows; without optimisation it is a call, and a block's length bounds the depth. What
//! could keep the call from becoming a jump is a local variable whose address is passed on: so a handler has
//! none, and leaves what needs one to a function that is not inlined.
//!
//! A handler is given its own instruction and the slice of those after it in the block; so where it is follows
//! from the address after the block ([`Local::after`]) and the slice's length.

use std::marker::PhantomData;

use arch::{Fault, Reg, Regs, Trap};
use mmu::Mmu;
use ram::Word;

use super::{branch, forms, memory, other, pairs, plain};
use crate::exec::{self, Local};
use crate::flags::Nzcv;
use crate::insn::Insn;

/// Bytes of the smallest page and of the pieces of the fast table.
const SMALLEST_PAGE: u64 = 4096;

/// A decoded instruction in a block.
#[derive(Clone, Copy)]
pub(crate) struct Op {
    pub(crate) run: Handler,
    pub(crate) insn: Insn,
}

/// What executes an instruction and the rest of its block.
pub(crate) type Handler = fn(&Op, &[Op], &mut Regs, &mut Mmu, &mut Local) -> Exit;

/// How a block was left: returned in two registers.
#[derive(Clone, Copy)]
pub(crate) struct Exit {
    /// Where to go on.
    pub(crate) pc: u64,
    /// Whether there is a trap, in [`Local::trap`].
    pub(crate) stopped: bool,
}

impl Op {
    /// With the handler of the instruction by itself.
    pub(crate) fn new(insn: Insn) -> Self {
        let run = plain::handler(&insn)
            .or_else(|| memory::handler(&insn))
            .or_else(|| forms::handler(&insn))
            .or_else(|| branch::handler(&insn))
            .unwrap_or_else(|| other::handler(&insn));
        Self { run, insn }
    }

    /// Takes the handler of the pair, if there is one, now that the instruction after this is known.
    pub(crate) fn before(&mut self, second: &Insn) {
        if let Some(run) = pairs::handler(&self.insn, second) {
            self.run = run;
        }
    }
}

impl Local {
    /// Where the instruction before `rest` is.
    #[inline(always)]
    pub(crate) fn here(&self, rest: &[Op]) -> u64 {
        self.after.wrapping_sub(4 * (rest.len() as u64 + 1))
    }

    /// Where the block's last instruction is: for branches that are always taken, which end a block.
    #[inline(always)]
    pub(crate) fn last(&self) -> u64 {
        self.after.wrapping_sub(4)
    }

    /// The virtual counter at the instruction before `rest`.
    #[inline(always)]
    pub(crate) fn counter(&self, rest: &[Op]) -> u64 {
        self.counter_at_end
            .wrapping_sub(self.left)
            .wrapping_sub(rest.len() as u64 + 1)
    }

    #[inline(always)]
    pub(crate) fn set64(&mut self, rd: Reg, (value, nzcv): (u64, Nzcv), regs: &mut Regs) {
        self.nzcv = nzcv;
        regs.set(rd, value);
    }

    #[inline(always)]
    pub(crate) fn set32(&mut self, rd: Reg, (value, nzcv): (u32, Nzcv), regs: &mut Regs) {
        self.nzcv = nzcv;
        regs.set(rd, u64::from(value));
    }
}

/// The low half of a register.
#[inline(always)]
pub(crate) fn low(regs: &Regs, reg: Reg) -> u32 {
    regs.get(reg) as u32
}

/// An instruction's type at compile time: its handler, over what comes next.
pub(crate) trait Step {
    /// Whether it is of this type.
    fn fits(insn: &Insn) -> bool;
    /// The handler. `T`: how to go on.
    fn run<T: Then>(op: &Op, rest: &[Op], regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> Exit;
}

/// How a handler goes on in its block.
pub(crate) trait Then {
    fn go(rest: &[Op], regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> Exit;
}

/// By the next instruction's own handler.
pub(crate) struct Any;

impl Then for Any {
    #[inline(always)]
    fn go(rest: &[Op], regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> Exit {
        next(rest, regs, mmu, local)
    }
}

/// By this instruction's handler, which the next one is known to be: no jump that must be predicted. A block
/// that was cut to the budget may end before.
pub(crate) struct To<S>(PhantomData<S>);

impl<S: Step> Then for To<S> {
    #[inline(always)]
    fn go(rest: &[Op], regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> Exit {
        match rest {
            [op, rest @ ..] => S::run::<Any>(op, rest, regs, mmu, local),
            [] => next(rest, regs, mmu, local),
        }
    }
}

/// Goes on with the rest of the block.
#[inline(always)]
pub(crate) fn next(rest: &[Op], regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> Exit {
    match rest {
        [op, rest @ ..] => (op.run)(op, rest, regs, mmu, local),
        [] => Exit {
            pc: local.after,
            stopped: false,
        },
    }
}

/// Leaves the block by a branch at the instruction before `rest`.
#[inline(always)]
pub(crate) fn taken(offset: i32, rest: &[Op], local: &mut Local) -> Exit {
    local.left += rest.len() as u64;
    Exit {
        pc: local.here(rest).wrapping_add(offset as u64),
        stopped: false,
    }
}

/// Leaves the block with a trap at the instruction before `rest`.
#[cold]
#[inline(never)]
pub(crate) fn stop(trap: Trap, rest: &[Op], local: &mut Local) -> Exit {
    local.trap = trap;
    stopped(rest, local)
}

/// The same with the trap that [`Local::trap`] has already.
#[cold]
#[inline(never)]
pub(crate) fn stopped(rest: &[Op], local: &mut Local) -> Exit {
    // The trapped instruction was not executed either, except `SVC`, after which the program goes on.
    let finished = matches!(local.trap, Trap::Supervisor(_));
    let pc = local.here(rest);
    local.left += rest.len() as u64 + u64::from(!finished);
    Exit {
        pc: if finished { pc.wrapping_add(4) } else { pc },
        stopped: true,
    }
}

/// Where a handler goes that stands beside another's instruction: to the right one. None does; but a handler that ended
/// in a panic here instead of a jump would move its stack pointer on every path.
#[cold]
#[inline(never)]
pub(crate) fn wrong(op: &Op, rest: &[Op], regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> Exit {
    let op = Op::new(op.insn);
    (op.run)(&op, rest, regs, mmu, local)
}

/// How a load or store reaches memory. A body is compiled for both: the handler itself takes [`Fast`], and
/// where that gives up, before anything was changed, the whole instruction is done anew by [`Slow`], out of
/// line. So the fast one has nothing on its stack.
pub(crate) trait Path {
    /// The value of a base register.
    fn base(rn: Reg, regs: &Regs, local: &mut Local) -> Option<u64>;
    fn load<T: Word>(address: u64, mmu: &mut Mmu, local: &mut Local) -> Option<T>;
    fn store<T: Word>(address: u64, value: T, mmu: &mut Mmu, local: &mut Local) -> Option<()>;
    /// Stores both or none.
    fn store_two(address: u64, first: u128, second: u128, mmu: &mut Mmu, local: &mut Local) -> Option<()>;
}

/// What the fast table knows. `SP`: the base register is the stack pointer, which must be aligned.
pub(crate) struct Fast<const SP: bool>;

impl<const SP: bool> Path for Fast<SP> {
    #[inline(always)]
    fn base(rn: Reg, regs: &Regs, _: &mut Local) -> Option<u64> {
        if SP {
            let base = regs.sp();
            (base & 15 == 0).then_some(base)
        } else {
            Some(regs.get(rn))
        }
    }

    #[inline(always)]
    fn load<T: Word>(address: u64, mmu: &mut Mmu, _: &mut Local) -> Option<T> {
        mmu.load_known(address)
    }

    #[inline(always)]
    fn store<T: Word>(address: u64, value: T, mmu: &mut Mmu, _: &mut Local) -> Option<()> {
        mmu.store_known(address, value)
    }

    #[inline(always)]
    fn store_two(address: u64, first: u128, second: u128, mmu: &mut Mmu, _: &mut Local) -> Option<()> {
        // Both lie in one page, so the second store is known if the first is.
        let one_page = address & (SMALLEST_PAGE - 1) <= SMALLEST_PAGE - 32;
        one_page.then_some(())?;
        mmu.store_known(address, first)?;
        mmu.store_known(address.wrapping_add(16), second)
    }
}

/// Everything, with the reason for giving up left in [`Local::trap`].
pub(crate) struct Slow;

impl Slow {
    fn or_fault<T>(result: Result<T, Fault>, local: &mut Local) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(fault) => {
                local.trap = Trap::Abort(fault);
                None
            }
        }
    }
}

impl Path for Slow {
    fn base(rn: Reg, regs: &Regs, local: &mut Local) -> Option<u64> {
        let base = regs.get(rn);
        if rn == Reg::Sp && base & 15 != 0 {
            local.trap = Trap::SpAlignment;
            return None;
        }
        Some(base)
    }

    fn load<T: Word>(address: u64, mmu: &mut Mmu, local: &mut Local) -> Option<T> {
        Self::or_fault(mmu.load(address), local)
    }

    fn store<T: Word>(address: u64, value: T, mmu: &mut Mmu, local: &mut Local) -> Option<()> {
        Self::or_fault(mmu.store(address, value), local)
    }

    fn store_two(address: u64, first: u128, second: u128, mmu: &mut Mmu, local: &mut Local) -> Option<()> {
        Self::or_fault(exec::memory::store_two(address, first, second, mmu), local)
    }
}
