//! Segments, stack and vDSO into an address space, with the mappings that Linux's `binfmt_elf.c` makes.

use arch::{Bytes, Granule, VirtAddr};
use mm::{Content, FileId, MapRequest, Memory, Placement, Prot, Sharing, SpaceId, ViolationKind};
use object::elf;

use super::elf::{Image, Segment};
use super::error::ExecError;
use super::layout::Places;

/// Linux gives the stack so much room at once (`setup_arg_pages`).
const STACK_EXPAND: u64 = 128 << 10;
/// Pages of kernel data before the vDSO (`VVAR_NR_PAGES`).
const VVAR_PAGES: u64 = 2;

/// Where a program came to lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Loaded {
    /// What was added to its addresses.
    pub(crate) bias: u64,
    /// Its first instruction.
    pub(crate) entry: u64,
    /// Its program headers.
    pub(crate) headers: u64,
    /// The end of its last segment.
    pub(crate) end: u64,
    /// Text: first byte and end.
    pub(crate) code: (u64, u64),
    /// Data: first byte and end of what is in the file.
    pub(crate) data: (u64, u64),
}

/// Loads the program itself.
pub(crate) fn program(
    memory: &mut Memory,
    space: SpaceId,
    file: FileId,
    image: &Image,
    places: &Places,
) -> Result<Loaded, ExecError> {
    let bias = if image.relocatable {
        let base = align_up(places.program, image.alignment());
        base.wrapping_sub(image.extent().0 & !memory.granule().offset_mask())
    } else {
        0
    };
    segments(memory, space, file, image, bias)
}

/// Loads the interpreter of a dynamic program, below the other mappings.
pub(crate) fn interpreter(
    memory: &mut Memory,
    space: SpaceId,
    file: FileId,
    image: &Image,
) -> Result<Loaded, ExecError> {
    if !image.relocatable {
        return segments(memory, space, file, image, 0);
    }
    let granule = memory.granule();
    let (first, end) = image.extent();
    let first = first & !granule.offset_mask();
    let slack = image.alignment().saturating_sub(granule.bytes());
    // Reserve the whole extent, find the aligned place in it, and give the reservation back.
    let length = Bytes::new((end - first).saturating_add(slack));
    let hole = memory.map(space, &MapRequest::anonymous(length, Prot::empty()))?;
    let pages = length
        .pages_up(granule)
        .and_then(|count| arch::PageRange::from_count(hole.page(granule), count));
    if let Some(pages) = pages {
        memory.unmap(space, pages)?;
    }
    let base = align_up(hole.get(), image.alignment());
    segments(memory, space, file, image, base.wrapping_sub(first))
}

fn align_up(address: u64, alignment: u64) -> u64 {
    if alignment.is_power_of_two() {
        address.wrapping_add(alignment - 1) & !(alignment - 1)
    } else {
        address
    }
}

fn segments(
    memory: &mut Memory,
    space: SpaceId,
    file: FileId,
    image: &Image,
    bias: u64,
) -> Result<Loaded, ExecError> {
    let mut loaded = Loaded {
        bias,
        entry: image.entry.wrapping_add(bias),
        headers: image.headers_at.wrapping_add(bias),
        end: 0,
        code: (u64::MAX, 0),
        data: (0, 0),
    };
    for segment in &image.segments {
        let moved = Segment {
            address: segment.address.wrapping_add(bias),
            ..*segment
        };
        check_place(&moved, memory.granule())?;
        map_segment(memory, space, file, &moved)?;
        loaded.note(&moved);
    }
    Ok(loaded)
}

/// A bias from the address layout can carry a huge program past the end of user space.
fn check_place(segment: &Segment, granule: Granule) -> Result<(), ExecError> {
    let end = segment.address.checked_add(segment.memory_size);
    if end.is_none_or(|end| end > granule.user_end()) {
        return Err(super::error::ElfError::Address {
            segment: segment.index,
            address: segment.address,
            size: segment.memory_size,
        }
        .into());
    }
    Ok(())
}

impl Loaded {
    fn note(&mut self, segment: &Segment) {
        let file_end = segment.address + segment.file_size;
        if segment.flags & elf::PF_X.0 != 0 {
            self.code = (self.code.0.min(segment.address), self.code.1.max(file_end));
        }
        // Linux: start_data is the start of the last segment that begins highest.
        self.data = (self.data.0.max(segment.address), self.data.1.max(file_end));
        self.end = self.end.max(segment.address + segment.memory_size);
    }
}

