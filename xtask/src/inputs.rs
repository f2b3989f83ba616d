//! Files for the end-to-end checks, made the same everywhere: large data for the real programs, and programs that the
//! machine must refuse. Neighbour: [`crate::end_to_end`].

use std::fs;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::command::target;
use crate::trouble::Trouble;

/// xorshift64* (Vigna 2016): the same bytes on every host.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.max(1))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn folder() -> Result<PathBuf, Trouble> {
    let folder = target().join("end-to-end");
    fs::create_dir_all(&folder).map_err(Trouble::file(&folder))?;
    Ok(folder)
}

/// A file that is written once and then kept; its size tells whether it is whole.
fn kept(
    name: &str,
    bytes: u64,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<PathBuf, Trouble> {
    let path = folder()?.join(name);
    if fs::metadata(&path).is_ok_and(|data| data.len() == bytes) {
        return Ok(path);
    }
    let file = fs::File::create(&path).map_err(Trouble::file(&path))?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    write(&mut file)
        .and_then(|()| file.flush())
        .map_err(Trouble::file(&path))?;
    Ok(path)
}

/// This many megabytes of random bytes.
pub(crate) fn data_file(megabytes: u64) -> Result<PathBuf, Trouble> {
    let bytes = megabytes * 1_000_000;
    kept(&format!("data-{megabytes}mb"), bytes, |file| {
        let mut random = Random::new(1);
        for _ in 0..bytes / 8 {
            file.write_all(&random.next().to_le_bytes())?;
        }
        Ok(())
    })
}

/// This many lines of 24 characters, in no order.
pub(crate) fn lines_file(lines: u64) -> Result<PathBuf, Trouble> {
    kept(&format!("lines-{lines}"), lines * 25, |file| {
        let mut random = Random::new(2);
        for _ in 0..lines {
            writeln!(file, "{:016x} {:07}", random.next(), random.next() % 10_000_000)?;
        }
        Ok(())
    })
}

/// A program that is none, and what must come of it.
pub(crate) struct Refused {
    pub(crate) what: &'static str,
    pub(crate) path: PathBuf,
    /// The status: 127 for what is not there, 126 for what cannot be run.
    pub(crate) status: u8,
}

fn refused_file(what: &'static str, name: &str, bytes: &[u8], mode: u32) -> Result<Refused, Trouble> {
    let path = folder()?.join(name);
    fs::write(&path, bytes).map_err(Trouble::file(&path))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(Trouble::file(&path))?;
    Ok(Refused {
        what,
        path,
        status: 126,
    })
}

/// Overwrites a little-endian field.
fn patch(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// Everything that is no arm64 program, by the offsets of the ELF-64 header (elf(5)).
pub(crate) fn refused() -> Result<Vec<Refused>, Trouble> {
    let good = guests::find("adder")
        .map(|guest| guest.elf.to_vec())
        .unwrap_or_default();
    let mut x86 = good.clone();
    patch(&mut x86, 18, &62_u16.to_le_bytes());
    let mut narrow = good.clone();
    patch(&mut narrow, 4, &[1]);
    let mut big_endian = good.clone();
    patch(&mut big_endian, 5, &[2]);
    let mut far_table = good.clone();
    patch(&mut far_table, 32, &0x7fff_ffff_ffff_0000_u64.to_le_bytes());
    let mut interpreter = good.clone();
    // The last program header (PT_GNU_STACK) becomes a PT_INTERP that lies past the end of the file.
    patch(&mut interpreter, 64 + 2 * 56, &3_u32.to_le_bytes());
    patch(&mut interpreter, 64 + 2 * 56 + 8, &0x0fff_ffff_u64.to_le_bytes());
    Ok(vec![
        Refused {
            what: "a missing file",
            path: folder()?.join("no-such-file"),
            status: 127,
        },
        Refused {
            what: "a missing guest",
            path: "no-such-guest".into(),
            status: 127,
        },
        Refused {
            what: "a directory",
            path: folder()?,
            status: 126,
        },
        refused_file("a file without permission to execute", "no-x", &good, 0o644)?,
        refused_file("an empty file", "empty", b"", 0o755)?,
        refused_file("a script", "script", b"#!/bin/sh\necho hello\n", 0o755)?,
        refused_file("a text", "text", b"hello\n", 0o755)?,
        refused_file("an x86-64 ELF", "x86", &x86, 0o755)?,
        refused_file("a 32-bit ELF", "narrow", &narrow, 0o755)?,
        refused_file("a big-endian ELF", "big-endian", &big_endian, 0o755)?,
        refused_file("an ELF cut in its header", "cut-header", &good[..40], 0o755)?,
        refused_file(
            "an ELF cut in its program headers",
            "cut-table",
            &good[..100],
            0o755,
        )?,
        refused_file("an ELF cut in its code", "cut-code", &good[..400], 0o755)?,
        refused_file("an ELF whose table is far away", "far-table", &far_table, 0o755)?,
        refused_file(
            "an ELF with a broken interpreter",
            "interpreter",
            &interpreter,
            0o755,
        )?,
    ])
}

/// A program whose second segment is aligned for 4 KiB pages and no larger ones.
pub(crate) fn aligned_4k() -> Result<Refused, Trouble> {
    let mut elf = guests::find("adder")
        .map(|guest| guest.elf.to_vec())
        .unwrap_or_default();
    for header in [64, 64 + 56] {
        patch(&mut elf, header + 48, &0x1000_u64.to_le_bytes());
    }
    let vaddr_at = 64 + 56 + 16;
    let vaddr = elf[vaddr_at..vaddr_at + 8]
        .iter()
        .rev()
        .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    patch(&mut elf, vaddr_at, &(vaddr + 0x1000).to_le_bytes());
    refused_file(
        "a segment aligned for 4 KiB pages only",
        "aligned-4k",
        &elf,
        0o755,
    )
}

/// Whether a file is there and whole enough to be used.
pub(crate) fn exists(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_are_the_same_everywhere() {
        let mut random = Random::new(1);
        assert_eq!(random.next(), 0x47e4_ce4b_896c_dd1d);
        assert_ne!(random.next(), random.next());
    }
}
