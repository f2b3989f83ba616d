//! What the Arm manual says, as types and numbers, with no state.
//!
//! Both halves of pagewalk build on this crate and, beside `ram`, on nothing else in common: the kernel
//! half writes [`Descriptor`]s and [`TlbOp`]s, the hardware half reads them and answers with [`Trap`]s and
//! [`Fault`]s. Everything here is a value; nothing here allocates, does I/O or remembers.
//!
//! - [`addr`]: virtual and physical addresses, pages, frames, byte and page counts, with checked verbs.
//! - [`granule`]: the three translation granules and their geometry, as data.
//! - [`descriptor`]: VMSAv8-64 stage 1 descriptors.
//! - [`fault`]: aborts and their syndrome (`ESR_ELx`).
//! - [`features`]: which optional parts of the architecture a processor has.
//! - [`regs`]: the register file that user space sees.
//! - [`trap`]: why the processor left user space.
//! - [`tlb`]: translation-table base, ASIDs and TLB maintenance requests.
//!
//! "Arm ARM" in the comments is the Arm Architecture Reference Manual for A-profile, DDI 0487.

pub mod addr;
pub mod descriptor;
pub mod fault;
pub mod features;
pub mod granule;
pub mod regs;
pub mod tlb;
pub mod trap;

pub use addr::{Bytes, FrameCount, FrameNum, PageCount, PageNum, PageRange, PhysAddr, VirtAddr};
pub use descriptor::{Descriptor, DescriptorKind, PageAttributes};
pub use fault::{Access, Fault, FaultCause, Level};
pub use features::{Feature, Features};
pub use granule::{Geometry, Granule};
pub use regs::{Flags, Reg, Regs};
pub use tlb::{Asid, TlbOp, Ttbr};
pub use trap::Trap;
