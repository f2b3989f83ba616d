//! What a walk costs, on a heap of small chunks. Printed, and bounded far above what was measured: machines differ.

mod heap_target;

use heap_target::{Target, compile, mappings, page, wait_stopped};
use observe::heap::{Limits, ProcMemory, Reading, glibc_zones};
use procfs::DirRoot;
use std::time::Instant;

#[test]
fn the_cost_of_a_megabyte() {
    let mut target = Target::run(compile("heap_pattern", &[]), &["small", "0", "2000000"], &[]);
    target.lines_until("ready");
    wait_stopped(target.pid());
    let root = DirRoot::host();
    let maps = mappings(target.pid());
    let Ok(memory) = ProcMemory::new(&root, target.pid(), &maps, page()) else {
        println!("skipped: the target's memory may not be read here");
        return;
    };
    let walk = || {
        let start = Instant::now();
        let zones = glibc_zones(&memory, &maps, page(), Limits::default());
        (start.elapsed().as_secs_f64() * 1000.0, zones)
    };
    let (best, zones) = (0..5).map(|_| walk()).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    let main = &zones.zones[0];
    assert_eq!(main.reading, Reading::Whole);
    let megabytes = main.system_bytes as f64 / f64::from(1 << 20);
    let counts = main.counts.unwrap();
    let chunks = counts.allocated_chunks + counts.free_chunks + counts.fastbin_chunks + counts.tcache_chunks;
    println!(
        "{chunks} chunks in {megabytes:.0} MB: {best:.1} ms, {:.3} ms a MB",
        best / megabytes
    );
    assert!(chunks > 1_900_000, "{counts:?}");
    assert!(best / megabytes < 20.0);
}
