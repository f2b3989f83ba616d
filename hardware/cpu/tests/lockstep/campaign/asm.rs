//! The few instructions that the guest program around the tested words needs, as words.

/// `ldp xa, xb, [xn, #offset]`.
pub(crate) fn ldp(a: u32, b: u32, n: u32, offset: u32) -> u32 {
    0xa940_0000 | pair(a, b, n, offset / 8)
}

/// `stp xa, xb, [xn, #offset]`.
pub(crate) fn stp(a: u32, b: u32, n: u32, offset: u32) -> u32 {
    0xa900_0000 | pair(a, b, n, offset / 8)
}

/// `ldp qa, qb, [xn, #offset]`.
pub(crate) fn ldp_q(a: u32, b: u32, n: u32, offset: u32) -> u32 {
    0xad40_0000 | pair(a, b, n, offset / 16)
}

/// `stp qa, qb, [xn, #offset]`.
pub(crate) fn stp_q(a: u32, b: u32, n: u32, offset: u32) -> u32 {
    0xad00_0000 | pair(a, b, n, offset / 16)
}

fn pair(a: u32, b: u32, n: u32, scaled: u32) -> u32 {
    assert!(scaled < 64, "offset of a pair");
    scaled << 15 | b << 10 | n << 5 | a
}

/// `ldr xt, [xn, #offset]`.
pub(crate) fn ldr(t: u32, n: u32, offset: u32) -> u32 {
    0xf940_0000 | (offset / 8) << 10 | n << 5 | t
}

/// `str xt, [xn, #offset]`.
pub(crate) fn str(t: u32, n: u32, offset: u32) -> u32 {
    0xf900_0000 | (offset / 8) << 10 | n << 5 | t
}

/// `add xd, xn, #immediate`; 31 is the stack pointer.
pub(crate) fn add(d: u32, n: u32, immediate: u32) -> u32 {
    assert!(immediate < 4096, "twelve bits");
    0x9100_0000 | immediate << 10 | n << 5 | d
}

/// `sub xd, xn, #immediate`.
pub(crate) fn sub(d: u32, n: u32, immediate: u32) -> u32 {
    add(d, n, immediate) | 1 << 30
}

/// `add xd, xn, #pages, lsl #12`, twice for more than 12 bits.
pub(crate) fn add_pages(d: u32, n: u32, pages: u32) -> Vec<u32> {
    by_pages(d, n, pages, 0x9140_0000)
}

/// `sub xd, xn, #pages, lsl #12`, twice for more than 12 bits.
pub(crate) fn sub_pages(d: u32, n: u32, pages: u32) -> Vec<u32> {
    by_pages(d, n, pages, 0xd140_0000)
}

fn by_pages(d: u32, n: u32, pages: u32, opcode: u32) -> Vec<u32> {
    const MOST: u32 = 0xfff;
    let mut words = vec![opcode | (pages % MOST) << 10 | n << 5 | d];
    words.extend((0..pages / MOST).map(|_| opcode | MOST << 10 | d << 5 | d));
    words
}

/// `lsl xd, xn, #by`.
pub(crate) fn lsl(d: u32, n: u32, by: u32) -> u32 {
    0xd340_0000 | (64 - by) << 16 | (63 - by) << 10 | n << 5 | d
}

/// `mov xd, #value`, two words.
pub(crate) fn mov(d: u32, value: u64) -> [u32; 2] {
    let (low, high) = (value as u32 & 0xffff, (value >> 16) as u32);
    assert!(high < 1 << 16, "32 bits");
    [0xd280_0000 | low << 5 | d, 0xf2a0_0000 | high << 5 | d]
}

/// System registers by their field in MSR and MRS.
#[derive(Clone, Copy)]
pub(crate) enum System {
    Nzcv = 0x4200,
    Fpcr = 0x4400,
    Fpsr = 0x4420,
    Tpidr = 0xd040,
}

/// `msr register, xt`.
pub(crate) fn msr(register: System, t: u32) -> u32 {
    0xd51b_0000 | register as u32 | t
}

/// `mrs xt, register`.
pub(crate) fn mrs(t: u32, register: System) -> u32 {
    0xd53b_0000 | register as u32 | t
}

/// `b`, from word `from` to word `to`.
pub(crate) fn b(from: usize, to: usize) -> u32 {
    0x1400_0000 | (to as i64 - from as i64) as u32 & 0x03ff_ffff
}

/// `bl`, from word `from` to word `to`.
pub(crate) fn bl(from: usize, to: usize) -> u32 {
    0x9400_0000 | (to as i64 - from as i64) as u32 & 0x03ff_ffff
}

pub(crate) const RET: u32 = 0xd65f_03c0;
pub(crate) const CLREX: u32 = 0xd503_3f5f;
pub(crate) const NOP: u32 = 0xd503_201f;
pub(crate) const SVC: u32 = 0xd400_0001;
