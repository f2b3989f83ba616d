//! What the document holds beside the regions, both ways: threads, malloc's zones, images.
//!
//! One type for each serves writing and reading, so that what is saved comes back.

use super::region::{Worded, bytes, hex};
use crate::heap::{Counts, Range, Reading, Zone, ZoneKind};
use crate::{FileState, HeapReport, Image, Object, StackSpan, Thread, ZoneReport};
use procfs::printable;
use procfs::{Addr, Kib};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most threads that are read back; Linux allows four million, a process has some thousands.
const MOST_THREADS: usize = 1 << 22;

fn kib(bytes: Option<u64>) -> Option<Kib> {
    bytes.map(Kib::from_bytes)
}

fn shown(text: &str) -> String {
    printable(text.as_bytes())
}

/// A thread and its stack.
#[derive(Serialize, Deserialize)]
pub(super) struct ThreadJson {
    tid: i32,
    name: String,
    state: char,
    stack: Option<StackJson>,
}

#[derive(Serialize, Deserialize)]
struct StackJson {
    #[serde(with = "address")]
    start: Addr,
    #[serde(with = "address")]
    end: Addr,
    /// Follows from the two; for readers.
    #[serde(skip_deserializing)]
    size: u64,
    guard_size: Option<u64>,
    high_water: Option<u64>,
    resident: Option<u64>,
    is_exact: bool,
}

impl From<&Thread> for ThreadJson {
    fn from(thread: &Thread) -> Self {
        Self {
            tid: thread.tid,
            name: thread.name.clone(),
            state: thread.state,
            stack: thread.stack.map(|stack| StackJson {
                start: stack.start,
                end: stack.end,
                size: stack.len(),
                guard_size: stack.guard_bytes,
                high_water: stack.high_water,
                resident: bytes(stack.resident),
                is_exact: stack.is_exact,
            }),
        }
    }
}

impl From<ThreadJson> for Thread {
    fn from(thread: ThreadJson) -> Self {
        Self {
            tid: thread.tid,
            name: shown(&thread.name),
            state: thread.state,
            stack: thread.stack.map(|stack| StackSpan {
                start: stack.start,
                end: stack.end,
                guard_bytes: stack.guard_size,
                high_water: stack.high_water,
                resident: kib(stack.resident),
                is_exact: stack.is_exact,
            }),
        }
    }
}

/// Threads as read, none of them absurd.
pub(super) fn threads(threads: Vec<ThreadJson>) -> Vec<Thread> {
    threads.into_iter().take(MOST_THREADS).map(Thread::from).collect()
}

/// The stack of the one thread to which a region belongs.
#[derive(Serialize)]
pub(super) struct RegionThread<'a> {
    tid: i32,
    name: &'a str,
    state: char,
    stack_size: u64,
    guard_size: Option<u64>,
    high_water: Option<u64>,
}

/// The one thread whose stack lies in these addresses; `None` if there are none or several.
pub(super) fn thread_in<'a>(threads: &'a [Thread], start: Addr, end: Addr) -> Option<RegionThread<'a>> {
    let mut inside = threads.iter().filter_map(|thread| {
        let stack = thread.stack?;
        (stack.start >= start && stack.end <= end).then_some((thread, stack))
    });
    let (thread, stack) = inside.next()?;
    inside.next().is_none().then(|| RegionThread {
        tid: thread.tid,
        name: &thread.name,
        state: thread.state,
        stack_size: stack.len(),
        guard_size: stack.guard_bytes,
        high_water: stack.high_water,
    })
}

/// A zone of malloc.
#[derive(Serialize, Deserialize)]
pub(super) struct ZoneJson {
    name: String,
    kind: ZoneKind,
    #[serde(default, with = "maybe_address")]
    address: Option<Addr>,
    #[serde(rename = "virtual")]
    size: u64,
    resident: Option<u64>,
    dirty: Option<u64>,
    swap: Option<u64>,
    /// These follow from the others; for readers.
    #[serde(skip_deserializing)]
    allocation_count: Option<u64>,
    #[serde(skip_deserializing)]
    bytes_allocated: Option<u64>,
    #[serde(skip_deserializing)]
    bytes_in_use_by_glibc: Option<u64>,
    #[serde(skip_deserializing)]
    slack: Option<u64>,
    #[serde(skip_deserializing)]
    fragmentation_percent: Option<f64>,
    #[serde(skip_deserializing)]
    trimmable: Option<u64>,
    system: u64,
    max_system: Option<u64>,
    top: u64,
    attached_threads: Option<u64>,
    locked: bool,
    counts: Option<Counts>,
    reading: Reading,
    ranges: Vec<Range>,
}

