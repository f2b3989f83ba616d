//! The rarer instructions that work on registers alone: shifted and extended operands, carries, conditional
//! compares, divisions, bit counting, CRC.

use arch::{Reg, Regs};

use crate::flags::Nzcv;
use crate::insn::{AddOp, Extend, Insn, LogicOp, LongOp, Shift, UnaryOp, Width};

/// Executes one of them.
#[inline(never)]
pub(crate) fn execute(insn: &Insn, regs: &mut Regs, nzcv: &mut Nzcv) {
    match *insn {
        Insn::Bfm {
            rd,
            source,
            rn,
            size,
            lsb_from,
            lsb_to,
            width,
        } => {
            let mask = u64::MAX >> (64 - u32::from(width));
            let field = (regs.get(rn) >> lsb_from & mask) << lsb_to;
            let value = regs.get(source) & !(mask << lsb_to) | field;
            regs.set(rd, cut(size, value));
        }
        Insn::Extr {
            rd,
            rn,
            rm,
            width: Width::X,
            by,
        } => {
            let both = u128::from(regs.get(rn)) << 64 | u128::from(regs.get(rm));
            regs.set(rd, (both >> by) as u64);
        }
        Insn::Extr {
            rd,
            rn,
            rm,
            width: Width::W,
            by,
        } => {
            let both = regs.get(rn) << 32 | u64::from(regs.get(rm) as u32);
            regs.set(rd, u64::from((both >> by) as u32));
        }
        Insn::AddShifted {
            op,
            width,
            rd,
            rn,
            rm,
            shift,
            by,
        } => {
            let operand = shifted(width, regs.get(rm), shift, u32::from(by));
            add(op, width, rd, regs.get(rn), operand, regs, nzcv);
        }
        Insn::AddCarry {
            op,
            width,
            rd,
            rn,
            rm,
        } => add_carry(op, width, rd, rn, rm, regs, nzcv),
        Insn::Crc32 {
            castagnoli,
            bytes,
            rd,
            rn,
            rm,
        } => {
            let value = crc32(castagnoli, regs.get(rn) as u32, regs.get(rm), bytes);
            regs.set(rd, value.into());
        }
        Insn::Unary { op, rd, rn } => {
            let value = unary(op, regs.get(rn));
            regs.set(rd, value);
        }
        ref other => unreachable!("{other:?} has a handler of its own"),
    }
}

/// The low 32 bits, or all.
pub(crate) fn cut(width: Width, value: u64) -> u64 {
    match width {
        Width::X => value,
        Width::W => u64::from(value as u32),
    }
}

/// `ShiftReg` (Arm ARM shared functions); for 32 bits the amount is below 32.
#[inline(always)]
pub(crate) fn shifted(width: Width, value: u64, shift: Shift, by: u32) -> u64 {
    let low = value as u32;
    match (width, shift) {
        (Width::X, Shift::Lsl) => value << by,
        (Width::X, Shift::Lsr) => value >> by,
        (Width::X, Shift::Asr) => (value as i64 >> by) as u64,
        (Width::X, Shift::Ror) => value.rotate_right(by),
        (Width::W, Shift::Lsl) => u64::from(low << by),
        (Width::W, Shift::Lsr) => u64::from(low >> by),
        (Width::W, Shift::Asr) => u64::from((low as i32 >> by) as u32),
        (Width::W, Shift::Ror) => u64::from(low.rotate_right(by)),
    }
}

/// A shift by a register: the amount is taken modulo the width.
#[inline(always)]
pub(crate) fn shift_by_register(width: Width, value: u64, shift: Shift, amount: u64) -> u64 {
    match width {
        Width::X => shifted(width, value, shift, amount as u32 & 63),
        Width::W => shifted(width, value, shift, amount as u32 & 31),
    }
}

/// `ExtendReg` (Arm ARM shared functions), before its shift.
#[inline(always)]
pub(crate) fn extended(value: u64, extend: Extend) -> u64 {
    match extend {
        Extend::Uxtb => u64::from(value as u8),
        Extend::Uxth => u64::from(value as u16),
        Extend::Uxtw => u64::from(value as u32),
        Extend::Uxtx | Extend::Sxtx => value,
        Extend::Sxtb => value as i8 as u64,
        Extend::Sxth => value as i16 as u64,
        Extend::Sxtw => value as i32 as u64,
    }
}

#[inline(always)]
pub(crate) fn add(op: AddOp, width: Width, rd: Reg, a: u64, b: u64, regs: &mut Regs, nzcv: &mut Nzcv) {
    let (value, flags) = match (op, width) {
        (AddOp::Add | AddOp::Adds, Width::X) => Nzcv::add64(a, b),
        (AddOp::Sub | AddOp::Subs, Width::X) => Nzcv::sub64(a, b),
        (AddOp::Add | AddOp::Adds, Width::W) => widen(Nzcv::add32(a as u32, b as u32)),
        (AddOp::Sub | AddOp::Subs, Width::W) => widen(Nzcv::sub32(a as u32, b as u32)),
    };
    regs.set(rd, value);
    if matches!(op, AddOp::Adds | AddOp::Subs) {
        *nzcv = flags;
    }
}

