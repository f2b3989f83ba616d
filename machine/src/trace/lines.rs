//! JSON lines, `pagewalk.trace/1`: the first line is about the run, each further one is an event. `docs/trace.md` is the schema.
//! Written by hand into one buffer, because it is on the way of every fault.

use arch::Granule;

use super::record::{Key, Record, Value};

pub(super) fn header(
    out: &mut Vec<u8>,
    granule: Granule,
    frames: u32,
    seed: Option<u64>,
    window: Option<u64>,
) {
    let number = |value: Option<u64>| value.map_or("null".to_owned(), |value| value.to_string());
    out.extend_from_slice(
        format!(
            "{{\"schema\":\"pagewalk.trace/1\",\"written_by\":\"pagewalk {}\",\"page_size\":{},\"frames\":{frames},\
             \"seed\":{},\"reference_window\":{}}}\n",
            env!("CARGO_PKG_VERSION"),
            granule.bytes(),
            number(seed),
            number(window),
        )
        .as_bytes(),
    );
}

pub(super) fn line(out: &mut Vec<u8>, record: &Record) {
    let stamp = record.stamp;
    out.extend_from_slice(b"{\"n\":");
    decimal(out, stamp.retired);
    key(out, Key::Pid);
    decimal(out, stamp.pid.get().into());
    if stamp.pc != 0 {
        key(out, Key::Pc);
        address(out, stamp.pc);
    }
    out.extend_from_slice(b",\"event\":\"");
    out.extend_from_slice(record.name.as_str().as_bytes());
    out.push(b'"');
    for (name, value) in &record.fields {
        key(out, *name);
        match value {
            Value::Number(number) => decimal(out, *number),
            Value::Address(at) => address(out, *at),
            Value::Truth(true) => out.extend_from_slice(b"true"),
            Value::Truth(false) => out.extend_from_slice(b"false"),
            // Our own words need no escape.
            Value::Word(word) => {
                out.push(b'"');
                out.extend_from_slice(word.as_bytes());
                out.push(b'"');
            }
            Value::Text(text) => quoted(out, text),
        }
    }
    out.extend_from_slice(b"}\n");
}

fn key(out: &mut Vec<u8>, key: Key) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_str().as_bytes());
    out.extend_from_slice(b"\":");
}

fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// In quotes, in hexadecimal: JSON's numbers are not exact so far up.
fn address(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(b"\"0x");
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(number >> (4 * digit) & 15) as usize]);
    }
    out.push(b'"');
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push(b'\\');
                out.push(character as u8);
            }
            control if control < ' ' => {
                out.extend_from_slice(format!("\\u{:04x}", control as u32).as_bytes())
            }
            plain => {
                let mut bytes = [0; 4];
                out.extend_from_slice(plain.encode_utf8(&mut bytes).as_bytes());
            }
        }
    }
    out.push(b'"');
}
