//! One address: its region between its neighbours, and the state of its page ([`around`]).

use super::regions::{caption, line};
use super::{Options, header};
use crate::{PageState, Region, Snapshot};
use procfs::{Addr, RootError};
use std::io::{self, Write};

/// The region that holds `addr` (or the hole), the regions beside it, and the page's state.
///
/// # Errors
/// The writer's.
pub fn around(
    snapshot: &Snapshot,
    addr: Addr,
    page: &Result<PageState, RootError>,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    header::write(snapshot, options, out)?;
    let Some(regions) = snapshot.regions.as_deref() else {
        return Ok(());
    };
    let paint = options.palette;
    // The first region that ends above the address: it holds it, or it is the next one.
    let index = regions.partition_point(|r| r.end <= addr);
    let holder = regions.get(index).filter(|r| r.contains(addr));
    writeln!(out, "\n{}", paint.title(format!("==== Address {:#x}", addr.0)))?;
    match holder {
        Some(region) => writeln!(
            out,
            "In {}, {:#x} bytes from its start",
            describe(region),
            addr.bytes_above(region.start)
        )?,
        None => writeln!(
            out,
            "In no region: an access is SIGSEGV; {}",
            place(addr, regions, index)
        )?,
    }
    if holder.is_some() {
        match page {
            Ok(state) => writeln!(out, "Its page at {:#x}: {}", state.page.0, state.describe())?,
            Err(error) => writeln!(out, "Its page: {} {error}", paint.warning("not read:"))?,
        }
    }
    writeln!(
        out,
        "\n{}",
        paint.title(format!("    {}", caption(snapshot, options)))
    )?;
    let before = index.checked_sub(1).and_then(|i| regions.get(i));
    let after = regions.get(index + usize::from(holder.is_some()));
    let mut previous: Option<&Region> = None;
    for (mark, region) in [("   ", before), ("-->", holder), ("   ", after)] {
        let Some(region) = region else { continue };
        if let Some(previous) = previous.filter(|p| p.end < region.start) {
            let hole = region.start.bytes_above(previous.end);
            let is_here = previous.end <= addr && addr < region.start;
            let text = format!("(hole of {hole:#x} bytes)");
            writeln!(
                out,
                "{} {}",
                if is_here { "-->" } else { "   " },
                paint.quiet(text)
            )?;
        }
        writeln!(out, "{mark} {}", line(region, snapshot, options))?;
        previous = Some(region);
    }
    Ok(())
}

/// Where an address without a region lies.
fn place(addr: Addr, regions: &[Region], next: usize) -> String {
    match (
        next.checked_sub(1).and_then(|i| regions.get(i)),
        regions.get(next),
    ) {
        (None, Some(first)) => format!(
            "{:#x} bytes below the first region",
            first.start.bytes_above(addr)
        ),
        (Some(last), None) => format!(
            "{:#x} bytes past the end of the last region",
            addr.bytes_above(last.end)
        ),
        (Some(before), Some(_)) => format!(
            "{:#x} bytes past the end of {}",
            addr.bytes_above(before.end),
            describe(before)
        ),
        (None, None) => "the process has none".into(),
    }
}

fn describe(region: &Region) -> String {
    let name = region.kind.name();
    if region.detail().is_empty() {
        name.into()
    } else {
        format!("{name} ({})", region.detail())
    }
}
