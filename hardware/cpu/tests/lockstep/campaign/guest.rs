//! The guest program: for each case it loads a state, runs two words, and stores the state; at the end it writes all
//! states to its standard output.
//!
//! ```text
//! 0x0400_0000  code: routines, then a slot of 32 bytes a case, at SLOTS
//! 0x0800_0000  signal set-up, then a record of 1 KiB a case
//! 0x1000_0000  the window, 128 KiB that loads and stores use; nothing is mapped on either side
//! ```
//!
//! A slot is `bl load; ldp x29, x30, [x30, #232]; BEFORE; WORD; msr tpidr_el0, x30; bl store; nop; udf`. While the
//! words run, every register holds the case's value: the routines find the record by their return address. A signal
//! handler notes signal, fault address and program counter in the record, and goes on behind the word.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use super::asm::{self, System};

pub(crate) const CODE: u64 = 0x0400_0000;
/// Where slots begin; in the bits of their size, a return address into a slot says which.
const SLOTS: u64 = CODE + 0x1000;
pub(crate) const SLOT: u64 = 32;
const DATA: u64 = 0x0800_0000;
/// Signal structures and the alternate stack.
const SETUP: u64 = 0x1_0000;
const RECORDS: u64 = DATA + SETUP;
const RECORD: usize = 1024;
/// The window, and the bytes of it that are compared: around its middle, where two pages meet in every page size, and
/// at its end.
pub(crate) const WINDOW: u64 = 0x1000_0000;
pub(crate) const WINDOW_BYTES: u64 = 0x2_0000;
pub(crate) const MIDDLE: u64 = WINDOW + WINDOW_BYTES / 2;
pub(crate) const END: u64 = WINDOW + WINDOW_BYTES;
/// Each part of what is compared: where, and bytes.
pub(crate) const WATCHED: [(u64, usize); 2] = [(MIDDLE - 64, 128), (END - 64, 64)];
pub(crate) const WATCHED_BYTES: usize = 192;

const AT_SP: u32 = 248;
const AT_NZCV: u32 = 256;
const AT_FPCR: u32 = 264;
const AT_FPSR: u32 = 272;
const AT_TPIDR: u32 = 280;
const AT_V: u32 = 288;
const AT_SIGNAL: u32 = 800;
const AT_WINDOW: u32 = 832;

/// Everything before or after a word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct State {
    pub(crate) x: [u64; 31],
    pub(crate) sp: u64,
    pub(crate) nzcv: u32,
    pub(crate) fpcr: u32,
    pub(crate) fpsr: u32,
    /// Only before: afterwards the guest needs it.
    pub(crate) tpidr: u64,
    pub(crate) v: [u128; 32],
    pub(crate) window: [u8; WATCHED_BYTES],
    /// The signal, 0 for none; the fault's address; where the program counter then was.
    pub(crate) signal: u64,
    pub(crate) address: u64,
    pub(crate) pc: u64,
}

impl State {
    fn to_record(&self) -> [u8; RECORD] {
        let mut record = [0; RECORD];
        let mut put =
            |at: u32, bytes: &[u8]| record[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        for (at, value) in (0..).step_by(8).zip(self.x) {
            put(at, &value.to_le_bytes());
        }
        put(AT_SP, &self.sp.to_le_bytes());
        put(AT_NZCV, &u64::from(self.nzcv).to_le_bytes());
        put(AT_FPCR, &u64::from(self.fpcr).to_le_bytes());
        put(AT_FPSR, &u64::from(self.fpsr).to_le_bytes());
        put(AT_TPIDR, &self.tpidr.to_le_bytes());
        for (at, value) in (AT_V..).step_by(16).zip(self.v) {
            put(at, &value.to_le_bytes());
        }
        put(AT_WINDOW, &self.window);
        record
    }

    fn from_record(record: &[u8]) -> Self {
        let at = |at: u32| {
            let at = at as usize;
            u64::from_le_bytes(record[at..at + 8].try_into().expect("8 bytes"))
        };
        Self {
            x: std::array::from_fn(|number| at(number as u32 * 8)),
            sp: at(AT_SP),
            nzcv: at(AT_NZCV) as u32,
            fpcr: at(AT_FPCR) as u32,
            fpsr: at(AT_FPSR) as u32,
            tpidr: at(AT_TPIDR),
            v: std::array::from_fn(|number| {
                let start = AT_V as usize + number * 16;
                u128::from_le_bytes(record[start..start + 16].try_into().expect("16 bytes"))
            }),
            window: record[AT_WINDOW as usize..]
                .try_into()
                .expect("the rest of the record"),
            signal: at(AT_SIGNAL),
            address: at(AT_SIGNAL + 8),
            pc: at(AT_SIGNAL + 16),
        }
    }
}

/// Two words and the state before them.
pub(crate) type Input<'a> = ([u32; 2], &'a State);

/// The address of a case's second word, the tested one.
pub(crate) fn address_of(case: usize) -> u64 {
    SLOTS + SLOT * case as u64 + 12
}

