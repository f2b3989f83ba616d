//! Sizes Apple's way: K up to 9999K, then M, G and T with one decimal ([`size`]).

use procfs::Kib;

/// What sizes are counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// K, M, G, T.
    Bytes,
    /// Pages of so many bytes.
    Pages {
        /// Bytes of a page, not 0.
        bytes: u64,
    },
}

/// A size in at most six columns (until 10000T); `?` if it is not known.
#[must_use]
pub fn size(value: Option<Kib>, unit: Unit) -> String {
    let mut text = String::new();
    put_size(&mut text, value, unit, 0);
    text
}

/// [`size`], right-aligned in `width` columns. A report of 60,000 regions has 240,000 of them: small ones are written by hand.
pub(crate) fn put_size(out: &mut String, value: Option<Kib>, unit: Unit, width: usize) {
    match (value, unit) {
        (None, _) => put_right(out, "?", width),
        (Some(Kib(kib)), Unit::Bytes) if kib < 10_000 => {
            let mut digits = [0; 5];
            digits[4] = b'K';
            let (mut at, mut rest) = (4, kib);
            while rest > 0 || at == 4 {
                at -= 1;
                digits[at] = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            put_right(out, str::from_utf8(&digits[at..]).unwrap_or_default(), width);
        }
        (Some(Kib(kib)), Unit::Bytes) => put_right(out, &in_bytes(kib), width),
        (Some(kib), Unit::Pages { bytes }) => {
            put_right(out, &kib.bytes().div_ceil(bytes.max(1)).to_string(), width);
        }
    }
}

/// ASCII text, right-aligned.
pub(crate) fn put_right(out: &mut String, text: &str, width: usize) {
    put_blanks(out, width.saturating_sub(text.len()));
    out.push_str(text);
}

/// ASCII text, left-aligned.
pub(crate) fn put_left(out: &mut String, text: &str, width: usize) {
    out.push_str(text);
    put_blanks(out, width.saturating_sub(text.len()));
}

fn put_blanks(out: &mut String, count: usize) {
    const BLANKS: &str = "                                ";
    match BLANKS.get(..count) {
        Some(blanks) => out.push_str(blanks),
        None => out.extend(std::iter::repeat_n(' ', count)),
    }
}

fn in_bytes(kib: u64) -> String {
    // To the nearest tenth.
    let mut tenths = (u128::from(kib) * 10 + 512) / 1024;
    for letter in ["M", "G"] {
        // 999.9 is the most that leaves the column six wide.
        if tenths < 10_000 {
            return format!("{}.{}{letter}", tenths / 10, tenths % 10);
        }
        tenths = (tenths + 512) / 1024;
    }
    format!("{}.{}T", tenths / 10, tenths % 10)
}

/// `part` of `whole` in whole percent, to the nearest; `?` if either is not known.
pub(crate) fn percent(part: Option<Kib>, whole: Kib) -> String {
    match part {
        None => "?".into(),
        Some(_) if whole == Kib::ZERO => "0%".into(),
        Some(Kib(part)) => format!(
            "{}%",
            (u128::from(part) * 100 + u128::from(whole.0 / 2)) / u128::from(whole.0)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_apples() {
        let show = |kib| size(Some(Kib(kib)), Unit::Bytes);
        assert_eq!(show(0), "0K");
        assert_eq!(show(9999), "9999K");
        assert_eq!(show(10_000), "9.8M");
        assert_eq!(show(128 << 10), "128.0M");
        assert_eq!(show(1000 << 10), "1.0G");
        assert_eq!(show(64 << 20), "64.0G");
        assert_eq!(show(16 << 30), "16.0T");
        assert_eq!(size(None, Unit::Bytes), "?");
        assert_eq!(size(Some(Kib(64)), Unit::Pages { bytes: 16384 }), "4");
    }

    #[test]
    fn parts_are_whole_percents() {
        assert_eq!(percent(Some(Kib(1)), Kib(3)), "33%");
        assert_eq!(percent(Some(Kib(2)), Kib(3)), "67%");
        assert_eq!(percent(Some(Kib(0)), Kib(0)), "0%");
        assert_eq!(percent(None, Kib(3)), "?");
    }
}
