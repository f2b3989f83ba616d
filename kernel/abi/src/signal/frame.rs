//! The frame that arm64 Linux puts on the stack before a handler runs, and what `rt_sigreturn` takes back from it.
//!
//! ```text
//!  sp ->  +0      siginfo            128 bytes
//!         +128    ucontext           flags, link, stack, mask
//!         +304    sigcontext         fault address, x0..x30, sp, pc, pstate
//!         +592    records (4096)     fpsimd_context 528, esr_context 16 (after a fault), end 8
//!         +4688   frame record       x29, x30 of the interrupted code
//! ```
//! Key types: [`Frame`], [`Context`], [`Restored`]. Source: `arch/arm64/kernel/signal.c`.

use super::{AltStack, SigInfo, SigSet};
use crate::bytes::{Layout, get, get_u32, get_u64};

/// The processor's state as a frame keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context {
    /// x0 to x30.
    pub x: [u64; 31],
    /// The stack pointer.
    pub sp: u64,
    /// The program counter.
    pub pc: u64,
    /// N, Z, C, V in bits 31:28.
    pub pstate: u64,
    /// `FPSR`.
    pub fpsr: u32,
    /// `FPCR`.
    pub fpcr: u32,
    /// V0 to V31.
    pub v: [u128; 32],
}

/// A signal frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// What the handler's x1 points to.
    pub info: SigInfo,
    /// The alternate stack as it was.
    pub stack: AltStack,
    /// The mask to return to.
    pub mask: SigSet,
    /// The fault's address, or 0.
    pub fault_address: u64,
    /// The fault's syndrome; without one no `esr_context` is written.
    pub esr: Option<u64>,
    /// What `rt_sigreturn` restores.
    pub context: Context,
}

/// What `rt_sigreturn` takes from a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// The alternate stack.
    pub stack: AltStack,
    /// The mask.
    pub mask: SigSet,
    /// The processor's state.
    pub context: Context,
}

/// The bytes are no frame that Linux would restore from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadFrame;

const FPSIMD_MAGIC: u32 = 0x4650_8001;
const ESR_MAGIC: u32 = 0x4553_5201;
const FPSIMD_SIZE: usize = 528;

impl Frame {
    /// `sizeof(struct rt_sigframe)`.
    pub const SIZE: usize = 4688;
    /// Where the `ucontext` begins.
    pub const UCONTEXT: usize = 128;
    const STACK: usize = Self::UCONTEXT + 16;
    const MASK: usize = Self::UCONTEXT + 40;
    const MCONTEXT: usize = Self::UCONTEXT + 176;
    const REGS: usize = Self::MCONTEXT + 8;
    const SP: usize = Self::MCONTEXT + 256;
    const RECORDS: usize = Self::MCONTEXT + 288;

    /// As the stack holds it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Layout::<{ Self::SIZE }>::default()
            .put(0, &self.info.encode())
            .put(Self::STACK, &self.stack.encode())
            .u64(Self::MASK, self.mask.0)
            .u64(Self::MCONTEXT, self.fault_address)
            .u64(Self::SP, self.context.sp)
            .u64(Self::SP + 8, self.context.pc)
            .u64(Self::SP + 16, self.context.pstate);
        for (i, x) in self.context.x.iter().enumerate() {
            out = out.u64(Self::REGS + 8 * i, *x);
        }
        out = out
            .u32(Self::RECORDS, FPSIMD_MAGIC)
            .u32(Self::RECORDS + 4, FPSIMD_SIZE as u32)
            .u32(Self::RECORDS + 8, self.context.fpsr)
            .u32(Self::RECORDS + 12, self.context.fpcr);
        for (i, v) in self.context.v.iter().enumerate() {
            out = out.put(Self::RECORDS + 16 + 16 * i, &v.to_le_bytes());
        }
        if let Some(esr) = self.esr {
            let at = Self::RECORDS + FPSIMD_SIZE;
            out = out.u32(at, ESR_MAGIC).u32(at + 4, 16).u64(at + 8, esr);
        }
        out.finish().to_vec()
    }

    /// What `rt_sigreturn` restores, after the checks that Linux makes: the records must be a chain of known
    /// ones with one `fpsimd_context`, and `pstate` must be one of user space.
    ///
    /// # Errors
    /// [`BadFrame`], which Linux answers with SIGSEGV.
    pub fn decode(from: &[u8; Self::SIZE]) -> Result<Restored, BadFrame> {
        let mut x = [0; 31];
        for (i, slot) in x.iter_mut().enumerate() {
            *slot = get_u64(from, Self::REGS + 8 * i);
        }
        let record = find_fpsimd(from)?;
        let mut v = [0; 32];
        for (i, slot) in v.iter_mut().enumerate() {
            *slot = u128::from_le_bytes(get(from, record + 16 + 16 * i));
        }
        let pstate = get_u64(from, Self::SP + 16);
        // valid_user_regs(): EL0, AArch64, no interrupt masked.
        if pstate & 0x3df != 0 {
            return Err(BadFrame);
        }
        Ok(Restored {
            stack: AltStack::decode(&get(from, Self::STACK)),
            mask: SigSet(get_u64(from, Self::MASK)).without(SigSet::UNBLOCKABLE),
            context: Context {
                x,
                sp: get_u64(from, Self::SP),
                pc: get_u64(from, Self::SP + 8),
                pstate,
                fpsr: get_u32(from, record + 8),
                fpcr: get_u32(from, record + 12),
                v,
            },
        })
    }
}

