//! Perfetto's trace format: a stream of `TracePacket`s, each a protocol buffer, written by hand (`perfetto_trace.proto`; only the
//! numbers of fields are needed). Chosen over Chrome's JSON because it is a third of the size, keeps 64-bit addresses exact, and
//! because the viewer reads it in a stream.
//!
//! A process is a track, and an event is an instant on the track of the process that ran, or of the kernel's own. A nanosecond of
//! the viewer is one instruction. Names are interned once, in the first packet. Key type: [`Tracks`].

use process::Pid;
use rustc_hash::FxHashMap;

use super::record::{Key, Name, Record, Value};

/// Numbers of fields, named as in the `.proto` files.
mod field {
    pub(super) const TRACE_PACKET: u32 = 1;
    pub(super) const PACKET_TIMESTAMP: u32 = 8;
    pub(super) const PACKET_SEQUENCE_ID: u32 = 10;
    pub(super) const PACKET_TRACK_EVENT: u32 = 11;
    pub(super) const PACKET_INTERNED_DATA: u32 = 12;
    pub(super) const PACKET_SEQUENCE_FLAGS: u32 = 13;
    pub(super) const PACKET_TRACK_DESCRIPTOR: u32 = 60;
    pub(super) const TRACK_UUID: u32 = 1;
    pub(super) const TRACK_PROCESS: u32 = 3;
    pub(super) const PROCESS_PID: u32 = 1;
    pub(super) const PROCESS_NAME: u32 = 6;
    pub(super) const EVENT_ANNOTATION: u32 = 4;
    pub(super) const EVENT_TYPE: u32 = 9;
    pub(super) const EVENT_NAME_IID: u32 = 10;
    pub(super) const EVENT_TRACK_UUID: u32 = 11;
    pub(super) const ANNOTATION_NAME_IID: u32 = 1;
    pub(super) const ANNOTATION_BOOL: u32 = 2;
    pub(super) const ANNOTATION_UINT: u32 = 3;
    pub(super) const ANNOTATION_STRING: u32 = 6;
    pub(super) const ANNOTATION_POINTER: u32 = 7;
    pub(super) const INTERNED_EVENT_NAMES: u32 = 2;
    pub(super) const INTERNED_ANNOTATION_NAMES: u32 = 3;
    pub(super) const INTERNED_IID: u32 = 1;
    pub(super) const INTERNED_NAME: u32 = 2;
}

const TYPE_INSTANT: u64 = 3;
/// This packet begins a new state of interned names, or needs the one there is.
const STATE_CLEARED: u64 = 1;
const NEEDS_STATE: u64 = 2;
const SEQUENCE: u64 = 1;

/// Processes by number: what the viewer was told of them.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    /// The name, and whether the file has it.
    known: FxHashMap<Pid, (String, bool)>,
    /// Whose name a child takes until its exec.
    newest: String,
}

impl Tracks {
    /// A process is this program from now on.
    pub(super) fn named(&mut self, pid: Pid, program: &str) {
        self.newest.clear();
        self.newest.push_str(program);
        self.known.insert(pid, (program.to_owned(), false));
    }

    /// A process was made, and is its parent's program until it says otherwise.
    pub(super) fn forked(&mut self, pid: Pid) {
        let name = self.newest.clone();
        self.known.entry(pid).or_insert((name, false));
    }

    /// The track of a task: its own if it is a process, else there is one by its number.
    fn descriptor(&mut self, out: &mut Vec<u8>, pid: Pid) {
        let (name, told) = self.known.entry(pid).or_insert_with(|| {
            let name = if pid.get() == 0 { "kernel" } else { "thread" };
            (name.to_owned(), false)
        });
        if !*told {
            *told = true;
            let name = name.clone();
            message(out, field::TRACE_PACKET, |packet| {
                number(packet, field::PACKET_SEQUENCE_ID, SEQUENCE);
                message(packet, field::PACKET_TRACK_DESCRIPTOR, |track| {
                    number(track, field::TRACK_UUID, uuid(pid));
                    message(track, field::TRACK_PROCESS, |process| {
                        number(process, field::PROCESS_PID, pid.get().into());
                        bytes(process, field::PROCESS_NAME, name.as_bytes());
                    });
                });
            });
        }
    }
}

