//! A C program that says what it did to its memory and then stands still ([`Subject`]), and the comparison of what it said with
//! what `vmmap --json` and the text report say of it ([`Subject::wrong`], [`Row`]). Used by `truth.rs`, `traps.rs` and `refusals.rs`.
//!
//! The programs print one JSON object a line (`say.h`): `region` and `inside` have `expect`, whose keys are those of a region in
//! schema `pagewalk.vmmap/1`, but for `detail_has` (a part of `detail`), `flags_have` (a word of `vm_flags`), `dirty_at_most`, and `section`.
#![allow(dead_code, reason = "each test program uses a part of it")]

use procfs::{PidStat, Text};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, waitpid};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A host so busy that this is not enough fails the test.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program `vmmap` with these words.
pub(crate) fn vmmap(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vmmap"))
        .args(words)
        .output()
        .expect("vmmap can be started")
}

/// What it writes when it must succeed.
pub(crate) fn report(words: &[&str]) -> String {
    let output = vmmap(words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "vmmap {words:?}: {said}");
    String::from_utf8(output.stdout).expect("a report is UTF-8")
}

/// The report as JSON.
pub(crate) fn json_of(pid: i32) -> Value {
    serde_json::from_str(&report(&["--json", &pid.to_string()])).expect("the report is JSON")
}

/// Wait for what is sure to come.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/truth")
        .join(name)
}

/// Compile these sources of `tests/truth`, once for each test program and each name.
fn compiled(name: &str, options: &[&str], sources: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME"));
    fs::create_dir_all(&folder).expect("the target folder can be written");
    // Another run of the same tests may be using the old file: it is replaced, not written.
    let fresh = folder.join(format!("{name}.{}", std::process::id()));
    let mut compiler = Command::new("cc");
    compiler
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1"])
        .args(options);
    compiler
        .arg("-o")
        .arg(&fresh)
        .args(sources.iter().map(|s| source(s)));
    let output = compiler
        .output()
        .expect("these tests need a C compiler called cc");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "cc does not compile {sources:?}:\n{said}"
    );
    let program = folder.join(name);
    fs::rename(&fresh, &program).expect("the target folder can be written");
    program
}

/// The program `truth`, and the library that it loads.
fn truth_program() -> &'static (PathBuf, PathBuf) {
    static BUILT: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    BUILT.get_or_init(|| {
        let parts = [
            "truth.c",
            "say.c",
            "regions.c",
            "images.c",
            "image.c",
            "heap.c",
            "threads.c",
        ];
        let library = compiled("image.so", &["-shared", "-fPIC"], &["image.c"]);
        (compiled("truth", &["-pthread", "-ldl"], &parts), library)
    })
}

fn traps_program() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| compiled("traps", &[], &["traps.c", "say.c"]))
}

/// Held for reading by each [`Subject`]; for writing by who turns swap on, because turning it off again brings everybody's pages back.
pub(crate) static SWAPPING: RwLock<()> = RwLock::new(());

/// A running program of `tests/truth`, ended when this is dropped.
pub(crate) struct Subject {
    program: Child,
    /// What it said, a JSON object a line.
    pub(crate) lines: Vec<Value>,
    /// Where its standard error goes: `malloc_stats` of `truth`.
    stderr: PathBuf,
    folder: TempDir,
    _on_tmpfs: Option<TempDir>,
    _no_swapping: Option<RwLockReadGuard<'static, ()>>,
}

impl Subject {
    /// `truth`, stopped, with its stopped child.
    pub(crate) fn truth() -> Self {
        Self::truth_with(no_swapping())
    }

    /// The same, for who holds [`SWAPPING`].
    pub(crate) fn truth_with_swap() -> Self {
        Self::truth_with(None)
    }

    fn truth_with(no_swapping: Option<RwLockReadGuard<'static, ()>>) -> Self {
        let (program, library) = truth_program();
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["stays", "deleted", "replaced", "new"] {
            let copy = folder.path().join(format!("lib{name}.so"));
            fs::copy(library, copy).expect("a temporary folder");
        }
        let on_tmpfs = tempfile::tempdir_in("/dev/shm").ok();
        let mut command = Command::new(program);
        command
            .arg(folder.path())
            .args(on_tmpfs.as_ref().map(TempDir::path));
        let subject = Self::start(command, folder, on_tmpfs, no_swapping);
        subject.wait_until_still();
        subject
    }

