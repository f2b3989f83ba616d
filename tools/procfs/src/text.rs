//! What all texts share: the [`Text`] trait, the [`Cursor`] that parses, and the printers of numbers.
//!
//! The printers are named after the kernel functions whose output they repeat
//! (`fs/seq_file.c`: `seq_put_decimal_ull_width`, `seq_put_hex_ll`, `seq_pad`).

use crate::ParseError;

/// A file of `/proc` as a type. `print(parse(x)) == x` for whatever a Linux kernel prints.
pub trait Text: Sized {
    /// The file's name, as errors give it.
    const FILE: &'static str;

    /// Read the whole file's bytes.
    ///
    /// # Errors
    /// [`ParseError`] names the line and field that are not as Linux prints them.
    fn parse(bytes: &[u8]) -> Result<Self, ParseError>;

    /// Append the file's bytes to `out`.
    fn print_to(&self, out: &mut Vec<u8>);

    /// The file's bytes.
    fn print(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.print_to(&mut out);
        out
    }
}

/// A line that this version does not know. It is kept, with its place, so that printing gives it back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownLine {
    /// Its place: how many lines of the same text (or entry) stand before it.
    pub index: usize,
    /// The line without its newline.
    pub line: Vec<u8>,
}

/// Print lines of `known` in order, with each unknown line put back at its place.
///
/// `known` holds the text of the known lines, each with its newline.
pub(crate) fn interleave(known: &[u8], unknown: &[UnknownLine], out: &mut Vec<u8>) {
    if unknown.is_empty() {
        return out.extend_from_slice(known);
    }
    let mut kept = unknown.iter().peekable();
    let mut lines = known.split_inclusive(|&b| b == b'\n');
    for index in 0_usize.. {
        if let Some(line) = kept.next_if(|l| l.index <= index) {
            out.extend_from_slice(&line.line);
            out.push(b'\n');
        } else if let Some(line) = lines.next() {
            out.extend_from_slice(line);
        } else {
            break;
        }
    }
    for line in kept {
        out.extend_from_slice(&line.line);
        out.push(b'\n');
    }
}

/// Decimal, right-aligned in `width` columns (`seq_put_decimal_ull_width` without its delimiter).
pub(crate) fn put_decimal(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let digits = &digits[at..];
    out.resize(out.len() + width.saturating_sub(digits.len()), b' ');
    out.extend_from_slice(digits);
}

/// Signed decimal, as wide as it needs.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    put_decimal(out, value.unsigned_abs(), 0);
}

/// Lower-case hexadecimal with at least `width` digits (`seq_put_hex_ll` without its delimiter).
pub(crate) fn put_hex(out: &mut Vec<u8>, value: u64, width: usize) {
    let needed = (64 - value.leading_zeros() as usize).div_ceil(4).max(1);
    for digit in (0..needed.max(width)).rev() {
        let nibble = value.checked_shr(4 * digit as u32).unwrap_or(0) & 0xf;
        out.push(b"0123456789abcdef"[nibble as usize]);
    }
}

/// `Name:` padded, then the value right-aligned to end in column 24: the layout of `smaps` and `meminfo`.
pub(crate) fn put_column24(out: &mut Vec<u8>, name: &str, value: u64) {
    let start = out.len();
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    // The kernel's captions are 16 wide, longer names carry one blank; the value's width makes up the rest.
    let caption = (name.len() + 2).max(16);
    out.resize(start + caption, b' ');
    put_decimal(out, value, 24_usize.saturating_sub(caption));
}

