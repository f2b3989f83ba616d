//! Signals: who has what pending, what is done with it, and the frame on the user's stack.
//!
//! - [`Actions`]: what a process does with each signal (shared by `CLONE_SIGHAND`).
//! - [`Signals`]: what is pending for and blocked by one thread.
//! - [`queue`]: pending signals, of a thread or of its process.
//! - [`send`]: posting a signal, with the effects that come before delivery.
//! - [`deliver`]: what happens on the way back to user space.

pub(crate) mod deliver;
pub(crate) mod queue;
pub(crate) mod send;

use abi::signal::{AltStack, DefaultAction, SIG_DFL, SIG_IGN, SigAction, SigInfo, SigSet, Signal};

use self::queue::{Queue, SharedQueue};
use crate::death::Cause;

/// What a process does with each signal.
#[derive(Clone, Debug)]
pub(crate) struct Actions([SigAction; Signal::MAX as usize]);

impl Default for Actions {
    fn default() -> Self {
        Self([SigAction::default(); Signal::MAX as usize])
    }
}

impl Actions {
    /// What is done with it.
    pub(crate) fn get(&self, signal: Signal) -> SigAction {
        self.0[usize::from(signal.get()) - 1]
    }

    /// Changes what is done with it.
    pub(crate) fn set(&mut self, signal: Signal, action: SigAction) {
        self.0[usize::from(signal.get()) - 1] = action;
    }

    /// exec: handlers are gone, what was ignored stays ignored.
    pub(crate) fn reset_handlers(&mut self) {
        for action in &mut self.0 {
            if action.handler != SIG_IGN {
                *action = SigAction::default();
            }
        }
    }

    /// The signals with this handler word: `SIG_IGN`, or any handler if `None`.
    pub(crate) fn with(&self, ignored: bool) -> SigSet {
        let mut set = SigSet::default();
        for number in 1..=Signal::MAX {
            let Some(signal) = Signal::new(number) else {
                continue;
            };
            let handler = self.get(signal).handler;
            let wanted = if ignored {
                handler == SIG_IGN
            } else {
                handler > SIG_IGN
            };
            if wanted {
                set = set.union(SigSet::of(signal));
            }
        }
        set
    }
}

/// Where a fault happened, for the frame of its handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FaultRecord {
    /// `FAR_EL1`.
    pub(crate) address: u64,
    /// `ESR_EL1`.
    pub(crate) esr: u64,
}

/// What is pending for and blocked by one task.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    /// Not delivered for now.
    pub(crate) blocked: SigSet,
    /// Posted to this thread and not yet delivered.
    pub(crate) own: Queue,
    /// Posted to the process: any of its threads may take them.
    pub(crate) shared: SharedQueue,
    /// The mask to put back after `rt_sigsuspend`, `ppoll` and their like.
    pub(crate) saved_mask: Option<SigSet>,
    /// `sigaltstack(2)`.
    pub(crate) alt_stack: AltStack,
    /// The last fault.
    pub(crate) fault: Option<FaultRecord>,
    /// Why the next fatal signal comes, for the report of a death.
    pub(crate) cause: Option<Cause>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            blocked: SigSet::default(),
            own: Queue::default(),
            shared: SharedQueue::default(),
            saved_mask: None,
            alt_stack: AltStack::NONE,
            fault: None,
            cause: None,
        }
    }
}

impl Signals {
    /// Posted to the thread or to its process.
    pub(crate) fn pending(&self) -> SigSet {
        self.own.set().union(self.shared.borrow().set())
    }

    /// How many were ever posted to either.
    pub(crate) fn posted(&self) -> u64 {
        self.own.posted().wrapping_add(self.shared.borrow().posted())
    }

    /// What can be delivered now, if no other thread takes it.
    pub(crate) fn deliverable(&self) -> SigSet {
        self.pending().without(self.blocked)
    }

    /// Takes the next signal to deliver: faults first, as Linux does (`SYNCHRONOUS_MASK`), then the thread's own by
    /// number, then of the process's those that are this thread's to take.
    pub(crate) fn take_next(&mut self, share: SigSet) -> Option<SigInfo> {
        const SYNCHRONOUS: [Signal; 5] = [Signal::SEGV, Signal::BUS, Signal::ILL, Signal::TRAP, Signal::FPE];
        let ready = self.own.set().without(self.blocked);
        let own = SYNCHRONOUS
            .into_iter()
            .find(|signal| ready.contains(*signal))
            .or(ready.first());
        let signal = own.or(share.without(self.blocked).first())?;
        self.take(signal)
    }

    /// Takes the next signal that ends the task: all that a parent takes notice of while its `vfork` child has its memory
    /// (`wait_for_completion_killable`).
    pub(crate) fn take_fatal(&mut self, actions: &Actions, share: SigSet) -> Option<SigInfo> {
        let ready = self.own.set().union(share).without(self.blocked);
        let fatal = |signal: &Signal| {
            let ends = matches!(
                signal.default_action(),
                DefaultAction::Terminate | DefaultAction::Core
            );
            ends && ready.contains(*signal) && actions.get(*signal).handler == SIG_DFL
        };
        let all = (1..=Signal::MAX).filter_map(Signal::new);
        let signal = all.into_iter().find(fatal)?;
        self.take(signal)
    }

    /// Takes a pending signal, the thread's own first.
    pub(crate) fn take(&mut self, signal: Signal) -> Option<SigInfo> {
        let own = self.own.take(signal);
        own.or_else(|| self.shared.borrow_mut().take(signal))
    }

    /// Takes the next pending signal of a set, blocked or not.
    pub(crate) fn take_of(&mut self, set: SigSet) -> Option<SigInfo> {
        let signal = SigSet(self.pending().0 & set.0).first()?;
        self.take(signal)
    }

    /// Forgets pending signals of the thread and of its process.
    pub(crate) fn discard(&mut self, set: SigSet) {
        self.own.discard(set);
        self.shared.borrow_mut().discard(set);
    }
}

/// A signal from the kernel with nothing to say.
pub(crate) fn kernel_info(signal: Signal) -> SigInfo {
    SigInfo {
        signal,
        code: abi::signal::code::SI_KERNEL,
        detail: abi::signal::SigDetail::Kernel,
    }
}
