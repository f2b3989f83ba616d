//! A process as one self-contained page of HTML ([`write()`]): the address space to scale, the pages of each region by state
//! ([`Pages`]), the regions, the sums by type, a diff.
//!
//! The page holds data and a program apart. The data are JSON documents: `pagewalk.vmmap/1` as [`crate::json`] writes it,
//! `pagewalk.pages/1` and `pagewalk.diff/1`; `block` says how they are embedded. The program is `assets/`: no build step,
//! no framework, and nothing is ever fetched, which the page's own Content-Security-Policy forbids too.
//!
//! Neighbours: [`crate::json`], [`crate::Snapshot`]. Absent on purpose: any figure that the JSON does not have.

mod block;
mod pages;
mod scanned;

pub use pages::{MOST_PAGES, PageKind, PageRun, Pages, RegionPages};

use std::io::{self, Write};

/// Something that writes one JSON document.
pub type Json<'a> = &'a mut dyn FnMut(&mut dyn Write) -> io::Result<()>;

/// The page without style, data and program; a comment on a line of its own marks the place of each.
const PAGE: &str = include_str!("assets/page.html");

const STYLE: &str = include_str!("assets/page.css");

/// The program, in the order in which its parts use each other; together they are one function.
const PROGRAM: &[&str] = &[
    include_str!("assets/base.js"),
    include_str!("assets/model.js"),
    include_str!("assets/paint.js"),
    include_str!("assets/space.js"),
    include_str!("assets/pagemap.js"),
    include_str!("assets/table.js"),
    include_str!("assets/panels.js"),
    include_str!("assets/selftest.js"),
    include_str!("assets/main.js"),
];

/// Write the page of one process.
///
/// `document` writes the snapshot, a document of schema `pagewalk.vmmap/1` ([`crate::json::write`]). Without `pages` the page says
/// that they were not read. `diff` writes a document of schema `pagewalk.diff/1`, of which the page uses `before`, `after` (what
/// they are, in words), `footprint` and `changes`; without it the page has no such part.
///
/// # Errors
/// The writer's, and those of `document` and `diff`.
pub fn write(
    document: Json<'_>,
    pages: Option<&Pages>,
    mut diff: Option<Json<'_>>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for line in PAGE.lines() {
        match line.trim() {
            "<!-- style -->" => writeln!(out, "<style>\n{STYLE}</style>")?,
            "<!-- data -->" => {
                block::write("data-vmmap", document, out)?;
                if let Some(pages) = pages {
                    block::write("data-pages", &mut |to| Ok(serde_json::to_writer(to, pages)?), out)?;
                }
                if let Some(diff) = diff.as_deref_mut() {
                    block::write("data-diff", diff, out)?;
                }
            }
            "<!-- program -->" => program(out)?,
            _ => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}

fn program(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<script>\n(() => {{\n\"use strict\";")?;
    for part in PROGRAM {
        out.write_all(part.as_bytes())?;
    }
    writeln!(out, "}})();\n</script>")
}
