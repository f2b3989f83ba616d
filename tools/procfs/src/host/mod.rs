//! What only this host's kernel answers, by ioctl and system call: the states of pages, one mapping, a thread's descriptor.
//!
//! The second place of the project with `unsafe`: the kernel writes through pointers that we hand it. Everything that this module exports is
//! safe and typed. [`crate::DirRoot`] uses it behind [`crate::Root`]'s methods; a kernel that lacks a call is an error of kind `Unsupported`.

#![expect(
    unsafe_code,
    reason = "ioctls and get_robust_list, which rustix does not have, take pointers"
)]

mod map_query;
mod page_scan;

pub(crate) use map_query::query_map;
pub(crate) use page_scan::scan_pages;

use crate::Addr;
use rustix::io::Errno;
use std::io;

/// An errno of the first call of its kind: not knowing the call is told apart from failing.
fn first_error(errno: Errno, call: &str, since: &str) -> io::Error {
    match errno {
        Errno::NOTTY | Errno::INVAL | Errno::NOSYS => {
            let message = format!("this kernel has no {call} (Linux {since})");
            io::Error::new(io::ErrorKind::Unsupported, message)
        }
        errno => errno.into(),
    }
}

/// The head of a thread's robust futex list (get_robust_list(2)). glibc's lies in the thread's descriptor, musl's is 0 until it is needed.
pub(crate) fn robust_list(tid: i32) -> io::Result<Addr> {
    let (mut head, mut len) = (0_u64, 0_usize);
    // SAFETY: the call writes one pointer, 8 bytes on the 64-bit hosts that this builds for, and one size, to live variables of that size.
    let result = unsafe { libc::syscall(libc::SYS_get_robust_list, tid, &raw mut head, &raw mut len) };
    match result {
        0 => Ok(Addr(head)),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the host's structures are those of 64-bit Linux");

#[cfg(test)]
mod tests;
