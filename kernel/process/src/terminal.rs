//! The terminal that the machine was started on, and the sessions and process groups that share it (job control;
//! `drivers/tty/tty_jobctrl.c`, `credentials(7)`).
//!
//! The host's terminal is the guests': its line discipline edits lines, echoes, and turns keys into signals, which reach the
//! machine's process and are passed to the guests' foreground group. The host knows one process group, the machine's;
//! which of the guests' groups is in the foreground is known here only. Key types: [`HostTerminal`] (what we hold of
//! the host's, and its mode to restore), [`Line`] (how a file is read that is a terminal). Neighbours: `syscall/tty`
//! (the requests), `signal` (what stopping means), the machine's `signals` (what comes from the host).

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use abi::Errno;
use abi::signal::{DefaultAction, SIG_IGN, SigDetail, SigInfo, SigSet, Signal};
// Not rustix's: its process ids cannot be 0, which is what one outside of our PID namespace reads as.
use nix::sys::termios::tcgetsid;
use nix::unistd::{Pid as HostPid, getpgid, getpgrp, getppid, getsid, tcgetpgrp};
use rustix::termios::{self, OptionalActions, Termios};

use crate::file::File;
use crate::kernel::Kernel;
use crate::signal::kernel_info;
use crate::syscall::Stop;
use crate::task::{Pid, State, Task};
use crate::wait::Wait;

/// What a file that is a terminal is besides a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    /// Its device number.
    pub(crate) device: u64,
    /// The host answers at once whether there is anything to read, so that it can be asked by reading: it then also sees
    /// to the machine's own job control.
    pub(crate) at_once: bool,
}

impl Line {
    /// What a descriptor of the host is, if it is a terminal with this device number.
    pub(crate) fn of(host: &OwnedFd, device: u64) -> Option<Self> {
        let flags = rustix::fs::fcntl_getfl(host).unwrap_or(rustix::fs::OFlags::empty());
        termios::isatty(host).then_some(Self {
            device,
            at_once: flags.contains(rustix::fs::OFlags::NONBLOCK),
        })
    }
}

/// `/dev/tty`.
const ANY_TERMINAL: u64 = abi::fs::makedev(5, 0);

/// The terminal of the host that the machine was started on. When it is dropped, the terminal is as it was.
#[derive(Debug)]
pub(crate) struct HostTerminal {
    fd: OwnedFd,
    device: u64,
    /// Whose controlling terminal it is.
    pub(crate) session: Option<Pid>,
    /// Its mode before a guest first changed it.
    before: RefCell<Option<Termios>>,
    /// The guests' mode while the machine is stopped.
    guests: Option<Termios>,
}

impl HostTerminal {
    /// The controlling terminal of this process, if standard input, output or error is it.
    fn find() -> Option<Self> {
        use std::os::fd::AsFd;
        let own = getsid(None).ok()?;
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let standard = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
        let fd = standard
            .into_iter()
            .find(|fd| tcgetsid(fd).is_ok_and(|session| session == own))?;
        let device = rustix::fs::fstat(fd).ok()?.st_rdev;
        Some(Self {
            fd: fd.try_clone_to_owned().ok()?,
            device,
            session: None,
            before: RefCell::new(None),
            guests: None,
        })
    }

    /// Whether the machine's process is in the foreground of its own shell.
    fn is_ours(&self) -> bool {
        tcgetpgrp(&self.fd).is_ok_and(|group| group == getpgrp())
    }

    /// A guest is about to change the mode.
    pub(crate) fn remember(&self) {
        let mut before = self.before.borrow_mut();
        if before.is_none() {
            *before = termios::tcgetattr(&self.fd).ok();
        }
    }

    /// Sets a mode, unless another process group has the terminal: to set it then would stop the machine, and it is not
    /// ours to set.
    fn set(&self, mode: Option<&Termios>) {
        if let Some(mode) = mode.filter(|_| self.is_ours()) {
            // A terminal that is gone needs no mode.
            let _ = termios::tcsetattr(&self.fd, OptionalActions::Drain, mode);
        }
    }
}

impl Drop for HostTerminal {
    fn drop(&mut self) {
        self.set(self.before.borrow().as_ref());
    }
}

