//! Lockstep with an independent engine: random instructions run under qemu-aarch64 and here, from the same state, and
//! the whole state must come out the same.
//!
//! A batch of words becomes one static ELF file ([`guest`]), so that one start of the emulator serves thousands of
//! words. Words come from the shapes of the encoding tables ([`shapes`]), registers from a seeded generator that likes
//! edge values ([`random`]). The default run is short; for a long one, and to repeat a failure:
//!
//! ```text
//! LOCKSTEP_SEED=7 LOCKSTEP_BATCHES=1000 cargo test -p cpu --test lockstep -- --nocapture
//! ```
//!
//! `LOCKSTEP_CLASS=name` keeps only the classes whose name contains it; `LOCKSTEP_SHOW=n` prints up to n differences.

#[path = "../common/mod.rs"]
mod common;

mod asm;
mod guest;
mod random;
mod shapes;

use arch::{Flags, Granule, Trap};
use common::Machine;
use cpu::{Decoded, decode};
use guest::{Outcome, State};
use random::Random;
use shapes::{CLASSES, Class};

/// Words in one run of the emulator.
const BATCH: usize = 4000;

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number"))
    })
}

/// One word and the state that it starts from.
struct Case {
    class: &'static Class,
    word: u32,
    before: State,
}

impl Case {
    fn new(class: &'static Class, random: &mut Random) -> Self {
        let word = class.word(random);
        Self {
            class,
            word,
            before: random.state(),
        }
    }
}

fn classes() -> Vec<&'static Class> {
    let wanted = std::env::var("LOCKSTEP_CLASS").unwrap_or_default();
    CLASSES
        .iter()
        .filter(|class| class.name.contains(&wanted))
        .collect()
}

/// Where the words of a batch are, one behind the other.
fn machine(cases: &[Case]) -> Machine {
    let words: Vec<u32> = cases.iter().map(|case| case.word).collect();
    Machine::with_code(Granule::K16, &words)
}

/// What a word turned out to be here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stepped {
    Done,
    Unallocated,
    NotImplemented,
}

/// Runs word `at` of the machine from its state.
fn run(machine: &mut Machine, at: usize, case: &Case) -> (Stepped, State) {
    let regs = &mut machine.regs;
    (regs.fpcr, regs.fpsr, regs.v) = (case.before.fpcr, case.before.fpsr, case.before.v);
    regs.flags = Flags::from_bits(case.before.nzcv);
    for (number, value) in case.before.x.into_iter().enumerate() {
        regs.set_x(number, value);
    }
    let pc = common::CODE + 4 * at as u64;
    regs.pc = pc;
    let stepped = match machine.run(1) {
        Trap::Budget => Stepped::Done,
        Trap::Undefined(word) if word == case.word => Stepped::Unallocated,
        Trap::NotImplemented(word) if word == case.word => Stepped::NotImplemented,
        other => panic!("{:08x}: {other:?}", case.word),
    };
    let regs = &machine.regs;
    assert_eq!(regs.pc, pc + if stepped == Stepped::Done { 4 } else { 0 });
    let mut after = case.before.clone();
    (after.fpcr, after.fpsr, after.nzcv, after.v) = (regs.fpcr, regs.fpsr, regs.flags.bits(), regs.v);
    for (number, value) in after.x.iter_mut().enumerate() {
        *value = regs.x(number);
    }
    (stepped, after)
}

/// One line for a difference, or nothing.
fn difference(case: &Case, here: &(Stepped, State), there: &(Outcome, State)) -> Option<String> {
    let ((stepped, ours), (outcome, after)) = (here, there);
    let what = match (outcome, stepped) {
        (Outcome::Undefined, Stepped::Done) => "undefined there, an instruction here".to_owned(),
        (Outcome::Undefined, _) => return None,
        (Outcome::Ran, Stepped::Done) => ours.difference(after)?,
        (Outcome::Ran, other) => format!("an instruction there, {other:?} here"),
        (other, _) => format!("{other:?} there"),
    };
    let [d, n, m, a] = [0, 5, 16, 10].map(|at| (case.word >> at & 31) as usize);
    let v = &case.before.v;
    Some(format!(
        "{:08x} {}: {what}; before v{d}={:032x} v{n}={:032x} v{m}={:032x} v{a}={:032x} fpcr={:08x} fpsr={:08x} nzcv={:x}",
        case.word,
        case.class.name,
        v[d],
        v[n],
        v[m],
        v[a],
        case.before.fpcr,
        case.before.fpsr,
        case.before.nzcv >> 28
    ))
}

