//! `pagewalk run`: runs an AArch64 Linux program on a machine of its own.
//!
//! The exit status is the program's, 128+N if signal N killed it; 127 if the program does not exist, 126 if it cannot
//! be run, 125 if the machine itself has trouble.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use arch::{Bytes, Granule};
use machine::trace::{Format, Recorder};
use machine::{Machine, MachineError, Message, Stats};
use process::{Bundled, Root, Spawn};

use crate::{Failure, size};

/// The machine has trouble, as env(1) and timeout(1) number it.
const MACHINE_TROUBLE: u8 = 125;
/// The first task's number on a machine with a seed: always the same.
const SEEDED_PID: u32 = 100;
/// Where guests see the programs that come with pagewalk.
const BUNDLE: &str = "/pagewalk";

/// Run an AArch64 Linux program; its exit status is ours (128+N for a signal).
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub struct Args {
    /// Page size: 4k, 16k or 64k
    #[arg(long, value_name = "SIZE", default_value = "16k")]
    page_size: Granule,

    /// Amount of RAM, such as 64m or 1g
    #[arg(long, value_name = "SIZE", default_value = "1g", value_parser = size::parse)]
    ram: Bytes,

    /// Amount of swap; 0 is none
    #[arg(long, value_name = "SIZE", default_value = "1g", value_parser = size::parse)]
    swap: Bytes,

    /// Swap to this file, which is made for it and removed at the end, instead of a temporary file without a name
    #[arg(long, value_name = "PATH")]
    swap_file: Option<PathBuf>,

    /// Keep up to so much of compressed pages in the host's memory before the swap file is used
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = size::parse)]
    swap_compressed: Bytes,

    /// Which page leaves when RAM is full: fifo, random, clock, lru, mglru, 2q, arc, sieve or s3-fifo
    #[arg(long, value_name = "NAME", default_value = "clock")]
    policy: policy::Name,

    /// Set a variable of the program's environment; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    env: Vec<OsString>,

    /// Start the program in this directory
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,

    /// Let the program see this folder as / and nothing else of the host; it starts in it unless --workdir names a folder
    /// inside. Descriptors that pagewalk was started with stay usable
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Change no file of the host, as if all were mounted read-only; what pagewalk was started with (standard output) and
    /// memory files stay writable
    #[arg(long)]
    read_only: bool,

    /// Let the program open no IP sockets; Unix sockets between its own processes work
    #[arg(long)]
    no_network: bool,

    /// Repeat exactly: addresses, random bytes, clock and process numbers follow from the seed, and the environment is
    /// only what --env gives
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// What the processor promises to programs (AT_HWCAP), as the Features line of /proc/cpuinfo names it, with commas; the
    /// rest is undefined to them. fp and asimd are always there
    #[arg(long, value_name = "LIST", value_parser = process::hwcap::parse)]
    hwcap: Option<arch::Features>,

    /// Print what memory did to standard error at the end: text, or json
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    stats: Option<StatsForm>,

    /// Wait for gdb or lldb at HOST:PORT, :PORT (this host only) or the path of a Unix socket, and let it debug the
    /// program; with port 0 a free port is taken and printed
    #[arg(long, value_name = "ADDR")]
    gdb: Option<machine::debug::DebugAddress>,

    /// Print system calls as strace does, to FILE or to standard error
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    strace: Option<Option<PathBuf>>,

    /// Record what happens to memory in FILE: faults, copies, zero fills, evictions, swap reads and writes, maps, unmaps,
    /// protects, remaps, forks, execs, exits, out of memory; each with the instruction count, process, program counter, address
    /// and state of the page (docs/trace.md). FILE.jsonl is JSON lines; FILE.pftrace opens in ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Form of the trace if FILE's name does not say it: jsonl or perfetto
    #[arg(long, value_name = "FORM", requires = "trace")]
    trace_format: Option<Format>,

    /// Also record which pages are used, each about once in every N instructions (10000): what `pagewalk opt` reads
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "10000",
          value_parser = clap::value_parser!(u64).range(1..), requires = "trace")]
    trace_references: Option<u64>,

    /// A bundled guest such as beep, or the path of an ELF file or of a #! script
    #[arg(value_name = "PROGRAM")]
    program: OsString,

    /// Its arguments
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// How statistics are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum StatsForm {
    /// For people.
    Text,
    /// One JSON object on one line.
    Json,
}

