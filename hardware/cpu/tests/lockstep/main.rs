//! Lockstep with an independent engine, in short: a few operand sets of every encoding run under qemu-aarch64 and here,
//! and everything must come out the same. `cargo xtask lockstep` is the long form (see `examples/lockstep.rs`).

mod campaign;

use campaign::{Campaign, guest, subjects};

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
    assert!(report.lines.is_empty(), "{} of {sets} operand sets differ", report.lines.len());
    assert_eq!(sets, encodings * OPERANDS, "every encoding was tried");
    eprintln!("{encodings} encodings, {sets} operand sets, no difference");
}
