//! A snapshot as text, in the order of Apple's vmmap: header, regions, legend, summary, table by region type.
//!
//! [`report`] writes the whole; [`around`] one address with its neighbours. Colours are written if
//! [`Options::palette`] has them; the caller knows whether it writes to a terminal.

mod address;
mod header;
mod palette;
mod regions;
mod size;
mod summary;
mod threads;
mod zones;

pub use address::around;
pub use palette::Palette;
pub use size::{Unit, size};

use crate::{Snapshot, audit};
use std::io::{self, Write};

/// Which regions are listed, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Listing {
    /// Non-writable regions, then writable ones.
    #[default]
    Split,
    /// All by address.
    Interleaved,
    /// Stacks and their guards.
    Stacks,
    /// None: only the summary.
    SummaryOnly,
}

/// How the report is printed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which regions.
    pub listing: Listing,
    /// Join adjacent regions that differ only in figures.
    pub coalesce: bool,
    /// Largest dirty + swapped first, instead of by address (and the table by it, instead of by name).
    pub sort_by_size: bool,
    /// Add offset, proportional size and VmFlags to each region.
    pub verbose: bool,
    /// Sizes in pages instead of bytes.
    pub in_pages: bool,
    /// Columns of the screen that a line may take; paths are shortened in the middle. `None`: as long as they are.
    pub width: Option<usize>,
    /// Colours.
    pub palette: Palette,
    /// Path of the tool, for the header.
    pub tool: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listing: Listing::Split,
            coalesce: true,
            sort_by_size: false,
            verbose: false,
            in_pages: false,
            width: None,
            palette: Palette::plain(),
            tool: "vmmap".into(),
        }
    }
}

/// The whole report.
///
/// # Errors
/// The writer's.
pub fn report(snapshot: &Snapshot, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    header::write(snapshot, options, out)?;
    regions::write(snapshot, options, out)?;
    summary::write(snapshot, options, out)?;
    zones::write(snapshot, options, out)?;
    threads::write(snapshot, options, out)?;
    remarks(snapshot, options, out)
}

/// The audit's lines, if there are any.
fn remarks(snapshot: &Snapshot, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let findings = audit::audit(snapshot);
    if findings.is_empty() {
        return Ok(());
    }
    let title = format!("==== Remarks on process {}", snapshot.facts.pid);
    writeln!(out, "\n{}", options.palette.title(title))?;
    for finding in findings {
        writeln!(
            out,
            "{} {}",
            options.palette.warning(format!("{}:", finding.code)),
            finding.text
        )?;
    }
    Ok(())
}

/// The unit that the options ask for; bytes where the page size is not known.
fn unit(snapshot: &Snapshot, options: &Options) -> Unit {
    match (options.in_pages, snapshot.facts.page_bytes) {
        (true, Some(bytes)) => Unit::Pages { bytes },
        _ => Unit::Bytes,
    }
}
