//! Other allocators in real processes. What is not installed is skipped, and said.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod heap_target;

use heap_target::{Target, compile, mappings, page, wait_stopped};
use observe::heap::{Limits, ProcMemory, glibc_zones, recognise};
use procfs::DirRoot;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The allocators found in a process, each once.
fn allocators(pid: i32) -> Option<Vec<(&'static str, bool)>> {
    let root = DirRoot::host();
    let maps = mappings(pid);
    let Ok(memory) = ProcMemory::new(&root, pid, &maps, page()) else {
        println!("skipped: the target's memory may not be read here");
        return None;
    };
    let mut found: Vec<_> = recognise(&maps, Some(&memory))
        .iter()
        .map(|r| (r.allocator, r.is_guess))
        .collect();
    found.sort_unstable();
    found.dedup();
    Some(found)
}

#[test]
fn pymalloc_is_told_by_its_pools() {
    if Command::new("python3").arg("-c").arg("").status().is_err() {
        println!("skipped: no python3 here");
        return;
    }
    let script = "import time\nx = [[i] for i in range(200000)]\nprint('ready', flush=True)\ntime.sleep(600)";
    let mut target = Target::command(Command::new("python3").args(["-c", script]));
    target.lines_until("ready");
    if let Some(found) = allocators(target.pid()) {
        assert!(found.contains(&("CPython", true)), "{found:?}");
    }
}

#[test]
fn a_plain_c_program_has_no_other() {
    let mut target = Target::run(compile("heap_pattern", &[]), &["plain", "2"], &[]);
    target.lines_until("ready");
    wait_stopped(target.pid());
    if let Some(found) = allocators(target.pid()) {
        assert_eq!(found, []);
    }
}

/// A library in the usual folders, or in the one that `PAGEWALK_ALLOCATORS` names.
fn library(name: &str) -> Option<PathBuf> {
    let extra = std::env::var("PAGEWALK_ALLOCATORS").unwrap_or_default();
    let folders = [
        extra.as_str(),
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
    ];
    let found = folders
        .iter()
        .map(|f| Path::new(f).join(name))
        .find(|p| p.is_file());
    if found.is_none() {
        println!("skipped: no {name} here (set PAGEWALK_ALLOCATORS to a folder that has it)");
    }
    found
}

fn preloaded(name: &str, allocator: &'static str) {
    let Some(library) = library(name) else {
        return;
    };
    let env = [("LD_PRELOAD", library.to_str().unwrap())];
    let mut target = Target::run(compile("heap_busy", &[]), &[], &env);
    target.lines_until("ready");
    let Some(found) = allocators(target.pid()) else {
        return;
    };
    assert!(found.contains(&(allocator, true)), "{found:?}");
    // glibc is loaded too, unused.
    let root = DirRoot::host();
    let maps = mappings(target.pid());
    let memory = ProcMemory::new(&root, target.pid(), &maps, page()).unwrap();
    let zones = glibc_zones(&memory, &maps, page(), Limits::default());
    let allocated = zones
        .zones
        .iter()
        .filter_map(|z| z.counts)
        .map(|c| c.allocated_chunks)
        .sum::<u64>();
    assert!(allocated < 100, "{zones:?}");
}

#[test]
fn jemalloc() {
    preloaded("libjemalloc.so.2", "jemalloc");
}

#[test]
fn mimalloc() {
    preloaded("libmimalloc.so.2.0", "mimalloc");
}

#[test]
fn tcmalloc() {
    preloaded("libtcmalloc_minimal.so.4", "tcmalloc");
}

/// Whether the allocator's memory is found, as a guess, in the process of this command, which waits for its input. Skipped where the
/// program is not installed.
fn waits_with(command: &mut Command, allocator: &'static str) {
    let name = command.get_program().to_string_lossy().into_owned();
    let started = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = started else {
        println!("skipped: no {name} here");
        return;
    };
    let mut process = Process(child);
    let pid = i32::try_from(process.0.id()).unwrap();
    let mut found = Vec::new();
    // Its runtime makes the heap some time after its start; a virtual machine on a loaded host takes seconds.
    for _ in 0..400 {
        if process.0.try_wait().unwrap().is_some() {
            println!("skipped: {name} did not wait for its input");
            return;
        }
        match allocators(pid) {
            None => return,
            Some(now) if now.contains(&(allocator, true)) => return,
            Some(now) => found = now,
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{allocator} is not found in {name}: {found:?}");
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Go's own formatter is a program of Go's, and needs no compiling.
#[test]
fn go() {
    waits_with(&mut Command::new("gofmt"), "Go");
}

#[test]
fn v8() {
    waits_with(Command::new("node").args(["-e", "process.stdin.resume()"]), "V8");
}

#[test]
fn jvm() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("Waits.java");
    let program =
        "public class Waits { public static void main(String[] a) throws Exception { System.in.read(); } }";
    std::fs::write(&source, program).unwrap();
    waits_with(Command::new("java").arg("-Xmx64m").arg(&source), "JVM");
}

#[test]
fn musl() {
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("waits.c"), dir.path().join("waits"));
    // Groups of small blocks grow out of the program's own pages; a large block has a mapping, which is a group too.
    let text = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint main(void) { char *p = malloc(1 << 20); \
                memset(p, 1, 1 << 20); getchar(); return p[7]; }\n";
    std::fs::write(&source, text).unwrap();
    let compiled = Command::new("musl-gcc")
        .arg("-o")
        .args([&program, &source])
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        println!("skipped: no musl-gcc here");
        return;
    }
    waits_with(&mut Command::new(program), "musl malloc");
}
