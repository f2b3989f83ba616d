//! Cases: an encoding's word with random operands, and a state that makes it do something.

use cpu::encodings::{Class, Encoding, Kind, class_of, is_instruction};
use cpu::{Decoded, Insn, decode};

use super::asm;
use super::guest::{CODE, END, MIDDLE, SLOT, State, WATCHED, WINDOW, address_of, is_landing};
use super::open;
use super::random::Random;

/// Two words, of which the second is tested, and the state before.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Which of the campaign's subjects it is of.
    pub(crate) subject: usize,
    pub(crate) words: [u32; 2],
    pub(crate) before: State,
}

/// Where a case will stand: slots differ in address, which PC-relative words see.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) case: usize,
    pub(crate) cases: usize,
}

pub(crate) fn field(word: u32, at: u32) -> u32 {
    word >> at & 31
}

fn bits(word: u32, high: u32, low: u32) -> u32 {
    word << (31 - high) >> (31 - high + low)
}

fn signed(word: u32, high: u32, low: u32) -> i64 {
    i64::from((word << (31 - high)) as i32 >> (31 - high + low))
}

/// A case of an encoding.
pub(crate) fn of_encoding(subject: usize, encoding: &Encoding, place: Place, random: &mut Random) -> Case {
    let word = word_of(encoding, place, random);
    let mut case = Case {
        subject,
        words: [asm::NOP, word],
        before: random.state(),
    };
    match encoding.class.kind {
        Kind::Memory => aim(&mut case, random),
        Kind::Cache => aim_line(&mut case, random),
        Kind::Branch => aim_branch(&mut case, place, random),
        Kind::System => precede(&mut case, random),
        Kind::Plain | Kind::Literal | Kind::Exception => {}
    }
    case
}

/// A case of a word that is no instruction here, with the fixed bits of a class.
pub(crate) fn undefined(subject: usize, class: &'static Class, random: &mut Random) -> Option<Case> {
    for _ in 0..64 {
        let word = random.bits() as u32 & !class.mask | class.value;
        if !is_instruction(word) && open::undefined(word).is_none() {
            return Some(Case {
                subject,
                words: [asm::NOP, word],
                before: random.state(),
            });
        }
    }
    None
}

/// A case of a word that is in no class.
pub(crate) fn elsewhere(subject: usize, random: &mut Random) -> Option<Case> {
    let word = random.bits() as u32;
    let is_case = class_of(word).is_none() && open::undefined(word).is_none();
    is_case.then(|| Case {
        subject,
        words: [asm::NOP, word],
        before: random.state(),
    })
}

/// Random operands that the decoder takes and of which the manual says what happens.
fn word_of(encoding: &Encoding, place: Place, random: &mut Random) -> u32 {
    let free = !encoding.mask;
    for _ in 0..20_000 {
        let mut word = random.bits() as u32 & free | encoding.value;
        // Register fields that are one another's, or 31.
        if random.below(4) == 0 {
            let (from, to) = (random.one_of(&[0, 5, 10, 16]), random.one_of(&[0, 5, 10, 16]));
            word = with_field(word, to, field(word, from), free);
        }
        if random.below(8) == 0 {
            word = with_field(word, random.one_of(&[0, 5, 10, 16]), 31, free);
        }
        let is_own = class_of(word).is_some_and(|class| std::ptr::eq(class, encoding.class));
        if is_own
            && is_instruction(word)
            && open::operands(word).is_none()
            && lands(encoding.class, word, place)
        {
            return word;
        }
    }
    encoding.sample
}

fn with_field(word: u32, at: u32, value: u32, free: u32) -> u32 {
    let mask = 31 << at & free;
    word & !mask | value << at & mask
}

/// Whether a branch by an immediate goes where nothing happens but an exception.
fn lands(class: &Class, word: u32, place: Place) -> bool {
    let offset = match class.name {
        "branch, conditional" | "branch, compare" => signed(word, 23, 5),
        "branch, immediate" => signed(word, 25, 0),
        "branch, test" => signed(word, 18, 5),
        _ => return true,
    };
    let target = address_of(place.case).wrapping_add((offset * 4) as u64);
    offset == 1 || is_landing(target, place.cases)
}

