//! The control socket of a running machine against clients that wish it ill: garbage, half frames, huge lengths, floods of
//! requests that are never read. The machine runs on, answers the others, and its memory stays bounded.

use procfs::sockets;
use procfs::wire::{self, Request, Response};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A machine that runs `beep`, ended whatever happens to the test.
struct Machine {
    child: Child,
    runtime: tempfile::TempDir,
    socket: PathBuf,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pagewalk(runtime: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pagewalk"));
    command.args(args).env("XDG_RUNTIME_DIR", runtime);
    command
}

impl Machine {
    fn start() -> Self {
        let runtime = tempfile::tempdir().expect("a folder");
        let child = pagewalk(runtime.path(), &["run", "beep"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the machine starts");
        let socket = sockets::socket_path(&runtime.path().join("pagewalk"), child.id());
        let machine = Self {
            child,
            runtime,
            socket,
        };
        let begin = Instant::now();
        while UnixStream::connect(&machine.socket).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(60), "no socket");
            std::thread::sleep(Duration::from_millis(5));
        }
        machine
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).expect("the machine listens");
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).expect("a socket");
        stream.set_write_timeout(patience).expect("a socket");
        stream
    }

    /// An honest client is answered.
    fn answers(&self) {
        let mut stream = self.connect();
        let text = ask(&mut stream, &self.file("comm"));
        assert_eq!(text, b"beep\n");
    }

    /// A file of its only process.
    fn file(&self, name: &str) -> String {
        let mut stream = self.connect();
        let request = Request::List { path: String::new() };
        wire::send(&mut stream, &request.encode(), wire::MAX_REQUEST).expect("the machine reads");
        let Response::Names(names) = answer(&mut stream) else {
            panic!("a directory has names");
        };
        let first = names.iter().find(|name| name[0].is_ascii_digit());
        let pid = first.expect("a process");
        format!("{}/{name}", String::from_utf8_lossy(pid))
    }

    fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).expect("the machine lives");
        let line = text.lines().find(|line| line.starts_with("VmRSS:"));
        let figure = line.and_then(|line| line.split_whitespace().nth(1));
        figure.and_then(|figure| figure.parse().ok()).expect("a figure")
    }
}

fn read_request(path: &str, len: u32) -> Vec<u8> {
    let request = Request::Read {
        path: path.to_owned(),
        offset: 0,
        len,
    };
    wire::frame(&request.encode(), wire::MAX_REQUEST).expect("a short request")
}

fn ask(stream: &mut UnixStream, path: &str) -> Vec<u8> {
    stream
        .write_all(&read_request(path, 4096))
        .expect("the machine reads");
    match answer(stream) {
        Response::Data(data) => data,
        other => panic!("{other:?}"),
    }
}

fn answer(stream: &mut UnixStream) -> Response {
    let payload = wire::receive(stream, wire::MAX_RESPONSE).expect("the machine answers");
    Response::decode(&payload.expect("an answer")).expect("a whole answer")
}

/// Bytes that repeat with the seed (xorshift64).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(step).collect()
}

#[test]
fn garbage_ends_a_connection_and_nothing_else() {
    let machine = Machine::start();
    for seed in 0..200 {
        let mut stream = machine.connect();
        let mut bytes = noise(seed, 1 + seed as usize * 7);
        if seed % 2 == 0 {
            // A length that is allowed, so that the payload is looked at.
            let length = (bytes.len() as u32).to_le_bytes();
            bytes.splice(0..0, length);
        }
        // The machine may hang up in the middle.
        let _ = stream.write_all(&bytes);
    }
    for length in [u32::MAX, 1 << 31, 0, 1, wire::MAX_REQUEST as u32 + 1] {
        let mut stream = machine.connect();
        let _ = stream.write_all(&length.to_le_bytes());
        machine.answers();
    }
    let mut half = machine.connect();
    let request = read_request("meminfo", 4096);
    let (head, tail) = request.split_at(7);
    half.write_all(head).expect("the machine reads");
    machine.answers();
    half.write_all(tail).expect("the machine waited for the rest");
    let answer = wire::receive(&mut half, wire::MAX_RESPONSE).expect("the machine answers");
    assert!(answer.is_some());
}

#[test]
fn clients_that_never_read_cost_little_and_keep_nobody_out() {
    let machine = Machine::start();
    let before = machine.resident_kib();
    let mut silent = Vec::new();
    let pagemap = machine.file("pagemap");
    for _ in 0..200 {
        let mut stream = machine.connect();
        stream.set_nonblocking(true).expect("a socket");
        let flood = read_request(&pagemap, wire::MAX_DATA as u32).repeat(400);
        // As much as fits; the answers are never read.
        let _ = stream.write(&flood);
        silent.push(stream);
    }
    for _ in 0..20 {
        machine.answers();
    }
    let after = machine.resident_kib();
    assert!(after < before + (256 << 10), "{before} KiB became {after} KiB");
}

#[test]
fn twenty_readers_at_once_see_the_whole_report() {
    let machine = Machine::start();
    let runtime = machine.runtime.path();
    let start = |_| {
        let mut command = pagewalk(runtime, &["vmmap", "beep"]);
        command.stdout(Stdio::piped()).spawn().expect("vmmap starts")
    };
    let readers: Vec<Child> = (0..20).map(start).collect();
    for reader in readers {
        let output = reader.wait_with_output().expect("vmmap ends");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("VM page size: 16384 bytes"), "{text}");
    }
    machine.answers();
}
