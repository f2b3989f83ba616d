//! `vmmap --explain WORD`: what a word of the report means on Linux.

use crate::Failure;
use crate::screen::Screen;
use std::io::Write;

/// Print the entry of a word, or of all words.
///
/// # Errors
/// [`Failure`] if the report knows no such word.
pub fn explain(word: &str, screen: &mut Screen) -> Result<(), Failure> {
    let entries: Vec<_> = match word {
        "all" => observe::explain::entries().iter().collect(),
        word => observe::explain::explain(word).into_iter().collect(),
    };
    if entries.is_empty() {
        let known: Vec<&str> = observe::explain::entries().iter().map(|e| e.word).collect();
        let known = known.join(", ");
        return Err(Failure::new(format!(
            "\"{word}\" is no word of the report; it knows: {known}"
        )));
    }
    let width = screen.width.unwrap_or(100).clamp(40, 100);
    for entry in entries {
        writeln!(screen, "{}", screen.palette.title(entry.word))?;
        let indent = textwrap::Options::new(width)
            .initial_indent("    ")
            .subsequent_indent("    ");
        writeln!(screen, "{}", textwrap::fill(entry.text, indent))?;
    }
    screen.flush()?;
    Ok(())
}
