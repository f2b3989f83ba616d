//! The whole system from a saved folder of known figures: sums are exact, groups, what cannot be read, names that need care.

mod system_support;

use observe::render::Palette;
use observe::system::{self, Container, GroupBy, SortBy, Source, Style, System, View, Wanted};
use procfs::{DirRoot, Kib, Root, RootError};
use serde_json::Value;
use std::io::{self, Read};
use system_support::{DOCKER_ID, Folder, openmetrics};

fn take(folder: &Folder) -> System {
    System::take(&folder.root(), None, Wanted::all()).expect("the folder can be listed")
}

fn view(group: Option<GroupBy>) -> View {
    View {
        group,
        ..View::default()
    }
}

/// What a writer writes, which is UTF-8.
fn written(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).expect("memory takes it");
    String::from_utf8(bytes).expect("outputs are UTF-8")
}

fn text(systems: &[System], view: &View, width: Option<usize>) -> String {
    let palette = Palette::plain();
    written(|out| system::write_text(systems, view, &Style { width, palette }, out))
}

fn json(systems: &[System], view: &View) -> Value {
    let line = written(|out| system::write_json(systems, view, out));
    assert_eq!(line.lines().count(), 1);
    serde_json::from_str(&line).expect("it is JSON")
}

#[test]
fn sums_are_exact_and_parts_add_up_to_the_total() {
    let folder = Folder::standard();
    let system = take(&folder);
    let usage = |pid: i32| {
        let process = system.processes.iter().find(|p| p.pid == pid).unwrap();
        process.usage
    };
    // anon 1000 + shmem 50 + swap 30 - lazy 20 + hugetlb 2048 + page tables 44.
    assert_eq!(usage(100).footprint, Some(Kib(3152)));
    assert_eq!(
        (usage(100).uss, usage(100).pss),
        (Some(Kib(2988)), Some(Kib(1250)))
    );
    assert_eq!(usage(101).footprint, Some(Kib(400 + 10 + 12)));
    assert!(!usage(100).is_estimated);
    let total = system.total.usage;
    assert_eq!(total.pss, Some(Kib(1250 + 500 + 70)));
    assert_eq!(total.footprint, Some(Kib(3152 + 422 + 60 + 8)));
    let budget = system.memory.as_ref().unwrap();
    let sum: i64 = budget.parts.iter().filter_map(|part| part.kib).sum();
    assert_eq!(sum, 100_000);
    assert_eq!(budget.part("processes_anonymous"), Some(1000 + 400 + 60));
    assert_eq!(budget.part("anonymous_elsewhere"), Some(4000 - 1460));
    assert_eq!(budget.swap.of_processes, Some(Kib(40)));
    let left = system.left_out;
    assert_eq!((left.kernel_threads, left.zombies, left.vanished), (2, 1, 0));
}

#[test]
fn machine_readable_outputs_say_the_same() {
    let systems = [take(&Folder::standard())];
    let json = json(&systems, &View::default());
    assert_eq!(json["schema"], "pagewalk.system/1");
    let out = &json["systems"][0];
    assert_eq!(out["total"]["pss"], 1820 * 1024);
    assert_eq!(out["memory"]["parts"]["free"], 80_000 * 1024);
    assert_eq!(out["memory"]["parts"]["zswap"], Value::Null);
    let processes = out["processes"].as_array().unwrap();
    let pss: u64 = processes.iter().filter_map(|p| p["pss"].as_u64()).sum();
    assert_eq!(pss, 1820 * 1024);

    let lines = written(|out| system::write_json_lines(&systems, &View::default(), out));
    let csv = written(|out| system::write_csv(&systems, &View::default(), out));
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(
        (rows.len(), lines.lines().count()),
        (processes.len(), processes.len())
    );
    for ((row, line), process) in rows.iter().zip(lines.lines()).zip(processes) {
        let line: Value = serde_json::from_str(line).unwrap();
        // Everything but the schema's name, and the same values under the same names.
        assert_eq!(line.as_object().unwrap().len(), header.len() + 1);
        for (name, field) in header.iter().zip(row) {
            let value = &line[name];
            let shown = match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(shown, field, "{name}");
            assert!(name == "taken_ms" || process[name] == *value, "{name}");
        }
    }
}

