//! `mounts` and `mountinfo`: which file systems are where ([`Mount`], [`MountInfo`]; proc_pid_mountinfo(5), fstab(5),
//! `fs/proc_namespace.c`). Names are kept as they are printed: blanks, tabs, newlines and backslashes as `\040` and the like.

use crate::maps::Device;
use crate::text::{Cursor, put_decimal};
use crate::{ParseError, Text};

/// One line of `mounts`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mount {
    /// The device, or the file system's own word.
    pub source: Vec<u8>,
    /// Where.
    pub target: Vec<u8>,
    /// The file system's type.
    pub kind: Vec<u8>,
    /// Options, with commas between.
    pub options: Vec<u8>,
}

impl Text for Vec<Mount> {
    const FILE: &'static str = "mounts";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut c = Cursor::new(Self::FILE, bytes);
        let mut mounts = Self::new();
        while !c.is_at_end() {
            mounts.push(Mount {
                source: c.take_until(b' ', "a source")?.to_vec(),
                target: c.take_until(b' ', "a mount point")?.to_vec(),
                kind: c.take_until(b' ', "a file system")?.to_vec(),
                options: c.take_until(b' ', "options")?.to_vec(),
            });
            let error = c.error("0 0");
            if c.take_until(b'\n', "0 0")? != b"0 0" {
                return Err(error);
            }
        }
        Ok(mounts)
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        for mount in self {
            for word in [&mount.source, &mount.target, &mount.kind, &mount.options] {
                out.extend_from_slice(word);
                out.push(b' ');
            }
            out.extend_from_slice(b"0 0\n");
        }
    }
}

/// One line of `mountinfo`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MountInfo {
    /// Its number.
    pub id: u32,
    /// The number of the mount that it stands on.
    pub parent: u32,
    /// `st_dev` of its files.
    pub device: Device,
    /// Which folder of the file system is seen.
    pub root: Vec<u8>,
    /// Where.
    pub target: Vec<u8>,
    /// Options of the mount.
    pub options: Vec<u8>,
    /// Optional fields such as `shared:1`, each as it stands.
    pub fields: Vec<Vec<u8>>,
    /// The file system's type.
    pub kind: Vec<u8>,
    /// The device, or the file system's own word.
    pub source: Vec<u8>,
    /// Options of the file system.
    pub super_options: Vec<u8>,
}

impl Text for Vec<MountInfo> {
    const FILE: &'static str = "mountinfo";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut c = Cursor::new(Self::FILE, bytes);
        let mut mounts = Self::new();
        while !c.is_at_end() {
            let id = c.number("a mount's number")?;
            c.expect(b' ', "a blank")?;
            let parent = c.number("a parent's number")?;
            c.expect(b' ', "a blank")?;
            let major = c.number("a major number")?;
            c.expect(b':', "a colon")?;
            let minor = c.number("a minor number")?;
            c.expect(b' ', "a blank")?;
            let mut mount = MountInfo {
                id,
                parent,
                device: Device { major, minor },
                root: c.take_until(b' ', "a folder")?.to_vec(),
                target: c.take_until(b' ', "a mount point")?.to_vec(),
                options: c.take_until(b' ', "options")?.to_vec(),
                ..MountInfo::default()
            };
            loop {
                match c.take_until(b' ', "a field or -")? {
                    b"-" => break,
                    field => mount.fields.push(field.to_vec()),
                }
            }
            mount.kind = c.take_until(b' ', "a file system")?.to_vec();
            mount.source = c.take_until(b' ', "a source")?.to_vec();
            mount.super_options = c.take_until(b'\n', "options")?.to_vec();
            mounts.push(mount);
        }
        Ok(mounts)
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        for mount in self {
            let numbers = [
                (mount.id, b' '),
                (mount.parent, b' '),
                (mount.device.major, b':'),
                (mount.device.minor, b' '),
            ];
            for (number, end) in numbers {
                put_decimal(out, number.into(), 0);
                out.push(end);
            }
            let before = [&mount.root, &mount.target, &mount.options];
            let after = [&mount.kind, &mount.source];
            let dash = b"-".to_vec();
            let words = before
                .into_iter()
                .chain(&mount.fields)
                .chain([&dash])
                .chain(after);
            for word in words {
                out.extend_from_slice(word);
                out.push(b' ');
            }
            out.extend_from_slice(&mount.super_options);
            out.push(b'\n');
        }
    }
}