/// The bytes that a load or store accesses.
pub(crate) fn access_bytes(word: u32) -> u64 {
    match decode(word) {
        Decoded::Insn(insn) => match insn {
            Insn::Structure { shape, .. } => shape.bytes().into(),
            Insn::LoadExclusive { bytes, .. }
            | Insn::StoreExclusive { bytes, .. }
            | Insn::Atomic { bytes, .. }
            | Insn::Cas { bytes, .. } => bytes.into(),
            Insn::LoadExclusivePair { bytes, .. }
            | Insn::StoreExclusivePair { bytes, .. }
            | Insn::Casp { bytes, .. } => 2 * u64::from(bytes),
            Insn::Ordered { op, .. } => op.bytes(),
            _ if bits(word, 29, 27) == 0b101 => 2 << pair_scale(word),
            _ => 1 << scale(word),
        },
        _ => 1,
    }
}

/// log2 of the bytes of a load or store of one register.
fn scale(word: u32) -> u32 {
    let size = bits(word, 31, 30);
    if word >> 26 & 1 == 1 && word >> 23 & 1 == 1 {
        4
    } else {
        size
    }
}

fn pair_scale(word: u32) -> u32 {
    let opc = bits(word, 31, 30);
    if word >> 26 & 1 == 1 {
        2 + opc
    } else {
        2 + (opc >> 1)
    }
}

/// Whether alignment is asked of the address.
pub(crate) fn needs_alignment(word: u32) -> bool {
    matches!(
        decode(word),
        Decoded::Insn(
            Insn::LoadExclusive { .. }
                | Insn::StoreExclusive { .. }
                | Insn::LoadExclusivePair { .. }
                | Insn::StoreExclusivePair { .. }
                | Insn::Ordered { .. }
                | Insn::Atomic { .. }
                | Insn::Cas { .. }
                | Insn::Casp { .. }
        )
    )
}

/// What is added to the base register, with the index register's value if there is one.
fn offset(word: u32, state: &State) -> u64 {
    let index = |number: u32| state.x.get(number as usize).copied().unwrap_or(0);
    match (bits(word, 29, 27), word >> 24 & 1) {
        (0b101, _) if bits(word, 24, 23) == 1 => 0,
        (0b101, _) => (signed(word, 21, 15) << pair_scale(word)) as u64,
        (0b011, _) => signed(word, 20, 12) as u64,
        (0b111, 1) => u64::from(bits(word, 21, 10)) << scale(word),
        (0b111, _) if word >> 21 & 1 == 1 && bits(word, 11, 10) == 2 => {
            let value = index(field(word, 16));
            let extended = match bits(word, 15, 13) {
                0b010 => u64::from(value as u32),
                0b110 => value as i32 as u64,
                _ => value,
            };
            extended << if word >> 12 & 1 == 1 { scale(word) } else { 0 }
        }
        (0b111, _) if word >> 21 & 1 == 0 && bits(word, 11, 10) != 1 => signed(word, 20, 12) as u64,
        _ => 0,
    }
}

/// An address that something is to be learned from, for an access of `bytes`.
fn target(bytes: u64, aligned: bool, random: &mut Random) -> u64 {
    let align = if aligned && random.below(8) > 0 {
        bytes
    } else {
        random.one_of(&[1, 1, 2, 4, 8, 16])
    };
    let middle = |random: &mut Random| MIDDLE - 64 + random.below(128 - bytes + 1);
    let at = match random.below(16) {
        0 | 1 => END - 64 + random.below(64 - bytes + 1),
        // Over the end, or before the beginning: a fault.
        2 => END - random.below(bytes),
        3 if random.below(2) == 0 => WINDOW - 1 - random.below(bytes),
        // A tag, which is no part of an address.
        4 => middle(random) | random.below(256) << 56,
        5 if random.below(4) == 0 => random.one_of(&[0, 8, 0x20_0000_0000]),
        _ => middle(random),
    };
    at & !(align - 1)
}

/// Gives the base register a value from which the access meets the window.
fn aim(case: &mut Case, random: &mut Random) {
    let word = case.words[1];
    let (base, bytes) = (field(word, 5), access_bytes(word));
    let mut target = target(bytes, needs_alignment(word), random);
    if let 0..31 = field(word, 16)
        && bits(word, 29, 27) == 0b111
        && random.below(4) > 0
    {
        // An index register: mostly small.
        case.before.x[field(word, 16) as usize] = random.below(512).wrapping_sub(256);
    }
    if base == 31 {
        target &= !15;
    }
    let offset = offset(word, &case.before);
    let mut value = target.wrapping_sub(offset);
    if base == 31 {
        value &= !15;
        case.before.sp = value;
    } else {
        case.before.x[base as usize] = value;
    }
    let mut address = value.wrapping_add(self::offset(word, &case.before));
    // Base and index may be one register: what then comes out must not be the guest's own code or data.
    if base == field(word, 16) && (CODE..WINDOW - 0x1_0000).contains(&(address << 8 >> 8)) {
        case.before.x[(base % 31) as usize] = 0;
        address = 0;
    }
    match decode(word) {
        Decoded::Insn(insn @ (Insn::StoreExclusive { .. } | Insn::StoreExclusivePair { .. }))
            if random.below(8) > 0 =>
        {
            case.words[0] = load_exclusive(word, matches!(insn, Insn::StoreExclusivePair { .. }));
        }
        // Half of the comparisons find what they expect.
        Decoded::Insn(Insn::Cas { bytes, .. }) if random.below(2) == 0 => {
            expect(case, field(word, 16), address, bytes, random);
        }
        Decoded::Insn(Insn::Casp { bytes, .. }) if random.below(2) == 0 => {
            expect(case, field(word, 16), address, bytes, random);
            expect(
                case,
                field(word, 16) + 1,
                address.wrapping_add(bytes.into()),
                bytes,
                random,
            );
        }
        _ => {}
    }
}

