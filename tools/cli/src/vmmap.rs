//! The program `vmmap`: the map of a live process of this host (or of a saved `/proc`).

use clap::{CommandFactory, Parser};
use cli::commands::vmmap;
use cli::papers::Papers;
use std::process::ExitCode;

/// Show the map of a live process's memory.
#[derive(Parser)]
#[command(name = "vmmap", version, about, after_help = AFTER_HELP)]
struct Vmmap {
    #[command(flatten)]
    args: vmmap::Args,

    #[command(flatten)]
    papers: Papers,
}

const AFTER_HELP: &str = "\
Apple's single-dash words work too: -summary -interleaved -wide -verbose -pages -noCoalesce -sortBySize -stacks.
Exit status: 0 shown; 1 the process cannot be shown; 2 wrong command line; 3 shown in part; 4 grown more than --fail-if-grown.";

fn main() -> ExitCode {
    let arguments = cli::apple::rewrite(std::env::args_os());
    let Vmmap { args, papers } = match cli::parse("vmmap", arguments) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    let result = if papers.is_asked() {
        papers.print(Vmmap::command())
    } else {
        args.run_on_host()
    };
    cli::finish("vmmap", result)
}
