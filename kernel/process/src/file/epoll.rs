//! `epoll(7)`: a set of files and what of each is waited for.
//!
//! Files of the host are watched by an epoll of the host, which knows their edges; our own objects count theirs
//! ([`Pulse`](super::pulse::Pulse)). One set may hold both. Key types: [`Epoll`], [`Item`].
//!
//! An item does not keep its file open: closing the last descriptor takes it out of the set.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use abi::Errno;
use abi::event::{EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, EPOLLWAKEUP, EpollEvent};
use abi::flags::PollEvents;
use rustix::event::epoll;

use super::File;
use super::host::errno;

/// One file in the set.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    fd: i32,
    pub(crate) file: Weak<File>,
    pub(crate) asked: EpollEvent,
    /// The pulse at which it was last looked at; `None` right after it was set.
    pub(crate) seen: Option<u64>,
    /// `EPOLLONESHOT` has told its one time.
    pub(crate) silent: bool,
    /// The host's descriptor that the host's epoll watches.
    host: Option<Weak<OwnedFd>>,
    _watch: Rc<Watch>,
}

impl Item {
    /// Whether it tells of changes only.
    pub(crate) fn edge(&self) -> bool {
        self.asked.events & EPOLLET != 0
    }

    /// What it asks for, with what is always told.
    pub(crate) fn wanted(&self) -> PollEvents {
        PollEvents::from_bits_retain(self.asked.events as u16) | PollEvents::ERR | PollEvents::HUP
    }

    /// Whether the host's epoll answers for it.
    pub(crate) fn is_host(&self) -> bool {
        self.host.is_some()
    }
}

/// The set.
#[derive(Debug, Default)]
pub(crate) struct Epoll {
    host: RefCell<Option<Rc<OwnedFd>>>,
    items: RefCell<BTreeMap<u64, Item>>,
    next: Cell<u64>,
    /// Where the next search begins, so that no file starves the others.
    pub(crate) turn: Cell<u64>,
    /// Whether our own objects are told of before the host's files next time.
    pub(crate) own_first: Cell<bool>,
    watches: Watches,
}

/// Files in all sets of a machine together, at most (`fs.epoll.max_user_watches`): each costs the host some memory.
pub(crate) const MOST_WATCHES: usize = 1 << 18;

/// How many files are in the sets of one machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watches(Rc<Cell<usize>>);

/// One of them.
#[derive(Debug)]
struct Watch(Watches);

impl Watch {
    fn new(all: &Watches) -> Result<Rc<Self>, Errno> {
        if all.0.get() >= MOST_WATCHES {
            return Err(Errno::ENOSPC);
        }
        all.0.set(all.0.get() + 1);
        Ok(Rc::new(Self(all.clone())))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let all = &self.0.0;
        all.set(all.get().saturating_sub(1));
    }
}

fn host_flags(events: u32) -> epoll::EventFlags {
    epoll::EventFlags::from_bits_retain(events & !(EPOLLWAKEUP | EPOLLEXCLUSIVE))
}

impl Epoll {
    /// An empty set of a machine.
    pub(crate) fn counted_by(watches: &Watches) -> Self {
        Self {
            watches: watches.clone(),
            ..Self::default()
        }
    }

    /// The epoll of the host, if some file of the host is watched.
    pub(crate) fn host(&self) -> Option<Rc<OwnedFd>> {
        self.host.borrow().clone()
    }

    fn host_or_new(&self) -> Result<Rc<OwnedFd>, Errno> {
        let mut host = self.host.borrow_mut();
        if let Some(host) = &*host {
            return Ok(Rc::clone(host));
        }
        let fd = Rc::new(epoll::create(epoll::CreateFlags::CLOEXEC).map_err(errno)?);
        *host = Some(Rc::clone(&fd));
        Ok(fd)
    }

    /// The place of a descriptor's item; items of closed files are forgotten on the way.
    fn find(&self, fd: i32, file: &Rc<File>) -> Option<u64> {
        let mut items = self.items.borrow_mut();
        items.retain(|_, item| item.file.strong_count() > 0);
        let same = |item: &Item| item.fd == fd && std::ptr::eq(item.file.as_ptr(), Rc::as_ptr(file));
        items.iter().find(|(_, item)| same(item)).map(|(id, _)| *id)
    }

