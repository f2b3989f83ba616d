//! Flag words of system calls as bit sets. Bits without a name are kept where Linux ignores them.

use bitflags::bitflags;

bitflags! {
    /// `mmap(2)`, `mprotect(2)`: protection.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct ProtFlags: u64 {
        /// May be read.
        const READ = 1;
        /// May be written.
        const WRITE = 2;
        /// May be executed.
        const EXEC = 4;
        /// For semaphores; no effect.
        const SEM = 8;
        /// Branch targets are guarded (arm64).
        const BTI = 0x10;
        /// Memory tags (arm64).
        const MTE = 0x20;
        /// `mprotect` reaches to the start of a growing stack.
        const GROWSDOWN = 0x0100_0000;
        /// The same upwards.
        const GROWSUP = 0x0200_0000;
    }

    /// `mmap(2)`: the bits above the type.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct MapFlags: u64 {
        /// Exactly there.
        const FIXED = 0x10;
        /// No file.
        const ANONYMOUS = 0x20;
        /// A stack.
        const GROWSDOWN = 0x100;
        /// Locked.
        const LOCKED = 0x2000;
        /// Not charged in advance.
        const NORESERVE = 0x4000;
        /// Prefault.
        const POPULATE = 0x8000;
        /// Cancels `POPULATE`.
        const NONBLOCK = 0x1_0000;
        /// Marks a thread's stack; no effect.
        const STACK = 0x2_0000;
        /// Huge pages.
        const HUGETLB = 0x4_0000;
        /// Persistent memory.
        const SYNC = 0x8_0000;
        /// Exactly there, if nothing is.
        const FIXED_NOREPLACE = 0x10_0000;
    }

    /// `mremap(2)`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct RemapFlags: u64 {
        /// Another place will do.
        const MAYMOVE = 1;
        /// Exactly there.
        const FIXED = 2;
        /// The old range stays, empty.
        const DONTUNMAP = 4;
    }

    /// `msync(2)`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct SyncFlags: u64 {
        /// Start writing.
        const ASYNC = 1;
        /// Drop other maps' copies.
        const INVALIDATE = 2;
        /// Write and wait.
        const SYNC = 4;
    }

    /// `open(2)`, arm64 numbers.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct OpenFlags: u32 {
        /// Only writing.
        const WRONLY = 1;
        /// Both.
        const RDWR = 2;
        /// Make it if it is missing.
        const CREAT = 0o100;
        /// It must be missing.
        const EXCL = 0o200;
        /// Not the controlling terminal.
        const NOCTTY = 0o400;
        /// Empty it.
        const TRUNC = 0o1000;
        /// Writes go to the end.
        const APPEND = 0o2000;
        /// Do not block.
        const NONBLOCK = 0o4000;
        /// Synchronous data.
        const DSYNC = 0o10000;
        /// Must be a directory (arm64).
        const DIRECTORY = 0o40000;
        /// No symbolic link at the end (arm64).
        const NOFOLLOW = 0o100000;
        /// Past the cache (arm64).
        const DIRECT = 0o200000;
        /// Large files (arm64); no effect.
        const LARGEFILE = 0o400000;
        /// Leave the access time.
        const NOATIME = 0o1000000;
        /// Closed by exec.
        const CLOEXEC = 0o2000000;
        /// Synchronous; includes `DSYNC`.
        const SYNC = 0o4010000;
        /// Only a place.
        const PATH = 0o10000000;
        /// A nameless file in this directory.
        const TMPFILE = 0o20040000;
    }

    /// `*at` calls.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct AtFlags: u32 {
        /// The link itself.
        const SYMLINK_NOFOLLOW = 0x100;
        /// `unlinkat`: a directory. `faccessat2`: effective identity.
        const REMOVEDIR = 0x200;
        /// `linkat`: what the link names.
        const SYMLINK_FOLLOW = 0x400;
        /// Do not mount.
        const NO_AUTOMOUNT = 0x800;
        /// An empty path is the descriptor itself.
        const EMPTY_PATH = 0x1000;
    }

    /// `clone(2)`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct CloneFlags: u64 {
        /// One address space.
        const VM = 0x100;
        /// One working directory and umask.
        const FS = 0x200;
        /// One table of descriptors.
        const FILES = 0x400;
        /// One table of handlers.
        const SIGHAND = 0x800;
        /// A descriptor for the child.
        const PIDFD = 0x1000;
        /// The tracer follows.
        const PTRACE = 0x2000;
        /// The parent waits until the child's exec or exit.
        const VFORK = 0x4000;
        /// The caller's parent is the child's.
        const PARENT = 0x8000;
        /// One thread group.
        const THREAD = 0x1_0000;
        /// New mounts.
        const NEWNS = 0x2_0000;
        /// One System V undo list.
        const SYSVSEM = 0x4_0000;
        /// Set the thread pointer.
        const SETTLS = 0x8_0000;
        /// Write the child's number in the parent.
        const PARENT_SETTID = 0x10_0000;
        /// Clear it in the child at exit, and wake.
        const CHILD_CLEARTID = 0x20_0000;
        /// No effect.
        const DETACHED = 0x40_0000;
        /// Not to be traced.
        const UNTRACED = 0x80_0000;
        /// Write the child's number in the child.
        const CHILD_SETTID = 0x100_0000;
    }

    /// `wait4(2)`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct WaitFlags: u32 {
        /// Do not block.
        const NOHANG = 1;
        /// Stopped children too.
        const UNTRACED = 2;
        /// Ended children (`waitid`).
        const EXITED = 4;
        /// Continued children too.
        const CONTINUED = 8;
        /// Leave it to be waited for again (`waitid`).
        const NOWAIT = 0x100_0000;
        /// Not the other threads' children.
        const NOTHREAD = 0x2000_0000;
        /// Any child.
        const ALL = 0x4000_0000;
        /// Only children of `clone` without `SIGCHLD`.
        const CLONE = 0x8000_0000;
    }

    /// `poll(2)` events.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct PollEvents: u16 {
        /// Can be read.
        const IN = 1;
        /// Exceptional.
        const PRI = 2;
        /// Can be written.
        const OUT = 4;
        /// Error.
        const ERR = 8;
        /// The other end is closed.
        const HUP = 0x10;
        /// Not open.
        const NVAL = 0x20;
        /// As `IN`.
        const RDNORM = 0x40;
        /// As `OUT`.
        const WRNORM = 0x100;
        /// Urgent room; as `OUT` where there is no urgency.
        const WRBAND = 0x200;
        /// The other end writes no more.
        const RDHUP = 0x2000;
    }
}

