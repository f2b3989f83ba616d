//! The program `pagewalk`: one line per subcommand; each lives in its own file under `commands/`.

use clap::{CommandFactory, Parser, Subcommand};
use cli::commands::{demo, opt, ps, run, vmmap};
use cli::papers::Papers;
use std::ffi::OsString;
use std::process::ExitCode;

/// A virtual memory system in software: run AArch64 Linux programs and see all of their memory.
#[derive(Parser)]
#[command(name = "pagewalk", version, about, arg_required_else_help = true)]
struct Pagewalk {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    papers: Papers,
}

#[derive(Subcommand)]
enum Command {
    /// Run an AArch64 Linux program; its exit status is ours (128+N for a signal)
    Run(run::Args),
    /// Show the tutorial's beep, live: its ps line and the map of its memory
    Demo(demo::Args),
    /// List the processes of every running machine
    Ps(ps::Args),
    /// Show the map of the memory of a process of a machine
    Vmmap(vmmap::Args),
    /// Show what the page-replacement policies would have missed over a recorded program, beside Belady's optimum
    Opt(opt::Args),
}

/// A guest's arguments are its own: Apple's words are ours only for the tools.
fn arguments() -> Vec<OsString> {
    let given: Vec<OsString> = std::env::args_os().collect();
    match given.get(1) {
        Some(command) if command == "run" => given,
        _ => cli::apple::rewrite(given),
    }
}

fn main() -> ExitCode {
    let Pagewalk { command, papers } = match cli::parse("pagewalk", arguments()) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    let result = match command {
        None => papers.print(Pagewalk::command()),
        Some(Command::Run(args)) => args.run(),
        Some(Command::Demo(args)) => args.run(),
        Some(Command::Ps(args)) => args.run(),
        Some(Command::Opt(args)) => args.run(),
        Some(Command::Vmmap(args)) => args.run_on_machines(),
    };
    cli::finish("pagewalk", result)
}
