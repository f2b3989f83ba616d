//! A strict reader of OpenMetrics 1.0 text, for gauges: whatever the format forbids is a panic that names the line.

use std::collections::HashSet;

/// One sample.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

impl Sample {
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        let found = self.labels.iter().find(|(label, _)| label == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// All samples. Checked: `# EOF` once and at the end, no blank lines, metadata of a family before its samples and only once,
/// families together, names as the unit wants them, no series twice, escapes, numbers.
pub(crate) fn parse(text: &str) -> Vec<Sample> {
    let body = text
        .strip_suffix("# EOF\n")
        .expect("the text ends in # EOF and a newline");
    let mut families: HashSet<String> = HashSet::new();
    let mut series: HashSet<String> = HashSet::new();
    let mut seen_in_family: HashSet<&str> = HashSet::new();
    let (mut family, mut has_samples) = (String::new(), false);
    let mut samples = Vec::new();
    for line in body.split_terminator('\n') {
        assert!(
            !line.is_empty() && line.trim() == line,
            "blank or padded line {line:?}"
        );
        if let Some(metadata) = line.strip_prefix("# ") {
            let mut words = metadata.splitn(3, ' ');
            let [kind, name, rest] = [words.next(), words.next(), words.next()].map(|w| w.expect(line));
            if name != family {
                assert!(families.insert(name.into()), "family {name} comes twice");
                (family, has_samples) = (name.into(), false);
                seen_in_family.clear();
            }
            assert!(!has_samples, "metadata after samples: {line}");
            assert!(seen_in_family.insert(kind), "{kind} twice: {line}");
            match kind {
                "TYPE" => assert_eq!(rest, "gauge"),
                "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{line}"),
                "HELP" => assert!(!rest.contains(['\\', '"']), "needs escapes: {line}"),
                other => panic!("unknown metadata {other}"),
            }
            continue;
        }
        let sample = sample(line);
        assert_eq!(sample.name, family, "a sample outside of its family");
        has_samples = true;
        let value_at = line.rfind(' ').expect("a blank before the value");
        assert!(series.insert(line[..value_at].to_owned()), "series twice: {line}");
        samples.push(sample);
    }
    samples
}

fn is_name(word: &str, may_have_colon: bool) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '_' || (may_have_colon && c == ':');
    word.starts_with(|c: char| !c.is_ascii_digit()) && word.chars().all(is_good)
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).expect("a name");
    let (name, rest) = line.split_at(end);
    assert!(is_name(name, true), "bad name: {line}");
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest, line),
        None => (Vec::new(), rest),
    };
    let value = value.strip_prefix(' ').expect("one blank before the value");
    let is_number = value
        .bytes()
        .enumerate()
        .all(|(i, b)| b.is_ascii_digit() || (i == 0 && b == b'-'));
    assert!(is_number, "bad number: {line}");
    Sample {
        name: name.into(),
        labels,
        value: value.parse().expect("a number"),
    }
}

/// Labels up to the closing brace, and what follows it.
fn labels<'a>(mut rest: &'a str, line: &str) -> (Vec<(String, String)>, &'a str) {
    let mut labels: Vec<(String, String)> = Vec::new();
    loop {
        let (name, after) = rest.split_once("=\"").expect("a label's name and its quote");
        assert!(is_name(name, false), "bad label: {line}");
        assert!(
            labels.iter().all(|(label, _)| label != name),
            "label twice: {line}"
        );
        let (value, after) = quoted(after, line);
        assert!(!value.is_empty(), "an empty label is no label: {line}");
        labels.push((name.into(), value));
        if let Some(end) = after.strip_prefix('}') {
            return (labels, end);
        }
        rest = after.strip_prefix(',').expect("a comma between labels");
    }
}

fn quoted<'a>(text: &'a str, line: &str) -> (String, &'a str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                other => panic!("bad escape {other:?}: {line}"),
            },
            c => value.push(c),
        }
    }
    panic!("a label's value does not end: {line}")
}
