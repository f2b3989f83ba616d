//! The base instruction set against an independent engine: random words with random registers run under
//! qemu-aarch64 and here, one by one from the same state, and registers, flags, memory, and the kind and address of
//! a fault must be the same.
//!
//! `ORACLE_SEED=7 ORACLE_ROUNDS=100 cargo test -p cpu --test oracle -- --nocapture` runs more of it. Without
//! qemu-aarch64 on the path the test says so and passes.

#[path = "../common/mod.rs"]
mod common;
mod guest;

use arch::{Flags, Granule, Trap};
use common::{Machine, Rights};
use cpu::{Decoded, Insn, decode};
use guest::{CODE, Case, MARKER, State, WINDOW, WINDOW_SIZE};

/// Cases in one run of the emulator.
const CASES: usize = 2000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.bits() % limit
    }

    /// A number that likes the edges.
    fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => self.below(5).wrapping_sub(2),
            1 => 1 << self.below(64),
            2 => (1 << self.below(64)) - 1,
            3 => !(1 << self.below(64)),
            4 => u64::from(self.bits() as u32),
            5 => self.bits() as i32 as u64,
            _ => self.bits(),
        }
    }

    fn state(&mut self) -> State {
        State {
            x: std::array::from_fn(|_| self.number()),
            sp: self.number() & !15,
            nzcv: self.below(16) << 28,
            v: std::array::from_fn(|_| u128::from(self.bits()) << 64 | u128::from(self.bits())),
            signal: 0,
            address: 0,
        }
    }

    /// X0 to X15 and SP point into the window, X16 to X30 are small.
    fn state_of_pointers(&mut self, edges: bool) -> State {
        let mut state = self.state();
        // Mostly the middle; else an edge of the window, where accesses fault.
        let base = match self.below(8) {
            0 if edges => WINDOW,
            1 if edges => WINDOW + WINDOW_SIZE as u64,
            _ => WINDOW + WINDOW_SIZE as u64 / 2,
        };
        let align = [0, 3, 15, 63][self.below(4) as usize];
        for x in &mut state.x[..16] {
            *x = (base + self.below(128) - 64) & !align;
        }
        for x in &mut state.x[16..] {
            *x = self.below(512).wrapping_sub(256);
            if self.below(4) == 0 {
                *x &= 0xffff_ffff;
            }
        }
        state.sp = (base + self.below(128) - 64) & !15;
        state
    }
}

/// Fixed bits of an encoding; the others are random.
struct Class {
    mask: u32,
    value: u32,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    /// A branch, made to go over one instruction.
    Branch,
    /// Rn is a pointer; Rm, where there is one, is small.
    Memory,
}

const fn class(mask: u32, value: u32, kind: Kind) -> Class {
    Class { mask, value, kind }
}

