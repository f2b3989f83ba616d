//! Every file of `/proc` and `/sys`: its text is what `procfs` would print of what it parses, its figures are the kernel's own, and
//! programs open, read and write it by the rules of proc(5).

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod heap;

use arch::{Granule, Trap, VirtAddr};
use process::{Clock, Errno, Kernel, Pid, State, proc_tree};
use procfs::{
    Auxv, Cmdline, Comm, FdInfo, Limits, LoadAvg, MapsLine, MemInfo, Mount, MountInfo, PidStat, SchedStat,
    SmapsEntry, SmapsRollup, Statm, Status, SystemStat, TaskIo, Text, Uptime, VmStat,
};

const OPENAT: u64 = 56;
const CLOSE: u64 = 57;
const READ: u64 = 63;
const WRITE: u64 = 64;
const NEWFSTATAT: u64 = 79;
const READLINKAT: u64 = 78;
const EXIT: u64 = 93;
const KILL: u64 = 129;
const GETRUSAGE: u64 = 165;
const CLONE: u64 = 220;
const MMAP: u64 = 222;
const WAIT4: u64 = 260;
const AT_FDCWD: u64 = -100_i64 as u64;
const SIGCHLD: u64 = 17;
const SIGSTOP: u64 = 19;

struct Bench {
    kernel: Kernel,
    pid: Pid,
    /// Memory of the program, for paths and buffers.
    page: u64,
    now: u64,
}

impl Bench {
    fn new(granule: Granule) -> Self {
        let (kernel, pid) = heap::kernel(granule);
        let mut bench = Self {
            kernel,
            pid,
            page: 0,
            now: 0,
        };
        bench.page = bench.call(MMAP, [0, 8 * granule.bytes(), 3, 0x22, u64::MAX, 0]);
        bench
    }

    fn call_of(&mut self, pid: Pid, number: u64, args: [u64; 6]) -> u64 {
        let (regs, _) = self.kernel.context(pid);
        regs.set_x(8, number);
        for (n, value) in args.into_iter().enumerate() {
            regs.set_x(n, value);
        }
        let clock = Clock {
            monotonic_ns: self.now,
            realtime_ns: self.now,
        };
        self.kernel.handle(pid, Trap::Supervisor(0), clock);
        self.kernel.find(pid).map_or(0, |task| task.regs.x(0))
    }

    fn call(&mut self, number: u64, args: [u64; 6]) -> u64 {
        self.call_of(self.pid, number, args)
    }

    /// Puts bytes into the program's memory.
    fn put(&mut self, bytes: &[u8]) -> u64 {
        let space = self.kernel.find(self.pid).unwrap().space.as_ref().unwrap().id;
        self.kernel
            .memory_mut()
            .copy_out(space, VirtAddr::new(self.page), bytes)
            .unwrap();
        self.page
    }

    fn get(&mut self, length: usize) -> Vec<u8> {
        let space = self.kernel.find(self.pid).unwrap().space.as_ref().unwrap().id;
        let mut bytes = vec![0; length];
        self.kernel
            .memory_mut()
            .copy_in(space, VirtAddr::new(self.page), &mut bytes)
            .unwrap();
        bytes
    }

