//! Decoder of the "by element" classes: the operations are those of three same, three different and floating-point
//! lanes, with one element of Rm for all lanes.

use super::Operation;
use super::float_lanes::{self, Precision, Shape};
use super::lanes::{Size, Source, Span, V, bit, field};
use super::three_different;
use super::three_same::{self, Sign};

/// Which operation, and whether the scalar form exists.
enum Entry {
    Same(three_same::Op, bool),
    Long(three_different::Op, bool),
    Float(float_lanes::Op),
}

/// The key is opcode, U.
#[rustfmt::skip]
fn entry(word: u32) -> Option<Entry> {
    use three_different::Op as Long;
    use three_same::Op as Same;
    use float_lanes::Op as Float;
    let sign = Sign::in_word(word);
    Some(match (field(word, 12, 4), bit(word, 29)) {
        (0b0000, true) => Entry::Same(Same::MulAdd, false),
        (0b0001, false) => Entry::Float(Float::MulAdd),
        (0b0010, _) => Entry::Long(Long::MulAdd(sign), false),
        (0b0011, false) => Entry::Long(Long::SaturatingMulAdd, true),
        (0b0100, true) => Entry::Same(Same::MulSub, false),
        (0b0101, false) => Entry::Float(Float::MulSub),
        (0b0110, _) => Entry::Long(Long::MulSub(sign), false),
        (0b0111, false) => Entry::Long(Long::SaturatingMulSub, true),
        (0b1000, false) => Entry::Same(Same::Mul, false),
        (0b1001, false) => Entry::Float(Float::Mul),
        (0b1001, true) => Entry::Float(Float::ExtendedMul),
        (0b1010, _) => Entry::Long(Long::Mul(sign), false),
        (0b1011, false) => Entry::Long(Long::SaturatingMul, true),
        (0b1100, false) => Entry::Same(Same::DoublingMulHigh, true),
        (0b1101, false) => Entry::Same(Same::RoundingDoublingMulHigh, true),
        (0b1101, true) => Entry::Same(Same::RoundingDoublingMulHighAdd, true),
        (0b1111, true) => Entry::Same(Same::RoundingDoublingMulHighSub, true),
        // The element has four bytes.
        (0b1110, _) if Size::in_word(word) == Size::S => Entry::Same(Same::Dot(sign), false),
        _ => return None,
    })
}

pub(super) fn decode_vector(word: u32) -> Option<Operation> {
    decode(word, false)
}

pub(super) fn decode_scalar(word: u32) -> Option<Operation> {
    decode(word, true)
}

fn decode(word: u32, scalar: bool) -> Option<Operation> {
    match entry(word)? {
        Entry::Float(op) => float(word, op, scalar),
        Entry::Same(_, false) | Entry::Long(_, false) if scalar => None,
        Entry::Same(op, _) => {
            let (size, source, rm) = integer_element(word)?;
            Some(Operation::ThreeSame(three_same::Insn {
                op,
                size,
                span: if scalar {
                    Span::scalar(size)
                } else {
                    Span::vector(word)
                },
                source,
                rd: V::rd(word),
                rn: V::rn(word),
                rm,
            }))
        }
        Entry::Long(op, _) => {
            let (size, source, rm) = integer_element(word)?;
            Some(Operation::ThreeDifferent(three_different::Insn {
                op,
                size,
                span: if scalar { Span::scalar(size) } else { Span::HALF },
                high: !scalar && bit(word, 30),
                source,
                rd: V::rd(word),
                rn: V::rn(word),
                rm,
            }))
        }
    }
}

/// H: the index is H:L:M and Rm one of V0 to V15. S: the index is H:L.
fn integer_element(word: u32) -> Option<(Size, Source, V)> {
    let (h, l, m) = (field(word, 11, 1), field(word, 21, 1), field(word, 20, 1));
    match Size::in_word(word) {
        Size::H => {
            let index = h << 2 | l << 1 | m;
            Some((Size::H, Source::Element(index as u8), V::new(field(word, 16, 4))))
        }
        Size::S => Some((Size::S, Source::Element((h << 1 | l) as u8), V::rm(word))),
        Size::B | Size::D => None,
    }
}

/// H: the index is H:L:M and Rm one of V0 to V15. S: the index is H:L. D: it is H, and L must be 0.
fn float(word: u32, op: float_lanes::Op, scalar: bool) -> Option<Operation> {
    let (h, l, m) = (field(word, 11, 1), field(word, 21, 1), field(word, 20, 1));
    let (precision, index, rm) = match Size::in_word(word) {
        Size::B => (Precision::Half, h << 2 | l << 1 | m, V::new(field(word, 16, 4))),
        Size::S => (Precision::Single, h << 1 | l, V::rm(word)),
        Size::D if l == 0 => (Precision::Double, h, V::rm(word)),
        _ => return None,
    };
    let shape = if scalar {
        Shape::scalar(precision)
    } else {
        Shape::vector(precision, word)?
    };
    Some(Operation::FloatLanes(float_lanes::Insn {
        op,
        shape,
        source: Source::Element(index as u8),
        rd: V::rd(word),
        rn: V::rn(word),
        rm,
        ra: V::rd(word),
    }))
}
