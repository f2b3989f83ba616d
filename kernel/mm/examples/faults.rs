//! Nanoseconds per fault and per call, without the processor: what mm itself costs.
//!
//! `cargo run --release -p mm --example faults`. Each figure is the best of several rounds, for the machine
//! may be shared.

use std::rc::Rc;
use std::time::Instant;

use arch::{Access, Bytes, Fault, FaultCause, Granule, PageCount, PageRange, VirtAddr};
use mm::{
    Advice, Backing, Content, FileKey, Layout, Limits, MapRequest, Memory, Placement, Prot, Sharing, SpaceId,
};
use ram::Ram;

const ROUNDS: usize = 12;
const RAM_BYTES: u64 = 1 << 30;

struct Ones(u64);

impl Backing for Ones {
    fn read_at(&self, _: u64, to: &mut [u8]) -> std::io::Result<usize> {
        to.fill(1);
        Ok(to.len())
    }

    fn write_at(&self, _: u64, from: &[u8]) -> std::io::Result<usize> {
        Ok(from.len())
    }

    fn len(&self) -> std::io::Result<u64> {
        Ok(self.0)
    }
}

struct Bench {
    memory: Memory,
    space: SpaceId,
    granule: Granule,
}

impl Bench {
    fn new(granule: Granule) -> Self {
        let ram = Ram::new(Bytes::new(RAM_BYTES), granule).expect("RAM of the host");
        let mut memory = Memory::new(ram);
        let layout = Layout {
            mmap_top: VirtAddr::new(0x7000_0000_0000),
            lowest: VirtAddr::new(0x1_0000),
        };
        let space = memory
            .create_space(layout, Limits::default())
            .expect("a root table");
        Self {
            memory,
            space,
            granule,
        }
    }

    /// So many, or fewer where pages are large.
    fn pages(&self, most: u64) -> u64 {
        most.min((64 << 20) / self.granule.bytes())
    }

    fn bytes(&self, pages: u64) -> Bytes {
        PageCount::new(pages).bytes(self.granule)
    }

    fn range(&self, at: VirtAddr, pages: u64) -> PageRange {
        PageRange::from_count(at.page(self.granule), PageCount::new(pages)).expect("a range")
    }

    fn map(&mut self, pages: u64) -> VirtAddr {
        let request = MapRequest::anonymous(self.bytes(pages), Prot::READ | Prot::WRITE);
        self.memory.map(self.space, &request).expect("mapped")
    }

    fn touch(&mut self, space: SpaceId, at: VirtAddr, pages: u64, access: Access) {
        for page in self.range(at, pages).pages() {
            let fault = Fault {
                address: page.start(self.granule),
                access,
                cause: FaultCause::Translation(3),
            };
            self.memory.fault(space, &fault).expect("resolved");
            self.memory.take_tlb_ops();
        }
    }
}

/// The best round, in nanoseconds for each of `count`.
fn best(count: u64, mut round: impl FnMut() -> std::time::Duration) -> f64 {
    let times = (0..ROUNDS).map(|_| round().as_nanos() as f64 / count as f64);
    times.fold(f64::MAX, f64::min)
}

fn timed(work: impl FnOnce()) -> std::time::Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn zero_fill(bench: &mut Bench) -> f64 {
    let pages = bench.pages(4096);
    let at = bench.map(pages);
    let space = bench.space;
    best(pages, || {
        let time = timed(|| bench.touch(space, at, pages, Access::Write));
        let range = bench.range(at, pages);
        bench
            .memory
            .advise(space, range, Advice::DontNeed)
            .expect("dropped");
        time
    })
}

fn copy_on_write(bench: &mut Bench) -> f64 {
    let pages = bench.pages(2048);
    let at = bench.map(pages);
    let parent = bench.space;
    bench.touch(parent, at, pages, Access::Write);
    best(pages, || {
        let child = bench.memory.fork_space(parent).expect("forked");
        let time = timed(|| bench.touch(child, at, pages, Access::Write));
        bench.memory.destroy_space(child);
        time
    })
}

