//! The dumped memory ([`Memory`]): what `PID/mem` reads. What was not dumped is an error, never zeros.

use super::headers::{Load, read_full};
use std::fs::File;
use std::io;

/// The segments over the file.
#[derive(Debug)]
pub(super) struct Memory {
    file: File,
    loads: Vec<Load>,
}

impl Memory {
    pub(super) fn new(file: File, loads: Vec<Load>) -> Self {
        Self { file, loads }
    }

    pub(super) fn loads(&self) -> &[Load] {
        &self.loads
    }

    /// The segment that holds the address.
    pub(super) fn load_at(&self, addr: u64) -> Option<&Load> {
        let after = self.loads.partition_point(|l| l.start <= addr);
        self.loads.get(after.checked_sub(1)?).filter(|l| addr < l.end)
    }

    /// Read at `addr`, on through adjacent segments. It ends early at the first byte that the file does not hold, as `/proc/PID/mem` does at
    /// the end of a mapping.
    ///
    /// # Errors
    /// If not even the first byte is there: why.
    pub(super) fn read_at(&self, addr: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let Some(at) = addr.checked_add(done as u64) else {
                break;
            };
            let Some(load) = self.load_at(at) else { break };
            let into = at - load.start;
            let room = usize::try_from(load.readable.saturating_sub(into)).unwrap_or(usize::MAX);
            let take = room.min(buf.len() - done);
            if take == 0 {
                break;
            }
            let got = read_full(
                &self.file,
                load.offset.saturating_add(into),
                &mut buf[done..done + take],
            )?;
            done += got;
            if got < take {
                break;
            }
        }
        match done {
            0 if !buf.is_empty() => Err(self.why_not(addr)),
            _ => Ok(done),
        }
    }

    /// Why nothing can be read at the address.
    fn why_not(&self, addr: u64) -> io::Error {
        let why = match self.load_at(addr) {
            None => "no segment of the core file holds this address",
            Some(load) if addr - load.start < load.dumped => {
                "the core file is cut short before this address's contents"
            }
            Some(_) => "these pages were not dumped into the core file",
        };
        io::Error::other(why)
    }

    /// A NUL-ended string, if it is there and not longer than `most` bytes.
    pub(super) fn string(&self, addr: u64, most: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; most];
        let got = self.read_at(addr, &mut bytes).ok()?;
        let end = bytes[..got].iter().position(|&b| b == 0)?;
        bytes.truncate(end);
        Some(bytes)
    }
}
