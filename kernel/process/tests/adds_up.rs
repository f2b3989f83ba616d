//! RAM adds up at any stopped moment: what all processes have in proportion (PSS), translation tables, free frames, the zero
//! page and cached pages that nobody maps are all frames of RAM, while processes fork, write, free lazily and swap.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;

use arch::{Bytes, Granule, Trap, VirtAddr};
use process::{Clock, Kernel, Pid, proc_tree};

mod heap;

const MUNMAP: u64 = 215;
const CLONE: u64 = 220;
const MMAP: u64 = 222;
const MADVISE: u64 = 233;
const SIGCHLD: u64 = 17;
const MADV_FREE: u64 = 8;
const RAM: u64 = 4 << 20;

/// A swap file in memory.
#[derive(Default)]
struct Device(RefCell<Vec<u8>>);

impl mm::SwapDevice for Device {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.borrow();
        let from = &bytes[offset as usize..];
        let length = from.len().min(to.len());
        to[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> io::Result<usize> {
        let (start, end) = (offset as usize, offset as usize + from.len());
        let mut bytes = self.0.borrow_mut();
        let length = bytes.len().max(end);
        bytes.resize(length, 0);
        bytes[start..end].copy_from_slice(from);
        Ok(from.len())
    }
}

struct Bench {
    kernel: Kernel,
    pids: Vec<Pid>,
    granule: Granule,
}

impl Bench {
    fn new(granule: Granule, policy: &str) -> Self {
        let reclaim = mm::ReclaimConfig {
            policy: policy.parse().unwrap(),
            seed: 1,
            swap: Some(mm::SwapConfig {
                device: Box::new(Device::default()),
                name: "/swap".into(),
                size: Bytes::new(64 << 20),
                key: [7; 32],
                compressed: Bytes::new(1 << 20),
            }),
        };
        let ram = ram::Ram::new(Bytes::new(RAM), granule).unwrap();
        let memory = mm::Memory::with_reclaim(ram, reclaim);
        let (kernel, first) = heap::kernel_with(memory);
        Self {
            kernel,
            pids: vec![first],
            granule,
        }
    }

    fn call(&mut self, pid: Pid, number: u64, args: [u64; 6]) -> u64 {
        let (regs, _) = self.kernel.context(pid);
        regs.set_x(8, number);
        for (n, value) in args.into_iter().enumerate() {
            regs.set_x(n, value);
        }
        self.kernel.handle(pid, Trap::Supervisor(0), Clock::default());
        self.kernel.find(pid).unwrap().regs.x(0)
    }

    fn fork(&mut self, parent: Pid) -> Pid {
        let child = Pid::new(u32::try_from(self.call(parent, CLONE, [SIGCHLD, 0, 0, 0, 0, 0])).unwrap());
        self.pids.push(child);
        child
    }

    /// Writes a byte to each page of a range, or reads it.
    fn touch(&mut self, pid: Pid, at: u64, bytes: u64, write: bool) {
        let space = self.kernel.find(pid).unwrap().space.as_ref().unwrap().id;
        for offset in (0..bytes).step_by(self.granule.bytes() as usize) {
            let (memory, place) = (self.kernel.memory_mut(), VirtAddr::new(at + offset));
            let mark = (offset >> 12) as u8 ^ pid.get() as u8 | 1;
            match write {
                true => memory.copy_out(space, place, &[mark; 8]).unwrap(),
                false => memory.copy_in(space, place, &mut [0; 8]).unwrap(),
            }
        }
    }

