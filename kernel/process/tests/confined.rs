//! A guest in a root folder (`--root`) that wants out, on a machine that only reads (`--read-only`), and without a network
//! (`--no-network`).
//!
//! Key type: [`Jail`]: a folder with a secret, a root folder beside it, and a kernel without a processor whose one task
//! makes the calls. Neighbours: `hostile` (random calls), `file::root` (how paths are found).

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use arch::{Bytes, Granule, Trap, VirtAddr};
use process::{Bundled, Clock, Config, Kernel, Root, Spawn, State};

const MKNODAT: u64 = 33;
const MKDIRAT: u64 = 34;
const UNLINKAT: u64 = 35;
const SYMLINKAT: u64 = 36;
const LINKAT: u64 = 37;
const RENAMEAT: u64 = 38;
const TRUNCATE: u64 = 45;
const FACCESSAT: u64 = 48;
const CHDIR: u64 = 49;
const FCHDIR: u64 = 50;
const FCHMOD: u64 = 52;
const FCHMODAT: u64 = 53;
const FCHOWNAT: u64 = 54;
const FCHOWN: u64 = 55;
const OPENAT: u64 = 56;
const CLOSE: u64 = 57;
const GETDENTS64: u64 = 61;
const READ: u64 = 63;
const WRITE: u64 = 64;
const READLINKAT: u64 = 78;
const UTIMENSAT: u64 = 88;
const SOCKET: u64 = 198;
const BIND: u64 = 200;
const CONNECT: u64 = 203;
const EXECVE: u64 = 221;
const MMAP: u64 = 222;

const HERE: u64 = -100i64 as u64;
const O_WRONLY: u64 = 1;
const O_RDWR: u64 = 2;
const O_CREAT: u64 = 0o100;
const O_EXCL: u64 = 0o200;
const O_TRUNC: u64 = 0o1000;
const O_DIRECTORY: u64 = 0o40000;
const O_NOFOLLOW: u64 = 0o100000;
const O_PATH: u64 = 0o10000000;
const O_TMPFILE: u64 = 0o20040000;
const AT_SYMLINK_NOFOLLOW: u64 = 0x100;

const ENOENT: i64 = -2;
const EEXIST: i64 = -17;
const ENOTDIR: i64 = -20;
const EISDIR: i64 = -21;
const EROFS: i64 = -30;
const EAFNOSUPPORT: i64 = -97;
const EADDRINUSE: i64 = -98;
const ECONNREFUSED: i64 = -111;

/// Where the guest keeps paths, and what it reads.
const SLOTS: [u64; 2] = [0, 8192];
const BUFFER: u64 = 16384;
const BUFFER_BYTES: u64 = 16384;

struct Jail {
    kernel: Kernel,
    area: u64,
    folder: tempfile::TempDir,
}

