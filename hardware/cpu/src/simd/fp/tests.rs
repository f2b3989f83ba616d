//! The exact core against the host's floating point, and values from the manual.
