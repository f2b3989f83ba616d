//! Where a program's parts go in the address space, as arm64 Linux places them (`mmap_base`, `arch_randomize_brk`,
//! `randomize_stack_top`, `ELF_ET_DYN_BASE`), with or without randomness.

use arch::{Granule, VirtAddr};
use mm::Layout;

use crate::rng::Rng;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Linux keeps so many pages free below the stack (`stack_guard_gap`).
const GUARD_PAGES: u64 = 256;
/// `vm.mmap_min_addr`.
const LOWEST: u64 = 65536;

/// The places of one program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Places {
    /// The end of the stack, page aligned.
    pub(crate) stack_top: u64,
    /// How far the stack pointer is moved below the strings, less than a page.
    pub(crate) displacement: u64,
    /// Below it mappings are placed.
    pub(crate) mmap_top: u64,
    /// Where a program that may lie anywhere begins.
    pub(crate) program: u64,
    /// Between the program's end and the heap.
    pub(crate) heap_gap: u64,
}

impl Places {
    /// Chooses them. `stack` is the stack limit in bytes, or `None` for none.
    pub(crate) fn choose(granule: Granule, stack: Option<u64>, random: bool, rng: &mut Rng) -> Self {
        let page = granule.bytes();
        let end = granule.user_end();
        let mut draw = |range: u64| if random { rng.below(range) } else { 0 };
        let stack_top = end - draw(GIB / page) * page;
        let displacement = draw(page);
        let mmap_random = draw(1 << mmap_bits(granule)) * page;
        let stack_random = if random { GIB } else { 0 };
        // An unlimited stack gets the largest gap; Linux would place bottom-up instead.
        let gap = stack.unwrap_or(u64::MAX);
        let gap = gap.saturating_add(GUARD_PAGES * page + stack_random);
        let gap = gap.clamp(128 * MIB, end / 6 * 5);
        let round = |address: u64| address & !(page - 1);
        Self {
            stack_top,
            displacement,
            mmap_top: round(end - gap - mmap_random),
            program: round(end / 3 * 2) + draw(1 << mmap_bits(granule)) * page,
            heap_gap: draw(GIB / page) * page,
        }
    }

    /// What mm needs of them.
    pub(crate) fn layout(&self) -> Layout {
        Layout {
            mmap_top: VirtAddr::new(self.mmap_top),
            lowest: VirtAddr::new(LOWEST),
        }
    }
}

/// `vm.mmap_rnd_bits` as arm64 sets it by default.
fn mmap_bits(granule: Granule) -> u32 {
    match granule {
        Granule::K4 => 18,
        Granule::K16 => 16,
        Granule::K64 => 14,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_the_places() {
        for granule in Granule::ALL {
            let choose = |seed| Places::choose(granule, Some(8 << 20), true, &mut Rng::new(seed));
            assert_eq!(choose(1), choose(1));
            assert_ne!(choose(1), choose(2));
        }
    }

    #[test]
    fn places_are_aligned_and_apart() {
        for granule in Granule::ALL {
            let page = granule.bytes();
            for seed in 0..50 {
                let p = Places::choose(granule, Some(8 << 20), true, &mut Rng::new(seed));
                assert!(p.stack_top <= granule.user_end() && p.stack_top > granule.user_end() - GIB);
                for address in [p.stack_top, p.mmap_top, p.program, p.heap_gap] {
                    assert_eq!(address % page, 0);
                }
                assert!(p.displacement < page);
                // The whole stack and its guard fit above the mappings.
                assert!(p.mmap_top + (8 << 20) + GUARD_PAGES * page <= p.stack_top);
                assert!(p.program + p.heap_gap + GIB < p.mmap_top);
            }
        }
    }

    /// Without randomness at 4 KiB: the addresses that `setarch -R` shows on arm64 Linux.
    #[test]
    fn without_randomness_places_are_linuxs() {
        let p = Places::choose(Granule::K4, Some(8 << 20), false, &mut Rng::new(0));
        assert_eq!(p.stack_top, 0x1_0000_0000_0000);
        assert_eq!(p.program, 0xaaaa_aaaa_a000);
        assert_eq!(p.mmap_top, 0x1_0000_0000_0000 - (128 << 20));
    }
}
