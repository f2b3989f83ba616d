//! The registers that a debugger sees, in the order and with the numbers of the target description.
//!
//! The features are those of gdb's manual (AArch64 Features): `core`, `fpu` and `tls`. Of `cpsr`, user space has the
//! four flags. Key types: [`A64`], [`UserRegs`], [`Register`].

use std::num::NonZeroUsize;

use arch::{Flags, Regs};
use gdbstub::arch::{Arch, RegId, Registers};

/// AArch64 user space, for gdbstub.
#[derive(Debug)]
pub struct A64;

/// All registers of a thread.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct UserRegs(pub(super) Regs);

/// One register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// X0 to X30.
    X(usize),
    /// The stack pointer.
    Sp,
    /// The program counter.
    Pc,
    /// The flags.
    Cpsr,
    /// V0 to V31.
    V(usize),
    /// Floating-point status.
    Fpsr,
    /// Floating-point control.
    Fpcr,
    /// The thread pointer.
    Tpidr,
}

/// How many registers there are.
const COUNT: usize = 69;

impl Register {
    fn numbered(number: usize) -> Option<Self> {
        Some(match number {
            0..=30 => Self::X(number),
            31 => Self::Sp,
            32 => Self::Pc,
            33 => Self::Cpsr,
            34..=65 => Self::V(number - 34),
            66 => Self::Fpsr,
            67 => Self::Fpcr,
            68 => Self::Tpidr,
            _ => return None,
        })
    }

    fn all() -> impl Iterator<Item = Self> {
        (0..COUNT).filter_map(Self::numbered)
    }

    /// Its size in bytes.
    pub(super) fn size(self) -> usize {
        match self {
            Self::V(_) => 16,
            Self::Cpsr | Self::Fpsr | Self::Fpcr => 4,
            _ => 8,
        }
    }

    /// Its bytes, [`Register::size`] of which count.
    pub(super) fn read(self, regs: &Regs) -> [u8; 16] {
        let value = match self {
            Self::X(number) => u128::from(regs.x(number)),
            Self::Sp => regs.sp().into(),
            Self::Pc => regs.pc.into(),
            Self::Cpsr => regs.flags.bits().into(),
            Self::V(number) => regs.v.get(number).copied().unwrap_or_default(),
            Self::Fpsr => regs.fpsr.into(),
            Self::Fpcr => regs.fpcr.into(),
            Self::Tpidr => regs.tpidr.into(),
        };
        value.to_le_bytes()
    }

    /// Sets it; bytes that are missing are zero.
    pub(super) fn write(self, regs: &mut Regs, bytes: &[u8]) {
        let mut whole = [0; 16];
        let length = bytes.len().min(self.size());
        whole[..length].copy_from_slice(&bytes[..length]);
        let wide = u128::from_le_bytes(whole);
        let value = wide as u64;
        match self {
            Self::X(number) => regs.set_x(number, value),
            Self::Sp => regs.set_sp(value),
            Self::Pc => regs.pc = value,
            Self::Cpsr => regs.flags = Flags::from_bits(value as u32),
            Self::V(number) => {
                if let Some(v) = regs.v.get_mut(number) {
                    *v = wide;
                }
            }
            Self::Fpsr => regs.fpsr = value as u32,
            Self::Fpcr => regs.fpcr = value as u32,
            Self::Tpidr => regs.tpidr = value,
        }
    }
}

impl RegId for Register {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        let register = Self::numbered(id)?;
        Some((register, NonZeroUsize::new(register.size())))
    }
}

impl Registers for UserRegs {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.0.pc
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        for register in Register::all() {
            let bytes = register.read(&self.0);
            bytes[..register.size()]
                .iter()
                .for_each(|byte| write_byte(Some(*byte)));
        }
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let mut rest = bytes;
        for register in Register::all() {
            let (value, after) = rest.split_at_checked(register.size()).ok_or(())?;
            register.write(&mut self.0, value);
            rest = after;
        }
        rest.is_empty().then_some(()).ok_or(())
    }
}

impl Arch for A64 {
    type Usize = u64;
    type Registers = UserRegs;
    type BreakpointKind = usize;
    type RegId = Register;

    fn target_description_xml() -> Option<&'static str> {
        Some(DESCRIPTION)
    }
}

/// The target description; its order is that of [`Register::numbered`].
const DESCRIPTION: &str = include_str!("target.xml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_register_goes_there_and_back() {
        let mut regs = UserRegs::default();
        for (number, register) in Register::all().enumerate() {
            let mut bytes = [number as u8 + 1; 16];
            if register == Register::Cpsr {
                bytes = [0, 0, 0, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            }
            register.write(&mut regs.0, &bytes[..register.size()]);
        }
        let mut sent = Vec::new();
        regs.gdb_serialize(|byte| sent.push(byte.unwrap_or(0)));
        assert_eq!(sent.len(), 31 * 8 + 8 + 8 + 4 + 32 * 16 + 4 + 4 + 8);
        let mut back = UserRegs::default();
        assert_eq!(back.gdb_deserialize(&sent), Ok(()));
        assert_eq!(back, regs);
        assert_eq!(UserRegs::default().gdb_deserialize(&sent[1..]), Err(()));
        assert_eq!(
            (back.0.x(30), back.0.tpidr),
            (0x1f1f_1f1f_1f1f_1f1f, 0x4545_4545_4545_4545)
        );
    }

    /// Names appear in the description in the order of the numbers.
    #[test]
    fn the_description_has_the_same_order() {
        let names: Vec<&str> = DESCRIPTION
            .split("<reg name=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let expected: Vec<String> = Register::all()
            .map(|register| match register {
                Register::X(number) => format!("x{number}"),
                Register::V(number) => format!("v{number}"),
                other => format!("{other:?}").to_lowercase(),
            })
            .collect();
        assert_eq!(names, expected);
    }
}
