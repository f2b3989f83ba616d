//! The vDSO: the one thing that the kernel needs to know of it is where a signal handler returns to.

use object::LittleEndian as Le;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader as _, Sym as _};

/// The offset of `__kernel_rt_sigreturn` in a vDSO's ELF file, or `None` if it has none (or is no ELF file). A vDSO
/// is linked at 0 and mapped as it lies in the file, so the symbol's value is the offset.
pub(crate) fn sigreturn(vdso: &[u8]) -> Option<u64> {
    let header = FileHeader64::<Le>::parse(vdso).ok()?;
    let sections = header.sections(Le, vdso).ok()?;
    let kinds = [object::elf::SHT_DYNSYM, object::elf::SHT_SYMTAB];
    kinds.into_iter().find_map(|kind| {
        let symbols = sections.symbols(Le, vdso, kind).ok()?;
        let found = symbols.iter().find(|symbol| {
            let name = symbol.name(Le, symbols.strings());
            name == Ok(b"__kernel_rt_sigreturn") && !symbol.is_undefined(Le)
        })?;
        Some(found.st_value.get(Le))
    })
}
