//! The programs of `cargo xtask pressure`, in the roots of [`super::super::cases`]. Key types: [`Work`], [`Amount`].
//! Neighbour: [`super`].

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::inputs::lines_file;
use crate::programs::cases;
use crate::programs::roots::{self, Root};
use crate::trouble::Trouble;

/// How much a program is given, and how little RAM.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) megabytes: u64,
    pub(super) ram: &'static str,
}

impl Amount {
    const fn new(megabytes: u64, ram: &'static str) -> Self {
        Self { megabytes, ram }
    }
}

/// A program that uses more memory than there is RAM.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) name: &'static str,
    /// A case of [`cases`] whose root it runs in.
    at_home: &'static str,
    /// The program and its arguments; the megabytes follow.
    pub(super) args: &'static [&'static str],
    input: Input,
    full: Amount,
    short: Amount,
}

/// What the working folder holds.
#[derive(Debug)]
enum Input {
    /// A script, `@MB@` in it standing for the amount.
    Script(&'static str, &'static str),
    /// The same, and a file `lines` of so many megabytes.
    Lines(&'static str, &'static str),
    /// A C file of as many functions as make gcc use that much.
    Functions(&'static str),
}

pub(super) static ALL: &[Work] = &[
    Work {
        name: "sort",
        at_home: "coreutils-text",
        args: &["/usr/bin/bash", "sort.sh"],
        input: Input::Lines("sort.sh", include_str!("scripts/sort.sh")),
        full: Amount::new(64, "16m"),
        short: Amount::new(2, "3m"),
    },
    Work {
        name: "python",
        at_home: "python-memory",
        args: &["/usr/bin/python3.11", "build.py"],
        input: Input::Script("build.py", include_str!("scripts/build.py")),
        full: Amount::new(200, "16m"),
        short: Amount::new(8, "8m"),
    },
    Work {
        name: "sqlite",
        at_home: "sqlite3-queries",
        args: &["/usr/bin/bash", "-c", "sqlite3 :memory: <memory.sql", "sqlite"],
        input: Input::Script("memory.sql", include_str!("scripts/memory.sql")),
        full: Amount::new(100, "16m"),
        short: Amount::new(2, "3m"),
    },
    Work {
        name: "redis",
        at_home: "redis-save",
        args: &["/usr/bin/bash", "redis.sh"],
        input: Input::Script("redis.sh", include_str!("scripts/redis.sh")),
        full: Amount::new(100, "16m"),
        short: Amount::new(8, "8m"),
    },
    Work {
        name: "gcc",
        at_home: "gcc-hello",
        args: &["/usr/bin/bash", "-ec", "gcc -O2 -c big.c; sha256sum big.o", "gcc"],
        input: Input::Functions("big.c"),
        full: Amount::new(60, "16m"),
        short: Amount::new(10, "16m"),
    },
];

impl Work {
    pub(super) fn root(&self) -> Result<&'static Root, Trouble> {
        let case = cases::all().find(|case| case.name == self.at_home);
        let missing = || Trouble::Missing {
            tool: format!("case {}", self.at_home),
            why: "its root is used by cargo xtask pressure".into(),
        };
        case.map(|case| case.root).ok_or_else(missing)
    }

    pub(super) fn amount(&self, short: bool) -> &Amount {
        if short { &self.short } else { &self.full }
    }

    /// Fills the working folder.
    pub(super) fn furnish(&self, folder: &Path, amount: &Amount) -> Result<(), Trouble> {
        let (name, text) = match self.input {
            Input::Script(name, text) | Input::Lines(name, text) => {
                (name, text.replace("@MB@", &amount.megabytes.to_string()))
            }
            Input::Functions(name) => (name, functions(amount.megabytes)),
        };
        let place = roots::furnish(folder, &[(name, &text)])?;
        if let Input::Lines(..) = self.input {
            let (from, to) = (lines_file((amount.megabytes << 20) / 25)?, place.join("lines"));
            fs::copy(&from, &to).map_err(Trouble::file(&to))?;
        }
        Ok(())
    }
}

/// A C file: ten functions a megabyte of gcc's memory, each with loops, switches and arrays for the optimiser.
fn functions(megabytes: u64) -> String {
    let mut text = String::from("typedef unsigned long word;\nstatic word table[4096];\n");
    for index in 0..megabytes * 10 {
        let (a, b, c) = (index % 61 + 3, index * 7 % 4093, index % 5 + 2);
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "word f{index}(word *p, word n) {{\n  word s = {b}, t[{a}];\n  \
             for (word i = 0; i < {a}; i++) t[i] = p[i % n] * {c} + i;\n  \
             for (word i = 0; i < n; i++) switch ((p[i] + s) % {c}) {{\n    \
             case 0: s += t[i % {a}] ^ table[{b}]; break;\n    case 1: s = s << 3 | s >> 61; break;\n    \
             default: table[(s + i) & 4095] += s / (t[s % {a}] | 1);\n  }}\n  return s{call};\n}}\n",
            call = if index == 0 {
                String::new()
            } else {
                format!(" + f{}(t, {a})", index - 1)
            },
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_root_and_amounts() {
        for work in ALL {
            assert!(work.root().is_ok(), "{}: no case {}", work.name, work.at_home);
            assert!(work.full.megabytes > work.short.megabytes);
        }
    }

    #[test]
    fn the_c_file_grows_with_the_amount() {
        let (small, large) = (functions(1), functions(4));
        assert!(small.contains("word f9(") && !small.contains("word f10("));
        assert!(large.len() > 3 * small.len());
    }
}
