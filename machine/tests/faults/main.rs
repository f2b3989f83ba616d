//! Every swap read, swap write and frame allocation of a guest program made to fail in turn: what comes of it is the right result,
//! or the documented signal to the process that needed the page. Never wrong bytes, a panic, or a machine that hangs.
//!
//! A run without a failure counts the points; then each point is a run of its own. By default a few points of each kind are tried;
//! `cargo xtask faults` sets `PAGEWALK_FAULTS=all` and tries all of them in two page sizes. After every run all invariants of memory are
//! checked.

mod device;

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use arch::{Bytes, Granule};
use device::{Device, Trouble};
use machine::{Config, Machine, MachineError, Message};
use mm::{Memory, ReclaimConfig, SwapConfig};
use process::{Exit, Notice, Signal, Spawn};

/// The ways in which the guest `pressure` uses memory.
const MODES: [&str; 4] = ["walk", "fork", "shared", "calls"];

/// Points of one kind that are tried by default.
const FEW: u64 = 6;

/// A run takes about 50 ms.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is made to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Point {
    Nothing,
    Swap(Trouble),
    Frame(u64),
}

/// One run.
#[derive(Clone, Copy, Debug)]
struct Run {
    granule: Granule,
    mode: &'static str,
    compressed: bool,
    point: Point,
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Outcome {
    /// Exit status 0: every byte was as written.
    Right,
    /// SIGBUS to a process, with a notice that names the lost page.
    Bus,
    /// A process was killed for want of memory, with a report.
    OutOfMemory,
    /// A system call failed with an errno (ENOMEM of fork, EFAULT of a buffer).
    Refused,
    /// The first program could not be loaded: one line.
    NotLoaded,
}

/// Points of a run without a failure.
#[derive(Clone, Copy, Debug, Default)]
struct Points {
    reads: u64,
    writes: u64,
    frames: u64,
    written_pages: u64,
}

fn config(run: &Run) -> Config {
    let elf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/elf/pressure");
    Config {
        granule: run.granule,
        ram: Bytes::new(112 * run.granule.bytes()),
        policy: policy::Name::Clock,
        swap: machine::Swap::default(),
        kernel: process::Config {
            seed: Some(1),
            first_pid: 100,
            ..process::Config::default()
        },
        program: Spawn {
            path: elf.to_str().expect("a plain path").into(),
            args: vec![b"pressure".to_vec(), run.mode.into(), b"quiet".to_vec()],
            env: Vec::new(),
            working: b"/".to_vec(),
        },
        serve: false,
        debug: None,
    }
}

/// Runs the guest once.
///
/// # Panics
/// If the outcome is none of the documented ones.
fn run(run: Run) -> (Outcome, Points) {
    let config = config(&run);
    let ram = ram::Ram::new(config.ram, config.granule).expect("RAM of the host");
    let device = Rc::new(Device::new(
        run.granule.bytes(),
        match run.point {
            Point::Swap(trouble) => Some(trouble),
            Point::Nothing | Point::Frame(_) => None,
        },
    ));
    let swap = SwapConfig {
        device: Box::new(Rc::clone(&device)),
        name: "test".to_owned(),
        size: Bytes::new(1024 * run.granule.bytes()),
        key: [7; 32],
        compressed: Bytes::new(if run.compressed { 2048 } else { 0 }),
    };
    let mut memory = Memory::with_reclaim(
        ram.clone(),
        ReclaimConfig {
            swap: Some(swap),
            ..ReclaimConfig::default()
        },
    );
    memory.fail_frame(match run.point {
        Point::Frame(number) => Some(number),
        Point::Nothing | Point::Swap(_) => None,
    });
    let mut machine = match Machine::with_memory(config, ram, memory) {
        Ok(machine) => machine,
        Err(MachineError::Program(_)) => return (Outcome::NotLoaded, Points::default()),
        Err(error) => panic!("{run:?}: {error}"),
    };
    let (mut lost, mut killed) = (false, false);
    let exit = machine.run(|message| match message {
        Message::Notice(Notice::SwapFailed { .. }) => lost = true,
        Message::Notice(Notice::OutOfMemory(_)) => killed = true,
        Message::Death(death) => assert!(
            death.to_string().contains("SIGBUS") || death.to_string().contains("SIGKILL"),
            "{run:?}: {death}"
        ),
        other => panic!("{run:?}: {other:?}"),
    });
    let exit = exit.unwrap_or_else(|error| panic!("{run:?}: {error}"));
    let memory = machine.kernel().memory();
    memory
        .check()
        .unwrap_or_else(|broken| panic!("{run:?}: {broken}"));
    let points = Points {
        reads: device.reads(),
        writes: device.writes(),
        frames: memory.frame_attempts(),
        written_pages: memory.counters().pswpout,
    };
    let outcome = match exit {
        Exit::Code(0) => Outcome::Right,
        Exit::Code(3) => Outcome::Refused,
        Exit::Signal(Signal::BUS) if lost => Outcome::Bus,
        Exit::Signal(Signal::KILL) if killed => Outcome::OutOfMemory,
        Exit::Code(4) if lost => Outcome::Bus,
        Exit::Code(4) if killed => Outcome::OutOfMemory,
        other => panic!("{run:?}: {other:?}, a page lost: {lost}, killed for memory: {killed}"),
    };
    assert!(
        allowed(run.point).contains(&outcome),
        "{run:?}: {outcome:?} is not what is documented"
    );
    (outcome, points)
}

/// What each failure may lead to.
fn allowed(point: Point) -> &'static [Outcome] {
    use Outcome::{Bus, NotLoaded, OutOfMemory, Refused, Right};
    match point {
        Point::Nothing | Point::Swap(Trouble::Short | Trouble::Write(_)) => &[Right],
        // Enough writes that fail, and nothing can leave any more.
        Point::Swap(Trouble::WritesFrom(_)) => &[Right, OutOfMemory, Refused],
        Point::Swap(Trouble::Read(_) | Trouble::ReadsFrom(_) | Trouble::Flip { .. }) => {
            &[Right, Bus, Refused]
        }
        // What is flipped always is read back by these guests.
        Point::Swap(Trouble::FlipAll { .. }) => &[Bus, Refused],
        Point::Frame(_) => &[Right, OutOfMemory, Refused, NotLoaded],
    }
}

