//! Running a program: from a path to an address space, a stack and a first instruction.
//!
//! - [`elf`]: what the file says, checked.
//! - [`load`]: segments and the vDSO into an address space.
//! - [`layout`]: where things go, with and without randomness.
//! - [`script`]: from a `#!` script to its interpreter.
//! - [`stack`]: arguments, environment, auxiliary vector, as bytes.
//! - [`error`]: why a program cannot be run.
//!
//! The new space is complete before the caller's old one is touched, so every failure is an answer to `execve`, where
//! Linux kills after its point of no return.

pub(crate) mod elf;
pub(crate) mod error;
pub(crate) mod layout;
pub(crate) mod load;
pub(crate) mod script;
pub(crate) mod stack;
pub(crate) mod vdso;

#[cfg(test)]
pub(crate) mod tests;

use abi::process::RLIM_INFINITY;
use abi::{process::auxv, signal};
use arch::{Bytes, Regs, VirtAddr};
use mm::{FileId, Memory, SpaceId};

use self::elf::{Image, Source};
use self::error::ExecError;
use self::layout::Places;
use self::load::Loaded;
use crate::file::Program;
use crate::kernel::Kernel;
use crate::task::{self, Creds, Space};

const ADDR_NO_RANDOMIZE: u32 = 0x0004_0000;

/// What to run.
pub(crate) struct Request<'a> {
    /// The path as it was given: `AT_EXECFN`.
    pub(crate) path: &'a [u8],
    /// The opened file.
    pub(crate) program: &'a Program,
    pub(crate) args: &'a [Vec<u8>],
    pub(crate) env: &'a [Vec<u8>],
    pub(crate) creds: &'a Creds,
    pub(crate) limits: mm::Limits,
    pub(crate) personality: u32,
    /// The directory that relative interpreter paths begin in.
    pub(crate) working: &'a [u8],
}

/// A program ready to run.
pub(crate) struct Ready {
    pub(crate) space: Space,
    pub(crate) regs: Regs,
}

/// A file of mm as a source for the ELF reader.
struct FileSource<'m> {
    memory: &'m mut Memory,
    file: FileId,
    length: u64,
}

impl Source for FileSource<'_> {
    fn length(&mut self) -> std::io::Result<u64> {
        Ok(self.length)
    }

    fn read(&mut self, offset: u64, to: &mut [u8]) -> std::io::Result<usize> {
        self.memory.file_read(self.file, offset, to)
    }
}

impl Kernel {
    /// Makes an address space that runs a program.
    pub(crate) fn prepare(&mut self, request: &Request<'_>) -> Result<Ready, ExecError> {
        let image = self.read_image(request.program)?;
        let interpreter = self.open_interpreter(&image, request)?;
        let random = self.config.randomize && request.personality & ADDR_NO_RANDOMIZE == 0;
        let stack = match request.limits.stack.get() {
            RLIM_INFINITY => None,
            limit => Some(limit),
        };
        let places = Places::choose(self.memory.granule(), stack, random, &mut self.rng);
        let space = self.memory.create_space(places.layout(), request.limits)?;
        let filled = self.fill_space(space, request, &places, &image, interpreter.as_ref());
        if filled.is_err() {
            self.memory.destroy_space(space);
        }
        filled
    }

    fn read_image(&mut self, program: &Program) -> Result<Image, ExecError> {
        let granule = self.memory.granule();
        let mut source = FileSource {
            file: program.file.id(),
            length: program.length,
            memory: &mut self.memory,
        };
        Image::read(&mut source, granule)
    }

    fn open_interpreter(
        &mut self,
        image: &Image,
        request: &Request<'_>,
    ) -> Result<Option<(Image, Program)>, ExecError> {
        let Some(path) = &image.interpreter else {
            return Ok(None);
        };
        let mut open = || {
            let program = self.open_program(request.working, path)?;
            Ok((self.read_image(&program)?, program))
        };
        open().map(Some).map_err(|cause| ExecError::Interpreter {
            path: path.clone(),
            cause: Box::new(cause),
        })
    }

