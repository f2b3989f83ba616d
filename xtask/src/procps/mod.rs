//! Debian's arm64 procps inside the machine against `pagewalk ps` and `pagewalk vmmap` outside, about the same stopped
//! processes: bash, two forks of it that share its pages, and a zombie. Key type: [`Inside`], what procps said.
//! Neighbours: [`crate::debian`] (the packages), [`crate::live`] (the tools on a bundled guest).
//!
//! The stopped processes have libraries of their own, so that the programs that ask about them, inside and outside and one after
//! the other, change nothing of what is shared.

mod tables;

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::capture;
use crate::debian::Archive;
use crate::outcome::{Check, Verdict};
use crate::runner::PageSize;
use crate::trouble::Trouble;
use tables::Pmap;

/// How long the whole script may take on a loaded host, and a tool.
const LIMIT: Duration = Duration::from_secs(300);
const RAM_KIB: u64 = 512 << 10;

const PACKAGES: [&str; 21] = [
    // top wants a terminal's description even for a file.
    "ncurses-base",
    "procps",
    "libproc2-0",
    "bash",
    "coreutils",
    "sysvinit-utils",
    "libc6",
    "libgcc-s1",
    "libncursesw6",
    "libtinfo6",
    "libsystemd0",
    "libgcrypt20",
    "libgpg-error0",
    "liblzma5",
    "libzstd1",
    "liblz4-1",
    "libcap2",
    "libselinux1",
    "libpcre2-8-0",
    "libacl1",
    "libattr1",
];

/// One check a page size; the root folder is made once.
pub(crate) fn checks(pagewalk: &Path) -> Vec<Check> {
    let root: Arc<OnceLock<Result<PathBuf, String>>> = Arc::default();
    let check = |page: PageSize| {
        let (pagewalk, root) = (pagewalk.to_path_buf(), Arc::clone(&root));
        let name = format!("debian procps agrees with ps and vmmap {}", page.word());
        Check::new(name, move || {
            let made = root.get_or_init(|| make_root().map_err(|trouble| trouble.to_string()));
            match made {
                Err(why) => Verdict::Skipped(why.clone()),
                Ok(root) => match compare(&pagewalk, root, page) {
                    Ok(()) => Verdict::Passed,
                    Err(trouble) => Verdict::Failed(trouble.to_string()),
                },
            }
        })
    };
    PageSize::ALL.map(check).into()
}

/// A root folder from Debian's packages; what is there already is taken.
fn make_root() -> Result<PathBuf, Trouble> {
    let root = crate::command::target().join("procps-root");
    let stamp = root.join("complete");
    let wanted = PACKAGES.join(" ");
    if fs::read_to_string(&stamp).is_ok_and(|made_of| made_of == wanted) {
        return Ok(root);
    }
    let archive = Archive::open(Some("arm64"))?;
    for package in PACKAGES {
        archive.unpack(package, &root)?;
    }
    for folder in ["proc", "sys", "dev", "tmp", "etc", "private"] {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).map_err(Trouble::file(&folder))?;
    }
    let passwd = root.join("etc/passwd");
    fs::write(&passwd, "root:x:0:0:root:/:/bin/bash\n").map_err(Trouble::file(&passwd))?;
    let libraries = ["lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu"];
    for (name, folders) in [
        ("ld-linux-aarch64.so.1", &["lib"][..]),
        ("libc.so.6", &libraries),
        ("libtinfo.so.6", &libraries),
        ("bash", &["bin", "usr/bin"]),
    ] {
        let found = folders
            .iter()
            .map(|folder| root.join(folder).join(name))
            .find(|path| path.exists());
        let found = found.ok_or_else(|| Trouble::Missing {
            tool: name.to_owned(),
            why: "Debian's packages do not contain it".to_owned(),
        })?;
        fs::copy(&found, root.join("private").join(name)).map_err(Trouble::file(&found))?;
    }
    fs::write(&stamp, wanted).map_err(Trouble::file(&stamp))?;
    Ok(root)
}

/// A machine in which the script has run up to its pause.
struct Inside {
    child: Child,
    /// Where its socket lies.
    runtime: PathBuf,
    /// What procps wrote.
    out: PathBuf,
    pagewalk: PathBuf,
}

