//! The machine-wide files: `meminfo`, `stat`, `uptime`, `vmstat`, and the few others that programs look at.
//!
//! The figures are the machine's own: what is in RAM is counted by the frames' states, and these sum to RAM.

use mm::{FrameUse, Memory, Pss, SpaceId, VmaUsage};
use procfs::{CpuTimes, Kib, MemInfo, SystemStat, Text, Uptime, VmStat};

use rustc_hash::FxHashSet;

use super::facts::SystemFacts;
use crate::kernel::Kernel;

const TICK_NS: u64 = 10_000_000;

/// `/proc/devices`: what the machine has.
pub(super) const DEVICES: &str =
    "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n";

/// `/proc/filesystems`.
pub(super) const FILESYSTEMS: &str = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tsockfs\nnodev\tpipefs\nnodev\tdevpts\n\text4\n";

/// `/proc/tty/drivers`: how device numbers become names.
pub(super) const TTY_DRIVERS: &str = "/dev/tty             /dev/tty        5       0 system:/dev/tty
/dev/console         /dev/console    5       1 system:console
/dev/ptmx            /dev/ptmx       5       2 system
pty_slave            /dev/pts      136 0-1048575 pty:slave
pty_master           /dev/ptm      128 0-1048575 pty:master
";

/// `/proc/version`: uname(2)'s words, and who built it.
pub(super) fn version() -> Vec<u8> {
    let (release, version) = (crate::syscall::RELEASE, crate::syscall::VERSION);
    format!("Linux version {release} (pagewalk) (rustc) {version}\n").into_bytes()
}

/// `/proc/cpuinfo`: one processor. Its features are those that programs are told of in their auxiliary vector, its identity is the
/// `MIDR_EL1` that they read (a Cortex-A72 r0p3), its counter has a tick of a nanosecond.
pub(super) fn cpuinfo(kernel: &Kernel) -> Vec<u8> {
    /// In the order of their bits (`arch/arm64/kernel/cpuinfo.c`).
    const FEATURES: [&str; 32] = [
        "fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "atomics", "fphp", "asimdhp",
        "cpuid", "asimdrdm", "jscvt", "fcma", "lrcpc", "dcpop", "sha3", "sm3", "sm4", "asimddp", "sha512",
        "sve", "asimdfhm", "dit", "uscat", "ilrcpc", "flagm", "ssbs", "sb", "paca", "pacg",
    ];
    let spaces = kernel.tasks().filter_map(|task| task.space.as_ref());
    let told = spaces
        .flat_map(|space| &space.image.auxv)
        .find(|(kind, _)| *kind == abi::process::auxv::HWCAP);
    let bits = told.map_or(0, |(_, bits)| *bits);
    let has = |bit: &usize| bits >> bit & 1 == 1;
    let features: Vec<&str> = (0..FEATURES.len()).filter(has).map(|bit| FEATURES[bit]).collect();
    format!(
        "processor\t: 0\nBogoMIPS\t: 2000.00\nFeatures\t: {}\nCPU implementer\t: 0x41\nCPU architecture: 8\n\
         CPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n",
        features.join(" ")
    )
    .into_bytes()
}

/// `/sys/devices/system/node/node0/meminfo`: the same figures with the node's name.
pub(super) fn node_meminfo(kernel: &Kernel) -> String {
    const NOT_HERE: [&str; 7] = [
        "MemAvailable",
        "Buffers",
        "SwapTotal",
        "SwapFree",
        "CommitLimit",
        "Committed_AS",
        "Cached",
    ];
    let all = meminfo(kernel);
    let value = |name| all.kib(name).unwrap_or(Kib::ZERO).0;
    let mut here = MemInfo::default();
    for counter in all
        .0
        .iter()
        .filter(|counter| !NOT_HERE.contains(&counter.name.as_str()))
    {
        here.0.push(counter.clone());
        match counter.name.as_str() {
            "MemFree" => here.push_kib("MemUsed", Kib(value("MemTotal") - value("MemFree"))),
            "Writeback" => here.push_kib("FilePages", Kib(value("Cached"))),
            _ => {}
        }
    }
    let text = String::from_utf8_lossy(&here.print()).into_owned();
    let lines: Vec<String> = text.lines().map(|line| format!("Node 0 {line}")).collect();
    lines.join("\n")
}

/// Each address space once, however many tasks share it.
fn spaces(kernel: &Kernel) -> FxHashSet<SpaceId> {
    let tasks = kernel.tasks().filter_map(|task| task.space.as_ref());
    tasks.map(|space| space.id).collect()
}

/// Pages that files and shared memory have in programs' memory: each page's shares add up to one.
fn mapped(kernel: &Kernel) -> u64 {
    let memory = kernel.memory();
    let usage = |space: SpaceId| {
        let vmas = memory.vmas(space).map(move |vma| memory.vma_usage(space, vma));
        vmas.fold(VmaUsage::default(), |sum, vma| sum.plus(&vma))
    };
    let shares = spaces(kernel)
        .into_iter()
        .map(usage)
        .fold(Pss::default(), |sum, usage| {
            sum.plus(usage.pss_file).plus(usage.pss_shmem)
        });
    // Thirds of a page do not add up to the last byte.
    let page = memory.granule().bytes();
    shares.bytes().get().saturating_add(page / 2) / page * page / 1024
}

