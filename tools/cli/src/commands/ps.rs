//! `pagewalk ps`: the processes of every running machine.

use crate::Failure;
use crate::screen::{Colour, Screen};
use crate::target::{self, Source};
use observe::ps::{self, Column, parse_columns};
use std::io::Write;
use std::path::PathBuf;

/// A known set of columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Style {
    /// macOS's `ps ul`: USER PID %CPU %MEM VSZ RSS TT STAT STARTED TIME COMMAND UID PPID CPU PRI NI WCHAN
    Ul,
    /// USER PID %CPU %MEM VSZ RSS TT STAT STARTED TIME COMMAND
    Aux,
}

/// List the processes of every running machine.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Columns: ul or aux
    #[arg(value_name = "STYLE", value_enum)]
    style: Option<Style>,

    /// Columns by name, such as pid,rss,command
    #[arg(
        short = 'o',
        long = "columns",
        value_name = "COLUMNS",
        conflicts_with = "style"
    )]
    columns: Option<String>,

    /// Do not cut lines at the width of the terminal
    #[arg(short, long)]
    wide: bool,

    /// Read this folder, shaped like /proc, instead of the machines
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    color: Colour,
}

impl Args {
    /// Run.
    ///
    /// # Errors
    /// [`Failure`] if a column is unknown, no machine runs, or a text cannot be read.
    pub fn run(self) -> Result<(), Failure> {
        let mut columns = self.columns()?;
        let sources = match self.root {
            Some(root) => target::folder(root)?,
            None => target::machines()?,
        };
        if sources.len() > 1 && !columns.contains(&Column::Machine) {
            columns.insert(0, Column::Machine);
        }
        let rows = |source: &Source| ps::rows(source.root.as_ref(), source.machine);
        let rows: Vec<ps::Row> = sources.iter().map(rows).collect::<Result<Vec<_>, _>>()?.concat();
        let mut screen = Screen::new(self.color);
        let width = if self.wide { None } else { screen.width };
        ps::print(&rows, &columns, width, screen.palette, &mut screen)?;
        Ok(screen.flush()?)
    }

    fn columns(&self) -> Result<Vec<Column>, Failure> {
        if let Some(list) = &self.columns {
            let columns = parse_columns(list).map_err(|e| Failure::usage(e.to_string()))?;
            return if columns.is_empty() {
                Err(Failure::usage("-o wants at least one column"))
            } else {
                Ok(columns)
            };
        }
        Ok(match self.style {
            Some(Style::Ul) => ps::UL.to_vec(),
            Some(Style::Aux) => ps::AUX.to_vec(),
            None => ps::DEFAULT.to_vec(),
        })
    }
}
