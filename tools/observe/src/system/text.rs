//! The system as text ([`write()`]): a table of processes or groups, what is missing in it, and where MemTotal went.

use super::process::Process;
use super::usage::Usage;
use super::view::{Group, GroupBy, View};
use super::{Budget, System};
use crate::render::{Palette, Unit, size};
use procfs::Kib;
use std::io::{self, Write};

/// How it looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Columns of the screen; the last column is shortened to them. `None`: as long as it is.
    pub width: Option<usize>,
    /// Colours.
    pub palette: Palette,
}

/// A line of the table, before its columns are aligned.
struct Row {
    lead: [String; 2],
    usage: Usage,
    /// Some members are missing in the sums.
    is_in_part: bool,
    label: String,
}

/// Write each system: its table, what is missing, and its memory.
///
/// # Errors
/// The writer's.
pub fn write(systems: &[System], view: &View, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    for (index, system) in systems.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        heading(system, style, out)?;
        table(system, view, style, out)?;
        missing(system, style, out)?;
        if let Some(budget) = &system.memory {
            memory(budget, style, out)?;
        }
    }
    Ok(())
}

fn heading(system: &System, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let when = system.taken.map_or_else(String::new, |m| format!(", {m}"));
    let number = system.processes.len();
    let text = format!("==== Memory of {number} processes of {}{when}", system.root);
    writeln!(out, "{}\n", style.palette.title(text))
}

const SIZES: [&str; 5] = ["FOOTPRINT", "PSS", "USS", "RSS", "SWAP"];

/// Columns that every size takes.
const SIZE_WIDTH: usize = 9;

fn table(system: &System, view: &View, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (captions, mut rows, cut) = match view.group {
        None => {
            let (processes, cut) = view.processes(system);
            let rows = processes.into_iter().map(process_row).collect();
            (["PID", "USER", "COMMAND"], rows, cut)
        }
        Some(by) => {
            let (groups, cut) = view.groups(by, system);
            let rows: Vec<Row> = groups.iter().map(|group| group_row(group, by)).collect();
            (["PROCESSES", "", caption(by)], rows, cut)
        }
    };
    let (what, number) = match view.group {
        None => ("", rows.len() + cut),
        Some(_) => ("groups, ", rows.len() + cut),
    };
    let mut label = format!("TOTAL of {what}{} processes", system.processes.len());
    if view.group.is_some() {
        label = format!("TOTAL of {number} groups");
    }
    if cut > 0 {
        label = format!("{label}, {cut} not shown");
    }
    rows.push(Row {
        lead: match view.group {
            None => [String::new(), String::new()],
            Some(_) => [system.processes.len().to_string(), String::new()],
        },
        usage: system.total.usage,
        is_in_part: system.total.not_read > 0,
        label,
    });
    let widest = |column: usize, caption: &str| {
        let cells = rows.iter().map(|row| row.lead[column].chars().count());
        cells.max().unwrap_or(0).max(caption.len())
    };
    let widths = [widest(0, captions[0]), widest(1, captions[1]).min(USER_WIDTH)];
    write_captions(captions, widths, style, out)?;
    let last = rows.len().saturating_sub(1);
    for (index, row) in rows.iter().enumerate() {
        write_row(row, widths, index == last, style, out)?;
    }
    Ok(())
}

/// Columns that a user's name takes at most.
const USER_WIDTH: usize = 12;

fn caption(by: GroupBy) -> &'static str {
    match by {
        GroupBy::Program => "PROGRAM",
        GroupBy::Cgroup => "CGROUP",
        GroupBy::Container => "CONTAINER",
        GroupBy::User => "USER",
    }
}

fn process_row(process: &Process) -> Row {
    let unknown = || "?".to_owned();
    Row {
        lead: [
            process.pid.to_string(),
            process.user.clone().unwrap_or_else(unknown),
        ],
        usage: process.usage,
        is_in_part: false,
        label: Some(&process.command)
            .filter(|command| !command.is_empty())
            .cloned()
            .unwrap_or_else(unknown),
    }
}

