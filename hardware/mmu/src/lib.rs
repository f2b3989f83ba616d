//! Translation: the page-table walker, the fast translation tables, and their counters.
