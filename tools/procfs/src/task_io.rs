//! `io` and `schedstat` of a task: what it read and wrote, and how long it ran ([`TaskIo`], [`SchedStat`]; proc_pid_io(5),
//! `fs/proc/base.c`).

use crate::text::{Cursor, put_decimal};
use crate::{ParseError, Text};

/// `PID/io`, in bytes and calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TaskIo {
    /// Bytes that reading calls gave, from anywhere.
    pub rchar: u64,
    /// Bytes that writing calls took.
    pub wchar: u64,
    /// Reading calls.
    pub syscr: u64,
    /// Writing calls.
    pub syscw: u64,
    /// Bytes that had to be fetched from storage.
    pub read_bytes: u64,
    /// Bytes that were sent to storage.
    pub write_bytes: u64,
    /// Of those, the ones that never arrived because the pages were dropped.
    pub cancelled_write_bytes: u64,
}

impl TaskIo {
    const NAMES: [&'static str; 7] = [
        "rchar",
        "wchar",
        "syscr",
        "syscw",
        "read_bytes",
        "write_bytes",
        "cancelled_write_bytes",
    ];
}

impl Text for TaskIo {
    const FILE: &'static str = "io";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut c = Cursor::new(Self::FILE, bytes);
        let mut values = [0; 7];
        for (name, value) in Self::NAMES.into_iter().zip(&mut values) {
            let error = c.error(name);
            if c.take_until(b':', name)? != name.as_bytes() {
                return Err(error);
            }
            c.expect(b' ', name)?;
            *value = c.decimal(name)?;
            c.expect(b'\n', name)?;
        }
        c.end()?;
        let [
            rchar,
            wchar,
            syscr,
            syscw,
            read_bytes,
            write_bytes,
            cancelled_write_bytes,
        ] = values;
        Ok(Self {
            rchar,
            wchar,
            syscr,
            syscw,
            read_bytes,
            write_bytes,
            cancelled_write_bytes,
        })
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        let values = [
            self.rchar,
            self.wchar,
            self.syscr,
            self.syscw,
            self.read_bytes,
            self.write_bytes,
            self.cancelled_write_bytes,
        ];
        for (name, value) in Self::NAMES.into_iter().zip(values) {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            put_decimal(out, value, 0);
            out.push(b'\n');
        }
    }
}

/// `PID/schedstat`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SchedStat {
    /// Nanoseconds on a CPU.
    pub run_ns: u64,
    /// Nanoseconds of waiting for a CPU.
    pub delay_ns: u64,
    /// Turns on a CPU.
    pub turns: u64,
}

impl Text for SchedStat {
    const FILE: &'static str = "schedstat";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut c = Cursor::new(Self::FILE, bytes);
        let run_ns = c.decimal("time on a CPU")?;
        c.expect(b' ', "a blank")?;
        let delay_ns = c.decimal("time of waiting")?;
        c.expect(b' ', "a blank")?;
        let turns = c.decimal("turns")?;
        c.expect(b'\n', "a newline")?;
        c.end()?;
        Ok(Self {
            run_ns,
            delay_ns,
            turns,
        })
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        for (value, end) in [(self.run_ns, b' '), (self.delay_ns, b' '), (self.turns, b'\n')] {
            put_decimal(out, value, 0);
            out.push(end);
        }
    }
}
