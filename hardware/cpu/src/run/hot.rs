//! The hot loop.
//!
//! One function runs everything: at each block's entry it looks at the flag of written code, takes the block
//! from the jump cache, charges the budget for the whole block (or cuts the block to what is left of it), and
//! then executes instruction by instruction. A trap in the middle gives back what was not executed. So the
//! count of retired instructions is exact at every exit and costs nothing inside a block.
//!
//! Only forms that are hot in real programs have their code here; the rest is behind calls
//! ([`crate::exec`]), so that the loop's registers are not spilled for it. The order of effects in every
//! memory instruction is: addresses, accesses, then registers; an abort leaves before the first register changes.

use arch::{Reg, Regs, Trap};
use mmu::Mmu;

use super::Cpu;
use crate::exec::structure::Access;
use crate::exec::{Local, alu, atomic, memory, structure, system};
use crate::flags::Nzcv;
use crate::insn::{Insn, SysReg, Vector, Width};
use crate::simd;

/// The bits of a base register that must be clear: four of the stack pointer, none of the others. A table,
/// because one test against memory is a third of what comparing the register's number costs.
const MISALIGNED: [u64; Reg::COUNT] = {
    let mut bits = [0; Reg::COUNT];
    bits[Reg::Sp as usize] = 15;
    bits
};

impl Cpu {
    /// [`Cpu::run`], with the flags unpacked in `local`. A long function because it is one table: an arm an
    /// instruction.
    pub(super) fn run_blocks(
        &mut self,
        regs: &mut Regs,
        mmu: &mut Mmu,
        budget: u64,
        local: &mut Local,
    ) -> Trap {
        let mut nzcv = local.nzcv;
        let mut left = budget;
        let mut entries = 0;
        let mut pc = regs.pc;
        let mut stamp = self.cache.stamp(mmu);

        let trap = 'run: loop {
            if left == 0 {
                break Trap::Budget;
            }
            if mmu.ram().any_written() {
                self.cache.drop_written(mmu, &mut self.counters);
                stamp = self.cache.stamp(mmu);
            }
            let block = match self.cache.jump(pc, stamp) {
                Some(block) => block,
                None => match self.find(&mut pc, mmu) {
                    Ok(block) => {
                        stamp = self.cache.stamp(mmu);
                        block
                    }
                    Err(trap) => break trap,
                },
            };
            entries += 1;
            let mut insns = self.cache.insns(block);
            if insns.len() as u64 > left {
                insns = &insns[..left as usize];
                self.counters.cut_blocks += 1;
            }
            left -= insns.len() as u64;
            let mut rest = insns.iter();

            // The address of the instruction being executed, of the one that ends the block, and after it.
            macro_rules! here {
                () => {
                    pc.wrapping_add(4 * (insns.len() - rest.len() - 1) as u64)
                };
            }
            macro_rules! last {
                () => {
                    pc.wrapping_add(4 * (insns.len() - 1) as u64)
                };
            }
            macro_rules! after {
                () => {
                    pc.wrapping_add(4 * insns.len() as u64)
                };
            }
            macro_rules! x {
                ($reg:expr) => {
                    regs.get($reg)
                };
            }
            macro_rules! w {
                ($reg:expr) => {
                    regs.get($reg) as u32
                };
            }
            macro_rules! set_w {
                ($reg:expr, $value:expr) => {{
                    let value: u32 = $value;
                    regs.set($reg, u64::from(value))
                }};
            }
            macro_rules! set_flags_x {
                ($reg:expr, $result:expr) => {{
                    let (value, flags) = $result;
                    nzcv = flags;
                    regs.set($reg, value);
                }};
            }
            macro_rules! set_flags_w {
                ($reg:expr, $result:expr) => {{
                    let (value, flags): (u32, Nzcv) = $result;
                    nzcv = flags;
                    regs.set($reg, u64::from(value));
                }};
            }

            let trap = 'trap: {
                let next = 'next: {
                    let fault = 'fault: {
                        // The base register, or out when it is a misaligned stack pointer.
                        macro_rules! base {
                            ($rn:expr) => {{
                                let base = regs.get($rn);
                                if base & MISALIGNED[$rn as usize] != 0 {
                                    break 'trap Trap::SpAlignment;
                                }
                                base
                            }};
                        }
                        macro_rules! load {
                            ($ty:ty, $address:expr) => {
                                match mmu.load::<$ty>($address) {
                                    Ok(value) => value,
                                    Err(fault) => break 'fault fault,
                                }
                            };
                        }
                        macro_rules! store {
                            ($address:expr, $value:expr) => {
                                if let Err(fault) = mmu.store($address, $value) {
                                    break 'fault fault;
                                }
                            };
                        }
                        // A branch: `next` is where to.
                        macro_rules! branch_if {
                            ($holds:expr, $offset:expr) => {
                                break 'next if $holds {
                                    last!().wrapping_add($offset as u64)
                                } else {
                                    after!()
                                }
                            };
                        }
                        macro_rules! out_of_line {
                            ($result:expr) => {
                                if let Err(trap) = $result {
                                    break 'trap trap;
                                }
                            };
                        }

