//! What `cargo xtask programs` runs: one table for each program, the scripts themselves under `scripts/`. Key type:
//! [`Case`]. A script prints nothing that may differ from run to run: no process numbers, times, addresses or page sizes.
//! Neighbour: [`super::roots`].

mod compilers;
mod languages;
mod servers;
mod shells;

use std::time::Duration;

use super::roots::Root;

/// A program, what it is given, and where it runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Case {
    /// Program first: `bash-arrays`.
    pub(crate) name: &'static str,
    pub(crate) root: &'static Root,
    /// The program's path in the root, and its arguments.
    pub(crate) args: &'static [&'static str],
    pub(crate) stdin: &'static str,
    /// Files of the working folder: name and text.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// One of `cargo xtask test`'s: cheap in every page size, also in an unoptimised build.
    pub(crate) quick: bool,
}

impl Case {
    /// No case takes longer on a loaded host and in a development build.
    pub(crate) fn limit(&self) -> Duration {
        Duration::from_secs(if self.quick { 300 } else { 900 })
    }
}

/// Every case.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    let tables = [shells::CASES, languages::CASES, compilers::CASES, servers::CASES];
    tables.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_programs_have_whole_paths() {
        let mut names = HashSet::new();
        for case in all() {
            assert!(names.insert(case.name), "{} twice", case.name);
            assert!(case.args[0].starts_with("/usr/"), "{}", case.name);
            assert!(
                case.stdin.len() < 60_000,
                "{}: all inputs fit in a pipe",
                case.name
            );
        }
    }
}
