//! Frame allocations that are made to fail, for tests that try each in turn (feature `inject`). Key type: `Inject`.

use crate::Memory;
use crate::error::OutOfRam;

/// Counts the attempts to get a frame, and lets one fail.
#[derive(Debug, Default)]
pub(crate) struct Inject {
    attempts: u64,
    fails: Option<u64>,
}

impl Inject {
    pub(crate) fn attempt(&mut self, out: OutOfRam) -> Result<(), OutOfRam> {
        let number = self.attempts;
        self.attempts += 1;
        match self.fails == Some(number) {
            true => Err(out),
            false => Ok(()),
        }
    }
}

impl Memory {
    /// Lets the attempt of this number, counted from now on, find no frame.
    pub fn fail_frame(&mut self, number: Option<u64>) {
        self.core.frames.inject = Inject {
            attempts: 0,
            fails: number,
        };
    }

    /// Attempts to get a frame since [`Memory::fail_frame`].
    pub fn frame_attempts(&self) -> u64 {
        self.core.frames.inject.attempts
    }
}
