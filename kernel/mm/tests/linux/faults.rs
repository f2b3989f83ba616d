//! Faults: which kind, which signal, which byte; stacks, files, and RAM that runs out.

use crate::common::{Machine, RW, TestFile, open};
use arch::{Access, Bytes, Fault, FaultCause, Granule, PageNum, PageRange, TlbOp, VirtAddr};
use mm::{
    Advice, FaultKind, Limits, MapError, MapRequest, Placement, Prot, RemapRequest, Sharing, ViolationKind,
};

#[test]
fn private_memory_is_zero_page_then_copy() {
    let mut m = Machine::new(Granule::K4, 64);
    let at = m.map(2, RW);
    assert_eq!(
        m.fault(at, Access::Read).expect("resolved").kind,
        FaultKind::ZeroPage
    );
    assert!(m.memory.page_info(m.space, at.page(m.granule)).zero_page);
    assert_eq!(m.rss(), 0, "the zero page counts nowhere");
    assert_eq!(
        m.fault(at, Access::Write).expect("resolved").kind,
        FaultKind::ZeroFill
    );
    assert_eq!(m.rss(), 1);
    assert_eq!(
        m.fault(at, Access::Write).expect("resolved").kind,
        FaultKind::Spurious
    );
}

#[test]
fn the_first_write_takes_one_fault() {
    let mut m = Machine::new(Granule::K4, 64);
    let at = m.map(1, RW);
    m.write(at, 1).expect("written");
    let usage = m.memory.usage(m.space);
    assert_eq!((usage.minor_faults, usage.faults(FaultKind::ZeroFill)), (1, 1));
    let info = m.memory.page_info(m.space, at.page(m.granule));
    assert!(info.dirty && info.accessed && info.exclusive && !info.file_or_shared);
}

#[test]
fn violations_name_the_signal_and_the_byte() {
    let mut m = Machine::new(Granule::K16, 64);
    let read_only = m.map_at(0x100_0000, 1, Prot::READ);
    let signal = |m: &mut Machine, at: u64, access| {
        let violation = m.fault(VirtAddr::new(at), access).expect_err("a violation");
        assert_eq!(violation.address.get(), at);
        violation.signal
    };
    assert!(matches!(signal(&mut m, 0, Access::Read), ViolationKind::MapErr));
    assert!(matches!(
        signal(&mut m, 0x100_0123, Access::Write),
        ViolationKind::AccErr
    ));
    assert!(matches!(
        signal(&mut m, 0x100_0120, Access::Execute),
        ViolationKind::AccErr
    ));
    assert!(matches!(
        signal(&mut m, 0x100_4000, Access::Execute),
        ViolationKind::MapErr
    ));
    assert!(
        matches!(signal(&mut m, 1 << 47, Access::Read), ViolationKind::MapErr),
        "47 bits at 16 KiB"
    );
    assert!(matches!(
        signal(&mut m, u64::MAX, Access::Write),
        ViolationKind::MapErr
    ));
    let tagged = read_only.get() | 0xab << 56;
    assert!(
        m.fault(VirtAddr::new(tagged), Access::Read).is_ok(),
        "loads ignore the top byte"
    );
    assert!(
        matches!(signal(&mut m, tagged, Access::Execute), ViolationKind::MapErr),
        "fetches do not"
    );
    let misaligned = Fault {
        address: VirtAddr::new(0x100_0001),
        access: Access::Read,
        cause: FaultCause::Alignment,
    };
    let violation = m.memory.fault(m.space, &misaligned).expect_err("a violation");
    assert!(matches!(violation.signal, ViolationKind::Alignment));
}

fn stack(m: &mut Machine, start: u64, pages: u64) -> VirtAddr {
    let request = MapRequest {
        placement: Placement::Fixed(VirtAddr::new(start)),
        grows_down: true,
        ..m.request(pages, RW)
    };
    m.memory.map(m.space, &request).expect("mapped")
}

