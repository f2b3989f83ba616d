//! The subcommands, one file each: `Args` (clap) and `run`.

pub mod ps;
pub mod vmmap;
