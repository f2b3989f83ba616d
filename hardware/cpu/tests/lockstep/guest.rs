//! The guest program: it loads a state, runs one word, stores the state, and so on; at the end it writes all states.
//!
//! ```text
//! 0x0040_0000  code: start, load, store, handler, restorer, then for each word: bl load; WORD; bl store
//! 0x0100_0000  signal set-up, then one record of 1 KiB a word: its state, how it ended, a window of memory
//! ```
//!
//! X29 points at the current record and X30 holds return addresses, so words must leave both alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use super::asm::{self, System};

const CODE: u64 = 0x0040_0000;
const DATA: u64 = 0x0100_0000;
/// Signal structures and the alternate stack.
const SETUP: u64 = 0x1_0000;
const RECORDS: u64 = DATA + SETUP;
/// Bytes of a record.
const RECORD: usize = 1024;

const AT_NZCV: u32 = 232;
const AT_FPCR: u32 = 240;
const AT_FPSR: u32 = 248;
const AT_V: u32 = 256;
const AT_SIGNAL: u32 = 776;

/// Registers before or after a word.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct State {
    pub(crate) x: [u64; 29],
    pub(crate) nzcv: u32,
    pub(crate) fpcr: u32,
    pub(crate) fpsr: u32,
    pub(crate) v: [u128; 32],
}

impl State {
    fn to_record(&self) -> [u8; RECORD] {
        let mut record = [0; RECORD];
        let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
        for (number, value) in self.x.iter().enumerate() {
            put(number * 8, &value.to_le_bytes());
        }
        put(AT_NZCV as usize, &u64::from(self.nzcv).to_le_bytes());
        put(AT_FPCR as usize, &u64::from(self.fpcr).to_le_bytes());
        put(AT_FPSR as usize, &u64::from(self.fpsr).to_le_bytes());
        for (number, value) in self.v.iter().enumerate() {
            put(AT_V as usize + number * 16, &value.to_le_bytes());
        }
        record
    }

    fn from_record(record: &[u8]) -> Self {
        let at = |at: usize| u64::from_le_bytes(record[at..at + 8].try_into().expect("8 bytes"));
        Self {
            x: std::array::from_fn(|number| at(number * 8)),
            nzcv: at(AT_NZCV as usize) as u32,
            fpcr: at(AT_FPCR as usize) as u32,
            fpsr: at(AT_FPSR as usize) as u32,
            v: std::array::from_fn(|number| {
                let start = AT_V as usize + number * 16;
                u128::from_le_bytes(record[start..start + 16].try_into().expect("16 bytes"))
            }),
        }
    }

    /// What differs first, `self` being ours: "v3: expected 1, got 2".
    pub(crate) fn difference(&self, expected: &Self) -> Option<String> {
        for (number, (got, expected)) in self.v.iter().zip(&expected.v).enumerate() {
            if got != expected {
                return Some(format!("v{number}: expected {expected:032x}, got {got:032x}"));
            }
        }
        for (number, (got, expected)) in self.x.iter().zip(&expected.x).enumerate() {
            if got != expected {
                return Some(format!("x{number}: expected {expected:016x}, got {got:016x}"));
            }
        }
        let control = [
            ("nzcv", self.nzcv, expected.nzcv),
            ("fpcr", self.fpcr, expected.fpcr),
            ("fpsr", self.fpsr, expected.fpsr),
        ];
        let (name, got, expected) = control.into_iter().find(|(_, got, expected)| got != expected)?;
        Some(format!("{name}: expected {expected:08x}, got {got:08x}"))
    }
}

/// How a word ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Ran,
    /// SIGILL.
    Undefined,
    /// Another signal.
    Signal(u64),
}

/// The emulator on PATH or among the workspace's Debian tools.
pub(crate) fn find_qemu() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("qemu-aarch64"));
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debian-tools");
    on_path.chain(search(&tools)).find(|file| file.is_file())
}

