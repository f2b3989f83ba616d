//! Anything shaped like `/proc`: the [`Root`] trait and the folder ([`DirRoot`]); the other is [`crate::SocketRoot`].
//!
//! Paths are relative to the root, without a leading slash: `42/smaps`, `stat`, and `""` for the root itself.

use crate::pace::Pace;
use crate::{Addr, MapAt, MapFind, PageRuns, PageWanted, ParseError, Text, host};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A tree shaped like `/proc`: the host's, a saved folder, or a machine's socket.
pub trait Root {
    /// What it is, for a header: `/proc`, a folder's path, or `machine 4711`.
    fn describe(&self) -> String;

    /// Open a file to read from its start.
    ///
    /// # Errors
    /// [`RootError`] with the path and the system's error.
    fn open(&self, path: &str) -> Result<Box<dyn Read + Send + '_>, RootError>;

    /// Read at `offset` bytes into `buf`; the count is less than `buf.len()` only at the end of the file.
    ///
    /// # Errors
    /// [`RootError`] as above.
    fn read_at(&self, path: &str, offset: u64, buf: &mut [u8]) -> Result<usize, RootError>;

    /// What a symbolic link holds.
    ///
    /// # Errors
    /// [`RootError`] as above.
    fn read_link(&self, path: &str) -> Result<Vec<u8>, RootError>;

    /// The names in a directory, in no order.
    ///
    /// # Errors
    /// [`RootError`] as above.
    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, RootError>;

    /// Whether the root is this host's live `/proc`, so that paths in its texts name files here.
    fn is_this_host(&self) -> bool {
        false
    }

    /// Whether processes run behind it, so that two reads may differ; false for a saved folder.
    fn is_live(&self) -> bool {
        self.is_this_host()
    }

    /// The file itself, opened, if the root is a folder of this host; `None` if it has no files. See [`HeldFile`](crate::HeldFile).
    ///
    /// # Errors
    /// [`RootError`] if it cannot be opened.
    fn open_host_file(&self, path: &str) -> Result<Option<File>, RootError> {
        let _ = path;
        Ok(None)
    }

    /// Runs of pages by PAGEMAP_SCAN, of this host's processes. `dyn Root`'s `page_runs` falls back to `pagemap`.
    ///
    /// # Errors
    /// [`RootError`], of kind `Unsupported` where there is no such call: [`RootError::is_unsupported`].
    fn scan_pages(&self, pid: i32, range: Range<Addr>, wanted: &PageWanted) -> Result<PageRuns, RootError> {
        let _ = (range, wanted);
        Err(not_this_host("scan", &format!("{pid}/pagemap")))
    }

    /// One mapping by PROCMAP_QUERY, of this host's processes. `dyn Root`'s `map_at` falls back to `maps`.
    ///
    /// # Errors
    /// [`RootError`], of kind `Unsupported` where there is no such call.
    fn query_map(&self, pid: i32, addr: Addr, find: MapFind) -> Result<Option<MapAt>, RootError> {
        let _ = (addr, find);
        Err(not_this_host("query", &format!("{pid}/maps")))
    }

    /// The head of a thread's robust futex list by get_robust_list(2), of this host's threads. With glibc it lies in the thread's
    /// descriptor, and so in the mapping of its stack.
    ///
    /// # Errors
    /// [`RootError`], of kind `Unsupported` where there is no such call.
    fn robust_list(&self, tid: i32) -> Result<Addr, RootError> {
        Err(not_this_host("get the robust list of", &tid.to_string()))
    }

    /// A whole file.
    ///
    /// # Errors
    /// [`RootError`] as above.
    fn read(&self, path: &str) -> Result<Vec<u8>, RootError> {
        let mut bytes = Vec::new();
        self.open(path)?
            .read_to_end(&mut bytes)
            .map_err(|e| RootError::new("read", path, e))?;
        Ok(bytes)
    }
}

fn not_this_host(action: &'static str, path: &str) -> RootError {
    let message = "only this host's kernel answers that";
    RootError::new(action, path, io::Error::new(io::ErrorKind::Unsupported, message))
}

impl dyn Root + '_ {
    /// A whole file, parsed.
    ///
    /// # Errors
    /// [`RootError`] if it cannot be read or is not what Linux prints.
    pub fn parse<T: Text>(&self, path: &str) -> Result<T, RootError> {
        T::parse(&self.read(path)?).map_err(|e| RootError::malformed(path, e))
    }

    /// The process ids at the root, ascending.
    ///
    /// # Errors
    /// [`RootError`] if the root cannot be listed.
    pub fn pids(&self) -> Result<Vec<i32>, RootError> {
        let names = self.list("")?;
        let pid = |name: &Vec<u8>| {
            str::from_utf8(name)
                .ok()
                .filter(|n| n.bytes().all(|b| b.is_ascii_digit()))?
                .parse()
                .ok()
        };
        let mut pids: Vec<i32> = names.iter().filter_map(pid).collect();
        pids.sort_unstable();
        Ok(pids)
    }
}

/// A file of a root that could not be read or understood.
#[derive(Debug)]
pub struct RootError {
    /// What was tried: `open`, `read`, `list`...
    pub action: &'static str,
    /// The path in the root.
    pub path: String,
    /// The system's error; a [`ParseError`] is inside one of kind `InvalidData`.
    pub source: io::Error,
}

