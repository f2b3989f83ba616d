//! Sockets: making, naming and connecting them. Unix sockets are our own, IP sockets are the host's.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use abi::Errno;
use abi::flags::{OpenFlags, PollEvents};
use abi::fs::{AT_FDCWD, S_IFMT, S_IFSOCK};
use abi::net::{
    ADDRESS_MAX, AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, AF_UNSPEC, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM,
    SOCK_TYPE, SOMAXCONN,
};
use abi::nr;
use rustix::fs::{CWD, FileType, Mode};

use super::{Answer, Call, Handler, Stop};
use crate::file::host::{convert_stat, errno};
use crate::file::inet::{self, Address};
use crate::file::read_only::Change;
use crate::file::resolve::Place;
use crate::file::special::{Special, Timeouts};
use crate::file::unix::{Refusal, Sender, Socket, Style, address_of, name_of};
use crate::file::{File, Kind};
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::SOCKET, socket),
    (nr::SOCKETPAIR, socketpair),
    (nr::BIND, bind),
    (nr::LISTEN, listen),
    (nr::ACCEPT, accept),
    (nr::ACCEPT4, accept4),
    (nr::CONNECT, connect),
    (nr::GETSOCKNAME, getsockname),
    (nr::GETPEERNAME, getpeername),
    (nr::SHUTDOWN, shutdown),
];

/// A socket of either kind, with its file.
pub(super) enum Either<'f> {
    Unix(&'f Rc<Socket>, &'f Timeouts),
    Inet(&'f Rc<OwnedFd>, &'f Timeouts),
}

/// What a file is as a socket.
pub(super) fn as_socket(file: &File) -> Result<Either<'_>, Errno> {
    match &file.kind {
        Kind::Special(Special::Unix(socket, timeouts)) => Ok(Either::Unix(socket, timeouts)),
        Kind::Special(Special::Inet(host, timeouts)) => Ok(Either::Inet(host, timeouts)),
        Kind::Place(_) => Err(Errno::EBADF),
        _ => Err(Errno::ENOTSOCK),
    }
}

impl Call<'_> {
    /// Who this task is to others.
    pub(super) fn sender(&self) -> Sender {
        let task = self.task();
        Sender {
            pid: task.tgid.get(),
            uid: task.creds.euid,
            gid: task.creds.egid,
        }
    }

    fn new_number(&mut self) -> u64 {
        self.kernel.nameless += 1;
        self.kernel.nameless
    }

    fn new_unix(&mut self, style: Style) -> Rc<Socket> {
        let number = self.new_number();
        Socket::new(style, number, self.sender(), &self.kernel.bell)
    }

    fn add_socket(&mut self, special: Special, flags: OpenFlags) -> Answer {
        let number = match &special {
            Special::Unix(socket, _) => socket.number,
            _ => self.new_number(),
        };
        let status = OpenFlags::RDWR | flags & OpenFlags::NONBLOCK;
        let path = format!("socket:[{number}]").into_bytes();
        let file = File::new(Kind::Special(special), status, path);
        self.add_file(file, flags.contains(OpenFlags::CLOEXEC), 0)
    }

    /// An address argument.
    pub(super) fn address(&mut self, at: u64, length: u64) -> Result<Vec<u8>, Errno> {
        let length = usize::try_from(length as i32).map_err(|_| Errno::EINVAL)?;
        if length > ADDRESS_MAX {
            return Err(Errno::EINVAL);
        }
        let mut bytes = vec![0; length];
        self.kernel.read_user(self.pid, at, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes an address as far as there is room, and its true length.
    pub(super) fn write_address(&mut self, at: u64, length_at: u64, address: &[u8]) -> Result<(), Errno> {
        let room = u32::from_le_bytes(self.read(length_at)?) as i32;
        let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
        let shown = address.get(..room).unwrap_or(address);
        self.write(at, shown)?;
        self.write(length_at, &(address.len() as u32).to_le_bytes())
    }

    /// The Unix socket of this name.
    ///
    /// # Errors
    /// `ECONNREFUSED` if nobody is bound to it, and why the path cannot be resolved.
    pub(super) fn named_socket(&mut self, name: &[u8], style: Style) -> Result<Rc<Socket>, Errno> {
        match name.first() {
            None => Err(Errno::EINVAL),
            Some(0) => self
                .kernel
                .names
                .find_abstract(name, style)
                .ok_or(Errno::ECONNREFUSED),
            Some(_) => {
                let place = self.kernel.resolve(self.pid, AT_FDCWD, name)?;
                let stat = self.kernel.stat_place(self.pid, &place, true)?;
                if stat.mode & S_IFMT != S_IFSOCK {
                    return Err(Errno::ECONNREFUSED);
                }
                let key = (stat.device, stat.inode);
                self.kernel.names.find_path(key).ok_or(Errno::ECONNREFUSED)
            }
        }
    }

    /// A wait for the bell as long as a socket's timeout allows: `EAGAIN` when it is over or for a file that must not
    /// block.
    pub(super) fn socket_wait(&mut self, wait: Wait, dont: bool, timeout: u64) -> Stop {
        if dont {
            return Errno::EAGAIN.into();
        }
        if timeout == 0 {
            return Stop::Wait(wait);
        }
        let now = self.kernel.clock.monotonic_ns;
        let at = now.saturating_add(timeout);
        let deadline = *self.task_mut().progress.deadline.get_or_insert(at);
        if deadline <= now {
            return Errno::EAGAIN.into();
        }
        Stop::Wait(wait.until(Some(deadline)))
    }
}

/// The type word: `SOCK_CLOEXEC` and `SOCK_NONBLOCK` have the bits of `open(2)`'s flags.
fn split_kind(word: u64) -> Result<(u32, OpenFlags), Errno> {
    let word = word as u32;
    let flags = OpenFlags::from_bits_retain(word & !SOCK_TYPE);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
        return Err(Errno::EINVAL);
    }
    Ok((word & SOCK_TYPE, flags))
}

