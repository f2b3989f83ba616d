//! The report of a task that a signal killed: one clear line for the person at the terminal.
//!
//! Key types: [`Death`], [`Cause`], [`Region`]. Made here, printed by the machine.

use std::fmt;

use abi::signal::{SigDetail, SigInfo, Signal};
use arch::{Access, VirtAddr};
use mm::{Content, OutOfRam, Prot, Vma};

use crate::kernel::Kernel;
use crate::task::{Image, Pid};

/// What brought a fatal signal about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// An access of memory.
    Access {
        /// Read, write or execute.
        access: Access,
        /// The exact byte.
        address: u64,
    },
    /// An encoding that the manual does not allocate.
    Undefined(u32),
    /// An instruction that this processor does not have yet.
    NotImplemented(u32),
    /// `BRK` with this number.
    Breakpoint(u16),
    /// The program counter was no multiple of 4.
    PcAlignment,
    /// The stack pointer was no multiple of 16.
    SpAlignment,
    /// No frame was left.
    OutOfRam(OutOfRam),
    /// Another task, or itself by `kill(2)`, sent it.
    Sent {
        /// Who.
        by: u32,
    },
    /// The kernel, for its own reason.
    Kernel,
}

/// What lies at an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Region {
    /// A mapping.
    Mapped(Place),
    /// Nothing; and the nearest mapping above or below, if there is one.
    Nothing(Option<Place>),
}

/// A mapping and how far into it an address lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Its first address.
    pub start: u64,
    /// Its end.
    pub end: u64,
    /// What may be done with it.
    pub prot: Prot,
    /// A path, `[heap]`, `[stack]`, `[vdso]`, or `anonymous memory`.
    pub name: String,
}

impl Death {
    /// Whether the person at the terminal should be told: a fault, an instruction, lack of RAM. That somebody killed
    /// the task is no news to whoever did it.
    pub fn is_news(&self) -> bool {
        // Keys of the terminal, and its end.
        let keyed = matches!(self.info.signal, Signal::INT | Signal::QUIT | Signal::HUP);
        !(matches!(self.cause, Cause::Sent { .. }) || self.cause == Cause::Kernel && keyed)
    }
}

/// A task that a signal killed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Death {
    /// Which task.
    pub pid: Pid,
    /// Its short name.
    pub program: String,
    /// The signal and its code.
    pub info: SigInfo,
    /// What brought it about.
    pub cause: Cause,
    /// Where the program was.
    pub pc: u64,
    /// What lies at the address of the access, for [`Cause::Access`].
    pub region: Option<Region>,
    /// What the program counter lies in.
    pub code: Region,
}

impl Kernel {
    /// Keeps the report of a death for the machine.
    pub(crate) fn report_death(&mut self, pid: Pid, info: SigInfo) {
        let task = self.task(pid);
        let cause = task.signals.cause.unwrap_or(match info.detail {
            SigDetail::User { pid, .. } | SigDetail::Queued { pid, .. } | SigDetail::Child { pid, .. } => {
                Cause::Sent { by: pid }
            }
            SigDetail::Kernel | SigDetail::Fault { .. } => Cause::Kernel,
        });
        let region = match cause {
            Cause::Access { address, .. } => Some(self.region_at(pid, address)),
            _ => None,
        };
        let task = self.task(pid);
        self.deaths.push(Death {
            pid: task.tgid,
            program: String::from_utf8_lossy(&task.comm).into_owned(),
            info,
            cause,
            pc: task.regs.pc,
            region,
            code: self.region_at(pid, task.regs.pc),
        });
    }

