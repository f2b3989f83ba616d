//! From a place to an open file: `openat(2)`, programs for exec, and the descriptors that the machine began with.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use abi::Errno;
use abi::flags::{O_ACCMODE, OpenFlags};
use abi::fs::{DT_DIR, DT_REG, S_IFCHR, S_IFDIR, S_IFMT, S_IFREG, Stat};
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};

use super::host::{convert_stat, errno};
use super::resolve::{End, HostPath, Place, join, normalize, place};
use super::table::Slot;
use super::{Device, DirEntry, FdTable, File, Kind, MemoryFile, bundle};
use crate::exec::error::ExecError;
use crate::kernel::Kernel;
use crate::proc;
use crate::task::Pid;
use crate::terminal::Line;

/// `PROC_SUPER_MAGIC` (statfs(2)).
const HOST_PROC: rustix::fs::FsWord = 0x9fa0;

/// A file opened to be executed.
#[derive(Debug)]
pub(crate) struct Program {
    /// mm's handle on it.
    pub(crate) file: Rc<MemoryFile>,
    /// Its absolute path.
    pub(crate) path: Vec<u8>,
    /// Its length in bytes.
    pub(crate) length: u64,
}

impl Kernel {
    /// `openat(2)`: an open file description.
    pub(crate) fn open(
        &mut self,
        pid: Pid,
        from: i32,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
    ) -> Result<Rc<File>, Errno> {
        let place = self.resolve(pid, from, path)?;
        self.open_place(pid, place, flags, mode)
    }

    fn open_place(&mut self, pid: Pid, place: Place, flags: OpenFlags, mode: u32) -> Result<Rc<File>, Errno> {
        match place {
            Place::Host(path) => self.open_host(pid, path, flags, mode),
            Place::Proc(path) => self.open_proc(pid, path, flags),
            Place::Program(name) => self.open_bundled(&name, flags),
            Place::Programs => {
                let entries = self.bundle.programs().iter().map(|program| DirEntry {
                    name: program.name.clone(),
                    inode: program.inode,
                    kind: DT_REG,
                });
                listing(entries.collect(), bundle::FOLDER.to_vec(), flags)
            }
            Place::Device(Device::Terminal, path) => {
                let fd = self.open_own_terminal(pid, host_flags(flags))?;
                let stat = convert_stat(&rustix::fs::fstat(&fd).map_err(errno)?);
                self.describe(fd, &stat, path, flags, false)
            }
            Place::Device(device, path) => Ok(File::new(Kind::Device(device), flags, path)),
            Place::Descriptor(fd) => {
                let file = self.task(pid).files.borrow().get(fd).map(Rc::clone);
                self.open_again(pid, &file.map_err(|_| Errno::ENOENT)?, flags)
            }
        }
    }

    pub(super) fn open_host(
        &mut self,
        pid: Pid,
        path: HostPath,
        flags: OpenFlags,
        mode: u32,
    ) -> Result<Rc<File>, Errno> {
        let umask = self.task(pid).directories.borrow().umask;
        let mode = Mode::from_bits_truncate(mode & 0o7777 & !umask);
        self.may_open(&path, flags)?;
        let itself =
            flags.contains(OpenFlags::NOFOLLOW) || flags.contains(OpenFlags::CREAT | OpenFlags::EXCL);
        let name = path.name_to_open(!itself)?;
        let mut how = host_flags(flags);
        if path.end == End::Nothing {
            how |= OFlags::NOFOLLOW;
        }
        if self.config.read_only {
            // What was looked at may have been replaced since.
            how.remove(OFlags::CREATE | OFlags::EXCL | OFlags::TRUNC);
        }
        let opened = rustix::fs::openat(CWD, name, how, mode);
        if matches!(opened, Err(rustix::io::Errno::NXIO)) {
            // The host has no reader for a FIFO that is to be written.
            return self.open_written_fifo(name, how, &path.shown, flags);
        }
        let fd = Rc::new(opened.map_err(errno)?);
        let stat = convert_stat(&rustix::fs::fstat(&fd).map_err(errno)?);
        if self.config.read_only && flags.bits() & O_ACCMODE != 0 && stat.mode & S_IFMT == S_IFREG {
            return Err(Errno::EROFS);
        }
        if self.is_own_fifo(&stat) && !flags.contains(OpenFlags::PATH) {
            return self.open_fifo(fd, &stat, normalize(&path.shown), flags);
        }
        // A link of the host may lead into its /proc, where the machine's own memory is a file to its user.
        if flags.bits() & O_ACCMODE != 0 && rustix::fs::fstatfs(&fd).map_err(errno)?.f_type == HOST_PROC {
            return Err(Errno::EACCES);
        }
        self.describe(fd, &stat, normalize(&path.shown), flags, false)
    }

