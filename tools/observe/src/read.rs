//! The mappings of a process, streamed from `smaps` (or `maps`) into [`Region`]s.
//!
//! The kernel's share of the time is most of it: so a large `smaps` is read by a thread of its own and parsed meanwhile
//! ([`Ahead`]). Neighbour: `snapshot`, which then says what the regions are.

use crate::Region;
use crate::region::Objects;
use procfs::{MapsReader, Root, RootError, SmapsEntry, SmapsReader};
use std::io::{self, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// The kernel fills 4 KiB for each read of `smaps` and throws away the record that does not fit: less is faster, and
/// holds the target's lock for less time (reference/live.md section 0).
const READ_BYTES: usize = 3072;

/// What is read before a thread is worth its start: some 350 mappings.
const SMALL_BYTES: usize = 256 << 10;

/// What one message holds.
const CHUNK_BYTES: usize = 128 << 10;

/// How many messages may wait: enough that neither side ever does for long.
const CHUNKS_AHEAD: usize = 8;

/// Every mapping with its counters, in one pass.
pub(crate) fn read_smaps(root: &dyn Root, pid: i32) -> Result<Vec<Region>, RootError> {
    let path = format!("{pid}/smaps");
    let mut source = Pieces(root.open(&path)?);
    let error = |e| RootError::new("read", &path, e);
    let first = fill(&mut source, SMALL_BYTES).map_err(error)?;
    if first.len() < SMALL_BYTES {
        return parse(first.as_slice()).map_err(error);
    }
    thread::scope(|scope| {
        let (chunks, ahead) = sync_channel(CHUNKS_AHEAD);
        scope.spawn(move || read_ahead(source, &chunks));
        parse(Ahead::new(first, ahead)).map_err(error)
    })
}

fn parse(source: impl io::BufRead) -> io::Result<Vec<Region>> {
    let mut objects = Objects::default();
    let mut regions = Vec::new();
    for entry in SmapsReader::new(source) {
        let entry: SmapsEntry = entry?;
        regions.push(Region::of_smaps(&entry, objects.get(&entry.map)));
    }
    Ok(regions)
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

/// Reads in pieces of [`READ_BYTES`], whatever is asked for.
struct Pieces<R>(R);

impl<R: Read> Read for Pieces<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = buf.len().min(READ_BYTES);
        self.0.read(&mut buf[..most])
    }
}

/// So many bytes, or fewer at the end.
fn fill(source: &mut impl Read, bytes: usize) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(bytes);
    source.take(bytes as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}

/// Read to the end, or until the parser has gone.
fn read_ahead(mut source: impl Read, chunks: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let chunk = fill(&mut source, CHUNK_BYTES);
        let is_last = chunk.as_ref().map_or(true, |chunk| chunk.len() < CHUNK_BYTES);
        if chunks.send(chunk).is_err() || is_last {
            return;
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
