//! [`Insn`]: one decoded instruction in 16 bytes.
//!
//! The decoder makes these, the block cache keeps them, the interpreter runs them and a translator may read
//! them. Register 31 is already settled ([`arch::Reg`]), immediates are already expanded, and the forms that
//! programs run most have variants of their own, so that running one is a load or two, the operation, and a
//! store. Rare forms share variants with a small operation enum, and run out of line.
//!
//! Aliases fall together where the effect is the same: `SUB #imm` is `AddImm` of the negative, `LDUR` and
//! `LDR #imm` are one load with a byte offset, `AND Wd, Wn, #imm` is the 64-bit form with a mask of 32 bits.

use arch::{Features, Reg};

use crate::simd::SimdInsn;

/// Whether an instruction works on 32 or 64 bits (the `sf` bit).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// 32 bits; the upper half of a destination becomes zero.
    W,
    /// 64 bits.
    X,
}

/// How a register operand is shifted (Arm ARM shared function `ShiftReg`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the manual's own names")]
pub enum Shift {
    Lsl,
    Lsr,
    Asr,
    Ror,
}

/// How a register operand is extended before it is shifted left (Arm ARM shared function `ExtendReg`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the manual's own names")]
pub enum Extend {
    Uxtb,
    Uxth,
    Uxtw,
    Uxtx,
    Sxtb,
    Sxth,
    Sxtw,
    Sxtx,
}

/// Additions and subtractions in the forms that share a variant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the manual's own names")]
pub enum AddOp {
    Add,
    Adds,
    Sub,
    Subs,
}

/// Logical operations in the forms that share a variant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the manual's own names")]
pub enum LogicOp {
    And,
    Orr,
    Eor,
    Ands,
}

/// Data processing with one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the manual's own names")]
pub enum UnaryOp {
    Rbit32,
    Rbit64,
    Rev16x2,
    Rev16x4,
    Rev32,
    Rev32x2,
    Rev64,
    Clz32,
    Clz64,
    Cls32,
    Cls64,
}

/// Multiplications of 32-bit sources to 64 bits, and the high half of 64-bit products.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the manual's own names")]
pub enum LongOp {
    Smaddl,
    Smsubl,
    Umaddl,
    Umsubl,
}

/// Integer loads and stores of one register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(
    missing_docs,
    reason = "size in bits, S for sign extension, then the width of the register"
)]
pub enum IntOp {
    Ld8,
    Ld16,
    Ld32,
    Ld64,
    LdS8W,
    LdS16W,
    LdS8X,
    LdS16X,
    LdS32X,
    St8,
    St16,
    St32,
    St64,
}

impl IntOp {
    /// The bytes that it moves.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Ld8 | Self::LdS8W | Self::LdS8X | Self::St8 => 1,
            Self::Ld16 | Self::LdS16W | Self::LdS16X | Self::St16 => 2,
            Self::Ld32 | Self::LdS32X | Self::St32 => 4,
            Self::Ld64 | Self::St64 => 8,
        }
    }

    /// Whether it writes memory.
    pub const fn is_store(self) -> bool {
        matches!(self, Self::St8 | Self::St16 | Self::St32 | Self::St64)
    }
}

/// Loads and stores of one SIMD&FP register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "size in bits")]
pub enum VecOp {
    Ld8,
    Ld16,
    Ld32,
    Ld64,
    Ld128,
    St8,
    St16,
    St32,
    St64,
    St128,
}

/// Loads and stores of two registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the manual's own names; V for SIMD&FP registers")]
pub enum PairOp {
    LdpW,
    LdpX,
    Ldpsw,
    StpW,
    StpX,
    LdpVS,
    LdpVD,
    LdpVQ,
    StpVS,
    StpVD,
    StpVQ,
}

/// When the base register of a load or store changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Never.
    Offset,
    /// To the address that was accessed.
    Pre,
    /// After an access at the old value.
    Post,
}

/// Atomic memory operations (FEAT_LSE).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the manual's own names")]
pub enum AtomicOp {
    Add,
    Clr,
    Eor,
    Set,
    Smax,
    Smin,
    Umax,
    Umin,
    Swp,
}

