//! Decoders of scalar floating-point data processing with one, two and three sources. The operations are lanes' (a
//! scalar is a vector of one): see [`float_lanes`], [`float_unary`] and [`float_convert`].

use super::Operation;
use super::float_lanes::{self, Op, Shape};
use super::float_unary::{self, Unary};
use super::fp::Rounding;
use super::lanes::{Source, V, bit, field};
use super::{copy, float_convert, float_unary::Mode};

/// The field `ptype`, bits 23:22.
pub(super) fn shape(word: u32) -> Option<Shape> {
    match field(word, 22, 2) {
        0 => Some(Shape::S1),
        1 => Some(Shape::D1),
        3 => Some(Shape::H1),
        _ => None,
    }
}

pub(super) fn decode_one_source(word: u32) -> Option<Operation> {
    let opcode = field(word, 15, 6);
    if opcode >> 2 == 1 {
        return float_convert::decode_precision(word);
    }
    let shape = shape(word)?;
    let op = match opcode {
        0b000000 => return Some(copy::scalar_move(word, shape.size())),
        0b000001 => Unary::Abs,
        0b000010 => Unary::Neg,
        0b000011 => Unary::Sqrt,
        0b001000..=0b001011 => Unary::Round(Mode::Fixed(Rounding::of(opcode))),
        0b001100 => Unary::Round(Mode::Fixed(Rounding::TieAway)),
        0b001110 => Unary::RoundExact,
        0b001111 => Unary::Round(Mode::Current),
        _ => return None,
    };
    Some(float_unary::insn(word, op, shape))
}

pub(super) fn decode_two_source(word: u32) -> Option<Operation> {
    let op = match field(word, 12, 4) {
        0 => Op::Mul,
        1 => Op::Div,
        2 => Op::Add,
        3 => Op::Sub,
        4 => Op::Max,
        5 => Op::Min,
        6 => Op::MaxNumber,
        7 => Op::MinNumber,
        8 => Op::NegatedMul,
        _ => return None,
    };
    Some(float_lanes::insn(
        word,
        op,
        shape(word)?,
        Source::Lanes,
        V::rd(word),
    ))
}

pub(super) fn decode_three_source(word: u32) -> Option<Operation> {
    let op = match (bit(word, 21), bit(word, 15)) {
        (false, false) => Op::MulAdd,
        (false, true) => Op::MulSub,
        (true, false) => Op::NegatedMulAdd,
        (true, true) => Op::NegatedMulSub,
    };
    let ra = V::new(field(word, 10, 5));
    Some(float_lanes::insn(word, op, shape(word)?, Source::Lanes, ra))
}
