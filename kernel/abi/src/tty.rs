//! Terminal requests and layouts (`ioctl_tty(2)`, asm-generic).

use crate::bytes::{Layout, get, get_u16, get_u32};

/// `TCGETS`.
pub const TCGETS: u64 = 0x5401;
/// `TCSETS`.
pub const TCSETS: u64 = 0x5402;
/// `TCSETSW`.
pub const TCSETSW: u64 = 0x5403;
/// `TCSETSF`.
pub const TCSETSF: u64 = 0x5404;
/// `TCSBRK`.
pub const TCSBRK: u64 = 0x5409;
/// `TCXONC`.
pub const TCXONC: u64 = 0x540a;
/// `TCFLSH`.
pub const TCFLSH: u64 = 0x540b;
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
/// `TIOCSTI`.
pub const TIOCSTI: u64 = 0x5412;
/// `TIOCNOTTY`.
pub const TIOCNOTTY: u64 = 0x5422;
/// `TIOCGETD`.
pub const TIOCGETD: u64 = 0x5424;
/// `TCSBRKP`.
pub const TCSBRKP: u64 = 0x5425;
/// `TCGETS2`.
pub const TCGETS2: u64 = 0x802c_542a;
/// `TCSETS2`.
pub const TCSETS2: u64 = 0x402c_542b;
/// `TCSETSW2`.
pub const TCSETSW2: u64 = 0x402c_542c;
/// `TCSETSF2`.
pub const TCSETSF2: u64 = 0x402c_542d;
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

/// `CBAUD` and `CIBAUD` of `c_cflag`: the speeds.
pub const SPEEDS: u32 = 0o10017 | 0o10017 << 16;

/// `struct termios2`: a `struct termios` and two speeds in bits a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Termios2 {
    /// The modes.
    pub modes: Termios,
    /// `c_ispeed`.
    pub input_speed: u32,
    /// `c_ospeed`.
    pub output_speed: u32,
}

impl Termios2 {
    /// Its size in bytes.
    pub const SIZE: usize = 44;

    /// As user memory holds it.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        Layout::default()
            .put(0, &self.modes.encode())
            .u32(36, self.input_speed)
            .u32(40, self.output_speed)
            .finish()
    }

    /// From user memory's bytes.
    pub fn decode(from: &[u8; Self::SIZE]) -> Self {
        Self {
            modes: Termios::decode(&get(from, 0)),
            input_speed: get_u32(from, 36),
            output_speed: get_u32(from, 40),
        }
    }
}

/// `struct winsize`: rows, columns, and width and height in pixels.
pub fn encode_winsize(sizes: [u16; 4]) -> [u8; 8] {
    let [rows, columns, width, height] = sizes;
    Layout::default()
        .u16(0, rows)
        .u16(2, columns)
        .u16(4, width)
        .u16(6, height)
        .finish()
}

/// The same from user memory's bytes.
pub fn decode_winsize(from: &[u8; 8]) -> [u16; 4] {
    [0, 2, 4, 6].map(|at| get_u16(from, at))
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
        let longer = Termios2 {
            modes: termios,
            input_speed: 38400,
            output_speed: 9600,
        };
        assert_eq!(Termios2::decode(&longer.encode()), longer);
        assert_eq!(decode_winsize(&encode_winsize([24, 80, 1, 2])), [24, 80, 1, 2]);
    }
}
