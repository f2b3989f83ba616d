//! Root folders made of Debian's arm64 packages: built once under `target/roots/NAME`, and a fresh copy for each run
//! under `target/roots/runs`, whose files under `/usr` are links to the first. Key types: [`Root`], [`Left`].
//! Neighbours: [`crate::debian`] (the packages), [`super::engine`].

use std::fmt;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::command::{capture, run, target};
use crate::debian::Archive;
use crate::trouble::Trouble;

use super::reference;

/// The folder, inside of a root, that every case starts in.
pub(crate) const WORK: &str = "/work";

/// Raised when the way of building changes: older roots are then built anew.
const EDITION: u32 = 4;

/// A root folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) name: &'static str,
    /// What apt is asked for; dependencies come by themselves.
    pub(crate) packages: &'static [&'static str],
    /// A command that qemu runs in the new root, as a package's script would: what it leaves is in every copy.
    pub(crate) setup: &'static [&'static str],
}

/// No setup takes longer on a slow host.
const SETUP_LIMIT: Duration = Duration::from_secs(900);

/// Parts of packages that no case reads.
const LEFT_OUT: &[&str] = &["doc", "man", "info", "locale", "lintian", "bug"];

/// What the packages' own scripts would have made.
const FURNITURE: &[(&str, &str)] = &[
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
];

/// The built root, built now if it is not there. Held by one caller at a time, so that apt runs once.
pub(crate) fn built(root: &Root) -> Result<PathBuf, Trouble> {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _alone = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = target().join("roots").join(root.name);
    let stamp = folder.with_extension("built");
    let recipe = format!(
        "{EDITION} {}\n{}\n",
        root.packages.join(" "),
        root.setup.join(" ")
    );
    if fs::read_to_string(&stamp).is_ok_and(|was| was == recipe) {
        return Ok(folder);
    }
    remove(&folder);
    let files = Archive::open(Some("arm64"))?.closure(root.packages)?;
    merged_usr(&folder)?;
    for file in files {
        unpack(&file, &folder)?;
    }
    for (path, text) in FURNITURE {
        write(&folder.join(path), text)?;
    }
    let shell = folder.join("bin/sh");
    if !shell.exists() {
        symlink("bash", &shell).map_err(Trouble::file(&shell))?;
    }
    // The cases' folder, and what a root of few packages lacks.
    for name in [
        "work", "proc", "dev", "sys", "tmp", "root", "run", "var/tmp", "dev/shm",
    ] {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(Trouble::file(&path))?;
    }
    if !root.setup.is_empty() {
        let done = capture(
            &mut reference::engine()?.command(&folder, root.setup),
            b"",
            SETUP_LIMIT,
        )?;
        if done.status != 0 {
            return Err(Trouble::Missing {
                tool: format!("root {}", root.name),
                why: done
                    .stderr
                    .lines()
                    .last()
                    .unwrap_or("its setup failed")
                    .to_owned(),
            });
        }
    }
    write(&stamp, &recipe)?;
    Ok(folder)
}

/// `/bin`, `/sbin` and `/lib` as Debian's `usrmerge` leaves them.
fn merged_usr(folder: &Path) -> Result<(), Trouble> {
    for name in ["bin", "sbin", "lib"] {
        let real = folder.join("usr").join(name);
        fs::create_dir_all(&real).map_err(Trouble::file(&real))?;
        let link = folder.join(name);
        symlink(format!("usr/{name}"), &link).map_err(Trouble::file(&link))?;
    }
    Ok(())
}

/// Unpacks a package over what is there; `dpkg-deb -x` would replace `/bin`'s link by a folder.
fn unpack(package: &Path, folder: &Path) -> Result<(), Trouble> {
    let mut script = String::from(
        "dpkg-deb --fsys-tarfile \"$1\" | tar -x -C \"$2\" --keep-directory-symlink --no-same-owner",
    );
    for name in LEFT_OUT {
        script.push_str(&format!(" --exclude='./usr/share/{name}/*'"));
    }
    run(Command::new("sh")
        .args(["-c", &script, "sh"])
        .arg(package)
        .arg(folder))
}

fn write(path: &Path, text: &str) -> Result<(), Trouble> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Trouble::file(folder))?;
    }
    fs::write(path, text).map_err(Trouble::file(path))
}

/// A copy of a root for one run, where nothing of an earlier run is.
pub(crate) fn fresh(root: &Root, run: &str) -> Result<PathBuf, Trouble> {
    let from = built(root)?;
    let to = target().join("roots/runs").join(run);
    remove(&to);
    copy(&from, &to, false)?;
    Ok(to)
}