#[test]
fn a_stack_grows_down_to_its_limit_exactly() {
    for granule in Granule::ALL {
        let mut m = Machine::new(granule, 64);
        let limits = Limits {
            stack: m.bytes(20),
            ..Limits::default()
        };
        m.memory.set_limits(m.space, limits);
        let page = granule.bytes();
        let end = 0x6000_0000_0000;
        stack(&mut m, end - 2 * page, 2);
        let touched = m
            .fault(VirtAddr::new(end - 10 * page + 17), Access::Write)
            .expect("grown");
        assert_eq!(touched.kind, FaultKind::StackGrowth);
        assert_eq!(m.memory.usage(m.space).stack_vm, m.bytes(10));
        assert!(m.fault(VirtAddr::new(end - 20 * page), Access::Read).is_ok());
        let over = m
            .fault(VirtAddr::new(end - 20 * page - 1), Access::Write)
            .expect_err("over the limit");
        assert!(matches!(over.signal, ViolationKind::MapErr));
        assert_eq!(over.address.get(), end - 20 * page - 1);
        assert_eq!(m.memory.usage(m.space).map_count, 1);
    }
}

#[test]
fn a_stack_keeps_its_distance_from_accessible_neighbours() {
    let page = 4096;
    let end = 0x6000_0000_0000;
    let grows = |prot: Prot, neighbour_grows: bool, distance: u64| {
        let mut m = Machine::new(Granule::K4, 64);
        stack(&mut m, end - page, 1);
        let below = MapRequest {
            placement: Placement::Fixed(VirtAddr::new(end - 1000 * page)),
            grows_down: neighbour_grows,
            ..m.request(1, prot)
        };
        m.memory.map(m.space, &below).expect("mapped");
        m.fault(VirtAddr::new(end - (999 - distance) * page), Access::Write)
            .is_ok()
    };
    assert!(grows(RW, false, 256));
    assert!(!grows(RW, false, 255));
    assert!(!grows(Prot::READ, false, 0));
    assert!(grows(Prot::empty(), false, 0), "PROT_NONE is its own guard");
    assert!(grows(RW, true, 1), "another stack");
}

#[test]
fn placement_stays_out_of_a_stacks_gap() {
    let mut m = Machine::new(Granule::K4, 64);
    stack(&mut m, crate::common::TOP - 4096, 1);
    let at = m.map(1, RW);
    assert_eq!(at.get(), crate::common::TOP - 4096 - 257 * 4096);
}

#[test]
fn file_faults_read_once_and_map_around() {
    let mut m = Machine::new(Granule::K4, 128);
    let backing = TestFile::new(vec![7; 40 * 4096]);
    let file = open(&mut m, &backing, 1);
    let request = MapRequest {
        placement: Placement::Fixed(VirtAddr::new(0x100_0000)),
        content: mm::Content::File { file, offset: 0 },
        ..m.request(40, Prot::READ)
    };
    let at = m.memory.map(m.space, &request).expect("mapped");
    let first = m.fault(m.up(at, 20), Access::Read).expect("resolved");
    assert!(first.major && first.kind == FaultKind::FileMap);
    assert_eq!(
        (backing.reads.get(), m.rss()),
        (1, 16),
        "one read, one window of 64 KiB"
    );
    let vma = *m.memory.vmas(m.space).next().expect("one mapping");
    let usage = m.memory.vma_usage(m.space, &vma);
    assert_eq!(
        usage.referenced,
        m.bytes(1),
        "neighbours are mapped, not accessed"
    );
    assert_eq!(usage.private_clean, m.bytes(16));
    let usage = m.memory.usage(m.space);
    assert_eq!((usage.major_faults, usage.rss_file), (1, m.bytes(16)));
    assert_eq!(m.memory.counters().fault_around, 15);
}