/// The style of a new Unix socket. `SOCK_RAW` is a datagram socket there.
fn unix_style(kind: u32, protocol: u32) -> Result<Style, Errno> {
    if protocol != 0 && protocol != u32::from(AF_UNIX) {
        return Err(Errno::EPROTONOSUPPORT);
    }
    Style::new(if kind == SOCK_RAW { SOCK_DGRAM } else { kind })
}

fn socket(call: &mut Call<'_>) -> Answer {
    let (family, protocol) = (call.args[0] as u32, call.args[2] as u32);
    let (kind, flags) = split_kind(call.args[1])?;
    let family = u16::try_from(family).map_err(|_| Errno::EAFNOSUPPORT)?;
    let special = match family {
        AF_UNIX => {
            let style = unix_style(kind, protocol)?;
            Special::Unix(call.new_unix(style), Timeouts::default())
        }
        // Without a network there is no such family, as on a kernel without CONFIG_INET.
        AF_INET | AF_INET6 if call.kernel.config.network => {
            Special::Inet(inet::open(family, kind, protocol)?, Timeouts::default())
        }
        // Questions about the host's network (`if_nameindex(3)`, `getifaddrs(3)`): NETLINK_ROUTE and no other.
        AF_NETLINK if call.kernel.config.network => {
            if !matches!(kind, SOCK_RAW | SOCK_DGRAM) {
                return Err(Errno::ESOCKTNOSUPPORT.into());
            }
            if protocol != 0 {
                return Err(Errno::EPROTONOSUPPORT.into());
            }
            Special::Inet(inet::open(family, kind, protocol)?, Timeouts::default())
        }
        _ => return Err(Errno::EAFNOSUPPORT.into()),
    };
    call.add_socket(special, flags)
}

fn socketpair(call: &mut Call<'_>) -> Answer {
    let (kind, flags) = split_kind(call.args[1])?;
    match u16::try_from(call.args[0] as u32) {
        Ok(AF_UNIX) => {}
        Ok(AF_INET | AF_INET6) => return Err(Errno::EOPNOTSUPP.into()),
        _ => return Err(Errno::EAFNOSUPPORT.into()),
    }
    let style = unix_style(kind, call.args[2] as u32)?;
    let (a, b) = (call.new_unix(style), call.new_unix(style));
    Socket::join(&a, &b);
    let first = call.add_socket(Special::Unix(a, Timeouts::default()), flags)? as i32;
    let second = match call.add_socket(Special::Unix(b, Timeouts::default()), flags) {
        Ok(fd) => fd as i32,
        Err(stop) => {
            call.task().files.borrow_mut().close(first)?;
            return Err(stop);
        }
    };
    let pair = [first.to_le_bytes(), second.to_le_bytes()].concat();
    if let Err(errno) = call.write(call.args[3], &pair) {
        let mut files = call.task().files.borrow_mut();
        files.close(first)?;
        files.close(second)?;
        return Err(errno.into());
    }
    Ok(0)
}

