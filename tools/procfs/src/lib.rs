//! The texts of `/proc`: the same types parse and print them, byte for byte as Linux does.
//!
//! Each file of `/proc` that pagewalk knows has one type here, plain data with public fields, and that type
//! implements [`Text`]: `parse` reads Linux's bytes and `print` writes them. `print(parse(x)) == x` holds for
//! every file that a live kernel gives (the tests read this host's), so the host checks the machine, which prints with these types, and the
//! machine checks the tools, which parse with them.
//!
//! Beside the texts: [`Root`], anything shaped like `/proc` (a folder, or a machine's socket), the protocol of
//! that socket ([`wire`]), what only this host's kernel answers (`host`, behind [`Root`]) and the directory the sockets live in ([`sockets`]).
//!
//! Neighbours: `process` (kernel half) prints with these types; `machine` serves [`wire`]; `observe` reads
//! through [`Root`]. Absent on purpose: any judgement of what the figures mean (that is `observe`).

mod auxv;
mod bytes;
mod error;
mod fd_info;
mod host;
mod limits;
mod loadavg;
mod map_at;
mod maps;
mod meminfo;
mod memory;
mod mounts;
mod pace;
mod pagemap;
mod pages;
mod pid_stat;
mod root;
mod smaps;
mod socket_root;
pub mod sockets;
mod statm;
mod status;
mod system_stat;
mod task_io;
mod text;
mod units;
mod uptime;
mod vm_flags;
mod vmstat;
pub mod wire;

pub use auxv::{AuxEntry, Auxv, at};
pub use bytes::{Cmdline, Comm, printable};
pub use error::ParseError;
pub use fd_info::FdInfo;
pub use limits::{Limit, LimitValue, Limits};
pub use loadavg::LoadAvg;
pub use map_at::{MapAt, MapFind};
pub use maps::{Device, MapsLine, MapsReader, Perms, parse_maps};
pub use meminfo::{MemCounter, MemInfo};
pub use memory::{HeldFile, MemoryReader};
pub use mounts::{Mount, MountInfo};
pub use pagemap::{PAGEMAP_ENTRY_BYTES, PagemapEntry};
pub use pages::{PageCategories, PageRun, PageRuns, PageSource, PageWanted};
pub use pid_stat::PidStat;
pub use root::{DirRoot, Root, RootError};
pub use smaps::{
    Counts, SmapsEntry, SmapsOrder, SmapsParser, SmapsReader, SmapsRollup, Step, ThpStyle, parse_smaps,
};
pub use socket_root::SocketRoot;
pub use statm::Statm;
pub use status::{Ids, Mask, NsIds, Octal, Set, Status};
pub use system_stat::{CpuTimes, SystemStat};
pub use task_io::{SchedStat, TaskIo};
pub use text::{Text, UnknownLine};
pub use units::{Addr, Kib};
pub use uptime::Uptime;
pub use vm_flags::{Code, KnownVmFlags, VmFlags};
pub use vmstat::VmStat;
