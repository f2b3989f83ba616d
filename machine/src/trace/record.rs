//! An event as a name and fields: what both formats write. Key types: [`Record`], [`Key`], [`Name`].

use arch::{Access, Asid, Granule};
use mm::{Departure, PageState, Prot, What};
use mmu::Use;
use process::{Event, Exit, Pid};
use rustc_hash::FxHashMap;

/// When it was, and whose doing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// Instructions retired by the machine.
    pub(super) retired: u64,
    /// The task that ran; 0 for the kernel between tasks.
    pub(super) pid: Pid,
    /// Its program counter; 0 if not known.
    pub(super) pc: u64,
}

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($variant:ident $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum $type { $($variant,)* }

        impl $type {
            /// All, in the order of their numbers.
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)*];

            pub(super) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

names! {
    /// What happened.
    Name {
        Fault "fault",
        Violation "violation",
        Copy "copy",
        ZeroFill "zero_fill",
        Evict "evict",
        SwapRead "swap_read",
        SwapWrite "swap_write",
        Map "map",
        Unmap "unmap",
        Protect "protect",
        Remap "remap",
        Use "use",
        Exec "exec",
        Fork "fork",
        Exit "exit",
        OutOfMemory "out_of_memory",
    }
}

names! {
    /// What a field says.
    Key {
        Retired "n",
        Pid "pid",
        Pc "pc",
        Owner "owner",
        Address "address",
        Pages "pages",
        State "state",
        Kind "kind",
        Major "major",
        Access "access",
        Signal "signal",
        Frame "frame",
        From "from",
        To "to",
        How "how",
        Mappers "mappers",
        Slot "slot",
        Ahead "ahead",
        Intact "intact",
        Written "written",
        Prot "prot",
        Shared "shared",
        File "file",
        ToPages "to_pages",
        Program "program",
        Child "child",
        Thread "thread",
        Status "status",
        Victim "victim",
    }
}

/// The value of a field.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Number(u64),
    Address(u64),
    Truth(bool),
    Word(&'static str),
    Text(String),
}

/// One event, ready to be written.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) stamp: Stamp,
    pub(super) name: Name,
    pub(super) fields: Vec<(Key, Value)>,
}

impl Record {
    pub(super) fn of(stamp: Stamp, event: &Event, owners: &FxHashMap<Asid, Pid>) -> Self {
        match event {
            Event::Memory(event) => Self::of_memory(stamp, event, owners),
            Event::Exec { pid, program, .. } => {
                Self::of_task(stamp, *pid, Name::Exec).with(Key::Program, Value::Text(program.clone()))
            }
            Event::Fork {
                parent,
                child,
                thread,
                ..
            } => Self::of_task(stamp, *parent, Name::Fork)
                .number(Key::Child, child.get())
                .with(Key::Thread, Value::Truth(*thread)),
            Event::Exit { pid, exit } => {
                let record = Self::of_task(stamp, *pid, Name::Exit);
                match exit {
                    Exit::Code(code) => record.number(Key::Status, *code),
                    Exit::Signal(signal) => record.with(Key::Signal, Value::Text(signal.to_string())),
                }
            }
            Event::OutOfMemory { victim, by } => {
                Self::of_task(stamp, *by, Name::OutOfMemory).number(Key::Victim, victim.get())
            }
        }
    }

    pub(super) fn of_use(stamp: Stamp, used: &Use, granule: Granule, owners: &FxHashMap<Asid, Pid>) -> Self {
        let mut record = Self::new(stamp, Name::Use);
        record.owner(used.asid, owners);
        record
            .with(Key::Address, Value::Address(used.page.start(granule).get()))
            .with(Key::Access, Value::Word(access_name(used.access)))
    }

    fn new(stamp: Stamp, name: Name) -> Self {
        Self {
            stamp,
            name,
            fields: Vec::with_capacity(8),
        }
    }

    /// The doing of a task, whoever runs.
    fn of_task(stamp: Stamp, pid: Pid, name: Name) -> Self {
        Self::new(Stamp { pid, ..stamp }, name)
    }

