//! A saved `/proc` whose files are changed, cut and mixed at random: each tool gives a report or an error, and no panic.

use observe::Snapshot;
use observe::render::{self, Options};
use procfs::{DirRoot, Root, RootError};
use proptest::prelude::*;
use std::io::{self, Cursor, Read};

/// What becomes of a file's bytes.
#[derive(Clone, Debug)]
enum Spoil {
    /// Another byte at a place.
    Byte(prop::sample::Index, u8),
    /// The end is missing.
    Cut(prop::sample::Index),
    /// A line is gone.
    Drop(prop::sample::Index),
    /// A line is there twice.
    Twice(prop::sample::Index),
    /// A number on a line is another one.
    Number(prop::sample::Index, u64),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let number = prop_oneof![
        any::<u64>(),
        Just(u64::MAX),
        Just(0),
        Just(i64::MAX as u64),
        Just(u64::MAX / 1024),
        Just(1 << 54),
    ];
    let at = any::<prop::sample::Index>;
    prop_oneof![
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Spoil::Byte(at, byte)),
        2 => (at(), prop::sample::select(b"0123456789abcdef \n-:".to_vec())).prop_map(|(at, byte)| Spoil::Byte(at, byte)),
        1 => at().prop_map(Spoil::Cut),
        1 => at().prop_map(Spoil::Drop),
        1 => at().prop_map(Spoil::Twice),
        6 => (at(), number).prop_map(|(at, number)| Spoil::Number(at, number)),
    ]
}

fn apply(spoil: &Spoil, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let lines = |bytes: &[u8]| {
        bytes
            .split_inclusive(|b| *b == b'\n')
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
    };
    match spoil {
        Spoil::Byte(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Spoil::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Spoil::Drop(at) => {
            let mut all = lines(bytes);
            all.remove(at.index(all.len()));
            *bytes = all.concat();
        }
        Spoil::Twice(at) => {
            let mut all = lines(bytes);
            let line = all[at.index(all.len())].clone();
            all.insert(at.index(all.len()), line);
            *bytes = all.concat();
        }
        Spoil::Number(at, number) => {
            let starts: Vec<usize> = (0..bytes.len())
                .filter(|at| {
                    bytes[*at].is_ascii_digit() && (*at == 0 || !bytes[at - 1].is_ascii_alphanumeric())
                })
                .collect();
            if starts.is_empty() {
                return;
            }
            let start = starts[at.index(starts.len())];
            let length = bytes[start..].iter().take_while(|b| b.is_ascii_digit()).count();
            bytes.splice(start..start + length, number.to_string().into_bytes());
        }
    }
}

/// The saved folder with some of its files spoilt.
struct Spoilt {
    inner: DirRoot,
    file: &'static str,
    spoils: Vec<Spoil>,
}

impl Spoilt {
    fn bytes(&self, path: &str) -> Result<Vec<u8>, RootError> {
        let mut bytes = Vec::new();
        let read = self.inner.open(path)?.read_to_end(&mut bytes);
        read.map_err(|error| RootError::new("read", path, error))?;
        if path.ends_with(self.file) {
            self.spoils.iter().for_each(|spoil| apply(spoil, &mut bytes));
        }
        Ok(bytes)
    }
}

impl Root for Spoilt {
    fn describe(&self) -> String {
        "spoilt".into()
    }
    fn open(&self, path: &str) -> Result<Box<dyn Read + Send + '_>, RootError> {
        Ok(Box::new(Cursor::new(self.bytes(path)?)))
    }
    fn read_at(&self, path: &str, offset: u64, buf: &mut [u8]) -> Result<usize, RootError> {
        let bytes = self.bytes(path)?;
        let from = usize::try_from(offset).map_or(&[][..], |at| bytes.get(at..).unwrap_or(&[]));
        let count = from.len().min(buf.len());
        buf[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }
    fn read_link(&self, path: &str) -> Result<Vec<u8>, RootError> {
        self.inner.read_link(path)
    }
    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, RootError> {
        self.inner.list(path)
    }
}

const FILES: [&str; 12] = [
    "7/smaps",
    "7/smaps",
    "7/maps",
    "7/stat",
    "7/status",
    "7/statm",
    "7/auxv",
    "7/smaps_rollup",
    "7/cmdline",
    "meminfo",
    "uptime",
    "stat",
];

fn look(root: &dyn Root) -> io::Result<()> {
    let mut out = Vec::new();
    if let Ok(rows) = observe::ps::rows(root, None) {
        let columns = observe::ps::parse_columns(
            "user,pid,%cpu,%mem,vsz,rss,tt,stat,started,time,command,uid,ppid,pri,ni",
        );
        for column in columns.into_iter().flatten() {
            rows.iter()
                .for_each(|row| out.extend(column.cell(row).into_bytes()));
        }
    }
    let Ok(snapshot) = Snapshot::take(root, 7) else {
        return Ok(());
    };
    observe::json::write(&snapshot, &mut out)?;
    let default = Options::default();
    for (verbose, in_pages, coalesce) in [(false, false, true), (true, true, false), (true, false, true)] {
        let options = Options {
            verbose,
            in_pages,
            coalesce,
            sort_by_size: in_pages,
            width: in_pages.then_some(20),
            ..default.clone()
        };
        render::report(&snapshot, &options, &mut out)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_spoilt_proc_is_reported_or_refused(
        file in prop::sample::select(FILES.to_vec()),
        spoils in prop::collection::vec(spoil(), 1..5),
    ) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../procfs/tests/fixtures/arm64-16k");
        let root = Spoilt { inner: DirRoot::new(folder), file, spoils };
        prop_assert!(look(&root).is_ok());
    }
}
