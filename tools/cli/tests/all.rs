//! `vmmap --all` on this host, a saved folder and machines: the figures hold together, and real parsers read the outputs.

use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../procfs/tests/fixtures");

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vmmap"))
        .args(args)
        .current_dir(FIXTURES)
        .output()
        .expect("vmmap runs")
}

fn vmmap(args: &[&str]) -> String {
    let output = run(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    String::from_utf8(output.stdout).expect("vmmap prints UTF-8")
}

fn host() -> Value {
    serde_json::from_str(&vmmap(&["--all", "--json"])).expect("it is JSON")
}

#[test]
fn on_this_host_the_figures_hold_together() {
    let json = host();
    assert_eq!(json["schema"], "pagewalk.system/1");
    let system = &json["systems"][0];
    let processes = system["processes"].as_array().unwrap();
    let sum = |field: &str| processes.iter().filter_map(|p| p[field].as_u64()).sum::<u64>();
    let total = system["memory"]["total"].as_u64().unwrap();
    assert!(sum("pss") <= total, "shares are real memory");
    assert_eq!(system["total"]["pss"].as_u64().unwrap(), sum("pss"));
    assert_eq!(system["total"]["footprint"].as_u64().unwrap(), sum("footprint"));
    let parts = system["memory"]["parts"].as_object().unwrap();
    let parts: i64 = parts.values().filter_map(Value::as_i64).sum();
    assert_eq!(u64::try_from(parts).unwrap(), total, "the parts are MemTotal");

    let pid = std::process::id();
    let own = processes
        .iter()
        .find(|p| p["pid"] == pid)
        .expect("this process is in the list");
    let exe = std::env::current_exe().unwrap();
    assert_eq!(own["program"], exe.to_str().unwrap());
    assert_eq!(
        (&own["source"], &own["not_read"]),
        (&"smaps_rollup".into(), &Value::Null)
    );
    let figure = |name: &str| own[name].as_u64().unwrap();
    assert!(figure("uss") <= figure("pss") && figure("pss") <= figure("rss"));
    assert!(figure("footprint") > 0 && figure("page_tables") > 0);
    assert!(figure("pss_anon") + figure("pss_file") + figure("pss_shmem") <= figure("pss"));
    // No kernel thread is there.
    let kthreadd = std::fs::read_to_string("/proc/2/comm").unwrap_or_default();
    assert!(kthreadd != "kthreadd\n" || processes.iter().all(|p| p["pid"] != 2));
}

#[test]
fn meminfo_is_reproduced() {
    let line = |name: &str| -> Option<u64> {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find(|l| l.starts_with(name))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let json = host();
    let memory = &json["systems"][0]["memory"];
    assert_eq!(
        memory["total"].as_u64().unwrap(),
        line("MemTotal:").unwrap() * 1024
    );
    // Each of these moves by little between two readings; a wrong line would be off by far.
    let total = memory["total"].as_u64().unwrap();
    let parts = &memory["parts"];
    let sum = |keys: &[&str]| keys.iter().filter_map(|k| parts[*k].as_i64()).sum::<i64>();
    let near = |keys: &[&str], kib: u64| {
        let difference = sum(keys).abs_diff(i64::try_from(kib * 1024).unwrap());
        assert!(difference < total / 4, "{keys:?} is off by {difference}");
    };
    near(&["free"], line("MemFree:").unwrap());
    near(
        &["processes_anonymous", "anonymous_elsewhere"],
        line("AnonPages:").unwrap(),
    );
    near(
        &["processes_shared_memory", "shared_memory_elsewhere"],
        line("Shmem:").unwrap(),
    );
    near(
        &["slab_reclaimable", "slab_unreclaimable"],
        line("Slab:").unwrap(),
    );
}

#[test]
fn csv_json_lines_and_groups_agree() {
    let csv = vmmap(&["--all", "--csv", "--group", "user", "--top", "3"]);
    let header = csv.lines().next().unwrap();
    assert!(header.starts_with("taken_ms,machine,by,group,processes,processes_not_read,footprint,"));
    let lines = vmmap(&["--all", "--json-lines", "--group", "user", "--top", "3"]);
    assert_eq!(lines.lines().count(), csv.lines().count() - 1);
    for line in lines.lines() {
        let group: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&group["schema"], &group["by"]),
            (&"pagewalk.system/1".into(), &"user".into())
        );
    }
    for by in ["program", "cgroup", "container", "user"] {
        assert!(vmmap(&["--all", "--group", by]).contains("\nPROCESSES FOOTPRINT"));
    }
    let text = vmmap(&["--all", "--sort", "pid"]);
    assert!(
        text.contains(" of memory went\n") && !text.contains('\x1b'),
        "{text}"
    );
}

#[test]
fn one_process_as_csv_has_a_row_for_each_region() {
    let csv = vmmap(&["--root", "arm64-16k", "--csv", "7"]);
    let json: Value = serde_json::from_str(&vmmap(&["--root", "arm64-16k", "--json", "7"])).unwrap();
    let regions = json["regions"].as_array().unwrap();
    assert_eq!(csv.lines().count(), regions.len() + 1);
    assert!(csv.starts_with("type,start,end,size,resident,dirty,swap,volatile,pss,uss,"));
    for (row, region) in csv.lines().skip(1).zip(regions) {
        let fields: Vec<&str> = row.split(',').collect();
        assert_eq!(fields[1], region["start"].as_str().unwrap());
        assert_eq!(fields[4].parse::<u64>().ok(), region["resident"].as_u64());
        assert_eq!(fields[9].parse::<u64>().ok(), region["uss"].as_u64());
    }
}

