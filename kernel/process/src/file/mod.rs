//! Files as tasks see them: descriptors, open file descriptions, and what stands behind them.
//!
//! - [`table`]: a task's descriptors.
//! - [`resolve`]: the one place where a path becomes a place; with [`root`], which confines it, and [`read_only`].
//! - [`open`]: from a place to an open file. [`again`]: from an open file to another description of it.
//! - [`host`]: files of the host. [`pipe`], [`fifo`]: pipes between guests. [`bundle`]: programs that come with the machine.
//! - [`special`]: what is no stream of bytes: [`eventfd`], [`timerfd`], signals, [`epoll`], sockets ([`unix`], [`inet`]).
//! - [`seals`]: what may no longer be done with a memfd.
//! - [`io`]: reading and writing without ever blocking the machine. [`stat`]: what a file says of itself.
//!
//! Key types: [`File`], an open file description; [`Kind`]; [`FdTable`].

pub(crate) mod again;
pub(crate) mod bundle;
pub(crate) mod epoll;
pub(crate) mod eventfd;
pub(crate) mod fifo;
pub(crate) mod host;
pub(crate) mod inet;
pub(crate) mod inet_control;
pub(crate) mod io;
pub(crate) mod locks;
pub(crate) mod open;
pub(crate) mod pidfd;
pub(crate) mod pipe;
pub(crate) mod pulse;
pub(crate) mod read_only;
pub(crate) mod resolve;
pub(crate) mod root;
pub(crate) mod seals;
pub(crate) mod special;
pub(crate) mod stat;
pub(crate) mod table;
pub(crate) mod timerfd;
pub(crate) mod unix;
pub(crate) mod unix_names;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use abi::flags::{O_ACCMODE, OpenFlags};
use mm::FileId;

pub(crate) use bundle::Bundle;
pub(crate) use host::HostBacking;
pub(crate) use open::Program;
pub(crate) use table::{FdTable, Slot};

use self::pipe::End;
use self::special::Special;
use crate::proc;
use crate::task::Pid;
use crate::terminal::Line;

/// A file that mm has open; the last handle's end is noted for the kernel, which tells mm.
pub(crate) struct MemoryFile {
    id: FileId,
    closing: Rc<RefCell<Vec<FileId>>>,
    seals: Option<seals::Seals>,
}

impl MemoryFile {
    /// Takes over one open handle.
    pub(crate) fn new(id: FileId, closing: &Rc<RefCell<Vec<FileId>>>) -> Self {
        Self {
            id,
            closing: Rc::clone(closing),
            seals: None,
        }
    }

    /// The same as a memfd's.
    pub(crate) fn sealable(mut self, seals: seals::Seals) -> Self {
        self.seals = Some(seals);
        self
    }

    /// A memfd's seals; no other file of the machine's own has any.
    pub(crate) fn seals(&self) -> Option<&seals::Seals> {
        self.seals.as_ref()
    }

    /// mm's name for it.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.closing.borrow_mut().push(self.id);
    }
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// A character device that the kernel itself is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Device {
    Null,
    Zero,
    Full,
    Random,
    /// `/dev/tty`: known by name only; what is opened is a terminal of the host.
    Terminal,
}

/// An entry of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DirEntry {
    pub(crate) name: Vec<u8>,
    pub(crate) inode: u64,
    pub(crate) kind: u8,
}

/// What stands behind an open file description.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A regular file: of the host, or a bundled program (then without `host`).
    Regular {
        memory: Rc<MemoryFile>,
        host: Option<Rc<OwnedFd>>,
        /// Its position is the host's, shared with whoever gave it to us (`< file` in a shell).
        inherited: bool,
    },
    /// A directory of the host; its entries once they have been read.
    Directory {
        host: Rc<OwnedFd>,
        entries: RefCell<Option<Vec<DirEntry>>>,
    },
    /// A terminal, pipe, socket or device of the host.
    Stream(Rc<OwnedFd>),
    /// An end of a pipe between guests.
    Pipe(End),
    /// A device of our own.
    Device(Device),
    /// A file of `/proc`: its text when it was opened, and anew whenever it is read from its start again.
    Text {
        text: RefCell<Vec<u8>>,
        begun: Cell<bool>,
        reader: Pid,
    },
    /// A file of `/proc` that has no whole (`mem`, `pagemap`), read in place.
    Live { reader: Pid },
    /// A directory of our own: `/proc`'s, `/pagewalk`.
    Listing(Vec<DirEntry>),
    /// `O_PATH`: a place of the host.
    Place(Rc<OwnedFd>),
    /// A counter, a timer, a set of files, a socket.
    Special(Special),
}

