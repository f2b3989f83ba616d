//! The facts of a core in the JSON document, both ways ([`CoreJson`]): so a saved report of a core says all that the report said.
//! Neighbour: `facts`. Absent: the general registers, which no report shows.

use super::error::CutShort;
use super::facts::{CoreFacts, Dumped};
use super::headers::Machine;
use super::prstatus::{CoreThread, Signal};
use procfs::Addr;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The object `core` of the JSON report; bytes, addresses as in the rest of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct CoreJson {
    /// Code Type's word; documents of before this field have no core to show.
    machine: Option<String>,
    written_by: String,
    signal: Option<i32>,
    /// Follows from the number; for readers.
    #[serde(skip_deserializing)]
    signal_name: Option<String>,
    signal_code: Option<i32>,
    signal_sender: Option<i32>,
    fault_address: Option<Hex>,
    /// Follows from `cut_short`; for readers.
    #[serde(skip_deserializing)]
    missing_bytes: u64,
    cut_short: Option<CutJson>,
    threads: Vec<ThreadJson>,
    segments: Vec<SegmentJson>,
}

#[derive(Serialize, Deserialize)]
struct CutJson {
    file_bytes: u64,
    needed_bytes: u64,
    missing_from: Option<Hex>,
    whole_segments: usize,
    segments: usize,
    notes_missing: bool,
}

#[derive(Serialize, Deserialize)]
struct ThreadJson {
    tid: i32,
    signal: i16,
    pc: Hex,
    sp: Hex,
    thread_pointer: Option<Hex>,
}

#[derive(Serialize, Deserialize)]
struct SegmentJson {
    start: Hex,
    end: Hex,
    dumped: u64,
    readable: u64,
}

/// An address, such as `"0x7f0012345678"`.
#[derive(Clone, Copy)]
struct Hex(Addr);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let digits = word.strip_prefix("0x");
        let address = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let address =
            address.ok_or_else(|| D::Error::custom("an address of `core` is not hexadecimal after 0x"))?;
        Ok(Self(Addr(address)))
    }
}

impl From<&CoreFacts> for CoreJson {
    fn from(core: &CoreFacts) -> Self {
        let thread = |t: &CoreThread| ThreadJson {
            tid: t.tid,
            signal: t.signal,
            pc: Hex(t.pc),
            sp: Hex(t.sp),
            thread_pointer: t.thread_pointer.map(Hex),
        };
        let segment = |s: &Dumped| SegmentJson {
            start: Hex(s.start),
            end: Hex(s.end),
            dumped: s.dumped,
            readable: s.readable,
        };
        Self {
            machine: Some(core.machine.code_type().into()),
            written_by: if core.by_gdb { "gdb" } else { "kernel" }.into(),
            signal: core.signal.map(|s| s.number),
            signal_name: core.signal.map(|s| s.name()),
            signal_code: core.signal.and_then(|s| s.code),
            signal_sender: core.signal.and_then(|s| s.sender),
            fault_address: core.signal.and_then(|s| s.fault).map(Hex),
            missing_bytes: core.cut.map_or(0, |c| c.missing_bytes()),
            cut_short: core.cut.map(CutJson::from),
            threads: core.threads.iter().map(thread).collect(),
            segments: core.segments.iter().map(segment).collect(),
        }
    }
}

impl From<CutShort> for CutJson {
    fn from(cut: CutShort) -> Self {
        Self {
            file_bytes: cut.file_bytes,
            needed_bytes: cut.needed_bytes,
            missing_from: cut.missing_from.map(Hex),
            whole_segments: cut.whole_segments,
            segments: cut.segments,
            notes_missing: cut.notes_missing,
        }
    }
}

impl CoreJson {
    /// The facts again; `None` if the document was written before it held them all, or by a processor that we do not know. What the
    /// report lacks is in the document's own list.
    pub(crate) fn facts(self) -> Option<CoreFacts> {
        let known = [Machine::X86_64, Machine::Aarch64];
        let machine = known
            .into_iter()
            .find(|machine| Some(machine.code_type()) == self.machine.as_deref())?;
        let mut segments: Vec<Dumped> = self.segments.into_iter().map(Dumped::from).collect();
        segments.sort_by_key(|segment| segment.start);
        Some(CoreFacts {
            machine,
            signal: self.signal.map(|number| Signal {
                number,
                code: self.signal_code,
                fault: self.fault_address.map(|at| at.0),
                sender: self.signal_sender,
            }),
            threads: self.threads.into_iter().map(CoreThread::from).collect(),
            segments,
            by_gdb: self.written_by == "gdb",
            cut: self.cut_short.map(CutShort::from),
            gaps: Vec::new(),
        })
    }
}

impl From<SegmentJson> for Dumped {
    fn from(segment: SegmentJson) -> Self {
        let (start, end) = (segment.start.0, segment.end.0.max(segment.start.0));
        let dumped = segment.dumped.min(end.bytes_above(start));
        Self {
            start,
            end,
            dumped,
            readable: segment.readable.min(dumped),
        }
    }
}

impl From<ThreadJson> for CoreThread {
    fn from(thread: ThreadJson) -> Self {
        Self {
            tid: thread.tid,
            signal: thread.signal,
            registers: Vec::new(),
            sp: thread.sp.0,
            pc: thread.pc.0,
            thread_pointer: thread.thread_pointer.map(|at| at.0),
            ticks: (0, 0),
            pending: 0,
            blocked: 0,
        }
    }
}

impl From<CutJson> for CutShort {
    fn from(cut: CutJson) -> Self {
        Self {
            file_bytes: cut.file_bytes,
            needed_bytes: cut.needed_bytes,
            missing_from: cut.missing_from.map(|at| at.0),
            whole_segments: cut.whole_segments,
            segments: cut.segments,
            notes_missing: cut.notes_missing,
        }
    }
}
