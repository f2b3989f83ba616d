//! The content of `/proc`: one tree for the programs of the machine and, over the control socket, for the tools.
//!
//! - [`tree`]: paths, kinds and content; what the machine serves.
//! - [`facts`]: what is said of tasks and of the system, gathered from the kernel.
//! - [`task`], [`memory`], [`system`], [`flags`]: from facts to `procfs`'s types, which print them.
//!
//! The functions here are what the file layer asks on behalf of a program: `path` is absolute and begins with
//! `/proc`, and `None` means that there is no such file.

mod facts;
mod flags;
mod memory;
mod system;
mod task;
pub mod tree;

use abi::Errno;

use crate::kernel::Kernel;
use crate::task::Pid;
pub(crate) use tree::Kind;

/// An entry of a directory of `/proc`.
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: Vec<u8>,
    /// `DT_DIR`, `DT_REG` or `DT_LNK`.
    pub(crate) kind: u8,
}

fn below(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"/proc").unwrap_or(path)
}

fn number(pid: Pid) -> Option<i32> {
    Some(pid.get().cast_signed())
}

/// What stands at a path.
pub(crate) fn kind(kernel: &Kernel, caller: Pid, path: &[u8]) -> Option<Kind> {
    tree::kind(kernel, number(caller), below(path)).ok()
}

/// The whole content of a file.
pub(crate) fn read(kernel: &Kernel, caller: Pid, path: &[u8]) -> Option<Result<Vec<u8>, Errno>> {
    match tree::whole(kernel, number(caller), below(path)) {
        Err(Errno::ENOENT | Errno::EISDIR) => None,
        // pagemap and mem have no whole: whoever opens them reads them in place, by `tree::read`.
        Ok(None) => Some(Err(Errno::EACCES)),
        Ok(Some(text)) => Some(Ok(text)),
        Err(errno) => Some(Err(errno)),
    }
}

/// The entries of a directory.
pub(crate) fn list(kernel: &Kernel, caller: Pid, path: &[u8]) -> Option<Vec<Entry>> {
    let names = tree::list(kernel, number(caller), below(path)).ok()?;
    let entry = |name: Vec<u8>| {
        let inner = [below(path), b"/", &name].concat();
        let kind = match tree::kind(kernel, number(caller), &inner) {
            Ok(Kind::Directory) | Err(_) => 4,
            Ok(Kind::File) => 8,
            Ok(Kind::Link) => 10,
        };
        Entry { name, kind }
    };
    Some(names.into_iter().map(entry).collect())
}

/// The target of a symbolic link.
pub(crate) fn read_link(kernel: &Kernel, caller: Pid, path: &[u8]) -> Option<Vec<u8>> {
    tree::read_link(kernel, number(caller), below(path)).ok()
}
