//! A folder of saved `/proc` files ([`SavedRoot`]): a whole tree, or the folder of one process by itself.
//!
//! Whatever was saved is shown. Without `stat` the process is recognised by `status`, `comm` or the folder's name. A file that is
//! empty, but never is in `/proc`, counts as missing: tar and other tools trust the size 0 that `/proc` gives.
//!
//! Neighbours: [`DirRoot`] below. Absent: [`crate::Snapshot`]s that `vmmap` saved itself.

use procfs::{Comm, DirRoot, PidStat, Root, RootError, Status, Text};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

/// A saved folder as a root. Only files that a copy has are there.
#[derive(Clone, Debug)]
pub struct SavedRoot {
    folder: DirRoot,
    shown: String,
    /// The process, if the folder is that of one.
    single: Option<i32>,
}

/// Files of a process that are never empty while it has memory.
const NEVER_EMPTY: [&str; 8] = [
    "smaps",
    "maps",
    "status",
    "stat",
    "statm",
    "comm",
    "auxv",
    "smaps_rollup",
];

/// Any of these makes a folder that of one process.
const OF_A_PROCESS: [&str; 4] = ["smaps", "maps", "status", "auxv"];

impl SavedRoot {
    /// A folder shaped like `/proc`, with a folder for each process.
    pub fn tree(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self {
            shown: folder.display().to_string(),
            folder: DirRoot::new(folder),
            single: None,
        }
    }

    /// The folder of one process, such as a copy of `/proc/42`; `None` if it has none of a process's files. Its id is that of `stat` or
    /// `status`, or else the folder's name; without any of these, 1.
    #[must_use]
    pub fn of_process(folder: &Path) -> Option<Self> {
        let is_one = OF_A_PROCESS.iter().any(|name| folder.join(name).is_file());
        if !is_one {
            return None;
        }
        let root = DirRoot::new(folder);
        let by_stat = || PidStat::parse(&root.read("stat").ok()?).ok().map(|s| s.pid);
        let by_status = || {
            let status = Status::parse(&root.read("status").ok()?).ok()?;
            i32::try_from(status.pid?).ok()
        };
        let by_name = || folder.canonicalize().ok()?.file_name()?.to_str()?.parse().ok();
        let pid = by_stat().or_else(by_status).or_else(by_name).unwrap_or(1);
        Some(Self {
            shown: folder.display().to_string(),
            folder: root,
            single: Some(pid),
        })
    }

    /// The process, if the folder is that of one.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.single
    }

    /// The path in the folder; `None` if there is no such place.
    fn place(&self, path: &str) -> Option<String> {
        let Some(single) = self.single else {
            return Some(path.to_owned());
        };
        let (pid, rest) = path.split_once('/').unwrap_or((path, ""));
        (pid.parse() == Ok(single)).then(|| rest.to_owned())
    }

    fn placed(&self, action: &'static str, path: &str) -> Result<String, RootError> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "only one process's folder was saved");
        self.place(path)
            .ok_or_else(|| RootError::new(action, path, missing()))
    }

    /// The saved file, if it is not empty against all rule.
    fn saved(&self, path: &str) -> Result<Box<dyn Read + Send + '_>, RootError> {
        let place = self.placed("open", path)?;
        let renamed = |e| RootError {
            path: path.into(),
            ..e
        };
        let mut file = self.folder.open(&place).map_err(renamed)?;
        if !may_not_be_empty(path) {
            return Ok(file);
        }
        let mut first = [0];
        let got = file
            .read(&mut first)
            .map_err(|e| RootError::new("read", path, e))?;
        if got == 0 {
            let why = "the saved file is empty (tar saves /proc so; use cp)";
            let why = io::Error::new(io::ErrorKind::NotFound, why);
            return Err(RootError::new("read", path, why));
        }
        Ok(Box::new(Cursor::new(first).chain(file)))
    }

    fn text<T: Text>(&self, path: &str) -> Option<T> {
        let mut bytes = Vec::new();
        self.saved(path).ok()?.read_to_end(&mut bytes).ok()?;
        T::parse(&bytes).ok()
    }

    /// `PID/stat` from what else was saved: fields that are not known are 0, as Linux prints them to who may not know;
    /// parent and threads, of which 0 would say something, are -1.
    fn made_stat(&self, path: &str) -> Option<Vec<u8>> {
        let pid_text = path.strip_suffix("/stat")?;
        let pid: i32 = pid_text.parse().ok()?;
        let status: Option<Status> = self.text(&format!("{pid_text}/status"));
        let comm: Option<Comm> = self.text(&format!("{pid_text}/comm"));
        let has_maps = ["smaps", "maps"]
            .iter()
            .any(|name| self.saved(&format!("{pid_text}/{name}")).is_ok());
        if status.is_none() && comm.is_none() && !has_maps {
            return None;
        }
        let status = status.unwrap_or_default();
        let number = |n: Option<u64>| n.and_then(|n| i32::try_from(n).ok());
        let stat = PidStat {
            pid,
            comm: comm
                .map(|c| c.0)
                .or_else(|| status.unescaped_name())
                .unwrap_or_else(|| b"?".to_vec()),
            // '?' is no state of Linux's: the report says that it is not known.
            state: status.state_letter().unwrap_or(b'?'),
            ppid: number(status.ppid).unwrap_or(-1),
            num_threads: status.threads.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1),
            vsize: status.vm_size.map_or(0, |s| s.bytes()),
            ..PidStat::default()
        };
        Some(stat.print())
    }
}

