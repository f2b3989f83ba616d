//! Handlers of forms of loads and stores that share a variant of [`Insn`] and yet are frequent: pairs of SIMD&FP
//! registers, as libc's copies use them, and forms with writeback. What is done is the same as in [`crate::exec::memory`],
//! which has the rest.

use arch::{Reg, Regs};
use mmu::Mmu;

use super::step::{Any, Exit, Fast, Handler, Op, Path, Slow, Step, Then, low, stopped, wrong};
use crate::exec::{Local, alu};
use crate::insn::{Insn, IntOp, Mode, PairOp, VecOp};

access_forms! { (op, rest, regs, mmu, local, rn)
    LdpQOffset = Pair [op: PairOp::LdpVQ, mode: Mode::Offset,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let first = P::load::<u128>(address, mmu, local)?;
        let second = P::load::<u128>(address.wrapping_add(16), mmu, local)?;
        regs.v[usize::from(rt & 31)] = first;
        regs.v[usize::from(rt2 & 31)] = second;
    }
    StpQOffset = Pair [op: PairOp::StpVQ, mode: Mode::Offset,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let (first, second) = (regs.v[usize::from(rt & 31)], regs.v[usize::from(rt2 & 31)]);
        P::store_two(address, first, second, mmu, local)?;
    }
    LdpDOffset = Pair [op: PairOp::LdpVD, mode: Mode::Offset,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let both = P::load::<u128>(address, mmu, local)?;
        regs.v[usize::from(rt & 31)] = u128::from(both as u64);
        regs.v[usize::from(rt2 & 31)] = both >> 64;
    }
    StpDOffset = Pair [op: PairOp::StpVD, mode: Mode::Offset,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let both = u128::from(regs.v[usize::from(rt & 31)] as u64) | regs.v[usize::from(rt2 & 31)] << 64;
        P::store(address, both, mmu, local)?;
    }
    LdpQPre = Pair [op: PairOp::LdpVQ, mode: Mode::Pre,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let first = P::load::<u128>(address, mmu, local)?;
        let second = P::load::<u128>(address.wrapping_add(16), mmu, local)?;
        regs.v[usize::from(rt & 31)] = first;
        regs.v[usize::from(rt2 & 31)] = second;
        regs.set(rn, address);
    }
    StpQPre = Pair [op: PairOp::StpVQ, mode: Mode::Pre,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let (first, second) = (regs.v[usize::from(rt & 31)], regs.v[usize::from(rt2 & 31)]);
        P::store_two(address, first, second, mmu, local)?;
        regs.set(rn, address);
    }
    LdpDPre = Pair [op: PairOp::LdpVD, mode: Mode::Pre,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let both = P::load::<u128>(address, mmu, local)?;
        regs.v[usize::from(rt & 31)] = u128::from(both as u64);
        regs.v[usize::from(rt2 & 31)] = both >> 64;
        regs.set(rn, address);
    }
    StpDPre = Pair [op: PairOp::StpVD, mode: Mode::Pre,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let both = u128::from(regs.v[usize::from(rt & 31)] as u64) | regs.v[usize::from(rt2 & 31)] << 64;
        P::store(address, both, mmu, local)?;
        regs.set(rn, address);
    }
    LdpQPost = Pair [op: PairOp::LdpVQ, mode: Mode::Post,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?;
        let first = P::load::<u128>(address, mmu, local)?;
        let second = P::load::<u128>(address.wrapping_add(16), mmu, local)?;
        regs.v[usize::from(rt & 31)] = first;
        regs.v[usize::from(rt2 & 31)] = second;
        regs.set(rn, address.wrapping_add(offset as u64));
    }
    StpQPost = Pair [op: PairOp::StpVQ, mode: Mode::Post,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?;
        let (first, second) = (regs.v[usize::from(rt & 31)], regs.v[usize::from(rt2 & 31)]);
        P::store_two(address, first, second, mmu, local)?;
        regs.set(rn, address.wrapping_add(offset as u64));
    }
    LdpDPost = Pair [op: PairOp::LdpVD, mode: Mode::Post,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?;
        let both = P::load::<u128>(address, mmu, local)?;
        regs.v[usize::from(rt & 31)] = u128::from(both as u64);
        regs.v[usize::from(rt2 & 31)] = both >> 64;
        regs.set(rn, address.wrapping_add(offset as u64));
    }
    StpDPost = Pair [op: PairOp::StpVD, mode: Mode::Post,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?;
        let both = u128::from(regs.v[usize::from(rt & 31)] as u64) | regs.v[usize::from(rt2 & 31)] << 64;
        P::store(address, both, mmu, local)?;
        regs.set(rn, address.wrapping_add(offset as u64));
    }
    LdpWOffset = Pair [op: PairOp::LdpW, mode: Mode::Offset,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let both = P::load::<u64>(address, mmu, local)?;
        regs.set(Reg::destination(rt.into()), u64::from(both as u32));
        regs.set(Reg::destination(rt2.into()), both >> 32);
    }
    StpWOffset = Pair [op: PairOp::StpW, mode: Mode::Offset,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let both = u64::from(low(regs, Reg::source(rt.into()))) | regs.get(Reg::source(rt2.into())) << 32;
        P::store(address, both, mmu, local)?;
    }
    LdpXPre = Pair [op: PairOp::LdpX, mode: Mode::Pre,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let both = P::load::<u128>(address, mmu, local)?;
        regs.set(Reg::destination(rt.into()), both as u64);
        regs.set(Reg::destination(rt2.into()), (both >> 64) as u64);
        regs.set(rn, address);
    }
    StpXPost = Pair [op: PairOp::StpX, mode: Mode::Post,] { rt, rt2, rn, offset } => {
        let address = P::base(rn, regs, local)?;
        let first = regs.get(Reg::source(rt.into()));
        let second = regs.get(Reg::source(rt2.into()));
        P::store(address, u128::from(first) | u128::from(second) << 64, mmu, local)?;
        regs.set(rn, address.wrapping_add(offset as u64));
    }
    LdQPre = VecIndexed [op: VecOp::Ld128, mode: Mode::Pre,] { rt, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        regs.v[usize::from(rt & 31)] = P::load::<u128>(address, mmu, local)?;
        regs.set(rn, address);
    }
    StQPre = VecIndexed [op: VecOp::St128, mode: Mode::Pre,] { rt, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        P::store(address, regs.v[usize::from(rt & 31)], mmu, local)?;
        regs.set(rn, address);
    }
    LdQPost = VecIndexed [op: VecOp::Ld128, mode: Mode::Post,] { rt, rn, offset } => {
        let address = P::base(rn, regs, local)?;
        regs.v[usize::from(rt & 31)] = P::load::<u128>(address, mmu, local)?;
        regs.set(rn, address.wrapping_add(offset as u64));
    }
    StQPost = VecIndexed [op: VecOp::St128, mode: Mode::Post,] { rt, rn, offset } => {
        let address = P::base(rn, regs, local)?;
        P::store(address, regs.v[usize::from(rt & 31)], mmu, local)?;
        regs.set(rn, address.wrapping_add(offset as u64));
    }
    St8Pre = IntIndexed [op: IntOp::St8, mode: Mode::Pre,] { src, dst: _, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        P::store(address, regs.get(src) as u8, mmu, local)?;
        regs.set(rn, address);
    }
    Ld16Pre = IntIndexed [op: IntOp::Ld16, mode: Mode::Pre,] { dst, src: _, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let value = P::load::<u16>(address, mmu, local)?;
        regs.set(dst, u64::from(value));
        regs.set(rn, address);
    }
    St16Pre = IntIndexed [op: IntOp::St16, mode: Mode::Pre,] { src, dst: _, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        P::store(address, regs.get(src) as u16, mmu, local)?;
        regs.set(rn, address);
    }
    Ld16Post = IntIndexed [op: IntOp::Ld16, mode: Mode::Post,] { dst, src: _, rn, offset } => {
        let address = P::base(rn, regs, local)?;
        let value = P::load::<u16>(address, mmu, local)?;
        regs.set(dst, u64::from(value));
        regs.set(rn, address.wrapping_add(offset as u64));
    }
    St16Post = IntIndexed [op: IntOp::St16, mode: Mode::Post,] { src, dst: _, rn, offset } => {
        let address = P::base(rn, regs, local)?;
        P::store(address, regs.get(src) as u16, mmu, local)?;
        regs.set(rn, address.wrapping_add(offset as u64));
    }
    Ld32Pre = IntIndexed [op: IntOp::Ld32, mode: Mode::Pre,] { dst, src: _, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let value = P::load::<u32>(address, mmu, local)?;
        regs.set(dst, u64::from(value));
        regs.set(rn, address);
    }
    St32Pre = IntIndexed [op: IntOp::St32, mode: Mode::Pre,] { src, dst: _, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        P::store(address, regs.get(src) as u32, mmu, local)?;
        regs.set(rn, address);
    }
    Ld64Pre = IntIndexed [op: IntOp::Ld64, mode: Mode::Pre,] { dst, src: _, rn, offset } => {
        let address = P::base(rn, regs, local)?.wrapping_add(offset as u64);
        let value = P::load::<u64>(address, mmu, local)?;
        regs.set(dst, value);
        regs.set(rn, address);
    }
    LdQReg = VecReg [op: VecOp::Ld128,] { rt, rn, rm, extend, by } => {
        let index = alu::extended(regs.get(rm), extend) << (by & 7);
        regs.v[usize::from(rt & 31)] = P::load::<u128>(P::base(rn, regs, local)?.wrapping_add(index), mmu, local)?;
    }
    StQReg = VecReg [op: VecOp::St128,] { rt, rn, rm, extend, by } => {
        let index = alu::extended(regs.get(rm), extend) << (by & 7);
        P::store(P::base(rn, regs, local)?.wrapping_add(index), regs.v[usize::from(rt & 31)], mmu, local)?;
    }
    LdDReg = VecReg [op: VecOp::Ld64,] { rt, rn, rm, extend, by } => {
        let index = alu::extended(regs.get(rm), extend) << (by & 7);
        let value = P::load::<u64>(P::base(rn, regs, local)?.wrapping_add(index), mmu, local)?;
        regs.v[usize::from(rt & 31)] = u128::from(value);
    }
    StDReg = VecReg [op: VecOp::St64,] { rt, rn, rm, extend, by } => {
        let index = alu::extended(regs.get(rm), extend) << (by & 7);
        P::store(P::base(rn, regs, local)?.wrapping_add(index), regs.v[usize::from(rt & 31)] as u64, mmu, local)?;
    }
}
