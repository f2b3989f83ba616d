//! Calls on names: what is there, and changing it.

use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;

use abi::Errno;
use abi::flags::{AtFlags, OpenFlags};
use abi::fs::{AT_FDCWD, S_IFDIR, S_IFMT, S_IFREG, Stat, Statfs};
use abi::nr;
use abi::time::{Timespec, UTIME_NOW, UTIME_OMIT};
use rustix::fs::{Access, CWD, Gid, Mode, Timestamps, Uid};

use super::{Answer, Call, Handler};
use crate::file::host::errno;
use crate::file::read_only::Change;
use crate::file::resolve::{self, HostPath, Place, normalize};
use crate::file::{File, Kind};
use crate::proc;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::NEWFSTATAT, newfstatat),
    (nr::FSTAT, fstat),
    (nr::STATX, statx),
    (nr::STATFS, statfs),
    (nr::FSTATFS, fstatfs),
    (nr::READLINKAT, readlinkat),
    (nr::FACCESSAT, faccessat),
    (nr::FACCESSAT2, faccessat2),
    (nr::UNLINKAT, unlinkat),
    (nr::MKDIRAT, mkdirat),
    (nr::RENAMEAT, renameat),
    (nr::RENAMEAT2, renameat),
    (nr::LINKAT, linkat),
    (nr::SYMLINKAT, symlinkat),
    (nr::TRUNCATE, truncate),
    (nr::UTIMENSAT, utimensat),
    (nr::FCHMOD, fchmod),
    (nr::FCHMODAT, fchmodat),
    (nr::FCHOWN, fchown),
    (nr::FCHOWNAT, fchownat),
    (nr::GETCWD, getcwd),
    (nr::CHDIR, chdir),
    (nr::FCHDIR, fchdir),
    (nr::UMASK, umask),
];

impl Call<'_> {
    /// A path of the host that a call wants to remove or rename.
    fn moved_path(&mut self, from: i32, at: u64) -> Result<HostPath, Errno> {
        let path = self.host_path(from, at)?;
        self.kernel.may_change(&path.itself, Change::Move)?;
        Ok(path)
    }

    /// A path of the host at which a call wants to make something.
    pub(super) fn new_path(&mut self, from: i32, at: u64) -> Result<HostPath, Errno> {
        let path = self.host_path(from, at)?;
        self.kernel.may_change(&path.itself, Change::Make)?;
        Ok(path)
    }

    /// What the host is asked for to change what a path names, with what keeps it there.
    fn altered_path(&mut self, from: i32, at: u64, follow: bool) -> Result<HostPath, Errno> {
        let path = self.host_path(from, at)?;
        self.kernel.may_change(path.name(follow)?, Change::Alter)?;
        Ok(path)
    }

    /// A path of the host, whatever is done with it.
    pub(super) fn host_path(&mut self, from: i32, at: u64) -> Result<HostPath, Errno> {
        let path = self.path(at)?;
        match self.kernel.resolve(self.pid, from, &path)? {
            Place::Host(path) => Ok(path),
            Place::Descriptor(fd) => self.held_place(fd),
            Place::Proc(_) | Place::Device(..) => Err(Errno::EPERM),
            Place::Program(_) | Place::Programs => Err(Errno::EROFS),
        }
    }

    /// The object of a descriptor, by its name in `/proc`: glibc's `lchmod`, and whoever links an `O_TMPFILE`, have no other way.
    /// What the machine was given may lie outside of a root folder.
    fn held_place(&self, fd: i32) -> Result<HostPath, Errno> {
        let file = self.file(fd)?;
        match &file.kind {
            Kind::Place(host) | Kind::Regular { host: Some(host), .. } | Kind::Directory { host, .. }
                if !(file.is_given() && self.kernel.config.root.is_some()) =>
            {
                Ok(HostPath::held(file.path.clone(), Rc::clone(host)))
            }
            _ => Err(Errno::EPERM),
        }
    }

    /// Whether a path argument is empty and means the descriptor itself.
    fn means_itself(&mut self, at: u64, flags: AtFlags) -> Result<bool, Errno> {
        Ok(flags.contains(AtFlags::EMPTY_PATH) && self.path(at)?.is_empty())
    }

    /// The descriptor itself, or the working directory, as a place of the host.
    fn itself(&mut self, from: i32) -> Result<HostPath, Errno> {
        if from != AT_FDCWD {
            return self.held_place(from);
        }
        match self.kernel.resolve(self.pid, from, b".")? {
            Place::Host(path) => Ok(path),
            _ => Err(Errno::EPERM),
        }
    }

    /// What `newfstatat` and `statx` tell.
    fn stat_at(&mut self, from: i32, at: u64, bits: u32) -> Result<Stat, Errno> {
        let flags = AtFlags::from_bits_retain(bits);
        let empty = flags.contains(AtFlags::EMPTY_PATH);
        let path = if at == 0 && empty {
            Vec::new()
        } else {
            self.path(at)?
        };
        if path.is_empty() && empty {
            if from == AT_FDCWD {
                let here = self.kernel.resolve(self.pid, AT_FDCWD, b".")?;
                return self.kernel.stat_place(self.pid, &here, true);
            }
            let file = self.file(from)?;
            return self.kernel.stat_file(&file);
        }
        let place = self.kernel.resolve(self.pid, from, &path)?;
        let follow = !flags.contains(AtFlags::SYMLINK_NOFOLLOW);
        self.kernel.stat_place(self.pid, &place, follow)
    }
}

