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
    let Some(Kib(kib)) = value else { return "?".into() };
    match unit {
        Unit::Bytes => in_bytes(kib),
        Unit::Pages { bytes } => Kib(kib).bytes().div_ceil(bytes.max(1)).to_string(),
    }
}

fn in_bytes(kib: u64) -> String {
    if kib < 10_000 {
        return format!("{kib}K");
    }
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
