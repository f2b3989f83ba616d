//! The guest: one static ELF file that for each case loads a state, runs the word, and stores the state; at the
//! end it writes all states and the window of memory to its standard output.
//!
//! ```text
//! 0x0040_0000  code   per case: load state; WORD; marker; store state
//! 0x0100_0000  data   signal set-up, then one record of 1 KiB a case
//! 0x0200_0000  window that loads and stores use; nothing is mapped on either side
//! ```
//!
//! While the word runs every register holds the case's value: the record's address is in the code, and X30 is
//! carried to the store part in `TPIDR_EL0`. A signal handler notes signal and address and skips the word.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

pub(crate) const CODE: u64 = 0x40_0000;
pub(crate) const DATA: u64 = 0x100_0000;
pub(crate) const WINDOW: u64 = 0x200_0000;
pub(crate) const WINDOW_SIZE: usize = 512 << 10;
const SETUP: usize = 0x1_0000;
const RECORD: usize = 1024;
/// Written to X27 by the instruction behind a word that is a branch, if it was not taken.
pub(crate) const MARKER: u64 = 0xdead;

/// Registers before or after a word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct State {
    pub(crate) x: [u64; 31],
    pub(crate) sp: u64,
    pub(crate) nzcv: u64,
    pub(crate) v: [u128; 32],
    /// The signal that the word died of, or 0, and its address.
    pub(crate) signal: u64,
    pub(crate) address: u64,
}

const AT_SP: u32 = 248;
const AT_NZCV: u32 = 256;
const AT_SIGNAL: u32 = 264;
const AT_V: u32 = 288;

impl State {
    fn to_record(&self) -> [u8; RECORD] {
        let mut record = [0; RECORD];
        let mut words = self.x.to_vec();
        words.extend([self.sp, self.nzcv]);
        for (i, word) in words.iter().enumerate() {
            record[i * 8..i * 8 + 8].copy_from_slice(&word.to_le_bytes());
        }
        for (i, value) in self.v.iter().enumerate() {
            let at = AT_V as usize + 16 * i;
            record[at..at + 16].copy_from_slice(&value.to_le_bytes());
        }
        record
    }

    fn from_record(record: &[u8]) -> Self {
        let word = |i: usize| {
            u64::from_le_bytes(
                record[i * 8..i * 8 + 8]
                    .try_into()
                    .expect("our own file or record"),
            )
        };
        Self {
            x: std::array::from_fn(word),
            sp: word(31),
            nzcv: word(32),
            signal: word(33),
            address: word(34),
            v: std::array::from_fn(|i| {
                let at = AT_V as usize + 16 * i;
                u128::from_le_bytes(record[at..at + 16].try_into().expect("our own file or record"))
            }),
        }
    }
}

/// A word, whether it is a branch over one instruction, and the state before.
pub(crate) struct Case {
    pub(crate) word: u32,
    pub(crate) branch: bool,
    pub(crate) before: State,
}

/// What came out: a state for each case, and the window.
pub(crate) struct Outcome {
    pub(crate) after: Vec<State>,
    pub(crate) window: Vec<u8>,
}

/// The code, and where each case's word is in it.
pub(crate) struct Program {
    pub(crate) words: Vec<u32>,
    pub(crate) at: Vec<u64>,
}

const NOP: u32 = 0xd503_201f;
const CLREX: u32 = 0xd503_3f5f;
const SVC: u32 = 0xd400_0001;

/// `movz`, `movk` of 32 bits.
fn mov(d: u32, value: u64) -> [u32; 2] {
    let value = u32::try_from(value).expect("32 bits");
    [
        0xd280_0000 | (value & 0xffff) << 5 | d,
        0xf2a0_0000 | (value >> 16) << 5 | d,
    ]
}

/// `ldr` or `str` of `xt` at `[xn, #offset]`.
fn ldr(t: u32, n: u32, offset: u32) -> u32 {
    0xf940_0000 | (offset / 8) << 10 | n << 5 | t
}

fn str(t: u32, n: u32, offset: u32) -> u32 {
    0xf900_0000 | (offset / 8) << 10 | n << 5 | t
}

/// The pairs of `ldp`/`stp` of X0 to X29 and Q0 to Q31 from `[x30]`.
fn pairs(load: u32) -> Vec<u32> {
    let x = (0..15).map(|i| 0xa900_0000 | load << 22 | (2 * i) << 15 | (2 * i + 1) << 10 | 30 << 5 | (2 * i));
    let q = (0..16).map(|i| {
        let offset = AT_V / 16 + 2 * i;
        0xad00_0000 | load << 22 | offset << 15 | (2 * i + 1) << 10 | 30 << 5 | (2 * i)
    });
    // The vectors first: loading X29 ends its use as a temporary.
    if load == 1 {
        q.chain(x).collect()
    } else {
        x.chain(q).collect()
    }
}

