//! Which cgroup a process is in, and which container that means ([`memory_path`], [`Container`]; cgroups(7)).
//!
//! `PID/cgroup` has one line for each hierarchy: `ID:CONTROLLERS:PATH`, of version 2 `0::PATH`. No kernel interface knows
//! containers: each runtime has its own way to name the cgroups that it makes, and those names are what is recognised.

use procfs::printable;
use std::fmt;

/// What a process runs in, apart from the rest of the system.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Container {
    /// Nothing: no container's cgroup, and the same PID namespace as this `/proc`.
    None,
    /// A container of a known runtime.
    Runtime {
        /// `docker`, `podman`, `containerd`, `cri-o`, `kubepods` (Kubernetes, runtime not named), `lxc`, `nspawn`, `ecs`...
        runtime: &'static str,
        /// The runtime's id (64 hexadecimal digits) or name.
        id: String,
    },
    /// A PID namespace of its own, by inode number: a sandbox, or a container whose cgroup cannot be recognised.
    PidNamespace(u64),
}

impl Container {
    /// As [`fmt::Display`], but ids of 64 digits are cut to 12, as the runtimes' own listings do.
    #[must_use]
    pub fn short(&self) -> String {
        match self {
            Self::Runtime { runtime, id } if is_id(id) => {
                format!("{runtime}:{}", id.get(..12).unwrap_or(id))
            }
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Runtime { runtime, id } => write!(f, "{runtime}:{id}"),
            Self::PidNamespace(inode) => write!(f, "pidns:{inode}"),
        }
    }
}

/// A line of `PID/cgroup`: its controllers and its path.
fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|&b| b == b'\n').filter_map(|line| {
        let mut fields = line.splitn(3, |&b| b == b':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        // A cgroup that was removed under its processes.
        Some((controllers, path.strip_suffix(b" (deleted)").unwrap_or(path)))
    })
}

/// The path of the cgroup that memory is charged to: of the `memory` controller of version 1 if that is in use, else of
/// version 2. `None` if the text has neither.
pub(super) fn memory_path(text: &[u8]) -> Option<String> {
    let has_memory = |controllers: &[u8]| controllers.split(|&b| b == b',').any(|c| c == b"memory");
    let first = lines(text).find(|(controllers, _)| has_memory(controllers));
    let unified = || lines(text).find(|(controllers, _)| controllers.is_empty());
    let (_, path) = first.or_else(unified)?;
    Some(printable(path))
}

/// The container of a process by the paths of its cgroups; `None` if they name none.
pub(super) fn container(text: &[u8]) -> Option<Container> {
    let of = |(_, path): (&[u8], &[u8])| by_path(&printable(path));
    lines(text).find_map(of)
}

/// The innermost part of the path that names a container.
fn by_path(path: &str) -> Option<Container> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let at = |(index, part): (usize, &&str)| {
        let before = index.checked_sub(1).and_then(|i| parts.get(i)).copied();
        by_part(part, before, &parts[..index])
    };
    let (runtime, id) = parts.iter().enumerate().rev().find_map(at)?;
    Some(Container::Runtime { runtime, id })
}

/// `PREFIX-ID.scope` of the systemd drivers; also the way containerd writes it where systemd does not run: `SLICE:PREFIX:ID`.
const SCOPES: &[(&str, &str)] = &[
    ("docker", "docker"),
    ("libpod", "podman"),
    ("cri-containerd", "containerd"),
    ("nerdctl", "containerd"),
    ("containerd", "containerd"),
    ("crio", "cri-o"),
    ("buildkit", "buildkit"),
];

/// `PARENT/ID` of the cgroupfs drivers.
const PARENTS: &[(&str, &str)] = &[
    ("docker", "docker"),
    ("libpod_parent", "podman"),
    ("default", "containerd"),
    ("k8s.io", "containerd"),
    ("moby", "docker"),
    ("buildkit", "buildkit"),
    ("actions_job", "docker"),
];

fn by_part(part: &str, before: Option<&str>, above: &[&str]) -> Option<(&'static str, String)> {
    by_scope(part)
        .or_else(|| by_machine(part))
        .or_else(|| by_lxc(part, before))
        .or_else(|| by_parent(part, before, above))
}

fn by_scope(part: &str) -> Option<(&'static str, String)> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    let (prefix, id) = name.rsplit_once(['-', ':'])?;
    let prefix = prefix.rsplit_once(':').map_or(prefix, |(_, last)| last);
    // `libpod-conmon-ID` and `crio-conmon-ID` are the monitors, outside of the container: their prefix is not in the table.
    let (_, runtime) = SCOPES.iter().find(|(known, _)| *known == prefix)?;
    is_id(id).then(|| (*runtime, id.to_owned()))
}

/// systemd-nspawn: `machine-NAME.scope` or `systemd-nspawn@NAME.service`. Virtual machines of libvirt are called alike.
fn by_machine(part: &str) -> Option<(&'static str, String)> {
    let scope = || part.strip_prefix("machine-")?.strip_suffix(".scope");
    let service = || part.strip_prefix("systemd-nspawn@")?.strip_suffix(".service");
    let name = unescape(scope().or_else(service)?);
    if name.starts_with("qemu-") {
        return None;
    }
    match name.strip_prefix("lxc-") {
        Some(lxc) => Some(("lxc", lxc.to_owned())),
        None => Some(("nspawn", name)),
    }
}

