//! Loads and stores (Arm ARM C4.1.94), but for the structures of Advanced SIMD, which [`super::structure`] has.

use arch::Reg;

use super::{Decoded, Word, register, structure};
use crate::insn::{AtomicOp, Insn, IntOp, Mode, PairOp, VecOp};

const TAGGING: Decoded = Decoded::NotImplemented("memory tagging");

pub(super) fn decode(w: Word) -> Decoded {
    let vector = w.bit(26);
    match (w.bits(29, 28), w.bit(24)) {
        (0b00, _) if vector => structure::decode(w),
        (0b00, false) => exclusive(w),
        (0b00, true) => Decoded::Unallocated,
        (0b01, false) => literal(w),
        (0b01, true) => ordered_and_tags(w),
        (0b10, _) => pair(w),
        (_, true) => unsigned_offset(w),
        (_, false) if w.bit(21) => match w.bits(11, 10) {
            0b00 => atomic(w),
            0b10 => register_offset(w),
            _ if w.bits(31, 30) == 3 && !vector => Decoded::NotImplemented("pointer authentication"),
            _ => Decoded::Unallocated,
        },
        _ => small_offset(w),
    }
}

/// Size and `opc` of the integer forms: an operation, `PRFM`, or nothing.
enum Integer {
    Op(IntOp),
    Prefetch,
    Unallocated,
}

fn integer(size: u32, opc: u32) -> Integer {
    Integer::Op(match (size, opc) {
        (0, 0) => IntOp::St8,
        (1, 0) => IntOp::St16,
        (2, 0) => IntOp::St32,
        (3, 0) => IntOp::St64,
        (0, 1) => IntOp::Ld8,
        (1, 1) => IntOp::Ld16,
        (2, 1) => IntOp::Ld32,
        (3, 1) => IntOp::Ld64,
        (0, 2) => IntOp::LdS8X,
        (1, 2) => IntOp::LdS16X,
        (2, 2) => IntOp::LdS32X,
        (0, 3) => IntOp::LdS8W,
        (1, 3) => IntOp::LdS16W,
        (3, 2) => return Integer::Prefetch,
        _ => return Integer::Unallocated,
    })
}

/// Size and `opc` of the SIMD&FP forms, with log2 of the bytes.
fn vector(size: u32, opc: u32) -> Option<(VecOp, u32)> {
    Some(match (size, opc) {
        (0, 0) => (VecOp::St8, 0),
        (1, 0) => (VecOp::St16, 1),
        (2, 0) => (VecOp::St32, 2),
        (3, 0) => (VecOp::St64, 3),
        (0, 1) => (VecOp::Ld8, 0),
        (1, 1) => (VecOp::Ld16, 1),
        (2, 1) => (VecOp::Ld32, 2),
        (3, 1) => (VecOp::Ld64, 3),
        (0, 2) => (VecOp::St128, 4),
        (0, 3) => (VecOp::Ld128, 4),
        _ => return None,
    })
}

/// The variant of its own that each operation has at an offset.
fn int_at(w: Word, op: IntOp, offset: i32) -> Insn {
    let rn = w.rn_sp();
    let (dst, src) = (w.rd(), w.rt());
    match op {
        IntOp::Ld8 => Insn::Ld8 { rt: dst, rn, offset },
        IntOp::Ld16 => Insn::Ld16 { rt: dst, rn, offset },
        IntOp::Ld32 => Insn::Ld32 { rt: dst, rn, offset },
        IntOp::Ld64 => Insn::Ld64 { rt: dst, rn, offset },
        IntOp::LdS8W => Insn::LdS8W { rt: dst, rn, offset },
        IntOp::LdS16W => Insn::LdS16W { rt: dst, rn, offset },
        IntOp::LdS8X => Insn::LdS8X { rt: dst, rn, offset },
        IntOp::LdS16X => Insn::LdS16X { rt: dst, rn, offset },
        IntOp::LdS32X => Insn::LdS32X { rt: dst, rn, offset },
        IntOp::St8 => Insn::St8 { rt: src, rn, offset },
        IntOp::St16 => Insn::St16 { rt: src, rn, offset },
        IntOp::St32 => Insn::St32 { rt: src, rn, offset },
        IntOp::St64 => Insn::St64 { rt: src, rn, offset },
    }
}

