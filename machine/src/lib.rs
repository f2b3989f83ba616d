//! The machine: CPU, MMU, RAM and kernel wired together, its run loop, its clock, and its control socket.
//!
//! [`Machine::new`] builds one from a [`Config`], [`Machine::run`] runs its first program to the end. Between time
//! slices the [server] answers questions about `/proc`, so whoever looks sees one moment and disturbs nothing.
//!
//! ```text
//!   kernel.next_task ─→ kernel.context ─→ mmu.switch_to ─→ cpu.run ─→ trap ─→ kernel.handle ─→ mmu.maintain
//!        ↑                                                                                        │
//!        └────────────── serve the socket, print notices; wait if no task can run ←───────────────┘
//! ```
//!
//! This is the only crate that knows both halves. Absent: any policy of either.

#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod debug;
pub mod server;
mod signals;
pub mod stats;
mod swap_file;
pub mod trace;
mod wait;

use std::time::{Duration, Instant};

use arch::Trap;
use cpu::Cpu;
use mm::Memory;
use mmu::Mmu;
use process::{Death, Exit, Kernel, Notice, Pid};
use ram::Ram;

pub use config::{Config, MachineError};
pub use stats::Stats;
pub use swap_file::Swap;

use clock::Clock;
use debug::Debugger;
use server::Server;

/// Instructions in a time slice: about a millisecond, so that `vmmap` is answered at once.
const SLICE: u64 = 250_000;

/// What a visit to the kernel takes of the slice, in instructions: about its time, or a loop of system calls had a slice of
/// seconds.
const VISIT_COST: u64 = 250;

/// One in so many visits to the kernel is timed.
const SAMPLE: u64 = 16;
/// The host is looked at after so many visits to the kernel, or a full slice of instructions.
const MOST_VISITS: u64 = 64;
/// The socket is served this often, however long a slice of system calls takes.
const PATIENCE: Duration = Duration::from_millis(5);

/// A machine with its first program loaded.
pub struct Machine {
    cpu: Cpu,
    mmu: Mmu,
    kernel: Kernel,
    clock: Clock,
    server: Option<Server>,
    signals: Option<signals::HostSignals>,
    started: Instant,
    /// When the socket was last looked at.
    served: Instant,
    /// Traps handled: the pulse of the sampling in `sampled_visit`.
    visits: u64,
    /// Instructions and visits when the host was last looked at between slices.
    looked: (u64, u64),
    /// Where debuggers connect, and what the one that did has decided.
    debugger: Option<Debugger>,
    debug: debug::State,
    /// Where events are written.
    recorder: Option<trace::Recorder>,
}

/// What the person at the terminal should hear, as it happens.
#[derive(Debug)]
pub enum Message {
    /// Something that happens once, such as an unknown system call.
    Notice(Notice),
    /// A task died of a signal.
    Death(Death),
    /// Where debuggers connect, and how they leave.
    Debugger(String),
    /// The trace cannot be written on.
    Trace(String),
}

impl Machine {
    /// Builds the machine and loads the first program.
    pub fn new(config: Config) -> Result<Self, MachineError> {
        let ram = Ram::new(config.ram, config.granule).map_err(MachineError::Ram)?;
        let reclaim = mm::ReclaimConfig {
            policy: config.policy,
            seed: config.kernel.seed.unwrap_or_default(),
            swap: config.swap.open().map_err(MachineError::Swap)?,
        };
        let memory = Memory::with_reclaim(ram.clone(), reclaim);
        Self::with_memory(config, ram, memory)
    }

    /// The same with memory that the caller has made of `ram`: its policy and swap area are used, those of `config` are not.
    pub fn with_memory(config: Config, ram: Ram, memory: Memory) -> Result<Self, MachineError> {
        let clock = if config.kernel.seed.is_some() {
            Clock::instructions()
        } else {
            Clock::host()
        };
        let mut kernel = Kernel::new(memory, config.kernel, clock.now(0));
        kernel.spawn(&config.program).map_err(MachineError::Program)?;
        let server = config
            .serve
            .then(Server::bind)
            .transpose()
            .map_err(MachineError::Socket)?;
        let debugger = config
            .debug
            .as_ref()
            .map(Debugger::bind)
            .transpose()
            .map_err(MachineError::DebugSocket)?;
        let mut machine = Self {
            cpu: Cpu::with_features(kernel.config().features),
            mmu: Mmu::new(ram),
            kernel,
            clock,
            server,
            signals: None,
            started: Instant::now(),
            served: Instant::now(),
            visits: 0,
            looked: (0, 0),
            debugger,
            debug: debug::State::default(),
            recorder: None,
        };
        machine.deliver_tlb_ops();
        Ok(machine)
    }

