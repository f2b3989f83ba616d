//! What the programs `pagewalk` and `vmmap` have in common: one file per subcommand in [`commands`], and around them
//! Apple's spelling of options ([`apple`]), man pages and completions ([`papers`]), exit codes and one-line errors ([`Failure`]), the choice of a process ([`target`]),
//! the screen ([`screen`]), and the view of a process over time ([`watch`]).
//!
//! Adding a subcommand: a file in `commands/` with `Args` and `run`, and one line in `pagewalk.rs`.

pub mod apple;
pub mod commands;
mod failure;
pub mod input;
pub mod papers;
pub mod screen;
pub mod size;
pub mod target;
pub mod watch;

pub use failure::{Failure, finish, parse};
