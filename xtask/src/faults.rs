//! `cargo xtask faults`: every swap read, swap write and frame allocation of whole guests made to fail in turn, in two page sizes and
//! with the compressed tier; and `ci --long`'s property tests of memory. Both are tests that are short by default, told by a variable
//! to be long. Neighbours: `machine/tests/faults`, `kernel/mm/tests/model.rs`, [`crate::ci`].

use crate::command::{cargo, run as run_command};
use crate::trouble::Trouble;

/// Events of the long run unless another number is asked for.
const EVENTS: u64 = 1_000_000;

/// Runs the subcommand: progress and a summary by outcome on standard error.
pub(crate) fn run(options: &[&str]) -> Result<(), Trouble> {
    match options {
        [] => run_command(
            cargo(&[
                "test",
                "--package",
                "machine",
                "--test",
                "faults",
                "--",
                "--nocapture",
            ])
            .env("PAGEWALK_FAULTS", "all"),
        ),
        _ => Err(Trouble::Usage(format!(
            "faults does not know {}",
            options.join(" ")
        ))),
    }
}

/// Random memory calls against the naive model, every invariant checked after each.
pub(crate) fn long_run(events: Option<&str>) -> Result<(), Trouble> {
    let events = match events {
        None => EVENTS,
        Some(text) => text
            .parse()
            .map_err(|_| Trouble::Usage(format!("'{text}' is no number of events")))?,
    };
    let words = [
        "test",
        "--package",
        "mm",
        "--test",
        "model",
        "long_run",
        "--",
        "--nocapture",
    ];
    run_command(cargo(&words).env("PAGEWALK_MODEL_EVENTS", events.to_string()))
}
