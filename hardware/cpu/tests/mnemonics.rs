//! What Debian's programs contain is implemented: every mnemonic that objdump finds in busybox, bash, python3.11,
//! redis, sqlite3, lua5.4, the C and C++ libraries, OpenSSL and the dynamic linker (`reference/machine.md`, section 5),
//! whether such programs were seen to execute it or not.

use arch::Features;
use cpu::{Decoded, Insn, decode_for};

/// A word and its source a line: at least one for each mnemonic, from GNU as 2.40.
const WORDS: &str = include_str!("mnemonics.txt");

#[test]
fn every_mnemonic_of_debian_s_programs_is_an_instruction() {
    let mut lacking = Vec::new();
    for line in WORDS.lines() {
        let (word, source) = line.split_once(' ').expect("a word and its source");
        let decoded = decode_for(
            u32::from_str_radix(word, 16).expect("hexadecimal"),
            Features::USUAL,
        );
        // UDF is undefined on purpose.
        let is_udf = source.starts_with("udf");
        let is_here =
            matches!(decoded, Decoded::Insn(insn) if is_udf == matches!(insn, Insn::Undefined { .. }));
        if !is_here {
            lacking.push(format!("{line}: {decoded:?}"));
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
    assert_eq!(WORDS.lines().count(), 234, "none was taken away");
}
