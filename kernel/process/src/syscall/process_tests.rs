//! Descriptors of processes, timers that send signals, users and groups, without a processor. Expected answers are those of the
//! manual pages and of Linux 6.18, where the same calls were made by a program.

use abi::event::TimerSpec;
use abi::flags::{CloneFlags, WaitFlags};
use abi::process::{RLIMIT_CPU, Rlimit};
use abi::signal::{SIG_BLOCK, SigSet, Signal, code};
use abi::time::encode_timeval;
use abi::{Errno, nr};
use arch::Trap;

use super::tests::{Bench, err};
use crate::{Clock, Exit, Pid, State};

const SECOND: u64 = 1_000_000_000;
const POLLIN: u16 = 1;

impl Bench {
    /// The task's turn ends at this time.
    fn go_to(&mut self, ns: u64) {
        self.clock = Clock {
            monotonic_ns: ns,
            realtime_ns: ns + 1_000_000,
        };
        self.kernel.handle(self.pid, Trap::Budget, self.clock);
    }

    fn block(&mut self, signals: &[Signal]) {
        let set = signals
            .iter()
            .fold(SigSet::default(), |set, signal| set.union(SigSet::of(*signal)));
        let at = self.pages(1);
        self.put(at, &set.0.to_le_bytes());
        assert_eq!(self.call(nr::RT_SIGPROCMASK, &[SIG_BLOCK, at, 0, 8]), 0);
    }

    fn fork(&mut self) -> Pid {
        let child = self.call(nr::CLONE, &[17]);
        Pid::new(u32::try_from(child).expect("a child"))
    }

    /// What `poll(2)` says of a descriptor without waiting.
    fn poll(&mut self, fd: u64) -> u16 {
        let at = self.pages(1);
        self.put(
            at,
            &[(fd as u32).to_le_bytes(), u32::from(POLLIN).to_le_bytes()].concat(),
        );
        self.put(at + 64, &[0; 16]);
        assert!(self.call(nr::PPOLL, &[at, 1, at + 64, 0, 8]) >= 0);
        u16::from_le_bytes(self.take(at + 6))
    }

    /// The next pending signal of a set: its code, and the three words behind.
    fn taken(&mut self, signal: Signal) -> Option<(i32, u32, u32, u64)> {
        let at = self.pages(1);
        self.put(at, &SigSet::of(signal).0.to_le_bytes());
        self.put(at + 8, &[0; 16]);
        match self.call(nr::RT_SIGTIMEDWAIT, &[at, at + 64, at + 8, 8]) {
            number if number == i64::from(signal.get()) => Some((
                i32::from_le_bytes(self.take(at + 64 + 8)),
                u32::from_le_bytes(self.take(at + 64 + 16)),
                u32::from_le_bytes(self.take(at + 64 + 20)),
                u64::from_le_bytes(self.take(at + 64 + 24)),
            )),
            answer => {
                assert_eq!(answer, err(Errno::EAGAIN));
                None
            }
        }
    }
}

#[test]
fn a_descriptor_of_a_process_tells_of_its_end() {
    let mut b = Bench::new();
    b.block(&[Signal::USR1, Signal::CHLD]);
    let child = b.fork();
    let number = u64::from(child.get());
    let fd = b.call(nr::PIDFD_OPEN, &[number, 0]);
    assert!(fd >= 3, "{fd}");
    let fd = fd as u64;
    assert_eq!(b.call(nr::PIDFD_OPEN, &[number, 1]), err(Errno::EINVAL));
    assert_eq!(b.call(nr::PIDFD_OPEN, &[99_999, 0]), err(Errno::ESRCH));
    assert_eq!(b.call(nr::PIDFD_SEND_SIGNAL, &[0, 10, 0, 0]), err(Errno::EBADF));
    assert_eq!(b.poll(fd), 0);
    // The child inherited the mask: the signal stays.
    assert_eq!(b.call(nr::PIDFD_SEND_SIGNAL, &[fd, 10, 0, 0]), 0);
    let pending = b.kernel.find(child).expect("it lives").signal_sets()[1];
    assert!(pending.contains(Signal::USR1));
    b.call_as(child, nr::EXIT_GROUP, &[7]);
    assert_eq!(b.poll(fd), POLLIN);
    let at = b.pages(1);
    let flags = u64::from((WaitFlags::EXITED | WaitFlags::NOHANG).bits());
    assert_eq!(b.call(nr::WAITID, &[3, fd, at, flags, 0]), 0);
    assert_eq!(u32::from_le_bytes(b.take(at + 16)), child.get());
    assert_eq!(u32::from_le_bytes(b.take(at + 24)), 7);
    // It is gone: its number may be anybody's.
    assert_eq!(b.call(nr::PIDFD_SEND_SIGNAL, &[fd, 10, 0, 0]), err(Errno::ESRCH));
    assert_eq!(b.call(nr::WAITID, &[3, fd, at, flags, 0]), err(Errno::ECHILD));
    assert_eq!(b.poll(fd), POLLIN | 0x10);
}

