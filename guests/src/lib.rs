//! The bundled guest programs: small AArch64 ELF files, embedded.
