//! A strict reader of the protocol buffers that a Perfetto trace is made of: every field must be known and of its wire type. Numbers
//! from perfetto_trace.proto; written apart from the writer. Key type: [`Trace`].

use std::collections::BTreeMap;

use serde_json::Value;

/// What a viewer makes of a trace.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// Process number and name of each track.
    pub(crate) tracks: BTreeMap<u64, (u64, String)>,
    pub(crate) events: Vec<Event>,
}

/// One instant.
#[derive(Debug, Default)]
pub(crate) struct Event {
    pub(crate) timestamp: u64,
    pub(crate) track: u64,
    pub(crate) name: String,
    pub(crate) fields: BTreeMap<String, Value>,
}

#[derive(Debug)]
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(_) => panic!("a number is due: {self:?}"),
        }
    }

    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => panic!("a message is due: {self:?}"),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("UTF-8")
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for index in 0..10 {
        let (first, rest) = bytes.split_first().expect("a varint ends");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << (7 * index);
        if first & 0x80 == 0 {
            return value;
        }
    }
    panic!("a varint of more than ten bytes");
}

fn message(mut bytes: &[u8]) -> Vec<(u64, Wire<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let wire = match tag & 7 {
            0 => Wire::Number(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (inside, rest) = bytes.split_at(length);
                bytes = rest;
                Wire::Bytes(inside)
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, wire));
    }
    fields
}

#[derive(Default)]
struct Names {
    events: BTreeMap<u64, String>,
    fields: BTreeMap<u64, String>,
}

pub(crate) fn read(bytes: &[u8]) -> Trace {
    let mut trace = Trace::default();
    let mut names = Names::default();
    for (field, packet) in message(bytes) {
        assert_eq!(field, 1, "Trace.packet");
        read_packet(&message(packet.bytes()), &mut trace, &mut names);
    }
    trace
}

fn read_packet(packet: &[(u64, Wire<'_>)], trace: &mut Trace, names: &mut Names) {
    let mut timestamp = None;
    let mut event = None;
    for (field, wire) in packet {
        match field {
            8 => timestamp = Some(wire.number()),
            10 => assert_eq!(wire.number(), 1, "trusted_packet_sequence_id"),
            11 => event = Some(read_event(wire.bytes(), names)),
            12 => read_names(wire.bytes(), names),
            13 => assert!([1, 2].contains(&wire.number()), "sequence_flags"),
            60 => read_track(wire.bytes(), trace),
            other => panic!("TracePacket has no field {other} here"),
        }
    }
    if let Some(event) = event {
        let timestamp = timestamp.expect("an event has a time");
        assert!(
            trace.tracks.contains_key(&event.track),
            "an event's track is known before it"
        );
        trace.events.push(Event { timestamp, ..event });
    }
}

fn read_names(data: &[u8], names: &mut Names) {
    for (field, wire) in message(data) {
        let (mut iid, mut name) = (0, String::new());
        for (part, wire) in message(wire.bytes()) {
            match part {
                1 => iid = wire.number(),
                2 => name = wire.text(),
                other => panic!("an interned name has no field {other}"),
            }
        }
        let table = match field {
            2 => &mut names.events,
            3 => &mut names.fields,
            other => panic!("InternedData has no field {other} here"),
        };
        assert!(iid > 0 && table.insert(iid, name).is_none());
    }
}

fn read_track(track: &[u8], trace: &mut Trace) {
    let (mut uuid, mut pid, mut name) = (0, 0, String::new());
    for (field, wire) in message(track) {
        match field {
            1 => uuid = wire.number(),
            3 => {
                for (part, wire) in message(wire.bytes()) {
                    match part {
                        1 => pid = wire.number(),
                        6 => name = wire.text(),
                        other => panic!("ProcessDescriptor has no field {other} here"),
                    }
                }
            }
            other => panic!("TrackDescriptor has no field {other} here"),
        }
    }
    trace.tracks.insert(uuid, (pid, name));
}

fn read_event(event: &[u8], names: &Names) -> Event {
    let mut read = Event::default();
    for (field, wire) in message(event) {
        match field {
            4 => {
                let (key, value) = read_field(wire.bytes(), names);
                assert!(read.fields.insert(key, value).is_none());
            }
            9 => assert_eq!(wire.number(), 3, "TYPE_INSTANT"),
            10 => read.name.clone_from(&names.events[&wire.number()]),
            11 => read.track = wire.number(),
            other => panic!("TrackEvent has no field {other} here"),
        }
    }
    read
}

fn read_field(annotation: &[u8], names: &Names) -> (String, Value) {
    let (mut key, mut value) = (String::new(), Value::Null);
    for (field, wire) in message(annotation) {
        match field {
            1 => key.clone_from(&names.fields[&wire.number()]),
            2 => value = (wire.number() == 1).into(),
            3 => value = wire.number().into(),
            6 => value = wire.text().into(),
            7 => value = format!("{:#x}", wire.number()).into(),
            other => panic!("DebugAnnotation has no field {other} here"),
        }
    }
    (key, value)
}