fn search(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let entries = entries.flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| if path.is_dir() { search(&path) } else { vec![path] })
        .filter(|path| path.ends_with("qemu-aarch64"))
        .collect()
}

/// Runs each word from its state on the processor that the emulator knows as `model`; how the emulator ended if not well.
pub(crate) fn run<'a>(
    qemu: &Path,
    model: &str,
    cases: impl Iterator<Item = (u32, &'a State)>,
) -> Result<Vec<(Outcome, State)>, ExitStatus> {
    let (words, records): (Vec<u32>, Vec<[u8; RECORD]>) =
        cases.map(|(word, state)| (word, state.to_record())).unzip();
    let file =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lockstep-{model}-{}", std::process::id()));
    fs::write(&file, elf(&words, &records)).expect("the ELF file is written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it becomes executable");
    let output = Command::new(qemu)
        .args(["-cpu", model])
        .arg(&file)
        .output()
        .expect("it runs and goes");
    fs::remove_file(&file).expect("it runs and goes");
    if !output.status.success() {
        return Err(output.status);
    }
    let results = output.stdout.chunks_exact(RECORD);
    Ok(results
        .map(|record| (outcome(record), State::from_record(record)))
        .collect())
}

fn outcome(record: &[u8]) -> Outcome {
    let at = AT_SIGNAL as usize;
    match u64::from_le_bytes(record[at..at + 8].try_into().expect("8 bytes")) {
        0 => Outcome::Ran,
        4 => Outcome::Undefined,
        other => Outcome::Signal(other),
    }
}

/// Where routines begin, as word numbers.
struct Program {
    words: Vec<u32>,
    handler: usize,
    restorer: usize,
    start: usize,
}

fn program(tested: &[u32]) -> Program {
    let mut words = load();
    let store_at = words.len();
    words.extend(store());
    let handler_at = words.len();
    words.extend(handler());
    let restorer_at = words.len();
    words.extend(asm::mov(8, 139));
    words.push(asm::SVC);
    let start = words.len();
    words.extend(set_up());
    for word in tested {
        words.push(asm::bl(words.len(), 0));
        words.push(*word);
        words.push(asm::bl(words.len(), store_at));
    }
    words.extend(finish(tested.len()));
    Program {
        words,
        handler: handler_at,
        restorer: restorer_at,
        start,
    }
}

fn load() -> Vec<u32> {
    let mut words = Vec::new();
    for (register, at) in [
        (System::Nzcv, AT_NZCV),
        (System::Fpcr, AT_FPCR),
        (System::Fpsr, AT_FPSR),
    ] {
        words.extend([asm::ldr(0, 29, at), asm::msr(register, 0)]);
    }
    words.extend((0..16).map(|n| asm::ldp_q(2 * n, 2 * n + 1, 29, AT_V + 32 * n)));
    words.extend((0..14).map(|n| asm::ldp(2 * n, 2 * n + 1, 29, 16 * n)));
    words.extend([asm::ldr(28, 29, 224), asm::RET]);
    words
}

fn store() -> Vec<u32> {
    let mut words: Vec<u32> = (0..14).map(|n| asm::stp(2 * n, 2 * n + 1, 29, 16 * n)).collect();
    words.push(asm::str(28, 29, 224));
    words.extend((0..16).map(|n| asm::stp_q(2 * n, 2 * n + 1, 29, AT_V + 32 * n)));
    for (register, at) in [
        (System::Nzcv, AT_NZCV),
        (System::Fpcr, AT_FPCR),
        (System::Fpsr, AT_FPSR),
    ] {
        words.extend([asm::mrs(0, register), asm::str(0, 29, at)]);
    }
    words.extend([asm::add(29, 29, RECORD as u32), asm::RET]);
    words
}

