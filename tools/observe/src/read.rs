//! The mappings of a process, streamed from `smaps` (or `maps`) into [`Region`]s.
//!
//! The kernel's share of the time is most of it: so a large `smaps` is read by a thread of its own and parsed meanwhile
//! ([`Ahead`]). Neighbour: `snapshot`, which then says what the regions are.

use crate::Region;
use crate::region::Objects;
use procfs::{Addr, MapsReader, Root, RootError, SmapsEntry, SmapsReader};
use std::io::{self, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// The kernel fills 4 KiB for each read of `smaps` and throws away the record that does not fit: less is faster, and
/// holds the target's lock for less time (reference/live.md section 0).
const FAST_BYTES: usize = 3072;

/// One record for each read, so that the lock is held for one mapping at a time: for large ones.
const SHORT_BYTES: usize = 512;

/// A read that takes longer than this held the lock for long: the next ask for less.
const LONG: Duration = Duration::from_micros(60);

/// The shortest sleep that is one; the kernel makes some 50 us of it.
const GAP: Duration = Duration::from_micros(1);

/// After so many quick reads larger ones are tried.
const QUICK_READS: u32 = 16;

/// What is read before a thread is worth its start: some 350 mappings.
const SMALL_BYTES: usize = 256 << 10;

/// What one message holds.
const CHUNK_BYTES: usize = 128 << 10;

/// How many messages may wait: enough that neither side ever does for long.
const CHUNKS_AHEAD: usize = 4;

/// What one pass found.
pub(crate) struct Pass {
    pub(crate) regions: Vec<Region>,
    /// The longest that one call took: the longest that the target can have been held up.
    pub(crate) longest: Duration,
    /// From where on a saved text is cut short or damaged.
    pub(crate) cut: Option<Cut>,
}

/// Where a saved `smaps` ends too early.
pub(crate) struct Cut {
    /// The first address that it does not tell.
    pub(crate) from: Addr,
    /// What is wrong there.
    pub(crate) why: String,
    /// Whether `maps` told the mappings from there on.
    pub(crate) has_maps: bool,
}

impl Pass {
    /// A pass over a file that holds up nobody.
    pub(crate) fn quick(regions: Vec<Region>) -> Self {
        Self {
            regions,
            longest: Duration::ZERO,
            cut: None,
        }
    }
}

/// Every mapping with its counters, in one pass.
pub(crate) fn read_smaps(root: &dyn Root, pid: i32) -> Result<Pass, RootError> {
    let path = format!("{pid}/smaps");
    let mut source = Pieces::new(root.open(&path)?);
    let error = |e| RootError::new("read", &path, e);
    let first = fill(&mut source, SMALL_BYTES).map_err(error)?;
    // On one processor the parser would take it from the reader while that holds the target's lock.
    let is_alone = || thread::available_parallelism().is_ok_and(|count| count.get() == 1);
    if first.len() < SMALL_BYTES || is_alone() {
        let mut whole = BufReader::with_capacity(CHUNK_BYTES, first.as_slice().chain(&mut source));
        let parsed = parse(&mut whole);
        let (regions, cut) = as_far(root, pid, parsed).map_err(error)?;
        return Ok(Pass {
            regions,
            longest: source.longest,
            cut,
        });
    }
    thread::scope(|scope| {
        let (chunks, ahead) = sync_channel(CHUNKS_AHEAD);
        let reader = scope.spawn(move || read_ahead(source, &chunks));
        let parsed = parse(Ahead::new(first, ahead));
        let (regions, cut) = as_far(root, pid, parsed).map_err(error)?;
        Ok(Pass {
            regions,
            longest: reader.join().unwrap_or_default(),
            cut,
        })
    })
}

/// The regions up to the end, or up to what is wrong.
fn parse(source: impl io::BufRead) -> (Vec<Region>, Option<io::Error>) {
    let mut objects = Objects::default();
    let mut regions = Vec::new();
    let mut reader = SmapsReader::new(source);
    let mut entry = SmapsEntry::default();
    loop {
        match reader.read_into(&mut entry) {
            Ok(true) => regions.push(Region::of_smaps(&entry, objects.get(&entry.map))),
            Ok(false) => return (regions, None),
            Err(e) => return (regions, Some(e)),
        }
    }
}

/// Of a saved text that is cut short or damaged: the regions before that, and those after it from `maps`, if that was saved too. A
/// living process's text is whole, or nothing is believed.
fn as_far(
    root: &dyn Root,
    pid: i32,
    (mut regions, broken): (Vec<Region>, Option<io::Error>),
) -> io::Result<(Vec<Region>, Option<Cut>)> {
    let is_saved = !root.is_live() && !root.is_this_host();
    let why = match broken {
        Some(e) if is_saved && !regions.is_empty() && e.kind() == io::ErrorKind::InvalidData => e.to_string(),
        Some(e) => return Err(e),
        None if is_saved && ends_early(&regions) => {
            "the last record has no VmFlags, and those before it have".into()
        }
        None => return Ok((regions, None)),
    };
    if ends_early(&regions) {
        regions.pop();
    }
    let told = regions.last().map_or(Addr(0), |region| region.end);
    let rest = read_maps(root, pid).unwrap_or_default();
    let rest = rest.into_iter().filter(|region| region.start >= told);
    let known = regions.len();
    regions.extend(rest);
    let cut = Cut {
        from: regions.get(known).map_or(told, |region| region.start),
        why,
        has_maps: regions.len() > known,
    };
    Ok((regions, Some(cut)))
}

/// Whether the text ends inside of the last record: its last line is not there.
fn ends_early(regions: &[Region]) -> bool {
    matches!(regions, [.., before, last] if before.flags.is_some() && last.flags.is_none())
}

/// Every mapping, without counters.
pub(crate) fn read_maps(root: &dyn Root, pid: i32) -> Result<Vec<Region>, RootError> {
    let path = format!("{pid}/maps");
    let mut objects = Objects::default();
    MapsReader::new(BufReader::new(root.open(&path)?))
        .map(|map| map.map(|map| Region::of_map(&map, objects.get(&map))))
        .collect::<Result<_, _>>()
        .map_err(|e| RootError::new("read", &path, e))
}

/// Reads in small pieces, whatever is asked for: smaller ones as soon as they take long.
struct Pieces<R> {
    source: R,
    piece: usize,
    /// Reads in a row that were not long.
    quick: u32,
    longest: Duration,
}

impl<R> Pieces<R> {
    fn new(source: R) -> Self {
        Self {
            source,
            piece: SHORT_BYTES,
            quick: 0,
            longest: Duration::ZERO,
        }
    }
}

impl<R: Read> Read for Pieces<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = buf.len().min(self.piece);
        let start = Instant::now();
        let read = self.source.read(&mut buf[..most]);
        let took = start.elapsed();
        self.longest = self.longest.max(took);
        // A record takes two short reads, of which the second finds it ready: only many quick ones in a row mean small mappings.
        self.quick = if took > LONG {
            0
        } else {
            self.quick.saturating_add(1)
        };
        // Whoever waits for the lock needs a moment to wake up and take it, or the next read has it first.
        if took > LONG {
            thread::sleep(GAP);
        }
        self.piece = if self.quick >= QUICK_READS {
            FAST_BYTES
        } else {
            SHORT_BYTES
        };
        read
    }
}

