//! Golden tests on saved files: they print back byte for byte.

use procfs::{
    Auxv, Cmdline, Comm, MapsLine, MemInfo, PidStat, SmapsEntry, SmapsRollup, Statm, Status, SystemStat,
    Text, Uptime, VmStat,
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
