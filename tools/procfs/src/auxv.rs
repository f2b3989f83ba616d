//! `PID/auxv`: the auxiliary vector that the kernel gave the program ([`Auxv`]; getauxval(3)).

use crate::{ParseError, Text};

/// Types of entry that the tools use (`include/uapi/linux/auxvec.h`).
pub mod at {
    /// Ends the vector.
    pub const NULL: u64 = 0;
    /// Address of the program headers.
    pub const PHDR: u64 = 3;
    /// Size of one program header.
    pub const PHENT: u64 = 4;
    /// Number of program headers.
    pub const PHNUM: u64 = 5;
    /// Page size.
    pub const PAGESZ: u64 = 6;
    /// Base address of the interpreter.
    pub const BASE: u64 = 7;
    /// Entry point of the program.
    pub const ENTRY: u64 = 9;
    /// Address of the platform's name, such as `aarch64`.
    pub const PLATFORM: u64 = 15;
    /// Clock ticks a second.
    pub const CLKTCK: u64 = 17;
    /// Address of the vDSO's ELF header.
    pub const SYSINFO_EHDR: u64 = 33;
}

/// One pair of the vector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuxEntry {
    /// `AT_*`, see [`at`].
    pub kind: u64,
    /// Its value.
    pub value: u64,
}

/// `PID/auxv` of a 64-bit little-endian process, its final `AT_NULL` included. Empty for kernel threads.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Auxv(pub Vec<AuxEntry>);

impl Auxv {
    /// The value of the first entry of `kind`.
    #[must_use]
    pub fn get(&self, kind: u64) -> Option<u64> {
        self.0.iter().find(|e| e.kind == kind).map(|e| e.value)
    }
}

impl Text for Auxv {
    const FILE: &'static str = "auxv";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let (words, rest) = bytes.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(ParseError::new(
                "auxv",
                words.len() + 1,
                "a pair of 64-bit words",
                rest,
            ));
        }
        let pair = |w: &[u8; 16]| {
            let both = u128::from_le_bytes(*w);
            AuxEntry {
                kind: both as u64,
                value: (both >> 64) as u64,
            }
        };
        Ok(Self(words.iter().map(pair).collect()))
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        for entry in &self.0 {
            out.extend_from_slice(&entry.kind.to_le_bytes());
            out.extend_from_slice(&entry.value.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_page_size_and_refuses_a_torn_pair() {
        let auxv = Auxv(vec![
            AuxEntry {
                kind: at::PAGESZ,
                value: 16384,
            },
            AuxEntry { kind: 0, value: 0 },
        ]);
        assert_eq!(Auxv::parse(&auxv.print()), Ok(auxv.clone()));
        assert_eq!(auxv.get(at::PAGESZ), Some(16384));
        assert_eq!(auxv.get(at::PHDR), None);
        assert_eq!(Auxv::parse(&[0; 24]).unwrap_err().line, 2);
    }
}