fn group_row(group: &Group, by: GroupBy) -> Row {
    let label = match by {
        GroupBy::Container => shortened(&group.key),
        _ => group.key.clone(),
    };
    Row {
        lead: [group.processes.to_string(), String::new()],
        usage: group.usage,
        is_in_part: group.not_read > 0,
        label,
    }
}

/// `docker:` and 64 digits: 12 of them, as the runtimes' own listings show.
fn shortened(key: &str) -> String {
    match key.split_once(':') {
        Some((runtime, id)) if id.len() == 64 => {
            format!("{runtime}:{}", id.get(..12).unwrap_or(id))
        }
        _ => key.to_owned(),
    }
}

fn write_captions(
    [first, second, last]: [&str; 3],
    [one, two]: [usize; 2],
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut line = format!("{first:>one$}");
    if two > 0 {
        line.push_str(&format!(" {second:<two$}"));
    }
    for caption in SIZES {
        line.push_str(&format!(" {caption:>SIZE_WIDTH$}"));
    }
    let room = style.width.map(|width| width.saturating_sub(line.len() + 2));
    line.push_str(&format!("  {}", fit(last, room)));
    writeln!(out, "{}", style.palette.title(line.trim_end()))
}

fn write_row(
    row: &Row,
    [one, two]: [usize; 2],
    is_total: bool,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let palette = style.palette;
    let [first, second] = &row.lead;
    let mut taken = one;
    write!(out, "{first:>one$}")?;
    if two > 0 {
        let second: String = second.chars().take(two).collect();
        write!(out, " {second:<two$}")?;
        taken += 1 + two;
    }
    let usage = &row.usage;
    let sizes = [usage.footprint, usage.pss, usage.uss, usage.rss, usage.swap_pss];
    for (index, value) in sizes.into_iter().enumerate() {
        // Of resident sizes even `status` tells.
        let is_rss = index == 3;
        let mark = match value {
            Some(_) if row.is_in_part && !is_rss => ">",
            Some(_) if index == 0 && usage.is_estimated => "~",
            _ => "",
        };
        let cell = format!("{mark}{}", size(value, Unit::Bytes));
        let cell = format!("{cell:>SIZE_WIDTH$}");
        let is_zero = value == Some(Kib::ZERO);
        taken += 1 + cell.chars().count();
        match (index, value) {
            (0, Some(_)) => write!(out, " {}", palette.cost(cell, is_zero))?,
            (_, Some(_)) if !is_zero => write!(out, " {cell}")?,
            _ => write!(out, " {}", palette.quiet(cell))?,
        }
    }
    let label = fit(
        &row.label,
        style.width.map(|width| width.saturating_sub(taken + 2)),
    );
    match (label.is_empty(), is_total) {
        (true, _) => writeln!(out),
        (false, true) => writeln!(out, "  {}", palette.title(label)),
        (false, false) => writeln!(out, "  {label}"),
    }
}

/// Cut at so many columns, with `...` at the end where there is room for it.
fn fit(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns.filter(|&columns| text.chars().count() > columns) else {
        return text.to_owned();
    };
    let (kept, mark) = match columns {
        0..8 => (columns, ""),
        _ => (columns - 3, "..."),
    };
    text.chars().take(kept).chain(mark.chars()).collect()
}

