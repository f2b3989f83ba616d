//! FIFOs, `fallocate`, `copy_file_range` and inotify, without a processor. Expected answers are Linux's (fifo(7), open(2),
//! mknod(2), fallocate(2), copy_file_range(2), inotify(7)); `cargo xtask programs` compares real programs with qemu.

use abi::{Errno, nr};

use super::tests::{Bench, err};
use crate::{Pid, State};

const AT_FDCWD: u64 = -100_i64 as u64;
const FIFO: u64 = 0o010_600;
const WRONLY: u64 = 1;
const RDWR: u64 = 2;
const CREAT: u64 = 0o100;
const NONBLOCK: u64 = 0o4000;

/// A task with a folder of the host of its own.
struct Place {
    bench: Bench,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            bench: Bench::new(),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// A path in the folder, in the task's memory.
    fn path(&mut self, name: &str) -> u64 {
        let at = self.bench.pages(1);
        let path = self.folder.path().join(name);
        let text = format!("{}\0", path.display());
        self.bench.put(at, text.as_bytes());
        at
    }

    fn mknod(&mut self, name: &str, mode: u64) -> i64 {
        let at = self.path(name);
        self.bench.call(nr::MKNODAT, &[AT_FDCWD, at, mode, 0])
    }

    fn open(&mut self, pid: Pid, name: &str, flags: u64) -> i64 {
        let at = self.path(name);
        self.open_at(pid, at, flags)
    }

    /// Opens by a path in memory: a child has what was there before the fork.
    fn open_at(&mut self, pid: Pid, at: u64, flags: u64) -> i64 {
        self.bench.call_as(pid, nr::OPENAT, &[AT_FDCWD, at, flags, 0o600])
    }

    fn fork(&mut self) -> Pid {
        let child = self.bench.call(nr::CLONE, &[17]);
        Pid::new(u32::try_from(child).expect("a child"))
    }

    /// Gives every task that may go on its turn; the answer of one.
    fn answer_of(&mut self, pid: Pid) -> i64 {
        for _ in 0..4 {
            if let Some(next) = self.bench.kernel.next_task() {
                self.bench.kernel.yield_turn(next);
            }
        }
        self.bench.kernel.task(pid).regs.x(0) as i64
    }
}

#[test]
fn an_open_waits_for_the_other_side() {
    let mut p = Place::new();
    assert_eq!(p.mknod("f", FIFO), 0);
    assert_eq!(p.mknod("f", FIFO), err(Errno::EEXIST));
    let (at, name) = (p.bench.pages(1), p.path("f"));
    let (parent, child) = (p.bench.pid, p.fork());
    p.open_at(parent, name, 0);
    assert_eq!(p.bench.state(parent), Some(State::Waiting));
    // It is a reader while it waits: the writer need not.
    let writer = p.open_at(child, name, WRONLY | NONBLOCK);
    assert!(writer >= 0, "{writer}");
    let reader = p.answer_of(parent) as u64;
    assert_eq!(p.bench.state(parent), Some(State::Runnable));
    assert_eq!(p.bench.call_as(child, nr::WRITE, &[writer as u64, at, 5]), 5);
    assert_eq!(p.bench.call(nr::READ, &[reader, at, 100]), 5);
    // The last writer's end is the end of the file.
    assert_eq!(p.bench.call_as(child, nr::CLOSE, &[writer as u64]), 0);
    assert_eq!(p.bench.call(nr::READ, &[reader, at, 100]), 0);
}

#[test]
fn a_partner_that_came_and_went_ends_the_wait() {
    let mut p = Place::new();
    assert_eq!(p.mknod("f", FIFO), 0);
    let name = p.path("f");
    let (parent, child) = (p.bench.pid, p.fork());
    p.open_at(parent, name, WRONLY);
    assert_eq!(p.bench.state(parent), Some(State::Waiting));
    let reader = p.open_at(child, name, NONBLOCK) as u64;
    assert_eq!(p.bench.call_as(child, nr::CLOSE, &[reader]), 0);
    assert!(p.answer_of(parent) >= 0);
    assert_eq!(p.bench.state(parent), Some(State::Runnable));
}

