//! The runs of the bundled programs whose output is known: key type [`Case`]. `cargo xtask guests --record` compiles the
//! same C source for the host's own Linux, so that the kernel itself answers (qemu-user's answers about stack growth,
//! `brk`, `madvise` and some signal codes are its own), and writes what it printed. `cargo xtask test` compares the machine
//! with that in every page size.

use std::path::PathBuf;

/// One run of a bundled program with a known result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// The name of the record in `guests/expected`.
    pub name: &'static str,
    /// The program.
    pub guest: &'static str,
    /// Its arguments.
    pub args: &'static [&'static str],
    /// What it finds on standard input.
    pub stdin: &'static str,
    /// Whether the program exists for arm64 only, so that its record was written from the kernel's source and not by
    /// the kernel.
    pub arm64_only: bool,
    /// Whether qemu-user is known to answer other than Linux, so that it cannot stand in as the runner.
    pub qemu_differs: bool,
}

impl Case {
    /// Where the record is: a header line, `# exit STATUS, recorded ...`, then the bytes of standard output.
    pub fn record_path(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("expected")
            .join(format!("{}.out", self.name))
    }

    /// The exit status (0..=255) and the standard output that a record holds, or nothing if its header is damaged.
    pub fn expected<'a>(&self, record: &'a str) -> Option<(u8, &'a str)> {
        let (header, stdout) = record.split_once('\n')?;
        let status = header.strip_prefix("# exit ")?.split(',').next()?.parse().ok()?;
        Some((status, stdout))
    }
}

const fn case(name: &'static str) -> Case {
    Case {
        name,
        guest: name,
        args: &[],
        stdin: "",
        arm64_only: false,
        qemu_differs: false,
    }
}

const fn with_args(name: &'static str, guest: &'static str, args: &'static [&'static str]) -> Case {
    Case {
        name,
        guest,
        args,
        stdin: "",
        arm64_only: false,
        qemu_differs: false,
    }
}

/// Every known run. `beep` is missing because it never ends, `regions` because what it prints is made of addresses.
pub const CASES: &[Case] = &[
    with_args("adder", "adder", &["2", "40"]),
    with_args(
        "adder-negative",
        "adder",
        &["-9223372036854775808", "9223372036854775807"],
    ),
    with_args("adder-overflow", "adder", &["9223372036854775807", "1"]),
    with_args("adder-bad", "adder", &["two", "3"]),
    with_args("adder-one", "adder", &["2"]),
    Case {
        stdin: "17 25\n",
        ..case_of("adder-stdin", "adder")
    },
    Case {
        stdin: "17\n",
        ..case_of("adder-stdin-short", "adder")
    },
    case("zero-page"),
    case("stack-grow"),
    case("stack-overrun"),
    Case {
        qemu_differs: true,
        ..with_args("stack-overrun-catch", "stack-overrun", &["catch"])
    },
    with_args("stack-overrun-no-room", "stack-overrun", &["no-room"]),
    Case {
        qemu_differs: true,
        ..case("heap")
    },
    case("cow-data"),
    case("cow-fork"),
    case("pressure"),
    Case {
        qemu_differs: true,
        ..case("events")
    },
    Case {
        qemu_differs: true,
        ..case("sockets")
    },
    Case {
        qemu_differs: true,
        ..case("pidfds")
    },
    Case {
        qemu_differs: true,
        ..case("reopen")
    },
    case("shared-anon"),
    case("shared-file"),
    case("private-file"),
    case("map-split"),
    Case {
        qemu_differs: true,
        ..case("remap")
    },
    Case {
        qemu_differs: true,
        ..case("dontneed")
    },
    case("prot-none"),
    case("write-text"),
    case("read-null"),
    case("jump-data"),
    case("past-eof"),
    with_args("past-eof-truncate", "past-eof", &["truncate"]),
    case("sigsegv-info"),
    Case {
        arm64_only: true,
        qemu_differs: true,
        ..case("signals-arm64")
    },
    case("pie"),
    Case {
        qemu_differs: true,
        ..case("threads")
    },
    Case {
        qemu_differs: true,
        ..case("calls-mmap")
    },
    Case {
        qemu_differs: true,
        ..case("calls-mremap")
    },
    Case {
        qemu_differs: true,
        ..case("calls-madvise")
    },
    Case {
        qemu_differs: true,
        ..case("calls-lock")
    },
    Case {
        qemu_differs: true,
        ..case("calls-vm")
    },
    Case {
        qemu_differs: true,
        ..case("calls-sysv")
    },
    Case {
        qemu_differs: true,
        ..case("calls-limits")
    },
    with_args("bomb-forks", "bomb", &["forks", "40"]),
    with_args("bomb-files", "bomb", &["files", "400"]),
    with_args("bomb-pipes", "bomb", &["pipes", "60"]),
    with_args("bomb-memory", "bomb", &["memory", "4"]),
    with_args("bomb-signals", "bomb", &["signals", "500"]),
    // The emulator (7.2) does not see code that is written through another mapping.
    Case {
        qemu_differs: true,
        ..case("jit")
    },
    with_args("bench-int-sha", "bench-int", &["sha", "1"]),
    with_args("bench-int-sieve", "bench-int", &["sieve", "1"]),
    with_args("bench-int-vm", "bench-int", &["vm", "1"]),
    with_args("bench-int-chase", "bench-int", &["chase", "1"]),
    case("bench-int"),
    with_args("bench-fault-zero", "bench-fault", &["zero", "3000"]),
    with_args("bench-fault-file", "bench-fault", &["file", "3000"]),
    with_args("bench-fault-file-far", "bench-fault", &["file-far", "300"]),
    with_args("bench-fault-cow", "bench-fault", &["cow", "3000"]),
    with_args("bench-fault-mmap", "bench-fault", &["mmap", "300"]),
    with_args("bench-fault-mprotect", "bench-fault", &["mprotect", "300"]),
    case("seals"),
    with_args("bench-fault-call", "bench-fault", &["call", "300"]),
];

const fn case_of(name: &'static str, guest: &'static str) -> Case {
    Case { guest, ..case(name) }
}