fn bind(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    let either = as_socket(&file)?;
    let address = call.address(call.args[1], call.args[2])?;
    match either {
        Either::Inet(host, _) => inet::bind(host, Address::decode(&address)?)?,
        Either::Unix(socket, _) => bind_unix(call, socket, &address)?,
    }
    Ok(0)
}

fn bind_unix(call: &mut Call<'_>, socket: &Rc<Socket>, address: &[u8]) -> Result<(), Errno> {
    let mut name = name_of(address)?;
    if !socket.name().is_empty() {
        // A socket is bound once; a second bind without a name changes nothing.
        if name.is_empty() {
            return Ok(());
        }
        // A path that is taken is told of first.
        let path = name.first().is_some_and(|byte| *byte != 0);
        let place = call.kernel.resolve(call.pid, AT_FDCWD, &name)?;
        let taken = path && call.kernel.stat_place(call.pid, &place, false).is_ok();
        return Err(if taken { Errno::EADDRINUSE } else { Errno::EINVAL });
    }
    if name.is_empty() {
        name = call.kernel.names.fresh(socket.style);
    }
    if name.first() == Some(&0) {
        call.kernel.names.bind_abstract(&name, socket)?;
    } else {
        let key = make_socket_file(call, &name)?;
        call.kernel.names.bind_path(key, socket);
    }
    socket.set_name(name);
    Ok(())
}