    /// `traps` with this memory, stopped.
    pub(crate) fn trap(name: &str) -> Self {
        let subject = Self::running_trap(name);
        subject.wait_until_still();
        subject
    }

    /// `traps` with this memory, which may be running.
    pub(crate) fn running_trap(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(traps_program());
        command.arg(name).arg(folder.path());
        Self::start(command, folder, None, no_swapping())
    }

    fn start(
        mut command: Command,
        folder: TempDir,
        on_tmpfs: Option<TempDir>,
        no_swapping: Option<RwLockReadGuard<'static, ()>>,
    ) -> Self {
        // Its child becomes ours when it ends, so that no zombie stays.
        let _ = set_child_subreaper(Some(rustix::process::getpid()));
        let stderr = folder.path().join("stderr");
        let errors = fs::File::create(&stderr).expect("a temporary folder");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut program = command.spawn().expect("the compiled program starts");
        let pipe = BufReader::new(program.stdout.take().expect("it is a pipe"));
        let mut lines = Vec::new();
        for line in pipe.lines() {
            let line = line.expect("the program writes text");
            let value: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e} in {line}"));
            let is_last = value.get("ready").is_some();
            lines.push(value);
            if is_last {
                break;
            }
        }
        let subject = Self {
            program,
            lines,
            stderr,
            folder,
            _on_tmpfs: on_tmpfs,
            _no_swapping: no_swapping,
        };
        let said = subject.said();
        assert!(
            subject.last().get("ready").is_some(),
            "the program ended early: {said}"
        );
        for lacking in subject.lines.iter().filter(|line| line.get("lacks").is_some()) {
            println!(
                "not here, so not checked: {} ({})",
                lacking["lacks"], lacking["why"]
            );
        }
        subject
    }

    fn last(&self) -> &Value {
        self.lines.last().unwrap_or(&Value::Null)
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.program.id()).expect("a process id")
    }

    /// The forked child of `truth`.
    pub(crate) fn child(&self) -> Option<i32> {
        self.last()["child"].as_i64().and_then(|pid| pid.try_into().ok())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it wrote to standard error.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// End it now.
    pub(crate) fn end(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }

    fn wait_until_still(&self) {
        for pid in [Some(self.pid()), self.child()].into_iter().flatten() {
            wait_until("all threads are stopped", || is_still(pid));
        }
    }

    /// What it said of this region.
    pub(crate) fn line(&self, name: &str) -> Option<&Value> {
        self.lines.iter().find(|line| line["region"] == name)
    }

    /// Start and end of this region; `None` if this kernel lacks it.
    pub(crate) fn range(&self, name: &str) -> Option<(u64, u64)> {
        let line = self.line(name)?;
        Some((number(&line["start"]), number(&line["end"])))
    }

    /// What is reported otherwise than the program said, of the lines that are chosen. At least one must be.
    pub(crate) fn wrong(&self, is_chosen: impl Fn(&Value) -> bool) -> Vec<String> {
        let mut pids: Vec<i64> = self
            .lines
            .iter()
            .filter_map(|line| line["pid"].as_i64())
            .collect();
        pids.sort_unstable();
        pids.dedup();
        let mut wrong = Vec::new();
        let mut compared = 0;
        for pid in pids {
            let report = json_of(pid.try_into().expect("a process id"));
            for line in self
                .lines
                .iter()
                .filter(|line| line["pid"] == pid && is_chosen(line))
            {
                compared += 1;
                wrong.extend(differences(line, &report));
            }
        }
        assert!(compared > 0, "nothing was compared");
        wrong
    }

    /// The same for the columns of `vmmap -v`, of the program itself.
    pub(crate) fn wrong_in_text(&self, is_chosen: impl Fn(&Value) -> bool) -> Vec<String> {
        let report = report(&["-v", &self.pid().to_string()]);
        let rows: Vec<Row> = report.lines().filter_map(Row::parse).collect();
        let of_it = self
            .lines
            .iter()
            .filter(|line| line.get("region").is_some() && line["pid"] == self.pid());
        let chosen: Vec<&Value> = of_it.filter(|line| is_chosen(line)).collect();
        assert!(!chosen.is_empty(), "nothing was compared");
        chosen
            .into_iter()
            .flat_map(|line| differences_in_text(line, &rows))
            .collect()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let child = self.child().or_else(|| {
            let others = self.lines.iter().filter_map(|line| line["pid"].as_i64());
            others
                .filter_map(|pid| pid.try_into().ok())
                .find(|&pid| pid != self.pid())
        });
        // Whatever fails here: all of them are ours, and they end with us.
        self.end();
        if let Some(child) = child.and_then(Pid::from_raw) {
            let _ = kill_process(child, Signal::KILL);
            let _ = waitpid(Some(child), WaitOptions::empty());
        }
    }
}

