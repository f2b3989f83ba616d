//! Cores with random damage: each is shown or refused, without a panic, a huge allocation or an endless loop.

use crate::build::{AARCH64, Made, X86_64};
use crate::made::saved;
use observe::corefile::CoreRoot;
use observe::render::{Options, report};
use procfs::Root;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Damage {
    Byte(prop::sample::Index, u8),
    /// A 64-bit word of the headers or the notes, where counts, sizes and addresses are.
    Word(prop::sample::Index, u64),
    Half(prop::sample::Index, u32),
    /// One header or note over another.
    Copy(prop::sample::Index, prop::sample::Index),
    Cut(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    let number = prop_oneof![
        any::<u64>(),
        Just(u64::MAX),
        Just(0),
        Just(i64::MAX as u64),
        0..0x9000_u64,
        Just(0x40_1000),
        Just(0x7fff_1000),
        Just(0xffff_ffff),
    ];
    prop_oneof![
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        6 => (at(), number.clone()).prop_map(|(at, word)| Damage::Word(at, word)),
        3 => (at(), number).prop_map(|(at, word)| Damage::Half(at, word as u32)),
        1 => (at(), at()).prop_map(|(from, to)| Damage::Copy(from, to)),
        1 => at().prop_map(Damage::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    // Memory begins at the third page at the latest: damage before it is what is read as structure.
    let structure = bytes.len().min(0x2000);
    let write = |bytes: &mut Vec<u8>, at: usize, value: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    };
    match damage {
        _ if structure < 64 => {}
        Damage::Byte(at, byte) => write(bytes, at.index(structure), &[*byte]),
        Damage::Word(at, word) => write(bytes, at.index(structure / 8) * 8, &word.to_le_bytes()),
        Damage::Half(at, half) => write(bytes, at.index(structure / 4) * 4, &half.to_le_bytes()),
        Damage::Copy(from, to) => {
            let from = from.index(structure / 8) * 8;
            let piece = bytes[from..bytes.len().min(from + 56)].to_vec();
            write(bytes, to.index(structure / 8) * 8, &piece);
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
    }
}

/// Everything that a tool would read.
fn look(core: &CoreRoot) -> Result<(), TestCaseError> {
    let mut out = Vec::new();
    let Ok(snapshot) = core.snapshot() else {
        return Ok(());
    };
    let regions = snapshot.regions.as_deref().unwrap_or_default();
    for pair in regions.windows(2) {
        prop_assert!(pair[0].end <= pair[1].start, "regions overlap");
    }
    observe::json::write(&snapshot, &mut out).unwrap();
    for verbose in [false, true] {
        let options = Options {
            verbose,
            ..Options::default()
        };
        report(&snapshot, &options, &mut out).unwrap();
    }
    let pid = core.pid();
    for region in regions.iter().take(20) {
        let mut bytes = [0; 64];
        for at in [region.start.0, region.end.0.wrapping_sub(32)] {
            if let Ok(read) = core.read_at(&format!("{pid}/mem"), at, &mut bytes) {
                prop_assert!(read > 0 && read <= 64);
            }
        }
    }
    for name in ["stat", "status", "cmdline", "comm", "auxv", "task/43/stat"] {
        let _ = core.read(&format!("{pid}/{name}"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_core_is_shown_or_refused(
        machine in prop::sample::select(vec![X86_64, AARCH64]),
        with_section in any::<bool>(),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let mut made = Made::small(machine);
        made.with_section = with_section;
        let mut bytes = made.bytes();
        damages.iter().for_each(|damage| apply(&mut bytes, damage));
        let (_dir, path) = saved(&bytes);
        match CoreRoot::open(&path) {
            Ok(core) => look(&core)?,
            Err(error) => prop_assert_eq!(error.to_string().lines().count(), 1),
        }
    }
}
