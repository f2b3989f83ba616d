//! The end-to-end matrix: every recorded case in every page size, Debian's busybox against itself under qemu-aarch64,
//! programs that must be refused, repeatability by seed, and the bell that never stops. Key type: [`Plan`].
//! Neighbours: [`crate::runner`], [`crate::inputs`], [`crate::outcome`].

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use guests::Case;
use serde_json::Value;

use crate::command::{Done, capture};
use crate::debuggers;
use crate::inputs::{self, Refused};
use crate::live;
use crate::outcome::{Check, Verdict};
use crate::pages;
use crate::programs;
use crate::runner::{PageSize, Program, Runner};
use crate::toolchain::{busybox, qemu};
use crate::trouble::Trouble;
use crate::truth;

/// No guest of the matrix takes longer than this on a slow host.
const LIMIT: Duration = Duration::from_secs(600);

/// What the matrix runs on.
pub(crate) struct Plan {
    pub(crate) runner: Runner,
}

impl Plan {
    /// Every check, the long ones first so that the threads end together.
    pub(crate) fn checks(&self) -> Result<Vec<Check>, Trouble> {
        let mut checks = self.debian_checks();
        checks.extend(self.case_checks());
        if let Runner::Machine(pagewalk) = &self.runner {
            checks.extend(programs::quick(pagewalk));
            checks.extend(programs::pressure::quick(pagewalk));
            checks.extend(live::checks(pagewalk));
            checks.extend(pages::checks(&pagewalk.with_file_name("vmmap")));
            checks.extend(truth::checks(pagewalk));
            checks.extend(debuggers::checks(pagewalk));
            checks.extend(crate::procps::checks(pagewalk));
            checks.extend(self.refusal_checks()?);
            checks.extend(self.seed_checks());
        }
        checks.push(self.bell_check());
        Ok(checks)
    }

    fn case_checks(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        for case in guests::CASES {
            for page in self.runner.page_sizes() {
                let runner = self.runner.clone();
                let name = format!("guest {} {}", case.name, page.word());
                checks.push(Check::new(name, move || judge(run_case(&runner, case, *page))));
            }
        }
        checks
    }

    fn debian_checks(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        for job in DEBIAN_JOBS {
            let reference = Arc::new(Reference {
                job,
                answer: OnceLock::new(),
            });
            for page in self.runner.page_sizes() {
                let (runner, reference) = (self.runner.clone(), Arc::clone(&reference));
                let name = format!("debian busybox {} {}", job.name, page.word());
                checks.push(Check::new(name, move || run_debian(&runner, &reference, *page)));
            }
        }
        checks
    }

    fn refusal_checks(&self) -> Result<Vec<Check>, Trouble> {
        let mut checks = Vec::new();
        for refused in inputs::refused()? {
            checks.push(self.refusal(refused, PageSize::Middle16K));
        }
        for page in [PageSize::Middle16K, PageSize::Large64K] {
            checks.push(self.refusal(inputs::aligned_4k()?, page));
        }
        Ok(checks)
    }

    fn refusal(&self, refused: Refused, page: PageSize) -> Check {
        let runner = self.runner.clone();
        Check::new(format!("refuses {} {}", refused.what, page.word()), move || {
            let program = Program::File(refused.path);
            judge(
                capture(&mut runner.command(page, &[], &program, &[]), b"", LIMIT)
                    .map(|done| (expect_refusal(&done, refused.status), done)),
            )
        })
    }

    fn seed_checks(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        for (guest, args) in [
            ("cow-fork", &[][..]),
            ("sigsegv-info", &[]),
            ("bench-int", &["sieve", "1"]),
        ] {
            let runner = self.runner.clone();
            checks.push(Check::new(
                format!("one seed, the same counts: {guest}"),
                move || repeats(&runner, &Program::Bundled(guest), args),
            ));
        }
        let runner = self.runner.clone();
        checks.push(Check::new(
            "one seed, the same counts: busybox sh",
            move || match busybox() {
                Ok(path) => repeats(
                    &runner,
                    &Program::File(path),
                    &["sh", "-c", "for i in 1 2 3; do (echo $i); done"],
                ),
                Err(trouble) => Verdict::Skipped(trouble.to_string()),
            },
        ));
        checks
    }

    fn bell_check(&self) -> Check {
        let runner = self.runner.clone();
        Check::new("beep rings once and never stops", move || {
            let mut command = runner.command(PageSize::Small4K, &[], &Program::Bundled("beep"), &[]);
            judge(capture(&mut command, b"", Duration::from_secs(3)).map(|done| {
                let good = done.late && done.stdout == [7];
                (
                    if good {
                        Ok(())
                    } else {
                        Err("expected one BEL and no end".into())
                    },
                    done,
                )
            }))
        })
    }
}

/// A run and whether it is as it should be.
type Judged = Result<(Result<(), String>, Done), Trouble>;

/// The verdict, with what the program said if it is bad.
fn judge(judged: Judged) -> Verdict {
    match judged {
        Ok((Ok(()), _)) => Verdict::Passed,
        Ok((Err(why), done)) => {
            Verdict::Failed(format!("{why}\nstatus {}, {}", done.status, tail(&done.stderr)))
        }
        Err(Trouble::Missing { tool, why }) => Verdict::Skipped(format!("no {tool}: {why}")),
        Err(trouble) => Verdict::Failed(trouble.to_string()),
    }
}

