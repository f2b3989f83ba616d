//! `getsockopt(2)` and `setsockopt(2)`: the options that programs use. Others are `ENOPROTOOPT`.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use abi::Errno;
use abi::bytes::get_u32;
use abi::net::{
    AF_UNIX, IP_TOS, IP_TTL, IPV6_UNICAST_HOPS, IPV6_V6ONLY, SO_ACCEPTCONN, SO_BROADCAST, SO_DOMAIN,
    SO_ERROR, SO_KEEPALIVE, SO_LINGER, SO_OOBINLINE, SO_PASSCRED, SO_PEERCRED, SO_PROTOCOL, SO_RCVBUF,
    SO_RCVLOWAT, SO_RCVTIMEO, SO_REUSEADDR, SO_REUSEPORT, SO_SNDBUF, SO_SNDTIMEO, SO_TYPE, SOL_IP, SOL_IPV6,
    SOL_SOCKET, SOL_TCP, TCP_CORK, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_NODELAY, TCP_QUICKACK,
    TCP_USER_TIMEOUT,
};
use abi::nr;
use abi::time::{decode_timeval, encode_timeval};
use rustix::net::sockopt;

use super::socket::{Either, as_socket};
use super::{Answer, Call, Handler};
use crate::file::host::errno;
use crate::file::inet_control;
use crate::file::special::Timeouts;
use crate::file::unix::{CAPACITY, Socket};

pub(super) const CALLS: &[(usize, Handler)] = &[(nr::GETSOCKOPT, getsockopt), (nr::SETSOCKOPT, setsockopt)];

fn getsockopt(call: &mut Call<'_>) -> Answer {
    let [_, level, name, at, length_at, _] = call.args;
    let (level, name) = (level as u32, name as u32);
    let file = call.file(call.int(0))?;
    let either = as_socket(&file)?;
    let room = u32::from_le_bytes(call.read(length_at)?) as i32;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let timeouts = match &either {
        Either::Unix(_, timeouts) | Either::Inet(_, timeouts) => *timeouts,
    };
    let bytes = match (level, name) {
        (SOL_SOCKET, SO_RCVTIMEO) => encode_timeval(timeouts.receive.get()).to_vec(),
        (SOL_SOCKET, SO_SNDTIMEO) => encode_timeval(timeouts.send.get()).to_vec(),
        _ => match either {
            Either::Unix(socket, _) => unix_option(socket, level, name)?,
            Either::Inet(host, _) => inet_option(host, level, name)?,
        },
    };
    let shown = bytes.get(..room).unwrap_or(&bytes);
    call.write(at, shown)?;
    call.write(length_at, &(shown.len() as u32).to_le_bytes())?;
    Ok(0)
}

