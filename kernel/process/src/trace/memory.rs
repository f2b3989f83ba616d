//! A debugger's hands in a process's memory: reads that fault nothing in, and writes that go past the page's rights.

use arch::{PageCount, PageRange, VirtAddr};
use mm::{Content, Prot, Sharing, SpaceId, ViolationKind};

use abi::Errno;

use crate::kernel::Kernel;
use crate::task::Pid;

impl Kernel {
    fn space_of(&self, pid: Pid) -> Option<SpaceId> {
        self.tasks.get(&pid)?.space.as_ref().map(|space| space.id)
    }

    /// Reads memory whatever its rights, and faults nothing in: a page that was never touched is read as what a fault
    /// would give, from the page cache or, if it is a file's page that is not cached, straight from the file. So the
    /// process's resident set and fault counts stay as they are. Gives the number of bytes before the first that is
    /// not mapped (or lies past the end of its file).
    pub fn read_memory(&mut self, pid: Pid, address: u64, to: &mut [u8]) -> usize {
        let Some(space) = self.space_of(pid) else {
            return 0;
        };
        let mut done = 0;
        while done < to.len() {
            let Some(at) = address.checked_add(done as u64) else {
                break;
            };
            let length = self.rest_of_page(at).min(to.len() - done);
            let part = &mut to[done..done + length];
            let mut got = self.memory.peek(space, VirtAddr::new(at), part);
            if got == 0 {
                got = self.read_mapped_file(space, at, part);
            }
            done += got;
            if got < length {
                break;
            }
        }
        done
    }

    fn rest_of_page(&self, address: u64) -> usize {
        let bytes = self.memory.granule().bytes();
        (bytes - address % bytes) as usize
    }

    /// Bytes of a page of a file that no cache holds; past the end of the file the page's rest is zeros.
    fn read_mapped_file(&mut self, space: SpaceId, address: u64, to: &mut [u8]) -> usize {
        let granule = self.memory.granule();
        let page = VirtAddr::new(address).page(granule);
        let Some(vma) = self.memory.find_vma(space, page).copied() else {
            return 0;
        };
        let Content::File { file, offset } = vma.content else {
            return 0;
        };
        let into = address.saturating_sub(vma.range.start().start(granule).get());
        let Some(position) = offset.checked_add(into) else {
            return 0;
        };
        let end = self
            .memory
            .file_length(file)
            .get()
            .next_multiple_of(granule.bytes());
        if position >= end {
            return 0;
        }
        let mut done = 0;
        while done < to.len() {
            match self
                .memory
                .file_read(file, position + done as u64, &mut to[done..])
            {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(_) => return 0,
            }
        }
        to[done..].fill(0);
        to.len()
    }

    /// Writes memory. A private page that the program may not write is copied for it first, as `ptrace(2)` does, so that
    /// nobody else who maps the file sees the change; a shared one is refused.
    ///
    /// # Errors
    /// `EIO` if a byte is not mapped or may not be written; those before it may have been.
    pub fn write_memory(&mut self, pid: Pid, address: u64, from: &[u8]) -> Result<(), Errno> {
        let space = self.space_of(pid).ok_or(Errno::ESRCH)?;
        let mut done = 0;
        while done < from.len() {
            let at = address.checked_add(done as u64).ok_or(Errno::EIO)?;
            let length = self.rest_of_page(at).min(from.len() - done);
            let part = &from[done..done + length];
            match self.memory.copy_out(space, VirtAddr::new(at), part) {
                Ok(()) => {}
                Err(fault) if matches!(fault.violation.signal, ViolationKind::AccErr) => {
                    self.force_write(space, at, part)?;
                }
                Err(_) => return Err(Errno::EIO),
            }
            done += length;
        }
        Ok(())
    }

    /// Writes to one page of a private mapping that is not writable: with other rights for as long as it takes.
    fn force_write(&mut self, space: SpaceId, address: u64, part: &[u8]) -> Result<(), Errno> {
        let page = VirtAddr::new(address).page(self.memory.granule());
        let vma = self.memory.find_vma(space, page).copied().ok_or(Errno::EIO)?;
        if vma.sharing != Sharing::Private || !vma.max_prot.contains(Prot::WRITE) {
            return Err(Errno::EIO);
        }
        let after = page.checked_add(PageCount::new(1)).ok_or(Errno::EIO)?;
        let range = PageRange::new(page, after).ok_or(Errno::EIO)?;
        let open = vma.prot | Prot::READ | Prot::WRITE;
        self.memory.protect(space, range, open).map_err(|_| Errno::EIO)?;
        let written = self.memory.copy_out(space, VirtAddr::new(address), part);
        self.memory
            .protect(space, range, vma.prot)
            .map_err(|_| Errno::EIO)?;
        written.map_err(|_| Errno::EIO)
    }
}
