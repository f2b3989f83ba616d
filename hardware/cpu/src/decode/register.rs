//! Data processing, register (Arm ARM C4.1.95).

use arch::Reg;

use super::{Decoded, Word};
use crate::insn::{AddOp, Extend, Insn, LogicOp, LongOp, Shift, UnaryOp, Width};

pub(super) fn decode(w: Word) -> Decoded {
    if !w.bit(28) {
        return match (w.bit(24), w.bit(21)) {
            (false, _) => logical(w),
            (true, false) => add_sub_shifted(w),
            (true, true) => add_sub_extended(w),
        };
    }
    match w.bits(24, 21) {
        0b0000 => carry_and_flags(w),
        0b0010 => conditional_compare(w),
        0b0100 => conditional_select(w),
        0b0110 if w.bit(30) => one_source(w),
        0b0110 => two_sources(w),
        0b1000..=0b1111 => three_sources(w),
        _ => Decoded::Unallocated,
    }
}

const fn shift(bits: u32) -> Shift {
    match bits & 3 {
        0 => Shift::Lsl,
        1 => Shift::Lsr,
        2 => Shift::Asr,
        _ => Shift::Ror,
    }
}

/// The extension that a three-bit option names.
pub(super) const fn extend(bits: u32) -> Extend {
    match bits & 7 {
        0 => Extend::Uxtb,
        1 => Extend::Uxth,
        2 => Extend::Uxtw,
        3 => Extend::Uxtx,
        4 => Extend::Sxtb,
        5 => Extend::Sxth,
        6 => Extend::Sxtw,
        _ => Extend::Sxtx,
    }
}

const fn add_op(w: Word) -> AddOp {
    match w.bits(30, 29) {
        0 => AddOp::Add,
        1 => AddOp::Adds,
        2 => AddOp::Sub,
        _ => AddOp::Subs,
    }
}

fn logical(w: Word) -> Decoded {
    let (width, by) = (w.width(), w.bits(15, 10) as u8);
    if width == Width::W && by > 31 {
        return Decoded::Unallocated;
    }
    let (rd, rn, rm) = (w.rd(), w.rn(), w.rm());
    let (shift, invert) = (shift(w.bits(23, 22)), w.bit(21));
    let op = match w.bits(30, 29) {
        0 => LogicOp::And,
        1 => LogicOp::Orr,
        2 => LogicOp::Eor,
        _ => LogicOp::Ands,
    };
    let plain = by == 0 && !invert;
    match (op, width) {
        (LogicOp::Orr, Width::X) if plain && rn == Reg::Zr => Insn::MovReg64 { rd, rm },
        (LogicOp::Orr, Width::W) if plain && rn == Reg::Zr => Insn::MovReg32 { rd, rm },
        (LogicOp::And, Width::X) if plain => Insn::AndReg64 { rd, rn, rm },
        (LogicOp::And, Width::W) if plain => Insn::AndReg32 { rd, rn, rm },
        (LogicOp::Orr, Width::X) if plain => Insn::OrrReg64 { rd, rn, rm },
        (LogicOp::Orr, Width::W) if plain => Insn::OrrReg32 { rd, rn, rm },
        (LogicOp::Eor, Width::X) if plain => Insn::EorReg64 { rd, rn, rm },
        (LogicOp::Eor, Width::W) if plain => Insn::EorReg32 { rd, rn, rm },
        (LogicOp::Ands, Width::X) if plain => Insn::AndsReg64 { rd, rn, rm },
        (LogicOp::Ands, Width::W) if plain => Insn::AndsReg32 { rd, rn, rm },
        (LogicOp::Orr, Width::X) if by == 0 && rn == Reg::Zr => Insn::MvnReg64 { rd, rm },
        (LogicOp::Orr, Width::W) if by == 0 && rn == Reg::Zr => Insn::MvnReg32 { rd, rm },
        (LogicOp::And, Width::X) if by == 0 => Insn::BicReg64 { rd, rn, rm },
        (LogicOp::And, Width::W) if by == 0 => Insn::BicReg32 { rd, rn, rm },
        (LogicOp::Orr, Width::X) if shift == Shift::Lsl && !invert => Insn::OrrLsl64 { rd, rn, rm, by },
        (LogicOp::Orr, Width::W) if shift == Shift::Lsl && !invert => Insn::OrrLsl32 { rd, rn, rm, by },
        (LogicOp::Eor, Width::W) if shift == Shift::Ror && !invert => Insn::EorRor32 { rd, rn, rm, by },
        _ => Insn::LogicShifted {
            op,
            invert,
            width,
            rd,
            rn,
            rm,
            shift,
            by,
        },
    }
    .into()
}

