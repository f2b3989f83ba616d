//! glibc's arenas as the walker sees them, against what glibc itself says of them: to the byte, on stopped processes.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod heap_target;

use heap_target::{Target, compile, pairs, wait_stopped, zones};
use observe::heap::{Counts, Limits, RangeKind, Reading, Zone, ZoneKind, Zones};
use std::collections::HashMap;

/// What the program said of itself.
struct Said {
    /// `mallinfo2`.
    info: HashMap<String, u64>,
    /// (system bytes, in use bytes) of each arena, by `malloc_stats`.
    arenas: Vec<(u64, u64)>,
    /// (live chunks, bytes) of each thread.
    works: Vec<(u64, u64)>,
}

impl Said {
    fn new(lines: &[String], stats: &str) -> Self {
        let info = lines
            .iter()
            .find(|l| l.starts_with("arena "))
            .expect("a line of mallinfo2");
        let works = lines.iter().filter(|l| l.starts_with("work ")).map(|line| {
            let fields = pairs(line.split_once("live").map_or("", |(_, rest)| rest).trim_start());
            let live = line
                .split("live ")
                .nth(1)
                .and_then(|l| l.split(' ').next())
                .unwrap();
            (
                live.parse().unwrap(),
                fields
                    .get("bytes")
                    .copied()
                    .unwrap_or_else(|| number_after(line, "bytes ")),
            )
        });
        let arenas = stats.split("Arena ").skip(1).map(|text| {
            let arena = text.split("Total").next().unwrap();
            (
                number_after(arena, "system bytes     ="),
                number_after(arena, "in use bytes     ="),
            )
        });
        Self {
            info: pairs(info),
            arenas: arenas.collect(),
            works: works.collect(),
        }
    }
}

fn number_after(text: &str, label: &str) -> u64 {
    let rest = text
        .split(label)
        .nth(1)
        .unwrap_or_else(|| panic!("no {label:?} in {text:?}"));
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

fn counts(zone: &Zone) -> Counts {
    zone.counts
        .unwrap_or_else(|| panic!("{} was not walked: {:?}", zone.name, zone.reading))
}

fn arenas(zones: &Zones) -> Vec<&Zone> {
    zones
        .zones
        .iter()
        .filter(|z| z.kind != ZoneKind::Mapped)
        .collect()
}

/// Everything that glibc says must be what the walk gave, byte for byte.
fn check_against_glibc(zones: &Zones, said: &Said) {
    assert_eq!(zones.gaps, [""; 0], "nothing is missing on a stopped process");
    let arenas = arenas(zones);
    assert!(
        arenas.iter().all(|z| z.reading == Reading::Whole),
        "{:?}",
        arenas.iter().map(|z| &z.reading).collect::<Vec<_>>()
    );
    let walked: Vec<(u64, u64)> = arenas
        .iter()
        .map(|z| (z.system_bytes, counts(z).glibc_in_use_bytes.unwrap()))
        .collect();
    assert_eq!(walked, said.arenas, "malloc_stats");
    let sum = |field: fn(&Counts) -> u64| arenas.iter().map(|z| field(&counts(z))).sum::<u64>();
    let mapped = zones.zones.iter().find(|z| z.kind == ZoneKind::Mapped);
    let tops: u64 = arenas.iter().map(|z| z.top_bytes).sum();
    let expected = [
        ("arena", arenas.iter().map(|z| z.system_bytes).sum()),
        ("ordblks", sum(|c| c.free_chunks) + arenas.len() as u64),
        ("smblks", sum(|c| c.fastbin_chunks)),
        ("fsmblks", sum(|c| c.fastbin_bytes)),
        ("uordblks", sum(|c| c.glibc_in_use_bytes.unwrap())),
        (
            "fordblks",
            tops + sum(|c| c.free_bytes) + sum(|c| c.fastbin_bytes),
        ),
        ("keepcost", arenas[0].top_bytes),
        ("hblks", mapped.map_or(0, |z| counts(z).allocated_chunks)),
        ("hblkhd", mapped.map_or(0, |z| counts(z).allocated_bytes)),
    ];
    for (field, value) in expected {
        assert_eq!(said.info[field], value, "mallinfo2: {field}");
    }
    if let Some(mapped) = mapped {
        assert_eq!(mapped.reading, Reading::Whole);
        assert_eq!(mapped.virtual_bytes(), mapped.system_bytes);
    }
}

/// What the threads hold is what is counted as allocated. A thread's own tcache is the only other chunk in its arena.
fn check_live(zones: &Zones, said: &Said) {
    const TCACHE: u64 = 0x290;
    let mut live: Vec<(u64, u64)> = said.works.iter().skip(1).copied().collect();
    let mut found: Vec<(u64, u64)> = arenas(zones)
        .iter()
        .skip(1)
        .map(|z| (counts(z).allocated_chunks - 1, counts(z).allocated_bytes - TCACHE))
        .collect();
    live.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, live, "chunks and bytes of the threads' arenas");
    let main = counts(arenas(zones)[0]);
    let (chunks, bytes) = said.works[0];
    let others = main.allocated_chunks - chunks;
    assert!(
        (1..64).contains(&others),
        "{others} chunks of libc's own in the main arena"
    );
    assert!(main.allocated_bytes - bytes < 64 << 10);
    for zone in arenas(zones) {
        let counts = counts(zone);
        assert!(
            counts.tcache_chunks > 0 && counts.fastbin_chunks > 0 && counts.free_chunks > 0,
            "{zone:?}"
        );
    }
    assert_eq!(zones.tcaches.len(), said.works.len(), "one tcache a thread");
    assert!(zones.tcaches.iter().all(|t| !t.torn));
}

