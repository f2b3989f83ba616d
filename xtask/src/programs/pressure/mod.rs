//! `cargo xtask pressure`: Debian's arm64 programs with far less RAM than they use must write the same bytes as with plenty,
//! under every replacement policy, with and without the compressed tier of swap. [`work`] lists the programs, [`table`]
//! shows the runs, [`stress`] is stress-ng and memtester. The folders are those of [`super::roots`]. Neighbours:
//! [`crate::end_to_end`], which runs the short form.

mod stress;
mod table;
mod work;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::command::{Done, capture, heading};
use crate::end_to_end::{stats, tail};
use crate::outcome::{Check, Verdict};
use crate::runner::PageSize;
use crate::test::release_pagewalk;
use crate::trouble::Trouble;

use super::engine::ENVIRONMENT;
use super::roots;
use table::{Line, Table};
use work::{Amount, Work};

/// All that `pagewalk run --policy` takes; its test holds them against `pagewalk run --help`'s.
const POLICIES: &[&str] = &[
    "fifo", "random", "clock", "lru", "mglru", "2q", "arc", "sieve", "s3-fifo",
];

/// The compressed tier's size: less than most programs need, so that pages go both ways.
const TIER: &str = "48m";

/// No run takes longer than this on a loaded host.
const LIMIT: Duration = Duration::from_secs(3600);

/// How a machine is built for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    page: PageSize,
    policy: &'static str,
    compressed: bool,
    ram: &'static str,
    swap: &'static str,
}

impl Setting {
    /// Enough for everything: nothing is ever evicted.
    fn plenty(page: PageSize) -> Setting {
        Setting {
            page,
            policy: "clock",
            compressed: false,
            ram: "2g",
            swap: "0",
        }
    }

    fn tier(&self) -> &'static str {
        if self.compressed { TIER } else { "0" }
    }

    /// `pagewalk run` with this machine, in this root.
    fn command(&self, pagewalk: &Path, folder: &Path) -> Command {
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(pagewalk);
        command.args(["run", "--stats=json", "--page-size", self.page.word()]);
        command.args(["--policy", self.policy, "--ram", self.ram, "--swap", self.swap]);
        command
            .args(["--swap-compressed", self.tier(), "--root"])
            .arg(folder);
        command.args(["--workdir", roots::WORK]);
        for (name, value) in ENVIRONMENT {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command
    }
}

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    policy: Option<&'static str>,
    program: Option<String>,
    page: Option<PageSize>,
    tier: Option<bool>,
    short: bool,
    stress: bool,
    runner: Option<PathBuf>,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Options, Trouble> {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--policy" => {
                    let name = words.next();
                    let known = POLICIES.iter().find(|policy| Some(*policy) == name);
                    let usage = || Trouble::Usage(format!("--policy is one of {}", POLICIES.join(" ")));
                    options.policy = Some(known.ok_or_else(usage)?);
                }
                "--program" => options.program = words.next().map(|name| (*name).to_owned()),
                "--page-size" => options.page = Some(super::page_size(words.next())?),
                "--tier" => options.tier = Some(tier(words.next())?),
                "--short" => options.short = true,
                "--stress" => options.stress = true,
                "--runner" => options.runner = words.next().map(PathBuf::from),
                other => return Err(Trouble::Usage(format!("pressure does not know {other}"))),
            }
        }
        Ok(options)
    }

    fn wants(&self, name: &str) -> bool {
        self.program
            .as_ref()
            .is_none_or(|word| name.contains(word.as_str()))
    }

    /// Every machine that a program is to run on.
    fn settings(&self, work: &'static Work) -> Vec<Setting> {
        let page = self.page.unwrap_or(PageSize::Middle16K);
        let policies = POLICIES
            .iter()
            .filter(|name| self.policy.is_none_or(|only| only == **name));
        let tiers = [false, true]
            .into_iter()
            .filter(|tier| self.tier.is_none_or(|only| only == *tier));
        let tiers: Vec<bool> = tiers.collect();
        policies
            .flat_map(|policy| tiers.iter().map(move |compressed| (*policy, *compressed)))
            .map(|(policy, compressed)| Setting {
                page,
                policy,
                compressed,
                ram: work.amount(self.short).ram,
                swap: "1g",
            })
            .collect()
    }
}

fn tier(word: Option<&&str>) -> Result<bool, Trouble> {
    match word {
        Some(&"none") => Ok(false),
        Some(&"compressed") => Ok(true),
        _ => Err(Trouble::Usage("--tier is none or compressed".into())),
    }
}