    /// Runs until the first program has ended, and says how it did.
    pub fn run(&mut self, mut tell: impl FnMut(Message)) -> Result<Exit, MachineError> {
        self.await_debugger(&mut tell)?;
        loop {
            self.heed_signals();
            self.suspend_if_asked();
            let next = self.kernel.next_task();
            self.record_events(Pid::new(0), 0);
            if let Some(stop) = self.due_stop(next) {
                self.stop_for_debugger(&stop)?;
                continue;
            }
            match next {
                Some(pid) if self.is_debugged() => {
                    self.run_debugged(pid)?;
                    self.notice_ready_hosts()?;
                    self.serve();
                }
                Some(pid) => {
                    self.run_slice(pid);
                    self.look_outside()?;
                }
                // Looking for a task delivers signals, which may have ended the last one.
                None if self.kernel.init_exit().is_some() => {}
                None if self.suspend_if_asked() => {}
                None => {
                    self.wait()?;
                    self.serve();
                }
            }
            self.kernel
                .take_notices()
                .into_iter()
                .map(Message::Notice)
                .for_each(&mut tell);
            self.kernel
                .take_deaths()
                .into_iter()
                .filter(Death::is_news)
                .map(Message::Death)
                .for_each(&mut tell);
            self.tell_debug_news(&mut tell);
            self.trace_news()
                .map(Message::Trace)
                .into_iter()
                .for_each(&mut tell);
            if let Some(exit) = self.kernel.init_exit() {
                self.debugged_exit(exit)?;
                self.finish_trace();
                self.trace_news()
                    .map(Message::Trace)
                    .into_iter()
                    .for_each(&mut tell);
                return Ok(exit);
            }
            self.serve_debugger();
        }
    }

    /// Between slices: is RAM short, has the host something for a task, or somebody a question? Tasks that only give way
    /// to each other have slices of a few instructions, so not after each.
    fn look_outside(&mut self) -> Result<(), MachineError> {
        let (retired, visits) = self.looked;
        if self.cpu.retired() - retired >= SLICE || self.visits - visits >= MOST_VISITS {
            self.looked = (self.cpu.retired(), self.visits);
            self.kernel.memory_mut().background_reclaim();
            self.record_events(Pid::new(0), 0);
            self.deliver_tlb_ops();
            self.notice_ready_hosts()?;
            self.serve();
        }
        Ok(())
    }

    /// Runs one task until its slice is used up or it cannot go on.
    fn run_slice(&mut self, pid: Pid) {
        let begin = self.clock.now(self.cpu.retired()).monotonic_ns;
        let mut end = self.cpu.retired() + SLICE;
        let mut system_ns = 0;
        self.cpu.set_counter(begin);
        let finish = loop {
            let left = end - self.cpu.retired();
            let (trap, pc) = self.execute(pid, left);
            let now = self.clock.now(self.cpu.retired());
            end = end.saturating_sub(VISIT_COST);
            let over = trap == Trap::Budget || self.cpu.retired() >= end;
            if over {
                self.charge(pid, now.monotonic_ns - begin, system_ns);
            }
            self.kernel.handle(pid, trap, now);
            self.record_events(pid, pc);
            self.deliver_tlb_ops();
            system_ns += self.sampled_visit(now.monotonic_ns);
            let goes_on = self.kernel.next_task() == Some(pid);
            if over {
                // A slice may end with the last instruction's own trap: a loop of system calls would have every turn.
                if goes_on && trap != Trap::Budget {
                    self.kernel.handle(pid, Trap::Budget, now);
                }
                return;
            }
            if !goes_on {
                break now.monotonic_ns;
            }
        };
        self.charge(pid, finish - begin, system_ns);
    }

    /// How long the kernel's visits take that began at `entry_ns`: every sixteenth is timed and stands for the
    /// others, because reading the clock costs as much as a short system call. Some system calls take
    /// long, so a slice of nothing else may, too: then the socket is served here.
    fn sampled_visit(&mut self, entry_ns: u64) -> u64 {
        self.visits += 1;
        if !self.visits.is_multiple_of(SAMPLE) {
            return 0;
        }
        let visit_ns = self
            .clock
            .now(self.cpu.retired())
            .monotonic_ns
            .saturating_sub(entry_ns);
        if self.served.elapsed() >= PATIENCE {
            self.serve();
        }
        // A clock that counts instructions stands still in the kernel.
        SAMPLE * visit_ns
    }

    /// Splits a task's time between user space and the kernel.
    fn charge(&mut self, pid: Pid, total_ns: u64, system_ns: u64) {
        let system_ns = system_ns.min(total_ns);
        self.kernel.account(pid, total_ns - system_ns, system_ns);
    }

    /// Looks, and nothing else: when it is called changes nothing for the guest.
    fn serve(&mut self) {
        if let Some(server) = &mut self.server {
            server.serve(&self.kernel);
        }
        self.served = Instant::now();
    }

    fn deliver_tlb_ops(&mut self) {
        for op in self.kernel.memory_mut().take_tlb_ops() {
            self.mmu.maintain(op);
        }
    }

    /// What was counted so far. Everything but the section `time` repeats with the seed.
    pub fn stats(&self) -> Stats {
        stats::gather(&self.cpu, &self.mmu, &self.kernel, self.started.elapsed())
    }

    /// The machine's kernel, to look at.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }
}
