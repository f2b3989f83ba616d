//! What a guest may cost the host, and what one guest may do to another, without a processor. Expected answers are those of
//! Linux 6.18, where the same calls were made by a program, unless a limit is the machine's own.

use abi::flags::CloneFlags;
use abi::process::{RLIMIT_NOFILE, RLIMIT_NPROC, Rlimit};
use abi::signal::Signal;
use abi::{Errno, nr};

use super::tests::{Bench, err};
use crate::Pid;

impl Bench {
    fn child(&mut self) -> Pid {
        let child = self.call(nr::CLONE, &[17]);
        Pid::new(u32::try_from(child).expect("a child"))
    }

    fn becomes(&mut self, pid: Pid, user: u32) {
        let creds = &mut self.kernel.task_mut(pid).creds;
        (creds.uid, creds.euid, creds.suid) = (user, user, user);
    }

    fn limit(&mut self, which: usize, current: u64, maximum: u64) -> i64 {
        let at = self.pages(1);
        self.put(at, &Rlimit { current, maximum }.encode());
        self.call(nr::PRLIMIT64, &[0, which as u64, at, 0])
    }
}

/// A large number costs no more than a small one, however many processes have it.
#[test]
fn a_table_of_descriptors_is_as_large_as_what_is_open() {
    let mut b = Bench::new();
    assert_eq!(b.limit(RLIMIT_NOFILE, 1 << 20, 1 << 20), 0);
    let last = (1 << 20) - 1;
    let one = b.call(nr::EVENTFD2, &[0, 0]) as u64;
    assert_eq!(b.call(nr::DUP3, &[one, last, 0]), last as i64);
    let resident = || {
        let text = std::fs::read_to_string("/proc/self/statm").expect("a host with /proc");
        let pages = text.split(' ').nth(1).and_then(|text| text.parse::<u64>().ok());
        pages.expect("a number") * 4096
    };
    let before = resident();
    // vfork's memory, no waiting: tables are what is copied.
    let flags = CloneFlags::VM.bits() | 17;
    for _ in 0..64 {
        assert!(b.call(nr::CLONE, &[flags]) > 0);
    }
    assert!(resident() < before + (256 << 20), "64 tables of 16 MiB each");
}

/// close(2) and exec of any descriptor of a file end the process's record locks; close_range(2) as well.
#[test]
fn locks_end_with_every_way_to_close() {
    const WRITE_LOCK: u16 = 1;
    let mut b = Bench::new();
    let at = b.pages(1);
    b.put(at, b"locked\0");
    let fd = b.call(nr::MEMFD_CREATE, &[at, 0]) as u64;
    let child = b.child();
    let lock = [&WRITE_LOCK.to_le_bytes()[..], &[0; 30]].concat();
    b.put(at, &lock);
    let free = |b: &mut Bench| {
        b.put(at, &lock);
        assert_eq!(b.call_as(child, nr::FCNTL, &[fd, 5, at]), 0);
        let page = b.kernel.task(child).pid;
        let mut kind = [0; 2];
        b.kernel.read_user(page, at, &mut kind).expect("memory");
        u16::from_le_bytes(kind) == 2
    };
    // The child's own copy of the page is what the child asks with.
    b.kernel.write_user(child, at, &lock).expect("memory");
    assert_eq!(b.call(nr::FCNTL, &[fd, 6, at]), 0);
    assert!(!free(&mut b));
    let second = b.call(nr::DUP, &[fd]) as u64;
    b.kernel.write_user(child, at, &lock).expect("memory");
    assert_eq!(b.call(nr::CLOSE_RANGE, &[second, second, 0]), 0);
    assert!(free(&mut b), "close_range");
    b.kernel.write_user(child, at, &lock).expect("memory");
    assert_eq!(b.call(nr::FCNTL, &[fd, 6, at]), 0);
    let third = b.call(nr::FCNTL, &[fd, 1030, 0]);
    assert!(third > 0);
    b.put(at, b"/pagewalk/t\0");
    b.call(nr::EXECVE, &[at, 0, 0]);
    assert!(free_after_exec(&mut b, child, fd, at), "exec");
}

fn free_after_exec(b: &mut Bench, child: Pid, fd: u64, at: u64) -> bool {
    assert_eq!(b.call_as(child, nr::FCNTL, &[fd, 5, at]), 0);
    let mut kind = [0; 2];
    b.kernel.read_user(child, at, &mut kind).expect("memory");
    u16::from_le_bytes(kind) == 2
}

