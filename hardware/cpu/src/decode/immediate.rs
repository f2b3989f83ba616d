//! Data processing, immediate (Arm ARM C4.1.92): PC-relative, add and subtract, logical, wide moves,
//! bitfields, extract.

use arch::Reg;

use super::{Decoded, Word};
use crate::insn::{Insn, Width};

pub(super) fn decode(w: Word) -> Decoded {
    match w.bits(25, 23) {
        0b000 | 0b001 => pc_relative(w),
        0b010 => add_sub(w),
        0b011 => tags_and_min_max(w),
        0b100 => logical(w),
        0b101 => move_wide(w),
        0b110 => bitfield(w),
        _ => extract(w),
    }
}

fn pc_relative(w: Word) -> Decoded {
    let imm = i64::from(w.signed(23, 5) << 2 | w.bits(30, 29) as i32);
    let rd = w.rd();
    if w.bit(31) {
        Insn::Adrp {
            rd,
            offset: imm << 12,
        }
        .into()
    } else {
        Insn::Adr { rd, offset: imm }.into()
    }
}

fn add_sub(w: Word) -> Decoded {
    let imm = w.bits(21, 10) << if w.bit(22) { 12 } else { 0 };
    let rn = w.rn_sp();
    let (rd, rd_sp) = (w.rd(), w.rd_sp());
    let subtract = w.bit(30);
    match (w.width(), w.bit(29)) {
        (Width::X, false) => {
            let imm = u64::from(imm);
            let imm = if subtract { imm.wrapping_neg() } else { imm };
            Insn::AddImm64 { rd: rd_sp, rn, imm }
        }
        (Width::W, false) => {
            let imm = if subtract { imm.wrapping_neg() } else { imm };
            Insn::AddImm32 { rd: rd_sp, rn, imm }
        }
        (Width::X, true) if subtract => Insn::SubsImm64 { rd, rn, imm },
        (Width::X, true) => Insn::AddsImm64 { rd, rn, imm },
        (Width::W, true) if subtract => Insn::SubsImm32 { rd, rn, imm },
        (Width::W, true) => Insn::AddsImm32 { rd, rn, imm },
    }
    .into()
}

fn tags_and_min_max(w: Word) -> Decoded {
    if !w.bit(22) {
        // ADDG, SUBG.
        let tags = w.bit(31) && !w.bit(29);
        return if tags {
            Decoded::NotImplemented("memory tagging")
        } else {
            Decoded::Unallocated
        };
    }
    // SMAX, UMAX, SMIN, UMIN.
    let min_max = w.bits(30, 29) == 0 && w.bits(21, 20) == 0;
    if min_max {
        Decoded::NotImplemented("CSSC")
    } else {
        Decoded::Unallocated
    }
}

/// `DecodeBitMasks` for logical immediates: `None` where the manual says UNDEFINED.
pub(super) fn bit_mask(n: u32, imms: u32, immr: u32) -> Option<u64> {
    let pattern = n << 6 | (!imms & 0x3f);
    if pattern < 2 {
        return None;
    }
    let size = 1u32 << (31 - pattern.leading_zeros());
    let levels = size - 1;
    let (ones, rotate) = (imms & levels, immr & levels);
    if ones == levels {
        return None;
    }
    let element = (1u64 << (ones + 1)) - 1;
    let mask = u64::MAX >> (64 - size);
    let rotated = if rotate == 0 {
        element
    } else {
        (element >> rotate | element << (size - rotate)) & mask
    };
    // Copies of the element fill the 64 bits.
    Some(rotated * (u64::MAX / mask))
}

fn logical(w: Word) -> Decoded {
    if !w.bit(31) && w.bit(22) {
        return Decoded::Unallocated;
    }
    let Some(imm) = bit_mask(w.bits(22, 22), w.bits(15, 10), w.bits(21, 16)) else {
        return Decoded::Unallocated;
    };
    let (rn, rd, rd_sp) = (w.rn(), w.rd(), w.rd_sp());
    let low = imm as u32;
    match (w.bits(30, 29), w.width()) {
        (0b00, Width::X) => Insn::AndImm { rd: rd_sp, rn, imm },
        (0b00, Width::W) => Insn::AndImm {
            rd: rd_sp,
            rn,
            imm: low.into(),
        },
        (0b01, Width::X) if rn == Reg::Zr => Insn::MovImm { rd: rd_sp, imm },
        (0b01, Width::W) if rn == Reg::Zr => Insn::MovImm {
            rd: rd_sp,
            imm: low.into(),
        },
        (0b01, Width::X) => Insn::OrrImm64 { rd: rd_sp, rn, imm },
        (0b01, Width::W) => Insn::OrrImm32 {
            rd: rd_sp,
            rn,
            imm: low,
        },
        (0b10, Width::X) => Insn::EorImm64 { rd: rd_sp, rn, imm },
        (0b10, Width::W) => Insn::EorImm32 {
            rd: rd_sp,
            rn,
            imm: low,
        },
        (_, Width::X) => Insn::AndsImm64 { rd, rn, imm },
        (_, Width::W) => Insn::AndsImm32 { rd, rn, imm: low },
    }
    .into()
}

