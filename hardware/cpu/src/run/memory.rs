//! Handlers of the loads and stores that are hot. Each body is compiled twice, see [`Path`].

use arch::{Reg, Regs};
use mmu::Mmu;

use super::step::{Any, Exit, Fast, Handler, Op, Path, Slow, Step, Then, low, stopped, wrong};
use crate::exec::{Local, alu};
use crate::insn::{Insn, IntOp};

accesses! { (op, rest, regs, mmu, local, rn)
    Ld8 { rt, rn, offset } => {
        let value = P::load::<u8>(P::base(rn, regs, local)?.wrapping_add(offset as u64), mmu, local)?;
        regs.set(rt, u64::from(value));
    }
    Ld16 { rt, rn, offset } => {
        let value = P::load::<u16>(P::base(rn, regs, local)?.wrapping_add(offset as u64), mmu, local)?;
        regs.set(rt, u64::from(value));
    }
    Ld32 { rt, rn, offset } => {
        let value = P::load::<u32>(P::base(rn, regs, local)?.wrapping_add(offset as u64), mmu, local)?;
        regs.set(rt, u64::from(value));
    }
    Ld64 { rt, rn, offset } => {
        let value = P::load::<u64>(P::base(rn, regs, local)?.wrapping_add(offset as u64), mmu, local)?;
        regs.set(rt, value);
    }
    LdS8W { rt, rn, offset } => {
        let value = P::load::<u8>(P::base(rn, regs, local)?.wrapping_add(offset as u64), mmu, local)?;
        regs.set(rt, u64::from(value as i8 as u32));
    }
    LdS16W { rt, rn, offset } => {
        let value = P::load::<u16>(P::base(rn, regs, local)?.wrapping_add(offset as u64), mmu, local)?;
        regs.set(rt, u64::from(value as i16 as u32));
    }
    LdS8X { rt, rn, offset } => {
        let value = P::load::<u8>(P::base(rn, regs, local)?.wrapping_add(offset as u64), mmu, local)?;
        regs.set(rt, value as i8 as u64);
    }
    LdS16X { rt, rn, offset } => {
        let value = P::load::<u16>(P::base(rn, regs, local)?.wrapping_add(offset as u64), mmu, local)?;
        regs.set(rt, value as i16 as u64);
    }
    LdS32X { rt, rn, offset } => {
        let value = P::load::<u32>(P::base(rn, regs, local)?.wrapping_add(offset as u64), mmu, local)?;
        regs.set(rt, value as i32 as u64);
    }
    St8 { rt, rn, offset } => {
        P::store(P::base(rn, regs, local)?.wrapping_add(offset as u64), regs.get(rt) as u8, mmu, local)?;
    }
    St16 { rt, rn, offset } => {
        P::store(P::base(rn, regs, local)?.wrapping_add(offset as u64), regs.get(rt) as u16, mmu, local)?;
    }
    St32 { rt, rn, offset } => {
        P::store(P::base(rn, regs, local)?.wrapping_add(offset as u64), regs.get(rt) as u32, mmu, local)?;
    }
    St64 { rt, rn, offset } => {
        P::store(P::base(rn, regs, local)?.wrapping_add(offset as u64), regs.get(rt), mmu, local)?;
    }
    Ld8Reg { rt, rn, rm } => {
        let value = P::load::<u8>(P::base(rn, regs, local)?.wrapping_add(regs.get(rm)), mmu, local)?;
        regs.set(rt, u64::from(value));
    }
    Ld32Reg { rt, rn, rm, by } => {
        let value = P::load::<u32>(P::base(rn, regs, local)?.wrapping_add(regs.get(rm) << (by & 63)), mmu, local)?;
        regs.set(rt, u64::from(value));
    }
    Ld64Reg { rt, rn, rm, by } => {
        let value = P::load::<u64>(P::base(rn, regs, local)?.wrapping_add(regs.get(rm) << (by & 63)), mmu, local)?;
        regs.set(rt, value);
    }
    St8Reg { rt, rn, rm } => {
        P::store(P::base(rn, regs, local)?.wrapping_add(regs.get(rm)), regs.get(rt) as u8, mmu, local)?
    }
    St32Reg { rt, rn, rm, by } => {
        P::store(P::base(rn, regs, local)?.wrapping_add(regs.get(rm) << (by & 63)), low(regs, rt), mmu, local)?;
    }
    St64Reg { rt, rn, rm, by } => {
        P::store(P::base(rn, regs, local)?.wrapping_add(regs.get(rm) << (by & 63)), regs.get(rt), mmu, local)?;
    }
    LdVec32 { rt, rn, offset } => {
        let value = P::load::<u32>(P::base(rn, regs, local)?.wrapping_add(offset as u64), mmu, local)?;
        regs.v[usize::from(rt & 31)] = u128::from(value);
    }
    LdVec64 { rt, rn, offset } => {
        let value = P::load::<u64>(P::base(rn, regs, local)?.wrapping_add(offset as u64), mmu, local)?;
        regs.v[usize::from(rt & 31)] = u128::from(value);
    }
    LdVec128 { rt, rn, offset } => {
        let value = P::load::<u128>(P::base(rn, regs, local)?.wrapping_add(offset as u64), mmu, local)?;
        regs.v[usize::from(rt & 31)] = value;
    }
    StVec32 { rt, rn, offset } => {
        let value = regs.v[usize::from(rt & 31)] as u32;
        P::store(P::base(rn, regs, local)?.wrapping_add(offset as u64), value, mmu, local)?;
    }
    StVec64 { rt, rn, offset } => {
        let value = regs.v[usize::from(rt & 31)] as u64;
        P::store(P::base(rn, regs, local)?.wrapping_add(offset as u64), value, mmu, local)?;
    }
    StVec128 { rt, rn, offset } => {
        let value = regs.v[usize::from(rt & 31)];
        P::store(P::base(rn, regs, local)?.wrapping_add(offset as u64), value, mmu, local)?;
    }
    LdpX { rt, rt2, rn, offset } => {
        let both = P::load::<u128>(P::base(rn, regs, local)?.wrapping_add(offset as u64), mmu, local)?;
        regs.set(rt, both as u64);
        regs.set(rt2, (both >> 64) as u64);
    }
    LdpXPost { rt, rt2, rn, offset } => {
        let base = P::base(rn, regs, local)?;
        let both = P::load::<u128>(base, mmu, local)?;
        regs.set(rt, both as u64);
        regs.set(rt2, (both >> 64) as u64);
        regs.set(rn, base.wrapping_add(offset as u64));
    }
    StpX { rt, rt2, rn, offset } => {
        let both = u128::from(regs.get(rt)) | u128::from(regs.get(rt2)) << 64;
        P::store(P::base(rn, regs, local)?.wrapping_add(offset as u64), both, mmu, local)?;
    }
    StpXPre { rt, rt2, rn, offset } => {
        let both = u128::from(regs.get(rt)) | u128::from(regs.get(rt2)) << 64;
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        P::store(address, both, mmu, local)?;
        regs.set(rn, address);
    }
    Ld8Post { rt, rn, offset } => {
        let base = P::base(rn, regs, local)?;
        let value = P::load::<u8>(base, mmu, local)?;
        regs.set(rt, u64::from(value));
        regs.set(rn, base.wrapping_add(offset as u64));
    }
    Ld32Post { rt, rn, offset } => {
        let base = P::base(rn, regs, local)?;
        let value = P::load::<u32>(base, mmu, local)?;
        regs.set(rt, u64::from(value));
        regs.set(rn, base.wrapping_add(offset as u64));
    }
    Ld64Post { rt, rn, offset } => {
        let base = P::base(rn, regs, local)?;
        let value = P::load::<u64>(base, mmu, local)?;
        regs.set(rt, value);
        regs.set(rn, base.wrapping_add(offset as u64));
    }
    St8Post { rt, rn, offset } => {
        let base = P::base(rn, regs, local)?;
        P::store(base, regs.get(rt) as u8, mmu, local)?;
        regs.set(rn, base.wrapping_add(offset as u64));
    }
    St32Post { rt, rn, offset } => {
        let base = P::base(rn, regs, local)?;
        P::store(base, regs.get(rt) as u32, mmu, local)?;
        regs.set(rn, base.wrapping_add(offset as u64));
    }
    St64Post { rt, rn, offset } => {
        let base = P::base(rn, regs, local)?;
        P::store(base, regs.get(rt), mmu, local)?;
        regs.set(rn, base.wrapping_add(offset as u64));
    }
    Ld8Pre { rt, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let value = P::load::<u8>(address, mmu, local)?;
        regs.set(rt, u64::from(value));
        regs.set(rn, address);
    }
    St64Pre { rt, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        P::store(address, regs.get(rt), mmu, local)?;
        regs.set(rn, address);
    }
    IntReg { op, dst, src, rn, rm, extend, by } => {
        let index = alu::extended(regs.get(rm), extend) << (by & 7);
        let address = P::base(rn, regs, local)?.wrapping_add(index);
        match op {
            IntOp::Ld8 => { regs.set(dst, P::load::<u8>(address, mmu, local)?.into()) }
            IntOp::Ld16 => { regs.set(dst, P::load::<u16>(address, mmu, local)?.into()) }
            IntOp::Ld32 => { regs.set(dst, P::load::<u32>(address, mmu, local)?.into()) }
            IntOp::Ld64 => { regs.set(dst, P::load::<u64>(address, mmu, local)?) }
            IntOp::LdS8W => { regs.set(dst, u64::from(P::load::<u8>(address, mmu, local)? as i8 as u32)) }
            IntOp::LdS16W => { regs.set(dst, u64::from(P::load::<u16>(address, mmu, local)? as i16 as u32)) }
            IntOp::LdS8X => { regs.set(dst, P::load::<u8>(address, mmu, local)? as i8 as u64) }
            IntOp::LdS16X => { regs.set(dst, P::load::<u16>(address, mmu, local)? as i16 as u64) }
            IntOp::LdS32X => { regs.set(dst, P::load::<u32>(address, mmu, local)? as i32 as u64) }
            IntOp::St8 => P::store(address, regs.get(src) as u8, mmu, local)?,
            IntOp::St16 => P::store(address, regs.get(src) as u16, mmu, local)?,
            IntOp::St32 => P::store(address, regs.get(src) as u32, mmu, local)?,
            IntOp::St64 => P::store(address, regs.get(src), mmu, local)?,
        }
    }
}
