//! System instructions (Arm ARM C4.1.93 and C5): hints, barriers, `PSTATE`, cache maintenance, and the
//! system registers that user space reads.
//!
//! Registers of identification answer as arm64 Linux's emulation does; what they tell of optional parts follows from the
//! processor's [`Features`] (`exec::system`).

use arch::Features;

use super::{Decoded, Word};
use crate::insn::{CacheOp, IdRegister, Insn, SysReg};

/// `MIDR_EL1`: a Neoverse N1 r3p1, the processor that has all that this one usually has, and hardly more.
const MIDR: u32 = 0x413f_d0c1;
/// `CTR_EL0`: lines of 64 bytes; DIC and IDC, since instruction fetch is coherent with data here.
const CTR: u32 = 1 << 31 | 1 << 29 | 1 << 28 | 4 << 24 | 4 << 20 | 4 << 16 | 3 << 14 | 4;
/// `DCZID_EL0`: `DC ZVA` is allowed and zeroes 2^4 words.
const DCZID: u32 = 4;
/// `CNTFRQ_EL0`: the virtual counter has a tick of one nanosecond.
const CNTFRQ: u32 = 1_000_000_000;

/// The fields op0 to op2 in one number, as `MRS` and `MSR` hold them in bits 20:5.
const fn id(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

pub(super) fn decode(w: Word) -> Decoded {
    if w.bits(23, 22) != 0 {
        // Bit 22 set: the 128-bit system instructions (FEAT_SYSINSTR128, FEAT_SYSREG128).
        let wide = w.bits(23, 22) == 0b01 && w.bits(20, 19) != 0;
        return if wide {
            Decoded::NotImplemented("D128")
        } else {
            Decoded::Unallocated
        };
    }
    match (w.bit(21), w.bits(20, 19)) {
        (false, 0b00) => unnamed(w),
        // TSTART, TTEST.
        (true, 0b00) if w.bits(18, 12) == 0b11_0011 && w.bits(11, 9) == 0 && w.bits(7, 5) == 3 => {
            Decoded::NotImplemented("TME")
        }
        (true, 0b00) => Decoded::Unallocated,
        (false, 0b01) => sys(w),
        // SYSL: none for EL0.
        (true, 0b01) => undefined(w),
        (read, _) => register(w, read),
    }
}

fn undefined(w: Word) -> Decoded {
    Insn::Undefined { word: w.0 }.into()
}

fn unnamed(w: Word) -> Decoded {
    let (op1, crn, crm, op2, rt) = (
        w.bits(18, 16),
        w.bits(15, 12),
        w.bits(11, 8),
        w.bits(7, 5),
        w.bits(4, 0),
    );
    match (op1, crn, rt) {
        (0b011, 0b0001, _) if crm == 0 && op2 < 2 => Decoded::NotImplemented("WFxT"),
        // NOP, YIELD, WFE, WFI, SEV, BTI, PAC* and AUT* of the hint space, and all that is yet to come.
        (0b011, 0b0010, 31) => Insn::Nop.into(),
        (0b011, 0b0011, 31) => barrier(crm, op2),
        (_, 0b0100, 31) => pstate(w, op1, op2),
        _ => Decoded::Unallocated,
    }
}

fn barrier(crm: u32, op2: u32) -> Decoded {
    match op2 {
        0b001 if crm & 0b11 == 0b10 => Decoded::NotImplemented("XS"),
        0b010 => Insn::Clrex.into(),
        0b100 | 0b101 => Insn::Nop.into(),
        0b110 => Insn::Isb.into(),
        0b111 if crm == 0 => Decoded::NotImplemented("SB"),
        0b011 if crm == 0 => Decoded::NotImplemented("TME"),
        _ => Decoded::Unallocated,
    }
}

/// `MSR (immediate)` and the instructions on flags.
fn pstate(w: Word, op1: u32, op2: u32) -> Decoded {
    match (op1, op2) {
        (0b000, 0b000) => Decoded::NotImplemented("FlagM"),
        (0b000, 0b001 | 0b010) => Decoded::NotImplemented("FlagM2"),
        // UAO, PAN, SPSel, ALLINT, DAIFSet, DAIFClr: not from EL0.
        (0b000, 0b011..=0b101) | (0b001, 0b000) | (0b011, 0b110 | 0b111) => undefined(w),
        (0b011, 0b001) => Decoded::NotImplemented("SSBS"),
        (0b011, 0b010) => Decoded::NotImplemented("DIT"),
        (0b011, 0b011) => Decoded::NotImplemented("SME"),
        (0b011, 0b100) => Decoded::NotImplemented("memory tagging"),
        _ => Decoded::Unallocated,
    }
}

fn sys(w: Word) -> Decoded {
    let rt = w.rt();
    if (w.bits(18, 16), w.bits(15, 12)) != (3, 7) {
        return undefined(w);
    }
    let op = match (w.bits(11, 8), w.bits(7, 5)) {
        (4, 1) => CacheOp::ZeroBlock,
        (5, 1) => CacheOp::InvalidateCode,
        // CVAC, CVAU, CVAP (FEAT_DPB), CIVAC.
        (10 | 11 | 12 | 14, 1) => CacheOp::Clean,
        (13, 1) => return Decoded::NotImplemented("DPB2"),
        (4, 3 | 4) => return Decoded::NotImplemented("memory tagging"),
        _ => return undefined(w),
    };
    Insn::Cache { op, rt }.into()
}

fn register(w: Word, read: bool) -> Decoded {
    let named = w.bits(20, 5);
    let register = match named {
        _ if named == id(3, 3, 4, 2, 0) => SysReg::Nzcv,
        _ if named == id(3, 3, 4, 4, 0) => SysReg::Fpcr,
        _ if named == id(3, 3, 4, 4, 1) => SysReg::Fpsr,
        _ if named == id(3, 3, 13, 0, 2) => SysReg::Tpidr,
        _ if named == id(3, 3, 13, 0, 3) && read => SysReg::Tpidrro,
        _ if named == id(3, 3, 14, 0, 2) && read => SysReg::Cntvct,
        _ if read => match (identity(named), constant(named)) {
            (Some(register), _) => SysReg::Identity {
                register,
                features: Features::ALL,
            },
            (None, Some(value)) => SysReg::Constant(value),
            (None, None) => return undefined(w),
        },
        _ => return undefined(w),
    };
    if read {
        Insn::Mrs { rt: w.rd(), register }
    } else {
        Insn::Msr { rt: w.rt(), register }
    }
    .into()
}

/// Registers that tell of optional parts.
fn identity(named: u32) -> Option<IdRegister> {
    match named {
        _ if named == id(3, 0, 0, 4, 0) => Some(IdRegister::Pfr0),
        _ if named == id(3, 0, 0, 6, 0) => Some(IdRegister::Isar0),
        _ if named == id(3, 0, 0, 6, 1) => Some(IdRegister::Isar1),
        _ => None,
    }
}

/// Registers that always read as one value. Unnamed places of the identification space read as zero, as
/// Linux's emulation of them does (`arch/arm64/kernel/cpufeature.c`, `emulate_sys_reg`).
fn constant(named: u32) -> Option<u32> {
    Some(match named {
        _ if named == id(3, 3, 0, 0, 1) => CTR,
        _ if named == id(3, 3, 0, 0, 7) => DCZID,
        _ if named == id(3, 3, 14, 0, 0) => CNTFRQ,
        _ if named == id(3, 0, 0, 0, 0) => MIDR,
        // MPIDR_EL1: processor 0, bit 31 RES1.
        _ if named == id(3, 0, 0, 0, 5) => 1 << 31,
        _ if named == id(3, 0, 0, 0, 6) => 0,
        _ if named >= id(3, 0, 0, 4, 0) && named <= id(3, 0, 0, 7, 7) => 0,
        _ => return None,
    })
}
