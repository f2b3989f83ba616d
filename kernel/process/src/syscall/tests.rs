//! System calls without a processor: registers are set by hand and the trap is handed to the kernel.
//! Expected answers are those measured on Linux (reference/vmcore.md section 2) or the man pages'.

use std::io::Write as _;

use abi::signal::{Frame, SigAction, SigInfo, Signal, sa};
use abi::time::Timespec;
use abi::{Errno, nr};
use arch::{Access, Bytes, Fault, FaultCause, Granule, Trap, VirtAddr};

use crate::exec::tests::{Piece, WHOLE, craft};
use crate::{Bundled, Cause, Clock, Config, Exit, Kernel, Notice, Pid, Region, Spawn, State};

const PAGE: u64 = 16384;
const PRIVATE_ANON: u64 = 0x22;
const RW: u64 = 3;

/// A machine without a processor, and its first task.
pub(super) struct Bench {
    pub(super) kernel: Kernel,
    pub(super) pid: Pid,
    pub(super) clock: Clock,
}

pub(super) fn err(errno: Errno) -> i64 {
    errno.to_result() as i64
}

impl Bench {
    fn with_ram(mib: u64) -> Self {
        let ram = ram::Ram::new(Bytes::new(mib << 20), Granule::K16).expect("host memory");
        let program = Piece {
            memory_size: 0x1_0000,
            ..WHOLE
        };
        let x86 = {
            let mut bytes = craft(2, &[WHOLE], 0x200);
            bytes[18] = 62;
            bytes
        };
        let bundled = |name: &str, bytes: Vec<u8>| Bundled {
            name: name.to_owned(),
            bytes: bytes.into(),
        };
        let config = Config {
            seed: Some(7),
            programs: vec![
                bundled("t", craft(2, &[program], 0x200)),
                bundled("x86", x86),
                bundled("script", b"#!\n".to_vec()),
                bundled("orphan", b"#! /none/sh -e\n".to_vec()),
                bundled("loop", b"#!/pagewalk/loop\n".to_vec()),
                bundled("runs", b"#! /pagewalk/t  -a b \n".to_vec()),
            ],
            ..Config::default()
        };
        let mut kernel = Kernel::new(mm::Memory::new(ram), config, Clock::default());
        let pid = kernel
            .spawn(&Spawn {
                path: b"/pagewalk/t".to_vec(),
                args: vec![b"t".to_vec()],
                env: vec![b"A=1".to_vec()],
                working: b"/tmp".to_vec(),
            })
            .expect("a good program");
        Self {
            kernel,
            pid,
            clock: Clock::default(),
        }
    }

    pub(super) fn new() -> Self {
        Self::with_ram(64)
    }

    /// Makes a call for a task; the answer is meaningless if it waits.
    pub(super) fn call_as(&mut self, pid: Pid, number: usize, args: &[u64]) -> i64 {
        let (regs, _) = self.kernel.context(pid);
        regs.set_x(8, number as u64);
        for n in 0..6 {
            regs.set_x(n, args.get(n).copied().unwrap_or(0));
        }
        regs.pc += 4;
        self.kernel.handle(pid, Trap::Supervisor(0), self.clock);
        self.kernel.find(pid).map_or(0, |task| task.regs.x(0) as i64)
    }

    pub(super) fn call(&mut self, number: usize, args: &[u64]) -> i64 {
        self.call_as(self.pid, number, args)
    }

    /// Pages of memory, read and write.
    pub(super) fn pages(&mut self, count: u64) -> u64 {
        let at = self.call(nr::MMAP, &[0, count * PAGE, RW, PRIVATE_ANON, u64::MAX, 0]);
        assert!(at > 0);
        at as u64
    }

    pub(super) fn put(&mut self, at: u64, bytes: &[u8]) {
        self.kernel.write_user(self.pid, at, bytes).expect("good memory");
    }

    pub(super) fn take<const N: usize>(&mut self, at: u64) -> [u8; N] {
        let mut bytes = [0; N];
        self.kernel
            .read_user(self.pid, at, &mut bytes)
            .expect("good memory");
        bytes
    }

