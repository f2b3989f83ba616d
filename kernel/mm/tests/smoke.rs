//! The life of a few pages, end to end, in every granule: the first thing to look at when much is broken.

use arch::{Access, Bytes, Fault, FaultCause, Granule, PageCount, PageNum, PageRange, VirtAddr};
use mm::{FaultKind, Layout, Limits, MapRequest, Memory, Prot, SpaceId};
use ram::Ram;

fn memory(granule: Granule, frames: u64) -> (Memory, SpaceId) {
    let ram = Ram::new(Bytes::new(frames * granule.bytes()), granule).expect("RAM of the host");
    let mut memory = Memory::new(ram);
    let layout = Layout {
        mmap_top: VirtAddr::new(0x7000_0000_0000),
        lowest: VirtAddr::new(0x1_0000),
    };
    let space = memory
        .create_space(layout, Limits::default())
        .expect("a root table");
    (memory, space)
}

fn write(memory: &mut Memory, space: SpaceId, address: VirtAddr) -> FaultKind {
    let fault = Fault {
        address,
        access: Access::Write,
        cause: FaultCause::Translation(3),
    };
    memory.fault(space, &fault).expect("resolved").kind
}

#[test]
fn a_page_lives_forks_and_dies() {
    for granule in Granule::ALL {
        let (mut memory, parent) = memory(granule, 64);
        let length = Bytes::new(4 * granule.bytes());
        let at = memory
            .map(parent, &MapRequest::anonymous(length, Prot::READ | Prot::WRITE))
            .expect("mapped");
        assert_eq!(write(&mut memory, parent, at), FaultKind::ZeroFill);
        memory.copy_out(parent, at, b"parent").expect("written");
        let child = memory.fork_space(parent).expect("forked");
        memory.check().expect("after fork");
        memory.copy_out(child, at, b"child").expect("written");
        let mut bytes = [0; 6];
        memory.copy_in(parent, at, &mut bytes).expect("read");
        assert_eq!(&bytes, b"parent");
        memory.copy_in(child, at, &mut bytes).expect("read");
        assert_eq!(&bytes, b"childt");
        memory.check().expect("after copy-on-write");
        memory.destroy_space(child);
        let pages = PageRange::from_count(at.page(granule), PageCount::new(4)).expect("a range");
        memory.unmap(parent, pages).expect("unmapped");
        memory.check().expect("after unmapping");
        assert_eq!(memory.usage(parent).rss(), Bytes::ZERO);
        assert_eq!(memory.usage(parent).page_tables, Bytes::ZERO);
        assert_eq!(memory.frames().page_tables.get(), 1);
        assert!(
            memory
                .find_vma(parent, PageNum::new(at.page(granule).get()))
                .is_none()
        );
        memory.destroy_space(parent);
        assert_eq!(memory.frames().free.get(), 63);
    }
}
