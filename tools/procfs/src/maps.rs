//! One line of `PID/maps`, which is also the header of a `smaps` entry ([`MapsLine`]; proc_pid_maps(5)).

use crate::text::{Cursor, put_decimal, put_hex};
use crate::{Addr, ParseError, Text};
use std::io::BufRead;

/// Where the path begins: `seq_setwidth(m, 25 + sizeof(void *) * 6 - 1)` and one blank.
const NAME_COLUMN: usize = 73;

/// Protection and sharing, as the four letters of a `maps` line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Perms {
    /// `r`.
    pub read: bool,
    /// `w`.
    pub write: bool,
    /// `x`.
    pub exec: bool,
    /// `s` rather than `p`: MAP_SHARED.
    pub shared: bool,
}

/// A device number, the two hexadecimal numbers of a `maps` line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Device {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// One mapping: a line of `maps`, the header of a `smaps` entry.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MapsLine {
    /// First address.
    pub start: Addr,
    /// First address past the end.
    pub end: Addr,
    /// Protection and sharing.
    pub perms: Perms,
    /// Offset into the file, bytes; 0 for anonymous memory.
    pub offset: u64,
    /// The file's device.
    pub device: Device,
    /// The file's inode; 0 if there is no file.
    pub inode: u64,
    /// The name as printed: a path with newlines written `\012` and perhaps ` (deleted)`, or `[heap]`,
    /// `[anon:NAME]`, `anon_inode:...`; empty if there is none. Build it with [`MapsLine::escape`].
    pub name: Vec<u8>,
}

impl MapsLine {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end.bytes_above(self.start)
    }

    /// Whether it is empty (Linux never shows such a one).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a file (or shared memory object) backs it.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.inode != 0 || self.name.first() == Some(&b'/')
    }

    /// The path with `\012` turned back into newlines. A name that really held `\012` looks the same: Linux
    /// does not escape the backslash.
    #[must_use]
    pub fn path(&self) -> Option<Vec<u8>> {
        if self.name.first() != Some(&b'/') {
            return None;
        }
        let mut path = Vec::with_capacity(self.name.len());
        let mut rest = self.name.as_slice();
        while let Some((&first, tail)) = rest.split_first() {
            match rest.strip_prefix(b"\\012") {
                Some(after) => {
                    path.push(b'\n');
                    rest = after;
                }
                None => {
                    path.push(first);
                    rest = tail;
                }
            }
        }
        Some(path)
    }

    /// Whether the name ends in ` (deleted)`. It may be part of the real name: only stat(2) tells.
    #[must_use]
    pub fn says_deleted(&self) -> bool {
        self.name.ends_with(b" (deleted)")
    }

    /// A path as `maps` prints it: newlines become `\012`.
    #[must_use]
    pub fn escape(path: &[u8]) -> Vec<u8> {
        let mut name = Vec::with_capacity(path.len());
        for &byte in path {
            match byte {
                b'\n' => name.extend_from_slice(b"\\012"),
                _ => name.push(byte),
            }
        }
        name
    }

    /// Parse one line, given without its newline.
    ///
    /// # Errors
    /// [`ParseError`] with `file` and `line_number` as given.
    pub fn parse_line(file: &'static str, line_number: usize, line: &[u8]) -> Result<Self, ParseError> {
        let mut c = Cursor::at_line(file, line, line_number);
        let start = Addr(c.hex("the start address")?);
        c.expect(b'-', "a dash between the addresses")?;
        let end = Addr(c.hex("the end address")?);
        c.expect(b' ', "a blank before the permissions")?;
        let perms = perms(&mut c)?;
        c.expect(b' ', "a blank before the offset")?;
        let offset = c.hex("the offset")?;
        c.expect(b' ', "a blank before the device")?;
        let device = device(&mut c)?;
        c.expect(b' ', "a blank before the inode")?;
        let inode = c.decimal("the inode")?;
        if !c.is_at_end() {
            c.expect(b' ', "a blank after the inode")?;
            c.skip_blanks();
        }
        if end <= start {
            return Err(ParseError::new(file, line_number, "an end above the start", line));
        }
        Ok(Self {
            start,
            end,
            perms,
            offset,
            device,
            inode,
            name: c.rest().to_vec(),
        })
    }

    /// Parse one line that is as Linux prints it into `self`, whose memory is used again. `false`, with `self` in no state, if
    /// there is anything to look at more closely: that is for [`Self::parse_line`].
    #[inline]
    pub(crate) fn read_plain(&mut self, line: &[u8]) -> bool {
        self.try_read_plain(line).is_some()
    }

    fn try_read_plain(&mut self, line: &[u8]) -> Option<()> {
        let rest = line;
        let (start, rest) = plain_hex(rest, b'-')?;
        let (end, rest) = plain_hex(rest, b' ')?;
        let (&[r, w, x, s, b' '], rest) = rest.split_first_chunk()? else {
            return None;
        };
        let flag = |letter: u8, yes: u8, no: u8| (letter == yes || letter == no).then_some(letter == yes);
        let perms = Perms {
            read: flag(r, b'r', b'-')?,
            write: flag(w, b'w', b'-')?,
            exec: flag(x, b'x', b'-')?,
            shared: flag(s, b's', b'p')?,
        };
        let (offset, device, inode, rest) = match rest.strip_prefix(ANONYMOUS) {
            Some(rest) => (0, Device::default(), 0, rest),
            None => plain_file(rest)?,
        };
        let blanks = rest.iter().position(|&b| b != b' ').unwrap_or(rest.len());
        let name = &rest[blanks..];
        if end <= start || name.first() == Some(&b'\t') {
            return None;
        }
        self.start = Addr(start);
        self.end = Addr(end);
        self.perms = perms;
        self.offset = offset;
        self.device = device;
        self.inode = inode;
        self.name.clear();
        self.name.extend_from_slice(name);
        Some(())
    }

    /// Append the line and its newline.
    pub fn print_line(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        put_hex(out, self.start.0, 8);
        out.push(b'-');
        put_hex(out, self.end.0, 8);
        out.push(b' ');
        let Perms {
            read,
            write,
            exec,
            shared,
        } = self.perms;
        let letter = |on, yes, no| if on { yes } else { no };
        out.extend([
            letter(read, b'r', b'-'),
            letter(write, b'w', b'-'),
            letter(exec, b'x', b'-'),
            letter(shared, b's', b'p'),
            b' ',
        ]);
        put_hex(out, self.offset, 8);
        out.push(b' ');
        put_hex(out, self.device.major.into(), 2);
        out.push(b':');
        put_hex(out, self.device.minor.into(), 2);
        out.push(b' ');
        put_decimal(out, self.inode, 0);
        out.push(b' ');
        if !self.name.is_empty() {
            out.resize(out.len().max(begin + NAME_COLUMN - 1), b' ');
            out.push(b' ');
            out.extend_from_slice(&self.name);
        }
        out.push(b'\n');
    }
}

