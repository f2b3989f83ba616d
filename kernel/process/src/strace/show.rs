//! An argument as text: what strace would print for its kind.

use abi::bytes::{get_u32, get_u64};
use abi::fs::S_IFMT;

use super::calls::Kind;
use super::names;
use crate::kernel::Kernel;
use crate::task::Pid;

/// Bytes of a text or buffer that are shown (strace's `-s`).
const MOST: usize = 32;
/// Elements of an array.
const MOST_ELEMENTS: usize = 32;
const AT_FDCWD: i32 = -100;

/// Bytes between quotation marks, with dots if there are more than are shown.
pub(super) fn text(bytes: &[u8], most: usize) -> String {
    let mut out = String::from("\"");
    let shown = &bytes[..bytes.len().min(most)];
    for (index, byte) in shown.iter().enumerate() {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x0b => out.push_str("\\v"),
            0x0c => out.push_str("\\f"),
            0x20..=0x7e => out.push(char::from(*byte)),
            // Three digits only where the next one would be taken for one of them.
            _ if shown.get(index + 1).is_some_and(u8::is_ascii_digit) => {
                out.push_str(&format!("\\{byte:03o}"));
            }
            _ => out.push_str(&format!("\\{byte:o}")),
        }
    }
    out.push('"');
    if bytes.len() > most {
        out.push_str("...");
    }
    out
}

fn address(value: u64) -> String {
    match value {
        0 => "NULL".to_owned(),
        value => format!("{value:#x}"),
    }
}

/// An argument; `None` if it is not there (the mode of an open that creates nothing). `value` is the call's answer.
pub(super) fn argument(
    kernel: &mut Kernel,
    pid: Pid,
    args: &[u64; 6],
    index: usize,
    kind: Kind,
    value: Option<u64>,
) -> Option<String> {
    let at = args[index];
    // What the call did not write is shown as the address that it would have written to.
    let answered = value.is_some_and(|value| (value as i64) >= 0) && at != 0;
    let pointer = Some(address(at));
    let mut view = View { kernel, pid };
    Some(match kind {
        Kind::Int => (at as i32).to_string(),
        Kind::Long => (at as i64).to_string(),
        Kind::Address => address(at),
        Kind::Offset if at == 0 => "0".to_owned(),
        Kind::Mode => octal(at),
        Kind::CreationMode => {
            const O_CREAT: u64 = 0o100;
            let before = args[index.checked_sub(1)?];
            return (before & O_CREAT != 0).then(|| octal(at));
        }
        Kind::Directory if at as i32 == AT_FDCWD => "AT_FDCWD".to_owned(),
        Kind::Directory => (at as i32).to_string(),
        Kind::Text => view.path(at),
        Kind::Texts => view.texts(at),
        Kind::Environment => view.environment(at),
        Kind::Bytes(length) => view.bytes(at, args[length]),
        Kind::Answered if answered => view.bytes(at, value?),
        Kind::AnsweredText if answered => view.path(at),
        Kind::Flags(names, none) => names::flags(names, at, none),
        Kind::Choice(names) => names::choice(names, at),
        Kind::Open => open_flags(at),
        Kind::Clone => clone_flags(at),
        Kind::Signal => match at {
            0 => "0".to_owned(),
            at => names::signal(at),
        },
        Kind::Signals => view.signals(at),
        Kind::AnsweredSignals if answered => view.signals(at),
        Kind::Action => view.action(at),
        Kind::AnsweredAction if answered => view.action(at),
        Kind::Time => view.time(at),
        Kind::AnsweredTime if answered => view.time(at),
        Kind::Stat if answered => return view.stat(at).or(pointer),
        Kind::Pair if answered => return view.pair(at).or(pointer),
        Kind::Status if answered && value != Some(0) => return view.status(at).or(pointer),
        Kind::Vectors => view.vectors(at, args[index + 1], u64::MAX),
        Kind::AnsweredVectors if answered => view.vectors(at, args[index + 1], value?),
        Kind::Limit => return view.limit(at).or(pointer),
        Kind::AnsweredLimit if answered => return view.limit(at).or(pointer),
        Kind::Request => return view.request(args[1] & 0xffff_ffff, at, answered).or(pointer),
        Kind::Control => return control(args[1], at),
        Kind::Names if answered => return view.names(at).or(pointer),
        _ => address(at),
    })
}

fn octal(mode: u64) -> String {
    format!("{:03o}", mode & 0o177777)
}

fn open_flags(flags: u64) -> String {
    let access = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"][(flags & 3) as usize];
    match flags & !3 {
        0 => access.to_owned(),
        rest => format!("{access}|{}", names::flags(names::OPEN, rest, "0")),
    }
}

fn clone_flags(flags: u64) -> String {
    let signal = match flags & 0xff {
        0 => String::new(),
        number => names::signal(number),
    };
    let flags = names::flags(names::CLONE, flags & !0xff, "");
    let parts: Vec<String> = [flags, signal]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    format!(
        "flags={}",
        if parts.is_empty() {
            "0".to_owned()
        } else {
            parts.join("|")
        }
    )
}

