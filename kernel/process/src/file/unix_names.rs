//! What the Unix sockets of a machine share: their names, and the descriptors on their way between them.
//!
//! Key types: [`Names`], [`Hub`], [`Parcel`]. The sockets themselves are in [`unix`](super::unix).

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use abi::Errno;
use abi::net::{AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM, SUN_PATH};
use rustc_hash::FxHashMap;

use super::File;
use super::unix::Socket;

/// Descriptors on their way at once. Linux limits each user by `RLIMIT_NOFILE`.
const MOST_IN_FLIGHT: usize = 16384;

/// Who sent: process, user, group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sender {
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// How a socket carries what is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// Bytes without borders.
    Stream,
    /// Messages to anybody.
    Datagram,
    /// Messages to one peer.
    Packet,
}

impl Style {
    /// The style of a `SOCK_*` number.
    pub(crate) fn new(kind: u32) -> Result<Self, Errno> {
        match kind {
            SOCK_STREAM => Ok(Self::Stream),
            SOCK_DGRAM => Ok(Self::Datagram),
            SOCK_SEQPACKET => Ok(Self::Packet),
            _ => Err(Errno::ESOCKTNOSUPPORT),
        }
    }

    /// Its `SOCK_*` number.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Stream => SOCK_STREAM,
            Self::Datagram => SOCK_DGRAM,
            Self::Packet => SOCK_SEQPACKET,
        }
    }
}

/// Descriptors on their way (`SCM_RIGHTS`). They are counted; what nobody took is closed by the kernel, not by whoever drops
/// the message: sockets in sockets in sockets would be closed as deep as they lie.
#[derive(Debug)]
pub(crate) struct Parcel {
    files: Vec<Rc<File>>,
    hub: Rc<Hub>,
}

impl Parcel {
    /// Packs descriptors.
    ///
    /// # Errors
    /// `ETOOMANYREFS` if too many are on their way.
    pub(crate) fn new(files: Vec<Rc<File>>, hub: &Rc<Hub>) -> Result<Self, Errno> {
        let count = hub.in_flight.get() + files.len();
        if count > MOST_IN_FLIGHT {
            return Err(Errno::ETOOMANYREFS);
        }
        hub.in_flight.set(count);
        let hub = Rc::clone(hub);
        Ok(Self { files, hub })
    }

    /// What is in it; it stays.
    pub(crate) fn files(&self) -> &[Rc<File>] {
        &self.files
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        let left = self.hub.in_flight.get().saturating_sub(self.files.len());
        self.hub.in_flight.set(left);
        self.hub.graveyard.borrow_mut().append(&mut self.files);
    }
}

/// What all sockets of a machine share.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    in_flight: Cell<usize>,
    graveyard: RefCell<Vec<Rc<File>>>,
}

impl Hub {
    /// Closes the files that were on their way to nobody.
    pub(crate) fn bury(&self) {
        loop {
            let Some(file) = self.graveyard.borrow_mut().pop() else {
                return;
            };
            drop(file);
        }
    }
}

/// The names of bound sockets.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Each style has its own.
    abstracts: FxHashMap<(u32, Vec<u8>), Weak<Socket>>,
    /// By device and inode of the host's file.
    paths: FxHashMap<(u64, u64), Weak<Socket>>,
    /// For names that the kernel chooses.
    next: u32,
}

impl Names {
    /// Gives a socket an abstract name.
    ///
    /// # Errors
    /// `EADDRINUSE`.
    pub(crate) fn bind_abstract(&mut self, name: &[u8], socket: &Rc<Socket>) -> Result<(), Errno> {
        self.abstracts.retain(|_, socket| socket.strong_count() > 0);
        let key = (socket.style.number(), name.to_vec());
        if self.abstracts.contains_key(&key) {
            return Err(Errno::EADDRINUSE);
        }
        self.abstracts.insert(key, Rc::downgrade(socket));
        Ok(())
    }

    /// Notes which file of the host names a socket.
    pub(crate) fn bind_path(&mut self, key: (u64, u64), socket: &Rc<Socket>) {
        self.paths.retain(|_, socket| socket.strong_count() > 0);
        self.paths.insert(key, Rc::downgrade(socket));
    }

    /// The socket of an abstract name.
    pub(crate) fn find_abstract(&self, name: &[u8], style: Style) -> Option<Rc<Socket>> {
        let key = (style.number(), name.to_vec());
        self.abstracts.get(&key).and_then(Weak::upgrade)
    }

    /// The socket that a file of the host names.
    pub(crate) fn find_path(&self, key: (u64, u64)) -> Option<Rc<Socket>> {
        self.paths.get(&key).and_then(Weak::upgrade)
    }

    /// An abstract name that nobody has: five hexadecimal digits (`unix_autobind`).
    pub(crate) fn fresh(&mut self, style: Style) -> Vec<u8> {
        loop {
            self.next = (self.next + 1) & 0xf_ffff;
            let name = format!("\0{:05x}", self.next).into_bytes();
            if self.find_abstract(&name, style).is_none() {
                return name;
            }
        }
    }
}

/// `sockaddr_un` of a name: nothing, a path, or an abstract name with its leading zero.
pub(crate) fn address_of(name: &[u8]) -> Vec<u8> {
    let mut bytes = AF_UNIX.to_le_bytes().to_vec();
    bytes.extend_from_slice(name);
    if name.first().is_some_and(|byte| *byte != 0) {
        bytes.push(0);
    }
    bytes
}

/// The name in a `sockaddr_un`; empty if there is only the family.
///
/// # Errors
/// `EINVAL` for another family or a length that no such address has.
pub(crate) fn name_of(address: &[u8]) -> Result<Vec<u8>, Errno> {
    let (family, path) = address.split_first_chunk::<2>().ok_or(Errno::EINVAL)?;
    if u16::from_le_bytes(*family) != AF_UNIX || path.len() > SUN_PATH {
        return Err(Errno::EINVAL);
    }
    match path.first() {
        None => Ok(Vec::new()),
        Some(0) => Ok(path.to_vec()),
        Some(_) => {
            let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
            Ok(path.get(..end).unwrap_or(path).to_vec())
        }
    }
}
