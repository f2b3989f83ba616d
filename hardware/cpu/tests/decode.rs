//! The decoder is total, and agrees with GNU objdump about what is an instruction.

use cpu::{Decoded, decode};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn every_word_decodes_to_something(word in any::<u32>()) {
        let _ = decode(word);
    }
}

/// The top-level classes that are reserved or belong to extensions (Arm ARM C4.1).
#[test]
fn reserved_words_are_told_apart() {
    assert!(matches!(
        decode(0x0000_1234),
        Decoded::Insn(cpu::Insn::Undefined { word: 0x1234 })
    ));
    assert_eq!(decode(0x0001_0000), Decoded::Unallocated);
    assert_eq!(decode(0x0200_0000), Decoded::Unallocated);
    assert_eq!(decode(0x0420_0000), Decoded::NotImplemented("SVE"));
    assert_eq!(decode(0x8080_0000), Decoded::NotImplemented("SME"));
}

/// One word and its disassembly a line, of random words: one of each mnemonic, and undefined ones of each class
/// (aarch64-linux-gnu-objdump 2.40, `-D -b binary -maarch64`).
const SAMPLES: &str = include_str!("decode.txt");

#[test]
fn samples_are_what_objdump_says() {
    for line in SAMPLES.lines() {
        let (word, text) = line.split_once(' ').expect("a word and a text");
        let decoded = decode(u32::from_str_radix(word, 16).expect("hexadecimal"));
        let expected = text != "undefined";
        assert_eq!(
            matches!(decoded, Decoded::Insn(_)),
            expected,
            "{line}: {decoded:?}"
        );
        assert_eq!(decoded == Decoded::Unallocated, !expected, "{line}: {decoded:?}");
    }
}

/// Encodings beside allocated ones that the manual leaves out, each with the rule that does.
#[test]
fn holes_in_the_tables_are_unallocated() {
    let rows: &[(u32, &str)] = &[
        (0x0b00_8000, "add w: shift amount 32"),
        (0x8bc0_0000, "add: shift by ror"),
        (0x8b20_1400, "add: extended by more than 4"),
        (0x1200_fc00, "and w: all ones"),
        (0x1240_0000, "and w: N set"),
        (0x9240_fc00, "and x: all ones"),
        (0x1240_0000, "bit mask of 64 bits in 32"),
        (0x5380_8000, "extr w: 32"),
        (0x1380_8000, "extr w: 32"),
        (0x9380_0000, "extr x: N clear"),
        (0x3280_0000, "move wide, opc 01"),
        (0x5340_0000, "ubfm w: N set"),
        (0x5320_0000, "ubfm w: immr 32"),
        (0x52c0_0000, "movz w, lsl 32"),
        (0x3a40_0010, "ccmn: o3"),
        (0x1a80_0800, "csel: op2 10"),
        (0x1ac0_4c00, "crc32x in 32 bits"),
        (0x9ac0_4000, "crc32b in 64 bits"),
        (0x5ac0_0c00, "rev64 in 32 bits"),
        (0x1b20_0000, "smaddl in 32 bits"),
        (0x9b40_8000, "smulh with o0"),
        (0xe940_0000, "ldp, opc 11"),
        (0x6840_0000, "non-temporal ldpsw"),
        (0xb8c0_0000, "ldurs of 32 bits to 32"),
        (0xf8c0_0000, "opc 11 of 64 bits"),
        (0xf880_0400, "prfm, post-index"),
        (0xf880_0800, "prfm, unprivileged"),
        (0x3c00_0800, "unprivileged SIMD&FP"),
        (0xf820_0800, "register offset, option 000"),
        (0x7d80_0000, "SIMD&FP of opc 10 and 16 bits"),
        (0xdc00_0000, "literal SIMD&FP, opc 11"),
        (0x0c00_1000, "structure opcode 0001"),
        (0x0c00_8c00, "st2 of .1d"),
        (0x0d00_4400, "lane of 16 bits with size 01"),
        (0x0d00_c000, "st1r"),
        (0x0821_7c01, "casp of odd registers"),
        (0x4820_0000, "casp without ones"),
        (0xd61e_0000, "br, op2 not all ones"),
        (0xd61f_0001, "br, op4"),
        (0xd400_0000, "exception, LL 00"),
        (0xd400_0005, "exception, op2"),
        (0x5500_0000, "conditional branch, o1"),
    ];
    for &(word, rule) in rows {
        assert_eq!(decode(word), Decoded::Unallocated, "{word:08x}: {rule}");
    }
}
