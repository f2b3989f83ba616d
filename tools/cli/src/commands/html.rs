//! `vmmap --html FILE`: the report as one page.

use crate::Failure;
use crate::screen::Screen;
use observe::Snapshot;
use observe::html::{self, MOST_PAGES, Pages};
use procfs::Root;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Write the page into a file, or onto the screen for `-`.
///
/// # Errors
/// [`Failure`] if the file cannot be written.
pub fn write(snapshot: &Snapshot, root: &dyn Root, file: &Path, screen: &mut Screen) -> Result<(), Failure> {
    let pid = snapshot.facts.pid;
    let regions = snapshot.regions.as_deref().zip(snapshot.facts.page_bytes);
    let pages = regions.map(|(regions, page_bytes)| Pages::read(root, pid, regions, page_bytes, MOST_PAGES));
    let write = |out: &mut dyn Write| {
        html::write(
            &mut |to| observe::json::write(snapshot, to),
            pages.as_ref(),
            None,
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
