//! What tasks are charged for beside time: faults, input and output, and waiting for the processor; and the machine's own
//! sums, which do not shrink when tasks vanish.
//!
//! Key types: [`Charges`], a task's; [`Account`], its place in the task; [`Totals`], the machine's, with [`LoadAverage`].
//! Filled by [`Kernel::charged`], around every visit to the kernel; shown by `/proc` and getrusage(2).

use procfs::LoadAvg;

use crate::kernel::Kernel;
use crate::rng::Rng;
use crate::syscall::Answer;
use crate::task::{Pid, State};

/// Faults (getrusage(2)) and the figures of `/proc/PID/io` (proc_pid_io(5)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Charges {
    /// Faults without the host.
    pub minor_faults: u64,
    /// Faults that had to read from the host.
    pub major_faults: u64,
    /// Bytes that reading calls gave.
    pub rchar: u64,
    /// Bytes that writing calls took.
    pub wchar: u64,
    /// Reading calls.
    pub syscr: u64,
    /// Writing calls.
    pub syscw: u64,
    /// Bytes that the page cache read from the host.
    pub read_bytes: u64,
    /// Bytes that it wrote to the host.
    pub write_bytes: u64,
}

impl Charges {
    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            minor_faults: self.minor_faults + other.minor_faults,
            major_faults: self.major_faults + other.major_faults,
            rchar: self.rchar.wrapping_add(other.rchar),
            wchar: self.wchar.wrapping_add(other.wchar),
            syscr: self.syscr + other.syscr,
            syscw: self.syscw + other.syscw,
            read_bytes: self.read_bytes + other.read_bytes,
            write_bytes: self.write_bytes + other.write_bytes,
        }
    }
}

/// A task's charges. What is not the thread's own is kept by its process's first thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Of this thread.
    pub own: Charges,
    /// Of threads of this process that have ended.
    pub ended: Charges,
    /// Of ended and awaited children, with all of theirs.
    pub children: Charges,
    /// Nanoseconds in which it could have run after its time slice was over, and another task did.
    pub delay_ns: u64,
    /// Since when it waits for its next turn.
    pub(crate) ready_since: Option<u64>,
}

/// Sums over all tasks that ever were.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Time in user space of tasks that are not nice.
    pub user_ns: u64,
    /// Of those that are (nice(1) above 0).
    pub nice_ns: u64,
    /// Time in the kernel.
    pub system_ns: u64,
    /// Turns that ended: because the task waited, or its time slice was over.
    pub switches: u64,
    /// Tasks made.
    pub forks: u64,
    /// How many tasks want to run.
    pub load: LoadAverage,
    /// Files of `/proc` that guests opened: the number of the next `random/uuid`.
    pub(crate) opened: u64,
    seed: u64,
}

impl Totals {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            user_ns: 0,
            nice_ns: 0,
            system_ns: 0,
            switches: 0,
            forks: 0,
            load: LoadAverage::default(),
            opened: 0,
            seed,
        }
    }

    pub(crate) fn add_time(&mut self, nice: i8, user_ns: u64, system_ns: u64) {
        let user = if nice > 0 {
            &mut self.nice_ns
        } else {
            &mut self.user_ns
        };
        *user += user_ns;
        self.system_ns += system_ns;
    }

    /// A random UUID (RFC 9562, version 4) of the machine, the same for the same number. It has a stream of its own, so that
    /// who looks from outside takes no random number from the guests.
    pub(crate) fn uuid(&self, number: u64) -> String {
        let mut rng = Rng::new(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x7575_6964);
        let (high, low) = (rng.next(), rng.next());
        let high = high & !0xf000 | 0x4000;
        let low = low & !(0b11 << 62) | 0b10 << 62;
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }
}

/// Averages over 1, 5 and 15 minutes of the number of tasks that can run, as `kernel/sched/loadavg.c` computes them: a sample
/// every five seconds and a tick, in fixed point.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LoadAverage {
    fixed: [u64; 3],
    next_ns: u64,
}

impl LoadAverage {
    const SHIFT: u32 = 11;
    const ONE: u64 = 1 << Self::SHIFT;
    /// 1/exp(5 s / 1, 5, 15 min) in fixed point (`EXP_1`, `EXP_5`, `EXP_15`).
    const DECAY: [u64; 3] = [1884, 2014, 2037];
    /// `LOAD_FREQ` of a kernel with 250 ticks a second.
    const EVERY_NS: u64 = 5_004_000_000;
    /// After so many equal samples nothing changes any more.
    const MOST_AT_ONCE: u64 = 4096;

    /// Time has come to `now`, and since the last call `active` tasks wanted to run.
    pub(crate) fn advance(&mut self, now_ns: u64, active: impl FnOnce() -> u64) {
        if now_ns < self.next_ns {
            return;
        }
        if self.next_ns == 0 {
            self.next_ns = Self::EVERY_NS;
            return;
        }
        let samples = (now_ns - self.next_ns) / Self::EVERY_NS + 1;
        self.next_ns = self
            .next_ns
            .saturating_add(samples.saturating_mul(Self::EVERY_NS));
        let active = active() * Self::ONE;
        for _ in 0..samples.min(Self::MOST_AT_ONCE) {
            for (load, decay) in self.fixed.iter_mut().zip(Self::DECAY) {
                let up = if active >= *load { Self::ONE - 1 } else { 0 };
                *load = (*load * decay + active * (Self::ONE - decay) + up) / Self::ONE;
            }
        }
    }

    /// In hundredths, rounded as `loadavg` rounds.
    pub fn centis(&self) -> [u64; 3] {
        self.fixed.map(|load| {
            let rounded = load + Self::ONE / 200;
            (rounded >> Self::SHIFT) * 100 + (((rounded & (Self::ONE - 1)) * 100) >> Self::SHIFT)
        })
    }
}

