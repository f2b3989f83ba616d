//! gcc with its preprocessor, compiler proper, assembler and linker, all inside. Neighbour: [`super`].

use super::Case;
use crate::programs::roots::Root;

static GCC: Root = Root {
    name: "gcc",
    packages: &["bash", "coreutils", "libc-bin", "gcc", "libc6-dev", "make"],
    setup: &[],
};

pub(super) static CASES: &[Case] = &[
    Case {
        name: "gcc-hello",
        root: &GCC,
        args: &[
            "/usr/bin/bash",
            "-ec",
            "gcc -v 2>/dev/null; gcc -O1 -Wall -o hello hello.c; ./hello one two",
        ],
        stdin: "",
        files: &[("hello.c", include_str!("../scripts/hello.c"))],
        quick: false,
    },
    Case {
        name: "gcc-project",
        root: &GCC,
        args: &[
            "/usr/bin/bash",
            "-ec",
            "make -j2 --no-print-directory >/dev/null; ./program; make --no-print-directory",
        ],
        stdin: "",
        files: &[
            ("Makefile", include_str!("../scripts/Makefile")),
            ("program.c", include_str!("../scripts/program.c")),
            ("library.c", include_str!("../scripts/library.c")),
            ("library.h", include_str!("../scripts/library.h")),
        ],
        quick: false,
    },
];
