//! Pending signals: one [`Queue`] for each thread and one for each process (`struct sigpending`).

use std::cell::RefCell;
use std::rc::Rc;

use abi::signal::{SigDetail, SigInfo, SigSet, Signal, code};

use super::kernel_info;

/// The first real-time signal (`SIGRTMIN` of the kernel).
pub(crate) const REAL_TIME: u8 = 32;

/// Pending signals and what is known of them, oldest first: at most one of each standard signal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    set: SigSet,
    infos: Vec<SigInfo>,
    /// How many were ever posted, for edge-triggered watchers.
    posted: u64,
}

/// The queue of a process, held by each of its threads.
pub(crate) type SharedQueue = Rc<RefCell<Queue>>;

impl Queue {
    /// What is pending.
    pub(crate) fn set(&self) -> SigSet {
        self.set
    }

    /// How many signals were ever posted here.
    pub(crate) fn posted(&self) -> u64 {
        self.posted
    }

    /// How many stories wait here.
    pub(crate) fn waiting(&self) -> u64 {
        self.infos.len() as u64
    }

    /// Adds a signal. Standard signals are not queued: the first one's story stays. Real-time signals are (`signal(7)`),
    /// up to the limit (`RLIMIT_SIGPENDING`): beyond it, the signal still comes, but not its story.
    pub(crate) fn post(&mut self, info: SigInfo, limit: u64) {
        let queued = info.signal.get() >= REAL_TIME && self.waiting() < limit;
        if queued || !self.set.contains(info.signal) {
            self.posted = self.posted.wrapping_add(1);
            self.set = self.set.union(SigSet::of(info.signal));
            self.infos.push(info);
        }
    }

    /// Takes a signal that is pending; of a queued one, the oldest.
    pub(crate) fn take(&mut self, signal: Signal) -> Option<SigInfo> {
        if !self.set.contains(signal) {
            return None;
        }
        let at = self.infos.iter().position(|info| info.signal == signal);
        let info = at.map_or(kernel_info(signal), |at| self.infos.remove(at));
        if !self.infos.iter().any(|info| info.signal == signal) {
            self.set = self.set.without(SigSet::of(signal));
        }
        Some(info)
    }

    /// Counts further expiries of a POSIX timer in its signal, if that is still pending.
    pub(crate) fn add_overrun(&mut self, timer: u32, more: u32) -> bool {
        for info in &mut self.infos {
            if let (code::SI_TIMER, SigDetail::Queued { pid, uid, .. }) = (info.code, &mut info.detail)
                && *pid == timer
            {
                *uid = uid.saturating_add(more).min(i32::MAX as u32);
                return true;
            }
        }
        false
    }

    /// Forgets pending signals.
    pub(crate) fn discard(&mut self, set: SigSet) {
        self.set = self.set.without(set);
        self.infos.retain(|info| !set.contains(info.signal));
    }
}