/// The element and shape of a structure load or store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Structure {
    /// LD1 to LD4 and ST1 to ST4 of whole registers.
    Multiple {
        /// Registers of one structure.
        selem: u8,
        /// Repetitions (LD1 and ST1 of several registers).
        rpt: u8,
        /// log2 of the element's bytes.
        scale: u8,
        /// Whether the registers have 128 bits.
        quad: bool,
    },
    /// One lane of each register.
    Single {
        /// Registers of the structure.
        selem: u8,
        /// The lane.
        index: u8,
        /// log2 of the element's bytes.
        scale: u8,
    },
    /// LD1R to LD4R.
    Replicate {
        /// Registers of the structure.
        selem: u8,
        /// log2 of the element's bytes.
        scale: u8,
        /// Whether the registers have 128 bits.
        quad: bool,
    },
}

/// System registers that user space can name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the manual's own names")]
pub enum SysReg {
    Nzcv,
    Fpcr,
    Fpsr,
    Tpidr,
    Tpidrro,
    Cntvct,
    /// One that always reads as the same number.
    Constant(u32),
    /// One that tells what the processor has.
    Identity {
        /// Which.
        register: IdRegister,
        /// What it has.
        features: Features,
    },
}

/// Identification registers that tell the [`Features`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the manual's own names, without ID_AA64 and _EL1")]
pub enum IdRegister {
    Pfr0,
    Isar0,
    Isar1,
}

/// Cache maintenance by address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CacheOp {
    /// `DC ZVA`: zeroes 64 bytes.
    ZeroBlock,
    /// `DC CVAC`, `CVAU`, `CIVAC`: nothing to do, but the address must be readable.
    Clean,
    /// `IC IVAU`: the same.
    InvalidateCode,
}

/// One instruction; its first byte says which. Offsets of branches and of PC-relative addresses are from the instruction itself.
#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "fields are named as in the manual: rd, rn, rm, ra, rt, rt2, rs")]
#[rustfmt::skip]
pub enum Insn {
    /// Hints, barriers (one processor has nothing to order) and prefetches.
    Nop,

    // Data processing, immediate.
    Adr { rd: Reg, offset: i64 },
    /// The offset is in bytes and applies to the 4 KiB page of the PC.
    Adrp { rd: Reg, offset: i64 },
    AddImm64 { rd: Reg, rn: Reg, imm: u64 },
    AddImm32 { rd: Reg, rn: Reg, imm: u32 },
    AddsImm64 { rd: Reg, rn: Reg, imm: u32 },
    AddsImm32 { rd: Reg, rn: Reg, imm: u32 },
    SubsImm64 { rd: Reg, rn: Reg, imm: u32 },
    SubsImm32 { rd: Reg, rn: Reg, imm: u32 },
    AndImm { rd: Reg, rn: Reg, imm: u64 },
    OrrImm64 { rd: Reg, rn: Reg, imm: u64 },
    OrrImm32 { rd: Reg, rn: Reg, imm: u32 },
    EorImm64 { rd: Reg, rn: Reg, imm: u64 },
    EorImm32 { rd: Reg, rn: Reg, imm: u32 },
    AndsImm64 { rd: Reg, rn: Reg, imm: u64 },
    AndsImm32 { rd: Reg, rn: Reg, imm: u32 },
    MovImm { rd: Reg, imm: u64 },
    /// `rd = source & keep | imm << shift`, where `source` is `rd` to be read.
    Movk { rd: Reg, source: Reg, width: Width, shift: u8, imm: u16 },
    Lsl64 { rd: Reg, rn: Reg, by: u8 },
    Lsl32 { rd: Reg, rn: Reg, by: u8 },
    Lsr64 { rd: Reg, rn: Reg, by: u8 },
    Lsr32 { rd: Reg, rn: Reg, by: u8 },
    Sxtw { rd: Reg, rn: Reg },
    /// `(rn << left) >> right`: every other `UBFM`, of either width.
    Ubfm { rd: Reg, rn: Reg, left: u8, right: u8 },
    /// The same with an arithmetic shift: every other `SBFM` of 64 bits.
    Sbfm64 { rd: Reg, rn: Reg, left: u8, right: u8 },
    /// The same, cut to 32 bits.
    Sbfm32 { rd: Reg, rn: Reg, left: u8, right: u8 },
    /// `source` is `rd` to be read; inserts `width` bits from `rn >> lsb_from` at `lsb_to`.
    Bfm { rd: Reg, source: Reg, rn: Reg, size: Width, lsb_from: u8, lsb_to: u8, width: u8 },
    Extr { rd: Reg, rn: Reg, rm: Reg, width: Width, by: u8 },

