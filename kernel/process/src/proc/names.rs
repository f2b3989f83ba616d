//! Which files there are in `/proc` and in a task's folder, with their modes as Linux gives them (`fs/proc/base.c`).
//!
//! Files without a writer here are shown without the `w` that Linux shows: what cannot be done is not promised.

/// A file and its permission bits.
pub(super) type Entry = (&'static str, u32);

/// At the root.
pub(super) const SYSTEM_FILES: [Entry; 15] = [
    ("cmdline", 0o444),
    ("cpuinfo", 0o444),
    ("devices", 0o444),
    ("diskstats", 0o444),
    ("filesystems", 0o444),
    ("loadavg", 0o444),
    ("meminfo", 0o444),
    ("partitions", 0o444),
    ("stat", 0o444),
    ("swaps", 0o444),
    ("uptime", 0o444),
    ("version", 0o444),
    ("vmstat", 0o444),
    ("tty/drivers", 0o444),
    ("sysvipc/shm", 0o444),
];

/// Links at the root.
pub(super) const SYSTEM_LINKS: [(&str, &str); 2] = [("mounts", "self/mounts"), ("net", "self/net")];

/// In a task's folder.
pub(super) const TASK_FILES: [Entry; 33] = [
    ("auxv", 0o400),
    ("cgroup", 0o444),
    ("clear_refs", 0o200),
    ("cmdline", 0o444),
    ("comm", 0o644),
    ("environ", 0o400),
    ("gid_map", 0o444),
    ("io", 0o400),
    ("limits", 0o444),
    ("loginuid", 0o444),
    ("maps", 0o444),
    ("mem", 0o600),
    ("mountinfo", 0o444),
    ("mounts", 0o444),
    ("oom_score", 0o444),
    ("oom_score_adj", 0o644),
    ("pagemap", 0o400),
    ("personality", 0o400),
    ("schedstat", 0o444),
    ("sessionid", 0o444),
    ("setgroups", 0o444),
    ("smaps", 0o444),
    ("smaps_rollup", 0o444),
    ("stack", 0o400),
    ("stat", 0o444),
    ("statm", 0o444),
    ("status", 0o444),
    ("syscall", 0o400),
    ("timerslack_ns", 0o444),
    ("uid_map", 0o444),
    ("wchan", 0o444),
    ("net/unix", 0o444),
    ("net/sockstat", 0o444),
];

/// In a thread's folder beside the others: its children.
pub(super) const CHILDREN: Entry = ("children", 0o444);

/// Links in a task's folder.
pub(super) const TASK_LINKS: [&str; 3] = ["cwd", "exe", "root"];

/// Devices that the machine is, as names in `/dev`.
pub(super) const DEVICES: [&str; 13] = [
    "console", "fd", "full", "null", "ptmx", "pts", "random", "stderr", "stdin", "stdout", "tty", "urandom",
    "zero",
];

/// The entry of this name.
pub(super) fn find(table: &[Entry], name: &str) -> Option<Entry> {
    table.iter().copied().find(|(known, _)| *known == name)
}

/// What lies in a folder of a table of paths, each name once: the folder's own path is empty or ends in a slash.
pub(super) fn below<'t>(paths: impl Iterator<Item = &'t str>, folder: &str) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = paths
        .filter_map(|path| path.strip_prefix(folder))
        .filter_map(|rest| rest.split('/').next())
        .filter(|name| !name.is_empty())
        .map(|name| name.as_bytes().to_vec())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Whether a table of paths has a folder of this path.
pub(super) fn is_folder<'t>(mut paths: impl Iterator<Item = &'t str>, folder: &str) -> bool {
    paths.any(|path| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
    })
}
