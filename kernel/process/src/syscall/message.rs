//! Sending and receiving on sockets: `sendto(2)`, `sendmsg(2)`, `recvmsg(2)` and their kin, with descriptors and
//! credentials (`SCM_RIGHTS`, `SCM_CREDENTIALS`).

use std::os::fd::OwnedFd;
use std::rc::Rc;

use abi::Errno;
use abi::bytes::get_u32;
use abi::flags::{OpenFlags, PollEvents};
use abi::fs::MAX_RW_COUNT;
use abi::net::{
    Control, MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK,
    MSG_TRUNC, MSG_WAITALL, MSG_WAITFORONE, MsgHeader, SCM_CREDENTIALS, SCM_MAX_FD, SCM_RIGHTS, SOL_SOCKET,
};
use abi::nr;

use super::socket::{Either, as_socket, is_stream};
use super::{Answer, Call, Handler, Stop};
use crate::file::File;
use crate::file::host::errno;
use crate::file::inet::{self, Address};
use crate::file::inet_control;
use crate::file::special::Timeouts;
use crate::file::unix::{Parcel, Received, Refusal, Sender, Socket, Style, address_of, name_of};
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::SENDTO, sendto),
    (nr::RECVFROM, recvfrom),
    (nr::SENDMSG, sendmsg),
    (nr::RECVMSG, recvmsg),
    (nr::SENDMMSG, sendmmsg),
    (nr::RECVMMSG, recvmmsg),
];

/// So many bytes go through the kernel at once; a stream's writer goes on where it was.
const AT_ONCE: u64 = 256 << 10;
/// `struct mmsghdr`: a header and how many bytes went.
const MMSG_SIZE: u64 = 64;
/// The most ancillary data of one message (`net.core.optmem_max`).
const CONTROL_MAX: u64 = 131_072;

/// What goes with the bytes of a message.
#[derive(Default)]
struct Beside {
    address: Option<Vec<u8>>,
    files: Vec<Rc<File>>,
    sender: Option<Sender>,
    /// What belongs to an IP protocol.
    control: Vec<Control>,
}

/// A received message, as the calls need it.
struct Taken {
    count: u64,
    address: Vec<u8>,
    flags: u32,
    received: Received,
}

