//! One process's regions as CSV ([`write_regions_csv`]): the columns of schema `pagewalk.vmmap/1`, documented in docs/schema.md.

use crate::{Figure, MaxPerms, Region, ShareMode};
use procfs::Kib;
use std::io::{self, Write};

/// The header row.
pub const REGION_COLUMNS: [&str; 20] = [
    "type",
    "start",
    "end",
    "size",
    "resident",
    "dirty",
    "swap",
    "volatile",
    "pss",
    "uss",
    "anonymous",
    "locked",
    "protection",
    "max_protection",
    "shared",
    "share_mode",
    "page_size",
    "offset",
    "regions",
    "detail",
];

/// Write a header row and a row for each region: sizes in bytes, addresses in hexadecimal, unknown is an empty field.
///
/// # Errors
/// The writer's.
pub fn write_regions_csv(regions: &[Region], out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(REGION_COLUMNS)?;
    for region in regions {
        csv.write_record(row(region))?;
    }
    csv.flush()
}

fn row(region: &Region) -> [String; 20] {
    let size = |kib: Option<Kib>| kib.map_or_else(String::new, |kib| kib.bytes().to_string());
    [
        region.kind.name().into(),
        format!("{:#x}", region.start.0),
        format!("{:#x}", region.end.0),
        region.len().to_string(),
        size(region.resident()),
        size(region.dirty()),
        size(region.swap()),
        size(region.volatile()),
        size(region.figure(Figure::Pss)),
        size(region.figure(Figure::Unique)),
        size(region.figure(Figure::Anonymous)),
        size(region.figure(Figure::Locked)),
        region.protection().into(),
        region.max().map(MaxPerms::letters).unwrap_or_default().into(),
        region.perms.shared.to_string(),
        region.share.map(ShareMode::letters).unwrap_or_default().into(),
        size(region.page_size()),
        region.offset.to_string(),
        region.count.to_string(),
        region.detail().into(),
    ]
}
