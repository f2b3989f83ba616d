//! The list of regions, and the legend.

use super::palette::Palette;
use super::size::{Unit, size};
use super::{Listing, Options, unit};
use crate::{Kind, Region, ShareMode, Snapshot};
use procfs::{Kib, Perms};
use std::io::{self, Write};

const LEGEND: &str = "\
SM=sharing mode:
    COW=copy_on_write PRV=private NUL=empty ALI=own_aliases SHM=shared ZER=shared_page_of_zeros
    S/A=shared_and_aliased DEV=device
PURGE=what may be taken:
    V=volatile (MADV_FREE); blank=nothing
PRT/MAX=protection now / what mprotect could give
DIRTY=what cannot be dropped: anonymous pages, and shared memory in full
?=not known; in the detail: a guess from the layout";

pub(super) fn write(snapshot: &Snapshot, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    if snapshot.regions.is_none() || options.listing == Listing::SummaryOnly {
        return Ok(());
    }
    let mut regions = if options.coalesce {
        snapshot.coalesced()
    } else {
        snapshot.regions.clone().unwrap_or_default()
    };
    if options.sort_by_size {
        let cost = |r: &Region| {
            r.dirty
                .unwrap_or_default()
                .0
                .saturating_add(r.swap.unwrap_or_default().0)
        };
        regions.sort_by_key(|r| (std::cmp::Reverse(cost(r)), r.start));
    }
    let pid = snapshot.facts.pid;
    let mut section = |title: String, keep: &dyn Fn(&Region) -> bool| -> io::Result<()> {
        writeln!(
            out,
            "\n{}",
            options.palette.title(format!("==== {title} for process {pid}"))
        )?;
        writeln!(out, "{}", options.palette.title(caption(snapshot, options)))?;
        for region in regions.iter().filter(|r| keep(r)) {
            writeln!(out, "{}", line(region, snapshot, options))?;
        }
        Ok(())
    };
    match options.listing {
        Listing::Split => {
            section("Non-writable regions".into(), &|r| !r.perms.write)?;
            section("Writable regions".into(), &|r| r.perms.write)?;
        }
        Listing::Interleaved => section("Regions".into(), &|_| true)?,
        Listing::Stacks => section("Stacks".into(), &|r| {
            matches!(r.kind, Kind::Stack | Kind::StackGuard)
        })?,
        Listing::SummaryOnly => {}
    }
    writeln!(out, "\n{}\n{LEGEND}", options.palette.title("==== Legend"))
}

/// Columns before the detail. The names of kinds fit in 22, addresses of 47 bits in 12.
const DETAIL_COLUMN: usize = 103;

/// The type (22), a blank and two addresses.
const TYPE_AND_ADDRESSES: usize = 48;

/// The captions above the columns.
pub(super) fn caption(snapshot: &Snapshot, options: &Options) -> String {
    let unit = match unit(snapshot, options) {
        Unit::Bytes => "",
        Unit::Pages { .. } => " (sizes in pages)",
    };
    format!(
        "{:<22} {:>12}-{:<12} [{:>6} {:>6} {:>6} {:>6}] {:<7} {:<6} {:<7}  {}{unit}",
        "REGION TYPE",
        "START ",
        " END",
        "VSIZE",
        "RSDNT",
        "DIRTY",
        "SWAP",
        "PRT/MAX",
        "SHRMOD",
        "PURGE",
        "REGION DETAIL",
    )
}

