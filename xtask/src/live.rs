//! Checks of the tools on living processes: `pagewalk ps` and `pagewalk vmmap` on a running `beep` in every page size,
//! `vmmap` on this very process, the demo, the figures of `--stats`, RAM that runs out. Key type: [`Bell`].
//! Neighbours: [`crate::end_to_end`] (the guests' own checks), [`crate::outcome`].

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::{Done, capture};
use crate::outcome::{Check, Verdict};
use crate::runner::{PageSize, Program, Runner};
use crate::trouble::Trouble;

/// How long a tool may take, and a guest to be seen.
const LIMIT: Duration = Duration::from_secs(60);

/// Every check of the tools of this `pagewalk`.
pub(crate) fn checks(pagewalk: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    for page in PageSize::ALL {
        let path = pagewalk.to_path_buf();
        checks.push(Check::new(
            format!("ps and vmmap see beep {}", page.word()),
            move || verdict(see_beep(&path, page)),
        ));
    }
    let mut add = |name: &str, check: fn(&Path) -> Result<(), Trouble>| {
        let path = pagewalk.to_path_buf();
        checks.push(Check::new(name, move || verdict(check(&path))));
    };
    add("demo shows beep", demo);
    add("vmmap sees this process", see_host);
    add("run --stats", stats_in_words);
    add("RAM that runs out is named", out_of_ram);
    checks
}

fn verdict(result: Result<(), Trouble>) -> Verdict {
    result.map_or_else(
        |trouble| Verdict::Failed(trouble.to_string()),
        |()| Verdict::Passed,
    )
}

/// The output of a tool that must succeed and say these things.
fn says(command: &mut Command, words: &[&str]) -> Result<Done, Trouble> {
    let done = capture(command, b"", LIMIT)?;
    let text = done.text();
    let line = format!("{command:?}");
    if done.status != 0 || done.late {
        return Err(Trouble::Failed(format!(
            "{line}: status {}, {}",
            done.status,
            done.stderr.trim()
        )));
    }
    match words.iter().find(|word| !text.contains(**word)) {
        Some(word) => Err(Trouble::Failed(format!(
            "{line}: does not say {word:?} in\n{text}"
        ))),
        None => Ok(done),
    }
}

fn says_json(command: &mut Command) -> Result<Value, Trouble> {
    let done = says(command, &[])?;
    serde_json::from_slice(&done.stdout)
        .map_err(|error| Trouble::Failed(format!("{command:?}: no JSON: {error}")))
}

fn bytes(page: PageSize) -> u64 {
    match page {
        PageSize::Small4K => 4096,
        PageSize::Middle16K => 16384,
        PageSize::Large64K => 65536,
    }
}

/// A `beep` that runs until this is dropped, with a socket directory of its own.
struct Bell {
    child: Child,
    pagewalk: PathBuf,
    folder: PathBuf,
}

impl Bell {
    fn ring(pagewalk: &Path, page: PageSize) -> Result<Bell, Trouble> {
        // Short, because a socket's path has at most 107 bytes (unix(7)).
        let folder =
            std::env::temp_dir().join(format!("pagewalk-test-{}-{}", std::process::id(), page.word()));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(Trouble::file(&folder))?;
        let runner = Runner::Machine(pagewalk.to_path_buf());
        let mut command = runner.command(page, &[], &Program::Bundled("beep"), &[]);
        command
            .env("XDG_RUNTIME_DIR", &folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().map_err(Trouble::file(pagewalk))?;
        Ok(Bell {
            child,
            pagewalk: pagewalk.to_path_buf(),
            folder,
        })
    }

    /// `pagewalk` with these words, in the bell's socket directory.
    fn tool(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.pagewalk);
        command.args(words).env("XDG_RUNTIME_DIR", &self.folder);
        command
    }

