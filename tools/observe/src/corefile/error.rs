//! Why a file cannot be shown as a core ([`CoreError`]), and what a shortened one lacks ([`CutShort`]).

use procfs::Addr;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A file that cannot be shown as a core. Each prints as one line.
#[derive(Debug)]
pub enum CoreError {
    /// It could not be opened or read.
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It is compressed: a core is read at random places, so it must be unpacked first.
    Compressed {
        /// The file.
        path: PathBuf,
        /// The format's name, which is the tool's name too.
        format: &'static str,
    },
    /// It is something else.
    NotACore {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// A core, but of a class or processor that is not read here.
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Of what.
        what: String,
    },
    /// A core that ends before anything of the process.
    CutShort {
        /// The file.
        path: PathBuf,
        /// How much is missing.
        cut: CutShort,
    },
    /// Its headers contradict themselves, so that nothing can be shown.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::Compressed { path, format } => {
                let path = path.display();
                write!(
                    f,
                    "{path} is compressed by {format}; unpack it first: {format} -dc {path} >core"
                )
            }
            Self::NotACore { path, what } => write!(f, "{} is not a core file: {what}", path.display()),
            Self::Unsupported { path, what } => write!(
                f,
                "{} is a core file of {what}; 64-bit x86-64 and AArch64 are read, little-endian",
                path.display()
            ),
            Self::CutShort { path, cut } => {
                write!(
                    f,
                    "{}: {cut}; nothing of the process can be shown",
                    path.display()
                )
            }
            Self::Damaged { path, what } => write!(f, "{} is a damaged core file: {what}", path.display()),
        }
    }
}

impl std::error::Error for CoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// A file that ends before its headers say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CutShort {
    /// Bytes that are there.
    pub file_bytes: u64,
    /// Bytes that the headers speak of.
    pub needed_bytes: u64,
    /// The lowest address whose contents are missing; `None` if no memory is.
    pub missing_from: Option<Addr>,
    /// Segments whose contents are there as far as they were dumped.
    pub whole_segments: usize,
    /// All segments.
    pub segments: usize,
    /// Whether the notes (process, threads, names of files) end early too.
    pub notes_missing: bool,
}

impl CutShort {
    /// How many bytes are missing at the end.
    #[must_use]
    pub fn missing_bytes(&self) -> u64 {
        self.needed_bytes.saturating_sub(self.file_bytes)
    }
}

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the core file is cut short: {} of {} bytes are missing",
            self.missing_bytes(),
            self.needed_bytes
        )?;
        if let Some(from) = self.missing_from {
            write!(
                f,
                "; the contents of {} of {} segments are whole, the first missing byte is at {:#x}",
                self.whole_segments, self.segments, from.0
            )?;
        }
        if self.notes_missing {
            f.write_str("; the notes with the process, its threads and its files are missing")?;
        }
        Ok(())
    }
}