/// The load that a store exclusive needs, to registers that the store does not name.
fn load_exclusive(store: u32, pair: bool) -> u32 {
    let used = [0, 5, 10, 16].map(|at| field(store, at));
    let mut unused = (0..31).filter(|number| !used.contains(number));
    let mut next = || unused.next().unwrap_or(0);
    let (first, second) = (next(), if pair { next() } else { 31 });
    store & 0xc020_03e0 | 0x0840_0000 | 31 << 16 | second << 10 | first
}

/// Lets a register hold what memory holds, with rubbish above it.
fn expect(case: &mut Case, register: u32, address: u64, bytes: u8, random: &mut Random) {
    let watched = watched(&case.before, address, bytes.into());
    if register < 31
        && register != field(case.words[1], 5)
        && let Some(memory) = watched
    {
        let value = memory
            .iter()
            .rev()
            .fold(0, |value, &byte| value << 8 | u64::from(byte));
        let above = random.bits() & !(u64::MAX >> (64 - 8 * u32::from(bytes)));
        case.before.x[register as usize] = value | above;
    }
}

/// The bytes of a watched part of the window.
fn watched(state: &State, address: u64, bytes: u64) -> Option<&[u8]> {
    let mut from = 0;
    for (start, length) in WATCHED {
        if (start..=start + length as u64 - bytes).contains(&address) {
            let at = from + (address - start) as usize;
            return state.window.get(at..at + bytes as usize);
        }
        from += length;
    }
    None
}

/// Cache maintenance: an address that is mapped.
fn aim_line(case: &mut Case, random: &mut Random) {
    let target = match random.below(4) {
        0 => END - 64 + random.below(64),
        _ => MIDDLE - 64 + random.below(128),
    };
    if let register @ 0..31 = field(case.words[1], 0) {
        case.before.x[register as usize] = target;
    }
}

/// Indirect branches: to an undefined word, to an address that is not mapped, with a tag, misaligned.
fn aim_branch(case: &mut Case, place: Place, random: &mut Random) {
    let word = case.words[1];
    // BR, BLR, RET.
    if bits(word, 31, 25) != 0b1101011 {
        // Compares that are about zero half of the time.
        let register = field(word, 0);
        if register < 31 && random.below(4) == 0 {
            case.before.x[register as usize] = random.one_of(&[0, 0, 1 << 32, 1]);
        }
        return;
    }
    let slot = address_of(random.below(place.cases as u64) as usize) - 12;
    let target = match random.below(8) {
        0 => 0x20_0000_0000 + 4 * random.below(1 << 20),
        1 => WINDOW + 4 * random.below(64),
        2 => (slot + SLOT - 4) | random.below(128) << 56,
        // Where something is mapped: the emulator looks for the page first.
        3 => slot + SLOT - 4 + random.below(4),
        _ => slot + SLOT - 4,
    };
    let register = field(word, 5);
    if register < 31 {
        case.before.x[register as usize] = target;
    }
}

/// Before a read of a register that can be written comes a write of it.
fn precede(case: &mut Case, random: &mut Random) {
    const FPCR: u32 = 0xd51b_4400;
    const FPSR: u32 = 0xd51b_4420;
    let word = case.words[1];
    let write = match word >> 20 & 0xfff {
        0xd51 => word,
        0xd53 => word & !(1 << 21) & !31 | random.below(31) as u32,
        _ => return,
    };
    if !is_instruction(write) {
        return;
    }
    if write != word {
        case.words[0] = write;
    }
    let kept = match write & !31 {
        FPCR => !0x0037_0000,
        FPSR => !0xf000_0000,
        _ => return,
    };
    if let register @ 0..31 = field(write, 0) {
        case.before.x[register as usize] &= kept;
    }
}
