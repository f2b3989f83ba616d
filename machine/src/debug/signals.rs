//! Signal numbers on the wire: gdb has its own (`include/gdb/signals.def`), lldb sends Linux's to a Linux target.

use process::Signal;

/// gdb's numbers of Linux's signals 1 to 31. 0: gdb has no number for it.
const GDB: [u8; 32] = [
    0, 1, 2, 3, 4, 5, 6, 10, 8, 9, 30, 11, 31, 13, 14, 15, 0, 20, 19, 17, 18, 21, 22, 16, 24, 25, 26, 27, 28, 23,
    32, 12,
];
/// What gdb calls `GDB_SIGNAL_UNKNOWN`.
const UNKNOWN: u8 = 143;

/// Whose numbers a debugger uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Numbers {
    #[default]
    Gdb,
    Linux,
}

impl Numbers {
    /// The number to send.
    pub(super) fn of(self, signal: Signal) -> u8 {
        let linux = signal.get();
        match (self, linux) {
            (Self::Linux, _) => linux,
            (Self::Gdb, 32) => 77,
            // Real-time signals 33 to 63 are 45 to 75, and 64 is 78.
            (Self::Gdb, 33..=63) => linux + 12,
            (Self::Gdb, 64) => 78,
            _ => match GDB.get(usize::from(linux)) {
                Some(0) | None => UNKNOWN,
                Some(&number) => number,
            },
        }
    }

    /// The signal of a number received; 0 is none.
    pub(super) fn signal(self, number: u8) -> Option<Signal> {
        let all = (1..=Signal::MAX).filter_map(Signal::new);
        all.into_iter()
            .find(|signal| number != 0 && number != UNKNOWN && self.of(*signal) == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_there_and_back() {
        for signal in (1..=Signal::MAX).filter_map(Signal::new) {
            assert_eq!(Numbers::Linux.signal(signal.get()), Some(signal));
            let number = Numbers::Gdb.of(signal);
            // gdb has no SIGSTKFLT.
            let known = (signal.get() != 16).then_some(signal);
            assert_eq!(Numbers::Gdb.signal(number), known, "{signal}");
        }
        assert_eq!((Numbers::Gdb.signal(0), Numbers::Gdb.signal(255)), (None, None));
        assert_eq!((Numbers::Gdb.of(Signal::BUS), Numbers::Gdb.of(Signal::SEGV)), (10, 11));
    }
}