/// The argument of an `fcntl`: none, the descriptor's flags, the file's, or a number.
fn control(command: u64, at: u64) -> Option<String> {
    const GETFD: u64 = 1;
    const SETFD: u64 = 2;
    const GETFL: u64 = 3;
    const SETFL: u64 = 4;
    match command {
        GETFD | GETFL | 1032 => None,
        SETFD => Some(if at == 1 {
            "FD_CLOEXEC".to_owned()
        } else {
            at.to_string()
        }),
        SETFL => Some(open_flags(at)),
        0 | 1030 | 1031 => Some(at.to_string()),
        _ => Some(address(at)),
    }
}

/// A task's memory.
struct View<'k> {
    kernel: &'k mut Kernel,
    pid: Pid,
}

impl View<'_> {
    fn get<const N: usize>(&mut self, at: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let all = at != 0 && self.kernel.read_user(self.pid, at, &mut bytes).is_ok();
        all.then_some(bytes)
    }

    fn word(&mut self, at: u64) -> Option<u64> {
        self.get(at).map(u64::from_le_bytes)
    }

    fn path(&mut self, at: u64) -> String {
        match self.kernel.read_text(self.pid, at, abi::fs::PATH_MAX) {
            Ok(Some(path)) if at != 0 => text(&path, usize::MAX),
            _ => address(at),
        }
    }

    fn texts(&mut self, at: u64) -> String {
        let mut parts = Vec::new();
        for index in 0..MOST_ELEMENTS as u64 {
            match self.word(at.wrapping_add(8 * index)) {
                None => return address(at),
                Some(0) => return format!("[{}]", parts.join(", ")),
                Some(pointer) => parts.push(match self.kernel.read_text(self.pid, pointer, 4096) {
                    Ok(Some(bytes)) => text(&bytes, MOST),
                    _ => address(pointer),
                }),
            }
        }
        format!("[{}, ...]", parts.join(", "))
    }

    fn environment(&mut self, at: u64) -> String {
        const MOST_VARIABLES: u64 = 4096;
        let mut count = 0;
        while count < MOST_VARIABLES {
            match self.word(at.wrapping_add(8 * count)) {
                None => return address(at),
                Some(0) => break,
                Some(_) => count += 1,
            }
        }
        let plural = if count == 1 { "" } else { "s" };
        format!("{at:#x} /* {count} var{plural} */")
    }

    fn bytes(&mut self, at: u64, length: u64) -> String {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut shown = vec![0; length.min(MOST + 1)];
        if at == 0 || self.kernel.read_user(self.pid, at, &mut shown).is_err() {
            return address(at);
        }
        text(&shown, MOST)
    }

    fn signals(&mut self, at: u64) -> String {
        match self.word(at) {
            Some(set) => signal_set(set),
            None => address(at),
        }
    }

    fn action(&mut self, at: u64) -> String {
        let Some(bytes) = self.get::<32>(at) else {
            return address(at);
        };
        let (handler, flags, restorer, mask) = (
            get_u64(&bytes, 0),
            get_u64(&bytes, 8),
            get_u64(&bytes, 16),
            get_u64(&bytes, 24),
        );
        let handler = match handler {
            0 => "SIG_DFL".to_owned(),
            1 => "SIG_IGN".to_owned(),
            other => format!("{other:#x}"),
        };
        let restorer = if flags & 0x0400_0000 != 0 {
            format!(", sa_restorer={restorer:#x}")
        } else {
            String::new()
        };
        let flags = names::flags(names::ACTION, flags, "0");
        format!(
            "{{sa_handler={handler}, sa_mask={}, sa_flags={flags}{restorer}}}",
            signal_set(mask)
        )
    }

    fn time(&mut self, at: u64) -> String {
        let Some(bytes) = self.get::<16>(at) else {
            return address(at);
        };
        let (seconds, nanoseconds) = (get_u64(&bytes, 0) as i64, get_u64(&bytes, 8) as i64);
        format!("{{tv_sec={seconds}, tv_nsec={nanoseconds}}}")
    }

    fn stat(&mut self, at: u64) -> Option<String> {
        // arm64's layout: st_mode at 16, st_rdev at 32, st_size at 48.
        let bytes = self.get::<56>(at)?;
        let mode = get_u32(&bytes, 16);
        let kind = names::choice(names::FILE_TYPE, u64::from(mode & S_IFMT));
        let rest = match mode & S_IFMT {
            0o020000 | 0o060000 => {
                let device = get_u64(&bytes, 32);
                format!(
                    "st_rdev=makedev({:#x}, {:#x})",
                    device >> 8 & 0xfff,
                    device & 0xff | device >> 12 & 0xfff00
                )
            }
            _ => format!("st_size={}", get_u64(&bytes, 48) as i64),
        };
        Some(format!("{{st_mode={kind}|{:04o}, {rest}, ...}}", mode & 0o7777))
    }

    fn pair(&mut self, at: u64) -> Option<String> {
        let bytes = self.get::<8>(at)?;
        Some(format!("[{}, {}]", get_u32(&bytes, 0), get_u32(&bytes, 4)))
    }

    fn status(&mut self, at: u64) -> Option<String> {
        let status = u32::from_le_bytes(self.get(at)?);
        let (low, high) = (status & 0x7f, status >> 8 & 0xff);
        let signal = |number: u32| names::signal(u64::from(number));
        Some(match low {
            _ if status == 0xffff => "[{WIFCONTINUED(s)}]".to_owned(),
            0 => format!("[{{WIFEXITED(s) && WEXITSTATUS(s) == {high}}}]"),
            0x7f => format!("[{{WIFSTOPPED(s) && WSTOPSIG(s) == {}}}]", signal(high)),
            low => format!("[{{WIFSIGNALED(s) && WTERMSIG(s) == {}}}]", signal(low)),
        })
    }

    fn vectors(&mut self, at: u64, count: u64, mut left: u64) -> String {
        let mut parts = Vec::new();
        for index in 0..count.min(MOST_ELEMENTS as u64) {
            let Some(bytes) = self.get::<16>(at.wrapping_add(16 * index)) else {
                return address(at);
            };
            let (base, length) = (get_u64(&bytes, 0), get_u64(&bytes, 8));
            let shown = self.bytes(base, length.min(left));
            left = left.saturating_sub(length);
            parts.push(format!("{{iov_base={shown}, iov_len={length}}}"));
        }
        if count > MOST_ELEMENTS as u64 {
            parts.push("...".to_owned());
        }
        format!("[{}]", parts.join(", "))
    }

    fn limit(&mut self, at: u64) -> Option<String> {
        let bytes = self.get::<16>(at)?;
        let value = |value: u64| match value {
            u64::MAX => "RLIM64_INFINITY".to_owned(),
            value if value > 1024 && value.is_multiple_of(1024) => format!("{}*1024", value / 1024),
            value => value.to_string(),
        };
        let (current, maximum) = (value(get_u64(&bytes, 0)), value(get_u64(&bytes, 8)));
        Some(format!("{{rlim_cur={current}, rlim_max={maximum}}}"))
    }

    /// What an `ioctl` wrote, or reads.
    fn request(&mut self, request: u64, at: u64, answered: bool) -> Option<String> {
        use abi::tty::{FIONREAD, TIOCGPGRP, TIOCGSID, TIOCGWINSZ, TIOCSPGRP, TIOCSWINSZ, decode_winsize};
        match request {
            TIOCGWINSZ if !answered => None,
            TIOCGWINSZ | TIOCSWINSZ => {
                let [rows, columns, width, height] = decode_winsize(&self.get(at)?);
                Some(format!(
                    "{{ws_row={rows}, ws_col={columns}, ws_xpixel={width}, ws_ypixel={height}}}"
                ))
            }
            TIOCGPGRP | TIOCGSID | FIONREAD if !answered => None,
            TIOCGPGRP | TIOCGSID | TIOCSPGRP | FIONREAD => {
                Some(format!("[{}]", u32::from_le_bytes(self.get(at)?)))
            }
            _ => None,
        }
    }

    fn names(&mut self, at: u64) -> Option<String> {
        const FIELD: u64 = 65;
        let system = self.path(at);
        let node = self.path(at.checked_add(FIELD)?);
        Some(format!("{{sysname={system}, nodename={node}, ...}}"))
    }
}

