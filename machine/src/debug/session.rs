//! One debugger's connection: bytes in and out, and gdbstub's state machine in between. Nothing here waits.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use gdbstub::common::Signal as GdbSignal;
use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{GdbStub, MultiThreadStopReason};
use process::{Exit, Pid};
use rustix::event::PollFlags;

use super::address::Stream;
use super::packets::{Incoming, MAX_BODY, Packets, amend, hex, packet};
use super::signals::number_of;
use super::{Mode, Stop};
use crate::Machine;

/// More bytes than this waiting to be read: the other side has stopped reading.
const MAX_BACKLOG: usize = 1 << 20;
/// So much is taken in at a time, so that a flood does not keep the guest from running.
const MOST_AT_ONCE: usize = 64 << 10;

/// What gdbstub writes to.
pub(crate) struct Link(Rc<RefCell<Vec<u8>>>);

impl Connection for Link {
    type Error = Infallible;

    fn write(&mut self, byte: u8) -> Result<(), Infallible> {
        self.0.borrow_mut().push(byte);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

type Stub = GdbStubStateMachine<'static, Machine, Link>;

/// A connected debugger.
pub(crate) struct Session {
    stream: Stream,
    packets: Packets,
    out: Rc<RefCell<Vec<u8>>>,
    /// Where the last answer begins in `out`, or its copy once that was sent.
    last: Vec<u8>,
    /// Taken while it works.
    stub: Option<Stub>,
    /// Packets are acknowledged.
    acknowledges: bool,
}

impl Session {
    pub(super) fn begin(stream: Stream, machine: &mut Machine) -> Option<Self> {
        let out = Rc::default();
        let stub = GdbStub::builder(Link(Rc::clone(&out)))
            .packet_buffer_size(MAX_BODY + 4)
            .build()
            .ok()?;
        let stub = stub.run_state_machine(machine).ok()?;
        Some(Self {
            stream,
            packets: Packets::default(),
            out,
            last: Vec::new(),
            stub: Some(stub),
            acknowledges: true,
        })
    }

    /// What it takes for this connection to be worth another look.
    pub(super) fn awaited(&self) -> (BorrowedFd<'_>, PollFlags) {
        let mut events = PollFlags::IN;
        events.set(PollFlags::OUT, self.is_owing());
        (self.stream.as_fd(), events)
    }

    pub(super) fn is_owing(&self) -> bool {
        !self.out.borrow().is_empty()
    }

    /// Listens, answers and sends. Whether the session goes on.
    pub(super) fn serve(&mut self, machine: &mut Machine) -> bool {
        let goes_on = self.listen(machine);
        // One who has said goodbye is answered, too.
        self.flush(machine) && goes_on
    }

    fn listen(&mut self, machine: &mut Machine) -> bool {
        let mut buffer = [0; 4096];
        for _ in 0..MOST_AT_ONCE / buffer.len() {
            match self.stream.read(&mut buffer) {
                Ok(0) => return self.lost(machine, "closed"),
                Ok(length) => {
                    for &byte in &buffer[..length] {
                        if !self.hear(machine, byte) {
                            return false;
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.lost(machine, &error.to_string()),
            }
        }
        true
    }

    fn hear(&mut self, machine: &mut Machine, byte: u8) -> bool {
        match self.packets.push(byte) {
            Ok(None) => true,
            Ok(Some(Incoming::Interrupt)) => {
                machine.debug.interrupt = machine.debug.mode == Mode::Running;
                true
            }
            Ok(Some(Incoming::Again)) => {
                self.out.borrow_mut().extend_from_slice(&self.last);
                true
            }
            Ok(Some(Incoming::Spoilt)) => {
                if self.acknowledges {
                    self.out.borrow_mut().push(b'-');
                }
                true
            }
            // Nothing but Ctrl-C has a meaning while the program runs.
            Ok(Some(Incoming::Packet(_))) if machine.debug.mode != Mode::Stopped => true,
            Ok(Some(Incoming::Packet(body))) => self.answer(machine, &body),
            Err(_) => self.lost(machine, "given up: it sent no packet of gdb's remote protocol"),
        }
    }

    /// Answers a packet, by ourselves or by gdbstub. Whether the session goes on.
    fn answer(&mut self, machine: &mut Machine, body: &[u8]) -> bool {
        let from = self.out.borrow().len();
        if let Some(own) = machine.answer_query(body) {
            let mut out = self.out.borrow_mut();
            if self.acknowledges {
                out.push(b'+');
            }
            out.extend(packet(&own));
            drop(out);
            self.remember(from);
            return true;
        }
        if body == b"k" || body.starts_with(b"vKill") {
            return self.kill(machine, body);
        }
        let rewritten = super::queries::rewrite(body, machine);
        let detaches = body.first() == Some(&b'D');
        if !self.feed(machine, rewritten.as_deref().unwrap_or(body)) {
            return self.lost(machine, "given up: it sent a packet that cannot be understood");
        }
        if body.starts_with(b"qSupported") {
            machine.debug.knows_exec = body.windows(12).any(|part| part == b"exec-events+");
            let mut more = ";qXfer:siginfo:read+;QPassSignals+".to_owned();
            if machine.debug.knows_exec {
                more.push_str(";exec-events+");
            }
            amend(&mut self.out.borrow_mut(), from, &more);
        }
        if body == b"QStartNoAckMode" {
            self.acknowledges = false;
        }
        self.remember(from);
        if detaches {
            machine.debug.started = true;
            machine
                .debug
                .news
                .push("the debugger has detached; the program runs on".to_owned());
        }
        !detaches
    }

    fn kill(&mut self, machine: &mut Machine, body: &[u8]) -> bool {
        if body != b"k" {
            let mut out = self.out.borrow_mut();
            if self.acknowledges {
                out.push(b'+');
            }
            out.extend(packet(b"OK"));
        }
        machine.debug.started = true;
        // The signal that was shown is of no interest to one who dies.
        machine.debug.shown.clear();
        if let Some(process) = machine.debug.process {
            machine.kernel.kill_process(process);
        }
        false
    }

    /// The last answer, for one who asks for it again.
    fn remember(&mut self, from: usize) {
        let out = self.out.borrow();
        let answer = out.get(from..).unwrap_or(&[]);
        let start = answer
            .iter()
            .position(|byte| *byte == b'$')
            .unwrap_or(answer.len());
        self.last = answer[start..].to_vec();
    }

    /// Gives a packet to gdbstub. Whether it could do anything with it.
    fn feed(&mut self, machine: &mut Machine, body: &[u8]) -> bool {
        for byte in packet(body) {
            let next = match self.stub.take() {
                Some(GdbStubStateMachine::Idle(stub)) => stub.incoming_data(machine, byte),
                Some(other) => Ok(other),
                None => return false,
            };
            match next {
                Ok(stub) => self.stub = Some(stub),
                Err(_) => return false,
            }
        }
        true
    }

    /// Says why the program stopped. Whether the session goes on.
    pub(super) fn report(&mut self, machine: &mut Machine, stop: &Stop) -> bool {
        let Some(GdbStubStateMachine::Running(stub)) = self.stub.take() else {
            return false;
        };
        let from = self.out.borrow().len();
        let Ok(stub) = stub.report_stop(machine, reason(machine, stop)) else {
            return false;
        };
        self.stub = Some(stub);
        if let Stop::Exec(_, path) = stop {
            let more = match machine.debug.knows_exec {
                true => format!("exec:{};", hex(path)),
                false => "reason:exec;".to_owned(),
            };
            amend(&mut self.out.borrow_mut(), from, &more);
        }
        self.remember(from);
        self.flush(machine)
    }

    /// Sends what can be sent now.
    fn flush(&mut self, machine: &mut Machine) -> bool {
        let trouble = loop {
            let mut out = self.out.borrow_mut();
            if out.is_empty() {
                return true;
            }
            match self.stream.write(&out) {
                Ok(0) => break "closed".to_owned(),
                Ok(length) => drop(out.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock && out.len() <= MAX_BACKLOG => {
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    break "given up: it reads nothing".to_owned();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break error.to_string(),
            }
        };
        self.lost(machine, &trouble)
    }

    fn lost(&self, machine: &mut Machine, why: &str) -> bool {
        if machine.kernel.init_exit().is_none() {
            let then = match machine.debug.started {
                true => "the program runs on",
                false => "waiting for another",
            };
            machine
                .debug
                .news
                .push(format!("the debugger's connection was {why}; {then}"));
        }
        false
    }
}

/// gdb's name of a thread.
pub(super) fn tid(pid: Pid) -> NonZeroUsize {
    NonZeroUsize::new(pid.get() as usize).unwrap_or(NonZeroUsize::MIN)
}

fn reason(machine: &Machine, stop: &Stop) -> MultiThreadStopReason<u64> {
    let signal = |pid: Pid, number: u8| MultiThreadStopReason::SignalWithThread {
        tid: tid(pid),
        signal: GdbSignal(number),
    };
    match stop {
        Stop::Breakpoint(pid) => {
            let pc = machine.kernel.registers(*pid).map(|regs| regs.pc);
            let hardware = pc.is_some_and(|pc| machine.debug.hardware.contains(&pc));
            match hardware {
                true => MultiThreadStopReason::HwBreak(tid(*pid)),
                false => MultiThreadStopReason::SwBreak(tid(*pid)),
            }
        }
        Stop::Watch(pid, addr) => MultiThreadStopReason::Watch {
            tid: tid(*pid),
            kind: machine.watch_kind(*addr),
            addr: *addr,
        },
        Stop::Step(pid) | Stop::Exec(pid, _) => signal(*pid, number_of(process::Signal::TRAP)),
        Stop::Signal(pid, info) => signal(*pid, number_of(info.signal)),
        Stop::Interrupt(pid) => signal(*pid, number_of(process::Signal::INT)),
        Stop::Exit(Exit::Code(code)) => MultiThreadStopReason::Exited(*code),
        Stop::Exit(Exit::Signal(by)) => MultiThreadStopReason::Terminated(GdbSignal(number_of(*by))),
    }
}
