//! Limits, resource use, machine facts and the auxiliary vector.

use crate::bytes::{Layout, get_u64};
use crate::time::encode_timeval;

/// `RLIM_INFINITY`.
pub const RLIM_INFINITY: u64 = u64::MAX;
/// The number of resources (`RLIM_NLIMITS`).
pub const RLIMITS: usize = 16;
/// `RLIMIT_CPU`.
pub const RLIMIT_CPU: usize = 0;
/// `RLIMIT_DATA`.
pub const RLIMIT_DATA: usize = 2;
/// `RLIMIT_STACK`.
pub const RLIMIT_STACK: usize = 3;
/// `RLIMIT_CORE`.
pub const RLIMIT_CORE: usize = 4;
/// `RLIMIT_NPROC`.
pub const RLIMIT_NPROC: usize = 6;
/// `RLIMIT_NOFILE`.
pub const RLIMIT_NOFILE: usize = 7;
/// `RLIMIT_MEMLOCK`.
pub const RLIMIT_MEMLOCK: usize = 8;
/// `RLIMIT_AS`.
pub const RLIMIT_AS: usize = 9;
/// `RLIMIT_SIGPENDING`.
pub const RLIMIT_SIGPENDING: usize = 11;
/// `RLIMIT_MSGQUEUE`.
pub const RLIMIT_MSGQUEUE: usize = 12;
/// `RLIMIT_NICE`.
pub const RLIMIT_NICE: usize = 13;
/// `RLIMIT_RTPRIO`.
pub const RLIMIT_RTPRIO: usize = 14;

/// `struct rlimit64`, 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rlimit {
    /// The soft limit.
    pub current: u64,
    /// The hard limit.
    pub maximum: u64,
}

impl Rlimit {
    /// No limit.
    pub const INFINITE: Self = Self {
        current: RLIM_INFINITY,
        maximum: RLIM_INFINITY,
    };

    /// As user memory holds it.
    pub fn encode(self) -> [u8; 16] {
        Layout::default()
            .u64(0, self.current)
            .u64(8, self.maximum)
            .finish()
    }

    /// From user memory's bytes.
    pub fn decode(from: &[u8; 16]) -> Self {
        Self {
            current: get_u64(from, 0),
            maximum: get_u64(from, 8),
        }
    }
}

/// The fields of `struct rusage` that Linux fills, `getrusage(2)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rusage {
    /// User time in nanoseconds.
    pub user_ns: u64,
    /// System time in nanoseconds.
    pub system_ns: u64,
    /// The peak resident set in KiB.
    pub max_rss_kib: u64,
    /// Faults that needed no I/O.
    pub minor_faults: u64,
    /// Faults that needed I/O.
    pub major_faults: u64,
    /// Blocks read and written.
    pub blocks: (u64, u64),
    /// Switches that the task asked for, and those it did not.
    pub switches: (u64, u64),
}

impl Rusage {
    /// As user memory holds it: 144 bytes.
    pub fn encode(&self) -> [u8; 144] {
        Layout::default()
            .put(0, &encode_timeval(self.user_ns))
            .put(16, &encode_timeval(self.system_ns))
            .u64(32, self.max_rss_kib)
            .u64(64, self.minor_faults)
            .u64(72, self.major_faults)
            .u64(88, self.blocks.0)
            .u64(96, self.blocks.1)
            .u64(128, self.switches.0)
            .u64(136, self.switches.1)
            .finish()
    }
}

/// `struct clone_args`, `clone3(2)`, as far as it is not only for namespaces and control groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CloneArgs {
    /// `CLONE_*`, without a signal in the low byte.
    pub flags: u64,
    /// Where the child's descriptor goes in the parent (`CLONE_PIDFD`).
    pub pidfd: u64,
    /// Where the child's number goes in the child, and is cleared at its end.
    pub child_tid: u64,
    /// Where the child's number goes in the parent.
    pub parent_tid: u64,
    /// The signal that tells of the child's end, or 0.
    pub exit_signal: u64,
    /// The lowest byte of the child's stack, or 0 for a copy of the parent's.
    pub stack: u64,
    /// Its size.
    pub stack_size: u64,
    /// The thread pointer.
    pub tls: u64,
    /// How many numbers were chosen for the child (`set_tid`).
    pub set_tid_size: u64,
}

impl CloneArgs {
    /// `CLONE_ARGS_SIZE_VER0`.
    pub const FIRST_SIZE: u64 = 64;
    /// `CLONE_ARGS_SIZE_VER2`.
    const KNOWN_SIZE: usize = 88;

    /// From user memory: at least 64 bytes. `None` if bytes beyond those that Linux 6.12 knows are set.
    pub fn decode(from: &[u8]) -> Option<Self> {
        let mut known = [0; Self::KNOWN_SIZE];
        let length = from.len().min(Self::KNOWN_SIZE);
        known[..length].copy_from_slice(&from[..length]);
        let rest_is_clear = from[length..].iter().all(|byte| *byte == 0);
        rest_is_clear.then(|| Self {
            flags: get_u64(&known, 0),
            pidfd: get_u64(&known, 8),
            child_tid: get_u64(&known, 16),
            parent_tid: get_u64(&known, 24),
            exit_signal: get_u64(&known, 32),
            stack: get_u64(&known, 40),
            stack_size: get_u64(&known, 48),
            tls: get_u64(&known, 56),
            set_tid_size: get_u64(&known, 72),
        })
    }
}