fn newfstatat(call: &mut Call<'_>) -> Answer {
    let known = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::EMPTY_PATH;
    let flags = call.args[3] as u32;
    if flags & !known.bits() != 0 {
        return Err(Errno::EINVAL.into());
    }
    let stat = call.stat_at(call.int(0), call.args[1], flags)?;
    call.write(call.args[2], &stat.encode())?;
    Ok(0)
}

fn fstat(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    let stat = call.kernel.stat_file(&file)?;
    call.write(call.args[1], &stat.encode())?;
    Ok(0)
}

fn statx(call: &mut Call<'_>) -> Answer {
    /// `AT_STATX_FORCE_SYNC` and `AT_STATX_DONT_SYNC`.
    const SYNC: u32 = 0x6000;
    let known = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::EMPTY_PATH;
    let flags = call.args[2] as u32;
    if flags & !(known.bits() | SYNC) != 0 || flags & SYNC == SYNC {
        return Err(Errno::EINVAL.into());
    }
    let stat = call.stat_at(call.int(0), call.args[1], flags)?;
    call.write(call.args[4], &stat.encode_statx())?;
    Ok(0)
}

/// File systems of our own: `/proc`, `/pagewalk`, pipes.
const OWN: Statfs = Statfs {
    kind: 0x9fa0,
    block_size: 4096,
    blocks: [0; 3],
    files: [0; 2],
    name_length: 255,
};

#[expect(
    clippy::unnecessary_cast,
    reason = "the host's field types differ between its processors"
)]
fn convert_statfs(host: &rustix::fs::StatFs) -> Statfs {
    Statfs {
        kind: host.f_type as u64,
        block_size: host.f_bsize as u64,
        blocks: [host.f_blocks as u64, host.f_bfree as u64, host.f_bavail as u64],
        files: [host.f_files as u64, host.f_ffree as u64],
        name_length: host.f_namelen as u64,
    }
}

fn statfs(call: &mut Call<'_>) -> Answer {
    let path = call.path(call.args[0])?;
    let found = match call.kernel.resolve(call.pid, AT_FDCWD, &path)? {
        Place::Host(path) => convert_statfs(&rustix::fs::statfs(path.name(true)?).map_err(errno)?),
        // SYSFS_MAGIC
        Place::Proc(path) if path.starts_with(b"/sys") => Statfs {
            kind: 0x6265_6572,
            ..OWN
        },
        _ => OWN,
    };
    call.write(call.args[1], &found.encode())?;
    Ok(0)
}

