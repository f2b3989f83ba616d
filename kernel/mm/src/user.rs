//! The kernel's own access to user memory: copies on behalf of system calls, and ptrace-style peeking.
//!
//! Copies go page by page over the descriptors, as hardware would with the user's rights: the access flag and
//! the dirty state are set, faults are resolved on the way.

use arch::{Access, Descriptor, PhysAddr, VirtAddr};

use crate::error::{CopyFault, Violation, ViolationKind};
use crate::fault::{self, Context};
use crate::frames::FrameState;
use crate::reclaim::FAULT_NEED;
use crate::request::SpaceId;
use crate::tables::swapped_anon;
use crate::{CHUNK, Memory};

impl Memory {
    /// Copies user memory to `to` (copy_from_user). Resolves faults; a bad page ends it with the number of
    /// bytes done before it.
    pub fn copy_in(&mut self, space: SpaceId, from: VirtAddr, to: &mut [u8]) -> Result<(), CopyFault> {
        for (number, part) in to.chunks_mut(CHUNK).enumerate() {
            let before = number * CHUNK;
            self.copy_in_part(space, at_step(from, before)?, part)
                .map_err(|fault| fault.after(before))?;
        }
        Ok(())
    }

    fn copy_in_part(&mut self, space: SpaceId, from: VirtAddr, to: &mut [u8]) -> Result<(), CopyFault> {
        self.make_room(FAULT_NEED + self.frames_of(to.len()));
        let mut context = self.context(space);
        let mut done = 0;
        while done < to.len() {
            let (at, length) = step(&mut context, from, done, to.len(), Access::Read)?;
            context.core.ram.read_bytes(at, &mut to[done..done + length]);
            done += length;
        }
        Ok(())
    }

    /// Copies `from` to user memory (copy_to_user). As [`Memory::copy_in`] otherwise.
    pub fn copy_out(&mut self, space: SpaceId, to: VirtAddr, from: &[u8]) -> Result<(), CopyFault> {
        for (number, part) in from.chunks(CHUNK).enumerate() {
            let before = number * CHUNK;
            self.copy_out_part(space, at_step(to, before)?, part)
                .map_err(|fault| fault.after(before))?;
        }
        Ok(())
    }

    fn copy_out_part(&mut self, space: SpaceId, to: VirtAddr, from: &[u8]) -> Result<(), CopyFault> {
        self.make_room(FAULT_NEED + 2 * self.frames_of(from.len()));
        let mut context = self.context(space);
        let mut done = 0;
        while done < from.len() {
            let (at, length) = step(&mut context, to, done, from.len(), Access::Write)?;
            context.core.ram.write_bytes(at, &from[done..done + length]);
            done += length;
        }
        Ok(())
    }

    /// Reads for `/proc/PID/mem`: whatever the rights, without a fault. Memory that was never touched is read
    /// as what a fault would give, if that is known without the file: zeros, or a cached page. Swapped pages are read and
    /// stay in swap. Gives the number of bytes before the first page that is not mapped or would have to be read from
    /// its file.
    pub fn peek(&self, space: SpaceId, at: VirtAddr, to: &mut [u8]) -> usize {
        let mut done = 0;
        while done < to.len() {
            let Some(address) = at.get().checked_add(done as u64).map(VirtAddr::new) else {
                break;
            };
            let inside = address.page_offset(self.granule()).get();
            let length = (self.core.page_bytes() - inside as usize).min(to.len() - done);
            let part = &mut to[done..done + length];
            if !self.peek_page(space, address, part) {
                break;
            }
            done += length;
        }
        done
    }

