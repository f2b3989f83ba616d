//! A seeded generator that likes the values at which arithmetic changes its behaviour.

use super::guest::{State, WATCHED_BYTES};

/// SplitMix64.
pub(crate) struct Random {
    at: u64,
    /// Whether floating-point elements are special values only.
    special: bool,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            at: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def0,
            special: false,
        }
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.at = self.at.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.at ^ self.at >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.bits() % limit
    }

    pub(crate) fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Registers, flags and floating-point control.
    pub(crate) fn state(&mut self) -> State {
        // Most states keep to one element size, so that operands meet their like.
        let theme = self.one_of(&[8, 16, 16, 32, 32, 64, 64]);
        // Some hold little but zeros, infinities, NaNs and denormal numbers, so that three of them meet.
        self.special = self.below(4) == 0;
        let mut v = [0; 32];
        for at in 0..32 {
            v[at] = match self.below(8) {
                0 if at > 0 => v[self.below(at as u64) as usize],
                1 if at > 0 => v[self.below(at as u64) as usize] ^ 1 << self.below(128),
                2 => {
                    let size = self.one_of(&[8, 16, 32, 64]);
                    self.vector(size)
                }
                _ => self.vector(theme),
            };
        }
        let mut window = [0; WATCHED_BYTES];
        for bytes in window.chunks_exact_mut(8) {
            bytes.copy_from_slice(&self.general().to_le_bytes());
        }
        State {
            x: std::array::from_fn(|_| self.general()),
            sp: self.general(),
            nzcv: (self.below(16) as u32) << 28,
            fpcr: self.control(),
            fpsr: self.one_of(&[0, 0, 0, 0x10, 0x10, 0x0800_009f, 0x8f]),
            tpidr: self.general(),
            v,
            window,
            signal: 0,
            address: 0,
            pc: 0,
        }
    }

    /// Rounding mode, flushing (of half precision too), default NaN, alternative half precision: the usual ones half of the time.
    fn control(&mut self) -> u32 {
        if self.below(2) == 0 {
            0
        } else {
            (self.bits() as u32) & 0x07c8_0000
        }
    }

    fn vector(&mut self, bits: u32) -> u128 {
        (0..128 / bits).fold(0, |sum, at| {
            let lane = self.element(bits) & u64::MAX >> (64 - bits);
            sum | u128::from(lane) << (at * bits)
        })
    }

    /// A value for a general register.
    pub(crate) fn general(&mut self) -> u64 {
        let bits = self.one_of(&[8, 16, 32, 64, 64]);
        let value = self.element(bits);
        if self.below(2) == 0 {
            value
        } else {
            (value << (64 - bits)) as i64 as u64 >> (64 - bits)
        }
    }

    fn element(&mut self, bits: u32) -> u64 {
        match (bits, self.below(4)) {
            (_, 0) if !self.special || bits == 8 => self.integer(bits),
            (16, _) => self.float(5, 10),
            (32, _) => self.float(8, 23),
            (64, _) => self.float(11, 52),
            _ => self.integer(bits),
        }
    }

    fn integer(&mut self, bits: u32) -> u64 {
        let top = 1u64 << (bits - 1);
        match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => top,
            3 => top - 1,
            4 => self.below(5).wrapping_sub(2),
            5 => 1 << self.below(u64::from(bits)),
            6 => (1 << self.below(u64::from(bits))) - 1,
            _ => self.bits(),
        }
    }

    /// A number of a format: its exponent and its fraction each at an edge or anywhere.
    fn float(&mut self, exponent_bits: u32, fraction_bits: u32) -> u64 {
        let all = (1u64 << exponent_bits) - 1;
        let bias = all / 2;
        let width = u64::from(fraction_bits);
        if self.special {
            let quiet = 1 << (fraction_bits - 1);
            let fraction = self.one_of(&[0, 0, 1, quiet, quiet - 1]);
            let exponent = self.one_of(&[0, 0, all, all, 1, bias, all - 1]);
            return self.below(2) << (exponent_bits + fraction_bits) | exponent << fraction_bits | fraction;
        }
        let exponent = match self.below(16) {
            0 | 1 => 0,
            2 => all,
            3 => 1 + self.below(3),
            4 => all - 1 - self.below(3),
            5 => self.below(all + 1),
            6 => bias + width - 2 + self.below(5),
            // Products and quotients of these are denormal or overflow.
            7 => bias / 2 + self.below(5),
            8 => bias + bias / 2 + self.below(5),
            9 => bias + 29 + self.below(5),
            10 => (bias + 61 + self.below(5)).min(all),
            11 => bias.saturating_sub(self.below(width + 3)),
            12 => (bias + self.below(width + 3)).min(all),
            _ => bias - 2 + self.below(5),
        };
        let fraction = match self.below(8) {
            0 | 1 => 0,
            2 => (1 << fraction_bits) - 1,
            3 => 1 << self.below(width),
            4 => 1 << (fraction_bits - 1) | self.below(2),
            5 => self.bits() << self.below(width),
            6 => ((1 << fraction_bits) - 1) << self.below(width),
            _ => self.bits(),
        };
        let sign = self.below(2) << (exponent_bits + fraction_bits);
        sign | exponent << fraction_bits | fraction & ((1 << fraction_bits) - 1)
    }
}
