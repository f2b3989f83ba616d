//! `pagewalk run` on a terminal: keys, job control, the window's size, and the terminal's state afterwards. `script(1)` gives the
//! terminal, Debian's busybox (if `cargo xtask test` has fetched it) the guest's shell; without them, the tests say so.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Generous: a loaded machine and unoptimised code.
const PATIENCE: Duration = Duration::from_secs(120);

fn busybox() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../guests/debian");
    let places = ["bin/busybox", "usr/bin/busybox"].map(|place| folder.join(place));
    places.into_iter().find(|path| path.is_file())
}

/// A shell of the host on a terminal of its own.
struct Terminal {
    script: Child,
    output: Receiver<Vec<u8>>,
    /// What was read and not yet expected.
    text: String,
}

impl Terminal {
    /// `None`, with the reason printed, if something that is needed is not here.
    fn open(folder: &std::path::Path) -> Option<Self> {
        let Some(busybox) = busybox() else {
            println!("skipped: guests/debian has no busybox (cargo xtask test fetches it)");
            return None;
        };
        let mut command = Command::new("script");
        command
            .args([
                "-q",
                "-c",
                "PS1='host$ ' exec bash --norc --noprofile --noediting -i",
                "/dev/null",
            ])
            .current_dir(folder)
            .env("TERM", "dumb")
            .env("ENV", "")
            .env("PAGEWALK", env!("CARGO_BIN_EXE_pagewalk"))
            .env("BUSYBOX", busybox)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut script = match command.spawn() {
            Ok(script) => script,
            Err(error) => {
                println!("skipped: script(1) cannot be run: {error}");
                return None;
            }
        };
        let mut stdout = script.stdout.take().expect("it was piped");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut terminal = Self {
            script,
            output,
            text: String::new(),
        };
        terminal.expect("host$ ");
        Some(terminal)
    }

    fn send(&mut self, keys: &str) {
        let stdin = self.script.stdin.as_mut().expect("it was piped");
        stdin.write_all(keys.as_bytes()).expect("script reads");
        stdin.flush().expect("script reads");
    }

    /// Waits until the terminal shows this, and forgets what came before.
    fn expect(&mut self, wanted: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.text.find(wanted) {
                self.text.drain(..at + wanted.len());
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("no {wanted:?} ({error}); the terminal shows {:?}", self.text),
            }
        }
    }

    /// A line for a shell, and what it must bring. What is wanted must not be in the line itself, which is echoed.
    fn line(&mut self, line: &str, wanted: &str) {
        self.send(line);
        self.send("\n");
        self.expect(wanted);
    }

    /// Starts the guest's shell.
    fn guest(&mut self) {
        // The echo of the line has no "guest# ".
        self.line("$PAGEWALK run --env PS1='guest''# ' $BUSYBOX sh", "guest# ");
    }

    /// A program that says when it runs, so that a key reaches it and not the shell.
    fn run_sleeper(&mut self) {
        self.line(
            "$BUSYBOX sh -c 'echo wa''its; exec $BUSYBOX sleep 1000'",
            "waits\r\n",
        );
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The end of script hangs the terminal up, and with it everything that runs there.
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

#[test]
fn keys_reach_the_guests_foreground_job() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut terminal) = Terminal::open(folder.path()) else {
        return;
    };
    terminal.line("stty -a > before", "host$ ");
    terminal.guest();
    // The guest's own line editing: one wrong letter, taken back; then the line again by its history.
    terminal.send("echo on\u{8}k-$((6*7))\n");
    terminal.expect("\nok-42\r\n");
    terminal.expect("guest# ");
    terminal.run_sleeper();
    terminal.send("\u{3}");
    terminal.expect("guest# ");
    terminal.line("echo status=$?", "status=130\r\n");
    terminal.run_sleeper();
    terminal.send("\u{1a}");
    terminal.expect("Stopped");
    terminal.expect("guest# ");
    terminal.line("jobs", "Stopped");
    terminal.line("bg", "guest# ");
    terminal.line("jobs", "Running");
    terminal.line("kill -9 %1; wait; echo all-$((1+1))", "all-2\r\n");
    terminal.line("exit 7", "host$ ");
    terminal.line("echo status=$?", "status=7\r\n");
    terminal.line("stty -a > after; cmp before after && echo sa''me", "same\r\n");
}

#[test]
fn the_machine_stops_with_its_program_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut terminal) = Terminal::open(folder.path()) else {
        return;
    };
    let start = "$PAGEWALK run $BUSYBOX sh -c 'echo wa''its; exec $BUSYBOX sleep 1000'";
    terminal.line(start, "waits\r\n");
    terminal.send("\u{1a}");
    terminal.expect("Stopped");
    terminal.line("jobs", "Stopped");
    terminal.line("bg; jobs", "Running");
    terminal.line("kill -INT %1; wait %1; echo status=$?", "status=130\r\n");
}

#[test]
fn the_window_is_the_hosts_and_the_mode_is_put_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut terminal) = Terminal::open(folder.path()) else {
        return;
    };
    terminal.line("stty rows 33 cols 99; stty -a > before", "host$ ");
    terminal.guest();
    terminal.line("$BUSYBOX stty size", "33 99\r\n");
    terminal.line("$BUSYBOX stty cols 77; $BUSYBOX stty size", "33 77\r\n");
    terminal.line("$BUSYBOX stty cols 99; $BUSYBOX stty size", "33 99\r\n");
    // The program dies with the terminal in raw mode, by a signal that it cannot handle.
    terminal.line("$BUSYBOX stty raw -echo; kill -9 $$", "host$ ");
    terminal.line("echo status=$?", "status=137\r\n");
    terminal.line("stty -a > after; cmp before after && echo sa''me", "same\r\n");
    // A signal to the machine is the program's.
    terminal.line(
        "$PAGEWALK run $BUSYBOX sleep 1000 & sleep 3; kill $!; wait $!; echo status=$?",
        "status=143\r\n",
    );
}
