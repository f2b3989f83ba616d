//! What gdbstub asks of the machine: registers, memory, threads, resumption. Breakpoints are in `points`, files in
//! `files`, commands in `monitor`.

use std::convert::Infallible;

use gdbstub::common::{Signal as GdbSignal, Tid};
use gdbstub::target::ext::auxv::{Auxv, AuxvOps};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{
    MultiThreadBase, MultiThreadRangeStepping, MultiThreadRangeSteppingOps, MultiThreadResume,
    MultiThreadResumeOps, MultiThreadSchedulerLocking, MultiThreadSchedulerLockingOps, MultiThreadSingleStep,
    MultiThreadSingleStepOps,
};
use gdbstub::target::ext::base::single_register_access::{SingleRegisterAccess, SingleRegisterAccessOps};
use gdbstub::target::ext::breakpoints::BreakpointsOps;
use gdbstub::target::ext::exec_file::{ExecFile, ExecFileOps};
use gdbstub::target::ext::extended_mode::{
    Args, AttachKind, CurrentActivePid, CurrentActivePidOps, ExtendedMode, ExtendedModeOps, ShouldTerminate,
};
use gdbstub::target::ext::host_io::HostIoOps;
use gdbstub::target::ext::monitor_cmd::MonitorCmdOps;
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{Target, TargetError, TargetResult};
use process::{Pid, State as TaskState, proc_tree};

use super::registers::{A64, Register, UserRegs};
use super::session::tid;
use super::{Action, Mode, Step};
use crate::Machine;

/// `ESRCH`: no such thread.
const NO_THREAD: u8 = 3;
/// `EFAULT`: no such memory.
const NO_MEMORY: u8 = 14;
/// `EIO`: memory that cannot be written.
const NOT_WRITABLE: u8 = 5;

pub(super) fn pid(tid: Tid) -> Pid {
    Pid::new(u32::try_from(tid.get()).unwrap_or(0))
}

impl Machine {
    /// The debugged process.
    pub(super) fn debugged(&self) -> Pid {
        self.debug.process.unwrap_or(self.kernel.init())
    }

    /// A thread by gdb's number; before it chose one, gdbstub says 1.
    fn thread(&self, tid: Tid) -> Pid {
        let named = pid(tid);
        match self.kernel.find(named) {
            Some(_) => named,
            None if tid == Tid::MIN => self.debugged(),
            None => named,
        }
    }

    /// A file of the debugged process in `/proc`, whole.
    pub(super) fn proc_file(&self, name: &str) -> Vec<u8> {
        let path = format!("{}/{name}", self.debugged());
        let text = proc_tree::whole(&self.kernel, None, path.as_bytes());
        text.ok().flatten().unwrap_or_default()
    }
}

/// Copies the part of an object that is asked for.
fn copy_part(object: &[u8], offset: u64, length: usize, to: &mut [u8]) -> usize {
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|offset| object.get(offset..));
    let rest = rest.unwrap_or(&[]);
    let count = rest.len().min(length).min(to.len());
    to[..count].copy_from_slice(&rest[..count]);
    count
}

impl Target for Machine {
    type Arch = A64;
    type Error = Infallible;

