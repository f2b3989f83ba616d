//! The swap file on the host: a temporary one without a name, or one that the user names.
//!
//! What is in it is encrypted under a key that lives in this process alone. A named file is made anew, is only its user's
//! to read, and is removed when the machine ends; if the machine is killed it stays and is noise.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use arch::Bytes;
use mm::{SwapConfig, SwapDevice};

/// Where swapped pages go.
#[derive(Debug, Clone, Default)]
pub struct Swap {
    /// How much; 0 is none.
    pub size: Bytes,
    /// A file to be made; without one a temporary file without a name.
    pub file: Option<PathBuf>,
    /// How many bytes of compressed pages the host's memory may hold before the file is used; 0 is none.
    pub compressed: Bytes,
}

#[derive(Debug)]
struct HostSwap {
    file: File,
    remove: Option<PathBuf>,
}

impl SwapDevice for HostSwap {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(to, offset)
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> io::Result<usize> {
        self.file.write_at(from, offset)
    }
}

impl Drop for HostSwap {
    fn drop(&mut self) {
        if let Some(path) = &self.remove {
            // Nobody can be told, and what is left is noise.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Swap {
    /// Makes the file and the key.
    pub(crate) fn open(&self) -> io::Result<Option<SwapConfig>> {
        if self.size.get() == 0 {
            return Ok(None);
        }
        let (file, name) = match &self.file {
            Some(path) => (create(path)?, path.to_string_lossy().into_owned()),
            None => (temporary()?, "/pagewalk-swap".to_owned()),
        };
        let mut key = [0; 32];
        let got = rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty())?;
        if got < key.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(SwapConfig {
            device: Box::new(HostSwap {
                file,
                remove: self.file.clone(),
            }),
            name,
            size: self.size,
            key,
            compressed: self.compressed,
        }))
    }
}

/// A file that was not there, so that nobody's data is written over.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.open(path)
}

/// Swap may be large, and `/tmp` may be RAM: `/var/tmp` is meant for that.
fn temporary() -> io::Result<File> {
    let named = std::env::var_os("TMPDIR").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| PathBuf::from("/var/tmp"));
    tempfile::tempfile_in(folder).or_else(|_| tempfile::tempfile())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_is_made_and_removed_and_never_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("swap");
        let swap = Swap {
            size: Bytes::new(1 << 20),
            file: Some(path.clone()),
            compressed: Bytes::ZERO,
        };
        let config = swap.open().expect("made").expect("there is a size");
        assert!(path.exists());
        assert!(swap.open().is_err(), "it is there already");
        assert!(config.key.iter().any(|&byte| byte != 0));
        drop(config);
        assert!(!path.exists());
    }

    #[test]
    fn no_size_is_no_swap() {
        assert!(Swap::default().open().expect("nothing to fail").is_none());
    }
}
