//! The dependency arrows of the design, checked against cargo metadata. A crate uses no more than its row allows; a new
//! arrow is a decision and is made here. ARCHITECTURE.md says why each is there.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand};

/// Each crate of the workspace, its folder, and the crates of ours that it may depend on.
const ALLOWED: &[(&str, &str, &[&str])] = &[
    ("arch", "hardware/arch", &[]),
    ("ram", "hardware/ram", &["arch"]),
    ("mmu", "hardware/mmu", &["arch", "ram"]),
    ("cpu", "hardware/cpu", &["arch", "mmu", "ram"]),
    ("abi", "kernel/abi", &[]),
    ("policy", "kernel/policy", &["arch"]),
    ("mm", "kernel/mm", &["arch", "policy", "ram"]),
    ("process", "kernel/process", &["abi", "arch", "mm", "procfs"]),
    (
        "machine",
        "machine",
        &["arch", "cpu", "mm", "mmu", "policy", "process", "procfs", "ram"],
    ),
    ("procfs", "tools/procfs", &["arch"]),
    ("observe", "tools/observe", &["arch", "procfs"]),
    (
        "cli",
        "tools/cli",
        &[
            "arch", "guests", "machine", "observe", "policy", "process", "procfs",
        ],
    ),
    ("guests", "guests", &[]),
    ("xtask", "xtask", &["guests"]),
];

/// Arrows that only tests have, beyond the table: mm's tests let the hardware's walker read the tables that it built.
const ONLY_IN_TESTS: &[(&str, &str)] = &[("mm", "mmu"), ("process", "ram")];

fn metadata() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .features(CargoOpt::AllFeatures)
        .no_deps()
        .exec()
        .unwrap()
}

/// Every crate with its arrows to others of the workspace; those of tests are `dev`.
fn arrows(metadata: &Metadata, dev: bool) -> BTreeMap<String, BTreeSet<String>> {
    let packages = metadata.workspace_packages();
    let ours: BTreeSet<String> = packages.iter().map(|package| package.name.to_string()).collect();
    let uses = |package: &cargo_metadata::Package| {
        let wanted = package
            .dependencies
            .iter()
            .filter(|to| (to.kind == DependencyKind::Development) == dev);
        wanted
            .map(|to| to.name.clone())
            .filter(|name| ours.contains(name))
            .collect()
    };
    packages
        .iter()
        .map(|package| (package.name.to_string(), uses(package)))
        .collect()
}

#[test]
fn the_list_of_crates_is_exact() {
    let metadata = metadata();
    let root = metadata.workspace_root.canonicalize().unwrap();
    let found: BTreeSet<(String, String)> = metadata
        .workspace_packages()
        .iter()
        .map(|package| {
            let folder = package.manifest_path.parent().unwrap().canonicalize().unwrap();
            let inside = folder.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            (package.name.to_string(), inside)
        })
        .collect();
    let listed = ALLOWED
        .iter()
        .map(|(name, folder, _)| ((*name).to_owned(), (*folder).to_owned()))
        .collect();
    assert_eq!(found, listed);
}

#[test]
fn no_crate_uses_another_that_its_row_does_not_allow() {
    let mut wrong = Vec::new();
    for (from, uses) in arrows(&metadata(), false) {
        let allowed = ALLOWED
            .iter()
            .find(|row| row.0 == from)
            .map_or(&[][..], |row| row.2);
        wrong.extend(
            uses.iter()
                .filter(|to| !allowed.contains(&to.as_str()))
                .map(|to| format!("{from} -> {to}")),
        );
    }
    assert!(
        wrong.is_empty(),
        "arrows that the design does not have: {}",
        wrong.join(", ")
    );
}

#[test]
fn no_test_uses_a_crate_that_is_not_listed() {
    let mut wrong = Vec::new();
    for (from, uses) in arrows(&metadata(), true) {
        let allowed = ALLOWED
            .iter()
            .find(|row| row.0 == from)
            .map_or(&[][..], |row| row.2);
        let listed = |to: &str| allowed.contains(&to) || ONLY_IN_TESTS.contains(&(from.as_str(), to));
        wrong.extend(
            uses.iter()
                .filter(|to| !listed(to))
                .map(|to| format!("{from} -> {to}")),
        );
    }
    assert!(
        wrong.is_empty(),
        "arrows of tests that are not listed: {}",
        wrong.join(", ")
    );
}

/// The rows themselves keep the design's laws, so that a careless edit of the table is caught too.
#[test]
fn the_forbidden_arrows_are_nowhere() {
    let metadata = metadata();
    let side = |name: &str| {
        let row = ALLOWED.iter().find(|row| row.0 == name);
        row.map_or("", |row| row.1.split('/').next().unwrap_or(""))
    };
    let tables = [arrows(&metadata, false), allowed_table()];
    for (from, to) in tables.iter().flat_map(|table| {
        table
            .iter()
            .flat_map(|(a, uses)| uses.iter().map(move |b| (a, b)))
    }) {
        let arrow = format!("{from} -> {to}");
        let shared = ["arch", "ram"].contains(&to.as_str());
        assert!(
            side(from) != "kernel" || side(to) != "hardware" || shared,
            "{arrow}: the halves do not meet"
        );
        assert!(
            side(from) != "hardware" || side(to) != "kernel",
            "{arrow}: the halves do not meet"
        );
        assert!(
            !["observe", "procfs"].contains(&from.as_str()) || to != "machine",
            "{arrow}: tools read /proc"
        );
        assert_ne!(to, "cli", "{arrow}: nothing uses the programs");
        assert_ne!(to, "xtask", "{arrow}: nothing uses the chores");
    }
}

fn allowed_table() -> BTreeMap<String, BTreeSet<String>> {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    ALLOWED
        .iter()
        .map(|(name, _, uses)| ((*name).to_owned(), set(uses)))
        .collect()
}