#[test]
fn without_waiting() {
    let mut p = Place::new();
    assert_eq!(p.mknod("f", FIFO), 0);
    let pid = p.bench.pid;
    assert_eq!(p.open(pid, "f", WRONLY | NONBLOCK), err(Errno::ENXIO));
    assert_eq!(p.open(pid, "f", CREAT | 0o200), err(Errno::EEXIST));
    let both = p.open(pid, "f", RDWR) as u64;
    let at = p.bench.pages(1);
    assert_eq!(p.bench.call(nr::WRITE, &[both, at, 3]), 3);
    assert_eq!(p.bench.call(nr::READ, &[both, at, 9]), 3);
    let writer = p.open(pid, "f", WRONLY | NONBLOCK) as u64;
    assert_eq!(p.bench.call(nr::LSEEK, &[writer, 0, 0]), err(Errno::ESPIPE));
    // fstat(2) tells of the file, not of the pipe.
    assert_eq!(p.bench.call(nr::FSTAT, &[writer, at]), 0);
    let mode: [u8; 4] = p.bench.take(at + 16);
    assert_eq!(u32::from_le_bytes(mode), 0o010_600);
}

/// glibc's `lchmod`: `O_PATH`, then chmod(2) by the descriptor's name.
/// A shell's process substitution: what wrote has often ended before `/dev/fd/63` is opened.
#[test]
fn a_pipe_without_a_name_never_waits() {
    let mut p = Place::new();
    let pid = p.bench.pid;
    for (kept, flags) in [(0, 0), (1, WRONLY), (1, WRONLY | NONBLOCK)] {
        let at = p.bench.pages(1);
        assert_eq!(p.bench.call(nr::PIPE2, &[at, 0]), 0);
        let ends: [u32; 2] = [p.bench.take(at), p.bench.take(at + 4)].map(u32::from_le_bytes);
        assert_eq!(p.bench.call(nr::CLOSE, &[u64::from(ends[1 - kept])]), 0);
        p.bench
            .put(at, format!("/proc/self/fd/{}\0", ends[kept]).as_bytes());
        assert!(p.open_at(pid, at, flags) > 0, "end {kept}");
        assert_ne!(p.bench.state(pid), Some(State::Waiting));
    }
}

#[test]
fn the_mode_is_changed_by_a_descriptors_name() {
    const PATH: u64 = 0o10_000_000;
    let mut p = Place::new();
    assert_eq!(p.mknod("f", FIFO), 0);
    let pid = p.bench.pid;
    let fd = p.open(pid, "f", PATH);
    let at = p.bench.pages(1);
    p.bench.put(at, format!("/proc/self/fd/{fd}\0").as_bytes());
    assert_eq!(p.bench.call(nr::FCHMODAT, &[AT_FDCWD, at, 0o640]), 0);
    assert_eq!(p.bench.call(nr::FSTAT, &[fd as u64, at]), 0);
    let mode: [u8; 4] = p.bench.take(at + 16);
    assert_eq!(u32::from_le_bytes(mode), 0o010_640);
    // Nor does it matter what a file was opened for.
    assert_eq!(p.mknod("file", 0o600), 0);
    let fd = p.open(pid, "file", 0);
    p.bench.put(at, format!("/proc/self/fd/{fd}\0").as_bytes());
    assert_eq!(p.bench.call(nr::FCHMODAT, &[AT_FDCWD, at, 0]), 0);
}

#[test]
fn no_device_is_made() {
    let mut p = Place::new();
    assert_eq!(p.mknod("null", 0o020_666), err(Errno::EPERM));
    assert_eq!(p.mknod("disk", 0o060_666), err(Errno::EPERM));
    assert_eq!(p.mknod("odd", 0o040_755), err(Errno::EINVAL));
    assert_eq!(p.mknod("file", 0o600), 0);
    assert_eq!(p.mknod("file", 0o100_600), err(Errno::EEXIST));
}