#[test]
fn clone_gives_the_descriptor_of_its_child() {
    let mut b = Bench::new();
    let at = b.pages(1);
    let flags = CloneFlags::PIDFD.bits() | 17;
    let child = b.call(nr::CLONE, &[flags, 0, at]);
    assert!(child > 0, "{child}");
    let fd = u32::from_le_bytes(b.take(at));
    assert_eq!(b.call(nr::FCNTL, &[fd.into(), 1]), 1, "closed on exec");
    assert_eq!(b.poll(fd.into()), 0);
    // Nowhere to tell of it: there is no child either.
    let tasks = b.kernel.tasks().count();
    assert_eq!(b.call(nr::CLONE, &[flags, 0, 8]), err(Errno::EFAULT));
    assert_eq!(b.kernel.tasks().count(), tasks);
    assert_eq!(b.call(nr::DUP, &[0]), i64::from(fd) + 1, "nor a descriptor");
    let both = flags | CloneFlags::PARENT_SETTID.bits();
    assert_eq!(b.call(nr::CLONE, &[both, 0, at]), err(Errno::EINVAL));
}

#[test]
fn posix_timers_count_what_nobody_took() {
    let mut b = Bench::new();
    b.block(&[Signal::USR1]);
    let at = b.pages(1);
    // SIGEV_SIGNAL, SIGUSR1, value 0x1234.
    let event = [&0x1234u64.to_le_bytes()[..], &10u32.to_le_bytes(), &[0; 52]].concat();
    b.put(at, &event);
    assert_eq!(b.call(nr::TIMER_CREATE, &[1, at, at + 64]), 0);
    let id = u32::from_le_bytes(b.take(at + 64));
    let spec = TimerSpec {
        every: SECOND,
        value: 2 * SECOND,
    };
    b.put(at + 128, &spec.encode());
    assert_eq!(b.call(nr::TIMER_SETTIME, &[id.into(), 0, at + 128, 0]), 0);
    b.go_to(SECOND);
    assert_eq!(b.taken(Signal::USR1), None);
    b.go_to(2 * SECOND);
    assert_eq!(b.taken(Signal::USR1), Some((code::SI_TIMER, id, 0, 0x1234)));
    b.go_to(3 * SECOND);
    b.go_to(5 * SECOND + 1);
    assert_eq!(b.call(nr::TIMER_GETOVERRUN, &[id.into()]), 2);
    assert_eq!(b.taken(Signal::USR1), Some((code::SI_TIMER, id, 2, 0x1234)));
    assert_eq!(b.call(nr::TIMER_GETTIME, &[id.into(), at + 128]), 0);
    let left = TimerSpec::decode(&b.take(at + 128)).expect("a time");
    assert_eq!((left.every, left.value), (SECOND, SECOND - 1));
    assert_eq!(b.kernel.waits().deadline_ns, Some(6 * SECOND));
    assert_eq!(b.call(nr::TIMER_DELETE, &[id.into()]), 0);
    assert_eq!(b.call(nr::TIMER_DELETE, &[id.into()]), err(Errno::EINVAL));
    assert_eq!(b.kernel.waits().deadline_ns, None);
    assert_eq!(b.call(nr::TIMER_CREATE, &[99, 0, at]), err(Errno::EINVAL));
}