    /// `EPOLL_CTL_ADD`. `host` is the descriptor behind the file, if it is the host's.
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC` if too many files are in sets, and `EPERM` for what cannot be waited for.
    pub(crate) fn add(
        &self,
        fd: i32,
        file: &Rc<File>,
        host: Option<&Rc<OwnedFd>>,
        asked: EpollEvent,
    ) -> Result<(), Errno> {
        if self.find(fd, file).is_some() {
            return Err(Errno::EEXIST);
        }
        let watch = Watch::new(&self.watches)?;
        let id = self.next.get();
        let watched = match host {
            Some(host) => Some(self.watch(file, host, id, asked)?),
            None => None,
        };
        self.next.set(id + 1);
        let item = Item {
            fd,
            file: Rc::downgrade(file),
            asked,
            seen: None,
            silent: false,
            host: watched,
            _watch: watch,
        };
        self.items.borrow_mut().insert(id, item);
        Ok(())
    }

    /// Has the host watch a descriptor. One file may be in the set under two numbers: then the host gets a second
    /// descriptor, which lives as long as the file.
    fn watch(
        &self,
        file: &Rc<File>,
        host: &Rc<OwnedFd>,
        id: u64,
        asked: EpollEvent,
    ) -> Result<Weak<OwnedFd>, Errno> {
        let epoll = self.host_or_new()?;
        let data = epoll::EventData::new_u64(id);
        let flags = host_flags(asked.events);
        match epoll::add(&epoll, host, data, flags) {
            Ok(()) => Ok(Rc::downgrade(host)),
            Err(rustix::io::Errno::EXIST) => {
                let copy = Rc::new(rustix::io::fcntl_dupfd_cloexec(host, 3).map_err(errno)?);
                epoll::add(&epoll, &copy, data, flags).map_err(errno)?;
                let weak = Rc::downgrade(&copy);
                file.keep(copy);
                Ok(weak)
            }
            Err(error) => Err(errno(error)),
        }
    }

    /// `EPOLL_CTL_MOD`.
    ///
    /// # Errors
    /// `ENOENT`; `EINVAL` for an exclusive item.
    pub(crate) fn modify(&self, fd: i32, file: &Rc<File>, asked: EpollEvent) -> Result<(), Errno> {
        let id = self.find(fd, file).ok_or(Errno::ENOENT)?;
        let mut items = self.items.borrow_mut();
        let item = items.get_mut(&id).ok_or(Errno::ENOENT)?;
        if item.asked.events & EPOLLEXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        if let (Some(host), Some(epoll)) = (item.host.as_ref().and_then(Weak::upgrade), self.host()) {
            let data = epoll::EventData::new_u64(id);
            epoll::modify(&epoll, &host, data, host_flags(asked.events)).map_err(errno)?;
        }
        item.asked = asked;
        item.seen = None;
        item.silent = false;
        Ok(())
    }

    /// `EPOLL_CTL_DEL`.
    ///
    /// # Errors
    /// `ENOENT`.
    pub(crate) fn remove(&self, fd: i32, file: &Rc<File>) -> Result<(), Errno> {
        let id = self.find(fd, file).ok_or(Errno::ENOENT)?;
        let item = self.items.borrow_mut().remove(&id).ok_or(Errno::ENOENT)?;
        if let (Some(host), Some(epoll)) = (item.host.as_ref().and_then(Weak::upgrade), self.host()) {
            epoll::delete(&epoll, &host).map_err(errno)?;
            // A second descriptor was opened for this set alone.
            file.forget_kept(&host);
        }
        Ok(())
    }

    /// Events of the host's files, at most so many.
    pub(crate) fn host_events(&self, most: usize) -> Result<Vec<EpollEvent>, Errno> {
        let Some(epoll) = self.host() else {
            return Ok(Vec::new());
        };
        let mut found: Vec<epoll::Event> = Vec::with_capacity(most.min(256));
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut found), Some(&now)).map_err(errno)?;
        let items = self.items.borrow();
        let told = found.iter().filter_map(|event| {
            // The host's record is packed: its fields are copied out.
            let (flags, data) = (event.flags, event.data);
            let item = items.get(&data.u64())?;
            Some(EpollEvent {
                events: flags.bits(),
                data: item.asked.data,
            })
        });
        Ok(told.collect())
    }

    /// The live items of our own objects that may tell something, beginning with the one whose turn it is.
    pub(crate) fn own_items(&self) -> Vec<(u64, Item)> {
        let items = self.items.borrow();
        let live = |item: &Item| !item.is_host() && !item.silent && item.file.strong_count() > 0;
        let turn = self.turn.get();
        let (before, after) = (items.range(..turn), items.range(turn..));
        let all = after.chain(before).filter(|(_, item)| live(item));
        all.map(|(id, item)| (*id, item.clone())).collect()
    }

    /// Notes that an item was looked at, and whether it has told.
    pub(crate) fn looked_at(&self, id: u64, pulse: u64, told: bool) {
        if let Some(item) = self.items.borrow_mut().get_mut(&id) {
            item.seen = Some(pulse);
            if told && item.asked.events & EPOLLONESHOT != 0 {
                item.silent = true;
            }
        }
    }
}
