//! What Linux's user ABI on arm64 says, as numbers and byte layouts. No state.
//!
//! - [`nr`]: system-call numbers and names.
//! - [`errno`]: [`Errno`], Linux's answers.
//! - [`flags`]: flag words of the system calls, as bit sets.
//! - [`fs`]: `stat`, `statx`, `statfs`, `linux_dirent64`, open modes.
//! - [`signal`]: signal numbers, `sigaction`, `siginfo`, the signal frame.
//! - [`time`]: `timespec`, `timeval`, clocks.
//! - [`process`]: `rlimit`, `rusage`, `sysinfo`, `utsname`, the auxiliary vector.
//! - [`event`]: `epoll`, `timerfd`, `signalfd`. [`net`]: sockets.
//! - [`tty`]: `termios`, `winsize` and their requests.
//! - [`bytes`]: the little-endian writer and reader with which all of them go to and from bytes.
//!
//! A layout is a struct of plain values with `encode` and `decode` between it and the bytes that user memory
//! holds; nothing here reads memory. Sources: Linux 6.12 `include/uapi` and `arch/arm64/include/uapi`.

pub mod bytes;
pub mod errno;
pub mod event;
pub mod flags;
pub mod fs;
pub mod net;
pub mod nr;
pub mod process;
pub mod signal;
pub mod time;
pub mod tty;

pub use errno::Errno;
