//! A snapshot as JSON, schema `pagewalk.vmmap/1`, both ways and streamed: no tree is built of 60,000 regions.
//!
//! One object: `schema`, `written_by`, `process`, `footprint`, `changed_while_reading`, `not_read` (what is missing and why), `regions`
//! (by address, not coalesced; `null` if they could not be read), `types` (sums by region type), `total`. Sizes are bytes; unknown is
//! `null`, never 0. Addresses are strings in hexadecimal (`"0x7f..."`), because JSON numbers lose the low bits of large integers. Fields may
//! be added within version 1; meanings do not change.
//!
//! [`write()`] prints everything that a [`Snapshot`](crate::Snapshot) has, so [`read()`] gives it back. The reader is strict about the schema's name and version and
//! about what a region may be, and passes over fields that it does not know. The sums (`types`, `total`) are for other readers: they follow from the
//! regions. [`mod@file`] keeps the document in a file. Neighbour: `crate::diff` compares two snapshots.

pub mod file;
mod parts;
mod put;
mod read;
mod region;
mod regions;
mod write;

pub use read::{ReadError, read};
pub use write::write;

/// The schema's name and version.
pub const SCHEMA: &str = "pagewalk.vmmap/1";

/// The schema's name, whatever the version.
const FAMILY: &str = "pagewalk.vmmap/";