fn no_swapping() -> Option<RwLockReadGuard<'static, ()>> {
    Some(SWAPPING.read().unwrap_or_else(PoisonError::into_inner))
}

/// All threads of the process are stopped: nothing of it can change any more.
fn is_still(pid: i32) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    let state = |path: PathBuf| {
        PidStat::parse(&fs::read(path.join("stat")).ok()?)
            .ok()
            .map(|s| s.state)
    };
    tasks.flatten().all(|task| state(task.path()) == Some(b'T'))
}

/// An address as JSON has it.
pub(crate) fn number(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_default().trim_start_matches("0x");
    u64::from_str_radix(text, 16).unwrap_or_else(|_| panic!("no address: {value}"))
}

fn regions(report: &Value) -> &[Value] {
    report["regions"].as_array().map_or(&[], Vec::as_slice)
}

/// How the report differs from what the program said in this line.
fn differences(line: &Value, report: &Value) -> Vec<String> {
    let (name, from, to) = match line.get("region") {
        Some(name) => (name, number(&line["start"]), number(&line["end"])),
        None => (&line["inside"], number(&line["at"]), number(&line["at"]) + 1),
    };
    // A report may split a mapping at its guards. A part counts as it is; of an address, the region that holds it.
    let parts: Vec<&Value> = regions(report)
        .iter()
        .filter(|r| number(&r["start"]) < to && from < number(&r["end"]))
        .collect();
    let size: u64 = parts.iter().filter_map(|r| r["size"].as_u64()).sum();
    if parts.is_empty() || (line.get("region").is_some() && size != to - from) {
        return vec![format!(
            "{name}: {from:x}-{to:x} is not a region, or not it alone: {parts:?}"
        )];
    }
    let Some(expect) = line["expect"].as_object() else {
        return vec![format!("{name}: it says nothing")];
    };
    expect
        .iter()
        .filter_map(|(key, expected)| {
            let found = found(&parts, key, expected, from);
            found.map(|found| format!("{name}, {key}: expected {expected}, came {found}"))
        })
        .collect()
}

/// What came instead; `None` if it is as expected.
fn found(parts: &[&Value], key: &str, expected: &Value, at: u64) -> Option<Value> {
    let is_guard = |part: &&&Value| {
        parts.len() > 1
            && part["type"]
                .as_str()
                .is_some_and(|t| t.to_lowercase().contains("guard"))
    };
    let of = |key: &str| parts.iter().map(|p| p[key].clone()).collect::<Vec<_>>();
    let wanted = expected.as_str().unwrap_or_default();
    let (is_right, came) = match key {
        "detail_has" => (
            parts
                .iter()
                .all(|p| p["detail"].as_str().is_some_and(|d| d.contains(wanted))),
            of("detail"),
        ),
        "flags_have" => (
            parts
                .iter()
                .all(|p| p["vm_flags"].as_array().is_some_and(|f| f.contains(expected))),
            of("vm_flags"),
        ),
        "dirty_at_most" => (sum(parts, "dirty") <= expected.as_u64(), of("dirty")),
        "section" => {
            let sections = parts.iter().filter_map(|p| p["sections"].as_array()).flatten();
            let holds = |s: &&Value| number(&s["start"]) <= at && at < number(&s["end"]);
            let names: Vec<Value> = sections.filter(holds).map(|s| s["name"].clone()).collect();
            (names == [expected.clone()], names)
        }
        "protection_key" => (parts.iter().all(|p| p[key] == *expected), of(key)),
        _ if expected.is_u64() => (sum(parts, key) == expected.as_u64(), of(key)),
        _ => (
            parts.iter().filter(|p| !is_guard(p)).all(|p| p[key] == *expected),
            of(key),
        ),
    };
    (!is_right).then(|| Value::from(came))
}

/// `None` if one of them is unknown: unknown is not 0.
fn sum(parts: &[&Value], key: &str) -> Option<u64> {
    parts.iter().map(|part| part[key].as_u64()).sum()
}

/// A line of a region in the text report.
#[derive(Debug)]
pub(crate) struct Row {
    start: u64,
    end: u64,
    pub(crate) kind: String,
    /// VSIZE, RSDNT, DIRTY, SWAP.
    pub(crate) sizes: Vec<String>,
    /// PRT/MAX.
    pub(crate) protection: String,
    pub(crate) share: String,
    /// Empty if nothing is purgeable.
    pub(crate) purge: String,
    pub(crate) detail: String,
}