#[test]
fn processes_are_grouped_by_program_cgroup_container_and_user() {
    let system = take(&Folder::standard());
    let groups = |by: GroupBy| -> Vec<(String, usize, Option<Kib>)> {
        let (groups, cut) = view(Some(by)).groups(by, &system);
        assert_eq!(cut, 0);
        let total: u64 = groups.iter().filter_map(|g| g.usage.pss).map(|kib| kib.0).sum();
        assert_eq!(total, 1820, "groups sum to the whole");
        groups
            .into_iter()
            .map(|g| (g.key, g.processes, g.usage.pss))
            .collect()
    };
    let own = |name: &str| name.to_owned();
    assert_eq!(
        groups(GroupBy::Program),
        [
            (own("/usr/bin/data \"base\",\\x"), 2, Some(Kib(1750))),
            (own("old"), 1, Some(Kib(70))),
            (own("secret"), 1, None),
        ]
    );
    let docker = format!("docker:{DOCKER_ID}");
    assert_eq!(
        groups(GroupBy::Container),
        [
            (docker, 1, Some(Kib(1250))),
            (own("lxc:web"), 1, Some(Kib(500))),
            (own("none"), 2, Some(Kib(70))),
        ]
    );
    assert_eq!(
        groups(GroupBy::User),
        [(own("1000"), 3, Some(Kib(1820))), (own("root"), 1, None)]
    );
    let cgroups = groups(GroupBy::Cgroup);
    assert_eq!(cgroups[3].0, "?", "one has no cgroup file");
    let shown = text(&[system], &view(Some(GroupBy::Container)), None);
    assert!(shown.contains("  docker:0123456789ab\n"), "{shown}");
}

#[test]
fn what_cannot_be_read_is_counted_and_unknown() {
    let folder = Folder::standard();
    let denied = Denied(folder.root());
    let system = System::take(&denied, None, Wanted::all()).unwrap();
    assert_eq!((system.total.not_read, system.denied()), (2, 2));
    let process = |pid: i32| system.processes.iter().find(|p| p.pid == pid).unwrap();
    let secret = process(103);
    assert_eq!(secret.source, Source::Status);
    assert_eq!((secret.usage.pss, secret.usage.rss), (None, Some(Kib(900))));
    assert_eq!(secret.usage.footprint, None);
    // RssAnon + RssShmem + VmSwap + VmPTE.
    assert_eq!(secret.usage.footprint_from_status, Some(Kib(700 + 5 + 20)));
    assert_eq!(
        (process(101).source, process(101).usage.rss),
        (Source::Nothing, None)
    );

    let systems = [system];
    let shown = text(&systems, &View::default(), Some(80));
    assert!(
        shown.contains("\n2 processes could not be read (no ptrace access): RSS from status only\n"),
        "{shown}"
    );
    let line = shown.lines().find(|line| line.contains("secret")).unwrap();
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>(),
        ["103", "root", "?", "?", "?", "900K", "?", "[secret]"]
    );
    let json = json(&systems, &View::default());
    let nothing = &json["systems"][0]["processes"][3];
    assert_eq!((&nothing["pid"], &nothing["rss"]), (&101.into(), &Value::Null));
    let metrics = written(|out| system::write_openmetrics(&systems, &View::default(), out));
    let samples = openmetrics::parse(&metrics);
    let of = |name: &str, pid: &str| {
        samples
            .iter()
            .find(|s| s.name == name && s.label("pid") == Some(pid))
            .map(|s| s.value)
    };
    assert_eq!(of("pagewalk_process_pss_bytes", "103"), None);
    assert_eq!(of("pagewalk_process_rss_bytes", "103"), Some(900.0 * 1024.0));
    assert_eq!(of("pagewalk_process_rss_bytes", "101"), None);
}

