//! The protocol of a machine's control socket: read-only access to the machine's `/proc`. Both sides are here.
//!
//! A Unix stream socket carries frames: a 32-bit little-endian length, then that many bytes, of which the first
//! says what it is. The client sends a [`Request`], the server answers each with one [`Response`], in order:
//!
//! | request | payload after the first byte | answer |
//! |---|---|---|
//! | `Hello` (1) | `"pagewalk"`, version u16 | `Hello` (0x81): version u16, host pid u32 |
//! | `Read` (2) | offset u64, length u32, path | `Data` (0x82): at most `length` bytes; fewer only at the end |
//! | `Link` (3) | path | `Data` (0x82): what the link holds |
//! | `List` (4) | path | `Names` (0x83): each name and a NUL |
//!
//! Anything may be answered with `Error` (0xff): errno u32, message. Numbers are little-endian. Paths are
//! relative to the machine's `/proc`, without `.` and `..`; [`Request::decode`] checks it.
//!
//! A text is made when its offset 0 is read, and the same connection's later offsets come from the same bytes, so
//! that a long `smaps` is one moment's. A frame longer than the limit, or one that does not decode, ends the
//! connection: there is no resynchronising after garbage.

use std::fmt;
use std::io::{self, Read, Write};

/// The version of the protocol that this crate speaks.
pub const VERSION: u16 = 1;

/// Most bytes of data in one answer.
pub const MAX_DATA: usize = 1 << 20;

/// Longest path in a request, bytes.
pub const MAX_PATH: usize = 4096;

/// Longest frame a server takes, bytes after the length.
pub const MAX_REQUEST: usize = MAX_PATH + 16;

/// Longest frame a client takes, bytes after the length.
pub const MAX_RESPONSE: usize = MAX_DATA + 16;

const MAGIC: &[u8; 8] = b"pagewalk";

/// What a client asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Who are you? The first request of a connection.
    Hello {
        /// The client's version.
        version: u16,
    },
    /// Bytes of a file.
    Read {
        /// Path in `/proc`.
        path: String,
        /// From which byte.
        offset: u64,
        /// At most how many, not above [`MAX_DATA`].
        len: u32,
    },
    /// What a symbolic link holds.
    Link {
        /// Path in `/proc`.
        path: String,
    },
    /// The names in a directory.
    List {
        /// Path in `/proc`; empty for its root.
        path: String,
    },
}

/// What a server answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Response {
    /// To `Hello`.
    Hello {
        /// The server's version.
        version: u16,
        /// The machine's process id on the host.
        host_pid: u32,
    },
    /// To `Read` and `Link`.
    Data(Vec<u8>),
    /// To `List`.
    Names(Vec<Vec<u8>>),
    /// It could not be done.
    Error {
        /// Linux's errno, such as 2 for ENOENT.
        errno: u32,
        /// In words; may be empty.
        message: String,
    },
}

/// A frame that is not of this protocol. The connection must be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WireError {
    /// Longer than the limit.
    TooLong {
        /// Its length.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// The first byte names no request or answer.
    UnknownKind(u8),
    /// The frame ends too early, or goes on too long.
    WrongLength {
        /// The frame's first byte.
        kind: u8,
        /// Its length.
        len: usize,
    },
    /// The frame is empty.
    Empty,
    /// `Hello` without the magic word.
    NotPagewalk,
    /// A path that is absolute, too long, not UTF-8, or holds NUL, `.` or `..`.
    BadPath,
    /// A read of more than [`MAX_DATA`] bytes.
    ReadTooLong(u32),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, limit } => write!(f, "a frame of {len} bytes, above the limit of {limit}"),
            Self::UnknownKind(kind) => write!(f, "a frame of unknown kind {kind:#04x}"),
            Self::WrongLength { kind, len } => {
                write!(f, "a frame of kind {kind:#04x} with the wrong length {len}")
            }
            Self::Empty => f.write_str("an empty frame"),
            Self::NotPagewalk => f.write_str("a greeting that is not pagewalk's"),
            Self::BadPath => f.write_str("a path that is not relative and plain"),
            Self::ReadTooLong(len) => write!(f, "a read of {len} bytes, above {MAX_DATA}"),
        }
    }
}

impl std::error::Error for WireError {}

