//! Reductions of a register to one element (across lanes), and scalar pairwise operations.

use arch::Regs;

use super::Operation;
use super::float_lanes::{self, Precision, Shape, lane};
use super::fp::compare::{max, max_num, min, min_num};
use super::fp::{Env, Half, Single};
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
        (0b01100, _, false) => (Op::FloatMaxNumber, true),
        (0b01100, _, true) => (Op::FloatMinNumber, true),
        (0b01111, _, false) => (Op::FloatMax, true),
        (0b01111, _, true) => (Op::FloatMin, true),
        _ => return None,
    };
    let is_allocated = if is_float {
        // Four lanes of single precision; with U clear (FEAT_FP16) four or eight of half precision.
        !bit(word, 22) && (!bit(word, 29) || span == Span::FULL)
    } else {
        size.is_in(BHS) && (size != Size::S || span == Span::FULL)
    };
    is_allocated.then(|| {
        Operation::Across(Insn {
            op,
            size: if is_float && !bit(word, 29) { Size::H } else { size },
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
        (0b01100, _, false) => Op::MaxNumber,
        (0b01100, _, true) => Op::MinNumber,
        (0b01101, _, false) => Op::Add,
        (0b01111, _, false) => Op::Max,
        (0b01111, _, true) => Op::Min,
        _ => return None,
    };
    // With U clear: half precision (FEAT_FP16).
    let precision = match (bit(word, 29), bit(word, 22)) {
        (true, _) => Precision::in_word(word),
        (false, false) => Precision::Half,
        (false, true) => return None,
    };
    let shape = Shape::scalar(precision);
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
            Op::FloatMax => self.reduce_float([max::<Half>, max::<Single>], n, regs),
            Op::FloatMin => self.reduce_float([min::<Half>, min::<Single>], n, regs),
            Op::FloatMaxNumber => self.reduce_float([max_num::<Half>, max_num::<Single>], n, regs),
            Op::FloatMinNumber => self.reduce_float([min_num::<Half>, min_num::<Single>], n, regs),
        };
        self.rd.set(regs, u128::from(result));
    }

    /// By the first function in half precision, by the second in single precision.
    fn reduce_float(self, [half, single]: [Binary; 2], n: u128, regs: &mut Regs) -> u64 {
        let mut env = Env::of(regs);
        let mut lanes = [0; 8];
        let count = self
            .span
            .lanes(if self.size == Size::H { Size::H } else { Size::S }) as usize;
        let lanes = &mut lanes[..count];
        let f = if self.size == Size::H { half } else { single };
        for (index, lane) in (0..).zip(lanes.iter_mut()) {
            *lane = if self.size == Size::H {
                self::lane::<Half>(n, index)
            } else {
                self::lane::<Single>(n, index)
            };
        }
        let result = tree(lanes, f, &mut env);
        env.commit(regs);
        result
    }

    fn reduce(self, sign: Sign, n: u128, to: Size, f: fn(i128, i128) -> i128) -> u64 {
        let lanes = elements(self.size, sign.is_signed(), n).take(self.span.lanes(self.size) as usize);
        lanes.reduce(f).unwrap_or(0) as u64 & to.mask()
    }
}

/// An operation on two numbers.
type Binary = fn(u64, u64, &mut Env) -> u64;

/// Lanes two by two, then the results two by two: the order matters to which NaN wins.
fn tree(lanes: &[u64], f: Binary, env: &mut Env) -> u64 {
    match lanes {
        [] => 0,
        [one] => *one,
        _ => {
            let (low, high) = lanes.split_at(lanes.len() / 2);
            let (low, high) = (tree(low, f, env), tree(high, f, env));
            f(low, high, env)
        }
    }
}
