//! The frames of the remote protocol, `$body#xx`: taken apart before gdbstub sees them, so that a broken one is asked
//! for again instead of ending the session, and put together for answers that gdbstub does not know.

use std::fmt::Write as _;

/// The longest body. gdb is told so (`PacketSize`).
pub(super) const MAX_BODY: usize = 0x4000;

/// Something that came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Incoming {
    /// Ctrl-C.
    Interrupt,
    /// A packet's body, checked.
    Packet(Vec<u8>),
    /// A packet whose checksum is wrong.
    Spoilt,
    /// The last answer is wanted again.
    Again,
}

/// A packet longer than allowed: the other side speaks something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooLong;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Between,
    Body,
    Checksum,
    /// With its first digit.
    Last(u8),
}

/// Takes packets out of a stream of bytes.
#[derive(Debug, Default)]
pub(super) struct Packets {
    state: State,
    body: Vec<u8>,
}

impl Packets {
    /// What is complete with this byte.
    pub(super) fn push(&mut self, byte: u8) -> Result<Option<Incoming>, TooLong> {
        match (self.state, byte) {
            (State::Between, 0x03) => return Ok(Some(Incoming::Interrupt)),
            (State::Between, b'-') => return Ok(Some(Incoming::Again)),
            (State::Between | State::Body, b'$') => {
                self.body.clear();
                self.state = State::Body;
            }
            // Acknowledgements, and noise.
            (State::Between, _) => {}
            (State::Body, b'#') => self.state = State::Checksum,
            (State::Body, _) if self.body.len() == MAX_BODY => return Err(TooLong),
            (State::Body, _) => self.body.push(byte),
            (State::Checksum, _) => self.state = State::Last(byte),
            (State::Last(first), _) => {
                self.state = State::Between;
                let body = std::mem::take(&mut self.body);
                let sum = checksum(&body);
                let told = digit(first).zip(digit(byte)).map(|(high, low)| high << 4 | low);
                return Ok(Some(if told == Some(sum) {
                    Incoming::Packet(body)
                } else {
                    Incoming::Spoilt
                }));
            }
        }
        Ok(None)
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

fn checksum(body: &[u8]) -> u8 {
    body.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
}

/// A packet around a body.
pub(super) fn packet(body: &[u8]) -> Vec<u8> {
    let mut whole = vec![b'$'];
    whole.extend_from_slice(body);
    whole.extend_from_slice(format!("#{:02x}", checksum(body)).as_bytes());
    whole
}

/// Adds to the body of the packet that begins at or after `from`.
pub(super) fn amend(out: &mut Vec<u8>, from: usize, more: &str) {
    let Some(start) = out
        .iter()
        .skip(from)
        .position(|byte| *byte == b'$')
        .map(|at| at + from + 1)
    else {
        return;
    };
    let Some(end) = out
        .iter()
        .skip(start)
        .position(|byte| *byte == b'#')
        .map(|at| at + start)
    else {
        return;
    };
    let mut body = out[start..end].to_vec();
    body.extend_from_slice(more.as_bytes());
    out.truncate(start - 1);
    out.extend(packet(&body));
}

/// Two hexadecimal digits a byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A text takes all that is written to it.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A number in hexadecimal.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// The part `offset,length` of an object, as `qXfer` answers it. Binary bytes are escaped.
pub(super) fn part(object: &[u8], range: &[u8]) -> Option<Vec<u8>> {
    let comma = range.iter().position(|byte| *byte == b',')?;
    let offset = usize::try_from(number(&range[..comma])?).ok()?;
    let length = usize::try_from(number(&range[comma + 1..])?).ok()?;
    let rest = object.get(offset..)?;
    // An escaped byte takes two.
    let count = length.min(rest.len()).min(MAX_BODY / 2 - 1);
    let mut answer = vec![if count < rest.len() { b'm' } else { b'l' }];
    for &byte in &rest[..count] {
        if matches!(byte, b'#' | b'$' | b'}' | b'*') {
            answer.extend([b'}', byte ^ 0x20]);
        } else {
            answer.push(byte);
        }
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bytes: &[u8]) -> Vec<Incoming> {
        let mut packets = Packets::default();
        let all = bytes
            .iter()
            .filter_map(|byte| packets.push(*byte).expect("short"));
        all.collect()
    }

    #[test]
    fn frames_come_out_of_noise() {
        let body = |text: &str| Incoming::Packet(text.as_bytes().to_vec());
        assert_eq!(
            take(b"+$g#67junk\x03-$?#3f"),
            [body("g"), Incoming::Interrupt, Incoming::Again, body("?")]
        );
        assert_eq!(take(b"$g#68$g#zz"), [Incoming::Spoilt, Incoming::Spoilt]);
        assert_eq!(take(b"$half$g#67"), [body("g")], "a packet that was begun anew");
        assert_eq!(take(b"$#00$"), [body("")]);
    }

    #[test]
    fn a_packet_without_end_is_refused() {
        let mut packets = Packets::default();
        assert_eq!(packets.push(b'$'), Ok(None));
        for _ in 0..MAX_BODY {
            assert_eq!(packets.push(b'x'), Ok(None));
        }
        assert_eq!(packets.push(b'x'), Err(TooLong));
    }

    #[test]
    fn answers_can_be_amended() {
        let mut out = b"+$T05thread:1;#xx".to_vec();
        amend(&mut out, 1, "exec:2f;");
        assert_eq!(out, [b"+".to_vec(), packet(b"T05thread:1;exec:2f;")].concat());
        let before = out.clone();
        amend(&mut out, before.len(), "more");
        assert_eq!(out, before, "nothing there to amend");
    }

    #[test]
    fn parts_of_objects() {
        let wanted = |object: &[u8], range: &[u8]| part(object, range);
        assert_eq!(wanted(b"abc", b"0,2"), Some(b"mab".to_vec()));
        assert_eq!(wanted(b"abc", b"2,ffffffff"), Some(b"lc".to_vec()));
        assert_eq!(wanted(b"abc", b"3,1"), Some(b"l".to_vec()));
        assert_eq!(wanted(b"abc", b"4,1"), None);
        assert_eq!(wanted(b"#", b"0,1"), Some(b"l}\x03".to_vec()));
        assert_eq!(wanted(b"abc", b"0"), None);
        assert_eq!(wanted(b"abc", b"0,-1"), None);
    }
}
