//! Interpreters: perl, python3.11, lua5.4 and sqlite3's SQL. Neighbour: [`super`].

use super::Case;
use crate::programs::roots::Root;

static PERL: Root = Root {
    name: "perl",
    packages: &["bash", "coreutils", "libc-bin", "perl"],
    setup: &[],
};

/// The package's script compiles the library, which is the slow part of a first start.
static PYTHON: Root = Root {
    name: "python",
    packages: &["bash", "coreutils", "libc-bin", "python3.11"],
    setup: &[
        "/usr/bin/python3.11",
        "-c",
        "import asyncio, concurrent.futures, ctypes, decimal, hashlib, json, mmap, multiprocessing.pool, \
         multiprocessing.shared_memory, queue, random, selectors, signal, socket, socketserver, sqlite3, struct, \
         subprocess, tempfile, threading, zlib, multiprocessing.popen_fork, multiprocessing.popen_spawn_posix, \
         multiprocessing.synchronize, multiprocessing.managers, multiprocessing.resource_tracker, \
         multiprocessing.forkserver, multiprocessing.popen_forkserver, lzma, bz2, gzip, csv, datetime, fractions, statistics",
    ],
};

static SMALL: Root = Root {
    name: "small",
    packages: &["bash", "coreutils", "libc-bin", "lua5.4", "sed", "sqlite3"],
    setup: &[],
};

/// A script of this folder, run by perl.
macro_rules! perl {
    ($name:literal, $script:literal, $quick:literal) => {
        Case {
            name: $name,
            root: &PERL,
            args: &["/usr/bin/perl", "-w", $script],
            stdin: "",
            files: &[($script, include_str!(concat!("../scripts/", $script)))],
            quick: $quick,
        }
    };
}

/// A script of this folder, run by python3.11.
macro_rules! python {
    ($name:literal, $script:literal, $quick:literal) => {
        Case {
            name: $name,
            root: &PYTHON,
            args: &["/usr/bin/python3.11", $script],
            stdin: "",
            files: &[($script, include_str!(concat!("../scripts/", $script)))],
            quick: $quick,
        }
    };
}

pub(super) static CASES: &[Case] = &[
    perl!("perl-language", "language.pl", false),
    perl!("perl-processes", "processes.pl", true),
    python!("python-language", "language.py", false),
    python!("python-processes", "processes.py", false),
    python!("python-descriptors", "descriptors.py", false),
    python!("python-threads", "threads.py", false),
    python!("python-sockets", "sockets.py", false),
    python!("python-memory", "memory.py", false),
    python!("python-multiprocessing", "multi.py", false),
    Case {
        name: "lua",
        root: &SMALL,
        args: &["/usr/bin/lua5.4", "language.lua", "an argument"],
        stdin: "12 0x10 3.5\nsecond line\n",
        files: &[("language.lua", include_str!("../scripts/language.lua"))],
        quick: true,
    },
    Case {
        name: "sqlite3-queries",
        root: &SMALL,
        args: &["/usr/bin/sqlite3", "-batch", "file.db"],
        stdin: include_str!("../scripts/queries.sql"),
        files: &[],
        quick: true,
    },
    Case {
        name: "sqlite3-crash",
        root: &SMALL,
        args: &["/usr/bin/bash", "sqlite-crash.sh"],
        stdin: "",
        files: &[("sqlite-crash.sh", include_str!("../scripts/sqlite-crash.sh"))],
        quick: true,
    },
];