#[test]
fn processor_time_has_timers_and_a_limit() {
    let mut b = Bench::new();
    b.block(&[Signal::VTALRM, Signal::PROF, Signal::XCPU]);
    let at = b.pages(1);
    let set = |b: &mut Bench, which: u64, first: u64| {
        b.put(at, &[encode_timeval(0), encode_timeval(first)].concat());
        assert_eq!(b.call(nr::SETITIMER, &[which, at, 0]), 0);
    };
    set(&mut b, 1, SECOND);
    set(&mut b, 2, 3 * SECOND);
    b.kernel.account(b.pid, SECOND, SECOND);
    b.go_to(1);
    assert!(b.taken(Signal::VTALRM).is_some() && b.taken(Signal::PROF).is_none());
    b.kernel.account(b.pid, 0, SECOND);
    b.go_to(2);
    assert!(b.taken(Signal::PROF).is_some());
    assert_eq!(b.call(nr::SETITIMER, &[3, at, 0]), err(Errno::EINVAL));
    let limit = Rlimit {
        current: 4,
        maximum: 6,
    };
    b.put(at, &limit.encode());
    assert_eq!(b.call(nr::PRLIMIT64, &[0, RLIMIT_CPU as u64, at, 0]), 0);
    b.go_to(3);
    assert!(b.taken(Signal::XCPU).is_none());
    b.kernel.account(b.pid, SECOND, 0);
    b.go_to(4);
    assert!(b.taken(Signal::XCPU).is_some());
    b.go_to(5);
    assert!(b.taken(Signal::XCPU).is_none(), "once a second");
    b.kernel.account(b.pid, 2 * SECOND, 0);
    b.go_to(6);
    assert_eq!(b.kernel.init_exit(), Some(Exit::Signal(Signal::KILL)));
}

#[test]
fn root_becomes_somebody_else_and_not_back() {
    let mut b = Bench::new();
    if !rustix::process::geteuid().is_root() {
        assert_eq!(b.call(nr::SETUID, &[0]), err(Errno::EPERM));
        println!("only that a user may not was checked: this needs root");
        return;
    }
    b.block(&[Signal::TERM]);
    let child = b.fork();
    let at = b.pages(1);
    b.put(at, &[5u32.to_le_bytes(), 4u32.to_le_bytes()].concat());
    assert_eq!(b.call(nr::SETGROUPS, &[2, at]), 0);
    assert_eq!(b.call(nr::GETGROUPS, &[2, at]), 2);
    assert_eq!(u32::from_le_bytes(b.take(at)), 4, "in order");
    assert_eq!(b.call(nr::SETRESGID, &[7, 7, 7]), 0);
    assert_eq!(b.call(nr::SETREUID, &[1000, 1001]), 0);
    assert_eq!(b.call(nr::GETRESUID, &[at, at + 4, at + 8]), 0);
    assert_eq!(u64::from_le_bytes(b.take(at + 4)), 1001 << 32 | 1001);
    assert_eq!(b.call(nr::SETUID, &[0]), err(Errno::EPERM));
    assert_eq!(b.call(nr::SETGROUPS, &[0, 0]), err(Errno::EPERM));
    assert_eq!(b.call(nr::SETFSUID, &[1000]), 1001);
    assert_eq!(b.call(nr::SETFSUID, &[0]), 1000);
    // Its parent's other child is still root's.
    assert_eq!(b.call(nr::KILL, &[child.get().into(), 15]), err(Errno::EPERM));
    assert_eq!(b.call_as(child, nr::KILL, &[b.pid.get().into(), 15]), 0);
    assert_eq!(b.kernel.find(child).map(|task| task.state), Some(State::Runnable));
}