/// An open file description: shared by `dup` and fork.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) kind: Kind,
    /// Access mode and status flags, as `F_GETFL` gives them.
    pub(crate) flags: Cell<u32>,
    /// Where the next read or write begins.
    position: Cell<u64>,
    /// Its absolute path, or a name such as `pipe:[1]`.
    pub(crate) path: Vec<u8>,
    /// What it is as a terminal of the host.
    line: Cell<Option<Line>>,
    /// Further descriptors of the host, open as long as this is.
    kept: RefCell<Vec<Rc<OwnedFd>>>,
    /// The machine was given it, or what it was opened anew from: it may lie outside of a root folder.
    given: Cell<bool>,
}

impl File {
    /// A description at position 0.
    pub(crate) fn new(kind: Kind, flags: OpenFlags, path: Vec<u8>) -> Rc<Self> {
        Rc::new(Self {
            kind,
            flags: Cell::new(flags.bits()),
            position: Cell::new(0),
            path,
            line: Cell::new(None),
            kept: RefCell::default(),
            given: Cell::new(false),
        })
    }

    /// Keeps a descriptor of the host open as long as this file is.
    pub(crate) fn keep(&self, fd: Rc<OwnedFd>) {
        self.kept.borrow_mut().push(fd);
    }

    /// Closes such a descriptor again; one that is not kept here is left alone.
    pub(crate) fn forget_kept(&self, fd: &Rc<OwnedFd>) {
        self.kept.borrow_mut().retain(|kept| !Rc::ptr_eq(kept, fd));
    }

    /// Whether the machine was given it, so that it may lie outside of a root folder.
    pub(crate) fn is_given(&self) -> bool {
        self.given.get()
    }

    /// Says that the machine was given it.
    pub(crate) fn set_given(&self, given: bool) {
        self.given.set(given);
    }

    /// What it is as a terminal of the host.
    pub(crate) fn line(&self) -> Option<Line> {
        self.line.get()
    }

    /// Says that it is a terminal of the host.
    pub(crate) fn set_line(&self, line: Option<Line>) {
        self.line.set(line);
    }

    /// Whether it may be read.
    pub(crate) fn readable(&self) -> bool {
        self.flags.get() & O_ACCMODE != OpenFlags::WRONLY.bits() && !matches!(self.kind, Kind::Place(_))
    }

    /// Whether it may be written.
    pub(crate) fn writable(&self) -> bool {
        self.flags.get() & O_ACCMODE != 0 && !matches!(self.kind, Kind::Place(_))
    }

    /// Whether a status flag is set.
    pub(crate) fn has(&self, flag: OpenFlags) -> bool {
        self.flags.get() & flag.bits() != 0
    }

    /// The host's descriptor, if there is one.
    pub(crate) fn host(&self) -> Option<&Rc<OwnedFd>> {
        match &self.kind {
            Kind::Regular { host, .. } => host.as_ref(),
            Kind::Directory { host, .. }
            | Kind::Stream(host)
            | Kind::Place(host)
            | Kind::Special(Special::Inet(host, _)) => Some(host),
            Kind::Pipe(_)
            | Kind::Device(_)
            | Kind::Text { .. }
            | Kind::Live { .. }
            | Kind::Listing(_)
            | Kind::Special(_) => None,
        }
    }

    /// Whether it has a position.
    pub(crate) fn seekable(&self) -> bool {
        !matches!(self.kind, Kind::Stream(_) | Kind::Pipe(_) | Kind::Special(_))
    }

    /// Where the next read or write begins.
    pub(crate) fn position(&self) -> u64 {
        match &self.kind {
            Kind::Regular {
                host: Some(host),
                inherited: true,
                ..
            } => rustix::fs::tell(host).unwrap_or(0),
            _ => self.position.get(),
        }
    }

    /// Moves to a position.
    pub(crate) fn set_position(&self, to: u64) {
        if let Kind::Regular {
            host: Some(host),
            inherited: true,
            ..
        } = &self.kind
        {
            // A regular file can always be moved in; a failure would leave the position as it is.
            let _ = rustix::fs::seek(host, rustix::fs::SeekFrom::Start(to));
        }
        self.position.set(to);
    }
}

impl From<proc::Entry> for DirEntry {
    fn from(entry: proc::Entry) -> Self {
        Self {
            inode: entry.inode,
            name: entry.name,
            kind: entry.kind,
        }
    }
}
