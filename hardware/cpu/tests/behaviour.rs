//! What the processor does around instructions: traps and their program counters, aborts that change nothing,
//! budgets, exclusives, code that is written, time.

mod common;

use arch::{Access, Fault, FaultCause, Feature, Features, Granule, Regs, Trap, VirtAddr};
use common::{CODE, DATA, Machine, Rights};
use cpu::Cpu;
use proptest::prelude::*;

const NOP: u32 = 0xd503_201f;
const SVC: u32 = 0xd400_0001;
const RET: u32 = 0xd65f_03c0;

fn abort(address: u64, access: Access, cause: FaultCause) -> Trap {
    Trap::Abort(Fault {
        address: VirtAddr::new(address),
        access,
        cause,
    })
}

/// Arm ARM D1.3.1: where the program counter is after each kind of trap.
#[test]
fn the_program_counter_is_where_the_manual_says() {
    let rows: [(u32, Trap, u64); 8] = [
        (0xd400_0541, Trap::Supervisor(42), 8),
        (0xd420_00e0, Trap::Breakpoint(7), 4),
        (0x0000_beef, Trap::Undefined(0xbeef), 4),
        (0xd440_0000, Trap::Undefined(0xd440_0000), 4), // hlt
        (0xd400_0002, Trap::Undefined(0xd400_0002), 4), // hvc
        (0xd503_41df, Trap::Undefined(0xd503_41df), 4), // unallocated
        (0x0420_0000, Trap::NotImplemented(0x0420_0000), 4), // SVE
        (0xd538_0200, Trap::Undefined(0xd538_0200), 4), // mrs x0, contextidr_el1-like
    ];
    for (word, trap, pc) in rows {
        let mut machine = Machine::with_code(Granule::K16, &[NOP, word, NOP]);
        assert_eq!(machine.run(10), trap, "{word:08x}");
        assert_eq!(machine.regs.pc, CODE + pc, "{word:08x}");
        let retired = if matches!(trap, Trap::Supervisor(_)) { 2 } else { 1 };
        assert_eq!(machine.cpu.retired(), retired, "{word:08x}");
    }
}

#[test]
fn branches_to_nowhere_trap_at_their_target() {
    let mut machine = Machine::with_code(Granule::K4, &[0xd61f_0000]); // br x0
    machine.regs.set_x(0, CODE + 2);
    assert_eq!(machine.run(5), Trap::PcAlignment);
    assert_eq!((machine.regs.pc, machine.cpu.retired()), (CODE + 2, 1));
    machine.regs.pc = CODE;
    machine.regs.set_x(0, 0x1000);
    assert_eq!(
        machine.run(5),
        abort(0x1000, Access::Execute, FaultCause::Translation(2))
    );
    machine.regs.pc = CODE;
    machine.regs.set_x(0, DATA);
    assert_eq!(
        machine.run(5),
        abort(DATA, Access::Execute, FaultCause::Permission(3))
    );
    assert_eq!(machine.regs.pc, DATA);
}

/// With TBI, a branch takes the tag off its target (Arm ARM shared function BranchAddr).
#[test]
fn a_branch_loses_its_tag() {
    let mut machine = Machine::with_code(Granule::K16, &[0xd61f_0000, NOP, NOP]);
    machine.regs.set_x(0, (CODE + 4) | (0xab << 56));
    assert_eq!(machine.run(2), Trap::Budget);
    assert_eq!(machine.regs.pc, CODE + 8);
}

#[test]
fn a_misaligned_stack_pointer_traps_only_as_a_base() {
    // mov x0, sp; ldr x1, [sp, #8]
    let mut machine = Machine::with_code(Granule::K16, &[0x9100_03e0, 0xf940_07e1]);
    machine.regs.set_sp(DATA + 8);
    assert_eq!(machine.run(2), Trap::SpAlignment);
    assert_eq!((machine.regs.pc, machine.cpu.retired()), (CODE + 4, 1));
}