    /// An open file description for a descriptor of the host.
    fn describe(
        &mut self,
        fd: Rc<OwnedFd>,
        stat: &Stat,
        path: Vec<u8>,
        flags: OpenFlags,
        inherited: bool,
    ) -> Result<Rc<File>, Errno> {
        let kept = flags.difference(CREATION);
        if flags.contains(OpenFlags::PATH) {
            return Ok(File::new(Kind::Place(fd), kept, path));
        }
        let kind = match stat.mode & S_IFMT {
            S_IFDIR => Kind::Directory {
                host: fd,
                entries: Default::default(),
            },
            S_IFREG => {
                let access = flags.bits() & O_ACCMODE;
                let readable = access != OpenFlags::WRONLY.bits();
                let memory = Rc::new(self.cache_host_file(&fd, stat, &path, readable, access != 0));
                if flags.contains(OpenFlags::TRUNC) {
                    self.memory.file_resized(memory.id(), 0);
                }
                Kind::Regular {
                    memory,
                    host: Some(fd),
                    inherited,
                }
            }
            S_IFCHR => {
                let line = Line::of(&fd, stat.rdev);
                let file = File::new(Kind::Stream(fd), kept, path);
                file.set_line(line);
                return Ok(file);
            }
            _ => Kind::Stream(fd),
        };
        Ok(File::new(kind, kept, path))
    }

    fn open_proc(&mut self, pid: Pid, path: Vec<u8>, flags: OpenFlags) -> Result<Rc<File>, Errno> {
        if let Some(entries) = proc::list(self, pid, &path) {
            let entries = entries.into_iter().map(DirEntry::from).collect();
            return listing(entries, path, flags);
        }
        let seen = proc::look(self, pid, &path).ok_or(Errno::ENOENT)?;
        if seen.kind == proc::Kind::Link {
            if flags.contains(OpenFlags::NOFOLLOW) {
                return Err(Errno::ELOOP);
            }
            if let Some((file, None)) = proc::descriptor(self, pid, &path) {
                return self.open_again(pid, &file, flags);
            }
            // What comes out is no link, so this is the last step.
            let place = self.follow_proc(pid, &path)?;
            return self.open_place(pid, place, flags, 0);
        }
        let access = flags.bits() & O_ACCMODE;
        if access != 0 && seen.mode & 0o222 == 0 {
            return Err(Errno::EACCES);
        }
        // Read, write, both.
        let wanted = [4, 2, 6, 6][access as usize & 3];
        if self.task(pid).creds.allowed(seen.mode, seen.owner, true) & wanted != wanted {
            return Err(Errno::EACCES);
        }
        if flags.contains(OpenFlags::DIRECTORY) {
            return Err(Errno::ENOTDIR);
        }
        let kind = if proc::is_live(self, pid, &path) {
            Kind::Live { reader: pid }
        } else {
            // What is only written is not made.
            let text = match access == OpenFlags::WRONLY.bits() {
                true => Vec::new(),
                false => proc::read(self, pid, &path).ok_or(Errno::ENOENT)??,
            };
            self.totals.opened += 1;
            Kind::Text {
                text: RefCell::new(text),
                begun: Cell::new(false),
                reader: pid,
            }
        };
        Ok(File::new(kind, flags.difference(CREATION), path))
    }

    fn open_bundled(&mut self, name: &[u8], flags: OpenFlags) -> Result<Rc<File>, Errno> {
        if flags.bits() & O_ACCMODE != 0 {
            return Err(Errno::EROFS);
        }
        let program = self.bundled_program(name).ok_or(Errno::ENOENT)?;
        let kind = Kind::Regular {
            memory: program.file,
            host: None,
            inherited: false,
        };
        Ok(File::new(kind, flags.difference(CREATION), program.path))
    }

    fn bundled_program(&mut self, name: &[u8]) -> Option<Program> {
        let entry = self.bundle.find(name)?;
        let path = join(bundle::FOLDER, name);
        let key = self.memory.file_key(entry.file);
        let length = entry.bytes.len() as u64;
        let backing = Rc::new(bundle::BytesBacking(Rc::clone(&entry.bytes)));
        let id = self.memory.open_file(key, &path, backing);
        Some(Program {
            file: Rc::new(MemoryFile::new(id, &self.closing)),
            path,
            length,
        })
    }

