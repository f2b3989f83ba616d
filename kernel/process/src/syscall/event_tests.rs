//! epoll, eventfd, timerfd and signalfd, without a processor. Expected answers are those of Linux (epoll(7) and the guest
//! `events`, whose record is a real kernel's).

use abi::event::{
    EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLET, EPOLLONESHOT, EpollEvent, TFD_TIMER_ABSTIME,
    TimerSpec,
};
use abi::signal::{SIG_BLOCK, SigSet, Signal};
use abi::{Errno, nr};

use super::tests::{Bench, err};
use crate::{Clock, State};

const IN: u32 = 1;
const OUT: u32 = 4;
const NONBLOCK: u64 = 0o4000;

impl Bench {
    /// A stream of the host under a number.
    fn adopt(&mut self, fd: u32, stream: std::os::unix::net::UnixStream) {
        let file = self
            .kernel
            .adopt_host(stream.into(), abi::flags::OpenFlags::RDWR)
            .expect("a stream");
        let slot = crate::file::Slot {
            file,
            close_on_exec: false,
        };
        let files = &self.kernel.task(self.pid).files;
        assert!(files.borrow_mut().put(fd, slot).is_ok());
    }

    fn add(&mut self, set: u64, fd: u64, events: u32, data: u64, how: u64) -> i64 {
        let at = self.pages(1);
        self.put(at, &EpollEvent { events, data }.encode());
        self.call(nr::EPOLL_CTL, &[set, how, fd, at])
    }

    /// What a set tells without waiting.
    fn told(&mut self, set: u64) -> Vec<(u32, u64)> {
        let at = self.pages(1);
        let count = self.call(nr::EPOLL_PWAIT, &[set, at, 16, 0, 0, 8]);
        assert!(count >= 0, "{count}");
        let event = |bench: &mut Self, n| EpollEvent::decode(&bench.take(at + 16 * n));
        (0..count as u64)
            .map(|n| event(self, n))
            .map(|e| (e.events, e.data))
            .collect()
    }

    fn bump(&mut self, fd: u64) {
        let at = self.pages(1);
        self.put(at, &1u64.to_le_bytes());
        assert_eq!(self.call(nr::WRITE, &[fd, at, 8]), 8);
    }

    fn at_time(&mut self, ns: u64) {
        self.clock = Clock {
            monotonic_ns: ns,
            realtime_ns: ns + 1_000_000,
        };
        self.kernel.advance(self.clock);
    }
}

#[test]
fn level_edge_and_oneshot_differ() {
    let mut b = Bench::new();
    let counter = b.call(nr::EVENTFD2, &[0, NONBLOCK]) as u64;
    let sets: Vec<u64> = (0..3).map(|_| b.call(nr::EPOLL_CREATE1, &[0]) as u64).collect();
    for (set, events) in sets.iter().zip([IN, IN | EPOLLET, IN | EPOLLONESHOT]) {
        assert_eq!(b.add(*set, counter, events, 7, EPOLL_CTL_ADD), 0);
        assert_eq!(b.add(*set, counter, events, 7, EPOLL_CTL_ADD), err(Errno::EEXIST));
        assert_eq!(b.told(*set), []);
    }
    b.bump(counter);
    for (set, second) in sets.iter().zip([vec![(IN, 7)], vec![], vec![]]) {
        assert_eq!(b.told(*set), [(IN, 7)]);
        assert_eq!(b.told(*set), second);
    }
    // Another write is another edge, and nothing to the one that has told its one time.
    b.bump(counter);
    assert_eq!(b.told(sets[1]), [(IN, 7)]);
    assert_eq!(b.told(sets[2]), []);
    assert_eq!(b.add(sets[2], counter, IN | OUT, 9, EPOLL_CTL_MOD), 0);
    assert_eq!(b.told(sets[2]), [(IN | OUT, 9)]);
    assert_eq!(b.add(sets[2], counter, 0, 0, EPOLL_CTL_DEL), 0);
    assert_eq!(b.add(sets[2], counter, 0, 0, EPOLL_CTL_DEL), err(Errno::ENOENT));
    // The last close takes the counter out of the sets.
    assert_eq!(b.call(nr::CLOSE, &[counter]), 0);
    assert_eq!(b.told(sets[0]), []);
}