#[test]
fn past_the_end_of_the_file_is_sigbus_for_private_copies_too() {
    for sharing in [Sharing::Private, Sharing::Shared] {
        let mut m = Machine::new(Granule::K16, 64);
        let backing = TestFile::new(vec![7; 16384 + 10]);
        let file = open(&mut m, &backing, 1);
        let at = m.map_file(file, 0, 3, RW, sharing);
        assert_eq!(
            m.read(VirtAddr::new(m.up(at, 1).get() + 10))
                .expect("in the last page"),
            0
        );
        let past = m.up(at, 2).checked_add(Bytes::new(5)).expect("inside");
        let violation = m.fault(past, Access::Read).expect_err("past the end");
        assert!(matches!(violation.signal, ViolationKind::BusAdrErr) && violation.address == past);
        m.write(m.up(at, 1), 9).expect("written");
        backing.bytes.borrow_mut().truncate(100);
        m.memory.file_resized(file, 100);
        m.memory.check().expect("every invariant");
        let violation = m.fault(m.up(at, 1), Access::Write).expect_err("truncated");
        assert!(matches!(violation.signal, ViolationKind::BusAdrErr));
        assert_eq!(m.read(at).expect("still there"), 7);
        backing.bytes.borrow_mut().resize(2 * 16384, 0);
        m.memory.file_resized(file, 2 * 16384);
        assert_eq!(m.read(m.up(at, 1)).expect("extended"), 0);
        assert_eq!(m.read(VirtAddr::new(at.get() + 100)).expect("extended"), 0);
    }
}

#[test]
fn writes_to_the_file_are_seen_by_mappings_and_the_other_way_round() {
    let mut m = Machine::new(Granule::K4, 64);
    let backing = TestFile::new(vec![1; 8192]);
    let file = open(&mut m, &backing, 1);
    let shared = m.map_file(file, 0, 2, RW, Sharing::Shared);
    let private = m.map_file(file, 0, 2, RW, Sharing::Private);
    assert_eq!(
        (m.read(shared).expect("there"), m.read(private).expect("there")),
        (1, 1)
    );
    m.memory.file_write(file, 0, &[2]).expect("written");
    assert_eq!(
        (m.read(shared).expect("there"), m.read(private).expect("there")),
        (2, 2)
    );
    m.write(private, 3).expect("written");
    m.memory.file_write(file, 0, &[4]).expect("written");
    assert_eq!(
        (m.read(shared).expect("there"), m.read(private).expect("there")),
        (4, 3)
    );
    m.write(shared, 5).expect("written");
    let mut byte = [0];
    m.memory.file_read(file, 0, &mut byte).expect("read");
    assert_eq!(
        (byte[0], backing.bytes.borrow()[0]),
        (5, 4),
        "dirty in the cache, not written yet"
    );
    m.memory.sync(m.space, m.range(shared, 2)).expect("synced");
    assert_eq!(backing.bytes.borrow()[0], 5);
}

#[test]
fn closing_the_last_handle_writes_what_is_dirty() {
    let mut m = Machine::new(Granule::K4, 64);
    let backing = TestFile::new(vec![1; 5000]);
    let file = open(&mut m, &backing, 1);
    assert_eq!(open(&mut m, &backing, 1), file, "one file for one key");
    let at = m.map_file(file, 0, 2, RW, Sharing::Shared);
    m.memory.close_file(file);
    m.memory.close_file(file);
    m.write(m.up(at, 1), 6).expect("the mapping keeps it");
    m.memory.unmap(m.space, m.range(at, 2)).expect("unmapped");
    assert_eq!(
        (backing.bytes.borrow()[4096], backing.bytes.borrow().len()),
        (6, 5000)
    );
    assert_eq!(m.memory.frames().file.get(), 0);
    m.memory.check().expect("every invariant");
}

#[test]
fn trouble_of_the_host_is_sigbus_on_reading_and_kept_dirty_on_writing() {
    let mut m = Machine::new(Granule::K4, 64);
    let backing = TestFile::new(vec![1; 8192]);
    let file = open(&mut m, &backing, 1);
    let at = m.map_file(file, 0, 2, RW, Sharing::Shared);
    backing.broken.set(true);
    let violation = m.fault(at, Access::Read).expect_err("unreadable");
    assert!(matches!(violation.signal, ViolationKind::BusIo(_)));
    assert_eq!(m.memory.frames().file.get(), 0, "nothing half-read stays");
    backing.broken.set(false);
    m.write(at, 2).expect("written");
    backing.broken.set(true);
    assert!(matches!(
        m.memory.sync(m.space, m.range(at, 2)),
        Err(MapError::Io(_))
    ));
    backing.broken.set(false);
    m.memory.sync(m.space, m.range(at, 2)).expect("tried again");
    assert_eq!(backing.bytes.borrow()[0], 2);
}

