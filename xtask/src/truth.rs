//! Checks of `vmmap` against a program that says what it did to its memory (`guests/c/regions.c`): the same assertions on the machine
//! through its own `/proc`, in every page size, and on the host's kernel. Key type: [`Subject`], the program while it waits.
//! Neighbours: [`crate::live`] (other checks of the tools), [`crate::guests`] (how the program is built for the host).

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::command::capture;
use crate::guests::build_native;
use crate::outcome::{Check, Verdict};
use crate::runner::{PageSize, Program, Runner};
use crate::trouble::Trouble;

/// How long a report may take.
const LIMIT: Duration = Duration::from_secs(120);

/// The checks with this `pagewalk` and the `vmmap` beside it.
pub(crate) fn checks(pagewalk: &Path) -> Vec<Check> {
    let machines = |with_swap| {
        PageSize::ALL
            .into_iter()
            .map(move |page| Place::Machine { page, with_swap })
    };
    let places = machines(false).chain(machines(true));
    let check = |place: Place| {
        let path = pagewalk.to_path_buf();
        Check::new(
            format!("vmmap tells what was done{} {}", place.swap(), place.word()),
            move || match is_told(&path, place) {
                Ok(wrong) if wrong.is_empty() => Verdict::Passed,
                Ok(wrong) => Verdict::Failed(wrong.join("\n")),
                Err(Trouble::Missing { tool, why }) => Verdict::Skipped(format!("no {tool}: {why}")),
                Err(trouble) => Verdict::Failed(trouble.to_string()),
            },
        )
    };
    places.chain([Place::Host]).map(check).collect()
}

/// Where the program runs.
#[derive(Clone, Copy)]
enum Place {
    /// With swap some of the program's memory is there.
    Machine {
        page: PageSize,
        with_swap: bool,
    },
    Host,
}

impl Place {
    fn swap(self) -> &'static str {
        match self {
            Place::Machine { with_swap: true, .. } => " with swap",
            _ => "",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Place::Machine { page, .. } => page.word(),
            Place::Host => "natively",
        }
    }
}

/// The program, waiting; it ends when this is dropped.
struct Subject {
    child: Child,
    folder: PathBuf,
    /// What it said, an object a line.
    lines: Vec<Value>,
}

impl Subject {
    fn start(pagewalk: &Path, place: Place) -> Result<Subject, Trouble> {
        // Short, because a socket's path has at most 107 bytes (unix(7)).
        let kind = if place.swap().is_empty() { "" } else { "s" };
        let name = format!("pagewalk-truth-{}-{}{kind}", std::process::id(), place.word());
        let folder = std::env::temp_dir().join(name);
        let mut builder = fs::DirBuilder::new();
        builder
            .mode(0o700)
            .create(&folder)
            .map_err(Trouble::file(&folder))?;
        let words = folder.to_string_lossy().into_owned();
        let mut command = match place {
            Place::Machine { page, with_swap } => {
                let runner = Runner::Machine(pagewalk.to_path_buf());
                let program = Program::Bundled("regions");
                match with_swap {
                    true => runner.command(page, &["--swap", "64m"], &program, &[&words, "swap"]),
                    false => runner.command(page, &[], &program, &[&words]),
                }
            }
            Place::Host => {
                let mut command = Command::new(build_native("regions")?);
                command.arg(&words);
                command
            }
        };
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = piped.env("XDG_RUNTIME_DIR", &folder).spawn();
        let child = child.map_err(Trouble::file(pagewalk))?;
        let mut subject = Subject {
            child,
            folder,
            lines: Vec::new(),
        };
        subject.listen()?;
        Ok(subject)
    }

