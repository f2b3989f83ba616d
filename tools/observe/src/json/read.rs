//! The document read back into a [`Snapshot`], as a stream: one region at a time.

use super::parts::{self, HeapNotes, ImageJson, ThreadJson, ZoneJson};
use super::region::{RegionIn, hex};
use super::{FAMILY, SCHEMA};
use crate::corefile::CoreJson;
use crate::region::Objects;
use crate::{Facts, Gap, Image, Moment, Region, Section, Snapshot};
use procfs::printable;
use procfs::{Addr, Kib, LimitValue};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::io::{self, Read};

/// Why a document gives no snapshot.
#[derive(Debug)]
pub enum ReadError {
    /// The stream could not be read.
    Io(io::Error),
    /// It ends too early.
    CutShort,
    /// It is not this schema, or says what no process can have; where and why.
    Wrong(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::CutShort => f.write_str("it is cut short"),
            Self::Wrong(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<serde_json::Error> for ReadError {
    fn from(error: serde_json::Error) -> Self {
        use serde_json::error::Category;
        match error.classify() {
            Category::Eof => Self::CutShort,
            Category::Io => match io::Error::from(error) {
                error if error.kind() == io::ErrorKind::UnexpectedEof => Self::CutShort,
                error => Self::Io(error),
            },
            // Messages may quote the document.
            Category::Syntax => Self::Wrong(printable(
                format!("it is no saved snapshot, and no JSON: {error}").as_bytes(),
            )),
            Category::Data => Self::Wrong(printable(error.to_string().as_bytes())),
        }
    }
}

/// The snapshot of a document. The stream is read to its end, so that what wraps it can check its sums.
///
/// # Errors
/// [`ReadError`] if it cannot be read, is cut short, or is not a document of this schema and version.
pub fn read(source: impl Read) -> Result<Snapshot, ReadError> {
    let mut document = serde_json::Deserializer::from_reader(source);
    let DocumentIn {
        schema: SchemaIn,
        process,
        footprint,
        changed_while_reading,
        not_read,
        core,
        regions,
        threads,
        malloc_zones,
        malloc_notes,
        images,
    } = DocumentIn::deserialize(&mut document)?;
    document.end()?;
    let (regions, sections) = regions
        .map(|Regions { regions, sections }| (regions, sections))
        .unzip();
    Ok(Snapshot {
        facts: facts(&process, &footprint)?,
        regions,
        is_part: false,
        images: images.into_iter().map(Image::from).collect(),
        sections: sections.unwrap_or_default(),
        heap: malloc_zones.map(|zones| parts::heap(zones, malloc_notes.unwrap_or_default())),
        threads: threads.map(parts::threads),
        // Of the moment of reading only.
        longest_hold: None,
        core: core.and_then(CoreJson::facts),
        gaps: not_read.into_iter().map(Gap::from).collect(),
        // It is among what was not read.
        cut_short: None,
        changed_while_reading,
        root: shown(&process.root),
    })
}

/// The schema's name and version, which must be ours.
struct SchemaIn;

impl<'de> Deserialize<'de> for SchemaIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let schema = String::deserialize(deserializer)?;
        if schema == SCHEMA {
            return Ok(Self);
        }
        let what = if schema.starts_with(FAMILY) {
            "another version of pagewalk wrote it"
        } else {
            "it is no saved snapshot"
        };
        let schema: String = schema.chars().take(40).collect();
        Err(D::Error::custom(format!(
            "{what}: its schema is \"{schema}\", and this one reads {SCHEMA}"
        )))
    }
}

#[derive(Deserialize)]
struct DocumentIn {
    schema: SchemaIn,
    process: ProcessIn,
    footprint: FootprintIn,
    #[serde(default)]
    changed_while_reading: bool,
    #[serde(default)]
    not_read: Vec<NotReadIn>,
    core: Option<CoreJson>,
    regions: Option<Regions>,
    threads: Option<Vec<ThreadJson>>,
    malloc_zones: Option<Vec<ZoneJson>>,
    malloc_notes: Option<HeapNotes>,
    #[serde(default)]
    images: Vec<ImageJson>,
}

#[derive(Deserialize)]
struct ProcessIn {
    pid: i32,
    name: String,
    path: Option<String>,
    code_type: Option<String>,
    parent_pid: Option<i32>,
    parent_name: Option<String>,
    threads: Option<i64>,
    state: char,
    taken_ms: Option<u64>,
    launched_ms: Option<u64>,
    os_version: Option<String>,
    page_size: Option<u64>,
    virtual_size: Option<u64>,
    resident: Option<u64>,
    stack_limit: Option<u64>,
    #[serde(default)]
    is_stack_unlimited: bool,
    max_map_count: Option<u64>,
    root: String,
}

#[derive(Deserialize)]
struct FootprintIn {
    from_status: Option<u64>,
    peak_from_status: Option<u64>,
    page_tables: Option<u64>,
}

#[derive(Deserialize)]
struct NotReadIn {
    what: String,
    why: String,
}

impl From<NotReadIn> for Gap {
    fn from(gap: NotReadIn) -> Self {
        Self {
            what: shown(&gap.what).into(),
            why: shown(&gap.why),
        }
    }
}

/// No text of a file may steer the terminal.
fn shown(text: &str) -> String {
    printable(text.as_bytes())
}

fn facts(process: &ProcessIn, footprint: &FootprintIn) -> Result<Facts, ReadError> {
    let text = |text: &Option<String>| text.as_deref().map(shown);
    let kib = |bytes: Option<u64>| bytes.map(Kib::from_bytes);
    if let Some(odd) = process.page_size.filter(|bytes| !bytes.is_power_of_two()) {
        return Err(ReadError::Wrong(format!("{odd} is no size of a page")));
    }
    Ok(Facts {
        pid: process.pid,
        name: shown(&process.name),
        path: text(&process.path),
        code_type: text(&process.code_type),
        parent: process.parent_pid.unwrap_or(-1),
        parent_name: text(&process.parent_name),
        taken: process.taken_ms.map(Moment),
        launched: process.launched_ms.map(Moment),
        os_version: text(&process.os_version),
        page_bytes: process.page_size,
        threads: process.threads.unwrap_or(-1),
        state: process.state,
        page_tables: kib(footprint.page_tables),
        virtual_size: kib(process.virtual_size),
        resident: kib(process.resident),
        coarse_footprint: kib(footprint.from_status),
        peak_bound: kib(footprint.peak_from_status),
        stack_limit: match process.stack_limit {
            _ if process.is_stack_unlimited => Some(LimitValue::Unlimited),
            limit => limit.map(LimitValue::Value),
        },
        most_maps: process.max_map_count,
    })
}

/// Regions by address, none over another, and their sections.
#[derive(Default)]
struct Regions {
    regions: Vec<Region>,
    sections: Vec<Section>,
}

impl<'de> Deserialize<'de> for Regions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(List)
    }
}

struct List;

impl<'de> Visitor<'de> for List {
    type Value = Regions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of regions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut objects = Objects::default();
        let (mut all, mut end) = (Regions::default(), Addr(0));
        while let Some(RegionIn {
            map,
            mut region,
            sections,
        }) = list.next_element()?
        {
            if map.start < end {
                let (start, end) = (hex(map.start), hex(end));
                return Err(A::Error::custom(format!(
                    "regions must ascend: one starts at {start}, before {end} where the one before ends"
                )));
            }
            end = map.end;
            region.object = objects.get(&map);
            all.regions.push(region);
            all.sections.extend(sections);
        }
        all.sections.sort_by_key(|section| section.start);
        // One that spans two regions stands in both.
        all.sections.dedup();
        Ok(all)
    }
}