impl Call<'_> {
    /// `write(2)` on a socket.
    pub(super) fn write_socket(&mut self, file: &Rc<File>, vectors: &[(u64, u64)]) -> Answer {
        self.send_message(file, vectors, Beside::default(), 0)
    }

    /// `read(2)` on a socket.
    pub(super) fn read_socket(&mut self, file: &Rc<File>, vectors: &[(u64, u64)]) -> Answer {
        Ok(self.take_message(file, vectors, 0, 0)?.count)
    }

    /// The vectors' bytes from `skip` on, as many as go at once.
    fn gather_from(&mut self, vectors: &[(u64, u64)], skip: u64) -> Result<Vec<u8>, Errno> {
        let mut bytes = Vec::new();
        let mut left = AT_ONCE;
        for (base, length) in after(vectors, skip) {
            let step = length.min(left);
            left -= step;
            let from = bytes.len();
            bytes.resize(from + step as usize, 0);
            self.kernel.read_user(self.pid, base, &mut bytes[from..])?;
        }
        Ok(bytes)
    }

    fn send_message(
        &mut self,
        file: &Rc<File>,
        vectors: &[(u64, u64)],
        beside: Beside,
        flags: u32,
    ) -> Answer {
        let total: u64 = vectors.iter().map(|(_, length)| length).sum();
        let either = as_socket(file)?;
        let stream = match &either {
            Either::Unix(socket, _) => socket.style == Style::Stream,
            Either::Inet(host, _) => is_stream(host),
        };
        if !stream && total > AT_ONCE {
            return Err(Errno::EMSGSIZE.into());
        }
        let dont = flags & MSG_DONTWAIT != 0 || file.has(OpenFlags::NONBLOCK);
        loop {
            let done = self.task().progress.done;
            let bytes = self.gather_from(vectors, done)?;
            let sent = match &either {
                Either::Unix(socket, timeouts) => {
                    self.send_unix(socket, timeouts, &bytes, &beside, (done == 0, flags), dont)
                }
                Either::Inet(host, timeouts) => self.send_inet(host, timeouts, &bytes, &beside, flags, dont),
            };
            let done = match sent {
                Ok(count) => done + count as u64,
                Err(Stop::Wait(wait)) => return Err(Stop::Wait(wait)),
                Err(_) if done > 0 => return Ok(done),
                Err(stop) => {
                    if matches!(stop, Stop::Errno(Errno::EPIPE)) && stream && flags & MSG_NOSIGNAL == 0 {
                        self.kernel.broken_pipe(self.pid);
                    }
                    return Err(stop);
                }
            };
            self.task_mut().progress.done = done;
            if done >= total || !stream {
                return Ok(done);
            }
        }
    }

    fn send_unix(
        &mut self,
        socket: &Rc<Socket>,
        timeouts: &Timeouts,
        bytes: &[u8],
        beside: &Beside,
        (first, flags): (bool, u32),
        dont: bool,
    ) -> Result<usize, Stop> {
        if flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let to = match (&beside.address, socket.style) {
            (None, _) | (Some(_), Style::Packet) => None,
            (Some(_), Style::Stream) if socket.peer_name().is_ok() => return Err(Errno::EISCONN.into()),
            (Some(_), Style::Stream) => return Err(Errno::EOPNOTSUPP.into()),
            (Some(address), Style::Datagram) => Some(self.named_socket(&name_of(address)?, socket.style)?),
        };
        let sender = beside.sender.unwrap_or_else(|| self.sender());
        let mut parcel = match first && !beside.files.is_empty() {
            true => Some(Parcel::new(beside.files.clone(), &self.kernel.hub)?),
            false => None,
        };
        match socket.send(to, bytes, sender, &mut parcel) {
            Ok(count) => Ok(count),
            Err(Refusal::Errno(errno)) => Err(errno.into()),
            Err(Refusal::NotYet) => Err(self.socket_wait(Wait::for_bell(), dont, timeouts.send.get())),
        }
    }

    fn send_inet(
        &mut self,
        host: &Rc<OwnedFd>,
        timeouts: &Timeouts,
        bytes: &[u8],
        beside: &Beside,
        flags: u32,
        dont: bool,
    ) -> Result<usize, Stop> {
        let to = match &beside.address {
            Some(address) => Some(Address::decode(address)?),
            None => None,
        };
        if !is_stream(host) && inet::is_netlink(host) {
            inet_control::check_netlink(bytes, to)?;
        }
        let sent = match &beside.control[..] {
            [] => inet::send(host, bytes, flags, to),
            control => inet_control::send(host, bytes, control, flags & inet::KNOWN_SEND, to),
        };
        match sent {
            Ok(count) => Ok(count),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {
                let wait = Wait::for_host(host, PollEvents::OUT);
                Err(self.socket_wait(wait, dont, timeouts.send.get()))
            }
            Err(error) => Err(errno(error).into()),
        }
    }

    /// Receives into user memory. With `MSG_WAITALL`, a stream's reader waits until its buffer is full.
    fn take_message(
        &mut self,
        file: &Rc<File>,
        vectors: &[(u64, u64)],
        flags: u32,
        control_room: usize,
    ) -> Result<Taken, Stop> {
        let either = as_socket(file)?;
        let room: u64 = vectors.iter().map(|(_, length)| length).sum();
        let dont = flags & MSG_DONTWAIT != 0 || file.has(OpenFlags::NONBLOCK);
        let stream = match &either {
            Either::Unix(socket, _) => socket.style == Style::Stream,
            Either::Inet(host, _) => is_stream(host),
        };
        let whole = flags & MSG_WAITALL != 0 && stream && flags & MSG_PEEK == 0;
        if flags & MSG_ERRQUEUE != 0 {
            return Err(Errno::EAGAIN.into());
        }
        loop {
            let done = if whole { self.task().progress.done } else { 0 };
            let step = (room - done.min(room)).min(AT_ONCE) as usize;
            let got = match &either {
                Either::Unix(socket, timeouts) => self.receive_unix(socket, timeouts, step, flags, dont),
                Either::Inet(host, timeouts) => {
                    self.receive_inet(host, timeouts, (step, control_room), flags, dont)
                }
            };
            let taken = match got {
                Ok(taken) => taken,
                Err(Stop::Errno(_)) if done > 0 => {
                    return Ok(Taken {
                        count: done,
                        address: Vec::new(),
                        flags: 0,
                        received: Received::default(),
                    });
                }
                Err(stop) => return Err(stop),
            };
            self.scatter(&after(vectors, done), &taken.received.bytes)?;
            let now = taken.received.bytes.len() as u64;
            let done = done + now;
            let all = !whole || now == 0 || done >= room || !taken.received.files.is_empty();
            if all {
                // A datagram that was cut may be asked for its true length.
                let count = match flags & MSG_TRUNC != 0 && !stream {
                    true => taken.received.whole as u64,
                    false => done,
                };
                return Ok(Taken { count, ..taken });
            }
            self.task_mut().progress.done = done;
        }
    }

    fn receive_unix(
        &mut self,
        socket: &Rc<Socket>,
        timeouts: &Timeouts,
        room: usize,
        flags: u32,
        dont: bool,
    ) -> Result<Taken, Stop> {
        if flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP.into());
        }
        match socket.receive(room, flags & MSG_PEEK != 0) {
            Ok(mut received) => {
                if !socket.pass_credentials.get() {
                    received.sender = None;
                }
                let cut = received.whole > received.bytes.len() && socket.style != Style::Stream;
                let from = received.from.take().filter(|name| !name.is_empty());
                Ok(Taken {
                    count: received.bytes.len() as u64,
                    address: from.map_or_else(Vec::new, |name| address_of(&name)),
                    flags: if cut { MSG_TRUNC } else { 0 },
                    received,
                })
            }
            Err(Refusal::Errno(errno)) => Err(errno.into()),
            Err(Refusal::NotYet) => Err(self.socket_wait(Wait::for_bell(), dont, timeouts.receive.get())),
        }
    }

    fn receive_inet(
        &mut self,
        host: &Rc<OwnedFd>,
        timeouts: &Timeouts,
        (room, control_room): (usize, usize),
        flags: u32,
        dont: bool,
    ) -> Result<Taken, Stop> {
        use rustix::net::RecvFlags;
        let asked = RecvFlags::from_bits_retain(flags & (MSG_OOB | MSG_PEEK));
        if control_room > 0 && !is_stream(host) {
            let asked = flags & (MSG_OOB | MSG_PEEK) | MSG_TRUNC;
            return match inet_control::receive(host, room, control_room, asked) {
                Ok(got) => Ok(Taken {
                    count: got.bytes.len() as u64,
                    address: got.address,
                    flags: got.flags & (MSG_TRUNC | MSG_CTRUNC),
                    received: Received {
                        bytes: got.bytes,
                        whole: got.whole,
                        control: got.control,
                        ..Received::default()
                    },
                }),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {
                    let wait = Wait::for_host(host, PollEvents::IN);
                    Err(self.socket_wait(wait, dont, timeouts.receive.get()))
                }
                Err(error) => Err(errno(error).into()),
            };
        }
        let mut bytes = vec![0; room];
        // The host tells a datagram's true length if it is asked.
        let asked = asked | RecvFlags::DONTWAIT;
        let told = if is_stream(host) {
            asked
        } else {
            asked | RecvFlags::TRUNC
        };
        match rustix::net::recvfrom(host, &mut bytes[..], told) {
            Ok((count, whole, from)) => {
                bytes.truncate(count);
                Ok(Taken {
                    count: count as u64,
                    address: inet::encode(from),
                    flags: if whole > count { MSG_TRUNC } else { 0 },
                    received: Received {
                        bytes,
                        whole,
                        ..Received::default()
                    },
                })
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {
                let wait = Wait::for_host(host, PollEvents::IN);
                Err(self.socket_wait(wait, dont, timeouts.receive.get()))
            }
            Err(error) => Err(errno(error).into()),
        }
    }

    /// What a message header says goes with the bytes.
    fn read_beside(&mut self, header: &MsgHeader) -> Result<Beside, Errno> {
        let mut beside = Beside::default();
        if header.name != 0 && header.name_length > 0 {
            beside.address = Some(self.address(header.name, header.name_length.into())?);
        }
        if header.control == 0 || header.control_length == 0 {
            return Ok(beside);
        }
        if header.control_length > CONTROL_MAX {
            return Err(Errno::ENOBUFS);
        }
        let mut bytes = vec![0; header.control_length as usize];
        self.kernel.read_user(self.pid, header.control, &mut bytes)?;
        for piece in Control::decode_all(&bytes)? {
            match (piece.level, piece.kind) {
                (SOL_SOCKET, SCM_RIGHTS) => {
                    for fd in piece.data.chunks_exact(4) {
                        beside.files.push(self.file(get_u32(fd, 0) as i32)?);
                    }
                    if beside.files.len() > SCM_MAX_FD {
                        return Err(Errno::EINVAL);
                    }
                }
                (SOL_SOCKET, SCM_CREDENTIALS) => beside.sender = Some(self.check_sender(&piece.data)?),
                (SOL_SOCKET, _) => return Err(Errno::EINVAL),
                // What belongs to another protocol is that one's affair.
                _ => beside.control.push(piece),
            }
        }
        Ok(beside)
    }

    /// Only root may say that it is somebody else.
    fn check_sender(&self, data: &[u8]) -> Result<Sender, Errno> {
        if data.len() != 12 {
            return Err(Errno::EINVAL);
        }
        let said = Sender {
            pid: get_u32(data, 0),
            uid: get_u32(data, 4),
            gid: get_u32(data, 8),
        };
        let creds = &self.task().creds;
        let mine = said.pid == self.task().tgid.get()
            && [creds.uid, creds.euid].contains(&said.uid)
            && [creds.gid, creds.egid].contains(&said.gid);
        if mine || creds.euid == 0 {
            Ok(said)
        } else {
            Err(Errno::EPERM)
        }
    }

    /// Writes what came with a message; gives how many bytes that were and the flags to tell.
    fn write_control(
        &mut self,
        header: &MsgHeader,
        received: &Received,
        flags: u32,
    ) -> Result<(u64, u32), Stop> {
        let mut room = if header.control == 0 {
            0
        } else {
            header.control_length
        };
        let mut out = received.control.clone();
        let mut told = 0;
        if let Some(sender) = received.sender {
            let data: Vec<u8> = [sender.pid, sender.uid, sender.gid]
                .iter()
                .flat_map(|id| id.to_le_bytes())
                .collect();
            push_control(&mut out, &mut room, SCM_CREDENTIALS, data, &mut told);
        }
        if !received.files.is_empty() {
            // As many as there is room for; the rest is closed.
            let fit = (room.saturating_sub(16) / 4).min(received.files.len() as u64) as usize;
            let mut data = Vec::new();
            for file in received.files.iter().take(fit) {
                let close = flags & MSG_CMSG_CLOEXEC != 0;
                match self.add_file(Rc::clone(file), close, 0) {
                    Ok(fd) => data.extend((fd as u32).to_le_bytes()),
                    Err(_) => break,
                }
            }
            if data.len() < 4 * received.files.len() {
                told |= MSG_CTRUNC;
            }
            if !data.is_empty() {
                push_control(&mut out, &mut room, SCM_RIGHTS, data, &mut told);
            }
        }
        self.write_if_wanted(header.control, &out)?;
        Ok((out.len() as u64, told))
    }

    fn receive_header(&mut self, file: &Rc<File>, at: u64, flags: u32) -> Answer {
        let header = MsgHeader::decode(&self.read(at)?);
        let vectors = self.message_vectors(&header)?;
        let control_room = match header.control {
            0 => 0,
            _ => header.control_length.min(CONTROL_MAX) as usize,
        };
        let taken = self.take_message(file, &vectors, flags, control_room)?;
        if header.name != 0 {
            if (header.name_length as i32) < 0 {
                return Err(Errno::EINVAL.into());
            }
            let room = header.name_length as usize;
            let shown = taken.address.get(..room).unwrap_or(&taken.address);
            self.write(header.name, shown)?;
            let length = taken.address.len() as u32;
            self.write(at + MsgHeader::NAME_LENGTH, &length.to_le_bytes())?;
        }
        let (used, told) = self.write_control(&header, &taken.received, flags)?;
        self.write(at + MsgHeader::CONTROL_LENGTH, &used.to_le_bytes())?;
        let flags = taken.flags | told | flags & MSG_CMSG_CLOEXEC;
        self.write(at + MsgHeader::FLAGS, &flags.to_le_bytes())?;
        Ok(taken.count)
    }

    fn message_vectors(&mut self, header: &MsgHeader) -> Result<Vec<(u64, u64)>, Errno> {
        self.vectors(header.vectors, header.count)
            .map_err(|errno| match errno {
                Errno::EINVAL => Errno::EMSGSIZE,
                other => other,
            })
    }

    fn send_header(&mut self, file: &Rc<File>, at: u64, flags: u32) -> Answer {
        let header = MsgHeader::decode(&self.read(at)?);
        let vectors = self.message_vectors(&header)?;
        let beside = self.read_beside(&header)?;
        self.send_message(file, &vectors, beside, flags)
    }
}

