//! Numbers in fixed columns: eight bytes, right-aligned, read as one word ([`ColumnReader`]).

use crate::Kib;

/// The width of a value in `smaps`, columns.
pub(super) const COLUMNS: usize = 8;

/// Where a value's eight columns begin in a record's body, bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Place(u16);

impl Place {
    /// The field is not printed. Offset 0 always belongs to a caption.
    pub(super) const ABSENT: Self = Self(0);

    /// At this offset; `None` if a record is not that long.
    pub(super) fn at(offset: usize) -> Option<Self> {
        u16::try_from(offset).ok().filter(|&at| at > 0).map(Self)
    }
}

/// Reads values from the body of one record. Values are checked all together in the end: [`Self::are_good`].
pub(super) struct ColumnReader<'a> {
    body: &'a [u8],
    /// Not 0 if some value was not a number.
    bad: u64,
}

impl<'a> ColumnReader<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, bad: 0 }
    }

    /// Whether everything read so far was blanks and then digits, as the line parser would have had it.
    pub(super) fn are_good(&self) -> bool {
        self.bad == 0
    }

    /// The value at `place`, or `None` if the field is not printed.
    #[inline]
    pub(super) fn kib(&mut self, place: Place) -> Option<Kib> {
        self.number(place).map(|value| Kib(value.into()))
    }

    /// As [`Self::kib`], of a field without a unit.
    #[inline]
    pub(super) fn number(&mut self, place: Place) -> Option<u32> {
        if place == Place::ABSENT {
            return None;
        }
        let at = usize::from(place.0);
        let Some(columns) = self.body.get(at..at + COLUMNS).and_then(|c| c.first_chunk()) else {
            self.bad = 1;
            return None;
        };
        let (value, bad) = decimal(*columns);
        self.bad |= bad;
        Some(value)
    }
}

/// A word of this byte eight times.
const fn eight(byte: u8) -> u64 {
    0x0101_0101_0101_0101 * byte as u64
}

/// The number in eight columns, and what is wrong with them: 0 if they are blanks, at least one digit, and nothing else.
#[inline]
fn decimal(columns: [u8; COLUMNS]) -> (u32, u64) {
    // The first column is the lowest byte.
    let word = u64::from_le_bytes(columns);
    // Most counters of most mappings are one digit.
    if word << 8 == eight(b' ') << 8 {
        let digit = columns[COLUMNS - 1].wrapping_sub(b'0');
        return (digit.into(), (digit > 9).into());
    }
    let leading_bits = (word ^ eight(b' ')).trailing_zeros() & 0x38;
    // Leading blanks become zeros. Eight blanks have no leading ones by this count, and stay, as any other blank does.
    let zeros = eight(b'0' - b' ') & !(u64::MAX << leading_bits);
    let digits = (word | zeros) ^ eight(b'0');
    // Bit 7 of a byte that is above 9. A carry into the next byte comes only from a byte that is marked itself.
    let bad = (digits | digits.wrapping_add(eight(0x80 - 10))) & eight(0x80);
    // Neighbours are joined: digits to pairs, pairs to fours, fours to the number.
    let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    ((fours.wrapping_mul(10_000 << 32 | 1) >> 32) as u32, bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the line parser says: blanks, digits, the end.
    fn by_bytes(columns: [u8; 8]) -> Option<u32> {
        let text = str::from_utf8(&columns).ok()?.trim_start_matches(' ');
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse().ok())?
    }

    fn same(columns: [u8; 8]) {
        let (value, bad) = decimal(columns);
        assert_eq!(
            (bad == 0).then_some(value),
            by_bytes(columns),
            "{}",
            columns.escape_ascii()
        );
    }

    #[test]
    fn each_byte_in_each_column_is_judged_as_by_the_line_parser() {
        for base in [
            *b"       0",
            *b"12345678",
            *b"    4321",
            *b"99999999",
            *b"        ",
        ] {
            for at in 0..8 {
                for byte in 0..=u8::MAX {
                    let mut columns = base;
                    columns[at] = byte;
                    same(columns);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn words_are_judged_as_by_the_line_parser(number in 0..100_000_000_u32, text in "[ 0-9]{8}", any: [u8; 8]) {
            same(format!("{number:8}").as_bytes().try_into().unwrap());
            same(text.as_bytes().try_into().unwrap());
            same(any);
        }
    }
}
