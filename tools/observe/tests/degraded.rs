//! A process that cannot be read in full, or not to the end: unknown is never 0, and each end has its own error.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use observe::{ObserveError, SavedRoot, Snapshot};
use procfs::{DirRoot, Kib, Root, RootError};
use std::cell::Cell;
use std::io::{self, Read};

/// The saved folder, with some paths refused, and `stat` gone after a number of reads.
struct Faulty {
    inner: DirRoot,
    refused: &'static [&'static str],
    errno: i32,
    stat_reads_left: Cell<usize>,
}

impl Faulty {
    fn new(refused: &'static [&'static str], errno: i32) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../procfs/tests/fixtures/arm64-16k");
        Self {
            inner: DirRoot::new(folder),
            refused,
            errno,
            stat_reads_left: Cell::new(usize::MAX),
        }
    }

    fn check(&self, path: &str) -> Result<(), RootError> {
        let refuse = |errno| Err(RootError::new("open", path, io::Error::from_raw_os_error(errno)));
        if self.refused.contains(&path) {
            return refuse(self.errno);
        }
        if path == "7/stat" {
            match self.stat_reads_left.get() {
                0 => return refuse(2),
                left => self.stat_reads_left.set(left - 1),
            }
        }
        Ok(())
    }
}

impl Root for Faulty {
    fn describe(&self) -> String {
        "faulty".into()
    }
    fn open(&self, path: &str) -> Result<Box<dyn Read + Send + '_>, RootError> {
        self.check(path)?;
        self.inner.open(path)
    }
    fn read_at(&self, path: &str, offset: u64, buf: &mut [u8]) -> Result<usize, RootError> {
        self.check(path)?;
        self.inner.read_at(path, offset, buf)
    }
    fn read_link(&self, path: &str) -> Result<Vec<u8>, RootError> {
        self.check(path)?;
        self.inner.read_link(path)
    }
    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, RootError> {
        self.inner.list(path)
    }
}

const EACCES: i32 = 13;
const ESRCH: i32 = 3;

#[test]
fn without_the_right_to_read_there_are_totals_and_reasons() {
    let root = Faulty::new(&["7/smaps", "7/maps", "7/exe", "7/auxv"], EACCES);
    let snapshot = Snapshot::take(&root, 7).unwrap();
    assert_eq!(snapshot.regions, None);
    assert_eq!(snapshot.footprint(), None);
    assert_eq!(snapshot.facts.page_bytes, None);
    // RssAnon + RssShmem + VmSwap + VmPTE of the saved status.
    assert_eq!(
        snapshot.facts.coarse_footprint,
        Some(Kib(12288 + 1024 + 32 + 208))
    );
    assert_eq!(snapshot.gaps.len(), 4);
    let mut json = Vec::new();
    observe::json::write(&snapshot, &mut json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert!(json["regions"].is_null() && json["total"].is_null() && json["footprint"]["full"].is_null());
}

#[test]
fn with_maps_alone_sizes_are_unknown_and_not_zero() {
    let snapshot = Snapshot::take(&Faulty::new(&["7/smaps"], EACCES), 7).unwrap();
    let regions = snapshot.regions.as_ref().unwrap();
    assert_eq!(regions.len(), 23);
    assert!(
        regions
            .iter()
            .all(|r| r.resident().is_none() && r.dirty().is_none() && r.share.is_none() && r.max().is_none())
    );
    assert_eq!(
        (snapshot.totals().all.resident, snapshot.footprint()),
        (None, None)
    );
    let mut text = Vec::new();
    observe::render::report(&snapshot, &observe::render::Options::default(), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains("[   64K      ?      ?      ?] r-x/??? SM=???"),
        "{text}"
    );
}

#[test]
fn a_process_that_ends_while_it_is_read_is_said_to_have_ended() {
    let root = Faulty::new(&[], 0);
    root.stat_reads_left.set(1);
    assert!(matches!(
        Snapshot::take(&root, 7),
        Err(ObserveError::Vanished { pid: 7, .. })
    ));
    let root = Faulty::new(&["7/smaps", "7/maps"], ESRCH);
    root.stat_reads_left.set(1);
    assert!(matches!(
        Snapshot::take(&root, 7),
        Err(ObserveError::Vanished { pid: 7, .. })
    ));
}

#[test]
fn processes_without_memory_have_their_own_errors() {
    let root = Faulty::new(&[], 0);
    assert!(matches!(
        Snapshot::take(&root, 2),
        Err(ObserveError::KernelThread { pid: 2, .. })
    ));
    assert!(matches!(
        Snapshot::take(&root, 9),
        Err(ObserveError::Zombie {
            pid: 9,
            parent: 7,
            ..
        })
    ));
    assert!(matches!(
        Snapshot::take(&root, 8),
        Err(ObserveError::NoProcess { pid: 8, .. })
    ));
}

#[test]
fn the_footprints_are_the_formulas() {
    let snapshot = Snapshot::take(&Faulty::new(&[], 0), 7).unwrap();
    let footprint = snapshot.footprint().unwrap();
    // Anonymous 12288, less 48 volatile, swap 32, both mappings' share of the memfd 512, page tables 208.
    assert_eq!(footprint.full, Kib(12288 - 48 + 32 + 512 + 208));
    // The same with the forked 11264 halved.
    assert_eq!(
        footprint.additive,
        Some(Kib(12288 - 11264 / 2 - 48 + 32 + 512 + 208))
    );
    assert!(!footprint.is_additive_estimated);
}

/// The saved process 7, in a folder of its own, with the first `lines` lines of its smaps and `half` a line more.
fn cut_short(lines: usize, half: &str, has_maps: bool) -> Result<Snapshot, ObserveError> {
    let saved = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../procfs/tests/fixtures/arm64-16k/7"
    );
    let dir = tempfile::tempdir().unwrap();
    for name in ["stat", "status", "auxv", "maps"] {
        if name != "maps" || has_maps {
            std::fs::copy(format!("{saved}/{name}"), dir.path().join(name)).unwrap();
        }
    }
    let smaps = std::fs::read_to_string(format!("{saved}/smaps")).unwrap();
    let mut text: String = smaps.split_inclusive('\n').take(lines).collect();
    text.push_str(half);
    std::fs::write(dir.path().join("smaps"), text).unwrap();
    let root = SavedRoot::of_process(dir.path()).unwrap();
    Snapshot::take(&root, 7)
}

