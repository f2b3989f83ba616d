//! Reading and writing system registers.

use arch::{Feature, Features, Flags, Regs};

use crate::flags::Nzcv;
use crate::insn::{IdRegister, SysReg};

/// Bits of `FPCR` that are kept: AHP, DN, FZ, RMode, FZ16 (no trapped exceptions).
const FPCR_MASK: u64 = 0x07c8_0000;
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
        SysReg::Identity { register, features } => identity(register, features),
    }
}

/// What an identification register says of the features (Arm ARM D19.2, fields as named there).
fn identity(register: IdRegister, features: Features) -> u64 {
    let field = |feature, value: u64, at: u32| if features.has(feature) { value << at } else { 0 };
    match register {
        // EL0 and EL1 in AArch64 only; FP and AdvSIMD.
        IdRegister::Pfr0 => 0x11 | field(Feature::Fp16, 1, 16) | field(Feature::Fp16, 1, 20),
        IdRegister::Isar0 => {
            let aes = if features.has(Feature::Pmull) { 2 } else { 1 };
            field(Feature::Aes, aes, 4)
                | field(Feature::Sha1, 1, 8)
                | field(Feature::Sha256, 1, 12)
                | field(Feature::Crc32, 1, 16)
                | field(Feature::Lse, 2, 20)
                | field(Feature::Rdm, 1, 28)
                | field(Feature::DotProd, 1, 44)
        }
        IdRegister::Isar1 => {
            let ordered = if features.has(Feature::Lrcpc2) { 2 } else { 1 };
            field(Feature::Dpb, 1, 0) | field(Feature::Lrcpc, ordered, 20)
        }
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
        SysReg::Tpidrro | SysReg::Cntvct | SysReg::Constant(_) | SysReg::Identity { .. } => {}
    }
}