/// Reads a text from front to back; every failure knows its line.
pub(crate) struct Cursor<'a> {
    file: &'static str,
    line: usize,
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(file: &'static str, bytes: &'a [u8]) -> Self {
        Self::at_line(file, bytes, 1)
    }

    pub(crate) fn at_line(file: &'static str, bytes: &'a [u8], line: usize) -> Self {
        Self {
            file,
            line,
            rest: bytes,
        }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn error(&self, field: &'static str) -> ParseError {
        ParseError::new(self.file, self.line, field, self.rest)
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Skip `byte` or fail.
    pub(crate) fn expect(&mut self, byte: u8, field: &'static str) -> Result<(), ParseError> {
        match self.rest.split_first() {
            Some((&b, rest)) if b == byte => {
                self.rest = rest;
                if byte == b'\n' {
                    self.line += 1;
                }
                Ok(())
            }
            _ => Err(self.error(field)),
        }
    }

    /// Skip blanks and tabs.
    pub(crate) fn skip_blanks(&mut self) {
        let n = self.rest.iter().take_while(|&&b| b == b' ' || b == b'\t').count();
        self.rest = &self.rest[n..];
    }

    /// Everything up to `end`, which is skipped.
    pub(crate) fn take_until(&mut self, end: u8, field: &'static str) -> Result<&'a [u8], ParseError> {
        let at = self
            .rest
            .iter()
            .position(|&b| b == end)
            .ok_or_else(|| self.error(field))?;
        let (taken, rest) = self.rest.split_at(at);
        self.rest = rest;
        self.expect(end, field)?;
        Ok(taken)
    }

    /// An unsigned decimal number.
    pub(crate) fn decimal(&mut self, field: &'static str) -> Result<u64, ParseError> {
        let n = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let value = self.rest[..n]
            .iter()
            .try_fold(0_u64, |v, &b| v.checked_mul(10)?.checked_add(u64::from(b - b'0')))
            .filter(|_| n > 0)
            .ok_or_else(|| self.error(field))?;
        self.rest = &self.rest[n..];
        Ok(value)
    }

    /// A decimal number that may be negative.
    pub(crate) fn signed(&mut self, field: &'static str) -> Result<i64, ParseError> {
        let here = Self {
            file: self.file,
            line: self.line,
            rest: self.rest,
        };
        let negative = self.rest.first() == Some(&b'-');
        if negative {
            self.rest = &self.rest[1..];
        }
        let magnitude = self.decimal(field).map_err(|_| here.error(field))?;
        let value = if negative {
            0_i64.checked_sub_unsigned(magnitude)
        } else {
            magnitude.try_into().ok()
        };
        value.ok_or_else(|| here.error(field))
    }

    /// A hexadecimal number without a prefix.
    pub(crate) fn hex(&mut self, field: &'static str) -> Result<u64, ParseError> {
        let n = self.rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let digit = |b: u8| u64::from((b as char).to_digit(16).unwrap_or(0));
        let value = self.rest[..n]
            .iter()
            .try_fold(0_u64, |v, &b| {
                if v >> 60 == 0 {
                    Some(v << 4 | digit(b))
                } else {
                    None
                }
            })
            .filter(|_| n > 0)
            .ok_or_else(|| self.error(field))?;
        self.rest = &self.rest[n..];
        Ok(value)
    }

    /// A decimal number narrowed to `T`.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, ParseError> {
        let before = self.rest;
        let value = self.decimal(field)?;
        T::try_from(value).map_err(|_| ParseError::new(self.file, self.line, field, before))
    }

    /// A signed decimal number narrowed to `T`.
    pub(crate) fn narrow<T: TryFrom<i64>>(&mut self, field: &'static str) -> Result<T, ParseError> {
        let before = self.rest;
        let value = self.signed(field)?;
        T::try_from(value).map_err(|_| ParseError::new(self.file, self.line, field, before))
    }

    /// The end of the text.
    pub(crate) fn end(&self) -> Result<(), ParseError> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(self.error("the end of the file"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_print_as_seq_file_prints_them() {
        assert_eq!(printed(|o| put_decimal(o, 0, 3)), "  0");
        assert_eq!(printed(|o| put_decimal(o, u64::MAX, 0)), "18446744073709551615");
        assert_eq!(printed(|o| put_signed(o, i64::MIN)), "-9223372036854775808");
        assert_eq!(printed(|o| put_hex(o, 0, 1)), "0");
        assert_eq!(printed(|o| put_hex(o, 0xfe, 8)), "000000fe");
        assert_eq!(
            printed(|o| put_hex(o, 0xffff_ffff_ff60_0000, 8)),
            "ffffffffff600000"
        );
        assert_eq!(printed(|o| put_hex(o, 1, 16)), "0000000000000001");
    }

    #[test]
    fn captions_end_in_column_24() {
        assert_eq!(
            printed(|o| put_column24(o, "Size", 8)),
            "Size:                  8"
        );
        assert_eq!(
            printed(|o| put_column24(o, "Private_Hugetlb", 0)),
            "Private_Hugetlb:       0"
        );
        assert_eq!(
            printed(|o| put_column24(o, "VmallocTotal", 34359738367)),
            "VmallocTotal:   34359738367"
        );
    }

    #[test]
    fn numbers_that_do_not_fit_are_errors() {
        assert!(Cursor::new("x", b"18446744073709551616").decimal("n").is_err());
        assert_eq!(
            Cursor::new("x", b"-9223372036854775808").signed("n"),
            Ok(i64::MIN)
        );
        assert!(Cursor::new("x", b"-9223372036854775809").signed("n").is_err());
        assert!(Cursor::new("x", b"10000000000000000").hex("n").is_err());
        assert!(Cursor::new("x", b"256").number::<u8>("n").is_err());
        let error = Cursor::at_line("smaps", b"abc\ndef", 7)
            .decimal("Rss")
            .unwrap_err();
        assert_eq!(error.to_string(), "smaps, line 7: expected Rss, found \"abc\"");
    }

    #[test]
    fn unknown_lines_return_to_their_place() {
        let unknown = |index, line: &[u8]| UnknownLine {
            index,
            line: line.to_vec(),
        };
        let mut out = Vec::new();
        interleave(
            b"a\nb\n",
            &[unknown(0, b"x"), unknown(2, b"y"), unknown(4, b"z")],
            &mut out,
        );
        assert_eq!(out, b"x\na\ny\nb\nz\n");
    }
}
