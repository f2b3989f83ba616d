//! Opening anew what is open already: `/proc/PID/fd/N`, `/dev/fd/N` and `/dev/stdin` (proc_pid_fd(5)). What comes out is another
//! open file description of the same file, with a position and flags of its own; a socket or a counter has none to give.
//!
//! With a root folder, a file that the machine was given from outside is not opened for more than it was given for.
//! Neighbours: [`super::open`]; [`super::fifo`], the wait for a pipe's other side.

use std::rc::Rc;

use abi::Errno;
use abi::flags::{O_ACCMODE, OpenFlags};
use abi::fs::AT_FDCWD;

use super::open::CREATION;
use super::pipe::End;
use super::resolve::HostPath;
use super::seals::Seals;
use super::{File, Kind, MemoryFile};
use crate::kernel::Kernel;
use crate::task::Pid;

/// Whether these flags read, and whether they write.
fn access(flags: OpenFlags) -> (bool, bool) {
    let access = flags.bits() & O_ACCMODE;
    (access != OpenFlags::WRONLY.bits(), access != 0)
}

impl Kernel {
    /// Another open file description of an open file.
    ///
    /// # Errors
    /// `ENXIO` for what has no name of its own, `EACCES` for more than the file was given for, and those of `open(2)`.
    pub(crate) fn open_again(
        &mut self,
        pid: Pid,
        file: &Rc<File>,
        flags: OpenFlags,
    ) -> Result<Rc<File>, Errno> {
        if flags.contains(OpenFlags::CREAT | OpenFlags::EXCL) {
            return Err(Errno::EEXIST);
        }
        if flags.contains(OpenFlags::NOFOLLOW) {
            return Err(Errno::ELOOP);
        }
        let flags = flags.difference(OpenFlags::CREAT);
        if flags.contains(OpenFlags::DIRECTORY) && matches!(file.kind, Kind::Pipe(_) | Kind::Special(_)) {
            return Err(Errno::ENOTDIR);
        }
        let kept = flags.difference(CREATION);
        match &file.kind {
            Kind::Special(_) => Err(Errno::ENXIO),
            Kind::Pipe(end) => {
                let (reads, writes) = access(flags);
                let impatient = end.node().is_some() && flags.contains(OpenFlags::NONBLOCK);
                if writes && !reads && impatient && !end.pipe().has_partner(true) {
                    return Err(Errno::ENXIO);
                }
                let end = End::again(end, reads, writes);
                Ok(File::new(Kind::Pipe(end), kept, file.path.clone()))
            }
            Kind::Device(device) => Ok(File::new(Kind::Device(*device), kept, file.path.clone())),
            Kind::Text { .. } | Kind::Live { .. } | Kind::Listing(_) => {
                self.open(pid, AT_FDCWD, &file.path, flags, 0)
            }
            Kind::Regular {
                memory, host: None, ..
            } => {
                let memory = Rc::clone(memory);
                self.open_memory_again(pid, &memory, file, flags)
            }
            Kind::Regular { host: Some(host), .. }
            | Kind::Directory { host, .. }
            | Kind::Stream(host)
            | Kind::Place(host) => {
                let (reads, writes) = access(flags);
                let writes = writes || flags.contains(OpenFlags::TRUNC);
                let more = reads && !file.readable() || writes && !file.writable();
                if file.is_given() && more && self.config.root.is_some() {
                    return Err(Errno::EACCES);
                }
                let path = HostPath::held(file.path.clone(), Rc::clone(host));
                let again = self.open_host(pid, path, flags, 0)?;
                again.set_given(file.is_given());
                Ok(again)
            }
        }
    }

    /// A memfd, or a bundled program, which nobody may write.
    fn open_memory_again(
        &mut self,
        pid: Pid,
        memory: &Rc<MemoryFile>,
        file: &File,
        flags: OpenFlags,
    ) -> Result<Rc<File>, Errno> {
        let (reads, writes) = access(flags);
        let wanted = u32::from(reads) * 4 + u32::from(writes) * 2;
        let (mode, owner) = (memory.seals().map_or(0o555, Seals::mode), (0, 0));
        let creds = &self.task(pid).creds;
        let owner = memory.seals().map_or(owner, |_| (creds.fsuid, creds.fsgid));
        match memory.seals() {
            None if writes => return Err(Errno::EROFS),
            _ if creds.allowed(mode, owner, true) & wanted != wanted => return Err(Errno::EACCES),
            Some(seals) if flags.contains(OpenFlags::TRUNC) => {
                seals.may_resize(self.memory.file_length(memory.id()).get(), 0)?;
                self.memory.file_resized(memory.id(), 0);
            }
            _ => {}
        }
        let kind = Kind::Regular {
            memory: Rc::clone(memory),
            host: None,
            inherited: false,
        };
        Ok(File::new(kind, flags.difference(CREATION), file.path.clone()))
    }
}
