//! `--root DIR`: a folder of the host that is all of the host that guests can name.
//!
//! Key type: [`Root`]. Each path of a guest is looked up from the folder by `openat2(2)` with `RESOLVE_IN_ROOT`, so that neither
//! `..` nor a link leads out, and the host is then asked for the object that was found (its descriptor's name in the
//! machine's own `/proc/self/fd`), never for the guest's text. `/proc`, `/pagewalk` and the devices of our own do not come here.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use abi::Errno;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

use super::host::errno;
use super::resolve::{HostPath, join};

/// Linux's `MAXSYMLINKS`.
const MOST_LINKS: usize = 40;

/// The folder that guests see as `/`.
#[derive(Clone)]
pub struct Root {
    folder: Rc<OwnedFd>,
    /// Where it is, with all links resolved.
    path: Vec<u8>,
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({})", String::from_utf8_lossy(&self.path))
    }
}

impl Root {
    /// Opens a folder of the host as a root.
    ///
    /// # Errors
    /// It is no folder that can be entered, or the host has no `openat2(2)` (Linux 5.6).
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = std::fs::canonicalize(folder)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = Self {
            folder: Rc::new(rustix::fs::openat(CWD, &path, flags, Mode::empty())?),
            path: path.as_os_str().as_bytes().to_vec(),
        };
        root.look_up(b".", flags)?;
        Ok(root)
    }

    /// Whether this is a folder inside, for somebody to start in.
    ///
    /// # Errors
    /// Why not.
    pub fn check_folder(&self, path: &Path) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        self.look_up(path.as_os_str().as_bytes(), flags)?;
        Ok(())
    }

    /// Opens what a guest's path names, links followed, inside.
    fn look_up(&self, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        // Without the host's magic links: those of a /proc that is mounted inside would lead out.
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            match rustix::fs::openat2(&self.folder, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
                // A rename elsewhere made the host unsure whether `..` stayed inside: it asks to be asked again.
                Err(rustix::io::Errno::AGAIN) => {}
                found => return found,
            }
        }
    }

    /// What a guest's absolute path names.
    ///
    /// # Errors
    /// The host's for every directory on the way; that the last name does not exist is no error.
    pub(crate) fn find(&self, guest: &[u8]) -> Result<HostPath, Errno> {
        self.find_from(guest, MOST_LINKS)
    }

    fn find_from(&self, guest: &[u8], links_left: usize) -> Result<HostPath, Errno> {
        let target = self.look_up(guest, OFlags::PATH);
        let (folder, name) = split(guest);
        let parent = self
            .look_up(folder, OFlags::PATH | OFlags::DIRECTORY)
            .map_err(errno)?;
        let parent = Rc::new(parent);
        let shown = guest.to_vec();
        match target {
            Ok(target) => {
                let target = HostPath::held(shown, Rc::new(target));
                // `link/` is what the link leads to.
                let is_link = || rustix::fs::readlinkat(&parent, name, Vec::new()).is_ok();
                let has_none = matches!(name, b"" | b"." | b"..") || guest.ends_with(b"/") && is_link();
                Ok(if has_none {
                    target
                } else {
                    target.known_as(parent, name)
                })
            }
            Err(error) if matches!(name, b"" | b"." | b"..") => Err(errno(error)),
            Err(error) => match rustix::fs::readlinkat(&parent, name, Vec::new()) {
                // What would be made is where the link leads.
                Ok(link) => match self.follow(&parent, link.into_bytes(), error, links_left) {
                    Ok(target) => Ok(target.known_as(parent, name)),
                    Err(why) if guest.ends_with(b"/") => Err(why),
                    Err(why) => Ok(HostPath::broken(shown, parent, name, why)),
                },
                Err(_) if error == rustix::io::Errno::NOENT => Ok(HostPath::missing(shown, parent, name)),
                Err(_) => Err(errno(error)),
            },
        }
    }

    /// Where a link leads that the host could not follow to its end.
    fn follow(
        &self,
        parent: &OwnedFd,
        link: Vec<u8>,
        why: rustix::io::Errno,
        links_left: usize,
    ) -> Result<HostPath, Errno> {
        if why != rustix::io::Errno::NOENT {
            return Err(errno(why));
        }
        let links_left = links_left.checked_sub(1).ok_or(Errno::ELOOP)?;
        let next = match link.starts_with(b"/") {
            true => link,
            false => join(&self.guest_path(parent)?, &link),
        };
        self.find_from(&next, links_left)
    }

    /// A path inside for a folder that was found inside.
    fn guest_path(&self, folder: &OwnedFd) -> Result<Vec<u8>, Errno> {
        let name = format!("/proc/self/fd/{}", folder.as_raw_fd());
        let host = rustix::fs::readlinkat(CWD, name, Vec::new()).map_err(errno)?;
        Ok(self.inside(host.into_bytes()))
    }

    /// The guest's name of a path that the host has just told, wherever the root folder itself is by now.
    ///
    /// # Errors
    /// `ENOENT` for one outside.
    pub(crate) fn inside_now(&self, host: &[u8]) -> Result<Vec<u8>, Errno> {
        let name = format!("/proc/self/fd/{}", self.folder.as_raw_fd());
        let own = rustix::fs::readlinkat(CWD, name, Vec::new()).map_err(errno)?;
        let own = own.as_bytes();
        if own == b"/" {
            return Ok(host.to_vec());
        }
        match host.strip_prefix(own).ok_or(Errno::ENOENT)? {
            b"" => Ok(b"/".to_vec()),
            rest if rest.starts_with(b"/") => Ok(rest.to_vec()),
            _ => Err(Errno::ENOENT),
        }
    }

    /// The guest's name of a path of the host; one that is not inside (it was moved out) is shown as `/`.
    pub(crate) fn inside(&self, host: Vec<u8>) -> Vec<u8> {
        if self.path == b"/" {
            return host;
        }
        match host.strip_prefix(&*self.path) {
            Some(rest) if rest.starts_with(b"/") => rest.to_vec(),
            _ => b"/".to_vec(),
        }
    }
}