    fn peek_page(&self, space: SpaceId, address: VirtAddr, to: &mut [u8]) -> bool {
        let (core, space) = (&self.core, self.spaces.get(space));
        let granule = core.granule();
        if address.get() >= granule.user_end() {
            return false;
        }
        let page = address.page(granule);
        let present = space.tables.get(&core.ram, &core.shape, page);
        let inside = address.page_offset(granule).get();
        let swapped = swapped_anon(present).map(|id| core.frames.anon(id).place);
        let frame = if present.is_valid() {
            core.frame_of(present)
        } else if let Some(place) = swapped {
            match (place.frame(), place.slot()) {
                (Some(frame), _) => frame,
                (None, Some(slot)) => {
                    let mut bytes = vec![0; core.page_bytes()];
                    let sound = core.swap.read(slot, &mut bytes).iter().all(Result::is_ok);
                    if sound {
                        to.copy_from_slice(&bytes[inside as usize..inside as usize + to.len()]);
                    }
                    return sound;
                }
                (None, None) => return false,
            }
        } else {
            let Some(vma) = space.vmas.find(page) else {
                return false;
            };
            match vma.file_page(page, granule) {
                None => {
                    to.fill(0);
                    return true;
                }
                Some((file, number)) => match self.files.get(file).cached(number) {
                    Some(frame) => frame,
                    None => return self.files.peek_parked(core, file, number, inside, to),
                },
            }
        };
        let start = frame.start(granule).get() + inside;
        core.ram.read_bytes(PhysAddr::new(start), to);
        true
    }
}

/// Where a later step of a copy begins. A copy over the end of addresses ends there.
fn at_step(base: VirtAddr, done: usize) -> Result<VirtAddr, CopyFault> {
    let wrapped = CopyFault {
        done,
        violation: Violation {
            signal: ViolationKind::MapErr,
            address: base,
        },
    };
    let at = base.get().checked_add(done as u64);
    at.map(VirtAddr::new).ok_or(wrapped)
}

/// Where the next bytes of a copy lie in RAM, and how many of them in one page.
fn step(
    context: &mut Context<'_>,
    base: VirtAddr,
    done: usize,
    total: usize,
    access: Access,
) -> Result<(PhysAddr, usize), CopyFault> {
    let wrapped = Violation {
        signal: ViolationKind::MapErr,
        address: base,
    };
    let Some(address) = base.get().checked_add(done as u64) else {
        return Err(CopyFault {
            done,
            violation: wrapped,
        });
    };
    let address = VirtAddr::new(address);
    let at = translate(context, address, access).map_err(|violation| CopyFault { done, violation })?;
    let inside = address.page_offset(context.core.granule()).get() as usize;
    Ok((at, (context.core.page_bytes() - inside).min(total - done)))
}

/// The physical address of a user byte, after whatever faults the access takes.
fn translate(context: &mut Context<'_>, address: VirtAddr, access: Access) -> Result<PhysAddr, Violation> {
    let granule = context.core.granule();
    let place = address.untagged();
    // Filling a page takes one fault; a second look must find it.
    for _ in 0..2 {
        if place.get() < granule.user_end()
            && let Some(descriptor) = access_present(context, place, access)
        {
            let frame = context.core.frame_of(descriptor);
            let start = frame.start(granule).get() + place.page_offset(granule).get();
            return Ok(PhysAddr::new(start));
        }
        fault::resolve(context, &fault::synthetic(address, access))?;
    }
    unreachable!("a resolved fault at {address} left the page inaccessible")
}

/// The descriptor if it allows the access, updated as hardware does (FEAT_HAFDBS).
fn access_present(context: &mut Context<'_>, address: VirtAddr, access: Access) -> Option<Descriptor> {
    let Context { core, space, .. } = context;
    let page = address.page(core.granule());
    let slot = space.tables.find(&core.ram, &core.shape, page)?;
    let old = space.tables.load(&core.ram, slot);
    let writes = access == Access::Write;
    let writable = || old.is_writable() && space.tables.is_own(&core.ram, &core.shape, page);
    if !old.is_valid() || !old.is_user() || writes && !writable() {
        return None;
    }
    let mut new = old.accessed();
    if writes {
        new = new.dirtied();
    }
    if new != old {
        space.tables.replace(&core.ram, slot, new);
    }
    debug_assert!(!matches!(core.frames.state(core.frame_of(new)), FrameState::Free));
    Some(new)
}
