//! What can go wrong, in mm's own words. `process` turns [`MapError`] into an errno and a [`Violation`] into
//! a signal; this crate knows neither.

use std::fmt;

use arch::{Bytes, VirtAddr};

use crate::swap::SwapError;

/// All frames are in use, but for the few kept back from memory that grows. Nothing was changed by the call that met it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfRam {
    /// What a frame was needed for.
    pub what: &'static str,
    /// How large RAM is.
    pub ram: Bytes,
}

impl fmt::Display for OutOfRam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "out of RAM: no frame left for a {} (RAM is {} KiB)",
            self.what,
            self.ram.kib()
        )
    }
}

impl std::error::Error for OutOfRam {}

/// Which resource limit of getrlimit(2) refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LimitKind {
    /// `RLIMIT_AS`: ENOMEM.
    AddressSpace,
    /// `RLIMIT_DATA`: ENOMEM.
    Data,
    /// `RLIMIT_MEMLOCK`: EAGAIN from mmap, mremap and brk, ENOMEM from mlock.
    Locked,
}

/// Why a mapping call failed, named after the man pages.
#[derive(Debug)]
pub enum MapError {
    /// No place for so many bytes: ENOMEM.
    NoSpace,
    /// More mappings than `vm.max_map_count`: ENOMEM.
    TooManyMaps,
    /// Over a resource limit.
    Limit(LimitKind),
    /// `MAP_FIXED_NOREPLACE` and something is there: EEXIST.
    Exists,
    /// Nothing is mapped in (part of) the range: ENOMEM, or EFAULT from mremap.
    Unmapped,
    /// Arguments that do not fit each other or this mapping: EINVAL.
    Invalid,
    /// The file was not opened for that: EACCES.
    Denied,
    /// mseal(2) forbids it: EPERM.
    Sealed,
    /// More memory than the machine promises (`vm.overcommit_memory`): ENOMEM.
    Overcommit,
    /// The pages cannot be made present, for they lie past the end of the file: EFAULT
    /// (`MADV_POPULATE_READ`, `MADV_POPULATE_WRITE`).
    BadAddress,
    /// No frame was left.
    OutOfRam(OutOfRam),
    /// The host could not read or write the file: EIO.
    Io(std::io::Error),
    /// A swapped page cannot be read back: EIO.
    Swap(SwapError),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSpace => f.write_str("no free range of addresses is large enough"),
            Self::TooManyMaps => f.write_str("too many mappings (vm.max_map_count)"),
            Self::Limit(kind) => write!(f, "over the {kind:?} resource limit"),
            Self::Exists => f.write_str("something is mapped there already"),
            Self::Unmapped => f.write_str("nothing is mapped in part of the range"),
            Self::Invalid => f.write_str("the arguments do not fit the mapping"),
            Self::Sealed => f.write_str("the mapping is sealed (mseal)"),
            Self::Overcommit => f.write_str("more memory than may be promised (vm.overcommit_memory)"),
            Self::Denied => f.write_str("the file was not opened for this access"),
            Self::BadAddress => f.write_str("the pages lie past the end of the file"),
            Self::OutOfRam(out) => out.fmt(f),
            Self::Io(error) => write!(f, "the host failed on the mapped file: {error}"),
            Self::Swap(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::OutOfRam(out) => Some(out),
            Self::Io(error) => Some(error),
            Self::Swap(error) => Some(error),
            _ => None,
        }
    }
}

impl From<OutOfRam> for MapError {
    fn from(out: OutOfRam) -> Self {
        Self::OutOfRam(out)
    }
}

/// A fault that becomes a signal.
#[derive(Debug)]
pub struct Violation {
    /// Which signal.
    pub signal: ViolationKind,
    /// The exact byte, with its tag: `si_addr`.
    pub address: VirtAddr,
}

/// Which signal a [`Violation`] is.
#[derive(Debug)]
pub enum ViolationKind {
    /// SIGSEGV, `SEGV_MAPERR`: nothing is mapped there.
    MapErr,
    /// SIGSEGV, `SEGV_ACCERR`: the mapping does not allow it.
    AccErr,
    /// SIGBUS, `BUS_ADRERR`: past the end of the file.
    BusAdrErr,
    /// SIGBUS, `BUS_ADRERR`: the file could not be read.
    BusIo(std::io::Error),
    /// SIGBUS, `BUS_ADRERR`: the page was swapped, and cannot be read back.
    BusSwap(SwapError),
    /// SIGBUS, `BUS_ADRALN`: not aligned.
    Alignment,
    /// SIGKILL: no frame was left.
    OutOfRam(OutOfRam),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.signal {
            ViolationKind::MapErr => write!(f, "nothing is mapped at {}", self.address),
            ViolationKind::AccErr => write!(f, "the mapping at {} forbids the access", self.address),
            ViolationKind::BusAdrErr => write!(f, "{} is past the end of the mapped file", self.address),
            ViolationKind::BusIo(error) => {
                write!(
                    f,
                    "the file mapped at {} could not be read: {error}",
                    self.address
                )
            }
            ViolationKind::BusSwap(error) => write!(f, "the page at {} is lost: {error}", self.address),
            ViolationKind::Alignment => write!(f, "{} is not aligned", self.address),
            ViolationKind::OutOfRam(out) => write!(f, "at {}: {out}", self.address),
        }
    }
}

impl std::error::Error for Violation {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.signal {
            ViolationKind::BusIo(error) => Some(error),
            ViolationKind::OutOfRam(out) => Some(out),
            ViolationKind::BusSwap(error) => Some(error),
            _ => None,
        }
    }
}

/// A copy between the kernel and user memory that met a bad page.
#[derive(Debug)]
pub struct CopyFault {
    /// How many bytes were copied before it.
    pub done: usize,
    /// What an access by the program would have raised.
    pub violation: Violation,
}

impl CopyFault {
    /// The same fault of a copy of which this was a part, so many bytes on.
    pub(crate) fn after(self, before: usize) -> Self {
        Self {
            done: self.done + before,
            ..self
        }
    }
}

impl fmt::Display for CopyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} bytes: {}", self.done, self.violation)
    }
}

impl std::error::Error for CopyFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.violation)
    }
}
