//! What the tests of the whole system share: a saved `/proc` of known figures ([`Folder`]), and a strict reader of OpenMetrics.

pub(crate) mod openmetrics;

use procfs::DirRoot;
use std::fs;
use std::path::PathBuf;

/// A container's id.
pub(crate) const DOCKER_ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A folder shaped like `/proc`, removed when dropped.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Four processes (one in two memory-bearing threads whose first has ended, one that has only `status`), two kernel threads, a
    /// zombie, and a machine of 100000 kB.
    pub(crate) fn standard() -> Self {
        let folder = Self::empty();
        let file = |path: &str, text: &str| folder.write(path, text.as_bytes());
        file("meminfo", MEMINFO);
        file("stat", "btime 1000\n");
        file("uptime", "10.00 20.00\n");
        file(
            "2/status",
            "Name:\tkthreadd\nState:\tS (sleeping)\nPid:\t2\nKthread:\t1\n",
        );
        // Before 6.7 only `stat` tells (PF_KTHREAD of its flags).
        file("3/status", "Name:\tkworker/0:0\nState:\tI (idle)\nPid:\t3\n");
        file("3/stat", KWORKER);
        file(
            "4/status",
            "Name:\tdone\nState:\tZ (zombie)\nPid:\t4\nThreads:\t1\n",
        );

        file(
            "100/status",
            &status("data base", 1000, [1000, 50, 30, 2048, 44], 1600),
        );
        file(
            "100/smaps_rollup",
            &rollup([1250, 1000, 200, 50], [140, 800], [20, 2048], [35, 30]),
        );
        file("100/cmdline", "data base\0--say\0\"hi\", \x1b[2J\0");
        file(
            "100/cgroup",
            &format!("0::/system.slice/docker-{DOCKER_ID}.scope\n"),
        );
        folder.link("100/exe", "/usr/bin/data \"base\",\\x");

        file("101/status", &status("data base", 1000, [400, 0, 10, 0, 12], 800));
        file(
            "101/smaps_rollup",
            &rollup([500, 400, 100, 0], [0, 400], [0, 0], [10, 10]),
        );
        file("101/cmdline", "data base\0");
        file("101/cgroup", "3:cpuset,memory:/lxc/web\n0::/\n");
        folder.link("101/exe", "/usr/bin/data \"base\",\\x (deleted)");

        file(
            "102/status",
            "Name:\told\nState:\tZ (zombie)\nPid:\t102\nThreads:\t2\n",
        );
        file(
            "102/task/102/status",
            "Name:\told\nState:\tZ (zombie)\nPid:\t102\nThreads:\t2\n",
        );
        file("102/task/112/status", &status("old", 1000, [60, 0, 0, 0, 8], 80));
        file("102/task/112/smaps", SMAPS);
        file("102/task/112/cgroup", "0::/user.slice\n");

        file("103/status", &status("secret", 0, [700, 5, 0, 0, 20], 900));
        folder
    }

    pub(crate) fn root(&self) -> DirRoot {
        DirRoot::new(self.0.path())
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder can be made");
        path
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        fs::write(self.path(path), bytes).expect("a file can be written");
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        std::os::unix::fs::symlink(target, self.path(path)).expect("a link can be made");
    }

    pub(crate) fn replace(&self, path: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.path(path)).expect("the file is there");
        assert!(text.contains(old), "{path} has no {old:?}");
        self.write(path, text.replace(old, new).as_bytes());
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).expect("the file is there");
    }
}

/// `status` of RssAnon, RssShmem, VmSwap, HugetlbPages, VmPTE, and VmRSS.
fn status(name: &str, uid: u32, [anon, shmem, swap, huge, pte]: [u64; 5], rss: u64) -> String {
    format!(
        "Name:\t{name}\nState:\tS (sleeping)\nPPid:\t1\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nNSpid:\t7\n\
         VmSize:\t    9000 kB\nVmRSS:\t{rss:8} kB\nRssAnon:\t{anon:8} kB\nRssShmem:\t{shmem:8} kB\n\
         VmPTE:\t{pte:8} kB\nVmSwap:\t{swap:8} kB\nHugetlbPages:\t{huge:8} kB\nThreads:\t1\n"
    )
}

/// `smaps_rollup` of Pss and its parts, private clean and dirty, LazyFree and Private_Hugetlb, Swap and SwapPss.
fn rollup(
    [pss, anon, file, shmem]: [u64; 4],
    [clean, dirty]: [u64; 2],
    [lazy, huge]: [u64; 2],
    [swap, swap_pss]: [u64; 2],
) -> String {
    let mut text =
        String::from("00400000-7ffff000 ---p 00000000 00:00 0                          [rollup]\n");
    for (name, kib) in [
        ("Rss", 2 * pss),
        ("Pss", pss),
        ("Pss_Anon", anon),
        ("Pss_File", file),
        ("Pss_Shmem", shmem),
        ("Shared_Clean", 0),
        ("Shared_Dirty", 0),
        ("Private_Clean", clean),
        ("Private_Dirty", dirty),
        ("Anonymous", anon),
        ("LazyFree", lazy),
        ("Shared_Hugetlb", 0),
        ("Private_Hugetlb", huge),
        ("Swap", swap),
        ("SwapPss", swap_pss),
    ] {
        text.push_str(&format!("{:<16}{kib:8} kB\n", format!("{name}:")));
    }
    text
}

const SMAPS: &str = "\
00400000-00420000 r-xp 00000000 08:01 1234                               /bin/old
Size:                128 kB
Rss:                  20 kB
Pss:                  10 kB
Shared_Clean:         20 kB
Shared_Dirty:          0 kB
Private_Clean:         0 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
LazyFree:              0 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:       0 kB
Swap:                  0 kB
SwapPss:               0 kB
00600000-00620000 rw-p 00000000 00:00 0                                  [heap]
Size:                128 kB
Rss:                  60 kB
Pss:                  60 kB
Shared_Clean:          0 kB
Shared_Dirty:          0 kB
Private_Clean:         0 kB
Private_Dirty:        60 kB
Anonymous:            60 kB
LazyFree:              0 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:       0 kB
Swap:                  0 kB
SwapPss:               0 kB
";

const MEMINFO: &str = "\
MemTotal:         100000 kB
MemFree:           80000 kB
MemAvailable:      90000 kB
Buffers:             100 kB
Cached:             6000 kB
SwapCached:            0 kB
SwapTotal:          1000 kB
SwapFree:            900 kB
AnonPages:          4000 kB
Shmem:               200 kB
KReclaimable:        500 kB
Slab:                900 kB
SReclaimable:        500 kB
SUnreclaim:          400 kB
KernelStack:          64 kB
PageTables:          120 kB
Percpu:               16 kB
Hugetlb:            4096 kB
";

const KWORKER: &str = "3 (kworker/0:0) I 2 0 0 0 -1 2097152 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0 18446744073709551615 \
0 0 0 0 0 0 0 2147483647 0 1 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
