//! What the arguments of each call are: a table, one line a call. Calls without a line show six numbers in hexadecimal.

use abi::nr;

use super::names::{self, Names};

/// How an argument is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// An `int`.
    Int,
    /// A count or an offset in 64 bits.
    Long,
    /// An address, `NULL` for 0.
    Address,
    /// An offset in hexadecimal, a plain 0 for none.
    Offset,
    /// Octal permissions.
    Mode,
    /// The same, only there if the argument before it creates a file.
    CreationMode,
    /// A directory's descriptor or `AT_FDCWD`.
    Directory,
    /// A text that ends in a zero.
    Text,
    /// An array of texts; of an environment only how many.
    Texts,
    Environment,
    /// Bytes that the call reads; the argument of this index says how many.
    Bytes(usize),
    /// Bytes that the call wrote: as many as it answered.
    Answered,
    /// A text that the call wrote and that ends in a zero.
    AnsweredText,
    /// Flags, and what is shown for none.
    Flags(Names, &'static str),
    /// A number with a name.
    Choice(Names),
    /// `open` flags, with their access mode.
    Open,
    /// `mmap` flags and the like, in `clone`'s case with the signal.
    Clone,
    Signal,
    /// A set of signals, and one that the call wrote.
    Signals,
    AnsweredSignals,
    Action,
    AnsweredAction,
    /// Seconds and nanoseconds.
    Time,
    AnsweredTime,
    /// A `struct stat` that the call wrote.
    Stat,
    /// Two descriptors that the call wrote.
    Pair,
    /// A status of `wait4`.
    Status,
    /// Vectors that the call reads, or wrote.
    Vectors,
    AnsweredVectors,
    Limit,
    AnsweredLimit,
    /// What an `ioctl` reads or writes.
    Request,
    /// The argument of an `fcntl`.
    Control,
    /// A `struct utsname` that the call wrote.
    Names,
}

impl Kind {
    /// Whether the call writes it, so that it is shown after the answer.
    pub(super) fn is_answer(self) -> bool {
        matches!(
            self,
            Self::Answered
                | Self::AnsweredText
                | Self::AnsweredSignals
                | Self::AnsweredAction
                | Self::AnsweredTime
                | Self::Stat
                | Self::Pair
                | Self::Status
                | Self::AnsweredVectors
                | Self::AnsweredLimit
                | Self::Request
                | Self::Names
        )
    }
}

/// How an answer that is no error is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    Number,
    Address,
}

/// A call's arguments and its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) args: &'static [Kind],
    pub(super) result: Answer,
}

const AT: Kind = Flags(names::AT, "0");
const FD: Kind = Int;
use Kind::*;