fn vec_at(w: Word, op: VecOp, offset: i32) -> Insn {
    let (rt, rn) = (w.vt(), w.rn_sp());
    match op {
        VecOp::Ld32 => Insn::LdVec32 { rt, rn, offset },
        VecOp::Ld64 => Insn::LdVec64 { rt, rn, offset },
        VecOp::Ld128 => Insn::LdVec128 { rt, rn, offset },
        VecOp::St32 => Insn::StVec32 { rt, rn, offset },
        VecOp::St64 => Insn::StVec64 { rt, rn, offset },
        VecOp::St128 => Insn::StVec128 { rt, rn, offset },
        _ => Insn::VecIndexed {
            op,
            rt,
            rn,
            mode: Mode::Offset,
            offset,
        },
    }
}

fn unsigned_offset(w: Word) -> Decoded {
    let (size, opc, imm) = (w.bits(31, 30), w.bits(23, 22), w.bits(21, 10));
    if w.bit(26) {
        return match vector(size, opc) {
            Some((op, scale)) => vec_at(w, op, (imm << scale) as i32).into(),
            None => Decoded::Unallocated,
        };
    }
    match integer(size, opc) {
        Integer::Op(op) => int_at(w, op, (imm << size) as i32).into(),
        Integer::Prefetch => Insn::Nop.into(),
        Integer::Unallocated => Decoded::Unallocated,
    }
}

/// Unscaled, post-index, unprivileged and pre-index, by bits 11:10. At EL0 the unprivileged forms are plain.
fn small_offset(w: Word) -> Decoded {
    let (size, opc, form) = (w.bits(31, 30), w.bits(23, 22), w.bits(11, 10));
    let offset = w.signed(20, 12);
    let mode = [Mode::Offset, Mode::Post, Mode::Offset, Mode::Pre][form as usize];
    let rn = w.rn_sp();
    if w.bit(26) {
        return match vector(size, opc) {
            Some(_) if form == 2 => Decoded::Unallocated,
            Some((op, _)) if mode == Mode::Offset => vec_at(w, op, offset).into(),
            Some((op, _)) => Insn::VecIndexed {
                op,
                rt: w.vt(),
                rn,
                mode,
                offset,
            }
            .into(),
            None => Decoded::Unallocated,
        };
    }
    match integer(size, opc) {
        Integer::Op(op) if mode == Mode::Offset => int_at(w, op, offset).into(),
        Integer::Op(op) => indexed(w, op, mode, offset).into(),
        Integer::Prefetch if form == 0 => Insn::Nop.into(),
        _ => Decoded::Unallocated,
    }
}

fn indexed(w: Word, op: IntOp, mode: Mode, offset: i32) -> Insn {
    let rn = w.rn_sp();
    let (dst, src) = (w.rd(), w.rt());
    match (op, mode) {
        (IntOp::Ld8, Mode::Post) => Insn::Ld8Post { rt: dst, rn, offset },
        (IntOp::Ld32, Mode::Post) => Insn::Ld32Post { rt: dst, rn, offset },
        (IntOp::Ld64, Mode::Post) => Insn::Ld64Post { rt: dst, rn, offset },
        (IntOp::St8, Mode::Post) => Insn::St8Post { rt: src, rn, offset },
        (IntOp::St32, Mode::Post) => Insn::St32Post { rt: src, rn, offset },
        (IntOp::St64, Mode::Post) => Insn::St64Post { rt: src, rn, offset },
        (IntOp::Ld8, Mode::Pre) => Insn::Ld8Pre { rt: dst, rn, offset },
        (IntOp::St64, Mode::Pre) => Insn::St64Pre { rt: src, rn, offset },
        _ => Insn::IntIndexed {
            op,
            dst,
            src,
            rn,
            mode,
            offset: offset as i16,
        },
    }
}

