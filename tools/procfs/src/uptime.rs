//! `uptime`: seconds since boot and idle seconds ([`Uptime`]; proc_uptime(5)).

use crate::text::{Cursor, put_decimal};
use crate::{ParseError, Text};

/// `uptime`, in hundredths of a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Uptime {
    /// Since boot, in 1/100 s.
    pub up_centis: u64,
    /// Idle time summed over CPUs, in 1/100 s.
    pub idle_centis: u64,
}

impl Text for Uptime {
    const FILE: &'static str = "uptime";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut c = Cursor::new(Self::FILE, bytes);
        let up_centis = centis(&mut c, "uptime", b' ')?;
        let idle_centis = centis(&mut c, "idle time", b'\n')?;
        c.end()?;
        Ok(Self {
            up_centis,
            idle_centis,
        })
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        for (value, end) in [(self.up_centis, b' '), (self.idle_centis, b'\n')] {
            put_decimal(out, value / 100, 0);
            out.push(b'.');
            out.push(b'0' + (value / 10 % 10) as u8);
            out.push(b'0' + (value % 10) as u8);
            out.push(end);
        }
    }
}

fn centis(c: &mut Cursor<'_>, field: &'static str, end: u8) -> Result<u64, ParseError> {
    let seconds = c.decimal(field)?;
    c.expect(b'.', field)?;
    let &[tens, ones, ..] = c.rest() else {
        return Err(c.error(field));
    };
    let hundredths = c.decimal(field)?;
    let two_digits = tens.is_ascii_digit() && ones.is_ascii_digit() && hundredths < 100;
    let value = seconds
        .checked_mul(100)
        .and_then(|s| s.checked_add(hundredths))
        .filter(|_| two_digits);
    c.expect(end, field)?;
    value.ok_or_else(|| c.error(field))
}
