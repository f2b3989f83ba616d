//! `ioctl(2)`: terminals of the host, and the few requests that every file has.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use abi::Errno;
use abi::flags::OpenFlags;
use abi::nr;
use abi::signal::Signal;
use abi::tty::{
    FIOCLEX, FIONBIO, FIONCLEX, FIONREAD, SPEEDS, TCFLSH, TCGETS, TCGETS2, TCSBRK, TCSBRKP, TCSETS, TCSETS2,
    TCSETSF, TCSETSF2, TCSETSW, TCSETSW2, TCXONC, TIOCGETD, TIOCGPGRP, TIOCGSID, TIOCGWINSZ, TIOCNOTTY,
    TIOCSCTTY, TIOCSPGRP, TIOCSTI, TIOCSWINSZ, Termios, Termios2, decode_winsize, encode_winsize,
};
use rustix::termios::{self, Action, OptionalActions, QueueSelector, Winsize};

use super::{Answer, Call, Handler, netdevice};
use crate::file::host::errno;
use crate::file::special::Special;
use crate::file::{File, Kind};
use crate::task::Pid;

pub(super) const CALLS: &[(usize, Handler)] = &[(nr::IOCTL, ioctl)];

fn ioctl(call: &mut Call<'_>) -> Answer {
    let (fd, request, argument) = (call.int(0), u64::from(call.args[1] as u32), call.args[2]);
    let file = call.file(fd)?;
    match request {
        FIOCLEX | FIONCLEX => {
            let close = request == FIOCLEX;
            call.task().files.borrow_mut().slot_mut(fd)?.close_on_exec = close;
            return Ok(0);
        }
        FIONBIO => {
            let on = u32::from_le_bytes(call.read(argument)?) != 0;
            let flag = OpenFlags::NONBLOCK.bits();
            let flags = file.flags.get();
            file.flags.set(if on { flags | flag } else { flags & !flag });
            return Ok(0);
        }
        _ => {}
    }
    match &file.kind {
        Kind::Stream(host) if termios::isatty(host) => terminal(call, &file, host, request, argument),
        Kind::Special(Special::Unix(..) | Special::Inet(..)) if netdevice::is_known(request) => {
            netdevice::ask(call, request, argument)
        }
        Kind::Special(Special::Unix(socket, _)) if request == FIONREAD => {
            let waiting = socket.waiting() as u32;
            call.write(argument, &waiting.to_le_bytes())?;
            Ok(0)
        }
        Kind::Stream(host) | Kind::Special(Special::Inet(host, _)) if request == FIONREAD => {
            let waiting = rustix::io::ioctl_fionread(host).map_err(errno)?;
            call.write(argument, &(waiting as u32).to_le_bytes())?;
            Ok(0)
        }
        Kind::Pipe(end) if request == FIONREAD => {
            let waiting = end.waiting() as u32;
            call.write(argument, &waiting.to_le_bytes())?;
            Ok(0)
        }
        Kind::Regular { .. } if request == FIONREAD => {
            let size = call.kernel.stat_file(&file)?.size;
            let left = size.saturating_sub(file.position()) as u32;
            call.write(argument, &left.to_le_bytes())?;
            Ok(0)
        }
        _ => Err(Errno::ENOTTY.into()),
    }
}

fn terminal(call: &mut Call<'_>, file: &Rc<File>, host: &OwnedFd, request: u64, argument: u64) -> Answer {
    let changes = matches!(
        request,
        TCSETS | TCSETSW | TCSETSF | TCSETS2 | TCSETSW2 | TCSETSF2 | TCSBRK | TCSBRKP | TCXONC | TCFLSH
    );
    if changes {
        call.kernel.check_foreground(call.pid, file, Signal::TTOU)?;
    }
    match request {
        TCGETS => {
            let state = guest_termios(&termios::tcgetattr(host).map_err(errno)?);
            call.write(argument, &state.encode())?;
        }
        TCGETS2 => {
            let state = termios::tcgetattr(host).map_err(errno)?;
            let state = Termios2 {
                modes: guest_termios(&state),
                input_speed: state.input_speed(),
                output_speed: state.output_speed(),
            };
            call.write(argument, &state.encode())?;
        }
        TCSETS | TCSETSW | TCSETSF => {
            let asked = Termios::decode(&call.read(argument)?);
            set_modes(call, file, host, request - TCSETS, &asked)?;
        }
        TCSETS2 | TCSETSW2 | TCSETSF2 => {
            let asked = Termios2::decode(&call.read(argument)?);
            set_modes(call, file, host, request - TCSETS2, &asked.modes)?;
        }
        // With a number, it waits until all is written; pseudo-terminals and consoles have written at once.
        TCSBRK if argument as u32 == 0 => termios::tcsendbreak(host).map_err(errno)?,
        TCSBRK => {}
        TCSBRKP => termios::tcsendbreak(host).map_err(errno)?,
        TCXONC => {
            let action = match argument {
                0 => Action::OOff,
                1 => Action::OOn,
                2 => Action::IOff,
                3 => Action::IOn,
                _ => return Err(Errno::EINVAL.into()),
            };
            termios::tcflow(host, action).map_err(errno)?;
        }
        TCFLSH => {
            let queue = match argument {
                0 => QueueSelector::IFlush,
                1 => QueueSelector::OFlush,
                2 => QueueSelector::IOFlush,
                _ => return Err(Errno::EINVAL.into()),
            };
            termios::tcflush(host, queue).map_err(errno)?;
        }
        TIOCGWINSZ => {
            let size = termios::tcgetwinsize(host).map_err(errno)?;
            let sizes = [size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel];
            call.write(argument, &encode_winsize(sizes))?;
        }
        TIOCSWINSZ => {
            let [ws_row, ws_col, ws_xpixel, ws_ypixel] = decode_winsize(&call.read(argument)?);
            let size = Winsize {
                ws_row,
                ws_col,
                ws_xpixel,
                ws_ypixel,
            };
            // The host tells the machine, and that the foreground group.
            termios::tcsetwinsize(host, size).map_err(errno)?;
        }
        FIONREAD => {
            let waiting = rustix::io::ioctl_fionread(host).map_err(errno)?;
            call.write(argument, &(waiting as u32).to_le_bytes())?;
        }
        // N_TTY.
        TIOCGETD => call.write(argument, &0u32.to_le_bytes())?,
        // As a kernel whose dev.tty.legacy_tiocsti is 0.
        TIOCSTI => return Err(Errno::EIO.into()),
        _ => return sharing(call, file, request, argument),
    }
    Ok(0)
}

