//! The bundled programs with bytes changed, cut and repeated, as programs to run: each loads or is refused in one line.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::{Duration, Instant};

use arch::{Bytes, Granule};
use process::{Bundled, Clock, Config, Kernel, Spawn};
use proptest::prelude::*;

const PROGRAMS: [&str; 5] = ["adder", "beep", "heap", "pie", "vdso.so"];
/// The ELF header and its program headers: what a loader reads.
const HEADERS: usize = 64 + 56 * 8;

fn program(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guests/elf/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

/// One change: a value of so many bytes at a place.
#[derive(Clone, Copy, Debug)]
struct Change {
    at: usize,
    value: u64,
    size: usize,
}

fn change() -> impl Strategy<Value = Change> {
    let value = prop_oneof![
        any::<u64>(),
        0..10u64,
        (0..64u32).prop_map(|bit| 1 << bit),
        (0..64u32).prop_map(|bit| (1u64 << bit).wrapping_neg()),
        (0..64u32).prop_map(|bit| (1u64 << bit) - 1),
    ];
    let at =
        prop_oneof![1 => any::<usize>(), 6 => (0..HEADERS / 8).prop_map(|word| word * 8), 2 => 0..HEADERS];
    let size = prop::sample::select(vec![1, 2, 4, 8]);
    (at, value, size).prop_map(|(at, value, size)| Change { at, value, size })
}

/// Loads and runs nothing: whether it can be run, said in one line if not, and soon.
fn load(granule: Granule, bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let ram = ram::Ram::new(Bytes::new(8 << 20), granule).unwrap();
    let config = Config {
        seed: Some(bytes.len() as u64),
        programs: vec![Bundled {
            name: "t".to_owned(),
            bytes: bytes.into(),
        }],
        vdso: Some(program("vdso.so").into()),
        ..Config::default()
    };
    let mut kernel = Kernel::new(mm::Memory::new(ram), config, Clock::default());
    let began = Instant::now();
    let spawned = kernel.spawn(&Spawn {
        path: b"/pagewalk/t".to_vec(),
        args: vec![b"t".to_vec()],
        env: Vec::new(),
        working: b"/".to_vec(),
    });
    prop_assert!(began.elapsed() < Duration::from_secs(5));
    if let Err(error) = spawned {
        let text = error.to_string();
        prop_assert!(
            !text.is_empty() && !text.chars().any(char::is_control),
            "{text:?}"
        );
        prop_assert!([126, 127].contains(&error.status()));
    }
    let whole = kernel.memory().check();
    prop_assert!(whole.is_ok(), "{whole:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_spoilt_program_is_run_or_refused(
        granule in prop::sample::select(Granule::ALL.to_vec()),
        name in prop::sample::select(PROGRAMS.to_vec()),
        changes in prop::collection::vec(change(), 0..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = program(name);
        for Change { at, value, size } in changes {
            let at = at % (bytes.len() - 8);
            bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        load(granule, bytes)?;
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        load(Granule::K16, bytes)?;
    }
}

/// What a file says of its interpreter is shown without its control characters.
#[test]
fn a_refusal_steers_no_terminal() {
    load(Granule::K16, b"#!/\x1b[2J\x07\n".to_vec()).unwrap();
}

/// The unspoilt programs load in every page size, so that the test above tests more than the first check.
#[test]
fn the_programs_themselves_load() {
    for granule in Granule::ALL {
        for name in PROGRAMS {
            load(granule, program(name)).unwrap();
        }
    }
}
