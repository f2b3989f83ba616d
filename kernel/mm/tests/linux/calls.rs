//! Memory calls: mmap, munmap, mprotect, mremap, brk, mlock, as their man pages and arm64 Linux have them.

use crate::common::{Machine, RW, TOP, TestFile, open};
use arch::{Access, Bytes, Granule, VirtAddr};
use mm::{
    Advice, FaultKind, LimitKind, Limits, MapError, MapRequest, Placement, Prot, RemapRequest, Sharing,
    ViolationKind,
};

fn machine() -> Machine {
    Machine::new(Granule::K16, 64)
}

#[test]
fn placement_is_top_down_and_merges() {
    let mut m = machine();
    let first = m.map(2, RW);
    assert_eq!(first, VirtAddr::new(TOP - 2 * 16384));
    let second = m.map(1, RW);
    assert_eq!(second, VirtAddr::new(TOP - 3 * 16384));
    assert_eq!(m.maps(second), [(0, 3)]);
    m.map(1, Prot::READ);
    assert_eq!(m.memory.usage(m.space).map_count, 2);
}

#[test]
fn hints_are_rounded_and_given_up_when_taken() {
    let mut m = machine();
    let wanted = VirtAddr::new(0x5000_0000_0000);
    let request = MapRequest {
        placement: Placement::Hint(VirtAddr::new(wanted.get() + 77)),
        ..m.request(1, RW)
    };
    assert_eq!(m.memory.map(m.space, &request).expect("mapped"), wanted);
    let elsewhere = m.memory.map(m.space, &request).expect("mapped");
    assert_eq!(elsewhere, VirtAddr::new(TOP - 16384));
}

#[test]
fn noreplace_refuses_even_a_partial_overlap() {
    let mut m = machine();
    let at = m.map_at(0x10_0000, 3, RW);
    m.write(at, 7).expect("written");
    let request = MapRequest {
        placement: Placement::FixedNoReplace(VirtAddr::new(0x10_0000 - 16384)),
        ..m.request(2, RW)
    };
    assert!(matches!(m.memory.map(m.space, &request), Err(MapError::Exists)));
    assert_eq!(m.maps(at), [(0, 3)]);
    assert_eq!(m.read(at).expect("kept"), 7);
}

#[test]
fn fixed_replaces_what_was_there() {
    let mut m = machine();
    let at = m.map_at(0x10_0000, 3, RW);
    m.write(m.up(at, 1), 7).expect("written");
    m.map_at(0x10_0000 + 16384, 1, RW);
    assert_eq!(m.read(m.up(at, 1)).expect("readable"), 0);
    assert_eq!(m.maps(at), [(0, 3)]);
    m.memory.check().expect("every invariant");
}

#[test]
fn lengths_that_cannot_be_are_enomem() {
    let mut m = machine();
    for length in [u64::MAX, u64::MAX - 20000, 1 << 47] {
        let request = MapRequest::anonymous(Bytes::new(length), RW);
        assert!(
            matches!(m.memory.map(m.space, &request), Err(MapError::NoSpace)),
            "{length:#x}"
        );
    }
    let above = MapRequest {
        placement: Placement::Fixed(VirtAddr::new((1 << 47) - 16384)),
        ..m.request(2, RW)
    };
    assert!(matches!(m.memory.map(m.space, &above), Err(MapError::NoSpace)));
}

#[test]
fn maps_are_limited_in_number() {
    let mut m = machine();
    let limits = Limits {
        map_count: 4,
        ..Limits::default()
    };
    m.memory.set_limits(m.space, limits);
    let at = m.map_at(0x100_0000, 9, RW);
    let single = |m: &Machine, n| m.range(m.up(at, n), 1);
    m.memory.unmap(m.space, single(&m, 1)).expect("two");
    m.memory.unmap(m.space, single(&m, 3)).expect("three");
    m.memory.unmap(m.space, single(&m, 5)).expect("four");
    let fifth = m.memory.unmap(m.space, single(&m, 7));
    assert!(matches!(fifth, Err(MapError::TooManyMaps)));
    let split = m.memory.protect(m.space, single(&m, 7), Prot::READ);
    assert!(matches!(split, Err(MapError::TooManyMaps)));
    assert_eq!(m.maps(at), [(0, 1), (2, 1), (4, 1), (6, 3)]);
    m.memory
        .unmap(m.space, single(&m, 8))
        .expect("no cut in the middle");
}

