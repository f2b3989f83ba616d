//! A guest that takes all it can get, beside a neighbour on the same machine that goes on with its work (guests/c/bomb.c).
//! The neighbour's output is the one that was recorded on native Linux.

use std::process::Command;

fn attack(what: &str, limit: &str, options: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_pagewalk"))
        .args(["run", "--ram", "256m"])
        .args(options)
        .args(["bomb", what, limit])
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    let expected = "the neighbour did its work: yes\nthe attack took something: yes\nafter it there is room again: yes\n";
    assert_eq!(said, expected, "{what} {options:?}: {told}");
    assert_eq!(output.status.code(), Some(0), "{what} {options:?}: {told}");
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn a_fork_bomb_leaves_its_neighbour_alone() {
    attack("forks", "1000", &["--page-size", "4k"]);
    attack("forks", "1000", &["--page-size", "16k"]);
}

#[test]
fn open_files_without_end_leave_a_neighbour_alone() {
    attack("files", "10000", &[]);
}

#[test]
fn full_pipes_leave_a_neighbour_alone() {
    attack("pipes", "1200", &[]);
}

#[test]
fn memory_without_end_is_the_death_of_who_takes_it() {
    for size in ["4k", "16k", "64k"] {
        attack("memory", "4000", &["--page-size", size]);
    }
}

#[test]
fn signals_without_end_do_not_stop_who_gets_them() {
    attack("signals", "100000", &[]);
    attack("signals", "100000", &["--seed", "1"]);
}
