//! Out of memory: which process dies when RAM and swap are full (Linux: `mm/oom_kill.c`).
//!
//! Linux's badness: the pages that a process has in RAM and in swap, and its page tables, moved by its `oom_score_adj` in
//! thousandths of all RAM and swap. The process with most dies by `SIGKILL`, and its memory is free at once. One whose
//! `oom_score_adj` is -1000 is never chosen; if there is no other, whoever needs the frame dies (Linux stops the system).
//!
//! Key type: [`Verdict`], what the person at the terminal is told.

use std::fmt;

use arch::Bytes;
use mm::{OutOfRam, SpaceUsage};

use crate::death::Cause;
use crate::kernel::{Kernel, Notice};
use crate::signal::kernel_info;
use crate::task::{Exit, Pid, State};
use abi::signal::Signal;

/// Who is killed, how much it had, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The process.
    pub victim: Pid,
    /// Its short name.
    pub program: String,
    /// Its `oom_score_adj`.
    pub adjust: i16,
    /// What it has in RAM.
    pub rss: Bytes,
    /// What it has in swap.
    pub swap: Bytes,
    /// Its page tables.
    pub page_tables: Bytes,
    /// Who needed a frame.
    pub by: Pid,
    /// The short name of that one.
    pub by_program: String,
    /// What for.
    pub out: OutOfRam,
    /// The size of the swap area.
    pub swap_total: Bytes,
    /// What of it is free.
    pub swap_free: Bytes,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "out of memory: {}[{}] is killed, which has most{}: {} KiB in RAM, {} KiB in swap, {} KiB of page tables; \
             {}[{}] needed a frame for a {}; RAM {} KiB, swap {} KiB, {} KiB of it free",
            self.program,
            self.victim,
            match self.adjust {
                0 => String::new(),
                adjust => format!(" by its oom_score_adj of {adjust}"),
            },
            self.rss.kib(),
            self.swap.kib(),
            self.page_tables.kib(),
            self.by_program,
            self.by,
            self.out.what,
            self.out.ram.kib(),
            self.swap_total.kib(),
            self.swap_free.kib(),
        )
    }
}

/// `OOM_SCORE_ADJ_MIN`: never to be chosen.
const NEVER: i16 = -1000;

/// `oom_badness()`, in bytes; `total` is RAM and swap. Nothing for who must not be chosen.
fn badness(usage: &SpaceUsage, adjust: i16, total: Bytes) -> Option<i64> {
    if adjust == NEVER {
        return None;
    }
    let held = usage.rss().get() + usage.swap.get() + usage.page_tables.get();
    let thousandth = (total.get() / 1000).cast_signed();
    Some(held.cast_signed() + i64::from(adjust) * thousandth)
}

impl Kernel {
    /// A task needs a frame and none can be had. Says whether another process died, so that it is worth trying again;
    /// otherwise the task itself dies.
    pub(crate) fn out_of_memory(&mut self, pid: Pid, out: OutOfRam) -> bool {
        let own = self.task(pid).space().id;
        let living = self.tasks.values().filter(|task| task.state != State::Zombie);
        let swap = self.memory.swap().total << self.memory.granule().shift();
        let total = Bytes::new(self.memory.ram_size().get() + swap);
        let candidates = living.filter_map(|task| {
            let space = task.space.as_ref()?.id;
            let points = badness(&self.memory.usage(space), task.oom_score_adj, total)?;
            Some((points, task.tgid, space))
        });
        // Of equals Linux takes the last that it comes by.
        let worst = candidates.max_by_key(|(points, ..)| *points);
        let (victim, space) = worst.map_or((self.task(pid).tgid, own), |(_, victim, space)| (victim, space));
        self.tell_verdict(victim, space, pid, out);
        if space == own {
            self.task_mut(pid).signals.cause = Some(Cause::OutOfRam(out));
            self.force(pid, kernel_info(Signal::KILL));
            return false;
        }
        // All processes in that memory: what one of them leaves would not be free.
        let inside = self
            .tasks
            .values()
            .filter(|task| task.state != State::Zombie && task.space.as_ref().is_some_and(|s| s.id == space));
        let mut inside: Vec<(Pid, Pid)> = inside.map(|task| (task.tgid, task.pid)).collect();
        inside.dedup_by_key(|(process, _)| *process);
        for (_, thread) in inside {
            // The end of one may have been the end of another.
            if self
                .tasks
                .get(&thread)
                .is_some_and(|task| task.state != State::Zombie)
            {
                self.task_mut(thread).signals.cause = Some(Cause::OutOfRam(out));
                self.report_death(thread, kernel_info(Signal::KILL));
                self.end_process(thread, Exit::Signal(Signal::KILL));
            }
        }
        true
    }

    fn tell_verdict(&mut self, victim: Pid, space: mm::SpaceId, by: Pid, out: OutOfRam) {
        let usage = self.memory.usage(space);
        let swap = self.memory.swap();
        let shift = self.memory.granule().shift();
        let name = |pid: Pid| {
            let comm = self.tasks.get(&pid).map(|task| task.comm.clone());
            String::from_utf8_lossy(&comm.unwrap_or_default()).into_owned()
        };
        let verdict = Verdict {
            victim,
            program: name(victim),
            adjust: self.tasks.get(&victim).map_or(0, |task| task.oom_score_adj),
            rss: usage.rss(),
            swap: usage.swap,
            page_tables: usage.page_tables,
            by,
            by_program: name(by),
            out,
            swap_total: Bytes::new(swap.total << shift),
            swap_free: Bytes::new(swap.free() << shift),
        };
        self.note_out_of_memory(victim, by);
        self.notify(Notice::OutOfMemory(Box::new(verdict)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adjustment_moves_the_badness_by_thousandths_of_all() {
        let usage = SpaceUsage {
            swap: Bytes::new(5_000_000),
            ..SpaceUsage::default()
        };
        let total = Bytes::new(100_000_000);
        assert_eq!(badness(&usage, 0, total), Some(5_000_000));
        assert_eq!(badness(&usage, 10, total), Some(6_000_000));
        assert_eq!(badness(&usage, -999, total), Some(5_000_000 - 99_900_000));
        assert_eq!(badness(&usage, -1000, total), None);
    }
}