/// The value of each lower-case hexadecimal digit; 16 for any other byte.
const HEX: [u8; 256] = {
    let mut values = [16; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// Offset, device and inode of memory without a file.
const ANONYMOUS: &[u8] = b"00000000 00:00 0 ";

/// Offset, device and inode as Linux prints them, and what follows the blank after them.
fn plain_file(text: &[u8]) -> Option<(u64, Device, u64, &[u8])> {
    let (offset, rest) = plain_hex(text, b' ')?;
    let (major, rest) = plain_hex(rest, b':')?;
    let (minor, rest) = plain_hex(rest, b' ')?;
    let (inode, rest) = plain_decimal(rest)?;
    let device = Device {
        major: major.try_into().ok()?,
        minor: minor.try_into().ok()?,
    };
    Some((offset, device, inode, rest))
}

/// A lower-case hexadecimal number of at most 15 digits up to `end`, and what follows `end`.
#[inline]
fn plain_hex(text: &[u8], end: u8) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, &byte) in text.iter().enumerate().take(16) {
        let digit = HEX[usize::from(byte)];
        if digit == 16 {
            return (byte == end && at > 0).then(|| (value, &text[at + 1..]));
        }
        value = value << 4 | u64::from(digit);
    }
    None
}

/// A decimal number of at most 18 digits up to a blank, and what follows the blank.
#[inline]
fn plain_decimal(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, &byte) in text.iter().enumerate().take(19) {
        match byte {
            b'0'..=b'9' => value = value * 10 + u64::from(byte - b'0'),
            _ => return (byte == b' ' && at > 0).then(|| (value, &text[at + 1..])),
        }
    }
    None
}