                        while let Some(insn) = rest.next() {
                            match *insn {
                                Insn::Nop => {}
                                Insn::Adr { rd, offset } => regs.set(rd, here!().wrapping_add(offset as u64)),
                                Insn::Adrp { rd, offset } => {
                                    regs.set(rd, (here!() & !0xfff).wrapping_add(offset as u64));
                                }
                                Insn::AddImm64 { rd, rn, imm } => regs.set(rd, x!(rn).wrapping_add(imm)),
                                Insn::AddImm32 { rd, rn, imm } => set_w!(rd, (w!(rn)).wrapping_add(imm)),
                                Insn::AddsImm64 { rd, rn, imm } => {
                                    set_flags_x!(rd, Nzcv::add64(x!(rn), imm.into()))
                                }
                                Insn::AddsImm32 { rd, rn, imm } => set_flags_w!(rd, Nzcv::add32(w!(rn), imm)),
                                Insn::SubsImm64 { rd, rn, imm } => {
                                    set_flags_x!(rd, Nzcv::sub64(x!(rn), imm.into()))
                                }
                                Insn::SubsImm32 { rd, rn, imm } => set_flags_w!(rd, Nzcv::sub32(w!(rn), imm)),
                                Insn::AndImm { rd, rn, imm } => regs.set(rd, x!(rn) & imm),
                                Insn::OrrImm64 { rd, rn, imm } => regs.set(rd, x!(rn) | imm),
                                Insn::OrrImm32 { rd, rn, imm } => set_w!(rd, (w!(rn)) | imm),
                                Insn::EorImm64 { rd, rn, imm } => regs.set(rd, x!(rn) ^ imm),
                                Insn::EorImm32 { rd, rn, imm } => set_w!(rd, (w!(rn)) ^ imm),
                                Insn::AndsImm64 { rd, rn, imm } => {
                                    let value = x!(rn) & imm;
                                    set_flags_x!(rd, (value, Nzcv::logic64(value)));
                                }
                                Insn::AndsImm32 { rd, rn, imm } => {
                                    let value = (w!(rn)) & imm;
                                    set_flags_w!(rd, (value, Nzcv::logic32(value)));
                                }
                                Insn::MovImm { rd, imm } => regs.set(rd, imm),
                                Insn::Movk {
                                    rd,
                                    source,
                                    width,
                                    shift,
                                    imm,
                                } => {
                                    let value = x!(source) & !(0xffff << shift) | u64::from(imm) << shift;
                                    let value = if width == Width::W {
                                        u64::from(value as u32)
                                    } else {
                                        value
                                    };
                                    regs.set(rd, value);
                                }
                                Insn::Lsl64 { rd, rn, by } => regs.set(rd, x!(rn) << (by & 63)),
                                Insn::Lsl32 { rd, rn, by } => set_w!(rd, (w!(rn)) << (by & 31)),
                                Insn::Lsr64 { rd, rn, by } => regs.set(rd, x!(rn) >> (by & 63)),
                                Insn::Lsr32 { rd, rn, by } => set_w!(rd, (w!(rn)) >> (by & 31)),
                                Insn::Sxtw { rd, rn } => regs.set(rd, x!(rn) as i32 as u64),
                                Insn::Ubfm { rd, rn, left, right } => {
                                    regs.set(rd, x!(rn) << (left & 63) >> (right & 63));
                                }
                                Insn::Sbfm64 { rd, rn, left, right } => {
                                    regs.set(rd, ((x!(rn) << (left & 63)) as i64 >> (right & 63)) as u64);
                                }
                                Insn::Sbfm32 { rd, rn, left, right } => {
                                    set_w!(rd, ((x!(rn) << (left & 63)) as i64 >> (right & 63)) as u32);
                                }
                                Insn::Extr {
                                    rd,
                                    rn,
                                    rm,
                                    width: Width::W,
                                    by,
                                } if rn == rm => {
                                    set_w!(rd, (w!(rn)).rotate_right(u32::from(by)));
                                }

                                Insn::AddReg64 { rd, rn, rm } => regs.set(rd, x!(rn).wrapping_add(x!(rm))),
                                Insn::AddReg32 { rd, rn, rm } => set_w!(rd, (w!(rn)).wrapping_add(w!(rm))),
                                Insn::SubReg64 { rd, rn, rm } => regs.set(rd, x!(rn).wrapping_sub(x!(rm))),
                                Insn::SubReg32 { rd, rn, rm } => set_w!(rd, (w!(rn)).wrapping_sub(w!(rm))),
                                Insn::AddsReg64 { rd, rn, rm } => {
                                    set_flags_x!(rd, Nzcv::add64(x!(rn), x!(rm)))
                                }
                                Insn::AddsReg32 { rd, rn, rm } => {
                                    set_flags_w!(rd, Nzcv::add32(w!(rn), w!(rm)))
                                }
                                Insn::SubsReg64 { rd, rn, rm } => {
                                    set_flags_x!(rd, Nzcv::sub64(x!(rn), x!(rm)))
                                }
                                Insn::SubsReg32 { rd, rn, rm } => {
                                    set_flags_w!(rd, Nzcv::sub32(w!(rn), w!(rm)))
                                }
                                Insn::AddLsl64 { rd, rn, rm, by } => {
                                    regs.set(rd, x!(rn).wrapping_add(x!(rm) << (by & 63)));
                                }
                                Insn::AddLsl32 { rd, rn, rm, by } => {
                                    set_w!(rd, (w!(rn)).wrapping_add((w!(rm)) << (by & 31)));
                                }
                                Insn::MovReg64 { rd, rm } => regs.set(rd, x!(rm)),
                                Insn::MovReg32 { rd, rm } => set_w!(rd, w!(rm)),
                                Insn::AndReg64 { rd, rn, rm } => regs.set(rd, x!(rn) & x!(rm)),
                                Insn::AndReg32 { rd, rn, rm } => set_w!(rd, (w!(rn)) & (w!(rm))),
                                Insn::OrrReg64 { rd, rn, rm } => regs.set(rd, x!(rn) | x!(rm)),
                                Insn::OrrReg32 { rd, rn, rm } => set_w!(rd, (w!(rn)) | (w!(rm))),
                                Insn::EorReg64 { rd, rn, rm } => regs.set(rd, x!(rn) ^ x!(rm)),
                                Insn::EorReg32 { rd, rn, rm } => set_w!(rd, (w!(rn)) ^ (w!(rm))),
                                Insn::AndsReg64 { rd, rn, rm } => {
                                    let value = x!(rn) & x!(rm);
                                    set_flags_x!(rd, (value, Nzcv::logic64(value)));
                                }
                                Insn::AndsReg32 { rd, rn, rm } => {
                                    let value = (w!(rn)) & (w!(rm));
                                    set_flags_w!(rd, (value, Nzcv::logic32(value)));
                                }
                                Insn::BicReg64 { rd, rn, rm } => regs.set(rd, x!(rn) & !x!(rm)),
                                Insn::BicReg32 { rd, rn, rm } => set_w!(rd, (w!(rn)) & !(w!(rm))),
                                Insn::MvnReg64 { rd, rm } => regs.set(rd, !x!(rm)),
                                Insn::MvnReg32 { rd, rm } => set_w!(rd, !(w!(rm))),
                                Insn::OrrLsl64 { rd, rn, rm, by } => {
                                    regs.set(rd, x!(rn) | x!(rm) << (by & 63))
                                }
                                Insn::OrrLsl32 { rd, rn, rm, by } => {
                                    set_w!(rd, (w!(rn)) | (w!(rm)) << (by & 31))
                                }
                                Insn::LogicShifted {
                                    op,
                                    invert,
                                    width,
                                    rd,
                                    rn,
                                    rm,
                                    shift,
                                    by,
                                } => {
                                    let operand = alu::shifted(width, x!(rm), shift, u32::from(by));
                                    let operand = if invert { !operand } else { operand };
                                    alu::logic(op, width, rd, x!(rn), operand, regs, &mut nzcv);
                                }
                                Insn::AddExtended {
                                    op,
                                    width,
                                    rd,
                                    rn,
                                    rm,
                                    extend,
                                    by,
                                } => {
                                    let operand = alu::extended(x!(rm), extend) << (by & 7);
                                    alu::add(op, width, rd, x!(rn), operand, regs, &mut nzcv);
                                }
                                Insn::CcmpReg {
                                    op,
                                    width,
                                    rn,
                                    rm,
                                    nzcv: otherwise,
                                    condition,
                                } => {
                                    alu::compare_if(
                                        condition,
                                        op,
                                        width,
                                        x!(rn),
                                        x!(rm),
                                        otherwise,
                                        &mut nzcv,
                                    );
                                }
                                Insn::CcmpImm {
                                    op,
                                    width,
                                    rn,
                                    imm,
                                    nzcv: otherwise,
                                    condition,
                                } => {
                                    alu::compare_if(
                                        condition,
                                        op,
                                        width,
                                        x!(rn),
                                        imm.into(),
                                        otherwise,
                                        &mut nzcv,
                                    );
                                }
                                Insn::MulLong { op, rd, rn, rm, ra } => {
                                    regs.set(rd, alu::multiply_long(op, x!(rn), x!(rm), x!(ra)));
                                }
                                Insn::Smulh { rd, rn, rm } => {
                                    let product = i128::from(x!(rn) as i64) * i128::from(x!(rm) as i64);
                                    regs.set(rd, (product >> 64) as u64);
                                }
                                Insn::Umulh { rd, rn, rm } => {
                                    let product = u128::from(x!(rn)) * u128::from(x!(rm));
                                    regs.set(rd, (product >> 64) as u64);
                                }
                                Insn::Udiv { width, rd, rn, rm } => {
                                    // Division by zero gives zero (Arm ARM C6.2, UDIV).
                                    let (a, b) = (alu::cut(width, x!(rn)), alu::cut(width, x!(rm)));
                                    regs.set(rd, a.checked_div(b).unwrap_or(0));
                                }
                                Insn::Sdiv { width, rd, rn, rm } => {
                                    regs.set(rd, alu::divide_signed(width, x!(rn), x!(rm)));
                                }
                                Insn::EorRor32 { rd, rn, rm, by } => {
                                    set_w!(rd, (w!(rn)) ^ (w!(rm)).rotate_right(u32::from(by)));
                                }
                                Insn::ShiftReg {
                                    shift,
                                    width,
                                    rd,
                                    rn,
                                    rm,
                                } => {
                                    let value = alu::shift_by_register(width, x!(rn), shift, x!(rm));
                                    regs.set(rd, value);
                                }
                                Insn::Csel64 {
                                    rd,
                                    rn,
                                    rm,
                                    condition,
                                } => {
                                    let from = if nzcv.holds(condition) { rn } else { rm };
                                    regs.set(rd, x!(from));
                                }
                                Insn::Csel32 {
                                    rd,
                                    rn,
                                    rm,
                                    condition,
                                } => {
                                    let from = if nzcv.holds(condition) { rn } else { rm };
                                    set_w!(rd, w!(from));
                                }
                                Insn::Csinc64 {
                                    rd,
                                    rn,
                                    rm,
                                    condition,
                                } => {
                                    let other = x!(rm).wrapping_add(1);
                                    regs.set(rd, if nzcv.holds(condition) { x!(rn) } else { other });
                                }
                                Insn::Csinc32 {
                                    rd,
                                    rn,
                                    rm,
                                    condition,
                                } => {
                                    let other = (w!(rm)).wrapping_add(1);
                                    set_w!(rd, if nzcv.holds(condition) { w!(rn) } else { other });
                                }
                                Insn::Csinv64 {
                                    rd,
                                    rn,
                                    rm,
                                    condition,
                                } => {
                                    regs.set(rd, if nzcv.holds(condition) { x!(rn) } else { !x!(rm) });
                                }
                                Insn::Csinv32 {
                                    rd,
                                    rn,
                                    rm,
                                    condition,
                                } => {
                                    set_w!(rd, if nzcv.holds(condition) { w!(rn) } else { !(w!(rm)) });
                                }
                                Insn::Csneg64 {
                                    rd,
                                    rn,
                                    rm,
                                    condition,
                                } => {
                                    let other = x!(rm).wrapping_neg();
                                    regs.set(rd, if nzcv.holds(condition) { x!(rn) } else { other });
                                }
                                Insn::Csneg32 {
                                    rd,
                                    rn,
                                    rm,
                                    condition,
                                } => {
                                    let other = (w!(rm)).wrapping_neg();
                                    set_w!(rd, if nzcv.holds(condition) { w!(rn) } else { other });
                                }
                                Insn::Madd64 { rd, rn, rm, ra } => {
                                    regs.set(rd, x!(ra).wrapping_add(x!(rn).wrapping_mul(x!(rm))));
                                }
                                Insn::Madd32 { rd, rn, rm, ra } => {
                                    set_w!(rd, (w!(ra)).wrapping_add((w!(rn)).wrapping_mul(w!(rm))));
                                }
                                Insn::Msub64 { rd, rn, rm, ra } => {
                                    regs.set(rd, x!(ra).wrapping_sub(x!(rn).wrapping_mul(x!(rm))));
                                }
                                Insn::Msub32 { rd, rn, rm, ra } => {
                                    set_w!(rd, (w!(ra)).wrapping_sub((w!(rn)).wrapping_mul(w!(rm))));
                                }

                                Insn::B { offset } => break 'next last!().wrapping_add(offset as u64),
                                Insn::Bl { offset } => {
                                    regs.set(Reg::X30, after!());
                                    break 'next last!().wrapping_add(offset as u64);
                                }
                                Insn::BEq { offset } => branch_if!(nzcv.eq(), offset),
                                Insn::BNe { offset } => branch_if!(!nzcv.eq(), offset),
                                Insn::BHs { offset } => branch_if!(nzcv.hs(), offset),
                                Insn::BLo { offset } => branch_if!(!nzcv.hs(), offset),
                                Insn::BHi { offset } => branch_if!(nzcv.hi(), offset),
                                Insn::BLs { offset } => branch_if!(!nzcv.hi(), offset),
                                Insn::BGe { offset } => branch_if!(nzcv.ge(), offset),
                                Insn::BLt { offset } => branch_if!(!nzcv.ge(), offset),
                                Insn::BGt { offset } => branch_if!(nzcv.gt(), offset),
                                Insn::BLe { offset } => branch_if!(!nzcv.gt(), offset),
                                Insn::BCond { condition, offset } => {
                                    branch_if!(nzcv.holds(condition), offset)
                                }
                                Insn::Cbz64 { rt, offset } => branch_if!(x!(rt) == 0, offset),
                                Insn::Cbz32 { rt, offset } => branch_if!((w!(rt)) == 0, offset),
                                Insn::Cbnz64 { rt, offset } => branch_if!(x!(rt) != 0, offset),
                                Insn::Cbnz32 { rt, offset } => branch_if!((w!(rt)) != 0, offset),
                                Insn::Tbz { rt, bit, offset } => {
                                    branch_if!(x!(rt) >> (bit & 63) & 1 == 0, offset)
                                }
                                Insn::Tbnz { rt, bit, offset } => {
                                    branch_if!(x!(rt) >> (bit & 63) & 1 != 0, offset)
                                }
                                Insn::Br { rn } | Insn::Ret { rn } => break 'next x!(rn),
                                Insn::Blr { rn } => {
                                    let target = x!(rn);
                                    regs.set(Reg::X30, after!());
                                    break 'next target;
                                }
                                Insn::Svc { imm } => break 'trap Trap::Supervisor(imm),
                                Insn::Brk { imm } => break 'trap Trap::Breakpoint(imm),
                                Insn::Undefined { word } => break 'trap Trap::Undefined(word),
                                Insn::Missing { word } => break 'trap Trap::NotImplemented(word),
                                Insn::Isb => {}
                                Insn::Clrex => local.monitor = None,
                                Insn::Mrs {
                                    rt,
                                    register: SysReg::Tpidr,
                                } => regs.set(rt, regs.tpidr),
                                Insn::Mrs { rt, register } => {
                                    let done = budget - left - rest.len() as u64 - 1;
                                    let counter =
                                        self.counter_offset.wrapping_add(self.retired).wrapping_add(done);
                                    let value = system::read(register, regs, nzcv, counter);
                                    regs.set(rt, value);
                                }
                                Insn::Msr { rt, register } => {
                                    system::write(register, x!(rt), regs, &mut nzcv)
                                }

                                Insn::Ld8 { rt, rn, offset } => {
                                    let value = load!(u8, base!(rn).wrapping_add(offset as u64));
                                    regs.set(rt, u64::from(value));
                                }
                                Insn::Ld16 { rt, rn, offset } => {
                                    let value = load!(u16, base!(rn).wrapping_add(offset as u64));
                                    regs.set(rt, u64::from(value));
                                }
                                Insn::Ld32 { rt, rn, offset } => {
                                    let value = load!(u32, base!(rn).wrapping_add(offset as u64));
                                    regs.set(rt, u64::from(value));
                                }
                                Insn::Ld64 { rt, rn, offset } => {
                                    let value = load!(u64, base!(rn).wrapping_add(offset as u64));
                                    regs.set(rt, value);
                                }
                                Insn::LdS8W { rt, rn, offset } => {
                                    let value = load!(u8, base!(rn).wrapping_add(offset as u64));
                                    regs.set(rt, u64::from(value as i8 as u32));
                                }
                                Insn::LdS16W { rt, rn, offset } => {
                                    let value = load!(u16, base!(rn).wrapping_add(offset as u64));
                                    regs.set(rt, u64::from(value as i16 as u32));
                                }
                                Insn::LdS8X { rt, rn, offset } => {
                                    let value = load!(u8, base!(rn).wrapping_add(offset as u64));
                                    regs.set(rt, value as i8 as u64);
                                }
                                Insn::LdS16X { rt, rn, offset } => {
                                    let value = load!(u16, base!(rn).wrapping_add(offset as u64));
                                    regs.set(rt, value as i16 as u64);
                                }
                                Insn::LdS32X { rt, rn, offset } => {
                                    let value = load!(u32, base!(rn).wrapping_add(offset as u64));
                                    regs.set(rt, value as i32 as u64);
                                }
                                Insn::St8 { rt, rn, offset } => {
                                    store!(base!(rn).wrapping_add(offset as u64), x!(rt) as u8);
                                }
                                Insn::St16 { rt, rn, offset } => {
                                    store!(base!(rn).wrapping_add(offset as u64), x!(rt) as u16);
                                }
                                Insn::St32 { rt, rn, offset } => {
                                    store!(base!(rn).wrapping_add(offset as u64), x!(rt) as u32);
                                }
                                Insn::St64 { rt, rn, offset } => {
                                    store!(base!(rn).wrapping_add(offset as u64), x!(rt));
                                }
                                Insn::Ld8Reg { rt, rn, rm } => {
                                    let value = load!(u8, base!(rn).wrapping_add(x!(rm)));
                                    regs.set(rt, u64::from(value));
                                }
                                Insn::Ld32Reg { rt, rn, rm, by } => {
                                    let value = load!(u32, base!(rn).wrapping_add(x!(rm) << (by & 63)));
                                    regs.set(rt, u64::from(value));
                                }
                                Insn::Ld64Reg { rt, rn, rm, by } => {
                                    let value = load!(u64, base!(rn).wrapping_add(x!(rm) << (by & 63)));
                                    regs.set(rt, value);
                                }
                                Insn::St8Reg { rt, rn, rm } => {
                                    store!(base!(rn).wrapping_add(x!(rm)), x!(rt) as u8)
                                }
                                Insn::St32Reg { rt, rn, rm, by } => {
                                    store!(base!(rn).wrapping_add(x!(rm) << (by & 63)), w!(rt));
                                }
                                Insn::St64Reg { rt, rn, rm, by } => {
                                    store!(base!(rn).wrapping_add(x!(rm) << (by & 63)), x!(rt));
                                }
                                Insn::LdVec32 { rt, rn, offset } => {
                                    let value = load!(u32, base!(rn).wrapping_add(offset as u64));
                                    regs.v[usize::from(rt & 31)] = u128::from(value);
                                }
                                Insn::LdVec64 { rt, rn, offset } => {
                                    let value = load!(u64, base!(rn).wrapping_add(offset as u64));
                                    regs.v[usize::from(rt & 31)] = u128::from(value);
                                }
                                Insn::LdVec128 { rt, rn, offset } => {
                                    let value = load!(u128, base!(rn).wrapping_add(offset as u64));
                                    regs.v[usize::from(rt & 31)] = value;
                                }
                                Insn::StVec32 { rt, rn, offset } => {
                                    let value = regs.v[usize::from(rt & 31)] as u32;
                                    store!(base!(rn).wrapping_add(offset as u64), value);
                                }
                                Insn::StVec64 { rt, rn, offset } => {
                                    let value = regs.v[usize::from(rt & 31)] as u64;
                                    store!(base!(rn).wrapping_add(offset as u64), value);
                                }
                                Insn::StVec128 { rt, rn, offset } => {
                                    let value = regs.v[usize::from(rt & 31)];
                                    store!(base!(rn).wrapping_add(offset as u64), value);
                                }
                                Insn::LdpX { rt, rt2, rn, offset } => {
                                    let both = load!(u128, base!(rn).wrapping_add(offset as u64));
                                    regs.set(rt, both as u64);
                                    regs.set(rt2, (both >> 64) as u64);
                                }
                                Insn::LdpXPost { rt, rt2, rn, offset } => {
                                    let base = base!(rn);
                                    let both = load!(u128, base);
                                    regs.set(rt, both as u64);
                                    regs.set(rt2, (both >> 64) as u64);
                                    regs.set(rn, base.wrapping_add(offset as u64));
                                }
                                Insn::StpX { rt, rt2, rn, offset } => {
                                    let both = u128::from(x!(rt)) | u128::from(x!(rt2)) << 64;
                                    store!(base!(rn).wrapping_add(offset as u64), both);
                                }
                                Insn::StpXPre { rt, rt2, rn, offset } => {
                                    let both = u128::from(x!(rt)) | u128::from(x!(rt2)) << 64;
                                    let address = base!(rn).wrapping_add(offset as u64);
                                    store!(address, both);
                                    regs.set(rn, address);
                                }
                                Insn::Ld8Post { rt, rn, offset } => {
                                    let base = base!(rn);
                                    let value = load!(u8, base);
                                    regs.set(rt, u64::from(value));
                                    regs.set(rn, base.wrapping_add(offset as u64));
                                }
                                Insn::Ld32Post { rt, rn, offset } => {
                                    let base = base!(rn);
                                    let value = load!(u32, base);
                                    regs.set(rt, u64::from(value));
                                    regs.set(rn, base.wrapping_add(offset as u64));
                                }
                                Insn::Ld64Post { rt, rn, offset } => {
                                    let base = base!(rn);
                                    let value = load!(u64, base);
                                    regs.set(rt, value);
                                    regs.set(rn, base.wrapping_add(offset as u64));
                                }
                                Insn::St8Post { rt, rn, offset } => {
                                    let base = base!(rn);
                                    store!(base, x!(rt) as u8);
                                    regs.set(rn, base.wrapping_add(offset as u64));
                                }
                                Insn::St32Post { rt, rn, offset } => {
                                    let base = base!(rn);
                                    store!(base, x!(rt) as u32);
                                    regs.set(rn, base.wrapping_add(offset as u64));
                                }
                                Insn::St64Post { rt, rn, offset } => {
                                    let base = base!(rn);
                                    store!(base, x!(rt));
                                    regs.set(rn, base.wrapping_add(offset as u64));
                                }
                                Insn::Ld8Pre { rt, rn, offset } => {
                                    let address = base!(rn).wrapping_add(offset as u64);
                                    let value = load!(u8, address);
                                    regs.set(rt, u64::from(value));
                                    regs.set(rn, address);
                                }
                                Insn::St64Pre { rt, rn, offset } => {
                                    let address = base!(rn).wrapping_add(offset as u64);
                                    store!(address, x!(rt));
                                    regs.set(rn, address);
                                }
                                Insn::IntIndexed { .. }
                                | Insn::IntReg { .. }
                                | Insn::IntLiteral { .. }
                                | Insn::VecIndexed { .. }
                                | Insn::VecReg { .. }
                                | Insn::VecLiteral { .. }
                                | Insn::Pair { .. }
                                | Insn::Cache { .. } => {
                                    out_of_line!(memory::execute(insn, regs, mmu, here!()))
                                }
                                Insn::Structure {
                                    shape,
                                    load,
                                    rt,
                                    rn,
                                    writeback,
                                } => {
                                    let access = Access {
                                        shape,
                                        load,
                                        rt,
                                        rn,
                                        writeback,
                                    };
                                    out_of_line!(structure::execute(access, regs, mmu));
                                }
                                Insn::LoadExclusive { .. }
                                | Insn::StoreExclusive { .. }
                                | Insn::LoadExclusivePair { .. }
                                | Insn::StoreExclusivePair { .. }
                                | Insn::Ordered { .. }
                                | Insn::Atomic { .. }
                                | Insn::Cas { .. }
                                | Insn::Casp { .. } => out_of_line!(atomic::execute(insn, regs, mmu, local)),

                                Insn::Simd(ref insn) => vector(insn, regs),
                                Insn::SimdFlags(ref insn) => {
                                    regs.flags = nzcv.pack();
                                    vector(insn, regs);
                                    nzcv = Nzcv::unpack(regs.flags);
                                }
                                Insn::Bfm { .. }
                                | Insn::Extr { .. }
                                | Insn::AddShifted { .. }
                                | Insn::AddCarry { .. }
                                | Insn::Crc32 { .. }
                                | Insn::Unary { .. } => alu::execute(insn, regs, &mut nzcv),
                            }
                        }
                        break 'next after!();
                    };
                    break 'trap Trap::Abort(fault);
                };
                pc = next;
                continue 'run;
            };
            // What was not executed to its end is given back.
            let finished = matches!(trap, Trap::Supervisor(_));
            left += rest.len() as u64 + u64::from(!finished);
            pc = here!().wrapping_add(if finished { 4 } else { 0 });
            break trap;
        };
        regs.pc = pc;
        local.nzcv = nzcv;
        self.retired += budget - left;
        self.counters.block_entries += entries;
        trap
    }
}

/// A function of its own, so that the hot loop does not hold the table of this class. By reference: a copy on the stack
/// would be read across the pieces that it was written in, at a dozen cycles.
#[inline(never)]
fn vector(insn: &Vector, regs: &mut Regs) {
    simd::execute(&insn.0, regs);
}
