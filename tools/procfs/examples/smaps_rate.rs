//! How fast a saved `smaps` is parsed, in CPU time of the best round: `cargo run --release -p procfs --example smaps_rate FILE`.
//! The file of a process with many mappings shows most: 60,000 are 43 MB.

use procfs::{SmapsEntry, SmapsParser, SmapsReader, Step};
use rustix::time::{ClockId, clock_gettime};
use std::process::ExitCode;

const ROUNDS: usize = 15;

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The sum of `Rss`, so that nothing is optimised away and both ways can be compared.
fn sum(entry: &SmapsEntry) -> u64 {
    entry.counts.rss.map_or(0, |rss| rss.0)
}

/// As `observe` reads: pieces of one read(2) each, one entry used again.
fn in_pieces(text: &[u8], piece: usize) -> Result<u64, String> {
    let (mut parser, mut entry, mut total) = (SmapsParser::new(), SmapsEntry::default(), 0);
    let mut pieces = text.chunks(piece);
    loop {
        match parser.next_into(&mut entry).map_err(|e| e.to_string())? {
            Step::Entry => total += sum(&entry),
            Step::End => return Ok(total),
            Step::NeedsBytes => match pieces.next() {
                Some(piece) => parser.feed(piece),
                None => parser.finish(),
            },
        }
    }
}

fn as_iterator(text: &[u8]) -> Result<u64, String> {
    SmapsReader::new(text)
        .map(|entry| entry.map(|entry| sum(&entry)).map_err(|e| e.to_string()))
        .sum()
}

fn report(name: &str, text: &[u8], parse: impl Fn(&[u8]) -> Result<u64, String>) -> Result<(), String> {
    let (mut best, mut total) = (f64::INFINITY, 0);
    for _ in 0..ROUNDS {
        let start = cpu_seconds();
        total = parse(text)?;
        best = best.min(cpu_seconds() - start);
    }
    let rate = text.len() as f64 / best / 1e9;
    println!("{name:24} {:8.2} ms {rate:6.2} GB/s  Rss {total} kB", best * 1e3);
    Ok(())
}

fn run() -> Result<(), String> {
    let path = std::env::args_os().nth(1).ok_or("usage: smaps_rate FILE")?;
    let text = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    for piece in [512, 3072, 65536] {
        report(&format!("pieces of {piece}"), &text, |text| {
            in_pieces(text, piece)
        })?;
    }
    report("iterator of entries", &text, as_iterator)
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("smaps_rate: {message}");
            ExitCode::FAILURE
        }
    }
}