/// Adds a piece of ancillary data, padded as the next one needs it.
fn push_control(out: &mut Vec<u8>, room: &mut u64, kind: u32, data: Vec<u8>, told: &mut u32) {
    let piece = Control {
        level: SOL_SOCKET,
        kind,
        data,
    };
    let mut bytes = piece.encode();
    if bytes.len() as u64 > *room {
        *told |= MSG_CTRUNC;
        return;
    }
    let padded = bytes.len().next_multiple_of(8).min(*room as usize);
    bytes.resize(padded, 0);
    *room -= padded as u64;
    out.extend(bytes);
}

/// What is left of vectors after so many bytes.
fn after(vectors: &[(u64, u64)], mut skip: u64) -> Vec<(u64, u64)> {
    let mut left = Vec::with_capacity(vectors.len());
    for &(base, length) in vectors {
        let step = skip.min(length);
        skip -= step;
        if length > step {
            left.push((base.wrapping_add(step), length - step));
        }
    }
    left
}

fn one(call: &Call<'_>) -> [(u64, u64); 1] {
    [(call.args[1], call.args[2].min(MAX_RW_COUNT))]
}

fn sendto(call: &mut Call<'_>) -> Answer {
    let [_, _, _, flags, address_at, length] = call.args;
    let file = call.file(call.int(0))?;
    as_socket(&file)?;
    let mut beside = Beside::default();
    if address_at != 0 {
        beside.address = Some(call.address(address_at, length)?);
    }
    call.send_message(&file, &one(call), beside, flags as u32)
}

