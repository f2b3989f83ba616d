//! What the manual leaves open, and where the emulator is known to differ from the manual: each with its reason. Nothing
//! else may differ. [`LIST`] is printed by `cargo xtask lockstep --open`.

use cpu::insn::{Mode, Structure};
use cpu::{Decoded, Insn, decode};

use super::case::{Case, access_bytes, field, needs_alignment};
use super::guest::State;

/// Why an operand set is not tried, or a difference is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Open {
    WritebackToData,
    PairOfOne,
    ExclusiveStatus,
    ShouldBeOne,
    MisalignedStoreExclusive,
    PartialAccess,
    Identification,
    SupervisorCall,
    LenientEmulator,
    Semihosting,
    BeyondUserSpace,
    OrderedAlignment,
    Aarch32,
    UnmappedMaintenance,
    Persistence,
    HalfToFixed,
    EmulatorAborts,
}

/// Each reason in words.
pub(crate) const LIST: &[(Open, &str)] = &[
    (
        Open::WritebackToData,
        "a load or store with writeback whose base is a data register too: CONSTRAINED UNPREDICTABLE (K1.2)",
    ),
    (
        Open::PairOfOne,
        "a load of a pair to one register twice: CONSTRAINED UNPREDICTABLE (K1.2)",
    ),
    (
        Open::ExclusiveStatus,
        "a store exclusive whose status register is its data or base register: CONSTRAINED UNPREDICTABLE (K1.2)",
    ),
    (
        Open::ShouldBeOne,
        "LDAPR with should-be-one bits clear: CONSTRAINED UNPREDICTABLE (C1.1)",
    ),
    (
        Open::MisalignedStoreExclusive,
        "a misaligned store exclusive: the emulator's user mode lets it fail with status 1, the manual has it fault (AArch64.ExclusiveMonitorsPass)",
    ),
    (
        Open::PartialAccess,
        "memory and vector registers after a load or store of several accesses of which a later one faults: any of them may be done (B2.2)",
    ),
    (
        Open::Identification,
        "the value of identification registers, of the counter and of its frequency: the implementation's own",
    ),
    (
        Open::SupervisorCall,
        "SVC: calls the kernel; the kernel's tests compare system calls",
    ),
    (
        Open::LenientEmulator,
        "words that the emulator (7.2) runs although the manual does not allocate them",
    ),
    (
        Open::Semihosting,
        "HLT: the emulator's semihosting; undefined at EL0 without a debugger",
    ),
    (
        Open::BeyondUserSpace,
        "the fault's address where it is beyond user space: the emulator reports what its host's processor said",
    ),
    (
        Open::OrderedAlignment,
        "a misaligned LDAPR, LDAPUR or STLUR: the emulator (7.2) does not check, or has FEAT_LSE2",
    ),
    (
        Open::Aarch32,
        "FPCR.Len, FPCR.Stride and FPSR.NZCV: kept only by processors that have AArch32; not written",
    ),
    (
        Open::UnmappedMaintenance,
        "cache maintenance of an address that is not mapped: the emulator's user mode does not look",
    ),
    (
        Open::Persistence,
        "DC CVAP: the emulator's user mode (7.2) lacks it",
    ),
    (
        Open::HalfToFixed,
        "FCVTZS of a half-precision scalar to fixed point: the emulator (7.2) extends the sign into bits 31:16, which the manual clears",
    ),
    (
        Open::EmulatorAborts,
        "words that nothing allocates and at which the emulator (7.2) itself aborts",
    ),
];

/// Why a word's operands are not tried.
pub(crate) fn operands(word: u32) -> Option<Open> {
    let (t, n, t2, s) = (field(word, 0), field(word, 5), field(word, 10), field(word, 16));
    let vector = word >> 26 & 1 == 1;
    let Decoded::Insn(insn) = decode(word) else {
        return None;
    };
    let is_indexed = word & 0x3f20_0400 == 0x3800_0400;
    let is = |open: bool, why: Open| open.then_some(why);
    match insn {
        _ if is_indexed => is(t == n && t != 31, Open::WritebackToData),
        Insn::LdpX { .. } => is(t == t2, Open::PairOfOne),
        Insn::LdpXPost { .. } if t == t2 => Some(Open::PairOfOne),
        Insn::LdpXPost { .. } | Insn::StpXPre { .. } => is(t == n || t2 == n, Open::WritebackToData),
        Insn::Pair { mode, .. } => {
            let load = word >> 22 & 1 == 1;
            let writeback = mode != Mode::Offset && !vector;
            is(load && t == t2, Open::PairOfOne).or(is(
                writeback && n != 31 && (t == n || t2 == n),
                Open::WritebackToData,
            ))
        }
        Insn::LoadExclusivePair { .. } => is(t == t2, Open::PairOfOne),
        Insn::StoreExclusive { .. } => is(s == t || s == n, Open::ExclusiveStatus),
        Insn::StoreExclusivePair { .. } => is(s == t || s == n || s == t2, Open::ExclusiveStatus),
        Insn::Ordered { .. } => is(word & 0x3f20_fc00 == 0x3820_c000 && s != 31, Open::ShouldBeOne),
        Insn::Cache { .. } => is(t == 31, Open::UnmappedMaintenance),
        Insn::Svc { .. } => Some(Open::SupervisorCall),
        _ => None,
    }
}

