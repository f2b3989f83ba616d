//! qemu-aarch64 as the reference, in the same root folder: namespaces of its own (user, mount, process; user_namespaces(7))
//! need no rights, and a binfmt_misc of that user namespace (Linux 6.7) starts every arm64 program there by a static qemu,
//! so that execve works for children too. Neighbours: [`super::engine`], [`crate::toolchain`].

use std::path::Path;
use std::process::Command;

use crate::command::Done;
use crate::command::find;
use crate::toolchain::static_qemu;
use crate::trouble::Trouble;

use super::engine::{ENVIRONMENT, Engine};
use super::roots::WORK;

/// The status of [`SETUP`] when the namespaces cannot be had: not one that a case ends with.
const NO_REFERENCE: u8 = 119;

/// Runs inside of the new namespaces. `$1` qemu, `$2` the root, `$3` the working folder; then the environment and the
/// program. The magic is an ELF header of a 64-bit little-endian AArch64 program (elf(5)); `F` keeps qemu's file
/// open across the change of root, `P` hands the program its own `argv[0]`. The shell stays as the namespace's first process.
const SETUP: &str = r#"
qemu=$1 root=$2 work=$3; shift 3
fail() { echo "no reference: $1" >&2; exit 119; }
type=/proc/sys/fs/binfmt_misc
mount -t binfmt_misc none $type || fail "this kernel has no binfmt_misc for a user namespace (Linux 6.7 has)"
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s\n' ":qemu-aarch64:M::$magic:$mask:$qemu:FP" >$type/register || fail "binfmt_misc takes no qemu"
mount --bind "$root" "$root" || fail "no root"
mount -t proc proc "$root/proc" || fail "no /proc"
mount -t tmpfs dev "$root/dev" || fail "no /dev"
mkdir -m 1777 "$root/dev/shm"
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts" || fail "no /dev/pts"
for name in null zero full random urandom tty; do
    : >"$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name" || fail "no /dev/$name"
done
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for name in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${name%:*}" "$root/dev/${name#*:}"; done
unshare --root="$root" --wd="$work" env -i "$@"
exit $?
"#;

/// The reference, or what it lacks on this host.
pub(crate) fn engine() -> Result<Engine, Trouble> {
    for tool in ["unshare", "setsid", "mount"] {
        if find(&[tool]).is_none() {
            return Err(Trouble::Missing {
                tool: tool.into(),
                why: "util-linux has it".into(),
            });
        }
    }
    Ok(Engine::Qemu(static_qemu()?))
}

/// Adds the start of a program in this root to a command line; the program's words follow.
pub(crate) fn start(command: &mut Command, qemu: &Path, root: &Path) {
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    command.args([
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
    ]);
    command
        .args(["--", "sh", "-c", SETUP, "sh"])
        .arg(qemu)
        .arg(root)
        .arg(WORK);
    for (name, value) in ENVIRONMENT {
        command.arg(format!("{name}={value}"));
    }
}

/// Why this run is no answer, if it is none.
pub(crate) fn complaint(done: &Done) -> Option<String> {
    let denied = done.stderr.starts_with("unshare: ");
    if done.status != NO_REFERENCE && !denied {
        return None;
    }
    Some(done.stderr.lines().last().unwrap_or("no reason given").to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn done(status: u8, stderr: &str) -> Done {
        Done {
            status,
            stdout: Vec::new(),
            stderr: stderr.into(),
            wall: Duration::ZERO,
            late: false,
        }
    }

    #[test]
    fn a_host_without_namespaces_is_told_from_a_program_that_fails() {
        assert!(complaint(&done(1, "ls: x: No such file or directory\n")).is_none());
        assert!(complaint(&done(0, "")).is_none());
        let why = complaint(&done(119, "mount: denied\nno reference: no /proc\n"));
        assert_eq!(why.as_deref(), Some("no reference: no /proc"));
        assert!(complaint(&done(1, "unshare: unshare failed: Operation not permitted\n")).is_some());
    }
}
