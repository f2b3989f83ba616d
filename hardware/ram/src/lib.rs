//! Physical memory: frames of bytes in one host mapping.