/// LXC: `lxc.payload.NAME`, `lxc.payload/NAME` or `lxc/NAME`; `lxc.monitor` is outside of the container.
fn by_lxc(part: &str, before: Option<&str>) -> Option<(&'static str, String)> {
    let name = match part.strip_prefix("lxc.payload.") {
        Some(name) => name,
        None if matches!(before, Some("lxc" | "lxc.payload")) => part,
        None => return None,
    };
    (!name.is_empty()).then(|| ("lxc", name.to_owned()))
}

fn by_parent(part: &str, before: Option<&str>, above: &[&str]) -> Option<(&'static str, String)> {
    if !is_id(part) {
        return None;
    }
    if above.iter().any(|part| part.starts_with("kubepods")) {
        return Some(("kubepods", part.to_owned()));
    }
    if above.first() == Some(&"ecs") {
        return Some(("ecs", part.to_owned()));
    }
    let (_, runtime) = PARENTS.iter().find(|(parent, _)| Some(*parent) == before)?;
    Some((*runtime, part.to_owned()))
}

/// 64 hexadecimal digits.
fn is_id(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// systemd writes bytes that a unit's name may not hold as `\xHH`.
fn unescape(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail
            .strip_prefix(b"x")
            .and_then(|hex| str::from_utf8(hex.get(..2)?).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let (b'\\', Some(byte)) = (first, byte) {
            bytes.push(byte);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    printable(&bytes)
}

/// The inode number in what a namespace's link says: `pid:[4026531836]`.
pub(super) fn namespace_inode(link: &[u8]) -> Option<u64> {
    let number = link.strip_prefix(b"pid:[")?.strip_suffix(b"]")?;
    str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn found(path: &str) -> String {
        by_path(&path.replace("ID", ID)).map_or("-".into(), |c| c.short())
    }

    #[test]
    fn the_runtimes_are_known_by_their_cgroups() {
        let cases = [
            ("/docker/ID", "docker:0123456789ab"),
            ("/system.slice/docker-ID.scope", "docker:0123456789ab"),
            ("/system.slice/docker-ID.scope/init.scope", "docker:0123456789ab"),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
                "podman:0123456789ab",
            ),
            ("/machine.slice/libpod-conmon-ID.scope", "-"),
            ("/libpod_parent/ID", "podman:0123456789ab"),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-ID.scope",
                "containerd:0123456789ab",
            ),
            (
                "/kubepods.slice/kubepods-pod1.slice/crio-ID.scope",
                "cri-o:0123456789ab",
            ),
            ("/kubepods.slice/kubepods-pod1.slice/crio-conmon-ID.scope", "-"),
            ("/kubepods/besteffort/pod12-34/ID", "kubepods:0123456789ab"),
            (
                "/kubepods-burstable-pod1.slice:cri-containerd:ID",
                "containerd:0123456789ab",
            ),
            ("/ecs/task/ID", "ecs:0123456789ab"),
            ("/lxc/web/system.slice/cron.service", "lxc:web"),
            ("/lxc.payload.web", "lxc:web"),
            ("/lxc.payload/web/init.scope", "lxc:web"),
            ("/lxc.monitor.web", "-"),
            ("/machine.slice/machine-deb\\x2d12.scope/payload", "nspawn:deb-12"),
            ("/machine.slice/systemd-nspawn@web.service", "nspawn:web"),
            ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", "-"),
            ("/system.slice/docker.service", "-"),
            ("/system.slice/docker-0123.scope", "-"),
            ("/user.slice/user-0.slice/session-1.scope", "-"),
            ("/", "-"),
        ];
        for (path, expected) in cases {
            assert_eq!(found(path), expected, "{path}");
        }
        // A container in a container: the innermost.
        let inner = "f".repeat(64);
        assert_eq!(
            by_path(&format!("/docker/{ID}/docker/{inner}"))
                .unwrap()
                .to_string(),
            format!("docker:{inner}")
        );
    }

    #[test]
    fn memory_is_charged_to_the_memory_controllers_cgroup() {
        let hybrid = b"4:cpu,memory:/a:b/c\n1:name=systemd:/s\n0::/u\n";
        assert_eq!(memory_path(hybrid).as_deref(), Some("/a:b/c"));
        assert_eq!(
            memory_path(b"0::/user.slice (deleted)\n").as_deref(),
            Some("/user.slice")
        );
        assert_eq!(memory_path(b"1:name=systemd:/s\n"), None);
        for spoilt in [b"".as_slice(), b"\n", b"x", b"::", b":::", b"0:\xff:\xff"] {
            let _ = (memory_path(spoilt), container(spoilt));
        }
    }

    #[test]
    fn escapes_that_are_cut_short_stay() {
        assert_eq!(unescape("a\\x2db\\x2\\xzz\\"), "a-b\\x2\\xzz\\");
        assert_eq!(namespace_inode(b"pid:[4026531836]"), Some(4_026_531_836));
        assert_eq!(namespace_inode(b"net:[1]"), None);
    }
}
