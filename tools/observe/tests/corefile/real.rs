//! Cores of a real program: by this kernel, by gdb's gcore, and by qemu for AArch64. What cannot be made here is said and skipped.

use observe::corefile::{CoreRoot, Machine};
use observe::{Kind, Region, Snapshot};
use procfs::{Addr, DirRoot, MapsLine, Root};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The program in a folder of its own; `None`, with the reason printed, if the compiler is missing.
struct Program {
    dir: tempfile::TempDir,
    path: PathBuf,
}

impl Program {
    fn compile(compiler: &str, extra: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("crash");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corefile/crash.c");
        let status = Command::new(compiler)
            .args(["-O0", "-pthread", "-o"])
            .arg(&path)
            .arg(source)
            .args(extra)
            .status();
        match status {
            Ok(status) => assert!(status.success(), "{compiler} failed"),
            Err(error) => {
                eprintln!("skipped: no {compiler}: {error}");
                return None;
            }
        }
        Some(Self { dir, path })
    }

    /// Run it in its folder, with cores allowed, by the words before it.
    fn start(&self, before: &str, end: &str) -> Child {
        let line = format!("ulimit -c unlimited; exec {before} ./crash {end} ./file");
        Command::new("sh")
            .args(["-c", &line])
            .current_dir(self.dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// A file in the folder whose name has `part`.
    fn find(&self, part: &str) -> Option<PathBuf> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut paths = entries.map(|e| e.unwrap().path());
        paths.find(|p| p.file_name().unwrap().to_string_lossy().contains(part))
    }
}

/// What the program printed, up to its line `end`.
fn said(child: &mut Child) -> HashMap<String, u64> {
    let mut said = HashMap::new();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    while !said.contains_key("end") {
        let line = lines.next().unwrap().unwrap();
        let (key, value) = line.split_once(' ').unwrap();
        said.insert(key.to_owned(), u64::from_str_radix(value, 16).unwrap());
    }
    said
}

fn region(snapshot: &Snapshot, at: u64) -> &Region {
    let regions = snapshot.regions.as_ref().unwrap();
    let found = regions.iter().find(|r| r.contains(Addr(at)));
    found.unwrap_or_else(|| panic!("no region at {at:#x}"))
}

fn bytes(core: &CoreRoot, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let got = core
        .read_at(&format!("{}/mem", core.pid()), at, &mut bytes)
        .unwrap();
    bytes.truncate(got);
    bytes
}

/// What holds for every core of the program, whoever wrote it.
fn check_memory(core: &CoreRoot, said: &HashMap<String, u64>) {
    let expected: Vec<u8> = (0..0x10000_usize).map(|i| (i * 7 + i / 4096) as u8).collect();
    assert_eq!(bytes(core, 0x2000_0000_0000, 0x10000), expected);
    let strings = [
        ("heap", "in the heap"),
        ("data", "initialised data of the program"),
        ("main_stack", "on the main thread's stack"),
        ("thread_stack", "on the second thread's stack"),
    ];
    for (key, text) in strings {
        assert_eq!(bytes(core, said[key], text.len()), text.as_bytes(), "{key}");
    }
    let snapshot = core.snapshot().unwrap();
    let tid = said["thread_id"];
    let kind = |key: &str| region(&snapshot, said[key]).kind;
    assert_eq!(kind("thread_stack"), Kind::Stack);
    assert_eq!(
        region(&snapshot, said["thread_stack"]).detail(),
        format!("thread {tid}")
    );
    assert_eq!(
        (kind("main_stack"), region(&snapshot, said["main_stack"]).detail()),
        (Kind::Stack, "[stack]")
    );
    assert!(
        snapshot
            .regions
            .unwrap()
            .iter()
            .all(|r| r.resident().is_none() && r.dirty().is_none())
    );
    assert_eq!(
        (snapshot.facts.name.as_str(), core.facts().threads.len()),
        ("crash", 2)
    );
    let main = core.facts().threads.iter().find(|t| t.tid == core.pid()).unwrap();
    let stack = region(&core.snapshot().unwrap(), said["main_stack"]).clone();
    assert!(stack.contains(main.sp));
}

/// What holds where the core names files and the program's parts.
fn check_names(core: &CoreRoot, said: &HashMap<String, u64>, program: &Path) {
    let snapshot = core.snapshot().unwrap();
    assert_eq!(u64::try_from(core.pid()).unwrap(), said["pid"]);
    assert_eq!(snapshot.facts.path.as_deref(), program.to_str());
    let code = region(&snapshot, said["code"]);
    assert_eq!(
        (code.kind, code.detail()),
        (Kind::Text, program.to_str().unwrap())
    );
    assert_eq!(region(&snapshot, said["data"]).kind, Kind::Data);
    let heap = region(&snapshot, said["heap"]);
    assert_eq!(
        (heap.kind, heap.detail(), heap.is_guess),
        (Kind::Malloc, "[heap]", false)
    );
    let file = region(&snapshot, 0x2000_0003_0000);
    assert_eq!(
        (file.kind, file.len(), file.offset),
        (Kind::MappedFile, 0x2000, 0)
    );
    assert!(file.detail().ends_with("/file"), "{}", file.detail());
    assert_eq!(region(&snapshot, 0x2000_0002_0000).kind, Kind::Jit);
    assert!(snapshot.load_address().is_some());
    assert_eq!(
        core.facts().machine,
        if cfg!(target_arch = "aarch64") {
            Machine::Aarch64
        } else {
            Machine::X86_64
        }
    );
}

/// The core that the kernel wrote into the folder; `None`, with the reason, where it is sent elsewhere.
fn kernel_core(program: &Program, end: &str, signal: i32) -> Option<(HashMap<String, u64>, PathBuf)> {
    while let Some(old) = program.find("core") {
        std::fs::remove_file(old).unwrap();
    }
    let mut child = program.start("", end);
    let said = said(&mut child);
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(signal));
    let core = program.find("core").filter(|_| status.core_dumped());
    if core.is_none() {
        let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
        eprintln!("skipped: the kernel left no core here (core_pattern is {pattern:?})");
    }
    Some((said, core?))
}