/// Run the pattern program up to its stop, and check it.
fn stopped(args: &[&str], flags: &[&str], env: &[(&str, &str)]) -> Option<(Target, Zones, Said)> {
    let mut target = Target::run(compile("heap_pattern", flags), args, env);
    let lines = target.lines_until("ready");
    wait_stopped(target.pid());
    let zones = zones(target.pid(), Limits::default())?;
    let said = Said::new(&lines, &target.stderr_now());
    Some((target, zones, said))
}

#[test]
fn one_thread_to_the_byte() {
    let Some((_target, zones, said)) = stopped(&["plain", "0"], &[], &[]) else {
        return;
    };
    check_against_glibc(&zones, &said);
    check_live(&zones, &said);
    let main = &zones.zones[0];
    assert_eq!(
        (main.kind, main.ranges.len(), main.ranges[0].kind),
        (ZoneKind::Main, 1, RangeKind::Brk)
    );
    assert_eq!(main.virtual_bytes(), main.system_bytes);
    assert_eq!(zones.zones[1].ranges.len() as u64, said.info["hblks"]);
    assert!(said.info["hblks"] >= 4, "{:?}", said.info);
}

#[test]
fn several_arenas_to_the_byte() {
    let Some((_target, zones, said)) = stopped(&["plain", "5", "20000"], &[], &[("MALLOC_ARENA_MAX", "8")])
    else {
        return;
    };
    assert_eq!(arenas(&zones).len(), 6);
    check_against_glibc(&zones, &said);
    check_live(&zones, &said);
    for zone in arenas(&zones).iter().skip(1) {
        assert!(
            zone.ranges
                .iter()
                .all(|r| r.kind == RangeKind::Heap && r.reserved_end - r.start == 64 << 20)
        );
        assert_eq!(zone.attached_threads, Some(1));
    }
}

#[test]
fn arenas_of_several_heaps() {
    // 150 MB a thread: three heaps of 64 MiB, closed by fenceposts.
    let Some((_target, zones, said)) = stopped(&["plain", "1", "150000"], &[], &[]) else {
        return;
    };
    assert_eq!(zones.zones[1].ranges.len(), 3);
    check_against_glibc(&zones, &said);
    check_live(&zones, &said);
}

#[test]
fn threads_that_share_arenas() {
    let Some((_target, zones, said)) = stopped(&["plain", "6"], &[], &[("MALLOC_ARENA_MAX", "2")]) else {
        return;
    };
    assert_eq!(arenas(&zones).len(), 2);
    check_against_glibc(&zones, &said);
    assert_eq!(zones.tcaches.len(), 7);
    let allocated: u64 = arenas(&zones).iter().map(|z| counts(z).allocated_chunks).sum();
    let live: u64 = said.works.iter().map(|w| w.0).sum();
    assert!(
        (7..64).contains(&(allocated - live)),
        "{allocated} allocated, {live} live"
    );
}

