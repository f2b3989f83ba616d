//! Golden tests on this host's own `/proc`: every file that can be read prints back byte for byte.

use procfs::{
    Auxv, Cmdline, Comm, DirRoot, Limits, MapsLine, MemInfo, PidStat, Root, SmapsEntry, SmapsRollup, Statm,
    Status, SystemStat, Text, Uptime, VmStat,
};

/// Check one file; `false` if it cannot be read (gone, or not ours to read).
fn comes_back<T: Text>(root: &dyn Root, path: &str) -> bool {
    let Ok(bytes) = root.read(path) else { return false };
    if bytes.is_empty() {
        return true;
    }
    let value = T::parse(&bytes).unwrap_or_else(|e| panic!("{path}: {e}"));
    let printed = value.print();
    if printed != bytes {
        let (a, b) = (String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&printed));
        let differing = a.lines().zip(b.lines()).find(|(x, y)| x != y);
        panic!("{path} differs: {differing:?}");
    }
    true
}

#[test]
fn every_process_of_this_host_comes_back() {
    let root: &dyn Root = &DirRoot::host();
    let mut files = 0;
    for pid in root.pids().unwrap() {
        let mut check = |seen: bool| files += usize::from(seen);
        check(comes_back::<PidStat>(root, &format!("{pid}/stat")));
        check(comes_back::<Statm>(root, &format!("{pid}/statm")));
        check(comes_back::<Status>(root, &format!("{pid}/status")));
        check(comes_back::<Comm>(root, &format!("{pid}/comm")));
        check(comes_back::<Cmdline>(root, &format!("{pid}/cmdline")));
        check(comes_back::<Limits>(root, &format!("{pid}/limits")));
        check(comes_back::<Auxv>(root, &format!("{pid}/auxv")));
        check(comes_back::<Vec<MapsLine>>(root, &format!("{pid}/maps")));
        check(comes_back::<Vec<SmapsEntry>>(root, &format!("{pid}/smaps")));
        check(comes_back::<SmapsRollup>(root, &format!("{pid}/smaps_rollup")));
    }
    // At least our own process can be read in full.
    assert!(files >= 10, "only {files} files");
}

#[test]
fn the_machine_wide_files_come_back() {
    let root: &dyn Root = &DirRoot::host();
    for (path, came) in [
        ("meminfo", comes_back::<MemInfo>(root, "meminfo")),
        ("stat", comes_back::<SystemStat>(root, "stat")),
        ("uptime", comes_back::<Uptime>(root, "uptime")),
        ("vmstat", comes_back::<VmStat>(root, "vmstat")),
    ] {
        assert!(came, "{path} could not be read");
    }
}

#[test]
fn this_kernels_fields_are_all_known() {
    let root: &dyn Root = &DirRoot::host();
    for entry in root.parse::<Vec<SmapsEntry>>("self/smaps").unwrap() {
        assert!(entry.unknown.is_empty(), "{:?}", entry.unknown);
        assert_eq!(entry.size.unwrap().bytes(), entry.map.len());
    }
    assert!(
        root.parse::<SmapsRollup>("self/smaps_rollup")
            .unwrap()
            .unknown
            .is_empty()
    );
}
