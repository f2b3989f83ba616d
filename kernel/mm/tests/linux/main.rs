//! What Linux answers, call by call and fault by fault. The facts are those measured on arm64 Linux 6.12 with
//! 4 KiB and 16 KiB pages (reference/vmcore.md section 2), and the man pages.

mod calls;
mod common;
mod faults;
mod promises;
