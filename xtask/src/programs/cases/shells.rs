//! Shells and the small programs: busybox's `sh`, bash, coreutils, findutils, grep, sed. Neighbour: [`super`].

use super::Case;
use crate::programs::roots::Root;

/// A shell and what shell scripts call.
static SHELL: Root = Root {
    name: "shell",
    packages: &[
        "bash",
        "busybox-static",
        "coreutils",
        "libc-bin",
        "diffutils",
        "findutils",
        "gawk",
        "grep",
        "gzip",
        "sed",
        "tar",
        "xz-utils",
    ],
    setup: &[],
};

/// A script of this folder, run by bash.
macro_rules! bash {
    ($name:literal, $script:literal, $quick:literal) => {
        Case {
            name: $name,
            root: &SHELL,
            args: &["/usr/bin/bash", $script],
            stdin: "first line\nsecond line\n",
            files: &[($script, include_str!(concat!("../scripts/", $script)))],
            quick: $quick,
        }
    };
}

pub(super) static CASES: &[Case] = &[
    Case {
        name: "busybox-sh",
        root: &SHELL,
        args: &["/usr/bin/busybox", "sh", "busybox.sh"],
        stdin: "first line\nsecond line\n",
        files: &[("busybox.sh", include_str!("../scripts/busybox.sh"))],
        quick: true,
    },
    bash!("bash-arrays", "bash-arrays.sh", true),
    bash!("bash-processes", "bash-processes.sh", true),
    bash!("bash-jobs", "bash-jobs.sh", true),
    bash!("bash-signals", "bash-signals.sh", false),
    bash!("coreutils-text", "coreutils-text.sh", false),
    bash!("coreutils-files", "coreutils-files.sh", false),
    bash!("coreutils-processes", "coreutils-processes.sh", false),
    bash!("coreutils-system", "coreutils-system.sh", false),
    bash!("archives", "archives.sh", false),
];
