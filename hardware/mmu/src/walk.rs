//! The walk: from a user address to a frame, over the descriptors in RAM (Arm ARM D8.2).

use arch::{Access, Descriptor, DescriptorKind, Fault, FaultCause, Granule, Level, PhysAddr, VirtAddr};
use ram::Ram;

use crate::counters::Counters;

/// Where an access leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Translation {
    /// The physical address of the byte.
    pub address: PhysAddr,
    /// The leaf descriptor after the walk: accessed, and dirty if this was a write.
    pub leaf: Descriptor,
    /// The level of the leaf.
    pub level: Level,
}

/// Translates `address` for `access` from user space, starting at the table `base`. The granule is that of
/// `ram`. Bits 63:56 of the address are ignored (TBI); the rest must lie below the end of user space. Sets
/// the access flag, and for a write to a clean writable page the dirty state. What a table descriptor forbids (APTable,
/// UXNTable) is forbidden below it, whatever the leaf says; the fault is one of the leaf's level.
pub fn walk(
    ram: &Ram,
    base: PhysAddr,
    address: VirtAddr,
    access: Access,
    counters: &mut Counters,
) -> Result<Translation, Fault> {
    counters.walks += 1;
    let granule = ram.granule();
    let geometry = granule.geometry();
    let fail = |cause| Fault {
        address,
        access,
        cause,
    };
    let va = if access == Access::Execute {
        address
    } else {
        address.untagged()
    };
    if va.get() >= granule.user_end() {
        return Err(fail(FaultCause::Translation(0)));
    }
    let mut table = base;
    let mut level = geometry.start_level;
    // The bits of all table descriptors on the way: what one of them forbids stays forbidden.
    let mut above = 0;
    loop {
        let at = PhysAddr::new(table.get() + 8 * geometry.index(va.get(), level) as u64);
        counters.descriptor_reads += 1;
        let bits = ram.read(at).ok_or(fail(FaultCause::ExternalOnWalk(level)))?;
        let descriptor = Descriptor::from_bits(bits);
        match descriptor.kind(level, granule) {
            DescriptorKind::Table => {
                above |= bits;
                table = descriptor.address(granule);
                level += 1;
            }
            DescriptorKind::Leaf => {
                let leaf = permit(descriptor, above, access).map_err(|cause| fail(cause(level)))?;
                let address =
                    output(ram, leaf, level, va, granule).ok_or(fail(FaultCause::AddressSize(level)))?;
                update(ram, at, descriptor, leaf, counters);
                return Ok(Translation { address, leaf, level });
            }
            DescriptorKind::Invalid | DescriptorKind::Reserved => {
                return Err(fail(FaultCause::Translation(level)));
            }
        }
    }
}

/// The leaf as it must be after this access, or why the access is refused. `above`: the bits of the table descriptors.
fn permit(leaf: Descriptor, above: u64, access: Access) -> Result<Descriptor, fn(Level) -> FaultCause> {
    let rights = leaf.limited_by(above);
    let allowed = rights.is_user()
        && match access {
            Access::Read => true,
            Access::Write => rights.is_writable(),
            Access::Execute => rights.is_executable(),
        };
    if !allowed {
        return Err(FaultCause::Permission);
    }
    let leaf = leaf.accessed();
    Ok(if access == Access::Write {
        leaf.dirtied()
    } else {
        leaf
    })
}

/// The byte's physical address, or `None` if its frame is not in RAM.
fn output(ram: &Ram, leaf: Descriptor, level: Level, va: VirtAddr, granule: Granule) -> Option<PhysAddr> {
    let inside = (1u64 << granule.geometry().level_shift(level)) - 1;
    let address = leaf.address(granule).get() & !inside | va.get() & inside;
    (address < ram.size().get()).then_some(PhysAddr::new(address))
}

/// Writes the leaf back where hardware updated it.
fn update(ram: &Ram, at: PhysAddr, before: Descriptor, after: Descriptor, counters: &mut Counters) {
    if before == after {
        return;
    }
    counters.access_flags_set += u64::from(!before.is_accessed());
    counters.dirty_states_set += u64::from(!before.is_dirty() && after.is_dirty());
    ram.write(at, after.bits())
        .expect("the descriptor was just read from there");
}
