//! The list of regions, and the legend.

use super::palette::Palette;
use super::size::{Unit, put_left, put_right, put_size, size};
use super::{Listing, Options, unit};
use crate::region::{joined, runs};
use crate::{Figure, Kind, MaxPerms, Region, ShareMode, Snapshot};
use procfs::{Kib, VmFlags};
use std::borrow::Cow;
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
    let Some(regions) = snapshot.regions.as_deref() else {
        return Ok(());
    };
    let mut list = List {
        runs: listed(regions, options),
        snapshot,
        options,
        text: String::new(),
    };
    match options.listing {
        Listing::SummaryOnly => return Ok(()),
        Listing::Split => {
            list.section("Non-writable regions", |r| !r.perms.write, out)?;
            list.section("Writable regions", |r| r.perms.write, out)?;
        }
        Listing::Interleaved => list.section("Regions", |_| true, out)?,
        Listing::Stacks => list.section(
            "Stacks",
            |r| matches!(r.kind, Kind::Stack | Kind::StackGuard),
            out,
        )?,
    }
    writeln!(out, "\n{}\n{LEGEND}", options.palette.title("==== Legend"))
}

/// What makes one line each: runs of regions, in the order of the list.
fn listed<'a>(regions: &'a [Region], options: &Options) -> Vec<&'a [Region]> {
    let mut listed: Vec<&[Region]> = if options.coalesce {
        runs(regions).collect()
    } else {
        regions.chunks(1).collect()
    };
    if options.sort_by_size {
        let cost = |run: &&[Region]| run.iter().map(Region::cost).fold(0, u64::saturating_add);
        listed.sort_by_cached_key(|run| std::cmp::Reverse(cost(run)));
    }
    listed
}

/// The list being written.
struct List<'a> {
    runs: Vec<&'a [Region]>,
    snapshot: &'a Snapshot,
    options: &'a Options,
    /// Lines that are not yet written.
    text: String,
}

/// Lines are handed on in pieces of about this size.
const PIECE_BYTES: usize = 1 << 16;

impl List<'_> {
    fn section(&mut self, title: &str, keep: fn(&Region) -> bool, out: &mut dyn Write) -> io::Result<()> {
        let (pid, paint) = (self.snapshot.facts.pid, self.options.palette);
        writeln!(
            out,
            "\n{}",
            paint.title(format!("==== {title} for process {pid}"))
        )?;
        writeln!(out, "{}", paint.title(caption(self.snapshot, self.options)))?;
        // All of a run are alike in what `keep` asks.
        for run in self.runs.iter().filter(|run| run.first().is_some_and(keep)) {
            if let Some(region) = joined(run) {
                put_line(&mut self.text, &region, self.snapshot, self.options);
                self.text.push('\n');
                put_sections(&mut self.text, &region, self.snapshot, self.options);
            }
            if self.text.len() > PIECE_BYTES {
                out.write_all(self.text.as_bytes())?;
                self.text.clear();
            }
        }
        out.write_all(self.text.as_bytes())?;
        self.text.clear();
        Ok(())
    }
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

/// One region, without a newline.
pub(super) fn line(region: &Region, snapshot: &Snapshot, options: &Options) -> String {
    let mut text = String::new();
    put_line(&mut text, region, snapshot, options);
    text
}

/// Append one region. By hand, not by `format!`: a report may have 60,000 of these lines.
fn put_line(out: &mut String, region: &Region, snapshot: &Snapshot, options: &Options) {
    let (paint, unit) = (options.palette, unit(snapshot, options));
    let line_start = out.len();
    let addresses = Addresses::of(region);
    // Addresses of 64 bits (vsyscall) take their room from the type's column, so that the sizes stay in theirs.
    let kind_width = (TYPE_AND_ADDRESSES - 1).saturating_sub(addresses.width());
    paint.put(out, Palette::kind_style(region.kind), |out| {
        put_left(out, region.kind.name(), kind_width);
    });
    out.push(' ');
    addresses.put(out);
    out.push_str(" [");
    put_size(out, Some(Kib::from_bytes(region.len())), unit, 6);
    out.push(' ');
    put_size(out, region.resident(), unit, 6);
    for cost in [region.dirty(), region.swap()] {
        out.push(' ');
        let style = Palette::cost_style(cost == Some(Kib::ZERO));
        paint.put(out, style, |out| put_size(out, cost, unit, 6));
    }
    out.push_str("] ");
    paint.put(out, Palette::protection_style(region), |out| {
        out.push_str(region.protection());
        out.push('/');
        out.push_str(region.max().map_or("???", MaxPerms::letters));
    });
    out.push_str(" SM=");
    out.push_str(region.share.map_or("???", ShareMode::letters));
    let is_volatile = region.volatile().is_some_and(|v| v > Kib::ZERO);
    out.push_str(if is_volatile { " PURGE=V  " } else { "          " });
    put_detail(out, region, options);
    if let Some(core) = &snapshot.core {
        out.push_str("  ");
        out.push_str(&core.note(region));
    }
    out.truncate(line_start + out[line_start..].trim_end().len());
}

