//! Traces of memory: two runs with one seed write the same bytes; every line and every packet is what docs/trace.md says; the
//! events agree with the counters; a file that fails is told of once.

mod packets;

use std::collections::BTreeMap;
use std::path::Path;

use arch::{Bytes, Granule};
use machine::trace::{Format, Recorder};
use machine::{Config, Machine, Message};
use process::{Exit, Spawn};
use serde_json::Value;

/// Runs the guest `pressure` with too little RAM, traced to `path`.
fn traced(mode: &str, path: &Path, format: Format, window: Option<u64>) -> (Machine, Vec<String>) {
    let elf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/elf/pressure");
    let config = Config {
        granule: Granule::K16,
        ram: Bytes::new(112 * Granule::K16.bytes()),
        policy: policy::Name::Clock,
        swap: machine::Swap {
            size: Bytes::new(64 << 20),
            ..machine::Swap::default()
        },
        kernel: process::Config {
            seed: Some(1),
            first_pid: 100,
            record_events: true,
            ..process::Config::default()
        },
        program: Spawn {
            path: elf.to_str().expect("a plain path").into(),
            args: vec![b"pressure".to_vec(), mode.into(), b"quiet".to_vec()],
            env: Vec::new(),
            working: b"/".to_vec(),
        },
        serve: false,
        debug: None,
    };
    let mut machine = Machine::new(config).expect("a machine");
    let recorder = Recorder::create(path, format).expect("a file");
    machine.record(match window {
        Some(window) => recorder.references(window),
        None => recorder,
    });
    let mut news = Vec::new();
    let exit = machine.run(|message| {
        if let Message::Trace(line) = message {
            news.push(line);
        }
    });
    assert_eq!(exit.expect("an end"), Exit::Code(0));
    (machine, news)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the trace");
    assert!(text.ends_with('\n'));
    let line = |line| serde_json::from_str(line).expect("each line is one JSON object");
    text.lines().map(line).collect()
}

/// Events by name.
fn counts(events: &[Value]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts
            .entry(event["event"].as_str().expect("a name"))
            .or_default() += 1;
    }
    counts
}

fn all_with(events: &[Value], name: &str, field: &str, value: &Value) -> u64 {
    let of = |event: &&Value| event["event"] == name && &event[field] == value;
    events.iter().filter(of).count() as u64
}

#[test]
fn two_runs_with_one_seed_write_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    for (format, window) in [(Format::JsonLines, Some(5_000)), (Format::Perfetto, None)] {
        traced("fork", &first, format, window);
        traced("fork", &second, format, window);
        let [one, two] = [&first, &second].map(|path| std::fs::read(path).expect("the trace"));
        assert!(one == two, "{format:?} differs");
        assert!(one.len() > 10_000);
    }
}

#[test]
fn lines_say_what_the_counters_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let (machine, news) = traced("fork", &path, Format::JsonLines, None);
    assert!(news.is_empty());
    let mut events = lines(&path);
    let header = events.remove(0);
    assert_eq!(header["schema"], "pagewalk.trace/1");
    assert_eq!(header["page_size"], 16384);
    assert_eq!(header["seed"], 1);
    let counters = machine.kernel().memory().counters();
    let counts = counts(&events);
    assert_eq!(counts["fault"], counters.pgfault - counters.violations);
    assert_eq!(
        all_with(&events, "fault", "major", &true.into()),
        counters.pgmajfault
    );
    assert_eq!(counts["copy"], counters.cow_copies);
    assert_eq!(counts["swap_read"], counters.pswpin);
    assert_eq!(
        all_with(&events, "swap_read", "ahead", &true.into()),
        counters.swap_ra
    );
    assert_eq!(counts["swap_write"], counters.pswpout);
    assert_eq!(
        all_with(&events, "evict", "how", &"swapped".into()),
        counters.pswpout
    );
    assert_eq!(
        all_with(&events, "evict", "how", &"clean".into()),
        counters.swap_clean
    );
    assert_eq!(counts["fork"], 2);
    assert_eq!(counts["exec"], 1);
    assert_eq!(counts["exit"], 3);
    assert!(counts["map"] > 2 && counts["unmap"] > 2 && counts["zero_fill"] > 100);
    for kind in mm::FaultKind::ALL {
        let name = machine::stats::fault_name(kind);
        assert_eq!(
            all_with(&events, "fault", "kind", &name.into()),
            counters.faults(kind),
            "{name}"
        );
    }
    let ends = machine
        .stats()
        .get("instructions", "retired")
        .expect("it is counted");
    let mut last = 0;
    for event in &events {
        let n = event["n"].as_u64().expect("a count");
        assert!(last <= n && n <= ends, "instructions only rise");
        last = n;
        if let Some(address) = event.get("address") {
            let digits = address
                .as_str()
                .expect("a string")
                .strip_prefix("0x")
                .expect("hexadecimal");
            let address = u64::from_str_radix(digits, 16).expect("hexadecimal");
            assert!(event["owner"].is_u64() && address < Granule::K16.user_end());
        }
        if event["event"] == "fault" {
            assert!(event["state"].is_string(), "{event}");
        }
    }
}