fn fstatfs(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    let found = match file.host() {
        Some(host) => convert_statfs(&rustix::fs::fstatfs(host).map_err(errno)?),
        None => OWN,
    };
    call.write(call.args[1], &found.encode())?;
    Ok(0)
}

fn readlinkat(call: &mut Call<'_>) -> Answer {
    let size = call.int(3);
    if size <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = call.path(call.args[1])?;
    let target = match call.kernel.resolve(call.pid, call.int(0), &path)? {
        Place::Host(path) => rustix::fs::readlinkat(CWD, &*path.itself, Vec::new())
            .map_err(errno)?
            .into_bytes(),
        Place::Proc(path) => match proc::read_link(call.kernel, call.pid, &path) {
            Some(target) => target,
            // Programs find themselves by it, whatever else /proc shows.
            None if path == b"/proc/self/exe" => call.task().space().image.path.clone(),
            None if proc::look(call.kernel, call.pid, &path).is_none() => return Err(Errno::ENOENT.into()),
            None => return Err(Errno::EINVAL.into()),
        },
        Place::Descriptor(fd) => call.file(fd).map_err(|_| Errno::ENOENT)?.path.clone(),
        Place::Program(_) | Place::Programs | Place::Device(..) => return Err(Errno::EINVAL.into()),
    };
    let length = target.len().min(size as usize);
    call.write(call.args[2], &target[..length])?;
    Ok(length as u64)
}

fn access(call: &mut Call<'_>, flags: AtFlags) -> Answer {
    let mode = call.args[2] as u32;
    let known = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH | AtFlags::REMOVEDIR;
    if mode & !7 != 0 || !known.contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    let path = call.path(call.args[1])?;
    if path.is_empty() && flags.contains(AtFlags::EMPTY_PATH) {
        call.file(call.int(0))?;
        return Ok(0);
    }
    match call.kernel.resolve(call.pid, call.int(0), &path)? {
        Place::Host(path) => {
            // AT_EACCESS has AT_REMOVEDIR's bit.
            let mut host = rustix::fs::AtFlags::empty();
            if flags.contains(AtFlags::REMOVEDIR) {
                host |= rustix::fs::AtFlags::EACCESS;
            }
            if flags.contains(AtFlags::SYMLINK_NOFOLLOW) {
                host |= rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
            }
            let wanted = Access::from_bits_truncate(mode);
            let name = path.name(!flags.contains(AtFlags::SYMLINK_NOFOLLOW))?;
            rustix::fs::accessat(CWD, name, wanted, host).map_err(errno)?;
            if wanted.contains(Access::WRITE_OK) {
                let stat = call.kernel.stat_place(call.pid, &Place::Host(path), true)?;
                if matches!(stat.mode & S_IFMT, S_IFREG | S_IFDIR) && call.kernel.config.read_only {
                    return Err(Errno::EROFS.into());
                }
            }
        }
        place => {
            let stat = call.kernel.stat_place(call.pid, &place, true)?;
            let effective = flags.contains(AtFlags::REMOVEDIR);
            if call
                .task()
                .creds
                .allowed(stat.mode, (stat.uid, stat.gid), effective)
                & mode
                != mode
            {
                return Err(Errno::EACCES.into());
            }
        }
    }
    Ok(0)
}

fn faccessat(call: &mut Call<'_>) -> Answer {
    access(call, AtFlags::empty())
}

fn faccessat2(call: &mut Call<'_>) -> Answer {
    let flags = AtFlags::from_bits_retain(call.args[3] as u32);
    access(call, flags)
}

