//! Why a program cannot be run: one error for each cause, each one clear line.
//!
//! Key types: [`ExecError`], with the `errno` that `execve(2)` answers and the exit status that a shell would give;
//! [`ElfError`], what is wrong with the file's bytes.

use std::fmt;

use abi::Errno;
use arch::Bytes;
use mm::{MapError, OutOfRam};
use procfs::printable;

/// Why the bytes are no program that this machine runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ElfError {
    /// The file begins with `#!` and names no interpreter.
    Script {
        /// The rest of the line.
        interpreter: Vec<u8>,
    },
    /// The file is empty.
    Empty,
    /// The first four bytes are not ELF's.
    NotElf,
    /// ELF of 32 bits, or of no known class.
    Class(u8),
    /// Big-endian, or of no known order.
    ByteOrder(u8),
    /// For another processor.
    Machine(u16),
    /// A relocatable object, a core file, or of no known type.
    Type(u16),
    /// The file ends inside `what`.
    Truncated {
        /// What is cut.
        what: &'static str,
        /// Where it would end.
        end: u64,
        /// Where the file ends.
        length: u64,
    },
    /// The program headers' size or number is not what Linux takes.
    Headers {
        /// `e_phentsize`.
        size: u16,
        /// `e_phnum`.
        count: u16,
    },
    /// No `PT_LOAD` segment.
    NothingToLoad,
    /// A segment has more bytes in the file than in memory.
    FileLarger {
        /// Which program header.
        segment: usize,
    },
    /// A segment lies outside the addresses of user space.
    Address {
        /// Which program header.
        segment: usize,
        /// Its first address.
        address: u64,
        /// Its size.
        size: u64,
    },
    /// A segment's alignment is smaller than a page.
    Alignment {
        /// Which program header.
        segment: usize,
        /// `p_align`.
        align: u64,
        /// The page size.
        page: u64,
    },
    /// A segment's address and file offset are not the same modulo the page size.
    Incongruent {
        /// Which program header.
        segment: usize,
        /// `p_vaddr`.
        address: u64,
        /// `p_offset`.
        offset: u64,
        /// The page size.
        page: u64,
    },
    /// The segments are not in ascending order of address.
    Order {
        /// The first that is not.
        segment: usize,
    },
    /// The `PT_INTERP` text is too long, empty or without its zero.
    InterpreterName,
}

/// Why a program cannot be run.
#[derive(Debug)]
pub enum ExecError {
    /// The path cannot be opened.
    Open(Errno),
    /// It is a directory, a device, a pipe.
    NotRegular,
    /// It may not be executed.
    NotExecutable,
    /// Its bytes are not right.
    Elf(ElfError),
    /// The interpreter that it names cannot be loaded.
    Interpreter {
        /// Its path.
        path: Vec<u8>,
        /// Why.
        cause: Box<ExecError>,
    },
    /// It is a script, and the interpreter that it names cannot be opened.
    ScriptInterpreter {
        /// Its path.
        path: Vec<u8>,
        /// Why.
        cause: Box<ExecError>,
    },
    /// Arguments and environment are too large.
    TooBig {
        /// Their size.
        size: Bytes,
        /// What is allowed.
        limit: Bytes,
    },
    /// The argument list holds a bad address.
    BadAddress,
    /// A segment cannot be mapped.
    Map(MapError),
    /// RAM ran out.
    OutOfRam(OutOfRam),
    /// Reading the file failed.
    Read(std::io::Error),
    /// The new program's memory cannot be written.
    Setup {
        /// Where.
        address: u64,
    },
}

impl ExecError {
    /// What `execve(2)` answers.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Open(errno) => *errno,
            Self::NotRegular | Self::NotExecutable => Errno::EACCES,
            Self::Elf(_) => Errno::ENOEXEC,
            Self::Interpreter { cause, .. } => match &**cause {
                Self::Elf(_) => Errno::ELIBBAD,
                other => other.errno(),
            },
            Self::ScriptInterpreter { cause, .. } => cause.errno(),
            Self::TooBig { .. } => Errno::E2BIG,
            Self::BadAddress | Self::Setup { .. } => Errno::EFAULT,
            Self::Map(_) | Self::OutOfRam(_) => Errno::ENOMEM,
            Self::Read(_) => Errno::EIO,
        }
    }

    /// The exit status of a shell that could not run it: 127 if there is no such file, else 126.
    pub fn status(&self) -> u8 {
        match self {
            Self::Open(Errno::ENOENT | Errno::ENOTDIR) => 127,
            Self::ScriptInterpreter { cause, .. } => cause.status(),
            _ => 126,
        }
    }
}

