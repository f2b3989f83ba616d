//! The A64 processor: decoder and interpreter.
//!
//! [`Cpu::run`] executes user code until something needs the kernel, and says what by an [`arch::Trap`]. It
//! knows registers, memory by way of the [`mmu::Mmu`], and the manual; **it has no idea** of a system call, a
//! process or a file.
//!
//! - [`mod@decode`]: each 32-bit word to an [`Insn`] or to why not. Pure.
//! - [`insn`]: decoded instructions, 16 bytes each.
//! - [`encodings`]: every encoding that the decoder accepts, for tests.
//! - `block`: runs of decoded instructions by physical frame and offset, the jump cache, and their
//!   end when code is written.
//! - `run`: the loop over blocks and the handlers of hot instructions; `exec` has the instructions that they
//!   do not do themselves, `simd` those of Advanced SIMD and floating point.
//! - `breakpoint`: addresses before which a run ends.
//! - [`counters`]: all that is counted.
//!
//! **Room for a translator.** A translator stands beside the interpreter and takes blocks from the
//! same cache: it reads a block's [`Insn`]s (position-independent, registers and immediates resolved, 16 bytes),
//! and a block is named by frame and offset and dies with its frame's blocks, so translated code needs no
//! invalidation of its own. The jump cache's entry has room for an entry point beside the block. Loads and
//! stores inline the compare of [`mmu::fast`], whose entry layout is fixed for it. Budgets are counted per
//! block, with blocks cut short by the interpreter, so translated code checks only at block entry. What it does
//! not translate it leaves to the interpreter, one instruction at a time.
//!
//! **The virtual counter.** `CNTVCT_EL0` ticks once per retired instruction from the value given to
//! [`Cpu::set_counter`]; `CNTFRQ_EL0` says 1 GHz. So time inside a slice is as repeatable as the instructions
//! are; between slices the machine decides.

#![forbid(unsafe_code)]

mod block;
mod breakpoint;
pub mod counters;
pub mod decode;
pub mod encodings;
mod exec;
mod flags;
pub mod insn;
mod run;
mod simd;

pub use counters::Counters;
pub use decode::{Decoded, decode, decode_for};
pub use insn::Insn;
pub use run::Cpu;
