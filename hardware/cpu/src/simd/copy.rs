//! Moves of elements among vector registers and to and from general registers: DUP, INS, SMOV, UMOV, and FMOV between
//! a general and a vector register.

use arch::{Reg, Regs};

use super::Operation;
use super::lanes::{Size, Span, V, bit, field};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Insn {
    /// DUP of an element, to a vector or a scalar.
    DupElement {
        size: Size,
        index: u8,
        span: Span,
        rd: V,
        rn: V,
    },
    /// DUP of a general register; as a scalar, FMOV.
    DupGeneral { size: Size, span: Span, rd: V, rn: Reg },
    /// INS of a general register; the upper half is FMOV's.
    InsertGeneral { size: Size, index: u8, rd: V, rn: Reg },
    /// INS of an element.
    InsertElement {
        size: Size,
        index: u8,
        from: u8,
        rd: V,
        rn: V,
    },
    /// UMOV, and FMOV to a general register.
    ToGeneral { size: Size, index: u8, rd: Reg, rn: V },
    /// SMOV, to 32 or 64 bits.
    ToGeneralSigned {
        size: Size,
        index: u8,
        wide: bool,
        rd: Reg,
        rn: V,
    },
}

/// The element that imm5 names: the lowest one bit gives the size, the bits above it the index.
fn element(word: u32) -> Option<(Size, u8)> {
    let imm5 = field(word, 16, 5);
    let size = imm5.trailing_zeros();
    (size < 4).then(|| (Size::of(size), (imm5 >> (size + 1)) as u8))
}

pub(super) fn decode_vector(word: u32) -> Option<Operation> {
    let (size, index) = element(word)?;
    let (full, span) = (bit(word, 30), Span::vector(word));
    let (rd, rn) = (V::rd(word), V::rn(word));
    let (general_rd, general_rn) = (Reg::destination(word), Reg::source(word >> 5));
    let imm4 = field(word, 11, 4);
    let insn = match (bit(word, 29), imm4) {
        (false, 0b0000) if full || size != Size::D => Insn::DupElement {
            size,
            index,
            span,
            rd,
            rn,
        },
        (false, 0b0001) if full || size != Size::D => Insn::DupGeneral {
            size,
            span,
            rd,
            rn: general_rn,
        },
        (false, 0b0011) if full => Insn::InsertGeneral {
            size,
            index,
            rd,
            rn: general_rn,
        },
        (false, 0b0101) if size < if full { Size::D } else { Size::S } => Insn::ToGeneralSigned {
            size,
            index,
            wide: full,
            rd: general_rd,
            rn,
        },
        (false, 0b0111) if full == (size == Size::D) => Insn::ToGeneral {
            size,
            index,
            rd: general_rd,
            rn,
        },
        (true, _) if full => {
            let from = (imm4 >> size as u32) as u8;
            Insn::InsertElement {
                size,
                index,
                from,
                rd,
                rn,
            }
        }
        _ => return None,
    };
    Some(Operation::Copy(insn))
}

pub(super) fn decode_scalar(word: u32) -> Option<Operation> {
    let (size, index) = element(word)?;
    let is_dup = !bit(word, 29) && field(word, 11, 4) == 0;
    is_dup.then(|| {
        Operation::Copy(Insn::DupElement {
            size,
            index,
            span: Span::scalar(size),
            rd: V::rd(word),
            rn: V::rn(word),
        })
    })
}

/// FMOV between scalars: element 0, and zeros above it.
pub(super) fn scalar_move(word: u32, size: Size) -> Operation {
    Operation::Copy(Insn::DupElement {
        size,
        index: 0,
        span: Span::scalar(size),
        rd: V::rd(word),
        rn: V::rn(word),
    })
}

/// FMOV between a general and a vector register.
pub(super) fn decode_move(word: u32) -> Option<Operation> {
    let (size, index) = match (bit(word, 31), field(word, 22, 2), field(word, 19, 2)) {
        (false, 0, 0) => (Size::S, 0),
        (true, 1, 0) => (Size::D, 0),
        (true, 2, 1) => (Size::D, 1),
        (_, 3, 0) => (Size::H, 0),
        _ => return None,
    };
    let insn = match (bit(word, 16), index) {
        (false, _) => Insn::ToGeneral {
            size,
            index,
            rd: Reg::destination(word),
            rn: V::rn(word),
        },
        (true, 0) => Insn::DupGeneral {
            size,
            span: Span::scalar(size),
            rd: V::rd(word),
            rn: Reg::source(word >> 5),
        },
        (true, _) => Insn::InsertGeneral {
            size,
            index,
            rd: V::rd(word),
            rn: Reg::source(word >> 5),
        },
    };
    Some(Operation::Copy(insn))
}

impl Insn {
    #[inline(never)]
    pub(super) fn execute(self, regs: &mut Regs) {
        match self {
            Self::DupElement {
                size,
                index,
                span,
                rd,
                rn,
            } => {
                let result = size.repeat(size.element(rn.get(regs), index));
                rd.set(regs, span.of(result));
            }
            Self::DupGeneral { size, span, rd, rn } => {
                let result = size.repeat(regs.get(rn));
                rd.set(regs, span.of(result));
            }
            Self::InsertGeneral { size, index, rd, rn } => insert(size, index, regs.get(rn), rd, regs),
            Self::InsertElement {
                size,
                index,
                from,
                rd,
                rn,
            } => {
                insert(size, index, size.element(rn.get(regs), from), rd, regs);
            }
            Self::ToGeneral { size, index, rd, rn } => {
                let value = size.element(rn.get(regs), index);
                regs.set(rd, value);
            }
            Self::ToGeneralSigned {
                size,
                index,
                wide,
                rd,
                rn,
            } => {
                let up = 64 - size.bits();
                let value = ((size.element(rn.get(regs), index) << up) as i64 >> up) as u64;
                regs.set(rd, if wide { value } else { value & 0xffff_ffff });
            }
        }
    }
}

fn insert(size: Size, index: u8, element: u64, rd: V, regs: &mut Regs) {
    let at = (u32::from(index) * size.bits()) & 127;
    let mask = u128::from(size.mask()) << at;
    let value = rd.get(regs) & !mask | u128::from(element & size.mask()) << at;
    rd.set(regs, value);
}
