//! Files of one value: `/proc/sys` (sysctl(8), proc_sys_kernel(5), proc_sys_vm(5)) and `/sys`.
//!
//! Key types: [`Value`], a file; [`SYSCTL`] and [`SYSFS`], the two tables. All are read-only but `vm/drop_caches`,
//! `vm/overcommit_*`. A value that
//! this machine does not have has no file here, as on a kernel that was built without it.

use super::system;
use crate::kernel::Kernel;
use crate::lifecycle::MOST_TASKS;
use crate::syscall::{RELEASE, VERSION};

/// One file.
#[derive(Clone, Copy)]
pub(super) struct Value {
    /// Below `/proc/sys` or `/sys`.
    pub(super) path: &'static str,
    /// Permission bits.
    pub(super) mode: u32,
    /// Its text without the final newline.
    pub(super) text: fn(&Kernel) -> String,
}

const fn value(path: &'static str, text: fn(&Kernel) -> String) -> Value {
    let mode = 0o444;
    Value { path, mode, text }
}

/// One that root may write (`write`).
const fn writable(path: &'static str, text: fn(&Kernel) -> String) -> Value {
    let mode = 0o644;
    Value { path, mode, text }
}

macro_rules! fixed {
    ($path:literal, $text:expr) => {
        value($path, |_| $text.to_string())
    };
}

/// `/proc/sys`.
pub(super) static SYSCTL: &[Value] = &[
    value("fs/file-nr", |kernel| {
        format!("{}\t0\t{}", open_files(kernel), crate::file::table::MOST_OPEN)
    }),
    fixed!("fs/file-max", crate::file::table::MOST_OPEN),
    fixed!("fs/nr_open", 1 << 20),
    fixed!("fs/overflowgid", 65534),
    fixed!("fs/overflowuid", 65534),
    fixed!("fs/pipe-max-size", crate::file::pipe::MOST),
    fixed!("fs/suid_dumpable", 0),
    fixed!("kernel/arch", "aarch64"),
    fixed!("kernel/cap_last_cap", 40),
    fixed!("kernel/core_pattern", "core"),
    fixed!("kernel/core_uses_pid", 0),
    fixed!("kernel/domainname", "(none)"),
    value("kernel/hostname", |kernel| kernel.config().hostname.clone()),
    fixed!("kernel/io_uring_disabled", 2),
    fixed!("kernel/ngroups_max", 65536),
    fixed!("kernel/osrelease", RELEASE),
    fixed!("kernel/ostype", "Linux"),
    fixed!("kernel/overflowgid", 65534),
    fixed!("kernel/overflowuid", 65534),
    fixed!("kernel/pid_max", crate::kernel::PID_MAX),
    value("kernel/randomize_va_space", |kernel| {
        if kernel.config().randomize { "2" } else { "0" }.to_owned()
    }),
    value("kernel/random/boot_id", |kernel| kernel.totals().uuid(0)),
    fixed!("kernel/random/entropy_avail", 256),
    fixed!("kernel/random/poolsize", 256),
    value("kernel/random/uuid", |kernel| {
        kernel.totals().uuid(kernel.totals().opened.wrapping_add(1))
    }),
    fixed!("kernel/shmall", crate::sysv::MOST_PAGES),
    fixed!("kernel/shmmax", crate::sysv::MOST_BYTES),
    fixed!("kernel/shmmni", crate::sysv::MOST_SEGMENTS),
    fixed!("kernel/tainted", 0),
    fixed!("kernel/threads-max", MOST_TASKS),
    fixed!("kernel/version", VERSION),
    fixed!("net/core/somaxconn", 4096),
    Value {
        path: "vm/drop_caches",
        mode: 0o200,
        text: |_| String::new(),
    },
    fixed!("vm/legacy_va_layout", 0),
    fixed!("vm/max_map_count", mm::Limits::default().map_count),
    writable("vm/overcommit_kbytes", |kernel| {
        kernel.memory().overcommit().kbytes.to_string()
    }),
    writable("vm/overcommit_memory", |kernel| {
        kernel.memory().overcommit().mode.to_string()
    }),
    writable("vm/overcommit_ratio", |kernel| {
        kernel.memory().overcommit().ratio.to_string()
    }),
    fixed!("vm/panic_on_oom", 0),
    fixed!("vm/swappiness", 60),
];

/// `/sys`: one processor, one node, no huge pages, no block device.
pub(super) static SYSFS: &[Value] = &[
    fixed!("devices/system/cpu/isolated", ""),
    fixed!("devices/system/cpu/kernel_max", 0),
    fixed!("devices/system/cpu/offline", ""),
    fixed!("devices/system/cpu/online", 0),
    fixed!("devices/system/cpu/possible", 0),
    fixed!("devices/system/cpu/present", 0),
    fixed!("devices/system/cpu/cpu0/topology/core_cpus", 1),
    fixed!("devices/system/cpu/cpu0/topology/core_cpus_list", 0),
    fixed!("devices/system/cpu/cpu0/topology/core_id", 0),
    fixed!("devices/system/cpu/cpu0/topology/core_siblings", 1),
    fixed!("devices/system/cpu/cpu0/topology/core_siblings_list", 0),
    fixed!("devices/system/cpu/cpu0/topology/package_cpus", 1),
    fixed!("devices/system/cpu/cpu0/topology/package_cpus_list", 0),
    fixed!("devices/system/cpu/cpu0/topology/physical_package_id", 0),
    fixed!("devices/system/cpu/cpu0/topology/thread_siblings", 1),
    fixed!("devices/system/cpu/cpu0/topology/thread_siblings_list", 0),
    fixed!("devices/system/node/has_cpu", 0),
    fixed!("devices/system/node/has_memory", 0),
    fixed!("devices/system/node/has_normal_memory", 0),
    fixed!("devices/system/node/online", 0),
    fixed!("devices/system/node/possible", 0),
    fixed!("devices/system/node/node0/cpulist", 0),
    fixed!("devices/system/node/node0/cpumap", 1),
    fixed!("devices/system/node/node0/distance", 10),
    value("devices/system/node/node0/meminfo", system::node_meminfo),
    fixed!(
        "kernel/mm/transparent_hugepage/defrag",
        "always defer defer+madvise madvise [never]"
    ),
    fixed!("kernel/mm/transparent_hugepage/enabled", "always madvise [never]"),
    value("kernel/mm/transparent_hugepage/hpage_pmd_size", |kernel| {
        // A table of the last level but one maps a page's worth of descriptors of 8 bytes.
        let page = kernel.memory().granule().bytes();
        (page * (page / 8)).to_string()
    }),
    fixed!(
        "kernel/mm/transparent_hugepage/shmem_enabled",
        "always within_size advise [never] deny force"
    ),
];

/// Folders of `/sys` with nothing in them.
pub(super) const EMPTY_FOLDERS: [&str; 2] = ["block", "class/block"];

/// All of a table's paths.
pub(super) fn paths(table: &'static [Value]) -> impl Iterator<Item = &'static str> {
    table.iter().map(|value| value.path)
}

fn open_files(kernel: &Kernel) -> usize {
    kernel
        .tasks()
        .filter(|task| task.is_first())
        .map(|task| task.files.borrow().numbers().count())
        .sum()
}
