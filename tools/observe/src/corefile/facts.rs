//! What only a core tells ([`CoreFacts`]): signal, threads with their registers, and how much of each segment was dumped.

use super::error::CutShort;
use super::headers::Machine;
use super::prstatus::{CoreThread, Signal};
use crate::{Gap, Region, Snapshot};
use procfs::{Addr, Kib};

/// A range of addresses, and how much of it the core file has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dumped {
    /// First address.
    pub start: Addr,
    /// First address past the end.
    pub end: Addr,
    /// Bytes from `start` on that were dumped.
    pub dumped: u64,
    /// Of these, bytes that the file still holds (fewer if it is cut short).
    pub readable: u64,
}

/// Facts of a core beside the process's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoreFacts {
    /// Processor.
    pub machine: Machine,
    /// The signal that ended the process; `None` if none did (a core that gdb took from a live process).
    pub signal: Option<Signal>,
    /// The threads. The kernel puts the one that caused the dump first. Of a saved report they have no general registers.
    pub threads: Vec<CoreThread>,
    /// The segments, by address.
    pub segments: Vec<Dumped>,
    /// Whether gdb wrote it.
    pub by_gdb: bool,
    /// What is missing, if the file ends early.
    pub cut: Option<CutShort>,
    /// What the report lacks, and why.
    pub gaps: Vec<Gap>,
}

/// Threads that the header lists; `--json` has all.
const LISTED_THREADS: usize = 8;

impl CoreFacts {
    /// Put them into a snapshot that was taken through the core.
    pub fn complete(self, snapshot: &mut Snapshot) {
        snapshot.facts.code_type = Some(self.machine.code_type().into());
        snapshot.gaps.extend(self.gaps.iter().cloned());
        snapshot.core = Some(self);
    }

    /// Bytes of the range that the file holds.
    #[must_use]
    pub fn readable(&self, start: Addr, end: Addr) -> u64 {
        let first = self.segments.partition_point(|s| s.end <= start);
        let inside = self.segments[first..].iter().take_while(|s| s.start < end);
        let part = |s: &Dumped| {
            let to = s.start.0.saturating_add(s.readable).min(end.0);
            to.saturating_sub(s.start.max(start).0)
        };
        inside.fold(0, |sum, s| sum.saturating_add(part(s)))
    }

    /// What to say of a region that is not there in full; empty if it is.
    pub(crate) fn note(&self, region: &Region) -> String {
        match self.readable(region.start, region.end) {
            0 => "not dumped".into(),
            all if all >= region.len() => String::new(),
            some => format!("{some_kib}K dumped", some_kib = Kib::from_bytes(some).0),
        }
    }

    /// Lines of the header: key and value.
    pub(crate) fn lines(&self) -> Vec<(String, String)> {
        let sum = |of: fn(&Dumped) -> u64| {
            self.segments
                .iter()
                .fold(0_u64, |sum, s| sum.saturating_add(of(s)))
        };
        let show = |bytes| crate::render::size(Some(Kib::from_bytes(bytes)), crate::render::Unit::Bytes);
        let mut lines = vec![(
            "Core File:".into(),
            format!(
                "{} of {} in {} segments dumped, by {}",
                show(sum(|s| s.readable)),
                show(sum(|s| s.end.bytes_above(s.start))),
                self.segments.len(),
                if self.by_gdb { "gdb" } else { "the kernel" },
            ),
        )];
        let signal = self
            .signal
            .map_or("no signal: it was alive".into(), |s| s.to_string());
        lines.push(("Ended By:".into(), signal));
        for thread in self.threads.iter().take(LISTED_THREADS) {
            let place = format!("pc={:#x} sp={:#x}", thread.pc.0, thread.sp.0);
            lines.push((format!("Thread {}:", thread.tid), place));
        }
        if let Some(more) = self.threads.len().checked_sub(LISTED_THREADS).filter(|&n| n > 0) {
            lines.push(("Threads:".into(), format!("and {more} more (all with --json)")));
        }
        lines
    }
}
