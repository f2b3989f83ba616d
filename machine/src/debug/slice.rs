//! Time slices under a debugger: as [`Machine::run_slice`], up to a breakpoint, a watched access, the end of a step, a
//! signal, a new program, or Ctrl-C; then the machine stands still, and afterwards the same slice goes on.

use std::time::Instant;

use arch::{Access, FaultCause, Trap};
use process::{Pid, SigInfo};

use super::{Mode, Step, Stop};
use crate::{Machine, MachineError, PATIENCE, SLICE};

impl Machine {
    /// Runs one task until its slice is used up or it cannot go on.
    pub(crate) fn run_debugged(&mut self, pid: Pid) -> Result<(), MachineError> {
        let mut begin = self.clock.now(self.cpu.retired()).monotonic_ns;
        let end = self.cpu.retired() + SLICE;
        let mut system_ns = 0;
        // Whether the last run was ended by the debugger and not by the program.
        let mut unbroken = false;
        self.cpu.set_counter(begin);
        let finish = loop {
            while let Some(stop) = self.due_stop(Some(pid)) {
                begin += self.stop_for_debugger(&stop)?;
            }
            if self.kernel.next_task() != Some(pid) {
                break self.clock.now(self.cpu.retired()).monotonic_ns;
            }
            self.arm(pid);
            let before = self.cpu.retired();
            let trap = self.run_some(pid, end - before, unbroken);
            self.note_steps(pid, before);
            unbroken = true;
            let now = self.clock.now(self.cpu.retired());
            let over = self.cpu.retired() >= end;
            if over {
                self.charge(pid, now.monotonic_ns.saturating_sub(begin), system_ns);
            }
            match trap {
                Trap::Abort(fault) if fault.cause == FaultCause::Debug => {
                    let stop = match fault.access {
                        Access::Execute => Stop::Breakpoint(pid),
                        _ => Stop::Watch(pid, fault.address.get()),
                    };
                    begin += self.stop_for_debugger(&stop)?;
                }
                // The end of a step.
                Trap::Budget if !over => {}
                trap => {
                    unbroken = false;
                    let pc = self.kernel.context(pid).0.pc;
                    self.kernel.handle(pid, trap, now);
                    self.record_events(pid, pc);
                    self.deliver_tlb_ops();
                    system_ns += self.sampled_visit(now.monotonic_ns);
                }
            }
            if over {
                return Ok(());
            }
            self.listen_for_interrupt();
        };
        self.charge(pid, finish.saturating_sub(begin), system_ns);
        Ok(())
    }

    /// Shows a stop, and stands still until the debugger lets the program go: for how many nanoseconds.
    pub(crate) fn stop_for_debugger(&mut self, stop: &Stop) -> Result<u64, MachineError> {
        self.report(stop);
        self.pause()
    }

    fn run_some(&mut self, pid: Pid, left: u64, unbroken: bool) -> Trap {
        let budget = if self.debug.steps.contains_key(&pid) {
            1
        } else {
            left
        };
        let (regs, ttbr) = self.kernel.context(pid);
        self.mmu.switch_to(ttbr);
        match unbroken {
            true => self.cpu.run_on(regs, &mut self.mmu, budget),
            false => self.cpu.run(regs, &mut self.mmu, budget),
        }
    }

    fn note_steps(&mut self, pid: Pid, before: u64) {
        let ran = self.cpu.retired() > before;
        if let Some(step) = self.debug.steps.get_mut(&pid) {
            step.done |= ran;
        }
    }

    /// Calls may take long without using up a slice.
    fn listen_for_interrupt(&mut self) {
        if self.served.elapsed() >= PATIENCE {
            self.serve_debugger();
            self.serve();
            self.served = Instant::now();
        }
    }

    /// A stop that has come about without an instruction: a signal, a new program, Ctrl-C, the end of a step of the task
    /// that is about to run.
    pub(crate) fn due_stop(&mut self, next: Option<Pid>) -> Option<Stop> {
        if self.debug.mode != Mode::Running {
            return None;
        }
        let process = self.debugged();
        let space = self.space_of(process);
        if space.is_some() && space != self.debug.space {
            self.forget_program();
            self.debug.space = space;
            let link = process::proc_tree::read_link(&self.kernel, None, format!("{process}/exe").as_bytes());
            return Some(Stop::Exec(process, link.unwrap_or_default()));
        }
        if let Some((pid, info)) = self.kernel.take_signal_stop() {
            return Some(Stop::Signal(pid, info));
        }
        let next = next.filter(|pid| self.kernel.find(*pid).is_some_and(|task| task.tgid == process));
        if self.debug.interrupt {
            let first = || self.kernel.threads_alive(process).first().copied();
            return next.or_else(first).map(Stop::Interrupt);
        }
        let pid = next?;
        let step = *self.debug.steps.get(&pid)?;
        if !step.done || self.kernel.next_task() != Some(pid) {
            return None;
        }
        let pc = self.kernel.registers(pid)?.pc;
        if step.range.is_some_and(|(start, end)| (start..end).contains(&pc)) {
            self.debug.steps.insert(pid, Step { done: false, ..step });
            return None;
        }
        Some(Stop::Step(pid))
    }

    /// What was set in a program that is no more.
    fn forget_program(&mut self) {
        let debug = &mut self.debug;
        debug.software.clear();
        debug.hardware.clear();
        debug.watches.clear();
        debug.version += 1;
    }

    /// Does what the debugger has decided: who runs, who steps, who takes which signal.
    pub(super) fn begin_resumption(&mut self) {
        let actions = std::mem::take(&mut self.debug.actions);
        let threads = self.kernel.threads_alive(self.debugged());
        let all = !self.debug.locked || threads.iter().all(|pid| actions.contains_key(pid));
        self.kernel
            .run_only((!all).then(|| actions.keys().copied().collect()));
        // Nobody would ever run, nor stop.
        self.debug.interrupt = !all && !threads.iter().any(|pid| actions.contains_key(pid));
        self.debug.steps.clear();
        for (pid, action) in &actions {
            if let Some(step) = action.step {
                self.debug.steps.insert(*pid, step);
            }
        }
        for pid in threads {
            let action = actions.get(&pid).copied().unwrap_or_default();
            if !all && !actions.contains_key(&pid) {
                continue;
            }
            let shown = self.debug.shown.remove(&pid);
            let signal = action.signal.and_then(super::signals::signal_of);
            // A signal other than the one shown is the debugger's own.
            let info: Option<SigInfo> = signal.map(|signal| match shown {
                Some(info) if info.signal == signal => info,
                _ => process::Kernel::debugger_signal(signal),
            });
            if shown.is_some() || info.is_some() {
                self.pass_signal(pid, info);
            }
        }
    }

    /// A step into a handler stops at its first instruction.
    fn pass_signal(&mut self, pid: Pid, info: Option<SigInfo>) {
        let sp = |machine: &Self| machine.kernel.registers(pid).map(|regs| (regs.sp(), regs.pc));
        let before = sp(self);
        self.kernel.pass_signal(pid, info);
        self.deliver_tlb_ops();
        if sp(self) != before
            && let Some(step) = self.debug.steps.get_mut(&pid)
        {
            step.done = true;
            step.range = None;
        }
    }
}
