//! What goes beside the bytes of IP messages: ancillary data of the protocols (`ip(7)`, `ipv6(7)`, RFC 3542), and the socket
//! options that turn it on. Both are the host's: layouts and numbers are the same on all 64-bit machines.
//!
//! Neighbours: `inet` (sockets and addresses), `syscall::message`, `syscall::sockopt`.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};

use abi::Errno;
use abi::bytes::{get, get_u16, get_u32, get_u64};
use abi::net::{Control, SOL_IP, SOL_IPV6, SOL_SOCKET};
use nix::libc;
use nix::sys::socket::{
    ControlMessage, GetSockOpt, MsgFlags, SetSockOpt, SockaddrIn, SockaddrIn6, SockaddrLike, SockaddrStorage,
    getsockopt, recvmsg, sendmsg, setsockopt, sockopt,
};
use rustix::net::SocketAddrAny;

use super::host::errno;
use super::inet::{self, Address};

/// What the host gave.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) bytes: Vec<u8>,
    /// How long the whole message was.
    pub(crate) whole: usize,
    /// The sender's `sockaddr`.
    pub(crate) address: Vec<u8>,
    /// Ancillary data as it lies in user memory.
    pub(crate) control: Vec<u8>,
    /// `MSG_*` that the host told.
    pub(crate) flags: u32,
}

fn host_errno(error: nix::Error) -> rustix::io::Errno {
    rustix::io::Errno::from_raw_os_error(error as i32)
}

/// Receives without waiting, with ancillary data as far as there is room for it.
pub(crate) fn receive(
    host: &OwnedFd,
    room: usize,
    control_room: usize,
    flags: u32,
) -> rustix::io::Result<Got> {
    let mut bytes = vec![0; room];
    let mut control = vec![0; control_room];
    let (whole, address, told) = {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::from_bits_retain(flags as i32) | MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<SockaddrStorage>(host.as_raw_fd(), &mut parts, Some(&mut control), flags);
        let message = message.map_err(host_errno)?;
        (
            message.bytes,
            message.address,
            message.flags.bits().cast_unsigned(),
        )
    };
    bytes.truncate(whole);
    let used = used(&control);
    control.truncate(used);
    Ok(Got {
        bytes,
        whole,
        address: address.map_or_else(Vec::new, |address| inet::encode(plain(&address))),
        control,
        flags: told,
    })
}

fn plain(address: &SockaddrStorage) -> Option<SocketAddrAny> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(std::net::SocketAddrV4::from(*v4).into());
    }
    let v6 = address.as_sockaddr_in6()?;
    Some(std::net::SocketAddrV6::from(*v6).into())
}

/// How much of a cleared buffer the host filled: pieces follow each other until there is a length of nothing.
fn used(control: &[u8]) -> usize {
    let mut left = control;
    while left.len() >= Control::HEADER {
        let length = usize::try_from(get_u64(left, 0)).unwrap_or(usize::MAX);
        if length == 0 {
            break;
        }
        // The last piece has no padding where there was no room for it.
        let padded = length.min(left.len()).next_multiple_of(8);
        left = left.get(padded..).unwrap_or(&[]);
    }
    control.len() - left.len()
}

/// Numbers that `abi::net` has no other use for (`include/uapi/linux/in.h`, `in6.h`).
const IP_PKTINFO: u32 = 8;
const IP_TTL: u32 = 2;
const IP_TOS: u32 = 1;
const IPV6_PKTINFO: u32 = 50;
const IPV6_HOPLIMIT: u32 = 52;
const IPV6_TCLASS: u32 = 67;

/// A piece of ancillary data that is sent.
#[derive(Debug)]
enum Piece {
    Ttl(i32),
    Tos(u8),
    Info(libc::in_pktinfo),
    HopLimit(i32),
    Class(i32),
    Info6(libc::in6_pktinfo),
}

impl Piece {
    /// `None` for a piece of a level that is not IP's: the protocol passes it over.
    fn of(control: &Control) -> Result<Option<Self>, Errno> {
        let data = &control.data[..];
        let int = || match data.len() {
            4 => Ok(get_u32(data, 0).cast_signed()),
            _ => Err(Errno::EINVAL),
        };
        Ok(Some(match (control.level, control.kind) {
            (SOL_IP, IP_TTL) => Self::Ttl(int()?),
            (SOL_IP, IP_TOS) => match data {
                [tos] => Self::Tos(*tos),
                _ => Self::Tos(u8::try_from(int()?).map_err(|_| Errno::EINVAL)?),
            },
            (SOL_IP, IP_PKTINFO) if data.len() == 12 => Self::Info(libc::in_pktinfo {
                ipi_ifindex: get_u32(data, 0).cast_signed(),
                ipi_spec_dst: libc::in_addr {
                    s_addr: u32::from_ne_bytes(get(data, 4)),
                },
                ipi_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(get(data, 8)),
                },
            }),
            (SOL_IPV6, IPV6_HOPLIMIT) => Self::HopLimit(int()?),
            (SOL_IPV6, IPV6_TCLASS) => Self::Class(int()?),
            (SOL_IPV6, IPV6_PKTINFO) if data.len() == 20 => Self::Info6(libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr {
                    s6_addr: get(data, 0),
                },
                ipi6_ifindex: get_u32(data, 16),
            }),
            (SOL_IP | SOL_IPV6 | SOL_SOCKET, _) => return Err(Errno::EINVAL),
            _ => return Ok(None),
        }))
    }

    fn message(&self) -> ControlMessage<'_> {
        match self {
            Self::Ttl(ttl) => ControlMessage::Ipv4Ttl(ttl),
            Self::Tos(tos) => ControlMessage::Ipv4Tos(tos),
            Self::Info(info) => ControlMessage::Ipv4PacketInfo(info),
            Self::HopLimit(limit) => ControlMessage::Ipv6HopLimit(limit),
            Self::Class(class) => ControlMessage::Ipv6TClass(class),
            Self::Info6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
    }
}

