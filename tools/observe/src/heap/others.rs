//! Mappings of allocators other than glibc's ([`recognise`]). Exact where the allocator names its memory
//! (`PR_SET_VMA_ANON_NAME`); else a guess: its code is loaded and the mapping has the layout that it makes.

use super::memory::{Mapping, Memory};
use super::window::Words;

/// A mapping of a known allocator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recognised {
    /// Index in the list of mappings.
    pub index: usize,
    /// `jemalloc`, `Go`...
    pub allocator: &'static str,
    /// What tells it.
    pub note: String,
    /// Whether it is a guess; show it with a `?`.
    pub is_guess: bool,
}

/// What allocators call their memory: how the name begins, blanks apart.
const NAMES: [(&str, &str); 16] = [
    ("glibc:", "glibc malloc"),
    ("Go:", "Go"),
    ("tcmalloc", "tcmalloc"),
    ("mimalloc", "mimalloc"),
    ("jemalloc", "jemalloc"),
    ("scudo", "scudo"),
    ("cpython", "CPython"),
    ("OCaml", "OCaml"),
    ("dalvik-", "ART"),
    ("libc_malloc", "bionic malloc"),
    ("partition_alloc", "PartitionAlloc"),
    ("v8", "V8"),
    ("V8", "V8"),
    ("Ruby", "Ruby"),
    ("snmalloc", "snmalloc"),
    ("JS Heap", "JavaScriptCore"),
];

/// An allocator that is told by its code and its layout.
struct Known {
    allocator: &'static str,
    /// How the name of a loaded file begins; one that ends in `.so` is the whole name.
    files: &'static [&'static str],
    note: &'static str,
    fits: fn(&Mapping, &mut Words<'_>) -> bool,
}

const KNOWN: [Known; 7] = [
    Known {
        allocator: "CPython",
        files: &["libpython", "python"],
        note: "pools of pymalloc",
        fits: has_pymalloc_pool,
    },
    Known {
        allocator: "musl malloc",
        // Debian's loader is a link to `libc.so`; glibc's is `libc.so.6`.
        files: &["ld-musl-", "libc.musl-", "libc.so"],
        note: "a group that its meta record points back to",
        fits: is_musl_group,
    },
    Known {
        allocator: "mimalloc",
        files: &["libmimalloc"],
        note: "aligned like a segment or an arena",
        fits: |m, _| aligned(m.start, 4 << 20) && m.bytes() >= 64 << 10,
    },
    Known {
        allocator: "jemalloc",
        files: &["libjemalloc"],
        note: "aligned like an extent of 2 MiB",
        fits: |m, _| aligned(m.start, 2 << 20) || (m.bytes() > 0 && aligned(m.bytes(), 2 << 20)),
    },
    Known {
        allocator: "tcmalloc",
        files: &["libtcmalloc"],
        note: "the break, or a span of its growth unit",
        fits: |m, _| &*m.name == "[heap]" || (m.bytes() >= 1 << 20 && aligned(m.bytes(), 128 << 10)),
    },
    Known {
        allocator: "JVM",
        files: &["libjvm.so"],
        note: "below 32 GiB, where compressed pointers reach",
        fits: |m, _| m.start < 32 << 30 && &*m.name != "[heap]" && aligned(m.start, 64 << 10),
    },
    Known {
        allocator: "V8",
        files: &["node", "libnode", "libv8", "chrome", "electron"],
        note: "aligned like its pages of 256 KiB",
        fits: |m, _| aligned(m.start, 256 << 10) && &*m.name != "[heap]" && m.bytes() >= 64 << 10,
    },
];

/// Where Go's heap begins on 64-bit Linux, in arenas of 64 MiB.
const GO_HEAP: std::ops::Range<u64> = 0xc0_0000_0000..0xc1_0000_0000;

/// The mappings that belong to other allocators. `memory` lets layouts be checked that only memory shows; without it
/// fewer are recognised.
#[must_use]
pub fn recognise(maps: &[Mapping], memory: Option<&dyn Memory>) -> Vec<Recognised> {
    let nothing = Nothing;
    let mut words = Words::new(memory.unwrap_or(&nothing));
    let loaded = |known: &&Known| {
        let is_its_file = |m: &Mapping| m.has_file && m.exec && begins_with_any(m.file_name(), known.files);
        maps.iter().any(is_its_file)
    };
    let known: Vec<&Known> = KNOWN.iter().filter(loaded).collect();
    let of = |(index, map): (usize, &Mapping)| {
        let recognised = |allocator, note: &str, is_guess| Recognised {
            index,
            allocator,
            note: note.to_owned(),
            is_guess,
        };
        if let Some(name) = map.anon_name() {
            let (_, allocator) = NAMES
                .iter()
                .find(|(start, _)| name.trim_start().starts_with(start))?;
            return Some(recognised(allocator, name.trim(), false));
        }
        if !map.is_private_anonymous() || !map.write || &*map.name == "[stack]" {
            return None;
        }
        if GO_HEAP.contains(&map.start) && aligned(map.start, 4 << 20) {
            return Some(recognised("Go", "where Go puts its arenas", true));
        }
        let known = known.iter().find(|k| (k.fits)(map, &mut words))?;
        Some(recognised(known.allocator, known.note, true))
    };
    let mut of = of;
    maps.iter().enumerate().filter_map(&mut of).collect()
}

