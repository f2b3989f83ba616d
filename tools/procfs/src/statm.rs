//! `PID/statm`: seven page counts ([`Statm`]; proc_pid_statm(5)).

use crate::text::{Cursor, put_decimal};
use crate::{ParseError, Text};

/// `PID/statm`, in pages of the process's page size. All 0 for kernel threads and zombies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statm {
    /// Total size.
    pub size: u64,
    /// Resident pages (an approximation by per-CPU counters).
    pub resident: u64,
    /// Resident pages of files and shared memory.
    pub shared: u64,
    /// Pages of text.
    pub text: u64,
    /// Always 0 since 2.6.
    pub lib: u64,
    /// Data and stack.
    pub data: u64,
    /// Always 0 since 2.6.
    pub dirty: u64,
}

impl Text for Statm {
    const FILE: &'static str = "statm";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut c = Cursor::new(Self::FILE, bytes);
        let mut next = |name, end| {
            let value = c.decimal(name)?;
            c.expect(end, name)?;
            Ok(value)
        };
        let statm = Self {
            size: next("size", b' ')?,
            resident: next("resident", b' ')?,
            shared: next("shared", b' ')?,
            text: next("text", b' ')?,
            lib: next("lib", b' ')?,
            data: next("data", b' ')?,
            dirty: next("dirty", b'\n')?,
        };
        c.end()?;
        Ok(statm)
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        let Self {
            size,
            resident,
            shared,
            text,
            lib,
            data,
            dirty,
        } = *self;
        for (i, value) in [size, resident, shared, text, lib, data, dirty]
            .into_iter()
            .enumerate()
        {
            if i > 0 {
                out.push(b' ');
            }
            put_decimal(out, value, 0);
        }
        out.push(b'\n');
    }
}
