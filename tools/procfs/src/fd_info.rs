//! `fdinfo/FD`: an open file's position and flags ([`FdInfo`]; proc_pid_fdinfo(5), `fs/proc/fd.c`).

use crate::text::{Cursor, put_decimal, put_signed};
use crate::{ParseError, Text};

/// `fdinfo/FD`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FdInfo {
    /// Where the next read or write begins.
    pub position: i64,
    /// `F_GETFL`'s bits, with `O_CLOEXEC` of the descriptor.
    pub flags: u32,
    /// The number of its mount in `mountinfo`.
    pub mount: u32,
    /// Its inode; kernels before 5.14 say nothing.
    pub inode: Option<u64>,
    /// What the kind of file adds, such as `eventfd-count:`: whole lines.
    pub more: Vec<u8>,
}

impl Text for FdInfo {
    const FILE: &'static str = "fdinfo";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut c = Cursor::new(Self::FILE, bytes);
        caption(&mut c, "pos")?;
        let position = c.signed("a position")?;
        c.expect(b'\n', "a newline")?;
        caption(&mut c, "flags")?;
        let error = c.error("flags");
        let octal = c.take_until(b'\n', "flags")?;
        // `0%o`: a zero stands before the digits.
        let digits = octal
            .strip_prefix(b"0")
            .filter(|digits| digits.first() != Some(&b'0') || *digits == b"0");
        let digits = digits.and_then(|digits| str::from_utf8(digits).ok());
        let flags = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let flags = flags
            .and_then(|digits| u32::from_str_radix(digits, 8).ok())
            .ok_or(error)?;
        caption(&mut c, "mnt_id")?;
        let mount = c.number("a mount's number")?;
        c.expect(b'\n', "a newline")?;
        let inode = match c.rest().starts_with(b"ino:\t") {
            true => {
                caption(&mut c, "ino")?;
                let inode = c.decimal("an inode")?;
                c.expect(b'\n', "a newline")?;
                Some(inode)
            }
            false => None,
        };
        let more = c.rest().to_vec();
        if !more.is_empty() && !more.ends_with(b"\n") {
            return Err(c.error("a final newline"));
        }
        Ok(Self {
            position,
            flags,
            mount,
            inode,
            more,
        })
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"pos:\t");
        put_signed(out, self.position);
        out.extend_from_slice(format!("\nflags:\t0{:o}\nmnt_id:\t", self.flags).as_bytes());
        put_decimal(out, self.mount.into(), 0);
        out.push(b'\n');
        if let Some(inode) = self.inode {
            out.extend_from_slice(b"ino:\t");
            put_decimal(out, inode, 0);
            out.push(b'\n');
        }
        out.extend_from_slice(&self.more);
    }
}

fn caption(c: &mut Cursor<'_>, name: &'static str) -> Result<(), ParseError> {
    let error = c.error(name);
    match c.take_until(b'\t', name)?.strip_suffix(b":") {
        Some(found) if found == name.as_bytes() => Ok(()),
        _ => Err(error),
    }
}