    fn fill_space(
        &mut self,
        space: SpaceId,
        request: &Request<'_>,
        places: &Places,
        image: &Image,
        interpreter: Option<&(Image, Program)>,
    ) -> Result<Ready, ExecError> {
        let loaded = load::program(&mut self.memory, space, request.program.file.id(), image, places)?;
        let entered = match interpreter {
            Some((image, program)) => Some(load::interpreter(
                &mut self.memory,
                space,
                program.file.id(),
                image,
            )?),
            None => None,
        };
        let granule = self.memory.granule();
        let heap = VirtAddr::new(loaded.end).align_up(granule);
        let heap = heap.and_then(|heap| heap.checked_add(Bytes::new(places.heap_gap)));
        self.memory
            .start_break(space, heap.unwrap_or(VirtAddr::new(loaded.end)));
        let vdso = match self.bundle.vdso() {
            Some((file, length)) => Some(load::vdso(&mut self.memory, space, file, length)?),
            None => None,
        };
        let vector = self.vector(request, &loaded, image, entered.as_ref(), vdso);
        let stack = self.build_stack(space, request, places, image.executable_stack, &vector)?;
        let mut regs = Regs::default();
        regs.pc = entered.as_ref().unwrap_or(&loaded).entry;
        regs.set_sp(stack.sp);
        let sigreturn = vdso.zip(self.bundle.sigreturn());
        let image = task::Image {
            path: request.program.path.clone(),
            code: loaded.code,
            data: loaded.data,
            stack: stack.sp,
            args: (stack.arg_start, stack.arg_end),
            env: (stack.arg_end, stack.env_end),
            auxv: stack.auxv,
            sigreturn: sigreturn.map_or(0, |(base, offset)| base + offset),
        };
        let space = Space {
            id: space,
            image,
            dumpable: std::cell::Cell::new(true),
        };
        Ok(Ready { space, regs })
    }

    /// The auxiliary vector in Linux's order, without what the stack itself adds.
    fn vector(
        &self,
        request: &Request<'_>,
        loaded: &Loaded,
        image: &Image,
        interpreter: Option<&Loaded>,
        vdso: Option<u64>,
    ) -> Vec<(u64, u64)> {
        let creds = request.creds;
        let secure = creds.uid != creds.euid || creds.gid != creds.egid;
        let mut vector = Vec::with_capacity(24);
        vector.extend(vdso.map(|base| (auxv::SYSINFO_EHDR, base)));
        vector.extend([
            (auxv::MINSIGSTKSZ, signal::AT_MINSIGSTKSZ),
            (auxv::HWCAP, crate::hwcap::bits(self.config.features)),
            (auxv::PAGESZ, self.memory.granule().bytes()),
            (auxv::CLKTCK, abi::time::CLOCK_TICKS),
            (auxv::PHDR, loaded.headers),
            (auxv::PHENT, 56),
            (auxv::PHNUM, u64::from(image.header_count)),
            (auxv::BASE, interpreter.map_or(0, |loaded| loaded.bias)),
            (auxv::FLAGS, 0),
            (auxv::ENTRY, loaded.entry),
            (auxv::UID, u64::from(creds.uid)),
            (auxv::EUID, u64::from(creds.euid)),
            (auxv::GID, u64::from(creds.gid)),
            (auxv::EGID, u64::from(creds.egid)),
            (auxv::SECURE, u64::from(secure)),
            (auxv::HWCAP2, 0),
        ]);
        vector
    }

    fn build_stack(
        &mut self,
        space: SpaceId,
        request: &Request<'_>,
        places: &Places,
        executable: bool,
        vector: &[(u64, u64)],
    ) -> Result<stack::Stack, ExecError> {
        let mut random = [0; 16];
        self.rng.fill(&mut random);
        let stack = stack::build(&stack::Request {
            top: places.stack_top,
            granule: self.memory.granule(),
            limit: request.limits.stack.get(),
            path: request.path,
            args: request.args,
            env: request.env,
            displacement: places.displacement,
            random,
            auxv: vector,
        })?;
        let strings = places.stack_top - stack.arg_start;
        load::stack(&mut self.memory, space, places.stack_top, strings, executable)?;
        let sp = VirtAddr::new(stack.sp);
        self.memory.mark_stack(space, sp);
        self.memory
            .copy_out(space, sp, &stack.bytes)
            .map_err(|fault| match fault.violation.signal {
                mm::ViolationKind::OutOfRam(out) => ExecError::OutOfRam(out),
                mm::ViolationKind::BusSwap(error) => ExecError::Read(std::io::Error::other(error)),
                _ => ExecError::Setup { address: stack.sp },
            })?;
        Ok(stack)
    }
}
