//! `cargo xtask programs --python`: Python's own test modules on the machine and under qemu-aarch64, test by test. What
//! `guests/python-tests.txt` gives no reason for makes the check fail. Key types: [`Results`] (one run of a module),
//! [`Notes`] (that file). Neighbours: [`super::engine`] and [`super::roots`]; the runs are Python's `-m test`, which writes its
//! results as XML.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::command::{capture, root};
use crate::outcome::{Check, Verdict};
use crate::runner::PageSize;
use crate::trouble::Trouble;

use super::engine::Engine;
use super::reference;
use super::roots::{self, Root};

/// A folder of its own: the test suite is large, and some tests count what lies about. Its setup compiles what is imported.
static TESTS: Root = Root {
    name: "python-tests",
    packages: &[
        "bash",
        "coreutils",
        "dash",
        "libc-bin",
        "libpython3.11-testsuite",
        "netbase",
        "python3.11",
    ],
    setup: &[
        "/usr/bin/python3.11",
        "-m",
        "test",
        "--list-cases",
        "test_mmap",
        "test_threading",
        "test_subprocess",
        "test_signal",
        "test_fork1",
        "test_multiprocessing_fork",
        "test_socket",
        "test_zlib",
        "test_hashlib",
        "test_json",
    ],
};

/// Where the modules, and the reasons for what differs, are listed.
const NOTES: &str = "guests/python-tests.txt";

/// No module takes longer on a loaded host.
const LIMIT: Duration = Duration::from_secs(7200);

/// What a run writes into its working folder.
const XML: &str = "results.xml";

/// How one test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// With Python's reason.
    Skipped(String),
    /// With the last line of what it said.
    Failed(String),
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Skipped(_) => "skipped",
            Outcome::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Passed => f.write_str("passed"),
            Outcome::Skipped(why) => write!(f, "skipped ({why})"),
            Outcome::Failed(why) => write!(f, "failed ({why})"),
        }
    }
}

/// One run of a module: its tests by name.
#[derive(Debug, Default, PartialEq)]
struct Results {
    tests: BTreeMap<String, Outcome>,
    seconds: f64,
}

impl Results {
    /// From the XML of `test.support.testresult`, and from the run's words: a test with a subtest that fails has no name in
    /// the XML.
    fn parse(xml: &str, words: &str) -> Results {
        let mut tests = BTreeMap::new();
        for case in xml.split("<testcase").skip(1) {
            let case = case.split("</testcase>").next().unwrap_or(case);
            let head = case.split('>').next().unwrap_or(case);
            if let Some(name) = attribute(head, "name") {
                tests.insert(short(&name).to_owned(), outcome(case));
            }
        }
        for line in words.lines() {
            let failed = line.strip_prefix("FAIL: ").or(line.strip_prefix("ERROR: "));
            let name = failed.and_then(|rest| rest.split_once('(')?.1.split_once(')'));
            if let Some((name, subtest)) = name {
                let fresh = || Outcome::Failed(format!("a subtest{subtest}"));
                tests.entry(short(name).to_owned()).or_insert_with(fresh);
            }
        }
        Results { tests, seconds: 0.0 }
    }

    fn count(&self, word: &str) -> usize {
        self.tests
            .values()
            .filter(|outcome| outcome.word() == word)
            .count()
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:4} ran, {:4} passed, {:3} skipped, {:3} failed, {:7.1} s",
            self.tests.len(),
            self.count("passed"),
            self.count("skipped"),
            self.count("failed"),
            self.seconds
        )
    }
}

/// The name without its package: `test_mmap.MmapTests.test_basic`.
fn short(name: &str) -> &str {
    name.strip_prefix("test.").unwrap_or(name)
}

fn attribute(head: &str, name: &str) -> Option<String> {
    let (_, rest) = head.split_once(&format!(" {name}=\""))?;
    rest.split('"').next().map(unescape)
}

fn unescape(text: &str) -> String {
    let mut text = text.to_owned();
    for (from, to) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#10;", " "),
        ("&amp;", "&"),
    ] {
        text = text.replace(from, to);
    }
    text
}

/// What is inside of a `testcase`: nothing, or one of these elements.
fn outcome(case: &str) -> Outcome {
    let element = |name: &str| {
        let (_, rest) = case.split_once(&format!("<{name}"))?;
        let rest = rest.split(&format!("</{name}>")).next().unwrap_or(rest);
        let (head, text) = rest.split_once('>').unwrap_or((rest, ""));
        let text = unescape(text);
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        last.map(str::to_owned).or(attribute(head, "message"))
    };
    if let Some(why) = element("skipped") {
        return Outcome::Skipped(why);
    }
    match ["error", "failure"].into_iter().find_map(element) {
        Some(why) => Outcome::Failed(why),
        None => Outcome::Passed,
    }
}