#[test]
fn words_do_the_same_under_qemu() {
    let Some(qemu) = guest::find_qemu() else {
        eprintln!("skipped: qemu-aarch64 not found");
        return;
    };
    let (seed, batches) = (setting("LOCKSTEP_SEED", 1), setting("LOCKSTEP_BATCHES", 12));
    let show = setting("LOCKSTEP_SHOW", 1) as usize;
    let classes = classes();
    assert!(!classes.is_empty(), "LOCKSTEP_CLASS names no class");
    let (mut found, mut ran) = (0, 0);
    for batch in 0..batches {
        let mut random = Random::new(seed + batch);
        let cases: Vec<Case> = (0..BATCH)
            .map(|at| Case::new(classes[at % classes.len()], &mut random))
            .collect();
        let inputs = cases.iter().map(|case| (case.word, &case.before));
        let results = guest::run(&qemu, "cortex-a72", inputs).expect("the guest ends well");
        assert_eq!(
            results.len(),
            cases.len(),
            "seed {}: a result for each word",
            seed + batch
        );
        let mut machine = machine(&cases);
        for (at, (case, there)) in cases.iter().zip(&results).enumerate() {
            ran += usize::from(there.0 == Outcome::Ran);
            let here = run(&mut machine, at, case);
            if let Some(line) = difference(case, &here, there) {
                eprintln!("seed {}: {line}", seed + batch);
                found += 1;
                assert!(found < show, "the engines differ");
            }
        }
    }
    eprintln!("{ran} words ran alike, from {} batches of {BATCH}", batches);
    assert_eq!(found, 0, "the engines differ");
}

/// Words that the emulator (7.2) runs although the manual does not allocate them: half-precision reductions and pairwise
/// operations with size<0> set, and the half-precision FMOV immediate with op set.
fn emulator_is_lenient(word: u32) -> bool {
    const LENIENT: [(u32, u32); 3] = [
        (0xbf7e_0c00, 0x0e70_0800),
        (0xff7e_0c00, 0x5e70_0800),
        (0xbff8_fc00, 0x2f00_fc00),
    ];
    LENIENT.iter().any(|(mask, value)| word & mask == *value)
}

/// Words that are not of Armv8.0: the emulator's largest processor runs just those that some extension allocates.
#[test]
fn later_extensions_are_told_from_unallocated_words() {
    let Some(qemu) = guest::find_qemu() else {
        eprintln!("skipped: qemu-aarch64 not found");
        return;
    };
    let (seed, batches) = (setting("LOCKSTEP_SEED", 1), setting("LOCKSTEP_BATCHES", 12));
    let show = setting("LOCKSTEP_SHOW", 1) as usize;
    let classes = classes();
    let mut found = 0;
    for batch in 0..batches.div_ceil(4) {
        let mut random = Random::new(seed + batch);
        let cases = (0..).map(|at| Case::new(classes[at % classes.len()], &mut random));
        let cases: Vec<Case> = cases
            .filter(|case| !matches!(decode(case.word), Decoded::Insn(_)))
            .take(BATCH)
            .collect();
        let inputs = cases.iter().map(|case| (case.word, &case.before));
        // Version 7.2 aborts at a few words that nothing allocates.
        let Ok(results) = guest::run(&qemu, "max", inputs) else {
            eprintln!("seed {}: the emulator aborted", seed + batch);
            continue;
        };
        for (case, (outcome, _)) in cases.iter().zip(&results) {
            let (allocated, expected) = (
                decode(case.word) != Decoded::Unallocated,
                *outcome != Outcome::Undefined,
            );
            if allocated != expected && !emulator_is_lenient(case.word) {
                eprintln!(
                    "{:08x} {}: allocated: expected {expected}, got {allocated}",
                    case.word, case.class.name
                );
                found += 1;
                assert!(found < show, "the engines differ");
            }
        }
    }
}