    fn base_ops(&mut self) -> BaseOps<'_, A64, Infallible> {
        BaseOps::MultiThread(self)
    }

    /// Answers are amended after they were made, which counts on plain text.
    fn use_rle(&self) -> bool {
        false
    }

    fn use_fork_stop_reason(&self) -> bool {
        false
    }

    fn use_vfork_stop_reason(&self) -> bool {
        false
    }

    fn use_vforkdone_stop_reason(&self) -> bool {
        false
    }

    /// For its part that tells the process's real number; nothing can be started or attached to.
    fn support_extended_mode(&mut self) -> Option<ExtendedModeOps<'_, Self>> {
        Some(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }

    fn support_host_io(&mut self) -> Option<HostIoOps<'_, Self>> {
        Some(self)
    }

    fn support_exec_file(&mut self) -> Option<ExecFileOps<'_, Self>> {
        Some(self)
    }

    fn support_auxv(&mut self) -> Option<AuxvOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadBase for Machine {
    fn read_registers(&mut self, regs: &mut UserRegs, tid: Tid) -> TargetResult<(), Self> {
        let found = self
            .kernel
            .registers(self.thread(tid))
            .ok_or(TargetError::Errno(NO_THREAD))?;
        regs.0 = found.clone();
        Ok(())
    }

    fn write_registers(&mut self, regs: &UserRegs, tid: Tid) -> TargetResult<(), Self> {
        let found = self
            .kernel
            .registers_mut(self.thread(tid))
            .ok_or(TargetError::Errno(NO_THREAD))?;
        *found = regs.0.clone();
        Ok(())
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8], _: Tid) -> TargetResult<usize, Self> {
        // All threads share the memory, and the one asked for may have ended.
        let process = self.debugged();
        match self.kernel.read_memory(process, start, data) {
            0 if !data.is_empty() => Err(TargetError::Errno(NO_MEMORY)),
            count => Ok(count),
        }
    }

    fn write_addrs(&mut self, start: u64, data: &[u8], _: Tid) -> TargetResult<(), Self> {
        let process = self.debugged();
        let written = self.kernel.write_memory(process, start, data);
        self.deliver_tlb_ops();
        written.map_err(|_| TargetError::Errno(NOT_WRITABLE))
    }

    fn list_active_threads(&mut self, found: &mut dyn FnMut(Tid)) -> Result<(), Infallible> {
        let threads = self.kernel.threads_alive(self.debugged());
        threads.into_iter().map(tid).for_each(found);
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl SingleRegisterAccess<Tid> for Machine {
    fn read_register(&mut self, tid: Tid, register: Register, to: &mut [u8]) -> TargetResult<usize, Self> {
        let regs = self
            .kernel
            .registers(self.thread(tid))
            .ok_or(TargetError::Errno(NO_THREAD))?;
        let count = register.size().min(to.len());
        to[..count].copy_from_slice(&register.read(regs)[..count]);
        Ok(count)
    }

    fn write_register(&mut self, tid: Tid, register: Register, value: &[u8]) -> TargetResult<(), Self> {
        let regs = self
            .kernel
            .registers_mut(self.thread(tid))
            .ok_or(TargetError::Errno(NO_THREAD))?;
        register.write(regs, value);
        Ok(())
    }
}

impl MultiThreadResume for Machine {
    fn resume(&mut self) -> Result<(), Infallible> {
        self.debug.mode = Mode::Running;
        self.debug.started = true;
        self.begin_resumption();
        Ok(())
    }

    fn clear_resume_actions(&mut self) -> Result<(), Infallible> {
        self.debug.actions.clear();
        self.debug.locked = false;
        Ok(())
    }

    fn set_resume_action_continue(&mut self, tid: Tid, signal: Option<GdbSignal>) -> Result<(), Infallible> {
        self.set_action(tid, signal, None);
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(&mut self) -> Option<MultiThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Machine {
    fn set_resume_action_step(&mut self, tid: Tid, signal: Option<GdbSignal>) -> Result<(), Infallible> {
        self.set_action(tid, signal, Some(Step::default()));
        Ok(())
    }
}

impl MultiThreadRangeStepping for Machine {
    fn set_resume_action_range_step(&mut self, tid: Tid, start: u64, end: u64) -> Result<(), Infallible> {
        let step = Step {
            range: Some((start, end)),
            done: false,
        };
        self.set_action(tid, None, Some(step));
        Ok(())
    }
}

impl MultiThreadSchedulerLocking for Machine {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Infallible> {
        self.debug.locked = true;
        Ok(())
    }
}

impl Machine {
    /// The first action that a packet names for a thread is the one that counts.
    fn set_action(&mut self, tid: Tid, signal: Option<GdbSignal>, step: Option<Step>) {
        let signal = signal.map(|signal| signal.0);
        let action = Action { signal, step };
        self.debug.actions.entry(pid(tid)).or_insert(action);
    }
}

impl ExtendedMode for Machine {
    fn run(&mut self, _: Option<&[u8]>, _: Args<'_, '_>) -> TargetResult<gdbstub::common::Pid, Self> {
        Err(TargetError::NonFatal)
    }

    fn attach(&mut self, wanted: gdbstub::common::Pid) -> TargetResult<(), Self> {
        match pid(wanted) == self.debugged() {
            true => Ok(()),
            false => Err(TargetError::Errno(NO_THREAD)),
        }
    }

    fn query_if_attached(&mut self, _: gdbstub::common::Pid) -> TargetResult<AttachKind, Self> {
        Ok(AttachKind::Attach)
    }

    /// Kills are made before gdbstub hears of them.
    fn kill(&mut self, _: Option<gdbstub::common::Pid>) -> TargetResult<ShouldTerminate, Self> {
        Err(TargetError::NonFatal)
    }

    fn restart(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn support_current_active_pid(&mut self) -> Option<CurrentActivePidOps<'_, Self>> {
        Some(self)
    }
}

impl CurrentActivePid for Machine {
    fn current_active_pid(&mut self) -> Result<gdbstub::common::Pid, Infallible> {
        Ok(tid(self.debugged()))
    }
}

impl ThreadExtraInfo for Machine {
    fn thread_extra_info(&self, tid: Tid, to: &mut [u8]) -> Result<usize, Infallible> {
        let info = self.kernel.find(pid(tid)).map(|task| {
            let state = match task.state {
                TaskState::Runnable => "runnable",
                TaskState::Waiting => "waits in a system call",
                TaskState::Stopped => "stopped by a signal",
                TaskState::Zombie => "ended",
            };
            format!("{} ({state})", String::from_utf8_lossy(&task.comm))
        });
        Ok(copy_part(info.unwrap_or_default().as_bytes(), 0, usize::MAX, to))
    }
}

impl Auxv for Machine {
    fn get_auxv(&self, offset: u64, length: usize, to: &mut [u8]) -> TargetResult<usize, Self> {
        Ok(copy_part(&self.proc_file("auxv"), offset, length, to))
    }
}

impl ExecFile for Machine {
    fn get_exec_file(
        &self,
        _: Option<gdbstub::common::Pid>,
        offset: u64,
        length: usize,
        to: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let path = proc_tree::read_link(&self.kernel, None, format!("{}/exe", self.debugged()).as_bytes());
        Ok(copy_part(&path.unwrap_or_default(), offset, length, to))
    }
}