pub(crate) fn program(cases: &[Case]) -> Program {
    let mut words = Vec::new();
    // rt_sigaction for SIGILL, SIGTRAP, SIGBUS, SIGSEGV.
    for signal in [4, 5, 7, 11] {
        words.extend(mov(0, signal));
        words.extend(mov(1, DATA));
        words.extend(mov(2, 0));
        words.extend(mov(3, 8));
        words.extend(mov(8, 134));
        words.push(SVC);
    }
    words.extend(mov(0, DATA + 64));
    words.extend(mov(1, 0));
    words.extend(mov(8, 132));
    words.push(SVC);
    // Over the handler (6 words) and the restorer (3).
    words.push(0x1400_0000 | 11);
    let handler = CODE + 4 * words.len() as u64;
    words.extend(mov(3, DATA + 128));
    words.push(str(0, 3, 0));
    words.push(ldr(4, 2, 176)); // fault address
    words.push(str(4, 3, 8));
    words.push(ldr(4, 2, 440)); // pc
    words.push(0x9100_1084); // add x4, x4, #4
    words.extend([str(4, 2, 440), 0xd65f_03c0]);
    words.push(NOP);
    HANDLER.set((handler, CODE + 4 * words.len() as u64)).ok();
    let mut at = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let record = DATA + (SETUP + i * RECORD) as u64;
        words.push(CLREX);
        words.extend(mov(30, record));
        words.extend([ldr(29, 30, AT_NZCV), 0xd51b_421d, ldr(29, 30, AT_SP), 0x9100_03bf]);
        words.extend(pairs(1));
        words.push(ldr(30, 30, 240));
        at.push(CODE + 4 * words.len() as u64);
        words.push(case.word);
        words.push(if case.branch {
            0xd280_0000 | (MARKER as u32) << 5 | 27
        } else {
            NOP
        });
        words.push(0xd51b_d05e); // msr tpidr_el0, x30
        words.extend(mov(30, record));
        words.extend(pairs(0));
        words.extend([0x9100_03fd, str(29, 30, AT_SP), 0xd53b_421d, str(29, 30, AT_NZCV)]);
        words.extend([0xd53b_d05d, str(29, 30, 240)]);
        // Signal and address move from the handler's place to the record.
        words.extend(mov(29, DATA + 128));
        words.extend([
            ldr(28, 29, 0),
            str(28, 30, AT_SIGNAL),
            ldr(28, 29, 8),
            str(28, 30, AT_SIGNAL + 8),
        ]);
        words.extend([str(31, 29, 0), str(31, 29, 8)]);
    }
    for (from, length) in [(DATA + SETUP as u64, cases.len() * RECORD), (WINDOW, WINDOW_SIZE)] {
        words.extend(mov(0, 1));
        words.extend(mov(1, from));
        words.extend(mov(2, length as u64));
        words.extend(mov(8, 64));
        words.push(SVC);
    }
    words.extend(mov(0, 0));
    words.extend(mov(8, 94));
    words.push(SVC);
    Program { words, at }
}

/// Addresses of the signal handler; the second is unused.
static HANDLER: std::sync::OnceLock<(u64, u64)> = std::sync::OnceLock::new();

fn elf(program: &Program, cases: &[Case], window: &[u8]) -> Vec<u8> {
    let code: Vec<u8> = program.words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut data = vec![0u8; SETUP];
    let &(handler, _) = HANDLER.get().expect("made with the program");
    // struct sigaction: handler, flags (SA_SIGINFO | SA_ONSTACK), restorer (unused), mask.
    data[0..8].copy_from_slice(&handler.to_le_bytes());
    data[8..16].copy_from_slice(&0x0800_0004u64.to_le_bytes());
    // stack_t: base, flags, size.
    data[64..72].copy_from_slice(&(DATA + 0x1000).to_le_bytes());
    data[80..88].copy_from_slice(&0xe000u64.to_le_bytes());
    data.extend(cases.iter().flat_map(|case| case.before.to_record()));
    let parts: [(u64, &[u8], u32); 3] = [(CODE, &code, 5), (DATA, &data, 6), (WINDOW, window, 6)];
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    half(&mut file, 2);
    half(&mut file, 183);
    file.extend(1u32.to_le_bytes());
    for value in [CODE, 64, 0] {
        file.extend(value.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for value in [64u16, 56, parts.len() as u16, 0, 0, 0] {
        half(&mut file, value);
    }
    let mut offset = 0x1000u64;
    for (address, bytes, flags) in &parts {
        file.extend(1u32.to_le_bytes());
        file.extend(flags.to_le_bytes());
        for value in [
            offset,
            *address,
            *address,
            bytes.len() as u64,
            bytes.len() as u64,
            0x1000,
        ] {
            file.extend(value.to_le_bytes());
        }
        offset += (bytes.len() as u64).next_multiple_of(0x1000);
    }
    for (_, bytes, _) in parts {
        file.resize(file.len().next_multiple_of(0x1000), 0);
        file.extend(bytes);
    }
    file
}

/// Runs the cases under qemu-aarch64, or `None` where there is none.
pub(crate) fn run(processor: &str, cases: &[Case], window: &[u8], name: &str) -> Option<(Program, Outcome)> {
    let program = program(cases);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("oracle-{name}-{}", std::process::id()));
    fs::write(&file, elf(&program, cases, window)).expect("our own file or record");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("our own file or record");
    let output = Command::new("qemu-aarch64")
        .args(["-cpu", processor])
        .arg(&file)
        .output();
    if std::env::var_os("ORACLE_KEEP").is_none() {
        fs::remove_file(&file).expect("our own file or record");
    }
    let output = output.ok()?;
    assert!(output.status.success(), "the guest failed: {:?}", output.status);
    let (records, window) = output.stdout.split_at(cases.len() * RECORD);
    assert_eq!(window.len(), WINDOW_SIZE, "the guest wrote everything");
    let after = records.chunks_exact(RECORD).map(State::from_record).collect();
    Some((
        program,
        Outcome {
            after,
            window: window.to_vec(),
        },
    ))
}