/// close_range(2), CLOSE_RANGE_UNSHARE: other threads keep what this one closes.
#[test]
fn close_range_can_leave_a_shared_table() {
    let mut b = Bench::new();
    let fd = b.call(nr::EVENTFD2, &[0, 0]) as u64;
    let flags = CloneFlags::VM.bits() | CloneFlags::FILES.bits() | 17;
    let other = Pid::new(u32::try_from(b.call(nr::CLONE, &[flags])).expect("a child"));
    assert_eq!(b.call(nr::CLOSE_RANGE, &[fd, fd, 2]), 0);
    assert_eq!(b.call(nr::DUP, &[fd]), err(Errno::EBADF));
    assert!(b.call_as(other, nr::DUP, &[fd]) > 0);
}

/// fcntl(2): only what open(2) opened says O_LARGEFILE.
#[test]
fn a_pipe_is_no_large_file() {
    let mut b = Bench::new();
    let at = b.pages(1);
    assert_eq!(b.call(nr::PIPE2, &[at, 0o4000]), 0);
    let read = u32::from_le_bytes(b.take(at));
    let write = u32::from_le_bytes(b.take(at + 4));
    assert_eq!(b.call(nr::FCNTL, &[read.into(), 3]), 0o4000);
    assert_eq!(b.call(nr::FCNTL, &[write.into(), 3]), 0o4001);
    b.put(at, b"/dev/null\0");
    let null = b.call(nr::OPENAT, &[(-100_i64) as u64, at, 2]) as u64;
    assert_eq!(b.call(nr::FCNTL, &[null, 3]), 0o400_002);
}

/// signal(7): SIGPIPE goes to the thread that wrote, not to another that does not block it.
#[test]
fn a_broken_pipe_is_the_writers_affair() {
    let mut b = Bench::new();
    let at = b.pages(1);
    let flags = CloneFlags::VM | CloneFlags::FILES | CloneFlags::SIGHAND | CloneFlags::THREAD;
    let writer = Pid::new(u32::try_from(b.call(nr::CLONE, &[flags.bits()])).expect("a thread"));
    assert_eq!(b.call(nr::PIPE2, &[at, 0]), 0);
    let read = u32::from_le_bytes(b.take(at));
    let write = u32::from_le_bytes(b.take(at + 4));
    assert_eq!(b.call(nr::CLOSE, &[read.into()]), 0);
    b.put(at, &(1u64 << (Signal::PIPE.get() - 1)).to_le_bytes());
    assert_eq!(b.call_as(writer, nr::RT_SIGPROCMASK, &[0, at, 0, 8]), 0);
    assert_eq!(
        b.call_as(writer, nr::WRITE, &[write.into(), at, 1]),
        err(Errno::EPIPE)
    );
    let sets = b.kernel.find(writer).expect("it lives").signal_sets();
    assert!(sets[0].contains(Signal::PIPE) && !sets[1].contains(Signal::PIPE));
}

/// getrlimit(2): EAGAIN for a user with so many tasks, but not for root.
#[test]
fn a_user_has_so_many_tasks() {
    let mut b = Bench::new();
    b.becomes(b.pid, 1000);
    assert_eq!(b.limit(RLIMIT_NPROC, 3, 3), 0);
    assert!(b.call(nr::CLONE, &[17]) > 0);
    assert!(b.call(nr::CLONE, &[17]) > 0);
    assert_eq!(b.call(nr::CLONE, &[17]), err(Errno::EAGAIN));
    b.becomes(b.pid, 0);
    assert!(b.call(nr::CLONE, &[17]) > 0);
}

/// prlimit(2), setpriority(2), sched_setscheduler(2): EPERM for another user's task.
#[test]
fn another_users_task_is_left_alone() {
    let mut b = Bench::new();
    let child = b.child();
    b.becomes(child, 1000);
    let (first, at) = (u64::from(b.pid.get()), b.pages(1));
    b.becomes(b.pid, 0);
    assert_eq!(
        b.call_as(child, nr::PRLIMIT64, &[first, 7, 0, 0]),
        err(Errno::EPERM)
    );
    assert_eq!(b.call_as(child, nr::PRLIMIT64, &[0, 7, 0, 0]), 0);
    assert_eq!(
        b.call_as(child, nr::SETPRIORITY, &[0, first, 19]),
        err(Errno::EPERM)
    );
    assert_eq!(b.call_as(child, nr::SETPRIORITY, &[0, 0, 1]), 0);
    let own = b.kernel.find(child).expect("it lives").regs.sp() & !0xfff;
    b.kernel.write_user(child, own, &[0; 4]).expect("its stack");
    let set = |b: &mut Bench, pid| b.call_as(child, nr::SCHED_SETSCHEDULER, &[pid, 3, own]);
    assert_eq!(set(&mut b, first), err(Errno::EPERM));
    assert_eq!(set(&mut b, 0), 0);
    // Root may.
    assert_eq!(b.call(nr::PRLIMIT64, &[child.get().into(), 7, 0, at]), 0);
}

