//! What holds for every policy under any sequence of calls, with access flags as hardware has them.

use std::collections::{BTreeMap, BTreeSet};

use arch::FrameNum;
use policy::{Arrival, Kind, Name, Shadow};
use proptest::prelude::*;

const FRAMES: u32 = 24;

#[derive(Clone, Copy, Debug)]
enum Op {
    Insert {
        frame: u32,
        file: bool,
        shadow: bool,
        speculative: bool,
    },
    Remove(u32),
    Referenced(u32),
    /// The hardware sets access flags.
    Access(u32),
    Victim {
        restored: bool,
    },
    /// Nobody sleeps: every flag is set again as soon as it is cleared.
    VictimInTurmoil,
}

fn op() -> impl Strategy<Value = Op> {
    let frame = 0..FRAMES;
    prop_oneof![
        6 => (frame.clone(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(frame, file, shadow, speculative)| Op::Insert { frame, file, shadow, speculative }),
        2 => frame.clone().prop_map(Op::Remove),
        2 => frame.clone().prop_map(Op::Referenced),
        4 => frame.prop_map(Op::Access),
        3 => prop::bool::weighted(0.2).prop_map(|restored| Op::Victim { restored }),
        1 => Just(Op::VictimInTurmoil),
    ]
}

/// Runs a sequence; gives the evicted frames in order.
fn run(name: Name, ops: &[Op]) -> Vec<u32> {
    let mut policy = name.make(3);
    let mut held = BTreeMap::new();
    let mut flags = BTreeSet::new();
    let mut shadows: Vec<Shadow> = Vec::new();
    let mut evicted = Vec::new();
    for &op in ops {
        match op {
            Op::Insert {
                frame,
                file,
                shadow,
                speculative,
            } => {
                let frame = FrameNum::new(frame);
                let kind = if file { Kind::File } else { Kind::Anon };
                if held.contains_key(&frame) {
                    continue;
                }
                let shadow = if shadow { shadows.pop() } else { None };
                policy.insert(
                    frame,
                    Arrival {
                        kind,
                        shadow,
                        speculative,
                    },
                );
                held.insert(frame, kind);
            }
            Op::Remove(frame) => {
                policy.remove(FrameNum::new(frame));
                held.remove(&FrameNum::new(frame));
            }
            Op::Referenced(frame) => policy.referenced(FrameNum::new(frame)),
            Op::Access(frame) => {
                flags.insert(FrameNum::new(frame));
            }
            Op::Victim { restored } => {
                let mut looks = 0;
                let named = policy.victim(&mut |frame| {
                    looks += 1;
                    assert!(held.contains_key(&frame), "{name} asks about {frame}");
                    flags.remove(&frame)
                });
                assert_eq!(named.is_some(), !held.is_empty(), "{name} evicts when asked");
                assert!(looks <= 10 * FRAMES, "{name} looks at {looks} flags");
                let Some((frame, shadow)) = named else { continue };
                let kind = held.remove(&frame);
                let kind = kind.unwrap_or_else(|| panic!("{name} names {frame}, which it does not hold"));
                if restored {
                    policy.restore(frame, kind);
                    held.insert(frame, kind);
                } else {
                    evicted.push(frame.get());
                    shadows.push(shadow);
                }
            }
            Op::VictimInTurmoil => {
                let named = policy.victim(&mut |_| true);
                assert_eq!(named.is_some(), !held.is_empty());
                if let Some((frame, _)) = named {
                    assert!(held.remove(&frame).is_some());
                }
            }
        }
        assert_eq!(policy.len(), held.len(), "{name}");
        for frame in (0..FRAMES).map(FrameNum::new) {
            assert_eq!(policy.contains(frame), held.contains_key(&frame), "{name}");
        }
    }
    // Each frame is held once: it is named once.
    while let Some((frame, _)) = policy.victim(&mut |_| false) {
        assert!(
            held.remove(&frame).is_some(),
            "{name} names {frame} twice, or for nothing"
        );
    }
    assert!(held.is_empty(), "{name} forgot {held:?}");
    evicted
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn holds_each_once_and_names_only_what_it_holds(ops in prop::collection::vec(op(), 1..300)) {
        for name in Name::ALL {
            prop_assert_eq!(run(name, &ops), run(name, &ops), "same calls, same victims");
        }
    }
}
