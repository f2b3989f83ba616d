//! A guest that wishes the machine ill: random system calls, faults, signals and forks with the worst arguments there are.
//! Whatever it does, nothing panics, nothing hangs, the state of memory stays whole, and the host's memory is not its to
//! spend.
//!
//! Key types: [`Guest`], a kernel without a processor; [`Op`], one hostile act. The guest works in a folder of its own
//! below a temporary one, its standard descriptors are closed, and the paths that it knows are listed here: nothing
//! outside can be reached.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::{Duration, Instant};

use arch::{Access, Bytes, Fault, FaultCause, Granule, Trap, VirtAddr};
use process::{Bundled, Clock, Config, Kernel, Pid, Spawn, State};
use proptest::prelude::*;

const MMAP: u64 = 222;
const CLOSE: u64 = 57;
const OPENAT: u64 = 56;
const SYNC: u64 = 81;
const CLONE: u64 = 220;
const KILL: u64 = 129;
const CHDIR: u64 = 49;
const NEWFSTATAT: u64 = 79;
const SETITIMER: u64 = 103;
const SETRLIMIT: u64 = 164;
const PPOLL: u64 = 73;
const DUP3: u64 = 24;
const EXECVE: u64 = 221;
const EXIT: u64 = 93;
const EPERM: u64 = -1i64 as u64;
const E2BIG: u64 = -7i64 as u64;
const EBADF: u64 = -9i64 as u64;
const EAGAIN: u64 = -11i64 as u64;
const EACCES: u64 = -13i64 as u64;
const EINVAL: u64 = -22i64 as u64;
const ENOSYS: u64 = -38i64 as u64;
const RT_SIGACTION: u64 = 134;
const RT_SIGRETURN: u64 = 139;
const SYMLINKAT: u64 = 36;
/// `truncate`, `ftruncate`, `lseek`, `pwrite64`, `sendfile` and where their size is: files must not grow beyond what a
/// test may write.
const SIZED: [(u64, usize); 5] = [(45, 1), (46, 1), (62, 1), (68, 3), (71, 3)];
/// So many of the paths lie in the guest's own folder: no link may lead out of it.
const OWN_PATHS: usize = 8;
/// A call may take so long; each is far below a millisecond in truth, but test machines are busy.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// Linux's error answers are -4095 to -1.
const LARGEST_ERRNO: u64 = 4095;

const PATHS: &[&str] = &[
    "",
    ".",
    "a",
    "b",
    "d",
    "d/e",
    "a/b",
    "./a",
    "/proc",
    "/proc/self",
    "/proc/self/",
    "/proc/self/cwd",
    "/proc/self/exe",
    "/proc/self/maps",
    "/proc/self/smaps",
    "/proc/self/pagemap",
    "/proc/self/mem",
    "/proc/self/stat",
    "/proc/self/environ",
    "/proc/1/cwd",
    "/proc/2/cwd",
    "/proc/1/task/1/smaps_rollup",
    "/proc/meminfo",
    "/proc/self/fd/3",
    "/dev/fd/4",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/urandom",
    "/pagewalk",
    "/pagewalk/t",
    "/pagewalk/none",
];

/// Where an argument's value comes from.
#[derive(Clone, Copy, Debug)]
enum Arg {
    /// As it is.
    Word(u64),
    /// In one of the guest's mappings, so far from its start.
    In(usize, u64),
    /// So far before the end of one of its mappings.
    Before(usize, u64),
    /// One of the known paths.
    Path(usize),
    /// One of its tasks.
    Task(usize),
}

/// One hostile act.
#[derive(Clone, Debug)]
enum Op {
    Call(u64, [Arg; 6]),
    Abort(Access, FaultCause, Arg),
    Other(Trap),
    /// `rt_sigreturn` with a stack pointer of its choice, and this byte everywhere in the frame.
    Frame(Arg, u8),
    /// A stack pointer and a program counter of its choice.
    Regs(Arg, Arg),
    /// A handler for a signal, and the signal at once.
    Signal(u64, Arg, Arg),
    /// Words into a mapping: pointers, lengths, structures.
    Put(usize, u64, [Arg; 6]),
    Time(u64),
}

fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 0..24u64,
        2 => any::<u64>(),
        3 => (0..64u32).prop_map(|bit| 1 << bit),
        3 => (0..64u32).prop_map(|bit| (1u64 << bit).wrapping_sub(1)),
        2 => (0..64u32).prop_map(|bit| (1u64 << bit).wrapping_neg()),
        6 => prop::sample::select(vec![
            u64::MAX, -2i64 as u64, -100i64 as u64, -9i64 as u64, i64::MAX as u64, i64::MIN as u64, u64::from(u32::MAX),
            i32::MAX as u64, 4095, 4096, 4097, 16383, 16384, 16385, 65535, 65536, 65537, 1 << 20, 0x22, 0x32, 0x12,
            0x0000_ffff_ffff_ffff, 0x0001_0000_0000_0000, 0x0000_7fff_ffff_c000, 0x0000_8000_0000_0000, 0x0100,
            0x4111, 0x11, 0x241, 0x442, 999_999_999, 1_000_000_000,
        ]),
    ]
}

fn arg() -> impl Strategy<Value = Arg> {
    prop_oneof![
        6 => word().prop_map(Arg::Word),
        4 => (any::<usize>(), prop_oneof![Just(0), Just(0), Just(16), 0..70_000u64]).prop_map(|(m, at)| Arg::In(m, at)),
        2 => (any::<usize>(), prop_oneof![0..40u64, 0..70_000u64]).prop_map(|(m, at)| Arg::Before(m, at)),
        3 => any::<usize>().prop_map(Arg::Path),
        1 => any::<usize>().prop_map(Arg::Task),
    ]
}

fn args() -> impl Strategy<Value = [Arg; 6]> {
    prop::array::uniform6(arg())
}

/// Calls that matter more than their share of the numbers.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..470u64,
        1 => any::<u64>(),
        1 => 470..5000u64,
        6 => prop::sample::select(vec![
            MMAP, 215, 226, 216, 214, 233, 232, 227, 228, 229, 230, 284, CLONE, 221, 260, 93, 56, 57, 59, 63, 64, 65,
            66, 71, 61, 72, 73, 98, 132, 133, 135, RT_SIGACTION, 103, 261, 25, 24, 29, 49, 50, 79, 78, 160, 167,
        ]),
    ]
}