/// The classes of Arm ARM C4.1, without indirect branches and system instructions.
const CLASSES: &[Class] = &[
    class(0x1f00_0000, 0x1000_0000, Kind::Plain),  // PC-relative
    class(0x1f80_0000, 0x1100_0000, Kind::Plain),  // add and subtract, immediate
    class(0x1f80_0000, 0x1180_0000, Kind::Plain),  // tags
    class(0x1f80_0000, 0x1200_0000, Kind::Plain),  // logical, immediate
    class(0x1f80_0000, 0x1280_0000, Kind::Plain),  // wide moves
    class(0x1f80_0000, 0x1300_0000, Kind::Plain),  // bitfield
    class(0x9f80_0000, 0x9300_0000, Kind::Plain),  // bitfield, 64 bits
    class(0x1f80_0000, 0x1380_0000, Kind::Plain),  // extract
    class(0x1f00_0000, 0x0a00_0000, Kind::Plain),  // logical, shifted register
    class(0x1f20_0000, 0x0b00_0000, Kind::Plain),  // add and subtract, shifted register
    class(0x1f20_0000, 0x0b20_0000, Kind::Plain),  // add and subtract, extended register
    class(0x1fe0_fc00, 0x1a00_0000, Kind::Plain),  // with carry
    class(0x1fe0_0000, 0x1a00_0000, Kind::Plain),  // flags
    class(0x1fe0_0410, 0x1a40_0000, Kind::Plain),  // conditional compare
    class(0x1fe0_0000, 0x1a40_0000, Kind::Plain),  // conditional compare
    class(0x1fe0_0000, 0x1a80_0000, Kind::Plain),  // conditional select
    class(0x5fe0_c000, 0x1ac0_0000, Kind::Plain),  // two sources
    class(0x5fe0_0000, 0x1ac0_0000, Kind::Plain),  // two sources
    class(0x5fff_e000, 0x5ac0_0000, Kind::Plain),  // one source
    class(0x5fe0_0000, 0x5ac0_0000, Kind::Plain),  // one source
    class(0x1f00_0000, 0x1b00_0000, Kind::Plain),  // three sources
    class(0xff00_0010, 0x5400_0000, Kind::Branch), // conditional
    class(0x7e00_0000, 0x3400_0000, Kind::Branch), // compare and branch
    class(0x7e00_0000, 0x3600_0000, Kind::Branch), // test and branch
    class(0x3f20_0c00, 0x3820_0800, Kind::Memory), // register offset, integer
    class(0x3b20_0c00, 0x3820_0800, Kind::Memory), // register offset
    class(0x3b20_0000, 0x3800_0000, Kind::Memory), // unscaled, post, unprivileged, pre
    class(0x3b00_0000, 0x3900_0000, Kind::Memory), // unsigned offset
    class(0x3a00_0000, 0x2800_0000, Kind::Memory), // pairs
    class(0xbf00_0000, 0x0c00_0000, Kind::Memory), // multiple structures
    class(0xbf20_0000, 0x0c00_0000, Kind::Memory), // multiple structures
    class(0xbf80_2000, 0x0d80_0000, Kind::Memory), // single structures
    class(0xbf00_0000, 0x0d00_0000, Kind::Memory), // single structures
    class(0x3f00_0000, 0x0800_0000, Kind::Memory), // exclusive, ordered, compare and swap
    class(0x3f20_0c00, 0x3820_0000, Kind::Memory), // atomics
    class(0x3f20_0c00, 0x1900_0000, Kind::Memory), // ordered at an offset
];

fn field(word: u32, at: u32) -> u32 {
    word >> at & 31
}

fn with_field(word: u32, at: u32, value: u32) -> u32 {
    word & !(31 << at) | value << at
}

fn case(class: &Class, random: &mut Random) -> Case {
    let mut word = random.bits() as u32 & !class.mask | class.value;
    // What an instruction of several accesses has done when one of them faults is open: QEMU loads some
    // registers of a structure, and writes a part of it. It stores 128 bits in two parts.
    let several = word >> 25 & 0x1f == 0b00110
        || word >> 27 & 7 == 0b101
        || word >> 26 & 15 == 0b1111 && word >> 23 & 1 == 1;
    let before = match class.kind {
        Kind::Memory => random.state_of_pointers(!several),
        _ => random.state(),
    };
    match class.kind {
        Kind::Branch if word >> 25 & 0x3f == 0b011011 => word = word & !(0x3fff << 5) | 2 << 5,
        Kind::Branch => word = word & !(0x7_ffff << 5) | 2 << 5,
        Kind::Memory => {
            let base = [random.below(16) as u32, 31][usize::from(random.below(8) == 0)];
            word = with_field(word, 5, base);
            // Where bits 20:16 are a register, a small one.
            if word >> 29 & 1 == 0 || word >> 21 & 1 == 1 {
                word = with_field(word, 16, 16 + field(word, 16) % 16);
            }
        }
        Kind::Plain => {}
    }
    Case {
        word,
        branch: class.kind == Kind::Branch,
        before,
    }
}

/// Which extension, if any, a word needs beyond Armv8.0-A of those that this processor has.
fn is_later(word: u32) -> bool {
    match decode(word) {
        Decoded::Insn(Insn::Atomic { .. } | Insn::Cas { .. } | Insn::Casp { .. }) => true,
        // LDAPR and the forms at an offset; LDLAR and STLLR.
        Decoded::Insn(Insn::Ordered { .. }) => word >> 24 & 0x3f != 0b001000 || word >> 15 & 1 == 0,
        _ => false,
    }
}

/// Whether this is a pre- or post-index form of one integer register.
fn is_indexed(word: u32) -> bool {
    word & 0x3f20_0400 == 0x3800_0400
}