/// Copies a tree. What is under `/usr` is linked: programs replace such files, if at all, and do not write into them.
fn copy(from: &Path, to: &Path, linked: bool) -> Result<(), Trouble> {
    fs::create_dir_all(to).map_err(Trouble::file(to))?;
    for entry in fs::read_dir(from).map_err(Trouble::file(from))? {
        let entry = entry.map_err(Trouble::file(from))?;
        let (here, there) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(Trouble::file(&here))?;
        if kind.is_dir() {
            copy(&here, &there, linked || entry.file_name() == "usr")?;
        } else if kind.is_symlink() {
            let goal = fs::read_link(&here).map_err(Trouble::file(&here))?;
            symlink(goal, &there).map_err(Trouble::file(&there))?;
        } else if linked {
            fs::hard_link(&here, &there).map_err(Trouble::file(&there))?;
        } else {
            fs::copy(&here, &there).map_err(Trouble::file(&there))?;
        }
    }
    let mode = fs::metadata(from).map_err(Trouble::file(from))?.permissions();
    fs::set_permissions(to, mode).map_err(Trouble::file(to))
}

/// Writes a case's files into its working folder, all of them executable; the working folder.
pub(crate) fn furnish(folder: &Path, files: &[(&str, &str)]) -> Result<PathBuf, Trouble> {
    let work = folder.join(WORK.trim_start_matches('/'));
    for (name, text) in files {
        let path = work.join(name);
        write(&path, text)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).map_err(Trouble::file(&path))?;
    }
    Ok(work)
}

/// A file that a run left in its working folder.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Left {
    /// Relative to the working folder.
    pub(crate) path: String,
    /// Type and permissions, as stat(2) gives them.
    pub(crate) mode: u32,
    /// The content of a regular file, the goal of a symbolic link.
    pub(crate) bytes: Vec<u8>,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.bytes);
        let start: String = text.chars().take(60).collect();
        write!(f, "mode {:o}, {} bytes {start:?}", self.mode, self.bytes.len())
    }
}

/// Everything in the working folder, sorted by path.
pub(crate) fn left_in(work: &Path) -> Result<Vec<Left>, Trouble> {
    let mut left = Vec::new();
    collect(work, work, &mut left)?;
    left.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(left)
}

fn collect(work: &Path, folder: &Path, left: &mut Vec<Left>) -> Result<(), Trouble> {
    for entry in fs::read_dir(folder).map_err(Trouble::file(folder))? {
        let path = entry.map_err(Trouble::file(folder))?.path();
        let data = fs::symlink_metadata(&path).map_err(Trouble::file(&path))?;
        let bytes = if data.is_file() {
            fs::read(&path).map_err(Trouble::file(&path))?
        } else if data.is_symlink() {
            let goal = fs::read_link(&path).map_err(Trouble::file(&path))?;
            goal.to_string_lossy().into_owned().into_bytes()
        } else {
            Vec::new()
        };
        let name = path.strip_prefix(work).unwrap_or(&path);
        left.push(Left {
            path: name.to_string_lossy().into_owned(),
            mode: data.permissions().mode(),
            bytes,
        });
        if data.is_dir() {
            collect(work, &path, left)?;
        }
    }
    Ok(())
}

/// Removes a run's folder; what cannot be removed is in the way of the next run, which then says so.
pub(crate) fn remove(folder: &Path) {
    drop(fs::remove_dir_all(folder));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of this test alone, empty.
    fn folder(name: &str) -> PathBuf {
        let folder = target().join("xtask-tests").join(name);
        remove(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_copy_links_usr_and_copies_the_rest() {
        use std::os::unix::fs::MetadataExt;
        let (from, to) = (folder("copy-from"), folder("copy-to"));
        merged_usr(&from).unwrap();
        write(&from.join("usr/bin/tool"), "x").unwrap();
        write(&from.join("etc/passwd"), "root").unwrap();
        fs::set_permissions(from.join("etc"), PermissionsExt::from_mode(0o1777)).unwrap();
        copy(&from, &to, false).unwrap();
        let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
        assert_eq!(inode(from.join("bin/tool")), inode(to.join("bin/tool")));
        assert_ne!(inode(from.join("etc/passwd")), inode(to.join("etc/passwd")));
        assert_eq!(fs::metadata(to.join("etc")).unwrap().mode() & 0o7777, 0o1777);
        assert_eq!(fs::read_link(to.join("lib")).unwrap(), Path::new("usr/lib"));
    }

    #[test]
    fn what_is_left_is_listed_with_links_and_folders() {
        let root = folder("left");
        let work = furnish(&root, &[("a/b", "text")]).unwrap();
        symlink("a/b", work.join("link")).unwrap();
        let left = left_in(&work).unwrap();
        let paths: Vec<&str> = left.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a", "a/b", "link"]);
        assert_eq!(
            (left[1].mode & 0o777, left[1].bytes.as_slice()),
            (0o755, &b"text"[..])
        );
        assert_eq!(left[2].bytes, b"a/b");
    }
}