fn begins_with_any(name: &str, starts: &[&str]) -> bool {
    starts.iter().any(|start| match start.ends_with(".so") {
        true => name == *start,
        false => name.starts_with(start),
    })
}

fn aligned(value: u64, unit: u64) -> bool {
    value.is_multiple_of(unit)
}

/// Memory that cannot be read.
struct Nothing;

impl Memory for Nothing {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), super::Hole> {
        Err(super::Hole {
            at: addr,
            end: addr.saturating_add(buf.len() as u64),
            why: super::Why::Unmapped,
        })
    }
}

/// Pools of 16 KiB since 3.10, 4 KiB before. The header of one says the size of its blocks and where the last one begins;
/// both must agree. Arenas merge with their neighbours, so the first pools of every 256 KiB are looked at.
fn has_pymalloc_pool(map: &Mapping, words: &mut Words<'_>) -> bool {
    const ARENA: u64 = 256 << 10;
    const LOOKS: u64 = 64;
    let arenas = (0..LOOKS)
        .map(|i| map.start.saturating_add(i * ARENA))
        .take_while(|&a| a < map.end);
    let mut pools = arenas.flat_map(|arena| {
        [16 << 10, 4 << 10].map(|size| (arena.checked_next_multiple_of(size).unwrap_or(0), size))
    });
    map.bytes() >= ARENA && pools.any(|(pool, size)| map.contains(pool) && is_pool(words, pool, size))
}

fn is_pool(words: &mut Words<'_>, pool: u64, pool_size: u64) -> bool {
    let Ok(header) = words.words(pool, 6) else {
        return false;
    };
    let [count, free, _, _, index, offsets] = header.as_slice() else {
        return false;
    };
    let (class, last) = (index >> 32, offsets >> 32);
    let next = offsets & 0xffff_ffff;
    let block = (class + 1) * 16;
    let blocks = pool_size / block;
    let free_inside = *free == 0 || (pool..pool.saturating_add(pool_size)).contains(free);
    class < 32
        && last == pool_size - block
        && next <= pool_size
        && (1..=blocks).contains(&(count & 0xffff_ffff))
        && free_inside
}

/// The first word of a group is its meta record's address; the record's third is the group's.
fn is_musl_group(map: &Mapping, words: &mut Words<'_>) -> bool {
    let meta = words.word(map.start).unwrap_or(0);
    meta != 0 && meta.is_multiple_of(8) && words.word(meta.wrapping_add(16)) == Ok(map.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(start: u64, bytes: u64, name: &str) -> Mapping {
        Mapping {
            start,
            end: start + bytes,
            read: true,
            write: true,
            has_file: name.starts_with('/'),
            exec: name.starts_with('/'),
            name: name.into(),
            ..Mapping::default()
        }
    }

    #[test]
    fn names_are_exact_and_layouts_are_guesses() {
        let maps = [
            map(0x1000, 0x1000, "[anon: Go: heap]"),
            map(0x8000, 0x1000, "[anon:jemalloc_pg]"),
            map(0xa000, 0x1000, "[anon:tcmalloc_region_NORMAL]"),
            map(0xc000, 0x1000, "[anon:unknown thing]"),
            map(0xc0_0000_0000, 64 << 20, ""),
            map(0x7f00_0000_0000, 2 << 20, ""),
            map(0x7f10_0000_0000, 0x1000, "/usr/lib/libjemalloc.so.2"),
        ];
        let found = recognise(&maps, None);
        let short: Vec<_> = found.iter().map(|r| (r.index, r.allocator, r.is_guess)).collect();
        let expected = [
            (0, "Go", false),
            (1, "jemalloc", false),
            (2, "tcmalloc", false),
            (4, "Go", true),
            (5, "jemalloc", true),
        ];
        assert_eq!(short, expected);
        assert_eq!(found[0].note, "Go: heap");
    }

    #[test]
    fn a_layout_without_the_code_is_nothing() {
        let maps = [map(0x7f00_0000_0000, 4 << 20, ""), map(0x5000_0000, 64 << 20, "")];
        assert_eq!(recognise(&maps, None), []);
    }
}
