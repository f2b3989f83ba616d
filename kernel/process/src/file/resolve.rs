//! From a path to a place: the one function through which every path of every call goes.
//!
//! Key types: [`Place`], what a path names; [`HostPath`]. A guest runs with its user's own rights on the host's tree, or
//! on what [`Root`](super::root::Root) holds of it: [`Kernel::confine`] is the last step of every path.

use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use abi::Errno;
use abi::fs::{AT_FDCWD, PATH_MAX};

use super::host::errno;
use super::{Device, Kind, bundle};
use crate::kernel::Kernel;
use crate::proc;
use crate::task::Pid;

/// A path of the host. A relative one begins at its directory itself, which may have been moved or removed since.
#[derive(Clone, Debug)]
pub(crate) struct HostPath {
    /// As people know it: absolute, by names.
    pub(crate) shown: Vec<u8>,
    /// What the host is asked for when a link at the path's end is followed.
    used: Vec<u8>,
    /// What the host is asked for when it is not: the link itself.
    pub(crate) itself: Vec<u8>,
    /// What stands at the path's end, as far as it is known.
    pub(crate) end: End,
    /// Keep the directories open that those begin in.
    _anchors: [Option<Rc<OwnedFd>>; 2],
}

/// What stands at a path's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Whatever the host finds.
    Any,
    /// Nothing yet in a root folder: a link that appears meanwhile must not be followed.
    Nothing,
    /// A link in a root folder that cannot be followed.
    Broken(Errno),
}

impl HostPath {
    /// A path by names alone.
    pub(crate) fn absolute(path: Vec<u8>) -> Self {
        Self {
            used: path.clone(),
            itself: path.clone(),
            shown: path,
            end: End::Any,
            _anchors: [None, None],
        }
    }

    /// `path` from an open directory of the host.
    pub(crate) fn within(self, anchor: Rc<OwnedFd>, path: &[u8]) -> Self {
        let used = join(&fd_path(&anchor), path);
        Self {
            itself: used.clone(),
            used,
            _anchors: [Some(anchor), None],
            ..self
        }
    }

    /// An object that is held open; a folder unless it is given a name.
    pub(crate) fn held(shown: Vec<u8>, object: Rc<OwnedFd>) -> Self {
        Self {
            used: fd_path(&object),
            // The descriptor's own name is a link to the host.
            itself: join(&fd_path(&object), b"."),
            shown,
            end: End::Any,
            _anchors: [Some(object), None],
        }
    }

    /// The same, reached by this name in a directory.
    pub(crate) fn known_as(mut self, parent: Rc<OwnedFd>, name: &[u8]) -> Self {
        self.itself = join(&fd_path(&parent), name);
        self._anchors[1] = Some(parent);
        self
    }

    /// A name in a directory that nothing has yet.
    pub(crate) fn missing(shown: Vec<u8>, parent: Rc<OwnedFd>, name: &[u8]) -> Self {
        let path = Self::absolute(shown).within(parent, name);
        Self {
            end: End::Nothing,
            ..path
        }
    }

    /// A link of this name in a directory that leads nowhere.
    pub(crate) fn broken(shown: Vec<u8>, parent: Rc<OwnedFd>, name: &[u8], why: Errno) -> Self {
        let path = Self::absolute(shown).within(parent, name);
        Self {
            end: End::Broken(why),
            // The host would follow the link out.
            used: Vec::new(),
            ..path
        }
    }
}

impl HostPath {
    /// What the host is asked for by a call that does or does not follow a link at the path's end.
    ///
    /// # Errors
    /// Where a root folder has nothing to follow the host is not asked, since a link may have come meanwhile.
    pub(crate) fn name(&self, follow: bool) -> Result<&[u8], Errno> {
        match (follow, self.end) {
            (false, _) => Ok(&self.itself),
            (true, End::Any) => Ok(&self.used),
            (true, End::Nothing) => Err(Errno::ENOENT),
            (true, End::Broken(why)) => Err(why),
        }
    }

    /// The same for a call that may make what is not there.
    ///
    /// # Errors
    /// Why a link cannot be followed.
    pub(crate) fn name_to_open(&self, follow: bool) -> Result<&[u8], Errno> {
        match (follow, self.end) {
            (true, End::Nothing) => Ok(&self.used),
            _ => self.name(follow),
        }
    }
}