/// Runs the subcommand.
pub(crate) fn run(words: &[&str]) -> Result<(), Trouble> {
    let options = Options::parse(words)?;
    let pagewalk = match &options.runner {
        Some(path) => path.clone(),
        None => release_pagewalk()?,
    };
    if options.stress {
        return stress::run(&pagewalk, options.page, options.program.as_deref());
    }
    let wanted: Vec<&'static Work> = work::ALL.iter().filter(|work| options.wants(work.name)).collect();
    if wanted.is_empty() {
        return Err(Trouble::Usage(
            "--program is a part of sort, python, sqlite, redis or gcc".into(),
        ));
    }
    heading("pressure");
    let mut table = Table::default();
    for work in wanted {
        if let Err(trouble) = one(work, &options, &pagewalk, &mut table) {
            println!("SKIPPED {}: {trouble}", work.name);
        }
    }
    print!("\n{table}");
    match table.failed() {
        0 => Ok(()),
        count => Err(Trouble::Failed(format!(
            "{count} of the runs gave other bytes or none"
        ))),
    }
}

/// One program: with plenty of RAM, then on every machine that is asked for.
fn one(work: &'static Work, options: &Options, pagewalk: &Path, table: &mut Table) -> Result<(), Trouble> {
    let settings = options.settings(work);
    let page = options.page.unwrap_or(PageSize::Middle16K);
    eprint!("{} {} with plenty of RAM ...", work.name, page.word());
    drop(std::io::stderr().flush());
    let amount = work.amount(options.short);
    let plenty = execute(work, amount, &Setting::plenty(page), pagewalk)?;
    eprintln!(" {:.1} s", plenty.wall.as_secs_f64());
    if plenty.status != 0 || plenty.late {
        let why = format!(
            "{} fails with plenty of RAM: status {}, {}",
            work.name,
            plenty.status,
            tail(&plenty.stderr)
        );
        return Err(Trouble::Failed(why));
    }
    for setting in settings {
        let done = execute(work, amount, &setting, pagewalk)?;
        let line = Line::new(work.name, &setting, &done, &plenty);
        eprintln!("{line}");
        if let Err(why) = same(&plenty, &done) {
            eprintln!("{why}");
        }
        table.push(line);
    }
    Ok(())
}

/// Runs a program on a machine, in a fresh root that is gone afterwards.
fn execute(
    work: &'static Work,
    amount: &Amount,
    setting: &Setting,
    pagewalk: &Path,
) -> Result<Done, Trouble> {
    let name = format!(
        "pressure-{}-{}-{}-{}-{}-{}",
        work.name,
        setting.page.word(),
        setting.policy,
        setting.ram,
        setting.tier(),
        std::process::id()
    );
    let folder = roots::fresh(work.root()?, &name)?;
    work.furnish(&folder, amount)?;
    let mut command = setting.command(pagewalk, &folder);
    command.args(work.args).arg(amount.megabytes.to_string());
    let done = capture(&mut command, b"", LIMIT);
    roots::remove(&folder);
    done
}

/// Whether a run said what the one with plenty of RAM said, both with status 0.
fn same(plenty: &Done, done: &Done) -> Result<(), String> {
    if done.late {
        return Err(format!("it did not end in {} s", LIMIT.as_secs()));
    }
    if done.status != plenty.status {
        return Err(format!(
            "status {}, {}",
            done.status,
            tail(without_stats(&done.stderr))
        ));
    }
    if done.stdout != plenty.stdout {
        return Err(crate::end_to_end::first_difference(&plenty.text(), &done.text()));
    }
    let (expected, came) = (complaints(&plenty.stderr), complaints(&done.stderr));
    if expected != came {
        return Err(crate::end_to_end::first_difference(&expected, &came));
    }
    Ok(())
}

/// Standard error up to the figures.
fn without_stats(stderr: &str) -> &str {
    let end = match stderr.rfind("\n{") {
        Some(at) => at + 1,
        None if stderr.starts_with('{') => 0,
        None => stderr.len(),
    };
    &stderr[..end]
}

/// What programs wrote to standard error: no figures, and no notes of the machine about missing calls, which name
/// processes by number.
fn complaints(stderr: &str) -> String {
    let lines = without_stats(stderr).lines();
    let kept = lines.filter(|line| !(line.starts_with("pagewalk: ") && line.contains(" is not implemented")));
    kept.map(|line| format!("{line}\n")).collect()
}