    /// What lies at an address of a task.
    pub fn region_at(&self, pid: Pid, address: u64) -> Region {
        let granule = self.memory.granule();
        let space = self.task(pid).space();
        let page = VirtAddr::new(address).untagged().page(granule);
        if let Some(vma) = self.memory.find_vma(space.id, page) {
            return Region::Mapped(self.place_of(space.id, &space.image, vma));
        }
        let distance = |vma: &&Vma| {
            let (start, end) = (vma.range.start().get(), vma.range.end().get());
            start
                .saturating_sub(page.get())
                .max(page.get().saturating_sub(end))
        };
        let nearest = self.memory.vmas(space.id).min_by_key(distance);
        Region::Nothing(nearest.map(|vma| self.place_of(space.id, &space.image, vma)))
    }

    fn place_of(&self, space: mm::SpaceId, image: &Image, vma: &Vma) -> Place {
        let granule = self.memory.granule();
        let start = vma.range.start().start(granule);
        let end = vma.range.end().start(granule);
        let (heap_start, heap_end) = self.memory.break_range(space);
        let name = match (vma.special, vma.content) {
            (Some(name), _) => name.to_owned(),
            (None, Content::File { file, .. }) => {
                String::from_utf8_lossy(self.memory.file_path(file)).into_owned()
            }
            _ if start < heap_end && heap_start < end => "[heap]".to_owned(),
            _ if start.get() <= image.stack && image.stack < end.get() => "[stack]".to_owned(),
            _ => "anonymous memory".to_owned(),
        };
        Place {
            start: start.get(),
            end: end.get(),
            prot: vma.prot,
            name,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |bit, letter| if self.prot.contains(bit) { letter } else { '-' };
        let (r, w, x) = (
            letter(Prot::READ, 'r'),
            letter(Prot::WRITE, 'w'),
            letter(Prot::EXEC, 'x'),
        );
        write!(f, "{} {r}{w}{x} {:#x}-{:#x}", self.name, self.start, self.end)
    }
}

impl Region {
    /// `in /bin/x r-x 0x400000-0x410000 (+0x78)`.
    fn describe(&self, address: u64) -> String {
        match self {
            Self::Mapped(place) => {
                let offset = VirtAddr::new(address)
                    .untagged()
                    .get()
                    .saturating_sub(place.start);
                format!("in {place} (+{offset:#x})")
            }
            Self::Nothing(Some(nearest)) => format!("where nothing is mapped; nearest: {nearest}"),
            Self::Nothing(None) => "where nothing is mapped".to_owned(),
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: {}", self.program, self.pid, self.info.signal)?;
        if !matches!(self.cause, Cause::Sent { .. } | Cause::OutOfRam(_)) {
            write!(f, " ({})", self.info.code_name())?;
        }
        let pc = self.pc;
        match self.cause {
            Cause::Access { access, address } => {
                write!(f, ": {access} of {address:#x}")?;
                if let Some(region) = &self.region {
                    write!(f, " {}", region.describe(address))?;
                }
                write!(f, "; pc {pc:#x}")?;
                match &self.code {
                    // The access was the fetch itself: its region has been told.
                    _ if access == Access::Execute => Ok(()),
                    Region::Mapped(place) => write!(f, " in {}", place.name),
                    Region::Nothing(_) => Ok(()),
                }
            }
            Cause::Undefined(word) => {
                write!(f, ": undefined instruction {word:#010x} at pc {pc:#x}")
            }
            Cause::NotImplemented(word) => write!(
                f,
                ": instruction {word:#010x} at pc {pc:#x} exists, but this machine has not got it yet"
            ),
            Cause::Breakpoint(number) => write!(f, ": BRK #{number:#x} at pc {pc:#x}"),
            Cause::PcAlignment => write!(f, ": jump to {pc:#x}, which is no multiple of 4"),
            Cause::SpAlignment => {
                write!(f, ": the stack pointer is no multiple of 16 at pc {pc:#x}")
            }
            Cause::OutOfRam(out) => write!(f, ": {out}; pc {pc:#x}"),
            Cause::Sent { by } if by == self.pid.get() => f.write_str(", sent by itself"),
            Cause::Sent { by } => write!(f, ", sent by process {by}"),
            Cause::Kernel => write!(f, ", from the kernel, at pc {pc:#x}"),
        }
    }
}