impl Jail {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path();
        fs::write(outside.join("secret"), "outside").unwrap();
        fs::create_dir_all(outside.join("root/a/b/c")).unwrap();
        fs::write(outside.join("root/file"), "inside").unwrap();
        let elf = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guests/elf/heap");
        let mut config = Config {
            seed: Some(1),
            programs: vec![Bundled {
                name: "t".to_owned(),
                bytes: fs::read(elf).unwrap().into(),
            }],
            root: Some(Root::open(&outside.join("root")).unwrap()),
            ..Config::default()
        };
        change(&mut config);
        let ram = ram::Ram::new(Bytes::new(16 << 20), Granule::K16).unwrap();
        let mut jail = Self {
            kernel: Kernel::new(mm::Memory::new(ram), config, Clock::default()),
            area: 0,
            folder,
        };
        let program = Spawn {
            path: b"/pagewalk/t".to_vec(),
            args: vec![b"t".to_vec()],
            env: Vec::new(),
            working: b"/".to_vec(),
        };
        jail.kernel.spawn(&program).unwrap();
        for fd in 0..3 {
            jail.call(CLOSE, [fd, 0, 0, 0, 0, 0]);
        }
        jail.area = jail.call(MMAP, [0, 65536, 3, 0x22, u64::MAX, 0]) as u64;
        jail
    }

    fn inside(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path)
    }

    /// A call by the one task, which is still there afterwards.
    fn call(&mut self, number: u64, args: [u64; 6]) -> i64 {
        let pid = self.kernel.next_task().unwrap();
        let (regs, _) = self.kernel.context(pid);
        regs.set_x(8, number);
        for (n, value) in args.into_iter().enumerate() {
            regs.set_x(n, value);
        }
        self.kernel.handle(pid, Trap::Supervisor(0), Clock::default());
        let task = self.kernel.find(pid).unwrap();
        assert_eq!(task.state, State::Runnable, "call {number} waits");
        task.regs.x(0) as i64
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> u64 {
        let pid = self.kernel.next_task().unwrap();
        let space = self.kernel.find(pid).unwrap().space.as_ref().unwrap().id;
        let at = self.area + at;
        let memory = self.kernel.memory_mut();
        memory.copy_out(space, VirtAddr::new(at), bytes).unwrap();
        at
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let pid = self.kernel.next_task().unwrap();
        let space = self.kernel.find(pid).unwrap().space.as_ref().unwrap().id;
        let mut bytes = vec![0; length];
        let at = VirtAddr::new(self.area + BUFFER);
        self.kernel.memory_mut().copy_in(space, at, &mut bytes).unwrap();
        bytes
    }

    fn text(&mut self, slot: usize, text: &str) -> u64 {
        self.put(SLOTS[slot], &[text.as_bytes(), b"\0"].concat())
    }

    fn open_at(&mut self, from: u64, path: &str, flags: u64) -> i64 {
        let path = self.text(0, path);
        self.call(OPENAT, [from, path, flags, 0o644, 0, 0])
    }

    fn open(&mut self, path: &str, flags: u64) -> i64 {
        self.open_at(HERE, path, flags)
    }

    /// A call on one path of the working directory, with what follows the path.
    fn on(&mut self, number: u64, path: &str, rest: [u64; 3]) -> i64 {
        let path = self.text(0, path);
        self.call(number, [HERE, path, rest[0], rest[1], rest[2], 0])
    }

    fn rename(&mut self, old: &str, new: &str) -> i64 {
        let (old, new) = (self.text(0, old), self.text(1, new));
        self.call(RENAMEAT, [HERE, old, HERE, new, 0, 0])
    }

    fn link(&mut self, old: &str, new: &str, flags: u64) -> i64 {
        let (old, new) = (self.text(0, old), self.text(1, new));
        self.call(LINKAT, [HERE, old, HERE, new, flags, 0])
    }

    fn symlink(&mut self, target: &str, path: &str) -> i64 {
        let (target, path) = (self.text(0, target), self.text(1, path));
        self.call(SYMLINKAT, [target, HERE, path, 0, 0, 0])
    }

    fn chdir(&mut self, path: &str) -> i64 {
        let path = self.text(0, path);
        self.call(CHDIR, [path, 0, 0, 0, 0, 0])
    }

    /// What the guest reads from a path: a file's bytes or a directory's entries; nothing if it cannot be opened.
    fn read_at(&mut self, from: u64, path: &str) -> Vec<u8> {
        let fd = self.open_at(from, path, 0);
        if fd < 0 {
            return Vec::new();
        }
        let at = self.area + BUFFER;
        let entries = self.call(GETDENTS64, [fd as u64, at, BUFFER_BYTES, 0, 0, 0]);
        let length = match entries {
            ENOTDIR => self.call(READ, [fd as u64, at, BUFFER_BYTES, 0, 0, 0]),
            length => length,
        };
        self.call(CLOSE, [fd as u64, 0, 0, 0, 0, 0]);
        self.take(usize::try_from(length).unwrap_or(0))
    }

    fn sees_out(&mut self, from: u64, path: &str) -> bool {
        let seen = self.read_at(from, path);
        let has = |what: &[u8]| seen.windows(what.len()).any(|part| part == what);
        has(b"outside") || has(b"secret\0")
    }

    /// What lies outside, with times and modes, must stay as it is.
    fn outside(&self) -> Vec<(PathBuf, u32, i64, Vec<u8>)> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut found: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.ends_with("root"))
            .map(|path| {
                let of = fs::symlink_metadata(&path).unwrap();
                let bytes = fs::read(&path).unwrap_or_default();
                (path, of.mode(), of.mtime_nsec(), bytes)
            })
            .collect();
        found.sort();
        found
    }
}