/// `[INT CHLD]`, or `~[...]` where that is shorter.
fn signal_set(set: u64) -> String {
    let named = |set: u64| {
        let numbers = (1..=64).filter(|number| set >> (number - 1) & 1 != 0);
        let names: Vec<String> = numbers
            .map(|number| names::signal(number).trim_start_matches("SIG").to_owned())
            .collect();
        names.join(" ")
    };
    if set.count_ones() > 32 {
        format!("~[{}]", named(!set))
    } else {
        format!("[{}]", named(set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form of strace(1); not compared with a run of it yet.
    #[test]
    fn texts_and_flags_are_straces() {
        assert_eq!(text(b"a\n\"\\\t", MOST), r#""a\n\"\\\t""#);
        assert_eq!(text(b"\x7fELF\x02\x01\x001", MOST), r#""\177ELF\2\1\0001""#);
        assert_eq!(text(&[b'x'; 40], MOST), format!("\"{}\"...", "x".repeat(32)));
        assert_eq!(open_flags(0o2000000), "O_RDONLY|O_CLOEXEC");
        assert_eq!(open_flags(0o1101), "O_WRONLY|O_CREAT|O_TRUNC");
        assert_eq!(
            clone_flags(0x120_0011),
            "flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD"
        );
        assert_eq!(signal_set(1 << 16 | 2), "[INT CHLD]");
        assert_eq!(signal_set(!0), "~[]");
    }
}
