//! The list of encodings is complete: what the decoder accepts lies in a class, and in one of its encodings.

use std::collections::HashSet;

use cpu::encodings::{class_of, encodings, is_instruction};

fn next(at: &mut u64) -> u32 {
    *at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*at ^ *at >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 32) as u32
}

#[test]
fn no_instruction_is_outside_of_the_list() {
    let listed: HashSet<(u32, u32)> = encodings().iter().map(|e| (e.mask, e.value)).collect();
    let (mut at, mut instructions) = (1, 0);
    for _ in 0..3_000_000 {
        let word = next(&mut at);
        if !is_instruction(word) {
            continue;
        }
        instructions += 1;
        let class = class_of(word).unwrap_or_else(|| panic!("{word:08x} is in no class"));
        let mask = class.mask | class.opcode;
        assert!(
            listed.contains(&(mask, word & mask)),
            "{word:08x} is in no encoding of `{}`",
            class.name
        );
    }
    assert!(instructions > 500_000, "{instructions}");
}

#[test]
fn encodings_are_told_apart() {
    let all = encodings();
    let names: HashSet<&str> = all.iter().map(|e| e.class.name).collect();
    let classes: HashSet<&str> = cpu::encodings::CLASSES.iter().map(|class| class.name).collect();
    let keys: HashSet<(u32, u32)> = all.iter().map(|e| (e.mask, e.value)).collect();
    assert_eq!(keys.len(), all.len());
    let empty: Vec<&&str> = classes.difference(&names).collect();
    eprintln!(
        "{} encodings in {} classes; classes of extensions that are absent: {empty:?}",
        all.len(),
        names.len()
    );
}
