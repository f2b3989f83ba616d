//! Address spaces, page tables, faults, copy-on-write, the page cache and the reverse map.