fn fd_path(fd: &OwnedFd) -> Vec<u8> {
    format!("/proc/self/fd/{}", fd.as_raw_fd()).into_bytes()
}

/// Two are the same if they are shown the same.
impl PartialEq for HostPath {
    fn eq(&self, other: &Self) -> bool {
        self.shown == other.shown
    }
}

impl Eq for HostPath {}

/// What a path names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// A path of the host.
    Host(HostPath),
    /// A path in `/proc` or `/sys`, or `/dev`: absolute and without `.`, `..` and doubled slashes.
    Proc(Vec<u8>),
    /// A bundled program.
    Program(Vec<u8>),
    /// The folder of the bundled programs.
    Programs,
    /// A device of our own, with its path.
    Device(Device, Vec<u8>),
    /// Another name of an open descriptor.
    Descriptor(i32),
}

impl Kernel {
    /// What `path` names for this task, from the directory `from` (`AT_FDCWD` or a descriptor) if it is relative.
    ///
    /// # Errors
    /// `ENOENT` for an empty path, `ENAMETOOLONG`, and for a relative path `EBADF` or `ENOTDIR` of `from`.
    pub(crate) fn resolve(&self, pid: Pid, from: i32, path: &[u8]) -> Result<Place, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        if path[0] == b'/' {
            return self.confine(place(path.to_vec()));
        }
        let (directory, anchor) = self.directory(pid, from)?;
        if self.config.root.is_some() {
            let directory = match &anchor {
                Some(anchor) => self.path_now(anchor)?,
                None => directory,
            };
            return self.confine(place(join(&directory, path)));
        }
        Ok(match (place(join(&directory, path)), anchor) {
            (Place::Host(host), Some(anchor)) => Place::Host(host.within(anchor, path)),
            (place, _) => place,
        })
    }

    /// The path that an open directory of the host has now: it may have been renamed since it was opened.
    ///
    /// # Errors
    /// `ENOENT` if it was removed, or is outside of the root folder by now.
    pub(crate) fn path_now(&self, directory: &OwnedFd) -> Result<Vec<u8>, Errno> {
        if rustix::fs::fstat(directory).map_err(errno)?.st_nlink == 0 {
            return Err(Errno::ENOENT);
        }
        let path = rustix::fs::readlinkat(rustix::fs::CWD, fd_path(directory), Vec::new()).map_err(errno)?;
        match &self.config.root {
            Some(root) => root.inside_now(path.as_bytes()),
            None => Ok(path.into_bytes()),
        }
    }

    /// With a root folder: a path of the host means what lies there inside.
    pub(crate) fn confine(&self, place: Place) -> Result<Place, Errno> {
        match (&self.config.root, place) {
            // A root folder has no devices but the machine's own, beside what lies in its folder.
            (Some(_), Place::Host(path)) if normalize(&path.shown) == b"/dev" => {
                Ok(Place::Proc(b"/dev".to_vec()))
            }
            (Some(root), Place::Host(path)) => root.find(&path.shown).map(Place::Host),
            (_, place) => Ok(place),
        }
    }

    /// Where the links of `/proc` lead from this path; the place that comes out is none of them.
    ///
    /// # Errors
    /// `ELOOP` if they lead nowhere: a working directory may be named by another task's `cwd`.
    pub(crate) fn follow_proc(&self, pid: Pid, path: &[u8]) -> Result<Place, Errno> {
        /// Linux's `MAXSYMLINKS`.
        const MOST_LINKS: usize = 40;
        let mut path = path.to_vec();
        for _ in 0..MOST_LINKS {
            if let Some((_, Some(fd))) = proc::descriptor(self, pid, &path) {
                return Ok(Place::Descriptor(fd));
            }
            let Some(target) = proc::read_link(self, pid, &path) else {
                return Ok(Place::Proc(path));
            };
            let absolute = if target.starts_with(b"/") {
                target
            } else {
                let end = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
                join(&path[..end], &target)
            };
            match place(absolute) {
                Place::Proc(next) => path = next,
                other => return self.confine(other),
            }
        }
        Err(Errno::ELOOP)
    }

    /// The directory that relative paths begin in: its path, and itself if it is the host's.
    fn directory(&self, pid: Pid, from: i32) -> Result<(Vec<u8>, Option<Rc<OwnedFd>>), Errno> {
        let task = self.task(pid);
        if from == AT_FDCWD {
            let directories = task.directories.borrow();
            return Ok((directories.working.clone(), directories.anchor.clone()));
        }
        let files = task.files.borrow();
        let file = files.get(from)?;
        match &file.kind {
            Kind::Directory { host, .. } | Kind::Place(host) => {
                Ok((file.path.clone(), Some(Rc::clone(host))))
            }
            Kind::Listing(_) => Ok((file.path.clone(), None)),
            _ => Err(Errno::ENOTDIR),
        }
    }
}