fn unlinkat(call: &mut Call<'_>) -> Answer {
    let flags = AtFlags::from_bits_retain(call.args[2] as u32);
    if !AtFlags::REMOVEDIR.contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    let path = call.moved_path(call.int(0), call.args[1])?;
    let host = match flags.contains(AtFlags::REMOVEDIR) {
        true => rustix::fs::AtFlags::REMOVEDIR,
        false => rustix::fs::AtFlags::empty(),
    };
    rustix::fs::unlinkat(CWD, &*path.itself, host).map_err(errno)?;
    Ok(0)
}

pub(super) fn permissions(call: &Call<'_>, mode: u64) -> Mode {
    let umask = call.task().directories.borrow().umask;
    Mode::from_bits_truncate(mode as u32 & 0o7777 & !umask)
}

fn mkdirat(call: &mut Call<'_>) -> Answer {
    let path = call.new_path(call.int(0), call.args[1])?;
    let mode = permissions(call, call.args[2]);
    rustix::fs::mkdirat(CWD, &*path.itself, mode).map_err(errno)?;
    Ok(0)
}

/// `renameat` has no flags: its fifth argument is whatever the register holds.
fn renameat(call: &mut Call<'_>) -> Answer {
    let with_flags = call.task().regs.x(8) == nr::RENAMEAT2 as u64;
    let bits = if with_flags { call.args[4] as u32 } else { 0 };
    let flags = rustix::fs::RenameFlags::from_bits(bits).ok_or(Errno::EINVAL)?;
    let old = call.moved_path(call.int(0), call.args[1])?;
    let new = call.moved_path(call.int(2), call.args[3])?;
    rustix::fs::renameat_with(CWD, &*old.itself, CWD, &*new.itself, flags).map_err(errno)?;
    Ok(0)
}

fn linkat(call: &mut Call<'_>) -> Answer {
    let flags = AtFlags::from_bits_retain(call.args[4] as u32);
    if !(AtFlags::SYMLINK_FOLLOW | AtFlags::EMPTY_PATH).contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    let itself = call.means_itself(call.args[1], flags)?;
    let old = match itself {
        true => call.itself(call.int(0))?,
        false => call.host_path(call.int(0), call.args[1])?,
    };
    let follow = itself || flags.contains(AtFlags::SYMLINK_FOLLOW);
    let host = match follow {
        true => rustix::fs::AtFlags::SYMLINK_FOLLOW,
        false => rustix::fs::AtFlags::empty(),
    };
    // What is to be linked is looked for first.
    call.kernel
        .stat_place(call.pid, &Place::Host(old.clone()), follow)?;
    let new = call.new_path(call.int(2), call.args[3])?;
    let old = old.name(follow)?;
    rustix::fs::linkat(CWD, old, CWD, &*new.itself, host).map_err(errno)?;
    Ok(0)
}

fn symlinkat(call: &mut Call<'_>) -> Answer {
    let target = call.path(call.args[0])?;
    let path = call.new_path(call.int(1), call.args[2])?;
    rustix::fs::symlinkat(&*target, CWD, &*path.itself).map_err(errno)?;
    Ok(0)
}

fn truncate(call: &mut Call<'_>) -> Answer {
    let length = call.args[1];
    if length > i64::MAX as u64 {
        return Err(Errno::EINVAL.into());
    }
    let path = call.path(call.args[0])?;
    let file = call
        .kernel
        .open(call.pid, AT_FDCWD, &path, OpenFlags::WRONLY, 0)?;
    let Kind::Regular {
        memory,
        host: Some(host),
        ..
    } = &file.kind
    else {
        return Err(Errno::EINVAL.into());
    };
    rustix::fs::ftruncate(host, length).map_err(errno)?;
    call.kernel.memory.file_resized(memory.id(), length);
    Ok(0)
}

