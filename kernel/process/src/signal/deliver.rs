//! The way back to user space: pending signals are ignored, stop or kill the task, or get a frame on its stack
//! (`arch/arm64/kernel/signal.c`).

use abi::Errno;
use abi::signal::{AltStack, Restored, Signal, sa};
use abi::signal::{
    Context, DefaultAction, Frame, SIG_DFL, SIG_IGN, SS_AUTODISARM, SigAction, SigInfo, SigSet,
};
use abi::time::Timespec;
use arch::{Flags, Regs, VirtAddr};

use crate::kernel::Kernel;
use crate::task::{Exit, Pid, State};
use crate::wait::Restart;

/// Two words: x29 and x30 of the interrupted code.
const FRAME_RECORD: u64 = 16;

impl Kernel {
    /// Delivers what can be delivered to a task that is about to run, or that waits.
    pub(crate) fn settle(&mut self, pid: Pid) {
        loop {
            let Some(task) = self.tasks.get(&pid) else {
                return;
            };
            if task.state == State::Zombie {
                return;
            }
            if task.state == State::Stopped && !task.signals.pending().contains(Signal::KILL) {
                return;
            }
            let share = self.share_of(pid);
            let task = self.task_mut(pid);
            let next = match task.vfork_child {
                Some(_) => task.signals.take_fatal(&task.actions.borrow(), share),
                None => task.signals.take_next(share),
            };
            let Some(info) = next else { break };
            let Some(info) = self.show_signal(pid, info) else {
                return;
            };
            let task = self.task(pid);
            let action = task.actions.borrow().get(info.signal);
            if self.strace.is_some() {
                self.trace_signal(pid, &info, action.handler > SIG_IGN);
            }
            match action.handler {
                SIG_IGN => {}
                SIG_DFL => self.act_by_default(pid, info),
                _ => self.run_handler(pid, info, action),
            }
        }
        let Some(task) = self.tasks.get_mut(&pid) else {
            return;
        };
        if task.state == State::Runnable
            && let Some(mask) = task.signals.saved_mask.take()
        {
            task.signals.blocked = mask;
        }
    }

    fn act_by_default(&mut self, pid: Pid, info: SigInfo) {
        match info.signal.default_action() {
            DefaultAction::Ignore | DefaultAction::Continue => {}
            // Nobody would continue it.
            DefaultAction::Stop if info.signal != Signal::STOP && self.is_orphaned(self.task(pid).group) => {}
            DefaultAction::Stop => self.stop(pid, info.signal),
            DefaultAction::Terminate | DefaultAction::Core => {
                self.report_death(pid, info);
                self.end_process(pid, Exit::Signal(info.signal));
            }
        }
    }

    fn run_handler(&mut self, pid: Pid, info: SigInfo, action: SigAction) {
        self.interrupt_call(pid, action);
        if self.push_frame(pid, info, action).is_err() {
            // Linux: force_sigsegv. A handler for SIGSEGV itself cannot run either.
            let task = self.task_mut(pid);
            if info.signal == Signal::SEGV {
                task.actions.borrow_mut().set(Signal::SEGV, SigAction::default());
            }
            self.force(pid, super::kernel_info(Signal::SEGV));
            return;
        }
        let task = self.task_mut(pid);
        let mut blocked = task.signals.blocked.union(action.mask);
        if action.flags & sa::NODEFER == 0 {
            blocked = blocked.union(SigSet::of(info.signal));
        }
        task.signals.blocked = blocked.without(SigSet::UNBLOCKABLE);
        if action.flags & sa::RESETHAND != 0 {
            task.actions.borrow_mut().set(info.signal, SigAction::default());
        }
    }

    /// A call that the task waits in is over: it answers what it has done, or `EINTR`, or is made again after the
    /// handler.
    fn interrupt_call(&mut self, pid: Pid, action: SigAction) {
        let now = self.clock.monotonic_ns;
        let task = self.task_mut(pid);
        let Some(wait) = task.wait.take() else { return };
        task.state = State::Runnable;
        let progress = std::mem::take(&mut task.progress);
        if progress.done > 0 {
            task.regs.set_x(0, progress.done);
        } else if progress.woken {
            // It was woken before the signal came: the wake-up must not be lost.
            task.regs.set_x(0, 0);
        } else if wait.restart == Restart::IfAsked && action.flags & sa::RESTART != 0 {
            // x0 still holds the call's first argument: go back to the SVC.
            task.regs.pc = task.regs.pc.wrapping_sub(4);
        } else {
            task.regs.set_x(0, Errno::EINTR.to_result());
        }
        if let (Some(at), Some(deadline)) = (progress.remaining_at, progress.deadline) {
            let left = Timespec::from_ns(deadline.saturating_sub(now)).encode();
            // A bad address gives up the remaining time only; the call has been interrupted all the same.
            let _ = self.write_user(pid, at, &left);
        }
    }

