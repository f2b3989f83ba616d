//! The report on a process that has memory of every sort, against what the process itself did: a C program with threads, arenas, a
//! forked child, shared and advised memory and loaded libraries (`tests/truth/truth.c`), which says what it did and stops.

#[path = "truth/harness.rs"]
mod harness;

use harness::{Subject, json_of, number, report};
use observe::{Figure, Figures, Snapshot};
use procfs::{Counts, DirRoot, Root, SmapsRollup};
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

fn is_region(line: &Value) -> bool {
    line.get("region").is_some()
}

fn is_called(line: &Value, names: &[&str]) -> bool {
    line["region"].as_str().is_some_and(|name| names.contains(&name))
}

/// Facts of a region that have a test of their own.
const RARE: &[&str] = &["droppable", "protection key"];

#[test]
fn every_region_is_what_the_program_made_it() {
    let truth = Subject::truth();
    let wrong = truth.wrong(|line| is_region(line) && !is_called(line, RARE));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of both sides of the fork, for the program says it of both.
#[test]
fn both_sides_of_a_fork_are_copy_on_write() {
    let truth = Subject::truth();
    let names = [
        "dirtied, then forked",
        "dirtied, forked, partly written by the child",
    ];
    for name in names {
        let sides: Vec<_> = truth.lines.iter().filter(|line| line["region"] == name).collect();
        assert_eq!(sides.len(), 2, "{name}");
        assert!(sides.iter().all(|side| side["expect"]["share_mode"] == "COW"));
    }
    let wrong = truth.wrong(|line| is_called(line, &names));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn droppable_memory_is_volatile() {
    let truth = Subject::truth();
    if truth.line("droppable").is_some() {
        let wrong = truth.wrong(|line| is_called(line, &["droppable"]));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn protection_keys_are_reported() {
    let truth = Subject::truth();
    if truth.line("protection key").is_some() {
        let wrong = truth.wrong(|line| is_called(line, &["protection key"]));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn the_text_report_has_the_same_columns() {
    let truth = Subject::truth();
    let wrong = truth.wrong_in_text(|line| !is_called(line, RARE));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Swap to page out to, for as long as this lives: what the machine has, or a file, if this user may.
struct SwapFile(Option<tempfile::TempDir>);

impl SwapFile {
    fn on() -> Self {
        let is_there = fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("swap");
        let runs = |program: &str| {
            Command::new(program)
                .arg(&file)
                .output()
                .is_ok_and(|done| done.status.success())
        };
        let is_made = !is_there
            && rustix::process::geteuid().is_root()
            && fs::write(&file, vec![0; 8 << 20]).is_ok()
            && runs("mkswap")
            && runs("swapon");
        Self(is_made.then_some(folder))
    }
}

impl Drop for SwapFile {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            let _ = Command::new("swapoff").arg(folder.path().join("swap")).status();
        }
    }
}

#[test]
fn swapped_pages_are_counted() {
    // Dropped last: no other subject lives while swap comes and goes.
    let _alone = harness::SWAPPING.write().unwrap_or_else(PoisonError::into_inner);
    let _swap = SwapFile::on();
    let truth = Subject::truth_with_swap();
    let swapped = truth
        .line("paged out")
        .and_then(|line| line["expect"]["swap"].as_u64());
    if swapped == Some(0) {
        println!("no page could be swapped out here: checked is that none is reported");
    }
    let wrong = truth.wrong(|line| is_called(line, &["paged out"]));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(json_of(truth.pid())["total"]["swap"].as_u64() >= swapped);
}

fn is_inside(line: &Value) -> bool {
    line.get("inside").is_some()
}

/// The line without what it says of sections.
fn without_sections(truth: &mut Subject) {
    for expect in truth
        .lines
        .iter_mut()
        .filter_map(|line| line["expect"].as_object_mut())
    {
        expect.remove("section");
    }
}

/// Also of a library that was deleted, and of one in whose place another file is now.
#[test]
fn elf_files_are_named_down_to_segments() {
    let mut truth = Subject::truth();
    without_sections(&mut truth);
    let wrong = truth.wrong(is_inside);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn elf_files_are_named_down_to_sections() {
    let truth = Subject::truth();
    let wrong = truth.wrong(is_inside);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let text = report(&["-v", &truth.pid().to_string()]);
    for section in [".text", ".rodata", ".data.rel.ro", ".data", ".bss"] {
        assert!(text.contains(section), "{section} is not in\n{text}");
    }
}

#[test]
fn threads_are_named_with_their_stacks() {
    let truth = Subject::truth();
    let mut wrong = Vec::new();
    let report = json_of(truth.pid());
    let threads = report["threads"].as_array().expect("the report has threads");
    let said: Vec<&Value> = truth
        .lines
        .iter()
        .filter(|line| line.get("thread").is_some())
        .collect();
    assert!(said.len() >= 3);
    assert_eq!(
        threads.len(),
        said.len() + 1,
        "the threads and the main one: {threads:?}"
    );
    for line in said {
        let name = &line["thread"];
        let Some(thread) = threads.iter().find(|thread| thread["tid"] == line["tid"]) else {
            wrong.push(format!("{name}: not reported"));
            continue;
        };
        let stack = &thread["stack"];
        let pairs = [
            (name, &thread["name"]),
            (&Value::from("T"), &thread["state"]),
            (&line["stack_start"], &stack["start"]),
            (&line["stack_end"], &stack["end"]),
            (&line["guard_size"], &stack["guard_size"]),
        ];
        for (expected, came) in pairs.into_iter().filter(|(expected, came)| expected != came) {
            wrong.push(format!("{name}: expected {expected}, came {came} in {thread}"));
        }
        let [least, most] = ["high_water_at_least", "high_water_at_most"].map(|key| line[key].as_u64());
        let high_water = stack["high_water"].as_u64();
        if high_water < least || high_water > most {
            wrong.push(format!(
                "{name}: high water {high_water:?} is not in {least:?}..={most:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each stack of a thread is a region, or with others a part of one, of type Stack; its guard is no part of it.
#[test]
fn regions_of_stacks_say_whose_they_are() {
    let truth = Subject::truth();
    let report = json_of(truth.pid());
    let regions = report["regions"].as_array().expect("the report has regions");
    let text = harness::report(&["-v", &truth.pid().to_string()]);
    let mut wrong = Vec::new();
    for line in truth.lines.iter().filter(|line| line.get("thread").is_some()) {
        let name = &line["thread"];
        let (start, end) = (number(&line["stack_start"]), number(&line["stack_end"]));
        let holder = |at: u64| {
            regions
                .iter()
                .find(|r| number(&r["start"]) <= at && at < number(&r["end"]))
        };
        let Some(region) = holder(end - 1) else {
            wrong.push(format!("{name}: no region holds its stack"));
            continue;
        };
        if region["type"] != "Stack" || region["is_guess"] != false {
            wrong.push(format!(
                "{name}: its stack is {} (a guess: {})",
                region["type"], region["is_guess"]
            ));
        }
        if !text
            .lines()
            .any(|row| row.contains("Stack") && row.contains(name.as_str().unwrap_or("?")))
        {
            wrong.push(format!(
                "{name}: no line of the text report names it beside a stack"
            ));
        }
        if line["is_merged"] == false {
            let thread = &region["thread"];
            let pairs = [
                (&line["tid"], &thread["tid"]),
                (name, &thread["name"]),
                (&Value::from(end - start), &thread["stack_size"]),
                (&line["guard_size"], &thread["guard_size"]),
            ];
            for (expected, came) in pairs.into_iter().filter(|(expected, came)| expected != came) {
                wrong.push(format!("{name}: expected {expected}, came {came} in {region}"));
            }
            let guard = holder(start - 1);
            if guard.is_none_or(|g| {
                g["type"] != "STACK GUARD" || g["is_guess"] != false || g["size"] != line["guard_size"]
            }) {
                wrong.push(format!("{name}: below its stack is {guard:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `bytes in use` of each arena in malloc_stats(3).
fn arenas_in_use(stats: &str) -> Vec<(u64, u64)> {
    let figure = |line: &str, what: &str| -> Option<u64> {
        line.strip_prefix(what)?
            .trim_start_matches([' ', '='])
            .parse()
            .ok()
    };
    let lines: Vec<&str> = stats
        .lines()
        .take_while(|line| !line.starts_with("Total"))
        .collect();
    let system = lines.iter().filter_map(|line| figure(line, "system bytes"));
    system
        .zip(lines.iter().filter_map(|line| figure(line, "in use bytes")))
        .collect()
}

#[test]
fn malloc_zones_are_as_malloc_stats_says_to_the_byte() {
    let truth = Subject::truth();
    let mut expected = arenas_in_use(&truth.said());
    assert!(
        expected.len() >= 4,
        "the main arena and one for each thread: {}",
        truth.said()
    );
    let report = json_of(truth.pid());
    let zones = report["malloc_zones"]
        .as_array()
        .expect("the report has malloc_zones");
    let mut came: Vec<(u64, u64)> = Vec::new();
    for zone in zones.iter().filter(|zone| zone["bytes_in_use_by_glibc"].is_u64()) {
        let figure = |key: &str| {
            zone[key]
                .as_u64()
                .unwrap_or_else(|| panic!("{key} is not known: {zone}"))
        };
        let (in_use, allocated) = (figure("bytes_in_use_by_glibc"), figure("bytes_allocated"));
        // glibc counts what lies in the thread caches as used.
        assert!(allocated <= in_use, "{zone}");
        assert!(
            figure("allocation_count") > 0 && figure("resident") >= figure("dirty"),
            "{zone}"
        );
        assert!(
            figure("virtual") >= figure("resident") && figure("trimmable") <= figure("resident"),
            "{zone}"
        );
        came.push((figure("virtual"), in_use));
    }
    let in_use = |arenas: &[(u64, u64)]| {
        let mut bytes: Vec<u64> = arenas.iter().map(|arena| arena.1).collect();
        bytes.sort_unstable();
        bytes
    };
    // A zone of blocks with mappings of their own may be there too: malloc_stats lists arenas only.
    came.retain(|zone| expected.iter().any(|arena| arena.1 == zone.1));
    expected.sort_unstable();
    assert_eq!(in_use(&came), in_use(&expected), "{zones:?}");
    let text = harness::report(&[&truth.pid().to_string()]);
    assert!(text.contains("MALLOC ZONE"), "{text}");
}

/// Each block that `truth` and its threads got a mapping of its own for is counted, though neighbours merge.
#[test]
fn blocks_with_mappings_of_their_own_are_counted() {
    let truth = Subject::truth();
    let stats = truth.said();
    let figure = |what: &str| -> u64 {
        let line = stats
            .lines()
            .find(|line| line.starts_with(what))
            .expect("malloc_stats ran");
        line.rsplit(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a number")
    };
    let (blocks, bytes) = (figure("max mmap regions"), figure("max mmap bytes"));
    let report = json_of(truth.pid());
    let zones = report["malloc_zones"]
        .as_array()
        .expect("the report has malloc_zones");
    let is_it = |zone: &&Value| zone["allocation_count"] == blocks && zone["virtual"] == bytes;
    assert_eq!(
        zones.iter().filter(is_it).count(),
        1,
        "{blocks} blocks, {bytes} bytes: {zones:?}"
    );
}

#[test]
fn the_audit_names_what_is_to_be_said() {
    let truth = Subject::truth();
    let report = json_of(truth.pid());
    let audit = report["audit"].as_array().expect("the report has an audit");
    let says = |words: &[&str]| {
        audit.iter().any(|line| {
            let text = line["text"].as_str().unwrap_or_default();
            line["code"].is_string() && words.iter().all(|word| text.contains(word))
        })
    };
    let folder = truth.folder().display().to_string();
    for library in ["libdeleted.so", "libreplaced.so"] {
        assert!(says(&[&format!("{folder}/{library}")]), "{library}: {audit:?}");
    }
    assert!(!says(&["libstays.so"]) && !says(&["kept (deleted)"]), "{audit:?}");
    if let Some(code) = truth.line("writable code") {
        let start = code["start"]
            .as_str()
            .unwrap_or_default()
            .trim_start_matches("0x");
        assert!(says(&[start]), "the rwx region at {start}: {audit:?}");
    }
    let text = harness::report(&[&truth.pid().to_string()]);
    for line in audit {
        let said = line["text"].as_str().expect("an audit line has a text");
        assert!(text.contains(said), "{said} is not in the text report");
    }
}

/// The report between two equal readings of the kernel's sums. The process stands still, but Pss is also the business of every
/// other process that maps its libraries, and those come and go: so does `vmmap`, which is why the snapshot is taken here.
fn snapshot_of_a_quiet_moment(pid: i32) -> (Snapshot, SmapsRollup) {
    let root: &dyn Root = &DirRoot::host();
    let rollup = || -> SmapsRollup {
        root.parse(&format!("{pid}/smaps_rollup"))
            .expect("the subject lives")
    };
    let start = Instant::now();
    loop {
        let before = rollup();
        let snapshot = Snapshot::take(root, pid).expect("the subject lives");
        if before == rollup() {
            return (snapshot, before);
        }
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "the host is never quiet"
        );
    }
}

#[test]
fn every_counter_adds_up_to_the_kernels_rollup() {
    let truth = Subject::truth();
    let (snapshot, rollup) = snapshot_of_a_quiet_moment(truth.pid());
    let regions = snapshot.regions.as_deref().expect("the regions can be read");
    let rolled = Figures::from(&rollup.counts);
    let mut compared = 0;
    for &figure in Figure::KERNEL {
        let summed: Option<u64> = regions
            .iter()
            .map(|region| region.figures.get(figure).map(|kib| kib.0))
            .sum();
        let (name, rolled) = (figure.name(), rolled.get(figure).map(|kib| kib.0));
        let Some((summed, rolled)) = summed.zip(rolled) else {
            assert_eq!(summed, rolled, "{name}: a kernel has it in both files or in none");
            continue;
        };
        // Shares are rounded down to a KiB in each mapping, in the rollup once.
        let is_share = name.contains("pss") || figure == Figure::Locked;
        let slack = if is_share { regions.len() as u64 } else { 0 };
        assert!(
            summed <= rolled && rolled <= summed + slack,
            "{name}: regions {summed}, rollup {rolled}"
        );
        compared += 1;
    }
    assert!(compared >= 12, "{compared} counters");
    assert!(!snapshot.changed_while_reading);
}

/// What the program prints is what the snapshot holds: the same sums through `vmmap --json`, for counters that no other process moves.
#[test]
fn the_json_adds_up_to_the_kernels_rollup() {
    let truth = Subject::truth();
    let root: &dyn Root = &DirRoot::host();
    let rollup = || -> Counts {
        let rollup: SmapsRollup = root
            .parse(&format!("{}/smaps_rollup", truth.pid()))
            .expect("the subject lives");
        rollup.counts
    };
    let before = rollup();
    let report = json_of(truth.pid());
    let after = rollup();
    assert_eq!(
        (before.rss, before.anonymous),
        (after.rss, after.anonymous),
        "the subject stands still"
    );
    let regions = report["regions"].as_array().expect("the report has regions");
    let sum = |key: &str| regions.iter().map(|r| r[key].as_u64()).sum::<Option<u64>>();
    let kernel = Figures::from(&before);
    assert_eq!(sum("resident"), before.rss.map(|kib| kib.bytes()));
    // What no other process can move: not the shares, nor whether a page of a library is mapped elsewhere.
    for figure in [
        Figure::Anonymous,
        Figure::Swap,
        Figure::LazyFree,
        Figure::Ksm,
        Figure::AnonHugePages,
    ] {
        // Those that a report does not have are other tests' business.
        if regions.iter().any(|region| region.get(figure.name()).is_some()) {
            let rolled = kernel.get(figure).map(|kib| kib.bytes());
            assert_eq!(sum(figure.name()), rolled, "{}", figure.name());
        }
    }
    assert!(sum("anonymous").is_some() && sum("swap").is_some());
    for column in ["size", "resident", "dirty", "swap", "volatile", "uss"] {
        assert_eq!(sum(column), report["total"][column].as_u64(), "{column}");
        let types = report["types"].as_array().expect("the report has types");
        let of_types = types.iter().map(|row| row[column].as_u64()).sum::<Option<u64>>();
        assert_eq!(of_types, report["total"][column].as_u64(), "{column}");
    }
}

/// Rss, VmPTE, VmSwap, and minor and major faults.
fn costs(pid: i32) -> (Counts, Vec<String>, [String; 2]) {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the subject lives");
    let root: &dyn Root = &DirRoot::host();
    let rollup: SmapsRollup = root
        .parse(&format!("{pid}/smaps_rollup"))
        .expect("the subject lives");
    let counts = Counts {
        rss: rollup.counts.rss,
        swap: rollup.counts.swap,
        anonymous: rollup.counts.anonymous,
        lazy_free: rollup.counts.lazy_free,
        ..Counts::default()
    };
    let status = read("status");
    let sizes = status
        .lines()
        .filter(|line| ["VmPTE:", "VmSwap:"].iter().any(|key| line.starts_with(key)));
    let stat = read("stat");
    let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    // Fields 10 and 12 of proc_pid_stat(5), of which the third is the first here.
    let faults = [fields.nth(7), fields.nth(1)].map(|field| field.unwrap_or_default().to_owned());
    (counts, sizes.map(str::to_owned).collect(), faults)
}

/// Every way to look at a process leaves it as it was: no page is faulted in, no page table made.
fn is_left_as_it_was(subject: &Subject) {
    let pid = subject.pid();
    let before = costs(pid);
    assert!(
        before.0.rss.is_some() && before.1.len() >= 2 && !before.2[1].is_empty(),
        "{before:?}"
    );
    let word = pid.to_string();
    let untouched = subject.range("untouched").map(|(start, _)| format!("{start:x}"));
    let one_address: Vec<&str> = untouched.iter().map(String::as_str).collect();
    let all = [
        &["-v"][..],
        &["--json"],
        &["-summary"],
        &["-stacks"],
        &["-interleaved", "-pages"],
    ];
    for (options, address) in all
        .into_iter()
        .map(|options| (options, &[][..]))
        .chain([(&[][..], &one_address[..])])
    {
        report(&[options, &[&word], address].concat());
        assert_eq!(costs(pid), before, "after vmmap {options:?} {address:?}");
    }
}

#[test]
fn a_report_leaves_untouched_memory_untouched() {
    is_left_as_it_was(&Subject::trap("untouched"));
}

#[test]
fn a_report_leaves_threads_and_arenas_as_they_were() {
    is_left_as_it_was(&Subject::truth());
}
