//! Socket numbers and layouts: `socket(7)`, `unix(7)`, `ip(7)`, `cmsg(3)`.
//!
//! Key types: [`MsgHeader`], [`Control`]. Only what is asked for by number; addresses stay bytes, since their
//! content belongs to their family.

use crate::Errno;
use crate::bytes::{Layout, get_u32, get_u64};

#[expect(missing_docs, reason = "socket(2) and socket(7) name them")]
#[rustfmt::skip]
mod numbers {
    pub const AF_UNSPEC: u16 = 0;
    pub const AF_UNIX: u16 = 1;
    pub const AF_INET: u16 = 2;
    pub const AF_INET6: u16 = 10;
    pub const AF_NETLINK: u16 = 16;
    pub const SOCK_STREAM: u32 = 1;
    pub const SOCK_DGRAM: u32 = 2;
    pub const SOCK_RAW: u32 = 3;
    pub const SOCK_SEQPACKET: u32 = 5;
    pub const SOCK_TYPE: u32 = 0xf;
    pub const SOL_SOCKET: u32 = 1;
    pub const SOL_IP: u32 = 0;
    pub const SOL_TCP: u32 = 6;
    pub const SOL_IPV6: u32 = 41;
    pub const SO_REUSEADDR: u32 = 2;
    pub const SO_TYPE: u32 = 3;
    pub const SO_ERROR: u32 = 4;
    pub const SO_BROADCAST: u32 = 6;
    pub const SO_SNDBUF: u32 = 7;
    pub const SO_RCVBUF: u32 = 8;
    pub const SO_KEEPALIVE: u32 = 9;
    pub const SO_OOBINLINE: u32 = 10;
    pub const SO_LINGER: u32 = 13;
    pub const SO_REUSEPORT: u32 = 15;
    pub const SO_PASSCRED: u32 = 16;
    pub const SO_PEERCRED: u32 = 17;
    pub const SO_RCVLOWAT: u32 = 18;
    pub const SO_RCVTIMEO: u32 = 20;
    pub const SO_SNDTIMEO: u32 = 21;
    pub const SO_ACCEPTCONN: u32 = 30;
    pub const SO_PROTOCOL: u32 = 38;
    pub const SO_DOMAIN: u32 = 39;
    pub const TCP_NODELAY: u32 = 1;
    pub const TCP_CORK: u32 = 3;
    pub const TCP_KEEPIDLE: u32 = 4;
    pub const TCP_KEEPINTVL: u32 = 5;
    pub const TCP_KEEPCNT: u32 = 6;
    pub const TCP_QUICKACK: u32 = 12;
    pub const TCP_USER_TIMEOUT: u32 = 18;
    pub const IP_TOS: u32 = 1;
    pub const IP_TTL: u32 = 2;
    pub const IPV6_UNICAST_HOPS: u32 = 16;
    pub const IPV6_V6ONLY: u32 = 26;
    pub const MSG_OOB: u32 = 1;
    pub const MSG_PEEK: u32 = 2;
    pub const MSG_CTRUNC: u32 = 8;
    pub const MSG_TRUNC: u32 = 0x20;
    pub const MSG_DONTWAIT: u32 = 0x40;
    pub const MSG_EOR: u32 = 0x80;
    pub const MSG_WAITALL: u32 = 0x100;
    pub const MSG_ERRQUEUE: u32 = 0x2000;
    pub const MSG_NOSIGNAL: u32 = 0x4000;
    pub const MSG_WAITFORONE: u32 = 0x10000;
    pub const MSG_CMSG_CLOEXEC: u32 = 0x4000_0000;
    pub const SCM_RIGHTS: u32 = 1;
    pub const SCM_CREDENTIALS: u32 = 2;
    /// Bytes of a path or abstract name in an address.
    pub const SUN_PATH: usize = 108;
    /// `sizeof(struct sockaddr_storage)`, the longest address.
    pub const ADDRESS_MAX: usize = 128;
    /// `SCM_MAX_FD`.
    pub const SCM_MAX_FD: usize = 253;
    /// `net.core.somaxconn`.
    pub const SOMAXCONN: u64 = 4096;
}
pub use numbers::*;

