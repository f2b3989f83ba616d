//! The loop over blocks.
//!
//! At each block's entry it looks at the flag of written code, takes the block from the jump cache, charges the
//! budget for the whole block (or cuts the block to what is left of it), and hands it to the
//! [handler](super::step) of its first instruction, which runs it to its end. A trap in the middle gives back
//! what was not executed. So the count of retired instructions is exact at every exit and costs nothing inside
//! a block.

use arch::{Regs, Trap};
use mmu::Mmu;

use super::Cpu;
use super::step::next;
use crate::exec::Local;

impl Cpu {
    /// [`Cpu::run`], with `local` made for it.
    pub(super) fn run_blocks(&mut self, regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> Trap {
        let mut entries = 0;
        let mut pc = regs.pc;
        let mut stamp = self.cache.stamp(mmu);

        let trap = loop {
            if local.left == 0 {
                break Trap::Budget;
            }
            if mmu.ram().any_written() {
                self.cache.drop_written(mmu, &mut self.counters);
                stamp = self.cache.stamp(mmu);
            }
            let block = match self.cache.jump(pc, stamp) {
                Some(block) => block,
                None => match self.find(pc, mmu) {
                    Ok((found, block)) => {
                        stamp = self.cache.stamp(mmu);
                        pc = found;
                        block
                    }
                    Err((found, trap)) => {
                        pc = found;
                        break trap;
                    }
                },
            };
            entries += 1;
            let mut ops = self.cache.ops(block);
            if ops.len() as u64 > local.left {
                ops = &ops[..local.left as usize];
                self.counters.cut_blocks += 1;
            }
            local.left -= ops.len() as u64;
            local.after = pc.wrapping_add(4 * ops.len() as u64);
            let exit = next(ops, regs, mmu, local);
            pc = exit.pc;
            if exit.stopped {
                break local.trap;
            }
        };
        regs.pc = pc;
        self.counters.block_entries += entries;
        trap
    }
}
