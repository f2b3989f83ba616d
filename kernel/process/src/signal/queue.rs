//! Pending signals: one [`Queue`] for each thread and one for each process (`struct sigpending`).

use std::cell::RefCell;
use std::rc::Rc;

use abi::signal::{SigInfo, SigSet, Signal};

use super::kernel_info;

/// Pending signals and what is known of them: at most one of each number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    set: SigSet,
    infos: Vec<SigInfo>,
}

/// The queue of a process, held by each of its threads.
pub(crate) type SharedQueue = Rc<RefCell<Queue>>;

impl Queue {
    /// What is pending.
    pub(crate) fn set(&self) -> SigSet {
        self.set
    }

    /// Adds a signal. Standard signals are not queued: the first one's story stays.
    pub(crate) fn post(&mut self, info: SigInfo) {
        if !self.set.contains(info.signal) {
            self.set = self.set.union(SigSet::of(info.signal));
            self.infos.push(info);
        }
    }

    /// Takes a signal that is pending.
    pub(crate) fn take(&mut self, signal: Signal) -> Option<SigInfo> {
        if !self.set.contains(signal) {
            return None;
        }
        self.set = self.set.without(SigSet::of(signal));
        let at = self.infos.iter().position(|info| info.signal == signal);
        Some(at.map_or(kernel_info(signal), |at| self.infos.remove(at)))
    }

    /// Forgets pending signals.
    pub(crate) fn discard(&mut self, set: SigSet) {
        self.set = self.set.without(set);
        self.infos.retain(|info| !set.contains(info.signal));
    }
}
