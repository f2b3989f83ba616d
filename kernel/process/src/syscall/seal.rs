//! `memfd_create(2)`, and the seals of `fcntl(2)`. Neighbour: [`crate::file::seals`], the rules.

use std::rc::Rc;

use abi::Errno;
use abi::flags::OpenFlags;
use abi::fs::fcntl::F_GET_SEALS;
use abi::nr;
use arch::Bytes;
use mm::{Content, FileId, Prot, Sharing};

use super::{Answer, Call, Handler};
use crate::file::host::errno;
use crate::file::seals::Seals;
use crate::file::{File, Kind, MemoryFile};

pub(super) const CALLS: &[(usize, Handler)] = &[(nr::MEMFD_CREATE, memfd_create)];

/// A file without a name, in the machine's RAM.
fn memfd_create(call: &mut Call<'_>) -> Answer {
    const CLOEXEC: u64 = 1;
    const ALLOW_SEALING: u64 = 2;
    const NOEXEC_SEAL: u64 = 8;
    const EXEC: u64 = 16;
    const NAME: usize = 250;
    let flags = call.args[1];
    if flags & !(CLOEXEC | ALLOW_SEALING | NOEXEC_SEAL | EXEC) != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags & NOEXEC_SEAL != 0 && flags & EXEC != 0 {
        return Err(Errno::EINVAL.into());
    }
    let name = call.kernel.read_text(call.pid, call.args[0], NAME)?;
    let name = name.ok_or(Errno::EINVAL)?;
    let path = [b"/memfd:", &name[..], b" (deleted)"].concat();
    let id = call.kernel.memory.open_shared(&path, Bytes::ZERO);
    let seals = Seals::new(flags & ALLOW_SEALING != 0, flags & NOEXEC_SEAL != 0);
    let kind = Kind::Regular {
        memory: Rc::new(MemoryFile::new(id, &call.kernel.closing).sealable(seals)),
        host: None,
        inherited: false,
    };
    let file = File::new(kind, OpenFlags::RDWR, path);
    call.add_file(file, flags & CLOEXEC != 0, 0)
}

impl Call<'_> {
    /// `F_ADD_SEALS` and `F_GET_SEALS`. A file of the host says itself which it has; it gets none from a guest, as it may
    /// have pages here that were not written back yet.
    pub(super) fn seal(&self, file: &Rc<File>, command: u64, argument: u64) -> Answer {
        if command != F_GET_SEALS && !file.writable() {
            return Err(Errno::EPERM.into());
        }
        let Kind::Regular { memory, host, .. } = &file.kind else {
            return Err(Errno::EINVAL.into());
        };
        let there = match (memory.seals(), host) {
            (Some(seals), _) => seals.get(),
            (None, Some(host)) => rustix::fs::fcntl_get_seals(host).map_err(errno)?.bits(),
            (None, None) => return Err(Errno::EINVAL.into()),
        };
        if command == F_GET_SEALS {
            return Ok(u64::from(there));
        }
        let seals = memory.seals().ok_or(Errno::EPERM)?;
        seals.add(argument as u32, || self.written_by_a_mapping(memory.id()))?;
        Ok(0)
    }

    /// Whether a shared mapping of any process may write to this file, now or after an mprotect.
    fn written_by_a_mapping(&self, file: FileId) -> bool {
        let spaces = self.kernel.tasks().filter_map(|task| task.space.as_ref());
        let mut vmas = spaces.flat_map(|space| self.kernel.memory.vmas(space.id));
        vmas.any(|vma| {
            let shows = matches!(vma.content, Content::File { file: shown, .. } if shown == file);
            shows && vma.sharing == Sharing::Shared && vma.max_prot.contains(Prot::WRITE)
        })
    }
}
