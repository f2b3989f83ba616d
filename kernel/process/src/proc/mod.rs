//! The content of `/proc`, `/sys` and `/dev`: for the programs of the machine and, over the control socket, for the tools.
//!
//! - [`tree`]: paths, kinds and content; what the machine serves. [`names`]: which files there are.
//! - [`facts`]: what is said of tasks and of the system, gathered from the kernel.
//! - [`task`], [`memory`], [`system`], [`flags`]: from facts to `procfs`'s types, which print them. [`small`], [`mounts`], [`network`],
//!   [`descriptors`], [`values`]: the other files. [`write`](mod@write): what can be written.
//!
//! The functions here are what the file layer asks on behalf of a program: `path` is absolute and begins with
//! `/proc`, `/sys` or is `/dev`, and `None` means that there is no such file.

mod descriptors;
mod facts;
mod flags;
mod memory;
mod mounts;
mod names;
mod network;
mod small;
mod system;
mod task;
pub mod tree;
mod values;
mod write;

pub(crate) use descriptors::mode as link_mode;

use std::rc::Rc;

use abi::Errno;
use arch::VirtAddr;

use crate::file::File;
use crate::file::root::Root;
use crate::kernel::Kernel;
use crate::task::Pid;
pub(crate) use tree::Kind;
use tree::Node;

/// An entry of a directory.
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: Vec<u8>,
    /// `DT_DIR`, `DT_REG` or `DT_LNK`.
    pub(crate) kind: u8,
    /// Its number.
    pub(crate) inode: u64,
}

/// What stat(2) says of a path.
pub(crate) struct Seen {
    /// What it is.
    pub(crate) kind: Kind,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Whose it is: a task's files are its user's, all others root's.
    pub(crate) owner: (u32, u32),
    /// Its number.
    pub(crate) inode: u64,
}

/// Whether a path leads into these trees, and not to the host: `/dev` itself is one of them for guests with a root folder.
pub(crate) fn is_tree(path: &[u8]) -> bool {
    [&b"/proc"[..], b"/sys"].iter().any(|tree| {
        path.strip_prefix(*tree)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    })
}

fn number(pid: Pid) -> Option<i32> {
    Some(pid.get().cast_signed())
}

fn find(kernel: &Kernel, caller: Pid, path: &[u8]) -> Result<Node, Errno> {
    if let Some(rest) = path.strip_prefix(b"/sys") {
        return tree::resolve_sys(rest);
    }
    match path {
        b"/dev" => Ok(Node::Devices),
        b"/dev/fd" => Ok(Node::SystemLink("/proc/self/fd")),
        _ => tree::resolve(
            kernel,
            number(caller),
            path.strip_prefix(b"/proc").unwrap_or(path),
        ),
    }
}

/// Asks the host about a path of the guests. The name that the host is given is good only meanwhile.
fn ask_host<T>(root: Option<&Root>, guest: &[u8], ask: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
    match root {
        Some(root) => root
            .find(guest)
            .ok()
            .and_then(|found| ask(found.name(true).ok()?)),
        None => ask(guest),
    }
}

/// A number that differs by path (FNV-1a), for those who look for loops by it.
pub(crate) fn inode(path: &[u8]) -> u64 {
    let hash = path.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    (hash & 0xffff_ffff).max(2)
}

/// What stands at a path.
pub(crate) fn look(kernel: &Kernel, caller: Pid, path: &[u8]) -> Option<Seen> {
    let node = find(kernel, caller, path).ok()?;
    let task = node
        .task()
        .and_then(|pid| kernel.find(Pid::new(pid.cast_unsigned())));
    Some(Seen {
        kind: node.kind(),
        mode: node.mode(kernel),
        owner: task.map_or((0, 0), |task| (task.creds.euid, task.creds.egid)),
        inode: inode(path),
    })
}