impl From<WireError> for io::Error {
    fn from(error: WireError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

impl Request {
    /// The frame's payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Hello { version } => {
                out.push(1);
                out.extend_from_slice(MAGIC);
                out.extend_from_slice(&version.to_le_bytes());
            }
            Self::Read { path, offset, len } => {
                out.push(2);
                out.extend_from_slice(&offset.to_le_bytes());
                out.extend_from_slice(&len.to_le_bytes());
                out.extend_from_slice(path.as_bytes());
            }
            Self::Link { path } => {
                out.push(3);
                out.extend_from_slice(path.as_bytes());
            }
            Self::List { path } => {
                out.push(4);
                out.extend_from_slice(path.as_bytes());
            }
        }
        out
    }

    /// From a frame's payload.
    ///
    /// # Errors
    /// [`WireError`] for anything that `encode` does not make.
    pub fn decode(frame: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields::new(frame)?;
        match fields.kind {
            1 => {
                if fields.take::<8>()? != *MAGIC {
                    return Err(WireError::NotPagewalk);
                }
                let version = u16::from_le_bytes(fields.take()?);
                fields.end()?;
                Ok(Self::Hello { version })
            }
            2 => {
                let offset = u64::from_le_bytes(fields.take()?);
                let len = u32::from_le_bytes(fields.take()?);
                if len as usize > MAX_DATA {
                    return Err(WireError::ReadTooLong(len));
                }
                Ok(Self::Read {
                    path: path(fields.rest)?,
                    offset,
                    len,
                })
            }
            3 => Ok(Self::Link {
                path: path(fields.rest)?,
            }),
            4 => Ok(Self::List {
                path: path(fields.rest)?,
            }),
            kind => Err(WireError::UnknownKind(kind)),
        }
    }
}

impl Response {
    /// The frame's payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Hello { version, host_pid } => {
                out.push(0x81);
                out.extend_from_slice(&version.to_le_bytes());
                out.extend_from_slice(&host_pid.to_le_bytes());
            }
            Self::Data(data) => {
                out.push(0x82);
                out.extend_from_slice(data);
            }
            Self::Names(names) => {
                out.push(0x83);
                for name in names {
                    out.extend_from_slice(name);
                    out.push(0);
                }
            }
            Self::Error { errno, message } => {
                out.push(0xff);
                out.extend_from_slice(&errno.to_le_bytes());
                out.extend_from_slice(message.as_bytes());
            }
        }
        out
    }

    /// From a frame's payload.
    ///
    /// # Errors
    /// [`WireError`] for anything that `encode` does not make.
    pub fn decode(frame: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields::new(frame)?;
        match fields.kind {
            0x81 => {
                let version = u16::from_le_bytes(fields.take()?);
                let host_pid = u32::from_le_bytes(fields.take()?);
                fields.end()?;
                Ok(Self::Hello { version, host_pid })
            }
            0x82 => Ok(Self::Data(fields.rest.to_vec())),
            0x83 => {
                let Some((&last, _)) = fields.rest.split_last() else {
                    return Ok(Self::Names(Vec::new()));
                };
                if last != 0 {
                    return Err(fields.wrong_length());
                }
                let body = &fields.rest[..fields.rest.len() - 1];
                Ok(Self::Names(body.split(|&b| b == 0).map(<[u8]>::to_vec).collect()))
            }
            0xff => {
                let errno = u32::from_le_bytes(fields.take()?);
                Ok(Self::Error {
                    errno,
                    message: String::from_utf8_lossy(fields.rest).into_owned(),
                })
            }
            kind => Err(WireError::UnknownKind(kind)),
        }
    }
}

/// A frame's payload, taken apart from the front.
struct Fields<'a> {
    kind: u8,
    len: usize,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn new(frame: &'a [u8]) -> Result<Self, WireError> {
        let (&kind, rest) = frame.split_first().ok_or(WireError::Empty)?;
        Ok(Self {
            kind,
            len: frame.len(),
            rest,
        })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(self.wrong_length())?;
        self.rest = rest;
        Ok(*taken)
    }

    fn end(&self) -> Result<(), WireError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.wrong_length())
        }
    }

    fn wrong_length(&self) -> WireError {
        WireError::WrongLength {
            kind: self.kind,
            len: self.len,
        }
    }
}

fn path(bytes: &[u8]) -> Result<String, WireError> {
    let path = str::from_utf8(bytes).map_err(|_| WireError::BadPath)?;
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    let is_ok = path.is_empty() || path.split('/').all(is_plain);
    if is_ok && path.len() <= MAX_PATH && !path.contains('\0') {
        Ok(path.into())
    } else {
        Err(WireError::BadPath)
    }
}

/// A payload with its length before it.
///
/// # Errors
/// [`WireError::TooLong`] above `limit`: the sender's own mistake, caught before it is sent.
pub fn frame(payload: &[u8], limit: usize) -> Result<Vec<u8>, WireError> {
    let len = payload.len();
    let header = u32::try_from(len)
        .ok()
        .filter(|_| len <= limit)
        .ok_or(WireError::TooLong { len, limit })?;
    let mut out = Vec::with_capacity(4 + len);
    out.extend_from_slice(&header.to_le_bytes());
    out.extend_from_slice(payload);
    Ok(out)
}

/// Send one frame on a blocking stream.
///
/// # Errors
/// The stream's, or a frame above `limit`.
pub fn send(stream: &mut impl Write, payload: &[u8], limit: usize) -> io::Result<()> {
    stream.write_all(&frame(payload, limit)?)
}

/// Receive one frame from a blocking stream; `None` if the other side closed it between frames.
///
/// # Errors
/// The stream's, or a frame above `limit` (nothing is allocated for it).
pub fn receive(stream: &mut impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut decoder = FrameDecoder::new(limit);
    let mut header = [0; 4];
    if stream.read(&mut header[..1])? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[1..])?;
    decoder.push(&header);
    let mut payload = vec![0; decoder.payload_len()?.unwrap_or(0)];
    stream.read_exact(&mut payload)?;
    Ok(Some(payload))
}

