//! When no task can run: one poll over what the tasks wait for and the control socket.

use std::os::fd::AsFd;
use std::time::Duration;

use process::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{Machine, MachineError};

impl Machine {
    /// Waits until a task may go on, or until the control socket has work. A virtual clock does not wait for
    /// a deadline: if no descriptor is ready now, it moves there.
    pub(crate) fn wait(&mut self) -> Result<(), MachineError> {
        let waits = self.kernel.waits();
        let retired = self.cpu.retired();
        let now = self.clock.now(retired).monotonic_ns;
        let left = waits
            .deadline_ns
            .map(|deadline| Duration::from_nanos(deadline.saturating_sub(now)));
        let is_alone = self.server.is_none() && self.signals.is_none() && !self.is_debugged();
        if left.is_none() && waits.hosts.is_empty() && is_alone {
            return Err(MachineError::Deadlock {
                tasks: self.kernel.tasks().count(),
            });
        }
        let skips = self.clock.is_virtual() && left.is_some();
        let ready = self.poll(&waits.hosts, if skips { Some(Duration::ZERO) } else { left })?;
        if let (true, true, Some(deadline)) = (skips, ready.is_empty(), waits.deadline_ns) {
            self.clock.skip_to(deadline, retired);
        }
        ready.into_iter().for_each(|pid| self.kernel.ready(pid));
        self.kernel.advance(self.clock.now(retired));
        Ok(())
    }

    /// While some task runs, others may wait for the host: asks without waiting whether they can go on.
    pub(crate) fn notice_ready_hosts(&mut self) -> Result<(), MachineError> {
        let waits = self.kernel.waits();
        if !waits.hosts.is_empty() {
            let ready = self.poll(&waits.hosts, Some(Duration::ZERO))?;
            ready.into_iter().for_each(|pid| self.kernel.ready(pid));
        }
        Ok(())
    }

    /// The tasks whose descriptors are ready.
    pub(crate) fn poll(
        &self,
        hosts: &[(Pid, process::HostWait)],
        timeout: Option<Duration>,
    ) -> Result<Vec<Pid>, MachineError> {
        let wanted = |events: u32| PollFlags::from_bits_truncate(events as u16);
        let mut set: Vec<PollFd<'_>> = hosts
            .iter()
            .map(|(_, host)| PollFd::from_borrowed_fd(host.fd.as_fd(), wanted(host.events.bits().into())))
            .collect();
        if let Some(signals) = &self.signals {
            set.push(PollFd::from_borrowed_fd(signals.descriptor(), PollFlags::IN));
        }
        if let Some(server) = &self.server {
            set.extend(
                server
                    .descriptors()
                    .map(|(fd, events)| PollFd::from_borrowed_fd(fd, events)),
            );
        }
        if let Some(debugger) = &self.debugger {
            set.extend(
                debugger
                    .descriptors()
                    .map(|(fd, events)| PollFd::from_borrowed_fd(fd, events)),
            );
        }
        let timeout = timeout.map(|left| Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(&mut set, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(MachineError::Wait(error.into())),
        }
        let ready = hosts
            .iter()
            .zip(&set)
            .filter(|(_, polled)| !polled.revents().is_empty());
        Ok(ready.map(|((pid, _), _)| *pid).collect())
    }
}