    /// Its process id, as soon as `pagewalk ps ul` shows it.
    fn pid(&self) -> Result<String, Trouble> {
        let start = Instant::now();
        loop {
            let done = capture(&mut self.tool(&["ps", "ul"]), b"", LIMIT)?;
            if let Some(pid) = pid_of_beep(&done.text()) {
                return Ok(pid);
            }
            if start.elapsed() > LIMIT / 3 {
                return Err(Trouble::Failed(format!(
                    "ps ul does not show beep:\n{}{}",
                    done.text(),
                    done.stderr
                )));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        // Whatever fails here, the guest is ours alone and the folder a temporary one.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// The PID column of the line that is beep's.
fn pid_of_beep(table: &str) -> Option<String> {
    let mut lines = table.lines();
    let column = lines.next()?.split_whitespace().position(|word| word == "PID")?;
    let line = lines.find(|line| {
        line.split_whitespace()
            .any(|word| word == "beep" || word.ends_with("/beep"))
    })?;
    line.split_whitespace().nth(column).map(str::to_owned)
}

const PS_COLUMNS: &[&str] = &[
    "USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TT", "STAT", "STARTED", "TIME", "COMMAND", "UID", "PPID",
    "CPU", "PRI", "NI", "WCHAN",
];

fn see_beep(pagewalk: &Path, page: PageSize) -> Result<(), Trouble> {
    let mut bell = Bell::ring(pagewalk, page)?;
    let pid = bell.pid()?;
    let size = format!("VM page size: {} bytes", bytes(page));
    says(&mut bell.tool(&["ps", "ul"]), PS_COLUMNS)?;
    says(
        &mut bell.tool(&["vmmap", "beep"]),
        &[&size, "footprint", "peak", "beep", "Stack"],
    )?;
    says(&mut bell.tool(&["vmmap", &pid]), &[&size])?;
    says(&mut bell.tool(&["vmmap", &pid, "0x400000"]), &["beep"])?;
    says_json(&mut bell.tool(&["vmmap", "--json", &pid]))?;
    match bell.child.try_wait() {
        Ok(None) => Ok(()),
        other => Err(Trouble::Failed(format!("the guest did not run on: {other:?}"))),
    }
}

fn see_host(pagewalk: &Path) -> Result<(), Trouble> {
    let vmmap = pagewalk.with_file_name("vmmap");
    let pid = std::process::id().to_string();
    says(
        Command::new(&vmmap).arg(&pid),
        &["VM page size: ", "footprint", "Stack", "xtask"],
    )?;
    says_json(Command::new(&vmmap).args(["--json", &pid]))?;
    Ok(())
}

fn demo(pagewalk: &Path) -> Result<(), Trouble> {
    let words = [
        PS_COLUMNS,
        &["VM page size: 16384 bytes", "footprint", "peak", "beep", "Stack"],
    ]
    .concat();
    says(Command::new(pagewalk).arg("demo"), &words)?;
    Ok(())
}

fn stats_in_words(pagewalk: &Path) -> Result<(), Trouble> {
    let done = capture(
        Command::new(pagewalk).args(["run", "--stats", "adder", "2", "40"]),
        b"",
        LIMIT,
    )?;
    let said = done.stderr.to_lowercase();
    if done.status != 0 || done.text() != "42\n" {
        return Err(Trouble::Failed(format!(
            "status {}, {:?}, {}",
            done.status,
            done.text(),
            done.stderr
        )));
    }
    match ["faults", "walks", "instructions", "zero"]
        .iter()
        .find(|word| !said.contains(**word))
    {
        Some(word) => Err(Trouble::Failed(format!(
            "--stats does not speak of {word}:\n{said}"
        ))),
        None => Ok(()),
    }
}

/// A stack that grows over more pages than RAM has frames: the machine says so, the task dies, nothing panics. (One
/// mapping beyond RAM would be refused at once, as Linux refuses obvious overcommit.)
/// Without swap the program is killed, with swap it runs.
fn out_of_ram(pagewalk: &Path) -> Result<(), Trouble> {
    let run = |swap| {
        [
            "run",
            "--ram",
            "256k",
            "--swap",
            swap,
            "--page-size",
            "16k",
            "stack-grow",
        ]
    };
    says(Command::new(pagewalk).args(run("64m")), &[])?;
    let words = run("0");
    let done = capture(Command::new(pagewalk).args(words), b"", LIMIT)?;
    let said = done.stderr.to_lowercase();
    let named = said.contains("out of ram");
    if done.status == 137 && !done.late && named && !said.contains("panicked") {
        return Ok(());
    }
    Err(Trouble::Failed(format!(
        "expected an error that names RAM; status {}, {}",
        done.status, done.stderr
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_is_found_in_the_table() {
        let table = "USER  PID %CPU COMMAND\nme    12 0.0 sh\nme    34 99.9 /x/beep\n";
        assert_eq!(pid_of_beep(table).as_deref(), Some("34"));
        assert_eq!(pid_of_beep("USER PID COMMAND\n"), None);
        assert_eq!(pid_of_beep(""), None);
    }

    #[test]
    fn a_tool_that_fails_or_is_silent_is_told() {
        assert!(says(Command::new("echo").arg("one two"), &["two"]).is_ok());
        let silent = says(Command::new("echo").arg("one"), &["two"])
            .unwrap_err()
            .to_string();
        assert!(silent.contains("does not say \"two\""), "{silent}");
        assert!(says(&mut Command::new("false"), &[]).is_err());
        assert!(says_json(Command::new("echo").arg("{\"a\": 1}")).is_ok());
        assert!(says_json(Command::new("echo").arg("a")).is_err());
    }
}