    fn of_memory(stamp: Stamp, event: &mm::Event, owners: &FxHashMap<Asid, Pid>) -> Self {
        let mut record = Self::new(stamp, name_of(event.what));
        if let Some(space) = event.space {
            record.owner(space, owners);
            record = record
                .with(Key::Address, Value::Address(event.address.get()))
                .number(Key::Pages, event.pages.get());
        }
        let record = record.detail(event.what);
        match event.state {
            PageState::None if is_of_range(event.what) => record,
            state => record.with(Key::State, Value::Word(state_name(state))),
        }
    }

    fn detail(self, what: What) -> Self {
        match what {
            What::Fault { kind, major, access } => self
                .word(Key::Kind, crate::stats::fault_name(kind))
                .with(Key::Major, Value::Truth(major))
                .word(Key::Access, access_name(access)),
            What::Violation { signal, access } => self
                .word(Key::Signal, signal)
                .word(Key::Access, access_name(access)),
            What::Copy { from, to } => self.number(Key::From, from.get()).number(Key::To, to.get()),
            What::ZeroFill { frame } => self.number(Key::Frame, frame.get()),
            What::Evict { frame, how, mappers } => self
                .number(Key::Frame, frame.get())
                .word(Key::How, departure_name(how))
                .number(Key::Mappers, mappers),
            What::SwapRead { slot, ahead, intact } => self
                .number(Key::Slot, slot)
                .with(Key::Ahead, Value::Truth(ahead))
                .with(Key::Intact, Value::Truth(intact)),
            What::SwapWrite { slot, written } => self
                .number(Key::Slot, slot)
                .with(Key::Written, Value::Truth(written)),
            What::Map { prot, shared, file } => self
                .word(Key::Prot, prot_name(prot))
                .with(Key::Shared, Value::Truth(shared))
                .with(Key::File, Value::Truth(file)),
            What::Unmap => self,
            What::Protect { prot } => self.word(Key::Prot, prot_name(prot)),
            What::Remap { to, pages } => self
                .with(Key::To, Value::Address(to.get()))
                .number(Key::ToPages, pages.get()),
        }
    }

    fn owner(&mut self, space: Asid, owners: &FxHashMap<Asid, Pid>) {
        // A space that nobody runs in yet is being made by whoever runs.
        let owner = owners.get(&space).copied().unwrap_or(self.stamp.pid);
        self.fields
            .push((Key::Owner, Value::Number(u64::from(owner.get()))));
    }

    fn with(mut self, key: Key, value: Value) -> Self {
        self.fields.push((key, value));
        self
    }

    fn number(self, key: Key, number: impl Into<u64>) -> Self {
        self.with(key, Value::Number(number.into()))
    }

    fn word(self, key: Key, word: &'static str) -> Self {
        self.with(key, Value::Word(word))
    }
}

fn name_of(what: What) -> Name {
    match what {
        What::Fault { .. } => Name::Fault,
        What::Violation { .. } => Name::Violation,
        What::Copy { .. } => Name::Copy,
        What::ZeroFill { .. } => Name::ZeroFill,
        What::Evict { .. } => Name::Evict,
        What::SwapRead { .. } => Name::SwapRead,
        What::SwapWrite { .. } => Name::SwapWrite,
        What::Map { .. } => Name::Map,
        What::Unmap => Name::Unmap,
        What::Protect { .. } => Name::Protect,
        What::Remap { .. } => Name::Remap,
    }
}

/// Events of ranges have no state of a page.
fn is_of_range(what: What) -> bool {
    matches!(
        what,
        What::Map { .. } | What::Unmap | What::Protect { .. } | What::Remap { .. }
    )
}

fn state_name(state: PageState) -> &'static str {
    match state {
        PageState::None => "none",
        PageState::Zero => "zero",
        PageState::Private => "private",
        PageState::CopyOnWrite => "copy_on_write",
        PageState::File => "file",
        PageState::Shmem => "shmem",
        PageState::Swapped => "swapped",
    }
}

fn departure_name(how: Departure) -> &'static str {
    match how {
        Departure::Swapped => "swapped",
        Departure::Clean => "clean",
        Departure::File => "file",
        Departure::Freed => "freed",
    }
}

fn access_name(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
        Access::Execute => "execute",
    }
}

/// As `/proc/PID/maps` writes rights.
fn prot_name(prot: Prot) -> &'static str {
    const NAMES: [&str; 8] = ["---", "r--", "-w-", "rw-", "--x", "r-x", "-wx", "rwx"];
    NAMES[usize::from(prot.bits() & 7)]
}