#[test]
fn openmetrics_is_strict_and_escapes_names() {
    let systems = [take(&Folder::standard())];
    let metrics = written(|out| system::write_openmetrics(&systems, &View::default(), out));
    let samples = openmetrics::parse(&metrics);
    let of = |name: &str| samples.iter().filter(|s| s.name == name).collect::<Vec<_>>();
    let pss = of("pagewalk_process_pss_bytes");
    let sum: f64 = pss.iter().map(|s| s.value).sum();
    assert!((sum - 1820.0 * 1024.0).abs() < 0.5);
    assert_eq!(pss[0].label("program"), Some("/usr/bin/data \"base\",\\x"));
    assert_eq!(pss[0].label("container").unwrap(), format!("docker:{DOCKER_ID}"));
    let parts: f64 = of("pagewalk_memory_part_bytes").iter().map(|s| s.value).sum();
    assert!((parts - 100_000.0 * 1024.0).abs() < 0.5);
    for by in [
        GroupBy::Program,
        GroupBy::Cgroup,
        GroupBy::Container,
        GroupBy::User,
    ] {
        let view = View {
            top: Some(1),
            ..view(Some(by))
        };
        let metrics = written(|out| system::write_openmetrics(&systems, &view, out));
        let samples = openmetrics::parse(&metrics);
        assert!(
            samples.iter().all(|s| s.label("pid").is_none()),
            "only groups are exported"
        );
        let groups = samples.iter().filter(|s| s.name == "pagewalk_group_pss_bytes");
        assert_eq!(groups.count(), 1, "--top bounds the number of series");
    }
}

#[test]
fn kernels_without_a_split_rollup_and_first_threads_that_ended_are_read_by_smaps() {
    let system = take(&Folder::standard());
    let old = system.processes.iter().find(|p| p.pid == 102).unwrap();
    // Its smaps is in the folder of a thread that lives: the first has ended.
    assert_eq!(old.source, Source::Smaps);
    assert_eq!(
        (old.usage.pss_anon, old.usage.pss_file),
        (Some(Kib(60)), Some(Kib(10)))
    );
    assert_eq!(old.usage.footprint, Some(Kib(68)));

    let folder = Folder::standard();
    // A rollup as 4.14 to 5.8 print it is not enough, and no smaps is saved: status alone.
    folder.replace("100/smaps_rollup", "Pss_Anon:", "Unknown:");
    let system = take(&folder);
    let first = &system.processes[0];
    assert_eq!(
        (first.pid, first.source, first.is_denied),
        (100, Source::Status, false)
    );
    let shown = text(&[system], &View::default(), None);
    assert!(
        shown.contains("could not be read: cannot open 100/smaps"),
        "{shown}"
    );
}

#[test]
fn order_and_top() {
    let systems = [take(&Folder::standard())];
    let pids = |sort: SortBy, top: Option<usize>| -> Vec<i32> {
        let view = View {
            sort,
            top,
            group: None,
        };
        view.processes(&systems[0]).0.iter().map(|p| p.pid).collect()
    };
    assert_eq!(pids(SortBy::Footprint, None), [100, 101, 102, 103]);
    assert_eq!(pids(SortBy::Rss, None), [100, 101, 103, 102]);
    assert_eq!(pids(SortBy::Pid, Some(2)), [100, 101]);
    assert_eq!(pids(SortBy::Name, None), [100, 101, 102, 103]);
    assert!(pids(SortBy::Footprint, Some(0)).is_empty());
    let view = View {
        top: Some(1),
        ..View::default()
    };
    assert!(text(&systems, &view, None).contains("TOTAL of 4 processes, 3 not shown"));
    assert_eq!(json(&systems, &view)["systems"][0]["cut"], 3);
}