/// So many bytes, or fewer at the end.
fn fill(source: &mut impl Read, bytes: usize) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(bytes);
    source.take(bytes as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}

/// Read to the end, or until the parser has gone. Gives the longest that one call took.
fn read_ahead(mut source: Pieces<impl Read>, chunks: &SyncSender<io::Result<Vec<u8>>>) -> Duration {
    loop {
        let chunk = fill(&mut source, CHUNK_BYTES);
        let is_last = chunk.as_ref().map_or(true, |chunk| chunk.len() < CHUNK_BYTES);
        if chunks.send(chunk).is_err() || is_last {
            return source.longest;
        }
    }
}

/// The parser's side of [`read_ahead`].
struct Ahead {
    chunk: Vec<u8>,
    at: usize,
    more: Receiver<io::Result<Vec<u8>>>,
}

impl Ahead {
    fn new(chunk: Vec<u8>, more: Receiver<io::Result<Vec<u8>>>) -> Self {
        Self { chunk, at: 0, more }
    }
}

impl io::BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.chunk.len() {
            self.chunk = self.more.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
            self.at = 0;
        }
        Ok(self.chunk.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }
}

impl Read for Ahead {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut chunk = io::BufRead::fill_buf(self)?;
        let read = chunk.read(buf)?;
        io::BufRead::consume(self, read);
        Ok(read)
    }
}
