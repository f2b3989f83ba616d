//! Exclusives, ordered accesses, and the atomics of FEAT_LSE. All need natural alignment. One processor and
//! runs that are not interrupted inside an instruction make each of them atomic.

use arch::{Access, Fault, Reg, Regs, Trap};
use mmu::Mmu;

use super::memory::{base, load_int, store_int};
use super::{Local, Monitor};
use crate::insn::{AtomicOp, Insn, IntOp};

/// Executes one of them.
#[inline(never)]
pub(crate) fn execute(insn: &Insn, regs: &mut Regs, mmu: &mut Mmu, local: &mut Local) -> Result<(), Trap> {
    match *insn {
        Insn::LoadExclusive { bytes, rt, rn } => {
            let value = load_exclusive(base(regs, rn)?, bytes, mmu, local)?;
            regs.set(rt, value as u64);
        }
        Insn::LoadExclusivePair { bytes, rt, rt2, rn } => {
            let value = load_exclusive(base(regs, rn)?, bytes * 2, mmu, local)?;
            let (first, second) = split(value, bytes);
            regs.set(rt, first);
            regs.set(rt2, second);
        }
        Insn::StoreExclusive { bytes, rs, rt, rn } => {
            let value = u128::from(regs.get(rt));
            let status = store_exclusive(base(regs, rn)?, bytes, value, mmu, local)?;
            regs.set(rs, status);
        }
        Insn::StoreExclusivePair {
            bytes,
            rs,
            rt,
            rt2,
            rn,
        } => {
            let value = join(regs.get(rt), regs.get(rt2), bytes);
            let status = store_exclusive(base(regs, rn)?, bytes * 2, value, mmu, local)?;
            regs.set(rs, status);
        }
        Insn::Ordered {
            op,
            dst,
            src,
            rn,
            offset,
        } => {
            ordered(
                op,
                dst,
                src,
                base(regs, rn)?.wrapping_add(offset as u64),
                regs,
                mmu,
            )?;
        }
        Insn::Atomic {
            op,
            bytes,
            rs,
            rt,
            rn,
        } => {
            let address = base(regs, rn)?;
            let old = load_to_update(address, bytes, mmu)? as u64;
            let new = combine(op, old, regs.get(rs), bytes);
            store(address, bytes, new.into(), mmu).map_err(Trap::Abort)?;
            regs.set(rt, old);
        }
        Insn::Cas {
            bytes,
            rs,
            old: destination,
            rt,
            rn,
        } => {
            let address = base(regs, rn)?;
            let old = load_to_update(address, bytes, mmu)?;
            if old == cut(regs.get(rs).into(), bytes) {
                store(address, bytes, regs.get(rt).into(), mmu).map_err(Trap::Abort)?;
            }
            regs.set(destination, old as u64);
        }
        Insn::Casp { bytes, rs, rt, rn } => {
            let both = |first: u8| {
                let reg = |field: u8| regs.get(Reg::source(field.into()));
                join(reg(first), reg(first + 1), bytes)
            };
            let (expected, new) = (both(rs), both(rt));
            let address = base(regs, rn)?;
            let old = load_to_update(address, bytes * 2, mmu)?;
            if old == expected {
                store(address, bytes * 2, new, mmu).map_err(Trap::Abort)?;
            }
            let (first, second) = split(old, bytes);
            regs.set(Reg::destination(rs.into()), first);
            regs.set(Reg::destination(u32::from(rs) + 1), second);
        }
        ref other => unreachable!("{other:?} is no atomic access"),
    }
    Ok(())
}

fn cut(value: u128, bytes: u8) -> u128 {
    value & u128::MAX >> (128 - 8 * u32::from(bytes))
}

/// Two registers as one value in memory, the first at the lower address.
fn join(first: u64, second: u64, bytes: u8) -> u128 {
    cut(first.into(), bytes) | cut(second.into(), bytes) << (8 * u32::from(bytes))
}

fn split(value: u128, bytes: u8) -> (u64, u64) {
    (cut(value, bytes) as u64, (value >> (8 * u32::from(bytes))) as u64)
}