    // Data processing, register.
    AddReg64 { rd: Reg, rn: Reg, rm: Reg },
    AddReg32 { rd: Reg, rn: Reg, rm: Reg },
    SubReg64 { rd: Reg, rn: Reg, rm: Reg },
    SubReg32 { rd: Reg, rn: Reg, rm: Reg },
    AddsReg64 { rd: Reg, rn: Reg, rm: Reg },
    AddsReg32 { rd: Reg, rn: Reg, rm: Reg },
    SubsReg64 { rd: Reg, rn: Reg, rm: Reg },
    SubsReg32 { rd: Reg, rn: Reg, rm: Reg },
    AddLsl64 { rd: Reg, rn: Reg, rm: Reg, by: u8 },
    AddLsl32 { rd: Reg, rn: Reg, rm: Reg, by: u8 },
    AddShifted { op: AddOp, width: Width, rd: Reg, rn: Reg, rm: Reg, shift: Shift, by: u8 },
    AddExtended { op: AddOp, width: Width, rd: Reg, rn: Reg, rm: Reg, extend: Extend, by: u8 },
    AddCarry { op: AddOp, width: Width, rd: Reg, rn: Reg, rm: Reg },
    MovReg64 { rd: Reg, rm: Reg },
    MovReg32 { rd: Reg, rm: Reg },
    AndReg64 { rd: Reg, rn: Reg, rm: Reg },
    AndReg32 { rd: Reg, rn: Reg, rm: Reg },
    OrrReg64 { rd: Reg, rn: Reg, rm: Reg },
    OrrReg32 { rd: Reg, rn: Reg, rm: Reg },
    EorReg64 { rd: Reg, rn: Reg, rm: Reg },
    EorReg32 { rd: Reg, rn: Reg, rm: Reg },
    AndsReg64 { rd: Reg, rn: Reg, rm: Reg },
    AndsReg32 { rd: Reg, rn: Reg, rm: Reg },
    BicReg64 { rd: Reg, rn: Reg, rm: Reg },
    BicReg32 { rd: Reg, rn: Reg, rm: Reg },
    MvnReg64 { rd: Reg, rm: Reg },
    MvnReg32 { rd: Reg, rm: Reg },
    OrrLsl64 { rd: Reg, rn: Reg, rm: Reg, by: u8 },
    OrrLsl32 { rd: Reg, rn: Reg, rm: Reg, by: u8 },
    EorRor32 { rd: Reg, rn: Reg, rm: Reg, by: u8 },
    LogicShifted { op: LogicOp, invert: bool, width: Width, rd: Reg, rn: Reg, rm: Reg, shift: Shift, by: u8 },
    ShiftReg { shift: Shift, width: Width, rd: Reg, rn: Reg, rm: Reg },
    Csel64 { rd: Reg, rn: Reg, rm: Reg, condition: u8 },
    Csel32 { rd: Reg, rn: Reg, rm: Reg, condition: u8 },
    Csinc64 { rd: Reg, rn: Reg, rm: Reg, condition: u8 },
    Csinc32 { rd: Reg, rn: Reg, rm: Reg, condition: u8 },
    Csinv64 { rd: Reg, rn: Reg, rm: Reg, condition: u8 },
    Csinv32 { rd: Reg, rn: Reg, rm: Reg, condition: u8 },
    Csneg64 { rd: Reg, rn: Reg, rm: Reg, condition: u8 },
    Csneg32 { rd: Reg, rn: Reg, rm: Reg, condition: u8 },
    /// `op` is `Adds` for CCMN, `Subs` for CCMP.
    CcmpReg { op: AddOp, width: Width, rn: Reg, rm: Reg, nzcv: u8, condition: u8 },
    CcmpImm { op: AddOp, width: Width, rn: Reg, imm: u8, nzcv: u8, condition: u8 },
    Madd64 { rd: Reg, rn: Reg, rm: Reg, ra: Reg },
    Madd32 { rd: Reg, rn: Reg, rm: Reg, ra: Reg },
    Msub64 { rd: Reg, rn: Reg, rm: Reg, ra: Reg },
    Msub32 { rd: Reg, rn: Reg, rm: Reg, ra: Reg },
    MulLong { op: LongOp, rd: Reg, rn: Reg, rm: Reg, ra: Reg },
    Smulh { rd: Reg, rn: Reg, rm: Reg },
    Umulh { rd: Reg, rn: Reg, rm: Reg },
    Udiv { width: Width, rd: Reg, rn: Reg, rm: Reg },
    Sdiv { width: Width, rd: Reg, rn: Reg, rm: Reg },
    /// CRC32 and CRC32C of `bytes` bytes of `rm`.
    Crc32 { castagnoli: bool, bytes: u8, rd: Reg, rn: Reg, rm: Reg },
    Unary { op: UnaryOp, rd: Reg, rn: Reg },