/// Accesses over the end of the mapped pages: `(word, bytes, is a store)`. X1 is the base of each.
const CROSSING: &[(u32, u64, bool)] = &[
    (0xa940_0c22, 16, false), // ldp x2, x3, [x1]
    (0xa900_0c22, 16, true),  // stp x2, x3, [x1]
    (0xa8c1_0c22, 16, false), // ldp x2, x3, [x1], #16
    (0xa9bf_0c22, 16, true),  // stp x2, x3, [x1, #-16]!
    (0xa881_0c22, 16, true),  // stp x2, x3, [x1], #16
    (0x2940_0c22, 8, false),  // ldp w2, w3, [x1]
    (0x6940_0c22, 8, false),  // ldpsw x2, x3, [x1]
    (0xad40_0c22, 32, false), // ldp q2, q3, [x1]
    (0xad00_0c22, 32, true),  // stp q2, q3, [x1]
    (0xacc1_0c22, 32, false), // ldp q2, q3, [x1], #32
    (0xac81_0c22, 32, true),  // stp q2, q3, [x1], #32
    (0xf840_8422, 8, false),  // ldr x2, [x1], #8
    (0xf800_8422, 8, true),   // str x2, [x1], #8
    (0x3cc1_0422, 16, false), // ldr q2, [x1], #16
    (0x3c81_0422, 16, true),  // str q2, [x1], #16
    (0x4cdf_0022, 64, false), // ld4 {v2.16b-v5.16b}, [x1], #64
    (0x4c9f_0022, 64, true),  // st4 {v2.16b-v5.16b}, [x1], #64
    (0x4cdf_2022, 64, false), // ld1 {v2.16b-v5.16b}, [x1], #64
    (0x4dff_a022, 16, false), // ld4 {v2.s-v5.s}[2], [x1], #16
    (0x4dbf_a022, 16, true),  // st4 {v2.s-v5.s}[2], [x1], #16
    (0x4dff_ec22, 32, false), // ld4r {v2.2d-v5.2d}, [x1], #32
];

#[test]
fn an_abort_changes_no_register_and_no_byte() {
    for granule in Granule::ALL {
        let end = DATA + 3 * granule.bytes();
        for &(word, bytes, store) in CROSSING {
            let pre = word == 0xa9bf_0c22;
            for over in [1, 4, 8, bytes - 1] {
                let mut machine = Machine::with_code(granule, &[word]);
                let filling = 0x0123_4567_89ab_cdef;
                (1..=16).for_each(|i| machine.write_u64(end - 8 * i, filling));
                let at = end - bytes + over.min(bytes);
                for number in 0..31 {
                    machine.regs.set_x(number, !(number as u64));
                }
                machine.regs.set_x(1, if pre { at + 16 } else { at });
                machine.regs.v = std::array::from_fn(|number| number as u128 * 0x1_0001);
                let before = machine.regs.clone();
                let access = if store { Access::Write } else { Access::Read };
                let trap = machine.run(1);
                let Trap::Abort(fault) = trap else {
                    panic!("{word:08x}: {trap:?}")
                };
                assert_eq!(
                    (fault.address, fault.access),
                    (VirtAddr::new(end), access),
                    "{word:08x} {over}"
                );
                assert_eq!(machine.regs, before, "{word:08x} {over}");
                assert_eq!(machine.cpu.retired(), 0);
                (1..=16)
                    .for_each(|i| assert_eq!(machine.read_u64(end - 8 * i), filling, "{word:08x} {over}"));
                // With the next page there, the same instruction goes through.
                machine.map(end, Rights::ReadWrite);
                assert_eq!(machine.run(1), Trap::Budget, "{word:08x} {over}");
                assert_eq!(machine.regs.pc, CODE + 4);
            }
        }
    }
}