#[test]
fn space_is_made_and_bytes_are_copied() {
    let mut p = Place::new();
    let pid = p.bench.pid;
    let (a, b) = (
        p.open(pid, "a", CREAT | RDWR) as u64,
        p.open(pid, "b", CREAT | RDWR) as u64,
    );
    let at = p.bench.pages(1);
    assert_eq!(p.bench.call(nr::FALLOCATE, &[a, 0, 10, 90]), 0);
    assert_eq!(p.bench.call(nr::LSEEK, &[a, 0, 2]), 100);
    // FALLOC_FL_KEEP_SIZE; then what is not offered, no length, a length that no file has.
    assert_eq!(p.bench.call(nr::FALLOCATE, &[a, 1, 0, 1000]), 0);
    assert_eq!(p.bench.call(nr::LSEEK, &[a, 0, 2]), 100);
    assert_eq!(
        p.bench.call(nr::FALLOCATE, &[a, 3, 0, 10]),
        err(Errno::EOPNOTSUPP)
    );
    assert_eq!(p.bench.call(nr::FALLOCATE, &[a, 0, 0, 0]), err(Errno::EINVAL));
    let most = i64::MAX as u64;
    assert_eq!(p.bench.call(nr::FALLOCATE, &[a, 0, most, 1]), err(Errno::EFBIG));
    p.bench.put(at, b"0123456789");
    assert_eq!(p.bench.call(nr::PWRITE64, &[a, at, 10, 90]), 10);
    p.bench.put(at, &95_u64.to_le_bytes());
    assert_eq!(p.bench.call(nr::COPY_FILE_RANGE, &[a, at, b, 0, 100, 0]), 5);
    assert_eq!(p.bench.take(at), 100_u64.to_le_bytes());
    assert_eq!(p.bench.call(nr::PREAD64, &[b, at, 9, 0]), 5);
    assert_eq!(p.bench.take(at), *b"56789");
    // The same bytes of the same file; flags that nobody has.
    p.bench.put(at, &0_u64.to_le_bytes());
    let same = [a, at, a, at, 10, 0];
    assert_eq!(p.bench.call(nr::COPY_FILE_RANGE, &same), err(Errno::EINVAL));
    assert_eq!(
        p.bench.call(nr::COPY_FILE_RANGE, &[a, 0, b, 0, 1, 1]),
        err(Errno::EINVAL)
    );
}

#[test]
fn a_folder_is_watched() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut b = Bench::new();
    let watch = b.call(nr::INOTIFY_INIT1, &[0o4000]) as u64;
    let at = b.pages(1);
    b.put(at, format!("{}\0", folder.path().display()).as_bytes());
    assert_eq!(b.call(nr::READ, &[watch, at + 4096, 4096]), err(Errno::EAGAIN));
    /// `IN_CREATE`.
    const CREATED: u64 = 0x100;
    let number = b.call(nr::INOTIFY_ADD_WATCH, &[watch, at, CREATED]);
    assert!(number > 0, "{number}");
    std::fs::write(folder.path().join("new"), "x").expect("written");
    assert_eq!(b.call(nr::READ, &[watch, at + 4096, 4096]), 32);
    let event: [u8; 20] = b.take(at + 4096);
    assert_eq!(u64::from(abi::bytes::get_u32(&event, 4)), CREATED);
    assert_eq!(&event[16..], b"new\0");
    assert_eq!(b.call(nr::INOTIFY_RM_WATCH, &[watch, number as u64]), 0);
    assert_eq!(b.call(nr::INOTIFY_RM_WATCH, &[watch, 99]), err(Errno::EINVAL));
    assert_eq!(b.call(nr::INOTIFY_RM_WATCH, &[0, 1]), err(Errno::EINVAL));
    assert_eq!(b.call(nr::INOTIFY_INIT1, &[1]), err(Errno::EINVAL));
}