    // Branches, exceptions, system.
    B { offset: i32 },
    Bl { offset: i32 },
    BCond { condition: u8, offset: i32 },
    BEq { offset: i32 },
    BNe { offset: i32 },
    BHs { offset: i32 },
    BLo { offset: i32 },
    BHi { offset: i32 },
    BLs { offset: i32 },
    BGe { offset: i32 },
    BLt { offset: i32 },
    BGt { offset: i32 },
    BLe { offset: i32 },
    Cbz64 { rt: Reg, offset: i32 },
    Cbz32 { rt: Reg, offset: i32 },
    Cbnz64 { rt: Reg, offset: i32 },
    Cbnz32 { rt: Reg, offset: i32 },
    Tbz { rt: Reg, bit: u8, offset: i32 },
    Tbnz { rt: Reg, bit: u8, offset: i32 },
    Br { rn: Reg },
    Blr { rn: Reg },
    Ret { rn: Reg },
    Svc { imm: u16 },
    Brk { imm: u16 },
    /// What user space must not execute, `UDF`, and in a block what is unallocated.
    Undefined { word: u32 },
    /// In a block: what the decoder does not have.
    Missing { word: u32 },
    Isb,
    Clrex,
    Mrs { rt: Reg, register: SysReg },
    Msr { rt: Reg, register: SysReg },
    Cache { op: CacheOp, rt: Reg },

