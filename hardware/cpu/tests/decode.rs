//! The decoder is total.

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
