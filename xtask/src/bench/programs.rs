//! Rows of [`super`] for whole programs against qemu-aarch64, each side with the same files: what starting one costs, a shell
//! that starts a thousand, a system call, and programs that Debian ships for arm64. Neighbours: [`crate::programs`], whose roots
//! these are, and [`crate::runner`].

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Clock, Row, Side};
use crate::programs::roots::{Root, built};
use crate::runner::{PageSize, Program, Runner};
use crate::toolchain::{busybox, qemu};
use crate::trouble::Trouble;

/// The root of [`PROGRAMS`], made as those of `cargo xtask programs` are.
static ROOT: Root = Root {
    name: "bench",
    packages: &[
        "bash",
        "busybox-static",
        "libc-bin",
        "lua5.4",
        "python3.11-minimal",
        "sqlite3",
    ],
    setup: &[],
};

/// Scripts, by the name that they have in the root's folder `bench`.
const SCRIPTS: &[(&str, &str)] = &[
    (
        "fib.py",
        "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\nprint(fib(26))\n",
    ),
    (
        "mix.py",
        "d = {}\nfor i in range(120000):\n    k = 'key%d' % (i % 5000)\n    d[k] = d.get(k, 0) + i\ns = 0.0\n\
         for i in range(400000):\n    s += i * 0.5 / (i + 1)\nprint(len(d), sum(d.values()), '%.6f' % s)\n\
         print(sum(len(w) for w in ' '.join(sorted(d)).split()))\n",
    ),
    (
        "loop.lua",
        "local t, x, s = {}, 12345, 0.0\nfor i = 1, 200000 do x = (x * 1103515245 + 12345) % 2147483648; t[i] = x end\n\
         table.sort(t)\nfor i = 1, 8000000 do s = s + i * 0.5 end\nprint(t[1], t[#t], s)\n",
    ),
    (
        "mem.sql",
        "create table t(a integer, b text, c real);\n\
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)\n\
         insert into t select i * 7919 % 60007, 'row' || i, i * 0.5 from n;\ncreate index ta on t(a);\n\
         select count(*), sum(a), sum(c) from t where a between 1000 and 30000;\n\
         select b from t order by a desc limit 3;\n",
    ),
    (
        "loop.bash",
        "s=0; for ((i = 0; i < 30000; i++)); do s=$((s + i * i % 7)); done; echo $s\n",
    ),
];

/// Name, and the command: the program's path in the root, then arguments. `@` stands for the folder of the scripts.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("run.python-start", &["/usr/bin/python3.11", "-S", "-c", "pass"]),
    ("run.py.fib", &["/usr/bin/python3.11", "-S", "@/fib.py"]),
    ("run.py.mix", &["/usr/bin/python3.11", "-S", "@/mix.py"]),
    ("run.lua.loop", &["/usr/bin/lua5.4", "@/loop.lua"]),
    (
        "run.sqlite.mem",
        &["/usr/bin/sqlite3", ":memory:", ".read @/mem.sql"],
    ),
    ("run.bash", &["/usr/bin/bash", "@/loop.bash"]),
    ("run.gzip", &["/usr/bin/busybox", "gzip", "-c", "@/zeros"]),
];

/// A shell that starts so many processes, one after the other; its arguments are the command to start.
const LOOP: &str = "i=0; while [ $i -lt 1000 ]; do \"$@\" true; i=$((i+1)); done";
const PROCESSES: u64 = 1000;

/// Starting a program takes no longer than under qemu.
const START_TARGET: f64 = 1.0;
/// A thousand processes take a third of qemu's time: fork is ours, and no emulator is started anew for each.
const PROCESSES_TARGET: f64 = 1.0 / 3.0;
/// A system call takes no longer than under qemu, which hands it to the host's kernel.
const CALL_TARGET: f64 = 1.0;
/// An interpreter against qemu's translator: as the integer rows.
const PROGRAM_TARGET: f64 = 10.0;

/// All rows of this file; those that need a Debian archive which cannot be reached are skipped with a line that says so.
pub(super) fn rows(machine: &Runner) -> Result<Vec<Row>, Trouble> {
    let emulator = qemu()?;
    let mut rows = vec![call_row(machine, &emulator)];
    match busybox() {
        Ok(path) => rows.extend(start_rows(machine, &emulator, &path)),
        Err(trouble) => println!("SKIPPED: run.start and run.processes: {trouble}"),
    }
    match root() {
        Ok(root) => rows.extend(
            PROGRAMS
                .iter()
                .map(|(name, words)| program_row(machine, &emulator, &root, name, words)),
        ),
        Err(trouble) => println!("SKIPPED: the programs of Debian: {trouble}"),
    }
    Ok(rows)
}

