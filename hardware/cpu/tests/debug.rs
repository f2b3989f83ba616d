//! Breakpoints, watchpoints and single steps: a run ends before the instruction, and nothing else is different.

mod common;

use arch::{Access, Asid, Fault, FaultCause, Granule, Trap, VirtAddr};
use common::{CODE, DATA, Machine};
use mmu::Watch;

const NOP: u32 = 0xd503_201f;
const SVC: u32 = 0xd400_0001;
const ADD_X0_1: u32 = 0x9100_0400; // add x0, x0, #1
const LOOP: [u32; 4] = [
    ADD_X0_1,
    0xf100_2c1f, // cmp x0, #11
    0x54ff_ffc1, // b.ne -8
    SVC,
];

fn debug(address: u64, access: Access) -> Trap {
    Trap::Abort(Fault {
        address: VirtAddr::new(address),
        access,
        cause: FaultCause::Debug,
    })
}

fn asid(machine: &Machine) -> Asid {
    machine.space().asid
}

fn watch(address: u64, length: u64, reads: bool, writes: bool) -> Watch {
    Watch {
        address,
        length,
        reads,
        writes,
    }
}

/// In the middle of a block, and at its head; set after the code has run; taken away again.
#[test]
fn a_run_ends_before_a_breakpoint() {
    let mut machine = Machine::with_code(Granule::K16, &LOOP);
    assert_eq!(machine.run(4), Trap::Budget);
    let (here, retired) = (machine.regs.pc, machine.cpu.retired());
    assert_eq!((here, retired), (CODE + 4, 4));
    for at in [CODE + 8, CODE] {
        let asid = asid(&machine);
        machine.cpu.set_breakpoints(asid, &[at]);
        assert_eq!(machine.run(100), debug(at, Access::Execute));
        assert_eq!(machine.regs.pc, at);
        assert_eq!(
            machine.run(100),
            debug(at, Access::Execute),
            "it does not go away by itself"
        );
        machine.cpu.set_breakpoints(asid, &[]);
        assert_eq!(machine.run(1), Trap::Budget);
    }
    assert_eq!(machine.run(100), Trap::Supervisor(0));
    assert_eq!(machine.regs.x(0), 11);
    assert_eq!(machine.cpu.retired(), 3 * 11 + 1, "as many as without stops");
}

/// The same code page in another address space is not stopped.
#[test]
fn a_breakpoint_is_of_one_address_space() {
    let mut machine = Machine::with_code(Granule::K4, &LOOP);
    let other = Asid::new(asid(&machine).get() + 1);
    machine.cpu.set_breakpoints(other, &[CODE, CODE + 4]);
    assert_eq!(machine.run(100), Trap::Supervisor(0));
    let asid = asid(&machine);
    machine.regs.pc = CODE;
    machine.cpu.set_breakpoints(asid, &[CODE + 4]);
    assert_eq!(machine.run(100), debug(CODE + 4, Access::Execute));
}

/// Stepping through a pair of exclusives must not break them.
#[test]
fn steps_keep_the_exclusive_monitor() {
    let code = [
        0xc85f_7c20, // ldxr x0, [x1]
        ADD_X0_1,
        0xc802_7c20, // stxr w2, x0, [x1]
        SVC,
    ];
    let mut machine = Machine::with_code(Granule::K16, &code);
    machine.regs.set_x(1, DATA);
    machine.regs.set_x(2, 7);
    for _ in 0..3 {
        let Machine { cpu, mmu, regs, .. } = &mut machine;
        assert_eq!(cpu.run_on(regs, mmu, 1), Trap::Budget);
    }
    assert_eq!(machine.regs.x(2), 0, "the store was made");
    machine.regs.pc = CODE;
    machine.regs.set_x(2, 7);
    for _ in 0..3 {
        assert_eq!(machine.run(1), Trap::Budget);
    }
    assert_eq!(
        machine.regs.x(2),
        1,
        "a run of its own begins with the monitor open"
    );
}