/// The file of the host that stands for a bound socket: its device and inode.
fn make_socket_file(call: &mut Call<'_>, name: &[u8]) -> Result<(u64, u64), Errno> {
    let exists = |error| match error {
        Errno::EEXIST => Errno::EADDRINUSE,
        other => other,
    };
    let Place::Host(path) = call.kernel.resolve(call.pid, AT_FDCWD, name)? else {
        return Err(Errno::EADDRINUSE);
    };
    call.kernel
        .may_change(&path.itself, Change::Make)
        .map_err(exists)?;
    let umask = call.task().directories.borrow().umask;
    let mode = Mode::from_bits_truncate(0o777 & !umask);
    let made = rustix::fs::mknodat(CWD, &*path.itself, FileType::Socket, mode, 0);
    made.map_err(|error| exists(errno(error)))?;
    let stat = rustix::fs::statat(CWD, &*path.itself, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
    let stat = convert_stat(&stat.map_err(errno)?);
    Ok((stat.device, stat.inode))
}

fn listen(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    // A negative number is a very large one.
    let most = u64::from(call.args[1] as u32).min(SOMAXCONN);
    match as_socket(&file)? {
        Either::Inet(host, _) => rustix::net::listen(host, most as i32).map_err(errno)?,
        Either::Unix(socket, _) => socket.listen(most as usize, call.sender())?,
    }
    Ok(0)
}

fn accept(call: &mut Call<'_>) -> Answer {
    accept_with(call, OpenFlags::empty())
}

fn accept4(call: &mut Call<'_>) -> Answer {
    let flags = OpenFlags::from_bits_retain(call.args[3] as u32);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    accept_with(call, flags)
}

fn accept_with(call: &mut Call<'_>, flags: OpenFlags) -> Answer {
    let [_, at, length_at, ..] = call.args;
    let file = call.file(call.int(0))?;
    let dont = file.has(OpenFlags::NONBLOCK);
    let (special, address) = match as_socket(&file)? {
        Either::Unix(socket, timeouts) => match socket.accept() {
            Ok(end) => {
                let address = address_of(&end.peer_name().unwrap_or_default());
                (Special::Unix(end, Timeouts::default()), address)
            }
            Err(Refusal::Errno(errno)) => return Err(errno.into()),
            Err(Refusal::NotYet) => {
                return Err(call.socket_wait(Wait::for_bell(), dont, timeouts.receive.get()));
            }
        },
        Either::Inet(host, timeouts) => {
            use rustix::net::SocketFlags;
            let on_host = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match rustix::net::acceptfrom_with(host, on_host) {
                Ok((fd, from)) => {
                    let inet = Special::Inet(Rc::new(fd), Timeouts::default());
                    (inet, inet::encode(from))
                }
                Err(rustix::io::Errno::AGAIN) => {
                    let wait = Wait::for_host(host, PollEvents::IN);
                    return Err(call.socket_wait(wait, dont, timeouts.receive.get()));
                }
                Err(error) => return Err(errno(error).into()),
            }
        }
    };
    let fd = call.add_socket(special, flags)?;
    if at != 0
        && let Err(errno) = call.write_address(at, length_at, &address)
    {
        call.task().files.borrow_mut().close(fd as i32)?;
        return Err(errno.into());
    }
    Ok(fd)
}

fn connect(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    let either = as_socket(&file)?;
    let address = call.address(call.args[1], call.args[2])?;
    let dont = file.has(OpenFlags::NONBLOCK);
    match either {
        Either::Unix(socket, timeouts) => connect_unix(call, socket, timeouts, &address, dont),
        Either::Inet(host, timeouts) => match inet::connect(host, Address::decode(&address)?) {
            Ok(()) => Ok(0),
            Err(under_way @ (Errno::EINPROGRESS | Errno::EALREADY)) => {
                let wait = Wait::for_host(host, PollEvents::OUT);
                match call.socket_wait(wait, dont, timeouts.send.get()) {
                    Stop::Errno(_) => Err(under_way.into()),
                    stop => Err(stop),
                }
            }
            Err(errno) => Err(errno.into()),
        },
    }
}

fn connect_unix(
    call: &mut Call<'_>,
    socket: &Rc<Socket>,
    timeouts: &Timeouts,
    address: &[u8],
    dont: bool,
) -> Answer {
    let family = address.first_chunk().copied().map(u16::from_le_bytes);
    if family == Some(AF_UNSPEC) && socket.style == Style::Datagram {
        socket.disconnect();
        return Ok(0);
    }
    let name = name_of(address)?;
    let to = call.named_socket(&name, socket.style)?;
    let number = call.new_number();
    match socket.connect(&to, number, call.sender()) {
        Ok(()) => Ok(0),
        Err(Refusal::Errno(errno)) => Err(errno.into()),
        Err(Refusal::NotYet) => Err(call.socket_wait(Wait::for_bell(), dont, timeouts.send.get())),
    }
}

fn getsockname(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    let address = match as_socket(&file)? {
        Either::Unix(socket, _) => address_of(&socket.name()),
        Either::Inet(host, _) => inet::encode(Some(rustix::net::getsockname(host).map_err(errno)?)),
    };
    call.write_address(call.args[1], call.args[2], &address)?;
    Ok(0)
}

fn getpeername(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    let address = match as_socket(&file)? {
        Either::Unix(socket, _) => address_of(&socket.peer_name()?),
        Either::Inet(host, _) => inet::encode(rustix::net::getpeername(host).map_err(errno)?),
    };
    call.write_address(call.args[1], call.args[2], &address)?;
    Ok(0)
}

fn shutdown(call: &mut Call<'_>) -> Answer {
    use rustix::net::Shutdown;
    let file = call.file(call.int(0))?;
    let either = as_socket(&file)?;
    let how = match call.int(1) {
        0 => Shutdown::Read,
        1 => Shutdown::Write,
        2 => Shutdown::Both,
        _ => return Err(Errno::EINVAL.into()),
    };
    match either {
        Either::Inet(host, _) => rustix::net::shutdown(host, how).map_err(errno)?,
        Either::Unix(socket, _) => socket.shut(call.int(1) != 1, call.int(1) != 0),
    }
    Ok(0)
}

/// Whether a socket kind of IP carries bytes without borders: its writes may go in parts.
pub(super) fn is_stream(host: &OwnedFd) -> bool {
    rustix::net::sockopt::socket_type(host).is_ok_and(|kind| kind.as_raw() == SOCK_STREAM)
}
