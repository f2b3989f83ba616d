//! The subcommands, one file each: `Args` (clap) and `run`.

pub mod all;
pub mod demo;
pub mod diff;
pub mod explain;
pub mod html;
pub mod opt;
pub mod ps;
pub mod run;
pub mod vmmap;
pub mod watch;
