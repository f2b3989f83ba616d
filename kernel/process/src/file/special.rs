//! Files that are neither bytes on a disk nor a stream: counters, timers, signals, sets of files, sockets.
//!
//! Key type: [`Special`], and what is asked of each kind: whether it is ready, what would make it so, and what
//! reading and writing mean.

use rustc_hash::{FxHashMap, FxHashSet};
use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::epoll::Epoll;
use super::eventfd::Counter;
use super::pidfd::Named;
use super::timerfd::Timer;
use super::unix::{Refusal, Sender, Socket};
use super::{Device, File, Kind};
use crate::kernel::{Kernel, host_ready};
use crate::syscall::Stop;
use crate::task::Pid;
use crate::wait::{HostWait, Wait};
use abi::Errno;
use abi::event::{SIGNALFD_SIGINFO, encode_signalfd};
use abi::flags::{OpenFlags, PollEvents};
use abi::signal::SigSet;

/// How deep sets of files may lie in each other (`EP_MAX_NESTS` and the outermost).
pub(crate) const MOST_NESTED: u32 = 5;

/// A file of one of these kinds.
#[derive(Debug)]
pub(crate) enum Special {
    /// `eventfd(2)`.
    Counter(Counter),
    /// `timerfd_create(2)`.
    Timer(Timer),
    /// `signalfd(2)`: the signals that it takes.
    Signals(Cell<SigSet>),
    /// `epoll(7)`.
    Epoll(Epoll),
    /// `pidfd_open(2)`.
    Process(Named),
    /// A Unix socket.
    Unix(Rc<Socket>, Timeouts),
    /// An IP socket of the host.
    Inet(Rc<OwnedFd>, Timeouts),
}

/// How long a socket's calls wait (`SO_RCVTIMEO`, `SO_SNDTIMEO`) in nanoseconds; 0 is for ever.
#[derive(Debug, Default)]
pub(crate) struct Timeouts {
    pub(crate) receive: Cell<u64>,
    pub(crate) send: Cell<u64>,
}

/// What is known of sets of files within one question: one set may lie in others on very many ways, and is asked once for each
/// depth. Keys are a set's identity and depth.
#[derive(Debug, Default)]
struct Asked {
    ready: FxHashMap<(usize, u32), bool>,
    pulses: FxHashMap<(usize, u32), u64>,
    awaited: FxHashSet<(usize, u32)>,
    nested: FxHashMap<(usize, u32), u32>,
}

fn identity(file: &File, depth: u32) -> (usize, u32) {
    (std::ptr::from_ref(file).addr(), depth)
}

/// `EAGAIN` for a file that must not block, else the wait.
pub(crate) fn not_yet(file: &File, wait: Wait) -> Stop {
    if file.has(OpenFlags::NONBLOCK) {
        Errno::EAGAIN.into()
    } else {
        Stop::Wait(wait)
    }
}

impl Kernel {
    /// Now on a timer's clock.
    pub(crate) fn timer_now(&self, timer: &Timer) -> u64 {
        if timer.real {
            self.clock.realtime_ns
        } else {
            self.clock.monotonic_ns
        }
    }

    /// What is true of a file now. A file of the host is asked for these events only.
    pub(crate) fn readiness(&self, pid: Pid, file: &File, events: PollEvents) -> PollEvents {
        self.readiness_within(pid, file, events, MOST_NESTED, &mut Asked::default())
    }

    fn readiness_within(
        &self,
        pid: Pid,
        file: &File,
        events: PollEvents,
        depth: u32,
        asked: &mut Asked,
    ) -> PollEvents {
        let readable = |yes: bool| match yes {
            true => PollEvents::IN | PollEvents::RDNORM,
            false => PollEvents::empty(),
        };
        match &file.kind {
            Kind::Stream(host) | Kind::Special(Special::Inet(host, _)) => host_ready(host, events),
            Kind::Pipe(end) => end.readiness(),
            Kind::Special(Special::Counter(counter)) => counter.readiness(),
            Kind::Special(Special::Unix(socket, _)) => socket.readiness(),
            Kind::Special(Special::Process(named)) => named.readiness(self),
            Kind::Special(Special::Timer(timer)) => readable(timer.expired(self.timer_now(timer)) > 0),
            Kind::Special(Special::Signals(set)) => {
                let pending = self.tasks.get(&pid).map(|task| task.signals.pending());
                readable(pending.is_some_and(|pending| pending.0 & set.get().0 != 0))
            }
            Kind::Special(Special::Epoll(epoll)) => {
                let key = identity(file, depth);
                if let Some(ready) = asked.ready.get(&key) {
                    return readable(*ready);
                }
                let host = epoll
                    .host()
                    .is_some_and(|host| !host_ready(&host, PollEvents::IN).is_empty());
                let ready = host || (depth > 0 && self.any_own_event(pid, epoll, depth - 1, asked));
                asked.ready.insert(key, ready);
                readable(ready)
            }
            _ => PollEvents::IN | PollEvents::OUT | PollEvents::RDNORM | PollEvents::WRNORM,
        }
    }