    /// Opens a file to be executed, after the checks of `execve(2)`.
    pub(crate) fn open_program(&mut self, working: &[u8], path: &[u8]) -> Result<Program, ExecError> {
        if path.is_empty() {
            return Err(ExecError::Open(Errno::ENOENT));
        }
        let absolute = if path[0] == b'/' {
            path.to_vec()
        } else {
            join(working, path)
        };
        match self.confine(place(absolute)).map_err(ExecError::Open)? {
            Place::Program(name) => self.bundled_program(&name).ok_or(ExecError::Open(Errno::ENOENT)),
            Place::Host(path) => {
                let name = path.name(true).map_err(ExecError::Open)?;
                self.open_host_program(name.to_vec())
            }
            Place::Proc(path) => match self.exe_link(&path) {
                Some(target) if target != path => self.open_program(working, &target),
                _ => Err(ExecError::Open(Errno::ENOENT)),
            },
            Place::Descriptor(fd) => {
                let task = self.tasks.get(&self.last);
                let file = task.and_then(|task| task.files.borrow().get(fd).map(Rc::clone).ok());
                let file = file.ok_or(ExecError::Open(Errno::ENOENT))?;
                self.open_held_program(&file)
            }
            Place::Programs | Place::Device(..) => Err(ExecError::NotRegular),
        }
    }

    /// A program that is open already (`fexecve(3)`).
    fn open_held_program(&mut self, file: &File) -> Result<Program, ExecError> {
        match &file.kind {
            Kind::Regular {
                memory, host: None, ..
            } => {
                if memory.seals().is_some_and(|seals| seals.mode() & 0o111 == 0) {
                    return Err(ExecError::NotExecutable);
                }
                Ok(Program {
                    file: Rc::clone(memory),
                    path: file.path.clone(),
                    length: self.memory.file_length(memory.id()).get(),
                })
            }
            Kind::Regular { host: Some(host), .. } | Kind::Place(host) => {
                self.open_host_program(proc_fd(host).into_bytes())
            }
            _ => Err(ExecError::NotRegular),
        }
    }

    /// What `/proc/self/exe` means for the task that runs now: shells run themselves by it.
    fn exe_link(&self, path: &[u8]) -> Option<Vec<u8>> {
        let task = self.tasks.get(&self.last)?;
        if path == b"/proc/self/exe" {
            return task.space.as_ref().map(|space| space.image.path.clone());
        }
        proc::read_link(self, self.last, path)
    }

    fn open_host_program(&mut self, path: Vec<u8>) -> Result<Program, ExecError> {
        let open = |error| ExecError::Open(errno(error));
        let found = rustix::fs::statat(CWD, &*path, AtFlags::empty()).map_err(open)?;
        if convert_stat(&found).mode & S_IFMT != S_IFREG {
            return Err(ExecError::NotRegular);
        }
        let may = rustix::fs::accessat(CWD, &*path, Access::EXEC_OK, AtFlags::EACCESS);
        may.map_err(|error| match error {
            rustix::io::Errno::ACCESS => ExecError::NotExecutable,
            other => ExecError::Open(errno(other)),
        })?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = rustix::fs::openat(CWD, &*path, flags, Mode::empty()).map_err(open)?;
        let fd = Rc::new(fd);
        // Asked again of the open file: the path may have changed hands.
        let stat = convert_stat(&rustix::fs::fstat(&fd).map_err(open)?);
        if stat.mode & S_IFMT != S_IFREG {
            return Err(ExecError::NotRegular);
        }
        let path = rustix::fs::readlinkat(CWD, &*proc_fd(&fd), Vec::new())
            .map(|target| target.into_bytes())
            .unwrap_or(path);
        let path = match &self.config.root {
            Some(root) => root.inside(path),
            None => path,
        };
        let file = Rc::new(self.cache_host_file(&fd, &stat, &path, true, false));
        Ok(Program {
            file,
            path,
            length: stat.size,
        })
    }

    /// The machine's own standard input, output and error, as far as they are open.
    pub(crate) fn standard_files(&mut self) -> FdTable {
        let mut table = FdTable::counted_by(&self.open_count);
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let standard = [
            (stdin.as_fd(), OpenFlags::empty()),
            (stdout.as_fd(), OpenFlags::WRONLY),
            (stderr.as_fd(), OpenFlags::WRONLY),
        ];
        for (number, (fd, usual)) in (0..).zip(standard) {
            let Ok(copy) = fd.try_clone_to_owned() else {
                continue;
            };
            if let Some(file) = self.adopt_host(copy, usual) {
                let slot = Slot {
                    file,
                    close_on_exec: false,
                };
                // A new machine has room for three.
                let _ = table.put(number, slot);
            }
        }
        table
    }