#[test]
fn every_line_of_the_table_fits_the_screen() {
    let systems = [take(&Folder::standard())];
    for width in [60, 80, 120] {
        let shown = text(&systems, &View::default(), Some(width));
        let table = shown.lines().skip(2).take_while(|line| !line.is_empty());
        for line in table {
            // The figures are not cut: they take 58 columns.
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
    let coloured = written(|out| {
        let style = Style {
            width: None,
            palette: Palette::colour(),
        };
        system::write_text(&systems, &View::default(), &style, out)
    });
    assert!(coloured.contains('\x1b'));
    // Names cannot steer the terminal: the escape in a command line is replaced.
    assert!(!coloured.contains("\x1b[2J") && coloured.contains("\u{fffd}[2J"));
}

#[test]
fn containers_without_a_known_cgroup_are_pid_namespaces() {
    let folder = Folder::standard();
    folder.link("1/ns/pid", "pid:[1]");
    folder.link("102/task/112/ns/pid", "pid:[7]");
    folder.link("103/ns/pid", "pid:[1]");
    let system = take(&folder);
    let container = |pid: i32| {
        let process = system.processes.iter().find(|p| p.pid == pid).unwrap();
        process.container.clone()
    };
    assert_eq!(container(102), Some(Container::PidNamespace(7)));
    assert_eq!(container(103), Some(Container::None));
}

#[test]
fn a_folder_without_meminfo_or_processes_says_so() {
    let folder = Folder::standard();
    folder.remove("meminfo");
    let system = take(&folder);
    assert_eq!(system.memory, None);
    let shown = text(std::slice::from_ref(&system), &View::default(), None);
    assert!(shown.contains("meminfo could not be read"), "{shown}");
    assert_eq!(
        json(&[system], &View::default())["systems"][0]["memory"],
        Value::Null
    );

    let empty = Folder::empty();
    let system = take(&empty);
    assert!(system.processes.is_empty());
    let csv = written(|out| system::write_csv(std::slice::from_ref(&system), &View::default(), out));
    assert_eq!(csv.lines().count(), 1, "the header row is there all the same");
    openmetrics::parse(&written(|out| {
        system::write_openmetrics(&[system], &View::default(), out)
    }));
}

#[test]
fn spoilt_texts_are_reasons_and_never_a_panic() {
    let spoilt: [&[u8]; 6] = [
        b"",
        b"\n",
        b"\xff\xff\n",
        b"Rss: x kB\n",
        b"Name:\t\xff\nVmSize:\t 99999999999999999999 kB\n",
        b"0",
    ];
    for file in [
        "100/status",
        "100/smaps_rollup",
        "100/cgroup",
        "100/cmdline",
        "meminfo",
        "102/task/112/smaps",
    ] {
        for bytes in spoilt {
            let folder = Folder::standard();
            folder.write(file, bytes);
            let system = take(&folder);
            let systems = [system];
            text(&systems, &View::default(), Some(1));
            json(&systems, &view(Some(GroupBy::Cgroup)));
            openmetrics::parse(&written(|out| {
                system::write_openmetrics(&systems, &View::default(), out)
            }));
        }
    }
    let folder = Folder::standard();
    folder.write("100/smaps_rollup", b"Rss: x kB\n");
    assert_eq!(take(&folder).processes[0].source, Source::Status);
}

/// A folder that a user may not read in full: no page walk of 100 to 103, and of 101 nothing at all (`hidepid`).
struct Denied(DirRoot);

impl Denied {
    fn check(path: &str) -> Result<(), RootError> {
        if path.starts_with("101/") || path.starts_with("103/smaps") {
            return Err(RootError::new("open", path, io::Error::from_raw_os_error(13)));
        }
        Ok(())
    }
}

impl Root for Denied {
    fn describe(&self) -> String {
        "denied".into()
    }
    fn open(&self, path: &str) -> Result<Box<dyn Read + Send + '_>, RootError> {
        Self::check(path)?;
        self.0.open(path)
    }
    fn read_at(&self, path: &str, offset: u64, buf: &mut [u8]) -> Result<usize, RootError> {
        Self::check(path)?;
        self.0.read_at(path, offset, buf)
    }
    fn read_link(&self, path: &str) -> Result<Vec<u8>, RootError> {
        Self::check(path)?;
        self.0.read_link(path)
    }
    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, RootError> {
        self.0.list(path)
    }
}
