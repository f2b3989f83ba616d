//! Apple's spelling: its vmmap takes words after a single dash. They are rewritten to GNU forms before parsing.

use std::ffi::OsString;

/// Apple's word and ours.
const WORDS: &[(&str, &str)] = &[
    ("-summary", "--summary"),
    ("-interleaved", "--interleaved"),
    ("-wide", "--wide"),
    ("-verbose", "--verbose"),
    ("-pages", "--pages"),
    ("-noCoalesce", "--no-coalesce"),
    ("-sortBySize", "--sort-by-size"),
    ("-stacks", "--stacks"),
    // Double-dashed Apple words are understood too.
    ("--noCoalesce", "--no-coalesce"),
    ("--sortBySize", "--sort-by-size"),
    ("-json", "--json"),
    ("-help", "--help"),
];

/// Apple's words, each with ours.
pub fn words() -> impl Iterator<Item = (&'static str, &'static str)> {
    WORDS.iter().copied()
}

/// The arguments with Apple's words in GNU form; what follows `--` is left alone.
pub fn rewrite(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut is_over = false;
    let word = |arg: OsString| {
        is_over |= arg == "--";
        let ours = WORDS.iter().find(|(apple, _)| !is_over && arg == *apple);
        ours.map_or(arg, |(_, ours)| (*ours).into())
    };
    args.into_iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apples_words_become_gnu_forms() {
        let rewritten =
            rewrite(["vmmap", "-sortBySize", "-w", "-noCoalesce", "--", "-summary"].map(OsString::from));
        assert_eq!(
            rewritten,
            ["vmmap", "--sort-by-size", "-w", "--no-coalesce", "--", "-summary"]
        );
    }
}