fn uuid(pid: Pid) -> u64 {
    u64::from(pid.get()) + 1
}

/// The names of events and of their fields.
pub(super) fn header(out: &mut Vec<u8>) {
    let interned = |data: &mut Vec<u8>, field, index: usize, name: &str| {
        message(data, field, |entry| {
            number(entry, field::INTERNED_IID, index as u64 + 1);
            bytes(entry, field::INTERNED_NAME, name.as_bytes());
        });
    };
    message(out, field::TRACE_PACKET, |packet| {
        number(packet, field::PACKET_SEQUENCE_ID, SEQUENCE);
        message(packet, field::PACKET_INTERNED_DATA, |data| {
            for (index, name) in Name::ALL.iter().enumerate() {
                interned(data, field::INTERNED_EVENT_NAMES, index, name.as_str());
            }
            for (index, key) in Key::ALL.iter().enumerate() {
                interned(data, field::INTERNED_ANNOTATION_NAMES, index, key.as_str());
            }
        });
        number(packet, field::PACKET_SEQUENCE_FLAGS, STATE_CLEARED);
    });
}

pub(super) fn packet(out: &mut Vec<u8>, tracks: &mut Tracks, record: &Record) {
    let stamp = record.stamp;
    tracks.descriptor(out, stamp.pid);
    message(out, field::TRACE_PACKET, |packet| {
        number(packet, field::PACKET_TIMESTAMP, stamp.retired);
        number(packet, field::PACKET_SEQUENCE_ID, SEQUENCE);
        message(packet, field::PACKET_TRACK_EVENT, |event| {
            if stamp.pc != 0 {
                annotation(event, Key::Pc, &Value::Address(stamp.pc));
            }
            for (key, value) in &record.fields {
                annotation(event, *key, value);
            }
            number(event, field::EVENT_TYPE, TYPE_INSTANT);
            number(event, field::EVENT_NAME_IID, record.name as u64 + 1);
            number(event, field::EVENT_TRACK_UUID, uuid(stamp.pid));
        });
        number(packet, field::PACKET_SEQUENCE_FLAGS, NEEDS_STATE);
    });
}

fn annotation(event: &mut Vec<u8>, key: Key, value: &Value) {
    message(event, field::EVENT_ANNOTATION, |out| {
        number(out, field::ANNOTATION_NAME_IID, key as u64 + 1);
        match value {
            Value::Number(value) => number(out, field::ANNOTATION_UINT, *value),
            Value::Address(value) => number(out, field::ANNOTATION_POINTER, *value),
            Value::Truth(value) => number(out, field::ANNOTATION_BOOL, u64::from(*value)),
            Value::Word(value) => bytes(out, field::ANNOTATION_STRING, value.as_bytes()),
            Value::Text(value) => bytes(out, field::ANNOTATION_STRING, value.as_bytes()),
        }
    });
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    varint(out, u64::from(field) << 3);
    varint(out, value);
}

fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    varint(out, u64::from(field) << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A message in a message. Its length is written before it once it is known: in three bytes, which hold all that one event can be,
/// so that nothing has to be moved. A varint may have more bytes than it needs.
fn message(out: &mut Vec<u8>, field: u32, body: impl FnOnce(&mut Vec<u8>)) {
    varint(out, u64::from(field) << 3 | 2);
    let at = out.len();
    out.extend_from_slice(&[0; 3]);
    body(out);
    let length = out.len() - at - 3;
    debug_assert!(length < 1 << 21, "an event of {length} bytes");
    out[at] = length as u8 | 0x80;
    out[at + 1] = (length >> 7) as u8 | 0x80;
    out[at + 2] = (length >> 14) as u8 & 0x7f;
}
