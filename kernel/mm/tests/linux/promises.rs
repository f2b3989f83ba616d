//! What may be promised (`vm.overcommit_memory`), and what a mapping's guards, seals and locks hold back, where a guest on a
//! shared host cannot ask: the rule belongs to the whole machine.

use crate::common::{Machine, RW};
use arch::{Bytes, Granule, VirtAddr};
use mm::{
    Advice, Content, LockFuture, MapError, MapRequest, Overcommit, Placement, Policy, Prot, RemapRequest,
    Sharing,
};

const GRANULE: Granule = Granule::K16;
/// Of 64 frames: half of RAM in mode 2.
const LIMIT: u64 = 32;

fn machine(mode: u8) -> Machine {
    let mut machine = Machine::new(GRANULE, 64);
    let rule = Overcommit {
        mode,
        ..Overcommit::default()
    };
    machine.memory.set_overcommit(rule);
    // Root's own reserve is not kept from it.
    let limits = mm::Limits {
        admin: true,
        ..*machine.memory.limits(machine.space)
    };
    machine.memory.set_limits(machine.space, limits);
    machine
}

fn try_map(m: &mut Machine, pages: u64, prot: Prot) -> Result<VirtAddr, MapError> {
    let request = m.request(pages, prot);
    let mapped = m.memory.map(m.space, &request);
    m.memory.check().expect("every invariant");
    mapped
}

#[test]
fn mode_0_refuses_one_request_beyond_ram() {
    let mut m = machine(0);
    assert!(matches!(try_map(&mut m, 65, RW), Err(MapError::Overcommit)));
    for _ in 0..4 {
        assert!(try_map(&mut m, 64, RW).is_ok());
    }
    assert!(try_map(&mut m, 65, Prot::READ).is_ok());
    let unreserved = MapRequest {
        no_reserve: true,
        ..m.request(1000, RW)
    };
    assert!(m.memory.map(m.space, &unreserved).is_ok());
}

#[test]
fn mode_1_refuses_nothing() {
    let mut m = machine(1);
    assert!(try_map(&mut m, 100_000, RW).is_ok());
    assert!(m.memory.may_fork(m.space).is_ok());
}

#[test]
fn mode_2_keeps_all_promises_within_the_limit() {
    let mut m = machine(2);
    // The rule computes with whole hundredths of RAM.
    let limit = m.memory.commit_limit().get() >> GRANULE.shift();
    assert!((LIMIT - 1..=LIMIT).contains(&limit), "{limit}");
    let first = try_map(&mut m, 20, RW).expect("within");
    assert_eq!(m.memory.committed(), m.bytes(20));
    assert!(matches!(try_map(&mut m, 20, RW), Err(MapError::Overcommit)));
    // MAP_NORESERVE has no meaning.
    let unreserved = MapRequest {
        no_reserve: true,
        ..m.request(20, RW)
    };
    let refused = m.memory.map(m.space, &unreserved);
    assert!(matches!(refused, Err(MapError::Overcommit)));
    // What is not written needs no promise, until it can be.
    let later = try_map(&mut m, 20, Prot::READ).expect("nothing is promised");
    let range = m.range(later, 20);
    let refused = m.memory.protect(m.space, range, RW);
    assert!(matches!(refused, Err(MapError::Overcommit)));
    // A copy would promise the same again.
    assert!(matches!(m.memory.may_fork(m.space), Err(MapError::Overcommit)));
    let grown = RemapRequest {
        old: first,
        old_length: m.bytes(20),
        new_length: m.bytes(40),
        may_move: true,
        fixed: None,
        dont_unmap: false,
    };
    assert!(matches!(
        m.memory.remap(m.space, &grown),
        Err(MapError::Overcommit)
    ));
    let range = m.range(first, 20);
    m.memory.unmap(m.space, range).expect("unmapped");
    assert_eq!(m.memory.committed(), Bytes::ZERO);
    assert!(try_map(&mut m, 20, RW).is_ok());
}

#[test]
fn mode_2_holds_the_break_and_shared_memory() {
    let mut m = machine(2);
    let start = VirtAddr::new(0x1000_0000);
    m.memory.start_break(m.space, start);
    let far = m.up(start, 40);
    assert_eq!(m.memory.set_break(m.space, far), start);
    let near = m.up(start, 4);
    assert_eq!(m.memory.set_break(m.space, near), near);
    let shared = MapRequest {
        sharing: Sharing::Shared,
        content: Content::Anonymous,
        ..m.request(20, RW)
    };
    assert!(m.memory.map(m.space, &shared).is_ok());
    assert_eq!(m.memory.committed(), m.bytes(24));
    assert!(matches!(
        m.memory.map(m.space, &shared),
        Err(MapError::Overcommit)
    ));
    let segment = m.memory.open_segment(m.space, b"/SYSV", m.bytes(20), true);
    assert!(matches!(segment, Err(MapError::Overcommit)));
}

