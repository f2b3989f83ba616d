//! What files say of themselves: `stat(2)` and its kin for every kind of place and description.

use abi::Errno;
use abi::fs::{DT_DIR, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK, Stat, makedev};
use rustix::fs::{AtFlags, CWD};

use super::host::{convert_stat, errno};
use super::resolve::Place;
use super::seals::Seals;
use super::special::Special;
use super::{Device, File, Kind, bundle};
use crate::kernel::Kernel;
use crate::proc;
use crate::task::Pid;

/// The device number that `/proc` has.
pub(crate) const PROC_DEVICE: u64 = makedev(0, 0xf_fffe);

impl Kernel {
    /// `fstat(2)`.
    pub(crate) fn stat_file(&self, file: &File) -> Result<Stat, Errno> {
        if let Some(host) = file.host() {
            return Ok(convert_stat(&rustix::fs::fstat(host).map_err(errno)?));
        }
        let own = |mode, size| self.own_stat(mode, size);
        Ok(match &file.kind {
            Kind::Regular { memory, .. } => {
                let key = self.memory.file_key(memory.id());
                let size = self.memory.file_length(memory.id()).get();
                // Without seals it is a bundled program.
                let mode = memory.seals().map_or(0o555, Seals::mode);
                Stat {
                    device: key.device,
                    inode: key.inode,
                    ..own(S_IFREG | mode, size)
                }
            }
            Kind::Pipe(end) if end.node().is_some() => return self.stat_fifo(end),
            Kind::Pipe(end) => Stat {
                inode: end.number(),
                ..own(S_IFIFO | 0o600, 0)
            },
            Kind::Special(Special::Unix(socket, _)) => Stat {
                inode: socket.number,
                ..own(S_IFSOCK | 0o777, 0)
            },
            Kind::Special(_) => own(0o600, 0),
            Kind::Device(device) => self.device_stat(*device),
            Kind::Text { .. } | Kind::Live { .. } => self.stat_open_tree(file, S_IFREG | 0o444),
            Kind::Listing(_) if file.path != bundle::FOLDER => self.stat_open_tree(file, S_IFDIR | 0o555),
            _ => own(S_IFDIR | 0o555, 0),
        })
    }

    /// `stat(2)`, or `lstat(2)` with `follow` off, of a place.
    pub(crate) fn stat_place(&self, pid: Pid, place: &Place, follow: bool) -> Result<Stat, Errno> {
        match place {
            Place::Host(path) => {
                let flags = match follow {
                    true => AtFlags::empty(),
                    false => AtFlags::SYMLINK_NOFOLLOW,
                };
                let stat = rustix::fs::statat(CWD, path.name(follow)?, flags).map_err(errno)?;
                Ok(convert_stat(&stat))
            }
            Place::Proc(path) => self.stat_proc(pid, path, follow),
            Place::Program(name) => {
                let program = self.bundle.find(name).ok_or(Errno::ENOENT)?;
                Ok(Stat {
                    device: bundle::DEVICE,
                    inode: program.inode,
                    ..self.own_stat(S_IFREG | 0o555, program.bytes.len() as u64)
                })
            }
            Place::Programs => Ok(self.own_stat(S_IFDIR | 0o555, 0)),
            Place::Device(device, _) => Ok(self.device_stat(*device)),
            Place::Descriptor(fd) => {
                let task = self.task(pid);
                let files = task.files.borrow();
                let file = files.get(*fd).map_err(|_| Errno::ENOENT)?;
                if !follow {
                    return Ok(self.own_stat(S_IFLNK | proc::link_mode(file), 64));
                }
                self.stat_file(file)
            }
        }
    }

    fn stat_proc(&self, pid: Pid, path: &[u8], follow: bool) -> Result<Stat, Errno> {
        let seen = proc::look(self, pid, path).ok_or(Errno::ENOENT)?;
        if seen.kind == proc::Kind::Link && follow {
            return match proc::descriptor(self, pid, path) {
                Some((file, _)) => self.stat_file(&file),
                None => self.stat_place(pid, &self.follow_proc(pid, path)?, true),
            };
        }
        Ok(self.seen_stat(&seen))
    }

    fn seen_stat(&self, seen: &proc::Seen) -> Stat {
        let kind = match seen.kind {
            proc::Kind::Directory => S_IFDIR,
            proc::Kind::File => S_IFREG,
            proc::Kind::Link => S_IFLNK,
        };
        let (uid, gid) = seen.owner;
        Stat {
            device: PROC_DEVICE,
            inode: seen.inode,
            uid,
            gid,
            ..self.own_stat(kind | seen.mode, 0)
        }
    }

    /// An open file or folder of these trees; the task that it tells of may have ended.
    fn stat_open_tree(&self, file: &File, mode: u32) -> Stat {
        let reader = match &file.kind {
            Kind::Text { reader, .. } | Kind::Live { reader } => *reader,
            _ => self.last,
        };
        let seen = proc::look(self, reader, &file.path).filter(|seen| seen.kind != proc::Kind::Link);
        seen.map_or_else(|| self.own_stat(mode, 0), |seen| self.seen_stat(&seen))
    }

    fn own_stat(&self, mode: u32, size: u64) -> Stat {
        let now = abi::time::Timespec::from_ns(self.clock.realtime_ns);
        Stat {
            device: bundle::DEVICE,
            inode: 1,
            mode,
            links: 1,
            size,
            block_size: self.memory.granule().bytes() as u32,
            blocks: size.div_ceil(512),
            accessed: now,
            modified: now,
            changed: now,
            ..Stat::default()
        }
    }

    fn device_stat(&self, device: Device) -> Stat {
        let minor = match device {
            Device::Null => 3,
            Device::Zero => 5,
            Device::Full => 7,
            Device::Random => 9,
            Device::Terminal => 0,
        };
        let major = if device == Device::Terminal { 5 } else { 1 };
        Stat {
            rdev: makedev(major, minor),
            inode: u64::from(minor),
            ..self.own_stat(S_IFCHR | 0o666, 0)
        }
    }
}

/// The kind byte of a directory entry from the host's file type.
pub(crate) fn entry_kind(kind: rustix::fs::FileType) -> u8 {
    use rustix::fs::FileType;
    match kind {
        FileType::Fifo => 1,
        FileType::CharacterDevice => 2,
        FileType::Directory => DT_DIR,
        FileType::BlockDevice => 6,
        FileType::RegularFile => abi::fs::DT_REG,
        FileType::Symlink => abi::fs::DT_LNK,
        FileType::Socket => 12,
        FileType::Unknown => 0,
    }
}