fn perms(c: &mut Cursor<'_>) -> Result<Perms, ParseError> {
    let error = c.error("permissions such as r-xp");
    let mut flag = |yes: u8, no: u8| {
        let is_set = c.rest().first() == Some(&yes);
        c.expect(if is_set { yes } else { no }, "permissions")
            .map(|()| is_set)
            .map_err(|_| error.clone())
    };
    Ok(Perms {
        read: flag(b'r', b'-')?,
        write: flag(b'w', b'-')?,
        exec: flag(b'x', b'-')?,
        shared: flag(b's', b'p')?,
    })
}

fn device(c: &mut Cursor<'_>) -> Result<Device, ParseError> {
    let error = c.error("a device such as fe:00");
    let major = c.hex("the device")?;
    c.expect(b':', "the device")?;
    let minor = c.hex("the device")?;
    match (u32::try_from(major), u32::try_from(minor)) {
        (Ok(major), Ok(minor)) => Ok(Device { major, minor }),
        _ => Err(error),
    }
}

/// All lines of a `maps` file.
///
/// # Errors
/// [`ParseError`] of the first bad line.
pub fn parse_maps(bytes: &[u8]) -> Result<Vec<MapsLine>, ParseError> {
    Vec::<MapsLine>::parse(bytes)
}

impl Text for Vec<MapsLine> {
    const FILE: &'static str = "maps";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if body.is_empty() {
            return Ok(Self::new());
        }
        let lines = body.split(|&b| b == b'\n').enumerate();
        lines
            .map(|(i, line)| MapsLine::parse_line(Self::FILE, i + 1, line))
            .collect()
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        for line in self {
            line.print_line(out);
        }
    }
}

/// A line from a stream, or what went wrong with stream or line.
type StreamResult<T> = Result<T, std::io::Error>;

/// Reads `maps` as a stream, a line at a time, so that a report of many mappings needs little memory.
pub struct MapsReader<R> {
    source: R,
    line: Vec<u8>,
    number: usize,
}

impl<R: BufRead> MapsReader<R> {
    /// From the start of a `maps` file.
    pub fn new(source: R) -> Self {
        Self {
            source,
            line: Vec::new(),
            number: 0,
        }
    }
}

impl<R: BufRead> Iterator for MapsReader<R> {
    type Item = StreamResult<MapsLine>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line.clear();
        match self.source.read_until(b'\n', &mut self.line) {
            Err(e) => return Some(Err(e)),
            Ok(0) => return None,
            Ok(_) => self.number += 1,
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Some(MapsLine::parse_line("maps", self.number, line).map_err(invalid_data))
    }
}

/// A parse error as an I/O error of kind `InvalidData`, for readers that stream.
pub(crate) fn invalid_data(error: ParseError) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    // From a live host (6.18): a library, anonymous memory, the vsyscall page (16 digits), a deleted memfd.
    const LINES: &str = "\
557c87d58000-557c87d5a000 r--p 00000000 fe:00 247030                     /usr/bin/cat
7fff4be71000-7fff4be92000 rw-p 00000000 00:00 0                          [stack]
7f10a0000000-7f10a0021000 rw-p 00000000 00:00 0 
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
7f10a0021000-7f10a4000000 rw-s 12345678000 00:01 18446744073709551615    /memfd:a b\\012c (deleted)
";

    #[test]
    fn lines_come_back_byte_for_byte() {
        let lines = parse_maps(LINES.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(lines.print()).unwrap(), LINES);
        assert_eq!(
            lines[0].device,
            Device {
                major: 0xfe,
                minor: 0
            }
        );
        assert_eq!(lines[4].path().unwrap(), b"/memfd:a b\nc (deleted)");
        assert_eq!(MapsLine::escape(b"/memfd:a b\nc (deleted)"), lines[4].name);
        assert!(lines[4].says_deleted() && lines[4].perms.shared && lines[4].has_file());
        assert_eq!(lines[1].path(), None);
        assert_eq!(lines[1].len(), 0x21000);
    }

    #[test]
    fn streaming_equals_parsing() {
        let streamed: Vec<_> = MapsReader::new(LINES.as_bytes()).map(Result::unwrap).collect();
        assert_eq!(streamed, parse_maps(LINES.as_bytes()).unwrap());
    }

    #[test]
    fn errors_name_line_and_field() {
        let bad = LINES.replace("rw-s", "rw-q");
        let error = parse_maps(bad.as_bytes()).unwrap_err();
        assert_eq!((error.line, error.field), (5, "permissions such as r-xp"));
        assert!(parse_maps(b"2000-1000 r--p 00000000 00:00 0 \n").is_err());
        assert!(parse_maps(b"1000-2000 r--p 00000000 00:00\n").is_err());
    }
}
