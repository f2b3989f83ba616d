//! What is generated from the one definition of the command line: man pages and shell completions ([`Papers`]).

use crate::Failure;
use crate::apple;
use clap::Command;
use clap_complete::Shell;
use roff::{Inline, Roff, roman};
use std::io::{self, Write};

/// Flags of both programs that print a paper and nothing else.
#[derive(Debug, clap::Args)]
pub struct Papers {
    /// Print the man page, here or of a subcommand; read it with: PROGRAM --man | man -l -
    #[arg(long, exclusive = true, value_name = "SUBCOMMAND", num_args = 0..=1)]
    man: Option<Option<String>>,

    /// Print completions for a shell
    #[arg(long, exclusive = true, value_enum, value_name = "SHELL")]
    completions: Option<Shell>,
}

impl Papers {
    /// Whether one was asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.man.is_some() || self.completions.is_some()
    }

    /// Print it.
    ///
    /// # Errors
    /// [`Failure`] if there is no such subcommand, or standard output cannot be written.
    pub fn print(&self, mut command: Command) -> Result<(), Failure> {
        let mut text = Vec::new();
        if let Some(shell) = self.completions {
            let name = command.get_name().to_owned();
            clap_complete::generate(shell, &mut command, name, &mut text);
        } else if let Some(subcommand) = &self.man {
            man(command, subcommand.as_deref(), &mut text)?;
        }
        io::stdout().write_all(&text)?;
        Ok(())
    }
}

fn man(command: Command, subcommand: Option<&str>, out: &mut Vec<u8>) -> Result<(), Failure> {
    let program = command.get_name().to_owned();
    let command = match subcommand {
        None => command,
        Some(word) => {
            let found = command.find_subcommand(word).cloned();
            let found = found.ok_or_else(|| Failure::usage(format!("{program} has no subcommand {word}")))?;
            found
                .name(format!("{program}-{word}"))
                .bin_name(format!("{program} {word}"))
        }
    };
    let is_vmmap = command.get_name().ends_with("vmmap");
    clap_mangen::Man::new(command).render(out)?;
    if is_vmmap {
        words().to_writer(out)?;
    }
    Ok(())
}

/// The sections that only vmmap has: what `--explain` knows, and Apple's words.
fn words() -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["WORDS OF THE REPORT"]);
    for entry in observe::explain::entries() {
        page.control("TP", []);
        page.text([roff::bold(entry.word)]);
        page.text([roman(entry.text)]);
    }
    page.control("SH", ["APPLE\u{27}S WORDS"]);
    let words: Vec<Inline> = apple::words()
        .map(|(theirs, ours)| roman(format!("{theirs} is {ours}. ")))
        .collect();
    page.text(words);
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    /// A program.
    #[derive(Parser)]
    #[command(name = "vmmap")]
    struct Program {
        #[command(flatten)]
        papers: Papers,
    }

    #[test]
    fn the_man_page_holds_options_and_words() {
        use clap::CommandFactory;
        let mut text = Vec::new();
        man(Program::command(), None, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for part in [".TH vmmap 1", "completions", "WORDS OF THE REPORT", "RSDNT"] {
            assert!(text.contains(part), "no {part}");
        }
        // A line that begins with a dot would be a request to troff.
        let explained = text.split("WORDS OF THE REPORT").nth(1).unwrap_or_default();
        let requests = explained.lines().filter(|line| line.starts_with('.'));
        assert!(
            requests
                .into_iter()
                .all(|line| line.starts_with(".TP") || line.starts_with(".SH"))
        );
        assert!(man(Program::command(), Some("nothing"), &mut Vec::new()).is_err());
        assert!(!Program::parse_from(["vmmap"]).papers.is_asked());
    }
}