/// Whether nobody would continue this process if it stopped: no ancestor outside of its group is in its session.
///
/// In a container the session's leader may be outside of the PID namespace, where its number reads as 0.
fn host_group_is_orphaned() -> bool {
    const OUTSIDE: HostPid = HostPid::from_raw(0);
    let Ok(session) = getsid(None) else { return true };
    let mut parent = getppid();
    while parent != OUTSIDE {
        match getpgid(Some(parent)) {
            Err(_) => return true,
            Ok(group) if group == getpgrp() => {}
            Ok(_) => return getsid(Some(parent)).ok().is_none_or(|its| its != session),
        }
        let stat = std::fs::read_to_string(format!("/proc/{parent}/stat"));
        // "PID (name) STATE PPID ...", where the name may hold anything.
        let next = stat.ok().and_then(|text| {
            let (_, rest) = text.rsplit_once(')')?;
            rest.split_ascii_whitespace().nth(1)?.parse().ok()
        });
        parent = next.map_or(OUTSIDE, HostPid::from_raw);
    }
    true
}

impl Kernel {
    /// The first program is the leader of a session that the machine's terminal controls, if there is one.
    pub(crate) fn take_host_terminal(&mut self, leader: Pid) {
        self.terminal = HostTerminal::find();
        if let Some(terminal) = &mut self.terminal {
            terminal.session = Some(leader);
        }
        self.foreground = leader;
    }

    /// The terminal that controls a task's session.
    pub(crate) fn controlling(&self, task: &Task) -> Option<&HostTerminal> {
        let terminal = self.terminal.as_ref();
        terminal.filter(|terminal| terminal.session == Some(task.session))
    }

    /// The terminal that a file is, if it is the machine's own.
    pub(crate) fn own_terminal(&self, file: &File) -> Option<&HostTerminal> {
        let device = file.line()?.device;
        let terminal = self.terminal.as_ref()?;
        (device == terminal.device || device == ANY_TERMINAL).then_some(terminal)
    }

    /// Whether a file is the terminal that controls the session of a task.
    pub(crate) fn is_controlling(&self, pid: Pid, file: &File) -> bool {
        let terminal = self.own_terminal(file);
        terminal.is_some_and(|terminal| terminal.session == Some(self.task(pid).session))
    }

    /// The device number of a task's terminal and its foreground group, for `/proc`.
    pub(crate) fn terminal_facts(&self, task: &Task) -> Option<(u64, Pid)> {
        let terminal = self.controlling(task)?;
        Some((terminal.device, self.foreground))
    }

    /// Background groups may not read a terminal (`SIGTTIN`), nor change it (`SIGTTOU`): the group gets the signal, and the
    /// call is made again should it go on (`__tty_check_change`).
    ///
    /// # Errors
    /// The wait; or `EIO` where the signal would have no effect.
    pub(crate) fn check_foreground(&mut self, pid: Pid, file: &File, signal: Signal) -> Result<(), Stop> {
        let task = self.task(pid);
        let group = task.group;
        if !self.is_controlling(pid, file) || group == self.foreground {
            return Ok(());
        }
        let deaf =
            task.signals.blocked.contains(signal) || task.actions.borrow().get(signal).handler == SIG_IGN;
        match (deaf, signal) {
            (true, Signal::TTIN) => return Err(Errno::EIO.into()),
            (true, _) => return Ok(()),
            (false, _) if self.is_orphaned(group) => return Err(Errno::EIO.into()),
            (false, _) => {}
        }
        self.send_to_group(group, kernel_info(signal));
        Err(Stop::Wait(Wait::for_bell()))
    }

    /// Writing stops a background group only where the terminal says so (`stty tostop`).
    pub(crate) fn check_write(&mut self, pid: Pid, file: &File) -> Result<(), Stop> {
        let stops = |terminal: &HostTerminal| {
            termios::tcgetattr(&terminal.fd)
                .is_ok_and(|mode| mode.local_modes.contains(termios::LocalModes::TOSTOP))
        };
        let background = self.is_controlling(pid, file) && self.task(pid).group != self.foreground;
        if background && self.terminal.as_ref().is_some_and(stops) {
            return self.check_foreground(pid, file, Signal::TTOU);
        }
        Ok(())
    }

    /// A terminal had nothing to read: how long the read waits. With `VMIN` 0 the terminal gives up after `VTIME` tenths
    /// of a second, and the read answers 0 (`termios(3)`).
    pub(crate) fn read_timeout(&mut self, pid: Pid, file: &File, wait: Wait) -> Result<u64, Stop> {
        use termios::{LocalModes, SpecialCodeIndex};
        const TENTH_NS: u64 = 100_000_000;
        let Some(Ok(mode)) = file.host().map(termios::tcgetattr) else {
            return Err(Stop::Wait(wait));
        };
        let code = |index: SpecialCodeIndex| u64::from(mode.special_codes[index]);
        let time = code(SpecialCodeIndex::VTIME) * TENTH_NS;
        if mode.local_modes.contains(LocalModes::ICANON) || code(SpecialCodeIndex::VMIN) > 0 || time == 0 {
            return Err(Stop::Wait(wait));
        }
        let now = self.clock.monotonic_ns;
        let progress = &mut self.task_mut(pid).progress;
        let deadline = *progress.deadline.get_or_insert(now.saturating_add(time));
        if deadline <= now {
            return Ok(0);
        }
        Err(Stop::Wait(wait.until(Some(deadline))))
    }