    /// Reads what it says until it is ready.
    fn listen(&mut self) -> Result<(), Trouble> {
        let Some(pipe) = self.child.stdout.take() else {
            return Ok(());
        };
        for line in BufReader::new(pipe).lines() {
            let line = line.map_err(Trouble::file("the output of regions"))?;
            let value: Value = serde_json::from_str(&line)
                .map_err(|error| Trouble::Failed(format!("regions says {line:?}: {error}")))?;
            if value.get("ready").is_some() {
                return Ok(());
            }
            self.lines.push(value);
        }
        Err(Trouble::Failed("regions ended before it was ready".into()))
    }

    /// Its processes, parent and child.
    fn pids(&self) -> Vec<i64> {
        let mut pids: Vec<i64> = self
            .lines
            .iter()
            .filter_map(|line| line["pid"].as_i64())
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    fn report(&self, pagewalk: &Path, place: Place, pid: i64) -> Result<Value, Trouble> {
        let pid = pid.to_string();
        let mut command = match place {
            Place::Machine { .. } => {
                let mut command = Command::new(pagewalk);
                command.arg("vmmap");
                command
            }
            Place::Host => Command::new(pagewalk.with_file_name("vmmap")),
        };
        command
            .args(["--json", &pid])
            .env("XDG_RUNTIME_DIR", &self.folder);
        let done = capture(&mut command, b"", LIMIT)?;
        let failed = |why: &str| Trouble::Failed(format!("{command:?}: {why}: {}", done.stderr.trim()));
        if done.status != 0 || done.late {
            return Err(failed(&format!("status {}", done.status)));
        }
        serde_json::from_slice(&done.stdout).map_err(|error| failed(&error.to_string()))
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // The end of its input ends it, and its child with it. What fails here is ours alone.
        drop(self.child.stdin.take());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// What is reported otherwise than the program said.
fn is_told(pagewalk: &Path, place: Place) -> Result<Vec<String>, Trouble> {
    let subject = Subject::start(pagewalk, place)?;
    let pids = subject.pids();
    if pids.len() != 2 {
        return Err(Trouble::Failed(format!("expected parent and child: {pids:?}")));
    }
    let mut wrong = Vec::new();
    for pid in pids {
        let report = subject.report(pagewalk, place, pid)?;
        let of_it = subject.lines.iter().filter(|line| line["pid"] == pid);
        wrong.extend(of_it.flat_map(|line| differences(line, &report)));
    }
    Ok(wrong)
}

fn address(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// How the report of its process differs from this line.
fn differences(line: &Value, report: &Value) -> Vec<String> {
    let regions = report["regions"].as_array().map_or(&[][..], Vec::as_slice);
    if let Some(sums) = line["sums"].as_object() {
        let sum = |key: &str| {
            regions
                .iter()
                .map(|region| region[key].as_u64())
                .sum::<Option<u64>>()
        };
        let wrong = sums.iter().filter(|(key, value)| sum(key) != value.as_u64());
        return wrong
            .map(|(key, value)| format!("sum of {key}: the kernel's {value}, came {:?}", sum(key)))
            .collect();
    }
    let name = line.get("region").unwrap_or(&line["inside"]);
    let from = address(&line["start"]).or(address(&line["at"]));
    // Of a region its end, of an address the next one.
    let to = address(&line["end"]).or(from.map(|at| at + 1));
    let (Some(from), Some(to), Some(expect)) = (from, to, line["expect"].as_object()) else {
        return vec![format!("{name}: not understood: {line}")];
    };
    let overlaps = |region: &&Value| {
        let (start, end) = (address(&region["start"]), address(&region["end"]));
        start.is_some_and(|start| start < to) && end.is_some_and(|end| from < end)
    };
    let parts: Vec<&Value> = regions.iter().filter(overlaps).collect();
    let size = parts
        .iter()
        .filter_map(|region| region["size"].as_u64())
        .sum::<u64>();
    if parts.is_empty() || (line.get("end").is_some() && size != to - from) {
        return vec![format!(
            "{name}: {from:#x}-{to:#x} is not a region alone: {parts:?}"
        )];
    }
    let mut wrong = Vec::new();
    for (key, expected) in expect {
        if !is_so(&parts, key, expected, expect.get("dirty_is").is_some()) {
            let came: Vec<&Value> = parts.iter().map(|region| &region[field(key)]).collect();
            wrong.push(format!("{name}, {key}: expected {expected}, came {came:?}"));
        }
    }
    wrong
}

/// The field of the report that a key of the program's is about.
fn field(key: &str) -> &str {
    match key {
        "detail_has" => "detail",
        "flags_have" => "vm_flags",
        "max_lacks" => "max_protection",
        "dirty_is" => "dirty",
        other => other,
    }
}

/// Whether the parts of a region are together what the program says. A report may split a mapping at its guards.
fn is_so(parts: &[&Value], key: &str, expected: &Value, is_dirty_at_most: bool) -> bool {
    let is_guard = |part: &Value| {
        let kind = part["type"].as_str().unwrap_or_default().to_lowercase();
        parts.len() > 1 && kind.contains("guard")
    };
    let word = expected.as_str().unwrap_or_default();
    let mut texts = parts
        .iter()
        .map(|part| part[field(key)].as_str().unwrap_or_default());
    let sum = || parts.iter().map(|part| part[key].as_u64()).sum::<Option<u64>>();
    match key {
        "detail_has" => texts.all(|text| text.contains(word)),
        "max_lacks" => texts.all(|text| text.len() == 3 && !text.contains(word)),
        "flags_have" => parts.iter().all(|part| {
            let flags = part["vm_flags"].as_array();
            flags.is_some_and(|flags| flags.contains(expected))
        }),
        "dirty_is" => true,
        "dirty" if is_dirty_at_most => sum().is_some_and(|dirty| Some(dirty) <= expected.as_u64()),
        _ if expected.is_u64() => sum() == expected.as_u64(),
        _ => parts.iter().all(|part| is_guard(part) || part[key] == *expected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report() -> Value {
        json!({"regions": [
            {"start": "0x1000", "end": "0x3000", "size": 8192, "type": "Stack", "resident": 4096, "dirty": 4096, "share_mode": "PRV",
             "detail": "[stack]", "vm_flags": ["rd", "lo"], "max_protection": "r-x"},
            {"start": "0x3000", "end": "0x4000", "size": 4096, "type": "STACK GUARD", "resident": 0, "dirty": null, "share_mode": "NUL"},
        ]})
    }

    #[test]
    fn what_is_right_is_not_complained_about() {
        let region = json!({"region": "x", "start": "0x1000", "end": "0x4000", "expect": {"resident": 4096, "share_mode": "PRV"}});
        assert_eq!(differences(&region, &report()), Vec::<String>::new());
        let inside = json!({"inside": "x", "at": "0x1fff", "expect": {
            "type": "Stack", "detail_has": "stack", "flags_have": "lo", "max_lacks": "w", "dirty": 8192, "dirty_is": "at most"}});
        assert_eq!(differences(&inside, &report()), Vec::<String>::new());
        let sums = json!({"sums": {"resident": 4096}});
        assert_eq!(differences(&sums, &report()), Vec::<String>::new());
    }

    #[test]
    fn each_difference_is_told() {
        let expect = json!({"resident": 1, "share_mode": "COW", "dirty": 4096});
        let region = json!({"region": "x", "start": "0x1000", "end": "0x4000", "expect": expect});
        let wrong = differences(&region, &report());
        // Unknown (null) is not 0: the sum of dirty is not known.
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        let hole = json!({"region": "x", "start": "0x1000", "end": "0x5000", "expect": {}});
        assert_eq!(differences(&hole, &report()).len(), 1);
        let inside = json!({"inside": "x", "at": "0x1000", "expect": {"detail_has": "heap", "flags_have": "hg", "max_lacks": "x"}});
        assert_eq!(differences(&inside, &report()).len(), 3);
        assert_eq!(differences(&json!({"sums": {"dirty": 0}}), &report()).len(), 1);
    }
}
