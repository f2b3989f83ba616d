//! The subcommands, one file each: `Args` (clap) and `run`.

pub mod demo;
pub mod diff;
pub mod ps;
pub mod run;
pub mod vmmap;
pub mod watch;
