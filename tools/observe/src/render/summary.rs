//! The summary: two lines of sums, page tables, and the table by region type.

use super::size::{Unit, percent, size};
use super::{Options, unit};
use crate::{Kind, Snapshot, Totals, TypeRow};
use procfs::Kib;
use std::io::{self, Write};

pub(super) fn write(snapshot: &Snapshot, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let title = format!("==== Summary for process {}", snapshot.facts.pid);
    writeln!(out, "\n{}", options.palette.title(title))?;
    let unit = unit(snapshot, options);
    if snapshot.regions.is_none() {
        let show = |kib| size(kib, Unit::Bytes);
        let facts = &snapshot.facts;
        writeln!(
            out,
            "Virtual size={} resident={} (from status)",
            show(facts.virtual_size),
            show(facts.resident)
        )?;
        return writeln!(out, "Page tables={}", show(facts.page_tables));
    }
    let totals = snapshot.totals();
    sums(snapshot, &totals, out)?;
    writeln!(out)?;
    table(&totals, options, unit, out)
}

fn sums(snapshot: &Snapshot, totals: &Totals, out: &mut dyn Write) -> io::Result<()> {
    let unit = Unit::Bytes;
    let part = |value: Option<Kib>, whole: Kib| format!("{}({})", size(value, unit), percent(value, whole));
    let minus = |whole: Kib, parts: &[Option<Kib>]| {
        parts
            .iter()
            .copied()
            .try_fold(whole.0, |rest, part| Some(rest.saturating_sub(part?.0)))
            .map(Kib)
    };
    let libraries = totals.libraries;
    let total = Kib::from_bytes(libraries.total_bytes);
    writeln!(
        out,
        "ReadOnly portion of Libraries: Total={} resident={} swapped_out_or_unallocated={}",
        size(Some(total), unit),
        part(libraries.resident, total),
        part(minus(total, &[libraries.resident]), total),
    )?;
    let writable = totals.writable;
    let total = Kib::from_bytes(writable.total_bytes);
    writeln!(
        out,
        "Writable regions: Total={} written={} resident={} swapped_out={} unallocated={}",
        size(Some(total), unit),
        part(writable.written, total),
        part(writable.resident, total),
        part(writable.swapped_out, total),
        part(minus(total, &[writable.resident, writable.swapped_out]), total),
    )?;
    writeln!(out, "Page tables: {}", size(snapshot.facts.page_tables, unit))
}

const CAPTIONS: [(&str, &str); 8] = [
    ("VIRTUAL", "SIZE"),
    ("RESIDENT", "SIZE"),
    ("DIRTY", "SIZE"),
    ("SWAPPED", "SIZE"),
    ("VOLATILE", "SIZE"),
    ("SHARE", "(PSS)"),
    ("OWN", "(USS)"),
    ("REGION", "COUNT"),
];

fn table(totals: &Totals, options: &Options, unit: Unit, out: &mut dyn Write) -> io::Result<()> {
    let paint = options.palette;
    let columns = |cells: [&str; 8]| cells.iter().map(|c| format!(" {c:>8}")).collect::<String>();
    let upper = columns(CAPTIONS.map(|(upper, _)| upper));
    // In pages, the captions say so.
    let is_in_pages = matches!(unit, Unit::Pages { .. });
    let lower = columns(CAPTIONS.map(|(_, lower)| {
        if is_in_pages && lower == "SIZE" {
            "PAGES"
        } else {
            lower
        }
    }));
    let rule = columns(CAPTIONS.map(|(upper, _)| &"========"[..upper.len().min(8)]));
    writeln!(out, "{}", paint.title(format!("{:<24}{upper}", "")))?;
    writeln!(
        out,
        "{}",
        paint.title(format!("{:<24}{lower} (non-coalesced)", "REGION TYPE"))
    )?;
    writeln!(out, "{:<24}{rule}", "===========")?;
    let mut rows: Vec<(Kind, TypeRow)> = totals.by_kind.iter().map(|(kind, row)| (*kind, *row)).collect();
    // Apple sorts without regard to case.
    rows.sort_by_key(|(kind, _)| kind.name().to_lowercase());
    if options.sort_by_size {
        let cost = |row: &TypeRow| {
            row.dirty
                .unwrap_or_default()
                .0
                .saturating_add(row.swap.unwrap_or_default().0)
        };
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(cost(row)));
    }
    for (kind, row) in rows {
        let remark = if kind.is_reserved() {
            "  address space only"
        } else {
            ""
        };
        let name = paint.kind(kind, format!("{:<24}", kind.name()));
        writeln!(out, "{name}{}{}", cells(&row, unit, options), paint.quiet(remark))?;
    }
    writeln!(out, "{:<24}{rule}", "===========")?;
    writeln!(
        out,
        "{}{}",
        paint.title(format!("{:<24}", "TOTAL")),
        cells(&totals.all, unit, options)
    )?;
    if totals.without_reserved.virtual_bytes != totals.all.virtual_bytes {
        let name = paint.title(format!("{:<24}", "TOTAL, minus reserved"));
        writeln!(out, "{name}{}", cells(&totals.without_reserved, unit, options))?;
    }
    Ok(())
}

fn cells(row: &TypeRow, unit: Unit, options: &Options) -> String {
    let paint = options.palette;
    let cell = |value| format!(" {:>8}", size(value, unit));
    let cost = |value: Option<Kib>| paint.cost(cell(value), value == Some(Kib::ZERO)).to_string();
    [
        cell(Some(Kib::from_bytes(row.virtual_bytes))),
        cell(row.resident),
        cost(row.dirty),
        cost(row.swap),
        cost(row.volatile),
        cell(row.proportional),
        cell(row.unique),
        format!(" {:>8}", row.count),
    ]
    .concat()
}
