//! `mounts` and `mountinfo`: the root, and the trees of the machine's own that stand in it.
//!
//! Without `--root` the host's tree has mounts of its own below; they are the host's affair and are not listed.

use procfs::{Mount, MountInfo};

use super::{ask_host, memory};
use crate::kernel::Kernel;

/// Where, type, source.
const OWN: [(&str, &str, &str); 3] = [
    ("/proc", "proc", "proc"),
    ("/sys", "sysfs", "sysfs"),
    ("/dev", "devtmpfs", "devtmpfs"),
];
/// `mountinfo`'s number of the root; the others follow.
pub(super) const ROOT_ID: u32 = 20;
/// The number of `/proc`, which stands for all that is not the host's.
pub(super) const OWN_TREE_ID: u32 = ROOT_ID + 1;

/// File systems by the number that statfs(2) gives (`linux/magic.h`).
const KINDS: [(u64, &str); 8] = [
    (0xef53, "ext4"),
    (0x0102_1994, "tmpfs"),
    (0x794c_7630, "overlay"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x6969, "nfs"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
];

/// The root's type and device number, by the host.
fn root(kernel: &Kernel) -> (&'static str, u64) {
    let root = kernel.config().root.as_ref();
    let number = ask_host(root, b"/", |path| {
        Some(rustix::fs::statfs(path).ok()?.f_type as u64 & 0xffff_ffff)
    });
    let device = ask_host(root, b"/", |path| Some(rustix::fs::stat(path).ok()?.st_dev)).unwrap_or(0);
    let kind = KINDS.into_iter().find(|(known, _)| Some(*known) == number);
    (kind.map_or("rootfs", |(_, kind)| kind), device)
}

pub(super) fn mounts(kernel: &Kernel) -> Vec<Mount> {
    let mount = |target: &str, kind: &str, source: &str| Mount {
        source: source.into(),
        target: target.into(),
        kind: kind.into(),
        options: b"rw,relatime".to_vec(),
    };
    let own = OWN
        .into_iter()
        .map(|(target, kind, source)| mount(target, kind, source));
    let mut root = mount("/", root(kernel).0, "/dev/root");
    if kernel.config().read_only {
        root.options = b"ro,relatime".to_vec();
    }
    std::iter::once(root).chain(own).collect()
}

pub(super) fn mountinfo(kernel: &Kernel) -> Vec<MountInfo> {
    let (_, root_device) = root(kernel);
    let info = |(index, mount): (usize, Mount)| MountInfo {
        id: ROOT_ID + index as u32,
        parent: if index == 0 { 1 } else { ROOT_ID },
        device: match index {
            0 => memory::device(root_device),
            _ => memory::device(crate::file::stat::PROC_DEVICE),
        },
        root: b"/".to_vec(),
        target: mount.target,
        options: mount.options,
        fields: Vec::new(),
        kind: mount.kind,
        source: mount.source,
        super_options: b"rw".to_vec(),
    };
    mounts(kernel).into_iter().enumerate().map(info).collect()
}