    fn fault(&mut self, access: Access, address: u64) {
        let fault = Fault {
            address: VirtAddr::new(address),
            access,
            cause: FaultCause::Translation(3),
        };
        self.kernel.handle(self.pid, Trap::Abort(fault), self.clock);
    }

    pub(super) fn state(&self, pid: Pid) -> Option<State> {
        self.kernel.find(pid).map(|task| task.state)
    }

    fn handler(&mut self, signal: Signal, flags: u64) {
        let action = SigAction {
            handler: 0x40_0180,
            flags,
            restorer: 0x40_0190,
            ..SigAction::default()
        };
        let at = self.pages(1);
        self.put(at, &action.encode());
        let number = u64::from(signal.get());
        assert_eq!(self.call(nr::RT_SIGACTION, &[number, at, 0, 8]), 0);
    }

    fn pipe(&mut self) -> (u64, u64) {
        let at = self.pages(1);
        assert_eq!(self.call(nr::PIPE2, &[at, 0]), 0);
        let fds: [u8; 8] = self.take(at);
        let fd = |n| u64::from(abi::bytes::get_u32(&fds, n));
        (fd(0), fd(4))
    }
}

#[test]
fn mmap_answers_in_linuxs_order() {
    let mut b = Bench::new();
    let end = Granule::K16.user_end();
    let mut map = |a, l, flags, fd: i64, off| b.call(nr::MMAP, &[a, l, RW, flags, fd as u64, off]);
    for (what, got, expected) in [
        ("length 0", map(0, 0, PRIVATE_ANON, -1, 0), Errno::EINVAL),
        (
            "bad offset before bad fd",
            map(0, PAGE, 2, 99, 4096),
            Errno::EINVAL,
        ),
        ("bad fd before length 0", map(0, 0, 2, 99, 0), Errno::EBADF),
        (
            "rounds to 0",
            map(0, u64::MAX, PRIVATE_ANON, -1, 0),
            Errno::ENOMEM,
        ),
        (
            "more than user space",
            map(0, end + PAGE, PRIVATE_ANON, -1, 0),
            Errno::ENOMEM,
        ),
        (
            "offset wraps",
            map(0, PAGE * 2, PRIVATE_ANON, -1, !(PAGE - 1)),
            Errno::EOVERFLOW,
        ),
        ("no type", map(0, PAGE, 0x20, -1, 0), Errno::EINVAL),
        ("validate is for files", map(0, PAGE, 0x23, -1, 0), Errno::EINVAL),
        (
            "fixed unaligned",
            map(0x1000_0001, PAGE, PRIVATE_ANON | 0x10, -1, 0),
            Errno::EINVAL,
        ),
        (
            "fixed above user space",
            map(end, PAGE, PRIVATE_ANON | 0x10, -1, 0),
            Errno::ENOMEM,
        ),
        (
            "no replace over the program",
            map(0x40_0000, PAGE, PRIVATE_ANON | 0x10_0000, -1, 0),
            Errno::EEXIST,
        ),
        ("shared stack", map(0, PAGE, 0x121, -1, 0), Errno::EINVAL),
    ] {
        assert_eq!(got, err(expected), "{what}");
    }
    assert!(map(0x1234_5678, 1, PRIVATE_ANON, -1, 0) > 0);
    // proc_sys_vm(5), overcommit_memory 0: one request larger than RAM, unless it need not be backed.
    let large = 65 << 20;
    assert_eq!(map(0, large, PRIVATE_ANON, -1, 0), err(Errno::ENOMEM));
    assert!(map(0, large, PRIVATE_ANON | 0x4000, -1, 0) > 0);
    let reserved = b.call(nr::MMAP, &[0, large, 0, PRIVATE_ANON, u64::MAX, 0]);
    assert!(reserved > 0);
    assert_eq!(
        b.call(nr::MPROTECT, &[reserved as u64, large, RW]),
        err(Errno::ENOMEM)
    );
    assert_eq!(b.call(nr::MPROTECT, &[reserved as u64, PAGE, RW]), 0);
    let heap = b.call(nr::BRK, &[0]);
    assert_eq!(b.call(nr::BRK, &[heap as u64 + large]), heap);
}

