//! The ELF reader against crafted files: one clear error for each malformed kind, and no panic on any bytes.

use arch::Granule;
use proptest::prelude::*;

use super::elf::Image;
use super::error::{ElfError, ExecError};

/// A segment of a crafted file.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) file_size: u64,
    pub(crate) memory_size: u64,
    pub(crate) align: u64,
}

/// One readable, writable, executable segment over the whole file, at 4 MiB.
pub(crate) const WHOLE: Piece = Piece {
    kind: 1,
    flags: 7,
    offset: 0,
    address: 0x40_0000,
    file_size: 0x200,
    memory_size: 0x200,
    align: 0x1_0000,
};

/// An ELF64 file for AArch64 with these program headers, padded with zeros to `length` (System V ABI, figure 4-3).
pub(crate) fn craft(kind: u16, pieces: &[Piece], length: usize) -> Vec<u8> {
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(16, 0);
    out.extend(kind.to_le_bytes());
    out.extend(183u16.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    out.extend(0x40_0100u64.to_le_bytes());
    out.extend(64u64.to_le_bytes());
    out.extend(0u64.to_le_bytes());
    out.extend(0u32.to_le_bytes());
    for half in [64u16, 56, pieces.len() as u16, 0, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    for p in pieces {
        out.extend(p.kind.to_le_bytes());
        out.extend(p.flags.to_le_bytes());
        for word in [
            p.offset,
            p.address,
            p.address,
            p.file_size,
            p.memory_size,
            p.align,
        ] {
            out.extend(word.to_le_bytes());
        }
    }
    out.resize(out.len().max(length), 0);
    out
}

fn read(bytes: &[u8]) -> Result<Image, ExecError> {
    let mut source = bytes;
    Image::read(&mut source, Granule::K16)
}

fn refused(bytes: &[u8]) -> ElfError {
    match read(bytes) {
        Err(ExecError::Elf(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// A good file with some bytes changed.
fn changed(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = craft(2, &[WHOLE], 0x200);
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn a_good_file_is_read() {
    let data = Piece {
        flags: 6,
        address: 0x42_0100,
        offset: 0x100,
        file_size: 0x80,
        memory_size: 0x8000,
        ..WHOLE
    };
    let image = read(&craft(2, &[WHOLE, data], 0x200)).expect("a good file");
    assert_eq!((image.entry, image.headers_at), (0x40_0100, 0x40_0040));
    assert_eq!(image.segments.len(), 2);
    assert_eq!(image.extent(), (0x40_0000, 0x42_8100));
    assert!(!image.relocatable && image.interpreter.is_none());
}

#[test]
fn each_malformed_kind_has_its_error() {
    assert_eq!(refused(b""), ElfError::Empty);
    assert_eq!(refused(b"hello, world"), ElfError::NotElf);
    assert_eq!(refused(b"\x7fE"), ElfError::NotElf);
    assert_eq!(
        refused(b"#! /bin/sh -e\necho"),
        ElfError::Script {
            interpreter: b"/bin/sh -e".to_vec()
        }
    );
    assert_eq!(refused(&changed(18, &62u16.to_le_bytes())), ElfError::Machine(62));
    assert_eq!(refused(&changed(4, &[1])), ElfError::Class(1));
    assert_eq!(refused(&changed(5, &[2])), ElfError::ByteOrder(2));
    assert_eq!(refused(&changed(16, &1u16.to_le_bytes())), ElfError::Type(1));
    assert_eq!(
        refused(&changed(54, &55u16.to_le_bytes())),
        ElfError::Headers { size: 55, count: 1 }
    );
    assert_eq!(
        refused(&craft(2, &[], 0x200)),
        ElfError::Headers { size: 56, count: 0 }
    );
    assert_eq!(
        refused(&craft(2, &[Piece { kind: 4, ..WHOLE }], 0x200)),
        ElfError::NothingToLoad
    );
    assert_eq!(
        refused(&craft(
            2,
            &[Piece {
                memory_size: 0x1ff,
                ..WHOLE
            }],
            0x200
        )),
        ElfError::FileLarger { segment: 0 }
    );
    assert_eq!(
        refused(&craft(2, &[WHOLE, WHOLE], 0x200)),
        ElfError::Order { segment: 1 }
    );
}

/// GNU ld gives a data segment of zeros only an offset past the file's end.
#[test]
fn a_segment_without_bytes_may_have_any_offset() {
    let zeros = Piece {
        offset: 0x1_fff0,
        address: 0x41_fff0,
        file_size: 0,
        ..WHOLE
    };
    let image = read(&craft(2, &[WHOLE, zeros], 0x200)).expect("a good program");
    assert_eq!(image.segments.len(), 2);
}

#[test]
fn a_file_cut_anywhere_is_truncated() {
    let good = craft(2, &[WHOLE], 0x200);
    for length in 4..good.len() {
        let error = refused(&good[..length]);
        assert!(matches!(error, ElfError::Truncated { .. }), "{length}: {error:?}");
    }
    assert!(read(&good).is_ok());
}

#[test]
fn alignment_is_judged_by_the_page_size() {
    let small = craft(2, &[Piece { align: 4096, ..WHOLE }], 0x200);
    let error = ElfError::Alignment {
        segment: 0,
        align: 4096,
        page: 16384,
    };
    assert_eq!(refused(&small), error);
    assert!(error.to_string().contains("max-page-size=16384"));
    let mut source = &small[..];
    assert!(Image::read(&mut source, Granule::K4).is_ok());
    let piece = Piece {
        address: 0x40_1000,
        ..WHOLE
    };
    assert!(matches!(
        refused(&craft(2, &[piece], 0x200)),
        ElfError::Incongruent { segment: 0, .. }
    ));
}

#[test]
fn addresses_must_be_user_spaces() {
    for (address, size) in [
        (1 << 47, 0x200),
        ((1 << 47) - 0x4000, 0x200),
        (!0xffff, 0x200),
        (0x40_0000, u64::MAX),
    ] {
        let piece = Piece {
            address,
            memory_size: size,
            ..WHOLE
        };
        assert!(
            matches!(refused(&craft(2, &[piece], 0x200)), ElfError::Address { .. }),
            "{address:#x}"
        );
    }
}

#[test]
fn an_interpreter_is_named() {
    let mut file = craft(
        3,
        &[
            Piece {
                kind: 3,
                offset: 0x180,
                file_size: 8,
                ..WHOLE
            },
            WHOLE,
        ],
        0x200,
    );
    file[0x180..0x188].copy_from_slice(b"/lib/ld\0");
    let image = read(&file).expect("a good file");
    assert_eq!(image.interpreter.as_deref(), Some(&b"/lib/ld"[..]));
    file[0x187] = b'x';
    assert_eq!(refused(&file), ElfError::InterpreterName);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever the bytes are, the answer is an image or an error.
    #[test]
    fn mutated_files_never_panic(edits in prop::collection::vec((0usize..0x200, any::<u8>()), 0..12), cut in 0usize..0x201) {
        let data = Piece { address: 0x42_0100, offset: 0x100, file_size: 0x80, ..WHOLE };
        let interp = Piece { kind: 3, offset: 0x180, file_size: 8, ..WHOLE };
        let mut file = craft(2, &[interp, WHOLE, data], 0x200);
        for (at, byte) in edits {
            file[at] = byte;
        }
        file.truncate(cut);
        if let Ok(image) = read(&file) {
            for s in &image.segments {
                prop_assert!(s.file_size <= s.memory_size);
                prop_assert!(s.address + s.memory_size <= Granule::K16.user_end());
            }
        }
    }
}