fn utf8(path: &Path) -> String {
    OsStr::to_str(path.as_os_str()).unwrap().to_owned()
}

/// Names of the secret, and of the folder that it is in, from a root that has had every kind of link put into it.
fn ways_out(jail: &Jail) -> Vec<String> {
    let outside = utf8(jail.folder.path());
    let link = |target: &str, path: &str| symlink(target, jail.inside(path)).unwrap();
    link(&outside, "absolute");
    link("../..", "a/up");
    link("../../../../../../../../../..", "a/b/top");
    link("/proc/self/root", "magic");
    link("absolute", "chain");
    link(&format!("/proc/{}/root", std::process::id()), "host-root");
    link(&format!("/proc/{}/cwd", std::process::id()), "host-cwd");
    let folders = [
        "/..",
        "..",
        "../..",
        "/a/../..",
        "a/b/c/../../../..",
        "absolute",
        "chain",
        "a/up",
        "a/b/top",
        "magic/..",
        "host-root",
        "host-cwd",
        "/proc/self/root/..",
        "/proc/self/cwd/..",
        "/proc/1/root/..",
        "/proc/1/cwd/..",
        "/proc/thread-self/root/..",
        "/proc/self/../..",
        "/dev/fd/..",
        "//..//..//",
    ];
    let mut ways: Vec<String> = folders.iter().map(|folder| (*folder).to_owned()).collect();
    let deeper = [outside.clone(), format!("..{outside}")];
    ways.extend(folders.iter().map(|folder| format!("{folder}/secret")));
    ways.extend(folders.iter().map(|folder| format!("{folder}{outside}/secret")));
    ways.extend(deeper.iter().map(|folder| format!("{folder}/secret")));
    ways.extend(deeper);
    ways
}

/// Without a root folder the same look finds it: the other tests could fail.
#[test]
fn without_a_root_the_secret_is_seen() {
    let mut jail = Jail::new(|config| config.root = None);
    let outside = utf8(jail.folder.path());
    assert!(jail.sees_out(HERE, &outside) && jail.sees_out(HERE, &format!("{outside}/secret")));
}

#[test]
fn no_path_leads_out() {
    let mut jail = Jail::new(|_| {});
    let before = jail.outside();
    for way in ways_out(&jail) {
        assert!(!jail.sees_out(HERE, &way), "{way} is read");
        // Creation, removal and changes go the same way, by name and by link.
        for flags in [
            O_WRONLY,
            O_WRONLY | O_CREAT,
            O_RDWR | O_CREAT | O_TRUNC,
            O_RDWR | O_CREAT | O_EXCL,
            O_TMPFILE | O_RDWR,
        ] {
            let fd = jail.open(&way, flags);
            if fd >= 0 {
                let at = jail.text(0, "changed");
                jail.call(WRITE, [fd as u64, at, 7, 0, 0, 0]);
                jail.call(FCHMOD, [fd as u64, 0o600, 0, 0, 0, 0]);
                jail.call(CLOSE, [fd as u64, 0, 0, 0, 0, 0]);
            }
        }
        jail.on(FCHMODAT, &way, [0, 0, 0]);
        jail.on(FCHOWNAT, &way, [1, 1, 0]);
        jail.on(UTIMENSAT, &way, [0, 0, 0]);
        let path = jail.text(0, &way);
        jail.call(TRUNCATE, [path, 0, 0, 0, 0, 0]);
        jail.rename("file", &way);
        jail.rename(&way, "stolen");
        jail.link(&way, "stolen", 0x400);
        jail.symlink("x", &way);
        jail.on(MKDIRAT, &way, [0o755, 0, 0]);
        jail.on(MKDIRAT, &format!("{way}/new"), [0o755, 0, 0]);
        jail.on(UNLINKAT, &way, [0, 0, 0]);
        jail.on(UNLINKAT, &way, [0x200, 0, 0]);
        assert!(!jail.sees_out(HERE, "stolen"), "{way} is linked");
        assert!(jail.outside() == before, "{way} is changed");
    }
}