/// A figure of `--stats=json`; 0 if there is none.
fn figure(stats: &Value, section: &str, name: &str) -> u64 {
    let figure = stats.get(section).and_then(|section| section.get(name));
    figure.and_then(Value::as_u64).unwrap_or(0)
}

/// The short form for `cargo xtask test`: small amounts and less RAM still, one page size, policy and tier each.
pub(crate) fn quick(pagewalk: &Path) -> Vec<Check> {
    let machines = [
        ("sort", PageSize::Small4K, "lru", false),
        ("sort", PageSize::Large64K, "sieve", true),
        ("sqlite", PageSize::Middle16K, "arc", true),
    ];
    let known = machines
        .into_iter()
        .filter_map(|(name, page, policy, compressed)| {
            let work = work::ALL.iter().find(|work| work.name == name)?;
            let ram = work.amount(true).ram;
            let setting = Setting {
                page,
                policy,
                compressed,
                ram,
                swap: "1g",
            };
            Some((work, setting))
        });
    known
        .map(|(work, setting)| {
            let pagewalk = pagewalk.to_path_buf();
            let name = format!(
                "pressure {} {} {} tier {}",
                work.name,
                setting.page.word(),
                setting.policy,
                setting.tier()
            );
            Check::new(name, move || judge_quick(work, &setting, &pagewalk))
        })
        .collect()
}

fn judge_quick(work: &'static Work, setting: &Setting, pagewalk: &Path) -> Verdict {
    let amount = work.amount(true);
    let run = |setting: &Setting| execute(work, amount, setting, pagewalk);
    let both = run(&Setting::plenty(setting.page)).and_then(|plenty| Ok((plenty, run(setting)?)));
    match both {
        Ok((plenty, _)) if plenty.status != 0 => {
            Verdict::Failed(format!("with plenty of RAM: {}", tail(&plenty.stderr)))
        }
        Ok((plenty, done)) => match same(&plenty, &done).and_then(|()| swapped(&done, setting)) {
            Ok(()) => Verdict::Passed,
            Err(why) => Verdict::Failed(why),
        },
        Err(Trouble::Missing { tool, why }) => Verdict::Skipped(format!("no {tool}: {why}")),
        Err(trouble) => Verdict::Failed(trouble.to_string()),
    }
}

/// A run that swapped nothing shows nothing.
fn swapped(done: &Done, setting: &Setting) -> Result<(), String> {
    let stats = stats(&done.stderr).ok_or("no figures at the end of standard error")?;
    let (out, back) = (
        figure(&stats, "swap", "pswpout"),
        figure(&stats, "swap", "pswpin"),
    );
    if out > 0 && back > 0 {
        return Ok(());
    }
    Err(format!(
        "{out} pages out and {back} back with {} of RAM: no pressure",
        setting.ram
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_choose_machines() {
        let all = Options::parse(&[]).unwrap();
        assert_eq!(all.settings(&work::ALL[0]).len(), 2 * POLICIES.len());
        let one = Options::parse(&[
            "--policy",
            "arc",
            "--tier",
            "none",
            "--page-size",
            "64k",
            "--program",
            "sort",
        ])
        .unwrap();
        let settings = one.settings(&work::ALL[0]);
        assert_eq!(settings.len(), 1);
        assert_eq!(
            (settings[0].policy, settings[0].page),
            ("arc", PageSize::Large64K)
        );
        assert!(one.wants("sort") && !one.wants("redis"));
        assert!(Options::parse(&["--policy", "best"]).is_err());
        assert!(Options::parse(&["--tier", "zstd"]).is_err());
    }

    #[test]
    fn other_bytes_are_noticed_and_figures_are_not() {
        let done = |stdout: &str, stderr: &str| Done {
            status: 0,
            stdout: stdout.into(),
            stderr: stderr.into(),
            wall: Duration::ZERO,
            late: false,
        };
        let plenty = done("a\nb\n", "{\"x\": 1}\n");
        assert_eq!(same(&plenty, &done("a\nb\n", "{\"x\": 2}\n")), Ok(()));
        assert!(same(&plenty, &done("a\nc\n", "{\"x\": 2}\n")).is_err());
        assert!(same(&plenty, &done("a\nb\n", "killed\n{\"x\": 2}\n")).is_err());
    }
}