/// `struct msghdr`, 56 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MsgHeader {
    /// Where the address is, or 0.
    pub name: u64,
    /// Its length or room.
    pub name_length: u32,
    /// The vectors.
    pub vectors: u64,
    /// How many.
    pub count: u64,
    /// Ancillary data, or 0.
    pub control: u64,
    /// Its length or room.
    pub control_length: u64,
    /// What `recvmsg(2)` has to say.
    pub flags: u32,
}

impl MsgHeader {
    /// Its size in bytes.
    pub const SIZE: usize = 56;
    /// Where `msg_namelen` lies.
    pub const NAME_LENGTH: u64 = 8;
    /// Where `msg_controllen` lies.
    pub const CONTROL_LENGTH: u64 = 40;
    /// Where `msg_flags` lies.
    pub const FLAGS: u64 = 48;

    /// From user memory's bytes.
    pub fn decode(from: &[u8; Self::SIZE]) -> Self {
        Self {
            name: get_u64(from, 0),
            name_length: get_u32(from, 8),
            vectors: get_u64(from, 16),
            count: get_u64(from, 24),
            control: get_u64(from, 32),
            control_length: get_u64(from, 40),
            flags: get_u32(from, 48),
        }
    }
}

/// One piece of ancillary data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Control {
    /// `cmsg_level`.
    pub level: u32,
    /// `cmsg_type`.
    pub kind: u32,
    /// Its bytes.
    pub data: Vec<u8>,
}

const HEAD: usize = 16;

impl Control {
    /// The size of `struct cmsghdr`.
    pub const HEADER: usize = HEAD;

    /// As user memory holds it, without padding behind.
    pub fn encode(&self) -> Vec<u8> {
        let head = Layout::<HEAD>::default()
            .u64(0, (HEAD + self.data.len()) as u64)
            .u32(8, self.level)
            .u32(12, self.kind)
            .finish();
        [&head[..], &self.data].concat()
    }

    /// The pieces of a control buffer.
    ///
    /// # Errors
    /// `EINVAL` for a length that does not fit.
    pub fn decode_all(mut from: &[u8]) -> Result<Vec<Self>, Errno> {
        let mut pieces = Vec::new();
        while from.len() >= HEAD {
            let length = usize::try_from(get_u64(from, 0)).map_err(|_| Errno::EINVAL)?;
            if length < HEAD {
                return Err(Errno::EINVAL);
            }
            let data = from.get(HEAD..length).ok_or(Errno::EINVAL)?;
            pieces.push(Self {
                level: get_u32(from, 8),
                kind: get_u32(from, 12),
                data: data.to_vec(),
            });
            from = from.get(length.next_multiple_of(8)..).unwrap_or(&[]);
        }
        Ok(pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancillary_data_goes_to_bytes_and_back() {
        let piece = |kind, length| Control {
            level: SOL_SOCKET,
            kind,
            data: vec![7; length],
        };
        let pieces = vec![piece(SCM_RIGHTS, 4), piece(SCM_CREDENTIALS, 12)];
        let mut bytes = pieces[0].encode();
        bytes.resize(24, 0);
        bytes.extend(pieces[1].encode());
        assert_eq!(Control::decode_all(&bytes), Ok(pieces));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for length in [0u64, 15, 25, u64::MAX] {
            let mut bytes = vec![0; 24];
            bytes[..8].copy_from_slice(&length.to_le_bytes());
            assert_eq!(Control::decode_all(&bytes), Err(Errno::EINVAL), "{length}");
        }
        assert_eq!(Control::decode_all(&[0; 15]), Ok(vec![]));
    }
}
