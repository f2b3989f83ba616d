//! The walker on memory that no process would have: random bytes, lists in circles, pages in swap.

use super::memory::{Hole, Mapping, Memory, Why};
use super::zone::{Reading, Zones};
use super::{Limits, glibc_zones};
use proptest::prelude::*;

/// Memory made of pieces; everything else is a hole. Some pages are in swap.
struct Pieces {
    pieces: Vec<(u64, Vec<u8>)>,
    swapped: Vec<u64>,
}

const PAGE: u64 = 4096;

impl Memory for Pieces {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), Hole> {
        for (byte, at) in buf.iter_mut().zip(addr..) {
            let page = at / PAGE * PAGE;
            let hole = |why| Hole {
                at,
                end: page + PAGE,
                why,
            };
            if self.swapped.contains(&page) {
                return Err(hole(Why::Swapped));
            }
            let piece = self
                .pieces
                .iter()
                .find(|(start, bytes)| (*start..start + bytes.len() as u64).contains(&at));
            let (start, bytes) = piece.ok_or(hole(Why::Unmapped))?;
            *byte = bytes[(at - start) as usize];
        }
        Ok(())
    }
}

const LIBC: u64 = 0x7f00_0000_0000;
const HEAP: u64 = 0x5500_0000_0000;

fn maps(libc: u64, heap: u64) -> Vec<Mapping> {
    let base = Mapping {
        read: true,
        write: true,
        ..Mapping::default()
    };
    vec![
        Mapping {
            start: HEAP,
            end: HEAP + heap,
            name: "[heap]".into(),
            ..base.clone()
        },
        Mapping {
            start: LIBC,
            end: LIBC + libc,
            has_file: true,
            name: "/usr/lib/libc.so.6".into(),
            ..base
        },
    ]
}

fn put(bytes: &mut [u8], at: u64, word: u64) {
    bytes[at as usize..at as usize + 8].copy_from_slice(&word.to_le_bytes());
}

/// A libc with a main arena of the layout that has `before` bytes before its bins, and a heap of `chunks` chunks of 512
/// bytes in use.
fn process(before: u64, chunks: u64) -> (Pieces, Vec<Mapping>) {
    let mut libc = vec![0; 8192];
    let size = (chunks * 512 + 64).next_multiple_of(PAGE);
    let mut heap = vec![0; size as usize];
    for i in 0..chunks {
        put(&mut heap, i * 512 + 8, 512 | 1);
    }
    let top = chunks * 512;
    put(&mut heap, top + 8, (size - top) | 1);
    let arena = LIBC + 256;
    let bins = 256 + before;
    for bin in 0..127 {
        put(&mut libc, bins + bin * 16, LIBC + bins + bin * 16 - 16);
        put(&mut libc, bins + bin * 16 + 8, LIBC + bins + bin * 16 - 16);
    }
    put(&mut libc, bins - 16, HEAP + top);
    let next = bins + 127 * 16 + 16;
    for (offset, word) in [(0, arena), (16, 1), (24, size), (32, size)] {
        put(&mut libc, next + offset, word);
    }
    let pieces = Pieces {
        pieces: vec![(HEAP, heap), (LIBC, libc)],
        swapped: Vec::new(),
    };
    (pieces, maps(8192, size))
}

fn walk(memory: &Pieces, maps: &[Mapping]) -> Zones {
    glibc_zones(memory, maps, PAGE, Limits::default())
}

#[test]
fn every_layout_is_found_by_its_shape() {
    for before in [24, 32, 104, 112, 128] {
        let (memory, maps) = process(before, 100);
        let zones = walk(&memory, &maps);
        let zone = zones
            .zones
            .first()
            .unwrap_or_else(|| panic!("{before}: {zones:?}"));
        let counts = zone.counts.unwrap();
        assert_eq!(zone.reading, Reading::Whole, "{before}");
        assert_eq!(
            (counts.allocated_chunks, counts.allocated_bytes),
            (100, 51200),
            "{before}"
        );
        assert_eq!(counts.glibc_in_use_bytes, Some(51200));
    }
}

