//! Pipes between guests, in the kernel's own memory: nothing of them reaches the host.
//!
//! Key types: [`Pipe`], [`End`]. Rules of `pipe(7)`: 16 pages unless `F_SETPIPE_SZ` says otherwise; writes of up to `PIPE_BUF` bytes are not mixed.
//! A pipe with a name is [`fifo`](super::fifo)'s: its ends come and go.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use abi::Errno;
use abi::flags::PollEvents;

use super::pulse::Pulse;
use crate::wait::{Bell, Held};

/// Pages that a pipe holds at first (`PIPE_DEF_BUFFERS`).
const PAGES: usize = 16;
/// Bytes that a pipe may be made to hold (`fs.pipe-max-size`): root's too, since they are the machine's own memory.
pub(crate) const MOST: usize = 1 << 20;
/// Writes up to this size are whole or not at all.
const PIPE_BUF: usize = 4096;

/// The bytes in flight and who is there.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    bytes: RefCell<VecDeque<u8>>,
    held: Held,
    capacity: Cell<usize>,
    readers: Cell<u32>,
    writers: Cell<u32>,
    /// Reading and writing ends that there have ever been.
    came: [Cell<u64>; 2],
    bell: Bell,
    pulse: Pulse,
    number: u64,
}

/// One end. Making and dropping ends counts them, and rings the bell.
#[derive(Debug)]
pub(crate) struct End {
    pipe: Rc<Pipe>,
    reads: bool,
    writes: bool,
    /// The writers that had come and gone before this end: of their end nothing is told.
    before: u64,
    /// The file that is the name of a FIFO.
    node: Option<Rc<OwnedFd>>,
}

/// What a write to a pipe came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Written {
    /// So many bytes.
    Bytes(usize),
    /// No room now.
    Full,
    /// Nobody will ever read.
    Broken,
}

/// Makes a pipe of this number for pages of this size: its reading and its writing end.
pub(crate) fn pair(bell: &Bell, number: u64, page: usize) -> (End, End) {
    let pipe = Pipe::new(bell, number, page);
    (
        End::of(&pipe, true, false, None),
        End::of(&pipe, false, true, None),
    )
}

impl Pipe {
    /// A pipe without ends, for pages of this size.
    pub(crate) fn new(bell: &Bell, number: u64, page: usize) -> Rc<Self> {
        Rc::new(Self {
            held: bell.holder(),
            bell: bell.clone(),
            number,
            capacity: Cell::new(PAGES * page),
            ..Self::default()
        })
    }

    /// Whether somebody has the other end of one that reads, or writes, open.
    pub(crate) fn has_partner(&self, writes: bool) -> bool {
        let partners = if writes { &self.readers } else { &self.writers };
        partners.get() > 0
    }

    /// How many partners of an end that reads, or writes, there have ever been.
    pub(crate) fn partners_so_far(&self, writes: bool) -> u64 {
        self.came[usize::from(!writes)].get()
    }
}

impl End {
    /// One more end of a pipe: reading, writing, or both.
    pub(crate) fn of(pipe: &Rc<Pipe>, reads: bool, writes: bool, node: Option<Rc<OwnedFd>>) -> Self {
        let before = match pipe.writers.get() {
            0 => pipe.came[1].get(),
            _ => u64::MAX,
        };
        let ends = [(reads, &pipe.readers), (writes, &pipe.writers)];
        for ((used, count), came) in ends.into_iter().zip(&pipe.came) {
            if used {
                count.set(count.get() + 1);
                came.set(came.get() + 1);
            }
        }
        pipe.pulse.changed();
        pipe.bell.ring();
        Self {
            pipe: Rc::clone(pipe),
            reads,
            writes,
            before,
            node,
        }
    }

    /// A further end of the pipe that another is an end of.
    pub(crate) fn again(other: &Self, reads: bool, writes: bool) -> Self {
        Self::of(&other.pipe, reads, writes, other.node.clone())
    }

    /// What it is an end of.
    pub(crate) fn pipe(&self) -> &Pipe {
        &self.pipe
    }

    /// Whether bytes can be put in here.
    pub(crate) fn is_writer(&self) -> bool {
        self.writes
    }

    /// The file that is its name, if it has one.
    pub(crate) fn node(&self) -> Option<&Rc<OwnedFd>> {
        self.node.as_ref()
    }

    /// Takes bytes out: how many, 0 at the end, `None` if there are none yet.
    pub(crate) fn read(&self, to: &mut [u8]) -> Option<usize> {
        let mut bytes = self.pipe.bytes.borrow_mut();
        if bytes.is_empty() && !to.is_empty() {
            return (self.pipe.writers.get() == 0).then_some(0);
        }
        if self.room() < PIPE_BUF {
            self.pipe.pulse.made_room();
        }
        let count = bytes.len().min(to.len());
        for (slot, byte) in to.iter_mut().zip(bytes.drain(..count)) {
            *slot = byte;
        }
        self.pipe.held.set(bytes.len());
        self.pipe.bell.ring();
        Some(count)
    }