fn recvfrom(call: &mut Call<'_>) -> Answer {
    let [_, _, _, flags, address_at, length_at] = call.args;
    let file = call.file(call.int(0))?;
    let taken = call.take_message(&file, &one(call), flags as u32, 0)?;
    if address_at != 0 {
        call.write_address(address_at, length_at, &taken.address)?;
    }
    Ok(taken.count)
}

fn sendmsg(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    as_socket(&file)?;
    call.send_header(&file, call.args[1], call.args[2] as u32)
}

fn recvmsg(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    as_socket(&file)?;
    call.receive_header(&file, call.args[1], call.args[2] as u32)
}

/// Many messages in one call: how many went. An error after the first belongs to the next call.
fn sendmmsg(call: &mut Call<'_>) -> Answer {
    let [_, at, count, flags, ..] = call.args;
    let file = call.file(call.int(0))?;
    as_socket(&file)?;
    let count = u64::from(count as u32).min(abi::fs::IOV_MAX);
    for n in 0..count {
        let header = at.wrapping_add(n * MMSG_SIZE);
        let sent = call.send_header(&file, header, flags as u32);
        let sent = match sent {
            Ok(sent) => sent,
            Err(_) if n > 0 => return Ok(n),
            Err(stop) => return Err(stop),
        };
        call.task_mut().progress.done = 0;
        call.write(
            header.wrapping_add(MsgHeader::SIZE as u64),
            &(sent as u32).to_le_bytes(),
        )?;
    }
    Ok(count)
}