#[test]
fn no_descriptor_and_no_folder_leads_out() {
    let mut jail = Jail::new(|_| {});
    let ways = ways_out(&jail);
    for folder in ["/", "/a/b/c", "/proc/self", "/proc", "/pagewalk", "/dev"] {
        let fd = jail.open(folder, O_DIRECTORY);
        let place = jail.open(folder, O_PATH);
        for way in &ways {
            for from in [fd, place] {
                assert!(from < 0 || !jail.sees_out(from as u64, way), "{folder} {way}");
            }
        }
        if fd >= 0 {
            jail.call(FCHDIR, [fd as u64, 0, 0, 0, 0, 0]);
        }
        for way in &ways {
            assert!(!jail.sees_out(HERE, way), "in {folder}: {way}");
            let here = jail.chdir(way);
            assert!(here != 0 || !jail.sees_out(HERE, "."), "chdir {folder} {way}");
            assert!(
                !jail.sees_out(HERE, "secret") && !jail.sees_out(HERE, "../secret"),
                "chdir {folder} {way}"
            );
            jail.chdir("/");
        }
    }
}

#[test]
fn a_folder_that_is_moved_out_does_not_take_its_guest_along() {
    let mut jail = Jail::new(|_| {});
    let fd = jail.open("/a/b/c", O_DIRECTORY) as u64;
    assert_eq!(jail.chdir("/a/b"), 0);
    fs::rename(jail.inside("a/b"), jail.folder.path().join("moved")).unwrap();
    for way in ["../secret", "../../secret", "..", "../..", "c/../../secret"] {
        assert!(!jail.sees_out(HERE, way), "{way}");
        assert!(!jail.sees_out(fd, way), "{way} from the descriptor");
    }
    jail.call(FCHDIR, [fd, 0, 0, 0, 0, 0]);
    assert!(!jail.sees_out(HERE, "../../secret"));
}

#[test]
fn programs_and_links_outside_are_not_there() {
    let mut jail = Jail::new(|_| {});
    symlink("/bin/true", jail.inside("true")).unwrap();
    fs::copy(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../guests/elf/heap"),
        jail.folder.path().join("program"),
    )
    .unwrap();
    symlink("../program", jail.inside("other")).unwrap();
    for path in [
        "/bin/true",
        "true",
        "other",
        "../program",
        "/proc/self/root/../program",
    ] {
        let at = jail.text(0, path);
        assert_eq!(jail.call(EXECVE, [at, 0, 0, 0, 0, 0]), ENOENT, "{path}");
    }
    // What a link says may be read; it is inside.
    let at = jail.text(0, "true");
    let room = jail.area + BUFFER;
    assert_eq!(jail.call(READLINKAT, [HERE, at, room, 100, 0, 0]), 9);
}