fn utimensat(call: &mut Call<'_>) -> Answer {
    let now = rustix::fs::Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW as _,
    };
    let mut times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    if call.args[2] != 0 {
        let bytes: [u8; 32] = call.read(call.args[2])?;
        times.last_access = host_time(abi::bytes::get(&bytes, 0))?;
        times.last_modification = host_time(abi::bytes::get(&bytes, 16))?;
    }
    if call.args[1] == 0 {
        let file = call.file(call.int(0))?;
        let host = file.host().ok_or(Errno::EPERM)?;
        call.kernel.may_change_file(&file)?;
        rustix::fs::futimens(host, &times).map_err(errno)?;
        return Ok(0);
    }
    let flags = AtFlags::from_bits_retain(call.args[3] as u32);
    let host = match flags.contains(AtFlags::SYMLINK_NOFOLLOW) {
        true => rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        false => rustix::fs::AtFlags::empty(),
    };
    let follow = !flags.contains(AtFlags::SYMLINK_NOFOLLOW);
    let path = call.altered_path(call.int(0), call.args[1], follow)?;
    rustix::fs::utimensat(CWD, path.name(follow)?, &times, host).map_err(errno)?;
    Ok(0)
}

fn host_time(bytes: [u8; 16]) -> Result<rustix::fs::Timespec, Errno> {
    let time = Timespec::decode(&bytes);
    let special = time.nanoseconds == UTIME_NOW || time.nanoseconds == UTIME_OMIT;
    if !special && time.nanoseconds >= 1_000_000_000 {
        return Err(Errno::EINVAL);
    }
    Ok(rustix::fs::Timespec {
        tv_sec: time.seconds,
        tv_nsec: time.nanoseconds as _,
    })
}

fn fchmod(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    if let Kind::Regular { memory, .. } = &file.kind
        && let Some(seals) = memory.seals()
    {
        seals.change_mode(call.args[1] as u32 & 0o7777)?;
        return Ok(0);
    }
    let host = file.host().ok_or(Errno::EPERM)?;
    call.kernel.may_change_file(&file)?;
    let mode = Mode::from_bits_truncate(call.args[1] as u32 & 0o7777);
    rustix::fs::fchmod(host, mode).map_err(errno)?;
    Ok(0)
}

fn fchmodat(call: &mut Call<'_>) -> Answer {
    let path = call.altered_path(call.int(0), call.args[1], true)?;
    let mode = Mode::from_bits_truncate(call.args[2] as u32 & 0o7777);
    rustix::fs::chmodat(CWD, path.name(true)?, mode, rustix::fs::AtFlags::empty()).map_err(errno)?;
    Ok(0)
}

/// An owner argument; -1 leaves it.
fn owner(raw: u64) -> Option<u32> {
    Some(raw as u32).filter(|id| *id != u32::MAX)
}

fn fchown(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    if matches!(file.kind, Kind::Place(_)) {
        return Err(Errno::EBADF.into());
    }
    change_owner(call, &file, (call.args[1], call.args[2]))
}

/// An open file's owners; one that was only looked up (`O_PATH`) has to be named.
fn change_owner(call: &Call<'_>, file: &File, (uid, gid): (u64, u64)) -> Answer {
    let host = file.host().ok_or(Errno::EPERM)?;
    call.kernel.may_change_file(file)?;
    let (uid, gid) = (owner(uid).map(Uid::from_raw), owner(gid).map(Gid::from_raw));
    let flags = rustix::fs::AtFlags::EMPTY_PATH;
    rustix::fs::chownat(host, "", uid, gid, flags).map_err(errno)?;
    Ok(0)
}