/// 1: add x2, x2, x0; and x3, x2, #0xff8; str x2, [x1, x3]; ldrb w4, [x1, x3]; add x2, x2, x4;
/// bl 2f; subs x0, x0, #1; b.ne 1b; svc #0; 2: ror x2, x2, #3; ret
const WORK: &[u32] = &[
    0x8b00_0042,
    0x927d_2043,
    0xf823_6822,
    0x3863_6824,
    0x8b04_0042,
    0x9400_0004,
    0xf100_0400,
    0x54ff_ff21,
    SVC,
    0x93c2_0c42,
    RET,
];

fn worker(granule: Granule) -> Machine {
    let mut machine = Machine::with_code(granule, WORK);
    machine.regs.set_x(0, 50);
    machine.regs.set_x(1, DATA);
    machine
}

#[test]
fn the_loop_ends_after_its_instructions() {
    let mut machine = worker(Granule::K16);
    assert_eq!(machine.run(u64::MAX), Trap::Supervisor(0));
    assert_eq!(machine.cpu.retired(), 50 * 10 + 1);
    assert_eq!(machine.run(0), Trap::Budget);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn slices_of_any_length_add_up(slices in prop::collection::vec(0u64..40, 0..40)) {
        let mut cut = worker(Granule::K4);
        for &slice in &slices {
            let before = cut.cpu.retired();
            if cut.run(slice) == Trap::Budget {
                prop_assert_eq!(cut.cpu.retired(), before + slice);
            } else {
                break;
            }
        }
        let mut whole = worker(Granule::K4);
        whole.run(cut.cpu.retired());
        prop_assert_eq!(&cut.regs, &whole.regs);
        prop_assert_eq!(cut.read_u64(DATA), whole.read_u64(DATA));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any words, any registers: traps, but no panic, and no more instructions than allowed.
    #[test]
    fn any_code_runs_or_traps(
        words in prop::collection::vec(any::<u32>(), 64),
        near in prop::collection::vec(-256i64..256, 31),
        granule in prop::sample::select(&Granule::ALL),
    ) {
        let mut machine = Machine::with_code(granule, &words);
        for (number, offset) in near.into_iter().enumerate() {
            let wild = (offset as u64).wrapping_mul(0x0101_0101_0101_0101);
            let base = [DATA + granule.bytes(), CODE, wild, 0][number % 4];
            machine.regs.set_x(number, base.wrapping_add_signed(offset));
        }
        for at in 0..64 {
            machine.regs.pc = CODE + 4 * at;
            let before = machine.cpu.retired();
            machine.run(20);
            prop_assert!(machine.cpu.retired() - before <= 20);
        }
    }
}

#[test]
fn blocks_end_with_the_page_and_go_on_in_the_next() {
    for granule in Granule::ALL {
        let mut words = vec![0x9100_0400; granule.bytes() as usize / 4 + 10]; // add x0, x0, #1
        words.push(SVC);
        let mut machine = Machine::with_code(granule, &words);
        assert_eq!(machine.run(u64::MAX), Trap::Supervisor(0));
        assert_eq!(machine.regs.x(0), words.len() as u64 - 1);
    }
}

/// mov x0, #1; str w2, [x1]; b .+4; mov x0, #3 (to become mov x0, #5: w2); svc #0
#[test]
fn code_that_writes_itself_is_seen_behind_the_next_branch() {
    for granule in Granule::ALL {
        let words = [0xd280_0020, 0xb900_0022, 0x1400_0001, 0xd280_0060, SVC];
        let mut machine = Machine::new(granule);
        machine.map(CODE, Rights::All);
        machine.write_words(CODE, &words);
        for (round, imm) in [5u64, 9, 12].into_iter().enumerate() {
            machine.regs.pc = CODE;
            machine.regs.set_x(1, CODE + 12);
            machine.regs.set_x(2, 0xd280_0000 | imm << 5);
            assert_eq!(machine.run(100), Trap::Supervisor(0));
            assert_eq!(machine.regs.x(0), imm, "round {round}");
        }
        assert!(machine.cpu.counters().blocks_invalidated > 0);
    }
}

#[test]
fn code_that_the_kernel_writes_is_seen() {
    let mut machine = Machine::with_code(Granule::K16, &[0xd280_0020, SVC]);
    assert_eq!((machine.run(9), machine.regs.x(0)), (Trap::Supervisor(0), 1));
    machine.write_words(CODE, &[0xd280_0040]);
    machine.regs.pc = CODE;
    assert_eq!((machine.run(9), machine.regs.x(0)), (Trap::Supervisor(0), 2));
}

#[test]
fn a_page_that_is_mapped_anew_runs_its_new_code() {
    let mut machine = Machine::with_code(Granule::K16, &[0xd280_0020, SVC]);
    let old = machine.map(CODE + 0x10_0000, Rights::ReadExecute);
    machine.write_words(CODE + 0x10_0000, &[0xd280_0060, SVC]);
    machine.run(9);
    machine.map_frame(CODE, old, Rights::ReadExecute);
    machine.regs.pc = CODE;
    assert_eq!((machine.run(9), machine.regs.x(0)), (Trap::Supervisor(0), 3));
    machine.unmap(CODE);
    machine.regs.pc = CODE;
    assert_eq!(
        machine.run(9),
        abort(CODE, Access::Execute, FaultCause::Translation(3))
    );
}

#[test]
fn another_address_space_runs_what_is_decoded() {
    let mut machine = Machine::new(Granule::K16);
    let frame = machine.map(CODE, Rights::ReadExecute);
    machine.write_words(CODE, &[0xd280_0020, SVC]);
    machine.regs.pc = CODE;
    assert_eq!(machine.run(9), Trap::Supervisor(0));
    let first = machine.space();
    machine.new_space();
    machine.map_frame(CODE + 0x4_0000, frame, Rights::ReadExecute);
    machine.regs.pc = CODE;
    assert_eq!(
        machine.run(9),
        abort(CODE, Access::Execute, FaultCause::Translation(3))
    );
    machine.regs.pc = CODE + 0x4_0000;
    assert_eq!(machine.run(9), Trap::Supervisor(0));
    assert_eq!(machine.cpu.counters().blocks_decoded, 1);
    machine.mmu.switch_to(first);
    machine.regs.pc = CODE;
    assert_eq!(machine.run(9), Trap::Supervisor(0));
}

/// ldxr x2, [x1]; (word); stxr w3, x4, [x1]; svc #0
fn exclusive(between: u32) -> (u64, u64) {
    let mut machine = Machine::with_code(Granule::K16, &[0xc85f_7c22, between, 0xc803_7c24, SVC]);
    machine.regs.set_x(1, DATA);
    machine.regs.set_x(4, 77);
    machine.regs.set_x(5, 1);
    assert_eq!(machine.run(9), Trap::Supervisor(0));
    (machine.regs.x(3), machine.read_u64(DATA))
}

#[test]
fn an_exclusive_store_needs_its_load() {
    assert_eq!(exclusive(NOP), (0, 77));
    assert_eq!(exclusive(0xd503_3f5f), (1, 0)); // clrex
    assert_eq!(exclusive(0xf900_0025), (1, 1)); // str x5, [x1]: another value
    assert_eq!(exclusive(0xf900_003f), (0, 77)); // str xzr, [x1]: the same value
    assert_eq!(exclusive(0x885f_7c22), (1, 0)); // ldxr w2, [x1]: another size
    assert_eq!(exclusive(0x9100_2021), (1, 0)); // add x1, x1, #8: another place
}

#[test]
fn a_trap_opens_the_monitor() {
    let mut machine = Machine::with_code(Granule::K16, &[0xc85f_7c22, SVC, 0xc803_7c24, SVC]);
    machine.regs.set_x(1, DATA);
    machine.run(9);
    machine.run(9);
    assert_eq!(
        (machine.regs.x(3), machine.cpu.counters().exclusive_failures),
        (1, 1)
    );
}

#[test]
fn exclusive_pairs_store_both() {
    // ldaxp x2, x3, [x1]; stlxp w6, x4, x5, [x1]
    let mut machine = Machine::with_code(Granule::K16, &[0xc87f_8c22, 0xc826_9424]);
    machine.write_u64(DATA, 1);
    machine.write_u64(DATA + 8, 2);
    for (number, value) in [(1, DATA), (4, 40), (5, 50)] {
        machine.regs.set_x(number, value);
    }
    assert_eq!(machine.run(2), Trap::Budget);
    assert_eq!([2, 3, 6].map(|number| machine.regs.x(number)), [1, 2, 0]);
    assert_eq!([DATA, DATA + 8].map(|at| machine.read_u64(at)), [40, 50]);
}

#[test]
fn exclusives_and_ordered_accesses_need_alignment() {
    let rows = [
        (0xc85f_7c22, Access::Read),  // ldxr x2, [x1]
        (0xc803_7c24, Access::Write), // stxr w3, x4, [x1]
        (0xc87f_0c22, Access::Read),  // ldxp x2, x3, [x1]
        (0xc8df_fc22, Access::Read),  // ldar x2, [x1]
        (0xc89f_fc22, Access::Write), // stlr x2, [x1]
    ];
    for (word, access) in rows {
        let mut machine = Machine::with_code(Granule::K16, &[word]);
        machine.regs.set_x(1, DATA + 4);
        assert_eq!(
            machine.run(1),
            abort(DATA + 4, access, FaultCause::Alignment),
            "{word:08x}"
        );
        assert_eq!(machine.regs.pc, CODE);
    }
}

#[test]
fn atomics_fault_as_writes() {
    // ldadd x2, x3, [x1] on a read-only page
    let mut machine = Machine::with_code(Granule::K16, &[0xf822_0023]);
    machine.map(0x100_0000, Rights::Read);
    machine.regs.set_x(1, 0x100_0000);
    assert_eq!(
        machine.run(1),
        abort(0x100_0000, Access::Write, FaultCause::Permission(3))
    );
}

/// mrs x0, cntvct_el0; nop; mrs x1, cntvct_el0; mrs x2, cntfrq_el0
#[test]
fn the_counter_ticks_once_an_instruction() {
    let mut machine = Machine::with_code(Granule::K16, &[0xd53b_e040, NOP, 0xd53b_e041, 0xd53b_e002]);
    machine.run(1);
    machine.regs.pc = CODE;
    machine.cpu.set_counter(1000);
    machine.run(4);
    assert_eq!(
        [0, 1, 2].map(|number| machine.regs.x(number)),
        [1000, 1002, 1_000_000_000]
    );
}

#[test]
fn system_registers_keep_what_they_can() {
    let rows: [(u32, u64, u64); 5] = [
        (0xd51b_d040, u64::MAX, u64::MAX),       // tpidr_el0
        (0xd51b_4400, u64::MAX, 0x07c8_0000),    // fpcr
        (0xd51b_4420, u64::MAX, 0x0800_009f),    // fpsr
        (0xd51b_4200, 0x6fff_ffff, 0x6000_0000), // nzcv
        (0xd51b_4200, u64::MAX, 0xf000_0000),
    ];
    for (msr, value, kept) in rows {
        let mrs = msr & !31 | 1 | 1 << 21;
        let mut machine = Machine::with_code(Granule::K16, &[msr, mrs]);
        machine.regs.set_x(0, value);
        assert_eq!(
            (machine.run(2), machine.regs.x(1)),
            (Trap::Budget, kept),
            "{msr:08x}"
        );
    }
    // ctr_el0, dczid_el0, tpidrro_el0, id_aa64isar0_el1
    let rows = [
        (0xd53b_0020, 0xb444_c004),
        (0xd53b_00e0, 4),
        (0xd53b_d060, 0),
        (0xd538_0600, 0x1000_1021_1120),
    ];
    for (mrs, value) in rows {
        let mut machine = Machine::with_code(Granule::K16, &[mrs]);
        machine.regs.set_x(0, 1);
        assert_eq!(
            (machine.run(1), machine.regs.x(0)),
            (Trap::Budget, value),
            "{mrs:08x}"
        );
    }
}

/// dc zva, x0; then dc cvau and ic ivau where nothing is mapped.
#[test]
fn cache_maintenance_asks_for_its_rights() {
    let mut machine = Machine::with_code(Granule::K16, &[0xd50b_7420]);
    (0..24).for_each(|i| machine.write_u64(DATA + 8 * i, u64::MAX));
    machine.regs.set_x(0, DATA + 64 + 5);
    assert_eq!(machine.run(1), Trap::Budget);
    (0..24).for_each(|i| {
        assert_eq!(
            machine.read_u64(DATA + 8 * i),
            if i / 8 == 1 { 0 } else { u64::MAX },
            "word {i}"
        );
    });
    let rows = [
        (0xd50b_7420, CODE + 5, Access::Write, FaultCause::Permission(3)),
        (0xd50b_7b20, 0x1005, Access::Read, FaultCause::Translation(1)),
        (0xd50b_7520, 0x1005, Access::Read, FaultCause::Translation(1)),
    ];
    for (word, address, access, cause) in rows {
        let mut machine = Machine::with_code(Granule::K16, &[word]);
        machine.regs.set_x(0, address);
        let Trap::Abort(fault) = machine.run(1) else {
            panic!("{word:08x} went through")
        };
        assert_eq!(
            (fault.address.get(), fault.access),
            (address, access),
            "{word:08x}"
        );
        assert!(
            fault.cause == cause || matches!(cause, FaultCause::Translation(_)),
            "{:?}",
            fault.cause
        );
    }
}

/// Each encoding's sample does something, be it to trap: none meets a hole in the interpreter.
#[test]
fn every_encoding_is_executed() {
    let mut machine = Machine::with_code(Granule::K16, &[0]);
    machine.cpu = Cpu::with_features(Features::ALL);
    for encoding in cpu::encodings::encodings() {
        machine.write_words(CODE, &[encoding.sample]);
        machine.regs = Regs::default();
        machine.regs.pc = CODE;
        machine.regs.set_sp(DATA + Granule::K16.bytes());
        let trap = machine.run(1);
        assert!(
            !matches!(trap, Trap::Undefined(_) | Trap::NotImplemented(_)),
            "{:08x} of `{}`: {trap:?}",
            encoding.sample,
            encoding.class.name
        );
    }
}

/// What a processor does not promise is undefined on it, and its identification registers say so.
#[test]
fn a_processor_without_features_lacks_their_instructions() {
    const CAS: u32 = 0x88a0_7c41;
    const LDAPR: u32 = 0xf8bf_c041;
    const FADD_HALF: u32 = 0x1ee2_2820;
    const AESE: u32 = 0x4e28_4820;
    const CRC32X: u32 = 0x9ac2_4c20;
    const READ_ISAR0: u32 = 0xd538_0600;
    for word in [CAS, LDAPR, FADD_HALF, AESE, CRC32X, READ_ISAR0] {
        let mut machine = Machine::with_code(Granule::K16, &[word]);
        machine.regs.set_x(2, DATA);
        assert_eq!(machine.run(1), Trap::Budget, "{word:08x} usually");
        let mut machine = Machine::with_code(Granule::K16, &[word]);
        machine.cpu = Cpu::with_features(Features::NONE);
        assert_eq!(
            machine.run(1),
            Trap::Undefined(word),
            "{word:08x} without features"
        );
    }
    // id_aa64isar0_el1 of a processor with CRC32 only; id_aa64pfr0_el1 without half precision.
    for (word, value) in [(READ_ISAR0, 1 << 16), (0xd538_0400, 0x11)] {
        let mut machine = Machine::with_code(Granule::K16, &[word]);
        let few = Features::NONE.with(Feature::Identification).with(Feature::Crc32);
        machine.cpu = Cpu::with_features(few);
        machine.run(1);
        assert_eq!(machine.regs.x(0), value, "{word:08x}");
    }
}
