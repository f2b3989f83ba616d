//! Aborts: classify first, then one file per kind.
//!
//! ```text
//!   not aligned, outside user space, not mapped, not allowed ──▶ violation
//!   not mapped, a stack above ──▶ stack, then on as below
//!   a swap entry ──▶ swap_in
//!   no descriptor:  private anonymous ─ write ─▶ zero_fill      read ─▶ zero_fill (the zero page)
//!                   file or shared ─ read, or shared write ─▶ file      private write ─▶ cow
//!   a descriptor:   private and written ─▶ cow (copy, or reuse if nobody else has the page)
//!                   otherwise ─▶ access (access flag, or spurious: a stale TLB entry)
//! ```
//!
//! Key types: [`FaultKind`], [`Resolved`]; [`Context`], what a resolver works on.

use arch::{Access, Descriptor, Fault, FaultCause, PageNum, VirtAddr};

use crate::core_state::Core;
use crate::error::{OutOfRam, Violation, ViolationKind};
use crate::files::{Files, PageError};
use crate::request::{Content, Prot, Sharing};
use crate::space::Space;
use crate::swap_in::SwapInError;
use crate::tables::LeafSlot;
use crate::vma::Vma;

mod access;
mod cow;
mod file;
mod stack;
mod swap_in;
mod violation;
mod zero_fill;

/// How a fault was resolved.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FaultKind {
    /// A first write to private anonymous memory: a fresh page of zeros.
    ZeroFill,
    /// A first read of private anonymous memory: the shared zero page.
    ZeroPage,
    /// A page of the cache was mapped for reading.
    FileMap,
    /// A private page was copied because the original is not this mapping's alone.
    CopyOnWrite,
    /// A private page turned out to be this mapping's alone and became writable.
    Reuse,
    /// A page of the cache was mapped shared for writing.
    FileWrite,
    /// A stack grew, and the touched page was filled.
    StackGrowth,
    /// The access flag was clear and was set.
    AccessFlag,
    /// Nothing was wrong with the descriptor: the TLB entry was stale.
    Spurious,
    /// A private page came back from swap.
    SwapIn,
}

impl FaultKind {
    /// How many kinds there are.
    pub const COUNT: usize = 10;

    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] = [
        Self::ZeroFill,
        Self::ZeroPage,
        Self::FileMap,
        Self::CopyOnWrite,
        Self::Reuse,
        Self::FileWrite,
        Self::StackGrowth,
        Self::AccessFlag,
        Self::Spurious,
        Self::SwapIn,
    ];
}

/// A fault that is no more: the program runs on at the same instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// How.
    pub kind: FaultKind,
    /// The host had to be read (Linux's major fault).
    pub major: bool,
}

impl Resolved {
    const fn minor(kind: FaultKind) -> Self {
        Self { kind, major: false }
    }
}

/// What a resolver works on.
pub(crate) struct Context<'a> {
    pub(crate) core: &'a mut Core,
    pub(crate) files: &'a mut Files,
    pub(crate) space: &'a mut Space,
}

/// The fault, seen against the mapping it fell in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    page: PageNum,
    access: Access,
    vma: Vma,
}

impl From<OutOfRam> for ViolationKind {
    fn from(out: OutOfRam) -> Self {
        Self::OutOfRam(out)
    }
}

impl From<SwapInError> for ViolationKind {
    fn from(error: SwapInError) -> Self {
        match error {
            SwapInError::OutOfRam(out) => Self::OutOfRam(out),
            SwapInError::Swap(error) => Self::BusSwap(error),
        }
    }
}

impl From<PageError> for ViolationKind {
    fn from(error: PageError) -> Self {
        match error {
            PageError::PastEnd => Self::BusAdrErr,
            PageError::OutOfRam(out) => Self::OutOfRam(out),
            PageError::Io(error) => Self::BusIo(error),
            PageError::Swap(error) => Self::BusSwap(error),
        }
    }
}

