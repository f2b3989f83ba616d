//! The runs of the bundled programs whose output is known: key type [`Case`]. `cargo xtask guests --record` writes the
//! record of each on a real system, `cargo xtask test` compares the machine with it in every page size.

use std::path::PathBuf;

/// Which real system recorded the output of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oracle {
    /// The same C source compiled for this x86-64 Linux host: the kernel itself answers. For everything where qemu-user's
    /// answer is its own and not Linux's (stack growth, signal codes, `brk`).
    Native,
    /// The committed ELF file under qemu-aarch64, for what only exists as arm64 code.
    Qemu,
}

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
    /// Who recorded the result.
    pub oracle: Oracle,
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
        oracle: Oracle::Native,
    }
}

const fn with_args(name: &'static str, guest: &'static str, args: &'static [&'static str]) -> Case {
    Case {
        name,
        guest,
        args,
        stdin: "",
        oracle: Oracle::Native,
    }
}

/// Every known run. `beep` is missing because it never ends.
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
];

const fn case_of(name: &'static str, guest: &'static str) -> Case {
    Case { guest, ..case(name) }
}
