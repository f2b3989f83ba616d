//! LD1 to LD4, ST1 to ST4 and LD1R to LD4R (Arm ARM C7.2): whole registers, single lanes, replicated elements.
//!
//! A load collects all of its bytes before the first register changes; a store over the end of a page asks for
//! both pages before the first byte is written.

use arch::{Fault, Reg, Regs, Trap};
use mmu::Mmu;

use super::memory::{base, probe_if_crossing};
use crate::insn::{Structure, Writeback};

/// The most that one instruction moves: four registers.
const MOST: usize = 64;

/// One decoded structure access.
#[derive(Clone, Copy)]
pub(crate) struct Access {
    pub(crate) shape: Structure,
    pub(crate) load: bool,
    pub(crate) rt: u8,
    pub(crate) rn: Reg,
    pub(crate) writeback: Writeback,
}

/// Executes it.
#[inline(never)]
pub(crate) fn execute(access: Access, regs: &mut Regs, mmu: &mut Mmu) -> Result<(), Trap> {
    let Access {
        shape,
        load,
        rt,
        rn,
        writeback,
    } = access;
    let address = base(regs, rn)?;
    let moved = match writeback {
        Writeback::None => address,
        Writeback::Bytes(bytes) => address.wrapping_add(bytes.into()),
        Writeback::Reg(rm) => address.wrapping_add(regs.get(rm)),
    };
    if let Structure::Multiple {
        selem: 1,
        rpt,
        quad: true,
        ..
    } = shape
    {
        whole(load, rt, rpt, address, regs, mmu).map_err(Trap::Abort)?;
        regs.set(rn, moved);
        return Ok(());
    }
    let mut bytes = [0; MOST];
    let memory = &mut bytes[..shape.bytes().into()];
    if load {
        read(address, memory, mmu).map_err(Trap::Abort)?;
        to_registers(shape, rt, memory, regs);
    } else {
        from_registers(shape, rt, memory, regs);
        write(address, memory, mmu).map_err(Trap::Abort)?;
    }
    regs.set(rn, moved);
    Ok(())
}

/// LD1 and ST1 of whole registers of 128 bits: their elements lie in memory as in the register.
fn whole(load: bool, rt: u8, count: u8, address: u64, regs: &mut Regs, mmu: &mut Mmu) -> Result<(), Fault> {
    let place = |number: u8| address.wrapping_add(16 * u64::from(number));
    if load {
        let mut values = [0; 4];
        for (number, value) in (0..count).zip(&mut values) {
            *value = mmu.load::<u128>(place(number))?;
        }
        for (number, value) in (0..count).zip(values) {
            regs.v[register(rt, number.into())] = value;
        }
        return Ok(());
    }
    probe_if_crossing(address, 16 * u64::from(count), mmu)?;
    (0..count).try_for_each(|number| mmu.store(place(number), regs.v[register(rt, number.into())]))
}

fn read(address: u64, into: &mut [u8], mmu: &mut Mmu) -> Result<(), Fault> {
    let mut at = address;
    let (words, rest) = into.as_chunks_mut::<8>();
    for word in words {
        *word = mmu.load::<u64>(at)?.to_le_bytes();
        at = at.wrapping_add(8);
    }
    for byte in rest {
        *byte = mmu.load(at)?;
        at = at.wrapping_add(1);
    }
    Ok(())
}

fn write(address: u64, from: &[u8], mmu: &mut Mmu) -> Result<(), Fault> {
    probe_if_crossing(address, from.len() as u64, mmu)?;
    let mut at = address;
    let (words, rest) = from.as_chunks::<8>();
    for word in words {
        mmu.store(at, u64::from_le_bytes(*word))?;
        at = at.wrapping_add(8);
    }
    for byte in rest {
        mmu.store(at, *byte)?;
        at = at.wrapping_add(1);
    }
    Ok(())
}

fn register(rt: u8, plus: usize) -> usize {
    (usize::from(rt) + plus) % 32
}

fn element(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, &byte| value << 8 | u128::from(byte))
}

/// Calls `each` with register, lane and place in memory of every element of a multiple structure.
fn elements(selem: u8, rpt: u8, scale: u8, quad: bool, mut each: impl FnMut(usize, usize, usize)) {
    let size = 1usize << scale;
    let lanes = (if quad { 16 } else { 8 }) / size;
    let mut at = 0;
    for repetition in 0..usize::from(rpt) {
        for lane in 0..lanes {
            for structure in 0..usize::from(selem) {
                each(repetition + structure, lane, at);
                at += size;
            }
        }
    }
}

fn to_registers(shape: Structure, rt: u8, memory: &[u8], regs: &mut Regs) {
    match shape {
        Structure::Multiple {
            selem,
            rpt,
            scale,
            quad,
        } => {
            let size = 1usize << scale;
            let mut values = [0u128; 4];
            elements(selem, rpt, scale, quad, |number, lane, at| {
                values[number] |= element(&memory[at..at + size]) << (lane * size * 8);
            });
            for (number, value) in values.into_iter().enumerate().take(usize::from(selem * rpt)) {
                regs.v[register(rt, number)] = value;
            }
        }
        Structure::Single { selem, index, scale } => {
            let bits = 8u32 << scale;
            let mask = u128::MAX >> (128 - bits) << (u32::from(index) * bits);
            for (number, bytes) in memory.chunks_exact(1 << scale).enumerate().take(selem.into()) {
                let slot = &mut regs.v[register(rt, number)];
                *slot = *slot & !mask | element(bytes) << (u32::from(index) * bits);
            }
        }
        Structure::Replicate { selem, scale, quad } => {
            // The number with a one in each lane: dividing for it would be a call.
            let ones = match scale {
                0 => 0x0101_0101_0101_0101_0101_0101_0101_0101,
                1 => 0x0001_0001_0001_0001_0001_0001_0001_0001,
                2 => 0x0000_0001_0000_0001_0000_0001_0000_0001,
                _ => 0x0000_0000_0000_0001_0000_0000_0000_0001_u128,
            };
            let ones = if quad { ones } else { ones & u128::from(u64::MAX) };
            for (number, bytes) in memory.chunks_exact(1 << scale).enumerate().take(selem.into()) {
                regs.v[register(rt, number)] = element(bytes) * ones;
            }
        }
    }
}

fn from_registers(shape: Structure, rt: u8, memory: &mut [u8], regs: &Regs) {
    let mut put = |number: usize, lane: usize, at: usize, size: usize| {
        let bytes = regs.v[register(rt, number)].to_le_bytes();
        memory[at..at + size].copy_from_slice(&bytes[lane * size..(lane + 1) * size]);
    };
    match shape {
        Structure::Multiple {
            selem,
            rpt,
            scale,
            quad,
        } => {
            let size = 1 << scale;
            elements(selem, rpt, scale, quad, |number, lane, at| {
                put(number, lane, at, size)
            });
        }
        Structure::Single { selem, index, scale } => {
            let size = 1usize << scale;
            for number in 0..usize::from(selem) {
                put(number, index.into(), number * size, size);
            }
        }
        // The decoder makes no stores of this shape.
        Structure::Replicate { .. } => {}
    }
}