#[test]
fn sets_lie_in_sets_but_in_no_ring() {
    let mut b = Bench::new();
    let counter = b.call(nr::EVENTFD2, &[0, 0]) as u64;
    let inner = b.call(nr::EPOLL_CREATE1, &[0]) as u64;
    let outer = b.call(nr::EPOLL_CREATE1, &[0]) as u64;
    assert_eq!(b.add(inner, counter, IN, 1, EPOLL_CTL_ADD), 0);
    assert_eq!(b.add(outer, inner, IN, 2, EPOLL_CTL_ADD), 0);
    assert_eq!(b.add(inner, outer, IN, 3, EPOLL_CTL_ADD), err(Errno::ELOOP));
    assert_eq!(b.add(inner, inner, IN, 3, EPOLL_CTL_ADD), err(Errno::EINVAL));
    assert_eq!(b.told(outer), []);
    b.bump(counter);
    assert_eq!(b.told(outer), [(IN, 2)]);
    assert_eq!(b.told(inner), [(IN, 1)]);
}

#[test]
fn a_wait_ends_with_the_timer_in_the_set() {
    let mut b = Bench::new();
    let timer = b.call(nr::TIMERFD_CREATE, &[1, 0]) as u64;
    let set = b.call(nr::EPOLL_CREATE1, &[0]) as u64;
    let at = b.pages(1);
    let spec = TimerSpec {
        every: 30,
        value: 100,
    };
    b.put(at, &spec.encode());
    assert_eq!(b.call(nr::TIMERFD_SETTIME, &[timer, 0, at, 0]), 0);
    assert_eq!(b.add(set, timer, IN | EPOLLET, 4, EPOLL_CTL_ADD), 0);
    b.call(nr::EPOLL_PWAIT, &[set, at, 1, u64::MAX, 0, 8]);
    assert_eq!(b.state(b.pid), Some(State::Waiting));
    assert_eq!(b.kernel.waits().deadline_ns, Some(100));
    b.at_time(165);
    assert_eq!(b.kernel.next_task(), Some(b.pid));
    assert_eq!(
        EpollEvent::decode(&b.take(at)),
        EpollEvent { events: IN, data: 4 }
    );
    // An edge that was told: the next wait is for the next expiry, not for the one that passed.
    b.call(nr::EPOLL_PWAIT, &[set, at, 1, u64::MAX, 0, 8]);
    assert_eq!(b.kernel.waits().deadline_ns, Some(190));
    b.at_time(190);
    assert_eq!(b.kernel.next_task(), Some(b.pid));
    assert_eq!(b.call(nr::READ, &[timer, at, 8]), 8);
    assert_eq!(u64::from_le_bytes(b.take(at)), 4);
    assert_eq!(b.call(nr::TIMERFD_GETTIME, &[timer, at]), 0);
    assert_eq!(
        TimerSpec::decode(&b.take(at)),
        Ok(TimerSpec { every: 30, value: 30 })
    );
}

#[test]
fn an_absolute_time_that_is_past_has_come() {
    let mut b = Bench::new();
    b.at_time(1000);
    let timer = b.call(nr::TIMERFD_CREATE, &[0, NONBLOCK]) as u64;
    let at = b.pages(1);
    b.put(at, &TimerSpec { every: 0, value: 5 }.encode());
    assert_eq!(b.call(nr::TIMERFD_SETTIME, &[timer, TFD_TIMER_ABSTIME, at, 0]), 0);
    assert_eq!(b.call(nr::READ, &[timer, at, 7]), err(Errno::EINVAL));
    assert_eq!(b.call(nr::READ, &[timer, at, 8]), 8);
    assert_eq!(b.call(nr::READ, &[timer, at, 8]), err(Errno::EAGAIN));
}

#[test]
fn a_blocked_signal_is_read_with_its_story() {
    let mut b = Bench::new();
    let at = b.pages(1);
    let set = SigSet::of(Signal::USR1);
    b.put(at, &set.0.to_le_bytes());
    assert_eq!(b.call(nr::RT_SIGPROCMASK, &[SIG_BLOCK, at, 0, 8]), 0);
    let fd = b.call(nr::SIGNALFD4, &[u64::MAX, at, 8, NONBLOCK]) as u64;
    assert_eq!(b.call(nr::READ, &[fd, at, 128]), err(Errno::EAGAIN));
    let me = u64::from(b.pid.get());
    assert_eq!(b.call(nr::KILL, &[me, 10]), 0);
    assert_eq!(b.call(nr::READ, &[fd, at, 127]), err(Errno::EINVAL));
    assert_eq!(b.call(nr::READ, &[fd, at, 1024]), 128);
    let bytes: [u8; 128] = b.take(at);
    assert_eq!(bytes[0], 10);
    assert_eq!(bytes[12..16], b.pid.get().to_le_bytes());
    assert_eq!(b.call(nr::READ, &[fd, at, 128]), err(Errno::EAGAIN));
}

