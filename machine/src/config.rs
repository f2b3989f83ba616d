//! What a machine is made of, and why it could not be made.

use std::fmt;
use std::io;

use arch::{Bytes, Granule};
use process::{Spawn, SpawnError};
use ram::RamError;

use crate::debug::DebugAddress;
use crate::swap_file::Swap;

/// What a machine is made of.
#[derive(Debug)]
pub struct Config {
    /// The page size.
    pub granule: Granule,
    /// The amount of RAM, a multiple of the page size.
    pub ram: Bytes,
    /// Which page leaves when RAM is full.
    pub policy: policy::Name,
    /// Where pages without a file go then.
    pub swap: Swap,
    /// The kernel's part: seed, vDSO, bundled programs.
    pub kernel: process::Config,
    /// The first program, its arguments and environment.
    pub program: Spawn,
    /// Whether to listen on the control socket.
    pub serve: bool,
    /// Where a debugger connects; the program waits for one.
    pub debug: Option<DebugAddress>,
}

/// Trouble of the host's, or a program that cannot be run.
#[derive(Debug)]
pub enum MachineError {
    /// RAM could not be made.
    Ram(RamError),
    /// The swap file could not be made.
    Swap(io::Error),
    /// The program could not be loaded.
    Program(SpawnError),
    /// The control socket could not be made.
    Socket(io::Error),
    /// The debugger's socket could not be made.
    DebugSocket(io::Error),
    /// The host's signals cannot be caught.
    Signals(io::Error),
    /// Waiting on the host failed.
    Wait(io::Error),
    /// No task can ever run again: all wait for something that nothing can bring.
    Deadlock {
        /// How many tasks wait.
        tasks: usize,
    },
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ram(error) => error.fmt(f),
            Self::Swap(error) => write!(f, "the swap file cannot be made: {error}"),
            Self::Program(error) => error.fmt(f),
            Self::Socket(error) => write!(f, "the control socket cannot be made: {error}"),
            Self::DebugSocket(error) => write!(f, "cannot listen for a debugger: {error}"),
            Self::Signals(error) => write!(f, "the host's signals cannot be caught: {error}"),
            Self::Wait(error) => write!(f, "waiting on the host failed: {error}"),
            Self::Deadlock { tasks } => {
                write!(
                    f,
                    "no task can run again: {tasks} wait for something that cannot happen"
                )
            }
        }
    }
}

impl std::error::Error for MachineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Ram(error) => Some(error),
            Self::Program(error) => Some(error),
            Self::Swap(error)
            | Self::Socket(error)
            | Self::DebugSocket(error)
            | Self::Signals(error)
            | Self::Wait(error) => Some(error),
            Self::Deadlock { .. } => None,
        }
    }
}
