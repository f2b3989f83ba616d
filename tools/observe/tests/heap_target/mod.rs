//! Target processes for the heap tests: a C program compiled here, run until it stops itself, and killed at the end.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use observe::heap::{Limits, Mapping, ProcMemory, Zones, glibc_zones};
use procfs::{DirRoot, Root, parse_maps};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Compile `tests/c/NAME.c` with `flags`; each call makes its own file.
pub fn compile(name: &str, flags: &[&str]) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = folder.join(format!("{name}-{}-{number}", std::process::id()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/c")
        .join(format!("{name}.c"));
    let done = Command::new("cc")
        .args(["-O1", "-w"])
        .args(flags)
        .arg("-o")
        .arg(&program)
        .arg(source)
        .arg("-pthread")
        .output()
        .expect("the tests need a C compiler, `cc`");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    program
}

/// A process that was started by a test. Dropping it kills it, and removes the program.
pub struct Target {
    pub child: Child,
    pub stdout: BufReader<ChildStdout>,
    pub stderr: Option<ChildStderr>,
    program: Option<PathBuf>,
}

impl Target {
    /// Run a program made by [`compile`].
    pub fn run(program: PathBuf, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut target = Self::command(Command::new(&program).args(args).envs(env.iter().copied()));
        target.program = Some(program);
        target
    }

    /// Run any command.
    pub fn command(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = child.stderr.take();
        Self {
            child,
            stdout,
            stderr,
            program: None,
        }
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Lines of standard output up to the one that is `last`.
    pub fn lines_until(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(
                self.stdout.read_line(&mut line).unwrap(),
                0,
                "ended after {lines:?}"
            );
            let line = line.trim_end().to_owned();
            if line == last {
                return lines;
            }
            lines.push(line);
        }
    }

    /// What is in standard error by now, without waiting for its end.
    pub fn stderr_now(&mut self) -> String {
        let Some(stderr) = &mut self.stderr else {
            return String::new();
        };
        rustix::io::ioctl_fionbio(&*stderr, true).unwrap();
        let mut text = Vec::new();
        let _ = stderr.read_to_end(&mut text);
        String::from_utf8(text).unwrap()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(program) = &self.program {
            let _ = std::fs::remove_file(program);
        }
    }
}

/// Wait until every thread of `pid` is stopped.
pub fn wait_stopped(pid: i32) {
    let end = Instant::now() + Duration::from_secs(60);
    let stopped = || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        tasks.into_iter().all(|task| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default();
            stat.rsplit(')')
                .next()
                .unwrap_or_default()
                .trim_start()
                .starts_with('T')
        })
    };
    while !stopped() {
        assert!(Instant::now() < end, "process {pid} does not stop");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The process's mappings.
pub fn mappings(pid: i32) -> Vec<Mapping> {
    let text = DirRoot::host().read(&format!("{pid}/maps")).unwrap();
    parse_maps(&text).unwrap().iter().map(Mapping::from).collect()
}

/// Page size of this host.
pub fn page() -> u64 {
    rustix::param::page_size() as u64
}

/// Walk it. `None`, with a printed reason, if its memory may not be read here.
pub fn zones(pid: i32, limits: Limits) -> Option<Zones> {
    let root = DirRoot::host();
    let maps = mappings(pid);
    match ProcMemory::new(&root, pid, &maps, page()) {
        Ok(memory) => Some(glibc_zones(&memory, &maps, page(), limits)),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

/// `key number key number...` as a map.
pub fn pairs(line: &str) -> HashMap<String, u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words
        .chunks_exact(2)
        .filter_map(|pair| Some((pair[0].to_owned(), pair[1].parse().ok()?)))
        .collect()
}
