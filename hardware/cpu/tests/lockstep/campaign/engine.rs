//! Our side: the processor with the guest's code and window, one case at a time.

use arch::{FaultCause, Features, Flags, Granule, Trap};
use cpu::Cpu;

use super::case::Case;
use super::common::{Machine, Rights};
use super::guest::{CODE, State, WATCHED, WINDOW, WINDOW_BYTES, address_of};

pub(crate) struct Engine(Machine);

impl Engine {
    /// A machine with the guest's code.
    pub(crate) fn new(granule: Granule, code: &[u32]) -> Self {
        let pages = |bytes: u64| bytes.div_ceil(granule.bytes());
        let bytes = code.len() as u64 * 4;
        let mut machine = Machine::with_frames(granule, pages(bytes + WINDOW_BYTES) + 32);
        for page in 0..pages(bytes) {
            machine.map(CODE + page * granule.bytes(), Rights::ReadExecute);
        }
        for page in 0..pages(WINDOW_BYTES) {
            machine.map(WINDOW + page * granule.bytes(), Rights::ReadWrite);
        }
        machine.write_words(CODE, code);
        machine.cpu = Cpu::with_features(Features::ALL);
        Self(machine)
    }

    /// Runs a case's two words; `memory` says that the window matters.
    pub(crate) fn run(&mut self, at: usize, case: &Case, memory: bool) -> State {
        let before = &case.before;
        if memory {
            self.set_window(before);
        }
        let regs = &mut self.0.regs;
        for (number, value) in before.x.into_iter().enumerate() {
            regs.set_x(number, value);
        }
        regs.set_sp(before.sp);
        regs.flags = Flags::from_bits(before.nzcv);
        (regs.fpcr, regs.fpsr, regs.tpidr, regs.v) = (before.fpcr, before.fpsr, before.tpidr, before.v);
        let word = address_of(at);
        regs.pc = word - 4;
        let (signal, address) = match self.0.run(2) {
            Trap::Budget if self.0.regs.pc == word + 4 => (0, 0),
            // A branch was taken: nothing is executed there.
            Trap::Budget => match self.0.run(1) {
                Trap::Budget => panic!("{:08x} goes on at {:#x}", case.words[1], self.0.regs.pc),
                trap => signal(trap, self.0.regs.pc),
            },
            trap => signal(trap, self.0.regs.pc),
        };
        let pc = if signal == 0 { 0 } else { self.0.regs.pc };
        let window = if memory { self.window() } else { before.window };
        let regs = &self.0.regs;
        State {
            x: std::array::from_fn(|number| regs.x(number)),
            sp: regs.sp(),
            nzcv: regs.flags.bits(),
            fpcr: regs.fpcr,
            fpsr: regs.fpsr,
            tpidr: before.tpidr,
            v: regs.v,
            window,
            signal,
            address,
            pc,
        }
    }

    fn set_window(&mut self, state: &State) {
        let mut from = 0;
        for (start, length) in WATCHED {
            for at in (0..length).step_by(8) {
                let bytes = state.window[from + at..from + at + 8]
                    .try_into()
                    .expect("8 bytes");
                self.0.write_u64(start + at as u64, u64::from_le_bytes(bytes));
            }
            from += length;
        }
    }

    fn window(&mut self) -> [u8; super::guest::WATCHED_BYTES] {
        let mut window = [0; super::guest::WATCHED_BYTES];
        let mut to = 0;
        for (start, length) in WATCHED {
            for at in (0..length).step_by(8) {
                let value = self.0.read_u64(start + at as u64);
                window[to + at..to + at + 8].copy_from_slice(&value.to_le_bytes());
            }
            to += length;
        }
        window
    }
}

/// The address of a fault in `siginfo`: without its tag, as Linux gives it (`arch/arm64/mm/fault.c`, `set_thread_esr` and
/// `untagged_addr`).
fn untagged(address: u64) -> u64 {
    address & ((address << 8) as i64 >> 8) as u64
}

/// The signal that Linux makes of a trap, with its address.
fn signal(trap: Trap, pc: u64) -> (u64, u64) {
    match trap {
        Trap::Undefined(_) | Trap::NotImplemented(_) => (4, pc),
        Trap::Breakpoint(_) => (5, pc),
        Trap::PcAlignment => (7, pc),
        Trap::SpAlignment => (7, 0),
        Trap::Abort(fault) if fault.cause == FaultCause::Alignment => (7, untagged(fault.address.get())),
        Trap::Abort(fault) => (11, untagged(fault.address.get())),
        Trap::Budget | Trap::Supervisor(_) => (0, 0),
    }
}