    fn open(&mut self, path: &str, flags: u64) -> Result<u64, i64> {
        let at = self.put(&[path.as_bytes(), b"\0"].concat());
        answer(self.call(OPENAT, [AT_FDCWD, at, flags, 0, 0, 0]))
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, i64> {
        let fd = self.open(path, 0)?;
        let page = self.page;
        let count = answer(self.call(READ, [fd, page, 4096, 0, 0, 0]));
        self.call(CLOSE, [fd, 0, 0, 0, 0, 0]);
        count.map(|count| self.get(count as usize))
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<u64, i64> {
        let fd = self.open(path, 1)?;
        let at = self.put(bytes);
        let count = answer(self.call(WRITE, [fd, at, bytes.len() as u64, 0, 0, 0]));
        self.call(CLOSE, [fd, 0, 0, 0, 0, 0]);
        count
    }

    fn fork(&mut self) -> Pid {
        Pid::new(u32::try_from(self.call(CLONE, [SIGCHLD, 0, 0, 0, 0, 0])).unwrap())
    }

    fn text(&self, path: &str) -> Vec<u8> {
        proc_tree::whole(&self.kernel, None, path.as_bytes())
            .unwrap()
            .unwrap()
    }

    fn parsed<T: Text>(&self, path: &str) -> T {
        T::parse(&self.text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

fn answer(value: u64) -> Result<u64, i64> {
    match value.cast_signed() {
        errno @ -4095..=-1 => Err(-errno),
        _ => Ok(value),
    }
}

/// Parses and prints again.
type Again = fn(&[u8]) -> Result<Vec<u8>, procfs::ParseError>;

fn again<T: Text>(bytes: &[u8]) -> Result<Vec<u8>, procfs::ParseError> {
    T::parse(bytes).map(|parsed| parsed.print())
}

const TYPED: [(&str, Again); 20] = [
    ("auxv", again::<Auxv>),
    ("cmdline", again::<Cmdline>),
    ("comm", again::<Comm>),
    ("io", again::<TaskIo>),
    ("limits", again::<Limits>),
    ("loadavg", again::<LoadAvg>),
    ("maps", again::<Vec<MapsLine>>),
    ("meminfo", again::<MemInfo>),
    ("mountinfo", again::<Vec<MountInfo>>),
    ("mounts", again::<Vec<Mount>>),
    ("schedstat", again::<SchedStat>),
    ("smaps", again::<Vec<SmapsEntry>>),
    ("smaps_rollup", again::<SmapsRollup>),
    ("stat", again::<PidStat>),
    ("statm", again::<Statm>),
    ("status", again::<Status>),
    ("uptime", again::<Uptime>),
    ("vmstat", again::<VmStat>),
    ("fdinfo", again::<FdInfo>),
    ("system stat", again::<SystemStat>),
];

/// Walks the whole tree: what is listed is there, what is there is read or refused with Linux's errno, and prints as it parses.
#[test]
fn every_listed_file_is_there_and_prints_as_it_parses() {
    for granule in Granule::ALL {
        let mut bench = Bench::new(granule);
        bench.open("/proc/self/maps", 0).unwrap();
        let child = bench.fork();
        bench.call(KILL, [child.get().into(), SIGSTOP, 0, 0, 0, 0]);
        let mut folders = vec![String::new()];
        let (mut files, mut typed) = (0, std::collections::BTreeSet::new());
        while let Some(folder) = folders.pop() {
            for name in proc_tree::list(&bench.kernel, None, folder.as_bytes()).unwrap() {
                let path = format!("{folder}/{}", String::from_utf8(name).unwrap());
                let path = path.trim_start_matches('/').to_owned();
                match proc_tree::kind(&bench.kernel, None, path.as_bytes()).unwrap() {
                    proc_tree::Kind::Directory => folders.push(path),
                    proc_tree::Kind::Link => {
                        assert!(
                            proc_tree::read_link(&bench.kernel, None, path.as_bytes()).is_ok(),
                            "{path}"
                        );
                    }
                    proc_tree::Kind::File => {
                        files += 1;
                        check_file(&bench, &path, &mut typed);
                    }
                }
            }
        }
        assert!(files > 150, "{files}");
        assert_eq!(typed.len(), TYPED.len(), "{typed:?}");
    }
}

fn check_file(bench: &Bench, path: &str, typed: &mut std::collections::BTreeSet<&'static str>) {
    let last = path.rsplit('/').next().unwrap();
    let text = match proc_tree::whole(&bench.kernel, None, path.as_bytes()) {
        Ok(Some(text)) => text,
        Ok(None) => return assert!(["mem", "pagemap"].contains(&last), "{path}"),
        Err(errno) => {
            let expected = match last {
                "stack" => Errno::EPERM,
                "drop_caches" | "clear_refs" => Errno::EINVAL,
                _ => panic!("{path}: {errno:?}"),
            };
            return assert_eq!(errno, expected, "{path}");
        }
    };
    let kind = match path {
        "stat" => "system stat",
        "cmdline" => return assert_eq!(text, b"\n"),
        _ if path.contains("/fdinfo/") => "fdinfo",
        _ => last,
    };
    let found = TYPED
        .iter()
        .find(|(name, _)| *name == kind && !path.starts_with("sys/"));
    if let Some((name, again)) = found {
        let printed = again(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(
            printed.escape_ascii().to_string(),
            text.escape_ascii().to_string(),
            "{path}"
        );
        typed.insert(name);
    }
}

#[test]
fn memory_adds_up_to_ram() {
    for granule in Granule::ALL {
        let mut bench = Bench::new(granule);
        let shared = bench.call(MMAP, [0, 4 * granule.bytes(), 3, 0x21, u64::MAX, 0]);
        let space = bench.kernel.find(bench.pid).unwrap().space.as_ref().unwrap().id;
        bench
            .kernel
            .memory_mut()
            .copy_out(space, VirtAddr::new(shared), &[1; 4096])
            .unwrap();
        bench.fork();
        let info: MemInfo = bench.parsed("meminfo");
        let kib = |name: &str| info.kib(name).unwrap_or_else(|| panic!("{name}")).0;
        assert_eq!(kib("MemTotal"), 32 << 10);
        let frames = bench.kernel.memory().frames();
        let other = frames.zero.bytes(granule).get() / 1024;
        let parts = kib("MemFree") + kib("AnonPages") + kib("Cached") + kib("PageTables") + other;
        assert_eq!(parts, kib("MemTotal"));
        // procps: used = total - available, so that free's line adds up but for shared memory, which Cached has too.
        let used = kib("MemTotal") - kib("MemAvailable");
        assert_eq!(
            used + kib("MemFree") + kib("Cached"),
            kib("MemTotal") + kib("Shmem")
        );
        assert!(kib("Shmem") > 0 && kib("Committed_AS") > 0);
        assert_eq!(kib("Inactive"), kib("Inactive(anon)") + kib("Inactive(file)"));
        assert!(
            kib("Mapped") >= kib("Shmem") && kib("Mapped") <= kib("Cached"),
            "{}",
            kib("Mapped")
        );
    }
}

#[test]
fn times_of_tasks_that_vanished_stay_in_the_sum() {
    let mut bench = Bench::new(Granule::K16);
    let child = bench.fork();
    bench.now = 7_000_000_000;
    bench.kernel.account(child, 3_000_000_000, 1_000_000_000);
    bench.kernel.account(bench.pid, 500_000_000, 0);
    bench.call_of(child, EXIT, [0; 6]);
    let page = bench.page;
    assert_eq!(
        bench.call(WAIT4, [u64::MAX, page, 0, 0, 0, 0]),
        child.get().into()
    );
    assert!(bench.kernel.find(child).is_none());
    let stat: SystemStat = bench.parsed("stat");
    assert_eq!(stat.cpu.0[..4], [350, 0, 100, 250]);
    assert_eq!(stat.cpus[0].1, stat.cpu);
    assert_eq!(stat.processes, 2);
    let uptime: Uptime = bench.parsed("uptime");
    assert_eq!((uptime.up_centis, uptime.idle_centis), (700, 250));
    let me: PidStat = bench.parsed(&format!("{}/stat", bench.pid));
    assert_eq!((me.utime, me.cutime, me.cstime), (50, 300, 100));
    let load: LoadAvg = bench.parsed("loadavg");
    assert_eq!((load.tasks, load.running, load.last_pid), (1, 1, child.get()));
}

/// getrusage(2), `stat` and `io` tell of the same faults and bytes, a child's after it was waited for.
#[test]
fn faults_and_bytes_are_charged_to_who_caused_them() {
    let mut bench = Bench::new(Granule::K4);
    let path = format!("{}/stat", bench.pid);
    let before: PidStat = bench.parsed(&path);
    let fresh = bench.call(MMAP, [0, 16 * 4096, 3, 0x22, u64::MAX, 0]);
    let fd = bench.open("/dev/zero", 0).unwrap();
    assert_eq!(bench.call(READ, [fd, fresh, 16 * 4096, 0, 0, 0]), 16 * 4096);
    let after: PidStat = bench.parsed(&path);
    assert_eq!(after.minflt - before.minflt, 16);
    let io: TaskIo = bench.parsed(&format!("{}/io", bench.pid));
    assert_eq!((io.rchar, io.syscr, io.wchar, io.syscw), (16 * 4096, 1, 0, 0));
    // The child copies two pages, and writes them away.
    let child = bench.fork();
    let out = bench.open("/dev/null", 1).unwrap();
    let zero = bench.open("/dev/zero", 0).unwrap();
    let inherited = bench.fork();
    assert_eq!(
        bench.call_of(inherited, READ, [zero, fresh, 2 * 4096, 0, 0, 0]),
        2 * 4096
    );
    assert_eq!(bench.call_of(inherited, WRITE, [out, fresh, 100, 0, 0, 0]), 100);
    let stat: PidStat = bench.parsed(&format!("{inherited}/stat"));
    assert_eq!((stat.minflt, stat.majflt), (2, 0));
    let me: PidStat = bench.parsed(&path);
    assert_eq!((me.cminflt, me.cmajflt), (0, 0));
    bench.call_of(inherited, EXIT, [0; 6]);
    let page = bench.page;
    bench.call(WAIT4, [inherited.get().into(), page, 0, 0, 0, 0]);
    let me: PidStat = bench.parsed(&path);
    assert_eq!(me.cminflt, 2);
    bench.call(GETRUSAGE, [-1_i64 as u64, page, 0, 0, 0, 0]);
    let usage = bench.get(144);
    assert_eq!(u64::from_le_bytes(usage[64..72].try_into().unwrap()), 2);
    let io: TaskIo = bench.parsed(&format!("{}/io", bench.pid));
    assert_eq!((io.rchar, io.wchar, io.syscw), (18 * 4096, 100, 1));
    assert_eq!(bench.kernel.find(child).unwrap().state, State::Runnable);
}

#[test]
fn programs_write_what_can_be_written() {
    let mut bench = Bench::new(Granule::K16);
    let child = bench.fork();
    // As Linux 6.18 does: 15 bytes, the newline is one of them, and nobody names another process.
    assert_eq!(bench.write("/proc/self/comm", b"hi\n"), Ok(3));
    assert_eq!(bench.read("/proc/thread-self/comm").unwrap(), b"hi\n\n");
    assert_eq!(bench.write("/proc/self/comm", b"012345678901234567890"), Ok(21));
    assert_eq!(bench.read("/proc/self/comm").unwrap(), b"012345678901234\n");
    assert_eq!(bench.write(&format!("/proc/{child}/comm"), b"x"), Err(22));
    let adjust = format!("/proc/{child}/oom_score_adj");
    assert_eq!(bench.write(&adjust, b"7\n"), Ok(2));
    assert_eq!(bench.read(&adjust).unwrap(), b"7\n");
    for wrong in ["2000", "-1001", "x", ""] {
        let expected = if wrong.is_empty() { Ok(0) } else { Err(22) };
        let done = bench.write(&adjust, wrong.as_bytes());
        assert!(done == expected || wrong.is_empty(), "{wrong}: {done:?}");
    }
    assert_eq!(bench.write("/proc/sys/vm/drop_caches", b"3\n"), Ok(2));
    assert_eq!(bench.write("/proc/sys/vm/drop_caches", b"9\n"), Err(22));
    assert_eq!(bench.read("/proc/sys/vm/drop_caches"), Err(22));
    assert_eq!(bench.read("/proc/self/stack"), Err(1));
    for refused in [
        "/proc/self/stat",
        "/proc/meminfo",
        "/sys/devices/system/cpu/online",
    ] {
        assert_eq!(bench.open(refused, 1), Err(13), "{refused}");
    }
    assert_eq!(bench.read("/sys/devices/system/cpu/online").unwrap(), b"0\n");
    assert_eq!(
        bench
            .read("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
            .unwrap(),
        b"33554432\n"
    );
    // Twice the same id of the boot, and never the same other one.
    let boot = bench.read("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(bench.read("/proc/sys/kernel/random/boot_id").unwrap(), boot);
    let first = bench.read("/proc/sys/kernel/random/uuid").unwrap();
    assert_ne!(bench.read("/proc/sys/kernel/random/uuid").unwrap(), first);
    // Looking from outside does not use one up.
    let next = bench.text("sys/kernel/random/uuid");
    assert_eq!(bench.text("sys/kernel/random/uuid"), next);
}

/// Another process's memory, and its own, through `mem`.
#[test]
fn mem_is_read_and_written_in_place() {
    const LSEEK: u64 = 62;
    let mut bench = Bench::new(Granule::K16);
    let child = bench.fork();
    let fd = bench.open(&format!("/proc/{child}/mem"), 2).unwrap();
    let target = bench.page + 100;
    let at = bench.put(b"written");
    assert_eq!(bench.call(LSEEK, [fd, target, 0, 0, 0, 0]), target);
    assert_eq!(bench.call(WRITE, [fd, at, 7, 0, 0, 0]), 7);
    let space = bench.kernel.find(child).unwrap().space.as_ref().unwrap().id;
    let mut seen = [0; 7];
    bench
        .kernel
        .memory_mut()
        .copy_in(space, VirtAddr::new(target), &mut seen)
        .unwrap();
    assert_eq!(&seen, b"written");
    bench.call(LSEEK, [fd, target, 0, 0, 0, 0]);
    let page = bench.page;
    assert_eq!(bench.call(READ, [fd, page, 7, 0, 0, 0]), 7);
    assert_eq!(bench.get(7), b"written");
    // Where nothing is mapped there is nothing to read or write.
    bench.call(LSEEK, [fd, 16, 0, 0, 0, 0]);
    assert_eq!(answer(bench.call(READ, [fd, page, 7, 0, 0, 0])), Err(5));
    assert_eq!(answer(bench.call(WRITE, [fd, page, 7, 0, 0, 0])), Err(5));
}

/// `.` and `..` come first, with numbers that differ, and every entry has the kind that stat(2) tells.
#[test]
fn folders_begin_with_dots() {
    const GETDENTS64: u64 = 61;
    let mut bench = Bench::new(Granule::K16);
    let mut seen = Vec::new();
    for path in ["/proc", "/proc/sys/vm", "/proc/self/fd", "/sys", "/pagewalk"] {
        let fd = bench.open(path, 0).unwrap();
        let page = bench.page;
        let mut left = bench.call(GETDENTS64, [fd, page, 4096, 0, 0, 0]) as usize;
        let bytes = bench.get(left);
        let mut rest = &bytes[..];
        let mut names = Vec::new();
        while left > 0 {
            let length = usize::from(u16::from_le_bytes([rest[16], rest[17]]));
            let name = rest[19..length].split(|byte| *byte == 0).next().unwrap();
            names.push((String::from_utf8(name.to_vec()).unwrap(), rest[18]));
            (rest, left) = (&rest[length..], left - length);
        }
        assert_eq!(names[..2], [(".".to_owned(), 4), ("..".to_owned(), 4)], "{path}");
        seen.push(names);
    }
    let has = |at: usize, name: &str, kind: u8| {
        assert!(seen[at].contains(&(name.to_owned(), kind)), "{:?}", seen[at]);
    };
    has(0, "self", 10);
    has(0, "meminfo", 8);
    has(0, "sys", 4);
    has(1, "swappiness", 8);
    has(3, "block", 4);
    has(4, "heap", 8);
}

/// The root's mount is the file system that stat(2) knows.
#[test]
fn the_root_is_mounted_once() {
    use std::os::linux::fs::MetadataExt;
    let bench = Bench::new(Granule::K16);
    let mounts: Vec<MountInfo> = bench.parsed(&format!("{}/mountinfo", bench.pid));
    let device = std::fs::metadata("/").unwrap().st_dev();
    let here = (rustix::fs::major(device), rustix::fs::minor(device));
    assert_eq!((mounts[0].device.major, mounts[0].device.minor), here);
    let targets: Vec<&[u8]> = mounts.iter().map(|mount| &mount.target[..]).collect();
    assert_eq!(targets, [&b"/"[..], b"/proc", b"/sys", b"/dev"]);
}

/// A directory that is open, by its number's name: what `cd /dev/fd/N` means.
#[test]
fn a_descriptor_can_be_entered() {
    const CHDIR: u64 = 49;
    const GETCWD: u64 = 17;
    let mut bench = Bench::new(Granule::K16);
    let folder = bench.open("/sys/devices", 0).unwrap();
    let file = bench.open("/proc/meminfo", 0).unwrap();
    let child = bench.fork();
    for path in [
        format!("/dev/fd/{folder}"),
        format!("/proc/self/fd/{folder}"),
        format!("/proc/{}/fd/{folder}", bench.pid),
        format!("/proc/{child}/fd/{folder}"),
    ] {
        let at = bench.put(b"/\0");
        assert_eq!(bench.call(CHDIR, [at, 0, 0, 0, 0, 0]), 0);
        let at = bench.put(&[path.as_bytes(), b"\0"].concat());
        assert_eq!(answer(bench.call(CHDIR, [at, 0, 0, 0, 0, 0])), Ok(0), "{path}");
        assert_eq!(bench.call(GETCWD, [at, 100, 0, 0, 0, 0]), 13);
        assert_eq!(bench.get(13), b"/sys/devices\0", "{path}");
    }
    for (path, errno) in [
        (format!("/proc/self/fd/{file}"), 20),
        ("/proc/self/fd/99".to_owned(), 2),
    ] {
        let at = bench.put(&[path.as_bytes(), b"\0"].concat());
        assert_eq!(
            answer(bench.call(CHDIR, [at, 0, 0, 0, 0, 0])),
            Err(errno),
            "{path}"
        );
    }
}

#[test]
fn links_modes_and_inodes_are_linuxs() {
    let mut bench = Bench::new(Granule::K16);
    let fd = bench.open("/dev/null", 1).unwrap();
    let link = |bench: &mut Bench, path: &str| {
        let at = bench.put(&[path.as_bytes(), b"\0"].concat());
        let count = answer(bench.call(READLINKAT, [AT_FDCWD, at, at, 200, 0, 0]));
        count.map(|count| String::from_utf8(bench.get(count as usize)).unwrap())
    };
    let pid = bench.pid;
    assert_eq!(link(&mut bench, "/proc/self").unwrap(), pid.to_string());
    assert_eq!(link(&mut bench, "/proc/mounts").unwrap(), "self/mounts");
    assert_eq!(link(&mut bench, "/proc/self/exe").unwrap(), "/pagewalk/heap");
    assert_eq!(
        link(&mut bench, &format!("/proc/{pid}/fd/{fd}")).unwrap(),
        "/dev/null"
    );
    assert_eq!(link(&mut bench, &format!("/proc/{pid}/fd/99")), Err(2));
    let mut stat = |path: &str| {
        let at = bench.put(&[path.as_bytes(), b"\0"].concat());
        answer(bench.call(NEWFSTATAT, [AT_FDCWD, at, at, 0x100, 0, 0])).map(|_| {
            let bytes = bench.get(128);
            let mode = u32::from_le_bytes(bytes[16..20].try_into().unwrap());
            (mode, u64::from_le_bytes(bytes[8..16].try_into().unwrap()))
        })
    };
    let mut inodes = std::collections::BTreeSet::new();
    for (path, mode) in [
        ("/proc", 0o40555),
        ("/proc/self/fd", 0o40500),
        ("/proc/self/mem", 0o100_600),
        ("/proc/self/comm", 0o100_644),
        ("/proc/self/environ", 0o100_400),
        ("/proc/self/cwd", 0o120_777),
        ("/proc/meminfo", 0o100_444),
        ("/proc/sys/vm", 0o40555),
        ("/proc/sys/vm/drop_caches", 0o100_200),
        ("/sys/block", 0o40555),
    ] {
        let (found, inode) = stat(path).unwrap();
        assert_eq!(found, mode, "{path}: {found:o}");
        assert!(inodes.insert(inode), "{path}");
    }
    for missing in [
        "/proc/nothing",
        "/proc/sys/vm/nothing",
        "/sys/nothing",
        "/proc/self/fd/99",
        "/proc/self/fd/+1",
    ] {
        assert_eq!(stat(missing), Err(2), "{missing}");
    }
}