/// Takes frames out of bytes as they come: for a server whose sockets never block.
#[derive(Debug)]
pub struct FrameDecoder {
    bytes: Vec<u8>,
    limit: usize,
}

impl FrameDecoder {
    /// Frames of at most `limit` bytes, such as [`MAX_REQUEST`].
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
        }
    }

    /// Bytes that came. Call [`FrameDecoder::next_frame`] until it gives `None` before the next, so that what is kept stays
    /// below the limit.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next complete frame's payload.
    ///
    /// # Errors
    /// [`WireError::TooLong`] as soon as the length is known.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, WireError> {
        let Some(len) = self.payload_len()? else {
            return Ok(None);
        };
        if self.bytes.len() < 4 + len {
            return Ok(None);
        }
        let payload = self.bytes[4..4 + len].to_vec();
        self.bytes.drain(..4 + len);
        Ok(Some(payload))
    }

    fn payload_len(&self) -> Result<Option<usize>, WireError> {
        let Some(header) = self.bytes.first_chunk::<4>() else {
            return Ok(None);
        };
        let len = u32::from_le_bytes(*header) as usize;
        if len > self.limit {
            Err(WireError::TooLong {
                len,
                limit: self.limit,
            })
        } else {
            Ok(Some(len))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request() -> impl Strategy<Value = Request> {
        let path = "([a-z0-9]{1,8}(/[a-z_0-9]{1,8}){0,3})?";
        prop_oneof![
            any::<u16>().prop_map(|version| Request::Hello { version }),
            (path, any::<u64>(), 0..=MAX_DATA as u32).prop_map(|(path, offset, len)| Request::Read {
                path,
                offset,
                len
            }),
            path.prop_map(|path| Request::Link { path }),
            path.prop_map(|path| Request::List { path }),
        ]
    }

    fn response() -> impl Strategy<Value = Response> {
        prop_oneof![
            any::<(u16, u32)>().prop_map(|(version, host_pid)| Response::Hello { version, host_pid }),
            any::<Vec<u8>>().prop_map(Response::Data),
            prop::collection::vec(prop::collection::vec(1_u8.., 1..9), 0..9).prop_map(Response::Names),
            (any::<u32>(), ".*").prop_map(|(errno, message)| Response::Error { errno, message }),
        ]
    }

    proptest! {
        #[test]
        fn both_sides_understand_each_other(request in request(), response in response()) {
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
            prop_assert_eq!(Response::decode(&response.encode()), Ok(response));
        }

        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes: Vec<u8>, cut in 0_usize..64) {
            let _ = Request::decode(&bytes);
            let _ = Response::decode(&bytes);
            let mut decoder = FrameDecoder::new(MAX_REQUEST);
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            for part in [head, tail] {
                decoder.push(part);
                while let Ok(Some(frame)) = decoder.next_frame() {
                    prop_assert!(frame.len() <= MAX_REQUEST);
                }
            }
        }

        #[test]
        fn frames_survive_any_cut(payloads in prop::collection::vec(any::<Vec<u8>>(), 0..5), step in 1_usize..40) {
            let stream: Vec<u8> = payloads.iter().flat_map(|p| frame(p, MAX_REQUEST).unwrap()).collect();
            let mut decoder = FrameDecoder::new(MAX_REQUEST);
            let mut seen = Vec::new();
            for chunk in stream.chunks(step) {
                decoder.push(chunk);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    seen.push(frame);
                }
            }
            prop_assert_eq!(seen, payloads);
        }
    }

    #[test]
    fn limits_and_paths_are_kept() {
        let long = (MAX_REQUEST as u32 + 1).to_le_bytes();
        let mut decoder = FrameDecoder::new(MAX_REQUEST);
        decoder.push(&long);
        assert!(matches!(decoder.next_frame(), Err(WireError::TooLong { .. })));
        assert!(receive(&mut long.as_slice(), MAX_REQUEST).is_err());
        assert!(receive(&mut [].as_slice(), MAX_REQUEST).unwrap().is_none());
        assert!(receive(&mut [1, 0, 0].as_slice(), MAX_REQUEST).is_err());
        for bad in ["/etc", "a/../b", "..", "a//b", "./a", "a\0b", "a/"] {
            assert_eq!(
                Request::decode(&Request::Link { path: bad.into() }.encode()),
                Err(WireError::BadPath),
                "{bad}"
            );
        }
        assert_eq!(
            Request::decode(
                &Request::Link {
                    path: "a".repeat(MAX_PATH + 1)
                }
                .encode()
            ),
            Err(WireError::BadPath)
        );
        let read = Request::Read {
            path: "1/mem".into(),
            offset: 0,
            len: MAX_DATA as u32 + 1,
        };
        assert!(matches!(
            Request::decode(&read.encode()),
            Err(WireError::ReadTooLong(_))
        ));
    }
}
