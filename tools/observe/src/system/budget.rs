//! Where the machine's memory went ([`Budget`]): `meminfo` and the processes' shares, as parts that add up to MemTotal.
//!
//! What is counted is counted once. The rest that nobody accounts for is a part like the others. A difference may be negative:
//! processes and `meminfo` are not read at one moment, and that is shown and not hidden.

use super::usage::Usage;
use procfs::{Kib, MemInfo};

/// One part of MemTotal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its name in machine-readable outputs; stable.
    pub key: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Kibibytes; `None` if this kernel does not say.
    pub kib: Option<i64>,
}

/// The machine's memory and swap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Budget {
    /// MemTotal.
    pub total: Kib,
    /// MemAvailable.
    pub available: Option<Kib>,
    /// Parts; those that are known add up to the total, the last of them being what is not explained.
    pub parts: Vec<Part>,
    /// Swap.
    pub swap: Swap,
}

/// The machine's swap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Swap {
    /// SwapTotal.
    pub total: Option<Kib>,
    /// SwapFree.
    pub free: Option<Kib>,
    /// In RAM as well as in swap. Mostly mapped, and then already among the processes' anonymous memory.
    pub cached: Option<Kib>,
    /// The processes' shares (SwapPss).
    pub of_processes: Option<Kib>,
}

impl Swap {
    /// Swap in use.
    #[must_use]
    pub fn used(&self) -> Option<Kib> {
        let (total, free) = self.total.zip(self.free)?;
        Some(Kib(total.0.saturating_sub(free.0)))
    }
}

impl Budget {
    /// From `meminfo` and the sums over all processes. `None` if there is no MemTotal.
    pub(super) fn new(info: &MemInfo, sums: &Usage) -> Option<Self> {
        let total = info.kib("MemTotal")?;
        let mut parts = parts(info, sums);
        let known = parts
            .iter()
            .filter_map(|part| part.kib)
            .fold(0_i64, i64::saturating_add);
        parts.push(Part {
            key: "not_explained",
            label: "not explained",
            kib: Some(signed(total).saturating_sub(known)),
        });
        Some(Self {
            total,
            available: info.kib("MemAvailable"),
            parts,
            swap: Swap {
                total: info.kib("SwapTotal"),
                free: info.kib("SwapFree"),
                cached: info.kib("SwapCached"),
                of_processes: sums.swap_pss,
            },
        })
    }

    /// The part of that key, in kibibytes.
    #[must_use]
    pub fn part(&self, key: &str) -> Option<i64> {
        self.parts.iter().find(|part| part.key == key)?.kib
    }
}

fn signed(kib: Kib) -> i64 {
    i64::try_from(kib.0).unwrap_or(i64::MAX)
}

fn parts(info: &MemInfo, sums: &Usage) -> Vec<Part> {
    let line = |name| info.kib(name).map(signed);
    let share = |share: Option<Kib>| share.map(signed);
    // What no process was read for is not in the processes' sums.
    let minus =
        |whole: Option<i64>, part: Option<Kib>| Some(whole?.saturating_sub(signed(part.unwrap_or_default())));
    // Cached holds shared memory, and neither buffers nor the swap cache.
    let cache = || {
        let cached = line("Cached")?.saturating_sub(line("Shmem")?);
        Some(cached.saturating_add(line("Buffers")?))
    };
    let part = |key, label, kib| Part { key, label, kib };
    vec![
        part(
            "processes_anonymous",
            "processes: anonymous memory",
            share(sums.pss_anon),
        ),
        part(
            "processes_files",
            "processes: files they map",
            share(sums.pss_file),
        ),
        part(
            "processes_shared_memory",
            "processes: shared memory",
            share(sums.pss_shmem),
        ),
        part(
            "anonymous_elsewhere",
            "anonymous, of no process that was read",
            minus(line("AnonPages"), sums.pss_anon),
        ),
        part(
            "page_cache_elsewhere",
            "page cache, mapped by none of them",
            minus(cache(), sums.pss_file),
        ),
        part(
            "shared_memory_elsewhere",
            "shared memory, mapped by none of them",
            minus(line("Shmem"), sums.pss_shmem),
        ),
        part("page_tables", "page tables", line("PageTables")),
        part(
            "secondary_page_tables",
            "page tables of guests and devices",
            line("SecPageTables"),
        ),
        part("kernel_stacks", "kernel stacks", line("KernelStack")),
        part("slab_reclaimable", "slab, reclaimable", line("SReclaimable")),
        part("slab_unreclaimable", "slab, not reclaimable", line("SUnreclaim")),
        part(
            "kernel_reclaimable",
            "other reclaimable kernel memory",
            kernel_reclaimable(info),
        ),
        part("vmalloc", "vmalloc, without kernel stacks", vmalloc(info)),
        part("percpu", "per-CPU data", line("Percpu")),
        part("hugetlb_pool", "hugetlb pool", hugetlb(info)),
        part("zswap", "compressed swap (zswap)", line("Zswap")),
        part("bounce", "bounce buffers", line("Bounce")),
        part("free", "free", line("MemFree")),
    ]
}

