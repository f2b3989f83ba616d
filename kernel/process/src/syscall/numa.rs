//! NUMA policies on a machine of one node (numa(7)): everything is on node 0, and who asks is told so.
//!
//! A policy changes nothing here, but it can be set, is inherited, cuts mappings as on Linux, and is told when asked for.

use abi::Errno;
use abi::nr;
use arch::{PageRange, VirtAddr};
use mm::Policy;

use super::mman::map_errno;
use super::{Answer, Call, Handler};

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::SET_MEMPOLICY, set_mempolicy),
    (nr::GET_MEMPOLICY, get_mempolicy),
    (nr::MBIND, mbind),
    (nr::SET_MEMPOLICY_HOME_NODE, set_home_node),
    (nr::MIGRATE_PAGES, migrate_pages),
    (nr::MOVE_PAGES, move_pages),
];

/// The mask of the nodes that there are.
const NODE_0: u64 = 1;

impl Call<'_> {
    /// A mask of nodes (`get_nodes`): `most` is one more than the number of bits.
    fn nodes(&mut self, at: u64, most: u64) -> Result<u64, Errno> {
        let bits = most.wrapping_sub(1);
        if bits == 0 || at == 0 {
            return Ok(0);
        }
        if bits > self.granule().bytes() * 8 {
            return Err(Errno::EINVAL);
        }
        let mut nodes = 0;
        for word in 0..bits.div_ceil(64) {
            let mask: u64 = u64::from_le_bytes(self.read(at.wrapping_add(word * 8))?);
            let kept = bits - word * 64;
            let mask = if kept < 64 { mask & ((1 << kept) - 1) } else { mask };
            if word == 0 {
                nodes = mask;
            } else if mask != 0 {
                // More nodes than any kernel was built for.
                return Err(Errno::EINVAL);
            }
        }
        Ok(nodes)
    }

    /// A policy from its number and nodes (`mpol_new`).
    fn policy(&mut self, mode: u64, at: u64, most: u64) -> Result<Policy, Errno> {
        /// `MPOL_F_STATIC_NODES`, `MPOL_F_RELATIVE_NODES`, `MPOL_F_NUMA_BALANCING`.
        const STATIC: u64 = 1 << 15;
        const RELATIVE: u64 = 1 << 14;
        const BALANCING: u64 = 1 << 13;
        let mode = u64::from(mode as u32);
        let flags = mode & (STATIC | RELATIVE | BALANCING);
        let policy = u8::try_from(mode & !flags).ok().and_then(Policy::from_number);
        let policy = policy.ok_or(Errno::EINVAL)?;
        let both = STATIC | RELATIVE;
        if flags & both == both || flags & BALANCING != 0 && policy != Policy::Bind {
            return Err(Errno::EINVAL);
        }
        let nodes = self.nodes(at, most)?;
        let here = nodes & NODE_0 != 0;
        match policy {
            Policy::Default | Policy::Local if nodes != 0 || flags & both != 0 => Err(Errno::EINVAL),
            Policy::Default | Policy::Local => Ok(policy),
            Policy::Preferred if nodes == 0 && flags & both == 0 => Ok(Policy::Local),
            _ if here => Ok(policy),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The pages of a call that takes an aligned address and a length (`do_mbind`).
    fn bound_pages(&self, start: u64, length: u64) -> Result<PageRange, Errno> {
        let start = VirtAddr::new(start).untagged();
        if !self.is_aligned(start.get()) {
            return Err(Errno::EINVAL);
        }
        let pages = self.pages(start, length).ok_or(Errno::EINVAL)?;
        // A length that rounds to 0 has wrapped, which Linux takes for nothing.
        Ok(pages)
    }
}

fn set_mempolicy(call: &mut Call<'_>) -> Answer {
    let [mode, at, most, ..] = call.args;
    let policy = call.policy(mode, at, most)?;
    call.task_mut().mempolicy = policy;
    Ok(0)
}

fn get_mempolicy(call: &mut Call<'_>) -> Answer {
    const NODE: u64 = 1;
    const ADDR: u64 = 2;
    const MEMS_ALLOWED: u64 = 4;
    let [mode_at, nodes_at, most, address, flags, _] = call.args;
    let address = VirtAddr::new(address).untagged();
    if flags & !(NODE | ADDR | MEMS_ALLOWED) != 0 || nodes_at != 0 && most < 1 {
        return Err(Errno::EINVAL.into());
    }
    let (mode, nodes) = if flags & MEMS_ALLOWED != 0 {
        if flags & (NODE | ADDR) != 0 {
            return Err(Errno::EINVAL.into());
        }
        (0, NODE_0)
    } else {
        let policy = match flags & ADDR != 0 {
            true => {
                let page = address.page(call.granule());
                let vma = call.kernel.memory.find_vma(call.space(), page);
                vma.ok_or(Errno::EFAULT)?.policy()
            }
            false if address.get() != 0 => return Err(Errno::EINVAL.into()),
            false => call.task().mempolicy,
        };
        let nodes = match policy {
            Policy::Default | Policy::Local => 0,
            _ => NODE_0,
        };
        let interleaves = matches!(policy, Policy::Interleave | Policy::WeightedInterleave);
        if flags & NODE != 0 && flags & ADDR == 0 && !interleaves {
            return Err(Errno::EINVAL.into());
        }
        // With the flag it is the node's number: 0.
        (if flags & NODE != 0 { 0 } else { policy as u32 }, nodes)
    };
    call.write_if_wanted(mode_at, &mode.to_le_bytes())?;
    if nodes_at != 0 {
        let words = (most - 1).div_ceil(64).max(1);
        if words * 8 > call.granule().bytes() {
            return Err(Errno::EINVAL.into());
        }
        let mut bytes = vec![0; words as usize * 8];
        bytes[..8].copy_from_slice(&nodes.to_le_bytes());
        call.write(nodes_at, &bytes)?;
    }
    Ok(0)
}

fn mbind(call: &mut Call<'_>) -> Answer {
    const STRICT: u64 = 1;
    const MOVE: u64 = 2;
    const MOVE_ALL: u64 = 4;
    let [start, length, mode, at, most, flags] = call.args;
    let policy = call.policy(mode, at, most)?;
    if flags & !(STRICT | MOVE | MOVE_ALL) != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags & MOVE_ALL != 0 && !call.task().creds.is_root() {
        return Err(Errno::EPERM.into());
    }
    let pages = call.bound_pages(start, length)?;
    if pages.is_empty() {
        return Ok(0);
    }
    let space = call.space();
    call.kernel
        .memory
        .set_policy(space, pages, policy)
        .map_err(|error| match error {
            mm::MapError::Unmapped => Errno::EFAULT,
            other => map_errno(other),
        })?;
    Ok(0)
}

/// There is no other node to be nearest to.
fn set_home_node(call: &mut Call<'_>) -> Answer {
    let [start, length, node, flags, ..] = call.args;
    if flags != 0 || node != 0 {
        return Err(Errno::EINVAL.into());
    }
    let pages = call.bound_pages(start, length)?;
    let space = call.space();
    let mut vmas = call
        .kernel
        .memory
        .vmas(space)
        .filter(|vma| vma.range.overlaps(pages));
    let fits = |policy| matches!(policy, Policy::Default | Policy::Bind | Policy::PreferredMany);
    match vmas.all(|vma| fits(vma.policy())) {
        true => Ok(0),
        false => Err(Errno::EOPNOTSUPP.into()),
    }
}

/// No page is anywhere else: none is left where it was.
fn migrate_pages(call: &mut Call<'_>) -> Answer {
    let [_, most, old, new, ..] = call.args;
    call.nodes(old, most)?;
    let to = call.nodes(new, most)?;
    let process = call.named(call.int(0))?;
    call.check_access(process)?;
    if to & !NODE_0 != 0 && !call.task().creds.is_root() {
        return Err(Errno::EPERM.into());
    }
    if to & NODE_0 == 0 {
        return Err(Errno::EINVAL.into());
    }
    Ok(0)
}

/// Asks where pages are, or has them moved to where they are.
fn move_pages(call: &mut Call<'_>) -> Answer {
    const MOVE: u64 = 2;
    const MOVE_ALL: u64 = 4;
    let [_, count, pages_at, nodes_at, status_at, flags] = call.args;
    if flags & !(MOVE | MOVE_ALL) != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags & MOVE_ALL != 0 && !call.task().creds.is_root() {
        return Err(Errno::EPERM.into());
    }
    // One call must not keep the machine for long; Linux said E2BIG until 2.6.29.
    const MOST: u64 = 1 << 18;
    if count > MOST {
        return Err(Errno::E2BIG.into());
    }
    let process = call.named(call.int(0))?;
    call.check_access(process)?;
    let space = call.kernel.task(process).space.as_ref().map(|space| space.id);
    let space = space.ok_or(Errno::EINVAL)?;
    for number in 0..count {
        let slot = |at: u64, size: u64| at.wrapping_add(number.wrapping_mul(size));
        let address = u64::from_le_bytes(call.read(slot(pages_at, 8))?);
        if nodes_at != 0 && i32::from_le_bytes(call.read(slot(nodes_at, 4))?) != 0 {
            return Err(Errno::ENODEV.into());
        }
        let page = VirtAddr::new(address).untagged().page(call.granule());
        let info = call.kernel.memory.page_info(space, page);
        let status = match call.kernel.memory.find_vma(space, page) {
            None => Errno::EFAULT.to_result() as i32,
            Some(_) if info.zero_page => Errno::EFAULT.to_result() as i32,
            Some(_) if !info.present => Errno::ENOENT.to_result() as i32,
            Some(_) => 0,
        };
        call.write(slot(status_at, 4), &status.to_le_bytes())?;
    }
    Ok(0)
}