/// Walks the records for the `fpsimd_context`: its offset in the frame.
fn find_fpsimd(from: &[u8; Frame::SIZE]) -> Result<usize, BadFrame> {
    let mut at = Frame::RECORDS;
    let mut found = None;
    while at + 8 <= Frame::SIZE {
        let (magic, size) = (get_u32(from, at), get_u32(from, at + 4) as usize);
        match (magic, size) {
            (0, 0) => return found.ok_or(BadFrame),
            (FPSIMD_MAGIC, FPSIMD_SIZE) if found.is_none() => found = Some(at),
            (ESR_MAGIC, 16) => {}
            _ => return Err(BadFrame),
        }
        at += size;
        if at > Frame::SIZE {
            return Err(BadFrame);
        }
    }
    Err(BadFrame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{AT_MINSIGSTKSZ, SigDetail, Signal, code};

    fn frame() -> Frame {
        Frame {
            info: SigInfo {
                signal: Signal::SEGV,
                code: code::SEGV_ACCERR,
                detail: SigDetail::Fault { address: 0x1234 },
            },
            stack: AltStack {
                base: 0x7000,
                flags: 0,
                size: 0x4000,
            },
            mask: SigSet::of(Signal::USR1),
            fault_address: 0x1234,
            esr: Some(0x9200_0046),
            context: Context {
                x: core::array::from_fn(|i| 100 + i as u64),
                sp: 0x7fff_0000,
                pc: 0x40_0000,
                pstate: 0x8000_0000,
                fpsr: 1,
                fpcr: 2,
                v: core::array::from_fn(|i| (i as u128) << 64 | 5),
            },
        }
    }

    #[test]
    fn a_frame_comes_back() {
        let bytes: [u8; Frame::SIZE] = frame().encode().try_into().expect("its size");
        let restored = Frame::decode(&bytes).expect("a good frame");
        assert_eq!(restored.context, frame().context);
        assert_eq!(restored.mask, frame().mask);
        assert_eq!(restored.stack, frame().stack);
    }

    /// Offsets from `offsetof` in a program built for arm64 with Debian's headers.
    #[test]
    fn fields_lie_where_linux_has_them() {
        let bytes = frame().encode();
        assert_eq!(get_u32(&bytes, 0), 11);
        assert_eq!(get_u32(&bytes, 8), 2);
        assert_eq!(get_u64(&bytes, 16), 0x1234);
        assert_eq!(get_u64(&bytes, 128 + 40), 1 << 9);
        assert_eq!(get_u64(&bytes, 128 + 176), 0x1234);
        assert_eq!(get_u64(&bytes, 128 + 176 + 8 + 8 * 30), 130);
        assert_eq!(get_u64(&bytes, 128 + 176 + 264), 0x40_0000);
        assert_eq!(get_u32(&bytes, 592), 0x4650_8001);
        assert_eq!(get_u32(&bytes, 592 + 528), 0x4553_5201);
        assert_eq!(get_u64(&bytes, 592 + 536), 0x9200_0046);
        assert_eq!(AT_MINSIGSTKSZ, 4720);
    }

    #[test]
    fn a_spoilt_frame_is_refused() {
        let good: [u8; Frame::SIZE] = frame().encode().try_into().expect("its size");
        for at in [592, 596, 592 + 528, 592 + 532] {
            let mut bad = good;
            bad[at] ^= 1;
            assert_eq!(Frame::decode(&bad), Err(BadFrame), "byte {at}");
        }
        let mut kernel_mode = good;
        kernel_mode[128 + 176 + 272] = 5;
        assert_eq!(Frame::decode(&kernel_mode), Err(BadFrame));
    }
}
