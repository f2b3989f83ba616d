//! Reductions of a register to one element (across lanes), and scalar pairwise operations.

use arch::Regs;

use super::Operation;
use super::float_lanes::{self, Shape, lane};
use super::fp::compare::{max, max_num, min, min_num};
use super::fp::{Env, Format, Single};
use super::lanes::{BHS, Size, Source, Span, V, bit, elements, field};
use super::three_same::{self, Sign};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Add,
    /// The sum in an element twice as big.
    AddLong(Sign),
    Max(Sign),
    Min(Sign),
    FloatMax,
    FloatMin,
    FloatMaxNumber,
    FloatMinNumber,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Insn {
    op: Op,
    size: Size,
    span: Span,
    rd: V,
    rn: V,
}

pub(super) fn decode_vector(word: u32) -> Option<Operation> {
    let (size, span) = (Size::in_word(word), Span::vector(word));
    let sign = Sign::in_word(word);
    let (op, is_float) = match (field(word, 12, 5), bit(word, 29), bit(word, 23)) {
        (0b00011, _, _) => (Op::AddLong(sign), false),
        (0b01010, _, _) => (Op::Max(sign), false),
        (0b11010, _, _) => (Op::Min(sign), false),
        (0b11011, false, _) => (Op::Add, false),
        (0b01100, true, false) => (Op::FloatMaxNumber, true),
        (0b01100, true, true) => (Op::FloatMinNumber, true),
        (0b01111, true, false) => (Op::FloatMax, true),
        (0b01111, true, true) => (Op::FloatMin, true),
        _ => return None,
    };
    let is_allocated = if is_float {
        // Four lanes of single precision.
        !bit(word, 22) && span == Span::FULL
    } else {
        size.is_in(BHS) && (size != Size::S || span == Span::FULL)
    };
    is_allocated.then(|| {
        Operation::Across(Insn {
            op,
            size,
            span,
            rd: V::rd(word),
            rn: V::rn(word),
        })
    })
}

pub(super) fn decode_pairwise(word: u32) -> Option<Operation> {
    use float_lanes::Op;
    let op = match (field(word, 12, 5), bit(word, 29), bit(word, 23)) {
        (0b11011, false, true) if bit(word, 22) => return Some(pairwise_sum(word)),
        (0b01100, true, false) => Op::MaxNumber,
        (0b01100, true, true) => Op::MinNumber,
        (0b01101, true, false) => Op::Add,
        (0b01111, true, false) => Op::Max,
        (0b01111, true, true) => Op::Min,
        _ => return None,
    };
    let shape = Shape::scalar(bit(word, 22));
    Some(float_lanes::insn(
        word,
        op,
        shape,
        Source::ScalarPair,
        V::rd(word),
    ))
}

fn pairwise_sum(word: u32) -> Operation {
    Operation::ThreeSame(three_same::Insn {
        op: three_same::Op::Add,
        size: Size::D,
        span: Span::scalar(Size::D),
        source: Source::ScalarPair,
        rd: V::rd(word),
        rn: V::rn(word),
        rm: V::rn(word),
    })
}

impl Insn {
    #[inline(never)]
    pub(super) fn execute(self, regs: &mut Regs) {
        let n = self.rn.get(regs);
        let result = match self.op {
            Op::Add => self.reduce(Sign::Unsigned, n, self.size, |x, y| x + y),
            Op::AddLong(sign) => self.reduce(sign, n, self.size.double(), |x, y| x + y),
            Op::Max(sign) => self.reduce(sign, n, self.size, i128::max),
            Op::Min(sign) => self.reduce(sign, n, self.size, i128::min),
            Op::FloatMax => reduce_float(max::<Single>, n, regs),
            Op::FloatMin => reduce_float(min::<Single>, n, regs),
            Op::FloatMaxNumber => reduce_float(max_num::<Single>, n, regs),
            Op::FloatMinNumber => reduce_float(min_num::<Single>, n, regs),
        };
        self.rd.set(regs, u128::from(result));
    }

    fn reduce(self, sign: Sign, n: u128, to: Size, f: fn(i128, i128) -> i128) -> u64 {
        let lanes = elements(self.size, sign.is_signed(), n).take(self.span.lanes(self.size) as usize);
        lanes.reduce(f).unwrap_or(0) as u64 & to.mask()
    }
}

/// Four lanes, two by two: the order matters to which NaN wins.
fn reduce_float(f: fn(u64, u64, &mut Env) -> u64, n: u128, regs: &mut Regs) -> u64 {
    let mut env = Env::of(regs);
    let at = |index| lane::<Single>(n, index) & Single::MASK;
    let low = f(at(0), at(1), &mut env);
    let high = f(at(2), at(3), &mut env);
    let result = f(low, high, &mut env);
    env.commit(regs);
    result
}