/// One region.
pub(super) fn line(region: &Region, snapshot: &Snapshot, options: &Options) -> String {
    let paint = options.palette;
    let unit = unit(snapshot, options);
    let addresses = format!("{:>12x}-{:<12x}", region.start.0, region.end.0);
    // Addresses of 64 bits (vsyscall) take their room from the type's column, so that the sizes stay in theirs.
    let kind_width = (TYPE_AND_ADDRESSES - 1).saturating_sub(addresses.len());
    let kind = paint.kind(region.kind, format!("{:<kind_width$}", region.kind.name()));
    let virtual_size = format!("{:>6}", size(Some(Kib::from_bytes(region.len())), unit));
    let resident = format!("{:>6}", size(region.resident, unit));
    let protection = paint.protection(region, format!("{}/{}", letters(region.perms), max(region)));
    let share = region.share.map_or("???", ShareMode::letters);
    let purge = if region.volatile.is_some_and(|v| v > Kib::ZERO) {
        "PURGE=V"
    } else {
        ""
    };
    let costs = [region.dirty, region.swap].map(|c| cost(paint, c, unit));
    let [dirty, swap] = costs;
    let detail = detail(region, options);
    let text = format!(
        "{kind} {addresses} [{virtual_size} {resident} {dirty} {swap}] {protection} SM={share} {purge:<7}  {detail}"
    );
    text.trim_end().to_owned()
}

fn cost(paint: Palette, value: Option<Kib>, unit: Unit) -> String {
    paint
        .cost(format!("{:>6}", size(value, unit)), value == Some(Kib::ZERO))
        .to_string()
}

pub(super) fn letters(perms: Perms) -> String {
    let letter = |is_set, letter| if is_set { letter } else { '-' };
    [
        letter(perms.read, 'r'),
        letter(perms.write, 'w'),
        letter(perms.exec, 'x'),
    ]
    .iter()
    .collect()
}

pub(super) fn max(region: &Region) -> String {
    match region.max {
        Some(max) => letters(Perms {
            read: max.read,
            write: max.write,
            exec: max.exec,
            shared: false,
        }),
        None => "???".into(),
    }
}

fn detail(region: &Region, options: &Options) -> String {
    let room = options.width.map(|w| w.saturating_sub(DETAIL_COLUMN).max(24));
    let mut detail = match room {
        Some(room) => shorten(&region.detail, room),
        None => region.detail.clone(),
    };
    if region.count > 1 {
        detail.push_str(&format!(
            "{}({} regions)",
            if detail.is_empty() { "" } else { " " },
            region.count
        ));
    }
    if options.verbose {
        let pss = size(region.counts.pss, Unit::Bytes);
        let flags = if region.flags.is_empty() {
            "?"
        } else {
            &region.flags
        };
        let note = format!(
            "{}offset={:#x} pss={pss} flags={flags}",
            if detail.is_empty() { "" } else { "  " },
            region.offset
        );
        detail.push_str(&options.palette.quiet(note).to_string());
    }
    detail
}

/// A path in at most `room` characters. Whole folders go from its middle, for its ends tell the most; what has no
/// folders to give loses its own middle.
fn shorten(text: &str, room: usize) -> String {
    let length = text.chars().count();
    if length <= room {
        return text.into();
    }
    let slashes: Vec<usize> = text.match_indices('/').map(|(at, _)| at).collect();
    // The first folder, dots, and as many of the last names as fit.
    if let [0, second, rest @ ..] = slashes.as_slice() {
        let head = &text[..=*second];
        let fits = |tail: &&str| head.chars().count() + 3 + tail.chars().count() <= room;
        if let Some(tail) = rest.iter().map(|&at| &text[at..]).find(fits) {
            return format!("{head}...{tail}");
        }
    }
    let kept = room.saturating_sub(3);
    // The end of a name matters more than its beginning.
    let chars: Vec<char> = text.chars().collect();
    let head = kept / 3;
    chars[..head]
        .iter()
        .chain(&['.', '.', '.'])
        .chain(&chars[length - (kept - head)..])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_middle() {
        assert_eq!(shorten("/usr/lib/libc.so.6", 18), "/usr/lib/libc.so.6");
        assert_eq!(
            shorten("/usr/lib/x86_64-linux-gnu/libc.so.6", 20),
            "/usr/.../libc.so.6"
        );
        assert_eq!(shorten("/usr/lib/gnu/libc.so.6", 21), "/usr/.../libc.so.6");
        assert_eq!(shorten("/usr/lib/gnu/libc.so.6", 12), "/us...c.so.6");
        assert_eq!(
            shorten("/memfd:a-long-name (deleted)", 20),
            "/memf...me (deleted)"
        );
        assert_eq!(shorten("/a/b", 3), "...");
    }
}
