//! Standard output: colours and width on a terminal, plain text in a pipe.

use anstream::{AutoStream, ColorChoice};
use observe::render::Palette;
use rustix::termios::{isatty, tcgetwinsize};
use std::io::{self, BufWriter, Stdout, Write};

/// When to use colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Standard output, buffered, which knows colours. Nothing is stripped on the way: without colours the palette writes none, and
/// names are made printable where they are read. (Stripping cost a tenth of a large JSON report.)
pub struct Screen {
    out: BufWriter<Stdout>,
    /// Its colours.
    pub palette: Palette,
    /// Its columns, if it is a terminal.
    pub width: Option<usize>,
}

impl Screen {
    /// Standard output.
    #[must_use]
    pub fn new(colour: Colour) -> Self {
        let stdout = io::stdout();
        let choice = match colour {
            Colour::Auto => AutoStream::choice(&stdout),
            Colour::Always => ColorChoice::AlwaysAnsi,
            Colour::Never => ColorChoice::Never,
        };
        let palette = if choice == ColorChoice::Never {
            Palette::plain()
        } else {
            Palette::colour()
        };
        let size = isatty(&stdout).then(|| tcgetwinsize(&stdout).ok()).flatten();
        let width = size.map(|s| usize::from(s.ws_col)).filter(|&columns| columns > 0);
        Self {
            out: BufWriter::with_capacity(1 << 16, stdout),
            palette,
            width,
        }
    }
}

impl Write for Screen {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.out.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
