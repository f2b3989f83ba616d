//! A difference as JSON, schema `pagewalk.diff/1`, streamed. Sizes are bytes; unknown is `null`.
//!
//! One object: `schema`, `before` and `after` (what each side is, in words), `same_process`, `footprint`, `total`, `types`, `unchanged` (a count), and
//! `changes`: `{identity, change: "new"|"gone"|"changed", type, detail, before, after, delta}`, largest change first, `before` and `after` being
//! `null` or `{start, size, resident, dirty, swap, pss}`.

use super::figures::difference;
use super::{Change, Delta, Diff, Side, Sizes, TypeChange, footprint};
use crate::Snapshot;
use procfs::Kib;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::io::{self, Write};

/// The schema's name and version.
pub const SCHEMA: &str = "pagewalk.diff/1";

/// Write the difference as one line of JSON.
///
/// # Errors
/// The writer's.
pub fn write(diff: &Diff<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, diff).map_err(io::Error::from)?;
    writeln!(out)
}

impl Serialize for Diff<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Diff", 9)?;
        out.serialize_field("schema", SCHEMA)?;
        out.serialize_field("before", &in_words(self.before))?;
        out.serialize_field("after", &in_words(self.after))?;
        out.serialize_field("same_process", &self.is_same_process)?;
        out.serialize_field("footprint", &FootprintOut::of(self))?;
        let [before, after] = self.totals;
        let delta = Delta::between(before, after);
        out.serialize_field("total", &SidesOut { before, after, delta })?;
        out.serialize_field("types", &self.types)?;
        out.serialize_field("unchanged", &self.unchanged)?;
        out.serialize_field("changes", &self.changes)?;
        out.end()
    }
}

/// What a side is: the process, the moment, and where it was read.
pub(super) fn in_words(snapshot: &Snapshot) -> String {
    let facts = &snapshot.facts;
    let when = facts.taken.map_or(String::new(), |m| format!(" at {m}"));
    format!("{} [{}]{when}, {}", facts.name, facts.pid, snapshot.root)
}

#[derive(serde::Serialize)]
struct FootprintOut {
    before: Option<u64>,
    after: Option<u64>,
    delta: Option<i64>,
    peak_before: Option<u64>,
    peak_after: Option<u64>,
}

impl FootprintOut {
    fn of(diff: &Diff<'_>) -> Self {
        let peak = |snapshot: &Snapshot| snapshot.peak().map(|p| Kib::bytes(p.at_most));
        let (before, after) = (footprint(diff.before), footprint(diff.after));
        Self {
            before,
            after,
            delta: difference(before, after),
            peak_before: peak(diff.before),
            peak_after: peak(diff.after),
        }
    }
}

#[derive(serde::Serialize)]
struct SidesOut {
    before: Sizes,
    after: Sizes,
    delta: Delta,
}

impl Serialize for Side {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Side", 6)?;
        out.serialize_field("start", &format!("{:#x}", self.start.0))?;
        out.serialize_field("size", &self.sizes.size)?;
        out.serialize_field("resident", &self.sizes.resident)?;
        out.serialize_field("dirty", &self.sizes.dirty)?;
        out.serialize_field("swap", &self.sizes.swap)?;
        out.serialize_field("pss", &self.sizes.pss)?;
        out.end()
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Change", 7)?;
        out.serialize_field("identity", &self.identity)?;
        out.serialize_field("change", &self.change)?;
        out.serialize_field("type", self.kind.name())?;
        out.serialize_field("detail", &self.detail)?;
        out.serialize_field("before", &self.before)?;
        out.serialize_field("after", &self.after)?;
        out.serialize_field("delta", &self.delta)?;
        out.end()
    }
}

impl Serialize for TypeChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("TypeChange", 6)?;
        out.serialize_field("type", self.kind.name())?;
        out.serialize_field("before", &self.before)?;
        out.serialize_field("after", &self.after)?;
        out.serialize_field("delta", &self.delta)?;
        out.serialize_field("regions_before", &self.counts[0])?;
        out.serialize_field("regions_after", &self.counts[1])?;
        out.end()
    }
}
