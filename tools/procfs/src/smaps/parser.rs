//! Cuts a stream of `smaps` into records and reads them ([`SmapsParser`]): bytes in, entries out, no reading of its own.

use super::SmapsEntry;
use super::line::opens_header;
use super::shape::{Fit, Shape};
use crate::ParseError;
use memchr::memchr;

/// What [`SmapsParser::next_into`] came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The entry was filled.
    Entry,
    /// No record is complete: feed more bytes, or say that there are none.
    NeedsBytes,
    /// The text has ended.
    End,
}

/// An unfinished record of this many bytes is looked at for errors before it is complete, and again whenever it has doubled. Linux's
/// have about 700, and a text that is not of `smaps` at all would fill the memory before it is refused.
const LONG_RECORD: usize = 64 << 10;

/// Reads `smaps` from bytes that are fed in pieces of any size, cut anywhere.
///
/// Whoever feeds decides how the file is read, perhaps on another thread. A record counts as complete once the first byte of the next one is
/// there or the text has ended. The memory it needs is the longest piece and one record.
#[derive(Debug)]
pub struct SmapsParser {
    bytes: Vec<u8>,
    /// How many of `bytes` are done with.
    at: usize,
    /// Lines before `at`.
    lines: usize,
    shape: Option<Shape>,
    /// Without a shape: the start of a line of the record, counted from `at`, up to which the next header was not found.
    line: usize,
    /// Likewise: there is no newline between `line` and here.
    searched: usize,
    /// When to look at an unfinished record.
    look_at: usize,
    is_complete: bool,
    has_ended: bool,
}

impl Default for SmapsParser {
    fn default() -> Self {
        Self::new()
    }
}

impl SmapsParser {
    /// From the start of a `smaps` file.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            at: 0,
            lines: 0,
            shape: None,
            line: 0,
            searched: 0,
            look_at: LONG_RECORD,
            is_complete: false,
            has_ended: false,
        }
    }

    /// The next bytes of the text.
    pub fn feed(&mut self, bytes: &[u8]) {
        // Moving what is left costs no more than what was read since the last time.
        if self.at >= self.bytes.len() - self.at {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// All bytes were fed: what is left is the last record.
    pub fn finish(&mut self) {
        self.is_complete = true;
    }

    /// Read the next record into `entry`, whose memory (name, flags, unknown lines) is used again.
    /// After anything but [`Step::Entry`], what stands in `entry` means nothing.
    ///
    /// # Errors
    /// [`ParseError`] names the line that is not as Linux prints it. After an error comes [`Step::End`].
    pub fn next_into(&mut self, entry: &mut SmapsEntry) -> Result<Step, ParseError> {
        let rest = &self.bytes[self.at..];
        if self.has_ended || (self.is_complete && rest.is_empty()) {
            return Ok(Step::End);
        }
        if let Some(shape) = &self.shape {
            match shape.read(rest, self.is_complete, entry) {
                Fit::Read(len) => {
                    let lines = shape.lines();
                    self.advance(len, lines);
                    return Ok(Step::Entry);
                }
                Fit::CutShort if !self.is_complete && rest.len() < LONG_RECORD => {
                    return Ok(Step::NeedsBytes);
                }
                Fit::CutShort | Fit::Differs => {}
            }
        }
        let step = self.next_by_lines(entry);
        self.has_ended = step.is_err();
        step
    }

    fn next_by_lines(&mut self, entry: &mut SmapsEntry) -> Result<Step, ParseError> {
        let end = self.record_end();
        let rest = &self.bytes[self.at..];
        let Some(len) = end else {
            if rest.len() >= self.look_at && self.line > 0 {
                self.look_at = rest.len() * 2;
                entry.parse_record(&rest[..self.line], self.lines + 1)?;
            }
            return Ok(Step::NeedsBytes);
        };
        let record = &rest[..len];
        let lines = entry.parse_record(record, self.lines + 1)?;
        let header = memchr(b'\n', record).map_or(len, |newline| newline + 1);
        if let Some(shape) = Shape::learn(&record[header..], entry) {
            self.shape = Some(shape);
        }
        self.advance(len, lines);
        Ok(Step::Entry)
    }

    /// The length of the record at `at`, if its end is there.
    fn record_end(&mut self) -> Option<usize> {
        let rest = &self.bytes[self.at..];
        loop {
            match rest.get(self.line) {
                None => break,
                Some(&first) if self.line > 0 && opens_header(first) => return Some(self.line),
                Some(_) => {}
            }
            let Some(newline) = memchr(b'\n', &rest[self.searched..]) else {
                self.searched = rest.len();
                break;
            };
            self.line = self.searched + newline + 1;
            self.searched = self.line;
        }
        self.is_complete.then_some(rest.len())
    }

    fn advance(&mut self, len: usize, lines: usize) {
        self.at += len;
        self.lines += lines;
        self.line = 0;
        self.searched = 0;
        self.look_at = LONG_RECORD;
    }

    #[cfg(test)]
    pub(super) fn has_shape(&self) -> bool {
        self.shape.is_some()
    }

    /// Nothing more comes: the source failed.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }
}