/// Whether a branch may end there: nothing is executed at an address that is not in the code, and the last word of a
/// slot is undefined.
pub(crate) fn is_landing(target: u64, cases: usize) -> bool {
    let end = SLOTS + SLOT * cases as u64;
    target % SLOT == 28 && (SLOTS..end).contains(&target)
        || !(CODE..CODE + code_bytes(cases)).contains(&target)
}

/// Bytes of the code's segment: a whole number of pages of every size.
pub(crate) fn code_bytes(cases: usize) -> u64 {
    (SLOTS - CODE + SLOT * cases as u64 + 0x100).next_multiple_of(0x1_0000)
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

/// What came out: the code as it lies in memory, and the state after each case.
pub(crate) struct Output {
    pub(crate) code: Vec<u32>,
    pub(crate) after: Vec<State>,
}

/// Runs each case on the processor that the emulator knows as `model`; how the emulator ended if not well. `name` is of
/// a file that no other run uses at the time.
pub(crate) fn run(qemu: &Path, model: &str, inputs: &[Input<'_>], name: &str) -> Result<Output, ExitStatus> {
    let program = program(inputs);
    let file = std::env::temp_dir().join(format!("pagewalk-lockstep-{}-{name}", std::process::id()));
    fs::write(&file, elf(&program, inputs)).expect("the ELF file is written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it becomes executable");
    let output = Command::new(qemu).args(["-cpu", model]).arg(&file).output();
    fs::remove_file(&file).expect("it was written");
    let output = output.expect("the emulator starts");
    if !output.status.success() {
        return Err(output.status);
    }
    assert_eq!(
        output.stdout.len(),
        inputs.len() * RECORD,
        "a record for each case"
    );
    Ok(Output {
        code: program.words,
        after: output
            .stdout
            .chunks_exact(RECORD)
            .map(State::from_record)
            .collect(),
    })
}

/// The words, and where routines begin.
struct Program {
    words: Vec<u32>,
    handler: u64,
    start: u64,
}

fn program(inputs: &[Input<'_>]) -> Program {
    let mut words = Vec::new();
    let here = |words: &Vec<u32>| CODE + 4 * words.len() as u64;
    let load = words.len();
    words.extend(self::load());
    let store = words.len();
    words.extend(self::store());
    let handler = here(&words);
    words.extend(self::handler());
    let start = here(&words);
    words.extend(set_up());
    let jump = words.len();
    let slots = (SLOTS - CODE) as usize / 4;
    words.push(asm::b(jump, slots));
    assert!(words.len() <= slots, "the routines have room before the slots");
    words.resize(slots, 0);
    for ([before, word], _) in inputs {
        words.push(asm::bl(words.len(), load));
        words.push(asm::ldp(29, 30, 30, 232));
        words.extend([*before, *word, asm::msr(System::Tpidr, 30)]);
        words.push(asm::bl(words.len(), store));
        // Over the last word, on which branches land.
        words.extend([asm::b(0, 2), 0]);
    }
    words.extend(finish(inputs.len()));
    words.resize(code_bytes(inputs.len()) as usize / 4, 0);
    Program {
        words,
        handler,
        start,
    }
}

/// X30, a return address into a slot, becomes the record's address. Changes no flags.
fn find_record(offset_in_slot: u32) -> Vec<u32> {
    let mut words = asm::sub_pages(30, 30, (SLOTS >> 12) as u32);
    words.push(asm::sub(30, 30, offset_in_slot));
    words.push(asm::lsl(30, 30, (RECORD as u64 / SLOT).ilog2()));
    words.extend(asm::add_pages(30, 30, (RECORDS >> 12) as u32));
    words
}

/// Loads everything but X29 and X30, and leaves the record's address in X30.
fn load() -> Vec<u32> {
    let mut words = vec![0xaa1e_03fd, asm::CLREX];
    words.extend(find_record(4));
    // For the handler: the slot and the record.
    words.extend(asm::mov(0, DATA + 128));
    words.extend([asm::str(29, 0, 0), asm::str(30, 0, 8)]);
    for (at, register) in [
        (AT_NZCV, System::Nzcv),
        (AT_FPCR, System::Fpcr),
        (AT_FPSR, System::Fpsr),
        (AT_TPIDR, System::Tpidr),
    ] {
        words.extend([asm::ldr(0, 30, at), asm::msr(register, 0)]);
    }
    words.extend([asm::ldr(0, 30, AT_SP), asm::add(31, 0, 0)]);
    let mut from = AT_WINDOW;
    for (at, bytes) in WATCHED {
        words.extend(asm::mov(1, at));
        for offset in (0..bytes as u32).step_by(32) {
            words.extend([asm::ldp_q(0, 1, 30, from), asm::stp_q(0, 1, 1, offset)]);
            from += 32;
        }
    }
    words.extend((0..16).map(|n| asm::ldp_q(2 * n, 2 * n + 1, 30, AT_V + 32 * n)));
    words.extend((0..14).map(|n| asm::ldp(2 * n, 2 * n + 1, 30, 16 * n)));
    words.extend([asm::ldr(28, 30, 224), 0xd65f_03a0]);
    words
}

/// Stores everything; X30 is the way back, and its own value is in TPIDR_EL0.
fn store() -> Vec<u32> {
    let mut words = find_record(24);
    words.extend((0..15).map(|n| asm::stp(2 * n, 2 * n + 1, 30, 16 * n)));
    words.extend((0..16).map(|n| asm::stp_q(2 * n, 2 * n + 1, 30, AT_V + 32 * n)));
    for (at, register) in [
        (240, System::Tpidr),
        (AT_NZCV, System::Nzcv),
        (AT_FPCR, System::Fpcr),
        (AT_FPSR, System::Fpsr),
    ] {
        words.extend([asm::mrs(0, register), asm::str(0, 30, at)]);
    }
    words.extend([asm::add(0, 31, 0), asm::str(0, 30, AT_SP)]);
    let mut to = AT_WINDOW;
    for (at, bytes) in WATCHED {
        words.extend(asm::mov(1, at));
        for offset in (0..bytes as u32).step_by(32) {
            words.extend([asm::ldp_q(0, 1, 1, offset), asm::stp_q(0, 1, 30, to)]);
            to += 32;
        }
    }
    words.extend(asm::mov(0, DATA + 128));
    // The slot's second word; back is 20 bytes behind it.
    words.extend([asm::ldr(0, 0, 0), asm::add(0, 0, 20), 0xd61f_0000]);
    words
}

/// Notes the signal in the current record and goes on behind the word.
///
/// Linux arm64 `struct ucontext`: the program counter is at 440; `siginfo_t`: the address is at 16.
fn handler() -> Vec<u32> {
    const SAVED_PC: u32 = 440;
    let mut words = asm::mov(3, DATA + 128).to_vec();
    words.extend([asm::ldr(4, 3, 8), asm::ldr(3, 3, 0)]);
    words.extend([asm::str(0, 4, AT_SIGNAL)]);
    words.extend([asm::ldr(5, 1, 16), asm::str(5, 4, AT_SIGNAL + 8)]);
    words.extend([asm::ldr(5, 2, SAVED_PC), asm::str(5, 4, AT_SIGNAL + 16)]);
    words.extend([asm::add(3, 3, 12), asm::str(3, 2, SAVED_PC), asm::RET]);
    words
}

/// `sigaltstack`, and `rt_sigaction` for the signals that words may raise.
fn set_up() -> Vec<u32> {
    let mut words = call(132, [DATA + 64, 0, 0, 0]);
    for signal in [4, 5, 7, 11] {
        words.extend(call(134, [signal, DATA, 0, 8]));
    }
    words
}

/// `write` of all records, `exit_group`.
fn finish(count: usize) -> Vec<u32> {
    let mut words = call(64, [1, RECORDS, (count * RECORD) as u64, 0]);
    words.extend(call(94, [0; 4]));
    words
}

fn call(number: u64, arguments: [u64; 4]) -> Vec<u32> {
    let arguments = (0..)
        .zip(arguments)
        .flat_map(|(register, value)| asm::mov(register, value));
    arguments.chain(asm::mov(8, number)).chain([asm::SVC]).collect()
}

/// `struct sigaction` (handler, SA_SIGINFO | SA_ONSTACK, no restorer: the emulator has its own) and `stack_t`.
fn signal_structures(program: &Program) -> Vec<u8> {
    const SIGINFO_ONSTACK: u64 = 0x0800_0004;
    let mut bytes = vec![0; SETUP as usize];
    let mut put = |at: usize, value: u64| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    put(0, program.handler);
    put(8, SIGINFO_ONSTACK);
    put(64, DATA + 0x1000);
    put(80, SETUP - 0x1000);
    bytes
}

/// A static AArch64 executable with three segments.
fn elf(program: &Program, inputs: &[Input<'_>]) -> Vec<u8> {
    let code: Vec<u8> = program.words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut data = signal_structures(program);
    data.extend(inputs.iter().flat_map(|(_, state)| state.to_record()));
    let code_at = 0x1_0000;
    let data_at = code_at + code.len();

    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    file.resize(16, 0);
    file.extend([2u16, 183].map(u16::to_le_bytes).concat());
    file.extend(1u32.to_le_bytes());
    file.extend([program.start, 64, 0].map(u64::to_le_bytes).concat());
    file.extend(0u32.to_le_bytes());
    file.extend([64u16, 56, 3, 0, 0, 0].map(u16::to_le_bytes).concat());
    file.extend(segment(5, code_at, CODE, code.len(), code.len()));
    file.extend(segment(6, data_at, DATA, data.len(), data.len()));
    file.extend(segment(6, 0, WINDOW, 0, WINDOW_BYTES as usize));
    file.resize(code_at, 0);
    file.extend(code);
    file.extend(data);
    file
}

fn segment(flags: u32, offset: usize, address: u64, bytes: usize, size: usize) -> Vec<u8> {
    let mut header = [1u32, flags].map(u32::to_le_bytes).concat();
    let rest = [
        offset as u64,
        address,
        address,
        bytes as u64,
        size as u64,
        0x1_0000,
    ];
    header.extend(rest.map(u64::to_le_bytes).concat());
    header
}