/// Sends with ancillary data and without waiting; `flags` are those that a guest may give.
pub(crate) fn send(
    host: &OwnedFd,
    bytes: &[u8],
    control: &[Control],
    flags: u32,
    to: Option<Address>,
) -> Result<usize, rustix::io::Errno> {
    let pieces: Result<Vec<Piece>, Errno> = control.iter().filter_map(|c| Piece::of(c).transpose()).collect();
    let pieces = pieces.map_err(|_| rustix::io::Errno::INVAL)?;
    let messages: Vec<ControlMessage<'_>> = pieces.iter().map(Piece::message).collect();
    let flags =
        MsgFlags::from_bits_retain(flags.cast_signed()) | MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let parts = [IoSlice::new(bytes)];
    let sent = match to {
        Some(Address::V4(to)) => with_address(host, &parts, &messages, flags, Some(&SockaddrIn::from(to))),
        Some(Address::V6(to)) => with_address(host, &parts, &messages, flags, Some(&SockaddrIn6::from(to))),
        Some(Address::Netlink { .. }) => return Err(rustix::io::Errno::INVAL),
        None | Some(Address::None) => with_address::<()>(host, &parts, &messages, flags, None),
    };
    sent.map_err(host_errno)
}

fn with_address<S: SockaddrLike>(
    host: &OwnedFd,
    parts: &[IoSlice<'_>],
    messages: &[ControlMessage<'_>],
    flags: MsgFlags,
    to: Option<&S>,
) -> nix::Result<usize> {
    sendmsg(host.as_raw_fd(), parts, messages, flags, to)
}

/// Options that are on or off, by level and number (`include/uapi/linux/in.h`, `in6.h`).
const IP_RECVTTL: u32 = 12;
const IP_RECVTOS: u32 = 13;
const IPV6_RECVPKTINFO: u32 = 49;
const IPV6_RECVHOPLIMIT: u32 = 51;
const IPV6_RECVTCLASS: u32 = 66;

/// An option of this family: its value; `None` if it is none of them.
pub(crate) fn option(host: &OwnedFd, level: u32, name: u32) -> Option<Result<u32, Errno>> {
    fn on<O: GetSockOpt<Val = bool>>(host: &OwnedFd, option: O) -> Result<u32, Errno> {
        let value = getsockopt(host, option).map_err(|error| errno(host_errno(error)))?;
        Ok(value.into())
    }
    Some(match (level, name) {
        (SOL_IP, IP_PKTINFO) => on(host, sockopt::Ipv4PacketInfo),
        (SOL_IP, IP_RECVTTL) => on(host, sockopt::Ipv4RecvTtl),
        (SOL_IP, IP_RECVTOS) => on(host, sockopt::IpRecvTos),
        (SOL_IPV6, IPV6_RECVPKTINFO) => on(host, sockopt::Ipv6RecvPacketInfo),
        (SOL_IPV6, IPV6_RECVHOPLIMIT) => on(host, sockopt::Ipv6RecvHopLimit),
        (SOL_IPV6, IPV6_RECVTCLASS) => on(host, sockopt::Ipv6RecvTClass),
        (SOL_IPV6, IPV6_TCLASS) => rustix::net::sockopt::ipv6_tclass(host).map_err(errno),
        _ => return None,
    })
}

/// Sets an option of this family; `None` if it is none of them.
pub(crate) fn set_option(host: &OwnedFd, level: u32, name: u32, value: u32) -> Option<Result<(), Errno>> {
    fn set<O: SetSockOpt<Val = bool>>(host: &OwnedFd, option: O, value: u32) -> Result<(), Errno> {
        setsockopt(host, option, &(value != 0)).map_err(|error| errno(host_errno(error)))
    }
    Some(match (level, name) {
        (SOL_IP, IP_PKTINFO) => set(host, sockopt::Ipv4PacketInfo, value),
        (SOL_IP, IP_RECVTTL) => set(host, sockopt::Ipv4RecvTtl, value),
        (SOL_IP, IP_RECVTOS) => set(host, sockopt::IpRecvTos, value),
        (SOL_IPV6, IPV6_RECVPKTINFO) => set(host, sockopt::Ipv6RecvPacketInfo, value),
        (SOL_IPV6, IPV6_RECVHOPLIMIT) => set(host, sockopt::Ipv6RecvHopLimit, value),
        (SOL_IPV6, IPV6_RECVTCLASS) => set(host, sockopt::Ipv6RecvTClass, value),
        (SOL_IPV6, IPV6_TCLASS) => rustix::net::sockopt::set_ipv6_tclass(host, value).map_err(errno),
        _ => return None,
    })
}

/// What a guest asks of netlink must be questions (`RTM_GET*`): the host's network is not the guest's to change.
///
/// # Errors
/// `EPERM`.
pub(crate) fn check_netlink(bytes: &[u8], to: Option<Address>) -> Result<(), Errno> {
    const HEADER: usize = 16;
    const FIRST: u16 = 16;
    const GET: u16 = 2;
    if let Some(Address::Netlink { pid, groups }) = to
        && (pid != 0 || groups != 0)
    {
        return Err(Errno::EPERM);
    }
    let mut rest = bytes;
    while rest.len() >= HEADER {
        let (length, kind) = (get_u32(rest, 0) as usize, get_u16(rest, 4));
        let question = kind < FIRST || (kind - FIRST) % 4 == GET;
        if !question {
            return Err(Errno::EPERM);
        }
        // A length that is too short or too long ends the host's reading, too.
        let next = length.next_multiple_of(4);
        match rest.get(next..).filter(|_| length >= HEADER) {
            Some(left) => rest = left,
            None => break,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv6Addr, SocketAddrV6};

    #[test]
    fn only_questions_go_to_netlink() {
        let message = |kind: u16, length: u32| {
            let mut bytes = vec![0; 32];
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            bytes[4..6].copy_from_slice(&kind.to_le_bytes());
            bytes
        };
        // RTM_GETLINK, RTM_GETADDR; then RTM_NEWLINK, RTM_DELADDR, RTM_SETLINK.
        for kind in [18, 22] {
            assert_eq!(check_netlink(&message(kind, 32), None), Ok(()));
        }
        for kind in [16, 21, 19] {
            assert_eq!(check_netlink(&message(kind, 32), None), Err(Errno::EPERM));
        }
        let two = [message(18, 32), message(16, 32)].concat();
        assert_eq!(check_netlink(&two, None), Err(Errno::EPERM));
        let other = Address::Netlink { pid: 7, groups: 0 };
        assert_eq!(check_netlink(&message(18, 32), Some(other)), Err(Errno::EPERM));
        assert_eq!(check_netlink(&[0; 3], None), Ok(()));
        assert_eq!(check_netlink(&message(18, u32::MAX), None), Ok(()));
    }

    #[test]
    fn a_hop_limit_goes_and_comes() {
        let any = Address::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0));
        let Ok(here) = inet::open(10, 2, 0) else {
            println!("nothing was checked: this host has no IPv6");
            return;
        };
        if inet::bind(&here, any).is_err() {
            println!("nothing was checked: this host has no ::1");
            return;
        }
        assert_eq!(set_option(&here, SOL_IPV6, IPV6_RECVHOPLIMIT, 1), Some(Ok(())));
        assert_eq!(option(&here, SOL_IPV6, IPV6_RECVHOPLIMIT), Some(Ok(1)));
        assert_eq!(option(&here, SOL_IPV6, 9999), None);
        let name = inet::encode(Some(rustix::net::getsockname(&here).expect("its name")));
        let to = Address::decode(&name).expect("a name");
        let limit = Control {
            level: SOL_IPV6,
            kind: IPV6_HOPLIMIT,
            data: 17u32.to_le_bytes().to_vec(),
        };
        let odd = Control {
            data: vec![17; 3],
            ..limit.clone()
        };
        assert_eq!(
            send(&here, b"x", &[odd], 0, Some(to)),
            Err(rustix::io::Errno::INVAL)
        );
        assert_eq!(
            send(&here, b"hello", std::slice::from_ref(&limit), 0, Some(to)),
            Ok(5)
        );
        assert_eq!(
            send(&here, b"again", std::slice::from_ref(&limit), 0, Some(to)),
            Ok(5)
        );
        let got = receive(&here, 100, 100, 0).expect("a message");
        assert_eq!((&got.bytes[..], &got.address), (&b"hello"[..], &name));
        assert_eq!(Control::decode_all(&got.control), Ok(vec![limit]));
        // No room for all of it: the host says so.
        let cut = receive(&here, 100, 17, 0).expect("a message");
        assert_eq!((cut.control.len(), cut.flags & 8), (17, 8));
        let none = receive(&here, 100, 100, 0);
        assert_eq!(none.map(|got| got.whole), Err(rustix::io::Errno::AGAIN));
    }
}
