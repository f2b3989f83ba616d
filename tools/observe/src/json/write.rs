//! The document, written in one pass: what stands before the regions, the regions one at a time (`regions`), what stands after them.

use super::SCHEMA;
use super::parts::{HeapNotes, ImageJson, ThreadJson, ZoneJson};
use super::region::{bytes, hex};
use super::regions::write_regions;
use crate::corefile::CoreJson;
use crate::{Snapshot, TypeRow};
use procfs::LimitValue;
use serde::Serialize;
use std::io::{self, Write};

/// Write the snapshot as one line of JSON.
///
/// # Errors
/// The writer's.
pub fn write(snapshot: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    // The two halves are small and objects of their own; the regions go between them without a tree.
    let mut head = serde_json::to_vec(&head(snapshot))?;
    head.pop();
    out.write_all(&head)?;
    out.write_all(b",\"regions\":")?;
    write_regions(snapshot, out)?;
    let tail = serde_json::to_vec(&tail(snapshot))?;
    out.write_all(b",")?;
    out.write_all(tail.get(1..).unwrap_or_default())?;
    // Not flushed: a compressor would end its block, with bits that nothing checks.
    out.write_all(b"\n")
}

/// What stands before the regions.
#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    written_by: &'static str,
    process: Process<'a>,
    footprint: FootprintOut,
    changed_while_reading: bool,
    not_read: Vec<NotRead<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    core: Option<CoreJson>,
}

/// What stands after them.
#[derive(Serialize)]
struct Tail {
    threads: Option<Vec<ThreadJson>>,
    malloc_zones: Option<Vec<ZoneJson>>,
    malloc_notes: Option<HeapNotes>,
    images: Vec<ImageJson>,
    audit: Vec<AuditOut>,
    types: Vec<TypeOut>,
    total: Option<RowOut>,
}

#[derive(Serialize)]
struct Process<'a> {
    pid: i32,
    name: &'a str,
    path: Option<&'a str>,
    load_address: Option<String>,
    code_type: Option<&'a str>,
    parent_pid: Option<i32>,
    parent_name: Option<&'a str>,
    threads: Option<i64>,
    state: char,
    taken_ms: Option<u64>,
    launched_ms: Option<u64>,
    os_version: Option<&'a str>,
    page_size: Option<u64>,
    virtual_size: Option<u64>,
    resident: Option<u64>,
    /// Bytes; absent if unlimited or not known.
    stack_limit: Option<u64>,
    is_stack_unlimited: bool,
    max_map_count: Option<u64>,
    root: &'a str,
}

#[derive(Serialize)]
struct FootprintOut {
    full: Option<u64>,
    additive: Option<u64>,
    additive_is_estimated: bool,
    from_status: Option<u64>,
    peak_at_least: Option<u64>,
    peak_at_most: Option<u64>,
    peak_from_status: Option<u64>,
    page_tables: Option<u64>,
}

#[derive(Serialize)]
struct AuditOut {
    code: &'static str,
    text: String,
}

#[derive(Serialize)]
struct NotRead<'a> {
    what: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct TypeOut {
    #[serde(rename = "type")]
    kind: &'static str,
    is_reserved: bool,
    #[serde(flatten)]
    row: RowOut,
}

#[derive(Serialize)]
struct RowOut {
    size: u64,
    resident: Option<u64>,
    dirty: Option<u64>,
    swap: Option<u64>,
    volatile: Option<u64>,
    pss: Option<u64>,
    uss: Option<u64>,
    locked: Option<u64>,
    regions: usize,
}

fn head(snapshot: &Snapshot) -> Head<'_> {
    let facts = &snapshot.facts;
    let (footprint, peak) = (snapshot.footprint(), snapshot.peak());
    Head {
        schema: SCHEMA,
        written_by: concat!("pagewalk ", env!("CARGO_PKG_VERSION")),
        process: Process {
            pid: facts.pid,
            name: &facts.name,
            path: facts.path.as_deref(),
            load_address: snapshot.load_address().map(hex),
            code_type: facts.code_type.as_deref(),
            parent_pid: Some(facts.parent).filter(|&pid| pid >= 0),
            parent_name: facts.parent_name.as_deref(),
            threads: Some(facts.threads).filter(|&count| count >= 0),
            state: facts.state,
            taken_ms: facts.taken.map(|m| m.0),
            launched_ms: facts.launched.map(|m| m.0),
            os_version: facts.os_version.as_deref(),
            page_size: facts.page_bytes,
            virtual_size: bytes(facts.virtual_size),
            resident: bytes(facts.resident),
            stack_limit: match facts.stack_limit {
                Some(LimitValue::Value(limit)) => Some(limit),
                _ => None,
            },
            is_stack_unlimited: facts.stack_limit == Some(LimitValue::Unlimited),
            max_map_count: facts.most_maps,
            root: &snapshot.root,
        },
        footprint: FootprintOut {
            full: footprint.map(|f| f.full.bytes()),
            additive: bytes(footprint.and_then(|f| f.additive)),
            additive_is_estimated: footprint.is_some_and(|f| f.is_additive_estimated),
            from_status: bytes(facts.coarse_footprint),
            peak_at_least: bytes(peak.and_then(|p| p.at_least)),
            peak_at_most: peak.map(|p| p.at_most.bytes()),
            peak_from_status: bytes(facts.peak_bound),
            page_tables: bytes(facts.page_tables),
        },
        changed_while_reading: snapshot.changed_while_reading,
        core: snapshot.core.as_ref().map(CoreJson::from),
        not_read: snapshot
            .gaps
            .iter()
            .map(|g| NotRead {
                what: &g.what,
                why: &g.why,
            })
            .collect(),
    }
}

fn tail(snapshot: &Snapshot) -> Tail {
    let totals = snapshot.totals();
    Tail {
        threads: snapshot
            .threads
            .as_ref()
            .map(|all| all.iter().map(ThreadJson::from).collect()),
        malloc_zones: snapshot
            .heap
            .as_ref()
            .map(|heap| heap.zones.iter().map(ZoneJson::from).collect()),
        malloc_notes: snapshot.heap.as_ref().map(HeapNotes::from),
        images: snapshot.images.iter().map(ImageJson::from).collect(),
        audit: crate::audit::audit(snapshot)
            .into_iter()
            .map(|finding| AuditOut {
                code: finding.code,
                text: finding.text,
            })
            .collect(),
        types: totals
            .by_kind
            .iter()
            .map(|(kind, row)| TypeOut {
                kind: kind.name(),
                is_reserved: kind.is_reserved(),
                row: row_out(row),
            })
            .collect(),
        total: snapshot.regions.is_some().then(|| row_out(&totals.all)),
    }
}

fn row_out(row: &TypeRow) -> RowOut {
    RowOut {
        size: row.virtual_bytes,
        resident: bytes(row.resident),
        dirty: bytes(row.dirty),
        swap: bytes(row.swap),
        volatile: bytes(row.volatile),
        pss: bytes(row.proportional),
        uss: bytes(row.unique),
        locked: bytes(row.locked),
        regions: row.count,
    }
}
