//! The kernel's hands in user memory: copies that resolve faults on the way, with `EFAULT` for bad addresses.

use abi::Errno;
use arch::VirtAddr;
use mm::{CopyFault, OutOfRam, ViolationKind};

use crate::kernel::Kernel;
use crate::task::Pid;

fn out_of_ram(copied: &Result<(), CopyFault>) -> Option<OutOfRam> {
    match copied {
        Err(CopyFault { violation, .. }) => match violation.signal {
            ViolationKind::OutOfRam(out) => Some(out),
            _ => None,
        },
        Ok(()) => None,
    }
}

fn partly(fault: &CopyFault) -> Result<usize, Errno> {
    match fault.done {
        0 => Err(Errno::EFAULT),
        done => Ok(done),
    }
}

impl Kernel {
    /// Fills a buffer from user memory.
    pub(crate) fn read_user(&mut self, pid: Pid, from: u64, to: &mut [u8]) -> Result<(), Errno> {
        let copied = self.copy_in(pid, from, to);
        copied.map_err(|_| Errno::EFAULT)
    }

    /// Writes bytes to user memory.
    pub(crate) fn write_user(&mut self, pid: Pid, to: u64, from: &[u8]) -> Result<(), Errno> {
        let copied = self.copy_out(pid, to, from);
        copied.map_err(|_| Errno::EFAULT)
    }

    /// Fills as much of a buffer as user memory allows: how many bytes, or `EFAULT` if it is none of some.
    pub(crate) fn read_user_partly(&mut self, pid: Pid, from: u64, to: &mut [u8]) -> Result<usize, Errno> {
        match self.copy_in(pid, from, to) {
            Ok(()) => Ok(to.len()),
            Err(fault) => partly(&fault),
        }
    }

    /// Writes as many bytes as user memory allows.
    pub(crate) fn write_user_partly(&mut self, pid: Pid, to: u64, from: &[u8]) -> Result<usize, Errno> {
        match self.copy_out(pid, to, from) {
            Ok(()) => Ok(from.len()),
            Err(fault) => partly(&fault),
        }
    }

    /// A copy that finds no frame goes on once another process has died for it; nothing is lost by beginning again.
    fn copy_in(&mut self, pid: Pid, from: u64, to: &mut [u8]) -> Result<(), CopyFault> {
        loop {
            let space = self.task(pid).space().id;
            let copied = self.memory.copy_in(space, VirtAddr::new(from), to);
            match out_of_ram(&copied) {
                Some(out) if self.out_of_memory(pid, out) => {}
                _ => return copied,
            }
        }
    }

    fn copy_out(&mut self, pid: Pid, to: u64, from: &[u8]) -> Result<(), CopyFault> {
        loop {
            let space = self.task(pid).space().id;
            let copied = self.memory.copy_out(space, VirtAddr::new(to), from);
            match out_of_ram(&copied) {
                Some(out) if self.out_of_memory(pid, out) => {}
                _ => return copied,
            }
        }
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
