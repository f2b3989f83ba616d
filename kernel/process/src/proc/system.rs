//! The machine-wide files: `meminfo`, `stat`, `uptime`, `vmstat`, and the few others that programs look at.
//!
//! The figures are the machine's own: what is in RAM is counted by the frames' states, and these sum to RAM.

use mm::{FrameUse, Memory};
use procfs::{CpuTimes, Kib, MemInfo, SystemStat, Uptime, VmStat};

use super::facts::SystemFacts;

const TICK_NS: u64 = 10_000_000;

pub(super) fn meminfo(memory: &Memory) -> MemInfo {
    let frames: FrameUse = memory.frames();
    let granule = memory.granule();
    let kib = |count: arch::FrameCount| Kib::from_bytes(count.bytes(granule).get());
    let sum = |a: Kib, b: Kib| Kib(a.0 + b.0);
    let cached = sum(kib(frames.file), kib(frames.shmem));
    let mut info = MemInfo::default();
    let rows = [
        ("MemTotal", kib(frames.total())),
        ("MemFree", kib(frames.free)),
        // Without reclaim, memory is available when it is free.
        ("MemAvailable", kib(frames.free)),
        ("Buffers", Kib::ZERO),
        ("Cached", cached),
        ("SwapCached", Kib::ZERO),
        ("Active", Kib::ZERO),
        ("Inactive", sum(cached, kib(frames.anon))),
        ("Unevictable", Kib::ZERO),
        ("Mlocked", Kib::ZERO),
        ("SwapTotal", Kib::ZERO),
        ("SwapFree", Kib::ZERO),
        ("Dirty", Kib::ZERO),
        ("Writeback", Kib::ZERO),
        ("AnonPages", kib(frames.anon)),
        ("Shmem", kib(frames.shmem)),
        ("KReclaimable", Kib::ZERO),
        ("Slab", Kib::ZERO),
        ("SReclaimable", Kib::ZERO),
        ("SUnreclaim", Kib::ZERO),
        ("KernelStack", Kib::ZERO),
        ("PageTables", kib(frames.page_tables)),
        ("CommitLimit", kib(frames.total())),
    ];
    for (name, value) in rows {
        info.push_kib(name, value);
    }
    info
}

pub(super) fn stat(facts: &SystemFacts) -> SystemStat {
    let ticks = |ns: u64| ns / TICK_NS;
    let idle = facts.up_ns.saturating_sub(facts.user_ns + facts.system_ns);
    let times = CpuTimes(vec![
        ticks(facts.user_ns),
        0,
        ticks(facts.system_ns),
        ticks(idle),
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    SystemStat {
        cpu: times.clone(),
        cpus: vec![(0, times)],
        intr: vec![0],
        ctxt: facts.switches,
        btime: facts.boot_realtime_ns / 1_000_000_000,
        processes: facts.forks,
        procs_running: facts.running,
        procs_blocked: 0,
        softirq: vec![0; 11],
        ..SystemStat::default()
    }
}

pub(super) fn uptime(facts: &SystemFacts) -> Uptime {
    let idle = facts.up_ns.saturating_sub(facts.user_ns + facts.system_ns);
    Uptime {
        up_centis: facts.up_ns / TICK_NS,
        idle_centis: idle / TICK_NS,
    }
}

pub(super) fn vmstat(memory: &Memory) -> VmStat {
    let frames = memory.frames();
    let frames_rows = [
        ("nr_free_pages", frames.free),
        ("nr_anon_pages", frames.anon),
        ("nr_file_pages", frames.file),
        ("nr_shmem", frames.shmem),
        ("nr_page_table_pages", frames.page_tables),
    ];
    let states = frames_rows
        .into_iter()
        .map(|(name, count)| (name.to_owned(), u64::from(count.get())));
    let counters = memory.counters();
    let events = [
        ("pgpgin", counters.pgpgin),
        ("pgpgout", counters.pgpgout),
        ("pgalloc_normal", counters.pgalloc),
        ("pgfault", counters.pgfault),
        ("pgmajfault", counters.pgmajfault),
    ];
    VmStat(
        states
            .chain(events.map(|(name, value)| (name.to_owned(), value)))
            .collect(),
    )
}
