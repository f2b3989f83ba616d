//! Reading and writing system registers.

use arch::{Flags, Regs};

use crate::flags::Nzcv;
use crate::insn::SysReg;

/// Bits of `FPCR` that are kept: AHP, DN, FZ, RMode (no half precision, no trapped exceptions).
const FPCR_MASK: u64 = 0x07c0_0000;
/// Bits of `FPSR` that are kept: QC and the cumulative exceptions (31:28 are of AArch32).
const FPSR_MASK: u64 = 0x0800_009f;

/// `MRS`. `counter` is what the virtual counter says now.
pub(crate) fn read(register: SysReg, regs: &Regs, nzcv: Nzcv, counter: u64) -> u64 {
    match register {
        SysReg::Nzcv => nzcv.pack().bits().into(),
        SysReg::Fpcr => regs.fpcr.into(),
        SysReg::Fpsr => regs.fpsr.into(),
        SysReg::Tpidr => regs.tpidr,
        // Linux leaves it zero for a 64-bit task while it runs.
        SysReg::Tpidrro => 0,
        SysReg::Cntvct => counter,
        SysReg::Constant(value) => value.into(),
    }
}

/// `MSR`.
pub(crate) fn write(register: SysReg, value: u64, regs: &mut Regs, nzcv: &mut Nzcv) {
    match register {
        SysReg::Nzcv => *nzcv = Nzcv::unpack(Flags::from_bits(value as u32)),
        SysReg::Fpcr => regs.fpcr = (value & FPCR_MASK) as u32,
        SysReg::Fpsr => regs.fpsr = (value & FPSR_MASK) as u32,
        SysReg::Tpidr => regs.tpidr = value,
        // The decoder makes no writes of these.
        SysReg::Tpidrro | SysReg::Cntvct | SysReg::Constant(_) => {}
    }
}
