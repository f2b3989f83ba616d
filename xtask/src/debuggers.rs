//! gdb-multiarch and lldb, as Debian has them, on `pagewalk run --gdb`: each attaches to a bundled guest, steps, stops at
//! a breakpoint and a watchpoint, looks at registers, memory regions and threads, and lets the guest end as ever.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use crate::command::{capture, find};
use crate::outcome::{Check, Verdict};
use crate::trouble::Trouble;

/// lldb takes its time on a loaded host.
const LIMIT: Duration = Duration::from_secs(300);

/// A debugger, its commands with `ADDR` for where the machine listens, and what it then says.
struct Debugger {
    programs: &'static [&'static str],
    arguments: &'static [&'static str],
    execute: &'static str,
    commands: &'static [&'static str],
    says: &'static [&'static str],
}

const GDB: Debugger = Debugger {
    programs: &["gdb-multiarch"],
    arguments: &["-nx", "-q", "-batch"],
    execute: "-ex",
    commands: &[
        "set confirm off",
        "target remote ADDR",
        "set $entry = $pc",
        "stepi",
        "print $pc - $entry",
        "break *($entry + 16)",
        "continue",
        "print $pc - $entry",
        "awatch -l *(long *) ($sp - 8)",
        "continue",
        "info threads",
        "info auxv",
        "info proc mappings",
        "backtrace",
        "print $tpidr",
        "info registers v0 fpcr",
        "monitor vmmap $pc",
        "monitor ps",
        "delete",
        "continue",
    ],
    says: &[
        "= 4\n",
        "Breakpoint 1, ",
        "= 16\n",
        "Hardware access (read/write) watchpoint 2: -location",
        "Value = 0",
        "Thread 100.100 (adder (runnable))",
        "AT_PHDR",
        "/pagewalk/adder",
        "#0 ",
        "fpcr ",
        "    100       0 R       1",
        "exited normally]",
    ],
};

const LLDB: Debugger = Debugger {
    programs: &["lldb", "lldb-14"],
    arguments: &["--no-lldbinit", "--batch"],
    execute: "-o",
    commands: &[
        "settings set auto-confirm true",
        "gdb-remote ADDR",
        "thread step-inst",
        "register read pc x0 sp v0 cpsr",
        "breakpoint set --address $pc+12",
        "continue",
        "bt",
        "memory region $pc",
        "memory region 0",
        "breakpoint disable 1",
        "watchpoint set expression -w write -s 8 -- $sp-8",
        "continue",
        "thread list",
        "watchpoint delete",
        "continue",
    ],
    says: &[
        "stop reason = signal SIGTRAP",
        "stop reason = instruction step into",
        "cpsr = 0x",
        "stop reason = breakpoint 1.1",
        "r-x /pagewalk/adder",
        ") ---",
        "stop reason = watchpoint 1",
        "tid = 100",
        "exited with status = 0",
    ],
};

/// One check for each debugger.
pub(crate) fn checks(pagewalk: &Path) -> Vec<Check> {
    let check = |name: &str, debugger: &'static Debugger| {
        let pagewalk = pagewalk.to_path_buf();
        Check::new(format!("{name} debugs a guest"), move || {
            judge(&pagewalk, debugger)
        })
    };
    vec![check("gdb-multiarch", &GDB), check("lldb", &LLDB)]
}

fn judge(pagewalk: &Path, debugger: &Debugger) -> Verdict {
    let Some(program) = find(debugger.programs) else {
        return Verdict::Skipped(format!("{} is not installed", debugger.programs[0]));
    };
    match debug(pagewalk, &program, debugger) {
        Ok(()) => Verdict::Passed,
        Err(trouble) => Verdict::Failed(trouble),
    }
}

fn debug(pagewalk: &Path, program: &Path, debugger: &Debugger) -> Result<(), String> {
    let (mut machine, mut stderr, address) = start(pagewalk)?;
    let mut command = Command::new(program);
    command.args(debugger.arguments);
    for text in debugger.commands {
        command.args([debugger.execute, &text.replace("ADDR", &address)]);
    }
    let done = capture(&mut command, b"", LIMIT);
    // One that left early leaves the guest stopped or running: it must not be waited for.
    let ended = done.is_ok() && wait_for(&mut machine);
    if !ended {
        // It may have ended by itself in this moment.
        let _ = machine.kill();
    }
    let status = machine.wait().map_err(|error| error.to_string())?;
    let mut said = String::new();
    if let Some(stdout) = &mut machine.stdout {
        stdout
            .read_to_string(&mut said)
            .map_err(|error| error.to_string())?;
    }
    let mut news = String::new();
    stderr
        .read_to_string(&mut news)
        .map_err(|error| error.to_string())?;
    let done = done.map_err(|trouble: Trouble| trouble.to_string())?;
    let (text, errors) = (done.text(), done.stderr);
    let mut rest = text.as_str();
    for expected in debugger.says {
        match rest.find(expected) {
            Some(at) => rest = &rest[at + expected.len()..],
            // gdb prints what `monitor` says there.
            None if errors.contains(expected) => {}
            None => {
                return Err(format!(
                    "'{expected}' was not said (in its turn):\n{text}\n{errors}\n{news}"
                ));
            }
        }
    }
    if !status.success() || said != "42\n" {
        return Err(format!(
            "the guest ended with {status} and '{said}' instead of 42:\n{text}\n{news}"
        ));
    }
    Ok(())
}

/// A machine that waits for a debugger, and where.
fn start(pagewalk: &Path) -> Result<(Child, BufReader<ChildStderr>, String), String> {
    let mut machine = Command::new(pagewalk)
        .args(["run", "--seed", "1", "--gdb", ":0", "adder", "2", "40"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let stderr = machine.stderr.take().ok_or("no standard error")?;
    let mut stderr = BufReader::new(stderr);
    let mut line = String::new();
    stderr.read_line(&mut line).map_err(|error| error.to_string())?;
    let address = line
        .split_once("waiting for a debugger at ")
        .and_then(|(_, rest)| rest.split(' ').next());
    match address {
        Some(address) => {
            let address = address.to_owned();
            Ok((machine, stderr, address))
        }
        None => {
            // It has said what is wrong; whether it still lives is of no interest.
            let _ = machine.kill();
            let _ = machine.wait();
            Err(format!("the machine did not wait for a debugger: {line}"))
        }
    }
}

/// Whether the machine ends by itself soon.
fn wait_for(machine: &mut Child) -> bool {
    for _ in 0..200 {
        if matches!(machine.try_wait(), Ok(Some(_)) | Err(_)) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}
