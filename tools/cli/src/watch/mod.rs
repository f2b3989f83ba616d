//! A process over time (`vmmap --watch`): a terminal view, or one line each time where the output is no terminal.
//!
//! - [`Model`]: what was seen so far and what the user chose; it knows neither clock nor terminal.
//! - [`draw`]: the view of a model, a pure function; [`press`]: what a key does to it, another.
//! - [`Stop`]: waiting that a signal ends.
//!
//! `crate::commands::watch` reads the process, keeps the time and owns the terminal.

mod input;
mod model;
mod stop;
mod view;

pub use input::{Step, press};
pub use model::{Line, Model, Sort, Table};
pub use stop::Stop;
pub use view::draw;
