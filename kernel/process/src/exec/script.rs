//! `#!` scripts: from a text file to the program that interprets it (`fs/binfmt_script.c`, `execve(2)`).
//!
//! Key type: [`Line`], what the first line of a script asks for. The kernel looks at [`LINE`] bytes and no more: a name
//! that is cut off there is no name, an argument that is cut off is passed on short.

use abi::Errno;

use super::error::ExecError;
use crate::file::Program;
use crate::kernel::Kernel;

/// `BINPRM_BUF_SIZE`.
const LINE: usize = 256;
/// A script may be another one's interpreter; so many in a row (`exec_binprm`).
const MOST_NESTED: usize = 5;

/// What a script's first line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    /// The interpreter's path.
    pub(crate) interpreter: Vec<u8>,
    /// Its one argument: the rest of the line, blanks inside it included.
    pub(crate) argument: Option<Vec<u8>>,
}

/// The program to load and its arguments, after all scripts.
pub(crate) struct Resolved {
    pub(crate) program: Program,
    pub(crate) args: Vec<Vec<u8>>,
}

impl Line {
    /// The first line of a file that begins with these bytes; `None` if it is no script or names no interpreter.
    pub(crate) fn parse(start: &[u8]) -> Option<Self> {
        // The kernel's buffer has zeros where the file has ended, and zeros end names.
        let mut buffer = [0; LINE];
        let got = start.len().min(LINE);
        buffer[..got].copy_from_slice(&start[..got]);
        let text = buffer.strip_prefix(b"#!")?;
        let line = match text.iter().position(|byte| *byte == b'\n') {
            Some(end) => &text[..end],
            None => {
                let name = skip_blanks(text);
                // Without an end in sight the name may be longer than what was read.
                let ends = name.iter().any(|byte| ends_name(*byte));
                ends.then_some(&text[..text.len() - 1])?
            }
        };
        let line = skip_blanks(trim_end(line));
        let end = line
            .iter()
            .position(|byte| ends_name(*byte))
            .unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        if name.is_empty() && rest.is_empty() {
            return None;
        }
        let argument = match rest.first() {
            None | Some(0) => None,
            Some(_) => Some(until_zero(skip_blanks(rest)).to_vec()),
        };
        Some(Self {
            interpreter: name.to_vec(),
            argument,
        })
    }

    /// The arguments of the interpreter for a script of this name that was given `args`, of which the zeroth is lost.
    fn arguments(self, script: &[u8], args: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let first = [Some(self.interpreter), self.argument].into_iter().flatten();
        let rest = args.iter().skip(1).cloned();
        first
            .chain(std::iter::once(script.to_vec()))
            .chain(rest)
            .collect()
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn ends_name(byte: u8) -> bool {
    is_blank(byte) || byte == 0
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let first = text.iter().position(|byte| !is_blank(*byte));
    first.map_or(&[], |first| &text[first..])
}

fn trim_end(text: &[u8]) -> &[u8] {
    let last = text.iter().rposition(|byte| !is_blank(*byte));
    last.map_or(&[], |last| &text[..=last])
}

fn until_zero(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == 0);
    end.map_or(text, |end| &text[..end])
}

impl Kernel {
    /// Opens a program for exec; for a script, the interpreter with the arguments that the script then is one of.
    ///
    /// # Errors
    /// As for opening any of them; `ELOOP` for scripts that interpret scripts more than five deep.
    pub(crate) fn open_for_exec(
        &mut self,
        working: &[u8],
        path: &[u8],
        args: &[Vec<u8>],
    ) -> Result<Resolved, ExecError> {
        let mut program = self.open_program(working, path)?;
        let mut name = path.to_vec();
        let mut args = args.to_vec();
        for _ in 0..=MOST_NESTED {
            let mut start = [0; LINE];
            let got = self.memory.file_read(program.file.id(), 0, &mut start);
            let got = got.map_err(ExecError::Read)?;
            let Some(line) = Line::parse(&start[..got]) else {
                return Ok(Resolved { program, args });
            };
            let interpreter = line.interpreter.clone();
            args = line.arguments(&name, &args);
            program = self.open_interpreter_of_script(working, &interpreter)?;
            name = interpreter;
        }
        Err(ExecError::Open(Errno::ELOOP))
    }

    fn open_interpreter_of_script(&mut self, working: &[u8], path: &[u8]) -> Result<Program, ExecError> {
        let opened = match path {
            // No name means the working directory to Linux, which is no program.
            b"" => Err(ExecError::NotRegular),
            path => self.open_program(working, path),
        };
        opened.map_err(|cause| ExecError::ScriptInterpreter {
            path: path.to_vec(),
            cause: Box::new(cause),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, Option<String>)> {
        let text_of = |bytes: Vec<u8>| String::from_utf8(bytes).expect("plain text");
        let line = Line::parse(text.as_bytes())?;
        Some((text_of(line.interpreter), line.argument.map(text_of)))
    }

    /// Each as Linux 6.18 was seen to run it (a C program that prints its arguments as the interpreter).
    #[test]
    fn lines_are_split_as_linux_splits_them() {
        let named = |name: &str, argument: Option<&str>| Some((name.to_owned(), argument.map(str::to_owned)));
        assert_eq!(parsed("#!/bin/sh\necho"), named("/bin/sh", None));
        assert_eq!(
            parsed("#! \t/bin/sh \t-e -u \t\n"),
            named("/bin/sh", Some("-e -u"))
        );
        assert_eq!(parsed("#!/bin/sh"), named("/bin/sh", None));
        assert_eq!(parsed("#!/bin/sh -x"), named("/bin/sh", Some("-x")));
        assert_eq!(parsed("#!/bin/sh\r\n"), named("/bin/sh\r", None));
        assert_eq!(parsed("#!\n/bin/sh"), None);
        assert_eq!(parsed("#!  \t\n"), None);
        assert_eq!(parsed("# !/bin/sh\n"), None);
        assert_eq!(parsed("echo"), None);
        assert_eq!(parsed(""), None);
    }

    /// A zero ends a name; a name of no bytes is one (execve then answers EACCES).
    #[test]
    fn zeros_end_names() {
        let named = |name: &str, argument: Option<&str>| Some((name.to_owned(), argument.map(str::to_owned)));
        assert_eq!(parsed("#! /tmp/a\0b c\n"), named("/tmp/a", None));
        assert_eq!(parsed("#!/tmp/a \0b c\n"), named("/tmp/a", Some("")));
        assert_eq!(parsed("#!/tmp/a b\0 c\n"), named("/tmp/a", Some("b")));
        assert_eq!(parsed("#!"), named("", None));
        assert_eq!(parsed("#! \0 /tmp/a\n"), named("", None));
    }

    #[test]
    fn a_name_that_is_cut_off_is_none_but_an_argument_may_be() {
        // 255 bytes count: two of them are "#!".
        let long = "x".repeat(300);
        assert_eq!(parsed(&format!("#!/{long}\n")), None);
        let (name, argument) = parsed(&format!("#!/a {long}\n")).expect("a name");
        assert_eq!((name.as_str(), argument.map(|a| a.len())), ("/a", Some(250)));
        assert_eq!(parsed(&format!("#!{}", " ".repeat(260))), None);
        let fits = format!("#!/{}\n", "x".repeat(252));
        assert_eq!(parsed(&fits).expect("a name").0.len(), 253);
        assert_eq!(
            parsed(&format!("#!/{}\n", "x".repeat(253))).map(|(name, _)| name.len()),
            None
        );
    }
}