fn register_offset(w: Word) -> Decoded {
    let (size, opc) = (w.bits(31, 30), w.bits(23, 22));
    if !w.bit(14) {
        return Decoded::Unallocated;
    }
    let extend = register::extend(w.bits(15, 13));
    let (rn, rm, scaled) = (w.rn_sp(), w.rm(), w.bit(12));
    if w.bit(26) {
        return match vector(size, opc) {
            Some((op, scale)) => {
                let by = if scaled { scale as u8 } else { 0 };
                Insn::VecReg {
                    op,
                    rt: w.vt(),
                    rn,
                    rm,
                    extend,
                    by,
                }
                .into()
            }
            None => Decoded::Unallocated,
        };
    }
    let by = if scaled { size as u8 } else { 0 };
    let (dst, src) = (w.rd(), w.rt());
    let op = match integer(size, opc) {
        Integer::Op(op) => op,
        Integer::Prefetch => return Insn::Nop.into(),
        Integer::Unallocated => return Decoded::Unallocated,
    };
    let whole = matches!(extend, crate::insn::Extend::Uxtx | crate::insn::Extend::Sxtx);
    match op {
        IntOp::Ld8 if whole => Insn::Ld8Reg { rt: dst, rn, rm },
        IntOp::Ld32 if whole => Insn::Ld32Reg { rt: dst, rn, rm, by },
        IntOp::Ld64 if whole => Insn::Ld64Reg { rt: dst, rn, rm, by },
        IntOp::St8 if whole => Insn::St8Reg { rt: src, rn, rm },
        IntOp::St32 if whole => Insn::St32Reg { rt: src, rn, rm, by },
        IntOp::St64 if whole => Insn::St64Reg { rt: src, rn, rm, by },
        _ => Insn::IntReg {
            op,
            dst,
            src,
            rn,
            rm,
            extend,
            by,
        },
    }
    .into()
}

fn literal(w: Word) -> Decoded {
    let offset = w.signed(23, 5) << 2;
    let opc = w.bits(31, 30);
    if w.bit(26) {
        let op = match opc {
            0 => VecOp::Ld32,
            1 => VecOp::Ld64,
            2 => VecOp::Ld128,
            _ => return Decoded::Unallocated,
        };
        return Insn::VecLiteral {
            op,
            rt: w.vt(),
            offset,
        }
        .into();
    }
    let op = match opc {
        0 => IntOp::Ld32,
        1 => IntOp::Ld64,
        2 => IntOp::LdS32X,
        _ => return Insn::Nop.into(),
    };
    Insn::IntLiteral {
        op,
        rt: w.rd(),
        offset,
    }
    .into()
}

fn pair(w: Word) -> Decoded {
    let (opc, load, form) = (w.bits(31, 30), w.bit(22), w.bits(24, 23));
    let mode = [Mode::Offset, Mode::Post, Mode::Offset, Mode::Pre][form as usize];
    let (op, scale) = match (w.bit(26), opc, load) {
        (false, 0, true) => (PairOp::LdpW, 2),
        (false, 0, false) => (PairOp::StpW, 2),
        // There is no non-temporal LDPSW or STGP.
        (false, 1, _) if form == 0 => return Decoded::Unallocated,
        (false, 1, true) => (PairOp::Ldpsw, 2),
        (false, 1, false) => return TAGGING,
        (false, 2, true) => (PairOp::LdpX, 3),
        (false, 2, false) => (PairOp::StpX, 3),
        (true, 0, true) => (PairOp::LdpVS, 2),
        (true, 0, false) => (PairOp::StpVS, 2),
        (true, 1, true) => (PairOp::LdpVD, 3),
        (true, 1, false) => (PairOp::StpVD, 3),
        (true, 2, true) => (PairOp::LdpVQ, 4),
        (true, 2, false) => (PairOp::StpVQ, 4),
        _ => return Decoded::Unallocated,
    };
    let offset = (w.signed(21, 15) << scale) as i16;
    let rn = w.rn_sp();
    let field2 = w.bits(14, 10);
    let (dst, dst2) = (w.rd(), Reg::destination(field2));
    let (src, src2) = (w.rt(), Reg::source(field2));
    match (op, mode) {
        (PairOp::LdpX, Mode::Offset) => Insn::LdpX {
            rt: dst,
            rt2: dst2,
            rn,
            offset,
        },
        (PairOp::LdpX, Mode::Post) => Insn::LdpXPost {
            rt: dst,
            rt2: dst2,
            rn,
            offset,
        },
        (PairOp::StpX, Mode::Offset) => Insn::StpX {
            rt: src,
            rt2: src2,
            rn,
            offset,
        },
        (PairOp::StpX, Mode::Pre) => Insn::StpXPre {
            rt: src,
            rt2: src2,
            rn,
            offset,
        },
        _ => Insn::Pair {
            op,
            rt: w.vt(),
            rt2: field2 as u8,
            rn,
            mode,
            offset,
        },
    }
    .into()
}

const fn plain(size: u32, load: bool) -> IntOp {
    match (size, load) {
        (0, false) => IntOp::St8,
        (1, false) => IntOp::St16,
        (2, false) => IntOp::St32,
        (_, false) => IntOp::St64,
        (0, true) => IntOp::Ld8,
        (1, true) => IntOp::Ld16,
        (2, true) => IntOp::Ld32,
        (_, true) => IntOp::Ld64,
    }
}

