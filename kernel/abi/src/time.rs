//! `timespec`, `timeval` and clock numbers (`clock_gettime(2)`).

use crate::Errno;
use crate::bytes::{Layout, get_u64};

const NS_PER_S: u64 = 1_000_000_000;

/// `CLOCK_REALTIME`.
pub const CLOCK_REALTIME: u32 = 0;
/// `CLOCK_MONOTONIC`.
pub const CLOCK_MONOTONIC: u32 = 1;
/// `CLOCK_PROCESS_CPUTIME_ID`.
pub const CLOCK_PROCESS_CPUTIME_ID: u32 = 2;
/// `CLOCK_THREAD_CPUTIME_ID`.
pub const CLOCK_THREAD_CPUTIME_ID: u32 = 3;
/// `CLOCK_MONOTONIC_RAW`.
pub const CLOCK_MONOTONIC_RAW: u32 = 4;
/// `CLOCK_REALTIME_COARSE`.
pub const CLOCK_REALTIME_COARSE: u32 = 5;
/// `CLOCK_MONOTONIC_COARSE`.
pub const CLOCK_MONOTONIC_COARSE: u32 = 6;
/// `CLOCK_BOOTTIME`.
pub const CLOCK_BOOTTIME: u32 = 7;
/// `TIMER_ABSTIME` of `clock_nanosleep(2)`.
pub const TIMER_ABSTIME: u64 = 1;
/// `tv_nsec` of `utimensat(2)`: now.
pub const UTIME_NOW: u64 = (1 << 30) - 1;
/// `tv_nsec` of `utimensat(2)`: leave.
pub const UTIME_OMIT: u64 = (1 << 30) - 2;
/// Clock ticks a second, as `times(2)` and `/proc/PID/stat` count (`AT_CLKTCK`).
pub const CLOCK_TICKS: u64 = 100;

/// `struct timespec`, 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timespec {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds.
    pub nanoseconds: u64,
}

impl Timespec {
    /// Its size in bytes.
    pub const SIZE: usize = 16;

    /// From nanoseconds.
    pub const fn from_ns(ns: u64) -> Self {
        Self {
            seconds: (ns / NS_PER_S) as i64,
            nanoseconds: ns % NS_PER_S,
        }
    }

    /// In nanoseconds, kept inside 64 bits.
    ///
    /// # Errors
    /// `EINVAL` for a negative second or a nanosecond that is no part of one.
    pub fn to_ns(self) -> Result<u64, Errno> {
        let seconds = u64::try_from(self.seconds).map_err(|_| Errno::EINVAL)?;
        if self.nanoseconds >= NS_PER_S {
            return Err(Errno::EINVAL);
        }
        Ok(seconds.saturating_mul(NS_PER_S).saturating_add(self.nanoseconds))
    }

    /// As user memory holds it.
    pub fn encode(self) -> [u8; Self::SIZE] {
        Layout::default()
            .u64(0, self.seconds as u64)
            .u64(8, self.nanoseconds)
            .finish()
    }

    /// From user memory's bytes.
    pub fn decode(from: &[u8; Self::SIZE]) -> Self {
        Self {
            seconds: get_u64(from, 0) as i64,
            nanoseconds: get_u64(from, 8),
        }
    }
}

/// `struct timeval` of this many nanoseconds, 16 bytes.
pub fn encode_timeval(ns: u64) -> [u8; 16] {
    Layout::default()
        .u64(0, ns / NS_PER_S)
        .u64(8, ns % NS_PER_S / 1000)
        .finish()
}

/// `struct timeval` in nanoseconds.
///
/// # Errors
/// `EINVAL` for a negative second or a microsecond that is no part of one.
pub fn decode_timeval(from: &[u8; 16]) -> Result<u64, Errno> {
    let micros = get_u64(from, 8);
    if micros >= 1_000_000 {
        return Err(Errno::EINVAL);
    }
    Timespec {
        seconds: get_u64(from, 0) as i64,
        nanoseconds: micros * 1000,
    }
    .to_ns()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_to_bytes_and_back() {
        let time = Timespec::from_ns(3_000_000_007);
        assert_eq!((time.seconds, time.nanoseconds), (3, 7));
        assert_eq!(Timespec::decode(&time.encode()), time);
        assert_eq!(time.to_ns(), Ok(3_000_000_007));
        assert_eq!(decode_timeval(&encode_timeval(5_000_001_000)), Ok(5_000_001_000));
    }

    #[test]
    fn times_that_are_none_are_refused() {
        let negative = Timespec {
            seconds: -1,
            nanoseconds: 0,
        };
        let long = Timespec {
            seconds: 0,
            nanoseconds: NS_PER_S,
        };
        assert_eq!(negative.to_ns(), Err(Errno::EINVAL));
        assert_eq!(long.to_ns(), Err(Errno::EINVAL));
        let forever = Timespec {
            seconds: i64::MAX,
            nanoseconds: 0,
        };
        assert_eq!(forever.to_ns(), Ok(u64::MAX));
    }
}