/// It waits for all messages unless it is told to wait for one; its timeout counts only between messages, as on Linux.
fn recvmmsg(call: &mut Call<'_>) -> Answer {
    let [_, at, count, flags, timeout_at, _] = call.args;
    let file = call.file(call.int(0))?;
    as_socket(&file)?;
    let mut flags = flags as u32;
    let deadline = call.timeout(timeout_at)?;
    let count = u64::from(count as u32).min(abi::fs::IOV_MAX);
    let first = call.task().progress.done;
    if first > 0 && flags & MSG_WAITFORONE != 0 {
        flags |= MSG_DONTWAIT;
    }
    for n in first..count {
        let header = at.wrapping_add(n * MMSG_SIZE);
        // Waiting for the whole of each is left out: the place in this call is what is remembered.
        let got = match call.receive_header(&file, header, flags & !(MSG_WAITALL | MSG_WAITFORONE)) {
            Ok(got) => got,
            Err(Stop::Errno(_)) if n > 0 => return Ok(n),
            Err(stop) => return Err(stop),
        };
        call.write(
            header.wrapping_add(MsgHeader::SIZE as u64),
            &(got as u32).to_le_bytes(),
        )?;
        call.task_mut().progress.done = n + 1;
        if flags & MSG_WAITFORONE != 0 {
            flags |= MSG_DONTWAIT;
        }
        if call.is_over(deadline) {
            return Ok(n + 1);
        }
    }
    Ok(count)
}