/// All runs, one after another in a thread of its own: one that hangs is noticed.
fn run_all(runs: Vec<Run>) -> BTreeMap<(String, Outcome), u64> {
    let total = runs.len();
    let shown = std::env::var_os("PAGEWALK_FAULTS").is_some();
    let (tell, results) = channel();
    let names: Vec<Run> = runs.clone();
    std::thread::spawn(move || {
        for one in runs {
            if tell.send(run(one).0).is_err() {
                return;
            }
        }
    });
    let mut counts = BTreeMap::new();
    let mut told = Instant::now();
    for (number, one) in names.iter().enumerate() {
        let outcome = next(&results, one);
        *counts.entry((kind(one.point), outcome)).or_default() += 1;
        if shown && told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            eprintln!("{} of {total} points", number + 1);
        }
    }
    counts
}

fn next(results: &Receiver<Outcome>, run: &Run) -> Outcome {
    match results.recv_timeout(PATIENCE) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => panic!("{run:?}: the machine hangs"),
        Err(RecvTimeoutError::Disconnected) => panic!("{run:?} failed: see above"),
    }
}

fn kind(point: Point) -> String {
    match point {
        Point::Nothing => "nothing".to_owned(),
        Point::Frame(_) => "frame allocation".to_owned(),
        Point::Swap(trouble) => trouble.kind().to_owned(),
    }
}

/// The numbers below `count` that are tried: all, or a few that lie far apart, the first and the last among them.
fn chosen(count: u64) -> Vec<u64> {
    let all = std::env::var_os("PAGEWALK_FAULTS").is_some_and(|value| value == "all");
    if all || count <= FEW {
        return (0..count).collect();
    }
    (0..FEW).map(|index| index * (count - 1) / (FEW - 1)).collect()
}

fn points_of(granule: Granule, mode: &'static str, compressed: bool) -> Vec<Run> {
    let at = |point| Run {
        granule,
        mode,
        compressed,
        point,
    };
    let (outcome, points) = run(at(Point::Nothing));
    assert_eq!(outcome, Outcome::Right);
    assert!(
        points.reads > 0 && points.writes > 0,
        "{mode} needs swap: {points:?}"
    );
    let mut runs = vec![at(Point::Swap(Trouble::Short))];
    let mut add = |numbers: Vec<u64>, point: fn(u64) -> Point| {
        runs.extend(numbers.into_iter().map(|number| at(point(number))));
    };
    add(chosen(points.frames), Point::Frame);
    add(chosen(points.reads), |number| Point::Swap(Trouble::Read(number)));
    add(chosen(points.writes), |number| {
        Point::Swap(Trouble::Write(number))
    });
    add(chosen(points.reads).into_iter().step_by(2).collect(), |number| {
        Point::Swap(Trouble::ReadsFrom(number))
    });
    add(chosen(points.writes).into_iter().step_by(2).collect(), |number| {
        Point::Swap(Trouble::WritesFrom(number))
    });
    // A byte of each written page in turn, in another place each time.
    add(chosen(points.written_pages), |number| {
        Point::Swap(Trouble::Flip {
            page: number,
            byte: number * 2_654_435_761,
        })
    });
    runs
}

#[test]
fn every_failure_of_swap_and_of_frames_has_a_documented_outcome() {
    let all = std::env::var_os("PAGEWALK_FAULTS").is_some_and(|value| value == "all");
    let mut runs = Vec::new();
    for mode in MODES {
        runs.extend(points_of(Granule::K16, mode, false));
        if all {
            runs.extend(points_of(Granule::K4, mode, false));
            runs.extend(points_of(Granule::K16, mode, true));
        }
    }
    let total = runs.len();
    let counts = run_all(runs);
    eprintln!("{total} points:");
    for ((kind, outcome), count) in &counts {
        eprintln!(
            "  {kind:<28} {outcome:<14} {count:>6}",
            outcome = format!("{outcome:?}")
        );
    }
    let seen = |wanted| counts.keys().any(|&(_, outcome)| outcome == wanted);
    assert!(
        seen(Outcome::Right) && seen(Outcome::Bus) && seen(Outcome::OutOfMemory),
        "the sweep reaches what it is for: {counts:?}"
    );
}

/// With one byte flipped in all that is written, whichever byte it is, no page ever comes back.
#[test]
fn a_flipped_byte_is_always_caught() {
    let all = std::env::var_os("PAGEWALK_FAULTS").is_some_and(|value| value == "all");
    let step = if all { 64 } else { 1_021 };
    let bytes = (0..Granule::K4.bytes())
        .step_by(step)
        .chain([Granule::K4.bytes() - 1]);
    let runs = bytes.map(|byte| Run {
        granule: Granule::K4,
        mode: "walk",
        compressed: false,
        point: Point::Swap(Trouble::FlipAll { byte }),
    });
    let counts = run_all(runs.collect());
    assert!(
        counts.keys().all(|&(_, outcome)| outcome == Outcome::Bus),
        "{counts:?}"
    );
}
