//! `--save`, `vmmap FILE`, `--diff`, `-d` and `--wss`, on real processes that do what the test knows.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

const FIXTURES_ARM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../procfs/tests/fixtures/arm64-16k");

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vmmap"))
        .args(args)
        .output()
        .expect("the program runs and prints what it should")
}

fn shown(args: &[&str]) -> String {
    let output = run(args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {error}");
    String::from_utf8(output.stdout).expect("the program runs and prints what it should")
}

/// The exit code, and the error in its one line.
fn refused(args: &[&str]) -> (i32, String) {
    let output = run(args);
    let error = String::from_utf8(output.stderr).expect("the program runs and prints what it should");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    (
        output
            .status
            .code()
            .expect("the program runs and prints what it should"),
        error,
    )
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("the program runs and prints what it should")
}

/// A program of this test, ended whatever happens.
struct Guest {
    child: Child,
    pid: String,
    /// The line that it printed when it was ready.
    line: String,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Maps 64 MiB without huge pages and touches `touched` pages; then touches the first `used` of them again and again (0: waits).
const SOURCE: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int count, char **words) {
    long touched = atol(words[1]), used = atol(words[2]);
    volatile char *p = mmap(0, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise((void *)p, 64 << 20, MADV_NOHUGEPAGE);
    for (long i = 0; i < touched; i++) p[i * 4096] = 1;
    printf("%lx\n", (unsigned long)p);
    fflush(stdout);
    while (used == 0) pause();
    for (;;) {
        for (long i = 0; i < used; i++) p[i * 4096] += 1;
        usleep(1000);
    }
}
"#;

fn compiled(folder: &Path) -> PathBuf {
    let (source, program) = (folder.join("toucher.c"), folder.join("toucher"));
    std::fs::write(&source, SOURCE).expect("the program runs and prints what it should");
    let status = Command::new("cc")
        .arg("-O1")
        .arg("-o")
        .args([&program, &source])
        .status();
    assert!(
        status
            .expect("the program runs and prints what it should")
            .success()
    );
    program
}

fn guest(program: &Path, touched: u32, used: u32) -> Guest {
    let mut child = Command::new(program)
        .args([touched.to_string(), used.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs and prints what it should");
    let mut line = String::new();
    BufReader::new(
        child
            .stdout
            .take()
            .expect("the program runs and prints what it should"),
    )
    .read_line(&mut line)
    .expect("the program runs and prints what it should");
    Guest {
        pid: child.id().to_string(),
        child,
        line: line.trim().into(),
    }
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

#[test]
fn a_saved_process_is_shown_as_if_it_lived() {
    let folder = tempfile::tempdir().expect("the program runs and prints what it should");
    let file = path(&folder, "worker.vmmap");
    let saved = ["--root", FIXTURES_ARM, "7"];
    assert_eq!(shown(&[&["--save", &file], saved.as_slice()].concat()), "");
    for options in [
        ["--verbose"].as_slice(),
        &["--summary", "--pages"],
        &["--interleaved", "--sort-by-size"],
        &["--stacks"],
        &[],
    ] {
        let live = shown(&[options, &["--no-heap"], saved.as_slice()].concat());
        let file = shown(&[options, &[file.as_str()]].concat());
        let differ: Vec<_> = live.lines().zip(file.lines()).filter(|(a, b)| a != b).collect();
        assert_eq!(live.lines().count(), file.lines().count());
        assert_eq!(differ.len(), 1, "{differ:?}");
        assert!(differ[0].1.contains(", saved at 2026-01-02 ") && differ[0].1.contains("worker.vmmap"));
    }
    let live = shown(&[["--json"].as_slice(), saved.as_slice()].concat());
    assert_eq!(shown(&["--json", &file]), live);
    // Plain JSON is such a file too.
    let plain = path(&folder, "plain");
    std::fs::write(&plain, &live).expect("the program runs and prints what it should");
    assert_eq!(shown(&["--json", &plain]), live);
    let one = shown(&[&file, "0xaaaab4c00010"]);
    assert!(
        one.contains("In text") && one.contains("a saved snapshot has no states of pages"),
        "{one}"
    );
}

#[test]
fn what_is_no_saved_file_is_one_clear_line() {
    let folder = tempfile::tempdir().expect("the program runs and prints what it should");
    let file = path(&folder, "a.vmmap");
    shown(&["--save", &file, "--root", FIXTURES_ARM, "7"]);
    let bytes = std::fs::read(&file).expect("the program runs and prints what it should");
    let check = |name: &str, bytes: &[u8], says: &str| {
        let file = path(&folder, name);
        std::fs::write(&file, bytes).expect("the program runs and prints what it should");
        let (code, error) = refused(&[&file]);
        assert!(code == 1 && error.contains(says), "{name}: {code} {error}");
    };
    check("cut", &bytes[..bytes.len() / 2], "cut short");
    let mut damaged = bytes.clone();
    let crc = damaged.len() - 6;
    damaged[crc] ^= 1;
    check("damaged", &damaged, "damaged");
    check("text", b"hello", "no ELF file");
    check("other", b"{\"schema\":\"pagewalk.vmmap/9\"}", "another version");
    let (code, error) = refused(&[&path(&folder, "none")]);
    assert!(code == 1 && error.contains("No such file"), "{error}");
    let precious = path(&folder, "text");
    let (code, error) = refused(&["--save", &precious, "--root", FIXTURES_ARM, "7"]);
    assert!(code == 1 && error.contains("--force"), "{error}");
    shown(&["--force", "--save", &precious, "--root", FIXTURES_ARM, "7"]);
}

#[test]
fn two_runs_of_one_program_differ_in_what_they_did() {
    let folder = tempfile::tempdir().expect("the program runs and prints what it should");
    let program = compiled(folder.path());
    let (less, more) = (guest(&program, 100, 0), guest(&program, 1124, 0));
    let file = path(&folder, "less.vmmap");
    shown(&["--save", &file, &less.pid]);
    let diff = json(&shown(&["--json", "--diff", &file, &more.pid]));
    assert_eq!(diff["schema"], "pagewalk.diff/1");
    assert_eq!(diff["same_process"], false);
    let changes = diff["changes"]
        .as_array()
        .expect("the program runs and prints what it should");
    let first = &changes[0];
    assert_eq!(first["change"], "changed");
    assert_eq!(first["type"], "VM_ALLOCATE");
    assert_eq!(first["delta"]["dirty"], 1024 * 4096);
    assert_eq!(first["delta"]["size"], 0);
    // Every mapping of the C library and the loader found its partner, wherever it lies.
    let is_file = |c: &&Value| {
        c["detail"]
            .as_str()
            .expect("the program runs and prints what it should")
            .starts_with('/')
    };
    assert!(
        changes.iter().filter(is_file).all(|c| c["change"] == "changed"),
        "{changes:?}"
    );
    assert!(changes.iter().all(|c| c["change"] == "changed"), "{changes:?}");
    let mut identities: Vec<_> = changes
        .iter()
        .map(|c| {
            c["identity"]
                .as_str()
                .expect("the program runs and prints what it should")
        })
        .collect();
    let count = identities.len();
    identities.sort_unstable();
    identities.dedup();
    assert_eq!(identities.len(), count);
    // The other way round it is the other sign.
    let back = json(&shown(&["--json", "--diff", &more.pid, &file]));
    assert_eq!(back["changes"][0]["delta"]["dirty"], -1024 * 4096);
    let text = shown(&["--diff", &file, &more.pid]);
    assert!(
        text.contains("by identity") && text.contains("grown   VM_ALLOCATE"),
        "{text}"
    );
    let (code, error) = refused(&["--fail-if-grown", "1m", "--diff", &file, &more.pid]);
    assert!(code == 4 && error.contains("grew by"), "{code} {error}");
    shown(&["--fail-if-grown", "64m", "--diff", &file, &more.pid]);
    shown(&["--fail-if-grown", "0", "--diff", &more.pid, &file]);
}

#[test]
fn a_delta_is_of_one_process_and_says_if_it_ends() {
    let folder = tempfile::tempdir().expect("the program runs and prints what it should");
    let guest = guest(&compiled(folder.path()), 50, 0);
    let text = shown(&["-d", "0.05", &guest.pid]);
    assert!(
        text.contains("one process at two moments") && text.contains("0 new, 0 gone"),
        "{text}"
    );
    // A child of a shell, which waits for it: so that no zombie is left.
    let mut shell = Command::new("sh")
        .args(["-c", "sleep 1000 & echo $!; wait"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs and prints what it should");
    let mut pid = String::new();
    BufReader::new(
        shell
            .stdout
            .take()
            .expect("the program runs and prints what it should"),
    )
    .read_line(&mut pid)
    .expect("the program runs and prints what it should");
    let vmmap = Command::new(env!("CARGO_BIN_EXE_vmmap"))
        .args(["-d", "600", pid.trim()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs and prints what it should");
    // Whether it ends before the first look or after it, one line says so.
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(
        Command::new("kill")
            .arg(pid.trim())
            .status()
            .expect("the program runs and prints what it should")
            .success()
    );
    let output = vmmap
        .wait_with_output()
        .expect("the program runs and prints what it should");
    shell.wait().expect("the program runs and prints what it should");
    let error = String::from_utf8(output.stderr).expect("the program runs and prints what it should");
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains("ended within") || error.contains("no process"),
        "{error}"
    );
    for (args, says) in [
        (["-d", "0", "1"], "is no time"),
        (["--wss", "x", "1"], "is no time"),
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(says));
    }
}

#[test]
fn the_working_set_is_what_was_touched() {
    let folder = tempfile::tempdir().expect("the program runs and prints what it should");
    let guest = guest(&compiled(folder.path()), 1000, 100);
    let output = run(&["--wss", "0.5", "--json", &guest.pid]);
    let notice = String::from_utf8_lossy(&output.stderr).into_owned();
    if notice.contains("cannot reset") {
        eprintln!("clear_refs is not to be had here, so the working set is not tested: {notice}");
        return;
    }
    assert!(notice.contains("may stall the process for about"), "{notice}");
    let json = json(&String::from_utf8(output.stdout).expect("the program runs and prints what it should"));
    let start = u64::from_str_radix(&guest.line, 16).expect("the program runs and prints what it should");
    let holds = |region: &&Value| {
        let edge = |name: &str| {
            u64::from_str_radix(
                &region[name]
                    .as_str()
                    .expect("the program runs and prints what it should")[2..],
                16,
            )
            .expect("the program runs and prints what it should")
        };
        (edge("start")..edge("end")).contains(&start)
    };
    let region = json["regions"]
        .as_array()
        .expect("the program runs and prints what it should")
        .iter()
        .find(holds)
        .expect("the program runs and prints what it should");
    // Neighbours may have merged with it: at least its own pages, and at most some more.
    let (resident, used) = (
        region["rss"]
            .as_u64()
            .expect("the program runs and prints what it should"),
        region["referenced"]
            .as_u64()
            .expect("the program runs and prints what it should"),
    );
    assert!((1000 * 4096..1032 * 4096).contains(&resident), "{resident}");
    assert!((100 * 4096..132 * 4096).contains(&used), "{used}");
    let text = shown(&["--wss", "0.2", &guest.pid]);
    assert!(
        text.contains("Working set by region type") && text.contains("Reset took:"),
        "{text}"
    );
    let (code, error) = refused(&["--wss", "1", "--root", FIXTURES_ARM, "7"]);
    assert!(
        code == 2 && error.contains("needs a process that runs"),
        "{error}"
    );
}

/// The later side lives: the page has its pages' states beside the diff. Of a saved one nobody knows them.
#[test]
fn the_page_of_a_diff_shows_the_pages_of_a_living_process() {
    let own = std::process::id().to_string();
    let page = shown(&["-d", "0.01", "--html", "-", &own]);
    assert!(page.contains("id=\"data-diff\"") && page.contains("id=\"data-pages\""));
    let dir = TempDir::new().expect("a folder for the test");
    let file = dir.path().join("saved");
    let file = file.to_str().expect("a path of ours");
    shown(&["--save", file, &own]);
    let page = shown(&["--diff", file, &own, "--html", "-"]);
    assert!(page.contains("id=\"data-diff\"") && page.contains("id=\"data-pages\""));
    let page = shown(&["--diff", file, file, "--html", "-"]);
    assert!(page.contains("id=\"data-diff\"") && !page.contains("id=\"data-pages\""));
}