fn add_sub_shifted(w: Word) -> Decoded {
    let (width, by) = (w.width(), w.bits(15, 10) as u8);
    let shift = shift(w.bits(23, 22));
    if shift == Shift::Ror || (width == Width::W && by > 31) {
        return Decoded::Unallocated;
    }
    let (rd, rn, rm) = (w.rd(), w.rn(), w.rm());
    match (add_op(w), width) {
        (AddOp::Add, Width::X) if by == 0 => Insn::AddReg64 { rd, rn, rm },
        (AddOp::Add, Width::W) if by == 0 => Insn::AddReg32 { rd, rn, rm },
        (AddOp::Sub, Width::X) if by == 0 => Insn::SubReg64 { rd, rn, rm },
        (AddOp::Sub, Width::W) if by == 0 => Insn::SubReg32 { rd, rn, rm },
        (AddOp::Adds, Width::X) if by == 0 => Insn::AddsReg64 { rd, rn, rm },
        (AddOp::Adds, Width::W) if by == 0 => Insn::AddsReg32 { rd, rn, rm },
        (AddOp::Subs, Width::X) if by == 0 => Insn::SubsReg64 { rd, rn, rm },
        (AddOp::Subs, Width::W) if by == 0 => Insn::SubsReg32 { rd, rn, rm },
        (AddOp::Add, Width::X) if shift == Shift::Lsl => Insn::AddLsl64 { rd, rn, rm, by },
        (AddOp::Add, Width::W) if shift == Shift::Lsl => Insn::AddLsl32 { rd, rn, rm, by },
        (op, width) => Insn::AddShifted {
            op,
            width,
            rd,
            rn,
            rm,
            shift,
            by,
        },
    }
    .into()
}

fn add_sub_extended(w: Word) -> Decoded {
    let by = w.bits(12, 10) as u8;
    if w.bits(23, 22) != 0 || by > 4 {
        return Decoded::Unallocated;
    }
    let (op, width) = (add_op(w), w.width());
    let rd = if matches!(op, AddOp::Add | AddOp::Sub) {
        w.rd_sp()
    } else {
        w.rd()
    };
    let (rn, rm) = (w.rn_sp(), w.rm());
    let extend = extend(w.bits(15, 13));
    // `add xd, sp, xm` and its kin are written in this form.
    match (op, width, extend, by) {
        (AddOp::Add, Width::X, Extend::Uxtx | Extend::Sxtx, 0) => Insn::AddReg64 { rd, rn, rm },
        (AddOp::Sub, Width::X, Extend::Uxtx | Extend::Sxtx, 0) => Insn::SubReg64 { rd, rn, rm },
        (AddOp::Subs, Width::X, Extend::Uxtx | Extend::Sxtx, 0) => Insn::SubsReg64 { rd, rn, rm },
        _ => Insn::AddExtended {
            op,
            width,
            rd,
            rn,
            rm,
            extend,
            by,
        },
    }
    .into()
}

fn carry_and_flags(w: Word) -> Decoded {
    let op3 = w.bits(15, 10);
    let (x, s, subtract) = (w.bit(31), w.bit(29), w.bit(30));
    if op3 == 0 {
        return Insn::AddCarry {
            op: add_op(w),
            width: w.width(),
            rd: w.rd(),
            rn: w.rn(),
            rm: w.rm(),
        }
        .into();
    }
    // RMIF, then SETF8 and SETF16.
    let rmif = op3 & 0b011111 == 1 && x && !subtract && s && !w.bit(4);
    let setf = op3 & 0b001111 == 2 && !x && !subtract && s && w.bits(20, 15) == 0 && w.bits(4, 0) == 0b01101;
    if rmif || setf {
        Decoded::NotImplemented("FlagM")
    } else {
        Decoded::Unallocated
    }
}

fn conditional_compare(w: Word) -> Decoded {
    if !w.bit(29) || w.bit(10) || w.bit(4) {
        return Decoded::Unallocated;
    }
    let (op, width, rn) = (add_op(w), w.width(), w.rn());
    let (nzcv, condition) = (w.bits(3, 0) as u8, w.bits(15, 12) as u8);
    if w.bit(11) {
        Insn::CcmpImm {
            op,
            width,
            rn,
            imm: w.bits(20, 16) as u8,
            nzcv,
            condition,
        }
        .into()
    } else {
        Insn::CcmpReg {
            op,
            width,
            rn,
            rm: w.rm(),
            nzcv,
            condition,
        }
        .into()
    }
}

