//! Where the machines' control sockets live, and which machines there are.
//!
//! The directory is `$XDG_RUNTIME_DIR/pagewalk`, or `/tmp/pagewalk-UID`. Only its user may enter: owner, mode and
//! that it is no symbolic link are checked before each use. A machine's socket is `HOSTPID.sock`.

use crate::{RootError, SocketRoot};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The path of this user's socket directory. It need not exist.
#[must_use]
pub fn directory() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute())
    {
        Some(runtime) => runtime.join("pagewalk"),
        None => PathBuf::from(format!("/tmp/pagewalk-{}", rustix::process::geteuid().as_raw())),
    }
}

/// The socket of the machine whose host process is `host_pid`.
#[must_use]
pub fn socket_path(directory: &Path, host_pid: u32) -> PathBuf {
    directory.join(format!("{host_pid}.sock"))
}

/// Make the directory (mode 0700) if it is missing, then [`check_directory`] it. For machines, before they bind.
///
/// # Errors
/// The system's; or PermissionDenied if what is there is not ours alone.
pub fn create_directory(directory: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => check_directory(directory),
    }
}

/// Check that the directory is one (no symbolic link), is ours, and nobody else may enter it.
///
/// # Errors
/// NotFound if it does not exist; PermissionDenied, saying why, if it is not ours alone.
pub fn check_directory(directory: &Path) -> io::Result<()> {
    let meta = std::fs::symlink_metadata(directory)?;
    let uid = rustix::process::geteuid().as_raw();
    let fault = if !meta.is_dir() {
        "is not a directory".to_owned()
    } else if meta.uid() != uid {
        format!("belongs to user {}, not to {uid}", meta.uid())
    } else if meta.mode() & 0o077 != 0 {
        format!("has mode {:04o}: others may enter it", meta.mode() & 0o7777)
    } else {
        return Ok(());
    };
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("{} {fault}", directory.display()),
    ))
}

/// The host pids that have a socket in the directory, ascending; none if it does not exist. A dead machine's socket
/// may be among them: [`connect`] tells.
///
/// # Errors
/// As [`check_directory`] (but for NotFound).
pub fn list(directory: &Path) -> io::Result<Vec<u32>> {
    match check_directory(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        checked => checked?,
    }
    let mut pids = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        pids.extend(
            name.to_str()
                .and_then(|n| n.strip_suffix(".sock"))
                .and_then(|n| n.parse::<u32>().ok()),
        );
    }
    pids.sort_unstable();
    Ok(pids)
}

/// Connect to the machine of that host pid and greet it.
///
/// # Errors
/// As [`check_directory`]; [`RootError`] with ConnectionRefused if the socket is stale.
pub fn connect(directory: &Path, host_pid: u32) -> Result<SocketRoot, RootError> {
    let path = socket_path(directory, host_pid);
    let error = |e| RootError::new("connect to", &path.display().to_string(), e);
    check_directory(directory).map_err(error)?;
    SocketRoot::greet(UnixStream::connect(&path).map_err(error)?)
}

/// Every machine that answers, by host pid. Stale sockets (connecting is refused) are left out, and
/// removed if no such process is left: a machine that has bound its socket but does not listen yet refuses too.
///
/// # Errors
/// As [`check_directory`], but for a directory that does not exist: then there are none.
pub fn machines(directory: &Path) -> io::Result<Vec<SocketRoot>> {
    let mut roots = Vec::new();
    for host_pid in list(directory)? {
        match connect(directory, host_pid) {
            Ok(root) => roots.push(root),
            Err(e) if e.source.kind() == io::ErrorKind::ConnectionRefused => {
                let is_dead = !Path::new(&format!("/proc/{host_pid}")).exists();
                // Losing the race for its removal is fine: it is gone either way.
                let _ = is_dead.then(|| std::fs::remove_file(socket_path(directory, host_pid)));
            }
            // It died between listing and greeting, or speaks another version: not a machine for us.
            Err(_) => {}
        }
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{self, Request, Response};
    use crate::{Comm, Root};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    /// A server of one file, for one client, on its own thread.
    fn serve(listener: UnixListener, host_pid: u32) {
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let long = "long ".repeat(300_000).into_bytes();
            while let Some(frame) = wire::receive(&mut stream, wire::MAX_REQUEST).unwrap() {
                let response = match Request::decode(&frame).unwrap() {
                    Request::Hello { .. } => Response::Hello {
                        version: wire::VERSION,
                        host_pid,
                    },
                    Request::List { .. } => Response::Names(vec![b"1".to_vec(), b"self".to_vec()]),
                    Request::Link { .. } => Response::Data(b"/bin/beep".to_vec()),
                    Request::Read { path, offset, len } => {
                        let file = match path.as_str() {
                            "1/comm" => b"beep\n".as_slice(),
                            "long" => &long,
                            _ => b"",
                        };
                        let rest = file.get(offset as usize..).unwrap_or_default();
                        match path.as_str() {
                            "1/maps" => Response::Error {
                                errno: 2,
                                message: String::new(),
                            },
                            _ => Response::Data(rest[..rest.len().min(len as usize)].to_vec()),
                        }
                    }
                };
                wire::send(&mut stream, &response.encode(), wire::MAX_RESPONSE).unwrap();
            }
        });
    }

    #[test]
    fn a_machine_is_found_and_read_and_a_dead_one_is_not() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("pagewalk");
        assert!(machines(&dir).unwrap().is_empty());
        create_directory(&dir).unwrap();
        serve(UnixListener::bind(socket_path(&dir, 7)).unwrap(), 7);
        // No process has this number: it is above the largest pid_max.
        const DEAD: u32 = 4_000_000_000;
        drop(UnixListener::bind(socket_path(&dir, DEAD)).unwrap());
        assert_eq!(list(&dir).unwrap(), [7, DEAD]);
        let found = machines(&dir).unwrap();
        assert_eq!(list(&dir).unwrap(), [7]);
        let [machine] = found.as_slice() else {
            panic!("{} machines", found.len())
        };
        assert_eq!(machine.host_pid(), 7);
        let root: &dyn Root = machine;
        assert_eq!(root.pids().unwrap(), [1]);
        assert_eq!(root.parse::<Comm>("1/comm").unwrap().0, b"beep");
        assert_eq!(root.read_link("1/exe").unwrap(), b"/bin/beep");
        assert_eq!(root.read("long").unwrap().len(), 1_500_000);
        let mut buf = [0; 3];
        assert_eq!(
            (root.read_at("1/comm", 3, &mut buf).unwrap(), &buf[..2]),
            (2, b"p\n".as_slice())
        );
        let error = root.read("1/maps").unwrap_err();
        assert!(error.is_gone(), "{error}");
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("open");
        create_directory(&dir).unwrap();
        assert_eq!(std::fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o750)).unwrap();
        let error = create_directory(&dir).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("0750"), "{error}");
        let link = temp.path().join("link");
        std::os::unix::fs::symlink(&dir, &link).unwrap();
        assert!(
            check_directory(&link)
                .unwrap_err()
                .to_string()
                .contains("not a directory")
        );
    }
}