/// Every reference is in a mapping's page, and each page that was filled is one that was used.
#[test]
fn references_name_the_pages_that_the_program_touches() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let (plain, _) = traced("walk", &path, Format::JsonLines, None);
    let (watched, _) = traced("walk", &path, Format::JsonLines, Some(500));
    let figures = |machine: &Machine| *machine.kernel().memory().counters();
    assert_eq!(
        figures(&plain).pgfault,
        figures(&watched).pgfault,
        "being watched changes nothing for the program"
    );
    let mut events = lines(&path);
    assert_eq!(events.remove(0)["reference_window"], 500);
    let page = |event: &Value| {
        let text = event["address"].as_str().and_then(|text| text.strip_prefix("0x"));
        u64::from_str_radix(text.expect("an address"), 16).expect("hexadecimal") >> Granule::K16.shift()
    };
    let pages = |name: &str| -> std::collections::BTreeSet<u64> {
        events
            .iter()
            .filter(|event| event["event"] == name)
            .map(page)
            .collect()
    };
    let used = pages("use");
    let faulted = pages("fault");
    assert!(used.len() >= 160, "{} pages", used.len());
    let by_program = |at: &u64| {
        let first = events
            .iter()
            .find(|event| event["event"] == "fault" && page(event) == *at);
        first.is_some_and(|event| event.get("pc").is_some())
    };
    assert!(
        faulted
            .iter()
            .filter(|at| by_program(at))
            .all(|at| used.contains(at))
    );
}

#[test]
fn perfetto_has_the_same_events_as_the_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace");
    traced("fork", &path, Format::JsonLines, None);
    let events = lines(&path);
    traced("fork", &path, Format::Perfetto, None);
    let trace = packets::read(&std::fs::read(&path).expect("the trace"));
    assert_eq!(trace.tracks[&101], (100, "pressure".to_owned()));
    assert!(
        trace.tracks.values().any(|(pid, _)| *pid == 102),
        "the grandchild has a track"
    );
    assert_eq!(trace.events.len(), events.len() - 1);
    for (ours, line) in trace.events.iter().zip(&events[1..]) {
        assert_eq!(ours.name, line["event"].as_str().expect("a name"));
        assert_eq!(ours.timestamp, line["n"].as_u64().expect("a count"));
        assert_eq!(
            trace.tracks[&ours.track].0,
            line["pid"].as_u64().expect("a number")
        );
        let fields = line.as_object().expect("an object");
        let told: Vec<_> = fields
            .iter()
            .filter(|(key, _)| !["event", "n", "pid"].contains(&key.as_str()))
            .collect();
        assert_eq!(ours.fields.len(), told.len(), "{line}");
        for (key, value) in told {
            assert_eq!(&ours.fields[key], value, "{line}");
        }
    }
}

/// A full disk is told of once and the program goes on; a file that cannot be made is an error with its path.
#[test]
fn a_file_that_fails_is_told_of_once() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        println!("skipped: this host has no /dev/full");
        return;
    }
    let (_, news) = traced("walk", full, Format::JsonLines, Some(100));
    assert_eq!(news.len(), 1, "{news:?}");
    assert!(
        news[0].contains("/dev/full") && news[0].contains("No space left"),
        "{}",
        news[0]
    );
    let missing = Recorder::create(Path::new("/nonexistent/trace"), Format::Perfetto);
    let error = missing.expect_err("no such folder").to_string();
    assert!(error.contains("/nonexistent/trace"), "{error}");
}