fn prot_of(flags: u32) -> Prot {
    let bit = |flag: elf::ProgramFlags, prot: Prot| if flags & flag.0 != 0 { prot } else { Prot::empty() };
    bit(elf::PF_R, Prot::READ) | bit(elf::PF_W, Prot::WRITE) | bit(elf::PF_X, Prot::EXEC)
}

/// File pages up to the last byte in the file, zeros to the end of that page, anonymous pages for the rest.
fn map_segment(
    memory: &mut Memory,
    space: SpaceId,
    file: FileId,
    segment: &Segment,
) -> Result<(), ExecError> {
    let granule = memory.granule();
    let prot = prot_of(segment.flags);
    let start = VirtAddr::new(segment.address).align_down(granule);
    let inside = segment.address & granule.offset_mask();
    let file_end = segment.address + segment.file_size;
    let memory_end = segment.address + segment.memory_size;
    let mut anonymous_from = start.get();
    if segment.file_size > 0 {
        let content = Content::File {
            file,
            offset: segment.offset - inside,
        };
        let length = Bytes::new(segment.file_size + inside);
        memory.map(space, &fixed(start, length, prot, content))?;
        anonymous_from = align_up(file_end, granule.bytes());
        if memory_end > file_end && prot.contains(Prot::WRITE) {
            clear(memory, space, file_end, anonymous_from)?;
        }
    }
    if memory_end > anonymous_from {
        let length = Bytes::new(memory_end - anonymous_from);
        let at = VirtAddr::new(anonymous_from);
        memory.map(space, &fixed(at, length, prot, Content::Anonymous))?;
    }
    Ok(())
}

fn fixed(at: VirtAddr, length: Bytes, prot: Prot, content: Content) -> MapRequest {
    MapRequest {
        placement: Placement::Fixed(at),
        content,
        ..MapRequest::anonymous(length, prot)
    }
}

fn clear(memory: &mut Memory, space: SpaceId, from: u64, to: u64) -> Result<(), ExecError> {
    let zeros = vec![0; (to - from) as usize];
    let written = memory.copy_out(space, VirtAddr::new(from), &zeros);
    written.map_err(|fault| match fault.violation.signal {
        ViolationKind::OutOfRam(out) => ExecError::OutOfRam(out),
        ViolationKind::BusIo(error) => ExecError::Read(error),
        ViolationKind::BusSwap(error) => ExecError::Read(std::io::Error::other(error)),
        _ => ExecError::Setup { address: from },
    })
}

/// The stack's mapping: room for the strings and 128 KiB more, growing down.
pub(crate) fn stack(
    memory: &mut Memory,
    space: SpaceId,
    top: u64,
    strings: u64,
    executable: bool,
) -> Result<(), ExecError> {
    let granule = memory.granule();
    let size = align_up(strings, granule.bytes()) + STACK_EXPAND;
    let size = align_up(size, granule.bytes());
    let start = VirtAddr::new(top - size);
    let mut prot = Prot::READ | Prot::WRITE;
    prot.set(Prot::EXEC, executable);
    let request = MapRequest {
        grows_down: true,
        ..fixed(start, Bytes::new(size), prot, Content::Anonymous)
    };
    memory.map(space, &request)?;
    Ok(())
}

/// `[vvar]` and `[vdso]`, the one after the other; gives the vDSO's address.
pub(crate) fn vdso(memory: &mut Memory, space: SpaceId, file: FileId, length: u64) -> Result<u64, ExecError> {
    let page = memory.granule().bytes();
    let vvar = VVAR_PAGES * page;
    let total = Bytes::new(vvar + align_up(length, page));
    let hole = memory.map(
        space,
        &MapRequest {
            max_prot: Prot::READ,
            special: Some("[vvar]"),
            ..MapRequest::anonymous(total, Prot::READ)
        },
    )?;
    let at = hole.get() + vvar;
    memory.map(
        space,
        &MapRequest {
            placement: Placement::Fixed(VirtAddr::new(at)),
            length: Bytes::new(length),
            prot: Prot::READ | Prot::EXEC,
            max_prot: Prot::all(),
            sharing: Sharing::Private,
            content: Content::File { file, offset: 0 },
            special: Some("[vdso]"),
            ..MapRequest::anonymous(total, Prot::READ)
        },
    )?;
    Ok(at)
}