fn fchownat(call: &mut Call<'_>) -> Answer {
    let flags = AtFlags::from_bits_retain(call.args[4] as u32);
    let host = match flags.contains(AtFlags::SYMLINK_NOFOLLOW) {
        true => rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        false => rustix::fs::AtFlags::empty(),
    };
    let follow = !flags.contains(AtFlags::SYMLINK_NOFOLLOW);
    if !(AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH).contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    let itself = call.means_itself(call.args[1], flags)?;
    if itself && call.int(0) != AT_FDCWD {
        let file = call.file(call.int(0))?;
        return change_owner(call, &file, (call.args[2], call.args[3]));
    }
    let path = match itself {
        true => call.itself(AT_FDCWD)?,
        false => call.altered_path(call.int(0), call.args[1], follow)?,
    };
    let (uid, gid) = (owner(call.args[2]), owner(call.args[3]));
    rustix::fs::chownat(
        CWD,
        path.name(follow)?,
        uid.map(Uid::from_raw),
        gid.map(Gid::from_raw),
        host,
    )
    .map_err(errno)?;
    Ok(0)
}

fn getcwd(call: &mut Call<'_>) -> Answer {
    let (known, anchor) = {
        let directories = call.task().directories.borrow();
        (directories.working.clone(), directories.anchor.clone())
    };
    let mut path = match anchor {
        Some(anchor) => call.kernel.path_now(&anchor)?,
        None => known,
    };
    path.push(0);
    if path.len() as u64 > call.args[1] {
        return Err(Errno::ERANGE.into());
    }
    call.write(call.args[0], &path)?;
    Ok(path.len() as u64)
}

/// The host resolves links, so that the working directory's text is its true path.
fn enter(call: &mut Call<'_>, place: &Place) -> Answer {
    let stat = call.kernel.stat_place(call.pid, place, true)?;
    if stat.mode & S_IFMT != S_IFDIR {
        return Err(Errno::ENOTDIR.into());
    }
    // A link of /proc is left behind here, or a working directory could name itself.
    let place = &match place {
        Place::Proc(path) => call.kernel.follow_proc(call.pid, path)?,
        other => other.clone(),
    };
    if let Place::Descriptor(fd) = place {
        let file = call.file(*fd)?;
        return enter_file(call, &file);
    }
    let (path, anchor) = match place {
        Place::Host(path) => {
            let may = rustix::fs::AtFlags::EACCESS;
            rustix::fs::accessat(CWD, path.name(true)?, Access::EXEC_OK, may).map_err(errno)?;
            let true_path = std::fs::canonicalize(std::ffi::OsStr::from_bytes(path.name(true)?));
            let shown = match true_path {
                Ok(path) => path.into_os_string().into_encoded_bytes(),
                Err(_) => normalize(&path.shown),
            };
            let shown = match &call.kernel.config.root {
                Some(root) => root.inside(shown),
                None => shown,
            };
            (shown, resolve::anchor(path.name(true)?))
        }
        Place::Proc(path) => (path.clone(), None),
        _ => (crate::file::bundle::FOLDER.to_vec(), None),
    };
    let mut directories = call.task().directories.borrow_mut();
    directories.working = path;
    directories.anchor = anchor;
    Ok(0)
}

fn chdir(call: &mut Call<'_>) -> Answer {
    let path = call.path(call.args[0])?;
    let place = call.kernel.resolve(call.pid, AT_FDCWD, &path)?;
    enter(call, &place)
}

fn fchdir(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    enter_file(call, &file)
}

/// A directory that is open becomes the working directory.
fn enter_file(call: &mut Call<'_>, file: &File) -> Answer {
    if !file.path.starts_with(b"/") {
        return Err(Errno::ENOTDIR.into());
    }
    let place = match (resolve::place(file.path.clone()), file.host()) {
        (Place::Host(path), Some(host)) => Place::Host(path.within(Rc::clone(host), b".")),
        // A file's path leads to itself, not to a descriptor's number, which would lead here again.
        (Place::Descriptor(_), _) => return Err(Errno::ENOTDIR.into()),
        (place, _) => place,
    };
    enter(call, &place)
}

fn umask(call: &mut Call<'_>) -> Answer {
    let mut directories = call.task().directories.borrow_mut();
    let old = directories.umask;
    directories.umask = call.args[0] as u32 & 0o777;
    Ok(u64::from(old))
}
