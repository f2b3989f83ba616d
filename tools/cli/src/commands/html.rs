//! `vmmap --html FILE`: the report as one page.

use crate::Failure;
use crate::screen::Screen;
use observe::Snapshot;
use observe::diff::{self, Diff};
use observe::html::{self, MOST_PAGES, Pages};
use procfs::Root;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Write the page into a file, or onto the screen for `-`: of a process behind `root`, or of a saved one, which has no states of pages.
/// With a diff, `snapshot` is its later side.
///
/// # Errors
/// [`Failure`] if the file cannot be written.
pub fn write(
    snapshot: &Snapshot,
    root: Option<&dyn Root>,
    diff: Option<&Diff<'_>>,
    file: &Path,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let pid = snapshot.facts.pid;
    let regions = snapshot.regions.as_deref().zip(snapshot.facts.page_bytes);
    let pages = regions
        .zip(root)
        .map(|((regions, page_bytes), root)| Pages::read(root, pid, regions, page_bytes, MOST_PAGES));
    let write = |out: &mut dyn Write| {
        let mut changes = diff.map(|diff| move |to: &mut dyn Write| diff::write_json(diff, to));
        html::write(
            &mut |to| observe::json::write(snapshot, to),
            pages.as_ref(),
            changes.as_mut().map(|write| write as html::Json<'_>),
            out,
        )
    };
    if file == Path::new("-") {
        return Ok(write(screen)?);
    }
    let failure = |error| Failure::new(format!("cannot write {}: {error}", file.display()));
    let mut out = BufWriter::new(File::create(file).map_err(failure)?);
    write(&mut out).and_then(|()| out.flush()).map_err(failure)
}