fn load(address: u64, bytes: u8, mmu: &mut Mmu) -> Result<u128, Fault> {
    Ok(match bytes {
        1 => mmu.load::<u8>(address)?.into(),
        2 => mmu.load::<u16>(address)?.into(),
        4 => mmu.load::<u32>(address)?.into(),
        8 => mmu.load::<u64>(address)?.into(),
        _ => mmu.load::<u128>(address)?,
    })
}

fn store(address: u64, bytes: u8, value: u128, mmu: &mut Mmu) -> Result<(), Fault> {
    match bytes {
        1 => mmu.store(address, value as u8),
        2 => mmu.store(address, value as u16),
        4 => mmu.store(address, value as u32),
        8 => mmu.store(address, value as u64),
        _ => mmu.store(address, value),
    }
}

fn load_exclusive(address: u64, bytes: u8, mmu: &mut Mmu, local: &mut Local) -> Result<u128, Trap> {
    mmu.require_aligned(address, bytes.into(), Access::Read)
        .map_err(Trap::Abort)?;
    let value = load(address, bytes, mmu).map_err(Trap::Abort)?;
    local.monitor = Some(Monitor {
        address,
        bytes,
        value,
    });
    Ok(value)
}

/// The status: 0 stored, 1 not. A store that does not happen does not fault either.
fn store_exclusive(
    address: u64,
    bytes: u8,
    value: u128,
    mmu: &mut Mmu,
    local: &mut Local,
) -> Result<u64, Trap> {
    mmu.require_aligned(address, bytes.into(), Access::Write)
        .map_err(Trap::Abort)?;
    let holds = match local.monitor.take() {
        Some(monitor) if (monitor.address, monitor.bytes) == (address, bytes) => {
            load_to_update(address, bytes, mmu)? == monitor.value
        }
        _ => false,
    };
    if holds {
        store(address, bytes, value, mmu).map_err(Trap::Abort)?;
    } else {
        local.exclusive_failures += 1;
    }
    Ok(u64::from(!holds))
}

/// Loads what is to be replaced. A fault is one of writing, whatever the load alone would have met.
fn load_to_update(address: u64, bytes: u8, mmu: &mut Mmu) -> Result<u128, Trap> {
    mmu.require_aligned(address, bytes.into(), Access::Write)
        .map_err(Trap::Abort)?;
    mmu.probe(address, bytes.into(), Access::Write)
        .map_err(Trap::Abort)?;
    load(address, bytes, mmu).map_err(Trap::Abort)
}

fn ordered(op: IntOp, dst: Reg, src: Reg, address: u64, regs: &mut Regs, mmu: &mut Mmu) -> Result<(), Trap> {
    let access = if op.is_store() {
        Access::Write
    } else {
        Access::Read
    };
    mmu.require_aligned(address, op.bytes(), access)
        .map_err(Trap::Abort)?;
    if op.is_store() {
        return store_int(op, address, regs.get(src), mmu).map_err(Trap::Abort);
    }
    let value = load_int(op, address, mmu).map_err(Trap::Abort)?;
    regs.set(dst, value);
    Ok(())
}

fn combine(op: AtomicOp, old: u64, operand: u64, bytes: u8) -> u64 {
    let operand = cut(operand.into(), bytes) as u64;
    let up = 64 - 8 * u32::from(bytes);
    let signed = |value: u64| (value << up) as i64;
    match op {
        AtomicOp::Add => old.wrapping_add(operand),
        AtomicOp::Clr => old & !operand,
        AtomicOp::Eor => old ^ operand,
        AtomicOp::Set => old | operand,
        AtomicOp::Smax if signed(old) > signed(operand) => old,
        AtomicOp::Smin if signed(old) < signed(operand) => old,
        AtomicOp::Smax | AtomicOp::Smin | AtomicOp::Swp => operand,
        AtomicOp::Umax => old.max(operand),
        AtomicOp::Umin => old.min(operand),
    }
}