    fn figure(&self, path: &str, name: &str) -> u64 {
        let text = proc_tree::whole(&self.kernel, None, path.as_bytes())
            .unwrap()
            .unwrap();
        let text = String::from_utf8(text).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name}:")))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Every frame of RAM is in exactly one of the sums.
    fn adds_up(&self, when: &str) {
        let memory = self.kernel.memory();
        let frames = memory.frames();
        let (mut fixed, mut shown, mut mapped) = (0, 0, HashSet::new());
        for pid in &self.pids {
            let space = self.kernel.find(*pid).unwrap().space.as_ref().unwrap().id;
            for vma in memory.vmas(space) {
                fixed += memory.vma_usage(space, vma).pss.fixed_point();
                let infos = vma.range.pages().map(|page| memory.page_info(space, page));
                mapped.extend(
                    infos
                        .filter(|info| !info.zero_page)
                        .filter_map(|info| info.frame.map(|f| f.get())),
                );
            }
            shown += self.figure(&format!("{pid}/smaps_rollup"), "Pss");
        }
        // A page of three mappings loses a part of 1/4096 byte: far less than a byte in all.
        let pss = fixed.div_ceil(4096).div_ceil(self.granule.bytes());
        assert_eq!(pss, mapped.len() as u64, "{when}: PSS is the mapped frames");
        let page_kib = self.granule.bytes() >> 10;
        let exact = pss * page_kib;
        let most = self.pids.len() as u64;
        assert!(
            shown <= exact && exact <= shown + most,
            "{when}: smaps_rollup says {shown} of {exact} kB"
        );
        let held = frames.anon.get() + frames.file.get() + frames.shmem.get();
        let unmapped = u64::from(held) - pss;
        let tables = self.figure("meminfo", "PageTables") / page_kib;
        let free = self.figure("meminfo", "MemFree") / page_kib;
        let zero = u64::from(frames.zero.get());
        assert_eq!(
            pss + unmapped + tables + free + zero,
            RAM / self.granule.bytes(),
            "{when}: PSS {pss}, cached {unmapped}, tables {tables}, free {free}, zero page {zero}"
        );
    }
}

fn everything(granule: Granule, policy: &str) {
    let mut bench = Bench::new(granule, policy);
    let parent = bench.pids[0];
    bench.adds_up("at the start");
    let map = |bench: &mut Bench, bytes: u64, flags: u64| {
        bench.call(parent, MMAP, [0, bytes, 3, flags, u64::MAX, 0])
    };
    let private = map(&mut bench, 3 << 20, 0x22);
    let shared = map(&mut bench, 1 << 20, 0x21);
    let lazy = map(&mut bench, 512 << 10, 0x22);
    bench.touch(parent, private, 3 << 20, true);
    bench.touch(parent, shared, 1 << 20, true);
    bench.adds_up("written");
    let children: Vec<Pid> = (0..3).map(|_| bench.fork(parent)).collect();
    bench.adds_up("forked");
    bench.touch(children[0], private, 2 << 20, true);
    bench.adds_up("one child wrote");
    bench.touch(children[1], private, 3 << 20, false);
    bench.touch(children[2], shared, 1 << 20, true);
    bench.adds_up("others read");
    bench.touch(parent, lazy, 512 << 10, true);
    assert_eq!(
        bench.call(parent, MADVISE, [lazy, 512 << 10, MADV_FREE, 0, 0, 0]),
        0
    );
    bench.adds_up("freed lazily");
    let grandchild = bench.fork(children[0]);
    bench.touch(grandchild, private + (1 << 20), 1 << 20, true);
    bench.touch(parent, private, 3 << 20, false);
    bench.kernel.memory_mut().background_reclaim();
    bench.adds_up("all at once");
    assert_eq!(bench.call(children[1], MUNMAP, [private, 1 << 20, 0, 0, 0, 0]), 0);
    bench.adds_up("unmapped");
    assert!(
        bench.kernel.memory().counters().pswpout > 0,
        "nothing was swapped: no pressure"
    );
    assert!(bench.kernel.memory().counters().pswpin > 0, "nothing came back");
}

#[test]
fn ram_adds_up_under_pressure() {
    for granule in [Granule::K4, Granule::K16, Granule::K64] {
        for policy in ["clock", "lru", "s3-fifo"] {
            everything(granule, policy);
        }
    }
}
