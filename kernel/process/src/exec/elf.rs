//! What an ELF64 file says about how to load it, checked so that nothing later can go wrong for its sake.
//!
//! Key types: [`Image`], [`Segment`]. Reads through [`Source`]; maps nothing. The rules are `binfmt_elf.c`'s but for
//! one: a segment whose alignment is smaller than the page is refused here with a clear error, where Linux loads what
//! it can and lets the program die of it.

use arch::Granule;
use object::LittleEndian as Le;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::pod;

use super::error::{ElfError, ExecError};

const HEADER: usize = size_of::<FileHeader64<Le>>();
const PROGRAM_HEADER: usize = size_of::<ProgramHeader64<Le>>();
/// Linux takes no table larger than a page of 4 KiB holds, nor than 64 KiB (`load_elf_phdrs`).
const TABLE_LIMIT: u64 = 65536;
const INTERPRETER_LIMIT: u64 = 4096;

/// Where a file's bytes come from.
pub(crate) trait Source {
    /// The file's length in bytes.
    fn length(&mut self) -> std::io::Result<u64>;
    /// Fills `to` from `offset`; short only at the end of the file.
    fn read(&mut self, offset: u64, to: &mut [u8]) -> std::io::Result<usize>;
}

/// A `PT_LOAD` segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    /// Its number among the program headers.
    pub(crate) index: usize,
    /// Where its bytes begin in the file.
    pub(crate) offset: u64,
    /// Where it begins in memory, before the load bias.
    pub(crate) address: u64,
    /// Its bytes in the file.
    pub(crate) file_size: u64,
    /// Its bytes in memory.
    pub(crate) memory_size: u64,
    /// `PF_R`, `PF_W`, `PF_X`.
    pub(crate) flags: u32,
    /// `p_align`.
    pub(crate) align: u64,
}

/// A program as its file describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Image {
    /// `ET_DYN`: it may be loaded anywhere.
    pub(crate) relocatable: bool,
    /// The entry, before the load bias.
    pub(crate) entry: u64,
    /// Where the program headers lie in memory, before the load bias; 0 if they are in no segment.
    pub(crate) headers_at: u64,
    /// Their number.
    pub(crate) header_count: u16,
    /// What to load, in ascending order; never empty.
    pub(crate) segments: Vec<Segment>,
    /// `PT_INTERP`.
    pub(crate) interpreter: Option<Vec<u8>>,
    /// `PT_GNU_STACK` asks for an executable stack.
    pub(crate) executable_stack: bool,
}

impl Image {
    /// Reads and checks a file.
    pub(crate) fn read(source: &mut dyn Source, granule: Granule) -> Result<Self, ExecError> {
        let length = source.length().map_err(ExecError::Read)?;
        let header = read_header(source, length)?;
        let table = read_table(source, length, &header)?;
        let mut image = Self {
            relocatable: header.e_type.get(Le) == elf::ET_DYN,
            entry: header.e_entry.get(Le),
            headers_at: 0,
            header_count: header.e_phnum.get(Le),
            segments: Vec::new(),
            interpreter: None,
            executable_stack: false,
        };
        for (index, entry) in table.iter().enumerate() {
            match entry.p_type.get(Le) {
                elf::PT_LOAD if entry.p_memsz.get(Le) > 0 => {
                    image.segments.push(segment(index, entry, length, granule)?);
                }
                elf::PT_INTERP => image.interpreter = Some(read_interpreter(source, entry, length)?),
                elf::PT_GNU_STACK => image.executable_stack = entry.p_flags.get(Le).0 & elf::PF_X.0 != 0,
                _ => {}
            }
        }
        image.check_order()?;
        image.headers_at = image.place_of(header.e_phoff.get(Le)).unwrap_or(0);
        Ok(image)
    }

    fn check_order(&self) -> Result<(), ElfError> {
        if self.segments.is_empty() {
            return Err(ElfError::NothingToLoad);
        }
        for pair in self.segments.windows(2) {
            if pair[1].address < pair[0].address + pair[0].memory_size {
                return Err(ElfError::Order {
                    segment: pair[1].index,
                });
            }
        }
        Ok(())
    }

    /// The address of a file offset, if a segment holds it.
    fn place_of(&self, offset: u64) -> Option<u64> {
        let holder = self
            .segments
            .iter()
            .find(|s| s.offset <= offset && offset < s.offset + s.file_size)?;
        Some(offset - holder.offset + holder.address)
    }

    /// The first and the last address of all segments, before the load bias.
    pub(crate) fn extent(&self) -> (u64, u64) {
        let first = self.segments.first().map_or(0, |s| s.address);
        let end = self.segments.last().map_or(0, |s| s.address + s.memory_size);
        (first, end)
    }

    /// The largest alignment that a segment asks for.
    pub(crate) fn alignment(&self) -> u64 {
        self.segments.iter().map(|s| s.align).max().unwrap_or(1)
    }
}

fn fill(source: &mut dyn Source, offset: u64, to: &mut [u8]) -> Result<usize, ExecError> {
    source.read(offset, to).map_err(ExecError::Read)
}

