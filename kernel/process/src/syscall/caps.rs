//! `capget(2)` and `capset(2)` (`kernel/capability.c`): who has which capability is [`creds`](crate::creds)'s.

use abi::Errno;
use abi::nr;

use super::{Answer, Call, Handler};
use crate::creds::Capabilities;
use crate::task::Pid;

pub(super) const CALLS: &[(usize, Handler)] = &[(nr::CAPGET, capget), (nr::CAPSET, capset)];

/// `_LINUX_CAPABILITY_VERSION_1`: 32 capabilities.
const VERSION_1: u32 = 0x1998_0330;
/// `_LINUX_CAPABILITY_VERSION_2` and `_3`: 64 of them.
const VERSION_2: u32 = 0x2007_1026;
const VERSION_3: u32 = 0x2008_0522;

/// The words of a set in this call's layout (`cap_validate_magic`); the header is told of the version that is preferred.
fn words(call: &mut Call<'_>) -> Result<usize, Errno> {
    let header = call.args[0];
    match u32::from_le_bytes(call.read(header)?) {
        VERSION_1 => Ok(1),
        VERSION_2 | VERSION_3 => Ok(2),
        _ => {
            call.write(header, &VERSION_3.to_le_bytes())?;
            Err(Errno::EINVAL)
        }
    }
}

fn target(call: &mut Call<'_>) -> Result<i32, Errno> {
    let at = call.args[0].checked_add(4).ok_or(Errno::EFAULT)?;
    Ok(i32::from_le_bytes(call.read(at)?))
}

fn capget(call: &mut Call<'_>) -> Answer {
    let data = call.args[1];
    let words = match words(call) {
        // Only the version was asked for.
        Ok(_) | Err(Errno::EINVAL) if data == 0 => return Ok(0),
        words => words?,
    };
    let target = u32::try_from(target(call)?).map_err(|_| Errno::EINVAL)?;
    let task = match target {
        0 => call.task(),
        number => call.kernel.tasks.get(&Pid::new(number)).ok_or(Errno::ESRCH)?,
    };
    let has = task.creds.capabilities();
    let mut bytes = Vec::with_capacity(24);
    for word in 0..words {
        for set in [has.effective, has.permitted, has.inheritable] {
            bytes.extend_from_slice(&((set >> (32 * word)) as u32).to_le_bytes());
        }
    }
    call.write(data, &bytes)?;
    Ok(0)
}

/// A thread may give capabilities up, never take any (`cap_capset`).
fn capset(call: &mut Call<'_>) -> Answer {
    let words = words(call)?;
    let target = target(call)?;
    if target != 0 && target.cast_unsigned() != call.pid.get() {
        return Err(Errno::EPERM.into());
    }
    let mut sets = [0; 3];
    for word in 0..words {
        let at = call.args[1].checked_add(12 * word as u64).ok_or(Errno::EFAULT)?;
        let bytes: [u8; 12] = call.read(at)?;
        for (set, part) in sets.iter_mut().zip(bytes.chunks_exact(4)) {
            let part = part.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            *set |= part << (32 * word) & Capabilities::ALL;
        }
    }
    let [effective, permitted, inheritable] = sets;
    let had = call.task().creds.capabilities();
    let bounds = match had.effective & Capabilities::SETPCAP {
        0 => had.inheritable | had.permitted,
        _ => Capabilities::ALL,
    };
    let allowed =
        inheritable & !bounds == 0 && permitted & !had.permitted == 0 && effective & !permitted == 0;
    if !allowed {
        return Err(Errno::EPERM.into());
    }
    call.task_mut().creds.set_capabilities(Capabilities {
        effective,
        permitted,
        inheritable,
    });
    // The limit on locked memory holds for whoever gave CAP_IPC_LOCK up.
    let (space, limits) = (call.task().space().id, call.task().memory_limits());
    call.kernel.memory.set_limits(space, limits);
    Ok(0)
}
