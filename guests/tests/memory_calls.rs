//! docs/memory-calls.md against the records: each rule names what proves it, and each line of the guests `calls-*` is named.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use guests::CASES;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names of the lines of each record that the table speaks of.
fn recorded() -> BTreeMap<&'static str, BTreeSet<String>> {
    let of_memory = CASES.iter().filter(|case| case.name.starts_with("calls-"));
    of_memory
        .map(|case| {
            let record = std::fs::read_to_string(case.record_path()).unwrap();
            let (status, text) = case.expected(&record).unwrap();
            assert_eq!(status, 0, "{}", case.name);
            let names = text
                .lines()
                .map(|line| line.split_once(": ").unwrap().0.to_owned());
            (case.name, names.collect())
        })
        .collect()
}

/// The rows of the table: the rule, and the proofs' (place, name) pairs.
fn rows(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| Rule ");
    text.lines()
        .filter(is_row)
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            assert_eq!(cells.len(), 2, "not two cells: {line}");
            (cells[0].to_owned(), proofs(cells[1]))
        })
        .collect()
}

/// `place: \`name\`, \`name\`; place: \`name\``.
fn proofs(cell: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in cell.split("; ") {
        let Some((place, names)) = part.split_once(": ") else {
            continue;
        };
        let quoted = names.split('`').skip(1).step_by(2);
        found.extend(quoted.map(|name| (place.to_owned(), name.to_owned())));
    }
    found
}

#[test]
fn each_rule_has_a_line_that_proves_it_and_each_line_a_rule() {
    let table = root().join("docs/memory-calls.md");
    let text = std::fs::read_to_string(&table).unwrap();
    let lines = recorded();
    assert_eq!(lines.len(), 7);
    let rows = rows(&text);
    assert!(rows.len() > 100, "{} rows", rows.len());
    let mut named: BTreeSet<(String, String)> = BTreeSet::new();
    for (rule, proofs) in rows {
        assert!(!proofs.is_empty(), "nothing proves: {rule}");
        for (place, name) in proofs {
            match lines.get(place.as_str()) {
                Some(lines) => assert!(lines.contains(&name), "{place} has no line `{name}`: {rule}"),
                None => check_elsewhere(&place, &name, &rule),
            }
            named.insert((place, name));
        }
    }
    for (case, lines) in lines {
        for line in lines {
            let known = named.contains(&(case.to_owned(), line.clone()));
            assert!(
                known,
                "{case}: `{line}` stands for no rule in docs/memory-calls.md"
            );
        }
    }
}

/// Another case's record with such a line, or a source file with such a test.
fn check_elsewhere(place: &str, name: &str, rule: &str) {
    if let Some(case) = CASES.iter().find(|case| case.name == place) {
        let record = std::fs::read_to_string(case.record_path()).unwrap();
        let found = record.lines().any(|line| line.contains(name));
        assert!(found, "{place} has no line with `{name}`: {rule}");
        return;
    }
    let source = std::fs::read_to_string(root().join(place));
    let source = source.unwrap_or_else(|error| panic!("{place}: {error}: {rule}"));
    assert!(
        source.contains(&format!("fn {name}(")),
        "{place} has no test `{name}`: {rule}"
    );
}
