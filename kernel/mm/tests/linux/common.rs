//! A machine's memory with one address space, and short words for what tests do with it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use arch::{Access, Bytes, Fault, FaultCause, Granule, PageCount, PageRange, VirtAddr};
use mm::{
    Backing, Content, FileId, FileKey, Layout, Limits, MapRequest, Memory, Placement, Prot, Resolved,
    Sharing, SpaceId, Violation,
};
use ram::Ram;

pub(crate) const RW: Prot = Prot::READ.union(Prot::WRITE);
pub(crate) const TOP: u64 = 0x7000_0000_0000;

pub(crate) struct Machine {
    pub(crate) memory: Memory,
    pub(crate) space: SpaceId,
    pub(crate) granule: Granule,
}

impl Machine {
    pub(crate) fn new(granule: Granule, frames: u64) -> Self {
        let ram = Ram::new(Bytes::new(frames * granule.bytes()), granule).expect("RAM of the host");
        let mut memory = Memory::new(ram);
        let layout = Layout {
            mmap_top: VirtAddr::new(TOP),
            lowest: VirtAddr::new(0x1_0000),
        };
        let space = memory
            .create_space(layout, Limits::default())
            .expect("a root table");
        Self {
            memory,
            space,
            granule,
        }
    }

    pub(crate) fn bytes(&self, pages: u64) -> Bytes {
        PageCount::new(pages).bytes(self.granule)
    }

    /// The address `pages` pages above `at`.
    pub(crate) fn up(&self, at: VirtAddr, pages: u64) -> VirtAddr {
        at.checked_add(self.bytes(pages)).expect("inside")
    }

    pub(crate) fn range(&self, at: VirtAddr, pages: u64) -> PageRange {
        PageRange::from_count(at.page(self.granule), PageCount::new(pages)).expect("a range")
    }

    pub(crate) fn request(&self, pages: u64, prot: Prot) -> MapRequest {
        MapRequest::anonymous(self.bytes(pages), prot)
    }

    pub(crate) fn map(&mut self, pages: u64, prot: Prot) -> VirtAddr {
        let request = self.request(pages, prot);
        self.memory.map(self.space, &request).expect("mapped")
    }

    pub(crate) fn map_at(&mut self, at: u64, pages: u64, prot: Prot) -> VirtAddr {
        let request = MapRequest {
            placement: Placement::Fixed(VirtAddr::new(at)),
            ..self.request(pages, prot)
        };
        self.memory.map(self.space, &request).expect("mapped")
    }

    pub(crate) fn map_file(
        &mut self,
        file: FileId,
        first: u64,
        pages: u64,
        prot: Prot,
        sharing: Sharing,
    ) -> VirtAddr {
        let offset = self.bytes(first).get();
        let request = MapRequest {
            sharing,
            content: Content::File { file, offset },
            ..self.request(pages, prot)
        };
        self.memory.map(self.space, &request).expect("mapped")
    }

    pub(crate) fn fault(&mut self, at: VirtAddr, access: Access) -> Result<Resolved, Violation> {
        let fault = Fault {
            address: at,
            access,
            cause: FaultCause::Translation(3),
        };
        let answer = self.memory.fault(self.space, &fault);
        self.memory.check().expect("every invariant");
        answer
    }

    pub(crate) fn read(&mut self, at: VirtAddr) -> Result<u8, mm::CopyFault> {
        let mut byte = [0];
        self.memory.copy_in(self.space, at, &mut byte).map(|()| byte[0])
    }

    pub(crate) fn write(&mut self, at: VirtAddr, byte: u8) -> Result<(), mm::CopyFault> {
        self.memory.copy_out(self.space, at, &[byte])
    }

    /// `maps`, as text: start and length in pages above `base`.
    pub(crate) fn maps(&self, base: VirtAddr) -> Vec<(u64, u64)> {
        let base = base.page(self.granule).get();
        let vmas = self.memory.vmas(self.space);
        vmas.map(|v| (v.range.start().get() - base, v.range.count().get()))
            .collect()
    }

    pub(crate) fn rss(&self) -> u64 {
        self.memory.usage(self.space).rss().get() / self.granule.bytes()
    }
}

/// A file in memory that counts its reads and may be made to fail.
#[derive(Default)]
pub(crate) struct TestFile {
    pub(crate) bytes: RefCell<Vec<u8>>,
    pub(crate) reads: Cell<u32>,
    pub(crate) broken: Cell<bool>,
}

impl TestFile {
    pub(crate) fn new(bytes: Vec<u8>) -> Rc<Self> {
        Rc::new(Self {
            bytes: RefCell::new(bytes),
            ..Self::default()
        })
    }
}

impl Backing for TestFile {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> std::io::Result<usize> {
        if self.broken.get() {
            return Err(std::io::Error::other("broken"));
        }
        self.reads.set(self.reads.get() + 1);
        let bytes = self.bytes.borrow();
        let from = bytes.get(offset as usize..).unwrap_or(&[]);
        let length = from.len().min(to.len());
        to[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> std::io::Result<usize> {
        if self.broken.get() {
            return Err(std::io::Error::other("broken"));
        }
        let mut bytes = self.bytes.borrow_mut();
        let end = offset as usize + from.len();
        let length = bytes.len().max(end);
        bytes.resize(length, 0);
        bytes[offset as usize..end].copy_from_slice(from);
        Ok(from.len())
    }

    fn len(&self) -> std::io::Result<u64> {
        Ok(self.bytes.borrow().len() as u64)
    }
}

pub(crate) fn open(machine: &mut Machine, file: &Rc<TestFile>, inode: u64) -> FileId {
    let key = FileKey { device: 8, inode };
    machine.memory.open_file(key, b"/tmp/file", file.clone())
}
