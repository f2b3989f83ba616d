//! Waiting that Ctrl-C (SIGINT) or SIGTERM ends early ([`Stop`]).

use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a wait goes without a look at what may end it.
const SLICE: Duration = Duration::from_millis(50);

/// Whether the user wants to end.
#[derive(Clone, Debug)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on SIGINT and SIGTERM end waits instead of the program.
    ///
    /// # Errors
    /// The system's, if the signals cannot be caught.
    pub fn on_signals() -> io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// Whether a signal came.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Wait so long, or until a signal comes, or `is_over` says so.
    pub fn wait(&self, time: Duration, mut is_over: impl FnMut() -> bool) {
        let start = Instant::now();
        while !self.is_asked() && !is_over() {
            let rest = time.saturating_sub(start.elapsed());
            if rest.is_zero() {
                return;
            }
            sleep(rest.min(SLICE));
        }
    }
}
