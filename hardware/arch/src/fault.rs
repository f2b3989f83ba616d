//! Aborts: what a translation or an access can die of, and its syndrome.
//!
//! Key types: [`Fault`], the guest's doing, to be resolved or delivered to it; [`Access`]; [`FaultCause`].
//! A `Fault` is never used for Linux's answers (`Errno`) nor for trouble of the host.

use core::fmt;

use crate::addr::VirtAddr;

/// What the processor was doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Access {
    /// A load.
    Read,
    /// A store (and every atomic read-modify-write).
    Write,
    /// An instruction fetch.
    Execute,
}

/// The level of the walk at which a fault was found, 0 to 3.
pub type Level = u8;

/// Why an access failed (the DFSC/IFSC of `ESR_ELx`, Arm ARM D24.2.40).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum FaultCause {
    /// No valid descriptor, or an address outside the translated range.
    Translation(Level),
    /// The access flag is clear and the hardware does not set it.
    AccessFlag(Level),
    /// The descriptor does not allow this access.
    Permission(Level),
    /// A descriptor's output address lies outside physical memory.
    AddressSize(Level),
    /// The address must be a multiple of the access size and is not.
    Alignment,
    /// A descriptor could not be read: the table lies outside RAM.
    ExternalOnWalk(Level),
    /// A breakpoint (of a fetch) or a watchpoint: only where a debugger set one.
    Debug,
}

/// An access of user space that could not be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Fault {
    /// The exact byte, as the program gave it (`FAR_EL1`).
    pub address: VirtAddr,
    /// What was being done.
    pub access: Access,
    /// Why it failed.
    pub cause: FaultCause,
}

impl FaultCause {
    /// The six-bit fault status code.
    pub const fn status_code(self) -> u8 {
        match self {
            Self::AddressSize(level) => level & 3,
            Self::Translation(level) => 0b000100 | level & 3,
            Self::AccessFlag(level) => 0b001000 | level & 3,
            Self::Permission(level) => 0b001100 | level & 3,
            Self::ExternalOnWalk(level) => 0b010100 | level & 3,
            Self::Alignment => 0b100001,
            Self::Debug => 0b100010,
        }
    }
}

impl Fault {
    /// `ESR_EL1` as hardware sets it for an abort from EL0: exception class 0x20 (instruction abort) or
    /// 0x24 (data abort), IL, WnR and the status code.
    pub const fn esr(self) -> u64 {
        const IL: u64 = 1 << 25;
        const WNR: u64 = 1 << 6;
        let code = self.cause.status_code() as u64;
        // Breakpoint and watchpoint exceptions have classes of their own (Arm ARM D24.2.40).
        if let FaultCause::Debug = self.cause {
            return match self.access {
                Access::Execute => 0x30 << 26 | IL | code,
                Access::Read => 0x34 << 26 | IL | code,
                Access::Write => 0x34 << 26 | IL | WNR | code,
            };
        }
        match self.access {
            Access::Execute => 0x20 << 26 | IL | code,
            Access::Read => 0x24 << 26 | IL | code,
            Access::Write => 0x24 << 26 | IL | WNR | code,
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Execute => "execute",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_codes_are_the_manuals() {
        assert_eq!(FaultCause::AddressSize(0).status_code(), 0x00);
        assert_eq!(FaultCause::Translation(0).status_code(), 0x04);
        assert_eq!(FaultCause::Translation(3).status_code(), 0x07);
        assert_eq!(FaultCause::AccessFlag(1).status_code(), 0x09);
        assert_eq!(FaultCause::Permission(3).status_code(), 0x0f);
        assert_eq!(FaultCause::ExternalOnWalk(2).status_code(), 0x16);
        assert_eq!(FaultCause::Alignment.status_code(), 0x21);
        assert_eq!(FaultCause::Debug.status_code(), 0x22);
    }

    /// As arm64 Linux shows them in a signal frame: 0x92000046 is a write to an unmapped page at level 2.
    #[test]
    fn syndromes_are_what_linux_shows() {
        let fault = |access, cause| {
            Fault {
                address: VirtAddr::new(0),
                access,
                cause,
            }
            .esr()
        };
        assert_eq!(fault(Access::Write, FaultCause::Translation(2)), 0x9200_0046);
        assert_eq!(fault(Access::Read, FaultCause::Translation(0)), 0x9200_0004);
        assert_eq!(fault(Access::Execute, FaultCause::Permission(3)), 0x8200_000f);
    }
}
