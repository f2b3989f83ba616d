//! Core files: by this kernel, by gdb, by qemu for AArch64, and made by hand; whole, cut short, damaged, and other files.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

mod build;
mod heap;
#[path = "../heap_target/mod.rs"]
mod heap_target;
mod made;
mod mutations;
mod real;