#[test]
fn the_other_memory_calls_answer_as_linux_does() {
    let mut b = Bench::new();
    let at = b.pages(4);
    let hole = at + PAGE;
    assert_eq!(b.call(nr::MUNMAP, &[hole, 1]), 0);
    for (what, number, args, expected) in [
        (
            "munmap unaligned",
            nr::MUNMAP,
            [at + 1, PAGE, 0],
            err(Errno::EINVAL),
        ),
        ("munmap length 0", nr::MUNMAP, [at, 0, 0], err(Errno::EINVAL)),
        ("munmap wraps", nr::MUNMAP, [at, u64::MAX, 0], err(Errno::EINVAL)),
        ("munmap of nothing", nr::MUNMAP, [hole, PAGE, 0], 0),
        (
            "mprotect unaligned",
            nr::MPROTECT,
            [at + 1, PAGE, 1],
            err(Errno::EINVAL),
        ),
        ("mprotect length 0", nr::MPROTECT, [hole, 0, 1], 0),
        (
            "mprotect unknown",
            nr::MPROTECT,
            [at, PAGE, 0x80],
            err(Errno::EINVAL),
        ),
        (
            "mprotect hole",
            nr::MPROTECT,
            [at, 3 * PAGE, 3],
            err(Errno::ENOMEM),
        ),
        (
            "mprotect wraps",
            nr::MPROTECT,
            [at, u64::MAX, 3],
            err(Errno::ENOMEM),
        ),
        ("mremap unknown flag", nr::MREMAP, [at, PAGE, PAGE], at as i64),
        (
            "madvise unknown before length",
            nr::MADVISE,
            [at, 0, 99],
            err(Errno::EINVAL),
        ),
        (
            "madvise unaligned",
            nr::MADVISE,
            [at + 1, PAGE, 4],
            err(Errno::EINVAL),
        ),
        ("madvise length 0", nr::MADVISE, [at, 0, 4], 0),
        ("madvise hole", nr::MADVISE, [at, 3 * PAGE, 4], err(Errno::ENOMEM)),
        (
            "mincore unaligned",
            nr::MINCORE,
            [at + 1, PAGE, at],
            err(Errno::EINVAL),
        ),
        (
            "mincore bad vector",
            nr::MINCORE,
            [at, PAGE, 8],
            err(Errno::EFAULT),
        ),
        ("mincore hole", nr::MINCORE, [hole, PAGE, at], err(Errno::ENOMEM)),
        ("mincore length 0", nr::MINCORE, [at, 0, 0], 0),
        ("msync both", nr::MSYNC, [at, PAGE, 5], err(Errno::EINVAL)),
        ("msync unknown", nr::MSYNC, [at, PAGE, 8], err(Errno::EINVAL)),
        ("msync hole", nr::MSYNC, [hole, PAGE, 4], err(Errno::ENOMEM)),
        ("msync flags 0", nr::MSYNC, [at, PAGE, 0], 0),
        ("mlock hole", nr::MLOCK, [hole, PAGE, 0], err(Errno::ENOMEM)),
        ("mlock unaligned is rounded", nr::MLOCK, [at + 5, 1, 0], 0),
        ("mlock2 flags", nr::MLOCK2, [at, 1, 2], err(Errno::EINVAL)),
        ("mlockall 0", nr::MLOCKALL, [0, 0, 0], err(Errno::EINVAL)),
    ] {
        assert_eq!(b.call(number, &args), expected, "{what}");
    }
    assert_eq!(b.call(nr::MREMAP, &[at, PAGE, PAGE, 8]), err(Errno::EINVAL));
    assert_eq!(b.call(nr::MREMAP, &[at, PAGE, PAGE, 2, at]), err(Errno::EINVAL));
    assert_eq!(b.call(nr::MREMAP, &[hole, PAGE, PAGE, 1]), err(Errno::EFAULT));
    assert_eq!(b.call(nr::MREMAP, &[at, PAGE, 0, 1]), err(Errno::EINVAL));
    let start = b.call(nr::BRK, &[0]);
    assert_eq!(b.call(nr::BRK, &[start as u64 + 5]), start + 5);
    assert_eq!(b.call(nr::BRK, &[8]), start + 5);
    b.kernel.memory().check().expect("every invariant");
}

