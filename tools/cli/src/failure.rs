//! How a program ends: exit codes, and errors of one line ([`Failure`]).

use observe::ObserveError;
use procfs::RootError;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::process::ExitCode;

/// An end that is not success. Codes: 1 the process cannot be shown, 2 the command line is wrong (clap's), 3 shown only in part.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// One line, without the program's name.
    pub message: String,
}

impl Failure {
    /// The process cannot be shown.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            code: 1,
            message: message.into(),
        }
    }

    /// The command line is wrong in a way that clap does not see.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            code: 2,
            message: message.into(),
        }
    }

    /// What can be had was shown.
    pub fn partial(message: impl Into<String>) -> Self {
        Self {
            code: 3,
            message: message.into(),
        }
    }

    /// A reader that went away (`vmmap 1 | head`) is no failure of ours.
    fn is_quiet(&self) -> bool {
        self.message.is_empty()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<ObserveError> for Failure {
    fn from(error: ObserveError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<RootError> for Failure {
    fn from(error: RootError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self {
                code: 0,
                message: String::new(),
            },
            _ => Self::new(error.to_string()),
        }
    }
}

/// Parse the command line; an error of it is one line, help and version are printed as they are.
///
/// # Errors
/// The exit code to end with.
pub fn parse<P: clap::Parser>(
    program: &str,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<P, ExitCode> {
    P::try_parse_from(arguments).map_err(|error| {
        if !error.use_stderr() {
            return finish(program, error.print().map_err(Failure::from));
        }
        let text = error.render().to_string();
        // The first paragraph says what is wrong; what follows is usage.
        let said = text.split("\n\n").next().unwrap_or_default();
        let words: Vec<&str> = said.trim_start_matches("error: ").split_whitespace().collect();
        let message = format!("{}; see {program} --help", words.join(" "));
        finish(program, Err(Failure::usage(message)))
    })
}

/// Print the error, if any, as `PROGRAM: message`, and give the exit code.
pub fn finish(program: &str, result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_quiet() {
                // What the user wrote may be in it: it must not steer the terminal, nor make a second line.
                let line = observe::printable(failure.message.as_bytes());
                anstream::eprintln!("{program}: {line}");
            }
            ExitCode::from(failure.code)
        }
    }
}