/// A directory of the host as the place where relative paths begin; by the host's own path.
pub(crate) fn anchor(path: &[u8]) -> Option<Rc<OwnedFd>> {
    use rustix::fs::{CWD, Mode, OFlags};
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
        .ok()
        .map(Rc::new)
}

/// What an absolute path names.
pub(crate) fn place(absolute: Vec<u8>) -> Place {
    let plain = normalize(&absolute);
    if let Some(place) = own_place(&plain) {
        return place;
    }
    // The host resolves links and `..` itself: they need not mean what the text says.
    Place::Host(HostPath::absolute(absolute))
}

fn own_place(plain: &[u8]) -> Option<Place> {
    let number = |text: &[u8]| {
        let digits = text.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
    };
    let device = |device| Some(Place::Device(device, plain.to_vec()));
    match plain {
        b"/dev/null" => return device(Device::Null),
        b"/dev/zero" => return device(Device::Zero),
        b"/dev/full" => return device(Device::Full),
        b"/dev/random" | b"/dev/urandom" => return device(Device::Random),
        b"/dev/tty" => return device(Device::Terminal),
        b"/dev/stdin" => return Some(Place::Descriptor(0)),
        b"/dev/stdout" => return Some(Place::Descriptor(1)),
        b"/dev/stderr" => return Some(Place::Descriptor(2)),
        // A link, as udev makes it.
        b"/dev/fd" => return Some(Place::Proc(plain.to_vec())),
        bundle::FOLDER => return Some(Place::Programs),
        _ => {}
    }
    for folder in [&b"/dev/fd/"[..], b"/proc/self/fd/", b"/proc/thread-self/fd/"] {
        if let Some(fd) = plain.strip_prefix(folder).and_then(number) {
            return Some(Place::Descriptor(fd));
        }
    }
    if proc::is_tree(plain) {
        return Some(Place::Proc(plain.to_vec()));
    }
    let name = plain.strip_prefix(bundle::FOLDER)?.strip_prefix(b"/")?;
    Some(Place::Program(name.to_vec()))
}

/// One path after another.
pub(crate) fn join(directory: &[u8], path: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
    [directory, slash, path].concat()
}

/// An absolute path without `.`, `..`, doubled and trailing slashes; links are not looked at.
pub(crate) fn normalize(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for part in parts {
        out.push(b'/');
        out.extend_from_slice(part);
    }
    if out.is_empty() {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_what_says_nothing() {
        for (path, plain) in [
            ("/", "/"),
            ("//a//b/", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/../..", "/"),
        ] {
            assert_eq!(normalize(path.as_bytes()), plain.as_bytes(), "{path}");
        }
        assert_eq!(join(b"/", b"x"), b"/x");
        assert_eq!(join(b"/a", b"x"), b"/a/x");
    }

    #[test]
    fn our_own_places_are_known() {
        let at = |path: &str| place(path.as_bytes().to_vec());
        assert_eq!(at("/proc/self/maps"), Place::Proc(b"/proc/self/maps".to_vec()));
        assert_eq!(at("/tmp/../proc"), Place::Proc(b"/proc".to_vec()));
        assert_eq!(at("/dev/fd/7"), Place::Descriptor(7));
        assert_eq!(at("/proc/self/fd/1"), Place::Descriptor(1));
        assert_eq!(at("/pagewalk/beep"), Place::Program(b"beep".to_vec()));
        assert_eq!(at("/pagewalk"), Place::Programs);
        assert_eq!(
            at("/procure"),
            Place::Host(HostPath::absolute(b"/procure".to_vec()))
        );
        assert_eq!(
            at("/pagewalker/x"),
            Place::Host(HostPath::absolute(b"/pagewalker/x".to_vec()))
        );
        assert_eq!(
            at("/a/../b/"),
            Place::Host(HostPath::absolute(b"/a/../b/".to_vec()))
        );
    }
}
