//! A snapshot in a file: the document of `crate::json`, compressed by gzip, or plain as `vmmap --json` prints it.
//!
//! [`save`] writes beside the file and renames, so that under its name there is never half a snapshot. [`open`] reads both forms; gzip's
//! checksum is checked before the snapshot is believed.

use super::{FAMILY, ReadError};
use crate::Snapshot;
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};

/// What gzip begins with (RFC 1952 section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Where the schema's name must have been said, in a document that we wrote.
const HEAD_BYTES: u64 = 64;

/// A file that cannot be saved or shown.
#[derive(Debug)]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, and what to do.
    pub what: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}

impl std::error::Error for FileError {}

impl FileError {
    fn new(path: &Path, what: impl fmt::Display) -> Self {
        Self {
            path: path.into(),
            what: what.to_string(),
        }
    }
}

/// Write the snapshot into `path`, whole or not at all, readable by its owner only (a map tells where everything lies). A
/// file that is there already is replaced if it is a saved snapshot, or if `is_forced`.
///
/// # Errors
/// [`FileError`] if something else has that name, or it cannot be written.
pub fn save(snapshot: &Snapshot, path: &Path, is_forced: bool) -> Result<(), FileError> {
    let failed = |e: io::Error| FileError::new(path, format!("cannot save: {e}"));
    match path.symlink_metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(failed(e)),
        Ok(found) if !found.is_file() => {
            return Err(FileError::new(path, "cannot save: it is no regular file"));
        }
        Ok(_) if is_forced || is_saved(path) => {}
        Ok(_) => {
            let what = "not saved: it is there and is no saved snapshot; choose another name, or replace it with --force";
            return Err(FileError::new(path, what));
        }
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let what = format!("cannot save: there is no folder {}", folder.display());
        return Err(FileError::new(path, what));
    }
    // Removed when it is dropped without its new name.
    let file = tempfile::Builder::new()
        .prefix(".vmmap-")
        .tempfile_in(folder)
        .map_err(failed)?;
    let compressed = GzEncoder::new(BufWriter::new(file), Compression::default());
    let mut out = BufWriter::with_capacity(1 << 16, compressed);
    super::write(snapshot, &mut out).map_err(failed)?;
    let compressed = out.into_inner().map_err(|e| failed(e.into_error()))?;
    let file = compressed.finish().map_err(failed)?;
    let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Whether the file begins as a saved snapshot does (of any version, whole or not).
#[must_use]
pub fn is_saved(path: &Path) -> bool {
    let begins = || -> io::Result<bool> {
        let mut head = Vec::new();
        content(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
        let head = String::from_utf8_lossy(&head);
        Ok(head.trim_start().starts_with('{') && head.contains(FAMILY))
    };
    begins().unwrap_or(false)
}

/// The snapshot in a file, compressed or plain.
///
/// # Errors
/// [`FileError`] if it cannot be read, is damaged or cut short, or is no snapshot of a version that we know.
pub fn open(path: &Path) -> Result<Snapshot, FileError> {
    let content = content(path).map_err(|e| FileError::new(path, format!("cannot read: {e}")))?;
    super::read(content).map_err(|error| FileError::new(path, reason(&error)))
}

fn reason(error: &ReadError) -> String {
    match error {
        ReadError::CutShort => "cannot show it: it is cut short".into(),
        // What gzip says when its checksum or its blocks are wrong.
        ReadError::Io(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            format!("cannot show it: it is damaged ({e})")
        }
        ReadError::Io(e) => format!("cannot read: {e}"),
        ReadError::Wrong(what) => format!("cannot show it: {what}"),
    }
}

/// The document, uncompressed.
fn content(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    if file.fill_buf()?.starts_with(&GZIP_MAGIC) {
        return Ok(Box::new(BufReader::with_capacity(
            1 << 16,
            MultiGzDecoder::new(file),
        )));
    }
    Ok(Box::new(file))
}
