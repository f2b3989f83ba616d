//! Loads and stores without a handler of their own: with writeback, with extended registers, of pairs,
//! of literals, of small SIMD&FP registers; and cache maintenance.
//!
//! Where writeback and a loaded register are one register (constrained unpredictable), the base wins, as in
//! QEMU.

use arch::{Access, Fault, Reg, Regs, Trap};
use mmu::Mmu;

use super::alu::extended;
use crate::insn::{CacheOp, Insn, IntOp, Mode, PairOp, VecOp};

/// Executes one of them, at `pc`.
#[inline(never)]
pub(crate) fn execute(insn: &Insn, regs: &mut Regs, mmu: &mut Mmu, pc: u64) -> Result<(), Trap> {
    match *insn {
        Insn::IntIndexed {
            op,
            dst,
            src,
            rn,
            mode,
            offset,
        } => {
            let (address, moved) = indexed(regs, rn, mode, offset.into())?;
            int_access(op, dst, src, address, regs, mmu)?;
            regs.set(rn, moved);
        }
        Insn::IntLiteral { op, rt, offset } => {
            let address = pc.wrapping_add(offset as u64);
            int_access(op, rt, Reg::Zr, address, regs, mmu)?;
        }
        Insn::VecIndexed {
            op,
            rt,
            rn,
            mode,
            offset,
        } => {
            let (address, moved) = indexed(regs, rn, mode, offset)?;
            vec_access(op, rt, address, regs, mmu)?;
            if mode != Mode::Offset {
                regs.set(rn, moved);
            }
        }
        Insn::VecReg {
            op,
            rt,
            rn,
            rm,
            extend,
            by,
        } => {
            let address = base(regs, rn)?.wrapping_add(extended(regs.get(rm), extend) << by);
            vec_access(op, rt, address, regs, mmu)?;
        }
        Insn::VecLiteral { op, rt, offset } => {
            vec_access(op, rt, pc.wrapping_add(offset as u64), regs, mmu)?;
        }
        Insn::Pair {
            op,
            rt,
            rt2,
            rn,
            mode,
            offset,
        } => {
            let (address, moved) = indexed(regs, rn, mode, offset.into())?;
            pair(op, rt, rt2, address, regs, mmu)?;
            if mode != Mode::Offset {
                regs.set(rn, moved);
            }
        }
        Insn::Cache { op, rt } => cache(op, regs.get(rt), mmu)?,
        ref other => unreachable!("{other:?} is no load or store of this kind"),
    }
    Ok(())
}

/// The base register, with the check of the stack pointer's alignment (`CheckSPAlignment`).
pub(crate) fn base(regs: &Regs, rn: Reg) -> Result<u64, Trap> {
    let value = regs.get(rn);
    if rn == Reg::Sp && value & 15 != 0 {
        return Err(Trap::SpAlignment);
    }
    Ok(value)
}

/// The address to access and the new value of the base.
fn indexed(regs: &Regs, rn: Reg, mode: Mode, offset: i32) -> Result<(u64, u64), Trap> {
    let base = base(regs, rn)?;
    let moved = base.wrapping_add(offset as u64);
    Ok(if mode == Mode::Post {
        (base, moved)
    } else {
        (moved, moved)
    })
}

fn int_access(
    op: IntOp,
    dst: Reg,
    src: Reg,
    address: u64,
    regs: &mut Regs,
    mmu: &mut Mmu,
) -> Result<(), Trap> {
    if op.is_store() {
        store_int(op, address, regs.get(src), mmu).map_err(Trap::Abort)
    } else {
        let value = load_int(op, address, mmu).map_err(Trap::Abort)?;
        regs.set(dst, value);
        Ok(())
    }
}

pub(crate) fn load_int(op: IntOp, address: u64, mmu: &mut Mmu) -> Result<u64, Fault> {
    Ok(match op.bytes() {
        1 => signed_or_not(op, mmu.load::<u8>(address)?.into()),
        2 => signed_or_not(op, mmu.load::<u16>(address)?.into()),
        4 => signed_or_not(op, mmu.load::<u32>(address)?.into()),
        _ => mmu.load::<u64>(address)?,
    })
}

fn signed_or_not(op: IntOp, value: u64) -> u64 {
    match op {
        IntOp::LdS8W => u64::from(value as i8 as u32),
        IntOp::LdS16W => u64::from(value as i16 as u32),
        IntOp::LdS8X => value as i8 as u64,
        IntOp::LdS16X => value as i16 as u64,
        IntOp::LdS32X => value as i32 as u64,
        _ => value,
    }
}

pub(crate) fn store_int(op: IntOp, address: u64, value: u64, mmu: &mut Mmu) -> Result<(), Fault> {
    match op.bytes() {
        1 => mmu.store(address, value as u8),
        2 => mmu.store(address, value as u16),
        4 => mmu.store(address, value as u32),
        _ => mmu.store(address, value),
    }
}