#[test]
fn a_counter_waits_for_its_writer() {
    let mut b = Bench::new();
    let counter = b.call(nr::EVENTFD2, &[0, 0]) as u64;
    let child = b.call(nr::CLONE, &[17]);
    let child = crate::Pid::new(child as u32);
    let at = b.pages(1);
    b.call(nr::READ, &[counter, at, 8]);
    assert_eq!(b.state(b.pid), Some(State::Waiting));
    assert_eq!(b.kernel.next_task(), Some(child));
    let page = b.call_as(child, nr::MMAP, &[0, 16384, 3, 0x22, u64::MAX, 0]) as u64;
    b.kernel
        .write_user(child, page, &5u64.to_le_bytes())
        .expect("memory");
    assert_eq!(b.call_as(child, nr::WRITE, &[counter, page, 8]), 8);
    b.call_as(child, nr::EXIT, &[0]);
    assert_eq!(b.kernel.next_task(), Some(b.pid));
    assert_eq!(u64::from_le_bytes(b.take(at)), 5);
}

#[test]
fn pselect_does_not_spin_on_a_hang_up() {
    let mut b = Bench::new();
    let at = b.pages(1);
    // A stream of the host whose other end is gone: it reports HUP whatever is asked.
    let (read, write) = rustix::pipe::pipe().expect("a pipe");
    drop(write);
    let file = b
        .kernel
        .adopt_host(read, abi::flags::OpenFlags::empty())
        .expect("a file");
    let slot = crate::file::Slot {
        file,
        close_on_exec: false,
    };
    let put = b.kernel.task(b.pid).files.borrow_mut().put(9, slot);
    assert!(put.is_ok());
    b.put(at, &(1u64 << 9).to_le_bytes());
    b.call(nr::PSELECT6, &[10, 0, 0, at, 0, 0]);
    assert_eq!(b.state(b.pid), Some(State::Waiting));
    assert!(b.kernel.waits().hosts.is_empty());
    // To be read, it is ready: the end.
    b.put(at, &(1u64 << 9).to_le_bytes());
    assert_eq!(b.call(nr::PSELECT6, &[10, at, 0, 0, 0, 0]), 1);
}

#[test]
fn the_host_tells_the_edges_of_its_files() {
    let mut b = Bench::new();
    let (read, write) = rustix::pipe::pipe().expect("a pipe");
    let file = b
        .kernel
        .adopt_host(read, abi::flags::OpenFlags::empty())
        .expect("a file");
    let slot = crate::file::Slot {
        file,
        close_on_exec: false,
    };
    let put = b.kernel.task(b.pid).files.borrow_mut().put(9, slot);
    assert!(put.is_ok());
    let other = b.call(nr::DUP, &[9]) as u64;
    let set = b.call(nr::EPOLL_CREATE1, &[0]) as u64;
    assert_eq!(b.add(set, 9, IN | EPOLLET, 1, EPOLL_CTL_ADD), 0);
    assert_eq!(b.add(set, other, IN, 2, EPOLL_CTL_ADD), 0);
    assert_eq!(b.told(set), []);
    rustix::io::write(&write, b"x").expect("room");
    let mut told = b.told(set);
    told.sort_unstable();
    assert_eq!(told, [(IN, 1), (IN, 2)]);
    assert_eq!(b.told(set), [(IN, 2)]);
    rustix::io::write(&write, b"y").expect("room");
    assert_eq!(b.told(set).len(), 2);
    assert_eq!(b.call(nr::CLOSE, &[9]), 0);
    assert_eq!(b.call(nr::CLOSE, &[other]), 0);
    assert_eq!(b.told(set), []);
}

/// Two tasks and one file: what one has locked, the other waits for.
#[test]
fn locks_part_tasks() {
    let mut b = Bench::new();
    let at = b.pages(1);
    b.put(at, b"locked\0");
    let fd = b.call(nr::MEMFD_CREATE, &[at, 0]) as u64;
    let child = crate::Pid::new(b.call(nr::CLONE, &[17]) as u32);
    let lock = abi::bytes::Layout::<32>::default().u16(0, 1).u64(16, 10).finish();
    b.put(at, &lock);
    b.kernel.write_user(child, at, &lock).expect("memory");
    assert_eq!(b.call(nr::FCNTL, &[fd, 6, at]), 0);
    assert_eq!(b.call_as(child, nr::FCNTL, &[fd, 6, at]), err(Errno::EAGAIN));
    assert_eq!(b.call_as(child, nr::FCNTL, &[fd, 5, at]), 0);
    let mut told = [0; 32];
    b.kernel.read_user(child, at, &mut told).expect("memory");
    assert_eq!(told[24..28], b.pid.get().to_le_bytes());
    b.kernel.write_user(child, at, &lock).expect("memory");
    b.call_as(child, nr::FCNTL, &[fd, 7, at]);
    assert_eq!(b.state(child), Some(State::Waiting));
    // The description is the child's too: flock does not part them, and the close frees the record lock.
    assert_eq!(b.call(nr::FLOCK, &[fd, 2]), 0);
    assert_eq!(b.call(nr::CLOSE, &[fd]), 0);
    assert_eq!(b.kernel.next_task(), Some(b.pid));
    b.call(nr::SCHED_YIELD, &[]);
    assert_eq!(b.kernel.next_task(), Some(child));
    assert_eq!(b.kernel.task(child).regs.x(0), 0);
    assert_eq!(b.call_as(child, nr::FLOCK, &[fd, 6]), 0);
}