fn move_wide(w: Word) -> Decoded {
    let width = w.width();
    let shift = w.bits(22, 21) * 16;
    if width == Width::W && shift > 16 {
        return Decoded::Unallocated;
    }
    let imm = w.bits(20, 5);
    let value = u64::from(imm) << shift;
    let rd = w.rd();
    match w.bits(30, 29) {
        0b00 if width == Width::W => Insn::MovImm {
            rd,
            imm: u64::from(!value as u32),
        },
        0b00 => Insn::MovImm { rd, imm: !value },
        0b10 => Insn::MovImm { rd, imm: value },
        0b11 => Insn::Movk {
            rd,
            source: w.rt(),
            width,
            shift: shift as u8,
            imm: imm as u16,
        },
        _ => return Decoded::Unallocated,
    }
    .into()
}

fn bitfield(w: Word) -> Decoded {
    let width = w.width();
    let (r, s) = (w.bits(21, 16), w.bits(15, 10));
    if w.bit(22) != w.bit(31) || (width == Width::W && (r > 31 || s > 31)) {
        return Decoded::Unallocated;
    }
    let size = if width == Width::X { 64 } else { 32 };
    let (rd, rn) = (w.rd(), w.rn());
    // Bits s..=0 go to the top of 64 bits, then down to where they belong: bit 0 if s >= r, else bit size - r.
    let left = 63 - s;
    let right = if s >= r { left + r } else { left - (size - r) };
    let (left, right) = (left as u8, right as u8);
    match w.bits(30, 29) {
        0b00 if width == Width::X && r == 0 && s == 31 => Insn::Sxtw { rd, rn },
        0b00 if width == Width::X => Insn::Sbfm64 { rd, rn, left, right },
        0b00 => Insn::Sbfm32 { rd, rn, left, right },
        0b01 => bfm(w, r, s, size),
        0b10 => ubfm(w, r, s, left, right),
        _ => return Decoded::Unallocated,
    }
    .into()
}

fn ubfm(w: Word, r: u32, s: u32, left: u8, right: u8) -> Insn {
    let (rd, rn) = (w.rd(), w.rn());
    match w.width() {
        Width::X if s == 63 => Insn::Lsr64 { rd, rn, by: r as u8 },
        Width::W if s == 31 => Insn::Lsr32 { rd, rn, by: r as u8 },
        Width::X if s + 1 == r => Insn::Lsl64 {
            rd,
            rn,
            by: (64 - r) as u8,
        },
        Width::W if s + 1 == r => Insn::Lsl32 {
            rd,
            rn,
            by: (32 - r) as u8,
        },
        _ if r == 0 => Insn::AndImm {
            rd,
            rn,
            imm: (1 << (s + 1)) - 1,
        },
        _ => Insn::Ubfm { rd, rn, left, right },
    }
}

fn bfm(w: Word, r: u32, s: u32, size: u32) -> Insn {
    let (lsb_from, lsb_to, width) = if s >= r {
        (r, 0, s - r + 1)
    } else {
        (0, size - r, s + 1)
    };
    Insn::Bfm {
        rd: w.rd(),
        source: w.rt(),
        rn: w.rn(),
        size: w.width(),
        lsb_from: lsb_from as u8,
        lsb_to: lsb_to as u8,
        width: width as u8,
    }
}

fn extract(w: Word) -> Decoded {
    let by = w.bits(15, 10);
    let too_far = !w.bit(31) && by > 31;
    if w.bits(30, 29) != 0 || w.bit(22) != w.bit(31) || w.bit(21) || too_far {
        return Decoded::Unallocated;
    }
    Insn::Extr {
        rd: w.rd(),
        rn: w.rn(),
        rm: w.rm(),
        width: w.width(),
        by: by as u8,
    }
    .into()
}
