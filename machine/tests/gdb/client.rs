//! The other side of `--gdb`: packets by hand over a socket, and a machine in a thread of its own.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arch::{Bytes, Granule};
use machine::debug::DebugAddress;
use machine::{Config, Machine, Message};
use process::{Exit, Spawn};

/// No answer takes longer on a loaded host.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the test program lies.
pub(crate) const BASE: u64 = 0x40_0000;
const HEADERS: u64 = 64 + 56;

/// Its words; `guests.s` in words, with offsets from its first: see [`at`].
///
/// ```text
/// 00 count:  adr x2, data; mov x0, #10
/// 08 loop:   bl func; subs x0, x0, #1; b.ne loop
/// 14         mov x0, #42
/// 18 exit:   mov x8, #94; svc #0
/// 20 func:   ldr x1, [x2]; add x1, x1, #3; str x1, [x2]; ret
/// 30 segv:   mov x3, #0x10; str x3, [x3]; mov x0, #7; b exit
/// 40 spin:   b spin
/// 44 fork:   adr x2, data; clone(SIGCHLD); in the child: bl func; exit(*data)
/// 68 parent: wait4(-1, &status); exit(status >> 8)
/// 88 data:   .quad 0
/// 90 status: .quad 0
/// ```
const WORDS: [u32; 38] = [
    0x10000442, 0xd2800140, 0x94000006, 0xf1000400, 0x54ffffc1, 0xd2800540, 0xd2800bc8, 0xd4000001,
    0xf9400041, 0x91000c21, 0xf9000041, 0xd65f03c0, 0xd2800203, 0xf9000063, 0xd28000e0, 0x17fffff7,
    0x14000000, 0x10000222, 0xd2800220, 0xd2800001, 0xd2801b88, 0xd4000001, 0xb5000080, 0x97fffff1,
    0xb9400040, 0x17ffffed, 0x10000141, 0xd2800002, 0xd2800003, 0xd2802088, 0xd4000001, 0xb9400020,
    0x53087c00, 0x17ffffe5, 0, 0, 0, 0,
];

/// The address of an offset in the program.
pub(crate) fn at(offset: u64) -> u64 {
    BASE + HEADERS + offset
}

/// An ELF file with the test program, which begins at `entry`: one segment, all rights.
pub(crate) fn program(entry: u64) -> Vec<u8> {
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    let mut put = |bytes: &[u8]| elf.extend_from_slice(bytes);
    put(&2u16.to_le_bytes()); // ET_EXEC
    put(&183u16.to_le_bytes()); // EM_AARCH64
    put(&1u32.to_le_bytes());
    put(&at(entry).to_le_bytes());
    put(&64u64.to_le_bytes()); // program headers
    put(&0u64.to_le_bytes());
    put(&0u32.to_le_bytes());
    [64u16, 56, 1, 64, 0, 0]
        .iter()
        .for_each(|half| put(&half.to_le_bytes()));
    put(&1u32.to_le_bytes()); // PT_LOAD
    put(&7u32.to_le_bytes()); // RWX
    let size = HEADERS + 4 * WORDS.len() as u64;
    [0, BASE, BASE, size, size, 0x1_0000]
        .iter()
        .for_each(|word: &u64| put(&word.to_le_bytes()));
    WORDS.iter().for_each(|word| put(&word.to_le_bytes()));
    elf
}

/// What a machine came to.
pub(crate) struct End {
    pub(crate) exit: Exit,
    pub(crate) instructions: u64,
    pub(crate) news: Vec<String>,
}

/// A machine in a thread, with a seed.
pub(crate) struct Running {
    thread: Option<JoinHandle<()>>,
    end: Receiver<End>,
    socket: PathBuf,
    // Removed at the end.
    folder: tempfile::TempDir,
}

/// Starts the test program at `entry`, waiting for a debugger or not.
pub(crate) fn start(entry: u64, debugged: bool) -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("program");
    std::fs::write(&path, program(entry)).expect("a file");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    start_file(&path, debugged, folder)
}

/// Starts a bundled guest.
pub(crate) fn start_guest(name: &str) -> Running {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../guests/elf")
        .join(name);
    start_file(&path, true, tempfile::tempdir().expect("a folder"))
}

