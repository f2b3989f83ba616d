//! The content of `/proc`, behind one small boundary: texts, listings and links by path.
//!
//! `None` means that there is no such file; the file layer then answers `ENOENT`.

use abi::Errno;

use crate::kernel::Kernel;
use crate::task::Pid;

/// An entry of a directory of `/proc`.
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: Vec<u8>,
    /// `DT_DIR`, `DT_REG` or `DT_LNK`.
    pub(crate) kind: u8,
}

/// The whole content of a file; `path` is absolute and begins with `/proc`.
pub(crate) fn read(_kernel: &Kernel, _caller: Pid, _path: &[u8]) -> Option<Result<Vec<u8>, Errno>> {
    None
}

/// The entries of a directory.
pub(crate) fn list(_kernel: &Kernel, _caller: Pid, _path: &[u8]) -> Option<Vec<Entry>> {
    None
}

/// The target of a symbolic link.
pub(crate) fn read_link(_kernel: &Kernel, _caller: Pid, _path: &[u8]) -> Option<Vec<u8>> {
    None
}
