//! The A64 processor: decoder and interpreter.
