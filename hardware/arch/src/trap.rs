//! Why the processor left user space.

use crate::fault::Fault;

/// What `Cpu::run` returns with. The program counter is that of the instruction in question, except
/// after [`Trap::Supervisor`], where it is the next one's (Arm ARM D1.3.1, preferred return address).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trap {
    /// The instructions that the caller allowed are used up.
    Budget,
    /// `SVC #imm`.
    Supervisor(u16),
    /// A data or instruction abort.
    Abort(Fault),
    /// An encoding that the manual does not allocate, or `UDF`.
    Undefined(u32),
    /// An instruction that the manual allocates and this processor does not have yet.
    NotImplemented(u32),
    /// `BRK #imm`.
    Breakpoint(u16),
    /// The program counter is not a multiple of 4.
    PcAlignment,
    /// The stack pointer was used for an access while not a multiple of 16 (`SCTLR_EL1.SA0`).
    SpAlignment,
}
