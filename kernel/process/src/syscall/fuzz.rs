//! Random system calls with arguments that are nearly right: whatever a program asks, the kernel answers, never
//! panics, and memory keeps its invariants.

use abi::nr;
use arch::{Bytes, Granule, Trap};
use proptest::prelude::*;

use crate::exec::tests::{Piece, WHOLE, craft};
use crate::{Bundled, Clock, Config, Kernel, Spawn, State};

/// Calls with an effect on the host that no test should have.
const LEFT_OUT: [usize; 1] = [nr::SYNC];

/// Numbers that mean something somewhere: descriptors, flags, sizes, addresses in and around one mapping.
const VALUES: [u64; 24] = [
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    16,
    17,
    24,
    0x22,
    0x32,
    100,
    4096,
    16384,
    65536,
    0x4111,
    0x1_0000_0000,
    1 << 46,
    (1 << 47) - 16384,
    1 << 63,
    u64::MAX - 4095,
    u64::MAX,
];
const AREA: u64 = 0x1000_0000;

#[derive(Clone, Debug)]
enum Argument {
    Value(usize),
    Address(u64),
}

fn argument() -> impl Strategy<Value = Argument> {
    prop_oneof![
        (0..VALUES.len()).prop_map(Argument::Value),
        (0u64..9, prop_oneof![Just(0u64), Just(8), Just(16380), Just(1)])
            .prop_map(|(page, inside)| Argument::Address(AREA + page * 16384 + inside)),
    ]
}

fn number() -> impl Strategy<Value = usize> {
    prop_oneof![
        3 => prop_oneof![
            Just(nr::MMAP), Just(nr::MUNMAP), Just(nr::MPROTECT), Just(nr::MREMAP), Just(nr::BRK), Just(nr::MADVISE),
            Just(nr::MINCORE), Just(nr::MSYNC), Just(nr::MLOCK), Just(nr::MUNLOCK), Just(nr::CLONE), Just(nr::PIPE2),
            Just(nr::READ), Just(nr::WRITE), Just(nr::MEMFD_CREATE), Just(nr::FTRUNCATE), Just(nr::PWRITE64),
        ],
        2 => 0..nr::COUNT,
    ]
}

fn kernel(granule: Granule) -> Kernel {
    let ram = ram::Ram::new(Bytes::new(8 << 20), granule).expect("host memory");
    let config = Config {
        seed: Some(1),
        programs: vec![Bundled {
            name: "t".to_owned(),
            bytes: craft(
                2,
                &[Piece {
                    memory_size: 0x1_0000,
                    ..WHOLE
                }],
                0x200,
            )
            .into(),
        }],
        ..Config::default()
    };
    Kernel::new(mm::Memory::new(ram), config, Clock::default())
}

fn run(granule: Granule, calls: &[(usize, Vec<Argument>)]) {
    let mut kernel = kernel(granule);
    let first = kernel
        .spawn(&Spawn {
            path: b"/pagewalk/t".to_vec(),
            args: vec![b"t".to_vec()],
            env: Vec::new(),
            working: b"/nonexistent".to_vec(),
        })
        .expect("a good program");
    // No descriptor of the host stays open.
    let begin = [
        (nr::CLOSE_RANGE, [0, u64::from(u32::MAX), 0, 0, 0, 0]),
        (nr::MMAP, [AREA, 8 * 16384, 3, 0x32, 0, 0]),
    ];
    let value = |argument: &Argument| match argument {
        Argument::Value(index) => VALUES[*index],
        Argument::Address(at) => *at,
    };
    let random = calls.iter().map(|(number, arguments)| {
        let mut values = [0; 6];
        for (slot, argument) in values.iter_mut().zip(arguments) {
            *slot = value(argument);
        }
        (*number, values)
    });
    let mut clock = Clock::default();
    for (number, values) in begin.into_iter().chain(random) {
        if LEFT_OUT.contains(&number) {
            continue;
        }
        clock.monotonic_ns += 1_000_000_000;
        kernel.advance(clock);
        let Some(pid) = kernel.next_task() else { break };
        assert_eq!(kernel.find(pid).map(|task| task.state), Some(State::Runnable));
        let (regs, _) = kernel.context(pid);
        regs.set_x(8, number as u64);
        for (n, value) in values.into_iter().enumerate() {
            regs.set_x(n, value);
        }
        kernel.handle(pid, Trap::Supervisor(0), clock);
        kernel.handle_if_runnable(pid, clock);
        for death in kernel.take_deaths() {
            assert!(!death.to_string().contains('\n'));
        }
    }
    if let Err(broken) = kernel.memory().check() {
        panic!("{broken:?}");
    }
    assert!(kernel.find(first).is_some() || kernel.init_exit().is_some());
}

impl Kernel {
    /// The end of a slice, if the task is still there to have one.
    fn handle_if_runnable(&mut self, pid: crate::Pid, clock: Clock) {
        if self.find(pid).is_some_and(|task| task.state == State::Runnable) {
            self.handle(pid, Trap::Budget, clock);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_calls_are_answered(
        granule in 0usize..3,
        calls in prop::collection::vec((number(), prop::collection::vec(argument(), 6)), 1..60),
    ) {
        run(Granule::ALL[granule], &calls);
    }
}
