//! Why the processor came back from user space, and what the kernel does about it: a table from [`Trap`] to calls,
//! faults and signals (`arch/arm64/kernel/entry-common.c`, `arch/arm64/mm/fault.c`).

use abi::signal::{SigDetail, SigInfo, Signal, code};
use arch::{Fault, Trap};
use mm::{Violation, ViolationKind};

use crate::clock::Clock;
use crate::death::Cause;
use crate::kernel::Kernel;
use crate::signal::FaultRecord;
use crate::task::Pid;

impl Kernel {
    /// Does what a trap of this task asks for. Afterwards the task can run on, or waits, or has ended:
    /// [`Kernel::next_task`] knows.
    pub fn handle(&mut self, pid: Pid, trap: Trap, clock: Clock) {
        self.clock = clock;
        self.note_load();
        self.charged(pid, |kernel| {
            match trap {
                Trap::Supervisor(_) => kernel.system_call(pid),
                Trap::Abort(fault) => kernel.abort(pid, &fault),
                Trap::Budget => kernel.slice_ended(pid),
                other => kernel.exception(pid, other),
            }
            kernel.leave(pid);
        });
    }

    fn abort(&mut self, pid: Pid, fault: &Fault) {
        let space = self.task(pid).space().id;
        if let Err(violation) = self.memory.fault(space, fault) {
            self.violate(pid, fault, &violation);
        }
    }

    fn violate(&mut self, pid: Pid, fault: &Fault, violation: &Violation) {
        let address = violation.address.get();
        let (signal, code) = match &violation.signal {
            ViolationKind::MapErr => (Signal::SEGV, code::SEGV_MAPERR),
            ViolationKind::AccErr => (Signal::SEGV, code::SEGV_ACCERR),
            ViolationKind::BusAdrErr => (Signal::BUS, code::BUS_ADRERR),
            ViolationKind::BusIo(error) => {
                self.notify(crate::Notice::ReadFailed {
                    pid,
                    address,
                    error: error.to_string(),
                });
                (Signal::BUS, code::BUS_ADRERR)
            }
            ViolationKind::BusSwap(error) => {
                self.notify(crate::Notice::SwapFailed {
                    pid,
                    address,
                    error: error.to_string(),
                });
                (Signal::BUS, code::BUS_ADRERR)
            }
            ViolationKind::Alignment => (Signal::BUS, code::BUS_ADRALN),
            // If somebody else died, the instruction is tried again.
            ViolationKind::OutOfRam(out) => {
                self.out_of_memory(pid, *out);
                return;
            }
        };
        let signals = &mut self.task_mut(pid).signals;
        signals.cause = Some(Cause::Access {
            access: fault.access,
            address,
        });
        signals.fault = Some(FaultRecord {
            address,
            esr: fault.esr(),
        });
        let detail = SigDetail::Fault { address };
        self.force(pid, SigInfo { signal, code, detail });
    }

    fn exception(&mut self, pid: Pid, trap: Trap) {
        let (signal, code, cause) = match trap {
            Trap::Undefined(word) => (Signal::ILL, code::ILL_ILLOPC, Cause::Undefined(word)),
            Trap::NotImplemented(word) => (Signal::ILL, code::ILL_ILLOPC, Cause::NotImplemented(word)),
            Trap::Breakpoint(number) => (Signal::TRAP, code::TRAP_BRKPT, Cause::Breakpoint(number)),
            Trap::PcAlignment => (Signal::BUS, code::BUS_ADRALN, Cause::PcAlignment),
            _ => (Signal::BUS, code::BUS_ADRALN, Cause::SpAlignment),
        };
        let task = self.task_mut(pid);
        task.signals.cause = Some(cause);
        let address = match cause {
            // Linux gives the stack pointer there (do_sp_pc_abort).
            Cause::SpAlignment => task.regs.sp(),
            _ => task.regs.pc,
        };
        if let Cause::NotImplemented(word) = cause {
            self.notify(crate::Notice::Instruction {
                pid,
                pc: address,
                word,
            });
        }
        let detail = SigDetail::Fault { address };
        self.force(pid, SigInfo { signal, code, detail });
    }
}
