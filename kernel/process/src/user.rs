//! The kernel's hands in user memory: copies that resolve faults on the way, with `EFAULT` for bad addresses.

use abi::Errno;
use arch::VirtAddr;
use mm::{CopyFault, ViolationKind};

use crate::kernel::Kernel;
use crate::task::Pid;

impl Kernel {
    /// Fills a buffer from user memory.
    pub(crate) fn read_user(&mut self, pid: Pid, from: u64, to: &mut [u8]) -> Result<(), Errno> {
        let space = self.task(pid).space().id;
        let copied = self.memory.copy_in(space, VirtAddr::new(from), to);
        copied.map_err(|fault| self.copy_failed(pid, &fault))
    }

    /// Writes bytes to user memory.
    pub(crate) fn write_user(&mut self, pid: Pid, to: u64, from: &[u8]) -> Result<(), Errno> {
        let space = self.task(pid).space().id;
        let copied = self.memory.copy_out(space, VirtAddr::new(to), from);
        copied.map_err(|fault| self.copy_failed(pid, &fault))
    }

    /// Fills as much of a buffer as user memory allows: how many bytes, or `EFAULT` if it is none of some.
    pub(crate) fn read_user_partly(&mut self, pid: Pid, from: u64, to: &mut [u8]) -> Result<usize, Errno> {
        let space = self.task(pid).space().id;
        match self.memory.copy_in(space, VirtAddr::new(from), to) {
            Ok(()) => Ok(to.len()),
            Err(fault) => self.partly(pid, &fault),
        }
    }

    /// Writes as many bytes as user memory allows.
    pub(crate) fn write_user_partly(&mut self, pid: Pid, to: u64, from: &[u8]) -> Result<usize, Errno> {
        let space = self.task(pid).space().id;
        match self.memory.copy_out(space, VirtAddr::new(to), from) {
            Ok(()) => Ok(from.len()),
            Err(fault) => self.partly(pid, &fault),
        }
    }

    fn partly(&mut self, pid: Pid, fault: &CopyFault) -> Result<usize, Errno> {
        let errno = self.copy_failed(pid, fault);
        if fault.done > 0 {
            Ok(fault.done)
        } else {
            Err(errno)
        }
    }

    /// The errno of a copy that failed; one that found no frame kills the task.
    fn copy_failed(&mut self, pid: Pid, fault: &CopyFault) -> Errno {
        if let ViolationKind::OutOfRam(out) = fault.violation.signal {
            self.kill_for_ram(pid, out);
        }
        Errno::EFAULT
    }

    /// A text that ends in a zero, at most `limit` bytes with it.
    pub(crate) fn read_text(&mut self, pid: Pid, from: u64, limit: usize) -> Result<Option<Vec<u8>>, Errno> {
        let mut text = Vec::new();
        let mut at = from;
        while text.len() < limit {
            // Up to the next 64-byte boundary: never into the next page before it is needed.
            let step = (64 - (at % 64) as usize).min(limit - text.len());
            let mut chunk = [0; 64];
            self.read_user(pid, at, &mut chunk[..step])?;
            if let Some(end) = chunk[..step].iter().position(|b| *b == 0) {
                text.extend_from_slice(&chunk[..end]);
                return Ok(Some(text));
            }
            text.extend_from_slice(&chunk[..step]);
            at = at.checked_add(step as u64).ok_or(Errno::EFAULT)?;
        }
        Ok(None)
    }
}