#[test]
fn proportional_sizes_count_mappers() {
    let mut m = Machine::new(Granule::K4, 64);
    let at = m.map(3, RW);
    for page in 0..3 {
        m.write(m.up(at, page), 1).expect("written");
    }
    let parent = m.space;
    let first = m.memory.fork_space(parent).expect("forked");
    let second = m.memory.fork_space(parent).expect("forked");
    m.space = first;
    m.write(at, 2).expect("copied");
    m.space = second;
    let vma = *m.memory.vmas(parent).next().expect("one mapping");
    let usage = m.memory.vma_usage(parent, &vma);
    assert_eq!(
        (usage.rss, usage.anonymous, usage.shared_dirty),
        (m.bytes(3), m.bytes(3), m.bytes(3))
    );
    // One page with two mappers, two with three: 4096/2 + 2 * 4096/3, in units of 1/4096 byte.
    let expected = (4096 << 12) / 2 + 2 * ((4096 << 12) / 3);
    assert_eq!(usage.pss.fixed_point(), expected);
    let usage = m.memory.vma_usage(first, &vma);
    assert_eq!(
        (usage.private_dirty, usage.shared_dirty),
        (m.bytes(1), m.bytes(2))
    );
    m.memory.check().expect("every invariant");
}

#[test]
fn edits_of_valid_descriptors_leave_tlb_requests() {
    let mut m = Machine::new(Granule::K4, 64);
    let at = m.map(2, RW);
    m.write(at, 1).expect("written");
    assert_eq!(m.memory.take_tlb_ops(), [], "nothing was valid before");
    let asid = m.memory.ttbr(m.space).asid;
    m.memory
        .protect(m.space, m.range(at, 2), Prot::READ)
        .expect("protected");
    let one = TlbOp::Pages {
        asid,
        pages: m.range(at, 1),
    };
    assert_eq!(m.memory.take_tlb_ops(), [one]);
    m.memory.unmap(m.space, m.range(at, 2)).expect("unmapped");
    assert_eq!(m.memory.take_tlb_ops(), [one]);
    let child = m.memory.fork_space(m.space).expect("forked");
    assert_eq!(m.memory.take_tlb_ops(), [TlbOp::Asid(asid)]);
    let other = m.memory.ttbr(child).asid;
    m.memory.destroy_space(child);
    assert_eq!(m.memory.take_tlb_ops(), [TlbOp::Asid(other)]);
}

