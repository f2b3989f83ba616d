//! The A64 processor: decoder and interpreter.

pub mod simd;
