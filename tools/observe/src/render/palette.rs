//! Colours by meaning ([`Palette`]). Without colours every style is empty, so that one printer serves both.

use crate::{Kind, Region};
use anstyle::{AnsiColor, Style};
use std::fmt;

/// A style for each meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Palette {
    is_colour: bool,
}

/// A text with its style around it.
pub(crate) struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { style, text } = self;
        write!(f, "{style}{text}{style:#}")
    }
}

impl Palette {
    /// No colours.
    #[must_use]
    pub fn plain() -> Self {
        Self { is_colour: false }
    }

    /// ANSI colours, of the sixteen that every terminal's theme defines.
    #[must_use]
    pub fn colour() -> Self {
        Self { is_colour: true }
    }

    fn paint<T: fmt::Display>(self, style: Style, text: T) -> Painted<T> {
        Painted {
            style: if self.is_colour { style } else { Style::new() },
            text,
        }
    }

    /// What `write` appends to `out`, in this style; without colours nothing but the text is written.
    pub(crate) fn put(self, out: &mut String, style: Style, write: impl FnOnce(&mut String)) {
        let is_plain = !self.is_colour || style.is_plain();
        if !is_plain {
            out.push_str(&style.render().to_string());
        }
        write(out);
        if !is_plain {
            out.push_str(&style.render_reset().to_string());
        }
    }

    /// Headings.
    pub fn title<T: fmt::Display>(self, text: T) -> impl fmt::Display {
        self.paint(Style::new().bold(), text)
    }

    /// What matters less.
    pub(crate) fn quiet<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.paint(Style::new().dimmed(), text)
    }

    /// What the user should notice.
    pub(crate) fn warning<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.paint(AnsiColor::Yellow.on_default().bold(), text)
    }

    /// Memory that costs: dirty or in swap. Nothing is quiet.
    pub(crate) fn cost<T: fmt::Display>(self, text: T, is_zero: bool) -> Painted<T> {
        self.paint(Self::cost_style(is_zero), text)
    }

    /// The style of [`Palette::cost`].
    pub(crate) fn cost_style(is_zero: bool) -> Style {
        if is_zero {
            Style::new().dimmed()
        } else {
            AnsiColor::Yellow.on_default()
        }
    }

    /// A growth: more memory is yellow, less is green.
    pub(crate) fn growth<T: fmt::Display>(self, text: T, growth: i64) -> Painted<T> {
        let style = match growth.signum() {
            1 => AnsiColor::Yellow.on_default(),
            0 => Style::new().dimmed(),
            _ => AnsiColor::Green.on_default(),
        };
        self.paint(style, text)
    }

    /// A region type.
    pub(crate) fn kind<T: fmt::Display>(self, kind: Kind, text: T) -> Painted<T> {
        self.paint(Self::kind_style(kind), text)
    }

    /// The style of [`Palette::kind`]: program green, writable data blue, allocator magenta, stacks cyan, reserves quiet.
    pub(crate) fn kind_style(kind: Kind) -> Style {
        match kind {
            _ if kind.is_reserved() => Style::new().dimmed(),
            Kind::Text | Kind::Rodata | Kind::ElfHeaders => AnsiColor::Green.on_default(),
            Kind::Data | Kind::Bss | Kind::Relro => AnsiColor::Blue.on_default(),
            Kind::Malloc | Kind::VmAllocate => AnsiColor::Magenta.on_default(),
            Kind::Stack => AnsiColor::Cyan.on_default(),
            Kind::Jit => AnsiColor::Red.on_default(),
            _ => Style::new(),
        }
    }

    /// A protection: writable and executable at once is red.
    pub(crate) fn protection_style(region: &Region) -> Style {
        if region.perms.write && region.perms.exec {
            AnsiColor::Red.on_default().bold()
        } else {
            Style::new()
        }
    }
}
