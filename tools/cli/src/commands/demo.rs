//! `pagewalk demo`: the tutorial's session, live.
//!
//! Starts the bundled `beep` on a machine of 16 KiB pages by the same command that a user would type, and looks at it
//! with `ps ul` and `vmmap` through the machine's socket. There is no path here that a user has not. Ends by itself.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use clap::Parser;
use procfs::{PidStat, Root, SocketRoot, sockets};

use super::{ps, vmmap};
use crate::Failure;

/// How long the machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long `beep` spins before it is looked at, so that its TIME is worth reading.
const SPIN: Duration = Duration::from_millis(1200);

const SAY: Style = AnsiColor::Cyan.on_default().bold();
const TYPED: Style = Style::new().bold();

/// Start the tutorial's beep on a machine of 16 KiB pages and show its memory
#[derive(Debug, clap::Args)]
pub struct Args {}

/// The running machine; killed when the demo is over, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It spins for ever by design; if it is gone already, all the better.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Args {
    /// Run.
    ///
    /// # Errors
    /// [`Failure`] if the machine does not start or a tool fails.
    pub fn run(self) -> Result<(), Failure> {
        say(
            "beep is fifteen lines of assembly: it writes BEL, the character that rings the bell, and spins for ever.",
        );
        typed("pagewalk run --page-size 16k beep &");
        let mut running = start()?;
        let (machine, pid) = find(&mut running.0)?;
        std::thread::sleep(SPIN);

        say(
            "\nIt runs now. The machine serves a /proc with Linux's own bytes over a socket; ps reads it there.",
        );
        typed("pagewalk ps ul");
        line::<ps::Args>(&["ul"]).run()?;

        say("\nVSZ is what it asked for, RSS what is in RAM, in KiB: it asked for little, and touched less.");
        say("Its memory, page by page. Each page has 16384 bytes; a page that nobody touched takes no RAM.");
        typed(&format!("pagewalk vmmap {pid}"));
        line::<vmmap::Args>(&[&format!("{machine}:{pid}")]).run_on_machines()?;

        say(
            "\nRSDNT is in RAM now; DIRTY was written and cannot simply be dropped. SM=COW: pages of the program's file,",
        );
        say(
            "which every process that runs it shares until somebody writes. Of the stack's 144K only the touched pages",
        );
        say("take RAM; it may grow to 8 MiB, and one page further a runaway recursion ends in SIGSEGV.\n");
        say("That was live. Try: pagewalk run --stats adder 2 3    pagewalk run --help    vmmap $$");
        Ok(())
    }
}

fn say(line: &str) {
    anstream::println!("{SAY}{line}{SAY:#}");
}

fn typed(line: &str) {
    anstream::println!("{TYPED}$ {line}{TYPED:#}");
    // A closed pipe is found by whoever prints next.
    let _ = std::io::stdout().flush();
}

fn start() -> Result<Running, Failure> {
    let program = std::env::current_exe()?;
    let mut command = Command::new(program);
    command.args(["run", "--page-size", "16k", "--ram", "64m", "beep"]);
    // The bell itself goes to the terminal, if there is one.
    let child = command.stdin(Stdio::null()).spawn();
    child
        .map(Running)
        .map_err(|error| Failure::new(format!("cannot start the machine: {error}")))
}

/// The machine that the child is, and its one process.
fn find(child: &mut Child) -> Result<(u32, i32), Failure> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait()? {
            return Err(Failure::new(format!("the machine ended at once: {status}")));
        }
        if let Ok(root) = sockets::connect(&sockets::directory(), child.id())
            && let Some(pid) = running_pid(&root)
        {
            return Ok((child.id(), pid));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Failure::new(format!(
        "the machine does not answer after {} s",
        PATIENCE.as_secs()
    )))
}

/// The process, once it has used some time.
fn running_pid(root: &SocketRoot) -> Option<i32> {
    let root: &dyn Root = root;
    let pid = *root.pids().ok()?.first()?;
    let stat: PidStat = root.parse(&format!("{pid}/stat")).ok()?;
    (stat.comm == b"beep").then_some(pid)
}

/// Options as the command line that was shown gives them.
fn line<A: clap::Args>(words: &[&str]) -> A {
    #[derive(Parser)]
    struct Line<A: clap::Args> {
        #[command(flatten)]
        args: A,
    }
    Line::parse_from(std::iter::once("pagewalk").chain(words.iter().copied())).args
}