#[test]
fn links_that_lead_nowhere_can_be_read_and_removed() {
    let mut jail = Jail::new(|_| {});
    const ELOOP: i64 = -40;
    for (target, follow) in [
        ("nowhere", ENOENT),
        ("no/such/folder", ENOENT),
        ("/no/such/folder", ENOENT),
        ("itself", ELOOP),
        ("file/x", ENOTDIR),
    ] {
        symlink(target, jail.inside("itself")).unwrap();
        assert_eq!(jail.open("itself", 0), follow, "{target}");
        assert_eq!(jail.on(FCHMODAT, "itself", [0o600, 0, 0]), follow, "{target}");
        assert_eq!(jail.open("itself", O_NOFOLLOW), ELOOP, "{target}");
        let at = jail.text(0, "itself");
        let room = jail.area + BUFFER;
        let length = jail.call(READLINKAT, [HERE, at, room, 100, 0, 0]);
        assert_eq!(length, target.len() as i64, "{target}");
        assert_eq!(jail.on(UNLINKAT, "itself", [0, 0, 0]), 0, "{target}");
        assert!(!jail.inside("itself").is_symlink());
    }
}

#[test]
fn sockets_of_the_host_are_not_there() {
    let mut jail = Jail::new(|_| {});
    let _outside = UnixListener::bind(jail.folder.path().join("door")).unwrap();
    let _inside = UnixListener::bind(jail.inside("door")).unwrap();
    let socket = jail.call(SOCKET, [1, 1, 0, 0, 0, 0]) as u64;
    let mut connect = |name: &str| {
        let address = [&1u16.to_le_bytes()[..], name.as_bytes(), b"\0"].concat();
        let at = jail.put(BUFFER, &address);
        jail.call(CONNECT, [socket, at, address.len() as u64, 0, 0, 0])
    };
    assert_eq!(
        connect("/../door"),
        ECONNREFUSED,
        "the one inside is a file of that name only"
    );
    assert_eq!(connect("/door"), ECONNREFUSED);
    assert_eq!(connect("../../door2"), ENOENT);
}

#[test]
fn calls_that_change_the_system_are_refused() {
    let mut jail = Jail::new(|_| {});
    let file = jail.text(0, "/a");
    // mount, umount2, pivot_root, chroot, setns, unshare, open_by_handle_at, name_to_handle_at, ptrace, init_module,
    // finit_module, kexec_load, bpf, reboot, swapon, swapoff, sethostname, settimeofday, acct, quotactl,
    // perf_event_open, userfaultfd, open_tree, move_mount, fsopen, mount_setattr.
    for number in [
        40, 39, 41, 51, 268, 97, 265, 264, 117, 105, 273, 104, 280, 142, 224, 225, 161, 170, 89, 60, 241,
        282, 428, 429, 430, 442,
    ] {
        let answer = jail.call(number, [file, file, file, 0, 0, 0]);
        assert!((-4095..0).contains(&answer), "call {number} answers {answer}");
    }
    let device = jail.on(MKNODAT, "device", [0o020_666, 0x103, 0]);
    assert!(
        device < 0 && !jail.inside("device").exists(),
        "a device node: {device}"
    );
}

