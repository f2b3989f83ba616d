//! Breakpoints: addresses of one address space before whose instructions a run ends with a debug exception.
//!
//! They cost nothing where there are none, and nothing inside a block: when the jump cache learns a block, it is cut
//! short before the next breakpoint, and a program counter that is one is never learned. Both happen on the cold path
//! [`Cpu::find`](crate::Cpu), which every first entry of a block takes. Memory is not written, so nobody else who
//! maps the page sees a breakpoint, and no page is copied for one.

use arch::{Access, Asid, Fault, FaultCause, VirtAddr};

use crate::Cpu;

/// Instruction addresses of one address space, ascending.
#[derive(Debug, Default)]
pub(crate) struct Breakpoints {
    asid: Asid,
    at: Vec<u64>,
}

impl Breakpoints {
    /// How many instructions from `pc` on come before the next breakpoint; at `pc` itself, the exception.
    pub(crate) fn distance(&self, pc: u64, asid: Asid) -> Result<u32, Fault> {
        if self.at.is_empty() || self.asid != asid {
            return Ok(u32::MAX);
        }
        let next = self.at.partition_point(|&at| at < pc);
        match self.at.get(next) {
            Some(&at) if at == pc => Err(Fault {
                address: VirtAddr::new(pc),
                access: Access::Execute,
                cause: FaultCause::Debug,
            }),
            Some(&at) => Ok(u32::try_from((at - pc).div_ceil(4)).unwrap_or(u32::MAX)),
            None => Ok(u32::MAX),
        }
    }
}

impl Cpu {
    /// Replaces all breakpoints by these, in one address space. A run that comes to one ends before the instruction,
    /// with [`FaultCause::Debug`]; so does one that begins there.
    pub fn set_breakpoints(&mut self, asid: Asid, addresses: &[u64]) {
        let mut at = addresses.to_vec();
        at.sort_unstable();
        at.dedup();
        if at == self.breakpoints.at && (at.is_empty() || asid == self.breakpoints.asid) {
            return;
        }
        self.breakpoints = Breakpoints { asid, at };
        self.forget_jumps();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_before_the_next_one() {
        let asid = Asid::new(3);
        let some = Breakpoints {
            asid,
            at: vec![0x1000, 0x1010],
        };
        assert_eq!(some.distance(0xff8, asid), Ok(2));
        assert!(some.distance(0x1000, asid).is_err());
        assert_eq!(some.distance(0x1004, asid), Ok(3));
        assert_eq!(some.distance(0x1014, asid), Ok(u32::MAX));
        assert_eq!(
            some.distance(0x1000, Asid::new(4)),
            Ok(u32::MAX),
            "somebody else's"
        );
        assert_eq!(Breakpoints::default().distance(0x1000, asid), Ok(u32::MAX));
    }
}
