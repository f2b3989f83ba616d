//! Every text type is fed damaged texts: it gives a value or an error, never a panic, and what it prints comes back as it is.
//!
//! `PROCFS_FUZZ_ROUNDS` sets the number of damaged texts of each file (64 by default); the seed is fixed.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use procfs::{
    Auxv, Cmdline, Comm, Limits, MapsLine, MemInfo, PidStat, SmapsEntry, SmapsRollup, Statm, Status,
    SystemStat, Text, Uptime, VmStat,
};
use std::path::Path;

/// xorshift64*: the same damage in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }
}

const NUMBERS: [&str; 8] = [
    "0",
    "-1",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999",
    "ffffffffffffffff",
    "fffffffffffffffff",
];

fn damage(text: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.roll(text.len());
    let line_start = text[..at].iter().rposition(|&b| b == b'\n').map_or(0, |n| n + 1);
    let line_end = text[at..]
        .iter()
        .position(|&b| b == b'\n')
        .map_or(text.len(), |n| at + n + 1);
    match dice.roll(8) {
        0 if !text.is_empty() => text[at] ^= 1 << dice.roll(8),
        1 => text.truncate(at),
        2 => drop(text.drain(line_start..line_end)),
        3 => {
            let line = text[line_start..line_end].to_vec();
            text.splice(line_start..line_start, line);
        }
        4 => {
            let digits = text[at..]
                .iter()
                .position(u8::is_ascii_digit)
                .map_or(text.len(), |n| at + n);
            let end = text[digits..]
                .iter()
                .position(|b| !b.is_ascii_digit())
                .map_or(text.len(), |n| digits + n);
            text.splice(digits..end, NUMBERS[dice.roll(NUMBERS.len())].bytes());
        }
        5 => drop(text.drain(at..(at + dice.roll(40)).min(text.len()))),
        6 => text.insert(at, b" \t\n:-/%\0\xff0"[dice.roll(10)]),
        _ => drop(text.splice(at..at, [b'x'; 300])),
    }
}

fn rounds() -> usize {
    std::env::var("PROCFS_FUZZ_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(64)
}

fn fuzz<T: Text>(texts: &[Vec<u8>]) {
    assert!(!texts.is_empty(), "no texts of {}", T::FILE);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for text in texts {
        for _ in 0..rounds() {
            let mut text = text.clone();
            for _ in 0..=dice.roll(4) {
                damage(&mut text, &mut dice);
            }
            let Ok(value) = T::parse(&text) else { continue };
            let printed = value.print();
            let again = T::parse(&printed).unwrap_or_else(|e| panic!("{e}, of {}", text.escape_ascii()));
            assert_eq!(
                again.print().escape_ascii().to_string(),
                printed.escape_ascii().to_string(),
                "{}",
                text.escape_ascii()
            );
        }
    }
}

fn collect(folder: &Path, name: &str, texts: &mut Vec<Vec<u8>>) {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, name, texts);
        } else if path.file_name().is_some_and(|file| file == name) {
            texts.push(std::fs::read(path).unwrap());
        }
    }
}

/// The saved texts of this name.
fn texts(name: &str) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    collect(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")),
        name,
        &mut texts,
    );
    texts
}

#[test]
fn texts_of_mappings() {
    fuzz::<Vec<MapsLine>>(&texts("maps"));
    fuzz::<Vec<SmapsEntry>>(&texts("smaps"));
    fuzz::<SmapsRollup>(&texts("smaps_rollup"));
}

#[test]
fn texts_of_processes() {
    fuzz::<Status>(&texts("status"));
    fuzz::<PidStat>(&[b"7 (a) b) S 1 7 7 0 -1 4194304 10 0 0 0 1 2 0 0 20 0 1 0 5 4096 9 18446744073709551615 1 2 3 4 5 0 0 0 0 0 0 0 17 0 0 0 0 0 0 1 2 3 4 5 6 7 0\n".to_vec()]);
    fuzz::<Statm>(&texts("statm"));
    fuzz::<Comm>(&texts("comm"));
    fuzz::<Cmdline>(&[b"a\0b c\0".to_vec()]);
    fuzz::<Auxv>(&texts("auxv"));
    fuzz::<Limits>(&[std::fs::read("/proc/self/limits").unwrap()]);
}

#[test]
fn texts_of_the_machine() {
    fuzz::<MemInfo>(&texts("meminfo"));
    fuzz::<VmStat>(&texts("vmstat"));
    fuzz::<Uptime>(&texts("uptime"));
    let stat = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/arm64-16k/stat"
    ))
    .unwrap();
    fuzz::<SystemStat>(&[stat]);
}
