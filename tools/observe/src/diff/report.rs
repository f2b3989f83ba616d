//! A difference as text: both sides, what the footprint did, the table by type, and the regions, largest change first.

use super::figures::difference;
use super::json::in_words;
use super::{Change, ChangeKind, Delta, Diff, footprint};
use crate::Snapshot;
use crate::render::{Options, Unit, size};
use procfs::Kib;
use std::io::{self, Write};

/// The whole report. Of `options` it uses the palette, the width, and whether only the summary is wanted.
///
/// # Errors
/// The writer's.
pub fn report(diff: &Diff<'_>, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    header(diff, options, out)?;
    types(diff, options, out)?;
    if options.listing != crate::render::Listing::SummaryOnly {
        regions(diff, options, out)?;
    }
    Ok(())
}

/// A growth with its sign: `+12K`, `-3.5M`, `0`; `?` if it is not known.
#[must_use]
pub fn signed(bytes: Option<i64>) -> String {
    let Some(bytes) = bytes else { return "?".into() };
    if bytes == 0 {
        return "0".into();
    }
    let sign = if bytes > 0 { '+' } else { '-' };
    // A growth of less than 1 KiB is not 0.
    let kib = bytes.unsigned_abs().div_ceil(1024);
    format!("{sign}{}", size(Some(Kib(kib)), Unit::Bytes))
}

fn plain(bytes: Option<u64>) -> String {
    size(bytes.map(Kib::from_bytes), Unit::Bytes)
}

fn header(diff: &Diff<'_>, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let paint = options.palette;
    let mut line = |key: &str, value: String| writeln!(out, "{} {value}", paint.title(format!("{key:<28}")));
    line("Before:", in_words(diff.before))?;
    line("After:", in_words(diff.after))?;
    let matched = if diff.is_same_process {
        "by address (one process at two moments)"
    } else {
        "by identity: type, file, offset, protection, then place and size (two processes)"
    };
    line("Regions matched:", matched.into())?;
    let mut change = |key: &str, before: Option<u64>, after: Option<u64>| {
        let delta = signed(difference(before, after));
        line(key, format!("{} -> {}  {delta}", plain(before), plain(after)))
    };
    change(
        "Physical footprint:",
        footprint(diff.before),
        footprint(diff.after),
    )?;
    let peak = |snapshot: &Snapshot| snapshot.peak().map(|p| p.at_most.bytes());
    change(
        "Physical footprint (<= peak):",
        peak(diff.before),
        peak(diff.after),
    )?;
    let tables = |snapshot: &Snapshot| snapshot.facts.page_tables.map(Kib::bytes);
    change("Page tables:", tables(diff.before), tables(diff.after))?;
    let count = |kind| diff.changes.iter().filter(|c| c.change == kind).count();
    let word = |word: &str| diff.changes.iter().filter(|c| c.word() == word).count();
    let grown = word("grown");
    let changed = count(ChangeKind::Changed);
    line(
        "Regions:",
        format!(
            "{} new, {} gone, {grown} grown, {} shrunk, {} unchanged",
            count(ChangeKind::New),
            count(ChangeKind::Gone),
            changed - grown,
            diff.unchanged
        ),
    )?;
    for (side, snapshot) in [("before", diff.before), ("after", diff.after)] {
        if snapshot.regions.is_none() {
            let note = format!("{} the regions {side} are not known", paint.warning("Note:"));
            writeln!(out, "{note}; only the header's figures are compared")?;
        }
    }
    Ok(())
}

const CAPTION: &str = "      SIZE   RESIDENT      DIRTY    SWAPPED      (PSS)";

fn cells(delta: &Delta, options: &Options) -> String {
    let cell = |value: Option<i64>| {
        let text = format!(" {:>10}", signed(value));
        options.palette.growth(text, value.unwrap_or(0)).to_string()
    };
    [delta.size, delta.resident, delta.dirty, delta.swap, delta.pss]
        .map(cell)
        .concat()
}

fn types(diff: &Diff<'_>, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let paint = options.palette;
    writeln!(out, "\n{}", paint.title("==== Change by region type"))?;
    writeln!(
        out,
        "{}",
        paint.title(format!("{:<24}{CAPTION}   REGIONS", "REGION TYPE"))
    )?;
    let is_still =
        |change: &&super::TypeChange| !change.delta.is_nothing() || change.counts[0] != change.counts[1];
    for change in diff.types.iter().filter(is_still) {
        let [before, after] = change.counts;
        let counts = if before == after {
            format!("{after:>10}")
        } else {
            format!("{:>10}", format!("{before}->{after}"))
        };
        let name = paint.kind(change.kind, format!("{:<24}", change.kind.name()));
        writeln!(out, "{name}{}{counts}", cells(&change.delta, options))?;
    }
    let [before, after] = diff.totals;
    let total = paint.title(format!("{:<24}", "TOTAL"));
    writeln!(out, "{total}{}", cells(&Delta::between(before, after), options))
}

fn regions(diff: &Diff<'_>, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    if diff.changes.is_empty() {
        return Ok(());
    }
    let paint = options.palette;
    writeln!(
        out,
        "\n{}",
        paint.title("==== Changed regions, largest change first")
    )?;
    let caption = format!(
        "{:<8}{:<24}{CAPTION}  {:<14} DETAIL",
        "CHANGE", "REGION TYPE", "START"
    );
    writeln!(out, "{}", paint.title(caption))?;
    diff.changes.iter().try_for_each(|change| {
        let line = line(change, options);
        writeln!(out, "{line}")
    })
}

/// Where the detail begins.
const DETAIL_COLUMN: usize = 8 + 24 + 55 + 2 + 14 + 1;

fn line(change: &Change, options: &Options) -> String {
    let paint = options.palette;
    let start = change.after.or(change.before).map_or(0, |side| side.start.0);
    let word = paint.growth(
        format!("{:<8}", change.word()),
        match change.change {
            ChangeKind::New => 1,
            ChangeKind::Gone => -1,
            ChangeKind::Changed => change.delta.direction(),
        },
    );
    let kind = paint.kind(change.kind, format!("{:<24}", change.kind.name()));
    let room = options
        .width
        .map(|width| width.saturating_sub(DETAIL_COLUMN).max(8));
    let line = format!(
        "{word}{kind}{}  {start:<14x} {}",
        cells(&change.delta, options),
        fit(&change.detail, room)
    );
    line.trim_end().to_owned()
}

/// The end of a long detail: of a path, that tells most.
fn fit(detail: &str, room: Option<usize>) -> String {
    let count = detail.chars().count();
    match room {
        Some(room) if count > room => {
            let end: String = detail.chars().skip(count - room.saturating_sub(3)).collect();
            format!("...{end}")
        }
        _ => detail.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_has_a_sign_and_little_is_not_nothing() {
        assert_eq!(signed(Some(0)), "0");
        assert_eq!(signed(Some(4096)), "+4K");
        assert_eq!(signed(Some(-(64 << 20))), "-64.0M");
        assert_eq!(signed(Some(-1)), "-1K");
        assert_eq!(signed(None), "?");
        assert_eq!(fit("/usr/lib/libc.so", Some(10)), "...libc.so");
    }
}