#[test]
fn a_forked_child_and_its_parent() {
    let mut target = Target::run(compile("heap_pattern", &[]), &["fork", "2"], &[]);
    let lines = target.lines_until("ready");
    let child = i32::try_from(number_after(&lines.join("\n"), "child pid ")).unwrap();
    let works: Vec<String> = lines.iter().filter(|l| l.starts_with("work ")).cloned().collect();
    let parent_lines = target.lines_until("ready");
    wait_stopped(child);
    wait_stopped(target.pid());
    let stats = target.stderr_now();
    let second = stats.rfind("Arena 0:").unwrap();
    let both = [child, target.pid()].map(|pid| zones(pid, Limits::default()));
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(child).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    let [Some(of_child), Some(of_parent)] = both else {
        return;
    };
    check_against_glibc(&of_child, &Said::new(&lines, &stats[..second]));
    let said = Said::new(&[works, parent_lines].concat(), &stats[second..]);
    check_against_glibc(&of_parent, &said);
    check_live(&of_parent, &said);
}

#[test]
fn a_threshold_that_maps_small_chunks() {
    let Some((_target, zones, said)) = stopped(&["threshold", "2"], &[], &[]) else {
        return;
    };
    check_against_glibc(&zones, &said);
    check_live(&zones, &said);
    assert!(said.info["hblks"] >= 20, "{:?}", said.info);
}

#[test]
fn a_break_that_cannot_grow() {
    let Some((_target, zones, said)) = stopped(&["blocked", "1", "20000"], &[], &[]) else {
        return;
    };
    check_against_glibc(&zones, &said);
    let kinds: Vec<RangeKind> = zones.zones[0].ranges.iter().map(|r| r.kind).collect();
    assert!(
        kinds.contains(&RangeKind::MappedHeap) && kinds.contains(&RangeKind::Brk),
        "{kinds:?}"
    );
    assert_eq!(zones.zones[0].virtual_bytes(), zones.zones[0].system_bytes);
}

#[test]
fn a_break_that_somebody_else_moves() {
    let Some((_target, zones, said)) = stopped(&["foreign", "0"], &[], &[]) else {
        return;
    };
    check_against_glibc(&zones, &said);
    assert_eq!(zones.zones[0].ranges.len(), 2);
    let foreign = zones.zones[0].system_bytes - zones.zones[0].virtual_bytes();
    assert!((123_456 - 16..123_456 + 16).contains(&foreign), "{foreign}");
}

#[test]
fn a_program_linked_statically() {
    let Some((_target, zones, said)) = stopped(&["plain", "2"], &["-static"], &[]) else {
        return;
    };
    check_against_glibc(&zones, &said);
    check_live(&zones, &said);
}

#[test]
fn without_tcache_nothing_is_taken_off() {
    let env = [("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0")];
    let Some((_target, zones, said)) = stopped(&["plain", "1"], &[], &env) else {
        return;
    };
    check_against_glibc(&zones, &said);
    assert_eq!(zones.tcaches, []);
    // The struct is there even so: 0x290 bytes.
    let thread = counts(arenas(&zones)[1]);
    assert_eq!(
        (thread.allocated_chunks - 1, thread.allocated_bytes - 0x290),
        said.works[1]
    );
}

/// Rss, VmPTE, VmSwap: what a read that faults would change.
fn presence(pid: i32) -> (Vec<String>, Vec<String>) {
    let lines = |file: &str, keys: &[&str]| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
        let wanted = |line: &&str| keys.iter().any(|key| line.starts_with(key));
        text.lines().filter(wanted).map(str::to_owned).collect()
    };
    (
        lines("status", &["VmRSS", "VmPTE", "VmSwap"]),
        lines("smaps_rollup", &["Rss", "Anonymous", "Swap:", "Private"]),
    )
}

#[test]
fn the_walk_faults_nothing_in() {
    let mut target = Target::run(compile("heap_pattern", &[]), &["untouched", "3"], &[]);
    target.lines_until("ready");
    wait_stopped(target.pid());
    let before = presence(target.pid());
    let Some(zones) = zones(target.pid(), Limits::default()) else {
        return;
    };
    assert_eq!(presence(target.pid()), before);
    let main = &zones.zones[0];
    assert!(
        main.system_bytes > 64 << 20 && main.reading == Reading::Whole,
        "{main:?}"
    );
    assert!(zones.bytes_read < 16 << 20, "{} bytes read", zones.bytes_read);
}

