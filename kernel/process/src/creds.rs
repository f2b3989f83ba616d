//! Whose rights a task has, and how its calls come to have them on the host.
//!
//! Key types: [`Creds`], [`Acting`]. A task of root may become somebody else (`setuid(2)` and its kin), as it may on Linux.
//! Its files are the host's: while a call of such a task is made, the host thread takes on its user, group and groups for
//! files (`setresuid(2)` of this thread only), and is itself again at the call's end. Neighbours: `syscall::creds`.

use rustix::process::{Gid, Uid, getegid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Whose rights a task has; at first those of the host's user who started the machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Creds {
    /// Real user.
    pub uid: u32,
    /// Effective user.
    pub euid: u32,
    /// Saved user.
    pub suid: u32,
    /// The user of its files' rights.
    pub fsuid: u32,
    /// Real group.
    pub gid: u32,
    /// Effective group.
    pub egid: u32,
    /// Saved group.
    pub sgid: u32,
    /// The group of its files' rights.
    pub fsgid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// What it gave up of root's capabilities, and what it lets programs inherit.
    pub(crate) given_up: GivenUp,
    /// Its rights on files are not the machine's own.
    pub(crate) other: bool,
}

/// A task's capabilities (capabilities(7)), a bit for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Capabilities {
    pub(crate) effective: u64,
    pub(crate) permitted: u64,
    pub(crate) inheritable: u64,
}

impl Capabilities {
    /// All that Linux 6.12 has (`CAP_LAST_CAP` is 40).
    pub(crate) const ALL: u64 = (1 << 41) - 1;
    /// `CAP_SETPCAP`: what it has not can be made inheritable.
    pub(crate) const SETPCAP: u64 = 1 << 8;
    /// `CAP_IPC_LOCK`: no limit on locked memory.
    pub(crate) const IPC_LOCK: u64 = 1 << 14;
}

/// What capset(2) took away since the last exec.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct GivenUp {
    permitted: u64,
    effective: u64,
    inheritable: u64,
}

impl Creds {
    /// Those of the user who started the machine.
    pub(crate) fn of_host() -> Self {
        let (uid, euid) = (getuid().as_raw(), geteuid().as_raw());
        let (gid, egid) = (getgid().as_raw(), getegid().as_raw());
        Self {
            uid,
            euid,
            suid: euid,
            fsuid: euid,
            gid,
            egid,
            sgid: egid,
            fsgid: egid,
            groups: getgroups()
                .map(|groups| groups.into_iter().map(Gid::as_raw).collect())
                .unwrap_or_default(),
            given_up: GivenUp::default(),
            other: false,
        }
    }

    /// Root has all capabilities that it did not give up, others have none (`cap_emulate_setxuid`). Of what they allow, only
    /// the limit on locked memory follows them; all else follows the user.
    pub(crate) fn capabilities(&self) -> Capabilities {
        let all_if = |root: bool| if root { Capabilities::ALL } else { 0 };
        let permitted = all_if([self.uid, self.euid, self.suid].contains(&0)) & !self.given_up.permitted;
        Capabilities {
            effective: all_if(self.euid == 0) & permitted & !self.given_up.effective,
            permitted,
            inheritable: self.given_up.inheritable,
        }
    }

    /// capset(2), the rules being kept by the caller.
    pub(crate) fn set_capabilities(&mut self, new: Capabilities) {
        self.given_up = GivenUp {
            permitted: Capabilities::ALL & !new.permitted,
            effective: Capabilities::ALL & !new.effective,
            inheritable: new.inheritable,
        };
    }

    /// exec: what is effective now is saved, and root has all capabilities again.
    pub(crate) fn save(&mut self) {
        self.given_up.permitted = 0;
        self.given_up.effective = 0;
        self.suid = self.euid;
        self.sgid = self.egid;
    }

    /// Whether it is root's: root may do what needs a capability.
    pub(crate) fn is_root(&self) -> bool {
        self.euid == 0
    }

    /// Whether it may send signals to a task with these (`kill_ok_by_cred`).
    pub(crate) fn may_signal(&self, to: &Self) -> bool {
        let theirs = [to.uid, to.suid];
        self.is_root() || theirs.contains(&self.euid) || theirs.contains(&self.uid)
    }

