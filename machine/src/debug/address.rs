//! Where a debugger connects: a TCP port or a Unix socket. Nothing here waits.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::str::FromStr;

/// Where to listen: `HOST:PORT`, `:PORT` (this host only), or the path of a Unix socket, which has a slash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DebugAddress {
    /// Host and port; port 0 takes a free one.
    Tcp(String, u16),
    /// A path; the socket is made for its user alone and removed at the end.
    Unix(PathBuf),
}

impl FromStr for DebugAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no address: write HOST:PORT, :PORT or the path of a Unix socket");
        if text.contains('/') {
            return Ok(Self::Unix(text.into()));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        Ok(Self::Tcp(host.to_owned(), port))
    }
}

impl fmt::Display for DebugAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Listens, and says where: a port 0 has become a real one.
    pub(super) fn bind(address: &DebugAddress) -> io::Result<(Self, DebugAddress)> {
        match address {
            DebugAddress::Tcp(host, port) => {
                let listener = TcpListener::bind((host.as_str(), *port))?;
                listener.set_nonblocking(true)?;
                let real = listener.local_addr()?;
                let address = DebugAddress::Tcp(real.ip().to_string(), real.port());
                Ok((Self::Tcp(listener), address))
            }
            DebugAddress::Unix(path) => {
                let listener = match UnixListener::bind(path) {
                    // Left by a machine that is gone.
                    Err(error)
                        if error.kind() == ErrorKind::AddrInUse && UnixStream::connect(path).is_err() =>
                    {
                        std::fs::remove_file(path)?;
                        UnixListener::bind(path)?
                    }
                    other => other?,
                };
                std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
                listener.set_nonblocking(true)?;
                Ok((Self::Unix(listener, path.clone()), address.clone()))
            }
        }
    }

    /// A debugger that has connected.
    pub(super) fn accept(&self) -> Option<Stream> {
        let stream = match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().ok()?;
                stream.set_nonblocking(true).ok()?;
                // Without this, each answer waits for the other side's acknowledgement of the last.
                stream.set_nodelay(true).ok()?;
                Stream::Tcp(stream)
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().ok()?;
                stream.set_nonblocking(true).ok()?;
                Stream::Unix(stream)
            }
        };
        Some(stream)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener, _) => listener.as_fd(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // If it cannot be removed, the next machine finds that nobody answers and removes it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Read for Stream {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(to),
            Self::Unix(stream) => stream.read(to),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(from),
            Self::Unix(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = |host: &str, port| Ok(DebugAddress::Tcp(host.to_owned(), port));
        let rows = [
            (":1234", tcp("127.0.0.1", 1234)),
            ("localhost:0", tcp("localhost", 0)),
            ("[::1]:80", tcp("::1", 80)),
            ("/tmp/x:1", Ok(DebugAddress::Unix("/tmp/x:1".into()))),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<DebugAddress>(), expected, "{text}");
        }
        for text in ["", "1234", "host:", "host:port", "host:65536", ":-1"] {
            assert!(text.parse::<DebugAddress>().is_err(), "{text}");
        }
        assert_eq!(DebugAddress::Tcp("::1".into(), 5).to_string(), "[::1]:5");
    }
}
