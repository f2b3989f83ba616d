//! Descriptors that tell of events: `epoll_create1(2)` and its kin, `eventfd2`, `timerfd_create`, `signalfd4`.

use std::cell::Cell;
use std::rc::Rc;

use abi::Errno;
use abi::event::{
    EFD_SEMAPHORE, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT,
    EPOLLWAKEUP, EpollEvent, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET, TimerSpec,
};
use abi::flags::{OpenFlags, PollEvents};
use abi::nr;
use abi::signal::{SIGSET_SIZE, SigSet};
use abi::time::{CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME};

use super::{Answer, Call, Handler, Stop};
use crate::file::epoll::Epoll;
use crate::file::eventfd::Counter;
use crate::file::special::{MOST_NESTED, Special};
use crate::file::timerfd::Timer;
use crate::file::{File, Kind};
use crate::kernel::Kernel;
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::EVENTFD2, eventfd2),
    (nr::TIMERFD_CREATE, timerfd_create),
    (nr::TIMERFD_SETTIME, timerfd_settime),
    (nr::TIMERFD_GETTIME, timerfd_gettime),
    (nr::SIGNALFD4, signalfd4),
    (nr::EPOLL_CREATE1, epoll_create1),
    (nr::EPOLL_CTL, epoll_ctl),
    (nr::EPOLL_PWAIT, epoll_pwait),
    (nr::EPOLL_PWAIT2, epoll_pwait2),
];

impl Call<'_> {
    /// Opens a descriptor for a special file; of the flags, only `O_CLOEXEC` and `O_NONBLOCK` may be set.
    fn add_special(&mut self, special: Special, flags: u32, name: &str) -> Answer {
        let flags = OpenFlags::from_bits_retain(flags);
        if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
            return Err(Errno::EINVAL.into());
        }
        let status = OpenFlags::RDWR | flags & OpenFlags::NONBLOCK;
        let path = format!("anon_inode:{name}").into_bytes();
        let file = File::new(Kind::Special(special), status, path);
        self.add_file(file, flags.contains(OpenFlags::CLOEXEC), 0)
    }
}

fn eventfd2(call: &mut Call<'_>) -> Answer {
    let (first, flags) = (call.args[0] as u32, call.args[1] as u32);
    let counter = Counter::new(first.into(), flags & EFD_SEMAPHORE != 0, &call.kernel.bell);
    call.add_special(Special::Counter(counter), flags & !EFD_SEMAPHORE, "[eventfd]")
}

fn timerfd_create(call: &mut Call<'_>) -> Answer {
    const CLOCK_REALTIME_ALARM: u32 = 8;
    const CLOCK_BOOTTIME_ALARM: u32 = 9;
    let which = call.args[0] as u32;
    let real = match which {
        CLOCK_REALTIME | CLOCK_REALTIME_ALARM => true,
        CLOCK_MONOTONIC | CLOCK_BOOTTIME | CLOCK_BOOTTIME_ALARM => false,
        _ => return Err(Errno::EINVAL.into()),
    };
    if which >= CLOCK_REALTIME_ALARM && call.task().creds.euid != 0 {
        return Err(Errno::EPERM.into());
    }
    let timer = Special::Timer(Timer::new(real));
    call.add_special(timer, call.args[1] as u32, "[timerfd]")
}

/// The timer behind a descriptor.
fn with_timer<T>(call: &Call<'_>, then: impl FnOnce(&Timer, u64) -> T) -> Result<T, Errno> {
    let file = call.file(call.int(0))?;
    match &file.kind {
        Kind::Special(Special::Timer(timer)) => Ok(then(timer, call.kernel.timer_now(timer))),
        _ => Err(Errno::EINVAL),
    }
}

fn timerfd_settime(call: &mut Call<'_>) -> Answer {
    let [_, flags, new_at, old_at, ..] = call.args;
    let new = call.read(new_at)?;
    if flags & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let new = TimerSpec::decode(&new)?;
    let old = with_timer(call, |timer, now| {
        let old = timer.left(now);
        let at = match flags & TFD_TIMER_ABSTIME {
            0 => now.saturating_add(new.value),
            _ => new.value,
        };
        timer.set((new.value > 0).then_some(at), new.every);
        old
    })?;
    call.kernel.bell.ring();
    call.write_if_wanted(old_at, &old.encode())?;
    Ok(0)
}

fn timerfd_gettime(call: &mut Call<'_>) -> Answer {
    let left = with_timer(call, |timer, now| timer.left(now))?;
    call.write(call.args[1], &left.encode())?;
    Ok(0)
}

fn signalfd4(call: &mut Call<'_>) -> Answer {
    let [_, mask_at, size, flags, ..] = call.args;
    if size != SIGSET_SIZE {
        return Err(Errno::EINVAL.into());
    }
    let mask = SigSet(u64::from_le_bytes(call.read(mask_at)?)).without(SigSet::UNBLOCKABLE);
    if call.int(0) == -1 {
        return call.add_special(Special::Signals(Cell::new(mask)), flags as u32, "[signalfd]");
    }
    if flags as u32 & !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).bits() != 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = call.file(call.int(0))?;
    let Kind::Special(Special::Signals(set)) = &file.kind else {
        return Err(Errno::EINVAL.into());
    };
    set.set(mask);
    call.kernel.bell.ring();
    Ok(u64::from(call.args[0] as u32))
}