/// Each kind of edit that replaces a valid descriptor, and the request it must leave.
#[test]
fn copies_moves_and_cleaning_leave_tlb_requests() {
    let mut m = Machine::new(Granule::K16, 64);
    let backing = TestFile::new(vec![1; 16384]);
    let file = open(&mut m, &backing, 1);
    let private = m.map_at(0x100_0000, 1, RW);
    let shared = m.map_file(file, 0, 1, RW, Sharing::Shared);
    let asid = m.memory.ttbr(m.space).asid;
    let page = |m: &Machine, at| {
        vec![TlbOp::Pages {
            asid,
            pages: m.range(at, 1),
        }]
    };
    m.read(private).expect("the zero page");
    m.memory.take_tlb_ops();
    m.write(private, 1).expect("a page of its own");
    assert_eq!(
        m.memory.take_tlb_ops(),
        page(&m, private),
        "the zero page was replaced"
    );
    let child = m.memory.fork_space(m.space).expect("forked");
    m.memory.take_tlb_ops();
    m.write(private, 2).expect("copied");
    let leaf_span = PageRange::new(PageNum::new(0), PageNum::new(2048)).expect("16 KiB pages");
    let pages = TlbOp::Pages {
        asid,
        pages: leaf_span,
    };
    assert_eq!(
        m.memory.take_tlb_ops(),
        [TlbOp::Asid(asid), pages],
        "the shared tables were replaced, and then the shared page"
    );
    m.memory.destroy_space(child);
    let child = m.memory.fork_space(m.space).expect("forked");
    m.memory.destroy_space(child);
    m.memory.take_tlb_ops();
    m.write(private, 3).expect("reused");
    assert_eq!(
        m.memory.take_tlb_ops(),
        page(&m, private),
        "the page became writable"
    );
    m.write(shared, 4).expect("written");
    m.memory.sync(m.space, m.range(shared, 1)).expect("synced");
    assert_eq!(
        m.memory.take_tlb_ops(),
        page(&m, shared),
        "the next write must be noted again"
    );
    let moved = RemapRequest {
        old: private,
        old_length: m.bytes(1),
        new_length: m.bytes(1),
        may_move: true,
        fixed: Some(VirtAddr::new(0x200_0000)),
        dont_unmap: false,
    };
    m.memory.remap(m.space, &moved).expect("moved");
    assert_eq!(
        m.memory.take_tlb_ops(),
        page(&m, private),
        "the old place is empty"
    );
    let there = VirtAddr::new(0x200_0000);
    m.memory
        .advise(m.space, m.range(there, 1), Advice::Free)
        .expect("advised");
    assert_eq!(m.memory.take_tlb_ops(), page(&m, there), "a write must be noted");
    m.memory
        .advise(m.space, m.range(there, 1), Advice::DontNeed)
        .expect("advised");
    assert_eq!(m.memory.take_tlb_ops(), page(&m, there), "the page is gone");
    backing.bytes.borrow_mut().clear();
    m.memory.file_resized(file, 0);
    assert_eq!(
        m.memory.take_tlb_ops(),
        page(&m, shared),
        "the file's page is gone"
    );
}

/// Every allocation fails in turn: RAM of each size up to what the program needs. Nothing is half-made, what
/// was written stays, and with more RAM it works.
#[test]
fn ram_that_runs_out_is_named_and_nothing_is_half_made() {
    for granule in Granule::ALL {
        let mut complete = false;
        let mut named = std::collections::BTreeSet::new();
        for frames in 2..40 {
            let mut m = Machine::new(granule, frames);
            let backing = TestFile::new(vec![7; 3 * granule.bytes() as usize]);
            let file = open(&mut m, &backing, 1);
            let heap = m.map_at(0x100_0000, 3, RW);
            let far = m.map_at(0x3000_0000_0000, 1, RW);
            let shared = m.map_file(file, 0, 3, RW, Sharing::Shared);
            let copy = m.map_file(file, 0, 3, RW, Sharing::Private);
            let mut done = 0;
            let mut wrong = None;
            for (number, at) in [heap, far, shared, copy, m.up(heap, 2)].into_iter().enumerate() {
                match m.write(at, number as u8 + 1) {
                    Ok(()) => done += 1,
                    Err(fault) => {
                        let ViolationKind::OutOfRam(out) = fault.violation.signal else {
                            panic!("{fault}");
                        };
                        assert_eq!(out.ram, Bytes::new(frames * granule.bytes()));
                        named.insert(out.what);
                        wrong = Some(at);
                    }
                }
                m.memory.check().expect("every invariant");
            }
            match m.memory.fork_space(m.space) {
                Ok(child) => m.memory.destroy_space(child),
                Err(out) => drop(named.insert(out.what)),
            }
            m.memory.check().expect("every invariant");
            complete |= wrong.is_none() && done == 5;
            m.memory.destroy_space(m.space);
            m.memory.close_file(file);
            assert_eq!(
                u64::from(m.memory.frames().free.get()),
                frames - 1,
                "nothing leaks"
            );
        }
        assert!(complete);
        let kinds: Vec<_> = named.into_iter().collect();
        assert_eq!(
            kinds,
            ["page of a file", "page of private memory", "translation table"]
        );
    }
}