/// Notes the signal in the record that the interrupted X29 points at, and steps over the word.
///
/// Linux arm64 `struct ucontext`: the general registers begin at 184, the program counter is at 440.
fn handler() -> Vec<u32> {
    const SAVED_X29: u32 = 184 + 29 * 8;
    const SAVED_PC: u32 = 440;
    vec![
        asm::ldr(3, 2, SAVED_X29),
        asm::str(0, 3, AT_SIGNAL),
        asm::ldr(4, 2, SAVED_PC),
        asm::add(4, 4, 4),
        asm::str(4, 2, SAVED_PC),
        asm::RET,
    ]
}

/// `sigaltstack`, `rt_sigaction` for the four signals, X29 to the first record.
fn set_up() -> Vec<u32> {
    let mut words = Vec::new();
    let mut call = |number: u64, arguments: [u64; 4]| {
        for (register, value) in (0..).zip(arguments) {
            words.extend(asm::mov(register, value));
        }
        words.extend(asm::mov(8, number));
        words.push(asm::SVC);
    };
    call(132, [DATA + 64, 0, 0, 0]);
    for signal in [4, 5, 7, 11] {
        call(134, [signal, DATA, 0, 8]);
    }
    words.extend(asm::mov(29, RECORDS));
    words
}

/// `write` of all records, `exit_group`.
fn finish(count: usize) -> Vec<u32> {
    let mut words = Vec::new();
    for (register, value) in [(0, 1), (1, RECORDS), (2, (count * RECORD) as u64), (8, 64)] {
        words.extend(asm::mov(register, value));
    }
    words.push(asm::SVC);
    for (register, value) in [(0, 0), (8, 94)] {
        words.extend(asm::mov(register, value));
    }
    words.push(asm::SVC);
    words
}

/// `struct sigaction` and `stack_t`.
fn signal_structures(program: &Program) -> Vec<u8> {
    const SIGINFO_ONSTACK_RESTORER: u64 = 0x0c00_0004;
    let address = |word: usize| CODE + 0x1000 + word as u64 * 4;
    let action = [
        address(program.handler),
        SIGINFO_ONSTACK_RESTORER,
        address(program.restorer),
        0,
    ];
    let stack = [DATA + 0x1000, 0, SETUP - 0x1000];
    let mut bytes = vec![0; SETUP as usize];
    for (at, value) in (0..).step_by(8).zip(action) {
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    for (at, value) in (64..).step_by(8).zip(stack) {
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// A static AArch64 executable with two segments; the code is one page into its segment.
fn elf(words: &[u32], records: &[[u8; RECORD]]) -> Vec<u8> {
    let program = program(words);
    let code: Vec<u8> = program.words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut data = signal_structures(&program);
    data.extend(records.iter().flatten());
    let data_at = (0x1000 + code.len()).next_multiple_of(0x1_0000);

    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    file.resize(16, 0);
    file.extend([2u16, 183].map(u16::to_le_bytes).concat());
    file.extend(1u32.to_le_bytes());
    file.extend(
        [CODE + 0x1000 + program.start as u64 * 4, 64, 0]
            .map(u64::to_le_bytes)
            .concat(),
    );
    file.extend(0u32.to_le_bytes());
    file.extend([64u16, 56, 2, 0, 0, 0].map(u16::to_le_bytes).concat());
    file.extend(segment(5, 0, CODE, 0x1000 + code.len()));
    file.extend(segment(6, data_at, DATA, data.len()));
    file.resize(0x1000, 0);
    file.extend(code);
    file.resize(data_at, 0);
    file.extend(data);
    file
}

fn segment(flags: u32, offset: usize, address: u64, bytes: usize) -> Vec<u8> {
    let mut header = [1u32, flags].map(u32::to_le_bytes).concat();
    let rest = [
        offset as u64,
        address,
        address,
        bytes as u64,
        bytes as u64,
        0x1_0000,
    ];
    header.extend(rest.map(u64::to_le_bytes).concat());
    header
}