    /// Whether nobody would continue a process group that stopped: no member's parent is in the session and outside of the
    /// group (`will_become_orphaned_pgrp`). The parent of the first program is whoever started the machine.
    pub(crate) fn is_orphaned(&self, group: Pid) -> bool {
        let members = |task: &&Task| task.group == group && task.is_first() && !self.is_dead(task.pid);
        !self.tasks.values().filter(members).any(|task| {
            if task.pid == self.init {
                return self.terminal.is_none() || !host_group_is_orphaned();
            }
            let parent = self.tasks.get(&task.parent);
            parent.is_some_and(|parent| parent.group != group && parent.session == task.session)
        })
    }

    /// A signal for every process of a group.
    pub(crate) fn send_to_group(&mut self, group: Pid, info: SigInfo) {
        let members = self
            .tasks
            .values()
            .filter(|task| task.is_first() && task.group == group);
        let members: Vec<Pid> = members.map(|task| task.pid).collect();
        members.into_iter().for_each(|pid| self.send(pid, info));
    }

    /// A process has ended: groups that lost their last link to a living shell and have stopped members are sent `SIGHUP` and
    /// `SIGCONT` (`exit_notify`), and so is the foreground group of the session that it led.
    pub(crate) fn disown_groups(&mut self, process: Pid, children: &[Pid]) {
        let Some(task) = self.tasks.get(&process) else {
            return;
        };
        let (group, session, parent) = (task.group, task.session, task.parent);
        let linked = |other: &Task| other.group != group && other.session == session;
        let mut lost: Vec<Pid> = Vec::new();
        if self.tasks.get(&parent).is_some_and(linked) {
            lost.push(group);
        }
        let children = children.iter().filter_map(|child| self.tasks.get(child));
        lost.extend(children.filter(|child| linked(child)).map(|child| child.group));
        lost.sort_unstable();
        lost.dedup();
        for group in lost {
            let stopped = |task: &Task| task.group == group && task.state == State::Stopped;
            if self.tasks.values().any(stopped) && self.is_orphaned(group) {
                self.send_to_group(group, kernel_info(Signal::HUP));
                self.send_to_group(group, kernel_info(Signal::CONT));
            }
        }
        if session == process
            && let Some(terminal) = &mut self.terminal
            && terminal.session == Some(session)
        {
            terminal.session = None;
            let group = self.foreground;
            self.send_to_group(group, kernel_info(Signal::HUP));
            self.send_to_group(group, kernel_info(Signal::CONT));
        }
    }

    /// `TIOCSCTTY`: a session leader without a terminal takes one that has no session. A privileged one may steal it.
    ///
    /// # Errors
    /// `EPERM` in any other case, a terminal that is not the machine's among them.
    pub(crate) fn take_terminal(&mut self, pid: Pid, file: &File, steal: bool) -> Result<(), Errno> {
        let task = self.task(pid);
        let (session, group, leads) = (task.session, task.group, task.session == task.tgid);
        let may_steal = steal && task.creds.euid == 0;
        let owner = self.own_terminal(file).ok_or(Errno::EPERM)?.session;
        if owner == Some(session) && leads {
            return Ok(());
        }
        let has_one = self.controlling(self.task(pid)).is_some();
        if !leads || has_one || (owner.is_some() && !may_steal) {
            return Err(Errno::EPERM);
        }
        if let Some(terminal) = &mut self.terminal {
            terminal.session = Some(session);
            self.foreground = group;
        }
        Ok(())
    }

    /// `TIOCNOTTY`: the leader gives up its session's terminal; its foreground group is told.
    ///
    /// # Errors
    /// `ENOTTY` if the file is not its terminal. For a task that leads no session there is nothing to give up alone.
    pub(crate) fn give_up_terminal(&mut self, pid: Pid, file: &File) -> Result<(), Errno> {
        if !self.is_controlling(pid, file) {
            return Err(Errno::ENOTTY);
        }
        let task = self.task(pid);
        if task.session == task.tgid
            && let Some(terminal) = &mut self.terminal
        {
            terminal.session = None;
            let group = self.foreground;
            self.send_to_group(group, kernel_info(Signal::HUP));
            self.send_to_group(group, kernel_info(Signal::CONT));
        }
        Ok(())
    }