fn int(value: u32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn unix_option(socket: &Rc<Socket>, level: u32, name: u32) -> Result<Vec<u8>, Errno> {
    if level != SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(match name {
        SO_TYPE => int(socket.style.number()),
        SO_DOMAIN => int(AF_UNIX.into()),
        SO_PROTOCOL => int(0),
        SO_ERROR => int(socket.take_error().map_or(0, |error| error.get().into())),
        SO_ACCEPTCONN => int(socket.is_listening().into()),
        SO_PASSCRED => int(socket.pass_credentials.get().into()),
        SO_SNDBUF | SO_RCVBUF => int(CAPACITY as u32),
        SO_RCVLOWAT => int(1),
        SO_REUSEADDR | SO_REUSEPORT | SO_KEEPALIVE | SO_BROADCAST | SO_OOBINLINE => int(0),
        SO_LINGER => vec![0; 8],
        SO_PEERCRED => match socket.peer_sender.get() {
            Some(sender) => [int(sender.pid), int(sender.uid), int(sender.gid)].concat(),
            // Nobody: process 0, and no user and group.
            None => [int(0), int(u32::MAX), int(u32::MAX)].concat(),
        },
        _ => return Err(Errno::ENOPROTOOPT),
    })
}

fn inet_option(host: &OwnedFd, level: u32, name: u32) -> Result<Vec<u8>, Errno> {
    if let Some(value) = inet_control::option(host, level, name) {
        return value.map(int);
    }
    let answer = match (level, name) {
        (SOL_SOCKET, SO_ERROR) => sockopt::socket_error(host).map(|error| match error {
            Ok(()) => 0,
            Err(error) => errno(error).get().into(),
        }),
        (SOL_SOCKET, SO_LINGER) => {
            let linger = sockopt::socket_linger(host).map_err(errno)?;
            let seconds = linger.map_or(0, |time| time.as_secs() as u32);
            return Ok([int(linger.is_some().into()), int(seconds)].concat());
        }
        (SOL_SOCKET, SO_TYPE) => sockopt::socket_type(host).map(|kind| kind.as_raw()),
        (SOL_SOCKET, SO_DOMAIN) => sockopt::socket_domain(host).map(|family| family.as_raw().into()),
        (SOL_SOCKET, SO_PROTOCOL) => {
            sockopt::socket_protocol(host).map(|protocol| protocol.map_or(0, |p| p.as_raw().get()))
        }
        (SOL_SOCKET, SO_ACCEPTCONN) => sockopt::socket_acceptconn(host).map(u32::from),
        (SOL_SOCKET, SO_REUSEADDR) => sockopt::socket_reuseaddr(host).map(u32::from),
        (SOL_SOCKET, SO_REUSEPORT) => sockopt::socket_reuseport(host).map(u32::from),
        (SOL_SOCKET, SO_KEEPALIVE) => sockopt::socket_keepalive(host).map(u32::from),
        (SOL_SOCKET, SO_BROADCAST) => sockopt::socket_broadcast(host).map(u32::from),
        (SOL_SOCKET, SO_OOBINLINE) => sockopt::socket_oobinline(host).map(u32::from),
        (SOL_SOCKET, SO_SNDBUF) => sockopt::socket_send_buffer_size(host).map(|size| size as u32),
        (SOL_SOCKET, SO_RCVBUF) => sockopt::socket_recv_buffer_size(host).map(|size| size as u32),
        (SOL_SOCKET, SO_RCVLOWAT) => Ok(1),
        (SOL_TCP, TCP_NODELAY) => sockopt::tcp_nodelay(host).map(u32::from),
        (SOL_TCP, TCP_CORK) => sockopt::tcp_cork(host).map(u32::from),
        (SOL_TCP, TCP_QUICKACK) => sockopt::tcp_quickack(host).map(u32::from),
        (SOL_TCP, TCP_KEEPCNT) => sockopt::tcp_keepcnt(host),
        (SOL_TCP, TCP_KEEPIDLE) => sockopt::tcp_keepidle(host).map(|time| time.as_secs() as u32),
        (SOL_TCP, TCP_KEEPINTVL) => sockopt::tcp_keepintvl(host).map(|time| time.as_secs() as u32),
        (SOL_TCP, TCP_USER_TIMEOUT) => sockopt::tcp_user_timeout(host),
        (SOL_IP, IP_TTL) => sockopt::ip_ttl(host),
        (SOL_IP, IP_TOS) => sockopt::ip_tos(host).map(u32::from),
        (SOL_IPV6, IPV6_V6ONLY) => sockopt::ipv6_v6only(host).map(u32::from),
        (SOL_IPV6, IPV6_UNICAST_HOPS) => sockopt::ipv6_unicast_hops(host).map(u32::from),
        _ => return Err(Errno::ENOPROTOOPT),
    };
    answer.map(int).map_err(errno)
}

fn setsockopt(call: &mut Call<'_>) -> Answer {
    const LONGEST: usize = 64;
    let [_, level, name, at, length, _] = call.args;
    let (level, name) = (level as u32, name as u32);
    let file = call.file(call.int(0))?;
    let either = as_socket(&file)?;
    let length = usize::try_from(length as i32).map_err(|_| Errno::EINVAL)?;
    let mut bytes = vec![0; length.min(LONGEST)];
    call.kernel.read_user(call.pid, at, &mut bytes)?;
    let timeouts = match &either {
        Either::Unix(_, timeouts) | Either::Inet(_, timeouts) => *timeouts,
    };
    if level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO) {
        set_timeout(timeouts, name, &bytes)?;
        return Ok(0);
    }
    if bytes.len() < 4 {
        return Err(Errno::EINVAL.into());
    }
    match either {
        Either::Unix(socket, _) => set_unix(socket, level, name, get_u32(&bytes, 0))?,
        Either::Inet(host, _) => set_inet(host, level, name, &bytes)?,
    }
    Ok(0)
}