/// What `guests/python-tests.txt` says.
#[derive(Debug, Default)]
struct Notes {
    modules: Vec<String>,
    /// The start of a test's name, and why it fails or does not do what it does under qemu.
    reasons: Vec<(String, String)>,
    /// Tests that qemu never ends, and why.
    endless: Vec<(String, String)>,
}

impl Notes {
    fn read() -> Result<Notes, Trouble> {
        let path = root().join(NOTES);
        let text = fs::read_to_string(&path).map_err(Trouble::file(&path))?;
        Ok(Notes::parse(&text))
    }

    fn parse(text: &str) -> Notes {
        let mut notes = Notes::default();
        for line in text.lines() {
            let mut words = line.splitn(4, ' ');
            let mut word = || words.next().unwrap_or_default();
            let (kind, module) = (word(), word());
            let (test, why) = (word(), word().trim().to_owned());
            let name = format!("{module}.{test}");
            match kind {
                "module" => notes.modules.push(module.to_owned()),
                "fails" | "differs" | "late" => notes.reasons.push((name, why)),
                "endless" => notes.endless.push((name, why)),
                _ => {}
            }
        }
        notes
    }

    fn reason(&self, test: &str) -> Option<&str> {
        let starts = |(name, _): &&(String, String)| test.starts_with(name.as_str());
        let all = self.reasons.iter().chain(&self.endless);
        all.into_iter().find(starts).map(|(_, why)| why.as_str())
    }
}

/// The checks of `cargo xtask programs --python`, for the modules whose names contain one of the words.
pub(super) fn checks(pagewalk: &Path, words: &[String], pages: &[PageSize]) -> Result<Vec<Check>, Trouble> {
    let notes = Arc::new(Notes::read()?);
    let wanted = |module: &&String| words.is_empty() || words.iter().any(|word| module.contains(word));
    let mut checks = Vec::new();
    for module in notes.modules.iter().filter(wanted) {
        let answer = Arc::new(OnceLock::new());
        for page in pages {
            let engine = Engine::Machine(pagewalk.to_path_buf(), *page);
            let (notes, answer, module) = (Arc::clone(&notes), Arc::clone(&answer), module.clone());
            let name = format!("python {module} {}", page.word());
            checks.push(Check::new(name, move || {
                let asked = answer.get_or_init(|| reference(&module, &notes).map_err(|why| why.to_string()));
                judge(&module, &engine, &notes, asked)
            }));
        }
    }
    match checks.is_empty() {
        true => Err(Trouble::Usage(format!(
            "no module's name contains {}",
            words.join(" or ")
        ))),
        false => Ok(checks),
    }
}

fn reference(module: &str, notes: &Notes) -> Result<Results, Trouble> {
    run(module, &reference::engine()?, &notes.endless)
}

fn judge(module: &str, engine: &Engine, notes: &Notes, asked: &Result<Results, String>) -> Verdict {
    let came = match run(module, engine, &[]) {
        Ok(results) => results,
        Err(Trouble::Missing { tool, why }) => return Verdict::Skipped(format!("no {tool}: {why}")),
        Err(trouble) => return Verdict::Failed(trouble.to_string()),
    };
    println!("        {module}: {came} on the machine");
    let nothing = Results::default();
    let expected = match asked {
        Ok(results) => {
            println!("        {module}: {results} under qemu-aarch64");
            results
        }
        Err(why) => {
            println!("        {module}: no answer from qemu-aarch64: {why}");
            &nothing
        }
    };
    let mut unexplained = Vec::new();
    for (test, line) in differences(expected, &came) {
        match notes.reason(test) {
            Some(why) => println!("        {line}: {why}"),
            None => unexplained.push(line),
        }
    }
    match unexplained.is_empty() {
        true => Verdict::Passed,
        false => Verdict::Failed(unexplained.join("\n")),
    }
}

/// Tests that fail on the machine, and those that come to another end than under qemu, if that ran any.
fn differences<'a>(expected: &'a Results, came: &'a Results) -> Vec<(&'a str, String)> {
    let mut found = Vec::new();
    let absent = |results: &Results| (!results.tests.is_empty()).then_some("not run".to_owned());
    for (test, outcome) in &came.tests {
        let other = expected.tests.get(test);
        let theirs = other.map(|other| format!("{other}")).or_else(|| absent(expected));
        let same =
            other.is_none_or(|other| other.word() == outcome.word()) && (other.is_some() || theirs.is_none());
        if !same || matches!(outcome, Outcome::Failed(_)) {
            let theirs = theirs.unwrap_or_else(|| "not asked".into());
            found.push((test.as_str(), format!("{test}: {outcome}; under qemu {theirs}")));
        }
    }
    let missing = expected
        .tests
        .iter()
        .filter(|(test, _)| !came.tests.contains_key(*test));
    found
        .extend(missing.map(|(test, other)| (test.as_str(), format!("{test}: not run; under qemu {other}"))));
    found
}

