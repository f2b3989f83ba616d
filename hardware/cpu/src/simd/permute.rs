//! Rearrangement of lanes: ZIP, UZP, TRN, EXT, and table look-up TBL and TBX.

use arch::Regs;

use super::Operation;
use super::lanes::{Size, Span, V, bit, even_lanes, expand, field, unzip};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    /// UZP1 and UZP2: even or odd lanes.
    Unzip { odd: bool },
    /// ZIP1 and ZIP2: of the lower or the upper halves.
    Zip { upper: bool },
    /// TRN1 and TRN2.
    Transpose { odd: bool },
    /// EXT: the bits from this one on.
    Extract { from: u8 },
    /// TBL from this many registers.
    Look { registers: u8 },
    /// TBX: an index out of range leaves the lane.
    LookOrKeep { registers: u8 },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Insn {
    op: Op,
    size: Size,
    span: Span,
    rd: V,
    rn: V,
    rm: V,
}

fn insn(word: u32, op: Op) -> Operation {
    Operation::Permute(Insn {
        op,
        size: Size::in_word(word),
        span: Span::vector(word),
        rd: V::rd(word),
        rn: V::rn(word),
        rm: V::rm(word),
    })
}

pub(super) fn decode_interleave(word: u32) -> Option<Operation> {
    if Size::in_word(word) == Size::D && Span::vector(word) == Span::HALF {
        return None;
    }
    let second = bit(word, 14);
    let op = match field(word, 12, 2) {
        1 => Op::Unzip { odd: second },
        2 => Op::Transpose { odd: second },
        3 => Op::Zip { upper: second },
        _ => return None,
    };
    Some(insn(word, op))
}

pub(super) fn decode_extract(word: u32) -> Option<Operation> {
    let bytes = field(word, 11, 4) as u8;
    let is_allocated = field(word, 22, 2) == 0 && (bytes < 8 || bit(word, 30));
    is_allocated.then(|| insn(word, Op::Extract { from: bytes * 8 }))
}

pub(super) fn decode_table(word: u32) -> Option<Operation> {
    let registers = field(word, 13, 2) as u8 + 1;
    let op = if bit(word, 12) {
        Op::LookOrKeep { registers }
    } else {
        Op::Look { registers }
    };
    Some(insn(word, op))
}

impl Insn {
    #[inline(never)]
    pub(super) fn execute(self, regs: &mut Regs) {
        let (n, m) = (self.span.of(self.rn.get(regs)), self.span.of(self.rm.get(regs)));
        let result = match self.op {
            Op::Unzip { odd: false } => unzip(self.size, self.span, n, m).0,
            Op::Unzip { odd: true } => unzip(self.size, self.span, n, m).1,
            Op::Zip { upper } => self.zip(n, m, upper),
            Op::Transpose { odd } => self.transpose(n, m, odd),
            Op::Extract { from } => self.extract(n, m, u32::from(from)),
            Op::Look { registers } => self.look(registers, m, 0, regs),
            Op::LookOrKeep { registers } => self.look(registers, m, self.rd.get(regs), regs),
        };
        self.rd.set(regs, self.span.of(result));
    }

    fn zip(self, n: u128, m: u128, upper: bool) -> u128 {
        let down = if upper { self.span.bits() / 2 } else { 0 };
        let spread = |value: u128| expand(self.size, value >> down);
        spread(n) | spread(m) << self.size.bits()
    }

    fn transpose(self, n: u128, m: u128, odd: bool) -> u128 {
        let bits = self.size.bits();
        let even = even_lanes(self.size);
        if odd {
            n >> bits & even | m & even << bits
        } else {
            n & even | (m & even) << bits
        }
    }

    fn extract(self, n: u128, m: u128, from: u32) -> u128 {
        match from {
            0 => n,
            _ => n >> from | m << (self.span.bits() - from),
        }
    }

    fn look(self, registers: u8, indices: u128, otherwise: u128, regs: &Regs) -> u128 {
        let mut table = [0; 64];
        for (number, part) in (0..u32::from(registers)).zip(table.as_chunks_mut::<16>().0) {
            *part = self.rn.after(number).get(regs).to_le_bytes();
        }
        let table = table.get(..usize::from(registers) * 16).unwrap_or(&table);
        let mut lanes = otherwise.to_le_bytes();
        for (lane, index) in lanes.iter_mut().zip(indices.to_le_bytes()) {
            *lane = table.get(usize::from(index)).copied().unwrap_or(*lane);
        }
        u128::from_le_bytes(lanes)
    }
}
