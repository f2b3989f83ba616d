//! The table of thread stacks.

use super::size::{Unit, put_left, put_right, put_size};
use super::{Listing, Options};
use crate::{Snapshot, Thread};
use procfs::Kib;
use std::io::{self, Write};

/// With `-stacks` and `-verbose`, and in any report as soon as there are two threads.
pub(super) fn write(snapshot: &Snapshot, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let threads = snapshot.threads.as_deref().unwrap_or_default();
    let is_asked = options.verbose || options.listing == Listing::Stacks;
    if threads.is_empty() || (threads.len() < 2 && !is_asked) {
        return Ok(());
    }
    let paint = options.palette;
    let title = format!("==== Thread stacks of process {}", snapshot.facts.pid);
    writeln!(out, "\n{}", paint.title(title))?;
    let caption = format!(
        "{:>8} {:<16} {:<5} {:>12}-{:<12} [{:>6} {:>6} {:>6}] {:>6}  {}",
        "THREAD", "NAME", "STATE", "START ", " END", "VSIZE", "DEEPEST", "RSDNT", "GUARD", ""
    );
    writeln!(out, "{}", paint.title(caption.trim_end()))?;
    let mut sorted: Vec<&Thread> = threads.iter().collect();
    if options.sort_by_size {
        sorted.sort_by_key(|thread| std::cmp::Reverse(thread.stack.and_then(|s| s.high_water)));
    }
    for thread in sorted {
        writeln!(out, "{}", line(thread, snapshot.regions.is_some()))?;
    }
    Ok(())
}

fn line(thread: &Thread, was_searched: bool) -> String {
    let mut text = String::new();
    put_right(&mut text, &thread.tid.to_string(), 8);
    text.push(' ');
    put_left(&mut text, &thread.name, 16);
    text.push_str(&format!(" {:<5} ", thread.state));
    let Some(stack) = thread.stack else {
        text.push_str(match was_searched {
            true => "stack not found",
            false => "stack unknown: the regions were not read",
        });
        return text;
    };
    text.push_str(&format!("{:>12x}-{:<12x} [", stack.start.0, stack.end.0));
    let bytes = |bytes: Option<u64>| bytes.map(Kib::from_bytes);
    put_size(&mut text, bytes(Some(stack.len())), Unit::Bytes, 6);
    text.push(' ');
    put_size(&mut text, bytes(stack.high_water), Unit::Bytes, 7);
    text.push(' ');
    put_size(&mut text, stack.resident, Unit::Bytes, 6);
    text.push_str("] ");
    match stack.guard_bytes {
        Some(_) => put_size(&mut text, bytes(stack.guard_bytes), Unit::Bytes, 6),
        None => put_right(&mut text, "-", 6),
    }
    if !stack.is_exact {
        text.push_str("  (bounds of its mapping)");
    }
    text
}
