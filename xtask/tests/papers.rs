//! The papers of the project: README, ARCHITECTURE and CHANGELOG are there, and say what the tree says.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn the_papers_are_there() {
    let papers = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        ".ci/run",
    ];
    let broken: Vec<String> = papers
        .iter()
        .filter(|name| !root().join(name).is_file())
        .map(|name| (*name).to_owned())
        .collect();
    none("missing", &broken);
    let changes = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(
        changes.starts_with("# ") && changes.contains("\n## "),
        "CHANGELOG.md: a title, then `## VERSION` sections"
    );
}

#[test]
fn the_readme_names_the_test_command_that_ci_runs() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(
        readme.contains("cargo xtask test"),
        "README.md does not name the test command"
    );
    assert!(
        ci.contains("cargo xtask test"),
        ".ci/run does not run the README's test command"
    );
}

#[test]
fn the_architecture_names_every_crate() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest
        .split("members = [")
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .unwrap();
    let broken: Vec<String> = members
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|path| !map.contains(&format!("**{path}**")))
        .map(str::to_owned)
        .collect();
    none(
        "ARCHITECTURE.md has no paragraph that opens with **the crate's path**",
        &broken,
    );
}