impl Kernel {
    /// Does something for a task and charges it for the faults and the transfers that came of it.
    pub(crate) fn charged(&mut self, pid: Pid, what: impl FnOnce(&mut Self)) {
        let counted = |kernel: &Self| {
            let counters = kernel.memory.counters();
            let resolved = counters.pgfault.saturating_sub(counters.violations);
            [resolved, counters.pgmajfault, counters.pgpgin, counters.pgpgout]
        };
        let before = counted(self);
        what(self);
        let after = counted(self);
        if before == after {
            return;
        }
        // One that has ended and was not waited for is charged nothing.
        let Some(task) = self.tasks.get_mut(&pid) else {
            return;
        };
        let [resolved, major, kib_in, kib_out] = core::array::from_fn(|n| after[n].saturating_sub(before[n]));
        let own = &mut task.account.own;
        own.major_faults += major;
        own.minor_faults += resolved.saturating_sub(major);
        own.read_bytes += kib_in * 1024;
        own.write_bytes += kib_out * 1024;
    }

    /// Counts a call that reads or writes.
    pub(crate) fn charge_call(&mut self, pid: Pid, number: u64, answer: &Answer) {
        use abi::nr;
        const READS: [u64; 4] = [
            nr::READ as u64,
            nr::READV as u64,
            nr::PREAD64 as u64,
            nr::PREADV as u64,
        ];
        const WRITES: [u64; 4] = [
            nr::WRITE as u64,
            nr::WRITEV as u64,
            nr::PWRITE64 as u64,
            nr::PWRITEV as u64,
        ];
        let both = number == nr::SENDFILE as u64;
        let (reads, writes) = (both || READS.contains(&number), both || WRITES.contains(&number));
        if !reads && !writes {
            return;
        }
        let bytes = match answer {
            Ok(bytes) => *bytes,
            Err(crate::syscall::Stop::Errno(_)) => 0,
            // It has not been made yet.
            Err(_) => return,
        };
        let Some(task) = self.tasks.get_mut(&pid) else {
            return;
        };
        let own = &mut task.account.own;
        if reads {
            own.syscr += 1;
            own.rchar = own.rchar.wrapping_add(bytes);
        }
        if writes {
            own.syscw += 1;
            own.wchar = own.wchar.wrapping_add(bytes);
        }
    }

    /// What a whole process is charged for: its living threads and its ended ones.
    pub(crate) fn process_charges(&self, process: Pid) -> Charges {
        let ended = self
            .tasks
            .get(&process)
            .map_or_else(Charges::default, |first| first.account.ended);
        let members = self.tasks.values().filter(|task| task.tgid == process);
        members.fold(ended, |sum, task| sum.plus(task.account.own))
    }

    /// A task is about to run.
    pub(crate) fn note_turn(&mut self, pid: Pid) {
        let now = self.clock.monotonic_ns;
        if let Some(task) = self.tasks.get_mut(&pid)
            && let Some(since) = task.account.ready_since.take()
        {
            task.account.delay_ns += now.saturating_sub(since);
        }
    }

    /// Tasks that can run.
    pub(crate) fn running(&self) -> u64 {
        self.tasks
            .values()
            .filter(|task| task.state == State::Runnable)
            .count() as u64
    }

    /// Tells the averages of the time, before what happens now changes who can run.
    pub(crate) fn note_load(&mut self) {
        let mut load = self.totals.load;
        load.advance(self.clock.monotonic_ns, || self.running());
        self.totals.load = load;
    }

    /// `loadavg`.
    pub(crate) fn load_average(&self) -> LoadAvg {
        LoadAvg {
            centis: self.totals.load.centis(),
            running: self.running(),
            tasks: self.tasks.len() as u64,
            last_pid: self.last_pid(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One task that always runs: 1 - exp(-t/T), as any machine shows it.
    #[test]
    fn a_busy_task_is_a_load_of_one_after_a_while() {
        let mut load = LoadAverage::default();
        load.advance(1, || 1);
        assert_eq!(load.centis(), [0, 0, 0]);
        let mut seen = Vec::new();
        for second in 1..=3600 {
            load.advance(second * 1_000_000_000, || 1);
            if [60, 300, 900].contains(&second) {
                seen.push(load.centis()[seen.len()]);
            }
        }
        for (at, seen) in seen.into_iter().enumerate() {
            assert!(
                (58..=66).contains(&seen),
                "average {at} after its own time: {seen}"
            );
        }
        assert_eq!(load.centis(), [100, 100, 100]);
        // Idle for a minute, told at once: the same as told every second.
        let mut slowly = load;
        for second in 3601..=3660 {
            slowly.advance(second * 1_000_000_000, || 0);
        }
        load.advance(3660 * 1_000_000_000, || 0);
        assert_eq!(load, slowly);
        assert!((33..=40).contains(&load.centis()[0]), "{:?}", load.centis());
    }

    #[test]
    fn the_end_of_time_is_reached() {
        let mut load = LoadAverage::default();
        load.advance(1, || 1);
        load.advance(u64::MAX, || 7);
        assert_eq!(load.centis(), [700, 700, 700]);
        load.advance(u64::MAX, || 0);
    }

    #[test]
    fn uuids_are_of_version_4_and_repeat() {
        let totals = Totals::new(1);
        let first = totals.uuid(1);
        assert_eq!(first, Totals::new(1).uuid(1));
        assert_ne!(first, totals.uuid(2));
        assert_ne!(first, Totals::new(2).uuid(1));
        let bytes = first.as_bytes();
        assert_eq!((first.len(), bytes[14]), (36, b'4'), "{first}");
        assert!(b"89ab".contains(&bytes[19]), "{first}");
    }
}