/// `struct sysinfo`; sizes in bytes (`mem_unit` is 1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sysinfo {
    /// Seconds since the machine began.
    pub uptime: u64,
    /// RAM that user space and the page tables can have.
    pub total_ram: u64,
    /// RAM that nobody uses.
    pub free_ram: u64,
    /// Swap.
    pub total_swap: u64,
    /// Swap that nobody uses.
    pub free_swap: u64,
    /// Tasks.
    pub processes: u16,
}

impl Sysinfo {
    /// As user memory holds it: 112 bytes.
    pub fn encode(&self) -> [u8; 112] {
        Layout::default()
            .u64(0, self.uptime)
            .u64(32, self.total_ram)
            .u64(40, self.free_ram)
            .u64(64, self.total_swap)
            .u64(72, self.free_swap)
            .u16(80, self.processes)
            .u32(104, 1)
            .finish()
    }
}

/// `struct new_utsname`: six texts of 65 bytes. Longer texts are cut at 64.
pub fn encode_utsname(fields: [&str; 6]) -> [u8; 390] {
    let mut out = Layout::default();
    for (i, field) in fields.into_iter().enumerate() {
        let bytes = field.as_bytes();
        out = out.put(i * 65, &bytes[..bytes.len().min(64)]);
    }
    out.finish()
}

/// Keys of the auxiliary vector (`getauxval(3)`).
pub mod auxv {
    /// End.
    pub const NULL: u64 = 0;
    /// Address of the program headers.
    pub const PHDR: u64 = 3;
    /// Size of one.
    pub const PHENT: u64 = 4;
    /// Their number.
    pub const PHNUM: u64 = 5;
    /// Page size.
    pub const PAGESZ: u64 = 6;
    /// Where the interpreter lies.
    pub const BASE: u64 = 7;
    /// Flags.
    pub const FLAGS: u64 = 8;
    /// The program's entry.
    pub const ENTRY: u64 = 9;
    /// Real user.
    pub const UID: u64 = 11;
    /// Effective user.
    pub const EUID: u64 = 12;
    /// Real group.
    pub const GID: u64 = 13;
    /// Effective group.
    pub const EGID: u64 = 14;
    /// Text that names the processor.
    pub const PLATFORM: u64 = 15;
    /// Processor capabilities.
    pub const HWCAP: u64 = 16;
    /// Ticks a second of `times(2)`.
    pub const CLKTCK: u64 = 17;
    /// Whether the program runs with rights that its user has not.
    pub const SECURE: u64 = 23;
    /// 16 random bytes.
    pub const RANDOM: u64 = 25;
    /// More capabilities.
    pub const HWCAP2: u64 = 26;
    /// The program's path.
    pub const EXECFN: u64 = 31;
    /// The vDSO's ELF header.
    pub const SYSINFO_EHDR: u64 = 33;
    /// The least stack that a signal frame needs.
    pub const MINSIGSTKSZ: u64 = 51;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_go_to_bytes_and_back() {
        let limit = Rlimit {
            current: 8 << 20,
            maximum: RLIM_INFINITY,
        };
        assert_eq!(Rlimit::decode(&limit.encode()), limit);
    }

    /// linux/sched.h: the flags at 0, pidfd at 8, then five words, tls at 56; 64, 80 and 88 bytes long.
    #[test]
    fn clone_args_may_be_short_or_long_but_not_unknown() {
        let bytes: Vec<u8> = (0..13u64).flat_map(|n| (n + 1).to_le_bytes()).collect();
        let short = CloneArgs::decode(&bytes[..64]).expect("as long as the first");
        assert_eq!((short.flags, short.child_tid, short.tls), (1, 3, 8));
        assert_eq!((short.stack, short.stack_size, short.set_tid_size), (6, 7, 0));
        assert_eq!(
            CloneArgs::decode(&bytes[..88]).map(|args| args.set_tid_size),
            Some(10)
        );
        assert_eq!(CloneArgs::decode(&bytes[..96]), None);
        let mut long = bytes[..96].to_vec();
        long[88..].fill(0);
        assert!(CloneArgs::decode(&long).is_some());
    }

    /// Offsets from `offsetof` on arm64: ru_maxrss 32, ru_minflt 64, ru_nivcsw 136; totalram 32, procs 80, mem_unit 104.
    #[test]
    fn fields_lie_where_linux_has_them() {
        let usage = Rusage {
            max_rss_kib: 7,
            minor_faults: 9,
            switches: (1, 2),
            ..Rusage::default()
        };
        let bytes = usage.encode();
        assert_eq!((bytes[32], bytes[64], bytes[128], bytes[136]), (7, 9, 1, 2));
        let info = Sysinfo {
            total_ram: 5,
            processes: 3,
            ..Sysinfo::default()
        };
        let bytes = info.encode();
        assert_eq!((bytes[32], bytes[80], bytes[104]), (5, 3, 1));
        let names = encode_utsname(["Linux", "a", "b", "c", "aarch64", "d"]);
        assert_eq!(&names[4 * 65..4 * 65 + 8], b"aarch64\0");
    }
}
