//! Values of JSON, written at the end of a buffer: what the 60,000 regions of a document are made of.
//!
//! A region has 40 fields; through serde's traits each of them was a call or two, and half of the time of a whole report. The text is
//! serde_json's, byte for byte.

use std::io::Write as _;

/// A comma, and `"key":`. The first key of an object has no comma: [`put_first_key`].
pub(super) fn put_key(out: &mut Vec<u8>, key: &'static str) {
    out.push(b',');
    put_first_key(out, key);
}

/// `"key":`; keys are ours, so nothing in them is escaped.
pub(super) fn put_first_key(out: &mut Vec<u8>, key: &'static str) {
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A number; `null` if it is not known.
pub(super) fn put_number(out: &mut Vec<u8>, value: Option<u64>) {
    match value {
        None => out.extend_from_slice(b"null"),
        // Most figures of most regions.
        Some(0) => out.push(b'0'),
        Some(value) => put_digits(out, value),
    }
}

fn put_digits(out: &mut Vec<u8>, mut value: u64) {
    // The largest has 20.
    let mut digits = [0; 20];
    let mut at = digits.len();
    while value > 0 && at > 0 {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[at..]);
}

/// `true` or `false`.
pub(super) fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// An address: `"0x7f..."`.
pub(super) fn put_address(out: &mut Vec<u8>, address: u64) {
    out.extend_from_slice(b"\"0x");
    let digits = (16 - address.leading_zeros() / 4).max(1);
    for place in (0..digits).rev() {
        let digit = (address >> (4 * place) & 0xf) as u8;
        out.push(if digit < 10 {
            b'0' + digit
        } else {
            b'a' - 10 + digit
        });
    }
    out.push(b'"');
}

/// A text, escaped where it must be.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(needs_escape) {
        let (plain, odd) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        // What must be escaped is one byte long.
        let (odd, after) = odd.split_at(1);
        put_escape(out, odd.as_bytes().first().copied().unwrap_or_default());
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

/// A text, or `null`.
pub(super) fn put_some_text(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => put_text(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// RFC 8259 section 7: quotes, backslashes and control characters.
fn needs_escape(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

fn put_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        8 => b'b',
        9 => b't',
        10 => b'n',
        12 => b'f',
        13 => b'r',
        _ => {
            // A Vec takes everything.
            let _ = write!(out, "\\u{byte:04x}");
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn put(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_control_character_is_escaped_as_by_serde_json() {
        let text: String = (0..=0x100_u32).filter_map(char::from_u32).collect();
        assert_eq!(
            put(|out| put_text(out, &text)),
            serde_json::to_string(&text).unwrap()
        );
        assert_eq!(put(|out| put_some_text(out, None)), "null");
        assert_eq!(put(|out| put_some_text(out, Some(""))), "\"\"");
    }

    #[test]
    fn the_ends_of_the_numbers() {
        for value in [0, 1, 9, 10, 99, 4096, u64::MAX - 1, u64::MAX] {
            assert_eq!(put(|out| put_number(out, Some(value))), value.to_string());
            assert_eq!(put(|out| put_address(out, value)), format!("\"{value:#x}\""));
        }
        assert_eq!(put(|out| put_number(out, None)), "null");
    }

    proptest! {
        #[test]
        fn texts_and_numbers_are_those_of_serde_json(text in any::<String>(), value in any::<u64>(), shift in 0..64_u32) {
            prop_assert_eq!(put(|out| put_text(out, &text)), serde_json::to_string(&text).unwrap());
            let value = value >> shift;
            prop_assert_eq!(put(|out| put_number(out, Some(value))), value.to_string());
            prop_assert_eq!(put(|out| put_address(out, value)), format!("\"{value:#x}\""));
        }
    }
}
