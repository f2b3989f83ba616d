//! Signals: numbers, sets, `sigaction`, `siginfo`, the alternate stack; and in `frame` what arm64 Linux puts on the stack.
//!
//! Key types: [`Signal`], [`SigSet`], [`SigAction`], [`SigInfo`], [`Frame`]. Source: `include/uapi/asm-generic/signal.h`, `siginfo.h`.

mod frame;

use core::fmt;

use crate::bytes::{Layout, get_u32, get_u64};

pub use frame::{BadFrame, Context, Frame, Restored};

/// A signal number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// Names of the standard signals, from 1.
const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// What a signal does when the program has said nothing (`signal(7)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefaultAction {
    /// The process ends.
    Terminate,
    /// The process ends and Linux would write a core file.
    Core,
    /// Nothing.
    Ignore,
    /// The process stops.
    Stop,
    /// A stopped process goes on.
    Continue,
}

#[expect(missing_docs, reason = "signal(7) names them")]
#[rustfmt::skip]
impl Signal {
    pub const HUP: Self = Self(1);
    pub const INT: Self = Self(2);
    pub const QUIT: Self = Self(3);
    pub const ILL: Self = Self(4);
    pub const TRAP: Self = Self(5);
    pub const ABRT: Self = Self(6);
    pub const BUS: Self = Self(7);
    pub const FPE: Self = Self(8);
    pub const KILL: Self = Self(9);
    pub const USR1: Self = Self(10);
    pub const SEGV: Self = Self(11);
    pub const USR2: Self = Self(12);
    pub const PIPE: Self = Self(13);
    pub const ALRM: Self = Self(14);
    pub const TERM: Self = Self(15);
    pub const CHLD: Self = Self(17);
    pub const CONT: Self = Self(18);
    pub const STOP: Self = Self(19);
    pub const TSTP: Self = Self(20);
    pub const TTIN: Self = Self(21);
    pub const TTOU: Self = Self(22);
    pub const URG: Self = Self(23);
    pub const XCPU: Self = Self(24);
    pub const VTALRM: Self = Self(26);
    pub const PROF: Self = Self(27);
    pub const WINCH: Self = Self(28);
}

impl Signal {
    /// The highest number (`_NSIG`).
    pub const MAX: u64 = 64;

