//! The programs on live processes of this host, checked against the kernel's own sums.

use observe::Snapshot;
use procfs::{DirRoot, Root, SmapsRollup};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

fn vmmap(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_vmmap"))
        .args(args)
        .output()
        .expect("the child lives and vmmap prints UTF-8");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("the child lives and vmmap prints UTF-8")
}

/// A child that is ended whatever happens to the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Wait for what is sure to come; a host so busy that it takes a minute fails the test.
fn wait_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the child does not come to the state that is waited for"
        );
        std::thread::yield_now();
    }
}

/// A child that stands still: its figures cannot change while they are compared.
fn stopped_child() -> Ended {
    let child = Ended(
        Command::new("sleep")
            .arg("1000")
            .spawn()
            .expect("the child lives and vmmap prints UTF-8"),
    );
    let pid = child.0.id();
    let stat = |field: usize| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .expect("the child lives and vmmap prints UTF-8");
        stat.rsplit(") ")
            .next()
            .expect("the child lives and vmmap prints UTF-8")
            .split(' ')
            .nth(field)
            .expect("the child lives and vmmap prints UTF-8")
            .to_owned()
    };
    // It must have become `sleep` and gone to sleep before it is stopped.
    let comm = || std::fs::read_to_string(format!("/proc/{pid}/comm")).expect("the child lives");
    wait_until(|| comm() == "sleep\n" && stat(0) == "S");
    kill_process(Pid::from_child(&child.0), Signal::STOP).expect("the child lives");
    wait_until(|| stat(0) == "T");
    child
}

/// The report between two equal readings of the kernel's sums. The child stands still, but Pss is also the business of
/// every other process that maps its libraries, and those come and go. So does `vmmap`, which is why the report is made here,
/// by what `vmmap --json` calls.
fn report_of_a_quiet_moment(pid: &str) -> (serde_json::Value, SmapsRollup) {
    let root: &dyn Root = &DirRoot::host();
    let number = pid.parse().expect("a process id");
    let rollup = || -> SmapsRollup {
        let path = format!("{pid}/smaps_rollup");
        root.parse(&path).expect("the child lives")
    };
    let report = || {
        let snapshot = Snapshot::take(root, number).expect("the child lives");
        let mut text = Vec::new();
        observe::json::write(&snapshot, &mut text).expect("memory takes it");
        serde_json::from_slice(&text).expect("the report is JSON")
    };
    let start = Instant::now();
    loop {
        let before = rollup();
        let report = report();
        if before == rollup() {
            return (report, before);
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the host is never quiet"
        );
    }
}

#[test]
fn the_sum_of_regions_is_the_kernels_rollup() {
    let child = stopped_child();
    let (json, rollup) = report_of_a_quiet_moment(&child.0.id().to_string());
    let sum = |field: &str| {
        let regions = json["regions"].as_array().unwrap();
        regions.iter().map(|r| r[field].as_u64().unwrap()).sum::<u64>()
    };
    let counts = rollup.counts;
    assert_eq!(sum("resident"), counts.rss.unwrap().bytes());
    assert_eq!(sum("anonymous"), counts.anonymous.unwrap().bytes());
    assert_eq!(sum("swap"), counts.swap.unwrap().bytes());
    assert_eq!(sum("resident"), json["total"]["resident"].as_u64().unwrap());
    // Pss is rounded down to 1 KiB in each mapping, in the rollup once.
    let (pss, rolled) = (sum("pss"), counts.pss.unwrap().bytes());
    let regions = json["regions"].as_array().unwrap().len() as u64;
    assert!(pss <= rolled && rolled <= pss + 1024 * regions, "{pss} {rolled}");
    assert_eq!(json["process"]["state"], "T");
    assert_eq!(json["changed_while_reading"], false);
}

#[test]
fn the_report_names_the_program_and_its_segments() {
    let child = stopped_child();
    let report = vmmap(&[&child.0.id().to_string()]);
    let exe = std::fs::read_link(format!("/proc/{}/exe", child.0.id())).unwrap();
    for part in [
        "Process:          sleep [",
        "VM page size: ",
        "(stopped)",
        "\ntext ",
        "\nrelro ",
        "[heap]",
        "[stack]",
        "\nTOTAL ",
    ] {
        assert!(report.contains(part), "no {part:?} in\n{report}");
    }
    assert!(report.contains(&format!("Path:             {}", exe.display())));
    assert!(!report.contains('\x1b'), "colours in a pipe");
    let page = rustix::param::page_size();
    assert!(report.contains(&format!("VM page size: {page} bytes")));
}

#[test]
fn it_can_read_this_very_process_and_one_address() {
    let own = std::process::id().to_string();
    let here = Box::new(42_u64);
    let address = format!("{:p}", &raw const *here);
    let report = vmmap(&[&own, &address]);
    assert!(report.contains("--> "), "{report}");
    assert!(
        report.contains("Its page at 0x") && report.contains("present"),
        "{report}"
    );
    assert!(vmmap(&["-summary", &own]).contains("==== Summary for process"));
}
