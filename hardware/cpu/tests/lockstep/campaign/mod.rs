//! A campaign: every encoding, a number of operand sets of each, under qemu-aarch64 and here, from the same states.
//!
//! [`Campaign::run`] cuts the work into batches, each of which is one static ELF file ([`guest`]) and so one start of the
//! emulator. Cases ([`case`]) follow from the seed and the encoding alone, whatever else is tried. What may differ is in
//! [`open`].

pub(crate) mod asm;
pub(crate) mod case;
#[path = "../../common/mod.rs"]
mod common;
mod engine;
pub(crate) mod guest;
pub(crate) mod open;
mod random;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use arch::Granule;
use cpu::encodings::{CLASSES, Class, Encoding, Kind, encodings};

use case::{Case, Place};
use engine::Engine;
use guest::{Output, State};
use open::Open;
use random::Random;

/// Cases in one run of the emulator.
const BATCH: usize = 8000;
/// Cases of one subject that follow from one seed; batches hold a whole number of them.
const SHARE: usize = 500;
/// The emulator's processor: Armv8.2-A with half precision, as this one.
const MODEL: &str = "neoverse-n1";
/// The one that has everything: for encodings beyond [`MODEL`].
const LATER: &str = "max";

/// What is tried: an encoding, or a class's words that are no instructions.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    Encoding(Encoding),
    Undefined(&'static Class),
    /// Words of no class.
    Elsewhere,
}

impl Subject {
    /// The class's name.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Encoding(encoding) => encoding.class.name,
            Self::Undefined(class) => class.name,
            Self::Elsewhere => "everything else",
        }
    }

    /// A number of its own, from which its cases follow.
    fn key(&self) -> u64 {
        match self {
            Self::Encoding(encoding) => u64::from(encoding.value),
            Self::Undefined(class) => 1 << 32 | u64::from(class.value),
            Self::Elsewhere => 2 << 32,
        }
    }

    fn uses_memory(&self) -> bool {
        matches!(self, Self::Encoding(encoding) if matches!(encoding.class.kind, Kind::Memory | Kind::Cache))
    }

    /// Whether [`MODEL`] lacks it: LDAPUR and its kin.
    fn is_later(&self) -> bool {
        matches!(self, Self::Encoding(encoding) if encoding.class.name == "ordered, unscaled")
    }
}

/// Every subject, in the order of the classes.
pub(crate) fn subjects() -> Vec<Subject> {
    let mut subjects: Vec<Subject> = encodings()
        .into_iter()
        .filter(|encoding| open::operands(encoding.sample) != Some(Open::SupervisorCall))
        .map(Subject::Encoding)
        .collect();
    subjects.extend(CLASSES.iter().map(Subject::Undefined));
    subjects.push(Subject::Elsewhere);
    subjects
}

/// Whether the emulator's processor `model` has each word, other than as undefined.
#[allow(dead_code, reason = "the example does not ask")]
pub(crate) fn runs(qemu: &std::path::Path, model: &str, words: &[u32]) -> Vec<bool> {
    let state = Random::new(1).state();
    let inputs: Vec<guest::Input<'_>> = words.iter().map(|&word| ([asm::NOP, word], &state)).collect();
    let output = guest::run(qemu, model, &inputs, model);
    let after = output.map(|output| output.after).unwrap_or_default();
    after.iter().map(|state| state.signal != 4).collect()
}

/// What is to be done.
pub(crate) struct Campaign {
    pub(crate) qemu: PathBuf,
    pub(crate) seed: u64,
    /// Sets for each subject.
    pub(crate) operands: usize,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) jobs: usize,
}

/// What came of a class.
#[derive(Clone, Default, Debug)]
pub(crate) struct Tally {
    pub(crate) encodings: usize,
    pub(crate) sets: usize,
    /// Of them: ended by a signal on both sides.
    pub(crate) signals: usize,
    pub(crate) open: BTreeMap<Open, usize>,
    pub(crate) differences: usize,
    /// Of words that are no instructions.
    pub(crate) undefined: usize,
}

/// What came of everything: a tally for each class, and the first differences in words.
#[derive(Default, Debug)]
pub(crate) struct Report {
    pub(crate) classes: BTreeMap<&'static str, Tally>,
    pub(crate) lines: Vec<String>,
    /// Batches in which the emulator itself died, with how.
    pub(crate) died: Vec<String>,
}

