//! The table by malloc zone, Apple's last.

use super::Options;
use super::size::{Unit, put_left, put_right, put_size};
use crate::heap::{Counts, Reading};
use crate::{Snapshot, ZoneReport};
use procfs::Kib;
use std::io::{self, Write};

const CAPTIONS: [(&str, &str, usize); 11] = [
    ("VIRTUAL", "SIZE", 8),
    ("RESIDENT", "SIZE", 8),
    ("DIRTY", "SIZE", 8),
    ("SWAPPED", "SIZE", 8),
    ("ALLOCATION", "COUNT", 10),
    ("BYTES", "ALLOCATED", 12),
    ("BYTES", "(GLIBC)", 12),
    ("FRAG", "SIZE", 8),
    ("%", "FRAG", 5),
    ("TOP", "SIZE", 8),
    ("TRIM", "RETURNS", 8),
];

pub(super) fn write(snapshot: &Snapshot, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let Some(heap) = &snapshot.heap else { return Ok(()) };
    let paint = options.palette;
    if !heap.zones.is_empty() {
        let row = |cells: fn(&(&'static str, &'static str, usize)) -> &'static str, first: &str| {
            let mut text = format!("{first:<24}");
            for caption in &CAPTIONS {
                text.push(' ');
                put_right(&mut text, cells(caption), caption.2);
            }
            text
        };
        writeln!(out, "\n{}", paint.title(row(|c| c.0, "")))?;
        writeln!(out, "{}", paint.title(row(|c| c.1, "MALLOC ZONE")))?;
        writeln!(
            out,
            "{}",
            row(|c| &"=========="[..c.0.len().min(10)], "===========")
        )?;
    }
    let mut zones: Vec<&ZoneReport> = heap.zones.iter().collect();
    if options.sort_by_size {
        let cost = |zone: &&ZoneReport| {
            let part = |kib: Option<Kib>| kib.unwrap_or_default().0;
            part(zone.dirty).saturating_add(part(zone.swap))
        };
        zones.sort_by_key(|zone| std::cmp::Reverse(cost(zone)));
    }
    for zone in zones {
        writeln!(out, "{}", line(zone))?;
    }
    if heap.swapped_pages > 0 {
        let pages = heap.swapped_pages;
        writeln!(
            out,
            "{pages} pages of it are in swap and were not read: counts are lower bounds"
        )?;
    }
    for gap in &heap.gaps {
        writeln!(out, "{} {gap}", paint.warning("malloc:"))?;
    }
    Ok(())
}

fn line(report: &ZoneReport) -> String {
    let zone = &report.zone;
    let counts = zone.counts.as_ref();
    let mut text = String::new();
    put_left(&mut text, &zone.name, 24);
    let size = |text: &mut String, width, value: Option<Kib>| {
        text.push(' ');
        put_size(text, value, Unit::Bytes, width);
    };
    let number = |text: &mut String, width, value: Option<u64>| {
        text.push(' ');
        put_right(text, &value.map_or("?".into(), |value| value.to_string()), width);
    };
    let of = |get: fn(&Counts) -> u64| counts.map(get);
    size(&mut text, 8, Some(Kib::from_bytes(zone.virtual_bytes())));
    size(&mut text, 8, report.resident);
    size(&mut text, 8, report.dirty);
    size(&mut text, 8, report.swap);
    number(&mut text, 10, of(|c| c.allocated_chunks));
    number(&mut text, 12, of(|c| c.allocated_bytes));
    number(&mut text, 12, counts.and_then(|c| c.glibc_in_use_bytes));
    size(&mut text, 8, report.slack());
    text.push(' ');
    let percent = report.fragmentation_percent();
    put_right(
        &mut text,
        &percent.map_or("?".into(), |percent| format!("{percent:.0}%")),
        5,
    );
    size(&mut text, 8, Some(Kib::from_bytes(zone.top_bytes)));
    size(&mut text, 8, of(|c| c.trim_bytes).map(Kib::from_bytes));
    match &zone.reading {
        Reading::Whole => {}
        Reading::Unused => text.push_str("  unused"),
        Reading::Partial { why } => text.push_str(&format!("  in part: {why}")),
        Reading::Capped => text.push_str("  large: --heap walks it"),
        Reading::Torn { retries, why } => {
            text.push_str(&format!("  torn, after {retries} retries: {why}"));
        }
    }
    text
}
