//! `pagewalk opt`: what each policy would have missed over a recorded string of references, beside the least that is possible.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use policy::Name;
use policy::replay::References;

use crate::Failure;

/// Show what the page-replacement policies would have missed over a recorded program, beside Belady's optimum.
///
/// The trace is one of `pagewalk run --trace FILE.jsonl --trace-references PROGRAM`. The table has a line for opt, which knows the
/// future, one for exact LRU, and one for each policy of `pagewalk run --policy`, driven by access flags as in the machine. A page is
/// an address of a process: memory that processes share counts once for each.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A trace in JSON lines, recorded with --trace-references
    #[arg(value_name = "TRACE")]
    trace: PathBuf,

    /// How many frames there are; several numbers with commas. Without it a quarter, half and three quarters of the pages used
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    frames: Vec<u32>,

    /// Seed of the policy random
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl Args {
    /// Run.
    ///
    /// # Errors
    /// [`Failure`] if the trace cannot be read or has no references.
    pub fn run(self) -> Result<(), Failure> {
        let references = read(&self.trace).map_err(|why| Failure {
            code: 1,
            message: format!("{}: {why}", self.trace.display()),
        })?;
        let mut stdout = std::io::stdout().lock();
        // Whoever closed standard output does not want it.
        let _ = stdout.write_all(self.table(&references).as_bytes());
        Ok(())
    }

    fn table(&self, references: &References) -> String {
        let pages = references.distinct();
        let frames = match &self.frames[..] {
            [] => {
                let mut parts = [pages / 4, pages / 2, pages / 4 * 3]
                    .map(|part| part.max(1))
                    .to_vec();
                parts.dedup();
                parts
            }
            given => given.to_vec(),
        };
        let mut text = format!(
            "{} references to {pages} pages; misses, and their share of the references\n\n{:<12}",
            references.len(),
            "FRAMES"
        );
        frames
            .iter()
            .for_each(|count| text.push_str(&format!("{count:>20}")));
        text.push('\n');
        let mut row = |name: &str, misses: &dyn Fn(u32) -> u64| {
            text.push_str(&format!("{name:<12}"));
            for &count in &frames {
                let misses = misses(count);
                let share = misses as f64 * 100.0 / references.len().max(1) as f64;
                text.push_str(&format!("{misses:>12} {share:>6.2}%"));
            }
            text.push('\n');
        };
        row("opt", &|count| references.opt(count));
        row("exact lru", &|count| references.exact_lru(count));
        for name in Name::ALL {
            row(name.as_str(), &|count| references.policy(name, self.seed, count));
        }
        text
    }
}

/// The references of a trace, or what is wrong with it.
fn read(path: &Path) -> Result<References, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut lines = BufReader::new(file).lines();
    let header = match lines.next() {
        Some(Ok(line)) => serde_json::from_str::<serde_json::Value>(&line).ok(),
        _ => None,
    };
    let schema = header.as_ref().and_then(|header| header["schema"].as_str());
    match schema {
        Some("pagewalk.trace/1") => {}
        Some(other) => {
            return Err(format!(
                "its schema is {other}, and pagewalk.trace/1 is read here"
            ));
        }
        None => return Err("is no trace in JSON lines (pagewalk run --trace FILE.jsonl)".to_owned()),
    }
    let mut string = Vec::new();
    for (index, line) in lines.enumerate() {
        let line = line.map_err(|error| error.to_string())?;
        if line.contains("\"event\":\"use\"") {
            let page = used(&line).ok_or_else(|| format!("line {} is damaged", index + 2))?;
            string.push(page);
        }
    }
    if string.is_empty() {
        return Err("has no references: record it with --trace-references".to_owned());
    }
    Ok(References::new(string))
}

/// Whose page, and where it is.
fn used(line: &str) -> Option<(u64, u64)> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    let address = event["address"].as_str()?.strip_prefix("0x")?;
    Some((event["owner"].as_u64()?, u64::from_str_radix(address, 16).ok()?))
}