/// A part of a subject: its cases from `from`, at most [`SHARE`].
#[derive(Clone, Copy)]
struct Share {
    subject: usize,
    from: usize,
    count: usize,
}

impl Campaign {
    /// Does all of it; `progress` is told how many batches of how many are done.
    pub(crate) fn run(&self, progress: impl Fn(usize, usize) + Sync) -> Report {
        let batches = self.batches();
        let report = Mutex::new(Report::default());
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            while let Some((number, batch)) = Some(next.fetch_add(1, Ordering::Relaxed))
                .and_then(|number| batches.get(number).map(|batch| (number, batch)))
            {
                self.batch(number, batch, &report);
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, batches.len());
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(work);
            }
        });
        let mut report = report.into_inner().expect("no worker died");
        for subject in &self.subjects {
            let tally = report.classes.entry(subject.class()).or_default();
            tally.encodings += usize::from(matches!(subject, Subject::Encoding(_)));
        }
        report.lines.sort();
        report
    }

    fn batches(&self) -> Vec<Vec<Share>> {
        let mut batches = Vec::new();
        for later in [false, true] {
            let (mut batch, mut room) = (Vec::new(), BATCH);
            for (subject, _) in self
                .subjects
                .iter()
                .enumerate()
                .filter(|(_, s)| s.is_later() == later)
            {
                let mut from = 0;
                while from < self.operands {
                    let count = room.min(self.operands - from).min(SHARE);
                    batch.push(Share { subject, from, count });
                    (from, room) = (from + count, room - count);
                    if room < SHARE {
                        batches.push(std::mem::take(&mut batch));
                        room = BATCH;
                    }
                }
            }
            if !batch.is_empty() {
                batches.push(batch);
            }
        }
        batches
    }

    fn cases(&self, batch: &[Share]) -> Vec<Case> {
        let total = batch.iter().map(|share| share.count).sum();
        let mut cases = Vec::with_capacity(total);
        for share in batch {
            let subject = &self.subjects[share.subject];
            let seed =
                self.seed.wrapping_mul(0x1_0000_01b3) ^ subject.key().rotate_left(20) ^ share.from as u64;
            let mut random = Random::new(seed);
            for _ in 0..share.count {
                let place = Place {
                    case: cases.len(),
                    cases: total,
                };
                cases.extend(match subject {
                    Subject::Encoding(encoding) => {
                        Some(case::of_encoding(share.subject, encoding, place, &mut random))
                    }
                    Subject::Undefined(class) => case::undefined(share.subject, class, &mut random),
                    Subject::Elsewhere => case::elsewhere(share.subject, &mut random),
                });
            }
        }
        cases
    }

    fn batch(&self, number: usize, batch: &[Share], report: &Mutex<Report>) {
        let cases = self.cases(batch);
        if cases.is_empty() {
            return;
        }
        self.try_cases(number, &cases, report);
    }

    /// Runs cases on both sides. The emulator aborts at a few words that are no instructions: those are found by halving.
    fn try_cases(&self, number: usize, cases: &[Case], report: &Mutex<Report>) {
        let subject = &self.subjects[cases[0].subject];
        let model = if subject.is_later() { LATER } else { MODEL };
        let inputs: Vec<_> = cases.iter().map(|case| (case.words, &case.before)).collect();
        let status = match guest::run(&self.qemu, model, &inputs, &number.to_string()) {
            Ok(output) => return self.compare(number, cases, &output, report),
            Err(status) => status,
        };
        let is_undefined = |case: &Case| !matches!(self.subjects[case.subject], Subject::Encoding(_));
        // They come last in a batch.
        let encodings = cases.iter().take_while(|case| !is_undefined(case)).count();
        if encodings == cases.len() {
            let line = format!("batch {number} ({}): {status}", subject.class());
            report.lock().expect("no worker died").died.push(line);
        } else if cases.len() > 1 {
            let (first, second) = cases.split_at(if encodings > 0 { encodings } else { cases.len() / 2 });
            self.try_cases(number, first, report);
            self.try_cases(number, second, report);
        } else {
            let mut report = report.lock().expect("no worker died");
            let tally = report.classes.entry(subject.class()).or_default();
            tally.undefined += 1;
            *tally.open.entry(Open::EmulatorAborts).or_default() += 1;
        }
    }

    fn compare(&self, number: usize, cases: &[Case], output: &Output, report: &Mutex<Report>) {
        let granule = [Granule::K4, Granule::K16, Granule::K64][number % 3];
        let mut engine = Engine::new(granule, &output.code);
        let mut mine = Report::default();
        for (at, (case, theirs)) in cases.iter().zip(&output.after).enumerate() {
            let subject = &self.subjects[case.subject];
            let mut ours = engine.run(at, case, subject.uses_memory());
            let tally = mine.classes.entry(subject.class()).or_default();
            match subject {
                Subject::Encoding(_) => tally.sets += 1,
                _ => tally.undefined += 1,
            }
            if let Some(why) = open::settle(case, &mut ours, theirs) {
                *tally.open.entry(why).or_default() += 1;
            }
            tally.signals += usize::from(theirs.signal != 0 && matches!(subject, Subject::Encoding(_)));
            if let Some(what) = difference(&ours, theirs) {
                tally.differences += 1;
                mine.lines.push(line(subject, case, &what));
            }
        }
        let mut report = report.lock().expect("no worker died");
        for (class, tally) in mine.classes {
            report.classes.entry(class).or_default().add(&tally);
        }
        report.lines.extend(mine.lines);
    }
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.sets += other.sets;
        self.signals += other.signals;
        self.differences += other.differences;
        self.undefined += other.undefined;
        for (why, count) in &other.open {
            *self.open.entry(*why).or_default() += count;
        }
    }
}

