//! House rules that no compiler checks: each source file opens with its description and stays short, no marks of unfinished
//! work, each crate inherits the lints. (The papers are checked in papers.rs.) A rule that is broken names its files.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// Source files may be longer than this only by name.
const LONGEST: usize = 1000;

/// Tables (one line an entry, nothing to get lost in) and tests that are one long model.
const TABLES: &[&str] = &["kernel/mm/tests/model.rs"];

/// Words that mean unfinished or forgotten work, and what to do about it. Split, so that this file does not hold them.
const BANNED: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "finish it, or open an issue"),
    (concat!("FIX", "ME"), "finish it, or open an issue"),
    (concat!("XX", "X:"), "finish it, or open an issue"),
    (concat!("todo", "!("), "return an error that names the thing"),
    (
        concat!("unimplemented", "!("),
        "return an error that names the thing",
    ),
    (concat!("dbg", "!("), "remove it"),
    (concat!("#[ig", "nore"), "a test runs or does not exist"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// Folders that hold no source of ours.
const FOREIGN: &[&str] = &[
    "target",
    ".git",
    "debian",
    "fixtures",
    "snapshots",
    "proptest-regressions",
];

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            if !FOREIGN.contains(&name.as_str()) {
                walk(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

fn files(extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found.sort();
    let wanted = found
        .iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == extension));
    wanted
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn every_source_file_opens_with_its_description() {
    let broken: Vec<String> = files("rs")
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(name, _)| name)
        .collect();
    none("the first line must be `//! what this file is`", &broken);
}

#[test]
fn no_source_file_is_too_long() {
    let long = |text: &str| text.lines().count() > LONGEST;
    let broken: Vec<String> = files("rs")
        .into_iter()
        .filter(|(name, text)| long(text) && !TABLES.contains(&name.as_str()))
        .map(|(name, text)| format!("{name}: {} lines", text.lines().count()))
        .collect();
    none("split it by verbs, or list it as a table", &broken);
}

#[test]
fn no_table_is_listed_in_vain() {
    let sources = files("rs");
    let broken: Vec<String> = TABLES
        .iter()
        .filter(|table| {
            !sources
                .iter()
                .any(|(name, text)| name == *table && text.lines().count() > LONGEST)
        })
        .map(|table| (*table).to_owned())
        .collect();
    none("listed as a table but short or gone", &broken);
}

#[test]
fn no_unfinished_work_is_left() {
    let mut broken = Vec::new();
    for (name, text) in files("rs").into_iter().chain(files("c")).chain(files("S")) {
        for (number, line) in text.lines().enumerate() {
            for (word, instead) in BANNED.iter().filter(|(word, _)| line.contains(word)) {
                broken.push(format!("{name}:{}: {word} ({instead})", number + 1));
            }
        }
    }
    none("marks of unfinished work", &broken);
}

#[test]
fn every_crate_inherits_the_lints() {
    let broken: Vec<String> = files("toml")
        .into_iter()
        .filter(|(name, text)| name.ends_with("Cargo.toml") && text.contains("[package]"))
        .filter(|(_, text)| !text.contains("[lints]\nworkspace = true"))
        .map(|(name, _)| name)
        .collect();
    none("the manifest must say [lints] workspace = true", &broken);
}
