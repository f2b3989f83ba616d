//! `ioctl(2)`: terminals of the host, and the few requests that every file has.

use std::os::fd::OwnedFd;

use abi::Errno;
use abi::flags::OpenFlags;
use abi::nr;
use abi::tty::{
    FIOCLEX, FIONBIO, FIONCLEX, FIONREAD, TCGETS, TCSETS, TCSETSF, TCSETSW, TIOCGPGRP, TIOCGSID, TIOCGWINSZ,
    TIOCSCTTY, TIOCSPGRP, TIOCSWINSZ, Termios, encode_winsize,
};
use rustix::termios::{self, OptionalActions};

use super::{Answer, Call, Handler};
use crate::file::Kind;
use crate::file::host::errno;
use crate::file::special::Special;
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
        Kind::Stream(host) if termios::isatty(host) => terminal(call, host, request, argument),
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

fn terminal(call: &mut Call<'_>, host: &OwnedFd, request: u64, argument: u64) -> Answer {
    match request {
        TCGETS => {
            let state = guest_termios(&termios::tcgetattr(host).map_err(errno)?);
            call.write(argument, &state.encode())?;
        }
        TCSETS | TCSETSW | TCSETSF => {
            let asked = Termios::decode(&call.read(argument)?);
            // The baud rate and what we do not model stay as the host has them.
            let mut state = termios::tcgetattr(host).map_err(errno)?;
            apply(&asked, &mut state);
            let when = match request {
                TCSETS => OptionalActions::Now,
                TCSETSW => OptionalActions::Drain,
                _ => OptionalActions::Flush,
            };
            termios::tcsetattr(host, when, &state).map_err(errno)?;
        }
        TIOCGWINSZ => {
            let size = termios::tcgetwinsize(host).map_err(errno)?;
            call.write(argument, &encode_winsize(size.ws_row, size.ws_col))?;
        }
        TIOCGPGRP => {
            let group = call.kernel.foreground.get();
            call.write(argument, &group.to_le_bytes())?;
        }
        TIOCSPGRP => {
            let group = Pid::new(u32::from_le_bytes(call.read(argument)?));
            if !call.kernel.tasks().any(|task| task.group == group) {
                return Err(Errno::EPERM.into());
            }
            call.kernel.foreground = group;
        }
        TIOCGSID => {
            let session = call.task().session.get();
            call.write(argument, &session.to_le_bytes())?;
        }
        FIONREAD => {
            let waiting = rustix::io::ioctl_fionread(host).map_err(errno)?;
            call.write(argument, &(waiting as u32).to_le_bytes())?;
        }
        // The terminal's size is its owner's to set, and it has its session already.
        TIOCSWINSZ | TIOCSCTTY => {}
        _ => return Err(Errno::ENOTTY.into()),
    }
    Ok(0)
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
    let speed = 0o10017;
    let control = state.control_modes.bits() & speed | asked.control & !speed;
    state.control_modes = termios::ControlModes::from_bits_retain(control);
    state.local_modes = termios::LocalModes::from_bits_retain(asked.local);
    for (value, code) in asked.characters.iter().zip(CHARACTERS) {
        state.special_codes[code] = *value;
    }
}
