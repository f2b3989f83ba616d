//! Structure loads and stores of Advanced SIMD: LD1 to LD4, ST1 to ST4, LD1R to LD4R (Arm ARM C4.1.94).

use arch::Reg;

use super::{Decoded, Word};
use crate::insn::{Insn, Structure, Writeback};

pub(super) fn decode(w: Word) -> Decoded {
    let (post, single) = (w.bit(23), w.bit(24));
    // Without post-index, Rm is zero; bit 21 belongs to the single structures.
    if w.bit(31) || (!post && w.bits(20, 16) != 0) || (!single && w.bit(21)) {
        return Decoded::Unallocated;
    }
    let Some(shape) = (if single { lane(w) } else { multiple(w) }) else {
        return Decoded::Unallocated;
    };
    let writeback = match (post, w.bits(20, 16)) {
        (false, _) => Writeback::None,
        (true, 31) => Writeback::Bytes(shape.bytes()),
        (true, rm) => Writeback::Reg(Reg::source(rm)),
    };
    Insn::Structure {
        shape,
        load: w.bit(22),
        rt: w.vt(),
        rn: w.rn_sp(),
        writeback,
    }
    .into()
}

impl Structure {
    /// The bytes that it moves.
    pub const fn bytes(self) -> u8 {
        match self {
            Self::Multiple { selem, rpt, quad, .. } => selem * rpt * if quad { 16 } else { 8 },
            Self::Single { selem, scale, .. } | Self::Replicate { selem, scale, .. } => selem << scale,
        }
    }
}

fn multiple(w: Word) -> Option<Structure> {
    let (quad, scale) = (w.bit(30), w.bits(11, 10) as u8);
    let (selem, rpt) = match w.bits(15, 12) {
        0b0000 => (4, 1),
        0b0010 => (1, 4),
        0b0100 => (3, 1),
        0b0110 => (1, 3),
        0b0111 => (1, 1),
        0b1000 => (2, 1),
        0b1010 => (1, 2),
        _ => return None,
    };
    // There are no structures of one 64-bit lane a register.
    if scale == 3 && !quad && selem != 1 {
        return None;
    }
    Some(Structure::Multiple {
        selem,
        rpt,
        scale,
        quad,
    })
}

fn lane(w: Word) -> Option<Structure> {
    let selem = (w.bits(13, 13) << 1 | w.bits(21, 21)) as u8 + 1;
    let (q, s, size) = (w.bits(30, 30) as u8, w.bits(12, 12) as u8, w.bits(11, 10) as u8);
    let single = |index, scale| Some(Structure::Single { selem, index, scale });
    match w.bits(15, 14) {
        0 => single(q << 3 | s << 2 | size, 0),
        1 if size & 1 == 0 => single(q << 2 | s << 1 | size >> 1, 1),
        2 if size == 0 => single(q << 1 | s, 2),
        2 if size == 1 && s == 0 => single(q, 3),
        3 if w.bit(22) && s == 0 => Some(Structure::Replicate {
            selem,
            scale: size,
            quad: q == 1,
        }),
        _ => None,
    }
}
