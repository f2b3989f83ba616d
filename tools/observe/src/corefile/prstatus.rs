//! The fixed records among the notes: NT_PRSTATUS ([`CoreThread`]), NT_PRPSINFO ([`Process`]) and NT_SIGINFO ([`Signal`]).
//!
//! Layouts: `struct elf_prstatus` and `elf_prpsinfo` of `include/linux/elfcore.h` (64-bit), with the registers of
//! `struct user_regs_struct` (x86-64) or `user_pt_regs` (AArch64); `siginfo_t` of `asm-generic/siginfo.h`.

use super::headers::Machine;
use procfs::Addr;
use std::fmt;

/// A thread as it was when memory was dumped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoreThread {
    /// Thread id.
    pub tid: i32,
    /// The signal that this thread was handling (`pr_cursig`); 0 for none.
    pub signal: i16,
    /// General registers, in the kernel's order: 27 of `user_regs_struct` on x86-64; on AArch64 x0 to x30, sp, pc, pstate.
    pub registers: Vec<u64>,
    /// Stack pointer.
    pub sp: Addr,
    /// Program counter.
    pub pc: Addr,
    /// Thread pointer: `fs_base`, or TPIDR_EL0 of the NT_ARM_TLS note.
    pub thread_pointer: Option<Addr>,
    /// User and system time, in clock ticks (100 a second).
    pub(super) ticks: (u64, u64),
    /// Signals pending and blocked, bit 0 is signal 1.
    pub(super) pending: u64,
    pub(super) blocked: u64,
}

/// Offset of `pr_reg` in `elf_prstatus`.
const REGISTERS: usize = 112;

/// Bytes of the longest `elf_prstatus` that is read.
pub(super) const PRSTATUS_BYTES: usize = 392;

impl CoreThread {
    /// From a note's bytes; `None` if they are too few.
    pub(super) fn parse(bytes: &[u8], machine: Machine) -> Option<Self> {
        let (count, sp, pc) = match machine {
            Machine::X86_64 => (27, 19, 16),
            Machine::Aarch64 => (34, 31, 32),
        };
        let registers: Option<Vec<u64>> = (0..count).map(|i| word(bytes, REGISTERS + 8 * i)).collect();
        let registers = registers?;
        let fs_base = registers
            .get(21)
            .copied()
            .filter(|_| machine == Machine::X86_64)
            .map(Addr);
        Some(Self {
            tid: half(bytes, 32)?.cast_signed(),
            signal: i16::from_le_bytes(bytes.get(12..14)?.try_into().ok()?),
            sp: Addr(*registers.get(sp)?),
            pc: Addr(*registers.get(pc)?),
            registers,
            thread_pointer: fs_base.filter(|fs| fs.0 != 0),
            ticks: (ticks(bytes, 48)?, ticks(bytes, 64)?),
            pending: word(bytes, 16)?,
            blocked: word(bytes, 24)?,
        })
    }
}

/// A `struct timeval` as ticks.
fn ticks(bytes: &[u8], at: usize) -> Option<u64> {
    let (seconds, micros) = (word(bytes, at)?, word(bytes, at + 8)?);
    Some(seconds.saturating_mul(100).saturating_add(micros / 10_000))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// NT_PRPSINFO: the process as ps(1) would show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Process {
    pub(super) state: u8,
    pub(super) flags: u32,
    pub(super) pid: i32,
    pub(super) ppid: i32,
    pub(super) pgrp: i32,
    pub(super) session: i32,
    /// Command name, at most 15 bytes.
    pub(super) name: Vec<u8>,
    /// The arguments with blanks between them, at most 79 bytes.
    pub(super) arguments: Vec<u8>,
}

/// Bytes of `elf_prpsinfo`.
pub(super) const PRPSINFO_BYTES: usize = 136;

impl Process {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let signed = |at| half(bytes, at).map(u32::cast_signed);
        let text = |from, to| {
            let field: &[u8] = bytes.get(from..to)?;
            Some(field.split(|&b| b == 0).next().unwrap_or_default().to_vec())
        };
        Some(Self {
            state: *bytes.get(1)?,
            flags: half(bytes, 8)?,
            pid: signed(24).filter(|&pid| pid > 0)?,
            ppid: signed(28)?,
            pgrp: signed(32)?,
            session: signed(36)?,
            name: text(40, 56)?,
            arguments: text(56, 136)?,
        })
    }
}