impl Row {
    /// The line of the region that starts and ends there, in the report of `vmmap -v`.
    pub(crate) fn find(report: &str, (start, end): (u64, u64)) -> Self {
        let mut rows = report.lines().filter_map(Self::parse);
        let row = rows.find(|row| (row.start, row.end) == (start, end));
        row.unwrap_or_else(|| panic!("no line has {start:x}-{end:x} in\n{report}"))
    }

    /// `None`: a line of something else.
    fn parse(line: &str) -> Option<Self> {
        let (head, rest) = line.split_once(" [")?;
        let (sizes, rest) = rest.split_once(']')?;
        let (kind, addresses) = head.trim_end().rsplit_once(' ')?;
        let (start, end) = addresses.split_once('-')?;
        let (columns, detail) = rest.split_once("  ").unwrap_or((rest, ""));
        let mut words = columns.split_whitespace();
        Some(Self {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            kind: kind.trim().into(),
            sizes: sizes.split_whitespace().map(str::to_owned).collect(),
            protection: words.next()?.into(),
            share: words.next()?.strip_prefix("SM=")?.into(),
            purge: words.next().unwrap_or_default().into(),
            detail: detail.trim().into(),
        })
    }

    fn is_guard(&self) -> bool {
        self.kind.to_lowercase().contains("guard")
    }
}

/// How the lines of the text report differ from what the program said in this line.
fn differences_in_text(line: &Value, rows: &[Row]) -> Vec<String> {
    let (name, expect) = (&line["region"], &line["expect"]);
    let (start, end) = (number(&line["start"]), number(&line["end"]));
    let parts: Vec<&Row> = rows.iter().filter(|r| r.start < end && start < r.end).collect();
    if parts.iter().map(|r| r.end - r.start).sum::<u64>() != end - start {
        return vec![format!("{name}: {start:x}-{end:x} has these lines: {parts:?}")];
    }
    let mut wrong = Vec::new();
    let mut compare = |column: &str, expected: String, came: &dyn Fn(&Row) -> String| {
        let mut counted = parts.iter().filter(|row| parts.len() == 1 || !row.is_guard());
        if let Some(row) = counted.find(|row| came(row) != expected) {
            wrong.push(format!("{name}, {column}: expected {expected}, came {row:?}"));
        }
    };
    let word = |key: &str| expect[key].as_str().map(str::to_owned);
    if let Some(kind) = word("type") {
        compare("REGION TYPE", kind, &|row| row.kind.clone());
    }
    if let Some((now, most)) = word("protection").zip(word("max_protection")) {
        compare("PRT/MAX", format!("{now}/{most}"), &|row| row.protection.clone());
    }
    if let Some(mode) = word("share_mode") {
        compare("SHRMOD", mode, &|row| row.share.clone());
    }
    let bytes = |key: &str| expect[key].as_u64();
    if let Some(volatile) = bytes("volatile") {
        let mark = if volatile > 0 { "PURGE=V" } else { "" };
        compare("PURGE", mark.into(), &|row| row.purge.clone());
    }
    for (column, key) in [(1, "resident"), (2, "dirty"), (3, "swap")] {
        let Some(bytes) = bytes(key) else { continue };
        let expected = in_kib(bytes);
        let came = if let [row] = parts.as_slice() {
            row.sizes[column].clone()
        } else {
            let kib = |row: &&Row| {
                row.sizes[column]
                    .trim_end_matches('K')
                    .parse()
                    .unwrap_or(u64::MAX / 64)
            };
            format!("{}K", parts.iter().map(kib).sum::<u64>())
        };
        if came != expected {
            wrong.push(format!(
                "{name}, {key}: expected {expected}, came {came} in {parts:?}"
            ));
        }
    }
    wrong
}

/// A size of less than 10000 KiB, as the report prints it.
pub(crate) fn in_kib(bytes: u64) -> String {
    format!("{}K", bytes / 1024)
}

/// The counter of the kernel's `smaps` for the mapping that starts there, in bytes; `None` if this kernel has no such line.
pub(crate) fn kernel_says(pid: i32, start: u64, counter: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps")).expect("the subject lives");
    let head = format!("{start:x}-");
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&head)).skip(1);
    let line = lines.find(|line| line.split(':').next() == Some(counter))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}