    /// Whether it may look into, and set limits of, a task with these (`check_prlimit_permission`).
    pub(crate) fn is_over(&self, other: &Self) -> bool {
        let users = [other.uid, other.euid, other.suid];
        let groups = [other.gid, other.egid, other.sgid];
        self.is_root() || users.iter().all(|id| *id == self.uid) && groups.iter().all(|id| *id == self.gid)
    }

    /// What a task may do with something of this mode and owner: bits of read, write, run. Root may do what anybody may
    /// (`generic_permission`, `CAP_DAC_OVERRIDE`). `effective` is for all calls but `access(2)`.
    pub(crate) fn allowed(&self, mode: u32, (owner, group): (u32, u32), effective: bool) -> u32 {
        const READ_WRITE: u32 = 6;
        let (uid, gid) = match effective {
            true => (self.fsuid, self.fsgid),
            false => (self.uid, self.gid),
        };
        let runs = mode & 0o111 != 0;
        if uid == 0 {
            READ_WRITE | u32::from(runs)
        } else if uid == owner {
            mode >> 6 & 7
        } else if gid == group || self.groups.contains(&group) {
            mode >> 3 & 7
        } else {
            mode & 7
        }
    }

    /// Notes whether these rights are other than the machine's.
    pub(crate) fn compare_with(&mut self, machine: &Self) {
        self.other =
            self.fsuid != machine.fsuid || self.fsgid != machine.fsgid || self.groups != machine.groups;
    }
}

/// The host thread has a task's rights on files as long as this lives.
#[derive(Debug)]
pub(crate) struct Acting {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Acting {
    /// Takes on the rights; real and saved user stay the machine's, so that there is a way back.
    ///
    /// # Errors
    /// The host does not let the machine do so; nothing is changed then.
    pub(crate) fn begin(creds: &Creds) -> rustix::io::Result<Self> {
        let before = Self {
            uid: geteuid(),
            gid: getegid(),
            groups: getgroups()?,
        };
        let groups: Vec<Gid> = creds.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        set_thread_groups(&groups)?;
        // From here on a failure goes back by `drop`.
        set_thread_res_gid(None, Gid::from_raw(creds.fsgid), None)?;
        set_thread_res_uid(None, Uid::from_raw(creds.fsuid), None)?;
        Ok(before)
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        // The user first: it is what gives the right to set the rest. Should the host refuse, the machine is left with
        // fewer rights, never with more.
        let _ = set_thread_res_uid(None, self.uid, None);
        let _ = set_thread_res_gid(None, self.gid, None);
        let _ = set_thread_groups(&self.groups);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_same_user_may_signal() {
        let root = Creds {
            uid: 0,
            euid: 0,
            suid: 0,
            ..Creds::of_host()
        };
        let ann = Creds {
            uid: 1000,
            euid: 1000,
            suid: 1000,
            ..root.clone()
        };
        let bob = Creds {
            uid: 1001,
            euid: 1001,
            suid: 1001,
            ..root.clone()
        };
        assert!(root.may_signal(&ann) && ann.may_signal(&ann));
        assert!(!ann.may_signal(&bob) && !ann.may_signal(&root));
        // A saved user is enough on the other side, not on one's own.
        let was_ann = Creds {
            suid: 1000,
            ..bob.clone()
        };
        assert!(ann.may_signal(&was_ann) && !was_ann.may_signal(&ann));
    }

    #[test]
    fn another_users_rights_end_with_the_call() {
        let mut nobody = Creds {
            fsuid: 65534,
            fsgid: 65534,
            groups: vec![65534],
            ..Creds::of_host()
        };
        nobody.compare_with(&Creds::of_host());
        assert!(nobody.other);
        if !geteuid().is_root() {
            assert!(Acting::begin(&nobody).is_err(), "only root may");
            println!("only that it is refused was checked: this needs root");
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        std::fs::write(&file, "x").expect("written");
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, closed).expect("closed");
        let before = (geteuid(), getegid(), getgroups().expect("groups"));
        let acting = Acting::begin(&nobody).expect("root may");
        assert!(std::fs::read(&file).is_err());
        drop(acting);
        assert_eq!((geteuid(), getegid(), getgroups().expect("groups")), before);
        assert!(std::fs::read(&file).is_ok());
    }
}
