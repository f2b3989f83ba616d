//! `cargo xtask ci`: formatting, lints, documentation, the guests' reproducibility, then every test. `.ci/run` calls
//! `ci --checks` and then the README's test command. `ci --long` is what takes long. Neighbours: [`crate::guests`], [`crate::test`].

use std::time::Instant;

use crate::command::{cargo, heading, run as run_command};
use crate::trouble::Trouble;
use crate::{faults, guests, test};

/// Private items are documented too, so a link to one works.
const DOC_FLAGS: &str = "-D warnings -A rustdoc::private_intra_doc_links";

fn step(name: &str, body: impl FnOnce() -> Result<(), Trouble>) -> Result<(), Trouble> {
    heading(name);
    let start = Instant::now();
    body()?;
    println!("   ({:.0} s)", start.elapsed().as_secs_f64());
    Ok(())
}

/// Runs the subcommand; the first step that fails ends it.
pub(crate) fn run(options: &[&str]) -> Result<(), Trouble> {
    match options {
        [] => checks().and_then(|()| step("test", || test::run(&[]))),
        ["--checks"] => checks(),
        ["--long"] => long(None),
        ["--long", events] => long(Some(events)),
        _ => Err(Trouble::Usage(format!("ci does not know {}", options.join(" ")))),
    }
}

/// What takes hours rather than minutes.
fn long(events: Option<&str>) -> Result<(), Trouble> {
    step("memory against the naive model", || faults::long_run(events))?;
    step("faults", || faults::run(&[]))
}

/// Everything but the tests.
fn checks() -> Result<(), Trouble> {
    step("fmt", || run_command(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("clippy", || {
        run_command(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    step("doc", || {
        run_command(
            cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"])
                .env("RUSTDOCFLAGS", DOC_FLAGS),
        )
    })?;
    step("guests --check", || guests::run(&["--check"]))
}
