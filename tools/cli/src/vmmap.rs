//! The program `vmmap`: the map of a live process of this host (or of a saved `/proc`).

use clap::Parser;
use cli::commands::vmmap;
use std::process::ExitCode;

/// Show the map of a live process's memory.
#[derive(Parser)]
#[command(name = "vmmap", version, about, after_help = AFTER_HELP)]
struct Vmmap {
    #[command(flatten)]
    args: vmmap::Args,
}

const AFTER_HELP: &str = "\
Apple's single-dash words work too: -summary -interleaved -wide -verbose -pages -noCoalesce -sortBySize -stacks.
Exit status: 0 shown; 1 the process cannot be shown; 2 wrong command line; 3 shown in part; 4 grown more than --fail-if-grown.";

fn main() -> ExitCode {
    let Vmmap { args } = Vmmap::parse_from(cli::apple::rewrite(std::env::args_os()));
    cli::finish("vmmap", args.run_on_host())
}