fn after_help() -> String {
    let mut text = "Bundled guests:\n".to_owned();
    for guest in guests::all() {
        text.push_str(&format!("  {:<14} {}\n", guest.name, guest.what));
    }
    text
}

fn parse_variable(text: &str) -> Result<OsString, String> {
    match text.find('=') {
        Some(at) if at > 0 => Ok(text.into()),
        _ => Err(format!("'{text}' sets nothing: write NAME=VALUE")),
    }
}

impl Args {
    /// Run.
    ///
    /// # Errors
    /// [`Failure`] with the program's status if that is not 0 (its message is empty then), or with why it could not run.
    pub fn run(self) -> Result<(), Failure> {
        let stats = self.stats;
        let trace = self.trace()?;
        let recorder = self.recorder()?;
        let config = self.config()?;
        let program = config.program.clone();
        let mut machine = Machine::new(config).map_err(|error| failure(&error))?;
        if let Some(trace) = trace {
            machine.trace_to(trace, &program);
        }
        if let Some(recorder) = recorder {
            machine.record(recorder);
        }
        machine.catch_signals().map_err(|error| failure(&error))?;
        let exit = machine.run(tell).map_err(|error| failure(&error))?;
        if let Some(form) = stats {
            print_stats(&machine.stats(), form);
        }
        match exit.shell_status() {
            0 => Ok(()),
            status => Err(Failure {
                code: status,
                message: String::new(),
            }),
        }
    }

    /// Where system calls are printed.
    fn trace(&self) -> Result<Option<Box<dyn Write>>, Failure> {
        match &self.strace {
            None => Ok(None),
            Some(None) => Ok(Some(Box::new(std::io::LineWriter::new(std::io::stderr())))),
            Some(Some(path)) => match std::fs::File::create(path) {
                Ok(file) => Ok(Some(Box::new(std::io::BufWriter::new(file)))),
                Err(error) => Err(Failure {
                    code: MACHINE_TROUBLE,
                    message: format!("cannot write {}: {error}", path.display()),
                }),
            },
        }
    }

    /// Where memory's events are recorded.
    fn recorder(&self) -> Result<Option<Recorder>, Failure> {
        let Some(path) = &self.trace else {
            return Ok(None);
        };
        let trouble = |message| Failure {
            code: MACHINE_TROUBLE,
            message,
        };
        let format = self.trace_format.or_else(|| Format::of_path(path));
        let format = format.ok_or_else(|| {
            let path = path.display();
            trouble(format!(
                "the name {path} does not say how the trace is to be written: call it .jsonl or .pftrace, or give --trace-format"
            ))
        })?;
        let recorder = Recorder::create(path, format).map_err(|error| trouble(error.to_string()))?;
        Ok(Some(match self.trace_references {
            Some(window) => recorder.references(window),
            None => recorder,
        }))
    }

    fn config(self) -> Result<machine::Config, Failure> {
        let root = self.root_folder()?;
        let working = match &root {
            Some(root) => self.working_inside(root)?,
            None => self.working_directory()?,
        };
        let program = Spawn {
            path: self.path(),
            args: self.arguments(),
            env: self.environment(),
            working,
        };
        let bundled = |guest: &guests::Guest| Bundled {
            name: guest.name.to_owned(),
            bytes: Rc::from(guest.elf),
        };
        let kernel = process::Config {
            seed: self.seed,
            vdso: Some(Rc::from(guests::VDSO)),
            programs: guests::all().iter().map(bundled).collect(),
            // The host's number tells the processes of several machines apart.
            first_pid: if self.seed.is_some() {
                SEEDED_PID
            } else {
                std::process::id()
            },
            root,
            read_only: self.read_only,
            network: !self.no_network,
            record_events: self.trace.is_some(),
            features: self.hwcap.unwrap_or(arch::Features::USUAL),
            ..process::Config::default()
        };
        Ok(machine::Config {
            granule: self.page_size,
            ram: self.ram,
            policy: self.policy,
            swap: machine::Swap {
                size: self.swap,
                file: self.swap_file,
                compressed: self.swap_compressed,
            },
            kernel,
            program,
            serve: true,
            debug: self.gdb,
        })
    }