fn vec_access(op: VecOp, rt: u8, address: u64, regs: &mut Regs, mmu: &mut Mmu) -> Result<(), Trap> {
    let slot = &mut regs.v[usize::from(rt & 31)];
    let done = match op {
        VecOp::Ld8 => mmu.load::<u8>(address).map(|value| *slot = value.into()),
        VecOp::Ld16 => mmu.load::<u16>(address).map(|value| *slot = value.into()),
        VecOp::Ld32 => mmu.load::<u32>(address).map(|value| *slot = value.into()),
        VecOp::Ld64 => mmu.load::<u64>(address).map(|value| *slot = value.into()),
        VecOp::Ld128 => mmu.load::<u128>(address).map(|value| *slot = value),
        VecOp::St8 => mmu.store(address, *slot as u8),
        VecOp::St16 => mmu.store(address, *slot as u16),
        VecOp::St32 => mmu.store(address, *slot as u32),
        VecOp::St64 => mmu.store(address, *slot as u64),
        VecOp::St128 => mmu.store(address, *slot),
    };
    done.map_err(Trap::Abort)
}

/// Two registers of 32 or 64 bits are one access of twice the size here: it either happens or faults, and
/// its first byte that cannot be accessed is the address that hardware reports.
fn pair(op: PairOp, rt: u8, rt2: u8, address: u64, regs: &mut Regs, mmu: &mut Mmu) -> Result<(), Trap> {
    let (dst, dst2) = (Reg::destination(rt.into()), Reg::destination(rt2.into()));
    let (src, src2) = (
        regs.get(Reg::source(rt.into())),
        regs.get(Reg::source(rt2.into())),
    );
    let (v, v2) = (usize::from(rt & 31), usize::from(rt2 & 31));
    let done = match op {
        PairOp::LdpW => mmu.load::<u64>(address).map(|both| {
            regs.set(dst, u64::from(both as u32));
            regs.set(dst2, both >> 32);
        }),
        PairOp::Ldpsw => mmu.load::<u64>(address).map(|both| {
            regs.set(dst, both as i32 as u64);
            regs.set(dst2, (both as i64 >> 32) as u64);
        }),
        PairOp::LdpX => mmu.load::<u128>(address).map(|both| {
            regs.set(dst, both as u64);
            regs.set(dst2, (both >> 64) as u64);
        }),
        PairOp::StpW => mmu.store(address, u64::from(src as u32) | src2 << 32),
        PairOp::StpX => mmu.store(address, u128::from(src) | u128::from(src2) << 64),
        PairOp::LdpVS => mmu.load::<u64>(address).map(|both| {
            regs.v[v] = u128::from(both as u32);
            regs.v[v2] = u128::from(both >> 32);
        }),
        PairOp::LdpVD => mmu.load::<u128>(address).map(|both| {
            regs.v[v] = u128::from(both as u64);
            regs.v[v2] = both >> 64;
        }),
        PairOp::LdpVQ => load_two(address, mmu).map(|(first, second)| {
            regs.v[v] = first;
            regs.v[v2] = second;
        }),
        PairOp::StpVS => mmu.store(address, u64::from(regs.v[v] as u32) | (regs.v[v2] as u64) << 32),
        PairOp::StpVD => mmu.store(address, u128::from(regs.v[v] as u64) | regs.v[v2] << 64),
        PairOp::StpVQ => store_two(address, regs.v[v], regs.v[v2], mmu),
    };
    done.map_err(Trap::Abort)
}

fn load_two(address: u64, mmu: &mut Mmu) -> Result<(u128, u128), Fault> {
    Ok((mmu.load(address)?, mmu.load(address.wrapping_add(16))?))
}

/// Stores both or none.
pub(crate) fn store_two(address: u64, first: u128, second: u128, mmu: &mut Mmu) -> Result<(), Fault> {
    probe_if_crossing(address, 32, mmu)?;
    mmu.store(address, first)?;
    mmu.store(address.wrapping_add(16), second)
}

/// Before a store that is done in parts: what lies in one page succeeds or faults at its first part, so only
/// stores over a page's end must be asked beforehand.
pub(crate) fn probe_if_crossing(address: u64, bytes: u64, mmu: &mut Mmu) -> Result<(), Fault> {
    let last = address.wrapping_add(bytes - 1);
    if (address ^ last) & !mmu.granule().offset_mask() != 0 {
        mmu.probe(address, bytes, Access::Write)?;
    }
    Ok(())
}

/// Cache maintenance needs the right to read (`DC ZVA`: to write); a fault's address is the one given.
fn cache(op: CacheOp, address: u64, mmu: &mut Mmu) -> Result<(), Trap> {
    match op {
        CacheOp::ZeroBlock => {
            mmu.probe(address, 1, Access::Write).map_err(Trap::Abort)?;
            for offset in [0, 16, 32, 48] {
                mmu.store((address & !63) + offset, 0u128).map_err(Trap::Abort)?;
            }
            Ok(())
        }
        CacheOp::Clean | CacheOp::InvalidateCode => mmu.probe(address, 1, Access::Read).map_err(Trap::Abort),
    }
}
