//! `cargo xtask pressure --stress`: stress-ng's memory stressors with `--verify`, each with a bounded number of operations, and
//! memtester, on a machine with swap. Key type: [`Stressor`]. Neighbour: [`super`].

use std::path::Path;

use crate::command::{capture, heading};
use crate::end_to_end::tail;
use crate::outcome::{Check, Verdict, run_all};
use crate::programs::roots::{self, Root};
use crate::runner::PageSize;
use crate::trouble::Trouble;

use super::{LIMIT, Setting, without_stats};

static STRESS: Root = Root {
    name: "stress",
    packages: &["stress-ng", "memtester", "libc-bin"],
    setup: &[],
};

/// One line of the checks.
struct Stressor {
    name: &'static str,
    /// With less than this, what it locks would leave nothing to evict.
    ram: &'static str,
    /// The program and its arguments.
    args: &'static [&'static str],
}

macro_rules! stress_ng {
    ($name:literal, $ram:literal, $($word:literal),+) => {
        Stressor {
            name: $name,
            ram: $ram,
            args: &["/usr/bin/stress-ng", "--verify", "--timeout", "0", $($word),+],
        }
    };
}

static STRESSORS: &[Stressor] = &[
    stress_ng!(
        "vm",
        "16m",
        "--vm",
        "1",
        "--vm-bytes",
        "24m",
        "--vm-method",
        "all",
        "--vm-ops",
        "400"
    ),
    stress_ng!(
        "mmap",
        "16m",
        "--mmap",
        "1",
        "--mmap-bytes",
        "8m",
        "--mmap-ops",
        "40"
    ),
    stress_ng!(
        "mremap",
        "16m",
        "--mremap",
        "1",
        "--mremap-bytes",
        "8m",
        "--mremap-ops",
        "40"
    ),
    stress_ng!("madvise", "16m", "--madvise", "1", "--madvise-ops", "20"),
    stress_ng!("brk", "16m", "--brk", "1", "--brk-ops", "20000"),
    stress_ng!("stack", "16m", "--stack", "1", "--stack-fill", "--stack-ops", "3"),
    stress_ng!(
        "bigheap",
        "16m",
        "--bigheap",
        "1",
        "--bigheap-growth",
        "1m",
        "--bigheap-ops",
        "60"
    ),
    stress_ng!("fork", "16m", "--fork", "1", "--fork-ops", "300"),
    stress_ng!("vm-splice", "16m", "--vm-splice", "1", "--vm-splice-ops", "500"),
    stress_ng!("mlock", "64m", "--mlock", "1", "--mlock-ops", "500"),
    stress_ng!("shm", "16m", "--shm", "1", "--shm-bytes", "8m", "--shm-ops", "20"),
    stress_ng!(
        "shm-sysv",
        "16m",
        "--shm-sysv",
        "1",
        "--shm-sysv-bytes",
        "8m",
        "--shm-sysv-ops",
        "20"
    ),
    stress_ng!(
        "userfaultfd",
        "16m",
        "--userfaultfd",
        "1",
        "--userfaultfd-ops",
        "20"
    ),
    Stressor {
        name: "memtester",
        // It locks what it tests, as far as it may.
        ram: "64m",
        args: &["/usr/sbin/memtester", "24M", "1"],
    },
];

/// Runs those whose name contains `word`.
pub(super) fn run(pagewalk: &Path, page: Option<PageSize>, word: Option<&str>) -> Result<(), Trouble> {
    heading("stress-ng and memtester under pressure");
    let wanted = STRESSORS
        .iter()
        .filter(|stressor| word.is_none_or(|word| stressor.name.contains(word)));
    let pages = page.map_or(PageSize::ALL.to_vec(), |page| vec![page]);
    let mut checks = Vec::new();
    for stressor in wanted {
        for page in &pages {
            let (pagewalk, page) = (pagewalk.to_path_buf(), *page);
            let name = format!("stress {} {}", stressor.name, page.word());
            checks.push(Check::new(name, move || judge(stressor, page, &pagewalk)));
        }
    }
    let tally = run_all(checks);
    println!("\n{tally}");
    match tally.failed {
        0 => Ok(()),
        failed => Err(Trouble::Failed(format!("{failed} failed"))),
    }
}

fn judge(stressor: &'static Stressor, page: PageSize, pagewalk: &Path) -> Verdict {
    match attempt(stressor, page, pagewalk) {
        Ok(verdict) => verdict,
        Err(Trouble::Missing { tool, why }) => Verdict::Skipped(format!("no {tool}: {why}")),
        Err(trouble) => Verdict::Failed(trouble.to_string()),
    }
}

fn attempt(stressor: &Stressor, page: PageSize, pagewalk: &Path) -> Result<Verdict, Trouble> {
    let setting = Setting {
        page,
        policy: "lru",
        compressed: false,
        ram: stressor.ram,
        swap: "1g",
    };
    let folder = roots::fresh(
        &STRESS,
        &format!("stress-{}-{}-{}", stressor.name, page.word(), std::process::id()),
    )?;
    let mut command = setting.command(pagewalk, &folder);
    let done = capture(command.args(stressor.args), b"", LIMIT)?;
    roots::remove(&folder);
    let said = format!("{}{}", done.text(), without_stats(&done.stderr));
    if done.late {
        return Ok(Verdict::Failed(format!(
            "it did not end in {} s\n{}",
            LIMIT.as_secs(),
            tail(&said)
        )));
    }
    Ok(verdict(done.status, &said))
}

/// What a status and the words mean (stress-ng(1), "EXIT STATUS"): 0 is good, 3 and 4 that nothing could be run here.
fn verdict(status: u8, said: &str) -> Verdict {
    let bad = ["fail:", "FAILURE", "killed by signal", "out of memory:"];
    let line = said
        .lines()
        .find(|line| bad.iter().any(|word| line.contains(word)));
    let skipped = said.lines().find(|line| {
        line.contains("skipping stressor") || line.contains("skipped:") && !line.contains("skipped: 0")
    });
    match (status, line, skipped) {
        (0, None, None) => Verdict::Passed,
        (0 | 3 | 4, None, Some(why)) => Verdict::Skipped(why.trim().to_owned()),
        (_, Some(line), _) => Verdict::Failed(format!("status {status}: {line}\n{}", tail(said))),
        _ => Verdict::Failed(format!("status {status}\n{}", tail(said))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_from_what_was_skipped() {
        assert_eq!(
            verdict(
                0,
                "stress-ng: info: [1] skipped: 0\nstress-ng: info: [1] passed: 1: vm (1)"
            ),
            Verdict::Passed
        );
        assert!(matches!(
            verdict(4, "stress-ng: info:  [9] skipped: 1: userfaultfd (1)"),
            Verdict::Skipped(_)
        ));
        assert!(matches!(
            verdict(2, "stress-ng: fail: [9] vm: detected 1 bit error"),
            Verdict::Failed(_)
        ));
        assert!(matches!(verdict(0, "stress-ng: fail: [9] x"), Verdict::Failed(_)));
        assert!(matches!(verdict(1, ""), Verdict::Failed(_)));
    }
}