    /// A bare name is a bundled guest's if there is one of that name; everything else is a path.
    fn path(&self) -> Vec<u8> {
        let bundled = self.program.to_str().and_then(guests::find);
        match bundled {
            Some(guest) => format!("{BUNDLE}/{}", guest.name).into_bytes(),
            None => self.program.as_bytes().to_vec(),
        }
    }

    fn arguments(&self) -> Vec<Vec<u8>> {
        std::iter::once(&self.program)
            .chain(&self.args)
            .map(|arg| arg.as_bytes().to_vec())
            .collect()
    }

    fn environment(&self) -> Vec<Vec<u8>> {
        let name_of = |variable: &[u8]| variable.split(|&byte| byte == b'=').next().map(<[u8]>::to_vec);
        let given: Vec<Vec<u8>> = self
            .env
            .iter()
            .map(|variable| variable.as_bytes().to_vec())
            .collect();
        let inherited = std::env::vars_os()
            .filter(|_| self.seed.is_none())
            .map(|(name, value)| [name.into_vec(), b"=".to_vec(), value.into_vec()].concat());
        let is_given = |variable: &Vec<u8>| given.iter().any(|other| name_of(other) == name_of(variable));
        let mut environment: Vec<Vec<u8>> = inherited.filter(|variable| !is_given(variable)).collect();
        environment.extend(given.iter().cloned());
        environment
    }

    fn root_folder(&self) -> Result<Option<Root>, Failure> {
        let Some(folder) = &self.root else {
            return Ok(None);
        };
        Root::open(folder).map(Some).map_err(|error| Failure {
            code: MACHINE_TROUBLE,
            message: format!("cannot use {} as the root: {error}", folder.display()),
        })
    }

    /// A folder in the root, from its top.
    fn working_inside(&self, root: &Root) -> Result<Vec<u8>, Failure> {
        let wanted = self.workdir.as_deref().unwrap_or(Path::new("/"));
        let wanted = Path::new("/").join(wanted);
        root.check_folder(&wanted).map_err(|error| Failure {
            code: MACHINE_TROUBLE,
            message: format!("cannot start in {} of the root folder: {error}", wanted.display()),
        })?;
        Ok(wanted.into_os_string().into_vec())
    }

    fn working_directory(&self) -> Result<Vec<u8>, Failure> {
        let wanted = self.workdir.as_deref().unwrap_or(Path::new("."));
        let trouble = |error| Failure {
            code: MACHINE_TROUBLE,
            message: format!("cannot start in {}: {error}", wanted.display()),
        };
        let path = std::fs::canonicalize(wanted).map_err(trouble)?;
        if !path.is_dir() {
            return Err(trouble(std::io::ErrorKind::NotADirectory.into()));
        }
        Ok(path.into_os_string().into_vec())
    }
}

fn failure(error: &MachineError) -> Failure {
    match error {
        MachineError::Program(error) => {
            let hint = if error.status() == 127 {
                " (no bundled guest has that name either; see pagewalk run --help)"
            } else {
                ""
            };
            Failure {
                code: error.status(),
                message: format!("{error}{hint}"),
            }
        }
        _ => Failure {
            code: MACHINE_TROUBLE,
            message: error.to_string(),
        },
    }
}

/// One line each, to standard error, as it happens.
fn tell(message: Message) {
    let mut stderr = anstream::stderr().lock();
    // Nobody can be told that standard error is closed.
    let _ = match message {
        Message::Notice(notice) => writeln!(stderr, "pagewalk: {notice}"),
        Message::Death(death) => writeln!(stderr, "pagewalk: {death}"),
        Message::Debugger(news) | Message::Trace(news) => writeln!(stderr, "pagewalk: {news}"),
    };
}

fn print_stats(stats: &Stats, form: StatsForm) {
    let mut stderr = std::io::stderr().lock();
    let text = match form {
        StatsForm::Text if stderr.is_terminal() => format!("\n{}", stats.render()),
        StatsForm::Text => stats.render(),
        StatsForm::Json => {
            let section = |section: &machine::stats::Section| {
                let rows = section
                    .rows
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).into()));
                (section.name.to_owned(), serde_json::Value::Object(rows.collect()))
            };
            let object: serde_json::Map<_, _> = stats.sections().iter().map(section).collect();
            format!("{}\n", serde_json::Value::Object(object))
        }
    };
    // As above.
    let _ = stderr.write_all(text.as_bytes());
}
