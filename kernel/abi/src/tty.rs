//! Terminal requests and layouts (`ioctl_tty(2)`, asm-generic).

use crate::bytes::{Layout, get, get_u32};

/// `TCGETS`.
pub const TCGETS: u64 = 0x5401;
/// `TCSETS`.
pub const TCSETS: u64 = 0x5402;
/// `TCSETSW`.
pub const TCSETSW: u64 = 0x5403;
/// `TCSETSF`.
pub const TCSETSF: u64 = 0x5404;
/// `TIOCSCTTY`.
pub const TIOCSCTTY: u64 = 0x540e;
/// `TIOCGPGRP`.
pub const TIOCGPGRP: u64 = 0x540f;
/// `TIOCSPGRP`.
pub const TIOCSPGRP: u64 = 0x5410;
/// `TIOCGWINSZ`.
pub const TIOCGWINSZ: u64 = 0x5413;
/// `TIOCSWINSZ`.
pub const TIOCSWINSZ: u64 = 0x5414;
/// `FIONREAD`.
pub const FIONREAD: u64 = 0x541b;
/// `FIONBIO`.
pub const FIONBIO: u64 = 0x5421;
/// `TIOCGSID`.
pub const TIOCGSID: u64 = 0x5429;
/// `FIONCLEX`.
pub const FIONCLEX: u64 = 0x5450;
/// `FIOCLEX`.
pub const FIOCLEX: u64 = 0x5451;

/// `struct termios` as `TCGETS` gives it: 36 bytes, 19 control characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Termios {
    /// `c_iflag`.
    pub input: u32,
    /// `c_oflag`.
    pub output: u32,
    /// `c_cflag`.
    pub control: u32,
    /// `c_lflag`.
    pub local: u32,
    /// `c_line`.
    pub line: u8,
    /// `c_cc`.
    pub characters: [u8; 19],
}

impl Termios {
    /// Its size in bytes.
    pub const SIZE: usize = 36;

    /// As user memory holds it.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        Layout::default()
            .u32(0, self.input)
            .u32(4, self.output)
            .u32(8, self.control)
            .u32(12, self.local)
            .put(16, &[self.line])
            .put(17, &self.characters)
            .finish()
    }

    /// From user memory's bytes.
    pub fn decode(from: &[u8; Self::SIZE]) -> Self {
        Self {
            input: get_u32(from, 0),
            output: get_u32(from, 4),
            control: get_u32(from, 8),
            local: get_u32(from, 12),
            line: from[16],
            characters: get(from, 17),
        }
    }
}

/// `struct winsize`: rows, columns and two sizes in pixels that nobody fills.
pub fn encode_winsize(rows: u16, columns: u16) -> [u8; 8] {
    Layout::default().u16(0, rows).u16(2, columns).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn termios_goes_to_bytes_and_back() {
        let mut characters = [0; 19];
        characters[4] = 9;
        let termios = Termios {
            input: 1,
            output: 2,
            control: 3,
            local: 4,
            line: 5,
            characters,
        };
        assert_eq!(Termios::decode(&termios.encode()), termios);
        assert_eq!(termios.encode()[21], 9);
    }
}
