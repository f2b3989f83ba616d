//! Signal numbers on the wire: gdb's own (`include/gdb/signals.def`). lldb takes them for what they are, too, from a
//! server that has no `jSignalsInfo`.

use process::Signal;

/// gdb's numbers of Linux's signals 1 to 31. 0: gdb has no number for it.
const GDB: [u8; 32] = [
    0, 1, 2, 3, 4, 5, 6, 10, 8, 9, 30, 11, 31, 13, 14, 15, 0, 20, 19, 17, 18, 21, 22, 16, 24, 25, 26, 27, 28,
    23, 32, 12,
];
/// What gdb calls `GDB_SIGNAL_UNKNOWN`.
const UNKNOWN: u8 = 143;

/// The number to send.
pub(super) fn number_of(signal: Signal) -> u8 {
    match signal.get() {
        32 => 77,
        // Real-time signals 33 to 63 are 45 to 75, and 64 is 78.
        linux @ 33..=63 => linux + 12,
        64 => 78,
        linux => match GDB.get(usize::from(linux)) {
            Some(0) | None => UNKNOWN,
            Some(&number) => number,
        },
    }
}

/// The signal of a number received; 0 is none.
pub(super) fn signal_of(number: u8) -> Option<Signal> {
    let mut all = (1..=Signal::MAX).filter_map(Signal::new);
    all.find(|signal| number != 0 && number != UNKNOWN && number_of(*signal) == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_there_and_back() {
        for signal in (1..=Signal::MAX).filter_map(Signal::new) {
            let number = number_of(signal);
            // gdb has no SIGSTKFLT.
            let known = (signal.get() != 16).then_some(signal);
            assert_eq!(signal_of(number), known, "{signal}");
        }
        assert_eq!((signal_of(0), signal_of(255)), (None, None));
        assert_eq!((number_of(Signal::BUS), number_of(Signal::SEGV)), (10, 11));
    }
}
