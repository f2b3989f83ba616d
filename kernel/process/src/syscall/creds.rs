//! Users and groups: `setuid(2)`, `setresuid(2)` and their kin (`kernel/sys.c`, `kernel/groups.c`).
//!
//! Root may become anybody, others only who they are, were or saved. All of these are per thread, as Linux's own calls
//! are; C libraries do the rest. What the rights mean for files is [`creds`](crate::creds)'s.

use abi::Errno;
use abi::nr;

use super::{Answer, Call, Handler};
use crate::creds::{Acting, Creds};

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::SETUID, setuid),
    (nr::SETREUID, setreuid),
    (nr::SETRESUID, setresuid),
    (nr::GETRESUID, getresuid),
    (nr::SETFSUID, setfsuid),
    (nr::SETGID, setgid),
    (nr::SETREGID, setregid),
    (nr::SETRESGID, setresgid),
    (nr::GETRESGID, getresgid),
    (nr::SETFSGID, setfsgid),
    (nr::GETGROUPS, getgroups),
    (nr::SETGROUPS, setgroups),
];

/// The most supplementary groups (`NGROUPS_MAX`).
const MOST_GROUPS: u64 = 65536;

/// Real, effective and saved number of a user or of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ids {
    real: u32,
    effective: u32,
    saved: u32,
}

/// -1: leave it.
fn wanted(argument: u64) -> Option<u32> {
    let number = argument as u32;
    (number != u32::MAX).then_some(number)
}

impl Ids {
    fn of_user(creds: &Creds) -> Self {
        Self {
            real: creds.uid,
            effective: creds.euid,
            saved: creds.suid,
        }
    }

    fn of_group(creds: &Creds) -> Self {
        Self {
            real: creds.gid,
            effective: creds.egid,
            saved: creds.sgid,
        }
    }

    /// `setuid(2)`, `setgid(2)`: root changes all three.
    fn set(self, privileged: bool, to: Option<u32>) -> Result<Self, Errno> {
        let to = to.ok_or(Errno::EINVAL)?;
        if privileged {
            return Ok(Self {
                real: to,
                effective: to,
                saved: to,
            });
        }
        if to != self.real && to != self.saved {
            return Err(Errno::EPERM);
        }
        Ok(Self {
            effective: to,
            ..self
        })
    }

    /// `setreuid(2)`, `setregid(2)`. A real number need not be a saved one, which groups and users see alike.
    fn set_two(self, privileged: bool, real: Option<u32>, effective: Option<u32>) -> Result<Self, Errno> {
        let may_real = |to| privileged || to == self.real || to == self.effective;
        let may_effective = |to| may_real(to) || to == self.saved;
        if real.is_some_and(|to| !may_real(to)) || effective.is_some_and(|to| !may_effective(to)) {
            return Err(Errno::EPERM);
        }
        let now = effective.unwrap_or(self.effective);
        let saves = real.is_some() || effective.is_some_and(|to| to != self.real);
        Ok(Self {
            real: real.unwrap_or(self.real),
            effective: now,
            saved: if saves { now } else { self.saved },
        })
    }

    /// `setresuid(2)`, `setresgid(2)`.
    fn set_three(self, privileged: bool, to: [Option<u32>; 3]) -> Result<Self, Errno> {
        let mine = [self.real, self.effective, self.saved];
        let may = |to: &Option<u32>| privileged || to.is_none_or(|to| mine.contains(&to));
        if !to.iter().all(may) {
            return Err(Errno::EPERM);
        }
        Ok(Self {
            real: to[0].unwrap_or(self.real),
            effective: to[1].unwrap_or(self.effective),
            saved: to[2].unwrap_or(self.saved),
        })
    }
}

impl Call<'_> {
    /// Takes on new rights, if the host lets the machine have them for files.
    fn become_other(&mut self, mut new: Creds) -> Answer {
        new.compare_with(&self.kernel.machine);
        // Where the rights are other already, the host has shown that it does.
        if new.other && !self.task().creds.other && Acting::begin(&new).is_err() {
            return Err(Errno::EPERM.into());
        }
        self.task_mut().creds = new;
        // Whether the limit on locked memory holds depends on whose rights these are.
        let (space, limits) = (self.task().space().id, self.task().memory_limits());
        self.kernel.memory.set_limits(space, limits);
        Ok(0)
    }

    fn set_user(&mut self, change: impl FnOnce(Ids, bool) -> Result<Ids, Errno>) -> Answer {
        let old = &self.task().creds;
        let ids = change(Ids::of_user(old), old.is_root())?;
        let new = Creds {
            uid: ids.real,
            euid: ids.effective,
            suid: ids.saved,
            fsuid: ids.effective,
            ..old.clone()
        };
        self.become_other(new)
    }

    fn set_group(&mut self, change: impl FnOnce(Ids, bool) -> Result<Ids, Errno>) -> Answer {
        let old = &self.task().creds;
        let ids = change(Ids::of_group(old), old.is_root())?;
        let new = Creds {
            gid: ids.real,
            egid: ids.effective,
            sgid: ids.saved,
            fsgid: ids.effective,
            ..old.clone()
        };
        self.become_other(new)
    }
}

fn setuid(call: &mut Call<'_>) -> Answer {
    let to = wanted(call.args[0]);
    call.set_user(|ids, privileged| ids.set(privileged, to))
}

fn setgid(call: &mut Call<'_>) -> Answer {
    let to = wanted(call.args[0]);
    call.set_group(|ids, privileged| ids.set(privileged, to))
}

fn setreuid(call: &mut Call<'_>) -> Answer {
    let [real, effective, ..] = call.args.map(wanted);
    call.set_user(|ids, privileged| ids.set_two(privileged, real, effective))
}

