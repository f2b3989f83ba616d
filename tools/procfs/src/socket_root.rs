//! A machine's `/proc` through its control socket ([`SocketRoot`]; the protocol is [`crate::wire`]).

use crate::wire::{self, Request, Response};
use crate::{Root, RootError};
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a machine may take to answer before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a running machine.
#[derive(Debug)]
pub struct SocketRoot {
    stream: Mutex<UnixStream>,
    host_pid: u32,
}

impl SocketRoot {
    /// Greet the machine at the other end of `stream`.
    ///
    /// # Errors
    /// [`RootError`] if it does not answer, or not as a machine of this version.
    pub fn greet(stream: UnixStream) -> Result<Self, RootError> {
        let error = |e| RootError::new("greet", "the machine", e);
        stream.set_read_timeout(Some(PATIENCE)).map_err(error)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(error)?;
        let mut root = Self {
            stream: Mutex::new(stream),
            host_pid: 0,
        };
        match root
            .ask(&Request::Hello {
                version: wire::VERSION,
            })
            .map_err(error)?
        {
            Response::Hello {
                version: wire::VERSION,
                host_pid,
            } => root.host_pid = host_pid,
            Response::Hello { version, .. } => {
                let message = format!(
                    "it speaks version {version} of the protocol, not {}",
                    wire::VERSION
                );
                return Err(error(io::Error::new(io::ErrorKind::InvalidData, message)));
            }
            other => return Err(error(unexpected(&other))),
        }
        Ok(root)
    }

    /// The machine's process id on the host: its name among machines.
    #[must_use]
    pub fn host_pid(&self) -> u32 {
        self.host_pid
    }

    fn ask(&self, request: &Request) -> io::Result<Response> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        wire::send(&mut *stream, &request.encode(), wire::MAX_REQUEST)?;
        let frame = wire::receive(&mut *stream, wire::MAX_RESPONSE)?
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the machine ended"))?;
        match Response::decode(&frame)? {
            Response::Error { errno, message } => Err(from_errno(errno, &message)),
            response => Ok(response),
        }
    }

    fn read_some(&self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let len = len.min(wire::MAX_DATA);
        match self.ask(&Request::Read {
            path: path.into(),
            offset,
            len: len as u32,
        })? {
            Response::Data(data) if data.len() <= len => Ok(data),
            other => Err(unexpected(&other)),
        }
    }
}

fn from_errno(errno: u32, message: &str) -> io::Error {
    let system = io::Error::from_raw_os_error(i32::try_from(errno).unwrap_or(0));
    if message.is_empty() {
        system
    } else {
        io::Error::new(system.kind(), message)
    }
}

fn unexpected(response: &Response) -> io::Error {
    let kind = match response {
        Response::Hello { .. } => "a greeting",
        Response::Data(_) => "data",
        Response::Names(_) => "names",
        Response::Error { .. } => "an error",
    };
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the machine answered with {kind}"),
    )
}

impl Root for SocketRoot {
    fn describe(&self) -> String {
        format!("machine {}", self.host_pid)
    }

    fn is_live(&self) -> bool {
        true
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + Send + '_>, RootError> {
        let mut file = SocketFile {
            root: self,
            path: path.into(),
            offset: 0,
            chunk: Vec::new(),
            at: 0,
            is_done: false,
        };
        // The first bytes now, so that a missing file is an error of opening.
        file.fill().map_err(|e| RootError::new("open", path, e))?;
        Ok(Box::new(file))
    }

    fn read_at(&self, path: &str, offset: u64, buf: &mut [u8]) -> Result<usize, RootError> {
        let mut done = 0;
        while done < buf.len() {
            let data = self
                .read_some(path, offset.saturating_add(done as u64), buf.len() - done)
                .map_err(|e| RootError::new("read", path, e))?;
            if data.is_empty() {
                break;
            }
            buf[done..done + data.len()].copy_from_slice(&data);
            done += data.len();
        }
        Ok(done)
    }

    fn read_link(&self, path: &str) -> Result<Vec<u8>, RootError> {
        let error = |e| RootError::new("read link", path, e);
        match self.ask(&Request::Link { path: path.into() }).map_err(error)? {
            Response::Data(target) => Ok(target),
            other => Err(error(unexpected(&other))),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, RootError> {
        let error = |e| RootError::new("list", path, e);
        match self.ask(&Request::List { path: path.into() }).map_err(error)? {
            Response::Names(names) => Ok(names),
            other => Err(error(unexpected(&other))),
        }
    }
}

/// A file of the machine, read front to back in large pieces.
struct SocketFile<'a> {
    root: &'a SocketRoot,
    path: String,
    offset: u64,
    chunk: Vec<u8>,
    at: usize,
    is_done: bool,
}

impl SocketFile<'_> {
    fn fill(&mut self) -> io::Result<()> {
        self.chunk = self.root.read_some(&self.path, self.offset, wire::MAX_DATA)?;
        self.at = 0;
        self.offset += self.chunk.len() as u64;
        self.is_done = self.chunk.len() < wire::MAX_DATA;
        Ok(())
    }
}

impl Read for SocketFile<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() && !self.is_done {
            self.fill()?;
        }
        let rest = &self.chunk[self.at..];
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        self.at += n;
        Ok(n)
    }
}
