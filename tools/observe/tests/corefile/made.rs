//! Cores made by hand: every part of the report, on both processors; and files that cannot be shown, each with its line.

use crate::build::{AARCH64, Made, Part, X86_64};
use observe::corefile::CoreRoot;
use observe::render::{Options, report};
use procfs::{Addr, Auxv, Comm, MapsLine, PidStat, Root, Status};
use std::path::PathBuf;

/// The file `core` in a folder that lives as long as the result.
pub(crate) fn saved(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn opened(made: &Made) -> (tempfile::TempDir, CoreRoot) {
    let (dir, path) = saved(&made.bytes());
    (dir, CoreRoot::open(path).unwrap())
}

fn text(core: &CoreRoot) -> String {
    let mut out = Vec::new();
    report(&core.snapshot().unwrap(), &Options::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_tree_has_the_process_on_both_processors() {
    for machine in [X86_64, AARCH64] {
        let (_dir, core) = opened(&Made::small(machine));
        let root: &dyn Root = &core;
        assert_eq!((core.pid(), root.pids().unwrap()), (42, vec![42]));
        assert!(!root.is_this_host() && !root.is_live());
        let names: Vec<_> = root
            .parse::<Vec<MapsLine>>("42/maps")
            .unwrap()
            .iter()
            .map(|l| (l.start.0, String::from_utf8(l.name.clone()).unwrap(), l.offset))
            .collect();
        let expected = [
            (0x40_0000, "/bin/made", 0),
            (0x40_2000, "/bin/made", 0x2000),
            (0x41_0000, "[heap]", 0),
            (0x7000_0000, "", 0),
            (0x7000_1000, "[stack:43]", 0),
            (0x7fff_0000, "[stack]", 0),
        ];
        assert_eq!(
            names,
            expected.map(|(at, name, from)| (at, name.to_owned(), from))
        );
        assert_eq!(root.parse::<Comm>("42/comm").unwrap().0, b"made");
        assert_eq!(root.read("42/cmdline").unwrap(), b"made --fast\0");
        assert_eq!(root.read_link("42/exe").unwrap(), b"/bin/made");
        assert_eq!(root.parse::<Auxv>("42/auxv").unwrap().get(6), Some(4096));
        let stat: PidStat = root.parse("42/task/43/stat").unwrap();
        assert_eq!(
            (stat.pid, stat.kstk_esp, stat.kstk_eip),
            (43, Addr(0x7000_8000), Addr(0x40_0100))
        );
        let stat: PidStat = root.parse("42/stat").unwrap();
        assert_eq!((stat.ppid, stat.num_threads, stat.vsize), (7, 2, 0x11000));
        let status: Status = root.parse("42/status").unwrap();
        assert_eq!(
            (status.pid, status.threads, status.vm_rss),
            (Some(42), Some(2), None)
        );
        assert!(root.read("42/smaps").unwrap_err().is_gone());
        assert!(root.read("41/maps").unwrap_err().is_gone());
        assert!(
            root.read("42/task/43/comm").unwrap_err().is_gone(),
            "a thread's name is not in a core"
        );
        let facts = core.facts();
        assert_eq!(
            facts.threads.iter().map(|t| (t.tid, t.sp)).collect::<Vec<_>>(),
            [(43, Addr(0x7000_8000)), (42, Addr(0x7fff_2000))]
        );
        assert_eq!(
            facts.signal.unwrap().to_string(),
            "SIGSEGV (11), no mapping (SEGV_MAPERR) at 0x10"
        );
    }
}

#[test]
fn memory_is_what_was_dumped_and_nothing_else() {
    let mut made = Made::small(X86_64);
    // Half of a segment was dumped, the next one touches it.
    made.parts[4].contents.truncate(0x4000);
    let (_dir, core) = opened(&made);
    let read = |at, bytes: usize| {
        let mut buf = vec![0xee; bytes];
        core.read_at("42/mem", at, &mut buf).map(|n| buf[..n].to_vec())
    };
    assert_eq!(read(0x40_2000, 4).unwrap(), b"dddd");
    assert_eq!(read(0x40_2ffe, 8).unwrap(), b"dd", "it ends with the segment");
    assert_eq!(
        read(0x7000_4ffe, 8).unwrap(),
        b"ss",
        "it ends with what was dumped"
    );
    assert!(
        read(0x7000_5000, 1)
            .unwrap_err()
            .to_string()
            .contains("not dumped")
    );
    assert!(read(0x40_0000, 1).unwrap_err().to_string().contains("not dumped"));
    assert!(read(0x1000, 1).unwrap_err().to_string().contains("no segment"));
    assert!(read(u64::MAX, 1).is_err());
    assert_eq!(
        core.facts().readable(Addr(0x7000_1000), Addr(0x7000_9000)),
        0x4000
    );
    assert_eq!(
        core.facts().readable(Addr(0x7000_3000), Addr(0x7000_4000)),
        0x1000
    );
    assert_eq!(core.facts().readable(Addr(0x40_0000), Addr(0x40_2800)), 0x800);
}

#[test]
fn the_report_says_that_it_is_a_core_and_what_is_unknown() {
    let (_dir, core) = opened(&Made::small(AARCH64));
    let text = text(&core);
    for part in [
        "Process:          made [42]",
        "Path:             /bin/made",
        "Load Address:     0x400000",
        "Code Type:        ARM64",
        "Parent Process:   unknown [7]",
        "Seen Through:     core file ",
        "Threads:          2\n",
        "Core File:        56K of 68K in 6 segments dumped, by the kernel",
        "Ended By:         SIGSEGV (11), no mapping (SEGV_MAPERR) at 0x10",
        "Thread 43:        pc=0x400100 sp=0x70008000",
        "what was resident is not dumped",
        "does not tell MAP_SHARED from MAP_PRIVATE",
        "text                         400000-402000       [    8K      ?      ?      ?] r-x/??? SM=???          /bin/made  not dumped",
        "STACK GUARD                70000000-70001000",
        "thread 43",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let mut json = Vec::new();
    observe::json::write(&core.snapshot().unwrap(), &mut json).unwrap();
    // What is read back says all of it again.
    let back = observe::json::read(json.as_slice()).unwrap();
    let mut again = Vec::new();
    report(&back, &Options::default(), &mut again).unwrap();
    assert_eq!(String::from_utf8(again).unwrap(), text);
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["core"]["threads"][0]["sp"], "0x70008000");
    assert_eq!(json["core"]["segments"][0]["dumped"], 0);
    assert_eq!(json["core"]["signal_name"], "SIGSEGV");
    assert!(json["regions"][0]["resident"].is_null() && json["footprint"]["full"].is_null());
}

#[test]
fn more_segments_than_sixteen_bits_count() {
    let mut made = Made::small(X86_64);
    made.with_section = true;
    for index in 0..70_000 {
        made.parts.push(Part {
            start: 0x10_0000_0000 + index * 0x2000,
            size: 0x1000,
            contents: Vec::new(),
            flags: 4,
        });
    }
    let (_dir, core) = opened(&made);
    assert_eq!(core.facts().segments.len(), 70_006);
    assert_eq!(core.snapshot().unwrap().regions.unwrap().len(), 70_006);
}

#[test]
fn a_core_that_is_cut_short_says_what_is_missing_and_shows_the_rest() {
    let whole = Made::small(X86_64).bytes();
    let (_dir, path) = saved(&whole[..whole.len() - 0x2800]);
    let core = CoreRoot::open(path).unwrap();
    let cut = core.facts().cut.unwrap();
    assert_eq!(cut.missing_bytes(), 0x2800);
    let mut json = Vec::new();
    observe::json::write(&core.snapshot().unwrap(), &mut json).unwrap();
    let back = observe::json::read(json.as_slice()).unwrap();
    assert_eq!(back.core.unwrap().cut, Some(cut));
    assert_eq!(
        (cut.whole_segments, cut.segments, cut.missing_from),
        (5, 6, Some(Addr(0x7fff_0800)))
    );
    let line = cut.to_string();
    assert!(
        line.contains("cut short: 10240 of") && line.lines().count() == 1,
        "{line}"
    );
    assert!(text(&core).contains(&line));
    let mut byte = [0];
    assert_eq!(core.read_at("42/mem", 0x7fff_07ff, &mut byte).unwrap(), 1);
    let error = core.read_at("42/mem", 0x7fff_0800, &mut byte).unwrap_err();
    assert!(error.to_string().contains("cut short"), "{error}");
    // Without the notes there are still segments; without the headers there is nothing.
    let (_dir, path) = saved(&whole[..64 + 56 * 7]);
    let core = CoreRoot::open(path).unwrap();
    assert!(core.facts().cut.unwrap().notes_missing && core.facts().segments.len() == 6);
    assert!(text(&core).contains("Parent Process:   unknown\n"));
    for length in [5, 63, 64, 64 + 56 * 7 - 1] {
        let (_dir, path) = saved(&whole[..length]);
        let line = CoreRoot::open(path).unwrap_err().to_string();
        assert!(line.contains("cut short") && line.lines().count() == 1, "{line}");
    }
}

#[test]
fn other_files_are_told_in_one_line() {
    let mut big = Made::small(X86_64).bytes();
    big[5] = 2;
    let mut narrow = Made::small(X86_64).bytes();
    narrow[4] = 1;
    let mut program = Made::small(X86_64).bytes();
    program[16] = 3;
    let other = Made::small(243).bytes();
    for (bytes, expected) in [
        (b"".as_slice(), "it is empty"),
        (b"hello\n", "it is no ELF file"),
        (b"\x1f\x8b\x08\0", "compressed by gzip; unpack it first: gzip -dc"),
        (
            b"\x28\xb5\x2f\xfd\0",
            "compressed by zstd; unpack it first: zstd -dc",
        ),
        (&big, "a big-endian process"),
        (&narrow, "a 32-bit process"),
        (&program, "it is a program or a shared library"),
        (&other, "ELF machine 243"),
    ] {
        let (_dir, path) = saved(bytes);
        let line = CoreRoot::open(path).unwrap_err().to_string();
        assert!(line.contains(expected) && line.lines().count() == 1, "{line}");
    }
    let line = CoreRoot::open("/nonexistent/core").unwrap_err().to_string();
    assert!(line.contains("No such file"), "{line}");
}
