//! Unix sockets, in the kernel's own memory: nothing of them reaches the host but the name of one bound to a path.
//!
//! Key types: [`Socket`], [`Message`]; names and descriptors on their way are in [`unix_names`](super::unix_names). Rules of `unix(7)` and `net/unix/af_unix.c`. Each socket has one queue of
//! what was sent to it; its peer is a weak handle, so that closing the last descriptor is the end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use abi::Errno;
use abi::flags::PollEvents;

use super::File;
use super::pulse::Pulse;
pub(crate) use super::unix_names::{Hub, Names, Parcel, Sender, Style, address_of, name_of};
use crate::wait::{Bell, Held};

/// Bytes that wait for one socket at most (`net.core.wmem_default`).
pub(crate) const CAPACITY: usize = 212_992;
/// Datagrams that wait for one socket at most (`net.unix.max_dgram_qlen` and one).
const MOST_DATAGRAMS: usize = 11;

/// What was sent at once.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) bytes: VecDeque<u8>,
    /// The sender's name.
    pub(crate) from: Rc<RefCell<Vec<u8>>>,
    pub(crate) sender: Sender,
    pub(crate) parcel: Option<Parcel>,
}

/// What a socket is doing.
#[derive(Debug, Default)]
enum State {
    /// Nothing yet.
    #[default]
    Idle,
    /// It takes connections: at most so many wait.
    Listening {
        most: usize,
        waiting: VecDeque<Rc<Socket>>,
    },
    /// It has a peer, or had one.
    Connected {
        peer: Weak<Socket>,
        name: Rc<RefCell<Vec<u8>>>,
    },
}

/// Why something cannot be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Wait until the bell rings.
    NotYet,
    Errno(Errno),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// What came out of a queue.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    /// How long the whole message was.
    pub(crate) whole: usize,
    pub(crate) from: Option<Vec<u8>>,
    pub(crate) sender: Option<Sender>,
    pub(crate) files: Vec<Rc<File>>,
    /// Ancillary data of an IP protocol, as it lies in user memory.
    pub(crate) control: Vec<u8>,
}

/// A socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) style: Style,
    pub(crate) number: u64,
    state: RefCell<State>,
    queue: RefCell<VecDeque<Message>>,
    queued: Held,
    name: Rc<RefCell<Vec<u8>>>,
    no_more_in: Cell<bool>,
    no_more_out: Cell<bool>,
    error: Cell<Option<Errno>>,
    pub(crate) pass_credentials: Cell<bool>,
    /// The peer's identity, as it was when the connection was made.
    pub(crate) peer_sender: Cell<Option<Sender>>,
    /// Its own, when it began to listen.
    owner: Cell<Sender>,
    pub(crate) pulse: Pulse,
    bell: Bell,
}

impl Socket {
    /// A socket that is not connected.
    pub(crate) fn new(style: Style, number: u64, owner: Sender, bell: &Bell) -> Rc<Self> {
        Rc::new(Self {
            style,
            number,
            state: RefCell::default(),
            queue: RefCell::default(),
            queued: bell.holder(),
            name: Rc::default(),
            no_more_in: Cell::new(false),
            no_more_out: Cell::new(false),
            error: Cell::new(None),
            pass_credentials: Cell::new(false),
            peer_sender: Cell::new(None),
            owner: Cell::new(owner),
            pulse: Pulse::default(),
            bell: bell.clone(),
        })
    }

    /// Makes two sockets each other's peers.
    pub(crate) fn join(a: &Rc<Self>, b: &Rc<Self>) {
        for (one, other) in [(a, b), (b, a)] {
            one.state.replace(State::Connected {
                peer: Rc::downgrade(other),
                name: Rc::clone(&other.name),
            });
            one.peer_sender.set(Some(other.owner.get()));
        }
    }

    fn changed(&self) {
        self.pulse.changed();
        self.bell.ring();
    }

    /// Its name, empty without one.
    pub(crate) fn name(&self) -> Vec<u8> {
        self.name.borrow().clone()
    }

    /// Takes a name.
    pub(crate) fn set_name(&self, name: Vec<u8>) {
        self.name.replace(name);
    }

    /// The peer's name.
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub(crate) fn peer_name(&self) -> Result<Vec<u8>, Errno> {
        match &*self.state.borrow() {
            State::Connected { name, .. } => Ok(name.borrow().clone()),
            _ => Err(Errno::ENOTCONN),
        }
    }

    /// Whether it takes connections.
    pub(crate) fn is_listening(&self) -> bool {
        matches!(&*self.state.borrow(), State::Listening { .. })
    }

    fn is_connected(&self) -> bool {
        matches!(&*self.state.borrow(), State::Connected { .. })
    }

