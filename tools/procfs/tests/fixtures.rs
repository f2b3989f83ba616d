//! Golden tests on saved files: they print back byte for byte.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use procfs::{
    Auxv, Cmdline, Comm, MapsLine, MemInfo, PidStat, SmapsEntry, SmapsRollup, Statm, Status, SystemStat,
    Text, ThpStyle, Uptime, VmStat,
};

fn comes_back<T: Text>(path: &str) {
    let path = format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let value = T::parse(&bytes).unwrap_or_else(|e| panic!("{path}: {e}"));
    assert_eq!(
        value.print().escape_ascii().to_string(),
        bytes.escape_ascii().to_string(),
        "{path}"
    );
}

#[test]
fn arm64_with_16k_pages_comes_back() {
    for pid in [1, 2, 7, 9] {
        comes_back::<PidStat>(&format!("arm64-16k/{pid}/stat"));
        comes_back::<Status>(&format!("arm64-16k/{pid}/status"));
        comes_back::<Comm>(&format!("arm64-16k/{pid}/comm"));
        comes_back::<Cmdline>(&format!("arm64-16k/{pid}/cmdline"));
    }
    comes_back::<Vec<MapsLine>>("arm64-16k/7/maps");
    comes_back::<Vec<SmapsEntry>>("arm64-16k/7/smaps");
    comes_back::<SmapsRollup>("arm64-16k/7/smaps_rollup");
    comes_back::<Auxv>("arm64-16k/7/auxv");
    comes_back::<Statm>("arm64-16k/7/statm");
    comes_back::<MemInfo>("arm64-16k/meminfo");
    comes_back::<SystemStat>("arm64-16k/stat");
    comes_back::<Uptime>("arm64-16k/uptime");
    comes_back::<VmStat>("arm64-16k/vmstat");
}

/// Every kernel's texts, written from its documented format: fixtures/README.md.
#[test]
fn other_kernels_come_back() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/kernels");
    let mut kernels = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        comes_back::<Vec<MapsLine>>(&format!("kernels/{name}/maps"));
        comes_back::<Vec<SmapsEntry>>(&format!("kernels/{name}/smaps"));
        comes_back::<SmapsRollup>(&format!("kernels/{name}/smaps_rollup"));
        comes_back::<Status>(&format!("kernels/{name}/status"));
        kernels += 1;
    }
    assert!(kernels >= 17, "only {kernels} kernels");
}

fn smaps(kernel: &str) -> Vec<SmapsEntry> {
    let path = format!(
        "{}/tests/fixtures/kernels/{kernel}/smaps",
        env!("CARGO_MANIFEST_DIR")
    );
    Vec::parse(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn other_kernels_are_read_right() {
    let old = smaps("x86-64-5.4");
    assert_eq!(old[3].counts.file_pmd_mapped, Some(procfs::Kib(0)));
    assert_eq!((old[3].counts.pss_dirty, old[3].counts.ksm), (None, None));
    assert_eq!((old[5].thp_eligible, old[5].thp_style), (Some(1), ThpStyle::Tabs));
    assert!(old[0].unknown.is_empty() && old[0].vm_flags.as_ref().unwrap().has(b"dw"));
    assert_eq!(old[5].counts.rss, Some(procfs::Kib(123_456_789)));
    for kernel in ["x86-64-5.10", "x86-64-6.1", "arm64-64k-6.1"] {
        assert_eq!(
            (smaps(kernel)[5].thp_eligible, smaps(kernel)[5].thp_style),
            (Some(1), ThpStyle::Unpadded)
        );
    }
    let new = smaps("arm64-64k-6.18");
    assert_eq!(
        (new[3].kernel_page_size, new[3].protection_key),
        (Some(procfs::Kib(64)), Some(1))
    );
    assert!(new.iter().all(|entry| entry.unknown.is_empty()));
    let future = smaps("from-the-future");
    assert_eq!(future[0].unknown.len(), 2);
    assert!(future[0].vm_flags.as_ref().unwrap().has(b"q9"));
    let android = smaps("android-padded-6.6");
    assert_eq!((android[1].vm_flags.clone(), android[1].unknown.len()), (None, 1));
    assert!(android[2].vm_flags.is_some());
}