    /// Makes a descriptor that the machine was given one that guests can use.
    pub(crate) fn adopt_host(&mut self, fd: OwnedFd, usual: OpenFlags) -> Option<Rc<File>> {
        let flags = match rustix::fs::fcntl_getfl(&fd) {
            Ok(flags) => guest_flags(flags),
            Err(_) => usual,
        };
        let fd = Rc::new(opened_anew(fd));
        let stat = convert_stat(&rustix::fs::fstat(&fd).ok()?);
        let path = rustix::fs::readlinkat(CWD, &*proc_fd(&fd), Vec::new());
        let path = path.map(|path| path.into_bytes()).unwrap_or_default();
        let file = self.describe(fd, &stat, path, flags, true).ok()?;
        file.set_given(true);
        Some(file)
    }
}

/// A terminal that we were given, opened once more, so that it never blocks us: whoever else has it need not know. Where that
/// is forbidden, the descriptor itself.
fn opened_anew(fd: OwnedFd) -> OwnedFd {
    if !rustix::termios::isatty(&fd) {
        return fd;
    }
    let access = rustix::fs::fcntl_getfl(&fd).unwrap_or(OFlags::RDWR) & OFlags::ACCMODE;
    let flags = access | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::openat(CWD, &*proc_fd(&fd), flags, Mode::empty()).unwrap_or(fd)
}

/// The host's own name for one of our descriptors.
fn proc_fd(fd: &OwnedFd) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Flags that act only while a file is opened.
pub(super) const CREATION: OpenFlags = OpenFlags::CREAT
    .union(OpenFlags::EXCL)
    .union(OpenFlags::NOCTTY)
    .union(OpenFlags::TRUNC)
    .union(OpenFlags::CLOEXEC);

fn listing(entries: Vec<DirEntry>, path: Vec<u8>, flags: OpenFlags) -> Result<Rc<File>, Errno> {
    if flags.bits() & O_ACCMODE != 0 {
        return Err(Errno::EISDIR);
    }
    // They come first: sysctl(8) skips two entries without a look.
    let parent = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let dot = |name: &[u8], path: &[u8]| DirEntry {
        name: name.to_vec(),
        inode: proc::inode(path),
        kind: DT_DIR,
    };
    let dots = [dot(b".", &path), dot(b"..", &path[..parent])];
    let entries = dots.into_iter().chain(entries).collect();
    Ok(File::new(
        Kind::Listing(entries),
        flags.difference(CREATION),
        path,
    ))
}

/// arm64's flag bits and the host's: they differ where architectures do.
const FLAG_PAIRS: [(OpenFlags, OFlags); 13] = [
    (OpenFlags::CREAT, OFlags::CREATE),
    (OpenFlags::EXCL, OFlags::EXCL),
    (OpenFlags::TRUNC, OFlags::TRUNC),
    (OpenFlags::APPEND, OFlags::APPEND),
    (OpenFlags::NONBLOCK, OFlags::NONBLOCK),
    (OpenFlags::DSYNC, OFlags::DSYNC),
    (OpenFlags::DIRECTORY, OFlags::DIRECTORY),
    (OpenFlags::NOFOLLOW, OFlags::NOFOLLOW),
    (OpenFlags::DIRECT, OFlags::DIRECT),
    (OpenFlags::NOATIME, OFlags::NOATIME),
    (OpenFlags::PATH, OFlags::PATH),
    (OpenFlags::TMPFILE, OFlags::TMPFILE),
    (OpenFlags::SYNC, OFlags::SYNC),
];

/// What the host is asked for. Appending is ours to do (write-back must reach any place), opening must never block,
/// and no terminal becomes the machine's controlling one.
fn host_flags(flags: OpenFlags) -> OFlags {
    let mut host = match flags.bits() & O_ACCMODE {
        0 => OFlags::RDONLY,
        1 => OFlags::WRONLY,
        _ => OFlags::RDWR,
    };
    for (ours, theirs) in FLAG_PAIRS {
        if flags.contains(ours) {
            host |= theirs;
        }
    }
    host.remove(OFlags::APPEND | OFlags::DIRECT);
    host | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK
}

fn guest_flags(host: OFlags) -> OpenFlags {
    let access = host & OFlags::ACCMODE;
    let mut flags = if access == OFlags::RDWR {
        OpenFlags::RDWR
    } else if access == OFlags::WRONLY {
        OpenFlags::WRONLY
    } else {
        OpenFlags::empty()
    };
    for (ours, theirs) in [FLAG_PAIRS[3], FLAG_PAIRS[4]] {
        if host.contains(theirs) {
            flags |= ours;
        }
    }
    flags
}