    fn peer(&self) -> Option<Rc<Self>> {
        match &*self.state.borrow() {
            State::Connected { peer, .. } => peer.upgrade(),
            _ => None,
        }
    }

    /// The error that waits to be told, once (`SO_ERROR`).
    pub(crate) fn take_error(&self) -> Option<Errno> {
        self.error.take()
    }

    /// `listen(2)`.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for datagrams, `EINVAL` without a name or with a peer.
    pub(crate) fn listen(&self, most: usize, owner: Sender) -> Result<(), Errno> {
        if self.style == Style::Datagram {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.name.borrow().is_empty() {
            return Err(Errno::EINVAL);
        }
        let mut state = self.state.borrow_mut();
        match &mut *state {
            State::Connected { .. } => return Err(Errno::EINVAL),
            State::Listening { most: old, .. } => *old = most,
            State::Idle => {
                let waiting = VecDeque::new();
                *state = State::Listening { most, waiting };
            }
        }
        self.owner.set(owner);
        drop(state);
        self.changed();
        Ok(())
    }

    /// Connects to a socket. A stream's other end waits to be accepted.
    pub(crate) fn connect(self: &Rc<Self>, to: &Rc<Self>, number: u64, owner: Sender) -> Result<(), Refusal> {
        if self.style != to.style {
            return Err(Errno::EPROTOTYPE.into());
        }
        if self.style == Style::Datagram {
            self.state.replace(State::Connected {
                peer: Rc::downgrade(to),
                name: Rc::clone(&to.name),
            });
            return Ok(());
        }
        if self.is_connected() {
            return Err(Errno::EISCONN.into());
        }
        if self.is_listening() {
            return Err(Errno::EINVAL.into());
        }
        let end = Self::new(self.style, number, to.owner.get(), &self.bell);
        let mut state = to.state.borrow_mut();
        let State::Listening { most, waiting } = &mut *state else {
            return Err(Errno::ECONNREFUSED.into());
        };
        if to.no_more_in.get() {
            return Err(Errno::ECONNREFUSED.into());
        }
        if waiting.len() > *most {
            return Err(Refusal::NotYet);
        }
        self.owner.set(owner);
        end.set_name(to.name());
        Self::join(self, &end);
        end.pass_credentials.set(to.pass_credentials.get());
        waiting.push_back(end);
        drop(state);
        to.pulse.arrived();
        self.changed();
        Ok(())
    }

    /// A datagram socket forgets its peer.
    pub(crate) fn disconnect(&self) {
        self.state.replace(State::Idle);
    }

    /// `accept(2)`.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for datagrams, `EINVAL` if it does not listen.
    pub(crate) fn accept(&self) -> Result<Rc<Self>, Refusal> {
        if self.style == Style::Datagram {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let mut state = self.state.borrow_mut();
        let State::Listening { waiting, .. } = &mut *state else {
            return Err(Errno::EINVAL.into());
        };
        match waiting.pop_front() {
            Some(socket) => {
                self.changed();
                Ok(socket)
            }
            None if self.no_more_in.get() => Err(Errno::EINVAL.into()),
            None => Err(Refusal::NotYet),
        }
    }

    /// `shutdown(2)`: for reading, for writing.
    pub(crate) fn shut(&self, reading: bool, writing: bool) {
        let peer = self.peer().filter(|_| self.style != Style::Datagram);
        if reading {
            self.no_more_in.set(true);
            if let Some(peer) = &peer {
                peer.no_more_out.set(true);
            }
        }
        if writing {
            self.no_more_out.set(true);
            if let Some(peer) = &peer {
                peer.no_more_in.set(true);
            }
        }
        self.changed();
        if let Some(peer) = peer {
            peer.changed();
        }
    }

    /// Whom a message goes to: the peer, or `to` for a datagram.
    fn receiver(self: &Rc<Self>, to: Option<Rc<Self>>) -> Result<Rc<Self>, Errno> {
        if self.no_more_out.get() {
            return Err(Errno::EPIPE);
        }
        if let Some(to) = to {
            return if to.style == self.style {
                Ok(to)
            } else {
                Err(Errno::EPROTOTYPE)
            };
        }
        if !self.is_connected() {
            return Err(Errno::ENOTCONN);
        }
        match (self.peer(), self.style) {
            (Some(peer), _) => Ok(peer),
            (None, Style::Datagram) => Err(Errno::ECONNREFUSED),
            (None, _) => Err(Errno::EPIPE),
        }
    }

    /// Sends what fits of a stream, or a whole message: how many bytes went. The parcel goes with the first of them.
    pub(crate) fn send(
        self: &Rc<Self>,
        to: Option<Rc<Self>>,
        bytes: &[u8],
        sender: Sender,
        parcel: &mut Option<Parcel>,
    ) -> Result<usize, Refusal> {
        if self.style != Style::Stream
            && let Some(error) = self.take_error()
        {
            return Err(error.into());
        }
        let receiver = self.receiver(to)?;
        if receiver.no_more_in.get() {
            return Err(Errno::EPIPE.into());
        }
        let room = receiver.queued.room(CAPACITY);
        let count = match self.style {
            // An empty write to a stream is nothing at all.
            Style::Stream if bytes.is_empty() => return Ok(0),
            Style::Stream => room.min(bytes.len()),
            _ if bytes.len() > CAPACITY => return Err(Errno::EMSGSIZE.into()),
            _ => bytes.len(),
        };
        if count > room || (self.style == Style::Stream && count == 0) || receiver.is_crowded() {
            return Err(Refusal::NotYet);
        }
        let taken = bytes.get(..count).unwrap_or(bytes);
        receiver.queued.set(receiver.queued.get() + count);
        receiver.queue.borrow_mut().push_back(Message {
            bytes: taken.iter().copied().collect(),
            from: Rc::clone(&self.name),
            sender,
            parcel: parcel.take(),
        });
        receiver.pulse.arrived();
        self.bell.ring();
        Ok(count)
    }

    /// Whether no more messages may wait, however short they are.
    fn is_crowded(&self) -> bool {
        let most = match self.style {
            Style::Datagram => MOST_DATAGRAMS,
            // Linux counts what a message costs beside its bytes; this is what 256 each come to.
            _ => CAPACITY / 256,
        };
        self.queue.borrow().len() >= most
    }

    /// Takes out what fits, or a whole message of which the rest is lost. With `peek` all stays.
    pub(crate) fn receive(&self, room: usize, peek: bool) -> Result<Received, Refusal> {
        match self.style {
            Style::Stream if !self.is_connected() => return Err(Errno::EINVAL.into()),
            Style::Packet if !self.is_connected() => return Err(Errno::ENOTCONN.into()),
            _ => {}
        }
        let received = match self.style {
            Style::Stream => self.receive_stream(room, peek),
            _ => self.receive_message(room, peek),
        };
        if let Some(received) = received {
            if !peek {
                if let Some(peer) = self.peer() {
                    peer.pulse.made_room();
                }
                self.bell.ring();
            }
            return Ok(received);
        }
        if let Some(error) = self.take_error() {
            return Err(error.into());
        }
        if self.no_more_in.get() || (self.style != Style::Datagram && self.peer().is_none()) {
            return Ok(Received::default());
        }
        Err(Refusal::NotYet)
    }

    fn receive_message(&self, room: usize, peek: bool) -> Option<Received> {
        let mut queue = self.queue.borrow_mut();
        let message = queue.front()?;
        let received = Received {
            bytes: message.bytes.iter().take(room).copied().collect(),
            whole: message.bytes.len(),
            from: Some(message.from.borrow().clone()),
            sender: Some(message.sender),
            files: message.parcel.iter().flat_map(|p| p.files().to_vec()).collect(),
            control: Vec::new(),
        };
        let gone = if peek { None } else { queue.pop_front() };
        drop(queue);
        if let Some(gone) = gone {
            self.queued
                .set(self.queued.get().saturating_sub(gone.bytes.len()));
        }
        Some(received)
    }

    /// Bytes of several messages, but of no more than one with descriptors or from another sender.
    fn receive_stream(&self, room: usize, peek: bool) -> Option<Received> {
        let mut queue = self.queue.borrow_mut();
        let first = queue.front()?;
        let mut received = Received {
            sender: Some(first.sender),
            ..Received::default()
        };
        let mut gone = Vec::new();
        let mut at = 0;
        while let Some(message) = queue.get_mut(at) {
            let full = received.bytes.len() >= room;
            let foreign = self.pass_credentials.get() && Some(message.sender) != received.sender;
            let second = message.parcel.is_some() && !received.bytes.is_empty();
            if full || foreign || second || !received.files.is_empty() {
                break;
            }
            let count = message.bytes.len().min(room - received.bytes.len());
            if let Some(parcel) = &message.parcel {
                received.files = parcel.files().to_vec();
            }
            if peek {
                received.bytes.extend(message.bytes.iter().take(count));
                at += 1;
                continue;
            }
            received.bytes.extend(message.bytes.drain(..count));
            gone.extend(message.parcel.take());
            if message.bytes.is_empty() {
                queue.pop_front();
            }
        }
        drop(queue);
        received.whole = received.bytes.len();
        if !peek {
            self.queued.set(self.queued.get().saturating_sub(received.whole));
        }
        drop(gone);
        Some(received)
    }

    /// Bytes waiting to be read (`FIONREAD`): of the next message, or all of a stream's.
    pub(crate) fn waiting(&self) -> usize {
        match self.style {
            Style::Stream => self.queued.get(),
            _ => self
                .queue
                .borrow()
                .front()
                .map_or(0, |message| message.bytes.len()),
        }
    }

    /// What `poll(2)` says.
    pub(crate) fn readiness(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        let connections = match &*self.state.borrow() {
            State::Listening { waiting, .. } => !waiting.is_empty(),
            _ => false,
        };
        let lonely = self.style != Style::Datagram && self.is_connected() && self.peer().is_none();
        let (no_in, no_out) = (self.no_more_in.get() || lonely, self.no_more_out.get() || lonely);
        if !self.queue.borrow().is_empty() || connections || no_in {
            events |= PollEvents::IN | PollEvents::RDNORM;
        }
        if no_in {
            events |= PollEvents::RDHUP;
        }
        let unused = self.style != Style::Datagram && !self.is_connected() && !self.is_listening();
        if unused || (no_in && no_out) {
            events |= PollEvents::HUP;
        }
        if self.error.get().is_some() {
            events |= PollEvents::ERR;
        }
        let full = self.peer().is_some_and(|peer| {
            peer.queued.get() > CAPACITY / 4 || peer.queued.room(CAPACITY) == 0 || peer.is_crowded()
        });
        if !self.is_listening() && !full {
            events |= PollEvents::OUT | PollEvents::WRNORM | PollEvents::WRBAND;
        }
        events
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.style == Style::Datagram {
            return;
        }
        let unread = !self.queue.get_mut().is_empty();
        if let State::Connected { peer, .. } = self.state.get_mut()
            && let Some(peer) = peer.upgrade()
        {
            if unread {
                peer.error.set(Some(Errno::ECONNRESET));
            }
            peer.no_more_in.set(true);
            peer.no_more_out.set(true);
            peer.changed();
        }
        if let State::Listening { waiting, .. } = self.state.get_mut() {
            for end in waiting.drain(..) {
                // Linux: a connection that nobody accepted is reset.
                if let Some(peer) = end.peer() {
                    peer.error.set(Some(Errno::ECONNRESET));
                }
            }
        }
        self.bell.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(style: Style) -> (Rc<Socket>, Rc<Socket>) {
        let bell = Bell::default();
        let new = |number| Socket::new(style, number, Sender::default(), &bell);
        let (a, b) = (new(1), new(2));
        Socket::join(&a, &b);
        (a, b)
    }

    fn send(socket: &Rc<Socket>, bytes: &[u8]) -> Result<usize, Refusal> {
        socket.send(None, bytes, Sender::default(), &mut None)
    }

    #[test]
    fn streams_join_messages_and_packets_keep_them() {
        for (style, first) in [(Style::Stream, &b"onetw"[..]), (Style::Packet, b"one")] {
            let (a, b) = pair(style);
            assert_eq!(send(&a, b"one"), Ok(3));
            assert_eq!(send(&a, b"two"), Ok(3));
            assert_eq!(b.receive(5, true).expect("bytes").bytes, first);
            assert_eq!(b.receive(5, false).expect("bytes").bytes, first);
            drop(a);
            assert!(!b.receive(5, false).expect("the rest").bytes.is_empty());
            assert!(b.receive(5, false).expect("the end").bytes.is_empty());
            assert_eq!(send(&b, b"x"), Err(Errno::EPIPE.into()));
        }
    }

    #[test]
    fn unread_bytes_reset_the_peer() {
        let (a, b) = pair(Style::Stream);
        assert_eq!(send(&a, b"x"), Ok(1));
        drop(b);
        assert!(a.readiness().contains(PollEvents::ERR | PollEvents::HUP));
        assert_eq!(a.receive(1, false).err(), Some(Errno::ECONNRESET.into()));
    }

    #[test]
    fn a_full_queue_takes_no_more_until_it_is_read() {
        let (a, b) = pair(Style::Stream);
        let much = vec![1; CAPACITY + 10];
        assert_eq!(send(&a, &much), Ok(CAPACITY));
        assert_eq!(send(&a, b"x"), Err(Refusal::NotYet));
        assert!(!a.readiness().contains(PollEvents::OUT));
        assert_eq!(b.receive(CAPACITY, false).expect("bytes").whole, CAPACITY);
        assert_eq!(send(&a, b"x"), Ok(1));
    }

    #[test]
    fn names_go_to_addresses_and_back() {
        for name in [&b""[..], b"/tmp/x", b"\0abstract\0with\0zeros"] {
            assert_eq!(name_of(&address_of(name)), Ok(name.to_vec()));
        }
        assert_eq!(name_of(&[1]), Err(Errno::EINVAL));
        assert_eq!(name_of(&[2, 0, 65]), Err(Errno::EINVAL));
        assert_eq!(name_of(&[1; 111]), Err(Errno::EINVAL));
    }
}