fn fork_per_page(bench: &mut Bench) -> f64 {
    let pages = bench.pages(4096);
    let at = bench.map(pages);
    let parent = bench.space;
    bench.touch(parent, at, pages, Access::Write);
    best(pages, || {
        let mut child = None;
        let time = timed(|| child = bench.memory.fork_space(parent).ok());
        bench.memory.destroy_space(child.expect("forked"));
        time
    })
}

fn file_faults(bench: &mut Bench) -> (f64, f64) {
    let pages = bench.pages(2048);
    let key = FileKey { device: 1, inode: 2 };
    let length = bench.bytes(pages);
    let file = bench.memory.open_file(key, b"/ones", Rc::new(Ones(length.get())));
    let request = MapRequest {
        placement: Placement::Anywhere,
        sharing: Sharing::Shared,
        content: Content::File { file, offset: 0 },
        ..MapRequest::anonymous(length, Prot::READ)
    };
    let at = bench.memory.map(bench.space, &request).expect("mapped");
    let window = ((64 << 10) / bench.granule.bytes()).max(1);
    let space = bench.space;
    let mut round = |populate: bool| {
        let range = bench.range(at, pages);
        bench
            .memory
            .advise(space, range, Advice::DontNeed)
            .expect("dropped");
        timed(|| {
            for first in (0..pages).step_by(window as usize) {
                let at = at.checked_add(bench.bytes(first)).expect("inside");
                bench.touch(space, at, if populate { window } else { 1 }, Access::Read);
            }
        })
    };
    round(false);
    let each_fault = best(pages / window, || round(false));
    (each_fault, each_fault / window as f64)
}

fn map_and_unmap(bench: &mut Bench, touched: bool) -> f64 {
    let count = 20_000;
    let space = bench.space;
    best(count, || {
        timed(|| {
            for _ in 0..count {
                let at = bench.map(4);
                if touched {
                    bench.touch(space, at, 1, Access::Write);
                }
                let range = bench.range(at, 4);
                bench.memory.unmap(space, range).expect("unmapped");
                bench.memory.take_tlb_ops();
            }
        })
    })
}

fn protect_toggle(bench: &mut Bench) -> f64 {
    let count = 20_000;
    let space = bench.space;
    let at = bench.map(16);
    bench.touch(space, at, 16, Access::Write);
    let middle = bench.range(at.checked_add(bench.bytes(4)).expect("inside"), 1);
    best(count, || {
        timed(|| {
            for _ in 0..count {
                bench
                    .memory
                    .protect(space, middle, Prot::READ)
                    .expect("protected");
                bench
                    .memory
                    .protect(space, middle, Prot::READ | Prot::WRITE)
                    .expect("protected");
                bench.memory.take_tlb_ops();
            }
        })
    })
}

/// With so many mappings that do not merge: every second page read-only.
fn fill_with_mappings(bench: &mut Bench, count: u64) {
    let at = bench.map(count);
    for index in (0..count).step_by(2) {
        let page = bench.range(at.checked_add(bench.bytes(index)).expect("inside"), 1);
        bench
            .memory
            .protect(bench.space, page, Prot::READ)
            .expect("protected");
    }
}

fn main() {
    for granule in [Granule::K4, Granule::K16, Granule::K64] {
        println!("granule {granule}, nanoseconds");
        let bench = &mut Bench::new(granule);
        println!("  zero-fill fault             {:8.1}", zero_fill(bench));
        println!("  copy-on-write fault         {:8.1}", copy_on_write(bench));
        println!("  fork, each private page     {:8.1}", fork_per_page(bench));
        let (fault, page) = file_faults(bench);
        println!("  file fault, cached          {fault:8.1}");
        println!("  file fault, each page       {page:8.1}");
        println!(
            "  mmap + munmap               {:8.1}",
            map_and_unmap(bench, false)
        );
        println!("  mmap + touch + munmap       {:8.1}", map_and_unmap(bench, true));
        println!("  mprotect toggle (2 calls)   {:8.1}", protect_toggle(bench));
        fill_with_mappings(bench, 60_000);
        println!("  with 60,000 mappings:");
        println!(
            "  mmap + munmap               {:8.1}",
            map_and_unmap(bench, false)
        );
        println!("  mprotect toggle (2 calls)   {:8.1}", protect_toggle(bench));
    }
}