fn number(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Everything that the table lacks, in plain words.
fn missing(system: &System, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let warn = |out: &mut dyn Write, text: String| writeln!(out, "{}", style.palette.warning(text));
    writeln!(out)?;
    let denied = system.denied();
    if denied > 0 {
        let processes = number(denied, "process", "processes");
        let shown = "could not be read (no ptrace access): RSS from status only";
        warn(out, format!("{processes} {shown}"))?;
    }
    let others = system.processes.iter().filter(|p| p.is_unread() && !p.is_denied);
    if let Some(why) = others.clone().find_map(|p| p.why.as_ref()) {
        let processes = number(others.count(), "process", "processes");
        warn(out, format!("{processes} could not be read: {why}"))?;
    }
    if system.total.not_read > 0 {
        writeln!(out, "> means: at least so much, the rest could not be read")?;
    }
    if system.total.usage.is_estimated {
        writeln!(out, "~ means: estimated, this kernel does not tell exactly")?;
    }
    if system.may_hide {
        warn(
            out,
            "process 1 is not listed: hidepid may hide processes of other users".into(),
        )?;
    }
    let left = &system.left_out;
    let parts = [
        (left.kernel_threads, "kernel thread", "kernel threads"),
        (left.zombies, "zombie", "zombies"),
        (
            left.vanished,
            "process that ended meanwhile",
            "processes that ended meanwhile",
        ),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| number(*count, one, many))
        .collect();
    if !parts.is_empty() {
        writeln!(
            out,
            "{}",
            style.palette.quiet(format!("left out: {}", parts.join(", ")))
        )?;
    }
    if system.memory.is_none() {
        warn(
            out,
            "meminfo could not be read: where the machine's memory went is not known".into(),
        )?;
    }
    Ok(())
}

/// Columns of the widest label.
const LABEL_WIDTH: usize = 39;

fn memory(budget: &Budget, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let palette = style.palette;
    let total = size(Some(budget.total), Unit::Bytes);
    writeln!(
        out,
        "\n{}\n",
        palette.title(format!("==== Where {total} of memory went"))
    )?;
    for part in &budget.parts {
        let cell = part.kib.map_or_else(|| "?".to_owned(), signed);
        let share = part
            .kib
            .map_or_else(String::new, |kib| percent(kib, budget.total));
        let line = format!("{:<LABEL_WIDTH$} {cell:>SIZE_WIDTH$} {share:>6}", part.label);
        match part.kib {
            None | Some(0) => writeln!(out, "{}", palette.quiet(line.trim_end()))?,
            _ if part.key == "not_explained" => writeln!(out, "{}", palette.warning(line))?,
            _ => writeln!(out, "{line}")?,
        }
    }
    let line = format!(
        "{:<LABEL_WIDTH$} {total:>SIZE_WIDTH$} {:>6}",
        "TOTAL (MemTotal)", "100.0%"
    );
    writeln!(out, "{}", palette.title(line))?;
    notes(budget, style, out)
}

fn notes(budget: &Budget, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let shown = |kib| size(kib, Unit::Bytes);
    let swap = &budget.swap;
    writeln!(
        out,
        "\nswap: {} of {} used, {} of it by processes (SwapPss); {} is also in RAM",
        shown(swap.used()),
        shown(swap.total),
        shown(swap.of_processes),
        shown(swap.cached)
    )?;
    writeln!(out, "available without swapping: {}", shown(budget.available))?;
    let rest = "not explained: pages that Linux does not count (drivers, zram, per-CPU free lists, swap cache that is not mapped)";
    writeln!(out, "{}", style.palette.quiet(rest))
}

fn signed(kib: i64) -> String {
    let sign = if kib < 0 { "-" } else { "" };
    format!("{sign}{}", size(Some(Kib(kib.unsigned_abs())), Unit::Bytes))
}

/// Tenths of a percent, to the nearest.
fn percent(kib: i64, total: Kib) -> String {
    let Some(tenths) =
        (u128::from(kib.unsigned_abs()) * 1000 + u128::from(total.0 / 2)).checked_div(total.0.into())
    else {
        return String::new();
    };
    let sign = if kib < 0 && tenths > 0 { "-" } else { "" };
    format!("{sign}{}.{}%", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_are_cut_to_the_width() {
        assert_eq!(fit("0123456789", Some(10)), "0123456789");
        assert_eq!(fit("0123456789", Some(9)), "012345...");
        assert_eq!(fit("0123456789", Some(3)), "012");
        assert_eq!(fit("0123456789", None), "0123456789");
    }

    #[test]
    fn parts_are_signed_and_in_tenths_of_a_percent() {
        assert_eq!((signed(-12).as_str(), signed(20_480).as_str()), ("-12K", "20.0M"));
        assert_eq!(percent(-12, Kib(1000)), "-1.2%");
        assert_eq!(percent(1, Kib(3)), "33.3%");
        assert_eq!(percent(0, Kib(0)), "");
    }
}