/// The directory and the last name of a path, without slashes at its end.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |last| last + 1);
    let path = &path[..end];
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(0) => (b"/", &path[1..]),
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"/", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A root with a secret beside it.
    fn tree() -> (tempfile::TempDir, Root) {
        let outside = tempfile::tempdir().expect("a folder");
        std::fs::write(outside.path().join("secret"), "outside").expect("written");
        let inside = outside.path().join("root");
        std::fs::create_dir_all(inside.join("a/b")).expect("made");
        std::fs::write(inside.join("a/file"), "inside").expect("written");
        let root = Root::open(&inside).expect("a root");
        (outside, root)
    }

    fn read(root: &Root, path: &str) -> Result<String, Errno> {
        let found = root.find(path.as_bytes())?;
        let text = std::fs::read_to_string(std::ffi::OsStr::from_bytes(found.name(true)?));
        text.map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                Errno::ENOENT
            } else {
                Errno::EIO
            }
        })
    }

    #[test]
    fn dots_and_links_stay_inside() {
        let (outside, root) = tree();
        let inside = outside.path().join("root");
        let secret = outside.path().join("secret");
        symlink(&secret, inside.join("absolute")).expect("a link");
        symlink("../../../../../../secret", inside.join("a/up")).expect("a link");
        symlink("/a", inside.join("folder")).expect("a link");
        symlink("loop", inside.join("loop")).expect("a link");
        assert_eq!(read(&root, "/a/file").as_deref(), Ok("inside"));
        assert_eq!(read(&root, "/folder/../a/b/../file").as_deref(), Ok("inside"));
        for path in ["/../secret", "/a/../../secret", "/absolute", "/a/up"] {
            assert_eq!(read(&root, path), Err(Errno::ENOENT), "{path}");
        }
        assert_eq!(read(&root, "/a/file/x"), Err(Errno::ENOTDIR));
        assert_eq!(read(&root, "/none/x"), Err(Errno::ENOENT));
        assert_eq!(read(&root, "/loop"), Err(Errno::ELOOP));
    }

    #[test]
    fn a_link_to_nothing_is_made_where_it_leads_inside() {
        let (outside, root) = tree();
        let inside = outside.path().join("root");
        symlink("/a/new", inside.join("link")).expect("a link");
        let found = root.find(b"/link").expect("a place");
        let name = found.name_to_open(true).expect("a place to make it");
        std::fs::write(std::ffi::OsStr::from_bytes(name), "new").expect("written");
        assert_eq!(std::fs::read(inside.join("a/new")).expect("made"), b"new");
        // The link itself is another thing, but with a slash it is what it leads to; the root is no link.
        let itself = std::fs::symlink_metadata(std::ffi::OsStr::from_bytes(&found.itself)).expect("there");
        assert!(itself.file_type().is_symlink());
        symlink("a", inside.join("folder")).expect("a link");
        for path in ["/", "/folder/", "/folder/.", "/a/b/.."] {
            let found = root.find(path.as_bytes()).expect("a place");
            let itself =
                std::fs::symlink_metadata(std::ffi::OsStr::from_bytes(&found.itself)).expect("there");
            assert!(itself.is_dir(), "{path}");
        }
        assert_eq!(
            root.inside(inside.join("a").as_os_str().as_bytes().to_vec()),
            b"/a"
        );
        assert_eq!(root.inside(b"/elsewhere".to_vec()), b"/");
    }

    #[test]
    fn paths_split_before_their_last_name() {
        let cases: [(&str, &str, &str); 5] = [
            ("/", "/", ""),
            ("/a", "/", "a"),
            ("/a/b//", "/a", "b"),
            ("a", "/", "a"),
            ("/a/..", "/a", ".."),
        ];
        for (path, folder, name) in cases {
            assert_eq!(
                split(path.as_bytes()),
                (folder.as_bytes(), name.as_bytes()),
                "{path}"
            );
        }
    }
}