pub(super) fn meminfo(kernel: &Kernel) -> MemInfo {
    let memory = kernel.memory();
    let frames: FrameUse = memory.frames();
    let granule = memory.granule();
    let kib = |count: arch::FrameCount| Kib::from_bytes(count.bytes(granule).get());
    let sum = |a: Kib, b: Kib| Kib(a.0 + b.0);
    let swap = memory.swap();
    let slots = |count: u64| Kib::from_bytes(count << granule.shift());
    let cached = sum(kib(frames.file), kib(frames.shmem));
    let total = kib(frames.total());
    let mut info = MemInfo::default();
    let rows = [
        ("MemTotal", total),
        ("MemFree", kib(frames.free)),
        // Pages of files can be dropped; what swapping would give is not counted, as on Linux.
        ("MemAvailable", sum(kib(frames.free), kib(frames.file))),
        ("Buffers", Kib::ZERO),
        ("Cached", cached),
        ("SwapCached", Kib::ZERO),
        ("Active", Kib::ZERO),
        ("Inactive", sum(cached, kib(frames.anon))),
        ("Active(anon)", Kib::ZERO),
        ("Inactive(anon)", sum(kib(frames.anon), kib(frames.shmem))),
        ("Active(file)", Kib::ZERO),
        ("Inactive(file)", kib(frames.file)),
        ("Unevictable", Kib::ZERO),
        ("Mlocked", Kib::ZERO),
        ("SwapTotal", slots(swap.total)),
        ("SwapFree", slots(swap.free())),
        ("Dirty", Kib::ZERO),
        ("Writeback", Kib::ZERO),
        ("AnonPages", kib(frames.anon)),
        ("Mapped", Kib(mapped(kernel))),
        ("Shmem", kib(frames.shmem)),
        ("KReclaimable", Kib::ZERO),
        ("Slab", Kib::ZERO),
        ("SReclaimable", Kib::ZERO),
        ("SUnreclaim", Kib::ZERO),
        ("KernelStack", Kib::ZERO),
        ("PageTables", kib(frames.page_tables)),
        ("CommitLimit", Kib::from_bytes(memory.commit_limit().get())),
        ("Committed_AS", Kib::from_bytes(memory.committed().get())),
    ];
    for (name, value) in rows {
        info.push_kib(name, value);
    }
    info
}

/// `/proc/swaps`, in the columns of Linux's `swap_show()`.
pub(super) fn swaps(memory: &Memory) -> Vec<u8> {
    let mut text = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".to_owned();
    let swap = memory.swap();
    if swap.total > 0 {
        let kib = |slots: u64| (slots << memory.granule().shift()) >> 10;
        let name = memory.swap_name();
        let tab = |figure: u64| if figure < 10_000_000 { "\t" } else { "" };
        let (size, used) = (kib(swap.total), kib(swap.used));
        let gap = if name.len() < 40 { 40 - name.len() } else { 1 };
        let spaces = " ".repeat(gap);
        text.push_str(&format!(
            "{name}{spaces}file\t\t{size}\t{}{used}\t{}-2\n",
            tab(size),
            tab(used)
        ));
    }
    text.into_bytes()
}

pub(super) fn stat(facts: &SystemFacts) -> SystemStat {
    let ticks = |ns: u64| ns / TICK_NS;
    let times = CpuTimes(vec![
        ticks(facts.user_ns),
        ticks(facts.nice_ns),
        ticks(facts.system_ns),
        ticks(facts.idle_ns()),
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
    Uptime {
        up_centis: facts.up_ns / TICK_NS,
        idle_centis: facts.idle_ns() / TICK_NS,
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
        ("pswpin", counters.pswpin),
        ("pswpout", counters.pswpout),
        ("pglazyfreed", counters.pglazyfreed),
        ("workingset_refault_anon", counters.workingset_refault_anon),
        ("workingset_refault_file", counters.workingset_refault_file),
        ("workingset_activate_anon", counters.workingset_activate_anon),
        ("workingset_activate_file", counters.workingset_activate_file),
        ("pgsteal_kswapd", counters.pgsteal_kswapd),
        ("pgsteal_direct", counters.pgsteal_direct),
        ("pgscan_kswapd", counters.pgscan_kswapd),
        ("pgscan_direct", counters.pgscan_direct),
        ("allocstall_normal", counters.allocstall),
        ("swap_ra", counters.swap_ra),
        ("swap_ra_hit", counters.swap_cache_hits),
    ];
    VmStat(
        states
            .chain(events.map(|(name, value)| (name.to_owned(), value)))
            .collect(),
    )
}