#[test]
fn address_space_and_data_are_limited() {
    let mut m = machine();
    let limits = Limits {
        address_space: Some(m.bytes(10)),
        data: Some(m.bytes(4)),
        ..Limits::default()
    };
    m.memory.set_limits(m.space, limits);
    let refused = |m: &mut Machine, request: MapRequest| match m.memory.map(m.space, &request) {
        Err(MapError::Limit(kind)) => Some(kind),
        _ => None,
    };
    let request = m.request(5, RW);
    assert_eq!(refused(&mut m, request), Some(LimitKind::Data));
    let request = m.request(11, Prot::empty());
    assert_eq!(
        refused(&mut m, request),
        Some(LimitKind::AddressSpace),
        "PROT_NONE counts, too"
    );
    let at = m.map(5, Prot::READ);
    let writable = m.memory.protect(m.space, m.range(at, 5), RW);
    assert!(matches!(writable, Err(MapError::Limit(LimitKind::Data))));
    m.memory
        .protect(m.space, m.range(at, 4), RW)
        .expect("within the limit");
    let shared = MapRequest {
        sharing: Sharing::Shared,
        ..m.request(5, RW)
    };
    assert_eq!(refused(&mut m, shared), None, "shared memory is no data");
    assert_eq!(m.memory.usage(m.space).data_vm, m.bytes(4));
    assert_eq!(m.memory.usage(m.space).total_vm, m.bytes(10));
}

#[test]
fn mprotect_changes_what_lies_before_a_hole() {
    let mut m = machine();
    let at = m.map_at(0x100_0000, 5, RW);
    m.memory.unmap(m.space, m.range(m.up(at, 2), 1)).expect("a hole");
    let answer = m.memory.protect(m.space, m.range(at, 5), Prot::READ);
    assert!(matches!(answer, Err(MapError::Unmapped)));
    let rights: Vec<_> = m.memory.vmas(m.space).map(|v| v.prot).collect();
    assert_eq!(rights, [Prot::READ, RW]);
}

#[test]
fn mprotect_keeps_within_what_the_file_was_opened_for() {
    let mut m = machine();
    let backing = TestFile::new(vec![1; 16384]);
    let file = open(&mut m, &backing, 1);
    let request = MapRequest {
        max_prot: Prot::READ | Prot::EXEC,
        sharing: Sharing::Shared,
        content: mm::Content::File { file, offset: 0 },
        ..m.request(1, Prot::READ)
    };
    let at = m.memory.map(m.space, &request).expect("mapped");
    assert!(matches!(
        m.memory.protect(m.space, m.range(at, 1), RW),
        Err(MapError::Denied)
    ));
}

#[test]
fn write_only_and_execute_only_pages_are_readable() {
    let mut m = machine();
    for prot in [Prot::WRITE, Prot::EXEC] {
        let at = m.map(1, prot);
        assert_eq!(m.read(at).expect("readable"), 0);
    }
    let none = m.map(1, Prot::empty());
    let fault = m.read(none).expect_err("PROT_NONE");
    assert!(matches!(fault.violation.signal, ViolationKind::AccErr));
}

#[test]
fn pages_survive_prot_none() {
    let mut m = machine();
    let at = m.map(1, RW);
    m.write(at, 42).expect("written");
    m.memory
        .protect(m.space, m.range(at, 1), Prot::empty())
        .expect("protected");
    assert!(m.read(at).is_err());
    let mut byte = [0];
    assert_eq!(m.memory.peek(m.space, at, &mut byte), 1, "ptrace reads it");
    assert_eq!((byte[0], m.rss()), (42, 1));
    m.memory.protect(m.space, m.range(at, 1), RW).expect("protected");
    assert_eq!(m.read(at).expect("readable"), 42);
    let faults = m.memory.usage(m.space).minor_faults;
    m.write(at, 43).expect("written");
    assert_eq!(
        m.memory.usage(m.space).minor_faults,
        faults,
        "an exclusive page is writable at once"
    );
}

fn remap(old: VirtAddr, old_length: Bytes, new_length: Bytes) -> RemapRequest {
    RemapRequest {
        old,
        old_length,
        new_length,
        may_move: true,
        fixed: None,
        dont_unmap: false,
    }
}

#[test]
fn mremap_grows_in_place_or_moves_the_pages() {
    let mut m = machine();
    let at = m.map_at(0x100_0000, 2, RW);
    m.write(m.up(at, 1), 9).expect("written");
    let request = remap(at, m.bytes(2), m.bytes(4));
    assert_eq!(m.memory.remap(m.space, &request).expect("grown"), at);
    m.map_at(0x100_0000 + 4 * 16384, 1, Prot::READ);
    let stuck = RemapRequest {
        may_move: false,
        ..remap(at, m.bytes(4), m.bytes(5))
    };
    assert!(matches!(m.memory.remap(m.space, &stuck), Err(MapError::NoSpace)));
    let frame = m.memory.page_info(m.space, m.up(at, 1).page(m.granule)).frame;
    let moved = m
        .memory
        .remap(m.space, &remap(at, m.bytes(4), m.bytes(5)))
        .expect("moved");
    assert_ne!(moved, at);
    assert_eq!(m.read(m.up(moved, 1)).expect("moved along"), 9);
    assert_eq!(
        m.memory.page_info(m.space, m.up(moved, 1).page(m.granule)).frame,
        frame,
        "not copied"
    );
    assert!(m.memory.find_vma(m.space, at.page(m.granule)).is_none());
    m.memory.check().expect("every invariant");
}