/// Sessions and process groups: which of them has the terminal.
fn sharing(call: &mut Call<'_>, file: &Rc<File>, request: u64, argument: u64) -> Answer {
    let own = call.kernel.is_controlling(call.pid, file);
    match request {
        TIOCSCTTY => call.kernel.take_terminal(call.pid, file, argument == 1)?,
        TIOCNOTTY => call.kernel.give_up_terminal(call.pid, file)?,
        TIOCGPGRP | TIOCSPGRP | TIOCGSID if !own => return Err(Errno::ENOTTY.into()),
        TIOCGPGRP => {
            let group = call.kernel.foreground.get();
            call.write(argument, &group.to_le_bytes())?;
        }
        TIOCSPGRP => {
            call.kernel.check_foreground(call.pid, file, Signal::TTOU)?;
            let number = u32::from_le_bytes(call.read(argument)?);
            if number.cast_signed() < 0 {
                return Err(Errno::EINVAL.into());
            }
            let (group, session) = (Pid::new(number), call.task().session);
            let member = call.kernel.tasks().find(|task| task.group == group);
            let its = member.map(|task| task.session).ok_or(Errno::ESRCH)?;
            if its != session {
                return Err(Errno::EPERM.into());
            }
            call.kernel.foreground = group;
        }
        TIOCGSID => {
            let session = call.task().session.get();
            call.write(argument, &session.to_le_bytes())?;
        }
        _ => return Err(Errno::ENOTTY.into()),
    }
    Ok(0)
}

/// Sets modes now (0), when all is written (1), or then and without what was typed (2).
fn set_modes(call: &Call<'_>, file: &File, host: &OwnedFd, when: u64, asked: &Termios) -> Result<(), Errno> {
    if let Some(terminal) = call.kernel.own_terminal(file) {
        terminal.remember();
    }
    // The baud rate and what we do not model stay as the host has them.
    let mut state = termios::tcgetattr(host).map_err(errno)?;
    apply(asked, &mut state);
    let when = match when {
        0 => OptionalActions::Now,
        1 => OptionalActions::Drain,
        _ => OptionalActions::Flush,
    };
    termios::tcsetattr(host, when, &state).map_err(errno)
}

/// The control characters by their place in Linux's `c_cc`.
const CHARACTERS: [termios::SpecialCodeIndex; 17] = {
    use termios::SpecialCodeIndex as S;
    [
        S::VINTR,
        S::VQUIT,
        S::VERASE,
        S::VKILL,
        S::VEOF,
        S::VTIME,
        S::VMIN,
        S::VSWTC,
        S::VSTART,
        S::VSTOP,
        S::VSUSP,
        S::VEOL,
        S::VREPRINT,
        S::VDISCARD,
        S::VWERASE,
        S::VLNEXT,
        S::VEOL2,
    ]
};

fn guest_termios(state: &termios::Termios) -> Termios {
    let mut characters = [0; 19];
    for (slot, code) in characters.iter_mut().zip(CHARACTERS) {
        *slot = state.special_codes[code];
    }
    Termios {
        input: state.input_modes.bits(),
        output: state.output_modes.bits(),
        control: state.control_modes.bits(),
        local: state.local_modes.bits(),
        line: 0,
        characters,
    }
}

fn apply(asked: &Termios, state: &mut termios::Termios) {
    state.input_modes = termios::InputModes::from_bits_retain(asked.input);
    state.output_modes = termios::OutputModes::from_bits_retain(asked.output);
    let control = state.control_modes.bits() & SPEEDS | asked.control & !SPEEDS;
    state.control_modes = termios::ControlModes::from_bits_retain(control);
    state.local_modes = termios::LocalModes::from_bits_retain(asked.local);
    for (value, code) in asked.characters.iter().zip(CHARACTERS) {
        state.special_codes[code] = *value;
    }
}
