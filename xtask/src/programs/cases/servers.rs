//! Servers with their clients, all on one machine: redis. Neighbour: [`super`].

use super::Case;
use crate::programs::roots::Root;

static REDIS: Root = Root {
    name: "redis",
    packages: &["bash", "coreutils", "libc-bin", "redis-server", "redis-tools"],
    setup: &[],
};

pub(super) static CASES: &[Case] = &[
    Case {
        name: "redis-save",
        root: &REDIS,
        args: &["/usr/bin/bash", "redis-save.sh"],
        stdin: "",
        files: &[("redis-save.sh", include_str!("../scripts/redis-save.sh"))],
        quick: false,
    },
    Case {
        name: "redis-benchmark",
        root: &REDIS,
        args: &["/usr/bin/bash", "redis-benchmark.sh"],
        stdin: "",
        files: &[(
            "redis-benchmark.sh",
            include_str!("../scripts/redis-benchmark.sh"),
        )],
        quick: false,
    },
];