/// Whether the manual leaves open what the word does with its registers.
fn is_open(word: u32) -> bool {
    let (t, n, t2, s) = (field(word, 0), field(word, 5), field(word, 10), field(word, 16));
    let vector = word >> 26 & 1 == 1;
    match decode(word) {
        Decoded::Insn(insn) => match insn {
            _ if is_indexed(word) => t == n && t != 31,
            Insn::LdpX { .. } => t == t2,
            Insn::LdpXPost { .. } => t == t2 || t == n || t2 == n,
            Insn::StpXPre { .. } => t == n || t2 == n,
            Insn::Pair { mode, .. } => {
                let load = word >> 22 & 1 == 1;
                let writeback = mode != cpu::insn::Mode::Offset && !vector;
                load && t == t2 || writeback && n != 31 && (t == n || t2 == n)
            }
            Insn::LoadExclusivePair { .. } => t == t2,
            Insn::StoreExclusive { .. } => s == t || s == n,
            Insn::StoreExclusivePair { .. } => s == t || s == n || s == t2,
            // LDAPR has should-be-one bits.
            Insn::Ordered { .. } => word >> 28 & 3 == 3 && s != 31,
            _ => false,
        },
        _ => false,
    }
}

/// QEMU's user mode lets a misaligned exclusive store fail where the manual has it fault (Arm ARM, shared
/// function AArch64.ExclusiveMonitorsPass).
fn is_lax_there(word: u32, ours: &State) -> bool {
    let insn = decode(word);
    let exclusive = matches!(
        insn,
        Decoded::Insn(Insn::StoreExclusive { .. } | Insn::StoreExclusivePair { .. })
    );
    exclusive && ours.signal == 7
}

/// Whether an ordered access is misaligned: QEMU's processor `max` has FEAT_LSE2, where that may go through.
fn is_misaligned(case: &Case) -> bool {
    let Decoded::Insn(Insn::Ordered { op, offset, .. }) = decode(case.word) else {
        return false;
    };
    let base = case
        .before
        .x
        .get(field(case.word, 5) as usize)
        .copied()
        .unwrap_or(case.before.sp);
    base.wrapping_add(offset as u64) % op.bytes() != 0
}

fn cases(random: &mut Random, later: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    while cases.len() < CASES {
        let class = &CLASSES[random.below(CLASSES.len() as u64) as usize];
        let case = case(class, random);
        let decoded = matches!(decode(case.word), Decoded::Insn(_));
        // The processor that has the later extensions has more than this one.
        if is_open(case.word)
            || (later && (!decoded || is_misaligned(&case)))
            || (!later && is_later(case.word))
        {
            continue;
        }
        // Few of the words that are no instruction.
        if !decoded && random.below(4) > 0 {
            continue;
        }
        cases.push(case);
    }
    cases
}

struct Engine(Machine);

impl Engine {
    fn new(granule: Granule, code: &[u32], window: &[u8]) -> Self {
        let pages = |bytes: u64| bytes.div_ceil(granule.bytes());
        let mut machine = Machine::with_frames(granule, (4 << 20) / granule.bytes() + 64);
        for page in 0..pages(code.len() as u64 * 4) {
            machine.map(CODE + page * granule.bytes(), Rights::ReadExecute);
        }
        for page in 0..pages(WINDOW_SIZE as u64) {
            machine.map(WINDOW + page * granule.bytes(), Rights::ReadWrite);
        }
        machine.write_words(CODE, code);
        for (i, bytes) in window.chunks_exact(8).enumerate() {
            machine.write_u64(
                WINDOW + 8 * i as u64,
                u64::from_le_bytes(bytes.try_into().expect("eight bytes")),
            );
        }
        Self(machine)
    }

    fn step(&mut self, case: &Case, at: u64) -> State {
        let regs = &mut self.0.regs;
        for (number, value) in case.before.x.into_iter().enumerate() {
            regs.set_x(number, value);
        }
        regs.set_sp(case.before.sp);
        regs.flags = Flags::from_bits(case.before.nzcv as u32);
        regs.v = case.before.v;
        regs.pc = at;
        let trap = self.0.run(1);
        let (signal, address) = match trap {
            Trap::Budget => (0, 0),
            Trap::Undefined(_) | Trap::NotImplemented(_) => (4, at),
            Trap::Abort(fault) if fault.cause == arch::FaultCause::Alignment => (7, fault.address.get()),
            Trap::Abort(fault) => (11, fault.address.get()),
            other => panic!("{:08x}: {other:?}", case.word),
        };
        let regs = &mut self.0.regs;
        if signal == 0 && case.branch && regs.pc == at + 4 {
            regs.set_x(27, MARKER);
        } else if case.branch && signal == 0 {
            assert_eq!(regs.pc, at + 8, "{:08x}", case.word);
        } else {
            assert_eq!(
                regs.pc,
                if signal == 0 { at + 4 } else { at },
                "{:08x}",
                case.word
            );
        }
        State {
            x: std::array::from_fn(|number| regs.x(number)),
            sp: regs.sp(),
            nzcv: regs.flags.bits().into(),
            v: regs.v,
            signal,
            address,
        }
    }
}