/// KReclaimable beyond the slab in it (drivers' pools).
fn kernel_reclaimable(info: &MemInfo) -> Option<i64> {
    let beyond = info
        .kib("KReclaimable")?
        .0
        .saturating_sub(info.kib("SReclaimable")?.0);
    Some(signed(Kib(beyond)))
}

/// VmallocUsed counts pages (since 5.3), kernel stacks among them. The kernels between 4.4 and 5.2 print 0 for not counted.
fn vmalloc(info: &MemInfo) -> Option<i64> {
    let used = info.kib("VmallocUsed").filter(|used| used.0 > 0)?;
    let stacks = info.kib("KernelStack")?;
    Some(signed(Kib(used.0.saturating_sub(stacks.0))))
}

/// All pools since 4.16; before that the pool of the default size.
fn hugetlb(info: &MemInfo) -> Option<i64> {
    let default_pool = || {
        let count = info.0.iter().find(|c| c.name == "HugePages_Total" && !c.is_kib)?;
        let kib = info.kib("Hugepagesize")?.0.saturating_mul(count.value);
        Some(Kib(kib))
    };
    info.kib("Hugetlb").or_else(default_pool).map(signed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::Text;

    const INFO: &str = "\
MemTotal:           1000 kB
MemFree:             100 kB
Buffers:              10 kB
Cached:              300 kB
SwapCached:            7 kB
SwapTotal:            64 kB
SwapFree:             40 kB
AnonPages:           200 kB
Shmem:                50 kB
KReclaimable:         35 kB
SReclaimable:         30 kB
SUnreclaim:           20 kB
KernelStack:          16 kB
PageTables:           12 kB
VmallocUsed:          20 kB
Percpu:                3 kB
HugePages_Total:       2
Hugepagesize:         64 kB
";

    fn budget(info: &str) -> Budget {
        let sums = Usage {
            pss_anon: Some(Kib(150)),
            pss_file: Some(Kib(80)),
            pss_shmem: Some(Kib(20)),
            swap_pss: Some(Kib(9)),
            ..Usage::default()
        };
        Budget::new(&MemInfo::parse(info.as_bytes()).unwrap(), &sums).unwrap()
    }

    #[test]
    fn the_parts_add_up_to_the_total() {
        let budget = budget(INFO);
        let sum: i64 = budget.parts.iter().filter_map(|part| part.kib).sum();
        assert_eq!(sum, 1000);
        for (key, kib) in [
            ("processes_anonymous", Some(150)),
            ("anonymous_elsewhere", Some(50)),
            ("page_cache_elsewhere", Some(180)),
            ("shared_memory_elsewhere", Some(30)),
            ("kernel_reclaimable", Some(5)),
            ("vmalloc", Some(4)),
            ("hugetlb_pool", Some(128)),
            ("zswap", None),
            // 1000 less 150 80 20 50 180 30 12 16 30 20 5 4 3 128 100.
            ("not_explained", Some(172)),
        ] {
            assert_eq!(budget.part(key), kib, "{key}");
        }
        assert_eq!(budget.swap.used(), Some(Kib(24)));
    }

    #[test]
    fn what_a_kernel_does_not_say_is_unknown_and_stays_in_the_rest() {
        let old = budget(&INFO.replace("VmallocUsed:          20", "VmallocUsed:           0"));
        assert_eq!(
            (old.part("vmalloc"), old.part("not_explained")),
            (None, Some(176))
        );
        let odd = budget(&INFO.replace("AnonPages:           200", "AnonPages:           140"));
        assert_eq!(odd.part("anonymous_elsewhere"), Some(-10));
        let largest = budget(&INFO.replace("1000 kB", "18446744073709551615 kB"));
        assert_eq!(largest.total, Kib(u64::MAX));
        assert_eq!(Budget::new(&MemInfo::default(), &Usage::default()), None);
    }
}
