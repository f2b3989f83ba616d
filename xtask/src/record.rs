//! Records of benchmarks: `bench/record/DATE-HOST.md` or `DATE-HOST-PART.md`, with the processor, the kernel and the
//! compiler that made the figures. Neighbours: [`crate::bench`], [`crate::bench_vmmap`].

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::command::{root, text};
use crate::trouble::Trouble;

/// Writes the table of a part of the benchmark (empty: the machine's) with its circumstances; the path of the new file.
pub(crate) fn write(part: &str, table: &str) -> Result<PathBuf, Trouble> {
    let folder = root().join("bench/record");
    fs::create_dir_all(&folder).map_err(Trouble::file(&folder))?;
    let date = text(Command::new("date").arg("+%Y-%m-%d"))?;
    let host = text(Command::new("uname").arg("-n"))?;
    let (dash, space) = if part.is_empty() { ("", "") } else { ("-", " ") };
    let path = folder.join(format!("{date}-{host}{dash}{part}.md"));
    let facts = [
        ("processor", processor()),
        ("kernel", text(Command::new("uname").args(["-s", "-r", "-m"]))?),
        ("compiler", text(Command::new("rustc").arg("--version"))?),
        (
            "commit",
            text(
                Command::new("git")
                    .args(["rev-parse", "--short", "HEAD"])
                    .current_dir(root()),
            )?,
        ),
        (
            "load",
            fs::read_to_string("/proc/loadavg")
                .unwrap_or_default()
                .trim()
                .to_owned(),
        ),
    ];
    let mut page = format!("# cargo xtask bench{space}{part}, {date}, {host}\n\n");
    for (name, value) in facts {
        page.push_str(&format!("- {name}: {value}\n"));
    }
    page.push_str(&format!("\n```\n{table}```\n"));
    fs::write(&path, page).map_err(Trouble::file(&path))?;
    Ok(path)
}

/// The first `model name` of /proc/cpuinfo, and how many there are (proc(5)).
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names: Vec<&str> = info
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map(|(_, name)| name.trim())
        .collect();
    format!("{} x {}", names.len(), names.first().unwrap_or(&"unknown"))
}
