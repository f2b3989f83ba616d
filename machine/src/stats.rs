//! What a run did, in numbers: for people ([`Stats::render`]) and for programs (the caller prints JSON from
//! [`Stats::sections`]).
//!
//! Every figure but those of the section `time` is a function of program, machine and seed.

use std::fmt::Write as _;
use std::time::Duration;

use cpu::Cpu;
use mm::{FaultKind, FrameUse};
use mmu::Mmu;
use process::Kernel;

/// Named figures in named sections, in the order in which they are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    sections: Vec<Section>,
}

/// One group of figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its name, such as `faults`.
    pub name: &'static str,
    /// Name and figure.
    pub rows: Vec<(&'static str, u64)>,
}

impl Stats {
    pub(crate) fn push(&mut self, name: &'static str, rows: impl IntoIterator<Item = (&'static str, u64)>) {
        self.sections.push(Section {
            name,
            rows: rows.into_iter().collect(),
        });
    }

    /// The sections in order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// One figure by section and name.
    pub fn get(&self, section: &str, name: &str) -> Option<u64> {
        let section = self.sections.iter().find(|s| s.name == section)?;
        section
            .rows
            .iter()
            .find(|(row, _)| *row == name)
            .map(|(_, value)| *value)
    }

    /// Lines for people: a heading a section, a figure a line, digits grouped by three.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for section in &self.sections {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{}", section.name.replace('_', " "));
            for (name, value) in &section.rows {
                let _ = writeln!(out, "  {:<28}{:>20}", name.replace('_', " "), grouped(*value));
            }
        }
        out
    }
}

/// Collects what all parts of a machine counted.
pub(crate) fn gather(cpu: &Cpu, mmu: &Mmu, kernel: &Kernel, elapsed: Duration) -> Stats {
    let mut stats = Stats::default();
    stats.push("instructions", processor(cpu));
    stats.push("translation", translation(mmu.counters()));
    stats.push("faults", faults(kernel.memory().counters()));
    stats.push("frames_at_peak", frames(&kernel.memory().peak_frames()));
    stats.push("frames_at_end", frames(&kernel.memory().frames()));
    stats.push("memory", memory(kernel.memory()));
    stats.push("reclaim", reclaim(kernel.memory().counters()));
    stats.push("swap", swap(kernel.memory()));
    let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    stats.push("time", [("wall_ns", nanoseconds)]);
    stats
}

fn processor(cpu: &Cpu) -> [(&'static str, u64); 5] {
    let counters = cpu.counters();
    [
        ("retired", cpu.retired()),
        ("blocks_entered", counters.block_entries),
        ("blocks_decoded", counters.blocks_decoded),
        ("blocks_invalidated", counters.blocks_invalidated),
        ("jump_cache_misses", counters.jump_misses),
    ]
}

fn translation(counters: &mmu::Counters) -> [(&'static str, u64); 8] {
    [
        ("walks", counters.walks),
        ("descriptor_reads", counters.descriptor_reads),
        ("access_flags_set", counters.access_flags_set),
        ("dirty_states_set", counters.dirty_states_set),
        ("fast_table_fills", counters.fills),
        ("invalidated_pages", counters.invalidated_pages),
        ("translation_faults", counters.translation_faults),
        ("permission_faults", counters.permission_faults),
    ]
}

fn faults(counters: &mm::Counters) -> Vec<(&'static str, u64)> {
    let kinds = FaultKind::ALL
        .into_iter()
        .map(|kind| (fault_name(kind), counters.faults(kind)));
    let totals = [
        (
            "minor",
            counters
                .pgfault
                .saturating_sub(counters.pgmajfault + counters.violations),
        ),
        ("major", counters.pgmajfault),
        ("violations", counters.violations),
    ];
    totals.into_iter().chain(kinds).collect()
}

/// What statistics and traces call a kind of fault.
pub fn fault_name(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::ZeroFill => "zero_fill",
        FaultKind::ZeroPage => "zero_page",
        FaultKind::FileMap => "file_map",
        FaultKind::CopyOnWrite => "copy_on_write",
        FaultKind::Reuse => "reuse",
        FaultKind::FileWrite => "file_write",
        FaultKind::StackGrowth => "stack_growth",
        FaultKind::AccessFlag => "access_flag",
        FaultKind::Spurious => "spurious",
        FaultKind::SwapIn => "swap_in",
    }
}

fn frames(frames: &FrameUse) -> [(&'static str, u64); 7] {
    [
        ("total", frames.total()),
        ("free", frames.free),
        ("zero_page", frames.zero),
        ("page_tables", frames.page_tables),
        ("anonymous", frames.anon),
        ("file", frames.file),
        ("shared_memory", frames.shmem),
    ]
    .map(|(name, count)| (name, count.get().into()))
}

fn memory(memory: &mm::Memory) -> [(&'static str, u64); 6] {
    let counters = memory.counters();
    [
        ("page_bytes", memory.granule().bytes()),
        ("frames_allocated", counters.pgalloc),
        ("copies", counters.cow_copies),
        ("table_copies", counters.table_copies),
        ("fault_around_pages", counters.fault_around),
        ("file_kib_read", counters.pgpgin),
    ]
}

fn reclaim(counters: &mm::Counters) -> [(&'static str, u64); 10] {
    [
        ("pgscan_background", counters.pgscan_kswapd),
        ("pgscan_direct", counters.pgscan_direct),
        ("pgsteal_background", counters.pgsteal_kswapd),
        ("pgsteal_direct", counters.pgsteal_direct),
        ("direct_reclaims", counters.allocstall),
        ("lazily_freed", counters.pglazyfreed),
        ("refaults_anonymous", counters.workingset_refault_anon),
        ("refaults_file", counters.workingset_refault_file),
        ("activated_anonymous", counters.workingset_activate_anon),
        ("activated_file", counters.workingset_activate_file),
    ]
}

fn swap(memory: &mm::Memory) -> [(&'static str, u64); 13] {
    let counters = memory.counters();
    let usage = memory.swap();
    [
        ("slots", usage.total),
        ("slots_used_at_end", usage.used),
        ("slots_bad", usage.bad),
        ("pswpin", counters.pswpin),
        ("pswpout", counters.pswpout),
        ("evicted_without_write", counters.swap_clean),
        ("read_ahead", counters.swap_ra),
        ("found_in_ram", counters.swap_cache_hits),
        ("read_errors", counters.swap_read_errors),
        ("write_errors", counters.swap_write_errors),
        ("zero_pages_at_end", usage.zeros),
        ("compressed_pages_at_end", usage.compressed),
        ("compressed_bytes_at_end", usage.compressed_bytes),
    ]
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
    }

    #[test]
    fn figures_are_found_by_section_and_name() {
        let mut stats = Stats::default();
        stats.push("faults", [("zero_fill", 3), ("file", 4)]);
        assert_eq!(stats.get("faults", "file"), Some(4));
        assert_eq!(stats.get("faults", "none"), None);
        assert_eq!(
            stats.render(),
            format!(
                "faults\n  {:<28}{:>20}\n  {:<28}{:>20}\n",
                "zero fill", 3, "file", 4
            )
        );
    }
}