    fn any_own_event(&self, pid: Pid, epoll: &Epoll, depth: u32, asked: &mut Asked) -> bool {
        epoll.own_items().iter().any(|(_, item)| {
            let Some(file) = item.file.upgrade() else {
                return false;
            };
            let fresh =
                !item.edge() || item.seen != Some(self.pulse(pid, &file, item.wanted(), depth, asked));
            fresh
                && self
                    .readiness_within(pid, &file, item.wanted(), depth, asked)
                    .intersects(item.wanted())
        })
    }

    /// A number that changes when one of these events may have come anew.
    fn pulse(&self, pid: Pid, file: &File, events: PollEvents, depth: u32, asked: &mut Asked) -> u64 {
        match &file.kind {
            Kind::Pipe(end) => end.pulse().count(events),
            Kind::Special(Special::Counter(counter)) => counter.pulse.count(events),
            Kind::Special(Special::Unix(socket, _)) => socket.pulse.count(events),
            Kind::Special(Special::Timer(timer)) => timer.pulse(self.timer_now(timer)),
            Kind::Special(Special::Signals(_)) => {
                self.tasks.get(&pid).map_or(0, |task| task.signals.posted())
            }
            Kind::Special(Special::Process(named)) => u64::from(!named.readiness(self).is_empty()),
            Kind::Special(Special::Epoll(epoll)) if depth > 0 => {
                let key = identity(file, depth);
                if let Some(pulse) = asked.pulses.get(&key) {
                    return *pulse;
                }
                let own = epoll.own_items();
                let files = own.iter().filter_map(|(_, item)| {
                    let file = item.file.upgrade()?;
                    Some(self.pulse(pid, &file, item.wanted(), depth - 1, asked))
                });
                let pulse = files.fold(0, u64::wrapping_add);
                asked.pulses.insert(key, pulse);
                pulse
            }
            _ => 0,
        }
    }

    /// Adds to a wait what would make a file ready; the bell tells of the rest.
    pub(crate) fn await_file(&self, file: &File, events: PollEvents, wait: &mut Wait) {
        self.await_within(file, events, wait, MOST_NESTED, &mut Asked::default());
    }

