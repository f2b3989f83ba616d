//! IP sockets: sockets of the host that never block. Addresses go between the guest's bytes and the host's types.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use abi::Errno;
use abi::bytes::{Layout, get, get_u16, get_u32};
use abi::net::{AF_INET, AF_INET6, AF_NETLINK};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, SocketAddrAny, SocketFlags, SocketType};

use super::host::errno;

const V4_SIZE: usize = 16;
const NETLINK_SIZE: usize = 12;
const V6_SIZE: usize = 28;
/// The scope may be left out.
const V6_LEAST: usize = 24;

/// An address that the host understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Address {
    /// `AF_UNSPEC`: no peer any more.
    None,
    V4(SocketAddrV4),
    V6(SocketAddrV6),
    /// A port of the host's kernel (`netlink(7)`).
    Netlink {
        pid: u32,
        groups: u32,
    },
}

impl Address {
    /// From a guest's `sockaddr`.
    ///
    /// # Errors
    /// `EINVAL` if it is too short, `EAFNOSUPPORT` for another family.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Errno> {
        if bytes.len() < 2 {
            return Err(Errno::EINVAL);
        }
        let port = |bytes: &[u8]| u16::from_be_bytes(get(bytes, 2));
        match get_u16(bytes, 0) {
            0 => Ok(Self::None),
            AF_INET if bytes.len() < V4_SIZE => Err(Errno::EINVAL),
            AF_INET => {
                let ip = Ipv4Addr::from(get::<4>(bytes, 4));
                Ok(Self::V4(SocketAddrV4::new(ip, port(bytes))))
            }
            AF_INET6 if bytes.len() < V6_LEAST => Err(Errno::EINVAL),
            AF_INET6 => {
                let ip = Ipv6Addr::from(get::<16>(bytes, 8));
                let scope = if bytes.len() >= V6_SIZE {
                    get_u32(bytes, 24)
                } else {
                    0
                };
                let flow = u32::from_be_bytes(get(bytes, 4));
                Ok(Self::V6(SocketAddrV6::new(ip, port(bytes), flow, scope)))
            }
            AF_NETLINK if bytes.len() < NETLINK_SIZE => Err(Errno::EINVAL),
            AF_NETLINK => Ok(Self::Netlink {
                pid: get_u32(bytes, 4),
                groups: get_u32(bytes, 8),
            }),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }
}

/// As a guest's `sockaddr`; empty for a family that no IP socket has.
pub(crate) fn encode(address: Option<SocketAddrAny>) -> Vec<u8> {
    let Some(address) = address else {
        return Vec::new();
    };
    if let Ok(v4) = SocketAddrV4::try_from(address.clone()) {
        return Layout::<V4_SIZE>::default()
            .u16(0, AF_INET)
            .put(2, &v4.port().to_be_bytes())
            .put(4, &v4.ip().octets())
            .finish()
            .to_vec();
    }
    if let Ok(port) = SocketAddrNetlink::try_from(address.clone()) {
        return Layout::<NETLINK_SIZE>::default()
            .u16(0, AF_NETLINK)
            .u32(4, port.pid())
            .u32(8, port.groups())
            .finish()
            .to_vec();
    }
    let Ok(v6) = SocketAddrV6::try_from(address) else {
        return Vec::new();
    };
    Layout::<V6_SIZE>::default()
        .u16(0, AF_INET6)
        .put(2, &v6.port().to_be_bytes())
        .put(4, &v6.flowinfo().to_be_bytes())
        .put(8, &v6.ip().octets())
        .u32(24, v6.scope_id())
        .finish()
        .to_vec()
}

/// Opens a socket of the host.
pub(crate) fn open(family: u16, kind: u32, protocol: u32) -> Result<Rc<OwnedFd>, Errno> {
    let protocol = std::num::NonZeroU32::new(protocol).map(Protocol::from_raw);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let kind = SocketType::from_raw(kind);
    let fd = rustix::net::socket_with(AddressFamily::from_raw(family), kind, flags, protocol);
    fd.map(Rc::new).map_err(errno)
}

/// Whether a host's socket asks the host's kernel.
pub(crate) fn is_netlink(host: &OwnedFd) -> bool {
    rustix::net::sockopt::socket_domain(host).is_ok_and(|family| family.as_raw() == AF_NETLINK)
}

/// `bind(2)`.
pub(crate) fn bind(host: &OwnedFd, address: Address) -> Result<(), Errno> {
    match address {
        Address::None => Err(Errno::EAFNOSUPPORT),
        Address::V4(address) => rustix::net::bind(host, &address).map_err(errno),
        Address::V6(address) => rustix::net::bind(host, &address).map_err(errno),
        Address::Netlink { pid, groups } => {
            rustix::net::bind(host, &SocketAddrNetlink::new(pid, groups)).map_err(errno)
        }
    }
}

/// `connect(2)`, which answers `EINPROGRESS` or `EALREADY` while it is under way.
pub(crate) fn connect(host: &OwnedFd, address: Address) -> Result<(), Errno> {
    match address {
        Address::None => rustix::net::connect_unspec(host).map_err(errno),
        Address::V4(address) => rustix::net::connect(host, &address).map_err(errno),
        Address::V6(address) => rustix::net::connect(host, &address).map_err(errno),
        // Only the host's kernel answers, no other program of the host.
        Address::Netlink { pid, groups } if pid != 0 || groups != 0 => Err(Errno::EPERM),
        Address::Netlink { pid, groups } => {
            rustix::net::connect(host, &SocketAddrNetlink::new(pid, groups)).map_err(errno)
        }
    }
}

/// Sends without waiting.
pub(crate) fn send(
    host: &OwnedFd,
    bytes: &[u8],
    flags: u32,
    to: Option<Address>,
) -> Result<usize, rustix::io::Errno> {
    let known = rustix::net::SendFlags::from_bits_retain(flags & KNOWN_SEND);
    let flags = known | rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
    match to {
        None | Some(Address::None) => rustix::net::send(host, bytes, flags),
        Some(Address::V4(to)) => rustix::net::sendto(host, bytes, flags, &to),
        Some(Address::V6(to)) => rustix::net::sendto(host, bytes, flags, &to),
        Some(Address::Netlink { pid, groups }) => {
            rustix::net::sendto(host, bytes, flags, &SocketAddrNetlink::new(pid, groups))
        }
    }
}

/// `MSG_OOB`, `MSG_DONTROUTE`, `MSG_EOR`, `MSG_CONFIRM`, `MSG_MORE`.
pub(crate) const KNOWN_SEND: u32 = 1 | 4 | 0x80 | 0x800 | 0x8000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_care() {
        assert_eq!(Address::decode(&[2]), Err(Errno::EINVAL));
        assert_eq!(Address::decode(&[0, 0]), Ok(Address::None));
        assert_eq!(Address::decode(&[2, 0, 0, 80]), Err(Errno::EINVAL));
        assert_eq!(Address::decode(&[16; 16]), Err(Errno::EAFNOSUPPORT));
        let mut v4 = vec![2, 0, 0, 80, 127, 0, 0, 1];
        v4.resize(16, 0);
        let expected = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80);
        assert_eq!(Address::decode(&v4), Ok(Address::V4(expected)));
        assert_eq!(encode(Some(expected.into())), v4);
    }
}