#[test]
fn a_core_by_the_kernel() {
    let Some(program) = Program::compile("cc", &[]) else {
        return;
    };
    let Some((said, path)) = kernel_core(&program, "segv", 11) else {
        return;
    };
    let core = CoreRoot::open(&path).unwrap();
    check_memory(&core, &said);
    check_names(&core, &said, &program.path);
    let signal = core.facts().signal.unwrap();
    assert_eq!((signal.number, signal.fault), (11, Some(Addr(0x2000_0001_0010))));
    assert_eq!(
        signal.to_string(),
        "SIGSEGV (11), no permission (SEGV_ACCERR) at 0x200000010010"
    );
    let snapshot = core.snapshot().unwrap();
    let none = region(&snapshot, 0x2000_0001_0000);
    assert_eq!((none.kind, none.len()), (Kind::VmReserved, 0x4000));
    // MADV_DONTDUMP: the mapping is there, its contents are not, and nobody says that they were zeros.
    let kept_out = region(&snapshot, 0x2000_0004_0000);
    assert_eq!(core.facts().readable(kept_out.start, kept_out.end), 0);
    assert!(
        core.read_at(&format!("{}/mem", core.pid()), kept_out.start.0, &mut [0])
            .is_err()
    );
    for (kind, name) in [(Kind::Vdso, "[vdso]"), (Kind::Vvar, "[vvar]")] {
        let is_there = snapshot
            .regions
            .as_ref()
            .unwrap()
            .iter()
            .any(|r| r.kind == kind && r.detail() == name);
        assert!(is_there, "{name}");
    }
    assert!(
        snapshot
            .regions
            .as_ref()
            .unwrap()
            .iter()
            .any(|r| r.kind == Kind::StackGuard)
    );

    let Some((_, path)) = kernel_core(&program, "abort", 6) else {
        return;
    };
    let core = CoreRoot::open(&path).unwrap();
    assert_eq!(
        core.facts().signal.unwrap().to_string(),
        format!("SIGABRT (6), sent by process {}", core.pid())
    );

    // Cut in the middle of memory: what is before stays readable.
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length / 2)
        .unwrap();
    let core = CoreRoot::open(&path).unwrap();
    assert_eq!(core.facts().cut.unwrap().missing_bytes(), length - length / 2);
    assert_eq!(bytes(&core, 0x2000_0000_0000, 2), [0, 7]);
}

