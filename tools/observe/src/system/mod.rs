//! The whole system: every process of a root and its share of memory, and where MemTotal went ([`System`]).
//!
//! [`System::take`] reads each process once (`process`): its figures (`usage`) cost one page walk. Shares add up: the sum of
//! Pss or of additive footprints over all processes is real memory, where the sum of resident sizes is not. Processes are
//! shown one by one or in groups (`view`; containers are recognised in `cgroup`); `budget` sets their sums against `meminfo`.
//!
//! Outputs: [`write_text`], [`write_json`], [`write_json_lines`], [`write_csv`], [`write_openmetrics`]; and
//! [`write_regions_csv`] for one process's regions. Their schemas are documented in docs/schema.md.

mod budget;
mod cgroup;
mod openmetrics;
mod process;
mod record;
mod regions_csv;
mod text;
mod usage;
mod view;

pub use budget::{Budget, Part, Swap};
pub use cgroup::Container;
pub use openmetrics::write as write_openmetrics;
pub use process::{Process, Source, Wanted};
pub use record::{SCHEMA, write_csv, write_json, write_json_lines};
pub use regions_csv::{REGION_COLUMNS, write_regions_csv};
pub use text::{Style, write as write_text};
pub use usage::Usage;
pub use view::{Group, GroupBy, SortBy, View};

use crate::Moment;
use process::{Outcome, Reader};
use procfs::{MemInfo, Root, RootError};

/// Every process of a root, with its share of memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct System {
    /// What was read: `/proc`, a folder, `machine 4711`.
    pub root: String,
    /// The machine's host pid; `None` for the host and for saved folders.
    pub machine: Option<u32>,
    /// When.
    pub taken: Option<Moment>,
    /// The processes that have memory of their own, by id.
    pub processes: Vec<Process>,
    /// What is not among them.
    pub left_out: LeftOut,
    /// All of them together.
    pub total: Group,
    /// Where MemTotal went; `None` if `meminfo` could not be read.
    pub memory: Option<Budget>,
    /// Whether processes of others may be hidden altogether: the host's process 1 is not listed (`hidepid`).
    pub may_hide: bool,
}

/// Processes that are only counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeftOut {
    /// Kernel threads: they have no address space.
    pub kernel_threads: usize,
    /// Zombies: their memory is gone.
    pub zombies: usize,
    /// They ended while the others were read.
    pub vanished: usize,
}

impl System {
    /// Read every process.
    ///
    /// # Errors
    /// [`RootError`] if the root cannot be listed. A process that cannot be read is in the list, with its reason.
    pub fn take(root: &dyn Root, machine: Option<u32>, wanted: Wanted) -> Result<Self, RootError> {
        let pids = root.pids()?;
        let reader = Reader::new(root, wanted);
        let mut processes = Vec::with_capacity(pids.len());
        let mut left_out = LeftOut::default();
        for &pid in &pids {
            match reader.read(pid) {
                Outcome::Read(process) => processes.push(*process),
                Outcome::KernelThread => left_out.kernel_threads += 1,
                Outcome::Zombie => left_out.zombies += 1,
                Outcome::Vanished => left_out.vanished += 1,
            }
        }
        let mut total = Group::new("total".into());
        for process in &processes {
            total.add(process);
        }
        // A saved folder may lack it.
        let info = root.parse::<MemInfo>("meminfo").ok();
        Ok(Self {
            root: root.describe(),
            machine,
            taken: Moment::of(root).ok(),
            memory: info.and_then(|info| Budget::new(&info, &total.usage)),
            processes,
            left_out,
            total,
            may_hide: root.is_this_host() && !pids.contains(&1),
        })
    }

    /// How many could not be read for want of rights.
    #[must_use]
    pub fn denied(&self) -> usize {
        self.processes.iter().filter(|p| p.is_denied).count()
    }
}
