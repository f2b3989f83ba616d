//! Decoded blocks, kept by physical frame and offset, and the jump cache from program counters to them.
//!
//! [`BlockCache`] decodes a run of instructions up to the next unconditional branch, exception, `ISB` or `IC IVAU`, the end
//! of the frame, or [`LONGEST`]. A block is named by where its bytes are, so it serves every process that maps
//! the frame, and a second run of a program finds it. A frame with blocks is watched
//! ([`mmu::Mmu::watch_code`]); when it was written, all of its blocks go.
//!
//! The **jump cache** is direct-mapped by program counter. An entry holds while its stamp does: the mmu's fetch
//! epoch (which address space, since which invalidation) and this cache's generation (since which dropped
//! block).
//!
//! Instructions of all blocks lie in one arena. Dropped blocks leave holes; when the arena is full, everything
//! is dropped.

use arch::{Features, FrameNum, PhysAddr};
use mmu::Mmu;

use crate::counters::Counters;
use crate::decode::{Decoded, decode_for};
use crate::insn::Insn;
use crate::run::Op;

/// The most instructions of one block.
const LONGEST: usize = 64;
/// Entries of the jump cache: enough for the blocks of 128 KiB of code in a row.
const JUMPS: usize = 1 << 15;
/// Instructions in the arena (24 bytes each) before everything is dropped.
const ARENA: usize = 1 << 21;

/// Where a block's instructions lie in the arena.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Block {
    start: u32,
    /// At least 1 for a block that exists.
    length: u32,
}

#[derive(Clone, Copy)]
struct Jump {
    pc: u64,
    stamp: u64,
    block: Block,
}

/// No program counter that is looked up is odd.
const NO_JUMP: Jump = Jump {
    pc: 1,
    stamp: 0,
    block: Block { start: 0, length: 0 },
};

/// The blocks of one frame, by offset in instructions.
type FrameBlocks = Box<[Block]>;

pub(crate) struct BlockCache {
    arena: Vec<Op>,
    frames: Vec<Option<FrameBlocks>>,
    jumps: Box<[Jump; JUMPS]>,
    generation: u16,
    features: Features,
}

impl BlockCache {
    pub(crate) fn new(features: Features) -> Self {
        Self {
            arena: Vec::new(),
            frames: Vec::new(),
            jumps: empty_jumps(),
            generation: 0,
            features,
        }
    }

    /// The stamp of entries that hold now. Epochs stay far below 2^48: each needs a TLB invalidation.
    #[inline(always)]
    pub(crate) fn stamp(&self, mmu: &Mmu) -> u64 {
        u64::from(self.generation) << 48 | mmu.fetch_epoch()
    }

    /// The block at `pc`, if the jump cache knows it.
    #[inline(always)]
    pub(crate) fn jump(&self, pc: u64, stamp: u64) -> Option<Block> {
        let entry = &self.jumps[(pc >> 2) as usize & (JUMPS - 1)];
        (entry.pc == pc && entry.stamp == stamp).then_some(entry.block)
    }

    /// The instructions of a block, the last of which ends it.
    #[inline(always)]
    pub(crate) fn ops(&self, block: Block) -> &[Op] {
        let start = block.start as usize;
        &self.arena[start..start + block.length as usize]
    }

    /// The block at a physical address that `pc` was translated to, decoded now if need be; the jump cache
    /// will know it. It has `most` instructions at most: then comes a breakpoint.
    pub(crate) fn enter(
        &mut self,
        pc: u64,
        at: PhysAddr,
        most: u32,
        mmu: &mut Mmu,
        counters: &mut Counters,
    ) -> Block {
        let granule = mmu.granule();
        let frame = at.frame(granule).expect("a walk ends inside RAM");
        let slot = (at.page_offset(granule).get() / 4) as usize;
        let known = self
            .frames
            .get(frame.index())
            .and_then(Option::as_ref)
            .map(|blocks| blocks[slot]);
        let block = match known {
            Some(block) if block.length > 0 => block,
            _ => self.decode(frame, slot, mmu, counters),
        };
        let block = Block {
            length: block.length.min(most),
            ..block
        };
        let stamp = self.stamp(mmu);
        self.jumps[(pc >> 2) as usize & (JUMPS - 1)] = Jump { pc, stamp, block };
        block
    }

    fn decode(&mut self, frame: FrameNum, slot: usize, mmu: &mut Mmu, counters: &mut Counters) -> Block {
        if self.arena.len() + LONGEST > ARENA {
            counters.cache_flushes += 1;
            self.flush(mmu);
        }
        let blocks = self.blocks_of(frame, mmu);
        let start = self.arena.len();
        let granule = mmu.granule();
        let last = blocks.min(slot + LONGEST);
        for slot in slot..last {
            let at = PhysAddr::new(frame.start(granule).get() + 4 * slot as u64);
            let word = mmu.ram().read(at).expect("the frame is in RAM");
            let insn = match decode_for(word, self.features) {
                Decoded::Insn(insn) => insn,
                Decoded::Unallocated => Insn::Undefined { word },
                Decoded::NotImplemented(_) => Insn::Missing { word },
            };
            self.arena.push(Op::new(insn));
            if insn.ends_block() {
                break;
            }
        }
        for i in start + 1..self.arena.len() {
            let second = self.arena[i].insn;
            self.arena[i - 1].before(&second);
        }
        let length = self.arena.len() - start;
        counters.blocks_decoded += 1;
        counters.instructions_decoded += length as u64;
        let block = Block {
            start: start as u32,
            length: length as u32,
        };
        if let Some(Some(blocks)) = self.frames.get_mut(frame.index()) {
            blocks[slot] = block;
        }
        block
    }

    /// Makes the table of a frame and watches it; the number of instructions that a frame holds.
    fn blocks_of(&mut self, frame: FrameNum, mmu: &mut Mmu) -> usize {
        let slots = (mmu.granule().bytes() / 4) as usize;
        if self.frames.len() <= frame.index() {
            self.frames.resize_with(frame.index() + 1, || None);
        }
        self.frames[frame.index()].get_or_insert_with(|| {
            mmu.watch_code(frame);
            vec![Block::default(); slots].into_boxed_slice()
        });
        slots
    }

    /// Drops the blocks of every frame that was written.
    #[cold]
    #[inline(never)]
    pub(crate) fn drop_written(&mut self, mmu: &Mmu, counters: &mut Counters) {
        for frame in mmu.ram().take_written() {
            if let Some(blocks) = self.frames.get_mut(frame.index()).and_then(Option::take) {
                counters.blocks_invalidated += blocks.iter().filter(|block| block.length > 0).count() as u64;
                mmu.ram().unwatch(frame);
            }
        }
        self.next_generation();
    }

    fn flush(&mut self, mmu: &Mmu) {
        for (index, blocks) in self.frames.iter_mut().enumerate() {
            if blocks.take().is_some() {
                mmu.ram().unwatch(FrameNum::new(index as u32));
            }
        }
        self.arena.clear();
        self.next_generation();
    }

    /// Lets every entry of the jump cache expire.
    pub(crate) fn next_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.jumps.fill(NO_JUMP);
        }
    }
}

/// Made on the heap from the start: it is too large for a stack.
fn empty_jumps() -> Box<[Jump; JUMPS]> {
    let jumps = vec![NO_JUMP; JUMPS].into_boxed_slice();
    jumps
        .try_into()
        .unwrap_or_else(|_| unreachable!("as many as asked for"))
}