/// Resident bytes of the mappings that hold heaps.
fn heap_rss(pid: i32, zones: &Zones) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let mut inside = false;
    let mut sum = 0;
    for line in text.lines() {
        let first = line.split(' ').next().unwrap();
        if let Some((start, end)) = first.split_once('-') {
            let [start, end] = [start, end].map(|n| u64::from_str_radix(n, 16).unwrap());
            let overlaps = |z: &Zone| z.ranges.iter().any(|r| r.start < end && start < r.end);
            inside = zones
                .zones
                .iter()
                .filter(|z| z.kind != ZoneKind::Mapped)
                .any(overlaps);
        } else if inside && first == "Rss:" {
            sum += number_after(line, "Rss:") * 1024;
        }
    }
    sum
}

#[test]
fn trimming_gives_back_what_was_foretold() {
    let Some((mut target, zones, _)) = stopped(&["trim", "2", "30000"], &[], &[]) else {
        return;
    };
    let foretold: u64 = arenas(&zones)
        .iter()
        .map(|z| counts(z).trim_resident_bytes.unwrap())
        .sum();
    let before = heap_rss(target.pid(), &zones);
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(target.pid()).unwrap(),
        rustix::process::Signal::CONT,
    )
    .unwrap();
    target.lines_until("trimmed");
    wait_stopped(target.pid());
    let returned = before - heap_rss(target.pid(), &zones);
    println!("foretold {foretold}, returned {returned}");
    assert!(foretold > 0);
    assert!(
        foretold.abs_diff(returned) <= 2 * heap_target::page(),
        "foretold {foretold}, returned {returned}"
    );
}

#[test]
fn a_cap_gives_the_arenas_own_figures() {
    let Some((target, whole, said)) = stopped(&["plain", "1", "20000"], &[], &[]) else {
        return;
    };
    let limits = Limits {
        heap_bytes: 1 << 20,
        ..Limits::default()
    };
    let capped = zones(target.pid(), limits).unwrap();
    for (zone, whole) in arenas(&capped).iter().zip(arenas(&whole)) {
        assert_eq!(zone.reading, Reading::Capped);
        assert_eq!(zone.counts, None);
        assert_eq!(
            (zone.system_bytes, zone.top_bytes),
            (whole.system_bytes, whole.top_bytes)
        );
        assert_eq!(zone.ranges, whole.ranges);
    }
    assert_eq!(arenas(&capped).len(), said.arenas.len());
}

#[test]
fn a_process_that_allocates_all_the_time() {
    let mut target = Target::run(compile("heap_busy", &[]), &[], &[]);
    target.lines_until("ready");
    let mut torn = 0;
    for _ in 0..20 {
        let Some(zones) = zones(target.pid(), Limits::default()) else {
            return;
        };
        for zone in arenas(&zones) {
            match &zone.reading {
                Reading::Torn { retries, why } => {
                    assert!(*retries == 3 && !why.is_empty());
                    torn += 1;
                }
                Reading::Whole | Reading::Unused => {}
                other => panic!("{other:?}"),
            }
        }
    }
    println!("{torn} torn readings of {} arenas", 20 * 4);
    assert!(target.child.try_wait().unwrap().is_none(), "the target goes on");
}

#[test]
fn a_program_without_malloc_has_none() {
    let program = compile(
        "heap_none",
        &["-nostdlib", "-static", "-ffreestanding", "-fno-stack-protector"],
    );
    let mut target = Target::run(program, &[], &[]);
    target.lines_until("ready");
    wait_stopped(target.pid());
    let Some(zones) = zones(target.pid(), Limits::default()) else {
        return;
    };
    assert_eq!(zones, Zones::default());
}

#[test]
fn the_result_can_be_saved() {
    let Some((_target, zones, _)) = stopped(&["plain", "1"], &[], &[]) else {
        return;
    };
    let text = serde_json::to_string(&zones).unwrap();
    assert_eq!(serde_json::from_str::<Zones>(&text).unwrap(), zones);
}