    fn await_within(&self, file: &File, events: PollEvents, wait: &mut Wait, depth: u32, asked: &mut Asked) {
        match &file.kind {
            Kind::Stream(host) | Kind::Special(Special::Inet(host, _)) => wait.hosts.push(HostWait {
                fd: Rc::clone(host),
                events,
            }),
            Kind::Special(Special::Timer(timer)) => {
                let now = self.timer_now(timer);
                // The wait is on the monotonic clock.
                let left = timer.next(now).map(|at| at - now);
                let at = left.map(|left| self.clock.monotonic_ns.saturating_add(left));
                wait.deadline = [wait.deadline, at].into_iter().flatten().min();
            }
            Kind::Special(Special::Epoll(epoll)) => {
                if !asked.awaited.insert(identity(file, depth)) {
                    return;
                }
                if let Some(fd) = epoll.host() {
                    let events = PollEvents::IN;
                    wait.hosts.push(HostWait { fd, events });
                }
                if depth > 0 {
                    for (_, item) in epoll.own_items() {
                        if let Some(file) = item.file.upgrade() {
                            self.await_within(&file, item.wanted(), wait, depth - 1, asked);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether a file can be waited for by `epoll_ctl(2)`: not what is always ready.
    pub(crate) fn can_be_watched(file: &File) -> bool {
        matches!(
            file.kind,
            Kind::Stream(_) | Kind::Pipe(_) | Kind::Special(_) | Kind::Device(Device::Random)
        )
    }

    /// What a set of files has to tell now, at most so much; edges and one-shots are used up.
    pub(crate) fn epoll_events(
        &self,
        pid: Pid,
        epoll: &Epoll,
        most: usize,
    ) -> Result<Vec<abi::event::EpollEvent>, Errno> {
        // The host's files and our own come first in turn: a set that is asked for one event tells of all in time.
        let host_first = !epoll.own_first.replace(!epoll.own_first.get());
        let mut told = match host_first {
            true => epoll.host_events(most)?,
            false => Vec::new(),
        };
        let mut asked = Asked::default();
        for (id, item) in epoll.own_items() {
            if told.len() >= most {
                break;
            }
            let Some(file) = item.file.upgrade() else {
                continue;
            };
            let pulse = self.pulse(pid, &file, item.wanted(), MOST_NESTED, &mut asked);
            if item.edge() && item.seen == Some(pulse) {
                continue;
            }
            let found =
                self.readiness_within(pid, &file, item.wanted(), MOST_NESTED, &mut asked) & item.wanted();
            epoll.looked_at(id, pulse, !found.is_empty());
            if !found.is_empty() {
                epoll.turn.set(id + 1);
                told.push(abi::event::EpollEvent {
                    events: u32::from(found.bits()),
                    data: item.asked.data,
                });
            }
        }
        if !host_first && told.len() < most {
            told.extend(epoll.host_events(most - told.len())?);
        }
        Ok(told)
    }

    /// How deep sets lie in this file, itself counted; `None` if it holds `target`, directly or not.
    pub(crate) fn nesting(file: &File, target: &File) -> Option<u32> {
        Self::nesting_within(file, target, 0, &mut Asked::default())
    }

    fn nesting_within(file: &File, target: &File, depth: u32, asked: &mut Asked) -> Option<u32> {
        if std::ptr::eq(file, target) || depth > MOST_NESTED {
            return None;
        }
        let Kind::Special(Special::Epoll(epoll)) = &file.kind else {
            return Some(0);
        };
        let key = identity(file, depth);
        if let Some(known) = asked.nested.get(&key) {
            return Some(*known);
        }
        let mut deepest = 0;
        for (_, item) in epoll.own_items() {
            if let Some(inner) = item.file.upgrade() {
                deepest = deepest.max(Self::nesting_within(&inner, target, depth + 1, asked)?);
            }
        }
        asked.nested.insert(key, deepest + 1);
        Some(deepest + 1)
    }

    /// Reads one piece of a special file: at most `room` bytes.
    pub(crate) fn read_special(
        &mut self,
        pid: Pid,
        file: &File,
        special: &Special,
        room: u64,
    ) -> Result<Vec<u8>, Stop> {
        match special {
            Special::Counter(_) | Special::Timer(_) if room < 8 => Err(Errno::EINVAL.into()),
            Special::Counter(counter) => match counter.take() {
                Some(value) => Ok(value.to_le_bytes().to_vec()),
                None => Err(not_yet(file, Wait::for_bell())),
            },
            Special::Timer(timer) => match timer.take(self.timer_now(timer)) {
                Some(count) => Ok(count.to_le_bytes().to_vec()),
                None => {
                    let mut wait = Wait::for_bell();
                    self.await_file(file, PollEvents::IN, &mut wait);
                    Err(not_yet(file, wait))
                }
            },
            Special::Signals(set) => self.read_signals(pid, file, set.get(), room),
            // Sockets are read as sockets are.
            Special::Epoll(_) | Special::Process(_) | Special::Unix(..) | Special::Inet(..) => {
                Err(Errno::EINVAL.into())
            }
        }
    }

    fn read_signals(&mut self, pid: Pid, file: &File, set: SigSet, room: u64) -> Result<Vec<u8>, Stop> {
        let most = usize::try_from(room).unwrap_or(usize::MAX) / SIGNALFD_SIGINFO;
        if most == 0 {
            return Err(Errno::EINVAL.into());
        }
        let mut bytes = Vec::new();
        let signals = &mut self.task_mut(pid).signals;
        while bytes.len() / SIGNALFD_SIGINFO < most {
            let Some(info) = signals.take_of(set) else { break };
            bytes.extend(encode_signalfd(&info));
        }
        if bytes.is_empty() {
            return Err(not_yet(file, Wait::for_bell()));
        }
        Ok(bytes)
    }

    /// Writes to a special file.
    pub(crate) fn write_special(
        &mut self,
        pid: Pid,
        file: &File,
        special: &Special,
        from: &[u8],
    ) -> Result<usize, Stop> {
        match special {
            // Linux 6.9: exactly eight bytes.
            Special::Counter(_) if from.len() != 8 => Err(Errno::EINVAL.into()),
            Special::Counter(counter) => {
                let value = from.first_chunk().copied().map(u64::from_le_bytes);
                match value {
                    None | Some(u64::MAX) => Err(Errno::EINVAL.into()),
                    Some(value) if counter.add(value) => Ok(8),
                    Some(_) => Err(not_yet(file, Wait::for_bell())),
                }
            }
            Special::Timer(_) | Special::Signals(_) | Special::Epoll(_) | Special::Process(_) => {
                Err(Errno::EINVAL.into())
            }
            Special::Unix(socket, _) => {
                let creds = &self.task(pid).creds;
                let sender = Sender {
                    pid: self.task(pid).tgid.get(),
                    uid: creds.euid,
                    gid: creds.egid,
                };
                match socket.send(None, from, sender, &mut None) {
                    Ok(count) => Ok(count),
                    Err(Refusal::Errno(Errno::EPIPE)) => Err(self.broken_pipe(pid)),
                    Err(Refusal::Errno(errno)) => Err(errno.into()),
                    Err(Refusal::NotYet) => Err(not_yet(file, Wait::for_bell())),
                }
            }
            // sendfile(2) and its like write here, too.
            Special::Inet(host, _) if super::inet::is_netlink(host) => {
                super::inet_control::check_netlink(from, None)?;
                match super::inet::send(host, from, 0, None) {
                    Ok(count) => Ok(count),
                    Err(error) => Err(super::host::errno(error).into()),
                }
            }
            Special::Inet(host, _) => match super::inet::send(host, from, 0, None) {
                Ok(count) => Ok(count),
                Err(rustix::io::Errno::PIPE) => Err(self.broken_pipe(pid)),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {
                    Err(not_yet(file, Wait::for_host(host, PollEvents::OUT)))
                }
                Err(error) => Err(super::host::errno(error).into()),
            },
        }
    }
}
