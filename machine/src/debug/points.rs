//! Breakpoints and watchpoints. Both kinds of breakpoints are the processor's, so memory never holds a `BRK` of ours.

use gdbstub::target::TargetResult;
use gdbstub::target::ext::breakpoints::{
    Breakpoints, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint, SwBreakpointOps,
    WatchKind,
};
use mmu::Watch;
use process::Pid;

use crate::Machine;

/// More than anybody sets by hand; a client that sets them without end is refused.
const MOST_BREAKPOINTS: usize = 4096;
/// The same of watchpoints.
pub(super) const MOST_WATCHES: usize = 64;
/// The longest watchpoint: what lies in its pages is slow.
const LONGEST_WATCH: u64 = 1 << 20;

impl Breakpoints for Machine {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl Machine {
    fn changed(&mut self, whether: bool) -> bool {
        self.debug.version += u64::from(whether);
        whether
    }

    fn has_room(&self) -> bool {
        self.debug.software.len() + self.debug.hardware.len() < MOST_BREAKPOINTS
    }
}

impl SwBreakpoint for Machine {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let fits = address.is_multiple_of(4) && self.has_room();
        if fits {
            self.debug.software.insert(address);
        }
        Ok(self.changed(fits))
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let was = self.debug.software.remove(&address);
        Ok(self.changed(was))
    }
}

impl HwBreakpoint for Machine {
    fn add_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let fits = address.is_multiple_of(4) && self.has_room();
        if fits {
            self.debug.hardware.insert(address);
        }
        Ok(self.changed(fits))
    }

    fn remove_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let was = self.debug.hardware.remove(&address);
        Ok(self.changed(was))
    }
}

fn watch(address: u64, length: u64, kind: WatchKind) -> Watch {
    Watch {
        address,
        length,
        reads: kind != WatchKind::Write,
        writes: kind != WatchKind::Read,
    }
}

impl HwWatchpoint for Machine {
    fn add_hw_watchpoint(&mut self, address: u64, length: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        let new = (watch(address, length, kind), kind);
        let fits = (1..=LONGEST_WATCH).contains(&length)
            && address.checked_add(length).is_some()
            && self.debug.watches.len() < MOST_WATCHES;
        if fits && !self.debug.watches.contains(&new) {
            self.debug.watches.push(new);
        }
        Ok(self.changed(fits))
    }

    fn remove_hw_watchpoint(
        &mut self,
        address: u64,
        length: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        let old = (watch(address, length, kind), kind);
        let at = self.debug.watches.iter().position(|watch| *watch == old);
        if let Some(at) = at {
            self.debug.watches.remove(at);
        }
        Ok(self.changed(at.is_some()))
    }
}

impl Machine {
    /// How the byte at which the program stopped is watched.
    pub(super) fn watch_kind(&self, address: u64) -> WatchKind {
        let holds = |watch: &Watch| {
            address
                .checked_sub(watch.address)
                .is_some_and(|into| into < watch.length)
        };
        let found = self.debug.watches.iter().find(|(watch, _)| holds(watch));
        found.map_or(WatchKind::ReadWrite, |(_, kind)| *kind)
    }

    /// Tells the processor what to stop at in this task. A task of another process that shares the memory (a `vfork`
    /// child) runs through.
    pub(super) fn arm(&mut self, pid: Pid) {
        let ours = self.kernel.find(pid).map(|task| task.tgid) == self.debug.process;
        let (_, ttbr) = self.kernel.context(pid);
        let wanted = ours.then_some((ttbr.asid, self.debug.version));
        let now = self.debug.armed;
        // What is armed for another space does not concern this one.
        if wanted == now || (!ours && now.is_none_or(|(asid, _)| asid != ttbr.asid)) {
            return;
        }
        let (breakpoints, watches) = match ours {
            true => (
                self.debug.software.union(&self.debug.hardware).copied().collect(),
                self.debug.watches.iter().map(|(watch, _)| *watch).collect(),
            ),
            false => (Vec::new(), Vec::new()),
        };
        self.cpu.set_breakpoints(ttbr.asid, &breakpoints);
        self.mmu.set_watches(ttbr.asid, &watches);
        self.debug.armed = wanted;
    }
}
