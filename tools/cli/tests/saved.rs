//! The program on a saved `/proc` of arm64 with 16384-byte pages: its whole output, which must not depend on the host.

use std::process::{Command, Output};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../procfs/tests/fixtures");

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program)
        .args(args)
        .current_dir(FIXTURES)
        .env("XDG_RUNTIME_DIR", "/nonexistent")
        .output()
        .expect("vmmap runs and prints UTF-8")
}

fn vmmap(args: &[&str]) -> String {
    let output = run(
        env!("CARGO_BIN_EXE_vmmap"),
        &[&["--root", "arm64-16k"], args].concat(),
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Where the tool was built is the only thing that differs from host to host.
    String::from_utf8(output.stdout)
        .expect("vmmap runs and prints UTF-8")
        .replace(env!("CARGO_BIN_EXE_vmmap"), "VMMAP")
}

#[test]
fn the_report() {
    insta::assert_snapshot!(vmmap(&["7"]));
}

#[test]
fn sorted_verbose_and_in_pages() {
    insta::assert_snapshot!(vmmap(&["-sortBySize", "-pages", "-v", "work"]));
}

#[test]
fn interleaved_and_stacks() {
    insta::assert_snapshot!(vmmap(&["-interleaved", "worker"]));
    insta::assert_snapshot!(vmmap(&["-stacks", "worker"]));
}

#[test]
fn one_address() {
    // The saved folder has no pagemap: the page's state is unknown, and the report says so.
    insta::assert_snapshot!(vmmap(&["7", "0xaaaae8a00010"]));
    insta::assert_snapshot!(vmmap(&["7", "aaaab4c10000"]));
}

#[test]
fn json() {
    let text = vmmap(&["--json", "7"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["schema"], "pagewalk.vmmap/1");
    assert_eq!(json["process"]["page_size"], 16384);
    assert_eq!(json["regions"].as_array().unwrap().len(), 23);
    let sum: u64 = json["regions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["dirty"].as_u64().unwrap())
        .sum();
    assert_eq!(json["total"]["dirty"], sum);
}

#[test]
fn ps() {
    let output = run(
        env!("CARGO_BIN_EXE_pagewalk"),
        &["ps", "ul", "--root", "arm64-16k"],
    );
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn each_error_is_one_line_with_its_code() {
    let error = |program: &str, args: &[&str]| {
        let output = run(program, args);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        format!("{} {text}", output.status.code().unwrap())
    };
    let (vmmap, pagewalk) = (env!("CARGO_BIN_EXE_vmmap"), env!("CARGO_BIN_EXE_pagewalk"));
    let saved = |target| error(vmmap, &["--root", "arm64-16k", target]);
    let errors = [
        saved("8"),
        saved("2"),
        saved("9"),
        saved("nobody"),
        saved("1"),
        error(vmmap, &["--root", "missing", "1"]),
        error(pagewalk, &["ps"]),
        error(pagewalk, &["ps", "-o", "pid,nonsense"]),
    ];
    insta::assert_snapshot!(errors.concat());
}
