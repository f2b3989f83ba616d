//! Time as the machine gives it: the kernel half never asks the host for it.

/// The two clocks at one moment, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Clock {
    /// Since the machine started; never goes back (`CLOCK_MONOTONIC`).
    pub monotonic_ns: u64,
    /// Since 1970 (`CLOCK_REALTIME`).
    pub realtime_ns: u64,
}