/// The sections in a region, if they are to be shown.
fn put_sections(out: &mut String, region: &Region, snapshot: &Snapshot, options: &Options) {
    if !options.verbose {
        return;
    }
    for section in snapshot.sections_in(region) {
        let (start, end) = (section.start.0, section.end.0);
        let bytes = section.end.bytes_above(section.start);
        let line = format!("    {:<18} {start:>12x}-{end:<12x} {bytes} bytes", section.name);
        out.push_str(&options.palette.quiet(line).to_string());
        out.push('\n');
    }
}

/// Start and end, in hexadecimal.
struct Addresses {
    digits: [u8; 33],
    start_digits: usize,
    end_digits: usize,
}

impl Addresses {
    fn of(region: &Region) -> Self {
        let mut digits = [0; 33];
        let mut at = 0;
        let mut put = |value: u64| {
            let count = (64 - value.leading_zeros() as usize).div_ceil(4).max(1);
            for digit in (0..count).rev() {
                digits[at] = b"0123456789abcdef"[(value >> (4 * digit) & 0xf) as usize];
                at += 1;
            }
            count
        };
        let (start_digits, end_digits) = (put(region.start.0), put(region.end.0));
        Self {
            digits,
            start_digits,
            end_digits,
        }
    }

    fn width(&self) -> usize {
        self.start_digits.max(12) + 1 + self.end_digits.max(12)
    }

    fn put(&self, out: &mut String) {
        let (start, end) = self.digits.split_at(self.start_digits);
        put_right(out, str::from_utf8(start).unwrap_or_default(), 12);
        out.push('-');
        put_left(
            out,
            str::from_utf8(&end[..self.end_digits]).unwrap_or_default(),
            12,
        );
    }
}

fn put_detail(out: &mut String, region: &Region, options: &Options) {
    let start = out.len();
    match options.width.map(|w| w.saturating_sub(DETAIL_COLUMN).max(24)) {
        Some(room) => out.push_str(&shorten(region.detail(), room)),
        None => out.push_str(region.detail()),
    }
    if region.count > 1 {
        let blank = if out.len() == start { "" } else { " " };
        out.push_str(&format!("{blank}({} regions)", region.count));
    }
    if options.verbose {
        let blanks = if out.len() == start { "" } else { "  " };
        let note = format!("{blanks}{}", particulars(region));
        out.push_str(&options.palette.quiet(note).to_string());
    }
}

/// What `-verbose` adds: shares of memory always, the rest where there is something to say.
fn particulars(region: &Region) -> String {
    let show = |figure| size(region.figure(figure), Unit::Bytes);
    let mut text = format!(
        "offset={:#x} pss={} uss={}",
        region.offset,
        show(Figure::Pss),
        show(Figure::Unique)
    );
    for (name, figure) in [
        ("locked", Figure::Locked),
        ("anon-huge", Figure::AnonHugePages),
        ("shmem-huge", Figure::ShmemPmdMapped),
        ("file-huge", Figure::FilePmdMapped),
        ("hugetlb", Figure::PrivateHugetlb),
        ("shared-hugetlb", Figure::SharedHugetlb),
        ("ksm", Figure::Ksm),
        ("swap-pss", Figure::SwapPss),
    ] {
        if region.figure(figure).is_some_and(|kib| kib > Kib::ZERO) {
            text.push_str(&format!(" {name}={}", show(figure)));
        }
    }
    if let Some(key) = region.protection_key.filter(|&key| key > 0) {
        text.push_str(&format!(" pkey={key}"));
    }
    if region.flag(b"sl") == Some(true) {
        text.push_str(" sealed");
    }
    let flags = region.flags.as_ref().map_or("?".into(), VmFlags::text);
    text.push_str(&format!(" flags={flags}"));
    text
}

/// A path in at most `room` characters. Whole folders go from its middle, for its ends tell the most; what has no
/// folders to give loses its own middle.
fn shorten(text: &str, room: usize) -> Cow<'_, str> {
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
            return format!("{head}...{tail}").into();
        }
    }
    let kept = room.saturating_sub(3);
    // The end of a name matters more than its beginning.
    let chars: Vec<char> = text.chars().collect();
    let head = kept / 3;
    let shown: String = chars[..head]
        .iter()
        .chain(&['.', '.', '.'])
        .chain(&chars[length - (kept - head)..])
        .collect();
    shown.into()
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
