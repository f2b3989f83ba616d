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

/// Connections at a time; more wait in the listener's queue.
const MAX_CLIENTS: usize = 16;
/// Bytes of answers that may wait for a client to read them.
const MAX_BACKLOG: usize = 4 << 20;

/// The listening socket and its connections.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
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

    /// What to wait for when the machine has nothing else to do: readable, and writable where answers wait.
    pub fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        let clients = self
            .clients
            .iter()
            .map(|client| (client.stream.as_fd(), !client.outgoing.is_empty()));
        std::iter::once((self.listener.as_fd(), false)).chain(clients)
    }

    /// Takes new connections and answers what has been asked. Never waits.
    pub fn serve(&mut self, kernel: &Kernel) {
        while self.clients.len() < MAX_CLIENTS {
            let Ok((stream, _)) = self.listener.accept() else {
                break;
            };
            if stream.set_nonblocking(true).is_ok() {
                self.clients.push(Client::new(stream));
            }
        }
        self.clients.retain_mut(|client| client.serve(kernel).is_ok());
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
            decoder: FrameDecoder::new(MAX_REQUEST),
            outgoing: Vec::new(),
            sent: 0,
            text: None,
        }
    }

    /// An error ends the connection.
    fn serve(&mut self, kernel: &Kernel) -> io::Result<()> {
        self.flush()?;
        let mut buffer = [0; 4096];
        while self.outgoing.len() < MAX_BACKLOG {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.take(kernel, &buffer[..length])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.flush()
    }

    fn take(&mut self, kernel: &Kernel, bytes: &[u8]) -> io::Result<()> {
        self.decoder.push(bytes);
        while let Some(payload) = self.decoder.next_frame()? {
            let response = self.answer(kernel, &Request::decode(&payload)?);
            self.outgoing.extend(frame(&response.encode(), MAX_RESPONSE)?);
        }
        Ok(())
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
