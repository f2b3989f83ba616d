//! Signals that the machine's process gets from the host: keys of its terminal, a new window size, a request to end.
//!
//! They are the guests': keys (`SIGINT`, `SIGQUIT`, `SIGTSTP`) and the window's size go to the foreground group, `SIGTERM`,
//! `SIGUSR1` and `SIGUSR2` to the first program, `SIGHUP` to the leader of the terminal's session. So the machine ends when its
//! program does, as though it were the program. What was ignored when the machine was started (`nohup`) is left so, here and for the
//! program. `SIGTTIN` and `SIGTTOU` stop the machine itself: a guest's read of the terminal is then the machine's, and is
//! tried again after `fg`.
//!
//! When the first program stops (Ctrl-Z), the machine puts the terminal's mode back and stops as well, so that the shell that
//! started it has its prompt; `SIGCONT` resumes both. Key type: [`HostSignals`].

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use process::{SigSet, Signal};
use signal_hook::SigId;
use signal_hook::low_level;

use crate::{Machine, MachineError};

/// What is caught.
const CAUGHT: [Signal; 9] = [
    Signal::INT,
    Signal::QUIT,
    Signal::TSTP,
    Signal::WINCH,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::HUP,
    Signal::CONT,
];

/// The signals that came and have not been looked at.
#[derive(Debug)]
pub(crate) struct HostSignals {
    came: Vec<(Signal, Arc<AtomicBool>)>,
    /// Readable when one came, so that waiting ends.
    wake: UnixStream,
    registered: Vec<SigId>,
    ignored: SigSet,
}

impl HostSignals {
    fn catch() -> io::Result<Self> {
        let (wake, ring) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        ring.set_nonblocking(true)?;
        let ignored = ignored_now();
        let mut signals = Self {
            came: Vec::new(),
            wake,
            registered: Vec::new(),
            ignored,
        };
        for signal in CAUGHT {
            if ignored.contains(signal) {
                continue;
            }
            let number = signal.get().into();
            let flag = Arc::new(AtomicBool::new(false));
            let set = signal_hook::flag::register(number, Arc::clone(&flag))?;
            signals.registered.push(set);
            let rung = low_level::pipe::register(number, ring.try_clone()?)?;
            signals.registered.push(rung);
            signals.came.push((signal, flag));
        }
        Ok(signals)
    }

    /// Becomes readable when a signal comes.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// What came since the last call; `SIGCONT` last, as it undoes stops.
    fn take(&mut self) -> Vec<Signal> {
        let came: Vec<Signal> = self
            .came
            .iter()
            .filter(|(_, flag)| flag.load(Ordering::Relaxed) && flag.swap(false, Ordering::Relaxed))
            .map(|(signal, _)| *signal)
            .collect();
        if !came.is_empty() {
            let mut rings = [0; 64];
            while self.wake.read(&mut rings).is_ok_and(|count| count > 0) {}
        }
        came
    }
}

impl Drop for HostSignals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            low_level::unregister(id);
        }
    }
}

/// The signals that this process ignores (`SigIgn` of proc_pid_status(5)), but for `SIGPIPE`, which Rust ignores itself.
fn ignored_now() -> SigSet {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    SigSet(mask.unwrap_or(0)).without(SigSet::of(Signal::PIPE))
}

impl Machine {
    /// From now on signals to this process are the guests', and the terminal's stop key stops the machine with its program.
    ///
    /// # Errors
    /// The host's, if signals cannot be caught.
    pub fn catch_signals(&mut self) -> Result<(), MachineError> {
        let signals = HostSignals::catch().map_err(MachineError::Signals)?;
        self.kernel.inherit_ignored(signals.ignored);
        self.signals = Some(signals);
        Ok(())
    }

    /// Prints system calls from now on (`--strace`); `program` is what the machine runs.
    pub fn trace_to(&mut self, sink: Box<dyn io::Write>, program: &process::Spawn) {
        self.kernel.trace_to(sink, program);
    }

    /// Passes on what came.
    pub(crate) fn heed_signals(&mut self) {
        let Some(signals) = &mut self.signals else {
            return;
        };
        for signal in signals.take() {
            match signal {
                Signal::CONT => self.kernel.after_suspension(),
                Signal::HUP => self.kernel.hang_up(),
                Signal::INT | Signal::QUIT | Signal::TSTP | Signal::WINCH => self.kernel.interrupt(signal),
                other => self.kernel.pass_on(other),
            }
        }
    }

    /// Stops this process if the first program has stopped on the terminal; whether it did. It returns when the process goes on.
    pub(crate) fn suspend_if_asked(&mut self) -> bool {
        let asked = self.signals.is_some() && self.kernel.take_suspension();
        if asked {
            self.kernel.before_suspension();
            // As SIGSTOP, which needs no handler to be taken away. The SIGCONT that ends it is caught.
            let _ = low_level::emulate_default_handler(signal_hook::consts::SIGTSTP);
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A signal of this process: caught, told once, and its descriptor readable meanwhile. SIGUSR2 is nobody else's here.
    #[test]
    fn a_signal_is_told_once() {
        let mut signals = HostSignals::catch().expect("signals can be caught");
        assert!(!signals.ignored.contains(Signal::PIPE));
        let own = rustix::process::getpid();
        rustix::process::kill_process(own, rustix::process::Signal::USR2).expect("our own");
        let mut polled = [rustix::event::PollFd::from_borrowed_fd(
            signals.wake.as_fd(),
            rustix::event::PollFlags::IN,
        )];
        // The signal may come in the middle of the wait.
        let ready = std::iter::repeat_with(|| rustix::event::poll(&mut polled, None))
            .find(|ready| *ready != Err(rustix::io::Errno::INTR));
        assert_eq!(ready, Some(Ok(1)));
        let _ = polled;
        assert_eq!(signals.take(), [Signal::USR2]);
        assert_eq!(signals.take(), []);
        assert!(signals.wake.read(&mut [0]).is_err(), "no ring is left");
    }
}
