//! FIFOs (`fifo(7)`): pipes with a name in a file system. The host keeps the name, its owner and mode; the bytes and the
//! ends are the machine's own ([`Pipe`]), so that an open that waits for the other side never blocks the host's thread.
//!
//! Own are all FIFOs of a root folder, and those that guests made; any other is shared with programs of the host and is a
//! stream of the host's. Key types: [`Fifos`], [`Opening`]. Neighbours: [`super::open`], `syscall/fifo`.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use abi::Errno;
use abi::flags::{O_ACCMODE, OpenFlags};
use abi::fs::{S_IFIFO, S_IFMT, Stat};
use rustix::fs::{CWD, Mode, OFlags};

use super::host::{convert_stat, errno};
use super::open::CREATION;
use super::pipe::{End, Pipe};
use super::resolve::normalize;
use super::{File, Kind};
use crate::kernel::Kernel;

/// A file system's device number and the inode's.
type Node = (u64, u64);

/// The FIFOs that guests made, and the pipes of those that are open.
#[derive(Debug, Default)]
pub(crate) struct Fifos {
    made: BTreeSet<Node>,
    open: BTreeMap<Node, Weak<Pipe>>,
}

/// An open that waits for the other side. It counts as an end meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) file: Rc<File>,
    /// The partners that had come before it.
    before: u64,
}

impl Opening {
    /// An open that must wait: the file is a FIFO's end to be read or written, nobody has the other, and it may block.
    pub(crate) fn of(file: &Rc<File>) -> Option<Self> {
        let end = lonely(file)?;
        (!file.has(OpenFlags::NONBLOCK)).then(|| Self {
            file: Rc::clone(file),
            before: end.pipe().partners_so_far(end.is_writer()),
        })
    }

    /// Whether the other side has been there, if only for a moment.
    pub(crate) fn is_met(&self) -> bool {
        match &self.file.kind {
            Kind::Pipe(end) => end.pipe().partners_so_far(end.is_writer()) != self.before,
            _ => true,
        }
    }
}

/// A FIFO's end that only reads, or only writes, and whose other side nobody has open. A pipe without a name never waits for
/// its other side (`fifo_open` in Linux's fs/pipe.c).
fn lonely(file: &File) -> Option<&End> {
    match &file.kind {
        Kind::Pipe(end) if end.node().is_some() && file.flags.get() & O_ACCMODE != OpenFlags::RDWR.bits() => {
            (!end.pipe().has_partner(end.is_writer())).then_some(end)
        }
        _ => None,
    }
}

impl Kernel {
    /// A guest made a FIFO.
    pub(crate) fn note_fifo(&mut self, stat: &Stat) {
        self.fifos.made.insert((stat.device, stat.inode));
    }

    /// Whether this is a FIFO between guests.
    pub(super) fn is_own_fifo(&self, stat: &Stat) -> bool {
        stat.mode & S_IFMT == S_IFIFO
            && (self.config.root.is_some() || self.fifos.made.contains(&(stat.device, stat.inode)))
    }

    /// An end of a FIFO. `node` holds the host's file.
    ///
    /// # Errors
    /// `ENXIO` for one that is to be written without waiting while nobody reads.
    pub(super) fn open_fifo(
        &mut self,
        node: Rc<OwnedFd>,
        stat: &Stat,
        path: Vec<u8>,
        flags: OpenFlags,
    ) -> Result<Rc<File>, Errno> {
        let access = flags.bits() & O_ACCMODE;
        let (reads, writes) = match access {
            0 => (true, false),
            1 => (false, true),
            _ => (true, true),
        };
        let pipe = self.pipe_of((stat.device, stat.inode));
        if writes && !reads && flags.contains(OpenFlags::NONBLOCK) && !pipe.has_partner(true) {
            return Err(Errno::ENXIO);
        }
        let end = End::of(&pipe, reads, writes, Some(node));
        Ok(File::new(Kind::Pipe(end), flags.difference(CREATION), path))
    }

    /// A FIFO that the host would not open to be written because it has no reader there.
    pub(super) fn open_written_fifo(
        &mut self,
        name: &[u8],
        how: OFlags,
        shown: &[u8],
        flags: OpenFlags,
    ) -> Result<Rc<File>, Errno> {
        let how = how & OFlags::NOFOLLOW | OFlags::PATH | OFlags::CLOEXEC;
        let node = rustix::fs::openat(CWD, name, how, Mode::empty()).map_err(errno)?;
        let stat = convert_stat(&rustix::fs::fstat(&node).map_err(errno)?);
        if !self.is_own_fifo(&stat) {
            return Err(Errno::ENXIO);
        }
        self.open_fifo(Rc::new(node), &stat, normalize(shown), flags)
    }

    fn pipe_of(&mut self, node: Node) -> Rc<Pipe> {
        if let Some(pipe) = self.fifos.open.get(&node).and_then(Weak::upgrade) {
            return pipe;
        }
        self.fifos.open.retain(|_, pipe| pipe.strong_count() > 0);
        self.nameless += 1;
        let page = self.memory.granule().bytes() as usize;
        let pipe = Pipe::new(&self.bell, self.nameless, page);
        self.fifos.open.insert(node, Rc::downgrade(&pipe));
        pipe
    }

    /// `fstat(2)` of a FIFO's end: what the host keeps of it.
    pub(super) fn stat_fifo(&self, end: &End) -> Result<Stat, Errno> {
        let node = end.node().ok_or(Errno::EBADF)?;
        Ok(convert_stat(&rustix::fs::fstat(node).map_err(errno)?))
    }
}
