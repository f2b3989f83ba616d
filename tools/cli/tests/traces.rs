//! `--trace`, `pagewalk opt`, and what a killed machine leaves in its swap file, through the real program.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn pagewalk(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pagewalk"))
        .args(words)
        .output()
        .unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_trace_that_cannot_be_written_is_a_clear_error() {
    let made = pagewalk(&["run", "--trace", "/nonexistent/t.jsonl", "adder", "1", "2"]);
    assert_eq!(made.status.code(), Some(125));
    assert!(
        told(&made).contains("cannot write the trace /nonexistent/t.jsonl"),
        "{}",
        told(&made)
    );
    let unnamed = pagewalk(&["run", "--trace", "/tmp/t.xyz", "adder", "1", "2"]);
    assert_eq!(unnamed.status.code(), Some(125));
    assert!(told(&unnamed).contains("--trace-format"), "{}", told(&unnamed));
    assert!(!Path::new("/tmp/t.xyz").exists());
    let alone = pagewalk(&["run", "--trace-references", "adder", "1", "2"]);
    assert_eq!(alone.status.code(), Some(2), "{}", told(&alone));
    if Path::new("/dev/full").exists() {
        let full = pagewalk(&[
            "run",
            "--trace",
            "/dev/full",
            "--trace-format",
            "perfetto",
            "adder",
            "1",
            "2",
        ]);
        assert_eq!(full.stdout, b"3\n");
        assert_eq!(full.status.code(), Some(0));
        assert_eq!(
            told(&full).matches("cannot be written on").count(),
            1,
            "{}",
            told(&full)
        );
    }
}

#[test]
fn opt_reads_what_run_records() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("t.jsonl");
    let trace = trace.to_str().unwrap();
    let run = [
        "run",
        "--seed",
        "1",
        "--ram",
        "2m",
        "--trace",
        trace,
        "--trace-references=2000",
        "pressure",
        "walk",
        "quiet",
    ];
    assert_eq!(pagewalk(&run).status.code(), Some(0));
    let shown = pagewalk(&["opt", trace, "--frames", "40,100000"]);
    let text = String::from_utf8(shown.stdout.clone()).unwrap();
    assert_eq!(shown.status.code(), Some(0), "{}", told(&shown));
    let pages: u64 = text
        .split(" references to ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip(3)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 2 + policy::Name::ALL.len(), "{text}");
    let figure = |row: &[&str], back: usize| row[row.len() - back].parse::<u64>().unwrap();
    let best = figure(&rows[0], 4);
    for row in &rows {
        assert!(figure(row, 4) >= best && best > pages, "{text}");
        assert_eq!(
            figure(row, 2),
            pages,
            "with frames enough each page misses once: {text}"
        );
    }
    let plain = folder.path().join("plain.jsonl");
    let plain = plain.to_str().unwrap();
    assert_eq!(
        pagewalk(&["run", "--trace", plain, "adder", "1", "2"])
            .status
            .code(),
        Some(0)
    );
    let without = pagewalk(&["opt", plain]);
    assert_eq!(without.status.code(), Some(1));
    assert!(
        told(&without).contains("--trace-references"),
        "{}",
        told(&without)
    );
    let other = pagewalk(&["opt", "/proc/self/status"]);
    assert!(
        told(&other).contains("no trace in JSON lines"),
        "{}",
        told(&other)
    );
}

/// A machine killed with SIGKILL leaves its named swap file; what was in memory is not in it.
#[test]
fn a_killed_machine_leaves_nothing_readable_in_its_swap_file() {
    const SECRET: &[u8] = b"the text that must not be found ";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("swap");
    let mut machine = Command::new(env!("CARGO_BIN_EXE_pagewalk"))
        .args(["run", "--ram", "2m", "--swap", "64m", "--swap-file"])
        .arg(&file)
        .args(["pressure", "secret"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(machine.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    machine.kill().unwrap();
    machine.wait().unwrap();
    assert_eq!(line, "away\n");
    let left = std::fs::read(&file).unwrap();
    let written = left.iter().filter(|&&byte| byte != 0).count();
    assert!(
        written > 500_000,
        "the guest's memory was swapped out: {written} bytes"
    );
    let found = |text: &[u8]| left.windows(text.len()).any(|window| window == text);
    assert!(!found(SECRET) && !found(&SECRET[..8]), "the file is noise");
    // Equal pages do not look equal: every page of the secret is the same.
    let mut pages: Vec<&[u8]> = left
        .chunks_exact(16 << 10)
        .filter(|page| page.iter().any(|&b| b != 0))
        .collect();
    let count = pages.len();
    pages.sort_unstable();
    pages.dedup();
    assert!(
        count > 20 && pages.len() == count,
        "{count} pages, {} different",
        pages.len()
    );
}