impl From<ElfError> for ExecError {
    fn from(error: ElfError) -> Self {
        Self::Elf(error)
    }
}

impl From<MapError> for ExecError {
    fn from(error: MapError) -> Self {
        Self::Map(error)
    }
}

impl From<OutOfRam> for ExecError {
    fn from(error: OutOfRam) -> Self {
        Self::OutOfRam(error)
    }
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script { interpreter } => write!(
                f,
                "it is a script, but the first 256 bytes name no interpreter: '{}'",
                printable(interpreter)
            ),
            Self::Empty => f.write_str("the file is empty"),
            Self::NotElf => f.write_str("it is no ELF file"),
            Self::Class(class) => write!(f, "it is no 64-bit ELF file (class {class})"),
            Self::ByteOrder(order) => write!(f, "it is not little-endian (byte order {order})"),
            Self::Machine(machine) => write!(
                f,
                "it is a program for {}, and this machine is AArch64",
                machine_name(*machine)
            ),
            Self::Type(kind) => write!(f, "it is no executable ELF file ({})", type_name(*kind)),
            Self::Truncated { what, end, length } => write!(
                f,
                "the file is truncated: {what} would end at byte {end}, the file has {length}"
            ),
            Self::Headers { size, count } => write!(
                f,
                "its program headers cannot be read ({count} headers of {size} bytes)"
            ),
            Self::NothingToLoad => f.write_str("it has no segment to load"),
            Self::FileLarger { segment } => {
                write!(f, "segment {segment} has more bytes in the file than in memory")
            }
            Self::Address {
                segment,
                address,
                size,
            } => write!(
                f,
                "segment {segment} ({size} bytes at {address:#x}) lies outside the addresses of user space"
            ),
            Self::Alignment { segment, align, page } => write!(
                f,
                "segment {segment} is aligned to {align} bytes, and a page has {page}: \
                 link with -z max-page-size={page} or more, or run with a smaller page size"
            ),
            Self::Incongruent {
                segment,
                address,
                offset,
                page,
            } => write!(
                f,
                "segment {segment} cannot be mapped: its address {address:#x} and its file offset {offset:#x} \
                 differ modulo the page size of {page} bytes"
            ),
            Self::Order { segment } => write!(f, "segment {segment} lies below the one before it"),
            Self::InterpreterName => f.write_str("the name of its interpreter cannot be read"),
        }
    }
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(errno) => write!(f, "{errno}"),
            Self::NotRegular => f.write_str("it is not a regular file"),
            Self::NotExecutable => f.write_str("it may not be executed: permission denied"),
            Self::Elf(error) => error.fmt(f),
            Self::Interpreter { path, cause } => {
                write!(f, "its interpreter {} cannot be loaded: {cause}", printable(path))
            }
            Self::ScriptInterpreter { path, cause } => write!(
                f,
                "it is a script for {}, which cannot be run: {cause}",
                printable(path)
            ),
            Self::TooBig { size, limit } => write!(
                f,
                "its arguments and environment take {size} bytes, {limit} are allowed"
            ),
            Self::BadAddress => f.write_str("its argument list holds a bad address"),
            Self::Map(error) => write!(f, "a segment cannot be mapped: {error}"),
            Self::OutOfRam(error) => error.fmt(f),
            Self::Read(error) => write!(f, "it cannot be read: {error}"),
            Self::Setup { address } => write!(f, "its memory at {address:#x} cannot be written"),
        }
    }
}

impl std::error::Error for ElfError {}

impl std::error::Error for ExecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Elf(error) => Some(error),
            Self::Interpreter { cause, .. } | Self::ScriptInterpreter { cause, .. } => Some(cause),
            Self::Map(error) => Some(error),
            Self::OutOfRam(error) => Some(error),
            Self::Read(error) => Some(error),
            _ => None,
        }
    }
}

fn machine_name(machine: u16) -> String {
    use object::elf;
    let known = match elf::Machine(machine) {
        elf::EM_X86_64 => "x86-64",
        elf::EM_386 => "x86 (32 bits)",
        elf::EM_ARM => "32-bit Arm",
        elf::EM_RISCV => "RISC-V",
        elf::EM_PPC64 => "POWER",
        elf::EM_S390 => "s390",
        elf::EM_MIPS => "MIPS",
        elf::EM_LOONGARCH => "LoongArch",
        _ => return format!("another processor (e_machine {machine})"),
    };
    known.to_owned()
}

fn type_name(kind: u16) -> String {
    use object::elf;
    match elf::FileType(kind) {
        elf::ET_REL => "a relocatable object".to_owned(),
        elf::ET_CORE => "a core file".to_owned(),
        _ => format!("e_type {kind}"),
    }
}