/// Every way to memory, byte exact, also where the page was in the fast table before, and nothing is changed.
#[test]
fn an_access_to_a_watched_byte_is_not_made() {
    let rows: [(u32, u64, u64, Access); 8] = [
        (0xf900_0022, 0, 8, Access::Write),  // str x2, [x1]
        (0xf940_0022, 0, 8, Access::Read),   // ldr x2, [x1]
        (0x3900_1022, 4, 1, Access::Write),  // strb w2, [x1, #4]
        (0xa900_0c22, 0, 16, Access::Write), // stp x2, x3, [x1]
        (0xa940_0c22, 0, 16, Access::Read),  // ldp x2, x3, [x1]
        (0x3d80_0020, 0, 16, Access::Write), // str q0, [x1]
        (0x4c00_0020, 0, 16, Access::Write), // st4 {v0.16b-v3.16b}, [x1]: 64 bytes
        (0xf822_0024, 0, 8, Access::Write),  // ldadd x2, x4, [x1]
    ];
    for (word, offset, size, access) in rows {
        for warm in [false, true] {
            let mut machine = Machine::with_code(Granule::K4, &[NOP, word, SVC]);
            let asid = asid(&machine);
            machine.regs.set_x(1, DATA + 64);
            machine.regs.set_x(2, 0x0101_0101_0101_0101);
            machine.regs.set_x(3, 0x0202_0202_0202_0202);
            machine.regs.v[0] = u128::MAX;
            if warm {
                assert_eq!(machine.run(10), Trap::Supervisor(0), "{word:08x}");
                machine.regs.pc = CODE;
                machine.regs.set_x(2, 0x0303_0303_0303_0303);
            }
            let before = machine.regs.clone();
            let first = DATA + 64 + offset;
            let (reads, writes) = (access == Access::Read, access == Access::Write);
            // The neighbours on both sides, and the wrong kind, stop nothing.
            machine.mmu.set_watches(
                asid,
                &[
                    watch(first - 1, 1, true, true),
                    watch(first + size.max(64), 1, true, true),
                ],
            );
            assert_eq!(machine.run(10), Trap::Supervisor(0), "{word:08x}: a neighbour");
            machine.regs = before.clone();
            machine
                .mmu
                .set_watches(asid, &[watch(first + size - 1, 1, reads, writes)]);
            let retired = machine.cpu.retired();
            let Trap::Abort(fault) = machine.run(10) else {
                panic!("{word:08x} was not stopped");
            };
            assert_eq!(
                (fault.cause, fault.access),
                (FaultCause::Debug, access),
                "{word:08x}"
            );
            assert_eq!(fault.address.get(), first + size - 1, "{word:08x}");
            assert_eq!(machine.regs.pc, CODE + 4);
            assert_eq!(
                machine.regs.x(2),
                before.x(2),
                "{word:08x}: no register was changed"
            );
            assert_eq!(machine.cpu.retired(), retired + 1);
            machine.mmu.set_watches(asid, &[]);
            assert_eq!(
                machine.run(10),
                Trap::Supervisor(0),
                "{word:08x}: goes on without it"
            );
        }
    }
}

/// A store over the end of a page whose second page is watched writes nothing.
#[test]
fn a_store_across_pages_is_all_or_nothing() {
    let mut machine = Machine::with_code(Granule::K4, &[0xf900_0022, SVC]); // str x2, [x1]
    let asid = asid(&machine);
    machine.regs.set_x(1, DATA + 4096 - 4);
    machine.regs.set_x(2, u64::MAX);
    machine
        .mmu
        .set_watches(asid, &[watch(DATA + 4096, 1, false, true)]);
    assert_eq!(machine.run(10), debug(DATA + 4096, Access::Write));
    machine.mmu.set_watches(asid, &[]);
    assert_eq!(machine.mmu.load::<u32>(DATA + 4096 - 4), Ok(0));
    machine
        .mmu
        .set_watches(asid, &[watch(DATA + 4096 + 4, 1, false, true)]);
    assert_eq!(machine.run(10), Trap::Supervisor(0), "the byte behind it");
}