#[test]
fn mremap_dontunmap_leaves_zeros_behind() {
    let mut m = machine();
    let at = m.map(2, RW);
    m.write(at, 5).expect("written");
    let request = RemapRequest {
        dont_unmap: true,
        ..remap(at, m.bytes(2), m.bytes(2))
    };
    let moved = m.memory.remap(m.space, &request).expect("moved");
    assert_eq!(m.read(moved).expect("there"), 5);
    assert_eq!(m.read(at).expect("still mapped"), 0);
}

#[test]
fn mremap_of_length_zero_duplicates_shared_memory() {
    let mut m = machine();
    let shared = MapRequest {
        sharing: Sharing::Shared,
        ..m.request(2, RW)
    };
    let at = m.memory.map(m.space, &shared).expect("mapped");
    let again = m
        .memory
        .remap(m.space, &remap(at, Bytes::ZERO, m.bytes(2)))
        .expect("doubled");
    m.write(at, 3).expect("written");
    assert_eq!(m.read(again).expect("the same page"), 3);
    let private = m.map(1, Prot::READ);
    let refused = m.memory.remap(m.space, &remap(private, Bytes::ZERO, m.bytes(1)));
    assert!(matches!(refused, Err(MapError::Invalid)));
}

#[test]
fn mremap_says_what_is_wrong() {
    let mut m = machine();
    let at = m.map_at(0x100_0000, 2, RW);
    let fixed = |to: u64| RemapRequest {
        fixed: Some(VirtAddr::new(to)),
        ..remap(at, Bytes::new(2 * 16384), Bytes::new(2 * 16384))
    };
    let unmapped = remap(VirtAddr::new(0x200_0000), m.bytes(1), m.bytes(2));
    assert!(matches!(
        m.memory.remap(m.space, &unmapped),
        Err(MapError::Unmapped)
    ));
    assert!(matches!(
        m.memory.remap(m.space, &remap(at, m.bytes(3), m.bytes(4))),
        Err(MapError::Unmapped)
    ));
    assert!(
        matches!(
            m.memory.remap(m.space, &fixed(0x100_0000 + 16384)),
            Err(MapError::Invalid)
        ),
        "overlap"
    );
    assert!(
        matches!(
            m.memory.remap(m.space, &fixed(0x200_0001)),
            Err(MapError::Invalid)
        ),
        "unaligned"
    );
    assert!(
        matches!(
            m.memory.remap(m.space, &fixed((1 << 47) - 16384)),
            Err(MapError::Invalid)
        ),
        "too high"
    );
    assert!(m.memory.remap(m.space, &fixed(0x200_0000)).is_ok());
}

#[test]
fn the_break_is_exact_to_the_byte() {
    let mut m = machine();
    let start = VirtAddr::new(0x40_0010);
    m.memory.start_break(m.space, start);
    let to = |n: u64| VirtAddr::new(start.get() + n);
    assert_eq!(m.memory.set_break(m.space, to(1)), to(1));
    assert_eq!(m.memory.set_break(m.space, to(40000)), to(40000));
    m.write(to(30000), 8).expect("heap");
    assert_eq!(m.memory.set_break(m.space, to(100)), to(100));
    assert_eq!(m.memory.set_break(m.space, to(40000)), to(40000));
    assert_eq!(
        m.read(to(30000)).expect("heap"),
        0,
        "shrunk and grown reads as zeros"
    );
    assert_eq!(
        m.memory.set_break(m.space, VirtAddr::new(start.get() - 1)),
        to(40000)
    );
    m.map_at(0x48_0000, 1, Prot::READ);
    assert_eq!(
        m.memory.set_break(m.space, VirtAddr::new(0x48_0001)),
        to(40000),
        "collision"
    );
    let limits = Limits {
        data: Some(Bytes::new(50000)),
        ..Limits::default()
    };
    m.memory.set_limits(m.space, limits);
    assert_eq!(m.memory.set_break(m.space, to(50001)), to(40000), "RLIMIT_DATA");
    assert_eq!(m.memory.break_range(m.space), (start, to(40000)));
}