    /// The signal of this number, if there is one.
    pub const fn new(number: u64) -> Option<Self> {
        if number >= 1 && number <= Self::MAX {
            Some(Self(number as u8))
        } else {
            None
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// What it does by default.
    pub const fn default_action(self) -> DefaultAction {
        match self {
            Self::CHLD | Self::URG | Self::WINCH => DefaultAction::Ignore,
            Self::CONT => DefaultAction::Continue,
            Self::STOP | Self::TSTP | Self::TTIN | Self::TTOU => DefaultAction::Stop,
            Self(3..=8 | 11 | 24 | 25 | 31) => DefaultAction::Core,
            _ => DefaultAction::Terminate,
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0) - 1) {
            Some(name) => f.write_str(name),
            None => write!(f, "SIGRTMIN+{}", self.0 - 32),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A set of signals: bit `n - 1` stands for signal `n`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SigSet(pub u64);

impl SigSet {
    /// `SIGKILL` and `SIGSTOP`, which cannot be blocked.
    pub const UNBLOCKABLE: Self = Self(1 << 8 | 1 << 18);

    /// The set of one.
    pub const fn of(signal: Signal) -> Self {
        Self(1 << (signal.0 - 1))
    }

    /// Whether the signal is in it.
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & Self::of(signal).0 != 0
    }

    /// Both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The lowest signal in it.
    pub const fn first(self) -> Option<Signal> {
        if self.0 == 0 {
            None
        } else {
            Some(Signal(self.0.trailing_zeros() as u8 + 1))
        }
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// `SIG_DFL`.
pub const SIG_DFL: u64 = 0;
/// `SIG_IGN`.
pub const SIG_IGN: u64 = 1;
/// `SIG_BLOCK` of `rt_sigprocmask(2)`.
pub const SIG_BLOCK: u64 = 0;
/// `SIG_UNBLOCK`.
pub const SIG_UNBLOCK: u64 = 1;
/// `SIG_SETMASK`.
pub const SIG_SETMASK: u64 = 2;
/// The size of a set in bytes, as calls demand it.
pub const SIGSET_SIZE: u64 = 8;

/// Flags of `sigaction(2)`.
#[expect(missing_docs, reason = "sigaction(2) names them")]
#[rustfmt::skip]
pub mod sa {
    pub const NOCLDSTOP: u64 = 1;
    pub const NOCLDWAIT: u64 = 2;
    pub const SIGINFO: u64 = 4;
    pub const RESTORER: u64 = 0x0400_0000;
    pub const ONSTACK: u64 = 0x0800_0000;
    pub const RESTART: u64 = 0x1000_0000;
    pub const NODEFER: u64 = 0x4000_0000;
    pub const RESETHAND: u64 = 0x8000_0000;
}

/// `struct kernel_sigaction`, 32 bytes on arm64.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SigAction {
    /// `SIG_DFL`, `SIG_IGN` or the handler's address.
    pub handler: u64,
    /// [`sa`].
    pub flags: u64,
    /// Where the handler returns to, with `SA_RESTORER`.
    pub restorer: u64,
    /// Blocked while the handler runs.
    pub mask: SigSet,
}

impl SigAction {
    /// Its size in bytes.
    pub const SIZE: usize = 32;

    /// As user memory holds it.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        Layout::default()
            .u64(0, self.handler)
            .u64(8, self.flags)
            .u64(16, self.restorer)
            .u64(24, self.mask.0)
            .finish()
    }

    /// From user memory's bytes.
    pub fn decode(from: &[u8; Self::SIZE]) -> Self {
        Self {
            handler: get_u64(from, 0),
            flags: get_u64(from, 8),
            restorer: get_u64(from, 16),
            mask: SigSet(get_u64(from, 24)),
        }
    }
}

/// `si_code` values.
#[expect(missing_docs, reason = "sigaction(2) names them")]
#[rustfmt::skip]
pub mod code {
    pub const SI_USER: i32 = 0;
    pub const SI_KERNEL: i32 = 0x80;
    pub const SI_QUEUE: i32 = -1;
    pub const SI_TIMER: i32 = -2;
    pub const SI_TKILL: i32 = -6;
    pub const ILL_ILLOPC: i32 = 1;
    pub const TRAP_BRKPT: i32 = 1;
    pub const BUS_ADRALN: i32 = 1;
    pub const BUS_ADRERR: i32 = 2;
    pub const SEGV_MAPERR: i32 = 1;
    pub const SEGV_ACCERR: i32 = 2;
    pub const CLD_EXITED: i32 = 1;
    pub const CLD_KILLED: i32 = 2;
    pub const CLD_DUMPED: i32 = 3;
    pub const CLD_STOPPED: i32 = 5;
    pub const CLD_CONTINUED: i32 = 6;
}

/// Who or what sent a signal: the union of `siginfo_t`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SigDetail {
    /// The kernel, with nothing to say.
    Kernel,
    /// A process.
    User {
        /// Its number.
        pid: u32,
        /// Its user.
        uid: u32,
    },
    /// A process, with a value (`sigqueue(3)`).
    Queued {
        /// Its number.
        pid: u32,
        /// Its user.
        uid: u32,
        /// `si_value`.
        value: u64,
    },
    /// A fault at this exact byte.
    Fault {
        /// `si_addr`.
        address: u64,
    },
    /// A child.
    Child {
        /// Its number.
        pid: u32,
        /// Its user.
        uid: u32,
        /// Exit status or signal.
        status: i32,
    },
}

/// `siginfo_t`, 128 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SigInfo {
    /// Which signal.
    pub signal: Signal,
    /// `si_code`.
    pub code: i32,
    /// Its cause.
    pub detail: SigDetail,
}

impl SigInfo {
    /// Its size in bytes.
    pub const SIZE: usize = 128;

    /// What a sender says of itself and of the value (`rt_sigqueueinfo(2)`).
    pub fn queued_detail(from: &[u8; Self::SIZE]) -> SigDetail {
        SigDetail::Queued {
            pid: get_u32(from, 16),
            uid: get_u32(from, 20),
            value: get_u64(from, 24),
        }
    }

    /// As user memory holds it.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let head = Layout::default()
            .u32(0, u32::from(self.signal.get()))
            .u32(8, self.code as u32);
        match self.detail {
            SigDetail::Kernel => head,
            SigDetail::User { pid, uid } => head.u32(16, pid).u32(20, uid),
            SigDetail::Queued { pid, uid, value } => head.u32(16, pid).u32(20, uid).u64(24, value),
            SigDetail::Fault { address } => head.u64(16, address),
            SigDetail::Child { pid, uid, status } => head.u32(16, pid).u32(20, uid).u32(24, status as u32),
        }
        .finish()
    }

