//! Reads `smaps` from a stream ([`SmapsReader`]): a [`SmapsParser`] and the source that feeds it.

use super::{SmapsEntry, SmapsParser, Step};
use crate::maps::invalid_data;
use std::io::{self, BufRead, ErrorKind};

/// As much as is fed at once; a source that is a slice gives everything it has.
const PIECE: usize = 64 << 10;

/// Reads `smaps` as a stream of entries.
pub struct SmapsReader<R> {
    source: R,
    parser: SmapsParser,
}

impl<R: BufRead> SmapsReader<R> {
    /// From the start of a `smaps` file. On the host, give a `BufReader` of 3072 bytes: the kernel fills 4 KiB
    /// for each read and throws away the record that does not fit, so a smaller read is 9 % faster than 4096
    /// and holds the target's lock for less time; 512 where mappings are large (measured, reference/live.md section 0).
    pub fn new(source: R) -> Self {
        Self {
            source,
            parser: SmapsParser::new(),
        }
    }

    /// Read the next entry into `entry`, whose memory is used again; `false` at the end, and then what stands in it means nothing.
    ///
    /// # Errors
    /// The source's error, or a [`crate::ParseError`] in one of kind `InvalidData`. After an error comes the end.
    pub fn read_into(&mut self, entry: &mut SmapsEntry) -> io::Result<bool> {
        loop {
            match self.parser.next_into(entry).map_err(invalid_data)? {
                Step::Entry => return Ok(true),
                Step::End => return Ok(false),
                Step::NeedsBytes => self.fill().inspect_err(|_| self.parser.end())?,
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let bytes = loop {
            match self.source.fill_buf() {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let len = bytes.len().min(PIECE);
        self.parser.feed(&bytes[..len]);
        if len == 0 {
            self.parser.finish();
        }
        self.source.consume(len);
        Ok(())
    }
}

impl<R: BufRead> Iterator for SmapsReader<R> {
    type Item = io::Result<SmapsEntry>;

    /// The next entry; after an error (as of [`SmapsReader::read_into`]) the end.
    fn next(&mut self) -> Option<Self::Item> {
        let mut entry = SmapsEntry::default();
        match self.read_into(&mut entry) {
            Ok(is_entry) => is_entry.then_some(Ok(entry)),
            Err(e) => Some(Err(e)),
        }
    }
}