/// `MAP_TYPE`: the type bits of `mmap(2)`'s flags.
pub const MAP_TYPE: u64 = 0x0f;
/// `MAP_SHARED`.
pub const MAP_SHARED: u64 = 1;
/// `MAP_PRIVATE`.
pub const MAP_PRIVATE: u64 = 2;
/// `MAP_SHARED_VALIDATE`.
pub const MAP_SHARED_VALIDATE: u64 = 3;
/// `MAP_DROPPABLE`.
pub const MAP_DROPPABLE: u64 = 8;
/// `O_ACCMODE`.
pub const O_ACCMODE: u32 = 3;

/// Advice of `madvise(2)`.
#[expect(missing_docs, reason = "madvise(2) names them")]
#[rustfmt::skip]
pub mod advice {
    pub const NORMAL: u64 = 0;
    pub const RANDOM: u64 = 1;
    pub const SEQUENTIAL: u64 = 2;
    pub const WILLNEED: u64 = 3;
    pub const DONTNEED: u64 = 4;
    pub const FREE: u64 = 8;
    pub const REMOVE: u64 = 9;
    pub const DONTFORK: u64 = 10;
    pub const DOFORK: u64 = 11;
    pub const MERGEABLE: u64 = 12;
    pub const UNMERGEABLE: u64 = 13;
    pub const HUGEPAGE: u64 = 14;
    pub const NOHUGEPAGE: u64 = 15;
    pub const DONTDUMP: u64 = 16;
    pub const DODUMP: u64 = 17;
    pub const WIPEONFORK: u64 = 18;
    pub const KEEPONFORK: u64 = 19;
    pub const COLD: u64 = 20;
    pub const PAGEOUT: u64 = 21;
    pub const POPULATE_READ: u64 = 22;
    pub const POPULATE_WRITE: u64 = 23;
    pub const DONTNEED_LOCKED: u64 = 24;
    pub const COLLAPSE: u64 = 25;
    pub const HWPOISON: u64 = 100;
    pub const SOFT_OFFLINE: u64 = 101;
    pub const GUARD_INSTALL: u64 = 102;
    pub const GUARD_REMOVE: u64 = 103;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers in which arm64 differs from x86-64: `arch/arm64/include/uapi/asm/fcntl.h`.
    #[test]
    fn open_flags_are_arm64s() {
        assert_eq!(OpenFlags::DIRECTORY.bits(), 0x4000);
        assert_eq!(OpenFlags::NOFOLLOW.bits(), 0x8000);
        assert_eq!(OpenFlags::DIRECT.bits(), 0x1_0000);
        assert_eq!(OpenFlags::LARGEFILE.bits(), 0x2_0000);
        assert_eq!(OpenFlags::CLOEXEC.bits(), 0x8_0000);
        assert_eq!(OpenFlags::TMPFILE.bits(), 0x40_4000);
    }
}