#[test]
fn shared_anonymous_memory_is_shared_with_children() {
    let mut m = Machine::new(Granule::K64, 64);
    let request = MapRequest {
        sharing: Sharing::Shared,
        ..m.request(2, RW)
    };
    let at = m.memory.map(m.space, &request).expect("mapped");
    m.write(at, 1).expect("written");
    let parent = m.space;
    m.space = m.memory.fork_space(parent).expect("forked");
    m.write(at, 2).expect("written");
    m.space = parent;
    assert_eq!(m.read(at).expect("shared"), 2);
    let usage = m.memory.usage(parent);
    assert_eq!((usage.rss_shmem, usage.rss_anon), (m.bytes(1), Bytes::ZERO));
    let vma = *m.memory.vmas(parent).next().expect("one mapping");
    let mm::Content::File { file, .. } = vma.content else {
        panic!("{vma:?}")
    };
    assert_eq!(m.memory.file_path(file), b"/dev/zero (deleted)");
    assert!(m.memory.page_info(parent, at.page(m.granule)).file_or_shared);
}

#[test]
fn a_clear_access_flag_is_set_and_the_rest_kept() {
    let mut m = Machine::new(Granule::K4, 64);
    let at = m.map(1, RW);
    m.write(at, 1).expect("written");
    m.memory
        .advise(m.space, m.range(at, 1), Advice::Cold)
        .expect("advised");
    assert!(!m.memory.page_info(m.space, at.page(m.granule)).accessed);
    let fault = Fault {
        address: at,
        access: Access::Read,
        cause: FaultCause::AccessFlag(3),
    };
    let resolved = m.memory.fault(m.space, &fault).expect("resolved");
    assert_eq!(resolved.kind, FaultKind::AccessFlag);
    let info = m.memory.page_info(m.space, at.page(m.granule));
    assert!(info.accessed && info.dirty);
    assert_eq!(m.memory.usage(m.space).faults(FaultKind::AccessFlag), 1);
}

/// A program's worth of trouble moves every counter.
#[test]
fn every_counter_counts() {
    let mut m = Machine::new(Granule::K4, 90);
    let backing = TestFile::new(vec![7; 8 * 4096]);
    let file = open(&mut m, &backing, 1);
    let shared = m.map_file(file, 0, 8, RW, Sharing::Shared);
    m.read(shared).expect("mapped");
    m.write(shared, 1).expect("written");
    m.memory.sync(m.space, m.range(shared, 1)).expect("synced");
    m.write(shared, 2).expect("written");
    // Locked, so that it is still dirty when its file is closed.
    m.memory
        .set_locked(m.space, m.range(shared, 1), true, true)
        .expect("locked");
    let private = m.map_file(file, 0, 1, RW, Sharing::Private);
    m.write(private, 3).expect("copied");
    assert!(m.read(VirtAddr::new(0)).is_err());
    let heap = m.map(90, RW);
    let full = (0..90).find_map(|page| m.write(m.up(heap, page), 1).err());
    let full = full.expect("90 pages do not fit");
    assert!(matches!(full.violation.signal, ViolationKind::OutOfRam(_)));
    m.memory.close_file(file);
    backing.broken.set(true);
    m.memory.unmap(m.space, m.range(shared, 8)).expect("unmapped");
    m.memory.unmap(m.space, m.range(private, 1)).expect("unmapped");
    let counters = *m.memory.counters();
    let text = format!("{counters:?}");
    for count in [
        counters.pgfault,
        counters.pgmajfault,
        counters.violations,
        counters.pgalloc,
        counters.cow_copies,
        counters.fault_around,
        counters.pgpgin,
        counters.pgpgout,
        counters.lost_writes,
        counters.out_of_ram,
        counters.tlb_requests,
    ] {
        assert!(count > 0, "{text}");
    }
    let kinds: u64 = FaultKind::ALL.iter().map(|&kind| counters.faults(kind)).sum();
    assert_eq!(kinds + counters.violations, counters.pgfault);
    m.memory.check().expect("every invariant");
}
