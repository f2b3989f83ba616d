//! PAGEMAP_SCAN (Linux 6.7, Documentation/admin-guide/mm/pagemap.rst): pages by category, as runs, without a word for each page.

use super::first_error;
use crate::pace::Pace;
use crate::pages::RunBuilder;
use crate::{Addr, PageCategories, PageRuns, PageWanted};
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, opcode};
use std::ffi::c_void;
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;

/// `struct page_region`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Default)]
struct ScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

const _: () = assert!(size_of::<ScanArg>() == 96 && size_of::<Region>() == 24);

/// One call: it fills `regions` from the start and says how far it came.
struct Scan<'a> {
    arg: ScanArg,
    /// Borrowed for as long as `arg.vec` points to them.
    regions: &'a mut [Region],
}

/// How many regions were filled, and the address up to which pages were looked at.
struct Scanned {
    regions: usize,
    walk_end: u64,
}

// SAFETY: the opcode is PAGEMAP_SCAN with its argument's size. The kernel reads and writes `arg` and writes at most `vec_len` regions
// at `vec`; `Scan::new` sets both from a slice that is borrowed mutably as long as the value lives.
unsafe impl Ioctl for Scan<'_> {
    type Output = Scanned;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode::read_write::<ScanArg>(b'f', 16)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut self.arg).cast()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, arg: *mut c_void) -> rustix::io::Result<Scanned> {
        // SAFETY: rustix gives back the pointer of `as_ptr`, whose `ScanArg` still lives.
        let walk_end = unsafe { (*arg.cast::<ScanArg>()).walk_end };
        Ok(Scanned {
            regions: usize::try_from(out).unwrap_or(0),
            walk_end,
        })
    }
}

impl<'a> Scan<'a> {
    fn new(
        range: Range<u64>,
        max_pages: u64,
        any_of: PageCategories,
        report: PageCategories,
        regions: &'a mut [Region],
    ) -> Self {
        let arg = ScanArg {
            size: size_of::<ScanArg>() as u64,
            start: range.start,
            end: range.end,
            max_pages,
            vec: regions.as_mut_ptr().addr() as u64,
            vec_len: regions.len() as u64,
            category_anyof_mask: any_of.bits(),
            return_mask: report.bits(),
            ..ScanArg::default()
        };
        // The kernel gets the address as a number.
        regions.as_mut_ptr().expose_provenance();
        Self { arg, regions }
    }

    /// Make the call; the regions that it filled and the address that it reached.
    fn call(self, pagemap: BorrowedFd<'_>) -> Result<(&'a [Region], u64), Errno> {
        let Self { arg, regions } = self;
        let request = Scan {
            arg,
            regions: &mut *regions,
        };
        // SAFETY: `Scan` upholds what `Ioctl` asks for; on a file that is no pagemap the kernel answers ENOTTY.
        let scanned = unsafe { rustix::ioctl::ioctl(pagemap, request) }?;
        Ok((
            regions.get(..scanned.regions).unwrap_or_default(),
            scanned.walk_end,
        ))
    }
}

/// What a kernel of 6.7 knows; 6.15 knows guard pages too.
const OLD: PageCategories = PageCategories::EXCLUSIVE
    .union(PageCategories::GUARD)
    .complement();

/// Regions of one call: 12 KiB.
const REGIONS: usize = 512;

/// The pages of `range` that are wanted, of the process whose `pagemap` is open.
pub(crate) fn scan_pages(
    pagemap: BorrowedFd<'_>,
    range: Range<Addr>,
    wanted: &PageWanted,
    pace: &Pace,
) -> io::Result<PageRuns> {
    let page = rustix::param::page_size() as u64;
    let end = range.end.0.checked_next_multiple_of(page).unwrap_or(!(page - 1));
    let mut at = range.start.0 & !(page - 1);
    let window = wanted.window.max(page) & !(page - 1);
    // What is there bounds the work of a call, so a call may end after so many pages; when only some of it is wanted, the addresses must.
    let there = PageCategories::PRESENT | PageCategories::SWAPPED;
    let (step, max_pages) = if wanted.any_of.contains(there) {
        (u64::MAX, window / page)
    } else {
        (window, 0)
    };
    let mut known = PageCategories::all() - PageCategories::EXCLUSIVE;
    let mut regions = [Region::default(); REGIONS];
    let mut runs = RunBuilder::new(wanted, Some(pace));
    let mut has_answered = false;
    while at < end {
        let window_end = at.saturating_add(step).min(end);
        // Guards are always asked for: without that bit they look swapped.
        let report = (wanted.report | wanted.any_of | PageCategories::GUARD) & known;
        let any_of = wanted.any_of & known;
        if any_of.is_empty() {
            let message = "this kernel's PAGEMAP_SCAN does not tell these pages";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        let scan = Scan::new(at..window_end, max_pages, any_of, report, &mut regions);
        match runs.timed(|| scan.call(pagemap)) {
            Ok((found, walk_end)) => {
                for region in found {
                    let categories = PageCategories::from_bits_truncate(region.categories);
                    runs.add(Addr(region.start), Addr(region.end), categories);
                }
                has_answered = true;
                // A window without an answer to where it ended would be asked for ever.
                at = if walk_end > at {
                    walk_end.min(window_end)
                } else {
                    window_end
                };
            }
            Err(Errno::INTR) => {}
            Err(Errno::INVAL) if !has_answered && known != known & OLD => known &= OLD,
            Err(errno) if has_answered => return Err(errno.into()),
            Err(errno) => return Err(first_error(errno, "PAGEMAP_SCAN", "6.7")),
        }
    }
    Ok(runs.finish(known))
}
