//! Lockstep with an independent engine, in short: a few operand sets of every encoding run under qemu-aarch64 and here,
//! and everything must come out the same. `cargo xtask lockstep` is the long form (see `examples/lockstep.rs`).

mod campaign;

use arch::{Feature, Features};
use campaign::{Campaign, Subject, guest, open, subjects};
use cpu::encodings::Kind;
use cpu::{Decoded, Insn, decode_for};

/// Operand sets of each encoding.
const OPERANDS: usize = 20;

#[test]
fn every_encoding_does_the_same_under_qemu() {
    let Some(qemu) = guest::find_qemu() else {
        eprintln!("skipped: qemu-aarch64 not found");
        return;
    };
    let campaign = Campaign {
        qemu,
        seed: 1,
        operands: OPERANDS,
        subjects: subjects(),
        jobs: 2,
    };
    let report = campaign.run(|_, _| ());
    let sets: usize = report.classes.values().map(|tally| tally.sets).sum();
    let encodings: usize = report.classes.values().map(|tally| tally.encodings).sum();
    for line in report.lines.iter().take(20) {
        eprintln!("{line}");
    }
    assert!(report.died.is_empty(), "the emulator died: {:?}", report.died);
    assert!(
        report.lines.is_empty(),
        "{} of {sets} operand sets differ",
        report.lines.len()
    );
    assert_eq!(sets, encodings * OPERANDS, "every encoding was tried");
    let open = report.classes.values().flat_map(|tally| tally.open.keys());
    for why in open {
        assert!(
            open::LIST.iter().any(|(name, _)| name == why),
            "{why:?} is not explained"
        );
    }
    eprintln!("{encodings} encodings, {sets} operand sets, no difference");
}

/// A processor with fewer features has fewer instructions: just those that the emulator's Cortex-A72 has too.
#[test]
fn a_lesser_processor_lacks_the_same_encodings_as_qemu_s() {
    let Some(qemu) = guest::find_qemu() else {
        eprintln!("skipped: qemu-aarch64 not found");
        return;
    };
    let features = [
        Feature::Aes,
        Feature::Pmull,
        Feature::Sha1,
        Feature::Sha256,
        Feature::Crc32,
    ];
    let cortex_a72 = features.into_iter().fold(Features::NONE, Features::with);
    // LDLAR and STLLR are FEAT_LOR's, which no HWCAP tells: here every processor has them. The emulator reads
    // identification registers for every processor.
    let is_asked = |word: u32| word & 0x3fa0_8000 != 0x0880_0000 && word & 0xffff_0000 != 0xd538_0000;
    let words: Vec<u32> = subjects()
        .iter()
        .filter_map(|subject| match subject {
            // A branch of random offset may never come back.
            Subject::Encoding(encoding) if encoding.class.kind != Kind::Branch => Some(encoding.sample),
            _ => None,
        })
        .filter(|&word| is_asked(word))
        .collect();
    let runs = campaign::runs(&qemu, "cortex-a72", &words);
    assert_eq!(runs.len(), words.len(), "the emulator answered for each word");
    let mut lacking = 0;
    for (word, there) in words.into_iter().zip(runs) {
        let here = !matches!(
            decode_for(word, cortex_a72),
            Decoded::Insn(Insn::Undefined { .. })
        );
        assert_eq!(here, there, "{word:08x}: whether a Cortex-A72 has it");
        lacking += usize::from(!here);
    }
    assert!(lacking > 300, "{lacking}");
}
