//! Every encoding that the decoder accepts, enumerated: [`encodings`], over the manual's classes ([`CLASSES`]).
//!
//! A class has fixed bits, bits that choose an encoding in it, and operands. Which of the choices exist is not
//! written down a second time: the decoder is asked, so what it learns is enumerated too. A test holds that no word
//! outside of the classes decodes to an instruction, so nothing is forgotten. The lockstep test
//! (`tests/lockstep`) works through this list.

use crate::decode::{Decoded, decode};
use crate::insn::Insn;

/// What a class's instructions touch: how a test must choose operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Registers only.
    Plain,
    /// The program counter.
    Branch,
    /// Memory, by a base register in bits 9:5.
    Memory,
    /// Memory, relative to the program counter.
    Literal,
    /// System registers, hints, barriers.
    System,
    /// Cache maintenance by the address in Rt.
    Cache,
    /// Exceptions on purpose.
    Exception,
}

/// One table of the manual's encoding index (Arm ARM C4.1).
#[derive(Debug)]
pub struct Class {
    /// Its name, in lower case.
    pub name: &'static str,
    /// The bits that are the same in all of its words.
    pub mask: u32,
    /// Their values.
    pub value: u32,
    /// The bits that choose an encoding: opcodes, sizes, register banks. All other bits are operands.
    pub opcode: u32,
    /// What it touches.
    pub kind: Kind,
}

impl Class {
    /// Whether a word is in the class.
    pub fn holds(&self, word: u32) -> bool {
        word & self.mask == self.value
    }
}

/// An encoding: fixed bits, and the rest operands.
#[derive(Clone, Copy, Debug)]
pub struct Encoding {
    /// Its class.
    pub class: &'static Class,
    /// Bits that are fixed.
    pub mask: u32,
    /// Their values.
    pub value: u32,
    /// A word of it.
    pub sample: u32,
}

const fn class(name: &'static str, mask: u32, value: u32, opcode: u32, kind: Kind) -> Class {
    Class {
        name,
        mask,
        value,
        opcode,
        kind,
    }
}