/// The host's network is not the guest's to change, by whatever call a message goes out.
#[test]
fn netlink_is_asked_and_not_told_by_sendfile() {
    const SET_LINK: u16 = 19;
    let mut b = Bench::new();
    let fd = b.call(nr::SOCKET, &[16, 3, 0]);
    if fd < 0 {
        println!("nothing was checked: the host gives no netlink socket ({fd})");
        return;
    }
    let at = b.pages(1);
    b.put(at, b"message\0");
    let file = b.call(nr::MEMFD_CREATE, &[at, 0]) as u64;
    let header = [&32u32.to_le_bytes()[..], &SET_LINK.to_le_bytes(), &[0; 26]].concat();
    b.put(at, &header);
    assert_eq!(b.call(nr::PWRITE64, &[file, at, 32, 0]), 32);
    assert_eq!(b.call(nr::WRITE, &[fd as u64, at, 32]), err(Errno::EPERM));
    assert_eq!(b.call(nr::SENDFILE, &[fd as u64, file, 0, 32]), err(Errno::EPERM));
}

/// Pipes and sockets that nobody reads: what they hold together has an end, and each still takes what must be written whole.
#[test]
fn what_waits_in_pipes_has_an_end() {
    let mut b = Bench::new();
    assert_eq!(b.limit(RLIMIT_NOFILE, 1 << 16, 1 << 16), 0);
    let (at, text) = (b.pages(1), b.pages(64));
    let mut written = 0;
    for _ in 0..200 {
        assert_eq!(b.call(nr::PIPE2, &[at, 0o4000]), 0);
        let write = u32::from_le_bytes(b.take(at + 4));
        assert_eq!(b.call(nr::FCNTL, &[write.into(), 1031, 1 << 20]), 1 << 20);
        let count = b.call(nr::WRITE, &[write.into(), text, 1 << 20]);
        assert!(count >= 4096, "{count}");
        written += count as usize;
    }
    assert!(written < crate::wait::MOST_HELD + (2 << 20), "{written} bytes");
    assert_eq!(b.call(nr::SOCKETPAIR, &[1, 1 | 0o4000, 0, at]), 0);
    let one = u32::from_le_bytes(b.take(at));
    assert_eq!(b.call(nr::WRITE, &[one.into(), text, 1 << 17]), 4096);
    // Closing gives room again.
    for fd in 0..400 {
        b.call(nr::CLOSE, &[fd]);
    }
    assert_eq!(b.call(nr::PIPE2, &[at, 0o4000]), 0);
    let write = u32::from_le_bytes(b.take(at + 4));
    assert_eq!(b.call(nr::WRITE, &[write.into(), text, 1 << 16]), 1 << 16);
}

/// sigqueue(3): EAGAIN although root has set no limit.
#[test]
fn queued_signals_have_an_end_for_root_too() {
    use abi::process::RLIMIT_SIGPENDING;
    let mut b = Bench::new();
    assert_eq!(b.limit(RLIMIT_SIGPENDING, u64::MAX, u64::MAX), 0);
    let at = b.pages(1);
    b.put(at, &(1u64 << 39).to_le_bytes());
    assert_eq!(b.call(nr::RT_SIGPROCMASK, &[0, at, 0, 8]), 0);
    let me = u64::from(b.pid.get());
    b.put(
        at,
        &[&40u32.to_le_bytes()[..], &[0; 4], &(-1i32).to_le_bytes()].concat(),
    );
    let mut sent = 0;
    while b.call(nr::RT_SIGQUEUEINFO, &[me, 40, at]) == 0 {
        sent += 1;
        assert!(sent < 1 << 19, "no end");
    }
    assert_eq!(b.call(nr::RT_SIGQUEUEINFO, &[me, 40, at]), err(Errno::EAGAIN));
}

/// getcwd(2): the name that the directory has now; ENOENT if it has none.
#[test]
fn a_working_directory_keeps_its_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = std::fs::canonicalize(folder.path()).expect("its path");
    std::fs::create_dir(base.join("old")).expect("made");
    let mut b = Bench::new();
    let at = b.pages(1);
    b.put(at, format!("{}\0", base.join("old").display()).as_bytes());
    assert_eq!(b.call(nr::CHDIR, &[at]), 0);
    std::fs::rename(base.join("old"), base.join("new")).expect("renamed");
    let shown = base.join("new").display().to_string();
    assert_eq!(b.call(nr::GETCWD, &[at, 4096]), shown.len() as i64 + 1);
    let bytes: [u8; 256] = b.take(at);
    assert_eq!(&bytes[..shown.len()], shown.as_bytes());
    std::fs::remove_dir(base.join("new")).expect("removed");
    assert_eq!(b.call(nr::GETCWD, &[at, 4096]), err(Errno::ENOENT));
}