/// What differs first.
fn difference(ours: &State, theirs: &State) -> Option<String> {
    if ours.signal != theirs.signal {
        return Some(format!("signal: expected {}, got {}", theirs.signal, ours.signal));
    }
    let with_address = matches!(ours.signal, 7 | 11);
    if ours.pc != theirs.pc || with_address && ours.address != theirs.address {
        return Some(format!(
            "signal {} at {:#x} for {:#x} expected, got {:#x} for {:#x}",
            ours.signal, theirs.pc, theirs.address, ours.pc, ours.address
        ));
    }
    let vectors = (0..32).find(|&n| ours.v[n] != theirs.v[n]);
    if let Some(n) = vectors {
        return Some(format!(
            "v{n}: expected {:032x}, got {:032x}",
            theirs.v[n], ours.v[n]
        ));
    }
    let general = (0..31).find(|&n| ours.x[n] != theirs.x[n]);
    if let Some(n) = general {
        return Some(format!(
            "x{n}: expected {:016x}, got {:016x}",
            theirs.x[n], ours.x[n]
        ));
    }
    let rest = [
        ("sp", ours.sp, theirs.sp),
        ("nzcv", ours.nzcv.into(), theirs.nzcv.into()),
        ("fpcr", ours.fpcr.into(), theirs.fpcr.into()),
        ("fpsr", ours.fpsr.into(), theirs.fpsr.into()),
    ];
    if let Some((name, got, expected)) = rest.into_iter().find(|(_, got, expected)| got != expected) {
        return Some(format!("{name}: expected {expected:x}, got {got:x}"));
    }
    let byte = (0..guest::WATCHED_BYTES).find(|&at| ours.window[at] != theirs.window[at])?;
    Some(format!(
        "byte {byte} of the window: expected {:02x}, got {:02x}",
        theirs.window[byte], ours.window[byte]
    ))
}

fn line(subject: &Subject, case: &Case, what: &str) -> String {
    let word = case.words[1];
    let [d, n, m, a] = [0, 5, 16, 10].map(|at| case::field(word, at) as usize);
    let (v, x) = (&case.before.v, |n: usize| {
        case.before.x.get(n).copied().unwrap_or(case.before.sp)
    });
    let registers = [d, n, m].map(|n| format!("x{n}={:x}", x(n))).join(" ");
    let vectors = [d, n, m, a].map(|n| format!("v{n}={:032x}", v[n])).join(" ");
    let extra = if case.words[0] == asm::NOP {
        String::new()
    } else {
        format!(" after {:08x}", case.words[0])
    };
    let kind = match subject {
        Subject::Encoding(_) => "",
        _ => " (no instruction here)",
    };
    format!(
        "{:08x}{extra} {}{kind}: {what}; before {registers} {vectors} fpcr={:08x} fpsr={:08x} nzcv={:x}",
        word,
        subject.class(),
        case.before.fpcr,
        case.before.fpsr,
        case.before.nzcv >> 28
    )
}