fn conditional_select(w: Word) -> Decoded {
    if w.bit(29) || w.bit(11) {
        return Decoded::Unallocated;
    }
    let (rd, rn, rm) = (w.rd(), w.rn(), w.rm());
    let condition = w.bits(15, 12) as u8;
    match (w.bit(30), w.bit(10), w.width()) {
        (false, false, Width::X) => Insn::Csel64 {
            rd,
            rn,
            rm,
            condition,
        },
        (false, false, Width::W) => Insn::Csel32 {
            rd,
            rn,
            rm,
            condition,
        },
        (false, true, Width::X) => Insn::Csinc64 {
            rd,
            rn,
            rm,
            condition,
        },
        (false, true, Width::W) => Insn::Csinc32 {
            rd,
            rn,
            rm,
            condition,
        },
        (true, false, Width::X) => Insn::Csinv64 {
            rd,
            rn,
            rm,
            condition,
        },
        (true, false, Width::W) => Insn::Csinv32 {
            rd,
            rn,
            rm,
            condition,
        },
        (true, true, Width::X) => Insn::Csneg64 {
            rd,
            rn,
            rm,
            condition,
        },
        (true, true, Width::W) => Insn::Csneg32 {
            rd,
            rn,
            rm,
            condition,
        },
    }
    .into()
}

fn two_sources(w: Word) -> Decoded {
    let (rd, rn, rm, width) = (w.rd(), w.rn(), w.rm(), w.width());
    let x = width == Width::X;
    let opcode = w.bits(15, 10);
    if w.bit(29) {
        // SUBPS.
        let tags = x && opcode == 0;
        return if tags {
            Decoded::NotImplemented("memory tagging")
        } else {
            Decoded::Unallocated
        };
    }
    match opcode {
        0b000010 => Insn::Udiv { width, rd, rn, rm }.into(),
        0b000011 => Insn::Sdiv { width, rd, rn, rm }.into(),
        0b001000..=0b001011 => Insn::ShiftReg {
            shift: shift(opcode),
            width,
            rd,
            rn,
            rm,
        }
        .into(),
        // Only the form of 8 bytes has sf set.
        0b010000..=0b010111 if (opcode & 3 == 3) == x => {
            let (castagnoli, bytes) = (opcode & 4 != 0, 1 << (opcode & 3));
            Insn::Crc32 {
                castagnoli,
                bytes,
                rd,
                rn,
                rm,
            }
            .into()
        }
        0b000000 | 0b000100 | 0b000101 if x => Decoded::NotImplemented("memory tagging"),
        0b001100 if x => Decoded::NotImplemented("pointer authentication"),
        0b011000..=0b011011 => Decoded::NotImplemented("CSSC"),
        _ => Decoded::Unallocated,
    }
}

fn one_source(w: Word) -> Decoded {
    let x = w.bit(31);
    let (opcode2, opcode) = (w.bits(20, 16), w.bits(15, 10));
    if w.bit(29) {
        return Decoded::Unallocated;
    }
    let op = match (opcode2, opcode, x) {
        (0, 0, false) => UnaryOp::Rbit32,
        (0, 0, true) => UnaryOp::Rbit64,
        (0, 1, false) => UnaryOp::Rev16x2,
        (0, 1, true) => UnaryOp::Rev16x4,
        (0, 2, false) => UnaryOp::Rev32,
        (0, 2, true) => UnaryOp::Rev32x2,
        (0, 3, true) => UnaryOp::Rev64,
        (0, 4, false) => UnaryOp::Clz32,
        (0, 4, true) => UnaryOp::Clz64,
        (0, 5, false) => UnaryOp::Cls32,
        (0, 5, true) => UnaryOp::Cls64,
        (0, 6..=8, _) => return Decoded::NotImplemented("CSSC"),
        (1, 0..=7, true) => return Decoded::NotImplemented("pointer authentication"),
        // PACIZA to XPACD have no source.
        (1, 8..=17, true) if w.bits(9, 5) == 31 => {
            return Decoded::NotImplemented("pointer authentication");
        }
        _ => return Decoded::Unallocated,
    };
    Insn::Unary {
        op,
        rd: w.rd(),
        rn: w.rn(),
    }
    .into()
}

fn three_sources(w: Word) -> Decoded {
    let (rd, rn, rm, ra) = (w.rd(), w.rn(), w.rm(), Reg::source(w.bits(14, 10)));
    let long = |op| Insn::MulLong { op, rd, rn, rm, ra };
    if w.bits(30, 29) != 0 {
        return Decoded::Unallocated;
    }
    match (w.bit(31), w.bits(23, 21), w.bit(15)) {
        (true, 0b000, false) => Insn::Madd64 { rd, rn, rm, ra },
        (false, 0b000, false) => Insn::Madd32 { rd, rn, rm, ra },
        (true, 0b000, true) => Insn::Msub64 { rd, rn, rm, ra },
        (false, 0b000, true) => Insn::Msub32 { rd, rn, rm, ra },
        (true, 0b001, false) => long(LongOp::Smaddl),
        (true, 0b001, true) => long(LongOp::Smsubl),
        (true, 0b101, false) => long(LongOp::Umaddl),
        (true, 0b101, true) => long(LongOp::Umsubl),
        (true, 0b010, false) => Insn::Smulh { rd, rn, rm },
        (true, 0b110, false) => Insn::Umulh { rd, rn, rm },
        _ => return Decoded::Unallocated,
    }
    .into()
}
