//! Processes that cannot be shown, or only in part, and command lines that make no sense: one clear line on standard error, a status
//! that says so, and nothing on standard output that looks like success.

#[path = "truth/harness.rs"]
mod harness;

use harness::{Subject, vmmap, wait_until};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A process of ours, ended when this is dropped.
struct Ended(Child);

impl Ended {
    fn of(command: &mut Command) -> Self {
        let quiet = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(quiet.spawn().expect("the program starts"))
    }

    fn sleep() -> Self {
        let sleep = Self::of(Command::new("sleep").arg("1000"));
        sleep.wait_for_name("sleep");
        sleep
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// Until it has become the program that it is to be.
    fn wait_for_name(&self, name: &str) {
        let comm = format!("/proc/{}/comm", self.0.id());
        wait_until("the program runs", || {
            fs::read_to_string(&comm).is_ok_and(|comm| comm.trim() == name)
        });
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Status, standard output, standard error.
fn told(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("what is written is UTF-8");
    let status = output.status.code().expect("no signal ends vmmap");
    (status, text(output.stdout), text(output.stderr))
}

/// It refuses: one line that has these words, this status, and nothing else.
fn refuses(output: Output, status: i32, words: &[&str]) {
    let (came, stdout, stderr) = told(output);
    assert_eq!((came, stdout.as_str()), (status, ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "one line: {stderr:?}");
    assert!(stderr.starts_with("vmmap: "), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in {stderr}");
    }
}

#[test]
fn a_process_that_does_not_exist() {
    // The largest id that Linux can be set to is 4194304 (PID_MAX_LIMIT).
    for pid in ["4194305", "2147483647", "0"] {
        refuses(vmmap(&[pid]), 1, &["no process", pid]);
        refuses(vmmap(&["--json", pid]), 1, &["no process", pid]);
    }
    refuses(vmmap(&["99999999999999999999"]), 1, &["99999999999999999999"]);
    refuses(
        vmmap(&["no-program-is-called-so"]),
        1,
        &["no process", "no-program-is-called-so"],
    );
    refuses(vmmap(&["4194305", "7f0000000000"]), 1, &["no process"]);
}

#[test]
fn a_kernel_thread() {
    let name = fs::read_to_string("/proc/2/comm").unwrap_or_default();
    if name.trim() != "kthreadd" {
        println!("no kernel thread can be seen here: nothing was checked");
        return;
    }
    refuses(vmmap(&["2"]), 1, &["kernel thread", "kthreadd"]);
    refuses(vmmap(&["--json", "2"]), 1, &["kernel thread"]);
    refuses(vmmap(&["kthreadd"]), 1, &["kernel thread"]);
    refuses(vmmap(&["-summary", "2"]), 1, &["kernel thread"]);
}

#[test]
fn a_zombie() {
    let child = Ended::of(&mut Command::new("true"));
    let stat = format!("/proc/{}/stat", child.pid());
    wait_until("it is a zombie", || {
        fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z "))
    });
    refuses(
        vmmap(&[&child.pid()]),
        1,
        &["zombie", &std::process::id().to_string()],
    );
    refuses(vmmap(&["--json", &child.pid()]), 1, &["zombie"]);
}

/// Never a panic, never a half report that claims to be whole.
fn is_sound(output: Output) {
    let (status, stdout, stderr) = told(output);
    assert!([0, 1, 3].contains(&status), "status {status}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert_eq!(stderr.lines().count(), usize::from(status != 0), "{stderr}");
    assert_eq!(
        stdout.is_empty(),
        status == 1,
        "status {status}: {stdout}{stderr}"
    );
}

#[test]
fn processes_that_end_meanwhile() {
    for round in 0..60 {
        // Some end before they are looked at, some while, some become another program first.
        let script = [
            "exit 0",
            "exec true",
            "i=0; while [ $i -lt 500 ]; do i=$((i+1)); done",
            "true; true; true; exit 3",
        ];
        let child = Ended::of(Command::new("sh").args(["-c", script[round % script.len()]]));
        let options = [&["-v"][..], &["--json"], &["-summary"]][round % 3];
        is_sound(vmmap(&[options, &[&child.pid()]].concat()));
    }
}

/// A process whose map takes long to read is killed at many moments of the reading.
#[test]
fn a_large_process_that_is_killed_meanwhile() {
    let mut statuses = Vec::new();
    for delay in (0..40).step_by(4) {
        let mut subject = Subject::running_trap("growing");
        let pid = subject.pid().to_string();
        let tool = std::thread::spawn(move || vmmap(&[&pid]));
        std::thread::sleep(Duration::from_millis(delay));
        subject.end();
        let output = tool.join().expect("vmmap was run");
        statuses.push(output.status.code());
        is_sound(output);
    }
    println!("statuses: {statuses:?}");
}

#[test]
fn a_name_that_several_processes_have() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Names of the kernel's have at most 15 bytes.
    let name = format!("twin{}", std::process::id());
    let program = folder.path().join(&name);
    let sleep = ["/bin/sleep", "/usr/bin/sleep"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    fs::copy(sleep.expect("this system has sleep"), &program).expect("a temporary folder");
    let twins = [0, 1].map(|_| Ended::of(Command::new(&program).arg("1000")));
    twins.iter().for_each(|twin| twin.wait_for_name(&name));
    let pids = twins.each_ref().map(Ended::pid);
    refuses(vmmap(&[&name]), 1, &["2 processes", &name, &pids[0], &pids[1]]);
    // A part of the name is enough, and also to be ambiguous.
    refuses(vmmap(&[&name[..name.len() - 1]]), 1, &[&pids[0], &pids[1]]);
    let [first, second] = twins;
    drop(second);
    let (status, stdout, stderr) = told(vmmap(&["-summary", &name]));
    assert_eq!((status, stderr.as_str()), (0, ""));
    assert!(stdout.contains(&format!("[{}]", first.pid())), "{stdout}");
}

const ODD: &[&[&str]] = &[
    &[],
    &["--nonsense", "1"],
    &["-nonsense", "1"],
    &["-Z", "1"],
    &["-1"],
    &["1", "2", "3"],
    &["1", "not-an-address"],
    &["1", "0x"],
    &["1", "fffffffffffffffff"],
    &["--json", "1", "7f0000000000"],
    &["-summary", "-interleaved", "1"],
    &["-stacks", "-interleaved", "1"],
    &["--color", "sometimes", "1"],
    &["--color"],
    &["--root"],
    &["--summary=yes", "1"],
];

#[test]
fn odd_command_lines() {
    for words in ODD {
        let (status, stdout, stderr) = told(vmmap(words));
        assert_eq!((status, stdout.as_str()), (2, ""), "{words:?}: {stderr}");
        let first = stderr.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("error: ") || first.starts_with("vmmap: "),
            "{words:?}: {stderr}"
        );
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
#[ignore = "clap's errors have several lines"]
fn odd_command_lines_get_one_line() {
    for words in ODD {
        refuses(vmmap(words), 2, &[]);
    }
}

#[test]
fn odd_folders_and_names() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = folder.path().join("text");
    fs::write(&text, "no folder").expect("a temporary folder");
    let [empty, text] = [folder.path(), &text].map(|path| path.display().to_string());
    refuses(
        vmmap(&["--root", "/no/such/folder", "1"]),
        1,
        &["/no/such/folder"],
    );
    refuses(vmmap(&["--root", &text, "1"]), 1, &[&text]);
    refuses(vmmap(&["--root", &empty, "1"]), 1, &["no process 1"]);
    refuses(vmmap(&["a:b:c"]), 1, &["a:b:c"]);
    refuses(vmmap(&["7:7"]), 1, &["7"]);
    refuses(vmmap(&["\u{1b}[31mred"]), 1, &["no process"]);
    let (status, stdout, stderr) = told(vmmap(&[""]));
    assert!(
        status != 0 && stdout.is_empty() && stderr.lines().count() == 1,
        "{stderr}"
    );
}

/// What a user wrote does not steer the terminal of whoever reads the error.
#[test]
#[ignore = "names are printed as they were given"]
fn an_error_has_no_control_characters() {
    let (_, _, stderr) = told(vmmap(&["\u{1b}[31mred\u{7}\nblue"]));
    assert!(stderr.trim_end().chars().all(|c| !c.is_control()), "{stderr:?}");
}

#[test]
fn an_output_that_cannot_be_written() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("Linux has /dev/full");
    for options in [&["-v"][..], &["--json"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmmap"));
        command.args(options).arg(std::process::id().to_string());
        let to_full = command
            .stdout(full.try_clone().expect("a descriptor"))
            .stderr(Stdio::piped());
        refuses(to_full.output().expect("vmmap can be started"), 1, &["space"]);
        // A reader that went away is no failure, and nothing to speak of.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let (status, _, stderr) = told(command.stdout(writer).output().expect("vmmap can be started"));
        assert_eq!((status, stderr.as_str()), (0, ""));
    }
}

/// A user who may look at no process of another user.
struct Stranger {
    /// `vmmap` where everybody can run it.
    _folder: TempDir,
    program: PathBuf,
    /// Whether we must become that user: we are root.
    is_root: bool,
}

impl Stranger {
    /// The user nobody if we are root; else ourselves. `None`, told, if root cannot become another user here.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join("vmmap");
        fs::copy(env!("CARGO_BIN_EXE_vmmap"), &program).expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let stranger = Self {
            _folder: folder,
            program,
            is_root: rustix::process::geteuid().is_root(),
        };
        let can_run = stranger
            .command(Path::new("true"))
            .output()
            .is_ok_and(|done| done.status.success());
        if !can_run {
            println!("nobody else's rights can be taken here (setpriv): nothing was checked");
        }
        can_run.then_some(stranger)
    }

    fn command(&self, program: &Path) -> Command {
        if !self.is_root {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(program);
        command
    }

    fn vmmap(&self, words: &[&str]) -> Output {
        self.command(&self.program)
            .args(words)
            .output()
            .expect("vmmap can be started")
    }
}

/// A process of root's that the stranger may not look into.
struct Foreign {
    pid: String,
    _process: Option<Ended>,
}

impl Foreign {
    fn of(stranger: &Stranger) -> Option<Self> {
        if stranger.is_root {
            let process = Ended::sleep();
            let pid = process.pid();
            return Some(Self {
                pid,
                _process: Some(process),
            });
        }
        let is_foreign = fs::read("/proc/1/maps").is_err() && Path::new("/proc/1/stat").exists();
        if !is_foreign {
            println!("there is no process of another user here: nothing was checked");
        }
        is_foreign.then(|| Self {
            pid: "1".into(),
            _process: None,
        })
    }
}

#[test]
fn another_users_process_is_shown_in_part() {
    let Some(stranger) = Stranger::new() else { return };
    let Some(foreign) = Foreign::of(&stranger) else {
        return;
    };
    let pid = foreign.pid.as_str();
    for options in [&[][..], &["-v"], &["-summary"], &["-interleaved"], &["-stacks"]] {
        let (status, stdout, stderr) = told(stranger.vmmap(&[options, &[pid]].concat()));
        assert_eq!(status, 3, "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(
            stderr.contains("in part") && stderr.contains("denied"),
            "{stderr}"
        );
        assert!(stdout.contains(&format!("[{pid}]")), "{stdout}");
        // What anybody may read is there; what may not is said, with the reason.
        let line = |start: &str| {
            stdout
                .lines()
                .find(|line| line.starts_with(start))
                .unwrap_or_default()
        };
        assert!(
            line("Physical footprint:").contains(|c: char| c.is_ascii_digit()),
            "{stdout}"
        );
        assert!(line("Path:").contains("unknown"), "{stdout}");
        let gaps: Vec<&str> = stdout
            .lines()
            .filter(|line| line.starts_with("Not read:"))
            .collect();
        for gap in ["regions", "executable", "resident"] {
            assert!(
                gaps.iter()
                    .any(|line| line.contains(gap) && line.contains("denied")),
                "{gap}: {stdout}"
            );
        }
        // No table that would say 0 of what was not read.
        assert!(!stdout.contains("TOTAL") && !stdout.contains("SM="), "{stdout}");
    }
}

#[test]
fn another_users_process_in_json_is_null_where_it_is_unknown() {
    let Some(stranger) = Stranger::new() else { return };
    let Some(foreign) = Foreign::of(&stranger) else {
        return;
    };
    let (status, stdout, stderr) = told(stranger.vmmap(&["--json", &foreign.pid]));
    assert_eq!((status, stderr.lines().count()), (3, 1), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("it is JSON");
    for unknown in ["regions", "total"] {
        assert!(report[unknown].is_null(), "{unknown}: {}", report[unknown]);
    }
    assert!(
        report["process"]["path"].is_null() && report["footprint"]["full"].is_null(),
        "{stdout}"
    );
    assert!(report["footprint"]["from_status"].as_u64() > Some(0), "{stdout}");
    assert!(report["types"].as_array().is_none_or(Vec::is_empty), "{stdout}");
    let gaps = report["not_read"].as_array().expect("it says what it lacks");
    assert!(
        gaps.iter().any(|gap| gap["why"].to_string().contains("denied")),
        "{gaps:?}"
    );
}

#[test]
fn another_users_process_and_one_address() {
    let Some(stranger) = Stranger::new() else { return };
    let Some(foreign) = Foreign::of(&stranger) else {
        return;
    };
    let (status, stdout, stderr) = told(stranger.vmmap(&[&foreign.pid, "7f0000000000"]));
    assert_eq!((status, stderr.lines().count()), (3, 1), "{stdout}{stderr}");
    assert!(
        !stdout.contains("no region"),
        "nobody knows whether there is a region:\n{stdout}"
    );
}

/// Whoever owns a process sees all of it, without being root.
#[test]
fn ones_own_process_is_shown_in_full_without_root() {
    let Some(stranger) = Stranger::new() else { return };
    let sleep = Ended::of(stranger.command(Path::new("sleep")).arg("1000"));
    sleep.wait_for_name("sleep");
    let (status, stdout, stderr) = told(stranger.vmmap(&[&sleep.pid()]));
    assert_eq!((status, stderr.as_str()), (0, ""), "{stdout}");
    assert!(
        stdout.contains("[stack]") && stdout.contains("TOTAL") && !stdout.contains("Not read:"),
        "{stdout}"
    );
}

/// `vmmap` of a stranger on a process of root's where /proc is mounted with this `hidepid`, in a name space of its own; `None`, told,
/// if that cannot be had here.
fn behind_hidepid(hidepid: &str) -> Option<Output> {
    let stranger = Stranger::new()?;
    if !stranger.is_root {
        println!("only root can mount /proc: nothing was checked");
        return None;
    }
    let sleep = Ended::sleep();
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let (place, tool) = (folder.path().display(), stranger.program.display());
    // Moved over /proc, so that it is the host's for the tool. 99: it could not be mounted.
    let script = format!(
        "mount --make-rprivate / && mount -t proc -o hidepid={hidepid} proc {place} && mount --move {place} /proc || exit 99; \
         exec setpriv --reuid 65534 --regid 65534 --clear-groups {tool} {}",
        sleep.pid()
    );
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .output();
    match output {
        Ok(output) if output.status.code() != Some(99) => Some(output),
        other => {
            println!("/proc cannot be mounted with hidepid={hidepid} here: not checked ({other:?})");
            None
        }
    }
}

/// Others' processes do not seem to exist.
#[test]
fn a_proc_that_makes_other_users_processes_invisible() {
    if let Some(output) = behind_hidepid("2") {
        refuses(output, 1, &["no process"]);
    }
}

/// Others' processes are listed, and nothing of them can be read. They do exist.
#[test]
#[ignore = "a denied stat is told as a process that does not exist"]
fn a_proc_that_closes_other_users_processes() {
    if let Some(output) = behind_hidepid("1") {
        refuses(output, 1, &["denied", "hidepid"]);
    }
}