#[test]
fn a_ratio_and_a_size_make_the_limit() {
    let mut m = machine(2);
    m.memory.set_overcommit(Overcommit {
        mode: 2,
        ratio: 0,
        kbytes: 160,
    });
    assert_eq!(m.memory.commit_limit(), Bytes::new(160 << 10));
    assert!(try_map(&mut m, 10, RW).is_ok());
    assert!(matches!(try_map(&mut m, 1, RW), Err(MapError::Overcommit)));
}

#[test]
fn guards_go_with_their_pages_and_into_children() {
    let mut m = machine(0);
    let at = m.map(8, RW);
    let guarded = m.range(m.up(at, 2), 3);
    m.memory
        .advise(m.space, guarded, Advice::GuardInstall)
        .expect("guarded");
    assert!(m.write(m.up(at, 2), 1).is_err());
    assert!(m.write(m.up(at, 5), 1).is_ok());
    let child = m.memory.fork_space(m.space).expect("a child");
    let mut byte = [0];
    assert!(m.memory.copy_in(child, m.up(at, 4), &mut byte).is_err());
    assert!(m.memory.copy_in(child, m.up(at, 5), &mut byte).is_ok());
    m.memory.destroy_space(child);
    // A mapping in the middle takes its page's guard away, and no other.
    m.map_at(m.up(at, 3).get(), 1, RW);
    assert!(m.read(m.up(at, 3)).is_ok());
    assert!(m.read(m.up(at, 2)).is_err() && m.read(m.up(at, 4)).is_err());
    m.memory.check().expect("every invariant");
}

#[test]
fn sealed_memory_stays_as_it_is() {
    let mut m = machine(0);
    let at = m.map(4, RW);
    let inner = m.range(m.up(at, 1), 1);
    m.memory.seal(m.space, inner).expect("sealed");
    assert_eq!(m.maps(at), [(0, 1), (1, 1), (2, 2)]);
    let all = m.range(at, 4);
    assert!(matches!(m.memory.unmap(m.space, all), Err(MapError::Sealed)));
    assert!(matches!(
        m.memory.protect(m.space, inner, Prot::READ),
        Err(MapError::Sealed)
    ));
    let over = MapRequest {
        placement: Placement::Fixed(at),
        ..m.request(4, RW)
    };
    assert!(matches!(m.memory.map(m.space, &over), Err(MapError::Sealed)));
    assert_eq!(m.maps(at), [(0, 1), (1, 1), (2, 2)]);
}

#[test]
fn policies_cut_mappings_and_come_together_again() {
    let mut m = machine(0);
    let at = m.map(3, RW);
    let inner = m.range(m.up(at, 1), 1);
    m.memory.set_policy(m.space, inner, Policy::Bind).expect("set");
    assert_eq!(m.maps(at), [(0, 1), (1, 1), (2, 1)]);
    let found = m.memory.find_vma(m.space, inner.start()).expect("mapped");
    assert_eq!(found.policy(), Policy::Bind);
    m.memory.set_policy(m.space, inner, Policy::Default).expect("set");
    assert_eq!(m.maps(at), [(0, 3)]);
}

#[test]
fn what_is_mapped_later_is_locked_and_present() {
    let mut m = machine(0);
    m.memory.set_lock_future(m.space, LockFuture::Present);
    m.map(4, RW);
    assert_eq!((m.rss(), m.memory.usage(m.space).locked), (4, m.bytes(4)));
    m.memory.set_lock_future(m.space, LockFuture::OnFault);
    // Merged with the first: both are locked.
    m.map(4, RW);
    assert_eq!((m.rss(), m.memory.usage(m.space).locked), (4, m.bytes(8)));
    let child = m.memory.fork_space(m.space).expect("a child");
    assert_eq!(m.memory.usage(child).locked, Bytes::ZERO);
}

#[test]
fn a_hole_reads_as_zeros_everywhere_but_in_private_copies() {
    let mut m = machine(0);
    let file = m.memory.open_shared(b"/memfd:x", m.bytes(4));
    let shared = m.map_file(file, 0, 4, RW, Sharing::Shared);
    let private = m.map_file(file, 0, 4, RW, Sharing::Private);
    for page in 0..4 {
        m.write(m.up(shared, page), 7).expect("written");
    }
    m.write(m.up(private, 2), 9).expect("copied");
    let range = m.range(m.up(shared, 1), 2);
    let before = m.memory.frames().shmem;
    m.memory.advise(m.space, range, Advice::Remove).expect("a hole");
    m.memory.check().expect("every invariant");
    assert_eq!(before.get() - m.memory.frames().shmem.get(), 2);
    let seen: Vec<u8> = (0..4)
        .map(|page| m.read(m.up(shared, page)).expect("zeros"))
        .collect();
    assert_eq!(seen, [7, 0, 0, 7]);
    assert_eq!(m.read(m.up(private, 2)).expect("its own"), 9);
}