    /// The first program stopped. On a terminal the machine then stops as a whole, so that the shell that started it goes on;
    /// without one it stays, and another guest may continue the program.
    pub(crate) fn note_stop_of_init(&mut self) {
        if self.terminal.is_some() {
            self.suspension = true;
        }
    }

    /// Whether the machine should stop itself now; asked once for each time.
    pub fn take_suspension(&mut self) -> bool {
        std::mem::take(&mut self.suspension)
    }

    /// Before the machine stops: the terminal's mode is put back.
    pub fn before_suspension(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.guests = termios::tcgetattr(&terminal.fd)
                .ok()
                .filter(|_| terminal.before.borrow().is_some() && terminal.is_ours());
            terminal.set(terminal.before.borrow().as_ref());
        }
    }

    /// The machine goes on after a stop: the guests' mode returns, the first program's group goes on, and reads of the
    /// terminal are tried again, for the machine may be in the background now.
    pub fn after_suspension(&mut self) {
        if let Some(terminal) = &mut self.terminal
            && terminal.is_ours()
        {
            let mode = terminal.guests.take();
            terminal.set(mode.as_ref());
        }
        if let Some(group) = self.tasks.get(&self.init).map(|task| task.group) {
            self.send_to_group(group, kernel_info(Signal::CONT));
        }
        for task in self.tasks.values_mut() {
            if let Some(wait) = task.wait.as_mut().filter(|wait| !wait.hosts.is_empty()) {
                wait.over = true;
            }
        }
    }

    /// The terminal is gone, or whoever watches the machine wants it to end: `SIGHUP` for the leader of the terminal's
    /// session, or for the first program.
    pub fn hang_up(&mut self) {
        let leader = self.terminal.as_ref().and_then(|terminal| terminal.session);
        let leader = leader.unwrap_or(self.init);
        self.send(leader, kernel_info(Signal::HUP));
        self.send(leader, kernel_info(Signal::CONT));
    }

    /// A signal that somebody sent to the machine's process, for the first program.
    pub fn pass_on(&mut self, signal: Signal) {
        let uid = rustix::process::getuid().as_raw();
        let detail = SigDetail::User { pid: 0, uid };
        let code = abi::signal::code::SI_USER;
        self.send(self.init, SigInfo { signal, code, detail });
    }

    /// The first program ignores from its start what the machine was started with ignored (`nohup`), as after any execve.
    pub fn inherit_ignored(&mut self, signals: SigSet) {
        let Some(task) = self.tasks.get(&self.init) else {
            return;
        };
        let mut actions = task.actions.borrow_mut();
        for signal in (1..=Signal::MAX).filter_map(Signal::new) {
            if signals.contains(signal) && signal.default_action() != DefaultAction::Ignore {
                let mut action = actions.get(signal);
                action.handler = SIG_IGN;
                actions.set(signal, action);
            }
        }
    }

    /// `/dev/tty`: the terminal of a task's session, opened anew.
    ///
    /// # Errors
    /// `ENXIO` without one.
    pub(crate) fn open_own_terminal(
        &self,
        pid: Pid,
        flags: rustix::fs::OFlags,
    ) -> Result<Rc<OwnedFd>, Errno> {
        use rustix::fs::{CWD, Mode};
        self.controlling(self.task(pid)).ok_or(Errno::ENXIO)?;
        let opened = rustix::fs::openat(CWD, "/dev/tty", flags, Mode::empty());
        opened.map(Rc::new).map_err(crate::file::host::errno)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_file_is_no_line() {
        let null = std::fs::File::open("/dev/null").expect("it is everywhere");
        assert_eq!(Line::of(&OwnedFd::from(null), 0), None);
    }

    /// Run by itself and by the next test.
    #[test]
    fn the_host_is_asked() {
        if let Some(terminal) = HostTerminal::find() {
            terminal.is_ours();
        }
        host_group_is_orphaned();
    }

    /// As in a container: this process's session and group have no number there.
    #[test]
    fn a_session_led_from_outside_of_the_pid_namespace_is_no_panic() {
        let namespace = |program: &std::path::Path, args: &[&str]| {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "--pid", "--fork"]);
            command.arg(program).args(args).output()
        };
        if !namespace("true".as_ref(), &[]).is_ok_and(|made| made.status.success()) {
            println!("no PID namespace can be made here (unshare)");
            return;
        }
        let this = std::env::current_exe().unwrap();
        let tried = namespace(&this, &["--exact", "terminal::tests::the_host_is_asked"]).unwrap();
        assert!(
            tried.status.success(),
            "{}",
            String::from_utf8_lossy(&tried.stderr)
        );
        assert!(String::from_utf8_lossy(&tried.stdout).contains("1 passed"));
    }
}