/// access(2): root may read and write what its mode forbids, and run only what somebody may run; others go by the mode.
#[test]
fn access_knows_root() {
    let mut b = Bench::new();
    let at = b.pages(1);
    let here = (-100_i64) as u64;
    b.put(at, b"/proc/version\0");
    b.becomes(b.pid, 0);
    for (mode, answer) in [(4, 0), (2, 0), (1, err(Errno::EACCES))] {
        assert_eq!(b.call(nr::FACCESSAT, &[here, at, mode]), answer, "{mode}");
    }
    b.becomes(b.pid, 1000);
    for (mode, answer) in [(4, 0), (2, err(Errno::EACCES)), (1, err(Errno::EACCES))] {
        assert_eq!(b.call(nr::FACCESSAT, &[here, at, mode]), answer, "{mode}");
    }
}

/// Who opened a file of /proc may have ended when another writes to it: what counts is who writes.
#[test]
fn a_file_of_proc_outlives_who_opened_it() {
    let mut b = Bench::new();
    let at = b.pages(1);
    b.put(at, format!("/proc/{}/comm\0", b.pid.get()).as_bytes());
    let opener = b.child();
    let fd = b.call_as(opener, nr::OPENAT, &[(-100_i64) as u64, at, 1]);
    assert!(fd >= 0, "{fd}");
    let writer = Pid::new(u32::try_from(b.call_as(opener, nr::CLONE, &[17])).expect("a child"));
    b.call_as(opener, nr::EXIT_GROUP, &[0]);
    assert_eq!(
        b.call(nr::WAIT4, &[opener.get().into(), 0, 0, 0]),
        i64::from(opener.get())
    );
    // Only a process's own threads may name it.
    assert_eq!(
        b.call_as(writer, nr::WRITE, &[fd as u64, at, 4]),
        err(Errno::EINVAL)
    );
}

/// proc(5): a process's memory is its user's.
#[test]
fn another_users_memory_is_not_to_be_opened() {
    let mut b = Bench::new();
    b.becomes(b.pid, 0);
    let at = b.pages(1);
    b.put(at, format!("/proc/{}/mem\0", b.pid.get()).as_bytes());
    let here = (-100_i64) as u64;
    let child = b.child();
    b.becomes(child, 1000);
    b.kernel.task_mut(child).creds.fsuid = 1000;
    for access in 0..3 {
        assert_eq!(
            b.call_as(child, nr::OPENAT, &[here, at, access]),
            err(Errno::EACCES)
        );
        assert!(b.call(nr::OPENAT, &[here, at, access]) > 0);
    }
}

/// With a root folder, what the machine was given from outside is opened anew for what it was given for, and no more.
#[test]
fn a_given_file_gives_no_more_by_its_name() {
    const AT_FDCWD: u64 = -100i64 as u64;
    const RDWR: u64 = 2;
    const TRUNC: u64 = 0o1000;
    const PATH: u64 = 0o10_000_000;
    const SYMLINK_FOLLOW: u64 = 0x400;
    let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "outside").unwrap();
    let mut b = Bench::new();
    let given = std::fs::File::open(&secret).unwrap().into();
    let file = b
        .kernel
        .adopt_host(given, abi::flags::OpenFlags::empty())
        .unwrap();
    b.kernel.config.root = Some(crate::file::root::Root::open(inside.path()).unwrap());
    let slot = crate::file::Slot {
        file,
        close_on_exec: false,
    };
    let files = std::rc::Rc::clone(&b.kernel.task(b.pid).files);
    let fd = files.borrow_mut().add(slot, 0, 100).unwrap();
    let at = b.pages(1);
    let mut open = |fd: i64, flags: u64| {
        b.put(at, format!("/proc/self/fd/{fd}\0").as_bytes());
        b.call(nr::OPENAT, &[AT_FDCWD, at, flags, 0])
    };
    let again = open(fd.into(), 0);
    assert!(again > i64::from(fd));
    let place = open(fd.into(), PATH);
    assert!(place > again);
    for fd in [fd.into(), again, place] {
        assert_eq!(open(fd, RDWR), err(Errno::EACCES));
        assert_eq!(open(fd, TRUNC), err(Errno::EACCES));
    }
    let at = b.pages(1);
    b.put(at, format!("/proc/self/fd/{again}\0").as_bytes());
    b.put(at + 100, b"/link\0");
    let link = [AT_FDCWD, at, AT_FDCWD, at + 100, SYMLINK_FOLLOW];
    assert_eq!(b.call(nr::LINKAT, &link), err(Errno::EPERM));
    b.put(at, b"\0");
    let link = [again as u64, at, AT_FDCWD, at + 100, 0x1000];
    assert_eq!(b.call(nr::LINKAT, &link), err(Errno::EPERM));
    assert_eq!(std::fs::read(&secret).unwrap(), b"outside");
}