/// One line for what differs, or nothing.
fn difference(case: &Case, ours: &State, theirs: &State) -> Option<String> {
    let what = if ours.signal != theirs.signal {
        format!("signal {} expected, {} got", theirs.signal, ours.signal)
    } else if ours.signal != 4 && ours.address != theirs.address {
        format!("fault at {:#x} expected, {:#x} got", theirs.address, ours.address)
    } else if let Some(n) =
        (0..31).find(|&n| ours.x[n] != theirs.x[n] && !(case.branch && n == 27 && ours.signal != 0))
    {
        format!("x{n} = {:#x} expected, {:#x} got", theirs.x[n], ours.x[n])
    } else if let Some(n) = (0..32).find(|&n| ours.v[n] != theirs.v[n]) {
        format!("v{n} = {:#x} expected, {:#x} got", theirs.v[n], ours.v[n])
    } else if ours.sp != theirs.sp || ours.nzcv != theirs.nzcv {
        format!(
            "sp {:#x} nzcv {:#x} expected, {:#x} {:#x} got",
            theirs.sp, theirs.nzcv, ours.sp, ours.nzcv
        )
    } else {
        return None;
    };
    let [d, n, m] = [0, 5, 16].map(|at| field(case.word, at) as usize);
    let x = |n: usize| case.before.x.get(n).copied().unwrap_or(case.before.sp);
    Some(format!(
        "{:08x}: {what}; before x{d}={:#x} x{n}={:#x} x{m}={:#x} nzcv={:#x} ({:?})",
        case.word,
        x(d),
        x(n),
        x(m),
        case.before.nzcv,
        decode(case.word)
    ))
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().expect("a number"))
}

fn compare(seed: u64, later: bool) -> bool {
    let mut random = Random(seed);
    let cases = cases(&mut random, later);
    let window: Vec<u8> = (0..WINDOW_SIZE / 8)
        .flat_map(|_| random.bits().to_le_bytes())
        .collect();
    let processor = if later { "max" } else { "cortex-a72" };
    let Some((program, theirs)) = guest::run(processor, &cases, &window, &format!("{seed}-{later}")) else {
        eprintln!("skipped: no qemu-aarch64 on the path");
        return false;
    };
    let granule = [Granule::K4, Granule::K16, Granule::K64][seed as usize % 3];
    let mut engine = Engine::new(granule, &program.words, &window);
    let mut found = Vec::new();
    for ((case, &at), expected) in cases.iter().zip(&program.at).zip(&theirs.after) {
        let ours = engine.step(case, at);
        if !is_lax_there(case.word, &ours) {
            found.extend(difference(case, &ours, expected));
        }
    }
    for line in found.iter().take(20) {
        eprintln!("{line}");
    }
    assert!(
        found.is_empty(),
        "seed {seed}: {} of {CASES} cases differ",
        found.len()
    );
    for (i, expected) in theirs.window.chunks_exact(8).enumerate() {
        let at = WINDOW + 8 * i as u64;
        let expected = u64::from_le_bytes(expected.try_into().expect("eight bytes"));
        assert_eq!(engine.0.read_u64(at), expected, "seed {seed}: memory at {at:#x}");
    }
    true
}

#[test]
fn armv8_0_words_do_the_same_under_qemu() {
    let seed = setting("ORACLE_SEED", 1);
    for round in 0..setting("ORACLE_ROUNDS", 2) {
        if !compare(seed + round, false) {
            return;
        }
    }
}

#[test]
fn words_of_later_versions_do_the_same_under_qemu() {
    let seed = setting("ORACLE_SEED", 1) + (1 << 32);
    for round in 0..setting("ORACLE_ROUNDS", 2) {
        if !compare(seed + round, true) {
            return;
        }
    }
}
