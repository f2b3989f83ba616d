//! A small machine for tests: RAM, one address space built by hand, a processor. The kernel's part is played
//! by [`Machine::map`], which writes descriptors into RAM.
#![allow(dead_code, reason = "each test uses its part of it")]

use arch::{
    Asid, Bytes, Descriptor, FrameNum, Granule, PageAttributes, PageNum, PageRange, PhysAddr, Regs, TlbOp,
    Trap, Ttbr,
};
use cpu::Cpu;
use mmu::Mmu;
use ram::Ram;

/// Where [`Machine::with_code`] puts its code.
pub(crate) const CODE: u64 = 0x40_0000;
/// Where it puts three writable pages; the pages before and behind are not mapped.
pub(crate) const DATA: u64 = 0x80_0000;

/// What a page may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rights {
    Read,
    ReadWrite,
    ReadExecute,
    All,
}

pub(crate) struct Machine {
    pub(crate) ram: Ram,
    pub(crate) mmu: Mmu,
    pub(crate) cpu: Cpu,
    pub(crate) regs: Regs,
    next_frame: u32,
    root: PhysAddr,
    asid: Asid,
}

impl Machine {
    pub(crate) fn new(granule: Granule) -> Self {
        Self::with_frames(granule, 256)
    }

    pub(crate) fn with_frames(granule: Granule, frames: u64) -> Self {
        let ram = Ram::new(Bytes::new(granule.bytes() * frames), granule).expect("a few frames");
        let mut machine = Self {
            mmu: Mmu::new(ram.clone()),
            ram,
            cpu: Cpu::new(),
            regs: Regs::default(),
            next_frame: 1,
            root: PhysAddr::default(),
            asid: Asid::new(1),
        };
        machine.new_space();
        machine
    }

    /// Code at [`CODE`], three pages of zeros at [`DATA`], SP in the middle of them.
    pub(crate) fn with_code(granule: Granule, words: &[u32]) -> Self {
        let mut machine = Self::new(granule);
        for page in 0..(words.len() as u64 * 4).div_ceil(granule.bytes()).max(1) {
            machine.map(CODE + page * granule.bytes(), Rights::ReadExecute);
        }
        for page in 0..3 {
            machine.map(DATA + page * granule.bytes(), Rights::ReadWrite);
        }
        machine.write_words(CODE, words);
        machine.regs.pc = CODE;
        machine.regs.set_sp(DATA + granule.bytes());
        machine
    }

    /// Begins a new, empty address space and switches to it.
    pub(crate) fn new_space(&mut self) {
        self.asid = Asid::new(self.asid.get() + 1);
        self.root = self.frame().start(self.ram.granule());
        self.mmu.switch_to(Ttbr {
            base: self.root,
            asid: self.asid,
        });
    }

    pub(crate) fn space(&self) -> Ttbr {
        Ttbr {
            base: self.root,
            asid: self.asid,
        }
    }

    pub(crate) fn frame(&mut self) -> FrameNum {
        self.next_frame += 1;
        FrameNum::new(self.next_frame - 1)
    }

    /// Maps a fresh frame.
    pub(crate) fn map(&mut self, va: u64, rights: Rights) -> FrameNum {
        let frame = self.frame();
        self.map_frame(va, frame, rights);
        frame
    }

    pub(crate) fn map_frame(&mut self, va: u64, frame: FrameNum, rights: Rights) {
        let granule = self.ram.granule();
        let attributes = PageAttributes {
            writable: matches!(rights, Rights::ReadWrite | Rights::All),
            executable: matches!(rights, Rights::ReadExecute | Rights::All),
            accessed: false,
            dirty: false,
        };
        let slot = self.slot(va);
        self.ram
            .write(slot, Descriptor::page(frame.start(granule), attributes).bits());
        self.flush(va);
    }

    pub(crate) fn unmap(&mut self, va: u64) {
        let slot = self.slot(va);
        self.ram.write(slot, 0u64);
        self.flush(va);
    }

    fn flush(&mut self, va: u64) {
        let page = PageNum::new(va >> self.ram.granule().shift());
        self.mmu.maintain(TlbOp::Pages {
            asid: self.asid,
            pages: PageRange::single(page),
        });
    }

    fn slot(&mut self, va: u64) -> PhysAddr {
        let granule = self.ram.granule();
        let geometry = granule.geometry();
        let mut table = self.root;
        for level in geometry.start_level..3 {
            let at = PhysAddr::new(table.get() + 8 * geometry.index(va, level) as u64);
            let mut descriptor = Descriptor::from_bits(self.ram.read(at).expect("in RAM"));
            if !descriptor.is_valid() {
                descriptor = Descriptor::table(self.frame().start(granule));
                self.ram.write(at, descriptor.bits());
            }
            table = descriptor.address(granule);
        }
        PhysAddr::new(table.get() + 8 * geometry.index(va, 3) as u64)
    }

    fn physical(&mut self, va: u64) -> PhysAddr {
        let granule = self.ram.granule();
        let slot = self.slot(va);
        let leaf = Descriptor::from_bits(self.ram.read(slot).expect("in RAM"));
        assert!(leaf.is_valid(), "{va:#x} is not mapped");
        PhysAddr::new(leaf.address(granule).get() + (va & granule.offset_mask()))
    }

    /// Writes as a kernel does: past the rights of the mapping.
    pub(crate) fn write_words(&mut self, va: u64, words: &[u32]) {
        for (i, &word) in words.iter().enumerate() {
            let at = self.physical(va + 4 * i as u64);
            self.ram.write(at, word).expect("in RAM");
        }
    }

    pub(crate) fn write_u64(&mut self, va: u64, value: u64) {
        let at = self.physical(va);
        self.ram.write(at, value).expect("in RAM");
    }

    pub(crate) fn read_u64(&mut self, va: u64) -> u64 {
        let at = self.physical(va);
        self.ram.read(at).expect("in RAM")
    }

    pub(crate) fn run(&mut self, budget: u64) -> Trap {
        self.cpu.run(&mut self.regs, &mut self.mmu, budget)
    }
}
