//! Programs that come with the machine, and the vDSO: files in memory, under `/pagewalk`.
//!
//! Key type: [`Bundle`].

use std::io;
use std::rc::Rc;

use abi::fs::makedev;
use mm::{Backing, FileId, FileKey, Memory};

use crate::exec::vdso;
use crate::kernel::Config;

/// The folder in which guests see the bundled programs.
pub(crate) const FOLDER: &[u8] = b"/pagewalk";
/// The device of bundled files: no device of the host is 0:1048575.
pub(crate) const DEVICE: u64 = makedev(0, 0xf_ffff);

/// One bundled file, open for as long as the machine runs.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) bytes: Rc<[u8]>,
    pub(crate) file: FileId,
    pub(crate) inode: u64,
}

/// All bundled files.
#[derive(Debug, Default)]
pub(crate) struct Bundle {
    programs: Vec<Entry>,
    vdso: Option<(FileId, u64)>,
    sigreturn: Option<u64>,
}

/// Bytes in memory behind a file.
pub(crate) struct BytesBacking(pub(crate) Rc<[u8]>);

impl Backing for BytesBacking {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).map_or(&[][..], |at| self.0.get(at..).unwrap_or(&[]));
        let count = from.len().min(to.len());
        to[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

impl Bundle {
    /// Opens every bundled file.
    pub(crate) fn open(memory: &mut Memory, config: &Config) -> Self {
        let mut inode = 1;
        let mut open = |path: &[u8], bytes: &Rc<[u8]>| {
            inode += 1;
            let key = FileKey {
                device: DEVICE,
                inode,
            };
            let file = memory.open_file(key, path, Rc::new(BytesBacking(Rc::clone(bytes))));
            (file, inode)
        };
        let mut bundle = Self::default();
        for program in &config.programs {
            let name = program.name.as_bytes().to_vec();
            let path = [FOLDER, b"/", &name].concat();
            let (file, inode) = open(&path, &program.bytes);
            bundle.programs.push(Entry {
                name,
                bytes: Rc::clone(&program.bytes),
                file,
                inode,
            });
        }
        if let Some(bytes) = &config.vdso {
            let (file, _) = open(b"[vdso]", bytes);
            bundle.vdso = Some((file, bytes.len() as u64));
            bundle.sigreturn = vdso::sigreturn(bytes);
        }
        bundle
    }

    /// The bundled program of this name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<&Entry> {
        self.programs.iter().find(|entry| entry.name == name)
    }

    /// All of them.
    pub(crate) fn programs(&self) -> &[Entry] {
        &self.programs
    }

    /// The vDSO's file and its length.
    pub(crate) fn vdso(&self) -> Option<(FileId, u64)> {
        self.vdso
    }

    /// Where in it signal handlers return to.
    pub(crate) fn sigreturn(&self) -> Option<u64> {
        self.sigreturn
    }
}