/// Whoever else works in the folder may turn a folder into a link and back between any two of the machine's calls.
#[test]
fn no_race_leads_out() {
    const TURNS: usize = 4000;
    let mut jail = Jail::new(|_| {});
    let root = jail.inside("");
    fs::create_dir(root.join("swap")).unwrap();
    fs::write(root.join("swap/secret"), "inside").unwrap();
    symlink("../", root.join("link")).unwrap();
    symlink(jail.folder.path(), root.join("absolute")).unwrap();
    let before = jail.outside();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            let exchange = |a: &str, b: &str| {
                renameat_with(CWD, root.join(a), CWD, root.join(b), RenameFlags::EXCHANGE).unwrap();
            };
            while !stop.load(Ordering::Relaxed) {
                exchange("swap", "link");
                exchange("swap", "absolute");
                exchange("swap", "link");
                exchange("swap", "absolute");
            }
        });
        for turn in 0..TURNS {
            let seen = jail.sees_out(HERE, "swap/secret") || jail.sees_out(HERE, "swap/../secret");
            let dirty = match turn % 6 {
                0 => jail.open("swap/new", O_RDWR | O_CREAT),
                1 => jail.on(FCHMODAT, "swap/secret", [0o600, 0, 0]),
                2 => jail.on(UNLINKAT, "swap/new", [0, 0, 0]),
                3 => jail.rename("file", "swap/file"),
                4 => jail.rename("swap/file", "file"),
                _ => jail.on(MKDIRAT, "swap/folder", [0o755, 0, 0]),
            };
            if turn % 6 == 0 && dirty >= 0 {
                jail.call(CLOSE, [dirty as u64, 0, 0, 0, 0, 0]);
            }
            if seen {
                stop.store(true, Ordering::Relaxed);
                panic!("the secret was read at turn {turn}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(jail.outside() == before);
}

#[test]
fn proc_knows_the_machines_tasks_only() {
    let mut jail = Jail::new(|_| {});
    let listing = jail.read_at(HERE, "/proc");
    let has = |what: &str| {
        let name = [what.as_bytes(), b"\0"].concat();
        listing.windows(name.len()).any(|part| part == name)
    };
    assert!(has("1") && has("self"), "its own task");
    let host = std::process::id();
    assert!(host == 1 || !has(&host.to_string()));
    assert!(jail.open(&format!("/proc/{host}/maps"), 0) < 0 || host == 1);
}

/// What Linux 6.18 answered on a tmpfs that was remounted read-only.
#[test]
fn a_machine_that_only_reads_answers_as_a_read_only_file_system() {
    let mut jail = Jail::new(|config| config.read_only = true);
    let root = jail.inside("");
    symlink("file", root.join("l")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(root.join("p")).status();
    assert!(fifo.unwrap().success());
    for (path, flags, answer) in [
        ("n", O_CREAT | O_WRONLY, EROFS),
        ("n", O_CREAT, EROFS),
        ("n", 0, ENOENT),
        ("file", O_RDWR, EROFS),
        ("l", O_RDWR, EROFS),
        ("a", O_WRONLY, EISDIR),
        ("file", O_TRUNC, EROFS),
        ("file", O_CREAT | O_EXCL, EEXIST),
        ("dangling", O_CREAT | O_WRONLY, EROFS),
        ("dangling", O_CREAT | O_EXCL, EEXIST),
        ("a", O_TMPFILE | O_RDWR, EROFS),
        ("l", O_NOFOLLOW | O_WRONLY, -40),
    ] {
        assert_eq!(jail.open(path, flags), answer, "open {path} {flags:#o}");
    }
    for (path, flags) in [
        ("file", O_CREAT),
        ("file", 0),
        ("l", 0),
        ("p", O_RDWR),
        ("a", O_DIRECTORY),
        ("file", O_PATH),
    ] {
        assert!(jail.open(path, flags) >= 0, "open {path} {flags:#o}");
    }
    for (number, path, answer) in [
        (MKDIRAT, "n", EROFS),
        (MKDIRAT, "a", EEXIST),
        (MKDIRAT, "file/x", ENOTDIR),
        (UNLINKAT, "n", EROFS),
        (UNLINKAT, "file", EROFS),
        (UNLINKAT, "zz/n", ENOENT),
        (FCHMODAT, "n", ENOENT),
        (FCHMODAT, "file", EROFS),
        (FCHMODAT, "dangling", ENOENT),
        (FCHOWNAT, "file", EROFS),
        (UTIMENSAT, "file", EROFS),
        (UTIMENSAT, "n", ENOENT),
    ] {
        assert_eq!(jail.on(number, path, [0, 0, 0]), answer, "call {number} {path}");
    }
    assert_eq!(jail.on(FCHOWNAT, "dangling", [0, 0, AT_SYMLINK_NOFOLLOW]), EROFS);
    for (path, mode, answer) in [
        ("file", 2, EROFS),
        ("a", 2, EROFS),
        ("p", 2, 0),
        ("n", 2, ENOENT),
        ("file", 4, 0),
    ] {
        assert_eq!(
            jail.on(FACCESSAT, path, [mode, 0, 0]),
            answer,
            "access {path} {mode}"
        );
    }
    assert_eq!(jail.rename("file", "g"), EROFS);
    assert_eq!(jail.symlink("x", "file"), EEXIST);
    assert_eq!(jail.symlink("x", "n"), EROFS);
    assert_eq!(jail.link("file", "n", 0), EROFS);
    assert_eq!(jail.link("file", "a", 0), EEXIST);
    assert_eq!(jail.link("n", "m", 0), ENOENT);
    for (path, answer) in [("file", EROFS), ("n", ENOENT)] {
        let at = jail.text(0, path);
        assert_eq!(
            jail.call(TRUNCATE, [at, 0, 0, 0, 0, 0]),
            answer,
            "truncate {path}"
        );
    }
    let fd = jail.open("file", 0) as u64;
    assert_eq!(jail.call(FCHMOD, [fd, 0, 0, 0, 0, 0]), EROFS);
    assert_eq!(jail.call(FCHOWN, [fd, 0, 0, 0, 0, 0]), EROFS);
    assert_eq!(jail.call(UTIMENSAT, [fd, 0, 0, 0, 0, 0]), EROFS);
    let socket = jail.call(SOCKET, [1, 1, 0, 0, 0, 0]) as u64;
    for (name, answer) in [("n", EROFS), ("file", EADDRINUSE)] {
        let address = [&1u16.to_le_bytes()[..], name.as_bytes(), b"\0"].concat();
        let at = jail.put(BUFFER, &address);
        let length = address.len() as u64;
        assert_eq!(
            jail.call(BIND, [socket, at, length, 0, 0, 0]),
            answer,
            "bind {name}"
        );
    }
    assert_eq!(fs::read(root.join("file")).unwrap(), b"inside");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 5);
}

#[test]
fn without_a_network_there_are_no_ip_sockets() {
    let mut jail = Jail::new(|config| config.network = false);
    for family in [2, 10, 16, 17] {
        assert_eq!(
            jail.call(SOCKET, [family, 1, 0, 0, 0, 0]),
            EAFNOSUPPORT,
            "family {family}"
        );
    }
    assert!(jail.call(SOCKET, [1, 1, 0, 0, 0, 0]) >= 0);
    assert_eq!(jail.call(SOCKET, [1, 1, 77, 0, 0, 0]), -93);
}

/// A directory that is renamed takes those with it who are inside; one that is moved out has no names in there any more.
#[test]
fn a_moved_directory_is_found_by_who_is_inside() {
    const GETCWD: u64 = 17;
    let mut jail = Jail::new(|_| {});
    fs::write(jail.inside("a/b/here"), "x").unwrap();
    let path = jail.text(0, "/a/b");
    assert_eq!(jail.call(CHDIR, [path, 0, 0, 0, 0, 0]), 0);
    let here = jail.text(0, "here");
    let dot = jail.text(1, ".");
    let fd = jail.call(OPENAT, [HERE, dot, O_DIRECTORY, 0, 0, 0]);
    assert!(fd >= 0);
    fs::rename(jail.inside("a"), jail.inside("z")).unwrap();
    for from in [HERE, fd as u64] {
        assert!(jail.call(OPENAT, [from, here, 0, 0, 0, 0]) >= 0);
    }
    assert_eq!(jail.call(GETCWD, [jail.area + BUFFER, 4096, 0, 0, 0, 0]), 5);
    fs::rename(jail.inside("z/b"), jail.folder.path().join("out")).unwrap();
    for from in [HERE, fd as u64] {
        assert_eq!(jail.call(OPENAT, [from, here, 0, 0, 0, 0]), ENOENT);
    }
    assert_eq!(jail.call(GETCWD, [jail.area + BUFFER, 4096, 0, 0, 0, 0]), ENOENT);
}