    /// The name of `si_code` for this signal, as `sigaction(2)` has it.
    pub fn code_name(&self) -> &'static str {
        match (self.signal, self.code) {
            (_, code::SI_USER) => "SI_USER",
            (_, code::SI_QUEUE) => "SI_QUEUE",
            (_, code::SI_TIMER) => "SI_TIMER",
            (_, code::SI_TKILL) => "SI_TKILL",
            (_, code::SI_KERNEL) => "SI_KERNEL",
            (Signal::SEGV, code::SEGV_MAPERR) => "SEGV_MAPERR",
            (Signal::SEGV, code::SEGV_ACCERR) => "SEGV_ACCERR",
            (Signal::BUS, code::BUS_ADRALN) => "BUS_ADRALN",
            (Signal::BUS, code::BUS_ADRERR) => "BUS_ADRERR",
            (Signal::ILL, code::ILL_ILLOPC) => "ILL_ILLOPC",
            (Signal::TRAP, code::TRAP_BRKPT) => "TRAP_BRKPT",
            (Signal::CHLD, code::CLD_EXITED) => "CLD_EXITED",
            (Signal::CHLD, code::CLD_KILLED) => "CLD_KILLED",
            (Signal::CHLD, code::CLD_DUMPED) => "CLD_DUMPED",
            (Signal::CHLD, code::CLD_STOPPED) => "CLD_STOPPED",
            (Signal::CHLD, code::CLD_CONTINUED) => "CLD_CONTINUED",
            _ => "an unnamed code",
        }
    }
}

/// `SS_ONSTACK`: the task runs on it now.
pub const SS_ONSTACK: u32 = 1;
/// `SS_DISABLE`: there is none.
pub const SS_DISABLE: u32 = 2;
/// `SS_AUTODISARM`.
pub const SS_AUTODISARM: u32 = 1 << 31;
/// The least alternate stack that `sigaltstack(2)` takes (arm64 `MINSIGSTKSZ`).
pub const MINSIGSTKSZ: u64 = 5120;
/// What `AT_MINSIGSTKSZ` says without SVE: frame, frame record and alignment.
pub const AT_MINSIGSTKSZ: u64 = (Frame::SIZE + 16 + 16) as u64;

/// `stack_t`, 24 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AltStack {
    /// Its lowest address.
    pub base: u64,
    /// `SS_*`.
    pub flags: u32,
    /// Its size in bytes.
    pub size: u64,
}

impl AltStack {
    /// No alternate stack.
    pub const NONE: Self = Self {
        base: 0,
        flags: SS_DISABLE,
        size: 0,
    };

    /// As user memory holds it.
    pub fn encode(&self) -> [u8; 24] {
        Layout::default()
            .u64(0, self.base)
            .u32(8, self.flags)
            .u64(16, self.size)
            .finish()
    }

    /// From user memory's bytes.
    pub fn decode(from: &[u8; 24]) -> Self {
        Self {
            base: get_u64(from, 0),
            flags: get_u32(from, 8),
            size: get_u64(from, 16),
        }
    }

    /// Whether `sp` lies in it.
    pub const fn contains(&self, sp: u64) -> bool {
        self.size != 0 && sp > self.base && sp - self.base <= self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_signal_7() {
        assert_eq!(Signal::SEGV.default_action(), DefaultAction::Core);
        assert_eq!(Signal::TERM.default_action(), DefaultAction::Terminate);
        assert_eq!(Signal::CHLD.default_action(), DefaultAction::Ignore);
        assert_eq!(Signal::TSTP.default_action(), DefaultAction::Stop);
        assert_eq!(Signal::CONT.default_action(), DefaultAction::Continue);
        assert_eq!(Signal::new(0), None);
        assert_eq!(Signal::new(65), None);
        assert_eq!(Signal::SEGV.to_string(), "SIGSEGV");
        assert_eq!(Signal(34).to_string(), "SIGRTMIN+2");
        assert_eq!(
            SigSet::UNBLOCKABLE,
            SigSet::of(Signal::KILL).union(SigSet::of(Signal::STOP))
        );
    }
}