/// The signal that ended the process (NT_SIGINFO; without it `pr_cursig`, then only the number is known).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signal {
    /// Its number.
    pub number: i32,
    /// `si_code`.
    pub code: Option<i32>,
    /// The address of the fault, for SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGTRAP that the processor raised.
    pub fault: Option<Addr>,
    /// The process that sent it, if one did.
    pub sender: Option<i32>,
}

/// Bytes of a `siginfo_t` that are read.
pub(super) const SIGINFO_BYTES: usize = 128;

/// `si_code` of kill(2) and of tkill(2), raise(3) and abort(3).
const SI_USER: i32 = 0;
const SI_TKILL: i32 = -6;

impl Signal {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let signed = |at| half(bytes, at).map(u32::cast_signed);
        let (number, code) = (signed(0).filter(|&n| (1..=64).contains(&n))?, signed(8)?);
        // SI_KERNEL (0x80) has no address: x86-64 reports non-canonical ones so.
        let is_fault = matches!(number, 4 | 5 | 7 | 8 | 11) && code > SI_USER && code != 0x80;
        Some(Self {
            number,
            code: Some(code),
            fault: is_fault.then(|| word(bytes, 16)).flatten().map(Addr),
            sender: matches!(code, SI_USER | SI_TKILL).then(|| signed(16)).flatten(),
        })
    }

    /// Its name, such as `SIGSEGV`; the same numbers on both processors (signal(7)).
    #[must_use]
    pub fn name(&self) -> String {
        const NAMES: [&str; 31] = [
            "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
            "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU",
            "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
        ];
        let index = usize::try_from(self.number).unwrap_or(0).wrapping_sub(1);
        match NAMES.get(index) {
            Some(name) => format!("SIG{name}"),
            None => format!("signal {}", self.number),
        }
    }

    fn reason(&self) -> Option<&'static str> {
        Some(match (self.number, self.code?) {
            (11, 1) => "no mapping (SEGV_MAPERR)",
            (11, 2) => "no permission (SEGV_ACCERR)",
            (11, 4) => "protection key (SEGV_PKUERR)",
            (7, 1) => "misaligned (BUS_ADRALN)",
            (7, 2) => "beyond the end of the file (BUS_ADRERR)",
            (7, 3) => "hardware or file error (BUS_OBJERR)",
            (11 | 7, 0x80) => "address not told (SI_KERNEL)",
            _ => return None,
        })
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.number)?;
        if let Some(reason) = self.reason() {
            write!(f, ", {reason}")?;
        }
        if let Some(fault) = self.fault {
            write!(f, " at {:#x}", fault.0)?;
        }
        if let Some(sender) = self.sender {
            write!(f, ", sent by process {sender}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_say_what_happened() {
        let mut bytes = [0; SIGINFO_BYTES];
        bytes[0] = 11;
        bytes[8] = 1;
        bytes[16..24].copy_from_slice(&0xdead_0000_u64.to_le_bytes());
        let fault = Signal::parse(&bytes).unwrap();
        assert_eq!(
            fault.to_string(),
            "SIGSEGV (11), no mapping (SEGV_MAPERR) at 0xdead0000"
        );
        bytes[0] = 6;
        bytes[8..12].copy_from_slice(&SI_TKILL.to_le_bytes());
        bytes[16..24].copy_from_slice(&42_u64.to_le_bytes());
        assert_eq!(
            Signal::parse(&bytes).unwrap().to_string(),
            "SIGABRT (6), sent by process 42"
        );
        bytes[0] = 0;
        assert_eq!(Signal::parse(&bytes), None);
    }

    #[test]
    fn a_short_record_is_none() {
        for length in 0..PRSTATUS_BYTES {
            let bytes = vec![0; length];
            assert_eq!(
                CoreThread::parse(&bytes, Machine::X86_64).is_some(),
                length >= 328
            );
            assert_eq!(
                CoreThread::parse(&bytes, Machine::Aarch64).is_some(),
                length >= 384
            );
            assert_eq!(Process::parse(&bytes), None, "pid 0 is none");
        }
    }
}
