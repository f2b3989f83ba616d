//! Paths on the command line instead of processes: what is there ([`what_is`]), and the root that shows it ([`open`]).

use crate::Failure;
use crate::target::Source;
use observe::SavedRoot;
use observe::corefile::CoreRoot;
use procfs::DirRoot;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The folder of one process, saved or live.
    ProcessFolder,
    /// Another folder.
    Folder,
    /// A snapshot that `vmmap --save` or `vmmap --json` wrote, perhaps damaged.
    Snapshot,
    /// A core file, or something that only [`CoreRoot::open`] can tell from one: every error about it is there.
    Core,
}

/// What is at the path.
///
/// # Errors
/// If it cannot be read.
pub fn what_is(path: &Path) -> io::Result<Kind> {
    if path.is_dir() {
        return Ok(match SavedRoot::of_process(path) {
            Some(_) => Kind::ProcessFolder,
            None => Kind::Folder,
        });
    }
    let mut magic = [0; 1];
    let read = std::fs::File::open(path)?.read(&mut magic)?;
    Ok(match magic {
        // gzip's first byte, or JSON's.
        [0x1f | b'{'] if read > 0 => Kind::Snapshot,
        _ => Kind::Core,
    })
}

/// The word as a path: it has a slash, or is the name of a file here that can be shown. Numbers are process ids, whatever files there
/// are; and the name of a program that lies here means the process.
#[must_use]
pub fn path(word: &str) -> Option<PathBuf> {
    if word.parse::<i32>().is_ok() {
        return None;
    }
    let path = PathBuf::from(word);
    (word.contains('/') || can_be_shown(&path)).then_some(path)
}

/// Whether a file begins as a snapshot or a core does.
fn can_be_shown(path: &Path) -> bool {
    let mut head = [0; 18];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut head));
    match (read, head) {
        (Ok(1..), [0x1f | b'{', ..]) => true,
        // e_type, at offset 16 of an ELF file: ET_CORE is 4.
        (Ok(18), [0x7f, b'E', b'L', b'F', .., kind, 0]) => kind == 4,
        _ => false,
    }
}

/// The one process that the path holds.
///
/// # Errors
/// [`Failure`] if it holds none.
pub fn open(path: &Path) -> Result<(Source, i32), Failure> {
    let shown = path.display();
    let kind = what_is(path).map_err(|e| Failure::new(format!("cannot read {shown}: {e}")))?;
    match kind {
        Kind::Core => {
            let core = CoreRoot::open(path).map_err(|e| Failure::new(e.to_string()))?;
            let (pid, facts) = (core.pid(), core.facts().clone());
            let source = Source {
                core: Some(facts),
                ..Source::of(core)
            };
            Ok((source, pid))
        }
        Kind::Snapshot => Err(Failure::new(format!(
            "{shown} is a saved snapshot: it has figures, but no process to look into"
        ))),
        Kind::ProcessFolder => process_folder(path),
        Kind::Folder => Err(Failure::new(format!(
            "{shown} is no process's folder: it has neither smaps nor maps nor status; for a saved /proc use --root {shown} PID"
        ))),
    }
}

/// A process's folder: in its tree, if it stands in one that was saved with it, or else alone.
fn process_folder(path: &Path) -> Result<(Source, i32), Failure> {
    let whole = path
        .canonicalize()
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
    let pid = whole
        .file_name()
        .and_then(|name| name.to_str()?.parse::<i32>().ok());
    if let (Some(pid), Some(parent)) = (pid, whole.parent()) {
        if parent == Path::new("/proc") {
            return Ok((Source::of(DirRoot::host()), pid));
        }
        if parent.join("uptime").is_file() {
            return Ok((Source::of(SavedRoot::tree(parent)), pid));
        }
    }
    match SavedRoot::of_process(path) {
        Some(root) => {
            let pid = root.pid().unwrap_or(1);
            Ok((Source::of(root), pid))
        }
        None => Err(Failure::new(format!("cannot read {}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_a_slash_and_names_of_files_are_paths() {
        assert_eq!(path("42"), None);
        assert_eq!(path("no-such-process"), None);
        assert_eq!(path("./42"), Some("./42".into()));
        assert_eq!(path("./Cargo.toml"), Some("./Cargo.toml".into()));
        // A file that is neither a core nor a snapshot leaves the word to be a process's name.
        assert_eq!(path("Cargo.toml"), None);
    }
}