#[test]
fn pages_in_swap_are_left_out_and_said() {
    let (mut memory, maps) = process(112, 200);
    memory.swapped = vec![HEAP + 5 * PAGE, HEAP + 6 * PAGE];
    let zones = walk(&memory, &maps);
    let zone = &zones.zones[0];
    let counts = zone.counts.unwrap();
    assert!(
        matches!(&zone.reading, Reading::Partial { why } if why.contains("swap")),
        "{:?}",
        zone.reading
    );
    assert_eq!(zones.swapped_pages, 2);
    assert!(
        zones.gaps.iter().any(|g| g.contains("2 pages in swap")),
        "{:?}",
        zones.gaps
    );
    assert_eq!(
        counts.glibc_in_use_bytes, None,
        "an upper bound would be no answer"
    );
    assert!((180..200).contains(&counts.allocated_chunks), "{counts:?}");
    assert!(
        (2 * PAGE..4 * PAGE).contains(&counts.unwalked_bytes),
        "{counts:?}"
    );
}

#[test]
fn a_damaged_chunk_is_said() {
    for (word, place) in [(0, 50), (u64::MAX, 50), (16, 51), (513 << 20, 60), (512, 70)] {
        let (mut memory, maps) = process(112, 100);
        put(&mut memory.pieces[0].1, place * 512 + 8, word);
        let zones = walk(&memory, &maps);
        assert!(
            matches!(zones.zones[0].reading, Reading::Torn { retries: 3, .. }),
            "{word:#x}: {:?}",
            zones.zones[0].reading
        );
    }
}

#[test]
fn a_libc_without_an_arena_is_said_and_no_libc_is_not() {
    let memory = Pieces {
        pieces: vec![(LIBC, vec![0; 8192])],
        swapped: Vec::new(),
    };
    let zones = walk(&memory, &maps(8192, PAGE));
    assert!(zones.zones.is_empty());
    assert!(
        zones.gaps[0].contains("its arenas were not understood"),
        "{:?}",
        zones.gaps
    );
    assert_eq!(walk(&memory, &[]), Zones::default());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the heap and the arena hold, the walk ends, without a panic and within its bounds.
    #[test]
    fn random_bytes_never_panic(
        spots in prop::collection::vec((0u64..1500, prop_oneof![
            any::<u64>(),
            (0u64..0x4000).prop_map(|n| HEAP + n * 8),
            (0u64..1024).prop_map(|n| LIBC + n * 8),
            (0u64..4096).prop_map(|n| n * 8 + 1),
        ]), 0..40),
        in_heap in any::<bool>(),
        swapped in prop::collection::vec(0u64..32, 0..3),
        before in prop::sample::select(vec![24u64, 32, 104, 112]),
    ) {
        let (mut memory, maps) = process(before, 200);
        let piece = usize::from(!in_heap);
        for (place, word) in spots {
            let bytes = &mut memory.pieces[piece].1;
            let most = bytes.len() as u64 / 8;
            put(bytes, place % most * 8, word);
        }
        memory.swapped = swapped.iter().map(|n| HEAP + n * PAGE).collect();
        let zones = walk(&memory, &maps);
        for zone in &zones.zones {
            if let (Some(counts), Reading::Whole) = (zone.counts, &zone.reading) {
                prop_assert!(counts.allocated_bytes <= zone.system_bytes);
            }
        }
    }

    /// Pure noise.
    #[test]
    fn noise_never_panics(libc in prop::collection::vec(any::<u8>(), 4096), heap in prop::collection::vec(any::<u8>(), 4096)) {
        let memory = Pieces { pieces: vec![(HEAP, heap), (LIBC, libc)], swapped: Vec::new() };
        let zones = walk(&memory, &maps(4096, 4096));
        prop_assert!(zones.zones.is_empty());
    }
}
