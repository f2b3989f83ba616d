//! Running programs: [`run`] shows their output, [`capture`] keeps it and ends them when their time is up. Neighbours:
//! every chore. Also the workspace's folders.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::trouble::Trouble;

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

/// Where cargo builds: `CARGO_TARGET_DIR`, or `target`.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The cargo that runs us, at the workspace's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// A heading, so that a long log can be read.
pub(crate) fn heading(what: &str) {
    println!("\n== {what}");
}

fn line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

fn refused(command: &Command, error: &std::io::Error) -> Trouble {
    Trouble::Command {
        line: line(command),
        why: error.to_string(),
    }
}

/// Runs a program with our own output; an error unless it ends with status 0.
pub(crate) fn run(command: &mut Command) -> Result<(), Trouble> {
    let status = command.status().map_err(|error| refused(command, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Trouble::Command {
        line: line(command),
        why: status.to_string(),
    })
}

/// What a program did.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    /// Its exit status as a shell says it: 128+N for a signal.
    pub(crate) status: u8,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) wall: Duration,
    /// It was ended by us because its time was up.
    pub(crate) late: bool,
}

impl Done {
    /// Standard output as text, for the eye and for comparing lines.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

fn shell_status(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code & 255).ok()).unwrap_or(255)
}

/// Reads all of a pipe in a thread, so that no pipe is ever full.
fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // A broken pipe ends the output; what came before it counts.
            drop(pipe.read_to_end(&mut bytes));
        }
        bytes
    })
}

fn wait(child: &mut Child, limit: Duration) -> std::io::Result<(ExitStatus, bool)> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, false));
        }
        if start.elapsed() > limit {
            child.kill()?;
            return Ok((child.wait()?, true));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

/// Runs a program with this on its standard input, for at most this long, and keeps what it wrote.
pub(crate) fn capture(command: &mut Command, stdin: &[u8], limit: Duration) -> Result<Done, Trouble> {
    let start = Instant::now();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| refused(command, &error))?;
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    if let Some(mut pipe) = child.stdin.take() {
        // A program that does not read its input closes the pipe: not our concern. All inputs fit in a pipe.
        drop(pipe.write_all(stdin));
    }
    let (status, late) = wait(&mut child, limit).map_err(|error| refused(command, &error))?;
    let wall = start.elapsed();
    Ok(Done {
        status: shell_status(status),
        stdout: stdout.join().unwrap_or_default(),
        stderr: String::from_utf8_lossy(&stderr.join().unwrap_or_default()).into_owned(),
        wall,
        late,
    })
}

/// The standard output of a program that must succeed, without the last line end.
pub(crate) fn text(command: &mut Command) -> Result<String, Trouble> {
    let done = capture(command, b"", Duration::from_secs(600))?;
    if done.status != 0 {
        return Err(Trouble::Command {
            line: line(command),
            why: format!("status {}: {}", done.status, done.stderr.trim()),
        });
    }
    Ok(done.text().trim_end().to_owned())
}

/// The first of these programs that the search path has.
pub(crate) fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    names.iter().find_map(|name| {
        std::env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capture_keeps_output_status_and_signals() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "read x; echo got $x; echo bad >&2; kill -11 $$"]);
        let done = capture(&mut shell, b"this\n", Duration::from_secs(20)).unwrap();
        assert_eq!(
            (done.status, done.text().as_str(), done.stderr.as_str()),
            (139, "got this\n", "bad\n")
        );
        assert!(!done.late);
    }

    #[test]
    fn capture_ends_what_never_ends() {
        let mut forever = Command::new("sh");
        forever.args(["-c", "echo on; exec sleep 1000"]);
        let done = capture(&mut forever, b"", Duration::from_millis(300)).unwrap();
        assert!(done.late);
        assert_eq!((done.status, done.text().as_str()), (137, "on\n"));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("/no/such/program"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/no/such/program"), "{error}");
    }
}
