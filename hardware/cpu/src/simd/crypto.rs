//! The cryptography extension: AES, SHA-1, SHA-256 and the 64-bit polynomial product (Arm ARM C4.1.96, "Cryptographic
//! AES", "three-register SHA", "two-register SHA"; shared pseudocode "functions/crypto").
//!
//! Programs use it only if HWCAP says so; it is complete so that HWCAP may.

use arch::Regs;

use super::Operation;
use super::lanes::{V, field};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    AesEncrypt,
    AesDecrypt,
    AesMix,
    AesInverseMix,
    Sha1Choose,
    Sha1Parity,
    Sha1Majority,
    Sha1Schedule0,
    Sha1Hash,
    Sha1Schedule1,
    Sha256Hash,
    Sha256Hash2,
    Sha256Schedule0,
    Sha256Schedule1,
    /// PMULL and PMULL2 of doublewords: of the lower or the upper ones.
    Polynomial {
        high: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Insn {
    op: Op,
    rd: V,
    rn: V,
    rm: V,
}

fn insn(word: u32, op: Op) -> Operation {
    Operation::Crypto(Insn {
        op,
        rd: V::rd(word),
        rn: V::rn(word),
        rm: V::rm(word),
    })
}

pub(super) fn decode_aes(word: u32) -> Option<Operation> {
    let op = match field(word, 12, 5) {
        0b00100 => Op::AesEncrypt,
        0b00101 => Op::AesDecrypt,
        0b00110 => Op::AesMix,
        0b00111 => Op::AesInverseMix,
        _ => return None,
    };
    Some(insn(word, op))
}

pub(super) fn decode_sha_three(word: u32) -> Option<Operation> {
    let op = match field(word, 12, 3) {
        0 => Op::Sha1Choose,
        1 => Op::Sha1Parity,
        2 => Op::Sha1Majority,
        3 => Op::Sha1Schedule0,
        4 => Op::Sha256Hash,
        5 => Op::Sha256Hash2,
        6 => Op::Sha256Schedule1,
        _ => return None,
    };
    Some(insn(word, op))
}

pub(super) fn decode_sha_two(word: u32) -> Option<Operation> {
    let op = match field(word, 12, 5) {
        0 => Op::Sha1Hash,
        1 => Op::Sha1Schedule1,
        2 => Op::Sha256Schedule0,
        _ => return None,
    };
    Some(insn(word, op))
}

pub(super) fn decode_polynomial(word: u32) -> Option<Operation> {
    let high = field(word, 30, 1) != 0;
    Some(insn(word, Op::Polynomial { high }))
}

impl Insn {
    #[inline(never)]
    pub(super) fn execute(self, regs: &mut Regs) {
        let (d, n, m) = (self.rd.get(regs), self.rn.get(regs), self.rm.get(regs));
        let result = match self.op {
            Op::AesEncrypt => substitute(shift_rows(d ^ n), &SBOX),
            Op::AesDecrypt => substitute(inverse_shift_rows(d ^ n), &INVERSE_SBOX),
            Op::AesMix => mix(n, [2, 3, 1, 1]),
            Op::AesInverseMix => mix(n, [14, 11, 13, 9]),
            Op::Sha1Choose => sha1(choose, d, n, m),
            Op::Sha1Parity => sha1(|x, y, z| x ^ y ^ z, d, n, m),
            Op::Sha1Majority => sha1(majority, d, n, m),
            Op::Sha1Schedule0 => (n << 64 | d >> 64) ^ d ^ m,
            Op::Sha1Hash => u128::from((n as u32).rotate_left(30)),
            Op::Sha1Schedule1 => sha1_schedule1(d, n),
            Op::Sha256Hash => sha256(d, n, m).0,
            Op::Sha256Hash2 => sha256(n, d, m).1,
            Op::Sha256Schedule0 => sha256_schedule0(d, n),
            Op::Sha256Schedule1 => sha256_schedule1(d, n, m),
            Op::Polynomial { high: false } => polynomial(n as u64, m as u64),
            Op::Polynomial { high: true } => polynomial((n >> 64) as u64, (m >> 64) as u64),
        };
        self.rd.set(regs, result);
    }
}

/// The product of two polynomials over {0, 1}.
fn polynomial(x: u64, y: u64) -> u128 {
    (0..64)
        .filter(|at| y >> at & 1 != 0)
        .fold(0, |sum, at| sum ^ u128::from(x) << at)
}

/// The product in GF(2^8) by x^8 + x^4 + x^3 + x + 1 (FIPS 197, 4.2).
const fn times(x: u8, y: u8) -> u8 {
    let (mut x, mut y, mut product) = (x, y, 0);
    while y != 0 {
        if y & 1 != 0 {
            product ^= x;
        }
        x = x << 1 ^ if x & 0x80 != 0 { 0x1b } else { 0 };
        y >>= 1;
    }
    product
}

/// FIPS 197, 5.1.1: the inverse in the field (the power 254), then an affine map.
const SBOX: [u8; 256] = {
    let mut table = [0; 256];
    let mut value = 0;
    while value < 256 {
        let x = value as u8;
        let (mut inverse, mut at) = (1, 0);
        while at < 254 {
            inverse = times(inverse, x);
            at += 1;
        }
        table[value] = inverse
            ^ inverse.rotate_left(1)
            ^ inverse.rotate_left(2)
            ^ inverse.rotate_left(3)
            ^ inverse.rotate_left(4)
            ^ 0x63;
        value += 1;
    }
    table
};

const INVERSE_SBOX: [u8; 256] = {
    let mut table = [0; 256];
    let mut value = 0;
    while value < 256 {
        table[SBOX[value] as usize] = value as u8;
        value += 1;
    }
    table
};

fn substitute(state: u128, table: &[u8; 256]) -> u128 {
    u128::from_le_bytes(state.to_le_bytes().map(|byte| table[usize::from(byte)]))
}

/// Row `r` moves left by `r` columns; byte `r + 4 c` is row `r`, column `c`.
fn shift_rows(state: u128) -> u128 {
    let bytes = state.to_le_bytes();
    u128::from_le_bytes(std::array::from_fn(|at| bytes[(at + 4 * (at % 4)) % 16]))
}

fn inverse_shift_rows(state: u128) -> u128 {
    let bytes = state.to_le_bytes();
    u128::from_le_bytes(std::array::from_fn(|at| bytes[(at + 12 * (at % 4)) % 16]))
}

/// Each column times the polynomial with these coefficients, the lowest row's first.
fn mix(state: u128, coefficients: [u8; 4]) -> u128 {
    let bytes = state.to_le_bytes();
    u128::from_le_bytes(std::array::from_fn(|at| {
        let (row, column) = (at % 4, at - at % 4);
        (0..4).fold(0, |sum, from| {
            sum ^ times(bytes[column + from], coefficients[(4 + from - row) % 4])
        })
    }))
}

fn word(value: u128, at: u32) -> u32 {
    (value >> (32 * at)) as u32
}

fn words(value: [u32; 4]) -> u128 {
    (0..4u32)
        .zip(value)
        .fold(0, |sum, (at, word)| sum | u128::from(word) << (32 * at))
}

fn choose(x: u32, y: u32, z: u32) -> u32 {
    (y ^ z) & x ^ z
}

fn majority(x: u32, y: u32, z: u32) -> u32 {
    x & y | (x | y) & z
}

/// Four rounds; `n` holds the fifth word of the state in its low 32 bits.
fn sha1(f: fn(u32, u32, u32) -> u32, d: u128, n: u128, m: u128) -> u128 {
    let (mut x, mut y) = ([0, 1, 2, 3].map(|at| word(d, at)), n as u32);
    for at in 0..4 {
        let [a, b, c, d] = x;
        let sum = y
            .wrapping_add(a.rotate_left(5))
            .wrapping_add(f(b, c, d))
            .wrapping_add(word(m, at));
        (x, y) = ([sum, a, b.rotate_left(30), c], d);
    }
    words(x)
}

fn sha1_schedule1(d: u128, n: u128) -> u128 {
    let t = d ^ n >> 32;
    let [a, b, c, e] = [0, 1, 2, 3].map(|at| word(t, at).rotate_left(1));
    words([a, b, c, e ^ a.rotate_left(1)])
}

/// Four rounds on the state X, Y: the new X and the new Y.
fn sha256(x: u128, y: u128, m: u128) -> (u128, u128) {
    let (mut x, mut y) = (
        [0, 1, 2, 3].map(|at| word(x, at)),
        [0, 1, 2, 3].map(|at| word(y, at)),
    );
    for at in 0..4 {
        let [a, b, c, d] = x;
        let [e, f, g, h] = y;
        let sigma1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let sigma0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let t = h
            .wrapping_add(sigma1)
            .wrapping_add(choose(e, f, g))
            .wrapping_add(word(m, at));
        let top = t.wrapping_add(sigma0).wrapping_add(majority(a, b, c));
        (x, y) = ([top, a, b, c], [t.wrapping_add(d), e, f, g]);
    }
    (words(x), words(y))
}

fn sha256_schedule0(d: u128, n: u128) -> u128 {
    let next = d >> 32 | n << 96;
    words([0, 1, 2, 3].map(|at| {
        let x = word(next, at);
        let mixed = x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3;
        mixed.wrapping_add(word(d, at))
    }))
}

fn sha256_schedule1(d: u128, n: u128, m: u128) -> u128 {
    let next = n >> 32 | m << 96;
    let element = |from: u32, at: u32| {
        let mixed = from.rotate_right(17) ^ from.rotate_right(19) ^ from >> 10;
        mixed.wrapping_add(word(d, at)).wrapping_add(word(next, at))
    };
    let (first, second) = (element(word(m, 2), 0), element(word(m, 3), 1));
    words([first, second, element(first, 2), element(second, 3)])
}