fn widen((value, flags): (u32, Nzcv)) -> (u64, Nzcv) {
    (value.into(), flags)
}

fn add_carry(op: AddOp, width: Width, rd: Reg, rn: Reg, rm: Reg, regs: &mut Regs, nzcv: &mut Nzcv) {
    let (a, b) = (regs.get(rn), regs.get(rm));
    let b = if matches!(op, AddOp::Sub | AddOp::Subs) {
        !b
    } else {
        b
    };
    let (value, flags) = match width {
        Width::X => Nzcv::adc64(a, b, nzcv.carry()),
        Width::W => widen(Nzcv::adc32(a as u32, b as u32, nzcv.carry())),
    };
    regs.set(rd, value);
    if matches!(op, AddOp::Adds | AddOp::Subs) {
        *nzcv = flags;
    }
}

#[inline(always)]
pub(crate) fn logic(op: LogicOp, width: Width, rd: Reg, a: u64, b: u64, regs: &mut Regs, nzcv: &mut Nzcv) {
    let value = match op {
        LogicOp::And | LogicOp::Ands => a & b,
        LogicOp::Orr => a | b,
        LogicOp::Eor => a ^ b,
    };
    regs.set(rd, cut(width, value));
    if op == LogicOp::Ands {
        *nzcv = match width {
            Width::X => Nzcv::logic64(value),
            Width::W => Nzcv::logic32(value as u32),
        };
    }
}

#[inline(always)]
pub(crate) fn compare_if(
    condition: u8,
    op: AddOp,
    width: Width,
    a: u64,
    b: u64,
    otherwise: u8,
    nzcv: &mut Nzcv,
) {
    *nzcv = match (nzcv.holds(condition), op, width) {
        (false, ..) => Nzcv::from_field(otherwise),
        (_, AddOp::Add | AddOp::Adds, Width::X) => Nzcv::add64(a, b).1,
        (_, AddOp::Sub | AddOp::Subs, Width::X) => Nzcv::sub64(a, b).1,
        (_, AddOp::Add | AddOp::Adds, Width::W) => Nzcv::add32(a as u32, b as u32).1,
        (_, AddOp::Sub | AddOp::Subs, Width::W) => Nzcv::sub32(a as u32, b as u32).1,
    };
}

#[inline(always)]
pub(crate) fn multiply_long(op: LongOp, n: u64, m: u64, a: u64) -> u64 {
    let signed = (n as i32 as i64).wrapping_mul(m as i32 as i64) as u64;
    let unsigned = u64::from(n as u32) * u64::from(m as u32);
    match op {
        LongOp::Smaddl => a.wrapping_add(signed),
        LongOp::Smsubl => a.wrapping_sub(signed),
        LongOp::Umaddl => a.wrapping_add(unsigned),
        LongOp::Umsubl => a.wrapping_sub(unsigned),
    }
}

/// Zero for a division by zero; the most negative number by -1 is itself (Arm ARM C6.2, SDIV).
pub(crate) fn divide_signed(width: Width, n: u64, m: u64) -> u64 {
    match width {
        Width::X if m == 0 => 0,
        Width::X => (n as i64).wrapping_div(m as i64) as u64,
        Width::W if m as u32 == 0 => 0,
        Width::W => u64::from((n as i32).wrapping_div(m as i32) as u32),
    }
}

fn unary(op: UnaryOp, value: u64) -> u64 {
    let low = value as u32;
    match op {
        UnaryOp::Rbit32 => low.reverse_bits().into(),
        UnaryOp::Rbit64 => value.reverse_bits(),
        UnaryOp::Rev16x2 => u64::from(low.swap_bytes().rotate_right(16)),
        UnaryOp::Rev16x4 => {
            const LOW: u64 = 0x00ff_00ff_00ff_00ff;
            (value & LOW) << 8 | value >> 8 & LOW
        }
        UnaryOp::Rev32 => low.swap_bytes().into(),
        UnaryOp::Rev32x2 => value.swap_bytes().rotate_right(32),
        UnaryOp::Rev64 => value.swap_bytes(),
        UnaryOp::Clz32 => low.leading_zeros().into(),
        UnaryOp::Clz64 => value.leading_zeros().into(),
        UnaryOp::Cls32 => u64::from(((low ^ low << 1) | 1).leading_zeros()),
        UnaryOp::Cls64 => u64::from(((value ^ value << 1) | 1).leading_zeros()),
    }
}

/// The reflected polynomials of CRC-32 (0x04C11DB7) and CRC-32C (0x1EDC6F41).
const CRC32: [u32; 256] = crc_table(0xedb8_8320);
const CRC32C: [u32; 256] = crc_table(0x82f6_3b78);

const fn crc_table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = value >> 1 ^ if value & 1 != 0 { polynomial } else { 0 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

fn crc32(castagnoli: bool, start: u32, value: u64, bytes: u8) -> u32 {
    let table = if castagnoli { &CRC32C } else { &CRC32 };
    let bytes = &value.to_le_bytes()[..usize::from(bytes)];
    bytes.iter().fold(start, |crc, &byte| {
        crc >> 8 ^ table[usize::from(crc as u8 ^ byte)]
    })
}
