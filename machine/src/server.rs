//! The control socket: `/proc` of this machine, read-only, for whoever can enter the user's own directory.
//!
//! [`Server`] is polled between time slices by the one thread that also runs the guest, so an answer shows one moment and
//! no lock exists. Nothing here waits: sockets do not block, half-sent answers are kept, and a client
//! that sends garbage or stops reading loses its connection.
//!
//! Key types: [`Server`], its `Client`s; the protocol is `procfs::wire`, the place of the socket `procfs::sockets`.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use process::{Kernel, proc_tree as proc};
use procfs::sockets;
use procfs::wire::{FrameDecoder, MAX_REQUEST, MAX_RESPONSE, Request, Response, VERSION, frame};
use rustix::event::PollFlags;

/// Connections at a time. The next one takes the place of the one that was quiet the longest, so that clients who never
/// end cannot keep others out.
const MAX_CLIENTS: usize = 64;
/// With so many bytes of answers waiting for a client to read them, it gets no more.
const MAX_BACKLOG: usize = 1 << 20;
/// Answers to one client before the guest runs on. Tools ask and then wait, so they see no difference.
const MAX_ANSWERS: usize = 8;

/// The listening socket and its connections.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// The one that was heard last stands last.
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    /// It was heard since the last look.
    heard: bool,
    /// There may be more to answer although nothing comes.
    unfinished: bool,
    decoder: FrameDecoder,
    outgoing: Vec<u8>,
    sent: usize,
    /// The last text begun, so that its later parts are of the same moment.
    text: Option<(String, Vec<u8>)>,
}

impl Server {
    /// Listens at `<directory>/<host pid>.sock`, in a directory that only this user can enter.
    pub fn bind() -> io::Result<Self> {
        let directory = sockets::directory();
        sockets::create_directory(&directory)?;
        let path = sockets::socket_path(&directory, std::process::id());
        // A file of this name was left by a process that had our number before and is gone.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            path,
            clients: Vec::new(),
        })
    }

    /// What to wait for when the machine has nothing else to do.
    pub fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let clients = self
            .clients
            .iter()
            .map(|client| (client.stream.as_fd(), client.awaited()));
        std::iter::once((self.listener.as_fd(), PollFlags::IN)).chain(clients)
    }

    /// Takes new connections and answers what has been asked. Never waits.
    pub fn serve(&mut self, kernel: &Kernel) {
        // One round of connections at most: a flood of them must not keep the guest from running.
        for _ in 0..MAX_CLIENTS {
            match self.listener.accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Without a free descriptor (EMFILE) the queue stays as it is: an old client makes room.
                Err(_) => {
                    self.clients.drain(..self.clients.len().min(1));
                    break;
                }
            }
        }
        self.clients.retain_mut(|client| client.serve(kernel).is_ok());
        self.clients.sort_by_key(|client| client.heard);
        self.clients.iter_mut().for_each(|client| client.heard = false);
    }

    fn admit(&mut self, stream: UnixStream) {
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        if self.clients.len() >= MAX_CLIENTS {
            self.clients.remove(0);
        }
        self.clients.push(Client::new(stream));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // If it cannot be removed, the next reader finds that nobody answers and removes it.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Client {
    fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            heard: true,
            unfinished: false,
            decoder: FrameDecoder::new(MAX_REQUEST),
            outgoing: Vec::new(),
            sent: 0,
            text: None,
        }
    }

    /// What it takes for this client to be worth another look.
    fn awaited(&self) -> PollFlags {
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, self.outgoing.len() < MAX_BACKLOG);
        events.set(PollFlags::OUT, self.unfinished || !self.outgoing.is_empty());
        events
    }

    /// An error ends the connection.
    fn serve(&mut self, kernel: &Kernel) -> io::Result<()> {
        self.flush()?;
        let asked = self.answer_some(kernel);
        // Also one that has said its last is told what it asked for.
        self.flush().and(asked)
    }

    fn answer_some(&mut self, kernel: &Kernel) -> io::Result<()> {
        self.unfinished = false;
        let mut answers = 0;
        while answers < MAX_ANSWERS && self.outgoing.len() < MAX_BACKLOG {
            if let Some(payload) = self.decoder.next_frame()? {
                let response = self.answer(kernel, &Request::decode(&payload)?);
                self.outgoing.extend(frame(&response.encode(), MAX_RESPONSE)?);
                answers += 1;
            } else if !self.listen()? {
                return Ok(());
            }
        }
        self.unfinished = true;
        Ok(())
    }

    /// Takes what has come; whether that is anything.
    fn listen(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                self.decoder.push(&buffer[..length]);
                self.heard = true;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn answer(&mut self, kernel: &Kernel, request: &Request) -> Response {
        let answer = match request {
            Request::Hello { .. } => Ok(Response::Hello {
                version: VERSION,
                host_pid: std::process::id(),
            }),
            Request::Link { path } => proc::read_link(kernel, None, path.as_bytes()).map(Response::Data),
            Request::List { path } => proc::list(kernel, None, path.as_bytes()).map(Response::Names),
            Request::Read { path, offset, len } => self
                .read(kernel, path, *offset, *len as usize)
                .map(Response::Data),
        };
        answer.unwrap_or_else(|errno| Response::Error {
            errno: errno.get().into(),
            message: String::new(),
        })
    }

    fn read(
        &mut self,
        kernel: &Kernel,
        path: &str,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, process::Errno> {
        let kept = self.text.as_ref().is_some_and(|(name, _)| name == path);
        if offset == 0 || !kept {
            self.text = proc::whole(kernel, None, path.as_bytes())?.map(|text| (path.to_owned(), text));
        }
        match &self.text {
            Some((_, text)) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
                Ok(text[start..start.saturating_add(length).min(text.len())].to_vec())
            }
            None => proc::read(kernel, None, path.as_bytes(), offset, length),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.outgoing.len() {
            match self.stream.write(&self.outgoing[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        Ok(())
    }
}