fn start_file(path: &Path, debugged: bool, folder: tempfile::TempDir) -> Running {
    let socket = folder.path().join("gdb");
    let spawn = Spawn {
        path: path.to_str().expect("a plain path").into(),
        args: vec![b"program".to_vec()],
        env: Vec::new(),
        working: b"/".to_vec(),
    };
    let (tell, end) = channel();
    let listen = socket.clone();
    let vdso = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/elf/vdso.so");
    let vdso = std::fs::read(vdso).expect("the vDSO");
    // A machine does not leave its thread, so it is made there.
    let thread = std::thread::spawn(move || {
        let config = Config {
            granule: Granule::K16,
            ram: Bytes::new(16 << 20),
            kernel: process::Config {
                seed: Some(1),
                vdso: Some(vdso.as_slice().into()),
                first_pid: 100,
                ..process::Config::default()
            },
            program: spawn,
            serve: false,
            policy: policy::Name::Clock,
            swap: machine::Swap::default(),
            debug: debugged.then_some(DebugAddress::Unix(listen)),
        };
        let mut machine = Machine::new(config).expect("a machine");
        let mut news = Vec::new();
        let exit = machine.run(|message| {
            if let Message::Debugger(line) = message {
                news.push(line);
            }
        });
        let stats = machine.stats();
        let _ = tell.send(End {
            exit: exit.expect("an end"),
            instructions: stats.get("instructions", "retired").expect("it is counted"),
            news,
        });
    });
    Running {
        thread: Some(thread),
        end,
        socket,
        folder,
    }
}

impl Running {
    /// A connection without any packet sent.
    pub(crate) fn connect(&self) -> Client {
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match UnixStream::connect(&self.socket) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => panic!("nobody listens: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Client {
            stream,
            acknowledges: true,
        }
    }

    /// A session as gdb begins one.
    pub(crate) fn debug(&self) -> Client {
        let mut client = self.connect();
        let features = client.ask("qSupported:multiprocess+;swbreak+;hwbreak+;exec-events+;vContSupported+");
        assert!(features.starts_with("PacketSize="), "{features}");
        assert_eq!(client.ask("QStartNoAckMode"), "OK");
        client.acknowledges = false;
        assert_eq!(client.ask("Hg0"), "OK");
        client
    }

    /// The program's end.
    pub(crate) fn end(mut self) -> End {
        let end = self
            .end
            .recv_timeout(PATIENCE)
            .expect("the machine ends and does not panic");
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic");
        }
        let _ = self.folder.path();
        end
    }
}

/// A debugger.
pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    acknowledges: bool,
}

impl Client {
    /// Sends a packet and takes the answer to it.
    pub(crate) fn ask(&mut self, body: &str) -> String {
        String::from_utf8_lossy(&self.ask_bytes(body.as_bytes())).into_owned()
    }

    pub(crate) fn ask_bytes(&mut self, body: &[u8]) -> Vec<u8> {
        self.send(body);
        self.answer()
            .unwrap_or_else(|| panic!("no answer to {}", String::from_utf8_lossy(body)))
    }

    pub(crate) fn send(&mut self, body: &[u8]) {
        let sum = body.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let mut packet = vec![b'$'];
        packet.extend_from_slice(body);
        packet.extend_from_slice(format!("#{sum:02x}").as_bytes());
        self.raw(&packet);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        // A machine that has hung up is seen by who reads.
        let _ = self.stream.write_all(bytes);
    }

    /// The body of the next packet, or `None` if the machine hung up.
    pub(crate) fn answer(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        let mut inside = false;
        loop {
            match self.byte()? {
                b'$' => inside = true,
                b'#' if inside => break,
                byte if inside => body.push(byte),
                _ => {}
            }
        }
        self.byte()?;
        self.byte()?;
        if self.acknowledges {
            self.raw(b"+");
        }
        Some(body)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => None,
            Ok(_) => Some(byte[0]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("the machine is silent: {error}"),
        }
    }

    /// A register by number, of the thread that `Hg` named.
    pub(crate) fn register(&mut self, number: u64) -> u64 {
        let text = self.ask(&format!("p{number:x}"));
        little_endian(&text)
    }

    pub(crate) fn pc(&mut self) -> u64 {
        self.register(32)
    }

    /// A doubleword of memory.
    pub(crate) fn word(&mut self, address: u64) -> u64 {
        let text = self.ask(&format!("m{address:x},8"));
        little_endian(&text)
    }
}

/// The number of up to eight bytes in hexadecimal.
pub(crate) fn little_endian(text: &str) -> u64 {
    let digits = text.as_bytes().chunks(2).take(8).rev();
    let turned: Vec<u8> = digits.flatten().copied().collect();
    u64::from_str_radix(std::str::from_utf8(&turned).expect("digits"), 16)
        .unwrap_or_else(|_| panic!("no number: {text}"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