/// Runs one module to its end.
fn run(module: &str, engine: &Engine, leave_out: &[(String, String)]) -> Result<Results, Trouble> {
    let folder = roots::fresh(&TESTS, &format!("python-{module}-{}", engine.word()))?;
    let work = roots::furnish(&folder, &[])?;
    let xml = format!("{}/{XML}", roots::WORK);
    let mut args = vec!["/usr/bin/python3.11", "-m", "test", "-v", "--junit-xml", &xml];
    for (test, _) in leave_out.iter().filter(|(test, _)| test.starts_with(module)) {
        args.extend(["--ignore", test]);
    }
    args.push(module);
    let done = capture(&mut engine.command(&folder, &args), b"", LIMIT)?;
    if let Some(why) = reference::complaint(&done) {
        return Err(Trouble::Missing {
            tool: "reference".into(),
            why,
        });
    }
    let words = done.text();
    let results = fs::read_to_string(work.join(XML)).unwrap_or_default();
    let mut results = Results::parse(&results, &words);
    results.seconds = done.wall.as_secs_f64();
    if results.tests.is_empty() || done.late {
        let last: Vec<&str> = words.lines().rev().take(4).collect();
        return Err(Trouble::Failed(format!(
            "{module} left no results after {:.0} s, status {}; its last words, last first:\n{}",
            results.seconds,
            done.status,
            last.join("\n")
        )));
    }
    roots::remove(&folder);
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Python 3.11 writes it, shortened.
    const WRITTEN: &str = "<?xml version='1.0' encoding='us-ascii'?>\n<testsuites tests=\"4\" errors=\"0\" failures=\"1\">\
        <testsuite start=\"x\" tests=\"4\" errors=\"0\" failures=\"1\">\
        <testcase name=\"test.test_a.T.test_one\" status=\"run\" result=\"completed\" time=\"0.1\" />\
        <testcase name=\"test.test_a.T.test_two\" status=\"run\" result=\"completed\" time=\"0.1\"><skipped>needs &lt;more&gt;</skipped></testcase>\
        <testcase name=\"test.test_a.T.test_three\" status=\"run\" result=\"completed\" time=\"0.1\"><failure type=\"x\" message=\"y\">Traceback\nAssertionError: 1 != 2\n</failure></testcase>\
        <testcase time=\"0.1\" /></testsuite></testsuites>";

    fn sample() -> Results {
        Results::parse(
            WRITTEN,
            "FAIL: test_four (test.test_a.T.test_four) [sub]\nRan 4 tests\n",
        )
    }

    #[test]
    fn results_are_read_from_the_xml_and_subtests_from_the_words() {
        let results = sample();
        let of = |name: &str| results.tests.get(&format!("test_a.T.{name}")).unwrap().clone();
        assert_eq!(of("test_one"), Outcome::Passed);
        assert_eq!(of("test_two"), Outcome::Skipped("needs <more>".into()));
        assert_eq!(of("test_three"), Outcome::Failed("AssertionError: 1 != 2".into()));
        assert_eq!(of("test_four"), Outcome::Failed("a subtest [sub]".into()));
        assert_eq!((results.tests.len(), results.count("failed")), (4, 2));
    }

    #[test]
    fn what_differs_and_what_fails_on_both_is_told() {
        let (expected, mut came) = (sample(), sample());
        let told = |expected: &Results, came: &Results| {
            let found = differences(expected, came);
            found
                .into_iter()
                .map(|(test, _)| test.to_owned())
                .collect::<Vec<_>>()
        };
        let both = ["test_a.T.test_four", "test_a.T.test_three"];
        assert_eq!(told(&expected, &came), both);
        assert_eq!(told(&Results::default(), &came), both);
        came.tests
            .insert("test_a.T.test_one".into(), Outcome::Skipped("no".into()));
        came.tests.remove("test_a.T.test_three");
        assert_eq!(
            told(&expected, &came),
            ["test_a.T.test_four", "test_a.T.test_one", "test_a.T.test_three"]
        );
    }

    #[test]
    fn the_notes_name_every_module_and_give_reasons() {
        let notes = Notes::read().unwrap();
        let listed = TESTS.setup.iter().filter(|word| word.starts_with("test_"));
        assert_eq!(
            notes.modules,
            listed.map(|word| (*word).to_owned()).collect::<Vec<_>>()
        );
        let notes =
            Notes::parse("module test_a 1 2\ndiffers test_a T.test_x  because of this\n# differs test_b T\n");
        assert_eq!(notes.modules, ["test_a"]);
        assert_eq!(notes.reason("test_a.T.test_x"), Some("because of this"));
        assert_eq!(notes.reason("test_b.T"), None);
    }
}