/// The last lines of standard error.
pub(crate) fn tail(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().collect();
    let from = lines.len().saturating_sub(6);
    format!(
        "standard error ({} lines):\n{}",
        lines.len(),
        lines[from..].join("\n")
    )
}

fn run_case(runner: &Runner, case: &'static Case, page: PageSize) -> Judged {
    if case.qemu_differs && !runner.is_machine() {
        return Err(Trouble::Missing {
            tool: "answer like Linux's from qemu-user".into(),
            why: format!("it differs in {}", case.name),
        });
    }
    let record = fs::read_to_string(case.record_path()).map_err(Trouble::file(case.record_path()))?;
    let Some((status, stdout)) = case.expected(&record) else {
        return Err(Trouble::Failed(format!(
            "{}: damaged header",
            case.record_path().display()
        )));
    };
    let mut command = runner.command(page, &[], &Program::Bundled(case.guest), case.args);
    let done = capture(&mut command, case.stdin.as_bytes(), LIMIT)?;
    let mut right = same(&done, status, stdout.as_bytes());
    if right.is_ok() && runner.is_machine() && status > 128 {
        right = one_line_of_death(&done.stderr, status);
    }
    Ok((right, done))
}

/// Status and output, or the first line that differs.
fn same(done: &Done, status: u8, stdout: &[u8]) -> Result<(), String> {
    if done.late {
        return Err(format!("did not end in {} s", LIMIT.as_secs()));
    }
    if done.stdout != stdout {
        return Err(first_difference(&String::from_utf8_lossy(stdout), &done.text()));
    }
    if done.status != status {
        return Err(format!("expected status {status}"));
    }
    Ok(())
}

pub(crate) fn first_difference(expected: &str, came: &str) -> String {
    let (mut left, mut right) = (expected.lines(), came.lines());
    for number in 1.. {
        match (left.next(), right.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                let word = |line: Option<&str>| line.map_or("(end)".to_owned(), str::to_owned);
                return format!("line {number}\nexpected: {}\ncame:     {}", word(a), word(b));
            }
        }
    }
    "the line ends differ".into()
}

/// A guest that a signal ends is explained by one line that names the signal and the address.
fn one_line_of_death(stderr: &str, status: u8) -> Result<(), String> {
    let name = match status - 128 {
        7 => "SIGBUS",
        11 => "SIGSEGV",
        _ => return Ok(()),
    };
    match stderr.lines().collect::<Vec<_>>()[..] {
        [line] if line.contains(name) && line.contains("0x") => Ok(()),
        _ => Err(format!(
            "expected one line with {name} and an address on standard error"
        )),
    }
}

fn expect_refusal(done: &Done, status: u8) -> Result<(), String> {
    if done.stderr.contains("panicked") {
        return Err("a panic".into());
    }
    if done.stderr.trim().is_empty() || done.stderr.lines().count() != 1 {
        return Err("expected one line on standard error".into());
    }
    if !done.stdout.is_empty() {
        return Err("expected nothing on standard output".into());
    }
    if done.status == status {
        Ok(())
    } else {
        Err(format!("expected status {status}"))
    }
}

/// A command line of busybox.
struct DebianJob {
    name: &'static str,
    /// `@data` and `@lines` stand for the generated files.
    args: &'static [&'static str],
}

const AWK_LOOP: &str = "BEGIN { for (i = 0; i < 1000000; i++) s += i; print s }";
const SH_LOOP: &str = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo $i";

const DEBIAN_JOBS: &[DebianJob] = &[
    DebianJob {
        name: "sha256sum of 100 MB",
        args: &["sha256sum", "@data"],
    },
    DebianJob {
        name: "sh loop of 100,000 steps",
        args: &["sh", "-c", SH_LOOP],
    },
    DebianJob {
        name: "awk loop of a million steps",
        args: &["awk", AWK_LOOP],
    },
    DebianJob {
        name: "sort of 100,000 lines",
        args: &["sort", "@lines"],
    },
    DebianJob {
        name: "echo",
        args: &["echo", "hello", "world"],
    },
    DebianJob {
        name: "sh with subshells",
        args: &["sh", "-c", "a=1; (a=2; echo $a); echo $a; exit 3"],
    },
    DebianJob {
        name: "sh with a pipe",
        args: &["sh", "-c", "echo one two three | { read a b; echo $b; }"],
    },
];

/// A job and what busybox says to it under qemu, asked once for all page sizes.
struct Reference {
    job: &'static DebianJob,
    answer: OnceLock<Result<Done, String>>,
}

impl Reference {
    fn args(&self) -> Result<Vec<String>, Trouble> {
        let word = |word: &&str| -> Result<String, Trouble> {
            Ok(match *word {
                "@data" => inputs::data_file(100)?.to_string_lossy().into_owned(),
                "@lines" => inputs::lines_file(100_000)?.to_string_lossy().into_owned(),
                other => other.to_owned(),
            })
        };
        self.job.args.iter().map(word).collect()
    }