fn epoll_create1(call: &mut Call<'_>) -> Answer {
    let flags = call.args[0] as u32;
    if flags & !OpenFlags::CLOEXEC.bits() != 0 {
        return Err(Errno::EINVAL.into());
    }
    call.add_special(
        Special::Epoll(Epoll::counted_by(&call.kernel.watches)),
        flags,
        "[eventpoll]",
    )
}

fn epoll_ctl(call: &mut Call<'_>) -> Answer {
    let (set_fd, what, fd, event_at) = (call.int(0), call.args[1] as u32, call.int(2), call.args[3]);
    let what = u64::from(what);
    let asked = match what {
        EPOLL_CTL_DEL => EpollEvent { events: 0, data: 0 },
        _ => EpollEvent::decode(&call.read(event_at)?),
    };
    let set = call.file(set_fd)?;
    let file = call.file(fd)?;
    if !Kernel::can_be_watched(&file) {
        return Err(Errno::EPERM.into());
    }
    let Kind::Special(Special::Epoll(epoll)) = &set.kind else {
        return Err(Errno::EINVAL.into());
    };
    if Rc::ptr_eq(&set, &file) {
        return Err(Errno::EINVAL.into());
    }
    match what {
        EPOLL_CTL_ADD => {
            check_asked(&file, asked.events)?;
            check_nesting(&set, &file)?;
            let host = match &file.kind {
                Kind::Stream(host) | Kind::Special(Special::Inet(host, _)) => Some(host),
                _ => None,
            };
            epoll.add(fd, &file, host, asked)?;
        }
        EPOLL_CTL_MOD if asked.events & EPOLLEXCLUSIVE != 0 => return Err(Errno::EINVAL.into()),
        EPOLL_CTL_MOD => epoll.modify(fd, &file, asked)?,
        EPOLL_CTL_DEL => epoll.remove(fd, &file)?,
        _ => return Err(Errno::EINVAL.into()),
    }
    call.kernel.bell.ring();
    Ok(0)
}

/// `EPOLLEXCLUSIVE` goes with few other events, and not with sets of files.
fn check_asked(file: &File, events: u32) -> Result<(), Errno> {
    let plain = PollEvents::IN | PollEvents::OUT | PollEvents::ERR | PollEvents::HUP;
    let known = u32::from(plain.bits()) | EPOLLET | EPOLLEXCLUSIVE | EPOLLWAKEUP;
    if events & EPOLLEXCLUSIVE == 0 {
        return Ok(());
    }
    let nested = matches!(file.kind, Kind::Special(Special::Epoll(_)));
    if nested || events & !known != 0 || events & EPOLLONESHOT != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// Sets must not lie in each other in a ring, nor too deep.
fn check_nesting(set: &File, file: &File) -> Result<(), Errno> {
    match Kernel::nesting(file, set) {
        Some(depth) if depth < MOST_NESTED => Ok(()),
        _ => Err(Errno::ELOOP),
    }
}

/// What both waits have in common, once the deadline is known.
fn epoll_wait(call: &mut Call<'_>, deadline: Option<u64>) -> Answer {
    const MOST: i32 = i32::MAX / EpollEvent::SIZE as i32;
    /// So many at once are enough for everybody; a program that asks for more asks again.
    const AT_ONCE: usize = 4096;
    let (at, most) = (call.args[1], call.int(2));
    let file = call.file(call.int(0))?;
    if most <= 0 || most > MOST {
        return Err(Errno::EINVAL.into());
    }
    let Kind::Special(Special::Epoll(epoll)) = &file.kind else {
        return Err(Errno::EINVAL.into());
    };
    call.mask_at(call.args[4], call.args[5])?;
    let events = call
        .kernel
        .epoll_events(call.pid, epoll, (most as usize).min(AT_ONCE))?;
    if events.is_empty() {
        if call.is_over(deadline) {
            return Ok(0);
        }
        let mut wait = Wait::for_bell().not_restarted().until(deadline);
        call.kernel.await_file(&file, PollEvents::IN, &mut wait);
        return Err(Stop::Wait(wait));
    }
    let bytes: Vec<u8> = events.iter().flat_map(|event| event.encode()).collect();
    call.write(at, &bytes)?;
    Ok(events.len() as u64)
}

fn epoll_pwait(call: &mut Call<'_>) -> Answer {
    let deadline = match u64::try_from(call.int(3)) {
        Err(_) => None,
        Ok(ms) => {
            let at = call.kernel.clock.monotonic_ns.saturating_add(ms * 1_000_000);
            Some(*call.task_mut().progress.deadline.get_or_insert(at))
        }
    };
    epoll_wait(call, deadline)
}

fn epoll_pwait2(call: &mut Call<'_>) -> Answer {
    let deadline = call.timeout(call.args[3])?;
    epoll_wait(call, deadline)
}