/// Every class. A word belongs to the first that holds it.
#[rustfmt::skip]
pub const CLASSES: &[Class] = &[
    // Data processing, immediate.
    class("pc-relative", 0x1f00_0000, 0x1000_0000, 0x8000_0000, Kind::Plain),
    class("add, immediate", 0x1f80_0000, 0x1100_0000, 0xe040_0000, Kind::Plain),
    class("logical, immediate", 0x1f80_0000, 0x1200_0000, 0xe000_0000, Kind::Plain),
    class("move wide", 0x1f80_0000, 0x1280_0000, 0xe000_0000, Kind::Plain),
    class("bitfield", 0x1f80_0000, 0x1300_0000, 0xe040_0000, Kind::Plain),
    class("extract", 0x7fa0_0000, 0x1380_0000, 0x8040_0000, Kind::Plain),
    // Branches, exceptions, system.
    class("branch, conditional", 0xff00_0010, 0x5400_0000, 0x0000_000f, Kind::Branch),
    class("branch, immediate", 0x7c00_0000, 0x1400_0000, 0x8000_0000, Kind::Branch),
    class("branch, compare", 0x7e00_0000, 0x3400_0000, 0x8100_0000, Kind::Branch),
    class("branch, test", 0x7e00_0000, 0x3600_0000, 0x8100_0000, Kind::Branch),
    class("branch, register", 0xff9f_fc1f, 0xd61f_0000, 0x0060_0000, Kind::Branch),
    class("exception", 0xff00_0000, 0xd400_0000, 0x00e0_001f, Kind::Exception),
    class("hint", 0xffff_f01f, 0xd503_201f, 0x0000_0000, Kind::System),
    class("barrier", 0xffff_f01f, 0xd503_301f, 0x0000_00e0, Kind::System),
    class("system register", 0xffd0_0000, 0xd510_0000, 0x002f_ffe0, Kind::System),
    class("system instruction", 0xfff8_0000, 0xd508_0000, 0x0007_ffe0, Kind::Cache),
    // Loads and stores.
    class("structures", 0xbfbf_0000, 0x0c00_0000, 0x4040_fc00, Kind::Memory),
    class("structures, post-index", 0xbfa0_0000, 0x0c80_0000, 0x4040_fc00, Kind::Memory),
    class("structure of one lane", 0xbf9f_0000, 0x0d00_0000, 0x4060_e400, Kind::Memory),
    class("structure of one lane, post-index", 0xbf80_0000, 0x0d80_0000, 0x4060_e400, Kind::Memory),
    class("exclusive and ordered", 0x3f00_0000, 0x0800_0000, 0xc0e0_8000, Kind::Memory),
    class("ordered, unscaled", 0x3f20_0c00, 0x1900_0000, 0xc0c0_0000, Kind::Memory),
    class("literal", 0x3b00_0000, 0x1800_0000, 0xc400_0000, Kind::Literal),
    class("pair", 0x3a00_0000, 0x2800_0000, 0xc5c0_0000, Kind::Memory),
    class("register, small offset", 0x3b20_0000, 0x3800_0000, 0xc4c0_0c00, Kind::Memory),
    class("register, register offset", 0x3b20_0c00, 0x3820_0800, 0xc4c0_e000, Kind::Memory),
    class("atomic", 0x3b20_0c00, 0x3820_0000, 0xc4c0_f000, Kind::Memory),
    class("register, unsigned offset", 0x3b00_0000, 0x3900_0000, 0xc4c0_0000, Kind::Memory),
    // Data processing, register.
    class("logical, shifted", 0x1f00_0000, 0x0a00_0000, 0xe0e0_0000, Kind::Plain),
    class("add, shifted", 0x1f20_0000, 0x0b00_0000, 0xe0c0_0000, Kind::Plain),
    class("add, extended", 0x1fe0_0000, 0x0b20_0000, 0xe000_e000, Kind::Plain),
    class("add, carry", 0x1fe0_fc00, 0x1a00_0000, 0xe000_0000, Kind::Plain),
    class("conditional compare", 0x1fe0_0000, 0x1a40_0000, 0xe000_0c10, Kind::Plain),
    class("conditional select", 0x1fe0_0000, 0x1a80_0000, 0xe000_0c00, Kind::Plain),
    class("one source", 0x5fff_0000, 0x5ac0_0000, 0xa000_fc00, Kind::Plain),
    class("two sources", 0x5fe0_0000, 0x1ac0_0000, 0xa000_fc00, Kind::Plain),
    class("three sources", 0x1f00_0000, 0x1b00_0000, 0xe0e0_8000, Kind::Plain),
    // Cryptography.
    class("simd aes", 0xffff_cc00, 0x4e28_4800, 0x0000_3000, Kind::Plain),
    class("simd sha, three registers", 0xffe0_8c00, 0x5e00_0000, 0x0000_7000, Kind::Plain),
    class("simd sha, two registers", 0xffff_8c00, 0x5e28_0800, 0x0000_7000, Kind::Plain),
    class("simd polynomial", 0xbfe0_fc00, 0x0ee0_e000, 0x4000_0000, Kind::Plain),
    // Advanced SIMD scalar.
    class("simd scalar copy", 0xdfe0_8400, 0x5e00_0400, 0x2000_7800, Kind::Plain),
    class("simd scalar two registers, half", 0xdf7e_0c00, 0x5e78_0800, 0x2081_f000, Kind::Plain),
    class("simd scalar two registers", 0xdf3e_0c00, 0x5e20_0800, 0x20c1_f000, Kind::Plain),
    class("simd scalar pairwise", 0xdf3e_0c00, 0x5e30_0800, 0x20c1_f000, Kind::Plain),
    class("simd scalar three same, half", 0xdf60_c400, 0x5e40_0400, 0x2080_3800, Kind::Plain),
    class("simd scalar three same, extra", 0xdf20_8400, 0x5e00_8400, 0x20c0_7800, Kind::Plain),
    class("simd scalar three different", 0xdf20_0c00, 0x5e20_0000, 0x20c0_f000, Kind::Plain),
    class("simd scalar three same", 0xdf20_0400, 0x5e20_0400, 0x20c0_f800, Kind::Plain),
    class("simd scalar shift", 0xdf80_0400, 0x5f00_0400, 0x2040_f800, Kind::Plain),
    class("simd scalar by element", 0xdf00_0400, 0x5f00_0000, 0x20c0_f000, Kind::Plain),
    // Advanced SIMD vector.
    class("simd table", 0xbfe0_8c00, 0x0e00_0000, 0x4000_7000, Kind::Plain),
    class("simd interleave", 0xbf20_8c00, 0x0e00_0800, 0x40c0_7000, Kind::Plain),
    class("simd extract", 0xbfe0_8400, 0x2e00_0000, 0x4000_0000, Kind::Plain),
    class("simd copy", 0x9fe0_8400, 0x0e00_0400, 0x6000_7800, Kind::Plain),
    class("simd two registers, half", 0x9f7e_0c00, 0x0e78_0800, 0x6081_f000, Kind::Plain),
    class("simd two registers", 0x9f3e_0c00, 0x0e20_0800, 0x60c1_f000, Kind::Plain),
    class("simd across", 0x9f3e_0c00, 0x0e30_0800, 0x60c1_f000, Kind::Plain),
    class("simd three same, half", 0x9f60_c400, 0x0e40_0400, 0x6080_3800, Kind::Plain),
    class("simd three same, extra", 0x9f20_8400, 0x0e00_8400, 0x60c0_7800, Kind::Plain),
    class("simd three different", 0x9f20_0c00, 0x0e20_0000, 0x60c0_f000, Kind::Plain),
    class("simd three same", 0x9f20_0400, 0x0e20_0400, 0x60c0_f800, Kind::Plain),
    class("simd immediate", 0x9ff8_0400, 0x0f00_0400, 0x6000_f800, Kind::Plain),
    class("simd shift", 0x9f80_0400, 0x0f00_0400, 0x6040_f800, Kind::Plain),
    class("simd by element", 0x9f00_0400, 0x0f00_0000, 0x60c0_f000, Kind::Plain),
    // Scalar floating point.
    class("float fixed point", 0x7f20_0000, 0x1e00_0000, 0x80df_0000, Kind::Plain),
    class("float integer", 0x7f20_fc00, 0x1e20_0000, 0x80df_0000, Kind::Plain),
    class("float one source", 0xff20_7c00, 0x1e20_4000, 0x00df_8000, Kind::Plain),
    class("float compare", 0xff20_3c00, 0x1e20_2000, 0x00c0_c01f, Kind::Plain),
    class("float immediate", 0xff20_1fe0, 0x1e20_1000, 0x00c0_0000, Kind::Plain),
    class("float conditional compare", 0xff20_0c00, 0x1e20_0400, 0x00c0_0010, Kind::Plain),
    class("float two sources", 0xff20_0c00, 0x1e20_0800, 0x00c0_f000, Kind::Plain),
    class("float select", 0xff20_0c00, 0x1e20_0c00, 0x00c0_0000, Kind::Plain),
    class("float three sources", 0xff00_0000, 0x1f00_0000, 0x00e0_8000, Kind::Plain),
];

