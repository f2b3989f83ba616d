//! The sections of an ELF file at the addresses where they are loaded ([`Section`]; elf(5)).

use crate::printable;
use object::LittleEndian;
use object::elf::{FileHeader64, SHF_ALLOC, SHF_TLS, SHT_NOBITS, SectionHeader64};
use object::read::elf::FileHeader;
use procfs::Addr;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Part of an image, as its linker named it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// First address.
    pub start: Addr,
    /// First address past the end.
    pub end: Addr,
    /// Its name, such as `.text`.
    pub name: String,
}

/// Largest table of names that is read; the largest programs have some kilobytes.
const MOST_NAME_BYTES: u64 = 1 << 20;

/// Most sections that are read.
const MOST_SECTIONS: u16 = 4096;

/// The loaded sections of a file; none if it has no section headers or they make no sense.
pub(super) fn read(file: &File, bias: u64) -> Vec<Section> {
    try_read(file, bias).unwrap_or_default()
}

fn try_read(file: &File, bias: u64) -> Option<Vec<Section>> {
    let head = piece(file, 0, size_of::<FileHeader64<LittleEndian>>() as u64)?;
    let header = FileHeader64::<LittleEndian>::parse(head.as_slice()).ok()?;
    let endian = header.endian().ok()?;
    let count = header.e_shnum(endian).min(MOST_SECTIONS);
    let entry = size_of::<SectionHeader64<LittleEndian>>();
    if usize::from(header.e_shentsize(endian)) != entry {
        return None;
    }
    let table = piece(file, header.e_shoff(endian), u64::from(count) * entry as u64)?;
    let (headers, _) =
        object::pod::slice_from_bytes::<SectionHeader64<LittleEndian>>(&table, usize::from(count)).ok()?;
    let names = headers.get(usize::from(header.e_shstrndx(endian).0))?;
    let bytes = names.sh_size.get(endian).min(MOST_NAME_BYTES);
    let names = piece(file, names.sh_offset.get(endian), bytes)?;
    let section = |header: &SectionHeader64<LittleEndian>| {
        let flags = header.sh_flags.get(endian);
        // Thread-local zeros (.tbss) take no addresses.
        let is_template = header.sh_type.get(endian) == SHT_NOBITS && flags.0 & SHF_TLS.0 != 0;
        let (start, size) = (header.sh_addr.get(endian), header.sh_size.get(endian));
        if flags.0 & SHF_ALLOC.0 == 0 || is_template || size == 0 {
            return None;
        }
        let name = names.get(header.sh_name.get(endian) as usize..)?;
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        let start = start.wrapping_add(bias);
        Some(Section {
            start: Addr(start),
            end: Addr(start.checked_add(size)?),
            name: printable(name),
        })
    };
    Some(headers.iter().filter_map(section).collect())
}

fn piece(file: &File, offset: u64, bytes: u64) -> Option<Vec<u8>> {
    let mut piece = vec![0; usize::try_from(bytes).ok()?];
    file.read_exact_at(&mut piece, offset).ok()?;
    Some(piece)
}