#[test]
fn an_unknown_call_is_told_once() {
    let mut b = Bench::new();
    for _ in 0..3 {
        assert_eq!(b.call(nr::QUOTACTL, &[]), err(Errno::ENOSYS));
        assert_eq!(b.call(9999, &[]), err(Errno::ENOSYS));
        assert_eq!(b.call(nr::RSEQ, &[]), err(Errno::ENOSYS));
    }
    let notices = b.kernel.take_notices();
    let numbers: Vec<_> = notices
        .iter()
        .map(|notice| match notice {
            Notice::UnknownCall { number, .. } => *number,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, [60, 9999]);
    assert!(notices[0].to_string().contains("system call 60 (quotactl)"));
}

#[test]
fn a_reader_waits_for_its_child_and_reaps_it() {
    let mut b = Bench::new();
    let (read, write) = b.pipe();
    let buffer = b.pages(1);
    let child = Pid::new(b.call(nr::CLONE, &[17]) as u32);
    assert_eq!(b.kernel.find(child).map(|task| task.regs.x(0)), Some(0));
    b.call(nr::CLOSE, &[write]);
    b.call(nr::READ, &[read, buffer, 10]);
    assert_eq!(b.state(b.pid), Some(State::Waiting));
    assert_eq!(b.kernel.next_task(), Some(child));
    // The child's copy of the buffer is its own.
    b.kernel.write_user(child, buffer, b"hello").expect("good memory");
    assert_eq!(b.call_as(child, nr::WRITE, &[write, buffer, 5]), 5);
    b.call_as(child, nr::EXIT_GROUP, &[3]);
    assert_eq!(b.state(child), Some(State::Zombie));
    assert_eq!(b.kernel.next_task(), Some(b.pid));
    assert_eq!(b.kernel.find(b.pid).map(|task| task.regs.x(0)), Some(5));
    assert_eq!(&b.take::<5>(buffer), b"hello");
    assert_eq!(b.call(nr::READ, &[read, buffer, 10]), 0);
    assert_eq!(
        b.call(nr::WAIT4, &[u64::MAX, buffer, 0, 0]),
        i64::from(child.get())
    );
    assert_eq!(u32::from_le_bytes(b.take(buffer)), 3 << 8);
    assert_eq!(b.state(child), None);
    assert_eq!(b.call(nr::WAIT4, &[u64::MAX, 0, 0, 0]), err(Errno::ECHILD));
    b.kernel.memory().check().expect("every invariant");
}

#[test]
fn a_vfork_parent_waits_for_exec_or_exit() {
    let mut b = Bench::new();
    b.call(nr::CLONE, &[0x4111]);
    assert_eq!(b.state(b.pid), Some(State::Waiting));
    let child = b.kernel.next_task().expect("the child");
    assert_ne!(child, b.pid);
    b.call_as(child, nr::EXIT, &[0]);
    assert_eq!(b.kernel.next_task(), Some(b.pid));
    assert_eq!(
        b.kernel.find(b.pid).map(|task| task.regs.x(0)),
        Some(u64::from(child.get()))
    );
    b.kernel.memory().check().expect("every invariant");
}

#[test]
fn a_handler_gets_its_frame_and_returns() {
    let mut b = Bench::new();
    b.handler(Signal::USR1, sa::SIGINFO | sa::RESTORER);
    let (regs, _) = b.kernel.context(b.pid);
    regs.set_x(19, 77);
    regs.v[3] = 5 << 100;
    let (sp, pc) = (regs.sp(), regs.pc + 4);
    assert_eq!(b.call(nr::KILL, &[0, 10]), 10, "x0 of the handler is the signal");
    let regs = b.kernel.find(b.pid).expect("it lives").regs.clone();
    assert_eq!((regs.pc, regs.x(30)), (0x40_0180, 0x40_0190));
    assert_eq!(regs.sp() % 16, 0);
    assert_eq!(
        (regs.x(1), regs.x(2)),
        (regs.sp(), regs.sp() + Frame::UCONTEXT as u64)
    );
    assert!(regs.sp() + Frame::SIZE as u64 <= regs.x(29) && regs.x(29) < sp);
    let info: [u8; SigInfo::SIZE] = b.take(regs.x(1));
    assert_eq!(abi::bytes::get_u32(&info, 0), 10);
    assert_eq!(abi::bytes::get_u32(&info, 16), b.pid.get());
    // The signal is blocked while its handler runs.
    let set = b.pages(1);
    b.kernel.context(b.pid).0.set_sp(regs.sp());
    assert_eq!(b.call(nr::RT_SIGPROCMASK, &[0, 0, set, 8]), 0);
    assert_eq!(u64::from_le_bytes(b.take(set)), 1 << 9);
    b.kernel.context(b.pid).0.set_x(19, 0);
    b.kernel.context(b.pid).0.v[3] = 0;
    b.call(nr::RT_SIGRETURN, &[]);
    let regs = &b.kernel.find(b.pid).expect("it lives").regs;
    assert_eq!((regs.pc, regs.sp(), regs.x(19), regs.x(0)), (pc, sp, 77, 0));
    assert_eq!(regs.v[3], 5 << 100);
}

#[test]
fn a_spoilt_frame_is_sigsegv() {
    let mut b = Bench::new();
    b.call(nr::RT_SIGRETURN, &[]);
    assert_eq!(b.kernel.init_exit(), Some(Exit::Signal(Signal::SEGV)));
}

/// signal(7): read(2) on a pipe is restarted with SA_RESTART, else EINTR; nanosleep never is, and tells what is left.
#[test]
fn handlers_interrupt_waiting_calls() {
    for (flags, restarted) in [(sa::RESTART, true), (0, false)] {
        let mut b = Bench::new();
        b.handler(Signal::USR1, flags | sa::RESTORER);
        let (read, _) = b.pipe();
        let buffer = b.pages(1);
        let pc = b.kernel.context(b.pid).0.pc;
        b.call(nr::READ, &[read, buffer, 10]);
        b.kernel.interrupt(Signal::USR1);
        assert_eq!(b.kernel.next_task(), Some(b.pid));
        assert_eq!(b.kernel.context(b.pid).0.pc, 0x40_0180);
        b.call(nr::RT_SIGRETURN, &[]);
        let regs = b.kernel.context(b.pid).0;
        if restarted {
            assert_eq!((regs.pc, regs.x(0)), (pc, read));
        } else {
            assert_eq!((regs.pc, regs.x(0) as i64), (pc + 4, err(Errno::EINTR)));
        }
    }
    let mut b = Bench::new();
    b.handler(Signal::USR1, sa::RESTART | sa::RESTORER);
    let at = b.pages(1);
    b.put(at, &Timespec::from_ns(5_000_000_000).encode());
    b.call(nr::NANOSLEEP, &[at, at + 64]);
    b.kernel.advance(Clock {
        monotonic_ns: 2_000_000_000,
        realtime_ns: 0,
    });
    b.kernel.interrupt(Signal::USR1);
    assert_eq!(b.kernel.next_task(), Some(b.pid));
    assert_eq!(Timespec::decode(&b.take(at + 64)).to_ns(), Ok(3_000_000_000));
}

#[test]
fn sleep_ends_at_its_deadline() {
    let mut b = Bench::new();
    let at = b.pages(1);
    b.put(at, &Timespec::from_ns(1000).encode());
    b.call(nr::NANOSLEEP, &[at, 0]);
    assert_eq!(b.kernel.next_task(), None);
    assert_eq!(b.kernel.waits().deadline_ns, Some(1000));
    b.kernel.advance(Clock {
        monotonic_ns: 999,
        realtime_ns: 0,
    });
    assert_eq!(b.kernel.next_task(), None);
    b.kernel.advance(Clock {
        monotonic_ns: 1000,
        realtime_ns: 0,
    });
    assert_eq!(b.kernel.next_task(), Some(b.pid));
    assert_eq!(b.kernel.context(b.pid).0.x(0), 0);
}

#[test]
fn a_bad_access_is_reported_in_one_line() {
    let mut b = Bench::new();
    b.fault(Access::Read, 8);
    assert_eq!(b.kernel.init_exit().map(Exit::shell_status), Some(139));
    let deaths = b.kernel.take_deaths();
    let [death] = &deaths[..] else {
        panic!("{deaths:?}")
    };
    let access = Access::Read;
    assert_eq!(death.cause, Cause::Access { access, address: 8 });
    assert!(matches!(death.region, Some(Region::Nothing(Some(_)))));
    let line = death.to_string();
    assert!(
        line.starts_with("t[1]: SIGSEGV (SEGV_MAPERR): read of 0x8 where nothing is mapped"),
        "{line}"
    );
    assert!(
        line.contains("pc 0x400100 in /pagewalk/t") && !line.contains('\n'),
        "{line}"
    );
    assert_eq!(b.kernel.next_task(), None);
}

#[test]
fn ram_that_runs_out_kills_the_task_and_names_it() {
    let mut b = Bench::with_ram(1);
    let at = b.pages(64);
    for page in 0..64 {
        if b.kernel.init_exit().is_some() {
            break;
        }
        b.fault(Access::Write, at + page * PAGE);
    }
    assert_eq!(b.kernel.init_exit(), Some(Exit::Signal(Signal::KILL)));
    let deaths = b.kernel.take_deaths();
    assert!(deaths[0].to_string().contains("out of RAM"), "{}", deaths[0]);
    b.kernel.memory().check().expect("every invariant");
}

#[test]
fn exec_says_why_not() {
    let mut b = Bench::new();
    let at = b.pages(1);
    for (path, expected) in [
        ("/pagewalk/none", Errno::ENOENT),
        ("/pagewalk/x86", Errno::ENOEXEC),
        ("/pagewalk/script", Errno::ENOEXEC),
        ("/pagewalk/orphan", Errno::ENOENT),
        ("/pagewalk/loop", Errno::ELOOP),
        ("/dev/null", Errno::EACCES),
        ("/tmp", Errno::EACCES),
        ("", Errno::ENOENT),
    ] {
        b.put(at, &[path.as_bytes(), b"\0"].concat());
        assert_eq!(b.call(nr::EXECVE, &[at, 0, 0]), err(expected), "{path}");
    }
    let notices = b.kernel.take_notices();
    assert_eq!(
        notices.len(),
        1,
        "only the x86 program is worth a word: {notices:?}"
    );
    assert!(notices[0].to_string().contains("x86-64"));
    b.put(at, b"/pagewalk/t\0");
    b.call(nr::EXECVE, &[at, 0, 0]);
    assert_eq!(b.kernel.context(b.pid).0.pc, 0x40_0100);
    b.kernel.memory().check().expect("every invariant");
}

#[test]
fn a_script_is_its_interpreters_argument() {
    let mut b = Bench::new();
    let at = b.pages(1);
    b.put(at, b"/pagewalk/runs\0zero\0one\0");
    for (n, pointer) in [at + 15, at + 20, 0].into_iter().enumerate() {
        b.put(at + 64 + 8 * n as u64, &pointer.to_le_bytes());
    }
    b.call(nr::EXECVE, &[at, at + 64, 0]);
    let task = b.kernel.find(b.pid).expect("it lives");
    assert_eq!(task.comm, b"runs");
    let image = &task.space().image;
    assert_eq!(image.path, b"/pagewalk/t");
    let (start, end) = image.args;
    let mut args = vec![0; (end - start) as usize];
    b.kernel.read_user(b.pid, start, &mut args).expect("the stack");
    assert_eq!(args, b"/pagewalk/t\0-a b\0/pagewalk/runs\0one\0");
}

#[test]
fn descriptors_are_duplicated_and_closed() {
    let mut b = Bench::new();
    let (read, write) = b.pipe();
    assert_eq!(b.call(nr::DUP3, &[read, 40, 0]), 40);
    assert_eq!(b.call(nr::DUP3, &[read, read, 0]), err(Errno::EINVAL));
    assert_eq!(b.call(nr::DUP, &[99]), err(Errno::EBADF));
    assert_eq!(b.call(nr::FCNTL, &[read, 1030, 50]), 50);
    assert_eq!(b.call(nr::FCNTL, &[50, 1]), 1);
    assert_eq!(b.call(nr::CLOSE_RANGE, &[40, 60, 0]), 0);
    assert_eq!(b.call(nr::CLOSE, &[40]), err(Errno::EBADF));
    let at = b.pages(1);
    assert_eq!(b.call(nr::READ, &[write, at, 1]), err(Errno::EBADF));
    assert_eq!(b.call(nr::WRITE, &[read, at, 1]), err(Errno::EBADF));
    assert_eq!(b.call(nr::LSEEK, &[read, 0, 0]), err(Errno::ESPIPE));
    assert_eq!(b.call(nr::WRITE, &[write, 8, 1]), err(Errno::EFAULT));
}

/// write(2) is seen by a mapping at once, and a partly bad buffer gives the good part (vmcore 2.13, 2.15).
#[test]
fn files_and_their_mappings_are_one() {
    let mut file = tempfile::NamedTempFile::new().expect("a folder for it");
    file.write_all(b"0123456789").expect("room");
    let path = file.path().as_os_str().as_encoded_bytes().to_vec();
    let mut b = Bench::new();
    let at = b.pages(2);
    b.put(at, &[&path[..], b"\0"].concat());
    let fd = b.call(nr::OPENAT, &[-100i64 as u64, at, 2, 0]) as u64;
    let map = b.call(nr::MMAP, &[0, PAGE, RW, 1, fd, 0]) as u64;
    assert_eq!(&b.take::<11>(map), b"0123456789\0");
    b.put(at, b"xy");
    assert_eq!(b.call(nr::PWRITE64, &[fd, at, 2, 3]), 2);
    assert_eq!(&b.take::<10>(map), b"012xy56789");
    b.put(map + 9, b"!");
    assert_eq!(b.call(nr::READ, &[fd, at, 64]), 10);
    assert_eq!(&b.take::<10>(at), b"012xy5678!");
    assert_eq!(b.call(nr::LSEEK, &[fd, 0, 0]), 0);
    let last = at + 2 * PAGE - 4;
    b.call(nr::MUNMAP, &[at + 2 * PAGE, PAGE]);
    assert_eq!(b.call(nr::READ, &[fd, last, 10]), 4);
    assert_eq!(b.call(nr::LSEEK, &[fd, 0, 1]), 4);
    assert_eq!(b.call(nr::FTRUNCATE, &[fd, 0]), 0);
    b.fault(Access::Read, map);
    assert_eq!(b.kernel.init_exit(), Some(Exit::Signal(Signal::BUS)));
    b.kernel.memory().check().expect("every invariant");
}

/// /proc through the descriptors of a program: a text is fresh when read from its start; pagemap has 8 bytes a page,
/// bit 63 for a page that is present (proc_pid_pagemap(5)).
#[test]
fn a_program_reads_its_own_proc() {
    let mut b = Bench::new();
    let at = b.pages(2);
    let buffer = at + PAGE;
    let open = |b: &mut Bench, path: &str| {
        b.put(at, &[path.as_bytes(), b"\0"].concat());
        b.call(nr::OPENAT, &[-100i64 as u64, at, 0, 0])
    };
    let maps = open(&mut b, "/proc/self/maps") as u64;
    let lines = |b: &mut Bench| {
        assert_eq!(b.call(nr::LSEEK, &[maps, 0, 0]), 0);
        let count = b.call(nr::READ, &[maps, buffer, PAGE]) as usize;
        let text = b.take::<16384>(buffer);
        text[..count].iter().filter(|byte| **byte == b'\n').count()
    };
    let before = lines(&mut b);
    assert_eq!(b.call(nr::MMAP, &[0x2000_0000, PAGE, 1, 0x32, 0, 0]), 0x2000_0000);
    assert_eq!(lines(&mut b), before + 1);
    let pagemap = open(&mut b, "/proc/self/pagemap") as u64;
    assert_eq!(b.call(nr::PREAD64, &[pagemap, buffer, 16, at / PAGE * 8]), 16);
    assert_eq!(u64::from_le_bytes(b.take(buffer)) >> 63, 1);
    assert_eq!(open(&mut b, "/proc/self/nothing"), err(Errno::ENOENT));
    assert_eq!(open(&mut b, "/proc/99"), err(Errno::ENOENT));
}
