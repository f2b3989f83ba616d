//! The trees `/proc` and `/sys`: what their paths are, and their content.
//!
//! [`read`], [`whole`], [`read_link`] and [`list`] take paths below `/proc`, such as `1/maps` or `meminfo`: that is what the control
//! socket serves. Programs' paths are absolute and come through the parent module, by the same nodes. The texts are
//! printed by `procfs`; the neighbours here only gather what they say. Everything here reads: nothing can be
//! changed through it, and nothing is faulted in.

use abi::Errno;
use procfs::{Cmdline, Comm, Text};

use super::facts::{SystemFacts, TaskFacts};
use super::names::{self, CHILDREN, DEVICES, SYSTEM_FILES, SYSTEM_LINKS, TASK_FILES, TASK_LINKS};
use super::values::{self, EMPTY_FOLDERS, SYSCTL, SYSFS, Value};
use super::{ask_host, descriptors, memory, small, system, task};
use crate::kernel::Kernel;
use crate::task::Pid;

/// What a path is.
#[derive(Clone)]
pub(super) enum Node {
    /// `/proc`.
    Root,
    /// A file of the machine as a whole, with its permission bits.
    System(&'static str, u32),
    /// A folder of such files, such as `tty`.
    SystemFolder(String),
    /// A link at the root, such as `mounts`.
    SystemLink(&'static str),
    /// `self` (the whole process) or `thread-self`.
    SelfLink { whole: bool },
    /// A process's folder.
    Task(i32),
    /// A folder in `task`.
    Thread(i32),
    /// `task`.
    Threads(i32),
    /// A folder of a task's files: `net`.
    TaskFolder(String),
    /// A file of a task; `whole` if it tells of the process, not of the thread alone.
    File {
        pid: i32,
        name: &'static str,
        mode: u32,
        whole: bool,
    },
    /// `exe`, `cwd`, `root`.
    Link(i32, &'static str),
    /// `fd`.
    Descriptors(i32),
    /// `fd/N`.
    Descriptor(i32, i32),
    /// `fdinfo`.
    DescriptorInfos(i32),
    /// `fdinfo/N`.
    DescriptorInfo(i32, i32),
    /// A file of `/proc/sys` or `/sys`.
    Value(Value),
    /// A folder of one of these tables.
    ValueFolder(&'static [Value], String),
    /// `/dev` of a root folder.
    Devices,
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

impl Node {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Root
            | Self::SystemFolder(_)
            | Self::Task(_)
            | Self::Thread(_)
            | Self::Threads(_)
            | Self::TaskFolder(_)
            | Self::Descriptors(_)
            | Self::DescriptorInfos(_)
            | Self::ValueFolder(..)
            | Self::Devices => Kind::Directory,
            Self::SelfLink { .. } | Self::SystemLink(_) | Self::Link(..) | Self::Descriptor(..) => Kind::Link,
            Self::System(..) | Self::File { .. } | Self::DescriptorInfo(..) | Self::Value(_) => Kind::File,
        }
    }

    /// Permission bits.
    pub(super) fn mode(&self, kernel: &Kernel) -> u32 {
        match self {
            Self::System(_, mode) | Self::File { mode, .. } => *mode,
            Self::Value(value) => value.mode,
            Self::DescriptorInfo(..) => 0o444,
            Self::Descriptors(_) => 0o500,
            Self::Descriptor(pid, fd) => {
                descriptors::open_file(kernel, *pid, *fd).map_or(0o777, |(file, _)| descriptors::mode(&file))
            }
            Self::Devices => 0o755,
            Self::SelfLink { .. } | Self::SystemLink(_) | Self::Link(..) => 0o777,
            _ => 0o555,
        }
    }

    /// Whether it has no end worth reading to, and is read in place.
    pub(super) fn is_live(&self) -> bool {
        matches!(
            self,
            Self::File {
                name: "pagemap" | "mem",
                ..
            }
        )
    }

    /// The task that it belongs to.
    pub(super) fn task(&self) -> Option<i32> {
        match self {
            Self::Task(pid)
            | Self::Thread(pid)
            | Self::Threads(pid)
            | Self::File { pid, .. }
            | Self::Link(pid, _)
            | Self::Descriptors(pid)
            | Self::Descriptor(pid, _)
            | Self::DescriptorInfos(pid)
            | Self::DescriptorInfo(pid, _) => Some(*pid),
            _ => None,
        }
    }
}

/// The node of a path below `/sys`.
pub(super) fn resolve_sys(path: &[u8]) -> Result<Node, Errno> {
    let text = std::str::from_utf8(path).map_err(|_| Errno::ENOENT)?;
    resolve_value(SYSFS, text.trim_matches('/'))
}

fn resolve_value(table: &'static [Value], path: &str) -> Result<Node, Errno> {
    if let Some(value) = table.iter().find(|value| value.path == path) {
        return Ok(Node::Value(*value));
    }
    let is_empty = std::ptr::eq(table, SYSFS)
        && (EMPTY_FOLDERS.contains(&path) || names::is_folder(EMPTY_FOLDERS.into_iter(), path));
    if path.is_empty() || is_empty || names::is_folder(values::paths(table), path) {
        return Ok(Node::ValueFolder(table, path.to_owned()));
    }
    Err(Errno::ENOENT)
}

/// Finds the node of a path for `caller`, whose own directory `self` is. Without a caller there is no `self`.
pub(super) fn resolve(kernel: &Kernel, caller: Option<i32>, path: &[u8]) -> Result<Node, Errno> {
    let text = std::str::from_utf8(path).map_err(|_| Errno::ENOENT)?;
    let text = text.trim_matches('/');
    if text.is_empty() {
        return Ok(Node::Root);
    }
    if let Some((name, mode)) = names::find(&SYSTEM_FILES, text) {
        return Ok(Node::System(name, mode));
    }
    if names::is_folder(SYSTEM_FILES.into_iter().map(|(name, _)| name), text) {
        return Ok(Node::SystemFolder(text.to_owned()));
    }
    let (head, rest) = text.split_once('/').unwrap_or((text, ""));
    let pid = match head {
        "sys" => return resolve_value(SYSCTL, rest),
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
        _ => match SYSTEM_LINKS.into_iter().find(|(name, _)| *name == head) {
            // `self` is missing without a caller, and so is what leads there.
            Some((_, target)) if rest.is_empty() && caller.is_some() => return Ok(Node::SystemLink(target)),
            Some((_, target)) => return resolve(kernel, caller, format!("{target}/{rest}").as_bytes()),
            None => number(head)?,
        },
    };
    if kernel.find(Pid::new(pid.cast_unsigned())).is_none() {
        return Err(Errno::ENOENT);
    }
    match rest.strip_prefix("task/") {
        Some(rest) => resolve_thread(kernel, pid, rest),
        None => resolve_in_task(kernel, pid, rest, true),
    }
}

fn resolve_in_task(kernel: &Kernel, pid: i32, rest: &str, whole: bool) -> Result<Node, Errno> {
    match rest {
        "" if whole => return Ok(Node::Task(pid)),
        "" => return Ok(Node::Thread(pid)),
        "task" if whole => return Ok(Node::Threads(pid)),
        "fd" => return Ok(Node::Descriptors(pid)),
        "fdinfo" => return Ok(Node::DescriptorInfos(pid)),
        _ => {}
    }
    let children = (!whole).then_some(CHILDREN).filter(|(name, _)| *name == rest);
    if let Some((name, mode)) = names::find(&TASK_FILES, rest).or(children) {
        return Ok(Node::File {
            pid,
            name,
            mode,
            whole,
        });
    }
    if let Some(name) = TASK_LINKS.into_iter().find(|&name| name == rest) {
        return Ok(Node::Link(pid, name));
    }
    if names::is_folder(TASK_FILES.into_iter().map(|(name, _)| name), rest) {
        return Ok(Node::TaskFolder(rest.to_owned()));
    }
    let descriptor = |rest: &str| -> Result<i32, Errno> {
        let fd = if rest == "0" { 0 } else { number(rest)? };
        descriptors::open_file(kernel, pid, fd)
            .map(|_| fd)
            .ok_or(Errno::ENOENT)
    };
    match rest.split_once('/') {
        Some(("fd", rest)) => Ok(Node::Descriptor(pid, descriptor(rest)?)),
        Some(("fdinfo", rest)) => Ok(Node::DescriptorInfo(pid, descriptor(rest)?)),
        _ => Err(Errno::ENOENT),
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
        true => resolve_in_task(kernel, thread, inner, false),
        false => Err(Errno::ENOENT),
    }
}

/// The process of a task.
pub(super) fn of(kernel: &Kernel, pid: i32) -> Pid {
    let pid = Pid::new(pid.cast_unsigned());
    kernel.find(pid).map_or(pid, |task| task.tgid)
}

/// What the path is, for stat(2) and open(2).
pub fn kind(kernel: &Kernel, caller: Option<i32>, path: &[u8]) -> Result<Kind, Errno> {
    resolve(kernel, caller, path).map(|node| node.kind())
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
    read_node(kernel, &resolve(kernel, caller, path)?, offset, length)
}

pub(super) fn read_node(kernel: &Kernel, node: &Node, offset: u64, length: usize) -> Result<Vec<u8>, Errno> {
    match node {
        Node::File {
            pid, name: "pagemap", ..
        } => read_pagemap(kernel, *pid, offset, length),
        Node::File { pid, name: "mem", .. } => read_memory(kernel, *pid, offset, length),
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
    whole_node(kernel, &resolve(kernel, caller, path)?)
}

pub(super) fn whole_node(kernel: &Kernel, node: &Node) -> Result<Option<Vec<u8>>, Errno> {
    match node.is_live() {
        true => Ok(None),
        false => text(kernel, node).map(Some),
    }
}

/// What a symbolic link holds.
pub fn read_link(kernel: &Kernel, caller: Option<i32>, path: &[u8]) -> Result<Vec<u8>, Errno> {
    link_target(kernel, caller, &resolve(kernel, caller, path)?)
}

pub(super) fn link_target(kernel: &Kernel, caller: Option<i32>, node: &Node) -> Result<Vec<u8>, Errno> {
    match node {
        Node::SystemLink(target) => Ok(target.as_bytes().to_vec()),
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
            let facts = TaskFacts::gather(kernel, *pid).ok_or(Errno::ENOENT)?;
            match *name {
                "exe" if facts.space.is_none() => Err(Errno::ENOENT),
                "exe" => Ok(facts.exe),
                "cwd" => Ok(facts.cwd),
                _ => Ok(b"/".to_vec()),
            }
        }
        Node::Descriptor(pid, fd) => {
            let (file, _) = descriptors::open_file(kernel, *pid, *fd).ok_or(Errno::ENOENT)?;
            Ok(file.path.clone())
        }
        _ => Err(Errno::EINVAL),
    }
}

/// The names in a directory, without `.` and `..`.
pub fn list(kernel: &Kernel, caller: Option<i32>, path: &[u8]) -> Result<Vec<Vec<u8>>, Errno> {
    list_node(kernel, caller, &resolve(kernel, caller, path)?)
}

pub(super) fn list_node(kernel: &Kernel, caller: Option<i32>, node: &Node) -> Result<Vec<Vec<u8>>, Errno> {
    let bytes = |name: &dyn std::fmt::Display| name.to_string().into_bytes();
    let files = |table: &'static [names::Entry], folder: &str| {
        names::below(table.iter().map(|(name, _)| *name), folder)
    };
    let pids = |pids: Vec<Pid>| pids.iter().map(|pid| bytes(pid)).collect();
    Ok(match node {
        Node::Root => {
            let processes = kernel.tasks().filter(|task| task.is_first()).map(|task| task.pid);
            let mut all: Vec<Vec<u8>> = pids(processes.collect());
            all.extend(files(&SYSTEM_FILES, ""));
            all.push(b"sys".to_vec());
            if caller.is_some() {
                all.extend(SYSTEM_LINKS.map(|(name, _)| name.into()));
                all.extend(["self", "thread-self"].map(Into::into));
            }
            all
        }
        Node::SystemFolder(folder) => files(&SYSTEM_FILES, &format!("{folder}/")),
        Node::Task(_) | Node::Thread(_) => {
            let mut all = files(&TASK_FILES, "");
            all.extend(TASK_LINKS.map(Into::into));
            all.extend(["fd", "fdinfo"].map(Into::into));
            all.push(
                if matches!(node, Node::Task(_)) {
                    "task"
                } else {
                    CHILDREN.0
                }
                .into(),
            );
            all
        }
        Node::TaskFolder(folder) => files(&TASK_FILES, &format!("{folder}/")),
        Node::Threads(pid) => pids(kernel.threads(of(kernel, *pid))),
        Node::Descriptors(pid) | Node::DescriptorInfos(pid) => descriptors::numbers(kernel, *pid)
            .iter()
            .map(|fd| bytes(fd))
            .collect(),
        Node::ValueFolder(table, folder) => {
            let folder = if folder.is_empty() {
                String::new()
            } else {
                format!("{folder}/")
            };
            let empty = EMPTY_FOLDERS.into_iter().filter(|_| std::ptr::eq(*table, SYSFS));
            names::below(values::paths(table).chain(empty), &folder)
        }
        Node::Devices => devices(kernel),
        _ => return Err(Errno::ENOTDIR),
    })
}

/// What the root folder's own `dev` has, and the devices that the machine is.
fn devices(kernel: &Kernel) -> Vec<Vec<u8>> {
    use crate::file::resolve::{Place, join, place};
    let is_own = |name: &&str| !matches!(place(join(b"/dev", name.as_bytes())), Place::Host(_));
    let own = DEVICES
        .into_iter()
        .filter(is_own)
        .map(|name| name.as_bytes().to_vec());
    let entries = ask_host(kernel.config().root.as_ref(), b"/dev", |folder| {
        use std::os::unix::ffi::OsStrExt;
        std::fs::read_dir(std::ffi::OsStr::from_bytes(folder)).ok()
    });
    let there = entries.into_iter().flatten().flatten();
    let mut all: Vec<Vec<u8>> = there
        .map(|entry| entry.file_name().into_encoded_bytes())
        .chain(own)
        .collect();
    all.sort();
    all.dedup();
    all
}

fn text(kernel: &Kernel, node: &Node) -> Result<Vec<u8>, Errno> {
    match node {
        Node::System(name, _) => Ok(system_text(kernel, name)),
        Node::File { pid, name, whole, .. } => task_text(kernel, *pid, name, *whole),
        Node::DescriptorInfo(pid, fd) => descriptors::info(kernel, *pid, *fd).ok_or(Errno::ENOENT),
        // What can only be written (proc_sys_call_handler, and files without a read function).
        Node::Value(value) if value.mode & 0o444 == 0 => Err(Errno::EINVAL),
        Node::Value(value) => Ok(((value.text)(kernel) + "\n").into_bytes()),
        node => Err(match node.kind() {
            Kind::Directory => Errno::EISDIR,
            _ => Errno::EINVAL,
        }),
    }
}

fn system_text(kernel: &Kernel, name: &str) -> Vec<u8> {
    let memory = kernel.memory();
    match name {
        "cpuinfo" => system::cpuinfo(kernel),
        "devices" => system::DEVICES.into(),
        "filesystems" => system::FILESYSTEMS.into(),
        "loadavg" => kernel.load_average().print(),
        "meminfo" => system::meminfo(kernel).print(),
        "stat" => system::stat(&SystemFacts::gather(kernel)).print(),
        "swaps" => system::swaps(memory),
        "sysvipc/shm" => kernel.segments_text(),
        "tty/drivers" => system::TTY_DRIVERS.into(),
        "uptime" => system::uptime(&SystemFacts::gather(kernel)).print(),
        "version" => system::version(),
        "vmstat" => system::vmstat(memory).print(),
        // No options were given to this kernel, and it has no disk.
        "cmdline" => b"\n".to_vec(),
        _ => Vec::new(),
    }
}

fn task_text(kernel: &Kernel, pid: i32, name: &str, whole: bool) -> Result<Vec<u8>, Errno> {
    let mut facts = TaskFacts::gather(kernel, pid).ok_or(Errno::ESRCH)?;
    if whole {
        facts = facts.of_process(kernel);
    }
    let memory = kernel.memory();
    // A task whose memory is gone (a zombie) has these files, and they are empty.
    let with_space = |make: &dyn Fn(mm::SpaceId) -> Vec<u8>| facts.space.map(make).unwrap_or_default();
    Ok(match name {
        "stat" => task::stat(memory, &facts).print(),
        "statm" => task::statm(memory, &facts).print(),
        "status" => task::status(memory, &facts).print(),
        "limits" => task::limits(&facts).print(),
        "comm" => Comm(facts.comm.clone()).print(),
        "auxv" => with_space(&|_| facts.auxv.clone()),
        "cmdline" => with_space(&|space| Cmdline(strings(memory, space, facts.layout.args)).print()),
        "environ" => with_space(&|space| strings(memory, space, facts.layout.environment)),
        "maps" => with_space(&|space| memory::maps(kernel, space).print()),
        "smaps" => with_space(&|space| memory::smaps(kernel, space).print()),
        "smaps_rollup" => with_space(&|space| memory::rollup(memory, space).print()),
        _ => return small::text(kernel, &facts, name).unwrap_or(Err(Errno::EINVAL)),
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