fn cause() -> impl Strategy<Value = FaultCause> {
    prop_oneof![
        (0..4u8).prop_map(FaultCause::Translation),
        (0..4u8).prop_map(FaultCause::AccessFlag),
        (0..4u8).prop_map(FaultCause::Permission),
        Just(FaultCause::Alignment),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let access = prop::sample::select(vec![Access::Read, Access::Write, Access::Execute]);
    let other = prop_oneof![
        4 => Just(Trap::Budget),
        1 => any::<u32>().prop_map(Trap::Undefined),
        1 => any::<u32>().prop_map(Trap::NotImplemented),
        1 => any::<u16>().prop_map(Trap::Breakpoint),
        1 => Just(Trap::PcAlignment),
        1 => Just(Trap::SpAlignment),
    ];
    prop_oneof![
        40 => (number(), args()).prop_map(|(number, args)| Op::Call(number, args)),
        8 => (access, cause(), arg()).prop_map(|(access, cause, at)| Op::Abort(access, cause, at)),
        3 => other.prop_map(Op::Other),
        2 => (arg(), any::<u8>()).prop_map(|(sp, fill)| Op::Frame(sp, fill)),
        2 => (arg(), arg()).prop_map(|(sp, pc)| Op::Regs(sp, pc)),
        4 => (1..65u64, arg(), arg()).prop_map(|(signal, handler, flags)| Op::Signal(signal, handler, flags)),
        6 => (any::<usize>(), 0..4096u64, args()).prop_map(|(m, at, words)| Op::Put(m, at, words)),
        3 => word().prop_map(Op::Time),
    ]
}

/// A kernel without a processor, and the hostile tasks on it.
struct Guest {
    kernel: Kernel,
    clock: Clock,
    paths: u64,
    working: Vec<u8>,
    _folder: tempfile::TempDir,
}

fn program(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guests/elf/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

impl Guest {
    fn new(granule: Granule) -> Self {
        let ram = ram::Ram::new(Bytes::new(24 << 20), granule).unwrap();
        let config = Config {
            seed: Some(1),
            programs: vec![Bundled {
                name: "t".to_owned(),
                bytes: program("heap").into(),
            }],
            vdso: Some(program("vdso.so").into()),
            ..Config::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let working = folder.path().join("x/y/z");
        std::fs::create_dir_all(working.join("d")).unwrap();
        std::fs::write(working.join("a"), vec![7; 100_000]).unwrap();
        let mut guest = Self {
            kernel: Kernel::new(mm::Memory::new(ram), config, Clock::default()),
            clock: Clock::default(),
            paths: 0,
            working: working.into_os_string().into_encoded_bytes(),
            _folder: folder,
        };
        guest.begin();
        guest
    }

    /// A first task with mappings of every kind; where the last one died, the next.
    fn begin(&mut self) {
        self.kernel
            .spawn(&Spawn {
                path: b"/pagewalk/t".to_vec(),
                args: vec![b"t".to_vec()],
                env: vec![b"A=1".to_vec()],
                working: self.working.clone(),
            })
            .unwrap();
        for fd in 0..3 {
            self.call(CLOSE, [fd, 0, 0, 0, 0, 0]);
        }
        self.paths = self.call(MMAP, [0, 65536, 3, 0x22, u64::MAX, 0]).unwrap();
        for prot in [0, 1, 3, 7] {
            self.call(MMAP, [0, 200_000, prot, 0x22, u64::MAX, 0]);
            self.call(MMAP, [0, 65536, prot, 0x21, u64::MAX, 0]);
        }
        self.write_paths();
        for (path, flags) in [(2, 2), (3, 0x442), (8, 0x4000), (26, 0)] {
            self.call(OPENAT, [-100i64 as u64, self.path(path), flags, 0o644, 0, 0]);
        }
    }

    fn path(&self, index: usize) -> u64 {
        self.paths + (index % PATHS.len()) as u64 * 64
    }

    /// The paths as they should be, for whoever runs now: other calls may have changed their bytes.
    fn write_paths(&mut self) {
        let mut bytes = vec![0; PATHS.len() * 64];
        for (index, path) in PATHS.iter().enumerate() {
            bytes[index * 64..index * 64 + path.len()].copy_from_slice(path.as_bytes());
        }
        self.put(self.paths, &bytes);
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        let Some(pid) = self.kernel.next_task() else {
            return;
        };
        let space = self
            .kernel
            .find(pid)
            .and_then(|task| task.space.as_ref())
            .unwrap()
            .id;
        // A hole or a page that cannot be written is as good as any.
        let _ = self.kernel.memory_mut().copy_out(space, VirtAddr::new(at), bytes);
    }

    /// A call by whoever's turn it is; the answer if that task still runs.
    fn call(&mut self, number: u64, args: [u64; 6]) -> Option<u64> {
        let pid = self.kernel.next_task()?;
        let (regs, _) = self.kernel.context(pid);
        regs.set_x(8, number);
        for (n, value) in args.into_iter().enumerate() {
            regs.set_x(n, value);
        }
        regs.pc = regs.pc.wrapping_add(4);
        self.kernel.handle(pid, Trap::Supervisor(0), self.clock);
        let task = self.kernel.find(pid)?;
        (task.state == State::Runnable).then(|| task.regs.x(0))
    }

    fn value(&self, pid: Pid, arg: Arg) -> u64 {
        let task = self.kernel.find(pid).unwrap();
        let space = task.space.as_ref().unwrap().id;
        let memory = self.kernel.memory();
        let granule = memory.granule();
        let mapping = |index: usize| {
            let all: Vec<_> = memory.vmas(space).map(|vma| vma.range).collect();
            all.get(index % all.len().max(1)).copied()
        };
        match arg {
            Arg::Word(word) => word,
            Arg::In(index, at) => mapping(index).map_or(at, |range| range.start().start(granule).get() + at),
            Arg::Before(index, at) => {
                mapping(index).map_or(at, |range| range.end().start(granule).get() - at)
            }
            Arg::Path(index) => self.path(index),
            Arg::Task(index) => {
                let all: Vec<Pid> = self.kernel.tasks().map(|task| task.pid).collect();
                u64::from(all[index % all.len()].get())
            }
        }
    }

    /// Takes the machine's part for one act: time passes, signals come, waits end.
    fn act(&mut self, op: &Op) {
        let Some(pid) = self.kernel.next_task() else {
            // All wait: time goes on, and what they wait for comes.
            let waits = self.kernel.waits();
            for (pid, _) in &waits.hosts {
                self.kernel.ready(*pid);
            }
            let step = waits
                .deadline_ns
                .unwrap_or(0)
                .min(self.clock.monotonic_ns + (1 << 40));
            self.clock.monotonic_ns = self.clock.monotonic_ns.max(step);
            self.kernel.advance(self.clock);
            self.kernel.interrupt(abi::signal::Signal::ALRM);
            return;
        };
        let value = |arg| self.value(pid, arg);
        match *op {
            Op::Call(number, args) => {
                let mut args = args.map(value);
                if let Some((_, index)) = SIZED.into_iter().find(|(sized, _)| *sized == number)
                    && args[index] <= i64::MAX as u64
                {
                    args[index] &= 0xf_ffff;
                }
                if number == SYMLINKAT {
                    args[0] = self.path(args[0] as usize % OWN_PATHS);
                }
                if number == SYNC {
                    return;
                }
                self.write_paths();
                let before = self.kernel.find(pid).map(|task| task.state);
                self.call(number, args);
                assert_eq!(before, Some(State::Runnable));
            }
            Op::Abort(access, cause, at) => {
                let address = VirtAddr::new(value(at));
                let fault = Fault {
                    address,
                    access,
                    cause,
                };
                self.kernel.handle(pid, Trap::Abort(fault), self.clock);
            }
            Op::Other(trap) => self.kernel.handle(pid, trap, self.clock),
            Op::Frame(sp, fill) => {
                let sp = value(sp);
                self.put(sp, &[fill; 4688]);
                self.kernel.context(pid).0.set_sp(sp);
                self.call(RT_SIGRETURN, [0; 6]);
            }
            Op::Regs(sp, pc) => {
                let (sp, pc) = (value(sp), value(pc));
                let (regs, _) = self.kernel.context(pid);
                regs.set_sp(sp);
                regs.pc = pc;
            }
            Op::Signal(signal, handler, flags) => {
                let words = [value(handler), value(flags), 0, 0];
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                self.put(self.paths, &bytes);
                self.call(RT_SIGACTION, [signal, self.paths, 0, 8, 0, 0]);
                self.call(KILL, [u64::from(pid.get()), signal, 0, 0, 0, 0]);
            }
            Op::Put(index, at, words) => {
                let bytes: Vec<u8> = words.iter().flat_map(|word| value(*word).to_le_bytes()).collect();
                let to = value(Arg::In(index, at));
                self.put(to, &bytes);
            }
            Op::Time(step) => {
                let step = step.min(1 << 40);
                self.clock.monotonic_ns += step;
                self.clock.realtime_ns += step;
            }
        }
    }
}

/// Resident memory of this process in KiB.
fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn attack(granule: Granule, ops: &[Op]) -> Result<(), TestCaseError> {
    let mut guest = Guest::new(granule);
    for (index, op) in ops.iter().enumerate() {
        let began = Instant::now();
        guest.act(op);
        let took = began.elapsed();
        prop_assert!(took < CALL_LIMIT, "{op:?} took {took:?}");
        guest.kernel.memory_mut().take_tlb_ops();
        if index % 32 == 0 {
            guest.kernel.take_deaths();
            guest.kernel.take_notices();
            let whole = guest.kernel.memory().check();
            prop_assert!(whole.is_ok(), "{whole:?} after {op:?}");
        }
        if guest.kernel.tasks().all(|task| task.state == State::Zombie) {
            guest.begin();
        }
    }
    let whole = guest.kernel.memory().check();
    prop_assert!(whole.is_ok(), "{whole:?} at the end");
    let resident = resident_kib();
    prop_assert!(resident < 2 << 20, "{resident} KiB are resident");
    Ok(())
}

fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(default),
        max_shrink_iters: 600,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn nothing_that_a_guest_does_hurts_the_machine(
        granule in prop::sample::select(Granule::ALL.to_vec()),
        ops in prop::collection::vec(op(), 50..300),
    ) {
        attack(granule, &ops)?;
    }
}

/// An answer is a number or an errno of Linux, whatever the call's number.
#[test]
fn every_number_is_answered() {
    for number in (0..600).chain([u64::MAX, 1 << 32, i64::MAX as u64]) {
        if number == SYNC {
            continue;
        }
        let mut guest = Guest::new(Granule::K16);
        if let Some(answer) = guest.call(number, [u64::MAX; 6]) {
            let error = answer.wrapping_neg();
            assert!(
                !(600..=LARGEST_ERRNO).contains(&error),
                "call {number}: {answer:#x}"
            );
        }
    }
}

fn minus_hundred() -> u64 {
    -100i64 as u64
}

/// The address of a known path.
fn path_of(guest: &Guest, name: &str) -> u64 {
    guest.path(PATHS.iter().position(|path| *path == name).unwrap())
}

fn words(guest: &mut Guest, at: u64, words: &[u64]) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    guest.put(at, &bytes);
}

/// `/proc/self/cwd` as working directory is the directory that it names, and no link to itself.
#[test]
fn a_working_directory_that_names_itself_is_no_endless_walk() {
    let mut guest = Guest::new(Granule::K16);
    let cwd = path_of(&guest, "/proc/self/cwd");
    let other = path_of(&guest, "/proc/1/cwd");
    for path in [cwd, other, cwd] {
        assert_eq!(guest.call(CHDIR, [path, 0, 0, 0, 0, 0]), Some(0));
        assert_eq!(
            guest.call(NEWFSTATAT, [minus_hundred(), path, guest.paths + 8192, 0, 0, 0]),
            Some(0)
        );
        assert!(guest.call(OPENAT, [minus_hundred(), path, 0, 0, 0, 0]).unwrap() < 100);
    }
    let task = guest.kernel.tasks().next().unwrap();
    assert_eq!(task.directories.borrow().working, guest.working);
}

/// An interval timer so long that its second ring lies past the end of time rings once.
#[test]
fn the_longest_timer_rings_once() {
    let mut guest = Guest::new(Granule::K16);
    let at = guest.paths + 8192;
    // Linux ignores the signal if it is to be ignored: SIG_IGN is 1.
    words(&mut guest, at + 64, &[1, 0, 0, 0]);
    assert_eq!(guest.call(RT_SIGACTION, [14, at + 64, 0, 8, 0, 0]), Some(0));
    words(&mut guest, at, &[i64::MAX as u64, 0, 0, 1]);
    assert_eq!(guest.call(SETITIMER, [0, at, 0, 0, 0, 0]), Some(0));
    guest.clock.monotonic_ns = 5_000_000;
    let pid = guest.kernel.next_task().unwrap();
    guest.kernel.handle(pid, Trap::Budget, guest.clock);
    assert!(guest.kernel.waits().deadline_ns.is_some());
}

/// `RLIMIT_NOFILE` above `fs.nr_open` is EPERM even for root: tables and `poll` lists are as long as it allows.
#[test]
fn descriptors_have_a_largest_number() {
    let mut guest = Guest::new(Granule::K16);
    let at = guest.paths + 8192;
    words(&mut guest, at, &[u64::MAX, u64::MAX]);
    assert_eq!(guest.call(SETRLIMIT, [7, at, 0, 0, 0, 0]), Some(EPERM));
    words(&mut guest, at, &[1 << 31, 1 << 31]);
    assert_eq!(guest.call(SETRLIMIT, [7, at, 0, 0, 0, 0]), Some(EPERM));
    assert_eq!(guest.call(PPOLL, [at, 1 << 61, 0, 0, 0, 0]), Some(EINVAL));
    assert_eq!(guest.call(DUP3, [0, i32::MAX as u64, 0, 0, 0, 0]), Some(EBADF));
}

/// execve(2): arguments beyond a quarter of the stack limit are E2BIG, however they are repeated, and are not gathered
/// first.
#[test]
fn endless_arguments_are_too_big() {
    let mut guest = Guest::new(Granule::K16);
    let text = guest.call(MMAP, [0, 500_000, 3, 0x22, u64::MAX, 0]).unwrap();
    guest.put(text, &[b'x'; 499_999]);
    let list = guest.call(MMAP, [0, 8 << 20, 3, 0x22, u64::MAX, 0]).unwrap();
    words(&mut guest, list, &vec![text; 1 << 20]);
    let before = resident_kib();
    let program = path_of(&guest, "/pagewalk/t");
    assert_eq!(guest.call(EXECVE, [program, list, 0, 0, 0, 0]), Some(E2BIG));
    assert!(resident_kib() < before + (64 << 10));
}

/// Calls that no Linux has are told of once, whatever their number.
#[test]
fn unknown_calls_are_told_of_but_not_without_end() {
    let mut guest = Guest::new(Granule::K16);
    for number in 0..5000 {
        assert_eq!(guest.call(100_000 + number, [0; 6]), Some(ENOSYS));
    }
    let told = guest.kernel.take_notices().len();
    assert!((1..600).contains(&told), "{told} notices");
}

/// Tasks that share their parent's memory cost no frame; their number has a limit all the same (clone(2): EAGAIN).
#[test]
fn tasks_without_end_are_refused() {
    const SHARE_MEMORY: u64 = 0x100;
    let mut guest = Guest::new(Granule::K16);
    let mut made = 0;
    let refused = loop {
        match guest.call(CLONE, [SHARE_MEMORY, 0, 0, 0, 0, 0]).unwrap() {
            answer if answer > u64::MAX - LARGEST_ERRNO => break answer,
            _ => made += 1,
        }
        assert!(made <= 40_000, "no end of tasks");
    };
    assert_eq!(refused, EAGAIN);
    assert!(made > 1000);
}

/// sendfile(2): a negative offset is EINVAL.
#[test]
fn no_file_is_sent_from_before_its_beginning() {
    let mut guest = Guest::new(Granule::K16);
    let at = guest.paths + 8192;
    for offset in [u64::MAX, u64::MAX - 5, 1 << 63] {
        words(&mut guest, at, &[offset]);
        assert_eq!(guest.call(71, [1, 0, at, 100, 0, 0]), Some(EINVAL));
    }
}

/// vfork(2): while the child has the memory, its parent runs no handler; nor does a signal make a second child.
#[test]
fn a_handler_does_not_run_in_a_parent_that_waits_for_its_vfork_child() {
    let mut guest = Guest::new(Granule::K16);
    let at = guest.paths + 8192;
    let parent = guest.kernel.next_task().unwrap();
    const RESTART: u64 = 0x1000_0000;
    words(&mut guest, at, &[0x40_0000, RESTART, 0, 0]);
    assert_eq!(guest.call(RT_SIGACTION, [10, at, 0, 8, 0, 0]), Some(0));
    assert_eq!(guest.call(CLONE, [0x4111, 0, 0, 0, 0, 0]), None);
    let child = guest.kernel.next_task().unwrap();
    assert_ne!(child, parent);
    let pc = guest.kernel.find(parent).unwrap().regs.pc;
    assert_eq!(
        guest.call(KILL, [u64::from(parent.get()), 10, 0, 0, 0, 0]),
        Some(0)
    );
    guest.kernel.handle(child, Trap::Budget, guest.clock);
    assert_eq!(guest.kernel.next_task(), Some(child));
    assert_eq!(guest.kernel.find(parent).unwrap().regs.pc, pc);
    assert_eq!(guest.kernel.tasks().count(), 2);
    assert_eq!(guest.call(EXIT, [0; 6]), None);
    // Now the parent has its answer and then its handler.
    assert_eq!(guest.kernel.next_task(), Some(parent));
    let regs = &guest.kernel.find(parent).unwrap().regs;
    assert_eq!((regs.pc, regs.x(0)), (0x40_0000, 10));
}

/// The machine's own memory is a file of the host's `/proc`: a link to it must not let a guest write there.
#[test]
fn a_link_into_the_hosts_proc_is_not_written_through() {
    let mut guest = Guest::new(Granule::K16);
    let folder = std::path::PathBuf::from(String::from_utf8(guest.working.clone()).unwrap());
    let target = format!("/proc/{}/mem", std::process::id());
    std::os::unix::fs::symlink(target, folder.join("d/e")).unwrap();
    let path = path_of(&guest, "d/e");
    for access in [1, 2] {
        assert_eq!(
            guest.call(OPENAT, [minus_hundred(), path, access, 0, 0, 0]),
            Some(EACCES)
        );
    }
}

/// Refused programs are told of, but what is told in one turn has an end.
#[test]
fn notices_of_one_turn_have_an_end() {
    let mut guest = Guest::new(Granule::K16);
    for word in 0..1000 {
        let at = guest.paths + 8192;
        // SIG_IGN does not hold for a fault: the task dies, the next begins.
        let pid = guest.kernel.next_task().unwrap();
        guest.kernel.handle(pid, Trap::NotImplemented(word), guest.clock);
        if guest.kernel.next_task().is_none() {
            guest.begin();
        }
        guest.put(at, &[0]);
    }
    assert!(guest.kernel.take_notices().len() <= 64);
}