#[test]
fn locks_are_counted_once_and_limited() {
    let mut m = machine();
    let limits = Limits {
        locked: Some(m.bytes(3)),
        ..Limits::default()
    };
    m.memory.set_limits(m.space, limits);
    let at = m.map(4, RW);
    m.memory
        .set_locked(m.space, m.range(at, 2), true, false)
        .expect("two of three");
    assert_eq!(m.rss(), 2, "locking makes present");
    m.memory
        .set_locked(m.space, m.range(at, 3), true, false)
        .expect("overlap counts once");
    let over = m.memory.set_locked(m.space, m.range(at, 4), true, false);
    assert!(matches!(over, Err(MapError::Limit(LimitKind::Locked))));
    let refused = m.memory.advise(m.space, m.range(at, 1), Advice::DontNeed);
    assert!(matches!(refused, Err(MapError::Invalid)));
    assert_eq!(m.memory.usage(m.space).locked, m.bytes(3));
    let child = m.memory.fork_space(m.space).expect("forked");
    assert_eq!(m.memory.usage(child).locked, Bytes::ZERO);
    m.memory
        .set_locked(m.space, m.range(at, 3), false, false)
        .expect("unlocked");
    assert_eq!(m.memory.usage(m.space).locked, Bytes::ZERO);
    m.memory.check().expect("every invariant");
}

#[test]
fn lazily_freed_pages_keep_their_bytes_and_a_write_saves_them() {
    let mut m = machine();
    let at = m.map(2, RW);
    m.write(at, 1).expect("written");
    m.write(m.up(at, 1), 2).expect("written");
    m.memory
        .advise(m.space, m.range(at, 2), Advice::Free)
        .expect("advised");
    let usage = |m: &Machine| {
        let vma = *m.memory.vmas(m.space).next().expect("one mapping");
        m.memory.vma_usage(m.space, &vma)
    };
    assert_eq!(usage(&m).lazy_free, m.bytes(2));
    assert_eq!(usage(&m).private_clean, m.bytes(2));
    m.write(at, 3).expect("written");
    assert_eq!(usage(&m).lazy_free, m.bytes(1));
    assert_eq!(usage(&m).private_dirty, m.bytes(1));
    m.memory
        .protect(m.space, m.range(at, 2), Prot::READ)
        .expect("protected");
    m.memory.protect(m.space, m.range(at, 2), RW).expect("protected");
    assert_eq!(usage(&m).lazy_free, m.bytes(1), "the write is not forgotten");
    assert_eq!(
        (m.read(at).expect("kept"), m.read(m.up(at, 1)).expect("kept")),
        (3, 2)
    );
}

#[test]
fn advice_about_holes_is_taken_on_the_rest() {
    let mut m = machine();
    let at = m.map_at(0x100_0000, 3, RW);
    for page in 0..3 {
        m.write(m.up(at, page), 1).expect("written");
    }
    m.memory.unmap(m.space, m.range(m.up(at, 1), 1)).expect("a hole");
    let answer = m.memory.advise(m.space, m.range(at, 3), Advice::DontNeed);
    assert!(matches!(answer, Err(MapError::Unmapped)));
    assert_eq!(m.rss(), 0);
}

#[test]
fn populating_past_the_end_of_a_file_is_efault() {
    let mut m = machine();
    let backing = TestFile::new(vec![1; 16384]);
    let file = open(&mut m, &backing, 1);
    let at = m.map_file(file, 0, 2, Prot::READ, Sharing::Private);
    let answer = m.memory.advise(m.space, m.range(at, 2), Advice::PopulateRead);
    assert!(matches!(answer, Err(MapError::BadAddress)));
    let answer = m.memory.advise(m.space, m.range(at, 2), Advice::PopulateWrite);
    assert!(matches!(answer, Err(MapError::Invalid)), "not writable");
}

#[test]
fn forks_follow_advice() {
    let mut m = machine();
    let at = m.map_at(0x100_0000, 3, RW);
    for page in 0..3 {
        m.write(m.up(at, page), 1).expect("written");
    }
    m.memory
        .advise(m.space, m.range(at, 1), Advice::DontFork)
        .expect("advised");
    m.memory
        .advise(m.space, m.range(m.up(at, 1), 1), Advice::WipeOnFork)
        .expect("advised");
    let child = m.memory.fork_space(m.space).expect("forked");
    let parent = std::mem::replace(&mut m.space, child);
    let gone = m.read(at).expect_err("not there");
    assert!(matches!(gone.violation.signal, ViolationKind::MapErr));
    assert_eq!(m.read(m.up(at, 1)).expect("wiped"), 0);
    assert_eq!(m.read(m.up(at, 2)).expect("shared"), 1);
    m.memory.destroy_space(parent);
    assert_eq!(
        m.fault(m.up(at, 2), Access::Write).expect("resolved").kind,
        FaultKind::Reuse
    );
}