impl Inside {
    fn start(pagewalk: &Path, root: &Path, page: PageSize) -> Result<Inside, Trouble> {
        // Short, because a socket's path has at most 107 bytes (unix(7)).
        let runtime =
            std::env::temp_dir().join(format!("pagewalk-procps-{}-{}", std::process::id(), page.word()));
        let mut builder = fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(&runtime)
            .map_err(Trouble::file(&runtime))?;
        let name = format!("tmp/{}-{}", std::process::id(), page.word());
        let child = Command::new(pagewalk)
            .args([
                "run",
                "--page-size",
                page.word(),
                "--ram",
                &format!("{}m", RAM_KIB >> 10),
                "--root",
            ])
            .arg(root)
            .args([
                "--env",
                "TERM=dumb",
                "--env",
                &format!("OUT=/{name}"),
                "/bin/bash",
                "--norc",
                "-c",
                include_str!("inside.sh"),
            ])
            .env("XDG_RUNTIME_DIR", &runtime)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Trouble::file(pagewalk))?;
        let mut inside = Inside {
            child,
            runtime,
            out: root.join(name),
            pagewalk: pagewalk.to_path_buf(),
        };
        inside.wait_until_ready()?;
        Ok(inside)
    }

    fn wait_until_ready(&mut self) -> Result<(), Trouble> {
        let start = Instant::now();
        while !self.out.join("ready").exists() {
            let ended = self.child.try_wait().map_err(Trouble::file(&self.out))?;
            if ended.is_some() || start.elapsed() > LIMIT {
                let seen = fs::read_to_string(self.out.join("failed")).unwrap_or_default();
                return Err(Trouble::Failed(format!(
                    "the script did not come to its pause: {ended:?}\n{seen}"
                )));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// One of the answers.
    fn file(&self, name: &str) -> Result<String, Trouble> {
        let path = self.out.join(name);
        fs::read_to_string(&path).map_err(Trouble::file(path))
    }

    /// `pagewalk` with these words, outside.
    fn tool(&self, words: &[&str]) -> Result<String, Trouble> {
        let mut command = Command::new(&self.pagewalk);
        let done = capture(
            command.args(words).env("XDG_RUNTIME_DIR", &self.runtime),
            b"",
            LIMIT,
        )?;
        if done.status != 0 {
            return Err(Trouble::Failed(format!(
                "{words:?}: status {}: {}",
                done.status, done.stderr
            )));
        }
        Ok(done.text())
    }

    fn vmmap(&self, pid: &str) -> Result<Value, Trouble> {
        let text = self.tool(&["vmmap", "--json", "--no-coalesce", pid])?;
        serde_json::from_str(&text).map_err(|error| Trouble::Failed(format!("vmmap {pid}: no JSON: {error}")))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // Whatever fails here, the machine is ours alone and the folders are temporary ones.
        drop(self.child.stdin.take());
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.runtime));
        drop(fs::remove_dir_all(&self.out));
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, inside: &T, outside: &T) -> Result<(), Trouble> {
    if inside == outside {
        return Ok(());
    }
    Err(Trouble::Failed(format!(
        "{what}: inside {inside:?}, outside {outside:?}"
    )))
}

fn compare(pagewalk: &Path, root: &Path, page: PageSize) -> Result<(), Trouble> {
    let inside = Inside::start(pagewalk, root, page)?;
    let pids = inside.file("pids")?;
    let pids: Vec<&str> = pids.split_whitespace().collect();
    expect("stopped processes and a zombie", &pids.len(), &4)?;
    compare_ps(&inside, &pids)?;
    for pid in &pids[..3] {
        let outside = inside.vmmap(pid)?;
        compare_pmap(&inside, pid, &outside)?;
        compare_top(&inside, pid, &outside)?;
    }
    compare_totals(&inside)?;
    compare_statuses(&inside, pids[0])
}

/// Every column of which both have an idea.
fn compare_ps(inside: &Inside, pids: &[&str]) -> Result<(), Trouble> {
    let columns = "pid,ppid,uid,vsz,rss,stat,threads,minflt,majflt,time,ni,wchan,comm";
    let outside = inside.tool(&["ps", "--wide", "-o", columns])?;
    let outside = tables::rows(&outside, pids)?;
    let inside = tables::rows(&inside.file("ps")?, pids)?;
    for (mut ours, theirs) in outside.into_iter().zip(inside) {
        // procps has whole seconds there.
        ours[9] =
            tables::seconds(&ours[9]).ok_or_else(|| Trouble::Failed(format!("no time: {}", ours[9])))?;
        expect("ps", &theirs, &ours)?;
    }
    Ok(())
}

fn compare_pmap(inside: &Inside, pid: &str, outside: &Value) -> Result<(), Trouble> {
    let pmap = Pmap::parse(&inside.file(&format!("pmap-XX.{pid}"))?)?;
    let regions = outside["regions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let kib = |region: &Value, field: &str| region[field].as_u64().unwrap_or(0) / 1024;
    for (column, field) in tables::PMAP_COLUMNS {
        let (mut theirs, mut ours) = (0, 0);
        for row in &pmap.rows {
            let (start, end) = (row.start, row.start + row.kib(&pmap, "Size")? * 1024);
            let within = regions.iter().filter(|region| {
                tables::address(&region["start"]).is_some_and(|at| (start..end).contains(&at))
            });
            let mut outside: u64 = within.map(|region| kib(region, field)).sum();
            let inside = row.kib(&pmap, column)?;
            if row.is_vdso && column == "Pss" {
                // pmap itself was among those who share it.
                outside = inside;
            }
            expect(&format!("pmap -XX {pid} {start:x} {column}"), &inside, &outside)?;
            (theirs, ours) = (theirs + inside, ours + outside);
        }
        expect(
            &format!("pmap -XX {pid}: sum of {column}"),
            &pmap.total(column)?,
            &theirs,
        )?;
        expect(&format!("vmmap {pid}: sum of {column}"), &theirs, &ours)?;
    }
    expect("mappings", &pmap.rows.len(), &regions.len())?;
    let names: Vec<u64> = pmap.rows.iter().map(|row| row.start).collect();
    let shared = pmap.total("Shared_Dirty")? + pmap.total("Shared_Clean")?;
    if names.len() < 10 || shared == 0 || pmap.total("Pss")? >= pmap.total("Rss")? {
        return Err(Trouble::Failed(format!(
            "process {pid} shares nothing: the check says nothing"
        )));
    }
    // pmap -x: Kbytes, RSS, Dirty of all.
    let brief = inside.file(&format!("pmap-x.{pid}"))?;
    let last = brief.lines().last().unwrap_or_default().to_owned();
    let dirty = pmap.total("Shared_Dirty")? + pmap.total("Private_Dirty")?;
    let sums = [pmap.total("Size")?, pmap.total("Rss")?, dirty];
    expect(&format!("pmap -x {pid}"), &tables::numbers(&last), &sums.to_vec())
}

/// VIRT, RES, SHR and S of `top` against the regions' sums.
fn compare_top(inside: &Inside, pid: &str, outside: &Value) -> Result<(), Trouble> {
    let rows = tables::rows(&inside.file("top")?, &[pid])?;
    let row = rows.first().map(|row| row.join(" ")).unwrap_or_default();
    let words: Vec<&str> = row.split(' ').collect();
    let regions = outside["regions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let sum = |field: &str| {
        regions
            .iter()
            .map(|region| region[field].as_u64().unwrap_or(0) / 1024)
            .sum::<u64>()
    };
    let ours = [sum("size"), sum("rss"), sum("rss") - sum("anonymous")].map(|kib| kib.to_string());
    expect(
        &format!("top {pid}: {row}"),
        &words.get(4..7).unwrap_or_default().to_vec(),
        &ours.iter().map(String::as_str).collect(),
    )?;
    expect(&format!("top {pid}"), &words.get(7).copied(), &Some("T"))
}

/// `free` adds up to RAM, and `top` and `vmstat -s` say the same of it.
fn compare_totals(inside: &Inside) -> Result<(), Trouble> {
    let free = inside.file("free")?;
    let line = free
        .lines()
        .find(|line| line.starts_with("Mem:"))
        .unwrap_or_default()
        .to_owned();
    let values = tables::numbers(&line);
    let [total, used, unused, shared, cache, available] = values[..] else {
        return Err(Trouble::Failed(format!("free: {free}")));
    };
    expect("RAM", &total, &RAM_KIB)?;
    // Shared memory is a part of both (proc_meminfo(5): Cached has Shmem, MemAvailable has not).
    expect(
        "free: used + free + buff/cache",
        &(used + unused + cache),
        &(total + shared),
    )?;
    expect("free: available", &available, &(unused + cache - shared))?;
    let vmstat = inside.file("vmstat_-s")?;
    let total_line = vmstat.lines().next().map(tables::numbers).unwrap_or_default();
    expect("vmstat -s: total memory", &total_line, &vec![RAM_KIB])?;
    let top = inside.file("top")?;
    let line = top
        .lines()
        .find(|line| line.starts_with("MiB Mem"))
        .unwrap_or_default();
    expect(
        "top: total",
        &tables::numbers(line).first().copied(),
        &Some(RAM_KIB / 1024),
    )
}

/// How each program ended: `ps ul` is refused by procps itself (two formats), `slabtop` for want of a slab file.
fn compare_statuses(inside: &Inside, main: &str) -> Result<(), Trouble> {
    let statuses = inside.file("statuses")?;
    for line in statuses.lines() {
        let expected = if line.ends_with("ps ul") || line.contains("slabtop") {
            "1"
        } else {
            "0"
        };
        let status = line.split(' ').next().unwrap_or_default();
        if status != expected {
            let tool = line.get(status.len() + 1..).unwrap_or_default();
            let said = inside.file(&tool.replace([' ', '/'], "_"))?;
            return Err(Trouble::Failed(format!(
                "{tool}: status {status}, expected {expected}: {said}"
            )));
        }
    }
    expect("programs", &statuses.lines().count(), &11)?;
    expect(
        "pwdx",
        &inside.file(&format!("pwdx_{main}"))?,
        &format!("{main}: /\n"),
    )?;
    let devices = inside.file("ls_-l__dev__proc__sys")?;
    for name in [
        "null",
        "zero",
        "full",
        "urandom",
        "meminfo",
        "thread-self",
        "devices",
        "kernel",
    ] {
        if !devices.lines().any(|line| {
            line.split_whitespace().nth(8) == Some(name)
                || line.contains(&format!(" {name} ->"))
                || line.ends_with(&format!(" {name}"))
        }) {
            return Err(Trouble::Failed(format!("ls: no {name} in\n{devices}")));
        }
    }
    Ok(())
}
