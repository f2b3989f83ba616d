//! The allocator's own view of a process's memory: glibc's arenas walked chunk by chunk, other allocators recognised.
//!
//! - [`Memory`] reads bytes and says where it cannot ([`Hole`]); [`ProcMemory`] reads a live process through `PID/mem`,
//!   masked by `PID/pagemap` so that no page is ever faulted into the target; `DumpedMemory` reads a core file;
//! - [`Mapping`] is what the walker must know of the address space;
//! - [`glibc_zones`] finds `main_arena` by its shape (never by version), walks every arena and gives [`Zones`];
//! - [`recognise`] names mappings that belong to other allocators, guesses marked.
//!
//! What is counted, and how it relates to `malloc_stats(3)` and `mallinfo2(3)`, stands at [`Counts`].
//!
//! Neighbours: `procfs` below. Absent on purpose: resident, dirty and swapped sizes of a zone; whoever has the regions
//! intersects them with [`Zone::ranges`].
//!
//! How the walk goes:
//!
//! ```text
//! segments of libc -> find: bins that point to themselves -> malloc_state, its list `next` -> arenas
//!                  -> params: n_mmaps, mmapped_mem, sbrk_base
//! arena -> heaps (brk, heap_info list, sweep) -> chunks (linear walk) -> lists (fastbins) -> Counts
//! candidates for tcache met on the way -> lists (tcache), when the ranges of all arenas are known
//! ```

mod arena;
mod chunks;
mod dumped_memory;
mod fastbins;
mod find;
mod glibc;
mod heaps;
mod memory;
mod others;
mod params;
mod proc_memory;
mod state;
mod sweep;
mod tcache;
#[cfg(test)]
mod tests;
mod window;
mod zone;

pub(crate) use dumped_memory::DumpedMemory;
pub use glibc::{Limits, glibc_zones};
pub use memory::{Hole, Mapping, Memory, Why};
pub use others::{Recognised, recognise};
pub use proc_memory::ProcMemory;
pub use zone::{Counts, Range, RangeKind, Reading, Tcache, Zone, ZoneKind, Zones};