fn setregid(call: &mut Call<'_>) -> Answer {
    let [real, effective, ..] = call.args.map(wanted);
    call.set_group(|ids, privileged| ids.set_two(privileged, real, effective))
}

fn setresuid(call: &mut Call<'_>) -> Answer {
    let [real, effective, saved, ..] = call.args.map(wanted);
    call.set_user(|ids, privileged| ids.set_three(privileged, [real, effective, saved]))
}

fn setresgid(call: &mut Call<'_>) -> Answer {
    let [real, effective, saved, ..] = call.args.map(wanted);
    call.set_group(|ids, privileged| ids.set_three(privileged, [real, effective, saved]))
}

fn write_ids(call: &mut Call<'_>, ids: Ids) -> Answer {
    for (at, id) in call.args.into_iter().zip([ids.real, ids.effective, ids.saved]) {
        call.write(at, &id.to_le_bytes())?;
    }
    Ok(0)
}

fn getresuid(call: &mut Call<'_>) -> Answer {
    let ids = Ids::of_user(&call.task().creds);
    write_ids(call, ids)
}

fn getresgid(call: &mut Call<'_>) -> Answer {
    let ids = Ids::of_group(&call.task().creds);
    write_ids(call, ids)
}

/// `setfsuid(2)` has no errors: it answers who it was.
fn setfsuid(call: &mut Call<'_>) -> Answer {
    let old = call.task().creds.clone();
    if let Some(to) = wanted(call.args[0])
        && (old.is_root() || [old.uid, old.euid, old.suid, old.fsuid].contains(&to))
    {
        // A host that refuses leaves it as it was, which is what the answer of a second call tells.
        let _ = call.become_other(Creds {
            fsuid: to,
            ..old.clone()
        });
    }
    Ok(u64::from(old.fsuid))
}

fn setfsgid(call: &mut Call<'_>) -> Answer {
    let old = call.task().creds.clone();
    if let Some(to) = wanted(call.args[0])
        && (old.is_root() || [old.gid, old.egid, old.sgid, old.fsgid].contains(&to))
    {
        let _ = call.become_other(Creds {
            fsgid: to,
            ..old.clone()
        });
    }
    Ok(u64::from(old.fsgid))
}

fn getgroups(call: &mut Call<'_>) -> Answer {
    let groups = call.task().creds.groups.clone();
    let room = usize::try_from(call.int(0)).map_err(|_| Errno::EINVAL)?;
    if room == 0 {
        return Ok(groups.len() as u64);
    }
    if room < groups.len() {
        return Err(Errno::EINVAL.into());
    }
    let bytes: Vec<u8> = groups.iter().flat_map(|group| group.to_le_bytes()).collect();
    call.write(call.args[1], &bytes)?;
    Ok(groups.len() as u64)
}

fn setgroups(call: &mut Call<'_>) -> Answer {
    if !call.task().creds.is_root() {
        return Err(Errno::EPERM.into());
    }
    let count = u64::from(call.args[0] as u32);
    if count > MOST_GROUPS {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = vec![0; count as usize * 4];
    call.kernel.read_user(call.pid, call.args[1], &mut bytes)?;
    let mut groups: Vec<u32> = bytes
        .chunks_exact(4)
        .map(|id| abi::bytes::get_u32(id, 0))
        .collect();
    if groups.contains(&u32::MAX) {
        return Err(Errno::EINVAL.into());
    }
    groups.sort_unstable();
    let old = call.task().creds.clone();
    call.become_other(Creds { groups, ..old })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: Ids = Ids {
        real: 1,
        effective: 2,
        saved: 3,
    };

    /// setuid(2): a user may go between real and saved; root becomes somebody for good.
    #[test]
    fn one_number_is_set_by_the_rules() {
        let effective = |ids: Result<Ids, Errno>| ids.map(|ids| (ids.real, ids.effective, ids.saved));
        assert_eq!(effective(MIXED.set(false, Some(3))), Ok((1, 3, 3)));
        assert_eq!(effective(MIXED.set(false, Some(4))), Err(Errno::EPERM));
        assert_eq!(effective(MIXED.set(true, Some(4))), Ok((4, 4, 4)));
        assert_eq!(effective(MIXED.set(true, None)), Err(Errno::EINVAL));
    }

    /// setreuid(2): the saved number follows the effective one when the real one is set, or the effective one is not the
    /// old real one.
    #[test]
    fn two_numbers_are_set_by_the_rules() {
        let set = |real, effective| {
            let ids = MIXED.set_two(false, real, effective)?;
            Ok::<_, Errno>((ids.real, ids.effective, ids.saved))
        };
        assert_eq!(set(None, Some(1)), Ok((1, 1, 3)));
        assert_eq!(set(None, Some(3)), Ok((1, 3, 3)));
        assert_eq!(set(Some(2), Some(1)), Ok((2, 1, 1)));
        assert_eq!(set(Some(3), None), Err(Errno::EPERM));
        assert_eq!(set(None, None), Ok((1, 2, 3)));
    }

    #[test]
    fn three_numbers_are_set_by_the_rules() {
        let set = |to| {
            MIXED
                .set_three(false, to)
                .map(|ids| [ids.real, ids.effective, ids.saved])
        };
        assert_eq!(set([Some(3), None, Some(2)]), Ok([3, 2, 2]));
        assert_eq!(set([Some(4), None, None]), Err(Errno::EPERM));
        let root = MIXED.set_three(true, [Some(7), Some(8), Some(9)]);
        assert_eq!(root.map(|ids| ids.saved), Ok(9));
    }
}
