//! Which instructions of real programs the decoder lacks: every word that objdump names in the code of ELF files.
//!
//! ```text
//! cargo run --release -p cpu --example sweep -- FILE...
//! ```
//!
//! Needs aarch64-linux-gnu-objdump. Words that objdump itself calls data or undefined are counted apart: libraries keep
//! tables among their code.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use cpu::{Decoded, decode};

const OBJDUMP: &str = "aarch64-linux-gnu-objdump";

/// What became of a word.
enum Verdict {
    Known,
    /// Not an instruction to objdump either.
    Data,
    /// A name for it, and why we lack it.
    Unknown(String),
}

fn main() -> ExitCode {
    let mut unknown: BTreeMap<String, (usize, String)> = BTreeMap::new();
    println!("{:<52} {:>10} {:>8} {:>8}", "file", "words", "data", "unknown");
    for file in std::env::args().skip(1) {
        match sweep(&file, &mut unknown) {
            Ok([words, data, lacking]) => {
                let name = file.rsplit('/').next().unwrap_or(&file);
                println!("{name:<52} {words:>10} {data:>8} {lacking:>8}");
            }
            Err(why) => {
                eprintln!("sweep: {file}: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    for (name, (count, example)) in unknown {
        println!("{count:>8} {name:<40} {example}");
    }
    ExitCode::SUCCESS
}

fn sweep(file: &str, unknown: &mut BTreeMap<String, (usize, String)>) -> Result<[usize; 3], String> {
    let started = Command::new(OBJDUMP)
        .args(["-d", "-z", "-M", "no-aliases", file])
        .stdout(Stdio::piped())
        .spawn();
    let mut child = started.map_err(|error| format!("{OBJDUMP}: {error}"))?;
    let mut counts = [0; 3];
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let Some((word, text)) = parse(&line) else {
                continue;
            };
            counts[0] += 1;
            match verdict(word, text) {
                Verdict::Known => {}
                Verdict::Data => counts[1] += 1,
                Verdict::Unknown(name) => {
                    counts[2] += 1;
                    let entry = unknown
                        .entry(name)
                        .or_insert_with(|| (0, format!("{word:08x} {text}")));
                    entry.0 += 1;
                }
            }
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("{OBJDUMP}: {status}"));
    }
    Ok(counts)
}

/// Of a line of address, word, mnemonic and operands, with tabs between.
fn parse(line: &str) -> Option<(u32, &str)> {
    let (address, rest) = line.split_once(":\t")?;
    u64::from_str_radix(address.trim(), 16).ok()?;
    let (word, text) = rest.split_once('\t')?;
    let word = word.trim();
    (word.len() == 8).then_some(())?;
    Some((u32::from_str_radix(word, 16).ok()?, text))
}

fn verdict(word: u32, text: &str) -> Verdict {
    if text.starts_with('.') || text.contains("undefined") {
        return Verdict::Data;
    }
    let mnemonic = text.split_whitespace().next().unwrap_or(text);
    match decode(word) {
        Decoded::Insn(_) => Verdict::Known,
        Decoded::NotImplemented(class) => Verdict::Unknown(format!("{mnemonic} ({class})")),
        Decoded::Unallocated => Verdict::Unknown(format!("{mnemonic} (unallocated)")),
    }
}
