//! `cargo xtask programs`: Debian's arm64 programs on the machine, each in a root folder made of its packages, must say and
//! leave behind what they do under qemu-aarch64 in the same root. [`cases`] lists what is run, [`roots`] builds the folders,
//! [`mod@reference`] asks qemu, [`compare`] holds the two against each other; [`python`] does the same with Python's own tests. Neighbours: [`crate::end_to_end`], which runs the
//! quick cases, and [`crate::debian`].

mod cases;
mod compare;
mod engine;
pub(crate) mod pressure;
mod python;
mod reference;
pub(crate) mod roots;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::end_to_end::tail;
use crate::outcome::{Check, Tally, Verdict, run_all};
use crate::runner::PageSize;
use crate::test::release_pagewalk;
use crate::trouble::Trouble;
use cases::Case;
use engine::{Engine, Ran};

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    words: Vec<String>,
    page: Option<PageSize>,
    full: bool,
    python: bool,
    list: bool,
    runner: Option<PathBuf>,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Options, Trouble> {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--full" => options.full = true,
                "--list" => options.list = true,
                "--python" => options.python = true,
                "--page-size" => options.page = Some(page_size(words.next())?),
                "--runner" => options.runner = words.next().map(PathBuf::from),
                other if other.starts_with('-') => {
                    return Err(Trouble::Usage(format!("programs does not know {other}")));
                }
                name => options.words.push(name.to_owned()),
            }
        }
        Ok(options)
    }

    /// The program that is tried.
    fn pagewalk(&self) -> Result<PathBuf, Trouble> {
        self.runner.clone().map_or_else(release_pagewalk, Ok)
    }

    fn pages(&self) -> Vec<PageSize> {
        self.page
            .map_or_else(|| PageSize::ALL.to_vec(), |size| vec![size])
    }

    fn wants(&self, case: &Case) -> bool {
        if self.words.is_empty() {
            return self.full || case.quick;
        }
        self.words.iter().any(|word| case.name.contains(word.as_str()))
    }
}

fn page_size(word: Option<&&str>) -> Result<PageSize, Trouble> {
    let known = PageSize::ALL.into_iter().find(|size| Some(&size.word()) == word);
    known.ok_or_else(|| Trouble::Usage("--page-size is 4k, 16k or 64k".into()))
}

/// Runs the subcommand.
pub(crate) fn run(words: &[&str]) -> Result<(), Trouble> {
    let options = Options::parse(words)?;
    if options.python {
        return run_python(&options);
    }
    let wanted: Vec<&'static Case> = cases::all().filter(|case| options.wants(case)).collect();
    if wanted.is_empty() {
        return Err(Trouble::Usage(format!(
            "no case's name contains {}",
            options.words.join(" or ")
        )));
    }
    if options.list {
        for case in wanted {
            let set = if case.quick { "test" } else { "full" };
            println!("{:24} {set}  {}", case.name, case.args.join(" "));
        }
        return Ok(());
    }
    let checks = checks(&options.pagewalk()?, &wanted, &options.pages());
    verdict(run_all(checks))
}

/// Python's own tests, one module at a time: some of them have limits of time.
fn run_python(options: &Options) -> Result<(), Trouble> {
    let mut tally = Tally::default();
    for check in python::checks(&options.pagewalk()?, &options.words, &options.pages())? {
        tally.add(run_all(vec![check]));
    }
    verdict(tally)
}

fn verdict(tally: Tally) -> Result<(), Trouble> {
    println!("\n{tally}");
    if tally.failed > 0 {
        return Err(Trouble::Failed(format!("{} failed", tally.failed)));
    }
    Ok(())
}

/// The checks of `cargo xtask test`: cases that are cheap, in every page size.
pub(crate) fn quick(pagewalk: &Path) -> Vec<Check> {
    let wanted: Vec<&'static Case> = cases::all().filter(|case| case.quick).collect();
    checks(pagewalk, &wanted, &PageSize::ALL)
}

fn checks(pagewalk: &Path, wanted: &[&'static Case], pages: &[PageSize]) -> Vec<Check> {
    let mut checks = Vec::new();
    for case in wanted {
        let expected = Arc::new(Expected {
            case,
            answer: OnceLock::new(),
        });
        for page in pages {
            let engine = Engine::Machine(pagewalk.to_path_buf(), *page);
            let expected = Arc::clone(&expected);
            let name = format!("program {} {}", case.name, page.word());
            checks.push(Check::new(name, move || judge(&expected, &engine)));
        }
    }
    checks
}

/// What a case comes to under qemu, asked once for all page sizes.
struct Expected {
    case: &'static Case,
    answer: OnceLock<Result<Ran, String>>,
}

impl Expected {
    fn get(&self) -> &Result<Ran, String> {
        self.answer.get_or_init(|| {
            let ran = reference::engine().and_then(|engine| engine.run(self.case));
            let ran = ran.map_err(|trouble| trouble.to_string())?;
            if ran.done.late {
                return Err(format!("it did not end in {} s", self.case.limit().as_secs()));
            }
            if let Some(why) = reference::complaint(&ran.done) {
                return Err(why);
            }
            ran.forget();
            Ok(ran)
        })
    }
}

fn judge(expected: &Expected, engine: &Engine) -> Verdict {
    let answer = match expected.get() {
        Ok(ran) => ran,
        Err(why) => return Verdict::Skipped(format!("no answer from qemu: {why}")),
    };
    match engine.run(expected.case) {
        Ok(ran) => match compare::same(answer, &ran) {
            Ok(()) => {
                ran.forget();
                Verdict::Passed
            }
            Err(why) => Verdict::Failed(format!(
                "{why}\nstatus {}, {}",
                ran.done.status,
                tail(&ran.done.stderr)
            )),
        },
        Err(Trouble::Missing { tool, why }) => Verdict::Skipped(format!("no {tool}: {why}")),
        Err(trouble) => Verdict::Failed(trouble.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = Options::parse(&["bash", "--page-size", "64k", "lua", "--full"]).unwrap();
        assert_eq!(options.words, ["bash", "lua"]);
        assert_eq!(options.page, Some(PageSize::Large64K));
        assert!(options.full && !options.list);
        assert!(Options::parse(&["--page-size", "8k"]).is_err());
        assert!(Options::parse(&["--quick"]).is_err());
    }

    #[test]
    fn names_choose_cases_and_the_quick_ones_are_the_default() {
        let by_name = Options::parse(&["redis"]).unwrap();
        assert!(cases::all().any(|case| by_name.wants(case)));
        assert!(
            cases::all()
                .filter(|case| by_name.wants(case))
                .all(|case| case.name.contains("redis"))
        );
        let quick = Options::default();
        assert!(
            cases::all()
                .filter(|case| quick.wants(case))
                .all(|case| case.quick)
        );
        assert!(cases::all().any(|case| !quick.wants(case)));
    }
}
