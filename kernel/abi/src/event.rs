//! Numbers and layouts of the descriptors that tell of events: `epoll(7)`, `eventfd(2)`, `timerfd_create(2)`,
//! `signalfd(2)`.

use crate::Errno;
use crate::bytes::{Layout, get_u32, get_u64};
use crate::signal::{SigDetail, SigInfo, code};
use crate::time::Timespec;

/// `epoll_ctl(2)`: add.
pub const EPOLL_CTL_ADD: u64 = 1;
/// `epoll_ctl(2)`: forget.
pub const EPOLL_CTL_DEL: u64 = 2;
/// `epoll_ctl(2)`: change.
pub const EPOLL_CTL_MOD: u64 = 3;
/// Only one of the waiting epolls is woken.
pub const EPOLLEXCLUSIVE: u32 = 1 << 28;
/// Keep the machine awake: no effect here.
pub const EPOLLWAKEUP: u32 = 1 << 29;
/// Tell once, then be silent until `EPOLL_CTL_MOD`.
pub const EPOLLONESHOT: u32 = 1 << 30;
/// Tell of changes, not of states.
pub const EPOLLET: u32 = 1 << 31;

/// `EFD_SEMAPHORE`.
pub const EFD_SEMAPHORE: u32 = 1;
/// `TFD_TIMER_ABSTIME`.
pub const TFD_TIMER_ABSTIME: u64 = 1;
/// `TFD_TIMER_CANCEL_ON_SET`.
pub const TFD_TIMER_CANCEL_ON_SET: u64 = 2;

/// `struct epoll_event`, 16 bytes on arm64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpollEvent {
    /// What happened, or what is asked for.
    pub events: u32,
    /// The program's own word.
    pub data: u64,
}

impl EpollEvent {
    /// Its size in bytes.
    pub const SIZE: usize = 16;

    /// As user memory holds it.
    pub fn encode(self) -> [u8; Self::SIZE] {
        Layout::default().u32(0, self.events).u64(8, self.data).finish()
    }

    /// From user memory's bytes.
    pub fn decode(from: &[u8; Self::SIZE]) -> Self {
        Self {
            events: get_u32(from, 0),
            data: get_u64(from, 8),
        }
    }
}

/// `struct itimerspec` in nanoseconds, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TimerSpec {
    /// Then again after this; 0 for never.
    pub every: u64,
    /// When, or what is left; 0 for off.
    pub value: u64,
}

impl TimerSpec {
    /// Its size in bytes.
    pub const SIZE: usize = 32;

    /// As user memory holds it.
    pub fn encode(self) -> [u8; Self::SIZE] {
        Layout::default()
            .put(0, &Timespec::from_ns(self.every).encode())
            .put(16, &Timespec::from_ns(self.value).encode())
            .finish()
    }

    /// From user memory's bytes.
    ///
    /// # Errors
    /// `EINVAL` if one of the times is none.
    pub fn decode(from: &[u8; Self::SIZE]) -> Result<Self, Errno> {
        let time = |at| Timespec::decode(&crate::bytes::get(from, at)).to_ns();
        Ok(Self {
            every: time(0)?,
            value: time(16)?,
        })
    }
}

/// The size of `struct signalfd_siginfo`.
pub const SIGNALFD_SIGINFO: usize = 128;

/// `struct signalfd_siginfo` of a signal.
pub fn encode_signalfd(info: &SigInfo) -> [u8; SIGNALFD_SIGINFO] {
    let head = Layout::default()
        .u32(0, u32::from(info.signal.get()))
        .u32(8, info.code as u32);
    match info.detail {
        SigDetail::Kernel => head,
        SigDetail::User { pid, uid } => head.u32(12, pid).u32(16, uid),
        // A timer's number, how often it expired beside this, and its value.
        SigDetail::Queued { pid, uid, value } if info.code == code::SI_TIMER => head
            .u32(24, pid)
            .u32(32, uid)
            .u32(44, value as u32)
            .u64(48, value),
        SigDetail::Queued { pid, uid, value } => head
            .u32(12, pid)
            .u32(16, uid)
            .u32(44, value as u32)
            .u64(48, value),
        SigDetail::Fault { address } => head.u64(72, address),
        SigDetail::Child { pid, uid, status } => head.u32(12, pid).u32(16, uid).u32(40, status as u32),
    }
    .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;

    #[test]
    fn events_and_timers_go_to_bytes_and_back() {
        let event = EpollEvent {
            events: 5,
            data: 0x1122_3344_5566_7788,
        };
        assert_eq!(EpollEvent::decode(&event.encode()), event);
        let timer = TimerSpec {
            every: 7,
            value: 3_000_000_001,
        };
        assert_eq!(TimerSpec::decode(&timer.encode()), Ok(timer));
        let mut bytes = timer.encode();
        bytes[8..16].copy_from_slice(&1_000_000_000u64.to_le_bytes());
        assert_eq!(TimerSpec::decode(&bytes), Err(Errno::EINVAL));
    }

    /// Offsets as `offsetof` gives them for `include/uapi/linux/signalfd.h`.
    #[test]
    fn a_queued_signal_has_its_value_twice() {
        let info = SigInfo {
            signal: Signal::USR1,
            code: -1,
            detail: SigDetail::Queued {
                pid: 5,
                uid: 6,
                value: 0x1_0000_0002,
            },
        };
        let bytes = encode_signalfd(&info);
        assert_eq!(get_u32(&bytes, 12), 5);
        assert_eq!(get_u32(&bytes, 44), 2);
        assert_eq!(get_u64(&bytes, 48), 0x1_0000_0002);
    }
}
