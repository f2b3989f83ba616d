//! A kernel without a processor whose one task is the bundled guest `heap`: what the tests of `/proc` look at.

use arch::{Bytes, Granule};
use process::{Bundled, Clock, Config, Kernel, Pid, Spawn};

/// The kernel with 32 MiB of RAM and its task's number.
#[allow(dead_code, reason = "not every test wants this much RAM")]
pub(crate) fn kernel(granule: Granule) -> (Kernel, Pid) {
    let ram = ram::Ram::new(Bytes::new(32 << 20), granule).unwrap();
    kernel_with(mm::Memory::new(ram))
}

/// The same with this memory.
pub(crate) fn kernel_with(memory: mm::Memory) -> (Kernel, Pid) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guests/elf/");
    let program = |name: &str| std::fs::read(format!("{folder}{name}")).unwrap();
    let config = Config {
        seed: Some(3),
        programs: vec![Bundled {
            name: "heap".to_owned(),
            bytes: program("heap").into(),
        }],
        vdso: Some(program("vdso.so").into()),
        ..Config::default()
    };
    let mut kernel = Kernel::new(memory, config, Clock::default());
    let spawn = Spawn {
        path: b"/pagewalk/heap".to_vec(),
        args: vec![b"heap".to_vec(), b"an argument".to_vec()],
        env: vec![b"A=1".to_vec()],
        working: b"/".to_vec(),
    };
    let pid = kernel.spawn(&spawn).unwrap();
    (kernel, pid)
}