impl RootError {
    /// `action` on `path` failed.
    #[must_use]
    pub fn new(action: &'static str, path: &str, source: io::Error) -> Self {
        Self {
            action,
            path: path.into(),
            source,
        }
    }

    /// `path` could be read but not understood.
    #[must_use]
    pub fn malformed(path: &str, error: ParseError) -> Self {
        Self::new("parse", path, crate::maps::invalid_data(error))
    }

    /// No such file; or the process is gone (ESRCH is what a held file of a dead process says).
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound || self.source.raw_os_error() == Some(3)
    }

    /// The reader may not.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.source.kind() == io::ErrorKind::PermissionDenied
    }
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.action, self.path, self.source)
    }
}

impl std::error::Error for RootError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A folder: `/proc`, or a saved copy of one.
#[derive(Clone, Debug)]
pub struct DirRoot {
    folder: PathBuf,
}

impl DirRoot {
    /// The folder's tree. Nothing is opened yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// This host's `/proc`.
    #[must_use]
    pub fn host() -> Self {
        Self::new("/proc")
    }

    fn at(&self, path: &str) -> PathBuf {
        // `join` would let an absolute path replace the root.
        self.folder.join(path.trim_start_matches('/'))
    }

    fn open_file(&self, path: &str) -> Result<File, RootError> {
        File::open(self.at(path)).map_err(|e| RootError::new("open", path, e))
    }
}

impl Root for DirRoot {
    fn describe(&self) -> String {
        self.folder.display().to_string()
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + Send + '_>, RootError> {
        Ok(Box::new(self.open_file(path)?))
    }

    fn read_at(&self, path: &str, offset: u64, buf: &mut [u8]) -> Result<usize, RootError> {
        let file = self.open_file(path)?;
        let mut done = 0;
        while done < buf.len() {
            match file.read_at(&mut buf[done..], offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(RootError::new("read", path, e)),
            }
        }
        Ok(done)
    }

    fn read_link(&self, path: &str) -> Result<Vec<u8>, RootError> {
        let target = std::fs::read_link(self.at(path)).map_err(|e| RootError::new("read link", path, e))?;
        Ok(target.into_os_string().into_vec())
    }

    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, RootError> {
        let error = |e| RootError::new("list", path, e);
        let entries = std::fs::read_dir(self.at(path)).map_err(error)?;
        entries
            .map(|entry| Ok(entry.map_err(error)?.file_name().as_bytes().to_vec()))
            .collect()
    }

    fn is_this_host(&self) -> bool {
        self.folder == Path::new("/proc")
    }

    fn open_host_file(&self, path: &str) -> Result<Option<File>, RootError> {
        self.open_file(path).map(Some)
    }

    fn scan_pages(&self, pid: i32, range: Range<Addr>, wanted: &PageWanted) -> Result<PageRuns, RootError> {
        let path = format!("{pid}/pagemap");
        if !self.is_this_host() {
            return Err(not_this_host("scan", &path));
        }
        let file = self.open_file(&path)?;
        host::scan_pages(file.as_fd(), range, wanted, &Pace::default())
            .map_err(|e| RootError::new("scan", &path, e))
    }

    fn query_map(&self, pid: i32, addr: Addr, find: MapFind) -> Result<Option<MapAt>, RootError> {
        let path = format!("{pid}/maps");
        if !self.is_this_host() {
            return Err(not_this_host("query", &path));
        }
        let file = self.open_file(&path)?;
        host::query_map(file.as_fd(), addr, find).map_err(|e| RootError::new("query", &path, e))
    }

    fn robust_list(&self, tid: i32) -> Result<Addr, RootError> {
        let (action, path) = ("get the robust list of", tid.to_string());
        if !self.is_this_host() {
            return Err(not_this_host(action, &path));
        }
        host::robust_list(tid).map_err(|e| RootError::new(action, &path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_reads_lists_and_says_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("42")).unwrap();
        std::fs::write(dir.path().join("42/comm"), "beep\n").unwrap();
        std::os::unix::fs::symlink("/bin/beep", dir.path().join("42/exe")).unwrap();
        let root: &dyn Root = &DirRoot::new(dir.path());
        assert_eq!(root.pids().unwrap(), [42]);
        assert_eq!(root.parse::<crate::Comm>("42/comm").unwrap().0, b"beep");
        assert_eq!(root.read_link("42/exe").unwrap(), b"/bin/beep");
        let mut buf = [0; 8];
        assert_eq!(root.read_at("42/comm", 2, &mut buf).unwrap(), 3);
        let error = root.read("42/maps").unwrap_err();
        assert!(error.is_gone() && !error.is_denied());
        assert_eq!(
            error.to_string(),
            "cannot open 42/maps: No such file or directory (os error 2)"
        );
        assert!(
            root.parse::<crate::Statm>("42/comm")
                .unwrap_err()
                .to_string()
                .contains("line 1")
        );
        assert!(!root.is_this_host());
    }

    #[test]
    fn an_absolute_path_stays_inside() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            DirRoot::new(dir.path())
                .read("/etc/hostname")
                .unwrap_err()
                .is_gone()
        );
    }
}