#[test]
fn a_saved_smaps_that_is_cut_short_shows_what_is_there() {
    let saved = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../procfs/tests/fixtures/arm64-16k/7/smaps"
    );
    let smaps = std::fs::read_to_string(saved).unwrap();
    // Three whole records; their VmFlags are the last lines.
    let flags = smaps
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("VmFlags"));
    let three = flags.map(|(at, _)| at + 1).nth(2).unwrap();
    for (lines, half) in [
        (three + 5, ""),
        (three + 5, "Shared_Cl"),
        (three, "ffff"),
        (three + 1, ""),
    ] {
        let part = cut_short(lines, half, false).unwrap();
        let regions = part.regions.as_ref().unwrap();
        assert_eq!(regions.len(), 3, "{lines} {half}");
        assert!(regions.iter().all(|r| r.resident().is_some()));
        let missing = part.cut_short.unwrap();
        assert!(missing.contains("every mapping from 0x"), "{missing}");
        assert!(
            part.gaps
                .iter()
                .any(|gap| gap.why.contains("cut short or damaged there"))
        );
        // With maps every mapping is there, the figures of three are known.
        let whole = cut_short(lines, half, true).unwrap();
        let regions = whole.regions.as_ref().unwrap();
        assert_eq!(regions.len(), 23);
        assert_eq!(regions.iter().filter(|r| r.resident().is_some()).count(), 3);
        assert_eq!(whole.totals().all.resident, None);
        assert!(whole.cut_short.unwrap().contains("resident"));
    }
    let whole = cut_short(usize::MAX, "", true).unwrap();
    assert_eq!((whole.regions.unwrap().len(), whole.cut_short), (23, None));
    // Nothing whole is there: an error, as for a text that is no smaps.
    assert!(cut_short(0, "rubbish", true).is_err());
}

/// The saved process, which calls execve before so many reads of its `stat`: each new program has its own stack.
struct Execing {
    inner: DirRoot,
    execs_left: Cell<u64>,
}

impl Execing {
    fn new(execs: u64) -> Self {
        Self {
            inner: Faulty::new(&[], 0).inner,
            execs_left: Cell::new(execs),
        }
    }
}

impl Root for Execing {
    fn describe(&self) -> String {
        "execing".into()
    }
    fn open(&self, path: &str) -> Result<Box<dyn Read + Send + '_>, RootError> {
        let file = self.inner.open(path)?;
        let left = self.execs_left.get();
        // Its maps are those of the moment: none, while the old ones are gone and the new ones are not made.
        if left > 0 && matches!(path, "7/smaps" | "7/maps") {
            return Ok(Box::new(io::empty()));
        }
        if path != "7/stat" {
            return Ok(file);
        }
        let text = io::read_to_string(file).unwrap();
        let stack = "281474047818832";
        assert!(text.contains(stack));
        self.execs_left.set(left.saturating_sub(1));
        let text = text.replace(stack, &(281_474_047_818_832 + 16 * left).to_string());
        Ok(Box::new(io::Cursor::new(text)))
    }
    fn read_at(&self, path: &str, offset: u64, buf: &mut [u8]) -> Result<usize, RootError> {
        self.inner.read_at(path, offset, buf)
    }
    fn read_link(&self, path: &str) -> Result<Vec<u8>, RootError> {
        self.inner.read_link(path)
    }
    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, RootError> {
        self.inner.list(path)
    }
}

#[test]
fn a_process_that_becomes_another_program_is_read_again() {
    let calm = Snapshot::take(&Execing::new(0), 7).unwrap();
    let spawned = Snapshot::take(&Execing::new(3), 7).unwrap();
    assert_eq!(spawned.regions, calm.regions);
    assert!(calm.regions.is_some_and(|regions| regions.len() > 5));
}

#[test]
fn a_process_that_never_rests_is_not_said_to_have_ended() {
    let error = Snapshot::take(&Execing::new(1000), 7).unwrap_err();
    assert!(matches!(error, ObserveError::Restless { pid: 7, .. }));
    assert!(error.to_string().contains("kill -STOP"), "{error}");
}