    /// Puts bytes in.
    pub(crate) fn write(&self, from: &[u8]) -> Written {
        if self.pipe.readers.get() == 0 {
            return Written::Broken;
        }
        let mut bytes = self.pipe.bytes.borrow_mut();
        let room = self.room();
        let count = room.min(from.len());
        if count < from.len() && (from.len() <= PIPE_BUF || count == 0) {
            return Written::Full;
        }
        bytes.extend(&from[..count]);
        self.pipe.held.set(bytes.len());
        self.pipe.pulse.arrived();
        self.pipe.bell.ring();
        Written::Bytes(count)
    }

    /// What `poll(2)` says of this end.
    pub(crate) fn readiness(&self) -> PollEvents {
        let bytes = self.pipe.bytes.borrow();
        let mut events = PollEvents::empty();
        if self.writes {
            if self.room() >= PIPE_BUF {
                events |= PollEvents::OUT | PollEvents::WRNORM;
            }
            if self.pipe.readers.get() == 0 {
                events |= PollEvents::ERR;
            }
        }
        if self.reads {
            if !bytes.is_empty() {
                events |= PollEvents::IN | PollEvents::RDNORM;
            }
            if self.pipe.writers.get() == 0 && self.pipe.came[1].get() != self.before {
                events |= PollEvents::HUP;
            }
        }
        events
    }

    fn room(&self) -> usize {
        self.pipe.held.room(self.pipe.capacity.get())
    }

    /// How many bytes it holds (`F_GETPIPE_SZ`).
    pub(crate) fn capacity(&self) -> usize {
        self.pipe.capacity.get()
    }

    /// Makes it hold at least so many bytes (`F_SETPIPE_SZ`), in pages of this size to a power of two.
    ///
    /// # Errors
    /// `EINVAL` for a negative size, `EPERM` for more than a pipe may hold, `EBUSY` if more is in it now.
    pub(crate) fn set_capacity(&self, size: i32, page: usize) -> Result<usize, Errno> {
        let size = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
        let size = size.max(page).next_power_of_two();
        let old = self.pipe.capacity.get();
        if size > old && size > MOST {
            return Err(Errno::EPERM);
        }
        if self.pipe.bytes.borrow().len() > size {
            return Err(Errno::EBUSY);
        }
        self.pipe.capacity.set(size);
        if size > old {
            self.pipe.pulse.made_room();
            self.pipe.bell.ring();
        }
        Ok(size)
    }

    /// Bytes waiting to be read (`FIONREAD`).
    pub(crate) fn waiting(&self) -> usize {
        self.pipe.bytes.borrow().len()
    }

    /// What happened to the pipe.
    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pipe.pulse
    }

    /// A number that both ends share.
    pub(crate) fn number(&self) -> u64 {
        self.pipe.number
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let ends = [
            (self.reads, &self.pipe.readers),
            (self.writes, &self.pipe.writers),
        ];
        for (_, count) in ends.into_iter().filter(|(used, _)| *used) {
            count.set(count.get() - 1);
        }
        self.pipe.pulse.changed();
        self.pipe.bell.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_and_end_with_the_writer() {
        let (read, write) = pair(&Bell::default(), 1, 4096);
        let mut to = [0; 4];
        assert_eq!(read.read(&mut to), None);
        assert_eq!(write.write(b"hello"), Written::Bytes(5));
        assert_eq!(read.read(&mut to), Some(4));
        assert_eq!(&to, b"hell");
        drop(write);
        assert_eq!(read.read(&mut to), Some(1));
        assert_eq!(read.read(&mut to), Some(0));
        assert!(read.readiness().contains(PollEvents::HUP));
    }

    /// pipe(7): a write of at most PIPE_BUF bytes is atomic, a larger one may be partial.
    #[test]
    fn small_writes_are_whole_or_not_at_all() {
        let (read, write) = pair(&Bell::default(), 1, 4096);
        assert_eq!(write.write(&vec![0; 65536 - 100]), Written::Bytes(65536 - 100));
        assert_eq!(write.write(&[0; 101]), Written::Full);
        assert_eq!(write.write(&[0; 5000]), Written::Bytes(100));
        assert_eq!(write.write(&[0; 5000]), Written::Full);
        assert_eq!(read.read(&mut [0; 10]), Some(10));
        assert!(!write.readiness().contains(PollEvents::OUT));
    }

    /// fcntl(2), F_SETPIPE_SZ, as Linux 6.18 answers it.
    #[test]
    fn a_pipe_takes_another_size() {
        let (read, write) = pair(&Bell::default(), 1, 4096);
        assert_eq!(read.set_capacity(5000, 4096), Ok(8192));
        assert_eq!(write.capacity(), 8192);
        assert_eq!(write.write(&[0; 10_000]), Written::Bytes(8192));
        assert_eq!(write.set_capacity(4096, 4096), Err(Errno::EBUSY));
        assert_eq!(write.set_capacity(0, 65536), Ok(65536));
        assert!(write.readiness().contains(PollEvents::OUT));
        assert_eq!(write.set_capacity((1 << 20) + 1, 4096), Err(Errno::EPERM));
        assert_eq!(write.set_capacity(-1, 4096), Err(Errno::EINVAL));
    }

    #[test]
    fn nobody_reads_a_broken_pipe() {
        let (read, write) = pair(&Bell::default(), 1, 4096);
        drop(read);
        assert_eq!(write.write(b"x"), Written::Broken);
        assert!(write.readiness().contains(PollEvents::ERR));
    }
}
