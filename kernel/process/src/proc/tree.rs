//! The tree of `/proc`: what its paths are, and their content.
//!
//! [`read`], [`read_link`] and [`list`] take paths below `/proc`, such as `1/maps` or `meminfo`. The texts are
//! printed by `procfs`; this module only gathers what they say, from tasks (`facts`) and from memory. Everything
//! here reads: nothing can be changed through it, and nothing is faulted in.
//!
//! Absent: the files of `/proc/sys` but for those that programs of this stage read, `fd/`, `environ` of others.

use abi::Errno;
use procfs::{Cmdline, Comm, Text};

use super::facts::{SystemFacts, TaskFacts};
use super::{memory, system, task};
use crate::kernel::Kernel;
use crate::task::Pid;

/// What a path below `/proc` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Root,
    System(&'static str),
    /// `self` (the whole process) or `thread-self`.
    SelfLink {
        whole: bool,
    },
    Task(i32),
    /// A folder in `task`.
    Thread(i32),
    File(i32, &'static str),
    /// `exe`, `cwd`, `root`.
    Link(i32, &'static str),
    /// `task`.
    Threads(i32),
}

/// What a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
}

const SYSTEM_FILES: [&str; 11] = [
    "cpuinfo",
    "filesystems",
    "loadavg",
    "meminfo",
    "stat",
    "uptime",
    "version",
    "vmstat",
    "sys/kernel/osrelease",
    "sys/kernel/ostype",
    "sys/vm/overcommit_memory",
];
const TASK_FILES: [&str; 13] = [
    "auxv",
    "cmdline",
    "comm",
    "limits",
    "maps",
    "mem",
    "pagemap",
    "smaps",
    "smaps_rollup",
    "stat",
    "statm",
    "status",
    "environ",
];
/// `stat` of a thread: its own times, where a process's has the sum. No path has this name.
const THREAD_STAT: &str = "task/stat";
const TASK_LINKS: [&str; 3] = ["cwd", "exe", "root"];

impl Node {
    fn kind(self) -> Kind {
        match self {
            Self::Root | Self::Task(_) | Self::Thread(_) | Self::Threads(_) => Kind::Directory,
            Self::SelfLink { .. } | Self::Link(..) => Kind::Link,
            Self::System(_) | Self::File(..) => Kind::File,
        }
    }
}

/// Finds the node of a path for `caller`, whose own directory `self` is. Without a caller there is no `self`.
fn resolve(kernel: &Kernel, caller: Option<i32>, path: &[u8]) -> Result<Node, Errno> {
    let text = std::str::from_utf8(path).map_err(|_| Errno::ENOENT)?;
    let text = text.trim_matches('/');
    if text.is_empty() {
        return Ok(Node::Root);
    }
    if let Some(name) = SYSTEM_FILES.into_iter().find(|&name| name == text) {
        return Ok(Node::System(name));
    }
    let (head, rest) = text.split_once('/').unwrap_or((text, ""));
    let pid = match head {
        "self" | "thread-self" => {
            let caller = caller.ok_or(Errno::ENOENT)?;
            let whole = head == "self";
            if rest.is_empty() && !path.ends_with(b"/") {
                return Ok(Node::SelfLink { whole });
            }
            if !whole {
                return resolve_thread(kernel, caller, &format!("{caller}/{rest}"));
            }
            of(kernel, caller).get().cast_signed()
        }
        _ => number(head)?,
    };
    if kernel.find(Pid::new(pid.cast_unsigned())).is_none() {
        return Err(Errno::ENOENT);
    }
    match rest.strip_prefix("task/") {
        Some(rest) => resolve_thread(kernel, pid, rest),
        None => resolve_in_task(pid, rest),
    }
}

fn resolve_in_task(pid: i32, rest: &str) -> Result<Node, Errno> {
    let within = |rest: &str| {
        let file = TASK_FILES
            .into_iter()
            .find(|&name| name == rest)
            .map(|name| Node::File(pid, name));
        file.or_else(|| {
            TASK_LINKS
                .into_iter()
                .find(|&name| name == rest)
                .map(|name| Node::Link(pid, name))
        })
    };
    match rest {
        "" => Ok(Node::Task(pid)),
        "task" => Ok(Node::Threads(pid)),
        _ => within(rest).ok_or(Errno::ENOENT),
    }
}

/// A process's or a thread's number. As `name_to_int()`: digits only, and no zero before others.
fn number(text: &str) -> Result<i32, Errno> {
    if text.starts_with(['0', '+', '-']) {
        return Err(Errno::ENOENT);
    }
    text.parse().map_err(|_| Errno::ENOENT)
}

/// What lies in `task` of a process: its threads, each with the files of a process.
fn resolve_thread(kernel: &Kernel, process: i32, rest: &str) -> Result<Node, Errno> {
    let (name, inner) = rest.split_once('/').unwrap_or((rest, ""));
    let thread = number(name)?;
    let belongs = |task: &crate::Task| task.tgid == of(kernel, process);
    match kernel.find(Pid::new(thread.cast_unsigned())).is_some_and(belongs) {
        true => match resolve_in_task(thread, inner)? {
            Node::Task(thread) => Ok(Node::Thread(thread)),
            Node::Threads(_) => Err(Errno::ENOENT),
            Node::File(thread, "stat") => Ok(Node::File(thread, THREAD_STAT)),
            node => Ok(node),
        },
        false => Err(Errno::ENOENT),
    }
}

/// The process of a task.
fn of(kernel: &Kernel, pid: i32) -> Pid {
    let pid = Pid::new(pid.cast_unsigned());
    kernel.find(pid).map_or(pid, |task| task.tgid)
}

/// What the path is, for stat(2) and open(2).
pub fn kind(kernel: &Kernel, caller: Option<i32>, path: &[u8]) -> Result<Kind, Errno> {
    resolve(kernel, caller, path).map(Node::kind)
}

/// Reads up to `length` bytes at `offset`. A text is made anew at each call: a caller that wants the parts of
/// one moment keeps the whole text. `pagemap` and `mem` are read in place.
pub fn read(
    kernel: &Kernel,
    caller: Option<i32>,
    path: &[u8],
    offset: u64,
    length: usize,
) -> Result<Vec<u8>, Errno> {
    match resolve(kernel, caller, path)? {
        Node::File(pid, "pagemap") => read_pagemap(kernel, pid, offset, length),
        Node::File(pid, "mem") => read_memory(kernel, pid, offset, length),
        node => {
            let text = text(kernel, node)?;
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
            let end = start.saturating_add(length).min(text.len());
            Ok(text[start..end].to_vec())
        }
    }
}

/// The whole text of a file, as of now. `None` for the two files that have no end worth reading to.
pub fn whole(kernel: &Kernel, caller: Option<i32>, path: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    match resolve(kernel, caller, path)? {
        Node::File(_, "pagemap" | "mem") => Ok(None),
        node => text(kernel, node).map(Some),
    }
}

/// What a symbolic link holds.
pub fn read_link(kernel: &Kernel, caller: Option<i32>, path: &[u8]) -> Result<Vec<u8>, Errno> {
    match resolve(kernel, caller, path)? {
        Node::SelfLink { whole } => {
            let caller = caller.ok_or(Errno::ENOENT)?;
            let process = of(kernel, caller);
            Ok(match whole {
                true => process.to_string(),
                false => format!("{process}/task/{caller}"),
            }
            .into_bytes())
        }
        Node::Link(pid, name) => {
            let facts = TaskFacts::gather(kernel, pid).ok_or(Errno::ENOENT)?;
            match name {
                "exe" if facts.space.is_none() => Err(Errno::ENOENT),
                "exe" => Ok(facts.exe),
                "cwd" => Ok(facts.cwd),
                _ => Ok(b"/".to_vec()),
            }
        }
        _ => Err(Errno::EINVAL),
    }
}

/// The names in a directory, without `.` and `..`.
pub fn list(kernel: &Kernel, caller: Option<i32>, path: &[u8]) -> Result<Vec<Vec<u8>>, Errno> {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect::<Vec<_>>()
    };
    match resolve(kernel, caller, path)? {
        Node::Root => {
            let mut all: Vec<_> = kernel
                .tasks()
                .filter(|task| task.is_first())
                .map(|task| task.pid.to_string().into_bytes())
                .collect();
            // Those in `sys` are found by who knows them; `sys` itself is no directory here.
            let at_root = SYSTEM_FILES.into_iter().filter(|name| !name.contains('/'));
            all.extend(at_root.map(|name| name.as_bytes().to_vec()));
            if caller.is_some() {
                all.extend(names(&["self", "thread-self"]));
            }
            Ok(all)
        }
        node @ (Node::Task(_) | Node::Thread(_)) => {
            let mut all = names(&TASK_FILES);
            all.extend(names(&TASK_LINKS));
            if matches!(node, Node::Task(_)) {
                all.push(b"task".to_vec());
            }
            Ok(all)
        }
        Node::Threads(pid) => {
            let threads = kernel.threads(of(kernel, pid));
            Ok(threads
                .into_iter()
                .map(|pid| pid.to_string().into_bytes())
                .collect())
        }
        _ => Err(Errno::ENOTDIR),
    }
}