/// Calls whose answer is a number.
const NUMBERS: &[(usize, &[Kind])] = &[
    (nr::GETCWD, &[AnsweredText, Long]),
    (nr::DUP, &[FD]),
    (nr::DUP3, &[FD, FD, Flags(names::PIPE, "0")]),
    (nr::FCNTL, &[FD, Choice(names::FCNTL), Control]),
    (nr::IOCTL, &[FD, Choice(names::IOCTL), Request]),
    (nr::MKDIRAT, &[Directory, Text, Mode]),
    (nr::UNLINKAT, &[Directory, Text, AT]),
    (nr::SYMLINKAT, &[Text, Directory, Text]),
    (nr::LINKAT, &[Directory, Text, Directory, Text, AT]),
    (nr::RENAMEAT, &[Directory, Text, Directory, Text]),
    (nr::RENAMEAT2, &[Directory, Text, Directory, Text, Address]),
    (nr::FTRUNCATE, &[FD, Long]),
    (nr::TRUNCATE, &[Text, Long]),
    (nr::FACCESSAT, &[Directory, Text, Flags(names::ACCESS, "F_OK")]),
    (
        nr::FACCESSAT2,
        &[Directory, Text, Flags(names::ACCESS, "F_OK"), AT],
    ),
    (nr::CHDIR, &[Text]),
    (nr::FCHDIR, &[FD]),
    (nr::FCHMOD, &[FD, Mode]),
    (nr::FCHMODAT, &[Directory, Text, Mode]),
    (nr::OPENAT, &[Directory, Text, Open, CreationMode]),
    (nr::CLOSE, &[FD]),
    (nr::PIPE2, &[Pair, Flags(names::PIPE, "0")]),
    (nr::GETDENTS64, &[FD, Address, Long]),
    (nr::LSEEK, &[FD, Long, Choice(names::SEEK)]),
    (nr::READ, &[FD, Answered, Long]),
    (nr::WRITE, &[FD, Bytes(2), Long]),
    (nr::READV, &[FD, AnsweredVectors, Int]),
    (nr::WRITEV, &[FD, Vectors, Int]),
    (nr::PREAD64, &[FD, Answered, Long, Long]),
    (nr::PWRITE64, &[FD, Bytes(2), Long, Long]),
    (nr::SENDFILE, &[FD, FD, Address, Long]),
    (nr::READLINKAT, &[Directory, Text, Answered, Long]),
    (nr::NEWFSTATAT, &[Directory, Text, Stat, AT]),
    (nr::FSTAT, &[FD, Stat]),
    (nr::STATX, &[Directory, Text, AT, Address, Address]),
    (nr::STATFS, &[Text, Address]),
    (nr::FADVISE64, &[FD, Long, Long, Int]),
    (nr::PPOLL, &[Address, Int, Time, Signals, Long]),
    (nr::FLOCK, &[FD, Int]),
    (nr::FSYNC, &[FD]),
    (nr::EXIT, &[Int]),
    (nr::EXIT_GROUP, &[Int]),
    (nr::SET_TID_ADDRESS, &[Address]),
    (
        nr::FUTEX,
        &[Address, Choice(names::FUTEX), Int, Time, Address, Address],
    ),
    (nr::SET_ROBUST_LIST, &[Address, Long]),
    (nr::NANOSLEEP, &[Time, AnsweredTime]),
    (nr::CLOCK_GETTIME, &[Choice(names::CLOCK), AnsweredTime]),
    (nr::CLOCK_GETRES, &[Choice(names::CLOCK), AnsweredTime]),
    (
        nr::CLOCK_NANOSLEEP,
        &[Choice(names::CLOCK), Int, Time, AnsweredTime],
    ),
    (nr::SCHED_YIELD, &[]),
    (nr::KILL, &[Int, Signal]),
    (nr::TKILL, &[Int, Signal]),
    (nr::TGKILL, &[Int, Int, Signal]),
    (nr::RT_SIGSUSPEND, &[Signals, Long]),
    (nr::RT_SIGACTION, &[Signal, Action, AnsweredAction, Long]),
    (
        nr::RT_SIGPROCMASK,
        &[Choice(names::HOW), Signals, AnsweredSignals, Long],
    ),
    (nr::RT_SIGRETURN, &[]),
    (nr::SETPGID, &[Int, Int]),
    (nr::GETPGID, &[Int]),
    (nr::GETSID, &[Int]),
    (nr::SETSID, &[]),
    (nr::UNAME, &[Names]),
    (nr::UMASK, &[Mode]),
    (nr::GETPID, &[]),
    (nr::GETPPID, &[]),
    (nr::GETUID, &[]),
    (nr::GETEUID, &[]),
    (nr::GETGID, &[]),
    (nr::GETEGID, &[]),
    (nr::GETTID, &[]),
    (nr::SYSINFO, &[Address]),
    (nr::MUNMAP, &[Address, Long]),
    (nr::MPROTECT, &[Address, Long, Flags(names::PROT, "PROT_NONE")]),
    (nr::MADVISE, &[Address, Long, Choice(names::ADVICE)]),
    (nr::CLONE, &[Clone, Address, Address, Address, Address]),
    (nr::EXECVE, &[Text, Texts, Environment]),
    (nr::WAIT4, &[Int, Status, Flags(names::WAIT, "0"), Address]),
    (nr::PRLIMIT64, &[Int, Choice(names::LIMIT), Limit, AnsweredLimit]),
    (nr::GETRANDOM, &[Answered, Long, Flags(names::RANDOM, "0")]),
    (nr::RSEQ, &[Address, Address, Int, Address]),
];

/// Calls whose answer is an address.
const ADDRESSES: &[(usize, &[Kind])] = &[
    (nr::BRK, &[Address]),
    (
        nr::MMAP,
        &[
            Address,
            Long,
            Flags(names::PROT, "PROT_NONE"),
            Flags(names::MAP, "0"),
            Int,
            Offset,
        ],
    ),
    (nr::MREMAP, &[Address, Long, Long, Address, Address]),
];

const UNKNOWN: &[Kind] = &[Address; 6];

/// The shapes by number.
static SHAPES: [Shape; nr::COUNT] = {
    let unknown = Shape {
        args: UNKNOWN,
        result: Answer::Number,
    };
    let mut table = [unknown; nr::COUNT];
    let mut entry = 0;
    while entry < NUMBERS.len() {
        table[NUMBERS[entry].0].args = NUMBERS[entry].1;
        entry += 1;
    }
    entry = 0;
    while entry < ADDRESSES.len() {
        let (number, args) = ADDRESSES[entry];
        table[number] = Shape {
            args,
            result: Answer::Address,
        };
        entry += 1;
    }
    table
};

/// A call's arguments and answer.
pub(super) fn shape(number: usize) -> Shape {
    SHAPES.get(number).copied().unwrap_or(Shape {
        args: UNKNOWN,
        result: Answer::Number,
    })
}