/// Load/store exclusive, ordered, and compare and swap (bits 29:24 = 001000).
fn exclusive(w: Word) -> Decoded {
    let (size, load) = (w.bits(31, 30), w.bit(22));
    let bytes = 1 << size;
    let (rd, rt, rn, rs) = (w.rd(), w.rt(), w.rn_sp(), w.rs());
    let field2 = w.bits(14, 10);
    match (w.bit(23), w.bit(21)) {
        (false, false) if load => Insn::LoadExclusive { bytes, rt: rd, rn },
        (false, false) => Insn::StoreExclusive { bytes, rs, rt, rn },
        (false, true) if size >= 2 && load => Insn::LoadExclusivePair {
            bytes,
            rt: rd,
            rt2: Reg::destination(field2),
            rn,
        },
        (false, true) if size >= 2 => Insn::StoreExclusivePair {
            bytes,
            rs,
            rt,
            rt2: Reg::source(field2),
            rn,
        },
        (false, true) => {
            // CASP: pairs begin at even registers.
            if field2 != 31 || w.bit(16) || w.bit(0) {
                return Decoded::Unallocated;
            }
            Insn::Casp {
                bytes: 4 << size,
                rs: w.bits(20, 16) as u8,
                rt: w.vt(),
                rn,
            }
        }
        (true, false) => Insn::Ordered {
            op: plain(size, load),
            dst: rd,
            src: rt,
            rn,
            offset: 0,
        },
        (true, true) if field2 == 31 => Insn::Cas {
            bytes,
            rs: w.rm(),
            old: rs,
            rt,
            rn,
        },
        _ => return Decoded::Unallocated,
    }
    .into()
}

/// Bits 29:28 = 01 and bit 24 set: ordered accesses at an offset (FEAT_LRCPC2), and extensions that are absent.
fn ordered_and_tags(w: Word) -> Decoded {
    let size = w.bits(31, 30);
    match (w.bit(26), w.bit(21), w.bits(11, 10)) {
        (false, true, _) if size == 3 => TAGGING,
        (false, false, 0b00) => match integer(size, w.bits(23, 22)) {
            Integer::Op(op) => {
                let offset = w.signed(20, 12) as i16;
                Insn::Ordered {
                    op,
                    dst: w.rd(),
                    src: w.rt(),
                    rn: w.rn_sp(),
                    offset,
                }
                .into()
            }
            _ => Decoded::Unallocated,
        },
        // Copies, and sets up to the epilogue's options.
        (_, false, 0b01) if size == 0 && (w.bits(23, 22) < 3 || w.bits(15, 14) < 3) => {
            Decoded::NotImplemented("MOPS")
        }
        // Vector registers, then pairs.
        (true, false, 0b10) if !w.bit(23) || size == 0 => Decoded::NotImplemented("LRCPC3"),
        (false, false, 0b10) if size >= 2 && !w.bit(23) && w.bits(15, 13) == 0 => {
            Decoded::NotImplemented("LRCPC3")
        }
        _ => Decoded::Unallocated,
    }
}

fn atomic(w: Word) -> Decoded {
    let size = w.bits(31, 30);
    let (o3, opc) = (w.bit(15), w.bits(14, 12));
    if w.bit(26) {
        return Decoded::Unallocated;
    }
    let (acquire, release) = (w.bit(23), w.bit(22));
    let op = match (o3, opc) {
        (false, 0) => AtomicOp::Add,
        (false, 1) => AtomicOp::Clr,
        (false, 2) => AtomicOp::Eor,
        (false, 3) => AtomicOp::Set,
        (false, 4) => AtomicOp::Smax,
        (false, 5) => AtomicOp::Smin,
        (false, 6) => AtomicOp::Umax,
        (false, _) => AtomicOp::Umin,
        (true, 0) => AtomicOp::Swp,
        // LDAPR.
        (true, 4) if acquire && !release => {
            return Insn::Ordered {
                op: plain(size, true),
                dst: w.rd(),
                src: w.rt(),
                rn: w.rn_sp(),
                offset: 0,
            }
            .into();
        }
        (true, 1 | 2 | 3 | 5) if size == 3 && !acquire && !release => {
            return Decoded::NotImplemented("LS64");
        }
        (true, 1..=3) if size < 2 => return Decoded::NotImplemented("THE"),
        _ => return Decoded::Unallocated,
    };
    Insn::Atomic {
        op,
        bytes: 1 << size,
        rs: w.rm(),
        rt: w.rd(),
        rn: w.rn_sp(),
    }
    .into()
}