/// Resolves an abort or says which signal it is, and counts it.
pub(crate) fn resolve(context: &mut Context<'_>, fault: &Fault) -> Result<Resolved, Violation> {
    context.core.events.begin_fault(context.space, fault);
    let answer = dispatch(context, fault);
    crate::events::note_fault(context, fault, &answer);
    let Context { core, space, .. } = context;
    core.counters.pgfault += 1;
    match answer {
        Ok(resolved) => {
            let kind = resolved.kind as usize;
            space.faults_by_kind[kind] += 1;
            core.counters.faults_by_kind[kind] += 1;
            if resolved.major {
                space.major_faults += 1;
                core.counters.pgmajfault += 1;
            } else {
                space.minor_faults += 1;
            }
            Ok(resolved)
        }
        Err(signal) => {
            core.counters.violations += 1;
            core.counters.out_of_ram += u64::from(matches!(signal, ViolationKind::OutOfRam(_)));
            Err(Violation {
                signal,
                address: fault.address,
            })
        }
    }
}

fn dispatch(context: &mut Context<'_>, fault: &Fault) -> Result<Resolved, ViolationKind> {
    let address = violation::effective_address(context, fault)?;
    let page = address.page(context.core.granule());
    let (vma, grew) = match context.space.vmas.find(page) {
        Some(vma) => (*vma, false),
        None => (stack::grow(context, page)?, true),
    };
    violation::permit(&vma, fault.access)?;
    if context.space.guards.contains(page) {
        return Err(ViolationKind::MapErr);
    }
    let case = Case {
        page,
        access: fault.access,
        vma,
    };
    let Context { core, space, .. } = context;
    // Whatever is done about it changes the tables for this space alone.
    let opened = core.own_path(space, page)?;
    let slot = space.tables.find(&core.ram, &core.shape, page);
    let present = slot.and_then(|slot| {
        let descriptor = space.tables.load(&core.ram, slot);
        (descriptor != Descriptor::INVALID).then_some((slot, descriptor))
    });
    let resolved = match present {
        Some((slot, entry)) if !entry.is_valid() => swap_in::bring_back(context, &case, slot, entry),
        Some((slot, descriptor)) => resolve_present(context, &case, slot, descriptor, fault.cause, opened),
        None => resolve_missing(context, &case),
    }?;
    Ok(if grew {
        Resolved {
            kind: FaultKind::StackGrowth,
            ..resolved
        }
    } else {
        resolved
    })
}

fn resolve_missing(context: &mut Context<'_>, case: &Case) -> Result<Resolved, ViolationKind> {
    let writes = case.access == Access::Write;
    match (case.vma.content, case.vma.sharing) {
        (Content::Anonymous, _) if writes => zero_fill::fresh_page(context, case),
        (Content::Anonymous, _) => zero_fill::zero_page(context, case),
        (Content::File { .. }, Sharing::Private) if writes => cow::copy_from_file(context, case),
        (Content::File { .. }, _) => file::map(context, case),
    }
}

fn resolve_present(
    context: &mut Context<'_>,
    case: &Case,
    slot: LeafSlot,
    descriptor: Descriptor,
    cause: FaultCause,
    opened: bool,
) -> Result<Resolved, ViolationKind> {
    let refused = case.access == Access::Write && !descriptor.is_writable();
    if refused && case.vma.is_private() {
        cow::write_to_present(context, case, slot, descriptor)
    } else {
        let resolved = access::refresh(context, case, slot, descriptor, cause);
        // What forbade the write stood above the leaf table, and others who shared it are gone.
        Ok(match opened && case.access == Access::Write {
            true => Resolved::minor(FaultKind::Reuse),
            false => resolved,
        })
    }
}

/// What an access by the kernel on behalf of the program would raise on hardware.
pub(crate) fn synthetic(address: VirtAddr, access: Access) -> Fault {
    Fault {
        address,
        access,
        cause: FaultCause::Translation(3),
    }
}

/// Whether a mapping allows an access.
pub(crate) fn allows(prot: Prot, access: Access) -> bool {
    match access {
        Access::Read => !prot.is_empty(),
        Access::Write => prot.contains(Prot::WRITE),
        Access::Execute => prot.contains(Prot::EXEC),
    }
}
