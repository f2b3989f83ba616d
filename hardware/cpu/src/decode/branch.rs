//! Branches and exception generation (Arm ARM C4.1.93); system instructions are in [`super::system`].

use super::{Decoded, Word, system};
use crate::insn::Insn;

pub(super) fn decode(w: Word) -> Decoded {
    match w.bits(31, 29) {
        0b000 => Insn::B {
            offset: w.signed(25, 0) << 2,
        }
        .into(),
        0b100 => Insn::Bl {
            offset: w.signed(25, 0) << 2,
        }
        .into(),
        0b001 | 0b101 if w.bit(25) => test_and_branch(w),
        0b001 | 0b101 => compare_and_branch(w),
        0b010 if w.bits(25, 24) == 0 => conditional(w),
        0b110 if w.bit(25) => register(w),
        0b110 if w.bit(24) => system::decode(w),
        0b110 => exception(w),
        _ => Decoded::Unallocated,
    }
}

fn conditional(w: Word) -> Decoded {
    if w.bit(4) {
        return Decoded::NotImplemented("HBC");
    }
    let offset = w.signed(23, 5) << 2;
    match w.bits(3, 0) {
        0 => Insn::BEq { offset },
        1 => Insn::BNe { offset },
        2 => Insn::BHs { offset },
        3 => Insn::BLo { offset },
        8 => Insn::BHi { offset },
        9 => Insn::BLs { offset },
        10 => Insn::BGe { offset },
        11 => Insn::BLt { offset },
        12 => Insn::BGt { offset },
        13 => Insn::BLe { offset },
        condition @ (4..=7) => Insn::BCond {
            condition: condition as u8,
            offset,
        },
        // AL and NV both mean always.
        _ => Insn::B { offset },
    }
    .into()
}

fn compare_and_branch(w: Word) -> Decoded {
    let (rt, offset) = (w.rt(), w.signed(23, 5) << 2);
    match (w.bit(31), w.bit(24)) {
        (true, false) => Insn::Cbz64 { rt, offset },
        (false, false) => Insn::Cbz32 { rt, offset },
        (true, true) => Insn::Cbnz64 { rt, offset },
        (false, true) => Insn::Cbnz32 { rt, offset },
    }
    .into()
}

fn test_and_branch(w: Word) -> Decoded {
    let (rt, offset) = (w.rt(), w.signed(18, 5) << 2);
    let bit = (w.bits(31, 31) << 5 | w.bits(23, 19)) as u8;
    if w.bit(24) {
        Insn::Tbnz { rt, bit, offset }
    } else {
        Insn::Tbz { rt, bit, offset }
    }
    .into()
}

fn register(w: Word) -> Decoded {
    const PAUTH: Decoded = Decoded::NotImplemented("pointer authentication");
    let (opc, op2, op3, op4) = (w.bits(24, 21), w.bits(20, 16), w.bits(15, 10), w.bits(4, 0));
    if op2 != 0b11111 {
        return Decoded::Unallocated;
    }
    let rn = w.rn();
    let rn_all_ones = w.bits(9, 5) == 31;
    let signed = op3 & !1 == 0b000010;
    match opc {
        0b0000 if op3 == 0 && op4 == 0 => Insn::Br { rn }.into(),
        0b0001 if op3 == 0 && op4 == 0 => Insn::Blr { rn }.into(),
        0b0010 if op3 == 0 && op4 == 0 => Insn::Ret { rn }.into(),
        0b0000 | 0b0001 if signed && op4 == 31 => PAUTH,
        0b0010 if signed && op4 == 31 && rn_all_ones => PAUTH,
        0b0100 if signed && op4 == 31 && rn_all_ones => PAUTH,
        // ERET and DRPS: undefined at EL0.
        0b0100 | 0b0101 if op3 == 0 && op4 == 0 && rn_all_ones => Insn::Undefined { word: w.0 }.into(),
        0b1000 | 0b1001 if signed => PAUTH,
        _ => Decoded::Unallocated,
    }
}

fn exception(w: Word) -> Decoded {
    if w.bits(4, 2) != 0 {
        return Decoded::Unallocated;
    }
    let imm = w.bits(20, 5) as u16;
    match (w.bits(23, 21), w.bits(1, 0)) {
        (0b000, 0b01) => Insn::Svc { imm }.into(),
        (0b001, 0b00) => Insn::Brk { imm }.into(),
        // HVC and SMC are undefined at EL0, HLT and DCPS1-3 without a debugger attached to the bus.
        (0b000, 0b10 | 0b11) | (0b010, 0b00) | (0b101, 0b01..=0b11) => Insn::Undefined { word: w.0 }.into(),
        (0b011, 0b00) => Decoded::NotImplemented("TME"),
        _ => Decoded::Unallocated,
    }
}
