//! Faults that nothing resolves: which signal they become (arm64 Linux, `arch/arm64/mm/fault.c`).

use arch::{Access, Fault, FaultCause, VirtAddr};

use super::{Context, allows};
use crate::error::ViolationKind;
use crate::vma::Vma;

/// The address that the access means. Loads and stores ignore the top byte (TBI0); fetches do not.
pub(super) fn effective_address(context: &Context<'_>, fault: &Fault) -> Result<VirtAddr, ViolationKind> {
    if fault.cause == FaultCause::Alignment {
        return Err(ViolationKind::Alignment);
    }
    let address = match fault.access {
        Access::Execute => fault.address,
        Access::Read | Access::Write => fault.address.untagged(),
    };
    if address.get() >= context.core.granule().user_end() {
        return Err(ViolationKind::MapErr);
    }
    Ok(address)
}

/// `SEGV_ACCERR` if the mapping forbids the access.
pub(super) fn permit(vma: &Vma, access: Access) -> Result<(), ViolationKind> {
    if allows(vma.prot, access) {
        Ok(())
    } else {
        Err(ViolationKind::AccErr)
    }
}
