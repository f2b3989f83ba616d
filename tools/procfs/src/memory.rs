//! Files of a root that many small reads go to ([`HeldFile`]), and the memory of a process among them ([`MemoryReader`]).
//!
//! Whoever reads memory changes it: a page that was never touched is faulted in, a swapped one comes back. Ask for the
//! present pages first ([`crate::PageWanted`]) and read nothing else.

use crate::{Addr, Root, RootError};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Linux's EIO: what `PID/mem` says of an address where nothing is mapped.
const EIO: i32 = 5;

/// A file of a root, opened once where the root can hold files.
pub struct HeldFile<'a> {
    root: &'a (dyn Root + 'a),
    path: String,
    file: Option<File>,
}

impl dyn Root + '_ {
    /// Hold a file for many reads. Of a root that cannot, such as a machine's socket, each read names the path; a missing file is then an
    /// error of the first read.
    ///
    /// # Errors
    /// [`RootError`] if it cannot be opened.
    pub fn hold(&self, path: &str) -> Result<HeldFile<'_>, RootError> {
        Ok(HeldFile {
            root: self,
            path: path.into(),
            file: self.open_host_file(path)?,
        })
    }

    /// The memory of a process: `PID/mem`.
    ///
    /// # Errors
    /// [`RootError`] if it cannot be opened: it needs the right to attach with ptrace(2).
    pub fn memory(&self, pid: i32) -> Result<MemoryReader<'_>, RootError> {
        self.hold(&format!("{pid}/mem")).map(MemoryReader)
    }
}

impl HeldFile<'_> {
    /// Read at `offset` bytes; the count is less than `buf.len()` only where the file ends or, after the first byte, where it cannot be read.
    ///
    /// # Errors
    /// [`RootError`] if nothing can be read there.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, RootError> {
        let Some(file) = &self.file else {
            return self.root.read_at(&self.path, offset, buf);
        };
        let mut done = 0;
        while done < buf.len() {
            match file.read_at(&mut buf[done..], offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if done > 0 => break,
                Err(e) => return Err(RootError::new("read", &self.path, e)),
            }
        }
        Ok(done)
    }
}

/// Reads the memory of a process.
pub struct MemoryReader<'a>(HeldFile<'a>);

impl MemoryReader<'_> {
    /// Read from `start` on. The count is less than `buf.len()` where unreadable memory follows, and 0 if the process has ended.
    ///
    /// # Errors
    /// [`RootError`] if there is nothing to read at `start`: [`RootError::is_unmapped`].
    pub fn read(&self, start: Addr, buf: &mut [u8]) -> Result<usize, RootError> {
        // File offsets are signed. Linux has no memory of processes up there but the vsyscall page.
        if i64::try_from(start.0).is_err() {
            return Err(self.unmapped());
        }
        self.0.read_at(start.0, buf)
    }

    /// Fill `buf` from `start` on.
    ///
    /// # Errors
    /// [`RootError`] if any of it cannot be read: [`RootError::is_unmapped`]. What stands in `buf` then means nothing.
    pub fn read_exact(&self, start: Addr, buf: &mut [u8]) -> Result<(), RootError> {
        if self.read(start, buf)? == buf.len() {
            Ok(())
        } else {
            Err(self.unmapped())
        }
    }

    /// The eight bytes at `at` as a little-endian word.
    ///
    /// # Errors
    /// [`RootError`] as [`Self::read_exact`].
    pub fn read_word(&self, at: Addr) -> Result<u64, RootError> {
        let mut bytes = [0; 8];
        self.read_exact(at, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn unmapped(&self) -> RootError {
        RootError::new("read", &self.0.path, io::Error::from_raw_os_error(EIO))
    }
}

impl RootError {
    /// There is no readable memory at the address that was asked for.
    #[must_use]
    pub fn is_unmapped(&self) -> bool {
        self.source.raw_os_error() == Some(EIO)
    }

    /// The root or its kernel cannot answer such a question at all.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.source.kind() == io::ErrorKind::Unsupported
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DirRoot;

    #[test]
    fn own_memory_is_read_and_other_addresses_are_clean_errors() {
        let root: &dyn Root = &DirRoot::host();
        let memory = match root.memory(std::process::id().cast_signed()) {
            Ok(memory) => memory,
            Err(e) => return println!("not tested, /proc/self/mem: {e}"),
        };
        let secret = std::hint::black_box(vec![0x1122_3344_5566_7788_u64; 4]);
        let at = Addr(secret.as_ptr().addr() as u64);
        assert_eq!(memory.read_word(at).unwrap(), secret[0]);
        for bad in [0, 8, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX - 7, u64::MAX] {
            assert!(memory.read_word(Addr(bad)).unwrap_err().is_unmapped(), "{bad:#x}");
            let held = root.hold("self/mem").unwrap();
            assert!(held.read_at(bad, &mut [0; 16]).is_err(), "{bad:#x}");
            assert!(root.read_at("self/mem", bad, &mut [0; 16]).is_err(), "{bad:#x}");
        }
    }

    #[test]
    fn a_read_ends_where_memory_ends() {
        let root: &dyn Root = &DirRoot::host();
        let maps = root.parse::<Vec<crate::MapsLine>>("self/maps").unwrap();
        let stack = maps.iter().find(|map| map.name == b"[stack]").unwrap();
        let memory = root.memory(std::process::id().cast_signed()).unwrap();
        let mut buf = [0; 64];
        let end = Addr(stack.end.0 - 16);
        assert_eq!(memory.read(end, &mut buf).unwrap(), 16);
        assert!(memory.read_exact(end, &mut buf).unwrap_err().is_unmapped());
    }

    #[test]
    fn a_saved_folder_is_held_too() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("7")).unwrap();
        std::fs::write(dir.path().join("7/mem"), 5_u64.to_le_bytes()).unwrap();
        let root = DirRoot::new(dir.path());
        let root: &dyn Root = &root;
        assert_eq!(root.memory(7).unwrap().read_word(Addr(0)).unwrap(), 5);
        assert!(root.memory(8).err().unwrap().is_gone());
    }
}