fn may_not_be_empty(path: &str) -> bool {
    path.split_once('/')
        .is_some_and(|(_, name)| NEVER_EMPTY.contains(&name))
}

impl Root for SavedRoot {
    fn describe(&self) -> String {
        self.shown.clone()
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + Send + '_>, RootError> {
        match self.saved(path) {
            Ok(file) => Ok(file),
            Err(e) if e.is_gone() => match self.made_stat(path) {
                Some(bytes) => Ok(Box::new(Cursor::new(bytes))),
                None => Err(e),
            },
            Err(e) => Err(e),
        }
    }

    fn read_at(&self, path: &str, offset: u64, buf: &mut [u8]) -> Result<usize, RootError> {
        let place = self.placed("open", path)?;
        self.folder.read_at(&place, offset, buf).map_err(|e| RootError {
            path: path.into(),
            ..e
        })
    }

    fn read_link(&self, path: &str) -> Result<Vec<u8>, RootError> {
        let place = self.placed("read link", path)?;
        self.folder.read_link(&place).map_err(|e| RootError {
            path: path.into(),
            ..e
        })
    }

    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, RootError> {
        match self.single {
            Some(pid) if path.is_empty() => Ok(vec![pid.to_string().into_bytes()]),
            _ => self.folder.list(&self.placed("list", path)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Snapshot;

    const SAVED: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../procfs/tests/fixtures/arm64-16k/7"
    );

    /// A folder called `name` with copies of some of the saved process's files.
    fn copy(name: &str, files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        for file in files {
            std::fs::copy(Path::new(SAVED).join(file), folder.join(file)).unwrap();
        }
        dir
    }

    #[test]
    fn a_process_alone_is_shown_with_whatever_files_there_are() {
        let whole = Snapshot::take(&SavedRoot::of_process(Path::new(SAVED)).unwrap(), 7).unwrap();
        assert_eq!(whole.facts.name, "worker");
        let all = whole.regions.as_ref().unwrap().len();
        for (files, name, gaps) in [
            (&["smaps"] as &[&str], "?", ["status", "exe", "auxv"].as_slice()),
            (&["maps", "comm"], "worker", &["status", "smaps"]),
            (&["smaps", "status", "auxv"], "worker", &["exe"]),
        ] {
            let dir = copy("7", files);
            let root = SavedRoot::of_process(&dir.path().join("7")).unwrap();
            let snapshot = Snapshot::take(&root, 7).unwrap();
            assert_eq!(snapshot.facts.name, name);
            assert_eq!(snapshot.regions.as_ref().unwrap().len(), all, "{files:?}");
            for gap in gaps {
                let is_said = snapshot
                    .gaps
                    .iter()
                    .any(|g| g.why.contains(&format!(" 7/{gap}: ")));
                assert!(is_said, "{files:?}: {gap} in {:?}", snapshot.gaps);
            }
        }
    }

    #[test]
    fn the_id_is_told_by_status_or_by_the_folder() {
        let dir = copy("copy of a process", &["smaps", "status"]);
        let folder = dir.path().join("copy of a process");
        assert_eq!(SavedRoot::of_process(&folder).unwrap().pid(), Some(7));
        std::fs::remove_file(folder.join("status")).unwrap();
        assert_eq!(SavedRoot::of_process(&folder).unwrap().pid(), Some(1));
        let renamed = dir.path().join("4242");
        std::fs::rename(&folder, &renamed).unwrap();
        assert_eq!(SavedRoot::of_process(&renamed).unwrap().pid(), Some(4242));
        assert!(SavedRoot::of_process(dir.path()).is_none());
    }

    #[test]
    fn an_empty_smaps_is_a_gap_and_not_a_process_without_memory() {
        let dir = copy("7", &["maps", "stat", "status"]);
        std::fs::write(dir.path().join("7/smaps"), "").unwrap();
        let tree = SavedRoot::tree(dir.path());
        let snapshot = Snapshot::take(&tree, 7).unwrap();
        let regions = snapshot.regions.unwrap();
        assert!(!regions.is_empty() && regions.iter().all(|r| r.resident().is_none()));
        assert!(
            snapshot.gaps.iter().any(|g| g.why.contains("use cp")),
            "{:?}",
            snapshot.gaps
        );
    }
}
