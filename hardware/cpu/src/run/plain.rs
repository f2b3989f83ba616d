//! Handlers of instructions that cannot fault: data processing, and reading and writing system registers.

use arch::Regs;
use mmu::Mmu;

use super::step::{Any, Exit, Handler, Op, Step, Then, low, wrong};
use crate::exec::{Local, alu, system};
use crate::flags::Nzcv;
use crate::insn::{Insn, SysReg, Width};

handlers! { (op, rest, regs, mmu, local)
    Nop {} => {}
    Adr { rd, offset } => { regs.set(rd, local.here(rest).wrapping_add(offset as u64)) }
    Adrp { rd, offset } => {
        regs.set(rd, (local.here(rest) & !0xfff).wrapping_add(offset as u64));
    }
    AddImm64 { rd, rn, imm } => { regs.set(rd, regs.get(rn).wrapping_add(imm)) }
    AddImm32 { rd, rn, imm } => { regs.set(rd, u64::from((low(regs, rn)).wrapping_add(imm))) }
    AddsImm64 { rd, rn, imm } => {
        local.set64(rd, Nzcv::add64(regs.get(rn), imm.into()), regs)
    }
    AddsImm32 { rd, rn, imm } => { local.set32(rd, Nzcv::add32(low(regs, rn), imm), regs) }
    SubsImm64 { rd, rn, imm } => {
        local.set64(rd, Nzcv::sub64(regs.get(rn), imm.into()), regs)
    }
    SubsImm32 { rd, rn, imm } => { local.set32(rd, Nzcv::sub32(low(regs, rn), imm), regs) }
    AndImm { rd, rn, imm } => { regs.set(rd, regs.get(rn) & imm) }
    OrrImm64 { rd, rn, imm } => { regs.set(rd, regs.get(rn) | imm) }
    OrrImm32 { rd, rn, imm } => { regs.set(rd, u64::from((low(regs, rn)) | imm)) }
    EorImm64 { rd, rn, imm } => { regs.set(rd, regs.get(rn) ^ imm) }
    EorImm32 { rd, rn, imm } => { regs.set(rd, u64::from((low(regs, rn)) ^ imm)) }
    AndsImm64 { rd, rn, imm } => {
        let value = regs.get(rn) & imm;
        local.set64(rd, (value, Nzcv::logic64(value)), regs);
    }
    AndsImm32 { rd, rn, imm } => {
        let value = (low(regs, rn)) & imm;
        local.set32(rd, (value, Nzcv::logic32(value)), regs);
    }
    MovImm { rd, imm } => { regs.set(rd, imm) }
    Movk { rd, source, width, shift, imm, } => {
        let value = regs.get(source) & !(0xffff << shift) | u64::from(imm) << shift;
        let value = if width == Width::W {
            u64::from(value as u32)
        } else {
            value
        };
        regs.set(rd, value);
    }
    Lsl64 { rd, rn, by } => { regs.set(rd, regs.get(rn) << (by & 63)) }
    Lsl32 { rd, rn, by } => { regs.set(rd, u64::from((low(regs, rn)) << (by & 31))) }
    Lsr64 { rd, rn, by } => { regs.set(rd, regs.get(rn) >> (by & 63)) }
    Lsr32 { rd, rn, by } => { regs.set(rd, u64::from((low(regs, rn)) >> (by & 31))) }
    Sxtw { rd, rn } => { regs.set(rd, regs.get(rn) as i32 as u64) }
    Ubfm { rd, rn, left, right } => {
        regs.set(rd, regs.get(rn) << (left & 63) >> (right & 63));
    }
    Sbfm64 { rd, rn, left, right } => {
        regs.set(rd, ((regs.get(rn) << (left & 63)) as i64 >> (right & 63)) as u64);
    }
    Sbfm32 { rd, rn, left, right } => {
        regs.set(rd, u64::from(((regs.get(rn) << (left & 63)) as i64 >> (right & 63)) as u32));
    }
    AddReg64 { rd, rn, rm } => { regs.set(rd, regs.get(rn).wrapping_add(regs.get(rm))) }
    AddReg32 { rd, rn, rm } => { regs.set(rd, u64::from((low(regs, rn)).wrapping_add(low(regs, rm)))) }
    SubReg64 { rd, rn, rm } => { regs.set(rd, regs.get(rn).wrapping_sub(regs.get(rm))) }
    SubReg32 { rd, rn, rm } => { regs.set(rd, u64::from((low(regs, rn)).wrapping_sub(low(regs, rm)))) }
    AddsReg64 { rd, rn, rm } => {
        local.set64(rd, Nzcv::add64(regs.get(rn), regs.get(rm)), regs)
    }
    AddsReg32 { rd, rn, rm } => {
        local.set32(rd, Nzcv::add32(low(regs, rn), low(regs, rm)), regs)
    }
    SubsReg64 { rd, rn, rm } => {
        local.set64(rd, Nzcv::sub64(regs.get(rn), regs.get(rm)), regs)
    }
    SubsReg32 { rd, rn, rm } => {
        local.set32(rd, Nzcv::sub32(low(regs, rn), low(regs, rm)), regs)
    }
    AddLsl64 { rd, rn, rm, by } => {
        regs.set(rd, regs.get(rn).wrapping_add(regs.get(rm) << (by & 63)));
    }
    AddLsl32 { rd, rn, rm, by } => {
        regs.set(rd, u64::from((low(regs, rn)).wrapping_add((low(regs, rm)) << (by & 31))));
    }
    MovReg64 { rd, rm } => { regs.set(rd, regs.get(rm)) }
    MovReg32 { rd, rm } => { regs.set(rd, u64::from(low(regs, rm))) }
    AndReg64 { rd, rn, rm } => { regs.set(rd, regs.get(rn) & regs.get(rm)) }
    AndReg32 { rd, rn, rm } => { regs.set(rd, u64::from((low(regs, rn)) & (low(regs, rm)))) }
    OrrReg64 { rd, rn, rm } => { regs.set(rd, regs.get(rn) | regs.get(rm)) }
    OrrReg32 { rd, rn, rm } => { regs.set(rd, u64::from((low(regs, rn)) | (low(regs, rm)))) }
    EorReg64 { rd, rn, rm } => { regs.set(rd, regs.get(rn) ^ regs.get(rm)) }
    EorReg32 { rd, rn, rm } => { regs.set(rd, u64::from((low(regs, rn)) ^ (low(regs, rm)))) }
    AndsReg64 { rd, rn, rm } => {
        let value = regs.get(rn) & regs.get(rm);
        local.set64(rd, (value, Nzcv::logic64(value)), regs);
    }
    AndsReg32 { rd, rn, rm } => {
        let value = (low(regs, rn)) & (low(regs, rm));
        local.set32(rd, (value, Nzcv::logic32(value)), regs);
    }
    BicReg64 { rd, rn, rm } => { regs.set(rd, regs.get(rn) & !regs.get(rm)) }
    BicReg32 { rd, rn, rm } => { regs.set(rd, u64::from((low(regs, rn)) & !(low(regs, rm)))) }
    MvnReg64 { rd, rm } => { regs.set(rd, !regs.get(rm)) }
    MvnReg32 { rd, rm } => { regs.set(rd, u64::from(!(low(regs, rm)))) }
    OrrLsl64 { rd, rn, rm, by } => {
        regs.set(rd, regs.get(rn) | regs.get(rm) << (by & 63))
    }
    OrrLsl32 { rd, rn, rm, by } => {
        regs.set(rd, u64::from((low(regs, rn)) | (low(regs, rm)) << (by & 31)))
    }
    LogicShifted { op, invert, width, rd, rn, rm, shift, by, } => {
        let operand = alu::shifted(width, regs.get(rm), shift, u32::from(by));
        let operand = if invert { !operand } else { operand };
        alu::logic(op, width, rd, regs.get(rn), operand, regs, &mut local.nzcv);
    }
    AddExtended { op, width, rd, rn, rm, extend, by, } => {
        let operand = alu::extended(regs.get(rm), extend) << (by & 7);
        alu::add(op, width, rd, regs.get(rn), operand, regs, &mut local.nzcv);
    }
    CcmpReg { op, width, rn, rm, nzcv: otherwise, condition, } => {
        alu::compare_if(
            condition,
            op,
            width,
            regs.get(rn),
            regs.get(rm),
            otherwise,
            &mut local.nzcv,
        );
    }
    CcmpImm { op, width, rn, imm, nzcv: otherwise, condition, } => {
        alu::compare_if(
            condition,
            op,
            width,
            regs.get(rn),
            imm.into(),
            otherwise,
            &mut local.nzcv,
        );
    }
    MulLong { op, rd, rn, rm, ra } => {
        regs.set(rd, alu::multiply_long(op, regs.get(rn), regs.get(rm), regs.get(ra)));
    }
    Smulh { rd, rn, rm } => {
        let product = i128::from(regs.get(rn) as i64) * i128::from(regs.get(rm) as i64);
        regs.set(rd, (product >> 64) as u64);
    }
    Umulh { rd, rn, rm } => {
        let product = u128::from(regs.get(rn)) * u128::from(regs.get(rm));
        regs.set(rd, (product >> 64) as u64);
    }
    Udiv { width, rd, rn, rm } => {
        // Division by zero gives zero (Arm ARM C6.2, UDIV).
        let (a, b) = (alu::cut(width, regs.get(rn)), alu::cut(width, regs.get(rm)));
        regs.set(rd, a.checked_div(b).unwrap_or(0));
    }
    Sdiv { width, rd, rn, rm } => {
        regs.set(rd, alu::divide_signed(width, regs.get(rn), regs.get(rm)));
    }
    EorRor32 { rd, rn, rm, by } => {
        regs.set(rd, u64::from((low(regs, rn)) ^ (low(regs, rm)).rotate_right(u32::from(by))));
    }
    ShiftReg { shift, width, rd, rn, rm, } => {
        let value = alu::shift_by_register(width, regs.get(rn), shift, regs.get(rm));
        regs.set(rd, value);
    }
    Csel64 { rd, rn, rm, condition, } => {
        let from = if local.nzcv.holds(condition) { rn } else { rm };
        regs.set(rd, regs.get(from));
    }
    Csel32 { rd, rn, rm, condition, } => {
        let from = if local.nzcv.holds(condition) { rn } else { rm };
        regs.set(rd, u64::from(low(regs, from)));
    }
    Csinc64 { rd, rn, rm, condition, } => {
        let other = regs.get(rm).wrapping_add(1);
        regs.set(rd, if local.nzcv.holds(condition) { regs.get(rn) } else { other });
    }
    Csinc32 { rd, rn, rm, condition, } => {
        let other = (low(regs, rm)).wrapping_add(1);
        regs.set(rd, u64::from(if local.nzcv.holds(condition) { low(regs, rn) } else { other }));
    }
    Csinv64 { rd, rn, rm, condition, } => {
        regs.set(rd, if local.nzcv.holds(condition) { regs.get(rn) } else { !regs.get(rm) });
    }
    Csinv32 { rd, rn, rm, condition, } => {
        regs.set(rd, u64::from(if local.nzcv.holds(condition) { low(regs, rn) } else { !(low(regs, rm)) }));
    }
    Csneg64 { rd, rn, rm, condition, } => {
        let other = regs.get(rm).wrapping_neg();
        regs.set(rd, if local.nzcv.holds(condition) { regs.get(rn) } else { other });
    }
    Csneg32 { rd, rn, rm, condition, } => {
        let other = (low(regs, rm)).wrapping_neg();
        regs.set(rd, u64::from(if local.nzcv.holds(condition) { low(regs, rn) } else { other }));
    }
    Madd64 { rd, rn, rm, ra } => {
        regs.set(rd, regs.get(ra).wrapping_add(regs.get(rn).wrapping_mul(regs.get(rm))));
    }
    Madd32 { rd, rn, rm, ra } => {
        regs.set(rd, u64::from((low(regs, ra)).wrapping_add((low(regs, rn)).wrapping_mul(low(regs, rm)))));
    }
    Msub64 { rd, rn, rm, ra } => {
        regs.set(rd, regs.get(ra).wrapping_sub(regs.get(rn).wrapping_mul(regs.get(rm))));
    }
    Msub32 { rd, rn, rm, ra } => {
        regs.set(rd, u64::from((low(regs, ra)).wrapping_sub((low(regs, rn)).wrapping_mul(low(regs, rm)))));
    }
    Extr { rd, rn, rm, width, by } => {
        if width == Width::W && rn == rm {
            regs.set(rd, u64::from(low(regs, rn).rotate_right(u32::from(by))));
        } else {
            alu::execute(&op.insn, regs, &mut local.nzcv);
        }
    }
    Isb {} => {}
    Clrex {} => { local.monitor = None; }
    Mrs { rt, register } => {
        let value = match register {
            SysReg::Tpidr => regs.tpidr,
            _ => system::read(register, regs, local.nzcv, local.counter(rest)),
        };
        regs.set(rt, value);
    }
    Msr { rt, register } => { system::write(register, regs.get(rt), regs, &mut local.nzcv); }
}
