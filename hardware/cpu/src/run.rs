//! [`Cpu`]: what it is from outside; its loop is in [`hot`], its handlers of instructions stand on [`step`].

#[macro_use]
mod macros;

mod branch;
mod forms;
mod hot;
mod memory;
mod other;
mod pairs;
mod plain;
mod step;

use arch::{Fault, Features, Regs, Trap};
use mmu::Mmu;

use crate::block::{Block, BlockCache};
use crate::breakpoint::Breakpoints;
use crate::counters::Counters;
use crate::exec::{Local, Monitor};
use crate::flags::Nzcv;
pub(crate) use step::Op;

/// One processor: its decoded code and its counts. What a program sees is in [`Regs`] and in memory.
pub struct Cpu {
    cache: BlockCache,
    counters: Counters,
    retired: u64,
    /// What to add to `retired` to get the virtual counter.
    counter_offset: u64,
    pub(crate) breakpoints: Breakpoints,
    /// What the last run left in the exclusive monitor.
    monitor: Option<Monitor>,
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new()
    }
}

impl Cpu {
    /// A processor that has run nothing, with the usual features.
    pub fn new() -> Self {
        Self::with_features(Features::USUAL)
    }

    /// The same with other features: instructions of those that are not in the set are undefined.
    pub fn with_features(features: Features) -> Self {
        Self {
            cache: BlockCache::new(features),
            counters: Counters::default(),
            retired: 0,
            counter_offset: 0,
            breakpoints: Breakpoints::default(),
            monitor: None,
        }
    }

    /// Instructions executed to their end since the processor was made; `SVC` is one, an instruction that
    /// faults or is undefined is none.
    pub fn retired(&self) -> u64 {
        self.retired
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Sets `CNTVCT_EL0`, in ticks of 1 GHz. It then advances by one with each retired instruction.
    pub fn set_counter(&mut self, ticks: u64) {
        self.counter_offset = ticks.wrapping_sub(self.retired);
    }

    /// Runs user code from `regs.pc` in the address space that `mmu` is switched to, until it traps or has
    /// retired `budget` instructions. See [`Trap`] for what `regs.pc` then is. The exclusive monitor is open at
    /// the start, as after every exception return.
    ///
    /// A processor must always be given the same memory: it keeps code by frame.
    pub fn run(&mut self, regs: &mut Regs, mmu: &mut Mmu, budget: u64) -> Trap {
        self.run_from(None, regs, mmu, budget)
    }

    /// [`Cpu::run`] as if the last run had not ended: the exclusive monitor is as it was. For a debugger, whose stops
    /// and steps are none of the program's business.
    pub fn run_on(&mut self, regs: &mut Regs, mmu: &mut Mmu, budget: u64) -> Trap {
        self.run_from(self.monitor, regs, mmu, budget)
    }

    fn run_from(&mut self, monitor: Option<Monitor>, regs: &mut Regs, mmu: &mut Mmu, budget: u64) -> Trap {
        let mut local = Local {
            nzcv: Nzcv::unpack(regs.flags),
            monitor,
            exclusive_failures: 0,
            left: budget,
            after: regs.pc,
            counter_at_end: self
                .counter_offset
                .wrapping_add(self.retired)
                .wrapping_add(budget),
            trap: Trap::Budget,
        };
        let trap = self.run_blocks(regs, mmu, &mut local);
        self.retired += budget - local.left;
        self.monitor = local.monitor;
        regs.flags = local.nzcv.pack();
        self.counters.exclusive_failures += local.exclusive_failures;
        trap
    }

    /// Lets the jump cache learn everything anew.
    pub(crate) fn forget_jumps(&mut self) {
        self.cache.next_generation();
    }

    /// The block at `pc` when the jump cache does not know it, or why there is none; with `pc` as the program
    /// sees it.
    #[cold]
    #[inline(never)]
    fn find(&mut self, pc: u64, mmu: &mut Mmu) -> Result<(u64, Block), (u64, Trap)> {
        self.counters.jump_misses += 1;
        // A branch takes the tag off its target (Arm ARM shared function BranchAddr): bit 55 is extended.
        let pc = ((pc << 8) as i64 >> 8) as u64;
        if pc & 3 != 0 {
            return Err((pc, Trap::PcAlignment));
        }
        let abort = |fault: Fault| (pc, Trap::Abort(fault));
        let most = self.breakpoints.distance(pc, mmu.asid()).map_err(abort)?;
        let at = mmu.fetch(pc).map_err(abort)?;
        Ok((pc, self.cache.enter(pc, at, most, mmu, &mut self.counters)))
    }
}