fn text(kernel: &Kernel, node: Node) -> Result<Vec<u8>, Errno> {
    match node {
        Node::System(name) => Ok(system_text(kernel, name)),
        Node::File(pid, name) => task_text(kernel, pid, name),
        Node::Root | Node::Task(_) | Node::Thread(_) | Node::Threads(_) => Err(Errno::EISDIR),
        Node::SelfLink { .. } | Node::Link(..) => Err(Errno::EINVAL),
    }
}

fn system_text(kernel: &Kernel, name: &str) -> Vec<u8> {
    let memory = kernel.memory();
    match name {
        "meminfo" => system::meminfo(memory).print(),
        "vmstat" => system::vmstat(memory).print(),
        "stat" => system::stat(&SystemFacts::gather(kernel)).print(),
        "uptime" => system::uptime(&SystemFacts::gather(kernel)).print(),
        "loadavg" => format!(
            "0.00 0.00 0.00 1/{} {}\n",
            kernel.tasks().count(),
            kernel.last_pid()
        )
        .into_bytes(),
        "version" => format!("Linux version {} (pagewalk) #1\n", crate::syscall::RELEASE).into_bytes(),
        "sys/kernel/osrelease" => format!("{}\n", crate::syscall::RELEASE).into_bytes(),
        "sys/kernel/ostype" => b"Linux\n".to_vec(),
        "sys/vm/overcommit_memory" => b"0\n".to_vec(),
        "filesystems" => b"nodev\tproc\n".to_vec(),
        _ => b"processor\t: 0\nBogoMIPS\t: 2000.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x00\n\
               CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0x000\nCPU revision\t: 0\n\n"
            .to_vec(),
    }
}