/// Why a word that is no instruction here is not tried.
pub(crate) fn undefined(word: u32) -> Option<Open> {
    // Half-precision reductions and pairwise operations with size<0> set, the half-precision FMOV immediate with op
    // set, and FNEG of half-precision vectors with the bit of scalars set.
    const LENIENT: [(u32, u32); 4] = [
        (0xbf7e_0c00, 0x0e70_0800),
        (0xff7e_0c00, 0x5e70_0800),
        (0xbff8_fc00, 0x2f00_fc00),
        (0xffff_fc00, 0x7ef8_f800),
    ];
    if LENIENT.iter().any(|(mask, value)| word & mask == *value) {
        return Some(Open::LenientEmulator);
    }
    (word & 0xffe0_001f == 0xd440_0000).then_some(Open::Semihosting)
}

/// Makes equal what may differ after a case; the reason, if something may.
pub(crate) fn settle(case: &Case, ours: &mut State, theirs: &State) -> Option<Open> {
    let word = case.words[1];
    let Decoded::Insn(insn) = decode(word) else {
        return None;
    };
    match insn {
        Insn::Cache { .. } if word & !31 == 0xd50b_7c20 && theirs.signal == 4 => {
            *ours = theirs.clone();
            Some(Open::Persistence)
        }
        _ if word & 0xfff0_fc00 == 0x5f10_fc00 => {
            let register = &mut ours.v[field(word, 0) as usize];
            let extended = *register as i16 as u32;
            (*register == u128::from(extended as u16)).then(|| *register = extended.into())?;
            Some(Open::HalfToFixed)
        }
        Insn::StoreExclusive { .. } | Insn::StoreExclusivePair { .. }
            if ours.signal == 7 && theirs.signal != 7 =>
        {
            *ours = theirs.clone();
            Some(Open::MisalignedStoreExclusive)
        }
        Insn::Ordered { .. } if ours.signal == 7 && theirs.signal != 7 && word >> 28 & 3 != 0 => {
            *ours = theirs.clone();
            Some(Open::OrderedAlignment)
        }
        _ if ours.signal == 11 && theirs.signal == 11 && ours.address >> 47 != 0 => {
            *ours = theirs.clone();
            Some(Open::BeyondUserSpace)
        }
        _ if ours.signal == 11 && theirs.signal == 11 && has_several_accesses(word, &insn) => {
            let differs = ours.window != theirs.window || ours.v != theirs.v;
            ours.window = theirs.window;
            ours.v = theirs.v;
            differs.then_some(Open::PartialAccess)
        }
        Insn::Mrs { register, .. } if is_own(register) => {
            if let register @ 0..31 = field(word, 0) {
                ours.x[register as usize] = theirs.x[register as usize];
            }
            Some(Open::Identification)
        }
        _ => None,
    }
}

/// Whether it accesses memory more than once: pairs, structures of more than one element, `DC ZVA`, and 16 bytes of a
/// vector register, which are two accesses of eight (B2.2.1). All others are done as a whole or not at all.
fn has_several_accesses(word: u32, insn: &Insn) -> bool {
    match insn {
        Insn::Pair { .. } | Insn::LdpX { .. } | Insn::StpX { .. } => true,
        Insn::LdpXPost { .. } | Insn::StpXPre { .. } | Insn::Cache { .. } => true,
        Insn::Structure { shape, .. } => !matches!(
            shape,
            Structure::Single { selem: 1, .. } | Structure::Replicate { selem: 1, .. }
        ),
        _ => access_bytes(word) > 8 && !needs_alignment(word),
    }
}

fn is_own(register: cpu::insn::SysReg) -> bool {
    use cpu::insn::SysReg;
    !matches!(
        register,
        SysReg::Nzcv | SysReg::Fpcr | SysReg::Fpsr | SysReg::Tpidr | SysReg::Tpidrro
    )
}