impl From<&ZoneReport> for ZoneJson {
    fn from(report: &ZoneReport) -> Self {
        let zone = report.zone.clone();
        let counts = zone.counts.as_ref();
        Self {
            address: zone.address.map(Addr),
            size: zone.virtual_bytes(),
            resident: bytes(report.resident),
            dirty: bytes(report.dirty),
            swap: bytes(report.swap),
            allocation_count: counts.map(|c| c.allocated_chunks),
            bytes_allocated: counts.map(|c| c.allocated_bytes),
            bytes_in_use_by_glibc: counts.and_then(|c| c.glibc_in_use_bytes),
            slack: bytes(report.slack()),
            fragmentation_percent: report.fragmentation_percent(),
            trimmable: counts.map(|c| c.trim_bytes),
            name: zone.name,
            kind: zone.kind,
            system: zone.system_bytes,
            max_system: zone.max_system_bytes,
            top: zone.top_bytes,
            attached_threads: zone.attached_threads,
            locked: zone.locked,
            counts: zone.counts,
            reading: zone.reading,
            ranges: zone.ranges,
        }
    }
}

impl From<ZoneJson> for ZoneReport {
    fn from(zone: ZoneJson) -> Self {
        Self {
            resident: kib(zone.resident),
            dirty: kib(zone.dirty),
            swap: kib(zone.swap),
            zone: Zone {
                kind: zone.kind,
                name: shown(&zone.name),
                address: zone.address.map(|address| address.0),
                // An end below its start would wrap where lengths are summed.
                ranges: zone
                    .ranges
                    .into_iter()
                    .filter(|range| range.start <= range.end)
                    .collect(),
                system_bytes: zone.system,
                max_system_bytes: zone.max_system,
                top_bytes: zone.top,
                attached_threads: zone.attached_threads,
                locked: zone.locked,
                counts: zone.counts,
                reading: printable_reading(zone.reading),
            },
        }
    }
}

fn printable_reading(reading: Reading) -> Reading {
    match reading {
        Reading::Partial { why } => Reading::Partial { why: shown(&why) },
        Reading::Torn { retries, why } => Reading::Torn {
            retries,
            why: shown(&why),
        },
        other => other,
    }
}

/// What is to be said of all zones.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct HeapNotes {
    gaps: Vec<String>,
    swapped_pages: u64,
    torn: usize,
}

impl From<&HeapReport> for HeapNotes {
    fn from(heap: &HeapReport) -> Self {
        Self {
            gaps: heap.gaps.clone(),
            swapped_pages: heap.swapped_pages,
            torn: heap.torn,
        }
    }
}

/// Zones and notes as read.
pub(super) fn heap(zones: Vec<ZoneJson>, notes: HeapNotes) -> HeapReport {
    HeapReport {
        zones: zones.into_iter().map(ZoneReport::from).collect(),
        gaps: notes.gaps.iter().map(|gap| shown(gap)).collect(),
        swapped_pages: notes.swapped_pages,
        torn: notes.torn,
    }
}

/// An ELF file that is mapped executable.
#[derive(Serialize, Deserialize)]
pub(super) struct ImageJson {
    path: String,
    state: FileState,
    lacks_relro: Option<bool>,
}

impl From<&Image> for ImageJson {
    fn from(image: &Image) -> Self {
        Self {
            path: image.object.shown.clone(),
            state: image.state,
            lacks_relro: image.lacks_relro,
        }
    }
}

impl From<ImageJson> for Image {
    fn from(image: ImageJson) -> Self {
        Self {
            object: Arc::new(Object {
                shown: shown(&image.path),
                name: image.path.into_bytes(),
                ..Object::default()
            }),
            state: image.state,
            lacks_relro: image.lacks_relro,
        }
    }
}

/// Addresses as words.
mod address {
    use super::{Addr, Worded, hex};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(addr: &Addr, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(*addr))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Addr, D::Error> {
        Ok(Worded::<Addr>::deserialize(deserializer)?.0)
    }
}

/// Addresses that may not be known.
mod maybe_address {
    use super::{Addr, Worded, hex};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(addr: &Option<Addr>, serializer: S) -> Result<S::Ok, S::Error> {
        addr.map(hex).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Addr>, D::Error> {
        Ok(Option::<Worded<Addr>>::deserialize(deserializer)?.map(|word| word.0))
    }
}