fn task_text(kernel: &Kernel, pid: i32, name: &str) -> Result<Vec<u8>, Errno> {
    let facts = TaskFacts::gather(kernel, pid).ok_or(Errno::ESRCH)?;
    let memory = kernel.memory();
    // A task whose memory is gone (a zombie) has these files, and they are empty.
    let with_space = |make: &dyn Fn(mm::SpaceId) -> Vec<u8>| facts.space.map(make).unwrap_or_default();
    Ok(match name {
        "stat" => task::stat(memory, &facts.of_process(kernel)).print(),
        THREAD_STAT => task::stat(memory, &facts).print(),
        "statm" => task::statm(memory, &facts).print(),
        "status" => task::status(memory, &facts).print(),
        "limits" => task::limits(&facts).print(),
        "comm" => Comm(facts.comm.clone()).print(),
        "auxv" => with_space(&|_| facts.auxv.clone()),
        "cmdline" => with_space(&|space| Cmdline(strings(memory, space, facts.layout.args)).print()),
        "environ" => with_space(&|space| strings(memory, space, facts.layout.environment)),
        "maps" => with_space(&|space| memory::maps(memory, space).print()),
        "smaps" => with_space(&|space| memory::smaps(memory, space).print()),
        "smaps_rollup" => with_space(&|space| memory::rollup(memory, space).print()),
        _ => return Err(Errno::EINVAL),
    })
}

/// Text that lives in the program's own memory, where the program may change it.
fn strings(memory: &mm::Memory, space: mm::SpaceId, (start, end): (u64, u64)) -> Vec<u8> {
    memory::mem(
        memory,
        space,
        start,
        end.saturating_sub(start).min(1 << 20) as usize,
    )
}

fn space_of(kernel: &Kernel, pid: i32) -> Result<mm::SpaceId, Errno> {
    TaskFacts::gather(kernel, pid)
        .and_then(|facts| facts.space)
        .ok_or(Errno::ESRCH)
}

fn read_pagemap(kernel: &Kernel, pid: i32, offset: u64, length: usize) -> Result<Vec<u8>, Errno> {
    let entry = procfs::PAGEMAP_ENTRY_BYTES;
    if !offset.is_multiple_of(entry) || !(length as u64).is_multiple_of(entry) {
        return Err(Errno::EINVAL);
    }
    Ok(memory::pagemap(
        kernel.memory(),
        space_of(kernel, pid)?,
        offset,
        length,
    ))
}

fn read_memory(kernel: &Kernel, pid: i32, offset: u64, length: usize) -> Result<Vec<u8>, Errno> {
    let bytes = memory::mem(kernel.memory(), space_of(kernel, pid)?, offset, length);
    if bytes.is_empty() && length > 0 {
        Err(Errno::EIO)
    } else {
        Ok(bytes)
    }
}
