//! `PID/limits`: the resource limits as a table ([`Limits`]; getrlimit(2), `fs/proc/base.c` `proc_pid_limits`).

use crate::text::{Cursor, put_decimal};
use crate::{ParseError, Text};

const HEADER: &[u8] = b"Limit                     Soft Limit           Hard Limit           Units     \n";

/// One limit's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LimitValue {
    /// A number in the limit's unit.
    Value(u64),
    /// `RLIM_INFINITY`.
    Unlimited,
}

/// One line of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Linux's name, such as `Max stack size`.
    pub name: String,
    /// Soft limit.
    pub soft: LimitValue,
    /// Hard limit.
    pub hard: LimitValue,
    /// Unit; empty for the two priorities.
    pub unit: String,
}

/// `PID/limits`, in the kernel's order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Limits(pub Vec<Limit>);

impl Limits {
    /// Names and units in the order of `RLIMIT_*` 0..16, as Linux prints them.
    pub const KINDS: [(&str, &str); 16] = [
        ("Max cpu time", "seconds"),
        ("Max file size", "bytes"),
        ("Max data size", "bytes"),
        ("Max stack size", "bytes"),
        ("Max core file size", "bytes"),
        ("Max resident set", "bytes"),
        ("Max processes", "processes"),
        ("Max open files", "files"),
        ("Max locked memory", "bytes"),
        ("Max address space", "bytes"),
        ("Max file locks", "locks"),
        ("Max pending signals", "signals"),
        ("Max msgqueue size", "bytes"),
        ("Max nice priority", ""),
        ("Max realtime priority", ""),
        ("Max realtime timeout", "us"),
    ];

    /// The table of these (soft, hard) pairs, in the order of `RLIMIT_*`.
    #[must_use]
    pub fn from_pairs(pairs: &[(LimitValue, LimitValue); 16]) -> Self {
        let line = |(&(name, unit), &(soft, hard)): (&(&str, &str), &(LimitValue, LimitValue))| Limit {
            name: name.into(),
            soft,
            hard,
            unit: unit.into(),
        };
        Self(Self::KINDS.iter().zip(pairs).map(line).collect())
    }

    /// The limit of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Limit> {
        self.0.iter().find(|l| l.name == name)
    }
}

impl Text for Limits {
    const FILE: &'static str = "limits";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let body = bytes
            .strip_prefix(HEADER)
            .ok_or_else(|| ParseError::new(Self::FILE, 1, "the table's header", bytes))?;
        let mut c = Cursor::at_line(Self::FILE, body, 2);
        let mut limits = Vec::new();
        while !c.is_at_end() {
            let name = c.rest().get(..26).ok_or_else(|| c.error("a limit's name"))?;
            let name = str::from_utf8(name)
                .map_err(|_| c.error("a limit's name"))?
                .trim_end()
                .to_owned();
            if name.is_empty() || name.contains('\n') {
                return Err(c.error("a limit's name"));
            }
            let line = c.take_until(b'\n', "a limit")?;
            let mut words = line
                .get(26..)
                .unwrap_or_default()
                .split(|&b| b == b' ')
                .filter(|w| !w.is_empty());
            let soft = value(words.next()).ok_or_else(|| c.error("a soft limit on the line before"))?;
            let hard = value(words.next()).ok_or_else(|| c.error("a hard limit on the line before"))?;
            let unit = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
            limits.push(Limit {
                name,
                soft,
                hard,
                unit,
            });
        }
        Ok(Self(limits))
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(HEADER);
        for limit in &self.0 {
            pad(out, 25, |out| out.extend_from_slice(limit.name.as_bytes()));
            for value in [limit.soft, limit.hard] {
                pad(out, 20, |out| match value {
                    LimitValue::Value(v) => put_decimal(out, v, 0),
                    LimitValue::Unlimited => out.extend_from_slice(b"unlimited"),
                });
            }
            if !limit.unit.is_empty() {
                // `%-10s` without the blank that follows the other columns.
                pad(out, 10, |out| out.extend_from_slice(limit.unit.as_bytes()));
                out.pop();
            }
            out.push(b'\n');
        }
    }
}

/// What `put` prints, padded to `width`, and one blank.
fn pad(out: &mut Vec<u8>, width: usize, put: impl FnOnce(&mut Vec<u8>)) {
    let end = out.len() + width;
    put(out);
    out.resize(out.len().max(end), b' ');
    out.push(b' ');
}

fn value(word: Option<&[u8]>) -> Option<LimitValue> {
    let word = word?;
    if word == b"unlimited" {
        return Some(LimitValue::Unlimited);
    }
    str::from_utf8(word).ok()?.parse().ok().map(LimitValue::Value)
}