/// The class of a word, if it is in any.
pub fn class_of(word: u32) -> Option<&'static Class> {
    CLASSES.iter().find(|class| class.holds(word))
}

/// Whether the decoder makes an instruction of a word, other than one that is undefined on purpose.
pub fn is_instruction(word: u32) -> bool {
    matches!(decode(word), Decoded::Insn(insn) if !matches!(insn, Insn::Undefined { .. }))
}

/// Every encoding of every class, in the order of [`CLASSES`] and of the choosing bits.
pub fn encodings() -> Vec<Encoding> {
    let mut found = Vec::new();
    for class in CLASSES {
        for opcode in subsets(class.opcode & !class.mask) {
            let (mask, value) = (class.mask | class.opcode, class.value | opcode);
            // An earlier class's words are not this one's.
            let is_own = |word: u32| class_of(word).is_some_and(|first| std::ptr::eq(first, class));
            let sample = operands(!mask)
                .map(|operands| value | operands)
                .find(|&word| is_own(word) && is_instruction(word));
            if let Some(sample) = sample {
                found.push(Encoding {
                    class,
                    mask,
                    value,
                    sample,
                });
            }
        }
    }
    found
}

/// Every value of the bits of a mask.
fn subsets(mask: u32) -> impl Iterator<Item = u32> {
    let next = move |at: &u32| (*at != mask).then(|| at.wrapping_sub(mask) & mask);
    std::iter::successors(Some(0), next)
}

/// Values of operand bits to try: all of them while they are few; else ones, zeros, and some of everything. Should-be-one
/// register fields must be met, and immediates of which few values are valid.
fn operands(mask: u32) -> impl Iterator<Item = u32> {
    const TRIES: u32 = 4096;
    let few = mask.count_ones() <= 12;
    let all = subsets(if few { mask } else { 0 });
    let spread = (0..if few { 0 } else { TRIES }).map(move |at| {
        let bits = at.wrapping_mul(0x9e37_79b1) ^ at.wrapping_mul(0x85eb_ca77).rotate_left(15);
        // Half of the tries have ones in one or the other register field.
        let ones = [0, 31 << 10, 31 << 16, 31 << 10 | 31 << 16][at as usize & 3];
        (bits | ones) & mask
    });
    [mask, 0].into_iter().chain(all).chain(spread)
}
