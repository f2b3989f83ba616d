//! One run of a case by the machine or by qemu, in a fresh root of its own. Key types: [`Engine`], [`Ran`]. Neighbours:
//! [`super::roots`] (the folders), [`super::reference`] (how qemu is started).

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Done, capture};
use crate::runner::PageSize;
use crate::trouble::Trouble;

use super::cases::Case;
use super::reference;
use super::roots::{self, Left};

/// What runs a case.
#[derive(Debug, Clone)]
pub(crate) enum Engine {
    /// This `pagewalk`, with this page size.
    Machine(PathBuf, PageSize),
    /// This static qemu.
    Qemu(PathBuf),
}

/// The whole environment of the programs.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("PATH", "/usr/local/bin:/usr/bin:/usr/sbin"),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    ("TERM", "dumb"),
];

/// A finished run.
pub(crate) struct Ran {
    pub(crate) done: Done,
    /// What it left in its working folder.
    pub(crate) left: Vec<Left>,
    folder: PathBuf,
}

impl Ran {
    /// Removes the run's root. That of a failure stays, for the eye.
    pub(crate) fn forget(&self) {
        roots::remove(&self.folder);
    }
}

impl Engine {
    /// Runs a case to its end, or to the end of its time.
    pub(crate) fn run(&self, case: &'static Case) -> Result<Ran, Trouble> {
        let folder = roots::fresh(case.root, &format!("{}-{}", case.name, self.word()))?;
        let work = roots::furnish(&folder, case.files)?;
        let done = capture(
            &mut self.command(&folder, case.args),
            case.stdin.as_bytes(),
            case.limit(),
        )?;
        let left = roots::left_in(&work)?;
        Ok(Ran { done, left, folder })
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            Engine::Machine(_, page) => page.word(),
            Engine::Qemu(_) => "qemu",
        }
    }

    /// The command line, in a session of its own: no engine may reach the terminal that the checks were started from. No signal
    /// is ignored from the start, as `nohup` would have it: qemu forgets that at a second execve.
    pub(crate) fn command(&self, folder: &Path, args: &[&str]) -> Command {
        let mut command = Command::new("env");
        command.args(["--default-signal", "setsid", "--wait"]).env_clear();
        match self {
            Engine::Machine(pagewalk, page) => {
                // Where the machine's socket lies, for `pagewalk ps`; the programs do not see it.
                if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR") {
                    command.env("XDG_RUNTIME_DIR", runtime);
                }
                command
                    .arg(pagewalk)
                    .args(["run", "--page-size", page.word(), "--root"])
                    .arg(folder)
                    .args(["--workdir", roots::WORK]);
                for (name, value) in ENVIRONMENT {
                    command.arg("--env").arg(format!("{name}={value}"));
                }
            }
            Engine::Qemu(qemu) => reference::start(&mut command, qemu, folder),
        }
        command.args(args);
        command
    }
}