    /// Writes the frame and points the registers at the handler.
    fn push_frame(&mut self, pid: Pid, info: SigInfo, action: SigAction) -> Result<(), Errno> {
        let task = self.task_mut(pid);
        let alt = task.signals.alt_stack;
        let sp = task.regs.sp();
        let on_alt = action.flags & sa::ONSTACK != 0 && alt.size != 0 && !alt.contains(sp);
        let top = if on_alt {
            alt.base.wrapping_add(alt.size)
        } else {
            sp
        };
        // An overflow of the alternate stack must not run into what lies below it.
        let stays = !on_alt && alt.size != 0 && alt.contains(sp);
        let record = top.wrapping_sub(FRAME_RECORD) & !15;
        let at = record.wrapping_sub(Frame::SIZE as u64) & !15;
        if (stays || on_alt) && !alt.contains(at) {
            return Err(Errno::EFAULT);
        }
        let fault = task.signals.fault.take();
        let frame = Frame {
            info,
            stack: alt_in_frame(alt, sp),
            mask: task.signals.saved_mask.take().unwrap_or(task.signals.blocked),
            fault_address: fault.map_or(0, |fault| fault.address),
            esr: fault.map(|fault| fault.esr),
            context: context_of(&task.regs),
        };
        let links = [task.regs.x(29).to_le_bytes(), task.regs.x(30).to_le_bytes()].concat();
        let trampoline = match action.flags & sa::RESTORER {
            0 => task.space().image.sigreturn,
            _ => action.restorer,
        };
        self.write_user(pid, record, &links)?;
        self.write_user(pid, at, &frame.encode())?;
        let task = self.task_mut(pid);
        let regs = &mut task.regs;
        regs.set_x(0, u64::from(info.signal.get()));
        regs.set_x(1, at);
        regs.set_x(2, at + Frame::UCONTEXT as u64);
        regs.set_x(29, record);
        regs.set_x(30, trampoline);
        regs.set_sp(at);
        regs.pc = action.handler;
        if alt.flags & SS_AUTODISARM != 0 {
            task.signals.alt_stack = AltStack::NONE;
        }
        Ok(())
    }

    /// `rt_sigreturn(2)`: takes the frame at the stack pointer; a spoilt one is SIGSEGV.
    pub(crate) fn return_from_signal(&mut self, pid: Pid) {
        match self.pop_frame(pid) {
            Some(restored) => {
                let task = self.task_mut(pid);
                restore(&mut task.regs, &restored.context);
                task.signals.blocked = restored.mask;
                task.signals.alt_stack = AltStack {
                    flags: restored.stack.flags & !abi::signal::SS_ONSTACK,
                    ..restored.stack
                };
            }
            None => self.force(pid, super::kernel_info(Signal::SEGV)),
        }
    }

    fn pop_frame(&mut self, pid: Pid) -> Option<Restored> {
        let at = self.task(pid).regs.sp();
        if at & 15 != 0 {
            return None;
        }
        let mut bytes = [0; Frame::SIZE];
        let space = self.task(pid).space().id;
        self.memory.copy_in(space, VirtAddr::new(at), &mut bytes).ok()?;
        Frame::decode(&bytes).ok()
    }
}

fn alt_in_frame(alt: AltStack, sp: u64) -> AltStack {
    let on = if alt.contains(sp) {
        abi::signal::SS_ONSTACK
    } else {
        0
    };
    AltStack {
        flags: alt.flags | on,
        ..alt
    }
}

fn context_of(regs: &Regs) -> Context {
    Context {
        x: core::array::from_fn(|n| regs.x(n)),
        sp: regs.sp(),
        pc: regs.pc,
        pstate: u64::from(regs.flags.bits()),
        fpsr: regs.fpsr,
        fpcr: regs.fpcr,
        v: regs.v,
    }
}

fn restore(regs: &mut Regs, context: &Context) {
    for (n, value) in context.x.iter().enumerate() {
        regs.set_x(n, *value);
    }
    regs.set_sp(context.sp);
    regs.pc = context.pc;
    regs.flags = Flags::from_bits(context.pstate as u32);
    regs.fpsr = context.fpsr;
    regs.fpcr = context.fpcr;
    regs.v = context.v;
}