#[test]
fn a_saved_folder_has_its_own_memory() {
    let json: Value = serde_json::from_str(&vmmap(&["--root", "arm64-16k", "--all", "--json"])).unwrap();
    let system = &json["systems"][0];
    assert_eq!(system["memory"]["total"], 3_970_000_u64 * 1024);
    assert_eq!(
        (&system["root"], &system["kernel_threads"]),
        (&"arm64-16k".into(), &1.into())
    );
    let worker = system["processes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["pid"] == 7);
    assert!(worker.unwrap()["footprint"].as_u64().unwrap() > 0);
}

#[test]
fn wrong_command_lines_are_refused() {
    for args in [
        &["--all", "1"] as &[&str],
        &["--group", "user", "1"],
        &["--openmetrics", "1"],
        &["--all", "--json", "--csv"],
        &["--all", "--group", "colour"],
        &[],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
    assert_eq!(run(&["--all", "--root", "missing"]).status.code(), Some(1));
}

/// A machine that is ended whatever happens to the test.
struct Machine(Child);

impl Machine {
    fn start(runtime: &Path, ram: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pagewalk"));
        command
            .args(["run", "--ram", ram, "beep"])
            .env("XDG_RUNTIME_DIR", runtime);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().expect("pagewalk starts"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `pagewalk vmmap --all --json` once so many machines each have a process.
fn machines(runtime: &Path, number: usize) -> Value {
    let start = Instant::now();
    loop {
        let output = Command::new(env!("CARGO_BIN_EXE_pagewalk"))
            .args(["vmmap", "--all", "--json"])
            .env("XDG_RUNTIME_DIR", runtime)
            .output()
            .expect("pagewalk runs");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let systems = json["systems"].as_array().map_or(&[] as &[Value], Vec::as_slice);
        let is_up = |system: &Value| {
            system["processes"]
                .as_array()
                .is_some_and(|list| !list.is_empty())
        };
        if systems.len() == number && systems.iter().all(is_up) {
            return json;
        }
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "the machines do not come up: {json}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn each_machine_has_its_own_ram_and_processes() {
    let runtime = tempfile::tempdir().unwrap();
    let small = Machine::start(runtime.path(), "64m");
    let large = Machine::start(runtime.path(), "128m");
    let json = machines(runtime.path(), 2);
    for (machine, ram) in [(&small, 64_i64 << 20), (&large, 128 << 20)] {
        let systems = json["systems"].as_array().unwrap();
        let system = systems.iter().find(|s| s["machine"] == machine.0.id()).unwrap();
        let total = system["memory"]["total"].as_i64().unwrap();
        // The kernel half keeps a little of it for itself.
        assert!(total <= ram && total > ram - (8 << 20), "{total} of {ram}");
        let parts = system["memory"]["parts"].as_object().unwrap();
        assert_eq!(parts.values().filter_map(Value::as_i64).sum::<i64>(), total);
        let beep = &system["processes"][0];
        assert_eq!(
            (&beep["name"], &beep["source"]),
            (&"beep".into(), &"smaps_rollup".into())
        );
        assert_eq!(beep["machine"], machine.0.id());
        assert!(beep["footprint"].as_i64().unwrap() > 0 && beep["pss"].as_i64().unwrap() <= total);
    }
}

/// Reads OpenMetrics from standard input with the reference parser; 77 if that is not installed.
const PARSER: &str = "
import sys
try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
except ImportError:
    sys.exit(77)
families = list(parse(sys.stdin.read()))
assert families and all(f.type == 'gauge' for f in families), families
print(sum(len(f.samples) for f in families))
";

/// A Python with `prometheus_client`: the one of PROMETHEUS_PYTHON, the system's, or a new environment in `folder`.
fn python(folder: &Path) -> Result<String, &'static str> {
    let has_parser = |python: &str| {
        let mut command = Command::new(python);
        command.args(["-c", "import prometheus_client.openmetrics.parser"]);
        command
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let given = std::env::var("PROMETHEUS_PYTHON").unwrap_or_else(|_| "python3".into());
    if has_parser(&given) {
        return Ok(given);
    }
    let succeeds = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let place = folder
        .to_str()
        .ok_or("the temporary folder has no printable name")?;
    if !succeeds("python3", &["-m", "venv", place]) {
        return Err("python3 cannot make a virtual environment here");
    }
    let python = format!("{place}/bin/python");
    let install = [
        "-m",
        "pip",
        "install",
        "-q",
        "--retries",
        "0",
        "--timeout",
        "10",
        "prometheus-client",
    ];
    if succeeds(&python, &install) && has_parser(&python) {
        Ok(python)
    } else {
        Err("prometheus-client cannot be installed here")
    }
}

#[test]
fn prometheus_own_parser_reads_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let python = match python(folder.path()) {
        Ok(python) => python,
        Err(why) => return println!("skipped: {why}"),
    };
    for args in [
        &["--all", "--openmetrics"] as &[&str],
        &["--all", "--openmetrics", "--group", "program"],
        &["--all", "--openmetrics", "--root", "arm64-16k"],
    ] {
        let metrics = vmmap(args);
        let mut parser = Command::new(&python)
            .args(["-c", PARSER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let mut input = parser.stdin.take().expect("it is piped");
        input.write_all(metrics.as_bytes()).expect("python reads");
        drop(input);
        let output = parser.wait_with_output().expect("python ends");
        assert!(output.status.success(), "refused:\n{metrics}");
        let samples = metrics.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            samples.to_string()
        );
    }
}
