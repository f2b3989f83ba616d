//! `cargo xtask lockstep`: every encoding under qemu-aarch64 and on our processor, the same operands, compared. The engine
//! is an example of the crate `cpu` (`hardware/cpu/examples/lockstep`), so that this crate need not link the processor; its
//! short form is one of that crate's tests. Neighbour: [`crate::test`].

use crate::command::{cargo, run as run_command};
use crate::trouble::Trouble;

/// Builds the engine and runs it with the given options, which are its own.
pub(crate) fn run(options: &[&str]) -> Result<(), Trouble> {
    let engine = [
        "run",
        "--quiet",
        "--release",
        "--package",
        "cpu",
        "--example",
        "lockstep",
        "--",
    ];
    run_command(&mut cargo(&[&engine[..], options].concat()))
}