    fn done(&self, busybox: &Path) -> &Result<Done, String> {
        self.answer.get_or_init(|| {
            let ask = || -> Result<Done, Trouble> {
                let (runner, args) = (Runner::Qemu(qemu()?), self.args()?);
                let words: Vec<&str> = args.iter().map(String::as_str).collect();
                let program = Program::File(busybox.to_path_buf());
                capture(
                    &mut runner.command(PageSize::Small4K, &[], &program, &words),
                    b"",
                    LIMIT,
                )
            };
            ask().map_err(|trouble| trouble.to_string())
        })
    }
}

fn run_debian(runner: &Runner, reference: &Reference, page: PageSize) -> Verdict {
    let busybox = match busybox() {
        Ok(path) if inputs::exists(&path) => path,
        Ok(path) => return Verdict::Failed(format!("{} is empty", path.display())),
        Err(trouble) => return Verdict::Skipped(trouble.to_string()),
    };
    let expected = match reference.done(&busybox) {
        Ok(done) => done,
        Err(why) => return Verdict::Skipped(format!("no answer from qemu: {why}")),
    };
    judge(reference.args().and_then(|args| {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let done = capture(
            &mut runner.command(page, &[], &Program::File(busybox), &words),
            b"",
            LIMIT,
        )?;
        let mut right = same(&done, expected.status, &expected.stdout);
        if right.is_ok() && done.stderr != expected.stderr {
            right = Err(format!("qemu's {}", tail(&expected.stderr)));
        }
        Ok((right, done))
    }))
}

/// The figures of `--stats=json`: the JSON object at the end of standard error, without what a clock measured.
pub(crate) fn stats(stderr: &str) -> Option<Value> {
    let from = match stderr.rfind("\n{") {
        Some(at) => at + 1,
        None if stderr.starts_with('{') => 0,
        None => return None,
    };
    let mut value: Value = serde_json::from_str(stderr[from..].trim()).ok()?;
    drop_times(&mut value);
    Some(value)
}

/// The machine's figures that are no counts are in the section `time`.
fn drop_times(value: &mut Value) {
    if let Value::Object(sections) = value {
        sections.remove("time");
    }
}

fn repeats(runner: &Runner, program: &Program, args: &[&str]) -> Verdict {
    let once = || -> Result<Value, Trouble> {
        let mut command = runner.command(
            PageSize::Middle16K,
            &["--seed", "1", "--stats=json"],
            program,
            args,
        );
        let done = capture(&mut command, b"", LIMIT)?;
        stats(&done.stderr)
            .ok_or_else(|| Trouble::Failed(format!("no JSON at the end of {}", tail(&done.stderr))))
    };
    match (once(), once()) {
        (Ok(first), Ok(second)) if first == second => Verdict::Passed,
        (Ok(first), Ok(second)) => Verdict::Failed(format!("first:  {first}\nsecond: {second}")),
        (Err(trouble), _) | (_, Err(trouble)) => Verdict::Failed(trouble.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(status: u8, stdout: &str, stderr: &str) -> Done {
        let (stdout, stderr) = (stdout.as_bytes().to_vec(), stderr.to_owned());
        Done {
            status,
            stdout,
            stderr,
            wall: Duration::ZERO,
            late: false,
        }
    }

    #[test]
    fn a_difference_is_shown_by_its_line() {
        let why = same(&done(0, "a\nx\n", ""), 0, b"a\nb\n").unwrap_err();
        assert_eq!(why, "line 2\nexpected: b\ncame:     x");
        assert!(
            same(&done(1, "a\n", ""), 0, b"a\n")
                .unwrap_err()
                .contains("status 0")
        );
        assert_eq!(same(&done(0, "a\n", ""), 0, b"a\n"), Ok(()));
    }

    #[test]
    fn a_death_needs_one_line_with_signal_and_address() {
        assert_eq!(one_line_of_death("pagewalk: SIGSEGV at 0x10\n", 139), Ok(()));
        assert!(one_line_of_death("SIGSEGV at 0x10\nmore\n", 139).is_err());
        assert!(one_line_of_death("SIGSEGV\n", 139).is_err());
        assert!(one_line_of_death("", 135).is_err());
    }

    #[test]
    fn a_refusal_is_one_line_and_the_right_status() {
        assert_eq!(
            expect_refusal(&done(126, "", "x: not an ELF file\n"), 126),
            Ok(())
        );
        assert!(expect_refusal(&done(126, "", ""), 126).is_err());
        assert!(expect_refusal(&done(101, "", "thread main panicked\n"), 101).is_err());
        assert!(expect_refusal(&done(1, "", "x: not an ELF file\n"), 126).is_err());
    }

    #[test]
    fn times_are_not_counts() {
        let text =
            "pagewalk: bye\n{ of the guest's\n{\"faults\": {\"zero\": 3}, \"time\": {\"wall_ns\": 15}}\n";
        assert_eq!(stats(text).unwrap(), serde_json::json!({"faults": {"zero": 3}}));
        assert_eq!(stats("no figures"), None);
    }
}