fn read_header(source: &mut dyn Source, length: u64) -> Result<FileHeader64<Le>, ExecError> {
    let mut bytes = [0; HEADER];
    let got = fill(source, 0, &mut bytes)?;
    check_magic(&bytes[..got])?;
    let truncated = ElfError::Truncated {
        what: "the ELF header",
        end: HEADER as u64,
        length,
    };
    if got < HEADER {
        return Err(truncated.into());
    }
    let (header, _) = pod::from_bytes::<FileHeader64<Le>>(&bytes).map_err(|()| truncated)?;
    let (class, order) = (header.e_ident.class, header.e_ident.data);
    let (machine, kind) = (header.e_machine.get(Le), header.e_type.get(Le));
    if order != elf::ELFDATA2LSB {
        return Err(ElfError::ByteOrder(order.0).into());
    }
    // The machine first: "for 32-bit Arm" says more than "class 1".
    if machine != elf::EM_AARCH64 {
        return Err(ElfError::Machine(machine.0).into());
    }
    if class != elf::ELFCLASS64 {
        return Err(ElfError::Class(class.0).into());
    }
    if kind != elf::ET_EXEC && kind != elf::ET_DYN {
        return Err(ElfError::Type(kind.0).into());
    }
    Ok(*header)
}

fn check_magic(start: &[u8]) -> Result<(), ElfError> {
    if start.is_empty() {
        return Err(ElfError::Empty);
    }
    if let Some(line) = start.strip_prefix(b"#!") {
        let line = line.split(|b| *b == b'\n').next().unwrap_or(&[]);
        return Err(ElfError::Script {
            interpreter: line.trim_ascii().to_vec(),
        });
    }
    let known = start.len().min(elf::ELFMAG.len());
    if start[..known] != elf::ELFMAG[..known] || known < 4 {
        return Err(ElfError::NotElf);
    }
    Ok(())
}

fn read_table(
    source: &mut dyn Source,
    length: u64,
    header: &FileHeader64<Le>,
) -> Result<Vec<ProgramHeader64<Le>>, ExecError> {
    let (size, count) = (header.e_phentsize.get(Le), header.e_phnum.get(Le));
    let bytes = u64::from(size) * u64::from(count);
    if usize::from(size) != PROGRAM_HEADER || count == 0 || bytes > TABLE_LIMIT {
        return Err(ElfError::Headers { size, count }.into());
    }
    let end = header.e_phoff.get(Le).saturating_add(bytes);
    if end > length {
        return Err(ElfError::Truncated {
            what: "the program header table",
            end,
            length,
        }
        .into());
    }
    let mut table = vec![0; bytes as usize];
    let got = fill(source, header.e_phoff.get(Le), &mut table)?;
    let (entries, _) = pod::slice_from_bytes::<ProgramHeader64<Le>>(&table[..got], usize::from(count))
        .map_err(|()| ElfError::Headers { size, count })?;
    Ok(entries.to_vec())
}

fn segment(
    index: usize,
    entry: &ProgramHeader64<Le>,
    length: u64,
    granule: Granule,
) -> Result<Segment, ElfError> {
    let segment = Segment {
        index,
        offset: entry.p_offset.get(Le),
        address: entry.p_vaddr.get(Le),
        file_size: entry.p_filesz.get(Le),
        memory_size: entry.p_memsz.get(Le),
        flags: entry.p_flags.get(Le).0,
        align: entry.p_align.get(Le),
    };
    if segment.file_size > segment.memory_size {
        return Err(ElfError::FileLarger { segment: index });
    }
    let file_end = segment.offset.saturating_add(segment.file_size);
    // A segment of zeros only has no bytes in the file, wherever its offset points.
    if segment.file_size > 0 && file_end > length {
        return Err(ElfError::Truncated {
            what: "a segment",
            end: file_end,
            length,
        });
    }
    let end = segment.address.checked_add(segment.memory_size);
    if end.is_none_or(|end| end > granule.user_end() - granule.bytes()) {
        return Err(ElfError::Address {
            segment: index,
            address: segment.address,
            size: segment.memory_size,
        });
    }
    check_alignment(&segment, granule)?;
    Ok(segment)
}

fn check_alignment(segment: &Segment, granule: Granule) -> Result<(), ElfError> {
    let page = granule.bytes();
    if segment.align < page {
        return Err(ElfError::Alignment {
            segment: segment.index,
            align: segment.align,
            page,
        });
    }
    // A segment without bytes in the file is mapped from no file.
    let differ = (segment.address ^ segment.offset) & granule.offset_mask() != 0;
    if differ && segment.file_size > 0 {
        return Err(ElfError::Incongruent {
            segment: segment.index,
            address: segment.address,
            offset: segment.offset,
            page,
        });
    }
    Ok(())
}

fn read_interpreter(
    source: &mut dyn Source,
    entry: &ProgramHeader64<Le>,
    length: u64,
) -> Result<Vec<u8>, ExecError> {
    let (offset, size) = (entry.p_offset.get(Le), entry.p_filesz.get(Le));
    if !(2..=INTERPRETER_LIMIT).contains(&size) {
        return Err(ElfError::InterpreterName.into());
    }
    let end = offset.saturating_add(size);
    if end > length {
        return Err(ElfError::Truncated {
            what: "the interpreter's name",
            end,
            length,
        }
        .into());
    }
    let mut name = vec![0; size as usize];
    let got = fill(source, offset, &mut name)?;
    name.truncate(got);
    if name.pop() != Some(0) || name.contains(&0) {
        return Err(ElfError::InterpreterName.into());
    }
    Ok(name)
}

/// Bytes in memory as a source: tests, and the vDSO.
impl Source for &[u8] {
    fn length(&mut self) -> std::io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read(&mut self, offset: u64, to: &mut [u8]) -> std::io::Result<usize> {
        let from = usize::try_from(offset).map_or(&[][..], |at| self.get(at..).unwrap_or(&[]));
        let count = from.len().min(to.len());
        to[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }
}