/// Every mapping of the live process, as the kernel names and protects it, against the core that gdb took of it.
#[test]
fn a_core_by_gdb_has_the_maps_of_the_live_process() {
    let Some(program) = Program::compile("cc", &[]) else {
        return;
    };
    let mut child = program.start("", "wait");
    let said = said(&mut child);
    let pid = child.id();
    let live = std::fs::read(format!("/proc/{pid}/maps")).unwrap();
    let prefix = program.dir.path().join("by-gdb");
    let gcore = Command::new("gcore")
        .arg("-o")
        .arg(&prefix)
        .arg(pid.to_string())
        .output();
    child.kill().unwrap();
    child.wait().unwrap();
    let path = program.dir.path().join(format!("by-gdb.{pid}"));
    match gcore {
        Ok(_) if path.exists() => {}
        Ok(output) => {
            return eprintln!(
                "skipped: gcore failed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Err(error) => return eprintln!("skipped: no gcore: {error}"),
    }
    let core = CoreRoot::open(&path).unwrap();
    assert!(core.facts().by_gdb && core.facts().signal.is_none());
    check_memory(&core, &said);
    check_names(&core, &said, &program.path);
    let mut maps = String::new();
    core.open(&format!("{pid}/maps"))
        .unwrap()
        .read_to_string(&mut maps)
        .unwrap();
    let made: HashMap<u64, MapsLine> = procfs::parse_maps(maps.as_bytes())
        .unwrap()
        .into_iter()
        .map(|l| (l.start.0, l))
        .collect();
    for line in procfs::parse_maps(&live).unwrap().iter().filter(|l| l.has_file()) {
        let made = &made[&line.start.0];
        assert_eq!(
            (made.end, made.offset, &made.name),
            (line.end, line.offset, &line.name)
        );
        assert_eq!(made.perms, line.perms, "{line:?}");
    }
}

#[test]
fn a_core_of_aarch64_by_qemu() {
    let Some(program) = Program::compile("aarch64-linux-gnu-gcc", &["-static"]) else {
        return;
    };
    if Command::new("qemu-aarch64").arg("--version").output().is_err() {
        return eprintln!("skipped: no qemu-aarch64");
    }
    let mut child = program.start("qemu-aarch64 -cpu max", "segv");
    let said = said(&mut child);
    child.wait().unwrap();
    let Some(path) = program.find("qemu_crash") else {
        return eprintln!("skipped: qemu left no core");
    };
    let core = CoreRoot::open(&path).unwrap();
    assert_eq!(core.facts().machine, Machine::Aarch64);
    check_memory(&core, &said);
    let snapshot = core.snapshot().unwrap();
    assert_eq!(snapshot.facts.code_type.as_deref(), Some("ARM64"));
    assert!(
        snapshot.gaps.iter().any(|g| g.why.contains("NT_FILE")),
        "{:?}",
        snapshot.gaps
    );
}

/// The process itself is not needed any more, but its folder is: what `cp` saved of a live process shows the same regions.
#[test]
fn a_saved_folder_of_a_live_process() {
    let Some(program) = Program::compile("cc", &[]) else {
        return;
    };
    let mut child = program.start("", "wait");
    said(&mut child);
    let pid = i32::try_from(child.id()).unwrap();
    let saved = program.dir.path().join("saved");
    std::fs::create_dir(&saved).unwrap();
    for name in ["smaps", "status", "stat", "cmdline", "comm", "auxv"] {
        let copied = std::fs::read(format!("/proc/{pid}/{name}")).unwrap();
        std::fs::write(saved.join(name), copied).unwrap();
    }
    let live = Snapshot::take(&DirRoot::host(), pid).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let root = observe::SavedRoot::of_process(&saved).unwrap();
    assert_eq!(root.pid(), Some(pid));
    let again = Snapshot::take(&root, pid).unwrap();
    let ranges = |s: &Snapshot| {
        s.regions
            .as_ref()
            .unwrap()
            .iter()
            .map(|r| (r.start, r.end, r.kind))
            .collect::<Vec<_>>()
    };
    assert_eq!(ranges(&again), ranges(&live));
    assert_eq!(again.facts.name, "crash");
    // Without task/ the threads are not known, and that is all.
    assert!(live.threads.is_some_and(|threads| threads.len() == 2) && again.threads.is_none());
    let options = observe::render::Options {
        verbose: true,
        ..observe::render::Options::default()
    };
    let mut text = Vec::new();
    observe::render::report(&again, &options, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("crash") && !text.contains("Thread stacks"));
    let mut json = Vec::new();
    observe::json::write(&again, &mut json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert!(json["threads"].is_null());
}