fn set_timeout(timeouts: &Timeouts, name: u32, bytes: &[u8]) -> Result<(), Errno> {
    let value = bytes.first_chunk().ok_or(Errno::EINVAL)?;
    let time = decode_timeval(value).map_err(|_| Errno::EDOM)?;
    match name {
        SO_RCVTIMEO => timeouts.receive.set(time),
        _ => timeouts.send.set(time),
    }
    Ok(())
}

fn set_unix(socket: &Rc<Socket>, level: u32, name: u32, value: u32) -> Result<(), Errno> {
    match (level, name) {
        (SOL_SOCKET, SO_PASSCRED) => socket.pass_credentials.set(value != 0),
        // They mean nothing here, as on Linux, or only how much may wait, which is fixed.
        (
            SOL_SOCKET,
            SO_REUSEADDR | SO_KEEPALIVE | SO_BROADCAST | SO_OOBINLINE | SO_SNDBUF | SO_RCVBUF | SO_RCVLOWAT
            | SO_LINGER,
        ) => {}
        (SOL_SOCKET, SO_TYPE | SO_DOMAIN | SO_PROTOCOL | SO_ERROR | SO_ACCEPTCONN | SO_PEERCRED) => {
            return Err(Errno::ENOPROTOOPT);
        }
        (SOL_SOCKET, _) => return Err(Errno::ENOPROTOOPT),
        _ => return Err(Errno::EOPNOTSUPP),
    }
    Ok(())
}

fn set_inet(host: &OwnedFd, level: u32, name: u32, bytes: &[u8]) -> Result<(), Errno> {
    let value = get_u32(bytes, 0);
    if let Some(done) = inet_control::set_option(host, level, name, value) {
        return done;
    }
    let on = value != 0;
    let seconds = Duration::from_secs(value.into());
    let done = match (level, name) {
        (SOL_SOCKET, SO_LINGER) => {
            if bytes.len() < 8 {
                return Err(Errno::EINVAL);
            }
            let time = Duration::from_secs(get_u32(bytes, 4).into());
            sockopt::set_socket_linger(host, on.then_some(time))
        }
        (SOL_SOCKET, SO_REUSEADDR) => sockopt::set_socket_reuseaddr(host, on),
        (SOL_SOCKET, SO_REUSEPORT) => sockopt::set_socket_reuseport(host, on),
        (SOL_SOCKET, SO_KEEPALIVE) => sockopt::set_socket_keepalive(host, on),
        (SOL_SOCKET, SO_BROADCAST) => sockopt::set_socket_broadcast(host, on),
        (SOL_SOCKET, SO_OOBINLINE) => sockopt::set_socket_oobinline(host, on),
        (SOL_SOCKET, SO_SNDBUF) => sockopt::set_socket_send_buffer_size(host, value as usize),
        (SOL_SOCKET, SO_RCVBUF) => sockopt::set_socket_recv_buffer_size(host, value as usize),
        (SOL_TCP, TCP_NODELAY) => sockopt::set_tcp_nodelay(host, on),
        (SOL_TCP, TCP_CORK) => sockopt::set_tcp_cork(host, on),
        (SOL_TCP, TCP_QUICKACK) => sockopt::set_tcp_quickack(host, on),
        (SOL_TCP, TCP_KEEPCNT) => sockopt::set_tcp_keepcnt(host, value),
        (SOL_TCP, TCP_KEEPIDLE) => sockopt::set_tcp_keepidle(host, seconds),
        (SOL_TCP, TCP_KEEPINTVL) => sockopt::set_tcp_keepintvl(host, seconds),
        (SOL_TCP, TCP_USER_TIMEOUT) => sockopt::set_tcp_user_timeout(host, value),
        (SOL_IP, IP_TTL) => sockopt::set_ip_ttl(host, value),
        (SOL_IP, IP_TOS) => sockopt::set_ip_tos(host, value as u8),
        (SOL_IPV6, IPV6_V6ONLY) => sockopt::set_ipv6_v6only(host, on),
        (SOL_IPV6, IPV6_UNICAST_HOPS) => sockopt::set_ipv6_unicast_hops(host, u8::try_from(value).ok()),
        _ => return Err(Errno::ENOPROTOOPT),
    };
    done.map_err(errno)
}
