//! Sizes as people write them: `64m`, `1g`, `65536`.

use arch::Bytes;

/// Reads a size: digits, then nothing or one of `k`, `m`, `g` (powers of 1024), with an optional `b` or `ib`.
pub fn parse(text: &str) -> Result<Bytes, String> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match &lower[digits.len()..] {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => {
            return Err(format!(
                "'{text}' is no size: write a number and k, m or g, such as 512m"
            ));
        }
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("'{text}' is no size: it must begin with a whole number"))?;
    let bytes = number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("'{text}' is more than 64 bits can say"))?;
    Ok(Bytes::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        let read = |text| parse(text).map(Bytes::get);
        assert_eq!(read("65536"), Ok(65_536));
        assert_eq!(read("64K"), Ok(65_536));
        assert_eq!(read("16mib"), Ok(16 << 20));
        assert_eq!(read("1g"), Ok(1 << 30));
        for wrong in ["", "g", "1x", "-1", "1.5g", "99999999999g", "1k2"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