/// Sets in sets in sets, each with the next one under many numbers: asking goes to each set once, not on every way.
#[test]
fn many_ways_to_one_set_are_one() {
    let mut b = Bench::new();
    let counter = b.call(nr::EVENTFD2, &[0, 0]) as u64;
    let mut inner = counter;
    let mut sets = Vec::new();
    for _ in 0..4 {
        let set = b.call(nr::EPOLL_CREATE1, &[0]) as u64;
        assert_eq!(b.add(set, inner, IN, 1, EPOLL_CTL_ADD), 0);
        for _ in 0..100 {
            let number = b.call(nr::DUP, &[inner]) as u64;
            assert_eq!(b.add(set, number, IN, 1, EPOLL_CTL_ADD), 0);
        }
        sets.push(set);
        inner = set;
    }
    let began = std::time::Instant::now();
    assert_eq!(b.told(inner), []);
    b.bump(counter);
    assert_eq!(b.told(inner).len(), 16);
    // 10^8 looks would take minutes.
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

/// A file of the host under a second number has a second descriptor of the host: it goes with the item.
#[test]
fn a_set_gives_back_what_it_opened() {
    let (read, _write) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let mut b = Bench::new();
    b.adopt(9, read);
    let set = b.call(nr::EPOLL_CREATE1, &[0]) as u64;
    assert_eq!(b.add(set, 9, IN, 1, EPOLL_CTL_ADD), 0);
    let second = b.call(nr::DUP, &[9]) as u64;
    let open = || {
        std::fs::read_dir("/proc/self/fd")
            .expect("a host with /proc")
            .count()
    };
    let before = open();
    for _ in 0..200 {
        assert_eq!(b.add(set, second, IN, 2, EPOLL_CTL_ADD), 0);
        assert_eq!(b.add(set, second, 0, 0, EPOLL_CTL_DEL), 0);
    }
    // Other tests run beside this one and have descriptors of their own.
    assert!(open() < before + 150, "{before} and then {}", open());
}

/// A file that is always ready does not keep a set from telling of others, one event at a time.
#[test]
fn one_event_at_a_time_is_told_in_turn() {
    let mut b = Bench::new();
    let (read, write) = std::os::unix::net::UnixStream::pair().expect("a pair");
    drop(write);
    b.adopt(9, read);
    let set = b.call(nr::EPOLL_CREATE1, &[0]) as u64;
    let counter = b.call(nr::EVENTFD2, &[1, 0]) as u64;
    assert_eq!(b.add(set, 9, IN, 1, EPOLL_CTL_ADD), 0);
    assert_eq!(b.add(set, counter, IN, 2, EPOLL_CTL_ADD), 0);
    let at = b.pages(1);
    let mut told = Vec::new();
    for _ in 0..4 {
        assert_eq!(b.call(nr::EPOLL_PWAIT, &[set, at, 1, 0, 0, 8]), 1);
        told.push(EpollEvent::decode(&b.take(at)).data);
    }
    assert_eq!(told, [1, 2, 1, 2]);
}

/// epoll_ctl(2): ENOSPC beyond `max_user_watches`.
#[test]
fn sets_hold_so_many_files_together() {
    use crate::file::epoll::{Epoll, MOST_WATCHES, Watches};
    use crate::file::{Device, File, Kind};
    let all = Watches::default();
    let file = File::new(
        Kind::Device(Device::Null),
        abi::flags::OpenFlags::RDWR,
        Vec::new(),
    );
    let asked = EpollEvent { events: IN, data: 0 };
    // One each: a set looks through its own for a number that it has.
    let sets: Vec<Epoll> = (0..MOST_WATCHES).map(|_| Epoll::counted_by(&all)).collect();
    for set in &sets {
        assert_eq!(set.add(1, &file, None, asked), Ok(()));
    }
    let one_more = Epoll::counted_by(&all);
    assert_eq!(one_more.add(1, &file, None, asked), Err(Errno::ENOSPC));
    assert_eq!(sets[0].remove(1, &file), Ok(()));
    assert_eq!(one_more.add(1, &file, None, asked), Ok(()));
}