/// The whole content of a file.
pub(crate) fn read(kernel: &Kernel, caller: Pid, path: &[u8]) -> Option<Result<Vec<u8>, Errno>> {
    let node = find(kernel, caller, path).ok()?;
    match tree::whole_node(kernel, &node) {
        Err(Errno::ENOENT | Errno::EISDIR) => None,
        // pagemap and mem have no whole: whoever opens them reads them in place.
        Ok(None) => Some(Err(Errno::EACCES)),
        Ok(Some(text)) => Some(Ok(text)),
        Err(errno) => Some(Err(errno)),
    }
}

/// Whether a file is read in place: it has no whole.
pub(crate) fn is_live(kernel: &Kernel, caller: Pid, path: &[u8]) -> bool {
    find(kernel, caller, path).is_ok_and(|node| node.is_live())
}

/// Reads `mem` or `pagemap` in place. Memory that is not there yet is faulted in, as by Linux, which takes the pages that it reads;
/// tools that must not disturb read through the control socket.
pub(crate) fn read_live(
    kernel: &mut Kernel,
    caller: Pid,
    path: &[u8],
    position: u64,
    to: &mut [u8],
) -> Result<usize, Errno> {
    let node = find(kernel, caller, path)?;
    match tree::read_node(kernel, &node, position, to.len()) {
        Ok(bytes) => {
            to[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
        Err(Errno::EIO) => {
            let task = node
                .task()
                .and_then(|pid| kernel.find(Pid::new(pid.cast_unsigned())));
            let space = task.and_then(|task| task.space.as_ref()).map(|space| space.id);
            let space = space.ok_or(Errno::EIO)?;
            match kernel.memory.copy_in(space, VirtAddr::new(position), to) {
                Ok(()) => Ok(to.len()),
                Err(fault) if fault.done > 0 => Ok(fault.done),
                Err(_) => Err(Errno::EIO),
            }
        }
        Err(errno) => Err(errno),
    }
}

/// Writes to a file; `position` is where, for `mem`.
pub(crate) fn write(
    kernel: &mut Kernel,
    (opener, writer): (Pid, Pid),
    path: &[u8],
    position: u64,
    from: &[u8],
) -> Result<usize, Errno> {
    // Whoever opened it may have ended since; what may be written depends on who writes.
    let node = find(kernel, opener, path)?;
    write::write(kernel, writer, &node, position, from)
}

/// The entries of a directory.
pub(crate) fn list(kernel: &Kernel, caller: Pid, path: &[u8]) -> Option<Vec<Entry>> {
    let node = find(kernel, caller, path).ok()?;
    let names = tree::list_node(kernel, number(caller), &node).ok()?;
    let entry = |name: Vec<u8>| {
        let inner = [path, b"/", &name].concat();
        let kind = match find(kernel, caller, &inner).map(|node| node.kind()) {
            _ if path == b"/dev" => 0,
            Ok(Kind::Directory) | Err(_) => 4,
            Ok(Kind::File) => 8,
            Ok(Kind::Link) => 10,
        };
        let inode = inode(&inner);
        Entry { name, kind, inode }
    };
    Some(names.into_iter().map(entry).collect())
}

/// The target of a symbolic link.
pub(crate) fn read_link(kernel: &Kernel, caller: Pid, path: &[u8]) -> Option<Vec<u8>> {
    let node = find(kernel, caller, path).ok()?;
    tree::link_target(kernel, number(caller), &node).ok()
}

/// The open file that a link in `fd` stands for, and its number if it is the caller's own.
pub(crate) fn descriptor(kernel: &Kernel, caller: Pid, path: &[u8]) -> Option<(Rc<File>, Option<i32>)> {
    let Ok(Node::Descriptor(pid, fd)) = find(kernel, caller, path) else {
        return None;
    };
    let (file, _) = descriptors::open_file(kernel, pid, fd)?;
    let own = tree::of(kernel, pid) == kernel.find(caller)?.tgid;
    Some((file, own.then_some(fd)))
}