fn row(name: &str, unit: &'static str, target: f64, clock: Clock, ours: Line, other: Line) -> Row {
    let side = |name: &str, line: Line| Side {
        name: name.into(),
        command: Box::new(move || line.command()),
        clock,
        rounds: Vec::new(),
    };
    Row {
        name: name.into(),
        unit,
        ours: vec![side("pagewalk", ours)],
        other: side("qemu-aarch64", other),
        target,
        instructions_per_second: None,
    }
}

/// A command line that can be run again and again.
struct Line(Vec<OsString>);

impl Line {
    fn new(program: &Path, words: &[&str]) -> Line {
        let mut line = vec![program.into()];
        line.extend(words.iter().map(OsString::from));
        Line(line)
    }

    fn of(command: &Command) -> Line {
        let mut line = vec![command.get_program().to_owned()];
        line.extend(command.get_args().map(OsString::from));
        Line(line)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.0.first().cloned().unwrap_or_default());
        command.args(self.0.iter().skip(1));
        command
    }
}

/// A system call that does next to nothing.
fn call_row(machine: &Runner, emulator: &Path) -> Row {
    let line = |runner: &Runner| {
        let guest = Program::Bundled("bench-fault");
        Line::of(&runner.command(PageSize::Middle16K, &[], &guest, &["call", "2000000"]))
    };
    let ours = line(machine);
    let other = line(&Runner::Qemu(emulator.into()));
    row("run.call", "ns/call", CALL_TARGET, Clock::Guest, ours, other)
}

/// Starting a program that does nothing, and a shell that starts it a thousand times. Under qemu-user the shell runs each by
/// qemu again, as the host's kernel does where arm64 programs are registered with it (binfmt_misc).
fn start_rows(machine: &Runner, emulator: &Path, busybox: &Path) -> [Row; 2] {
    let path = busybox.to_string_lossy();
    let program = Program::File(busybox.into());
    let qemu = Runner::Qemu(emulator.into());
    let line = |runner: &Runner, words: &[&str]| {
        Line::of(&runner.command(PageSize::Middle16K, &[], &program, words))
    };
    let start = row(
        "run.start",
        "ms/start",
        START_TARGET,
        Clock::Wall(1),
        line(machine, &["true"]),
        line(&qemu, &["true"]),
    );
    let emulator = emulator.to_string_lossy();
    let processes = row(
        "run.processes",
        "ms/proc",
        PROCESSES_TARGET,
        Clock::Wall(PROCESSES),
        line(machine, &["sh", "-c", LOOP, "sh", &path]),
        line(&qemu, &["sh", "-c", LOOP, "sh", &emulator, &path]),
    );
    [start, processes]
}

/// A program of the root, on the machine confined to it and under qemu with its libraries.
fn program_row(machine: &Runner, emulator: &Path, root: &Path, name: &str, words: &[&str]) -> Row {
    let top = root.to_string_lossy();
    let (program, args) = words
        .split_first()
        .map_or(("", &[][..]), |(program, args)| (*program, args));
    let args = |folder: &str| -> Vec<String> { args.iter().map(|word| word.replace('@', folder)).collect() };
    let ours = match machine {
        Runner::Machine(pagewalk) => {
            let args = args("/bench");
            let mut line = vec!["run", "--root", &top, program];
            line.extend(args.iter().map(String::as_str));
            Line::new(pagewalk, &line)
        }
        Runner::Qemu(path) => under_qemu(path, root, program, &args(&format!("{top}/bench"))),
    };
    let other = under_qemu(emulator, root, program, &args(&format!("{top}/bench")));
    row(name, "ms/run", PROGRAM_TARGET, Clock::Wall(1), ours, other)
}

fn under_qemu(emulator: &Path, root: &Path, program: &str, args: &[String]) -> Line {
    let top = root.to_string_lossy();
    let program = format!("{top}{program}");
    let mut line = vec!["-L", &top, &program];
    line.extend(args.iter().map(String::as_str));
    Line::new(emulator, &line)
}

/// The folder with the programs and scripts.
fn root() -> Result<PathBuf, Trouble> {
    let root = built(&ROOT)?;
    let folder = root.join("bench");
    fs::create_dir_all(&folder).map_err(Trouble::file(&folder))?;
    for (name, text) in SCRIPTS {
        let path = folder.join(name);
        fs::write(&path, text).map_err(Trouble::file(&path))?;
    }
    let zeros = folder.join("zeros");
    fs::write(&zeros, vec![0; 8 << 20]).map_err(Trouble::file(&zeros))?;
    Ok(root)
}