#[test]
fn interfaces_have_names_and_numbers() {
    const GET_NAME: u64 = 0x8910;
    const GET_INDEX: u64 = 0x8933;
    let mut b = Bench::new();
    let socket = b.call(nr::SOCKET, &[1, 2, 0]) as u64;
    let at = b.pages(1);
    b.put(at, b"no-such-one\0");
    assert_eq!(b.call(nr::IOCTL, &[socket, GET_INDEX, at]), err(Errno::ENODEV));
    b.put(at, b"lo\0");
    match b.call(nr::IOCTL, &[socket, GET_INDEX, at]) {
        0 => {
            b.put(at, &[7; 16]);
            assert_eq!(b.call(nr::IOCTL, &[socket, GET_NAME, at]), 0);
            assert_eq!(&b.take::<4>(at), b"lo\0\0");
        }
        answer => {
            assert_eq!(answer, err(Errno::ENODEV));
            println!("only errors were checked: this host has no interface lo");
        }
    }
    assert_eq!(b.call(nr::IOCTL, &[0, GET_INDEX, at]), err(Errno::ENOTTY));
}

/// capget(2), capset(2), as a program was answered by Linux 6.18.
#[test]
fn capabilities_can_be_given_up_and_not_taken_back() {
    const V3: u32 = 0x2008_0522;
    let mut b = Bench::new();
    let become_user = |b: &mut Bench, id: u32| {
        let creds = &mut b.kernel.task_mut(b.pid).creds;
        (creds.uid, creds.euid, creds.suid) = (id, id, id);
    };
    become_user(&mut b, 0);
    let at = b.pages(1);
    let data = at + 64;
    let header = |b: &mut Bench, version: u32, pid: i32| {
        b.put(at, &version.to_le_bytes());
        b.put(at + 4, &pid.to_le_bytes());
    };
    let sets = |b: &mut Bench| -> [u32; 6] {
        header(b, V3, 0);
        assert_eq!(b.call(nr::CAPGET, &[at, data]), 0);
        core::array::from_fn(|word| u32::from_le_bytes(b.take(data + 4 * word as u64)))
    };
    let set = |b: &mut Bench, words: [u32; 6]| {
        for (word, value) in words.into_iter().enumerate() {
            b.put(data + 4 * word as u64, &value.to_le_bytes());
        }
        header(b, V3, 0);
        b.call(nr::CAPSET, &[at, data])
    };
    let all = [u32::MAX, u32::MAX, 0, 0x1ff, 0x1ff, 0];
    assert_eq!(sets(&mut b), all);
    for (version, pid, to, answer) in [
        (V3, 999_999, data, err(Errno::ESRCH)),
        (V3, -1, data, err(Errno::EINVAL)),
        (0x1234, 0, data, err(Errno::EINVAL)),
        (0x1234, 0, 0, 0),
        (V3, 999_999, 0, 0),
    ] {
        header(&mut b, version, pid);
        assert_eq!(b.call(nr::CAPGET, &[at, to]), answer, "{version:x} {pid} {to:x}");
        assert_eq!(
            u32::from_le_bytes(b.take(at)),
            V3,
            "it says which version it likes"
        );
    }
    assert_eq!(b.call(nr::CAPGET, &[0, data]), err(Errno::EFAULT));
    header(&mut b, V3, 999_999);
    assert_eq!(
        b.call(nr::CAPSET, &[at, data]),
        err(Errno::EPERM),
        "somebody else"
    );
    assert_eq!(set(&mut b, [all[0] - 1, all[1], 0, 0x1ff, 0x1ff, 0]), 0);
    assert_eq!(
        set(&mut b, [all[0] - 1, all[1] - 2, 0, 0x1ff, 0x1ff, 0]),
        err(Errno::EPERM)
    );
    assert_eq!(set(&mut b, [all[0] - 3, all[1] - 2, 5, 0x1ff, 0x1ff, 0]), 0);
    assert_eq!(set(&mut b, all), err(Errno::EPERM), "it is gone");
    assert_eq!(sets(&mut b), [all[0] - 3, all[1] - 2, 5, 0x1ff, 0x1ff, 0]);
    become_user(&mut b, 1000);
    assert_eq!(
        sets(&mut b),
        [0, 0, 5, 0, 0, 0],
        "of another user's only what is inheritable is left"
    );
    assert_eq!(set(&mut b, [0; 6]), 0);
    assert_eq!(set(&mut b, [0, 1, 0, 0, 0, 0]), err(Errno::EPERM));
}