    // Loads and stores.
    Ld8 { rt: Reg, rn: Reg, offset: i32 },
    Ld16 { rt: Reg, rn: Reg, offset: i32 },
    Ld32 { rt: Reg, rn: Reg, offset: i32 },
    Ld64 { rt: Reg, rn: Reg, offset: i32 },
    LdS8W { rt: Reg, rn: Reg, offset: i32 },
    LdS16W { rt: Reg, rn: Reg, offset: i32 },
    LdS8X { rt: Reg, rn: Reg, offset: i32 },
    LdS16X { rt: Reg, rn: Reg, offset: i32 },
    LdS32X { rt: Reg, rn: Reg, offset: i32 },
    St8 { rt: Reg, rn: Reg, offset: i32 },
    St16 { rt: Reg, rn: Reg, offset: i32 },
    St32 { rt: Reg, rn: Reg, offset: i32 },
    St64 { rt: Reg, rn: Reg, offset: i32 },
    Ld8Reg { rt: Reg, rn: Reg, rm: Reg },
    Ld32Reg { rt: Reg, rn: Reg, rm: Reg, by: u8 },
    Ld64Reg { rt: Reg, rn: Reg, rm: Reg, by: u8 },
    St8Reg { rt: Reg, rn: Reg, rm: Reg },
    St32Reg { rt: Reg, rn: Reg, rm: Reg, by: u8 },
    St64Reg { rt: Reg, rn: Reg, rm: Reg, by: u8 },
    LdVec32 { rt: u8, rn: Reg, offset: i32 },
    LdVec64 { rt: u8, rn: Reg, offset: i32 },
    LdVec128 { rt: u8, rn: Reg, offset: i32 },
    StVec32 { rt: u8, rn: Reg, offset: i32 },
    StVec64 { rt: u8, rn: Reg, offset: i32 },
    StVec128 { rt: u8, rn: Reg, offset: i32 },
    LdpX { rt: Reg, rt2: Reg, rn: Reg, offset: i16 },
    StpX { rt: Reg, rt2: Reg, rn: Reg, offset: i16 },
    /// Post-index.
    LdpXPost { rt: Reg, rt2: Reg, rn: Reg, offset: i16 },
    /// Pre-index.
    StpXPre { rt: Reg, rt2: Reg, rn: Reg, offset: i16 },
    Ld8Post { rt: Reg, rn: Reg, offset: i32 },
    Ld32Post { rt: Reg, rn: Reg, offset: i32 },
    Ld64Post { rt: Reg, rn: Reg, offset: i32 },
    St8Post { rt: Reg, rn: Reg, offset: i32 },
    St32Post { rt: Reg, rn: Reg, offset: i32 },
    St64Post { rt: Reg, rn: Reg, offset: i32 },
    Ld8Pre { rt: Reg, rn: Reg, offset: i32 },
    St64Pre { rt: Reg, rn: Reg, offset: i32 },
    /// Other pre- and post-index forms of one integer register; `src` is `rt` of a store, `dst` of a load.
    IntIndexed { op: IntOp, dst: Reg, src: Reg, rn: Reg, mode: Mode, offset: i16 },
    IntReg { op: IntOp, dst: Reg, src: Reg, rn: Reg, rm: Reg, extend: Extend, by: u8 },
    IntLiteral { op: IntOp, rt: Reg, offset: i32 },
    VecIndexed { op: VecOp, rt: u8, rn: Reg, mode: Mode, offset: i32 },
    VecReg { op: VecOp, rt: u8, rn: Reg, rm: Reg, extend: Extend, by: u8 },
    VecLiteral { op: VecOp, rt: u8, offset: i32 },
    /// Register fields as in the encoding: they mean integer or SIMD&FP registers by `op`.
    Pair { op: PairOp, rt: u8, rt2: u8, rn: Reg, mode: Mode, offset: i16 },
    Structure { shape: Structure, load: bool, rt: u8, rn: Reg, writeback: Writeback },
    /// LDXR, LDAXR: `bytes` of one register.
    LoadExclusive { bytes: u8, rt: Reg, rn: Reg },
    StoreExclusive { bytes: u8, rs: Reg, rt: Reg, rn: Reg },
    /// LDXP, LDAXP: `bytes` of each register.
    LoadExclusivePair { bytes: u8, rt: Reg, rt2: Reg, rn: Reg },
    StoreExclusivePair { bytes: u8, rs: Reg, rt: Reg, rt2: Reg, rn: Reg },
    /// LDAR, STLR and their kin: need natural alignment.
    Ordered { op: IntOp, dst: Reg, src: Reg, rn: Reg, offset: i16 },
    Atomic { op: AtomicOp, bytes: u8, rs: Reg, rt: Reg, rn: Reg },
    /// `old` and `rs` are one register, to be written and read.
    Cas { bytes: u8, rs: Reg, old: Reg, rt: Reg, rn: Reg },
    /// Register numbers as in the encoding: `rs`, `rs + 1`, `rt`, `rt + 1`, all even.
    Casp { bytes: u8, rs: u8, rt: u8, rn: Reg },

    /// Advanced SIMD and floating point, register to register, without the condition flags.
    Simd(Vector),
    /// The same with them: FCMP, FCCMP, FCSEL.
    SimdFlags(Vector),
}

/// An instruction of Advanced SIMD or floating point, register to register; see the module `simd`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Vector(pub(crate) SimdInsn);

/// What a structure load or store adds to its base.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writeback {
    /// Nothing.
    None,
    /// A number of bytes.
    Bytes(u8),
    /// A register.
    Reg(Reg),
}

const _: () = assert!(size_of::<Insn>() <= 16);

impl Insn {
    /// Whether a block ends with this instruction: control always leaves it, or code may have changed.
    /// A conditional branch does not end a block.
    pub fn ends_block(&self) -> bool {
        use Insn::*;
        match self {
            B { .. } | Bl { .. } | Br { .. } | Blr { .. } | Ret { .. } => true,
            Svc { .. } | Brk { .. } | Undefined { .. } | Missing { .. } | Isb => true,
            Cache { op, .. } => *op == CacheOp::InvalidateCode,
            _ => false,
        }
    }
}
