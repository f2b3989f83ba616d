//! The report's header: who it is, when it was seen, what it costs, and what could not be read.

use super::Options;
use super::size::{Unit, size};
use crate::{Footprint, Peak, Snapshot};
use std::io::{self, Write};
use std::time::Duration;

pub(super) fn write(snapshot: &Snapshot, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let facts = &snapshot.facts;
    let paint = options.palette;
    let mut line = |key: &str, value: String| writeln!(out, "{} {value}", paint.title(format!("{key:<17}")));
    let unknown = || "unknown".to_owned();
    line("Process:", format!("{} [{}]", facts.name, facts.pid))?;
    line("Path:", facts.path.clone().unwrap_or_else(unknown))?;
    line(
        "Load Address:",
        snapshot
            .load_address()
            .map_or_else(unknown, |a| format!("{:#x}", a.0)),
    )?;
    line("Code Type:", facts.code_type.clone().unwrap_or_else(unknown))?;
    line("Platform:", "Linux".into())?;
    let parent = facts
        .parent_name
        .as_deref()
        .unwrap_or(if facts.parent == 0 { "none" } else { "unknown" });
    let parent = match facts.parent {
        known @ 0.. => format!("{parent} [{known}]"),
        _ => unknown(),
    };
    line("Parent Process:", parent)?;
    line("Seen Through:", snapshot.root.clone())?;
    let threads = match facts.threads {
        known @ 0.. => known.to_string(),
        _ => unknown(),
    };
    match &snapshot.core {
        None => line("Threads:", format!("{threads} ({})", state_word(facts.state)))?,
        Some(core) => {
            line("Threads:", threads)?;
            core.lines()
                .into_iter()
                .try_for_each(|(key, value)| line(&key, value))?;
        }
    }
    writeln!(out)?;
    let mut line = |key: &str, value: String| writeln!(out, "{} {value}", paint.title(format!("{key:<17}")));
    line("Date/Time:", facts.taken.map_or_else(unknown, |m| m.to_string()))?;
    line(
        "Launch Time:",
        facts.launched.map_or_else(unknown, |m| m.to_string()),
    )?;
    line("OS Version:", facts.os_version.clone().unwrap_or_else(unknown))?;
    line("Report Version:", "7".into())?;
    line("Analysis Tool:", options.tool.clone())?;
    line(
        "Tool Version:",
        concat!("pagewalk ", env!("CARGO_PKG_VERSION")).into(),
    )?;
    writeln!(out)?;
    footprint(snapshot, options, out)?;
    notes(snapshot, options, out)?;
    title(snapshot, options, out)
}

fn footprint(snapshot: &Snapshot, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let paint = options.palette;
    let mut line = |key: &str, value: String| writeln!(out, "{} {value}", paint.title(format!("{key:<28}")));
    let show = |kib| size(kib, Unit::Bytes);
    match snapshot.footprint() {
        Some(Footprint {
            full,
            additive,
            is_additive_estimated,
        }) => {
            line("Physical footprint:", show(Some(full)))?;
            peak(snapshot.peak(), &show, &mut line)?;
            let about = if is_additive_estimated { "~" } else { "" };
            line(
                "Physical footprint (share):",
                format!("{about}{}", show(additive)),
            )
        }
        None => {
            let coarse = snapshot.facts.coarse_footprint;
            let note = if coarse.is_some() {
                " (from status: shared memory in full)"
            } else {
                ""
            };
            line("Physical footprint:", format!("{}{note}", show(coarse)))?;
            peak(snapshot.peak(), &show, &mut line)
        }
    }
}

/// Linux keeps no exact peak, so it is a bracket.
fn peak(
    peak: Option<Peak>,
    show: &dyn Fn(Option<procfs::Kib>) -> String,
    line: &mut dyn FnMut(&str, String) -> io::Result<()>,
) -> io::Result<()> {
    let value = match peak {
        None => "?".into(),
        Some(Peak {
            at_least: None,
            at_most,
        }) => format!("<= {}", show(Some(at_most))),
        Some(Peak { at_least, at_most }) => {
            format!("<= {} (at least {})", show(Some(at_most)), show(at_least))
        }
    };
    line("Physical footprint (peak):", value)
}

/// From here on a stall is worth a line.
const LONG_HOLD: Duration = Duration::from_millis(10);

/// What follows `Not read:`, broken between words to the terminal's width, and set in below itself. Where there is no terminal it stays one
/// line, for programs that look for it.
fn wrapped(text: &str, width: Option<usize>) -> String {
    const INDENT: usize = "Not read: ".len();
    let Some(room) = width.map(|width| width.saturating_sub(INDENT).max(24)) else {
        return text.into();
    };
    let (mut wrapped, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > room {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(INDENT));
            used = 0;
        } else if used > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped.push_str(word);
        used += length;
    }
    wrapped
}

fn notes(snapshot: &Snapshot, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let paint = options.palette;
    for gap in &snapshot.gaps {
        let text = wrapped(&format!("{}: {}", gap.what, gap.why), options.width);
        writeln!(out, "{} {text}", paint.warning("Not read:"))?;
    }
    if let Some(held) = snapshot
        .longest_hold
        .filter(|held| options.verbose || *held > LONG_HOLD)
    {
        let advice = if held > LONG_HOLD {
            "; --gentle bounds it at about 1 ms"
        } else {
            ""
        };
        writeln!(
            out,
            "{} the longest read took {:.1} ms, in which the process could not map or unmap{advice}",
            paint.warning("Note:"),
            held.as_secs_f64() * 1e3
        )?;
    }
    if snapshot.changed_while_reading {
        writeln!(
            out,
            "{} the address space changed while it was read",
            paint.warning("Note:")
        )?;
    }
    Ok(())
}

fn title(snapshot: &Snapshot, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let facts = &snapshot.facts;
    let page = facts
        .page_bytes
        .map_or("unknown".into(), |b| format!("{b} bytes"));
    writeln!(out, "----")?;
    writeln!(out)?;
    let title = format!("Virtual Memory Map of process {} ({})", facts.pid, facts.name);
    writeln!(out, "{}", options.palette.title(title))?;
    writeln!(out, "Output report format:  pagewalk 1 -- 64-bit process")?;
    writeln!(out, "VM page size: {page}")
}

/// The state letter in words (proc_pid_stat(5)).
fn state_word(state: char) -> &'static str {
    match state {
        'R' => "running",
        'S' => "sleeping",
        'D' => "waiting, not interruptible",
        'T' => "stopped",
        't' => "stopped by a tracer",
        'I' => "idle",
        _ => "state unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_notes_are_broken_between_words_only_on_a_terminal() {
        let text = "what is resident, dirty, swapped and shared: cannot open 27138/smaps: Permission denied (os error 13)";
        assert_eq!(wrapped(text, None), text);
        let lines = wrapped(text, Some(60));
        assert!(
            lines.lines().count() == 3 && lines.lines().all(|line| line.chars().count() <= 60),
            "{lines}"
        );
        assert_eq!(lines.split_whitespace().collect::<Vec<_>>().join(" "), text);
        let long = "x".repeat(90);
        assert_eq!(wrapped(&long, Some(10)), long);
    }
}
